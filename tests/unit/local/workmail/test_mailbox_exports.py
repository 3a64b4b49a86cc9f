"""Exports of mailboxes: the jobs, their quotas, and the archives, under every undocumented behaviour."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from functools import cache
from hashlib import sha384
from typing import Any

import boto3
import pytest
import time_machine

from local.aws import kms
from local.hooks import Hooks
from local.workmail import MailboxContents, MailItem
from tests.unit.local.workmail.conftest import ACCOUNT, MORNING, ORGANIZATION, REGION, WorkMail, error_code

BUCKET, PREFIX = "archive", "m-1/dana"
ORGANIZATION_ARN = f"arn:aws:workmail:{REGION}:{ACCOUNT}:organization/{ORGANIZATION}"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SHORTEST = 5 * MINUTE


def statement(action: Any, resource: Any = None, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    named = {} if resource is None else {"Resource": resource}
    return {"Effect": effect, "Action": action, **named, **more}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def make_trust(service: str = "export.workmail.amazonaws.com", **condition: Any) -> str:
    conditions = condition or {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": ORGANIZATION_ARN},
    }
    return document(statement("sts:AssumeRole", Principal={"Service": service}, Condition=conditions))


make_client = cache(boto3.client)
"""Making a client takes longer than most tests."""


@dataclass
class Exports:
    """An organization with a bucket, a key and a role, as in the administrator guide's example."""

    workmail: WorkMail
    clock: time_machine.Traveller
    key: str = ""
    role: str = ""
    token: int = 0

    def client(self, service: str) -> Any:
        return make_client(service, REGION)

    @property
    def key_id(self) -> str:
        return self.key.rpartition("/")[2]

    def create_destination(self) -> None:
        s3 = self.client("s3")
        s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        self.key = self.client("kms").create_key()["KeyMetadata"]["Arn"]
        role = self.client("iam").create_role(RoleName="export", AssumeRolePolicyDocument=make_trust())
        self.role = role["Role"]["Arn"]
        self.allow(*self.list_statements())

    def list_statements(self) -> list[dict[str, Any]]:
        bucket = f"arn:aws:s3:::{BUCKET}"
        return [
            statement("s3:GetBucketPolicyStatus", bucket),
            statement(["s3:AbortMultipartUpload", "s3:PutObject"], f"{bucket}/{PREFIX}/*"),
            statement(
                ["kms:Decrypt", "kms:GenerateDataKey"], self.key,
                Condition={
                    "StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"},
                    "StringLike": {"kms:EncryptionContext:aws:s3:arn": f"{bucket}/{PREFIX}*"},
                },
            ),
        ]  # fmt: skip

    def allow(self, *statements: dict[str, Any]) -> None:
        policy = document(*statements)
        self.client("iam").put_role_policy(RoleName="export", PolicyName="export", PolicyDocument=policy)

    def switch(self, **switches: Any) -> None:
        self.workmail.backend.behaviour = replace(self.workmail.backend.behaviour, **switches)

    def make_request(self, entity: str, **changes: Any) -> dict[str, Any]:
        self.token += 1
        return {
            "EntityId": entity, "ClientToken": f"token-{self.token}", "RoleArn": self.role, "KmsKeyArn": self.key,
            "S3BucketName": BUCKET, "S3Prefix": PREFIX, **changes,
        }  # fmt: skip

    def start(self, entity: str, **changes: Any) -> str:
        return self.workmail.call("start_mailbox_export_job", **self.make_request(entity, **changes))["JobId"]

    def refusal(self, entity: str, **changes: Any) -> str:
        return self.workmail.fails("start_mailbox_export_job", **self.make_request(entity, **changes))

    def describe(self, job: str) -> dict[str, Any]:
        return self.workmail.call("describe_mailbox_export_job", JobId=job)

    def list_jobs(self) -> list[dict[str, Any]]:
        return self.workmail.call("list_mailbox_export_jobs")["Jobs"]

    def cancel(self, job: str) -> None:
        self.workmail.call("cancel_mailbox_export_job", JobId=job, ClientToken="cancel")

    def export(self, entity: str, **changes: Any) -> dict[str, Any]:
        """Start a job, let it end, and describe it."""
        job = self.start(entity, **changes)
        self.clock.shift(SHORTEST)
        return self.describe(job)

    def list_keys(self) -> list[str]:
        return [item["Key"] for item in self.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def read(self, key: str) -> bytes:
        return self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def open_archive(self, description: dict[str, Any]) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.read(description["S3Path"])))


@pytest.fixture(name="clock")
def _clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(MORNING, tick=False) as clock:
        yield clock


@pytest.fixture
def exports(workmail: WorkMail, clock: time_machine.Traveller) -> Exports:
    made = Exports(workmail, clock)
    with Hooks() as hooks:
        kms.install(hooks)
        made.create_destination()
    return made


def fill(exports: Exports, entity: str, *items: MailItem, **counts: int) -> MailboxContents:
    contents = MailboxContents(items, **counts)
    exports.workmail.backend.fill_mailbox(ORGANIZATION, entity, contents)
    return contents


def make_item(folder: str = "Inbox", subject: str = "Hello", **more: Any) -> MailItem:
    sent_at = datetime(2026, 2, 1, 8, tzinfo=UTC)
    return MailItem(folder, subject, "kim@example.com", "dana@example.com", **{"sent_at": sent_at, **more})


def test_a_job_runs_for_a_time_that_its_mailbox_s_size_determines_and_stores_an_archive(exports: Exports) -> None:
    user = exports.workmail.create_user("dana")
    exports.workmail.backend.set_mailbox_size(ORGANIZATION, user, 50 * 1024)
    exports.switch(export_minutes_per_gb=60)

    job = exports.start(user, Description="leaver")

    expected = {
        "EntityId": user, "Description": "leaver", "RoleArn": exports.role, "KmsKeyArn": exports.key,
        "S3BucketName": BUCKET, "S3Prefix": PREFIX, "S3Path": f"{PREFIX}/{job}.zip", "StartTime": MORNING,
    }  # fmt: skip
    assert exports.describe(job) == {**expected, "State": "RUNNING", "EstimatedProgress": 0}
    exports.clock.shift(25 * HOUR)
    assert exports.describe(job)["EstimatedProgress"] == 50
    exports.clock.shift(25 * HOUR - MINUTE)
    assert exports.describe(job) == {**expected, "State": "RUNNING", "EstimatedProgress": 99}
    assert exports.list_keys() == []
    exports.clock.shift(MINUTE)
    ended = {**expected, "State": "COMPLETED", "EstimatedProgress": 100, "EndTime": MORNING + 50 * HOUR}
    assert exports.describe(job) == ended
    assert exports.list_keys() == [f"{PREFIX}/{job}.json", f"{PREFIX}/{job}.zip"]
    summary = {name: value for name, value in ended.items() if name not in ("RoleArn", "KmsKeyArn", "S3Prefix")}
    assert exports.list_jobs() == [{**summary, "JobId": job}]


def test_the_archive_is_encrypted_with_the_key_and_has_a_version(exports: Exports) -> None:
    answer = exports.client("s3").head_object(
        Bucket=BUCKET, Key=exports.export(exports.workmail.create_user("dana"))["S3Path"]
    )

    assert (answer["ServerSideEncryption"], answer["SSEKMSKeyId"]) == ("aws:kms", exports.key)
    assert answer["VersionId"] != "null"


def test_the_archive_has_every_message_and_calendar_item_in_mime_format(exports: Exports) -> None:
    user = exports.workmail.create_user("dana")
    starts_at = datetime(2026, 2, 3, 10, tzinfo=UTC)
    fill(
        exports, user, make_item(subject="Überstunden", body="Grüße\n"), make_item("Inbox/Projects", "Plan"),
        make_item("Calendar", "Lunch, maybe", starts_at=starts_at), contacts=3, notes=2, tasks=1,
    )  # fmt: skip

    description = exports.export(user)

    with exports.open_archive(description) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["Calendar/000001.eml", "Inbox/000002.eml", "Inbox/Projects/000003.eml"]
        files = [archive.read(name) for name in archive.namelist()]
    meeting, message, _ = (message_from_bytes(data, policy=default) for data in files)
    assert (message["Subject"], message.get_content()) == ("Überstunden", "Grüße\r\n")
    assert message["Date"].datetime == datetime(2026, 2, 1, 8, tzinfo=UTC)
    assert meeting.get_content_type() == "text/calendar"
    assert "DTSTART:20260203T100000Z" in meeting.get_content()
    assert "SUMMARY:Lunch\\, maybe" in meeting.get_content()
    start = int(MORNING.timestamp())
    assert json.loads(exports.read(description["S3Path"].replace(".zip", ".json"))) == {
        "totalNonExportableItems": "6", "totalMessages": "3", "totalFolders": "3",
        "totalBytes": str(sum(map(len, files))), "startTime": str(start), "endTime": str(start + 300),
        "sha384Hash": sha384(exports.read(description["S3Path"])).hexdigest(),
    }  # fmt: skip


def test_the_same_mailbox_makes_the_same_archive(exports: Exports) -> None:
    contents = [exports.read(exports.export(exports.workmail.create_user(f"dana{n}"))["S3Path"]) for n in range(2)]
    assert contents[0] != contents[1], "each mailbox has its own contents"
    user = exports.workmail.create_user("kim")
    fill(exports, user, make_item(), make_item("Calendar", starts_at=MORNING))

    archive = exports.read(exports.export(user)["S3Path"])
    exports.clock.shift(DAY)

    assert exports.read(exports.export(user)["S3Path"]) == archive


def test_a_mailbox_that_nobody_filled_has_generated_items(exports: Exports) -> None:
    description = exports.export(exports.workmail.create_resource("room"))

    log = json.loads(exports.read(description["S3Path"].replace(".zip", ".json")))
    assert int(log["totalMessages"]) >= 4
    assert log["totalNonExportableItems"] == "3"
    with exports.open_archive(description) as archive:
        dates = [message_from_bytes(archive.read(name), policy=default)["Date"] for name in archive.namelist()]
    assert all(date.datetime < MORNING for date in dates), "nothing was sent after the mailbox was created"


def test_what_a_mailbox_gets_after_the_end_of_a_job_is_not_exported(exports: Exports) -> None:
    user = exports.workmail.create_user("dana")
    fill(exports, user, make_item())
    job = exports.start(user)
    exports.clock.shift(SHORTEST)
    fill(exports, user)

    with exports.open_archive(exports.describe(job)) as archive:
        assert archive.namelist() == ["Inbox/000001.eml"]


def test_an_empty_mailbox_makes_an_empty_archive(exports: Exports) -> None:
    user = exports.workmail.create_user("dana")
    exports.workmail.backend.set_mailbox_size(ORGANIZATION, user, 0)

    with exports.open_archive(exports.export(user)) as archive:
        assert archive.namelist() == []


def test_the_log_is_beside_the_archive_or_in_it_or_missing(exports: Exports) -> None:
    users = [exports.workmail.create_user(name) for name in ("dana", "kim", "robin")]
    beside = exports.export(users[0])["S3Path"]
    exports.switch(export_log="inside")
    with exports.open_archive(exports.export(users[1])) as archive:
        [*files, name] = archive.namelist()
        log = json.loads(archive.read(name))
        assert name == "export-log.json"
        assert log["sha384Hash"] == sha384(b"".join(map(archive.read, files))).hexdigest()
    exports.switch(export_log="missing")
    with exports.open_archive(exports.export(users[2])) as archive:
        assert all(name.endswith(".eml") for name in archive.namelist())

    assert [key for key in exports.list_keys() if key.endswith(".json")] == [beside.replace(".zip", ".json")]


def test_ten_jobs_run_at_once_and_one_for_each_mailbox_in_24_hours(exports: Exports) -> None:
    users = [exports.workmail.create_user(f"user{number}") for number in range(11)]
    jobs = [exports.start(user) for user in users[:10]]

    assert exports.refusal(users[10]) == "LimitExceededException"
    exports.cancel(jobs[0])
    exports.start(users[10])
    assert exports.refusal(users[0]) == "LimitExceededException", "ten run again"
    exports.clock.shift(DAY - timedelta(seconds=1))
    assert exports.refusal(users[0]) == "LimitExceededException", "the job that was cancelled counts"
    assert exports.refusal("user1@acme.awsapps.com") == "LimitExceededException"
    exports.switch(ended_exports="are-ignored")
    assert exports.refusal(users[1]) == "LimitExceededException", "the job that completed counts"
    exports.start(users[0])
    exports.switch(ended_exports="count")
    exports.clock.shift(timedelta(seconds=1))
    exports.start(users[1])


def test_a_repeated_token_returns_the_same_job(exports: Exports) -> None:
    user, kim = exports.workmail.create_user("dana"), exports.workmail.create_user("kim")
    job = exports.start(user, ClientToken="same")

    assert exports.start(user, ClientToken="same") == job
    assert exports.refusal(kim, ClientToken="same") == "InvalidParameterException"
    assert exports.refusal(user, ClientToken="same", Description="other") == "InvalidParameterException"
    exports.clock.shift(2 * DAY)
    assert exports.start(user, ClientToken="same") == job
    assert [summary["JobId"] for summary in exports.list_jobs()] == [job]


def test_an_entity_without_a_mailbox_is_not_found(exports: Exports) -> None:
    workmail = exports.workmail
    deleted = workmail.create_user("robin")
    workmail.deregister(deleted)
    workmail.call("delete_user", UserId=deleted)

    for entity in ("nobody", deleted, workmail.create_user("dana", enabled=False), workmail.create_group("staff")):
        assert exports.refusal(entity) == "EntityNotFoundException"
    kim = workmail.create_user("kim")
    workmail.deregister(kim)
    exports.clock.shift(30 * DAY)
    assert exports.refusal(kim) == "EntityNotFoundException"


def test_a_disabled_entity_s_mailbox_is_exported_or_not(exports: Exports) -> None:
    users = [exports.workmail.create_user(name) for name in ("dana", "kim", "robin")]
    for user in users:
        exports.workmail.deregister(user)

    exports.switch(export_of_deregistered="FAILED")
    assert exports.export(users[0])["State"] == "COMPLETED", "it was disabled before the job started"
    for code in ("EntityNotFoundException", "InvalidParameterException"):
        exports.switch(export_of_disabled=code)
        assert exports.refusal(users[1]) == code
    exports.switch(export_of_disabled="FAILED")
    failed = exports.export(users[1])
    assert failed["State"] == "FAILED"
    assert failed["ErrorInfo"] == "The mailbox of a disabled entity cannot be exported."
    assert failed["EndTime"] == failed["StartTime"] + MINUTE


@pytest.mark.parametrize(
    ("result", "state", "keys", "sizes"),
    [
        ("archive", "COMPLETED", 2, True),
        ("no-object", "COMPLETED", 0, True),
        ("empty-object", "COMPLETED", 2, False),
        ("FAILED", "FAILED", 0, True),
        ("CANCELLED", "CANCELLED", 0, True),
    ],
)
def test_a_job_ends_as_the_switch_says(exports: Exports, result: str, state: str, keys: int, sizes: bool) -> None:
    exports.switch(export_result=result)

    description = exports.export(exports.workmail.create_user("dana"))

    assert description["State"] == state
    assert ("ErrorInfo" in description) == (state == "FAILED")
    assert len(exports.list_keys()) == keys
    contents = exports.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    assert all(item["Size"] for item in contents) is sizes


def test_a_job_that_vanishes_is_neither_described_nor_listed(exports: Exports) -> None:
    user = exports.workmail.create_user("dana")
    exports.switch(export_result="vanishes")
    job = exports.start(user)
    assert exports.describe(job)["State"] == "RUNNING"
    exports.clock.shift(SHORTEST)

    assert exports.workmail.fails("describe_mailbox_export_job", JobId=job) == "EntityNotFoundException"
    assert exports.list_jobs() == exports.list_keys() == []
    assert exports.refusal(user) == "LimitExceededException", "it counts all the same"


def test_a_job_is_listed_for_seven_days_from_its_start_and_described_for_seven_from_its_end(exports: Exports) -> None:
    job = exports.start(exports.workmail.create_user("dana"))
    exports.clock.shift(7 * DAY - timedelta(seconds=1))
    assert [summary["JobId"] for summary in exports.list_jobs()] == [job]
    exports.clock.shift(timedelta(seconds=1))
    assert exports.list_jobs() == []
    assert exports.describe(job)["State"] == "COMPLETED"
    exports.clock.shift(SHORTEST)
    assert exports.workmail.fails("describe_mailbox_export_job", JobId=job) == "EntityNotFoundException"
    assert exports.workmail.fails("cancel_mailbox_export_job", JobId=job, ClientToken="c") == "EntityNotFoundException"


def test_a_list_has_pages(exports: Exports) -> None:
    jobs = [exports.start(exports.workmail.create_user(f"user{number}")) for number in range(3)]

    page = exports.workmail.call("list_mailbox_export_jobs", MaxResults=2)
    rest = exports.workmail.call("list_mailbox_export_jobs", MaxResults=2, NextToken=page["NextToken"])

    assert [job["JobId"] for job in (*page["Jobs"], *rest["Jobs"])] == jobs
    assert "NextToken" not in rest


def test_a_cancelled_job_stores_nothing_and_keeps_its_progress(exports: Exports) -> None:
    job = exports.start(exports.workmail.create_user("dana"))
    exports.clock.shift(2 * MINUTE)
    exports.cancel(job)
    exports.cancel(job)
    exports.clock.shift(HOUR)

    description = exports.describe(job)
    assert (description["State"], description["EstimatedProgress"]) == ("CANCELLED", 40)
    assert description["EndTime"] == MORNING + 2 * MINUTE
    assert exports.list_keys() == []


def test_it_can_be_too_late_to_cancel_a_job(exports: Exports) -> None:
    exports.switch(late_cancellation="nothing", export_minimum_minutes=100)
    users = [exports.workmail.create_user(name) for name in ("dana", "kim")]
    late, early = (exports.start(user) for user in users)
    exports.clock.shift(89 * MINUTE)
    exports.cancel(early)
    exports.clock.shift(MINUTE)
    exports.cancel(late)
    exports.clock.shift(10 * MINUTE)

    assert [exports.describe(job)["State"] for job in (late, early)] == ["COMPLETED", "CANCELLED"]
    exports.cancel(late)
    assert exports.describe(late)["State"] == "COMPLETED"


def test_a_deregistration_lets_a_job_complete_or_fail(exports: Exports) -> None:
    users = [exports.workmail.create_user(name) for name in ("dana", "kim")]
    job = exports.start(users[0])
    exports.clock.shift(MINUTE)
    exports.workmail.deregister(users[0])
    exports.clock.shift(HOUR)
    assert exports.describe(job)["State"] == "COMPLETED"

    exports.switch(export_of_deregistered="FAILED")
    job = exports.start(users[1])
    exports.clock.shift(MINUTE)
    exports.workmail.deregister(users[1])
    failed = exports.describe(job)
    assert (failed["State"], failed["EstimatedProgress"]) == ("FAILED", 20)
    assert failed["EndTime"] == failed["StartTime"] + MINUTE
    assert "deregistered" in failed["ErrorInfo"]


def test_a_job_fails_when_its_mailbox_is_removed_meanwhile(exports: Exports) -> None:
    user = exports.workmail.create_user("dana")
    exports.workmail.deregister(user)
    exports.clock.shift(30 * DAY - MINUTE)
    job = exports.start(user)
    exports.clock.shift(HOUR)

    failed = exports.describe(job)
    assert (failed["State"], failed["EndTime"]) == ("FAILED", MORNING + 30 * DAY)
    assert "removed" in failed["ErrorInfo"]
    assert exports.list_keys() == []


def test_the_path_begins_with_the_bucket_if_the_switch_says_so(exports: Exports) -> None:
    exports.switch(export_s3_path="bucket-and-key")

    description = exports.export(exports.workmail.create_user("dana"), S3Prefix=f"{PREFIX}/")

    assert description["S3Path"].startswith(f"{BUCKET}/{PREFIX}/")
    assert description["S3Path"].removeprefix(f"{BUCKET}/") in exports.list_keys()


def test_an_inactive_organization_refuses_all_four_operations(exports: Exports) -> None:
    job = exports.start(exports.workmail.create_user("dana"))
    exports.workmail.backend.set_organization_state(ORGANIZATION, "Deleting")

    for method, parameters in (
        ("start_mailbox_export_job", exports.make_request("dana")),
        ("describe_mailbox_export_job", {"JobId": job}),
        ("list_mailbox_export_jobs", {}),
        ("cancel_mailbox_export_job", {"JobId": job, "ClientToken": "c"}),
    ):
        assert exports.workmail.fails(method, **parameters) == "OrganizationStateException"


@pytest.mark.parametrize(
    "change",
    [
        {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/missing"},
        {"RoleArn": "arn:aws:iam::210987654321:role/export"},
        {"S3BucketName": "missing"},
        {"S3BucketName": "elsewhere"},
        {"KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"},
        {"KmsKeyArn": "elsewhere"},
        {"S3Prefix": "x" * 1000},
        {"S3Prefix": "m-1/dana jones"},
        {"S3Prefix": ""},
        {"KmsKeyArn": "alias/archive"},
        {"ClientToken": "two words"},
    ],
    ids=str,
)
def test_a_destination_that_cannot_be_one_is_refused(exports: Exports, change: dict[str, str]) -> None:
    elsewhere = "us-west-2"
    make_client("s3", elsewhere).create_bucket(
        Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": elsewhere}
    )
    if change.get("KmsKeyArn") == "elsewhere":
        change = {"KmsKeyArn": make_client("kms", elsewhere).create_key()["KeyMetadata"]["Arn"]}

    assert exports.refusal(exports.workmail.create_user("dana"), **change) == "InvalidParameterException"
    assert exports.list_jobs() == []


def put_bucket_policy(exports: Exports, *statements: dict[str, Any]) -> None:
    exports.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=document(*statements))


def put_key_policy(exports: Exports, *statements: dict[str, Any]) -> None:
    exports.client("kms").put_key_policy(KeyId=exports.key_id, PolicyName="default", Policy=document(*statements))


def remove_action(action: str) -> Any:
    def change(exports: Exports) -> None:
        statements = exports.list_statements()
        for entry in statements:
            actions = entry["Action"] if isinstance(entry["Action"], list) else [entry["Action"]]
            entry["Action"] = [name for name in actions if name != action] or ["s3:Unused"]
        exports.allow(*statements)

    return change


def trust(service: str = "export.workmail.amazonaws.com", **condition: Any) -> Any:
    def change(exports: Exports) -> None:
        policy = make_trust(service, **condition)
        exports.client("iam").update_assume_role_policy(RoleName="export", PolicyDocument=policy)

    return change


def allow_other_objects(exports: Exports) -> None:
    statements = exports.list_statements()
    statements[1]["Resource"] = f"arn:aws:s3:::{BUCKET}/other/*"
    exports.allow(*statements)


def use_bucket_key(exports: Exports) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    exports.client("s3").put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})


def deny_in_bucket(action: str, operator: str, key: str, value: str) -> Any:
    return lambda exports: put_bucket_policy(
        exports,
        statement(action, f"arn:aws:s3:::{BUCKET}/*", "Deny", Principal="*", Condition={operator: {key: value}}),
    )


def allow_anyone_to_read(exports: Exports) -> None:
    exports.client("s3").put_bucket_acl(Bucket=BUCKET, ACL="public-read")
    put_bucket_policy(exports, statement("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*", Principal="*"))


def block_public_access(exports: Exports) -> None:
    allow_anyone_to_read(exports)
    block = {"RestrictPublicBuckets": True, "IgnorePublicAcls": True}
    exports.client("s3").put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=block)


def use_asymmetric_key(exports: Exports) -> None:
    key = exports.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    exports.key = key["Arn"]
    exports.allow(*exports.list_statements())


def set_default_retention(exports: Exports) -> None:
    retention = {"Mode": "GOVERNANCE", "Days": 1}
    exports.client("s3").put_object_lock_configuration(
        Bucket=BUCKET,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}},
    )


ENCRYPTION = "s3:x-amz-server-side-encryption"
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (trust("export.example.com"), "does not allow export.workmail.amazonaws.com to assume it"),
        (trust(StringEquals={"aws:SourceAccount": "210987654321"}), "to assume it"),
        (trust(ArnEquals={"aws:SourceArn": ORGANIZATION_ARN[:-1] + "0"}), "to assume it"),
        (remove_action("s3:PutObject"), "s3:PutObject on arn:aws:s3:::archive/m-1/dana/"),
        (remove_action("s3:AbortMultipartUpload"), "s3:AbortMultipartUpload"),
        (remove_action("s3:GetBucketPolicyStatus"), "s3:GetBucketPolicyStatus on arn:aws:s3:::archive."),
        (remove_action("kms:GenerateDataKey"), "kms:GenerateDataKey on arn:aws:kms"),
        (remove_action("kms:Decrypt"), "kms:Decrypt"),
        (allow_other_objects, "s3:PutObject"),
        (use_bucket_key, "kms:GenerateDataKey"),
        (set_default_retention, "default retention"),
        (use_asymmetric_key, "is not a symmetric encryption key"),
        (deny_in_bucket("s3:*", "Bool", "aws:SecureTransport", "true"), "s3:PutObject"),
        (deny_in_bucket("s3:PutObject", "StringNotEquals", ENCRYPTION, "AES256"), "s3:PutObject"),
        (deny_in_bucket("s3:PutObject", "Null", "s3:object-lock-mode", "true"), "s3:PutObject"),
        (deny_in_bucket("s3:PutObject", "DateLessThan", "aws:CurrentTime", "2030"), "cannot be evaluated here"),
        (lambda exports: put_bucket_policy(
            exports, statement("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*", Principal="*")), "allows public access"),
        (lambda exports: exports.client("s3").put_bucket_acl(Bucket=BUCKET, ACL="public-read"), "public access"),
        (lambda exports: exports.client("kms").disable_key(KeyId=exports.key_id), "its state is Disabled"),
        (lambda exports: exports.client("kms").schedule_key_deletion(KeyId=exports.key_id), "PendingDeletion"),
        (lambda exports: put_key_policy(exports, statement("kms:DescribeKey", "*", Principal=ROOT)), "kms:Generate"),
        (lambda exports: put_key_policy(
            exports, statement("kms:*", "*", Principal=ROOT),
            statement("kms:Decrypt", "*", "Deny", Principal={"AWS": exports.role})), "kms:Decrypt"),
    ],
)  # fmt: skip
def test_a_job_fails_within_a_minute_when_the_role_cannot_store_an_archive(
    exports: Exports, change: Any, sentence: str
) -> None:
    change(exports)

    job = exports.start(exports.workmail.create_user("dana"))
    assert exports.describe(job)["State"] == "RUNNING"
    exports.clock.shift(MINUTE)

    description = exports.describe(job)
    assert description["State"] == "FAILED"
    assert sentence in description["ErrorInfo"]
    assert description["ErrorInfo"].endswith(".")
    assert exports.list_keys() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda exports: None,
        trust(StringEquals={"sts:ExternalId": ACCOUNT}),
        trust(ArnLike={"aws:SourceArn": "arn:aws:workmail:*:*:organization/*"}),
        deny_in_bucket("s3:*", "Bool", "aws:SecureTransport", "false"),
        deny_in_bucket("s3:*", "NumericLessThan", "s3:TlsVersion", "1.2"),
        deny_in_bucket("s3:PutObject", "StringNotEquals", ENCRYPTION, "aws:kms"),
        deny_in_bucket("s3:PutObject", "Null", ENCRYPTION, "true"),
        lambda exports: deny_in_bucket(
            "s3:PutObject", "StringNotEquals", f"{ENCRYPTION}-aws-kms-key-id", exports.key)(exports),
        lambda exports: put_key_policy(
            exports, statement(["kms:Decrypt", "kms:GenerateDataKey"], "*", Principal={"AWS": exports.role})),
        block_public_access,
    ],
)  # fmt: skip
def test_a_job_completes_under_policies_that_allow_what_the_service_does(exports: Exports, change: Any) -> None:
    change(exports)

    assert exports.export(exports.workmail.create_user("dana"))["State"] == "COMPLETED"


def test_a_role_that_may_store_the_archive_alone_fails_where_the_log_is_beside_it(exports: Exports) -> None:
    statements = exports.list_statements()
    statements[1]["Resource"] = f"arn:aws:s3:::{BUCKET}/*.zip"
    exports.allow(*statements)

    failed = exports.export(exports.workmail.create_user("dana"))
    assert failed["State"] == "FAILED"
    assert ".json" in failed["ErrorInfo"]
    exports.switch(export_log="inside")
    assert exports.export(exports.workmail.create_user("kim"))["State"] == "COMPLETED"


def test_what_the_role_loses_while_a_job_runs_makes_it_fail_at_its_end(exports: Exports) -> None:
    users = [exports.workmail.create_user(name) for name in ("dana", "kim")]
    job = exports.start(users[0])
    exports.client("kms").disable_key(KeyId=exports.key_id)
    exports.clock.shift(SHORTEST)
    failed = exports.describe(job)
    assert (failed["State"], failed["EndTime"]) == ("FAILED", MORNING + SHORTEST)

    exports.client("kms").enable_key(KeyId=exports.key_id)
    job = exports.start(users[1])
    exports.client("s3").delete_bucket(Bucket=BUCKET)
    exports.clock.shift(SHORTEST)
    assert exports.describe(job)["ErrorInfo"] == "The bucket does not exist any more."


def test_a_client_that_checks_parameters_makes_up_the_token(exports: Exports) -> None:
    user = exports.workmail.create_user("dana")
    client = make_client("workmail", REGION)
    request = exports.make_request(user)
    del request["ClientToken"]

    job = client.start_mailbox_export_job(OrganizationId=ORGANIZATION, **request)["JobId"]
    client.cancel_mailbox_export_job(OrganizationId=ORGANIZATION, JobId=job)

    assert exports.describe(job)["State"] == "CANCELLED"
    code = error_code(lambda: client.describe_mailbox_export_job(OrganizationId=ORGANIZATION, JobId="missing"))
    assert code == "EntityNotFoundException"
