"""Whom an event is about if WorkMail shows no such user any more, and which entity a withdrawal means."""

from dataclasses import replace
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import WorkMailBackend
from offboarding.adapters.directory import Directory
from offboarding.adapters.intake_settings import read_intake_settings
from offboarding.adapters.records import entity_key
from offboarding.adapters.reports import Reports
from offboarding.domain import errors
from offboarding.domain.entities import EntityReference, EntityType, LeavingUser
from offboarding.domain.record import Status
from offboarding.domain.reporters import Reporter
from offboarding.edge.identity_providers import LeaverEvent, RefusedEvent, RequestedEntity, SubjectKind
from offboarding.edge.intake.leavers import DepartureRepeated, find_leaver, find_withdrawn_entities
from offboarding.edge.remaining_time import NoTimeLeftError
from tests.unit.conftest import (
    NOW,
    OTHER_ORGANIZATION_ID,
    STARTED_AT,
    Context,
    PutIntakeSettings,
    Table,
    client,
    configure,
    delete_user,
    deregister,
    fail_operation,
    make_offboarding,
    take_calls,
)

ADDRESS = "dana@example.com"
STORE_ID, STORE_USER_ID = "d-1234567890", "94482488-3041-7097-2d41-0242ac120002"
ORGANIZATION = {ORGANIZATION_ID: {"MailDomains": ["example.com"], "IdentityStores": [STORE_ID]}}
OTHER_ORGANIZATION = {OTHER_ORGANIZATION_ID: {"MailDomains": ["example.org"], "IdentityStores": [STORE_ID]}}
PROVIDERS: dict[str, Any] = {"okta": {"OrganizationId": ORGANIZATION_ID}, "identityCenterScim": {}}
OKTA = LeaverEvent("okta", ADDRESS, SubjectKind.EMAIL, "e-1", NOW, provider_user_id="00u1")
REQUEST = LeaverEvent("offboardingRequested", ADDRESS, SubjectKind.EMAIL, "r-1", NOW, allows_any_entity_type=True)
SCIM = LeaverEvent(
    provider="identityCenterScim",
    subject=STORE_USER_ID,
    subject_kind=SubjectKind.IDENTITY_STORE_USER,
    deduplication_id="e-1",
    occurred_at=NOW,
    provider_user_id=STORE_USER_ID,
    identity_store_id=STORE_ID,
)


@pytest.fixture(autouse=True)
def configured_intake(
    organization: WorkMailBackend,
    table: Table,
    put_intake_settings: PutIntakeSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_intake_settings(ORGANIZATION, PROVIDERS)
    configure(
        monkeypatch,
        STATE_MACHINE_ARN="arn:aws:states:us-east-1:123456789012:stateMachine:offboarding",
        DEAD_LETTER_QUEUE_URL="not used",
        DRY_RUN="false",
    )


@pytest.fixture
def other_organization(organization: WorkMailBackend, put_intake_settings: PutIntakeSettings) -> OrganizationBuilder:
    """Return a second organization with the same identity store."""
    organization.create_organization_with_id(OTHER_ORGANIZATION_ID, "second-corp", mail_domains=("example.org",))
    put_intake_settings({**ORGANIZATION, **OTHER_ORGANIZATION}, PROVIDERS)
    return OrganizationBuilder(client("workmail"), OTHER_ORGANIZATION_ID, domain="example.org")


def find(leaver: LeaverEvent, milliseconds: int = 30_000) -> str | None:
    """Return the id of the user that an event is about; None if the execution has to find the entity."""
    _, user = find_leaver(leaver, Context(remaining_milliseconds=milliseconds))
    return user.id if user else None


def record(table: Table, entity_id: str, organization_id: str = ORGANIZATION_ID, **entity: Any) -> None:
    """Write the record of an offboarding that has deregistered an entity, and the provider's user of it."""
    offboarding = make_offboarding(f"arn:aws:states:us-east-1:123456789012:execution:o:{entity_id}", entity_id,
                                   organization_id)  # fmt: skip
    provider_user = entity.pop("provider_user", None)
    table.records.hold(offboarding, NOW)
    facts = {"StartedAt": STARTED_AT, "Entity": {**offboarding.entity, **entity}}
    log_entry = {"At": NOW, "Step": "Recorded"}
    table.records.create_or_update(offboarding, facts, Status.RECORDED, None, log_entry, provider_user)
    table.records.record_attempt(offboarding, NOW, {"At": NOW, "Step": "Deregister"})


def hide(organization: WorkMailBackend, user: str) -> str:
    """Deregister a user whose address WorkMail neither shows nor finds any more."""
    deregister(user)
    organization.arrange(ORGANIZATION_ID, user, email=None, name="renamed", identity_provider_user_id=None)
    return user


@pytest.fixture
def hidden_dana(people: OrganizationBuilder, organization: WorkMailBackend, table: Table) -> str:
    """A user who was offboarded, and whose name and address WorkMail does not show any more."""
    user = people.create_user("dana")
    record(table, user, provider_user=Reporter("okta", "00u1"))
    return hide(organization, user)


@pytest.mark.parametrize(
    "leaver",
    [
        OKTA,
        replace(OKTA, subject="new@example.com"),
        replace(OKTA, provider_user_id=None),
        replace(OKTA, subject="dana", subject_kind=SubjectKind.NAME),
        replace(OKTA, provider="auth0", provider_user_id="auth0|1", organization_id=ORGANIZATION_ID),
        REQUEST,
    ],
)
def test_who_was_offboarded_before_is_found_by_the_records(hidden_dana: str, leaver: LeaverEvent) -> None:
    assert find(leaver) == hidden_dana


def test_who_is_found_by_a_provider_user_is_not_looked_for_by_the_address(
    hidden_dana: str, people: OrganizationBuilder, organization: WorkMailBackend, table: Table
) -> None:
    record(table, people.create_user("kim"), Name="kim", Email="kim@example.com")

    assert find(replace(OKTA, subject="nobody@example.com")) == hidden_dana
    with pytest.raises(RefusedEvent, match="0 users of the organization have this primary address"):
        find(replace(OKTA, subject="nobody@example.com", provider_user_id="00u2"))


def test_an_address_of_somebody_for_whom_another_provider_user_stood_leads_to_nobody(hidden_dana: str) -> None:
    with pytest.raises(RefusedEvent, match="0 users of the organization have this primary address"):
        find(replace(OKTA, provider_user_id="00u2"))


def test_a_provider_user_of_another_organization_leads_to_nobody(
    people: OrganizationBuilder, organization: WorkMailBackend, table: Table
) -> None:
    user = hide(organization, people.create_user("dana"))
    record(table, user, OTHER_ORGANIZATION_ID, provider_user=Reporter("okta", "00u1"))

    with pytest.raises(RefusedEvent, match="0 users of the organization have this primary address"):
        find(OKTA)


def test_who_was_offboarded_before_is_found_by_the_presence_of_the_provider_user(
    people: OrganizationBuilder, organization: WorkMailBackend, table: Table
) -> None:
    user, leaver = people.create_user("dana"), replace(OKTA, subject="nobody@example.com")
    Reports().record_departure(Reporter("okta", "00u1"), NOW, entity_key(ORGANIZATION_ID, user), is_stated=True)
    with pytest.raises(RefusedEvent, match="0 users of the organization have this primary address"):
        find(leaver)
    record(table, user)
    hide(organization, user)

    assert find(leaver) == user


def test_an_entity_that_was_never_deregistered_is_not_found_by_the_records(
    people: OrganizationBuilder, organization: WorkMailBackend, table: Table
) -> None:
    user = people.create_user("dana")
    table.create_record("a", user)
    hide(organization, user)

    with pytest.raises(RefusedEvent, match="0 users of the organization have this primary address"):
        find(OKTA)
    assert find(REQUEST) is None


def test_a_name_that_two_recorded_entities_have_or_had_leads_to_neither(
    people: OrganizationBuilder, organization: WorkMailBackend, table: Table
) -> None:
    for name in ("dana", "kim"):
        user = people.create_user(name)
        record(table, user)
        hide(organization, user)

    with pytest.raises(RefusedEvent, match="0 users of the organization have this primary address"):
        find(replace(OKTA, provider_user_id=None))
    assert find(REQUEST) is None


@pytest.mark.parametrize("leaver", [OKTA, replace(OKTA, provider_user_id=None)], ids=["user", "address"])
def test_who_was_offboarded_before_and_deleted_since_is_repeated(
    hidden_dana: str, organization: WorkMailBackend, leaver: LeaverEvent
) -> None:
    delete_user(hidden_dana)

    with pytest.raises(DepartureRepeated) as repetition:
        find(leaver)
    assert str(repetition.value) == hidden_dana, "the name of the execution"


def test_the_address_of_a_deleted_user_does_not_show_that_a_departure_is_repeated(
    people: OrganizationBuilder, table: Table
) -> None:
    user = people.create_user("dana")
    record(table, user)
    deregister(user)
    delete_user(user)

    with pytest.raises(RefusedEvent, match="0 users of the organization have this primary address"):
        find(OKTA)


def test_who_was_offboarded_and_has_been_back_since_is_no_repetition(hidden_dana: str) -> None:
    reporter, reports = Reporter("okta", "00u1"), Reports()
    reports.record_return(reporter, NOW)
    delete_user(hidden_dana)

    with pytest.raises(RefusedEvent, match="0 users of the organization have this primary address"):
        find(OKTA)
    reports.record_departure(reporter, "2026-11-24T09:00:00.001Z", None, is_stated=True)
    with pytest.raises(DepartureRepeated):
        find(OKTA)


def test_who_was_offboarded_before_and_is_enabled_again_is_refused_with_the_id(
    people: OrganizationBuilder, organization: WorkMailBackend, table: Table
) -> None:
    user = people.create_user("dana")
    record(table, user, provider_user=Reporter("okta", "00u1"))
    organization.arrange(ORGANIZATION_ID, user, email="married@example.com", name="married")

    with pytest.raises(RefusedEvent, match=f"offboarded before as the user {user}, who is enabled again") as refusal:
        find(OKTA)
    assert "married" not in str(refusal.value)


def test_a_login_that_is_an_alias_is_refused_with_the_id(people: OrganizationBuilder) -> None:
    user, group = people.create_user("kim"), people.create_group("staff")
    people.create_alias(user, ADDRESS.partition("@")[0])
    people.create_alias(group, "team")

    with pytest.raises(RefusedEvent, match=f"This login is an alias of the user {user}, and not a primary address"):
        find(OKTA)
    with pytest.raises(RefusedEvent, match="0 users of the organization have this primary address"):
        find(replace(OKTA, subject="team@example.com"))
    with pytest.raises(RefusedEvent, match="0 users of the organization have this name"):
        find(replace(OKTA, subject="d.leaver", subject_kind=SubjectKind.NAME))
    assert find(REQUEST) is None, "the execution finds it by the same address"


HOLDER = LeavingUser(
    id="12a3b4c5-0000-4000-8000-00000000000e",
    name="kim",
    email=None,
    is_enabled=False,
    enabled_since=None,
    disabled_since=None,
    registration_key="",
)


@pytest.mark.parametrize(
    ("leaver", "holder", "answer"),
    [
        (OKTA, HOLDER, HOLDER.id),
        (REQUEST, HOLDER, HOLDER.id),
        (OKTA, replace(HOLDER, email="kim@example.com"), "0 users of the organization have this primary address"),
        (REQUEST, replace(HOLDER, email="kim@example.com"), None),
        (OKTA, replace(HOLDER, is_enabled=True), f"alias of the user {HOLDER.id}"),
        (REQUEST, replace(HOLDER, is_enabled=True), None),
        (OKTA, None, "0 users of the organization have this primary address"),
        (REQUEST, None, None),
    ],
)
def test_a_disabled_user_whose_address_is_known_and_not_shown_is_the_leaver(
    monkeypatch: pytest.MonkeyPatch, leaver: LeaverEvent, holder: LeavingUser | None, answer: str | None
) -> None:
    reference = EntityReference(EntityType.USER, HOLDER.id)
    monkeypatch.setattr(Directory, "find_by_address", lambda _, address: {ADDRESS: reference}[address])
    monkeypatch.setattr(Directory, "find_user", lambda _, user_id: {HOLDER.id: holder}[user_id])

    if leaver is REQUEST or answer == HOLDER.id:
        assert find(leaver) == answer
        return
    with pytest.raises(RefusedEvent, match=answer):
        find(leaver)


def test_an_address_of_a_group_is_not_looked_up_as_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = EntityReference(EntityType.GROUP, HOLDER.id)
    monkeypatch.setattr(Directory, "find_by_address", lambda *_: reference)
    monkeypatch.setattr(Directory, "find_user", lambda *_: HOLDER)

    with pytest.raises(RefusedEvent, match="0 users of the organization have this primary address"):
        find(OKTA)
    assert find(REQUEST) is None


def test_a_request_that_can_mean_a_group_does_not_mean_the_user_who_had_the_name_or_address(
    hidden_dana: str, people: OrganizationBuilder
) -> None:
    people.create_alias(people.create_group("staff"), "dana")
    by_name = replace(REQUEST, subject="dana", subject_kind=SubjectKind.ENTITY_ID, organization_id=ORGANIZATION_ID)

    assert find(REQUEST) is None
    assert find(by_name) is None


def test_an_error_of_the_look_up_of_an_alias_is_not_hidden(organization: WorkMailBackend) -> None:
    fail_operation(organization, "DescribeEntity", "ThrottlingException")

    with pytest.raises(errors.WorkMailUnavailable):
        find(OKTA)


def test_a_look_up_that_finds_several_users_does_not_look_into_the_records(
    hidden_dana: str, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    for name in ("kim", "lee"):
        organization.arrange(ORGANIZATION_ID, people.create_user(name), email=ADDRESS)

    with pytest.raises(RefusedEvent, match="2 users of the organization have this primary address"):
        find(OKTA)


@pytest.mark.parametrize("leaver", [OKTA, REQUEST])
@pytest.mark.parametrize(("milliseconds", "is_read"), [(24_999, False), (25_000, True)])
def test_the_records_are_read_only_if_enough_time_is_left(
    hidden_dana: str, leaver: LeaverEvent, milliseconds: int, is_read: bool
) -> None:
    if is_read:
        assert find(leaver, milliseconds) == hidden_dana
        return
    with pytest.raises(NoTimeLeftError):
        find(leaver, milliseconds)


# An identity store of several organizations


def test_who_was_offboarded_before_is_found_in_the_organization_that_had_the_user(
    people: OrganizationBuilder,
    organization: WorkMailBackend,
    other_organization: OrganizationBuilder,
    table: Table,
) -> None:
    user = people.create_user("dana")
    with pytest.raises(RefusedEvent, match="0 users of 2 organizations have this Identity Center user id"):
        find(SCIM)
    record(table, user, provider_user=Reporter("identityCenter", STORE_USER_ID))
    hide(organization, user)

    configured, leaving_user = find_leaver(SCIM, Context())

    assert leaving_user is not None
    assert (configured.id, leaving_user.id) == (ORGANIZATION_ID, user)


@pytest.mark.parametrize(("milliseconds", "is_read"), [(24_999, False), (25_000, True)])
def test_the_records_of_several_organizations_are_read_only_if_enough_time_is_left(
    other_organization: OrganizationBuilder, milliseconds: int, is_read: bool
) -> None:
    with pytest.raises(RefusedEvent if is_read else NoTimeLeftError):
        find(SCIM, milliseconds)


def test_a_user_of_an_identity_store_is_not_looked_for_by_name(
    people: OrganizationBuilder, organization: WorkMailBackend, table: Table
) -> None:
    user = people.create_user("dana")
    record(table, user, Name=STORE_USER_ID)
    hide(organization, user)

    with pytest.raises(RefusedEvent, match="0 users of the organization have this Identity Center user id"):
        find(SCIM)


# Withdrawals


def withdraw(subject: str, organization_id: str | None = None) -> list[str]:
    return find_withdrawn_entities(RequestedEntity(subject, organization_id))


ENTITY_ID = "12a3b4c5-0000-4000-8000-00000000000f"
RESOURCE_ID = f"r-{'0' * 32}"


@pytest.mark.parametrize("entity_id", [ENTITY_ID, RESOURCE_ID])
def test_the_id_of_an_entity_can_be_of_each_organization_unless_one_is_named(
    other_organization: OrganizationBuilder, organization: WorkMailBackend, entity_id: str
) -> None:
    keys = [entity_key(id_, entity_id) for id_ in sorted([ORGANIZATION_ID, OTHER_ORGANIZATION_ID])]

    assert withdraw(entity_id) == keys
    assert withdraw(entity_id, OTHER_ORGANIZATION_ID) == [entity_key(OTHER_ORGANIZATION_ID, entity_id)]
    with pytest.raises(RefusedEvent, match=r"0 organizations of the settings fit the withdrawal\. Check"):
        withdraw(entity_id, "m-" + "9" * 32)
    assert take_calls(organization) == []


def test_the_id_of_a_recorded_entity_can_be_written_in_another_case(table: Table) -> None:
    table.create_record("a", ENTITY_ID)

    assert ENTITY_ID.upper() != ENTITY_ID
    assert withdraw(ENTITY_ID.upper()) == [entity_key(ORGANIZATION_ID, ENTITY_ID)]
    unknown_id = ENTITY_ID.replace("f", "E")
    assert withdraw(unknown_id) == [entity_key(ORGANIZATION_ID, unknown_id)]


def test_an_id_that_is_the_name_of_two_recorded_entities_stays_as_it_is_written(table: Table) -> None:
    for name in "ab":
        table.create_record(name, f"entity-{name}", Entity={"Name": ENTITY_ID})

    assert withdraw(ENTITY_ID) == [entity_key(ORGANIZATION_ID, ENTITY_ID)]


@pytest.mark.parametrize("subject", ["dana", "DANA", ADDRESS, "Dana@Example.COM"])
@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_name_or_an_address_is_that_of_a_recorded_entity_or_of_a_user(
    people: OrganizationBuilder,
    other_organization: OrganizationBuilder,
    organization: WorkMailBackend,
    table: Table,
    subject: str,
    is_recorded: bool,
) -> None:
    user = people.create_user("dana")
    take_calls(organization)
    if is_recorded:
        table.create_record("a", user)
        people.create_user("dana2")

    assert withdraw(subject) == [entity_key(ORGANIZATION_ID, user)]
    assert withdraw(subject, ORGANIZATION_ID) == [entity_key(ORGANIZATION_ID, user)]
    with pytest.raises(RefusedEvent, match="0 entities of the configured organizations have or had this name"):
        withdraw(subject, OTHER_ORGANIZATION_ID)


def test_a_recorded_entity_is_found_that_workmail_does_not_list(
    people: OrganizationBuilder, organization: WorkMailBackend, table: Table
) -> None:
    group = people.create_group("staff")
    table.create_record("a", group, Entity={"Name": "staff", "Email": "staff@example.com"})

    assert withdraw("staff") == withdraw("staff@example.com") == [entity_key(ORGANIZATION_ID, group)]


@pytest.mark.parametrize("subject", ["dana", ADDRESS])
def test_a_name_that_a_recorded_entity_had_and_a_user_has_now_is_refused(
    people: OrganizationBuilder, table: Table, subject: str
) -> None:
    table.create_record("a", ENTITY_ID)
    people.create_user("dana")

    with pytest.raises(RefusedEvent, match="2 entities of the configured organizations have or had this name"):
        withdraw(subject)


def test_an_address_is_looked_for_in_the_organizations_of_its_domain_or_in_the_one_that_is_named(
    people: OrganizationBuilder, other_organization: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = other_organization.create_user("dana", domain="example.org")
    organization.arrange(OTHER_ORGANIZATION_ID, user, email=ADDRESS)

    for address in (ADDRESS, '"dana@home"@example.com'):
        with pytest.raises(RefusedEvent, match="0 entities"):
            withdraw(address)
    assert withdraw(ADDRESS, OTHER_ORGANIZATION_ID) == [entity_key(OTHER_ORGANIZATION_ID, user)]
    assert withdraw("dana") == [entity_key(OTHER_ORGANIZATION_ID, user)]


def test_a_name_of_entities_of_two_organizations_is_refused(
    people: OrganizationBuilder, other_organization: OrganizationBuilder
) -> None:
    people.create_user("dana")
    other_organization.create_user("dana", domain="example.org")

    with pytest.raises(RefusedEvent) as refusal:
        withdraw("dana")
    assert str(refusal.value) == (
        "2 entities of the configured organizations have or had this name or address, and exactly one must. Give the "
        "RequestId, or the entity's id."
    )


def test_an_unknown_organization_of_an_address_is_refused(people: OrganizationBuilder) -> None:
    people.create_user("dana")

    with pytest.raises(RefusedEvent) as refusal:
        withdraw(ADDRESS, "m-" + "9" * 32)
    assert str(refusal.value) == (
        "0 organizations of the settings fit the withdrawal. Check OrganizationId and the mail domain."
    )
    with pytest.raises(RefusedEvent, match="0 organizations of the settings fit the withdrawal"):
        withdraw("dana@example.net")
    with pytest.raises(RefusedEvent, match="0 organizations of the settings fit the withdrawal"):
        withdraw("dana", "m-" + "9" * 32)
    assert read_intake_settings().organizations[0].id == ORGANIZATION_ID
