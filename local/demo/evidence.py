"""The proof of each row of the demo, as a panel."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from local.demo.observer import IN_WINDOW, Window
from local.demo.rows import RowResult

_TEXT_MEMBERS = ("Explanation", "DeregisteredAt", "RetentionEndsAt", "OffboardingArn")
_STRUCTURED_MEMBERS = ("Plan", "Decision", "PutBack", "Missing")
_DETAIL_LABELS = {
    "Cause": "cause",
    "Reason": "reason",
    "Log": "log",
    "Before": "before",
    "After": "after",
    "Deregistered": "deregistered",
    "AwaitedApproval": "awaited approval",
    "Ended": "ended as",
}
_INPUT_SHOWN_SEPARATELY = ("OrganizationId", "Requester")
_ANSWER_MEMBERS = ("State", "DisabledDate", "MailboxSize", "Type")


def draw_window(window: Window) -> Panel:
    """Draw who is in the window, grouped by the end of the time there."""
    grid = _make_grid()
    for until, entities in groupby(window.entities, key=lambda entity: entity[1]):
        grid.add_row(f"until {until}", ", ".join(name for name, _ in entities))
    title = f"{len(window.entities)} in the window at {window.at:%Y-%m-%d %H:%M} UTC"
    query = f"index ByStatus, StatusKey = {IN_WINDOW}"
    return Panel(grid, title=title, title_align="left", subtitle=query, subtitle_align="left", expand=True)


def draw_proof(result: RowResult) -> Panel:
    """Draw everything that proves a result."""
    grid = _make_grid()
    for name, value in _list_facts(result):
        grid.add_row(name, escape(value))
    colour = "green" if result.is_as_expected else "bold red"
    title = f"[{colour}]{result.outcome or result.status}[/]  {result.title}"
    return Panel(grid, title=title, title_align="left", expand=True)


def _make_grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _list_facts(result: RowResult) -> Iterator[tuple[str, str]]:
    details = result.details
    if not result.is_as_expected:
        yield "expected", result.expected
    for contradiction in result.contradictions:
        yield "wrong", contradiction
    execution_input: dict[str, Any] = details.get("Input", {})
    if execution_input:
        shown = {name: value for name, value in execution_input.items() if name not in _INPUT_SHOWN_SEPARATELY}
        yield "input", _format_value(shown)
    if "Requester" in execution_input:
        yield "requester", _format_value(execution_input["Requester"])
    for member, label in _DETAIL_LABELS.items():
        if details.get(member):
            yield label, _format_value(details[member])
    for reason in details.get("ApprovalReasons", ()):
        yield "reason", reason
    if "Messages" in details:
        yield "messages", f"{len(details['Messages'])} from the notification topic"
    for message in details.get("Messages", ()):
        yield "message", f"{message['Subject']}\n{message['Message']}"
    if "Output" in details:
        yield from _list_output_facts(details["Output"])
    if "Record" in details:
        yield "record", f"{details['Record']['Status']}: {', '.join(details['Record']['Steps'])}"
    if result.steps:
        yield "timeline", "\n".join(f"{step.at:%Y-%m-%d %H:%M:%S}  {step.state}" for step in result.steps)


def _list_output_facts(output: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a label and a text for each part of an execution's output."""
    yield "entity", " ".join(str(value) for value in output["Entity"].values() if value)
    for member, value in output.items():
        if member in _TEXT_MEMBERS:
            yield member, str(value)
        elif member in _STRUCTURED_MEMBERS:
            yield member, _format_lines(value)
    for step, evidence in output["Evidence"].items():
        yield f"evidence, {step}", _format_evidence(evidence)


def _format_lines(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_format_value(inner)}" for name, inner in value.items())
    return _format_value(value)


def _format_evidence(evidence: dict[str, Any]) -> str:
    lines = [f"{name}: {_format_value(value)}" for name, value in evidence.items() if name not in {"At", "Answers"}]
    for answer in evidence["Answers"]:
        shown = {name: value for name, value in answer.get("Answer", {}).items() if name in _ANSWER_MEMBERS}
        lines.append(f"{answer['Operation']}: {answer.get('Error') or _format_value(shown)}")
    return "\n".join(lines)


def _format_value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_format_value(inner)}" for name, inner in value.items()) or "done"
    if isinstance(value, list):
        return "; ".join(map(_format_value, value)) or "none"
    return str(value)
