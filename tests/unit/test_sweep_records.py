"""The daily sweep: what has ended without an event, what is past its date, and the notices of the last day."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

import sweep_records
from local.defaults import ORGANIZATION_ID
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.record import Status
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    NOW,
    RETENTION_ENDS_AT,
    RUNNING,
    TABLE_NAME,
    USER_ID,
    Context,
    ReadMetrics,
    Table,
    configure,
    make_execution_arn,
    make_key,
    make_offboarding,
    make_raiser,
)

MOMENT = parse(NOW)
MARGIN = timedelta(minutes=30)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
STATE_MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:offboarding"
NOTHING_WAITS = {"MailboxesInWindow": 0, "OldestApprovalDays": 0}
COMPLETED = {"SweepsCompleted": 1}
LAST_MOMENT = parse("2027-02-28T23:00:00.000Z")
"""The last moment at which an entity can be disabled so that the end of its retention is still checked."""

pytestmark = pytest.mark.usefixtures("retention_settings", "state_machine")


@pytest.fixture
def state_machine(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, STATE_MACHINE_ARN=STATE_MACHINE_ARN)


class StepFunctions:
    """The executions that are over, and how each execution stands."""

    def __init__(self) -> None:
        self.ended: dict[str, datetime] = {}
        self.statuses: dict[str, ExecutionStatus | Exception] = {}
        self.arns_read: list[str] = []

    def end(self, name: str, ended_at: datetime, outcome: str = "Stopped", **members: Any) -> str:
        """Have an execution be over; return its ARN."""
        execution_arn = make_execution_arn(name)
        self.ended[execution_arn] = ended_at
        self.statuses[execution_arn] = ExecutionStatus(
            is_running=False, outcome=outcome, ended_at=render(ended_at), started_at=NOW, **members
        )
        return execution_arn

    def iterate(self, state_machine_arn: str) -> Iterator[tuple[str, datetime]]:
        assert state_machine_arn == STATE_MACHINE_ARN
        yield from self.ended.items()

    def read(self, execution_arn: str) -> ExecutionStatus:
        self.arns_read.append(execution_arn)
        status = self.statuses.get(execution_arn, ExecutionStatus(is_running=False, outcome="Forgotten"))
        if isinstance(status, Exception):
            raise status
        return status


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> StepFunctions:
    step_functions = StepFunctions()
    monkeypatch.setattr(sweep_records, "iterate_ended_executions", step_functions.iterate)
    monkeypatch.setattr(sweep_records, "read_execution_status", step_functions.read)
    return step_functions


def sweep(moment: datetime = MOMENT) -> dict[str, Any]:
    with time_machine.travel(moment, tick=False):
        return sweep_records.handler({"time": "nobody reads it"}, Context())


def read_outcome(table: Table, name: str = "a") -> str | None:
    return table.read_text(make_execution_arn(name), "Outcome")


@pytest.mark.parametrize("has_record", [True, False])
def test_the_record_of_an_ended_execution_is_closed_or_written(
    table: Table, states: StepFunctions, read_metrics: ReadMetrics, has_record: bool
) -> None:
    if has_record:
        table.create_record("a")
    states.end("a", MOMENT - HOUR, cause="by mistake")

    assert sweep() == {"Closed": 1, "Unlisted": 0}

    assert read_outcome(table) == "Stopped"
    assert table.read_text(ARN_A, "EndedAt") == render(MOMENT - HOUR)
    assert table.read_text(ARN_A, "Cause") == "by mistake"
    assert read_metrics() == {"RecordsSwept": 1, **NOTHING_WAITS, **COMPLETED}


def test_a_closed_record_is_neither_read_again_nor_changed(
    table: Table, states: StepFunctions, read_metrics: ReadMetrics
) -> None:
    table.create_record("a")
    states.end("a", MOMENT - HOUR)
    table.close_record(ARN_A, ended_at=render(MOMENT - HOUR))
    members = table.read_members(ARN_A)

    assert sweep() == {"Closed": 0, "Unlisted": 0}

    assert table.read_members(ARN_A) == members
    assert states.arns_read == []
    assert read_metrics() == {"RecordsSwept": 0, **NOTHING_WAITS, **COMPLETED}


@pytest.mark.parametrize("outcome", ["Stopped", "CleanupVerified"])
def test_the_record_of_a_redriven_execution_that_ended_an_hour_later_is_closed_again(
    table: Table, states: StepFunctions, outcome: str
) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, ended_at=render(MOMENT - 3 * HOUR))
    states.end("a", MOMENT - 2 * HOUR, outcome)

    assert sweep()["Closed"] == 1

    assert read_outcome(table) == outcome
    assert [step["At"] for step in table.read_steps(ARN_A) if step["Step"] == "Ended"] == [
        render(MOMENT - 3 * HOUR),
        render(MOMENT - 2 * HOUR),
    ]


def test_a_redriven_execution_that_runs_again_is_left_alone(table: Table, states: StepFunctions) -> None:
    table.create_record("a")
    states.ended[ARN_A], states.statuses[ARN_A] = MOMENT - HOUR, ExecutionStatus(is_running=True, is_redriven=True)

    assert sweep() == {"Closed": 0, "Unlisted": 0}

    assert read_outcome(table) is None


def test_a_deleted_record_is_not_written_again(table: Table, states: StepFunctions) -> None:
    states.end("a", MOMENT - HOUR, "CleanupVerified")

    assert sweep() == {"Closed": 0, "Unlisted": 0}

    assert table.read_item(ARN_A) is None


@pytest.mark.parametrize(("age", "is_closed"), [(MARGIN, True), (MARGIN - MILLISECOND, False), (timedelta(), False)])
def test_an_execution_that_ended_just_now_is_left_to_its_event(
    table: Table, states: StepFunctions, age: timedelta, is_closed: bool
) -> None:
    states.end("a", MOMENT - age)

    assert sweep()["Closed"] == is_closed
    assert sweep(MOMENT + DAY)["Closed"] == (not is_closed), "the next sweep closes what this one has left"
    assert read_outcome(table) == "Stopped"


def test_a_sweep_begins_where_the_last_one_ended(table: Table, states: StepFunctions) -> None:
    states.end("a", MOMENT - MARGIN)
    states.end("b", MOMENT - MARGIN + MILLISECOND)
    table.records.record_sweep(render(MOMENT - MARGIN))

    assert sweep(MOMENT + DAY)["Closed"] == 1

    assert [read_outcome(table, name) for name in "ab"] == [None, "Stopped"]
    assert table.records.find_swept_until() == MOMENT + DAY - MARGIN


def test_the_first_sweep_closes_what_ended_at_any_time(table: Table, states: StepFunctions) -> None:
    states.end("a", MOMENT - 89 * DAY)

    assert sweep()["Closed"] == 1


def test_an_ended_record_is_unlisted_when_its_date_has_passed(table: Table, states: StepFunctions) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A)

    assert sweep(parse(RETENTION_ENDS_AT) + MARGIN - MILLISECOND) == {"Closed": 0, "Unlisted": 0}
    assert table.list_executions("InWindow") == ["a"]
    assert sweep(parse(RETENTION_ENDS_AT) + MARGIN) == {"Closed": 0, "Unlisted": 1}

    assert table.list_executions("InWindow") == []
    assert table.load_record(ARN_A).status is Status.UNWATCHED
    assert sweep(parse(RETENTION_ENDS_AT) + DAY) == {"Closed": 0, "Unlisted": 0}


def list_scheduled(table: Table) -> None:
    offboarding = make_offboarding(ARN_A)
    facts, log_entry = {"StartedAt": NOW, "Entity": offboarding.entity}, {"At": NOW, "Step": "Scheduled"}
    table.records.create_or_update(offboarding, facts, Status.SCHEDULED, RETENTION_ENDS_AT, log_entry)


def list_awaiting_approval(table: Table) -> None:
    table.create_record("a")
    log_entry = {"At": NOW, "Step": "AwaitApproval"}
    table.records.record_approval_request(make_offboarding(ARN_A), "token", ["reason"], RETENTION_ENDS_AT, log_entry)


def list_in_window(table: Table) -> None:
    table.create_deregistered_record("a")


def list_restored(table: Table) -> None:
    table.create_deregistered_record("a")
    table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORED, {}, {"At": NOW, "Step": "Restored"})


LISTS = [list_scheduled, list_awaiting_approval, list_in_window, list_restored]


@pytest.mark.parametrize("list_record", LISTS)
def test_a_due_record_is_closed_if_its_execution_is_over(
    table: Table, states: StepFunctions, read_metrics: ReadMetrics, list_record: Callable[[Table], None]
) -> None:
    list_record(table)
    moment = parse(RETENTION_ENDS_AT) + DAY

    assert sweep(moment) == {"Closed": 1, "Unlisted": 0}

    assert (read_outcome(table), table.load_record(ARN_A).ended_at) == ("Forgotten", render(moment - MARGIN))
    assert read_metrics()["RecordsSwept"] == 1
    sweep(moment + DAY)
    assert table.load_record(ARN_A).status_key is None, "the next sweep takes it out of the index"


@pytest.mark.parametrize("list_record", LISTS)
def test_a_due_record_is_left_alone_while_its_execution_runs(
    table: Table, states: StepFunctions, list_record: Callable[[Table], None]
) -> None:
    list_record(table)
    states.statuses[ARN_A] = RUNNING
    members = table.read_members(ARN_A)

    assert sweep(parse(RETENTION_ENDS_AT) + DAY) == {"Closed": 0, "Unlisted": 0}

    assert table.read_members(ARN_A) == members
    assert states.arns_read == [ARN_A]


def test_an_execution_that_is_over_and_due_is_closed_once(table: Table, states: StepFunctions) -> None:
    table.create_deregistered_record("a")
    states.end("a", parse(RETENTION_ENDS_AT), "CleanupOverdue")

    assert sweep(parse(RETENTION_ENDS_AT) + DAY) == {"Closed": 1, "Unlisted": 1}

    assert table.read_step_names(ARN_A).count("Ended") == 1
    assert table.load_record(ARN_A).status is Status.UNWATCHED


def test_a_failure_is_counted_and_leaves_the_date_of_the_last_sweep(
    table: Table, states: StepFunctions, read_metrics: ReadMetrics, log_lines: list[str]
) -> None:
    table.records.record_sweep(render(MOMENT - DAY))
    states.end("a", MOMENT - HOUR)
    states.end("b", MOMENT - HOUR)
    states.statuses[ARN_A] = errors.RecordUnavailable("no answer about dana")

    with pytest.raises(sweep_records.SweepIncompleteError, match=r"^1 records could not be brought up to date\.$"):
        sweep()

    assert table.records.find_swept_until() == MOMENT - DAY
    assert [read_outcome(table, name) for name in "ab"] == [None, "Stopped"]
    assert read_metrics()["RecordsSwept"] == 1
    [line] = [line for line in log_lines if "not swept" in line]
    assert ARN_A in line
    assert "RecordUnavailable" in line
    assert "dana" not in line
    states.end("a", MOMENT - HOUR)
    assert sweep() == {"Closed": 1, "Unlisted": 0}, "the next run begins where this one did"


def test_the_failures_of_due_records_are_counted_too(
    table: Table, states: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = parse(RETENTION_ENDS_AT) + DAY
    table.create_deregistered_record("a")
    table.create_deregistered_record("b", "entity-b")
    table.close_record(ARN_B)
    states.end("c", MOMENT)
    states.statuses |= dict.fromkeys([ARN_A, make_execution_arn("c")], errors.AccessDenied("no"))

    def fail(*_: object) -> bool:
        raise errors.RecordUnavailable("no answer")

    monkeypatch.setattr(Records, "unlist", fail)

    with pytest.raises(sweep_records.SweepIncompleteError, match=r"^3 records"):
        sweep(moment)
    assert table.records.find_swept_until() is None


def test_a_list_of_executions_that_breaks_off_leaves_the_date_of_the_last_sweep(
    table: Table, states: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def iterate(state_machine_arn: str) -> Iterator[tuple[str, datetime]]:
        yield states.end("a", MOMENT - HOUR), MOMENT - HOUR
        raise errors.RecordUnavailable("no answer")

    monkeypatch.setattr(sweep_records, "iterate_ended_executions", iterate)

    with pytest.raises(sweep_records.SweepIncompleteError, match=r"^1 records"):
        sweep()
    assert read_outcome(table) == "Stopped"
    assert table.records.find_swept_until() is None


@pytest.mark.parametrize("error", [errors.AccessDenied("no"), KeyError("executionArn"), RuntimeError("dana")])
def test_due_records_are_closed_and_notices_made_if_the_executions_cannot_be_listed(
    table: Table,
    states: StepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    read_metrics: ReadMetrics,
    log_lines: list[str],
    error: Exception,
) -> None:
    table.create_deregistered_record("a")
    monkeypatch.setattr(sweep_records, "iterate_ended_executions", make_raiser(error))

    with pytest.raises(sweep_records.SweepIncompleteError, match=r"^1 records"):
        sweep(LAST_MOMENT - DAY)

    assert read_outcome(table) == "Forgotten"
    assert table.read_step_names("sweep") == ["LastVerificationDay"]
    assert table.records.find_swept_until() is None
    window = {**NOTHING_WAITS, "MailboxesInWindow": 1}
    assert read_metrics() == {"RecordsSwept": 1, "SweepIncompleteError": 1, **window}
    [line] = [line for line in log_lines if "not swept" in line]
    assert type(error).__name__ in line
    assert "dana" not in line


def read_window_lines(log_lines: list[str]) -> list[dict[str, Any]]:
    """Return what the lines about the window have of their own."""
    lines = [json.loads(line) for line in log_lines if "mailbox in the window" in line]
    names = ("execution", "organization", "entity", "status", "until")
    return [{name: line.get(name) for name in names} for line in lines]


def test_each_mailbox_in_the_window_is_logged_by_ids_and_dates_alone(
    table: Table, states: StepFunctions, log_lines: list[str], read_metrics: ReadMetrics
) -> None:
    table.create_deregistered_record("a", retention_ends_at="2026-12-25T09:00:00.000Z")
    table.create_deregistered_record("b", "entity-b")
    table.close_record(ARN_B)
    table.create_record("c", "entity-c")

    sweep()

    common = {"organization": ORGANIZATION_ID}
    assert read_window_lines(log_lines) == [
        {**common, "execution": ARN_B, "entity": "entity-b", "status": "Unwatched", "until": RETENTION_ENDS_AT},
        {**common, "execution": ARN_A, "entity": USER_ID, "status": "InWindow", "until": "2026-12-25T09:00:00.000Z"},
    ]
    assert "dana" not in "".join(log_lines)
    assert read_metrics()["MailboxesInWindow"] == 2


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=36), timedelta(days=13, hours=23)])
def test_the_age_of_the_oldest_approval_is_reported_in_days(
    table: Table, states: StepFunctions, read_metrics: ReadMetrics, age: timedelta
) -> None:
    for name, entity_id, waits in (("a", USER_ID, age), ("b", "entity-b", timedelta(0))):
        table.create_record(name, entity_id)
        offboarding, log_entry = make_offboarding(make_execution_arn(name), entity_id), {"At": NOW, "Step": "Await"}
        until = render(MOMENT - waits + timedelta(days=14))
        table.records.record_approval_request(offboarding, "token", ["reason"], until, log_entry)

    sweep()

    assert read_metrics()["OldestApprovalDays"] == round(age / DAY, 3)


def test_a_sweep_that_fails_does_not_count_as_completed(
    table: Table, states: StepFunctions, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics
) -> None:
    monkeypatch.setattr(Records, "iterate_listed", make_raiser(RuntimeError("unexpected")))

    with pytest.raises(sweep_records.SweepIncompleteError, match=r"^2 records"):
        sweep()

    assert "SweepsCompleted" not in read_metrics()


def spoil_record(table: Table, execution_arn: str) -> None:
    """Have a record lack a member that every record has."""
    table.client.update_item(
        TableName=TABLE_NAME, Key=make_key(execution_arn, "Record"), UpdateExpression="REMOVE OrganizationId"
    )


def test_a_spoilt_record_stops_no_other(table: Table, states: StepFunctions, log_lines: list[str]) -> None:
    moment = parse(RETENTION_ENDS_AT) + DAY
    for name in "ab":
        table.create_deregistered_record(name, f"entity-{name}")
    for name in "cd":
        table.create_record(name, f"entity-{name}")
        states.end(name, MOMENT)
    spoil_record(table, ARN_A)
    spoil_record(table, make_execution_arn("c"))

    with pytest.raises(sweep_records.SweepIncompleteError, match=r"^2 records could not be brought up to date\.$"):
        sweep(moment)

    assert [read_outcome(table, name) for name in "abcd"] == [None, "Forgotten", None, "Stopped"]
    lines = [line for line in log_lines if "not swept" in line]
    assert len(lines) == 2
    for arn, line in zip([make_execution_arn("c"), ARN_A], lines, strict=True):
        assert arn in line
        assert "KeyError" in line
    assert table.records.find_swept_until() is None


@pytest.mark.parametrize("part", ["find_swept_until", "iterate_due", "record_last_verification_day"])
def test_each_part_of_a_sweep_is_done_if_another_one_fails(
    table: Table, states: StepFunctions, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    table.create_deregistered_record("a")
    table.create_record("b", "entity-b")
    states.end("b", MOMENT)
    monkeypatch.setattr(Records, part, make_raiser(RuntimeError("unexpected")))

    with pytest.raises(sweep_records.SweepIncompleteError, match=r"^1 records"):
        sweep(LAST_MOMENT - DAY)

    assert [read_outcome(table, name) for name in "ab"] == [
        None if part == "iterate_due" else "Forgotten",
        None if part == "find_swept_until" else "Stopped",
    ]
    assert bool(table.read_steps("sweep")) is (part != "record_last_verification_day")


def test_a_due_record_that_was_deleted_in_between_is_left_out(
    table: Table, states: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_deregistered_record("a")
    table.delete_item(ARN_A)
    monkeypatch.setattr(Records, "iterate_due", lambda *_: iter([ARN_A]))

    assert sweep() == {"Closed": 0, "Unlisted": 0}

    assert states.arns_read == []
    assert table.read_item(ARN_A) is None


def test_an_erased_execution_is_not_recorded_again(table: Table, states: StepFunctions) -> None:
    states.end("a", MOMENT - HOUR)
    table.mark_erased(ARN_A)

    assert sweep() == {"Closed": 0, "Unlisted": 0}

    assert table.read_item(ARN_A) is None
    assert table.records.find_swept_until() == MOMENT - MARGIN


def test_a_record_that_changes_while_it_is_closed_is_a_failure(
    table: Table, states: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("a")
    states.end("a", MOMENT - HOUR)
    monkeypatch.setattr(Records, "close", lambda *_: False)

    with pytest.raises(sweep_records.SweepIncompleteError):
        sweep()


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (LAST_MOMENT - timedelta(days=60) - MILLISECOND, 0),
        (LAST_MOMENT - timedelta(days=60), 1),
        (LAST_MOMENT, 1),
        (LAST_MOMENT + MILLISECOND, 0),
    ],
)
def test_people_are_told_of_the_last_day_from_60_days_before_it(
    table: Table, states: StepFunctions, moment: datetime, expected: int
) -> None:
    sweep(moment)
    sweep(moment)

    notices = table.read_steps("sweep")
    assert len(notices) == expected
    for notice in notices:
        assert (notice["Step"], notice["At"]) == ("LastVerificationDay", render(moment))
        assert (notice["Day"], notice["ServiceEndsOn"]) == ("2027-02-28", "2027-03-31")


def test_people_are_told_of_the_last_day_four_times(table: Table, states: StepFunctions) -> None:
    for days in range(-70, 5):
        sweep(LAST_MOMENT + timedelta(days=days))

    days_before = [(LAST_MOMENT - parse(notice["At"])).days for notice in table.read_steps("sweep")]
    assert days_before == [60, 30, 14, 3]


def test_people_are_told_again_if_the_end_of_the_service_is_changed(
    table: Table, states: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(LAST_MOMENT - DAY)

    configure(monkeypatch, SERVICE_ENDS_ON="2027-04-01")
    sweep(LAST_MOMENT)

    assert [notice["Day"] for notice in table.read_steps("sweep")] == ["2027-02-28", "2027-03-01"]


def test_people_are_told_even_if_the_sweep_is_incomplete(table: Table, states: StepFunctions) -> None:
    states.end("a", LAST_MOMENT - 2 * DAY)
    states.statuses[ARN_A] = errors.RecordUnavailable("no answer")

    with pytest.raises(sweep_records.SweepIncompleteError):
        sweep(LAST_MOMENT - DAY)

    assert table.read_step_names("sweep") == ["LastVerificationDay"]
