"""When an execution that holds an entity can be taken over."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from offboarding.adapters import holding
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.holding import (
    UNDATED_REGISTRATION_MARGIN,
    Holder,
    already_in_progress_error,
    end_superseded,
    load_holder,
)
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.record import EntityLock, Status
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import ARN_A, ARN_B, ARN_C, NOW, RUNNING, USER_ID, Table, make_offboarding

DEREGISTERED_AT = parse(NOW)
DANA = Entity(EntityType.USER, USER_ID, "dana", EntityState.ENABLED, enabled_date=DEREGISTERED_AT - timedelta(days=400))
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", ended_at=NOW)


def load_holder_with_status(
    table: Table,
    entity: Entity,
    *,
    status: ExecutionStatus = RUNNING,
    now: datetime = DEREGISTERED_AT,
    held_since: str = NOW,
    due_at: datetime = DEREGISTERED_AT,
) -> Holder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holding, "read_execution_status", lambda arn: {ARN_A: status}[arn])
        return load_holder(
            table.records, EntityLock(ARN_A, held_since, is_live=True, window_execution_arn=None), entity, now, due_at
        )


def test_an_ended_execution_can_be_taken_over_whatever_its_record_shows(table: Table) -> None:
    assert load_holder_with_status(table, DANA, status=STOPPED).can_be_taken_over
    assert load_holder_with_status(table, DANA, status=STOPPED).record is None
    table.create_deregistered_record("a")
    assert load_holder_with_status(table, DANA, status=STOPPED).can_be_taken_over


def test_a_running_execution_that_has_not_deregistered_cannot_be_taken_over(table: Table) -> None:
    assert not load_holder_with_status(table, DANA, now=DEREGISTERED_AT + timedelta(hours=17)).can_be_taken_over, (
        "its record was deleted"
    )
    table.create_record("a")
    registered_again = replace(DANA, enabled_date=DEREGISTERED_AT + timedelta(days=3))
    assert not load_holder_with_status(
        table, registered_again, now=DEREGISTERED_AT + timedelta(days=9)
    ).can_be_taken_over


@pytest.mark.parametrize(
    ("enabled_date", "can_be_taken_over"),
    [
        (DEREGISTERED_AT - timedelta(days=400), False),
        (DEREGISTERED_AT, False),
        (DEREGISTERED_AT + timedelta(milliseconds=1), True),
        (DEREGISTERED_AT + timedelta(days=12), True),
    ],
)
def test_a_running_execution_can_be_taken_over_after_its_entity_was_registered_again(
    table: Table, enabled_date: datetime, can_be_taken_over: bool
) -> None:
    table.create_deregistered_record("a")
    holder = load_holder_with_status(
        table, replace(DANA, enabled_date=enabled_date), now=DEREGISTERED_AT + timedelta(days=12)
    )

    assert holder.can_be_taken_over is can_be_taken_over
    assert holder.is_out_of_date is can_be_taken_over


@pytest.mark.parametrize(
    ("elapsed", "can_be_taken_over"),
    [(timedelta(), False), (UNDATED_REGISTRATION_MARGIN, False), (UNDATED_REGISTRATION_MARGIN * 1.01, True)],
)
def test_without_an_enabled_date_a_running_execution_can_be_taken_over_after_the_margin(
    table: Table, elapsed: timedelta, can_be_taken_over: bool
) -> None:
    table.create_deregistered_record("a")

    assert (
        load_holder_with_status(
            table, replace(DANA, enabled_date=None), now=DEREGISTERED_AT + elapsed
        ).can_be_taken_over
        is can_be_taken_over
    )


def test_an_unknown_execution_counts_as_forgotten_only_after_a_day(table: Table) -> None:
    forgotten = ExecutionStatus(is_running=False, outcome="Forgotten")
    within_a_day = DEREGISTERED_AT + timedelta(days=1) - timedelta(milliseconds=1)

    with pytest.raises(errors.RecordUnavailable, match=ARN_A):
        load_holder_with_status(table, DANA, status=forgotten, now=within_a_day)
    assert load_holder_with_status(
        table, DANA, status=forgotten, now=DEREGISTERED_AT + timedelta(days=1)
    ).can_be_taken_over
    assert load_holder_with_status(table, DANA, status=STOPPED, now=within_a_day).can_be_taken_over


@pytest.mark.parametrize("state", [EntityState.DISABLED, EntityState.DELETED])
def test_a_running_execution_whose_entity_is_not_enabled_cannot_be_taken_over(table: Table, state: EntityState) -> None:
    table.create_deregistered_record("a")
    entity = replace(DANA, state=state, enabled_date=DEREGISTERED_AT + timedelta(days=3))

    assert not load_holder_with_status(table, entity, now=DEREGISTERED_AT + timedelta(days=9)).can_be_taken_over


def test_the_error_has_the_arn_of_the_holder_as_data() -> None:
    error = already_in_progress_error(ARN_A)

    assert isinstance(error, errors.AlreadyInProgress)
    assert error.execution_arn == ARN_A
    assert json.loads(str(error)) == {"Message": error.message, "ExecutionArn": ARN_A}
    assert ARN_A not in error.message


@pytest.mark.parametrize("elapsed", [timedelta(), timedelta(minutes=4, seconds=59)])
def test_a_running_execution_that_is_about_to_write_its_record_is_asked_again(table: Table, elapsed: timedelta) -> None:
    with pytest.raises(errors.RecordUnavailable, match=f"{ARN_A} holds this entity, and has not written its record"):
        load_holder_with_status(table, DANA, now=DEREGISTERED_AT + elapsed)


DUE_AT = DEREGISTERED_AT + timedelta(days=9)


@pytest.mark.parametrize(
    ("status", "due_at", "is_due_later"),
    [
        (Status.SCHEDULED, DUE_AT - timedelta(milliseconds=1), True),
        (Status.SCHEDULED, DEREGISTERED_AT, True),
        (Status.SCHEDULED, DUE_AT, False),
        (Status.SCHEDULED, DUE_AT + timedelta(days=1), False),
        *((status, DEREGISTERED_AT, False) for status in Status if status is not Status.SCHEDULED),
    ],
)
@pytest.mark.parametrize("is_superseded", [False, True], ids=["", "superseded by an attempt that ended halfway"])
def test_an_execution_that_only_waits_for_a_later_date_can_be_taken_over(
    table: Table, status: Status, due_at: datetime, is_due_later: bool, is_superseded: bool
) -> None:
    facts = {"StartedAt": NOW, "Entity": DANA.to_json(), "NotBefore": render(DUE_AT)}
    table.records.create_or_update(
        make_offboarding(ARN_A), facts, status, render(DUE_AT), {"At": NOW, "Step": status.value}
    )
    if is_superseded:
        assert table.records.supersede(table.load_record(ARN_A), ARN_B, NOW)

    holder = load_holder_with_status(table, DANA, due_at=due_at)

    assert holder.is_due_later is is_due_later
    assert holder.can_be_taken_over is is_due_later


def test_who_holds_the_entity_again_is_not_superseded_any_more(table: Table) -> None:
    facts = {"StartedAt": NOW, "Entity": DANA.to_json(), "NotBefore": render(DUE_AT)}
    table.create_record("a")
    assert table.records.supersede(table.load_record(ARN_A), ARN_B, NOW)

    table.records.create_or_update(make_offboarding(ARN_A), facts, Status.RECORDED, None, {"At": NOW, "Step": "Later"})

    record = table.records.find(ARN_A)
    assert record is not None
    assert record.superseded_by is None


# The end of a scheduled execution that was taken over

REASON = "Another execution offboards this entity, because it is due sooner. This one has changed nothing."


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The tokens that were answered, each with its answer."""
    sent: list[tuple[str, Any]] = []
    monkeypatch.setattr(holding, "send_task_success", lambda token, answer: sent.append((token, answer)))
    return sent


def schedule(table: Table, token: str | None = "token", superseded_by: str | None = ARN_B) -> None:
    """Write the record of execution a, which waits for a date and was taken over."""
    facts = {"StartedAt": NOW, "Entity": DANA.to_json(), "NotBefore": render(DUE_AT)}
    log_entry = {"At": NOW, "Step": "Scheduled"}
    table.records.create_or_update(make_offboarding(ARN_A), facts, Status.SCHEDULED, render(DUE_AT), log_entry)
    if token:
        assert table.records.record_wait(make_offboarding(ARN_A), token)
    if superseded_by:
        assert table.records.supersede(table.load_record(ARN_A), superseded_by, NOW)


def test_a_scheduled_execution_is_ended_by_the_one_that_took_over(table: Table, answers: list[Any]) -> None:
    schedule(table)

    for _ in range(2):
        end_superseded(table.records, ARN_B, ARN_A)

    answer = ("token", {"Decision": "Superseded", "Reason": REASON, "ExecutionArn": ARN_B})
    assert answers == [answer, answer], "the first answer may have been lost"
    assert table.read_step_names(ARN_B) == []


@pytest.mark.parametrize(
    ("token", "superseded_by"), [(None, ARN_B), ("token", ARN_C), ("token", None)], ids=["no token", "other", "nobody"]
)
def test_a_scheduled_execution_goes_on_if_it_does_not_wait_yet_or_another_one_has_taken_over(
    table: Table, answers: list[Any], token: str | None, superseded_by: str | None
) -> None:
    schedule(table, token, superseded_by)

    end_superseded(table.records, ARN_B, ARN_A)

    assert answers == []


def test_a_superseded_execution_that_does_not_wait_for_a_date_is_left_alone(table: Table, answers: list[Any]) -> None:
    end_superseded(table.records, ARN_B, ARN_A)
    table.create_record("a")
    expires_at = render(DUE_AT)
    log_entry = {"At": NOW, "Step": "AwaitApproval"}
    table.records.record_approval_request(make_offboarding(ARN_A), "token", ["a reason"], expires_at, log_entry)
    table.records.supersede(table.load_record(ARN_A), ARN_B, NOW)

    end_superseded(table.records, ARN_B, ARN_A)

    assert answers == []
