"""The queries of the table of records, each of one partition, a page at a time."""

import hashlib
import string
from collections.abc import Iterator
from typing import Any

from boto3.dynamodb.conditions import ConditionBase, ConditionExpressionBuilder, Key
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from operate.account import Account

Values = dict[str, Any]
"""An item with plain values; numbers are decimals."""

WAITING_STATUSES = ("AwaitingApproval", "Scheduled", "Exporting")
WINDOW_STATUS = "InWindow"
_LOWER_CASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_ENTITY_PREFIX = "Entity "


def identifier_key(identifier: str) -> str:
    """Return the key of a name or an address: a hash of it, with A to Z in lower case."""
    return "identifier/" + hashlib.sha256(identifier.translate(_LOWER_CASE).encode()).hexdigest()


class RecordsTable:
    """The table of records of a stack.

    Every method can raise `ClientError` and `BotoCoreError`. An iterator reads a page when it comes to it, so that
    memory does not grow with the answer.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html

    Parameters
    ----------
    account
        The account with the table.
    name
        The table; by default that of the stack.
    """

    def __init__(self, account: Account, name: str | None = None) -> None:
        self._account = account
        self.name = name or account.find_records_table()

    def iterate_steps(self, since: str, until: str, *, newest_first: bool = False) -> Iterator[Values]:
        """Go through what happened from a moment until before another one (RFC 3339), in all organizations."""
        condition = Key("Kind").eq("Step") & Key("At").between(since, until)
        steps = self._query(condition, index="ByTime", newest_first=newest_first)
        return (step for step in steps if step["At"] < until)

    def iterate_steps_of_entity(self, entity_key: str) -> Iterator[Values]:
        """Go through what happened to an entity, by its key `m-…/entity-id`, or that of `identifier_key`."""
        return self._query(Key("EntityKey").eq(entity_key), index="ByEntity")

    def iterate_due(self, status: str) -> Iterator[Values]:
        """Go through the records of what is still to come under a status, the next one first."""
        return self._query(Key("StatusKey").eq(status), index="ByStatus")

    def iterate_execution(self, execution_arn: str) -> Iterator[Values]:
        """Go through all items of an execution: its record, its steps, who started it."""
        return self._query(Key("Id").eq(execution_arn))

    def find_entity_keys(self, identifier: str) -> list[str]:
        """Return the keys of all entities that have or had a name, an address or an id."""
        condition = Key("Id").eq(identifier_key(identifier)) & Key("Part").begins_with(_ENTITY_PREFIX)
        return [str(item["Part"]).removeprefix(_ENTITY_PREFIX) for item in self._query(condition)]

    def find(self, id_: str, part: str) -> Values | None:
        """Read one item consistently.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
        """
        answer = self._account.client("dynamodb").get_item(
            TableName=self.name, Key={"Id": {"S": id_}, "Part": {"S": part}}, ConsistentRead=True
        )
        return _parse(answer["Item"]) if "Item" in answer else None

    def find_record(self, execution_arn: str) -> Values | None:
        """Read the record of an execution."""
        return self.find(execution_arn, "Record")

    def _query(
        self, condition: ConditionBase, *, index: str | None = None, newest_first: bool = False
    ) -> Iterator[Values]:
        expression = ConditionExpressionBuilder().build_expression(condition, is_key_condition=True)
        values = expression.attribute_value_placeholders
        pages = (
            self._account.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self.name,
                KeyConditionExpression=expression.condition_expression,
                ExpressionAttributeNames=expression.attribute_name_placeholders,
                ExpressionAttributeValues={name: TypeSerializer().serialize(value) for name, value in values.items()},
                ScanIndexForward=not newest_first,
                **({"IndexName": index} if index else {}),
            )
        )
        return (_parse(item) for page in pages for item in page["Items"])


def _parse(item: Values) -> Values:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
