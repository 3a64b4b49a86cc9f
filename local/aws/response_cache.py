"""A cache of values that moto computes in each request and answer: speed only.

- moto tries half a dozen aliases of each member of each answer, and computes them each time. They depend only on the
  member, and on the class of the object in the answer.
- Nearly all objects in answers are dictionaries, in which a member is found without a description of the search.
- moto lists the actions of a service for each request.
- moto parses each time of an answer that it keeps as a text, such as those of a history; on a clock that stands still,
  most are the same.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from moto.core import responses, serialize
from moto.core.serialize import AttributePickerContext, ResponseSerializer, XFormedAttributePicker

from local.hooks import Hooks

_NO_NAMES: dict[str, list[str]] = {}
_MAX_TIMES = 10_000


def install(hooks: Hooks) -> None:
    """Cache the names for as long as the hooks are in place."""
    compute_names = XFormedAttributePicker.get_possible_keys

    def get_possible_keys(self: XFormedAttributePicker, context: AttributePickerContext) -> list[str]:
        cached_names: dict[Any, list[str]] = vars(context.shape).setdefault("local_possible_keys", {})
        key = (context.key, type(context.obj))
        if key not in cached_names:
            names = cached_names[key] = list(dict.fromkeys(compute_names(self, context)))
            # A name with a dot is a path.
            if key[1] is dict and not any("." in name for name in names):
                vars(context.shape).setdefault("local_plain_keys", {})[context.key] = names
        return cached_names[key]

    find_value = ResponseSerializer.get_value

    def get_value(self: ResponseSerializer, value: Any, key: str, shape: Any) -> Any:
        picker = self._value_picker
        if type(value) is not dict or type(picker) is not XFormedAttributePicker or picker.response_transformers:
            return find_value(self, value, key, shape)
        names = vars(shape).get("local_plain_keys", _NO_NAMES).get(key)
        if names is None:
            return find_value(self, value, key, shape)
        for name in names:
            if name in value:
                return value[name]
        return None

    parse_time = serialize.parse_to_aware_datetime
    parse_text = lru_cache(maxsize=_MAX_TIMES)(parse_time)

    def parse_to_aware_datetime(value: Any) -> datetime:
        # Only texts are looked up: a time needs no parsing.
        return parse_text(value) if type(value) is str else parse_time(value)

    hooks.replace(XFormedAttributePicker, "get_possible_keys", get_possible_keys)
    hooks.replace(ResponseSerializer, "get_value", get_value)
    hooks.replace(responses, "method_names_from_class", cache(responses.method_names_from_class))
    hooks.replace(serialize, "parse_to_aware_datetime", parse_to_aware_datetime)
