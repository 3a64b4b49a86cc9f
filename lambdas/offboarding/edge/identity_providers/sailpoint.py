"""SailPoint Identity Security Cloud, through event triggers on EventBridge.

https://developer.sailpoint.com/docs/extensibility/event-triggers/
"""

from collections.abc import Mapping
from typing import Any

from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    LeaverEvent,
    NotForUs,
    SubjectKind,
    member,
    text,
)

PROVIDER = "sailpoint"


def takes(event: Event) -> bool:
    """Say whether this is an event trigger of a SailPoint tenant."""
    source = member(event, "source")
    return isinstance(source, str) and source.startswith("aws.partner/sailpoint.com/")


def read(event: Event, settings: Mapping[str, Any]) -> LeaverEvent | NotForUs:
    """Read the deletion of an account in one of the sources in which that means leaving.

    An account in any other source is deleted for many reasons, most of them while the person stays.
    """
    kind = text(event, "detail-type")
    if kind != "idn:account-deleted":
        return NotForUs(PROVIDER, f"{kind} does not mean that somebody left")
    if text(event, "detail.source.id") not in settings.get("AccountSources", []):
        return NotForUs(PROVIDER, "the account's source is none in which a deletion means leaving")
    return LeaverEvent(
        provider=PROVIDER,
        subject=text(event, "detail.identity.email"),
        subject_kind=SubjectKind.EMAIL,
        deduplication_id=text(event, "detail._metadata.invocationId"),
        occurred_at=text(event, "time"),
    )


ADAPTER = Adapter(PROVIDER, takes, read)
