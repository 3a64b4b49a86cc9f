"""A period of time, as a person gives it with `--since` and `--until`."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import click

_FORMS = "a date like 2026-12-31, or a moment with its offset like 2026-12-31T17:00:00Z"


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
        The first date or moment; by default some days before the end.
    until
        The last date, of which the whole day counts, or the moment before which it ends; by default the next second.
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


def _parse(text: str, option: str, *, is_end: bool) -> datetime:
    try:
        day = date.fromisoformat(text)
        return datetime.combine(day + timedelta(days=is_end), time(), UTC)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise click.UsageError(f"{option} takes {_FORMS}, and not {text}.")
