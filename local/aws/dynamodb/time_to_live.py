"""DynamoDB's time to live: items are deleted when it has passed.

DynamoDB deletes an item within days. Here it does so after one hour, so that code which relies on an earlier deletion
fails. As on AWS, an item whose time passed more than five years ago is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table

from local.aws.dynamodb.changes import Change, Changes
from local.clock import Clock, Timer
from local.hooks import Hooks

DELETION_DELAY = timedelta(hours=1)
_MAX_AGE = timedelta(days=5 * 365)

_ItemId = tuple[Any, ...]


class TimeToLive:
    """Deletes the items whose time to live has passed.

    Parameters
    ----------
    clock
        The clock on which they are deleted.
    changes
        The changes of items.
    """

    def __init__(self, clock: Clock, changes: Changes) -> None:
        self._clock = clock
        self._changes = changes
        self._timers: dict[_ItemId, Timer] = {}

    def install(self, hooks: Hooks) -> None:
        """Delete items for as long as the hooks are in place."""
        update = DynamoDBBackend.update_time_to_live

        def update_time_to_live(backend: DynamoDBBackend, table_name: str, ttl_spec: dict[str, Any]) -> None:
            update(backend, table_name, ttl_spec)
            table = backend.get_table(table_name)
            with self._changes.lock:
                for item in table.all_items():
                    self._set_timer(table, item)

        hooks.replace(DynamoDBBackend, "update_time_to_live", update_time_to_live)
        self._changes.listeners.append(self._follow)

    def _follow(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.new is not None:
                self._set_timer(change.table, change.new)
            elif change.old is not None:
                self._cancel_timer(_id_of(change.table, change.old))

    def _set_timer(self, table: Table, item: Item) -> None:
        item_id, due = _id_of(table, item), _deletion_time(table, item)
        timer = self._timers.get(item_id)
        if timer is not None and timer.when == due:
            return
        self._cancel_timer(item_id)
        if due is not None and due > self._clock.now() - _MAX_AGE:
            self._timers[item_id] = self._clock.call_at(
                due, lambda: self._delete(table, item_id), f"time to live of an item of {table.name}"
            )

    def _cancel_timer(self, item_id: _ItemId) -> None:
        timer = self._timers.pop(item_id, None)
        if timer is not None:
            timer.cancel()

    def _delete(self, table: Table, item_id: _ItemId) -> None:
        _, hash_key, range_key = item_id
        with self._changes.lock:
            self._timers.pop(item_id, None)
            self._changes.delete_as_service(table, hash_key, range_key)


def _id_of(table: Table, item: Item) -> _ItemId:
    return table.table_arn, item.hash_key, item.range_key


def _deletion_time(table: Table, item: Item) -> datetime | None:
    if table.ttl["TimeToLiveStatus"] != "ENABLED":
        return None
    value = item.attrs.get(table.ttl["AttributeName"])
    if value is None or value.type != "N":
        return None
    try:
        return datetime.fromtimestamp(int(value.cast_value), UTC) + DELETION_DELAY
    except (OverflowError, ValueError):
        # Too far in the future: a number of milliseconds, for example.
        return None
