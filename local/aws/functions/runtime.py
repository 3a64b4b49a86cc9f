"""AWS Lambda on this machine: runs the deployed package in this process, as Lambda's Python runtime would.

moto keeps functions, versions and their code; without Docker it answers an invocation with an echo. Here
the function's zip is run, in an execution environment (see `local.aws.functions.execution_environment`):

- A function that was initialized once in this process is not initialized again by a later `Runtime`. It
  starts from a snapshot of its modules after the initialization, as on Lambda with SnapStart. One
  whose initialization prints or logs is initialized again, and so is one whose snapshot is in use.
- ``os.environ`` and the local time zone are those of the function while its code runs.
- One invocation runs at a time. One that waits on the clock lets others run meanwhile.
- The output and the log of a handler go to its log group in moto's CloudWatch Logs and to `Runtime.logs`.
- Errors have the form that Lambda gives them; Step Functions takes the error's name from there.
- An asynchronous invocation runs in a thread of its own: see `local.aws.functions.asynchronous`.

**The time-out.** An invocation takes time on the clock where its code waits: in ``time.sleep``, for a slow answer of
AWS (`local.faults`), or between two attempts of botocore; and as much as `local.aws.quotas` says. At the function's
time-out it is ended as on Lambda: its caller gets ``Sandbox.Timedout`` at that instant. No later call to AWS takes
effect, no later output is logged, and the next invocation has another execution environment. Clean-up code
(``finally``) still runs in this process, with no effect outside it.
Code that computes without an end never waits: the clock stands still for it, and `Clock.settle` names it in its
``TimeoutError``. Threads that a function starts are not limited.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from datetime import timedelta
from enum import Enum
from typing import Any

from botocore.endpoint import Endpoint
from moto.awslambda import models as awslambda_models
from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.responses import LambdaResponse
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.utilities.docker_utilities import DockerModel

from local.aws.functions.asynchronous import AsynchronousInvocations
from local.aws.functions.execution_environment import (
    Context,
    ExecutionEnvironment,
    FunctionError,
    environment_variables_of,
    unpack,
)
from local.aws.functions.process_state import (
    capture_output,
    discard_output,
    invocation_lock,
    mark_running,
    running_function,
    sleep,
)
from local.aws.functions.trusted_code import TrustedCode
from local.aws.quotas import Quotas, TooManyRequestsException
from local.clock import Clock
from local.faults import Faults, InvocationLostError, function_name
from local.hooks import Hooks


class InvocationResult(Enum):
    """How an invocation ended, as Lambda's metrics count it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    THROTTLED = "throttled"


class Runtime:
    """Invokes functions, and keeps their execution environments and logs.

    Parameters
    ----------
    clock
        The clock by which time-outs are measured.
    faults
        The faults that apply to invocations; none by default.
    quotas
        The quotas that apply to invocations; none by default.

    Attributes
    ----------
    trusted_code
        The only code that functions can have; any code if None, as it is by default.
    listeners
        Called after each invocation, with the function, the invoked ARN and how it ended.
    """

    def __init__(self, clock: Clock, faults: Faults | None = None, quotas: Quotas | None = None) -> None:
        self._clock = clock
        self._faults = faults or Faults(clock)
        self._quotas = quotas or Quotas(clock)
        self.trusted_code: TrustedCode | None = None
        self.listeners: list[Callable[[Any, str, InvocationResult], None]] = []
        self._asynchronous = AsynchronousInvocations(clock, self.invoke)
        self._environments: dict[tuple[Any, ...], ExecutionEnvironment] = {}
        self._logs: dict[str, list[str]] = defaultdict(list)

    def install(self, hooks: Hooks) -> None:
        """Have moto run functions with this runtime for as long as the hooks are in place."""
        respond, request = LambdaResponse.invoke, Endpoint.make_request

        def with_qualifier(self: LambdaResponse) -> Any:
            # moto reads it in lower case, and then from the payload; clients send it with a capital.
            self.querystring["qualifier"] = self.querystring.get("Qualifier", [None])
            return respond(self)

        def request_in_time(endpoint: Endpoint, *args: Any) -> Any:
            self._clock.require_time()
            return request(endpoint, *args)

        for name in ("_zipfile_content", "_s3_content"):
            hooks.replace(awslambda_models, name, self._require_trusted(getattr(awslambda_models, name)))
        hooks.replace(DockerModel, "docker_client", property(_refuse_docker))
        hooks.replace(Endpoint, "make_request", request_in_time)
        hooks.replace(LambdaResponse, "invoke", with_qualifier)
        hooks.replace(LambdaSimpleBackend, "invoke", self._make_moto_invoke())
        hooks.replace(time, "sleep", sleep)
        hooks.add_cleanup(self._close)

    def logs(self, function_name: str) -> list[str]:
        """Return the lines that a function has printed and logged, all versions together."""
        return list(self._logs[function_name])

    def all_logs(self) -> list[str]:
        """Return the lines that all functions have printed and logged."""
        return [line for lines in self._logs.values() for line in lines]

    def invoke(self, function: Any, event: str | bytes, invoked_arn: str) -> tuple[Any, str, FunctionError | None]:
        """Run one invocation of one of moto's functions.

        Returns
        -------
        tuple
            The answer's JSON text, the log, and the error if there was one.

        Raises
        ------
        TooManyRequestsException
            If the concurrency is exhausted.
        """
        try:
            answer, log, error = self._invoke(function, event, invoked_arn)
        except TooManyRequestsException:
            self._tell_listeners(function, invoked_arn, InvocationResult.THROTTLED)
            raise
        result = InvocationResult.SUCCEEDED if error is None else InvocationResult.FAILED
        self._tell_listeners(function, invoked_arn, result)
        return answer, log, error

    def _tell_listeners(self, function: Any, invoked_arn: str, result: InvocationResult) -> None:
        for listener in self.listeners:
            listener(function, invoked_arn, result)

    def _invoke(self, function: Any, event: str | bytes, invoked_arn: str) -> tuple[Any, str, FunctionError | None]:
        request_id = str(uuid.uuid4())
        refusal = self.trusted_code.find_refusal(function) if self.trusted_code is not None else None
        if refusal is not None:
            error = FunctionError("Runtime.UntrustedCode", refusal)
            return json.dumps(error.payload(request_id)), f"{error.log_line()}\n", error
        with (
            self._clock.count_as_work(f"invocation of {function.function_name}"),
            capture_output() as printed,
            mark_running(function, self._clock),
            self._run_alone(),
            self._quotas.count_invocation(function.account_id, function.region),
        ):
            environment = self._get_environment(function)
            error = None
            try:
                answer = self._run(environment, function, event, invoked_arn, request_id)
            except FunctionError as failure:
                error = failure
                printed.write(f"{failure.log_line()}\n")
                answer = json.dumps(failure.payload(request_id))
                if failure.ends_environment:
                    self._discard(environment)
        self._keep_log(function, environment, printed.getvalue())
        return answer, printed.getvalue(), error

    def _require_trusted(self, read: Callable[[Any], tuple[bytes, Any, Any, Any]]) -> Callable[[Any], Any]:
        """Have a package that moto reads refused if it is not trusted."""

        def read_trusted(source: Any) -> tuple[bytes, Any, Any, Any]:
            content = read(source)
            if self.trusted_code is not None:
                self.trusted_code.require_package(content[0])
            return content

        return read_trusted

    @contextlib.contextmanager
    def _run_alone(self) -> Iterator[None]:
        """Let one invocation run at a time: the others run while it waits on the clock."""
        invocation_lock.acquire()
        try:
            with self._clock.while_blocked(invocation_lock.release, invocation_lock.acquire):
                yield
        finally:
            invocation_lock.release()

    def _run(
        self, environment: ExecutionEnvironment, function: Any, event: str | bytes, arn: str, request_id: str
    ) -> str:
        timeout = timedelta(seconds=int(function.timeout))
        context = Context(
            function_name=function.function_name,
            function_version=str(function.version),
            invoked_function_arn=arn,
            memory_limit_in_mb=str(function.memory_size),
            aws_request_id=request_id,
            log_group_name=function.logs_group_name,
            log_stream_name=environment.log_stream,
            deadline=self._clock.now() + timeout,
            clock=self._clock,
        )

        def run() -> str:
            self._quotas.take_invocation_time()
            return self._faults.run_invocation(
                function_name(function.handler), lambda: environment.call(event, context)
            )

        failure: Exception | None = None
        with self._clock.limit(context.deadline, discard_output) as limit:
            try:
                answer = run()
            except (FunctionError, InvocationLostError) as error:
                failure = error
        if limit.was_reached:
            text = f"RequestId: {request_id} Error: Task timed out after {timeout.total_seconds():.2f} seconds"
            raise FunctionError("Sandbox.Timedout", text, ends_environment=True)
        if isinstance(failure, InvocationLostError):
            raise FunctionError("Runtime.ExitError", f"RequestId: {request_id} {failure}", ends_environment=True)
        if failure is not None:
            raise failure
        return answer

    def _discard(self, environment: ExecutionEnvironment) -> None:
        """Have the next invocation run in another execution environment."""
        for key, value in list(self._environments.items()):
            if value is environment:
                del self._environments[key]
        environment.close()

    def _get_environment(self, function: Any) -> ExecutionEnvironment:
        variables = function.environment_vars
        key = (
            function.function_arn,
            function.code_sha_256,
            function.handler,
            tuple(sorted(variables.items())),
        )
        with invocation_lock:
            if key not in self._environments:
                today = self._clock.now().strftime("%Y/%m/%d")
                stream = f"{today}/[{function.version}]{uuid.uuid4().hex}"
                code = unpack(bytes(function.code_bytes))
                self._environments[key] = ExecutionEnvironment(
                    self._clock, code, function.handler, environment_variables_of(function, stream), stream
                )
            return self._environments[key]

    def _close(self) -> None:
        """Return the snapshots to the pool."""
        with invocation_lock:
            for environment in self._environments.values():
                environment.close()
            self._environments.clear()

    def _keep_log(self, function: Any, environment: ExecutionEnvironment, printed: str) -> None:
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

    def _invoke_apart(self, function: Any, event: str | bytes, arn: str) -> tuple[Any, str, FunctionError | None]:
        """Run an invocation that another one waits for, in a thread of its own: it can outlive the other one."""
        result: Future[tuple[Any, str, FunctionError | None]] = Future()

        def run() -> None:
            try:
                result.set_result(self.invoke(function, event, arn))
            except TooManyRequestsException as error:
                result.set_exception(error)

        self._clock.start_thread(f"invocation of {function.function_name}", run).ended.wait()
        return result.result(timeout=0)

    def _make_moto_invoke(self) -> Callable[..., str | bytes]:
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
            response_headers["x-amz-executed-version"] = str(function.version)
            if headers.get("X-Amz-Invocation-Type") == "Event":
                runtime._asynchronous.accept(function, body or "{}", arn)
                return b""
            run = runtime.invoke if running_function() is None else runtime._invoke_apart
            answer, log, error = run(function, body or "{}", arn)
            if headers.get("X-Amz-Log-Type") == "Tail":
                response_headers["x-amz-log-result"] = _tail(log)
            if error is not None:
                response_headers["x-amz-function-error"] = "Unhandled"
            return answer.encode()

        return invoke


def _refuse_docker(_: DockerModel) -> None:
    """Start no container: Lambda needs none here, and AWS Batch could run any command."""
    raise RuntimeError("The embedded AWS does not use Docker.")


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
