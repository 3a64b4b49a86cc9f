"""When an execution that holds an entity gives way to another one."""

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
from tests.unit.conftest import NOW, USER_ID, Table, execution

ARN = execution("a")
DEREGISTERED = parse(NOW)
DANA = Entity(EntityType.USER, USER_ID, "dana", EntityState.ENABLED, enabled_date=DEREGISTERED - timedelta(days=400))
RUNNING = ExecutionStatus(is_running=True)
OVER = ExecutionStatus(is_running=False, outcome="Stopped", ended_at=NOW)


def look(
    table: Table,
    entity: Entity,
    *,
    status: ExecutionStatus = RUNNING,
    now: datetime = DEREGISTERED,
    held_since: str = NOW,
) -> Holder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holding, "read_execution_status", lambda arn: {ARN: status}[arn])
        return load_holder(
            table.records, EntityLock(ARN, held_since, is_live=True, window_execution_arn=None), entity, now
        )


def test_one_that_is_over_gives_way_whatever_its_record_says(table: Table) -> None:
    assert look(table, DANA, status=OVER).can_be_taken_over
    assert look(table, DANA, status=OVER).record is None
    table.deregister("a")
    assert look(table, DANA, status=OVER).can_be_taken_over


def test_one_that_runs_does_not_give_way_while_it_has_deregistered_nothing(table: Table) -> None:
    assert not look(table, DANA).can_be_taken_over, "its record is not even written"
    table.open("a")
    registered_anew = replace(DANA, enabled_date=DEREGISTERED + timedelta(days=3))
    assert not look(table, registered_anew, now=DEREGISTERED + timedelta(days=9)).can_be_taken_over


@pytest.mark.parametrize(
    ("enabled_date", "can_be_taken_over"),
    [
        (DEREGISTERED - timedelta(days=400), False),
        (DEREGISTERED, False),
        (DEREGISTERED + timedelta(milliseconds=1), True),
        (DEREGISTERED + timedelta(days=12), True),
    ],
)
def test_one_that_watches_a_departure_that_was_taken_back_gives_way(
    table: Table, enabled_date: datetime, can_be_taken_over: bool
) -> None:
    table.deregister("a")
    holder = look(table, replace(DANA, enabled_date=enabled_date), now=DEREGISTERED + timedelta(days=12))

    assert holder.can_be_taken_over is can_be_taken_over
    assert holder.is_out_of_date is can_be_taken_over


@pytest.mark.parametrize(
    ("waited", "can_be_taken_over"),
    [(timedelta(), False), (UNDATED_REGISTRATION_MARGIN, False), (UNDATED_REGISTRATION_MARGIN * 1.01, True)],
)
def test_where_workmail_gives_no_date_its_lag_is_waited_for(
    table: Table, waited: timedelta, can_be_taken_over: bool
) -> None:
    table.deregister("a")

    assert (
        look(table, replace(DANA, enabled_date=None), now=DEREGISTERED + waited).can_be_taken_over is can_be_taken_over
    )


def test_one_that_step_functions_does_not_know_yet_is_not_taken_to_be_forgotten(table: Table) -> None:
    forgotten = ExecutionStatus(is_running=False, outcome="Forgotten")
    almost_a_day = DEREGISTERED + timedelta(days=1) - timedelta(milliseconds=1)

    with pytest.raises(errors.RecordUnavailable, match=ARN):
        look(table, DANA, status=forgotten, now=almost_a_day)
    assert look(table, DANA, status=forgotten, now=DEREGISTERED + timedelta(days=1)).can_be_taken_over
    assert look(table, DANA, status=OVER, now=almost_a_day).can_be_taken_over


@pytest.mark.parametrize("state", [EntityState.DISABLED, EntityState.DELETED])
def test_one_whose_entity_is_still_disabled_does_not_give_way(table: Table, state: EntityState) -> None:
    table.deregister("a")
    anew = replace(DANA, state=state, enabled_date=DEREGISTERED + timedelta(days=3))

    assert not look(table, anew, now=DEREGISTERED + timedelta(days=9)).can_be_taken_over


def test_the_error_has_the_arn_of_the_other_execution_as_data() -> None:
    error = already_in_progress_error(ARN)

    assert isinstance(error, errors.AlreadyInProgress)
    assert error.execution_arn == ARN
    assert json.loads(str(error)) == {"Message": error.message, "ExecutionArn": ARN}
    assert ARN not in error.message
