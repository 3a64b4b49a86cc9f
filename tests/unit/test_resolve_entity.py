"""Whom an execution's input means, and the date before which nothing may happen."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import resolve_entity
from local.defaults import ORGANIZATION_ID
from local.organization import People
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters.directory import Directory
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityType
from offboarding.domain.errors import InvalidRequest
from offboarding.domain.retention import service_end
from offboarding.domain.timestamps import parse, render
from resolve_entity import MAX_NOT_BEFORE, _not_before_note, _parse_not_before, resolve
from tests.unit.conftest import NOW, Context, called, client, configure, deregister, described, execution, fail

STARTED = parse("2026-11-24T09:00:00Z")
SERVICE_ENDS = service_end(date(2030, 3, 31))
SECOND = timedelta(seconds=1)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def read(not_before: str, started: datetime = STARTED, ends: datetime = SERVICE_ENDS) -> datetime | None:
    return _parse_not_before({"NotBefore": not_before}, started, ends)


def test_without_a_date_there_is_none() -> None:
    assert _parse_not_before({}, STARTED, SERVICE_ENDS) is None
    assert _not_before_note(None, STARTED) == {}


@given(ahead=st.timedeltas(timedelta(days=-20_000), MAX_NOT_BEFORE - SECOND), offset=OFFSETS)
def test_every_date_up_to_300_days_ahead_is_taken_on_the_next_whole_second(ahead: timedelta, offset: timezone) -> None:
    moment = STARTED + ahead

    taken = read(moment.astimezone(offset).isoformat())

    assert taken is not None
    assert taken.microsecond == 0
    assert timedelta() <= taken - moment < SECOND
    assert taken.tzinfo is UTC


@given(beyond=st.timedeltas(timedelta(microseconds=1), timedelta(days=20_000)), offset=OFFSETS)
def test_no_date_further_ahead_is_taken(beyond: timedelta, offset: timezone) -> None:
    with pytest.raises(InvalidRequest, match=r"at most 300 days ahead, not after 2027-09-20T09:00:00.000Z"):
        read((STARTED + MAX_NOT_BEFORE + beyond).astimezone(offset).isoformat())


@given(started=st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (hypothesis adds the zone)
def test_the_limit_is_counted_from_the_start(started: datetime) -> None:
    whole = started.replace(microsecond=0)

    assert read(render(whole + MAX_NOT_BEFORE), whole) == whole + MAX_NOT_BEFORE
    with pytest.raises(InvalidRequest, match="300 days"):
        read(render(whole + MAX_NOT_BEFORE + SECOND), whole)


def test_the_last_second_before_workmail_ends_is_taken_and_that_end_is_not() -> None:
    ends = service_end(date(2027, 3, 31))

    assert read("2027-03-30T23:59:59Z", ends=ends) == ends - SECOND
    for late in ("2027-03-31T00:00:00Z", "2027-03-30T23:59:59.001Z", "2027-03-31T01:59:59+01:00"):
        with pytest.raises(InvalidRequest, match=r"before 2027-03-31T00:00:00.000Z, when Amazon WorkMail ends"):
            read(late, ends=ends)


def test_a_date_in_the_past_is_taken_even_after_the_end_of_workmail() -> None:
    ends = service_end(date(2026, 11, 1))

    assert read("2026-11-02T00:00:00Z", ends=ends) == parse("2026-11-02T00:00:00Z")
    assert read(render(STARTED), ends=ends) == STARTED


@pytest.mark.parametrize(
    "no_date",
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
def test_what_has_the_form_and_is_no_date_gets_a_sentence(no_date: str) -> None:
    with pytest.raises(
        InvalidRequest, match=r"NotBefore must be an RFC 3339 timestamp .*; there is no such date"
    ) as no:
        read(no_date)

    assert no_date not in str(no.value)


def test_what_is_said_of_a_date_tells_whether_it_was_waited_for() -> None:
    assert "was past when the execution started" in _not_before_note(STARTED, STARTED)["NotBefore"]
    assert "resolved and checked again" in _not_before_note(STARTED + SECOND, STARTED)["NotBefore"]


LATER = "2026-11-25T09:00:00.000Z"
OTHER_ORGANIZATION = "m-" + "0" * 32


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, organization: WorkMailBackend, frozen: None) -> None:
    configure(monkeypatch, "SERVICE_ENDS_ON", "2027-03-31")


def found(identifier: str) -> Entity:
    return resolve(Directory(client("workmail"), ORGANIZATION_ID), identifier)


def ask(entity_id: str, now: str = NOW, planned: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    event = {
        "ExecutionArn": execution("a"),
        "Now": now,
        "StartedAt": NOW,
        "Input": {"OrganizationId": ORGANIZATION_ID, "EntityId": entity_id, **more},
        "Planned": planned,
    }
    return resolve_entity.handler(event, Context())


@pytest.mark.parametrize("identifier", ["{id}", "dana", "DANA", "dana@example.com", "Dana@Example.COM"])
def test_a_user_is_found_by_id_name_and_primary_address(people: People, identifier: str) -> None:
    user = people.user("dana")
    people.user("dana2")

    assert found(identifier.format(id=user)) == described(user)


def test_a_group_and_a_resource_are_found_by_id_and_name(people: People) -> None:
    group, room = people.group("staff"), people.resource("room")

    assert found(group) == found("staff") == found("staff@example.com") == described(group, EntityType.GROUP)
    assert found(room) == found("room") == found("room@example.com") == described(room, EntityType.RESOURCE)


def test_what_looks_like_an_id_is_never_taken_for_a_name(people: People, organization: WorkMailBackend) -> None:
    user, room = people.user("dana"), people.resource("room")
    for like_an_id in ("12a3b4c5-0000-4000-8000-00000000000F", "S-1-1-12-1-2-3", "r-" + "0" * 32):
        organization.arrange(ORGANIZATION_ID, user, name=like_an_id)
        organization.arrange(ORGANIZATION_ID, room, name=like_an_id)
        with pytest.raises(errors.EntityNotFound):
            found(like_an_id)


def test_an_id_of_the_other_form_is_looked_up_as_an_id(people: People, organization: WorkMailBackend) -> None:
    user = people.user("dana")
    organization.arrange(ORGANIZATION_ID, user, id="S-1-1-12-1-2-3")
    called(organization)

    assert found("S-1-1-12-1-2-3").name == "dana"
    assert called(organization) == ["DescribeUser"]


def test_an_address_that_is_an_alias_identifies_nobody(people: People) -> None:
    user = people.user("kim")
    people.alias(user, "dana")

    with pytest.raises(errors.EntityMismatch, match=f"alias of the USER {user}, not its primary address"):
        found("dana@example.com")
    people.alias(people.group("staff"), "everybody")
    with pytest.raises(errors.EntityMismatch, match="alias of the GROUP"):
        found("everybody@example.com")


def test_an_enabled_entity_that_shows_no_address_is_not_taken_by_one(
    people: People, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = people.user("dana")
    without = replace(described(user), email=None)
    monkeypatch.setattr(Directory, "describe", lambda self, reference: without)

    with pytest.raises(errors.EntityMismatch, match="an alias"):
        found("dana@example.com")


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(),
        Behaviour(email_of_disabled="absent"),
        Behaviour(describe_entity_of_disabled="EntityNotFoundException"),
    ],
)
def test_a_disabled_entity_is_found_by_its_address_however_workmail_speaks_of_it(
    people: People, organization: WorkMailBackend, behaviour: Behaviour
) -> None:
    user = people.user("dana")
    deregister(user)
    organization.behaviour = behaviour

    assert found("dana@example.com").id == user


def test_a_disabled_entity_with_another_address_is_no_match(
    people: People, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = people.user("kim")
    deregister(user)
    reference = described(user).reference
    monkeypatch.setattr(Directory, "find_by_address", lambda self, address: reference)

    with pytest.raises(errors.EntityMismatch, match="an alias"):
        found("dana@example.com")


def test_an_address_that_nobody_has_can_be_somebodys_name(people: People, organization: WorkMailBackend) -> None:
    user = people.user("dana", registered=False)
    organization.arrange(ORGANIZATION_ID, user, name="dana@old.example.com")

    assert found("Dana@old.example.com").id == user
    with pytest.raises(errors.EntityNotFound, match=r"resource of the organization has this e-mail address. Check"):
        found("kim@example.com")


@pytest.mark.parametrize(
    "no_address",
    ["@", "dana@", "@example.com", "dana@example", "da@na@example.com", "x" * 65 + "@example.com", "d@e.c"],
)
def test_what_has_an_at_and_is_no_address_gets_a_sentence(people: People, no_address: str) -> None:
    with pytest.raises(InvalidRequest, match=r"must be an e-mail address like alice@example.com, of at most 254 char"):
        found(no_address)


def test_an_address_has_254_characters_at_most(people: People) -> None:
    longest = "x" * 64 + "@" + "y" * 185 + ".com"
    assert len(longest) == 254

    with pytest.raises(errors.EntityNotFound):
        found(longest)
    with pytest.raises(InvalidRequest):
        found(longest.replace("@", "@y"))


def test_names_are_compared_whole_and_only_one_may_have_it(people: People, organization: WorkMailBackend) -> None:
    user, group = people.user("dana"), people.group("staff")
    with pytest.raises(errors.EntityNotFound, match=r"resource of the organization has this name. Check the spelling"):
        found("dan")
    organization.arrange(ORGANIZATION_ID, group, name="Dana")

    with pytest.raises(errors.EntityAmbiguous) as refusal:
        found("dana")
    assert f"2 entities have this name: USER {user}, GROUP {group}. Give the id" in str(refusal.value)


def test_what_was_deleted_is_not_offboarded(people: People, organization: WorkMailBackend) -> None:
    user = people.user("dana")
    deregister(user)
    client("workmail").delete_user(OrganizationId=ORGANIZATION_ID, UserId=user)

    with pytest.raises(errors.EntityNotFound, match=f"The USER {user} was deleted from the directory"):
        found(user)


def test_the_answer_says_who_it_is_and_what_comes_next(
    settings: None, people: People, counted: Callable[[], dict[str, float]]
) -> None:
    user = people.user("dana")
    asked = {"Reason": "left", "RequestedBy": "boss", "Requester": {"Provider": "okta", "EventId": "e-1"}}

    answer = ask(user, **asked, Expected={"Type": "USER"})

    assert [said["Operation"] for said in answer["Evidence"].pop("Answers")] == ["DescribeUser"]
    assert answer == {
        "OrganizationId": ORGANIZATION_ID,
        "Entity": described(user).to_json(),
        "NeverRegistered": False,
        "DryRun": False,
        "NotBefore": None,
        "DateIsAhead": False,
        "ServiceEndsAt": "2027-03-31T00:00:00.000Z",
        "Request": asked,
        "Evidence": {"At": NOW},
    }
    assert counted() == {"EntitiesResolved": 1}


def test_who_was_never_registered_is_said_to_be_so(settings: None, people: People) -> None:
    assert ask(people.user("dana", registered=False))["NeverRegistered"] is True


@pytest.mark.parametrize(("now", "is_ahead"), [(NOW, True), ("2026-11-25T08:59:59.999Z", True), (LATER, False)])
def test_a_date_is_ahead_until_it_has_come(settings: None, people: People, now: str, is_ahead: bool) -> None:
    answer = ask(people.user("dana"), now=now, NotBefore="2026-11-25T10:00:00+01:00")

    assert answer["DateIsAhead"] is is_ahead
    assert answer["NotBefore"] == answer["Request"]["NotBefore"] == LATER
    assert "resolved and checked again" in answer["Evidence"]["NotBefore"]


def test_an_organization_that_is_not_served_is_refused(
    settings: None, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = people.user("dana")
    with pytest.raises(InvalidRequest, match=f"It must be {ORGANIZATION_ID}. Another organization has to be added"):
        ask(user, OrganizationId=OTHER_ORGANIZATION)
    configure(monkeypatch, "ORGANIZATION_IDS", f"{ORGANIZATION_ID},m-{'1' * 32}")
    with pytest.raises(InvalidRequest, match=f"It must be {ORGANIZATION_ID} or m-{'1' * 32}. Another organization"):
        ask(user, OrganizationId=OTHER_ORGANIZATION)


def test_a_member_that_nobody_knows_is_the_request_s_fault(settings: None, people: People) -> None:
    with pytest.raises(errors.InvalidRequest, match="The execution's input has an unknown member: More"):
        ask("dana", More=1)


def test_an_invalid_parameter_is_the_request_s_fault(
    settings: None, people: People, organization: WorkMailBackend
) -> None:
    fail(organization, "DescribeUser", "InvalidParameterException")
    with pytest.raises(errors.InvalidRequest, match="The value is not accepted"):
        ask(people.user("dana"))


@pytest.mark.parametrize(
    ("expected", "wrong"),
    [
        ({}, ""),
        ({"Type": "USER", "Name": "DANA", "Email": "Dana@Example.com", "DisplayName": "dana leaver"}, ""),
        ({"Type": "GROUP"}, "Type"),
        ({"Name": "dan"}, "Name"),
        ({"Email": "kim@example.com"}, "Email"),
        ({"DisplayName": "Dana"}, "DisplayName"),
        ({"Type": "GROUP", "Name": "dana", "Email": "kim@example.com"}, "Type and Email"),
    ],
)
def test_who_is_found_must_be_who_is_expected(
    settings: None, people: People, expected: dict[str, str], wrong: str
) -> None:
    user = people.user("dana", "Dana Leaver")
    if not wrong:
        assert ask(user, Expected=expected)["Entity"]["Id"] == user
        return
    with pytest.raises(errors.EntityMismatch, match=f"means the USER {user}, which differs from Expected in {wrong}"):
        ask(user, Expected=expected)


def test_what_an_entity_does_not_have_is_not_what_is_expected(settings: None, people: People) -> None:
    group = people.group("staff")

    with pytest.raises(errors.EntityMismatch, match="DisplayName"):
        ask(group, Expected={"DisplayName": "XXXX"})
    with pytest.raises(errors.EntityMismatch, match="Email"):
        ask(people.user("dana", registered=False), Expected={"Email": "XXXX"})


@pytest.mark.parametrize("who", ["{id}", "DANA", "Dana@example.com"])
@pytest.mark.parametrize("through_a_provider", [False, True])
def test_nobody_offboards_themselves(settings: None, people: People, who: str, through_a_provider: bool) -> None:
    user = people.user("dana")
    asks = {"RequestedBy": who.format(id=user)}
    asked: dict[str, Any] = {"Requester": {"Provider": "okta", "EventId": "e", **asks}} if through_a_provider else asks

    with pytest.raises(InvalidRequest, match="Requester and leaver must be different people"):
        ask(user, **asked)


def test_who_has_no_address_can_be_offboarded_by_another(settings: None, people: People) -> None:
    user = people.user("dana", registered=False)

    assert ask(user, RequestedBy="boss")["Entity"]["Id"] == user
    assert ask(user, Requester={"Provider": "okta", "EventId": "e"})["Entity"]["Id"] == user


def test_what_is_nobodys_mailbox_is_refused_and_can_be_planned(
    settings: None, people: People, organization: WorkMailBackend
) -> None:
    user = people.user("dana")
    organization.set_user_role(ORGANIZATION_ID, user, "SYSTEM_USER")

    with pytest.raises(errors.EntityProtected, match="a system user"):
        ask(user)
    assert ask(user, DryRun=True)["DryRun"] is True


def test_after_a_wait_the_entity_is_read_by_its_id_however_it_is_called_now(
    settings: None, people: People, organization: WorkMailBackend
) -> None:
    user = people.user("dana")
    planned = described(user).to_json()
    organization.arrange(ORGANIZATION_ID, user, name="kim")
    people.user("other")
    called(organization)

    assert ask("dana", planned=planned)["Entity"]["Id"] == user
    assert called(organization) == ["DescribeUser"]


def test_who_was_registered_anew_while_it_waited_is_not_the_mailbox_that_was_meant(
    settings: None, people: People, organization: WorkMailBackend
) -> None:
    user = people.user("dana")
    planned = described(user).to_json()
    organization.arrange(ORGANIZATION_ID, user, enabled_date=parse(LATER))

    with pytest.raises(errors.EntityMismatch, match=f"{user} was registered again while this execution waited"):
        ask("dana", planned=planned)
    deregister(user)
    assert ask("dana", planned=planned)["Entity"]["State"] == "DISABLED"


def test_who_had_no_registration_before_the_wait_may_have_one_after(
    settings: None, people: People, organization: WorkMailBackend
) -> None:
    user = people.user("dana", registered=False)
    planned = described(user).to_json()
    people.register(user, "dana")

    assert ask("dana", planned=planned)["Entity"]["State"] == "ENABLED"


def test_who_was_deleted_while_it_waited_is_gone(settings: None, people: People) -> None:
    user = people.user("dana")
    planned = described(user).to_json()
    deregister(user)
    client("workmail").delete_user(OrganizationId=ORGANIZATION_ID, UserId=user)

    with pytest.raises(errors.EntityNotFound, match="was deleted"):
        ask("dana", planned=planned)


def test_from_its_last_day_on_what_cannot_be_read_is_the_end_of_workmail(
    settings: None, people: People, organization: WorkMailBackend
) -> None:
    organization.set_organization_state(ORGANIZATION_ID, "Deleted")

    with pytest.raises(errors.OrganizationNotActive):
        ask("dana", now="2027-03-30T23:59:59.999Z")
    with pytest.raises(errors.ServiceEnded):
        ask("dana", now="2027-03-31T00:00:00.000Z")
