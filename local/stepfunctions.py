"""AWS Step Functions on this machine: moto's interpreter, on the movable clock and with AWS's semantics.

moto (5.2.5) interprets the Amazon States Language. ``install(clock)`` mends what it does differently
from AWS, for as long as the hooks are in place:

- JSONata is evaluated at all, values are bound and never become code, and what fails is
  ``States.QueryEvaluationError``.
- Nothing waits for real. ``Wait`` states, task tokens, heartbeats, retry intervals and the machine's
  ``TimeoutSeconds`` wait on the clock; retry intervals are automatic (see ``local.clock``).
- An execution runs in one thread, a branch or an iteration in one each, and the clock knows them.
- Stopping or timing out interrupts whatever the execution is blocked in, and stays the outcome.
- ``Assign`` takes effect in the next state, so ``Output`` sees the variables as they were.
- ``StartTime`` and ``EnteredTime`` look as on AWS, ``Map`` is in the context of the states inside a Map,
  and a Choice that matches nothing fails with ``States.NoChoiceMatched``.

What the service's API does differently is in ``local.stepfunctions_api``.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import logging
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from moto.stepfunctions.parser import api
from moto.stepfunctions.parser import models as parser_models  # noqa: F401 (the import loads the whole interpreter)
from moto.stepfunctions.parser.asl.component.common.assign.assign_decl import AssignDecl
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string.string_expression import (
    StringJSONata,
    StringVariableSample,
)
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import EvalTimeoutError
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state import state as state_module
from moto.stepfunctions.parser.asl.component.state.choice.state_choice import StateChoice
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import job
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.inline_iteration_component import (
    InlineIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel.branch_worker import BranchWorker
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp import Timestamp
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackConsumerTimeout,
    CallbackEndpoint,
    CallbackOutcomeTimedOut,
    CallbackPoolManager,
    HeartbeatTimedOut,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.eval.program_state import ProgramRunning, ProgramTimedOut
from moto.stepfunctions.parser.asl.eval.states import States
from moto.stepfunctions.parser.asl.eval.variable_store import VariableStore
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

from local import jsonata, stepfunctions_api
from local.clock import Clock, Gate, Work
from local.hooks import Hooks

MOTO = "moto.stepfunctions"
_TIMESTAMP = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$")
_NO_CHOICE = "No branching option reached"
_log = logging.getLogger(__name__)
_this_thread = threading.local()


class _Interrupted(BaseException):
    """The execution was stopped or timed out while this state was under way."""


def install(clock: Clock, *, truncate_timestamps: bool = False) -> Hooks:
    """Put Step Functions on a clock.

    Parameters
    ----------
    clock
        What every wait waits for.
    truncate_timestamps
        Cut a Wait state's ``Timestamp`` to whole seconds, as AWS documents that it does: a wait can then
        end up to 999 ms early. Without it no wait ends before its timestamp.

    Returns
    -------
    Hooks
        Call its ``restore``, or use it as a context manager.
    """
    hooks = Hooks()
    _hook_jsonata(hooks)
    _hook_variables(hooks)
    _hook_context(hooks)
    _hook_environments(hooks)
    _hook_waits(hooks, clock, truncate_timestamps=truncate_timestamps)
    _hook_retries(hooks, clock)
    _hook_callbacks(hooks, clock)
    _hook_states(hooks, clock)
    _hook_programs(hooks, clock)
    _hook_workers(hooks, clock)
    _hook_parser(hooks)
    _hook_clients(hooks)
    _hook_logging(hooks)
    stepfunctions_api.install(hooks, clock)
    return hooks


def _hook_jsonata(hooks: Hooks) -> None:
    add_event = EventManager.add_event

    def evaluate(self: StringJSONata | StringVariableSample, env: Environment) -> None:
        try:
            value = jsonata.evaluate(self.expression, _variables(env, self.expression))
        except jsonata.QueryError as error:
            failure = _query_failure(env, self.expression, error)
            details = failure.get_evaluation_failed_event_details()
            add_event(
                env.event_manager,
                context=env.event_history_context,
                event_type=api.HistoryEventType.EvaluationFailed,
                event_details={"evaluationFailedEventDetails": details},
            )
            _this_thread.recorded = True
            raise failure from error
        env.stack.append(value)

    def add_event_once(self: EventManager, *args: Any, **kwargs: Any) -> int:
        # Task and Map states add the event of the failure that they handle; it is in the history already.
        event_type = kwargs.get("event_type", args[1] if len(args) > 1 else None)
        recorded, _this_thread.recorded = getattr(_this_thread, "recorded", False), False
        if recorded and event_type == api.HistoryEventType.EvaluationFailed:
            return int(self._history_event_list[-1]["id"])
        return add_event(self, *args, **kwargs)

    hooks.replace(EventManager, "add_event", add_event_once)
    hooks.replace(StringJSONata, "_eval_body", evaluate)
    hooks.replace(StringVariableSample, "_eval_body", evaluate)


def _variables(env: Environment, expression: str) -> dict[str, Any]:
    scopes = {**env.variable_store._outer_scope, **env.variable_store._inner_scope}
    variables = {name: value for name, value in scopes.items() if f"${name}" in expression}
    if "$states" in expression:
        variables["states"] = env.states._states_data
    return variables


def _query_failure(env: Environment, expression: str, error: jsonata.QueryError) -> FailureEventException:
    text = f"The JSONata expression '{expression.strip()}' "
    if isinstance(error, jsonata.UndefinedResultError | jsonata.UnsupportedResultError):
        text += f"{error}."
    else:
        text += f"threw an error during evaluation. {error}"
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = {"error": name.error_name, "cause": text}
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=api.HistoryEventType.EvaluationFailed,
            event_details={"evaluationFailedEventDetails": details},
        )
    )


def _hook_variables(hooks: Hooks) -> None:
    original_details = state_module.CommonStateField._get_state_exited_event_details

    def assign(self: AssignDecl, env: Environment) -> None:
        declarations: dict[str, Any] = {}
        for binding in self.declaration_bindings:
            binding.eval(env=env)
            declarations.update(env.stack.pop())
        env.variable_store.local_pending = declarations

    def take_effect(self: Any, env: Environment) -> Any:
        for name, value in _pending(env).items():
            env.variable_store.set(variable_identifier=name, variable_value=value)
        return original_details(self, env)

    def assigned(self: VariableStore) -> dict[str, str]:
        return {
            name: json.dumps(self.get(name), separators=(",", ":"), ensure_ascii=False)
            for name in sorted(self._declaration_tracing)
        }

    hooks.replace(AssignDecl, "_eval_body", assign)
    hooks.replace(state_module.CommonStateField, "_get_state_exited_event_details", take_effect)
    hooks.replace(VariableStore, "get_assigned_variables", assigned)


def _pending(env: Environment) -> dict[str, Any]:
    pending: dict[str, Any] = getattr(env.variable_store, "local_pending", {})
    env.variable_store.local_pending = {}
    return pending


def _hook_context(hooks: Hooks) -> None:
    state_data = state_module.StateData
    reset = States.reset
    frame_of = Environment.as_inner_frame_of.__func__

    def with_aws_time(**fields: Any) -> Any:
        entered = datetime.fromisoformat(fields["EnteredTime"])
        return state_data(**{**fields, "EnteredTime": aws_timestamp(entered)})

    def reset_without_leftovers(self: States, input_value: Any) -> None:
        reset(self, input_value)
        # Absent and not null: reading them where they do not exist fails the state, as on AWS.
        self._states_data.pop("result", None)
        self._states_data.pop("errorOutput", None)

    def frame_with_map(cls: type[Environment], env: Environment, *args: Any, **kwargs: Any) -> Environment:
        frame: Environment = frame_of(cls, env, *args, **kwargs)
        outer = env.states.context_object.context_object_data
        if "Map" in outer:
            frame.states.context_object.context_object_data["Map"] = copy.deepcopy(outer["Map"])
        return frame

    hooks.replace(state_module, "StateData", with_aws_time)
    hooks.replace(States, "reset", reset_without_leftovers)
    hooks.replace(Environment, "as_inner_frame_of", classmethod(frame_with_map))


def aws_timestamp(when: datetime) -> str:
    """Write an instant as Step Functions does: UTC, milliseconds, ``Z``."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _hook_environments(hooks: Hooks) -> None:
    """Have every change of an environment's state wake what is blocked in it."""
    set_error = Environment.set_error

    def waking(method: Callable[..., None]) -> Callable[..., None]:
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

    hooks.replace(Environment, "set_ended", waking(Environment.set_ended))
    hooks.replace(Environment, "set_stop", waking(Environment.set_stop))
    hooks.replace(Environment, "set_error", waking(set_error_while_running))
    hooks.replace(Environment, "set_timed_out", waking(set_timed_out_while_running))


@contextlib.contextmanager
def _interruptible(env: Environment, gate: Gate) -> Iterator[None]:
    """Have `gate` open when the environment stops running, or at once if it does not run."""
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
    with _interruptible(env, gate):
        gate.wait(until, automatic=automatic)


def _hook_waits(hooks: Hooks, clock: Clock, *, truncate_timestamps: bool) -> None:
    def wait(self: WaitFunction, env: Environment) -> None:
        if isinstance(self, Timestamp):
            until = _timestamp(self, env)
            if truncate_timestamps:
                until = until.replace(microsecond=0)
        else:
            until = clock.now() + timedelta(seconds=self._get_wait_seconds(env=env))
        _sleep(clock, env, until)

    def is_valid(timestamp: str) -> bool:
        return isinstance(timestamp, str) and _TIMESTAMP.match(timestamp) is not None

    def from_string(timestamp: str) -> datetime | None:
        if not is_valid(timestamp):
            return None
        try:
            return datetime.fromisoformat(timestamp).astimezone(UTC)
        except ValueError:
            return None

    hooks.replace(WaitFunction, "_eval_body", wait)
    hooks.replace(Timestamp, "_is_valid_timestamp_pattern", staticmethod(is_valid))
    hooks.replace(Timestamp, "_from_timestamp_string", staticmethod(from_string))


def _timestamp(wait: Timestamp, env: Environment) -> datetime:
    wait.string.eval(env=env)
    text = env.stack.pop()
    until: datetime | None = wait._from_timestamp_string(text)
    if until is None:
        raise FailureEventException(wait._create_failure_event(env, text))
    return until


def _hook_retries(hooks: Hooks, clock: Clock) -> None:
    evaluate = retrier_decl.RetrierDecl._eval_body

    def remember_environment(self: retrier_decl.RetrierDecl, env: Environment) -> None:
        _this_thread.retrying = env
        evaluate(self, env)

    def sleep(seconds: float) -> None:
        _sleep(clock, _this_thread.retrying, clock.now() + timedelta(seconds=seconds), automatic=True)

    hooks.replace(retrier_decl.RetrierDecl, "_eval_body", remember_environment)
    hooks.replace(retrier_decl, "time", SimpleNamespace(sleep=sleep))


def _hook_callbacks(hooks: Hooks, clock: Clock) -> None:
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
        return _token_outcome(clock, env, timeout_seconds, callback_endpoint, heartbeat_endpoint)

    def opening(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: CallbackEndpoint, *args: Any, **kwargs: Any) -> Any:
            result = method(self, *args, **kwargs)
            gate: Gate | None = getattr(self, "local_gate", None)
            if gate is not None:
                gate.open()
            return result

        return call

    def indexing(method: Callable[..., CallbackEndpoint]) -> Callable[..., CallbackEndpoint]:
        @functools.wraps(method)
        def call(self: CallbackPoolManager, *args: Any, **kwargs: Any) -> CallbackEndpoint:
            endpoint = method(self, *args, **kwargs)
            endpoints[endpoint.callback_id] = endpoint
            return endpoint

        return call

    hooks.replace(service, "_eval_wait_for_task_token", wait_for_token)
    for name in ("notify", "notify_heartbeat", "interrupt_all"):
        hooks.replace(CallbackEndpoint, name, opening(getattr(CallbackEndpoint, name)))
    hooks.replace(CallbackPoolManager, "add", indexing(add))
    hooks.replace(CallbackPoolManager, "add_activity_task", indexing(add_activity_task))
    stepfunctions_api.hook_tokens(hooks, endpoints)


@contextlib.contextmanager
def _own_token(state: ExecutionState, env: Environment) -> Iterator[None]:
    """Give each attempt a token of its own, which is worth nothing once the attempt is over."""
    resource = getattr(state, "resource", None)
    if getattr(resource, "condition", None) != ResourceCondition.WaitForTaskToken:
        yield
        return
    context = env.states.context_object
    token = context.context_object_data["Task"]["Token"]
    if env.callback_pool_manager.get(token).consumer_error is not None:
        token = context.update_task_token()
        env.callback_pool_manager.add(token)
    try:
        yield
    finally:
        # From now on nobody listens: whoever answers is told that the task timed out, as on AWS.
        env.callback_pool_manager.get(token).report(CallbackConsumerTimeout())


def _token_outcome(
    clock: Clock, env: Environment, timeout_seconds: int, endpoint: CallbackEndpoint, heartbeat: Any
) -> Any:
    """Wait for the answer to a task token; every heartbeat postpones the heartbeat's time-out."""
    times_out = clock.now() + timedelta(seconds=timeout_seconds)
    interval = timedelta(seconds=heartbeat._heartbeat_seconds) if heartbeat else None
    last_beat = clock.now()
    while True:
        gate = endpoint.local_gate = clock.gate()
        if endpoint.get_outcome() is not None:
            return endpoint.get_outcome()
        if heartbeat and heartbeat._next_heartbeat_event.is_set():
            heartbeat._next_heartbeat_event.clear()
            last_beat = clock.now()
        until = min(times_out, last_beat + interval) if interval else times_out
        with _interruptible(env, gate):
            opened = gate.wait(until)
        if not env.is_running():
            raise _Interrupted
        if not opened:
            return HeartbeatTimedOut() if until < times_out else CallbackOutcomeTimedOut(endpoint.callback_id)


def _hook_states(hooks: Hooks, clock: Clock) -> None:
    evaluate_state = state_module.CommonStateField._eval_body
    choose = StateChoice._eval_state

    def until_interrupted(self: Any, env: Environment) -> None:
        _this_thread.recorded = False
        with contextlib.suppress(_Interrupted):
            evaluate_state(self, env)

    def choose_or_fail(self: StateChoice, env: Environment) -> None:
        try:
            choose(self, env)
        except RuntimeError as error:
            if not str(error.args[0]).startswith(_NO_CHOICE):
                raise
            raise _no_choice_matched(env, self.name) from error

    def evaluate_in_this_thread(self: ExecutionState, env: Environment) -> None:
        _evaluate_execution(clock, self, env)

    hooks.replace(state_module.CommonStateField, "_eval_body", until_interrupted)
    hooks.replace(StateChoice, "_eval_state", choose_or_fail)
    hooks.replace(ExecutionState, "_evaluate_with_timeout", evaluate_in_this_thread)


def _no_choice_matched(env: Environment, state_name: str) -> FailureEventException:
    name = StatesErrorName(typ=StatesErrorNameType.StatesNoChoiceMatched)
    cause = f"Failed to transition out of the state '{state_name}'. The state does not point to a next state."
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=api.HistoryEventType.ExecutionFailed,
            event_details={"executionFailedEventDetails": {"error": name.error_name, "cause": cause}},
        )
    )


def _evaluate_execution(clock: Clock, state: ExecutionState, env: Environment) -> None:
    """Run what a Task, Parallel or Map state does, and take over its result.

    moto does it in a thread that it abandons at the time-out. Here time stands still while something
    runs, so it is run in place, and the time that it has let pass is compared afterwards.
    """
    state.timeout.eval(env=env)
    deadline = clock.now() + timedelta(seconds=env.stack.pop())
    with _own_token(state, env):
        frame, failure = _attempt(clock, state, env)
    if not env.is_running():
        raise _Interrupted
    if clock.now() > deadline:
        raise EvalTimeoutError
    if failure is not None:
        raise failure
    _take_result(state, env, frame.stack.pop())


def _attempt(clock: Clock, state: ExecutionState, env: Environment) -> tuple[Environment, Exception | None]:
    frame = env.open_frame()
    frame.states.reset(input_value=env.states.get_input())
    frame.stack = copy.deepcopy(env.stack)
    failure: Exception | None = None
    with _children() as children:
        try:
            state._eval_execution(frame)
        except Exception as error:  # raised by the caller, once everything is closed
            failure = error
            for inner in list(frame._frames):
                inner.set_stop(stop_date=clock.now(), cause=None, error=None)
        for child in children:
            child.ended.wait()
    frame.set_ended()
    env.close_frame(frame)
    return frame, failure


def _take_result(state: ExecutionState, env: Environment, output: Any) -> None:
    env.stack.append(output)
    if not state._is_language_query_jsonpath():
        env.states.set_result(output)
    if state.assign_decl:
        state.assign_decl.eval(env=env)
    if state.result_selector:
        state.result_selector.eval(env=env)
    if state.result_path:
        state.result_path.eval(env)
    else:
        env.states.reset(input_value=env.stack.pop())


@contextlib.contextmanager
def _children() -> Iterator[list[Work]]:
    """Collect the branches and iterations that this thread starts."""
    outer = getattr(_this_thread, "children", None)
    _this_thread.children = children = []
    try:
        yield children
    finally:
        _this_thread.children = outer


def _start_child(clock: Clock, name: str, call: Callable[[], None]) -> None:
    work = clock.start_thread(name, call)
    children: list[Work] | None = getattr(_this_thread, "children", None)
    if children is not None:
        children.append(work)


class _Event:
    """A `threading.Event` whose wait does not count as work."""

    def __init__(self, clock: Clock) -> None:
        self._gate = clock.gate()

    def is_set(self) -> bool:
        return self._gate.is_open()

    def set(self) -> None:
        self._gate.open()

    def wait(self) -> bool:
        return self._gate.wait()


def _hook_workers(hooks: Hooks, clock: Clock) -> None:
    init_pool, init_jobs = branches_decl.BranchWorkerPool.__init__, job.JobPool.__init__
    environment = ExecutionWorker._get_evaluation_environment

    def init_branches(self: branches_decl.BranchWorkerPool, workers_num: int) -> None:
        init_pool(self, workers_num)
        self._termination_event = _Event(clock)

    def init_iterations(self: job.JobPool, *args: Any, **kwargs: Any) -> None:
        init_jobs(self, *args, **kwargs)
        self._termination_event = _Event(clock)

    def start_branch(self: BranchWorker) -> None:
        self._worker_thread = threading.current_thread()
        _start_child(clock, f"branch of {_execution_name(self.env)}", self._thread_routine)

    def launch_iterations(self: InlineIterationComponent, **kwargs: Any) -> Any:
        worker = self._create_worker(**kwargs)
        _start_child(clock, f"iteration of {_execution_name(kwargs['env'])}", worker.eval)
        return worker

    def start_execution(self: ExecutionWorker) -> None:
        # Made here and not in the thread: an execution can be stopped as soon as it was started.
        env = environment(self)
        execution = env.states.context_object.context_object_data["Execution"]
        execution["StartTime"] = aws_timestamp(execution["StartTime"])
        env._program_state = ProgramRunning()
        self.env = env
        self._get_evaluation_environment = lambda: env
        self.local_work = clock.start_thread(f"execution {execution['Name']}", self._execution_logic)

    hooks.replace(branches_decl.BranchWorkerPool, "__init__", init_branches)
    hooks.replace(job.JobPool, "__init__", init_iterations)
    hooks.replace(BranchWorker, "start", start_branch)
    hooks.replace(InlineIterationComponent, "_launch_worker", launch_iterations)
    hooks.replace(ExecutionWorker, "start", start_execution)


def _execution_name(env: Environment) -> str:
    return str(env.states.context_object.context_object_data["Execution"]["Name"])


def _hook_programs(hooks: Hooks, clock: Clock) -> None:
    def evaluate(self: Program, env: Environment) -> None:
        # Refused when it was stopped before it began: then only the end is recorded below.
        with contextlib.suppress(RuntimeError):
            env.next_state_name = self.start_at.start_at_name
        timer = None
        if self.timeout_seconds:
            when = clock.now() + timedelta(seconds=self.timeout_seconds.timeout_seconds)
            timer = clock.call_at(when, env.set_timed_out, f"time-out of {_execution_name(env)}")
        try:
            self._eval_body(env)
        finally:
            if timer is not None:
                timer.cancel()

    hooks.replace(Program, "eval", evaluate)


_parse_definition = AmazonStateLanguageParser.parse


@functools.lru_cache(maxsize=128)
def _parsed(definition: str) -> tuple[bytes, Any]:
    program, tree = _parse_definition(definition)
    return pickle.dumps(program, pickle.HIGHEST_PROTOCOL), tree


def _hook_parser(hooks: Hooks) -> None:
    """Parse each definition once; every execution gets its own copy of the components."""

    def parse_and_copy(definition: str) -> Any:
        program, tree = _parsed(definition)
        return pickle.loads(program), tree  # noqa: S301 (made above)

    hooks.replace(AmazonStateLanguageParser, "parse", staticmethod(parse_and_copy))


def _hook_clients(hooks: Hooks) -> None:
    """Make one boto3 client per service, and one at a time: boto3's default session is not thread safe."""
    make_client = boto_client.boto_client_for
    lock = threading.Lock()
    clients: dict[tuple[str, str], Any] = {}

    def client(region: str, service: str, state_credentials: Any = None) -> Any:
        with lock:
            if (region, service) not in clients:
                clients[region, service] = make_client(region, service, state_credentials)
            return clients[region, service]

    hooks.replace_imported(MOTO, make_client, client)


def _hook_logging(hooks: Hooks) -> None:
    """Log a failing state at the level of a debugger: what failed is in the execution's history."""

    def note(self: EvalComponent, *_: Any, **error: Exception) -> None:
        _log.debug("%s: %r", type(self).__name__, error)

    hooks.replace(EvalComponent, "_log_failure_event_exception", note)
    hooks.replace(EvalComponent, "_log_exception", note)
