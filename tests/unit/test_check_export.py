"""CheckExport: an archive counts once it was verified, and without one an offboarding goes on or ends, by mode."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

import check_export
import start_export
from check_export import NotVerifiedError, verify_archive
from local.defaults import ORGANIZATION_ID
from local.workmail import WorkMailBackend
from offboarding.adapters.archives import ArchiveSettings, StoredObject
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.exports import NOT_EXPORTED, ExportJob, JobState
from offboarding.domain.record import Decision, Status
from offboarding.domain.timestamps import parse
from tests.unit.conftest import (
    ARCHIVE_BUCKET,
    ARN_A,
    ARN_B,
    NOW,
    SERVICE_ENDS_AT,
    Context,
    Exports,
    PutPolicy,
    ReadMetrics,
    Table,
    client,
    delete_user,
    deregister,
    describe_entity,
    fail_operation,
    make_offboarding,
    make_policy,
    make_raiser,
    take_calls,
)

SLOT_ID = f"export/{ORGANIZATION_ID}"
DAY = timedelta(days=1)


def start(now: str = NOW) -> dict[str, Any]:
    event = {"ExecutionArn": ARN_A, "Now": now, "ServiceEndsAt": SERVICE_ENDS_AT}
    return start_export.handler(event, Context())


def check(now: str = NOW, service_ends_at: str = SERVICE_ENDS_AT) -> dict[str, Any]:
    event = {"ExecutionArn": ARN_A, "Now": now, "ServiceEndsAt": service_ends_at}
    return check_export.handler(event, Context())


def read_export(table: Table) -> dict[str, Any]:
    members: dict[str, Any] = table.read_members(ARN_A)["ExportState"]
    return members


def has_slot(table: Table) -> bool:
    return table.read_text(SLOT_ID, "ExecutionArn", "Slot 0") is not None


@pytest.fixture
def leaver(
    dana: str, exports: Exports, table: Table, organization: WorkMailBackend, put_policy: PutPolicy
) -> Iterator[str]:
    """A user whose mailbox is being exported, where an archive is required."""
    put_policy(make_policy(export="Required"))
    table.create_record("a", dana, Entity=describe_entity(dana).to_json())
    start()
    take_calls(organization)
    return dana


def test_a_complete_export_is_verified_and_recorded(
    leaver: str, exports: Exports, table: Table, read_metrics: ReadMetrics
) -> None:
    answer = check(exports.pass_time(minutes=10))

    [job] = exports.list_jobs()
    archive = answer["Archive"]
    assert archive["Checksum"].pop("Value")
    assert archive["Log"].pop("Sha384")
    assert (archive["Log"].pop("Messages"), archive["Size"]) > (0, 0)
    assert {type(archive["Log"].pop(name)) for name in ("Folders", "Bytes", "NotExportable")} == {int}
    assert archive == {
        "Status": "Verified", "At": exports.now, "JobId": job["JobId"], "ExportStartedAt": NOW,
        "ExportEndedAt": "2026-11-24T09:05:00.000Z", "Bucket": ARCHIVE_BUCKET, "Key": job["S3Path"],
        "VersionId": archive["VersionId"], "Size": archive["Size"],
        "Checksum": {"Algorithm": "CRC64NVME", "Type": "FULL_OBJECT"},
        "Log": {"Key": job["S3Path"].replace(".zip", ".json")},
        "NotGiven": [], "NotCompared": ["Log.Sha384"], "NotExported": NOT_EXPORTED,
    }  # fmt: skip
    assert (answer["Decision"], answer["LookAt"]) == ("GoOn", None)
    assert [entry["Operation"] for entry in answer["Evidence"]["Answers"]] == ["DescribeMailboxExportJob"]
    assert answer["Evidence"]["Archive"] is archive
    record = table.load_record(ARN_A)
    assert (record.status, record.archive) == (Status.EXPORTING, check(exports.now)["Archive"])
    assert table.read_step_names(ARN_A)[-1] == "Archived"
    assert not has_slot(table)
    assert read_metrics()["MailboxesArchived"] == 1


def test_a_second_check_gives_the_first_result_and_asks_nobody(
    leaver: str, exports: Exports, organization: WorkMailBackend
) -> None:
    archive = check(exports.pass_time(minutes=10))["Archive"]
    take_calls(organization)

    answer = check(exports.pass_time(minutes=10))

    assert (answer["Decision"], answer["Archive"]["VersionId"]) == ("GoOn", archive["VersionId"])
    assert take_calls(organization) == []
    assert json.loads(json.dumps(answer)) == answer


def test_a_running_export_is_looked_at_again_and_keeps_its_slot(leaver: str, exports: Exports, table: Table) -> None:
    answer = check(exports.pass_time(minutes=1))

    assert (answer["Decision"], answer["LookAt"], answer["Archive"]) == ("Wait", "2026-11-24T09:06:00.000Z", None)
    assert table.read_text(SLOT_ID, "LeasedUntil", "Slot 0") == "2026-11-24T21:01:00.000Z"


def test_an_export_that_was_taken_up_without_a_slot_is_looked_at_again(
    dana: str, exports: Exports, table: Table
) -> None:
    table.create_record("a", dana, Entity=describe_entity(dana).to_json())
    exports.start_by_hand(dana)
    start()

    assert check()["Decision"] == "Wait"
    assert not has_slot(table)
    assert check(exports.pass_time(minutes=10))["Archive"]["Status"] == "Verified"


@pytest.mark.parametrize("mode", ["Required", "IfPossible"])
def test_an_export_that_runs_at_its_deadline_is_cancelled(
    leaver: str, exports: Exports, table: Table, put_policy: PutPolicy, mode: str
) -> None:
    put_policy(make_policy(export=mode))
    exports.backend.set_mailbox_size(ORGANIZATION_ID, leaver, 50 * 1024)
    exports.switch(export_minutes_per_gb=10_000)
    client("workmail").cancel_mailbox_export_job(
        OrganizationId=ORGANIZATION_ID, JobId=read_export(table)["JobId"], ClientToken="x"
    )
    exports.switch(ended_exports="are-ignored")
    assert check()["Decision"] == "StartExport"
    start()
    assert check(exports.pass_time(days=3, seconds=-1))["Decision"] == "Wait"
    reason = "The export still ran at 2026-11-27T09:00:00.000Z, its deadline."
    now = exports.pass_time(seconds=1)

    if mode == "Required":
        with pytest.raises(errors.ExportFailed, match=reason):
            check(now)
        assert table.load_record(ARN_A).archive is None
    else:
        answer = check(now)
        assert (answer["Decision"], answer["Archive"]) == (
            "GoOn",
            {"Status": "NotArchived", "At": now, "Reason": reason},
        )
        assert table.read_step(ARN_A, "NotArchived")["Archive"] == answer["Archive"]
    assert exports.read_states() == ["CANCELLED", "CANCELLED"]
    assert not has_slot(table)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("FAILED", "The export ended as FAILED: The service could not read the mailbox."),
        ("CANCELLED", "The export ended as CANCELLED."),
        ("vanishes", "WorkMail does not know the export any more."),
        ("no-object", "The export ended as COMPLETED, and the bucket has no archive of it."),
        ("empty-object", "The export ended as COMPLETED, and its archive is empty."),
    ],
)
def test_an_export_without_an_archive_is_started_three_times(
    leaver: str, exports: Exports, table: Table, result: str, reason: str
) -> None:
    exports.switch(export_result=result)
    jobs = [read_export(table)["JobId"]]
    for number in (1, 2):
        assert check(exports.pass_time(hours=25))["Decision"] == "StartExport"
        assert not has_slot(table)
        state = read_export(table)
        assert (state["Failures"], state["Problem"], state["FailedJobs"]) == (number, reason, jobs)
        start(exports.now)
        jobs.append(read_export(table)["JobId"])
    assert len(set(jobs)) == 3
    assert table.read_step_names(ARN_A).count("ExportAttemptFailed") == 2

    with pytest.raises(errors.ExportFailed) as failure:
        check(exports.pass_time(hours=25))

    assert str(failure.value) == (
        f"The settings require an archive of the mailbox, and there is none. {reason} It was tried 3 times. "
        "Remove the cause, then start again. docs/archive.md says what to look at."
    )
    assert table.load_record(ARN_A).archive is None
    assert not has_slot(table)


@pytest.mark.parametrize("has_come", [True, False])
def test_after_the_deadline_for_a_slot_an_export_is_not_started_again(
    leaver: str, exports: Exports, has_come: bool
) -> None:
    exports.switch(export_result="no-object")
    now = exports.pass_time(days=14, seconds=-1 + has_come)

    if has_come:
        with pytest.raises(errors.ExportFailed, match=r"any more\. It was tried once\. Remove the cause"):
            check(now)
    else:
        assert check(now)["Decision"] == "StartExport"


def make_waiting(exports: Exports, table: Table, user_id: str) -> None:
    """Have an execution wait for a slot, because its mailbox was exported elsewhere within 24 hours."""
    exports.create_place("elsewhere")
    exports.start_by_hand(user_id, "elsewhere")
    table.create_record("a", user_id, Entity=describe_entity(user_id).to_json())
    start()


def test_an_export_waits_for_a_slot_until_its_deadline(
    dana: str, exports: Exports, table: Table, put_policy: PutPolicy
) -> None:
    make_waiting(exports, table, dana)

    assert check()["Decision"] == "Wait"
    assert check(exports.pass_time(hours=24, seconds=-1))["Decision"] == "Wait"
    assert check(exports.pass_time(seconds=1))["Decision"] == "StartExport", "24 hours after the other export"
    exports.put_settings(Slots=1)
    another = make_offboarding(ARN_B, "another")
    assert check_export.ExportSlots(ORGANIZATION_ID).take(another, 1, frozenset(), parse(exports.now)) == 0
    answer = check(exports.now)
    assert (answer["Decision"], answer["Archive"]) == ("Wait", None)
    assert parse(answer["LookAt"]) <= parse(exports.now) + timedelta(hours=1)
    reason = "Until 2026-12-08T09:00:00.000Z no slot for the export was free."
    assert check("2026-12-08T09:00:00.000Z")["Archive"]["Reason"] == reason
    assert table.load_record(ARN_A).archive is not None


def test_a_refusal_of_workmail_counts_as_an_attempt(
    dana: str, exports: Exports, table: Table, organization: WorkMailBackend, put_policy: PutPolicy
) -> None:
    put_policy(make_policy(export="IfPossible"))
    table.create_record("a", dana, Entity=describe_entity(dana).to_json())
    fail_operation(organization, "StartMailboxExportJob", "AccessDeniedException", always=True)
    for number in (1, 2, 3):
        start()
        decision = check()["Decision"]
        assert decision == ("GoOn" if number == 3 else "StartExport")

    archive = table.load_record(ARN_A).archive
    assert archive is not None
    assert "AccessDeniedException" in archive["Reason"]
    assert archive["Reason"].endswith(" It was tried 3 times.")


@pytest.mark.parametrize("behaviour", ["EntityNotFoundException", "InvalidParameterException", "FAILED"])
def test_a_disabled_mailbox_that_workmail_does_not_export_ends_nothing(
    dana: str, exports: Exports, table: Table, put_policy: PutPolicy, behaviour: str
) -> None:
    put_policy(make_policy(export="Required"))
    exports.switch(export_of_disabled=behaviour)
    deregister(dana)
    table.create_record("a", dana, Entity=describe_entity(dana).to_json())
    start()

    answer = check(exports.pass_time(minutes=2))

    assert (answer["Decision"], answer["Archive"]["Status"]) == ("GoOn", "NotArchived")
    assert answer["Archive"]["Reason"].endswith(" It was tried once.")


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize("describe_deleted", ["DELETED", "EntityNotFoundException"])
def test_nothing_fails_for_an_entity_that_somebody_has_disabled_meanwhile(
    leaver: str, exports: Exports, is_deleted: bool, describe_deleted: str
) -> None:
    exports.switch(export_result="FAILED", describe_deleted=describe_deleted)
    deregister(leaver)
    if is_deleted:
        delete_user(leaver)

    assert check(exports.pass_time(days=15))["Archive"]["Status"] == "NotArchived"


@pytest.mark.parametrize(("requested", "is_required"), [("Required", True), ("IfPossible", False), ("No", False)])
def test_the_mode_counts_as_it_is_now_and_as_the_input_asked(
    leaver: str, exports: Exports, table: Table, put_policy: PutPolicy, requested: str, is_required: bool
) -> None:
    put_policy(make_policy(export="IfPossible", may_be_skipped=True))
    table.create_record("a", leaver, Entity=describe_entity(leaver).to_json(), Export=requested)
    start()
    exports.switch(export_result="FAILED")
    now = exports.pass_time(days=15)

    if is_required:
        with pytest.raises(errors.ExportFailed):
            check(now)
    else:
        assert check(now)["Archive"]["Status"] == "NotArchived"


def test_an_archive_that_s3_does_not_let_the_function_see_is_not_made_again(
    leaver: str, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_export, "find_object", make_raiser(errors.AccessDenied("s3 said no.")))

    with pytest.raises(errors.ExportFailed, match=r"The export is complete and cannot be verified. s3 said no."):
        check(exports.pass_time(minutes=10))


def test_an_archive_that_s3_does_not_show_now_is_checked_again(
    leaver: str, exports: Exports, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = exports.pass_time(minutes=10)
    with monkeypatch.context() as patch:
        patch.setattr(check_export, "find_object", make_raiser(errors.ArchiveUnavailable("later")))
        with pytest.raises(errors.ArchiveUnavailable):
            check(now)
    assert not has_slot(table), "WorkMail exports nothing any more"
    assert table.load_record(ARN_A).archive is None

    assert check(now)["Decision"] == "GoOn"


def withdraw(table: Table) -> None:
    decision = Decision(Decision="Withdrawn", DecidedBy="hr", Reason="stays", DecidedAt=NOW, DecidedIn=ARN_B)
    assert table.records.record_decision(table.load_record(ARN_A), decision)


@pytest.mark.parametrize("cause", ["a withdrawal", "the end of WorkMail"])
@pytest.mark.parametrize("stage", ["running", "archived", "waiting"])
def test_the_export_of_an_offboarding_that_ends_is_cancelled_and_gives_its_slot_back(
    leaver: str, exports: Exports, table: Table, organization: WorkMailBackend, cause: str, stage: str
) -> None:
    if stage == "archived":
        check(exports.pass_time(minutes=10))
    if stage == "waiting":
        record = table.load_record(ARN_A)
        assert record.export is not None
        waiting = replace(record.export, job_id=None, job_deadline=None)
        assert table.records.record_export(record, waiting, {"At": exports.now, "Step": "ExportAwaitsSlot"})
    take_calls(organization)
    if cause == "a withdrawal":
        withdraw(table)
        with pytest.raises(errors.Withdrawn):
            check(exports.now)
    else:
        with pytest.raises(errors.ServiceEnded):
            check(exports.now, service_ends_at=exports.now)

    calls = ["CancelMailboxExportJob", "DescribeMailboxExportJob"] if stage == "running" else []
    assert take_calls(organization) == calls
    assert exports.read_states() == [{"running": "CANCELLED", "archived": "COMPLETED", "waiting": "RUNNING"}[stage]]
    assert not has_slot(table)


def test_a_withdrawal_is_one_although_its_export_may_not_be_cancelled(
    leaver: str, exports: Exports, table: Table, organization: WorkMailBackend
) -> None:
    fail_operation(organization, "CancelMailboxExportJob", "AccessDeniedException", always=True)
    withdraw(table)

    with pytest.raises(errors.Withdrawn):
        check(exports.now)

    assert exports.read_states() == ["RUNNING"]
    assert has_slot(table), "it still occupies one of WorkMail's slots"


@pytest.mark.parametrize("cause", ["a withdrawal", "the deadline"])
def test_an_export_that_workmail_does_not_cancel_any_more_keeps_its_slot(
    dana: str, exports: Exports, table: Table, put_policy: PutPolicy, cause: str
) -> None:
    put_policy(make_policy(export="Required"))
    exports.switch(late_cancellation="nothing", export_minimum_minutes=75 * 60)
    table.create_record("a", dana, Entity=describe_entity(dana).to_json())
    start()
    if cause == "a withdrawal":
        now = exports.pass_time(hours=71)
        withdraw(table)
        with pytest.raises(errors.Withdrawn):
            check(now)
    else:
        now = exports.pass_time(hours=72)
        with pytest.raises(errors.ExportFailed, match="its deadline"):
            check(now)

    assert exports.read_states() == ["RUNNING"]
    assert has_slot(table)


def test_a_record_that_exports_nothing_is_unexpected(dana: str, exports: Exports, table: Table) -> None:
    table.create_record("a", dana, Entity=describe_entity(dana).to_json())

    with pytest.raises(errors.UnexpectedAnswer, match="The record has no export of this mailbox"):
        check()


@pytest.mark.parametrize(("result", "method"), [("archive", "record_archive"), ("FAILED", "record_export")])
def test_a_record_that_has_changed_since_is_read_again(
    leaver: str, exports: Exports, monkeypatch: pytest.MonkeyPatch, result: str, method: str
) -> None:
    exports.switch(export_result=result)
    monkeypatch.setattr(Records, method, lambda *_: False)

    with pytest.raises(errors.RecordUnavailable, match="has changed since it was read"):
        check(exports.pass_time(minutes=10))


KEY = "mail/org/user/token/j.zip"
SETTINGS = ArchiveSettings(ARCHIVE_BUCKET, "mail/", "key", "role", 8, 3, 14)
JOB = ExportJob("j", "e", JobState.COMPLETED, ARCHIVE_BUCKET, KEY, started_at=parse(NOW), ended_at=parse(NOW))
STORED = StoredObject("v-1", 7, {"Algorithm": "CRC64NVME", "Type": "FULL_OBJECT", "Value": "x"})


@dataclass
class Bucket:
    """What S3 shows in a test of the verification."""

    objects: dict[str, StoredObject]
    logs: dict[str, Any]
    locks: list[tuple[Any, ...]]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    made = Bucket({KEY: STORED}, {}, [])
    monkeypatch.setattr(check_export, "find_object", lambda _, key: made.objects.get(key))

    def list_keys(_: str, prefix: str) -> list[str]:
        return [key for key in (*made.objects, *made.logs) if key.startswith(prefix)]

    monkeypatch.setattr(check_export, "list_keys", list_keys)
    monkeypatch.setattr(check_export, "read_log", lambda _, key: made.logs[key])
    monkeypatch.setattr(check_export, "lock_object", lambda *arguments: made.locks.append(arguments))
    return made


def verify(**changes: Any) -> Any:
    return verify_archive(replace(JOB, **changes), SETTINGS, parse(NOW))


@pytest.mark.parametrize("path", [KEY, KEY.removesuffix("j.zip"), KEY.removesuffix("/j.zip")])
@pytest.mark.parametrize("bucket_part", ["", f"{ARCHIVE_BUCKET}/"])
def test_the_archive_is_found_by_each_path_that_workmail_may_give(bucket: Bucket, path: str, bucket_part: str) -> None:
    assert verify(path=f"{bucket_part}{path}")["Key"] == KEY


@pytest.mark.parametrize(
    ("path", "objects"),
    [
        (None, {KEY: STORED}),
        (KEY, {}),
        ("mail/none/", {KEY: STORED}),
        ("mail/org/", {KEY: STORED, "mail/org/other.zip": STORED}),
        ("mail/org/", {"mail/org/a.json": STORED}),
    ],
)
def test_an_archive_that_is_not_there_or_not_the_only_one_is_not_verified(
    bucket: Bucket, path: str | None, objects: dict[str, StoredObject]
) -> None:
    bucket.objects = objects

    with pytest.raises(NotVerifiedError, match="the bucket has no archive of it"):
        verify(path=path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 0}, "its archive is empty"),
        ({"version_id": None}, "no version"),
        ({"version_id": ""}, "no version"),
        ({"version_id": "null"}, "no version"),
    ],
)
def test_an_archive_without_content_or_version_is_not_verified(
    bucket: Bucket, changes: dict[str, Any], message: str
) -> None:
    bucket.objects = {KEY: replace(STORED, **changes)}

    with pytest.raises(NotVerifiedError, match=message):
        verify()


def test_what_was_not_shown_is_named(bucket: Bucket) -> None:
    assert verify()["NotGiven"] == ["Log"]
    bucket.objects = {KEY: replace(STORED, checksum=None)}

    archive = verify(started_at=None, ended_at=None)

    assert archive["NotGiven"] == ["ExportStartedAt", "ExportEndedAt", "Checksum", "Log"]
    assert archive["NotCompared"] == []
    assert not {"ExportStartedAt", "ExportEndedAt", "Checksum", "Log", "LockedUntil"} & set(archive)


def test_the_first_log_beside_the_archive_counts(bucket: Bucket) -> None:
    folder = KEY.rpartition("/")[0]
    log = {"Key": f"{folder}/b.log", "Messages": 3}
    bucket.logs = {f"{folder}/a.json": None, log["Key"]: log, f"{folder}/c.json": {"Key": "c"}, "mail/d.json": {}}

    archive = verify()

    assert archive["Log"] is log
    assert archive["NotGiven"] == ["Log.Folders", "Log.Bytes", "Log.NotExportable", "Log.Sha384"]


def test_a_log_that_may_not_be_read_is_not_given(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.logs = {KEY.replace(".zip", ".json"): {}}
    for name in ("read_log", "list_keys"):
        with monkeypatch.context() as patch:
            patch.setattr(check_export, name, make_raiser(errors.AccessDenied("no")))
            archive = verify()
        assert (archive["Status"], archive["NotGiven"], archive["NotCompared"]) == ("Verified", ["Log"], [])


def test_a_log_that_s3_does_not_give_now_is_read_again(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_export, "list_keys", make_raiser(errors.ArchiveUnavailable("later")))

    with pytest.raises(errors.ArchiveUnavailable):
        verify()


def test_the_verified_version_is_locked_only_if_the_settings_say_so(bucket: Bucket) -> None:
    verify()
    assert bucket.locks == []

    archive = verify_archive(JOB, replace(SETTINGS, lock_days=30), parse(NOW))

    assert bucket.locks == [(ARCHIVE_BUCKET, KEY, "v-1", parse(NOW) + 30 * DAY)]
    assert archive["LockedUntil"] == "2026-12-24T09:00:00.000Z"
