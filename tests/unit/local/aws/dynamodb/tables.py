"""A table with a composite key, and short words for what the tests do with it."""

from functools import cache
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

TABLE = "records"


@cache
def client() -> Any:
    """Return a client; it is made once, which takes longer than most tests."""
    return boto3.client("dynamodb", "us-east-1")


class CompositeTable:
    """A table whose items have an ``Id`` and a ``Part``."""

    def __init__(self, **more: Any) -> None:
        self.client = client()
        self.description = self.client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}, {"AttributeName": "Part", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("Id", "Part", "Kind", "At")],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "ByTime",
                    "KeySchema": [
                        {"AttributeName": "Kind", "KeyType": "HASH"}, {"AttributeName": "At", "KeyType": "RANGE"}
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            **more,
        )["TableDescription"]  # fmt: skip

    def put(self, item_id: str, part: str = "Record", **attributes: Any) -> None:
        self.client.put_item(TableName=TABLE, Item={**key(item_id, part), **attributes})

    def update(self, item_id: str, part: str, expression: str, **values: Any) -> None:
        self.client.update_item(
            TableName=TABLE,
            Key=key(item_id, part),
            UpdateExpression=expression,
            **({"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}),
        )

    def delete(self, item_id: str, part: str = "Record") -> None:
        self.client.delete_item(TableName=TABLE, Key=key(item_id, part))

    def get(self, item_id: str, part: str = "Record") -> Any:
        return self.client.get_item(TableName=TABLE, Key=key(item_id, part), ConsistentRead=True).get("Item")

    def transact(self, *operations: dict[str, Any], **more: Any) -> None:
        self.client.transact_write_items(TransactItems=list(operations), **more)

    def cancellation(self, *operations: dict[str, Any]) -> list[dict[str, Any]]:
        """Write a transaction that is cancelled, and return the reasons."""
        with pytest.raises(ClientError) as cancelled:
            self.transact(*operations)
        assert cancelled.value.response["Error"]["Code"] == "TransactionCanceledException"
        return cancelled.value.response["CancellationReasons"]


def key(item_id: str, part: str = "Record") -> dict[str, Any]:
    return {"Id": {"S": item_id}, "Part": {"S": part}}


def operation(kind: str, item_id: str, part: str = "Record", **members: Any) -> dict[str, Any]:
    """Make an operation of a transaction; the attributes of a ``Put`` are its ``Item``."""
    if kind == "Put":
        return {"Put": {"TableName": TABLE, "Item": {**key(item_id, part), **members.pop("Item", {})}, **members}}
    return {kind: {"TableName": TABLE, "Key": key(item_id, part), **members}}
