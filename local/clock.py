"""One clock for the whole process, which stands still until it is moved.

``Clock`` freezes Python's time with time-machine: ``datetime.now()``, ``time.time()`` and everything
built on them read the same instant in every thread. Time passes only in these three ways:

1. **Somebody moves it**: ``advance(by)`` and ``move_to(when)``. Both go through everything that is due
   on the way, one thing after the other, in the order in which it is due (things due at one instant: in
   the order in which they were set up). Before each step, and at the end, they wait until all work has
   come to rest. They return when everything that is due has run.
2. **An automatic wait is all that is left.** A wait that is marked ``automatic`` (the interval of a
   ``Retry``, the simulated latency of a call) needs nobody to advance the clock: as soon as no work is
   running, the clock moves itself to the earliest automatic wait. Whatever else is due before it runs
   first, in order. A wait that is not automatic (a ``Wait`` state, a task token) never moves the clock,
   however idle the process is.
3. Nothing else. While work is running, time stands still for it.

**Work** is a piece of running activity, usually one thread (an execution, a branch, an invocation).
It counts as busy from ``begin`` until ``end``, except while it is blocked in ``wait``. Whoever ends a
wait makes the waiting work busy in the same step, so there is no moment in between at which the process
looks idle.

``settle()`` waits, for real, until no work is busy and no automatic wait is left. It has real-time limits
for the time in which no work begins, ends, blocks or wakes, and for all of it: a bug raises ``TimeoutError``
with the names of what is still running, and hangs nothing.

Consequences worth knowing:

- ``advance(by)`` settles *before* it computes where to go. Retries that were still under way when it was
  called therefore do not eat into ``by``.
- A retry that is under way when the target is reached still runs to its end. The clock can then be
  later than the target; it is never earlier.
- The clock never goes backwards, and it only ever stands on whole milliseconds (AWS's resolution):
  instants in between are rounded up, so no wait ends early.
- Work cannot move the clock that it runs on: ``advance``, ``move_to`` and ``settle`` refuse to be
  called from inside work. ``sleep`` is what work uses to let time pass.
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

DEFAULT_TIMEOUT = 30.0
_ALTOGETHER = 20
_MILLISECOND = timedelta(milliseconds=1)
_NOT_STARTED = "This clock does not run: use it as a context manager."


class ClockStoppedError(RuntimeError):
    """The clock was stopped, so this wait can never end by itself."""


class Work:
    """One piece of running activity, which the clock waits for.

    Created by `Clock.begin`, in the thread that starts the activity, so that there is no gap between
    the request and the thread. The thread that does it uses it as a context manager.
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
        """Say that this activity is over."""
        self._clock._end(self)


class Gate:
    """Something that a thread can wait for on the clock: closed at first, opened once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opened = False
        self._waiters: list[_Waiter] = []

    def is_open(self) -> bool:
        """Tell whether it was opened."""
        return self._opened

    def open(self) -> None:
        """Open it and wake whoever waits for it."""
        self._clock._open(self)

    def wait(self, until: datetime | None = None, *, automatic: bool = False) -> bool:
        """Block until it opens, or until the clock reaches `until`; tell whether it is open."""
        return self._clock._wait(self, until, automatic=automatic)


@dataclass(eq=False)
class Timer:
    """A function that the clock calls when its time has come; see `Clock.call_at`."""

    when: datetime
    name: str
    call: Callable[[], None]
    _cancelled: bool = False

    def cancel(self) -> None:
        """Forget it, if it has not run yet."""
        self._cancelled = True

    @property
    def gone(self) -> bool:
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
    gone: bool = False


@dataclass(order=True, frozen=True)
class _Due:
    """An entry in the agenda, ordered by time and then by age."""

    when: datetime
    age: int
    what: Timer | _Waiter = field(compare=False)


class Clock:
    """A clock that stands still until it is moved. See the module's text for what moves it.

    Parameters
    ----------
    now
        Where to start; the real time when not given. Must have a time zone.

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
        self._quiet = threading.Condition(threading.RLock())
        self._busy: dict[object, str] = {}
        self._agenda: list[_Due] = []
        self._waiters: set[_Waiter] = set()
        self._automatic: set[_Waiter] = set()
        self._ages = itertools.count()
        self._thread = threading.local()
        self._steps = 0
        self._stopped = False

    def __enter__(self) -> Self:
        start = _aware(self._start_at) if self._start_at else datetime.now(UTC)
        self._now = _whole_milliseconds(start)
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
        """Tell the time, in UTC."""
        if self._now is None:
            raise RuntimeError(_NOT_STARTED)
        return self._now

    def advance(self, by: timedelta, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Let `by` pass and run all that is due on the way.

        Parameters
        ----------
        by
            How long. Counted from when the running work has settled.
        timeout
            See `settle`.
        """
        if by < timedelta(0):
            raise ValueError(f"The clock cannot go backwards: {by} is negative.")
        self.settle(timeout)
        self._run_until(self.now() + by, timeout)

    def move_to(self, when: datetime, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Move to an instant and run all that is due on the way."""
        when = _aware(when)
        if when < self.now():
            raise ValueError(f"The clock cannot go backwards: it is {self.now()}, later than {when}.")
        self.settle(timeout)
        self._run_until(when, timeout)

    def settle(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until nothing that is due is still running.

        Parameters
        ----------
        timeout
            How many real seconds may pass without any work beginning, ending, blocking or waking.
            Altogether it may take twenty times as long.

        Raises
        ------
        TimeoutError
            When it takes longer; it names what is still running.
        """
        if self.current() is not None:
            raise RuntimeError("Work cannot wait for itself to settle, nor move its own clock.")
        end = time.monotonic() + _ALTOGETHER * timeout
        with self._quiet:
            steps = -1
            while not self._quiet.wait_for(self._is_quiet, min(timeout, end - time.monotonic())):
                if steps == self._steps or time.monotonic() >= end:
                    names = ", ".join(sorted(self._busy.values())) or "an automatic wait"
                    raise TimeoutError(f"Still running, with no progress for {timeout:g} s: {names}")
                steps = self._steps

    def gate(self) -> Gate:
        """Make a gate, closed."""
        return Gate(self)

    def sleep_until(self, when: datetime, interrupted: Gate | None = None, *, automatic: bool = False) -> bool:
        """Block the calling thread until an instant.

        Returns
        -------
        bool
            True when `interrupted` opened first, False when the time has come.
        """
        return self._wait(interrupted or self.gate(), when, automatic=automatic)

    def sleep(self, duration: timedelta) -> None:
        """Let time pass inside running work; nobody has to advance the clock for it."""
        self.sleep_until(self.now() + duration, automatic=True)

    def call_at(self, when: datetime, call: Callable[[], None], name: str = "timer") -> Timer:
        """Have a function called when the clock reaches an instant."""
        timer = Timer(_whole_milliseconds(_aware(when)), name, call)
        with self._quiet:
            heapq.heappush(self._agenda, _Due(timer.when, next(self._ages), timer))
        return timer

    def begin(self, name: str) -> Work:
        """Announce a piece of work: from now on the clock waits for it."""
        work = Work(self, name)
        with self._quiet:
            self._steps += 1
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
        """Tell which work the calling thread is doing, if any."""
        return getattr(self._thread, "work", None)

    @contextlib.contextmanager
    def doing(self, name: str) -> Iterator[None]:
        """Count what the calling thread does as work, unless it is doing work already."""
        if self.current() is not None:
            yield
            return
        with self.begin(name):
            yield

    @contextlib.contextmanager
    def while_blocked(self, leave: Callable[[], None], come_back: Callable[[], None]) -> Iterator[None]:
        """Have the calling thread give something up whenever it blocks on the clock.

        A lock that is held across a wait would stop everything else, so whoever holds one says here
        how to let go of it and how to get it back.
        """
        stack = self._given_up()
        stack.append((leave, come_back))
        try:
            yield
        finally:
            stack.pop()

    def upcoming(self) -> datetime | None:
        """Tell when the next thing is due, if anything is."""
        with self._quiet:
            entry = self._next()
            return entry.when if entry else None

    def release(self) -> None:
        """End every wait with `ClockStoppedError`, now and from now on, and drop all timers."""
        with self._quiet:
            self._stopped = True
            self._agenda.clear()
            for waiter in list(self._waiters):
                self._wake(waiter, opened=False)

    def _run_until(self, target: datetime, timeout: float) -> None:
        target = _whole_milliseconds(target)
        while self._step(target):
            self.settle(timeout)

    def _step(self, target: datetime) -> bool:
        """Run the next thing that is due by `target`; tell whether there was one."""
        with self._quiet:
            if not self._is_quiet():
                return True
            entry = self._next()
            if entry is None or entry.when > target:
                self._set(target)
                return False
            self._start(entry)
        self._call(entry)
        return True

    def _drive(self) -> None:
        """Move to the next automatic wait, if nothing else is left to do."""
        while True:
            with self._quiet:
                if self._busy or not self._automatic or self._stopped:
                    if self._is_quiet():
                        self._quiet.notify_all()
                    return
                entry = self._next()
                if entry is None:  # pragma: no cover (an automatic wait is always in the agenda)
                    return
                self._start(entry)
            self._call(entry)

    def _start(self, entry: _Due) -> None:
        heapq.heappop(self._agenda)
        self._set(entry.when)
        if isinstance(entry.what, Timer):
            self._busy[entry.what] = entry.what.name
        else:
            self._wake(entry.what, opened=False)

    def _call(self, entry: _Due) -> None:
        if not isinstance(entry.what, Timer):
            return
        try:
            entry.what.call()
        finally:
            with self._quiet:
                self._busy.pop(entry.what, None)
            self._drive()

    def _next(self) -> _Due | None:
        while self._agenda and self._agenda[0].what.gone:
            heapq.heappop(self._agenda)
        return self._agenda[0] if self._agenda else None

    def _set(self, when: datetime) -> None:
        now = self.now()
        if when > now and self._traveller is not None:
            self._traveller.shift(when - now)
            self._now = when

    def _is_quiet(self) -> bool:
        return not self._busy and (not self._automatic or self._stopped)

    def _wait(self, gate: Gate, until: datetime | None, *, automatic: bool) -> bool:
        waiter = _Waiter(self.current(), gate, automatic)
        with self._quiet:
            if gate._opened:
                return True
            if self._stopped:
                raise ClockStoppedError("The clock was stopped during a wait.")
            if until is not None:
                until = _whole_milliseconds(_aware(until))
                if until <= self.now():
                    return False
                heapq.heappush(self._agenda, _Due(until, next(self._ages), waiter))
            self._register(waiter)
        given_up = self._given_up()
        for leave, _ in reversed(given_up):
            leave()
        # Only now does the work stop counting as busy: until here it still held what it gives up.
        self._rest(waiter)
        waiter.event.wait()
        for _, come_back in given_up:
            come_back()
        if self._stopped and not waiter.opened:
            raise ClockStoppedError("The clock was stopped during a wait.")
        return waiter.opened

    def _register(self, waiter: _Waiter) -> None:
        waiter.gate._waiters.append(waiter)
        self._waiters.add(waiter)
        if waiter.automatic:
            self._automatic.add(waiter)

    def _rest(self, waiter: _Waiter) -> None:
        with self._quiet:
            if waiter.work is not None and not waiter.gone:
                self._busy.pop(waiter.work, None)
        self._drive()

    def _wake(self, waiter: _Waiter, *, opened: bool) -> None:
        """End a wait; its work is busy from this moment, not from when its thread gets to run."""
        waiter.opened, waiter.gone = opened, True
        self._steps += 1
        self._waiters.discard(waiter)
        self._automatic.discard(waiter)
        waiter.gate._waiters.remove(waiter)
        if waiter.work is not None:
            self._busy[waiter.work] = waiter.work.name
        waiter.event.set()

    def _open(self, gate: Gate) -> None:
        with self._quiet:
            gate._opened = True
            for waiter in list(gate._waiters):
                self._wake(waiter, opened=True)
            if self._is_quiet():
                self._quiet.notify_all()

    def _bind(self, work: Work | None) -> Work | None:
        before = self.current()
        self._thread.work = work
        return before

    def _end(self, work: Work) -> None:
        with self._quiet:
            self._steps += 1
            self._open(work.ended)
            self._busy.pop(work, None)
        self._drive()

    def _given_up(self) -> list[tuple[Callable[[], None], Callable[[], None]]]:
        if not hasattr(self._thread, "given_up"):
            self._thread.given_up = []
        stack: list[tuple[Callable[[], None], Callable[[], None]]] = self._thread.given_up
        return stack


def _aware(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError(f"An instant needs a time zone: {when!r}")
    return when.astimezone(UTC)


def _whole_milliseconds(when: datetime) -> datetime:
    rest = timedelta(microseconds=when.microsecond % 1000)
    return when - rest + _MILLISECOND if rest else when
