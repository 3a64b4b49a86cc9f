"""The record of an offboarding, and the lock on an entity, as decisions are made from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypedDict

from offboarding.domain.entities import RecordedEntity
from offboarding.domain.exports import Archive, ExportState
from offboarding.domain.identifiers import casefolded, is_same_identifier
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.reporters import requesters_of

APPROVAL_TIMEOUT = timedelta(days=14)
"""How long an approval is awaited: as long as the state's own time limit."""


class Status(StrEnum):
    """Where an offboarding stands. `Ended` and `Unwatched` have an outcome; an `Unwatched` mailbox still goes."""

    RECORDED = "Recorded"
    SCHEDULED = "Scheduled"
    AWAITING_APPROVAL = "AwaitingApproval"
    EXPORTING = "Exporting"
    DEREGISTERING = "Deregistering"
    IN_WINDOW = "InWindow"
    RESTORING = "Restoring"
    RESTORED = "Restored"
    UNWATCHED = "Unwatched"
    ENDED = "Ended"


class MailboxTouched(StrEnum):
    """Whether an execution has disabled the mailbox; `Maybe` if WorkMail was asked and did not confirm it."""

    YES = "Yes"
    MAYBE = "Maybe"
    NO = "No"


def mailbox_touched_by(steps: Iterable[str]) -> MailboxTouched:
    """Return whether an execution has disabled the mailbox, by the names of its steps in their order."""
    touched = MailboxTouched.NO
    for step in steps:
        if step == "Deregister" and touched is MailboxTouched.NO:
            touched = MailboxTouched.MAYBE
        elif step == "Deregistered" and touched is MailboxTouched.MAYBE:
            touched = MailboxTouched.YES
        elif step == "NotTaken":
            touched = MailboxTouched.NO
    return touched


class Decision(TypedDict):
    """A decision on an offboarding that waits; `DecidedIn` is the execution, or the event's id, by which it came."""

    Decision: str
    DecidedBy: str
    Reason: str
    DecidedAt: str
    DecidedIn: str


@dataclass(frozen=True)
class Record:
    """The record of one offboarding, as far as decisions are made from it.

    Attributes
    ----------
    execution_arn, organization_id
        The execution, and the organization of the entity.
    entity
        The entity as it was before anything happened to it.
    status, outcome, ended_at
        Where it stands; an outcome and a date (RFC 3339) only once it has ended.
    closed_at
        When the execution ended (RFC 3339), once Step Functions has reported that.
    status_key
        Under which status the index has it; None if nothing is still to come.
    started_at
        When the execution started (RFC 3339).
    recorded_at
        When the entity was last read and recorded (RFC 3339), if it was.
    not_before
        The date for which it was requested (RFC 3339), if it was for one.
    deregistered_at, retention_ends_at
        RFC 3339, once WorkMail has confirmed the deregistration.
    attempted_at
        RFC 3339, when WorkMail was last about to be asked to deregister the entity. None once WorkMail has refused.
    restore_began_at
        RFC 3339, since when a restore is incomplete: the entity is registered again, and something may be missing.
    deregistration_attempted
        Whether WorkMail was about to be asked, or the entity was found to be deregistered.
    cap_is_reached
        Whether its approval was needed because of a cap, and not because of the entity or a doubt. Without a
        `requester` it was the cap of offboardings by hand.
    task_token
        The token that takes the decision on its approval.
    decision
        The decision on its approval.
    approval
        The decision that the execution has acted on.
    superseded_by
        The execution whose record took this one's place.
    requester
        Which event the execution was started by; None if a person has started it.
    requested_by
        The person in the execution's input, if it names one.
    export_requested
        The export for which the execution's input asks, if it does.
    export
        How far the export of the mailbox has come, if one is made.
    archive
        How that export ended, once it has.
    """

    execution_arn: str
    organization_id: str
    entity: RecordedEntity
    status: Status
    status_key: str | None
    started_at: str | None
    recorded_at: str | None
    not_before: str | None
    outcome: str | None
    ended_at: str | None
    closed_at: str | None
    deregistered_at: str | None
    retention_ends_at: str | None
    attempted_at: str | None
    restore_began_at: str | None
    deregistration_attempted: bool
    cap_is_reached: bool
    task_token: str | None
    decision: Decision | None
    approval: Decision | None
    superseded_by: str | None
    requester: Mapping[str, Any] | None
    requested_by: str | None
    export_requested: str | None
    export: ExportState | None
    archive: Archive | None

    @property
    def offboarding(self) -> Offboarding:
        """The offboarding that this is the record of."""
        return Offboarding(self.execution_arn, self.organization_id, self.entity)

    @property
    def mailbox_touched(self) -> MailboxTouched:
        """Whether the execution has disabled the mailbox, as far as it is recorded."""
        if self.attempted_at is None:
            return MailboxTouched.NO
        return MailboxTouched.YES if self.deregistered_at else MailboxTouched.MAYBE

    @property
    def identifiers(self) -> frozenset[str]:
        """The entity's id, name, address and aliases, for the wide comparison only: with the person who decides."""
        return casefolded(*self._list_identifiers())

    def has_primary_identifier(self, identifier: str) -> bool:
        """Return whether the entity was recorded with this id, name or primary address; an alias does not count."""
        return any(is_same_identifier(identifier, recorded) for recorded in self._list_primary_identifiers())

    def has_identifier(self, identifier: str) -> bool:
        """Return whether the entity was recorded with this id, name, address or alias."""
        return any(is_same_identifier(identifier, recorded) for recorded in self._list_identifiers())

    def _list_identifiers(self) -> list[str]:
        return [*self._list_primary_identifiers(), *(self.entity.get("Aliases") or ())]

    def _list_primary_identifiers(self) -> list[str]:
        identifiers = (self.entity["Id"], self.entity["Name"], self.entity.get("Email"))
        return [identifier for identifier in identifiers if identifier]

    @property
    def requesters(self) -> frozenset[str]:
        """The requesters, casefolded, as far as the request names them."""
        return requesters_of(self.requested_by, self.requester)


@dataclass(frozen=True)
class ListedRecord:
    """What the index shows of a record of which something is still to come, without names and addresses.

    Attributes
    ----------
    execution_arn, organization_id, entity_id, status
        As in the record; None for what a spoilt record does not have.
    due_at
        What the index is sorted by (RFC 3339): the end of the window, or of the wait for an approval or a date.
    """

    execution_arn: str
    organization_id: str | None
    entity_id: str | None
    status: str | None
    due_at: str


@dataclass(frozen=True)
class EntityLock:
    """The execution to which an entity belongs.

    Attributes
    ----------
    execution_arn, held_since
        The execution that holds the entity or was the last to, and since when (RFC 3339).
    is_live
        Whether it holds the entity now.
    window_execution_arn
        The execution whose record is that of the entity's last deregistration.
    superseded_execution_arn
        The execution from which the entity was last taken over.
    """

    execution_arn: str
    held_since: str
    is_live: bool
    window_execution_arn: str | None
    superseded_execution_arn: str | None = None
