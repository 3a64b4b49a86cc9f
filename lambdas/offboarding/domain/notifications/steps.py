"""A step of an offboarding, as an item of the table of records; each item is written once and never changed."""

from typing import NotRequired, TypedDict

_REFUSAL_PREFIX = "refused/"


class StepKey(TypedDict):
    """The key of a step in the table of records."""

    Id: str
    Part: str


class RequestMembers(TypedDict):
    """What is told of a request: who asked, and why."""

    Requester: NotRequired[dict[str, str]]
    RequestedBy: NotRequired[str]
    Reason: NotRequired[str]


class ToldStep(StepKey):
    """A step about which people or other systems are told.

    The members after `At` are there where they are known. `Identifier` is the text that was typed, for an execution
    that resolved no entity. The others belong to one or two kinds of steps.
    """

    Step: str
    At: str
    OrganizationId: NotRequired[str]
    EntityId: NotRequired[str]
    EntityType: NotRequired[str]
    EntityName: NotRequired[str]
    EntityEmail: NotRequired[str]
    Identifier: NotRequired[str]
    DryRun: NotRequired[bool]
    DueAt: NotRequired[str]
    Reasons: NotRequired[list[str]]
    Request: NotRequired[RequestMembers]
    Until: NotRequired[str]
    CapIsReached: NotRequired[bool]
    IsFirstOfCap: NotRequired[bool]
    WasEnabled: NotRequired[bool]
    DeregisteredAt: NotRequired[str]
    RetentionEndsAt: NotRequired[str]
    Outcome: NotRequired[str]
    Cause: NotRequired[str]
    MailboxTouched: NotRequired[str]
    RestoredIn: NotRequired[str]
    Missing: NotRequired[list[object]]
    Provider: NotRequired[str]
    EventId: NotRequired[str]
    OccurredAt: NotRequired[str]
    NotBefore: NotRequired[str]
    Day: NotRequired[str]
    ServiceEndsOn: NotRequired[str]


def message_id_of(step: StepKey) -> str | None:
    """Return the id of the message with the event that was refused, or None if the step is an execution's."""
    return step["Id"].removeprefix(_REFUSAL_PREFIX) if step["Id"].startswith(_REFUSAL_PREFIX) else None


def execution_arn_of(step: StepKey) -> str | None:
    """Return the execution to which a step belongs, or None if it belongs to none."""
    return step["Id"] if step["Id"].startswith("arn:") else None
