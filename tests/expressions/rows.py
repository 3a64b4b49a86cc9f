"""The rows in ``rows.jsonl``: expressions of the definitions, the variables that they read, and their outcomes.

Each line has these members:

- ``expression``: the JSONata, without its delimiters.
- ``now``: the time of the evaluation, RFC 3339; only if the expression reads it.
- ``variables``: what the expression reads, by name; ``states`` is ``$states``.
- one of ``result``, ``undefined`` (true) and ``error`` (the code): what `jsonata` 2.0.6 makes of it, which is what
  Step Functions runs. Undefined results and errors fail the state there.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("rows.jsonl")
OUTCOME_MEMBERS = ("result", "undefined", "error")
_MEMBERS = ("expression", "now", "variables", *OUTCOME_MEMBERS)
Row = dict[str, Any]


def read_rows() -> list[Row]:
    """Return the rows of the file, in its order."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def render_rows(rows: Iterable[Row]) -> str:
    """Return the content of the file: one row per line, each once, in a stable order."""
    lines = {
        json.dumps({name: _sort_keys(row[name]) for name in _MEMBERS if name in row}, ensure_ascii=False)
        for row in rows
    }
    return "".join(f"{line}\n" for line in sorted(lines))


def _sort_keys(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True))
