"""Plans, which change nothing, and dates, for which an execution waits before it checks everything again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from tests.workflow.conftest import CHANGED_SETTINGS, mark_long

pytestmark = pytest.mark.no_providers

PLAN_STATES = ["Begin", "ResolveEntity", "CheckOrganization", "WhatIsAskedFor?", "PlanOffboarding", "Planned"]


def test_a_plan_states_the_calls_and_changes_nothing(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.people.create_alias(user, "d")
    assistant = flow.people.create_user("assistant")
    crew = flow.people.create_group("crew", (user, assistant))
    archive = flow.people.create_group("archive", (user,))
    flow.workmail.put_mailbox_permissions(
        OrganizationId=ORGANIZATION_ID, EntityId=user, GranteeId=assistant, PermissionValues=["SEND_AS"]
    )
    flow.clear_calls()

    result = flow.run("dana", days=40, DryRun=True)

    assert (result.status, result.outcome) == ("SUCCEEDED", "Planned")
    assert result.states == PLAN_STATES
    assert result.output["Explanation"] == "Without DryRun it would deregister the entity."
    assert result.output["Organization"] == {"Id": ORGANIZATION_ID, "Alias": "example-corp"}
    assert result.output["Entity"]["Id"] == user
    assert result.output["Plan"] == {
        "WouldCall": [{"Operation": "DeregisterFromWorkMail", "OrganizationId": ORGANIZATION_ID, "EntityId": user}],
        "WouldBeRefused": [],
        "NeedsApproval": [],
        "WouldAffect": {
            "Aliases": [flow.people.address("d")],
            "Groups": [
                {"Id": crew, "Name": "crew", "IsOnlyEnabledMember": False},
                {"Id": archive, "Name": "archive", "IsOnlyEnabledMember": True},
            ],
            "MailboxPermissions": [{"GranteeId": assistant, "GranteeType": "USER", "PermissionValues": ["SEND_AS"]}],
            "NotRead": [],
        },
        "DeregistersAt": "2026-11-22T12:00:00.000Z",
        "MailboxIsRemovedAt": "2026-12-22T12:00:00.000Z",
        "VerifyAt": "2026-12-22T18:00:00.000Z",
        "RetentionEndsBeforeWorkMail": True,
    }
    assert all(name.startswith(("Describe", "List")) for name in flow.list_calls())
    items = flow.environment.client("dynamodb").scan(TableName=flow.table_name)["Items"]
    parts = {item["Part"]["S"].rpartition(" ")[2]: item for item in items}
    assert sorted(parts) == ["Ended", "Record", "Started"]
    assert (parts["Record"]["Outcome"], parts["Record"]["DryRun"]) == ({"S": "Planned"}, {"BOOL": True})
    assert flow.run("dana").outcome == "CleanupVerified", "a plan does not block an offboarding"


def test_a_plan_is_made_without_a_list_that_workmail_refuses(flow: Any) -> None:
    group = flow.people.create_group("crew", (flow.people.create_user("dana"),))
    flow.inject_error("ListMailboxPermissions", "AccessDeniedException")
    flow.inject_error("ListGroupsForEntity", "EntityStateException")

    affected = flow.run("dana", days=0, DryRun=True).output["Plan"]["WouldAffect"]

    assert {entry["Member"] for entry in affected["NotRead"]} == {"Groups", "MailboxPermissions"}
    assert flow.run(group, days=0, DryRun=True).output["Plan"]["WouldAffect"]["EnabledMembers"] == 1


@pytest.mark.parametrize("value", ["true", *mark_long(None, 1, "yes")])
def test_a_dry_run_that_is_not_a_boolean_is_refused(flow: Any, value: Any) -> None:
    flow.people.create_user("dana")

    result = flow.run("dana", days=0, DryRun=value)

    assert result.outcome == "InvalidRequest"
    assert result.cause == "The mailbox was not touched. DryRun must be true or false."
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_dry_run_false_offboards_the_entity(flow: Any) -> None:
    flow.people.create_user("dana")

    assert flow.run("dana", DryRun=False).outcome == "CleanupVerified"


def test_a_plan_states_refusals_and_required_approvals(flow: Any) -> None:
    flow.change_policy(Protected=["boss"], ApprovalRequired=["vip-*"])
    system = flow.people.create_user("system")
    flow.backend.set_user_role(ORGANIZATION_ID, system, "SYSTEM_USER")
    migrator = flow.people.create_user("migrator")
    flow.backend.set_migration_admin(ORGANIZATION_ID, migrator)
    for name in ("boss", "vip-1"):
        flow.people.create_user(name)

    def planned(entity_id: str) -> dict[str, Any]:
        result = flow.run(entity_id, days=0, DryRun=True)
        assert result.outcome == "Planned"
        return result.output

    for entity_id in ("boss", system, migrator):
        output = planned(entity_id)
        assert [refusal["Error"] for refusal in output["Plan"]["WouldBeRefused"]] == ["EntityProtected"]
        assert output["Plan"]["WouldCall"] == []
        assert "would end as EntityProtected" in output["Explanation"]
    assert [
        "entry 1 of the organization's approvalRequired" in r for r in planned("vip-1")["Plan"]["NeedsApproval"]
    ] == [True]


def test_a_plan_reports_the_daily_cap_without_taking_a_slot(flow: Any) -> None:
    flow.change_policy(DailyCap=1)
    requester = {"Provider": "okta", "EventId": "e-1"}
    flow.people.create_user("dana")
    for _ in range(2):
        assert flow.run("dana", days=0, DryRun=True, Requester=requester).output["Plan"]["NeedsApproval"] == []
    flow.people.create_user("other")
    flow.run("other", days=0, Requester=requester)

    [reason] = flow.run("dana", days=0, DryRun=True, Requester=requester).output["Plan"]["NeedsApproval"]

    assert reason == "The cap of 1 deregistrations within 24 hours is reached."


def test_a_plan_reports_an_offboarding_in_progress(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start(user)
    flow.clock.settle()

    plan = flow.run(user, days=0, DryRun=True).output["Plan"]

    assert plan["WouldBeRefused"] == [
        {"Error": "AlreadyInProgress", "Cause": f"The execution {arn} offboards this entity."}
    ]
    assert plan["WouldCall"] == []
    assert plan["DeregisteredAt"] == "2026-11-22T12:00:00.000Z"


def test_a_plan_reports_an_entity_without_a_mailbox(flow: Any) -> None:
    flow.people.create_user("dana", registered=False)

    output = flow.run("dana", days=0, DryRun=True).output

    assert "would end as NothingToDo" in output["Explanation"]
    assert output["Plan"] == {"WouldCall": [], "WouldBeRefused": [], "NeedsApproval": []}


def test_a_plan_reports_a_retention_that_ends_after_workmail(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(now=datetime(2027, 3, 10, 9, tzinfo=UTC))
    flow.people.create_user("dana")

    plan = flow.run("dana", days=0, DryRun=True).output["Plan"]

    assert plan["RetentionEndsBeforeWorkMail"] is False
    assert plan["MailboxIsRemovedAt"] == "2027-04-09T09:00:00.000Z"
    assert plan["VerifyAt"] == "2027-03-30T00:00:00.000Z"


def test_a_plan_with_a_date_applies_to_that_date_without_waiting(flow: Any) -> None:
    flow.people.create_user("dana")

    plan = flow.run("dana", days=0, DryRun=True, NotBefore="2026-12-24T17:00:00+01:00").output["Plan"]

    assert plan["DeregistersAt"] == "2026-12-24T16:00:00.000Z"
    assert plan["MailboxIsRemovedAt"] == "2027-01-23T16:00:00.000Z"


def test_an_offboarding_waits_for_its_date_and_then_checks_everything_again(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start("dana", NotBefore="2026-12-24T17:00:00+01:00")
    flow.pass_days(1)
    assert flow.read_record(arn)["Status"] == "Scheduled"
    assert [(item["Id"], item["DueAt"]) for item in flow.list_by_status("Scheduled")] == [
        (arn, "2026-12-24T16:00:00.000Z")
    ]
    flow.clock.move_to(datetime(2026, 12, 24, 15, 59, 59, tzinfo=UTC))
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert flow.list_calls("DeregisterFromWorkMail") == []
    flow.people.create_alias(user, "d")

    flow.clock.move_to(datetime(2026, 12, 24, 16, 0, tzinfo=UTC))
    assert flow.read_workmail_state(user)["State"] == "DISABLED"
    assert flow.read_record(arn)["Entity"]["Aliases"] == [flow.people.address("d")], "as on the date"
    flow.pass_days(31)

    result = flow.read_result(arn)
    assert result.outcome == "CleanupVerified"
    assert result.states.count("ResolveEntity") == result.states.count("RecordOffboarding") == 2
    assert (
        "the entity is resolved and checked again, and deregistered"
        in result.output["Evidence"]["ResolveEntity"]["NotBefore"]
    )


def test_a_date_in_the_past_causes_no_wait_and_the_output_states_it(flow: Any) -> None:
    flow.people.create_user("dana")

    result = flow.run("dana", NotBefore="2026-11-22T11:59:59Z")

    assert result.outcome == "CleanupVerified"
    assert "WaitForDate" not in result.states
    assert result.output["Evidence"]["ResolveEntity"]["NotBefore"] == (
        "2026-11-22T11:59:59.000Z was past when the execution started, so nothing waited for it."
    )


@pytest.mark.parametrize(
    ("not_before", "message"),
    [
        ("tomorrow", "NotBefore must be an RFC 3339 timestamp with its offset from UTC"),
        *mark_long(
            ("2027-09-19T12:00:00Z", "NotBefore must be at most 260 days ahead, not after 2027-08-09T12:00:00.000Z")
        ),
        ("2027-03-31T00:00:00Z", "NotBefore must be before 2027-03-31T00:00:00.000Z, when Amazon WorkMail ends"),
        *mark_long(
            ("2026-12-24", "NotBefore must be an RFC 3339 timestamp with its offset from UTC"),
            ("2026-12-24T17:00:00", "NotBefore must be an RFC 3339 timestamp with its offset from UTC"),
            ("24.12.2026 17:00", "NotBefore must be an RFC 3339 timestamp with its offset from UTC"),
            (1798128000, "NotBefore must be an RFC 3339 timestamp with its offset from UTC"),
            ("2026-13-24T17:00:00Z", "there is no such date"),
            ("2027-02-29T17:00:00Z", "there is no such date"),
        ),
    ],
)
def test_an_invalid_date_is_refused_without_a_call_of_workmail(flow: Any, not_before: Any, message: str) -> None:
    flow.people.create_user("dana")
    flow.clear_calls()

    result = flow.run("dana", days=0, NotBefore=not_before)

    assert result.outcome == "InvalidRequest"
    assert message in result.cause
    assert flow.list_calls() == []


def test_a_date_260_days_ahead_is_possible(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(CHANGED_SETTINGS)
    flow.people.create_user("dana")

    result = flow.run("dana", days=315, NotBefore="2027-08-09T12:00:00Z")

    assert result.outcome == "CleanupVerified"
    assert result.output["DeregisteredAt"] == "2027-08-09T12:00:00.000Z"


def test_an_entity_registered_again_before_the_date_is_not_deregistered(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start("dana", NotBefore="2026-12-24T17:00:00Z")
    flow.pass_days(1)
    flow.deregister(user)
    flow.pass_days(1)
    flow.people.register(user, "dana")
    flow.clear_calls()
    flow.pass_days(40)

    result = flow.read_result(arn)
    assert result.outcome == "EntityMismatch"
    assert "registered again while this execution waited" in result.cause
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_another_user_who_receives_the_name_of_the_leaver_is_not_deregistered(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start("dana", NotBefore="2026-12-24T17:00:00Z")
    flow.pass_days(1)
    flow.backend.arrange(ORGANIZATION_ID, user, name="dana.old", email=flow.people.address("dana.old"))
    namesake = flow.people.create_user("dana")
    flow.pass_days(70)

    assert flow.read_result(arn).output["Entity"]["Id"] == user
    assert flow.read_workmail_state(namesake)["State"] == "ENABLED"
    assert flow.read_workmail_state(user)["State"] == "DISABLED"


def test_the_expected_entity_is_compared_again_on_the_date(flow: Any) -> None:
    user = flow.people.create_user("dana", "Dana Leaver")
    arn = flow.start("dana", NotBefore="2026-12-24T17:00:00Z", Expected={"DisplayName": "Dana Leaver"})
    flow.pass_days(1)
    flow.workmail.update_user(OrganizationId=ORGANIZATION_ID, UserId=user, DisplayName="Dana Stays")
    flow.pass_days(40)

    assert flow.read_result(arn).outcome == "EntityMismatch"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


def test_a_user_without_a_mailbox_can_be_offboarded_on_a_later_date(flow: Any) -> None:
    user = flow.people.create_user("intern", registered=False)
    arn = flow.start("intern", NotBefore="2027-01-31T17:00:00Z")
    flow.pass_days(5)
    flow.people.register(user, "intern")
    flow.pass_days(100)
    assert flow.read_result(arn).outcome == "CleanupVerified"

    flow.people.create_user("never", registered=False)
    never = flow.start("never", NotBefore=(flow.clock.now() + timedelta(days=3)).isoformat())
    flow.pass_days(5)
    assert flow.read_result(never).outcome == "NothingToDo"


def test_an_entity_disabled_by_hand_before_the_date_only_waits_for_its_window(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start("dana", NotBefore="2026-12-02T12:00:00Z")
    flow.pass_days(2)
    flow.deregister(user)
    flow.clear_calls()
    flow.pass_days(31)

    result = flow.read_result(arn)
    assert result.outcome == "CleanupVerified"
    assert result.output["DeregisteredAt"] == "2026-11-24T12:00:00.000Z"
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_a_request_by_the_leaver_is_refused(flow: Any) -> None:
    flow.people.create_user("dana")

    for requester in ("dana", flow.people.address("DANA")):
        result = flow.run("dana", days=0, RequestedBy=requester)
        assert result.outcome == "InvalidRequest"
        assert "Requester and leaver must be different people" in result.cause
