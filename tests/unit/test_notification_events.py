"""The event about a step: its members, its id, and what it never contains."""

import json
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.domain.notifications.events import DETAIL_TYPES, Event, make_event
from tests import told_steps
from tests.told_steps import AT, DEREGISTERED_AT, ENTITY_ID, EXECUTION_ARN, RESTORE_ARN, RETENTION_ENDS_AT, STEPS, UNTIL

COMMON = {
    "SchemaVersion": "1.0",
    "ExecutionArn": EXECUTION_ARN,
    "OrganizationId": ORGANIZATION_ID,
    "EntityId": ENTITY_ID,
    "EntityType": "USER",
    "OccurredAt": AT,
}
UNKNOWN_ENTITY = {
    name: value for name, value in COMMON.items() if name in {"SchemaVersion", "ExecutionArn", "OccurredAt"}
}
TOLD = {name: step for name, step in STEPS.items() if name != "last_day"}


def event_about(step: dict[str, Any]) -> Event:
    event = make_event(step)
    assert event is not None
    return event


@pytest.mark.parametrize(
    ("name", "detail_type", "members"),
    [
        ("scheduled", "Offboarding Scheduled", {**COMMON, "NotBefore": "2026-12-31T16:00:00.000Z"}),
        ("approval", "Approval Requested", {**COMMON, "CapIsReached": False, "ExpiresAt": UNTIL}),
        ("second_of_cap", "Approval Requested", {**COMMON, "CapIsReached": True, "ExpiresAt": UNTIL}),
        (
            "deregistered",
            "Offboarding Deregistered",
            {**COMMON, "OccurredAt": DEREGISTERED_AT, "WasEnabled": True, "RetentionEndsAt": RETENTION_ENDS_AT},
        ),
        (
            "ended",
            "Offboarding Ended",
            {**COMMON, "Outcome": "CleanupVerified", "MailboxTouched": "Yes", "DryRun": False},
        ),
        ("planned", "Offboarding Ended", {**COMMON, "Outcome": "Planned", "MailboxTouched": "No", "DryRun": True}),
        (
            "unresolved",
            "Offboarding Ended",
            {
                **UNKNOWN_ENTITY,
                "OrganizationId": ORGANIZATION_ID,
                "Outcome": "EntityNotFound",
                "MailboxTouched": "No",
                "DryRun": False,
            },
        ),
        (
            "unreadable_input",
            "Offboarding Ended",
            {**UNKNOWN_ENTITY, "Outcome": "InvalidRequest", "MailboxTouched": "No", "DryRun": False},
        ),
        (
            "returned",
            "Leaver Returned",
            {
                **COMMON,
                "Provider": "okta",
                "ProviderEventId": "e-2",
                "ReturnedAt": "2026-11-24T08:00:00Z",
                "MailboxTouched": "Yes",
                "RetentionEndsAt": RETENTION_ENDS_AT,
            },
        ),
        (
            "returned_before",
            "Leaver Returned",
            {
                **COMMON,
                "Provider": "okta",
                "ProviderEventId": "e-2",
                "ReturnedAt": "2026-11-24T08:00:00Z",
                "MailboxTouched": "No",
            },
        ),
        ("restored", "Offboarding Restored", {**COMMON, "RestoredIn": RESTORE_ARN, "IsComplete": True}),
        ("restored_in_part", "Offboarding Restored", {**COMMON, "RestoredIn": RESTORE_ARN, "IsComplete": False}),
        (
            "refused",
            "Event Refused",
            {"SchemaVersion": "1.0", "OccurredAt": AT, "Provider": "okta", "ProviderEventId": "e-1"},
        ),
        ("refused_text", "Event Refused", {"SchemaVersion": "1.0", "OccurredAt": AT}),
    ],
)
def test_an_event_has_the_ids_the_dates_and_the_facts_of_its_step(
    name: str, detail_type: str, members: dict[str, object]
) -> None:
    event = event_about(STEPS[name])

    assert event.detail_type == detail_type
    assert {member: value for member, value in event.detail.items() if member != "EventId"} == members
    assert event.resources == ((EXECUTION_ARN,) if "ExecutionArn" in members else ())


@pytest.mark.parametrize("name", TOLD)
def test_an_event_contains_no_name_no_address_and_no_free_text(name: str) -> None:
    text = json.dumps(event_about(STEPS[name]).detail).casefold()

    assert "dana" not in text
    assert "@" not in text
    for member in ("Cause", "Reason", "Reasons", "Identifier"):
        assert member not in event_about(STEPS[name]).detail


def test_there_is_no_event_about_the_last_day_or_an_untold_step() -> None:
    assert make_event(told_steps.LAST_DAY) is None
    assert make_event(told_steps.make_step("VerifyCleanup", **told_steps.ENTITY)) is None


def test_every_detail_type_has_a_sample_step() -> None:
    assert {event_about(step).detail_type for step in TOLD.values()} == set(DETAIL_TYPES)


def test_the_id_of_an_event_never_changes() -> None:
    assert event_about(told_steps.ENDED).detail["EventId"] == "ff1529a0-a030-5bb7-83b3-23446e3d568a"


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        (told_steps.SCHEDULED, {"EntityName": "other"}),
        (told_steps.APPROVAL, {"Until": "2026-12-09T09:00:00.000Z"}),
        (told_steps.DEREGISTERED, {"WasEnabled": False}),
        (told_steps.ENDED, {"Cause": "another"}),
        (told_steps.RESTORED, {"Missing": [1]}),
        (told_steps.RETURNED, {"MailboxTouched": "Maybe"}),
        (told_steps.REFUSED, {"Reason": "another"}),
    ],
)
def test_the_same_fact_has_the_same_id(step: dict[str, Any], changes: dict[str, Any]) -> None:
    repeated = {**step, "At": "2026-11-24T09:00:01.000Z", "Part": "Step later", **changes}

    assert event_about(repeated).detail["EventId"] == event_about(step).detail["EventId"]


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        (told_steps.SCHEDULED, {"DueAt": "2027-01-01T00:00:00.000Z"}),
        (told_steps.SCHEDULED, {"Id": RESTORE_ARN}),
        (told_steps.APPROVAL, {"Id": RESTORE_ARN}),
        (told_steps.DEREGISTERED, {"DeregisteredAt": AT}),
        (told_steps.ENDED, {"Outcome": "Reenabled"}),
        (told_steps.RESTORED, {"RestoredIn": RESTORE_ARN + "-again"}),
        (told_steps.RETURNED, {"EventId": "e-3"}),
        (told_steps.RETURNED, {"Id": RESTORE_ARN}),
        (told_steps.REFUSED, {"Id": "refused/another"}),
        (told_steps.SCHEDULED, told_steps.APPROVAL),
    ],
)
def test_another_fact_has_another_id(step: dict[str, Any], changes: dict[str, Any]) -> None:
    assert event_about({**step, **changes}).detail["EventId"] != event_about(step).detail["EventId"]
