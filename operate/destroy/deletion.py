"""Deletes a stack by CloudFormation, and waits until it and its state machines are gone.

The CDK CLI would delete it in the same way. But it first synthesizes the app, which needs valid settings and Node, and
it cannot lift the termination protection.
"""

from collections.abc import Iterator

from operate.account import Account, Stack
from operate.destroy.executions import MACHINE_OUTPUTS, is_gone
from operate.errors import Refusal

_POLL_SECONDS = 10
_DELETION_SECONDS = 3600
_MACHINES_SECONDS = 600


def unprotect_stack(account: Account, stack: Stack) -> None:
    """Lift the termination protection.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateTerminationProtection.html
    """
    account.client("cloudformation").update_termination_protection(
        StackName=stack.id, EnableTerminationProtection=False
    )


def unprotect_table(account: Account, table: str) -> None:
    """Lift the deletion protection of a table.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
    """
    account.client("dynamodb").update_table(TableName=table, DeletionProtectionEnabled=False)


def delete_stack(account: Account, stack: Stack) -> None:
    """Delete a stack, with the role that CloudFormation has used for it, and wait for the end.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteStack.html

    Raises
    ------
    Refusal
        If it cannot be deleted, or is not within an hour.
    """
    account.client("cloudformation").delete_stack(StackName=stack.id)
    for _ in range(0, _DELETION_SECONDS, _POLL_SECONDS):
        current = account.find_stack(stack.id)
        if current is None or current.status == "DELETE_COMPLETE":
            return
        if current.status == "DELETE_FAILED":
            reasons = "; ".join(_iterate_failures(account, stack))
            raise Refusal(f"The stack {stack.name} could not be deleted: {reasons.rstrip('.')}.")
        account.pause(_POLL_SECONDS)
    raise Refusal(f"The stack {stack.name} is still being deleted after an hour: look at its events in CloudFormation.")


def list_remaining_machines(account: Account, stack: Stack) -> list[str]:
    """Wait until the state machines are gone, at most ten minutes; return the ARNs of those that are not."""
    remaining = [stack.outputs[name] for name in MACHINE_OUTPUTS if name in stack.outputs]
    for _ in range(0, _MACHINES_SECONDS, _POLL_SECONDS):
        remaining = [arn for arn in remaining if not is_gone(account, arn)]
        if not remaining:
            break
        account.pause(_POLL_SECONDS)
    return remaining


def _iterate_failures(account: Account, stack: Stack) -> Iterator[str]:
    """Go through the reasons of the last deletion, the newest first."""
    pages = account.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack.id)
    for page in pages:
        for event in page["StackEvents"]:
            if event["ResourceStatus"] == "DELETE_IN_PROGRESS" and event["PhysicalResourceId"] == stack.id:
                return
            if event["ResourceStatus"] == "DELETE_FAILED":
                yield f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
