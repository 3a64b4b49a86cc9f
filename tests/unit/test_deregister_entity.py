"""The checks before the deregistration, its confirmation afterwards, and the dates that WorkMail gives."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

import deregister_entity
from deregister_entity import WORKMAIL_CLOCK_SKEW, WORKMAIL_LAG_MARGIN, confirmed_date
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters.executions import FORGOTTEN, ExecutionStatus
from offboarding.adapters.policy import read_policy
from offboarding.adapters.records import Records, entity_key
from offboarding.adapters.reports import Report, Reports
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.exports import ExportState
from offboarding.domain.record import Record, Status
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    NOW,
    POLICY_PARAMETER,
    RETENTION_ENDS_AT,
    RUNNING,
    SERVICE_ENDS_AT,
    USER_ID,
    Context,
    PutPolicy,
    ReadMetrics,
    Table,
    client,
    configure,
    delete_user,
    deregister,
    describe_entity,
    fail_operation,
    make_execution_arn,
    make_offboarding,
    make_policy,
    make_raiser,
    take_calls,
)

MILLISECOND = timedelta(milliseconds=1)
READS = ["DescribeUser", "ListAliases"]
ALIAS = "d.leaver@example.com"
NOT_TOUCHED, MAYBE_DISABLED = "The mailbox was not touched. ", "The mailbox may be disabled. "


pytestmark = pytest.mark.usefixtures("frozen_time", "retention_settings", "running")


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every execution run."""
    set_status(monkeypatch, RUNNING)


@pytest.fixture
def dana(dana: str, table: Table, organization: WorkMailBackend) -> str:
    """A user that execution a holds and has recorded."""
    record(table, dana)
    take_calls(organization)
    return dana


def set_status(monkeypatch: pytest.MonkeyPatch, status: ExecutionStatus) -> None:
    monkeypatch.setattr(deregister_entity, "read_execution_status", lambda _: status)


def record(
    table: Table, entity_id: str, name: str = "a", entity_type: EntityType = EntityType.USER, **facts: Any
) -> None:
    """Record an entity as it reads now, as RecordOffboarding does."""
    entity = {**describe_entity(entity_id, entity_type).to_json(), "Aliases": [ALIAS], **facts.pop("Entity", {})}
    table.create_record(name, entity_id, Entity=entity, **facts)


def call_handler(**changes: Any) -> dict[str, Any]:
    step = {"ExecutionArn": ARN_A, "Now": NOW, "ServiceEndsAt": SERVICE_ENDS_AT, "RetryCount": 0, **changes}
    return deregister_entity.handler(step, Context())


def test_an_enabled_entity_is_deregistered_with_the_dates_that_workmail_gives(
    dana: str, table: Table, organization: WorkMailBackend, read_metrics: ReadMetrics
) -> None:

    answer = call_handler()

    assert take_calls(organization) == [*READS, "DeregisterFromWorkMail", "DescribeUser"]
    assert describe_entity(dana).state is EntityState.DISABLED
    assert [entry["Operation"] for entry in answer["Evidence"].pop("Answers")] == [
        *READS,
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
    answer = call_handler(RetryCount=2)

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
    assert operations == [*READS, "DeregisterFromWorkMail", "DescribeUser"]


@pytest.mark.parametrize(
    "invocation", [{}, {"RetryCount": 1}, {"Now": "2026-11-25T09:00:00.000Z"}], ids=["first", "retry", "a day later"]
)
def test_the_entity_its_aliases_and_the_settings_are_read_right_before_every_call(
    dana: str, organization: WorkMailBackend, put_policy: PutPolicy, invocation: dict[str, Any]
) -> None:
    """However long ago the entity was resolved: the state can have been retried for hours, or redriven days later."""
    read_policy(ORGANIZATION_ID)
    put_policy(make_policy(protected=("dana",)))
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=None)

    with pytest.raises(errors.EntityProtected):
        call_handler(**invocation)
    assert take_calls(organization) == READS
    put_policy(make_policy())
    call_handler(**invocation)
    assert take_calls(organization) == [*READS, "DeregisterFromWorkMail", "DescribeUser"]


def test_the_aliases_at_the_call_are_those_that_a_restore_puts_back(
    dana: str, table: Table, people: OrganizationBuilder
) -> None:
    people.create_alias(dana, "d.second")

    call_handler()

    assert sorted(table.load_record(ARN_A).entity["Aliases"] or ()) == [ALIAS, "d.second@example.com"]
    assert table.records.find_entity_ids(ORGANIZATION_ID, "d.second@example.com") == [dana]


def test_an_entity_whose_primary_address_has_changed_is_not_deregistered(
    dana: str, organization: WorkMailBackend, table: Table
) -> None:
    client("workmail").update_primary_email_address(OrganizationId=ORGANIZATION_ID, EntityId=dana, Email=ALIAS)
    take_calls(organization)

    with pytest.raises(errors.EntityMismatch, match=f"The primary address of {dana} has changed") as failure:
        call_handler()

    assert str(failure.value).startswith(NOT_TOUCHED)
    assert take_calls(organization) == READS
    assert table.read_step_names(ARN_A) == ["Started", "Recorded"]


@pytest.mark.parametrize("letters", [str.upper, str.title])
def test_an_address_that_differs_in_case_only_is_the_same(
    dana: str, table: Table, letters: Callable[[str], str]
) -> None:
    record(table, dana, Entity={"Email": letters("dana@example.com")})

    assert call_handler()["DeregisteredAt"] == NOW


# Whoever invokes the function


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.AWAITING_APPROVAL])
def test_an_offboarding_that_is_not_decided_deregisters_nothing(
    dana: str, table: Table, organization: WorkMailBackend, status: Status
) -> None:
    offboarding = table.load_record(ARN_A).offboarding
    if status is Status.SCHEDULED:
        facts = {"StartedAt": NOW, "Entity": describe_entity(dana).to_json()}
        log_entry = {"At": NOW, "Step": "Scheduled"}
        table.records.create_or_update(offboarding, facts, status, RETENTION_ENDS_AT, log_entry)
    else:
        log_entry = {"At": NOW, "Step": "AwaitApproval"}
        table.records.record_approval_request(offboarding, "token", ["It is listed."], RETENTION_ENDS_AT, log_entry)
    take_calls(organization)

    with pytest.raises(errors.UnexpectedAnswer, match=f"^{NOT_TOUCHED}The offboarding is {status}"):
        call_handler()
    assert take_calls(organization) == []


@pytest.mark.parametrize("outcome", ["Stopped", FORGOTTEN])
@pytest.mark.parametrize("is_disabled", [False, True])
def test_an_execution_that_does_not_run_deregisters_nothing_and_leaves_its_record_alone(
    dana: str,
    table: Table,
    organization: WorkMailBackend,
    monkeypatch: pytest.MonkeyPatch,
    outcome: str,
    is_disabled: bool,
) -> None:
    """Step Functions can be seconds behind, after a start or a redrive: it is asked again."""
    if is_disabled:
        deregister(dana)
        take_calls(organization)
    set_status(monkeypatch, ExecutionStatus(is_running=False, outcome=outcome))
    items = table.read_all()

    with pytest.raises(errors.RecordUnavailable, match=f"^{NOT_TOUCHED}Step Functions does not show that"):
        call_handler()
    assert take_calls(organization) == []
    assert table.read_all() == items


def test_an_entity_that_an_event_names_is_not_read(dana: str, people: OrganizationBuilder, table: Table) -> None:
    boss = people.create_user("boss")

    with pytest.raises(errors.UnexpectedAnswer, match="Entity"):
        call_handler(OrganizationId=ORGANIZATION_ID, Entity=describe_entity(boss).to_json())
    assert describe_entity(boss).state is describe_entity(dana).state is EntityState.ENABLED


def test_after_the_end_of_the_service_nothing_is_deregistered(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    with pytest.raises(errors.ServiceEnded, match=f"^{NOT_TOUCHED}By the settings Amazon WorkMail ended at {NOW}"):
        call_handler(ServiceEndsAt=NOW)

    assert take_calls(organization) == READS
    assert table.read_step_names(ARN_A) == ["Started", "Recorded"]
    assert call_handler(ServiceEndsAt=render(parse(NOW) + MILLISECOND))["DeregisteredAt"] == NOW


# The entity


def test_a_disabled_entity_is_only_read_and_keeps_its_date(
    dana: str, table: Table, organization: WorkMailBackend, read_metrics: ReadMetrics
) -> None:
    deregister(dana)
    a_week_ago = parse(NOW) - timedelta(days=7)
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=a_week_ago)
    record(table, dana)
    take_calls(organization)

    answer = call_handler()

    assert take_calls(organization) == ["DescribeUser"]
    assert answer["DeregisteredAt"] == render(a_week_ago)
    assert answer["Evidence"]["WasEnabled"] is False
    assert read_metrics() == {"EntitiesDeregistered": 0}
    assert table.read_step_names(ARN_A) == ["Started", "Recorded", "Deregistered"]
    assert table.load_record(ARN_A).deregistered_at == render(a_week_ago)


@pytest.mark.parametrize("recorded", [{"State": "DISABLED"}, {"EnabledDate": "2026-11-01T09:00:00.000Z"}], ids=repr)
@pytest.mark.parametrize("was_attempted", [False, True])
def test_an_entity_that_was_registered_after_it_was_recorded_is_not_deregistered(
    dana: str, table: Table, organization: WorkMailBackend, recorded: dict[str, str], was_attempted: bool
) -> None:
    record(table, dana, Entity=recorded)
    if was_attempted:
        table.record_attempt(ARN_A, dana)
    take_calls(organization)

    claim = "The mailbox may have been disabled, and was registered again. " if was_attempted else NOT_TOUCHED
    with pytest.raises(errors.EntityMismatch, match=f"^{claim}Somebody has registered {dana} since it was recorded"):
        call_handler()

    assert take_calls(organization) == READS
    assert table.read_step_names(ARN_A)[-1] == "Mismatch"
    assert table.list_executions("InWindow") == []
    assert table.load_record(ARN_A).mailbox_touched.value == ("Maybe" if was_attempted else "No")
    table.close_record(ARN_A, "EntityMismatch")
    assert (table.load_record(ARN_A).status, table.list_executions("InWindow")) == (Status.ENDED, [])


def test_an_entity_that_was_disabled_and_registered_again_keeps_what_is_certain(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    table.record_attempt(ARN_A, dana)
    table.record_deregistration(ARN_A, dana)
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=parse(NOW) + timedelta(seconds=1))

    with pytest.raises(errors.EntityMismatch, match=f"^The mailbox was disabled at {NOW}, and was registered again. "):
        call_handler(RetryCount=1)
    assert table.load_record(ARN_A).mailbox_touched.value == "Yes"


def test_an_answer_without_an_address_is_asked_for_again(dana: str, organization: WorkMailBackend) -> None:
    organization.arrange(ORGANIZATION_ID, dana, email=None)

    with pytest.raises(errors.WorkMailUnavailable, match=f"^{NOT_TOUCHED}WorkMail shows no address of {dana}"):
        call_handler()
    assert "DeregisterFromWorkMail" not in take_calls(organization)


@pytest.mark.parametrize("was_attempted", [False, True])
def test_an_entity_that_workmail_does_not_find_for_a_moment_is_asked_for_again(
    dana: str, table: Table, organization: WorkMailBackend, was_attempted: bool
) -> None:
    if was_attempted:
        table.record_attempt(ARN_A, dana)
    fail_operation(organization, "DescribeUser", "EntityNotFoundException")

    claim = MAYBE_DISABLED if was_attempted else NOT_TOUCHED
    with pytest.raises(errors.WorkMailUnavailable, match=f"^{claim}WorkMail did not find {dana} by its id"):
        call_handler()
    assert call_handler(RetryCount=1)["DeregisteredAt"] == NOW


def test_an_entity_that_workmail_neither_finds_nor_lists_was_deleted(dana: str, organization: WorkMailBackend) -> None:
    organization.behaviour = Behaviour(describe_deleted="EntityNotFoundException")
    deregister(dana)
    delete_user(dana)

    with pytest.raises(errors.EntityNotFound, match=f"^{NOT_TOUCHED}{dana} was deleted .* It cannot be restored"):
        call_handler()


def test_an_entity_that_was_deregistered_and_reads_as_enabled_again_is_not_deregistered_twice(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    """A lag of WorkMail, or a restore at this moment, of which WorkMail does not show the date."""
    table.record_attempt(ARN_A, dana)
    table.record_deregistration(ARN_A, dana)

    with pytest.raises(errors.DeregistrationNotConfirmed, match=f"^The mailbox was disabled at {NOW}. {dana} was"):
        call_handler(RetryCount=1)
    assert take_calls(organization) == READS
    table.records.record_restore_step(
        table.load_record(ARN_A), Status.RESTORING, {}, {"At": NOW, "Step": "RegisterEntity"}
    )
    with pytest.raises(errors.DeregistrationNotConfirmed, match="reads as enabled again"):
        call_handler()
    assert take_calls(organization) == READS


def test_a_retry_after_a_successful_call_only_reads_the_entity(dana: str, organization: WorkMailBackend) -> None:
    deregister(dana)
    take_calls(organization)

    answer = call_handler(RetryCount=1)

    assert take_calls(organization) == ["DescribeUser"]
    assert answer["DeregisteredAt"] == NOW
    assert answer["Evidence"]["WasEnabled"] is True


@pytest.mark.parametrize("entry", ["DANA", "dana@*", "d.leaver@example.com"])
def test_an_entity_that_was_protected_after_its_resolution_is_not_deregistered(
    dana: str, table: Table, put_policy: PutPolicy, organization: WorkMailBackend, entry: str
) -> None:
    put_policy(make_policy(protected=("ceo", entry)))

    with pytest.raises(errors.EntityProtected, match="by entry 2 of the organization's protected"):
        call_handler()
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_an_entity_that_was_protected_a_moment_ago_is_not_deregistered(
    dana: str, organization: WorkMailBackend
) -> None:
    """The settings that were read within the last seconds do not count."""
    assert read_policy(ORGANIZATION_ID).protected == ()
    policy = make_policy(protected=("dana",))
    client("ssm").put_parameter(Name=POLICY_PARAMETER, Type="String", Value=policy, Overwrite=True)

    with pytest.raises(errors.EntityProtected):
        call_handler()
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_an_entity_that_was_protected_after_an_attempt_stays_in_the_window(
    dana: str, table: Table, put_policy: PutPolicy, organization: WorkMailBackend
) -> None:
    fail_operation(organization, "DeregisterFromWorkMail", "ThrottlingException")
    with pytest.raises(errors.WorkMailUnavailable):
        call_handler()
    put_policy(make_policy(protected=("dana",)))
    take_calls(organization)

    with pytest.raises(errors.DeregistrationNotConfirmed, match=r"^The mailbox may be disabled\. .* by entry 1 "):
        call_handler(RetryCount=1)
    assert take_calls(organization) == READS
    assert table.list_executions("InWindow") == ["a"]


def test_a_record_without_aliases_does_not_prevent_the_deregistration(dana: str, table: Table) -> None:
    record(table, dana, Entity={"Aliases": None})

    assert call_handler()["DeregisteredAt"] == NOW


def test_an_entity_that_became_a_system_user_is_not_deregistered(dana: str, organization: WorkMailBackend) -> None:
    organization.set_user_role(ORGANIZATION_ID, dana, "SYSTEM_USER")

    with pytest.raises(errors.EntityProtected, match="system user"):
        call_handler(RetryCount=1)
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_without_a_readable_policy_no_entity_is_deregistered(
    dana: str, put_policy: PutPolicy, organization: WorkMailBackend
) -> None:
    put_policy("no JSON")

    with pytest.raises(errors.SettingsUnavailable):
        call_handler()
    assert "DeregisterFromWorkMail" not in take_calls(organization)


@pytest.mark.parametrize("name", ["RETENTION_DAYS", "VERIFICATION_SLACK_HOURS", "OVERDUE_DAYS", "SERVICE_ENDS_ON"])
def test_no_entity_is_deregistered_if_its_dates_could_not_be_worked_out(
    dana: str, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    configure(monkeypatch, **{name: "wrong"})

    with pytest.raises(ValueError, match="wrong"):
        call_handler()
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_without_a_record_no_entity_is_deregistered(dana: str, table: Table, organization: WorkMailBackend) -> None:
    table.delete_item(ARN_A)

    # Also at the first attempt, because a redrive counts its attempts from the beginning.
    with pytest.raises(errors.RecordMissing, match=f"^{MAYBE_DISABLED}The record of this offboarding is gone"):
        call_handler()
    assert take_calls(organization) == []


@pytest.mark.parametrize("has_lock", [True, False])
def test_a_record_that_is_deleted_right_before_the_call_prevents_it(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch, has_lock: bool
) -> None:
    def delete(_: str) -> ExecutionStatus:
        table.delete_item(ARN_A)
        if not has_lock:
            table.delete_item(f"{ORGANIZATION_ID}/{dana}", "Lock")
        return RUNNING

    monkeypatch.setattr(deregister_entity, "read_execution_status", delete)

    with pytest.raises(errors.RecordMissing, match=f"^{NOT_TOUCHED}"):
        call_handler()
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_an_entity_that_another_execution_holds_is_not_deregistered(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    table.records.release(make_offboarding(ARN_A, dana), NOW)
    table.records.hold(make_offboarding(ARN_B, dana), NOW)

    with pytest.raises(errors.AlreadyInProgress, match=f'"ExecutionArn": "{ARN_B}"'):
        call_handler()
    assert "DeregisterFromWorkMail" not in take_calls(organization)


def test_another_execution_that_holds_the_entity_after_an_attempt_is_no_success(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    table.record_attempt(ARN_A, dana)
    table.records.release(make_offboarding(ARN_A, dana), NOW)
    table.records.hold(make_offboarding(ARN_B, dana), NOW)

    with pytest.raises(errors.DeregistrationNotConfirmed, match=f"^{MAYBE_DISABLED}Another execution .*{ARN_B}"):
        call_handler(RetryCount=1)
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
    fail_operation(organization, "DeregisterFromWorkMail", code)

    with pytest.raises(error):
        call_handler()

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
        call_handler()
        people.register(dana, "dana")
    table.records.release(make_offboarding(ARN_A, dana), NOW)
    record(table, dana, "b")
    fail_operation(organization, "DeregisterFromWorkMail", "AccessDeniedException")

    with pytest.raises(errors.AccessDenied):
        call_handler(ExecutionArn=ARN_B)

    assert table.list_executions("InWindow") == window_executions
    assert table.load_record(ARN_A).superseded_by == ARN_B


def test_a_refusal_without_an_earlier_execution_reads_no_other_record(
    dana: str, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB refuses a key without a text."""
    find, read_arns = Records.find, set()

    def find_and_collect(records: Records, execution_arn: str) -> Record | None:
        read_arns.add(execution_arn)
        return find(records, execution_arn)

    monkeypatch.setattr(Records, "find", find_and_collect)
    fail_operation(organization, "DeregisterFromWorkMail", "AccessDeniedException")

    with pytest.raises(errors.AccessDenied):
        call_handler()
    assert read_arns == {ARN_A}


def test_a_refusal_of_a_redriven_execution_removes_the_entity_from_the_window(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    for _ in range(2):
        fail_operation(organization, "DeregisterFromWorkMail", "AccessDeniedException")
        with pytest.raises(errors.AccessDenied):
            call_handler()

    assert table.list_executions("InWindow") == []


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure", "SomethingNew"])
def test_an_entity_stays_in_the_window_if_the_call_may_have_taken_effect(
    dana: str, table: Table, organization: WorkMailBackend, code: str
) -> None:
    fail_operation(organization, "DeregisterFromWorkMail", code)

    with pytest.raises(errors.OffboardingError):
        call_handler()

    assert table.read_step_names(ARN_A) == ["Started", "Recorded", "Deregister"]
    assert table.list_executions("InWindow") == ["a"]
    assert table.read_text(ARN_A, "DueAt") == RETENTION_ENDS_AT


@pytest.mark.parametrize(
    ("attempt_age", "window_executions"),
    [
        (None, []),
        (timedelta(), ["a"]),
        (WORKMAIL_LAG_MARGIN, ["a"]),
        (WORKMAIL_LAG_MARGIN + MILLISECOND, []),
    ],
)
def test_a_refused_retry_keeps_the_window_until_the_lag_of_workmail_has_passed(
    dana: str,
    table: Table,
    organization: WorkMailBackend,
    attempt_age: timedelta | None,
    window_executions: list[str],
) -> None:
    if attempt_age is not None:
        table.record_attempt(ARN_A, dana, at=render(parse(NOW) - attempt_age))
    fail_operation(organization, "DeregisterFromWorkMail", "EntityStateException")

    claim = MAYBE_DISABLED if window_executions else NOT_TOUCHED
    with pytest.raises(errors.DeregistrationRefused, match=f"^{claim}WorkMail refuses to deregister {dana}"):
        call_handler()

    assert table.list_executions("InWindow") == window_executions
    assert ("NotTaken" in table.read_step_names(ARN_A)) is not bool(window_executions)
    if not window_executions:
        assert table.read_step(ARN_A, "NotTaken") == {"Step": "NotTaken", "At": NOW}


def test_a_state_conflict_of_a_disabled_entity_is_a_success(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    deregister(dana)
    organization.behaviour = Behaviour(deregister_disabled="EntityStateException")

    assert call_handler()["DeregisteredAt"] == NOW
    assert table.load_record(ARN_A).status is Status.IN_WINDOW


def delay_descriptions(organization: WorkMailBackend) -> None:
    organization.behaviour = Behaviour(describe_lag_seconds=60)


def fail_description(organization: WorkMailBackend) -> None:
    """Have WorkMail not find the user from the deregistration on."""

    def fail_from_now_on(operation: str, _: object) -> None:
        if operation == "DeregisterFromWorkMail":
            fail_operation(organization, "DescribeUser", "EntityNotFoundException")

    organization.after_hooks.append(fail_from_now_on)


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
    prepare(organization)

    with pytest.raises(errors.DeregistrationNotConfirmed, match=message.format(user=dana)):
        call_handler()
    assert table.list_executions("InWindow") == ["a"]


@pytest.mark.parametrize(
    ("operation", "claim"),
    [("DescribeUser", NOT_TOUCHED), ("ListAliases", NOT_TOUCHED), ("DeregisterFromWorkMail", MAYBE_DISABLED)],
)
@pytest.mark.parametrize("was_attempted", [False, True])
def test_a_failure_of_workmail_begins_with_whether_the_mailbox_was_touched(
    dana: str, table: Table, organization: WorkMailBackend, operation: str, claim: str, was_attempted: bool
) -> None:
    if was_attempted:
        table.record_attempt(ARN_A, dana)
    fail_operation(organization, operation, "ThrottlingException")

    expected = MAYBE_DISABLED if was_attempted else claim
    with pytest.raises(errors.WorkMailUnavailable, match=f"^{expected}WorkMail answered {operation} with Throttling"):
        call_handler()


def test_a_timeout_of_the_call_begins_with_that_the_mailbox_may_be_disabled(
    dana: str, organization: WorkMailBackend
) -> None:
    def time_out(operation: str, _: object) -> None:
        if operation == "DeregisterFromWorkMail":
            raise ReadTimeoutError(endpoint_url="https://workmail")

    organization.after_hooks.append(time_out)
    with pytest.raises(errors.WorkMailUnavailable, match=f"^{MAYBE_DISABLED}.*did not answer"):
        call_handler()


@pytest.mark.parametrize(
    ("method", "claim"),
    [
        ("find", MAYBE_DISABLED),
        ("record_attempt", NOT_TOUCHED),
        ("find_lock", f"The mailbox was disabled at {NOW}. "),
        ("record_deregistration", f"The mailbox was disabled at {NOW}. "),
    ],
)
def test_a_failure_of_the_table_begins_with_whether_the_mailbox_was_touched(
    dana: str, monkeypatch: pytest.MonkeyPatch, method: str, claim: str
) -> None:
    monkeypatch.setattr(Records, method, make_raiser(errors.RecordUnavailable("The table does not answer.")))

    with pytest.raises(errors.RecordUnavailable) as failure:
        call_handler()

    assert str(failure.value) == f"{claim}The table does not answer."


@pytest.mark.parametrize("was_attempted", [False, True])
def test_a_failure_of_the_settings_begins_with_whether_the_mailbox_was_touched(
    dana: str, table: Table, put_policy: PutPolicy, was_attempted: bool
) -> None:
    if was_attempted:
        table.record_attempt(ARN_A, dana)
    put_policy("no JSON")

    with pytest.raises(errors.SettingsUnavailable, match=f"^{MAYBE_DISABLED if was_attempted else NOT_TOUCHED}"):
        call_handler()


def test_a_failure_to_read_an_entity_that_was_disabled_before_has_not_touched_it(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    deregister(dana)
    record(table, dana)
    fail_operation(organization, "DescribeUser", "ThrottlingException")

    with pytest.raises(errors.WorkMailUnavailable, match=f"^{NOT_TOUCHED}"):
        call_handler()


def test_an_entity_that_was_deleted_meanwhile_is_not_asked_for(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    deregister(dana)
    delete_user(dana)
    take_calls(organization)

    with pytest.raises(errors.EntityNotFound, match=f"^{NOT_TOUCHED}{dana} was deleted"):
        call_handler()
    assert take_calls(organization) == ["DescribeUser"]


def test_the_log_has_whether_workmail_was_called(dana: str, log_lines: list[str]) -> None:
    call_handler()
    call_handler()

    assert [json.loads(line)["called"] for line in log_lines if '"deregistered"' in line] == [True, False]


def test_groups_and_resources_are_deregistered_too(
    people: OrganizationBuilder, table: Table, put_policy: PutPolicy, organization: WorkMailBackend
) -> None:
    put_policy(make_policy())
    for entity_type, entity_id in (
        (EntityType.GROUP, people.create_group("staff")),
        (EntityType.RESOURCE, people.create_resource("room")),
    ):
        record(table, entity_id, entity_type.value, entity_type)
        assert call_handler(ExecutionArn=make_execution_arn(entity_type.value))["DeregisteredAt"] == NOW
        assert describe_entity(entity_id, entity_type).state is EntityState.DISABLED


def test_a_refusal_from_the_end_date_on_means_that_the_service_has_ended(
    dana: str, organization: WorkMailBackend
) -> None:
    deregister(dana)
    fail_operation(organization, "DescribeUser", "AccessDeniedException")

    with pytest.raises(errors.ServiceEnded):
        call_handler(ServiceEndsAt=NOW)


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
            f"{USER_ID} was deleted from the directory while it was being offboarded. It cannot be restored, and "
            "nothing was observed of its mailbox.",
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
    deregister(dana)
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=parse(NOW) - timedelta(days=90))

    with pytest.raises(errors.DeregistrationNotConfirmed, match="an earlier time"):
        call_handler(RetryCount=1)


# Who reports that the leaver is away

LEFT_AT, BACK_AT = "2026-11-24T07:00:00.000Z", "2026-11-24T08:00:00.000Z"
OKTA = Reporter("okta", "00u1")
REQUESTER = {"Provider": "okta", "EventId": "e-1", "OccurredAt": LEFT_AT, "ProviderUserId": "00u1"}


@pytest.fixture
def reported_dana(dana: str, table: Table, organization: WorkMailBackend) -> str:
    """A user who was reported as a leaver by okta."""
    record(table, dana, Requester=REQUESTER)
    take_calls(organization)
    return dana


def test_a_leaver_who_is_back_is_not_deregistered(
    reported_dana: str, table: Table, organization: WorkMailBackend
) -> None:
    Reports().record_return(OKTA, BACK_AT)

    with pytest.raises(errors.Withdrawn) as failure:
        call_handler()

    assert failure.value.decision["DecidedIn"] == ARN_A
    assert failure.value.decision["DecidedAt"] == NOW
    assert take_calls(organization) == READS
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
    members = table.read_members(ARN_A)

    with pytest.raises(errors.RecordUnavailable, match="changed at the same time"):
        call_handler()

    assert take_calls(organization) == READS
    assert table.read_members(ARN_A) == members
    assert table.read_step_names(ARN_A) == ["Started", "Recorded"]
    monkeypatch.setattr(Reports, "require", require)
    with pytest.raises(errors.Withdrawn):
        call_handler(RetryCount=1)


def test_a_leaver_whom_somebody_else_reported_too_is_deregistered(reported_dana: str) -> None:
    Reports().record_return(OKTA, BACK_AT)
    Reports().join(ARN_A, Report(), "name", NOW)

    call_handler()

    assert describe_entity(reported_dana).state is EntityState.DISABLED


def test_a_return_after_an_attempt_leaves_the_mailbox_to_a_person(
    reported_dana: str, table: Table, organization: WorkMailBackend
) -> None:
    table.record_attempt(ARN_A, reported_dana)
    Reports().record_return(OKTA, BACK_AT)

    with pytest.raises(errors.DeregistrationNotConfirmed) as failure:
        call_handler(RetryCount=1)

    assert str(failure.value).startswith(
        f"{MAYBE_DISABLED}The offboarding was withdrawn, after WorkMail may have been asked to deregister "
        f"{reported_dana}. Look at the entity in the WorkMail console. If it is disabled, restore it within its 30 "
        "days."
    )
    assert take_calls(organization) == READS
    assert table.list_executions("InWindow") == ["a"]


@pytest.fixture
def superseding(dana: str, table: Table) -> Callable[[], dict[str, Any]]:
    """Have execution b take over from a; return a function that has it deregister the entity."""
    table.records.hold(make_offboarding(ARN_B, dana), NOW, take_over_from=ARN_A)
    facts = {"StartedAt": NOW, "Entity": describe_entity(dana).to_json()}
    log_entry = {"At": NOW, "Step": "Recorded"}
    table.records.create_or_update(make_offboarding(ARN_B, dana), facts, Status.RECORDED, None, log_entry)

    def call() -> dict[str, Any]:
        return call_handler(ExecutionArn=ARN_B)

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

    call_handler()


def test_a_deregistration_without_a_lock_ends_no_other_execution(
    dana: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deregister_entity, "end_superseded", make_raiser(AssertionError("it ends another one")))
    deregister(dana)
    table.delete_item(entity_key(ORGANIZATION_ID, dana), "Lock")

    assert call_handler()["Evidence"]["Recorded"] is True


VERIFIED = {"Status": "Verified", "At": NOW, "ExportEndedAt": "2026-11-24T08:30:00.000Z"}
NOT_ARCHIVED = {"Status": "NotArchived", "At": NOW, "Reason": "No slot was free."}


def record_archive(table: Table, archive: dict[str, Any]) -> None:
    """Have the record of execution a say that its mailbox was exported, with this result."""
    log_entry = {"At": NOW, "Step": "ExportStarted"}
    assert table.records.record_export(table.load_record(ARN_A), ExportState(1, RETENTION_ENDS_AT), log_entry)
    assert table.records.record_archive(table.load_record(ARN_A), archive, {"At": NOW, "Step": "Archived"})
    table.create_record("a", table.load_record(ARN_A).entity["Id"], Entity=dict(table.load_record(ARN_A).entity))


@pytest.mark.parametrize(
    ("mode", "requested", "archive", "is_refused"),
    [
        ("Required", None, None, True),
        ("Required", None, NOT_ARCHIVED, True),
        ("Required", None, VERIFIED, False),
        ("Required", "No", None, True),
        ("IfPossible", "Required", None, True),
        ("No", "Required", NOT_ARCHIVED, True),
        ("IfPossible", None, None, False),
        ("IfPossible", None, NOT_ARCHIVED, False),
        ("No", None, None, False),
    ],
)
def test_a_mailbox_without_the_archive_that_is_required_now_is_not_deregistered(
    dana: str,
    table: Table,
    organization: WorkMailBackend,
    put_policy: PutPolicy,
    mode: str,
    requested: str | None,
    archive: dict[str, Any] | None,
    is_refused: bool,
) -> None:
    record(table, dana, **({"Export": requested} if requested else {}))
    if archive is not None:
        record_archive(table, archive)
    put_policy(make_policy(export=mode))
    take_calls(organization)

    if is_refused:
        with pytest.raises(errors.ExportFailed, match=r"The mailbox was not touched\. An archive of the mailbox is"):
            call_handler()
        assert take_calls(organization) == READS
        assert table.load_record(ARN_A).status is Status.RECORDED
    else:
        shown = {"Archive": archive["Status"]} if archive else {}
        minutes = {"MinutesSinceExport": 30} if archive is VERIFIED else {}
        evidence = call_handler()["Evidence"]
        assert {name: evidence[name] for name in ("Archive", "MinutesSinceExport") if name in evidence} == {
            **shown,
            **minutes,
        }
        assert set(table.read_step(ARN_A, "Deregistered")) >= {*shown, *minutes}


def test_an_input_may_skip_the_archive_where_the_settings_allow_that(
    dana: str, table: Table, put_policy: PutPolicy
) -> None:
    record(table, dana, Export="No")
    put_policy(make_policy(export="Required", may_be_skipped=True))

    call_handler()

    assert describe_entity(dana).state is EntityState.DISABLED


def test_an_archive_that_is_required_since_an_attempt_does_not_hide_that_it_may_have_succeeded(
    dana: str, table: Table, put_policy: PutPolicy
) -> None:
    table.record_attempt(ARN_A, dana)
    put_policy(make_policy(export="Required"))

    with pytest.raises(errors.DeregistrationNotConfirmed, match="An archive of the mailbox is required now"):
        call_handler()


def test_a_disabled_mailbox_and_a_group_need_no_archive(
    dana: str, people: OrganizationBuilder, table: Table, organization: WorkMailBackend, put_policy: PutPolicy
) -> None:
    put_policy(make_policy(export="Required"))
    deregister(dana)
    take_calls(organization)
    assert call_handler()["DeregisteredAt"] == NOW
    assert "DeregisterFromWorkMail" not in take_calls(organization)

    group = people.create_group("staff")
    record(table, group, "b", EntityType.GROUP)
    assert call_handler(ExecutionArn=ARN_B)["DeregisteredAt"] == NOW
    assert "DeregisterFromWorkMail" in take_calls(organization)


def test_a_mailbox_that_is_being_exported_is_not_deregistered(
    dana: str, table: Table, organization: WorkMailBackend
) -> None:
    log_entry = {"At": NOW, "Step": "ExportStarted"}
    assert table.records.record_export(table.load_record(ARN_A), ExportState(1, RETENTION_ENDS_AT), log_entry)

    with pytest.raises(errors.UnexpectedAnswer, match="Exporting"):
        call_handler()
    assert "DeregisterFromWorkMail" not in take_calls(organization)
