"""The story of the demo: one line for each stage that something has reached, and none twice."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from local.demo.observer import Observer
from local.demo.progress import Progress, join_names
from local.demo.rows import STARTS_AT, Row


@dataclass(frozen=True)
class StoryLine:
    """What happened, and what came of it.

    Attributes
    ----------
    subjects
        The names of the entities that it is about.
    """

    at: datetime
    action: str
    result: str
    subjects: tuple[str, ...]

    @property
    def day(self) -> int:
        """The day of the demo, counted from the date on which the clock starts."""
        return (self.at.date() - STARTS_AT.date()).days

    def to_json(self) -> dict[str, Any]:
        """Return it, the date in RFC 3339."""
        return {
            "Day": self.day,
            "At": self.at.isoformat(),
            "Action": self.action,
            "Result": self.result,
            "Entities": list(self.subjects),
        }


@dataclass
class Narrator:
    """Tells what is new since it was last asked.

    Attributes
    ----------
    lines
        Everything that it has told.
    """

    lines: list[StoryLine] = field(default_factory=list)
    _stages: set[tuple[str, str, str]] = field(default_factory=set)
    _titles: set[str] = field(default_factory=set)

    def tell(self, rows: Iterable[Row], observer: Observer) -> list[StoryLine]:
        """Return a line for each new stage of these rows; what is the same for several entities is one line."""
        news = [
            (self._choose_action(row, progress), progress)
            for row in rows
            for progress in row.list_progress(observer)
            if self._is_new(row, progress)
        ]
        groups: dict[tuple[date, str, str], list[Progress]] = {}
        for action, progress in sorted(news, key=lambda item: item[1].at):
            groups.setdefault((progress.at.date(), action, progress.result), []).append(progress)
        lines = [_make_line(action, group) for (_, action, _), group in groups.items()]
        self.lines += lines
        return lines

    def _is_new(self, row: Row, progress: Progress) -> bool:
        key = (row.title, progress.subject, progress.stage)
        if key in self._stages:
            return False
        self._stages.add(key)
        return True

    def _choose_action(self, row: Row, progress: Progress) -> str:
        is_beginning = row.title not in self._titles
        self._titles.add(row.title)
        return row.action if is_beginning and row.action else progress.action


def _make_line(action: str, group: list[Progress]) -> StoryLine:
    names = tuple(dict.fromkeys(progress.subject for progress in group))
    count = f"{len(names)} " if len(names) > 1 else ""
    return StoryLine(
        at=group[0].at, action=action.format(join_names(names)), result=f"{count}{group[0].result}", subjects=names
    )
