"""The command `offboarding show`: who had an address when, and each offboarding as it recorded the entity."""

from typing import Any

import pytest

from operate.account import Stack
from operate.advice import describe_mailbox
from operate.details import command
from operate.details.workmail import WorkMailAnswer
from operate.questions.offboardings import Offboarding
from operate.questions.table import identifier_key
from operate.retry.failures import Failure
from operate.wording.steps import describe_step
from tests.unit.operate.conftest import RunCommand, put_item

ORGANIZATION = "m-" + "0" * 32
FORMER_ADDRESS = "old@example.com"
FIRST, SECOND = "2026-03-01T12:00:00.000Z", "2026-09-01T12:00:00.000Z"


@pytest.fixture(autouse=True)
def workmail_is_not_asked(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "describe_now", lambda *_: WorkMailAnswer("Not asked.", {}))


def put_offboarding(table: Any, entity_id: str, at: str, email: str, **members: Any) -> str:
    """Record an execution with its start; the address leads to the entity."""
    arn, key = f"arn:{entity_id}:{at}", f"{ORGANIZATION}/{entity_id}"
    entity = {"Id": entity_id, "Type": "USER", "Name": f"name-{email}", "Email": email, "State": "ENABLED"}
    put_item(
        table,
        **({"Id": arn, "Part": "Record", "OrganizationId": ORGANIZATION, "Entity": entity, "StartedAt": at} | members),
    )
    facts = {"EntityName": entity["Name"], "EntityEmail": email, "EntityId": entity_id, "EntityType": "USER"}
    put_step(table, arn, at, "Recorded", OrganizationId=ORGANIZATION, EntityKey=key, **facts)
    for text in (email, entity_id):
        put_item(table, Id=identifier_key(text), Part=f"Entity {key}")
    return arn


def put_step(table: Any, arn: str, at: str, step: str, **members: Any) -> None:
    put_item(table, Id=arn, Part=f"Step {at} {step}", Kind="Step", At=at, Step=step, **members)


def test_two_who_had_an_address_are_told_apart_by_when_and_by_their_address_now(table: Any, run: RunCommand) -> None:
    put_offboarding(table, "id-1", FIRST, FORMER_ADDRESS, Status="Ended", Outcome="Reenabled")
    put_offboarding(table, "id-1", "2026-04-01T12:00:00.000Z", FORMER_ADDRESS, Status="Ended", Outcome="Reenabled")
    put_offboarding(table, "id-1", SECOND, "dana@example.com", Status="Ended", Outcome="Reenabled")
    put_offboarding(table, "id-2", SECOND, FORMER_ADDRESS, Status="Ended", Outcome="Reenabled")

    result = run("show", FORMER_ADDRESS)

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{FORMER_ADDRESS} was recorded of 2 entities. Give the id of one of them:",
        f"  dana@example.com (id-1) of {ORGANIZATION}, address now (as last recorded): dana@example.com, "
        "recorded under this text from 2026-03-01 12:00 to 2026-04-01 12:00 (UTC)",
        f"  {FORMER_ADDRESS} (id-2) of {ORGANIZATION}, address now (as last recorded): {FORMER_ADDRESS}, "
        "recorded under this text at 2026-09-01 12:00 (UTC)",
    ]


def test_each_offboarding_shows_the_entity_as_it_recorded_it(table: Any, run: RunCommand) -> None:
    put_offboarding(table, "id-1", FIRST, FORMER_ADDRESS, Status="Ended", Outcome="Reenabled")
    put_offboarding(table, "id-1", SECOND, "dana@example.com", Status="Ended", Outcome="Reenabled")

    newest, oldest = (
        run("show", "id-1", "--number", number).stdout.split("recorded it\n")[1].split("\n\n")[0] for number in (1, 2)
    )

    assert "dana@example.com" in newest
    assert FORMER_ADDRESS in oldest
    assert "dana@example.com" not in oldest


def test_a_restore_shows_who_asked_for_it_and_why_and_a_verification_what_workmail_showed(
    table: Any, run: RunCommand
) -> None:
    arn = put_offboarding(table, "id-1", FIRST, FORMER_ADDRESS, Status="Restored", RestoredAt=SECOND)
    signals = {"Mailbox": "NotFound", "State": "DISABLED", "NotGiven": ["MailboxSize"]}
    put_step(table, arn, "2026-04-01T12:00:00.000Z", "VerifyCleanup", Signals=signals)
    request = {"RequestedBy": "erin", "Reason": "Stays after all"}
    put_step(table, arn, SECOND, "RegisterEntity", RestoredIn="arn:restore", **request)
    put_step(table, arn, "2026-09-01T12:01:00.000Z", "Restored", RestoredIn="arn:restore", PutBack=[])

    lines = {" ".join(line.split()) for line in run("show", "id-1").stdout.splitlines()}

    assert {"Restore asked by erin", "Restore reason Stays after all", "Restore execution arn:restore"} <= lines
    assert "WorkMail showed mailbox NotFound; state DISABLED; not shown: size in MB" in lines


def test_a_mailbox_that_was_disabled_before_is_no_work_of_the_offboarding() -> None:
    record = {"Id": "arn:1", "Status": "Unwatched", "Outcome": "CleanupOverdue", "DeregisteredAt": FIRST}
    sentence = "was already disabled when this offboarding began"

    assert sentence in describe_mailbox(Offboarding.from_record(record | {"Status": "Ended"}))
    assert sentence in [*Failure(record, None, "No").describe()][-1]
    assert sentence not in describe_mailbox(
        Offboarding.from_record(record | {"Status": "Ended", "DeregisteringAt": FIRST})
    )


def test_a_record_that_was_replaced_after_its_end_had_no_place_to_take() -> None:
    assert describe_step({"Step": "Superseded", "By": "arn:2"}) == (
        "A later offboarding of the same entity replaced this record: arn:2."
    )
