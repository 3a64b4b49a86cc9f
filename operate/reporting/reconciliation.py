"""The proof that a report adds up: what was read, how each step is counted once, and where each offboarding stands."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from operate.periods import Period
from operate.questions.table import RecordsTable, Values
from operate.reporting.counts import Counts
from operate.reporting.ledger import Ledger, OpenOffboardings, number_execution

_BATCH_SIZE = 100
_RUNNING, _ENDED_LATER, _ENDED_MEANWHILE, _UNACCOUNTED = "running", "later", "meanwhile", "unaccounted"
_MAX_NAMED = 20
"""How many offboardings that cannot be accounted for are named."""


@dataclass(frozen=True)
class Check:
    """A sum that has to be right.

    Attributes
    ----------
    title
        What is summed up.
    total
        How many there are.
    parts
        What they are, and how many of each.
    """

    title: str
    total: int
    parts: tuple[tuple[str, int], ...]

    @property
    def sum(self) -> int:
        """The sum of the parts."""
        return sum(count for _, count in self.parts)

    @property
    def is_right(self) -> bool:
        """Whether the parts make the total."""
        return self.sum == self.total


@dataclass(frozen=True)
class Whereabouts:
    """Where the offboardings stand that started in the period.

    Attributes
    ----------
    ended
        How many ended in the period.
    ended_later
        How many ended after it.
    still_open
        How many the index has as open.
    running
        How many are open by their record alone: they run, or their end is about to be recorded.
    ended_meanwhile
        How many ended while the report was read.
    open_in_period, open_with_start
        How many the index has as open that started in the period, and how many of these have their start in the steps.
    unaccounted
        The executions of some that are none of these, or have no start.
    """

    ended: int
    ended_later: int
    still_open: int
    running: int
    ended_meanwhile: int
    open_in_period: int
    open_with_start: int
    unaccounted: tuple[str, ...]


@dataclass(frozen=True)
class Reconciliation:
    """All sums of a report, and the executions that cannot be accounted for."""

    checks: tuple[Check, ...]
    unaccounted: tuple[str, ...]

    @property
    def mismatches(self) -> list[Check]:
        """The sums that are wrong."""
        return [check for check in self.checks if not check.is_right]


def find_whereabouts(
    table: RecordsTable, ledger: Ledger, offboardings: OpenOffboardings, period: Period
) -> Whereabouts:
    """Find where each offboarding stands that started in the period: by the index, or else by its record."""
    remaining = [arn for arn in ledger.unfinished if number_execution(arn) not in offboardings.executions]
    counts, named = Counter[str](), list[str]()
    for arn, state in _examine(table, period, iter(remaining)):
        counts[state] += 1
        if state == _UNACCOUNTED and len(named) < _MAX_NAMED:
            named.append(arn)
    startless = [arn for number, arn in offboardings.started.items() if number not in ledger.started]
    named += startless[:_MAX_NAMED]
    return Whereabouts(
        ended=len(ledger.started) - len(ledger.unfinished),
        ended_later=counts[_ENDED_LATER],
        still_open=len(ledger.unfinished) - len(remaining),
        running=counts[_RUNNING],
        ended_meanwhile=counts[_ENDED_MEANWHILE],
        open_in_period=len(offboardings.started),
        open_with_start=len(offboardings.started) - len(startless),
        unaccounted=tuple(sorted(named)),
    )


def _examine(table: RecordsTable, period: Period, arns: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield each execution that the index does not have, and how it stands by its record."""
    while batch := [*islice(arns, _BATCH_SIZE)]:
        records = table.find_records(batch)
        for arn in batch:
            yield arn, _examine_record(table, period, records.get(arn))


def _examine_record(table: RecordsTable, period: Period, record: Values | None) -> str:
    if record is None:
        return _UNACCOUNTED
    closed_at = record.get("ClosedAt")
    if closed_at is None:
        return _RUNNING
    if closed_at >= period.until:
        return _ENDED_LATER
    # Its step is of the period, and was not there when the steps were read.
    return _ENDED_MEANWHILE if table.find(record["Id"], f"Step {closed_at} Ended") else _UNACCOUNTED


def reconcile(
    counts: Counts, ledger: Ledger, whereabouts: Whereabouts, row_count: int | None, *, is_all: bool
) -> Reconciliation:
    """Compare what was counted in different ways.

    Parameters
    ----------
    row_count
        How many steps were written as rows; None if none are.
    is_all
        Whether every step has a row, and not only what is listed by name.
    """
    return Reconciliation(
        (
            *_check_steps(counts, row_count, is_all=is_all),
            *_check_sums(counts),
            _check_open(whereabouts),
            _check_starts(ledger, whereabouts),
            _check_ends(counts, ledger),
        ),
        whereabouts.unaccounted,
    )


def _check_steps(counts: Counts, row_count: int | None, *, is_all: bool) -> Iterator[Check]:
    by_organization = sum(columns[""] for columns in counts.organizations.values())
    unit = "day" if counts.days.is_by_day else "month"
    yield Check("Steps read, by kind", counts.read, ((f"of {len(counts.kinds)} kinds", counts.kinds.total()),))
    yield Check(
        "Steps read, by organization", counts.read, ((f"in {len(counts.organizations)} rows", by_organization),)
    )
    by_group = sum(columns[""] for columns in counts.groups.values())
    yield Check(f"Steps read, by {unit}", counts.read, ((f"in {len(counts.groups)} rows", by_group),))
    if row_count is None:
        return
    on_the_way = 0 if is_all else counts.read - counts.results["Listed"]
    parts = (
        ("written as rows", row_count),
        *((("on the way to an end, and not in the list", on_the_way),) if not is_all else ()),
    )
    yield Check("Steps read, by whether they have a row", counts.read, parts)


def _check_sums(counts: Counts) -> Iterator[Check]:
    for title, step, total in (
        ("Starts, by requester", "Started", counts.requesters.total()),
        ("Decisions, by person", "Decided", counts.decisions.total()),
        ("Ends, by outcome", "Ended", counts.outcomes.total()),
    ):
        yield Check(title, counts.kinds[step], (("in the table", total),))


def _check_open(whereabouts: Whereabouts) -> Check:
    """Compare the index by status with the steps: the start of something that is open can be missing."""
    return Check(
        "Open now, and started in the period by their records",
        whereabouts.open_in_period,
        (("their start is among the steps", whereabouts.open_with_start),),
    )


def _check_starts(ledger: Ledger, whereabouts: Whereabouts) -> Check:
    return Check(
        "Offboardings started in the period",
        len(ledger.started) + ledger.repeated_starts,
        (
            ("ended in the period", whereabouts.ended),
            ("ended after it", whereabouts.ended_later),
            ("wait, or are in the window, now", whereabouts.still_open),
            ("run now, by their records", whereabouts.running),
            ("ended while this report was read", whereabouts.ended_meanwhile),
        ),
    )


def _check_ends(counts: Counts, ledger: Ledger) -> Check:
    in_period = len(ledger.ended & ledger.started)
    return Check(
        "Ends in the period",
        counts.kinds["Ended"],
        (
            ("of offboardings that started in it", in_period),
            ("of offboardings that started before it", len(ledger.ended) - in_period),
            ("further ends of the same, after a redrive", ledger.repeated_ends),
        ),
    )
