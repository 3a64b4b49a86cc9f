"""The command `offboarding restore`."""

from collections.abc import Iterator, Mapping

import click

from operate.account import Account
from operate.errors import Refusal
from operate.executions import RESTORE, Execution, start_execution, wait_for_end
from operate.options import account_options
from operate.questions.people import label_entity
from operate.questions.table import RecordsTable, Values
from operate.restore.restorable import describe_restore, find_restorable
from operate.terminal import print_lines, require_consent

_RESTORE_SECONDS = 1500
"""A restore waits up to 17 minutes for WorkMail, and longer only if a service does not answer."""


@click.command()
@click.argument("text", metavar="WHO")
@click.option("--reason", help="Why; it is recorded.")
@click.option("--requested-by", metavar="NAME", help="Who asks; by default the caller's name in AWS.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@account_options
def restore(account: Account, text: str, reason: str | None, requested_by: str | None, *, yes: bool) -> None:
    """Restore WHO within the 30 days: the mailbox, the address, the aliases and the groups.

    WHO is the recorded primary address, the name or the id, or the ARN of the offboarding's execution.
    """
    record = find_restorable(account, RecordsTable(account), text)
    print_lines(describe_restore(record, account.stack.service_end))
    label = label_entity(record["Entity"])
    require_consent(f"Restore {label}?", is_given=yes)
    request = {
        "ExecutionArn": record["Id"],
        "RequestedBy": requested_by or account.caller,
        **({"Reason": reason} if reason else {}),
    }
    arn = start_execution(account, RESTORE, request)
    _print_result(wait_for_end(account, arn, _RESTORE_SECONDS, "The restore runs"), record)


def _print_result(execution: Execution, record: Values) -> None:
    """Print what a restore has done.

    Raises
    ------
    Refusal
        If something is missing, or everything.
    """
    if execution.is_running:
        raise Refusal(f"The restore still runs, because a service does not answer. Its execution is {execution.arn}.")
    if not execution.has_succeeded:
        raise Refusal(execution.ending)
    print_lines([f"{execution.outcome}: {execution.cause}"])
    missing = execution.output.get("Missing", ())
    print_lines(f"Missing:     {line}" for line in _describe_missing(missing, record))
    if execution.outcome != "Restored":
        raise Refusal("The restore is not complete. Put back by hand what is missing.")


def _describe_missing(items: list[Mapping[str, str]], record: Values) -> Iterator[str]:
    names = {group["Id"]: group["Name"] for group in record["Entity"].get("Groups") or ()}
    for item in items:
        kind, value = next((name, text) for name, text in item.items() if name != "Because")
        subject = f"{kind.lower()} {names.get(value, value)}" if value != "unknown" else kind.lower()
        yield f"{subject}. {item['Because']}"
