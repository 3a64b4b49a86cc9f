"""AWS Lambda on this machine: runs the deployed package in this process, as Lambda's Python runtime would.

moto keeps functions, versions and their code; without Docker it answers an invocation by an echo. Here
the function's own zip is run:

- An *execution environment* is made per function, version, code and configuration, and kept for the
  next invocation. Its modules are its own: two versions of the code, or two functions with the same
  code, share no module. Only what Lambda's runtime brings along comes from this process: the standard
  library (but for ``logging``, which an environment has to itself) and boto3 with what it needs. Any
  other package of this machine cannot be imported.
- A function that was initialized once in this process is not initialized again by a later `Runtime`: it
  starts from a snapshot of what its modules held when they were loaded, as on Lambda with SnapStart. One
  whose initialization prints or logs is initialized anew, and so is one whose snapshot is in use.
- ``os.environ`` and the local time zone are those of the function while its code runs.
- One invocation runs at a time. One that waits on the clock steps aside for others.
- What a handler prints or logs goes to its log group in moto's CloudWatch Logs and to `Runtime.logs`.
- Errors have the form that Lambda gives them; Step Functions takes the error's name from there.

A function's time-out is compared with the time that passed on the clock, which stands still unless the
invocation waits on it.
"""

from __future__ import annotations

import base64
import builtins
import contextlib
import importlib
import io
import json
import os
import sys
import tempfile
import threading
import time
import traceback
import uuid
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.responses import LambdaResponse
from moto.awslambda_simple.models import LambdaSimpleBackend

from local.clock import Clock
from local.faults import Faults, InvocationLostError, function_name
from local.hooks import Hooks
from local.module_state import ModuleState

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
_BROUGHT_ALONG = frozenset(
    ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "simplejson", "six", "urllib3", "_distutils_hack")
)
_AVAILABLE = sys.stdlib_module_names | _BROUGHT_ALONG
_HIDDEN = frozenset({"pydantic"})
"""Loaded by moto, and not there on Lambda: Powertools asks whether it is loaded, and would go on to use it."""
_PRIVATE_STDLIB = frozenset({"logging"})
_TASK_ROOT = "/var/task"
_printing = threading.local()
_running = threading.local()
_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Keep every function from putting its environment variables into the process meanwhile.

    Whoever goes through ``os.environ`` outside of a function, as the making of a boto3 client does to find proxies,
    would else meet variables that are gone before they are read.
    """
    with _one_at_a_time:
        yield


@dataclass(eq=False)
class FunctionError(Exception):
    """An invocation failed; this is what the caller and the log are told."""

    type: str
    message: str
    trace: tuple[str, ...] = ()

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
        """Tell how much of the function's time is left, on the movable clock."""
        return max(0, int((self.deadline - self.clock.now()) / timedelta(milliseconds=1)))


def running_function() -> Any:
    """Return moto's function whose code the calling thread runs, or None."""
    return getattr(_running, "function", None)


class Runtime:
    """Invokes functions and keeps their execution environments and logs.

    Parameters
    ----------
    clock
        The clock that time-outs are measured with.
    faults
        What ends invocations without an answer; nothing does when not given.
    """

    def __init__(self, clock: Clock, faults: Faults | None = None) -> None:
        self._clock = clock
        self._faults = faults or Faults(clock)
        self._environments: dict[tuple[Any, ...], _ExecutionEnvironment] = {}
        self._logs: dict[str, list[str]] = defaultdict(list)

    def install(self, hooks: Hooks) -> None:
        """Have moto's Lambda run functions with this runtime."""
        respond = LambdaResponse.invoke

        def with_qualifier(self: LambdaResponse) -> Any:
            # moto looks for it in lower case, and then in the payload; clients send it with a capital.
            self.querystring["qualifier"] = self.querystring.get("Qualifier", [None])
            return respond(self)

        hooks.replace(LambdaResponse, "invoke", with_qualifier)
        hooks.replace(LambdaSimpleBackend, "invoke", self._moto_invoke())
        hooks.at_the_end(self._close)

    def logs(self, function_name: str) -> list[str]:
        """Return what a function has printed and logged, line by line, all versions together."""
        return list(self._logs[function_name])

    def all_logs(self) -> list[str]:
        """Return what all functions have printed and logged."""
        return [line for lines in self._logs.values() for line in lines]

    def invoke(self, function: Any, event: str | bytes, invoked_arn: str) -> tuple[Any, str, FunctionError | None]:
        """Run one invocation of one of moto's functions.

        Returns
        -------
        tuple
            The answer's JSON text, the log, and the error if there was one.
        """
        request_id = str(uuid.uuid4())
        name = function.function_name
        with self._clock.doing(f"invocation of {name}"), _capture() as printed, _running_here(function):
            environment = self._environment(function)
            error = None
            try:
                answer = self._run(environment, function, event, invoked_arn, request_id)
            except FunctionError as failure:
                error = failure
                printed.write(f"{failure.log_line()}\n")
                answer = json.dumps(failure.payload(request_id))
        self._keep_log(function, environment, printed.getvalue())
        return answer, printed.getvalue(), error

    def _run(
        self, environment: _ExecutionEnvironment, function: Any, event: str | bytes, arn: str, request_id: str
    ) -> str:
        began = self._clock.now()
        timeout = timedelta(seconds=int(function.timeout))
        context = Context(
            function_name=function.function_name,
            function_version=str(function.version),
            invoked_function_arn=arn,
            memory_limit_in_mb=str(function.memory_size),
            aws_request_id=request_id,
            log_group_name=function.logs_group_name,
            log_stream_name=environment.log_stream,
            deadline=began + timeout,
            clock=self._clock,
        )
        try:
            name = function_name(function.handler)
            return self._faults.invocation(name, timeout, lambda: environment.call(event, context))
        except InvocationLostError as lost:
            raise FunctionError(lost.name, f"RequestId: {request_id} {lost}") from lost
        finally:
            if self._clock.now() - began > timeout:
                text = f"RequestId: {request_id} Error: Task timed out after {timeout.total_seconds():.2f} seconds"
                raise FunctionError("Sandbox.Timedout", text)

    def _environment(self, function: Any) -> _ExecutionEnvironment:
        variables = function.environment_vars
        key = (
            function.function_arn,
            function.code_sha_256,
            function.handler,
            tuple(sorted(variables.items())),
        )
        with _one_at_a_time:
            if key not in self._environments:
                today = self._clock.now().strftime("%Y/%m/%d")
                stream = f"{today}/[{function.version}]{uuid.uuid4().hex}"
                code = _unpacked(bytes(function.code_bytes))
                self._environments[key] = _ExecutionEnvironment(
                    self._clock, code, function.handler, _variables(function, stream), stream
                )
            return self._environments[key]

    def _close(self) -> None:
        """Leave the snapshots to other runtimes."""
        with _one_at_a_time:
            for environment in self._environments.values():
                environment.close()
            self._environments.clear()

    def _keep_log(self, function: Any, environment: _ExecutionEnvironment, printed: str) -> None:
        lines = printed.splitlines()
        if not lines:
            return
        self._logs[function.function_name].extend(lines)
        group, stream, backend = function.logs_group_name, environment.log_stream, function.logs_backend
        backend.ensure_log_group(group)
        if stream not in backend.groups[group].streams:
            backend.create_log_stream(group, stream)
        now = int(self._clock.now().timestamp() * 1000)
        backend.put_log_events(group, stream, [{"timestamp": now, "message": line} for line in lines])

    def _moto_invoke(self) -> Callable[..., str | bytes]:
        runtime = self

        def invoke(
            self: LambdaSimpleBackend,
            function_name: str,
            qualifier: str | None,
            body: Any,
            headers: Mapping[str, str],
            response_headers: dict[str, Any],
        ) -> bytes:
            function = self.get_function(function_name, qualifier)
            if function is None:
                raise UnknownFunctionException(function_name)
            arn = _invoked_arn(function, qualifier or _qualifier_of(function_name))
            if headers.get("X-Amz-Invocation-Type") == "DryRun":
                return b""
            answer, log, error = runtime.invoke(function, body or "{}", arn)
            response_headers["x-amz-executed-version"] = str(function.version)
            if headers.get("X-Amz-Invocation-Type") == "Event":
                return b""
            if headers.get("X-Amz-Log-Type") == "Tail":
                response_headers["x-amz-log-result"] = _tail(log)
            if error is not None:
                response_headers["x-amz-function-error"] = "Unhandled"
            return answer.encode()

        return invoke


@dataclass(frozen=True)
class _Snapshot:
    """A function as its initialization left it."""

    handler: Callable[..., Any]
    state: ModuleState


class _Snapshots:
    """The snapshots that nobody uses at the moment, those that were used last at the end."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._idle: list[tuple[Any, _Snapshot]] = []

    def take(self, key: Any) -> _Snapshot | None:
        """Hand one out, which is then the caller's alone."""
        for index, (other, _) in enumerate(self._idle):
            if other == key:
                return self._idle.pop(index)[1]
        return None

    def leave(self, key: Any, snapshot: _Snapshot) -> None:
        """Put one down for whoever asks next; the oldest is forgotten when there are too many."""
        self._idle.append((key, snapshot))
        del self._idle[: -self._at_most]


_snapshots = _Snapshots(at_most=32)


class _ExecutionEnvironment:
    """The loaded code of one version of one function: its modules, its variables, its handler."""

    def __init__(self, clock: Clock, code: Path, handler: str, variables: dict[str, str], log_stream: str) -> None:
        self.log_stream = log_stream
        self._clock = clock
        self._code = code
        self._handler_name = handler
        self._variables = variables
        self._modules: dict[str, ModuleType] = {}
        self._names = _PRIVATE_STDLIB | {_top(path) for path in code.iterdir()}
        self._handler: Callable[..., Any] | None = None
        self._globals_before: list[_ProcessState] = []
        self._calls = 0
        self._key = (code, handler, {name: value for name, value in variables.items() if value != log_stream})
        self._snapshot = _snapshots.take(self._key)
        if self._snapshot is not None:
            self._snapshot.state.put_back()
            self._modules = dict(self._snapshot.state.modules)
            self._handler = self._snapshot.handler

    def close(self) -> None:
        """Leave the snapshot to others, unless an invocation has not come to its end."""
        if self._snapshot is not None and self._calls == 0:
            _snapshots.leave(self._key, self._snapshot)

    def call(self, event: str | bytes, context: Context) -> str:
        """Run the handler; what goes wrong is a `FunctionError`."""
        try:
            with self._entered():
                return self._call(event, context)
        except FunctionError:
            raise
        except Exception as error:
            raise FunctionError(type(error).__name__, str(error), self._trace(error)) from error
        except SystemExit as error:
            text = f"RequestId: {context.aws_request_id} Error: Runtime exited with error: exit status {error.code}"
            raise FunctionError("Runtime.ExitError", text) from error

    def _call(self, event: str | bytes, context: Context) -> str:
        if self._handler is None:
            self._handler = self._initialize()
        try:
            argument = json.loads(event)
        except ValueError as error:
            raise FunctionError("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error
        result = self._handler(argument, context)
        try:
            return json.dumps(result, ensure_ascii=False, allow_nan=False, default=_decimal)
        except (TypeError, ValueError, RecursionError) as error:
            raise FunctionError("Runtime.MarshalError", f"Unable to marshal response: {error}") from error

    def _initialize(self) -> Callable[..., Any]:
        handler = self._import_handler()
        if not _printing.buffer.getvalue():
            self._snapshot = _Snapshot(handler, ModuleState(self._loaded()))
        return handler

    def _loaded(self) -> dict[str, ModuleType]:
        return {n: m for n, m in list(sys.modules.items()) if n.partition(".")[0] in self._names}

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

    def _trace(self, error: BaseException) -> tuple[str, ...]:
        frames = traceback.extract_tb(error.__traceback__)
        first = next((i for i, f in enumerate(frames) if f.filename.startswith(str(self._code))), len(frames))
        lines = traceback.format_list(frames[first:])
        return tuple(line.replace(str(self._code), _TASK_ROOT) for line in lines)

    @contextlib.contextmanager
    def _entered(self) -> Iterator[None]:
        """Make the process this function's, and step aside whenever the invocation waits on the clock."""
        self._enter()
        self._calls += 1
        try:
            with self._clock.while_blocked(self._leave, self._enter):
                yield
        finally:
            self._calls -= 1
            self._leave()

    def _enter(self) -> None:
        _one_at_a_time.acquire()
        self._globals_before.append(_ProcessState.take(self._names | _HIDDEN))
        sys.modules.update(self._modules)
        sys.path.insert(0, str(self._code))
        # Kept next to the unpacked code: every environment loads all of it again.
        sys.dont_write_bytecode = False
        sys.stdout = _Stream(sys.stdout)
        sys.stderr = _Stream(sys.stderr)
        builtins.__import__ = self._importing(builtins.__import__)
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.showwarning = _print_warning
        _replace_environment(self._variables)

    def _leave(self) -> None:
        self._modules = self._loaded()
        self._globals_before.pop().put_back(self._names | _HIDDEN)
        _one_at_a_time.release()

    def _importing(self, import_: Callable[..., Any]) -> Callable[..., Any]:
        """Refuse to the function's code what Lambda would not have; all others import as ever."""
        inside, allowed = str(self._code), _AVAILABLE | self._names

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


@dataclass(frozen=True)
class _ProcessState:
    """What of the process a function sees differently."""

    environment: dict[str, str]
    path: list[str]
    modules: dict[str, ModuleType]
    stdout: Any
    stderr: Any
    import_: Callable[..., Any]
    dont_write_bytecode: bool
    warnings: warnings.catch_warnings[None]

    @classmethod
    def take(cls, names: frozenset[str]) -> _ProcessState:
        """Take away the modules of these names, and remember everything."""
        modules = {n: m for n, m in list(sys.modules.items()) if n.partition(".")[0] in names}
        for name in modules:
            del sys.modules[name]
        warned = warnings.catch_warnings()
        warned.__enter__()
        return cls(
            environment=dict(os.environ),
            path=list(sys.path),
            modules=modules,
            stdout=sys.stdout,
            stderr=sys.stderr,
            import_=builtins.__import__,
            dont_write_bytecode=sys.dont_write_bytecode,
            warnings=warned,
        )

    def put_back(self, names: frozenset[str]) -> None:
        """Undo everything."""
        for name in [n for n in list(sys.modules) if n.partition(".")[0] in names]:
            del sys.modules[name]
        sys.modules.update(self.modules)
        sys.path[:] = self.path
        sys.stdout, sys.stderr = self.stdout, self.stderr
        sys.dont_write_bytecode = self.dont_write_bytecode
        builtins.__import__ = self.import_
        self.warnings.__exit__(None, None, None)
        _replace_environment(self.environment)


class _Stream(io.TextIOBase):
    """Standard output: what an invocation's thread writes is caught, what others write passes through."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def write(self, text: str) -> int:
        buffer: io.StringIO | None = getattr(_printing, "buffer", None)
        target = self._real if buffer is None else buffer
        written: int = target.write(text)
        return written

    def flush(self) -> None:
        if getattr(_printing, "buffer", None) is None:
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


@contextlib.contextmanager
def _capture() -> Iterator[io.StringIO]:
    outer = getattr(_printing, "buffer", None)
    _printing.buffer = buffer = io.StringIO()
    try:
        yield buffer
    finally:
        _printing.buffer = outer


@contextlib.contextmanager
def _running_here(function: Any) -> Iterator[None]:
    outer = running_function()
    _running.function = function
    try:
        yield
    finally:
        _running.function = outer


def _replace_environment(variables: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name not in variables]:
        del os.environ[name]
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    time.tzset()


def _variables(function: Any, log_stream: str) -> dict[str, str]:
    """Return the environment variables of a function's code: Lambda's own, and the configured ones."""
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
def _unpacked(code: bytes) -> Path:
    """Unpack a package, once per process."""
    target = Path(_temporary_directory().name).resolve() / uuid.uuid4().hex
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        archive.extractall(target)
    return target


@lru_cache(maxsize=1)
def _temporary_directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="lambda-")


def _top(path: Path) -> str:
    return path.name.partition(".")[0]


def _decimal(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _qualifier_of(function_name: str) -> str | None:
    parts = function_name.split(":")
    if len(parts) in {2, 8}:
        return parts[-1]
    return None


def _invoked_arn(function: Any, qualifier: str | None) -> str:
    arn = f"arn:aws:lambda:{function.region}:{function.account_id}:function:{function.function_name}"
    return f"{arn}:{qualifier}" if qualifier else arn


def _tail(log: str) -> str:
    return base64.b64encode(log.encode()[-4096:]).decode()
