"""A table of many records: copies of the lives, at times and of people of their own, with an independent count.

The copies are put into moto's table directly. Writing them through the API takes minutes.
"""

import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from moto import mock_aws
from moto.dynamodb import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from local import workmail
from local.aws import dynamodb, response_cache
from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION
from local.hooks import Hooks
from offboarding.adapters.records import identifier_key, provider_user_key
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import TABLE_NAME, client, create_records_table, forget_configuration
from tests.worlds.lives import HASHED, MARK, PROVIDER_USER, Fact, Life, write_lives

OTHER_ORGANIZATION_ID = f"m-{'0' * 32}"
BEGAN_AT = datetime(2026, 1, 1, tzinfo=UTC)
"""When the lives begin; their copies begin in the year after that."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True)
class Copy:
    """One life of the world.

    Attributes
    ----------
    life
        What happens in it.
    number
        What makes its names, addresses and ids its own.
    began_at
        When it begins.
    organization_id
        Where.
    """

    life: Life
    number: int
    began_at: datetime
    organization_id: str

    @property
    def execution_name(self) -> str:
        """The last part of its execution's ARN."""
        return fill_in(f"life{MARK}", self.number)

    def iterate_items(self, began_at: datetime) -> Iterator[dict[str, Any]]:
        """Yield its items, made from those of the life that began at another time."""
        shift = self.began_at - began_at
        text = json.dumps(self.life.items)
        moments = {moment: render(parse(moment) + shift) for moment in set(_MOMENT.findall(text))}
        text = _MOMENT.sub(lambda match: moments[match[0]], text)
        for original, key in HASHED.items():
            _, _, digest = key.partition("/")
            if digest in text:
                text = text.replace(digest, _hash_copy(original, self.number))
        yield from json.loads(fill_in(text, self.number).replace(ORGANIZATION_ID, self.organization_id))


def _hash_copy(original: str, number: int) -> str:
    copied = fill_in(original, number)
    is_user = original == PROVIDER_USER.user_id
    key = provider_user_key(Reporter(PROVIDER_USER.provider, copied)) if is_user else identifier_key(copied)
    return key.partition("/")[2]


def fill_in(text: str, number: int) -> str:
    """Return a text of a life as its copy has it."""
    return text.replace(MARK, f"{number:08}")


@dataclass
class Expectation:
    """What a report of a period has to count, from what was meant when the lives were written."""

    steps: Counter[str] = field(default_factory=Counter)
    organizations: Counter[str | None] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    requesters: Counter[str] = field(default_factory=Counter)
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    was_enabled: Counter[bool] = field(default_factory=Counter)
    restored_in_part: int = 0

    def add(self, copy: Copy, at: datetime, fact: Fact) -> None:
        """Count a step."""
        self.steps[fact.step] += 1
        self.organizations[copy.organization_id if fact.in_organization else None] += 1
        self.days[f"{at:%Y-%m-%d}"] += 1
        members = fact.members
        match fact.step:
            case "Ended":
                self.outcomes[members["Outcome"], members["MailboxTouched"]] += 1
            case "Started":
                self.requesters[members["Requester"]] += 1
            case "Decided":
                self.decisions[members["Decision"], members["DecidedBy"]] += 1
            case "Deregistered":
                self.was_enabled[members["WasEnabled"]] += 1
            case "Restored":
                self.restored_in_part += bool(members["Missing"])


@dataclass
class World:
    """All copies."""

    copies: list[Copy] = field(default_factory=list)

    def expect(self, since: datetime, until: datetime) -> Expectation:
        """Count what happens from a moment until before another one."""
        expectation = Expectation()
        for copy in self.copies:
            for fact in copy.life.facts:
                if since <= (at := copy.began_at + fact.after) < until:
                    expectation.add(copy, at, fact)
        return expectation

    def select_started(self, since: datetime, until: datetime) -> list[Copy]:
        """Return the copies whose execution started from a moment until before another one."""
        return [copy for copy in self.copies if copy.life.is_started and since <= copy.began_at < until]

    def select_due(self, status_key: str) -> list[Copy]:
        """Return the copies that the index has under a status."""
        return [copy for copy in self.copies if copy.life.status_key == status_key]

    def find(self, life: str) -> Copy:
        """Return the first copy of a kind of life."""
        return next(copy for copy in self.copies if copy.life.name == life)


def build_world(table: str, lives: Sequence[Life], count: int, seed: int = 7) -> World:
    """Fill a table of moto with copies that begin in the year after the lives.

    Parameters
    ----------
    table
        Its name.
    lives
        What is copied: each of them in turn.
    count
        How many copies there are.
    """
    generator = random.Random(seed)  # noqa: S311 (it is no secret)
    items = dynamodb_backends[ACCOUNT][REGION].tables[table]
    world = World()
    for number in range(count):
        # No two are of one moment, because some steps have a key of that alone.
        after = timedelta(minutes=generator.randrange(525_600), milliseconds=number)
        organization_id = generator.choice([ORGANIZATION_ID, OTHER_ORGANIZATION_ID])
        copy = Copy(lives[number % len(lives)], number, BEGAN_AT + after, organization_id)
        world.copies.append(copy)
        for item in copy.iterate_items(BEGAN_AT):
            id_, part = DynamoType(item["Id"]), DynamoType(item["Part"])
            entry = Item(id_, part, {})
            # Without moto's sum of the sizes of all attributes for each attribute.
            dict.update(entry.attrs, {name: DynamoType(value) for name, value in item.items()})
            items.items[id_][part] = entry
    return world


@contextmanager
def opened_world(count: int) -> Iterator[World]:
    """Open AWS in this process, with a table of records that has a world."""
    environment = {"RECORDS_TABLE": TABLE_NAME, "RECORD_RETENTION_DAYS": "0", "WORKMAIL_REGION": REGION}
    with patch.dict(os.environ, environment), Hooks() as hooks, mock_aws():
        forget_configuration()
        workmail.register()
        dynamodb.install(hooks)
        response_cache.install(hooks)
        create_records_table()
        yield build_world(TABLE_NAME, [*write_lives(BEGAN_AT, _read_and_clear)], count)
    forget_configuration()


def _read_and_clear() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client("dynamodb").scan(TableName=TABLE_NAME)["Items"]
    dynamodb_backends[ACCOUNT][REGION].tables[TABLE_NAME].items.clear()
    return items
