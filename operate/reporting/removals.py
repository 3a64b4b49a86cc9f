"""The calendar of coming removals, as a table for each month."""

import calendar
from collections.abc import Iterator, Mapping
from datetime import date
from html import escape

_MAX_MONTHS = 24
_WEEKDAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_MONTHS_OF_YEAR = 12


def list_months(removals: Mapping[str, int], today: date, end: date) -> list[tuple[int, int]]:
    """List the months from today until the last removal or the end of WorkMail, each as its year and number.

    Parameters
    ----------
    removals
        How many mailboxes are removed on a day (`2026-12-31`).
    today
        The day of the report.
    end
        The day on which WorkMail ends.
    """
    last = max([*map(date.fromisoformat, removals), today, end])
    indexes = range(_index(today), min(_index(last) + 1, _index(today) + _MAX_MONTHS))
    return [(index // _MONTHS_OF_YEAR, index % _MONTHS_OF_YEAR + 1) for index in indexes]


def _index(day: date) -> int:
    return day.year * _MONTHS_OF_YEAR + day.month - 1


def render_calendar(removals: Mapping[str, int], today: date, end: date) -> Iterator[str]:
    """Yield the HTML of a calendar. What it cannot show is counted in sentences.

    From the day on which WorkMail ends, nothing says that a mailbox is removed: it cannot be observed any more.
    """
    months = list_months(removals, today, end)
    yield '<div class="months">'
    for year, month in months:
        yield from _render_month(year, month, removals, end)
    yield "</div>"
    first_month, last_month = (f"{year:04}-{month:02}" for year, month in (months[0], months[-1]))
    for sentence, count in (
        (
            "Clean-ups of earlier months that no offboarding has verified",
            _count(removals, "", first_month),
        ),
        ("Removals after these months", _count(removals, f"{last_month}-32", "9999")),
        (f"Removals that cannot be observed, as WorkMail ends on {end}", _count(removals, f"{end}", "9999")),
    ):
        if count:
            yield f"<p>{sentence}: {count}.</p>"


def _count(removals: Mapping[str, int], since: str, until: str) -> int:
    return sum(count for day, count in removals.items() if since <= day < until)


def _render_month(year: int, month: int, removals: Mapping[str, int], end: date) -> Iterator[str]:
    total = sum(count for day, count in removals.items() if day.startswith(f"{year:04}-{month:02}"))
    name = f"{calendar.month_name[month]} {year}: {total}"
    yield f'<div class="month"><div class="table" role="region" tabindex="0" aria-label="{name}">'
    yield f"<table><caption>{name}</caption>"
    yield "<thead><tr>" + "".join(f'<th scope="col">{day}</th>' for day in _WEEKDAYS) + "</tr></thead><tbody>"
    for week in calendar.Calendar().monthdatescalendar(year, month):
        cells = (_render_day(day, removals, end) if day.month == month else "<td></td>" for day in week)
        yield "<tr>" + "".join(cells) + "</tr>"
    yield "</tbody></table></div></div>"


def _render_day(day: date, removals: Mapping[str, int], end: date) -> str:
    count = removals.get(f"{day}", 0)
    mark = " <span>WorkMail ends</span>" if day == end else ""
    verb = "removed" if day < end else "not observable"
    removed = f" <b>{count}<i> {verb}</i></b>" if count else ""
    classes = " ".join(name for name, holds in (("removal", count), ("end", mark)) if holds)
    attribute = f' class="{escape(classes)}"' if classes else ""
    return f'<td{attribute}><time datetime="{day}">{day.day}</time>{removed}{mark}</td>'
