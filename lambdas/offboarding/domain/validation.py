"""Checks values by JSON Schemas, and names what is wrong with a value in one sentence.

A property's `description` completes the sentence "<member> must be …".
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import fastjsonschema

from offboarding.domain.errors import InvalidRequest, OffboardingError

Schema = Mapping[str, Any]

Validated = TypeVar("Validated")

_compiled: dict[str, Callable[[object], object]] = {}


def compile_schemas(*schemas: Schema) -> None:
    """Compile schemas, which takes longer than everything that a handler does with what they let through.

    Called while a function is initialized, when Lambda gives it a whole processor; with 256 MB it has a seventh
    of one afterwards. Powertools' own ``validate`` compiles the schema at each call.
    """
    for schema in schemas:
        _compile(schema)


def _compile(schema: Schema) -> Callable[[object], object]:
    text = json.dumps(schema)
    if text not in _compiled:
        _compiled[text] = fastjsonschema.compile(json.loads(text))
    return _compiled[text]


def validated(
    value: object,
    schema: Schema,
    kind: type[Validated],
    name: str = "The execution's input",
    error: type[OffboardingError] = InvalidRequest,
) -> Validated:
    """Return `value`, typed, if it is what the schema describes.

    Parameters
    ----------
    value
        What came in.
    schema
        The schema.
    kind
        The TypedDict that has the schema's members.
    name
        How the sentence names `value`, where the fault is in the whole of it.
    error
        The error to raise.

    Raises
    ------
    OffboardingError
        `error`, with one sentence that names the member and says what it must be; the value is not repeated.
    """
    fault = find_fault(value, schema, name)
    if fault is not None:
        raise error(fault)
    return cast(Validated, value)


def find_fault(value: object, schema: Schema, name: str) -> str | None:
    """Return one sentence that names the member that is not what the schema describes, or None.

    Parameters
    ----------
    value
        What came in; it is not repeated.
    schema
        The schema.
    name
        How the sentence names `value`, where the fault is in the whole of it.
    """
    try:
        _compile(schema)(value)
    except fastjsonschema.JsonSchemaValueException as problem:
        return _render_sentence(problem, schema, name)
    return None


def _render_sentence(error: fastjsonschema.JsonSchemaValueException, schema: Schema, name: str) -> str:
    path: list[str] = []
    subschema: Any = schema
    for part in map(str, (error.path or [])[1:]):
        if "items" in subschema:  # the description of a list says what its elements must be
            break
        subschema = _find_member_schema(subschema, part)
        path.append(part)
    member = ".".join(path) or name
    properties = subschema.get("properties", {})
    present = set(error.value or {}) if isinstance(error.value, dict) else set()
    if error.rule == "additionalProperties":
        unknown = ", ".join(_printable(key) for key in sorted(present - set(properties)))
        return f"{member} has an unknown member: {unknown}. The members are {', '.join(properties)}."
    if error.rule == "required":
        missing = next(key for key in subschema["required"] if key not in present)
        return f"{member} lacks {missing}, which must be {properties[missing]['description']}."
    return f"{member} must be {subschema['description']}."


def _find_member_schema(schema: Schema, member: str) -> Schema:
    if member in schema.get("properties", {}):
        return cast(Schema, schema["properties"][member])
    return next(subschema for pattern, subschema in schema["patternProperties"].items() if re.search(pattern, member))


def _printable(key: str) -> str:
    return re.sub(r"[^\w.-]", "?", key[:64])
