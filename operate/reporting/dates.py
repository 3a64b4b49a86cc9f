"""The days of a report, as a person gives them: a day, a month, a quarter or a year."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import click

from operate.periods import SPAN_FORMS, Period, parse_span, render_rfc3339

_MAX_DAYS_BY_DAY = 62
"""A report of up to two months counts by day, and a longer one by month."""


@dataclass(frozen=True)
class Days:
    """Whole days in UTC; both the one at the beginning and the one at the end are included."""

    begin: date
    end: date

    @property
    def period(self) -> Period:
        """The same as moments."""
        since, until = (datetime.combine(day, time(), UTC) for day in (self.begin, self.end + timedelta(days=1)))
        return Period(render_rfc3339(since), render_rfc3339(until))

    @property
    def label(self) -> str:
        """The days, for people."""
        days = f"{self.begin}" if self.begin == self.end else f"{self.begin} to {self.end}, both included"
        return f"{days}, whole days in UTC"

    @property
    def is_by_day(self) -> bool:
        """Whether the report counts by day, and not by month."""
        return (self.end - self.begin).days < _MAX_DAYS_BY_DAY

    def find_group(self, moment: str) -> str:
        """Return the day or the month, to which a moment (RFC 3339 in UTC) belongs."""
        return moment[: len("2026-12-31")] if self.is_by_day else moment[: len("2026-12")]


def parse_days(begin: str, end: str | None) -> Days:
    """Return the days from the beginning of one text to the end of another one.

    Parameters
    ----------
    begin
        `2026-03-05`, `2026-03`, `2026-Q1` or `2026`.
    end
        The same; None if it is the end of what `begin` names.

    Raises
    ------
    UsageError
        If one of them is none of these, or the last day is before the first one.
    """
    days = Days(_parse(begin, "--from").begin, _parse(begin if end is None else end, "--to").end)
    if days.end < days.begin:
        raise click.UsageError("--to is before --from.")
    return days


def _parse(text: str, option: str) -> Days:
    try:
        return Days(*parse_span(text))
    except ValueError:
        raise click.UsageError(f"{option} takes {SPAN_FORMS}, and not {text}.") from None
