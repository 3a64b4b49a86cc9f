"""Writes JSON for programs: each object as it comes, with numbers of DynamoDB as JSON has them."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import TextIO


def render_json(value: object) -> str:
    """Return a value as JSON for a person, indented."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=_convert)


def write_json_array(items: Iterable[object], file: TextIO) -> None:
    """Write an array, one item in a line, each as it comes."""
    separator = "[\n"
    for item in items:
        file.write(separator + json.dumps(item, ensure_ascii=False, default=_convert))
        separator = ",\n"
    file.write("[]\n" if separator == "[\n" else "\n]\n")


def _convert(value: object) -> object:
    """Convert what DynamoDB has and JSON does not: decimals, sets and bytes."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return sorted(value) if isinstance(value, set) else str(value)
