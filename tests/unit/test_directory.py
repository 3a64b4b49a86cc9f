"""Directory maps each answer and each error of WorkMail to one type of this project."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.stub import Stubber

from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import Behaviour, WorkMailBackend
from offboarding.adapters import directory as directory_module
from offboarding.adapters.directory import Directory
from offboarding.adapters.telemetry import metrics
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityReference, EntityState, EntityType, LeavingUser
from offboarding.domain.timestamps import render
from tests.unit.conftest import (
    NEIGHBOURS,
    USER_ID,
    ReadMetrics,
    client,
    delete_user,
    deregister,
    fail_operation,
    make_raiser,
    take_calls,
)

USER = EntityReference(EntityType.USER, USER_ID)
DANA = Entity(EntityType.USER, USER_ID, "dana", EntityState.ENABLED, "dana@example.com")
DISABLED_AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.fixture
def stub() -> Any:
    """A stub that checks requests and answers against the service model."""
    stubber = Stubber(boto3.client("workmail", region_name="us-east-1"))
    with stubber:
        yield stubber
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("EntityNotFoundException", 400, errors.EntityNotFound),
        ("EntityStateException", 400, errors.EntityStateConflict),
        ("InvalidParameterException", 400, errors.UnexpectedAnswer),
        ("OrganizationNotFoundException", 400, errors.OrganizationNotFound),
        ("OrganizationStateException", 400, errors.OrganizationNotActive),
        ("DirectoryServiceAuthenticationFailedException", 400, errors.DirectoryAuthenticationFailed),
        ("DirectoryUnavailableException", 400, errors.WorkMailUnavailable),
        ("UnsupportedOperationException", 400, errors.DeregistrationRefused),
        ("ThrottlingException", 400, errors.WorkMailUnavailable),
        ("TooManyRequests", 429, errors.WorkMailUnavailable),
        ("ServiceUnavailable", 503, errors.WorkMailUnavailable),
        ("InternalFailure", 500, errors.WorkMailUnavailable),
        ("SomethingNew", 502, errors.WorkMailUnavailable),
        ("ExpiredTokenException", 400, errors.WorkMailUnavailable),
        ("RequestExpired", 400, errors.WorkMailUnavailable),
        ("AccessDeniedException", 400, errors.AccessDenied),
        ("UnrecognizedClientException", 400, errors.AccessDenied),
        ("SomethingNew", 400, errors.UnexpectedAnswer),
    ],
)
def test_each_error_code_is_mapped_to_one_error_without_personal_data(
    stub: Stubber, code: str, status: int, error: type[Exception]
) -> None:
    stub.add_client_error("deregister_from_work_mail", code, "dana@example.com is secret", http_status_code=status)
    directory = Directory(stub.client, ORGANIZATION_ID)

    with pytest.raises(error) as failure:
        directory.deregister(USER_ID)

    assert type(failure.value) is error
    assert f"DeregisterFromWorkMail with {code}" in str(failure.value)
    assert "dana" not in str(failure.value)
    assert failure.value.__cause__ is None
    assert directory.answers == [{"Operation": "DeregisterFromWorkMail", "RequestId": None, "Error": code}]


@pytest.mark.parametrize(
    ("code", "status", "metric_sums"),
    [
        ("ThrottlingException", 400, {"WorkMailThrottled": 1}),
        ("RequestLimitExceeded", 503, {"WorkMailThrottled": 1}),
        ("SomethingNew", 429, {"WorkMailThrottled": 1}),
        ("ServiceUnavailable", 503, {"WorkMailErrors": 1}),
        ("DirectoryUnavailableException", 400, {"WorkMailErrors": 1}),
        ("AccessDeniedException", 400, {"WorkMailErrors": 1}),
        ("SomethingNew", 400, {"WorkMailErrors": 1}),
        ("EntityNotFoundException", 400, {}),
        ("EntityStateException", 400, {}),
        ("UnsupportedOperationException", 400, {}),
    ],
)
def test_each_error_is_logged_by_its_code_and_counted_if_workmail_throttled_or_failed(
    stub: Stubber,
    read_metrics: ReadMetrics,
    log_lines: list[str],
    code: str,
    status: int,
    metric_sums: dict[str, int],
) -> None:
    stub.add_client_error("deregister_from_work_mail", code, "dana@example.com is secret", http_status_code=status)

    with pytest.raises(errors.OffboardingError):
        Directory(stub.client, ORGANIZATION_ID).deregister(USER_ID)

    (line,) = (json.loads(line) for line in log_lines)
    assert (line["message"], line["operation"], line["error"]) == ("error of WorkMail", "DeregisterFromWorkMail", code)
    assert line["is_throttled"] is ("WorkMailThrottled" in metric_sums)
    assert "dana" not in str(line)
    if metric_sums:
        metrics.flush_metrics()
    assert read_metrics() == metric_sums


@pytest.mark.parametrize("error", [ConnectTimeoutError(endpoint_url="x"), ReadTimeoutError(endpoint_url="x")])
def test_a_missing_answer_is_counted_as_an_error_of_workmail(
    read_metrics: ReadMetrics, log_lines: list[str], error: Exception
) -> None:
    client = boto3.client("workmail", region_name="us-east-1")
    client.meta.events.register("before-send.workmail.*", make_raiser(error))

    with pytest.raises(errors.WorkMailUnavailable):
        Directory(client, ORGANIZATION_ID).describe(USER)

    metrics.flush_metrics()
    assert read_metrics() == {"WorkMailErrors": 1}
    assert type(error).__name__ in log_lines[0]


@pytest.mark.parametrize("error", [ConnectTimeoutError(endpoint_url="x"), ReadTimeoutError(endpoint_url="x")])
def test_a_call_without_an_answer_is_unavailable_and_kept_as_evidence(error: Exception) -> None:
    client = boto3.client("workmail", region_name="us-east-1")
    client.meta.events.register("before-send.workmail.*", make_raiser(error))
    directory = Directory(client, ORGANIZATION_ID)
    with pytest.raises(errors.WorkMailUnavailable, match="did not answer"):
        directory.describe(USER)
    assert directory.answers[0]["Error"] == type(error).__name__


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "without UserId"),
        ({"UserId": USER_ID, "State": "DISABLED"}, "without Name"),
        ({"UserId": USER_ID, "Name": "dana"}, "without State"),
        ({"UserId": USER_ID, "Name": "dana", "State": "GONE"}, "the State GONE"),
    ],
)
def test_an_incomplete_or_unknown_answer_is_unavailable(stub: Stubber, answer: dict[str, Any], message: str) -> None:
    stub.add_response("describe_user", answer)

    with pytest.raises(errors.WorkMailUnavailable, match=message):
        Directory(stub.client, ORGANIZATION_ID).describe(USER)


def test_the_evidence_holds_no_name_and_no_address(stub: Stubber) -> None:
    stub.add_response(
        "describe_user",
        {
            "UserId": USER_ID,
            "Name": "dana",
            "Email": "dana@example.com",
            "DisplayName": "Dana",
            "Telephone": "1",
            "State": "DISABLED",
            "UserRole": "USER",
            "DisabledDate": DISABLED_AT,
        },
    )
    directory = Directory(stub.client, ORGANIZATION_ID)

    entity = directory.describe(USER)

    assert entity.display_name == "Dana"
    assert "Dana" not in repr(entity)
    assert "Dana" not in str(entity.to_json())
    assert directory.answers == [
        {
            "Operation": "DescribeUser",
            "RequestId": None,
            "Answer": {
                "UserId": USER_ID,
                "State": "DISABLED",
                "UserRole": "USER",
                "DisabledDate": "2026-11-22T10:00:00.000Z",
            },
        }
    ]


def test_an_id_that_matches_the_name_of_another_entity_is_not_found(stub: Stubber) -> None:
    stub.add_response("describe_user", {"UserId": "9" * 36, "Name": USER_ID, "State": "ENABLED"})

    with pytest.raises(errors.EntityNotFound, match="Use the entity's id"):
        Directory(stub.client, ORGANIZATION_ID).describe(USER)


def test_a_list_is_read_to_the_last_page_and_compared_with_the_whole_name(stub: Stubber) -> None:
    def make_page(name: str, **members: str) -> dict[str, Any]:
        return {"Users": [{"Id": f"id-{name:0>12}", "Name": name, "State": "ENABLED"}], **members}

    request = {"OrganizationId": ORGANIZATION_ID, "Filters": {"UsernamePrefix": "dana"}, "MaxResults": 100}
    stub.add_response("list_users", make_page("dana2", NextToken="t"), request)
    stub.add_response("list_users", make_page("Dana"), {**request, "NextToken": "t"})
    stub.add_response("list_groups", {"Groups": [{"Id": "g" * 12, "Name": "dana", "State": "DELETED"}]})
    stub.add_response("list_resources", {"Resources": []})

    references = Directory(stub.client, ORGANIZATION_ID).list_by_name("dana")

    assert references == [EntityReference(EntityType.USER, "id-00000000Dana")]


@pytest.mark.parametrize(("text", "neighbour"), NEIGHBOURS)
def test_a_user_with_a_similar_name_or_address_is_not_listed(stub: Stubber, text: str, neighbour: str) -> None:
    directory = Directory(stub.client, ORGANIZATION_ID)
    for method, member in [("list_users_by_name", "Name"), ("list_users_by_address", "Email")]:
        users = [{"Id": f"id-{n:0>12}", member: name, "State": "ENABLED"} for n, name in enumerate((neighbour, text))]
        stub.add_response("list_users", {"Users": users})

        assert [user.id for user in getattr(directory, method)(text.upper())] == ["id-000000000001"]


def test_an_alias_that_is_similar_to_the_primary_address_is_listed(stub: Stubber) -> None:
    entity = Entity(EntityType.USER, USER_ID, "team", EntityState.ENABLED, "strasse@example.com")
    aliases = ["stra\N{LATIN SMALL LETTER SHARP S}e@example.com", "Strasse@Example.com"]
    stub.add_response("list_aliases", {"Aliases": aliases})

    assert Directory(stub.client, ORGANIZATION_ID).list_aliases(entity) == aliases[:1]


@pytest.mark.parametrize("tokens", [("t", "t"), ("t", "u", "t")], ids=["at once", "later"])
@pytest.mark.parametrize(
    ("operation", "member", "read"),
    [
        ("list_users", "Users", lambda directory: directory.list_by_name("dana")),
        ("list_aliases", "Aliases", lambda directory: directory.list_aliases(DANA)),
        ("list_groups_for_entity", "Groups", lambda directory: directory.list_groups_of(USER_ID)),
    ],
)
def test_a_list_whose_token_repeats_is_unavailable(
    stub: Stubber, operation: str, member: str, read: Callable[[Directory], object], tokens: tuple[str, ...]
) -> None:
    for token in tokens:
        stub.add_response(operation, {member: [], "NextToken": token})

    with pytest.raises(errors.WorkMailUnavailable, match="with the token of an earlier page"):
        read(Directory(stub.client, ORGANIZATION_ID))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(
    ("method", "member"),
    [
        ("list_by_name", "Name"),
        ("list_by_address", "Email"),
        ("list_users_by_name", "Name"),
        ("list_users_by_address", "Email"),
        ("list_users_by_identity_provider_id", "IdentityProviderUserId"),
    ],
)
def test_nobody_is_looked_for_among_more_than_a_thousand_candidates(
    stub: Stubber, monkeypatch: pytest.MonkeyPatch, method: str, member: str, count: int
) -> None:
    monkeypatch.setattr(directory_module, "_MAX_CANDIDATES", 2)
    users = [{"Id": f"id-{n:012}", member: "d" * (n + 1), "State": "ENABLED"} for n in range(count)]
    stub.add_response("list_users", {"Users": users})
    search = getattr(Directory(stub.client, ORGANIZATION_ID), method)

    if count == 2:
        if not method.startswith("list_users"):
            stub.add_response("list_groups", {"Groups": []})
            stub.add_response("list_resources", {"Resources": []})
        assert [candidate.id for candidate in search("d")] == ["id-000000000000"]
        return
    with pytest.raises(errors.EntityAmbiguous, match="More than 2 entities have a name or an address that begins"):
        search("d")


def test_a_thousand_candidates_are_looked_through() -> None:
    assert directory_module._MAX_CANDIDATES == 1000


@pytest.fixture
def dana(people: OrganizationBuilder) -> str:
    """A deregistered user whose id WorkMail does not find."""
    user = people.create_user("dana")
    deregister(user)
    return user


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "dana"},
        {"name": "zz-dana"},
        {"name": "zz-dana", "email": None},
        {"name": "zz-dana", "state": "ENABLED"},
        {"email": "zz-dana@example.com", "state": "ENABLED"},
    ],
    ids=["unchanged", "renamed", "renamed and hidden", "renamed and enabled", "with another address"],
)
def test_an_entity_that_a_list_shows_is_not_absent(
    dana: str, organization: WorkMailBackend, changes: dict[str, Any]
) -> None:
    organization.arrange(ORGANIZATION_ID, dana, **changes)
    fail_operation(organization, "DescribeUser", "EntityNotFoundException")

    with pytest.raises(errors.WorkMailUnavailable, match=f"did not find {dana} by its id, but another answer shows"):
        confirm_absent(dana)


@pytest.mark.parametrize("state", ["DISABLED", "ENABLED"])
def test_an_entity_that_no_list_shows_is_not_absent_if_it_is_described_again(
    dana: str, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(organization, "list_users", lambda **_: {"Users": []})
    organization.arrange(ORGANIZATION_ID, dana, state=state)

    with pytest.raises(errors.WorkMailUnavailable, match="but another answer shows it"):
        confirm_absent(dana)


@pytest.mark.parametrize("describe_deleted", ["DELETED", "EntityNotFoundException"])
@pytest.mark.parametrize("address", ["dana@example.com", None])
def test_a_deleted_entity_is_absent(
    dana: str, organization: WorkMailBackend, describe_deleted: Any, address: str | None
) -> None:
    organization.behaviour = Behaviour(describe_deleted=describe_deleted)
    delete_user(dana)
    take_calls(organization)

    confirm_absent(dana, address)

    lists = 3 if address else 2
    assert take_calls(organization) == [*lists * ["ListUsers"], "DescribeUser"]


@pytest.mark.parametrize(
    ("are_long", "is_absent"), [((), True), (("name",), True), (("disabled",), True), (("name", "disabled"), False)]
)
def test_a_list_that_is_too_long_says_nothing(
    stub: Stubber, monkeypatch: pytest.MonkeyPatch, are_long: tuple[str, ...], is_absent: bool
) -> None:
    monkeypatch.setattr(directory_module, "_MAX_CANDIDATES", 2)
    for name, filters in {"name": {"UsernamePrefix": "dana"}, "disabled": {"State": "DISABLED"}}.items():
        users = [{"Id": f"id-{n:012}", "State": "DISABLED"} for n in range(3 if name in are_long else 2)]
        request = {"OrganizationId": ORGANIZATION_ID, "Filters": filters, "MaxResults": 100}
        stub.add_response("list_users", {"Users": users}, request)
    directory = Directory(stub.client, ORGANIZATION_ID)

    if is_absent:
        stub.add_client_error("describe_user", "EntityNotFoundException")
        directory.confirm_absent(USER, "dana", None)
        return
    with pytest.raises(errors.WorkMailUnavailable, match="no list of entities shows whether it exists"):
        directory.confirm_absent(USER, "dana", None)


@pytest.mark.parametrize(("entity_type", "operation"), [("GROUP", "list_groups"), ("RESOURCE", "list_resources")])
def test_a_group_and_a_resource_are_looked_for_in_their_own_lists(
    stub: Stubber, entity_type: str, operation: str
) -> None:
    for filters in ({"NamePrefix": "team"}, {"PrimaryEmailPrefix": "team@example.com"}, {"State": "DISABLED"}):
        request = {"OrganizationId": ORGANIZATION_ID, "Filters": filters, "MaxResults": 100}
        stub.add_response(operation, {operation.removeprefix("list_").title(): []}, request)
    stub.add_client_error(f"describe_{entity_type.lower()}", "EntityNotFoundException")

    reference = EntityReference(EntityType(entity_type), USER_ID)
    Directory(stub.client, ORGANIZATION_ID).confirm_absent(reference, "team", "team@example.com")


def confirm_absent(user_id: str, address: str | None = "dana@example.com") -> None:
    directory = Directory(client("workmail"), ORGANIZATION_ID)
    directory.confirm_absent(EntityReference(EntityType.USER, user_id), "dana", address)


ENABLED_AT = datetime(2025, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dates", "registered_at"),
    [
        ({"EnabledDate": ENABLED_AT, "DisabledDate": DISABLED_AT}, ENABLED_AT),
        ({"DisabledDate": DISABLED_AT}, DISABLED_AT),
        ({}, None),
    ],
    ids=["both dates", "disabled date", "no date"],
)
@pytest.mark.parametrize("state", ["ENABLED", "DISABLED"])
def test_a_user_is_the_same_by_id_and_in_a_list(
    stub: Stubber, state: str, dates: dict[str, datetime], registered_at: datetime | None
) -> None:
    facts = {"Name": "dana", "Email": "dana@example.com", "State": state, **dates}
    stub.add_response(
        "describe_user", {"UserId": USER_ID, **facts}, {"OrganizationId": ORGANIZATION_ID, "UserId": USER_ID}
    )
    stub.add_response("list_users", {"Users": [{"Id": USER_ID, **facts}]})
    directory = Directory(stub.client, ORGANIZATION_ID)

    user = directory.find_user(USER_ID)

    assert user == LeavingUser(
        id=USER_ID,
        name="dana",
        email="dana@example.com",
        is_enabled=state == "ENABLED",
        enabled_since=dates.get("EnabledDate") if state == "ENABLED" else None,
        disabled_since=dates.get("DisabledDate") if state == "DISABLED" else None,
        registration_key=render(registered_at) if registered_at else "",
    )
    assert [user] == directory.list_users_by_address("Dana@example.com")


def test_a_deleted_user_and_an_unknown_id_are_no_user(stub: Stubber) -> None:
    stub.add_response("describe_user", {"UserId": USER_ID, "Name": "dana", "State": "DELETED"})
    stub.add_client_error("describe_user", "EntityNotFoundException")
    directory = Directory(stub.client, ORGANIZATION_ID)

    assert directory.find_user(USER_ID) is None
    assert directory.find_user(USER_ID) is None


@pytest.mark.parametrize(
    "address",
    [
        *('"dana leaver"@example.com', "d\u00e4n\u00e4@example.com", "dana@x.c", "dana"),
        *("d" * 65 + "@example.com", "dana@" + "e" * 246 + ".com"),
    ],
)
def test_workmail_is_not_asked_for_an_address_that_it_cannot_have(organization: WorkMailBackend, address: str) -> None:
    with pytest.raises(errors.EntityNotFound, match=r"No entity of WorkMail can have this address\."):
        Directory(client("workmail"), ORGANIZATION_ID).find_by_address(address)

    assert take_calls(organization) == []
