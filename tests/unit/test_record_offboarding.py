"""What is written down before anything happens, who holds the entity, and whether a person has to approve."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import record_offboarding
from local.defaults import ORGANIZATION_ID
from local.organization import People
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters import holding
from offboarding.adapters.directory import Directory
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityType
from offboarding.domain.record import Status
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import (
    DAY,
    NOW,
    Context,
    Table,
    a_policy,
    an_offboarding,
    called,
    deregister,
    described,
    execution,
    fail,
)

A, B = execution("a"), execution("b")
STARTED = "2026-11-24T08:59:00.000Z"
TOMORROW = "2026-11-25T09:00:00.000Z"
ENDED = "2026-11-24T08:00:00.000Z"
RUNNING = ExecutionStatus(is_running=True)
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", cause="by hand", ended_at=ENDED)
OKTA = {"Requester": {"Provider": "okta", "EventId": "e-1"}}

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture
def dana(people: People, table: Table, put_policy: Callable[[str], None], organization: WorkMailBackend) -> str:
    put_policy(a_policy())
    user = people.user("dana")
    people.alias(user, "d.leaver")
    called(organization)
    return user


def record(entity: Entity, name: str = "a", **changes: Any) -> dict[str, Any]:
    event = {
        "ExecutionArn": execution(name),
        "Now": NOW,
        "StartedAt": STARTED,
        "OrganizationId": ORGANIZATION_ID,
        "Entity": entity.to_json(),
        "ServiceEndsAt": "2027-03-31T00:00:00.000Z",
        "Request": {},
        "DateIsAhead": False,
        "Approval": None,
        **changes,
    }
    return record_offboarding.handler(event, Context())


def stands(monkeypatch: pytest.MonkeyPatch, **executions: ExecutionStatus) -> None:
    """Have Step Functions say how executions stand."""
    known = {execution(name): status for name, status in executions.items()}
    monkeypatch.setattr(holding, "read_execution_status", lambda arn: known[arn])


def test_the_record_is_the_entity_as_it_is_and_who_asked(
    dana: str, people: People, table: Table, organization: WorkMailBackend, counted: Callable[[], dict[str, float]]
) -> None:
    group = people.group("staff", (dana,))
    organization.set_mailbox_size(ORGANIZATION_ID, dana, 1.5)
    request = {"Reason": "left", "RequestedBy": "boss", **OKTA}

    answer = record(described(dana), Request=request)

    said = [said["Operation"] for said in answer["Evidence"].pop("Answers")]
    assert said == ["ListAliases", "ListGroupsForEntity", "GetMailboxDetails"]
    assert answer == {
        "Decision": "Deregister",
        "Reasons": [],
        "CapIsReached": False,
        "Evidence": {"At": NOW, "Decision": "Deregister", "Reasons": []},
    }
    assert counted() == {"OffboardingsRecorded": 1}
    written = table.get(A)
    assert written.entity == {
        **described(dana).to_json(),
        "Aliases": ["d.leaver@example.com"],
        "Groups": [{"Id": group, "Name": "staff"}],
        "MailboxSize": Decimal("1.5"),
    }
    assert (written.status, written.organization_id) == (Status.RECORDED, ORGANIZATION_ID)
    members = ("StartedAt", "Reason", "RequestedBy", "DueAt", "StatusKey")
    assert [table.text(A, member) for member in members] == [STARTED, "left", "boss", None, None]
    assert table.steps(A) == ["Recorded"]
    assert table.holder(dana) == A


def test_until_its_date_an_offboarding_is_scheduled(dana: str, table: Table) -> None:
    answer = record(described(dana), Request={"NotBefore": TOMORROW, **OKTA}, DateIsAhead=True)

    assert (answer["Decision"], answer["Reasons"], answer["CapIsReached"]) == ("WaitForDate", [], False)
    assert table.get(A).status is Status.SCHEDULED
    assert table.text(A, "DueAt") == TOMORROW
    assert table.steps(A) == ["Scheduled"]
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 0


def test_a_date_that_has_come_is_kept_and_not_waited_for(dana: str, table: Table) -> None:
    record(described(dana), Request={"NotBefore": TOMORROW}, DateIsAhead=True)

    assert record(described(dana), Request={"NotBefore": TOMORROW})["Decision"] == "Deregister"
    assert (table.text(A, "NotBefore"), table.text(A, "DueAt")) == (TOMORROW, None)
    assert table.steps(A) == ["Scheduled", "Recorded"]


def test_a_date_is_waited_for_before_anybody_is_asked(dana: str, put_policy: Any) -> None:
    put_policy(a_policy(approval_required=("*",)))

    assert record(described(dana), Request={"NotBefore": TOMORROW}, DateIsAhead=True)["Decision"] == "WaitForDate"


@pytest.mark.parametrize("entry", ["dana", "D.Leaver@*"])
def test_the_settings_can_want_an_approval_by_alias_too(dana: str, put_policy: Any, table: Table, entry: str) -> None:
    put_policy(a_policy(approval_required=("nobody", entry)))

    answer = record(described(dana), Request=OKTA)

    assert answer["Decision"] == "AwaitApproval"
    assert answer["Reasons"] == answer["Evidence"]["Reasons"]
    assert answer["Reasons"] == [
        f"{dana} matches entry 2 of the organization's approvalRequired in cdk.json.",
    ]
    assert answer["CapIsReached"] is False
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 0


def test_an_approval_is_recorded_and_not_asked_for_twice(dana: str, put_policy: Any, table: Table) -> None:
    put_policy(a_policy(approval_required=("*",), daily_cap=0))
    approval = {"DecidedBy": "boss", "Decision": "Approved"}

    assert record(described(dana), Request=OKTA, Approval=approval)["Decision"] == "Deregister"
    assert table.get(A).approval == approval
    assert (table.item(A) or {})["Steps"]["L"][0]["M"] == {
        "At": {"S": NOW},
        "Step": {"S": "Recorded"},
        "Approval": {"M": {"DecidedBy": {"S": "boss"}, "Decision": {"S": "Approved"}}},
    }


def test_without_an_approval_the_record_says_nothing_of_one(dana: str, table: Table) -> None:
    record(described(dana))

    assert "Approval" not in (table.item(A) or {})
    assert (table.item(A) or {})["Steps"]["L"][0]["M"] == {"At": {"S": NOW}, "Step": {"S": "Recorded"}}


def test_the_day_s_cap_stops_what_identity_providers_ask_and_counts_each_once(
    dana: str, people: People, put_policy: Any, table: Table
) -> None:
    put_policy(a_policy(daily_cap=1))
    kim = people.user("kim")

    assert record(described(dana), Request=OKTA)["Decision"] == "Deregister"
    assert record(described(dana), Request=OKTA)["Decision"] == "Deregister"
    answer = record(described(kim), "b", Request=OKTA)

    assert (answer["Decision"], answer["CapIsReached"]) == ("AwaitApproval", True)
    assert answer["Reasons"] == [
        f"Identity providers have had 1 entities of this organization deregistered on {DAY}, which is the day's cap."
    ]
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 1
    by_a_person = record(described(kim), "b")
    assert by_a_person["Decision"] == "Deregister", "what a person starts is not counted"
    assert by_a_person["CapIsReached"] is False
    later = record(described(kim), "b", Now="2026-11-25T00:00:00.000Z", Request=OKTA)
    assert later["Decision"] == "Deregister", "the next day has a cap of its own"


def test_what_is_disabled_already_needs_no_approval_and_takes_no_slot(dana: str, put_policy: Any, table: Table) -> None:
    put_policy(a_policy(approval_required=("*",), daily_cap=0))
    deregister(dana)

    assert record(described(dana), Request=OKTA)["Decision"] == "Deregister"


@pytest.mark.parametrize("entry", ["dana@example.com", "d.leaver@example.com"])
def test_who_is_protected_is_not_recorded_and_let_go(dana: str, put_policy: Any, table: Table, entry: str) -> None:
    put_policy(a_policy(protected=(entry,)))

    with pytest.raises(errors.EntityProtected, match="entry 1 of the organization's protected"):
        record(described(dana))

    assert table.item(A) is None
    assert table.holder(dana) is None


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
def test_nobody_offboards_themselves_under_an_alias(dana: str, table: Table, request_: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidRequest, match="The requester has an alias of the entity"):
        record(described(dana), Request=request_)

    assert table.item(A) is None
    assert table.holder(dana) is None


def test_who_asks_for_somebody_else_may(dana: str) -> None:
    asked = {"RequestedBy": "boss", "Requester": {"Provider": "okta", "EventId": "e", "RequestedBy": "hr@example.com"}}

    assert record(described(dana), Request=asked)["Decision"] == "Deregister"


@pytest.mark.parametrize("operation", ["ListAliases", "ListGroupsForEntity"])
@pytest.mark.parametrize("code", ["EntityStateException", "EntityNotFoundException"])
def test_an_entity_whose_belongings_workmail_does_not_tell_is_let_go(
    dana: str, table: Table, organization: WorkMailBackend, operation: str, code: str
) -> None:
    entity = described(dana)
    fail(organization, operation, code)

    with pytest.raises(errors.WorkMailUnavailable, match=f"described {dana} as enabled, but does not list"):
        record(entity)

    assert table.item(A) is None
    assert table.holder(dana) is None


def test_a_mailbox_of_which_workmail_says_nothing_is_no_reason_to_stop(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    entity = described(dana)
    fail(organization, "GetMailboxDetails", "EntityNotFoundException")

    record(entity)

    assert table.get(A).entity["MailboxSize"] is None


def test_a_group_has_no_mailbox_and_a_resource_no_groups(
    people: People, table: Table, put_policy: Any, organization: WorkMailBackend
) -> None:
    put_policy(a_policy())
    group, room = people.group("staff"), people.resource("room")
    outer = people.group("everybody", (group,))
    staff, meeting = described(group, EntityType.GROUP), described(room, EntityType.RESOURCE)
    called(organization)

    record(staff, "a")
    assert called(organization) == ["ListAliases", "ListGroupsForEntity"]
    record(meeting, "b")
    assert called(organization) == ["ListAliases", "GetMailboxDetails"]

    assert table.get(A).entity["Groups"] == [{"Id": outer, "Name": "everybody"}]
    assert table.get(A).entity["MailboxSize"] is None
    assert table.get(B).entity["Groups"] is None
    assert table.get(B).entity["MailboxSize"] is not None


def test_a_group_without_a_name_is_recorded_all_the_same(dana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Directory, "list_groups_of", lambda self, entity_id: [{"GroupId": "g-1"}])

    belongings = record_offboarding.read_restorable_state(
        Directory(record_offboarding.client, ORGANIZATION_ID), described(dana)
    )

    assert belongings is not None
    assert belongings.groups == [{"Id": "g-1", "Name": ""}]


def test_after_the_wait_what_was_recorded_of_a_disabled_entity_stays(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    organization.set_mailbox_size(ORGANIZATION_ID, dana, 2.5)
    record(described(dana))
    recorded = table.get(A).entity
    deregister(dana)
    organization.behaviour = Behaviour(email_of_disabled="absent")

    record(described(dana))

    kept = table.get(A).entity
    assert kept["State"] == "DISABLED"
    for member in ("Email", "Aliases", "Groups", "MailboxSize"):
        assert kept[member] == recorded[member]


def test_after_the_wait_what_a_group_never_had_is_still_not_made_up(
    people: People, table: Table, put_policy: Any, organization: WorkMailBackend
) -> None:
    put_policy(a_policy())
    group = people.group("staff")
    people.alias(group, "everybody")
    record(described(group, EntityType.GROUP))
    deregister(group)

    record(described(group, EntityType.GROUP))

    assert table.get(A).entity["Aliases"] == ["everybody@example.com"]
    assert table.get(A).entity["MailboxSize"] is None


def test_who_joins_a_window_takes_over_what_its_record_knows(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(described(dana))
    deregister(dana)
    step = {"At": NOW, "Step": "Deregistered"}
    table.records.record_deregistration(
        an_offboarding(A, dana), {"DeregisteredAt": NOW, "RetentionEndsAt": "2026-12-24T09:00:00.000Z"}, step
    )
    stands(monkeypatch, a=STOPPED)

    record(described(dana), "b")

    assert table.get(B).entity["Aliases"] == ["d.leaver@example.com"]
    assert table.holder(dana) == B
    assert (table.get(A).status, table.get(A).outcome, table.get(A).ended_at) == (Status.UNWATCHED, "Stopped", ENDED)
    assert table.text(A, "Cause") == "by hand"


def test_what_was_recorded_of_another_registration_is_not_taken_over(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(described(dana))
    step = {"At": NOW, "Step": "Deregistered"}
    long_ago = {"DeregisteredAt": "2026-08-24T09:00:00.000Z", "RetentionEndsAt": "2026-09-23T09:00:00.000Z"}
    table.records.record_deregistration(an_offboarding(A, dana), long_ago, step)
    deregister(dana)
    stands(monkeypatch, a=STOPPED)

    record(described(dana), "b")

    assert table.get(B).entity["Aliases"] is None
    assert table.get(B).entity["Email"] == "dana@example.com"


def test_of_a_disabled_entity_that_nobody_recorded_nothing_is_made_up(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    deregister(dana)
    organization.behaviour = Behaviour(email_of_disabled="absent")
    entity = described(dana)
    called(organization)
    asked: list[str] = []
    get = Records.find
    monkeypatch.setattr(Records, "find", lambda records, arn: asked.append(arn) or get(records, arn))

    record(entity)

    assert asked == [A], "no window points to another record"
    assert called(organization) == []
    assert "Email" not in table.get(A).entity
    for member in ("Aliases", "Groups", "MailboxSize"):
        assert table.get(A).entity[member] is None


@pytest.mark.parametrize(("registered_at", "known"), [(NOW, True), (None, True), ("2026-11-24T09:00:00.001Z", False)])
def test_a_record_that_is_not_confirmed_is_of_the_same_registration_by_its_date(
    dana: str, table: Table, organization: WorkMailBackend, registered_at: str | None, known: bool
) -> None:
    record(described(dana))
    deregister(dana)
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=parse(registered_at) if registered_at else None)

    record(described(dana))

    assert (table.get(A).entity["Aliases"] is not None) is known


def test_a_record_without_a_date_of_registering_is_of_no_registration(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=None)
    record(described(dana))
    deregister(dana)

    record(described(dana))

    assert table.get(A).entity["Aliases"] is None


def test_another_execution_that_runs_keeps_the_entity(dana: str, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.open("b", dana)
    stands(monkeypatch, b=RUNNING)

    with pytest.raises(errors.AlreadyInProgress, match=f'"ExecutionArn": "{B}"'):
        record(described(dana))

    assert table.holder(dana) == B
    assert table.item(A) is None


def test_what_an_execution_left_that_is_over_is_closed_and_taken_over(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.open("b", dana)
    stands(monkeypatch, b=STOPPED)

    assert record(described(dana))["Decision"] == "Deregister"

    assert table.holder(dana) == A
    assert (table.get(B).status, table.get(B).outcome, table.get(B).ended_at) == (Status.ENDED, "Stopped", ENDED)


def test_one_that_is_forgotten_is_closed_as_such(dana: str, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.open("b", dana)
    stands(monkeypatch, b=ExecutionStatus(is_running=False, outcome="Forgotten", cause="unknown"))
    later = render(parse(NOW) + timedelta(days=100))

    record(described(dana), Now=later)

    assert (table.get(B).outcome, table.get(B).ended_at) == ("Forgotten", later)


def test_a_record_that_says_how_it_ended_is_left_as_it_is(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.open("b", dana)
    table.records.close(table.get(B), "Rejected", None, ENDED)
    table.records.renew_hold(an_offboarding(B, dana))
    stands(monkeypatch, b=STOPPED)

    record(described(dana))

    assert table.get(B).outcome == "Rejected"
    assert table.holder(dana) == A


def test_one_without_a_record_is_taken_over_when_it_is_over(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.records.hold(an_offboarding(B, dana), NOW)
    stands(monkeypatch, b=STOPPED)

    record(described(dana))

    assert table.holder(dana) == A
    assert table.item(B) is None


def test_one_that_watches_a_departure_that_was_taken_back_is_superseded(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.deregister("b", dana)
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=parse(NOW) + timedelta(days=3))
    stands(monkeypatch, b=RUNNING)

    record(described(dana))

    assert table.holder(dana) == A
    assert table.get(B).superseded_by == A
    assert (table.item(B) or {})["Steps"]["L"][-1]["M"] == {
        "At": {"S": NOW},
        "Step": {"S": "Superseded"},
        "By": {"S": A},
    }


def test_several_that_take_over_at_once_are_told_to_start_again(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.open("b", dana)
    stands(monkeypatch, b=STOPPED)
    settle = record_offboarding._update_record_of

    def meanwhile(*given: Any) -> None:
        settle(*given)
        table.records.hold(an_offboarding(execution("c"), dana), NOW, take_over_from=B)

    monkeypatch.setattr(record_offboarding, "_update_record_of", meanwhile)

    with pytest.raises(errors.RecordUnavailable, match="Several executions take over this entity at the same time"):
        record(described(dana))
    assert table.holder(dana) == execution("c")
