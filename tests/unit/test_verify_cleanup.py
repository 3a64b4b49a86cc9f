"""What WorkMail shows after the retention decides the outcome."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

import verify_cleanup
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters.directory import Directory
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState, EntityType, Mailbox
from offboarding.domain.errors import CleanupOverdue
from offboarding.domain.record import Status
from offboarding.domain.timestamps import parse
from tests.unit.conftest import (
    ARN_A,
    NOW,
    RETENTION_ENDS_AT,
    Context,
    ReadMetrics,
    Table,
    client,
    delete_user,
    deregister,
    describe_entity,
    fail_operation,
    make_entity_step,
    take_calls,
)
from verify_cleanup import RetentionDates, Signals, Verdict, _outcome_or_next_check, decide, read_signals

DISABLED_AT = parse("2026-11-22T10:00:00.123Z")
ENDS_AT = DISABLED_AT + timedelta(days=30)
CHECKED_AT = ENDS_AT + timedelta(hours=6)
DISABLED_USER = Entity(EntityType.USER, "0c1a", "dana", EntityState.DISABLED, disabled_date=DISABLED_AT)
NO_MAILBOX = Signals(DISABLED_USER, mailbox="NotFound")
DATES = RetentionDates(DISABLED_AT, ENDS_AT, service_ends_first=False)


def make_signals(mailbox: str = "NotFound", size: float | None = None, **changes: Any) -> Signals:
    return Signals(replace(DISABLED_USER, **changes), mailbox=mailbox, mailbox_size=size)


@pytest.mark.parametrize(
    ("signals", "outcome", "message"),
    [
        (NO_MAILBOX, "CleanupVerified", "does not find the mailbox"),
        (make_signals("Empty", 0.0), "CleanupVerified", "a size of 0"),
        (make_signals("NotGiven"), "CleanupVerified", "was not observed"),
        (make_signals("NotApplicable", type=EntityType.GROUP), "CleanupVerified", "A group has no mailbox"),
        (make_signals(mailbox_deprovisioned_date=DISABLED_AT), "CleanupVerified", "was not observed"),
        (make_signals(mailbox_deprovisioned_date=ENDS_AT), "CleanupVerified", "was not observed"),
        (make_signals(mailbox_deprovisioned_date=CHECKED_AT), "CleanupVerified", "was not observed"),
        (make_signals("Present", 0.1), None, "the mailbox still has a size of 0.1 MB"),
        (make_signals(mailbox_deprovisioned_date=CHECKED_AT + timedelta(seconds=1)), None, "still ahead"),
        (make_signals(disabled_date=None), None, "no DisabledDate"),
        (make_signals(state=EntityState.ENABLED), "Reenabled", "registered again"),
        (make_signals(disabled_date=DISABLED_AT + timedelta(milliseconds=1)), "Reenabled", "disabled again since"),
        (make_signals(disabled_date=DISABLED_AT - timedelta(days=90)), "Reenabled", "disabled again since"),
        (make_signals(disabled_date=DISABLED_AT + timedelta(microseconds=1)), "CleanupVerified", "was disabled"),
        (make_signals(state=EntityState.DELETED), "EntityRemoved", "nothing was observed of its mailbox"),
        (Signals(None, mailbox="NotGiven"), "EntityRemoved", "It cannot be restored"),
    ],
)
def test_the_outcome_follows_from_the_signals(signals: Signals, outcome: str | None, message: str) -> None:
    verdict = decide(signals, DATES, CHECKED_AT)

    assert verdict.outcome == outcome
    assert message in verdict.explanation


@pytest.mark.parametrize(
    ("now", "outcome"), [(ENDS_AT - timedelta(milliseconds=1), None), (ENDS_AT, "CleanupVerified")]
)
def test_no_cleanup_is_verified_before_the_retention_has_ended(now: datetime, outcome: str | None) -> None:
    assert decide(NO_MAILBOX, DATES, now).outcome == outcome


@pytest.mark.parametrize(
    ("signals", "outcome"),
    [
        (NO_MAILBOX, "ServiceEnded"),
        (make_signals("Present", 3.0), "ServiceEnded"),
        (make_signals(state=EntityState.ENABLED), "Reenabled"),
        (Signals(None, mailbox="NotGiven"), "EntityRemoved"),
    ],
)
def test_no_cleanup_is_verified_if_the_service_ends_first(signals: Signals, outcome: str) -> None:
    dates = RetentionDates(DISABLED_AT, ENDS_AT, service_ends_first=True)

    assert decide(signals, dates, DISABLED_AT + timedelta(days=20)).outcome == outcome


ONE_MILLISECOND = timedelta(milliseconds=1)
AFTER_THE_END = ENDS_AT + timedelta(hours=2)


@pytest.mark.parametrize("kind", list(EntityType))
@pytest.mark.parametrize(
    ("enabled_date", "disabled_date", "within"),
    [
        (ENDS_AT - ONE_MILLISECOND, None, "Yes"),
        (ENDS_AT, None, "No"),
        (None, None, "NotGiven"),
        (DISABLED_AT - timedelta(days=900), None, "NotGiven"),
        (ENDS_AT - ONE_MILLISECOND, AFTER_THE_END, "Yes"),
        (ENDS_AT, AFTER_THE_END, "No"),
        (None, AFTER_THE_END, "NotGiven"),
        (None, ENDS_AT, "NotGiven"),
        # It was registered again before it was disabled again.
        (None, ENDS_AT - ONE_MILLISECOND, "Yes"),
        (DISABLED_AT, DISABLED_AT + ONE_MILLISECOND, "Yes"),
        # The registration at the moment of the disabling is the earlier one.
        (DISABLED_AT, ENDS_AT, "NotGiven"),
        (None, DISABLED_AT - ONE_MILLISECOND, "NotGiven"),
    ],
)
def test_a_registration_within_the_retention_is_told_from_one_after_it_by_what_workmail_shows(
    kind: EntityType, enabled_date: datetime | None, disabled_date: datetime | None, within: str
) -> None:
    state = EntityState.DISABLED if disabled_date else EntityState.ENABLED
    entity = replace(DISABLED_USER, type=kind, state=state, enabled_date=enabled_date, disabled_date=disabled_date)

    verdict = decide(Signals(entity, mailbox="NotGiven"), DATES, CHECKED_AT)

    outcome = "ReenabledAfterRetention" if within == "No" else "Reenabled"
    assert verdict.to_json() == {"Outcome": outcome, "WithinRetention": within}
    claims = {
        "Yes": "So nothing was cleaned up.",
        "No": "A group has no mailbox." if kind is EntityType.GROUP else "it has a new mailbox.",
        "NotGiven": "whether that was before or after its retention ended",
    }
    assert [name for name, claim in claims.items() if claim in verdict.explanation] == [within]
    assert ("disabled again since" in verdict.explanation) == (disabled_date is not None)


def test_an_enabled_entity_was_registered_within_a_retention_that_has_not_ended() -> None:
    entity = replace(DISABLED_USER, state=EntityState.ENABLED, disabled_date=None)

    verdict = decide(Signals(entity, mailbox="NotGiven"), DATES, ENDS_AT - ONE_MILLISECOND)

    assert verdict.within_retention == "Yes"


@pytest.mark.parametrize(("now", "within"), [(DISABLED_AT, "NotGiven"), (DISABLED_AT + ONE_MILLISECOND, "Yes")])
def test_an_enabled_entity_was_registered_after_the_disabling_if_time_has_passed_since_then(
    now: datetime, within: str
) -> None:
    """WorkMail can still show the date of that disabling, which is not the date of a later one."""
    entity = replace(DISABLED_USER, state=EntityState.ENABLED)

    assert decide(Signals(entity, mailbox="NotGiven"), DATES, now).within_retention == within


def test_the_evidence_has_the_names_of_the_missing_signals() -> None:
    assert NO_MAILBOX.to_json() == {
        "Mailbox": "NotFound",
        "State": "DISABLED",
        "DisabledDate": "2026-11-22T10:00:00.123Z",
        "NotGiven": ["MailboxDeprovisionedDate", "MailboxSize"],
    }


def test_an_undecided_verdict_is_checked_daily_until_it_is_overdue() -> None:
    undecided = Verdict(None, "The mailbox still has a size.")

    assert _outcome_or_next_check(undecided, CHECKED_AT, CHECKED_AT + timedelta(days=7)) == {
        "LookAgainAt": "2026-12-23T16:00:01.000Z"
    }
    assert _outcome_or_next_check(undecided, CHECKED_AT, CHECKED_AT + timedelta(hours=2)) == {
        "LookAgainAt": "2026-12-22T18:00:01.000Z"
    }
    with pytest.raises(CleanupOverdue, match="still has a size"):
        _outcome_or_next_check(undecided, CHECKED_AT, CHECKED_AT)


def test_the_explanation_has_every_signal_of_a_present_mailbox() -> None:
    signals = make_signals("Present", 0.5, mailbox_deprovisioned_date=CHECKED_AT + timedelta(days=1))

    assert decide(signals, DATES, CHECKED_AT).explanation == (
        "The entity has been disabled since 2026-11-22T10:00:00.123Z and the retention has ended, but the mailbox "
        "still has a size of 0.5 MB and MailboxDeprovisionedDate is still ahead (2026-12-23T16:00:00.123Z)."
    )
    assert Signals(None, "Present", 0.5).of_present_mailbox(CHECKED_AT) == ["the mailbox still has a size of 0.5 MB"]


VERIFIED_AT = "2026-12-24T15:00:00.000Z"


@pytest.fixture
def dana(people: OrganizationBuilder, table: Table, frozen_time: None) -> str:
    """A user that execution a has deregistered."""
    user = people.create_user("dana")
    deregister(user)
    table.create_deregistered_record("a", user, RETENTION_ENDS_AT)
    return user


def make_resolved(entity: Entity) -> Entity:
    """Return an entity as it was when it was resolved."""
    return replace(entity, state=EntityState.ENABLED, disabled_date=None)


def call_handler(entity: Entity, **changes: Any) -> dict[str, Any]:
    members = {
        "Now": VERIFIED_AT,
        "DeregisteredAt": NOW,
        "RetentionEndsAt": RETENTION_ENDS_AT,
        "GiveUpAt": "2026-12-31T15:00:00.000Z",
        "ServiceEndsFirst": False,
        "Check": 1,
        **changes,
    }
    return verify_cleanup.handler(make_entity_step(make_resolved(entity), members), Context())


def read_current_signals(entity: Entity) -> Signals:
    return read_signals(Directory(client("workmail"), ORGANIZATION_ID), make_resolved(entity).to_json())


def test_a_removed_mailbox_is_verified_and_recorded(
    dana: str, table: Table, organization: WorkMailBackend, read_metrics: ReadMetrics
) -> None:
    entity = describe_entity(dana)
    organization.behaviour = Behaviour(mailbox_details_of_disabled="EntityNotFoundException")

    answer = call_handler(entity)

    answers = answer["Evidence"].pop("Answers")
    assert [entry["Operation"] for entry in answers] == ["DescribeUser", "GetMailboxDetails"]
    signals = {
        "Mailbox": "NotFound",
        "State": "DISABLED",
        "DisabledDate": NOW,
        "MailboxDeprovisionedDate": NOW,
        "NotGiven": ["MailboxSize"],
    }
    explanation = (
        f"The entity was disabled without interruption from {NOW} to {VERIFIED_AT}, and the retention is over. "
        "WorkMail does not find the mailbox. It may not find that of any disabled entity, so the removal itself was "
        "not observed."
    )
    assert answer == {
        "Outcome": "CleanupVerified",
        "Explanation": explanation,
        "Evidence": {"At": VERIFIED_AT, "Check": 1, "Recorded": True, "Signals": signals},
    }
    assert read_metrics() == {"CleanupVerified": 1}
    record = table.load_record(ARN_A)
    assert (record.status, record.outcome, record.ended_at) == (Status.ENDED, "CleanupVerified", VERIFIED_AT)
    assert table.find_holder(dana) is None
    assert table.read_step(ARN_A, "VerifyCleanup") == {
        "At": VERIFIED_AT,
        "Step": "VerifyCleanup",
        "Check": 1,
        "Signals": signals,
        "Outcome": "CleanupVerified",
        "Explanation": explanation,
        "Answers": answers,
    }
    assert "Ended" not in table.read_step_names(ARN_A), "the execution has not ended yet"


def test_a_present_mailbox_is_checked_again_until_it_is_overdue(
    dana: str, table: Table, organization: WorkMailBackend, read_metrics: ReadMetrics
) -> None:
    organization.set_mailbox_size(ORGANIZATION_ID, dana, 0.5)

    answer = call_handler(describe_entity(dana), Check=2)

    assert answer["LookAgainAt"] == "2026-12-25T15:00:00.000Z"
    assert "Outcome" not in answer
    assert answer["Evidence"]["Signals"]["MailboxSize"] == 0.5
    assert read_metrics() == {"LooksAgain": 1}
    assert table.load_record(ARN_A).outcome is None
    assert "Outcome" not in table.read_steps(ARN_A)[-1]
    assert table.find_holder(dana) == ARN_A
    with pytest.raises(CleanupOverdue, match=f"It was checked until {VERIFIED_AT}"):
        call_handler(describe_entity(dana), GiveUpAt=VERIFIED_AT)


@pytest.mark.parametrize("service_ends_first", [False, True])
def test_before_the_retention_ends_the_outcome_depends_on_whether_the_service_ends_first(
    dana: str, service_ends_first: bool
) -> None:
    answer = call_handler(describe_entity(dana), ServiceEndsFirst=service_ends_first, Now="2026-12-24T08:59:59.999Z")

    assert answer.get("Outcome") == ("ServiceEnded" if service_ends_first else None)
    assert RETENTION_ENDS_AT in answer["Explanation"] or not service_ends_first


def test_another_disabled_date_than_the_recorded_one_means_another_window(dana: str, table: Table) -> None:
    answer = call_handler(describe_entity(dana), DeregisteredAt="2026-11-24T08:59:59.999Z")

    assert (answer["Outcome"], answer["WithinRetention"]) == ("Reenabled", "Yes")
    assert answer["Explanation"] == (
        f"The entity {dana} was registered again at {NOW}, before its retention ended at {RETENTION_ENDS_AT}. So "
        f"nothing was cleaned up. It is disabled again since {NOW}, so its 30 days began again. Start another "
        "offboarding to have them watched."
    )


def test_whether_it_was_within_the_retention_is_in_the_evidence_and_in_the_record(
    dana: str, table: Table, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    people.register(dana, "dana")
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=parse(RETENTION_ENDS_AT))

    answer = call_handler(describe_entity(dana))

    assert (answer["Outcome"], answer["WithinRetention"]) == ("ReenabledAfterRetention", "No")
    assert answer["Evidence"]["WithinRetention"] == "No"
    assert table.read_step(ARN_A, "VerifyCleanup")["WithinRetention"] == "No"
    assert table.read_text(ARN_A, "WithinRetention") == "No"
    assert table.list_executions("InWindow") == []
    deregister(dana)
    answer = call_handler(describe_entity(dana))
    assert "WithinRetention" not in answer["Evidence"]
    assert table.read_text(ARN_A, "WithinRetention") is None, "the execution has checked again"


def test_without_a_record_the_outcome_is_the_same(dana: str, table: Table, organization: WorkMailBackend) -> None:
    table.delete_item(ARN_A)
    organization.set_mailbox_size(ORGANIZATION_ID, dana, 0.0)

    answer = call_handler(describe_entity(dana))

    assert answer["Outcome"] == "CleanupVerified"
    assert answer["Evidence"]["Recorded"] is False


@pytest.mark.parametrize(("size", "mailbox"), [(0.0, "Empty"), (0.01, "Present"), (1.0, "Present")])
def test_a_mailbox_is_present_if_its_size_is_not_zero(
    dana: str, organization: WorkMailBackend, size: float, mailbox: str
) -> None:
    organization.set_mailbox_size(ORGANIZATION_ID, dana, size)

    assert read_current_signals(describe_entity(dana)) == Signals(describe_entity(dana), mailbox, size)


def test_a_mailbox_without_a_size_gives_no_signal(dana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = describe_entity(dana)
    monkeypatch.setattr(Directory, "describe_mailbox", lambda self, entity_id: Mailbox(size=None))

    assert read_current_signals(entity) == Signals(entity, "NotGiven", None)


def test_the_mailbox_of_an_enabled_entity_or_of_a_group_is_not_read(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    enabled, group = describe_entity(people.create_user("kim")), people.create_group("staff")
    deregister(group)
    disabled = describe_entity(group, EntityType.GROUP)
    take_calls(organization)

    assert read_current_signals(enabled) == Signals(enabled, "NotGiven")
    assert read_current_signals(disabled) == Signals(disabled, "NotApplicable")
    assert take_calls(organization) == ["DescribeUser", "DescribeGroup"]


@pytest.mark.parametrize("describe_deleted", ["DELETED", "EntityNotFoundException"])
def test_a_deleted_entity_needs_further_answers_unless_it_reads_as_deleted(
    dana: str, table: Table, organization: WorkMailBackend, describe_deleted: Any
) -> None:
    entity = describe_entity(dana)
    organization.behaviour = Behaviour(describe_deleted=describe_deleted)
    delete_user(dana)
    take_calls(organization)

    assert read_current_signals(entity).mailbox == "NotGiven"
    take_calls(organization)
    assert call_handler(entity)["Outcome"] == "EntityRemoved"

    operations = [] if describe_deleted == "DELETED" else [*3 * ["ListUsers"], "DescribeUser"]
    assert take_calls(organization) == ["DescribeUser", *operations]
    assert table.load_record(ARN_A).outcome == "EntityRemoved"


def test_an_entity_that_another_answer_shows_is_retried(dana: str, table: Table, organization: WorkMailBackend) -> None:
    entity = describe_entity(dana)
    fail_operation(organization, "DescribeUser", "EntityNotFoundException")

    with pytest.raises(errors.WorkMailUnavailable, match=f"did not find {dana} by its id, but another answer shows it"):
        call_handler(entity)
    assert table.load_record(ARN_A).outcome is None


def test_a_list_that_is_not_found_does_not_prove_that_an_entity_is_gone(
    dana: str, organization: WorkMailBackend
) -> None:
    entity = describe_entity(dana)
    fail_operation(organization, "DescribeUser", "EntityNotFoundException")
    fail_operation(organization, "ListUsers", "EntityNotFoundException", always=True)

    with pytest.raises(errors.WorkMailUnavailable, match="no list of entities shows whether it exists"):
        call_handler(entity)


def test_an_inactive_organization_means_from_the_end_date_on_that_the_service_has_ended(
    dana: str, organization: WorkMailBackend
) -> None:
    entity = describe_entity(dana)
    organization.set_organization_state(ORGANIZATION_ID, "Deleted")

    with pytest.raises(errors.OrganizationNotActive):
        call_handler(entity)
    with pytest.raises(errors.ServiceEnded):
        call_handler(entity, ServiceEndsAt=VERIFIED_AT)
