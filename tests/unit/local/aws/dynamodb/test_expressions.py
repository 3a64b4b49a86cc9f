"""Expressions and items take less time, and mean what they mean to moto."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from local.aws import dynamodb
from local.hooks import Hooks
from tests.unit.local.aws.dynamodb.tables import TABLE, CompositeTable, key

VALUES = [
    {"S": "text"},
    {"S": "täxt"},
    {"S": ""},
    {"N": "-1.50"},
    {"BOOL": True},
    {"NULL": True},
    {"B": "YQ=="},
    {"SS": ["a", "ü"]},
    {"NS": ["1", "22"]},
    {"L": [{"S": "ü"}, {"L": []}, {"M": {"ä": {"N": "10"}}}]},
    {"M": {"ä": {"S": "b"}, "c": {"M": {}}, "d": {"SS": ["e"]}}},
]


@pytest.fixture
def table() -> Iterator[CompositeTable]:
    with Hooks() as hooks, mock_aws():
        dynamodb.install(hooks)
        yield CompositeTable()


def update(table: CompositeTable, expression: str, **more: Any) -> dict[str, Any]:
    """Update an item, and return all that it has then."""
    names = {name: name.removeprefix("#") for name in ("#a", "#b", "#Id") if name in expression}
    answer = table.client.update_item(
        TableName=TABLE,
        Key=key("item", "Record"),
        UpdateExpression=expression,
        ReturnValues="ALL_NEW",
        **({"ExpressionAttributeNames": names} if names else {}),
        **({"ExpressionAttributeValues": more} if more else {}),
    )
    return {name: value for name, value in answer["Attributes"].items() if name not in {"Id", "Part"}}


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("SET #a = :v SET #b = :v", {":v": {"S": "x"}}),
        ("SET #a = :v, #a = :v", {":v": {"S": "x"}}),
        ("SET #Id = :v", {":v": {"S": "x"}}),
        ("SET #a = #b", {}),
        ("SET #a = list_append(#b, :v)", {":v": {"L": []}}),
        ("SET #a = #b + :v", {":v": {"N": "1"}}),
        ("SET #a = :missing", {":v": {"N": "1"}}),
        ("REMOVE #a.#b", {}),
    ],
)
def test_a_wrong_update_is_refused_each_time(
    table: CompositeTable, expression: str, values: dict[str, dict[str, Any]]
) -> None:
    errors = []
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            update(table, expression, **values)
        errors.append(caught.value.response["Error"])

    assert errors[0] == errors[1]
    assert errors[0]["Code"] == "ValidationException"
    assert table.get("item") is None


def test_an_expression_is_applied_to_each_item_as_it_is(table: CompositeTable) -> None:
    expression = "SET #a = if_not_exists(#b, :v), #b = :v"

    assert update(table, expression, **{":v": {"S": "1"}}) == {"a": {"S": "1"}, "b": {"S": "1"}}
    assert update(table, expression, **{":v": {"S": "2"}}) == {"a": {"S": "1"}, "b": {"S": "2"}}
    assert update(table, "SET #a = #b", **{}) == {"a": {"S": "2"}, "b": {"S": "2"}}
    assert update(table, "REMOVE #a", **{}) == {"b": {"S": "2"}}
    with pytest.raises(ClientError, match="attribute that does not exist"):
        update(table, "SET #b = #a", **{})


def test_a_name_that_stands_for_a_key_is_refused_though_it_stood_for_another_attribute(table: CompositeTable) -> None:
    request = {"TableName": TABLE, "Key": key("item", "Record"), "UpdateExpression": "SET #n = :v"}
    values = {"ExpressionAttributeValues": {":v": {"S": "x"}}}
    table.client.update_item(**request, **values, ExpressionAttributeNames={"#n": "Other"})

    with pytest.raises(ClientError, match="Cannot update attribute Part"):
        table.client.update_item(**request, **values, ExpressionAttributeNames={"#n": "Part"})


def test_a_condition_is_checked_with_its_own_names_and_values(table: CompositeTable) -> None:
    table.put("item", a={"S": "x"}, b={"S": "y"})

    def is_met(name: str, value: Any) -> bool:
        try:
            table.client.update_item(
                TableName=TABLE,
                Key=key("item", "Record"),
                UpdateExpression="SET c = :v",
                ConditionExpression="#n = :v",
                ExpressionAttributeNames={"#n": name},
                ExpressionAttributeValues={":v": value},
            )
        except table.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    pairs = [("a", "x"), ("a", "y"), ("b", "y"), ("b", "x"), ("a", "x")]
    assert [is_met(name, {"S": value}) for name, value in pairs] == [True, False, True, False, True]
    assert not is_met("a", {"N": "1"})


def measure_and_copy(value: dict[str, Any]) -> tuple[int, Any]:
    item = Item(DynamoType({"S": "a"}), None, {"Id": {"S": "a"}, "Value": value})
    return item.size(), copy.deepcopy(item).to_json()


@pytest.mark.parametrize("value", VALUES, ids=[next(iter(value)) + str(number) for number, value in enumerate(VALUES)])
def test_an_item_has_the_size_and_the_copy_that_moto_gives_it(value: dict[str, Any]) -> None:
    expected = measure_and_copy(value)
    with Hooks() as hooks:
        dynamodb.install(hooks)
        assert measure_and_copy(value) == expected


def test_a_copy_shares_nothing_that_can_change(table: CompositeTable) -> None:
    item = Item(DynamoType({"S": "a"}), DynamoType({"S": "b"}), {"M": {"M": {"l": {"L": [{"SS": ["x"]}]}}}})
    duplicate = copy.deepcopy(item)

    duplicate.attrs["M"].value["l"].value[0].value.append("y")
    duplicate.attrs["N"] = DynamoType({"N": "1"})
    assert item.to_json()["Attributes"] == {"M": {"M": {"l": {"L": [{"SS": ["x"]}]}}}}
    assert (duplicate.hash_key, duplicate.range_key) == (item.hash_key, item.range_key)


@pytest.mark.parametrize("is_set_later", [False, True])
@pytest.mark.parametrize("character", ["x", "ü"])
def test_an_item_has_the_size_limit_that_moto_gives_it(character: str, is_set_later: bool) -> None:
    def find_limit() -> list[bool]:
        fits = []
        for rest in range(-4, 5):
            content = character * ((404_990 + rest) // len(character.encode()))
            try:
                item = Item(DynamoType({"S": "a"}), None, {"Id": {"S": "a"}, "Text": {"S": content}})
                if is_set_later:
                    item.attrs["n"] = DynamoType({"N": "12"})
            except ItemSizeTooLarge:
                fits.append(False)
            else:
                fits.append(True)
        return fits

    expected = find_limit()
    with Hooks() as hooks:
        dynamodb.install(hooks)
        assert find_limit() == expected
    assert set(expected) == {True, False}
