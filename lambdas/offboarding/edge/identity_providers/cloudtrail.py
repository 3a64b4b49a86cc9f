"""Calls of an API, as CloudTrail reports them to EventBridge.

https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-cloudtrail.html
"""

from offboarding.edge.identity_providers.events import Event, member, optional_text

SCIM_EVENT_SOURCE = "identitystore-scim.amazonaws.com"

_API_CALL = "AWS API Call via CloudTrail"


def is_api_call(event: Event) -> bool:
    """Return whether CloudTrail reports a call."""
    return member(event, "detail-type") == _API_CALL


def is_scim_call(event: Event) -> bool:
    """Return whether CloudTrail reports a call of Identity Center's SCIM endpoint, whatever the source is named."""
    source = member(event, "source")
    is_from_aws = isinstance(source, str) and source.startswith("aws.") and not source.startswith("aws.partner/")
    return is_from_aws and is_api_call(event) and member(event, "detail.eventSource") == SCIM_EVENT_SOURCE


def has_failed(event: Event) -> bool:
    """Return whether the call was answered with an error."""
    return member(event, "detail.errorCode") is not None


def parse_requester(event: Event) -> str | None:
    """Return who made the call, as far as the event says so: the session's name, or the principal."""
    principal = optional_text(event, "detail.userIdentity.principalId") or ""
    return principal.partition(":")[2] or principal or None
