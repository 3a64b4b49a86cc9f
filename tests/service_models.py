"""What botocore's models of the AWS services forbid in requests and answers: all of it, not only what botocore checks.

botocore checks members, types and minimums of a request before it is sent. A service also checks maximums, patterns and
enumerations. Patterns with classes that Python does not have, such as ``\\p{L}``, are left out.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

_SCALAR_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "blob": (bytes, bytearray),
}


@cache
def load_model(service: str) -> ServiceModel:
    """Load the model of a service, such as ``dynamodb``."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def list_request_problems(service: str, operation: str, request: Mapping[str, Any]) -> list[str]:
    """Return what the model forbids in the parameters of a call, with the place of each."""
    return _list_problems(service, operation, load_model(service).operation_model(operation).input_shape, request)


def list_answer_problems(service: str, operation: str, answer: Mapping[str, Any]) -> list[str]:
    """Return what the model forbids in the answer of a call, with the place of each."""
    return _list_problems(service, operation, load_model(service).operation_model(operation).output_shape, answer)


def _list_problems(service: str, operation: str, shape: Shape | None, value: Mapping[str, Any]) -> list[str]:
    if shape is None:
        return [f"{service}:{operation} takes nothing, but has {sorted(value)}"] if value else []
    return [f"{service}:{operation}{problem}" for problem in _find_problems(shape, value, "")]


def _find_problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from _find_structure_problems(shape, value, path)
    elif isinstance(shape, MapShape):
        yield from _find_map_problems(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _find_list_problems(shape, value, path)
    elif shape.type_name == "timestamp":
        if not isinstance(value, datetime) or value.tzinfo is None:
            yield f"{path}: {value!r} is no time with a zone"
    elif not isinstance(value, _SCALAR_TYPES[shape.type_name]) or _is_unexpected_bool(shape, value):
        yield f"{path}: {value!r} is no {shape.type_name}"
    elif isinstance(shape, StringShape):
        yield from _find_text_problems(shape, value, path)
    elif shape.type_name != "boolean":
        size = len(value) if shape.type_name == "blob" else value
        yield from _find_bound_problems(shape, size, path)


def _find_structure_problems(shape: StructureShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no structure"
        return
    for name in shape.required_members:
        if name not in value:
            yield f"{path}.{name} is missing"
    if shape.is_tagged_union and len(value) != 1:
        yield f"{path} has {len(value)} of its alternatives"
    members = shape.members
    for name, item in value.items():
        if name in members:
            yield from _find_problems(members[name], item, f"{path}.{name}")
        else:
            yield f"{path}.{name} is not in the model"


def _find_map_problems(shape: MapShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no map"
        return
    yield from _find_bound_problems(shape, len(value), path)
    for name, item in value.items():
        yield from _find_problems(shape.key, name, f"{path} (key)")
        yield from _find_problems(shape.value, item, f"{path}[{name!r}]")


def _find_list_problems(shape: ListShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        yield f"{path}: {value!r} is no list"
        return
    yield from _find_bound_problems(shape, len(value), path)
    for index, item in enumerate(value):
        yield from _find_problems(shape.member, item, f"{path}[{index}]")


def _find_text_problems(shape: StringShape, value: str, path: str) -> Iterator[str]:
    yield from _find_bound_problems(shape, len(value), path)
    if shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is none of {', '.join(shape.enum)}"
    pattern = _compile_pattern(shape.metadata.get("pattern"))
    if pattern is not None and pattern.fullmatch(value) is None:
        yield f"{path}: {value!r} does not match {pattern.pattern}"


def _find_bound_problems(shape: Shape, size: float, path: str) -> Iterator[str]:
    bounds = shape.metadata
    if not bounds.get("min", size) <= size <= bounds.get("max", size):
        yield f"{path}: the size or value {size} is not in {bounds.get('min', '')}..{bounds.get('max', '')}"


def _is_unexpected_bool(shape: Shape, value: Any) -> bool:
    return isinstance(value, bool) and shape.type_name != "boolean"


@cache
def _compile_pattern(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None or r"\p{" in pattern:
        return None
    try:
        return re.compile(pattern, re.ASCII)
    except re.error:
        return None
