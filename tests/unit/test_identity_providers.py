"""Each event of an identity provider is parsed into a leaver, ignored with a reason, or refused."""

import copy
from functools import partial
from typing import Any

import pytest

from offboarding.configuration import ProviderSettings
from offboarding.edge.identity_providers import (
    ADAPTERS,
    IgnoredEvent,
    LeaverEvent,
    RefusedEvent,
    SubjectKind,
    parse_event,
)
from tests.unit.conftest import EVENTS, load_event

PROVIDERS: dict[str, ProviderSettings] = {
    "identityCenter": ProviderSettings(),
    "identityCenterCloudTrail": ProviderSettings(),
    "okta": ProviderSettings(),
    "auth0": ProviderSettings(),
    "sailpoint": ProviderSettings(account_sources=frozenset({"2c918085784cc5a30178500f1c3a0b2f"})),
    "offboardingRequested": ProviderSettings(),
}
STORE_USER_ID = "94482488-3041-7097-2d41-0242ac120002"
make_email_leaver = partial(LeaverEvent, subject="dana.leaver@example.com", subject_kind=SubjectKind.EMAIL)
make_store_leaver = partial(
    LeaverEvent,
    subject=STORE_USER_ID,
    subject_kind=SubjectKind.IDENTITY_STORE_USER,
    identity_store_id="d-1234567890",
    provider_user_id=STORE_USER_ID,
)
EXPECTED: dict[str, LeaverEvent | IgnoredEvent] = {
    "okta-user-lifecycle-deactivate": make_email_leaver(
        provider="okta",
        provider_user_id="00uleaver00000000001",
        deduplication_id="6f0c1c0a-c5f1-11f0-9a3e-0f1e2d3c4b5a",
        occurred_at="2026-11-20T09:15:11.862Z",
        requested_by="it.admin@example.com",
    ),
    "okta-user-lifecycle-suspend": IgnoredEvent("okta", "user.lifecycle.suspend does not mean that somebody left"),
    "auth0-successful-user-deletion": make_email_leaver(
        provider="auth0",
        provider_user_id="auth0|5f0000000000000000000001",
        deduplication_id="80020261120121230000000000000000000000001",
        occurred_at="2026-11-20T12:12:30.147Z",
    ),
    "auth0-management-api-delete-by-admin": IgnoredEvent("auth0", "a log entry of type sapi does not say who left"),
    "identity-center-user-deleted": make_store_leaver(
        provider="identityCenter",
        deduplication_id="9f5f3a2e-1111-4a4a-9b9b-000000000001",
        occurred_at="2026-11-20T08:00:00Z",
    ),
    "identity-center-cloudtrail-disable-user": make_store_leaver(
        provider="identityCenterCloudTrail",
        deduplication_id="5f5d2d9a-0000-4000-8000-000000000003",
        occurred_at="2026-11-20T08:00:02Z",
        requested_by="it.admin@example.com",
    ),
    "sailpoint-account-deleted": make_email_leaver(
        provider="sailpoint",
        provider_user_id="2c9180857807b2f40178242a1cb50f8b",
        deduplication_id="d7a8f0b2-0000-4c4c-9d9d-000000000001",
        occurred_at="2026-11-20T07:30:00Z",
    ),
    "offboarding-requested": make_email_leaver(
        provider="offboardingRequested",
        deduplication_id="hr-2026-00417",
        occurred_at="2026-11-20T06:00:00Z",
        requested_by="hr-system",
        organization_id="m-d281d0a2fd824be5b6cd3d3ce909fd27",
        reason="Left the company on 2026-11-19",
        allows_any_entity_type=True,
    ),
}


def make_event(name: str, **changes: Any) -> dict[str, Any]:
    """Return an example with members replaced, or removed where the value is `...`; `__` stands for a dot."""
    event = copy.deepcopy(load_event(name))
    for path, value in changes.items():
        *parents, member = path.split("__")
        members = event
        for parent in parents:
            members = members[parent]
        if value is ...:
            del members[member]
        else:
            members[member] = value
    return event


def test_every_example_has_an_expected_result() -> None:
    assert {path.stem for path in EVENTS.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_is_parsed_as_expected(name: str) -> None:
    assert parse_event(load_event(name), PROVIDERS) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_an_event_of_a_provider_that_is_not_configured_is_refused(name: str) -> None:
    with pytest.raises(RefusedEvent, match="is not among"):
        parse_event(load_event(name), {})


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_one_adapter_matches_an_event(name: str) -> None:
    assert sum(adapter.matches(load_event(name)) for adapter in ADAPTERS) == 1


OKTA = "okta-user-lifecycle-deactivate"
AUTH0 = "auth0-successful-user-deletion"
IDENTITY_CENTER = "identity-center-user-deleted"
CLOUDTRAIL = "identity-center-cloudtrail-disable-user"
SAILPOINT = "sailpoint-account-deleted"
REQUEST = "offboarding-requested"
LEAVER = load_event(OKTA)["detail"]["target"][0]
OTHER_USER = {"id": "00u2", "type": "User", "alternateId": "other@example.com", "displayName": "Other"}
GROUP = {"id": "00g1", "type": "UserGroup", "alternateId": "unknown", "displayName": "Everyone"}


@pytest.mark.parametrize(
    "event",
    [
        make_event(OKTA, detail__eventType="user.lifecycle.delete.initiated"),
        make_event(OKTA, detail__eventType="user.lifecycle.delete.completed"),
        make_event(OKTA, detail__target=[GROUP, LEAVER]),
        make_event(OKTA, detail__target=[LEAVER, GROUP, LEAVER]),
    ],
)
def test_the_user_that_an_okta_event_targets_is_the_leaver(event: dict[str, Any]) -> None:
    parsed = parse_event(event, PROVIDERS)

    assert isinstance(parsed, LeaverEvent)
    assert parsed.subject == "dana.leaver@example.com"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (make_event(OKTA, **{"detail-type": "Something else"}), "not an entry of the System Log"),
        (make_event(OKTA, detail__outcome={"result": "FAILURE"}), "outcome is not SUCCESS"),
        (make_event(OKTA, detail__outcome=...), "outcome is not SUCCESS"),
        (make_event(OKTA, detail__eventType="user.session.start"), "does not mean that somebody left"),
        (make_event(AUTH0, detail__data__type="fdu"), "does not say who left"),
        (make_event(IDENTITY_CENTER, **{"detail-type": "User Updated"}), "does not mean"),
        (make_event(CLOUDTRAIL, detail__errorCode="AccessDenied"), "failed"),
        (make_event(CLOUDTRAIL, detail__eventName="EnableUser"), "does not mean"),
        (make_event(CLOUDTRAIL, source="aws.identitystore"), "does not mean"),
        (
            make_event(SAILPOINT, detail__source__id="jira"),
            "a deletion in the account's source does not mean",
        ),
        (make_event(SAILPOINT, **{"detail-type": "idn:account-created"}), "does not mean"),
        (make_event(REQUEST, **{"detail-type": "Offboarding Planned"}), "is not Offboarding Requested"),
    ],
)
def test_an_event_that_does_not_mean_a_departure_is_ignored_with_a_reason(event: dict[str, Any], reason: str) -> None:
    parsed = parse_event(event, PROVIDERS)

    assert isinstance(parsed, IgnoredEvent)
    assert reason in parsed.reason


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (make_event(OKTA, detail__target=...), "0 users, and must have exactly one"),
        (make_event(OKTA, detail__target=[]), "0 users, and must have exactly one"),
        (make_event(OKTA, detail__target="dana"), "0 users, and must have exactly one"),
        (make_event(OKTA, detail__target=[GROUP]), "0 users, and must have exactly one"),
        (make_event(OKTA, detail__target=[LEAVER, OTHER_USER]), "2 users, and must have exactly one"),
        (make_event(OKTA, detail__target=[{**LEAVER, "id": None}] * 2), "2 users, and must have exactly one"),
        (make_event(OKTA, detail__actor=LEAVER), "Requester and leaver must be different people"),
        (make_event(OKTA, detail__target=[{**LEAVER, "alternateId": ""}]), "alternateId is missing"),
        (make_event(OKTA, detail__target=[{**LEAVER, "alternateId": None}]), "alternateId is missing"),
        (make_event(OKTA, detail__target=[{**LEAVER, "alternateId": "d" * 257}]), "alternateId is missing"),
        (make_event(OKTA, detail__uuid=...), "detail.uuid is missing"),
        (make_event(OKTA, detail=...), "detail.eventType is missing"),
        (make_event(AUTH0, detail__data__user_name=...), "detail.data.user_name is missing"),
        (make_event(AUTH0, detail__data=[]), "detail.data.type is missing"),
        (make_event(IDENTITY_CENTER, detail__userId=...), "detail.userId is missing"),
        (make_event(IDENTITY_CENTER, detail__userId="dana"), "detail.userId is not the id of a user in"),
        (make_event(IDENTITY_CENTER, detail__identityStoreId=7), "detail.identityStoreId is missing"),
        (make_event(CLOUDTRAIL, detail__requestParameters=None), "userId is missing"),
        (make_event(SAILPOINT, detail__identity__email=None), "detail.identity.email is missing"),
        (make_event(REQUEST, detail__EntityId=...), "lacks EntityId"),
        (make_event(REQUEST, detail__RequestId=...), "lacks RequestId"),
        (make_event(REQUEST, detail__EntityID="dana"), "unknown member: EntityID"),
        (make_event(REQUEST, detail__EntityId='dana"quote@example.com'), "EntityId must be"),
        (make_event(REQUEST, detail=[]), "detail must be a JSON object"),
        (make_event(OKTA, source="aws.ec2"), "No identity provider of this product"),
        (make_event(OKTA, source=...), "No identity provider of this product"),
        ([], "not an EventBridge event"),
        ("dana", "not an EventBridge event"),
        (None, "not an EventBridge event"),
    ],
)
def test_a_doubtful_event_is_refused_with_a_reason(event: object, message: str) -> None:
    with pytest.raises(RefusedEvent) as refusal:
        parse_event(event, PROVIDERS)

    assert message in str(refusal.value)
    assert "dana.leaver" not in str(refusal.value)


@pytest.mark.parametrize(
    ("event", "requested_by"),
    [
        (make_event(OKTA, detail__actor=...), None),
        (make_event(OKTA, detail__actor__alternateId=...), None),
        (make_event(CLOUDTRAIL, detail__userIdentity=...), None),
        (make_event(CLOUDTRAIL, detail__userIdentity__principalId="AIDAEXAMPLE"), "AIDAEXAMPLE"),
        (make_event(CLOUDTRAIL, detail__userIdentity__principalId="AIDAEXAMPLE:"), "AIDAEXAMPLE:"),
        (make_event(CLOUDTRAIL, detail__userIdentity__principalId="AROAEXAMPLE:it:admin"), "it:admin"),
        (make_event(REQUEST, detail__RequestedBy=...), None),
    ],
)
def test_the_requester_is_parsed_if_the_event_has_one(event: dict[str, Any], requested_by: str | None) -> None:
    parsed = parse_event(event, PROVIDERS)

    assert isinstance(parsed, LeaverEvent)
    assert parsed.requested_by == requested_by


@pytest.mark.parametrize("login", ["d", "d" * 256])
def test_a_login_may_have_1_to_256_characters(login: str) -> None:
    parsed = parse_event(make_event(OKTA, detail__target=[{**LEAVER, "alternateId": login}]), PROVIDERS)

    assert isinstance(parsed, LeaverEvent)
    assert (parsed.subject, parsed.subject_kind) == (login, SubjectKind.NAME)
