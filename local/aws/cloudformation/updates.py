"""Updates of a stack.

- An update changes existing resources before it adds new ones that refer to them. Otherwise a new Lambda version would
  be published with the old code. Removed resources with a retaining ``DeletionPolicy`` are kept.
- An update that fails is rolled back: changed resources are changed back, and added ones are removed, unless their
  ``DeletionPolicy`` is ``Retain``.
"""

from __future__ import annotations

import re
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.models import Stack as CloudFormationStack

from local.hooks import Hooks

RETAINING_POLICIES = frozenset({"Retain", "RetainExceptOnCreate"})
_WORD = re.compile(r"\w+")


def install(hooks: Hooks) -> None:
    """Have stacks updated and rolled back as on AWS, for as long as the hooks are in place."""
    update_stack = CloudFormationStack.update

    def update(self: parsing.ResourceMap, template: dict[str, Any], parameters: Any = None) -> None:
        previous_template, inputs = self._template, self.input_parameters
        existing = set(self._parsed_resources)
        actions = self.build_resource_diff(template, parameters)
        try:
            _apply_template(self, template, parameters or inputs, actions)
        except Exception:
            _apply_template(self, previous_template, inputs, {**actions, "Add": []})
            for name in [name for name in actions["Add"] if name not in existing]:
                _remove(self, name, template["Resources"][name], kept_by=frozenset({"Retain"}))
            raise
        for name in actions["Remove"]:
            _remove(self, name, previous_template["Resources"][name], kept_by=RETAINING_POLICIES)

    def update_or_roll_back(self: CloudFormationStack, template: str, *args: Any, **kwargs: Any) -> None:
        previous_template = self.template
        try:
            update_stack(self, template, *args, **kwargs)
        except Exception as error:  # any error of a resource: UpdateStack has already been answered
            self.template = previous_template
            self._parse_template()
            self.status = "UPDATE_ROLLBACK_COMPLETE"
            self._add_stack_event(self.status, resource_status_reason=str(error))

    hooks.replace(parsing.ResourceMap, "update", update)
    hooks.replace(CloudFormationStack, "update", update_or_roll_back)


def _apply_template(
    resources: parsing.ResourceMap, template: dict[str, Any], parameters: Any, actions: dict[str, list[str]]
) -> None:
    """Change the existing resources as in the template, and add the missing ones."""
    resources._template, resources._resource_json_map = template, template["Resources"]
    resources.input_parameters = parameters
    resources.load_mapping()
    resources.load_parameters()
    resources.load_conditions()
    for name in sort_by_dependencies(template["Resources"]):
        if name in actions["Add"]:
            _ = resources[name]
        elif name in actions["Modify"]:
            _update_resource(resources, name)


def _remove(resources: parsing.ResourceMap, name: str, resource: dict[str, Any], *, kept_by: frozenset[str]) -> None:
    """Remove a resource from the stack, and delete it unless its policy is one of `kept_by`."""
    parsed = resources._parsed_resources.pop(name, None)
    if parsed is not None and resource.get("DeletionPolicy") not in kept_by:
        resources._delete_resource(parsed, resource)


def _update_resource(resources: parsing.ResourceMap, name: str) -> None:
    changed = parsing.parse_and_update_resource(
        name,
        resources._resource_json_map[name],
        resources,
        account_id=resources._account_id,
        region_name=resources._region_name,
    )
    # None is returned for a type that moto cannot update; it stays unchanged.
    if changed is not None:
        resources._parsed_resources[name] = changed


def sort_by_dependencies(resources: dict[str, Any]) -> list[str]:
    """Return the logical ids of a template's resources, each after those that it refers to."""
    order: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in order or name in path:
            return
        for reference in _find_references(resources[name], resources):
            visit(reference, (*path, name))
        order[name] = None

    for name in resources:
        visit(name, ())
    return list(order)


def _find_references(value: Any, resources: dict[str, Any]) -> list[str]:
    """Return the resources that a part of a template refers to, by any function."""
    if isinstance(value, str):
        return [name for name in _WORD.findall(value) if name in resources]
    if isinstance(value, dict):
        return [name for item in value.values() for name in _find_references(item, resources)]
    if isinstance(value, list):
        return [name for item in value for name in _find_references(item, resources)]
    return []
