"""Reads what a report is about: the steps of the period once, and what is open now."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from operate.account import Account
from operate.questions.table import RecordsTable, Values
from operate.reporting.counts import Counts
from operate.reporting.dates import Days
from operate.reporting.ledger import Ledger, OpenOffboardings, read_open
from operate.reporting.reconciliation import Reconciliation, find_whereabouts, reconcile

_PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class Heading:
    """What a report is of.

    Attributes
    ----------
    stack, account, region, table
        Where the records are.
    days
        The period.
    made_at
        When the report was made.
    """

    stack: str
    account: str
    region: str
    table: str
    days: Days
    made_at: datetime


class Survey:
    """What a report has to say.

    What is open is read first. So whatever ends meanwhile is found by its end.

    Parameters
    ----------
    account
        The account.
    table
        The table of records.
    days
        The period.
    report_progress
        Called with a sentence every few seconds.
    """

    def __init__(
        self, account: Account, table: RecordsTable, days: Days, report_progress: Callable[[str], None]
    ) -> None:
        self.heading = Heading(account.stack_name, account.id, account.region, table.name, days, account.read_time())
        self.counts = Counts(days)
        self.open: OpenOffboardings = read_open(table, days.period.since, days.period.until)
        self._ledger = Ledger()
        self._table = table
        self._period = days.period
        self._report_progress = report_progress

    def iterate_steps(self) -> Iterator[Values]:
        """Go through the steps of the period, the earliest first, and count each one."""
        reported_at = time.monotonic()
        for step in self._table.iterate_steps(self._period.since, self._period.until):
            self.counts.add(step)
            self._ledger.add(step)
            yield step
            if time.monotonic() - reported_at > _PROGRESS_SECONDS:
                self._report_progress(f"Steps read: {self.counts.read}, until {step['At']} …")
                reported_at = time.monotonic()

    def reconcile(self, row_count: int | None = None, *, is_all: bool = True) -> Reconciliation:
        """Prove that the counts add up, after all steps were read.

        Parameters
        ----------
        row_count
            How many steps were written as rows; None if none are.
        is_all
            Whether every step has a row, and not only what ended or was refused.
        """
        whereabouts = find_whereabouts(self._table, self._ledger, self.open, self._period)
        return reconcile(self.counts, self._ledger, whereabouts, row_count, is_all=is_all)
