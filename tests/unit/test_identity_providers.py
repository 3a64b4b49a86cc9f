"""Each event of an identity provider is parsed into a leaver, ignored with a reason, or refused."""

import copy
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.identity_store import StoreUser
from offboarding.adapters.intake_settings import ProviderSettings
from offboarding.edge.identity_providers import (
    ADAPTERS,
    IgnoredEvent,
    LeaverEvent,
    RefusedEvent,
    RequestedEntity,
    ReturnEvent,
    SubjectKind,
    UnreadStatus,
    judge_status,
    parse_event,
)
from offboarding.edge.identity_providers.events import StatusReading
from tests.unit.conftest import EVENTS, load_event

PROVIDERS: dict[str, ProviderSettings] = {
    "identityCenter": ProviderSettings(reads_user_updates=True),
    "identityCenterCloudTrail": ProviderSettings(),
    "identityCenterScim": ProviderSettings(tenants={"3f6c1d2e4b5-0000-4000-8000-000000000000": "d-1234567890"}),
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
make_unread_status = partial(UnreadStatus, identity_store_id="d-1234567890", user_id=STORE_USER_ID)
EXPECTED: dict[str, LeaverEvent | IgnoredEvent | UnreadStatus] = {
    "okta-user-lifecycle-deactivate": make_email_leaver(
        provider="okta",
        provider_user_id="00uleaver00000000001",
        deduplication_id="6f0c1c0a-c5f1-11f0-9a3e-0f1e2d3c4b5a",
        occurred_at="2026-11-20T09:15:11.862Z",
        requested_by="it.admin@example.com",
    ),
    "okta-user-lifecycle-suspend": IgnoredEvent(
        "okta", "user.lifecycle.suspend does not mean that somebody left or is back"
    ),
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
    "identity-center-user-updated": make_unread_status(
        provider="identityCenter",
        deduplication_id="9f5f3a2e-1111-4a4a-9b9b-000000000004",
        occurred_at="2026-11-20T08:00:00Z",
    ),
    "identity-center-scim-patch-user": make_store_leaver(
        provider="identityCenterScim",
        deduplication_id="5f5d2d9a-0000-4000-8000-000000000011",
        occurred_at="2026-11-20T08:00:02Z",
    ),
    "identity-center-scim-put-user": make_unread_status(
        provider="identityCenterScim",
        deduplication_id="5f5d2d9a-0000-4000-8000-000000000012",
        occurred_at="2026-11-20T08:00:02Z",
    ),
    "identity-center-scim-delete-user": make_store_leaver(
        provider="identityCenterScim",
        deduplication_id="5f5d2d9a-0000-4000-8000-000000000013",
        occurred_at="2026-11-20T08:00:02Z",
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


SOURCE = load_event("okta-user-lifecycle-deactivate")["source"]


def test_every_example_has_an_expected_result() -> None:
    assert {path.stem for path in EVENTS.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_is_parsed_as_expected(name: str) -> None:
    assert parse_event(load_event(name), PROVIDERS) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_an_event_of_a_provider_that_is_not_configured_is_refused(name: str) -> None:
    with pytest.raises(RefusedEvent, match="is not among"):
        parse_event(load_event(name), {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"event_source": "aws.partner/okta.com/x", "account": "123456789012"}, "source is not aws.partner/okta.com/x"),
        ({"event_source": SOURCE, "account": "000000000000"}, "for another account than 000000000000"),
        ({"event_source": SOURCE, "account": "123456789012"}, None),
    ],
)
def test_an_event_of_another_partner_source_or_for_another_account_is_refused(
    settings: dict[str, str], message: str | None
) -> None:
    event = {**load_event("okta-user-lifecycle-deactivate"), "account": "123456789012"}
    providers = {"okta": ProviderSettings(**settings)}

    if message is None:
        assert parse_event(event, providers) == EXPECTED["okta-user-lifecycle-deactivate"]
        return
    with pytest.raises(RefusedEvent, match=message):
        parse_event(event, providers)


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_one_adapter_matches_an_event(name: str) -> None:
    assert sum(adapter.matches(load_event(name)) for adapter in ADAPTERS) == 1


OKTA = "okta-user-lifecycle-deactivate"
AUTH0 = "auth0-successful-user-deletion"
IDENTITY_CENTER = "identity-center-user-deleted"
CLOUDTRAIL = "identity-center-cloudtrail-disable-user"
SAILPOINT = "sailpoint-account-deleted"
SCIM_PATCH = "identity-center-scim-patch-user"
SCIM_PUT = "identity-center-scim-put-user"
SCIM_DELETE = "identity-center-scim-delete-user"
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


@pytest.mark.parametrize("event_type", ["user.lifecycle.activate", "user.lifecycle.reactivate"])
@pytest.mark.parametrize("actor", [{"id": "00uadmin", "alternateId": "it.admin@example.com"}, LEAVER])
def test_the_user_that_okta_activates_is_back(event_type: str, actor: dict[str, Any]) -> None:
    event = make_event(OKTA, detail__eventType=event_type, detail__target=[GROUP, LEAVER], detail__actor=actor)

    assert parse_event(event, PROVIDERS) == ReturnEvent(
        provider="okta",
        provider_user_id="00uleaver00000000001",
        deduplication_id="6f0c1c0a-c5f1-11f0-9a3e-0f1e2d3c4b5a",
        occurred_at="2026-11-20T09:15:11.862Z",
        requested_by=actor["alternateId"],
    )


def test_the_user_whom_identity_center_enables_is_back() -> None:
    assert parse_event(make_event(CLOUDTRAIL, detail__eventName="EnableUser"), PROVIDERS) == ReturnEvent(
        provider="identityCenterCloudTrail",
        provider_user_id=STORE_USER_ID,
        deduplication_id="5f5d2d9a-0000-4000-8000-000000000003",
        occurred_at="2026-11-20T08:00:02Z",
        requested_by="it.admin@example.com",
    )


def make_withdrawal(**detail: object) -> dict[str, Any]:
    return make_event(REQUEST, **{"detail-type": "Offboarding Withdrawn"}, detail=detail)


@pytest.mark.parametrize(
    ("detail", "members"),
    [
        ({"RequestId": "r-1"}, {"provider_user_id": "r-1"}),
        (
            {"RequestId": "r-1", "OrganizationId": ORGANIZATION_ID, "Reason": "stays", "RequestedBy": "hr"},
            {"provider_user_id": "r-1", "reason": "stays", "requested_by": "hr"},
        ),
        ({"EntityId": "dana"}, {"provider_user_id": "", "entity": RequestedEntity("dana", None)}),
        (
            {"EntityId": "dana", "OrganizationId": ORGANIZATION_ID},
            {"provider_user_id": "", "entity": RequestedEntity("dana", ORGANIZATION_ID)},
        ),
    ],
)
def test_a_withdrawal_names_a_request_or_an_entity(detail: dict[str, Any], members: dict[str, Any]) -> None:
    event = make_withdrawal(**detail)

    assert parse_event(event, PROVIDERS) == ReturnEvent(
        provider="offboardingRequested", deduplication_id=event["id"], occurred_at="2026-11-20T06:00:00Z", **members
    )


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (make_event(OKTA, **{"detail-type": "Something else"}), "not an entry of the System Log"),
        (make_event(OKTA, detail__outcome={"result": "FAILURE"}), "outcome is not SUCCESS"),
        (make_event(OKTA, detail__outcome=...), "outcome is not SUCCESS"),
        (make_event(OKTA, detail__eventType="user.session.start"), "does not mean that somebody left"),
        (make_event(AUTH0, detail__data__type="fdu"), "does not say who left"),
        (make_event(IDENTITY_CENTER, **{"detail-type": "User Created"}), "does not mean"),
        (make_event(CLOUDTRAIL, detail__errorCode="AccessDenied"), "failed"),
        (
            make_event(CLOUDTRAIL, detail__eventName="EnableUser", source="aws.identitystore"),
            "does not mean that somebody",
        ),
        (make_event(CLOUDTRAIL, detail__eventName="EnableUser", detail__errorCode="AccessDenied"), "EnableUser failed"),
        (make_event(OKTA, detail__eventType="user.lifecycle.activate", detail__outcome=...), "outcome is not SUCCESS"),
        (make_event(CLOUDTRAIL, source="aws.identitystore"), "does not mean"),
        (make_event(SCIM_PATCH, detail__eventName="PatchGroup"), "PatchGroup does not mean"),
        (make_event(SCIM_PATCH, detail__errorCode="ValidationException"), "PatchUser failed"),
        (make_event(SCIM_DELETE, detail__errorCode="ResourceNotFoundException"), "DeleteUser failed"),
        (
            make_event(SAILPOINT, detail__source__id="jira"),
            "a deletion in the account's source does not mean",
        ),
        (make_event(SAILPOINT, **{"detail-type": "idn:account-created"}), "does not mean"),
        (
            make_event(REQUEST, **{"detail-type": "Offboarding Planned"}),
            "is neither Offboarding Requested nor Offboarding Withdrawn",
        ),
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
        (make_event(SCIM_PATCH, detail__requestParameters__tenantId="another"), "is not among the tenants"),
        (make_event(SCIM_PATCH, detail__requestParameters__tenantId=...), "tenantId is missing"),
        (make_event(SCIM_DELETE, detail__requestParameters__userId=...), "has no id of a user of an identity store"),
        (make_event(SCIM_DELETE, detail__requestParameters__userId="dana"), "has no id of a user of an identity store"),
        (make_event(SCIM_DELETE, detail__eventID=...), "detail.eventID is missing"),
        (make_event(SCIM_PATCH, source="aws.partner/example.com/x"), "No identity provider of this product"),
        (make_event(SCIM_PATCH, source="example.scim"), "No identity provider of this product"),
        (make_event(SAILPOINT, detail__identity__email=None), "detail.identity.email is missing"),
        (make_event(REQUEST, detail__EntityId=...), "lacks EntityId"),
        (make_event(REQUEST, detail__RequestId=...), "lacks RequestId"),
        (make_event(REQUEST, detail__EntityID="dana"), "unknown member: EntityID"),
        (make_event(REQUEST, detail__EntityId='dana"quote@example.com'), "EntityId must be"),
        (make_event(REQUEST, detail=[]), "detail must be a JSON object"),
        (make_event(OKTA, detail__eventType="user.lifecycle.activate", detail__target=[]), "0 users, and must have"),
        (
            make_event(OKTA, detail__eventType="user.lifecycle.activate", detail__target=[{**LEAVER, "id": None}]),
            "id is missing",
        ),
        (make_event(CLOUDTRAIL, detail__eventName="EnableUser", detail__requestParameters=None), "userId is missing"),
        (make_withdrawal(), "either RequestId, or EntityId for all requests for that entity."),
        (make_withdrawal(RequestId="r-1", EntityId="dana"), "either RequestId, or EntityId for all requests"),
        (make_withdrawal(RequestId="r-1", NotBefore="2026-12-22T17:00:00Z"), "unknown member: NotBefore"),
        (make_withdrawal(EntityId="dana leaver"), "EntityId must be"),
        (make_withdrawal(RequestId="r-1", Reason="\ud800"), "detail.Reason has half a character"),
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
        (make_event(SCIM_DELETE), None),
        (make_event(SCIM_DELETE, detail__userIdentity__principalId="AROAEXAMPLE:okta"), "okta"),
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


def patch(operation: object, key: str = "Operations") -> dict[str, Any]:
    return {"httpBody": {key: [operation]}}


def make_scim_call(name: str, request: dict[str, Any], answer: object = None) -> dict[str, Any]:
    """Return a SCIM call with a request about the user of the sample, and an answer."""
    event = make_event(name, detail__responseElements=answer)
    del event["detail"]["requestParameters"]["httpBody"]
    event["detail"]["requestParameters"] |= request
    return event


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ({"httpBody": {"active": False}}, None),
        ({"httpBody": {"active": "False"}}, {"active": False}),
        (patch({"op": "replace", "path": "active", "value": False}), None),
        (patch({"op": "Replace", "path": "Active", "value": "False"}), {"active": "false"}),
        (patch({"op": "add", "path": "active", "value": "false"}, "operations"), None),
        (patch({"op": "replace", "value": {"active": False}}), None),
        (patch({"op": "Replace", "path": "", "value": {"Active": "false"}}), None),
        ({"httpBody": {"Operations": ["?", {"op": "add", "path": "title"}, {"op": "add", "value": {"active": False}}]}},
         None),
    ],
)  # fmt: skip
def test_a_patch_that_asks_for_an_inactive_user_means_that_the_user_left(
    request_: dict[str, Any], answer: object
) -> None:
    parsed = parse_event(make_scim_call(SCIM_PATCH, request_, answer), PROVIDERS)

    assert parsed == EXPECTED[SCIM_PATCH]


@pytest.mark.parametrize(
    ("name", "request_", "answer"),
    [
        (SCIM_PATCH, {"httpBody": {"active": True}}, None),
        (SCIM_PATCH, patch({"op": "replace", "path": "active", "value": "True"}), {"active": True}),
        (SCIM_PATCH, patch({"op": "replace", "path": "title", "value": "x"}), {"active": True}),
        (SCIM_PUT, {"httpBody": {"active": True}}, None),
        (SCIM_PUT, {}, {"active": "true"}),
    ],
)
def test_a_scim_call_about_an_active_user_is_a_return(name: str, request_: dict[str, Any], answer: object) -> None:
    event = make_scim_call(name, request_, answer)
    event["detail"]["userIdentity"] = {"principalId": "AROAEXAMPLE:okta"}

    assert parse_event(event, PROVIDERS) == ReturnEvent(
        provider="identityCenterScim",
        provider_user_id=STORE_USER_ID,
        deduplication_id=event["detail"]["eventID"],
        occurred_at="2026-11-20T08:00:02Z",
        requested_by="okta",
    )


@pytest.mark.parametrize(
    ("name", "request_", "answer"),
    [
        (SCIM_PATCH, {}, None),
        (SCIM_PATCH, {"httpBody": "HIDDEN_DUE_TO_SECURITY_REASONS"}, {"active": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
        (SCIM_PATCH, {"httpBody": {"Operations": "HIDDEN_DUE_TO_SECURITY_REASONS"}}, None),
        (SCIM_PATCH, patch({"op": "replace", "path": "title", "value": "false"}), None),
        (SCIM_PATCH, patch({"op": "remove", "path": "active", "value": False}), None),
        (SCIM_PATCH, patch({"op": "replace", "value": False}), None),
        (SCIM_PATCH, patch({"op": "replace", "path": "active", "value": 0}), None),
        (SCIM_PATCH, patch({"op": "replace", "path": "title", "value": "x"}), {"active": False}),
        (SCIM_PATCH, {"httpBody": {"active": False}}, {"active": True}),
        (SCIM_PATCH, {"httpBody": {"active": True}}, {"active": False}),
        (SCIM_PUT, {"httpBody": {"active": False}}, {"active": False}),
        (SCIM_PUT, {"httpBody": {"active": True}}, {"active": False}),
        (SCIM_PUT, {}, None),
    ],
)
def test_the_status_is_read_if_a_scim_call_does_not_ask_for_a_change_of_it(
    name: str, request_: dict[str, Any], answer: object
) -> None:
    parsed = parse_event(make_scim_call(name, request_, answer), PROVIDERS)

    assert isinstance(parsed, UnreadStatus)
    assert (parsed.identity_store_id, parsed.user_id) == ("d-1234567890", STORE_USER_ID)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ({"userId": STORE_USER_ID, "id": "masked"}, {"id": "masked"}),
        ({"userId": "masked", "id": STORE_USER_ID}, None),
        ({"userId": None}, {"id": STORE_USER_ID, "active": False}),
    ],
)
def test_the_id_of_the_user_is_taken_from_where_it_has_the_form_of_one(
    request_: dict[str, Any], answer: object
) -> None:
    event = make_scim_call(SCIM_PATCH, {"httpBody": {"active": False}, **request_}, answer)

    assert parse_event(event, PROVIDERS) == EXPECTED[SCIM_PATCH]


@pytest.mark.parametrize("source", ["aws.identitystore-scim", "aws.identitystore", "aws.sso-directory", "aws.scim"])
def test_a_scim_call_is_one_whatever_source_of_aws_it_has(source: str) -> None:
    event = make_event(SCIM_DELETE, source=source)

    assert sum(adapter.matches(event) for adapter in ADAPTERS) == 1
    assert parse_event(event, PROVIDERS) == EXPECTED[SCIM_DELETE]


def test_a_changed_user_is_ignored_unless_the_settings_ask_for_the_status() -> None:
    parsed = parse_event(load_event("identity-center-user-updated"), {"identityCenter": ProviderSettings()})

    assert parsed == IgnoredEvent("identityCenter", "User Updated does not mean that somebody left")


CHANGE = make_unread_status(provider="identityCenter", deduplication_id="e-1", occurred_at="2026-11-20T08:00:00Z")
READ_AT = datetime(2026, 11, 20, 8, 0, 5, tzinfo=UTC)
CREATED_AT = datetime(2026, 11, 19, tzinfo=UTC)


def test_a_user_who_is_read_as_disabled_left_when_the_event_happened() -> None:
    judged = judge_status(CHANGE, StoreUser(is_enabled=False, created_at=CREATED_AT), READ_AT)

    assert judged == make_store_leaver(
        provider="identityCenter",
        deduplication_id="e-1",
        occurred_at="2026-11-20T08:00:00Z",
        reading=StatusReading("2026-11-20T08:00:05.000Z", CREATED_AT),
    )


def test_a_user_who_is_read_as_enabled_is_back_since_the_event_happened() -> None:
    judged = judge_status(replace(CHANGE, requested_by="hr"), StoreUser(True, CREATED_AT), READ_AT)

    assert judged == ReturnEvent(
        provider="identityCenter",
        provider_user_id=STORE_USER_ID,
        deduplication_id="e-1",
        occurred_at="2026-11-20T08:00:00Z",
        requested_by="hr",
        status_read_at="2026-11-20T08:00:05.000Z",
    )


def test_a_user_who_is_gone_is_ignored_with_a_reason() -> None:
    judged = judge_status(CHANGE, None, READ_AT)

    assert isinstance(judged, IgnoredEvent)
    assert (judged.provider, judged.reason.partition(";")[0]) == (
        "identityCenter",
        "the user is not in the identity store",
    )


def test_a_user_without_a_status_is_refused() -> None:
    with pytest.raises(RefusedEvent, match="does not say whether the user is enabled"):
        judge_status(CHANGE, StoreUser(is_enabled=None, created_at=None), READ_AT)
