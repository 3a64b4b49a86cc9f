"""Restores: everything as before, or the reason why not; repeated, interrupted, and during the offboarding."""

from dataclasses import replace
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from tests.workflow.conftest import mark_long

pytestmark = pytest.mark.no_providers

RESTORED = ["RegisterEntity", "RestoreAliasesAndGroups", "IsEverythingBack?", "Restored"]
REMOVES_ALIASES_AND_GROUPS = {"aliases_of_deregistered": "removed", "groups_of_deregistered": "removed"}


def create_entity(flow: Any, kind: str) -> str:
    """Create an entity with everything that a restore must bring back."""
    if kind == "USER":
        entity = flow.people.create_user("dana", "Dana Leaver")
    elif kind == "GROUP":
        entity = flow.people.create_group("dana", (flow.people.create_user("member"),))
    else:
        return add_aliases(flow, flow.people.create_resource("dana"))
    flow.people.create_group("team", (entity,))
    flow.people.create_group("everybody", (entity, flow.people.create_user("other")))
    return add_aliases(flow, entity)


def add_aliases(flow: Any, entity: str) -> str:
    for alias in ("d.leaver", "dl"):
        flow.people.create_alias(entity, alias)
    return entity


def offboard(flow: Any, kind: str = "USER", days: float = 12, **behaviour: Any) -> tuple[str, str, dict[str, Any]]:
    """Offboard an entity and let some days pass; return its id, the execution, and its former state."""
    flow.backend.behaviour = replace(flow.backend.behaviour, **behaviour)
    entity = create_entity(flow, kind)
    former_state = flow.read_workmail_state(entity)
    arn = flow.start(entity)
    flow.pass_days(days)
    assert flow.read_workmail_state(entity)["State"] == "DISABLED"
    return entity, arn, former_state


@pytest.mark.parametrize("kind", ["USER", "GROUP", *mark_long("RESOURCE")])
@pytest.mark.parametrize(
    "behaviour",
    [{**REMOVES_ALIASES_AND_GROUPS, "email_of_disabled": "absent"}, *mark_long({})],
    ids=["removed", "kept"],
)
def test_a_restore_brings_back_the_entity_as_it_was(flow: Any, kind: str, behaviour: dict[str, Any]) -> None:
    entity, arn, former_state = offboard(flow, kind, **behaviour)
    mailbox = flow.backend.mailbox_exists(ORGANIZATION_ID, entity)

    result = flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=entity)

    assert (result.status, result.outcome) == ("SUCCEEDED", "Restored")
    assert result.states == RESTORED
    assert flow.read_workmail_state(entity) == former_state
    assert flow.backend.mailbox_exists(ORGANIZATION_ID, entity) == mailbox
    assert result.output["Missing"] == []
    assert result.output["OffboardingArn"] == arn
    record = flow.read_record(arn)
    assert (record["Status"], record["RestoredAt"]) == ("Restored", "2026-12-04T12:00:00.000Z")
    assert flow.list_by_status("InWindow") == []
    flow.pass_days(30)
    assert flow.read_result(arn).outcome == "Reenabled"
    assert flow.read_record(arn)["Outcome"] == "Reenabled"


@pytest.mark.parametrize("by", ["address", *mark_long("NAME", "arn", "name")])
@pytest.mark.parametrize("email", ["absent", *mark_long("present")])
def test_a_restore_accepts_the_execution_the_name_and_the_primary_address(flow: Any, by: str, email: str) -> None:
    _, arn, _ = offboard(flow, email_of_disabled=email, describe_entity_of_disabled="EntityNotFoundException")
    names = {"name": "dana", "NAME": "DANA", "address": flow.people.address("dana")}
    execution_input = (
        {"ExecutionArn": arn} if by == "arn" else {"OrganizationId": ORGANIZATION_ID, "EntityId": names[by]}
    )

    assert flow.restore(**execution_input, RequestedBy="helpdesk", Reason="hired again").outcome == "Restored"
    step = next(step for step in flow.read_steps(arn) if step["Step"] == "RegisterEntity")
    assert (step["RequestedBy"], step["Reason"]) == ("helpdesk", "hired again")


def test_an_address_that_was_only_an_alias_does_not_restore_somebody_else(flow: Any) -> None:
    entity, _, _ = offboard(flow)

    result = flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=flow.people.address("dl"))

    assert result.outcome == "EntityMismatch"
    assert f"only an alias in the record of {entity}" in result.cause
    assert flow.read_workmail_state(entity)["State"] == "DISABLED"


@pytest.mark.parametrize("kind", ["RESOURCE", *mark_long("USER", "GROUP")])
def test_an_entity_that_differs_from_the_expected_one_is_not_restored(flow: Any, kind: str) -> None:
    entity, arn, _ = offboard(flow, kind, email_of_disabled="absent")
    expected = {"Type": kind, "Name": "dana", "Email": flow.people.address("dana")}

    for member in expected:
        value = {"Type": "GROUP" if kind == "USER" else "USER"}.get(member, "other")
        result = flow.restore(ExecutionArn=arn, Expected={**expected, member: value})
        assert result.outcome == "EntityMismatch"
        assert f"differs from Expected in {member}." in result.cause
    assert flow.read_workmail_state(entity)["State"] == "DISABLED"
    assert flow.restore(ExecutionArn=arn, Expected=expected).outcome == "Restored"


def test_a_record_that_is_too_old_puts_nobody_back_into_a_group(flow: Any) -> None:
    entity, arn, _ = offboard(flow, days=12)
    assert flow.restore(ExecutionArn=arn).outcome == "Restored"
    team = find_group_id(flow, "team")
    flow.workmail.disassociate_member_from_group(OrganizationId=ORGANIZATION_ID, GroupId=team, MemberId=entity)
    state = flow.read_workmail_state(entity)
    flow.pass_days(18)

    result = flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=entity)

    assert result.outcome == "RetentionEnded"
    assert "before its retention ended at 2026-12-22T12:00:00.000Z" in result.cause
    assert flow.read_workmail_state(entity) == state
    flow.pass_days(70)
    assert flow.restore(ExecutionArn=arn).outcome == "RetentionEnded"
    assert flow.read_workmail_state(entity) == state


def test_a_disabling_by_hand_is_not_undone_by_the_record_of_an_earlier_one(flow: Any) -> None:
    entity, arn, _ = offboard(flow, days=12)
    flow.restore(ExecutionArn=arn)
    flow.pass_days(2)
    flow.deregister(entity)

    result = flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=entity)

    assert result.outcome == "RestoreRefused"
    assert "is disabled since 2026-12-06T12:00:00.000Z" in result.cause
    assert flow.read_workmail_state(entity)["State"] == "DISABLED"


@pytest.mark.parametrize("days", [6.9, 7.1, *mark_long(100)])
def test_a_restore_that_stopped_halfway_resumes_after_the_retention_for_a_week(flow: Any, days: float) -> None:
    entity, arn, former_state = offboard(flow, days=29.999, **REMOVES_ALIASES_AND_GROUPS)
    hook_count = len(flow.backend.before_hooks)
    flow.inject_error("AssociateMemberToGroup", "AccessDeniedException", times=None)
    assert flow.restore(ExecutionArn=arn).outcome == "AccessDenied"
    del flow.backend.before_hooks[hook_count:]
    flow.pass_days(days)

    result = flow.restore(ExecutionArn=arn)

    assert result.outcome == ("Restored" if days < 7 else "RetentionEnded")
    assert (flow.read_workmail_state(entity) == former_state) == (days < 7)
    assert flow.read_record(arn)["Outcome"] == "Reenabled"


@pytest.mark.parametrize("email", ["present", *mark_long("absent")])
def test_a_changed_primary_address_is_not_changed_back_silently(flow: Any, email: str) -> None:
    """Where WorkMail hides the address of a disabled entity, the evidence says that it was not compared."""
    entity, arn, _ = offboard(flow, email_of_disabled=email)
    flow.backend.arrange(ORGANIZATION_ID, entity, email=flow.people.address("dana.new"))

    result = flow.restore(ExecutionArn=arn)

    if email == "present":
        assert result.outcome == "RestoreRefused"
        assert "has changed since it was recorded" in result.cause
        assert flow.read_workmail_state(entity)["State"] == "DISABLED"
    else:
        assert result.outcome == "Restored"
        assert result.output["Evidence"]["RegisterEntity"]["Address"] == "NotGiven"


def test_a_second_restore_changes_nothing(flow: Any) -> None:
    entity, arn, former_state = offboard(flow, **REMOVES_ALIASES_AND_GROUPS)
    flow.restore(ExecutionArn=arn)
    flow.clear_calls()

    result = flow.restore(ExecutionArn=arn)

    assert result.outcome == "RestoreRefused"
    assert "was restored before, with all that was recorded" in result.cause
    assert flow.read_workmail_state(entity) == former_state
    assert not {"RegisterToWorkMail", "CreateAlias", "AssociateMemberToGroup"} & set(flow.list_calls())


@pytest.mark.parametrize(
    "operation", ["CreateAlias", *mark_long("DescribeUser", "AssociateMemberToGroup", "ListGroupsForEntity")]
)
def test_a_restore_that_failed_halfway_can_be_repeated(flow: Any, operation: str) -> None:
    entity, arn, former_state = offboard(flow, **REMOVES_ALIASES_AND_GROUPS)
    hook_count = len(flow.backend.before_hooks)
    flow.inject_error(operation, "AccessDeniedException", times=None)
    assert flow.restore(ExecutionArn=arn).outcome == "AccessDenied"
    del flow.backend.before_hooks[hook_count:]

    assert flow.restore(ExecutionArn=arn).outcome == "Restored"
    assert flow.read_workmail_state(entity) == former_state


@pytest.mark.parametrize(
    "operation",
    ["RegisterToWorkMail", *mark_long("DescribeUser", "ListAliases", "CreateAlias", "AssociateMemberToGroup")],
)
@pytest.mark.parametrize("code", ["ThrottlingException", *mark_long("InternalFailure")])
def test_transient_errors_do_not_change_the_outcome_of_a_restore(flow: Any, operation: str, code: str) -> None:
    entity, arn, former_state = offboard(flow, **REMOVES_ALIASES_AND_GROUPS)
    flow.inject_error(operation, code, times=3)

    assert flow.restore(ExecutionArn=arn).outcome == "Restored"
    assert flow.read_workmail_state(entity) == former_state


def test_a_restore_waits_until_workmail_shows_the_registration(flow: Any) -> None:
    entity, arn, former_state = offboard(flow, **REMOVES_ALIASES_AND_GROUPS)
    flow.inject_error("ListAliases", "EntityStateException", times=4)

    assert flow.restore(ExecutionArn=arn).outcome == "Restored"
    assert flow.read_workmail_state(entity) == former_state


def test_a_restore_after_the_window_is_refused(flow: Any) -> None:
    entity, arn, _ = offboard(flow, days=30)

    result = flow.restore(ExecutionArn=arn)

    assert result.outcome == "RetentionEnded"
    assert "ended at 2026-12-22T12:00:00.000Z" in result.cause
    assert flow.read_workmail_state(entity)["State"] == "DISABLED"
    assert flow.list_calls("RegisterToWorkMail").count("RegisterToWorkMail") == 4, (
        "the four calls that prepared the entities"
    )


def test_a_restore_is_possible_until_the_last_second_of_the_window(flow: Any) -> None:
    entity, arn, former_state = offboard(flow, days=29.9999)

    assert flow.restore(ExecutionArn=arn).outcome == "Restored"
    assert flow.read_workmail_state(entity) == former_state


@pytest.mark.parametrize("described", ["DELETED", *mark_long("EntityNotFoundException")])
def test_a_deleted_entity_cannot_be_restored(flow: Any, described: str) -> None:
    entity, arn, _ = offboard(flow, describe_deleted=described)
    flow.delete_user(entity)

    result = flow.restore(ExecutionArn=arn)

    assert result.outcome == "EntityGone"
    assert "of the same name" not in result.cause


def test_a_recreated_entity_is_another_entity_and_the_cause_names_it(flow: Any) -> None:
    entity, arn, _ = offboard(flow)
    flow.delete_user(entity)
    another = flow.people.create_user("dana")

    result = flow.restore(ExecutionArn=arn)

    assert result.outcome == "EntityGone"
    assert f"The USER {another} has the same name" in result.cause


def test_an_address_in_use_is_reported_with_its_holder(flow: Any) -> None:
    entity, arn, _ = offboard(flow)
    successor = flow.people.create_user("robin")
    flow.backend.arrange(ORGANIZATION_ID, entity, email=None)
    flow.people.create_alias(successor, "dana")

    result = flow.restore(ExecutionArn=arn)

    assert result.outcome == "AddressInUse"
    assert f"belongs to the USER {successor} now" in result.cause
    assert "@" not in result.cause
    assert flow.read_workmail_state(entity)["State"] == "DISABLED"
    flow.workmail.delete_alias(OrganizationId=ORGANIZATION_ID, EntityId=successor, Alias=flow.people.address("dana"))
    assert flow.restore(ExecutionArn=arn).outcome == "Restored"


def test_aliases_and_groups_that_cannot_be_restored_are_reported_and_the_others_are_restored(flow: Any) -> None:
    entity, arn, former_state = offboard(flow, **REMOVES_ALIASES_AND_GROUPS)
    successor = flow.people.create_user("robin")
    flow.people.create_alias(successor, "dl")
    team = next(group for group in former_state["Groups"] if group == find_group_id(flow, "team"))
    flow.deregister(team)
    flow.workmail.delete_group(OrganizationId=ORGANIZATION_ID, GroupId=team)

    result = flow.restore(ExecutionArn=arn)

    assert (result.status, result.outcome) == ("SUCCEEDED", "RestoredInPart")
    assert result.output["Missing"] == [
        {"Alias": flow.people.address("dl"), "Because": f"It belongs to the USER {successor} now."},
        {"Group": team, "Because": "The group does not exist any more."},
    ]
    assert flow.read_workmail_state(entity) == {
        **former_state,
        "Aliases": [flow.people.address("d.leaver")],
        "Groups": [find_group_id(flow, "everybody")],
    }


def test_a_disabled_group_is_reported_as_missing(flow: Any) -> None:
    _, arn, _ = offboard(flow, **REMOVES_ALIASES_AND_GROUPS)
    flow.inject_error("AssociateMemberToGroup", "EntityStateException")
    team = find_group_id(flow, "team")
    flow.deregister(team)
    everybody = find_group_id(flow, "everybody")
    flow.deregister(everybody)

    result = flow.restore(ExecutionArn=arn)

    assert result.outcome == "RestoredInPart"
    assert {item["Because"] for item in result.output["Missing"]} == {"The group itself is disabled."}


def test_without_a_record_there_is_nothing_to_restore(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.deregister(user)
    arn = "arn:aws:states:us-east-1:123456789012:execution:workmail-offboarding:nobody"

    assert flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=user).outcome == "NothingRecorded"
    assert flow.restore(OrganizationId=ORGANIZATION_ID, EntityId="dana").outcome == "NothingRecorded"
    assert flow.restore(ExecutionArn=arn).outcome == "NothingRecorded"


def test_a_deleted_record_leaves_nothing_to_restore(flow: Any) -> None:
    entity, arn, _ = offboard(flow)
    flow.delete_record(arn)

    result = flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=entity)

    assert result.outcome == "NothingRecorded"
    assert "aws workmail register-to-work-mail" in result.cause


def test_an_entity_whose_address_was_never_recorded_cannot_be_restored(flow: Any) -> None:
    flow.backend.behaviour = replace(flow.backend.behaviour, email_of_disabled="absent")
    user = flow.people.create_user("dana")
    flow.deregister(user)
    arn = flow.start(user)
    flow.pass_days(5)

    result = flow.restore(ExecutionArn=arn)

    assert result.outcome == "NothingRecorded"
    assert "did not show an address" in result.cause


def test_a_restore_before_the_deregistration_is_refused(flow: Any) -> None:
    flow.change_policy(ApprovalRequired=["vip"])
    for name in ("dana", "vip"):
        flow.people.create_user(name)
    scheduled, awaiting = flow.start("dana", NotBefore="2027-01-01T00:00:00Z"), flow.start("vip")
    flow.pass_days(1)

    for arn, status in ((scheduled, "Scheduled"), (awaiting, "AwaitingApproval")):
        result = flow.restore(ExecutionArn=arn)
        assert result.outcome == "NotDeregistered"
        assert f"its status is {status}. While it waits" in result.cause
        assert arn in result.cause
        assert flow.decide(arn, "Withdrawn").outcome == "Decided"
        flow.process_status_events()
        assert "ended as Withdrawn before it deregistered" in flow.restore(ExecutionArn=arn).cause


def test_a_restore_during_the_deregistration_waits_for_the_offboarding(flow: Any) -> None:
    user = flow.people.create_user("dana")
    former_state = flow.read_workmail_state(user)
    restores = flow.restore_during_deregistration(user)
    flow.backend.behaviour = replace(flow.backend.behaviour, describe_lag_seconds=60)
    arn = flow.start(user)
    flow.pass_days(1)

    assert flow.read_result(restores[0]).outcome == "Restored"
    assert flow.read_workmail_state(user) == former_state
    flow.pass_days(31)
    assert flow.read_result(arn).outcome == "Reenabled"


def test_an_offboarding_stopped_during_the_deregistration_can_be_restored(flow: Any) -> None:
    user = flow.people.create_user("dana")
    former_state = flow.read_workmail_state(user)
    arns: list[str] = []

    def stop(operation: str, _: Any) -> None:
        if operation == "DeregisterFromWorkMail" and not arns:
            arns.append(flow.read_item(f"{ORGANIZATION_ID}/{user}", "Lock")["ExecutionArn"])
            flow.environment.client("stepfunctions").stop_execution(executionArn=arns[0])

    flow.backend.after_hooks.append(stop)
    flow.start(user)
    flow.pass_days(1)
    assert flow.read_workmail_state(user)["State"] == "DISABLED"
    record = flow.read_record(arns[0])
    assert (record["Status"], record["Outcome"]) == ("Unwatched", "Stopped"), "its function continued after the stop"

    assert flow.restore(ExecutionArn=arns[0]).outcome == "Restored"
    assert flow.read_workmail_state(user) == former_state


def test_a_restore_leaves_an_entity_alone_if_it_is_registered_with_another_address(flow: Any) -> None:
    entity, arn, _ = offboard(flow)
    flow.people.register(entity, "dana.new")
    registered_state = flow.read_workmail_state(entity)

    result = flow.restore(ExecutionArn=arn)

    assert result.outcome == "RestoreRefused"
    assert "its primary address is not the recorded one" in result.cause
    assert flow.read_workmail_state(entity) == registered_state


def test_only_the_latest_offboarding_can_be_restored(flow: Any) -> None:
    entity, first_arn, _ = offboard(flow)
    flow.people.register(entity, "dana")
    flow.pass_days(1)
    second = flow.start(entity)
    flow.pass_days(2)

    result = flow.restore(ExecutionArn=first_arn)

    assert result.outcome == "RestoreRefused"
    assert second in result.cause
    assert flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=entity).output["OffboardingArn"] == second


def test_a_restored_entity_can_be_offboarded_again_at_once(flow: Any) -> None:
    entity, first_arn, _ = offboard(flow)
    flow.restore(ExecutionArn=first_arn)
    flow.pass_days(0.1)

    second = flow.start(entity)
    flow.pass_days(31)

    assert flow.read_result(second).outcome == "CleanupVerified"
    assert flow.read_result(first_arn).outcome == "Reenabled"


@pytest.mark.parametrize(
    ("execution_input", "message"),
    [
        ({}, "either ExecutionArn, the offboarding's, or OrganizationId and EntityId"),
        *mark_long(
            ({"OrganizationId": "m-" + "1" * 32, "EntityId": "dana"}, "not configured in this stack"),
            ({"OrganizationId": ORGANIZATION_ID}, "either ExecutionArn"),
            ({"EntityId": "dana"}, "either ExecutionArn"),
            ({"ExecutionArn": "dana"}, "ExecutionArn must be the ARN of an execution"),
            ({"EntityID": "dana"}, "unknown member: EntityID"),
        ),
    ],
)
def test_an_invalid_restore_request_changes_nothing(flow: Any, execution_input: dict[str, str], message: str) -> None:
    result = flow.restore(**execution_input)

    assert result.outcome == "InvalidRequest"
    assert message in result.cause
    assert flow.list_calls() == []


@pytest.mark.parametrize(
    ("operation", "code", "outcome"),
    [
        ("RegisterToWorkMail", "MailDomainNotFoundException", "RestoreRefused"),
        *mark_long(("DescribeUser", "UnknownException", "UnexpectedFailure")),
    ],
)
def test_a_permanent_error_ends_the_restore_with_its_outcome(
    flow: Any, operation: str, code: str, outcome: str
) -> None:
    """The fault matrix plays the errors that WorkMail documents."""
    _, arn, _ = offboard(flow, **REMOVES_ALIASES_AND_GROUPS)
    flow.inject_error(operation, code)

    result = flow.restore(ExecutionArn=arn)

    assert (result.status, result.outcome) == ("FAILED", outcome)


def find_group_id(flow: Any, name: str) -> str:
    groups = flow.workmail.list_groups(OrganizationId=ORGANIZATION_ID)["Groups"]
    return next(group["Id"] for group in groups if group["Name"] == name)


def test_an_entity_whose_window_was_taken_over_is_restored_in_full(flow: Any) -> None:
    entity, first_arn, former_state = offboard(flow, days=2, email_of_disabled="absent", **REMOVES_ALIASES_AND_GROUPS)
    flow.stop(first_arn)
    second = flow.start(entity)
    flow.pass_days(1)
    assert flow.read_record(second)["Entity"]["Aliases"] == flow.read_record(first_arn)["Entity"]["Aliases"] != []
    assert [item["Id"] for item in flow.list_by_status("InWindow")] == [second]

    refused = flow.restore(ExecutionArn=first_arn)
    assert refused.outcome == "RestoreRefused"
    assert second in refused.cause
    result = flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=entity)

    assert (result.outcome, result.output["OffboardingArn"]) == ("Restored", second)
    assert flow.read_workmail_state(entity) == former_state
    flow.pass_days(31)
    assert flow.read_result(second).outcome == "Reenabled"


def test_an_entity_disabled_by_hand_before_its_date_is_restored_from_the_record(flow: Any) -> None:
    flow.backend.behaviour = replace(flow.backend.behaviour, email_of_disabled="absent", **REMOVES_ALIASES_AND_GROUPS)
    entity = create_entity(flow, "USER")
    former_state = flow.read_workmail_state(entity)
    arn = flow.start(entity, NotBefore="2026-12-02T12:00:00Z")
    flow.pass_days(2)
    flow.deregister(entity)
    flow.pass_days(10)

    assert flow.restore(ExecutionArn=arn).outcome == "Restored"
    assert flow.read_workmail_state(entity) == former_state


def test_another_offboarding_that_waits_for_its_date_does_not_block_a_restore(flow: Any) -> None:
    entity, first_arn, former_state = offboard(flow, days=2)
    flow.stop(first_arn)
    later = flow.start(entity, NotBefore="2026-12-10T12:00:00Z")
    flow.pass_days(1)

    result = flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=entity)

    assert (result.outcome, result.output["OffboardingArn"]) == ("Restored", first_arn)
    assert flow.read_workmail_state(entity) == former_state
    flow.pass_days(20)
    assert flow.read_result(later).outcome == "EntityMismatch"
    assert flow.read_workmail_state(entity) == former_state


def test_an_entity_with_a_new_mailbox_after_the_window_does_not_count_as_restored(flow: Any) -> None:
    entity, arn, _ = offboard(flow, days=40)
    flow.people.register(entity, "dana")

    result = flow.restore(ExecutionArn=arn)

    assert result.outcome == "RetentionEnded"
    assert "after the retention of its previous mailbox had ended" in result.cause


def test_a_second_restore_by_address_finds_the_same_record(flow: Any) -> None:
    _, _, _ = offboard(flow)
    execution_input = {"OrganizationId": ORGANIZATION_ID, "EntityId": flow.people.address("dana")}
    assert flow.restore(**execution_input).outcome == "Restored"

    assert flow.restore(**execution_input).outcome == "RestoreRefused"
