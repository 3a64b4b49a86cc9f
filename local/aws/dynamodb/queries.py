"""The speed of queries and scans.

For each query moto sorts all items of the table, and computes the value of a key in each comparison of a sort. With
10,000 items that takes a second. Here a query looks only at the items with its partition key that its page can reach,
a sort computes each value once, and the size of an item is computed once in a query.

In each value of an answer moto looks for all ten types of DynamoDB. Here a value is written as it is.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.comparisons import get_comparison_func
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from local.hooks import Hooks


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
        items.sort(key=lambda item: tuple(_read(item.attrs[name]) for name in names))
        return items

    hooks.replace(Table, "query", query_candidates)
    hooks.replace(Table, "all_items", iterate_items)
    hooks.replace(Table, "sorted_items", sorted_items)
    hooks.replace(Item, "size", read_size)
    hooks.replace(BaseJSONSerializer, "_serialize_type_structure", _make_serializer())


def _make_serializer() -> Callable[..., None]:
    """Return what serializes a structure, and a value of DynamoDB as it is."""
    serialize = BaseJSONSerializer._serialize_type_structure

    def serialize_structure(self: BaseJSONSerializer, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and isinstance(value, dict):
            self._default_serialize(serialized, _render_value(value), shape, key)
        else:
            serialize(self, serialized, value, shape, key)

    return serialize_structure


def _render_value(value: dict[str, Any]) -> dict[str, Any]:
    """Render a value of DynamoDB: only binary ones differ from what moto has."""
    [(kind, content)] = value.items()
    match kind:
        case "M":
            return {kind: {name: _render_value(member) for name, member in content.items()}}
        case "L":
            return {kind: [_render_value(element) for element in content]}
        case "B":
            return {kind: _encode(content)}
        case "BS":
            return {kind: [_encode(element) for element in content]}
        case _:
            return value


def _encode(content: str | bytes) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


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
    for name, value in query.hash_key_conditions:
        items = [item for item in items if _has_value(item, name, value)]
    schemas = [index.schema for index in table.all_indexes() if index.name == query.index_name]
    names = [key["AttributeName"] for schema in schemas for key in schema if key["KeyType"] == "RANGE"]
    # An index has one sort key here, and moto raises the error if a query has a condition without one.
    return _leave_out_of_reach(table, query, names[0], items) if len(names) == 1 else items


def _leave_out_of_reach(table: Table, query: _Query, sort_key: str, items: Iterable[Item]) -> list[Item]:
    """Leave out the items of earlier pages, and those beyond the condition on the sort key, except the next ones.

    If a page is full, moto says that another one follows because of these.
    """
    valued = [(_read(item.attrs[sort_key]), item) for item in items if sort_key in item.attrs]
    if query.exclusive_start_key:
        valued = _leave_earlier_pages(table, query, sort_key, valued)
    if not query.range_comparison:
        return [item for _, item in valued]
    is_within = get_comparison_func(query.range_comparison)
    limits = [value.cast_value for value in query.range_objs]
    fitting = [(value, item) for value, item in valued if is_within(value, *limits)]
    if not fitting:
        return []
    is_forward, edge = query.scan_index_forward, max if query.scan_index_forward else min
    last = edge(value for value, _ in fitting)
    beyond = [(value, item) for value, item in valued if value != last and (value > last) == is_forward]
    following = (min if is_forward else max)((value for value, _ in beyond), default=None)
    return [item for _, item in fitting] + [item for value, item in beyond if value == following]


def _leave_earlier_pages(
    table: Table, query: _Query, sort_key: str, valued: Iterable[tuple[Any, Item]]
) -> list[tuple[Any, Item]]:
    start = {name: _read(DynamoType(value)) for name, value in (query.exclusive_start_key or {}).items()}
    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name]
    start_key = [start[name] for name in names]

    def is_ahead(value: Any, item: Item) -> bool:
        if value != start[sort_key]:
            return bool(value > start[sort_key]) == query.scan_index_forward
        key = [_read(item.attrs[name]) for name in names]
        return key != start_key and (key > start_key) == query.scan_index_forward

    return [(value, item) for value, item in valued if is_ahead(value, item)]


def _read(attribute: DynamoType) -> Any:
    return attribute.value if attribute.type == "S" else attribute.cast_value


def _list_items(table: Table, entries: Any) -> list[Item]:
    return [item for entry in entries.values() for item in (entry.values() if table.has_range_key else [entry])]


def _has_value(item: Item, name: str, value: DynamoType) -> bool:
    attribute = item.attrs.get(name)
    if attribute is None or attribute.type != value.type:
        return False
    return bool(attribute.value == value.value or attribute == value)
