"""The open contract, `Offboarding Requested`, for every system that has no adapter of its own."""

from collections.abc import Mapping
from typing import Any

from offboarding.domain.errors import InvalidRequest
from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    LeaverEvent,
    NotForUs,
    RefusedEvent,
    SubjectKind,
    member,
    text,
)
from offboarding.edge.schemas import OFFBOARDING_REQUESTED, validated

PROVIDER = "offboardingRequested"


def takes(event: Event) -> bool:
    """Say whether this is an event of this product's own source."""
    return member(event, "source") == "workmail.offboarding"


def read(event: Event, settings: Mapping[str, Any]) -> LeaverEvent | NotForUs:
    """Read an `Offboarding Requested`; an unknown member of it is refused, as in an execution's input."""
    kind = text(event, "detail-type")
    if kind != "Offboarding Requested":
        return NotForUs(PROVIDER, f"{kind} is not Offboarding Requested")
    try:
        detail = validated(member(event, "detail"), OFFBOARDING_REQUESTED, "detail")
    except InvalidRequest as error:
        raise RefusedEvent(str(error)) from None
    return LeaverEvent(
        provider=PROVIDER,
        subject=detail["EntityId"],
        subject_kind=SubjectKind.EMAIL if "@" in detail["EntityId"] else SubjectKind.ENTITY_ID,
        deduplication_id=detail["RequestId"],
        occurred_at=text(event, "time"),
        requested_by=detail.get("RequestedBy"),
        organization_id=detail.get("OrganizationId"),
        reason=detail.get("Reason"),
        not_before=detail.get("NotBefore"),
        dry_run=detail.get("DryRun", False),
        may_be_no_user=True,
    )


ADAPTER = Adapter(PROVIDER, takes, read)
