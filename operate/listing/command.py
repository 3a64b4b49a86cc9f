"""The command `offboarding list`: the offboardings that go on, or those that ended, as a table, as CSV or as JSON."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain

import click

from operate.account import Account
from operate.csv_files import write_csv
from operate.json_files import write_json_array
from operate.listing.rows import (
    OFFBOARDING_COLUMNS,
    REFUSAL_COLUMNS,
    Row,
    iterate_ended,
    iterate_live,
    iterate_refused,
)
from operate.options import account_options
from operate.periods import Period, parse_period
from operate.questions.reasons import generalize_reason
from operate.questions.table import RecordsTable
from operate.terminal import print_table, render_moment, render_remaining_time
from operate.wording.outcomes import MAILBOX_TOUCHED
from operate.wording.statuses import find_status_wording

_DEFAULT_DAYS = 30
_LIVE_COLUMNS = (
    *("Who", "Id", "Organization", "Status", "Why", "What happens next", "When", "Left", "Requested by", "Outcome"),
)
_ENDED_COLUMNS = ("Who", "Id", "Organization", "Ended", "Outcome", "Mailbox", "Requested by")
_REFUSED_COLUMNS = ("When", "Identity provider", "Event", "Reason")
_OPTIONAL_COLUMNS = (
    *("Organization", "Event", "Id", "Requested by", "What happens next", "Identity provider", "Left", "Mailbox"),
)
"""A terminal without room for all columns does without the first of them first, then without one of two more."""
_SHORTENED_COLUMNS = ("Why",)
_PAST = frozenset({"failed", "refused", "ended"})
_NOTHING = {
    None: "No offboarding is in the window, and none waits.",
    "window": "No offboarding is in the window.",
    "waiting": "No offboarding waits.",
    "failed": "No offboarding failed in this period.",
    "refused": "No event was refused in this period.",
    "ended": "No offboarding ended in this period.",
}


@click.command("list")
@click.option("--window", is_flag=True, help="Those in the window: disabled, and the mailbox is kept.")
@click.option("--waiting", is_flag=True, help="Those that wait for an approval, a date or an export.")
@click.option("--failed", is_flag=True, help="Those that failed.")
@click.option("--refused", is_flag=True, help="Events of identity providers that were refused.")
@click.option("--ended", is_flag=True, help="Those that ended, in any way.")
@click.option("--since", metavar="DATE", help=f"When they ended at the earliest; by default {_DEFAULT_DAYS} days ago.")
@click.option("--until", metavar="DATE", help="When they ended at the latest: the whole day, or before a moment.")
@click.option(
    "--because", "reason_part", metavar="TEXT", help="Of --waiting, those that need an approval for a reason with TEXT."
)
@click.option("--csv", "is_csv", is_flag=True, help="Write CSV (RFC 4180), with dates as in RFC 3339.")
@click.option("--json", "is_json", is_flag=True, help="Write a JSON array, with dates as in RFC 3339.")
@account_options
def list_(
    account: Account,
    since: str | None,
    until: str | None,
    reason_part: str | None,
    *,
    is_csv: bool,
    is_json: bool,
    **choices: bool,
) -> None:
    """List offboardings: those in the window and those that wait, or one of these kinds.

    DATE is a day, a month (2026-03), a quarter (2026-Q1), a year, or a moment with its offset from UTC. A list of what
    failed, was refused or ended has all organizations.
    """
    choice = _require_choice(choices, has_period=since is not None or until is not None)
    if reason_part is not None and choice != "waiting":
        raise click.UsageError("--because needs --waiting.")
    if is_csv and is_json:
        raise click.UsageError("Give --csv or --json, and not both.")
    now = account.read_time()
    period = parse_period(since, until, now, _DEFAULT_DAYS)
    rows = _iterate_rows(account, choice, period, now, reason_part)
    columns = REFUSAL_COLUMNS if choice == "refused" else OFFBOARDING_COLUMNS
    file = sys.stdout
    if is_csv:
        write_csv(columns, ([row[column] for column in columns] for row in rows), file)
    elif is_json:
        write_json_array(rows, file)
    else:
        _print_rows(choice, rows, now)


def _require_choice(choices: dict[str, bool], *, has_period: bool) -> str | None:
    selected = [name for name, is_selected in choices.items() if is_selected]
    if len(selected) > 1:
        raise click.UsageError(f"Give one of {' and '.join(f'--{name}' for name in selected)}.")
    choice = selected[0] if selected else None
    if has_period and choice not in _PAST:
        raise click.UsageError(
            "--since and --until need --failed, --refused or --ended. All that ended: offboarding list --ended --since "
            "DATE."
        )
    return choice


def _iterate_rows(
    account: Account, choice: str | None, period: Period, now: datetime, reason_part: str | None
) -> Iterator[Row]:
    table = RecordsTable(account)
    if choice == "refused":
        return iterate_refused(table, period)
    if choice in _PAST:
        return iterate_ended(table, period, now, account.stack.service_end, failed=choice == "failed")
    return iterate_live(
        table,
        now,
        account.stack.service_end,
        window=choice != "waiting",
        waiting=choice != "window",
        reason_part=reason_part,
    )


def _print_rows(choice: str | None, rows: Iterator[Row], now: datetime) -> None:
    next_row = next(rows, None)
    if next_row is None:
        click.echo(_NOTHING[choice])
        return

    click.echo("All times are UTC.")
    columns = _REFUSED_COLUMNS if choice == "refused" else _ENDED_COLUMNS if choice in _PAST else _LIVE_COLUMNS
    print_table(
        columns,
        (_render_cells(choice, row, now) for row in chain([next_row], rows)),
        optional=(*_OPTIONAL_COLUMNS, *(("Status", "Why") if choice == "waiting" else ("Why", "Status"))),
        shortened=_SHORTENED_COLUMNS,
    )


def _render_cells(choice: str | None, row: Row, now: datetime) -> Sequence[object]:
    if choice == "refused":
        return (render_moment(row["At"]), row["Provider"], row["EventId"], row["Reason"])
    requester = ", ".join(str(text) for text in (row["RequestedBy"], row["Provider"]) if text)
    subject = (row["Who"], row["EntityId"], row["OrganizationId"])
    if choice in _PAST:
        outcome = f"{row['Outcome']} (plan)" if row["Plan"] and row["Outcome"] != "Planned" else row["Outcome"]
        mailbox = MAILBOX_TOUCHED.get(str(row["MailboxTouched"]))
        return (*subject, render_moment(row["EndedAt"]), outcome, mailbox, requester)
    phrase = find_status_wording(row["Status"]).phrase.partition(":")[0]
    no_reason = phrase if choice == "waiting" else ""
    return (
        *subject,
        phrase,
        generalize_reason(row["ApprovalReasons"] or no_reason, {"Id": row["EntityId"]}),
        row["Next"],
        render_moment(row["NextAt"]),
        render_remaining_time(row["NextAt"], now),
        requester,
        row["Outcome"],
    )
