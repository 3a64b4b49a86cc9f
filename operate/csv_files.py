"""Writes CSV as RFC 4180 has it, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable, Sequence
from typing import TextIO

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins with one of these for a formula, and evaluates it."""


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], file: TextIO) -> int:
    """Write rows under the names of their columns, each as it comes; return how many rows these are.

    Lines end with CRLF. A text that a spreadsheet would evaluate gets an apostrophe before it.
    https://www.rfc-editor.org/rfc/rfc4180

    Parameters
    ----------
    columns
        The names in the first line.
    rows
        A cell for each column; None is an empty cell.
    file
        A text file that does not translate the ends of lines.
    """
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([neutralize_formula(cell) for cell in row])
        count += 1
    return count


def neutralize_formula(cell: object) -> object:
    """Return a cell as a spreadsheet shows it and does not evaluate it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell
