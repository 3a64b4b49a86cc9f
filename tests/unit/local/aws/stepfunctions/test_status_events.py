"""Executions tell EventBridge when they start and how they end."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto.events.models import EventsBackend

from local.aws import eventbridge
from local.aws.functions.queue_mappings import QueuePoller
from local.aws.stepfunctions.status_events import StatusEvents
from local.environment import Environment
from local.hooks import Hooks
from tests.unit.local.conftest import NOON, ROLE, Functions, Run, StepFunctions

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
WAIT = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}
FAIL = {"Fail": {"Type": "Fail", "Error": "Mistake", "Cause": "wrong entity"}}
ENDS = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
RECORDER = """
import json, boto3
states = boto3.client("stepfunctions")
seen = []
def handler(event, context):
    for record in event.get("Records", []):
        change = json.loads(record["body"])
        answer = states.describe_execution(executionArn=change["detail"]["executionArn"])
        described = {name: answer.get(name) for name in ("status", "error", "cause", "output")}
        described["stopDate"] = answer["stopDate"].timestamp() * 1000 if "stopDate" in answer else None
        seen.append({"Event": change, "Described": described})
    return {"batchItemFailures": []} if "Records" in event else seen
"""


class Listener:
    """A rule on the default bus, whose events a function takes from a queue."""

    def __init__(self, functions: Functions) -> None:
        functions.create(RECORDER)
        self._functions = functions
        self._events = boto3.client("events", "us-east-1")
        sqs = boto3.client("sqs", "us-east-1")
        url = sqs.create_queue(QueueName="changes")["QueueUrl"]
        self._queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        functions.client.create_event_source_mapping(
            EventSourceArn=self._queue, FunctionName="function", FunctionResponseTypes=["ReportBatchItemFailures"]
        )

    def listen(self, detail: dict[str, Any] | None = None) -> None:
        pattern = {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"]}
        if detail:
            pattern["detail"] = detail
        self._events.put_rule(Name="changes", EventPattern=json.dumps(pattern))
        self._events.put_targets(Rule="changes", Targets=[{"Id": "queue", "Arn": self._queue}])

    @property
    def seen(self) -> list[dict[str, Any]]:
        return self._functions.invoke({})

    @property
    def details(self) -> list[dict[str, Any]]:
        return [change["Event"]["detail"] for change in self.seen]

    @property
    def statuses(self) -> list[str]:
        return [detail["status"] for detail in self.details]


@pytest.fixture
def changes(functions: Functions, aws: StepFunctions) -> Iterator[StatusEvents]:
    with Hooks() as hooks:
        changes = StatusEvents()
        eventbridge.install(hooks)
        QueuePoller(aws.clock).install(hooks)
        changes.install(hooks)
        yield changes


@pytest.fixture
def listener(functions: Functions, changes: StatusEvents) -> Listener:
    return Listener(functions)


def end(aws: StepFunctions, how: str) -> Run:
    """Have an execution end in one of the ways in which it can."""
    if how == "SUCCEEDED":
        return aws.start({"Done": {"Type": "Pass", "Output": {"said": "ö"}, "End": True}}, {"n": 1})
    if how == "FAILED":
        return aws.start(FAIL, {"n": 1})
    run = aws.start(WAIT, {"n": 1}, TimeoutSeconds=10)
    if how == "ABORTED":
        aws.client.stop_execution(executionArn=run.arn, error="Stopped", cause="by hand")
        aws.clock.settle()
    else:
        aws.clock.advance(10 * SECOND)
    return run


def test_it_has_the_documented_shape(aws: StepFunctions, listener: Listener) -> None:
    listener.listen()
    run = aws.begin(aws.create(WAIT), {"n": 1}, name="one")
    aws.clock.advance(MINUTE)

    started, ended = (change["Event"] for change in listener.seen)
    noon = int(NOON.timestamp() * 1000)
    assert {name: ended[name] for name in ("version", "source", "detail-type", "account", "region", "resources")} == {
        "version": "0",
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "account": "123456789012",
        "region": "us-east-1",
        "resources": [run.arn],
    }
    assert (started["time"], ended["time"]) == ("2026-11-22T12:00:00Z", "2026-11-22T12:01:00Z")
    common = {
        "executionArn": run.arn,
        "stateMachineArn": run.answer["stateMachineArn"],
        "name": "one",
        "startDate": noon,
        "input": '{"n": 1}',
        "inputDetails": {"included": True},
        "error": None,
        "cause": None,
    }
    assert started["detail"] == {
        **common, "status": "RUNNING", "stopDate": None, "output": None, "outputDetails": None
    }  # fmt: skip
    assert ended["detail"] == {
        **common, "status": "SUCCEEDED", "stopDate": noon + 60_000,
        "output": '{"n":1}', "outputDetails": {"included": True},
    }  # fmt: skip


@pytest.mark.parametrize("how", ENDS)
def test_every_end_is_sent_once_and_agrees_with_the_description(
    aws: StepFunctions, listener: Listener, how: str
) -> None:
    listener.listen({"status": ENDS})
    run = end(aws, how)
    aws.clock.advance(DAY)

    (change,) = listener.seen
    detail, answer = change["Event"]["detail"], run.answer
    assert detail["status"] == answer["status"] == how
    assert change["Described"] == {name: detail[name] for name in ("status", "error", "cause", "output", "stopDate")}
    expected = {"FAILED": ("Mistake", "wrong entity"), "ABORTED": ("Stopped", "by hand")}.get(how, (None, None))
    assert (detail["error"], detail["cause"]) == expected
    assert detail["output"] == (answer["output"] if how == "SUCCEEDED" else None)


def test_the_rule_s_target_has_run_when_the_clock_has_settled(aws: StepFunctions, listener: Listener) -> None:
    listener.listen({"status": ENDS})
    for number, how in enumerate(ENDS, 1):
        end(aws, how)
        assert listener.statuses == ENDS[:number]


def test_a_rule_picks_machine_and_status(aws: StepFunctions, listener: Listener) -> None:
    matching_machine, other_machine = aws.create(WAIT), aws.create(WAIT)
    listener.listen({"stateMachineArn": [matching_machine], "status": ["SUCCEEDED"]})
    for machine in (matching_machine, other_machine, matching_machine):
        aws.begin(machine)
    aws.clock.advance(MINUTE)

    assert [(d["stateMachineArn"], d["status"]) for d in listener.details] == [(matching_machine, "SUCCEEDED")] * 2


def test_the_start_is_sent_before_the_end_even_of_a_short_execution(aws: StepFunctions, listener: Listener) -> None:
    listener.listen()
    for _ in range(20):
        aws.start({"Done": {"Type": "Succeed"}})

    assert listener.statuses == ["RUNNING", "SUCCEEDED"] * 20


def test_starting_a_running_execution_again_sends_no_event(aws: StepFunctions, listener: Listener) -> None:
    listener.listen()
    machine = aws.create(WAIT)
    for _ in range(2):
        aws.begin(machine, {}, name="one")
    aws.clock.settle()

    assert listener.statuses == ["RUNNING"]


def test_a_second_stop_or_a_stop_after_the_end_sends_no_event(aws: StepFunctions, listener: Listener) -> None:
    listener.listen({"status": ENDS})
    stopped, done = end(aws, "ABORTED"), end(aws, "SUCCEEDED")
    for run in (stopped, done):
        aws.client.stop_execution(executionArn=run.arn)
    aws.clock.settle()

    assert listener.statuses == ["ABORTED", "SUCCEEDED"]


def test_a_stop_by_a_function_of_the_execution_is_sent(
    aws: StepFunctions, functions: Functions, listener: Listener
) -> None:
    listener.listen({"status": ENDS})
    functions.create(
        """
        import boto3
        def handler(event, context):
            boto3.client("stepfunctions").stop_execution(executionArn=event["Id"], error="Self")
        """,
        name="stopper",
    )
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "stopper", "Payload": {"Id": "{% $states.context.Execution.Id %}"}},
        "End": True,
    }
    run = aws.start({"Stop": task})

    assert run.status == "ABORTED"
    assert [(d["status"], d["error"]) for d in listener.details] == [("ABORTED", "Self")]


def test_an_input_or_output_that_is_too_large_is_omitted(aws: StepFunctions, listener: Listener) -> None:
    listener.listen({"status": ENDS})
    for size in (120_000, 130_000, 255_000):
        aws.start({"Done": {"Type": "Succeed"}}, {"text": "x" * size})

    included = [(d["inputDetails"]["included"], d["outputDetails"]["included"]) for d in listener.details]
    assert included == [(True, True), (False, True), (False, False)]
    assert [(d["input"] is None, d["output"] is None) for d in listener.details] == [
        (not has_input, not has_output) for has_input, has_output in included
    ]


def test_an_express_workflow_sends_no_events(aws: StepFunctions, listener: Listener) -> None:
    listener.listen()
    definition = {"StartAt": "D", "States": {"D": {"Type": "Succeed"}}}
    machine = aws.client.create_state_machine(
        name="express", definition=json.dumps(definition), roleArn=ROLE, type="EXPRESS"
    )
    aws.client.start_execution(stateMachineArn=machine["stateMachineArn"])
    aws.clock.settle()

    assert listener.statuses == []


def test_a_failing_target_does_not_affect_the_execution(
    aws: StepFunctions, changes: StatusEvents, caplog: pytest.LogCaptureFixture
) -> None:
    events = boto3.client("events", "us-east-1")
    events.put_rule(Name="lost", EventPattern='{"source": ["aws.states"]}')
    events.put_targets(Rule="lost", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:nowhere"}])
    with caplog.at_level(logging.WARNING, "local.aws.eventbridge"):
        run = end(aws, "SUCCEEDED")

    assert run.status == "SUCCEEDED"
    assert "event not delivered" in caplog.text


def test_many_can_be_stopped_at_once(aws: StepFunctions, listener: Listener) -> None:
    listener.listen({"status": ENDS})
    machine = aws.create(WAIT)
    runs = [aws.begin(machine) for _ in range(30)]
    aws.clock.settle()
    for run in runs:
        aws.client.stop_execution(executionArn=run.arn)
    aws.clock.settle()

    assert listener.statuses == ["ABORTED"] * 30
    assert {d["executionArn"] for d in listener.details} == {run.arn for run in runs}


def test_no_event_is_sent_when_the_environment_closes() -> None:
    with Environment(organization=None, now=NOON) as aws:
        definition = {"QueryLanguage": "JSONata", "StartAt": "Wait", "States": WAIT}
        machine = aws.client("stepfunctions").create_state_machine(
            name="m", definition=json.dumps(definition), roleArn=ROLE
        )["stateMachineArn"]
        sqs, events = aws.client("sqs"), aws.client("events")
        url = sqs.create_queue(QueueName="changes")["QueueUrl"]
        queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="changes", EventPattern='{"source": ["aws.states"]}')
        events.put_targets(Rule="changes", Targets=[{"Id": "queue", "Arn": queue}])
        aws.start({}, name="one", state_machine_arn=machine)
        aws.clock.settle()
        sent: list[Any] = []
        with Hooks() as hooks:
            hooks.replace(EventsBackend, "put_events", lambda _, entries: sent.append(entries))
            aws._end_executions()
    assert sent == []
