"""How the demo looks in a terminal: a live timeline while the clock moves, then what each execution proved."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.demo import Ending, Step, Story

_FRAME_SECONDS = 0.05
"""For how long a person sees a day; nothing but the picture waits for it."""
_PLAIN = ("Explanation", "DeregisteredAt", "RetentionEndsAt")
_TELLING = ("State", "DisabledDate", "MailboxSize", "Type")


def show(story: Story, console: Console) -> list[Ending]:
    """Run the story and draw it as it goes.

    Returns
    -------
    list[Ending]
        How each execution ended.
    """
    began: datetime | None = None
    with Live(console=console, auto_refresh=False) as live:
        for now in story.run():
            began = began or now
            live.update(_timeline(story, began, now), refresh=True)
            if console.is_terminal:
                time.sleep(_FRAME_SECONDS)
    for ending in story.latest:
        console.print(_proof(ending))
    return story.latest


def _timeline(story: Story, began: datetime, now: datetime) -> Group:
    table = Table(expand=True, title_justify="left")
    table.add_column("offboarding", ratio=3)
    table.add_column("state", ratio=3)
    table.add_column("since", ratio=2)
    for ending in story.latest:
        last = ending.steps[-1] if ending.steps else Step(began, "starting")
        table.add_row(ending.offboarding.title, _state(ending, last), f"{last.at:%Y-%m-%d %H:%M}")
    header = Text.assemble(
        (f"day {(now - began).days:>2}  ", "bold"), (f"{now:%Y-%m-%d %H:%M} UTC", "bold cyan"), f"  {story.says}"
    )
    return Group(header, table)


def _state(ending: Ending, last: Step) -> Text:
    if ending.status == "RUNNING":
        return Text(last.state, style="yellow")
    return Text(ending.outcome or ending.status, style="green" if ending.as_expected else "bold red")


def _proof(ending: Ending) -> Panel:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    for name, value in _facts(ending):
        grid.add_row(name, value)
    colour = "green" if ending.as_expected else "bold red"
    title = f"[{colour}]{ending.outcome or ending.status}[/]  {ending.offboarding.title}"
    return Panel(grid, title=title, title_align="left", expand=True)


def _facts(ending: Ending) -> Iterator[tuple[str, str]]:
    if not ending.as_expected:
        yield "expected", ending.offboarding.expected
    given: dict[str, Any] = ending.details.get("Input", {})
    if given:
        yield "input", f"EntityId {given['EntityId']}"
    if "Requester" in given:
        yield "requester", _short(given["Requester"])
    output: dict[str, Any] | None = ending.details.get("Output")
    if output is None:
        for member in ("Cause", "Reason", "Log"):
            if member in ending.details:
                yield member.lower(), str(ending.details[member])
    else:
        yield "entity", " ".join(str(value) for value in output["Entity"].values() if value)
        for member, value in output.items():
            if member in _PLAIN:
                yield member, str(value)
        for step, evidence in output["Evidence"].items():
            yield f"evidence, {step}", _evidence(evidence)
    if ending.steps:
        yield "timeline", "\n".join(f"{step.at:%Y-%m-%d %H:%M:%S}  {step.state}" for step in ending.steps)


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
        return " and ".join(map(str, value)) or "none"
    return str(value)
