"""When an execution that holds an entity can be taken over."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from offboarding.adapters import holding
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.holding import UNDATED_REGISTRATION_MARGIN, Holder, already_in_progress_error, load_holder
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.record import EntityLock
from offboarding.domain.timestamps import parse
from tests.unit.conftest import ARN_A, NOW, RUNNING, USER_ID, Table

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
) -> Holder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holding, "read_execution_status", lambda arn: {ARN_A: status}[arn])
        return load_holder(
            table.records, EntityLock(ARN_A, held_since, is_live=True, window_execution_arn=None), entity, now
        )


def test_an_ended_execution_can_be_taken_over_whatever_its_record_shows(table: Table) -> None:
    assert load_holder_with_status(table, DANA, status=STOPPED).can_be_taken_over
    assert load_holder_with_status(table, DANA, status=STOPPED).record is None
    table.create_deregistered_record("a")
    assert load_holder_with_status(table, DANA, status=STOPPED).can_be_taken_over


def test_a_running_execution_that_has_not_deregistered_cannot_be_taken_over(table: Table) -> None:
    assert not load_holder_with_status(table, DANA).can_be_taken_over, "it has no record yet"
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
