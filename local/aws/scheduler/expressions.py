"""The expressions of schedules: ``rate(…)`` and daily ``cron(…)``.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

_RATE = re.compile(r"rate\((?P<count>[1-9][0-9]*) (?P<unit>minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((?P<minute>\S+) (?P<hour>\S+) (?P<days>\S+ \S+ \S+ \S+)\)")
_EVERY_DAY = {"* * ? *", "? * * *"}
_FIELD_PART = re.compile(r"(?:\*|(?P<start>[0-9]+)(?:-(?P<end>[0-9]+))?)(?:/(?P<step>[1-9][0-9]*))?")


class Expression(Protocol):
    """When a schedule fires."""

    def next_after(self, when: datetime, created_at: datetime) -> datetime:
        """Return the first time after an instant, for a schedule that was created at another."""


@dataclass(frozen=True)
class Rate:
    """Fires at regular intervals, first when the schedule is created."""

    interval: timedelta

    def next_after(self, when: datetime, created_at: datetime) -> datetime:
        """Return the first time after an instant."""
        return created_at + ((when - created_at) // self.interval + 1) * self.interval


@dataclass(frozen=True)
class Daily:
    """Fires every day at each of some minutes of each of some hours, in a time zone."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    zone: ZoneInfo

    def next_after(self, when: datetime, created_at: datetime) -> datetime:
        """Return the first time after an instant."""
        today = when.astimezone(self.zone).date()
        times = (
            datetime.combine(today + timedelta(days=days), time(hour, minute), self.zone).astimezone(UTC)
            for days in range(3)
            for hour in self.hours
            for minute in self.minutes
        )
        return min(instant for instant in times if instant > when)


def parse_expression(text: str, zone: str = "UTC") -> Expression:
    """Parse the expression of a schedule.

    Raises
    ------
    NotImplementedError
        If it is not a rate, and not a cron expression of every day.
    """
    rate, cron = _RATE.fullmatch(text), _CRON.fullmatch(text)
    if rate:
        return Rate(timedelta(**{f"{rate['unit']}s": int(rate["count"])}))
    if cron and cron["days"] in _EVERY_DAY:
        return Daily(_parse_field(cron["minute"], 60, text), _parse_field(cron["hour"], 24, text), ZoneInfo(zone))
    raise NotImplementedError(f"Schedules have rate(…) or cron(minute hour * * ? *) here, not {text}")


def _parse_field(field: str, size: int, text: str) -> tuple[int, ...]:
    """Return the values of a field whose values are less than `size`."""
    values: set[int] = set()
    for part in field.split(","):
        match = _FIELD_PART.fullmatch(part)
        if match is None:
            raise NotImplementedError(f"{field} in {text} is not supported here")
        start = int(match["start"] or 0)
        is_open = match["start"] is None or (match["step"] is not None and match["end"] is None)
        end = size - 1 if is_open else int(match["end"] or start)
        if not start <= end < size:
            raise NotImplementedError(f"{field} in {text} is not supported here")
        values |= set(range(start, end + 1, int(match["step"] or 1)))
    return tuple(sorted(values))
