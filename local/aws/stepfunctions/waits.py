"""Waits on the clock: ``Wait`` states, the intervals of a ``Retry``, and interruptions.

A stop or a time-out of an execution interrupts its current wait, and remains its outcome. Retry intervals are
automatic waits (see ``local.clock``).
"""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEventException
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp import Timestamp
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramTimedOut

from local.aws.stepfunctions.expressions import record_evaluation_failure
from local.aws.stepfunctions.result_types import evaluate_typed
from local.clock import Clock, Gate
from local.hooks import Hooks

_TIMESTAMP = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$")
_this_thread = threading.local()


class Interrupted(BaseException):
    """The execution was stopped or timed out while this state was running."""


def install(hooks: Hooks, clock: Clock, *, truncate_timestamps: bool) -> None:
    """Have states wait on the clock for as long as the hooks are in place."""
    _hook_environments(hooks)
    _hook_waits(hooks, clock, truncate_timestamps=truncate_timestamps)
    _hook_retries(hooks, clock)


def _hook_environments(hooks: Hooks) -> None:
    """Have every change of an environment's state end the waits in it."""
    set_error = Environment.set_error

    def open_gates_after(method: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(method)
        def call(self: Environment, *args: Any, **kwargs: Any) -> None:
            method(self, *args, **kwargs)
            for gate in list(getattr(self, "local_gates", ())):
                gate.open()

        return call

    def set_error_while_running(self: Environment, error: Any) -> None:
        if self.is_running():
            set_error(self, error)

    def set_timed_out_while_running(self: Environment) -> None:
        with self._state_mutex:
            if not self.is_running():
                return
            self._program_state = ProgramTimedOut()
            for frame in list(self._frames):
                frame.set_stop(stop_date=datetime.now(UTC), cause=None, error=None)

    hooks.replace(Environment, "set_ended", open_gates_after(Environment.set_ended))
    hooks.replace(Environment, "set_stop", open_gates_after(Environment.set_stop))
    hooks.replace(Environment, "set_error", open_gates_after(set_error_while_running))
    hooks.replace(Environment, "set_timed_out", open_gates_after(set_timed_out_while_running))


@contextlib.contextmanager
def interruptible(env: Environment, gate: Gate) -> Iterator[None]:
    """Open `gate` when the environment stops running, or at once if it does not run."""
    gates = env.__dict__.setdefault("local_gates", set())
    gates.add(gate)
    if not env.is_running():
        gate.open()
    try:
        yield
    finally:
        gates.discard(gate)


def _sleep(clock: Clock, env: Environment, until: datetime, *, automatic: bool = False) -> None:
    gate = clock.gate()
    with interruptible(env, gate):
        gate.wait(until, automatic=automatic)


def _hook_waits(hooks: Hooks, clock: Clock, *, truncate_timestamps: bool) -> None:
    def wait(self: WaitFunction, env: Environment) -> None:
        if isinstance(self, Timestamp):
            until = _evaluate_timestamp(self, env)
            if truncate_timestamps:
                until = until.replace(microsecond=0)
        else:
            until = clock.now() + timedelta(seconds=self._get_wait_seconds(env=env))
        _sleep(clock, env, until)

    def is_valid_timestamp(timestamp: str) -> bool:
        return isinstance(timestamp, str) and _TIMESTAMP.match(timestamp) is not None

    def parse_timestamp(timestamp: str) -> datetime | None:
        if not is_valid_timestamp(timestamp):
            return None
        try:
            return datetime.fromisoformat(timestamp).astimezone(UTC)
        except ValueError:
            return None

    hooks.replace(WaitFunction, "_eval_body", wait)
    hooks.replace(Timestamp, "_is_valid_timestamp_pattern", staticmethod(is_valid_timestamp))
    hooks.replace(Timestamp, "_from_timestamp_string", staticmethod(parse_timestamp))


def _evaluate_timestamp(wait: Timestamp, env: Environment) -> datetime:
    text = evaluate_typed(wait.string, env, "Timestamp", "string")
    until: datetime | None = wait._from_timestamp_string(text)
    if until is not None:
        return until
    if isinstance(wait.string, StringJSONata):
        cause = f"The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"
        raise record_evaluation_failure(env, cause, location="Timestamp")
    raise FailureEventException(wait._create_failure_event(env, text))


def _hook_retries(hooks: Hooks, clock: Clock) -> None:
    evaluate = retrier_decl.RetrierDecl._eval_body

    def evaluate_and_remember_environment(self: retrier_decl.RetrierDecl, env: Environment) -> None:
        _this_thread.retrying = env
        evaluate(self, env)

    def sleep(seconds: float) -> None:
        _sleep(clock, _this_thread.retrying, clock.now() + timedelta(seconds=seconds), automatic=True)

    hooks.replace(retrier_decl.RetrierDecl, "_eval_body", evaluate_and_remember_environment)
    hooks.replace(retrier_decl, "time", SimpleNamespace(sleep=sleep))
