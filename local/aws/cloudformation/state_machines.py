"""State machines of a template.

``DefinitionSubstitutions`` are applied; logging, tracing and type are kept; ``Arn`` is an attribute. (The backend that
executes is set by ``local.aws.stepfunctions.api``.)
"""

from __future__ import annotations

import json
from typing import Any

from moto.stepfunctions.models import StateMachine

from local.hooks import Hooks


def install(hooks: Hooks) -> None:
    """Have state machines made as AWS makes them, for as long as the hooks are in place."""
    create = StateMachine.create_from_cloudformation_json.__func__
    update = StateMachine.update_from_cloudformation_json.__func__
    attribute, has_attribute = StateMachine.get_cfn_attribute, StateMachine.has_cfn_attr.__func__

    def create_machine(cls: type, resource_name: str, cloudformation_json: Any, *args: Any, **kwargs: Any) -> Any:
        properties = cloudformation_json["Properties"]
        _apply_substitutions(properties)
        return _set_properties(create(cls, resource_name, cloudformation_json, *args, **kwargs), properties)

    def update_machine(cls: type, original_resource: Any, new_resource_name: str, **kwargs: Any) -> Any:
        properties = kwargs["cloudformation_json"]["Properties"]
        _apply_substitutions(properties)
        machine = update(cls, original_resource, new_resource_name, **kwargs)
        return _set_properties(machine, properties)

    def get_attribute(self: StateMachine, attribute_name: str) -> Any:
        return self.arn if attribute_name == "Arn" else attribute(self, attribute_name)

    def has_cfn_attr(cls: type, attr: str) -> bool:
        return attr == "Arn" or bool(has_attribute(cls, attr))

    hooks.replace(StateMachine, "create_from_cloudformation_json", classmethod(create_machine))
    hooks.replace(StateMachine, "update_from_cloudformation_json", classmethod(update_machine))
    hooks.replace(StateMachine, "get_cfn_attribute", get_attribute)
    hooks.replace(StateMachine, "has_cfn_attr", classmethod(has_cfn_attr))


def _apply_substitutions(properties: dict[str, Any]) -> None:
    if "Definition" in properties:
        properties["DefinitionString"] = json.dumps(properties["Definition"])
    text = properties.get("DefinitionString", "")
    for name, value in properties.get("DefinitionSubstitutions", {}).items():
        replacement = str(getattr(value, "physical_resource_id", value))
        text = text.replace(f"${{{name}}}", json.dumps(replacement)[1:-1])
    properties["DefinitionString"] = text


def _set_properties(machine: Any, properties: dict[str, Any]) -> Any:
    """Set the properties that moto does not read from the template, as in the API."""
    machine.loggingConfiguration = _to_api_names(properties.get("LoggingConfiguration")) or {"level": "OFF"}
    machine.tracingConfiguration = _to_api_names(properties.get("TracingConfiguration")) or {"enabled": False}
    machine.type = properties.get("StateMachineType", "STANDARD")
    return machine


def _to_api_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _to_api_names(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_api_names(item) for item in value]
    return value
