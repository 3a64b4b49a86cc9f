"""The function that erases a person: its event, its answer, its step, and a log without personal data."""

import json
from typing import Any

import pytest

import erase_person
from local.defaults import ORGANIZATION_ID
from offboarding.adapters import erasure
from offboarding.adapters.table import Table as TableAdapter
from offboarding.domain import errors
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    NOW,
    RETENTION_ENDS_AT,
    RUNNING,
    STARTED_AT,
    USER_ID,
    Context,
    ReadMetrics,
    Table,
    make_raiser,
)

REQUEST = {"OrganizationId": ORGANIZATION_ID, "EntityId": USER_ID, "RequestedBy": "privacy office"}
ERASED_ID = "erased/request"

pytestmark = pytest.mark.usefixtures("frozen_time", "table")


def erase(**members: object) -> dict[str, Any]:
    return erase_person.handler({**REQUEST, **members}, Context())


def create_ended_record(table: Table) -> None:
    table.create_record("a", Reason="sick since May")
    table.close_record(ARN_A, cause="dana asked for it")


def test_a_person_is_erased_and_the_counts_are_kept(table: Table, read_metrics: ReadMetrics) -> None:
    create_ended_record(table)
    count = len(table.read_all())

    answer = erase()

    assert (answer.pop("Executions"), answer.pop("Items")) == (1, count)
    assert answer.pop("Explanation").startswith(f"{count} items of 1 executions were deleted. The table keeps these")
    assert answer == {}
    assert table.read_step(ERASED_ID, "Erased") == {
        "At": NOW,
        "Step": "Erased",
        "Executions": 1,
        "Items": count,
        "RequestedBy": "privacy office",
    }
    assert len(table.read_all()) == 2, "the step, and the hash of the execution's ARN"
    assert table.records.is_erased(ARN_A)
    assert read_metrics() == {"PeopleErased": 1}


def test_a_person_of_whom_nothing_is_recorded_is_erased_too(table: Table, read_metrics: ReadMetrics) -> None:
    answer = erase(Identifiers=["dana@example.com"])

    assert (answer["Executions"], answer["Items"]) == (0, 0)
    assert table.read_step_names(ERASED_ID) == ["Erased"]
    assert read_metrics() == {"PeopleErased": 1}


def test_the_identifiers_of_the_event_are_erased_too(table: Table) -> None:
    create_ended_record(table)
    facts = {"OrganizationId": ORGANIZATION_ID, "EntityId": "Dana O'Leaver", "StartedAt": STARTED_AT}
    table.records.record_end(ARN_B, facts, "InvalidRequest", None, NOW)

    assert erase(Identifiers=["dana o'leaver"])["Executions"] == 2

    assert table.read_item(ARN_B) is None
    assert table.records.is_erased(ARN_B)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"EntityId": "dana"}, "EntityId must be WorkMail's id"),
        ({"OrganizationId": "m-1"}, "OrganizationId must be a WorkMail organization id"),
        ({"RequestedBy": ""}, "RequestedBy must be a text"),
        ({"Identifiers": ["dana", ""]}, "Identifiers must be a list of up to 100 texts"),
        ({"ExecutionArn": ARN_A}, "The event has an unknown member: ExecutionArn"),
    ],
)
def test_an_invalid_event_deletes_nothing(
    table: Table, read_metrics: ReadMetrics, members: dict[str, Any], message: str
) -> None:
    create_ended_record(table)
    items = table.read_all()

    with pytest.raises(errors.InvalidRequest, match=message):
        erase(**members)

    assert table.read_all() == items
    assert read_metrics() == {"InvalidRequest": 1}


@pytest.mark.parametrize("member", REQUEST)
def test_an_event_that_lacks_a_member_is_invalid(member: str) -> None:
    event = {name: value for name, value in REQUEST.items() if name != member}

    with pytest.raises(errors.InvalidRequest, match=f"The event lacks {member}"):
        erase_person.handler(event, Context())


def test_a_person_who_is_being_offboarded_or_can_be_restored_is_not_erased(
    table: Table, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics
) -> None:
    monkeypatch.setattr(erasure, "read_execution_status", lambda _: RUNNING)
    table.create_deregistered_record("a")
    with pytest.raises(errors.InvalidRequest, match=f"The execution {ARN_A} offboards this entity"):
        erase()
    table.close_record(ARN_A)
    items = table.read_all()

    with pytest.raises(errors.InvalidRequest, match=f"can be restored until {RETENTION_ENDS_AT}"):
        erase()

    assert table.read_all() == items, "not even a step"
    assert read_metrics() == {"InvalidRequest": 2}


def test_an_erasure_whose_step_is_not_written_can_be_repeated(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    create_ended_record(table)
    with monkeypatch.context() as patch:
        patch.setattr(erase_person, "record_erasure", make_raiser(errors.RecordUnavailable("later")))
        with pytest.raises(errors.RecordUnavailable):
            erase()

    assert (erase()["Executions"], table.read_step_names(ERASED_ID)) == (0, ["Erased"])


@pytest.mark.parametrize("is_failure", [False, True])
def test_the_log_has_the_counts_and_no_personal_data(
    table: Table, monkeypatch: pytest.MonkeyPatch, log_lines: list[str], is_failure: bool
) -> None:
    create_ended_record(table)
    count = len(table.read_all())
    if is_failure:
        monkeypatch.setattr(TableAdapter, "delete", make_raiser(errors.RecordUnavailable("no answer about dana")))
        with pytest.raises(errors.RecordUnavailable):
            erase(Identifiers=["dana@example.com"])
    else:
        erase(Identifiers=["dana@example.com"])

    [entry] = map(json.loads, log_lines)
    if is_failure:
        assert (entry["message"], entry["error"]) == ("failed", "RecordUnavailable")
    else:
        assert (entry["message"], entry["executions"], entry["items"]) == ("erased", 1, count)
    for text in ("dana", "sick", USER_ID, ORGANIZATION_ID, "privacy", ARN_A):
        assert text not in log_lines[0]
