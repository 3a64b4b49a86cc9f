"""IAM Identity Center: its own events, and its API calls as CloudTrail reports them.

https://docs.aws.amazon.com/singlesignon/latest/userguide/eventbridge-integration.html
https://docs.aws.amazon.com/singlesignon/latest/userguide/logging-using-cloudtrail.html
"""

import re

from offboarding.configuration import ProviderSettings
from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    IgnoredEvent,
    LeaverEvent,
    RefusedEvent,
    SubjectKind,
    member,
    optional_text,
    text,
)

NATIVE = "identityCenter"
CLOUDTRAIL = "identityCenterCloudTrail"

_CLOUDTRAIL_CALL = "AWS API Call via CloudTrail"
_LEAVING = frozenset(
    {("aws.sso-directory", "DisableUser"), ("aws.sso-directory", "DeleteUser"), ("aws.identitystore", "DeleteUser")}
)
_USER_ID = re.compile(r"([0-9a-f]{10}-)?[A-Fa-f0-9]{8}(-[A-Fa-f0-9]{4}){3}-[A-Fa-f0-9]{12}")
_SOURCES = frozenset({"aws.sso-directory", "aws.identitystore"})


def matches_native(event: Event) -> bool:
    """Return whether this is an event that Identity Center itself sends."""
    return member(event, "source") == "aws.identitystore" and member(event, "detail-type") != _CLOUDTRAIL_CALL


def parse_native(event: Event, settings: ProviderSettings) -> LeaverEvent | IgnoredEvent:
    """Parse `User Deleted`, which names the user of the identity store."""
    kind = text(event, "detail-type")
    if kind != "User Deleted":
        return IgnoredEvent(NATIVE, f"{kind} does not mean that somebody left")
    return LeaverEvent(
        provider=NATIVE,
        subject=_user_id(event, "detail.userId"),
        subject_kind=SubjectKind.IDENTITY_STORE_USER,
        deduplication_id=text(event, "id"),
        occurred_at=text(event, "time"),
        provider_user_id=_user_id(event, "detail.userId"),
        identity_store_id=text(event, "detail.identityStoreId"),
    )


def matches_cloudtrail(event: Event) -> bool:
    """Return whether this is a call of Identity Center's API, reported by CloudTrail."""
    return member(event, "source") in _SOURCES and member(event, "detail-type") == _CLOUDTRAIL_CALL


def parse_cloudtrail(event: Event, settings: ProviderSettings) -> LeaverEvent | IgnoredEvent:
    """Parse `DisableUser` and `DeleteUser` that succeeded; the caller is only the requester."""
    call = text(event, "detail.eventName")
    if (event["source"], call) not in _LEAVING:
        return IgnoredEvent(CLOUDTRAIL, f"{call} does not mean that somebody left")
    if member(event, "detail.errorCode") is not None:
        return IgnoredEvent(CLOUDTRAIL, f"{call} failed")
    principal = optional_text(event, "detail.userIdentity.principalId") or ""
    return LeaverEvent(
        provider=CLOUDTRAIL,
        subject=_user_id(event, "detail.requestParameters.userId"),
        subject_kind=SubjectKind.IDENTITY_STORE_USER,
        deduplication_id=text(event, "detail.eventID"),
        occurred_at=text(event, "detail.eventTime"),
        provider_user_id=_user_id(event, "detail.requestParameters.userId"),
        requested_by=principal.partition(":")[2] or principal or None,
        identity_store_id=text(event, "detail.requestParameters.identityStoreId"),
    )


def _user_id(event: Event, path: str) -> str:
    """Return the id, in the only form in which WorkMail can look it up."""
    value = text(event, path)
    if not _USER_ID.fullmatch(value):
        raise RefusedEvent(f"{path} is not the id of a user in an identity store.")
    return value


ADAPTERS = (Adapter(NATIVE, matches_native, parse_native), Adapter(CLOUDTRAIL, matches_cloudtrail, parse_cloudtrail))
