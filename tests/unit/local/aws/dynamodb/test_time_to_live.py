"""Items are deleted an hour after their time to live has passed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto.dynamodb.models import dynamodb_backends

from local.environment import Environment
from tests.unit.local.assemblies import NOON
from tests.unit.local.aws.dynamodb.tables import TABLE, CompositeTable, operation

HOUR = timedelta(hours=1)


class ExpiringTable(CompositeTable):
    def __init__(self, aws: Environment) -> None:
        super().__init__(StreamSpecification={"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"})
        self.clock = aws.clock
        self.enable(enabled=True)

    def enable(self, *, enabled: bool) -> None:
        specification = {"AttributeName": "ExpiresAt", "Enabled": enabled}
        self.client.update_time_to_live(TableName=TABLE, TimeToLiveSpecification=specification)

    def parts(self) -> list[str]:
        return [item["Part"]["S"] for item in self.client.scan(TableName=TABLE)["Items"]]

    def records(self) -> list[dict[str, Any]]:
        [table] = dynamodb_backends["123456789012"]["us-east-1"].tables.values()
        return [record.to_json() for record in table.stream_shard.items]


def in_hours(hours: float) -> dict[str, Any]:
    return {"ExpiresAt": {"N": str(int((NOON + hours * HOUR).timestamp()))}}


@pytest.fixture
def table() -> Iterator[ExpiringTable]:
    with Environment(organization=None, now=NOON) as aws:
        yield ExpiringTable(aws)


def test_an_item_is_deleted_an_hour_after_its_time(table: ExpiringTable) -> None:
    table.put("r", "a", **in_hours(10))
    table.put("r", "b")
    table.transact(operation("Put", "r", "c", Item=in_hours(20)))
    table.clock.advance(11 * HOUR - timedelta(seconds=1))
    assert table.parts() == ["a", "b", "c"]

    table.clock.advance(timedelta(seconds=1))
    assert table.parts() == ["b", "c"]
    table.clock.advance(10 * HOUR)
    assert table.parts() == ["b"]


def test_the_deletion_is_in_the_stream_as_one_by_the_service(table: ExpiringTable) -> None:
    table.put("r", "a", **in_hours(1))
    table.clock.advance(3 * HOUR)
    *_, record = table.records()

    assert (record["eventName"], record["dynamodb"]["OldImage"]["Part"]) == ("REMOVE", {"S": "a"})
    assert record["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}


def test_a_write_changes_the_time(table: ExpiringTable) -> None:
    for part in ("later", "never", "deleted", "sooner"):
        table.put("r", part, **in_hours(5))
    table.update("r", "later", "SET ExpiresAt = :t", t=in_hours(50)["ExpiresAt"])
    table.update("r", "never", "REMOVE ExpiresAt")
    table.put("r", "sooner", **in_hours(1))
    table.delete("r", "deleted")
    table.put("r", "deleted")

    table.clock.advance(3 * HOUR)
    assert table.parts() == ["deleted", "later", "never"]
    table.clock.advance(40 * HOUR)
    assert table.parts() == ["deleted", "later", "never"]
    table.clock.advance(40 * HOUR)
    assert table.parts() == ["deleted", "never"]


def test_a_deletion_follows_only_while_it_is_enabled(table: ExpiringTable) -> None:
    table.enable(enabled=False)
    table.put("r", "a", **in_hours(1))
    table.clock.advance(10 * HOUR)
    assert table.parts() == ["a"]
    table.enable(enabled=True)
    table.clock.advance(timedelta(0))
    assert table.parts() == []

    table.put("r", "b", **in_hours(20))
    table.enable(enabled=False)
    table.clock.advance(100 * HOUR)
    assert table.parts() == ["b"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"ExpiresAt": {"S": "1"}},
        {"ExpiresAt": {"N": "1"}},
        {"ExpiresAt": {"N": "1790000000000"}},
        {"Other": in_hours(1)["ExpiresAt"]},
    ],
    ids=["text", "long ago", "milliseconds", "another attribute"],
)
def test_an_item_without_a_valid_time_stays(table: ExpiringTable, attributes: dict[str, Any]) -> None:
    table.put("r", "a", **attributes)
    table.clock.advance(1000 * HOUR)

    assert table.parts() == ["a"]
