"""DynamoDB's streams: a record for each changed item, kept for 24 hours.

moto's stream keeps each record for ever, and invokes the functions of its event source mappings in the writer's call.
Here `local.aws.functions.stream_mappings` reads the records.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import StreamShard, Table
from moto.dynamodb.models.utilities import bytesize

from local.aws.dynamodb.changes import Change

RETENTION = timedelta(hours=24)
_SERVICE_IDENTITY = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}


class Record:
    """A record of a stream; moto keeps a list of all records of its own class.

    Attributes
    ----------
    sequence_number
        Its number; the next record of the stream has the next number.
    created_at
        When the item was changed.
    record
        What ``GetRecords`` returns.
    """

    def __init__(self, change: Change, view_type: str, sequence_number: int) -> None:
        self.sequence_number = sequence_number
        self.created_at = datetime.now(UTC)
        images = {"NewImage": change.new, "OldImage": change.old}
        names = _IMAGES_OF_VIEW[view_type]
        shown = {name: image for name in names if (image := images[name]) is not None}
        self.record: dict[str, Any] = {
            "eventID": uuid.uuid4().hex,
            "eventName": "INSERT" if change.old is None else "REMOVE" if change.new is None else "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": change.table.region_name,
            "dynamodb": {
                "ApproximateCreationDateTime": self.created_at,
                "Keys": _render_key(change),
                **{name: image.to_json()["Attributes"] for name, image in shown.items()},
                "SequenceNumber": str(sequence_number),
                "SizeBytes": _size_of_key(change) + sum(image.size() for image in shown.values()),
                "StreamViewType": view_type,
            },
        }
        if change.by_service:
            self.record["userIdentity"] = dict(_SERVICE_IDENTITY)

    def to_json(self) -> dict[str, Any]:
        """Return what ``GetRecords`` returns."""
        return self.record


_IMAGES_OF_VIEW = {
    "KEYS_ONLY": (),
    "NEW_IMAGE": ("NewImage",),
    "OLD_IMAGE": ("OldImage",),
    "NEW_AND_OLD_IMAGES": ("NewImage", "OldImage"),
}


class Streams:
    """Writes the records into moto's streams.

    Attributes
    ----------
    listeners
        Called with a table when its stream has new records.
    """

    def __init__(self) -> None:
        self.listeners: list[Callable[[Table], None]] = []
        self._lock = threading.Lock()

    def add(self, changes: Sequence[Change]) -> None:
        """Add the records of the changes of one write to the streams of their tables."""
        tables: dict[str, Table] = {}
        for change in changes:
            shard = stream_of(change.table)
            if shard is None:
                continue
            with self._lock:
                _trim(shard, datetime.now(UTC) - RETENTION)
                number = shard.starting_sequence_number + len(shard.items)
                shard.items.append(Record(change, change.table.stream_specification["StreamViewType"], number))
            tables[change.table.table_arn] = change.table
        for table in tables.values():
            for listener in self.listeners:
                listener(table)

    def read(self, shard: StreamShard, position: int) -> list[Record]:
        """Return the records from a sequence number on; those that are too old are gone."""
        with self._lock:
            _trim(shard, datetime.now(UTC) - RETENTION)
            return list(shard.items[max(0, position - shard.starting_sequence_number) :])

    def next_sequence_number(self, shard: StreamShard) -> int:
        """Return the number of the next record."""
        with self._lock:
            return shard.starting_sequence_number + len(shard.items)

    def discard(self, shard: StreamShard, position: int) -> None:
        """Remove the records before a sequence number, because all have read them."""
        with self._lock:
            _remove_oldest(shard, min(len(shard.items), position - shard.starting_sequence_number))


def stream_of(table: Table) -> StreamShard | None:
    """Return the stream of a table, if it is enabled."""
    return table.stream_shard if (table.stream_specification or {}).get("StreamEnabled") else None


def _trim(shard: StreamShard, oldest: datetime) -> None:
    count = 0
    while count < len(shard.items) and shard.items[count].created_at < oldest:
        count += 1
    _remove_oldest(shard, count)


def _remove_oldest(shard: StreamShard, count: int) -> None:
    if count > 0:
        del shard.items[:count]
        shard.starting_sequence_number += count


def _render_key(change: Change) -> dict[str, Any]:
    names = change.table.table_key_attrs
    return {name: value.to_json() for name, value in zip(names, change.key, strict=False) if value is not None}


def _size_of_key(change: Change) -> int:
    item: Item | None = change.new if change.new is not None else change.old
    return sum(bytesize(name) + item.attrs[name].size() for name in change.table.table_key_attrs) if item else 0
