"""The records: one live offboarding per entity, one count per day, and writes that can be made again."""

import threading
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from local.defaults import ORGANIZATION_ID
from offboarding.adapters import records as module
from offboarding.adapters.records import Records, entity_lock_id, status_key
from offboarding.domain import errors
from offboarding.domain.record import EntityLock, Status
from tests.unit.conftest import DAY, NOW, USER_ID, Table, a_record, an_offboarding, configure, execution

A, B, C = execution("a"), execution("b"), execution("c")
POINTER = entity_lock_id(ORGANIZATION_ID, USER_ID)
LATER = "2026-11-24T10:00:00.000Z"
ENDS = "2026-12-24T09:00:00.000Z"
STEP = {"At": LATER, "Step": "Something"}


def hold(table: Table, arn: str, over: str | None = None) -> str:
    """Try to hold the entity; return who holds it then."""
    other = table.records.hold(an_offboarding(arn), NOW, take_over_from=over)
    return other.execution_arn if other else arn


def holder(table: Table) -> str | None:
    return table.holder()


def window_of(table: Table) -> str | None:
    pointer = table.records.find_lock(ORGANIZATION_ID, USER_ID)
    return pointer.window_execution_arn if pointer else None


def deregistered(table: Table, arn: str, ends: str) -> bool:
    step = {"At": LATER, "Step": "Deregistered"}
    return table.records.record_deregistration(an_offboarding(arn), {"RetentionEndsAt": ends}, step)


def take(table: Table, name: str, cap: int, day: str = DAY, organization_id: str = ORGANIZATION_ID) -> bool:
    return table.records.take_slot(an_offboarding(execution(name), organization_id=organization_id), day, cap)


def begin(table: Table, arn: str) -> bool:
    step = {"At": NOW, "Step": "Deregister"}
    return table.records.record_attempt(an_offboarding(arn), ENDS, step) is not None


def test_whoever_comes_first_holds_an_entity_and_the_next_one_is_told_who(table: Table) -> None:
    assert holder(table) is None
    assert hold(table, A) == A
    assert hold(table, B) == A
    assert hold(table, A) == A, "to hold it again changes nothing"
    assert holder(table) == A


def test_an_entity_is_taken_over_only_from_the_holder_that_was_looked_at(table: Table) -> None:
    hold(table, A)

    assert hold(table, C, over=B) == A
    assert hold(table, B, over=A) == B
    assert hold(table, C, over=A) == B, "two that look at the same holder do not both take over"
    assert holder(table) == B


def test_what_was_let_go_can_be_held_by_anybody_and_is_still_found(table: Table) -> None:
    hold(table, A)
    table.records.release(an_offboarding(A))

    assert holder(table) is None
    assert table.records.find_lock(ORGANIZATION_ID, USER_ID) == EntityLock(
        A, NOW, is_live=False, window_execution_arn=None
    )
    assert hold(table, B) == B


def test_only_the_holder_lets_go(table: Table) -> None:
    hold(table, A)
    hold(table, B, over=A)

    table.records.release(an_offboarding(A))

    assert holder(table) == B


def test_to_let_go_of_what_nobody_holds_writes_nothing(table: Table) -> None:
    table.records.release(an_offboarding(A))

    assert table.item(POINTER) is None


def test_each_entity_and_each_organization_is_held_by_itself(table: Table) -> None:
    hold(table, A)

    assert table.records.hold(an_offboarding(B, "another"), NOW) is None
    assert table.records.hold(an_offboarding(C, USER_ID, "m-" + "0" * 32), NOW) is None


def test_the_one_who_holds_an_entity_is_told_with_since_when(table: Table) -> None:
    hold(table, A)

    assert table.records.hold(an_offboarding(B), LATER) == EntityLock(A, NOW, is_live=True, window_execution_arn=None)


def test_only_the_last_holder_holds_an_entity_again(table: Table) -> None:
    assert not table.records.renew_hold(an_offboarding(A))
    assert table.item(POINTER) is None
    hold(table, A)
    table.records.release(an_offboarding(A))

    assert not table.records.renew_hold(an_offboarding(B))
    assert table.records.renew_hold(an_offboarding(A))
    assert holder(table) == A


def test_a_record_that_is_opened_again_has_the_newer_facts_and_both_steps(table: Table) -> None:
    facts = {"OrganizationId": ORGANIZATION_ID, "StartedAt": NOW, "Entity": {"Id": USER_ID, "Name": "dana"}}
    table.records.create_or_update(
        A, {**facts, "Reason": "left"}, Status.SCHEDULED, ENDS, {"At": NOW, "Step": "Scheduled"}
    )
    assert table.with_status("Scheduled") == ["a"]
    assert table.text(A, "DueAt") == ENDS

    renamed = {**facts, "Entity": {"Id": USER_ID, "Name": "dana2"}}
    table.records.create_or_update(A, renamed, Status.RECORDED, None, {"At": LATER, "Step": "Recorded"})

    assert table.with_status("Scheduled") == []
    assert table.steps(A) == ["Scheduled", "Recorded"]
    assert table.text(A, "Reason") == "left"
    assert table.get(A).entity["Name"] == "dana2"
    assert table.get(A).status is Status.RECORDED


def test_what_is_not_recorded_is_none(table: Table) -> None:
    assert table.records.find(A) is None
    assert table.records.find_lock(ORGANIZATION_ID, USER_ID) is None
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 0


def test_a_cap_of_nought_lets_nobody_through(table: Table) -> None:
    assert not take(table, "a", 0)
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 0


def test_an_execution_counts_once_however_often_it_asks(table: Table) -> None:
    assert take(table, "a", 1)
    assert take(table, "a", 1), "a retry has its slot already"
    assert not take(table, "b", 1)
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 1


def test_a_cap_that_is_lowered_stops_the_next_ones_and_not_those_who_have_a_slot(table: Table) -> None:
    assert all(take(table, name, 3) for name in "abc")

    assert not take(table, "d", 2)
    assert take(table, "c", 2)
    assert take(table, "d", 4), "raised again, there is room"


def test_each_day_and_each_organization_has_its_own_count(table: Table) -> None:
    assert take(table, "a", 1)
    assert take(table, "b", 1, day="2026-11-25")
    assert take(table, "c", 1, organization_id="m-" + "0" * 32)


def test_thirty_at_once_take_exactly_the_twenty_slots_there_are(table: Table) -> None:
    start, answers = threading.Barrier(30), []

    def claim(number: int) -> None:
        start.wait()
        answers.append(take(table, f"claim-{number}", 20))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [False] * 10 + [True] * 20
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 20


@pytest.mark.parametrize("slots_first", [False, True])
def test_the_notice_of_a_day_is_given_once(table: Table, slots_first: bool) -> None:
    if slots_first:
        take(table, "a", 1)

    assert table.records.claim_notification(an_offboarding(A), DAY)
    assert not table.records.claim_notification(an_offboarding(B), DAY)
    assert table.records.claim_notification(an_offboarding(A), DAY), "a retry may give it once more"
    assert table.records.claim_notification(an_offboarding(B), "2026-11-25")
    assert take(table, "a", 1), "the count is not disturbed by the notice"
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 1


def test_a_notice_that_could_not_be_given_is_left_to_the_next_one(table: Table) -> None:
    table.records.claim_notification(an_offboarding(A), DAY)

    table.records.release_notification(an_offboarding(B), DAY)
    assert not table.records.claim_notification(an_offboarding(B), DAY), "only whoever has it gives it back"
    table.records.release_notification(an_offboarding(A), DAY)
    assert table.records.claim_notification(an_offboarding(B), DAY)


def await_approval(table: Table, token: str = "token-1") -> bool:
    return table.records.record_approval_request(an_offboarding(A), token, ["because"], ENDS, STEP)


def decide(table: Table, decided_in: str = B, token: str = "token-1", decision: str = "Approved") -> bool:
    return table.records.record_decision(A, token, {"Decision": decision, "DecidedIn": decided_in, "DecidedBy": "boss"})


def test_an_approval_is_awaited_in_the_index_until_its_time_is_over(table: Table) -> None:
    table.open("a")

    assert await_approval(table)

    assert table.with_status("AwaitingApproval") == ["a"]
    assert table.text(A, "DueAt") == ENDS
    assert table.get(A).task_token == "token-1"


def test_an_approval_for_a_record_that_is_gone_is_not_awaited(table: Table) -> None:
    assert not await_approval(table)
    assert table.item(A) is None


def test_the_first_decision_counts(table: Table) -> None:
    table.open("a")
    await_approval(table)

    assert decide(table, B)
    assert decide(table, B), "whoever decided may write it again"
    assert not decide(table, C, decision="Rejected")
    assert table.get(A).decision == {"Decision": "Approved", "DecidedIn": B, "DecidedBy": "boss"}


def test_a_decision_needs_the_token_of_the_request(table: Table) -> None:
    table.open("a")
    assert not decide(table), "nothing is awaited yet"
    await_approval(table)

    assert not decide(table, token="another")
    assert not decide(table, token="")
    assert table.get(A).decision is None


def test_a_new_request_forgets_the_answer_to_the_former_one(table: Table) -> None:
    table.open("a")
    await_approval(table)
    decide(table)

    await_approval(table, "token-2")

    assert table.get(A).decision is None
    assert not decide(table, token="token-1")
    assert decide(table, C, token="token-2", decision="Rejected")


def test_a_decision_on_what_is_not_recorded_writes_nothing(table: Table) -> None:
    assert not decide(table)
    assert table.item(A) is None


def test_before_the_call_the_record_says_that_it_comes_and_until_when_the_mailbox_would_last(table: Table) -> None:
    table.open("a")
    await_approval(table)

    assert begin(table, A)

    record = table.get(A)
    assert (record.status, record.deregistration_attempted, record.task_token) == (Status.DEREGISTERING, True, None)
    assert table.with_status("InWindow") == ["a"]
    assert table.text(A, "DueAt") == ENDS
    assert table.steps(A)[-1] == "Deregister"


def test_nothing_is_begun_by_an_execution_that_does_not_hold_the_entity(table: Table) -> None:
    table.open("a")
    hold(table, B, over=A)
    before = table.item(A)

    assert not begin(table, A)
    assert table.item(A) == before


def test_nothing_is_begun_for_an_entity_that_nobody_holds(table: Table) -> None:
    table.open("a")
    table.delete(POINTER)

    assert not begin(table, A)
    assert table.item(POINTER) is None
    assert not table.get(A).deregistration_attempted


def test_nothing_is_begun_without_a_record(table: Table) -> None:
    hold(table, A)

    assert not begin(table, A)
    assert table.item(A) is None


def test_what_workmail_confirmed_is_in_the_window_until_the_retention_ends(table: Table) -> None:
    table.deregister("a", due_at="2026-12-24T09:00:00.000Z")
    table.deregister("b", "entity-b", due_at="2026-12-23T09:00:00.000Z")
    table.open("c", "entity-c")

    assert [record.execution_arn for record in table.records.iterate_by_status(Status.IN_WINDOW, ORGANIZATION_ID)] == [
        B,
        A,
    ]
    assert list(table.records.iterate_by_status(Status.IN_WINDOW, "m-" + "0" * 32)) == []
    record = table.get(A)
    assert (record.status, record.deregistered_at) == (Status.IN_WINDOW, NOW)
    assert record.retention_ends_at == "2026-12-24T09:00:00.000Z"


def test_the_window_is_read_to_its_end(table: Table) -> None:
    table.deregister("a")
    item = table.item(A)
    with Stubber(module.database) as stub:
        stub.add_response("query", {"Items": [item], "LastEvaluatedKey": {"Id": {"S": A}}})
        stub.add_response(
            "query",
            {"Items": [item]},
            {
                "TableName": "records",
                "IndexName": "ByStatus",
                "KeyConditionExpression": "StatusKey = :key",
                "ExpressionAttributeValues": {":key": {"S": f"InWindow {ORGANIZATION_ID}"}},
                "ExclusiveStartKey": {"Id": {"S": A}},
            },
        )
        assert [
            record.execution_arn for record in table.records.iterate_by_status(Status.IN_WINDOW, ORGANIZATION_ID)
        ] == [A, A]


@pytest.mark.parametrize(
    "write",
    [
        lambda records: records.record_deregistration(an_offboarding(A), {"RetentionEndsAt": ENDS}, STEP),
        lambda records: records.record_refusal(A, STEP),
        lambda records: records.record_verification(an_offboarding(A), None, STEP),
        lambda records: records.record_verification(an_offboarding(A), "CleanupVerified", STEP),
        lambda records: records.supersede(A, B, STEP),
        lambda records: records.record_restore_step(a_record("a"), Status.RESTORED, {"RestoredAt": LATER}, STEP),
        lambda records: records.close(a_record("a"), "Stopped", None, LATER),
    ],
)
def test_a_record_that_somebody_deleted_does_not_come_back_in_pieces(table: Table, write: Any) -> None:
    assert write(table.records) is False
    assert table.item(A) is None


def test_a_step_is_added_and_nothing_else_changes(table: Table) -> None:
    table.open("a")
    before = table.item(A) or {}

    assert look(table, None)

    after = table.item(A) or {}
    assert table.steps(A) == ["Recorded", "Something"]
    assert {k: v for k, v in after.items() if k != "Steps"} == {k: v for k, v in before.items() if k != "Steps"}


def look(table: Table, outcome: str | None, arn: str = A) -> bool:
    step = {"At": LATER, "Step": "Something"}
    return table.records.record_verification(an_offboarding(arn), outcome, step)


@pytest.mark.parametrize("outcome", ["CleanupVerified", "Reenabled", "EntityRemoved"])
def test_a_look_with_an_outcome_ends_the_record_and_the_window(table: Table, outcome: str) -> None:
    table.deregister("a")

    assert look(table, outcome)

    record = table.get(A)
    assert (record.status, record.outcome, record.ended_at) == (Status.ENDED, outcome, LATER)
    assert table.with_status("InWindow") == []
    assert holder(table) is None


def test_where_workmail_ends_first_the_mailbox_stays_listed_until_its_retention_ends(table: Table) -> None:
    table.deregister("a")

    look(table, "ServiceEnded")
    assert table.with_status("InWindow") == ["a"]
    table.records.close(table.get(A), "ServiceEnded", None, LATER)
    assert table.with_status("InWindow") == ["a"]
    assert table.get(A).status is Status.ENDED


def test_what_workmail_refused_to_deregister_is_not_in_the_window(table: Table) -> None:
    table.open("a")
    begin(table, A)

    assert table.records.record_refusal(A, {"At": LATER, "Step": "Refused"})

    record = table.get(A)
    assert (record.status, record.deregistration_attempted) == (Status.RECORDED, False)
    assert table.with_status("InWindow") == []
    assert table.steps(A)[-1] == "Refused"


def test_who_watches_the_same_window_anew_has_its_record(table: Table) -> None:
    table.deregister("a")
    assert window_of(table) == A
    table.records.close(table.get(A), "Stopped", None, LATER)

    table.deregister("b")

    assert window_of(table) == B
    assert table.get(A).superseded_by == B
    assert table.with_status("InWindow") == ["b"]
    assert table.steps(A)[-1] == "Superseded"


def test_who_does_not_hold_the_entity_does_not_have_its_window(table: Table) -> None:
    table.deregister("a")
    hold(table, B, over=A)
    assert window_of(table) == A, "to take over is not to deregister"

    deregistered(table, C, ENDS)

    assert window_of(table) == A
    assert table.get(A).superseded_by is None


def test_to_record_the_same_deregistration_again_supersedes_nobody(table: Table) -> None:
    table.deregister("a")

    assert deregistered(table, A, ENDS)

    assert table.get(A).superseded_by is None
    assert table.with_status("InWindow") == ["a"]


def test_what_is_superseded_is_not_in_the_window_any_more(table: Table) -> None:
    table.deregister("a")

    assert table.records.supersede(A, B, STEP)

    assert table.get(A).superseded_by == B
    assert table.with_status("InWindow") == []


def test_a_restore_leaves_the_window_only_when_it_is_complete(table: Table) -> None:
    table.deregister("a")

    table.records.record_restore_step(table.get(A), Status.RESTORING, {}, STEP)
    assert table.with_status("InWindow") == ["a"]
    table.records.record_restore_step(table.get(A), Status.RESTORED, {"RestoredAt": LATER}, STEP)
    assert table.with_status("InWindow") == []
    assert table.with_status("Restored") == ["a"]
    assert table.text(A, "DueAt") == ENDS
    assert table.get(A).status is Status.RESTORED
    assert table.text(A, "RestoredAt") == LATER


@pytest.mark.parametrize("outcome", ["CleanupVerified", "Reenabled", "EntityRemoved"])
def test_what_was_watched_to_the_end_is_ended_and_leaves_the_index(table: Table, outcome: str) -> None:
    table.deregister("a")

    assert table.records.close(table.get(A), outcome, None, LATER)

    item = table.item(A) or {}
    assert (item["Status"], item["Outcome"], item["EndedAt"]) == ({"S": "Ended"}, {"S": outcome}, {"S": LATER})
    assert not {"StatusKey", "DueAt", "Cause"} & set(item)
    assert holder(table) is None


@pytest.mark.parametrize("outcome", ["Stopped", "TimedOut", "Forgotten", "WorkMailUnavailable", "CleanupOverdue"])
def test_what_is_not_watched_to_the_end_stays_in_the_window_for_its_mailbox_goes(table: Table, outcome: str) -> None:
    table.deregister("a")

    assert table.records.close(table.get(A), outcome, "a mistake", LATER)

    assert table.get(A).status is Status.UNWATCHED
    assert table.get(A).outcome == outcome
    assert table.text(A, "Cause") == "a mistake"
    assert table.with_status("InWindow") == ["a"]
    assert table.text(A, "DueAt") == ENDS
    assert holder(table) is None


def test_what_was_stopped_while_the_call_was_being_made_stays_in_the_window(table: Table) -> None:
    table.open("a")
    begin(table, A)

    table.records.close(table.get(A), "Stopped", None, LATER)

    assert table.get(A).status is Status.UNWATCHED
    assert table.with_status("InWindow") == ["a"]


def test_what_was_stopped_before_anything_happened_is_ended(table: Table) -> None:
    table.open("a")
    await_approval(table)

    table.records.close(table.get(A), "Stopped", None, LATER)

    record = table.get(A)
    assert (record.status, record.outcome, record.task_token) == (Status.ENDED, "Stopped", None)
    assert table.with_status("AwaitingApproval") == []


def test_what_was_restored_or_superseded_is_ended_however_it_stopped(table: Table) -> None:
    table.deregister("a")
    table.records.record_restore_step(table.get(A), Status.RESTORED, {}, STEP)
    table.deregister("b", "entity-b")
    table.records.supersede(B, C, STEP)

    table.records.close(table.get(A), "Stopped", None, LATER)
    table.records.close(table.get(B), "Stopped", None, LATER)

    assert [table.get(arn).status for arn in (A, B)] == [Status.ENDED, Status.ENDED]
    assert table.with_status("InWindow") == []


def test_a_record_is_closed_once_however_often_it_is_told(table: Table) -> None:
    table.deregister("a")
    record = table.get(A)

    assert table.records.close(record, "Stopped", None, LATER)
    assert not table.records.close(record, "Stopped", None, LATER), "it has changed since it was read"
    assert table.steps(A).count("Ended") == 1


@pytest.mark.parametrize("outcome", ["CleanupVerified", "Stopped"])
def test_to_close_again_what_is_closed_changes_nothing(table: Table, outcome: str) -> None:
    table.open("a")
    table.records.close(table.get(A), outcome, None, LATER)
    before = table.item(A)

    assert table.records.close(table.get(A), outcome, None, LATER)

    assert table.item(A) == before


def test_a_record_that_changed_since_it_was_read_is_not_closed_by_it(table: Table) -> None:
    table.open("a")
    read = table.get(A)
    begin(table, A)

    assert not table.records.close(read, "Stopped", None, LATER)

    assert table.get(A).status is Status.DEREGISTERING
    assert table.with_status("InWindow") == ["a"]


def test_an_execution_that_was_redriven_opens_its_record_and_closes_it_again(table: Table) -> None:
    table.deregister("a")
    table.records.close(table.get(A), "WorkMailUnavailable", "no answer", LATER)

    deregistered(table, A, ENDS)
    record = table.get(A)
    assert (record.status, record.outcome, record.ended_at) == (Status.IN_WINDOW, None, None)
    assert table.records.close(record, "CleanupVerified", None, ENDS)

    assert table.get(A).outcome == "CleanupVerified"
    assert table.steps(A).count("Ended") == 2
    assert table.with_status("InWindow") == []


def test_to_close_a_record_does_not_let_go_for_the_one_who_took_over(table: Table) -> None:
    table.deregister("a")
    hold(table, B, over=A)

    table.records.close(table.get(A), "Stopped", None, LATER)

    assert holder(table) == B


def test_to_close_what_was_deleted_lets_go_all_the_same(table: Table) -> None:
    table.deregister("a")
    record = table.get(A)
    table.delete(A)

    assert not table.records.close(record, "Stopped", None, LATER)
    assert table.item(A) is None
    assert holder(table) is None


def test_the_identifiers_of_a_record_are_the_id_the_name_the_address_and_the_aliases(table: Table) -> None:
    table.open("a", Entity={"Aliases": ["d@example.com"]})
    table.open("b", "entity-b", Entity={"Aliases": None, "Email": None})

    assert table.get(A).identifiers == {USER_ID, "dana", "dana@example.com", "d@example.com"}
    assert table.get(B).identifiers == {"entity-b", "dana"}


def test_a_number_with_a_fraction_is_written_as_it_reads(table: Table) -> None:
    table.open("a", Entity={"MailboxSize": 0.1, "Groups": [{"Share": 2.5}]})
    table.records.record_verification(
        an_offboarding(A), None, {**STEP, "Signals": {"MailboxSize": 1536.25, "Check": 2, "NotGiven": []}}
    )

    item = {name: TypeDeserializer().deserialize(value) for name, value in (table.item(A) or {}).items()}
    assert item["Entity"]["MailboxSize"] == Decimal("0.1")
    assert item["Entity"]["Groups"] == [{"Share": Decimal("2.5")}]
    assert item["Steps"][-1]["Signals"] == {"MailboxSize": Decimal("1536.25"), "Check": 2, "NotGiven": []}


def test_the_key_of_the_index_is_a_status_and_an_organization() -> None:
    assert status_key(Status.IN_WINDOW, ORGANIZATION_ID) == f"InWindow {ORGANIZATION_ID}"


READ_AND_WRITE = [
    pytest.param("get_item", lambda records: records.find(A), "dynamodb:GetItem", id="read"),
    pytest.param("update_item", lambda records: records.supersede(A, B, STEP), "dynamodb:UpdateItem", id="write"),
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
    ],
)
def test_an_error_of_dynamodb_has_one_name(
    method: str, call: Any, action: str, code: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, "RECORDS_TABLE", "records")
    with Stubber(module.database) as stub:
        stub.add_client_error(method, code, "dana@example.com is secret")
        with pytest.raises(errors.OffboardingError) as failure:
            call(Records())

    assert type(failure.value) is error
    assert f"{action} " in str(failure.value)
    assert code in str(failure.value)
    assert "dana" not in str(failure.value)
    assert failure.value.__cause__ is None


@pytest.mark.parametrize(("method", "call", "action"), READ_AND_WRITE)
@pytest.mark.parametrize("problem", [ConnectTimeoutError, ReadTimeoutError, EndpointConnectionError])
def test_no_answer_of_dynamodb_may_pass(
    method: str, call: Any, action: str, problem: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise problem(endpoint_url="https://dynamodb")

    configure(monkeypatch, "RECORDS_TABLE", "records")
    monkeypatch.setattr(module.database, method, fail)
    with pytest.raises(errors.RecordUnavailable, match=rf"{action} failed \({problem.__name__}\)"):
        call(Records())
