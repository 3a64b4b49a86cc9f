"""The record that is written before anything changes, the lock on the entity, and the need for an approval."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import record_offboarding
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters import holding
from offboarding.adapters.directory import Directory
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.records import Records, entity_key
from offboarding.adapters.reports import Presence, Report, Reports
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityType
from offboarding.domain.exports import ExportState
from offboarding.domain.record import Decision, Status
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    ARN_C,
    NOW,
    RUNNING,
    STARTED_AT,
    Context,
    PutPolicy,
    ReadMetrics,
    Table,
    delete_user,
    deregister,
    describe_entity,
    fail_operation,
    make_entity_step,
    make_execution_arn,
    make_offboarding,
    make_policy,
    make_raiser,
    take_calls,
)

CAP_ID, HAND_CAP_ID = f"cap/{ORGANIZATION_ID}", f"cap/hand/{ORGANIZATION_ID}"
TOMORROW = "2026-11-25T09:00:00.000Z"
ENDED_AT = "2026-11-24T08:00:00.000Z"
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", cause="by hand", ended_at=ENDED_AT)
EVIDENCE = {"ResolveEntity": {"At": STARTED_AT, "Answers": [{"Operation": "DescribeUser"}]}}
OKTA = {"Requester": {"Provider": "okta", "EventId": "e-1"}}

pytestmark = pytest.mark.usefixtures("frozen_time")


def record(entity: Entity, name: str = "a", **changes: Any) -> dict[str, Any]:
    members = {
        "ExecutionArn": make_execution_arn(name),
        "StartedAt": STARTED_AT,
        "Request": {},
        "DateIsAhead": False,
        "Approval": None,
        "Archive": None,
        "Evidence": EVIDENCE,
        **changes,
    }
    return record_offboarding.handler(make_entity_step(entity, members), Context())


def set_execution_statuses(monkeypatch: pytest.MonkeyPatch, **statuses: ExecutionStatus) -> None:
    """Make Step Functions show these statuses of executions."""
    by_arn = {make_execution_arn(name): status for name, status in statuses.items()}
    monkeypatch.setattr(holding, "read_execution_status", by_arn.__getitem__)


def test_the_record_has_the_entity_and_the_request(
    dana: str, people: OrganizationBuilder, table: Table, organization: WorkMailBackend, read_metrics: ReadMetrics
) -> None:
    group = people.create_group("staff", (dana,))
    organization.set_mailbox_size(ORGANIZATION_ID, dana, 1.5)
    request = {"Reason": "left", "RequestedBy": "boss", **OKTA}

    answer = record(describe_entity(dana), Request=request)

    operations = [entry["Operation"] for entry in answer["Evidence"].pop("Answers")]
    assert operations == ["ListAliases", "ListGroupsForEntity", "GetMailboxDetails"]
    assert answer == {
        "Decision": "Deregister",
        "Reasons": [],
        "CapIsReached": False,
        "Evidence": {"At": NOW, "Decision": "Deregister", "Reasons": []},
    }
    assert read_metrics() == {"OffboardingsRecorded": 1}
    record_of_a = table.load_record(ARN_A)
    assert record_of_a.entity == {
        **describe_entity(dana).to_json(),
        "Aliases": ["d.leaver@example.com"],
        "Groups": [{"Id": group, "Name": "staff"}],
        "MailboxSize": Decimal("1.5"),
    }
    assert (record_of_a.status, record_of_a.organization_id) == (Status.RECORDED, ORGANIZATION_ID)
    members = ("StartedAt", "Reason", "RequestedBy", "DueAt", "StatusKey")
    assert [table.read_text(ARN_A, member) for member in members] == [STARTED_AT, "left", "boss", None, None]
    assert table.read_step(ARN_A, "Started") == {"Step": "Started", "At": STARTED_AT, **request}
    step = table.read_step(ARN_A, "Recorded")
    assert [entry["Operation"] for entry in step["Evidence"].pop("RecordOffboarding")["Answers"]] == operations
    assert step == {"Step": "Recorded", "At": NOW, "Evidence": EVIDENCE}
    assert table.read_step_names(ARN_A) == ["Started", "Recorded"]
    assert table.find_holder(dana) == ARN_A


def test_an_offboarding_with_a_date_ahead_is_scheduled(dana: str, table: Table) -> None:
    answer = record(describe_entity(dana), Request={"NotBefore": TOMORROW, **OKTA}, DateIsAhead=True)

    assert (answer["Decision"], answer["Reasons"], answer["CapIsReached"]) == ("WaitForDate", [], False)
    assert table.load_record(ARN_A).status is Status.SCHEDULED
    assert table.read_text(ARN_A, "DueAt") == TOMORROW
    assert table.read_step_names(ARN_A) == ["Started", "Scheduled"]
    assert table.read_step(ARN_A, "Scheduled")["DueAt"] == TOMORROW
    assert table.read_item(CAP_ID, "Count") is None


def test_a_date_that_has_passed_is_recorded_and_not_waited_for(dana: str, table: Table) -> None:
    record(describe_entity(dana), Request={"NotBefore": TOMORROW}, DateIsAhead=True)

    answer = record(describe_entity(dana), Request={"NotBefore": TOMORROW}, Now=TOMORROW)
    assert answer["Decision"] == "Deregister"
    assert (table.read_text(ARN_A, "NotBefore"), table.read_text(ARN_A, "DueAt")) == (TOMORROW, None)
    assert table.read_step_names(ARN_A) == ["Started", "Scheduled", "Recorded"]
    assert "DueAt" not in table.read_step(ARN_A, "Recorded")


def test_the_wait_for_the_date_comes_before_the_approval(dana: str, put_policy: PutPolicy) -> None:
    put_policy(make_policy(approval_required=("*",)))

    assert record(describe_entity(dana), Request={"NotBefore": TOMORROW}, DateIsAhead=True)["Decision"] == "WaitForDate"


@pytest.mark.parametrize("entry", ["dana", "D.Leaver@*"])
def test_the_settings_can_require_an_approval_by_name_or_alias(
    dana: str, put_policy: PutPolicy, table: Table, entry: str
) -> None:
    put_policy(make_policy(approval_required=("nobody", entry)))

    answer = record(describe_entity(dana), Request=OKTA)

    assert answer["Decision"] == "AwaitApproval"
    assert answer["Reasons"] == answer["Evidence"]["Reasons"]
    assert answer["Reasons"] == [
        f"{dana} matches entry 2 of the organization's approvalRequired in cdk.json.",
    ]
    assert answer["CapIsReached"] is False
    assert table.read_item(CAP_ID, "Count") is None


def test_an_approval_is_recorded_and_not_requested_again(dana: str, put_policy: PutPolicy, table: Table) -> None:
    put_policy(make_policy(approval_required=("*",), daily_cap=0))
    approval = {"DecidedBy": "boss", "Decision": "Approved"}

    assert record(describe_entity(dana), Request=OKTA, Approval=approval)["Decision"] == "Deregister"
    assert table.load_record(ARN_A).approval == approval
    assert table.read_step(ARN_A, "Recorded")["Approval"] == approval


def test_a_record_without_an_approval_does_not_have_the_member(dana: str, table: Table) -> None:
    record(describe_entity(dana))

    assert "Approval" not in table.read_item(ARN_A)
    assert "Approval" not in table.read_step(ARN_A, "Recorded")


def test_the_cap_counts_each_execution_of_an_identity_provider_once(
    dana: str, people: OrganizationBuilder, put_policy: PutPolicy, table: Table
) -> None:
    put_policy(make_policy(daily_cap=1))
    kim = people.create_user("kim")

    assert record(describe_entity(dana), Request=OKTA)["Decision"] == "Deregister"
    assert record(describe_entity(dana), Request=OKTA)["Decision"] == "Deregister"
    answer = record(describe_entity(kim), "b", Request=OKTA)

    assert (answer["Decision"], answer["CapIsReached"]) == ("AwaitApproval", True)
    assert answer["Reasons"] == [
        "The setting dailyCap limits offboardings by identity providers in this organization to 1 within 24 hours, and "
        "this number is reached."
    ]
    assert table.read_members(CAP_ID, "Count") == {"NextNumber": 1}
    midnight_answer = record(describe_entity(kim), "b", Now="2026-11-25T00:00:00.000Z", Request=OKTA)
    assert midnight_answer["Decision"] == "AwaitApproval", "the cap does not begin again with a day"
    next_day_answer = record(describe_entity(kim), "b", Now=TOMORROW, Request=OKTA)
    assert next_day_answer["Decision"] == "Deregister", "the slot is free again after 24 hours"


def test_the_hand_cap_counts_each_execution_of_a_person_once(
    dana: str, people: OrganizationBuilder, put_policy: PutPolicy, table: Table
) -> None:
    put_policy(make_policy(hand_cap=1, daily_cap=0))
    kim = people.create_user("kim")

    assert record(describe_entity(dana))["Decision"] == "Deregister"
    assert record(describe_entity(dana))["Decision"] == "Deregister", "a retry keeps its slot"
    answer = record(describe_entity(kim), "b")

    assert (answer["Decision"], answer["CapIsReached"]) == ("AwaitApproval", True)
    assert answer["Reasons"] == [
        "The setting handCap limits offboardings by hand in this organization to 1 within 24 hours, and this number is "
        "reached."
    ]
    assert table.read_members(HAND_CAP_ID, "Count") == {"NextNumber": 1}
    assert table.read_item(CAP_ID, "Count") is None
    assert record(describe_entity(kim), "b", Approval={"Decision": "Approved"})["Decision"] == "Deregister"
    assert table.read_members(HAND_CAP_ID, "Count") == {"NextNumber": 1}, "an approved one takes no slot"


def test_a_person_gets_a_slot_again_after_24_hours(
    dana: str, people: OrganizationBuilder, put_policy: PutPolicy
) -> None:
    put_policy(make_policy(hand_cap=1))
    kim = people.create_user("kim")
    record(describe_entity(dana))

    assert record(describe_entity(kim), "b", Now="2026-11-25T08:59:59.999Z")["Decision"] == "AwaitApproval"
    assert record(describe_entity(kim), "b", Now=TOMORROW)["Decision"] == "Deregister"


def test_starting_a_restored_leaver_again_takes_another_slot(dana: str, put_policy: PutPolicy, table: Table) -> None:
    put_policy(make_policy(hand_cap=1))
    record(describe_entity(dana))
    table.records.release(make_offboarding(ARN_A, dana), NOW)

    assert record(describe_entity(dana), "b")["Decision"] == "AwaitApproval"


def test_a_retry_keeps_the_slot_whose_transaction_was_not_answered(
    dana: str, people: OrganizationBuilder, put_policy: PutPolicy, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_policy(make_policy(hand_cap=1))
    take = record_offboarding.Cap.take_slot

    def take_and_lose_answer(cap: Any, *arguments: Any) -> bool:
        take(cap, *arguments)
        raise errors.RecordUnavailable("later")

    with monkeypatch.context() as patch:
        patch.setattr(record_offboarding.Cap, "take_slot", take_and_lose_answer)
        with pytest.raises(errors.RecordUnavailable):
            record(describe_entity(dana))

    assert record(describe_entity(dana))["Decision"] == "Deregister"
    assert table.read_members(HAND_CAP_ID, "Count") == {"NextNumber": 1}
    assert record(describe_entity(people.create_user("kim")), "b")["Decision"] == "AwaitApproval"


def test_a_person_takes_a_slot_at_the_date_and_not_before(dana: str, put_policy: PutPolicy, table: Table) -> None:
    put_policy(make_policy(hand_cap=1))

    record(describe_entity(dana), Request={"NotBefore": TOMORROW}, DateIsAhead=True)
    assert table.read_item(HAND_CAP_ID, "Count") is None
    record(describe_entity(dana), Request={"NotBefore": TOMORROW}, Now=TOMORROW)

    assert table.read_members(HAND_CAP_ID, "Count") == {"NextNumber": 1}


def test_without_a_hand_cap_people_need_no_slot(dana: str, put_policy: PutPolicy, table: Table) -> None:
    put_policy(make_policy(hand_cap=None, daily_cap=0))

    assert record(describe_entity(dana))["Decision"] == "Deregister"
    assert not any(item["Id"]["S"].startswith("cap/") for item in table.read_all())


@pytest.mark.parametrize("provider", ["okta", "offboardingRequested"])
def test_the_hand_cap_does_not_limit_identity_providers(dana: str, put_policy: PutPolicy, provider: str) -> None:
    put_policy(make_policy(hand_cap=0))
    requester = {"Provider": provider, "EventId": "e-1"}

    assert record(describe_entity(dana), Request={"Requester": requester})["Decision"] == "Deregister"


@pytest.mark.parametrize("request_", [{}, OKTA])
def test_a_disabled_entity_needs_no_approval_and_takes_no_slot(
    dana: str, put_policy: PutPolicy, request_: dict[str, Any]
) -> None:
    put_policy(make_policy(approval_required=("*",), daily_cap=0, hand_cap=0))
    deregister(dana)

    assert record(describe_entity(dana), Request=request_)["Decision"] == "Deregister"


@pytest.mark.parametrize("entry", ["dana@example.com", "d.leaver@example.com"])
def test_a_protected_entity_is_not_recorded_and_is_released(
    dana: str, put_policy: PutPolicy, table: Table, entry: str
) -> None:
    put_policy(make_policy(protected=(entry,)))

    with pytest.raises(errors.EntityProtected, match="entry 1 of the organization's protected"):
        record(describe_entity(dana))

    assert table.read_item(ARN_A) is None
    assert table.find_holder(dana) is None
    assert table.read_step(ARN_A, "RequestRefused") == {"At": NOW, "Step": "RequestRefused", "Error": "EntityProtected"}
    assert table.records.find_entity_ids(ORGANIZATION_ID, "dana@example.com") == [dana]


@pytest.mark.parametrize(
    "request_",
    [
        {"RequestedBy": "D.LEAVER@example.com"},
        {"Requester": {"Provider": "okta", "EventId": "e", "RequestedBy": "d.leaver@EXAMPLE.com"}},
        {
            "RequestedBy": "boss",
            "Requester": {"Provider": "okta", "EventId": "e", "RequestedBy": "d.leaver@example.com"},
        },
    ],
)
def test_the_requester_must_not_have_an_alias_of_the_entity(dana: str, table: Table, request_: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidRequest, match="The requester has an alias of the entity"):
        record(describe_entity(dana), Request=request_)

    assert table.read_item(ARN_A) is None
    assert table.find_holder(dana) is None
    assert table.read_step(ARN_A, "RequestRefused") == {"At": NOW, "Step": "RequestRefused", "Error": "InvalidRequest"}


def test_a_request_that_is_refused_after_the_wait_keeps_its_record(
    dana: str, put_policy: PutPolicy, table: Table
) -> None:
    record(describe_entity(dana), Request={"NotBefore": TOMORROW}, DateIsAhead=True)
    members = table.read_members(ARN_A)
    put_policy(make_policy(protected=("dana",)))

    with pytest.raises(errors.EntityProtected):
        record(describe_entity(dana), Request={"NotBefore": TOMORROW}, Now=TOMORROW)

    assert table.read_members(ARN_A) == members
    assert table.read_step_names(ARN_A) == ["Started", "Scheduled", "RequestRefused"]
    assert table.find_holder(dana) is None


def test_another_requester_is_accepted(dana: str) -> None:
    requester = {"Provider": "okta", "EventId": "e", "RequestedBy": "hr@example.com"}
    request = {"RequestedBy": "boss", "Requester": requester}

    assert record(describe_entity(dana), Request=request)["Decision"] == "Deregister"


@pytest.mark.parametrize("operation", ["ListAliases", "ListGroupsForEntity"])
@pytest.mark.parametrize("code", ["EntityStateException", "EntityNotFoundException"])
def test_an_entity_is_released_if_its_aliases_or_groups_cannot_be_listed(
    dana: str, table: Table, organization: WorkMailBackend, operation: str, code: str
) -> None:
    entity = describe_entity(dana)
    fail_operation(organization, operation, code)

    with pytest.raises(errors.WorkMailUnavailable, match=f"described {dana} as enabled, but does not list"):
        record(entity)

    assert table.read_item(ARN_A) is None
    assert table.find_holder(dana) is None
    assert table.read_steps(ARN_A) == [], "a later attempt can succeed, so it is not refused"


def test_an_entity_that_was_disabled_since_it_was_resolved_is_recorded_as_that(dana: str, table: Table) -> None:
    resolved = describe_entity(dana)
    deregister(dana)

    assert record(resolved)["Decision"] == "Deregister"

    current = describe_entity(dana).to_json()
    assert current["State"] == "DISABLED"
    assert table.load_record(ARN_A).entity == {**current, "Aliases": None, "Groups": None, "MailboxSize": None}


def test_the_address_of_an_entity_that_was_disabled_since_is_kept_if_workmail_hides_it(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    resolved = describe_entity(dana)
    organization.behaviour = Behaviour(email_of_disabled="absent")
    deregister(dana)

    record(resolved)

    assert table.load_record(ARN_A).entity["Email"] == "dana@example.com"


def test_after_the_end_of_the_service_nobody_is_asked_for_an_approval(
    dana: str, table: Table, put_policy: PutPolicy
) -> None:
    put_policy(make_policy(approval_required=("dana",)))

    with pytest.raises(errors.ServiceEnded, match="By the settings Amazon WorkMail ended"):
        record(describe_entity(dana), ServiceEndsAt=NOW)
    assert table.read_item(ARN_A) is None
    deregister(dana)
    assert record(describe_entity(dana), ServiceEndsAt=NOW)["Decision"] == "Deregister"


def test_an_entity_that_was_deleted_since_it_was_resolved_is_released(dana: str, table: Table) -> None:
    resolved = describe_entity(dana)
    deregister(dana)
    delete_user(dana)

    with pytest.raises(errors.EntityNotFound, match=f"USER {dana} was deleted from the directory"):
        record(resolved)
    assert table.read_item(ARN_A) is None
    assert table.find_holder(dana) is None


def test_an_unknown_mailbox_size_does_not_stop_the_offboarding(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    entity = describe_entity(dana)
    fail_operation(organization, "GetMailboxDetails", "EntityNotFoundException")

    record(entity)

    assert table.load_record(ARN_A).entity["MailboxSize"] is None


def test_a_group_has_no_mailbox_and_a_resource_no_groups(
    people: OrganizationBuilder, table: Table, put_policy: PutPolicy, organization: WorkMailBackend
) -> None:
    put_policy(make_policy())
    group, room = people.create_group("staff"), people.create_resource("room")
    outer = people.create_group("everybody", (group,))
    staff, meeting = describe_entity(group, EntityType.GROUP), describe_entity(room, EntityType.RESOURCE)
    take_calls(organization)

    record(staff, "a")
    assert take_calls(organization) == ["ListAliases", "ListGroupsForEntity"]
    record(meeting, "b")
    assert take_calls(organization) == ["ListAliases", "GetMailboxDetails"]

    assert table.load_record(ARN_A).entity["Groups"] == [{"Id": outer, "Name": "everybody"}]
    assert table.load_record(ARN_A).entity["MailboxSize"] is None
    assert table.load_record(ARN_B).entity["Groups"] is None
    assert table.load_record(ARN_B).entity["MailboxSize"] is not None


def test_a_group_without_a_name_is_recorded_with_an_empty_name(dana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Directory, "list_groups_of", lambda self, entity_id: [{"GroupId": "g-1"}])

    state = record_offboarding.read_restorable_state(
        Directory(record_offboarding.client, ORGANIZATION_ID), describe_entity(dana)
    )

    assert state is not None
    assert state.groups == [{"Id": "g-1", "Name": ""}]


def test_the_recorded_state_of_an_entity_that_was_disabled_during_the_wait_is_kept(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    organization.set_mailbox_size(ORGANIZATION_ID, dana, 2.5)
    record(describe_entity(dana))
    recorded = table.load_record(ARN_A).entity
    deregister(dana)
    organization.behaviour = Behaviour(email_of_disabled="absent")

    record(describe_entity(dana))

    updated = table.load_record(ARN_A).entity
    assert updated["State"] == "DISABLED"
    for member in ("Email", "Aliases", "Groups", "MailboxSize"):
        assert updated[member] == recorded[member]


def test_the_recorded_state_of_a_group_that_was_disabled_during_the_wait_is_kept(
    people: OrganizationBuilder, table: Table, put_policy: PutPolicy, organization: WorkMailBackend
) -> None:
    put_policy(make_policy())
    group = people.create_group("staff")
    people.create_alias(group, "everybody")
    record(describe_entity(group, EntityType.GROUP))
    deregister(group)

    record(describe_entity(group, EntityType.GROUP))

    assert table.load_record(ARN_A).entity["Aliases"] == ["everybody@example.com"]
    assert table.load_record(ARN_A).entity["MailboxSize"] is None


def test_an_execution_for_a_disabled_entity_takes_over_the_state_in_the_record_of_its_window(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(describe_entity(dana))
    deregister(dana)
    table.record_deregistration(ARN_A, dana)
    set_execution_statuses(monkeypatch, a=STOPPED)

    record(describe_entity(dana), "b")

    assert table.load_record(ARN_B).entity["Aliases"] == ["d.leaver@example.com"]
    assert table.find_holder(dana) == ARN_B
    record_of_a = table.load_record(ARN_A)
    assert (record_of_a.status, record_of_a.outcome, record_of_a.ended_at) == (Status.UNWATCHED, "Stopped", ENDED_AT)
    assert table.read_text(ARN_A, "Cause") == "by hand"


def test_the_recorded_state_of_an_earlier_registration_is_not_taken_over(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(describe_entity(dana))
    table.record_deregistration(
        ARN_A, dana, deregistered_at="2026-08-24T09:00:00.000Z", retention_ends_at="2026-09-23T09:00:00.000Z"
    )
    deregister(dana)
    set_execution_statuses(monkeypatch, a=STOPPED)

    record(describe_entity(dana), "b")

    assert table.load_record(ARN_B).entity["Aliases"] is None
    assert table.load_record(ARN_B).entity["Email"] == "dana@example.com"


def test_a_disabled_entity_without_an_earlier_record_has_no_restorable_state(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    deregister(dana)
    organization.behaviour = Behaviour(email_of_disabled="absent")
    entity = describe_entity(dana)
    take_calls(organization)
    arns_read: list[str] = []
    find = Records.find
    monkeypatch.setattr(Records, "find", lambda records, arn: arns_read.append(arn) or find(records, arn))

    record(entity)

    assert arns_read == [ARN_A], "no window points to another record"
    assert take_calls(organization) == []
    assert "Email" not in table.load_record(ARN_A).entity
    for member in ("Aliases", "Groups", "MailboxSize"):
        assert table.load_record(ARN_A).entity[member] is None


@pytest.mark.parametrize(
    ("registered_at", "keeps_state"), [(NOW, True), (None, True), ("2026-11-24T09:00:00.001Z", False)]
)
def test_an_unconfirmed_record_is_matched_with_the_registration_by_the_enabled_date(
    dana: str, table: Table, organization: WorkMailBackend, registered_at: str | None, keeps_state: bool
) -> None:
    record(describe_entity(dana))
    deregister(dana)
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=parse(registered_at) if registered_at else None)

    record(describe_entity(dana))

    assert (table.load_record(ARN_A).entity["Aliases"] is not None) is keeps_state


def test_a_record_without_an_enabled_date_matches_no_registration(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=None)
    record(describe_entity(dana))
    deregister(dana)

    record(describe_entity(dana))

    assert table.load_record(ARN_A).entity["Aliases"] is None


def test_an_entity_that_a_running_execution_holds_is_not_taken_over(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("b", dana)
    set_execution_statuses(monkeypatch, b=RUNNING)

    with pytest.raises(errors.AlreadyInProgress, match=f'"ExecutionArn": "{ARN_B}"'):
        record(describe_entity(dana))

    assert table.find_holder(dana) == ARN_B
    assert table.read_item(ARN_A) is None


def test_an_entity_is_taken_over_from_an_ended_execution_whose_record_is_closed(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("b", dana)
    set_execution_statuses(monkeypatch, b=STOPPED)

    assert record(describe_entity(dana))["Decision"] == "Deregister"

    assert table.find_holder(dana) == ARN_A
    record_of_b = table.load_record(ARN_B)
    assert (record_of_b.status, record_of_b.outcome, record_of_b.ended_at) == (Status.ENDED, "Stopped", ENDED_AT)


def test_the_record_of_a_forgotten_execution_is_closed_as_forgotten(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("b", dana)
    set_execution_statuses(monkeypatch, b=ExecutionStatus(is_running=False, outcome="Forgotten", cause="unknown"))
    ended_at = render(parse(NOW) + timedelta(days=100))

    record(describe_entity(dana), Now=ended_at)

    assert (table.load_record(ARN_B).outcome, table.load_record(ARN_B).ended_at) == ("Forgotten", ended_at)


def test_the_outcome_of_a_closed_record_is_kept(dana: str, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.create_record("b", dana)
    table.close_record(ARN_B, "Rejected", ended_at=ENDED_AT)
    table.records.renew_hold(make_offboarding(ARN_B, dana))
    set_execution_statuses(monkeypatch, b=STOPPED)

    record(describe_entity(dana))

    assert table.load_record(ARN_B).outcome == "Rejected"
    assert table.find_holder(dana) == ARN_A


def test_an_entity_is_taken_over_from_an_ended_execution_without_a_record(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.records.hold(make_offboarding(ARN_B, dana), NOW)
    set_execution_statuses(monkeypatch, b=STOPPED)

    record(describe_entity(dana))

    assert table.find_holder(dana) == ARN_A
    assert table.read_item(ARN_B) is None


def test_an_execution_whose_entity_was_registered_again_is_superseded(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_deregistered_record("b", dana)
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=parse(NOW) + timedelta(days=3))
    set_execution_statuses(monkeypatch, b=RUNNING)

    record(describe_entity(dana))

    assert table.find_holder(dana) == ARN_A
    assert table.load_record(ARN_B).superseded_by == ARN_A
    assert table.read_step(ARN_B, "Superseded") == {"Step": "Superseded", "At": NOW, "By": ARN_A}


def test_only_one_of_several_simultaneous_executions_takes_over(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("b", dana)
    set_execution_statuses(monkeypatch, b=STOPPED)
    update_record = record_offboarding._update_record_of

    def update_and_lose_entity(*args: Any) -> None:
        update_record(*args)
        table.records.hold(make_offboarding(ARN_C, dana), NOW, take_over_from=ARN_B)

    monkeypatch.setattr(record_offboarding, "_update_record_of", update_and_lose_entity)

    with pytest.raises(errors.RecordUnavailable, match="Several executions take over this entity at the same time"):
        record(describe_entity(dana))
    assert table.find_holder(dana) == ARN_C


def make_okta(provider_user: str, *doubts: str) -> dict[str, Any]:
    requester = {**OKTA["Requester"], "ProviderUserId": provider_user}
    return {"Requester": {**requester, **({"Doubts": list(doubts)} if doubts else {})}}


def test_a_doubt_of_the_event_requires_an_approval_with_its_reason(dana: str, put_policy: PutPolicy) -> None:
    put_policy(make_policy(approval_required=("dana",)))

    answer = record(describe_entity(dana), Request=make_okta("00u1", "NamesDiffer", "EventIsOld"))

    assert (answer["Decision"], answer["CapIsReached"]) == ("AwaitApproval", False)
    assert [reason.split()[-1] for reason in answer["Reasons"]] == ["cdk.json.", "else.", "since."]


def test_a_provider_user_who_stood_for_another_entity_requires_an_approval_until_a_person_has_approved(
    dana: str, people: OrganizationBuilder, put_policy: PutPolicy
) -> None:
    put_policy(make_policy())
    kim = people.create_user("kim")
    assert record(describe_entity(dana), Request=make_okta("00u1"))["Decision"] == "Deregister"
    for _ in range(2):
        answer = record(describe_entity(kim), "b", Request=make_okta("00u1"))
        assert answer["Decision"] == "AwaitApproval", "a retry finds the doubt again"
        assert "stood for another entity" in answer["Reasons"][0]

    decision = {"Decision": "Approved", "DecidedBy": "boss", "Reason": "", "DecidedAt": NOW, "DecidedIn": ARN_C}
    assert record(describe_entity(kim), "b", Request=make_okta("00u1"), Approval=decision)["Decision"] == "Deregister"

    assert record(describe_entity(kim), "b", Request=make_okta("00u1"))["Decision"] == "Deregister"
    assert record(describe_entity(kim), "b", Request=make_okta("00u2"))["Decision"] == "AwaitApproval"


def test_users_of_two_providers_can_stand_for_one_entity(dana: str, put_policy: PutPolicy) -> None:
    put_policy(make_policy())
    auth0 = {"Requester": {"Provider": "auth0", "EventId": "e-2", "ProviderUserId": "auth0|1"}}

    assert record(describe_entity(dana), Request=make_okta("00u1"))["Decision"] == "Deregister"
    assert record(describe_entity(dana), Request=auth0)["Decision"] == "Deregister"


def test_the_doubt_about_the_provider_user_comes_first(
    dana: str, people: OrganizationBuilder, put_policy: PutPolicy
) -> None:
    put_policy(make_policy())
    record(describe_entity(dana), Request=make_okta("00u1"))

    answer = record(describe_entity(people.create_user("kim")), "b", Request=make_okta("00u1", "EventIsOld"))

    assert [reason.split()[0:2] for reason in answer["Reasons"]] == [["The", "identity"], ["The", "event"]]


@pytest.mark.parametrize(
    ("not_before", "date_is_ahead", "takes_over"),
    [
        ("2026-12-30T00:00:00.000Z", True, True),
        ("2026-12-31T00:00:00.000Z", True, False),
        ("2027-01-01T00:00:00.000Z", True, False),
        ("2027-01-01T00:00:00.000Z", False, True),
        (None, False, True),
    ],
)
def test_who_is_due_sooner_takes_over_from_who_is_only_scheduled(
    dana: str,
    table: Table,
    monkeypatch: pytest.MonkeyPatch,
    not_before: str | None,
    date_is_ahead: bool,
    takes_over: bool,
) -> None:
    scheduled = {"Request": {"NotBefore": "2026-12-31T00:00:00.000Z"}, "DateIsAhead": True}
    record(describe_entity(dana), "b", **scheduled)
    set_execution_statuses(monkeypatch, b=ExecutionStatus(is_running=True))
    changes = {"Request": {"NotBefore": not_before} if not_before else {}, "DateIsAhead": date_is_ahead}

    if takes_over:
        record(describe_entity(dana), **changes)
    else:
        with pytest.raises(errors.AlreadyInProgress):
            record(describe_entity(dana), **changes)

    assert table.find_holder(dana) == (ARN_A if takes_over else ARN_B)


# Who reports that the leaver is away

LEFT_AT, BACK_AT = "2026-11-24T07:00:00.000Z", "2026-11-24T08:00:00.000Z"
REPORTER = Reporter("okta", "00u1")
REPORT = {"Requester": {**OKTA["Requester"], "OccurredAt": LEFT_AT, "ProviderUserId": "00u1"}}
REQUEST = {"Requester": {"Provider": "offboardingRequested", "EventId": "r-1", "OccurredAt": LEFT_AT}}


def list_reports(table: Table, execution_arn: str) -> list[dict[str, Any]]:
    items = [item for item in table.read_all() if item["Part"]["S"].startswith("Report ")]
    return [table.read_members(execution_arn, item["Part"]["S"]) for item in items if item["Id"]["S"] == execution_arn]


def test_a_leaver_who_is_back_is_not_recorded_and_is_released(dana: str, table: Table) -> None:
    Reports().record_return(REPORTER, BACK_AT)

    with pytest.raises(errors.Withdrawn) as failure:
        record(describe_entity(dana), Request=REPORT)

    assert failure.value.decision["DecidedBy"] == "okta"
    assert table.read_item(ARN_A) is None
    assert table.find_holder(dana) is None
    assert table.read_step(ARN_A, "RequestRefused") == {"Step": "RequestRefused", "At": NOW, "Error": "Withdrawn"}
    assert not Reports().join(ARN_A, Report(), "name", NOW)


@pytest.mark.parametrize("request_", [REPORT, REQUEST], ids=["okta", "request"])
def test_a_return_right_before_the_record_is_written_prevents_that(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any]
) -> None:
    require = Reports.require

    def require_and_come_back(*arguments: Any) -> Any:
        checks = require(*arguments)
        Reports().record_return(Reporter.of_requester(request_["Requester"]), BACK_AT)
        return checks

    monkeypatch.setattr(Reports, "require", require_and_come_back)
    with pytest.raises(errors.RecordUnavailable, match="changed at the same time"):
        record(describe_entity(dana), Request=request_)
    assert table.read_item(ARN_A) is None
    assert table.read_step_names(ARN_A) == []

    monkeypatch.setattr(Reports, "require", require)
    with pytest.raises(errors.Withdrawn):
        record(describe_entity(dana), Request=request_)


def test_a_return_during_the_wait_for_a_date_is_found_after_it(dana: str, table: Table) -> None:
    request = {**REPORT, "NotBefore": TOMORROW}
    record(describe_entity(dana), Request=request, DateIsAhead=True)
    Reports().record_return(REPORTER, BACK_AT)

    with pytest.raises(errors.Withdrawn):
        record(describe_entity(dana), Request=request, Now=TOMORROW)
    assert table.load_record(ARN_A).status is Status.SCHEDULED


def test_the_entity_of_a_request_is_kept_with_the_request_by_which_it_can_be_withdrawn(dana: str, table: Table) -> None:
    record(describe_entity(dana), Request=REQUEST)

    presence = Reports().find_presence(Reporter("offboardingRequested", "r-1"))
    assert presence == Presence(entity_key=entity_key(ORGANIZATION_ID, dana))
    record(describe_entity(dana), Request=REPORT)
    assert Reports().find_presence(REPORTER) == Presence()


def test_a_request_is_withdrawn_with_all_requests_for_its_entity(dana: str, table: Table) -> None:
    Reports().record_withdrawal_of_all_requests(entity_key(ORGANIZATION_ID, dana), BACK_AT)

    with pytest.raises(errors.Withdrawn):
        record(describe_entity(dana), Request=REQUEST)
    record(describe_entity(dana), Request=REPORT)


@pytest.mark.parametrize(
    ("request_", "member"), [({}, None), (REPORT, "okta"), (REQUEST, "offboardingRequested")], ids=str
)
def test_the_execution_that_holds_the_entity_stands_for_the_further_request_too(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any], member: str | None
) -> None:
    table.create_record("b", dana)
    set_execution_statuses(monkeypatch, b=RUNNING)

    for _ in range(2):
        with pytest.raises(errors.AlreadyInProgress):
            record(describe_entity(dana), Request=request_)

    [report] = list_reports(table, ARN_B)
    assert report.get("Provider") == member
    expected = Report.of(request_.get("Requester"), entity_key(ORGANIZATION_ID, dana))
    assert report["Presences"] == list(expected.presences)


def test_the_requests_of_two_people_are_kept_apart(dana: str, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.create_record("b", dana)
    set_execution_statuses(monkeypatch, b=RUNNING)
    for name in "ac":
        with pytest.raises(errors.AlreadyInProgress):
            record(describe_entity(dana), name)

    assert len(list_reports(table, ARN_B)) == 2


def test_an_entity_is_taken_over_from_a_running_execution_that_has_just_been_withdrawn(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    Reports().record_return(REPORTER, BACK_AT)
    table.create_record("b", dana, **REPORT)
    assert Reports().find(make_offboarding(ARN_B, dana), REPORT["Requester"], NOW) is None
    set_execution_statuses(monkeypatch, b=RUNNING)

    assert record(describe_entity(dana))["Decision"] == "Deregister"

    assert table.find_holder(dana) == ARN_A
    assert table.load_record(ARN_B).superseded_by == ARN_A
    assert list_reports(table, ARN_B) == []


@pytest.mark.parametrize("date_is_ahead", [True, False])
def test_the_further_request_is_kept_with_its_date_if_that_is_ahead(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch, date_is_ahead: bool
) -> None:
    table.create_record("b", dana)
    set_execution_statuses(monkeypatch, b=RUNNING)

    with pytest.raises(errors.AlreadyInProgress):
        record(describe_entity(dana), Request={**REPORT, "NotBefore": TOMORROW}, DateIsAhead=date_is_ahead)

    [report] = list_reports(table, ARN_B)
    assert report.get("NotBefore") == (TOMORROW if date_is_ahead else None)


def test_a_leaver_who_is_back_changes_nothing_for_the_execution_that_holds_the_entity(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_record("b", dana)
    set_execution_statuses(monkeypatch, b=RUNNING)
    Reports().record_return(REPORTER, BACK_AT)
    members, steps = table.read_members(ARN_B), table.read_step_names(ARN_B)

    with pytest.raises(errors.Withdrawn):
        record(describe_entity(dana), Request=REPORT)

    assert table.find_holder(dana) == ARN_B
    assert (table.read_members(ARN_B), table.read_step_names(ARN_B)) == (members, steps)
    assert list_reports(table, ARN_B) == []
    assert table.read_step_names(ARN_A) == ["RequestRefused"]


def test_a_scheduled_execution_waits_on_when_another_one_has_taken_over(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "send_task_success", make_raiser(AssertionError("it may still be needed")))
    not_before = "2026-12-31T00:00:00.000Z"
    record(describe_entity(dana), "b", Request={"NotBefore": not_before}, DateIsAhead=True)
    assert table.records.record_wait(make_offboarding(ARN_B, dana), "token")
    set_execution_statuses(monkeypatch, b=RUNNING)

    for _ in range(2):
        record(describe_entity(dana), Request={"NotBefore": TOMORROW}, DateIsAhead=True)

    superseded = table.load_record(ARN_B)
    assert (superseded.superseded_by, superseded.status, superseded.task_token) == (ARN_A, Status.SCHEDULED, "token")
    assert table.list_executions("Scheduled") == ["a", "b"]
    assert table.read_text(ARN_B, "DueAt") == not_before


# The decision of a person at the moment of the date


def decide_during_wait(table: Table, dana: str, decision: str, **request: Any) -> Decision:
    """Have an execution wait for tomorrow, and record a decision that does not end the wait."""
    record(describe_entity(dana), Request={"NotBefore": TOMORROW, **request}, DateIsAhead=True)
    assert table.records.record_wait(make_offboarding(ARN_A, dana), "token")
    outcome = Decision(Decision=decision, DecidedBy="boss", Reason="stays", DecidedAt=NOW, DecidedIn=ARN_C)
    assert table.records.record_decision(table.load_record(ARN_A), outcome)
    return outcome


@pytest.mark.parametrize("request_", [{}, REPORT, REQUEST], ids=["person", "okta", "request"])
def test_a_withdrawal_that_came_too_late_to_end_the_wait_is_found_after_the_date(
    dana: str, table: Table, request_: dict[str, Any]
) -> None:
    decision = decide_during_wait(table, dana, "Withdrawn", **request_)

    with pytest.raises(errors.Withdrawn) as failure:
        record(describe_entity(dana), Request={"NotBefore": TOMORROW, **request_}, Now=TOMORROW)

    assert failure.value.decision == decision
    assert table.load_record(ARN_A).status is Status.SCHEDULED
    assert table.find_holder(dana) is None
    refusal = {"Step": "RequestRefused", "At": TOMORROW, "Error": "Withdrawn"}
    assert table.read_step(ARN_A, "RequestRefused") == refusal


def test_another_decision_during_the_wait_does_not_withdraw(dana: str, table: Table) -> None:
    decide_during_wait(table, dana, "Approved")

    assert record(describe_entity(dana), Request={"NotBefore": TOMORROW}, Now=TOMORROW)["Decision"] == "Deregister"


def test_a_withdrawal_between_reading_and_writing_prevents_the_writing(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(describe_entity(dana), Request={"NotBefore": TOMORROW}, DateIsAhead=True)
    assert table.records.record_wait(make_offboarding(ARN_A, dana), "token")
    decision = Decision(Decision="Withdrawn", DecidedBy="boss", Reason="stays", DecidedAt=NOW, DecidedIn=ARN_C)
    require = Reports.require

    def require_and_decide(*arguments: Any) -> Any:
        checks = require(*arguments)
        assert table.records.record_decision(table.load_record(ARN_A), decision)
        return checks

    monkeypatch.setattr(Reports, "require", require_and_decide)
    with pytest.raises(errors.RecordUnavailable, match="changed at the same time"):
        record(describe_entity(dana), Request={"NotBefore": TOMORROW}, Now=TOMORROW)
    assert table.load_record(ARN_A).status is Status.SCHEDULED

    monkeypatch.setattr(Reports, "require", require)
    with pytest.raises(errors.Withdrawn):
        record(describe_entity(dana), Request={"NotBefore": TOMORROW}, Now=TOMORROW)


VERIFIED = {"Status": "Verified", "At": NOW, "ExportEndedAt": NOW}
OUTDATED = {"Status": "Verified", "At": NOW, "ExportEndedAt": "2026-11-23T08:59:59.000Z"}
NOT_ARCHIVED = {"Status": "NotArchived", "At": NOW, "Reason": "No slot was free."}


@pytest.mark.parametrize(
    ("mode", "requested", "archive", "decision"),
    [
        ("No", None, None, "Deregister"),
        ("No", "No", None, "Deregister"),
        ("IfPossible", None, None, "StartExport"),
        ("IfPossible", None, VERIFIED, "Deregister"),
        ("IfPossible", None, NOT_ARCHIVED, "Deregister"),
        ("IfPossible", None, OUTDATED, "StartExport"),
        ("IfPossible", "Required", NOT_ARCHIVED, "StartExport"),
        ("Required", None, None, "StartExport"),
        ("Required", None, VERIFIED, "Deregister"),
        ("Required", None, NOT_ARCHIVED, "StartExport"),
        ("Required", None, OUTDATED, "StartExport"),
    ],
)
def test_a_mailbox_is_exported_as_long_as_there_is_no_recent_result_that_is_enough(
    dana: str,
    put_policy: PutPolicy,
    table: Table,
    mode: str,
    requested: str | None,
    archive: dict[str, Any] | None,
    decision: str,
) -> None:
    put_policy(make_policy(export=mode))
    request = {"Export": requested} if requested else {}

    assert record(describe_entity(dana), Request=request, Archive=archive)["Decision"] == decision
    assert table.load_record(ARN_A).export_requested == requested


def test_the_date_and_the_approval_come_before_the_export(dana: str, put_policy: PutPolicy) -> None:
    put_policy(make_policy(export="Required", approval_required=("*",)))
    approval = {"DecidedBy": "boss", "Decision": "Approved"}

    ahead = record(describe_entity(dana), Request={"NotBefore": TOMORROW}, DateIsAhead=True)
    assert ahead["Decision"] == "WaitForDate"
    assert record(describe_entity(dana))["Decision"] == "AwaitApproval"
    assert record(describe_entity(dana), Approval=approval)["Decision"] == "StartExport"


def test_a_group_has_no_mailbox_to_export_and_a_disabled_one_is_tried_once(
    dana: str, people: OrganizationBuilder, put_policy: PutPolicy
) -> None:
    put_policy(make_policy(export="Required"))
    group = describe_entity(people.create_group("staff"), EntityType.GROUP)
    assert record(group, "b")["Decision"] == "Deregister"
    deregister(dana)

    assert record(describe_entity(dana))["Decision"] == "StartExport"
    assert record(describe_entity(dana), Archive=NOT_ARCHIVED)["Decision"] == "Deregister"


def test_an_offboarding_that_was_withdrawn_at_the_end_of_its_export_goes_no_further(dana: str, table: Table) -> None:
    record(describe_entity(dana))
    log_entry = {"At": NOW, "Step": "ExportStarted"}
    table.records.record_export(table.load_record(ARN_A), ExportState(1, TOMORROW), log_entry)
    decision = Decision(Decision="Withdrawn", DecidedBy="hr", Reason="stays", DecidedAt=NOW, DecidedIn=ARN_B)
    assert table.records.record_decision(table.load_record(ARN_A), decision)

    with pytest.raises(errors.Withdrawn):
        record(describe_entity(dana), Archive=VERIFIED)
