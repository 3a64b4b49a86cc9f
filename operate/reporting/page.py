"""The report as one page of HTML, which needs nothing from anywhere, and prints on A4 in black and white."""

import base64
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from typing import BinaryIO

from operate.reporting.counts import Step, find_list
from operate.reporting.reconciliation import Reconciliation
from operate.reporting.removals import render_calendar
from operate.reporting.rows import make_row
from operate.reporting.sections import Section, list_sections
from operate.reporting.survey import Heading, Survey
from operate.terminal import render_moment
from operate.wording.outcomes import MAILBOX_TOUCHED

_STYLE = "\n".join(
    (
        ":root{color-scheme:light dark;--text:#1a1a1a;--page:#fff;--line:#767676;--head:#eee;--wrong:#a40000}",
        "@media(prefers-color-scheme:dark){:root{--text:#eee;--page:#161616;--line:#8f8f8f;--head:#2b2b2b;--wrong:#ff9c9c}}",
        "body{margin:1.5rem auto;padding:0 1rem;max-width:75rem}",
        "body{background:var(--page);color:var(--text);font:1rem/1.4 sans-serif}",
        "table{border-collapse:collapse;margin:.5rem 0 1rem}",
        "th,td{border:1px solid var(--line);padding:.2rem .5rem;text-align:left;vertical-align:top}",
        "td{overflow-wrap:anywhere}",
        "th{background:var(--head)}",
        "td.number{text-align:right}",
        "dl{display:grid;grid-template-columns:max-content auto;gap:.1rem 1rem}",
        "dt{font-weight:bold}dd{margin:0;overflow-wrap:anywhere}",
        ".wrong{color:var(--wrong);font-weight:bold}",
        ".months{display:flex;flex-wrap:wrap;gap:1rem}",
        ".month caption{font-weight:bold}",
        ".month td{width:3.4rem;height:3rem;font-size:.85rem}",
        ".month b{display:block;font-size:1.05rem}.month i{font:normal .7rem sans-serif}",
        ".month .removal{border-width:3px}.month .end{outline:3px double var(--text);outline-offset:-4px}",
        "@page{size:A4;margin:15mm}",
        "@media print{:root{--text:#000;--page:#fff;--line:#000;--head:#fff;--wrong:#000}",
        "body{margin:0;padding:0;font-size:9pt}",
        "thead{display:table-header-group}tr,.month{break-inside:avoid}h2{break-after:avoid}.list{break-before:page}}",
    )
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
"""A browser loads nothing, runs nothing, and takes only this style."""
_LIST_COLUMNS = ("When (UTC)", "Who", "What happened", "Mailbox", "Requested or decided by", "Execution")


def write_page(survey: Survey, file: BinaryIO) -> Reconciliation:
    """Read the steps, and write the page.

    The list of what ended or was refused goes through a file that only this process sees, because the counts come
    first.
    """
    with tempfile.TemporaryFile() as rows:
        row_count = 0
        for step in survey.iterate_steps():
            if find_list(step) is not None:
                rows.write(_render_row(step).encode())
                row_count += 1
        reconciliation = survey.reconcile(row_count, is_all=False)
        for part in _render_top(survey, reconciliation):
            file.write(part.encode())
        file.write(_render_list_head(row_count).encode())
        rows.seek(0)
        shutil.copyfileobj(rows, file)
        file.write(b"</tbody></table></main></body></html>\n")
    return reconciliation


def _render_top(survey: Survey, reconciliation: Reconciliation) -> Iterator[str]:
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
    if reconciliation.mismatches:
        yield '<p class="wrong">The report does not add up: see the reconciliation.</p>\n'
    for section in list_sections(survey.counts, survey.open, reconciliation):
        yield _render_section(section)
    yield "<h2>Mailboxes that WorkMail removes, by day</h2>\n"
    yield from render_calendar(survey.open.removals, heading.made_at.date())


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
    rows = "".join(_render_cells(row) for row in section.rows)
    remark = f"<p>{_escape(section.remark)}</p>" if section.remark else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<h2>{_escape(section.title)}</h2>\n{table}{remark}\n"


def _render_list_head(row_count: int) -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in _LIST_COLUMNS)
    return (
        f'\n<h2 class="list">What ended, was restored or was refused: {row_count}</h2>\n'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n"
    )


def _render_row(step: Step) -> str:
    row = make_row(step)
    people = [str(row[member]) for member in ("Provider", "RequestedBy", "DecidedBy") if row[member]]
    mailbox = MAILBOX_TOUCHED.get(str(row["MailboxTouched"]), "")
    return _render_cells(
        (render_moment(row["At"]), row["Who"], row["What"], mailbox, ", ".join(people), row["ExecutionArn"])
    )


def _render_cells(cells: Sequence[object]) -> str:
    return "<tr>" + "".join(map(_render_cell, cells)) + "</tr>\n"


def _render_cell(cell: object) -> str:
    if isinstance(cell, int):
        return f'<td class="number">{cell}</td>'
    attribute = ' class="wrong"' if str(cell).startswith("WRONG") else ""
    return f"<td{attribute}>{_escape(cell)}</td>"


def _escape(value: object) -> str:
    """Escape a text that people have chosen. Characters that are not seen, and could turn it around, are left out."""
    text = "" if value is None else str(value)
    return escape("".join(character if character.isprintable() else " " for character in text))
