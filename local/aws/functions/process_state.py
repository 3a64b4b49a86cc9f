"""The parts of this process that a function sees differently while its code runs.

These are environment variables, modules, output and warnings. One invocation runs at a time, so no other code sees
the changes.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any

from local.clock import Clock

HIDDEN_PACKAGES = frozenset({"pydantic"})
"""Loaded by moto, and missing on Lambda: Powertools would use it if it is loaded."""
invocation_lock = threading.RLock()
"""Held while a function's code runs."""
_output = threading.local()
_invocation = threading.local()


@contextlib.contextmanager
def hold_functions() -> Iterator[None]:
    """Keep every function from putting its environment variables into the process meanwhile.

    Code that iterates over ``os.environ`` outside of a function, as boto3 does to find proxies when it makes a client,
    could otherwise find variables that are removed before they are read.
    """
    with invocation_lock:
        yield


def running_function() -> Any:
    """Return moto's function whose code the calling thread runs, or None."""
    return getattr(_invocation, "function", None)


@contextlib.contextmanager
def mark_running(function: Any, clock: Clock) -> Iterator[None]:
    """Have `running_function` return a function in this thread meanwhile, and `sleep` wait on its clock."""
    outer = running_function(), getattr(_invocation, "clock", None)
    _invocation.function, _invocation.clock = function, clock
    try:
        yield
    finally:
        _invocation.function, _invocation.clock = outer


_sleep = time.sleep


def sleep(seconds: float) -> None:
    """Pause as ``time.sleep``: on the clock in a function's code, in real time elsewhere."""
    clock: Clock | None = getattr(_invocation, "clock", None)
    if clock is None:
        _sleep(seconds)
    else:
        clock.sleep(timedelta(seconds=seconds))


@contextlib.contextmanager
def capture_output() -> Iterator[io.StringIO]:
    """Collect the output of this thread, once `redirect_output` has been called."""
    outer = getattr(_output, "buffer", None)
    _output.buffer = buffer = io.StringIO()
    try:
        yield buffer
    finally:
        _output.buffer = outer


def discard_output() -> None:
    """Collect nothing more of this thread's output for the current `capture_output`."""
    _output.buffer = io.StringIO()


def has_printed() -> bool:
    """Tell whether this thread has printed anything since `capture_output` began."""
    return bool(_output.buffer.getvalue())


def redirect_output() -> None:
    """Send all output and warnings from now on to the thread's buffer if it has one."""
    sys.stdout = _ThreadStream(sys.stdout)
    sys.stderr = _ThreadStream(sys.stderr)
    warnings.simplefilter("default")
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.showwarning = _print_warning


class LoadedModules:
    """The loaded modules of some packages; each name is judged once, because thousands of others are loaded."""

    def __init__(self, packages: frozenset[str]) -> None:
        self._packages = packages
        self._others: set[str] = set()

    def find(self) -> dict[str, ModuleType]:
        """Return the modules by their names."""
        candidates = sys.modules.keys() - self._others
        names = {name for name in candidates if name.partition(".")[0] in self._packages}
        self._others |= candidates - names
        return {name: sys.modules[name] for name in names}


@dataclass(frozen=True)
class ProcessState:
    """The parts of the process that a function sees differently."""

    environment: dict[str, str]
    path: list[str]
    modules: dict[str, ModuleType]
    stdout: Any
    stderr: Any
    import_: Callable[..., Any]
    dont_write_bytecode: bool
    warnings: warnings.catch_warnings[None]

    @classmethod
    def take(cls, hidden: LoadedModules) -> ProcessState:
        """Remove these modules, and remember everything."""
        modules = hidden.find()
        for name in modules:
            del sys.modules[name]
        catcher = warnings.catch_warnings()
        catcher.__enter__()
        return cls(
            environment=dict(os.environ),
            path=list(sys.path),
            modules=modules,
            stdout=sys.stdout,
            stderr=sys.stderr,
            import_=builtins.__import__,
            dont_write_bytecode=sys.dont_write_bytecode,
            warnings=catcher,
        )

    def restore(self, hidden: LoadedModules) -> None:
        """Restore everything, after these modules are removed."""
        for name in hidden.find():
            del sys.modules[name]
        sys.modules.update(self.modules)
        sys.path[:] = self.path
        sys.stdout, sys.stderr = self.stdout, self.stderr
        sys.dont_write_bytecode = self.dont_write_bytecode
        builtins.__import__ = self.import_
        self.warnings.__exit__(None, None, None)
        replace_environment_variables(self.environment)


class _ThreadStream(io.TextIOBase):
    """Standard output: the output of an invocation's thread is collected, that of other threads passes through."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def write(self, text: str) -> int:
        buffer: io.StringIO | None = getattr(_output, "buffer", None)
        target = self._real if buffer is None else buffer
        written: int = target.write(text)
        return written

    def flush(self) -> None:
        if getattr(_output, "buffer", None) is None:
            self._real.flush()

    def writable(self) -> bool:
        return True


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def replace_environment_variables(variables: Mapping[str, str]) -> None:
    """Have the process see these environment variables and no others, and their time zone."""
    for name in [name for name in os.environ if name not in variables]:
        del os.environ[name]
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    time.tzset()
