"""A stream has a record for each changed item, for 24 hours."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends

from local.aws import dynamodb
from local.clock import Clock
from local.hooks import Hooks
from tests.unit.local.aws.dynamodb.tables import TABLE, CompositeTable, key, operation

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIRST_NUMBER = 1100000000017454423009


class Stream:
    def __init__(self, clock: Clock, streams: Any, view: str) -> None:
        self.clock = clock
        self.table = CompositeTable(StreamSpecification={"StreamEnabled": True, "StreamViewType": view})
        self.notified: list[str] = []
        streams.listeners.append(lambda table: self.notified.append(table.name))

    def records(self) -> list[dict[str, Any]]:
        [table] = dynamodb_backends["123456789012"]["us-east-1"].tables.values()
        return table.stream_shard.get(table.stream_shard.starting_sequence_number, 100)


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> Iterator[Stream]:
    with Clock(NOON) as clock, Hooks() as hooks, mock_aws():
        yield Stream(clock, dynamodb.install(hooks).streams, getattr(request, "param", "NEW_AND_OLD_IMAGES"))


def test_a_record_has_the_documented_shape(stream: Stream) -> None:
    stream.table.put("r", A={"M": {"B": {"L": [{"S": "deep"}]}}}, N={"N": "7"})
    [record] = (dict(record) for record in stream.records())

    assert len(record.pop("eventID")) == 32
    assert record == {
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": NOON,
            "Keys": key("r"),
            "NewImage": {**key("r"), "A": {"M": {"B": {"L": [{"S": "deep"}]}}}, "N": {"N": "7"}},
            "SequenceNumber": str(FIRST_NUMBER),
            "SizeBytes": 13 + 13 + 6 + 2,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


@pytest.mark.parametrize(
    ("stream", "images"),
    [
        ("KEYS_ONLY", []),
        ("NEW_IMAGE", ["NewImage"]),
        ("OLD_IMAGE", ["OldImage"]),
        ("NEW_AND_OLD_IMAGES", ["NewImage", "OldImage"]),
    ],
    indirect=["stream"],
)
def test_a_record_has_the_images_of_the_view(stream: Stream, images: list[str]) -> None:
    stream.table.put("r")
    stream.table.update("r", "Record", "SET A = :a", a={"S": "a"})
    stream.table.delete("r")
    expected = {
        "NewImage": [key("r"), {**key("r"), "A": {"S": "a"}}, None],
        "OldImage": [None, key("r"), {**key("r"), "A": {"S": "a"}}],
    }

    assert [record["eventName"] for record in stream.records()] == ["INSERT", "MODIFY", "REMOVE"]
    for image, values in expected.items():
        shown = [record["dynamodb"].get(image) for record in stream.records()]
        assert shown == (values if image in images else [None] * 3)


def test_the_records_are_numbered_in_the_order_of_the_writes_and_a_transaction_notifies_once(stream: Stream) -> None:
    stream.table.update("new", "Record", "SET A = :a", a={"S": "a"})
    stream.table.update("new", "Record", "SET A = :a", a={"S": "a"})
    stream.table.transact(operation("Put", "r"), operation("Put", "r", "Step"), operation("Delete", "nothing"))
    records = stream.records()

    assert [record["dynamodb"]["Keys"] for record in records] == [key("new"), key("r"), key("r", "Step")]
    assert [int(record["dynamodb"]["SequenceNumber"]) - FIRST_NUMBER for record in records] == [0, 1, 2]
    assert stream.notified == [TABLE, TABLE]


def test_records_are_gone_after_24_hours(stream: Stream) -> None:
    stream.table.put("old")
    stream.clock.advance(timedelta(hours=13))
    stream.table.put("new")
    stream.clock.advance(timedelta(hours=12))
    stream.table.put("newest")

    assert [record["dynamodb"]["Keys"] for record in stream.records()] == [key("new"), key("newest")]
    assert [int(record["dynamodb"]["SequenceNumber"]) - FIRST_NUMBER for record in stream.records()] == [1, 2]


def test_a_table_without_a_stream_has_no_records(stream: Stream) -> None:
    stream.table.client.update_table(TableName=TABLE, StreamSpecification={"StreamEnabled": False})
    stream.table.put("r")

    assert stream.notified == []
    [table] = dynamodb_backends["123456789012"]["us-east-1"].tables.values()
    assert table.stream_shard.items == []
