"""``RedriveExecution``: an execution that failed, timed out or was stopped goes on from the state in which it ended.

The state gets the same input and variables. The history goes on with ``ExecutionRedriven``, the machine's time-out
begins again, and the execution keeps its definition. A Fail state fails again. Of a Parallel or a Map state AWS runs
only the branches and iterations that did not succeed; that is not implemented here, and the answer says so.

https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from moto.core.responses import ActionResult
from moto.stepfunctions import responses as responses_module
from moto.stepfunctions.exceptions import AWSError
from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel.state_parallel import StateParallel
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext
from moto.stepfunctions.parser.backend.execution import Execution

from local.aws.stepfunctions.states import find_entered_state
from local.aws.stepfunctions.workers import make_environment
from local.clock import Clock
from local.hooks import Hooks

REDRIVABLE_FOR = timedelta(days=14)
_MAX_EXECUTION_TIME = timedelta(days=365)
_MAX_EVENTS = 24_999
_TOKEN_VALID_FOR = timedelta(minutes=15)


class ExecutionNotRedrivableError(AWSError):
    """AWS does not redrive the execution."""

    TYPE = "ExecutionNotRedrivable"


class RedriveNotImplementedError(AWSError):
    """AWS redrives the execution, and the embedded AWS does not."""

    TYPE = "NotImplemented"
    STATUS = HTTPStatus.NOT_IMPLEMENTED


@dataclass
class _Redrives:
    """How an execution has been redriven: how often, when last, and when with which client token."""

    count: int = 0
    date: datetime | None = None
    tokens: dict[str, datetime] = field(default_factory=dict)


def install(hooks: Hooks, clock: Clock) -> None:
    """Have executions redriven for as long as the hooks are in place."""

    def redrive(self: Execution) -> None:
        _resume(self, clock)

    def respond_to_redrive(self: Any) -> ActionResult:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        redrives, token, now = _redrives_of(execution), self._get_param("clientToken"), clock.now()
        if token not in redrives.tokens or now > redrives.tokens[token] + _TOKEN_VALID_FOR:
            _require_redrivable(execution, now)
            redrives.count, redrives.date, redrives.tokens[token] = redrives.count + 1, now, now
            execution.redrive()
        return ActionResult({"redriveDate": redrives.date})

    hooks.replace(Execution, "redrive", redrive)
    hooks.replace(responses_module.StepFunctionResponse, "redrive_execution", respond_to_redrive)


def describe_redrives(execution: Execution, now: datetime) -> dict[str, Any]:
    """Return the members of ``DescribeExecution`` about redrives."""
    redrives, reason = _redrives_of(execution), _find_reason_against(execution, now)
    return {
        "redriveCount": redrives.count,
        **({"redriveDate": redrives.date} if redrives.date else {}),
        "redriveStatus": "NOT_REDRIVABLE" if reason else "REDRIVABLE",
        **({"redriveStatusReason": reason} if reason else {}),
    }


def _redrives_of(execution: Execution) -> _Redrives:
    redrives: _Redrives = execution.__dict__.setdefault("local_redrives", _Redrives())
    return redrives


def _require_redrivable(execution: Execution, now: datetime) -> None:
    reason = _find_reason_against(execution, now)
    if reason:
        raise ExecutionNotRedrivableError(f"{reason}: '{execution.exec_arn}'")
    entered = find_entered_state(execution.exec_worker.env)
    if entered is not None and isinstance(entered.state, StateParallel | StateMap):
        raise RedriveNotImplementedError(
            "The embedded AWS does not implement RedriveExecution of an execution that ended in a Parallel or Map "
            f"state, here {entered.state.name}. Start a new execution."
        )


def _find_reason_against(execution: Execution, now: datetime) -> str | None:
    """Return why an execution cannot be redriven, in the words of the API; None if it can."""
    if execution.status in {ExecutionStatus.RUNNING, ExecutionStatus.SUCCEEDED}:
        return f"Execution is {execution.status} and cannot be redriven"
    if now > execution.stop_date.astimezone(UTC) + REDRIVABLE_FOR:
        return "Execution redrivable period exceeded"
    if now >= execution.start_date.astimezone(UTC) + _MAX_EXECUTION_TIME:
        return "Execution has exceeded the max execution time"
    if len(execution.exec_worker.env.event_manager.get_event_history()) >= _MAX_EVENTS:
        return "Execution history event limit exceeded"
    return None


def _resume(execution: Execution, clock: Clock) -> None:
    worker = execution.exec_worker
    # One that was stopped has its status at once, and its thread ends a moment later.
    worker.local_work.ended.wait()
    ended, count = worker.env, _redrives_of(execution).count
    env = worker.env = make_environment(worker)
    env.event_manager = ended.event_manager
    last_event_id = ended.event_manager.get_event_history()[-1]["id"]
    env.event_history_context = EventHistoryContext(previous_event_id=last_event_id)
    entered = find_entered_state(ended)
    if entered is not None:
        env.local_resume_at = entered.state.name
        env.states.reset(input_value=entered.input)
        env.variable_store._inner_scope.update(entered.variables)
    execution.exec_status = ExecutionStatus.RUNNING
    execution.stop_date = execution.error = execution.cause = None

    def run() -> None:
        env.event_manager.add_event(
            context=env.event_history_context,
            event_type=HistoryEventType.ExecutionRedriven,
            event_details={"executionRedrivenEventDetails": {"redriveCount": count}},
        )
        worker._get_evaluation_entrypoint().eval(env)
        worker._execution_communication.terminated()

    worker.local_work = clock.start_thread(f"execution {execution.name}", run)
