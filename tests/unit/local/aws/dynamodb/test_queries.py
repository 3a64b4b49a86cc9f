"""Queries of a table with a composite key, and of its index."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws
from moto.dynamodb.models.table import Table

from local.aws import dynamodb
from local.hooks import Hooks
from tests.unit.local.aws.dynamodb.tables import TABLE, CompositeTable, key


@pytest.fixture
def table() -> Iterator[CompositeTable]:
    with Hooks() as hooks, mock_aws():
        dynamodb.install(hooks)
        yield fill()


def fill() -> CompositeTable:
    table = CompositeTable()
    # The order of writing is not the order of any key.
    for number in (7, 3, 9, 1, 8, 2, 6, 4, 0, 5):
        table.put(f"r{number % 3}", f"Step {number}", Kind={"S": "Step"}, At={"S": f"2026-0{9 - number}"})
    for name in ("r0", "r1"):
        table.put(name)
    return table


def query(table: CompositeTable, condition: str, values: dict[str, str], **more: Any) -> Any:
    return table.client.query(
        TableName=TABLE,
        KeyConditionExpression=condition,
        **({"ExpressionAttributeNames": {"#at": "At"}} if "#at" in condition else {}),
        ExpressionAttributeValues={f":{name}": {"S": value} for name, value in values.items()},
        **more,
    )


def parts(answer: Any) -> list[str]:
    return [item["Part"]["S"] for item in answer["Items"]]


def test_the_items_of_a_partition_are_in_the_order_of_the_sort_key(table: CompositeTable) -> None:
    partition = query(table, "Id = :i", {"i": "r0"}, ConsistentRead=True)
    steps = query(table, "Id = :i AND begins_with(Part, :p)", {"i": "r0", "p": "Step "}, ScanIndexForward=False)

    assert parts(partition) == ["Record", "Step 0", "Step 3", "Step 6", "Step 9"]
    assert parts(steps) == ["Step 9", "Step 6", "Step 3", "Step 0"]
    assert parts(query(table, "Id = :i", {"i": "nobody"})) == []


def test_items_are_counted_without_being_returned(table: CompositeTable) -> None:
    answer = query(table, "Id = :i", {"i": "r1"}, ConsistentRead=True, Select="COUNT")

    assert answer["Count"] == 4
    assert "Items" not in answer


def test_an_index_has_only_the_items_with_its_key_in_the_order_of_its_sort_key(table: CompositeTable) -> None:
    index = {"IndexName": "ByTime"}

    assert parts(query(table, "Kind = :k", {"k": "Step"}, **index)) == [f"Step {n}" for n in range(9, -1, -1)]
    assert parts(query(table, "Kind = :k AND #at < :a", {"k": "Step", "a": "2026-03"}, **index)) == [
        "Step 9", "Step 8", "Step 7",
    ]  # fmt: skip
    assert parts(query(table, "Kind = :k", {"k": "Other"}, **index)) == []


def test_pages_of_a_table_and_of_an_index_cover_each_item_once(table: CompositeTable) -> None:
    for condition, values, more in (
        ("Id = :v", {"v": "r0"}, {}),
        ("Kind = :v", {"v": "Step"}, {"IndexName": "ByTime"}),
    ):
        paginator = table.client.get_paginator("query").paginate(
            TableName=TABLE,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={f":{n}": {"S": v} for n, v in values.items()},
            PaginationConfig={"PageSize": 2},
            **more,
        )
        pages = [parts(page) for page in paginator]
        assert max(map(len, pages)) == 2
        assert [part for page in pages for part in page] == parts(query(table, condition, values, **more))


def test_items_are_written_and_deleted_in_batches_and_one_by_one(table: CompositeTable) -> None:
    put = [{"PutRequest": {"Item": key("batch", f"Step {number}")}} for number in range(20)]
    table.client.batch_write_item(RequestItems={TABLE: put})
    table.client.batch_write_item(
        RequestItems={TABLE: [{"DeleteRequest": {"Key": key("batch", f"Step {number}")}} for number in range(18)]}
    )
    table.delete("batch", "Step 18")

    assert parts(query(table, "Id = :i", {"i": "batch"})) == ["Step 19"]


QUERIES: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("Id = :v", {"v": "r0"}, {}),
    ("Id = :v AND Part > :p", {"v": "r0", "p": "Step 3"}, {}),
    ("Id = :v AND Part BETWEEN :p AND :q", {"v": "r1", "p": "S", "q": "Step 4"}, {}),
    ("Kind = :v", {"v": "Step"}, {"IndexName": "ByTime"}),
    ("Kind = :v AND #at >= :a", {"v": "Step", "a": "2026-04"}, {"IndexName": "ByTime"}),
    ("Kind = :v AND #at < :a", {"v": "Step", "a": "2026-04"}, {"IndexName": "ByTime"}),
    ("Kind = :v AND #at BETWEEN :a AND :b", {"v": "Step", "a": "2026-03", "b": "2026-06"}, {"IndexName": "ByTime"}),
    ("Kind = :v AND begins_with(#at, :a)", {"v": "Step", "a": "2026-05"}, {"IndexName": "ByTime"}),
    ("Kind = :v AND #at > :a", {"v": "Step", "a": "2027"}, {"IndexName": "ByTime"}),
    ("Kind = :v", {"v": "Nothing"}, {"IndexName": "ByTime"}),
]
ALL_TYPES = {
    "Binary": {"B": b"\x00\xff"},
    "Sets": {"L": [{"SS": ["a", "b"]}, {"NS": ["1", "2.5"]}, {"BS": [b"a"]}]},
    "Map": {
        "M": {"S": {"NULL": True}, "Empty": {"M": {}}, "No": {"BOOL": False}, "Zero": {"N": "0"}, "Text": {"S": ""}}
    },
}
"""Values of each type, some of which are false."""


def test_each_page_of_a_query_has_the_same_answer_as_without_the_hooks() -> None:
    def answers() -> list[Any]:
        with mock_aws():
            table = fill()
            # Two items of one moment are in the order of their keys.
            table.put("r1", "Step 9", Kind={"S": "Step"}, At={"S": "2026-03"}, **ALL_TYPES)
            return [
                {name: value for name, value in page.items() if name != "ResponseMetadata"}
                for condition, values, more in QUERIES
                for is_forward in (True, False)
                for size in (1, 2, 100)
                for page in table.client.get_paginator("query").paginate(
                    TableName=TABLE,
                    KeyConditionExpression=condition,
                    **({"ExpressionAttributeNames": {"#at": "At"}} if "#at" in condition else {}),
                    ExpressionAttributeValues={f":{n}": {"S": v} for n, v in values.items()},
                    ScanIndexForward=is_forward,
                    PaginationConfig={"PageSize": size},
                    **more,
                )
            ]

    usual = answers()
    assert any("Map" in item for answer in usual for item in answer["Items"])
    with Hooks() as hooks:
        dynamodb.install(hooks)
        assert answers() == usual


def test_a_query_looks_only_at_the_items_that_its_page_can_reach(
    table: CompositeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    iterate = Table.all_items
    monkeypatch.setattr(Table, "all_items", lambda self: sizes.append(len(iterate(self))) or iterate(self))
    values = {"k": "Step", "a": "2026-03", "b": "2026-04"}
    query(table, "Kind = :k AND #at BETWEEN :a AND :b", values, IndexName="ByTime")

    # The two of these months, and the next one: by it moto sees whether another page follows.
    assert sizes == [3]


def test_a_query_does_not_sort_the_whole_table(table: CompositeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    iterate = Table.all_items
    monkeypatch.setattr(Table, "all_items", lambda self: sizes.append(len(iterate(self))) or iterate(self))
    query(table, "Id = :i", {"i": "r2"})
    query(table, "Kind = :k", {"k": "Step"}, IndexName="ByTime")

    assert sizes == [3, 10]
