"""What executions and states pass to the functions, as types: each is what the schema of the same name lets through."""

from typing import NotRequired, TypedDict

from offboarding.domain.entities import EntityMembers
from offboarding.domain.exports import Archive
from offboarding.domain.offboarding import Offboarding


class Requester(TypedDict):
    """Which identity provider's event asked, when that happened, and about which of the provider's users it was.

    `StatusReadAt` is when the user was read as disabled, if the event itself does not say so.
    """

    Provider: str
    EventId: str
    RequestedBy: NotRequired[str]
    OccurredAt: NotRequired[str]
    ProviderUserId: NotRequired[str]
    StatusReadAt: NotRequired[str]
    Doubts: NotRequired[list[str]]


class Expected(TypedDict):
    """What the requester expects of the entity."""

    Type: NotRequired[str]
    Name: NotRequired[str]
    Email: NotRequired[str]
    DisplayName: NotRequired[str]


class OffboardingInput(TypedDict):
    """The input of an execution that offboards."""

    OrganizationId: str
    EntityId: str
    Expected: NotRequired[Expected]
    DryRun: NotRequired[bool]
    NotBefore: NotRequired[str]
    Export: NotRequired[str]
    Reason: NotRequired[str]
    RequestedBy: NotRequired[str]
    Requester: NotRequired[Requester]


class OffboardingRequest(TypedDict):
    """The detail of an `Offboarding Requested` event."""

    RequestId: str
    EntityId: str
    OrganizationId: NotRequired[str]
    DryRun: NotRequired[bool]
    NotBefore: NotRequired[str]
    Export: NotRequired[str]
    Reason: NotRequired[str]
    RequestedBy: NotRequired[str]


class OffboardingWithdrawal(TypedDict):
    """The detail of an `Offboarding Withdrawn` event."""

    RequestId: NotRequired[str]
    EntityId: NotRequired[str]
    OrganizationId: NotRequired[str]
    Reason: NotRequired[str]
    RequestedBy: NotRequired[str]


class DecisionInput(TypedDict):
    """The input of an execution that decides on an offboarding that waits."""

    ExecutionArn: str
    Decision: str
    DecidedBy: str
    Reason: str


class RestoreInput(TypedDict):
    """The input of an execution that restores."""

    OrganizationId: NotRequired[str]
    EntityId: NotRequired[str]
    ExecutionArn: NotRequired[str]
    Expected: NotRequired[Expected]
    Reason: NotRequired[str]
    RequestedBy: NotRequired[str]


class ErasureInput(TypedDict):
    """What ErasePerson takes."""

    OrganizationId: str
    EntityId: str
    RequestedBy: str
    Identifiers: NotRequired[list[str]]


class RecordedRequest(TypedDict):
    """What the record keeps of an execution's input."""

    Reason: NotRequired[str]
    RequestedBy: NotRequired[str]
    Requester: NotRequired[Requester]
    NotBefore: NotRequired[str]
    Export: NotRequired[str]


class Step(TypedDict):
    """What every state passes: the execution's ARN, and Step Functions' time (RFC 3339)."""

    ExecutionArn: str
    Now: str


class ResolveStep(Step):
    """What ResolveEntity takes; `Planned` is the entity as it was resolved before a wait."""

    StartedAt: str
    Input: object
    Planned: EntityMembers | None


class EntityStep(Step):
    """What every state passes once the entity is resolved."""

    OrganizationId: str
    Entity: EntityMembers
    ServiceEndsAt: str


class CheckStep(EntityStep):
    """What CheckOrganization takes."""

    DryRun: bool


class PlanStep(EntityStep):
    """What PlanOffboarding takes."""

    Request: RecordedRequest
    NeverRegistered: bool
    IsMigrationAdmin: bool


class RecordStep(EntityStep):
    """What RecordOffboarding takes; `Approval` is the decision that the execution waited for.

    `Archive` is how the export ended that it waited for. `Evidence` has the answers of the states before.
    """

    StartedAt: str
    Request: RecordedRequest
    DateIsAhead: bool
    Approval: dict[str, object] | None
    Archive: Archive | None
    Evidence: dict[str, object]


class WaitForDateStep(Step):
    """What WaitForDate takes."""

    OrganizationId: str
    Entity: EntityMembers
    TaskToken: str


class AwaitApprovalStep(Step):
    """What AwaitApproval takes."""

    OrganizationId: str
    Entity: EntityMembers
    Reasons: list[str]
    CapIsReached: bool
    Request: RecordedRequest
    TaskToken: str


class ExportStep(Step):
    """What StartExport and CheckExport take. The record has the entity and the job."""

    ServiceEndsAt: str


class DeregisterStep(Step):
    """What DeregisterEntity takes; `RetryCount` is 0 at the first attempt. The record has the entity."""

    ServiceEndsAt: str
    RetryCount: int


class VerifyStep(EntityStep):
    """What VerifyCleanup takes; `Check` is the number of the check, 1 for the first."""

    DeregisteredAt: str
    RetentionEndsAt: str
    GiveUpAt: str
    ServiceEndsFirst: bool
    Check: int


class InputStep(Step):
    """What DecideApproval and RegisterEntity take: the execution's input, not yet validated."""

    Input: object


class RestoreStep(Step):
    """What RestoreAliasesAndGroups takes; after `PutBackUntil` nothing is put back."""

    OffboardingArn: str
    PutBackUntil: str


def offboarding_of(step: EntityStep) -> Offboarding:
    """Return which execution offboards which entity."""
    return Offboarding(step["ExecutionArn"], step["OrganizationId"], step["Entity"])
