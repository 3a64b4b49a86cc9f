"""Items of DynamoDB, in less time: speed only.

moto computes the size of an item again for each attribute that it sets, and encodes each text for it. It copies an
item by `copy.deepcopy` for each of its values, and renders a value by a copy of all of it.
"""

from __future__ import annotations

import base64
import copy
from typing import Any

from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict

from local.hooks import Hooks

_MAX_SIZE_BYTES = 405_000


def install(hooks: Hooks) -> None:
    """Shorten the work on items for as long as the hooks are in place."""
    hooks.replace(DynamoType, "to_regular_json", _render)
    hooks.replace(DynamoType, "size", _compute_size)
    hooks.replace(DynamoType, "__deepcopy__", _copy_value)
    hooks.replace(Item, "__deepcopy__", _copy_item)
    hooks.replace(Item, "__init__", _fill_item)
    hooks.replace(LimitedSizeDict, "__setitem__", _set_attribute)


def _render(self: DynamoType) -> dict[str, Any]:
    """Render a value in DynamoDB's notation; moto first copies all of it, and renders the copy."""
    value = self.value
    if isinstance(value, dict):
        value = {name: _render_member(member) for name, member in value.items()}
    elif isinstance(value, list):
        value = [_render_member(member) for member in value]
    elif self.is_binary() and isinstance(value, str):
        value = base64.b64decode(value)
    return {self.type: value}


def _render_member(member: Any) -> Any:
    return _render(member) if isinstance(member, DynamoType) else copy.deepcopy(member)


_compute_any_size = DynamoType.size


def _compute_size(self: DynamoType) -> int:
    kind, content = self.type, self.value
    if kind == "S" and type(content) is str:
        return _count_bytes(content)
    if kind == "L":
        return sum(_compute_size(element) for element in content)
    if kind == "M":
        return sum(
            _count_bytes(name) + _compute_size(member if type(member) is DynamoType else DynamoType(member))
            for name, member in content.items()
        )
    return _compute_any_size(self)


def _count_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _measure(value: Any) -> int:
    return _compute_size(value) if type(value) is DynamoType else _count_bytes(str(value))


def _measure_attributes(attributes: LimitedSizeDict) -> int:
    return sum(_count_bytes(name) + _measure(value) for name, value in attributes.items())


def _set_attribute(self: LimitedSizeDict, name: str, value: Any) -> None:
    if _measure_attributes(self) + _count_bytes(name) + _measure(value) > _MAX_SIZE_BYTES:
        raise ItemSizeTooLarge
    dict.__setitem__(self, name, value)


def _fill_item(self: Item, hash_key: DynamoType, range_key: DynamoType | None, attrs: dict[str, Any]) -> None:
    """Set the members of an item; its size only grows meanwhile, so that the last check is enough."""
    self.hash_key, self.range_key = hash_key, range_key
    self.attrs = LimitedSizeDict()
    dict.update(self.attrs, {name: DynamoType(value) for name, value in attrs.items()})
    if _measure_attributes(self.attrs) > _MAX_SIZE_BYTES:
        raise ItemSizeTooLarge


def _copy_value(self: DynamoType, memo: dict[int, Any]) -> DynamoType:
    if id(self) in memo:
        result: DynamoType = memo[id(self)]
        return result
    result = object.__new__(type(self))
    memo[id(self)] = result
    kind, content = self.type, self.value
    if kind == "L":
        content = [_copy_member(element, memo) for element in content]
    elif kind == "M":
        content = {name: _copy_member(member, memo) for name, member in content.items()}
    elif self.is_set():
        content = list(content)
    result.type, result.value = kind, content
    return result


def _copy_member(value: Any, memo: dict[int, Any]) -> Any:
    return _copy_value(value, memo) if type(value) is DynamoType else copy.deepcopy(value, memo)


def _copy_item(self: Item, memo: dict[int, Any]) -> Item:
    if id(self) in memo:
        result: Item = memo[id(self)]
        return result
    result = Item.__new__(type(self))
    memo[id(self)] = result
    result.hash_key = _copy_member(self.hash_key, memo)
    result.range_key = _copy_member(self.range_key, memo)
    result.attrs = LimitedSizeDict.__new__(LimitedSizeDict)
    dict.update(result.attrs, {name: _copy_member(value, memo) for name, value in self.attrs.items()})
    return result
