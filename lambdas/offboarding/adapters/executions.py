"""Asks Step Functions how an execution stands: the one who holds an entity may long be over."""

import json
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from offboarding.adapters.aws import client, code, unavailable
from offboarding.domain import errors
from offboarding.domain.retention import render

states = client("stepfunctions")


@dataclass(frozen=True)
class ExecutionStatus:
    """How an execution stands.

    Attributes
    ----------
    running
        Whether it still runs.
    input
        The text that it was started with, if Step Functions still knows it.
    is_redriven
        Whether somebody has had it go on after it had ended.
    outcome
        The outcome's name once it is over: what its output names, the error that it failed with, `Stopped` for one
        that somebody stopped, `TimedOut`, or `Forgotten` for one that Step Functions does not know any more.
    cause
        The sentence that goes with it, if there is one.
    ended_at
        RFC 3339, if it is over and Step Functions still knows it.
    """

    running: bool
    input: str | None = None
    is_redriven: bool = False
    outcome: str | None = None
    cause: str | None = None
    ended_at: str | None = None


FORGOTTEN = "Forgotten"
_FORGOTTEN = ExecutionStatus(
    running=False,
    outcome=FORGOTTEN,
    cause="Step Functions does not know this execution any more; it keeps them for 90 days.",
)


def execution_status(execution_arn: str) -> ExecutionStatus:
    """Read how an execution stands.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html

    Raises
    ------
    RecordUnavailable, AccessDenied
        If Step Functions does not say.
    """
    try:
        answer = states.describe_execution(executionArn=execution_arn)
    except ClientError as problem:
        if code(problem) == "ExecutionDoesNotExist":
            return _FORGOTTEN
        raise unavailable("states:DescribeExecution", problem) from None
    except BotoCoreError as problem:
        raise unavailable("states:DescribeExecution", problem) from None
    status = answer.get("status")
    if status is None:
        raise errors.RecordUnavailable(
            "states:DescribeExecution was answered without a status. Start again when AWS is well."
        )
    given, is_redriven = answer.get("input"), answer.get("redriveCount", 0) > 0
    if status in {"RUNNING", "PENDING_REDRIVE"}:
        return ExecutionStatus(running=True, input=given, is_redriven=is_redriven)
    ended_at = render(answer["stopDate"])
    if status == "SUCCEEDED":
        return ExecutionStatus(running=False, input=given, outcome=_outcome(answer.get("output")), ended_at=ended_at)
    name = {"ABORTED": "Stopped", "TIMED_OUT": "TimedOut"}.get(status) or answer.get("error") or "UnexpectedFailure"
    return ExecutionStatus(running=False, input=given, outcome=name, cause=answer.get("cause"), ended_at=ended_at)


def _outcome(output: str | None) -> str:
    try:
        outcome = json.loads(output or "null")["Outcome"]
    except (ValueError, KeyError, TypeError):
        return "UnexpectedFailure"
    return str(outcome)
