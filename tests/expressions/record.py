"""Fills in the outcomes of the rows with the reference JSONata: ``python -m tests.expressions.record``.

To add a row, append a line with ``expression`` and ``variables`` to ``rows.jsonl`` and run it. It removes the rows of
expressions that no definition has. ``--check`` changes nothing, and fails if the file would change.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.definitions import list_expressions
from tests.expressions.rows import FILE, Row, read_rows, render_rows

_SCRIPT = Path(__file__).with_name("reference.mjs")


def evaluate_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with the outcomes that the reference gives them."""
    inputs = [{name: row[name] for name in ("expression", "variables", "now") if name in row} for row in rows]
    node = Path(sys.executable).with_name("node")
    answer = subprocess.run([node, _SCRIPT], input=json.dumps(inputs), capture_output=True, text=True, check=True)
    outcomes: list[Row] = json.loads(answer.stdout)
    return [{**row, **outcome} for row, outcome in zip(inputs, outcomes, strict=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or compare it.

    Returns
    -------
    int
        0 if the file is as the reference makes it, otherwise 1.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, and change nothing")
    options = parser.parse_args(arguments)
    expressions = list_expressions()
    content = render_rows(evaluate_rows([row for row in read_rows() if row["expression"] in expressions]))
    if not options.check:
        FILE.write_text(content, encoding="utf-8")
        return 0
    recorded = set(FILE.read_text(encoding="utf-8").splitlines())
    for line in sorted(recorded ^ set(content.splitlines())):
        sys.stderr.write(f"{'-' if line in recorded else '+'} {line}\n")
    is_current = FILE.read_text(encoding="utf-8") == content
    sys.stdout.write(f"{len(recorded)} rows are as the reference evaluates them\n" if is_current else "")
    return 0 if is_current else 1


if __name__ == "__main__":
    sys.exit(main())
