"""What is refused when a state machine is created or updated."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws.stepfunctions.definitions import list_problems
from tests.definitions import DEFINITIONS
from tests.unit.local.aws.stepfunctions.definitions import DONE, TASK, pass_state
from tests.unit.local.conftest import StepFunctions

PREFIX = "An error occurred (InvalidDefinition) when calling the {} operation: Invalid State Machine Definition: '{}'"


def goes_to(target: str, **more: Any) -> dict[str, Any]:
    return {"Type": "Pass", "Next": target, **more}


RULE = {"Condition": "{% true %}", "Next": "Done"}
CHOICE = {"Type": "Choice", "Choices": [RULE], "Default": "Nowhere"}
CATCHING = {**TASK, "Next": "Done", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Nowhere"}]}
BRANCH = {"StartAt": "In", "States": {"In": goes_to("Nowhere"), "Out": DONE}}
MISSING = "MISSING_TRANSITION_TARGET: Missing 'Next' target: Nowhere at"


@pytest.mark.parametrize(
    ("states", "problem"),
    [
        # As AWS answered in https://github.com/localstack/localstack/issues/11978.
        (
            {"pass1": goes_to("pass3"), "pass2": pass_state(1)},
            "MISSING_TRANSITION_TARGET: Missing 'Next' target: pass3 at /States/pass1/Next, "
            'MISSING_TRANSITION_TARGET: State "pass2" is not reachable. at /States/pass2',
        ),
        # As AWS answered in https://github.com/floci-io/floci/pull/2786.
        ({"A": goes_to("B"), "B": goes_to("A")}, "MISSING_END_STATE: Workflow has no terminal state at null"),
        (
            {"A": goes_to("Nowhere")},
            f"{MISSING} /States/A/Next, MISSING_END_STATE: Workflow has no terminal state at null",
        ),
        ({"A": CHOICE, "Done": DONE}, f"{MISSING} /States/A/Default"),
        (
            {"A": {**CHOICE, "Default": "Done", "Choices": [RULE, {**RULE, "Next": "Nowhere"}]},
             "Done": DONE},
            f"{MISSING} /States/A/Choices[1]/Next",
        ),
        ({"A": CATCHING, "Done": DONE}, f"{MISSING} /States/A/Catch[0]/Next"),
        (
            {"A": {"Type": "Parallel", "End": True, "Branches": [{"StartAt": "In", "States": {"In": DONE}}, BRANCH]}},
            f"{MISSING} /States/A/Branches[1]/States/In/Next, "
            'MISSING_TRANSITION_TARGET: State "Out" is not reachable. at /States/A/Branches[1]/States/Out',
        ),
        # As AWS answered in https://github.com/floci-io/floci/issues/2745.
        (
            {"Main": pass_state("{% 1 + %}")},
            "INVALID_JSONATA_EXPRESSION: Unexpected end of expression at /States/Main/Output",
        ),
        (
            {"Main": pass_state({"a": ["{% 1 %}", "{% 'unterminated %}"]})},
            "INVALID_JSONATA_EXPRESSION: String literal must be terminated by a matching quote "
            "at /States/Main/Output/a[1]",
        ),
    ],
)  # fmt: skip
def test_a_definition_that_aws_refuses_is_refused(aws: StepFunctions, states: dict[str, Any], problem: str) -> None:
    with pytest.raises(ClientError) as refusal:
        aws.create(states)
    assert str(refusal.value) == PREFIX.format("CreateStateMachine", problem)

    definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}
    machine = aws.create({"Done": DONE})
    with pytest.raises(ClientError) as refusal:
        aws.client.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition))
    assert str(refusal.value) == PREFIX.format("UpdateStateMachine", problem)


def test_a_start_at_no_state_is_refused(aws: StepFunctions) -> None:
    with pytest.raises(ClientError, match="Missing 'Next' target: Nowhere at /StartAt"):
        aws.create({"Done": DONE}, StartAt="Nowhere")


def test_states_of_a_map_have_transitions_of_their_own(aws: StepFunctions) -> None:
    items = {
        "Type": "Map",
        "Items": [1],
        "ItemProcessor": {"StartAt": "In", "States": {"In": pass_state(1)}},
        "End": True,
    }
    assert aws.start({"Each": items}).output == [1]

    items["ItemProcessor"]["States"] = {"In": goes_to("Each")}
    with pytest.raises(ClientError, match="Missing 'Next' target: Each at /States/Each/ItemProcessor/States/In/Next"):
        aws.create({"Each": items})


@pytest.mark.parametrize("file", sorted(DEFINITIONS.glob("*.asl.json")), ids=lambda file: file.name)
def test_the_definitions_of_the_product_have_no_problem(file: Path) -> None:
    assert list_problems(file.read_text()) == ()
