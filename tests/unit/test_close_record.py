"""The event of an execution's end closes its record; that of its start, by CloudTrail, records who started it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import close_record
from local.defaults import ORGANIZATION_ID
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.record import Status
from offboarding.domain.timestamps import parse
from tests.unit.conftest import ARN_A, ARN_B, NOW, RECORD_DEFAULTS, RUNNING, USER_ID, Context, ReadMetrics, Table

ENDED_AT = "2026-12-01T00:00:00.000Z"
EVENT_TIME = "2026-12-01T00:00:05Z"
EVENT_MOMENT = "2026-12-01T00:00:05.000Z"
STARTED_BY = "arn:aws:sts::123456789012:assumed-role/operators/dana.boss@example.com"
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", cause="by mistake", ended_at=ENDED_AT)
VERIFIED = ExecutionStatus(is_running=False, outcome="CleanupVerified", ended_at=ENDED_AT)
NEVER_ASKED = AssertionError("Step Functions was asked.")


def make_message(execution_arn: object = ARN_A, **members: object) -> str:
    return json.dumps(
        {
            "time": EVENT_TIME,
            "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "detail": {"executionArn": execution_arn, "status": "ABORTED", **members},
        }
    )


def make_success(outcome: str = "Planned", **members: object) -> str:
    """Make the message of a success, as Step Functions sends it."""
    output = {"Outcome": outcome, "Entity": RECORD_DEFAULTS["entity"]}
    success = {
        "status": "SUCCEEDED",
        "input": json.dumps({"OrganizationId": ORGANIZATION_ID, "EntityId": "dana", "DryRun": True}),
        "inputDetails": {"included": True},
        "output": json.dumps(output),
        "outputDetails": {"included": True},
        "startDate": int(parse(NOW).timestamp() * 1000),
        "stopDate": int(parse(ENDED_AT).timestamp() * 1000),
    }
    return make_message(ARN_A, **{**success, **members})


def make_call(**detail: object) -> str:
    """Make the message of a call of StartExecution, as CloudTrail reports it."""
    call = {
        "eventSource": "states.amazonaws.com",
        "eventName": "StartExecution",
        "userIdentity": {"type": "AssumedRole", "arn": STARTED_BY},
        "responseElements": {"executionArn": ARN_A, "startDate": "Nov 24, 2026, 9:00:00 AM"},
        **detail,
    }
    members = {"source": "aws.states", "detail-type": "AWS API Call via CloudTrail", "detail": call}
    return json.dumps({"time": EVENT_TIME, **members})


def deliver_messages(
    monkeypatch: pytest.MonkeyPatch,
    *bodies: str,
    status: ExecutionStatus | Exception = STOPPED,
    action: Callable[[], object] = lambda: None,
) -> list[str]:
    """Deliver a batch of messages; return those that go back into the queue.

    The action runs after a record has been read and before it is closed.
    """
    find = Records.find

    def find_and_act(records: Records, execution_arn: str) -> object:
        record = find(records, execution_arn)
        monkeypatch.setattr(Records, "find", find)
        action()
        return record

    def read_status(execution_arn: str) -> ExecutionStatus:
        if isinstance(status, Exception):
            raise status
        return status

    monkeypatch.setattr(Records, "find", find_and_act)
    monkeypatch.setattr(close_record, "read_execution_status", read_status)
    records = [
        {
            "messageId": f"m-{number}",
            "body": body,
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:status-changes",
        }
        for number, body in enumerate(bodies)
    ]
    answer = close_record.handler({"Records": records}, Context())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.mark.parametrize("event_status", ["ABORTED", "FAILED", "TIMED_OUT"])
def test_the_end_of_an_execution_that_did_not_succeed_comes_from_step_functions(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics, event_status: str
) -> None:
    table.create_record("a")

    assert deliver_messages(monkeypatch, make_success(status=event_status)) == []

    record = table.load_record(ARN_A)
    assert (record.status, record.outcome, record.ended_at) == (Status.ENDED, "Stopped", ENDED_AT)
    assert table.read_text(ARN_A, "Cause") == "by mistake"
    assert read_metrics() == {"RecordsClosed": 1}


def test_a_failure_that_was_redriven_to_a_success_is_closed_with_the_success(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_deregistered_record("a")

    deliver_messages(monkeypatch, make_message(status="FAILED"), status=VERIFIED)

    assert (table.load_record(ARN_A).status, table.load_record(ARN_A).outcome) == (Status.ENDED, "CleanupVerified")


@pytest.mark.parametrize(
    ("outcome", "members", "failures"),
    [
        ("WorkMailUnavailable", {}, 1),
        ("TimedOut", {}, 1),
        ("Stopped", {}, 0),
        ("EntityNotFound", {"DryRun": True}, 0),
        ("Rejected", {}, 0),
    ],
)
def test_an_offboarding_that_failed_is_counted_and_a_plan_and_a_stop_are_not(
    table: Table,
    monkeypatch: pytest.MonkeyPatch,
    read_metrics: ReadMetrics,
    outcome: str,
    members: dict[str, bool],
    failures: int,
) -> None:
    table.create_record("a")
    status = ExecutionStatus(is_running=False, outcome=outcome, ended_at=ENDED_AT, input=json.dumps(members))

    deliver_messages(monkeypatch, make_message(status="FAILED"), status=status)

    assert read_metrics().get("OffboardingsFailed", 0) == failures


def test_a_success_is_recorded_from_its_event_alone(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics
) -> None:
    assert deliver_messages(monkeypatch, make_success(), status=NEVER_ASKED) == []

    record = table.load_record(ARN_A)
    assert (record.status, record.outcome, record.ended_at) == (Status.ENDED, "Planned", ENDED_AT)
    assert record.entity["Id"] == USER_ID
    assert table.read_text(ARN_A, "StartedAt") == NOW
    assert table.read_text(ARN_A, "EntityId") == "dana"
    assert read_metrics() == {"RecordsClosed": 1}


def test_a_success_of_a_recorded_execution_closes_its_record(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.create_deregistered_record("a")

    assert deliver_messages(monkeypatch, make_success("Reenabled"), status=NEVER_ASKED) == []

    assert table.load_record(ARN_A).outcome == "Reenabled"
    assert table.list_executions("InWindow") == []


@pytest.mark.parametrize(
    "members",
    [
        {"input": None, "inputDetails": {"included": False}},
        {"output": None, "outputDetails": {"included": False}},
        {"output": "no JSON"},
        {"output": "{}"},
        {"startDate": None},
        {"stopDate": None},
    ],
)
def test_a_success_whose_event_is_incomplete_is_read_from_step_functions(
    table: Table, monkeypatch: pytest.MonkeyPatch, members: dict[str, Any]
) -> None:
    table.create_deregistered_record("a")

    assert deliver_messages(monkeypatch, make_success("Reenabled", **members), status=VERIFIED) == []

    assert table.load_record(ARN_A).outcome == "CleanupVerified"


def test_the_record_of_a_redriven_execution_is_not_closed_by_a_late_event(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics
) -> None:
    table.create_deregistered_record("a")
    items = table.read_all()
    redriven = ExecutionStatus(is_running=True, is_redriven=True)

    assert deliver_messages(monkeypatch, make_message(), status=redriven) == []

    assert table.read_all() == items
    assert read_metrics() == {"StatusChangesIgnored": 1}


def test_a_message_is_retried_while_its_execution_still_reads_as_running(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics
) -> None:
    table.create_deregistered_record("a")

    assert deliver_messages(monkeypatch, make_message(), status=RUNNING) == ["m-0"]
    assert table.load_record(ARN_A).outcome is None
    assert read_metrics() == {"StatusChangesLeftInQueue": 1}


@pytest.mark.parametrize("has_record", [True, False])
def test_a_forgotten_execution_is_closed_with_the_time_of_the_event(
    table: Table, monkeypatch: pytest.MonkeyPatch, has_record: bool
) -> None:
    if has_record:
        table.create_record("a")
    forgotten = ExecutionStatus(is_running=False, outcome="Forgotten")

    assert deliver_messages(monkeypatch, make_message(), make_message(), status=forgotten) == []

    assert table.read_text(ARN_A, "Outcome") == "Forgotten"
    assert table.read_text(ARN_A, "EndedAt") == EVENT_MOMENT, "with milliseconds, as every step"
    assert table.read_step_names(ARN_A).count("Ended") == 1


@pytest.mark.parametrize(
    "outcome", ["CleanupVerified", "Reenabled", "ReenabledAfterRetention", "EntityRemoved", "Rejected"]
)
def test_a_deleted_record_is_not_written_again(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics, outcome: str
) -> None:
    assert deliver_messages(monkeypatch, make_success(outcome)) == []

    assert table.read_all() == []
    assert read_metrics() == {"StatusChangesIgnored": 1}


def test_a_repeated_event_adds_one_step(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.create_record("a")

    deliver_messages(monkeypatch, make_message(), make_message())
    deliver_messages(monkeypatch, make_message())

    assert table.read_step_names(ARN_A).count("Ended") == 1


@pytest.mark.parametrize(
    "body",
    [
        *("no JSON", "null", "[]", "{}", '{"detail": null}', '{"detail": {}}', make_message(7), make_message(None)),
        '{"detail": {"executionArn": "x"}, "time": "2026-12-01T00:00:05Z"}',
        '{"detail": {"executionArn": "x"}, "detail-type": "Step Functions Execution Status Change"}',
        make_call().replace(EVENT_TIME, "yesterday"),
    ],
)
def test_only_an_invalid_message_goes_back_into_the_queue(
    table: Table, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    table.create_record("a")
    table.create_record("b", "entity-b")

    assert deliver_messages(monkeypatch, make_message(ARN_A), body, make_message(ARN_B)) == ["m-1"]

    assert [table.load_record(arn).outcome for arn in (ARN_A, ARN_B)] == ["Stopped", "Stopped"]


@pytest.mark.parametrize("error", [errors.RecordUnavailable("later"), errors.AccessDenied("no")])
def test_a_message_is_retried_if_the_status_of_its_execution_cannot_be_read(
    table: Table, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    table.create_record("a")

    assert deliver_messages(monkeypatch, make_message(), status=error) == ["m-0"]
    assert table.load_record(ARN_A).outcome is None


def test_the_log_has_the_execution_and_no_personal_data(
    table: Table, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    table.create_record("a")

    deliver_messages(monkeypatch, make_message(), make_call())

    [entry] = [json.loads(line) for line in log_lines if '"record closed"' in line]
    assert (entry["correlation_id"], entry["outcome"]) == (ARN_A, "Stopped")
    [entry] = [json.loads(line) for line in log_lines if '"starter recorded"' in line]
    assert entry["correlation_id"] == ARN_A
    assert not any("dana" in line or "by mistake" in line for line in log_lines)


def test_a_restore_that_completes_while_the_record_is_closed_is_kept(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_deregistered_record("a")
    log_entry = {"At": NOW, "Step": "Restored"}

    def restore() -> bool:
        return table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORED, {}, log_entry)

    assert deliver_messages(monkeypatch, make_message(), action=restore) == ["m-0"]
    assert deliver_messages(monkeypatch, make_message()) == []

    assert table.load_record(ARN_A).status is Status.ENDED
    assert table.list_executions("InWindow") == []
    assert table.list_executions("Restored") == ["a"]


@pytest.mark.parametrize("has_record", [True, False])
def test_an_entity_that_is_deregistered_while_its_record_is_closed_stays_in_the_window(
    table: Table, monkeypatch: pytest.MonkeyPatch, has_record: bool
) -> None:
    if has_record:
        table.create_record("a")

    def deregister() -> str:
        return table.create_deregistered_record("a")

    assert deliver_messages(monkeypatch, make_message(), action=deregister) == ["m-0"]
    assert deliver_messages(monkeypatch, make_message()) == []

    assert table.load_record(ARN_A).status is Status.UNWATCHED
    assert table.list_executions("InWindow") == ["a"]


def test_a_call_of_cloudtrail_records_who_started_the_execution(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics
) -> None:
    assert deliver_messages(monkeypatch, make_call(), make_call(), status=NEVER_ASKED) == []

    assert table.read_members(ARN_A, "Start") == {"StartedBy": STARTED_BY, "At": EVENT_MOMENT}
    assert len(table.read_all()) == 1
    assert read_metrics() == {"StartersRecorded": 2}


@pytest.mark.parametrize(
    "detail",
    [
        {"responseElements": None, "errorCode": "ExecutionAlreadyExists"},
        {"responseElements": {}},
        {"responseElements": {"executionArn": 7}},
        {"userIdentity": None},
        {"userIdentity": {"type": "AWSService", "invokedBy": "events.amazonaws.com"}},
        {"userIdentity": {"arn": 7}},
    ],
)
def test_a_call_that_started_nothing_or_has_no_caller_is_ignored(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics, detail: dict[str, Any]
) -> None:
    assert deliver_messages(monkeypatch, make_call(**detail), status=NEVER_ASKED) == []

    assert table.read_all() == []
    assert read_metrics() == {"StatusChangesIgnored": 1}


def test_a_call_is_retried_if_the_table_is_unavailable(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise errors.RecordUnavailable("later")

    monkeypatch.setattr(Records, "record_starter", fail)

    assert deliver_messages(monkeypatch, make_call()) == ["m-0"]


@pytest.mark.parametrize("body", [make_message(), make_success(), make_call()])
def test_an_erased_execution_is_not_recorded_again(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics, body: str
) -> None:
    table.mark_erased(ARN_A)
    items = table.read_all()

    assert deliver_messages(monkeypatch, body) == []

    assert table.read_all() == items
    assert read_metrics() == {"StatusChangesIgnored": 1}


def test_an_execution_that_is_erased_while_its_record_is_closed_is_not_recorded_again(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("a")

    def erase() -> None:
        for item in table.read_all():
            table.delete_item(item["Id"]["S"], item["Part"]["S"])
        table.mark_erased(ARN_A)

    assert deliver_messages(monkeypatch, make_message(), action=erase) == ["m-0"]
    assert deliver_messages(monkeypatch, make_message()) == []

    assert table.read_item(ARN_A) is None
    assert table.read_steps(ARN_A) == []


def test_an_execution_that_runs_again_between_its_record_and_its_status_is_not_closed(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("a")
    table.close_record(ARN_A, "WorkMailUnavailable", ended_at=NOW)

    def run_again() -> None:
        table.record_attempt(ARN_A)

    assert deliver_messages(monkeypatch, make_message(), action=run_again) == ["m-0"]

    assert table.load_record(ARN_A).status is Status.DEREGISTERING
