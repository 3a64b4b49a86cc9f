"""The caps and approvals: which executions wait, who may decide, and the outcome."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.stepfunctions.exceptions import AWSError
from moto.stepfunctions.responses import StepFunctionResponse

from local.defaults import COMPANY_DOMAIN
from local.organization import OrganizationBuilder
from tests.workflow.conftest import CHANGED_SETTINGS, OTHER_ORGANIZATION, mark_long
from tests.workflow.test_identity_events import Intake, build_okta_event

REQUESTER = {"Provider": "okta", "EventId": "e-1", "RequestedBy": "it.admin@example.com"}
APPROVAL_STATES = ["RecordOffboarding", "MayItGoOn?", "AwaitApproval"]
pytestmark = pytest.mark.no_providers


def await_approval(flow: Any, name: str = "vip") -> tuple[str, str]:
    """Start an offboarding that awaits an approval; return the user's id and the execution."""
    flow.change_policy(ApprovalRequired=["vip*"])
    user = flow.people.create_user(name)
    arn = flow.start(name)
    flow.clock.settle()
    assert flow.read_result(arn).states[-1] == "AwaitApproval"
    return user, arn


def test_an_entity_in_the_approval_list_is_deregistered_only_after_the_approval(flow: Any) -> None:
    user, arn = await_approval(flow)
    flow.pass_days(3)
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert flow.read_record(arn)["Status"] == "AwaitingApproval"
    assert flow.list_calls("DeregisterFromWorkMail") == []

    decided = flow.decide(arn, decided_by="boss", Reason="agreed with HR")

    assert (decided.status, decided.outcome) == ("SUCCEEDED", "Decided")
    assert flow.read_workmail_state(user)["State"] == "DISABLED"
    flow.pass_days(31)
    result = flow.read_result(arn)
    assert result.outcome == "CleanupVerified"
    assert result.states.count("ResolveEntity") == 2, "everything is checked again after the wait"
    approval = flow.read_record(arn)["Approval"]
    assert (approval["Decision"], approval["DecidedBy"], approval["Reason"]) == ("Approved", "boss", "agreed with HR")
    assert approval["DecidedAt"] == "2026-11-25T12:00:00.000Z"
    assert ":execution:workmail-offboarding-approval:" in approval["DecidedIn"], "CloudTrail records who started it"


def test_a_rejection_ends_the_offboarding_with_the_decider_and_the_reason(flow: Any) -> None:
    user, arn = await_approval(flow)

    flow.decide(arn, "Rejected", decided_by="boss", Reason="on parental leave")
    flow.pass_days(1)

    result = flow.read_result(arn)
    assert (result.status, result.outcome) == ("SUCCEEDED", "Rejected")
    assert result.output["Decision"]["DecidedBy"] == "boss"
    assert result.output["Decision"]["Reason"] == "on parental leave"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert (flow.read_record(arn)["Status"], flow.read_record(arn)["Outcome"]) == ("Ended", "Rejected")
    assert flow.run("vip", days=0).states[-1] == "AwaitApproval", "the offboarding can be requested again"


def test_an_approval_times_out_after_14_days_without_a_decision(flow: Any) -> None:
    user, arn = await_approval(flow)
    flow.pass_days(13.99)
    assert flow.read_result(arn).status == "RUNNING"
    flow.pass_days(0.02)

    result = flow.read_result(arn)
    assert (result.status, result.outcome) == ("FAILED", "ApprovalTimedOut")
    assert "Nobody decided in 14 days" in result.cause
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert flow.read_record(arn)["Outcome"] == "ApprovalTimedOut"
    assert flow.list_by_status("AwaitingApproval") == []


def test_a_second_decision_after_a_rejection_is_refused(flow: Any) -> None:
    user, arn = await_approval(flow)
    flow.decide(arn, "Rejected")
    flow.process_status_events()

    second_arn = flow.decide(arn, "Approved", decided_by="somebody")

    assert second_arn.status == "FAILED"
    assert second_arn.outcome == "ApprovalNotPending"
    assert "it ended as Rejected" in second_arn.cause
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


def test_a_second_decision_after_an_approval_is_refused(flow: Any) -> None:
    _, arn = await_approval(flow)
    flow.decide(arn)
    flow.pass_days(2)

    second_arn = flow.decide(arn, "Rejected", decided_by="somebody")

    assert second_arn.outcome == "AlreadyDecided"
    assert "was Approved at 2026-11-22T12:00:00.000Z" in second_arn.cause
    assert flow.read_result(arn).states[-1] == "WaitForRetention"


def test_an_approval_for_a_stopped_execution_is_refused(flow: Any) -> None:
    user, arn = await_approval(flow)
    flow.stop(arn)

    late = flow.decide(arn)

    assert late.outcome == "ApprovalNotPending"
    assert "it ended as Stopped" in late.cause
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


def test_an_approval_for_an_unknown_execution_is_refused(flow: Any) -> None:
    arn = "arn:aws:states:us-east-1:123456789012:execution:workmail-offboarding:nobody"

    assert flow.decide(arn).outcome == "ApprovalNotPending"


def test_an_approval_for_an_execution_that_awaits_none_is_refused(flow: Any) -> None:
    flow.people.create_user("dana")
    arn = flow.start("dana")
    flow.clock.settle()

    result = flow.decide(arn)

    assert result.outcome == "ApprovalNotPending"
    assert "its status is InWindow" in result.cause


@pytest.mark.parametrize(
    ("execution_input", "message_part"),
    [
        ({"Decision": "approved", "DecidedBy": "b", "Reason": "r"}, "Decision must be Approved, Rejected or Withdrawn"),
        *mark_long(
            (
                {"Decision": "Approved", "DecidedBy": "b", "Reason": "r", "ExecutionArn": "vip"},
                "the ARN of an execution",
            ),
            ({"Decision": "Approved", "Reason": "r"}, "lacks DecidedBy"),
            ({"Decision": "Rejected", "DecidedBy": "b"}, "lacks Reason"),
            ({"Decision": "Approved", "DecidedBy": "b", "Reason": "r", "Force": True}, "unknown member: Force"),
        ),
    ],
)
def test_an_invalid_decision_changes_nothing(flow: Any, execution_input: dict[str, Any], message_part: str) -> None:
    user, arn = await_approval(flow)

    result = flow.run_state_machine({"ExecutionArn": arn, **execution_input}, "ApprovalStateMachineArn")

    assert result.outcome == "InvalidRequest"
    assert message_part in result.cause
    assert flow.read_record(arn)["Status"] == "AwaitingApproval"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


@pytest.mark.parametrize("decider", ["vip", *mark_long("VIP@example-corp.awsapps.com")])
def test_a_decision_by_the_leaver_is_refused(flow: Any, decider: str) -> None:
    _, arn = await_approval(flow)

    assert flow.decide(arn, decided_by=decider).outcome == "InvalidRequest"
    assert flow.read_record(arn)["Status"] == "AwaitingApproval"


def test_an_approval_by_the_requester_is_refused_and_another_person_can_approve(flow: Any) -> None:
    flow.change_policy(ApprovalRequired=["vip*"])
    user = flow.people.create_user("vip")
    arn = flow.start("vip", RequestedBy="it.admin")
    flow.clock.settle()

    refused = flow.decide(arn, decided_by="IT.Admin")

    assert (refused.status, refused.outcome) == ("FAILED", "InvalidRequest")
    assert "Another person has to approve" in refused.cause
    assert flow.read_record(arn)["Status"] == "AwaitingApproval"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert flow.decide(arn, decided_by="boss").outcome == "Decided"
    assert flow.read_workmail_state(user)["State"] == "DISABLED"


def test_an_approval_by_the_requester_counts_if_only_the_cap_requires_it(flow: Any) -> None:
    flow.change_policy(DailyCap=0)
    user = flow.people.create_user("dana")
    arn = flow.start("dana", Requester=REQUESTER)
    flow.clock.settle()

    assert flow.decide(arn, decided_by=REQUESTER["RequestedBy"]).outcome == "Decided"
    assert flow.read_workmail_state(user)["State"] == "DISABLED"


@pytest.mark.parametrize("decision", ["Rejected", *mark_long("Withdrawn")])
def test_the_requester_can_take_the_request_back(flow: Any, decision: str) -> None:
    flow.change_policy(ApprovalRequired=["vip*"])
    flow.people.create_user("vip")
    arn = flow.start("vip", RequestedBy="it.admin")
    flow.clock.settle()

    assert flow.decide(arn, decision, decided_by="it.admin").outcome == "Decided"
    assert flow.read_result(arn).outcome == decision


def test_an_entity_registered_again_during_the_approval_is_not_deregistered(flow: Any) -> None:
    user, arn = await_approval(flow)
    flow.pass_days(1)
    flow.deregister(user)
    flow.pass_days(1)
    flow.people.register(user, "vip")

    flow.decide(arn)

    assert flow.read_result(arn).outcome == "EntityMismatch"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


def test_an_entity_protected_during_the_approval_is_not_deregistered(flow: Any) -> None:
    user, arn = await_approval(flow)
    flow.change_policy(Protected=["vip"])
    flow.pass_days(1)

    flow.decide(arn)

    assert flow.read_result(arn).outcome == "EntityProtected"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


def test_a_task_output_that_is_not_a_decision_fails_the_execution(flow: Any) -> None:
    user, arn = await_approval(flow)
    flow.environment.client("stepfunctions").send_task_success(
        taskToken=flow.read_record(arn)["TaskToken"], output='{"Approved": true}'
    )
    flow.clock.settle()

    assert flow.read_result(arn).outcome == "UnexpectedFailure"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


@pytest.mark.parametrize("decision", ["Approved", *mark_long("Rejected")])
def test_a_lost_answer_of_step_functions_does_not_fail_the_decision(
    flow: Any, decision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, arn = await_approval(flow)
    send, lost_answers = StepFunctionResponse.send_task_success, []

    def lose(self: StepFunctionResponse) -> Any:
        answer = send(self)
        if not lost_answers:
            lost_answers.append(answer)
            raise AWSError("made by the test", "ServiceUnavailable", 503)
        return answer

    monkeypatch.setattr(StepFunctionResponse, "send_task_success", lose)
    decided = flow.decide(arn, decision)
    flow.process_status_events()

    assert lost_answers
    assert (decided.status, decided.outcome) in {("SUCCEEDED", "Decided"), ("RUNNING", None)}
    flow.pass_days(1)
    assert flow.read_result(arn).states[-1] == ("WaitForRetention" if decision == "Approved" else "Rejected")
    approvals = flow.environment.client("stepfunctions").list_executions(
        stateMachineArn=flow.environment.outputs["ApprovalStateMachineArn"]
    )["executions"]
    assert [execution["status"] for execution in approvals] == ["SUCCEEDED"]


def test_a_deleted_record_cannot_be_approved(flow: Any) -> None:
    user, arn = await_approval(flow)
    flow.delete_record(arn)

    assert flow.decide(arn).outcome == "ApprovalNotPending"
    flow.pass_days(15)
    assert flow.read_result(arn).outcome == "ApprovalTimedOut"
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


@pytest.mark.long
def test_the_cap_counts_executions_of_identity_providers(flow: Any) -> None:
    flow.change_policy(DailyCap=2)
    names = [f"leaver{n}" for n in range(4)]
    for name in (*names, "by-hand"):
        flow.people.create_user(name)
    arns = [flow.start(name, Requester=REQUESTER) for name in names]
    flow.clock.settle()

    last = [flow.read_result(arn).states[-1] for arn in arns]
    assert sorted(last) == ["AwaitApproval", "AwaitApproval", "WaitForRetention", "WaitForRetention"]
    assert flow.read_result(flow.start("by-hand")).status == "RUNNING"
    flow.clock.settle()
    assert len(flow.list_calls("DeregisterFromWorkMail")) == 3, "an execution started by hand counts for another cap"
    waiting_arn = arns[last.index("AwaitApproval")]
    assert "which is the cap" in flow.read_record(waiting_arn)["ApprovalReasons"][0]

    flow.decide(waiting_arn)
    assert len(flow.list_calls("DeregisterFromWorkMail")) == 4
    flow.pass_days(1)
    flow.people.create_user("tomorrow")
    tomorrow = flow.start("tomorrow", Requester=REQUESTER)
    flow.clock.settle()
    assert flow.read_result(tomorrow).states[-1] == "WaitForRetention", "the slots of the day before are free again"


@pytest.mark.long
@pytest.mark.parametrize(("leavers", "cap"), [(15, 5), *mark_long((60, 20))])
def test_the_cap_counts_the_last_24_hours_and_not_the_day(make_flow: Any, leavers: int, cap: int) -> None:
    flow = make_flow(now=datetime(2026, 11, 22, 23, 50, tzinfo=UTC))
    flow.change_policy(DailyCap=cap)
    for number in range(leavers + 1):
        flow.people.create_user(f"leaver{number}")
    for number in range(leavers):
        flow.start(f"leaver{number}", Requester=REQUESTER)
        flow.clock.advance(timedelta(minutes=20) / leavers)

    assert len(flow.list_calls("DeregisterFromWorkMail")) == cap
    assert len(flow.list_by_status("AwaitingApproval")) == leavers - cap
    flow.clock.move_to(datetime(2026, 11, 23, 23, 49, 59, tzinfo=UTC))
    assert flow.run(f"leaver{leavers}", days=0, DryRun=True, Requester=REQUESTER).output["Plan"]["NeedsApproval"]
    flow.clock.move_to(datetime(2026, 11, 23, 23, 50, 1, tzinfo=UTC))
    flow.start(f"leaver{leavers}", Requester=REQUESTER)
    flow.clock.settle()
    assert len(flow.list_calls("DeregisterFromWorkMail")) == cap + 1


def test_a_cap_of_zero_requires_an_approval_for_every_leaver(flow: Any) -> None:
    flow.change_policy(DailyCap=0)
    flow.people.create_user("dana")

    assert flow.run("dana", days=0, Requester=REQUESTER).states[-3:] == APPROVAL_STATES


def test_a_raised_cap_applies_to_later_executions(flow: Any) -> None:
    flow.change_policy(DailyCap=1)
    for name in ("a", "b", "c"):
        flow.people.create_user(name)
    first_arn, second_arn = (flow.start(name, Requester=REQUESTER) for name in ("a", "b"))
    flow.clock.settle()
    assert {flow.read_result(arn).states[-1] for arn in (first_arn, second_arn)} == {
        "WaitForRetention",
        "AwaitApproval",
    }

    flow.change_policy(DailyCap=2)
    flow.pass_days(0.01)
    third = flow.start("c", Requester=REQUESTER)
    flow.clock.settle()

    assert flow.read_result(third).states[-1] == "WaitForRetention"


def test_a_disabled_entity_needs_neither_an_approval_nor_a_slot(flow: Any) -> None:
    flow.change_policy(DailyCap=0, ApprovalRequired=["*"])
    user = flow.people.create_user("dana")
    flow.deregister(user)

    assert flow.run(user, Requester=REQUESTER).outcome == "CleanupVerified"


@pytest.mark.parametrize(("leavers", "cap"), [(5, 3), *mark_long((60, 50))])
def test_a_loop_by_hand_deregisters_as_many_as_the_hand_cap_allows_in_24_hours(
    flow: Any, leavers: int, cap: int
) -> None:
    flow.change_policy(HandCap=cap)
    for name in (*(f"leaver{number}" for number in range(leavers)), "reported", "tomorrow"):
        flow.people.create_user(name)
    arns = [flow.start(f"leaver{number}") for number in range(leavers)]
    flow.clock.settle()

    assert len(flow.list_calls("DeregisterFromWorkMail")) == cap
    waiting = flow.list_by_status("AwaitingApproval")
    assert len(waiting) == leavers - cap
    assert {tuple(record["ApprovalReasons"]) for record in waiting} == {
        (
            f"The setting handCap limits offboardings by hand in this organization to {cap} within 24 hours, and this "
            "number is reached.",
        )
    }
    assert all(record["CapIsReached"] and "Requester" not in record for record in waiting)
    assert len(flow.run("tomorrow", days=0, DryRun=True).output["Plan"]["NeedsApproval"]) == 1
    flow.start("reported", Requester=REQUESTER)
    flow.clock.settle()
    assert len(flow.list_calls("DeregisterFromWorkMail")) == cap + 1, "identity providers have their own cap"
    flow.decide(waiting[0]["Id"])
    assert len(flow.list_calls("DeregisterFromWorkMail")) == cap + 2

    flow.pass_days(1)
    arns.append(flow.start("tomorrow"))
    flow.clock.settle()
    assert flow.read_result(arns[-1]).states[-1] == "WaitForRetention", "the slots of the day before are free again"


@pytest.mark.long
def test_starting_again_and_restoring_give_a_person_no_further_slot(flow: Any) -> None:
    flow.change_policy(HandCap=1)
    users = [flow.people.create_user(name) for name in ("dana", "kim")]
    taken, waiting = (flow.start(user) for user in users)
    flow.clock.settle()
    if flow.read_result(taken).states[-1] == "AwaitApproval":
        taken, waiting, users = waiting, taken, users[::-1]

    assert flow.run(users[1], days=0).outcome == "AlreadyInProgress"
    flow.decide(waiting, "Rejected")
    flow.process_status_events()
    assert flow.run(users[1], days=0).states[-3:] == APPROVAL_STATES, "a rejected one is started again"
    assert flow.restore(ExecutionArn=taken).outcome == "Restored"
    flow.process_status_events()
    assert flow.run(users[0], days=0).states[-3:] == APPROVAL_STATES, "a restored one is started again"
    assert len(flow.list_calls("DeregisterFromWorkMail")) == 1


def test_a_person_needs_no_slot_if_there_is_no_hand_cap(flow: Any) -> None:
    for name in ("dana", "kim"):
        flow.people.create_user(name)
    flow.change_policy(HandCap=0)
    assert flow.run("dana", days=0).states[-3:] == APPROVAL_STATES

    flow.change_policy(HandCap=None)

    assert flow.run("kim", days=0).states[-1] == "WaitForRetention"


@pytest.mark.long
def test_the_hand_cap_of_one_organization_is_not_that_of_another(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(CHANGED_SETTINGS)
    flow.backend.create_organization_with_id(OTHER_ORGANIZATION, "second-corp", mail_domains=("example.org",))
    flow.change_policy(HandCap=1)
    for name in ("dana", "kim"):
        flow.people.create_user(name)
    OrganizationBuilder(flow.environment.client("workmail"), OTHER_ORGANIZATION).create_user(
        "robin", domain="example.org"
    )

    arns = [flow.start(name) for name in ("dana", "kim")]
    arns.append(flow.environment.start({"OrganizationId": OTHER_ORGANIZATION, "EntityId": "robin"}))
    flow.clock.settle()

    last = [flow.read_result(arn).states[-1] for arn in arns]
    assert sorted(last[:2]) == ["AwaitApproval", "WaitForRetention"]
    assert last[2] == "WaitForRetention"


class TestIdentityProviders:
    """With the event queue, the starter and the events of a real provider."""

    @pytest.fixture
    def intake(self, make_flow: Callable[..., Any], stack: Any) -> Intake:
        return Intake(make_flow(now=datetime(2026, 11, 20, 5, tzinfo=UTC), stack=stack))

    @pytest.mark.long  # make test plays the demo's burst of thirty instead
    @pytest.mark.parametrize("leavers", [31, 500])
    def test_20_of_many_leavers_are_deregistered_and_all_others_await_approval(
        self, intake: Intake, leavers: int
    ) -> None:
        flow = intake.flow
        people = [f"leaver{n}" for n in range(leavers)]
        for name in people:
            intake.create_user(name)
        flow.clear_calls()

        for start in range(0, leavers, 50):
            intake.put_events(
                *(build_okta_event(f"{name}@{COMPANY_DOMAIN}", uuid=name) for name in people[start : start + 50])
            )

        assert len(flow.list_calls("DeregisterFromWorkMail")) == 20
        assert intake.read_dead_letters() == []
        assert intake.count_messages() == 0
        awaiting, in_window = flow.list_by_status("AwaitingApproval"), flow.list_by_status("InWindow")
        assert (len(awaiting), len(in_window)) == (leavers - 20, 20)
        assert {item["Entity"]["Name"] for item in (*awaiting, *in_window)} == set(people)

        # Each task waits for its own token. Ten of the executions get a decision.
        for token in {item["TaskToken"] for item in awaiting}:
            flow.environment.client("stepfunctions").send_task_heartbeat(taskToken=token)
        assert len({item["TaskToken"] for item in awaiting}) == leavers - 20
        for item in awaiting[:5]:
            assert flow.decide(item["Id"]).outcome == "Decided"
        for item in awaiting[5:10]:
            assert flow.decide(item["Id"], "Rejected").outcome == "Decided"
        flow.process_status_events()
        assert len(flow.list_calls("DeregisterFromWorkMail")) == 25
        assert len(flow.list_by_status("AwaitingApproval")) == leavers - 30
        assert len(flow.list_by_status("InWindow")) == 25
