"""The command `offboarding destroy`: it says what waits, exports the records, and deletes the stack."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from operate.account import Account, Stack
from operate.destroy.deletion import delete_stack, list_remaining_machines, unprotect_stack, unprotect_table
from operate.destroy.executions import (
    Execution,
    describe_waiting,
    list_unfinished,
    stop_all,
    wait_for_records,
)
from operate.destroy.intake import describe_messages, paused_intake
from operate.destroy.leftovers import describe_leftovers, list_retained
from operate.errors import Refusal
from operate.options import account_options, report
from operate.records.command import export_to_file, require_new_file

_STACK, _TABLE = "stack", "table"


@click.command()
@click.option("--stop", is_flag=True, help="Stop what still waits (make: STOP=yes).")
@click.option(
    "--unprotect",
    multiple=True,
    type=click.Choice([_STACK, _TABLE]),
    help='Lift the protection of the stack, and of the table that it leaves (make: UNPROTECT="stack table").',
)
@click.option("--yes", "confirmed_name", metavar="NAME", help="The name of the stack: do not ask (make: YES=NAME).")
@click.option(
    "--export", "path", type=click.Path(path_type=Path, dir_okay=False), help="The file for the records (make: EXPORT)."
)
@account_options
def destroy(
    account: Account, path: Path | None, confirmed_name: str | None, unprotect: tuple[str, ...], *, stop: bool
) -> None:
    """Delete the stack, after its records were exported.

    It refuses while something waits, as long as you do not have it stopped, and while the stack is protected.
    """
    stack = account.require_stack()
    waiting = list_unfinished(account, stack)
    for line in (*describe_waiting(account, stack, waiting), *describe_messages(account, stack)):
        click.echo(line)
    if waiting and stop:
        click.echo("What is stopped is not verified any more. To restore somebody after that needs a new stack.")
    _require_deletable(stack, waiting, is_stopping=stop, is_unprotecting=_STACK in unprotect)
    if path is not None:
        require_new_file(path)
    _require_confirmation(stack, confirmed_name)
    retained = list_retained(account, stack)
    table = stack.outputs.get("RecordsTableName")
    export = path or _name_export(stack) if table else None
    with paused_intake(account, stack):
        if waiting:
            if table and export:
                # Nothing is stopped if that is not possible. What is exported at the end replaces it.
                export_to_file(account, table, export)
            wait_for_records(account, stack, stop_all(account, stack, waiting))
        if table and export:
            click.echo(f"Items exported into {export}: {export_to_file(account, table, export)}.")
        _require_nothing_started(list_unfinished(account, stack))
        _lift_protections(account, stack, table if _TABLE in unprotect else None)
        report(f"The stack {stack.name} is being deleted …")
        delete_stack(account, stack)
    remaining = list_remaining_machines(account, stack)
    click.echo(f"The stack {stack.name} is deleted.")
    for line in describe_leftovers(account, retained, export, is_table_protected=_TABLE not in unprotect):
        click.echo(line)
    if remaining:
        raise Refusal(f"These are still being deleted, and until then nothing can be deployed: {', '.join(remaining)}.")


def _lift_protections(account: Account, stack: Stack, table: str | None) -> None:
    if stack.is_protected:
        unprotect_stack(account, stack)
    if table is not None:
        unprotect_table(account, table)


def _name_export(stack: Stack) -> Path:
    return Path(f"{stack.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl")


def _require_deletable(stack: Stack, waiting: list[Execution], *, is_stopping: bool, is_unprotecting: bool) -> None:
    if stack.status.endswith("_IN_PROGRESS") and not stack.is_unapproved:
        raise Refusal(f"The stack {stack.name} is {stack.status}: wait for that, then start again.")
    if waiting and not is_stopping:
        raise Refusal(f"Executions still wait ({len(waiting)}): let them end, or stop them with STOP=yes (--stop).")
    if stack.is_protected and not is_unprotecting:
        raise Refusal(f"The stack {stack.name} is protected: lift that with UNPROTECT=stack (--unprotect stack).")


def _require_confirmation(stack: Stack, confirmed_name: str | None) -> None:
    """Require the name of the stack, as an option or as a line of the standard input, which may be a pipe."""
    name = confirmed_name
    if name is None:
        click.echo(f"Type the name of the stack to delete it ({stack.name}): ", nl=False, err=True)
        name = sys.stdin.readline().strip()
    if not name:
        raise Refusal(f"Nothing was changed: no name was given. Type {stack.name}, or give YES={stack.name} (--yes).")
    if name != stack.name:
        raise Refusal(f"Nothing was changed: the name of the stack is {stack.name}, and not {name}.")


def _require_nothing_started(executions: list[Execution]) -> None:
    if executions:
        raise Refusal(
            f"Nothing was deleted, because executions have started meanwhile ({len(executions)}): start again."
        )
