"""The API of AWS Step Functions where moto's differs from AWS's.

- ``StartExecution`` checks the name, makes one up if there is none, is idempotent for a running
  execution with the same input, and frees a name 90 days after its execution has ended.
- ``StopExecution`` keeps ``error`` and ``cause``, and the status changes at once.
- ``SendTaskFailure`` keeps the ``cause``. (How tokens are answered is in ``local.aws.stepfunctions.task_tokens``.)
- ``DescribeExecution`` says how an execution was redriven, and whether it can be.
- ``DescribeExecution`` and ``ListExecutions`` give the stop date of a timed out execution, and an
  ``output`` that is JSON even if it is a string or null.
- ``ListExecutions`` gives the newest first, also of those that started at one instant of the clock.
- ``DescribeStateMachineForExecution`` gives the definition that the execution started with.
- ``GetExecutionHistory`` supports ``reverseOrder``.
- Errors of the interpreter (``InvalidDefinition``, ``InvalidExecutionInput`` …) have their code.
- State machines of a CloudFormation template go to the backend that executes them.
"""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions import models
from moto.stepfunctions import responses as responses_module
from moto.stepfunctions.exceptions import AWSError
from moto.stepfunctions.parser import api as parser_api
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.utils import PAGINATION_MODEL
from moto.utilities.paginator import paginate

from local.aws.stepfunctions.redrive import describe_redrives
from local.clock import Clock
from local.hooks import Hooks

NAME_REUSE_AFTER = timedelta(days=90)
_FORBIDDEN_CHARACTERS = {*map(chr, range(0x80, 0xA0)), "\ufffe", "\uffff"}


def install(hooks: Hooks, clock: Clock) -> None:
    """Have the API answer as on AWS for as long as the hooks are in place."""
    hooks.replace(models, "stepfunctions_backends", stepfunctions_parser_backends)
    for error in _find_errors_without_code():
        hooks.replace(error, "TYPE", error.__name__)
    _hook_start(hooks, clock)
    _hook_stop(hooks, clock)
    _hook_reads(hooks, clock)


def _find_errors_without_code() -> list[type[AWSError]]:
    """Return the interpreter's errors that have no code: clients could not distinguish them."""
    classes = [value for value in vars(parser_api).values() if isinstance(value, type)]
    return [error for error in classes if issubclass(error, AWSError) and error.TYPE is None and error is not AWSError]


def _hook_start(hooks: Hooks, clock: Clock) -> None:
    start = StepFunctionsParserBackend.start_execution
    start_lock = threading.RLock()

    def start_execution(
        self: StepFunctionsParserBackend,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: str | None = None,
        trace_header: Any = None,
    ) -> Any:
        name = name or str(uuid.uuid4())
        self._validate_name(name)
        _require_allowed_characters(name)
        with start_lock:
            _release_old_name(self.describe_state_machine(state_machine_arn), name, clock.now())
            return start(self, state_machine_arn, name, execution_input, trace_header)

    hooks.replace(StepFunctionsParserBackend, "start_execution", start_execution)


def _require_allowed_characters(name: str) -> None:
    if any(character in _FORBIDDEN_CHARACTERS or character.isspace() for character in name):
        raise models.InvalidName(f"Invalid Name: '{name}'")


def _release_old_name(state_machine: Any, name: str, now: datetime) -> None:
    for execution in list(state_machine.executions):
        ended_at = execution.stop_date
        if execution.name == name and ended_at is not None and ended_at + NAME_REUSE_AFTER <= now:
            state_machine.executions.remove(execution)


def _hook_stop(hooks: Hooks, clock: Clock) -> None:
    responses = responses_module.StepFunctionResponse
    reflect = BaseExecutionWorkerCommunication._reflect_execution_status

    def stop_execution(
        self: StepFunctionsParserBackend, execution_arn: str, error: str | None = None, cause: str | None = None
    ) -> Any:
        execution = self.describe_execution(execution_arn)
        if execution.status == ExecutionStatus.RUNNING:
            execution.stop(stop_date=clock.now(), error=error, cause=cause)
            if isinstance(execution.exec_worker.env.program_state(), ProgramStopped):
                execution.stop_date, execution.error, execution.cause = clock.now(), error, cause
                execution.exec_status = ExecutionStatus.ABORTED
        return execution

    def reflect_status(self: BaseExecutionWorkerCommunication) -> None:
        state = self.execution.exec_worker.env.program_state()
        if isinstance(state, ProgramStopped):
            self.execution.error, self.execution.cause = state.error, state.cause
        reflect(self)

    def respond_to_stop(self: Any) -> ActionResult:
        execution = self.stepfunction_backend.stop_execution(
            self._get_param("executionArn"), self._get_param("error"), self._get_param("cause")
        )
        return ActionResult({"stopDate": execution.stop_date})

    def respond_to_failure(self: Any) -> ActionResult:
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"), error=self._get_param("error"), cause=self._get_param("cause")
        )
        return EmptyResult()

    hooks.replace(BaseExecutionWorkerCommunication, "_reflect_execution_status", reflect_status)
    hooks.replace(StepFunctionsParserBackend, "stop_execution", stop_execution)
    hooks.replace(responses, "stop_execution", respond_to_stop)
    hooks.replace(responses, "send_task_failure", respond_to_failure)


def _hook_reads(hooks: Hooks, clock: Clock) -> None:
    responses = responses_module.StepFunctionResponse
    describe, list_all = responses.describe_execution, responses.list_executions
    history = responses.get_execution_history

    def describe_execution(self: Any) -> ActionResult:
        result = describe(self).result
        execution = self.stepfunction_backend.describe_execution(result["executionArn"])
        _add_stop_date(result, execution)
        result.update(describe_redrives(execution, clock.now()))
        if execution.status == ExecutionStatus.SUCCEEDED:
            result["output"] = json.dumps(execution.output, separators=(",", ":"))
        return ActionResult(result)

    def list_with_stop_dates(self: Any) -> ActionResult:
        result = list_all(self).result
        for item in result["executions"]:
            _add_stop_date(item, self.stepfunction_backend.describe_execution(item["executionArn"]))
        return ActionResult(result)

    def describe_state_machine_for_execution(self: Any) -> ActionResult:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        machine = execution.state_machine
        return ActionResult(
            {
                "stateMachineArn": execution.state_machine_arn,
                "name": machine.name,
                "definition": machine.definition,
                "roleArn": machine.roleArn,
                "updateDate": machine.update_date,
                "loggingConfiguration": machine.loggingConfiguration,
                "tracingConfiguration": machine.tracingConfiguration,
            }
        )

    def get_execution_history(self: Any) -> ActionResult:
        result = history(self).result
        events = list(result["events"])
        if self._get_bool_param("reverseOrder", if_none=False):
            events.reverse()
        return ActionResult({**result, "events": events})

    hooks.replace(responses, "describe_execution", describe_execution)
    hooks.replace(responses, "list_executions", list_with_stop_dates)
    hooks.replace(models.StepFunctionBackend, "list_executions", list_executions)
    hooks.replace(responses, "describe_state_machine_for_execution", describe_state_machine_for_execution)
    hooks.replace(responses, "get_execution_history", get_execution_history)


@paginate(PAGINATION_MODEL)
def list_executions(self: Any, state_machine_arn: str, status_filter: str | None = None) -> list[Any]:
    """List executions, the newest first. Its name says to the decorator how it is paginated."""
    executions = self.describe_state_machine(state_machine_arn).executions
    chosen = [execution for execution in reversed(executions) if not status_filter or execution.status == status_filter]
    # The sort keeps the order of equal dates.
    return sorted(chosen, key=lambda execution: execution.start_date, reverse=True)


def _add_stop_date(result: dict[str, Any], execution: Any) -> None:
    if execution.stop_date is not None:
        result["stopDate"] = execution.stop_date.astimezone(UTC)
