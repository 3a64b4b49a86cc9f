"""Auth0, through a log stream to EventBridge.

https://auth0.com/docs/customize/log-streams/amazon-eventbridge
"""

from offboarding.adapters.intake_settings import ProviderSettings
from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    IgnoredEvent,
    LeaverEvent,
    login_kind,
    member,
    optional_text,
    text,
)

PROVIDER = "auth0"

_USER_DELETED = "sdu"


def matches(event: Event) -> bool:
    """Return whether this is a log entry of an Auth0 tenant."""
    source = member(event, "source")
    return isinstance(source, str) and source.startswith("aws.partner/auth0.com/")


def parse(event: Event, settings: ProviderSettings) -> LeaverEvent | IgnoredEvent:
    """Parse only `sdu`: in the Management API's own entries (`sapi`) the user is the administrator."""
    kind = text(event, "detail.data.type")
    if text(event, "detail-type") != "Auth0 log" or kind != _USER_DELETED:
        return IgnoredEvent(PROVIDER, f"a log entry of type {kind} does not say who left")
    login = text(event, "detail.data.user_name")
    return LeaverEvent(
        provider=PROVIDER,
        subject=login,
        subject_kind=login_kind(login),
        deduplication_id=text(event, "detail.log_id"),
        occurred_at=text(event, "detail.data.date"),
        provider_user_id=optional_text(event, "detail.data.user_id"),
    )


ADAPTER = Adapter(PROVIDER, matches, parse)
