"""The identity providers, registered in one place: a provider is one file here and one line in `ADAPTERS`."""

from collections.abc import Mapping
from typing import Any

from offboarding.edge.identity_providers import auth0, identity_center, offboarding_requested, okta, sailpoint
from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    LeaverEvent,
    NotForUs,
    RefusedEvent,
    SubjectKind,
)

__all__ = ["ADAPTERS", "Adapter", "Event", "LeaverEvent", "NotForUs", "RefusedEvent", "SubjectKind", "read_event"]

ADAPTERS: tuple[Adapter, ...] = (
    *identity_center.ADAPTERS,
    okta.ADAPTER,
    auth0.ADAPTER,
    sailpoint.ADAPTER,
    offboarding_requested.ADAPTER,
)


def read_event(event: object, providers: Mapping[str, Mapping[str, Any]]) -> LeaverEvent | NotForUs:
    """Find out what an event means.

    Parameters
    ----------
    event
        An EventBridge event, as it was delivered.
    providers
        The configured providers and their settings.

    Raises
    ------
    RefusedEvent
        If no configured provider sends such events, or it is not beyond doubt who left.
    """
    if not isinstance(event, Mapping):
        raise RefusedEvent("The message is not an EventBridge event, which is a JSON object.")
    for adapter in ADAPTERS:
        if adapter.takes(event):
            if adapter.provider not in providers:
                raise RefusedEvent(f"{adapter.provider} is not among offboarding.identityProviders in cdk.json.")
            return adapter.read(event, providers[adapter.provider])
    raise RefusedEvent("No identity provider that is known here sends events of this source.")
