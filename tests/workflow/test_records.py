"""The record of an offboarding: its content, when it is written, and one live execution per entity."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from moto.dynamodb.exceptions import DynamodbException
from moto.dynamodb.responses import DynamoHandler
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION
from local.faults import Fault
from local.workmail.exceptions import CommonError
from tests.workflow.conftest import find_missing_record, mark_long

pytestmark = pytest.mark.no_providers

RETENTION_STATE = "WaitForRetention"


def test_the_record_holds_the_entity_the_requester_and_each_step(flow: Any) -> None:
    user = flow.people.create_user("dana", "Dana Leaver")
    group = flow.people.create_group("team", (user,))
    flow.people.create_alias(user, "d.leaver")
    requester = {"Provider": "okta", "EventId": "e-1", "RequestedBy": "it.admin@example.com"}
    arn = flow.start("dana", Requester=requester, Reason="Left on Friday", RequestedBy="helpdesk")
    flow.pass_days(31)

    record = flow.read_record(arn)

    steps = flow.read_steps(arn)
    assert record == {
        "Id": arn,
        "Part": "Record",
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": user,
        "StartedAt": "2026-11-22T12:00:00.000Z",
        "RecordedAt": "2026-11-22T12:00:00.000Z",
        "Requester": requester,
        "RequestedBy": "helpdesk",
        "Reason": "Left on Friday",
        "Entity": {
            "Id": user,
            "Type": "USER",
            "Name": "dana",
            "Email": flow.people.address("dana"),
            "UserRole": "USER",
            "State": "ENABLED",
            "EnabledDate": "2026-11-22T12:00:00.000Z",
            "MailboxProvisionedDate": "2026-11-22T12:00:00.000Z",
            "Aliases": [flow.people.address("d.leaver")],
            "Groups": [{"Id": group, "Name": "team"}],
            "MailboxSize": Decimal("1.5"),
        },
        "Status": "Ended",
        "Outcome": "CleanupVerified",
        "EndedAt": "2026-12-22T18:00:00.000Z",
        "ClosedAt": "2026-12-22T18:00:00.000Z",
        "DeregisteringAt": "2026-11-22T12:00:00.000Z",
        "DeregisteredAt": "2026-11-22T12:00:00.000Z",
        "RetentionEndsAt": "2026-12-22T12:00:00.000Z",
        "SlotTakenAt": "2026-11-22T12:00:00.000Z",
        "VerifyAt": "2026-12-22T18:00:00.000Z",
        "GiveUpAt": "2026-12-29T18:00:00.000Z",
        "ServiceEndsFirst": False,
    }
    names = ["Deregister", "Deregistered", "Recorded", "Started", "Ended", "VerifyCleanup"]
    assert [step["Step"] for step in steps] == names, "those of one moment are in the order of their names"
    assert [step["At"][:10] for step in steps] == ["2026-11-22"] * 4 + ["2026-12-22"] * 2
    assert "Dana Leaver" not in json.dumps([record, steps], default=str)


def test_one_query_lists_the_records_in_the_window_and_its_ends(flow: Any) -> None:
    for name in ("first", "second", "third", "planned"):
        flow.people.create_user(name)
    arns = []
    for name in ("first", "second", "third"):
        arns.append(flow.start(name))
        flow.pass_days(1)
    flow.run("planned", days=0, DryRun=True)

    items = flow.list_by_status("InWindow")

    assert [item["Id"] for item in items] == arns, "the earliest end is listed first"
    assert [item["DueAt"] for item in items] == [f"2026-12-{day}T12:00:00.000Z" for day in (22, 23, 24)]
    flow.pass_days(27.5)
    assert [item["Id"] for item in flow.list_by_status("InWindow")] == arns[1:]


def test_the_check_of_the_suite_detects_a_deregistration_without_a_record(flow: Any) -> None:
    user = flow.people.create_user("dana")
    assert find_missing_record(flow.environment, user) == f"no execution holds {user}"
    arn = flow.start(user)
    flow.clock.settle()
    assert find_missing_record(flow.environment, user) == f"the record of {user} has the status InWindow"
    flow.delete_record(arn)
    assert find_missing_record(flow.environment, user) == f"the record of {user} has the status None"


@pytest.mark.parametrize("second", ["dana@example-corp.awsapps.com", *mark_long("dana", "{id}")])
def test_a_second_offboarding_ends_at_once_and_names_the_first_execution(flow: Any, second: str) -> None:
    user = flow.people.create_user("dana")
    first_arn = flow.start("dana")
    flow.pass_days(3)
    flow.clear_calls()

    result = flow.run(second.format(id=user), days=0)

    assert (result.status, result.outcome) == ("SUCCEEDED", "AlreadyInProgress")
    assert result.output["OtherExecutionArn"] == first_arn
    assert "OtherExecutionArn" in result.output["Explanation"]
    assert flow.list_calls("DeregisterFromWorkMail") == []
    flow.pass_days(30)
    assert flow.read_result(first_arn).outcome == "CleanupVerified"


def test_of_simultaneous_executions_one_offboards_the_entity(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arns = [flow.start(user), flow.start("dana"), flow.start(flow.people.address("dana"))]
    flow.pass_days(31)

    outcomes = [flow.read_result(arn).outcome for arn in arns]
    assert sorted(outcomes) == ["AlreadyInProgress", "AlreadyInProgress", "CleanupVerified"]
    assert len(flow.list_calls("DeregisterFromWorkMail")) == 1


def test_an_execution_that_waits_for_its_date_or_approval_holds_the_entity(flow: Any) -> None:
    flow.change_policy(ApprovalRequired=["vip"])
    for name in ("dana", "vip"):
        flow.people.create_user(name)
    scheduled, awaiting = flow.start("dana", NotBefore="2027-01-01T00:00:00Z"), flow.start("vip")
    flow.pass_days(1)

    for date in ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"):
        assert flow.run("dana", days=0, NotBefore=date).output["OtherExecutionArn"] == scheduled
    assert flow.run("vip", days=0).output["OtherExecutionArn"] == awaiting


def test_an_entity_can_be_offboarded_again_after_the_end(flow: Any) -> None:
    user = flow.people.create_user("dana")
    assert flow.run("dana", days=31).outcome == "CleanupVerified"
    flow.people.register(user, "dana")

    assert flow.run("dana", days=31).outcome == "CleanupVerified"


def test_the_record_of_a_stopped_execution_states_the_stop(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start(user)
    flow.pass_days(2)
    flow.stop(arn, cause="wrong person")

    record = flow.read_record(arn)
    assert (record["Status"], record["Outcome"], record["Cause"]) == ("Unwatched", "Stopped", "wrong person")
    assert record["EndedAt"] == "2026-11-24T12:00:00.000Z"
    assert [item["Id"] for item in flow.list_by_status("InWindow")] == [arn], (
        "WorkMail removes the mailbox all the same"
    )
    assert flow.read_workmail_state(user)["State"] == "DISABLED"


def test_an_execution_stopped_before_the_deregistration_is_not_listed_in_the_window(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start(user, NotBefore="2027-01-01T00:00:00Z")
    flow.pass_days(2)
    flow.stop(arn)

    assert (flow.read_record(arn)["Status"], flow.read_record(arn)["Outcome"]) == ("Ended", "Stopped")
    assert flow.list_by_status("InWindow") == []
    assert flow.list_by_status("Scheduled") == []
    assert flow.run(user).outcome == "CleanupVerified"


def test_the_window_of_a_stopped_execution_is_taken_over_and_verified(flow: Any) -> None:
    user = flow.people.create_user("dana")
    first_arn = flow.start(user)
    flow.pass_days(2)
    flow.stop(first_arn)
    second = flow.start(user)
    flow.pass_days(29)

    assert flow.read_result(second).outcome == "CleanupVerified"
    assert flow.read_result(second).output["DeregisteredAt"] == "2026-11-22T12:00:00.000Z"
    assert len(flow.list_calls("DeregisterFromWorkMail")) == 1


@pytest.mark.parametrize("lost", [1, 2, *mark_long(0, 3)])
def test_after_a_takeover_only_the_new_execution_is_listed_whichever_answer_is_lost(flow: Any, lost: int) -> None:
    flow.people.create_user("dana")
    first_arn = flow.start("dana")
    flow.pass_days(10)
    flow.stop(first_arn)
    fault = Fault(
        "dynamodb", "UpdateItem", after_effect="InternalServerError", times=1, skip=lost, function="DeregisterEntity"
    )
    flow.environment.faults.add(fault)
    second = flow.start("dana")
    flow.clock.settle()

    assert [item["Id"] for item in flow.list_by_status("InWindow")] == [second]
    assert flow.read_record(first_arn)["SupersededBy"] == second


@pytest.mark.long
@pytest.mark.parametrize("effect", ["error", *mark_long("after_effect")])
def test_an_entity_stays_listed_in_the_window_if_a_takeover_fails(flow: Any, effect: str) -> None:
    flow.people.create_user("dana")
    first_arn = flow.start("dana")
    flow.pass_days(10)
    flow.stop(first_arn)
    answer: dict[str, Any] = {effect: "Timeout"}
    flow.environment.faults.add(Fault("dynamodb", "TransactWriteItems", function="DeregisterEntity", **answer))
    second = flow.start("dana")
    flow.process_status_events()

    assert flow.read_result(second).outcome == "RecordUnavailable"
    assert {item["Entity"]["Name"] for item in flow.list_by_status("InWindow")} == {"dana"}


def test_a_lock_is_taken_over_if_the_end_of_its_holder_was_never_reported(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.environment.status_events.are_lost = True
    first_arn = flow.start(user)
    flow.pass_days(2)
    flow.stop(first_arn, cause="gone")
    assert flow.read_record(first_arn)["Status"] == "InWindow", "the stop was not reported"

    second = flow.start(user)
    flow.clock.settle()

    assert flow.read_result(second).states[-1] == RETENTION_STATE
    record = flow.read_record(first_arn)
    assert (record["Status"], record["Outcome"], record["Cause"]) == ("Unwatched", "Stopped", "gone")
    assert flow.read_item(f"{ORGANIZATION_ID}/{user}", "Lock")["ExecutionArn"] == second


def test_a_lock_is_taken_over_if_step_functions_no_longer_knows_its_holder(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.environment.status_events.are_lost = True
    first_arn = flow.start(user)
    flow.pass_days(2)
    flow.stop(first_arn)
    delete_execution(first_arn)

    second = flow.start(user)
    flow.clock.settle()

    assert flow.read_result(second).states[-1] == RETENTION_STATE
    assert flow.read_record(first_arn)["Outcome"] == "Forgotten"


def test_the_record_of_a_failed_execution_has_its_error_and_the_offboarding_can_start_again(flow: Any) -> None:
    user = flow.people.create_user("dana")
    flow.inject_error("DeregisterFromWorkMail", "AccessDeniedException", times=1)
    arn = flow.start(user)
    flow.clock.settle()

    flow.process_status_events()
    record = flow.read_record(arn)
    assert (record["Status"], record["Outcome"]) == ("Ended", "AccessDenied")
    assert "workmail:DeregisterFromWorkMail" in record["Cause"]
    assert flow.list_by_status("InWindow") == [], "WorkMail has refused the call"
    assert flow.run(user).outcome == "CleanupVerified"


def test_a_rehired_user_is_offboarded_again_while_the_first_execution_waits(flow: Any) -> None:
    user = flow.people.create_user("dana")
    first_arn = flow.start(user)
    flow.pass_days(12)
    flow.people.register(user, "dana")
    flow.pass_days(3)

    second = flow.start(user)
    flow.clock.settle()

    assert flow.read_workmail_state(user)["State"] == "DISABLED"
    assert flow.read_record(first_arn)["SupersededBy"] == second
    assert [item["Id"] for item in flow.list_by_status("InWindow")] == [second]
    assert flow.run(user, days=0).output["OtherExecutionArn"] == second
    flow.pass_days(31)
    assert flow.read_result(first_arn).outcome == "Reenabled"
    assert flow.read_result(second).outcome == "CleanupVerified"
    assert flow.read_record(first_arn)["Outcome"] == "Reenabled"


def test_a_deregistration_that_workmail_does_not_show_yet_is_not_a_rehire(flow: Any) -> None:
    user = flow.people.create_user("dana")
    first_arn = flow.start(user)
    flow.clock.settle()
    # As if WorkMail showed an entity two minutes late.
    entity = flow.backend.organizations[ORGANIZATION_ID].entities[user]
    entity.state, entity.disabled_date = "ENABLED", None

    assert flow.run(user, days=0).output["OtherExecutionArn"] == first_arn


def test_a_record_deleted_before_the_call_prevents_the_deregistration(flow: Any) -> None:
    user = flow.people.create_user("dana")

    def delete(operation: str, _: Any) -> None:
        # Between two attempts: the first attempt was recorded, and WorkMail rejected its call.
        if operation == "DeregisterFromWorkMail":
            flow.backend.before_hooks.remove(delete)
            flow.delete_record(flow.read_item(f"{ORGANIZATION_ID}/{user}", "Lock")["ExecutionArn"])
            raise CommonError("ThrottlingException", "made by the test", 400)

    flow.backend.before_hooks.append(delete)
    result = flow.run(user, days=1)

    assert result.outcome == "RecordMissing"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert flow.run(user).outcome == "CleanupVerified"


def test_a_record_deleted_during_the_wait_changes_no_outcome_and_the_output_states_it(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start(user)
    flow.pass_days(5)
    flow.delete_record(arn)
    flow.pass_days(30)

    result = flow.read_result(arn)
    assert result.outcome == "CleanupVerified"
    assert result.output["Evidence"]["DeregisterEntity"]["Recorded"] is True
    assert result.output["Evidence"]["VerifyCleanup"]["Recorded"] is False
    assert flow.read_item(arn, "Record") is None, "an incomplete record must not be written"


def test_the_record_is_kept_for_longer_than_step_functions_keeps_executions(flow: Any) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start(user)
    flow.pass_days(31)
    flow.pass_days(200)

    assert flow.read_record(arn)["Outcome"] == "CleanupVerified"


@pytest.mark.long
@pytest.mark.parametrize("times", [*mark_long(3), None])
def test_without_a_record_nothing_is_deregistered(
    flow: Any, times: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = flow.people.create_user("dana")
    refuse_writes(monkeypatch, times)

    result = flow.run(user, days=31)

    if times is None:
        assert result.outcome == "RecordUnavailable"
        assert flow.read_workmail_state(user)["State"] == "ENABLED"
    else:
        assert result.outcome == "CleanupVerified"


def test_a_status_event_that_is_delivered_twice_closes_the_record_once(flow: Any) -> None:
    arn = flow.start(flow.people.create_user("dana"))
    flow.pass_days(2)
    flow.stop(arn)
    queue = flow.environment.stack.resources
    [url] = [value for name, value in queue.items() if name.startswith("StatusChangesEvents") and "http" in value]
    body = json.dumps({"time": "2027-01-01T00:00:00Z", "detail": {"executionArn": arn, "status": "ABORTED"}})

    flow.environment.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    flow.process_status_events()

    assert [step["Step"] for step in flow.read_steps(arn)].count("Ended") == 1


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", *mark_long("EntityStateException", "OrganizationStateException")]
)
def test_a_refused_deregistration_is_not_listed_in_the_window(flow: Any, code: str) -> None:
    user = flow.people.create_user("dana")
    flow.inject_error("DeregisterFromWorkMail", code)
    arn = flow.start(user)
    flow.pass_days(1)

    assert flow.read_result(arn).status == "FAILED"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert flow.read_record(arn)["Status"] == "Ended"
    assert flow.list_by_status("InWindow") == []


def test_a_deregistration_that_may_have_taken_effect_stays_listed(flow: Any) -> None:
    user = flow.people.create_user("dana")

    def lose(operation: str, _: Any) -> None:
        if operation == "DeregisterFromWorkMail":
            flow.inject_error("DescribeUser", "AccessDeniedException")
            raise CommonError("InternalFailure", "the answer is lost", 500)

    flow.backend.after_hooks.append(lose)
    arn = flow.start(user)
    flow.pass_days(1)

    assert flow.read_result(arn).outcome == "AccessDenied"
    assert flow.read_workmail_state(user)["State"] == "DISABLED"
    assert flow.read_record(arn)["Status"] == "Unwatched"
    assert [item["Id"] for item in flow.list_by_status("InWindow")] == [arn]


def test_an_entity_registered_between_two_attempts_is_left_alone(flow: Any) -> None:
    user = flow.people.create_user("dana")

    def lose(operation: str, _: Any) -> None:
        if operation == "DeregisterFromWorkMail":
            flow.backend.after_hooks.remove(lose)
            flow.clock.sleep(timedelta(seconds=1))
            flow.people.register(user, "dana")
            raise CommonError("InternalFailure", "the answer is lost", 500)

    flow.backend.after_hooks.append(lose)
    result = flow.run(user, days=1)

    assert result.outcome == "EntityMismatch"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert len(flow.list_calls("DeregisterFromWorkMail")) == 1
    assert flow.list_by_status("InWindow") == []


def test_a_state_of_a_stopped_execution_deregisters_nothing(flow: Any) -> None:
    user = flow.people.create_user("dana")
    event: dict[str, Any] = {}

    def stop(operation: str, _: Any) -> None:
        if operation == "DeregisterFromWorkMail" and not event:
            lock = flow.read_item(f"{ORGANIZATION_ID}/{user}", "Lock")
            event["ExecutionArn"] = lock["ExecutionArn"]
            flow.environment.client("stepfunctions").stop_execution(executionArn=lock["ExecutionArn"])
            raise CommonError("ThrottlingException", "made by the test", 400)

    flow.backend.before_hooks.append(stop)
    flow.start(user)
    flow.pass_days(2)
    tasks = (task.get("taskScheduledEventDetails") for task in flow.environment.history(event["ExecutionArn"]))
    scheduled = next(json.loads(task["parameters"]) for task in tasks if task and "DeregisterEntity" in str(task))
    payload = {**scheduled["Payload"], "Now": flow.clock.now().isoformat().replace("+00:00", "Z")}
    answer = flow.environment.client("lambda").invoke(
        FunctionName=scheduled["FunctionName"], Payload=json.dumps(payload)
    )

    assert json.load(answer["Payload"])["errorType"] == "RecordUnavailable"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


def delete_execution(arn: str) -> None:
    """Delete an execution from Step Functions, as AWS does 90 days after its end."""
    for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
        machine.executions[:] = [execution for execution in machine.executions if execution.execution_arn != arn]


def refuse_writes(monkeypatch: pytest.MonkeyPatch, times: int | None) -> None:
    """Have DynamoDB throttle writes, for a number of calls or always."""
    remaining = times

    def throttle(write: Any) -> Any:
        def write_or_throttle(self: DynamoHandler) -> Any:
            nonlocal remaining
            if remaining != 0:
                remaining = None if remaining is None else remaining - 1
                raise DynamodbException("ThrottlingException", "made by the test")
            return write(self)

        return write_or_throttle

    for operation in ("update_item", "transact_write_items"):
        monkeypatch.setattr(DynamoHandler, operation, throttle(getattr(DynamoHandler, operation)))
