"""A plan says what would happen, and changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import plan_offboarding
from local.defaults import ORGANIZATION_ID
from local.organization import People
from local.workmail import WorkMailBackend
from offboarding.adapters import holding
from offboarding.adapters.executions import ExecutionStatus
from offboarding.domain import errors
from offboarding.domain.entities import Entity
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import (
    DAY,
    NOW,
    Context,
    Table,
    a_policy,
    an_offboarding,
    called,
    configure,
    deregister,
    described,
    execution,
    fail,
)

B = execution("b")
READS = {"DescribeUser", "ListAliases"}
OKTA = {"Requester": {"Provider": "okta", "EventId": "e-1"}}
RUNNING = ExecutionStatus(is_running=True)
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", ended_at=NOW)

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture(autouse=True)
def rules(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, "VERIFICATION_SLACK_HOURS", "6")
    configure(monkeypatch, "OVERDUE_DAYS", "7")
    configure(monkeypatch, "SERVICE_ENDS_ON", "2027-03-31")


@pytest.fixture
def dana(people: People, table: Table, put_policy: Callable[[str], None], organization: WorkMailBackend) -> str:
    put_policy(a_policy())
    user = people.user("dana")
    people.alias(user, "d.leaver")
    called(organization)
    return user


def plan(entity: Entity, **changes: Any) -> dict[str, Any]:
    event = {
        "ExecutionArn": execution("a"),
        "Now": NOW,
        "OrganizationId": ORGANIZATION_ID,
        "Entity": entity.to_json(),
        "ServiceEndsAt": "2027-03-31T00:00:00.000Z",
        "Request": {},
        "NeverRegistered": entity.never_registered,
        "IsMigrationAdmin": False,
        **changes,
    }
    return plan_offboarding.handler(event, Context())


def test_a_plan_names_the_call_and_the_dates_and_changes_nothing(
    dana: str, table: Table, organization: WorkMailBackend, counted: Callable[[], dict[str, float]]
) -> None:
    answer = plan(described(dana), Request=OKTA)

    assert [said["Operation"] for said in answer["Evidence"].pop("Answers")] == ["ListAliases"]
    assert answer == {
        "Explanation": "Without DryRun it would deregister the entity.",
        "Plan": {
            "WouldCall": [{"Operation": "DeregisterFromWorkMail", "OrganizationId": ORGANIZATION_ID, "EntityId": dana}],
            "WouldBeRefused": [],
            "NeedsApproval": [],
            "DeregistersAt": NOW,
            "MailboxIsRemovedAt": "2026-12-24T09:00:00.000Z",
            "VerifyAt": "2026-12-24T15:00:00.000Z",
            "RetentionEndsBeforeWorkMail": True,
        },
        "Evidence": {"At": NOW},
    }
    assert counted() == {"OffboardingsPlanned": 1}
    assert set(called(organization)) == READS
    assert table.item(execution("a")) is None
    assert table.holder(dana) is None
    assert table.records.count_slots_taken(ORGANIZATION_ID, DAY) == 0


@pytest.mark.parametrize(
    ("not_before", "at"),
    [("2026-12-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"), ("2026-11-01T00:00:00.000Z", NOW)],
)
def test_a_date_ahead_is_when_it_would_be_deregistered_and_one_past_is_not(dana: str, not_before: str, at: str) -> None:
    planned = plan(described(dana), Request={"NotBefore": not_before})["Plan"]

    assert planned["DeregistersAt"] == at
    assert planned["MailboxIsRemovedAt"] == render(parse(at) + timedelta(days=30))


def test_a_plan_says_when_workmail_ends_before_the_retention(dana: str) -> None:
    planned = plan(described(dana), Request={"NotBefore": "2027-03-15T00:00:00.000Z"})["Plan"]

    assert planned["RetentionEndsBeforeWorkMail"] is False


def test_what_is_disabled_already_would_only_be_watched(
    dana: str, put_policy: Any, organization: WorkMailBackend
) -> None:
    put_policy(a_policy(approval_required=("*",), daily_cap=0))
    deregister(dana)
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=parse(NOW) - timedelta(days=7))
    entity = described(dana)
    called(organization)

    answer = plan(entity, Request=OKTA)

    assert called(organization) == [], "WorkMail tells the aliases of enabled entities only"
    assert answer["Explanation"] == (
        "The entity is disabled already. Without DryRun it would only be watched until its mailbox is gone."
    )
    assert answer["Plan"] == {
        "WouldCall": [],
        "WouldBeRefused": [],
        "NeedsApproval": [],
        "DeregisteredAt": "2026-11-17T09:00:00.000Z",
        "MailboxIsRemovedAt": "2026-12-17T09:00:00.000Z",
        "VerifyAt": "2026-12-17T15:00:00.000Z",
        "RetentionEndsBeforeWorkMail": True,
    }


def test_a_date_left_over_from_an_earlier_departure_does_not_count(dana: str) -> None:
    registered_again = replace(described(dana), disabled_date=parse(NOW) - timedelta(days=90))

    assert plan(registered_again)["Plan"]["MailboxIsRemovedAt"] == "2026-12-24T09:00:00.000Z"


def test_a_disabled_entity_without_a_date_is_planned_from_now_on(dana: str, organization: WorkMailBackend) -> None:
    deregister(dana)
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=None)

    assert plan(described(dana))["Plan"]["DeregisteredAt"] == NOW


def test_what_was_never_registered_has_no_dates(dana: str, people: People) -> None:
    answer = plan(described(people.user("kim", registered=False)))

    assert answer["Explanation"] == (
        "Without DryRun it would end as NothingToDo: the entity was never registered to WorkMail."
    )
    assert answer["Plan"] == {"WouldCall": [], "WouldBeRefused": [], "NeedsApproval": []}


@pytest.mark.parametrize("entry", ["dana", "d.leaver@*"])
def test_a_plan_says_who_is_protected_by_the_settings_and_by_an_alias(dana: str, put_policy: Any, entry: str) -> None:
    put_policy(a_policy(protected=(entry,), approval_required=("*",)))

    answer = plan(described(dana))

    assert answer["Explanation"] == "Without DryRun it would end as EntityProtected, and nothing would be changed."
    (refusal,) = answer["Plan"]["WouldBeRefused"]
    assert refusal["Error"] == "EntityProtected"
    assert f"{dana} is protected by entry 1 of the organization's protected" in refusal["Cause"]
    assert answer["Plan"]["WouldCall"] == []
    assert len(answer["Plan"]["NeedsApproval"]) == 1


def test_a_plan_names_every_refusal(dana: str, put_policy: Any, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    put_policy(a_policy(protected=("dana",)))
    table.open("b", dana)
    monkeypatch.setattr(holding, "read_execution_status", {B: RUNNING}.__getitem__)

    refusals = plan(described(dana), IsMigrationAdmin=True)["Plan"]["WouldBeRefused"]

    assert [refusal["Error"] for refusal in refusals] == ["EntityProtected", "EntityProtected", "AlreadyInProgress"]
    assert "migration administrator" in refusals[0]["Cause"]
    assert refusals[2]["Cause"] == f"The execution {B} offboards this entity."


def test_an_offboarding_that_gives_way_or_is_over_is_no_refusal(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.deregister("b", dana)
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=parse(NOW) + timedelta(days=1))
    monkeypatch.setattr(holding, "read_execution_status", {B: RUNNING}.__getitem__)
    assert plan(described(dana))["Plan"]["WouldBeRefused"] == [], "it watches a departure that was taken back"
    monkeypatch.setattr(holding, "read_execution_status", {B: STOPPED}.__getitem__)
    assert plan(described(dana))["Plan"]["WouldBeRefused"] == [], "it is over"
    table.records.release(an_offboarding(B, dana))
    monkeypatch.setattr(holding, "read_execution_status", {}.__getitem__)
    assert plan(described(dana))["Plan"]["WouldBeRefused"] == [], "it has let go, and nobody is asked how it stands"


@pytest.mark.parametrize("entry", ["dana", "d.leaver@*"])
def test_a_plan_says_that_a_person_would_have_to_approve(dana: str, put_policy: Any, entry: str) -> None:
    put_policy(a_policy(approval_required=(entry,), daily_cap=0))

    answer = plan(described(dana), Request=OKTA)

    assert answer["Explanation"] == "Without DryRun it would wait for an approval, and then deregister the entity."
    assert answer["Plan"]["NeedsApproval"] == [
        f"{dana} matches entry 1 of the organization's approvalRequired in cdk.json."
    ]
    assert len(answer["Plan"]["WouldCall"]) == 1


@pytest.mark.parametrize(
    ("request_", "cap", "reasons"),
    [
        (OKTA, 1, [f"1 of the 1 deregistrations of {DAY} are taken."]),
        (OKTA, 2, []),
        ({}, 1, []),
        ({**OKTA, "NotBefore": "2026-11-25T00:00:00.000Z"}, 1, []),
        ({**OKTA, "NotBefore": "2026-11-24T23:59:59.000Z"}, 1, [f"1 of the 1 deregistrations of {DAY} are taken."]),
    ],
)
def test_a_plan_looks_at_the_cap_of_the_day_on_which_it_would_be(
    dana: str, put_policy: Any, table: Table, request_: dict[str, Any], cap: int, reasons: list[str]
) -> None:
    put_policy(a_policy(daily_cap=cap))
    table.records.take_slot(an_offboarding(B), DAY, 20)

    assert plan(described(dana), Request=request_)["Plan"]["NeedsApproval"] == reasons


@pytest.mark.parametrize("code", ["EntityStateException", "EntityNotFoundException"])
def test_where_the_aliases_are_not_told_nobody_knows_who_is_protected(
    dana: str, organization: WorkMailBackend, code: str
) -> None:
    entity = described(dana)
    fail(organization, "ListAliases", code)

    with pytest.raises(errors.WorkMailUnavailable, match=f"described {dana} as enabled, but does not list its aliases"):
        plan(entity)
