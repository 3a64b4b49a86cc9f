"""The Amazon States Language on the movable clock, as AWS runs it."""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.clock import Clock
from tests.unit.local.aws.stepfunctions.test_jsonata import NASTY
from tests.unit.local.conftest import NOON, ROLE, StepFunctions

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
DONE = {"Type": "Succeed"}
MACHINE = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}
TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::aws-sdk:dynamodb:getItem",
    "Arguments": {"TableName": "missing", "Key": {"Id": {"S": "1"}}},
}
NO_TABLE = "DynamoDb.ResourceNotFoundException"
ASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::events:putEvents.waitForTaskToken",
    "Arguments": {
        "Entries": [{"Source": "test", "DetailType": "ask", "Detail": {"Token": "{% $states.context.Task.Token %}"}}]
    },
    "End": True,
}


def wait(**more: Any) -> dict[str, Any]:
    return {"Type": "Wait", "End": True, **more}


def tell(output: Any) -> dict[str, Any]:
    return {"Type": "Pass", "Output": output, "End": True}


def retrier(error: str = NO_TABLE, **more: Any) -> list[dict[str, Any]]:
    return [{"ErrorEquals": [error], "IntervalSeconds": 10, "BackoffRate": 1, "MaxAttempts": 3, **more}]


def token_of(run: Any) -> str:
    (scheduled,) = [e for e in run.history if e["type"] == "TaskScheduled"]
    parameters = json.loads(scheduled["taskScheduledEventDetails"]["parameters"])
    return json.loads(json.dumps(parameters["Entries"][0]["Detail"]))["Token"]


class TestWait:
    def test_it_waits_on_the_clock_and_not_in_real_time(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": wait(Seconds=30 * 86400)})
        aws.clock.advance(30 * DAY - SECOND)
        assert run.status == "RUNNING"
        assert "stopDate" not in run.answer

        aws.clock.advance(SECOND)
        assert run.status == "SUCCEEDED"
        assert run.answer["stopDate"] == NOON + 30 * DAY
        assert run.times("WaitStateExited") == [30 * DAY]

    def test_seconds_may_be_an_expression(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": wait(Seconds="{% $states.input.n * 2 %}")}, {"n": 30})
        aws.clock.advance(HOUR)

        assert run.times("WaitStateExited") == [MINUTE]

    @pytest.mark.parametrize(
        ("timestamp", "after"),
        [
            ("2026-11-22T17:00:00Z", 5 * HOUR),
            ("2026-11-22T17:00:00.123Z", 5 * HOUR + timedelta(milliseconds=123)),
            ("2026-11-22T17:00:00.123456Z", 5 * HOUR + timedelta(milliseconds=124)),
            ("2026-11-22T19:00:00+02:00", 5 * HOUR),
            ("2026-11-22T12:00:00.001Z", timedelta(milliseconds=1)),
            ("2026-11-22T11:00:00Z", timedelta()),
            ("1999-12-31T23:59:59.999Z", timedelta()),
        ],
    )
    @pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
    def test_a_timestamp_is_an_instant_in_every_zone_and_never_ends_early(
        self, aws: StepFunctions, monkeypatch: pytest.MonkeyPatch, zone: str, timestamp: str, after: timedelta
    ) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            run = aws.start({"Wait": wait(Timestamp="{% $states.input %}")}, timestamp)
            assert (run.status == "SUCCEEDED") == (after == timedelta())
            aws.clock.advance(DAY)
            assert run.times("WaitStateExited") == [after]
        finally:
            monkeypatch.undo()
            time.tzset()

    def test_a_literal_timestamp_works_too(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": wait(Timestamp="2026-11-22T17:00:00.500Z")})
        aws.clock.advance(DAY)

        assert run.times("WaitStateExited") == [5 * HOUR + timedelta(milliseconds=500)]

    @pytest.mark.parametrize("timestamp", ["tomorrow", "2026-11-22", "2026-13-40T00:00:00Z", 5, None])
    def test_an_invalid_timestamp_fails_the_execution(self, aws: StepFunctions, timestamp: Any) -> None:
        run = aws.start({"Wait": wait(Timestamp="{% $states.input.t %}")}, {"t": timestamp})

        assert run.error[0] == "States.Runtime"

    def test_a_thousand_executions_end_in_the_order_of_their_waits(self, aws: StepFunctions) -> None:
        machine = aws.create({"Wait": wait(Seconds="{% $states.input %}")})
        runs = [aws.begin(machine, seconds) for seconds in (300, 100, 200, 100)]
        aws.clock.advance(HOUR)

        assert [run.times("ExecutionSucceeded")[0].seconds for run in runs] == [300, 100, 200, 100]


class TestJsonata:
    @pytest.mark.parametrize("name", NASTY)
    def test_a_variable_is_data_whatever_its_characters(self, aws: StepFunctions, name: str) -> None:
        run = aws.start(
            {
                "Keep": {"Type": "Pass", "Assign": {"name": "{% $states.input.name %}"}, "Next": "Tell"},
                "Tell": tell({"name": "{% $name %}", "greeting": "{% 'Hello ' & $name %}"}),
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
        run = aws.start({"Tell": tell("{% $number('abc') %}")})

        error, cause = run.error
        assert error == "States.QueryEvaluationError"
        assert "the state 'Tell'" in cause
        assert "$number('abc')" in cause
        assert run.event_types == ["ExecutionStarted", "PassStateEntered", "EvaluationFailed", "ExecutionFailed"]

    def test_an_expression_without_a_result_fails_the_state(self, aws: StepFunctions) -> None:
        run = aws.start({"Tell": tell({"a": "{% $states.input.missing %}"})})

        assert run.error[0] == "States.QueryEvaluationError"
        assert "returned nothing (undefined)" in run.error[1]

    @pytest.mark.parametrize("expression", ["$states.result", "$states.errorOutput"])
    def test_a_missing_member_of_states_is_undefined_and_not_null(self, aws: StepFunctions, expression: str) -> None:
        run = aws.start({"Wait": wait(Seconds=0, Output=f"{{% {expression} %}}")})

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
                "Third": tell("{% [$states.input, $was, $n] %}"),
            }
        )

        assert run.output == [1, 1, 2]

    def test_the_context_is_written_as_on_aws(self, aws: StepFunctions) -> None:
        states = {"Wait": {"Type": "Wait", "Seconds": 90, "Next": "Tell"}, "Tell": tell("{% $states.context %}")}
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
        run = aws.start({"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Tell"}, "Tell": tell("{% $now() %}")})
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
                "Small": tell("{% [$states.context.State.Name, $size] %}"),
                "Large": tell("{% [$states.context.State.Name, $size] %}"),
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

    @pytest.mark.parametrize("value", ["text", None, 5, True, [], {}])
    def test_the_output_of_an_execution_is_always_json(self, aws: StepFunctions, value: Any) -> None:
        assert aws.start({"Tell": tell("{% $states.input.v %}")}, {"v": value}).output == value


class TestRetry:
    def test_intervals_pass_on_the_clock_by_themselves(self, aws: StepFunctions) -> None:
        run = aws.start({"Task": {**TASK, "End": True, "Retry": retrier(BackoffRate=2, MaxAttempts=4)}})

        assert run.error[0] == NO_TABLE
        assert run.times("TaskScheduled") == [n * SECOND for n in (0, 10, 30, 70, 150)]
        assert aws.clock.now() == NOON + 150 * SECOND

    def test_a_delay_has_a_maximum(self, aws: StepFunctions) -> None:
        run = aws.start({"Task": {**TASK, "End": True, "Retry": retrier(BackoffRate=3, MaxDelaySeconds=20)}})

        assert run.times("TaskScheduled") == [n * SECOND for n in (0, 10, 30, 50)]

    def test_full_jitter_is_between_zero_and_the_interval(self, aws: StepFunctions) -> None:
        run = aws.start({"Task": {**TASK, "End": True, "Retry": retrier(JitterStrategy="FULL", MaxAttempts=20)}})

        times = run.times("TaskScheduled")
        delays = [later - earlier for earlier, later in pairwise(times)]
        assert len(delays) == 20
        assert all(timedelta() <= delay <= 10 * SECOND for delay in delays)
        assert len(set(delays)) > 10

    def test_the_count_of_attempts_restarts_each_time_the_state_is_entered(self, aws: StepFunctions) -> None:
        again = {
            "Task": {**TASK, "Next": "Done", "Retry": retrier(MaxAttempts=2),
                     "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Again?"}]},
            "Again?": {"Type": "Choice", "Choices": [{"Condition": "{% $round > 2 %}", "Next": "Done"}],
                       "Default": "Count"},
            "Count": {"Type": "Pass", "Assign": {"round": "{% $round + 1 %}"}, "Next": "Task"},
            "Done": DONE,
        }  # fmt: skip
        run = aws.start({"Start": {"Type": "Pass", "Assign": {"round": 1}, "Next": "Task"}, **again})

        assert run.status == "SUCCEEDED"
        assert run.event_types.count("TaskScheduled") == 3 * 3

    def test_two_executions_of_one_machine_count_separately(self, aws: StepFunctions) -> None:
        machine = aws.create({"Task": {**TASK, "End": True, "Retry": retrier()}})
        runs = [aws.begin(machine) for _ in range(5)]
        aws.clock.settle()

        assert [run.event_types.count("TaskScheduled") for run in runs] == [4] * 5

    def test_the_retry_count_is_in_the_context(self, aws: StepFunctions) -> None:
        task = {**TASK, "Retry": retrier(), "End": True}
        count = "{% $string($states.context.State.RetryCount) %}"
        task["Arguments"] = {"TableName": "missing", "Key": {"Id": {"N": count}}}
        run = aws.start({"Task": task})

        scheduled = [e["taskScheduledEventDetails"] for e in run.history if e["type"] == "TaskScheduled"]
        assert [json.loads(s["parameters"])["Key"]["Id"]["N"] for s in scheduled] == ["0", "1", "2", "3"]

    def test_each_retrier_has_its_own_attempts_and_the_first_match_counts(self, aws: StepFunctions) -> None:
        never = {"ErrorEquals": ["Other"], "MaxAttempts": 9, "IntervalSeconds": 1}
        stop = {"ErrorEquals": [NO_TABLE], "MaxAttempts": 0}
        run = aws.start({"Task": {**TASK, "End": True, "Retry": [never, stop, *retrier("States.ALL")]}})

        assert run.event_types.count("TaskScheduled") == 1

    def test_a_catch_gets_the_error_and_can_set_variables_and_output(self, aws: StepFunctions) -> None:
        catcher = {
            "ErrorEquals": [NO_TABLE],
            "Assign": {"error": "{% $states.errorOutput.Error %}", "input": "{% $states.input.a %}"},
            "Output": {"caught": "{% $states.errorOutput %}"},
            "Next": "Tell",
        }
        run = aws.start(
            {
                "Task": {**TASK, "Catch": [{"ErrorEquals": ["Other"], "Next": "Tell"}, catcher], "End": True},
                "Tell": tell("{% [$error, $input, $states.input.caught.Error, $exists($states.input.caught.Cause)] %}"),
            },
            {"a": 1},
        )

        assert run.output == [NO_TABLE, 1, NO_TABLE, True]


class TestTaskToken:
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
             "Late": tell("late")}
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


class TestTimeout:
    def test_the_machine_s_time_out_ends_it_even_in_a_wait(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": wait(Seconds=7200)}, TimeoutSeconds=3600)
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
                {"StartAt": "W", "States": {"W": wait(Seconds=9999)}} for _ in range(2)]}, id="parallel"),
            pytest.param({"Type": "Map", "Items": [1, 2], "End": True, "ItemProcessor": {
                "StartAt": "W", "States": {"W": wait(Seconds=9999)}}}, id="map"),
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
        run = aws.start({"Wait": wait(Seconds=60)}, TimeoutSeconds=3600)
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


class TestStop:
    @pytest.mark.parametrize(
        "state",
        [
            pytest.param(wait(Seconds=9999), id="wait"),
            pytest.param(ASK, id="task token"),
            pytest.param({"Type": "Parallel", "End": True, "Branches": [
                {"StartAt": "W", "States": {"W": wait(Seconds=9999)}}, {"StartAt": "A", "States": {"A": ASK}}]},
                id="parallel"),
            pytest.param({"Type": "Map", "Items": [1, 2], "End": True, "ItemProcessor": {
                "StartAt": "W", "States": {"W": wait(Seconds=9999)}}}, id="map"),
        ],
    )  # fmt: skip
    def test_it_interrupts_every_kind_of_wait_at_once(self, aws: StepFunctions, state: dict[str, Any]) -> None:
        catch_all = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]} if state["Type"] != "Wait" else {}
        run = aws.start({"State": {**state, **catch_all}, "Caught": DONE})
        aws.clock.advance(MINUTE)
        aws.client.stop_execution(executionArn=run.arn, error="Mistake", cause="wrong entity")
        assert run.status == "ABORTED"

        aws.clock.settle()
        assert (run.status, run.error) == ("ABORTED", ("Mistake", "wrong entity"))
        assert run.answer["stopDate"] == NOON + MINUTE
        assert run.event_types[-1] == "ExecutionAborted"
        assert not [event for event in run.event_types if "Exited" in event or "Failed" in event or "TimedOut" in event]
        aws.clock.advance(DAY)
        assert run.status == "ABORTED"

    def test_it_can_follow_the_start_immediately(self, aws: StepFunctions) -> None:
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        machine = aws.create({"Wait": wait(Seconds=9999)})
        try:
            for _ in range(50):
                run = aws.begin(machine)
                aws.client.stop_execution(executionArn=run.arn)
                assert run.status == "ABORTED"
                aws.clock.settle()
                assert (run.status, run.event_types[-1]) == ("ABORTED", "ExecutionAborted")
        finally:
            sys.setswitchinterval(before)

    def test_it_can_come_before_the_first_state(self, aws: StepFunctions, monkeypatch: pytest.MonkeyPatch) -> None:
        """The thread of the execution is held back until it is stopped."""
        starting: list[Any] = []
        start_thread = Clock.start_thread

        def later(self: Clock, name: str, call: Any) -> Any:
            go = self.gate()
            starting.append(go)
            return start_thread(self, name, lambda: (go.wait(), call()))

        monkeypatch.setattr(Clock, "start_thread", later)
        run = aws.begin(aws.create({"Wait": wait(Seconds=9999)}))
        aws.client.stop_execution(executionArn=run.arn)
        starting[0].open()
        aws.clock.settle()

        assert run.status == "ABORTED"
        assert run.event_types == ["ExecutionStarted", "ExecutionAborted"]

    def test_it_can_come_while_a_wait_is_being_computed(
        self, aws: StepFunctions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runs: list[Any] = []

        def evaluate(expression: str, _: Any) -> int:
            aws.client.stop_execution(executionArn=runs[0].arn)
            return int(expression)

        machine = aws.create(
            {"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Again"}, "Again": wait(Seconds="{%9999%}")}
        )
        runs.append(aws.begin(machine))
        monkeypatch.setattr("local.aws.stepfunctions.jsonata.evaluate", evaluate)
        aws.clock.advance(HOUR)

        assert runs[0].status == "ABORTED"
        assert runs[0].event_types[-1] == "ExecutionAborted"

    def test_an_ended_execution_does_not_change(self, aws: StepFunctions) -> None:
        run = aws.start({"Done": DONE})
        answer = aws.client.stop_execution(executionArn=run.arn)

        assert run.status == "SUCCEEDED"
        assert answer["stopDate"] == NOON


class TestBranches:
    def parallel(self, *branches: dict[str, Any], **more: Any) -> dict[str, Any]:
        end = {} if "Next" in more else {"End": True}
        of = [{"StartAt": next(iter(branch)), "States": branch} for branch in branches]
        return {"Type": "Parallel", **end, **more, "Branches": of}

    def test_a_parallel_of_waits_takes_as_long_as_the_longest(self, aws: StepFunctions) -> None:
        run = aws.start({"Both": self.parallel({"A": wait(Seconds=60)}, {"B": wait(Seconds=3600)})}, {"x": 1})
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
            {"Both": self.parallel({"A": wait(Seconds=9999)}, fail, Catch=catch), "Caught": {"Type": "Succeed"}}
        )
        aws.clock.advance(MINUTE)

        assert run.output == "No"
        assert aws.clock.upcoming() is None
        aws.clock.advance(DAY)
        assert "WaitStateExited" not in [e["type"] for e in run.history if e["timestamp"] > NOON + MINUTE]

    def test_a_parallel_is_retried_as_a_whole(self, aws: StepFunctions) -> None:
        branch = {"Task": {**TASK, "End": True}}
        run = aws.start({"Both": self.parallel(branch, {"B": tell(1)}, Retry=retrier("States.ALL", MaxAttempts=2))})

        assert run.error[0] == NO_TABLE
        assert run.times("TaskScheduled") == [n * SECOND for n in (0, 10, 20)]

    def test_an_inline_map_of_waits_is_concurrent(self, aws: StepFunctions) -> None:
        each = {"Type": "Map", "Items": [30, 10, 20], "End": True, "ItemProcessor": {
            "StartAt": "W", "States": {"W": wait(Seconds="{% $states.input %}")}}}  # fmt: skip
        run = aws.start({"Each": each})
        aws.clock.advance(HOUR)

        assert run.output == [30, 10, 20]
        assert run.times("WaitStateExited") == [10 * SECOND, 20 * SECOND, 30 * SECOND]

    def test_a_map_can_be_limited_to_one_at_a_time(self, aws: StepFunctions) -> None:
        each = {"Type": "Map", "Items": [30, 10, 20], "MaxConcurrency": 1, "End": True, "ItemProcessor": {
            "StartAt": "W", "States": {"W": wait(Seconds="{% $states.input %}")}}}  # fmt: skip
        run = aws.start({"Each": each})
        aws.clock.advance(HOUR)

        assert run.times("WaitStateExited") == [30 * SECOND, 40 * SECOND, 60 * SECOND]

    def test_a_failed_iteration_stops_the_others(self, aws: StepFunctions) -> None:
        states = {
            "Bad?": {"Type": "Choice", "Default": "W",
                     "Choices": [{"Condition": "{% $states.input = 'bad' %}", "Next": "Fail"}]},
            "W": wait(Seconds=9999),
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
                  "Tell": tell("{% $inner %}")}  # fmt: skip
        run = aws.start(
            {
                "Set": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "Both"},
                "Both": self.parallel(branch, branch, Next="After"),
                "After": tell("{% [$states.input, $exists($inner)] %}"),
            }
        )

        assert run.output == [2, 2, False]


class TestStartExecution:
    def test_a_running_execution_is_not_started_twice(self, aws: StepFunctions) -> None:
        machine = aws.create(MACHINE)
        first, second = aws.begin(machine, {"a": 1}, name="one"), aws.begin(machine, {"a": 1}, name="one")

        assert first.arn == second.arn
        assert len(aws.client.list_executions(stateMachineArn=machine)["executions"]) == 1

    def test_the_same_name_with_other_input_is_refused(self, aws: StepFunctions) -> None:
        machine = aws.create(MACHINE)
        aws.begin(machine, {"a": 1}, name="one")
        with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
            aws.begin(machine, {"a": 2}, name="one")

    def test_a_name_is_free_again_90_days_after_the_end(self, aws: StepFunctions) -> None:
        machine = aws.create(MACHINE)
        aws.begin(machine, {"a": 1}, name="one")
        aws.clock.advance(MINUTE + 90 * DAY - SECOND)
        with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
            aws.begin(machine, {"a": 1}, name="one")

        aws.clock.advance(SECOND)
        assert aws.begin(machine, {"a": 1}, name="one").status == "RUNNING"

    def test_each_start_without_a_name_is_a_new_execution(self, aws: StepFunctions) -> None:
        machine = aws.create(MACHINE)
        runs = [aws.begin(machine) for _ in range(3)]

        assert len({run.arn for run in runs}) == 3
        assert all(len(run.answer["name"]) == 36 for run in runs)

    @pytest.mark.parametrize("name", [*(f"a{c}b" for c in ' :/"\\{$~'), "a\x01b", "a\x85b", "a\tb", "a\u00a0b"])
    def test_a_name_with_a_forbidden_character_is_refused(self, aws: StepFunctions, name: str) -> None:
        with pytest.raises(ClientError, match="InvalidName"):
            aws.begin(aws.create(MACHINE), name=name)

    def test_a_name_has_at_most_80_characters(self, aws: StepFunctions) -> None:
        machine = aws.create(MACHINE)
        with pytest.raises(ClientError, match="80"):
            aws.begin(machine, name="x" * 81)

        assert aws.begin(machine, name="dana_example.com-2026" + "x" * 59).status == "RUNNING"

    def test_an_input_that_is_not_json_is_refused(self, aws: StepFunctions) -> None:
        with pytest.raises(ClientError, match="InvalidExecutionInput"):
            aws.client.start_execution(stateMachineArn=aws.create(MACHINE), input="{")

    def test_an_invalid_definition_is_refused_by_name(self, aws: StepFunctions) -> None:
        with pytest.raises(ClientError, match="InvalidDefinition"):
            aws.client.create_state_machine(name="wrong", definition='{"StartAt": }', roleArn=ROLE)


class TestReading:
    def test_executions_are_listed_by_status_with_their_dates(self, aws: StepFunctions) -> None:
        machine = aws.create({"Wait": wait(Seconds="{% $states.input %}")}, TimeoutSeconds=500)
        for seconds in (60, 300, 999):
            aws.begin(machine, seconds, name=f"for-{seconds}")
        aws.clock.advance(100 * SECOND)
        aws.client.stop_execution(executionArn=aws.begin(machine, 400, name="stopped").arn)
        aws.clock.advance(HOUR)

        def listed(status: str) -> dict[str, datetime]:
            answer = aws.client.list_executions(stateMachineArn=machine, statusFilter=status)["executions"]
            return {item["name"]: item["stopDate"] for item in answer}

        assert listed("SUCCEEDED") == {"for-60": NOON + MINUTE, "for-300": NOON + 300 * SECOND}
        assert listed("TIMED_OUT") == {"for-999": NOON + 500 * SECOND}
        assert listed("ABORTED") == {"stopped": NOON + 100 * SECOND}
        assert listed("RUNNING") == {}

    def test_the_history_is_in_order_and_can_be_reversed(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Done"}, "Done": DONE})
        aws.clock.advance(HOUR)
        events = run.history

        assert [e["id"] for e in events] == list(range(1, len(events) + 1))
        assert [e["timestamp"] for e in events] == sorted(e["timestamp"] for e in events)
        backwards = aws.client.get_execution_history(executionArn=run.arn, reverseOrder=True)["events"]
        assert backwards == events[::-1]

    def test_an_execution_keeps_the_definition_that_it_started_with(self, aws: StepFunctions) -> None:
        machine = aws.create({"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Tell"}, "Tell": tell("old")})
        old = aws.begin(machine)
        aws.clock.settle()
        definition = {"QueryLanguage": "JSONata", "StartAt": "Tell", "States": {"Tell": tell("new")}}
        aws.client.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition))
        new = aws.begin(machine)
        aws.clock.advance(HOUR)

        assert (old.output, new.output) == ("old", "new")
        told = aws.client.describe_state_machine_for_execution(executionArn=old.arn)
        assert "old" in told["definition"]


def test_the_hooks_are_undone_afterwards() -> None:
    from moto.stepfunctions.parser.asl.component.program.program import Program
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
    from moto.stepfunctions.parser.asl.eval.environment import Environment

    from local.aws import stepfunctions

    before = (Program.eval, Environment.__dict__["as_inner_frame_of"], lambda_eval_utils.boto_client_for)
    with Clock(datetime(2026, 1, 1, tzinfo=UTC)) as clock, stepfunctions.install(clock):
        during = (Program.eval, Environment.__dict__["as_inner_frame_of"], lambda_eval_utils.boto_client_for)
        assert all(one is not other for one, other in zip(before, during, strict=True))

    assert before == (Program.eval, Environment.__dict__["as_inner_frame_of"], lambda_eval_utils.boto_client_for)


@pytest.mark.parametrize(("truncate", "after"), [(False, 500), (True, 0)])
def test_timestamps_can_be_cut_to_whole_seconds_as_aws_documents(clock: Any, truncate: bool, after: int) -> None:
    from moto import mock_aws

    from local.aws import stepfunctions
    from tests.unit.local.conftest import CONFIG

    with stepfunctions.install(clock, truncate_timestamps=truncate), mock_aws(config=CONFIG):
        run = (aws := StepFunctions(clock)).start({"Wait": wait(Timestamp="2026-11-22T12:00:10.500Z")})
        aws.clock.advance(HOUR)
        assert run.times("WaitStateExited") == [10 * SECOND + timedelta(milliseconds=after)]
