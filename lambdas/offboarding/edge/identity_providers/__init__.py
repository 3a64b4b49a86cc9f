"""The identity providers, registered in one place: a provider is one file here and one line in `ADAPTERS`."""

from collections.abc import Mapping

from offboarding.adapters.intake_settings import ProviderSettings
from offboarding.edge.identity_providers import (
    auth0,
    identity_center,
    identity_center_scim,
    offboarding_requested,
    okta,
    sailpoint,
)
from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    IgnoredEvent,
    LeaverEvent,
    ParsedEvent,
    RefusedEvent,
    RequestedEntity,
    ReturnEvent,
    SubjectKind,
    UnreadStatus,
    member,
)
from offboarding.edge.identity_providers.user_status import judge_status

__all__ = [
    "ADAPTERS",
    "Adapter",
    "Event",
    "IgnoredEvent",
    "LeaverEvent",
    "ParsedEvent",
    "RefusedEvent",
    "RequestedEntity",
    "ReturnEvent",
    "SubjectKind",
    "UnreadStatus",
    "judge_status",
    "parse_event",
    "provider_of",
]

ADAPTERS: tuple[Adapter, ...] = (
    *identity_center.ADAPTERS,
    identity_center_scim.ADAPTER,
    okta.ADAPTER,
    auth0.ADAPTER,
    sailpoint.ADAPTER,
    offboarding_requested.ADAPTER,
)


def parse_event(event: object, providers: Mapping[str, ProviderSettings]) -> ParsedEvent:
    """Parse an event into what it means.

    Parameters
    ----------
    event
        An EventBridge event, as it was delivered.
    providers
        The configured providers and their settings.

    Raises
    ------
    RefusedEvent
        If no configured provider sends such events, or it is in doubt who left.
    """
    if not isinstance(event, Mapping):
        raise RefusedEvent("The message is not an EventBridge event, which is a JSON object.")
    for adapter in ADAPTERS:
        if adapter.matches(event):
            if adapter.provider not in providers:
                raise RefusedEvent(f"{adapter.provider} is not among offboarding.identityProviders in cdk.json.")
            settings = providers[adapter.provider]
            _require_source(event, settings)
            return adapter.parse(event, settings)
    raise RefusedEvent(
        "No identity provider of this product sends events of this source; docs/identity-providers.md lists them."
    )


def _require_source(event: Event, settings: ProviderSettings) -> None:
    """Refuse an event of another partner event source, or for another account: who can send messages can write both."""
    if settings.event_source is None:
        return
    if member(event, "source") != settings.event_source:
        raise RefusedEvent(f"The event's source is not {settings.event_source}, which is the eventSource in cdk.json.")
    if member(event, "account") != settings.account:
        raise RefusedEvent(f"The event is for another account than {settings.account}, in which the stack is.")


def provider_of(event: object) -> str | None:
    """Return the key of the provider that sends such events, whether it is configured or not."""
    if not isinstance(event, Mapping):
        return None
    return next((adapter.provider for adapter in ADAPTERS if adapter.matches(event)), None)
