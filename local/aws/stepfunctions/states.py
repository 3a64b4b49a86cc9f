"""Task, Parallel and Map states, in the thread of their execution; and Choice states.

A Choice that matches nothing fails with ``States.NoChoiceMatched``.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from moto.stepfunctions.parser import api
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import EvalTimeoutError
from moto.stepfunctions.parser.asl.component.state import state as state_module
from moto.stepfunctions.parser.asl.component.state.choice.state_choice import StateChoice
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.eval.environment import Environment

from local.aws.stepfunctions.expressions import reset_failure_recorded
from local.aws.stepfunctions.task_tokens import use_attempt_token
from local.aws.stepfunctions.waits import Interrupted
from local.clock import Clock, Work
from local.hooks import Hooks

_NO_CHOICE_MESSAGE = "No branching option reached"
_this_thread = threading.local()


@dataclass(frozen=True)
class EnteredState:
    """A state of the machine that an execution has entered, and what it needs to be entered again."""

    state: state_module.CommonStateField
    input: Any
    variables: dict[str, Any]


def install(hooks: Hooks, clock: Clock) -> None:
    """Have states run as on AWS for as long as the hooks are in place."""
    evaluate_state = state_module.CommonStateField._eval_body
    choose = StateChoice._eval_state

    def evaluate_until_interrupted(self: Any, env: Environment) -> None:
        reset_failure_recorded()
        if not env.is_frame():
            variables = dict(env.variable_store._inner_scope)
            env.local_entered_state = EnteredState(self, copy.deepcopy(env.states.get_input()), variables)
        with contextlib.suppress(Interrupted):
            evaluate_state(self, env)

    def choose_or_fail(self: StateChoice, env: Environment) -> None:
        try:
            choose(self, env)
        except RuntimeError as error:
            if not str(error.args[0]).startswith(_NO_CHOICE_MESSAGE):
                raise
            raise _no_choice_matched_error(env, self.name) from error

    def evaluate_in_this_thread(self: ExecutionState, env: Environment) -> None:
        _evaluate_execution(clock, self, env)

    hooks.replace(state_module.CommonStateField, "_eval_body", evaluate_until_interrupted)
    hooks.replace(StateChoice, "_eval_state", choose_or_fail)
    hooks.replace(ExecutionState, "_evaluate_with_timeout", evaluate_in_this_thread)


def find_entered_state(env: Environment) -> EnteredState | None:
    """Return the state that an execution has entered last, of those that are in no Parallel and no Map state."""
    entered: EnteredState | None = getattr(env, "local_entered_state", None)
    return entered


def _no_choice_matched_error(env: Environment, state_name: str) -> FailureEventException:
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
    """Run a Task, Parallel or Map state, and set its result.

    moto runs it in a thread that it abandons at the time-out. Here time stands still while a state runs. So the
    state runs in the current thread, and the time that has passed is compared with the time-out afterwards.
    """
    state.timeout.eval(env=env)
    deadline = clock.now() + timedelta(seconds=env.stack.pop())
    with use_attempt_token(state, env):
        frame, failure = _run_attempt(clock, state, env)
    if not env.is_running():
        raise Interrupted
    if clock.now() > deadline:
        raise EvalTimeoutError
    if failure is not None:
        raise failure
    _set_result(state, env, frame.stack.pop())


def _run_attempt(clock: Clock, state: ExecutionState, env: Environment) -> tuple[Environment, Exception | None]:
    frame = env.open_frame()
    frame.states.reset(input_value=env.states.get_input())
    frame.stack = copy.deepcopy(env.stack)
    failure: Exception | None = None
    with _collect_children() as children:
        try:
            state._eval_execution(frame)
        except Exception as error:  # raised by the caller, when everything is closed
            failure = error
            for inner in list(frame._frames):
                inner.set_stop(stop_date=clock.now(), cause=None, error=None)
        for child in children:
            child.ended.wait()
    frame.set_ended()
    env.close_frame(frame)
    return frame, failure


def _set_result(state: ExecutionState, env: Environment, output: Any) -> None:
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
def _collect_children() -> Iterator[list[Work]]:
    """Collect the branches and iterations that this thread starts."""
    outer = getattr(_this_thread, "children", None)
    _this_thread.children = children = []
    try:
        yield children
    finally:
        _this_thread.children = outer


def start_child(clock: Clock, name: str, call: Callable[[], None]) -> None:
    """Run a branch or an iteration in a thread; the state that the calling thread runs waits for it."""
    work = clock.start_thread(name, call)
    children: list[Work] | None = getattr(_this_thread, "children", None)
    if children is not None:
        children.append(work)
