"""The offboardings of one subject, and everything that is recorded of one of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from operate.errors import Refusal
from operate.questions.offboardings import Offboarding
from operate.questions.people import Subject, require_subject
from operate.questions.table import RecordsTable, Values, identifier_key
from operate.wording.steps import STEPS

_SECRET_MEMBERS = frozenset({"TaskToken"})
"""Whoever has the token of a task can approve with it."""
_IDLE_OUTCOMES = frozenset({"AlreadyInProgress", "Planned"})
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
        """Return the number of an execution in the list, which begins with 1.

        For any other text it is the number of the newest one that could do something to the mailbox.
        """
        arns = [offboarding.execution_arn for offboarding in self.offboardings]
        if execution_arn in arns:
            return arns.index(execution_arn) + 1
        numbers = enumerate(self.offboardings, start=1)
        return next((number for number, item in numbers if item.outcome not in _IDLE_OUTCOMES), 1)


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
        # Steps of one moment are in the order in which the words for them are: as things happen.
        places = {name: place for place, name in enumerate(STEPS)}
        steps.sort(key=lambda step: (str(step.get("At")), places.get(str(step.get("Step")), len(places))))
        return [_select_shown(step) for step in steps]

    @property
    def restore(self) -> Values:
        """Who asked for the last restore, why, and in which execution; empty if there was none."""
        restores = [step for step in self.steps if step.get("Step") in {"RegisterEntity", "Restored"}]
        # Only the first step of a restore has who asked for it.
        members: Values = {}
        for step in restores:
            if members.get("RestoredIn") != step.get("RestoredIn"):
                members = {}
            members |= {name: step[name] for name in ("RestoredIn", "RequestedBy", "Reason") if name in step}
        return members

    @property
    def signals(self) -> Values:
        """What WorkMail showed at the last verification; empty if there was none."""
        checks = [step["Signals"] for step in self.steps if step.get("Step") == "VerifyCleanup" and "Signals" in step]
        return checks[-1] if checks else {}

    @property
    def started_by(self) -> str | None:
        """The ARN of the caller of StartExecution, if CloudTrail has reported it."""
        caller: str | None = self._items.get("Start", {}).get("StartedBy")
        return caller

    @property
    def answers(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What WorkMail answered, each once, with the moment (RFC 3339) of the step that has it."""
        request_ids: set[object] = set()
        for step in self.steps:
            evidence = step.get("Evidence") or {}
            for answers in (step.get("Answers"), *(state.get("Answers") for state in evidence.values())):
                for answer in answers or ():
                    if answer.get("RequestId") is None or answer["RequestId"] not in request_ids:
                        request_ids.add(answer.get("RequestId"))
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
    steps = {str(step["Id"]): step for step in _iterate_steps(table, subject)}
    records = table.find_records(steps)
    offboardings = [
        Offboarding.from_record(records[arn]).with_subject_of(step) for arn, step in steps.items() if arn in records
    ]
    if not offboardings:
        raise Refusal(f"Of {subject.label} only events are recorded, and no offboarding.")
    newest_first = sorted(offboardings, key=lambda item: item.started_at or "", reverse=True)
    return History(subject, tuple(newest_first))


def read_dossier(table: RecordsTable, execution_arn: str) -> Dossier:
    """Read everything that is recorded of an execution."""
    return Dossier([*table.iterate_execution(execution_arn)])


def _iterate_steps(table: RecordsTable, subject: Subject) -> Iterator[Values]:
    """Go through the steps of a subject's executions."""
    texts = [text for text in (subject.text, subject.email, subject.name) if text and not text.startswith("arn:")]
    for key in dict.fromkeys((subject.key, *map(identifier_key, texts))):
        for step in table.iterate_steps_of_entity(key):
            is_of_subject = subject.organization_id in {None, step.get("OrganizationId")}
            if is_of_subject and str(step["Id"]).startswith("arn:"):
                yield step


def _select_shown(item: Values) -> Values:
    hidden = _SECRET_MEMBERS | _INDEX_MEMBERS
    return {name: value for name, value in item.items() if name not in hidden}
