"""Says of each step who asked for it: the step itself, a step of the same execution read before, or the record."""

from collections.abc import Iterable, Iterator
from itertools import islice

from operate.questions.table import RecordsTable, Values
from operate.reporting.ledger import number_execution

_BATCH_SIZE = 100
_MAX_KEPT = 10_000
"""Of so many executions the requester is kept, so that memory does not grow with the period."""
_NAMED_BY_THE_STEP = frozenset({"RegisterEntity", "Restored", "LeaverReturned"})
"""Somebody else asks for these than for the offboarding."""
_MEMBERS = ("RequestedBy", "Requester")


class RequesterFinder:
    """Adds the requester to steps that do not name one.

    Parameters
    ----------
    table
        The table of records.
    """

    def __init__(self, table: RecordsTable) -> None:
        self._table = table
        self._kept: dict[int, Values] = {}

    def complete(self, steps: Iterable[Values]) -> Iterator[Values]:
        """Yield each step in the same order, with `RequestedBy` and `Requester` as far as they are recorded.

        A restore has the person who asked for the restore, and every other step whoever asked for the offboarding.
        """
        remaining = iter(steps)
        while batch := [*islice(remaining, _BATCH_SIZE)]:
            for step in batch:
                self._keep_what_a_step_says(step)
            unknown = {str(step["Id"]) for step in batch if self._is_unknown(step)}
            # Without an answer for each, a record that is gone would be asked for again with each step.
            for arn, record in {**dict.fromkeys(unknown, Values()), **self._table.find_records(unknown)}.items():
                self._keep(arn, record)
            yield from map(self._complete, batch)
            while len(self._kept) > _MAX_KEPT:
                del self._kept[next(iter(self._kept))]

    def _keep_what_a_step_says(self, step: Values) -> None:
        if step.get("Step") == "Started":
            self._keep(str(step["Id"]), step)
        elif step.get("Step") == "RegisterEntity" and "RestoredIn" in step:
            self._keep(str(step["RestoredIn"]), step)

    def _keep(self, arn: str, item: Values) -> None:
        self._kept[number_execution(arn)] = {name: item[name] for name in _MEMBERS if name in item}

    def _is_unknown(self, step: Values) -> bool:
        arn = str(step["Id"])
        is_of_offboarding = arn.startswith("arn:") and step.get("Step") not in _NAMED_BY_THE_STEP
        return is_of_offboarding and number_execution(arn) not in self._kept

    def _complete(self, step: Values) -> Values:
        if step.get("Step") == "Restored":
            return {**self._kept.get(number_execution(str(step.get("RestoredIn"))), {}), **step}
        if step.get("Step") in _NAMED_BY_THE_STEP:
            return step
        return {**self._kept.get(number_execution(str(step["Id"])), {}), **step}
