"""Moves of the clock: one at a time, in steps after which something can be collected, and to what is due next."""

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
    step
        How far the clock moves at once.
    after_step
        Called after each step.
    """

    def __init__(self, clock: Clock, step: timedelta, after_step: Callable[[], None]) -> None:
        self._clock = clock
        self._step = step
        self._after_step = after_step
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
            self._move(start + duration)
            return start, self._clock.now()

    def advance_to_next(self) -> tuple[datetime, datetime, str]:
        """Move to the next thing that is due, and run it and all that is due on the way.

        Returns
        -------
        tuple
            The time before and after, and the name of what was due.

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
            self._move(max(due[0], self._clock.now()))
            return start, self._clock.now(), due[1]

    def _move(self, target: datetime) -> None:
        while True:
            self._clock.move_to(max(min(target, self._clock.now() + self._step), self._clock.now()))
            self._after_step()
            if self._clock.now() >= target:
                return
