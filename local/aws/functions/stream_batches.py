"""The batches of records that Lambda reads from a DynamoDB stream: the event, its filters, and how a batch fails.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from moto.awslambda.models import EventSourceMapping
from moto.events.models import EventPattern, EventPatternParser

from local.aws.dynamodb.streams import Record
from local.aws.functions.mapping_invocations import Invocation, list_failure_identifiers

RETRIES_EXHAUSTED = "RetryAttemptsExhausted"
TOO_OLD = "RecordAgeExceeded"


@dataclass
class Batch:
    """Records that are processed together.

    Attributes
    ----------
    records
        The records that are still to be processed.
    retries
        How often it was retried after an error; a split does not count.
    throttles
        How often Lambda has refused to invoke the function with it.
    invocations
        How often the function was invoked with the first of these records.
    last_invocation
        How the last of them ended.
    """

    records: list[Record]
    retries: int = 0
    invocations: int = 0
    last_invocation: Invocation | None = None
    throttles: int = 0

    def split(self) -> list[Batch]:
        """Return its two halves."""
        middle = (len(self.records) + 1) // 2
        halves = self.records[:middle], self.records[middle:]
        return [Batch(half, self.retries, self.invocations, self.last_invocation) for half in halves]


def make_event_record(record: Record, stream_arn: str) -> dict[str, Any]:
    """Return a record as the function receives it."""
    members = record.record
    event = {
        **members,
        "dynamodb": {**members["dynamodb"], "ApproximateCreationDateTime": int(record.created_at.timestamp())},
        "eventSourceARN": stream_arn,
    }
    if "userIdentity" in members:
        event["userIdentity"] = {name[0].lower() + name[1:]: value for name, value in members["userIdentity"].items()}
    return event


def matches_filters(mapping: EventSourceMapping, record: Record) -> bool:
    """Tell whether a record passes one of the filters of a mapping, if it has any."""
    patterns = [item.get("Pattern") or "{}" for item in (mapping.filter_criteria or {}).get("Filters", [])]
    if not patterns:
        return True
    event = make_event_record(record, mapping.event_source_arn)
    return any(_parse_pattern(pattern).matches_event(event) for pattern in patterns)


@lru_cache(maxsize=64)
def _parse_pattern(pattern: str) -> EventPattern:
    return EventPattern(pattern, EventPatternParser(pattern).parse())


def count_processed(mapping: EventSourceMapping, batch: Batch, invocation: Invocation) -> int:
    """Return how many records at the beginning of a batch are processed, as Lambda interprets the answer."""
    if invocation.has_failed:
        return 0
    if "ReportBatchItemFailures" not in (mapping.function_response_types or ()):
        return len(batch.records)
    failures = list_failure_identifiers(invocation.answer) if invocation.answer is not None else []
    if failures is None:
        return 0
    positions = {str(record.sequence_number): position for position, record in enumerate(batch.records)}
    if not all(isinstance(failure, str) and failure in positions for failure in failures):
        return 0
    return min((positions[failure] for failure in failures), default=len(batch.records))


def make_failure_message(mapping: EventSourceMapping, shard_id: str, batch: Batch, condition: str) -> dict[str, Any]:
    """Make the message about a batch that is given up, for the destination; it has none of the items' data."""
    oldest, newest = batch.records[0], batch.records[-1]
    message: dict[str, Any] = {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": mapping.function_arn,
            "condition": condition,
            "approximateInvokeCount": batch.invocations,
        },
        "version": "1.0",
        "timestamp": _render_time(datetime.now(UTC), "milliseconds"),
        "DDBStreamBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": str(oldest.sequence_number),
            "endSequenceNumber": str(newest.sequence_number),
            "approximateArrivalOfFirstRecord": _render_time(oldest.created_at, "seconds"),
            "approximateArrivalOfLastRecord": _render_time(newest.created_at, "seconds"),
            "batchSize": len(batch.records),
            "streamArn": mapping.event_source_arn,
        },
    }
    if batch.last_invocation is not None:
        context = {"statusCode": 200, "executedVersion": batch.last_invocation.version}
        if batch.last_invocation.has_failed:
            context["functionError"] = "Unhandled"
        message["responseContext"] = context
    return message


def render_message(message: dict[str, Any]) -> str:
    """Render a message for a queue."""
    return json.dumps(message)


def _render_time(when: datetime, precision: str) -> str:
    return when.isoformat(timespec=precision).replace("+00:00", "Z")
