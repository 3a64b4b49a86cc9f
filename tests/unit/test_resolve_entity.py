"""The entity that an execution's input identifies, and the date before which nothing happens."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import resolve_entity
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters.directory import Directory
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityType
from offboarding.domain.errors import InvalidRequest
from offboarding.domain.retention import service_end
from offboarding.domain.timestamps import parse, render
from resolve_entity import MAX_NOT_BEFORE, _not_before_note, _parse_not_before, resolve
from tests.unit.conftest import (
    ARN_A,
    NEIGHBOURS,
    NOW,
    OTHER_ORGANIZATION_ID,
    SERVICE_ENDS_AT,
    Context,
    PutPolicy,
    ReadMetrics,
    client,
    configure,
    delete_user,
    deregister,
    describe_entity,
    fail_operation,
    make_policy,
    take_calls,
)

STARTED_AT = parse("2026-11-24T09:00:00Z")
SERVICE_END = service_end(date(2030, 3, 31))
SECOND = timedelta(seconds=1)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def parse_date(
    not_before: str, started_at: datetime = STARTED_AT, service_ends_at: datetime = SERVICE_END
) -> datetime | None:
    return _parse_not_before({"NotBefore": not_before}, started_at, service_ends_at)


def test_without_a_date_nothing_is_waited_for() -> None:
    assert _parse_not_before({}, STARTED_AT, SERVICE_END) is None
    assert _not_before_note(None, STARTED_AT) == {}


@given(ahead=st.timedeltas(timedelta(days=-1), MAX_NOT_BEFORE - SECOND), offset=OFFSETS)
def test_a_date_up_to_260_days_ahead_is_rounded_up_to_a_whole_second(ahead: timedelta, offset: timezone) -> None:
    moment = STARTED_AT + ahead

    parsed = parse_date(moment.astimezone(offset).isoformat())

    assert parsed is not None
    assert parsed.microsecond == 0
    assert timedelta() <= parsed - moment < SECOND
    assert parsed.tzinfo is UTC


@given(beyond=st.timedeltas(timedelta(microseconds=1), timedelta(days=20_000)), offset=OFFSETS)
def test_a_date_more_than_260_days_ahead_is_refused(beyond: timedelta, offset: timezone) -> None:
    with pytest.raises(InvalidRequest, match=r"at most 260 days ahead, not after 2027-08-11T09:00:00.000Z"):
        parse_date((STARTED_AT + MAX_NOT_BEFORE + beyond).astimezone(offset).isoformat())


@given(started_at=st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (hypothesis adds the zone)
def test_the_limit_of_260_days_counts_from_the_start_of_the_execution(started_at: datetime) -> None:
    started_at = started_at.replace(microsecond=0)

    assert parse_date(render(started_at + MAX_NOT_BEFORE), started_at) == started_at + MAX_NOT_BEFORE
    with pytest.raises(InvalidRequest, match="260 days"):
        parse_date(render(started_at + MAX_NOT_BEFORE + SECOND), started_at)


def test_a_date_must_be_before_the_end_of_the_service() -> None:
    service_ends_at = service_end(date(2027, 3, 31))

    assert parse_date("2027-03-30T23:59:59Z", service_ends_at=service_ends_at) == service_ends_at - SECOND
    for not_before in ("2027-03-31T00:00:00Z", "2027-03-30T23:59:59.001Z", "2027-03-31T01:59:59+01:00"):
        with pytest.raises(InvalidRequest, match=r"before 2027-03-31T00:00:00.000Z, when Amazon WorkMail ends"):
            parse_date(not_before, service_ends_at=service_ends_at)


@given(late=st.timedeltas(timedelta(days=1, seconds=1), timedelta(days=20_000)), offset=OFFSETS)
def test_a_date_more_than_a_day_before_the_request_is_refused(late: timedelta, offset: timezone) -> None:
    with pytest.raises(InvalidRequest, match=r"before the request, which was made at 2026-11-24T09:00:00.000Z\. Leave"):
        parse_date((STARTED_AT - late).astimezone(offset).isoformat())


@pytest.mark.parametrize(("days_late", "is_refused"), [(0, False), (1, False), (1.0001, True)])
def test_the_date_of_an_event_is_compared_with_the_time_of_the_event(days_late: float, is_refused: bool) -> None:
    request = {
        "NotBefore": render(STARTED_AT - timedelta(days=9 + days_late)),
        "Requester": {"OccurredAt": render(STARTED_AT - timedelta(days=9))},
    }

    if is_refused:
        with pytest.raises(InvalidRequest, match=r"the request, which was made at 2026-11-15T09:00:00.000Z"):
            _parse_not_before(request, STARTED_AT, SERVICE_END)
    else:
        assert _parse_not_before(request, STARTED_AT, SERVICE_END) == parse(request["NotBefore"])


def test_a_date_in_the_past_is_accepted_even_after_the_end_of_the_service() -> None:
    service_ends_at = service_end(date(2026, 11, 1))

    assert parse_date("2026-11-23T09:00:00Z", service_ends_at=service_ends_at) == parse("2026-11-23T09:00:00Z")
    assert parse_date(render(STARTED_AT), service_ends_at=service_ends_at) == STARTED_AT


@pytest.mark.parametrize(
    "impossible_date",
    [
        "2026-13-01T00:00:00Z",
        "2027-02-29T00:00:00Z",
        "2026-12-00T00:00:00Z",
        "2026-12-22T25:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-12-22T17:00:00+25:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.5Z",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٦-12-22T17:00:00Z",
    ],
)
def test_an_impossible_date_is_refused_without_repeating_it(impossible_date: str) -> None:
    with pytest.raises(
        InvalidRequest, match=r"NotBefore must be an RFC 3339 timestamp .*; there is no such date"
    ) as refusal:
        parse_date(impossible_date)

    assert impossible_date not in str(refusal.value)


def test_the_note_on_a_date_has_whether_it_was_waited_for() -> None:
    assert "was past when the execution started" in _not_before_note(STARTED_AT, STARTED_AT)["NotBefore"]
    assert "resolved and checked again" in _not_before_note(STARTED_AT + SECOND, STARTED_AT)["NotBefore"]


TOMORROW = "2026-11-25T09:00:00.000Z"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, organization: WorkMailBackend, frozen_time: None) -> None:
    configure(monkeypatch, SERVICE_ENDS_ON="2027-03-31")


def resolve_identifier(identifier: str) -> Entity:
    return resolve(Directory(client("workmail"), ORGANIZATION_ID), identifier)


def call_handler(
    entity_id: str, now: str = NOW, planned: dict[str, str] | None = None, **members: Any
) -> dict[str, Any]:
    event = {
        "ExecutionArn": ARN_A,
        "Now": now,
        "StartedAt": NOW,
        "Input": {"OrganizationId": ORGANIZATION_ID, "EntityId": entity_id, **members},
        "Planned": planned,
    }
    return resolve_entity.handler(event, Context())


@pytest.mark.parametrize("identifier", ["{id}", "dana", "DANA", "dana@example.com", "Dana@Example.COM"])
def test_a_user_is_found_by_id_name_and_primary_address(people: OrganizationBuilder, identifier: str) -> None:
    user = people.create_user("dana")
    people.create_user("dana2")

    assert resolve_identifier(identifier.format(id=user)) == describe_entity(user)


def test_a_group_and_a_resource_are_found_by_id_and_name(people: OrganizationBuilder) -> None:
    group, room = people.create_group("staff"), people.create_resource("room")

    assert (
        resolve_identifier(group)
        == resolve_identifier("staff")
        == resolve_identifier("staff@example.com")
        == describe_entity(group, EntityType.GROUP)
    )
    assert (
        resolve_identifier(room)
        == resolve_identifier("room")
        == resolve_identifier("room@example.com")
        == describe_entity(room, EntityType.RESOURCE)
    )


def test_an_identifier_in_the_form_of_an_id_is_not_compared_with_names(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user, room = people.create_user("dana"), people.create_resource("room")
    for identifier in ("12a3b4c5-0000-4000-8000-00000000000F", "S-1-1-12-1-2-3", "r-" + "0" * 32):
        organization.arrange(ORGANIZATION_ID, user, name=identifier)
        organization.arrange(ORGANIZATION_ID, room, name=identifier)
        with pytest.raises(errors.EntityNotFound):
            resolve_identifier(identifier)


def test_an_identifier_in_the_second_form_of_an_id_is_read_as_an_id(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    organization.arrange(ORGANIZATION_ID, user, id="S-1-1-12-1-2-3")
    take_calls(organization)

    assert resolve_identifier("S-1-1-12-1-2-3").name == "dana"
    assert take_calls(organization) == ["DescribeUser"]


def test_an_alias_does_not_identify_an_entity(people: OrganizationBuilder) -> None:
    user = people.create_user("kim")
    people.create_alias(user, "dana")

    with pytest.raises(errors.EntityMismatch, match=f"alias of the USER {user}, not its primary address"):
        resolve_identifier("dana@example.com")
    people.create_alias(people.create_group("staff"), "everybody")
    with pytest.raises(errors.EntityMismatch, match="alias of the GROUP"):
        resolve_identifier("everybody@example.com")


def test_an_enabled_entity_without_an_address_does_not_match_an_address(
    people: OrganizationBuilder, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = people.create_user("dana")
    entity = replace(describe_entity(user), email=None)
    monkeypatch.setattr(Directory, "describe", lambda self, reference: entity)

    with pytest.raises(errors.EntityMismatch, match="an alias"):
        resolve_identifier("dana@example.com")


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(),
        Behaviour(email_of_disabled="absent"),
        Behaviour(describe_entity_of_disabled="EntityNotFoundException"),
    ],
)
def test_a_disabled_entity_is_found_by_its_address_whatever_workmail_shows_of_it(
    people: OrganizationBuilder, organization: WorkMailBackend, behaviour: Behaviour
) -> None:
    user = people.create_user("dana")
    deregister(user)
    organization.behaviour = behaviour

    assert resolve_identifier("dana@example.com").id == user


def test_a_disabled_entity_with_another_address_does_not_match(
    people: OrganizationBuilder, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = people.create_user("kim")
    deregister(user)
    reference = describe_entity(user).reference
    monkeypatch.setattr(Directory, "find_by_address", lambda self, address: reference)

    with pytest.raises(errors.EntityMismatch, match="an alias"):
        resolve_identifier("dana@example.com")


def test_an_identifier_that_is_no_address_in_use_can_match_a_name(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana", registered=False)
    organization.arrange(ORGANIZATION_ID, user, name="dana@old.example.com")

    assert resolve_identifier("Dana@old.example.com").id == user
    with pytest.raises(errors.EntityNotFound, match=r"resource of the organization has this e-mail address. Check"):
        resolve_identifier("kim@example.com")


@pytest.mark.parametrize(
    "invalid_address",
    ["@", "dana@", "@example.com", "dana@example", "da@na@example.com", "x" * 65 + "@example.com", "d@e.c"],
)
def test_an_invalid_address_is_refused(people: OrganizationBuilder, invalid_address: str) -> None:
    with pytest.raises(InvalidRequest, match=r"must be an e-mail address like alice@example.com, of at most 254 char"):
        resolve_identifier(invalid_address)


def test_an_address_may_have_254_characters(people: OrganizationBuilder) -> None:
    longest = "x" * 64 + "@" + "y" * 185 + ".com"
    assert len(longest) == 254

    with pytest.raises(errors.EntityNotFound):
        resolve_identifier(longest)
    with pytest.raises(InvalidRequest):
        resolve_identifier(longest.replace("@", "@y"))


def test_a_name_must_match_exactly_one_entity_as_a_whole(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user, group = people.create_user("dana"), people.create_group("staff")
    with pytest.raises(errors.EntityNotFound, match=r"resource of the organization has this name. Check the spelling"):
        resolve_identifier("dan")
    organization.arrange(ORGANIZATION_ID, group, name="Dana")

    with pytest.raises(errors.EntityAmbiguous) as refusal:
        resolve_identifier("dana")
    assert f"2 entities have this name: USER {user}, GROUP {group}. Give the id" in str(refusal.value)


@pytest.mark.parametrize(("name", "neighbour"), NEIGHBOURS)
def test_a_neighbour_with_a_similar_name_or_address_is_not_resolved(
    people: OrganizationBuilder, organization: WorkMailBackend, name: str, neighbour: str
) -> None:
    user = people.create_user("dana")
    organization.arrange(ORGANIZATION_ID, user, name=neighbour, email=people.address(neighbour))

    for identifier in (name, name.upper(), people.address(name)):
        with pytest.raises((errors.EntityNotFound, errors.EntityMismatch)):
            resolve_identifier(identifier)


@pytest.mark.parametrize("member", ["Name", "Email", "DisplayName"])
@pytest.mark.parametrize(("name", "neighbour"), NEIGHBOURS)
def test_a_neighbour_is_not_the_expected_entity(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend, name: str, neighbour: str, member: str
) -> None:
    user = people.create_user("dana")
    attribute = {"Name": "name", "Email": "email", "DisplayName": "display_name"}[member]
    organization.arrange(ORGANIZATION_ID, user, **{attribute: neighbour})

    with pytest.raises(errors.EntityMismatch, match=f"differs from Expected in {member}"):
        call_handler(user, Expected={member: name})
    assert call_handler(user, Expected={member: neighbour})["Entity"]["Id"] == user


def test_a_deleted_entity_is_not_found(people: OrganizationBuilder, organization: WorkMailBackend) -> None:
    user = people.create_user("dana")
    deregister(user)
    delete_user(user)

    with pytest.raises(errors.EntityNotFound, match=f"The USER {user} was deleted from the directory"):
        resolve_identifier(user)


def test_the_result_has_the_entity_and_the_request(
    settings: None, people: OrganizationBuilder, read_metrics: ReadMetrics
) -> None:
    user = people.create_user("dana")
    request = {"Reason": "left", "RequestedBy": "boss", "Requester": {"Provider": "okta", "EventId": "e-1"}}

    answer = call_handler(user, **request, Expected={"Type": "USER"})

    assert [entry["Operation"] for entry in answer["Evidence"].pop("Answers")] == ["DescribeUser"]
    assert answer == {
        "OrganizationId": ORGANIZATION_ID,
        "Entity": describe_entity(user).to_json(),
        "NeverRegistered": False,
        "DryRun": False,
        "NotBefore": None,
        "DateIsAhead": False,
        "ServiceEndsAt": SERVICE_ENDS_AT,
        "Request": request,
        "Evidence": {"At": NOW},
    }
    assert read_metrics() == {"EntitiesResolved": 1}


def test_an_entity_that_was_never_registered_is_marked_as_such(settings: None, people: OrganizationBuilder) -> None:
    assert call_handler(people.create_user("dana", registered=False))["NeverRegistered"] is True


@pytest.mark.parametrize(("now", "is_ahead"), [(NOW, True), ("2026-11-25T08:59:59.999Z", True), (TOMORROW, False)])
def test_a_date_is_ahead_until_it_is_reached(
    settings: None, people: OrganizationBuilder, now: str, is_ahead: bool
) -> None:
    answer = call_handler(people.create_user("dana"), now=now, NotBefore="2026-11-25T10:00:00+01:00")

    assert answer["DateIsAhead"] is is_ahead
    assert answer["NotBefore"] == answer["Request"]["NotBefore"] == TOMORROW
    assert "resolved and checked again" in answer["Evidence"]["NotBefore"]


def test_an_organization_that_is_not_configured_is_refused(settings: None, people: OrganizationBuilder) -> None:
    user = people.create_user("dana")
    with pytest.raises(InvalidRequest, match=f"OrganizationId {OTHER_ORGANIZATION_ID} is not configured"):
        call_handler(user, OrganizationId=OTHER_ORGANIZATION_ID)


def test_an_unknown_member_of_the_input_is_an_invalid_request(settings: None, people: OrganizationBuilder) -> None:
    with pytest.raises(errors.InvalidRequest, match="The execution's input has an unknown member: More"):
        call_handler("dana", More=1)


def test_a_parameter_that_workmail_refuses_is_an_invalid_request(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    fail_operation(organization, "DescribeUser", "InvalidParameterException")
    with pytest.raises(errors.InvalidRequest, match="The value is not accepted"):
        call_handler(people.create_user("dana"))


@pytest.mark.parametrize(
    "expected", [{}, {"Type": "USER", "Name": "DANA", "Email": "Dana@Example.com", "DisplayName": "dana leaver"}]
)
def test_an_entity_that_is_as_expected_is_accepted(
    settings: None, people: OrganizationBuilder, expected: dict[str, str]
) -> None:
    user = people.create_user("dana", "Dana Leaver")

    assert call_handler(user, Expected=expected)["Entity"]["Id"] == user


@pytest.mark.parametrize(
    ("expected", "differing"),
    [
        ({"Type": "GROUP"}, "Type"),
        ({"Name": "dan"}, "Name"),
        ({"Email": "kim@example.com"}, "Email"),
        ({"DisplayName": "Dana"}, "DisplayName"),
        ({"Type": "GROUP", "Name": "dana", "Email": "kim@example.com"}, "Type and Email"),
    ],
)
def test_an_entity_that_differs_from_the_expected_one_is_refused(
    settings: None, people: OrganizationBuilder, expected: dict[str, str], differing: str
) -> None:
    user = people.create_user("dana", "Dana Leaver")

    with pytest.raises(
        errors.EntityMismatch, match=f"means the USER {user}, which differs from Expected in {differing}"
    ):
        call_handler(user, Expected=expected)


def test_a_member_that_the_entity_lacks_is_not_as_expected(settings: None, people: OrganizationBuilder) -> None:
    group = people.create_group("staff")

    with pytest.raises(errors.EntityMismatch, match="DisplayName"):
        call_handler(group, Expected={"DisplayName": "XXXX"})
    with pytest.raises(errors.EntityMismatch, match="Email"):
        call_handler(people.create_user("dana", registered=False), Expected={"Email": "XXXX"})


def test_the_expected_address_is_not_compared_with_a_disabled_entity_whose_address_is_hidden(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    deregister(user)
    organization.arrange(ORGANIZATION_ID, user, email=None)

    assert call_handler(user, Expected={"Email": "dana@example.com", "Name": "dana"})["Entity"]["Id"] == user
    with pytest.raises(errors.EntityMismatch, match="Expected in Name"):
        call_handler(user, Expected={"Email": "dana@example.com", "Name": "kim"})


@pytest.mark.parametrize("type_", EntityType)
@pytest.mark.parametrize("is_disabled", [False, True])
def test_an_entity_that_was_registered_after_the_event_is_a_mismatch(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend, type_: EntityType, is_disabled: bool
) -> None:
    create = {
        EntityType.USER: people.create_user,
        EntityType.GROUP: people.create_group,
        EntityType.RESOURCE: people.create_resource,
    }[type_]
    entity = create("dana")
    if is_disabled:
        deregister(entity)
    organization.arrange(ORGANIZATION_ID, entity, enabled_date=parse("2026-11-20T10:00:00Z"))

    def resolve_for_event(occurred_at: str) -> Any:
        return call_handler(entity, Requester={"Provider": "okta", "EventId": "e", "OccurredAt": occurred_at})

    assert resolve_for_event("2026-11-20T09:59:00Z")["Entity"]["Id"] == entity
    with pytest.raises(errors.EntityMismatch, match=r"was registered later, at 2026-11-20T10:00:00.000Z"):
        resolve_for_event("2026-11-20T09:58:59Z")
    with pytest.raises(InvalidRequest, match=r"Requester\.OccurredAt must be .*; there is no such date"):
        resolve_for_event("2026-11-31T09:58:59Z")


def test_an_entity_without_a_date_of_its_registration_is_accepted(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    organization.arrange(ORGANIZATION_ID, user, enabled_date=None)
    requester = {"Provider": "okta", "EventId": "e", "OccurredAt": "2020-01-01T00:00:00Z"}

    assert call_handler(user, Requester=requester)["Entity"]["Id"] == user


def test_an_entity_with_an_address_as_its_name_is_found_by_it_only_if_it_has_no_other_address(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("kim")
    organization.arrange(ORGANIZATION_ID, user, name="dana@example.com", email="kim@example.com")

    with pytest.raises(errors.EntityMismatch, match=f"The USER {user} is named like this address, and has another"):
        call_handler("Dana@example.com")
    organization.arrange(ORGANIZATION_ID, user, email=None)
    assert call_handler("Dana@example.com")["Entity"]["Id"] == user


@pytest.mark.parametrize("identifier", ["{id}", "DANA", "Dana@example.com"])
@pytest.mark.parametrize("is_from_provider", [False, True])
def test_the_requester_must_not_be_the_leaver(
    settings: None, people: OrganizationBuilder, identifier: str, is_from_provider: bool
) -> None:
    user = people.create_user("dana")
    request: dict[str, Any] = {"RequestedBy": identifier.format(id=user)}
    if is_from_provider:
        request = {"Requester": {"Provider": "okta", "EventId": "e", **request}}

    with pytest.raises(InvalidRequest, match="Requester and leaver must be different people"):
        call_handler(user, **request)


def test_an_entity_without_an_address_can_have_another_requester(settings: None, people: OrganizationBuilder) -> None:
    user = people.create_user("dana", registered=False)

    assert call_handler(user, RequestedBy="boss")["Entity"]["Id"] == user
    assert call_handler(user, Requester={"Provider": "okta", "EventId": "e"})["Entity"]["Id"] == user


def test_a_system_user_is_refused_and_can_be_planned(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    organization.set_user_role(ORGANIZATION_ID, user, "SYSTEM_USER")

    with pytest.raises(errors.EntityProtected, match="a system user"):
        call_handler(user)
    assert call_handler(user, DryRun=True)["DryRun"] is True


def test_after_a_wait_the_entity_is_read_by_its_id_whatever_its_name(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    planned = describe_entity(user).to_json()
    organization.arrange(ORGANIZATION_ID, user, name="kim")
    people.create_user("other")
    take_calls(organization)

    assert call_handler("dana", planned=planned)["Entity"]["Id"] == user
    assert take_calls(organization) == ["DescribeUser"]


def test_an_entity_that_was_registered_again_during_the_wait_is_refused(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    planned = describe_entity(user).to_json()
    organization.arrange(ORGANIZATION_ID, user, enabled_date=parse(TOMORROW))

    with pytest.raises(errors.EntityMismatch, match=f"{user} was registered again while this execution waited"):
        call_handler("dana", planned=planned)
    deregister(user)
    assert call_handler("dana", planned=planned)["Entity"]["State"] == "DISABLED"


def test_an_entity_that_was_first_registered_during_the_wait_is_accepted(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana", registered=False)
    planned = describe_entity(user).to_json()
    people.register(user, "dana")

    assert call_handler("dana", planned=planned)["Entity"]["State"] == "ENABLED"


def test_an_entity_that_was_deleted_during_the_wait_is_not_found(settings: None, people: OrganizationBuilder) -> None:
    user = people.create_user("dana")
    planned = describe_entity(user).to_json()
    deregister(user)
    delete_user(user)

    with pytest.raises(errors.EntityNotFound, match="was deleted"):
        call_handler("dana", planned=planned)


def test_an_inactive_organization_means_from_the_end_date_on_that_the_service_has_ended(
    settings: None, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    organization.set_organization_state(ORGANIZATION_ID, "Deleted")

    with pytest.raises(errors.OrganizationNotActive):
        call_handler("dana", now="2027-03-30T23:59:59.999Z")
    with pytest.raises(errors.ServiceEnded):
        call_handler("dana", now=SERVICE_ENDS_AT)


@pytest.mark.usefixtures("settings")
def test_the_export_of_the_input_is_recorded_if_it_is_not_less_than_the_settings(
    people: OrganizationBuilder, put_policy: PutPolicy
) -> None:
    dana, group = people.create_user("dana"), people.create_group("staff")
    put_policy(make_policy(export="IfPossible"))
    assert call_handler(dana, Export="Required")["Request"]["Export"] == "Required"
    assert "Export" not in call_handler(dana)["Request"]
    assert "Export" not in call_handler(group)["Request"], "the settings are for mailboxes"

    with pytest.raises(InvalidRequest, match="asks for Export No, which is less than the settings require: IfPossible"):
        call_handler(dana, Export="No")
    assert call_handler(group, Export="No")["Request"]["Export"] == "No", "a group never has one"
    with pytest.raises(InvalidRequest, match=f"{group} is a group, which has no mailbox"):
        call_handler(group, Export="Required")
    put_policy(make_policy(export="Required", may_be_skipped=True))
    assert call_handler(group, Export="No")["Request"]["Export"] == "No"
    put_policy(make_policy())
    with pytest.raises(InvalidRequest, match="this stack makes no exports"):
        call_handler(dana, Export="Required")


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("value", ["Maybe", "required", "", None, True])
def test_an_export_that_is_no_mode_is_refused_with_a_sentence(people: OrganizationBuilder, value: object) -> None:
    with pytest.raises(InvalidRequest, match="Export must be one of No, IfPossible, Required"):
        call_handler(people.create_user("dana"), Export=value)
