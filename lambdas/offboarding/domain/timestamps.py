"""Moments as they cross states, records and events: RFC 3339 in UTC, in whole seconds where Step Functions waits."""

from datetime import UTC, datetime, timedelta

ONE_DAY = timedelta(days=1)


def parse(timestamp: str) -> datetime:
    """Parse an RFC 3339 timestamp.

    Raises
    ------
    ValueError
        If it is not a timestamp, or has no offset from UTC.
    """
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is None:
        raise ValueError("A timestamp must have its offset from UTC, like 2026-12-22T17:00:00Z.")
    return moment.astimezone(UTC)


def render(moment: datetime) -> str:
    """Render a moment as RFC 3339 in UTC with milliseconds, the form that a Wait state takes.

    Parameters
    ----------
    moment
        An aware datetime; microseconds are cut off.

    Returns
    -------
    str
        Like `2026-12-22T17:00:00.000Z`.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def whole_second(moment: datetime) -> datetime:
    """Round up to a whole second: a Wait state cuts fractions off, and would end that much too early.

    https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html
    """
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)
