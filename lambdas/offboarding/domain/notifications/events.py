"""The event about a step, for other systems. It has ids, dates and outcomes, and no name, address or free text.

The schemas and the promises to consumers are in `docs/events/`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

from offboarding.domain.notifications.steps import ToldStep, execution_arn_of, message_id_of

SOURCE = "workmail.offboarding"
SCHEMA_VERSION = "1.0"

_EVENT_IDS = UUID("6f1c5b0e-2a53-5d0a-9a54-7d3b1f0c9e21")
"""The namespace of the events' ids. The same fact must keep its id, so this never changes."""


@dataclass(frozen=True)
class Event:
    """An entry for the default event bus.

    Attributes
    ----------
    detail_type
        The name of the fact.
    detail
        The members of the event's `detail`.
    resources
        The execution, if the event is about one.
    """

    detail_type: str
    detail: Mapping[str, object]
    resources: tuple[str, ...]


@dataclass(frozen=True)
class _EventType:
    """How a step becomes an event.

    Attributes
    ----------
    detail_type
        The name of the fact.
    read_facts
        Returns the members that only this type has.
    read_distinction
        Returns what distinguishes two such facts of one execution.
    """

    detail_type: str
    read_facts: Callable[[ToldStep], dict[str, object]]
    read_distinction: Callable[[ToldStep], str | None]


_EVENT_TYPES = {
    "Scheduled": _EventType(
        "Offboarding Scheduled",
        lambda step: {"NotBefore": step["DueAt"]},
        lambda step: step["DueAt"],
    ),
    "AwaitApproval": _EventType(
        "Approval Requested",
        lambda step: {"CapIsReached": step["CapIsReached"], "ExpiresAt": step["Until"]},
        lambda step: "",
    ),
    "Deregistered": _EventType(
        "Offboarding Deregistered",
        lambda step: {"WasEnabled": step["WasEnabled"], "RetentionEndsAt": step["RetentionEndsAt"]},
        lambda step: step["DeregisteredAt"],
    ),
    "Ended": _EventType(
        "Offboarding Ended",
        lambda step: {
            "Outcome": step["Outcome"],
            "MailboxTouched": step["MailboxTouched"],
            "DryRun": step.get("DryRun", False),
        },
        lambda step: step["Outcome"],
    ),
    "Restored": _EventType(
        "Offboarding Restored",
        lambda step: {"RestoredIn": step["RestoredIn"], "IsComplete": not step.get("Missing")},
        lambda step: step["RestoredIn"],
    ),
    "LeaverReturned": _EventType(
        "Leaver Returned",
        lambda step: {
            "Provider": step["Provider"],
            "ProviderEventId": step["EventId"],
            "ReturnedAt": step["OccurredAt"],
            "MailboxTouched": step["MailboxTouched"],
            "RetentionEndsAt": step.get("RetentionEndsAt"),
        },
        lambda step: step["EventId"],
    ),
    "Refused": _EventType(
        "Event Refused",
        lambda step: {"Provider": step.get("Provider"), "ProviderEventId": step.get("EventId")},
        message_id_of,
    ),
}
DETAIL_TYPES = tuple(event_type.detail_type for event_type in _EVENT_TYPES.values())


def make_event(step: ToldStep) -> Event | None:
    """Make the event about a step; None if there is none about such a step.

    The same step makes the same event, with the same `EventId`, however often it is published.
    """
    event_type = _EVENT_TYPES.get(step["Step"])
    if event_type is None:
        return None
    execution_arn = execution_arn_of(step)
    distinction = event_type.read_distinction(step)
    members = {
        "SchemaVersion": SCHEMA_VERSION,
        "EventId": str(uuid5(_EVENT_IDS, f"{execution_arn}\n{event_type.detail_type}\n{distinction}")),
        "ExecutionArn": execution_arn,
        "OrganizationId": step.get("OrganizationId"),
        "EntityId": step.get("EntityId"),
        "EntityType": step.get("EntityType"),
        "OccurredAt": step["DeregisteredAt"] if step["Step"] == "Deregistered" else step["At"],
        **event_type.read_facts(step),
    }
    detail = {name: value for name, value in members.items() if value is not None}
    return Event(event_type.detail_type, detail, (execution_arn,) if execution_arn else ())
