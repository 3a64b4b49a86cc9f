"""The API of Step Functions where moto's differs from AWS's."""

import json
import operator
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.clock import Clock
from local.defaults import ACCOUNT
from tests.unit.local.aws.stepfunctions.definitions import (
    ASK,
    DAY,
    DONE,
    HOUR,
    MACHINE,
    MINUTE,
    SECOND,
    pass_state,
    wait_state,
)
from tests.unit.local.conftest import NOON, ROLE, StepFunctions


class TestStartExecution:
    def test_a_running_execution_is_not_started_twice(self, aws: StepFunctions) -> None:
        machine = aws.create(MACHINE)
        first_run, second_run = aws.begin(machine, {"a": 1}, name="one"), aws.begin(machine, {"a": 1}, name="one")

        assert first_run.arn == second_run.arn
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


class TestStop:
    @pytest.mark.parametrize(
        "state",
        [
            pytest.param(wait_state(Seconds=9999), id="wait"),
            pytest.param(ASK, id="task token"),
            pytest.param({"Type": "Parallel", "End": True, "Branches": [
                {"StartAt": "W", "States": {"W": wait_state(Seconds=9999)}}, {"StartAt": "A", "States": {"A": ASK}}]},
                id="parallel"),
            pytest.param({"Type": "Map", "Items": [1, 2], "End": True, "ItemProcessor": {
                "StartAt": "W", "States": {"W": wait_state(Seconds=9999)}}}, id="map"),
        ],
    )  # fmt: skip
    def test_it_interrupts_every_kind_of_wait_at_once(self, aws: StepFunctions, state: dict[str, Any]) -> None:
        states = {"State": state}
        if state["Type"] != "Wait":
            catch_all = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
            states = {"State": {**state, "Catch": catch_all}, "Caught": DONE}
        run = aws.start(states)
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
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        machine = aws.create({"Wait": wait_state(Seconds=9999)})
        try:
            for _ in range(50):
                run = aws.begin(machine)
                aws.client.stop_execution(executionArn=run.arn)
                assert run.status == "ABORTED"
                aws.clock.settle()
                assert (run.status, run.event_types[-1]) == ("ABORTED", "ExecutionAborted")
        finally:
            sys.setswitchinterval(interval)

    def test_it_can_come_before_the_first_state(self, aws: StepFunctions, monkeypatch: pytest.MonkeyPatch) -> None:
        """The thread of the execution is held back until it is stopped."""
        starting: list[Any] = []
        start_thread = Clock.start_thread

        def later(self: Clock, name: str, call: Any) -> Any:
            go = self.gate()
            starting.append(go)
            return start_thread(self, name, lambda: (go.wait(), call()))

        monkeypatch.setattr(Clock, "start_thread", later)
        run = aws.begin(aws.create({"Wait": wait_state(Seconds=9999)}))
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
            {"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Again"}, "Again": wait_state(Seconds="{%9999%}")}
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


class TestReading:
    def test_executions_are_listed_by_status_with_their_dates(self, aws: StepFunctions) -> None:
        machine = aws.create({"Wait": wait_state(Seconds="{% $states.input %}")}, TimeoutSeconds=500)
        for seconds in (60, 300, 999):
            aws.begin(machine, seconds, name=f"for-{seconds}")
        aws.clock.advance(100 * SECOND)
        aws.client.stop_execution(executionArn=aws.begin(machine, 400, name="stopped").arn)
        aws.clock.advance(HOUR)

        def stop_dates_of(status: str) -> dict[str, datetime]:
            answer = aws.client.list_executions(stateMachineArn=machine, statusFilter=status)["executions"]
            return {item["name"]: item["stopDate"] for item in answer}

        assert stop_dates_of("SUCCEEDED") == {"for-60": NOON + MINUTE, "for-300": NOON + 300 * SECOND}
        assert stop_dates_of("TIMED_OUT") == {"for-999": NOON + 500 * SECOND}
        assert stop_dates_of("ABORTED") == {"stopped": NOON + 100 * SECOND}
        assert stop_dates_of("RUNNING") == {}

    def test_executions_of_one_instant_are_listed_newest_first_on_all_pages(self, aws: StepFunctions) -> None:
        machine = aws.create({"Wait": wait_state(Seconds=60)})
        names = [f"execution-{number}" for number in range(5)]
        for name in names:
            aws.begin(machine, name=name)
        for execution in stepfunctions_parser_backends[ACCOUNT]["us-east-1"].describe_state_machine(machine).executions:
            execution.start_date = NOON
        pages = aws.client.get_paginator("list_executions").paginate(
            stateMachineArn=machine, PaginationConfig={"PageSize": 2}
        )

        assert [item["name"] for page in pages for item in page["executions"]] == names[::-1]

    def test_the_history_is_in_order_and_can_be_reversed(self, aws: StepFunctions) -> None:
        run = aws.start({"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Done"}, "Done": DONE})
        aws.clock.advance(HOUR)
        events = run.history

        assert [e["id"] for e in events] == list(range(1, len(events) + 1))
        assert [e["timestamp"] for e in events] == sorted(e["timestamp"] for e in events)
        backwards = aws.client.get_execution_history(executionArn=run.arn, reverseOrder=True)["events"]
        assert backwards == events[::-1]

    def test_an_execution_keeps_the_definition_that_it_started_with(self, aws: StepFunctions) -> None:
        machine = aws.create({"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Tell"}, "Tell": pass_state("old")})
        old = aws.begin(machine)
        aws.clock.settle()
        definition = {"QueryLanguage": "JSONata", "StartAt": "Tell", "States": {"Tell": pass_state("new")}}
        aws.client.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition))
        new = aws.begin(machine)
        aws.clock.advance(HOUR)

        assert (old.output, new.output) == ("old", "new")
        answer = aws.client.describe_state_machine_for_execution(executionArn=old.arn)
        assert "old" in answer["definition"]


def test_the_hooks_are_undone_afterwards() -> None:
    from moto.stepfunctions.parser.asl.component.program.program import Program
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
    from moto.stepfunctions.parser.asl.eval.environment import Environment

    from local.aws import stepfunctions

    original = (Program.eval, Environment.__dict__["as_inner_frame_of"], lambda_eval_utils.boto_client_for)
    with Clock(datetime(2026, 1, 1, tzinfo=UTC)) as clock, stepfunctions.install(clock):
        installed = (Program.eval, Environment.__dict__["as_inner_frame_of"], lambda_eval_utils.boto_client_for)
        assert not any(map(operator.is_, original, installed))

    assert original == (Program.eval, Environment.__dict__["as_inner_frame_of"], lambda_eval_utils.boto_client_for)
