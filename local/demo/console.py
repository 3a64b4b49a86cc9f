"""How the demo looks in a terminal: a live timeline while the clock moves, then what each execution proved."""

import time
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.demo.observer import IN_WINDOW, Window
from local.demo.scenario import BEGINS, Ending, Story

_FRAME_SECONDS = 0.1
"""For how long a person sees a day; nothing but the picture waits for it."""
_PLAIN = ("Explanation", "DeregisteredAt", "RetentionEndsAt", "OffboardingArn")
_SPOKEN = ("Plan", "Decision", "PutBack", "Missing")
_LABELS = {
    "Cause": "cause",
    "Reason": "reason",
    "Log": "log",
    "Before": "before",
    "After": "after",
    "Deregistered": "deregistered",
    "AwaitedApproval": "awaited approval",
    "Ended": "ended as",
}
_ELSEWHERE = ("OrganizationId", "Requester")
_TELLING = ("State", "DisabledDate", "MailboxSize", "Type")


def show(story: Story, console: Console) -> None:
    """Run the story and draw it as it goes, then what proves it."""
    console.print(
        f"The demo's clock starts at {BEGINS:%Y-%m-%d %H:%M} UTC, whatever today is. "
        f"WorkMail ends on {story.service_ends_on}."
    )
    with Live(console=console, auto_refresh=False) as live:
        for now in story.run():
            live.update(_timeline(story, now), refresh=True)
            if console.is_terminal:
                time.sleep(_FRAME_SECONDS)
    if not console.is_terminal:
        console.print()
    console.print(_window(story.window))
    for ending in story.latest:
        console.print(_proof(ending))


def _timeline(story: Story, now: datetime) -> Group:
    table = Table(expand=True, title_justify="left")
    table.add_column("offboarding", ratio=3)
    table.add_column("state", ratio=3)
    table.add_column("since", ratio=2)
    for ending in story.latest:
        table.add_row(ending.title, _state(ending), f"{ending.since or BEGINS:%Y-%m-%d %H:%M}")
    header = Text.assemble(
        (f"day {(now - BEGINS).days:>3}  ", "bold"),
        (f"{now:%Y-%m-%d %H:%M} UTC", "bold cyan"),
        f"  {story.in_window} in the window  {story.says}",
    )
    return Group(header, table)


def _state(ending: Ending) -> Text:
    if ending.status == "RUNNING":
        return Text(ending.state or "starting", style="yellow")
    return Text(ending.outcome or ending.status, style="green" if ending.as_expected else "bold red")


def _window(window: Window) -> Panel:
    """Draw the answer to who is in the window, those together who are there until the same time."""
    grid = _grid()
    for until, stays in groupby(window.stays, key=lambda stay: stay[1]):
        grid.add_row(f"until {until}", ", ".join(name for name, _ in stays))
    title = f"{len(window.stays)} in the window at {window.at:%Y-%m-%d %H:%M} UTC"
    query = f"index ByStatus, StatusKey = {IN_WINDOW}"
    return Panel(grid, title=title, title_align="left", subtitle=query, subtitle_align="left", expand=True)


def _proof(ending: Ending) -> Panel:
    grid = _grid()
    for name, value in _facts(ending):
        grid.add_row(name, escape(value))
    colour = "green" if ending.as_expected else "bold red"
    title = f"[{colour}]{ending.outcome or ending.status}[/]  {ending.title}"
    return Panel(grid, title=title, title_align="left", expand=True)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    return grid


def _facts(ending: Ending) -> Iterator[tuple[str, str]]:
    details = ending.details
    if not ending.as_expected:
        yield "expected", ending.expected
    for fault in ending.faults:
        yield "wrong", fault
    given: dict[str, Any] = details.get("Input", {})
    if given:
        yield "input", ", ".join(f"{name} {_short(given[name])}" for name in given if name not in _ELSEWHERE)
    if "Requester" in given:
        yield "requester", _short(given["Requester"])
    for member, label in _LABELS.items():
        if details.get(member):
            yield label, _short(details[member])
    for reason in details.get("ApprovalReasons", ()):
        yield "reason", reason
    if "Messages" in details:
        yield "messages", f"{len(details['Messages'])} from the approval topic"
    for message in details.get("Messages", ()):
        yield "message", f"{message['Subject']}\n{message['Message']}"
    if "Output" in details:
        yield from _said(details["Output"])
    if "Record" in details:
        yield "record", f"{details['Record']['Status']}: {', '.join(details['Record']['Steps'])}"
    if ending.steps:
        yield "timeline", "\n".join(f"{step.at:%Y-%m-%d %H:%M:%S}  {step.state}" for step in ending.steps)


def _said(output: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Go through what an execution's output tells."""
    yield "entity", " ".join(str(value) for value in output["Entity"].values() if value)
    for member, value in output.items():
        if member in _PLAIN:
            yield member, str(value)
        elif member in _SPOKEN:
            yield member, _lines(value)
    for step, evidence in output["Evidence"].items():
        yield f"evidence, {step}", _evidence(evidence)


def _lines(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_short(inner)}" for name, inner in value.items())
    return _short(value)


def _evidence(evidence: dict[str, Any]) -> str:
    lines = [f"{name}: {_short(value)}" for name, value in evidence.items() if name not in {"At", "Answers"}]
    for answer in evidence["Answers"]:
        said = {name: value for name, value in answer.get("Answer", {}).items() if name in _TELLING}
        lines.append(f"{answer['Operation']} → {answer.get('Error') or _short(said)}")
    return "\n".join(lines)


def _short(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(inner)}" for name, inner in value.items()) or "done"
    if isinstance(value, list):
        return "; ".join(map(_short, value)) or "none"
    return str(value)
