"""DynamoDB event source mappings on the clock: batches in order, filters, partial failures, retries, giving up.

moto invokes a function in the writer's call, once more with all earlier records, and knows no failure. Here a poller
reads the stream as AWS Lambda does:

- Records are delivered in their order. With a ``ParallelizationFactor`` this holds for the items of a partition key:
  each of so many readers has its own keys. It takes effect when the mapping is created.
- A failed batch is retried after 1, 2, 4 … 60 seconds on the clock, from the lowest failed record on, and blocks its
  reader meanwhile. With ``BisectBatchOnFunctionError`` it is first split until the failing record is alone.
- A batch that Lambda refuses because of the concurrency is retried likewise. That is no retry by
  ``MaximumRetryAttempts``, and it splits no batch.
- After ``MaximumRetryAttempts`` or ``MaximumRecordAgeInSeconds`` the batch is given up, and its metadata are sent to
  the destination. Records that are older than 24 hours are gone from the stream.
- A disabled mapping keeps its place. ``MaximumBatchingWindowInSeconds`` is always 0.
- A mapping is created only if the function's role may read the stream and send to the destination.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import EventSourceMapping, LambdaBackend
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import StreamShard, Table
from moto.sqs.models import sqs_backends

from local.aws.dynamodb.streams import RETENTION, Record, Streams, stream_of
from local.aws.functions.mapping_invocations import invoke_function
from local.aws.functions.process_state import hold_functions
from local.aws.functions.stream_batches import (
    RETRIES_EXHAUSTED,
    TOO_OLD,
    Batch,
    count_processed,
    make_event_record,
    make_failure_message,
    matches_filters,
    render_message,
)
from local.aws.iam import find_policies
from local.clock import Clock, Timer
from local.policies import is_allowed

_MAX_DELAY = timedelta(minutes=1)
_READING_ACTIONS = ("GetRecords", "GetShardIterator", "DescribeStream", "ListStreams")


@dataclass
class _Reader:
    """One of the readers of a mapping."""

    mapping: EventSourceMapping
    number: int
    position: int
    batches: list[Batch] = field(default_factory=list)
    is_running: bool = False
    retry: Timer | None = None

    @property
    def name(self) -> str:
        """Its name, as work on the clock."""
        return f"event source mapping of {self.mapping.event_source_arn.partition(':table/')[2]}"

    @property
    def oldest_unprocessed(self) -> int:
        """The sequence number from which it still needs records."""
        return self.batches[0].records[0].sequence_number if self.batches else self.position


class StreamPoller:
    """Reads the streams for the event source mappings.

    Parameters
    ----------
    clock
        The clock on which failed batches are retried, and on which a batch is work.
    streams
        The streams of the tables.
    """

    def __init__(self, clock: Clock, streams: Streams) -> None:
        self._clock = clock
        self._streams = streams
        self._lock = threading.RLock()
        self._readers: dict[str, list[_Reader]] = {}

    def install(self) -> None:
        """Poll from now on, when a stream has new records."""
        self._streams.listeners.append(self.poll)

    def add(self, mapping: EventSourceMapping) -> None:
        """Begin to read for a mapping that was created."""
        shard, position = _find_stream(mapping), 0
        if mapping.starting_position == "LATEST" and shard is not None:
            position = self._streams.next_sequence_number(shard)
        count = mapping.parallelization_factor or 1
        with self._lock:
            self._readers[mapping.uuid] = [_Reader(mapping, number, position) for number in range(count)]
        self.update(mapping)

    def update(self, mapping: EventSourceMapping) -> None:
        """Read for a mapping that was changed."""
        with self._lock:
            for reader in self._readers.get(mapping.uuid, []):
                self._start(reader)

    def remove(self, mapping: EventSourceMapping) -> None:
        """Stop reading for a mapping that was deleted."""
        with self._lock:
            for reader in self._readers.pop(mapping.uuid, []):
                if reader.retry is not None:
                    reader.retry.cancel()

    def poll(self, table: Table) -> None:
        """Have the stream of a table read by its mappings, as far as that is not in progress."""
        with self._lock:
            mappings = [readers[0].mapping for readers in self._readers.values()]
            for mapping in mappings:
                if _find_table(mapping.event_source_arn) is table:
                    self.update(mapping)

    def _start(self, reader: _Reader) -> None:
        """Start a reader if there is something for it to do now."""
        if reader.is_running or reader.retry is not None or not reader.mapping.enabled:
            return
        if reader.batches or self._read_batch(reader, limit=1, keep_position=True):
            reader.is_running = True
            self._clock.start_thread(reader.name, lambda: self._process_batches(reader))

    def _process_batches(self, reader: _Reader) -> None:
        while True:
            # Between two invocations: a function's writes are then complete.
            with hold_functions(), self._lock:
                batch = self._next_batch(reader)
                if batch is None:
                    reader.is_running = False
                    self._discard_processed(reader.mapping)
                    return
            self._process(reader, batch)

    def _next_batch(self, reader: _Reader) -> Batch | None:
        if not self._is_active(reader) or reader.retry is not None:
            return None
        self._remove_lost_records(reader)
        if not reader.batches:
            records = self._read_batch(reader, reader.mapping.batch_size)
            reader.batches = [Batch(records)] if records else []
        return reader.batches[0] if reader.batches else None

    def _is_active(self, reader: _Reader) -> bool:
        return bool(reader.mapping.enabled) and reader in self._readers.get(reader.mapping.uuid, [])

    def _read_batch(self, reader: _Reader, limit: int, *, keep_position: bool = False) -> list[Record]:
        """Read up to `limit` records that pass the filters, and move behind them, or only up to them."""
        shard = _find_stream(reader.mapping)
        records: list[Record] = []
        for record in self._streams.read(shard, reader.position) if shard is not None else []:
            if len(records) == limit:
                break
            if self._is_for(reader, record):
                records.append(record)
                if keep_position:
                    break
            reader.position = record.sequence_number + 1
        return records

    def _is_for(self, reader: _Reader, record: Record) -> bool:
        count = len(self._readers.get(reader.mapping.uuid, [reader]))
        key = next(iter(record.record["dynamodb"]["Keys"].values()))
        return zlib.crc32(repr(key).encode()) % count == reader.number and matches_filters(reader.mapping, record)

    def _remove_lost_records(self, reader: _Reader) -> None:
        """Remove the records that the stream keeps no longer."""
        oldest = self._clock.now() - RETENTION
        for batch in reader.batches:
            batch.records = [record for record in batch.records if record.created_at >= oldest]
        reader.batches = [batch for batch in reader.batches if batch.records]

    def _process(self, reader: _Reader, batch: Batch) -> None:
        """Invoke the function with a batch, and arrange what follows from its answer."""
        mapping = reader.mapping
        self._give_up(reader, batch, TOO_OLD, self._count_too_old(mapping, batch))
        if batch.records:
            invocation = invoke_function(
                mapping, [make_event_record(record, mapping.event_source_arn) for record in batch.records]
            )
            if invocation.is_throttled:
                batch.throttles += 1
                self._retry_later(reader, batch)
                return
            batch.last_invocation, batch.invocations = invocation, batch.invocations + 1
            del batch.records[: count_processed(mapping, batch, invocation)]
        if batch.records:
            self._arrange_retry(reader, batch)
        if not batch.records:
            with self._lock:
                reader.batches.remove(batch)

    def _count_too_old(self, mapping: EventSourceMapping, batch: Batch) -> int:
        if mapping.max_record_age in {None, -1}:
            return 0
        oldest = self._clock.now() - timedelta(seconds=mapping.max_record_age)
        return sum(record.created_at < oldest for record in batch.records)

    def _arrange_retry(self, reader: _Reader, batch: Batch) -> None:
        """Split a failed batch, give it up, or have it retried later."""
        mapping = reader.mapping
        if mapping.bisect_on_error and len(batch.records) > 1:
            with self._lock:
                position = reader.batches.index(batch)
                reader.batches[position : position + 1] = batch.split()
        elif mapping.max_retry_attempts not in {None, -1} and batch.retries >= mapping.max_retry_attempts:
            self._give_up(reader, batch, RETRIES_EXHAUSTED, len(batch.records))
        else:
            batch.retries += 1
            self._retry_later(reader, batch)

    def _retry_later(self, reader: _Reader, batch: Batch) -> None:
        delay = min(_MAX_DELAY, timedelta(seconds=2 ** min(batch.retries + batch.throttles - 1, 6)))
        with self._lock:
            reader.retry = self._clock.call_at(
                self._clock.now() + delay, lambda: self._retry(reader), f"retry by the {reader.name}"
            )

    def _retry(self, reader: _Reader) -> None:
        with self._lock:
            reader.retry = None
            self._start(reader)

    def _give_up(self, reader: _Reader, batch: Batch, condition: str, count: int) -> None:
        """Remove the first records of a batch, and tell the destination."""
        mapping, shard = reader.mapping, _find_stream(reader.mapping)
        arn = ((mapping.destination_config or {}).get("OnFailure") or {}).get("Destination")
        if count and arn and shard is not None:
            part = Batch(batch.records[:count], batch.retries, batch.invocations, batch.last_invocation)
            message = render_message(make_failure_message(mapping, shard.id, part, condition))
            _, _, _, region, account, queue = arn.split(":")
            sqs_backends[account][region].send_message(queue, message)
        del batch.records[:count]

    def _discard_processed(self, mapping: EventSourceMapping) -> None:
        """Remove from the stream what all its readers have processed."""
        shard = _find_stream(mapping)
        readers = [
            reader
            for readers in self._readers.values()
            for reader in readers
            if reader.mapping.event_source_arn == mapping.event_source_arn
        ]
        if shard is not None and readers:
            self._streams.discard(shard, min(reader.oldest_unprocessed for reader in readers))


def _find_table(stream_arn: str) -> Table | None:
    _, _, _, region, account, resource = stream_arn.split(":", 5)
    _, name, _, label = resource.split("/", 3)
    table = dynamodb_backends[account][region].tables.get(name)
    return table if table is not None and table.latest_stream_label == label else None


def _find_stream(mapping: EventSourceMapping) -> StreamShard | None:
    table = _find_table(mapping.event_source_arn)
    return None if table is None else stream_of(table)


def require_permissions(backend: LambdaBackend, spec: dict[str, Any]) -> None:
    """Check the role of the function, as Lambda does when it creates a mapping."""
    function = backend.get_function(spec["FunctionName"])
    policies = find_policies(function.account_id, function.role)
    if policies is None:
        return
    for service, action, resource in _iterate_required_actions(spec):
        if not is_allowed(policies, f"{service}:{action}", resource):
            raise InvalidParameterValueException(
                f"Cannot access {resource}. Please ensure the role can perform the {action} action on it in IAM."
            )


def _iterate_required_actions(spec: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for action in _READING_ACTIONS:
        yield "dynamodb", action, spec["EventSourceArn"]
    destination = ((spec.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    if destination:
        if not destination.startswith("arn:aws:sqs:"):
            raise NotImplementedError(f"Only a queue can be the destination of a mapping here, not {destination}")
        yield "sqs", "SendMessage", destination
