"""The inputs of examples/ do what their names say, on the embedded AWS as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.defaults import COMPANY_DOMAIN
from tests.workflow.conftest import ExecutionResult, Flow

INPUTS = Path(__file__).parents[2] / "examples" / "inputs"


def read_input(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((INPUTS / f"{name}.json").read_text())
    return content


@pytest.mark.archives
def test_every_example_input_does_what_its_name_says(flow: Flow) -> None:
    for name in ("alice", "bob", "carol", "dave", "erin", "frank", "heidi"):
        flow.people.create_user(name, f"{name.title()} Leaver", domain=COMPANY_DOMAIN)
    flow.people.create_group("project-apollo", ())
    started: dict[str, str] = {}
    flow.change_policy(ApprovalRequired=["bob", "heidi"])
    for name in ("bob", "carol", "heidi"):
        request = {**read_input("offboard"), "EntityId": f"{name}@example.com", "Export": "No"}
        started[f"{name}-leaves"] = flow.environment.start(request, f"{name}-leaves")
    names = ("plan", "offboard", "offboard-expected", "offboard-group", "archive-first")
    started.update({name: flow.environment.start(read_input(name)) for name in names})
    started["last-working-day"] = flow.environment.start(read_input("last-working-day"), "erin-leaves")
    flow.clock.settle()

    decisions = {
        name: flow.run_state_machine(read_input(name), "ApprovalStateMachineArn").outcome
        for name in ("approve", "reject", "withdraw")
    }
    flow.pass_days(1)
    restored = flow.run_state_machine(read_input("restore"), "RestoreStateMachineArn")
    flow.pass_days(45)

    results: dict[str, ExecutionResult] = {name: flow.read_result(arn) for name, arn in started.items()}
    assert decisions == {"approve": "Decided", "reject": "Decided", "withdraw": "Decided"}
    assert restored.outcome == "Restored"
    assert {name: result.outcome for name, result in results.items()} == {
        "plan": "Planned",
        "offboard": "CleanupVerified",
        "offboard-expected": "CleanupVerified",
        "offboard-group": "CleanupVerified",
        "archive-first": "CleanupVerified",
        "last-working-day": "Withdrawn",
        "bob-leaves": "CleanupVerified",
        "carol-leaves": "Reenabled",
        "heidi-leaves": "Rejected",
    }
    assert results["archive-first"].output["Archive"]
