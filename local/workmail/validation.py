"""Checks requests against botocore's service model, as the service's front end does before anything happens."""

import re
from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, Shape, StructureShape
from moto.core.utils import get_service_model

from .exceptions import CommonError, InvalidParameterException

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "timestamp": (int, float),
    "list": (list,),
    "structure": (dict,),
}


def validate(operation: str, request: object) -> dict[str, Any]:
    """Return the members of a request that the model knows, or raise if the model forbids the request.

    Unknown members and nulls are dropped, as the JSON protocol has it.

    Parameters
    ----------
    operation
        The operation's name in the service model.
    request
        The decoded body.

    Raises
    ------
    InvalidParameterException
        Naming each member that is missing, of the wrong type, or against its restrictions.
    CommonError
        ``SerializationException`` when the body is no JSON object.
    """
    if not isinstance(request, dict):
        raise CommonError("SerializationException", "The body of the request must be a JSON object.")
    shape = get_service_model("workmail").operation_model(operation).input_shape
    problems = list(_find_problems(shape, request, ""))
    if problems:
        count = "1 validation error" if len(problems) == 1 else f"{len(problems)} validation errors"
        raise InvalidParameterException(f"{count} detected: {'; '.join(problems)}")
    members: dict[str, Any] = _keep_known_members(shape, request)
    return members


def _find_problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    expected: tuple[Any, ...] = _TYPES[shape.type_name]
    is_unexpected_bool = isinstance(value, bool) and bool not in expected
    if is_unexpected_bool or not isinstance(value, expected):
        yield _constraint_message(path, f"Member must be of type {shape.type_name}")
        return
    if isinstance(shape, StructureShape):
        yield from _find_structure_problems(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _find_bound_problems(shape, len(value), path, "length")
        for index, item in enumerate(value):
            yield from _find_problems(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "string":
        yield from _find_string_problems(shape, value, path)
    elif shape.type_name != "boolean":
        yield from _find_bound_problems(shape, value, path, "value")


def _find_structure_problems(shape: StructureShape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _constraint_message(_join_path(path, name), "Member must not be null")
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _find_problems(member, value[name], _join_path(path, name))


def _find_string_problems(shape: Shape, value: str, path: str) -> Iterator[str]:
    yield from _find_bound_problems(shape, len(value), path, "length")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value, re.ASCII):
        yield _constraint_message(path, f"Member must satisfy regular expression pattern: {pattern}")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield _constraint_message(path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")


def _find_bound_problems(shape: Shape, number: float, path: str, measure: str) -> Iterator[str]:
    constraint = f"Member must have {measure}"
    if number < shape.metadata.get("min", number):
        yield _constraint_message(path, f"{constraint} greater than or equal to {shape.metadata['min']}")
    if number > shape.metadata.get("max", number):
        yield _constraint_message(path, f"{constraint} less than or equal to {shape.metadata['max']}")


def _keep_known_members(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        return {
            name: _keep_known_members(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, ListShape):
        return [_keep_known_members(shape.member, item) for item in value]
    return value


def _join_path(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _constraint_message(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"
