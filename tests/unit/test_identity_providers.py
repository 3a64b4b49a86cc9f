"""Each provider's event means one thing: this person left, this is not for us, or nobody may act on it."""

import copy
import json
from pathlib import Path
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

EVENTS = Path(__file__).parents[1] / "events"
ALL: dict[str, ProviderSettings] = {
    "identityCenter": ProviderSettings(),
    "identityCenterCloudTrail": ProviderSettings(),
    "okta": ProviderSettings(),
    "auth0": ProviderSettings(),
    "sailpoint": ProviderSettings(account_sources=frozenset({"2c918085784cc5a30178500f1c3a0b2f"})),
    "offboardingRequested": ProviderSettings(),
}
STORE_USER = "94482488-3041-7097-2d41-0242ac120002"
EXPECTED: dict[str, LeaverEvent | IgnoredEvent] = {
    "okta-user-lifecycle-deactivate": LeaverEvent(
        provider="okta",
        subject="dana.leaver@example.com",
        subject_kind=SubjectKind.EMAIL,
        deduplication_id="6f0c1c0a-c5f1-11f0-9a3e-0f1e2d3c4b5a",
        occurred_at="2026-11-20T09:15:11.862Z",
        requested_by="it.admin@example.com",
    ),
    "okta-user-lifecycle-suspend": IgnoredEvent("okta", "user.lifecycle.suspend does not mean that somebody left"),
    "auth0-successful-user-deletion": LeaverEvent(
        provider="auth0",
        subject="dana.leaver@example.com",
        subject_kind=SubjectKind.EMAIL,
        deduplication_id="80020261120121230000000000000000000000001",
        occurred_at="2026-11-20T12:12:30.147Z",
    ),
    "auth0-management-api-delete-by-admin": IgnoredEvent("auth0", "a log entry of type sapi does not say who left"),
    "identity-center-user-deleted": LeaverEvent(
        provider="identityCenter",
        subject=STORE_USER,
        subject_kind=SubjectKind.IDENTITY_STORE_USER,
        deduplication_id="9f5f3a2e-1111-4a4a-9b9b-000000000001",
        occurred_at="2026-11-20T08:00:00Z",
        identity_store_id="d-1234567890",
    ),
    "identity-center-cloudtrail-disable-user": LeaverEvent(
        provider="identityCenterCloudTrail",
        subject=STORE_USER,
        subject_kind=SubjectKind.IDENTITY_STORE_USER,
        deduplication_id="5f5d2d9a-0000-4000-8000-000000000003",
        occurred_at="2026-11-20T08:00:02Z",
        requested_by="it.admin@example.com",
        identity_store_id="d-1234567890",
    ),
    "sailpoint-account-deleted": LeaverEvent(
        provider="sailpoint",
        subject="dana.leaver@example.com",
        subject_kind=SubjectKind.EMAIL,
        deduplication_id="d7a8f0b2-0000-4c4c-9d9d-000000000001",
        occurred_at="2026-11-20T07:30:00Z",
    ),
    "offboarding-requested": LeaverEvent(
        provider="offboardingRequested",
        subject="dana.leaver@example.com",
        subject_kind=SubjectKind.EMAIL,
        deduplication_id="hr-2026-00417",
        occurred_at="2026-11-20T06:00:00Z",
        requested_by="hr-system",
        organization_id="m-d281d0a2fd824be5b6cd3d3ce909fd27",
        reason="Left the company on 2026-11-19",
        allows_any_entity_type=True,
    ),
}


def fixture(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def changed(name: str, **changes: Any) -> dict[str, Any]:
    """A fixture with members replaced, or taken out where the value is `...`; `__` stands for a dot."""
    event = copy.deepcopy(fixture(name))
    for path, value in changes.items():
        *parents, last = path.split("__")
        where = event
        for parent in parents:
            where = where[parent]
        if value is ...:
            del where[last]
        else:
            where[last] = value
    return event


def test_every_fixture_has_an_expected_result() -> None:
    assert {path.stem for path in EVENTS.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_fixture_means_exactly_this(name: str) -> None:
    assert parse_event(fixture(name), ALL) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_an_event_of_a_provider_that_is_not_configured_is_refused(name: str) -> None:
    with pytest.raises(RefusedEvent, match="is not among"):
        parse_event(fixture(name), {})


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_one_adapter_takes_an_event(name: str) -> None:
    assert sum(adapter.matches(fixture(name)) for adapter in ADAPTERS) == 1


USER = {"id": "00u2", "type": "User", "alternateId": "other@example.com", "displayName": "Other"}
GROUP = {"id": "00g1", "type": "UserGroup", "alternateId": "unknown", "displayName": "Everyone"}
LEAVER = fixture("okta-user-lifecycle-deactivate")["detail"]["target"][0]
OKTA = "okta-user-lifecycle-deactivate"


@pytest.mark.parametrize("kind", ["user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"])
def test_the_later_events_of_okta_name_the_same_leaver(kind: str) -> None:
    parsed = parse_event(changed(OKTA, detail__eventType=kind), ALL)
    assert isinstance(parsed, LeaverEvent)
    assert parsed.subject == "dana.leaver@example.com"


def test_other_targets_beside_the_user_are_not_the_leaver() -> None:
    parsed = parse_event(changed(OKTA, detail__target=[GROUP, LEAVER]), ALL)
    assert isinstance(parsed, LeaverEvent)
    assert parsed.subject == "dana.leaver@example.com"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (changed(OKTA, **{"detail-type": "Something else"}), "not an entry of the System Log"),
        (changed(OKTA, detail__outcome={"result": "FAILURE"}), "outcome is not SUCCESS"),
        (changed(OKTA, detail__outcome=...), "outcome is not SUCCESS"),
        (changed(OKTA, detail__eventType="user.session.start"), "does not mean that somebody left"),
        (changed("auth0-successful-user-deletion", detail__data__type="fdu"), "does not say who left"),
        (changed("identity-center-user-deleted", **{"detail-type": "User Updated"}), "does not mean"),
        (changed("identity-center-cloudtrail-disable-user", detail__errorCode="AccessDenied"), "failed"),
        (changed("identity-center-cloudtrail-disable-user", detail__eventName="EnableUser"), "does not mean"),
        (changed("identity-center-cloudtrail-disable-user", source="aws.identitystore"), "does not mean"),
        (
            changed("sailpoint-account-deleted", detail__source__id="jira"),
            "a deletion in the account's source does not mean",
        ),
        (changed("sailpoint-account-deleted", **{"detail-type": "idn:account-created"}), "does not mean"),
        (changed("offboarding-requested", **{"detail-type": "Offboarding Planned"}), "is not Offboarding Requested"),
    ],
)
def test_what_does_not_mean_that_somebody_left_is_not_for_us(event: dict[str, Any], reason: str) -> None:
    parsed = parse_event(event, ALL)

    assert isinstance(parsed, IgnoredEvent)
    assert reason in parsed.reason


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (changed(OKTA, detail__target=...), "0 entries of type User"),
        (changed(OKTA, detail__target=[]), "0 entries of type User"),
        (changed(OKTA, detail__target="dana"), "0 entries of type User"),
        (changed(OKTA, detail__target=[GROUP]), "0 entries of type User"),
        (changed(OKTA, detail__target=[LEAVER, USER]), "2 entries of type User"),
        (changed(OKTA, detail__actor=LEAVER), "Requester and leaver must be different people"),
        (changed(OKTA, detail__target=[{**LEAVER, "alternateId": ""}]), "alternateId is missing"),
        (changed(OKTA, detail__target=[{**LEAVER, "alternateId": None}]), "alternateId is missing"),
        (changed(OKTA, detail__target=[{**LEAVER, "alternateId": "d" * 257}]), "alternateId is missing"),
        (changed(OKTA, detail__uuid=...), "detail.uuid is missing"),
        (changed(OKTA, detail=...), "detail.eventType is missing"),
        (changed("auth0-successful-user-deletion", detail__data__user_name=...), "detail.data.user_name is missing"),
        (changed("auth0-successful-user-deletion", detail__data=[]), "detail.data.type is missing"),
        (changed("identity-center-user-deleted", detail__userId=...), "detail.userId is missing"),
        (changed("identity-center-user-deleted", detail__userId="dana"), "detail.userId is not the id of a user in"),
        (changed("identity-center-user-deleted", detail__identityStoreId=7), "detail.identityStoreId is missing"),
        (changed("identity-center-cloudtrail-disable-user", detail__requestParameters=None), "userId is missing"),
        (changed("sailpoint-account-deleted", detail__identity__email=None), "detail.identity.email is missing"),
        (changed("offboarding-requested", detail__EntityId=...), "lacks EntityId"),
        (changed("offboarding-requested", detail__RequestId=...), "lacks RequestId"),
        (changed("offboarding-requested", detail__EntityID="dana"), "unknown member: EntityID"),
        (changed("offboarding-requested", detail__EntityId='dana"quote@example.com'), "EntityId must be"),
        (changed("offboarding-requested", detail=[]), "detail must be a JSON object"),
        (changed(OKTA, source="aws.ec2"), "No identity provider of this product"),
        (changed(OKTA, source=...), "No identity provider of this product"),
        ([], "not an EventBridge event"),
        ("dana", "not an EventBridge event"),
        (None, "not an EventBridge event"),
    ],
)
def test_what_leaves_a_doubt_is_refused_with_the_reason(event: object, says: str) -> None:
    with pytest.raises(RefusedEvent) as refusal:
        parse_event(event, ALL)

    assert says in str(refusal.value)
    assert "dana.leaver" not in str(refusal.value)


CLOUDTRAIL = "identity-center-cloudtrail-disable-user"


@pytest.mark.parametrize(
    ("event", "requested_by"),
    [
        (changed(OKTA, detail__actor=...), None),
        (changed(OKTA, detail__actor__alternateId=...), None),
        (changed(CLOUDTRAIL, detail__userIdentity=...), None),
        (changed(CLOUDTRAIL, detail__userIdentity__principalId="AIDAEXAMPLE"), "AIDAEXAMPLE"),
        (changed(CLOUDTRAIL, detail__userIdentity__principalId="AIDAEXAMPLE:"), "AIDAEXAMPLE:"),
        (changed(CLOUDTRAIL, detail__userIdentity__principalId="AROAEXAMPLE:it:admin"), "it:admin"),
        (changed("offboarding-requested", detail__RequestedBy=...), None),
    ],
)
def test_who_asked_is_told_where_the_event_says_it(event: dict[str, Any], requested_by: str | None) -> None:
    parsed = parse_event(event, ALL)

    assert isinstance(parsed, LeaverEvent)
    assert parsed.requested_by == requested_by


@pytest.mark.parametrize("login", ["d", "d" * 256])
def test_a_text_has_1_to_256_characters(login: str) -> None:
    parsed = parse_event(changed(OKTA, detail__target=[{**LEAVER, "alternateId": login}]), ALL)

    assert isinstance(parsed, LeaverEvent)
    assert (parsed.subject, parsed.subject_kind) == (login, SubjectKind.NAME)
