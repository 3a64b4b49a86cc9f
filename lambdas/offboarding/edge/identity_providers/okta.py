"""Okta, through log streaming to EventBridge.

https://help.okta.com/en-us/content/topics/reports/log-streaming/about-log-streams.htm
"""

from collections.abc import Mapping
from typing import Any

from offboarding.adapters.intake_settings import ProviderSettings
from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    IgnoredEvent,
    LeaverEvent,
    ParsedEvent,
    RefusedEvent,
    ReturnEvent,
    login_kind,
    member,
    optional_text,
    text,
)

PROVIDER = "okta"

_LEAVING = frozenset(
    {"user.lifecycle.deactivate", "user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"}
)
_RETURNING = frozenset({"user.lifecycle.activate", "user.lifecycle.reactivate"})
"""Every new hire is activated too: only for somebody who was reported as a leaver it is a return."""


def matches(event: Event) -> bool:
    """Return whether this is an entry of an Okta System Log."""
    source = member(event, "source")
    return isinstance(source, str) and source.startswith("aws.partner/okta.com/")


def parse(event: Event, settings: ProviderSettings) -> ParsedEvent:
    """Parse `target[]`, which names the person; `actor` is the administrator, and only the requester."""
    if text(event, "detail-type") != "SystemLog":
        return IgnoredEvent(PROVIDER, "it is not an entry of the System Log")
    kind = text(event, "detail.eventType")
    if kind not in _LEAVING | _RETURNING:
        return IgnoredEvent(PROVIDER, f"{kind} does not mean that somebody left or is back")
    if member(event, "detail.outcome.result") != "SUCCESS":
        return IgnoredEvent(PROVIDER, "its outcome is not SUCCESS")
    leaver = _parse_single_user(member(event, "detail.target"))
    if kind in _RETURNING:
        return ReturnEvent(
            provider=PROVIDER,
            provider_user_id=text(leaver, "id"),
            deduplication_id=text(event, "detail.uuid"),
            occurred_at=text(event, "detail.published"),
            requested_by=optional_text(event, "detail.actor.alternateId"),
        )
    if leaver.get("id") is not None and leaver.get("id") == member(event, "detail.actor.id"):
        raise RefusedEvent(
            "detail.actor and detail.target are the same user. Requester and leaver must be different people."
        )
    login = text(leaver, "alternateId")
    return LeaverEvent(
        provider=PROVIDER,
        subject=login,
        subject_kind=login_kind(login),
        deduplication_id=text(event, "detail.uuid"),
        occurred_at=text(event, "detail.published"),
        provider_user_id=optional_text(leaver, "id"),
        display_name=optional_text(leaver, "displayName"),
        requested_by=optional_text(event, "detail.actor.alternateId"),
    )


def _parse_single_user(target: object) -> Mapping[str, Any]:
    users = (
        [item for item in target if isinstance(item, Mapping) and item.get("type") == "User"]
        if isinstance(target, list)
        else []
    )
    # The same user can stand in it twice.
    different_users = {str(user.get("id") or position): user for position, user in enumerate(users)}
    if len(different_users) != 1:
        raise RefusedEvent(f"detail.target has {len(different_users)} users, and must have exactly one.")
    return next(iter(different_users.values()))


ADAPTER = Adapter(PROVIDER, matches, parse)
