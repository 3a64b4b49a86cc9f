"""The deletion of a state machine, which takes until its executions are over.

- Until then the state machine is ``DELETING``: it starts nothing, and none of its name can be created.
- Then it is gone, and so are its executions.

On AWS an execution ends with its next transition. Here it goes on to its end, or until somebody stops it.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.stepfunctions import responses as responses_module
from moto.stepfunctions.models import StateMachine, StepFunctionBackend
from moto.stepfunctions.parser.api import ExecutionStatus, StateMachineDeleting
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from local.hooks import Hooks

_DELETING = "is_being_deleted"


def install(hooks: Hooks) -> None:
    """Have state machines deleted as on AWS for as long as the hooks are in place."""
    _hook_deletion(hooks)
    _hook_requests(hooks)
    _hook_answers(hooks)


def _hook_deletion(hooks: Hooks) -> None:
    describe = StepFunctionBackend.describe_state_machine
    find_machine = StepFunctionBackend._get_state_machine_for_execution

    def delete_state_machine(self: StepFunctionBackend, arn: str) -> None:
        self._validate_machine_arn(arn)
        for machine in self.state_machines:
            if machine.arn == arn:
                setattr(machine, _DELETING, True)
        _remove_ended(self)

    def describe_state_machine(self: StepFunctionBackend, arn: str) -> Any:
        _remove_ended(self)
        return describe(self, arn)

    def find_machine_of_execution(self: StepFunctionBackend, execution_arn: str) -> Any:
        _remove_ended(self)
        return find_machine(self, execution_arn)

    hooks.replace(StepFunctionBackend, "delete_state_machine", delete_state_machine)
    hooks.replace(StepFunctionBackend, "describe_state_machine", describe_state_machine)
    hooks.replace(StepFunctionBackend, "_get_state_machine_for_execution", find_machine_of_execution)


def _hook_requests(hooks: Hooks) -> None:
    create, start = StepFunctionsParserBackend.create_state_machine, StepFunctionsParserBackend.start_execution

    def create_state_machine(self: StepFunctionsParserBackend, name: str, *args: Any, **kwargs: Any) -> Any:
        _remove_ended(self)
        _require_not_deleting([machine for machine in self.state_machines if machine.name == name])
        return create(self, name, *args, **kwargs)

    def start_execution(self: StepFunctionsParserBackend, state_machine_arn: str, *args: Any, **kwargs: Any) -> Any:
        _require_not_deleting([self.describe_state_machine(state_machine_arn)])
        return start(self, state_machine_arn, *args, **kwargs)

    hooks.replace(StepFunctionsParserBackend, "create_state_machine", create_state_machine)
    hooks.replace(StepFunctionsParserBackend, "start_execution", start_execution)


def _hook_answers(hooks: Hooks) -> None:
    responses = responses_module.StepFunctionResponse
    respond = responses._describe_state_machine

    def respond_with_status(self: Any, state_machine_arn: str) -> ActionResult:
        answer = respond(self, state_machine_arn)
        if _is_being_deleted(self.stepfunction_backend.describe_state_machine(state_machine_arn)):
            answer.result["status"] = "DELETING"
        return answer

    hooks.replace(responses, "_describe_state_machine", respond_with_status)


def _is_being_deleted(machine: StateMachine) -> bool:
    return bool(getattr(machine, _DELETING, False))


def _require_not_deleting(machines: list[StateMachine]) -> None:
    for machine in machines:
        if _is_being_deleted(machine):
            raise StateMachineDeleting(f"State Machine is being deleted: '{machine.arn}'")


def _remove_ended(backend: StepFunctionBackend) -> None:
    """Remove the state machines whose deletion was requested and whose executions are over."""
    for machine in list(backend.state_machines):
        is_running = any(execution.exec_status == ExecutionStatus.RUNNING for execution in machine.executions)
        if _is_being_deleted(machine) and not is_running:
            backend.state_machines.remove(machine)
