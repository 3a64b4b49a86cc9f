"""The kinds of events of identity providers that the page can send, about a person of the organization."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from local.defaults import IDENTITY_STORE_ID
from local.server import delivered_events as events
from local.server.page.entities import find_user
from local.server.page.provider_requests import (
    BuildRequest,
    Leaver,
    build_api_call,
    build_auth0,
    build_okta,
    build_request,
    build_sailpoint,
    build_scim_call,
    build_status,
    build_store_deletion,
)
from local.server.page.stack import PageError, StackView

_EVENTS_PATH = "/local/page/events"
_STATUS_PATH = "/local/identity-store"


@dataclass(frozen=True)
class Sample:
    """One kind of event.

    Attributes
    ----------
    id, title
        How the page names it.
    provider
        The provider, as the settings name it.
    build
        Makes the request that the page sends.
    path
        Where the page sends it.
    """

    id: str
    title: str
    provider: str
    build: BuildRequest
    path: str = _EVENTS_PATH


def list_samples(stack: StackView) -> list[dict[str, Any]]:
    """List the kinds of events, and whether the stack hears each provider."""
    settings = stack.read_intake_settings()
    return [
        {
            "Id": sample.id,
            "Title": sample.title,
            "Provider": sample.provider,
            "Path": sample.path,
            "IsConfigured": f"providers/{sample.provider}" in settings,
        }
        for sample in SAMPLES
    ]


def build_sample(stack: StackView, sample_id: str, organization_id: str, person: str) -> dict[str, Any]:
    """Build an event about a person: the request that the page sends.

    Parameters
    ----------
    stack
        What is deployed.
    sample_id
        One of `SAMPLES`.
    organization_id
        The organization; empty for the first one.
    person
        A name, an address or an id.
    """
    sample = next((sample for sample in SAMPLES if sample.id == sample_id), None)
    if sample is None:
        raise PageError(f"There is no event {sample_id!r}.")
    settings = stack.read_intake_settings()
    if f"providers/{sample.provider}" not in settings:
        raise PageError(f"The stack does not hear {sample.provider}: the settings do not have this identity provider.")
    user = find_user(stack, organization_id, person)
    organization_id = organization_id or next(iter(stack.environment.workmail.organizations))
    stores = settings.get(f"organizations/{organization_id}", {}).get("IdentityStores") or [IDENTITY_STORE_ID]
    leaver = Leaver(
        user=user,
        organization_id=organization_id,
        identity_store_id=stores[0],
        settings={"EventBus": stack.find_request_bus(), **settings[f"providers/{sample.provider}"]},
        now=stack.environment.clock.now(),
    )
    return {"Body": sample.build(leaver)}


def put_event(stack: StackView, entry: dict[str, Any]) -> dict[str, Any]:
    """Put an event on its bus, as its provider does, and wait until nothing runs at this moment of the clock.

    Parameters
    ----------
    stack
        What is deployed.
    entry
        An entry of `PutEvents`, whose `Detail` is a JSON object or its text.
    """
    detail = entry.get("Detail")
    sent = entry if isinstance(detail, str) else {**entry, "Detail": json.dumps(detail)}
    try:
        return {"EventId": events.put_event(stack.environment, sent)}
    except ValueError as error:
        raise PageError(str(error)) from None


SAMPLES = (
    Sample("okta-deactivated", "Okta: user deactivated", "okta", build_okta("user.lifecycle.deactivate")),
    Sample("okta-suspended", "Okta: user suspended (is ignored)", "okta", build_okta("user.lifecycle.suspend")),
    Sample("okta-reactivated", "Okta: user reactivated (is back)", "okta", build_okta("user.lifecycle.reactivate")),
    Sample("identity-center-deleted", "Identity Center: user deleted", "identityCenter", build_store_deletion),
    Sample(
        "identity-center-disabled",
        "Identity Center: user disabled",
        "identityCenter",
        build_status("DISABLED"),
        _STATUS_PATH,
    ),
    Sample(
        "identity-center-enabled",
        "Identity Center: user enabled (is back)",
        "identityCenter",
        build_status("ENABLED"),
        _STATUS_PATH,
    ),
    Sample(
        "cloudtrail-disabled",
        "Identity Center, CloudTrail: DisableUser",
        "identityCenterCloudTrail",
        build_api_call("DisableUser"),
    ),
    Sample(
        "cloudtrail-enabled",
        "Identity Center, CloudTrail: EnableUser (is back)",
        "identityCenterCloudTrail",
        build_api_call("EnableUser"),
    ),
    Sample(
        "scim-deactivated",
        "Identity Center, SCIM: active set to false",
        "identityCenterScim",
        build_scim_call("PatchUser", active=False),
    ),
    Sample(
        "scim-activated",
        "Identity Center, SCIM: active set to true (is back)",
        "identityCenterScim",
        build_scim_call("PatchUser", active=True),
    ),
    Sample(
        "scim-deleted",
        "Identity Center, SCIM: DeleteUser",
        "identityCenterScim",
        build_scim_call("DeleteUser", active=None),
    ),
    Sample("auth0-deleted", "Auth0: user deleted", "auth0", build_auth0),
    Sample("sailpoint-deleted", "SailPoint: account deleted", "sailpoint", build_sailpoint),
    Sample("requested", "Offboarding Requested", "offboardingRequested", build_request("Offboarding Requested")),
    Sample(
        "withdrawn", "Offboarding Withdrawn (is back)", "offboardingRequested", build_request("Offboarding Withdrawn")
    ),
)
"""Every kind of event that the page can send; the titles of returns and of what is ignored say so."""
