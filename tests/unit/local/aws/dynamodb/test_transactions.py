"""Transactions are written as a whole or not at all."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends

from local.aws import dynamodb
from local.clock import Clock
from local.hooks import Hooks
from tests.unit.local.aws.dynamodb.tables import TABLE, CompositeTable, key, operation

ABSENT = {"ConditionExpression": "attribute_not_exists(Id)"}
EXISTING = {"ConditionExpression": "attribute_exists(Id)"}
FAILED = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
NONE = {"Code": "None"}


@pytest.fixture
def clock() -> Iterator[Clock]:
    with Clock(datetime(2026, 11, 22, 12, tzinfo=UTC)) as clock:
        yield clock


@pytest.fixture
def table(clock: Clock) -> Iterator[CompositeTable]:
    with Hooks() as hooks, mock_aws():
        dynamodb.install(hooks)
        yield CompositeTable()


def set_outcome(outcome: str, item_id: str = "r", **more: Any) -> dict[str, Any]:
    values = {":o": {"S": outcome}}
    members = {"UpdateExpression": "SET Outcome = :o", "ExpressionAttributeValues": values, **more}
    return operation("Update", item_id, **members)


def test_all_kinds_of_operations_are_written(table: CompositeTable) -> None:
    for name in ("checked", "deleted", "updated"):
        table.put(name)
    table.transact(
        operation("ConditionCheck", "checked", **EXISTING),
        operation("Put", "put", Item={"A": {"S": "a"}}, **ABSENT),
        set_outcome("Done", "updated", **EXISTING),
        set_outcome("New", "created"),
        operation("Delete", "deleted", **EXISTING),
        operation("Put", "put", "Step 1"),
    )

    assert table.get("checked") == key("checked")
    assert table.get("put") == {**key("put"), "A": {"S": "a"}}
    assert table.get("put", "Step 1") == key("put", "Step 1")
    assert table.get("updated") == {**key("updated"), "Outcome": {"S": "Done"}}
    assert table.get("created") == {**key("created"), "Outcome": {"S": "New"}}
    assert table.get("deleted") is None


def test_a_failed_condition_cancels_everything_and_the_reasons_are_in_the_order_of_the_items(
    table: CompositeTable,
) -> None:
    table.put("r", A={"M": {"B": {"L": [{"S": "deep"}]}}})
    reasons = table.cancellation(
        operation("Put", "new"),
        operation("Put", "r", ReturnValuesOnConditionCheckFailure="ALL_OLD", **ABSENT),
        operation("ConditionCheck", "missing", ReturnValuesOnConditionCheckFailure="ALL_OLD", **EXISTING),
        operation("Delete", "r", "Other", **EXISTING),
        set_outcome("New", "second"),
    )

    item = {**key("r"), "A": {"M": {"B": {"L": [{"S": "deep"}]}}}}
    assert reasons == [NONE, {**FAILED, "Item": item}, FAILED, FAILED, NONE]
    assert table.get("r") == item
    assert table.get("new") is table.get("second") is None


def test_a_condition_is_checked_against_the_state_before_the_transaction(table: CompositeTable) -> None:
    table.transact(operation("Put", "r", "a", **ABSENT), operation("Put", "r", "b", **ABSENT))

    assert table.cancellation(operation("Put", "r", "c"), operation("Put", "r", "b", **ABSENT)) == [NONE, FAILED]
    assert table.get("r", "c") is None


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"UpdateExpression": "SET A = A + :o", "ExpressionAttributeValues": {":o": {"N": "1"}}}, "operand"),
        ({"UpdateExpression": "SET A.B.C = :o", "ExpressionAttributeValues": {":o": {"N": "1"}}}, "document path"),
        ({"UpdateExpression": "SET B = :o", "ExpressionAttributeValues": {":o": {"S": "x" * 410_000}}}, "size"),
    ],
)
def test_an_invalid_write_is_a_validation_error_and_undoes_the_others(
    table: CompositeTable, members: dict[str, Any], message: str
) -> None:
    table.put("r", A={"S": "a"}, N={"N": "1"})
    table.put("gone")
    deletion, reason, addition = table.cancellation(
        operation("Delete", "gone"), operation("Update", "r", **members), operation("Put", "new")
    )

    assert (deletion, reason["Code"], addition) == (NONE, "ValidationError", NONE)
    assert message in reason["Message"]
    assert table.get("r") == {**key("r"), "A": {"S": "a"}, "N": {"N": "1"}}
    assert table.get("gone") == key("gone")
    assert table.get("new") is None


def test_an_update_of_a_new_item_that_is_too_large_leaves_no_item(table: CompositeTable) -> None:
    _, reason = table.cancellation(operation("Put", "new"), set_outcome("x" * 410_000))

    assert reason["Code"] == "ValidationError"
    assert table.get("new") is table.get("r") is None


def test_a_key_without_its_sort_key_is_a_validation_error(table: CompositeTable) -> None:
    [reason] = table.cancellation({"Delete": {"TableName": TABLE, "Key": {"Id": {"S": "r"}}}})

    assert (reason["Code"], reason["Message"]) == (
        "ValidationError", "The provided key element does not match the schema",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ([operation("Put", "r"), set_outcome("x")], "cannot include multiple operations on one item"),
        ([operation("Put", f"r{number}") for number in range(101)], "length less than or equal to 100"),
        ([{**operation("Put", "a"), **operation("Delete", "b")}], "only contain one of"),
        ([operation("Put", "a"), set_outcome("x", ExpressionAttributeValues={":o": {"SS": []}})], "may not be empty"),
        ([operation("Put", "a"), operation("Delete", "b", ExpressionAttributeNames={"#a": "A"})], "unused"),
    ],
)
def test_an_invalid_request_writes_nothing(
    table: CompositeTable, operations: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        table.transact(*operations)

    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert table.client.scan(TableName=TABLE)["Count"] == 0


def test_100_operations_are_possible(table: CompositeTable) -> None:
    table.transact(*(operation("Put", f"r{number}") for number in range(100)))

    assert table.client.scan(TableName=TABLE)["Count"] == 100


class TestClientRequestToken:
    def test_a_repeated_request_succeeds_without_effect_for_ten_minutes(
        self, table: CompositeTable, clock: Clock
    ) -> None:
        count = operation("Update", "r", UpdateExpression="ADD N :o", ExpressionAttributeValues={":o": {"N": "1"}})
        for _ in range(3):
            table.transact(count, ClientRequestToken="token")
        assert table.get("r")["N"] == {"N": "1"}

        clock.advance(timedelta(minutes=10))
        table.transact(count, ClientRequestToken="token")
        table.transact(count)
        assert table.get("r")["N"] == {"N": "3"}

    def test_another_request_with_the_same_token_is_refused(self, table: CompositeTable) -> None:
        table.transact(operation("Put", "a"), ClientRequestToken="token")
        with pytest.raises(ClientError) as refused:
            table.transact(operation("Put", "b"), ClientRequestToken="token")

        assert refused.value.response["Error"]["Code"] == "IdempotentParameterMismatchException"
        assert table.get("b") is None

    def test_a_cancelled_request_can_be_repeated(self, table: CompositeTable) -> None:
        with pytest.raises(ClientError, match="TransactionCanceled"):
            table.transact(operation("Put", "a", **EXISTING), ClientRequestToken="token")
        table.put("a")
        table.transact(operation("Put", "a", Item={"B": {"S": "b"}}, **EXISTING), ClientRequestToken="token")

        assert table.get("a")["B"] == {"S": "b"}


def test_the_table_is_neither_copied_nor_replaced(table: CompositeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    [stored] = dynamodb_backends["123456789012"]["us-east-1"].tables.values()

    def copy(self: Any, memo: Any) -> None:
        raise AssertionError("the table is copied")

    monkeypatch.setattr(type(stored), "__deepcopy__", copy, raising=False)
    table.transact(operation("Put", "a"))
    assert table.cancellation(operation("Put", "b"), operation("Put", "a", **ABSENT)) == [NONE, FAILED]

    assert list(dynamodb_backends["123456789012"]["us-east-1"].tables.values()) == [stored]
