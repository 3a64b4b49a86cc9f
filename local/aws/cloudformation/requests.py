"""Parameters and template addresses, which moto reads or answers in another way than AWS.

- A ``TemplateURL`` can have the address of the local server, where the bucket is the first part of the path. moto takes
  the bucket from the host's name, unless that is ``localhost`` or Amazon S3's.
- ``UsePreviousValue`` of a parameter that has had its default so far takes the default again. moto looks for the value
  among those that were passed, or takes the value that a Systems Manager parameter had for the parameter's name.
- A parameter that is a list is answered as a text with commas. moto answers Python's notation, which ``cdk bootstrap``
  would pass again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from moto.cloudformation import utils
from moto.cloudformation.models import CloudFormationBackend
from moto.cloudformation.models import Stack as CloudFormationStack

from local.hooks import Hooks

_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1"})


def install(hooks: Hooks) -> None:
    """Have parameters read and answered as on AWS for as long as the hooks are in place."""
    list_parameters = CloudFormationStack.parameter_list.fget
    read_template = utils.get_stack_from_s3_url

    def read_template_by_path(template_url: str, *args: Any, **kwargs: Any) -> str:
        address = urlsplit(template_url)
        is_loopback = address.hostname in _LOOPBACK_HOSTS
        return str(read_template(f"http://localhost{address.path}" if is_loopback else template_url, *args, **kwargs))

    def resolve_parameters(
        _: CloudFormationBackend, instance: Any, incoming_params: Iterable[Mapping[str, Any]]
    ) -> dict[str, str]:
        return choose_parameters(incoming_params, instance.parameters)

    def list_texts(stack: CloudFormationStack) -> list[dict[str, Any]]:
        return [
            {**parameter, "ParameterValue": _join(parameter["ParameterValue"])} for parameter in list_parameters(stack)
        ]

    hooks.replace_imported("moto.cloudformation", read_template, read_template_by_path)
    hooks.replace(CloudFormationBackend, "_resolve_update_parameters", resolve_parameters)
    hooks.replace(CloudFormationStack, "parameter_list", property(list_texts))


def _join(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value


def choose_parameters(requested: Iterable[Mapping[str, Any]], previous_values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a stack's parameters; those that are missing have their defaults.

    Parameters
    ----------
    requested
        The ``Parameters`` of a request. Values of the booleans can be texts.
    previous_values
        The values that the stack was given so far.

    Examples
    --------
    >>> choose_parameters([{"ParameterKey": "Stage", "UsePreviousValue": "true"}], {"Stage": "test"})
    {'Stage': 'test'}
    """
    values: dict[str, str] = {}
    for parameter in requested:
        name = parameter["ParameterKey"]
        if str(parameter.get("UsePreviousValue", False)).lower() != "true":
            values[name] = parameter["ParameterValue"]
        elif name in previous_values:
            values[name] = previous_values[name]
    return values
