"""The executions of a stack's state machines: how many run, until when, and how they are stopped."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from operate.account import Account, Stack
from operate.errors import Refusal, error_code
from operate.options import report
from operate.records.files import Item
from operate.records.reading import read_items

MACHINE_OUTPUTS = ("StateMachineArn", "ApprovalStateMachineArn", "RestoreStateMachineArn")
_UNFINISHED = ("RUNNING", "PENDING_REDRIVE")
_LONGEST_TIMEOUT = timedelta(days=366)
"""That of Step Functions, for a definition without one."""
_STOP_CAUSE = "The stack is being deleted: make destroy STOP=yes."
_POLL_SECONDS = 10
_STOPPING_SECONDS = 600
_CLOSING_SECONDS = 900
_TELLING_SECONDS = 60
"""How long the mails and events about closed records take to be published."""


@dataclass(frozen=True)
class Execution:
    """An execution that is not over.

    Attributes
    ----------
    arn
        Its ARN.
    machine
        The name of its state machine.
    ends_by
        When its time-out ends it at the latest.
    """

    arn: str
    machine: str
    ends_by: datetime


def list_unfinished(account: Account, stack: Stack) -> list[Execution]:
    """List the executions of all state machines of a stack that are not over.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
    """
    arns = [stack.outputs[name] for name in MACHINE_OUTPUTS if name in stack.outputs]
    return [execution for arn in arns for execution in _iterate_unfinished(account, arn)]


def is_gone(account: Account, machine_arn: str) -> bool:
    """Return whether a state machine is deleted; until then its name cannot be used again."""
    return _describe_machine(account, machine_arn) is None


def describe_waiting(account: Account, stack: Stack, executions: Sequence[Execution]) -> Iterator[str]:
    """Describe how many executions run of each state machine, for what they wait, and until when."""
    records = _read_records(account, stack, [execution.arn for execution in executions])
    for machine in dict.fromkeys(execution.machine for execution in executions):
        unfinished = [execution for execution in executions if execution.machine == machine]
        statuses = Counter(
            records[execution.arn]["Status"]["S"] for execution in unfinished if execution.arn in records
        )
        due_dates = [
            records[execution.arn]["DueAt"]["S"]
            for execution in unfinished
            if "DueAt" in records.get(execution.arn, {})
        ]
        detail = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
        until = f", the last one is due at {max(due_dates)}" if due_dates else ""
        ends_by = max(execution.ends_by for execution in unfinished)
        yield (
            f"Executions of {machine}: {len(unfinished)}{f' ({detail})' if detail else ''}{until}; "
            f"none runs after {ends_by:%Y-%m-%d}."
        )


def stop_all(account: Account, stack: Stack, executions: Sequence[Execution]) -> list[str]:
    """Stop executions, and those that start meanwhile, until none is left; return their ARNs.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html

    Raises
    ------
    Refusal
        If some are not over after ten minutes.
    """
    stopped: dict[str, None] = {}
    for _ in range(0, _STOPPING_SECONDS, _POLL_SECONDS):
        for execution in executions:
            account.client("stepfunctions").stop_execution(executionArn=execution.arn, cause=_STOP_CAUSE)
            stopped[execution.arn] = None
        executions = list_unfinished(account, stack)
        if not executions:
            return list(stopped)
        account.pause(_POLL_SECONDS)
    raise Refusal(f"Stopped executions are not over yet ({len(executions)}): start make destroy again.")


def wait_for_records(account: Account, stack: Stack, arns: Sequence[str]) -> None:
    """Wait until the records of stopped executions say how these ended, and that was told; at most 15 minutes.

    A record that does not say so can be exported all the same: an import knows what to do with it.
    """
    if "RecordsTableName" not in stack.outputs or not arns:
        return
    report("The records of the stopped executions are being closed …")
    for _ in range(0, _CLOSING_SECONDS, _POLL_SECONDS):
        records = _read_records(account, stack, arns)
        if all("ClosedAt" in record for record in records.values()):
            account.pause(_TELLING_SECONDS)
            return
        account.pause(_POLL_SECONDS)
    report("Some records do not show the end of their execution; they are exported as they are.")


def _iterate_unfinished(account: Account, machine_arn: str) -> Iterator[Execution]:
    machine = _describe_machine(account, machine_arn)
    if machine is None:
        return
    seconds = json.loads(machine["definition"]).get("TimeoutSeconds")
    timeout = timedelta(seconds=seconds) if isinstance(seconds, int) else _LONGEST_TIMEOUT
    pages = account.client("stepfunctions").get_paginator("list_executions")
    for status in _UNFINISHED:
        for page in pages.paginate(stateMachineArn=machine_arn, statusFilter=status):
            for execution in page["executions"]:
                ends_by = execution["startDate"].astimezone(UTC) + timeout
                yield Execution(execution["executionArn"], machine["name"], ends_by)


def _describe_machine(account: Account, machine_arn: str) -> Mapping[str, Any] | None:
    """Describe a state machine; None if there is none.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachine.html
    """
    try:
        answer: Mapping[str, Any] = account.client("stepfunctions").describe_state_machine(stateMachineArn=machine_arn)
    except ClientError as error:
        if error_code(error) == "StateMachineDoesNotExist":
            return None
        raise
    return answer


def _read_records(account: Account, stack: Stack, arns: Sequence[str]) -> dict[str, Item]:
    """Read the records of executions, as far as there are some."""
    table = stack.outputs.get("RecordsTableName")
    items = read_items(account, table, [(arn, "Record") for arn in arns]) if table else {}
    return {arn: item for (arn, _), item in items.items()}
