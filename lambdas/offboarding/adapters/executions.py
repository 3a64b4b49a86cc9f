"""Step Functions: starts executions, reads how one stands, and answers the tasks that wait for a person."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from offboarding.adapters.aws import LazyClient, PageTokens, client, error_code, unavailable_error
from offboarding.domain import errors
from offboarding.domain.timestamps import render

states = LazyClient("stepfunctions", attempts=1)

STOPPED = "Stopped"
FORGOTTEN = "Forgotten"


@dataclass(frozen=True)
class ExecutionStatus:
    """How an execution stands.

    Attributes
    ----------
    is_running
        Whether it still runs.
    input
        The text that it was started with, if Step Functions still knows it.
    is_redriven
        Whether somebody has redriven it after it had ended.
    outcome
        The outcome's name once it is over: what its output names, the error that it failed with, `Stopped` for one
        that somebody stopped, `TimedOut`, or `Forgotten` for one that Step Functions does not know any more.
    cause
        The sentence that goes with the outcome, if there is one.
    started_at, ended_at
        RFC 3339, if it is over and Step Functions still knows it.
    entity
        The entity in its output, if it has succeeded and resolved one.
    other_execution_arn
        The execution to which it has left the entity, if it has ended as `AlreadyInProgress`.
    """

    is_running: bool
    input: str | None = None
    is_redriven: bool = False
    outcome: str | None = None
    cause: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    entity: Mapping[str, object] | None = None
    other_execution_arn: str | None = None


_FORGOTTEN_STATUS = ExecutionStatus(
    is_running=False,
    outcome=FORGOTTEN,
    cause="Step Functions does not know this execution any more; it keeps them for 90 days.",
)
_PAGE_SIZE = 1000
_TASK_CLOSED = frozenset({"TaskTimedOut", "TaskDoesNotExist"})
_OUTCOMES_BY_STATUS = {"ABORTED": STOPPED, "TIMED_OUT": "TimedOut"}


def start_execution(state_machine_arn: str, name: str, execution_input: Mapping[str, object]) -> bool:
    """Start an execution; False if another input has started one of this name in the last 90 days.

    The same name with the same input is answered with the execution that runs already.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html

    Raises
    ------
    UnexpectedAnswer
        If the answer does not show that the execution started.
    ClientError, BotoCoreError
        If Step Functions refuses or does not answer.
    """
    try:
        answer = states.start_execution(
            stateMachineArn=state_machine_arn, name=name, input=json.dumps(dict(execution_input))
        )
    except ClientError as error:
        if error_code(error) == "ExecutionAlreadyExists":
            return False
        raise
    if not answer.get("executionArn"):
        raise errors.UnexpectedAnswer(
            "StartExecution was answered without executionArn. Nothing shows that the execution started."
        )
    return True


def send_task_success(token: str, output: Mapping[str, object]) -> bool:
    """Answer a task that waits with a token; False if the task is closed.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html

    Raises
    ------
    RecordUnavailable, AccessDenied
        If Step Functions does not answer.
    """
    try:
        states.send_task_success(taskToken=token, output=json.dumps(dict(output)))
    except ClientError as error:
        if error_code(error) in _TASK_CLOSED:
            return False
        raise unavailable_error("states:SendTaskSuccess", error) from None
    except BotoCoreError as error:
        raise unavailable_error("states:SendTaskSuccess", error) from None
    return True


def read_execution_status(execution_arn: str) -> ExecutionStatus:
    """Read how an execution stands.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html

    Raises
    ------
    RecordUnavailable, AccessDenied
        If Step Functions does not answer.
    """
    try:
        answer = states.describe_execution(executionArn=execution_arn)
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            return _FORGOTTEN_STATUS
        raise unavailable_error("states:DescribeExecution", error) from None
    except BotoCoreError as error:
        raise unavailable_error("states:DescribeExecution", error) from None
    status = answer.get("status")
    if status is None:
        raise errors.RecordUnavailable(
            "states:DescribeExecution was answered without a status. Start again when AWS is available."
        )
    execution_input, is_redriven = answer.get("input"), answer.get("redriveCount", 0) > 0
    if status in {"RUNNING", "PENDING_REDRIVE"}:
        return ExecutionStatus(is_running=True, input=execution_input, is_redriven=is_redriven)
    output = _parse_output(answer.get("output")) if status == "SUCCEEDED" else {}
    return ExecutionStatus(
        is_running=False,
        input=execution_input,
        outcome=output.get("Outcome") or _OUTCOMES_BY_STATUS.get(status) or answer.get("error") or "UnexpectedFailure",
        cause=answer.get("cause"),
        started_at=render(answer["startDate"]),
        ended_at=render(answer["stopDate"]),
        entity=output.get("Entity"),
        other_execution_arn=output.get("OtherExecutionArn"),
    )


def parse_success(detail: Mapping[str, Any]) -> ExecutionStatus | None:
    """Return how an execution stands by the event of its success, which is final; None if that leaves a doubt.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html

    Parameters
    ----------
    detail
        The detail of the event. Input and output are left out of it if they are too large.
    """
    output, execution_input = detail.get("output"), detail.get("input")
    has_dates = isinstance(detail.get("startDate"), int) and isinstance(detail.get("stopDate"), int)
    if detail.get("status") != "SUCCEEDED" or not has_dates or not output or not execution_input:
        return None
    members = _parse_output(output)
    if "Outcome" not in members:
        return None
    return ExecutionStatus(
        is_running=False,
        input=execution_input,
        outcome=members["Outcome"],
        started_at=_render_milliseconds(detail["startDate"]),
        ended_at=_render_milliseconds(detail["stopDate"]),
        entity=members.get("Entity"),
    )


def iterate_ended_executions(state_machine_arn: str) -> Iterator[tuple[str, datetime]]:
    """Go through the executions that are over, a page at a time: the ARN of each, and when it ended.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html

    Raises
    ------
    RecordUnavailable, AccessDenied
        If Step Functions does not answer.
    """
    # It is called twice a day, so it can be patient.
    patient_states = client("stepfunctions", attempts=5)
    tokens = PageTokens("states:ListExecutions was answered")
    parameters = {"stateMachineArn": state_machine_arn, "maxResults": _PAGE_SIZE}
    while True:
        try:
            page = patient_states.list_executions(**parameters)
        except (ClientError, BotoCoreError) as error:
            raise unavailable_error("states:ListExecutions", error) from None
        for execution in page.get("executions", ()):
            if "stopDate" in execution:
                yield execution["executionArn"], execution["stopDate"]
        if "nextToken" not in page:
            return
        tokens.require_new(page["nextToken"])
        parameters["nextToken"] = page["nextToken"]


def _render_milliseconds(milliseconds: int) -> str:
    return render(datetime.fromtimestamp(milliseconds / 1000, UTC))


def _parse_output(output: str | None) -> dict[str, Any]:
    try:
        members = json.loads(output or "null")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}
