"""Exports before a deregistration: the archive and its proof, the slots, and what happens without an archive."""

import io
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from local.faults import TIMEOUT, Fault
from local.workmail import Behaviour
from tests.workflow.conftest import Flow, mark_long

pytestmark = pytest.mark.archives

EXPORT_STATES = ["StartExport", "WaitForExport", "CheckExport", "IsItExported?"]
CHECKS_AGAIN = ["ResolveEntity", "CheckOrganization", "WhatIsAskedFor?", "RecordOffboarding", "MayItGoOn?"]
LOOK = ["WaitForExport", "CheckExport", "IsItExported?"]
LONGEST_DECISION_SECONDS = 10


class Archivist:
    """A flow on the stack that exports mailboxes, with what tests ask of it."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.s3 = flow.environment.client("s3")
        self.bucket = flow.environment.outputs["ArchiveBucketName"]
        self.key_id = flow.environment.outputs["ArchiveKeyArn"].rpartition("/")[2]
        self.jobs = flow.backend.organizations[ORGANIZATION_ID].export_jobs

    def behave(self, **answers: Any) -> None:
        self.flow.backend.behaviour = Behaviour(**answers)

    def set_mode(self, mode: str, *, may_be_skipped: bool = True) -> None:
        self.flow.change_policy(Export={"Mode": mode, "MayBeSkipped": may_be_skipped})
        self.flow.clock.advance(timedelta(seconds=10))

    def pass_hours(self, hours: float) -> None:
        self.flow.clock.settle()
        self.flow.clock.advance(timedelta(hours=hours))

    def export_by_hand(self, entity_id: str, bucket: str | None = None, token: str = "by-hand") -> str:
        """Start an export as a person would, by the stack's role and with its key."""
        more = {"S3BucketName": bucket} if bucket else {}
        return self.flow.export_by_hand(entity_id, ClientToken=token, **more)

    def is_enabled(self, entity_id: str) -> bool:
        return bool(self.flow.read_workmail_state(entity_id)["State"] == "ENABLED")


@pytest.fixture
def archivist(flow: Flow) -> Archivist:
    return Archivist(flow)


def count_running(archivist: Archivist) -> list[int]:
    """Return how many exports run, after each start of one."""
    counts: list[int] = []

    def count(operation: str, parameters: Mapping[str, Any]) -> None:
        if operation == "StartMailboxExportJob":
            counts.append(sum(job.state == "RUNNING" for job in archivist.jobs.values()))

    archivist.flow.backend.after_hooks.append(count)
    return counts


def test_a_mailbox_is_deregistered_after_its_archive_was_verified(archivist: Archivist) -> None:
    flow = archivist.flow
    user = flow.people.create_user("alice")

    result = flow.run("alice")

    assert result.outcome == "CleanupVerified"
    states = [state for state in result.states if state in {*EXPORT_STATES, "DeregisterEntity"}]
    assert states == [*EXPORT_STATES, "DeregisterEntity"], "one look is enough for a small mailbox"
    archive = result.output["Archive"]
    assert archive["Status"] == "Verified"
    assert archive["Key"].startswith(f"archives/{ORGANIZATION_ID}/{user}/"), "ids and no names"
    version = {member: archive[member] for member in ("Bucket", "Key", "VersionId")}
    content = archivist.s3.get_object(**version)["Body"].read()
    assert archive["Size"] == len(content)
    messages = zipfile.ZipFile(io.BytesIO(content))
    assert b"Subject:" in messages.read(messages.namelist()[0])
    assert archive["Checksum"]["Algorithm"] == "CRC64NVME"
    assert archive["Log"]["Messages"] > 0
    assert archive["Log"]["Sha384"]
    assert (archive["NotGiven"], archive["NotCompared"]) == ([], ["Log.Sha384"])
    assert "Contacts, notes and tasks" in archive["NotExported"]
    record = flow.read_record(find_execution(flow, user))
    assert record["Archive"]["VersionId"] == archive["VersionId"]
    evidence = result.output["Evidence"]
    assert evidence["DeregisterEntity"]["MinutesSinceExport"] == 5, "the first look comes after ten minutes"
    assert evidence["StartExport"]["SlotDeadline"] == "2026-12-06T12:00:00.000Z"
    assert evidence["StartExport"]["JobDeadline"] == "2026-11-25T12:00:00.000Z"
    lock = archivist.s3.head_object(**version)
    assert lock["ObjectLockMode"] == "GOVERNANCE"
    assert lock["ObjectLockRetainUntilDate"].strftime("%Y-%m-%dT%H:%M:%S.000Z") == archive["LockedUntil"]


def find_execution(flow: Flow, entity_id: str) -> str:
    lock = flow.read_item(f"{ORGANIZATION_ID}/{entity_id}", "Lock")
    assert lock is not None
    return str(lock["ExecutionArn"])


def test_an_export_takes_nine_states_more_and_three_for_each_further_look(archivist: Archivist) -> None:
    flow = archivist.flow
    flow.people.create_user("skipped")
    without = flow.run("skipped", Export="No").states
    flow.people.create_user("quick")
    quick = flow.run("quick").states
    archivist.behave(export_minimum_minutes=150)
    flow.people.create_user("slow")
    slow = flow.run("slow").states

    position = without.index("DeregisterEntity")
    more = [*EXPORT_STATES, *CHECKS_AGAIN]
    assert quick == [*without[:position], *more, *without[position:]]
    assert len(quick) == len(without) + 9
    looks = slow.count("CheckExport") - 1
    assert 3 <= looks <= 4, "a look is never more than an hour away"
    assert slow == [*without[:position], "StartExport", *LOOK * (looks + 1), *CHECKS_AGAIN, *without[position:]]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("FAILED", "The export ended as FAILED"),
        *mark_long(
            ("no-object", "the bucket has no archive of it"),
            ("CANCELLED", "The export ended as CANCELLED"),
            ("empty-object", "its archive is empty"),
            ("vanishes", "WorkMail does not know the export any more"),
        ),
    ],
)
def test_without_a_verified_archive_nothing_is_deregistered_if_one_is_required(
    archivist: Archivist, result: str, reason: str
) -> None:
    flow = archivist.flow
    user = flow.people.create_user("alice")
    archivist.behave(export_result=result, ended_exports="are-ignored")

    ended = flow.run("alice", days=10)

    assert (ended.status, ended.outcome) == ("FAILED", "ExportFailed")
    assert ended.cause.startswith("The mailbox was not touched. ")
    assert reason in ended.cause
    assert archivist.is_enabled(user)
    assert flow.list_calls("DeregisterFromWorkMail") == []
    assert len(archivist.jobs) == 3, "it is started again a bounded number of times"
    assert flow.list_by_status("Exporting") == []


@pytest.mark.parametrize("result", ["FAILED", *mark_long("no-object", "empty-object", "CANCELLED", "vanishes")])
def test_an_export_that_is_not_required_lets_the_offboarding_go_on(archivist: Archivist, result: str) -> None:
    flow = archivist.flow
    user = flow.people.create_user("alice")
    archivist.set_mode("IfPossible")
    archivist.behave(export_result=result, ended_exports="are-ignored")

    ended = flow.run("alice", days=60)

    assert ended.outcome == "CleanupVerified"
    assert ended.output["Archive"]["Status"] == "NotArchived"
    assert "It was tried 3 times" in ended.output["Archive"]["Reason"]
    assert ended.output["Evidence"]["DeregisterEntity"]["Archive"] == "NotArchived"
    assert not archivist.is_enabled(user)


@pytest.mark.parametrize(
    ("answers", "missing"),
    [
        ({"export_s3_path": "bucket-and-key", "export_log": "missing"}, ["Log"]),
        *mark_long(({"export_log": "inside"}, ["Log"]), ({"export_s3_path": "bucket-and-key"}, [])),
    ],
)
def test_what_workmail_does_not_show_of_an_export_is_named(
    archivist: Archivist, answers: dict[str, Any], missing: list[str]
) -> None:
    archivist.behave(**answers)
    archivist.flow.people.create_user("alice")

    archive = archivist.flow.run("alice").output["Archive"]

    assert (archive["Status"], archive["NotGiven"]) == ("Verified", missing)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("works", "Verified"),
        ("InvalidParameterException", "NotArchived"),
        *mark_long(("EntityNotFoundException", "NotArchived"), ("FAILED", "NotArchived")),
    ],
)
def test_a_mailbox_that_was_disabled_before_is_exported_if_workmail_does_that(
    archivist: Archivist, answer: str, status: str
) -> None:
    flow = archivist.flow
    user = flow.people.create_user("alice")
    archivist.behave(export_of_disabled=answer)
    flow.deregister(user)
    archivist.pass_hours(30)

    ended = flow.run("alice")

    assert ended.outcome == "CleanupVerified"
    assert ended.output["Archive"]["Status"] == status
    assert len(archivist.jobs) <= 1, "it is tried once"


def test_a_mailbox_that_is_disabled_during_its_export_does_not_fail_for_it(archivist: Archivist) -> None:
    flow = archivist.flow
    user = flow.people.create_user("alice")
    archivist.behave(
        export_minimum_minutes=120, export_of_deregistered="FAILED", export_of_disabled="InvalidParameterException"
    )
    arn = flow.start("alice")
    archivist.pass_hours(1)
    flow.deregister(user)
    flow.pass_days(45)

    ended = flow.read_result(arn)

    assert ended.outcome == "CleanupVerified"
    assert ended.output["Archive"]["Status"] == "NotArchived"


def start_exporting(archivist: Archivist, name: str = "alice", **more: Any) -> tuple[str, str]:
    """Start an offboarding whose export takes five hours; return the entity and the execution."""
    archivist.behave(export_minimum_minutes=300)
    user = archivist.flow.people.create_user(name)
    arn = archivist.flow.start(name, **more)
    archivist.pass_hours(0.5)
    assert archivist.flow.read_record(arn)["Status"] == "Exporting"
    return user, arn


def test_a_withdrawal_during_an_export_cancels_it_within_the_hour(archivist: Archivist) -> None:
    flow = archivist.flow
    user, arn = start_exporting(archivist)

    refused = flow.decide(arn, "Approved")
    decided = flow.decide(arn, "Withdrawn", Reason="stays after all")
    archivist.pass_hours(1)

    assert (refused.outcome, decided.outcome) == ("ApprovalNotPending", "Decided")
    ended = flow.read_result(arn)
    assert (ended.outcome, ended.output["Decision"]["Reason"]) == ("Withdrawn", "stays after all")
    assert [job.state for job in archivist.jobs.values()] == ["CANCELLED"]
    assert archivist.is_enabled(user)
    slot = flow.read_item(f"export/{ORGANIZATION_ID}", "Slot 0")
    assert slot is not None
    assert "ExecutionArn" not in slot


def test_a_withdrawal_after_the_last_look_is_found_before_anything_is_deregistered(archivist: Archivist) -> None:
    flow = archivist.flow
    user, arn = start_exporting(archivist)
    decisions: list[str] = []

    def decide(operation: str, parameters: Mapping[str, Any]) -> None:
        # The answer of CheckExport is on its way: the export has ended, and the record says so.
        if operation == "DescribeUser" and flow.read_record(arn).get("Archive") and not decisions:
            execution_input = {"ExecutionArn": arn, "Decision": "Withdrawn", "DecidedBy": "boss", "Reason": "stays"}
            machine = flow.environment.outputs["ApprovalStateMachineArn"]
            decisions.append(flow.environment.start(execution_input, state_machine_arn=machine))
            # The executions run beside each other: the call goes on when the decision is made.
            deadline = time.monotonic() + LONGEST_DECISION_SECONDS
            while flow.environment.describe(decisions[0])["status"] == "RUNNING" and time.monotonic() < deadline:
                time.sleep(0.01)

    flow.backend.before_hooks.append(decide)
    flow.pass_days(2)

    assert [flow.read_result(decision).status for decision in decisions] == ["SUCCEEDED"]
    assert flow.read_result(arn).outcome == "Withdrawn"
    assert archivist.is_enabled(user)


def test_a_restore_during_an_export_is_told_that_nothing_is_deregistered(archivist: Archivist) -> None:
    user, _ = start_exporting(archivist)

    restored = archivist.flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=user)

    assert restored.outcome == "NotDeregistered"
    assert "Withdrawn" in restored.cause


def test_a_person_who_is_registered_again_during_the_export_is_not_deregistered(archivist: Archivist) -> None:
    flow = archivist.flow
    user, arn = start_exporting(archivist)
    flow.deregister(user)
    archivist.pass_hours(0.5)
    flow.people.register(user, "alice")
    flow.pass_days(3)

    ended = flow.read_result(arn)

    assert ended.outcome == "EntityMismatch"
    assert archivist.is_enabled(user)


def test_an_execution_that_was_stopped_and_started_again_goes_on_with_its_export(archivist: Archivist) -> None:
    flow = archivist.flow
    _, former = start_exporting(archivist)
    flow.stop(former)
    second = flow.start("alice")
    archivist.pass_hours(6)

    assert len(archivist.jobs) == 1
    record = flow.read_record(second)
    assert record["Archive"]["JobId"] == next(iter(archivist.jobs))
    assert [step["Step"] for step in flow.read_steps(second) if "Export" in step["Step"]] == ["ExportAdopted"]
    flow.pass_days(40)
    assert flow.read_result(second).outcome == "CleanupVerified"


@pytest.mark.long
def test_an_archive_that_was_complete_before_the_execution_was_stopped_is_taken_up(archivist: Archivist) -> None:
    flow = archivist.flow
    _, former = start_exporting(archivist)
    flow.environment.faults.add(Fault("workmail", "DescribeMailboxExportJob", error="ThrottlingException"))
    archivist.pass_hours(6)
    flow.environment.faults.clear()
    flow.stop(former)
    second = flow.start("alice")
    archivist.pass_hours(1)

    assert len(archivist.jobs) == 1
    assert flow.read_record(second)["Archive"]["Status"] == "Verified"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("lambda", "StartExport", error="Runtime.ExitError", times=1),
        Fault("workmail", "StartMailboxExportJob", after_effect=TIMEOUT, times=1),
        *mark_long(
            Fault("dynamodb", "TransactWriteItems", error="InternalServerError", skip=2, times=3),
            Fault("dynamodb", "TransactWriteItems", after_effect=TIMEOUT, skip=1, times=2),
        ),
    ],
    ids=str,
)
def test_a_start_whose_answer_is_lost_makes_one_export(archivist: Archivist, fault: Fault) -> None:
    flow = archivist.flow
    flow.people.create_user("alice")
    flow.environment.faults.add(fault)

    ended = flow.run("alice")

    assert ended.outcome == "CleanupVerified"
    assert len(archivist.jobs) == 1


def test_a_second_execution_for_a_mailbox_that_is_exported_ends_at_once(archivist: Archivist) -> None:
    _, former = start_exporting(archivist)

    second = archivist.flow.run("alice", days=0)

    assert second.outcome == "AlreadyInProgress"
    assert second.output["OtherExecutionArn"] == former
    assert len(archivist.jobs) == 1


def test_an_export_by_hand_into_the_archive_is_taken_up(archivist: Archivist) -> None:
    flow = archivist.flow
    archivist.behave(export_minimum_minutes=120)
    job = archivist.export_by_hand(flow.people.create_user("alice"))

    ended = flow.run("alice")

    assert list(archivist.jobs) == [job]
    assert ended.output["Archive"]["JobId"] == job
    assert ended.outcome == "CleanupVerified"


@pytest.mark.long
def test_an_export_by_hand_to_another_place_is_waited_for_and_repeated_after_24_hours(archivist: Archivist) -> None:
    flow = archivist.flow
    archivist.s3.create_bucket(Bucket="elsewhere", ObjectLockEnabledForBucket=True)
    user = flow.people.create_user("alice")
    job = archivist.export_by_hand(user, bucket="elsewhere")
    arn = flow.start("alice")
    archivist.pass_hours(23)
    assert flow.read_record(arn)["Status"] == "Exporting"
    assert list(archivist.jobs) == [job]
    archivist.pass_hours(3)

    assert flow.read_record(arn)["Archive"]["Status"] == "Verified"
    assert len(archivist.jobs) == 2


@pytest.mark.long
def test_ten_exports_by_hand_are_waited_for_and_fail_nobody(archivist: Archivist) -> None:
    flow = archivist.flow
    archivist.behave(export_minimum_minutes=600)
    for number in range(10):
        archivist.export_by_hand(flow.people.create_user(f"other{number}"), token=f"hand-{number}")
    flow.people.create_user("alice")
    arn = flow.start("alice")
    archivist.pass_hours(2)
    record = flow.read_record(arn)
    assert (record["Status"], record["DueAt"]) == ("Exporting", "2026-12-06T12:00:00.000Z")
    flow.pass_days(40)

    assert flow.read_result(arn).outcome == "CleanupVerified"


@pytest.mark.long
def test_an_export_that_outlasts_its_deadline_is_cancelled(archivist: Archivist) -> None:
    flow = archivist.flow
    archivist.behave(export_minimum_minutes=5 * 24 * 60)
    user = flow.people.create_user("alice")

    ended = flow.run("alice", days=4)

    assert ended.outcome == "ExportFailed"
    assert "still ran at 2026-11-25T12:00:00.000Z, its deadline" in ended.cause
    assert [job.state for job in archivist.jobs.values()] == ["CANCELLED"]
    assert archivist.is_enabled(user)


def offboard_many(archivist: Archivist, count: int, minutes: int) -> tuple[list[str], list[int]]:
    """Start offboardings whose exports take a time; return the executions, and how many ran after each start."""
    flow = archivist.flow
    archivist.behave(export_minimum_minutes=minutes)
    users = [flow.people.create_user(f"leaver{number}") for number in range(count)]
    counts = count_running(archivist)
    return [flow.start(user) for user in users], counts


def check_all_archived(archivist: Archivist, arns: list[str], counts: list[int], within: timedelta) -> None:
    archivist.pass_hours(within / timedelta(hours=1))
    records = [archivist.flow.read_record(arn) for arn in arns]
    assert {record["Archive"]["Status"] for record in records} == {"Verified"}
    assert {record["Status"] for record in records} == {"InWindow"}
    assert len({record["Archive"]["JobId"] for record in records}) == len(arns) == len(counts), "one export each"
    assert max(counts) == 8, "never more than the slots, and all of them are used"


@pytest.mark.long
def test_leavers_of_one_day_share_the_slots_and_all_are_archived(archivist: Archivist) -> None:
    arns, counts = offboard_many(archivist, 10, minutes=60)

    check_all_archived(archivist, arns, counts, timedelta(hours=4))


@pytest.mark.long
def test_a_hundred_leavers_at_once_are_all_archived(archivist: Archivist) -> None:
    archivist.flow.change_policy(HandCap=None)
    arns, counts = offboard_many(archivist, 100, minutes=60)

    check_all_archived(archivist, arns, counts, timedelta(hours=26))


@pytest.mark.parametrize(
    ("more", "entity", "sentence"),
    [
        ({"Export": "Maybe"}, "alice", "one of No, IfPossible, Required"),
        ({"Export": "Required"}, "team", "is a group, which has no mailbox"),
        ({"Export": "IfPossible"}, "alice", "less than the settings require: Required"),
    ],
)
def test_an_export_that_cannot_be_asked_for_is_refused(
    archivist: Archivist, more: dict[str, Any], entity: str, sentence: str
) -> None:
    archivist.flow.people.create_user("alice")
    archivist.flow.people.create_group("team")

    ended = archivist.flow.run(entity, days=1, **more)

    assert (ended.status, ended.outcome) == ("FAILED", "InvalidRequest")
    assert sentence in ended.cause


def test_a_skip_is_refused_where_the_settings_do_not_allow_it(archivist: Archivist) -> None:
    archivist.set_mode("Required", may_be_skipped=False)
    user = archivist.flow.people.create_user("alice")

    ended = archivist.flow.run("alice", days=1, Export="No")

    assert ended.outcome == "InvalidRequest"
    assert archivist.is_enabled(user)


def test_a_group_is_offboarded_without_an_export(archivist: Archivist) -> None:
    archivist.flow.people.create_group("team")

    ended = archivist.flow.run("team")

    assert (ended.outcome, ended.output["Archive"]) == ("CleanupVerified", None)


@pytest.mark.parametrize("size", [0, *mark_long(50 * 1024)])
def test_the_size_of_a_mailbox_does_not_matter(archivist: Archivist, size: float) -> None:
    flow = archivist.flow
    user = flow.people.create_user("alice")
    flow.backend.organizations[ORGANIZATION_ID].entities[user].mailbox.size = size

    ended = flow.run("alice")

    assert (ended.outcome, ended.output["Archive"]["Status"]) == ("CleanupVerified", "Verified")


def disable_key(archivist: Archivist) -> None:
    archivist.flow.environment.client("kms").disable_key(KeyId=archivist.key_id)


def schedule_deletion_of_key(archivist: Archivist) -> None:
    archivist.flow.environment.client("kms").schedule_key_deletion(KeyId=archivist.key_id, PendingWindowInDays=30)


def deny_writes(archivist: Archivist) -> None:
    archivist.s3.put_bucket_policy(
        Bucket=archivist.bucket,
        Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject",'
        f'"Resource":"arn:aws:s3:::{archivist.bucket}/*"}}]}}',
    )


@pytest.mark.parametrize("damage", mark_long(disable_key, schedule_deletion_of_key, deny_writes))
def test_an_archive_that_workmail_cannot_write_fails_by_its_reason(
    archivist: Archivist, damage: Callable[[Archivist], None]
) -> None:
    damage(archivist)
    user = archivist.flow.people.create_user("alice")

    ended = archivist.flow.run("alice", days=20)

    assert ended.outcome == "ExportFailed"
    assert archivist.is_enabled(user)


def test_a_plan_shows_the_export_and_starts_none(archivist: Archivist) -> None:
    user = archivist.flow.people.create_user("alice")

    plan = archivist.flow.run("alice", days=0, DryRun=True).output

    assert "Before that it would export the mailbox" in plan["Explanation"]
    export = plan["Plan"]["Export"]
    assert export["Place"] == f"s3://{archivist.bucket}/archives/{ORGANIZATION_ID}/{user}/"
    assert (export["RunningExports"], export["Slots"], export["MailboxSize"]) == (0, 8, 1.5)
    assert export["LastSafeStart"] == "2027-03-14T00:00:00.000Z"
    assert "does not publish how long" in export["Note"]
    assert archivist.jobs == {}


@pytest.fixture
def late_archivist(make_flow: Callable[..., Flow]) -> Iterator[Archivist]:
    return Archivist(make_flow(now=datetime(2027, 3, 30, 12, tzinfo=UTC)))


def test_an_export_that_would_end_after_workmail_does_deregisters_nobody(late_archivist: Archivist) -> None:
    late_archivist.behave(export_minimum_minutes=24 * 60)
    flow = late_archivist.flow
    user = flow.people.create_user("alice")

    ended = flow.run("alice", days=3)

    assert ended.outcome == "ServiceEnded"
    assert flow.list_calls("DeregisterFromWorkMail") == []
    assert late_archivist.is_enabled(user)


@pytest.mark.long
def test_exports_that_the_settings_require_meanwhile_apply_to_executions_that_wait(
    make_flow: Callable[..., Flow], stack_without_providers: Any, stack_with_archives: Any
) -> None:
    flow = make_flow(stack=stack_without_providers)
    flow.people.create_user("alice")
    arn = flow.start("alice", NotBefore="2026-12-01T12:00:00Z")
    flow.clock.settle()
    flow.environment.deploy(stack_with_archives)
    flow.pass_days(60)

    ended = flow.read_result(arn)

    assert ended.outcome == "CleanupVerified"
    assert ended.output["Archive"]["Status"] == "Verified"
