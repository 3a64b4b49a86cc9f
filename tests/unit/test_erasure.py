"""The erasure of one person: what is deleted, what belongs to others and stays, and a repetition after a failure."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from local.defaults import ORGANIZATION_ID
from offboarding.adapters import erasure as erasure_module
from offboarding.adapters import table as table_module
from offboarding.adapters.erasure import Erasure, erase_entity, record_erasure
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.records import Records, entity_key, erased_key, identifier_key, provider_user_key
from offboarding.adapters.reports import Report, Reports
from offboarding.domain import errors
from offboarding.domain.record import Status
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import parse
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    ARN_C,
    NOW,
    OTHER_ORGANIZATION_ID,
    RECORD_DEFAULTS,
    RETENTION_ENDS_AT,
    RUNNING,
    STARTED_AT,
    TABLE_NAME,
    USER_ID,
    Table,
    deserialize,
    make_execution_arn,
    make_key,
    make_offboarding,
    make_raiser,
)

MOMENT = parse(NOW)
DAY, MILLISECOND = timedelta(days=1), timedelta(milliseconds=1)
LATER = "2026-11-24T10:00:00.000Z"
KIM_ID = "12a3b4c5-0000-4000-8000-000000000002"
ENTITY_KEY = entity_key(ORGANIZATION_ID, USER_ID)
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", ended_at=NOW)
FORGOTTEN = ExecutionStatus(is_running=False, outcome="Forgotten")
TOMBSTONE_EXPIRES_AT = int((MOMENT + timedelta(days=100)).timestamp())


def erase(moment: datetime = MOMENT, *identifiers: str, entity_id: str = USER_ID) -> Erasure:
    return erase_entity(ORGANIZATION_ID, entity_id, moment, identifiers)


def set_status(monkeypatch: pytest.MonkeyPatch, status: ExecutionStatus) -> list[str]:
    """Make Step Functions show this status; return the ARNs for which it is asked, in a list that grows."""
    arns: list[str] = []

    def read(execution_arn: str) -> ExecutionStatus:
        arns.append(execution_arn)
        return status

    monkeypatch.setattr(erasure_module, "read_execution_status", read)
    return arns


@pytest.fixture(autouse=True)
def no_execution_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    error = AssertionError("Step Functions is asked only about the execution that holds the entity.")
    monkeypatch.setattr(erasure_module, "read_execution_status", make_raiser(error))


def read_items(table: Table) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the whole table by its keys."""
    items = map(deserialize, table.read_all())
    return {(item["Id"], item["Part"]): item for item in items}


def create_ended_record(table: Table, name: str = "a", entity_id: str = USER_ID, **members: Any) -> str:
    """Write the record of an offboarding that ended before it touched anything, and its starter."""
    execution_arn = table.create_record(name, entity_id, **members)
    table.close_record(execution_arn, "Stopped", ended_at=LATER)
    table.records.record_starter(execution_arn, "arn:aws:iam::123456789012:user/dana.boss", STARTED_AT)
    return execution_arn


def end_unresolved(table: Table, name: str, identifier: str, organization_id: str | None = ORGANIZATION_ID) -> str:
    """Write the record of an execution that resolved no entity."""
    execution_arn = make_execution_arn(name)
    organization = {"OrganizationId": organization_id} if organization_id else {}
    facts = {"EntityId": identifier, "StartedAt": STARTED_AT, **organization}
    table.records.record_end(execution_arn, facts, "EntityNotFound", "No entity.", LATER)
    return execution_arn


def create_in_other_organization(table: Table, name: str) -> str:
    """Write the record of an ended offboarding of an entity with the same id, name and address elsewhere."""
    offboarding = make_offboarding(make_execution_arn(name), USER_ID, OTHER_ORGANIZATION_ID)
    facts, log_entry = {"StartedAt": STARTED_AT, "Entity": offboarding.entity}, {"At": NOW, "Step": "Recorded"}
    table.records.hold(offboarding, NOW)
    table.records.create_or_update(offboarding, facts, Status.RECORDED, None, log_entry)
    table.close_record(offboarding.execution_arn, ended_at=LATER)
    return offboarding.execution_arn


def make_tombstones(*execution_arns: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        tuple(erased_key(arn)): {"Id": erased_key(arn).id, "Part": "Execution", "ExpiresAt": TOMBSTONE_EXPIRES_AT}
        for arn in execution_arns
    }


def test_nothing_is_deleted_of_a_person_of_whom_nothing_is_recorded(table: Table) -> None:
    create_ended_record(table, "b", KIM_ID, Entity={"Name": "kim", "Email": "kim@example.com"})
    items = read_items(table)

    assert erase() == Erasure(executions=0, items=0)

    assert read_items(table) == items


def test_everything_of_a_person_is_deleted_and_counted(table: Table) -> None:
    create_ended_record(table, "a", Entity={"Aliases": ["d.leaver@example.com"]})
    create_ended_record(table, "b")
    count = len(read_items(table))
    assert count == 2 * (1 + 1 + 3) + 2 * 4 + 1, "records, starters, steps; pairs of identifiers; and the lock"

    assert erase() == Erasure(executions=2, items=count)

    assert read_items(table) == make_tombstones(ARN_A, ARN_B)
    assert table.records.is_erased(ARN_A)
    assert erase() == Erasure(executions=0, items=0), "a repetition finds nothing"


def test_a_user_of_a_provider_is_erased_unless_he_stands_for_somebody_else_by_now(table: Table) -> None:
    entity = {**make_offboarding(ARN_A).entity, "Aliases": []}
    facts = {"StartedAt": STARTED_AT, "Entity": entity}
    log_entry = {"At": STARTED_AT, "Step": "Recorded"}
    for provider_user in (Reporter("okta", "00u1"), Reporter("auth0", "auth0|1")):
        offboarding = make_offboarding(ARN_A)
        table.records.create_or_update(offboarding, facts, Status.RECORDED, None, log_entry, provider_user)
    kim = make_offboarding(ARN_B, KIM_ID)
    facts = {"StartedAt": STARTED_AT, "Entity": {**kim.entity, "Name": "kim", "Email": None}}
    table.records.create_or_update(kim, facts, Status.RECORDED, None, log_entry, Reporter("okta", "00u1"))

    erase()

    parts = {(id_.partition("/")[0], part) for id_, part in read_items(table)}
    assert ("provider-user", "Entity") in parts, "he stands for kim"
    assert len([id_ for id_, part in read_items(table) if id_.startswith("provider-user/")]) == 1
    assert not [id_ for id_, _ in read_items(table) if id_.endswith(USER_ID)]


def test_what_was_reported_of_a_person_is_erased(table: Table) -> None:
    okta, request = Reporter("okta", "00u1"), Reporter("offboardingRequested", "r-1")
    cloudtrail, auth0, okta_of_kim = (
        Reporter("identityCenter", "s-1"),
        Reporter("auth0", "a-1"),
        Reporter("okta", "00u2"),
    )
    reports, requester = Reports(), {"Provider": "okta", "EventId": "e-1", "OccurredAt": NOW, "ProviderUserId": "00u1"}
    for reporter in (okta, request, auth0):
        reports.record_departure(reporter, NOW, ENTITY_KEY, is_stated=True)
    reports.record_return(cloudtrail, NOW)
    reports.record_withdrawal_of_all_requests(ENTITY_KEY, NOW)
    reports.record_return(Reporter.of_all_requests(f"{ORGANIZATION_ID}/{KIM_ID}"), NOW)
    reports.record_departure(okta_of_kim, NOW, f"{ORGANIZATION_ID}/{KIM_ID}", is_stated=True)
    create_ended_record(table, "a", Requester=requester)
    by_request = {"Provider": "offboardingRequested", "EventId": "r-1", "OccurredAt": NOW}
    by_cloudtrail = {"Provider": "identityCenterScim", "EventId": "e", "OccurredAt": NOW, "ProviderUserId": "s-1"}
    by_kim = {**requester, "ProviderUserId": "00u2"}
    for member in (by_request, by_cloudtrail, by_kim):
        reports.join(ARN_A, Report.of(member, ENTITY_KEY), "name", NOW)
    subject = {"EntityId": USER_ID, "EntityKey": ENTITY_KEY, "OrganizationId": ORGANIZATION_ID}
    withdrawal = {**subject, "Presences": [provider_user_key(auth0)]}
    table.records.record_withdrawn_event("m-1", withdrawal, {"At": NOW, "Step": "Withdrawn", "Reason": "back"})

    erase()

    kept = {
        provider_user_key(reporter)
        for reporter in (okta_of_kim, Reporter.of_all_requests(f"{ORGANIZATION_ID}/{KIM_ID}"))
    }
    assert {id_ for id_, part in read_items(table) if part == "Presence"} == kept
    assert {id_.partition("/")[0] for id_, part in read_items(table) if part != "Presence"} == {"erased"}


def test_what_was_reported_of_who_stands_for_a_person_is_erased_unless_it_is_about_somebody_else(table: Table) -> None:
    okta, auth0, sailpoint = (Reporter(name, "1") for name in ("okta", "auth0", "sailpoint"))
    entity = {**make_offboarding(ARN_A).entity, "Aliases": []}
    facts, log_entry = {"StartedAt": STARTED_AT, "Entity": entity}, {"At": STARTED_AT, "Step": "Recorded"}
    for provider_user in (okta, auth0, sailpoint):
        offboarding = make_offboarding(ARN_A)
        table.records.create_or_update(offboarding, facts, Status.RECORDED, None, log_entry, provider_user)
    reports = Reports()
    reports.record_return(okta, NOW)
    reports.record_departure(auth0, NOW, ENTITY_KEY, is_stated=True)
    reports.record_departure(sailpoint, NOW, f"{ORGANIZATION_ID}/{KIM_ID}", is_stated=True)

    erase()

    kept = {id_ for id_, part in read_items(table) if part == "Presence"}
    assert kept == {provider_user_key(sailpoint)}


def test_what_is_no_report_of_a_provider_has_no_presences(table: Table) -> None:
    reports = Reports()
    create_ended_record(table, "a", Requester={"Provider": "okta", "EventId": "e-1"})
    reports.join(ARN_A, Report(), "name", NOW)

    assert erase().executions == 1

    assert read_items(table) == make_tombstones(ARN_A)


def test_no_name_and_no_address_leads_to_an_erased_person(table: Table) -> None:
    entity = {"Aliases": ["d.leaver@example.com", "sales@example.com"]}
    create_ended_record(table, "a", Entity={**entity, "Name": "dana.maiden", "Email": "dana.maiden@example.com"})
    create_ended_record(table, "b")
    arns = [end_unresolved(table, f"u{n}", text) for n, text in enumerate(("Dana.Maiden", "D.LEAVER@example.com"))]

    assert erase().executions == 4

    assert read_items(table) == make_tombstones(ARN_A, ARN_B, *arns)
    for identifier in (
        USER_ID,
        "dana",
        "dana@example.com",
        "dana.maiden",
        "dana.maiden@example.com",
        *entity["Aliases"],
    ):
        assert table.records.find_entity_ids(ORGANIZATION_ID, identifier) == []


def test_executions_that_resolved_nothing_are_deleted_by_the_recorded_and_the_further_texts(table: Table) -> None:
    create_ended_record(table, "a")
    arns = [
        end_unresolved(table, "b", "DANA@example.com"),
        end_unresolved(table, "c", USER_ID),
        end_unresolved(table, "d", "Dana Leaver's old mailbox"),
        end_unresolved(table, "e", "dana", organization_id=None),
    ]
    kept_arn = end_unresolved(table, "f", "kim")

    assert erase(MOMENT, "DANA LEAVER's old mailbox", "nobody").executions == 5

    assert {id_ for id_, _ in read_items(table)} == {kept_arn, *(erased_key(arn).id for arn in (ARN_A, *arns))}
    assert table.read_step_names(kept_arn) == ["Started", "Ended"]


def test_a_refused_request_is_deleted(table: Table) -> None:
    offboarding = make_offboarding(ARN_A)
    table.records.hold(offboarding, NOW)
    table.records.record_refused_request(offboarding, {"At": NOW, "Step": "RequestRefused"})
    facts = {"OrganizationId": ORGANIZATION_ID, "EntityId": "someone", "StartedAt": STARTED_AT}
    table.records.record_end(ARN_A, facts, "EntityProtected", None, LATER)

    assert erase().executions == 1

    assert read_items(table) == make_tombstones(ARN_A)


def test_a_planned_offboarding_is_deleted(table: Table) -> None:
    facts = {"OrganizationId": ORGANIZATION_ID, "StartedAt": STARTED_AT, "Entity": RECORD_DEFAULTS["entity"]}
    table.records.record_end(ARN_A, facts, "Planned", None, LATER)

    assert erase() == Erasure(executions=1, items=3)

    assert read_items(table) == make_tombstones(ARN_A)


def test_what_an_address_of_two_people_led_to_is_kept_until_both_are_erased(table: Table) -> None:
    create_ended_record(table, "a", Entity={"Aliases": ["sales@example.com"]})
    kim = {"Name": "kim", "Email": "kim@example.com", "Aliases": ["Sales@example.com"]}
    create_ended_record(table, "b", KIM_ID, Entity=kim)
    end_unresolved(table, "c", "sales@example.com")
    end_unresolved(table, "d", "dana@example.com")
    items_of_kim = {key: item for key, item in read_items(table).items() if key[0] in (ARN_B, ARN_C)}

    assert erase(MOMENT, "sales@example.com", "kim").executions == 2

    items = read_items(table)
    assert items_of_kim.items() <= items.items()
    assert table.records.find_entity_ids(ORGANIZATION_ID, "sales@example.com") == [KIM_ID]
    assert table.records.find_entity_ids(ORGANIZATION_ID, "kim") == [KIM_ID]
    assert not table.records.is_erased(ARN_C)
    assert erase(entity_id=KIM_ID).executions == 2
    assert read_items(table) == make_tombstones(*map(make_execution_arn, "abcd"))


def test_another_organization_is_left_alone(table: Table) -> None:
    create_in_other_organization(table, "b")
    end_unresolved(table, "c", "dana@example.com", OTHER_ORGANIZATION_ID)
    items = read_items(table)
    create_ended_record(table, "a")
    unresolved_arn = end_unresolved(table, "d", "dana@example.com")

    assert erase().executions == 2

    assert read_items(table) == {**items, **make_tombstones(ARN_A, unresolved_arn)}
    assert table.records.find_entity_ids(OTHER_ORGANIZATION_ID, "dana") == [USER_ID]


@pytest.mark.parametrize("status", [RUNNING, ExecutionStatus(is_running=True, is_redriven=True)])
def test_an_entity_that_a_running_execution_holds_is_not_erased(
    table: Table, monkeypatch: pytest.MonkeyPatch, status: ExecutionStatus
) -> None:
    create_ended_record(table, "a")
    table.create_record("b")
    items, arns = read_items(table), set_status(monkeypatch, status)

    with pytest.raises(errors.InvalidRequest) as failure:
        erase(MOMENT + 400 * DAY)

    assert str(failure.value) == (
        f"The execution {ARN_B} offboards this entity. Nothing was deleted. Erase it after that."
    )
    assert arns == [ARN_B]
    assert read_items(table) == items


@pytest.mark.parametrize(("age", "is_erased"), [(timedelta(), False), (DAY - MILLISECOND, False), (DAY, True)])
def test_an_execution_that_step_functions_may_not_show_yet_holds_its_entity_for_a_day(
    table: Table, monkeypatch: pytest.MonkeyPatch, age: timedelta, is_erased: bool
) -> None:
    table.create_record("a")
    items = read_items(table)
    set_status(monkeypatch, FORGOTTEN)

    if is_erased:
        assert erase(MOMENT + age).executions == 1
    else:
        with pytest.raises(errors.InvalidRequest, match="offboards this entity"):
            erase(MOMENT + age)
        assert read_items(table) == items
    assert table.records.is_erased(ARN_A) is is_erased


def test_an_entity_that_an_execution_holds_which_is_over_is_erased(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("a")
    set_status(monkeypatch, STOPPED)

    assert erase().executions == 1

    assert read_items(table) == make_tombstones(ARN_A)


def schedule(table: Table) -> None:
    offboarding = make_offboarding(ARN_A)
    facts, log_entry = {"StartedAt": STARTED_AT, "Entity": offboarding.entity}, {"At": NOW, "Step": "Scheduled"}
    table.records.create_or_update(offboarding, facts, Status.SCHEDULED, RETENTION_ENDS_AT, log_entry)


def request_approval(table: Table) -> None:
    log_entry = {"At": NOW, "Step": "AwaitApproval"}
    table.records.record_approval_request(make_offboarding(ARN_A), "token", ["reason"], RETENTION_ENDS_AT, log_entry)


@pytest.mark.parametrize("wait", [schedule, request_approval])
def test_an_entity_whose_execution_was_stopped_while_it_waited_is_erased(
    table: Table, monkeypatch: pytest.MonkeyPatch, wait: Callable[[Table], None]
) -> None:
    table.create_record("a")
    wait(table)
    items = read_items(table)
    set_status(monkeypatch, RUNNING)
    with pytest.raises(errors.InvalidRequest, match="offboards this entity"):
        erase()
    assert read_items(table) == items
    set_status(monkeypatch, STOPPED)

    assert erase().executions == 1, "there is nothing to restore, though the index still has its record"

    assert read_items(table) == make_tombstones(ARN_A)


@pytest.mark.parametrize("error", [errors.RecordUnavailable("later"), errors.AccessDenied("no")])
def test_nothing_is_deleted_if_step_functions_does_not_answer(
    table: Table, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    table.create_record("a")
    items = read_items(table)
    monkeypatch.setattr(erasure_module, "read_execution_status", make_raiser(error))

    with pytest.raises(type(error)):
        erase()

    assert read_items(table) == items


def restore(table: Table) -> None:
    table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORED, {}, {"At": LATER, "Step": "Restored"})


def leave_in_window(table: Table) -> None:
    """Leave the record as it is."""


@pytest.mark.parametrize("act", [leave_in_window, restore])
def test_an_entity_that_can_be_restored_is_not_erased(table: Table, act: Callable[[Table], None]) -> None:
    table.create_deregistered_record("a")
    act(table)
    table.close_record(ARN_A, ended_at=LATER)
    create_ended_record(table, "b")
    items = read_items(table)

    with pytest.raises(errors.InvalidRequest) as failure:
        erase()

    assert str(failure.value) == (
        f"The entity can be restored until {RETENTION_ENDS_AT}, and only by its record. Nothing was deleted. "
        "Erase it on the day after that."
    )
    assert read_items(table) == items
    table.records.unlist(table.load_record(ARN_A))
    assert erase().executions == 2, "once the sweep has taken it out of the index"


def test_the_last_date_of_several_records_counts(table: Table) -> None:
    for name, due_at in (("a", RETENTION_ENDS_AT), ("b", NOW), ("c", LATER)):
        table.client.update_item(
            TableName=TABLE_NAME,
            Key=make_key(create_ended_record(table, name), "Record"),
            UpdateExpression="SET StatusKey = :key, DueAt = :due_at",
            ExpressionAttributeValues={":key": {"S": "InWindow"}, ":due_at": {"S": due_at}},
        )

    with pytest.raises(errors.InvalidRequest, match=f"can be restored until {RETENTION_ENDS_AT}"):
        erase()


def test_a_person_whose_record_was_deleted_by_hand_is_erased(table: Table) -> None:
    create_ended_record(table, "a")
    table.delete_item(ARN_A)

    assert erase().executions == 1

    assert read_items(table) == make_tombstones(ARN_A)


def count_deletions(monkeypatch: pytest.MonkeyPatch, failing: int | None = None) -> Iterator[int]:
    """Count the calls of DeleteItem from here on, and have one of them fail."""
    delete_item, calls = table_module.database.delete_item, iter(range(1000))

    def delete(**parameters: Any) -> Any:
        if next(calls) == failing:
            raise BotoCoreError
        return delete_item(**parameters)

    monkeypatch.setattr(table_module.database, "delete_item", delete)
    return calls


def create_everything(table: Table) -> dict[tuple[str, str], dict[str, Any]]:
    """Write all kinds of items of a person, and of others; return those of the others."""
    create_in_other_organization(table, "x")
    create_ended_record(table, "y", KIM_ID, Entity={"Name": "kim", "Email": "kim@example.com"})
    items = read_items(table)
    create_ended_record(table, "a", Entity={"Name": "dana.maiden"})
    create_ended_record(table, "b")
    end_unresolved(table, "c", "dana.maiden")
    return items


NUMBER_OF_DELETIONS = 2 * 5 + 3 + 2 * 4 + 1
"""Two records, their starters and steps; one that resolved nothing; pairs of identifiers; and the lock."""


def test_every_deletion_can_be_interrupted(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    create_everything(table)
    calls = count_deletions(monkeypatch)

    assert erase() == Erasure(executions=3, items=NUMBER_OF_DELETIONS)

    assert next(calls) == NUMBER_OF_DELETIONS


@pytest.mark.parametrize(
    "failing",
    [pytest.param(n, marks=() if n % 4 == 0 else pytest.mark.long) for n in range(NUMBER_OF_DELETIONS)],
)
def test_an_interrupted_erasure_is_completed_by_a_repetition(
    table: Table, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    items = create_everything(table)
    with monkeypatch.context() as patch:
        count_deletions(patch, failing)
        with pytest.raises(errors.RecordUnavailable, match=r"dynamodb:DeleteItem failed"):
            erase()
    assert len(read_items(table).keys() - items.keys() - make_tombstones(ARN_A, ARN_B, ARN_C).keys()) == (
        NUMBER_OF_DELETIONS - failing
    )

    assert erase().items == NUMBER_OF_DELETIONS - failing

    assert read_items(table) == {**items, **make_tombstones(ARN_A, ARN_B, ARN_C)}


@pytest.mark.parametrize("failing", range(3))
def test_an_erasure_whose_tombstone_was_not_written_is_completed_by_a_repetition(
    table: Table, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    items = create_everything(table)
    with monkeypatch.context() as patch:
        put, calls = table_module.Table.put, iter(range(3))

        def put_or_fail(adapter: table_module.Table, item: table_module.Item) -> None:
            if next(calls) == failing:
                raise errors.RecordUnavailable("later")
            put(adapter, item)

        patch.setattr(table_module.Table, "put", put_or_fail)
        with pytest.raises(errors.RecordUnavailable):
            erase()
    unerased_arn = (ARN_A, ARN_B, ARN_C)[failing]
    assert table.read_steps(unerased_arn), "nothing of an execution is deleted before it is remembered as erased"
    assert table.read_item(unerased_arn) is not None

    erase()

    assert read_items(table) == {**items, **make_tombstones(ARN_A, ARN_B, ARN_C)}


def test_the_step_of_an_erasure_has_counts_and_nothing_of_the_person(table: Table) -> None:
    record_erasure(ORGANIZATION_ID, Erasure(executions=2, items=9), "privacy office", NOW, "request-1")

    assert read_items(table) == {
        ("erased/request-1", f"Step {NOW} Erased"): {
            "Id": "erased/request-1",
            "Part": f"Step {NOW} Erased",
            "Kind": "Step",
            "OrganizationId": ORGANIZATION_ID,
            "At": NOW,
            "Step": "Erased",
            "Executions": 2,
            "Items": 9,
            "RequestedBy": "privacy office",
        }
    }


def test_an_erased_person_can_be_offboarded_again(table: Table) -> None:
    create_ended_record(table, "a")
    erase()

    table.create_deregistered_record("b")

    assert Records().find_entity_ids(ORGANIZATION_ID, "dana") == [USER_ID]
    assert table.records.find_lock(ORGANIZATION_ID, USER_ID) is not None
    assert table.read_item(identifier_key("dana"), f"Entity {ENTITY_KEY}") is not None
