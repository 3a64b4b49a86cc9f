"""The offboardings of one subject, and everything that is recorded of one of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from operate.errors import Refusal
from operate.questions.offboardings import Offboarding
from operate.questions.people import Subject, require_subject
from operate.questions.table import RecordsTable, Values, identifier_key

_SECRET_MEMBERS = frozenset({"TaskToken"})
"""Whoever has the token of a task can approve with it."""
_INDEX_MEMBERS = frozenset({"Id", "Part", "Kind", "StatusKey", "EntityKey", "ExpiresAt"})


@dataclass(frozen=True)
class History:
    """The offboardings of a subject.

    Attributes
    ----------
    subject
        Whom they are about.
    offboardings
        The newest first.
    """

    subject: Subject
    offboardings: tuple[Offboarding, ...]

    @property
    def entity(self) -> Mapping[str, Any]:
        """The entity as it was last recorded; empty if it never was."""
        return next((item.entity for item in self.offboardings if "State" in item.entity), {})

    def find_number(self, execution_arn: str) -> int:
        """Return the number of an execution in the list, which begins with 1; that of the newest for any other ARN."""
        arns = [offboarding.execution_arn for offboarding in self.offboardings]
        return arns.index(execution_arn) + 1 if execution_arn in arns else 1


class Dossier:
    """What is recorded of one execution.

    Parameters
    ----------
    items
        Its record, its steps, and who started it.
    """

    def __init__(self, items: list[Values]) -> None:
        self._items = {str(item["Part"]): item for item in items}

    @property
    def record(self) -> Values:
        """The record, without what is secret or only for the indexes; empty if it was deleted."""
        return _select_shown(self._items.get("Record", {}))

    @cached_property
    def steps(self) -> list[Values]:
        """What happened, the earliest first."""
        steps = [item for part, item in self._items.items() if part.startswith("Step ")]
        return [_select_shown(step) for step in sorted(steps, key=lambda step: str(step["Part"]))]

    @property
    def started_by(self) -> str | None:
        """The ARN of the caller of StartExecution, if CloudTrail has reported it."""
        caller: str | None = self._items.get("Start", {}).get("StartedBy")
        return caller

    @property
    def answers(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What WorkMail answered, each with the moment (RFC 3339) of its step."""
        for step in self.steps:
            evidence = step.get("Evidence") or {}
            for answers in (step.get("Answers"), *(state.get("Answers") for state in evidence.values())):
                for answer in answers or ():
                    yield step["At"], answer


def read_history(table: RecordsTable, text: str) -> History:
    """Find whom a text means, and read the offboardings.

    Requests by the entity's present address or name that ended before they found it belong to it, too.

    Raises
    ------
    Refusal
        If nothing is recorded, or several entities fit; these are listed.
    """
    if text.startswith("arn:") and (record := table.find_record(text)) and "EntityId" not in record:
        # The input of this execution named nobody.
        return History(Subject(text, text), (Offboarding.from_record(record),))
    subject = require_subject(table, text)
    arns = dict.fromkeys(_iterate_executions(table, subject))
    records = table.find_records(arns)
    offboardings = [Offboarding.from_record(records[arn]) for arn in arns if arn in records]
    if not offboardings:
        raise Refusal(f"Of {subject.label} only events are recorded, and no offboarding.")
    newest_first = sorted(offboardings, key=lambda item: item.started_at or "", reverse=True)
    return History(subject, tuple(newest_first))


def read_dossier(table: RecordsTable, execution_arn: str) -> Dossier:
    """Read everything that is recorded of an execution."""
    return Dossier([*table.iterate_execution(execution_arn)])


def _iterate_executions(table: RecordsTable, subject: Subject) -> Iterator[str]:
    texts = [text for text in (subject.text, subject.email, subject.name) if text and not text.startswith("arn:")]
    for key in dict.fromkeys((subject.key, *map(identifier_key, texts))):
        for step in table.iterate_steps_of_entity(key):
            is_of_subject = subject.organization_id in {None, step.get("OrganizationId")}
            if is_of_subject and str(step["Id"]).startswith("arn:"):
                yield step["Id"]


def _select_shown(item: Values) -> Values:
    hidden = _SECRET_MEMBERS | _INDEX_MEMBERS
    return {name: value for name, value in item.items() if name not in hidden}
