"""One clock for the whole process, which stands still until it is moved.

``Clock`` freezes Python's time with time-machine: ``datetime.now()``, ``time.time()`` and everything
built on them read the same instant in every thread. Time passes only in these three ways:

1. **A caller moves it**: ``advance(by)`` and ``move_to(when)``. Both run everything that is due on the
   way, one thing after the other, in the order in which it is due (things due at one instant: in
   the order in which they were set up). Before each step, and at the end, they wait until no work is
   running. They return when everything that is due has run.
2. **Only automatic waits are left.** A wait that is marked ``automatic`` (the interval of a ``Retry``,
   the simulated latency of a call) does not need a caller to advance the clock: as soon as no work is
   running, the clock moves itself to the earliest automatic wait. Whatever else is due before it runs
   first, in order. A wait that is not automatic (a ``Wait`` state, a task token) never moves the clock,
   however idle the process is.
3. Nothing else. While work is running, time stands still for it.

**Work** is a piece of running activity, usually one thread (an execution, a branch, an invocation).
It counts as busy from ``begin`` until ``end``, except while it is blocked in ``wait``. The call that ends
a wait makes the waiting work busy in the same step, so the process never looks idle in between.

``settle()`` waits, in real time, until no work is busy and no automatic wait is left. A bug raises ``TimeoutError``
with the names of what is still running, instead of hanging, by two limits of real time:

- The time without **progress**: no work begins, ends, blocks or wakes, and no work tells by `Clock.note_progress` that
  it has done a part.
- The time in which no work comes to **rest**: none ends, and none blocks in a wait that is not automatic. So work that
  repeats its parts without an end is found too. It is longer the more work is busy, which shares the processor.

A thread can have a **deadline** (`Clock.limit`): each of its waits ends at the deadline at the latest, with
``DeadlineReachedError``, and so does each later wait and each `Clock.require_time` in it. A thread that never waits
never reaches its deadline, because the clock stands still for it.

Consequences:

- ``advance(by)`` settles *before* it computes the target. So retries that were still running when it was
  called do not shorten ``by``.
- A retry that is running when the target is reached still runs to its end. The clock can then be
  later than the target; it is never earlier.
- The clock never goes backwards, and it is always at a whole millisecond (AWS's resolution):
  instants in between are rounded up, so no wait ends early.
- Work cannot move the clock that it runs on: ``advance``, ``move_to`` and ``settle`` raise an error
  inside work. Work calls ``sleep`` to let time pass.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

import time_machine

DEFAULT_TIMEOUT_SECONDS = 30.0
_REST_TIMEOUT_FACTOR = 20
_WORK_PER_REST_TIMEOUT = 50
_MAX_REPORTED_NAMES = 20
_MILLISECOND = timedelta(milliseconds=1)
_NOT_STARTED_MESSAGE = "The clock is not running: use it as a context manager."


def read_real_time() -> datetime:
    """Return the time of this machine, also while a clock stands still."""
    hatch = time_machine.escape_hatch
    return datetime.fromtimestamp(hatch.time.time() if hatch.is_travelling() else time.time(), UTC)


class ClockStoppedError(RuntimeError):
    """The clock was stopped, so this wait can never end by itself."""


class DeadlineReachedError(BaseException):
    """The calling thread has no time left. It is no ``Exception``, so that code which handles those does not go on.

    Parameters
    ----------
    limit
        The limit whose deadline was reached.
    """

    def __init__(self, limit: Limit) -> None:
        super().__init__(f"The deadline {limit.deadline.isoformat()} was reached.")
        self.limit = limit


@dataclass(eq=False)
class Limit:
    """A deadline of the calling thread; see `Clock.limit`.

    Attributes
    ----------
    deadline
        The last instant at which the thread can do something.
    end
        Called once, when the deadline ends a wait.
    was_reached
        Whether it has ended a wait.
    """

    deadline: datetime
    end: Callable[[], None]
    was_reached: bool = False


class Work:
    """One piece of running activity, which the clock waits for.

    Created by `Clock.begin`, in the thread that starts the activity, so that there is no gap between
    the request and the thread. The thread that performs it uses it as a context manager.
    """

    def __init__(self, clock: Clock, name: str) -> None:
        self.name = name
        self.ended = clock.gate()
        self._clock = clock
        self._outer: Work | None = None

    def __enter__(self) -> Self:
        self._outer = self._clock._bind(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._clock._bind(self._outer)
        self.end()

    def end(self) -> None:
        """End this activity."""
        self._clock._end(self)


class Gate:
    """An event that threads wait for on the clock: closed at first, opened once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opened = False
        self._waiters: list[_Waiter] = []

    def is_open(self) -> bool:
        """Tell whether it was opened."""
        return self._opened

    def open(self) -> None:
        """Open it and wake the threads that wait for it."""
        self._clock._open(self)

    def wait(self, until: datetime | None = None, *, automatic: bool = False) -> bool:
        """Block until it opens, or until the clock reaches `until`; tell whether it is open."""
        return self._clock._wait(self, until, automatic=automatic)


@dataclass(eq=False)
class Timer:
    """A function that the clock calls when it is due; see `Clock.call_at`."""

    when: datetime
    name: str
    call: Callable[[], None]
    _cancelled: bool = False

    def cancel(self) -> None:
        """Cancel it, if it has not run yet."""
        self._cancelled = True

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return self._cancelled


@dataclass(eq=False)
class _Waiter:
    """A blocked thread."""

    work: Work | None
    gate: Gate
    automatic: bool
    event: threading.Event = field(default_factory=threading.Event)
    opened: bool = False
    is_done: bool = False


@dataclass(order=True, frozen=True)
class _AgendaEntry:
    """An entry in the agenda, ordered by time and then by the order of entry."""

    when: datetime
    sequence_number: int
    item: Timer | _Waiter = field(compare=False)


class Clock:
    """A clock that stands still until it is moved; the module's docstring says what moves it.

    Parameters
    ----------
    now
        The time at which to start, with a time zone; the real time by default.

    Examples
    --------
    >>> with Clock(datetime(2026, 11, 22, 17, tzinfo=UTC)) as clock:
    ...     clock.advance(timedelta(days=30))
    ...     datetime.now(UTC).isoformat()
    '2026-12-22T17:00:00+00:00'
    """

    def __init__(self, now: datetime | None = None) -> None:
        self._start_at = now
        self._now: datetime | None = None
        self._travel: time_machine.travel | None = None
        self._traveller: time_machine.Traveller | None = None
        self._state_changed = threading.Condition(threading.RLock())
        self._busy: dict[object, str] = {}
        self._agenda: list[_AgendaEntry] = []
        self._waiters: set[_Waiter] = set()
        self._automatic: set[_Waiter] = set()
        self._sequence_numbers = itertools.count()
        self._thread = threading.local()
        self._progress_count = 0
        self._rest_count = 0
        self._stopped = False

    def __enter__(self) -> Self:
        start = _to_utc(self._start_at) if self._start_at else datetime.now(UTC)
        self._now = _round_up_to_milliseconds(start)
        # A number and not a datetime: for a datetime in UTC time-machine would set the process's
        # time zone as well, and hide mistakes with local time.
        self._travel = time_machine.travel(int(self._now.timestamp()), tick=False)
        self._traveller = self._travel.start()
        self._traveller.shift(timedelta(microseconds=self._now.microsecond))
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        if self._travel is not None:
            self._travel.stop()
            self._travel = None

    def now(self) -> datetime:
        """Return the time, in UTC."""
        if self._now is None:
            raise RuntimeError(_NOT_STARTED_MESSAGE)
        return self._now

    def advance(self, by: timedelta, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        """Let `by` pass and run all that is due on the way.

        Parameters
        ----------
        by
            The duration, counted from when the running work has settled.
        timeout
            See `settle`.
        """
        if by < timedelta(0):
            raise ValueError(f"The clock cannot go backwards: {by} is negative.")
        self.settle(timeout)
        self._run_until(self.now() + by, timeout)

    def move_to(self, when: datetime, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        """Move to an instant and run all that is due on the way."""
        when = _to_utc(when)
        if when < self.now():
            raise ValueError(f"The clock cannot go backwards: it is {self.now()}, later than {when}.")
        self.settle(timeout)
        self._run_until(when, timeout)

    def settle(self, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        """Wait until no work is running.

        Parameters
        ----------
        timeout
            How many real seconds may pass without progress. Twenty times as many may pass until the next work comes to
            rest, and longer in proportion while more than 50 pieces of work are running.

        Raises
        ------
        TimeoutError
            If it takes longer; the text names what is still running.
        """
        if self.current() is not None:
            raise RuntimeError("Work cannot wait for itself to settle, and cannot move its own clock.")
        with self._state_changed:
            rested_at, rest_count = time.monotonic(), self._rest_count
            progress_count = -1
            while not self._state_changed.wait_for(self._is_quiet, timeout):
                now = time.monotonic()
                if rest_count != self._rest_count:
                    rested_at, rest_count = now, self._rest_count
                if progress_count == self._progress_count:
                    raise self._still_running_error(f"no progress for {timeout:g} s")
                rest_timeout = _REST_TIMEOUT_FACTOR * timeout * max(1, len(self._busy) / _WORK_PER_REST_TIMEOUT)
                if now - rested_at >= rest_timeout:
                    raise self._still_running_error(f"no work has come to rest for {rest_timeout:g} s")
                progress_count = self._progress_count

    def note_progress(self) -> None:
        """Tell that running work has done a part of what it does."""
        with self._state_changed:
            self._progress_count += 1

    def gate(self) -> Gate:
        """Make a closed gate."""
        return Gate(self)

    def sleep_until(self, when: datetime, interrupted: Gate | None = None, *, automatic: bool = False) -> bool:
        """Block the calling thread until an instant.

        Returns
        -------
        bool
            True if `interrupted` opened first, False if the instant was reached.
        """
        return self._wait(interrupted or self.gate(), when, automatic=automatic)

    def sleep(self, duration: timedelta) -> None:
        """Let time pass inside running work; the clock advances by itself."""
        self.sleep_until(self.now() + duration, automatic=True)

    def call_at(self, when: datetime, call: Callable[[], None], name: str = "timer") -> Timer:
        """Have a function called when the clock reaches an instant."""
        timer = Timer(_round_up_to_milliseconds(_to_utc(when)), name, call)
        with self._state_changed:
            heapq.heappush(self._agenda, _AgendaEntry(timer.when, next(self._sequence_numbers), timer))
        return timer

    def begin(self, name: str) -> Work:
        """Register a piece of work: from now on the clock waits for it."""
        work = Work(self, name)
        with self._state_changed:
            self._progress_count += 1
            self._busy[work] = name
        return work

    def start_thread(self, name: str, call: Callable[[], None]) -> Work:
        """Run a function as work in a thread of its own; a stopped clock ends it quietly."""
        work = self.begin(name)

        def run() -> None:
            with work, contextlib.suppress(ClockStoppedError):
                call()

        threading.Thread(target=run, name=name, daemon=True).start()
        return work

    def current(self) -> Work | None:
        """Return the work of the calling thread, if any."""
        return getattr(self._thread, "work", None)

    @contextlib.contextmanager
    def count_as_work(self, name: str) -> Iterator[None]:
        """Count what the calling thread does as work; if it counts already, its begin and end are progress."""
        if self.current() is not None:
            self.note_progress()
            yield
            self.note_progress()
            return
        with self.begin(name):
            yield

    @contextlib.contextmanager
    def while_blocked(self, unlock: Callable[[], None], lock_again: Callable[[], None]) -> Iterator[None]:
        """Have the calling thread release a lock whenever it blocks on the clock.

        A lock that is held during a wait would stop everything else.

        Parameters
        ----------
        unlock, lock_again
            Release the lock before a wait, and acquire it after the wait.
        """
        stack = self._lock_holders()
        stack.append((unlock, lock_again))
        try:
            yield
        finally:
            stack.pop()

    @contextlib.contextmanager
    def limit(self, deadline: datetime, end: Callable[[], None]) -> Iterator[Limit]:
        """Have the calling thread stop at an instant, if it waits then.

        When the deadline is reached, the block ends without an error; the limit says whether it was.

        Parameters
        ----------
        deadline
            The instant.
        end
            Called at the deadline, before the block's own clean-up runs.
        """
        limit = Limit(_round_up_to_milliseconds(_to_utc(deadline)), end)
        limits = self._limits()
        limits.append(limit)
        try:
            yield limit
        except DeadlineReachedError as error:
            if error.limit is not limit:
                raise
        finally:
            limits.remove(limit)

    def require_time(self) -> None:
        """Raise ``DeadlineReachedError`` if the calling thread has reached a deadline."""
        for limit in self._limits():
            if limit.was_reached:
                raise DeadlineReachedError(limit)

    def upcoming(self) -> datetime | None:
        """Return when the next thing is due, if anything is."""
        with self._state_changed:
            entry = self._next_entry()
            return entry.when if entry else None

    def find_next(self, counts: Callable[[str], bool]) -> tuple[datetime, str] | None:
        """Return when the next thing is due whose name counts, and its name; None if no such thing is due."""
        with self._state_changed:
            entries = ((entry, _name_of(entry.item)) for entry in self._agenda if not entry.item.is_done)
            entry, name = min((pair for pair in entries if counts(pair[1])), default=(None, ""))
        return (entry.when, name) if entry else None

    def release(self) -> None:
        """End every wait with `ClockStoppedError`, now and from now on, and drop all timers."""
        with self._state_changed:
            self._stopped = True
            self._agenda.clear()
            for waiter in list(self._waiters):
                self._wake(waiter, opened=False)

    def _run_until(self, target: datetime, timeout: float) -> None:
        target = _round_up_to_milliseconds(target)
        while self._run_next(target):
            self.settle(timeout)

    def _run_next(self, target: datetime) -> bool:
        """Run the next thing that is due by `target`; return whether there may be another."""
        with self._state_changed:
            if not self._is_quiet():
                return True
            entry = self._next_entry()
            if entry is None or entry.when > target:
                self._set_time(target)
                return False
            self._take(entry)
        self._call_timer(entry)
        return True

    def _run_automatic_waits(self) -> None:
        """Move to the next automatic wait, if nothing else is left to do."""
        while True:
            with self._state_changed:
                if self._busy or not self._automatic or self._stopped:
                    if self._is_quiet():
                        self._state_changed.notify_all()
                    return
                entry = self._next_entry()
                if entry is None:  # pragma: no cover (an automatic wait is always in the agenda)
                    return
                self._take(entry)
            self._call_timer(entry)

    def _take(self, entry: _AgendaEntry) -> None:
        heapq.heappop(self._agenda)
        self._set_time(entry.when)
        if isinstance(entry.item, Timer):
            self._busy[entry.item] = entry.item.name
        else:
            self._wake(entry.item, opened=False)

    def _call_timer(self, entry: _AgendaEntry) -> None:
        if not isinstance(entry.item, Timer):
            return
        try:
            entry.item.call()
        finally:
            with self._state_changed:
                self._busy.pop(entry.item, None)
            self._run_automatic_waits()

    def _next_entry(self) -> _AgendaEntry | None:
        while self._agenda and self._agenda[0].item.is_done:
            heapq.heappop(self._agenda)
        return self._agenda[0] if self._agenda else None

    def _set_time(self, when: datetime) -> None:
        now = self.now()
        if when > now and self._traveller is not None:
            self._traveller.shift(when - now)
            self._now = when

    def _is_quiet(self) -> bool:
        return not self._busy and (not self._automatic or self._stopped)

    def _wait(self, gate: Gate, until: datetime | None, *, automatic: bool) -> bool:
        self.require_time()
        limit = min(self._limits(), key=lambda limit: limit.deadline, default=None)
        until = None if until is None else _round_up_to_milliseconds(_to_utc(until))
        if limit is None or (until is not None and until <= limit.deadline):
            return self._wait_until(gate, until, automatic=automatic)
        if self._wait_until(gate, limit.deadline, automatic=True):
            return True
        limit.was_reached = True
        limit.end()
        raise DeadlineReachedError(limit)

    def _wait_until(self, gate: Gate, until: datetime | None, *, automatic: bool) -> bool:
        waiter = _Waiter(self.current(), gate, automatic)
        with self._state_changed:
            if gate._opened:
                return True
            if self._stopped:
                raise ClockStoppedError("The clock was stopped during a wait.")
            if until is not None:
                if until <= self.now():
                    return False
                heapq.heappush(self._agenda, _AgendaEntry(until, next(self._sequence_numbers), waiter))
            self._register(waiter)
        lock_holders = self._lock_holders()
        for unlock, _ in reversed(lock_holders):
            unlock()
        # Only now the work stops counting as busy: until here it still held the locks.
        self._mark_blocked(waiter)
        waiter.event.wait()
        for _, lock_again in lock_holders:
            lock_again()
        if self._stopped and not waiter.opened:
            raise ClockStoppedError("The clock was stopped during a wait.")
        return waiter.opened

    def _register(self, waiter: _Waiter) -> None:
        waiter.gate._waiters.append(waiter)
        self._waiters.add(waiter)
        if waiter.automatic:
            self._automatic.add(waiter)

    def _mark_blocked(self, waiter: _Waiter) -> None:
        with self._state_changed:
            self._progress_count += 1
            self._rest_count += not waiter.automatic
            if waiter.work is not None and not waiter.is_done:
                self._busy.pop(waiter.work, None)
        self._run_automatic_waits()

    def _wake(self, waiter: _Waiter, *, opened: bool) -> None:
        """End a wait; its work is busy from this moment, not from when its thread gets to run."""
        waiter.opened, waiter.is_done = opened, True
        self._progress_count += 1
        self._waiters.discard(waiter)
        self._automatic.discard(waiter)
        waiter.gate._waiters.remove(waiter)
        if waiter.work is not None:
            self._busy[waiter.work] = waiter.work.name
        waiter.event.set()

    def _open(self, gate: Gate) -> None:
        with self._state_changed:
            gate._opened = True
            for waiter in list(gate._waiters):
                self._wake(waiter, opened=True)
            if self._is_quiet():
                self._state_changed.notify_all()

    def _bind(self, work: Work | None) -> Work | None:
        outer_work = self.current()
        self._thread.work = work
        return outer_work

    def _end(self, work: Work) -> None:
        with self._state_changed:
            self._progress_count += 1
            self._rest_count += 1
            self._open(work.ended)
            self._busy.pop(work, None)
        self._run_automatic_waits()

    def _still_running_error(self, reason: str) -> TimeoutError:
        names = sorted(self._busy.values()) or ["an automatic wait"]
        reported = ", ".join(names[:_MAX_REPORTED_NAMES])
        more = f", and {len(names) - _MAX_REPORTED_NAMES} more" if len(names) > _MAX_REPORTED_NAMES else ""
        return TimeoutError(f"Still running, with {reason}: {reported}{more}")

    def _limits(self) -> list[Limit]:
        if not hasattr(self._thread, "limits"):
            self._thread.limits = []
        limits: list[Limit] = self._thread.limits
        return limits

    def _lock_holders(self) -> list[tuple[Callable[[], None], Callable[[], None]]]:
        if not hasattr(self._thread, "lock_holders"):
            self._thread.lock_holders = []
        stack: list[tuple[Callable[[], None], Callable[[], None]]] = self._thread.lock_holders
        return stack


def _name_of(item: Timer | _Waiter) -> str:
    if isinstance(item, Timer):
        return item.name
    return item.work.name if item.work else "a wait"


def _to_utc(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError(f"An instant needs a time zone: {when!r}")
    return when.astimezone(UTC)


def _round_up_to_milliseconds(when: datetime) -> datetime:
    rest = timedelta(microseconds=when.microsecond % 1000)
    return when - rest + _MILLISECOND if rest else when
