"""The record by which an entity is restored, and the conditions under which it is registered again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

import register_entity
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters.directory import Directory
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.records import entity_key
from offboarding.domain import errors
from offboarding.domain.entities import EntityState, EntityType
from offboarding.domain.record import Record, Status
from offboarding.domain.timestamps import parse, render
from offboarding.edge.steps import RestoreInput
from register_entity import RESUME_WITHIN, load_record, register
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    NOW,
    OTHER_ORGANIZATION_ID,
    RETENTION_ENDS_AT,
    RUNNING,
    TABLE_NAME,
    USER_ID,
    Context,
    Table,
    client,
    delete_user,
    deregister,
    describe_entity,
    fail_operation,
    make_execution_arn,
    make_key,
    make_raiser,
    make_record,
    take_calls,
)

pytestmark = pytest.mark.usefixtures("frozen_time")

RESTORE_ARN = make_execution_arn("r", "offboarding-restore")
LATER = "2026-11-24T10:00:00.000Z"
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", ended_at=LATER)


def make_directory() -> Directory:
    return Directory(register_entity.client, ORGANIZATION_ID, refused=errors.RestoreRefused)


def create_deregistered_user(people: OrganizationBuilder, name: str = "dana") -> str:
    user = people.create_user(name)
    deregister(user)
    return user


def make_user_record(user: str, email: str | None = "dana@example.com", **changes: Any) -> Record:
    entity = {"Id": user, "Type": "USER", "Name": "dana", **({"Email": email} if email else {})}
    members = {"status": Status.IN_WINDOW, "deregistration_attempted": True, "deregistered_at": NOW, **changes}
    return make_record(entity=entity, **members)


def read_last_moment(user: str) -> datetime:
    """Return the last moment at which the retention of a user has not ended."""
    disabled_date = describe_entity(user).disabled_date
    assert disabled_date is not None
    return disabled_date + timedelta(days=30) - timedelta(milliseconds=1)


def register_user(user: str, now: datetime | None = None, **members: Any) -> bool:
    """Register a user by a record, right before the retention ends unless another time is given."""
    record = make_user_record(user, **members)
    return register(make_directory(), record, describe_entity(user), now or read_last_moment(user))


def restore(table: Table, **request: Any) -> dict[str, Any]:
    event = {"ExecutionArn": RESTORE_ARN, "Now": LATER, "Input": request}
    return register_entity.handler(event, Context())


def test_a_record_is_found_by_its_execution_and_by_the_id_of_its_entity(
    table: Table, people: OrganizationBuilder
) -> None:
    table.create_deregistered_record("a")

    assert load_record(table.records, {"ExecutionArn": ARN_A}).execution_arn == ARN_A
    by_id = {"OrganizationId": ORGANIZATION_ID, "EntityId": USER_ID}
    assert load_record(table.records, by_id).execution_arn == ARN_A


@pytest.mark.parametrize("identifier", ["dana", "DANA", "dana@example.com", "Dana@Example.com"])
def test_a_record_in_the_window_is_found_by_name_and_address(
    table: Table, people: OrganizationBuilder, identifier: str
) -> None:
    table.create_record("a", Entity={"Aliases": ["d.leaver@example.com"]})
    table.record_attempt(ARN_A)

    record = load_record(table.records, {"OrganizationId": ORGANIZATION_ID, "EntityId": identifier})

    assert record.execution_arn == ARN_A


def test_an_address_that_is_only_an_alias_in_a_record_is_refused_with_the_id(
    table: Table, people: OrganizationBuilder
) -> None:
    table.create_record("a", Entity={"Aliases": ["d.leaver@example.com"]})
    table.record_attempt(ARN_A)

    with pytest.raises(errors.EntityMismatch, match=f"only an alias in the record of {USER_ID}") as refusal:
        load_record(table.records, {"OrganizationId": ORGANIZATION_ID, "EntityId": "D.Leaver@example.com"})
    assert "@" not in str(refusal.value)


def test_an_address_means_the_record_whose_primary_address_it_is(table: Table, people: OrganizationBuilder) -> None:
    table.create_record("a", "entity-a", Entity={"Name": "kim", "Email": "kim@example.com"})
    table.create_record(
        "b", "entity-b", Entity={"Name": "lee", "Email": "lee@example.com", "Aliases": ["kim@example.com"]}
    )
    table.record_attempt(ARN_A, "entity-a")
    table.record_attempt(ARN_B, "entity-b")

    record = load_record(table.records, {"OrganizationId": ORGANIZATION_ID, "EntityId": "kim@example.com"})

    assert record.execution_arn == ARN_A


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.delete_item(ARN_A),
        lambda table: table.delete_item(entity_key(ORGANIZATION_ID, USER_ID), "Lock"),
    ],
    ids=["no-record", "no-lock"],
)
def test_a_name_does_not_lead_to_a_window_whose_record_is_gone(
    table: Table, people: OrganizationBuilder, change: Callable[[Table], Any]
) -> None:
    table.create_deregistered_record("a")
    change(table)

    with pytest.raises(errors.NothingRecorded):
        load_record(table.records, {"OrganizationId": ORGANIZATION_ID, "EntityId": "dana"})


def test_a_name_leads_to_a_window_that_is_over_unless_somebody_of_the_name_can_be_restored(
    table: Table, people: OrganizationBuilder
) -> None:
    """The record says that the retention is over; that nothing was recorded would be false."""
    table.create_deregistered_record("a")
    table.close_record(ARN_A, "CleanupVerified")
    request: RestoreInput = {"OrganizationId": ORGANIZATION_ID, "EntityId": "dana"}
    assert load_record(table.records, request).execution_arn == ARN_A

    table.create_deregistered_record("b", "entity-b")
    assert load_record(table.records, request).entity["Id"] == "entity-b"


def test_a_name_that_the_record_of_the_window_lacks_does_not_lead_to_it(
    table: Table, people: OrganizationBuilder
) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A)
    table.create_record("b", Entity={"Name": "dana.new"})

    with pytest.raises(errors.NothingRecorded):
        load_record(table.records, {"OrganizationId": ORGANIZATION_ID, "EntityId": "dana.new"})


def test_a_name_of_two_records_is_ambiguous(table: Table, people: OrganizationBuilder) -> None:
    table.create_deregistered_record("a")
    table.create_deregistered_record("b", "entity-b")

    with pytest.raises(errors.EntityAmbiguous, match=f"2 recorded .*{USER_ID}.*Give the id") as failure:
        load_record(table.records, {"OrganizationId": ORGANIZATION_ID, "EntityId": "dana"})
    assert "entity-b" in str(failure.value)


@pytest.mark.parametrize("request_", [{"ExecutionArn": ARN_A}, {"OrganizationId": ORGANIZATION_ID, "EntityId": "dan"}])
def test_an_entity_without_a_record_is_not_restored(
    table: Table, people: OrganizationBuilder, request_: dict[str, str]
) -> None:
    table.create_deregistered_record("b", "entity-b")

    with pytest.raises(errors.NothingRecorded, match="register-to-work-mail"):
        load_record(table.records, request_)


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"EntityId": USER_ID},
        {"OrganizationId": ORGANIZATION_ID},
        {"ExecutionArn": ARN_A, "EntityId": USER_ID},
        {"ExecutionArn": ARN_A, "EntityId": USER_ID, "OrganizationId": ORGANIZATION_ID},
    ],
)
def test_a_restore_needs_either_an_entity_or_an_execution(
    table: Table, people: OrganizationBuilder, request_: dict[str, str]
) -> None:
    with pytest.raises(errors.InvalidRequest, match="either ExecutionArn, the offboarding's, or OrganizationId and"):
        load_record(table.records, request_)


def test_an_organization_that_is_not_configured_is_refused(table: Table, people: OrganizationBuilder) -> None:
    with pytest.raises(errors.InvalidRequest, match="not configured in this stack"):
        load_record(table.records, {"OrganizationId": OTHER_ORGANIZATION_ID, "EntityId": USER_ID})


def test_a_disabled_entity_is_registered_with_its_recorded_address(people: OrganizationBuilder) -> None:
    user = create_deregistered_user(people)

    assert register_user(user) is True

    assert describe_entity(user).state is EntityState.ENABLED
    assert describe_entity(user).email == "dana@example.com"


def test_an_entity_that_is_registered_with_the_recorded_address_is_not_changed(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    take_calls(organization)

    assert register_user(user, parse(NOW), email="DANA@example.com") is False
    assert "RegisterToWorkMail" not in take_calls(organization)


def test_an_entity_that_is_registered_with_another_address_is_refused(people: OrganizationBuilder) -> None:
    user = people.create_user("dana")

    with pytest.raises(errors.RestoreRefused, match="its primary address is not the recorded one") as refusal:
        register_user(user, parse(NOW), email="other@example.com")
    assert "@" not in str(refusal.value)


def test_an_entity_is_not_registered_after_its_retention(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = create_deregistered_user(people)
    entity = describe_entity(user)
    retention_ends_at = read_last_moment(user) + timedelta(milliseconds=1)
    take_calls(organization)

    with pytest.raises(errors.RetentionEnded, match="A registration would create a new, empty mailbox"):
        register(make_directory(), make_user_record(user), entity, retention_ends_at)
    assert take_calls(organization) == []


def test_the_recorded_end_of_the_retention_counts_if_workmail_gives_no_date(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = create_deregistered_user(people)
    organization.arrange(ORGANIZATION_ID, user, disabled_date=None)
    record = make_user_record(user, retention_ends_at="2026-12-23T09:00:00.000Z")

    with pytest.raises(errors.RetentionEnded):
        register(make_directory(), record, describe_entity(user), parse("2026-12-23T09:00:00Z"))
    assert register(make_directory(), record, describe_entity(user), parse("2026-12-23T08:59:59Z"))


def test_an_entity_without_a_recorded_address_must_be_registered_by_hand(people: OrganizationBuilder) -> None:
    user = create_deregistered_user(people)

    with pytest.raises(errors.NothingRecorded, match="Register it by hand"):
        register_user(user, email=None)


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(describe_entity_of_disabled="EntityNotFoundException")])
def test_an_address_in_use_is_refused_with_its_current_holder(
    people: OrganizationBuilder, organization: WorkMailBackend, behaviour: Behaviour
) -> None:
    organization.behaviour = behaviour
    user = create_deregistered_user(people)
    organization.arrange(ORGANIZATION_ID, user, email=None)
    holder = people.create_user("kim", registered=False)
    people.register(holder, "dana")

    with pytest.raises(errors.AddressInUse, match=f"belongs to the USER {holder} now") as refusal:
        register_user(user)

    assert "@" not in str(refusal.value)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("EntityStateException", errors.RegistrationNotConfirmed),
        ("UnsupportedOperationException", errors.RestoreRefused),
        ("MailDomainNotFoundException", errors.RestoreRefused),
        ("MailDomainStateException", errors.RestoreRefused),
        ("EntityAlreadyRegisteredException", errors.RestoreRefused),
        # WorkMail still lists the entity, so one answer is not enough.
        ("EntityNotFoundException", errors.WorkMailUnavailable),
        ("ThrottlingException", errors.WorkMailUnavailable),
        ("AccessDeniedException", errors.AccessDenied),
    ],
)
def test_each_error_of_the_registration_is_raised(
    people: OrganizationBuilder, organization: WorkMailBackend, code: str, error: type[Exception]
) -> None:
    user = create_deregistered_user(people)
    fail_operation(organization, "RegisterToWorkMail", code)

    with pytest.raises(errors.OffboardingError) as failure:
        register_user(user)

    assert type(failure.value) is error
    assert describe_entity(user).state is EntityState.DISABLED


def test_an_entity_that_is_deleted_before_its_registration_is_gone(
    people: OrganizationBuilder, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = create_deregistered_user(people)
    monkeypatch.setattr(Directory, "confirm_absent", lambda *_: None)
    fail_operation(organization, "RegisterToWorkMail", "EntityNotFoundException")

    with pytest.raises(errors.EntityGone, match="nothing was observed of its mailbox"):
        register_user(user)


def test_no_namesake_is_reported_if_the_users_cannot_be_listed(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)
    monkeypatch.setattr(Directory, "confirm_absent", lambda *_: None)
    fail_operation(organization, "DescribeUser", "EntityNotFoundException")
    fail_operation(organization, "ListUsers", "EntityNotFoundException")

    with pytest.raises(errors.EntityGone, match=r"observed of its mailbox\.$"):
        restore(table, ExecutionArn=ARN_A)


def test_no_namesake_is_reported_among_too_many_candidates(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)
    monkeypatch.setattr(Directory, "confirm_absent", lambda *_: None)
    monkeypatch.setattr(Directory, "list_by_name", make_raiser(errors.EntityAmbiguous("More than 1000 entities.")))
    fail_operation(organization, "DescribeUser", "EntityNotFoundException")

    with pytest.raises(errors.EntityGone, match=r"observed of its mailbox\.$"):
        restore(table, ExecutionArn=ARN_A)


def test_a_registration_that_does_not_read_back_is_retried(
    people: OrganizationBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = create_deregistered_user(people)
    entity = describe_entity(user)
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "describe", lambda self, reference: entity)
        with pytest.raises(errors.RegistrationNotConfirmed):
            register(make_directory(), make_user_record(user), entity, read_last_moment(user))

    assert register_user(user, parse(NOW)) is False


@pytest.mark.parametrize(
    ("is_stopped", "message"),
    [
        (False, "its status is Recorded. While it waits for its date, an approval or an export, cancel it"),
        (True, "ended as Stopped before it deregistered"),
    ],
)
def test_an_entity_that_was_not_deregistered_is_not_restored(
    table: Table, people: OrganizationBuilder, is_stopped: bool, message: str
) -> None:
    table.create_record("a", people.create_user("dana"))
    if is_stopped:
        table.close_record(ARN_A)

    with pytest.raises(errors.NotDeregistered) as refusal:
        restore(table, ExecutionArn=ARN_A)
    assert message in str(refusal.value)


def test_a_restore_by_the_record_of_an_earlier_window_is_refused_with_the_current_one(
    table: Table, people: OrganizationBuilder
) -> None:
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)
    table.close_record(ARN_A)
    table.create_deregistered_record("b", user)

    with pytest.raises(errors.RestoreRefused, match=f"Restore by that one: {ARN_B}"):
        restore(table, ExecutionArn=ARN_A)
    assert restore(table, OrganizationId=ORGANIZATION_ID, EntityId=user)["OffboardingArn"] == ARN_B


@pytest.mark.parametrize("is_lock_gone", [False, True])
def test_either_trace_of_a_later_window_is_enough_to_refuse_a_restore(
    table: Table, people: OrganizationBuilder, is_lock_gone: bool
) -> None:
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)
    table.close_record(ARN_A)
    table.create_deregistered_record("b", user)
    if is_lock_gone:
        table.delete_item(entity_key(ORGANIZATION_ID, user), "Lock")
    else:
        table.client.update_item(
            TableName=TABLE_NAME, Key=make_key(ARN_A, "Record"), UpdateExpression="REMOVE SupersededBy"
        )

    with pytest.raises(errors.RestoreRefused, match=f"Restore by that one: {ARN_B}"):
        restore(table, ExecutionArn=ARN_A)


def test_an_offboarding_that_was_stopped_early_does_not_hide_the_record_of_the_window(
    table: Table, people: OrganizationBuilder
) -> None:
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)
    table.close_record(ARN_A)
    table.create_record("b", user)
    table.close_record(ARN_B)

    assert restore(table, OrganizationId=ORGANIZATION_ID, EntityId=user)["OffboardingArn"] == ARN_A


def test_an_entity_that_was_registered_after_its_retention_has_a_new_mailbox(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    retention_ends_at = "2026-12-24T09:00:00.000Z"
    organization.arrange(ORGANIZATION_ID, user, enabled_date=parse(retention_ends_at))

    with pytest.raises(errors.RetentionEnded, match="after the retention of its previous mailbox had ended"):
        register_user(user, parse(retention_ends_at), retention_ends_at=retention_ends_at)
    organization.arrange(ORGANIZATION_ID, user, enabled_date=parse(retention_ends_at) - timedelta(milliseconds=1))
    with pytest.raises(errors.RetentionEnded, match="before its retention ended"):
        register_user(user, parse(retention_ends_at), retention_ends_at=retention_ends_at)
    last_moment = parse(retention_ends_at) - timedelta(milliseconds=1)
    assert register_user(user, last_moment, retention_ends_at=retention_ends_at) is False


def test_a_restore_waits_for_a_deregistration_in_progress(
    table: Table, people: OrganizationBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = people.create_user("dana")
    table.record_attempt(table.create_record("a", user), user)
    monkeypatch.setattr(register_entity, "read_execution_status", lambda arn: RUNNING)

    with pytest.raises(errors.OffboardingUnsettled, match=ARN_A):
        restore(table, ExecutionArn=ARN_A)


def test_an_entity_whose_offboarding_was_stopped_after_an_attempt_is_restored(
    table: Table, people: OrganizationBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = create_deregistered_user(people)
    table.record_attempt(table.create_record("a", user), user)
    monkeypatch.setattr(register_entity, "read_execution_status", lambda arn: STOPPED)

    assert restore(table, ExecutionArn=ARN_A)["Evidence"]["Registered"] is True
    assert describe_entity(user).state is EntityState.ENABLED


def test_a_restore_is_recorded_with_its_requester_and_can_be_repeated(
    table: Table, people: OrganizationBuilder
) -> None:
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)

    first_answer = restore(table, ExecutionArn=ARN_A, RequestedBy="boss", Reason="came back")
    restore_step = table.read_step(ARN_A, "RegisterEntity")
    second_answer = restore(table, OrganizationId=ORGANIZATION_ID, EntityId=user)

    assert first_answer["OffboardingArn"] == second_answer["OffboardingArn"] == ARN_A
    assert first_answer["Entity"] == {"Id": user, "Type": "USER", "Name": "dana"}
    assert (first_answer["Evidence"]["Registered"], second_answer["Evidence"]["Registered"]) == (True, False)
    assert table.load_record(ARN_A).status is Status.RESTORING
    assert restore_step == {
        "At": LATER,
        "Step": "RegisterEntity",
        "RestoredIn": RESTORE_ARN,
        "Address": "AsRecorded",
        "RequestedBy": "boss",
        "Reason": "came back",
        "Answers": first_answer["Evidence"]["Answers"],
    }


def test_a_complete_restore_is_not_repeated(table: Table, people: OrganizationBuilder) -> None:
    """What is missing since then, somebody has taken away on purpose."""
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)
    restore(table, ExecutionArn=ARN_A)
    record = table.load_record(ARN_A)
    table.records.record_restore_step(record, Status.RESTORED, {}, {"At": LATER, "Step": "Restored"})

    with pytest.raises(errors.RestoreRefused, match=f"^Nothing was changed. {user} was restored before"):
        restore(table, ExecutionArn=ARN_A)


@pytest.mark.parametrize("describe_deleted", ["DELETED", "EntityNotFoundException"])
def test_a_deleted_entity_is_gone_even_if_it_was_recreated(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend, describe_deleted: Any
) -> None:
    organization.behaviour = Behaviour(describe_deleted=describe_deleted)
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)
    delete_user(user)

    with pytest.raises(errors.EntityGone) as failure:
        restore(table, ExecutionArn=ARN_A)
    assert str(failure.value) == (
        f"{user} was deleted from the directory. It cannot be restored, and nothing was observed of its mailbox."
    )

    namesake = people.create_user("dana", registered=False)
    with pytest.raises(errors.EntityGone, match=f"The USER {namesake} has the same name, but is another entity"):
        restore(table, ExecutionArn=ARN_A)


def test_a_refused_restore_does_not_change_the_record(table: Table, people: OrganizationBuilder) -> None:
    user = people.create_user("dana")
    table.create_deregistered_record("a", user)
    client("workmail").update_primary_email_address(
        OrganizationId=ORGANIZATION_ID, EntityId=user, Email="other@example.com"
    )
    item = table.read_item(ARN_A)

    with pytest.raises(errors.RestoreRefused):
        restore(table, ExecutionArn=ARN_A)
    assert table.read_item(ARN_A) == item


def test_the_retention_of_an_entity_without_any_date_ends_by_the_record(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = create_deregistered_user(people)
    organization.arrange(ORGANIZATION_ID, user, disabled_date=None)

    with pytest.raises(errors.RetentionEnded):
        register_user(user, parse(RETENTION_ENDS_AT))
    assert register_user(user, parse(RETENTION_ENDS_AT) - timedelta(milliseconds=1)) is True


def test_a_group_has_no_mailbox_that_a_late_registration_could_create(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    group = people.create_group("staff")
    deregister(group)
    record = make_user_record(group)

    with pytest.raises(errors.RetentionEnded, match=r"possible until then only\.$"):
        register(make_directory(), record, describe_entity(group, EntityType.GROUP), parse(RETENTION_ENDS_AT))


@pytest.mark.parametrize("milliseconds", [-1, 1])
def test_an_entity_that_is_disabled_since_another_date_is_refused(
    people: OrganizationBuilder, milliseconds: int
) -> None:
    user = create_deregistered_user(people)
    entity = replace(describe_entity(user), disabled_date=parse(NOW) + timedelta(milliseconds=milliseconds))

    with pytest.raises(errors.RestoreRefused, match="Somebody has disabled it again"):
        register(make_directory(), make_user_record(user), entity, parse(LATER))
    assert describe_entity(user).state is EntityState.DISABLED


@pytest.mark.parametrize(("minutes", "is_same"), [(-16, False), (-15, True), (15, True), (16, False)])
def test_an_unconfirmed_disabling_must_have_been_at_about_the_time_of_the_attempt(
    people: OrganizationBuilder, minutes: int, is_same: bool
) -> None:
    user = create_deregistered_user(people)
    entity = replace(describe_entity(user), disabled_date=parse(NOW) + timedelta(minutes=minutes))
    record = make_user_record(user, deregistered_at=None, attempted_at=NOW)

    if is_same:
        assert register(make_directory(), record, entity, parse(LATER))
    else:
        with pytest.raises(errors.RestoreRefused, match="disabling that this record is about"):
            register(make_directory(), record, entity, parse(LATER))


def test_a_changed_primary_address_of_a_disabled_entity_is_not_changed_back(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = create_deregistered_user(people)
    organization.arrange(ORGANIZATION_ID, user, email="dana.new@example.com")

    with pytest.raises(errors.RestoreRefused, match="has changed since it was recorded") as refusal:
        register_user(user)
    assert "@" not in str(refusal.value)
    assert describe_entity(user).state is EntityState.DISABLED


def test_a_hidden_address_is_recorded_as_not_compared(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    organization.behaviour = Behaviour(email_of_disabled="absent")
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)

    assert restore(table, ExecutionArn=ARN_A)["Evidence"]["Address"] == "NotGiven"
    assert table.read_step(ARN_A, "RegisterEntity")["Address"] == "NotGiven"


ENDS_AT = parse(RETENTION_ENDS_AT)
BEFORE_THE_END = render(ENDS_AT - timedelta(hours=1))


@pytest.mark.parametrize(
    ("restore_began_at", "after_the_end", "is_resumed"),
    [
        (None, timedelta(), False),
        (BEFORE_THE_END, timedelta(), True),
        (BEFORE_THE_END, RESUME_WITHIN - timedelta(hours=1, milliseconds=1), True),
        (BEFORE_THE_END, RESUME_WITHIN - timedelta(hours=1), False),
        (BEFORE_THE_END, timedelta(days=70), False),
        (render(ENDS_AT - timedelta(days=10)), timedelta(), False),
        (RETENTION_ENDS_AT, timedelta(days=1), False),
    ],
)
def test_after_the_retention_only_a_restore_that_stopped_halfway_resumes_for_a_week(
    people: OrganizationBuilder,
    organization: WorkMailBackend,
    restore_began_at: str | None,
    after_the_end: timedelta,
    is_resumed: bool,
) -> None:
    user = people.create_user("dana")
    organization.arrange(ORGANIZATION_ID, user, enabled_date=ENDS_AT - timedelta(hours=2))
    members = {"retention_ends_at": RETENTION_ENDS_AT, "restore_began_at": restore_began_at}

    if is_resumed:
        assert register_user(user, ENDS_AT + after_the_end, **members) is False
    else:
        with pytest.raises(errors.RetentionEnded, match="A restore puts back aliases and groups until"):
            register_user(user, ENDS_AT + after_the_end, **members)


def test_a_restore_that_stopped_halfway_registers_nothing_after_the_retention(people: OrganizationBuilder) -> None:
    user = create_deregistered_user(people)

    with pytest.raises(errors.RetentionEnded, match="possible until then only"):
        register_user(user, ENDS_AT, retention_ends_at=RETENTION_ENDS_AT, restore_began_at=BEFORE_THE_END)


def test_a_restore_that_stopped_halfway_does_not_resume_for_a_later_registration(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    organization.arrange(ORGANIZATION_ID, user, enabled_date=ENDS_AT)

    with pytest.raises(errors.RetentionEnded, match="Unless somebody had registered it in between"):
        register_user(user, ENDS_AT, retention_ends_at=RETENTION_ENDS_AT, restore_began_at=BEFORE_THE_END)


def test_a_repeated_restore_does_not_prolong_the_time_to_put_back(table: Table, people: OrganizationBuilder) -> None:
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)
    event = {"ExecutionArn": RESTORE_ARN, "Input": {"ExecutionArn": ARN_A}}

    limits = {
        register_entity.handler({**event, "Now": now}, Context())["PutBackUntil"]
        for now in (BEFORE_THE_END, RETENTION_ENDS_AT, render(ENDS_AT + timedelta(days=6)))
    }

    assert limits == {render(parse(BEFORE_THE_END) + RESUME_WITHIN)}
    assert table.load_record(ARN_A).restore_began_at == BEFORE_THE_END


@pytest.mark.parametrize("email_of_disabled", ["present", "absent"])
def test_an_entity_that_differs_from_the_expected_one_is_not_restored(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend, email_of_disabled: Any
) -> None:
    organization.behaviour = Behaviour(email_of_disabled=email_of_disabled)
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)

    for member in ("Type", "Name", "Email", "DisplayName"):
        expected = {member: "GROUP" if member == "Type" else "other"}
        with pytest.raises(errors.EntityMismatch) as refusal:
            restore(table, ExecutionArn=ARN_A, Expected=expected)
        assert str(refusal.value).startswith(
            f"Nothing was changed. The input means the USER {user}, which differs from Expected in {member}."
        )
    assert describe_entity(user).state is EntityState.DISABLED
    expected = {"Type": "USER", "Name": "DANA", "Email": "Dana@example.com"}
    assert restore(table, ExecutionArn=ARN_A, Expected=expected)["Evidence"]["Registered"] is True


def test_an_address_in_use_is_refused_even_if_its_holder_is_unknown(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = create_deregistered_user(people)
    fail_operation(organization, "RegisterToWorkMail", "EmailAddressInUseException")
    fail_operation(organization, "DescribeEntity", "EntityNotFoundException")

    with pytest.raises(errors.AddressInUse, match=f"address of {user} belongs to another entity, which WorkMail does"):
        register_user(user)


@pytest.mark.parametrize("failing_operation", ["DescribeUser", "ListUsers"])
def test_a_single_answer_does_not_prove_that_an_entity_is_gone(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend, failing_operation: str
) -> None:
    user = create_deregistered_user(people)
    table.create_deregistered_record("a", user)
    fail_operation(organization, "DescribeUser", "EntityNotFoundException")
    if failing_operation == "ListUsers":
        fail_operation(organization, failing_operation, "EntityNotFoundException")

    with pytest.raises(errors.WorkMailUnavailable):
        restore(table, ExecutionArn=ARN_A)
