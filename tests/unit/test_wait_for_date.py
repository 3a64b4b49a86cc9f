"""The wait for a date has a token by which it can be ended before."""

from typing import Any

import pytest

import wait_for_date
from offboarding.domain import errors
from offboarding.domain.entities import Entity
from offboarding.domain.record import Decision, Status
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    NOW,
    RECORD_DEFAULTS,
    RETENTION_ENDS_AT,
    STARTED_AT,
    USER_ID,
    Context,
    ReadMetrics,
    Table,
    make_entity_step,
    make_offboarding,
)

TASK_TOKEN = "AQCkAAAAKgAAAAMAAAAA-the-task-token"


def wait(token: str = TASK_TOKEN, execution_arn: str = ARN_A) -> dict[str, Any]:
    event = make_entity_step(Entity.from_json(RECORD_DEFAULTS["entity"]), {"TaskToken": token})
    del event["ServiceEndsAt"]
    return wait_for_date.handler({**event, "ExecutionArn": execution_arn}, Context())


@pytest.fixture
def scheduled_table(table: Table) -> Table:
    """A table with one offboarding that waits for a date."""
    offboarding = make_offboarding(ARN_A)
    table.records.hold(offboarding, NOW)
    facts = {"StartedAt": STARTED_AT, "Entity": offboarding.entity, "NotBefore": RETENTION_ENDS_AT}
    log_entry = {"At": NOW, "Step": "Scheduled"}
    table.records.create_or_update(offboarding, facts, Status.SCHEDULED, RETENTION_ENDS_AT, log_entry)
    return table


def test_the_token_that_ends_the_wait_is_recorded_and_counted(
    scheduled_table: Table, read_metrics: ReadMetrics, log_lines: list[str]
) -> None:
    steps = scheduled_table.read_step_names(ARN_A)

    assert wait() == {}

    record = scheduled_table.load_record(ARN_A)
    assert (record.status, record.task_token) == (Status.SCHEDULED, TASK_TOKEN)
    assert scheduled_table.list_executions("Scheduled") == ["a"]
    assert scheduled_table.read_step_names(ARN_A) == steps
    assert read_metrics() == {"OffboardingsScheduled": 1}
    assert USER_ID in log_lines[0]
    assert "dana" not in log_lines[0]
    assert TASK_TOKEN not in log_lines[0]


def test_a_repeated_wait_has_the_new_token_and_no_decision(scheduled_table: Table) -> None:
    wait()
    decision = Decision(Decision="Withdrawn", DecidedBy="boss", Reason="stays", DecidedAt=NOW, DecidedIn=ARN_B)
    scheduled_table.records.record_decision(scheduled_table.load_record(ARN_A), decision)

    wait("another")

    record = scheduled_table.load_record(ARN_A)
    assert (record.task_token, record.decision) == ("another", None)


def test_a_redriven_wait_holds_the_entity_again(scheduled_table: Table) -> None:
    scheduled_table.records.release(make_offboarding(ARN_A), NOW)
    assert scheduled_table.find_holder() is None

    wait()

    assert scheduled_table.find_holder() == ARN_A


def test_a_wait_leaves_the_entity_to_the_execution_that_has_taken_over(scheduled_table: Table) -> None:
    scheduled_table.records.hold(make_offboarding(ARN_B), NOW, take_over_from=ARN_A)

    wait()

    assert scheduled_table.find_holder() == ARN_B
    assert scheduled_table.load_record(ARN_A).task_token == TASK_TOKEN


def test_a_record_that_does_not_wait_for_a_date_has_no_token(table: Table, read_metrics: ReadMetrics) -> None:
    table.create_record("a")

    members = table.read_members(ARN_A)

    with pytest.raises(errors.RecordMissing):
        wait()

    assert table.read_members(ARN_A) == members
    assert read_metrics() == {"RecordMissing": 1}


def test_without_a_record_there_is_no_wait(table: Table, read_metrics: ReadMetrics) -> None:
    with pytest.raises(errors.RecordMissing, match=r"gone, so nobody could withdraw it\. Start again"):
        wait()

    assert table.read_all() == []
    assert read_metrics() == {"RecordMissing": 1}
