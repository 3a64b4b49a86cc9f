"""Releases while executions wait: each execution ends with the code and the definition that it started with."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from local.cdk.assembly import assembly
from local.cdk.deployment import DeploymentError
from tests.releases.next_release import NextRelease

pytestmark = pytest.mark.no_providers

MARKED_HANDLERS = ("resolve_entity", "check_organization", "record_offboarding", "deregister_entity", "verify_cleanup")


def render_marking_code(release: str) -> dict[str, str]:
    """Render code that adds the name of the release to the evidence of each handler."""
    lines = f"""\
_handler_before_{release} = handler


def handler(event, context):
    answer = _handler_before_{release}(event, context)
    answer["Evidence"]["Release"] = "{release}"
    return answer
"""
    return dict.fromkeys(MARKED_HANDLERS, lines)


def rename_variable(definition: dict[str, Any]) -> None:
    """Rename a variable, and the member in which VerifyCleanup takes it."""
    text = json.dumps(definition).replace("$deregisteredAt", "$disabledAt").replace('"deregisteredAt"', '"disabledAt"')
    definition.update(json.loads(text))
    payload = definition["States"]["VerifyCleanup"]["Arguments"]["Payload"]
    payload["DisabledAt"] = payload.pop("DeregisteredAt")


RENAMED_MEMBER = """\
_handler_before_renaming = handler


def handler(event, context):
    event["DeregisteredAt"] = event.pop("DisabledAt")
    return _handler_before_renaming(event, context)
"""


Change = Callable[[NextRelease], None]


def change_code(next_release: NextRelease, release: str) -> None:
    next_release.append_code(**render_marking_code(release))


def change_retention(next_release: NextRelease) -> None:
    next_release.set_environment("RETENTION_DAYS", "40")


def change_contract(next_release: NextRelease) -> None:
    """Rename a variable and a member of an event, so that code and definition fit only their source_names release."""
    next_release.append_code(verify_cleanup=RENAMED_MEMBER)
    next_release.change_definition(rename_variable)


def retire_function(next_release: NextRelease) -> None:
    next_release.rename_function("CheckOrganization", "ExamineOrganization")


@pytest.fixture
def make_release(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes the next release of a release."""

    def make(former: Path, name: str, *changes: Change) -> Path:
        next_release = NextRelease(former, tmp_path / name)
        change_code(next_release, name)
        for change in changes:
            change(next_release)
        return next_release.write()

    return make


@pytest.fixture
def first_release(stack_without_providers: Path) -> Path:
    return stack_without_providers


def list_called_functions(flow: Any, arn: str) -> list[str]:
    """Return the ARNs, with versions, of the functions that an execution has called."""
    scheduled = [e for e in flow.environment.history(arn) if e["type"] == "TaskScheduled"]
    return [json.loads(e["taskScheduledEventDetails"]["parameters"])["FunctionName"] for e in scheduled]


def list_versions(flow: Any, arn: str) -> set[str]:
    return {function_arn.rpartition(":")[2] for function_arn in list_called_functions(flow, arn)}


def list_releases(flow: Any, arn: str) -> dict[str, str]:
    """Return the release of the code that each state ran, from its evidence."""
    evidence = flow.read_result(arn).output["Evidence"]
    return {state: entry.get("Release", "first") for state, entry in evidence.items()}


def can_call(flow: Any, function_arn: str) -> bool:
    """Return whether the role of the offboarding state machine may call a version of a function."""
    iam = flow.environment.client("iam")
    machine = flow.environment.client("stepfunctions").describe_state_machine(
        stateMachineArn=flow.environment.outputs["StateMachineArn"]
    )
    role = machine["roleArn"].rpartition("/")[2]
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = json.dumps(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
        verdict = IAMPolicy(document).is_action_permitted("lambda:InvokeFunction", function_arn)
        if verdict == PermissionResult.PERMITTED:
            return True
    return False


def assert_release(flow: Any, arn: str, release: str, version: str) -> None:
    assert set(list_releases(flow, arn).values()) == {release}
    assert list_versions(flow, arn) == {version}
    assert [function_arn for function_arn in list_called_functions(flow, arn) if not can_call(flow, function_arn)] == []


def read_retention_days(flow: Any, arn: str) -> float:
    output = flow.read_result(arn).output
    begin, end = (datetime.fromisoformat(output[name]) for name in ("DeregisteredAt", "RetentionEndsAt"))
    return (end - begin).total_seconds() / 86400


class WaitingExecutions:
    """Executions of a first release, each in another wait, and the outcomes that they must have."""

    def __init__(self, flow: Any) -> None:
        self._flow = flow
        flow.change_policy(ApprovalRequired=["vip*"])
        for name in ("alice", "bob", "dave", "zoe", "vip1", "vip2", "vip3"):
            flow.people.create_user(name)
        date = {"NotBefore": "2026-12-20T00:00:00Z"}
        self.retained, self.restored = flow.start("alice"), flow.start("dave")
        self.scheduled, self.protected = flow.start("bob", **date), flow.start("zoe", **date)
        self.approved, self.rejected, self.undecided = (flow.start(f"vip{number}") for number in (1, 2, 3))
        flow.pass_days(3)

    def finish(self) -> None:
        """Decide, restore and protect with the current release, and let everything end."""
        flow = self._flow
        assert flow.decide(self.approved).outcome == "Decided"
        assert flow.decide(self.rejected, "Rejected").outcome == "Decided"
        assert flow.restore(ExecutionArn=self.restored).outcome == "Restored"
        flow.change_policy(ApprovalRequired=["vip*"], Protected=["zoe"])
        flow.pass_days(70)
        flow.process_status_events()

    @property
    def expected_outcomes(self) -> dict[str, str]:
        return {
            self.retained: "CleanupVerified",
            self.scheduled: "CleanupVerified",
            self.approved: "CleanupVerified",
            self.restored: "Reenabled",
            self.rejected: "Rejected",
            self.protected: "EntityProtected",
            self.undecided: "ApprovalTimedOut",
        }

    def assert_results_of_first_release(self) -> None:
        flow = self._flow
        assert {arn: flow.read_result(arn).outcome for arn in self.expected_outcomes} == self.expected_outcomes
        assert {arn: flow.read_record(arn)["Outcome"] for arn in self.expected_outcomes} == self.expected_outcomes
        assert {version for arn in self.expected_outcomes for version in list_versions(flow, arn)} == {"1"}
        for arn in (self.retained, self.scheduled, self.approved, self.restored, self.rejected):
            assert set(list_releases(flow, arn).values()) == {"first"}
        for arn in (self.retained, self.scheduled, self.approved, self.restored):
            assert read_retention_days(flow, arn) == 30
        assert not [
            function_arn
            for arn in self.expected_outcomes
            for function_arn in list_called_functions(flow, arn)
            if not can_call(flow, function_arn)
        ]


def test_executions_that_wait_during_a_release_end_with_their_own_code_and_definition(
    make_flow: Callable[..., Any], first_release: Path, make_release: Callable[..., Path]
) -> None:
    flow = make_flow(stack=first_release)
    executions = WaitingExecutions(flow)

    flow.environment.deploy(make_release(first_release, "second", change_retention, change_contract, retire_function))
    new = flow.start(flow.people.create_user("erin"))
    executions.finish()

    executions.assert_results_of_first_release()
    assert flow.read_result(new).outcome == "CleanupVerified"
    assert set(list_releases(flow, new).values()) == {"second"}
    assert read_retention_days(flow, new) == 40
    assert {
        function_arn.rpartition(":")[2]
        for function_arn in list_called_functions(flow, new)
        if "ExamineOrganization" not in function_arn
    } == {"2"}
    assert [
        function_arn
        for function_arn in list_called_functions(flow, new)
        if "ExamineOrganization" in function_arn and function_arn.endswith(":1")
    ]


@pytest.mark.long
def test_each_of_three_later_releases_runs_only_its_own_executions(
    make_flow: Callable[..., Any], first_release: Path, make_release: Callable[..., Path]
) -> None:
    flow = make_flow(stack=first_release)
    executions = WaitingExecutions(flow)
    second = make_release(first_release, "second", change_retention)
    third = make_release(second, "third", change_contract)
    fourth = make_release(third, "fourth", retire_function)
    started = {}
    for number, deployed in enumerate((second, third, fourth), start=2):
        flow.environment.deploy(deployed)
        started[deployed.name, str(number)] = flow.start(flow.people.create_user(deployed.name))
        flow.pass_days(2)
    executions.finish()

    executions.assert_results_of_first_release()
    for (name, number), arn in started.items():
        assert flow.read_result(arn).outcome == "CleanupVerified", name
        assert set(list_releases(flow, arn).values()) == {name}
        assert list_versions(flow, arn) - {"1"} == {number}
        assert read_retention_days(flow, arn) == 40


@pytest.mark.long
def test_executions_of_a_release_that_is_rolled_back_end_with_its_code(
    make_flow: Callable[..., Any], first_release: Path, make_release: Callable[..., Path]
) -> None:
    flow = make_flow(stack=first_release)
    started = []
    for deployed in (first_release, make_release(first_release, "second", change_contract), first_release):
        flow.environment.deploy(deployed)
        started.append(flow.start(flow.people.create_user(f"user{len(started)}"), NotBefore="2026-12-01T00:00:00Z"))
        flow.pass_days(1)
    flow.pass_days(45)

    assert [flow.read_result(arn).outcome for arn in started] == ["CleanupVerified"] * 3
    assert [set(list_releases(flow, arn).values()) for arn in started] == [{"first"}, {"second"}, {"first"}]
    assert [list_versions(flow, arn) for arn in started] == [{"1"}, {"2"}, {"3"}]


def test_a_failed_update_changes_no_execution(
    make_flow: Callable[..., Any], first_release: Path, make_release: Callable[..., Path]
) -> None:
    def add_invalid_queue(next_release: NextRelease) -> None:
        next_release.resources["Broken"] = {"Type": "AWS::SQS::Queue", "DependsOn": [*next_release.resources],
                                     "Properties": {"QueueName": "not a name"}}  # fmt: skip

    flow = make_flow(stack=first_release)
    started = [flow.start(flow.people.create_user("alice"), NotBefore="2026-12-01T00:00:00Z")]
    flow.clock.settle()
    with pytest.raises(DeploymentError, match="UPDATE_ROLLBACK_COMPLETE"):
        flow.environment.deploy(
            make_release(first_release, "second", change_contract, retire_function, add_invalid_queue)
        )
    started.append(flow.start(flow.people.create_user("bob")))
    flow.pass_days(45)

    for arn in started:
        assert flow.read_result(arn).outcome == "CleanupVerified"
        assert set(list_releases(flow, arn).values()) == {"first"}
        assert list_versions(flow, arn) == {"1"}


def remove_function(next_release: NextRelease) -> None:
    retire_function(next_release)
    next_release.remove_function("CheckOrganization")


@pytest.mark.long
@pytest.mark.parametrize("removed", ["function", "versions"])
def test_removing_a_function_or_version_fails_waiting_executions(
    make_flow: Callable[..., Any], first_release: Path, make_release: Callable[..., Path], removed: str
) -> None:
    """The reason why functions are retired and versions retained: otherwise executions that wait fail."""
    former_release = make_release(
        first_release, "before", *([NextRelease.delete_retention_policies] if removed == "versions" else [])
    )
    flow = make_flow(stack=former_release)
    scheduled = flow.start(flow.people.create_user("alice"), NotBefore="2026-12-01T00:00:00Z")
    flow.clock.settle()
    flow.environment.deploy(
        make_release(former_release, "after", *([remove_function] if removed == "function" else []))
    )
    flow.pass_days(45)

    result = flow.read_result(scheduled)
    assert result.outcome == "UnexpectedFailure"
    assert "Lambda.ResourceNotFoundException" in result.cause
    assert result.states[-2] == ("CheckOrganization" if removed == "function" else "ResolveEntity")


@pytest.mark.long
def test_removing_an_organization_fails_its_waiting_executions(
    make_flow: Callable[..., Any], first_release: Path
) -> None:
    flow = make_flow(stack=first_release)
    started = [flow.start(flow.people.create_user("alice")),
               flow.start(flow.people.create_user("bob"), NotBefore="2026-12-01T00:00:00Z")]  # fmt: skip
    flow.clock.settle()
    flow.environment.deploy(assembly({"organizations": [{"id": "m-" + "a1" * 16}]}))
    flow.pass_days(45)

    assert [flow.read_result(arn).outcome for arn in started] == ["AccessDenied", "InvalidRequest"]
