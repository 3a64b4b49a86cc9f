"""The speed of queries and scans.

For each query moto sorts all items of the table, and computes the value of a key in each comparison of a sort. With
10,000 items that takes a second. Here a query looks only at the items with its partition key that its page can reach,
a sort computes each value once, and the size of an item is computed once in a query.

In each value of an answer moto looks for all ten types of DynamoDB. Here it writes the type that is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.comparisons import get_comparison_func
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from local.hooks import Hooks

Key = tuple[Any, ...]


@dataclass(frozen=True)
class _Query:
    """The arguments of moto's query by which items are left out, in moto's order and with its names."""

    hash_key: DynamoType | None
    range_comparison: str | None
    range_objs: list[DynamoType]
    limit: int
    exclusive_start_key: dict[str, Any] | None
    scan_index_forward: bool
    projection_expressions: Any = None
    index_name: str | None = None
    consistent_read: bool = False
    filter_expression: Any = None
    hash_key_conditions: list[tuple[str, DynamoType]] | None = None
    range_key_conditions: list[Any] | None = None


@dataclass
class _Candidates:
    """What a query of this thread looks at; and the sizes of these items, by their identity."""

    items: list[Item]
    sizes: dict[int, int] = field(default_factory=dict)


def install(hooks: Hooks) -> None:
    """Have queries answered faster for as long as the hooks are in place."""
    query, compute_size = Table.query, Item.size
    thread = threading.local()

    def query_candidates(table: Table, *args: Any, **kwargs: Any) -> Any:
        members = {name: value for name, value in kwargs.items() if name in _Query.__annotations__}
        thread.candidates = _Candidates(_find_candidates(table, _Query(*args, **members)))
        try:
            return query(table, *args, **kwargs)
        finally:
            thread.candidates = None

    def iterate_items(table: Table) -> list[Item]:
        candidates: _Candidates | None = getattr(thread, "candidates", None)
        return _sort_all_items(table) if candidates is None else candidates.items

    def read_size(item: Item) -> int:
        candidates: _Candidates | None = getattr(thread, "candidates", None)
        if candidates is None:
            return compute_size(item)
        if id(item) not in candidates.sizes:
            candidates.sizes[id(item)] = compute_size(item)
        return candidates.sizes[id(item)]

    def sorted_items(
        table: Table, hash_key_attrs: list[str], range_key_attrs: list[str | None], items: list[Item]
    ) -> list[Item]:
        names = table._generate_attr_to_sort_by(hash_key_attrs, range_key_attrs)
        items.sort(key=lambda item: tuple(item.attrs[name].cast_value for name in names))
        return items

    hooks.replace(Table, "query", query_candidates)
    hooks.replace(Table, "all_items", iterate_items)
    hooks.replace(Table, "sorted_items", sorted_items)
    hooks.replace(Item, "size", read_size)
    hooks.replace(BaseJSONSerializer, "_serialize_type_structure", _make_serializer())


def _make_serializer() -> Callable[..., None]:
    """Return what serializes a structure, and of a value of DynamoDB only the type that it has."""
    serialize = BaseJSONSerializer._serialize_type_structure

    def serialize_structure(self: BaseJSONSerializer, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name != "AttributeValue" or not isinstance(value, dict):
            serialize(self, serialized, value, shape, key)
            return
        members: dict[str, Any] = {}
        for name in value:
            self._serialize_structure_member(members, value, shape.members[name], name)
        self._default_serialize(serialized, members, shape, key)

    return serialize_structure


def _sort_all_items(table: Table) -> list[Item]:
    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name]
    return sorted(_list_items(table, table.items), key=lambda item: [item.attrs[name].cast_value for name in names])


def _find_candidates(table: Table, query: _Query) -> list[Item]:
    """Return the items of a query's partition that its page can reach, in any order."""
    entries: Any = table.items
    if query.index_name is None and query.hash_key is not None:
        entries = {query.hash_key: entries[query.hash_key]} if query.hash_key in entries else {}
    items = _list_items(table, entries)
    if query.index_name is None or not query.hash_key_conditions:
        return items
    conditions = query.hash_key_conditions
    items = [item for item in items if all(_has_value(item, name, value) for name, value in conditions)]
    schemas = [index.schema for index in table.all_indexes() if index.name == query.index_name]
    names = [key["AttributeName"] for schema in schemas for key in schema if key["KeyType"] == "RANGE"]
    # An index has one sort key here, and moto raises the error if a query has a condition without one.
    return _leave_out_of_reach(table, query, names[0], items) if len(names) == 1 else items


def _leave_out_of_reach(table: Table, query: _Query, sort_key: str, items: Iterable[Item]) -> list[Item]:
    """Leave out the items of earlier pages, and those beyond the condition on the sort key, except the next one.

    If a page is full, moto says that another one follows because of that next one.
    """
    key_names = [name for name in (sort_key, table.hash_key_attr, table.range_key_attr) if name]
    keyed = [(_read_key(item.attrs, key_names), item) for item in items if sort_key in item.attrs]
    if query.exclusive_start_key:
        start = _read_key({name: DynamoType(value) for name, value in query.exclusive_start_key.items()}, key_names)
        keyed = [(key, item) for key, item in keyed if (key > start) == query.scan_index_forward and key != start]
    if not query.range_comparison:
        return [item for _, item in keyed]
    is_within = get_comparison_func(query.range_comparison)
    limits = [value.cast_value for value in query.range_objs]
    fitting = {key: item for key, item in keyed if is_within(key[0], *limits)}
    if fitting:
        edge, nearest = (max(fitting), min) if query.scan_index_forward else (min(fitting), max)
        beyond = [(key, item) for key, item in keyed if (key > edge) == query.scan_index_forward and key != edge]
        fitting |= [nearest(beyond, key=lambda entry: entry[0])] if beyond else []
    return list(fitting.values())


def _read_key(attributes: Any, names: Iterable[str]) -> Key:
    return tuple(attributes[name].cast_value for name in names)


def _list_items(table: Table, entries: Any) -> list[Item]:
    return [item for entry in entries.values() for item in (entry.values() if table.has_range_key else [entry])]


def _has_value(item: Item, name: str, value: DynamoType) -> bool:
    attribute = item.attrs.get(name)
    if attribute is None or attribute.type != value.type:
        return False
    return bool(attribute.value == value.value or attribute == value)
