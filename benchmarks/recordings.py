"""Records the first successful invocation of each function on the embedded AWS: its event, its calls and AWS's answers.

`benchmarks.replay` plays them in a new process, where each answer costs what it costs to parse, and nothing to make.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import botocore.endpoint
from botocore.client import BaseClient

from local.aws.functions.execution_environment import ExecutionEnvironment
from local.cdk.assembly import assembly
from local.defaults import OFFBOARDING
from local.demo.provider_events import make_offboarding_request, put_events
from local.environment import Environment
from local.hooks import Hooks
from stacks.locked_packages import ROOT
from tools.costs.scenarios import LEAVER, SWEEP, Stage

SETTINGS = {**OFFBOARDING, "export": {"mode": "OnRequest", "lockDays": 30}}
"""Those of a stack that has every function."""


@dataclass(frozen=True)
class Call:
    """A call of AWS, and the answer on the wire."""

    service: str
    region: str
    timeouts: tuple[float, float]
    attempts: int
    operation: str
    parameters: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Recording:
    """One invocation.

    Attributes
    ----------
    module
        The module of the handler.
    event, answer
        JSON texts.
    variables
        The environment variables of the function.
    """

    module: str
    event: str
    answer: str
    variables: dict[str, str]
    remaining_milliseconds: int
    calls: tuple[Call, ...]


@dataclass
class Recorder:
    """Keeps the first successful invocation of each function that makes a call."""

    recordings: dict[str, Recording] = field(default_factory=dict)
    _thread: threading.local = field(default_factory=threading.local)

    @contextlib.contextmanager
    def record(self) -> Iterator[None]:
        """Record what happens in the block."""
        hooks = Hooks()
        call, make_api_call = ExecutionEnvironment.call, BaseClient._make_api_call
        convert = botocore.endpoint.convert_to_response_dict

        def record_invocation(environment: Any, event: str | bytes, context: Any) -> str:
            calls: list[Call] = []
            outer, self._thread.calls = getattr(self._thread, "calls", None), calls
            remaining = context.get_remaining_time_in_millis()
            try:
                answer = call(environment, event, context)
            finally:
                self._thread.calls = outer
            module = environment._handler_name.partition(".")[0]
            is_complete = "batchItemFailures" not in answer or json.loads(answer) == {"batchItemFailures": []}
            if calls and is_complete and module not in self.recordings:
                text = event.decode() if isinstance(event, bytes) else event
                self.recordings[module] = Recording(
                    module, text, answer, dict(environment._variables), remaining, tuple(calls)
                )
            return answer

        def note_request(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            outer = getattr(self._thread, "request", None)
            self._thread.request = (client, operation, parameters)
            try:
                return make_api_call(client, operation, parameters)
            finally:
                self._thread.request = outer

        def record_answer(response: Any, operation_model: Any) -> Any:
            calls, request = getattr(self._thread, "calls", None), getattr(self._thread, "request", None)
            # botocore converts each answer twice.
            is_new = getattr(self._thread, "response", None) is not response
            self._thread.response = response
            if is_new and calls is not None and request is not None and request[1] == operation_model.name:
                calls.append(_make_call(*request, response, _read_body(response, operation_model)))
            return convert(response, operation_model)

        hooks.replace(ExecutionEnvironment, "call", record_invocation)
        hooks.replace(BaseClient, "_make_api_call", note_request)
        hooks.replace(botocore.endpoint, "convert_to_response_dict", record_answer)
        try:
            yield
        finally:
            hooks.restore()


def _read_body(response: Any, operation_model: Any) -> bytes:
    """Read an answer's body, and leave a stream as it was for the function."""
    if not operation_model.has_streaming_output:
        return bytes(response.content)
    body: bytes = response.raw.read()
    response.raw.seek(0)
    return body


def _make_call(client: Any, operation: str, parameters: dict[str, Any], response: Any, body: bytes) -> Call:
    config = client.meta.config
    return Call(
        service=client.meta.service_model.service_name,
        region=client.meta.region_name,
        timeouts=(config.connect_timeout, config.read_timeout),
        attempts=config.retries["total_max_attempts"],
        operation=operation,
        parameters=parameters,
        status=response.status_code,
        headers=dict(response.headers),
        body=body,
    )


def record_invocations(now: datetime) -> dict[str, Recording]:
    """Run a wave of offboardings on the embedded AWS; return one invocation of each function, by its module.

    Raises
    ------
    LookupError
        A function was never invoked, or never successfully: the wave has to be completed.
    """
    recorder = Recorder()
    with Environment(assembly(SETTINGS), now=now) as environment, recorder.record():
        stage = Stage(environment)
        _run_offboardings(stage)
    missing_modules = {path.stem for path in (ROOT / "lambdas").glob("*.py")} - recorder.recordings.keys()
    if missing_modules:
        raise LookupError(f"no successful invocation was recorded of {', '.join(sorted(missing_modules))}")
    return recorder.recordings


def _run_offboardings(stage: Stage) -> None:
    for name in (LEAVER, "exported", "approved", "restored", "scheduled", "reported", "planned"):
        stage.people.create_user(name)
    stage.start("leaver")
    organization = {"OrganizationId": OFFBOARDING["organizations"][0]["id"], "RequestedBy": "Requester"}
    stage.start_by_output("StateMachineArn", {**organization, "EntityId": "planned", "DryRun": True})
    stage.start_by_output("StateMachineArn", {**organization, "EntityId": "exported", "Export": "Required"})
    later = (stage.environment.clock.now() + timedelta(days=3)).isoformat()
    stage.start_by_output("StateMachineArn", {**organization, "EntityId": "scheduled", "NotBefore": later})
    stage.require_approval("approved")
    waiting = stage.start("approved")
    decision = {"Decision": "Approved", "DecidedBy": "Approver", "Reason": "known"}
    stage.start_by_output("ApprovalStateMachineArn", {"ExecutionArn": waiting, **decision})
    restored = stage.start("restored")
    stage.pass_time(timedelta(days=1))
    stage.start_by_output("RestoreStateMachineArn", {"ExecutionArn": restored, "RequestedBy": "R", "Reason": "back"})
    SWEEP.run(stage)
    event = make_offboarding_request("r-1", stage.people.address("reported"), "Requester")
    put_events([event], stage.environment.client("events"))
    stage.pass_time(timedelta(days=35))
    erase = stage.environment.outputs["ErasePersonFunctionName"]
    person = json.dumps({**organization, "EntityId": stage.people.create_user("erased")})
    stage.environment.client("lambda").invoke(FunctionName=erase, Payload=person)
