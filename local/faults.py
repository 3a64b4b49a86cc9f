"""Failures on request: calls of the deployed stack to AWS fail as they can fail on AWS.

A fault names a service and one of its operations. It applies to the calls of the functions' code and of Step
Functions only: a client outside still sees the true state.

>>> Fault("workmail", "DescribeUser", error="ThrottlingException", times=2)          # two calls fail
>>> Fault("workmail", "DeregisterFromWorkMail", after_effect="Timeout", times=1)     # done, but the answer is lost
>>> Fault("lambda", "DeregisterEntity", error="Runtime.ExitError", times=1)          # a function crashes

Where a function's code is to fail, the operation is the function's name in camel case; the operation ``Invoke`` is
the call that starts a function. Each answer goes through botocore's own parser and retries.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import lru_cache
from http.client import OK
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
from botocore.awsrequest import AWSResponse
from botocore.endpoint import Endpoint
from botocore.exceptions import ReadTimeoutError
from botocore.loaders import create_loader
from botocore.model import OperationModel, ServiceModel, Shape

from local.clock import Clock
from local.hooks import Hooks

SERVICES = ("workmail", "dynamodb", "s3", "sns", "events", "sqs", "ssm", "stepfunctions", "identitystore", "lambda")
"""The services whose operations can fail: all that the stack calls, as boto3 names them."""

TIMEOUT = "Timeout"
EMPTY = "EmptyAnswer"
COMMON_ERRORS: Mapping[str, int] = {
    "AccessDeniedException": 400,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 400,
    "InternalFailure": 500,
    "MalformedHttpRequestException": 400,
    "NotAuthorized": 400,
    "OptInRequired": 403,
    "RequestAbortedException": 400,
    "RequestEntityTooLargeException": 413,
    "RequestExpired": 400,
    "RequestTimeoutException": 408,
    "ServiceUnavailable": 503,
    "ThrottlingException": 400,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
    "ValidationError": 400,
}
"""The errors that any service can return, and their HTTP status.

https://docs.aws.amazon.com/workmail/latest/APIReference/CommonErrors.html
"""

S3_ERRORS: Mapping[str, int] = {
    "AccessDenied": 403,
    "ExpiredToken": 400,
    "InternalError": 500,
    "KMS.DisabledException": 400,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchVersion": 404,
    "RequestTimeout": 400,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
}
"""The errors that S3 can return instead, which its model does not list for each operation, and their HTTP status.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

INVOCATION_ERRORS = ("Runtime.ExitError", "Sandbox.Timedout")
"""The ways in which an invocation can end without an answer."""


@dataclass(frozen=True)
class Fault:
    """One way in which an operation fails; exactly one of `error`, `latency` and `after_effect` is given.

    Attributes
    ----------
    service
        As boto3 names it; one of `SERVICES`.
    operation
        As the service's API names it; for ``lambda`` also a function: ``ResolveEntity``.
    error
        The error that is returned instead of any effect. ``Timeout`` is an answer that never arrives,
        ``EmptyAnswer`` a success without members.
    latency
        How many seconds the answer takes. It is lost if the caller does not wait that long.
    after_effect
        As `error`, but the operation takes effect first.
    times
        How often it happens; without it always.
    skip
        How many calls succeed before it happens.
    function
        The function whose calls fail, in camel case; without it all calls, including those of the state machines.
    """

    service: str
    operation: str
    error: str | None = None
    latency: float | None = None
    after_effect: str | None = None
    times: int | None = None
    skip: int = 0
    function: str | None = None

    def __post_init__(self) -> None:
        """Refuse an impossible fault with a ``ValueError`` whose text says what is possible."""
        if self.service not in SERVICES:
            raise ValueError(f"service must be one of {', '.join(SERVICES)}, not {self.service!r}")
        _require_operation(self.service, self.operation)
        effects = [name for name in ("error", "latency", "after_effect") if getattr(self, name) is not None]
        if len(effects) != 1:
            raise ValueError("a fault has exactly one of error, latency and afterEffect")
        if self.latency is None:
            _require_possible_error(self.service, self.operation, str(self.name))
        elif not _is_number(self.latency) or not 0 < self.latency <= _MAX_LATENCY_SECONDS:
            raise ValueError(f"latency is a number of seconds from 0 to {_MAX_LATENCY_SECONDS}, not {self.latency!r}")
        if self.times is not None and not _is_count(self.times, 1):
            raise ValueError(f"times is a whole number from 1 on, not {self.times!r}; leave it out for always")
        if not _is_count(self.skip, 0):
            raise ValueError(f"skip is a whole number from 0 on, not {self.skip!r}")
        if self.function is not None and not _is_function(self.function):
            raise ValueError(f"function is a name such as DeregisterEntity, not {self.function!r}")

    def list_functions(self) -> list[str]:
        """Return the functions that it names: the one that fails, and the one whose calls fail."""
        fails = self.service == "lambda" and self.operation not in service_model("lambda").operation_names
        return [*([self.operation] if fails else []), *([self.function] if self.function else [])]

    @property
    def name(self) -> str | None:
        """The error's name, whether or not the operation takes effect; None if the answer is only slow."""
        return self.error or self.after_effect

    @classmethod
    def from_members(cls, members: object) -> Fault:
        """Parse a fault from its JSON members.

        Parameters
        ----------
        members
            For example ``{"service": "workmail", "operation": "DescribeUser", "error": "ThrottlingException"}``;
            `after_effect` is spelled ``afterEffect``.

        Raises
        ------
        ValueError
            If it is not a fault; the text is a sentence.
        """
        if not isinstance(members, dict):
            raise ValueError(f"a fault is a JSON object, not {members!r}")  # noqa: TRY004 (one kind for bad input)
        unknown = sorted(set(members) - set(_MEMBERS))
        if unknown:
            raise ValueError(f"a fault has no {', '.join(unknown)}; its members are {', '.join(_MEMBERS)}")
        missing = sorted({"service", "operation"} - set(members))
        if missing:
            raise ValueError(f"the fault lacks {' and '.join(missing)}")
        return cls(**{_MEMBERS[name]: value for name, value in members.items()})

    def to_members(self) -> dict[str, Any]:
        """Return the members that `from_members` reads."""
        members = {attribute: member for member, attribute in _MEMBERS.items()}
        return {members[name]: value for name, value in asdict(self).items() if value not in (None, 0)}


_MAX_LATENCY_SECONDS = 900
_LONGER_THAN_ANY_FUNCTION = timedelta(days=1)
_MEMBERS = {
    "service": "service",
    "operation": "operation",
    "error": "error",
    "latency": "latency",
    "afterEffect": "after_effect",
    "times": "times",
    "skip": "skip",
    "function": "function",
}


class InvocationLostError(Exception):
    """An invocation ended without an answer, as a ``Runtime.ExitError``."""

    def __init__(self) -> None:
        super().__init__("Error: Runtime exited with error: signal: killed")


@dataclass(frozen=True)
class RecordedCall:
    """A call that the stack made.

    Attributes
    ----------
    function
        The function whose code made it, in camel case; None if a state machine made it.
    service, operation
        As in `Fault`; an invocation is of ``lambda``, under the function's name.
    """

    function: str | None
    service: str
    operation: str


@dataclass
class _ActiveFault:
    """A fault, and how often it can still happen."""

    fault: Fault
    skip: int
    remaining: int | None
    hits: int = 0

    def count_call(self, call: RecordedCall) -> bool:
        """Count a call, and return whether it fails."""
        if (self.fault.service, self.fault.operation) != (call.service, call.operation):
            return False
        if self.fault.function not in {None, call.function}:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.remaining == 0:
            return False
        self.remaining = None if self.remaining is None else self.remaining - 1
        self.hits += 1
        return True


class Faults:
    """The faults of an embedded AWS.

    Parameters
    ----------
    clock
        The clock that slow answers and botocore's pauses between two attempts wait on.
    list_functions
        Returns the names of the deployed functions, in camel case; without it a fault can name any.

    Attributes
    ----------
    listeners
        Called for each call that a fault answers with an error: with service, operation, error and the request's URL.
    """

    def __init__(self, clock: Clock, list_functions: Callable[[], Iterable[str]] | None = None) -> None:
        self._clock = clock
        self._list_functions = list_functions
        self._active: list[_ActiveFault] = []
        self._recordings: list[list[RecordedCall]] = []
        self.listeners: list[Callable[[str, str, str, str], None]] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Add faults; if several match a call, the first one applies.

        Raises
        ------
        ValueError
            If one is about a function that is not deployed; then none is added. The sentence says which functions are.
        """
        for fault in faults:
            self._require_deployed_functions(fault)
        with self._lock:
            self._active += [_ActiveFault(fault, fault.skip, fault.times) for fault in faults]

    def _require_deployed_functions(self, fault: Fault) -> None:
        if self._list_functions is None:
            return
        deployed = sorted(set(self._list_functions()))
        for name in fault.list_functions():
            if name not in deployed:
                possible = f"its functions are {', '.join(deployed)}" if deployed else "it has no function"
                raise ValueError(f"the deployed stack has no function {name}; {possible}")

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._active.clear()

    def list_hits(self) -> list[tuple[Fault, int]]:
        """Return the faults, and how often each has happened."""
        with self._lock:
            return [(active.fault, active.hits) for active in self._active]

    @contextlib.contextmanager
    def record_calls(self) -> Iterator[list[RecordedCall]]:
        """Record the calls that the stack makes meanwhile, in their order, whether or not they fail."""
        calls: list[RecordedCall] = []
        self._recordings.append(calls)
        try:
            yield calls
        finally:
            self._recordings.remove(calls)

    def install(self, hooks: Hooks) -> None:
        """Intercept botocore's requests for as long as the hooks are in place."""
        faults, respond = self, Endpoint._do_get_response

        def do_get_response(self: Endpoint, request: Any, operation_model: OperationModel, context: Any) -> Any:
            service = operation_model.service_model.service_name
            fault = faults._match(service, operation_model.name)
            call = lambda: respond(self, request, operation_model, context)  # noqa: E731 (it is used on the next line only)
            return call() if fault is None else faults._make_answer(fault, self, request, operation_model, call)

        hooks.replace(Endpoint, "_do_get_response", do_get_response)
        hooks.replace(botocore.endpoint, "time", SimpleNamespace(sleep=self._sleep_between_attempts))

    def run_invocation(self, function: str, run: Callable[[], str]) -> str:
        """Run an invocation, and return its answer.

        Parameters
        ----------
        function
            Its name in camel case.
        run
            Runs the handler. The calling thread has the function's deadline.

        Raises
        ------
        InvocationLostError
            If a fault ends it without an answer.
        DeadlineReachedError
            If a fault takes longer than the function may run.
        """
        fault = self._match("lambda", function)
        if fault is None:
            return run()
        if fault.latency is not None:
            self._clock.sleep(timedelta(seconds=fault.latency))
            return run()
        if fault.after_effect is not None:
            run()
        if fault.name == "Sandbox.Timedout":
            self._clock.sleep(_LONGER_THAN_ANY_FUNCTION)
        raise InvocationLostError

    def _match(self, service: str, operation: str) -> Fault | None:
        # Only the stack's calls run as work on the clock; tests and clients use other threads.
        if self._clock.current() is None:
            return None
        call = RecordedCall(_running_function(), service, operation)
        with self._lock:
            for recording in self._recordings:
                recording.append(call)
            return next((active.fault for active in self._active if active.count_call(call)), None)

    def _make_answer(
        self, fault: Fault, endpoint: Endpoint, request: Any, operation: OperationModel, call: Callable[[], Any]
    ) -> Any:
        read_timeout = _read_timeout(endpoint)
        if fault.latency is not None:
            self._clock.sleep(timedelta(seconds=min(fault.latency, read_timeout)))
            answer = call()
            return answer if fault.latency < read_timeout else _timeout_result(request)
        if fault.after_effect is not None:
            call()
        for listener in self.listeners:
            listener(operation.service_model.service_name, operation.name, str(fault.name), request.url)
        if fault.name == TIMEOUT:
            self._clock.sleep(timedelta(seconds=read_timeout))
            return _timeout_result(request)
        return _make_response(endpoint, request, operation, str(fault.name))

    def _sleep_between_attempts(self, seconds: float) -> None:
        """Pause between two attempts: on the clock for the stack, in real time for a client outside."""
        if self._clock.current() is None:
            time.sleep(seconds)
        else:
            self._clock.sleep(timedelta(seconds=seconds))


def read_faults(text: str | bytes) -> list[Fault]:
    """Read a JSON list of faults.

    Raises
    ------
    ValueError
        If one is invalid; the sentence says which one, and what would be valid.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the faults are not JSON: {error}") from error
    if not isinstance(value, list):
        raise ValueError("the faults are a JSON list of objects")  # noqa: TRY004 (one kind for bad input)
    faults: list[Fault] = []
    for number, members in enumerate(value, start=1):
        try:
            faults.append(Fault.from_members(members))
        except ValueError as error:
            raise ValueError(f"fault {number}: {error}") from None
    return faults


@lru_cache(maxsize=len(SERVICES))
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return ServiceModel(create_loader().load_service_model(service, "service-2"), service)


def modelled_errors(service: str, operation: str) -> dict[str, int]:
    """Return the errors that the service's model lists for an operation, with their HTTP status."""
    return {
        _error_code(shape): int(shape.metadata.get("error", {}).get("httpStatusCode", 400))
        for shape in service_model(service).operation_model(operation).error_shapes
    }


def possible_errors(service: str, operation: str) -> list[str]:
    """Return every error name that a fault of this operation can have."""
    if operation not in service_model(service).operation_names:
        return sorted(INVOCATION_ERRORS)
    names = set(_errors_with_status(service, operation))
    return sorted(names) if service == "lambda" else [*sorted(names), TIMEOUT, EMPTY]


def _errors_with_status(service: str, operation: str) -> dict[str, int]:
    common = S3_ERRORS if service == "s3" else COMMON_ERRORS
    return {**common, **modelled_errors(service, operation)}


def _error_code(shape: Shape) -> str:
    return str(shape.metadata.get("error", {}).get("code", shape.name))


def _require_operation(service: str, operation: object) -> None:
    names = service_model(service).operation_names
    if operation in names:
        return
    if service == "lambda" and _is_function(operation):
        return
    matches = difflib.get_close_matches(str(operation), names, n=1)
    hint = f"did you mean {matches[0]}?" if matches else f"its operations are {', '.join(names)}"
    raise ValueError(f"{service} has no operation {operation!r}; {hint}")


def _require_possible_error(service: str, operation: str, name: str) -> None:
    possible = possible_errors(service, operation)
    if name not in possible:
        raise ValueError(f"{service} {operation} cannot end with {name!r}; it can with {', '.join(possible)}")


def _is_function(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier() and name[0].isupper()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def function_name(handler: str) -> str:
    """Return a function's name as its handler's module has it, in camel case.

    Examples
    --------
    >>> function_name("resolve_entity.handler")
    'ResolveEntity'
    """
    module = handler.rpartition(".")[0].rpartition("/")[2]
    return "".join(word.capitalize() for word in module.split("_"))


def _running_function() -> str | None:
    """Return the name of the running function, from the environment variables that it sets meanwhile."""
    handler = os.environ.get("_HANDLER")
    return function_name(handler) if handler else None


def _read_timeout(endpoint: Endpoint) -> float:
    """Return how many seconds a client waits for an answer."""
    timeout = endpoint.http_session._timeout
    return float(getattr(timeout, "_read", timeout))


def _timeout_result(request: Any) -> tuple[None, ReadTimeoutError]:
    return None, ReadTimeoutError(endpoint_url=request.url)


def _make_response(endpoint: Endpoint, request: Any, operation: OperationModel, name: str) -> Any:
    """Make an answer in the service's protocol, and have botocore parse it."""
    service = operation.service_model.service_name
    status = OK if name == EMPTY else _errors_with_status(service, operation.name)[name]
    body = _make_body(name, operation, request)
    headers = {} if name == EMPTY else {"x-amzn-errortype": name}
    response = AWSResponse(request.url, status, {"x-amzn-requestid": "fault", **headers}, _RawBody(body))
    parser = endpoint._response_parser_factory.create_parser(operation.service_model.resolved_protocol)
    response_dict = botocore.endpoint.convert_to_response_dict(response, operation)
    parsed = parser.parse(response_dict, operation.output_shape)
    if status != OK:
        endpoint._add_modeled_error_fields(response_dict, parsed, operation, parser)
    return (response, parsed), None


def _make_body(name: str, operation: OperationModel, request: Any) -> bytes:
    protocol = operation.service_model.resolved_protocol
    if protocol == "query":
        return _query_body(name, operation)
    if protocol == "rest-xml":
        is_empty = name == EMPTY or operation.http["method"] == "HEAD"
        return b"" if is_empty else f"<Error><Code>{name}</Code><Message>{_ERROR_MESSAGE}</Message></Error>".encode()
    return _json_body(name, request)


def _json_body(name: str, request: Any) -> bytes:
    if name == EMPTY:
        return b"{}"
    members: dict[str, Any] = {"__type": name, "message": _ERROR_MESSAGE}
    if name == "TransactionCanceledException":
        # Of the reasons that DynamoDB can have, the one that depends on nothing else in the request.
        count = len(json.loads(request.body)["TransactItems"])
        members["CancellationReasons"] = [{"Code": "TransactionConflict", "Message": _ERROR_MESSAGE}] * count
    return json.dumps(members).encode()


def _query_body(name: str, operation: OperationModel) -> bytes:
    if name == EMPTY:
        result = f"<{operation.name}Result/>"
        return f"<{operation.name}Response>{result}<ResponseMetadata/></{operation.name}Response>".encode()
    error = f"<Error><Type>Sender</Type><Code>{name}</Code><Message>{_ERROR_MESSAGE}</Message></Error>"
    return f"<ErrorResponse>{error}<RequestId>fault</RequestId></ErrorResponse>".encode()


_ERROR_MESSAGE = "This error was made by a fault."


class _RawBody:
    """The body of an answer, as botocore reads it from urllib3."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Sequence[bytes]:
        """Return the body in one piece."""
        return [self._body]

    def read(self, *_: Any) -> bytes:
        """Return the body the first time."""
        body, self._body = self._body, b""
        return body
