"""What people ask the table, by the queries of docs/reference.md, in a table of many records.

Each question is one query, whatever is in the table, and nothing that it reads is thrown away.
"""

import json
import random
import re
import shlex
import tracemalloc
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer

from local.defaults import ORGANIZATION_ID
from offboarding.adapters import table as table_module
from offboarding.adapters.records import Records, identifier_key
from offboarding.domain.entities import RecordedEntity
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.record import Status
from offboarding.domain.timestamps import render
from tests.unit.conftest import OTHER_ORGANIZATION_ID, TABLE_NAME, Table, client, make_execution_arn

PAGE = (Path(__file__).parents[2] / "docs" / "reference.md").read_text()
START = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = ("2026-03-01", "2026-04-01")
FEW = 40
MANY = 10_000


@dataclass
class World:
    """What was recorded, written down beside the table: each step, and what is still to come."""

    steps: list[tuple[str, str, str | None, str]] = field(default_factory=list)
    due: dict[str, list[str]] = field(default_factory=dict)
    entities: dict[str, set[str]] = field(default_factory=dict)

    def select(self, organization_id: str | None = None, entity_id: str | None = None) -> list[tuple[str, str]]:
        """Return the times and names of the steps of an organization or an entity, in the order of the index."""
        steps = [s for s in self.steps if organization_id in {None, s[2]} and entity_id in {None, s[3]}]
        return sorted((at, name) for at, name, _, _ in steps)


class Writer:
    """Writes the lives of many offboardings as the functions do, at dates over a year."""

    def __init__(self, records: Records, seed: int) -> None:
        self.world = World()
        self._records = records
        self._random = random.Random(seed)  # noqa: S311 (it is no secret)

    def write(self, count: int) -> None:
        lives = (self._verify, self._wait_in_window, self._wait_for_approval, self._schedule, self._fail, self._refuse)
        for number in range(count):
            self._random.choice(lives)(number, START + timedelta(minutes=self._random.randrange(525_600)))

    def _begin(self, number: int, at: datetime, due_at: str | None = None) -> Offboarding:
        organization_id = self._random.choice([ORGANIZATION_ID, OTHER_ORGANIZATION_ID])
        # A third of the addresses belongs to two people, one after the other.
        address = f"person{number - number % 3}@example.com"
        entity: RecordedEntity = {
            "Id": f"12a3b4c5-0000-4000-8000-{number:012}",
            "Type": "USER",
            "Name": f"person{number}",
            "Email": address,
            "State": "ENABLED",
            "Aliases": [],
        }
        offboarding = Offboarding(make_execution_arn(f"e{number}"), organization_id, entity)
        self._records.hold(offboarding, render(at))
        status = Status.SCHEDULED if due_at else Status.RECORDED
        facts = {"StartedAt": render(at), "Entity": entity}
        self._note(offboarding, at, "Started")
        self._records.create_or_update(offboarding, facts, status, due_at, self._enter(offboarding, at, status.value))
        key = f"{organization_id}/{entity['Id']}"
        for identifier in (entity["Name"], address):
            self.world.entities.setdefault(identifier, set()).add(key)
        return offboarding

    def _note(self, offboarding: Offboarding, at: datetime, name: str) -> None:
        self.world.steps.append((render(at), name, offboarding.organization_id, offboarding.entity_id))

    def _enter(self, offboarding: Offboarding, at: datetime, name: str) -> dict[str, Any]:
        self._note(offboarding, at, name)
        return {"At": render(at), "Step": name}

    def _deregister(self, number: int, at: datetime) -> tuple[Offboarding, datetime]:
        offboarding, ends_at = self._begin(number, at), at + timedelta(days=30)
        self._records.record_attempt(offboarding, render(ends_at), self._enter(offboarding, at, "Deregister"))
        dates = {"DeregisteredAt": render(at), "RetentionEndsAt": render(ends_at)}
        lock = self._records.find_lock(offboarding.organization_id, offboarding.entity_id)
        self._records.record_deregistration(offboarding, dates, self._enter(offboarding, at, "Deregistered"), lock)
        return offboarding, ends_at

    def _verify(self, number: int, at: datetime) -> None:
        offboarding, ends_at = self._deregister(number, at)
        log_entry = self._enter(offboarding, ends_at, "VerifyCleanup")
        self._records.record_verification(offboarding, "CleanupVerified", log_entry)
        record = self._records.find(offboarding.execution_arn)
        assert record is not None
        self._records.close(record, "CleanupVerified", None, render(ends_at))
        self._note(offboarding, ends_at, "Ended")

    def _wait_in_window(self, number: int, at: datetime) -> None:
        offboarding, _ = self._deregister(number, at)
        self.world.due.setdefault("InWindow", []).append(offboarding.execution_arn)

    def _wait_for_approval(self, number: int, at: datetime) -> None:
        offboarding = self._begin(number, at)
        due_at, log_entry = render(at + timedelta(days=14)), self._enter(offboarding, at, "AwaitApproval")
        self._records.record_approval_request(offboarding, "token", ["It is listed."], due_at, log_entry)
        self.world.due.setdefault("AwaitingApproval", []).append(offboarding.execution_arn)

    def _schedule(self, number: int, at: datetime) -> None:
        offboarding = self._begin(number, at, due_at=render(at + timedelta(days=40)))
        self.world.due.setdefault("Scheduled", []).append(offboarding.execution_arn)

    def _fail(self, number: int, at: datetime) -> None:
        arn, identifier = make_execution_arn(f"e{number}"), f"chief{number}@example.com"
        facts = {"OrganizationId": ORGANIZATION_ID, "StartedAt": render(at), "EntityId": identifier}
        self._records.record_end(arn, facts, "EntityProtected", "It is protected.", render(at))
        self.world.steps += [(render(at), name, ORGANIZATION_ID, identifier) for name in ("Started", "Ended")]

    def _refuse(self, number: int, at: datetime) -> None:
        self._records.record_refused_event(f"message-{number}", {"Provider": "okta"}, "Nobody fits.", render(at))
        self.world.steps.append((render(at), "Refused", None, ""))


@dataclass
class Answer:
    """The items that a documented query returned, and what it cost."""

    items: list[dict[str, Any]]
    read: int

    @property
    def steps(self) -> list[tuple[str, str]]:
        return sorted((item["At"], item["Step"]) for item in self.items)


def list_documented_queries() -> list[dict[str, str]]:
    """Return the options of every query in the page, from the commands as a reader copies them."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.replace("\\\n", " "), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("aws dynamodb query")]
    options = [shlex.split(re.sub(r" \| tr .*$", "", line.partition("query ")[2])) for line in lines]
    return [dict(zip(option[::2], option[1::2], strict=False)) for option in options]


def ask(index: str | None, **values: str) -> Answer:
    """Run the documented query of an index, or of the table, with other values."""
    fitting = [
        query
        for query in list_documented_queries()
        if query.get("--index-name") == index and query["--table-name"] == "$RECORDS_TABLE"
    ]
    assert fitting, f"the page has no query of {index}"
    query = fitting[0]
    names, expected = query.get("--expression-attribute-names"), json.loads(query["--expression-attribute-values"])
    assert expected.keys() == {f":{name}" for name in values}
    parameters = {
        "TableName": TABLE_NAME,
        "KeyConditionExpression": query["--key-condition-expression"],
        "ExpressionAttributeValues": {f":{name}": {"S": value} for name, value in values.items()},
        **({"IndexName": index} if index else {}),
        **({"ExpressionAttributeNames": json.loads(names)} if names else {}),
    }
    pages = list(client("dynamodb").get_paginator("query").paginate(**parameters))
    items = [item for page in pages for item in page["Items"]]
    parsed = [{name: TypeDeserializer().deserialize(value) for name, value in item.items()} for item in items]
    return Answer(parsed, sum(page["ScannedCount"] for page in pages))


@pytest.fixture(params=[FEW, pytest.param(MANY, marks=pytest.mark.long)])
def world(table: Table, request: pytest.FixtureRequest) -> World:
    writer = Writer(table.records, seed=7)
    writer.write(request.param)
    assert len(writer.world.due) == 3
    return writer.world


def test_each_question_is_one_query_that_reads_nothing_in_vain(world: World) -> None:
    in_march = [step for step in world.select() if MARCH[0] <= step[0] < MARCH[1]]
    answer = ask("ByTime", step="Step", **{"from": MARCH[0], "until": MARCH[1]})
    assert (answer.steps, answer.read) == (in_march, len(in_march))

    for organization_id in (ORGANIZATION_ID, OTHER_ORGANIZATION_ID):
        in_march = [step for step in world.select(organization_id) if MARCH[0] <= step[0] < MARCH[1]]
        answer = ask("ByOrganization", id=organization_id, **{"from": MARCH[0], "until": MARCH[1]})
        assert (answer.steps, answer.read) == (in_march, len(in_march))
        assert in_march

    for status, arns in world.due.items():
        answer = ask("ByStatus", key=status)
        assert {item["Id"] for item in answer.items} == set(arns)
        assert answer.read == len(arns)


def test_a_person_is_found_by_name_or_address_and_then_by_id(world: World) -> None:
    shared = next(identifier for identifier, keys in sorted(world.entities.items()) if len(keys) == 2)
    for identifier in (shared, *sorted(world.entities)[:5]):
        answer = ask(None, arn=identifier_key(identifier.upper()))
        keys = {item["Part"].removeprefix("Entity ") for item in answer.items}
        assert keys == world.entities[identifier]
        for key in keys:
            answer = ask("ByEntity", key=key)
            assert answer.steps == world.select(entity_id=key.partition("/")[2])
            assert answer.read == len(answer.items)


def test_an_attempt_on_somebody_who_was_never_resolved_is_found_by_what_was_typed(world: World) -> None:
    at, name, _, identifier = next(step for step in world.steps if step[3].startswith("chief"))
    answer = ask("ByEntity", key=identifier_key(identifier))

    assert answer.steps == [(at, "Ended"), (at, "Started")]
    assert {item["Identifier"] for item in answer.items} == {identifier}
    assert name == "Started"


def test_one_execution_is_read_with_its_record_and_its_steps(world: World) -> None:
    arn = world.due["InWindow"][0]
    answer = ask(None, arn=arn)

    parts = [item["Part"].rpartition(" ")[2] for item in answer.items]
    assert parts == ["Record", "Deregister", "Deregistered", "Recorded", "Started"]
    assert answer.read == len(parts)


def test_every_documented_query_has_an_index_and_values_of_its_own() -> None:
    queries = list_documented_queries()
    assert len(queries) >= 7
    for query in queries:
        assert {"--table-name", "--key-condition-expression", "--expression-attribute-values"} <= query.keys()


@pytest.mark.long
def test_going_through_all_steps_needs_memory_for_one_page_only(world: World) -> None:
    """DynamoDB's pages have 1 MB, and all steps of this table many times that."""

    def measure(limit: int) -> int:
        tracemalloc.start()
        steps = table_module.Table().query("#Kind = :step", index="ByTime", step="Step")
        for _, _step in zip(range(limit), steps, strict=False):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few, all_ = measure(1), measure(len(world.steps))
    assert all_ < 3 * few
