"""A tour of the product: every call that a function or state machine can make happens at least once."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from local.defaults import COMPANY_DOMAIN, ORGANIZATION_ID
from local.faults import Fault
from local.workmail.state import DELETED, DISABLED, ENABLED
from tests.workflow.conftest import Flow
from tests.workflow.scenarios import NO_EXPORT
from tests.workflow.test_identity_events import (
    STORE_USER,
    Intake,
    build_okta_event,
    build_request_event,
    build_withdrawal_event,
)


def run_tour(flow: Flow) -> None:
    """Start every kind of execution, and return when all have ended."""
    # The harder answer for each behaviour that AWS does not document: the functions have to search and restore more.
    flow.backend.behaviour = replace(
        flow.backend.behaviour,
        describe_deleted="EntityNotFoundException",
        aliases_of_deregistered="removed",
        groups_of_deregistered="removed",
    )
    flow.change_policy(ApprovalRequired=["vip*"], Export=NO_EXPORT)
    _send_provider_events(flow)
    _lose_an_end(flow)
    _start_by_name_id_and_address(flow)
    _plan_and_schedule(flow)
    _disable_while_recording(flow)
    _delete_after_recording(flow)
    _withdraw(flow)
    _approve(flow)
    _export(flow)
    finish = [_prepare_deletions(flow), _prepare_restores(flow), _prepare_refused_restores(flow)]
    flow.pass_days(5)
    for step in finish:
        step()
    _stop_sweeps(flow)
    flow.pass_days(45)
    _repeat_provider_events(flow)
    _erase(flow)


def _lose_an_end(flow: Flow) -> None:
    """Stop two executions: the end of one is recorded by its event, that of the other only by the sweep.

    So is that of a third one, which has no record of its own.
    """
    flow.people.create_user("stopped")
    flow.people.create_user("lost")
    arns = [flow.start("stopped"), flow.start("lost")]
    flow.clock.settle()
    flow.stop(arns[0])
    arns.append(flow.start("nobody"))
    flow.clock.settle()
    flow.environment.faults.add(Fault("lambda", "CloseRecord", error="Runtime.ExitError", times=100))
    flow.stop(arns[1])
    flow.pass_days(2)
    assert [flow.read_record(arn)["Outcome"] for arn in arns] == ["Stopped", "Stopped", "EntityNotFound"]


def _stop_sweeps(flow: Flow) -> None:
    """Disable the schedules: each sweep of the days to come would make the calls of those before."""
    scheduler = flow.environment.client("scheduler")
    for summary in scheduler.list_schedules()["Schedules"]:
        schedule = scheduler.get_schedule(Name=summary["Name"], GroupName=summary["GroupName"])
        members = ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
        scheduler.update_schedule(State="DISABLED", **{name: schedule[name] for name in members})


def _erase(flow: Flow) -> None:
    """Erase a person whose name another one has now, and try to erase that one."""
    user = flow.people.create_user("erased")
    flow.start(user)
    flow.pass_days(31)
    flow.delete_user(user)
    successor = flow.people.create_user("erased")
    flow.start(successor)
    flow.clock.settle()
    assert flow.erase(user)["Executions"] == 1
    assert flow.erase(successor)["errorType"] == "InvalidRequest"


def _send_provider_events(flow: Flow) -> None:
    intake = Intake(flow)
    intake.create_user("leaver")
    address = flow.people.address("leaver", COMPANY_DOMAIN)
    published = flow.clock.now().isoformat()
    intake.put_events(build_okta_event(address, uuid="u-1", published=published))
    intake.put_events(
        build_okta_event(address, uuid="u-2", published=published),
        build_okta_event("nobody@example.com", published=published),
    )
    flow.environment.identity_store.set_status(STORE_USER, "ENABLED")
    flow.clock.settle()
    assert len(intake.list_executions()) == 1
    assert len(intake.read_dead_letters()) == 1
    flow.change_policy(DailyCap=1)
    flow.pass_days(0.01)
    flow.people.create_user("one-too-many")
    flow.start("one-too-many", Requester={"Provider": "okta", "EventId": "u-3"})
    flow.clock.settle()
    assert len(flow.list_by_status("AwaitingApproval")) == 1


def _repeat_provider_events(flow: Flow) -> None:
    """Report a departure again whose execution is over, by address and by id."""
    intake = Intake(flow)
    address = flow.people.address("leaver", COMPANY_DOMAIN)
    [execution_input] = [
        members for members in intake.list_inputs() if members.get("Requester", {}).get("EventId") == "u-1"
    ]
    executions = len(intake.list_executions())
    intake.put_events(
        build_okta_event(address, uuid="u-4", published=flow.clock.now().isoformat()),
        build_request_event(execution_input["EntityId"], OrganizationId=ORGANIZATION_ID),
    )
    assert (len(intake.list_executions()), intake.read_dead_letters()) == (executions, [])


def _start_by_name_id_and_address(flow: Flow) -> None:
    flow.people.create_user("called")
    flow.start(flow.people.address("called"))
    flow.start(flow.people.create_user("by-id"))
    flow.people.create_group("crew", (flow.people.create_user("member"),))
    flow.start("crew")
    flow.people.create_resource("room")
    flow.start("room")


def _plan_and_schedule(flow: Flow) -> None:
    flow.people.create_group("later-crew", (flow.people.create_user("later"),))
    flow.start("later", NotBefore="2026-12-01T17:00:00Z")
    flow.clock.settle()
    assert flow.run("later", days=0, DryRun=True).outcome == "Planned"
    assert flow.run("later", days=0, NotBefore="2026-12-02T17:00:00Z").outcome == "AlreadyInProgress"


def _disable_while_recording(flow: Flow) -> None:
    """Have entities disabled after they were resolved: PlanOffboarding and RecordOffboarding read them again."""
    entities = {
        flow.people.create_user("sooner"),
        flow.people.create_group("sooner-group"),
        flow.people.create_resource("sooner-room"),
    }

    def disable(operation: str, parameters: Mapping[str, Any]) -> None:
        if operation == "ListAliases" and parameters["EntityId"] in entities:
            flow.backend.arrange(
                ORGANIZATION_ID, parameters["EntityId"], state=DISABLED, disabled_date=flow.clock.now()
            )

    flow.backend.before_hooks.append(disable)
    for is_plan, end in ((True, "Planned"), (False, "WaitForRetention")):
        for entity in entities:
            flow.backend.arrange(ORGANIZATION_ID, entity, state=ENABLED, disabled_date=None)
        arns = [flow.start(entity, DryRun=is_plan) for entity in entities]
        flow.clock.settle()
        assert {flow.read_result(arn).states[-1] for arn in arns} == {end}


def _delete_after_recording(flow: Flow) -> None:
    """Have entities deleted after they were recorded: DeregisterEntity looks for them in the lists."""
    groups = {flow.people.create_group("gone-group")}
    users_and_resources = {flow.people.create_user("gone"), flow.people.create_resource("gone-room")}

    def delete(operation: str, parameters: Mapping[str, Any]) -> None:
        # The last calls of RecordOffboarding about a group, and about a user or a resource.
        last_of = {"ListGroupsForEntity": groups, "GetMailboxDetails": users_and_resources}.get(operation, frozenset())
        for entity in last_of:
            if entity in parameters.values():
                flow.backend.arrange(ORGANIZATION_ID, entity, state=DELETED)

    flow.backend.after_hooks.append(delete)
    arns = [flow.start(entity) for entity in groups | users_and_resources]
    flow.clock.settle()
    assert {flow.read_result(arn).outcome for arn in arns} == {"EntityNotFound"}


def _withdraw(flow: Flow) -> None:
    """Take departures back: one that is scheduled, and two that are between two states; and have two superseded."""
    intake = Intake(flow)
    flow.change_policy(DailyCap=20)
    intake.create_user("undecided")
    intake.put_events(
        build_request_event("undecided", "r-2", OrganizationId=ORGANIZATION_ID, NotBefore="2026-12-01T17:00:00Z")
    )
    intake.put_events(build_withdrawal_event(EntityId="undecided"))
    for function in ("RecordOffboarding", "DeregisterEntity"):
        intake.create_user(f"wanted-{function.lower()}")
        flow.environment.faults.add(Fault("lambda", function, error="Runtime.ExitError", times=5))
        _leave_and_return(flow, intake, f"wanted-{function.lower()}", function)
    outcomes = [json.loads(execution.get("output", "{}")).get("Outcome") for execution in intake.list_executions()]
    assert outcomes.count("Withdrawn") == 3, outcomes
    flow.people.create_user("urgent")
    for not_before in ("2026-12-24T17:00:00Z", "2026-12-01T17:00:00Z"):
        flow.start("urgent", NotBefore=not_before)
        flow.clock.settle()
    flow.start("urgent")


def _leave_and_return(flow: Flow, intake: Intake, name: str, event_id: str) -> None:
    """Report that somebody has left, and a millisecond later is back; the return is processed a second later."""
    address = flow.people.address(name, COMPANY_DOMAIN)
    flow.clock.advance(timedelta(minutes=2))
    dates = [(flow.clock.now() + timedelta(milliseconds=more)).isoformat() for more in (0, 1)]
    event = build_okta_event(address, "user.lifecycle.reactivate", f"{event_id}-back", dates[1])
    # After a second, RecordOffboarding has run if it does not fail.
    url = flow.environment.outputs["EventQueueUrl"]
    flow.environment.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(event), DelaySeconds=1)
    intake.put_events(build_okta_event(address, "user.lifecycle.deactivate", event_id, dates[0]))
    flow.pass_days(0.1)


def _approve(flow: Flow) -> None:
    """Approve an offboarding whose mail is published by way of the queue."""
    flow.people.create_user("vip")
    flow.environment.faults.add(Fault("sns", "Publish", error="InternalError", times=1))
    arn = flow.start("vip", RequestedBy="helpdesk")
    flow.pass_days(0.01)
    assert flow.decide(arn).outcome == "Decided"


def _export(flow: Flow) -> None:
    """Have mailboxes exported first: one because of an event, and two that are deleted while a third one waits."""
    flow.change_policy(Export={"Mode": "Required", "MayBeSkipped": True})
    intake = Intake(flow)
    intake.create_user("archived")
    event = build_okta_event(flow.people.address("archived", COMPANY_DOMAIN), uuid="u-5")
    event["detail"]["published"] = flow.clock.now().isoformat()
    intake.put_events(event)
    flow.pass_days(0.1)
    slow = [flow.people.create_user("slow"), flow.people.create_resource("slow-room")]
    for entity in slow:
        flow.backend.set_mailbox_size(ORGANIZATION_ID, entity, 300 * 1024)
    arns = [flow.start(entity) for entity in slow]
    flow.pass_days(0.01)
    arns.append(flow.start(flow.people.create_user("patient")))
    assert (
        flow.run(flow.people.create_user("planned"), days=0, DryRun=True).output["Plan"]["Export"]["RunningExports"]
        == 2
    )
    for entity in slow:
        flow.deregister(entity)
    flow.delete_user(slow[0])
    flow.workmail.delete_resource(OrganizationId=ORGANIZATION_ID, ResourceId=slow[1])
    flow.pass_days(4)
    results = [flow.read_result(arn) for arn in arns]
    assert [result.outcome for result in results] == ["EntityNotFound", "EntityNotFound", None], results
    assert results[2].states[-1] == "WaitForRetention"
    _withdraw_an_export_before_its_record(flow, intake)
    flow.change_policy(Export=NO_EXPORT)


def _withdraw_an_export_before_its_record(flow: Flow, intake: Intake) -> None:
    """Report that somebody is back while it is not recorded yet that the mailbox is exported."""
    user = intake.create_user("hesitant")
    flow.backend.set_mailbox_size(ORGANIZATION_ID, user, 300 * 1024)
    fault = Fault("dynamodb", "TransactWriteItems", error="InternalServerError", times=10, function="StartExport")
    flow.environment.faults.add(fault)
    _leave_and_return(flow, intake, "hesitant", "StartExport")
    flow.environment.faults.clear()


def _prepare_deletions(flow: Flow) -> Callable[[], None]:
    """Offboard an entity of each type; return the step that deletes them."""
    user, group, resource = (
        flow.people.create_user("gone"),
        flow.people.create_group("gone-crew"),
        flow.people.create_resource("gone-room"),
    )
    for entity in (user, group, resource):
        flow.start(entity)

    def delete() -> None:
        flow.delete_user(user)
        flow.workmail.delete_group(OrganizationId=ORGANIZATION_ID, GroupId=group)
        flow.workmail.delete_resource(OrganizationId=ORGANIZATION_ID, ResourceId=resource)

    return delete


def _prepare_restores(flow: Flow) -> Callable[[], None]:
    """Offboard an entity of each type, with aliases and groups; return the step that restores them."""
    entities = {
        "back": flow.people.create_user("back"),
        "back-crew": flow.people.create_group("back-crew", (flow.people.create_user("stays"),)),
        "back-room": flow.people.create_resource("back-room"),
    }
    flow.people.create_group("all", (entities["back"], entities["back-crew"]))
    for name, entity in entities.items():
        flow.people.create_alias(entity, f"{name}-alias")
        flow.start(entity)

    def restore() -> None:
        flow.people.create_alias(flow.people.create_user("successor"), "back-alias")
        outcomes = {name: flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=name).outcome for name in entities}
        assert outcomes == {"back": "RestoredInPart", "back-crew": "Restored", "back-room": "Restored"}

    return restore


def _prepare_refused_restores(flow: Flow) -> Callable[[], None]:
    """Offboard entities whose restore must search for another entity and is refused; return the step that tries it."""
    recreated, taken = flow.people.create_user("recreated"), flow.people.create_user("taken")
    offboardings = [flow.start(recreated), flow.start(taken)]
    flow.clock.settle()
    _restore_during_deregistration(flow)

    def restore() -> None:
        flow.delete_user(recreated)
        flow.people.create_user("recreated")
        flow.backend.arrange(ORGANIZATION_ID, taken, email=None)
        flow.people.create_alias(flow.people.create_user("taker"), "taken")
        outcomes = [flow.restore(ExecutionArn=arn).outcome for arn in offboardings]
        assert outcomes == ["EntityGone", "AddressInUse"]

    return restore


def _restore_during_deregistration(flow: Flow) -> None:
    """Start a restore when WorkMail has disabled the entity and the offboarding has not confirmed that yet."""
    user = flow.people.create_user("between")
    restores = flow.restore_during_deregistration(user)
    default = flow.backend.behaviour
    flow.backend.behaviour = replace(default, describe_lag_seconds=60)
    flow.start(user)
    flow.pass_days(1)
    flow.backend.behaviour = default
    assert {flow.read_result(arn).outcome for arn in restores} == {"Restored"}
