"""Executions that commands wait for."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from operate.account import Account
from operate.errors import Refusal
from operate.executions import find_execution, wait_for_end
from operate.starting import plans

ARN = "arn:aws:states:us-east-1:123456789012:execution:machine:name"


class StepFunctions:
    """Step Functions whose DescribeExecution gives some answers; the last one again and again."""

    def __init__(self, *answers: dict[str, Any] | None) -> None:
        self.answers = list(answers)
        self.pauses: list[float] = []

    def describe_execution(self, **_: str) -> dict[str, Any]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise ClientError({"Error": {"Code": "ExecutionDoesNotExist"}}, "DescribeExecution")
        return answer


def test_ctrl_c_while_waiting_says_that_the_execution_goes_on(
    make_account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, _ = make_account({"status": "RUNNING"})

    def press_ctrl_c(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Account, "pause", press_ctrl_c)

    with pytest.raises(Refusal) as caught:
        wait_for_end(account, ARN, 10, "The restore runs", "Look again with: offboarding show dana")

    assert str(caught.value) == (
        f"\nThe execution goes on without this command: {ARN}. Look again with: offboarding show dana"
    )


@pytest.fixture
def make_account(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(*answers: dict[str, Any] | None) -> tuple[Account, StepFunctions]:
        states = StepFunctions(*answers)
        monkeypatch.setattr(Account, "client", lambda *_: states)
        monkeypatch.setattr(Account, "pause", lambda _, seconds: states.pauses.append(seconds))
        return Account(region="us-east-1"), states

    return make


def test_an_execution_is_looked_at_ever_more_rarely_and_not_for_ever(
    make_account: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    account, states = make_account({"status": "RUNNING"})

    execution = wait_for_end(account, ARN, 60, "It runs")

    assert execution.is_running
    assert sum(states.pauses) == pytest.approx(62, abs=3)
    assert states.pauses == sorted(states.pauses)
    assert len(states.pauses) < 20
    assert "It runs, since 3" in capsys.readouterr().err


def test_an_execution_that_step_functions_does_not_show_yet_is_asked_for_again(make_account: Any) -> None:
    account, _ = make_account(None, {"status": "SUCCEEDED", "output": '{"Outcome": "Planned"}'})
    assert wait_for_end(account, ARN, 60, "It runs").outcome == "Planned"

    account, _ = make_account(None)
    with pytest.raises(Refusal, match="does not know the execution"):
        wait_for_end(account, ARN, 60, "It runs")


@pytest.mark.parametrize(
    ("answer", "outcome", "ending"),
    [
        ({"status": "FAILED", "error": "AccessDenied", "cause": "No."}, "AccessDenied", "AccessDenied: No."),
        ({"status": "ABORTED"}, "Stopped", "It ended as Stopped."),
        ({"status": "TIMED_OUT", "output": "damaged"}, "TimedOut", "It ended as TimedOut."),
        ({"status": "SUCCEEDED", "output": '"text"'}, "SUCCEEDED", "It ended as SUCCEEDED."),
    ],
)
def test_an_end_is_a_sentence(make_account: Any, answer: dict[str, Any], outcome: str, ending: str) -> None:
    account, _ = make_account(answer)

    execution = find_execution(account, ARN)

    assert execution is not None
    assert (execution.outcome, execution.ending, execution.is_running) == (outcome, ending, False)


def test_a_plan_that_is_not_complete_in_time_says_that_nothing_was_changed(
    make_account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, _ = make_account({"status": "RUNNING"})
    monkeypatch.setattr(plans, "start_execution", lambda *_: ARN)

    with pytest.raises(Refusal, match=f"^Nothing was changed.*not complete after 180 seconds.*goes on: {ARN}"):
        plans.make_plan(account, {})
