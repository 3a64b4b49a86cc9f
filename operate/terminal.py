"""What commands print: tables, dates and questions, on a terminal or into a pipe.

Into a pipe go the same lines without colour, and without a line break at the width of any terminal.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import click
from rich import box
from rich.console import Console
from rich.table import Column, Table

from operate.errors import Refusal

_PIPE_WIDTH = 10_000
"""No line of a table is broken or cut in a pipe."""
_PAGE_ROWS = 1000


def make_console() -> Console:
    """Make the console of the standard output."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=width is not None)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under the names of their columns; None is an empty cell.

    After a thousand rows another table begins, so that memory does not grow with them.
    """
    remaining = iter(rows)
    page = [*islice(remaining, _PAGE_ROWS)]
    while True:
        # An id is of no use if its end is cut off.
        table = Table(
            *(Column(name, overflow="fold") for name in columns), box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False
        )
        for row in page:
            table.add_row(*("" if cell is None else one_line(cell) for cell in row))
        make_console().print(table)
        page = [*islice(remaining, _PAGE_ROWS)]
        if not page:
            return


def print_facts(title: str, facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values below a title; a value that is None or empty is left out."""
    rows = [(name, one_line(value)) for name, value in facts if value not in (None, "", ())]
    width = max((len(name) for name, _ in rows), default=0)
    print_section(title, (f"{name:{width}}  {value}" for name, value in rows))


def print_section(title: str, lines: Iterable[str]) -> None:
    """Print lines below a title, after an empty line; nothing if there are no lines."""
    iterator: Iterator[str] = iter(lines)
    for number, line in enumerate(iterator):
        if number == 0:
            click.echo(f"\n{title}")
        click.echo(f"  {remove_controls(line)}")


def print_lines(lines: Iterable[str], *, is_error: bool = False) -> None:
    """Print lines without control characters, and with their spaces, on the standard output or the standard error."""
    for line in lines:
        click.echo(remove_controls(line), err=is_error)


def remove_controls(text: str) -> str:
    """Return a text with spaces for its control characters: names are chosen by people, and terminals obey texts."""
    return "".join(character if character.isprintable() else " " for character in text)


def one_line(value: object) -> str:
    """Return a text as one line without control characters, and with single spaces."""
    return " ".join(remove_controls(str(value)).split())


def render_moment(moment: str | None) -> str | None:
    """Render a moment (RFC 3339) for a person, in UTC: `2026-12-31 17:00`.

    None stays None, and a text that is no moment stays as it is.
    """
    parsed = parse_moment(moment)
    return moment if parsed is None else f"{parsed:%Y-%m-%d %H:%M}"


def parse_moment(moment: str | None) -> datetime | None:
    """Parse a moment of the table of records (RFC 3339); None if it is missing, or no moment."""
    try:
        parsed = datetime.fromisoformat(moment or "")
    except (TypeError, ValueError):
        return None
    return None if parsed.tzinfo is None else parsed.astimezone(UTC)


def render_remaining_time(moment: str | None, now: datetime) -> str | None:
    """Render how long it is until a moment (RFC 3339): `30 days`, `5 hours`, `over`; None if there is no moment."""
    parsed = parse_moment(moment)
    if parsed is None:
        return None
    remaining = parsed - now
    if remaining <= timedelta():
        return "over"
    count, unit = (remaining.days, "day") if remaining.days else (remaining // timedelta(hours=1), "hour")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def require_consent(question: str, *, is_given: bool) -> None:
    """Ask a person before something cannot be undone, or take the option `--yes` for the answer.

    Raises
    ------
    Refusal
        If the answer is no, or nobody can be asked.
    """
    if is_given:
        return
    click.echo(f"{remove_controls(question)} [y/N] ", nl=False, err=True)
    answer = sys.stdin.readline()
    if answer.strip().lower() not in {"y", "yes"}:
        raise Refusal("Nothing was changed." if answer else "Nothing was changed: answer y, or give --yes.")
