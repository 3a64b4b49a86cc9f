"""The speed of queries and scans.

For each query moto sorts all items of the table, and computes the value of a key in each comparison of a sort. With
10,000 items that takes a second. Here a query looks only at the items with its partition key, and a sort computes each
value once.
"""

from __future__ import annotations

import threading
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from local.hooks import Hooks

_INDEX_NAME = 6
"""The position of the index's name among the further arguments of a query."""


def install(hooks: Hooks) -> None:
    """Have queries answered faster for as long as the hooks are in place."""
    query = Table.query
    candidates = threading.local()

    def query_candidates(table: Table, hash_key: DynamoType | None, *args: Any, **kwargs: Any) -> Any:
        index_name = args[_INDEX_NAME] if len(args) > _INDEX_NAME else kwargs.get("index_name")
        candidates.items = _find_candidates(table, hash_key, index_name, kwargs.get("hash_key_conditions"))
        try:
            return query(table, hash_key, *args, **kwargs)
        finally:
            candidates.items = None

    def iterate_items(table: Table) -> list[Item]:
        items: list[Item] | None = getattr(candidates, "items", None)
        return _sort_all_items(table) if items is None else items

    def sorted_items(
        table: Table, hash_key_attrs: list[str], range_key_attrs: list[str | None], items: list[Item]
    ) -> list[Item]:
        names = table._generate_attr_to_sort_by(hash_key_attrs, range_key_attrs)
        items.sort(key=lambda item: tuple(item.attrs[name].cast_value for name in names))
        return items

    hooks.replace(Table, "query", query_candidates)
    hooks.replace(Table, "all_items", iterate_items)
    hooks.replace(Table, "sorted_items", sorted_items)


def _sort_all_items(table: Table) -> list[Item]:
    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name]
    return sorted(_list_items(table, table.items), key=lambda item: [item.attrs[name].cast_value for name in names])


def _find_candidates(
    table: Table, hash_key: DynamoType | None, index_name: str | None, conditions: list[tuple[str, DynamoType]] | None
) -> list[Item]:
    """Return the items with the partition key of a query, in any order."""
    entries: Any = table.items
    if index_name is None and hash_key is not None:
        entries = {hash_key: entries[hash_key]} if hash_key in entries else {}
    items = _list_items(table, entries)
    if index_name is None or not conditions:
        return items
    return [item for item in items if all(_has_value(item, name, value) for name, value in conditions)]


def _list_items(table: Table, entries: Any) -> list[Item]:
    return [item for entry in entries.values() for item in (entry.values() if table.has_range_key else [entry])]


def _has_value(item: Item, name: str, value: DynamoType) -> bool:
    attribute = item.attrs.get(name)
    if attribute is None or attribute.type != value.type:
        return False
    return bool(attribute.value == value.value or attribute == value)
