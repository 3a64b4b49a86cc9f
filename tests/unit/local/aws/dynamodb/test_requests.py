"""Conditional writes and sparse indexes, as DynamoDB has them."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.aws import dynamodb
from local.hooks import Hooks
from tests.unit.local.aws.dynamodb.tables import client

TABLE = "records"


class Table:
    """Short words for what the tests do with the table."""

    def __init__(self) -> None:
        self.client = client()
        self.client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("Id", "StatusKey", "DueAt")],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "ByStatus",
                    "KeySchema": [
                        {"AttributeName": "StatusKey", "KeyType": "HASH"},
                        {"AttributeName": "DueAt", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )

    def update(self, item: str, expression: str, names: dict[str, str] | None = None, **more: Any) -> Any:
        """Update an item; what is left over as keywords are the expression's values."""
        condition = {"ConditionExpression": more.pop("condition")} if "condition" in more else {}
        values = {"ExpressionAttributeValues": {f":{name}": value for name, value in more.items()}} if more else {}
        return self.client.update_item(
            TableName=TABLE,
            Key={"Id": {"S": item}},
            UpdateExpression=expression,
            **({"ExpressionAttributeNames": names} if names else {}),
            **values,
            **condition,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )["Attributes"]

    def take(self, member: str, cap: int) -> Any:
        """Take one of a day's places, unless it is taken already."""
        return self.update(
            "day", "ADD #set :vs", {"#set": "Members"},
            condition="attribute_not_exists(#set) OR contains(#set, :v) OR size(#set) < :cap",
            v={"S": member}, vs={"SS": [member]}, cap={"N": str(cap)},
        )  # fmt: skip

    def live(self, until: str = "9999") -> list[str]:
        answer = self.client.query(
            TableName=TABLE,
            IndexName="ByStatus",
            KeyConditionExpression="StatusKey = :s AND DueAt <= :d",
            ExpressionAttributeValues={":s": {"S": "WAITING"}, ":d": {"S": until}},
        )
        return [item["Id"]["S"] for item in answer["Items"]]


@pytest.fixture
def table() -> Iterator[Table]:
    with Hooks() as hooks, mock_aws():
        dynamodb.install(hooks)
        yield Table()


def test_a_set_accepts_new_members_up_to_a_cap_and_existing_ones_beyond_it(table: Table) -> None:
    table.take("a", 2)
    assert table.take("b", 2)["Members"]["SS"] == ["a", "b"]
    assert sorted(table.take("a", 2)["Members"]["SS"]) == ["a", "b"]

    with pytest.raises(ClientError) as refused:
        table.take("c", 2)
    assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert refused.value.response["Item"] == {"Id": {"S": "day"}, "Members": {"SS": ["a", "b"]}}
    assert sorted(table.take("c", 3)["Members"]["SS"]) == ["a", "b", "c"]


def test_the_size_of_a_missing_attribute_meets_no_condition(table: Table) -> None:
    for comparison in ("<", "<=", ">", ">=", "="):
        with pytest.raises(ClientError) as refused:
            table.update("day", "SET A = :n", condition=f"size(Members) {comparison} :n", n={"N": "0"})
        assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
        assert "Item" not in refused.value.response


def test_a_set_without_members_is_removed(table: Table) -> None:
    table.take("a", 2)
    assert table.update("day", "DELETE Members :vs", vs={"SS": ["a"]}) == {"Id": {"S": "day"}}
    assert table.take("b", 1)["Members"]["SS"] == ["b"]


@pytest.mark.parametrize("value", [{"SS": []}, {"NS": []}, {"BS": []}])
def test_an_empty_set_is_refused(table: Table, value: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="set  may not be empty"):
        table.update("day", "SET A = :v", v=value)


def test_steps_are_appended_to_a_list_that_may_be_missing(table: Table) -> None:
    append = "SET Steps = list_append(if_not_exists(Steps, :none), :step)"
    for step in ("one", "two"):
        item = table.update("r", append, none={"L": []}, step={"L": [{"M": {"Name": {"S": step}}}]})

    assert [step["M"]["Name"]["S"] for step in item["Steps"]["L"]] == ["one", "two"]


def test_members_of_maps_are_changed_one_by_one(table: Table) -> None:
    entity = {"M": {"Name": {"S": "dana"}, "Deep": {"M": {"Count": {"N": "1"}}}}}
    table.client.put_item(TableName=TABLE, Item={"Id": {"S": "r"}, "Entity": entity})
    item = table.update(
        "r", "SET Entity.#n = :n, Entity.Deep.Seen = :y, Entity.Deep.#c = Entity.Deep.#c + :one",
        {"#n": "Name", "#c": "Count"}, n={"S": "kim"}, y={"BOOL": True}, one={"N": "1"},
        condition="Entity.Deep.#c = :one AND attribute_not_exists(Entity.Deep.Seen)",
    )  # fmt: skip
    assert item["Entity"]["M"] == {"Name": {"S": "kim"}, "Deep": {"M": {"Count": {"N": "2"}, "Seen": {"BOOL": True}}}}

    with pytest.raises(ClientError, match="document path provided in the update expression is invalid"):
        table.update("r", "SET Nothing.Inside = :n", n={"S": "x"})


def test_a_failed_condition_returns_the_existing_item_if_any(table: Table) -> None:
    table.client.put_item(TableName=TABLE, Item={"Id": {"S": "r"}, "Outcome": {"S": "Completed"}})
    with pytest.raises(ClientError) as refused:
        table.update("r", "SET Outcome = :o", condition="attribute_not_exists(Outcome)", o={"S": "Failed"})
    assert refused.value.response["Item"] == {"Id": {"S": "r"}, "Outcome": {"S": "Completed"}}

    with pytest.raises(ClientError) as refused:
        table.update("none", "SET Outcome = :o", condition="attribute_exists(Id)", o={"S": "Failed"})
    assert "Item" not in refused.value.response
    assert "Item" not in table.client.get_item(TableName=TABLE, Key={"Id": {"S": "none"}})


def test_an_index_holds_the_items_that_have_both_its_keys(table: Table) -> None:
    for number in (3, 1, 2):
        table.update(f"r{number}", "SET StatusKey = :s, DueAt = :d", s={"S": "WAITING"}, d={"S": f"2026-0{number}"})
    table.update("no-due-date", "SET StatusKey = :s", s={"S": "WAITING"})
    assert table.live() == ["r1", "r2", "r3"]
    assert table.live("2026-02") == ["r1", "r2"]

    item = table.update("r2", "SET Outcome = :o REMOVE StatusKey", o={"S": "Completed"})
    assert "StatusKey" not in item
    assert table.live() == ["r1", "r3"]
    table.update("r2", "SET StatusKey = :s", s={"S": "WAITING"})
    assert table.live() == ["r1", "r2", "r3"]


def test_a_cap_holds_for_concurrent_requests(table: Table) -> None:
    taken: list[str] = []
    start = threading.Barrier(8)

    def run(name: str) -> None:
        start.wait()
        for number in range(5):
            try:
                table.take(f"{name}-{number}", 10)
            except ClientError:
                continue
            taken.append(name)

    threads = [threading.Thread(target=run, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == 10


EXPRESSIONS: list[tuple[str, dict[str, Any]]] = [
    ("SET A = :n, Deep.B = Deep.C + :one, #d = if_not_exists(#d, :n)", {"n": {"S": "x"}, "one": {"N": "1"}}),
    ("SET L[1] = :n REMOVE L[0], A ADD N :one", {"n": {"S": "x"}, "one": {"N": "1"}}),
    ("ADD #d :one DELETE T :some", {"one": {"N": "4"}, "some": {"SS": ["b"]}}),
    ("SET L = list_append(L, :more), A = Deep.C", {"more": {"L": [{"S": "last"}]}}),
    ("SET Deep = :n, Deep.B = :n", {"n": {"S": "x"}}),
    ("SET A = :n SET A = :n", {"n": {"S": "x"}}),
    ("SET A = Missing", {}),
    ("SET A = A + :one", {"one": {"N": "1"}}),
    ("SET Missing.B = :n", {"n": {"S": "x"}}),
    ("ADD A :n", {"n": {"S": "x"}}),
    ("SET Id = :n", {"n": {"S": "x"}}),
    ("SET A = :unknown", {"n": {"S": "x"}}),
    ("SET A == :n", {"n": {"S": "x"}}),
]


def test_an_expression_has_the_same_effect_as_without_the_hooks() -> None:
    def answer(table: Table, item: str, expression: str, values: dict[str, Any]) -> Any:
        names = {"#d": "New"} if "#d" in expression else None
        try:
            return table.update(item, expression, names, **values)
        except ClientError as refused:
            return refused.response["Error"]

    def answers() -> dict[str, Any]:
        item_before = {"A": {"S": "a"}, "Deep": {"M": {"B": {"S": "b"}, "C": {"N": "2"}}}}
        more = {"N": {"N": "5"}, "L": {"L": [{"S": "l0"}, {"S": "l1"}]}, "T": {"SS": ["a", "b"]}}
        with mock_aws():
            table = Table()
            for expression, _ in EXPRESSIONS:
                table.client.put_item(TableName=TABLE, Item={"Id": {"S": expression}, **item_before, **more})
            # Twice: what is kept of an expression must not remember the item.
            return {
                expression: [answer(table, expression, expression, values) for _ in range(2)]
                for expression, values in EXPRESSIONS
            }

    usual = answers()
    with Hooks() as hooks:
        dynamodb.install(hooks)
        assert answers() == usual


@pytest.mark.parametrize("key", [{"NULL": True}, {"N": "1"}, {"B": b"a"}])
def test_a_key_of_another_type_is_refused(table: Table, key: dict[str, Any]) -> None:
    item = {"TableName": TABLE, "Key": {"Id": key}}
    requests = [
        lambda: table.client.get_item(**item),
        lambda: table.client.delete_item(**item),
        lambda: table.client.update_item(**item, UpdateExpression="REMOVE Size"),
        lambda: table.client.transact_write_items(TransactItems=[{"Delete": item}]),
        lambda: table.client.transact_write_items(
            TransactItems=[{"ConditionCheck": {**item, "ConditionExpression": "attribute_not_exists(Id)"}}]
        ),
    ]
    for request in requests:
        with pytest.raises(ClientError, match="The provided key element does not match the schema"):
            request()
