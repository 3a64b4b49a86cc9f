"""By which record an entity is restored, and when it is registered again and when it is not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

import register_entity
from local.defaults import ORGANIZATION_ID
from local.organization import People
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters.directory import Directory
from offboarding.adapters.executions import ExecutionStatus
from offboarding.domain import errors
from offboarding.domain.entities import EntityState
from offboarding.domain.record import Record, Status
from offboarding.domain.timestamps import parse
from register_entity import find_record, register
from tests.unit.conftest import (
    NOW,
    USER_ID,
    Context,
    Table,
    a_record,
    an_offboarding,
    client,
    described,
    execution,
    fail,
)

A = execution("a")
RESTORE = execution("r", "offboarding-restore")
LATER = "2026-11-24T10:00:00.000Z"
RUNNING = ExecutionStatus(is_running=True)
OVER = ExecutionStatus(is_running=False, outcome="Stopped", ended_at=LATER)


def directory() -> Directory:
    return Directory(register_entity.client, ORGANIZATION_ID, refused=errors.RestoreRefused)


def offboarded(people: People, name: str = "dana") -> str:
    """Make a user and deregister it."""
    user = people.user(name)
    client("workmail").deregister_from_work_mail(OrganizationId=ORGANIZATION_ID, EntityId=user)
    return user


def record_of(user: str, email: str | None = "dana@example.com", **changes: Any) -> Record:
    entity = {"Id": user, "Type": "USER", "Name": "dana", **({"Email": email} if email else {})}
    return a_record(
        entity=entity, status=Status.IN_WINDOW, deregistration_attempted=True, deregistered_at=NOW, **changes
    )


def soon(user: str) -> datetime:
    """Return a moment at which its retention has not ended."""
    disabled = described(user).disabled_date
    assert disabled is not None
    return disabled + timedelta(days=30) - timedelta(milliseconds=1)


def restore(table: Table, **request: Any) -> dict[str, Any]:
    event = {"ExecutionArn": RESTORE, "Now": LATER, "Input": request}
    return register_entity.handler(event, Context())


def test_a_record_is_found_by_its_execution_or_by_the_id_of_its_entity(table: Table, people: People) -> None:
    table.deregister("a")

    assert find_record(table.records, {"ExecutionArn": A}).execution_arn == A
    by_id = {"OrganizationId": ORGANIZATION_ID, "EntityId": USER_ID}
    assert find_record(table.records, by_id).execution_arn == A


@pytest.mark.parametrize("identifier", ["dana", "DANA", "dana@example.com", "Dana@Example.com", "d.leaver@example.com"])
def test_a_record_in_the_window_is_found_by_name_and_address(table: Table, people: People, identifier: str) -> None:
    table.deregister("a")
    table.records.create_or_update(
        A,
        {"OrganizationId": ORGANIZATION_ID, "Entity": {**table.get(A).entity, "Aliases": ["d.leaver@example.com"]}},
        Status.RECORDED,
        None,
        {"At": NOW, "Step": "Recorded"},
    )
    table.records.record_attempt(an_offboarding(A), LATER, {"At": NOW, "Step": "Deregister"})

    found = find_record(table.records, {"OrganizationId": ORGANIZATION_ID, "EntityId": identifier})

    assert found.execution_arn == A


def test_two_records_of_one_name_are_ambiguous(table: Table, people: People) -> None:
    table.deregister("a")
    table.deregister("b", "entity-b")

    with pytest.raises(errors.EntityAmbiguous, match=f"2 recorded .*{USER_ID}.*Give the id") as failure:
        find_record(table.records, {"OrganizationId": ORGANIZATION_ID, "EntityId": "dana"})
    assert "entity-b" in str(failure.value)


@pytest.mark.parametrize("request_", [{"ExecutionArn": A}, {"OrganizationId": ORGANIZATION_ID, "EntityId": "dan"}])
def test_what_nobody_recorded_cannot_be_restored(table: Table, people: People, request_: dict[str, str]) -> None:
    table.deregister("b", "entity-b")

    with pytest.raises(errors.NothingRecorded, match="register-to-work-mail"):
        find_record(table.records, request_)


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"EntityId": USER_ID},
        {"OrganizationId": ORGANIZATION_ID},
        {"ExecutionArn": A, "EntityId": USER_ID},
        {"ExecutionArn": A, "EntityId": USER_ID, "OrganizationId": ORGANIZATION_ID},
    ],
)
def test_a_restore_is_of_an_entity_or_of_an_execution(table: Table, people: People, request_: dict[str, str]) -> None:
    with pytest.raises(errors.InvalidRequest, match="either ExecutionArn, the offboarding's, or OrganizationId and"):
        find_record(table.records, request_)


def test_an_organization_that_is_not_served_is_not_restored_in(table: Table, people: People) -> None:
    with pytest.raises(errors.InvalidRequest, match="not configured in this stack"):
        find_record(table.records, {"OrganizationId": "m-" + "0" * 32, "EntityId": USER_ID})


def test_what_is_disabled_is_registered_with_the_address_it_had(people: People) -> None:
    user = offboarded(people)

    assert register(directory(), record_of(user), described(user), soon(user)) is True

    assert described(user).state is EntityState.ENABLED
    assert described(user).email == "dana@example.com"


def test_what_is_registered_already_is_left_alone(people: People, organization: WorkMailBackend) -> None:
    user = people.user("dana")
    organization.calls.clear()

    assert register(directory(), record_of(user, "DANA@example.com"), described(user), parse(NOW)) is False
    assert "RegisterToWorkMail" not in [call.operation for call in organization.calls]


def test_what_somebody_registered_with_another_address_is_left_alone(people: People) -> None:
    user = people.user("dana")

    with pytest.raises(errors.RestoreRefused, match="its primary address is not the recorded one") as refusal:
        register(directory(), record_of(user, "other@example.com"), described(user), parse(NOW))
    assert "@" not in str(refusal.value)


def test_a_mailbox_that_is_gone_is_not_registered_anew(people: People, organization: WorkMailBackend) -> None:
    user = offboarded(people)
    entity = described(user)
    ends = soon(user) + timedelta(milliseconds=1)
    organization.calls.clear()

    with pytest.raises(errors.RetentionEnded, match="a new, empty one"):
        register(directory(), record_of(user), entity, ends)
    assert organization.calls == []


def test_where_workmail_gives_no_date_the_recorded_one_counts(people: People, organization: WorkMailBackend) -> None:
    user = offboarded(people)
    organization.arrange(ORGANIZATION_ID, user, disabled_date=None)
    record = record_of(user, retention_ends_at="2026-12-24T09:00:00.000Z")

    with pytest.raises(errors.RetentionEnded):
        register(directory(), record, described(user), parse("2026-12-24T09:00:00Z"))
    assert register(directory(), record, described(user), parse("2026-12-24T08:59:59Z"))


def test_an_entity_whose_address_nobody_knew_is_registered_by_hand(people: People) -> None:
    user = offboarded(people)

    with pytest.raises(errors.NothingRecorded, match="Register it by hand"):
        register(directory(), record_of(user, None), described(user), soon(user))


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (Behaviour(), "belongs to the USER {other} now"),
        (Behaviour(describe_entity_of_disabled="EntityNotFoundException"), "belongs to the USER {other} now"),
    ],
)
def test_an_address_that_is_taken_is_refused_with_who_has_it(
    people: People, organization: WorkMailBackend, behaviour: Behaviour, says: str
) -> None:
    organization.behaviour = behaviour
    user = offboarded(people)
    organization.arrange(ORGANIZATION_ID, user, email=None)
    other = people.user("kim", registered=False)
    people.register(other, "dana")

    with pytest.raises(errors.AddressInUse) as refusal:
        register(directory(), record_of(user), described(user), soon(user))

    assert says.format(other=other) in str(refusal.value)
    assert "@" not in str(refusal.value)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("EntityStateException", errors.RegistrationNotConfirmed),
        ("UnsupportedOperationException", errors.RestoreRefused),
        ("MailDomainNotFoundException", errors.RestoreRefused),
        ("MailDomainStateException", errors.RestoreRefused),
        ("EntityAlreadyRegisteredException", errors.RestoreRefused),
        # It is listed all the same, so that is not believed.
        ("EntityNotFoundException", errors.WorkMailUnavailable),
        ("ThrottlingException", errors.WorkMailUnavailable),
        ("AccessDeniedException", errors.AccessDenied),
    ],
)
def test_a_no_of_workmail_is_no_success(
    people: People, organization: WorkMailBackend, code: str, error: type[Exception]
) -> None:
    user = offboarded(people)
    fail(organization, "RegisterToWorkMail", code)

    with pytest.raises(errors.OffboardingError) as failure:
        register(directory(), record_of(user), described(user), soon(user))

    assert type(failure.value) is error
    assert described(user).state is EntityState.DISABLED


def test_who_was_deleted_a_moment_before_the_registration_is_gone(
    people: People, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = offboarded(people)
    monkeypatch.setattr(Directory, "is_listed", lambda self, reference: False)
    fail(organization, "RegisterToWorkMail", "EntityNotFoundException")

    with pytest.raises(errors.EntityGone, match="nothing left to restore"):
        register(directory(), record_of(user), described(user), soon(user))


def test_where_nobody_can_say_who_has_the_name_now_nobody_is_named(
    table: Table, people: People, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = offboarded(people)
    table.deregister("a", user)
    monkeypatch.setattr(Directory, "is_listed", lambda self, reference: False)
    fail(organization, "DescribeUser", "EntityNotFoundException")
    fail(organization, "ListUsers", "EntityNotFoundException")

    with pytest.raises(errors.EntityGone, match=r"nothing left to restore\.$"):
        restore(table, ExecutionArn=A)


def test_a_registration_that_does_not_read_back_is_asked_for_again(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = offboarded(people)
    before = described(user)
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "describe", lambda self, reference: before)
        with pytest.raises(errors.RegistrationNotConfirmed):
            register(directory(), record_of(user), before, soon(user))

    assert register(directory(), record_of(user), described(user), parse(NOW)) is False


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda table: None, errors.NotDeregistered, "its status is Recorded. To cancel it, stop the execution"),
        (
            lambda table: table.records.close(table.get(A), "Stopped", None, LATER),
            errors.NotDeregistered,
            "ended as Stopped before it deregistered",
        ),
    ],
)
def test_what_was_not_deregistered_is_not_restored(
    table: Table, people: People, change: Any, error: type[Exception], says: str
) -> None:
    table.open("a", people.user("dana"))
    change(table)

    with pytest.raises(error) as refusal:
        restore(table, ExecutionArn=A)
    assert says in str(refusal.value)


def test_a_restore_by_the_record_of_an_earlier_window_is_refused_with_the_later_one(
    table: Table, people: People
) -> None:
    user = offboarded(people)
    table.deregister("a", user)
    table.records.close(table.get(A), "Stopped", None, LATER)
    table.deregister("b", user)

    with pytest.raises(errors.RestoreRefused, match=f"Restore by that one: {execution('b')}"):
        restore(table, ExecutionArn=A)
    assert restore(table, OrganizationId=ORGANIZATION_ID, EntityId=user)["OffboardingArn"] == execution("b")


def test_an_offboarding_that_was_stopped_early_does_not_hide_the_record_of_the_window(
    table: Table, people: People
) -> None:
    user = offboarded(people)
    table.deregister("a", user)
    table.records.close(table.get(A), "Stopped", None, LATER)
    table.open("b", user)
    table.records.close(table.get(execution("b")), "Stopped", None, LATER)

    assert restore(table, OrganizationId=ORGANIZATION_ID, EntityId=user)["OffboardingArn"] == A


def test_what_somebody_registered_after_the_retention_has_a_new_mailbox(
    people: People, organization: WorkMailBackend
) -> None:
    user = people.user("dana")
    ends = "2026-12-24T09:00:00.000Z"
    organization.arrange(ORGANIZATION_ID, user, enabled_date=parse(ends))

    with pytest.raises(errors.RetentionEnded, match="with a new mailbox"):
        register(directory(), record_of(user, retention_ends_at=ends), described(user), parse(ends))
    organization.arrange(ORGANIZATION_ID, user, enabled_date=parse(ends) - timedelta(seconds=1))
    assert register(directory(), record_of(user, retention_ends_at=ends), described(user), parse(ends)) is False


def deregistering(table: Table, user: str) -> None:
    table.open("a", user)
    step = {"At": NOW, "Step": "Deregister"}
    assert table.records.record_attempt(an_offboarding(A, user), LATER, step)


def test_an_offboarding_that_deregisters_at_this_moment_is_waited_for(
    table: Table, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    deregistering(table, people.user("dana"))
    monkeypatch.setattr(register_entity, "read_execution_status", lambda arn: RUNNING)

    with pytest.raises(errors.OffboardingUnsettled, match=A):
        restore(table, ExecutionArn=A)


def test_one_that_was_stopped_at_that_moment_is_restored(
    table: Table, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = offboarded(people)
    deregistering(table, user)
    monkeypatch.setattr(register_entity, "read_execution_status", lambda arn: OVER)

    assert restore(table, ExecutionArn=A)["Evidence"]["Registered"] is True
    assert described(user).state is EntityState.ENABLED


def test_a_restore_is_noted_with_who_asked_and_can_run_again(table: Table, people: People) -> None:
    user = offboarded(people)
    table.deregister("a", user)

    first = restore(table, ExecutionArn=A, RequestedBy="boss", Reason="came back")
    second = restore(table, OrganizationId=ORGANIZATION_ID, EntityId=user)

    assert first["OffboardingArn"] == second["OffboardingArn"] == A
    assert first["Entity"] == {"Id": user, "Type": "USER", "Name": "dana"}
    assert (first["Evidence"]["Registered"], second["Evidence"]["Registered"]) == (True, False)
    assert table.get(A).status is Status.RESTORING
    step = (table.item(A) or {})["Steps"]["L"][-2]["M"]
    assert {name: value["S"] for name, value in step.items()} == {
        "At": LATER,
        "Step": "RegisterEntity",
        "RestoredIn": RESTORE,
        "RequestedBy": "boss",
        "Reason": "came back",
    }


@pytest.mark.parametrize("describe_deleted", ["DELETED", "EntityNotFoundException"])
def test_an_entity_that_was_deleted_is_gone_and_so_is_one_that_was_made_anew(
    table: Table, people: People, organization: WorkMailBackend, describe_deleted: Any
) -> None:
    organization.behaviour = Behaviour(describe_deleted=describe_deleted)
    user = offboarded(people)
    table.deregister("a", user)
    client("workmail").delete_user(OrganizationId=ORGANIZATION_ID, UserId=user)

    with pytest.raises(errors.EntityGone) as gone:
        restore(table, ExecutionArn=A)
    assert (
        str(gone.value)
        == f"{user} was deleted from the directory, and its mailbox with it. There is nothing left to restore."
    )

    anew = people.user("dana", registered=False)
    with pytest.raises(errors.EntityGone, match=f"The USER {anew} has the same name, but is another entity"):
        restore(table, ExecutionArn=A)


def test_a_refused_restore_leaves_the_record_as_it_was(table: Table, people: People) -> None:
    user = people.user("dana")
    table.deregister("a", user)
    client("workmail").update_primary_email_address(
        OrganizationId=ORGANIZATION_ID, EntityId=user, Email="other@example.com"
    )
    before = table.item(A)

    with pytest.raises(errors.RestoreRefused):
        restore(table, ExecutionArn=A)
    assert table.item(A) == before


def test_what_workmail_and_the_record_give_no_date_of_can_be_registered(
    people: People, organization: WorkMailBackend
) -> None:
    user = offboarded(people)
    organization.arrange(ORGANIZATION_ID, user, disabled_date=None)

    assert register(directory(), record_of(user), described(user), parse("2036-11-24T09:00:00Z")) is True


def test_an_address_of_somebody_whom_workmail_does_not_name_is_refused_all_the_same(
    people: People, organization: WorkMailBackend
) -> None:
    user = offboarded(people)
    fail(organization, "RegisterToWorkMail", "EmailAddressInUseException")
    fail(organization, "DescribeEntity", "EntityNotFoundException")

    with pytest.raises(errors.AddressInUse, match=f"address of {user} belongs to another entity, which WorkMail does"):
        register(directory(), record_of(user), described(user), soon(user))


@pytest.mark.parametrize("also", ["DescribeUser", "ListUsers"])
def test_what_one_answer_says_is_gone_is_not_believed_to_be(
    table: Table, people: People, organization: WorkMailBackend, also: str
) -> None:
    user = offboarded(people)
    table.deregister("a", user)
    fail(organization, "DescribeUser", "EntityNotFoundException")
    if also == "ListUsers":
        fail(organization, also, "EntityNotFoundException")

    with pytest.raises(errors.WorkMailUnavailable):
        restore(table, ExecutionArn=A)
