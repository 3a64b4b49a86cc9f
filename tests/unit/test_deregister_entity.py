"""The checks before the deregistration, its confirmation afterwards, and the dates that WorkMail gives."""

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
from local.organization import OrganizationBuilder
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters.records import entity_key
from offboarding.adapters.reports import Report, Reports
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.record import Status
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    NOW,
    RETENTION_ENDS_AT,
    USER_ID,
    Context,
    PutPolicy,
    ReadMetrics,
    Table,
    configure,
    deregister,
    describe_entity,
    fail_operation,
    make_entity_step,
    make_offboarding,
    make_policy,
    make_raiser,
    take_calls,
)

MILLISECOND = timedelta(milliseconds=1)


pytestmark = pytest.mark.usefixtures("frozen_time", "retention_settings")


@pytest.fixture
def dana(dana: str, table: Table) -> str:
    """A user that execution a holds and has recorded."""
    table.create_record("a", dana)
    return dana


def call_handler(entity: Entity, **changes: Any) -> dict[str, Any]:
    members = {"ResolvedAt": NOW, "RetryCount": 0, **changes}
    return deregister_entity.handler(make_entity_step(entity, members), Context())


def test_an_enabled_entity_is_deregistered_with_the_dates_that_workmail_gives(
    dana: str, table: Table, organization: WorkMailBackend, read_metrics: ReadMetrics
) -> None:
    resolved = describe_entity(dana)
    take_calls(organization)

    answer = call_handler(resolved)

    assert take_calls(organization) == ["DeregisterFromWorkMail", "DescribeUser"]
    assert describe_entity(dana).state is EntityState.DISABLED
    assert [entry["Operation"] for entry in answer["Evidence"].pop("Answers")] == [
        "DeregisterFromWorkMail",
        "DescribeUser",
    ]
    dates = {
        "DeregisteredAt": NOW,
        "RetentionEndsAt": RETENTION_ENDS_AT,
        "VerifyAt": "2026-12-24T15:00:00.000Z",
        "GiveUpAt": "2026-12-31T15:00:00.000Z",
        "ServiceEndsFirst": False,
    }
    assert answer == {**dates, "Evidence": {"At": NOW, "WasEnabled": True, "Recorded": True}}
    assert read_metrics() == {"EntitiesDeregistered": 1}
    record = table.load_record(ARN_A)
    assert (record.status, record.deregistered_at, record.retention_ends_at) == (
        Status.IN_WINDOW,
        NOW,
        RETENTION_ENDS_AT,
    )
    assert table.read_step_names(ARN_A) == ["Started", "Recorded", "Deregister", "Deregistered"]


def test_the_log_of_the_record_has_the_attempt_and_whether_the_entity_was_enabled(dana: str, table: Table) -> None:
    answer = call_handler(describe_entity(dana), RetryCount=2)

    assert table.read_step(ARN_A, "Deregister") == {"Step": "Deregister", "At": NOW, "Attempt": 3}
    dates = {"DeregisteredAt", "RetentionEndsAt", "VerifyAt", "GiveUpAt", "ServiceEndsFirst"}
    assert table.read_step(ARN_A, "Deregistered") == {
        "Step": "Deregistered",
        "At": NOW,
        "WasEnabled": True,
        "Answers": answer["Evidence"]["Answers"],
        **{name: answer[name] for name in dates},
    }
    operations = [entry["Operation"] for entry in answer["Evidence"]["Answers"]]
    assert operations == ["DescribeUser", "DeregisterFromWorkMail", "DescribeUser"]


@pytest.mark.parametrize(
    ("resolution_age", "retry_count", "is_read_first"),
    [
        (timedelta(), 0, False),
        (REUSE_RESOLUTION_FOR - MILLISECOND, 0, False),
        (REUSE_RESOLUTION_FOR, 0, True),
        (MAX_RESOLUTION_AGE, 0, True),
        (timedelta(), 1, True),
    ],
)
def test_the_entity_is_read_again_before_the_call_in_a_retry_or_after_15_minutes(
    dana: str, organization: WorkMailBackend, resolution_age: timedelta, retry_count: int, is_read_first: bool
) -> None:
    resolved = describe_entity(dana)
    take_calls(organization)

    call_handler(resolved, ResolvedAt=render(parse(NOW) - resolution_age), RetryCount=retry_count)

    reads = ["DescribeUser"] if is_read_first else []
    assert take_calls(organization) == [*reads, "DeregisterFromWorkMail", "DescribeUser"]


def test_no_entity_is_deregistered_by_a_resolution_older_than_an_hour(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    resolved_at = render(parse(NOW) - MAX_RESOLUTION_AGE - MILLISECOND)

    with pytest.raises(errors.EntityMismatch, match=f"resolved at {resolved_at}, too long ago"):
        call_handler(describe_entity(dana), ResolvedAt=resolved_at)

    assert "DeregisterFromWorkMail" not in take_calls(organization)
    assert describe_entity(dana).state is EntityState.ENABLED
    assert table.read_step_names(ARN_A) == ["Started", "Recorded", "Mismatch"]


def test_a_disabled_entity_is_only_read_and_keeps_its_date(
    dana: str, table: Table, organization: WorkMailBackend, read_metrics: ReadMetrics
) -> None:
    deregister(dana)
    a_week_ago = parse(NOW) - timedelta(days=7)
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=a_week_ago)
    resolved = describe_entity(dana)
    take_calls(organization)

    answer = call_handler(resolved)

    assert take_calls(organization) == ["DescribeUser"]
    assert answer["DeregisteredAt"] == render(a_week_ago)
    assert answer["Evidence"]["WasEnabled"] is False
    assert read_metrics() == {"EntitiesDeregistered": 0}
    assert table.read_step_names(ARN_A) == ["Started", "Recorded", "Deregistered"]
    assert table.load_record(ARN_A).deregistered_at == render(a_week_ago)


def test_an_entity_that_was_registered_after_it_was_resolved_as_disabled_is_not_deregistered(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    resolved = replace(describe_entity(dana), state=EntityState.DISABLED)

    with pytest.raises(errors.EntityMismatch, match=f"Somebody has registered {dana} since it was resolved"):
        call_handler(resolved)

    assert "DeregisterFromWorkMail" not in take_calls(organization)
    assert table.read_step_names(ARN_A) == ["Started", "Recorded", "Mismatch"]


def test_an_entity_that_was_registered_again_after_its_resolution_is_not_deregistered(
    dana: str, organization: WorkMailBackend
) -> None:
    resolved = describe_entity(dana)
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=parse(NOW) + timedelta(seconds=1))

    with pytest.raises(errors.EntityMismatch, match="Somebody has registered"):
        call_handler(resolved, RetryCount=1)
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_a_retry_after_a_successful_call_only_reads_the_entity(dana: str, organization: WorkMailBackend) -> None:
    resolved = describe_entity(dana)
    deregister(dana)
    take_calls(organization)

    answer = call_handler(resolved, RetryCount=1)

    assert take_calls(organization) == ["DescribeUser"]
    assert answer["DeregisteredAt"] == NOW
    assert answer["Evidence"]["WasEnabled"] is True


@pytest.mark.parametrize("entry", ["DANA", "dana@*", "d.leaver@example.com"])
def test_an_entity_that_was_protected_after_its_resolution_is_not_deregistered(
    dana: str, table: Table, put_policy: PutPolicy, organization: WorkMailBackend, entry: str
) -> None:
    table.create_record("a", dana, Entity={"Aliases": ["d.leaver@example.com"]})
    put_policy(make_policy(protected=("ceo", entry)))

    with pytest.raises(errors.EntityProtected, match="by entry 2 of the organization's protected"):
        call_handler(describe_entity(dana))
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_an_entity_that_was_protected_after_an_attempt_stays_in_the_window(
    dana: str, table: Table, put_policy: PutPolicy, organization: WorkMailBackend
) -> None:
    resolved = describe_entity(dana)
    fail_operation(organization, "DeregisterFromWorkMail", "ThrottlingException")
    with pytest.raises(errors.WorkMailUnavailable):
        call_handler(resolved)
    put_policy(make_policy(protected=("dana",)))
    take_calls(organization)

    with pytest.raises(errors.DeregistrationNotConfirmed, match=r"by entry 1 .* Before that, WorkMail may have been"):
        call_handler(resolved, RetryCount=1)
    assert take_calls(organization) == ["DescribeUser"]
    assert table.list_executions("InWindow") == ["a"]


def test_a_record_without_aliases_does_not_prevent_the_deregistration(dana: str, table: Table) -> None:
    table.create_record("a", dana, Entity={"Aliases": None})

    assert call_handler(describe_entity(dana))["DeregisteredAt"] == NOW


def test_an_entity_that_became_a_system_user_is_not_deregistered(dana: str, organization: WorkMailBackend) -> None:
    resolved = describe_entity(dana)
    organization.set_user_role(ORGANIZATION_ID, dana, "SYSTEM_USER")

    with pytest.raises(errors.EntityProtected, match="system user"):
        call_handler(resolved, RetryCount=1)
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_without_a_readable_policy_no_entity_is_deregistered(
    dana: str, put_policy: PutPolicy, organization: WorkMailBackend
) -> None:
    put_policy("no JSON")

    with pytest.raises(errors.SettingsUnavailable):
        call_handler(describe_entity(dana))
    assert "DeregisterFromWorkMail" not in take_calls(organization)


@pytest.mark.parametrize("name", ["RETENTION_DAYS", "VERIFICATION_SLACK_HOURS", "OVERDUE_DAYS", "SERVICE_ENDS_ON"])
def test_no_entity_is_deregistered_if_its_dates_could_not_be_worked_out(
    dana: str, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    resolved = describe_entity(dana)
    configure(monkeypatch, **{name: "wrong"})

    with pytest.raises(ValueError, match="wrong"):
        call_handler(resolved)
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_without_a_record_no_entity_is_deregistered(dana: str, table: Table, organization: WorkMailBackend) -> None:
    table.delete_item(ARN_A)

    with pytest.raises(errors.RecordMissing, match=r"record of this offboarding is gone.* WorkMail was not touched"):
        call_handler(describe_entity(dana))
    with pytest.raises(errors.RecordMissing, match="An earlier attempt may have asked WorkMail"):
        call_handler(describe_entity(dana), RetryCount=1)
    assert "DeregisterFromWorkMail" not in take_calls(organization)
    table.delete_item(f"{ORGANIZATION_ID}/{dana}", "Lock")
    with pytest.raises(errors.RecordMissing):
        call_handler(describe_entity(dana))
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_an_entity_that_another_execution_holds_is_not_deregistered(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    table.records.release(make_offboarding(ARN_A, dana), NOW)
    table.records.hold(make_offboarding(ARN_B, dana), NOW)

    with pytest.raises(errors.AlreadyInProgress, match=f'"ExecutionArn": "{ARN_B}"'):
        call_handler(describe_entity(dana))
    assert "DeregisterFromWorkMail" not in take_calls(organization)


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
def test_a_definite_refusal_removes_the_entity_from_the_window(
    dana: str, table: Table, organization: WorkMailBackend, code: str, error: type[Exception]
) -> None:
    resolved = describe_entity(dana)
    fail_operation(organization, "DeregisterFromWorkMail", code)

    with pytest.raises(error):
        call_handler(resolved)

    assert table.read_step_names(ARN_A) == ["Started", "Recorded", "Deregister", "NotTaken"]
    assert table.load_record(ARN_A).status is Status.RECORDED
    assert table.list_executions("InWindow") == []


@pytest.mark.parametrize(
    ("attempt_age", "window_executions"),
    [
        (-timedelta(minutes=1), ["b"]),
        (timedelta(), ["b"]),
        (WORKMAIL_LAG_MARGIN, ["b"]),
        (WORKMAIL_LAG_MARGIN + MILLISECOND, []),
        (None, []),
    ],
)
def test_a_refusal_keeps_the_window_if_an_earlier_execution_may_have_deregistered(
    dana: str,
    table: Table,
    organization: WorkMailBackend,
    people: OrganizationBuilder,
    attempt_age: timedelta | None,
    window_executions: list[str],
) -> None:
    if attempt_age is not None:
        table.record_attempt(ARN_A, dana, at=render(parse(NOW) - attempt_age))
    else:
        deregister(dana)
        call_handler(describe_entity(dana))
        people.register(dana, "dana")
    table.records.release(make_offboarding(ARN_A, dana), NOW)
    table.create_record("b", dana)
    resolved = describe_entity(dana)
    fail_operation(organization, "DeregisterFromWorkMail", "AccessDeniedException")

    with pytest.raises(errors.AccessDenied):
        call_handler(resolved, ExecutionArn=ARN_B)

    assert table.list_executions("InWindow") == window_executions
    assert table.load_record(ARN_A).superseded_by == ARN_B


def test_a_refusal_of_a_redriven_execution_removes_the_entity_from_the_window(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    resolved = describe_entity(dana)
    for _ in range(2):
        fail_operation(organization, "DeregisterFromWorkMail", "AccessDeniedException")
        with pytest.raises(errors.AccessDenied):
            call_handler(resolved)

    assert table.list_executions("InWindow") == []


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure", "SomethingNew"])
def test_an_entity_stays_in_the_window_if_the_call_may_have_taken_effect(
    dana: str, table: Table, organization: WorkMailBackend, code: str
) -> None:
    resolved = describe_entity(dana)
    fail_operation(organization, "DeregisterFromWorkMail", code)

    with pytest.raises(errors.OffboardingError):
        call_handler(resolved, ResolvedAt=render(parse(NOW) - timedelta(minutes=1)))

    assert table.read_step_names(ARN_A) == ["Started", "Recorded", "Deregister"]
    assert table.list_executions("InWindow") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT


@pytest.mark.parametrize(
    ("retry_count", "resolution_age", "window_executions"),
    [
        (0, timedelta(), []),
        (1, timedelta(), ["a"]),
        (1, WORKMAIL_LAG_MARGIN, ["a"]),
        (1, WORKMAIL_LAG_MARGIN + MILLISECOND, []),
        (7, WORKMAIL_LAG_MARGIN + MILLISECOND, []),
    ],
)
def test_a_refused_retry_keeps_the_window_until_the_lag_of_workmail_has_passed(
    dana: str,
    table: Table,
    organization: WorkMailBackend,
    retry_count: int,
    resolution_age: timedelta,
    window_executions: list[str],
) -> None:
    resolved = describe_entity(dana)
    fail_operation(organization, "DeregisterFromWorkMail", "EntityStateException")

    with pytest.raises(errors.DeregistrationRefused, match=f"refuses to deregister {dana}"):
        call_handler(resolved, RetryCount=retry_count, ResolvedAt=render(parse(NOW) - resolution_age))

    assert table.list_executions("InWindow") == window_executions
    assert ("NotTaken" in table.read_step_names(ARN_A)) is not bool(window_executions)
    if not window_executions:
        assert table.read_step(ARN_A, "NotTaken") == {"Step": "NotTaken", "At": NOW}


def test_a_state_conflict_of_a_disabled_entity_is_a_success(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    resolved = describe_entity(dana)
    deregister(dana)
    organization.behaviour = Behaviour(deregister_disabled="EntityStateException")

    assert call_handler(resolved)["DeregisteredAt"] == NOW
    assert table.load_record(ARN_A).status is Status.IN_WINDOW


def delay_descriptions(organization: WorkMailBackend) -> None:
    organization.behaviour = Behaviour(describe_lag_seconds=60)


def fail_description(organization: WorkMailBackend) -> None:
    fail_operation(organization, "DescribeUser", "EntityNotFoundException")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (delay_descriptions, "{user} still reads as enabled"),
        (fail_description, "took the deregistration of {user} and does not find"),
    ],
)
def test_an_entity_that_does_not_read_back_as_disabled_stays_in_the_window_and_is_retried(
    dana: str,
    table: Table,
    organization: WorkMailBackend,
    prepare: Callable[[WorkMailBackend], None],
    message: str,
) -> None:
    resolved = describe_entity(dana)
    prepare(organization)

    with pytest.raises(errors.DeregistrationNotConfirmed, match=message.format(user=dana)):
        call_handler(resolved)
    assert table.list_executions("InWindow") == ["a"]


ATTEMPT_SENTENCE = "Before that, WorkMail may have been asked to deregister {user}, and may have done so."


@pytest.mark.parametrize(
    ("operation", "retry_count", "mentions_attempt"), [("DeregisterFromWorkMail", 0, True), ("DescribeUser", 1, False)]
)
def test_an_error_mentions_an_attempt_only_if_there_was_one(
    dana: str, organization: WorkMailBackend, operation: str, retry_count: int, mentions_attempt: bool
) -> None:
    resolved = describe_entity(dana)
    fail_operation(organization, operation, "ThrottlingException")

    with pytest.raises(errors.WorkMailUnavailable, match=f"answered {operation} with ThrottlingException") as failure:
        call_handler(resolved, RetryCount=retry_count)
    assert (ATTEMPT_SENTENCE.format(user=dana) in str(failure.value)) is mentions_attempt


def test_a_timeout_of_the_call_mentions_the_attempt(dana: str, organization: WorkMailBackend) -> None:
    resolved = describe_entity(dana)

    def time_out(operation: str, _: object) -> None:
        if operation == "DeregisterFromWorkMail":
            raise ReadTimeoutError(endpoint_url="https://workmail")

    organization.after_hooks.append(time_out)
    with pytest.raises(errors.WorkMailUnavailable, match="did not answer") as failure:
        call_handler(resolved)

    assert ATTEMPT_SENTENCE.format(user=dana) in str(failure.value)


def test_an_error_about_a_disabled_entity_does_not_mention_an_attempt(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    deregister(dana)
    resolved = describe_entity(dana)
    call_handler(resolved)
    fail_operation(organization, "DescribeUser", "ThrottlingException")

    with pytest.raises(errors.WorkMailUnavailable) as failure:
        call_handler(resolved, RetryCount=1)

    assert table.load_record(ARN_A).deregistration_attempted
    assert "Before that" not in str(failure.value)


def test_an_error_of_another_service_or_without_a_record_does_not_mention_an_attempt(
    dana: str, table: Table, put_policy: PutPolicy, organization: WorkMailBackend
) -> None:
    resolved = describe_entity(dana)
    fail_operation(organization, "DeregisterFromWorkMail", "ThrottlingException")
    with pytest.raises(errors.WorkMailUnavailable):
        call_handler(resolved)
    put_policy("no JSON")
    with pytest.raises(errors.SettingsUnavailable) as policy_failure:
        call_handler(resolved, RetryCount=1)
    table.delete_item(ARN_A)
    fail_operation(organization, "DescribeUser", "ThrottlingException")
    with pytest.raises(errors.WorkMailUnavailable) as missing_record_failure:
        call_handler(resolved, RetryCount=1)

    assert "Before that" not in str(policy_failure.value) + str(missing_record_failure.value)


def test_the_log_has_whether_workmail_was_called(dana: str, log_lines: list[str]) -> None:
    call_handler(describe_entity(dana))
    call_handler(describe_entity(dana))

    assert [json.loads(line)["called"] for line in log_lines if '"deregistered"' in line] == [True, False]


def test_groups_and_resources_are_deregistered_too(
    people: OrganizationBuilder, table: Table, put_policy: PutPolicy, organization: WorkMailBackend
) -> None:
    put_policy(make_policy())
    for entity_type, entity_id in (
        (EntityType.GROUP, people.create_group("staff")),
        (EntityType.RESOURCE, people.create_resource("room")),
    ):
        table.create_record("a", entity_id)
        assert call_handler(describe_entity(entity_id, entity_type))["DeregisteredAt"] == NOW
        assert describe_entity(entity_id, entity_type).state is EntityState.DISABLED


def test_a_refusal_from_the_end_date_on_means_that_the_service_has_ended(
    dana: str, organization: WorkMailBackend
) -> None:
    resolved = describe_entity(dana)
    fail_operation(organization, "DeregisterFromWorkMail", "AccessDeniedException")

    with pytest.raises(errors.ServiceEnded):
        call_handler(resolved, ServiceEndsAt=NOW)


DISABLED = Entity(EntityType.USER, USER_ID, "dana", EntityState.DISABLED, disabled_date=parse(NOW))


@pytest.mark.parametrize(
    "enabled_until", [None, parse(NOW), parse(NOW) - timedelta(days=1), parse(NOW) + WORKMAIL_CLOCK_SKEW]
)
def test_a_plausible_disabled_date_is_accepted(enabled_until: datetime | None) -> None:
    assert confirmed_date(DISABLED, enabled_until) == parse(NOW)


@pytest.mark.parametrize(
    ("entity", "enabled_until", "error", "message"),
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
            parse(NOW) + WORKMAIL_CLOCK_SKEW + MILLISECOND,
            errors.DeregistrationNotConfirmed,
            f"{USER_ID} reads as disabled, but with the date of an earlier time, so the deregistration cannot be",
        ),
    ],
)
def test_an_implausible_state_or_disabled_date_is_not_accepted(
    entity: Entity, enabled_until: datetime | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as refusal:
        confirmed_date(entity, enabled_until)
    assert message in str(refusal.value)


def test_a_disabled_date_of_an_earlier_deregistration_is_not_accepted(dana: str, organization: WorkMailBackend) -> None:
    resolved = describe_entity(dana)
    deregister(dana)
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=parse(NOW) - timedelta(days=90))

    with pytest.raises(errors.DeregistrationNotConfirmed, match="an earlier time"):
        call_handler(resolved, RetryCount=1)


# Who reports that the leaver is away

LEFT_AT, BACK_AT = "2026-11-24T07:00:00.000Z", "2026-11-24T08:00:00.000Z"
OKTA = Reporter("okta", "00u1")
REQUESTER = {"Provider": "okta", "EventId": "e-1", "OccurredAt": LEFT_AT, "ProviderUserId": "00u1"}


@pytest.fixture
def reported_dana(dana: str, table: Table) -> str:
    """A user who was reported as a leaver by okta."""
    table.create_record("a", dana, Requester=REQUESTER)
    return dana


def test_a_leaver_who_is_back_is_not_deregistered(
    reported_dana: str, table: Table, organization: WorkMailBackend
) -> None:
    Reports().record_return(OKTA, BACK_AT)
    resolved = describe_entity(reported_dana)
    take_calls(organization)

    with pytest.raises(errors.Withdrawn) as failure:
        call_handler(resolved)

    assert failure.value.decision["DecidedIn"] == ARN_A
    assert failure.value.decision["DecidedAt"] == NOW
    assert take_calls(organization) == []
    assert table.read_step_names(ARN_A) == ["Started", "Recorded"]
    assert table.load_record(ARN_A).status is Status.RECORDED


def test_a_return_right_before_the_attempt_is_recorded_prevents_the_call(
    reported_dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    require = Reports.require

    def require_and_come_back(*arguments: Any) -> Any:
        checks = require(*arguments)
        Reports().record_return(OKTA, BACK_AT)
        return checks

    monkeypatch.setattr(Reports, "require", require_and_come_back)
    resolved, members = describe_entity(reported_dana), table.read_members(ARN_A)
    take_calls(organization)

    with pytest.raises(errors.RecordUnavailable, match="changed at the same time"):
        call_handler(resolved)

    assert take_calls(organization) == []
    assert table.read_members(ARN_A) == members
    assert table.read_step_names(ARN_A) == ["Started", "Recorded"]
    monkeypatch.setattr(Reports, "require", require)
    with pytest.raises(errors.Withdrawn):
        call_handler(resolved, RetryCount=1)


def test_a_leaver_whom_somebody_else_reported_too_is_deregistered(reported_dana: str) -> None:
    Reports().record_return(OKTA, BACK_AT)
    Reports().join(ARN_A, Report(), "name", NOW)

    call_handler(describe_entity(reported_dana))

    assert describe_entity(reported_dana).state is EntityState.DISABLED


def test_a_return_after_an_attempt_leaves_the_mailbox_to_a_person(
    reported_dana: str, table: Table, organization: WorkMailBackend
) -> None:
    table.record_attempt(ARN_A, reported_dana)
    Reports().record_return(OKTA, BACK_AT)
    resolved = describe_entity(reported_dana)
    take_calls(organization)

    with pytest.raises(errors.DeregistrationNotConfirmed) as failure:
        call_handler(resolved, RetryCount=1)

    assert str(failure.value).startswith(
        "The offboarding was withdrawn, after WorkMail may have been asked to deregister "
        f"{reported_dana}. Look at the entity in the WorkMail console. If it is disabled, restore it within its 30 "
        "days."
    )
    assert take_calls(organization) == ["DescribeUser"]
    assert table.list_executions("InWindow") == ["a"]


@pytest.fixture
def superseding(dana: str, table: Table) -> Callable[[], dict[str, Any]]:
    """Have execution b take over from a; return a function that has it deregister the entity."""
    table.records.hold(make_offboarding(ARN_B, dana), NOW, take_over_from=ARN_A)
    facts = {"StartedAt": NOW, "Entity": describe_entity(dana).to_json()}
    log_entry = {"At": NOW, "Step": "Recorded"}
    table.records.create_or_update(make_offboarding(ARN_B, dana), facts, Status.RECORDED, None, log_entry)

    def call() -> dict[str, Any]:
        event = make_entity_step(describe_entity(dana), {"ResolvedAt": NOW, "RetryCount": 0, "ExecutionArn": ARN_B})
        return deregister_entity.handler(event, Context())

    return call


@pytest.mark.parametrize("was_enabled", [True, False])
def test_a_scheduled_execution_from_which_this_one_has_taken_over_ends_after_the_deregistration(
    dana: str,
    table: Table,
    superseding: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    was_enabled: bool,
) -> None:
    calls: list[tuple[str, ...]] = []

    def end(_: Any, *arguments: str) -> None:
        assert table.load_record(ARN_B).status is Status.IN_WINDOW
        calls.append(arguments)

    monkeypatch.setattr(deregister_entity, "end_superseded", end)
    if not was_enabled:
        deregister(dana)

    superseding()

    assert calls == [(ARN_B, ARN_A)]


@pytest.mark.parametrize("error", [errors.RecordUnavailable("no answer"), errors.AccessDenied("denied")], ids=str)
def test_a_deregistration_does_not_fail_if_the_superseded_execution_cannot_be_ended(
    table: Table,
    superseding: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    log_lines: list[str],
    error: errors.OffboardingError,
) -> None:
    monkeypatch.setattr(deregister_entity, "end_superseded", make_raiser(error))

    assert superseding()["Evidence"]["Recorded"] is True

    assert table.load_record(ARN_B).status is Status.IN_WINDOW
    line = json.loads(log_lines[-1])
    assert (line["message"], line["error"]) == ("superseded execution not ended", type(error).__name__)
    assert "answer" not in log_lines[-1]


def test_an_execution_that_took_over_from_nobody_ends_no_other(dana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deregister_entity, "end_superseded", make_raiser(AssertionError("it ends another one")))

    call_handler(describe_entity(dana))


def test_a_deregistration_without_a_lock_ends_no_other_execution(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deregister_entity, "end_superseded", make_raiser(AssertionError("it ends another one")))
    deregister(dana)
    table.delete_item(entity_key(ORGANIZATION_ID, dana), "Lock")

    assert call_handler(describe_entity(dana))["Evidence"]["Recorded"] is True
