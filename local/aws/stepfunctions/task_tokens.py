"""Task tokens: waiting for the answer to one, and answering.

- A wait for a token, and its heartbeat, are on the clock.
- Each attempt of a task has a separate token.
- ``SendTaskSuccess`` refuses an output that is not JSON.
- A token leads to the state machine of its execution, which the caller needs permission for.
- An answer to a task that has ended raises ``TaskTimedOut``. That includes a second answer, and one to an earlier
  attempt.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from moto.stepfunctions.exceptions import AWSError
from moto.stepfunctions.parser import api as parser_api
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackConsumerTimeout,
    CallbackEndpoint,
    CallbackOutcomeFailure,
    CallbackOutcomeSuccess,
    CallbackOutcomeTimedOut,
    CallbackPoolManager,
    HeartbeatTimedOut,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from local.aws.stepfunctions.waits import Interrupted, interruptible
from local.clock import Clock, Gate
from local.hooks import Hooks


class TaskTimedOutError(AWSError):
    """The task of the token has ended."""

    TYPE = "TaskTimedOut"
    STATUS = 400

    def __init__(self) -> None:
        super().__init__("Task Timed Out: 'Provided task does not exist anymore'")


def install(hooks: Hooks, clock: Clock) -> None:
    """Have tokens awaited and answered as on AWS, for as long as the hooks are in place."""
    service = state_task_service_callback.StateTaskServiceCallback
    add, add_activity_task = CallbackPoolManager.add, CallbackPoolManager.add_activity_task
    endpoints: dict[str, CallbackEndpoint] = {}

    def wait_for_token(
        self: Any,
        env: Environment,
        timeout_seconds: int,
        callback_endpoint: CallbackEndpoint,
        heartbeat_endpoint: Any,
    ) -> Any:
        return _wait_for_answer(clock, env, timeout_seconds, callback_endpoint, heartbeat_endpoint)

    def open_gate_after(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: CallbackEndpoint, *args: Any, **kwargs: Any) -> Any:
            result = method(self, *args, **kwargs)
            gate: Gate | None = getattr(self, "local_gate", None)
            if gate is not None:
                gate.open()
            return result

        return call

    def index_endpoint_after(method: Callable[..., CallbackEndpoint]) -> Callable[..., CallbackEndpoint]:
        @functools.wraps(method)
        def call(self: CallbackPoolManager, *args: Any, **kwargs: Any) -> CallbackEndpoint:
            endpoint = method(self, *args, **kwargs)
            endpoints[endpoint.callback_id] = endpoint
            return endpoint

        return call

    hooks.replace(service, "_eval_wait_for_task_token", wait_for_token)
    for name in ("notify", "notify_heartbeat", "interrupt_all"):
        hooks.replace(CallbackEndpoint, name, open_gate_after(getattr(CallbackEndpoint, name)))
    hooks.replace(CallbackPoolManager, "add", index_endpoint_after(add))
    hooks.replace(CallbackPoolManager, "add_activity_task", index_endpoint_after(add_activity_task))
    _hook_answers(hooks, endpoints)


@contextlib.contextmanager
def use_attempt_token(state: ExecutionState, env: Environment) -> Iterator[None]:
    """Give each attempt a separate token, which is invalid when the attempt has ended."""
    resource = getattr(state, "resource", None)
    if getattr(resource, "condition", None) != ResourceCondition.WaitForTaskToken:
        yield
        return
    context = env.states.context_object
    token = context.context_object_data["Task"]["Token"]
    if env.callback_pool_manager.get(token).consumer_error is not None:
        token = context.update_task_token()
        env.callback_pool_manager.add(token)
    details = env.aws_execution_details
    machines = _machines_by_token(details.account, details.region)
    machines[token] = context.context_object_data["StateMachine"]["Id"]
    try:
        yield
    finally:
        # From now on an answer gets the error that the task timed out, as on AWS.
        env.callback_pool_manager.get(token).report(CallbackConsumerTimeout())


def find_state_machine_of_token(token: str, account_id: str, region: str) -> str | None:
    """Return the ARN of the state machine of the execution that waits or waited with a token.

    Parameters
    ----------
    token
        The task token.
    account_id, region
        The place of the state machine.

    Returns
    -------
    str | None
        None if no task of the place has or had the token.
    """
    return _machines_by_token(account_id, region).get(token)


def _machines_by_token(account_id: str, region: str) -> dict[str, str]:
    """Return the ARNs of state machines by task token; the backend holds them, so that a reset of moto clears them."""
    backend = stepfunctions_parser_backends[account_id][region]
    machines: dict[str, str] = backend.__dict__.setdefault("local_machines_by_token", {})
    return machines


def _wait_for_answer(
    clock: Clock, env: Environment, timeout_seconds: int, endpoint: CallbackEndpoint, heartbeat: Any
) -> Any:
    """Wait for the answer to a task token; every heartbeat postpones the heartbeat's time-out."""
    times_out_at = clock.now() + timedelta(seconds=timeout_seconds)
    interval = timedelta(seconds=heartbeat._heartbeat_seconds) if heartbeat else None
    last_heartbeat_at = clock.now()
    while True:
        gate = endpoint.local_gate = clock.gate()
        if endpoint.get_outcome() is not None:
            return endpoint.get_outcome()
        if heartbeat and heartbeat._next_heartbeat_event.is_set():
            heartbeat._next_heartbeat_event.clear()
            last_heartbeat_at = clock.now()
        until = min(times_out_at, last_heartbeat_at + interval) if interval else times_out_at
        with interruptible(env, gate):
            opened = gate.wait(until)
        if not env.is_running():
            raise Interrupted
        if not opened:
            return HeartbeatTimedOut() if until < times_out_at else CallbackOutcomeTimedOut(endpoint.callback_id)


def _hook_answers(hooks: Hooks, endpoints: Mapping[str, CallbackEndpoint]) -> None:
    """Find the task of an answer in an index of tokens; moto searches every execution.

    Parameters
    ----------
    hooks
        The set that the replacements are added to.
    endpoints
        The endpoints that wait for answers, by token, of all tasks, including those that have ended.
    """

    def get_open_endpoint(token: str) -> CallbackEndpoint:
        endpoint = endpoints.get(token)
        if endpoint is None:
            raise parser_api.InvalidToken
        if endpoint.consumer_error is not None or endpoint.get_outcome() is not None:
            raise TaskTimedOutError
        return endpoint

    def succeed(_: StepFunctionsParserBackend, task_token: str, outcome: str) -> None:
        endpoint = get_open_endpoint(task_token)
        try:
            json.loads(outcome)
        except ValueError as error:
            raise parser_api.InvalidOutput(f"Invalid Output: {error}") from error
        endpoint.notify(CallbackOutcomeSuccess(task_token, outcome))

    def fail(
        _: StepFunctionsParserBackend, task_token: str, error: str | None = None, cause: str | None = None
    ) -> None:
        get_open_endpoint(task_token).notify(CallbackOutcomeFailure(task_token, error, cause))

    def record_heartbeat(_: StepFunctionsParserBackend, task_token: str) -> None:
        get_open_endpoint(task_token).notify_heartbeat()

    hooks.replace(StepFunctionsParserBackend, "send_task_success", succeed)
    hooks.replace(StepFunctionsParserBackend, "send_task_failure", fail)
    hooks.replace(StepFunctionsParserBackend, "send_task_heartbeat", record_heartbeat)
