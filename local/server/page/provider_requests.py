"""The requests by which identity providers report that somebody left or is back: the shapes are the providers' own."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.defaults import ACCOUNT, REGION
from local.server.page.stack import PageError
from local.workmail.state import User

_ADMINISTRATOR = "it.admin@example.com"
BuildRequest = Callable[["Leaver"], dict[str, Any]]
"""Makes the body of a request about a person."""


@dataclass(frozen=True)
class Leaver:
    """The person whom an event is about, and the settings of the provider.

    Attributes
    ----------
    user, organization_id, email, store_user_id
        The person; `store_user_id` is the id in the identity store.
    identity_store_id
        The identity store of the organization.
    settings
        What the stack has as the provider's settings, and `EventBus`: where it hears requests.
    now
        When it happens.
    """

    user: User
    organization_id: str
    identity_store_id: str
    settings: dict[str, Any]
    now: datetime

    @property
    def email(self) -> str:
        """The primary address."""
        return self.user.email or self.user.name

    @property
    def store_user_id(self) -> str:
        """The id in Identity Center.

        Raises
        ------
        PageError
            If there is none.
        """
        if self.user.identity_provider_user_id is None:
            raise PageError(f"{self.user.name} has no user in Identity Center, so it has no event about them.")
        return self.user.identity_provider_user_id

    @property
    def moment(self) -> str:
        """When it happens (RFC 3339)."""
        return self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entry(source: str, detail_type: str, detail: dict[str, Any], bus: str = "default") -> dict[str, Any]:
    return {"EventBusName": bus, "Source": source, "DetailType": detail_type, "Detail": detail}


def build_okta(event_type: str) -> BuildRequest:
    """Return what builds an entry of Okta's System Log."""

    def build(leaver: Leaver) -> dict[str, Any]:
        source = leaver.settings["EventSource"]
        target = {
            "id": f"00u{leaver.user.id.replace('-', '')[:17]}",
            "type": "User",
            "alternateId": leaver.email,
            "displayName": leaver.user.display_name,
        }
        detail = {
            "uuid": str(uuid.uuid4()),
            "published": leaver.moment,
            "eventType": event_type,
            "severity": "INFO",
            "version": "0",
            "actor": {"id": "00uadmin000000000001", "type": "User", "alternateId": _ADMINISTRATOR},
            "outcome": {"result": "SUCCESS", "reason": None},
            "target": [target],
        }
        return _entry(source, "SystemLog", detail, source)

    return build


def build_status(status: str) -> BuildRequest:
    """Return what builds the change of a status in the identity store, which sends Identity Center's own event."""
    return lambda leaver: {
        "IdentityStoreId": leaver.identity_store_id,
        "UserId": leaver.store_user_id,
        "UserStatus": status,
    }


def build_store_deletion(leaver: Leaver) -> dict[str, Any]:
    """Build Identity Center's own event for a deleted user."""
    ids = {"identityStoreId": leaver.identity_store_id, "userId": leaver.store_user_id}
    return _entry("aws.identitystore", "User Deleted", {"event-version": "1.0", **ids})


def build_api_call(name: str) -> BuildRequest:
    """Return what builds a call of Identity Center's API, as CloudTrail reports it."""
    return lambda leaver: _entry(
        "aws.sso-directory",
        "AWS API Call via CloudTrail",
        _render_call(
            leaver,
            "sso-directory.amazonaws.com",
            name,
            {"identityStoreId": leaver.identity_store_id, "userId": leaver.store_user_id},
        ),
    )


def build_scim_call(name: str, *, active: bool | None) -> BuildRequest:
    """Return what builds a call of Identity Center's SCIM endpoint, as CloudTrail reports it."""

    def build(leaver: Leaver) -> dict[str, Any]:
        tenants = leaver.settings["Tenants"]
        tenant = next((key for key, store in tenants.items() if store == leaver.identity_store_id), next(iter(tenants)))
        request: dict[str, Any] = {"userId": leaver.store_user_id, "tenantId": tenant}
        if active is not None:
            request["httpBody"] = {"Operations": [{"op": "replace", "path": "active", "value": str(active)}]}
        detail = _render_call(leaver, "identitystore-scim.amazonaws.com", name, request)
        return _entry("aws.identitystore-scim", "AWS API Call via CloudTrail", detail)

    return build


def _render_call(leaver: Leaver, source: str, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventVersion": "1.10",
        "eventID": str(uuid.uuid4()),
        "eventTime": leaver.moment,
        "eventSource": source,
        "eventName": name,
        "awsRegion": REGION,
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"AROAEXAMPLE:{_ADMINISTRATOR}",
            "accountId": ACCOUNT,
        },
        "requestParameters": parameters,
        "responseElements": None,
    }


def build_auth0(leaver: Leaver) -> dict[str, Any]:
    """Build an entry of Auth0's log for a deleted user."""
    source, log_id = leaver.settings["EventSource"], uuid.uuid4().hex
    data = {
        "date": leaver.moment,
        "log_id": log_id,
        "type": "sdu",
        "description": "User successfully deleted",
        "connection": "Username-Password-Authentication",
        "user_id": f"auth0|{leaver.user.id.replace('-', '')[:24]}",
        "user_name": leaver.email,
    }
    return _entry(source, "Auth0 log", {"log_id": log_id, "data": data}, source)


def build_sailpoint(leaver: Leaver) -> dict[str, Any]:
    """Build SailPoint's event for a deleted account."""
    source, user = leaver.settings["EventSource"], leaver.user
    identity = {"id": user.id.replace("-", ""), "name": user.display_name, "alias": user.name, "email": leaver.email}
    detail = {
        "_metadata": {"triggerId": "idn:account-deleted", "invocationId": str(uuid.uuid4())},
        "identity": identity,
        "account": {"name": user.name, "nativeIdentity": user.name, "attributes": {"email": leaver.email}},
        "source": {"id": leaver.settings["AccountSources"][0], "name": "HR", "type": "DelimitedFile"},
    }
    return _entry(source, "idn:account-deleted", detail, source)


def build_request(detail_type: str) -> BuildRequest:
    """Return what builds an event of this product's own contract."""

    def build(leaver: Leaver) -> dict[str, Any]:
        detail = {
            "OrganizationId": leaver.organization_id,
            "EntityId": leaver.email,
            "Reason": "Left the company" if detail_type == "Offboarding Requested" else "Stays after all",
            "RequestedBy": "hr-system",
        }
        if detail_type == "Offboarding Requested":
            detail = {"RequestId": f"hr-{uuid.uuid4().hex[:8]}", **detail}
        return _entry("workmail.offboarding", detail_type, detail, leaver.settings["EventBus"])

    return build
