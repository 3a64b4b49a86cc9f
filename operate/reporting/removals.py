"""The calendar of coming removals, as a table for each month."""

import calendar
from collections.abc import Iterator, Mapping
from datetime import date
from html import escape

WORKMAIL_LAST_DAY = date(2027, 3, 31)
"""The last day of Amazon WorkMail, as AWS has announced it."""
_MAX_MONTHS = 24
_WEEKDAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_MONTHS_OF_YEAR = 12


def list_months(removals: Mapping[str, int], today: date) -> list[tuple[int, int]]:
    """List the months from today until the last removal or the end of WorkMail, each as its year and number.

    Parameters
    ----------
    removals
        How many mailboxes are removed on a day (`2026-12-31`).
    today
        The day of the report.
    """
    last = max([*map(date.fromisoformat, removals), today, WORKMAIL_LAST_DAY])
    indexes = range(_index(today), min(_index(last) + 1, _index(today) + _MAX_MONTHS))
    return [(index // _MONTHS_OF_YEAR, index % _MONTHS_OF_YEAR + 1) for index in indexes]


def _index(day: date) -> int:
    return day.year * _MONTHS_OF_YEAR + day.month - 1


def render_calendar(removals: Mapping[str, int], today: date) -> Iterator[str]:
    """Yield the HTML of a calendar. What it cannot show is counted in sentences."""
    months = list_months(removals, today)
    yield '<div class="months">'
    for year, month in months:
        yield from _render_month(year, month, removals)
    yield "</div>"
    begin, end = (f"{year:04}-{month:02}" for year, month in (months[0], months[-1]))
    for sentence, count in (
        ("Removals that were due in earlier months, and that no offboarding has verified", _count(removals, "", begin)),
        ("Removals after these months", _count(removals, f"{end}-32", "9999")),
    ):
        if count:
            yield f"<p>{sentence}: {count}.</p>"


def _count(removals: Mapping[str, int], since: str, until: str) -> int:
    return sum(count for day, count in removals.items() if since <= day < until)


def _render_month(year: int, month: int, removals: Mapping[str, int]) -> Iterator[str]:
    total = sum(count for day, count in removals.items() if day.startswith(f"{year:04}-{month:02}"))
    yield f'<table class="month"><caption>{calendar.month_name[month]} {year}: {total}</caption>'
    yield "<thead><tr>" + "".join(f'<th scope="col">{day}</th>' for day in _WEEKDAYS) + "</tr></thead><tbody>"
    for week in calendar.Calendar().monthdatescalendar(year, month):
        cells = (_render_day(day, removals) if day.month == month else "<td></td>" for day in week)
        yield "<tr>" + "".join(cells) + "</tr>"
    yield "</tbody></table>"


def _render_day(day: date, removals: Mapping[str, int]) -> str:
    count = removals.get(f"{day}", 0)
    mark = " <span>WorkMail ends</span>" if day == WORKMAIL_LAST_DAY else ""
    removed = f" <b>{count}<i> removed</i></b>" if count else ""
    classes = " ".join(name for name, holds in (("removal", count), ("end", mark)) if holds)
    attribute = f' class="{escape(classes)}"' if classes else ""
    return f'<td{attribute}><time datetime="{day}">{day.day}</time>{removed}{mark}</td>'
