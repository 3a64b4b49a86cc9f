"""IAM Identity Center: its own events, and its API calls as CloudTrail reports them.

https://docs.aws.amazon.com/singlesignon/latest/userguide/eventbridge-integration.html
https://docs.aws.amazon.com/singlesignon/latest/userguide/logging-using-cloudtrail.html
"""

import re
from collections.abc import Mapping
from typing import Any

from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    LeaverEvent,
    NotForUs,
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


def takes_native(event: Event) -> bool:
    """Say whether this is an event that Identity Center itself sends."""
    return member(event, "source") == "aws.identitystore" and member(event, "detail-type") != _CLOUDTRAIL_CALL


def read_native(event: Event, settings: Mapping[str, Any]) -> LeaverEvent | NotForUs:
    """Read `User Deleted`, which names the user of the identity store."""
    kind = text(event, "detail-type")
    if kind != "User Deleted":
        return NotForUs(NATIVE, f"{kind} does not mean that somebody left")
    return LeaverEvent(
        provider=NATIVE,
        subject=_user_id(event, "detail.userId"),
        subject_kind=SubjectKind.IDENTITY_STORE_USER,
        deduplication_id=text(event, "id"),
        occurred_at=text(event, "time"),
        identity_store_id=text(event, "detail.identityStoreId"),
    )


def takes_cloudtrail(event: Event) -> bool:
    """Say whether this is a call of Identity Center's API, reported by CloudTrail."""
    return member(event, "source") in _SOURCES and member(event, "detail-type") == _CLOUDTRAIL_CALL


def read_cloudtrail(event: Event, settings: Mapping[str, Any]) -> LeaverEvent | NotForUs:
    """Read `DisableUser` and `DeleteUser` that succeeded; whoever called is only who asked."""
    call = text(event, "detail.eventName")
    if (event["source"], call) not in _LEAVING:
        return NotForUs(CLOUDTRAIL, f"{call} does not mean that somebody left")
    if member(event, "detail.errorCode") is not None:
        return NotForUs(CLOUDTRAIL, f"{call} failed")
    principal = optional_text(event, "detail.userIdentity.principalId") or ""
    return LeaverEvent(
        provider=CLOUDTRAIL,
        subject=_user_id(event, "detail.requestParameters.userId"),
        subject_kind=SubjectKind.IDENTITY_STORE_USER,
        deduplication_id=text(event, "detail.eventID"),
        occurred_at=text(event, "detail.eventTime"),
        requested_by=principal.partition(":")[2] or principal or None,
        identity_store_id=text(event, "detail.requestParameters.identityStoreId"),
    )


def _user_id(event: Event, path: str) -> str:
    """Return the id, in the only form by which WorkMail looks users up."""
    value = text(event, path)
    if not _USER_ID.fullmatch(value):
        raise RefusedEvent(f"{path} is not the id of a user in an identity store.")
    return value


ADAPTERS = (Adapter(NATIVE, takes_native, read_native), Adapter(CLOUDTRAIL, takes_cloudtrail, read_cloudtrail))
