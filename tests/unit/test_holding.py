"""When an execution that holds an entity gives way to another one."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from offboarding import errors, holding
from offboarding.entities import Entity, EntityState, EntityType
from offboarding.executions import ExecutionStatus
from offboarding.holding import LAG, Holder, in_progress, look_at_holder
from offboarding.records import Pointer
from offboarding.retention import parse
from tests.unit.conftest import NOW, USER_ID, Table, execution

ARN = execution("a")
DEREGISTERED = parse(NOW)
DANA = Entity(EntityType.USER, USER_ID, "dana", EntityState.ENABLED, enabled_date=DEREGISTERED - timedelta(days=400))
RUNNING = ExecutionStatus(running=True)
OVER = ExecutionStatus(running=False, outcome="Stopped", ended_at=NOW)


def look(
    table: Table,
    entity: Entity,
    *,
    status: ExecutionStatus = RUNNING,
    now: datetime = DEREGISTERED,
    held_since: str = NOW,
) -> Holder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holding, "execution_status", lambda arn: {ARN: status}[arn])
        return look_at_holder(table.records, Pointer(ARN, held_since, is_live=True, window_of=None), entity, now)


def test_one_that_is_over_gives_way_whatever_its_record_says(table: Table) -> None:
    assert look(table, DANA, status=OVER).gives_way
    assert look(table, DANA, status=OVER).record is None
    table.deregister("a")
    assert look(table, DANA, status=OVER).gives_way


def test_one_that_runs_does_not_give_way_while_it_has_deregistered_nothing(table: Table) -> None:
    assert not look(table, DANA).gives_way, "its record is not even written"
    table.open("a")
    registered_anew = replace(DANA, enabled_date=DEREGISTERED + timedelta(days=3))
    assert not look(table, registered_anew, now=DEREGISTERED + timedelta(days=9)).gives_way


@pytest.mark.parametrize(
    ("enabled_date", "gives_way"),
    [
        (DEREGISTERED - timedelta(days=400), False),
        (DEREGISTERED, False),
        (DEREGISTERED + timedelta(milliseconds=1), True),
        (DEREGISTERED + timedelta(days=12), True),
    ],
)
def test_one_that_watches_a_departure_that_was_taken_back_gives_way(
    table: Table, enabled_date: datetime, gives_way: bool
) -> None:
    table.deregister("a")
    holder = look(table, replace(DANA, enabled_date=enabled_date), now=DEREGISTERED + timedelta(days=12))

    assert holder.gives_way is gives_way
    assert holder.is_out_of_date is gives_way


@pytest.mark.parametrize(("waited", "gives_way"), [(timedelta(), False), (LAG, False), (LAG * 1.01, True)])
def test_where_workmail_gives_no_date_its_lag_is_waited_for(table: Table, waited: timedelta, gives_way: bool) -> None:
    table.deregister("a")

    assert look(table, replace(DANA, enabled_date=None), now=DEREGISTERED + waited).gives_way is gives_way


def test_one_that_step_functions_does_not_know_yet_is_not_taken_to_be_forgotten(table: Table) -> None:
    forgotten = ExecutionStatus(running=False, outcome="Forgotten")
    almost_a_day = DEREGISTERED + timedelta(days=1) - timedelta(milliseconds=1)

    with pytest.raises(errors.RecordUnavailable, match=ARN):
        look(table, DANA, status=forgotten, now=almost_a_day)
    assert look(table, DANA, status=forgotten, now=DEREGISTERED + timedelta(days=1)).gives_way
    assert look(table, DANA, status=OVER, now=almost_a_day).gives_way


@pytest.mark.parametrize("state", [EntityState.DISABLED, EntityState.DELETED])
def test_one_whose_entity_is_still_disabled_does_not_give_way(table: Table, state: EntityState) -> None:
    table.deregister("a")
    anew = replace(DANA, state=state, enabled_date=DEREGISTERED + timedelta(days=3))

    assert not look(table, anew, now=DEREGISTERED + timedelta(days=9)).gives_way


def test_the_refusal_has_the_arn_of_the_other_execution_as_data() -> None:
    refusal = in_progress(ARN)

    assert isinstance(refusal, errors.AlreadyInProgress)
    assert json.loads(str(refusal)) == {
        "Message": f"This entity is being offboarded already. Nothing was changed; look at the execution {ARN}",
        "ExecutionArn": ARN,
    }
