"""The proof that a report adds up: what was read, how each step is counted once, and where each offboarding stands."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from operate.periods import Period
from operate.questions.table import RecordsTable, Values
from operate.reporting.counts import Counts
from operate.reporting.ledger import Ledger, OpenOffboardings, number_execution

_END_OF_TIME = "9999-12-31"
_BATCH_SIZE = 100
_RUNNING, _ENDED, _UNACCOUNTED = "running", "ended", "unaccounted"
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
    unaccounted
        How many are none of these.
    named
        The executions of some of the last ones.
    """

    ended: int
    ended_later: int
    still_open: int
    running: int
    ended_meanwhile: int
    unaccounted: int
    named: tuple[str, ...]


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
    """Find where each offboarding stands that started in the period.

    It reads on after the period until it has found the end of each one that is not open.
    """
    remaining = ledger.started - ledger.ended
    ended = len(ledger.started) - len(remaining)
    still_open = len(remaining & offboardings.executions)
    remaining -= offboardings.executions
    count = len(remaining)
    later_ends = table.iterate_steps(period.until, _END_OF_TIME, names=("Ended",)) if remaining else iter(())
    for end in later_ends:
        remaining.discard(number_execution(str(end["Id"])))
        if not remaining:
            break
    ended_later = count - len(remaining)
    counts, named = Counter[str](), list[str]()
    for arn, state in _examine_remaining(table, period, remaining) if remaining else ():
        counts[state] += 1
        if state == _UNACCOUNTED and len(named) < _MAX_NAMED:
            named.append(arn)
    # A start that has vanished meanwhile is accounted for by nothing.
    unaccounted = len(remaining) - counts[_RUNNING] - counts[_ENDED]
    return Whereabouts(ended, ended_later, still_open, counts[_RUNNING], counts[_ENDED], unaccounted, tuple(named))


def _examine_remaining(table: RecordsTable, period: Period, remaining: set[int]) -> Iterator[tuple[str, str]]:
    """Yield each execution whose end was not found, and how it stands by its record."""
    starts = table.iterate_steps(period.since, period.until, names=("Started",))
    arns = (str(step["Id"]) for step in starts if number_execution(str(step["Id"])) in remaining)
    while batch := [*islice(arns, _BATCH_SIZE)]:
        records = table.find_records(batch)
        for arn in batch:
            yield arn, _examine_record(table, records.get(arn))


def _examine_record(table: RecordsTable, record: Values | None) -> str:
    if record is None:
        return _UNACCOUNTED
    if "ClosedAt" not in record:
        return _RUNNING
    return _ENDED if table.find(record["Id"], f"Step {record['ClosedAt']} Ended") else _UNACCOUNTED


def reconcile(
    counts: Counts, ledger: Ledger, whereabouts: Whereabouts, row_count: int | None, *, is_all: bool
) -> Reconciliation:
    """Compare what was counted in different ways.

    Parameters
    ----------
    row_count
        How many steps were written as rows; None if none are.
    is_all
        Whether every step has a row, and not only what ended or was refused.
    """
    return Reconciliation(
        (
            *_check_steps(counts, row_count, is_all=is_all),
            *_check_sums(counts),
            _check_starts(ledger, whereabouts),
            _check_ends(counts, ledger),
        ),
        whereabouts.named,
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
