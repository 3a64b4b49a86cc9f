"""Events as identity providers send them: the shapes are theirs, the people are invented."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.defaults import IDENTITY_STORE_ID, OKTA_BUS

_MAX_ENTRIES = 10
"""The limit of one call of `PutEvents`."""


@dataclass(frozen=True)
class ProviderEvent:
    """One event on its bus.

    Attributes
    ----------
    id
        The provider's own id of the event, by which the execution names its requester.
    """

    id: str
    source: str
    detail_type: str
    detail: dict[str, Any] = field(hash=False)
    bus: str = "default"

    def to_entry(self) -> dict[str, str]:
        """Return it as an entry of `PutEvents`."""
        return {
            "Source": self.source,
            "DetailType": self.detail_type,
            "Detail": json.dumps(self.detail),
            "EventBusName": self.bus,
        }


def put_events(events: Sequence[ProviderEvent], client: Any) -> None:
    """Put events on their buses, as the providers would.

    Parameters
    ----------
    events
        The events, in their order.
    client
        A boto3 client for EventBridge.
    """
    for offset in range(0, len(events), _MAX_ENTRIES):
        answer = client.put_events(Entries=[event.to_entry() for event in events[offset : offset + _MAX_ENTRIES]])
        if answer["FailedEntryCount"]:
            raise RuntimeError(f"EventBridge refused events: {answer['Entries']}")


def make_okta_event(
    uuid: str,
    login: str,
    published: datetime,
    event_type: str = "user.lifecycle.deactivate",
    *,
    user_id: str | None = None,
    display_name: str | None = None,
) -> ProviderEvent:
    """Make an entry of Okta's System Log about one user.

    Parameters
    ----------
    uuid
        The id of the entry.
    login
        The user's login.
    published
        When it happened.
    event_type
        What happened.
    user_id
        Okta's id of the user; one that belongs to the entry by default.
    display_name
        The user's name in Okta, if the entry has it.
    """
    user = {"id": user_id or f"00u{uuid}", "type": "User", "alternateId": login}
    if display_name:
        user["displayName"] = display_name
    administrator = {"id": "00uadmin", "type": "User", "alternateId": "it.admin@example.com"}
    detail = {
        "uuid": uuid,
        "published": published.isoformat(),
        "eventType": event_type,
        "actor": administrator,
        "outcome": {"result": "SUCCESS"},
        "target": [user],
    }
    return ProviderEvent(uuid, OKTA_BUS, "SystemLog", detail, OKTA_BUS)


def make_identity_center_event(user_id: str) -> ProviderEvent:
    """Make Identity Center's own event for a deleted user; EventBridge gives it its id."""
    detail = {"event-version": "1.0", "identityStoreId": IDENTITY_STORE_ID, "userId": user_id}
    return ProviderEvent("", "aws.identitystore", "User Deleted", detail)


def make_offboarding_request(request_id: str, entity_id: str, requested_by: str) -> ProviderEvent:
    """Make the event of this project's own contract."""
    detail = {"RequestId": request_id, "EntityId": entity_id, "RequestedBy": requested_by}
    return ProviderEvent(request_id, "workmail.offboarding", "Offboarding Requested", detail)
