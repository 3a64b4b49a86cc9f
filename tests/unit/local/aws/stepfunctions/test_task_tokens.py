"""Task tokens of ``lambda:invoke.waitForTaskToken`` and ``events:putEvents.waitForTaskToken``."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from local.aws.actions import required_actions
from local.defaults import ACCOUNT
from tests.unit.local.aws.stepfunctions.definitions import ASK, DAY, HOUR, MINUTE, SECOND, pass_state, token_of
from tests.unit.local.conftest import Functions, Run, StepFunctions

TOKENS = """
tokens = []
class Busy(Exception): pass
class Refused(Exception): pass
def handler(event, context):
    tokens.append(event["Token"])
    fail = event.get("Fail", 0)
    if fail == "always":
        raise Refused("no")
    if len(tokens) <= fail:
        raise Busy("later")
    return tokens
"""
CAUGHT = {"Type": "Pass", "Output": {"Caught": "{% $states.input %}"}, "End": True}


def ask(**more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": {
            "FunctionName": "function",
            "Payload": {"Token": "{% $states.context.Task.Token %}", **more.pop("Payload", {})},
        },
        "TimeoutSeconds": 86400,
        "Output": {"Answer": "{% $states.result %}"},
        "End": True,
        **more,
    }


def catch(*errors: str) -> list[dict[str, Any]]:
    return [{"ErrorEquals": list(errors), "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}]


def tokens_of(run: Run) -> list[str]:
    scheduled = [event["taskScheduledEventDetails"] for event in run.history if event["type"] == "TaskScheduled"]
    return [json.loads(details["parameters"])["Payload"]["Token"] for details in scheduled]


def resources_of_answer(aws: StepFunctions, token: str) -> tuple[str, ...]:
    """Return on what an answer with the token needs permission."""
    [action] = required_actions(aws.client, "SendTaskSuccess", {"taskToken": token}, ACCOUNT)
    assert action.name == "states:SendTaskSuccess"
    return action.resources


@pytest.fixture(autouse=True)
def function(functions: Functions) -> None:
    functions.create(TOKENS)


def test_the_answer_is_the_result(aws: StepFunctions) -> None:
    run = aws.start({"Ask": ask()})
    aws.clock.advance(HOUR)
    assert run.status == "RUNNING"
    (token,) = tokens_of(run)

    aws.client.send_task_success(taskToken=token, output='{"Decision": "Approve", "By": ["dana"]}')
    aws.clock.settle()
    assert run.output == {"Answer": {"Decision": "Approve", "By": ["dana"]}}


def test_the_result_of_the_function_is_not_the_result(aws: StepFunctions) -> None:
    run = aws.start({"Ask": ask()})
    (token,) = tokens_of(run)
    (submitted,) = [e["taskSubmittedEventDetails"] for e in run.history if e["type"] == "TaskSubmitted"]

    assert json.loads(submitted["output"])["Payload"] == [token]
    aws.client.send_task_success(taskToken=token, output="null")
    aws.clock.settle()
    assert run.output == {"Answer": None}


def test_an_answer_can_be_assigned(aws: StepFunctions) -> None:
    state = ask(Assign={"who": "{% $states.result.By %}"}, Next="Tell")
    del state["End"]
    run = aws.start({"Ask": state, "Tell": {"Type": "Pass", "Output": "{% $who %}", "End": True}})
    aws.client.send_task_success(taskToken=tokens_of(run)[0], output='{"By": "dana"}')
    aws.clock.settle()

    assert run.output == "dana"


def test_the_next_state_has_no_token(aws: StepFunctions) -> None:
    state = ask(Next="Tell")
    del state["End"]
    tell = {"Type": "Pass", "Output": "{% $exists($states.context.Task) %}", "End": True}
    run = aws.start({"Ask": state, "Tell": tell})
    aws.client.send_task_success(taskToken=tokens_of(run)[0], output="{}")
    aws.clock.settle()

    assert run.output is False


def test_a_missing_answer_times_out_on_the_clock_and_can_be_caught(aws: StepFunctions) -> None:
    run = aws.start({"Ask": ask(Catch=catch("States.Timeout")), "Caught": CAUGHT})
    aws.clock.advance(DAY - SECOND)
    assert run.status == "RUNNING"

    aws.clock.advance(SECOND)
    assert run.output == {"Caught": "States.Timeout"}
    assert run.times("TaskTimedOut") == [DAY]


def test_the_time_out_may_be_an_expression(aws: StepFunctions) -> None:
    run = aws.start({"Ask": ask(TimeoutSeconds="{% $states.input.Days * 86400 %}")}, {"Days": 7})
    aws.clock.advance(7 * DAY)

    assert run.error[0] == "States.Timeout"
    assert run.times("TaskTimedOut") == [7 * DAY]


def test_a_failure_answer_is_caught_by_name(aws: StepFunctions) -> None:
    run = aws.start({"Ask": ask(Catch=catch("NotApproved")), "Caught": CAUGHT})
    aws.client.send_task_failure(taskToken=tokens_of(run)[0], error="NotApproved", cause="no")
    aws.clock.settle()

    assert run.output == {"Caught": "NotApproved"}


def test_an_error_of_the_function_is_caught_by_name(aws: StepFunctions) -> None:
    run = aws.start({"Ask": ask(Payload={"Fail": "always"}, Catch=catch("Refused")), "Caught": CAUGHT})

    assert run.output == {"Caught": "Refused"}
    with pytest.raises(ClientError, match="TaskTimedOut"):
        aws.client.send_task_success(taskToken=tokens_of(run)[0], output="{}")


def test_an_error_of_the_function_is_retried_by_name_and_each_attempt_has_a_new_token(aws: StepFunctions) -> None:
    retry = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 60, "MaxAttempts": 3, "BackoffRate": 1}]
    run = aws.start({"Ask": ask(Payload={"Fail": 2}, Retry=retry)})
    assert run.status == "RUNNING"
    assert run.times("TaskScheduled") == [0 * MINUTE, MINUTE, 2 * MINUTE]
    first_token, second_token, third_token = tokens_of(run)
    assert len({first_token, second_token, third_token}) == 3

    machine_arn = run.answer["stateMachineArn"]
    for token in (first_token, second_token, third_token):
        assert resources_of_answer(aws, token) == (machine_arn,)
    for old in (first_token, second_token):
        with pytest.raises(ClientError, match="TaskTimedOut"):
            aws.client.send_task_success(taskToken=old, output='"old"')
    aws.client.send_task_success(taskToken=third_token, output='"new"')
    aws.clock.settle()
    assert run.output == {"Answer": "new"}


def test_a_time_out_can_be_retried(aws: StepFunctions) -> None:
    retry = [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    run = aws.start({"Ask": ask(Retry=retry)})
    aws.clock.advance(DAY + HOUR)
    first_token, second_token = tokens_of(run)

    with pytest.raises(ClientError, match="TaskTimedOut"):
        aws.client.send_task_success(taskToken=first_token, output="{}")
    aws.client.send_task_success(taskToken=second_token, output='"again"')
    aws.clock.settle()
    assert run.output == {"Answer": "again"}


def test_a_stop_ends_the_wait_and_invalidates_the_token(aws: StepFunctions) -> None:
    run = aws.start({"Ask": ask(Catch=catch("States.ALL")), "Caught": CAUGHT})
    aws.client.stop_execution(executionArn=run.arn, error="Mistake", cause="wrong entity")
    aws.clock.settle()

    assert (run.status, run.error) == ("ABORTED", ("Mistake", "wrong entity"))
    with pytest.raises(ClientError, match="TaskTimedOut"):
        aws.client.send_task_success(taskToken=tokens_of(run)[0], output="{}")


def test_a_second_answer_is_refused(aws: StepFunctions) -> None:
    run = aws.start({"Ask": ask()})
    (token,) = tokens_of(run)
    with aws.clock.count_as_work("both answers before anything moves on"):
        aws.client.send_task_success(taskToken=token, output='"first"')
        with pytest.raises(ClientError, match="TaskTimedOut"):
            aws.client.send_task_success(taskToken=token, output='"second"')
    aws.clock.settle()

    assert run.output == {"Answer": "first"}


def test_an_answer_while_the_function_still_runs_is_accepted(aws: StepFunctions, functions: Functions) -> None:
    functions.update(
        """
        import boto3
        def handler(event, context):
            boto3.client("stepfunctions").send_task_success(taskToken=event["Token"], output='"quick"')
        """
    )

    assert aws.start({"Ask": ask()}).output == {"Answer": "quick"}


def test_an_answer_that_is_not_json_is_refused_without_effect(aws: StepFunctions) -> None:
    run = aws.start({"Ask": ask()})
    (token,) = tokens_of(run)
    with pytest.raises(ClientError, match="InvalidOutput"):
        aws.client.send_task_success(taskToken=token, output="approve")
    aws.clock.settle()
    assert run.status == "RUNNING"

    aws.client.send_task_success(taskToken=token, output='"approve"')
    aws.clock.settle()
    assert run.output == {"Answer": "approve"}


def test_an_unknown_token_is_refused(aws: StepFunctions) -> None:
    aws.start({"Ask": ask()})
    with pytest.raises(ClientError, match="InvalidToken"):
        aws.client.send_task_success(taskToken="nonsense", output="{}")


def test_an_unknown_token_leads_to_no_state_machine(aws: StepFunctions) -> None:
    assert resources_of_answer(aws, "unknown") == ("*",)


@pytest.mark.parametrize("executions", [40, pytest.param(500, marks=pytest.mark.long)])
def test_many_waiting_executions_are_each_answered_by_their_token(aws: StepFunctions, executions: int) -> None:
    machine = aws.create({"Ask": ask()})
    runs = [aws.begin(machine) for _ in range(executions)]
    aws.clock.settle()
    answered = runs[::10]
    tokens = [tokens_of(run)[0] for run in answered]

    for number, token in enumerate(tokens):
        aws.client.send_task_success(taskToken=token, output=str(number))
    aws.clock.settle()
    assert [run.output for run in answered] == [{"Answer": number} for number in range(executions // 10)]
    assert runs[1].status == "RUNNING"


def test_a_token_is_found_without_a_search(aws: StepFunctions, monkeypatch: pytest.MonkeyPatch) -> None:
    run = aws.start({"Ask": ask()})
    (token,) = tokens_of(run)
    monkeypatch.setattr(StepFunctionsParserBackend, "_get_executions", lambda *_: pytest.fail("searched"))
    aws.client.send_task_success(taskToken=token, output="1")
    aws.clock.settle()

    assert run.output == {"Answer": 1}


class TestTokenOfAnEvent:
    def test_an_answer_continues_the_execution(self, aws: StepFunctions) -> None:
        run = aws.start({"Ask": {**ASK, "TimeoutSeconds": 86400}})
        aws.clock.advance(HOUR)
        assert run.status == "RUNNING"

        aws.client.send_task_success(taskToken=token_of(run), output='{"approved": true}')
        aws.clock.settle()
        assert run.output == {"approved": True}
        assert run.times("TaskSucceeded") == [HOUR]

    def test_a_failure_answer_fails_it_with_error_and_cause(self, aws: StepFunctions) -> None:
        run = aws.start({"Ask": ASK})
        aws.client.send_task_failure(taskToken=token_of(run), error="Refused", cause="no")
        aws.clock.settle()

        assert run.error == ("Refused", "no")

    def test_a_missing_answer_times_out_on_the_clock(self, aws: StepFunctions) -> None:
        run = aws.start(
            {"Ask": {**ASK, "TimeoutSeconds": 3600, "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "Late"}]},
             "Late": pass_state("late")}
        )  # fmt: skip
        aws.clock.advance(HOUR - SECOND)
        assert run.status == "RUNNING"

        aws.clock.advance(DAY)
        assert run.output == "late"
        assert run.times("TaskTimedOut") == [HOUR]

    def test_heartbeats_postpone_the_time_out(self, aws: StepFunctions) -> None:
        run = aws.start({"Ask": {**ASK, "TimeoutSeconds": 86400, "HeartbeatSeconds": 600}})
        for _ in range(5):
            aws.clock.advance(599 * SECOND)
            aws.client.send_task_heartbeat(taskToken=token_of(run))
        aws.clock.advance(599 * SECOND)
        assert run.status == "RUNNING"

        aws.clock.advance(SECOND)
        assert run.error[0] == "States.Timeout"
        assert run.times("TaskTimedOut") == [6 * 599 * SECOND + SECOND]

    @pytest.mark.parametrize("over", ["timed out", "answered"])
    def test_an_answer_to_a_task_that_has_ended_is_refused(self, aws: StepFunctions, over: str) -> None:
        run = aws.start({"Ask": {**ASK, "TimeoutSeconds": 60}})
        token = token_of(run)
        if over == "answered":
            aws.client.send_task_success(taskToken=token, output="{}")
        aws.clock.advance(HOUR)

        with pytest.raises(ClientError, match="TaskTimedOut"):
            aws.client.send_task_success(taskToken=token, output="{}")
        with pytest.raises(ClientError, match="TaskTimedOut"):
            aws.client.send_task_failure(taskToken=token)
        with pytest.raises(ClientError, match="TaskTimedOut"):
            aws.client.send_task_heartbeat(taskToken=token)

    def test_an_unknown_token_is_refused(self, aws: StepFunctions) -> None:
        aws.start({"Ask": ASK})
        with pytest.raises(ClientError, match="InvalidToken"):
            aws.client.send_task_success(taskToken="nonsense", output="{}")
