"""Executions of the stack's state machines: commands start them, wait for them, and say how they ended."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from operate.account import Account
from operate.errors import Refusal, error_code, explain_interruption
from operate.options import report

OFFBOARDING = "StateMachineArn"
APPROVAL = "ApprovalStateMachineArn"
RESTORE = "RestoreStateMachineArn"
"""The outputs of the stack that have the ARNs of its state machines."""
RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})
_OUTCOMES = {"ABORTED": "Stopped", "TIMED_OUT": "TimedOut"}
"""What the records call an end that the definition does not name."""
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
_PAUSE_FACTOR = 1.5
_REPORT_SECONDS = 30.0


@dataclass(frozen=True)
class Execution:
    """An execution as Step Functions describes it.

    Attributes
    ----------
    arn
        Its ARN.
    status
        `RUNNING` or `SUCCEEDED`, for example.
    outcome
        The outcome of its output, its error, `Stopped` or `TimedOut`; None while it runs.
    cause
        Why it has failed, or what its output explains; empty if neither is there.
    input, output
        JSON objects; empty if they are something else.
    """

    arn: str
    status: str
    outcome: str | None
    cause: str
    input: Mapping[str, Any]
    output: Mapping[str, Any]

    @property
    def is_running(self) -> bool:
        """Whether it is not over."""
        return self.status in RUNNING

    @property
    def has_succeeded(self) -> bool:
        """Whether it has come to one of the outcomes that are no failure."""
        return self.status == "SUCCEEDED"

    @property
    def ending(self) -> str:
        """Its outcome and its cause, as a sentence."""
        return f"{self.outcome}: {self.cause}" if self.cause else f"It ended as {self.outcome}."


def require_machine(account: Account, output: str) -> str:
    """Return the ARN of a state machine of the stack.

    Raises
    ------
    Refusal
        If there is no stack, or it was not deployed in full.
    """
    return account.read_output(output, f"The stack {account.stack_name} has no output {output}: deploy it first.")


def start_execution(account: Account, output: str, execution_input: Mapping[str, Any]) -> str:
    """Start an execution and return its ARN. A call that boto3 makes again starts no second one, by its name.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html

    Parameters
    ----------
    account
        The account with the stack.
    output
        The output with the ARN of the state machine.
    execution_input
        Its input, a JSON object.

    Raises
    ------
    Refusal
        If there is no such state machine.
    """
    answer = account.client("stepfunctions").start_execution(
        stateMachineArn=require_machine(account, output),
        name=str(uuid.uuid4()),
        input=json.dumps(execution_input, ensure_ascii=False),
    )
    return str(answer["executionArn"])


def find_execution(account: Account, arn: str) -> Execution | None:
    """Describe an execution; None if Step Functions does not know it, or not any more.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
    """
    try:
        answer = account.client("stepfunctions").describe_execution(executionArn=arn)
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            return None
        raise
    status, output = str(answer["status"]), _parse_object(answer.get("output"))
    outcome = output.get("Outcome") or answer.get("error") or _OUTCOMES.get(status, status)
    return Execution(
        arn=arn,
        status=status,
        outcome=None if status in RUNNING else str(outcome),
        cause=str(answer.get("cause") or output.get("Explanation") or ""),
        input=_parse_object(answer.get("input")),
        output=output,
    )


def wait_for_end(account: Account, arn: str, seconds: float, activity: str, look: str = "") -> Execution:
    """Wait until an execution is over, or for some seconds; say on the standard error what is waited for.

    Parameters
    ----------
    account
        The account with the execution.
    arn
        The execution.
    seconds
        For how long.
    activity
        What it does, as a sentence without its full stop.
    look
        A sentence that says how to look at it later, for a person who does not wait.

    Returns
    -------
    Execution
        It may still run.

    Raises
    ------
    Refusal
        If there is no such execution, or a person presses Ctrl-C.
    """
    report(f"{activity} …")
    sentence = f"The execution goes on without this command: {arn}. {look}".strip()
    with explain_interruption(lambda: sentence):
        return _poll(account, arn, seconds, activity)


def _poll(account: Account, arn: str, seconds: float, activity: str) -> Execution:
    reported = waited = 0.0
    for pause in _iterate_pauses():
        execution = require_execution(account, arn)
        if not execution.is_running or waited >= seconds:
            return execution
        account.pause(pause)
        waited += pause
        if waited - reported >= _REPORT_SECONDS:
            report(f"{activity}, since {waited:.0f} seconds …")
            reported = waited
    raise AssertionError("The pauses have no end.")


def require_execution(account: Account, arn: str) -> Execution:
    """Describe an execution that was started a moment ago; it can take Step Functions a moment to show it.

    Raises
    ------
    Refusal
        If there is none.
    """
    for _ in range(3):
        execution = find_execution(account, arn)
        if execution is not None:
            return execution
        account.pause(_FIRST_PAUSE_SECONDS)
    raise Refusal(f"Step Functions does not know the execution {arn}.")


def _iterate_pauses() -> Iterator[float]:
    """Go through ever longer pauses, in seconds: DescribeExecution allows few calls for all callers together."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(pause * _PAUSE_FACTOR, _LONGEST_PAUSE_SECONDS)


def _parse_object(text: str | None) -> Mapping[str, Any]:
    try:
        members = json.loads(text or "null")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}
