"""A tour through what the product does: whatever a function can be asked to call, it calls on it once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from local.settings import COMPANY_DOMAIN, ORGANIZATION_ID
from tests.workflow.conftest import Flow
from tests.workflow.test_identity_events import Intake, okta


def tour(flow: Flow) -> None:
    """Go through it, until all executions have ended."""
    # The harder case of each pair that AWS's documentation leaves open: what is gone has to be looked for and put back.
    flow.backend.behaviour = replace(
        flow.backend.behaviour,
        describe_deleted="EntityNotFoundException",
        aliases_of_deregistered="removed",
        groups_of_deregistered="removed",
    )
    flow.change_policy(ApprovalRequired=["vip*"])
    _leavers_of_identity_providers(flow)
    _everything_that_can_be_called_by_name_id_and_address(flow)
    _plans_and_dates(flow)
    _approvals(flow)
    finish = [_deleted_in_their_window(flow), _restored(flow), _not_restored(flow)]
    flow.pass_days(5)
    for step in finish:
        step()
    flow.pass_days(45)


def _leavers_of_identity_providers(flow: Flow) -> None:
    intake = Intake(flow)
    intake.user("leaver")
    address = flow.people.address("leaver", COMPANY_DOMAIN)
    published = flow.clock.now().isoformat()
    intake.put(okta(address, uuid="u-1", published=published))
    intake.put(okta(address, uuid="u-2", published=published), okta("nobody@example.com", published=published))
    assert len(intake.executions()) == 1
    assert len(intake.refused()) == 1


def _everything_that_can_be_called_by_name_id_and_address(flow: Flow) -> None:
    flow.people.user("called")
    flow.start(flow.people.address("called"))
    flow.start(flow.people.user("by-id"))
    flow.people.group("crew", (flow.people.user("member"),))
    flow.start("crew")
    flow.people.resource("room")
    flow.start("room")


def _plans_and_dates(flow: Flow) -> None:
    flow.people.user("later")
    flow.start("later", NotBefore="2026-12-01T17:00:00Z")
    flow.clock.settle()
    assert flow.run("later", days=0, DryRun=True).outcome == "Planned"
    assert flow.run("later", days=0).outcome == "AlreadyInProgress"


def _approvals(flow: Flow) -> None:
    flow.people.user("vip")
    arn = flow.start("vip")
    flow.clock.settle()
    assert flow.decide(arn).outcome == "Decided"


def _deleted_in_their_window(flow: Flow) -> Callable[[], None]:
    """Offboard one of each; the step that is returned deletes them."""
    user, group, resource = flow.people.user("gone"), flow.people.group("gone-crew"), flow.people.resource("gone-room")
    for entity in (user, group, resource):
        flow.start(entity)

    def delete() -> None:
        flow.workmail.delete_user(OrganizationId=ORGANIZATION_ID, UserId=user)
        flow.workmail.delete_group(OrganizationId=ORGANIZATION_ID, GroupId=group)
        flow.workmail.delete_resource(OrganizationId=ORGANIZATION_ID, ResourceId=resource)

    return delete


def _restored(flow: Flow) -> Callable[[], None]:
    """Offboard one of each, with all that they can have; the step that is returned restores them."""
    entities = {
        "back": flow.people.user("back"),
        "back-crew": flow.people.group("back-crew", (flow.people.user("stays"),)),
        "back-room": flow.people.resource("back-room"),
    }
    flow.people.group("all", (entities["back"], entities["back-crew"]))
    for name, entity in entities.items():
        flow.people.alias(entity, f"{name}-alias")
        flow.start(entity)

    def restore() -> None:
        flow.people.alias(flow.people.user("successor"), "back-alias")
        outcomes = {name: flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=name).outcome for name in entities}
        assert outcomes == {"back": "RestoredInPart", "back-crew": "Restored", "back-room": "Restored"}

    return restore


def _not_restored(flow: Flow) -> Callable[[], None]:
    """Offboard those whose restore is refused, after somebody has been looked for; that is the step."""
    made_anew, taken = flow.people.user("anew"), flow.people.user("taken")
    offboardings = [flow.start(made_anew), flow.start(taken)]
    flow.clock.settle()
    _restored_while_it_is_being_deregistered(flow)

    def restore() -> None:
        flow.workmail.delete_user(OrganizationId=ORGANIZATION_ID, UserId=made_anew)
        flow.people.user("anew")
        flow.backend.arrange(ORGANIZATION_ID, taken, email=None)
        flow.people.alias(flow.people.user("taker"), "taken")
        outcomes = [flow.restore(ExecutionArn=arn).outcome for arn in offboardings]
        assert outcomes == ["EntityGone", "AddressInUse"]

    return restore


def _restored_while_it_is_being_deregistered(flow: Flow) -> None:
    """Have a restore begin when WorkMail has disabled the entity, and the offboarding has not read that back."""
    user = flow.people.user("between")
    restores: list[str] = []

    def restore(operation: str, parameters: Any) -> None:
        if operation == "DeregisterFromWorkMail" and parameters["EntityId"] == user:
            pointer = flow.read_item(f"{ORGANIZATION_ID}/{user}")
            assert pointer is not None
            machine = flow.environment.outputs["RestoreStateMachineArn"]
            given = {"ExecutionArn": pointer["ExecutionArn"]}
            restores.append(flow.environment.start(given, state_machine_arn=machine))

    flow.backend.after.append(restore)
    lagging = replace(flow.backend.behaviour, describe_lag_seconds=60)
    before, flow.backend.behaviour = flow.backend.behaviour, lagging
    flow.start(user)
    flow.pass_days(1)
    flow.backend.behaviour = before
    flow.backend.after.remove(restore)
    assert {flow.read_result(arn).outcome for arn in restores} == {"Restored"}
