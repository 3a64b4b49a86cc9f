"""Branches, iterations, and time-outs of states."""

import json
from typing import Any

import boto3
import pytest

from tests.unit.local.aws.stepfunctions.definitions import (
    ASK,
    DAY,
    DONE,
    HOUR,
    MINUTE,
    NO_TABLE,
    SECOND,
    TASK,
    pass_state,
    retrier,
    wait_state,
)
from tests.unit.local.conftest import NOON, StepFunctions


class TestTimeout:
    def test_the_machine_s_time_out_ends_it_even_in_a_wait(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": wait_state(Seconds=7200)}, TimeoutSeconds=3600)
        aws.clock.advance(HOUR - SECOND)
        assert run.status == "RUNNING"

        aws.clock.advance(DAY)
        assert run.status == "TIMED_OUT"
        assert run.answer["stopDate"] == NOON + HOUR
        assert run.event_types == ["ExecutionStarted", "WaitStateEntered", "ExecutionTimedOut"]

    @pytest.mark.parametrize(
        "state",
        [
            pytest.param(ASK, id="task token"),
            pytest.param({**TASK, "Retry": retrier(IntervalSeconds=9999), "End": True}, id="retry interval"),
            pytest.param({"Type": "Parallel", "End": True, "Branches": [
                {"StartAt": "W", "States": {"W": wait_state(Seconds=9999)}} for _ in range(2)]}, id="parallel"),
            pytest.param({"Type": "Map", "Items": [1, 2], "End": True, "ItemProcessor": {
                "StartAt": "W", "States": {"W": wait_state(Seconds=9999)}}}, id="map"),
        ],
    )  # fmt: skip
    def test_it_ends_every_kind_of_wait(self, aws: StepFunctions, state: dict[str, Any]) -> None:
        run = aws.start({"State": state}, TimeoutSeconds=60)
        aws.clock.advance(DAY)

        assert run.status == "TIMED_OUT"
        assert run.answer["stopDate"] == NOON + MINUTE
        assert run.event_types[-1] == "ExecutionTimedOut"
        assert aws.clock.upcoming() is None or aws.clock.upcoming() > NOON + DAY

    def test_an_execution_that_ends_in_time_does_not_time_out(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": wait_state(Seconds=60)}, TimeoutSeconds=3600)
        aws.clock.advance(MINUTE)

        assert run.status == "SUCCEEDED"
        assert aws.clock.upcoming() is None

    def test_a_task_that_takes_longer_than_its_time_out_times_out(
        self, aws: StepFunctions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from moto.dynamodb.models import DynamoDBBackend

        monkeypatch.setattr(DynamoDBBackend, "get_item", lambda *_, **__: aws.clock.sleep(61 * SECOND))
        boto3.client("dynamodb", "us-east-1").create_table(
            TableName="missing", BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
        )  # fmt: skip
        slow = aws.start({"Task": {**TASK, "TimeoutSeconds": 60, "End": True}})
        patient = aws.start({"Task": {**TASK, "TimeoutSeconds": 62, "End": True}})

        assert slow.error[0] == "States.Timeout"
        assert "TaskTimedOut" in slow.event_types
        assert patient.status == "SUCCEEDED"


class TestBranches:
    def parallel(self, *branches: dict[str, Any], **more: Any) -> dict[str, Any]:
        end = {} if "Next" in more else {"End": True}
        of = [{"StartAt": next(iter(branch)), "States": branch} for branch in branches]
        return {"Type": "Parallel", **end, **more, "Branches": of}

    def test_a_parallel_of_waits_takes_as_long_as_the_longest(self, aws: StepFunctions) -> None:
        run = aws.start(
            {"Both": self.parallel({"A": wait_state(Seconds=60)}, {"B": wait_state(Seconds=3600)})}, {"x": 1}
        )
        aws.clock.advance(MINUTE)
        assert run.status == "RUNNING"

        aws.clock.advance(DAY)
        assert run.output == [{"x": 1}, {"x": 1}]
        assert run.times("WaitStateExited") == [MINUTE, HOUR]
        assert run.times("ExecutionSucceeded") == [HOUR]

    def test_a_failed_branch_stops_the_others(self, aws: StepFunctions) -> None:
        fail = {"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Fail"}, "Fail": {"Type": "Fail", "Error": "No"}}
        catch = [{"ErrorEquals": ["No"], "Next": "Caught", "Output": "{% $states.errorOutput.Error %}"}]
        run = aws.start(
            {"Both": self.parallel({"A": wait_state(Seconds=9999)}, fail, Catch=catch), "Caught": {"Type": "Succeed"}}
        )
        aws.clock.advance(MINUTE)

        assert run.output == "No"
        assert aws.clock.upcoming() is None
        aws.clock.advance(DAY)
        assert "WaitStateExited" not in [e["type"] for e in run.history if e["timestamp"] > NOON + MINUTE]

    def test_a_parallel_is_retried_as_a_whole(self, aws: StepFunctions) -> None:
        branch = {"Task": {**TASK, "End": True}}
        run = aws.start(
            {"Both": self.parallel(branch, {"B": pass_state(1)}, Retry=retrier("States.ALL", MaxAttempts=2))}
        )

        assert run.error[0] == NO_TABLE
        assert run.times("TaskScheduled") == [n * SECOND for n in (0, 10, 20)]

    def test_an_inline_map_of_waits_is_concurrent(self, aws: StepFunctions) -> None:
        each = {"Type": "Map", "Items": [30, 10, 20], "End": True, "ItemProcessor": {
            "StartAt": "W", "States": {"W": wait_state(Seconds="{% $states.input %}")}}}  # fmt: skip
        run = aws.start({"Each": each})
        aws.clock.advance(HOUR)

        assert run.output == [30, 10, 20]
        assert run.times("WaitStateExited") == [10 * SECOND, 20 * SECOND, 30 * SECOND]

    def test_a_map_can_be_limited_to_one_at_a_time(self, aws: StepFunctions) -> None:
        each = {"Type": "Map", "Items": [30, 10, 20], "MaxConcurrency": 1, "End": True, "ItemProcessor": {
            "StartAt": "W", "States": {"W": wait_state(Seconds="{% $states.input %}")}}}  # fmt: skip
        run = aws.start({"Each": each})
        aws.clock.advance(HOUR)

        assert run.times("WaitStateExited") == [30 * SECOND, 40 * SECOND, 60 * SECOND]

    def test_a_failed_iteration_stops_the_others(self, aws: StepFunctions) -> None:
        states = {
            "Bad?": {"Type": "Choice", "Default": "W",
                     "Choices": [{"Condition": "{% $states.input = 'bad' %}", "Next": "Fail"}]},
            "W": wait_state(Seconds=9999),
            "Fail": {"Type": "Fail", "Error": "No"},
        }  # fmt: skip
        each = {"Type": "Map", "Items": ["good", "bad", "good"], "End": True,
                "ItemProcessor": {"StartAt": "Bad?", "States": states}}  # fmt: skip
        run = aws.start({"Each": each})

        assert run.error[0] == "No"
        assert aws.clock.upcoming() is None

    def test_the_item_is_in_the_context_of_the_states_inside(self, aws: StepFunctions) -> None:
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sts:getCallerIdentity",
            "Arguments": {},
            "Output": "{% $states.context.Map.Item.Index & $states.context.Map.Item.Value %}",
            "End": True,
        }
        inner = {"StartAt": "Note", "States": {"Note": {"Type": "Pass", "Next": "Task"}, "Task": task}}
        each = {"Type": "Map", "Items": ["a", "b"], "End": True, "ItemProcessor": inner}

        assert aws.start({"Each": each}).output == ["0a", "1b"]

    def test_the_arguments_of_a_task_can_use_the_item(self, aws: StepFunctions) -> None:
        task = {**TASK, "End": True}
        task["Arguments"] = {"TableName": "{% $states.context.Map.Item.Value %}", "Key": {}}
        processor = {"StartAt": "T", "States": {"T": task}}
        run = aws.start({"Each": {"Type": "Map", "Items": ["tab1"], "End": True, "ItemProcessor": processor}})

        (scheduled,) = [e["taskScheduledEventDetails"] for e in run.history if e["type"] == "TaskScheduled"]
        assert json.loads(scheduled["parameters"])["TableName"] == "tab1"

    def test_an_empty_map_ends_at_once(self, aws: StepFunctions) -> None:
        processor = {"StartAt": "D", "States": {"D": DONE}}
        run = aws.start({"Each": {"Type": "Map", "Items": [], "End": True, "ItemProcessor": processor}})

        assert run.output == []

    def test_a_variable_of_a_branch_stays_in_the_branch(self, aws: StepFunctions) -> None:
        branch = {"Set": {"Type": "Pass", "Assign": {"inner": "{% $outer + 1 %}"}, "Next": "Tell"},
                  "Tell": pass_state("{% $inner %}")}  # fmt: skip
        run = aws.start(
            {
                "Set": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "Both"},
                "Both": self.parallel(branch, branch, Next="After"),
                "After": pass_state("{% [$states.input, $exists($inner)] %}"),
            }
        )

        assert run.output == [2, 2, False]
