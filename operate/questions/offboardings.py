"""One offboarding, as its record shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from operate.questions.table import Values
from operate.service_end import Retention, ServiceEnd
from operate.wording.statuses import find_status_wording


@dataclass(frozen=True)
class Offboarding:
    """The record of one execution, as far as people ask for it.

    Attributes
    ----------
    execution_arn
        The execution.
    status
        Where it stands: `InWindow` for example.
    entity
        The entity as it was recorded; empty if none was resolved.
    organization_id
        Its organization, if the record has one.
    identifier
        The text by which the entity was asked for, if none was resolved.
    due_at
        When something happens next (RFC 3339), if something is still to come.
    outcome, cause, ended_at
        How and when it ended, if it has.
    deregistered_at, retention_ends_at, verify_at, not_before, started_at
        RFC 3339, each if it is known.
    reasons
        Why it needs an approval.
    requested_by, reason
        Who asked for it, and why, as they said.
    provider
        The identity provider whose event started it; None if a person has.
    event_id
        That event.
    is_plan
        Whether it was a dry run.
    cap_is_reached
        Whether it needs an approval because of a cap.
    mailbox_touched
        Whether the execution has disabled the mailbox: `Yes`, `Maybe` or `No`.
    was_disabled
        Whether somebody else had disabled it before: the execution has only waited and verified.
    superseded_by
        The execution that took its place, if one has.
    restore_began_at
        Since when a restore is incomplete (RFC 3339), if one is.
    pending_decision
        The decision on which the execution has not acted yet, and who made it.
    """

    execution_arn: str
    status: str
    entity: Mapping[str, Any]
    organization_id: str | None
    identifier: str | None
    due_at: str | None
    outcome: str | None
    cause: str | None
    started_at: str | None
    ended_at: str | None
    deregistered_at: str | None
    retention_ends_at: str | None
    verify_at: str | None
    not_before: str | None
    reasons: tuple[str, ...]
    requested_by: str | None
    reason: str | None
    provider: str | None
    event_id: str | None
    is_plan: bool
    cap_is_reached: bool
    mailbox_touched: str
    was_disabled: bool
    superseded_by: str | None
    restore_began_at: str | None
    pending_decision: str | None

    @classmethod
    def from_record(cls, record: Values) -> "Offboarding":
        """Read an item of the part `Record`."""
        requester = record.get("Requester", {})
        return cls(
            execution_arn=record["Id"],
            status=record.get("Status", ""),
            entity=record.get("Entity", {}),
            organization_id=record.get("OrganizationId"),
            identifier=record.get("EntityId"),
            due_at=record.get("DueAt"),
            outcome=record.get("Outcome"),
            cause=record.get("Cause"),
            started_at=record.get("StartedAt"),
            ended_at=record.get("EndedAt"),
            deregistered_at=record.get("DeregisteredAt"),
            retention_ends_at=record.get("RetentionEndsAt"),
            verify_at=record.get("VerifyAt"),
            not_before=record.get("NotBefore"),
            reasons=tuple(record.get("ApprovalReasons", ())),
            requested_by=record.get("RequestedBy") or requester.get("RequestedBy"),
            reason=record.get("Reason"),
            provider=requester.get("Provider"),
            event_id=requester.get("EventId"),
            is_plan=record.get("DryRun", False),
            cap_is_reached=record.get("CapIsReached", False),
            mailbox_touched=_read_mailbox_touched(record),
            was_disabled="DeregisteredAt" in record and "DeregisteringAt" not in record,
            superseded_by=record.get("SupersededBy"),
            restore_began_at=record.get("RestoreBeganAt"),
            pending_decision=_find_pending_decision(record),
        )

    def with_subject_of(self, step: Values) -> "Offboarding":
        """Return it with the entity that a step names, if its record has none, because it ended early."""
        members = {"Id": "EntityId", "Type": "EntityType", "Name": "EntityName", "Email": "EntityEmail"}
        entity = {member: step[name] for member, name in members.items() if name in step}
        return replace(self, entity=entity) if entity and not self.entity else self

    @property
    def next_at(self) -> str | None:
        """When something happens next (RFC 3339), if something is still to come."""
        return self.verify_at if self.status == "Restored" else self.due_at

    def find_retention(self, service_end: ServiceEnd) -> Retention | None:
        """Return the retention of the mailbox, if WorkMail was asked to disable it."""
        # While WorkMail is asked, and after an end without an answer, the record has only when it ends at the latest.
        is_asked = self.status in {"Deregistering", "InWindow", "Unwatched"}
        ends_at = self.retention_ends_at or (self.due_at if is_asked else None)
        return None if ends_at is None else Retention(ends_at, service_end)

    def find_next_event(self, service_end: ServiceEnd) -> tuple[str, str] | None:
        """Return what happens next, and when (RFC 3339); None if nothing is to come."""
        event = find_status_wording(self.status).next_event
        if event is None or self.next_at is None:
            return None
        moment = service_end.cut(self.next_at) or self.next_at
        return (event, moment) if moment == self.next_at else ("Amazon WorkMail ends", moment)

    @property
    def label(self) -> str:
        """The address, the name or the text of whom it is about; without one, the execution."""
        return str(self.entity.get("Email") or self.entity.get("Name") or self.identifier or self.execution_arn)

    @property
    def entity_id(self) -> str | None:
        """WorkMail's id of the entity, if one was resolved."""
        return self.entity.get("Id")

    @property
    def requester_label(self) -> str:
        """Who asked for it: a person, or the identity provider; empty if the request names nobody."""
        return ", ".join(text for text in (self.requested_by, self.provider) if text)


def _find_pending_decision(record: Values) -> str | None:
    """Return the decision on which the execution has not acted yet, and who made it."""
    decision = record.get("Decision", {})
    is_waiting = record.get("Status") in {"AwaitingApproval", "Scheduled"}
    # One that exports keeps the approval on which it has acted.
    is_withdrawn = record.get("Status") == "Exporting" and decision.get("Decision") == "Withdrawn"
    return f"{decision['Decision']} by {decision['DecidedBy']}" if decision and (is_waiting or is_withdrawn) else None


def _read_mailbox_touched(record: Values) -> str:
    if "DeregisteringAt" not in record:
        return "No"
    return "Yes" if "DeregisteredAt" in record else "Maybe"
