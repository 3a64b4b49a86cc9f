"""The table of records: one live offboarding per entity, one count per day, and writes that can be repeated."""

import threading
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from local.defaults import ORGANIZATION_ID
from offboarding.adapters import records as records_module
from offboarding.adapters.records import Records, entity_lock_id, status_key
from offboarding.domain import errors
from offboarding.domain.record import EntityLock, Status
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    ARN_C,
    DAY,
    NOW,
    OTHER_ORGANIZATION_ID,
    RETENTION_ENDS_AT,
    USER_ID,
    Table,
    configure,
    make_execution_arn,
    make_offboarding,
    make_raiser,
    make_record,
)

LOCK_ID = entity_lock_id(ORGANIZATION_ID, USER_ID)
LATER = "2026-11-24T10:00:00.000Z"
LOG_ENTRY = {"At": LATER, "Step": "Something"}


def hold(table: Table, execution_arn: str, take_over_from: str | None = None) -> str:
    """Try to hold the entity; return the ARN of the execution that holds it afterwards."""
    lock = table.records.hold(make_offboarding(execution_arn), NOW, take_over_from=take_over_from)
    return lock.execution_arn if lock else execution_arn


def find_window_execution(table: Table) -> str | None:
    lock = table.records.find_lock(ORGANIZATION_ID, USER_ID)
    return lock.window_execution_arn if lock else None


def list_window(table: Table) -> list[str]:
    records = table.records.iterate_by_status(Status.IN_WINDOW, ORGANIZATION_ID)
    return [record.execution_arn for record in records]


def take_slot(table: Table, name: str, cap: int, day: str = DAY, organization_id: str = ORGANIZATION_ID) -> bool:
    offboarding = make_offboarding(make_execution_arn(name), organization_id=organization_id)
    return table.records.take_slot(offboarding, day, cap)


def request_approval(table: Table, token: str = "token-1") -> bool:
    offboarding = make_offboarding(ARN_A)
    return table.records.record_approval_request(offboarding, token, ["a reason"], RETENTION_ENDS_AT, LOG_ENTRY)


def decide(table: Table, decided_in: str = ARN_B, token: str = "token-1", decision: str = "Approved") -> bool:
    members = {"Decision": decision, "DecidedIn": decided_in, "DecidedBy": "boss"}
    return table.records.record_decision(ARN_A, token, members)


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


def test_a_released_entity_can_be_held_again_and_its_lock_is_kept(table: Table) -> None:
    hold(table, ARN_A)
    table.records.release(make_offboarding(ARN_A))

    assert table.find_holder() is None
    assert table.records.find_lock(ORGANIZATION_ID, USER_ID) == EntityLock(
        ARN_A, NOW, is_live=False, window_execution_arn=None
    )
    assert hold(table, ARN_B) == ARN_B


def test_only_the_holder_releases_an_entity(table: Table) -> None:
    hold(table, ARN_A)
    hold(table, ARN_B, take_over_from=ARN_A)

    table.records.release(make_offboarding(ARN_A))

    assert table.find_holder() == ARN_B


def test_releasing_an_entity_without_a_lock_writes_nothing(table: Table) -> None:
    table.records.release(make_offboarding(ARN_A))

    assert table.read_item(LOCK_ID) is None


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
    assert not table.records.renew_hold(make_offboarding(ARN_A))
    assert table.read_item(LOCK_ID) is None
    hold(table, ARN_A)
    table.records.release(make_offboarding(ARN_A))

    assert not table.records.renew_hold(make_offboarding(ARN_B))
    assert table.records.renew_hold(make_offboarding(ARN_A))
    assert table.find_holder() == ARN_A


def test_an_updated_record_has_the_new_facts_and_both_log_entries(table: Table) -> None:
    facts = {"OrganizationId": ORGANIZATION_ID, "StartedAt": NOW, "Entity": {"Id": USER_ID, "Name": "dana"}}
    table.records.create_or_update(
        ARN_A, {**facts, "Reason": "left"}, Status.SCHEDULED, RETENTION_ENDS_AT, {"At": NOW, "Step": "Scheduled"}
    )
    assert table.list_executions("Scheduled") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT

    renamed = {**facts, "Entity": {"Id": USER_ID, "Name": "dana2"}}
    table.records.create_or_update(ARN_A, renamed, Status.RECORDED, None, {"At": LATER, "Step": "Recorded"})

    assert table.list_executions("Scheduled") == []
    assert table.read_step_names(ARN_A) == ["Scheduled", "Recorded"]
    assert table.read_text(ARN_A, "Reason") == "left"
    assert table.load_record(ARN_A).entity["Name"] == "dana2"
    assert table.load_record(ARN_A).status is Status.RECORDED


def test_a_missing_item_is_none_or_zero(table: Table) -> None:
    assert table.records.find(ARN_A) is None
    assert table.records.find_lock(ORGANIZATION_ID, USER_ID) is None
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 0


def test_a_cap_of_zero_has_no_slots(table: Table) -> None:
    assert not take_slot(table, "a", 0)
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 0


def test_an_execution_takes_one_slot_even_if_it_retries(table: Table) -> None:
    assert take_slot(table, "a", 1)
    assert take_slot(table, "a", 1), "a retry already has its slot"
    assert not take_slot(table, "b", 1)
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 1


def test_a_lowered_cap_stops_new_executions_and_keeps_the_taken_slots(table: Table) -> None:
    assert all(take_slot(table, name, 3) for name in "abc")

    assert not take_slot(table, "d", 2)
    assert take_slot(table, "c", 2)
    assert take_slot(table, "d", 4), "a raised cap has room"


def test_each_day_and_each_organization_has_its_own_count(table: Table) -> None:
    assert take_slot(table, "a", 1)
    assert take_slot(table, "b", 1, day="2026-11-25")
    assert take_slot(table, "c", 1, organization_id=OTHER_ORGANIZATION_ID)


def test_thirty_simultaneous_executions_take_exactly_twenty_slots(table: Table) -> None:
    start, results = threading.Barrier(30), []

    def claim_slot(number: int) -> None:
        start.wait()
        results.append(take_slot(table, f"claim-{number}", 20))

    threads = [threading.Thread(target=claim_slot, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [False] * 10 + [True] * 20
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 20


@pytest.mark.parametrize("has_count", [False, True])
def test_one_execution_a_day_claims_the_notification(table: Table, has_count: bool) -> None:
    if has_count:
        take_slot(table, "a", 1)

    assert table.records.claim_notification(make_offboarding(ARN_A), DAY)
    assert not table.records.claim_notification(make_offboarding(ARN_B), DAY)
    assert table.records.claim_notification(make_offboarding(ARN_A), DAY), "a retry may send it again"
    assert table.records.claim_notification(make_offboarding(ARN_B), "2026-11-25")
    assert take_slot(table, "a", 1), "the notification does not change the count"
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 1


def test_a_released_notification_can_be_claimed_by_the_next_execution(table: Table) -> None:
    table.records.claim_notification(make_offboarding(ARN_A), DAY)

    table.records.release_notification(make_offboarding(ARN_B), DAY)
    assert not table.records.claim_notification(make_offboarding(ARN_B), DAY), "only the claiming execution releases it"
    table.records.release_notification(make_offboarding(ARN_A), DAY)
    assert table.records.claim_notification(make_offboarding(ARN_B), DAY)


def test_a_pending_approval_is_in_the_index_until_it_expires(table: Table) -> None:
    table.create_record("a")

    assert request_approval(table)

    assert table.list_executions("AwaitingApproval") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT
    assert table.load_record(ARN_A).task_token == "token-1"


def test_no_approval_is_requested_without_a_record(table: Table) -> None:
    assert not request_approval(table)
    assert table.read_item(ARN_A) is None


def test_only_the_first_decision_is_recorded(table: Table) -> None:
    table.create_record("a")
    request_approval(table)

    assert decide(table, ARN_B)
    assert decide(table, ARN_B), "the same execution may record its decision again"
    assert not decide(table, ARN_C, decision="Rejected")
    assert table.load_record(ARN_A).decision == {"Decision": "Approved", "DecidedIn": ARN_B, "DecidedBy": "boss"}


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
    assert table.read_item(ARN_A) is None


def test_an_attempt_is_recorded_with_the_end_of_the_retention(table: Table) -> None:
    table.create_record("a")
    request_approval(table)

    assert table.record_attempt(ARN_A)

    record = table.load_record(ARN_A)
    assert (record.status, record.deregistration_attempted, record.task_token) == (Status.DEREGISTERING, True, None)
    assert table.list_executions("InWindow") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT
    assert table.read_step_names(ARN_A)[-1] == "Deregister"


def test_no_attempt_is_recorded_by_an_execution_that_does_not_hold_the_entity(table: Table) -> None:
    table.create_record("a")
    hold(table, ARN_B, take_over_from=ARN_A)
    item = table.read_item(ARN_A)

    assert not table.record_attempt(ARN_A)
    assert table.read_item(ARN_A) == item


def test_no_attempt_is_recorded_without_a_lock(table: Table) -> None:
    table.create_record("a")
    table.delete_item(LOCK_ID)

    assert not table.record_attempt(ARN_A)
    assert table.read_item(LOCK_ID) is None
    assert not table.load_record(ARN_A).deregistration_attempted


def test_no_attempt_is_recorded_without_a_record(table: Table) -> None:
    hold(table, ARN_A)

    assert not table.record_attempt(ARN_A)
    assert table.read_item(ARN_A) is None


def test_a_deregistered_entity_is_in_the_window_until_the_retention_ends(table: Table) -> None:
    table.create_deregistered_record("a", retention_ends_at=RETENTION_ENDS_AT)
    table.create_deregistered_record("b", "entity-b", retention_ends_at="2026-12-23T09:00:00.000Z")
    table.create_record("c", "entity-c")

    assert list_window(table) == [ARN_B, ARN_A]
    assert list(table.records.iterate_by_status(Status.IN_WINDOW, OTHER_ORGANIZATION_ID)) == []
    record = table.load_record(ARN_A)
    assert (record.status, record.deregistered_at) == (Status.IN_WINDOW, NOW)
    assert record.retention_ends_at == RETENTION_ENDS_AT


def test_the_index_is_read_to_the_last_page(table: Table) -> None:
    table.create_deregistered_record("a")
    item = table.read_item(ARN_A)
    with Stubber(records_module.database) as stub:
        stub.add_response("query", {"Items": [item], "LastEvaluatedKey": {"Id": {"S": ARN_A}}})
        stub.add_response(
            "query",
            {"Items": [item]},
            {
                "TableName": "records",
                "IndexName": "ByStatus",
                "KeyConditionExpression": "StatusKey = :key",
                "ExpressionAttributeValues": {":key": {"S": f"InWindow {ORGANIZATION_ID}"}},
                "ExclusiveStartKey": {"Id": {"S": ARN_A}},
            },
        )
        assert list_window(table) == [ARN_A, ARN_A]


@pytest.mark.parametrize(
    "write",
    [
        lambda records: records.record_deregistration(
            make_offboarding(ARN_A), {"RetentionEndsAt": RETENTION_ENDS_AT}, LOG_ENTRY
        ),
        lambda records: records.record_refusal(ARN_A, LOG_ENTRY),
        lambda records: records.record_verification(make_offboarding(ARN_A), None, LOG_ENTRY),
        lambda records: records.record_verification(make_offboarding(ARN_A), "CleanupVerified", LOG_ENTRY),
        lambda records: records.supersede(ARN_A, ARN_B, LOG_ENTRY),
        lambda records: records.record_restore_step(
            make_record("a"), Status.RESTORED, {"RestoredAt": LATER}, LOG_ENTRY
        ),
        lambda records: records.close(make_record("a"), "Stopped", None, LATER),
    ],
)
def test_an_update_does_not_create_a_deleted_record_again(table: Table, write: Any) -> None:
    assert write(table.records) is False
    assert table.read_item(ARN_A) is None


def test_a_verification_without_an_outcome_adds_only_a_log_entry(table: Table) -> None:
    table.create_record("a")
    item = table.read_item(ARN_A)

    assert record_verification(table, None)

    updated_item = table.read_item(ARN_A)
    assert table.read_step_names(ARN_A) == ["Recorded", "Something"]
    assert {**updated_item, "Steps": None} == {**item, "Steps": None}


@pytest.mark.parametrize("outcome", ["CleanupVerified", "Reenabled", "EntityRemoved"])
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

    assert table.records.record_refusal(ARN_A, {"At": LATER, "Step": "Refused"})

    record = table.load_record(ARN_A)
    assert (record.status, record.deregistration_attempted) == (Status.RECORDED, False)
    assert table.list_executions("InWindow") == []
    assert table.read_step_names(ARN_A)[-1] == "Refused"


def test_the_window_belongs_to_the_record_of_the_last_deregistration(table: Table) -> None:
    table.create_deregistered_record("a")
    assert find_window_execution(table) == ARN_A
    table.close_record(ARN_A, ended_at=LATER)

    table.create_deregistered_record("b")

    assert find_window_execution(table) == ARN_B
    assert table.load_record(ARN_A).superseded_by == ARN_B
    assert table.list_executions("InWindow") == ["b"]
    assert table.read_step_names(ARN_A)[-1] == "Superseded"


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

    assert table.records.supersede(ARN_A, ARN_B, LOG_ENTRY)

    assert table.load_record(ARN_A).superseded_by == ARN_B
    assert table.list_executions("InWindow") == []


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


@pytest.mark.parametrize("outcome", ["CleanupVerified", "Reenabled", "EntityRemoved"])
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
    table.records.supersede(ARN_B, ARN_C, LOG_ENTRY)

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
    item = table.read_item(ARN_A)

    assert table.close_record(ARN_A, outcome, ended_at=LATER)

    assert table.read_item(ARN_A) == item


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

    table.record_deregistration(ARN_A)
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
    assert table.find_holder() is None


def test_a_number_with_a_fraction_is_written_exactly(table: Table) -> None:
    table.create_record("a", Entity={"MailboxSize": 0.1, "Groups": [{"Share": 2.5}]})
    table.records.record_verification(
        make_offboarding(ARN_A), None, {**LOG_ENTRY, "Signals": {"MailboxSize": 1536.25, "Check": 2, "NotGiven": []}}
    )

    item = {name: TypeDeserializer().deserialize(value) for name, value in table.read_item(ARN_A).items()}
    assert item["Entity"]["MailboxSize"] == Decimal("0.1")
    assert item["Entity"]["Groups"] == [{"Share": Decimal("2.5")}]
    assert item["Steps"][-1]["Signals"] == {"MailboxSize": Decimal("1536.25"), "Check": 2, "NotGiven": []}


def test_the_key_of_the_index_has_the_status_and_the_organization() -> None:
    assert status_key(Status.IN_WINDOW, ORGANIZATION_ID) == f"InWindow {ORGANIZATION_ID}"


READ_AND_WRITE = [
    pytest.param("get_item", lambda records: records.find(ARN_A), "dynamodb:GetItem", id="read"),
    pytest.param(
        "update_item", lambda records: records.supersede(ARN_A, ARN_B, LOG_ENTRY), "dynamodb:UpdateItem", id="write"
    ),
    pytest.param(
        "query",
        lambda records: list(records.iterate_by_status(Status.IN_WINDOW, ORGANIZATION_ID)),
        "dynamodb:Query",
        id="query",
    ),
]


@pytest.mark.parametrize(("method", "call", "action"), READ_AND_WRITE)
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ProvisionedThroughputExceededException", errors.RecordUnavailable),
        ("ThrottlingException", errors.RecordUnavailable),
        ("RequestLimitExceeded", errors.RecordUnavailable),
        ("InternalServerError", errors.RecordUnavailable),
        ("TransactionConflictException", errors.RecordUnavailable),
        ("ResourceNotFoundException", errors.RecordUnavailable),
        ("AccessDeniedException", errors.AccessDenied),
        ("UnrecognizedClientException", errors.AccessDenied),
        ("ValidationException", errors.UnexpectedAnswer),
    ],
)
def test_each_error_of_dynamodb_is_mapped_to_one_error(
    method: str, call: Any, action: str, code: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, RECORDS_TABLE="records")
    with Stubber(records_module.database) as stub:
        stub.add_client_error(method, code, "dana@example.com is secret")
        with pytest.raises(errors.OffboardingError) as failure:
            call(Records())

    assert type(failure.value) is error
    assert f"{action} " in str(failure.value)
    assert code in str(failure.value)
    assert "dana" not in str(failure.value)
    assert failure.value.__cause__ is None


@pytest.mark.parametrize(("method", "call", "action"), READ_AND_WRITE)
@pytest.mark.parametrize("error", [ConnectTimeoutError, ReadTimeoutError, EndpointConnectionError])
def test_a_call_to_dynamodb_without_an_answer_is_unavailable(
    method: str, call: Any, action: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, RECORDS_TABLE="records")
    monkeypatch.setattr(records_module.database, method, make_raiser(error(endpoint_url="https://dynamodb")))

    with pytest.raises(errors.RecordUnavailable, match=rf"{action} failed \({error.__name__}\)"):
        call(Records())
