"""The report as one page of HTML, which needs nothing from anywhere, and prints on A4 in black and white."""

import base64
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import IO, BinaryIO

from operate.questions.offboardings import Offboarding
from operate.reporting.counts import LISTS, Step, find_list
from operate.reporting.reconciliation import Reconciliation
from operate.reporting.removals import render_calendar
from operate.reporting.rows import make_row
from operate.reporting.sections import Section, list_sections
from operate.reporting.survey import Heading, Survey
from operate.terminal import render_moment
from operate.wording.outcomes import MAILBOX_TOUCHED
from operate.wording.statuses import find_status_wording

_STYLE = "\n".join(
    (
        ":root{color-scheme:light dark;--text:#1a1a1a;--page:#fff;--line:#767676;--head:#eee;--wrong:#a40000}",
        "@media(prefers-color-scheme:dark){:root{--text:#eee;--page:#161616;--line:#8f8f8f;--head:#2b2b2b;--wrong:#ff9c9c}}",
        "body{margin:1.5rem auto;padding:0 1rem;max-width:75rem}",
        "body{background:var(--page);color:var(--text);font:1rem/1.4 sans-serif}",
        ".table{overflow-x:auto;margin:.5rem 0 1rem}",
        "table{border-collapse:collapse}",
        "th,td{border:1px solid var(--line);padding:.2rem .5rem;text-align:left;vertical-align:top}",
        "td small{display:block;font-size:.7rem;overflow-wrap:anywhere}",
        "td.whole{white-space:nowrap}",
        "th{background:var(--head)}",
        "td.number{text-align:right}",
        "dl{display:grid;grid-template-columns:max-content auto;gap:.1rem 1rem}",
        "dt{font-weight:bold}dd{margin:0;overflow-wrap:anywhere}",
        ".notice{border:2px solid var(--text);padding:.3rem .6rem;font-weight:bold}",
        ".wrong{color:var(--wrong);font-weight:bold}",
        ".months{display:flex;flex-wrap:wrap;gap:1rem}",
        ".month caption{font-weight:bold}",
        ".month{max-width:100%}.month .table{margin:0}.month td{min-width:3.4rem;height:3rem;font-size:.85rem}",
        ".month b{display:block;font-size:1.05rem}.month i{font:normal .7rem sans-serif}",
        ".month .removal{border-width:3px}.month .end{outline:3px double var(--text);outline-offset:-4px}",
        "@page{size:A4;margin:15mm}",
        "@media print{:root{--text:#000;--page:#fff;--line:#000;--head:#fff;--wrong:#000}",
        "body{margin:0;padding:0;font-size:9pt}",
        ".table{overflow:visible}.list table{table-layout:fixed;width:100%}.list td{overflow-wrap:break-word}",
        "th,td{padding:.15rem .3rem}.list th.date{width:15%}.list th.person{width:26%}.list th.sentence{width:24%}",
        "thead{display:table-header-group}tr,.month{break-inside:avoid}h2{break-after:avoid}}",
    )
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
"""A browser loads nothing, runs nothing, and takes only this style."""
_LIST_COLUMNS = ("When (UTC)", "Who", "What happened", "Mailbox", "Requested or decided by")
_WINDOW_COLUMNS = ("Retention ends (UTC)", "Who", "How it stands", "Disabled since (UTC)", "Requested by")
_WINDOW_TITLE = "Mailboxes in the window when this report was made"
_WIDTHS = {
    **dict.fromkeys(("When (UTC)", "Retention ends (UTC)", "Disabled since (UTC)"), "date"),
    "Who": "person",
    **dict.fromkeys(("What happened", "How it stands"), "sentence"),
}
"""The classes of columns in print, where no table can be scrolled."""


def write_page(survey: Survey, service_end: date, file: BinaryIO) -> Reconciliation:
    """Read what is open and the steps, and write the page.

    The lists by name go through files that only this process sees, because the counts come first. A list has no
    limit: nobody is left out.

    Parameters
    ----------
    service_end
        The day on which WorkMail ends.
    """
    with ExitStack() as stack:
        lists = {name: _List(stack.enter_context(tempfile.TemporaryFile()), LISTS[name]) for name in LISTS}
        window = _List(stack.enter_context(tempfile.TemporaryFile()), _WINDOW_TITLE)
        for record in survey.iterate_window():
            window.add(_render_window_row(Offboarding.from_record(record)))
        for step in survey.complete(survey.iterate_steps()):
            if (name := find_list(step)) is not None:
                lists[name].add(_render_row(step))
        reconciliation = survey.reconcile(sum(entry.count for entry in lists.values()), is_all=False)
        for part in _render_top(survey, service_end, reconciliation):
            file.write(part.encode())
        for entry in lists.values():
            entry.write(_LIST_COLUMNS, file)
        window.write(_WINDOW_COLUMNS, file)
        file.write(b"</main></body></html>\n")
    return reconciliation


@dataclass
class _List:
    """A list by name, which waits in a file until the page has come to it."""

    rows: IO[bytes]
    title: str
    count: int = 0

    def add(self, row: str) -> None:
        self.rows.write(row.encode())
        self.count += 1

    def write(self, columns: Sequence[str], file: BinaryIO) -> None:
        head = "".join(f'<th scope="col"{_render_width(column)}>{column}</th>' for column in columns)
        start = f"{_open_table(self.title)}<table><thead><tr>{head}</tr></thead><tbody>"
        file.write(f'\n<div class="list"><h2>{self.title}: {self.count}</h2>\n'.encode())
        if self.count:
            file.write(f"{start}\n".encode())
            self.rows.seek(0)
            shutil.copyfileobj(self.rows, file)
            file.write(b"</tbody></table></div>")
        file.write(b"</div>\n")


def _render_width(column: str) -> str:
    return f' class="{_WIDTHS[column]}"' if column in _WIDTHS else ""


def _open_table(title: str) -> str:
    """Return the start of what holds a table: a wide one scrolls in it, also by the keyboard, and not with the page."""
    return f'<div class="table" role="region" tabindex="0" aria-label="{_escape(title)}">'


def _render_top(survey: Survey, service_end: date, reconciliation: Reconciliation) -> Iterator[str]:
    heading = survey.heading
    title = escape(f"Offboardings, {heading.days.label}")
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body><main><h1>{title}</h1>\n"
    )
    yield _render_heading(heading)
    if heading.notice:
        yield f'<p class="notice">{_escape(heading.notice)}</p>\n'
    if reconciliation.mismatches:
        yield '<p class="wrong">The report does not add up: see the reconciliation.</p>\n'
    for section in list_sections(survey.counts, survey.open, reconciliation):
        yield _render_section(section)
    yield "<h2>Mailboxes that WorkMail removes, by day</h2>\n"
    yield from render_calendar(survey.open.removals, heading.made_at.date(), service_end)


def _render_heading(heading: Heading) -> str:
    facts = {
        "Stack": heading.stack,
        "Account": heading.account,
        "Region": heading.region,
        "Table of records": heading.table,
        "Period": heading.days.label,
        "Made at": f"{heading.made_at:%Y-%m-%d %H:%M:%S} UTC",
    }
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{_escape(value)}</dd>" for name, value in facts.items()) + "</dl>\n"


def _render_section(section: Section) -> str:
    head = "".join(f'<th scope="col">{_escape(column)}</th>' for column in section.columns)
    rows = "".join(_render_cells([_keep_together(cell) for cell in row]) for row in section.rows)
    remark = f"<p>{_escape(section.remark)}</p>" if section.remark else ""
    table = f"{_open_table(section.title)}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    return f"<h2>{_escape(section.title)}</h2>\n{table}{remark}\n"


def _render_row(step: Step) -> str:
    row = make_row(step)
    people = [str(row[member]) for member in ("RequestedBy", "Provider") if row[member]]
    decision = [f"decided by {row['DecidedBy']}"] if row["DecidedBy"] else []
    sentence = _render_with_execution(row["What"], row["ExecutionArn"])
    mailbox = MAILBOX_TOUCHED.get(str(row["MailboxTouched"]), "")
    cells = (row["Who"], sentence, mailbox, "; ".join([*filter(None, [", ".join(people)]), *decision]))
    return _render_cells((_render_date(row["At"]), *cells))


def _render_window_row(offboarding: Offboarding) -> str:
    state = _render_with_execution(find_status_wording(offboarding.status).phrase, offboarding.execution_arn)
    dates = [_render_date(moment) for moment in (offboarding.due_at, offboarding.deregistered_at)]
    return _render_cells((dates[0], offboarding.label, state, dates[1], offboarding.requester_label))


class _Html(str):
    """A cell that is HTML already."""


def _render_date(moment: str | None) -> _Html:
    return _Html(f'<td class="whole">{_escape(render_moment(moment))}</td>')


def _keep_together(cell: object) -> object:
    """Return a cell of one word as one that is not broken at a hyphen: a month for example."""
    is_word = isinstance(cell, str) and cell and " " not in cell
    return _Html(f'<td class="whole">{_escape(cell)}</td>') if is_word else cell


def _render_with_execution(text: object, execution_arn: str | None) -> _Html:
    """Return a cell with the name of the execution in a line of its own; the rest of its ARN says nothing new."""
    name = f"<small>{_escape(execution_arn.rpartition(':')[2])}</small>" if execution_arn else ""
    return _Html(f"<td>{_escape(text)}{name}</td>")


def _render_cells(cells: Sequence[object]) -> str:
    return "<tr>" + "".join(map(_render_cell, cells)) + "</tr>\n"


def _render_cell(cell: object) -> str:
    if isinstance(cell, _Html):
        return cell
    if isinstance(cell, int):
        return f'<td class="number">{cell}</td>'
    attribute = ' class="wrong"' if str(cell).startswith("WRONG") else ""
    return f"<td{attribute}>{_escape(cell)}</td>"


def _escape(value: object) -> str:
    """Escape a text that people have chosen. Characters that are not seen, and could turn it around, are left out."""
    text = "" if value is None else str(value)
    return escape("".join(character if character.isprintable() else " " for character in text))
