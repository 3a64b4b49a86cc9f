"""Reads steps from the table of records, as items of its stream or by their keys."""

from collections.abc import Mapping
from typing import Any, cast

from boto3.dynamodb.types import TypeDeserializer

from offboarding import configuration
from offboarding.adapters.aws import client
from offboarding.domain.notifications.steps import StepKey, ToldStep

dynamodb = client("dynamodb", attempts=1)
_deserializer = TypeDeserializer()


def parse_step(item: Mapping[str, Any]) -> ToldStep:
    """Parse an item in DynamoDB's own notation."""
    return cast(ToldStep, {name: _deserializer.deserialize(value) for name, value in item.items()})


def parse_key(item: Mapping[str, Any]) -> StepKey:
    """Parse the key of an item in DynamoDB's own notation."""
    return {"Id": item["Id"]["S"], "Part": item["Part"]["S"]}


def find_step(key: StepKey) -> ToldStep | None:
    """Read a step as it is now; None if it was deleted.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
    """
    answer = dynamodb.get_item(
        TableName=configuration.records_table(),
        Key={"Id": {"S": key["Id"]}, "Part": {"S": key["Part"]}},
        ConsistentRead=True,
    )
    return parse_step(answer["Item"]) if "Item" in answer else None
