"""Reads what a report is about: the steps of the period once, and what is open now."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from operate.account import Account
from operate.periods import render_rfc3339
from operate.questions.table import RecordsTable, Values
from operate.reporting.counts import Counts
from operate.reporting.dates import Days
from operate.reporting.ledger import Ledger, OpenOffboardings, iterate_open
from operate.reporting.reconciliation import Reconciliation, find_whereabouts, reconcile
from operate.reporting.requesters import RequesterFinder
from operate.reporting.sections import KINDS
from operate.terminal import render_moment

_PROGRESS_SECONDS = 5.0
_PLACES = {name: place for place, name in enumerate(KINDS)}


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

    @property
    def notice(self) -> str | None:
        """A sentence if the period is not over, so that nobody takes the report for a complete one."""
        moment, until = render_rfc3339(self.made_at), self.days.period.until
        if moment >= until:
            return None
        if moment < self.days.period.since:
            return f"The period lies ahead: it begins on {self.days.begin}, and nothing of it has happened yet."
        last = f"The report has what happened until {render_moment(moment)} UTC."
        return f"The period is not over: it ends with {self.days.end}. {last}"


class Survey:
    """What a report has to say.

    What is open is read before the steps. So whatever ends meanwhile is found by its end.

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
        self.open = OpenOffboardings()
        self._is_open_read = False
        self._ledger = Ledger()
        self._requesters = RequesterFinder(table)
        self._table = table
        self._period = days.period
        self._report_progress = report_progress

    def iterate_window(self) -> Iterator[Values]:
        """Read what is open now, in all organizations; yield each record whose mailbox WorkMail is to remove."""
        self._is_open_read = True
        for record in iterate_open(self._table):
            if self.open.add(record, self._period.since, self._period.until):
                yield record

    def iterate_steps(self) -> Iterator[Values]:
        """Go through the steps of the period as they happened, and count each one."""
        if not self._is_open_read:
            for _ in self.iterate_window():
                pass
        reported_at = time.monotonic()
        for step in sort_moments(self._table.iterate_steps(self._period.since, self._period.until)):
            self.counts.add(step)
            self._ledger.add(step)
            yield step
            if time.monotonic() - reported_at > _PROGRESS_SECONDS:
                self._report_progress(f"Steps read: {self.counts.read}, until {step['At']} …")
                reported_at = time.monotonic()

    def complete(self, items: Iterable[Values]) -> Iterator[Values]:
        """Yield steps with the person or the provider who asked, also where another step or the record says it."""
        return self._requesters.complete(items)

    def reconcile(self, row_count: int | None = None, *, is_all: bool = True) -> Reconciliation:
        """Prove that the counts add up, after all steps were read.

        Parameters
        ----------
        row_count
            How many steps were written as rows; None if none are.
        is_all
            Whether every step has a row, and not only what is listed by name.
        """
        whereabouts = find_whereabouts(self._table, self._ledger, self.open, self._period)
        return reconcile(self.counts, self._ledger, whereabouts, row_count, is_all=is_all)


def sort_moments(steps: Iterable[Values]) -> Iterator[Values]:
    """Yield steps that are sorted by time; those of one moment in the order of an offboarding, and not by name."""
    for _, moment in groupby(steps, key=lambda step: step["At"]):
        yield from sorted(moment, key=lambda step: _PLACES.get(str(step.get("Step")), len(_PLACES)))
