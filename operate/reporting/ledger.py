"""Which offboardings started and ended in the period: a number for each, so that memory hardly grows with them.

Of those that outlast the period, it has the ARN: about 300 bytes each.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from operate.questions.table import WAITING_STATUSES, WINDOW_STATUS, RecordsTable, Values

_DIGEST_BYTES = 8
"""With a million offboardings, two have the same number with a chance of one in ten million."""
RESTORED_STATUS = "Restored"
INDEXED_STATUSES = (*WAITING_STATUSES, WINDOW_STATUS, RESTORED_STATUS)
"""Under these the index has what is still to come."""
_NO_MAILBOX_TO_REMOVE = frozenset({"Restoring", "Restored"})


def number_execution(execution_arn: str) -> int:
    """Return a number that stands for an execution."""
    return int.from_bytes(hashlib.blake2b(execution_arn.encode(), digest_size=_DIGEST_BYTES).digest(), "big")


@dataclass
class Ledger:
    """The offboardings of a period.

    Attributes
    ----------
    started, ended
        The executions that started, or ended, by their numbers.
    unfinished
        The ARNs of those that started, and have not ended in the period.
    repeated_ends
        How many ends there were of executions that had ended in the period already: they were redriven.
    repeated_starts
        The same for starts. There should be none, because a start has one key.
    """

    started: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    unfinished: set[str] = field(default_factory=set)
    repeated_ends: int = 0
    repeated_starts: int = 0

    def add(self, step: Mapping[str, Any]) -> None:
        """Enter a step; only starts and ends count. Those of one moment come in any order."""
        if step.get("Step") not in {"Started", "Ended"}:
            return
        arn = str(step["Id"])
        number = number_execution(arn)
        if step["Step"] == "Started":
            self.repeated_starts += number in self.started
            self.started.add(number)
            if number not in self.ended:
                self.unfinished.add(arn)
        else:
            self.repeated_ends += number in self.ended
            self.ended.add(number)
            self.unfinished.discard(arn)


@dataclass
class OpenOffboardings:
    """The offboardings that are open now, as the index has them.

    Attributes
    ----------
    executions
        Those that have not ended.
    started
        The ARNs of those of them that started in the period, by their numbers.
    counts
        How many there are, by their status and by when they started: `Before`, `In` or `After` the period.
    read
        How many records the index has; some of them have ended.
    removals
        How many mailboxes WorkMail removes on a day (`2026-12-31`).
    """

    executions: set[int] = field(default_factory=set)
    started: dict[int, str] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    read: int = 0
    removals: Counter[str] = field(default_factory=Counter)

    def add(self, record: Mapping[str, Any], since: str, until: str) -> bool:
        """Enter a record of the index, and return whether WorkMail is to remove its mailbox."""
        self.read += 1
        status = str(record.get("Status"))
        is_in_window = record.get("StatusKey") == WINDOW_STATUS and status not in _NO_MAILBOX_TO_REMOVE
        if is_in_window:
            self.removals[str(record["DueAt"])[: len("2026-12-31")]] += 1
        if "ClosedAt" not in record:
            self._count_open(record, status, since, until)
        return is_in_window

    def _count_open(self, record: Mapping[str, Any], status: str, since: str, until: str) -> None:
        arn, started_at = str(record["Id"]), str(record.get("StartedAt", ""))
        self.executions.add(number_execution(arn))
        when = "Before" if started_at < since else "In" if started_at < until else "After"
        self.counts[status, when] += 1
        if when == "In":
            self.started[number_execution(arn)] = arn


def iterate_open(table: RecordsTable) -> Iterator[Values]:
    """Go through the records of what the index has as still to come, in all organizations."""
    for status in INDEXED_STATUSES:
        yield from table.iterate_due(status)
