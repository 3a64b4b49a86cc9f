"""SailPoint Identity Security Cloud, through event triggers on EventBridge.

https://developer.sailpoint.com/docs/extensibility/event-triggers/
"""

from offboarding.adapters.intake_settings import ProviderSettings
from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    IgnoredEvent,
    LeaverEvent,
    SubjectKind,
    member,
    optional_text,
    text,
)

PROVIDER = "sailpoint"


def matches(event: Event) -> bool:
    """Return whether this is an event trigger of a SailPoint tenant."""
    source = member(event, "source")
    return isinstance(source, str) and source.startswith("aws.partner/sailpoint.com/")


def parse(event: Event, settings: ProviderSettings) -> LeaverEvent | IgnoredEvent:
    """Parse the deletion of an account in one of the sources in which that means leaving.

    An account in any other source is deleted for many reasons, most of them while the person stays.
    """
    kind = text(event, "detail-type")
    if kind != "idn:account-deleted":
        return IgnoredEvent(PROVIDER, f"{kind} does not mean that somebody left")
    if text(event, "detail.source.id") not in settings.account_sources:
        return IgnoredEvent(PROVIDER, "a deletion in the account's source does not mean that somebody left")
    return LeaverEvent(
        provider=PROVIDER,
        subject=text(event, "detail.identity.email"),
        subject_kind=SubjectKind.EMAIL,
        deduplication_id=text(event, "detail._metadata.invocationId"),
        occurred_at=text(event, "time"),
        provider_user_id=optional_text(event, "detail.identity.id"),
        display_name=optional_text(event, "detail.identity.name"),
    )


ADAPTER = Adapter(PROVIDER, matches, parse)
