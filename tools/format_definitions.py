"""Formats the state machines' definitions so that people can read them: ``python -m tools.format_definitions``.

A value stands on one line if it fits into `WIDTH` columns. Otherwise each of its members has a line of its own, and an
empty line separates the states. What a list holds (rules to retry, to catch, to choose) is set more tightly: its
brackets take no lines, and its short members share one.
"""

import json
from itertools import pairwise
from pathlib import Path

WIDTH = 120
DEFINITIONS = sorted((Path(__file__).parents[1] / "statemachine").glob("*.asl.json"))

_INDENT = 2
_SHORT_COLUMNS = 40
"""How long a member of a rule is at most that shares its line: the name of an error, or a number with its label."""


def format_definition(definition: str) -> str:
    """Lay out a definition. The text depends on the JSON alone, and not on its layout.

    Parameters
    ----------
    definition
        A state machine in the Amazon States Language, as text.

    Returns
    -------
    str
        The text of its file.
    """
    return _block(json.loads(definition), indent=0, used=0) + "\n"


def _block(value: object, indent: int, used: int) -> str:
    """Format a value whose line is indented, and has a number of columns used by what stands before and after it."""
    line = json.dumps(value, ensure_ascii=False)
    if used + len(line) <= WIDTH or not isinstance(value, dict | list):
        return line
    margin = indent + _INDENT
    if isinstance(value, list):
        parts = [_rule(element, margin, after=1) for element in value]
    else:
        labels = {name: f"{json.dumps(name)}: " for name in value}
        parts = [label + _block(value[name], margin, margin + len(label) + 1) for name, label in labels.items()]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    separator = ",\n\n" if _are_states(value) else ",\n"
    body = separator.join(" " * margin + part for part in parts)
    return f"{opening}\n{body}\n{' ' * indent}{closing}"


def _are_states(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(state, dict) and "Type" in state for state in value.values())


def _rule(value: object, column: int, after: int) -> str:
    """Format a value that starts at a column, and has a number of columns of other brackets and commas after it."""
    line = json.dumps(value, ensure_ascii=False)
    if column + len(line) + after <= WIDTH or not isinstance(value, dict | list):
        return line
    column, after = column + 1, after + 1
    if isinstance(value, list):
        return f"[{_shared_lines([_rule(element, column, after) for element in value], column, after)}]"
    labels = {name: f"{json.dumps(name)}: " for name in value}
    parts = [label + _rule(value[name], column + len(label), after) for name, label in labels.items()]
    return f"{{{_shared_lines(parts, column, after)}}}"


def _shared_lines(parts: list[str], column: int, after: int) -> str:
    """Separate parts by commas, on lines that start at a column; short ones share a line as long as they fit."""
    text, used = parts[0], column + len(parts[0])
    for previous, part in pairwise(parts):
        is_short = max(len(previous), len(part)) <= _SHORT_COLUMNS
        if is_short and used + len(", ") + len(part) + after <= WIDTH:
            text, used = f"{text}, {part}", used + len(", ") + len(part)
        else:
            text, used = f"{text},\n{' ' * column}{part}", column + len(part)
    return text


def main() -> None:
    """Format every definition in its file."""
    for path in DEFINITIONS:
        path.write_text(format_definition(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
