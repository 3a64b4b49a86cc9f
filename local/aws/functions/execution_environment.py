"""The execution environment of a function: its modules, its variables, its handler.

One is made per function, version, code and configuration, and kept for the next invocation. Its modules are its own:
two versions of the code, or two functions with the same code, share no module. Only the packages of Lambda's runtime
come from this process: the standard library (but for ``logging``, which an environment has to itself) and boto3 with
its dependencies. Any other package of this machine cannot be imported.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import io
import json
import os
import sys
import tempfile
import traceback
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from local.aws.functions.process_state import (
    HIDDEN_PACKAGES,
    LoadedModules,
    ProcessState,
    has_printed,
    invocation_lock,
    redirect_output,
    replace_environment_variables,
)
from local.aws.functions.snapshot import ModuleState, Snapshot, SnapshotPool
from local.clock import Clock

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
_PACKAGES_OF_LAMBDA = frozenset(
    ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "simplejson", "six", "urllib3", "_distutils_hack")
)
_IMPORTABLE_NAMES = sys.stdlib_module_names | _PACKAGES_OF_LAMBDA
_PRIVATE_STDLIB = frozenset({"logging"})
_TASK_ROOT = "/var/task"
_snapshot_pool = SnapshotPool(max_size=32)


@dataclass(eq=False)
class FunctionError(Exception):
    """An invocation failed, with the error as the caller and the log see it.

    Attributes
    ----------
    type, message, trace
        Its name, its text, and the lines of its stack trace.
    ends_environment
        Whether the execution environment has ended with it.
    """

    type: str
    message: str
    trace: tuple[str, ...] = ()
    ends_environment: bool = False

    def payload(self, request_id: str) -> dict[str, Any]:
        """Return it in the form of Lambda's API."""
        return {
            "errorMessage": self.message,
            "errorType": self.type,
            "requestId": request_id,
            "stackTrace": list(self.trace),
        }

    def log_line(self) -> str:
        """Return it as Lambda's runtime logs it."""
        text = f"[ERROR] {self.type}: {self.message}"
        return "\n".join([text, "Traceback (most recent call last):", *self.trace]) if self.trace else text


@dataclass(frozen=True)
class Context:
    """The second argument of a handler."""

    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    aws_request_id: str
    log_group_name: str
    log_stream_name: str
    deadline: datetime
    clock: Clock = field(repr=False)
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Return how much of the function's time is left, on the movable clock."""
        return max(0, int((self.deadline - self.clock.now()) / timedelta(milliseconds=1)))


class ExecutionEnvironment:
    """The loaded code of one version of one function: its modules, its variables, its handler."""

    def __init__(self, clock: Clock, code: Path, handler: str, variables: dict[str, str], log_stream: str) -> None:
        self.log_stream = log_stream
        self._clock = clock
        self._code = code
        self._handler_name = handler
        self._variables = variables
        self._modules: dict[str, ModuleType] = {}
        self._packages = _PRIVATE_STDLIB | {_top_level_name(path) for path in code.iterdir()}
        self._own_modules, self._hidden_modules = _find_loaded(self._packages)
        self._handler: Callable[..., Any] | None = None
        self._outer_states: list[ProcessState] = []
        self._running_calls = 0
        self._key = (code, handler, {name: value for name, value in variables.items() if value != log_stream})
        self._snapshot = _snapshot_pool.take(self._key)
        if self._snapshot is not None:
            self._snapshot.state.restore()
            self._modules = dict(self._snapshot.state.modules)
            self._handler = self._snapshot.handler

    def close(self) -> None:
        """Return the snapshot to the pool, unless an invocation is still running."""
        if self._snapshot is not None and self._running_calls == 0:
            _snapshot_pool.put(self._key, self._snapshot)

    def call(self, event: str | bytes, context: Context) -> str:
        """Run the handler; every failure is a `FunctionError`."""
        try:
            with self._run_in_process():
                return self._call(event, context)
        except FunctionError:
            raise
        except Exception as error:
            raise FunctionError(type(error).__name__, str(error), self._format_trace(error)) from error
        except SystemExit as error:
            text = f"RequestId: {context.aws_request_id} Error: Runtime exited with error: exit status {error.code}"
            raise FunctionError("Runtime.ExitError", text, ends_environment=True) from error

    def _call(self, event: str | bytes, context: Context) -> str:
        if self._handler is None:
            self._handler = self._initialize()
        try:
            argument = json.loads(event)
        except ValueError as error:
            raise FunctionError("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error
        result = self._handler(argument, context)
        try:
            return json.dumps(result, ensure_ascii=False, allow_nan=False, default=_decimal_to_float)
        except (TypeError, ValueError, RecursionError) as error:
            raise FunctionError("Runtime.MarshalError", f"Unable to marshal response: {error}") from error

    def _initialize(self) -> Callable[..., Any]:
        handler = self._import_handler()
        if not has_printed():
            self._snapshot = Snapshot(handler, ModuleState(self._own_modules.find()))
        return handler

    def _import_handler(self) -> Callable[..., Any]:
        module_name, _, attribute = self._handler_name.rpartition(".")
        module_name = module_name.replace("/", ".")
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            text = f"Unable to import module '{module_name}': {error}"
            raise FunctionError("Runtime.ImportModuleError", text) from error
        except SyntaxError as error:
            text = f"Syntax error in module '{module_name}': {error}"
            raise FunctionError("Runtime.UserCodeSyntaxError", text) from error
        if not hasattr(module, attribute):
            text = f"Handler '{attribute}' missing on module '{module_name}'"
            raise FunctionError("Runtime.HandlerNotFound", text)
        handler: Callable[..., Any] = getattr(module, attribute)
        return handler

    def _format_trace(self, error: BaseException) -> tuple[str, ...]:
        frames = traceback.extract_tb(error.__traceback__)
        # Bytecode of the asset has the paths that the code has on Lambda.
        roots = (str(self._code), f"{_TASK_ROOT}/")
        start = next((i for i, f in enumerate(frames) if f.filename.startswith(roots)), len(frames))
        lines = traceback.format_list(frames[start:])
        return tuple(line.replace(str(self._code), _TASK_ROOT) for line in lines)

    @contextlib.contextmanager
    def _run_in_process(self) -> Iterator[None]:
        """Make the process this function's, and step aside whenever the invocation waits on the clock."""
        self._enter()
        self._running_calls += 1
        try:
            with self._clock.while_blocked(self._leave, self._enter):
                yield
        finally:
            self._running_calls -= 1
            self._leave()

    def _enter(self) -> None:
        invocation_lock.acquire()
        self._outer_states.append(ProcessState.take(self._hidden_modules))
        sys.modules.update(self._modules)
        sys.path.insert(0, str(self._code))
        # Bytecode is kept next to the unpacked code: every environment loads all of it again.
        sys.dont_write_bytecode = False
        redirect_output()
        builtins.__import__ = self._make_guarded_import(builtins.__import__)
        replace_environment_variables(self._variables)

    def _leave(self) -> None:
        self._modules = self._own_modules.find()
        self._outer_states.pop().restore(self._hidden_modules)
        invocation_lock.release()

    def _make_guarded_import(self, import_: Callable[..., Any]) -> Callable[..., Any]:
        """Refuse the function's code the packages that Lambda does not have; other code can import everything."""
        inside, allowed = str(self._code), _IMPORTABLE_NAMES | self._packages

        def guarded(
            name: str,
            globals: Mapping[str, Any] | None = None,
            locals: Mapping[str, Any] | None = None,
            fromlist: Any = (),
            level: int = 0,
        ) -> Any:
            top = name.partition(".")[0]
            caller = sys._getframe(1).f_globals if globals is None else globals
            if level == 0 and top not in allowed and str(caller.get("__file__")).startswith(inside):
                raise ModuleNotFoundError(f"No module named '{top}'", name=top)
            return import_(name, globals, locals, fromlist, level)

        return guarded


def environment_variables_of(function: Any, log_stream: str) -> dict[str, str]:
    """Return the environment variables of a function's code: those of Lambda, and the configured ones."""
    return {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": str(function.version),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_REGION": function.region,
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": _TASK_ROOT,
        "LANG": "en_US.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
        "TZ": ":UTC",
        "_HANDLER": function.handler,
        **{name: str(value) for name, value in function.environment_vars.items()},
    }


@lru_cache(maxsize=64)
def unpack(code: bytes) -> Path:
    """Unpack a package, once per process."""
    target = Path(_temporary_directory().name).resolve() / uuid.uuid4().hex
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        archive.extractall(target)
    return target


@lru_cache(maxsize=1)
def _temporary_directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="lambda-")


@lru_cache
def _find_loaded(packages: frozenset[str]) -> tuple[LoadedModules, LoadedModules]:
    """Return the loaded modules of a function's packages, and these with the hidden ones."""
    return LoadedModules(packages), LoadedModules(packages | HIDDEN_PACKAGES)


def _top_level_name(path: Path) -> str:
    return path.name.partition(".")[0]


def _decimal_to_float(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
