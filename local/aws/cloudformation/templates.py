"""Templates and the names of resources.

- Names that CloudFormation makes up are the same in every deployment, until the stack is deleted: one that is created
  again has new ones. So the same template is the same state machine, whose definition need not be parsed again, and
  what a deleted stack has left behind is not in the way.
- A template that is JSON is read as JSON, and once: moto reads each as YAML, which takes half the time of a start.
- Parts of a template without a function are copied: moto looks for each of a dozen functions in each of them.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import threading
from functools import lru_cache
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.models import Stack as CloudFormationStack
from moto.cloudformation.models import cloudformation_backends

from local.aws.cloudformation.updates import sort_by_dependencies
from local.hooks import Hooks

_FUNCTIONS = frozenset(
    {
        "Ref", "Fn::Base64", "Fn::FindInMap", "Fn::GetAZs", "Fn::GetAtt", "Fn::If", "Fn::ImportValue", "Fn::Join",
        "Fn::Select", "Fn::Split", "Fn::Sub", "Fn::ToJsonString",
    }
)  # fmt: skip
"""The functions that moto evaluates."""


def install(hooks: Hooks) -> None:
    """Change how templates are read and how resources are named, for as long as the hooks are in place."""
    _hook_names(hooks)
    _hook_parser(hooks)
    _hook_functions(hooks)
    # moto copies the whole template to put its resources in order.
    hooks.replace(parsing.ResourceMap, "_ResourceMap__get_resources_in_dependency_order", _list_in_dependency_order)


def _hook_names(hooks: Hooks) -> None:
    generate = parsing.generate_resource_name
    requested = threading.local()

    def generate_resource_name(resource_type: str, stack_name: str, logical_id: str) -> str:
        deletions = _count_deletions(stack_name)
        requested.name = f"{stack_name}/{logical_id}" + (f"/{deletions}" if deletions else "")
        return str(generate(resource_type, stack_name, logical_id))

    def suffix() -> str:
        return hashlib.sha256(requested.name.encode()).hexdigest()[:12].upper()

    hooks.replace(parsing, "generate_resource_name", generate_resource_name)
    hooks.replace(parsing, "random_suffix", suffix)


def _count_deletions(stack_name: str) -> int:
    """Return how many stacks of a name were deleted, in any account and Region."""
    backends = [backend for regions in cloudformation_backends.values() for backend in regions.values()]
    return sum(stack.name == stack_name for backend in backends for stack in backend.deleted_stacks.values())


def _hook_parser(hooks: Hooks) -> None:
    parse = CloudFormationStack.parse_template

    def parse_template(template: str) -> dict[str, Any]:
        try:
            # A new object for each stack: moto changes it.
            parsed: dict[str, Any] = marshal.loads(_parse_json(template))  # noqa: S302 (it was made here)
        except ValueError:
            return dict(parse(template))
        return parsed

    hooks.replace(CloudFormationStack, "parse_template", staticmethod(parse_template))


@lru_cache(maxsize=16)
def _parse_json(template: str) -> bytes:
    """Parse a template, of which copies can be loaded in half the time; it is deployed into many environments."""
    return marshal.dumps(json.loads(template))


def _hook_functions(hooks: Hooks) -> None:
    evaluate = parsing.clean_json

    def clean_json(value: Any, resources: parsing.ResourceMap) -> Any:
        if type(value) is list:
            return [item if type(item) is str else clean_json(item, resources) for item in value]
        if type(value) is not dict or not _FUNCTIONS.isdisjoint(value):
            return evaluate(value, resources)
        cleaned = {}
        for name, item in value.items():
            cleaned_item = item if type(item) is str else clean_json(item, resources)
            if cleaned_item is not None:
                cleaned[name] = cleaned_item
        return cleaned

    hooks.replace(parsing, "clean_json", clean_json)


def _list_in_dependency_order(resource_map: parsing.ResourceMap) -> list[str]:
    """Return the logical ids of a template's resources, each after those that its ``DependsOn`` names."""
    resources: dict[str, dict[str, Any]] = resource_map._resource_json_map
    return sort_by_dependencies({name: resource.get("DependsOn") for name, resource in resources.items()})
