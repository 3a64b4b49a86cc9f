"""The open contract, `Offboarding Requested`, for every system that has no adapter of its own."""

from offboarding.configuration import ProviderSettings
from offboarding.domain.errors import InvalidRequest
from offboarding.domain.texts import is_unicode
from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    IgnoredEvent,
    LeaverEvent,
    RefusedEvent,
    SubjectKind,
    member,
    text,
)
from offboarding.edge.schemas import OFFBOARDING_REQUESTED, validated
from offboarding.edge.steps import OffboardingRequest

PROVIDER = "offboardingRequested"


def matches(event: Event) -> bool:
    """Return whether this is an event of this product's own source."""
    return member(event, "source") == "workmail.offboarding"


def parse(event: Event, settings: ProviderSettings) -> LeaverEvent | IgnoredEvent:
    """Parse an `Offboarding Requested`; an unknown member of it is refused, as in an execution's input."""
    detail_type = text(event, "detail-type")
    if detail_type != "Offboarding Requested":
        return IgnoredEvent(PROVIDER, f"{detail_type} is not Offboarding Requested")
    try:
        detail = validated(member(event, "detail"), OFFBOARDING_REQUESTED, OffboardingRequest, "detail")
    except InvalidRequest as error:
        raise RefusedEvent(str(error)) from None
    broken = [name for name, value in detail.items() if isinstance(value, str) and not is_unicode(value)]
    if broken:
        raise RefusedEvent(f"detail.{broken[0]} has half a character, which no service accepts.")
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
        allows_any_entity_type=True,
    )


ADAPTER = Adapter(PROVIDER, matches, parse)
