"""The table of records: one live offboarding per entity, records with their steps, and writes that can be repeated."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.records import Records, entity_key, erased_key, identifier_key
from offboarding.domain import errors
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.record import Decision, EntityLock, MailboxTouched, Record, Status
from offboarding.domain.timestamps import parse
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    ARN_C,
    NOW,
    OTHER_ORGANIZATION_ID,
    RECORD_DEFAULTS,
    RECORDED_AT,
    RETENTION_ENDS_AT,
    STARTED_AT,
    USER_ID,
    Table,
    configure,
    deserialize,
    make_offboarding,
    make_record,
)

LOCK_ID = entity_key(ORGANIZATION_ID, USER_ID)
LATER = "2026-11-24T10:00:00.000Z"
MUCH_LATER = "2026-11-25T10:00:00.000Z"
LOG_ENTRY = {"At": LATER, "Step": "Something"}
SUBJECT = {
    "OrganizationId": ORGANIZATION_ID,
    "EntityKey": LOCK_ID,
    "EntityId": USER_ID,
    "EntityType": "USER",
    "EntityName": "dana",
    "EntityEmail": "dana@example.com",
}
REQUEST = {
    "Requester": {"Provider": "okta", "EventId": "e-1"},
    "RequestedBy": "boss",
    "Reason": "left",
    "NotBefore": RETENTION_ENDS_AT,
}
END_FACTS = {"OrganizationId": ORGANIZATION_ID, "EntityId": "Dana", "StartedAt": STARTED_AT}
RESOURCE_ID = f"r-{'0' * 32}"
RETENTION_DAYS = 90


def hold(table: Table, execution_arn: str, take_over_from: str | None = None) -> str:
    """Try to hold the entity; return the ARN of the execution that holds it afterwards."""
    lock = table.records.hold(make_offboarding(execution_arn), NOW, take_over_from=take_over_from)
    return lock.execution_arn if lock else execution_arn


def find_window_execution(table: Table) -> str | None:
    lock = table.records.find_lock(ORGANIZATION_ID, USER_ID)
    return lock.window_execution_arn if lock else None


def list_due(table: Table, moment: str, status: Status = Status.IN_WINDOW) -> list[str]:
    return list(table.records.iterate_due(status, moment))


def supersede(table: Table, execution_arn: str, by: str) -> bool:
    return table.records.supersede(table.load_record(execution_arn), by, LATER)


def request_approval(table: Table, token: str = "token-1") -> bool:
    offboarding = make_offboarding(ARN_A)
    return table.records.record_approval_request(offboarding, token, ["a reason"], RETENTION_ENDS_AT, LOG_ENTRY)


def decide(table: Table, decided_in: str = ARN_B, token: str = "token-1", decision: str = "Approved") -> bool:
    record = replace(table.records.find(ARN_A) or make_record("a"), task_token=token)
    return table.records.record_decision(record, make_decision(decided_in, decision))


def make_decision(decided_in: str = ARN_B, decision: str = "Approved") -> Decision:
    return Decision(Decision=decision, DecidedBy="boss", Reason="known", DecidedAt=LATER, DecidedIn=decided_in)


def record_verification(table: Table, outcome: str | None) -> bool:
    return table.records.record_verification(make_offboarding(ARN_A), outcome, LOG_ENTRY)


def test_the_first_execution_holds_an_entity_and_the_next_one_gets_its_arn(table: Table) -> None:
    assert table.find_holder() is None
    assert hold(table, ARN_A) == ARN_A
    assert hold(table, ARN_B) == ARN_A
    assert hold(table, ARN_A) == ARN_A, "holding it again changes nothing"
    assert table.find_holder() == ARN_A


def test_an_entity_is_taken_over_only_from_the_expected_holder(table: Table) -> None:
    hold(table, ARN_A)

    assert hold(table, ARN_C, take_over_from=ARN_B) == ARN_A
    assert hold(table, ARN_B, take_over_from=ARN_A) == ARN_B
    assert hold(table, ARN_C, take_over_from=ARN_A) == ARN_B, (
        "only one of two executions takes over from the same holder"
    )
    assert table.find_holder() == ARN_B


def test_a_lock_has_the_execution_from_which_the_entity_was_last_taken_over(table: Table) -> None:
    def find_superseded() -> str | None:
        lock = table.records.find_lock(ORGANIZATION_ID, USER_ID)
        return lock.superseded_execution_arn if lock else None

    hold(table, ARN_A)
    assert find_superseded() is None
    hold(table, ARN_B, take_over_from=ARN_A)
    assert find_superseded() == ARN_A
    hold(table, ARN_B)
    table.records.renew_hold(make_offboarding(ARN_B))
    assert find_superseded() == ARN_A
    hold(table, ARN_C, take_over_from=ARN_B)
    assert find_superseded() == ARN_B


def test_a_released_entity_can_be_held_again_and_its_lock_is_kept(table: Table) -> None:
    hold(table, ARN_A)
    table.records.release(make_offboarding(ARN_A), LATER)

    assert table.find_holder() is None
    assert table.records.find_lock(ORGANIZATION_ID, USER_ID) == EntityLock(
        ARN_A, NOW, is_live=False, window_execution_arn=None
    )
    assert hold(table, ARN_B) == ARN_B


def test_only_the_holder_releases_an_entity(table: Table) -> None:
    hold(table, ARN_A)
    hold(table, ARN_B, take_over_from=ARN_A)

    table.records.release(make_offboarding(ARN_A), LATER)

    assert table.find_holder() == ARN_B


def test_releasing_an_entity_without_a_lock_writes_nothing(table: Table) -> None:
    table.records.release(make_offboarding(ARN_A), LATER)

    assert table.read_all() == []


def test_each_entity_of_each_organization_has_its_own_lock(table: Table) -> None:
    hold(table, ARN_A)

    assert table.records.hold(make_offboarding(ARN_B, "another"), NOW) is None
    assert table.records.hold(make_offboarding(ARN_C, USER_ID, OTHER_ORGANIZATION_ID), NOW) is None


def test_a_lock_has_the_time_since_which_the_entity_is_held(table: Table) -> None:
    hold(table, ARN_A)

    assert table.records.hold(make_offboarding(ARN_B), LATER) == EntityLock(
        ARN_A, NOW, is_live=True, window_execution_arn=None
    )


def test_only_the_last_holder_can_renew_its_hold(table: Table) -> None:
    assert table.records.renew_hold(make_offboarding(ARN_A)) is None
    assert table.read_all() == []
    hold(table, ARN_A)
    table.records.release(make_offboarding(ARN_A), LATER)

    assert table.records.renew_hold(make_offboarding(ARN_B)) is None
    assert table.records.renew_hold(make_offboarding(ARN_A)) == EntityLock(
        ARN_A, NOW, is_live=False, window_execution_arn=None
    ), "it is the lock as it was"
    assert table.find_holder() == ARN_A


def test_a_missing_item_is_none(table: Table) -> None:
    assert table.records.find(ARN_A) is None
    assert table.records.find_end(ARN_A) is None
    assert table.records.find_lock(ORGANIZATION_ID, USER_ID) is None
    assert table.records.find_entity_ids(ORGANIZATION_ID, "dana") == []
    assert table.records.find_swept_until() is None
    assert table.read_all() == []


def test_a_pending_approval_is_in_the_index_until_it_expires(table: Table) -> None:
    table.create_record("a")

    assert request_approval(table)

    assert table.list_executions("AwaitingApproval") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT
    assert table.load_record(ARN_A).task_token == "token-1"


def test_no_approval_is_requested_without_a_record(table: Table) -> None:
    assert not request_approval(table)
    assert table.read_all() == []


def test_only_the_first_decision_is_recorded(table: Table) -> None:
    table.create_record("a")
    request_approval(table)

    assert decide(table, ARN_B)
    assert decide(table, ARN_B), "the same execution may record its decision again"
    assert not decide(table, ARN_C, decision="Rejected")
    assert table.load_record(ARN_A).decision == make_decision()
    assert table.read_step_names(ARN_A).count("Decided") == 1, "a step is written only with its decision"
    assert table.read_step(ARN_A, "Decided") == {"Step": "Decided", "At": LATER, **make_decision()}


def test_a_decision_needs_the_token_of_the_current_request(table: Table) -> None:
    table.create_record("a")
    assert not decide(table), "no approval is requested yet"
    request_approval(table)

    assert not decide(table, token="another")
    assert not decide(table, token="")
    assert table.load_record(ARN_A).decision is None


def test_a_new_request_removes_the_decision_on_the_previous_one(table: Table) -> None:
    table.create_record("a")
    request_approval(table)
    decide(table)

    request_approval(table, "token-2")

    assert table.load_record(ARN_A).decision is None
    assert not decide(table, token="token-1")
    assert decide(table, ARN_C, token="token-2", decision="Rejected")


def test_a_decision_without_a_record_writes_nothing(table: Table) -> None:
    assert not decide(table)
    assert table.read_all() == []


def test_an_attempt_is_recorded_with_the_end_of_the_retention(table: Table) -> None:
    table.create_record("a")
    request_approval(table)

    assert table.record_attempt(ARN_A)

    record = table.load_record(ARN_A)
    assert (record.status, record.deregistration_attempted, record.task_token) == (Status.DEREGISTERING, True, None)
    assert table.list_executions("InWindow") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT
    assert table.read_step(ARN_A, "Deregister") == {"Step": "Deregister", "At": NOW}


@pytest.mark.parametrize(("aliases", "sizes"), [(1, [11]), (150, [100, 100, 100, 9])])
def test_an_attempt_records_the_entity_as_it_has_changed(
    table: Table, monkeypatch: pytest.MonkeyPatch, aliases: int, sizes: list[int]
) -> None:
    table.create_record("a")
    entity = {**table.load_record(ARN_A).entity, "Aliases": [f"{n}@example.com" for n in range(aliases)]}
    transactions = count_transactions(monkeypatch, table)

    log_entry = {"At": NOW, "Step": "Deregister"}
    offboarding = make_offboarding(ARN_A)
    assert table.records.record_attempt(offboarding, RETENTION_ENDS_AT, log_entry, changed_entity=entity) is not None

    assert [len(actions) for actions in transactions] == sizes
    assert table.load_record(ARN_A).entity == entity
    assert table.records.find_entity_ids(ORGANIZATION_ID, f"{aliases - 1}@example.com") == [USER_ID]


def test_no_attempt_is_recorded_by_an_execution_that_does_not_hold_the_entity(table: Table) -> None:
    table.create_record("a")
    hold(table, ARN_B, take_over_from=ARN_A)
    items = table.read_all()

    assert not table.record_attempt(ARN_A)
    assert table.read_all() == items


def test_no_attempt_is_recorded_without_a_lock(table: Table) -> None:
    table.create_record("a")
    table.delete_item(LOCK_ID, "Lock")

    assert not table.record_attempt(ARN_A)
    assert table.read_item(LOCK_ID, "Lock") is None
    assert table.read_step_names(ARN_A) == ["Started", "Recorded"]
    assert not table.load_record(ARN_A).deregistration_attempted


def test_no_attempt_is_recorded_without_a_record(table: Table) -> None:
    hold(table, ARN_A)

    assert not table.record_attempt(ARN_A)
    assert table.read_item(ARN_A) is None
    assert table.read_steps(ARN_A) == []
    assert find_window_execution(table) is None, "the window is taken over with the record or not at all"


def test_a_deregistered_entity_is_in_the_window_until_the_retention_ends(table: Table) -> None:
    table.create_deregistered_record("a", retention_ends_at=RETENTION_ENDS_AT)
    table.create_deregistered_record("b", "entity-b", retention_ends_at="2026-12-23T09:00:00.000Z")
    table.create_record("c", "entity-c")

    assert list_due(table, RETENTION_ENDS_AT) == [ARN_B, ARN_A]
    assert list_due(table, "2026-12-24T08:59:59.999Z") == [ARN_B]
    assert list_due(table, NOW) == []
    assert list_due(table, RETENTION_ENDS_AT, Status.SCHEDULED) == []
    record = table.load_record(ARN_A)
    assert (record.status, record.deregistered_at) == (Status.IN_WINDOW, NOW)
    assert record.retention_ends_at == RETENTION_ENDS_AT


@pytest.mark.parametrize(
    "write",
    [
        lambda records: records.record_deregistration(
            make_offboarding(ARN_A), {"RetentionEndsAt": RETENTION_ENDS_AT}, LOG_ENTRY, None
        ),
        lambda records: records.record_refusal(make_offboarding(ARN_A), LOG_ENTRY),
        lambda records: records.record_verification(make_offboarding(ARN_A), None, LOG_ENTRY),
        lambda records: records.record_verification(make_offboarding(ARN_A), "CleanupVerified", LOG_ENTRY),
        lambda records: records.supersede(make_record("a"), ARN_B, LATER),
        lambda records: records.unlist(make_record("a", status=Status.ENDED, outcome="Stopped")),
        lambda records: records.record_restore_step(
            make_record("a"), Status.RESTORED, {"RestoredAt": LATER}, LOG_ENTRY
        ),
        lambda records: records.close(make_record("a"), "Stopped", None, LATER),
    ],
)
def test_an_update_does_not_create_a_deleted_record_again(table: Table, write: Any) -> None:
    assert write(table.records) is False
    assert table.read_all() == []


@pytest.mark.parametrize("outcome", ["CleanupVerified", "Reenabled", "ReenabledAfterRetention", "EntityRemoved"])
def test_a_verification_with_an_outcome_ends_the_record_and_the_window(table: Table, outcome: str) -> None:
    table.create_deregistered_record("a")

    assert record_verification(table, outcome)

    record = table.load_record(ARN_A)
    assert (record.status, record.outcome, record.ended_at) == (Status.ENDED, outcome, LATER)
    assert table.list_executions("InWindow") == []
    assert table.find_holder() is None


def test_a_mailbox_stays_in_the_window_if_the_service_ends_before_the_retention(table: Table) -> None:
    table.create_deregistered_record("a")

    record_verification(table, "ServiceEnded")
    assert table.list_executions("InWindow") == ["a"]
    table.close_record(ARN_A, "ServiceEnded", ended_at=LATER)
    assert table.list_executions("InWindow") == ["a"]
    assert table.load_record(ARN_A).status is Status.ENDED


def test_a_refused_deregistration_is_not_in_the_window(table: Table) -> None:
    table.create_record("a")
    table.record_attempt(ARN_A)

    assert table.records.record_refusal(make_offboarding(ARN_A), {"At": LATER, "Step": "NotTaken"})

    record = table.load_record(ARN_A)
    assert (record.status, record.deregistration_attempted) == (Status.RECORDED, False)
    assert table.list_executions("InWindow") == []
    assert record.mailbox_touched is MailboxTouched.NO
    assert table.read_step_names(ARN_A)[-1] == "NotTaken"


def test_the_window_belongs_to_the_record_of_the_last_deregistration(table: Table) -> None:
    table.create_deregistered_record("a")
    assert find_window_execution(table) == ARN_A
    table.close_record(ARN_A, ended_at=LATER)

    table.create_deregistered_record("b")

    assert find_window_execution(table) == ARN_B
    assert table.load_record(ARN_A).superseded_by == ARN_B
    assert table.list_executions("InWindow") == ["b"]
    assert table.read_step(ARN_A, "Superseded") == {"Step": "Superseded", "At": NOW, "By": ARN_B}


def test_an_execution_that_does_not_hold_the_entity_does_not_take_over_its_window(table: Table) -> None:
    table.create_deregistered_record("a")
    hold(table, ARN_B, take_over_from=ARN_A)
    assert find_window_execution(table) == ARN_A, "taking over the entity does not take over its window"

    table.create_record("c")
    assert table.record_deregistration(ARN_C)

    assert find_window_execution(table) == ARN_A
    assert table.load_record(ARN_A).superseded_by is None


def test_recording_the_same_deregistration_again_supersedes_no_record(table: Table) -> None:
    table.create_deregistered_record("a")

    assert table.record_deregistration(ARN_A)

    assert table.load_record(ARN_A).superseded_by is None
    assert table.list_executions("InWindow") == ["a"]


def test_a_superseded_record_is_not_in_the_window(table: Table) -> None:
    table.create_deregistered_record("a")

    assert supersede(table, ARN_A, ARN_B)

    assert table.load_record(ARN_A).superseded_by == ARN_B
    assert table.list_executions("InWindow") == []


def test_a_superseded_record_that_waits_for_its_date_stays_in_the_index(table: Table) -> None:
    create_or_update(table, Status.SCHEDULED, NOW, RETENTION_ENDS_AT)

    assert supersede(table, ARN_A, ARN_B)

    assert table.load_record(ARN_A).superseded_by == ARN_B
    assert table.list_executions("Scheduled") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT
    assert table.read_step(ARN_A, "Superseded") == {"Step": "Superseded", "At": LATER, "By": ARN_B}


def test_a_superseded_record_that_waits_for_an_approval_leaves_the_index(table: Table) -> None:
    table.create_record("a")
    assert request_approval(table)

    assert supersede(table, ARN_A, ARN_B)

    assert table.list_executions("AwaitingApproval") == []
    assert table.read_text(ARN_A, "DueAt") is None


def test_only_a_complete_restore_removes_the_entity_from_the_window(table: Table) -> None:
    table.create_deregistered_record("a")

    table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORING, {}, LOG_ENTRY)
    assert table.list_executions("InWindow") == ["a"]
    table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORED, {"RestoredAt": LATER}, LOG_ENTRY)
    assert table.list_executions("InWindow") == []
    assert table.list_executions("Restored") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT
    assert table.load_record(ARN_A).status is Status.RESTORED
    assert table.read_text(ARN_A, "RestoredAt") == LATER


@pytest.mark.parametrize("outcome", ["CleanupVerified", "Reenabled", "ReenabledAfterRetention", "EntityRemoved"])
def test_a_record_that_is_closed_with_a_verified_outcome_leaves_the_index(table: Table, outcome: str) -> None:
    table.create_deregistered_record("a")

    assert table.close_record(ARN_A, outcome, ended_at=LATER)

    item = table.read_item(ARN_A)
    assert (item["Status"], item["Outcome"], item["EndedAt"]) == ({"S": "Ended"}, {"S": outcome}, {"S": LATER})
    assert not {"StatusKey", "DueAt", "Cause"} & set(item)
    assert table.find_holder() is None


@pytest.mark.parametrize("outcome", ["Stopped", "TimedOut", "Forgotten", "WorkMailUnavailable", "CleanupOverdue"])
def test_a_record_that_is_closed_without_a_verified_outcome_stays_in_the_window(table: Table, outcome: str) -> None:
    table.create_deregistered_record("a")

    assert table.close_record(ARN_A, outcome, cause="a mistake", ended_at=LATER)

    assert table.load_record(ARN_A).status is Status.UNWATCHED
    assert table.load_record(ARN_A).outcome == outcome
    assert table.read_text(ARN_A, "Cause") == "a mistake"
    assert table.list_executions("InWindow") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT
    assert table.find_holder() is None


def test_a_record_that_is_closed_after_an_attempt_stays_in_the_window(table: Table) -> None:
    table.create_record("a")
    table.record_attempt(ARN_A)

    table.close_record(ARN_A, ended_at=LATER)

    assert table.load_record(ARN_A).status is Status.UNWATCHED
    assert table.list_executions("InWindow") == ["a"]


def test_a_record_that_is_closed_before_an_attempt_is_ended(table: Table) -> None:
    table.create_record("a")
    request_approval(table)

    table.close_record(ARN_A, ended_at=LATER)

    record = table.load_record(ARN_A)
    assert (record.status, record.outcome, record.task_token) == (Status.ENDED, "Stopped", None)
    assert table.list_executions("AwaitingApproval") == []


def test_a_restored_or_superseded_record_is_ended_whatever_the_outcome(table: Table) -> None:
    table.create_deregistered_record("a")
    table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORED, {}, LOG_ENTRY)
    table.create_deregistered_record("b", "entity-b")
    supersede(table, ARN_B, ARN_C)

    table.close_record(ARN_A, ended_at=LATER)
    table.close_record(ARN_B, ended_at=LATER)

    assert [table.load_record(arn).status for arn in (ARN_A, ARN_B)] == [Status.ENDED, Status.ENDED]
    assert table.list_executions("InWindow") == []


def test_a_record_is_closed_only_once(table: Table) -> None:
    table.create_deregistered_record("a")
    record = table.load_record(ARN_A)

    assert table.records.close(record, "Stopped", None, LATER)
    assert not table.records.close(record, "Stopped", None, LATER), "it has changed since it was read"
    assert table.read_step_names(ARN_A).count("Ended") == 1


@pytest.mark.parametrize("outcome", ["CleanupVerified", "Stopped"])
def test_closing_a_closed_record_changes_nothing(table: Table, outcome: str) -> None:
    table.create_record("a")
    table.close_record(ARN_A, outcome, ended_at=LATER)
    items = table.read_all()

    assert table.close_record(ARN_A, outcome, ended_at=LATER)

    assert table.read_all() == items


def test_a_record_that_has_changed_since_it_was_read_is_not_closed(table: Table) -> None:
    table.create_record("a")
    stale_record = table.load_record(ARN_A)
    table.record_attempt(ARN_A)

    assert not table.records.close(stale_record, "Stopped", None, LATER)

    assert table.load_record(ARN_A).status is Status.DEREGISTERING
    assert table.list_executions("InWindow") == ["a"]


def test_a_redriven_execution_reopens_its_record_and_closes_it_again(table: Table) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, "WorkMailUnavailable", cause="no answer", ended_at=LATER)

    assert table.record_deregistration(ARN_A)
    record = table.load_record(ARN_A)
    assert (record.status, record.outcome, record.ended_at) == (Status.IN_WINDOW, None, None)
    assert table.records.close(record, "CleanupVerified", None, RETENTION_ENDS_AT)

    assert table.load_record(ARN_A).outcome == "CleanupVerified"
    assert table.read_step_names(ARN_A).count("Ended") == 2
    assert table.list_executions("InWindow") == []


def test_closing_a_record_does_not_release_the_entity_of_another_holder(table: Table) -> None:
    table.create_deregistered_record("a")
    hold(table, ARN_B, take_over_from=ARN_A)

    table.close_record(ARN_A, ended_at=LATER)

    assert table.find_holder() == ARN_B


def test_closing_a_deleted_record_releases_the_entity(table: Table) -> None:
    table.create_deregistered_record("a")
    record = table.load_record(ARN_A)
    table.delete_item(ARN_A)

    assert not table.records.close(record, "Stopped", None, LATER)
    assert table.read_item(ARN_A) is None
    assert "Ended" not in table.read_step_names(ARN_A)
    assert table.find_holder() is None


def create_or_update(table: Table, status: Status, at: str, due_at: str | None = None, **facts: Any) -> None:
    offboarding = make_offboarding(ARN_A)
    facts = {"StartedAt": STARTED_AT, "Entity": {**offboarding.entity, **facts.pop("Entity", {})}, **facts}
    table.records.create_or_update(offboarding, facts, status, due_at, {"At": at, "Step": status.value})


def record_end(table: Table, outcome: str = "EntityProtected", ended_at: str = LATER, **facts: Any) -> bool:
    return table.records.record_end(ARN_A, {**END_FACTS, **facts}, outcome, "It is never offboarded.", ended_at)


def count_transactions(monkeypatch: pytest.MonkeyPatch, table: Table) -> list[list[dict[str, Any]]]:
    """Return the writes of each transaction, in a list that grows."""
    transactions: list[list[dict[str, Any]]] = []
    transact = table.records._table.transact

    def transact_and_count(actions: Any) -> None:
        transactions.append(list(actions))
        transact(actions)

    monkeypatch.setattr(table.records._table, "transact", transact_and_count)
    return transactions


def write_before_transaction(monkeypatch: pytest.MonkeyPatch, table: Table, write: Callable[[], object]) -> None:
    """Have another execution write between the reads of a method and its transaction, once."""
    transact = table.records._table.transact

    def write_and_transact(actions: Any) -> None:
        monkeypatch.setattr(table.records._table, "transact", transact)
        write()
        transact(actions)

    monkeypatch.setattr(table.records._table, "transact", write_and_transact)


def read_expiration(table: Table, key: str, part: str = "Record") -> datetime | None:
    expires_at = table.read_members(key, part).get("ExpiresAt")
    return None if expires_at is None else datetime.fromtimestamp(int(expires_at), UTC)


@pytest.fixture
def retained(table: Table, monkeypatch: pytest.MonkeyPatch) -> Table:
    """The table whose items are kept for 90 days."""
    configure(monkeypatch, RECORD_RETENTION_DAYS=str(RETENTION_DAYS))
    return table


def test_an_updated_record_has_the_new_facts_and_both_steps(table: Table) -> None:
    create_or_update(table, Status.SCHEDULED, NOW, RETENTION_ENDS_AT, **REQUEST)
    assert table.list_executions("Scheduled") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT

    create_or_update(table, Status.RECORDED, LATER, Entity={"Name": "dana2"})

    assert table.list_executions("Scheduled") == []
    assert table.read_step_names(ARN_A) == ["Started", "Scheduled", "Recorded"]
    assert table.read_text(ARN_A, "Reason") == "left"
    record = table.load_record(ARN_A)
    assert (record.entity["Name"], record.status) == ("dana2", Status.RECORDED)
    assert (record.organization_id, record.status_key) == (ORGANIZATION_ID, None)
    assert "Steps" not in table.read_members(ARN_A)


@pytest.mark.parametrize("decision", ["Approved", "Rejected", "Withdrawn"])
def test_an_execution_that_was_withdrawn_during_its_wait_is_not_recorded_again(table: Table, decision: str) -> None:
    create_or_update(table, Status.SCHEDULED, NOW, RETENTION_ENDS_AT)
    assert table.records.record_wait(make_offboarding(ARN_A), "token-1")
    assert decide(table, decision=decision)
    members, steps = table.read_members(ARN_A), table.read_step_names(ARN_A)

    if decision != "Withdrawn":
        create_or_update(table, Status.RECORDED, LATER)
        assert table.load_record(ARN_A).status is Status.RECORDED
        return
    with pytest.raises(errors.RecordUnavailable, match="changed at the same time"):
        create_or_update(table, Status.RECORDED, LATER)
    assert table.read_members(ARN_A) == members
    assert table.read_step_names(ARN_A) == steps


def test_a_step_belongs_to_its_execution_its_organization_and_its_entity(table: Table) -> None:
    create_or_update(table, Status.RECORDED, NOW, **REQUEST)

    assert table.read_steps(ARN_A) == [
        {
            "Id": ARN_A,
            "Part": f"Step {STARTED_AT} Started",
            "Kind": "Step",
            **SUBJECT,
            "At": STARTED_AT,
            "Step": "Started",
            **REQUEST,
        },
        {"Id": ARN_A, "Part": f"Step {NOW} Recorded", "Kind": "Step", **SUBJECT, "At": NOW, "Step": "Recorded"},
    ]


def test_a_step_of_an_entity_without_an_address_does_not_have_the_member(table: Table) -> None:
    entity = {name: value for name, value in RECORD_DEFAULTS["entity"].items() if name != "Email"}
    offboarding = Offboarding(ARN_A, ORGANIZATION_ID, entity)
    facts = {"StartedAt": STARTED_AT, "Entity": {**entity, "Aliases": None}}

    table.records.create_or_update(offboarding, facts, Status.RECORDED, None, {"At": NOW, "Step": "Recorded"})

    assert all("EntityEmail" not in step for step in table.read_steps(ARN_A))
    assert table.records.find_entity_ids(ORGANIZATION_ID, "dana") == [USER_ID]


@pytest.mark.parametrize("started_at", [STARTED_AT, "2026-11-24T08:59:00Z", "2026-11-24T08:59:00.000000+00:00"])
def test_the_start_of_an_execution_is_one_step_however_it_is_written(table: Table, started_at: str) -> None:
    record_end(table)

    create_or_update(table, Status.RECORDED, LATER, StartedAt=started_at, **REQUEST)

    assert table.read_step_names(ARN_A).count("Started") == 1
    assert table.read_step(ARN_A, "Started") == {"Step": "Started", "At": STARTED_AT, **REQUEST}


@pytest.mark.parametrize(
    "identifier", [USER_ID, "dana", "DANA", "dana@example.com", "D.Leaver@example.com", "dana2", "new@example.com"]
)
def test_an_entity_is_found_by_each_name_and_address_that_it_has_or_had(table: Table, identifier: str) -> None:
    create_or_update(table, Status.RECORDED, NOW, Entity={"Aliases": ["d.leaver@example.com"]})
    create_or_update(table, Status.RECORDED, LATER, Entity={"Name": "dana2", "Aliases": ["new@example.com"]})

    assert table.records.find_entity_ids(ORGANIZATION_ID, identifier) == [USER_ID]
    assert table.records.find_entity_ids(OTHER_ORGANIZATION_ID, identifier) == []
    assert table.records.find_entity_ids(ORGANIZATION_ID, f"{identifier}x") == []


def test_several_entities_are_found_by_the_same_name(table: Table) -> None:
    table.create_record("a", "entity-b")
    table.create_record("b", "entity-a")

    assert table.records.find_entity_ids(ORGANIZATION_ID, "dana") == ["entity-a", "entity-b"]
    assert table.records.find_entity_ids(ORGANIZATION_ID, "entity-a") == ["entity-a"]


def test_no_key_has_a_name_or_an_address(table: Table) -> None:
    table.create_record("a", Entity={"Aliases": ["dana.leaver@example.com"]})
    record_end(table)

    keys = [f"{item['Id']['S']} {item['Part']['S']}" for item in table.read_all()]
    assert identifier_key("Dana") == "identifier/" + hashlib.sha256(b"dana").hexdigest()
    assert identifier_key("strasse") != identifier_key("stra\N{LATIN SMALL LETTER SHARP S}e")
    assert not any("dana" in key or "example" in key for key in keys)


@pytest.mark.parametrize(
    ("aliases", "sizes"), [(45, [99]), (46, [98, 3]), (47, [100, 3]), (48, [100, 5]), (150, [100, 100, 100, 9])]
)
def test_a_record_with_many_addresses_is_written_last(
    table: Table, monkeypatch: pytest.MonkeyPatch, aliases: int, sizes: list[int]
) -> None:
    transactions = count_transactions(monkeypatch, table)

    create_or_update(table, Status.RECORDED, NOW, Entity={"Aliases": [f"{n}@example.com" for n in range(aliases)]})

    assert [len(actions) for actions in transactions] == sizes
    record_key = {"Id": {"S": ARN_A}, "Part": {"S": "Record"}}
    *earlier, last = [
        [action for action in actions if "Update" in action or action["Put"]["Item"]["Id"]["S"] == ARN_A]
        for actions in transactions
    ]
    assert earlier == [[] for _ in sizes[1:]], "the record and its steps come last, and together"
    assert last[0]["Update"]["Key"] == record_key
    assert [action["Put"]["Item"]["Step"]["S"] for action in last[1:]] == ["Started", "Recorded"]
    assert all(
        table.records.find_entity_ids(ORGANIZATION_ID, f"{n}@example.com") == [USER_ID] for n in range(0, aliases, 31)
    )
    assert table.read_step_names(ARN_A) == ["Started", "Recorded"]


def test_a_record_is_not_written_if_its_addresses_are_not(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise errors.RecordUnavailable("no answer")

    write_before_transaction(monkeypatch, table, fail)
    aliases = [f"{n}@example.com" for n in range(100)]

    with pytest.raises(errors.RecordUnavailable):
        create_or_update(table, Status.RECORDED, NOW, Entity={"Aliases": aliases})
    assert table.read_all() == []
    create_or_update(table, Status.RECORDED, NOW, Entity={"Aliases": aliases})
    assert table.load_record(ARN_A).entity["Aliases"] == aliases


def test_addresses_that_differ_in_letter_case_only_are_one(table: Table) -> None:
    create_or_update(table, Status.RECORDED, NOW, Entity={"Aliases": ["DANA@example.com", "Dana", "dana@EXAMPLE.com"]})

    pairs = [(item["Id"]["S"], item["Part"]["S"]) for item in table.read_all() if item["Id"]["S"] != ARN_A]
    keys = [identifier_key(identifier) for identifier in (USER_ID, "dana", "dana@example.com")]
    assert sorted(pairs) == sorted(
        [(key, f"Entity {LOCK_ID}") for key in keys] + [(LOCK_ID, f"Identifier {key}") for key in keys]
    )


def test_a_verification_without_an_outcome_adds_only_a_step(table: Table) -> None:
    table.create_record("a")
    members = table.read_members(ARN_A)

    assert record_verification(table, None)

    assert table.read_step_names(ARN_A) == ["Started", "Recorded", "Something"]
    assert table.read_members(ARN_A) == members


def test_a_verified_outcome_is_an_end_only_when_the_execution_has_ended(table: Table) -> None:
    table.create_deregistered_record("a")
    record_verification(table, "CleanupVerified")
    assert table.records.find_end(ARN_A) is None
    assert "Ended" not in table.read_step_names(ARN_A)

    for _ in range(2):
        assert table.close_record(ARN_A, "CleanupVerified", ended_at=MUCH_LATER)

    assert table.read_step_names(ARN_A).count("Ended") == 1
    assert table.records.find_end(ARN_A) == table.load_record(ARN_A).ended_at == MUCH_LATER


def test_an_execution_that_fails_after_its_verification_ends_as_it_failed(table: Table) -> None:
    table.create_deregistered_record("a")
    record_verification(table, "CleanupVerified")

    assert table.close_record(ARN_A, "FunctionUnavailable", cause="no answer", ended_at=MUCH_LATER)

    assert table.load_record(ARN_A).outcome == "FunctionUnavailable"
    assert [step["Outcome"] for step in table.read_steps(ARN_A) if step["Step"] == "Ended"] == ["FunctionUnavailable"]


def test_a_redriven_execution_that_fails_again_has_a_second_end(table: Table) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, "WorkMailUnavailable", cause="no answer", ended_at=LATER)

    assert table.close_record(ARN_A, "WorkMailUnavailable", cause="no answer", ended_at=MUCH_LATER)

    assert table.load_record(ARN_A).ended_at == MUCH_LATER
    assert [step["At"] for step in table.read_steps(ARN_A) if step["Step"] == "Ended"] == [LATER, MUCH_LATER]
    assert table.close_record(ARN_A, "WorkMailUnavailable", cause="no answer", ended_at=LATER), "a late event"
    assert table.load_record(ARN_A).ended_at == MUCH_LATER


def test_the_end_of_a_record_is_found_with_or_without_an_entity(table: Table) -> None:
    table.create_record("a")
    assert table.records.find_end(ARN_A) is None
    table.close_record(ARN_A, ended_at=LATER)
    assert table.records.find_end(ARN_A) == LATER
    table.records.record_end(ARN_B, END_FACTS, "EntityProtected", None, MUCH_LATER)
    assert table.records.find_end(ARN_B) == MUCH_LATER


def deregister_nothing(table: Table) -> None:
    """Leave the record as it is."""


def attempt(table: Table) -> None:
    table.record_attempt(ARN_A)


def attempt_and_confirm(table: Table) -> None:
    table.record_attempt(ARN_A)
    table.record_deregistration(ARN_A)


def be_refused(table: Table) -> None:
    table.record_attempt(ARN_A)
    table.records.record_refusal(make_offboarding(ARN_A), LOG_ENTRY)


def find_disabled(table: Table) -> None:
    table.record_deregistration(ARN_A)


@pytest.mark.parametrize(
    ("act", "mailbox_touched", "has_dates"),
    [
        (deregister_nothing, MailboxTouched.NO, False),
        (be_refused, MailboxTouched.NO, False),
        (find_disabled, MailboxTouched.NO, True),
        (attempt, MailboxTouched.MAYBE, False),
        (attempt_and_confirm, MailboxTouched.YES, True),
    ],
)
def test_the_end_shows_whether_the_mailbox_was_touched(
    table: Table, act: Callable[[Table], None], mailbox_touched: MailboxTouched, has_dates: bool
) -> None:
    table.create_record("a")
    act(table)
    table.close_record(ARN_A, "Stopped", cause="by mistake", ended_at=LATER)

    assert table.read_step(ARN_A, "Ended") == {
        "Step": "Ended",
        "At": LATER,
        "Outcome": "Stopped",
        "Cause": "by mistake",
        "MailboxTouched": mailbox_touched.value,
        **({"DeregisteredAt": NOW, "RetentionEndsAt": RETENTION_ENDS_AT} if has_dates else {}),
    }


def test_a_confirmed_deregistration_is_a_step_with_its_dates(table: Table) -> None:
    table.create_deregistered_record("a")

    assert table.read_step(ARN_A, "Deregistered") == {
        "Step": "Deregistered",
        "At": NOW,
        "DeregisteredAt": NOW,
        "RetentionEndsAt": RETENTION_ENDS_AT,
    }


def take_over_entity(table: Table) -> None:
    table.records.hold(make_offboarding(ARN_C), NOW, take_over_from=ARN_B)


def delete_former_record(table: Table) -> None:
    table.delete_item(ARN_A)


@pytest.mark.parametrize("action", [take_over_entity, delete_former_record])
@pytest.mark.parametrize("write", [Table.record_attempt, Table.record_deregistration])
def test_a_window_is_taken_over_together_with_the_record_or_not_at_all(
    table: Table, monkeypatch: pytest.MonkeyPatch, action: Callable[[Table], None], write: Callable[[Table, str], bool]
) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, ended_at=LATER)
    table.create_record("b")
    members, step_names = table.read_members(ARN_B), table.read_step_names(ARN_B)
    write_before_transaction(monkeypatch, table, lambda: action(table))

    with pytest.raises(errors.RecordUnavailable, match="The records of this entity are changed at the same time"):
        write(table, ARN_B)

    assert (table.read_members(ARN_B), table.read_step_names(ARN_B)) == (members, step_names)
    assert find_window_execution(table) == ARN_A
    assert "Superseded" not in table.read_step_names(ARN_A)


def test_a_window_without_a_record_is_taken_over(table: Table) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, ended_at=LATER)
    table.delete_item(ARN_A)

    table.create_deregistered_record("b")

    assert find_window_execution(table) == ARN_B
    assert table.read_item(ARN_A) is None


def test_an_attempt_supersedes_the_former_record_at_once(table: Table) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, ended_at=LATER)
    table.create_record("b")

    previous_lock = table.records.record_attempt(make_offboarding(ARN_B), RETENTION_ENDS_AT, LOG_ENTRY)

    assert previous_lock == EntityLock(ARN_B, NOW, is_live=True, window_execution_arn=ARN_A)
    assert find_window_execution(table) == ARN_B
    assert table.load_record(ARN_A).superseded_by == ARN_B
    assert table.read_step(ARN_A, "Superseded")["At"] == LATER
    assert table.list_executions("InWindow") == ["b"]


def test_a_record_that_changed_while_the_window_is_taken_over_counts_first(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_deregistered_record("a")
    table.create_record("b", "entity-b")
    table.records.hold(make_offboarding(ARN_B), NOW, take_over_from=ARN_A)

    def delete_record_and_lose_entity() -> None:
        table.delete_item(ARN_B)
        take_over_entity(table)

    write_before_transaction(monkeypatch, table, delete_record_and_lose_entity)

    assert not table.record_attempt(ARN_B)


def test_the_end_of_an_execution_without_an_entity_has_the_text_of_its_input(table: Table) -> None:
    assert record_end(table, DryRun=True, **REQUEST)

    identity = {
        "OrganizationId": ORGANIZATION_ID,
        "Identifier": "Dana",
        "EntityKey": identifier_key("dana"),
        "DryRun": True,
    }
    step = {"Id": ARN_A, "Kind": "Step", **identity}
    assert table.read_steps(ARN_A) == [
        {**step, "Part": f"Step {STARTED_AT} Started", "At": STARTED_AT, "Step": "Started", **REQUEST},
        {
            **step,
            "Part": f"Step {LATER} Ended",
            "At": LATER,
            "Step": "Ended",
            "Outcome": "EntityProtected",
            "Cause": "It is never offboarded.",
            "MailboxTouched": "No",
        },
    ]


@pytest.mark.parametrize("is_dry_run", [True, False])
def test_the_end_of_an_execution_that_resolved_an_entity_belongs_to_it(table: Table, is_dry_run: bool) -> None:
    facts = {"Entity": RECORD_DEFAULTS["entity"], **({"DryRun": True} if is_dry_run else {})}

    assert record_end(table, "Planned", **facts)

    step = table.read_steps(ARN_A)[-1]
    assert {name: step[name] for name in SUBJECT} == SUBJECT
    assert "Identifier" not in step
    assert step.get("DryRun", False) is is_dry_run


@pytest.mark.parametrize(
    ("facts", "members"),
    [
        ({}, {}),
        ({"OrganizationId": ORGANIZATION_ID}, {"OrganizationId": ORGANIZATION_ID}),
        ({"EntityId": "dana"}, {"Identifier": "dana", "EntityKey": identifier_key("dana")}),
        ({"EntityId": USER_ID}, {"Identifier": USER_ID, "EntityKey": identifier_key(USER_ID)}),
        (
            {"OrganizationId": ORGANIZATION_ID, "EntityId": USER_ID},
            {"OrganizationId": ORGANIZATION_ID, "EntityId": USER_ID, "EntityKey": LOCK_ID},
        ),
        (
            {"OrganizationId": ORGANIZATION_ID, "EntityId": RESOURCE_ID},
            {
                "OrganizationId": ORGANIZATION_ID,
                "EntityId": RESOURCE_ID,
                "EntityKey": entity_key(ORGANIZATION_ID, RESOURCE_ID),
            },
        ),
        (
            {"OrganizationId": ORGANIZATION_ID, "EntityId": f"{USER_ID}x"},
            {
                "OrganizationId": ORGANIZATION_ID,
                "Identifier": f"{USER_ID}x",
                "EntityKey": identifier_key(f"{USER_ID}x"),
            },
        ),
        (
            {"EntityId": "dana", "Entity": RECORD_DEFAULTS["entity"]},
            {"Identifier": "dana", "EntityKey": identifier_key("dana")},
        ),
        (
            {"OrganizationId": ORGANIZATION_ID, "Entity": {"Id": USER_ID, "Name": "dana"}},
            {"OrganizationId": ORGANIZATION_ID},
        ),
    ],
)
def test_the_end_of_an_execution_belongs_to_what_is_known_of_it(
    table: Table, facts: dict[str, Any], members: dict[str, str]
) -> None:
    assert table.records.record_end(ARN_A, facts, "Forgotten", None, LATER)

    [step] = table.read_steps(ARN_A)
    assert step == {
        "Id": ARN_A,
        "Part": f"Step {LATER} Ended",
        "Kind": "Step",
        **members,
        "At": LATER,
        "Step": "Ended",
        "Outcome": "Forgotten",
        "MailboxTouched": "No",
    }


def attempt_and_mismatch(table: Table) -> None:
    table.record_attempt(ARN_A)
    table.records.record_mismatch(make_offboarding(ARN_A), {"At": LATER, "Step": "Mismatch"})


@pytest.mark.parametrize(
    ("act", "mailbox_touched"),
    [
        (deregister_nothing, "No"),
        (attempt, "Maybe"),
        (attempt_and_mismatch, "Maybe"),
        (attempt_and_confirm, "Yes"),
    ],
)
def test_the_end_of_a_record_that_was_deleted_by_hand_has_what_its_steps_show(
    table: Table, act: Callable[[Table], None], mailbox_touched: str
) -> None:
    table.create_record("a")
    act(table)
    assert table.load_record(ARN_A).mailbox_touched.value == mailbox_touched
    table.delete_item(ARN_A)

    assert record_end(table, "Stopped", ended_at=MUCH_LATER)
    assert record_end(table, "Stopped", ended_at=MUCH_LATER), "a repeated report"

    step = table.read_steps(ARN_A)[-1]
    assert step == {
        "Id": ARN_A,
        "Part": f"Step {MUCH_LATER} Ended",
        "Kind": "Step",
        **SUBJECT,
        "At": MUCH_LATER,
        "Step": "Ended",
        "Outcome": "Stopped",
        "Cause": "It is never offboarded.",
        "MailboxTouched": mailbox_touched,
    }
    assert table.read_step_names(ARN_A).count("Started") == 1
    assert table.read_step_names(ARN_A).count("Ended") == 1


def test_a_refused_request_is_a_step_of_its_entity_and_releases_it(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(table, ARN_A)
    transactions = count_transactions(monkeypatch, table)
    log_entry = {"At": LATER, "Step": "RequestRefused", "Error": "EntityProtected"}

    for _ in range(2):
        table.records.record_refused_request(make_offboarding(ARN_A), log_entry)

    assert table.find_holder() is None
    assert table.read_item(ARN_A) is None, "the record is written when the execution ends"
    step = {"Id": ARN_A, "Part": f"Step {LATER} RequestRefused", "Kind": "Step"}
    assert table.read_steps(ARN_A) == [{**step, **SUBJECT, **log_entry}]
    for identifier in (USER_ID, "dana", "dana@example.com"):
        assert table.records.find_entity_ids(ORGANIZATION_ID, identifier) == [USER_ID]
    assert [len(actions) for actions in transactions] == [7, 7]


def test_a_refused_request_does_not_release_the_entity_of_another_execution(table: Table) -> None:
    hold(table, ARN_B)

    table.records.record_refused_request(make_offboarding(ARN_A), LOG_ENTRY)

    assert table.find_holder() == ARN_B


def test_an_erased_execution_is_known_by_a_hash_of_its_arn(table: Table) -> None:
    assert not table.records.is_erased(ARN_A)
    table.mark_erased(ARN_A)

    assert table.records.is_erased(ARN_A)
    assert not table.records.is_erased(ARN_B)
    assert erased_key(ARN_A) == ("erased/" + hashlib.sha256(ARN_A.encode()).hexdigest(), "Execution")


def test_the_end_is_not_recorded_over_a_record_that_has_been_written_meanwhile(table: Table) -> None:
    table.create_record("a")
    items = table.read_all()

    assert not record_end(table)

    assert table.read_all() == items


def test_the_steps_are_found_by_time_by_organization_and_by_entity(table: Table) -> None:
    table.create_record("a")
    record_end(table, ended_at=MUCH_LATER)
    table.records.record_end(ARN_B, {**END_FACTS, "OrganizationId": OTHER_ORGANIZATION_ID}, "Forgotten", None, LATER)
    table.records.record_refused_event("m-1", {}, "a reason", MUCH_LATER)

    def query(index: str, condition: str, value: str) -> list[str]:
        items = table.records._table.query(f"#{condition} = :value", index=index, value=value)
        return [item["Step"] for item in items]

    assert query("ByTime", "Kind", "Step") == ["Started", "Started", "Recorded", "Ended", "Refused"]
    assert query("ByOrganization", "OrganizationId", ORGANIZATION_ID) == ["Started", "Recorded"]
    assert query("ByOrganization", "OrganizationId", OTHER_ORGANIZATION_ID) == ["Started", "Ended"]
    assert query("ByEntity", "EntityKey", LOCK_ID) == ["Started", "Recorded"]
    assert query("ByEntity", "EntityKey", identifier_key("dana")) == ["Started", "Ended"]


def test_an_ended_record_is_taken_out_of_the_index(table: Table) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, ended_at=LATER)
    record = table.load_record(ARN_A)
    assert record.status_key == "InWindow"

    assert table.records.unlist(record)

    assert table.list_executions("InWindow") == []
    assert table.load_record(ARN_A).status is Status.UNWATCHED
    assert not {"StatusKey", "DueAt"} & set(table.read_members(ARN_A))
    assert table.records.unlist(record), "it can be repeated"


def restore(table: Table) -> None:
    table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORED, {}, LOG_ENTRY)


def close_again(table: Table) -> None:
    table.close_record(ARN_A, "CleanupOverdue", ended_at=MUCH_LATER)


@pytest.mark.parametrize("change", [restore, close_again, attempt_and_confirm])
def test_a_record_that_has_changed_since_it_was_read_stays_in_the_index(
    table: Table, change: Callable[[Table], None]
) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, ended_at=LATER)
    stale_record = table.load_record(ARN_A)
    change(table)
    members = table.read_members(ARN_A)

    assert not table.records.unlist(stale_record)

    assert table.read_members(ARN_A) == members


@pytest.mark.parametrize("arrival", [("first", "second"), ("second", "first")])
def test_the_earliest_caller_is_the_one_who_started_an_execution(table: Table, arrival: tuple[str, str]) -> None:
    moments = {"first": NOW, "second": LATER}
    for name in (*arrival, *arrival):
        table.records.record_starter(ARN_A, f"arn:aws:iam::123456789012:user/{name}", moments[name])

    assert table.read_members(ARN_A, "Start") == {"StartedBy": "arn:aws:iam::123456789012:user/first", "At": NOW}
    assert table.read_item(ARN_A) is None
    assert table.read_steps(ARN_A) == []


def test_a_refused_event_is_a_step_of_no_entity_and_is_recorded_once(table: Table) -> None:
    facts = {"Provider": "okta", "EventId": "e-1", "OccurredAt": NOW}
    for _ in range(2):
        table.records.record_refused_event("m-1", facts, "a reason", LATER)

    assert [deserialize(item) for item in table.read_all()] == [
        {
            "Id": "refused/m-1",
            "Part": f"Step {LATER} Refused",
            "Kind": "Step",
            "At": LATER,
            "Step": "Refused",
            **facts,
            "Reason": "a reason",
        }
    ]


def test_the_date_of_the_last_sweep_is_kept_with_the_last_notice(table: Table) -> None:
    table.records.record_sweep(NOW)
    facts = {"Day": "2027-02-28", "ServiceEndsOn": "2027-03-31"}

    assert table.records.record_last_verification_day(facts, "2027-02-28 60", NOW)
    assert not table.records.record_last_verification_day(facts, "2027-02-28 60", LATER)
    assert table.records.record_last_verification_day(facts, "2027-02-28 30", MUCH_LATER)
    assert table.records.find_swept_until() == parse(NOW)
    table.records.record_sweep(LATER)

    assert table.records.find_swept_until() == parse(LATER)
    assert not table.records.record_last_verification_day(facts, "2027-02-28 30", MUCH_LATER)
    assert table.read_steps("sweep") == [
        {
            "Id": "sweep",
            "Part": f"Step {at} LastVerificationDay",
            "Kind": "Step",
            "At": at,
            "Step": "LastVerificationDay",
            **facts,
        }
        for at in (NOW, MUCH_LATER)
    ]


def test_a_notice_before_the_first_sweep_leaves_no_date(table: Table) -> None:
    assert table.records.record_last_verification_day({}, "2027-02-28 60", NOW)

    assert table.records.find_swept_until() is None


def test_nothing_expires_if_records_are_kept_for_ever(table: Table) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, ended_at=LATER)
    table.records.record_end(ARN_B, END_FACTS, "EntityProtected", None, LATER)
    table.records.record_starter(ARN_A, "arn", NOW)
    table.records.record_refused_event("m-1", {}, "a reason", NOW)

    assert not any("ExpiresAt" in item for item in table.read_all())


def test_a_record_expires_after_its_end_and_a_running_one_never(retained: Table) -> None:
    retained.create_deregistered_record("a")
    assert read_expiration(retained, ARN_A) is None

    retained.close_record(ARN_A, ended_at=LATER)

    assert read_expiration(retained, ARN_A) == parse(LATER) + timedelta(days=RETENTION_DAYS)


@pytest.mark.parametrize("write", [Table.record_attempt, Table.record_deregistration])
def test_a_redriven_execution_keeps_its_record(retained: Table, write: Callable[[Table, str], bool]) -> None:
    retained.create_deregistered_record("a")
    retained.close_record(ARN_A, "WorkMailUnavailable", ended_at=LATER)

    assert write(retained, ARN_A)

    assert read_expiration(retained, ARN_A) is None


@pytest.mark.parametrize("outcome", ["CleanupVerified", "ServiceEnded"])
def test_a_verified_record_expires_after_its_end(retained: Table, outcome: str) -> None:
    retained.create_deregistered_record("a")
    record_verification(retained, outcome)
    assert read_expiration(retained, ARN_A) is None

    retained.close_record(ARN_A, outcome, ended_at=LATER)

    assert read_expiration(retained, ARN_A) == parse(LATER) + timedelta(days=RETENTION_DAYS)


def test_the_record_of_an_execution_without_an_entity_expires_after_its_end(retained: Table) -> None:
    record_end(retained)

    assert read_expiration(retained, ARN_A) == parse(LATER) + timedelta(days=RETENTION_DAYS)


def test_a_step_expires_after_it_happened(retained: Table) -> None:
    retained.create_record("a")
    retained.close_record(ARN_A, ended_at=LATER)
    retained.records.record_refused_event("m-1", {}, "a reason", NOW)
    retained.records.record_starter(ARN_A, "arn", NOW)

    retention = timedelta(days=RETENTION_DAYS)
    for key, part, at in (
        (ARN_A, f"Step {STARTED_AT} Started", STARTED_AT),
        (ARN_A, f"Step {LATER} Ended", LATER),
        ("refused/m-1", f"Step {NOW} Refused", NOW),
        (ARN_A, "Start", NOW),
    ):
        assert read_expiration(retained, key, part) == parse(at) + retention


def test_a_lock_expires_after_its_release_unless_the_entity_is_held_again(retained: Table) -> None:
    hold(retained, ARN_A)
    assert read_expiration(retained, LOCK_ID, "Lock") is None

    retained.records.release(make_offboarding(ARN_A), LATER)
    assert read_expiration(retained, LOCK_ID, "Lock") == parse(LATER) + timedelta(days=RETENTION_DAYS)
    retained.records.renew_hold(make_offboarding(ARN_A))
    assert read_expiration(retained, LOCK_ID, "Lock") is None
    retained.records.release(make_offboarding(ARN_A), LATER)
    hold(retained, ARN_B)
    assert read_expiration(retained, LOCK_ID, "Lock") is None


def test_the_identifiers_of_an_entity_expire_after_every_record_that_they_lead_to(retained: Table) -> None:
    retained.create_record("a")

    key = identifier_key("dana")
    for id_, part in ((key, f"Entity {LOCK_ID}"), (LOCK_ID, f"Identifier {key}")):
        assert read_expiration(retained, id_, part) == parse(RECORDED_AT) + timedelta(days=RETENTION_DAYS + 400)


def test_a_record_can_be_read_without_an_entity_only_for_its_end(table: Table) -> None:
    record_end(table)

    assert table.records.find(ARN_A) is None
    assert table.records.find_end(ARN_A) == LATER


def test_a_conflict_with_another_transaction_is_unavailable(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.create_record("a")

    def raise_conflict() -> None:
        raise errors.RecordUnavailable("dynamodb:TransactWriteItems failed (TransactionConflict).")

    for write in (
        lambda: request_approval(table),
        lambda: decide(table),
        lambda: supersede(table, ARN_A, ARN_B),
        lambda: record_end(table),
    ):
        write_before_transaction(monkeypatch, table, raise_conflict)
        with pytest.raises(errors.RecordUnavailable, match="TransactionConflict"):
            write()


def test_a_new_adapter_uses_the_configured_table(table: Table) -> None:
    table.create_record("a")

    assert isinstance(Records().find(ARN_A), Record)
