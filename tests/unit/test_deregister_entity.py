"""Who is deregistered, right before and right after it, and since when WorkMail itself says so."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

import deregister_entity
from deregister_entity import (
    MAX_RESOLUTION_AGE,
    REUSE_RESOLUTION_FOR,
    WORKMAIL_CLOCK_SKEW,
    WORKMAIL_LAG_MARGIN,
    confirmed_date,
)
from local.defaults import ORGANIZATION_ID
from local.organization import People
from local.workmail import Behaviour, WorkMailBackend
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.record import Status
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import (
    NOW,
    USER_ID,
    Context,
    Table,
    a_policy,
    an_offboarding,
    called,
    configure,
    deregister,
    described,
    execution,
    fail,
)

A = execution("a")
MOMENT = timedelta(milliseconds=1)
MONTH_LATER = "2026-12-24T09:00:00.000Z"


@pytest.fixture(autouse=True)
def rules(monkeypatch: pytest.MonkeyPatch, frozen: None) -> None:
    configure(monkeypatch, "VERIFICATION_SLACK_HOURS", "6")
    configure(monkeypatch, "OVERDUE_DAYS", "7")
    configure(monkeypatch, "SERVICE_ENDS_ON", "2027-03-31")


@pytest.fixture
def dana(people: People, table: Table, put_policy: Callable[[str], None], organization: WorkMailBackend) -> str:
    """A user whom the execution a holds, has recorded, and may deregister."""
    put_policy(a_policy())
    user = people.user("dana")
    table.open("a", user)
    called(organization)
    return user


def step(entity: Entity, **changes: Any) -> dict[str, Any]:
    return {
        "ExecutionArn": A,
        "Now": NOW,
        "OrganizationId": ORGANIZATION_ID,
        "Entity": entity.to_json(),
        "ServiceEndsAt": "2027-03-31T00:00:00.000Z",
        "ResolvedAt": NOW,
        "RetryCount": 0,
        **changes,
    }


def act(entity: Entity, **changes: Any) -> dict[str, Any]:
    return deregister_entity.handler(step(entity, **changes), Context())


def test_who_is_enabled_is_deregistered_and_the_dates_are_workmails(
    dana: str, table: Table, organization: WorkMailBackend, counted: Callable[[], dict[str, float]]
) -> None:
    resolved = described(dana)
    called(organization)

    answer = act(resolved)

    assert called(organization) == ["DeregisterFromWorkMail", "DescribeUser"]
    assert described(dana).state is EntityState.DISABLED
    assert [said["Operation"] for said in answer["Evidence"].pop("Answers")] == [
        "DeregisterFromWorkMail",
        "DescribeUser",
    ]
    dates = {
        "DeregisteredAt": NOW,
        "RetentionEndsAt": MONTH_LATER,
        "VerifyAt": "2026-12-24T15:00:00.000Z",
        "GiveUpAt": "2026-12-31T15:00:00.000Z",
        "ServiceEndsFirst": False,
    }
    assert answer == {**dates, "Evidence": {"At": NOW, "WasEnabled": True, "Recorded": True}}
    assert counted() == {"EntitiesDeregistered": 1}
    record = table.get(A)
    assert (record.status, record.deregistered_at, record.retention_ends_at) == (Status.IN_WINDOW, NOW, MONTH_LATER)
    assert table.steps(A) == ["Recorded", "Deregister", "Deregistered"]


def test_the_steps_of_the_record_say_when_which_attempt_and_whether_it_was_enabled(dana: str, table: Table) -> None:
    act(described(dana), RetryCount=2)

    _, before, after = (entry["M"] for entry in (table.item(A) or {})["Steps"]["L"])
    assert before == {"At": {"S": NOW}, "Step": {"S": "Deregister"}, "Attempt": {"N": "3"}}
    assert after == {"At": {"S": NOW}, "Step": {"S": "Deregistered"}, "WasEnabled": {"BOOL": True}}


@pytest.mark.parametrize(
    ("resolved_before", "retry_count", "reads_first"),
    [
        (timedelta(), 0, False),
        (REUSE_RESOLUTION_FOR - MOMENT, 0, False),
        (REUSE_RESOLUTION_FOR, 0, True),
        (MAX_RESOLUTION_AGE, 0, True),
        (timedelta(), 1, True),
    ],
)
def test_what_is_not_fresh_or_was_tried_before_is_read_again_first(
    dana: str, organization: WorkMailBackend, resolved_before: timedelta, retry_count: int, reads_first: bool
) -> None:
    resolved = described(dana)
    called(organization)

    act(resolved, ResolvedAt=render(parse(NOW) - resolved_before), RetryCount=retry_count)

    first = ["DescribeUser"] if reads_first else []
    assert called(organization) == [*first, "DeregisterFromWorkMail", "DescribeUser"]


def test_nothing_is_deregistered_by_what_was_looked_up_long_ago(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    long_ago = render(parse(NOW) - MAX_RESOLUTION_AGE - MOMENT)

    with pytest.raises(errors.EntityMismatch, match=f"resolved at {long_ago}, too long ago"):
        act(described(dana), ResolvedAt=long_ago)

    assert "DeregisterFromWorkMail" not in called(organization)
    assert described(dana).state is EntityState.ENABLED
    assert table.steps(A) == ["Recorded", "Mismatch"]


def test_what_was_disabled_before_is_only_joined(
    dana: str, table: Table, organization: WorkMailBackend, counted: Callable[[], dict[str, float]]
) -> None:
    deregister(dana)
    a_week_ago = parse(NOW) - timedelta(days=7)
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=a_week_ago)
    resolved = described(dana)
    called(organization)

    answer = act(resolved)

    assert called(organization) == ["DescribeUser"]
    assert answer["DeregisteredAt"] == render(a_week_ago)
    assert answer["Evidence"]["WasEnabled"] is False
    assert counted() == {"EntitiesDeregistered": 0}
    assert table.steps(A) == ["Recorded", "Deregistered"]
    assert table.get(A).deregistered_at == render(a_week_ago)


def test_who_was_disabled_when_looked_up_and_is_enabled_now_is_left_alone(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    resolved = replace(described(dana), state=EntityState.DISABLED)

    with pytest.raises(errors.EntityMismatch, match=f"Somebody has registered {dana} since it was resolved"):
        act(resolved)

    assert "DeregisterFromWorkMail" not in called(organization)
    assert table.steps(A) == ["Recorded", "Mismatch"]


def test_who_was_registered_anew_since_looked_up_is_left_alone(dana: str, organization: WorkMailBackend) -> None:
    resolved = described(dana)
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=parse(NOW) + timedelta(seconds=1))

    with pytest.raises(errors.EntityMismatch, match="Somebody has registered"):
        act(resolved, RetryCount=1)
    assert "DeregisterFromWorkMail" not in called(organization)


def test_a_retry_after_the_call_took_effect_finds_it_done(dana: str, organization: WorkMailBackend) -> None:
    resolved = described(dana)
    deregister(dana)
    called(organization)

    answer = act(resolved, RetryCount=1)

    assert called(organization) == ["DescribeUser"]
    assert answer["DeregisteredAt"] == NOW
    assert answer["Evidence"]["WasEnabled"] is True


@pytest.mark.parametrize("entry", ["DANA", "dana@*", "d.leaver@example.com"])
def test_who_was_put_on_the_protected_list_meanwhile_is_safe(
    dana: str, table: Table, put_policy: Any, organization: WorkMailBackend, entry: str
) -> None:
    table.open("a", dana, Entity={"Aliases": ["d.leaver@example.com"]})
    put_policy(a_policy(protected=("ceo", entry)))

    with pytest.raises(errors.EntityProtected, match="by entry 2 of the organization's protected"):
        act(described(dana))
    assert "DeregisterFromWorkMail" not in called(organization)


def test_who_was_put_on_the_list_after_workmail_was_asked_is_not_called_untouched(
    dana: str, table: Table, put_policy: Any, organization: WorkMailBackend
) -> None:
    resolved = described(dana)
    fail(organization, "DeregisterFromWorkMail", "ThrottlingException")
    with pytest.raises(errors.WorkMailUnavailable):
        act(resolved)
    put_policy(a_policy(protected=("dana",)))
    called(organization)

    with pytest.raises(errors.DeregistrationNotConfirmed, match=r"by entry 1 .* Before that, WorkMail may have been"):
        act(resolved, RetryCount=1)
    assert called(organization) == ["DescribeUser"]
    assert table.with_status("InWindow") == ["a"]


def test_a_record_without_aliases_protects_nobody_and_forbids_nothing(dana: str, table: Table) -> None:
    table.open("a", dana, Entity={"Aliases": None})

    assert act(described(dana))["DeregisteredAt"] == NOW


def test_who_became_a_system_user_meanwhile_is_safe(dana: str, organization: WorkMailBackend) -> None:
    resolved = described(dana)
    organization.set_user_role(ORGANIZATION_ID, dana, "SYSTEM_USER")

    with pytest.raises(errors.EntityProtected, match="system user"):
        act(resolved, RetryCount=1)
    assert "DeregisterFromWorkMail" not in called(organization)


def test_without_the_settings_nobody_is_deregistered(dana: str, put_policy: Any, organization: WorkMailBackend) -> None:
    put_policy("no JSON")

    with pytest.raises(errors.SettingsUnavailable):
        act(described(dana))
    assert "DeregisterFromWorkMail" not in called(organization)


def test_without_a_record_nobody_is_deregistered(dana: str, table: Table, organization: WorkMailBackend) -> None:
    table.delete(A)

    with pytest.raises(errors.RecordMissing, match="record of this offboarding is gone"):
        act(described(dana))
    assert "DeregisterFromWorkMail" not in called(organization)
    table.delete(f"{ORGANIZATION_ID}/{dana}")
    with pytest.raises(errors.RecordMissing):
        act(described(dana))
    assert "DeregisterFromWorkMail" not in called(organization)


def test_who_is_held_by_another_execution_is_not_deregistered_by_this_one(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    table.records.release(an_offboarding(A, dana))
    table.records.hold(an_offboarding(execution("b"), dana), NOW)

    with pytest.raises(errors.AlreadyInProgress, match=f'"ExecutionArn": "{execution("b")}"'):
        act(described(dana))
    assert "DeregisterFromWorkMail" not in called(organization)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDeniedException", errors.AccessDenied),
        ("UnsupportedOperationException", errors.DeregistrationRefused),
        ("EntityNotFoundException", errors.EntityNotFound),
        ("OrganizationNotFoundException", errors.OrganizationNotFound),
        ("OrganizationStateException", errors.OrganizationNotActive),
    ],
)
def test_a_clear_no_of_workmail_takes_the_entity_out_of_the_window(
    dana: str, table: Table, organization: WorkMailBackend, code: str, error: type[Exception]
) -> None:
    resolved = described(dana)
    fail(organization, "DeregisterFromWorkMail", code)

    with pytest.raises(error):
        act(resolved)

    assert table.steps(A) == ["Recorded", "Deregister", "Refused"]
    assert table.get(A).status is Status.RECORDED
    assert table.with_status("InWindow") == []


@pytest.mark.parametrize(
    ("asked_before", "in_window"),
    [
        (-timedelta(minutes=1), ["b"]),
        (timedelta(), ["b"]),
        (WORKMAIL_LAG_MARGIN, ["b"]),
        (WORKMAIL_LAG_MARGIN + MOMENT, []),
        (None, []),
    ],
)
def test_a_no_is_none_about_what_the_former_execution_asked_a_moment_ago(
    dana: str,
    table: Table,
    organization: WorkMailBackend,
    people: People,
    asked_before: timedelta | None,
    in_window: list[str],
) -> None:
    """Its answer was lost, it was stopped, and WorkMail does not show it yet."""
    if asked_before is not None:
        asked = {"At": render(parse(NOW) - asked_before), "Step": "Deregister"}
        table.records.record_attempt(an_offboarding(A, dana), MONTH_LATER, asked)
    else:
        deregister(dana)
        act(described(dana))
        people.register(dana, "dana")
    table.records.release(an_offboarding(A, dana))
    table.open("b", dana)
    resolved = described(dana)
    fail(organization, "DeregisterFromWorkMail", "AccessDeniedException")

    with pytest.raises(errors.AccessDenied):
        act(resolved, ExecutionArn=execution("b"))

    assert table.with_status("InWindow") == in_window
    assert table.get(A).superseded_by == execution("b")


def test_a_no_to_an_execution_that_was_redriven_counts(dana: str, table: Table, organization: WorkMailBackend) -> None:
    resolved = described(dana)
    for _ in range(2):
        fail(organization, "DeregisterFromWorkMail", "AccessDeniedException")
        with pytest.raises(errors.AccessDenied):
            act(resolved)

    assert table.with_status("InWindow") == []


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure", "SomethingNew"])
def test_what_may_have_taken_effect_stays_in_the_window_until_the_retention_would_end(
    dana: str, table: Table, organization: WorkMailBackend, code: str
) -> None:
    resolved = described(dana)
    fail(organization, "DeregisterFromWorkMail", code)

    with pytest.raises(errors.OffboardingError):
        act(resolved, ResolvedAt=render(parse(NOW) - timedelta(minutes=1)))

    assert table.steps(A) == ["Recorded", "Deregister"]
    assert table.with_status("InWindow") == ["a"]
    assert table.text(A, "DueAt") == MONTH_LATER


@pytest.mark.parametrize(
    ("retry_count", "resolved_before", "in_window"),
    [
        (0, timedelta(), []),
        (1, timedelta(), ["a"]),
        (1, WORKMAIL_LAG_MARGIN, ["a"]),
        (1, WORKMAIL_LAG_MARGIN + MOMENT, []),
        (7, WORKMAIL_LAG_MARGIN + MOMENT, []),
    ],
)
def test_a_no_to_a_retry_counts_once_workmail_would_show_what_an_earlier_attempt_did(
    dana: str,
    table: Table,
    organization: WorkMailBackend,
    retry_count: int,
    resolved_before: timedelta,
    in_window: list[str],
) -> None:
    resolved = described(dana)
    fail(organization, "DeregisterFromWorkMail", "EntityStateException")

    with pytest.raises(errors.DeregistrationRefused, match=f"refuses to deregister {dana}"):
        act(resolved, RetryCount=retry_count, ResolvedAt=render(parse(NOW) - resolved_before))

    assert table.with_status("InWindow") == in_window
    assert ("Refused" in table.steps(A)) is not bool(in_window)
    if not in_window:
        assert (table.item(A) or {})["Steps"]["L"][-1]["M"]["At"] == {"S": NOW}


def test_a_refusal_because_it_is_disabled_already_is_success(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    resolved = described(dana)
    deregister(dana)
    organization.behaviour = Behaviour(deregister_disabled="EntityStateException")

    assert act(resolved)["DeregisteredAt"] == NOW
    assert table.get(A).status is Status.IN_WINDOW


def test_what_still_reads_as_enabled_is_asked_for_again_and_stays_in_the_window(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    resolved = described(dana)
    organization.behaviour = Behaviour(describe_lag_seconds=60)

    with pytest.raises(errors.DeregistrationNotConfirmed, match=f"{dana} still reads as enabled"):
        act(resolved)
    assert table.with_status("InWindow") == ["a"]


def test_who_is_not_found_when_read_back_stays_in_the_window_and_is_looked_for_again(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    resolved = described(dana)
    fail(organization, "DescribeUser", "EntityNotFoundException")

    with pytest.raises(errors.DeregistrationNotConfirmed, match=f"took the deregistration of {dana} and does not find"):
        act(resolved)
    assert table.with_status("InWindow") == ["a"]


MAY_HAVE = "Before that, WorkMail may have been asked to deregister {user}, and may have done so."


@pytest.mark.parametrize(
    ("operation", "retry_count", "says_so"), [("DeregisterFromWorkMail", 0, True), ("DescribeUser", 1, False)]
)
def test_what_fails_after_the_call_says_that_it_may_have_taken_effect(
    dana: str, organization: WorkMailBackend, operation: str, retry_count: int, says_so: bool
) -> None:
    resolved = described(dana)
    fail(organization, operation, "ThrottlingException")

    with pytest.raises(errors.WorkMailUnavailable, match=f"answered {operation} with ThrottlingException") as failure:
        act(resolved, RetryCount=retry_count)
    assert (MAY_HAVE.format(user=dana) in str(failure.value)) is says_so


def test_an_answer_that_never_comes_says_that_the_call_may_have_taken_effect(
    dana: str, organization: WorkMailBackend
) -> None:
    resolved = described(dana)

    def lost(operation: str, _: Any) -> None:
        if operation == "DeregisterFromWorkMail":
            raise ReadTimeoutError(endpoint_url="https://workmail")

    organization.after.append(lost)
    with pytest.raises(errors.WorkMailUnavailable, match="did not answer") as failure:
        act(resolved)

    assert MAY_HAVE.format(user=dana) in str(failure.value)


def test_whoever_only_joins_the_wait_has_asked_nobody(dana: str, table: Table, organization: WorkMailBackend) -> None:
    deregister(dana)
    resolved = described(dana)
    act(resolved)
    fail(organization, "DescribeUser", "ThrottlingException")

    with pytest.raises(errors.WorkMailUnavailable) as failure:
        act(resolved, RetryCount=1)

    assert table.get(A).deregistration_attempted
    assert "Before that" not in str(failure.value)


def test_what_fails_beside_workmail_or_without_a_record_says_nothing_of_a_call(
    dana: str, table: Table, put_policy: Any, organization: WorkMailBackend
) -> None:
    resolved = described(dana)
    fail(organization, "DeregisterFromWorkMail", "ThrottlingException")
    with pytest.raises(errors.WorkMailUnavailable):
        act(resolved)
    put_policy("no JSON")
    with pytest.raises(errors.SettingsUnavailable) as beside:
        act(resolved, RetryCount=1)
    table.delete(A)
    fail(organization, "DescribeUser", "ThrottlingException")
    with pytest.raises(errors.WorkMailUnavailable) as without:
        act(resolved, RetryCount=1)

    assert "Before that" not in str(beside.value) + str(without.value)


def test_the_log_says_whether_workmail_was_asked_to_deregister(dana: str, logged: list[str]) -> None:
    act(described(dana))
    act(described(dana))

    assert [json.loads(line)["called"] for line in logged if '"deregistered"' in line] == [True, False]


def test_groups_and_resources_are_deregistered_by_their_own_kind(
    people: People, table: Table, put_policy: Any, organization: WorkMailBackend
) -> None:
    put_policy(a_policy())
    for kind, entity_id in ((EntityType.GROUP, people.group("staff")), (EntityType.RESOURCE, people.resource("room"))):
        table.open("a", entity_id)
        assert act(described(entity_id, kind))["DeregisteredAt"] == NOW
        assert described(entity_id, kind).state is EntityState.DISABLED


def test_when_workmail_ends_what_is_refused_is_that_end(dana: str, organization: WorkMailBackend) -> None:
    resolved = described(dana)
    fail(organization, "DeregisterFromWorkMail", "AccessDeniedException")

    with pytest.raises(errors.ServiceEnded):
        act(resolved, ServiceEndsAt=NOW)


DISABLED = Entity(EntityType.USER, USER_ID, "dana", EntityState.DISABLED, disabled_date=parse(NOW))


@pytest.mark.parametrize(
    "enabled_until", [None, parse(NOW), parse(NOW) - timedelta(days=1), parse(NOW) + WORKMAIL_CLOCK_SKEW]
)
def test_a_date_that_fits_is_believed(enabled_until: datetime | None) -> None:
    assert confirmed_date(DISABLED, enabled_until) == parse(NOW)


@pytest.mark.parametrize(
    ("entity", "enabled_until", "error", "says"),
    [
        (
            replace(DISABLED, state=EntityState.DELETED),
            None,
            errors.EntityNotFound,
            f"{USER_ID} was deleted from the directory while it was being offboarded; its mailbox went with it.",
        ),
        (replace(DISABLED, state=EntityState.ENABLED), None, errors.DeregistrationNotConfirmed, "still reads as"),
        (replace(DISABLED, disabled_date=None), None, errors.DeregistrationNotConfirmed, "WorkMail gives no date"),
        (
            DISABLED,
            parse(NOW) + WORKMAIL_CLOCK_SKEW + MOMENT,
            errors.DeregistrationNotConfirmed,
            f"{USER_ID} reads as disabled, but with the date of an earlier time, so the deregistration cannot be",
        ),
    ],
)
def test_a_date_that_does_not_fit_is_not_believed(
    entity: Entity, enabled_until: datetime | None, error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as refusal:
        confirmed_date(entity, enabled_until)
    assert says in str(refusal.value)


def test_a_date_left_over_from_an_earlier_time_is_not_taken_for_this_deregistration(
    dana: str, organization: WorkMailBackend
) -> None:
    resolved = described(dana)
    deregister(dana)
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=parse(NOW) - timedelta(days=90))

    with pytest.raises(errors.DeregistrationNotConfirmed, match="an earlier time"):
        act(resolved, RetryCount=1)
