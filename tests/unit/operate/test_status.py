"""The command `offboarding status`: what needs a person is not left out because of somebody else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from operate.account import Account, Stack
from operate.questions.table import identifier_key
from tests.unit.operate.conftest import RunCommand, put_item

ORGANIZATION, FURTHER = "m-" + "1" * 32, "m-" + "2" * 32
ARN = "arn:aws:states:us-east-1:123456789012:execution:workmail-offboarding"
NEED = "The offboarding of sam ended as EntityNotFound."


@pytest.mark.parametrize(("organization", "is_listed"), [(ORGANIZATION, False), (FURTHER, True)])
def test_a_failure_is_listed_until_the_same_person_is_offboarded_again(
    table: Any,
    stack: Stack,
    run: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
    organization: str,
    is_listed: bool,
) -> None:
    monkeypatch.setattr(Account, "read_time", lambda _: datetime(2026, 12, 1, 12, tzinfo=UTC))
    facts = {"Id": f"{ARN}:1", "OrganizationId": ORGANIZATION, "Outcome": "EntityNotFound"}
    put_item(table, **facts, Part="Record", EntityId="sam", Status="Ended")
    put_step(table, "2026-12-01T10:00:00.000Z", "Ended", **facts, EntityKey=identifier_key("sam"))
    assert NEED in run("status").stdout

    start = {"OrganizationId": organization, "EntityId": "e-1", "EntityName": "sam", "EntityKey": f"{organization}/e-1"}
    put_step(table, "2026-12-01T11:00:00.000Z", "Started", Id=f"{ARN}:2", **start)

    assert (NEED in run("status").stdout) == is_listed


def put_step(table: Any, at: str, name: str, **members: str) -> None:
    put_item(table, **members, Part=f"Step {at} {name}", Kind="Step", At=at, Step=name)
