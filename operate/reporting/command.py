"""The command `offboarding report`: what happened in a period, and the proof that it is all."""

import json
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, TextIO

import click

from operate.account import Account
from operate.csv_files import write_csv
from operate.errors import Refusal
from operate.json_files import render_json, write_json_array
from operate.options import account_options
from operate.options import report as report_progress
from operate.periods import render_rfc3339
from operate.questions.table import RecordsTable
from operate.records.files import replace_file
from operate.reporting.dates import parse_days
from operate.reporting.page import write_page
from operate.reporting.reconciliation import Reconciliation
from operate.reporting.rows import COLUMNS, make_cells, make_row
from operate.reporting.sections import list_sections
from operate.reporting.survey import Survey
from operate.service_end import ANNOUNCED_SERVICE_END
from operate.terminal import one_line, print_table, render_moment


@click.command()
@click.option("--from", "begin", metavar="DATE", required=True, help="The first day.")
@click.option("--to", "end", metavar="DATE", help="The last day, the whole of it; by default the end of --from.")
@click.option("--csv", "is_csv", is_flag=True, help="Write one row for each thing that happened, as CSV (RFC 4180).")
@click.option("--json", "is_json", is_flag=True, help="Write these rows, the counts and the reconciliation as JSON.")
@click.option(
    "--html", "path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to print."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--table", help="The table of records, if it is not that of the stack: one that a deleted stack has left."
)
@account_options
def report(
    account: Account,
    begin: str,
    end: str | None,
    path: Path | None,
    table: str | None,
    *,
    is_csv: bool,
    is_json: bool,
    force: bool,
) -> None:
    """Count what happened in a period, in all organizations, and prove that nothing is left out.

    DATE is a day (2026-03-31), a month (2026-03), a quarter (2026-Q1) or a year. Days are whole days in UTC: what
    happened on the last day counts. Something counts by when it happened.

    FILE has names and addresses: only its owner can read it.
    """
    days = parse_days(begin, end)
    if is_csv + is_json + (path is not None) > 1:
        raise click.UsageError("Give one of --csv, --json and --html.")
    if force and path is None:
        raise click.UsageError("--force needs --html.")
    if path is not None and path.exists() and not force:
        raise Refusal(f"The file {path} exists, and nothing was written: name another file, or give --force.")
    survey = Survey(account, RecordsTable(account, table), days, report_progress)
    if survey.heading.notice and (is_csv or is_json or path is not None):
        # CSV has no place for it.
        report_progress(survey.heading.notice)
    if path is not None:
        stack = account.find_stack()
        # A table that was left can be one without a stack.
        service_end = stack.service_end.day if stack else ANNOUNCED_SERVICE_END
        reconciliation = _write_page(survey, service_end, path)
    elif is_csv:
        rows = map(make_cells, survey.complete(survey.iterate_steps()))
        reconciliation = survey.reconcile(write_csv(COLUMNS, rows, sys.stdout))
    else:
        reconciliation = _write_json(survey, sys.stdout) if is_json else _print_sections(survey)
    _require_right(reconciliation)


def _require_right(reconciliation: Reconciliation) -> None:
    for check in reconciliation.mismatches:
        parts = "; ".join(f"{label}: {count}" for label, count in check.parts)
        report_progress(f"{check.title}: {check.total}, but {check.sum} by their parts ({parts}).")
    if reconciliation.mismatches:
        raise Refusal("The report does not add up. Show these executions, or report the mismatch.")


def _write_page(survey: Survey, service_end: date, path: Path) -> Reconciliation:
    try:
        with replace_file(path) as file:
            reconciliation = write_page(survey, service_end, file)
    except OSError as error:
        raise Refusal(f"The file {path} cannot be written: {error.strerror}.") from None
    report_progress(f"Steps read: {survey.counts.read}. The page is in {path}.")
    return reconciliation


def _print_sections(survey: Survey) -> Reconciliation:
    for _ in survey.iterate_steps():
        pass
    reconciliation = survey.reconcile()
    heading = survey.heading
    click.echo(f"Offboardings of {heading.stack} in {heading.region}, account {heading.account}: {heading.days.label}.")
    click.echo(f"Made at {render_moment(render_rfc3339(heading.made_at))} UTC.")
    if heading.notice:
        click.echo(heading.notice)
    for section in list_sections(survey.counts, survey.open, reconciliation):
        click.echo(f"\n{section.title}")
        print_table(section.columns, section.rows)
        if section.remark:
            click.echo(one_line(section.remark))
    return reconciliation


def _write_json(survey: Survey, file: TextIO) -> Reconciliation:
    heading, written = survey.heading, 0

    def iterate_rows() -> Iterator[dict[str, Any]]:
        nonlocal written
        for step in survey.complete(survey.iterate_steps()):
            yield make_row(step)
            written += 1

    description = {
        "Stack": heading.stack,
        "Account": heading.account,
        "Region": heading.region,
        "Table": heading.table,
        "From": f"{heading.days.begin}",
        "To": f"{heading.days.end}",
        "MadeAt": render_rfc3339(heading.made_at),
        "Notice": heading.notice,
    }
    file.write(f'{{"Report": {json.dumps(description)},\n"Happened": ')
    write_json_array(iterate_rows(), file)
    reconciliation = survey.reconcile(written)
    file.write(f',"Counts": {render_json(_build_counts(survey))},\n')
    file.write(f'"Reconciliation": {render_json(_build_reconciliation(survey, reconciliation))}}}\n')
    return reconciliation


def _build_counts(survey: Survey) -> dict[str, Any]:
    counts = survey.counts
    outcomes = [
        {"Outcome": outcome, "MailboxTouched": touched, "Count": count}
        for (outcome, touched), count in sorted(counts.outcomes.items())
    ]
    decisions = [
        {"Decision": decision, "By": person, "Count": count}
        for (decision, person), count in sorted(counts.decisions.items())
    ]
    return {
        "Steps": counts.kinds,
        "Outcomes": outcomes,
        "Requesters": counts.requesters,
        "Decisions": decisions,
        "Organizations": {name: columns[""] for name, columns in sorted(counts.organizations.items())},
        "Days" if counts.days.is_by_day else "Months": {
            name: columns[""] for name, columns in sorted(counts.groups.items())
        },
        "MailboxesDisabled": counts.results["Disabled"],
        "MailboxesFoundDisabled": counts.results["FoundDisabled"],
        "RestoredInPart": counts.results["RestoredInPart"],
        "Failed": counts.results["Failed"],
        "RequestsRefused": counts.results["RequestsRefused"],
    }


def _build_reconciliation(survey: Survey, reconciliation: Reconciliation) -> dict[str, Any]:
    return {
        "Checks": [
            {"What": check.title, "Total": check.total, "Parts": dict(check.parts), "Right": check.is_right}
            for check in reconciliation.checks
        ],
        "Unaccounted": reconciliation.unaccounted,
        "OpenNow": [
            {"Status": status, "Started": when, "Count": count}
            for (status, when), count in sorted(survey.open.counts.items())
        ],
        "Removals": dict(sorted(survey.open.removals.items())),
    }
