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
    """Return the request's known members, or raise for the first request that the model forbids.

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
    problems = list(_problems(shape, request, ""))
    if problems:
        count = "1 validation error" if len(problems) == 1 else f"{len(problems)} validation errors"
        raise InvalidParameterException(f"{count} detected: {'; '.join(problems)}")
    known: dict[str, Any] = _known(shape, request)
    return known


def _problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    expected: tuple[Any, ...] = _TYPES[shape.type_name]
    wrong_bool = isinstance(value, bool) and bool not in expected
    if wrong_bool or not isinstance(value, expected):
        yield _sentence(path, f"Member must be of type {shape.type_name}")
        return
    if isinstance(shape, StructureShape):
        yield from _structure_problems(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _bound_problems(shape, len(value), path, "length")
        for index, item in enumerate(value):
            yield from _problems(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "string":
        yield from _string_problems(shape, value, path)
    elif shape.type_name != "boolean":
        yield from _bound_problems(shape, value, path, "value")


def _structure_problems(shape: StructureShape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _sentence(_join(path, name), "Member must not be null")
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _problems(member, value[name], _join(path, name))


def _string_problems(shape: Shape, value: str, path: str) -> Iterator[str]:
    yield from _bound_problems(shape, len(value), path, "length")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value, re.ASCII):
        yield _sentence(path, f"Member must satisfy regular expression pattern: {pattern}")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield _sentence(path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")


def _bound_problems(shape: Shape, number: float, path: str, what: str) -> Iterator[str]:
    of = f"Member must have {what}"
    if number < shape.metadata.get("min", number):
        yield _sentence(path, f"{of} greater than or equal to {shape.metadata['min']}")
    if number > shape.metadata.get("max", number):
        yield _sentence(path, f"{of} less than or equal to {shape.metadata['max']}")


def _known(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        return {
            name: _known(member, value[name]) for name, member in shape.members.items() if value.get(name) is not None
        }
    if isinstance(shape, ListShape):
        return [_known(shape.member, item) for item in value]
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _sentence(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"
