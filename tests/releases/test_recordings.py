"""Executions of every recorded release end as that release defines, on the stack of the current sources."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from local.cdk.assembly import assembly
from local.defaults import ORGANIZATION_ID
from local.environment import Environment
from offboarding.adapters.records import identifier_key
from tests.releases import record
from tests.releases.recorded_release import (
    SETTINGS,
    Release,
    WaitingExecution,
    list_releases,
    render_resuming_definition,
    sort_items,
)
from tests.workflow.conftest import ExecutionResult, Flow

POLICY = {"ApprovalRequired": ["vip*"], "Protected": ["dated.protected"], "DailyCap": 0}
OUTCOMES = {
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
"""The outcome of each execution, in the order in which the recorder starts them."""


class FinishedRecording:
    """Resumes the executions of a release, deploys the current one, and decides, restores and stops executions."""

    def __init__(self, release: Release, environment: Environment, current: Path) -> None:
        self.flow = Flow(environment)
        self.executions = list(release.executions)
        self.arns = self._resume_executions(release)
        self.flow.environment.deploy(current)
        self.flow.change_policy(**POLICY)
        self.decisions = {
            name: self.flow.decide(self.arns[name], decision)
            for name, decision in (
                ("asked-approved", "Approved"),
                ("asked-above-the-cap", "Approved"),
                ("asked-rejected", "Rejected"),
            )
        }
        self.restored = self.flow.restore(ExecutionArn=self.arns["retained-restored"])
        self.late_restores = {
            name: self.flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=self._find_entity_id(name))
            for name in ("ended-stopped", "ended-removed")
        }
        self.started_again = self.flow.run(self._find_entity_id("retained-again"), days=0)
        self.flow.stop(self.arns["retained-stopped"])
        self.flow.pass_days(75)
        self.flow.process_status_events()

    def read_result(self, name: str) -> ExecutionResult:
        return self.flow.read_result(self.arns[name])

    def read_record(self, name: str) -> dict[str, Any]:
        return self.flow.read_record(self.arns[name])

    def _find_entity_id(self, name: str) -> str:
        [record] = [item for item in self._list_records() if item["Id"]["S"].endswith(f":{name}")]
        return str(record["Entity"]["M"]["Id"]["S"])

    def _list_records(self) -> list[dict[str, Any]]:
        return [item for item in self._recorded_state.items if item["Part"]["S"] == "Record"]

    def _resume_executions(self, release: Release) -> dict[str, str]:
        """Resume the executions in the states in which they waited, with their names and times."""
        environment, self._recorded_state = self.flow.environment, release.recorded_state
        self._recorded_state.build(environment)
        states, machine = environment.client("stepfunctions"), environment.outputs["StateMachineArn"]
        definition = states.describe_state_machine(stateMachineArn=machine)["definition"]
        resumed = render_resuming_definition(definition, self.executions, self._recorded_state.recorded_at)
        states.update_state_machine(stateMachineArn=machine, definition=resumed)
        arns = {}
        for execution in self.executions:
            self._move_to(execution.started_at)
            arns[execution.name] = environment.start(execution.input, execution.name)
        states.update_state_machine(stateMachineArn=machine, definition=definition)
        self._move_to(self._recorded_state.recorded_at)
        environment.clock.settle()
        for name, arn in arns.items():
            assert self.flow.read_result(arn).states[-1] == self._find_execution(name).state
            self._restore_record(arn)
        return arns

    def _find_execution(self, name: str) -> WaitingExecution:
        return next(execution for execution in self.executions if execution.name == name)

    def _move_to(self, moment: str) -> None:
        self.flow.clock.advance(max(datetime.fromisoformat(moment) - self.flow.clock.now(), timedelta()))

    def _restore_record(self, arn: str) -> None:
        """Restore the recorded record, except for the task token, which the engine has created again."""
        [recorded] = [item for item in self._list_records() if item["Id"]["S"] == arn]
        token = self.flow.read_record(arn).get("TaskToken")
        assert (token is None) == ("TaskToken" not in recorded)
        item = {**recorded, **({"TaskToken": {"S": token}} if token else {})}
        self.flow.environment.client("dynamodb").put_item(TableName=self.flow.table_name, Item=item)


@pytest.fixture(scope="module", params=list_releases(), ids=lambda release: release.version)
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedRecording]:
    """One environment for all tests of a release, which only read it."""
    release, current = request.param, assembly(SETTINGS)
    assembly_of_release = release.assembly(current, tmp_path_factory.mktemp("releases") / release.version)
    earliest_start = next(release.executions).started_at
    with Environment(assembly_of_release, now=datetime.fromisoformat(earliest_start)) as environment:
        yield FinishedRecording(release, environment, current)


def test_every_execution_ends_as_its_own_release_defines(recording: FinishedRecording) -> None:
    assert {name: recording.read_result(name).outcome for name in recording.arns} == OUTCOMES
    assert recording.read_result("retained-stopped").status == "ABORTED"


def test_every_record_has_the_outcome_of_its_execution(recording: FinishedRecording) -> None:
    outcomes = {name: recording.read_record(name)["Outcome"] for name in recording.arns}
    assert outcomes == {**OUTCOMES, "retained-stopped": "Stopped"}
    assert recording.read_record("retained-stopped")["Status"] == "Unwatched"


def test_every_execution_calls_only_functions_of_its_own_release(recording: FinishedRecording) -> None:
    for name, arn in recording.arns.items():
        scheduled = [e["taskScheduledEventDetails"] for e in recording.flow.environment.history(arn)
                     if e["type"] == "TaskScheduled"]  # fmt: skip
        called = {json.loads(details["parameters"])["FunctionName"].rpartition(":")[2] for details in scheduled}
        assert called <= {"1"}, name
        assert called or name == "retained-stopped", name


def test_an_approval_requested_before_the_release_can_be_decided_after_it(recording: FinishedRecording) -> None:
    assert {decided.outcome for decided in recording.decisions.values()} == {"Decided"}
    assert recording.read_result("asked-rejected").output["Decision"]["DecidedBy"] == "boss"
    assert recording.read_record("asked-approved")["Approval"]["Decision"] == "Approved"


def test_an_entity_deregistered_before_the_release_can_be_restored_after_it(recording: FinishedRecording) -> None:
    assert (recording.restored.outcome, recording.restored.output["Missing"]) == ("Restored", [])
    state = recording.flow.read_workmail_state(recording.read_record("retained-restored")["Entity"]["Id"])
    assert (state["State"], state["Aliases"]) == ("ENABLED", ["retained.restored.alias@example-corp.awsapps.com"])
    assert len(state["Groups"]) == 1


def test_an_offboarding_that_ended_before_the_release_can_be_restored_after_it(recording: FinishedRecording) -> None:
    assert recording.late_restores["ended-stopped"].outcome == "Restored"
    assert recording.late_restores["ended-removed"].outcome == "EntityGone"


def test_an_entity_held_by_a_former_release_is_not_offboarded_twice(recording: FinishedRecording) -> None:
    assert recording.started_again.outcome == "AlreadyInProgress"
    assert recording.started_again.output["OtherExecutionArn"] == recording.arns["retained-again"]


@pytest.mark.parametrize("release", list_releases(), ids=lambda release: release.version)
def test_a_recorded_entity_is_found_by_its_recorded_id(release: Release) -> None:
    items = release.recorded_state.items
    keys = {(item["Id"]["S"], item["Part"]["S"]) for item in items}
    entities = [item["Entity"]["M"] for item in items if item["Part"]["S"] == "Record" and "Entity" in item]
    assert entities
    for entity in entities:
        key, subject = identifier_key(entity["Id"]["S"]), f"{ORGANIZATION_ID}/{entity['Id']['S']}"
        assert (key, f"Entity {subject}") in keys
        assert (subject, f"Identifier {key}") in keys


def test_recordings_that_differ_by_random_ids_only_become_the_same() -> None:
    def make_items(*ids: str) -> list[dict[str, Any]]:
        arns = [
            {"Id": {"S": f"arn:{number}"}, "Part": {"S": "Record"}, "Of": {"S": id_}} for number, id_ in enumerate(ids)
        ]
        hashes = [(id_, identifier_key(id_)) for id_ in ids]
        keys = [{"Id": {"S": key}, "Part": {"S": f"Entity m-1/{id_}"}} for id_, key in hashes]
        return [*arns, *keys, *({"Id": {"S": f"m-1/{id_}"}, "Part": {"S": f"Identifier {key}"}} for id_, key in hashes)]

    def number(*ids: str) -> list[dict[str, Any]]:
        return sort_items(record.NumberedIds().replace_in(sort_items(make_items(*ids))))

    low, high = str(UUID(int=1, version=4)), str(UUID(int=2, version=4))
    assert number(low, high) == number(high, low)
    assert sort_items(make_items(low, high)) != sort_items(make_items(high, low))


def test_a_recorded_release_is_not_recorded_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(Release, "folder", tmp_path)
    monkeypatch.setattr("sys.argv", ["record"])

    assert record.main() == 1
    assert "is recorded: set a new version in pyproject.toml" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
