"""The verdict: what WorkMail shows decides the outcome, and nothing else does."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

import verify_cleanup
from local.defaults import ORGANIZATION_ID
from local.organization import People
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters.directory import Directory
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState, EntityType, Mailbox
from offboarding.domain.errors import CleanupOverdue
from offboarding.domain.record import Status
from offboarding.domain.timestamps import parse
from tests.unit.conftest import NOW as STARTED
from tests.unit.conftest import Context, Table, called, client, deregister, described, execution, fail
from verify_cleanup import RetentionDates, Signals, Verdict, _outcome_or_next_check, decide, read_signals

DISABLED = parse("2026-11-22T10:00:00.123Z")
ENDS = DISABLED + timedelta(days=30)
NOW = ENDS + timedelta(hours=6)
USER = Entity(EntityType.USER, "0c1a", "dana", EntityState.DISABLED, disabled_date=DISABLED)
GONE = Signals(USER, mailbox="NotFound")
PROMISE = RetentionDates(DISABLED, ENDS, service_ends_first=False)


def seen(mailbox: str = "NotFound", size: float | None = None, **changes: Any) -> Signals:
    return Signals(replace(USER, **changes), mailbox=mailbox, mailbox_size=size)


@pytest.mark.parametrize(
    ("signals", "outcome", "says"),
    [
        (GONE, "CleanupVerified", "does not find the mailbox"),
        (seen("Empty", 0.0), "CleanupVerified", "a size of 0"),
        (seen("NotGiven"), "CleanupVerified", "was not observed"),
        (seen("NotApplicable", type=EntityType.GROUP), "CleanupVerified", "A group has no mailbox"),
        (seen(mailbox_deprovisioned_date=DISABLED), "CleanupVerified", "was not observed"),
        (seen(mailbox_deprovisioned_date=ENDS), "CleanupVerified", "was not observed"),
        (seen(mailbox_deprovisioned_date=NOW), "CleanupVerified", "was not observed"),
        (seen("Present", 0.1), None, "the mailbox still has a size of 0.1 MB"),
        (seen(mailbox_deprovisioned_date=NOW + timedelta(seconds=1)), None, "still ahead"),
        (seen(disabled_date=None), None, "no DisabledDate"),
        (seen(state=EntityState.ENABLED), "Reenabled", "registered again"),
        (seen(disabled_date=DISABLED + timedelta(milliseconds=1)), "Reenabled", "disabled again since"),
        (seen(disabled_date=DISABLED - timedelta(days=90)), "Reenabled", "disabled again since"),
        (seen(disabled_date=DISABLED + timedelta(microseconds=1)), "CleanupVerified", "disabled since"),
        (seen(state=EntityState.DELETED), "EntityRemoved", "deleted from the directory"),
        (Signals(None, mailbox="NotGiven"), "EntityRemoved", "deleted from the directory"),
    ],
)
def test_the_outcome_follows_from_what_workmail_shows(signals: Signals, outcome: str | None, says: str) -> None:
    verdict = decide(signals, PROMISE, NOW)

    assert verdict.outcome == outcome
    assert says in verdict.explanation


@pytest.mark.parametrize(("now", "outcome"), [(ENDS - timedelta(milliseconds=1), None), (ENDS, "CleanupVerified")])
def test_nothing_is_verified_before_the_retention_has_ended(now: datetime, outcome: str | None) -> None:
    assert decide(GONE, PROMISE, now).outcome == outcome


@pytest.mark.parametrize(
    ("signals", "outcome"),
    [
        (GONE, "ServiceEnded"),
        (seen("Present", 3.0), "ServiceEnded"),
        (seen(state=EntityState.ENABLED), "Reenabled"),
        (Signals(None, mailbox="NotGiven"), "EntityRemoved"),
    ],
)
def test_when_workmail_ends_first_the_cleanup_is_not_claimed(signals: Signals, outcome: str) -> None:
    promise = RetentionDates(DISABLED, ENDS, service_ends_first=True)

    assert decide(signals, promise, DISABLED + timedelta(days=20)).outcome == outcome


def test_the_evidence_names_the_signals_that_workmail_did_not_give() -> None:
    assert GONE.to_json() == {
        "Mailbox": "NotFound",
        "State": "DISABLED",
        "DisabledDate": "2026-11-22T10:00:00.123Z",
        "NotGiven": ["MailboxDeprovisionedDate", "MailboxSize"],
    }


def test_an_undecided_verdict_is_looked_at_again_a_day_later_until_it_is_overdue() -> None:
    undecided = Verdict(None, "The mailbox still has a size.")

    assert _outcome_or_next_check(undecided, NOW, NOW + timedelta(days=7)) == {
        "LookAgainAt": "2026-12-23T16:00:01.000Z"
    }
    assert _outcome_or_next_check(undecided, NOW, NOW + timedelta(hours=2)) == {
        "LookAgainAt": "2026-12-22T18:00:01.000Z"
    }
    with pytest.raises(CleanupOverdue, match="still has a size"):
        _outcome_or_next_check(undecided, NOW, NOW)


def test_every_signal_that_the_mailbox_is_still_there_is_named() -> None:
    ahead = seen("Present", 0.5, mailbox_deprovisioned_date=NOW + timedelta(days=1))

    assert decide(ahead, PROMISE, NOW).explanation == (
        "The entity has been disabled since 2026-11-22T10:00:00.123Z and the retention has ended, but the mailbox "
        "still has a size of 0.5 MB and MailboxDeprovisionedDate is still ahead (2026-12-23T16:00:00.123Z)."
    )
    assert Signals(None, "Present", 0.5).of_present_mailbox(NOW) == ["the mailbox still has a size of 0.5 MB"]


A = execution("a")
MONTH_LATER = "2026-12-24T09:00:00.000Z"
LOOKED = "2026-12-24T15:00:00.000Z"


@pytest.fixture
def dana(people: People, table: Table, frozen: None) -> str:
    """A user whom the execution a has deregistered."""
    user = people.user("dana")
    deregister(user)
    table.deregister("a", user, MONTH_LATER)
    return user


def known(entity: Entity) -> dict[str, str]:
    """Return an entity as it was when it was resolved."""
    return replace(entity, state=EntityState.ENABLED, disabled_date=None).to_json()


def look(entity: Entity, **changes: Any) -> dict[str, Any]:
    event = {
        "ExecutionArn": A,
        "Now": LOOKED,
        "OrganizationId": ORGANIZATION_ID,
        "Entity": known(entity),
        "ServiceEndsAt": "2027-03-31T00:00:00.000Z",
        "DeregisteredAt": STARTED,
        "RetentionEndsAt": MONTH_LATER,
        "GiveUpAt": "2026-12-31T15:00:00.000Z",
        "ServiceEndsFirst": False,
        "Check": 1,
        **changes,
    }
    return verify_cleanup.handler(event, Context())


def observed(entity: Entity) -> Signals:
    return read_signals(Directory(client("workmail"), ORGANIZATION_ID), known(entity))


def test_a_mailbox_that_is_gone_is_verified_and_the_record_says_so(
    dana: str, table: Table, organization: WorkMailBackend, counted: Callable[[], dict[str, float]]
) -> None:
    entity = described(dana)
    organization.behaviour = Behaviour(mailbox_details_of_disabled="EntityNotFoundException")

    answer = look(entity)

    assert [said["Operation"] for said in answer["Evidence"].pop("Answers")] == ["DescribeUser", "GetMailboxDetails"]
    signals = {
        "Mailbox": "NotFound",
        "State": "DISABLED",
        "DisabledDate": STARTED,
        "MailboxDeprovisionedDate": STARTED,
        "NotGiven": ["MailboxSize"],
    }
    explanation = (
        f"The entity has been disabled since {STARTED}, and the retention has ended. WorkMail does not find the "
        "mailbox. It may not find that of any disabled entity, so the removal itself was not observed."
    )
    assert answer == {
        "Outcome": "CleanupVerified",
        "Explanation": explanation,
        "Evidence": {"At": LOOKED, "Check": 1, "Recorded": True, "Signals": signals},
    }
    assert counted() == {"CleanupVerified": 1}
    record = table.get(A)
    assert (record.status, record.outcome, record.ended_at) == (Status.ENDED, "CleanupVerified", LOOKED)
    assert table.holder(dana) is None
    noted = (table.item(A) or {})["Steps"]["L"][-1]["M"]
    assert {name: noted[name]["S"] for name in ("At", "Step", "Outcome", "Explanation")} == {
        "At": LOOKED,
        "Step": "VerifyCleanup",
        "Outcome": "CleanupVerified",
        "Explanation": explanation,
    }
    assert noted["Check"] == {"N": "1"}
    assert noted["Signals"]["M"]["Mailbox"] == {"S": "NotFound"}


def test_a_mailbox_that_is_still_there_is_looked_at_again(
    dana: str, table: Table, organization: WorkMailBackend, counted: Callable[[], dict[str, float]]
) -> None:
    organization.set_mailbox_size(ORGANIZATION_ID, dana, 0.5)

    answer = look(described(dana), Check=2)

    assert answer["LookAgainAt"] == "2026-12-25T15:00:00.000Z"
    assert "Outcome" not in answer
    assert answer["Evidence"]["Signals"]["MailboxSize"] == 0.5
    assert counted() == {"LooksAgain": 1}
    assert table.get(A).outcome is None
    assert "Outcome" not in (table.item(A) or {})["Steps"]["L"][-1]["M"]
    assert table.holder(dana) == A
    with pytest.raises(CleanupOverdue, match=f"It was checked until {LOOKED}"):
        look(described(dana), GiveUpAt=LOOKED)


@pytest.mark.parametrize("service_ends_first", [False, True])
def test_the_promise_decides_what_is_claimed(dana: str, service_ends_first: bool) -> None:
    answer = look(described(dana), ServiceEndsFirst=service_ends_first, Now="2026-12-24T08:59:59.999Z")

    assert answer.get("Outcome") == ("ServiceEnded" if service_ends_first else None)
    assert MONTH_LATER in answer["Explanation"] or not service_ends_first


def test_another_date_than_the_recorded_one_is_another_window(dana: str, table: Table) -> None:
    answer = look(described(dana), DeregisteredAt="2026-11-24T08:59:59.999Z")

    assert answer["Outcome"] == "Reenabled"
    assert answer["Explanation"] == (
        f"The entity was registered again, and is disabled again since {STARTED}, so its 30 days began again. Start "
        "another offboarding to have them watched."
    )


def test_without_a_record_the_verdict_stands(dana: str, table: Table) -> None:
    table.delete(A)

    assert look(described(dana))["Evidence"]["Recorded"] is False


@pytest.mark.parametrize(("size", "mailbox"), [(0.0, "Empty"), (0.01, "Present"), (1.0, "Present")])
def test_a_mailbox_is_there_if_there_is_anything_in_it(
    dana: str, organization: WorkMailBackend, size: float, mailbox: str
) -> None:
    organization.set_mailbox_size(ORGANIZATION_ID, dana, size)

    assert observed(described(dana)) == Signals(described(dana), mailbox, size)


def test_a_mailbox_without_a_size_says_nothing(dana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = described(dana)
    monkeypatch.setattr(Directory, "describe_mailbox", lambda self, entity_id: Mailbox(size=None))

    assert observed(entity) == Signals(entity, "NotGiven", None)


def test_of_what_is_enabled_or_a_group_no_mailbox_is_asked(people: People, organization: WorkMailBackend) -> None:
    enabled, group = described(people.user("kim")), people.group("staff")
    deregister(group)
    disabled = described(group, EntityType.GROUP)
    called(organization)

    assert observed(enabled) == Signals(enabled, "NotGiven")
    assert observed(disabled) == Signals(disabled, "NotApplicable")
    assert called(organization) == ["DescribeUser", "DescribeGroup"]


@pytest.mark.parametrize("describe_deleted", ["DELETED", "EntityNotFoundException"])
def test_an_entity_that_was_deleted_takes_two_answers(
    dana: str, table: Table, organization: WorkMailBackend, describe_deleted: Any
) -> None:
    entity = described(dana)
    organization.behaviour = Behaviour(describe_deleted=describe_deleted)
    client("workmail").delete_user(OrganizationId=ORGANIZATION_ID, UserId=dana)
    called(organization)

    assert observed(entity).mailbox == "NotGiven"
    called(organization)
    assert look(entity)["Outcome"] == "EntityRemoved"

    looked = ["DescribeUser"] if describe_deleted == "DELETED" else ["DescribeUser", "ListUsers"]
    assert called(organization) == looked
    assert table.get(A).outcome == "EntityRemoved"


def test_what_is_not_found_and_listed_all_the_same_is_asked_for_again(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    entity = described(dana)
    fail(organization, "DescribeUser", "EntityNotFoundException")

    with pytest.raises(errors.WorkMailUnavailable, match=f"does not find {dana} by its id, but lists it"):
        look(entity)
    assert table.get(A).outcome is None


def test_a_list_that_is_not_found_is_not_an_empty_one(dana: str, organization: WorkMailBackend) -> None:
    entity = described(dana)
    fail(organization, "DescribeUser", "EntityNotFoundException")
    fail(organization, "ListUsers", "EntityNotFoundException")

    with pytest.raises(errors.WorkMailUnavailable, match="does not list the entities either"):
        look(entity)


def test_once_workmail_has_ended_its_silence_is_that_end(dana: str, organization: WorkMailBackend) -> None:
    entity = described(dana)
    organization.set_organization_state(ORGANIZATION_ID, "Deleted")

    with pytest.raises(errors.OrganizationNotActive):
        look(entity)
    with pytest.raises(errors.ServiceEnded):
        look(entity, ServiceEndsAt=LOOKED)
