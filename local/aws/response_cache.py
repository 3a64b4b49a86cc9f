"""A cache of values that moto computes in each request and answer: speed only.

- moto tries half a dozen aliases of each member of each answer, and computes them each time. They depend only on the
  member, and on the class of the object in the answer.
- moto lists the actions of a service for each request.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.core import responses
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker

from local.hooks import Hooks


def install(hooks: Hooks) -> None:
    """Cache the names for as long as the hooks are in place."""
    compute_names = XFormedAttributePicker.get_possible_keys

    def get_possible_keys(self: XFormedAttributePicker, context: AttributePickerContext) -> list[str]:
        cached_names: dict[Any, list[str]] = vars(context.shape).setdefault("local_possible_keys", {})
        key = (context.key, type(context.obj))
        if key not in cached_names:
            cached_names[key] = list(dict.fromkeys(compute_names(self, context)))
        return cached_names[key]

    hooks.replace(XFormedAttributePicker, "get_possible_keys", get_possible_keys)
    hooks.replace(responses, "method_names_from_class", cache(responses.method_names_from_class))
