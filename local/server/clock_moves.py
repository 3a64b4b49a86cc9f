"""Moves of the clock: one at a time, by a duration or to what is due next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from local.clock import Clock

NEXT = "next"
"""Instead of a duration: until the next thing is due."""
_HOUSEKEEPING = ("evaluation of alarms", "schedule ", "redelivery from ", "time to live of ")
"""How the names begin of what is always due soon, and seldom does something: alarms, sweeps, receipts of messages."""


class NothingDueError(Exception):
    """Nothing is due, so there is nothing to move the clock to."""


class ClockMoves:
    """Moves a clock.

    Parameters
    ----------
    clock
        The clock.
    describe
        Returns the clock's name of what is due in words for a person.
    """

    def __init__(self, clock: Clock, describe: Callable[[str], str]) -> None:
        self._clock = clock
        self._describe = describe
        self._lock = threading.Lock()

    @property
    def is_moving(self) -> bool:
        """Whether somebody moves it now."""
        return self._lock.locked()

    def find_next(self) -> tuple[datetime, str] | None:
        """Return when the next thing is due, and its name; None if nothing is but what is always due soon."""
        return self._clock.find_next(lambda name: not name.startswith(_HOUSEKEEPING))

    def advance(self, duration: timedelta) -> tuple[datetime, datetime]:
        """Let a duration pass, and run all that is due on the way.

        Returns
        -------
        tuple
            The time before and after.
        """
        with self._lock:
            start = self._clock.now()
            self._clock.move_to(start + duration)
            return start, self._clock.now()

    def advance_to_next(self) -> tuple[datetime, datetime, str]:
        """Move to the next thing that is due, and run it and all that is due on the way.

        Returns
        -------
        tuple
            The time before and after, and what was due, in words.

        Raises
        ------
        NothingDueError
            If nothing is due.
        """
        with self._lock:
            start = self._clock.now()
            self._clock.settle()
            due = self.find_next()
            if due is None:
                raise NothingDueError
            # What is due changes its record when it runs, so it is described first.
            text = self._describe(due[1])
            self._clock.move_to(max(due[0], self._clock.now()))
            return start, self._clock.now(), text
