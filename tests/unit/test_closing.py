"""How an execution ended, as its record has it, or a record that is written for it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.closing import close_record, is_closed
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.records import entity_key, identifier_key
from offboarding.domain import errors
from offboarding.domain.record import Status
from offboarding.domain.timestamps import parse
from tests.unit.conftest import ARN_A, ARN_B, NOW, RECORD_DEFAULTS, USER_ID, Table, make_offboarding

ENDED_AT = "2026-12-01T00:00:00.000Z"
REPORTED_AT = "2026-12-01T00:00:05.000Z"
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", cause="by mistake", ended_at=ENDED_AT)
FORGOTTEN = ExecutionStatus(is_running=False, outcome="Forgotten")
REQUEST = {
    "OrganizationId": ORGANIZATION_ID,
    "EntityId": "dana",
    "Reason": "left",
    "RequestedBy": "boss",
    "NotBefore": "2026-12-31T17:00:00Z",
    "Requester": {
        "Provider": "okta",
        "EventId": "e-1",
        "RequestedBy": "it.admin@example.com",
        "OccurredAt": "2026-11-24T07:00:00Z",
        "ProviderUserId": "00u1",
    },
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


def close(table: Table, status: ExecutionStatus) -> str | None:
    return close_record(table.records, table.records.find(ARN_A), ARN_A, status, REPORTED_AT)


@pytest.mark.parametrize(
    ("elapsed", "expected"),
    [
        (timedelta(days=-1), True),
        (timedelta(), True),
        (timedelta(milliseconds=999), True),
        (timedelta(seconds=1), False),
        (timedelta(days=7), False),
    ],
)
def test_an_execution_that_ended_after_its_recorded_end_is_not_closed(
    table: Table, elapsed: timedelta, expected: bool
) -> None:
    table.create_record("a")
    table.close_record(ARN_A, ended_at=ENDED_AT)

    assert is_closed(table.records, ARN_A, parse(ENDED_AT) + elapsed) is expected


def test_an_execution_without_a_recorded_end_is_not_closed(table: Table) -> None:
    assert not is_closed(table.records, ARN_A, parse(ENDED_AT))
    table.create_record("a")
    assert not is_closed(table.records, ARN_A, parse(ENDED_AT))


def test_an_execution_without_a_resolved_entity_is_closed_by_its_record(table: Table) -> None:
    close(table, PROTECTED)

    assert is_closed(table.records, ARN_A, parse(ENDED_AT))


def test_the_outcome_and_cause_are_recorded(table: Table) -> None:
    table.create_record("a")

    assert close(table, STOPPED) == "Stopped"

    record = table.load_record(ARN_A)
    assert (record.status, record.outcome, record.ended_at) == (Status.ENDED, "Stopped", ENDED_AT)
    assert table.read_text(ARN_A, "Cause") == "by mistake"
    assert table.read_step(ARN_A, "Ended")["Cause"] == "by mistake"


def test_an_end_is_one_step_however_often_it_is_reported(table: Table) -> None:
    table.create_record("a")
    close(table, STOPPED)
    items = table.read_all()

    assert close(table, STOPPED) == "Stopped"

    assert table.read_all() == items


def test_a_redriven_execution_that_fails_in_the_same_way_has_two_ends(table: Table) -> None:
    table.create_record("a")
    close(table, STOPPED)

    assert close(table, replace(STOPPED, ended_at=REPORTED_AT)) == "Stopped"

    assert table.read_step_names(ARN_A).count("Ended") == 2
    assert table.load_record(ARN_A).ended_at == REPORTED_AT


@pytest.mark.parametrize("has_record", [True, False])
def test_a_forgotten_execution_ended_when_that_was_reported(table: Table, has_record: bool) -> None:
    if has_record:
        table.create_record("a")

    assert close(table, FORGOTTEN) == "Forgotten"

    assert table.read_text(ARN_A, "Outcome") == "Forgotten"
    assert table.read_text(ARN_A, "EndedAt") == REPORTED_AT
    assert [step["At"] for step in table.read_steps(ARN_A) if step["Step"] == "Ended"] == [REPORTED_AT]


def test_a_status_without_an_outcome_is_forgotten(table: Table) -> None:
    assert close(table, ExecutionStatus(is_running=False)) == "Forgotten"


@pytest.mark.parametrize("count", [1, 2])
def test_an_execution_that_wrote_no_record_gets_one_with_its_request_and_its_end(table: Table, count: int) -> None:
    for _ in range(count):
        assert close(table, PROTECTED) == "EntityProtected"

    assert table.read_members(ARN_A) == {
        **REQUEST,
        "Status": "Ended",
        "Outcome": "EntityProtected",
        "Cause": "It is never offboarded.",
        "StartedAt": NOW,
        "EndedAt": ENDED_AT,
        "ClosedAt": ENDED_AT,
    }
    assert table.records.find(ARN_A) is None, "no entity was resolved, so nothing is decided by it"
    started, ended = table.read_steps(ARN_A)
    assert (started["Step"], started["Requester"], started["RequestedBy"]) == (
        "Started",
        REQUEST["Requester"],
        "boss",
    )
    assert (ended["Step"], ended["MailboxTouched"], ended["EntityKey"], ended["DryRun"]) == (
        "Ended",
        "No",
        identifier_key("dana"),
        True,
    )


@pytest.mark.parametrize(
    "outcome", ["CleanupVerified", "Reenabled", "ReenabledAfterRetention", "EntityRemoved", "Rejected"]
)
def test_a_deleted_record_is_not_written_again(table: Table, outcome: str) -> None:
    assert close(table, replace(PROTECTED, outcome=outcome)) is None

    assert table.read_all() == []


@pytest.mark.parametrize("status", [PROTECTED, STOPPED, FORGOTTEN])
def test_an_erased_execution_is_not_recorded_again(table: Table, status: ExecutionStatus) -> None:
    table.mark_erased(ARN_A)
    items = table.read_all()

    assert close(table, status) is None

    assert table.read_all() == items
    assert not table.records.is_erased(ARN_B), "another execution is recorded"


def test_the_record_of_a_plan_has_the_entity_and_is_over(table: Table) -> None:
    entity = {**RECORD_DEFAULTS["entity"], "Email": None}
    planned = replace(PROTECTED, outcome="Planned", cause=None, entity=entity)

    assert close(table, planned) == "Planned"
    assert close(table, planned) == "Planned"

    record = table.load_record(ARN_A)
    assert (record.status, record.outcome, record.deregistration_attempted) == (Status.ENDED, "Planned", False)
    assert record.entity == {"Id": USER_ID, "Name": "dana", "Type": "USER", "State": "ENABLED"}
    assert "Cause" not in table.read_members(ARN_A)
    assert table.read_step_names(ARN_A) == ["Started", "Ended"]


def test_the_later_end_of_a_redriven_execution_without_an_entity_counts(table: Table) -> None:
    close(table, PROTECTED)

    close(table, replace(PROTECTED, outcome="EntityNotFound"))

    assert table.read_text(ARN_A, "Outcome") == "EntityNotFound"
    close(table, replace(PROTECTED, outcome="Planned", cause=None))
    assert table.read_text(ARN_A, "Outcome") == "Planned"
    assert table.read_text(ARN_A, "Cause") is None, "the cause of the earlier end does not stay"


def test_a_redriven_execution_that_resolves_its_entity_is_open_again(table: Table) -> None:
    close(table, PROTECTED)

    table.create_record("a")

    assert (table.load_record(ARN_A).status, table.load_record(ARN_A).outcome) == (Status.RECORDED, None)
    assert not {"Cause", "EndedAt"} & set(table.read_members(ARN_A))


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
        json.dumps({"OrganizationId": "m-1"}),
        json.dumps({"OrganizationId": f"{ORGANIZATION_ID}\n"}),
        json.dumps({"EntityId": 7, "Reason": None, "Requester": "me", "DryRun": "yes"}),
        json.dumps({"EntityId": "dana \ud83d", "Reason": "\udfff", "Requester": {"Provider": "\ud800"}}),
        json.dumps({"EntityId": "", "Reason": "x" * 1025, "Requester": {"Provider": 7, "Secret": "x"}, "Secret": "x"}),
    ],
)
def test_an_invalid_input_leaves_a_record_with_nothing_of_it(table: Table, input_: str | None) -> None:
    assert close(table, replace(PROTECTED, input=input_)) == "EntityProtected"

    members = table.read_members(ARN_A)
    assert members.pop("Requester", {}) == {}
    assert set(members) == {"Status", "Outcome", "Cause", "StartedAt", "EndedAt", "ClosedAt"}
    assert not {"OrganizationId", "EntityKey", "Identifier", "DryRun"} & {
        member for step in table.read_steps(ARN_A) for member in step
    }


def test_a_whole_character_beyond_the_basic_plane_is_kept(table: Table) -> None:
    close(table, replace(PROTECTED, input=json.dumps({"EntityId": "dana \U0001f600", "Reason": "\ud7ff\ue000"})))

    assert table.read_text(ARN_A, "EntityId") == "dana \U0001f600"
    assert table.read_text(ARN_A, "Reason") == "\ud7ff\ue000"


@pytest.mark.parametrize("length", [1, 1024])
def test_a_text_of_an_input_is_kept_up_to_1024_characters(table: Table, length: int) -> None:
    close(table, replace(PROTECTED, input=json.dumps({"EntityId": "x" * length, "Reason": "y" * length})))

    assert table.read_text(ARN_A, "EntityId") == "x" * length
    assert table.read_text(ARN_A, "Reason") == "y" * length


@pytest.mark.parametrize("has_record", [True, False])
def test_an_end_is_tried_again_if_the_record_has_changed_since_it_was_read(table: Table, has_record: bool) -> None:
    if has_record:
        table.create_record("a")
    record = table.records.find(ARN_A)
    table.create_deregistered_record("a")

    with pytest.raises(errors.RecordUnavailable, match="The record has changed since it was read"):
        close_record(table.records, record, ARN_A, STOPPED, REPORTED_AT)
    assert table.load_record(ARN_A).outcome is None
    assert close(table, STOPPED) == "Stopped"
    assert table.load_record(ARN_A).status is Status.UNWATCHED


def test_what_happens_between_two_attempts_to_close_a_record_counts(table: Table) -> None:
    table.create_deregistered_record("a")
    table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORED, {}, {"At": NOW, "Step": "Restored"})

    assert close(table, STOPPED) == "Stopped"

    assert table.load_record(ARN_A).status is Status.ENDED
    assert table.list_executions("Restored") == ["a"]


def test_the_end_of_an_execution_whose_record_was_deleted_by_hand_has_what_its_steps_show(table: Table) -> None:
    table.create_deregistered_record("a")
    table.delete_item(ARN_A)

    assert close(table, replace(PROTECTED, outcome="CleanupOverdue")) == "CleanupOverdue"

    ended = table.read_steps(ARN_A)[-1]
    assert (ended["Step"], ended["MailboxTouched"]) == ("Ended", "Yes")
    assert (ended["EntityKey"], ended["EntityName"]) == (entity_key(ORGANIZATION_ID, USER_ID), "dana")
    assert "Identifier" not in ended


def test_the_end_of_a_refused_request_belongs_to_the_resolved_entity(table: Table) -> None:
    table.records.record_refused_request(make_offboarding(ARN_A), {"At": NOW, "Step": "RequestRefused"})

    assert close(table, PROTECTED) == "EntityProtected"

    steps = table.read_steps(ARN_A)
    assert [step["Step"] for step in steps] == ["RequestRefused", "Started", "Ended"]
    assert {step["EntityKey"] for step in steps} == {entity_key(ORGANIZATION_ID, USER_ID)}
    assert steps[-1]["MailboxTouched"] == "No"
    assert table.records.find(ARN_A) is None, "nothing is decided by it"
