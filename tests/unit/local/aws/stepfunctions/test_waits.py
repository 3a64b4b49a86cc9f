"""Waits and retries of states on the movable clock."""

import json
import time
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.local.aws.stepfunctions.definitions import (
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


class TestWait:
    def test_it_waits_on_the_clock_and_not_in_real_time(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": wait_state(Seconds=30 * 86400)})
        aws.clock.advance(30 * DAY - SECOND)
        assert run.status == "RUNNING"
        assert "stopDate" not in run.answer

        aws.clock.advance(SECOND)
        assert run.status == "SUCCEEDED"
        assert run.answer["stopDate"] == NOON + 30 * DAY
        assert run.times("WaitStateExited") == [30 * DAY]

    def test_seconds_may_be_an_expression(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": wait_state(Seconds="{% $states.input.n * 2 %}")}, {"n": 30})
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
            run = aws.start({"Wait": wait_state(Timestamp="{% $states.input %}")}, timestamp)
            assert (run.status == "SUCCEEDED") == (after == timedelta())
            aws.clock.advance(DAY)
            assert run.times("WaitStateExited") == [after]
        finally:
            monkeypatch.undo()
            time.tzset()

    def test_a_literal_timestamp_works_too(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": wait_state(Timestamp="2026-11-22T17:00:00.500Z")})
        aws.clock.advance(DAY)

        assert run.times("WaitStateExited") == [5 * HOUR + timedelta(milliseconds=500)]

    @pytest.mark.parametrize(
        "timestamp",
        ["tomorrow", "2026-11-22", "2026-13-40T00:00:00Z", "2016-12-05T21:29:29", "2016-12-05 21:29:29Z"],
    )
    def test_an_invalid_timestamp_fails_the_execution_as_on_aws(self, aws: StepFunctions, timestamp: str) -> None:
        run = aws.start({"Wait": wait_state(Timestamp="{% $states.input.t %}")}, {"t": timestamp})

        assert run.error == (
            "States.QueryEvaluationError",
            "An error occurred while executing the state 'Wait' (entered at the event id #2). The Timestamp field "
            f"cannot be parsed as an ISO-8601 extended offset date-time format string: {timestamp}",
        )
        assert run.event_types == ["ExecutionStarted", "WaitStateEntered", "EvaluationFailed", "ExecutionFailed"]
        assert run.history[2]["evaluationFailedEventDetails"]["location"] == "Timestamp"

    def test_a_thousand_executions_end_in_the_order_of_their_waits(self, aws: StepFunctions) -> None:
        machine = aws.create({"Wait": wait_state(Seconds="{% $states.input %}")})
        runs = [aws.begin(machine, seconds) for seconds in (300, 100, 200, 100)]
        aws.clock.advance(HOUR)

        assert [run.times("ExecutionSucceeded")[0].seconds for run in runs] == [300, 100, 200, 100]


@pytest.mark.parametrize(("truncate", "after"), [(False, 500), (True, 0)])
def test_timestamps_can_be_cut_to_whole_seconds_as_aws_documents(clock: Any, truncate: bool, after: int) -> None:
    from moto import mock_aws

    from local.aws import stepfunctions
    from tests.unit.local.conftest import CONFIG

    with stepfunctions.install(clock, truncate_timestamps=truncate), mock_aws(config=CONFIG):
        run = (aws := StepFunctions(clock)).start({"Wait": wait_state(Timestamp="2026-11-22T12:00:10.500Z")})
        aws.clock.advance(HOUR)
        assert run.times("WaitStateExited") == [10 * SECOND + timedelta(milliseconds=after)]


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
                "Tell": pass_state(
                    "{% [$error, $input, $states.input.caught.Error, $exists($states.input.caught.Cause)] %}"
                ),
            },
            {"a": 1},
        )

        assert run.output == [NO_TABLE, 1, NO_TABLE, True]
