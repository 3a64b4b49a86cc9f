"""The context object of an execution, as it looks on AWS.

``StartTime`` and ``EnteredTime`` are written as AWS writes them, and ``Map`` is in the context of the states inside a
Map.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from moto.stepfunctions.parser.asl.component.state import state as state_module
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.states import States

from local.hooks import Hooks


def install(hooks: Hooks) -> None:
    """Have contexts look as on AWS for as long as the hooks are in place."""
    state_data = state_module.StateData
    reset = States.reset
    make_frame = Environment.as_inner_frame_of.__func__

    def make_state_data(**fields: Any) -> Any:
        entered_at = datetime.fromisoformat(fields["EnteredTime"])
        return state_data(**{**fields, "EnteredTime": render_timestamp(entered_at)})

    def reset_without_nulls(self: States, input_value: Any) -> None:
        reset(self, input_value)
        # Missing and not null: reading a missing one fails the state, as on AWS.
        self._states_data.pop("result", None)
        self._states_data.pop("errorOutput", None)

    def make_frame_with_map(cls: type[Environment], env: Environment, *args: Any, **kwargs: Any) -> Environment:
        frame: Environment = make_frame(cls, env, *args, **kwargs)
        outer = env.states.context_object.context_object_data
        if "Map" in outer:
            frame.states.context_object.context_object_data["Map"] = copy.deepcopy(outer["Map"])
        return frame

    hooks.replace(state_module, "StateData", make_state_data)
    hooks.replace(States, "reset", reset_without_nulls)
    hooks.replace(Environment, "as_inner_frame_of", classmethod(make_frame_with_map))


def render_timestamp(when: datetime) -> str:
    """Render an instant as Step Functions does: UTC, milliseconds, ``Z``."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
