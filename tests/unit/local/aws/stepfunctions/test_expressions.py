"""JSONata, variables and the context in states."""

import json
from typing import Any

import pytest

from tests.unit.local.aws.stepfunctions.definitions import (
    DAY,
    DONE,
    TASK,
    pass_state,
    retrier,
    wait_state,
)
from tests.unit.local.aws.stepfunctions.test_jsonata import NASTY
from tests.unit.local.conftest import ROLE, StepFunctions

CHOICE = {
    "Type": "Choice",
    "Choices": [{"Condition": "{% $states.input.v %}", "Next": "Done"}],
    "Default": "Done",
}


class TestJsonata:
    @pytest.mark.parametrize("name", NASTY)
    def test_a_variable_is_data_whatever_its_characters(self, aws: StepFunctions, name: str) -> None:
        run = aws.start(
            {
                "Keep": {"Type": "Pass", "Assign": {"name": "{% $states.input.name %}"}, "Next": "Tell"},
                "Tell": pass_state({"name": "{% $name %}", "greeting": "{% 'Hello ' & $name %}"}),
            },
            {"name": name},
        )

        assert run.output == {"name": name, "greeting": f"Hello {name}"}
        (kept,) = [
            e["stateExitedEventDetails"]["assignedVariables"]
            for e in run.history
            if e["type"] == "PassStateExited" and "assignedVariables" in e["stateExitedEventDetails"]
        ]
        assert json.loads(kept["name"]) == name

    def test_a_failed_expression_fails_the_state_by_name(self, aws: StepFunctions) -> None:
        run = aws.start({"Tell": pass_state("{% $number('abc') %}")})

        error, cause = run.error
        assert error == "States.QueryEvaluationError"
        assert "the state 'Tell'" in cause
        assert "$number('abc')" in cause
        assert run.event_types == ["ExecutionStarted", "PassStateEntered", "EvaluationFailed", "ExecutionFailed"]

    def test_an_expression_without_a_result_fails_the_state(self, aws: StepFunctions) -> None:
        run = aws.start({"Tell": pass_state({"a": "{% $states.input.missing %}"})})

        assert run.error[0] == "States.QueryEvaluationError"
        assert "returned nothing (undefined)" in run.error[1]

    @pytest.mark.parametrize("expression", ["$states.result", "$states.errorOutput"])
    def test_a_missing_member_of_states_is_undefined_and_not_null(self, aws: StepFunctions, expression: str) -> None:
        run = aws.start({"Wait": wait_state(Seconds=0, Output=f"{{% {expression} %}}")})

        assert run.error[0] == "States.QueryEvaluationError"

    def test_a_failed_expression_can_be_caught_and_is_in_the_history_once(self, aws: StepFunctions) -> None:
        task = {**TASK, "Arguments": "{% $nope %}", "End": True}
        task["Catch"] = [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Done"}]
        run = aws.start({"Task": task, "Done": DONE})

        assert run.status == "SUCCEEDED"
        assert run.event_types.count("EvaluationFailed") == 1

    def test_every_attempt_of_a_failed_expression_is_in_the_history(self, aws: StepFunctions) -> None:
        run = aws.start(
            {"Task": {**TASK, "Arguments": "{% $nope %}", "End": True, "Retry": retrier("States.ALL", MaxAttempts=2)}}
        )

        assert run.event_types.count("EvaluationFailed") == 3

    def test_output_sees_the_variables_from_before_the_state(self, aws: StepFunctions) -> None:
        run = aws.start(
            {
                "First": {"Type": "Pass", "Assign": {"n": 1}, "Next": "Second"},
                "Second": {
                    "Type": "Pass",
                    "Assign": {"n": "{% $n + 1 %}", "was": "{% $n %}"},
                    "Output": "{% $n %}",
                    "Next": "Third",
                },
                "Third": pass_state("{% [$states.input, $was, $n] %}"),
            }
        )

        assert run.output == [1, 1, 2]

    def test_the_context_is_written_as_on_aws(self, aws: StepFunctions) -> None:
        states = {"Wait": {"Type": "Wait", "Seconds": 90, "Next": "Tell"}, "Tell": pass_state("{% $states.context %}")}
        machine = aws.create(states)
        run = aws.begin(machine, {"a": 1}, name="by-name")
        aws.clock.advance(DAY)

        context = run.output
        assert context["Execution"] == {
            "Id": run.arn,
            "Name": "by-name",
            "Input": {"a": 1},
            "RoleArn": ROLE,
            "StartTime": "2026-11-22T12:00:00.000Z",
        }
        assert context["State"]["Name"] == "Tell"
        assert context["State"]["EnteredTime"] == "2026-11-22T12:01:30.000Z"
        assert context["StateMachine"]["Id"] == machine

    def test_now_is_the_time_at_which_the_state_runs(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Tell"}, "Tell": pass_state("{% $now() %}")})
        aws.clock.advance(DAY)

        assert run.output == "2026-11-22T12:01:00.000Z"

    @pytest.mark.parametrize(("n", "state"), [(1, "Small"), (5, "Large")])
    def test_a_choice_by_condition(self, aws: StepFunctions, n: int, state: str) -> None:
        run = aws.start(
            {
                "Small?": {
                    "Type": "Choice",
                    "Choices": [
                        {
                            "Condition": "{% $states.input.n < 3 %}",
                            "Next": "Small",
                            "Assign": {"size": "{% 'small: ' & $states.input.n %}"},
                        }
                    ],
                    "Default": "Large",
                    "Assign": {"size": "large"},
                },
                "Small": pass_state("{% [$states.context.State.Name, $size] %}"),
                "Large": pass_state("{% [$states.context.State.Name, $size] %}"),
            },
            {"n": n},
        )

        assert run.output == [state, "small: 1" if n == 1 else "large"]

    def test_a_choice_that_matches_nothing_fails_by_name(self, aws: StepFunctions) -> None:
        run = aws.start(
            {"Which?": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "Done"}]}, "Done": DONE}
        )

        assert run.error[0] == "States.NoChoiceMatched"

    def test_the_output_of_succeed(self, aws: StepFunctions) -> None:
        run = aws.start({"Done": {"Type": "Succeed", "Output": {"was": "{% $states.input %}"}}}, {"a": None})

        assert run.output == {"was": {"a": None}}

    def test_the_error_and_cause_of_fail(self, aws: StepFunctions) -> None:
        fail = {"Type": "Fail", "Error": "{% $states.input.e %}", "Cause": "{% 'Because: ' & $states.input.c %}"}
        run = aws.start({"Fail": fail}, {"e": "EntityNotFound", "c": 'Dana "DJ"'})

        assert run.status == "FAILED"
        assert run.error == ("EntityNotFound", 'Because: Dana "DJ"')
        assert run.event_types == ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]

    @pytest.mark.parametrize(
        ("state", "field", "expected", "value", "actual"),
        [
            ({"Type": "Fail", "Error": "{% $states.input.v %}"}, "Error", "string", 5, "number"),
            ({"Type": "Fail", "Error": "E", "Cause": "{% $states.input.v %}"}, "Cause", "string", None, "null"),
            ({"Type": "Fail", "Cause": "{% $states.input.v %}"}, "Cause", "string", {"a": 1}, "object"),
            (CHOICE, "Condition", "boolean", "true", "string"),
            (CHOICE, "Condition", "boolean", 1, "number"),
            (CHOICE, "Condition", "boolean", [], "array"),
            (wait_state(Timestamp="{% $states.input.v %}"), "Timestamp", "string", 5, "number"),
            (wait_state(Seconds="{% $states.input.v %}"), "Seconds", "number", "5", "string"),
            (wait_state(Seconds="{% $states.input.v %}"), "Seconds", "number", True, "boolean"),
            (
                {**TASK, "TimeoutSeconds": "{% $states.input.v %}", "End": True},
                "TimeoutSeconds",
                "number",
                "5",
                "string",
            ),
        ],
    )
    def test_a_result_of_another_type_fails_the_state_by_name(
        self, aws: StepFunctions, state: dict[str, Any], field: str, expected: str, value: Any, actual: str
    ) -> None:
        run = aws.start({"First": state, **({"Done": DONE} if state is CHOICE else {})}, {"v": value})

        error, cause = run.error
        assert error == "States.QueryEvaluationError"
        assert cause.endswith(
            f"The JSONata expression '$states.input.v' specified for the field '{field}' returned an unexpected result "
            f"type. Expected '{expected}', but was '{actual}' for value: {json.dumps(value, separators=(',', ':'))}"
        )
        assert run.event_types.count("EvaluationFailed") == 1

    def test_a_result_of_another_type_can_be_caught_in_a_task(self, aws: StepFunctions) -> None:
        task = {**TASK, "TimeoutSeconds": "{% 'soon' %}", "End": True}
        task["Catch"] = [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Done"}]
        run = aws.start({"Task": task, "Done": DONE})

        assert run.status == "SUCCEEDED"
        assert run.event_types.count("EvaluationFailed") == 1

    @pytest.mark.parametrize("value", ["text", None, 5, True, [], {}])
    def test_the_output_of_an_execution_is_always_json(self, aws: StepFunctions, value: Any) -> None:
        assert aws.start({"Tell": pass_state("{% $states.input.v %}")}, {"v": value}).output == value
