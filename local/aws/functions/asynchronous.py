"""Asynchronous invocations: accepted at once, run in a thread of their own, and run again if that fails.

- After an error of the function it is run twice more, after one and two minutes.
- While Lambda refuses it because of the concurrency, it is tried again after 1, 2, 4 … 300 seconds, for six hours.

The function's settings for it (``EventInvokeConfig``, destinations) are not supported.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local.aws.quotas import TooManyRequestsException
from local.clock import Clock

_RETRY_DELAYS = (timedelta(minutes=1), timedelta(minutes=2))
_MAX_THROTTLE_DELAY_SECONDS = 300
_MAX_AGE = timedelta(hours=6)


@dataclass
class _Event:
    """An asynchronous invocation."""

    function: Any
    body: str | bytes
    arn: str
    accepted_at: datetime
    errors: int = 0
    throttles: int = 0

    @property
    def name(self) -> str:
        """Its name, as work on the clock."""
        return f"asynchronous invocation of {self.function.function_name}"


class AsynchronousInvocations:
    """The asynchronous invocations of a runtime.

    Parameters
    ----------
    clock
        The clock on which they run, and are run again.
    invoke
        Runs an invocation of a function with a body and an ARN; the last part of its answer is the error, if any.
    """

    def __init__(self, clock: Clock, invoke: Callable[[Any, str | bytes, str], tuple[Any, str, Any]]) -> None:
        self._clock = clock
        self._invoke = invoke

    def accept(self, function: Any, body: str | bytes, arn: str) -> None:
        """Accept an invocation."""
        self._start(_Event(function, body, arn, self._clock.now()))

    def _start(self, event: _Event) -> None:
        self._clock.start_thread(event.name, lambda: self._run(event))

    def _run(self, event: _Event) -> None:
        try:
            _, _, error = self._invoke(event.function, event.body, event.arn)
        except TooManyRequestsException:
            delay = timedelta(seconds=min(_MAX_THROTTLE_DELAY_SECONDS, 2 ** min(event.throttles, 9)))
            event.throttles += 1
            if self._clock.now() + delay <= event.accepted_at + _MAX_AGE:
                self._start_later(event, delay)
        else:
            if error is not None and event.errors < len(_RETRY_DELAYS):
                event.errors += 1
                self._start_later(event, _RETRY_DELAYS[event.errors - 1])

    def _start_later(self, event: _Event, delay: timedelta) -> None:
        self._clock.call_at(self._clock.now() + delay, lambda: self._start(event), f"retry of the {event.name}")
