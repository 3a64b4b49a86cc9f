"""The events of a stack: one for each resource that is created, changed or deleted; moto has those of the stack only.

Each is a millisecond later than the one before it, because the clock stands still during a deployment: clients ask for
the events since a time. A reason is the sentence of the error, without moto's form of its answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import uuid4

from moto.cloudformation import parsing
from moto.cloudformation.models import Stack as CloudFormationStack
from moto.core.utils import utcnow

from local.hooks import Hooks

_MILLISECOND = timedelta(milliseconds=1)
_RENDERED_ERROR = re.compile(r'\d{3} [A-Za-z ]+: (\{.*"message": .*\})', re.DOTALL)
"""An error of moto as text, such as ``400 Bad Request: {"__type": "…", "message": "…"}``."""


def install(hooks: Hooks) -> None:
    """Have the events of resources reported for as long as the hooks are in place."""
    add_stack_event = CloudFormationStack._add_stack_event
    make_resource_map = CloudFormationStack._create_resource_map
    delete = parsing.ResourceMap._delete_resource

    def add_later_event(self: CloudFormationStack, *args: Any, **kwargs: Any) -> None:
        timestamp = find_next_time(self)
        add_stack_event(self, *args, **kwargs)
        event = self.events[-1]
        event.timestamp = timestamp
        event.resource_status_reason = event.resource_status_reason and _find_sentence(event.resource_status_reason)

    def make_reporting_map(self: CloudFormationStack) -> parsing.ResourceMap:
        resource_map = make_resource_map(self)
        resource_map.local_stack = self
        return resource_map

    def delete_and_report(self: parsing.ResourceMap, parsed_resource: Any, resource_json: dict[str, Any]) -> None:
        name = parsed_resource.logical_resource_id
        _report(
            self, "DELETE", name, resource_json, lambda: delete(self, parsed_resource, resource_json) or parsed_resource
        )

    hooks.replace(CloudFormationStack, "_add_stack_event", add_later_event)
    hooks.replace(CloudFormationStack, "_create_resource_map", make_reporting_map)
    hooks.replace(parsing.ResourceMap, "_delete_resource", delete_and_report)
    for action, name in (("CREATE", "parse_and_create_resource"), ("UPDATE", "parse_and_update_resource")):
        hooks.replace(parsing, name, _make_reporting_call(action, vars(parsing)[name]))


def find_next_time(stack: CloudFormationStack) -> datetime:
    """Return the time of a stack's next event: now, but later than its last event."""
    now: datetime = utcnow()
    return max(now, stack.events[-1].timestamp + _MILLISECOND) if stack.events else now


def _make_reporting_call(action: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def call_and_report(
        logical_id: str, resource_json: dict[str, Any], resources_map: parsing.ResourceMap, **kwargs: Any
    ) -> Any:
        return _report(
            resources_map,
            action,
            logical_id,
            resource_json,
            lambda: call(logical_id, resource_json, resources_map, **kwargs),
        )

    return call_and_report


def _report(
    resources: parsing.ResourceMap, action: str, name: str, template: dict[str, Any], call: Callable[[], Any]
) -> Any:
    """Make the call, and add the resource's events afterwards: what it depends on is made in the same call.

    A call that returns None has had no effect.
    """
    stack: CloudFormationStack = resources.local_stack
    try:
        resource = call()
    except Exception as error:
        # The error of a dependency is that of all that depend on it, and AWS has not begun with these.
        if not hasattr(error, "local_is_reported"):
            error.__dict__["local_is_reported"] = True
            _add_event(stack, f"{action}_IN_PROGRESS", name, template["Type"])
            _add_event(stack, f"{action}_FAILED", name, template["Type"], reason=_find_sentence(str(error)))
        raise
    if resource is not None:
        physical_id = str(getattr(resource, "physical_resource_id", ""))
        for status in (f"{action}_IN_PROGRESS", f"{action}_COMPLETE"):
            _add_event(stack, status, name, template["Type"], physical_id)
    return resource


class _ResourceEvent:
    """An event of a resource, with the attributes of moto's events of stacks, but made in a hundredth of the time.

    A deployment has hundreds of them, which nearly nobody reads.
    """

    resource_properties = client_request_token = None

    def __init__(
        self, stack: CloudFormationStack, status: str, name: str, kind: str, physical_id: str, reason: str | None
    ) -> None:
        self.stack_id, self.stack_name = stack.stack_id, stack.name
        self.logical_resource_id, self.resource_type, self.physical_resource_id = name, kind, physical_id
        self.resource_status, self.resource_status_reason = status, reason
        # The clock has not moved since the stack's event that began the deployment.
        self.timestamp = stack.events[-1].timestamp + _MILLISECOND

    @cached_property
    def event_id(self) -> str:
        """Its id, which nobody has seen before it is read."""
        return str(uuid4())


def _add_event(
    stack: CloudFormationStack, status: str, name: str, kind: str, physical_id: str = "", reason: str | None = None
) -> None:
    events: list[Any] = stack.events
    events.append(_ResourceEvent(stack, status, name, kind, physical_id, reason))


def _find_sentence(text: str) -> str:
    answer = _RENDERED_ERROR.fullmatch(text)
    return str(json.loads(answer[1])["message"]) if answer else text
