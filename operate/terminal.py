"""What commands print: tables, dates and questions, on a terminal or into a pipe.

Into a pipe go the same lines without colour, and without a line break at the width of any terminal.
"""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
from rich import box
from rich.console import Console
from rich.table import Table

from operate.errors import Refusal

_PIPE_WIDTH = 10_000
"""No line of a table is broken or cut in a pipe."""


def make_console() -> Console:
    """Make the console of the standard output."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=width is not None)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under the names of their columns; None is an empty cell."""
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    make_console().print(table)


def render_moment(moment: str | None) -> str | None:
    """Render a moment (RFC 3339) for a person, in UTC: `2026-12-31 17:00`; None stays None."""
    if moment is None:
        return None
    parsed = datetime.fromisoformat(moment)
    return f"{parsed.astimezone(UTC):%Y-%m-%d %H:%M}"


def require_consent(question: str, *, is_given: bool) -> None:
    """Ask a person before something cannot be undone, or take the option `--yes` for the answer.

    Raises
    ------
    Refusal
        If the answer is no, or nobody can be asked.
    """
    if is_given:
        return
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    answer = sys.stdin.readline()
    if answer.strip().lower() not in {"y", "yes"}:
        raise Refusal("Nothing was changed." if answer else "Nothing was changed: answer y, or give --yes.")
