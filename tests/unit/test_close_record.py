"""The status change of an execution closes its record with the outcome."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

import close_record
from local.defaults import ORGANIZATION_ID
from offboarding.adapters.executions import ExecutionStatus
from offboarding.domain import errors
from offboarding.domain.record import Status
from tests.unit.conftest import ARN_A, ARN_B, NOW, RUNNING, USER_ID, Context, ReadMetrics, Table

ENDED_AT = "2026-12-01T00:00:00.000Z"
EVENT_TIME = "2026-12-01T00:00:05Z"
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", cause="by mistake", ended_at=ENDED_AT)
VERIFIED = ExecutionStatus(is_running=False, outcome="CleanupVerified", ended_at=ENDED_AT)


def make_message(execution_arn: object, status: str = "ABORTED") -> str:
    return json.dumps(
        {"time": EVENT_TIME, "source": "aws.states", "detail": {"executionArn": execution_arn, "status": status}}
    )


def deliver_messages(
    monkeypatch: pytest.MonkeyPatch,
    *bodies: str,
    status: ExecutionStatus | Exception = STOPPED,
    action: Callable[[], object] = lambda: None,
) -> list[str]:
    """Deliver a batch of messages; return those that go back into the queue.

    The action runs after a record has been read and before it is closed.
    """

    def read_status(execution_arn: str) -> ExecutionStatus:
        action()
        if isinstance(status, Exception):
            raise status
        return status

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


def test_the_outcome_and_cause_of_a_stopped_execution_are_recorded(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("a")

    assert deliver_messages(monkeypatch, make_message(ARN_A)) == []

    record = table.load_record(ARN_A)
    assert (record.status, record.outcome, record.ended_at) == (Status.ENDED, "Stopped", ENDED_AT)
    assert table.read_text(ARN_A, "Cause") == "by mistake"


def test_the_outcome_comes_from_step_functions_and_not_from_the_event(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_deregistered_record("a")

    deliver_messages(monkeypatch, make_message(ARN_A), status=VERIFIED)

    assert (table.load_record(ARN_A).status, table.load_record(ARN_A).outcome) == (Status.ENDED, "CleanupVerified")


def test_the_record_of_a_redriven_execution_is_not_closed_by_a_late_event(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_deregistered_record("a")
    item = table.read_item(ARN_A)

    assert (
        deliver_messages(monkeypatch, make_message(ARN_A), status=ExecutionStatus(is_running=True, is_redriven=True))
        == []
    )

    assert table.read_item(ARN_A) == item


def test_a_message_is_retried_while_its_execution_still_reads_as_running(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_deregistered_record("a")

    assert deliver_messages(monkeypatch, make_message(ARN_A), status=RUNNING) == ["m-0"]
    assert table.load_record(ARN_A).outcome is None


def test_a_forgotten_execution_is_closed_with_the_time_of_the_event(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("a")

    deliver_messages(monkeypatch, make_message(ARN_A), status=ExecutionStatus(is_running=False, outcome="Forgotten"))

    assert (table.load_record(ARN_A).outcome, table.load_record(ARN_A).ended_at) == ("Forgotten", EVENT_TIME)


REQUEST = {
    "OrganizationId": ORGANIZATION_ID,
    "EntityId": "dana",
    "Reason": "left",
    "RequestedBy": "boss",
    "NotBefore": "2026-12-31T17:00:00Z",
    "Requester": {"Provider": "okta", "EventId": "e-1"},
    "DryRun": True,
}
PROTECTED = ExecutionStatus(
    is_running=False,
    input=json.dumps(REQUEST),
    outcome="EntityProtected",
    cause="It is never offboarded.",
    started_at=NOW,
    ended_at=ENDED_AT,
)


def test_an_execution_that_wrote_no_record_gets_one_with_its_request_and_its_end(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics
) -> None:
    assert deliver_messages(monkeypatch, make_message(ARN_A), make_message(ARN_A), status=PROTECTED) == []

    assert table.read_members(ARN_A) == {
        "Id": ARN_A,
        **REQUEST,
        "Status": "Ended",
        "Outcome": "EntityProtected",
        "Cause": "It is never offboarded.",
        "StartedAt": NOW,
        "EndedAt": ENDED_AT,
    }
    assert table.records.find(ARN_A) is None, "no entity was resolved, so nothing is decided by it"
    assert read_metrics() == {"RecordsClosed": 2}


@pytest.mark.parametrize("outcome", ["CleanupVerified", "Reenabled", "EntityRemoved", "Rejected"])
def test_a_deleted_record_is_not_written_again(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics, outcome: str
) -> None:
    assert deliver_messages(monkeypatch, make_message(ARN_A), status=replace(PROTECTED, outcome=outcome)) == []

    assert table.read_item(ARN_A) is None
    assert read_metrics() == {"StatusChangesIgnored": 1}


def test_the_record_of_a_plan_has_the_entity_and_is_over(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = {"Id": USER_ID, "Name": "dana", "Email": None, "Type": "USER"}
    planned = replace(PROTECTED, outcome="Planned", cause=None, entity=entity)

    assert deliver_messages(monkeypatch, make_message(ARN_A), make_message(ARN_A), status=planned) == []

    record = table.load_record(ARN_A)
    assert (record.status, record.outcome, record.deregistration_attempted) == (Status.ENDED, "Planned", False)
    assert record.entity == {"Id": USER_ID, "Name": "dana", "Type": "USER"}
    assert "Cause" not in table.read_members(ARN_A)


def test_the_later_end_of_a_redriven_execution_without_an_entity_counts(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_messages(monkeypatch, make_message(ARN_A), status=PROTECTED)

    deliver_messages(monkeypatch, make_message(ARN_A), status=replace(PROTECTED, outcome="EntityNotFound"))

    assert table.read_text(ARN_A, "Outcome") == "EntityNotFound"
    deliver_messages(monkeypatch, make_message(ARN_A), status=replace(PROTECTED, outcome="Planned", cause=None))
    assert table.read_text(ARN_A, "Outcome") == "Planned"
    assert table.read_text(ARN_A, "Cause") is None, "the cause of the earlier end does not stay"


def test_a_redriven_execution_that_resolves_its_entity_is_open_again(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_messages(monkeypatch, make_message(ARN_A), status=PROTECTED)

    table.create_record("a")

    assert (table.load_record(ARN_A).status, table.load_record(ARN_A).outcome) == (Status.RECORDED, None)
    assert "Cause" not in table.read_members(ARN_A)


@pytest.mark.parametrize(
    "input_",
    [
        None,
        "",
        "no JSON",
        "[]",
        '"dana"',
        json.dumps({"OrganizationId": "ä" * 1024}),
        json.dumps({"OrganizationId": ["m-1"]}),
        json.dumps({"EntityId": 7, "Reason": None, "Requester": "me", "DryRun": "yes"}),
        json.dumps({"EntityId": "", "Reason": "x" * 1025, "Requester": {"Provider": 7, "Secret": "x"}, "Secret": "x"}),
    ],
)
def test_an_invalid_input_leaves_a_record_with_nothing_of_it(
    table: Table, monkeypatch: pytest.MonkeyPatch, input_: str | None
) -> None:
    assert deliver_messages(monkeypatch, make_message(ARN_A), status=replace(PROTECTED, input=input_)) == []

    members = table.read_members(ARN_A)
    assert members.pop("Requester", {}) == {}
    assert set(members) == {"Id", "Status", "Outcome", "Cause", "StartedAt", "EndedAt"}


def test_a_forgotten_execution_without_a_record_ended_at_the_time_of_the_event(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = ExecutionStatus(is_running=False, outcome="Forgotten")

    assert deliver_messages(monkeypatch, make_message(ARN_A), status=forgotten) == []

    assert table.read_members(ARN_A) == {
        "Id": ARN_A, "Status": "Ended", "Outcome": "Forgotten", "EndedAt": EVENT_TIME
    }  # fmt: skip


def test_a_message_is_retried_if_the_record_changes_while_it_is_closed(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("a")
    monkeypatch.setattr(close_record.Records, "close", lambda *_: False)
    assert deliver_messages(monkeypatch, make_message(ARN_A)) == ["m-0"]


def test_a_repeated_event_adds_one_log_entry(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.create_record("a")

    deliver_messages(monkeypatch, make_message(ARN_A), make_message(ARN_A))
    deliver_messages(monkeypatch, make_message(ARN_A))

    assert table.read_step_names(ARN_A).count("Ended") == 1


@pytest.mark.parametrize(
    "body", ["no JSON", "null", "[]", "{}", '{"detail": null}', '{"detail": {}}', make_message(7), make_message(None)]
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

    assert deliver_messages(monkeypatch, make_message(ARN_A), status=error) == ["m-0"]
    assert table.load_record(ARN_A).outcome is None


def test_the_log_has_the_execution_and_no_personal_data(
    table: Table, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    table.create_record("a")

    deliver_messages(monkeypatch, make_message(ARN_A))

    [entry] = [json.loads(line) for line in log_lines if '"record closed"' in line]
    assert (entry["correlation_id"], entry["outcome"]) == (ARN_A, "Stopped")
    assert not any("dana" in line or "by mistake" in line for line in log_lines)


def test_a_restore_that_completes_while_the_record_is_closed_is_kept(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_deregistered_record("a")
    log_entry = {"At": NOW, "Step": "Restored"}

    def restore() -> bool:
        return table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORED, {}, log_entry)

    assert deliver_messages(monkeypatch, make_message(ARN_A), action=restore) == ["m-0"]
    assert deliver_messages(monkeypatch, make_message(ARN_A)) == []

    assert table.load_record(ARN_A).status is Status.ENDED
    assert table.list_executions("InWindow") == []
    assert table.list_executions("Restored") == ["a"]


def test_an_entity_that_is_deregistered_while_its_record_is_closed_stays_in_the_window(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("a")

    def deregister() -> str:
        return table.create_deregistered_record("a")

    assert deliver_messages(monkeypatch, make_message(ARN_A), action=deregister) == ["m-0"]
    assert deliver_messages(monkeypatch, make_message(ARN_A)) == []

    assert table.load_record(ARN_A).status is Status.UNWATCHED
    assert table.list_executions("InWindow") == ["a"]
