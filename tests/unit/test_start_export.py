"""StartExport: an export is taken up or started, once, and only while a slot for it is free."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import start_export
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import WorkMailBackend
from offboarding.adapters.mailbox_exports import MailboxExports
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.exports import Archive
from offboarding.domain.record import Status
from offboarding.domain.timestamps import parse
from tests.unit.conftest import (
    ARCHIVE_PREFIX,
    ARN_A,
    ARN_B,
    NOW,
    SERVICE_ENDS_AT,
    Context,
    Exports,
    ReadMetrics,
    Table,
    deregister,
    describe_entity,
    fail_operation,
    make_execution_arn,
    make_offboarding,
    make_raiser,
    take_calls,
)

HOUR = timedelta(hours=1)
SLOT_DEADLINE = "2026-12-08T09:00:00.000Z"
SLOTS_ID = f"export/{ORGANIZATION_ID}"


def start(now: str = NOW, name: str = "a", service_ends_at: str = SERVICE_ENDS_AT) -> dict[str, Any]:
    event = {"ExecutionArn": make_execution_arn(name), "Now": now, "ServiceEndsAt": service_ends_at}
    return start_export.handler(event, Context())


def read_export(table: Table, name: str = "a") -> dict[str, Any]:
    return table.read_members(make_execution_arn(name))["ExportState"]


def count_leases(table: Table) -> int:
    items = [item for item in table.read_all() if item["Id"]["S"] == SLOTS_ID]
    return sum("ExecutionArn" in item for item in items)


@pytest.fixture
def leaver(dana: str, exports: Exports, table: Table, organization: WorkMailBackend) -> Iterator[str]:
    """A user whose offboarding is recorded."""
    table.create_record("a", dana, Entity=describe_entity(dana).to_json())
    take_calls(organization)
    return dana


def test_a_mailbox_is_exported_to_the_place_of_the_settings(
    leaver: str, exports: Exports, table: Table, read_metrics: ReadMetrics
) -> None:
    answer = start()

    [job] = exports.list_jobs()
    assert (job["EntityId"], job["State"], job["S3BucketName"]) == (leaver, "RUNNING", "archives")
    assert job["S3Path"].startswith(f"{ARCHIVE_PREFIX}{ORGANIZATION_ID}/{leaver}/")
    assert [entry["Operation"] for entry in answer["Evidence"].pop("Answers")] == [
        "ListMailboxExportJobs",
        "StartMailboxExportJob",
    ]
    shown = {
        "Attempt": 1, "SlotDeadline": SLOT_DEADLINE, "JobId": job["JobId"], "JobDeadline": "2026-11-27T09:00:00.000Z",
    }  # fmt: skip
    assert answer == {"LookAt": "2026-11-24T09:10:00.000Z", "Evidence": {"At": NOW, **shown}}
    assert table.load_record(ARN_A).status is Status.EXPORTING
    assert read_export(table) == {**shown, "Failures": 0, "Slot": 0}
    assert (table.read_text(ARN_A, "DueAt"), table.list_executions("Exporting")) == (shown["JobDeadline"], ["a"])
    step = table.read_step(ARN_A, "ExportStarted")
    assert {name: step[name] for name in shown} == shown
    assert table.records.find_last_export(ORGANIZATION_ID, leaver) == ARN_A
    assert read_metrics() == {"ExportStarted": 1}


def test_the_first_look_is_later_for_a_larger_mailbox(exports: Exports, dana: str, table: Table) -> None:
    table.create_record("a", dana, Entity={**describe_entity(dana).to_json(), "MailboxSize": 1000})

    assert start()["LookAt"] == "2026-11-24T09:20:00.000Z"


def end_after_start(patch: pytest.MonkeyPatch) -> None:
    """Have the function end once WorkMail has started the job, and nothing has recorded it."""
    start_job = MailboxExports.start_job

    def start_and_end(*arguments: Any) -> str:
        start_job(*arguments)
        raise SystemExit

    patch.setattr(MailboxExports, "start_job", start_and_end)


@pytest.mark.parametrize("operation", ["StartMailboxExportJob", "record_export"])
def test_an_attempt_that_ended_between_the_start_and_the_record_starts_no_second_job(
    leaver: str, exports: Exports, table: Table, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    with monkeypatch.context() as patch:
        if operation == "record_export":
            patch.setattr(Records, "record_export", make_raiser(SystemExit()))
        else:
            end_after_start(patch)
        with pytest.raises(SystemExit):
            start()
    assert table.load_record(ARN_A).export is None

    start()

    [job] = exports.list_jobs()
    assert read_export(table)["JobId"] == job["JobId"]
    assert read_export(table)["Slot"] == 0
    assert count_leases(table) == 1


def test_the_same_attempt_has_the_same_token_if_the_list_does_not_show_its_job_yet(
    leaver: str, exports: Exports, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MailboxExports, "list_jobs", lambda _: [])
    start()
    start()
    job_id = read_export(table)["JobId"]
    start(exports.pass_time(minutes=1))

    assert len(exports.list_jobs()) == 1
    assert (read_export(table)["JobId"], read_export(table).get("Slot")) == (job_id, 0)


def test_a_running_export_is_taken_up(leaver: str, exports: Exports, table: Table) -> None:
    job_id = exports.start_by_hand(leaver)
    exports.pass_time(minutes=3)

    answer = start(exports.now)

    assert answer["Evidence"]["JobId"] == job_id
    assert answer["Evidence"]["JobDeadline"] == "2026-11-27T09:00:00.000Z", "from the start of the job"
    assert len(exports.list_jobs()) == 1
    assert "ExportAdopted" in table.read_step_names(ARN_A)
    assert "Slot" not in read_export(table), "it has none of this stack's slots"
    assert count_leases(table) == 0


def test_an_export_that_has_ended_since_the_departure_is_taken_up_and_looked_at_at_once(
    leaver: str, exports: Exports, table: Table
) -> None:
    job_id = exports.start_by_hand(leaver)
    now = exports.pass_time(hours=23)

    answer = start(now)

    assert (answer["Evidence"]["JobId"], answer["LookAt"]) == (job_id, now)
    assert exports.read_states() == ["COMPLETED"]


def test_an_export_to_another_bucket_is_not_taken_up(leaver: str, exports: Exports, table: Table) -> None:
    exports.create_place("elsewhere")
    exports.start_by_hand(leaver, "elsewhere")
    exports.pass_time(minutes=10)

    start(exports.now)

    assert table.read_step_names(ARN_A)[-1] == "ExportAwaitsSlot", "WorkMail refuses another one within 24 hours"
    assert count_leases(table) == 0, "its slot is free for others"


@pytest.mark.parametrize(
    ("facts", "is_adopted"),
    [
        ({}, False),
        ({"NotBefore": "2026-11-24T12:00:00.000Z"}, False),
        ({"NotBefore": "2026-11-24T08:00:00.000Z"}, True),
        ({"Requester": {"Provider": "okta", "EventId": "e", "OccurredAt": "2026-11-24T08:30:00.000Z"}}, True),
        ({"Requester": {"Provider": "okta", "EventId": "e", "OccurredAt": "2026-11-24T09:30:00.000Z"}}, False),
    ],
)
def test_an_export_that_began_before_the_departure_is_not_taken_up(
    dana: str, exports: Exports, table: Table, facts: dict[str, Any], is_adopted: bool
) -> None:
    job_id = exports.start_by_hand(dana)
    exports.pass_time(hours=2)
    facts |= {"Entity": describe_entity(dana).to_json(), "StartedAt": exports.now}
    table.create_record("a", dana, recorded_at=exports.now, **facts)

    start(exports.now)

    assert (read_export(table).get("JobId") == job_id) is is_adopted


def start_previous_execution(table: Table, user_id: str) -> str:
    """Have another execution export a mailbox, and return its job."""
    table.create_record("b", user_id, Entity=describe_entity(user_id).to_json())
    start(NOW, "b")
    job_id: str = read_export(table, "b")["JobId"]
    return job_id


@pytest.mark.parametrize(
    ("outcome", "enabled_date", "is_adopted"),
    [
        ("Stopped", None, True),
        ("ExportFailed", None, True),
        ("Withdrawn", None, False),
        ("CleanupVerified", None, False),
        (None, None, False),
        ("Stopped", "2026-11-24T10:00:00.000Z", False),
    ],
)
def test_an_execution_goes_on_with_the_export_of_one_that_was_stopped(
    dana: str, exports: Exports, table: Table, outcome: str | None, enabled_date: str | None, is_adopted: bool
) -> None:
    job_id = start_previous_execution(table, dana)
    exports.pass_time(hours=3)
    if outcome is not None:
        table.close_record(ARN_B, outcome)
    entity = describe_entity(dana).to_json() | ({"EnabledDate": enabled_date} if enabled_date else {})
    table.records.hold(make_offboarding(ARN_A, dana), exports.now, take_over_from=ARN_B)
    table.create_record("a", dana, recorded_at=exports.now, Entity=entity, StartedAt=exports.now)

    start(exports.now)

    assert (read_export(table).get("JobId") == job_id) is is_adopted


def test_the_slot_of_a_stopped_execution_is_taken_over_with_its_running_job(
    dana: str, exports: Exports, table: Table
) -> None:
    job_id = start_previous_execution(table, dana)
    table.close_record(ARN_B, "Stopped")
    table.records.hold(make_offboarding(ARN_A, dana), exports.now, take_over_from=ARN_B)
    table.create_record("a", dana, Entity=describe_entity(dana).to_json())

    start(exports.pass_time(minutes=1))

    assert (read_export(table)["JobId"], read_export(table)["Slot"]) == (job_id, 0)
    assert table.read_text(SLOTS_ID, "ExecutionArn", "Slot 0") == ARN_A


def test_without_a_free_slot_an_execution_waits_and_is_recorded_once(
    leaver: str, exports: Exports, people: OrganizationBuilder, table: Table, organization: WorkMailBackend
) -> None:
    exports.put_settings(Slots=1)
    kim = people.create_user("kim")
    table.create_record("b", kim, Entity=describe_entity(kim).to_json())
    start(NOW, "b")
    take_calls(organization)

    answer = start(exports.pass_time(minutes=1))
    start(exports.pass_time(minutes=1))

    assert take_calls(organization) == ["ListMailboxExportJobs"] * 2
    assert read_export(table) == {"Attempt": 1, "Failures": 0, "SlotDeadline": "2026-12-08T09:01:00.000Z"}
    assert table.read_text(ARN_A, "DueAt") == "2026-12-08T09:01:00.000Z"
    assert table.read_step_names(ARN_A).count("ExportAwaitsSlot") == 1
    assert parse(answer["LookAt"]) - parse(answer["Evidence"]["At"]) <= HOUR


@pytest.mark.parametrize("cause", ["ten jobs by hand", "a job within 24 hours"])
def test_a_limit_of_workmail_is_a_wait_and_gives_the_slot_back(
    leaver: str, exports: Exports, people: OrganizationBuilder, table: Table, cause: str
) -> None:
    if cause == "ten jobs by hand":
        for number in range(10):
            exports.start_by_hand(people.create_user(f"user-{number}"))
    else:
        exports.create_place("elsewhere")
        exports.start_by_hand(leaver, "elsewhere")

    answer = start()

    assert "JobId" not in answer["Evidence"]
    assert "Problem" not in answer["Evidence"]
    assert table.read_step_names(ARN_A)[-1] == "ExportAwaitsSlot"
    assert count_leases(table) == 0


@pytest.mark.parametrize(
    "code",
    ["EntityNotFoundException", "InvalidParameterException", "AccessDeniedException", "EntityStateException"],
)
@pytest.mark.parametrize("is_enabled", [True, False])
def test_a_refusal_of_workmail_is_recorded_and_looked_at_in_an_hour_or_at_once(
    leaver: str, exports: Exports, table: Table, organization: WorkMailBackend, code: str, is_enabled: bool
) -> None:
    if not is_enabled:
        deregister(leaver)
        table.create_record("a", leaver, Entity=describe_entity(leaver).to_json())
    fail_operation(organization, "StartMailboxExportJob", code)

    answer = start()

    assert code in answer["Evidence"]["Problem"]
    assert parse(answer["LookAt"]) == parse(NOW) + HOUR * is_enabled
    assert table.read_step_names(ARN_A)[-1] == "ExportRefused"
    assert count_leases(table) == 0


def test_a_job_that_may_have_been_started_keeps_its_slot_and_is_tried_again(
    leaver: str, exports: Exports, table: Table, organization: WorkMailBackend
) -> None:
    fail_operation(organization, "StartMailboxExportJob", "InternalFailure")

    with pytest.raises(errors.WorkMailUnavailable):
        start()

    assert count_leases(table) == 1
    start()
    assert (len(exports.list_jobs()), count_leases(table)) == (1, 1)


@pytest.mark.parametrize("error", [errors.AccessDenied("no"), errors.UnexpectedAnswer("no")])
def test_what_another_service_denies_is_no_refusal_of_workmail(
    leaver: str, exports: Exports, monkeypatch: pytest.MonkeyPatch, error: errors.OffboardingError
) -> None:
    monkeypatch.setattr(start_export.ExportSlots, "take", make_raiser(error))

    with pytest.raises(type(error)):
        start()


def test_at_its_deadline_an_export_is_checked_at_once_and_not_started(
    leaver: str, exports: Exports, table: Table, organization: WorkMailBackend
) -> None:
    exports.create_place("elsewhere")
    exports.start_by_hand(leaver, "elsewhere")
    start()
    take_calls(organization)

    answer = start(SLOT_DEADLINE)

    assert answer["LookAt"] == SLOT_DEADLINE
    assert take_calls(organization) == []
    exports.clock.move_to(parse(SLOT_DEADLINE) - timedelta(seconds=1))
    assert start(exports.now)["Evidence"]["JobId"]


def test_the_deadlines_end_with_workmail(leaver: str, exports: Exports) -> None:
    ends_at = "2026-11-25T00:00:00.000Z"

    evidence = start(service_ends_at=ends_at)["Evidence"]

    assert (evidence["SlotDeadline"], evidence["JobDeadline"]) == (ends_at, ends_at)


def test_the_deadlines_of_a_disabled_mailbox_end_with_its_retention(
    leaver: str, exports: Exports, table: Table
) -> None:
    deregister(leaver)
    disabled = describe_entity(leaver).to_json()
    table.create_record("a", leaver, Entity={**disabled, "DisabledDate": "2026-10-25T10:00:00.000Z"})

    evidence = start()["Evidence"]

    assert (evidence["SlotDeadline"], evidence["JobDeadline"]) == ("2026-11-24T10:00:00.000Z",) * 2


def test_a_disabled_entity_without_a_date_has_the_deadlines_of_the_service(
    leaver: str, exports: Exports, table: Table
) -> None:
    deregister(leaver)
    disabled = {name: value for name, value in describe_entity(leaver).to_json().items() if name != "DisabledDate"}
    table.create_record("a", leaver, Entity=disabled)
    members = table.read_members(ARN_A)
    assert "DisabledDate" not in members["Entity"]

    assert start()["Evidence"]["SlotDeadline"] == SLOT_DEADLINE


@pytest.mark.parametrize(
    "archive",
    [
        {"Status": "Verified", "At": NOW, "ExportEndedAt": "2026-11-24T09:05:00.000Z"},
        {"Status": "NotArchived", "At": "2026-11-25T09:59:00.000Z", "Reason": "one is required only since then"},
    ],
    ids=["too old", "missing"],
)
def test_an_archive_that_does_not_suffice_is_made_again_with_another_token(
    leaver: str, exports: Exports, table: Table, archive: Archive
) -> None:
    start()
    first_job = read_export(table)["JobId"]
    now = exports.pass_time(hours=25)
    assert table.records.record_archive(table.load_record(ARN_A), archive, {"At": NOW, "Step": "Archived"})

    evidence = start(now)["Evidence"]

    assert (evidence["Attempt"], evidence["SlotDeadline"]) == (2, "2026-12-09T10:00:00.000Z")
    assert evidence["JobId"] != first_job
    assert read_export(table)["FailedJobs"] == [first_job]
    assert table.load_record(ARN_A).archive is None


def test_a_failed_job_is_not_taken_up_again(leaver: str, exports: Exports, table: Table) -> None:
    start()
    first_job = read_export(table)["JobId"]
    exports.pass_time(minutes=30)
    record = table.load_record(ARN_A)
    assert record.export is not None
    table.records.record_export(record, record.export.fail("No object."), {"At": NOW, "Step": "ExportAttemptFailed"})

    start(exports.now)

    assert exports.list_jobs()[0]["JobId"] == first_job
    assert read_export(table).get("JobId") != first_job
    assert table.read_step_names(ARN_A)[-1] == "ExportAwaitsSlot"


def test_after_the_end_of_workmail_nothing_is_exported(leaver: str, organization: WorkMailBackend) -> None:
    with pytest.raises(errors.ServiceEnded):
        start(service_ends_at=NOW)

    assert take_calls(organization) == []


@pytest.mark.parametrize("decision", ["Withdrawn", "Approved"])
def test_a_withdrawn_offboarding_exports_nothing(
    leaver: str, exports: Exports, table: Table, organization: WorkMailBackend, decision: str
) -> None:
    exports.create_place("elsewhere")
    exports.start_by_hand(leaver, "elsewhere")
    start()
    made = {"Decision": decision, "DecidedBy": "hr", "Reason": "r", "DecidedAt": NOW, "DecidedIn": ARN_B}
    assert table.records.record_decision(table.load_record(ARN_A), made)
    take_calls(organization)

    if decision == "Withdrawn":
        with pytest.raises(errors.Withdrawn):
            start()
        assert take_calls(organization) == []
    else:
        start()


@pytest.mark.parametrize("late_cancellation", ["cancels", "nothing"])
def test_an_unrecorded_export_of_a_withdrawn_offboarding_is_cancelled_and_keeps_its_slot_while_it_runs(
    leaver: str,
    exports: Exports,
    people: OrganizationBuilder,
    table: Table,
    organization: WorkMailBackend,
    monkeypatch: pytest.MonkeyPatch,
    late_cancellation: str,
) -> None:
    exports.switch(late_cancellation=late_cancellation, export_minimum_minutes=100)
    exports.put_settings(Slots=1)
    kim = people.create_user("kim")
    table.create_record("b", kim, Entity=describe_entity(kim).to_json())
    start(NOW, "b")
    start()
    exports.put_settings(Slots=2)
    with monkeypatch.context() as patch:
        end_after_start(patch)
        with pytest.raises(SystemExit):
            start()
    made = {"Decision": "Withdrawn", "DecidedBy": "hr", "Reason": "r", "DecidedAt": NOW, "DecidedIn": ARN_B}
    assert table.records.record_decision(table.load_record(ARN_A), made)
    now = exports.pass_time(minutes=95)
    take_calls(organization)

    with pytest.raises(errors.Withdrawn):
        start(now)

    is_cancelled = late_cancellation == "cancels"
    assert take_calls(organization) == ["ListMailboxExportJobs", "CancelMailboxExportJob", "ListMailboxExportJobs"]
    states = {job["EntityId"]: job["State"] for job in exports.list_jobs()}
    assert states.pop(leaver) == ("CANCELLED" if is_cancelled else "RUNNING")
    assert states == {kim: "RUNNING"}
    assert count_leases(table) == (1 if is_cancelled else 2)


def test_without_a_record_nothing_is_exported(exports: Exports, table: Table, organization: WorkMailBackend) -> None:
    with pytest.raises(errors.RecordMissing, match="no mailbox is exported without one"):
        start()

    assert take_calls(organization) == []


def test_an_offboarding_that_does_something_else_exports_nothing(
    leaver: str, exports: Exports, table: Table, organization: WorkMailBackend
) -> None:
    table.record_attempt(ARN_A, leaver)

    with pytest.raises(errors.UnexpectedAnswer, match="The offboarding is Deregistering"):
        start()
    assert take_calls(organization) == []


@pytest.mark.parametrize("has_lock", [True, False])
def test_the_entity_of_another_execution_is_not_exported(
    leaver: str, exports: Exports, table: Table, organization: WorkMailBackend, has_lock: bool
) -> None:
    if has_lock:
        table.records.hold(make_offboarding(ARN_B, leaver), NOW, take_over_from=ARN_A)
    else:
        table.delete_item(f"{ORGANIZATION_ID}/{leaver}", "Lock")

    with pytest.raises(errors.AlreadyInProgress) as failure:
        start()

    assert (ARN_B if has_lock else ARN_A) in str(failure.value)
    assert take_calls(organization) == []


def test_a_record_that_has_changed_since_is_read_again(
    leaver: str, exports: Exports, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Records, "record_export", lambda *_: False)

    with pytest.raises(errors.RecordUnavailable, match="has changed since it was read"):
        start()
