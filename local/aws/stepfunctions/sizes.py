"""How large data can be: 256 KiB for a payload, for a variable and for one ``Assign``, and 10 MiB for all variables.

Sizes are those of the JSON in UTF-8. Data that is larger fails the state with ``States.DataLimitExceeded``. AWS does
not document the error of an ``Assign``: here a Task's catcher for it or for ``States.ALL`` catches it, as it catches a
result of the Task that is too large.

https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moto.stepfunctions.parser import api, quotas
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.eval.environment import Environment

from local.hooks import Hooks

_MAX_PAYLOAD_BYTES = 256 * 1024
_MAX_VARIABLES_BYTES = 10 * 1024 * 1024
_MOTO_PACKAGE = "moto.stepfunctions"


def install(hooks: Hooks) -> None:
    """Have sizes checked as on AWS for as long as the hooks are in place."""
    begin_task = StateTaskService._before_eval_execution

    def begin_task_within_quota(self: StateTaskService, env: Environment, **parts: Any) -> None:
        if not is_within_quota(parts["raw_parameters"]):
            text = f"The state/task '{self.name}' has an input with a size exceeding the maximum number of bytes"
            resource = {"resourceType": self._get_sfn_resource_type(), "resource": self._get_sfn_resource()}
            raise _data_limit_error(env, text, "taskFailedEventDetails", resource)
        begin_task(self, env=env, **parts)

    hooks.replace_imported(_MOTO_PACKAGE, quotas.is_within_size_quota, is_within_quota)
    hooks.replace(StateTaskService, "_before_eval_execution", begin_task_within_quota)


def is_within_quota(value: Any) -> bool:
    """Return whether a JSON value is small enough for the input or output of a state."""
    return _measure(value) <= _MAX_PAYLOAD_BYTES


def require_small_variables(env: Environment, assigned: dict[str, Any]) -> None:
    """Require that variables are within their quotas.

    Parameters
    ----------
    env
        The execution, with the variables that it has.
    assigned
        The new variables by name.

    Raises
    ------
    FailureEventException
        ``States.DataLimitExceeded``, if they are too large, or all variables together are.
    """
    state_name = env.states.context_object.context_object_data["State"]["Name"]
    if sum(map(_measure, assigned.values())) > _MAX_PAYLOAD_BYTES:
        raise _data_limit_error(
            env, f"The state/task '{state_name}' assigns variables with a size exceeding the maximum number of bytes"
        )
    variables = {**env.variable_store._outer_scope, **env.variable_store._inner_scope, **assigned}
    if sum(map(_measure, variables.values())) > _MAX_VARIABLES_BYTES:
        raise _data_limit_error(
            env, f"The variables of state '{state_name}' have a size exceeding the maximum number of bytes"
        )


def _measure(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str).encode(errors="surrogatepass"))


def _data_limit_error(
    env: Environment, text: str, kind: str = "executionFailedEventDetails", more: Mapping[str, str] | None = None
) -> FailureEventException:
    name = StatesErrorName(typ=StatesErrorNameType.StatesStatesDataLimitExceeded)
    details = {"error": name.error_name, "cause": f"{text} service limit.", **(more or {})}
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=api.HistoryEventType.TaskFailed,
            event_details={kind: details},
        )
    )
