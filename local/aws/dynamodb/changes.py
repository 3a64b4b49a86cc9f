"""The changes of items in DynamoDB's tables, for whatever follows from a change.

A change is published when it is final: for a transaction, after its last write. A write that changes nothing is not
published. An update that fails leaves the item as it was; moto leaves the part that it had written.

moto reports a change to the table's stream only, and reports an update of a new item twice. So its own reports are off.
It also keeps a list of all items that ever existed, with each copy that a query returned; here it does not.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import StreamShard, Table

from local.hooks import Hooks


@dataclass(frozen=True)
class Change:
    """An item that was written or deleted.

    Attributes
    ----------
    table
        Its table.
    old, new
        The item before and after the change; None if it did not exist. Read them at once: moto changes items in place.
    by_service
        Whether DynamoDB itself deleted it, because its time to live had passed.
    """

    table: Table
    old: Item | None
    new: Item | None
    by_service: bool = False

    @property
    def key(self) -> tuple[DynamoType, DynamoType | None]:
        """The item's partition key and sort key."""
        item = self.new if self.new is not None else self.old
        assert item is not None  # noqa: S101 (a change has an item)
        return item.hash_key, item.range_key


class Changes:
    """Publishes the changes of items.

    Attributes
    ----------
    lock
        Held during each request; hold it for a change that no request makes.
    listeners
        Called with the changes of each write: several for a transaction.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.listeners: list[Callable[[Sequence[Change]], None]] = []
        self._thread = threading.local()

    def install(self, hooks: Hooks) -> None:
        """Publish the changes for as long as the hooks are in place."""
        put, delete, update = Table.put_item, Table.delete_item, DynamoDBBackend.update_item

        def put_item(table: Table, item_attrs: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
            old = find_item(table, item_attrs)
            item: Item = put(table, item_attrs, *args, **kwargs)
            self._add(table, old, item)
            return item

        def delete_item(table: Table, hash_key: DynamoType, range_key: DynamoType | None) -> Item | None:
            item: Item | None = delete(table, hash_key, range_key)
            self._add(table, item, None)
            return item

        def update_item(
            backend: DynamoDBBackend, table_name: str, key: dict[str, Any], *args: Any, **kwargs: Any
        ) -> Item:
            table = backend.get_table(table_name)
            old = copy.deepcopy(find_item(table, key))
            try:
                with self._ignore_changes():
                    item: Item = update(backend, table_name, key, *args, **kwargs)
            except Exception:
                _restore_item(table, old, find_item(table, key))
                raise
            self._add(table, old, item)
            return item

        hooks.replace(Table, "put_item", put_item)
        hooks.replace(Table, "delete_item", delete_item)
        hooks.replace(DynamoDBBackend, "update_item", update_item)
        hooks.replace(StreamShard, "add", _ignore_change)
        hooks.replace(Item, "__new__", _make_untracked)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Publish the changes of this thread at the end, or undo them all if there is an exception."""
        changes: list[Change] = []
        self._thread.transaction = changes
        try:
            yield
        except Exception:
            for change in reversed(changes):
                _restore_item(change.table, change.old, change.new)
            raise
        finally:
            self._thread.transaction = None
        self._publish(changes)

    def delete_as_service(self, table: Table, hash_key: DynamoType, range_key: DynamoType | None) -> None:
        """Delete an item as DynamoDB itself does."""
        with self._ignore_changes():
            item = table.delete_item(hash_key, range_key)
        if item is not None:
            self._publish([Change(table, item, None, by_service=True)])

    @contextlib.contextmanager
    def _ignore_changes(self) -> Iterator[None]:
        self._thread.ignored = True
        try:
            yield
        finally:
            self._thread.ignored = False

    def _add(self, table: Table, old: Item | None, new: Item | None) -> None:
        if getattr(self._thread, "ignored", False) or (old is None and new is None):
            return
        change = Change(table, old, new)
        changes = getattr(self._thread, "transaction", None)
        if changes is None:
            self._publish([change])
        else:
            changes.append(change)

    def _publish(self, changes: Sequence[Change]) -> None:
        effective = [change for change in changes if not _is_same(change.old, change.new)]
        if effective:
            for listener in self.listeners:
                listener(effective)


def _is_same(old: Item | None, new: Item | None) -> bool:
    return old is not None and new is not None and bool(old.attrs == new.attrs)


def find_item(table: Table, attributes: Mapping[str, Any]) -> Item | None:
    """Return the item of a table that has the key in these attributes, if there is one."""
    if not set(table.table_key_attrs) <= attributes.keys():
        return None
    entry: Any = table.items.get(DynamoType(attributes[table.hash_key_attr]))
    if table.range_key_attr is None or entry is None:
        return entry
    item: Item | None = entry.get(DynamoType(attributes[table.range_key_attr]))
    return item


def _restore_item(table: Table, old: Item | None, new: Item | None) -> None:
    item = old if old is not None else new
    if item is None:
        return
    items, key = (table.items, item.hash_key)
    if item.range_key is not None:
        items, key = table.items[item.hash_key], item.range_key
    if old is None:
        items.pop(key, None)
    else:
        items[key] = old


def _ignore_change(_: StreamShard, old: Item | None, new: Item | None) -> None:
    """Replace moto's report of a change."""


def _make_untracked(cls: type[Item], *_: Any, **__: Any) -> Item:
    """Make an item without moto's list of all items."""
    item: Item = object.__new__(cls)
    return item
