"""A period of time, as a person gives it with `--since` and `--until`."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import click

SPAN_FORMS = "a day like 2026-03-31, a month like 2026-03, a quarter like 2026-Q1 or a year"
"""What `parse_span` takes, for people."""
_QUARTER = re.compile(r"(\d{4})-?Q([1-4])", re.IGNORECASE)
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_YEAR = re.compile(r"\d{4}")
_MONTHS_OF_QUARTER = 3
_MONTHS_OF_YEAR = 12


@dataclass(frozen=True)
class Period:
    """From a moment until before another one, both RFC 3339 in UTC as the table of records has them."""

    since: str
    until: str


def parse_period(since: str | None, until: str | None, now: datetime, default_days: int) -> Period:
    """Return the period that two options give.

    Parameters
    ----------
    since
        The first date, the first day of a month, quarter or year, or a moment; by default some days before the end.
    until
        The last date, month, quarter or year, all of which counts, or the moment before which it ends; by default the
        next second.
    now
        The time now.
    default_days
        How long the period is if `since` is not given.

    Raises
    ------
    UsageError
        If one of them is neither a date nor a moment, or the end is before the start.
    """
    end = now + timedelta(seconds=1) if until is None else _parse(until, "--until", is_end=True)
    start = end - timedelta(days=default_days) if since is None else _parse(since, "--since", is_end=False)
    if end <= start:
        raise click.UsageError("--since is later than now." if until is None else "--until must be later than --since.")
    return Period(render_rfc3339(start), render_rfc3339(end))


def render_rfc3339(moment: datetime) -> str:
    """Render a moment as the table of records has it: `2026-12-31T17:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_span(text: str) -> tuple[date, date]:
    """Return the first and the last day of `2026-03-05`, `2026-03`, `2026-Q1` or `2026`.

    Raises
    ------
    ValueError
        If the text is none of these, or too far from today to be a date of the records.
    """
    try:
        if match := _QUARTER.fullmatch(text):
            year, quarter = int(match[1]), int(match[2])
            return _list_months(year, _MONTHS_OF_QUARTER * (quarter - 1) + 1, _MONTHS_OF_QUARTER)
        if match := _MONTH.fullmatch(text):
            return _list_months(int(match[1]), int(match[2]), 1)
        if _YEAR.fullmatch(text):
            return _list_months(int(text), 1, _MONTHS_OF_YEAR)
        day = date.fromisoformat(text)
        return day, day + timedelta(days=1) - timedelta(days=1)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def _list_months(year: int, month: int, count: int) -> tuple[date, date]:
    index = year * _MONTHS_OF_YEAR + month - 1 + count
    following = date(index // _MONTHS_OF_YEAR, index % _MONTHS_OF_YEAR + 1, 1)
    return date(year, month, 1), following - timedelta(days=1)


def _parse(text: str, option: str, *, is_end: bool) -> datetime:
    try:
        begin, last = parse_span(text)
        return datetime.combine(last + timedelta(days=1) if is_end else begin, time(), UTC)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    forms = f"{SPAN_FORMS}, or a moment with its offset like 2026-12-31T17:00:00Z"
    raise click.UsageError(f"{option} takes {forms}, and not {text}.")
