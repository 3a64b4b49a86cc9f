"""The outcomes of the demo: how many ended in which way, an example, and what that prevents or proves."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.demo.observer import Observer
from local.demo.progress import NOTHING_STARTED, REFUSED, name_subject
from local.demo.rows import OffboardingRow, Row

_MEANINGS = {
    "Planned": "a dry run changes nothing",
    "EntityProtected": "nobody disables an admin",
    "EntityNotFound": "a typo disables nobody",
    REFUSED: "unclear where: not started",
    NOTHING_STARTED: "suspended is not gone",
    "Rejected": "a person had the last word",
    "Withdrawn": "returned in time: untouched",
    "ApprovalTimedOut": "nobody decided: not disabled",
    "Restored": "with the alias and the group",
    "Reenabled": "restored: no clean-up claimed",
    "ReenabledAfterRetention": "in use: no clean-up claimed",
    "ServiceEnded": "too late: no clean-up claimed",
    "CleanupVerified": "checked after the 30 days",
}
"""What each outcome prevents or proves, in the order of the table: from what did not happen to what was done."""


@dataclass(frozen=True)
class OutcomeSummary:
    """How often something ended like this.

    Attributes
    ----------
    example
        One of the entities.
    meaning
        What the outcome prevents or proves; empty for one that the demo does not have.
    """

    outcome: str
    count: int
    example: str
    meaning: str

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {"Outcome": self.outcome, "Count": self.count, "Example": self.example, "Meaning": self.meaning}


def summarize_outcomes(rows: Iterable[Row], observer: Observer) -> list[OutcomeSummary]:
    """Count the outcomes of all executions that have ended, and the rows whose events started none."""
    entities: dict[str, list[str]] = {}
    for execution in observer.list_ended_executions():
        name = name_subject(execution, observer.records.get(execution.arn))
        entities.setdefault(execution.outcome or execution.status, []).append(name)
    for row in rows:
        outcome = row.read_result(observer).outcome if isinstance(row, OffboardingRow) else None
        if isinstance(row, OffboardingRow) and outcome in (REFUSED, NOTHING_STARTED):
            entities.setdefault(outcome, []).append(row.name)
    names = [*_MEANINGS, *(outcome for outcome in entities if outcome not in _MEANINGS)]
    return [
        OutcomeSummary(name, len(entities[name]), entities[name][-1], _MEANINGS.get(name, ""))
        for name in names
        if name in entities
    ]
