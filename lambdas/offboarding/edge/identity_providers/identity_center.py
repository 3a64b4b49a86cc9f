"""IAM Identity Center: its own events, and its API calls as CloudTrail reports them.

https://docs.aws.amazon.com/singlesignon/latest/userguide/eventbridge-integration.html
https://docs.aws.amazon.com/singlesignon/latest/userguide/logging-using-cloudtrail.html
"""

from offboarding.adapters.intake_settings import ProviderSettings
from offboarding.edge.identity_providers.cloudtrail import has_failed, is_api_call, is_scim_call, parse_requester
from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    IgnoredEvent,
    ParsedEvent,
    RefusedEvent,
    UnreadStatus,
    is_store_user_id,
    member,
    text,
)

NATIVE = "identityCenter"
CLOUDTRAIL = "identityCenterCloudTrail"

_DELETED = "User Deleted"
_UPDATED = "User Updated"
_LEAVING = frozenset(
    {("aws.sso-directory", "DisableUser"), ("aws.sso-directory", "DeleteUser"), ("aws.identitystore", "DeleteUser")}
)
_RETURNING = ("aws.sso-directory", "EnableUser")
_SOURCES = frozenset({"aws.sso-directory", "aws.identitystore"})


def matches_native(event: Event) -> bool:
    """Return whether this is an event that Identity Center itself sends."""
    return member(event, "source") == "aws.identitystore" and not is_api_call(event)


def parse_native(event: Event, settings: ProviderSettings) -> ParsedEvent:
    """Parse `User Deleted` and, if the settings ask for it, `User Updated`, which does not say what has changed."""
    kind = text(event, "detail-type")
    if kind != _DELETED and not (kind == _UPDATED and settings.reads_user_updates):
        return IgnoredEvent(NATIVE, f"{kind} does not mean that somebody left")
    change = UnreadStatus(
        provider=NATIVE,
        user_id=_user_id(event, "detail.userId"),
        identity_store_id=text(event, "detail.identityStoreId"),
        deduplication_id=text(event, "id"),
        occurred_at=text(event, "time"),
    )
    return change.to_leaver() if kind == _DELETED else change


def matches_cloudtrail(event: Event) -> bool:
    """Return whether this is a call of Identity Center's API, reported by CloudTrail."""
    return member(event, "source") in _SOURCES and is_api_call(event) and not is_scim_call(event)


def parse_cloudtrail(event: Event, settings: ProviderSettings) -> ParsedEvent:
    """Parse `DisableUser`, `DeleteUser` and `EnableUser` that succeeded; the caller is only the requester."""
    call = text(event, "detail.eventName")
    if (event["source"], call) not in {*_LEAVING, _RETURNING}:
        return IgnoredEvent(CLOUDTRAIL, f"{call} does not mean that somebody left or is back")
    if has_failed(event):
        return IgnoredEvent(CLOUDTRAIL, f"{call} failed")
    change = UnreadStatus(
        provider=CLOUDTRAIL,
        user_id=_user_id(event, "detail.requestParameters.userId"),
        identity_store_id=text(event, "detail.requestParameters.identityStoreId"),
        deduplication_id=text(event, "detail.eventID"),
        occurred_at=text(event, "detail.eventTime"),
        requested_by=parse_requester(event),
    )
    return change.to_return() if (event["source"], call) == _RETURNING else change.to_leaver()


def _user_id(event: Event, path: str) -> str:
    """Return the id, in the only form in which WorkMail can look it up."""
    value = text(event, path)
    if not is_store_user_id(value):
        raise RefusedEvent(f"{path} is not the id of a user in an identity store.")
    return value


ADAPTERS = (Adapter(NATIVE, matches_native, parse_native), Adapter(CLOUDTRAIL, matches_cloudtrail, parse_cloudtrail))
