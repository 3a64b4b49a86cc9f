"""Releases while executions wait: each ends on the code and the definition that it started with."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from local.assembly import assembly
from local.deployment import DeploymentError
from tests.releases.later import Later

pytestmark = pytest.mark.no_providers

TELLING = ("resolve_entity", "check_organization", "record_offboarding", "deregister_entity", "verify_cleanup")


def telling(release: str) -> dict[str, str]:
    """Code that says in its evidence of which release it is."""
    lines = f"""\
_handler_before_{release} = handler


def handler(event, context):
    answer = _handler_before_{release}(event, context)
    answer["Evidence"]["Release"] = "{release}"
    return answer
"""
    return dict.fromkeys(TELLING, lines)


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


Change = Callable[[Later], None]


def other_code(later: Later, release: str = "second") -> None:
    later.append_code(**telling(release))


def another_retention(later: Later) -> None:
    later.set_environment("RETENTION_DAYS", "40")


def another_contract(later: Later) -> None:
    """Rename a variable, and a member of an event: neither half of the release fits the other half from before."""
    later.append_code(verify_cleanup=RENAMED_MEMBER)
    later.change_definition(rename_variable)


def a_function_retired(later: Later) -> None:
    later.rename_function("CheckOrganization", "ExamineOrganization")


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., Path]:
    """Make the release that comes after another one."""

    def make(former: Path, name: str, *changes: Change) -> Path:
        later = Later(former, tmp_path / name)
        other_code(later, name)
        for change in changes:
            change(later)
        return later.write()

    return make


@pytest.fixture
def first(stack_without_providers: Path) -> Path:
    return stack_without_providers


def calls(flow: Any, arn: str) -> list[str]:
    """The ARNs, with their versions, of the functions that an execution has called."""
    scheduled = [e for e in flow.environment.history(arn) if e["type"] == "TaskScheduled"]
    return [json.loads(e["taskScheduledEventDetails"]["parameters"])["FunctionName"] for e in scheduled]


def versions(flow: Any, arn: str) -> set[str]:
    return {called.rpartition(":")[2] for called in calls(flow, arn)}


def releases(flow: Any, arn: str) -> dict[str, str]:
    """Of which release the code was that each state ran, by its own word."""
    evidence = flow.read_result(arn).output["Evidence"]
    return {state: told.get("Release", "first") for state, told in evidence.items()}


def may_call(flow: Any, function_arn: str) -> bool:
    """Whether the role of the offboarding's state machine may call a version of a function."""
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


def assert_it_was_of_release(flow: Any, arn: str, release: str, version: str) -> None:
    assert set(releases(flow, arn).values()) == {release}
    assert versions(flow, arn) == {version}
    assert [called for called in calls(flow, arn) if not may_call(flow, called)] == []


def days_of_retention(flow: Any, arn: str) -> float:
    output = flow.read_result(arn).output
    begin, end = (datetime.fromisoformat(output[name]) for name in ("DeregisteredAt", "RetentionEndsAt"))
    return (end - begin).total_seconds() / 86400


class Waiting:
    """Executions of a first release, each waiting for something else; and how they must end."""

    def __init__(self, flow: Any) -> None:
        self._flow = flow
        flow.change_policy(ApprovalRequired=["vip*"])
        for name in ("alice", "bob", "dave", "zoe", "vip1", "vip2", "vip3"):
            flow.people.user(name)
        date = {"NotBefore": "2026-12-20T00:00:00Z"}
        self.retained, self.restored = flow.start("alice"), flow.start("dave")
        self.dated, self.protected = flow.start("bob", **date), flow.start("zoe", **date)
        self.approved, self.rejected, self.undecided = (flow.start(f"vip{number}") for number in (1, 2, 3))
        flow.pass_days(3)

    def finish(self) -> None:
        """Decide, take back and protect with what is deployed by now, and let everything end."""
        flow = self._flow
        assert flow.decide(self.approved).outcome == "Decided"
        assert flow.decide(self.rejected, "Rejected").outcome == "Decided"
        assert flow.restore(ExecutionArn=self.restored).outcome == "Restored"
        flow.change_policy(ApprovalRequired=["vip*"], Protected=["zoe"])
        flow.pass_days(70)
        flow.process_status_events()

    @property
    def expected(self) -> dict[str, str]:
        return {
            self.retained: "CleanupVerified",
            self.dated: "CleanupVerified",
            self.approved: "CleanupVerified",
            self.restored: "Reenabled",
            self.rejected: "Rejected",
            self.protected: "EntityProtected",
            self.undecided: "ApprovalTimedOut",
        }

    def assert_they_ended_as_the_first_release_ends_them(self) -> None:
        flow = self._flow
        assert {arn: flow.read_result(arn).outcome for arn in self.expected} == self.expected
        assert {arn: flow.read_record(arn)["Outcome"] for arn in self.expected} == self.expected
        assert {version for arn in self.expected for version in versions(flow, arn)} == {"1"}
        for arn in (self.retained, self.dated, self.approved, self.restored, self.rejected):
            assert set(releases(flow, arn).values()) == {"first"}
        for arn in (self.retained, self.dated, self.approved, self.restored):
            assert days_of_retention(flow, arn) == 30
        assert not [called for arn in self.expected for called in calls(flow, arn) if not may_call(flow, called)]


def test_executions_that_wait_during_a_release_end_with_their_own_code_and_definition(
    make_flow: Callable[..., Any], first: Path, release: Callable[..., Path]
) -> None:
    flow = make_flow(stack=first)
    waiting = Waiting(flow)

    flow.environment.deploy(release(first, "second", another_retention, another_contract, a_function_retired))
    new = flow.start(flow.people.user("erin"))
    waiting.finish()

    waiting.assert_they_ended_as_the_first_release_ends_them()
    assert flow.read_result(new).outcome == "CleanupVerified"
    assert set(releases(flow, new).values()) == {"second"}
    assert days_of_retention(flow, new) == 40
    assert {called.rpartition(":")[2] for called in calls(flow, new) if "ExamineOrganization" not in called} == {"2"}
    assert [called for called in calls(flow, new) if "ExamineOrganization" in called and called.endswith(":1")]


@pytest.mark.long
def test_each_of_three_later_releases_runs_only_its_own_executions(
    make_flow: Callable[..., Any], first: Path, release: Callable[..., Path]
) -> None:
    flow = make_flow(stack=first)
    waiting = Waiting(flow)
    second = release(first, "second", another_retention)
    third = release(second, "third", another_contract)
    fourth = release(third, "fourth", a_function_retired)
    later = {}
    for number, deployed in enumerate((second, third, fourth), start=2):
        flow.environment.deploy(deployed)
        later[deployed.name, str(number)] = flow.start(flow.people.user(deployed.name))
        flow.pass_days(2)
    waiting.finish()

    waiting.assert_they_ended_as_the_first_release_ends_them()
    for (name, number), arn in later.items():
        assert flow.read_result(arn).outcome == "CleanupVerified", name
        assert set(releases(flow, arn).values()) == {name}
        assert versions(flow, arn) - {"1"} == {number}
        assert days_of_retention(flow, arn) == 40


@pytest.mark.long
def test_executions_of_a_release_that_is_rolled_back_end_with_its_code(
    make_flow: Callable[..., Any], first: Path, release: Callable[..., Path]
) -> None:
    flow = make_flow(stack=first)
    started = []
    for deployed in (first, release(first, "second", another_contract), first):
        flow.environment.deploy(deployed)
        started.append(flow.start(flow.people.user(f"user{len(started)}"), NotBefore="2026-12-01T00:00:00Z"))
        flow.pass_days(1)
    flow.pass_days(45)

    assert [flow.read_result(arn).outcome for arn in started] == ["CleanupVerified"] * 3
    assert [set(releases(flow, arn).values()) for arn in started] == [{"first"}, {"second"}, {"first"}]
    assert [versions(flow, arn) for arn in started] == [{"1"}, {"2"}, {"3"}]


def test_a_failed_update_changes_no_execution(
    make_flow: Callable[..., Any], first: Path, release: Callable[..., Path]
) -> None:
    def fails_at_last(later: Later) -> None:
        later.resources["Broken"] = {"Type": "AWS::SQS::Queue", "DependsOn": [*later.resources],
                                     "Properties": {"QueueName": "not a name"}}  # fmt: skip

    flow = make_flow(stack=first)
    started = [flow.start(flow.people.user("alice"), NotBefore="2026-12-01T00:00:00Z")]
    flow.clock.settle()
    with pytest.raises(DeploymentError, match="UPDATE_ROLLBACK_COMPLETE"):
        flow.environment.deploy(release(first, "second", another_contract, a_function_retired, fails_at_last))
    started.append(flow.start(flow.people.user("bob")))
    flow.pass_days(45)

    for arn in started:
        assert flow.read_result(arn).outcome == "CleanupVerified"
        assert set(releases(flow, arn).values()) == {"first"}
        assert versions(flow, arn) == {"1"}


def forgetting_what_waits(later: Later) -> None:
    a_function_retired(later)
    later.remove_function("CheckOrganization")


@pytest.mark.long
@pytest.mark.parametrize("forgets", ["function", "versions"])
def test_removing_a_function_or_version_fails_waiting_executions(
    make_flow: Callable[..., Any], first: Path, release: Callable[..., Path], forgets: str
) -> None:
    """Why a function is retired and not removed, and versions are retained: this is what the tests above would see."""
    before = release(first, "before", *([Later.let_versions_go] if forgets == "versions" else []))
    flow = make_flow(stack=before)
    dated = flow.start(flow.people.user("alice"), NotBefore="2026-12-01T00:00:00Z")
    flow.clock.settle()
    flow.environment.deploy(release(before, "after", *([forgetting_what_waits] if forgets == "function" else [])))
    flow.pass_days(45)

    result = flow.read_result(dated)
    assert result.outcome == "UnexpectedFailure"
    assert "Lambda.ResourceNotFoundException" in result.cause
    assert result.states[-2] == ("CheckOrganization" if forgets == "function" else "ResolveEntity")


@pytest.mark.long
def test_removing_an_organization_fails_its_waiting_executions(make_flow: Callable[..., Any], first: Path) -> None:
    flow = make_flow(stack=first)
    started = [flow.start(flow.people.user("alice")),
               flow.start(flow.people.user("bob"), NotBefore="2026-12-01T00:00:00Z")]  # fmt: skip
    flow.clock.settle()
    flow.environment.deploy(assembly({"organizations": [{"id": "m-" + "a1" * 16}]}))
    flow.pass_days(45)

    assert [flow.read_result(arn).outcome for arn in started] == ["AccessDenied", "AccessDenied"]
