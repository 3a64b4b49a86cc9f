"""The open contract, for every system that has no adapter: `Offboarding Requested` and `Offboarding Withdrawn`."""

from typing import TypeVar

from offboarding.adapters.intake_settings import ProviderSettings
from offboarding.domain.errors import InvalidRequest
from offboarding.domain.texts import is_unicode
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
    member,
    text,
)
from offboarding.edge.schemas import OFFBOARDING_REQUESTED, OFFBOARDING_WITHDRAWN, Schema, validated
from offboarding.edge.steps import OffboardingRequest, OffboardingWithdrawal

PROVIDER = "offboardingRequested"

Detail = TypeVar("Detail", OffboardingRequest, OffboardingWithdrawal)


def matches(event: Event) -> bool:
    """Return whether this is an event of this product's own source."""
    return member(event, "source") == "workmail.offboarding"


def parse(event: Event, settings: ProviderSettings) -> ParsedEvent:
    """Parse a request or a withdrawal; an unknown member of it is refused, as in an execution's input."""
    match text(event, "detail-type"):
        case "Offboarding Requested":
            return _parse_request(event)
        case "Offboarding Withdrawn":
            return _parse_withdrawal(event)
        case detail_type:
            return IgnoredEvent(PROVIDER, f"{detail_type} is neither Offboarding Requested nor Offboarding Withdrawn")


def _parse_request(event: Event) -> LeaverEvent:
    detail = _parse_detail(event, OFFBOARDING_REQUESTED, OffboardingRequest)
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
        export=detail.get("Export"),
        dry_run=detail.get("DryRun", False),
        allows_any_entity_type=True,
    )


def _parse_withdrawal(event: Event) -> ReturnEvent:
    detail = _parse_detail(event, OFFBOARDING_WITHDRAWN, OffboardingWithdrawal)
    if ("RequestId" in detail) == ("EntityId" in detail):
        raise RefusedEvent("detail must have either RequestId, or EntityId for all requests for that entity.")
    entity = RequestedEntity(detail["EntityId"], detail.get("OrganizationId")) if "EntityId" in detail else None
    return ReturnEvent(
        provider=PROVIDER,
        provider_user_id=detail.get("RequestId", ""),
        deduplication_id=text(event, "id"),
        occurred_at=text(event, "time"),
        requested_by=detail.get("RequestedBy"),
        reason=detail.get("Reason"),
        entity=entity,
    )


def _parse_detail(event: Event, schema: Schema, kind: type[Detail]) -> Detail:
    try:
        detail = validated(member(event, "detail"), schema, kind, "detail")
    except InvalidRequest as error:
        raise RefusedEvent(str(error)) from None
    broken = [name for name, value in detail.items() if isinstance(value, str) and not is_unicode(value)]
    if broken:
        raise RefusedEvent(f"detail.{broken[0]} has half a character, which no service accepts.")
    return detail


ADAPTER = Adapter(PROVIDER, matches, parse)
