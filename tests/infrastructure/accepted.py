"""Reads ``docs/accepted-findings.md``, to compare it with the accepted findings."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| `([^`|]+)` \| (.+) \|$", re.MULTILINE)


def read_documented_findings(tool: str) -> set[tuple[str, str]]:
    """Read the rules in the table of a tool, each with the reason."""
    page = (ROOT / "docs" / "accepted-findings.md").read_text()
    [section] = re.findall(rf"^## {re.escape(tool)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return set(_ROW.findall(section))


def is_one_sentence(reason: str) -> bool:
    return len(reason) > 40 and reason[0].isupper() and reason.endswith(".") and not re.search(r"[.!?] [A-Z]", reason)
