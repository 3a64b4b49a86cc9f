"""Each final change of an item is published once."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.dynamodb.models.dynamo_type import Item

from local.aws import dynamodb
from local.aws.dynamodb import Change
from local.hooks import Hooks
from tests.unit.local.aws.dynamodb.tables import TABLE, CompositeTable, key, operation


class Listener:
    def __init__(self) -> None:
        self.changes: list[tuple[Any, Any]] = []
        self.calls = 0

    def __call__(self, changes: Sequence[Change]) -> None:
        self.calls += 1
        self.changes += [(attributes(change.old), attributes(change.new)) for change in changes]

    def take(self) -> list[tuple[Any, Any]]:
        taken, self.changes = self.changes, []
        return taken


def attributes(item: Any) -> Any:
    return item and item.to_json()["Attributes"]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Hooks() as hooks, mock_aws():
        listener = Listener()
        dynamodb.install(hooks).changes.listeners.append(listener)
        yield listener


@pytest.fixture
def table(listener: Listener) -> CompositeTable:
    return CompositeTable(StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})


def test_each_write_is_a_change(table: CompositeTable, listener: Listener) -> None:
    table.put("r", A={"S": "a"})
    table.update("r", "Record", "SET A = :b", b={"S": "b"})
    table.update("new", "Record", "SET A = :b", b={"S": "b"})
    table.delete("r")
    record = key("r")

    assert listener.take() == [
        (None, {**record, "A": {"S": "a"}}),
        ({**record, "A": {"S": "a"}}, {**record, "A": {"S": "b"}}),
        (None, {**key("new"), "A": {"S": "b"}}),
        ({**record, "A": {"S": "b"}}, None),
    ]


def test_a_write_without_effect_is_no_change(table: CompositeTable, listener: Listener) -> None:
    table.put("r", A={"S": "a"}, T={"SS": ["x", "y"]})
    listener.take()
    table.put("r", A={"S": "a"}, T={"SS": ["y", "x"]})
    table.update("r", "Record", "SET A = :a", a={"S": "a"})
    table.delete("nothing")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        table.client.put_item(TableName=TABLE, Item=key("r"), ConditionExpression="attribute_not_exists(Id)")

    assert listener.take() == []


def test_a_failed_update_leaves_the_item_unchanged(table: CompositeTable, listener: Listener) -> None:
    table.put("r", A={"S": "a"})
    listener.take()
    for item_id in ("r", "new"):
        with pytest.raises(ClientError, match="size"):
            table.update(item_id, "Record", "SET B = :b, C = :c", b={"S": "b"}, c={"S": "x" * 410_000})

    assert listener.take() == []
    assert table.get("r") == {**key("r"), "A": {"S": "a"}}
    assert table.get("new") is None


def test_the_changes_of_a_transaction_are_published_at_its_end(table: CompositeTable, listener: Listener) -> None:
    table.put("gone")
    listener.take()
    listener.calls = 0
    table.transact(
        operation("Put", "r"), operation("Put", "r", "Step 1"), operation("Delete", "gone"), operation("Delete", "no")
    )
    assert listener.take() == [(None, key("r")), (None, key("r", "Step 1")), (key("gone"), None)]
    assert listener.calls == 1

    table.cancellation(operation("Put", "new"), operation("Put", "r", ConditionExpression="attribute_not_exists(Id)"))
    table.cancellation(
        operation("Put", "new"),
        operation("Update", "r", UpdateExpression="SET A = B", ConditionExpression="attribute_exists(Id)"),
    )
    assert listener.take() == []


def test_each_item_of_a_batch_is_a_change(table: CompositeTable, listener: Listener) -> None:
    table.put("a")
    table.client.batch_write_item(
        RequestItems={TABLE: [{"PutRequest": {"Item": key("b")}}, {"DeleteRequest": {"Key": key("a")}}]}
    )

    assert listener.take() == [(None, key("a")), (None, key("b")), (key("a"), None)]


def test_no_copy_of_an_item_is_kept(table: CompositeTable) -> None:
    before_queries = len(Item.instances_tracked)
    table.put("r")
    for _ in range(3):
        table.update("r", "Record", "SET A = :a", a={"S": "a"})
        table.client.scan(TableName=TABLE)

    assert len(Item.instances_tracked) == before_queries
