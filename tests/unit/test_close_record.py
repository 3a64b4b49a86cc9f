"""How an execution ended is written into its record, whichever way that becomes known."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import close_record
from offboarding.adapters.executions import ExecutionStatus
from offboarding.domain import errors
from offboarding.domain.record import Status
from tests.unit.conftest import NOW, Context, Table, execution

A, B = execution("a"), execution("b")
ENDED = "2026-12-01T00:00:00.000Z"
EVENT_TIME = "2026-12-01T00:00:05Z"
RUNNING = ExecutionStatus(is_running=True)
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", cause="by mistake", ended_at=ENDED)


VERIFIED = ExecutionStatus(is_running=False, outcome="CleanupVerified", ended_at=ENDED)


def change(arn: object, status: str = "ABORTED") -> str:
    return json.dumps({"time": EVENT_TIME, "source": "aws.states", "detail": {"executionArn": arn, "status": status}})


def deliver(monkeypatch: pytest.MonkeyPatch, *bodies: str, stands: Any = STOPPED) -> list[str]:
    """Deliver a batch of messages; return which of them go back into the queue."""

    def status(arn: str) -> ExecutionStatus:
        if isinstance(stands, Exception):
            raise stands
        return stands

    monkeypatch.setattr(close_record, "read_execution_status", status)
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


def test_an_execution_that_was_stopped_leaves_a_record_that_says_so(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.open("a")

    assert deliver(monkeypatch, change(A)) == []

    record = table.get(A)
    assert (record.status, record.outcome, record.ended_at) == (Status.ENDED, "Stopped", ENDED)
    assert table.text(A, "Cause") == "by mistake"


def test_step_functions_is_believed_and_not_the_event(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.deregister("a")

    deliver(monkeypatch, change(A), stands=VERIFIED)

    assert (table.get(A).status, table.get(A).outcome) == (Status.ENDED, "CleanupVerified")


def test_what_runs_again_is_not_closed_by_a_late_event(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.deregister("a")
    before = table.item(A)

    assert deliver(monkeypatch, change(A), stands=ExecutionStatus(is_running=True, is_redriven=True)) == []

    assert table.item(A) == before


def test_what_does_not_yet_read_as_over_is_looked_at_again(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.deregister("a")

    assert deliver(monkeypatch, change(A), stands=RUNNING) == ["m-0"]
    assert table.get(A).outcome is None


def test_what_step_functions_has_forgotten_ended_when_the_event_says(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.open("a")

    deliver(monkeypatch, change(A), stands=ExecutionStatus(is_running=False, outcome="Forgotten"))

    assert (table.get(A).outcome, table.get(A).ended_at) == ("Forgotten", EVENT_TIME)


def test_an_execution_without_a_record_is_left_alone(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    assert deliver(monkeypatch, change(A)) == []
    assert table.item(A) is None


def test_a_record_that_changes_while_it_is_closed_is_closed_by_the_next_delivery(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.open("a")
    monkeypatch.setattr(close_record.Records, "close", lambda *_: False)
    assert deliver(monkeypatch, change(A)) == ["m-0"]


def test_an_event_that_comes_twice_is_one_step(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.open("a")

    deliver(monkeypatch, change(A), change(A))
    deliver(monkeypatch, change(A))

    assert table.steps(A).count("Ended") == 1


@pytest.mark.parametrize(
    "body", ["no JSON", "null", "[]", "{}", '{"detail": null}', '{"detail": {}}', change(7), change(None)]
)
def test_what_is_no_status_change_goes_back_alone(table: Table, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    table.open("a")
    table.open("b", "entity-b")

    assert deliver(monkeypatch, change(A), body, change(B)) == ["m-1"]

    assert [table.get(arn).outcome for arn in (A, B)] == ["Stopped", "Stopped"]


@pytest.mark.parametrize("error", [errors.RecordUnavailable("later"), errors.AccessDenied("no")])
def test_what_cannot_be_looked_up_now_goes_back(
    table: Table, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    table.open("a")

    assert deliver(monkeypatch, change(A), stands=error) == ["m-0"]
    assert table.get(A).outcome is None


def test_a_log_line_tells_which_execution_and_nobodys_name(
    table: Table, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    table.open("a")

    deliver(monkeypatch, change(A))

    [closed] = [json.loads(line) for line in logged if '"record closed"' in line]
    assert (closed["correlation_id"], closed["outcome"]) == (A, "Stopped")
    assert not any("dana" in line or "by mistake" in line for line in logged)


def deliver_while(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> list[Any]:
    """Deliver a status change, and have something happen after the record was read and before it is closed.

    Return what goes back into the queue; it is delivered again at once, with nothing else happening.
    """

    def status(arn: str) -> ExecutionStatus:
        happens()
        return STOPPED

    monkeypatch.setattr(close_record, "read_execution_status", status)
    message = {"messageId": "m", "body": change(A), "eventSource": "aws:sqs"}
    answer = close_record.handler({"Records": [message]}, Context())
    assert deliver(monkeypatch, change(A)) == []
    return list(answer["batchItemFailures"])


def test_a_restore_that_completes_while_a_record_is_being_closed_is_not_undone(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.deregister("a")
    step = {"At": NOW, "Step": "Restored"}

    back = deliver_while(
        monkeypatch, lambda: table.records.record_restore_step(table.get(A), Status.RESTORED, {}, step)
    )

    assert back == [{"itemIdentifier": "m"}]
    assert table.get(A).status is Status.ENDED
    assert table.with_status("InWindow") == []
    assert table.with_status("Restored") == ["a"]


def test_what_the_function_of_a_stopped_execution_still_deregisters_stays_in_the_window(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.open("a")

    back = deliver_while(monkeypatch, lambda: table.deregister("a"))

    assert back == [{"itemIdentifier": "m"}]
    assert table.get(A).status is Status.UNWATCHED
    assert table.with_status("InWindow") == ["a"]
