"""Events as identity providers send them, for the demo: the shapes are theirs, the people are made up."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.settings import IDENTITY_STORE_ID, OKTA_BUS


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

    def put(self, events: Any) -> None:
        """Put it on its bus, as the provider would.

        Parameters
        ----------
        events
            A boto3 client for EventBridge.
        """
        entry = {
            "Source": self.source,
            "DetailType": self.detail_type,
            "Detail": json.dumps(self.detail),
            "EventBusName": self.bus,
        }
        answer = events.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise RuntimeError(f"EventBridge refused the event: {answer['Entries']}")


def okta(uuid: str, login: str, published: datetime, kind: str = "user.lifecycle.deactivate") -> ProviderEvent:
    """Make an entry of Okta's System Log about one user."""
    administrator = {"id": "00uadmin", "type": "User", "alternateId": "it.admin@example.com"}
    detail = {
        "uuid": uuid,
        "published": published.isoformat(),
        "eventType": kind,
        "actor": administrator,
        "outcome": {"result": "SUCCESS"},
        "target": [{"id": f"00u{uuid}", "type": "User", "alternateId": login}],
    }
    return ProviderEvent(uuid, OKTA_BUS, "SystemLog", detail, OKTA_BUS)


def identity_center_user_deleted(user_id: str) -> ProviderEvent:
    """Make Identity Center's own event for a deleted user; EventBridge gives it its id."""
    detail = {"event-version": "1.0", "identityStoreId": IDENTITY_STORE_ID, "userId": user_id}
    return ProviderEvent("", "aws.identitystore", "User Deleted", detail)


def offboarding_requested(request_id: str, entity_id: str, requested_by: str) -> ProviderEvent:
    """Make the event of the open contract."""
    detail = {"RequestId": request_id, "EntityId": entity_id, "RequestedBy": requested_by}
    return ProviderEvent(request_id, "workmail.offboarding", "Offboarding Requested", detail)
