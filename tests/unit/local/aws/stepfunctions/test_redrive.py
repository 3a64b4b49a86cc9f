"""RedriveExecution: an execution goes on from where it ended, or the answer says why not."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.defaults import ACCOUNT
from tests.unit.local.assemblies import DAY
from tests.unit.local.conftest import NOON, Functions, Run, StepFunctions

FAIL_TWICE = """
    runs = 0
    def handler(event, context):
        global runs
        runs += 1
        if runs < 3:
            raise ValueError(event)
        return [event, runs]
"""
BEGIN: dict[str, Any] = {
    "Type": "Pass", "Output": {"a": 1}, "Assign": {"b": "{% $states.input.b %}"}, "Next": "Call"
}  # fmt: skip
CALL: dict[str, Any] = {
    "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True, "Assign": {"b": "assigned"},
    "Arguments": {"FunctionName": "function", "Payload": "{% [$states.input.a, $b] %}"},
    "Output": "{% $states.result.Payload %}",
}  # fmt: skip
WAIT: dict[str, Any] = {"Type": "Wait", "Seconds": 100, "End": True}


def redrive(run: Run, **more: Any) -> Any:
    return run.client.redrive_execution(executionArn=run.arn, **more)["redriveDate"]


def refusal(run: Run) -> dict[str, Any]:
    with pytest.raises(ClientError) as raised:
        redrive(run)
    return raised.value.response


def test_a_failed_execution_goes_on_from_the_failed_state(aws: StepFunctions, functions: Functions) -> None:
    functions.create(FAIL_TWICE)
    run = aws.start({"Begin": BEGIN, "Call": CALL}, {"b": 2})
    assert (run.status, run.answer["redriveCount"], run.answer["redriveStatus"]) == ("FAILED", 0, "REDRIVABLE")
    failed = run.history

    aws.clock.advance(DAY)
    assert redrive(run) == NOON + DAY
    aws.clock.settle()
    assert run.status == "FAILED"
    redrive(run)
    aws.clock.settle()

    assert run.output == [[1, 2], 3]
    answer = run.answer
    assert (answer["redriveCount"], answer["redriveDate"]) == (2, NOON + DAY)
    assert answer["redriveStatusReason"] == "Execution is SUCCEEDED and cannot be redriven"
    assert run.history[: len(failed)] == failed
    redriven = run.history[len(failed)]
    assert redriven["type"] == "ExecutionRedriven"
    assert redriven["executionRedrivenEventDetails"] == {"redriveCount": 1}
    assert redriven["previousEventId"] == failed[-1]["id"]
    assert run.event_types[len(failed) :] == [
        *("ExecutionRedriven", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskFailed", "ExecutionFailed"),
        *("ExecutionRedriven", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited"),
        "ExecutionSucceeded",
    ]
    assert [event["id"] for event in run.history] == list(range(1, len(run.history) + 1))


@pytest.mark.parametrize("stop", [True, False])
def test_a_stopped_or_timed_out_execution_waits_again_with_a_new_time_out(aws: StepFunctions, stop: bool) -> None:
    run = aws.start({"Begin": {"Type": "Pass", "Next": "Wait"}, "Wait": WAIT}, TimeoutSeconds=1000 if stop else 60)
    aws.clock.advance(timedelta(seconds=50))
    if stop:
        run.client.stop_execution(executionArn=run.arn, error="Mistake", cause="mine")
    else:
        aws.clock.advance(timedelta(seconds=50))
    assert run.status == ("ABORTED" if stop else "TIMED_OUT")

    redrive(run)
    aws.clock.advance(timedelta(seconds=59))

    assert (run.status, run.error, "stopDate" in run.answer) == ("RUNNING", (None, None), False)
    aws.clock.advance(timedelta(seconds=60))
    assert run.status == ("SUCCEEDED" if stop else "TIMED_OUT")


def test_an_execution_that_was_stopped_at_once_begins_again(aws: StepFunctions) -> None:
    machine = aws.create({"Wait": WAIT})
    with aws.clock.count_as_work("start"):
        run = aws.begin(machine, {"a": 1})
        run.client.stop_execution(executionArn=run.arn)
    aws.clock.settle()
    [machine] = stepfunctions_parser_backends[ACCOUNT]["us-east-1"].state_machines
    [execution] = machine.executions
    # The thread can have been faster than the stop.
    vars(execution.exec_worker.env).pop("local_entered_state", None)

    redrive(run)
    aws.clock.advance(timedelta(seconds=100))

    assert run.output == {"a": 1}


def test_a_fail_state_fails_again(aws: StepFunctions) -> None:
    run = aws.start({"Fail": {"Type": "Fail", "Error": "{% $states.input.a %}"}}, {"a": "Refused"})
    redrive(run)
    aws.clock.settle()

    assert run.error[0] == "Refused"
    assert run.event_types.count("ExecutionFailed") == 2


def test_a_repeated_call_with_the_same_token_redrives_once(aws: StepFunctions) -> None:
    run = aws.start({"Fail": {"Type": "Fail"}})
    redriven_at = redrive(run, clientToken="a")
    aws.clock.advance(timedelta(minutes=15))

    assert redrive(run, clientToken="a") == redriven_at
    assert run.answer["redriveCount"] == 1
    aws.clock.advance(timedelta(minutes=1))
    assert redrive(run, clientToken="a") == NOON + timedelta(minutes=16)
    aws.clock.settle()
    assert run.answer["redriveCount"] == 2


def test_an_execution_that_cannot_be_redriven_is_refused_with_the_reason(
    aws: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = aws.start({"Wait": {"Type": "Wait", "Seconds": 360 * 86400, "Next": "Fail"}, "Fail": {"Type": "Fail"}})
    reasons = []

    def add_reason() -> None:
        error, answer = refusal(run)["Error"], run.answer
        assert (error["Code"], answer["redriveStatus"]) == ("ExecutionNotRedrivable", "NOT_REDRIVABLE")
        assert error["Message"] == f"{answer['redriveStatusReason']}: '{run.arn}'"
        reasons.append(answer["redriveStatusReason"])

    add_reason()
    aws.clock.advance(360 * DAY)
    assert run.answer["redriveStatus"] == "REDRIVABLE"
    with monkeypatch.context() as patch:
        patch.setattr("local.aws.stepfunctions.redrive._MAX_EVENTS", 3)
        add_reason()
    aws.clock.advance(5 * DAY)
    add_reason()
    aws.clock.advance(10 * DAY)
    add_reason()

    assert reasons == [
        "Execution is RUNNING and cannot be redriven",
        "Execution history event limit exceeded",
        "Execution has exceeded the max execution time",
        "Execution redrivable period exceeded",
    ]


def test_an_execution_that_ended_in_a_parallel_state_is_not_implemented(aws: StepFunctions) -> None:
    branch = {"StartAt": "Fail", "States": {"Fail": {"Type": "Fail"}}}
    run = aws.start({"Both": {"Type": "Parallel", "Branches": [branch], "End": True}})

    answer = refusal(run)

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "does not implement RedriveExecution of an execution that ended in a Parallel" in answer["Error"]["Message"]
    assert run.answer["redriveCount"] == 0
