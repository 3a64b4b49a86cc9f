"""Figures of the benchmarks: a table for a person, and JSON beside it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One figure: a ratio within one run, or a count.

    Attributes
    ----------
    name
        What was measured.
    value, unit
        The median, if it was measured several times; a ratio has no unit.
    spread
        The least and the most, if it was measured several times.
    goal
        The goal, in words; nothing if there is none.
    is_met
        Whether the goal is met.
    """

    name: str
    value: float
    unit: str = ""
    spread: tuple[float, float] | None = None
    goal: str = ""
    is_met: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it with its members' names."""
        return asdict(self)


def make_ratio(name: str, values: Iterable[float], limit: float | None = None) -> Figure:
    """Make the figure of a ratio that was measured several times.

    Parameters
    ----------
    name
        What was measured.
    values
        The ratios.
    limit
        The goal: the most that the median is to be.
    """
    ordered = sorted(values)
    median = ordered[len(ordered) // 2]
    return Figure(
        name,
        median,
        spread=(ordered[0], ordered[-1]),
        goal="" if limit is None else f"at most {limit:g}",
        is_met=None if limit is None else round(median, 2) <= limit,
    )


def limit_figure(name: str, value: float, unit: str, most: float) -> Figure:
    """Make a figure whose goal is a value that it must not exceed."""
    return Figure(name, value, unit, goal=f"at most {most:g}", is_met=value <= most)


def publish_figures(title: str, figures: Sequence[Figure], file: Path | None) -> None:
    """Print figures as a table, and write them into a file as JSON, if one is named."""
    _print_figures(title, figures, Console())
    if file:
        file.write_text(json.dumps([figure.to_json() for figure in figures], indent=2) + "\n", encoding="utf-8")


def _print_figures(title: str, figures: Sequence[Figure], console: Console) -> None:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading, justify in (("figure", "left"), ("value", "right"), ("least to most", "right"), ("goal", "left")):
        table.add_column(heading, justify=justify)
    table.add_column("met")
    for figure in figures:
        spread = "" if figure.spread is None else " to ".join(f"{bound:.2f}" for bound in figure.spread)
        value = f"{figure.value:,.2f}" if isinstance(figure.value, float) else f"{figure.value:,}"
        met = {True: "yes", False: "NO", None: ""}[figure.is_met]
        table.add_row(figure.name, f"{value} {figure.unit}".strip(), spread, figure.goal, met)
    console.print(table)
    console.print()
