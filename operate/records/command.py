"""The commands `offboarding records export` and `offboarding records import`."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click

from operate.account import Account
from operate.errors import Refusal
from operate.options import account_options, exit_with, report
from operate.records.adjustments import Adjustments
from operate.records.exporting import export_records
from operate.records.files import RecordsReader, replace_file
from operate.records.importing import ImportResult, RecordsImport

STANDARD_OUTPUT = "-"

_table_option = click.option(
    "--table", help="The table of records, if it is not that of the stack: one that a deleted stack has left."
)


@click.group()
def records() -> None:
    """Write the table of records into a file, and read it back."""


@records.command("export")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@_table_option
@account_options
def export(path: str, table: str | None, account: Account) -> None:
    """Write all records into FILE, as JSON Lines; - is the standard output.

    FILE has names and addresses: only its owner can read it.
    """
    name = table or account.find_records_table()
    if path == STANDARD_OUTPUT:
        count = export_records(account, name, sys.stdout.buffer, report)
    else:
        require_new_file(Path(path))
        count = export_to_file(account, name, Path(path))
    report(f"Items of {name} exported: {count}.")


def require_new_file(path: Path) -> None:
    """Require that no file is replaced: it may be the only one that has the records of a deleted stack.

    Raises
    ------
    Refusal
        If there is such a file.
    """
    if path.exists():
        raise Refusal(f"The file {path} exists, and nothing was exported: name another file, or move it away.")


def export_to_file(account: Account, table: str, path: Path) -> int:
    """Export a table into a file, in full or not at all; return how many items it has.

    Raises
    ------
    Refusal
        If the file cannot be written.
    """
    try:
        with replace_file(path) as file:
            return export_records(account, table, file, report)
    except OSError as error:
        raise Refusal(f"The file {path} cannot be written: {error.strerror}.") from None


@records.command("import")
@click.argument("file", type=click.File("rb"))
@_table_option
@account_options
def import_(file: BinaryIO, table: str | None, account: Account) -> None:
    """Write the records of FILE into the table of the stack, except those that are there.

    An item that is there and differs is listed, and not changed; then the exit code is 1.
    """
    if not file.seekable():
        raise click.UsageError("FILE is read more than once: it must be a file, and no pipe.")
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    name = table or account.find_records_table()
    result = RecordsImport(account, name, RecordsReader(file), now, report, _print_difference).run()
    _print_result(result)
    if result.different:
        exit_with(f"Items that are in the table and differ were not changed: {result.different}.")


def _print_difference(key: tuple[str, str]) -> None:
    click.echo(f"Differs: {key[0]} {key[1]}")


def _print_result(result: ImportResult) -> None:
    click.echo(f"Items written: {result.written}; in the table already: {result.present}.")
    for count, sentence in (
        (result.kept, "Items of the caps and the sweep that the table has of its own: {}."),
        (result.erased, "Items left out, because their person was erased after the export: {}."),
        *_list_adjustments(result.adjustments),
    ):
        if count:
            click.echo(sentence.format(count))


def _list_adjustments(adjustments: Adjustments) -> list[tuple[int, str]]:
    return [
        (adjustments.released, "Entities released, because the executions that held them are over: {}."),
        (
            adjustments.closed,
            "Offboardings that waited for a date or an approval: {}. The next sweep ends them as Forgotten.",
        ),
        (
            adjustments.unwatched,
            "Offboardings in the window that no execution watches: {}. Start each again to have it verified.",
        ),
    ]
