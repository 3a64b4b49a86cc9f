"""Executions of every release that is recorded, finished by what the present sources make of the stack."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.assembly import assembly
from local.environment import Environment
from local.settings import ORGANIZATION_ID
from tests.releases import record
from tests.releases.released import SETTINGS, Release, Waiting, released, resuming
from tests.workflow.conftest import ExecutionResult, Flow

LISTED = {"ApprovalRequired": ["vip*"], "Protected": ["dated.protected"], "DailyCap": 0}
ENDS = {
    "looking-again": "CleanupVerified",
    "retained-user": "CleanupVerified",
    "retained-group": "CleanupVerified",
    "retained-resource": "CleanupVerified",
    "retained-provider": "CleanupVerified",
    "retained-again": "CleanupVerified",
    "retained-restored": "Reenabled",
    "retained-stopped": None,
    "dated": "CleanupVerified",
    "dated-protected": "EntityProtected",
    "asked-approved": "CleanupVerified",
    "asked-above-the-cap": "CleanupVerified",
    "asked-rejected": "Rejected",
    "asked-undecided": "ApprovalTimedOut",
}
"""How each of them ends, in the order in which the recorder makes them."""


class Story:
    """A release's executions go on, the present release comes, and people do with them what they do."""

    def __init__(self, release: Release, environment: Environment, current: Path) -> None:
        self.flow = Flow(environment)
        self.executions = list(release.executions)
        self.arns = self._resume(release)
        self.flow.environment.deploy(current)
        self.flow.change_policy(**LISTED)
        self.decisions = {
            name: self.flow.decide(self.arns[name], decision)
            for name, decision in (
                ("asked-approved", "Approved"),
                ("asked-above-the-cap", "Approved"),
                ("asked-rejected", "Rejected"),
            )
        }
        self.restored = self.flow.restore(ExecutionArn=self.arns["retained-restored"])
        self.restored_after_its_end = {
            name: self.flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=self._person(name))
            for name in ("ended-stopped", "ended-removed")
        }
        self.started_again = self.flow.run(self._person("retained-again"), days=0)
        self.flow.stop(self.arns["retained-stopped"])
        self.flow.pass_days(75)
        self.flow.process_status_events()

    def read_result(self, name: str) -> ExecutionResult:
        return self.flow.read_result(self.arns[name])

    def read_record(self, name: str) -> dict[str, Any]:
        return self.flow.read_record(self.arns[name])

    def _person(self, name: str) -> str:
        records = [item for item in self._world.items if item["Id"]["S"].endswith(f":{name}")]
        return str(records[0]["Entity"]["M"]["Id"]["S"])

    def _resume(self, release: Release) -> dict[str, str]:
        """Let the executions go on where they waited; they are what they were, their names and times included."""
        environment, self._world = self.flow.environment, release.world
        self._world.build(environment)
        states, machine = environment.client("stepfunctions"), environment.outputs["StateMachineArn"]
        definition = states.describe_state_machine(stateMachineArn=machine)["definition"]
        resumed = resuming(definition, self.executions, self._world.recorded_at)
        states.update_state_machine(stateMachineArn=machine, definition=resumed)
        arns = {}
        for waiting in self.executions:
            self._move_to(waiting.started_at)
            arns[waiting.name] = environment.start(waiting.input, waiting.name)
        states.update_state_machine(stateMachineArn=machine, definition=definition)
        self._move_to(self._world.recorded_at)
        environment.clock.settle()
        for name, arn in arns.items():
            assert self.flow.read_result(arn).states[-1] == self._waiting(name).state
            self._put_record_back(arn)
        return arns

    def _waiting(self, name: str) -> Waiting:
        return next(waiting for waiting in self.executions if waiting.name == name)

    def _move_to(self, moment: str) -> None:
        self.flow.clock.advance(max(datetime.fromisoformat(moment) - self.flow.clock.now(), timedelta()))

    def _put_record_back(self, arn: str) -> None:
        """Have the record as it was recorded, but for the task's token: that is the engine's, and here it is new."""
        [recorded] = [item for item in self._world.items if item["Id"]["S"] == arn]
        token = self.flow.read_record(arn).get("TaskToken")
        assert (token is None) == ("TaskToken" not in recorded)
        item = {**recorded, **({"TaskToken": {"S": token}} if token else {})}
        self.flow.environment.client("dynamodb").put_item(TableName=self.flow.table_name, Item=item)


@pytest.fixture(scope="module", params=released(), ids=lambda release: release.version)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One environment for all tests of a release: they only look."""
    release, current = request.param, assembly(SETTINGS)
    before = release.assembly(current, tmp_path_factory.mktemp("releases") / release.version)
    first = next(release.executions).started_at
    with Environment(before, now=datetime.fromisoformat(first)) as environment:
        yield Story(release, environment, current)


def test_every_execution_ends_as_its_own_release_defines(story: Story) -> None:
    assert {name: story.read_result(name).outcome for name in story.arns} == ENDS
    assert story.read_result("retained-stopped").status == "ABORTED"


def test_every_record_has_the_outcome_of_its_execution(story: Story) -> None:
    outcomes = {name: story.read_record(name)["Outcome"] for name in story.arns}
    assert outcomes == {**ENDS, "retained-stopped": "Stopped"}
    assert story.read_record("retained-stopped")["Status"] == "Unwatched"


def test_every_execution_calls_only_functions_of_its_own_release(story: Story) -> None:
    for name, arn in story.arns.items():
        scheduled = [e["taskScheduledEventDetails"] for e in story.flow.environment.history(arn)
                     if e["type"] == "TaskScheduled"]  # fmt: skip
        called = {json.loads(details["parameters"])["FunctionName"].rpartition(":")[2] for details in scheduled}
        assert called <= {"1"}, name
        assert called or name == "retained-stopped", name


def test_an_approval_requested_before_the_release_can_be_decided_after_it(story: Story) -> None:
    assert {decided.outcome for decided in story.decisions.values()} == {"Decided"}
    assert story.read_result("asked-rejected").output["Decision"]["DecidedBy"] == "boss"
    assert story.read_record("asked-approved")["Approval"]["Decision"] == "Approved"


def test_an_entity_deregistered_before_the_release_can_be_restored_after_it(story: Story) -> None:
    assert (story.restored.outcome, story.restored.output["Missing"]) == ("Restored", [])
    state = story.flow.read_workmail_state(story.read_record("retained-restored")["Entity"]["Id"])
    assert (state["State"], state["Aliases"]) == ("ENABLED", ["retained.restored.alias@example-corp.awsapps.com"])
    assert len(state["Groups"]) == 1


def test_an_offboarding_that_ended_before_the_release_can_be_restored_after_it(story: Story) -> None:
    assert story.restored_after_its_end["ended-stopped"].outcome == "Restored"
    assert story.restored_after_its_end["ended-removed"].outcome == "EntityGone"


def test_an_entity_held_by_a_former_release_is_not_offboarded_twice(story: Story) -> None:
    assert story.started_again.outcome == "AlreadyInProgress"
    assert story.started_again.output["OtherExecutionArn"] == story.arns["retained-again"]


def test_a_recorded_release_is_not_recorded_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(Release, "folder", tmp_path)
    monkeypatch.setattr("sys.argv", ["record"])

    assert record.main() == 1
    assert "is recorded: give the new release a version of its own" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
