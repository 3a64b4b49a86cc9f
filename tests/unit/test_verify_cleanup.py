"""The verdict: what WorkMail shows decides the outcome, and nothing else does."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from offboarding.entities import Entity, EntityState, EntityType
from offboarding.errors import CleanupOverdue
from offboarding.retention import parse
from verify_cleanup import Promise, Signals, Verdict, _conclusion, decide

DISABLED = parse("2026-11-22T10:00:00.123Z")
ENDS = DISABLED + timedelta(days=30)
NOW = ENDS + timedelta(hours=6)
USER = Entity(EntityType.USER, "0c1a", "dana", EntityState.DISABLED, disabled_date=DISABLED)
GONE = Signals(USER, mailbox="NotFound")
PROMISE = Promise(DISABLED, ENDS, service_ends_first=False)


def seen(mailbox: str = "NotFound", size: float | None = None, **changes: Any) -> Signals:
    return Signals(replace(USER, **changes), mailbox=mailbox, mailbox_size=size)


@pytest.mark.parametrize(
    ("signals", "outcome", "says"),
    [
        (GONE, "CleanupVerified", "does not answer for a mailbox"),
        (seen("Empty", 0.0), "CleanupVerified", "a size of 0"),
        (seen("NotGiven"), "CleanupVerified", "was not observed"),
        (seen("NotApplicable", type=EntityType.GROUP), "CleanupVerified", "A group has no mailbox"),
        (seen(mailbox_deprovisioned_date=DISABLED), "CleanupVerified", "was not observed"),
        (seen(mailbox_deprovisioned_date=ENDS), "CleanupVerified", "was not observed"),
        (seen(mailbox_deprovisioned_date=NOW), "CleanupVerified", "was not observed"),
        (seen("Present", 0.1), None, "the mailbox still has a size of 0.1 MB"),
        (seen(mailbox_deprovisioned_date=NOW + timedelta(seconds=1)), None, "yet to come"),
        (seen(disabled_date=None), None, "no date since when"),
        (seen(state=EntityState.ENABLED), "Reenabled", "registered again"),
        (seen(disabled_date=DISABLED + timedelta(milliseconds=1)), "Reenabled", "disabled anew since"),
        (seen(disabled_date=DISABLED - timedelta(days=90)), "Reenabled", "disabled anew since"),
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
    promise = Promise(DISABLED, ENDS, service_ends_first=True)

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

    assert _conclusion(undecided, NOW, NOW + timedelta(days=7)) == {"LookAgainAt": "2026-12-23T16:00:01.000Z"}
    assert _conclusion(undecided, NOW, NOW + timedelta(hours=2)) == {"LookAgainAt": "2026-12-22T18:00:01.000Z"}
    with pytest.raises(CleanupOverdue, match="still has a size"):
        _conclusion(undecided, NOW, NOW)
