"""All executions of a definition share its parsed components, and none changes what the next one does."""

import json
import pickle
from typing import Any

from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from tests.unit.local.aws.stepfunctions.definitions import DAY, TASK, pass_state, retrier, wait_state
from tests.unit.local.conftest import StepFunctions

BRANCH = {"StartAt": "Name", "States": {"Name": pass_state("{% $states.input.name %}")}}
STATES: dict[str, Any] = {
    "Constants": {
        "Type": "Pass", "QueryLanguage": "JSONPath", "Result": {"list": [1, {"a": []}]}, "ResultPath": "$.constants",
        "Next": "Change",
    },
    "Change": {
        "Type": "Pass", "QueryLanguage": "JSONPath", "Result": "changed", "ResultPath": "$.constants.list",
        "Next": "Constant",
    },
    "Constant": {
        "Type": "Pass", "QueryLanguage": "JSONPath", "Result": {"a": {}}, "ResultPath": "$", "Next": "ChangeConstant",
    },
    "ChangeConstant": {
        "Type": "Pass", "QueryLanguage": "JSONPath", "Result": "changed", "ResultPath": "$.a.b", "Next": "Assign",
    },
    "Assign": {
        "Type": "Pass", "QueryLanguage": "JSONata", "Assign": {"list": [1, {"b": "{% $states.input.a.b %}"}]},
        "Output": {"name": "{% $states.context.Execution.Name %}"}, "Next": "Both",
    },
    "Both": {
        "Type": "Parallel", "QueryLanguage": "JSONata", "Branches": [BRANCH, BRANCH],
        "Output": {"name": "{% $states.result[0] %}", "names": "{% $states.result %}"}, "Next": "Each",
    },
    "Each": {
        "Type": "Map", "QueryLanguage": "JSONata", "Items": [{"name": 1}, {"name": 2}], "ItemProcessor": BRANCH,
        "Output": {"name": "{% $states.input.name %}", "items": "{% $states.result %}"}, "Next": "Choose",
    },
    "Choose": {
        "Type": "Choice", "QueryLanguage": "JSONata", "Default": "Call",
        "Choices": [{"Condition": "{% $states.input.name = 'no' %}", "Next": "Wait"}],
    },
    "Wait": {**wait_state(Seconds=60), "QueryLanguage": "JSONata"},
    "Call": {
        **TASK, "QueryLanguage": "JSONata", "Retry": retrier(MaxAttempts=2, BackoffRate=2),
        "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $list %}", "Next": "End"}], "Next": "End",
    },
    "End": {"Type": "Succeed"},
}  # fmt: skip


def test_an_execution_leaves_the_components_that_all_share_as_they_are(aws: StepFunctions) -> None:
    definition = json.dumps({"QueryLanguage": "JSONPath", "StartAt": "Constants", "States": STATES})
    machine = aws.create(STATES, QueryLanguage="JSONPath")
    program, _ = AmazonStateLanguageParser.parse(definition)
    parsed = pickle.dumps(program)

    for name in ("first", "second"):
        run = aws.begin(machine, name=name)
        aws.clock.settle()
        assert run.output == [1, {"b": "changed"}]
        assert run.event_types.count("TaskScheduled") == 3

    assert AmazonStateLanguageParser.parse(definition)[0] is program
    assert pickle.dumps(program) == parsed


def test_executions_that_retry_at_once_count_their_attempts_each_for_itself(aws: StepFunctions) -> None:
    machine = aws.create({"Call": {**TASK, "Retry": retrier(MaxAttempts=3), "End": True}})
    runs = [aws.begin(machine) for _ in range(5)]
    aws.clock.advance(DAY)

    assert [run.event_types.count("TaskScheduled") for run in runs] == [4] * 5
