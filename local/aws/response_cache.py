"""How moto takes requests and writes its answers, made faster: what follows from classes alone is found out once.

- moto tries half a dozen aliases of each member of each answer, whether there or not, and makes them anew each time.
  They follow from the member, and from the class of the object that is answered.
- moto lists the actions of a service anew for each request.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.core import responses
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker

from local.hooks import Hooks


def install(hooks: Hooks) -> None:
    """Keep the names for as long as the hooks are in place."""
    names = XFormedAttributePicker.get_possible_keys

    def get_possible_keys(self: XFormedAttributePicker, context: AttributePickerContext) -> list[str]:
        kept: dict[Any, list[str]] = vars(context.shape).setdefault("local_possible_keys", {})
        which = (context.key, type(context.obj))
        if which not in kept:
            kept[which] = list(dict.fromkeys(names(self, context)))
        return kept[which]

    hooks.replace(XFormedAttributePicker, "get_possible_keys", get_possible_keys)
    hooks.replace(responses, "method_names_from_class", cache(responses.method_names_from_class))
