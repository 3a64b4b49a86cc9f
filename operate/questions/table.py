"""The queries of the table of records, each of one partition, a page at a time."""

import hashlib
import string
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from operate.account import Account
from operate.records.reading import read_items

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

    def iterate_steps(
        self, since: str, until: str, *, names: Sequence[str] = (), newest_first: bool = False
    ) -> Iterator[Values]:
        """Go through what happened from a moment until before another one (RFC 3339), in all organizations.

        Parameters
        ----------
        since, until
            RFC 3339.
        names
            The steps that are of interest; all if there are none.
        newest_first
            Whether the last one comes first.
        """
        condition = Key("Kind").eq("Step") & Key("At").between(since, until)
        only = Attr("Step").is_in([*names]) if names else None
        steps = self._query(condition, index="ByTime", only=only, newest_first=newest_first)
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

    def find_records(self, execution_arns: Iterable[str]) -> dict[str, Values]:
        """Read the records of executions, as far as there are some, by their ARNs."""
        items = read_items(self._account, self.name, ((arn, "Record") for arn in execution_arns))
        return {arn: _parse(item) for (arn, _), item in items.items()}

    def _query(
        self,
        condition: ConditionBase,
        *,
        index: str | None = None,
        only: ConditionBase | None = None,
        newest_first: bool = False,
    ) -> Iterator[Values]:
        builder = ConditionExpressionBuilder()
        expression = builder.build_expression(condition, is_key_condition=True)
        names, values = expression.attribute_name_placeholders, expression.attribute_value_placeholders
        selection = {}
        if only is not None:
            filtering = builder.build_expression(only)
            names, values = (
                names | filtering.attribute_name_placeholders,
                values | filtering.attribute_value_placeholders,
            )
            selection["FilterExpression"] = filtering.condition_expression
        pages = (
            self._account.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self.name,
                KeyConditionExpression=expression.condition_expression,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={name: TypeSerializer().serialize(value) for name, value in values.items()},
                ScanIndexForward=not newest_first,
                **selection,
                **({"IndexName": index} if index else {}),
            )
        )
        return (_parse(item) for page in pages for item in page["Items"])


def _parse(item: Values) -> Values:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
