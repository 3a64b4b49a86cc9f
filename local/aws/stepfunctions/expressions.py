"""JSONata and variables in a state, as AWS evaluates them.

- JSONata is evaluated, values are bound and never become code, and a failure is ``States.QueryEvaluationError``.
- ``Assign`` takes effect in the next state, so ``Output`` sees the previous variables.
"""

from __future__ import annotations

import json
import threading
from typing import Any

from moto.stepfunctions.parser import api
from moto.stepfunctions.parser.asl.component.common.assign.assign_decl import AssignDecl
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.string.string_expression import (
    StringJSONata,
    StringVariableSample,
)
from moto.stepfunctions.parser.asl.component.state import state as state_module
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.eval.variable_store import VariableStore

from local.aws.stepfunctions import jsonata
from local.aws.stepfunctions.sizes import require_small_variables
from local.hooks import Hooks

_this_thread = threading.local()


def install(hooks: Hooks) -> None:
    """Have states evaluated as on AWS for as long as the hooks are in place."""
    _hook_jsonata(hooks)
    _hook_variables(hooks)


def reset_failure_recorded() -> None:
    """Note that a new state begins, whose evaluation failure is not in the history."""
    _this_thread.failure_recorded = False


def record_evaluation_failure(env: Environment, cause: str, location: str | None = None) -> FailureEventException:
    """Add an event for a failed evaluation to the history, and return the error to raise.

    Parameters
    ----------
    env
        The execution.
    cause
        What failed, in a sentence.
    location
        The field of the state, if it is known.

    Returns
    -------
    FailureEventException
        ``States.QueryEvaluationError``.
    """
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = {"error": name.error_name, "cause": cause, **({"location": location} if location else {})}
    failure = FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=api.HistoryEventType.EvaluationFailed,
            event_details={"evaluationFailedEventDetails": details},
        )
    )
    reset_failure_recorded()
    env.event_manager.add_event(
        context=env.event_history_context,
        event_type=api.HistoryEventType.EvaluationFailed,
        event_details={"evaluationFailedEventDetails": failure.get_evaluation_failed_event_details()},
    )
    _this_thread.failure_recorded = True
    return failure


def _hook_jsonata(hooks: Hooks) -> None:
    add_event = EventManager.add_event

    def evaluate(self: StringJSONata | StringVariableSample, env: Environment) -> None:
        try:
            value = jsonata.evaluate(self.expression, _select_variables(env, self.expression))
        except jsonata.QueryError as error:
            raise record_evaluation_failure(env, _describe_failure(self.expression, error)) from error
        env.stack.append(value)

    def add_event_once(self: EventManager, *args: Any, **kwargs: Any) -> int:
        # Task and Map states add an event for the failure that they handle, which is in the history already.
        event_type = kwargs.get("event_type", args[1] if len(args) > 1 else None)
        is_recorded, _this_thread.failure_recorded = getattr(_this_thread, "failure_recorded", False), False
        if is_recorded and event_type == api.HistoryEventType.EvaluationFailed:
            return int(self._history_event_list[-1]["id"])
        return add_event(self, *args, **kwargs)

    hooks.replace(EventManager, "add_event", add_event_once)
    hooks.replace(StringJSONata, "_eval_body", evaluate)
    hooks.replace(StringVariableSample, "_eval_body", evaluate)


def _select_variables(env: Environment, expression: str) -> dict[str, Any]:
    scopes = {**env.variable_store._outer_scope, **env.variable_store._inner_scope}
    variables = {name: value for name, value in scopes.items() if f"${name}" in expression}
    if "$states" in expression:
        variables["states"] = env.states._states_data
    return variables


def _describe_failure(expression: str, error: jsonata.QueryError) -> str:
    text = f"The JSONata expression '{expression.strip()}' "
    if isinstance(error, jsonata.UndefinedResultError | jsonata.UnsupportedResultError):
        return f"{text}{error}."
    return f"{text}threw an error during evaluation. {error}"


def _hook_variables(hooks: Hooks) -> None:
    original_details = state_module.CommonStateField._get_state_exited_event_details

    def assign(self: AssignDecl, env: Environment) -> None:
        declarations: dict[str, Any] = {}
        for binding in self.declaration_bindings:
            binding.eval(env=env)
            declarations.update(env.stack.pop())
        require_small_variables(env, declarations)
        env.variable_store.local_pending_assignments = declarations

    def apply_pending_assignments(self: Any, env: Environment) -> Any:
        for name, value in _take_pending_assignments(env).items():
            env.variable_store.set(variable_identifier=name, variable_value=value)
        return original_details(self, env)

    def get_assigned_variables(self: VariableStore) -> dict[str, str]:
        return {
            name: json.dumps(self.get(name), separators=(",", ":"), ensure_ascii=False)
            for name in sorted(self._declaration_tracing)
        }

    hooks.replace(AssignDecl, "_eval_body", assign)
    hooks.replace(state_module.CommonStateField, "_get_state_exited_event_details", apply_pending_assignments)
    hooks.replace(VariableStore, "get_assigned_variables", get_assigned_variables)


def _take_pending_assignments(env: Environment) -> dict[str, Any]:
    pending: dict[str, Any] = getattr(env.variable_store, "local_pending_assignments", {})
    env.variable_store.local_pending_assignments = {}
    return pending
