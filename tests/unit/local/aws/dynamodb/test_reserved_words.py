"""A reserved word in an expression is refused, as on AWS."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.aws import dynamodb
from local.hooks import Hooks
from tests.unit.local.aws.dynamodb.tables import TABLE, CompositeTable, key

VALUES = {":a": {"S": "a"}}


@pytest.fixture
def table() -> Iterator[CompositeTable]:
    with Hooks() as hooks, mock_aws():
        dynamodb.install(hooks)
        yield CompositeTable()


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("KeyConditionExpression", "Kind = :a AND At > :a"),
        ("ConditionExpression", "attribute_not_exists(Status)"),
        ("ConditionExpression", "Id = :a OR Details.#Name = :a AND name = :a"),
    ],
)
def test_a_reserved_word_is_refused(table: CompositeTable, name: str, expression: str) -> None:
    with pytest.raises(ClientError, match=r"Attribute name is a reserved keyword; reserved keyword: (At|Status|name)"):
        call(table, name, expression)


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("KeyConditionExpression", "Kind = :a AND #At BETWEEN :a AND :a"),
        ("ConditionExpression", "attribute_not_exists(#Name) OR NOT Id IN (:a) AND size(Part) > :a"),
    ],
)
def test_a_placeholder_and_the_syntax_itself_are_accepted(table: CompositeTable, name: str, expression: str) -> None:
    names = {f"#{word}": word for word in ("At", "Name") if f"#{word}" in expression}
    call(table, name, expression, ExpressionAttributeNames=names)


def test_a_reserved_word_in_a_transaction_is_refused(table: CompositeTable) -> None:
    check = {"TableName": TABLE, "Key": key("a", "b"), "ConditionExpression": "attribute_not_exists(Name)"}
    with pytest.raises(ClientError, match="reserved keyword: Name"):
        table.transact({"ConditionCheck": check})


def call(table: CompositeTable, name: str, expression: str, **more: Any) -> None:
    values = {} if ":a" not in expression else {"ExpressionAttributeValues": VALUES}
    if name == "KeyConditionExpression":
        table.client.query(TableName=TABLE, IndexName="ByTime", **{name: expression}, **values, **more)
    else:
        table.client.put_item(TableName=TABLE, Item=key("x", "y"), **{name: expression}, **values, **more)
