"""Selects the offboardings that a decision is about, among those that wait.

A text selects by the id, the name or the primary address that is recorded, as a restore does. An alias, or an address
that somebody had once, selects nobody: somebody else may have it now.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from operate.errors import Refusal
from operate.questions.people import find_subjects, has_alias, has_primary_identifier, label_entity
from operate.questions.reasons import has_reason
from operate.questions.table import RecordsTable, Values


@dataclass(frozen=True)
class Candidate:
    """An offboarding that waits.

    Attributes
    ----------
    execution_arn
        Its execution.
    organization_id, entity
        Whom it is about, as it was recorded.
    status
        For what it waits: `AwaitingApproval`, for example.
    reasons
        Why it needs an approval.
    decision
        The decision that was made, and that it has not acted on yet; None if there is none.
    """

    execution_arn: str
    organization_id: str
    entity: Values
    status: str
    reasons: tuple[str, ...]
    decision: str | None

    @classmethod
    def from_record(cls, record: Values) -> "Candidate":
        """Read an item of the part `Record`."""
        decision = record.get("Decision", {}).get("Decision")
        # An export goes on with the approval that led to it: only a withdrawal is about the export.
        is_about_export = record["Status"] != "Exporting" or decision == "Withdrawn"
        return cls(
            execution_arn=record["Id"],
            organization_id=record["OrganizationId"],
            entity=record["Entity"],
            status=record["Status"],
            reasons=tuple(record.get("ApprovalReasons", ())) if record["Status"] == "AwaitingApproval" else (),
            decision=decision if is_about_export else None,
        )

    @property
    def label(self) -> str:
        """The address or the name, and the id."""
        return label_entity(self.entity)

    def has_identifier(self, text: str) -> bool:
        """Return whether a text is the id, the name or the primary address, or the ARN of the execution."""
        return text == self.execution_arn or has_primary_identifier(self.entity, text)


def list_waiting(table: RecordsTable, statuses: Sequence[str], organization_id: str | None) -> list[Candidate]:
    """List what waits under some statuses, the next to time out first; of one organization, or of all."""
    records = (record for status in statuses for record in table.iterate_due(status) if record["Status"] == status)
    candidates = (Candidate.from_record(record) for record in records if "Entity" in record)
    return [
        candidate for candidate in candidates if organization_id is None or candidate.organization_id == organization_id
    ]


def select_by_texts(table: RecordsTable, candidates: Sequence[Candidate], texts: Sequence[str]) -> list[Candidate]:
    """Select all that waits of each entity that a text means.

    Everything that waits of an entity is selected: an offboarding for a later date goes on when one for a sooner date
    is withdrawn.

    Raises
    ------
    Refusal
        If nothing waits of one of them, or a text means several entities.
    """
    selected: dict[str, Candidate] = {}
    for text in texts:
        matches = [candidate for candidate in candidates if candidate.has_identifier(text)]
        if not matches:
            raise Refusal(f"Nothing was decided: {_describe_absence(table, candidates, text)}")
        keys = dict.fromkeys((match.organization_id, match.entity["Id"]) for match in matches)
        if len(keys) > 1:
            lines = "\n".join(f"  {match.label} of {match.organization_id}" for match in matches)
            raise Refusal(f"Nothing was decided: {text} means {len(keys)} entities. Give the id of one:\n{lines}")
        selected |= {match.execution_arn: match for match in matches}
    return list(selected.values())


def select_by_reason(candidates: Sequence[Candidate], text: str | None, limit: int | None) -> list[Candidate]:
    """Select those one of whose reasons contains a text, without regard to case; at most so many."""
    matches = [candidate for candidate in candidates if text is None or has_reason(candidate.reasons, text)]
    return matches[:limit]


def _describe_absence(table: RecordsTable, candidates: Sequence[Candidate], text: str) -> str:
    """Return a sentence about a text of which nothing waits."""
    holders = [candidate.label for candidate in candidates if has_alias(candidate.entity, text)]
    if holders:
        return f"{text} is only an alias of {', '.join(holders)}. Give the id if you mean that."
    subjects = find_subjects(table, text)
    if not subjects:
        return f"nothing is recorded of {text}. Check the spelling, or give another address, the name or the id."
    waiting_ids = {candidate.entity["Id"] for candidate in candidates}
    former = [subject.label for subject in subjects if subject.entity_id in waiting_ids]
    if former:
        return f"{text} was recorded once of {', '.join(former)}. Give the id if you mean that."
    labels = ", ".join(subject.label for subject in subjects)
    return f"no such decision is awaited for {labels}. offboarding show {text} says how it stands."
