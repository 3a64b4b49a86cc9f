"""The rows of the demo: each tells how far it has come, and has to end with an outcome."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from local.defaults import ORGANIZATION_ID
from local.demo.observer import RESTORE, Execution, Observer, RecordSummary, Step
from local.demo.progress import (
    NOTHING_STARTED,
    REFUSED,
    Progress,
    describe_mailbox,
    name_subject,
    read_progress,
    render_count,
    take_sentence,
)
from local.demo.provider_events import ProviderEvent
from local.organization import UserState

STARTS_AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
"""Where the clock starts, whatever today is: WorkMail's own end, on a fixed date, is part of the demo."""
ONE_DAY = timedelta(days=1)
CAP_SUBJECT = "the cap of identity providers is reached"
RETURN_SUBJECT = "a leaver is back, and the mailbox is disabled"
"""How the subjects of these mails end."""
ENABLED = "ENABLED"

_FINAL_STATES = {
    **dict.fromkeys(("CleanupVerified", "ServiceEnded"), "DISABLED"),
    **dict.fromkeys(("Planned", "EntityProtected", "Rejected", "Withdrawn", "ApprovalTimedOut"), ENABLED),
    **dict.fromkeys(("Reenabled", "ReenabledAfterRetention", "Restored", NOTHING_STARTED, REFUSED), ENABLED),
}
"""The state in which WorkMail must show a user after an outcome."""


@dataclass(frozen=True)
class RowResult:
    """The outcome of one row, and what proves it.

    Attributes
    ----------
    contradictions
        Facts in AWS that contradict the outcome, each as a sentence.
    """

    title: str
    expected: str
    status: str
    outcome: str | None
    details: dict[str, Any]
    steps: tuple[Step, ...] = ()
    contradictions: tuple[str, ...] = ()

    @property
    def is_as_expected(self) -> bool:
        """Whether it ended with the expected outcome, and nothing contradicts it."""
        return self.outcome == self.expected and not self.contradictions

    def to_json(self) -> dict[str, Any]:
        """Return all of it, dates in RFC 3339."""
        return {
            "Title": self.title,
            "Status": self.status,
            "Outcome": self.outcome,
            "Expected": self.expected,
            "Contradictions": list(self.contradictions),
            **self.details,
            "Timeline": [{"At": step.at.isoformat(), "State": step.state} for step in self.steps],
        }


class Row(Protocol):
    """One row of the demo."""

    @property
    def title(self) -> str:
        """What the row is about, and how it is started."""

    @property
    def action(self) -> str:
        """How it begins, in plain words, with `{}` for the entities; nothing if another row tells that."""

    @property
    def expected(self) -> str:
        """The expected outcome."""

    @property
    def keywords(self) -> tuple[str, ...]:
        """The words by which its proof is chosen, besides its title and its outcome."""

    def list_progress(self, observer: Observer) -> Iterator[Progress]:
        """Return the stages that it has reached now."""

    def read_result(self, observer: Observer) -> RowResult:
        """Return its outcome as the observer last read it."""


@dataclass(frozen=True)
class OffboardingRow:
    """One offboarding.

    Attributes
    ----------
    title
        Which entity it is about, and who starts it.
    action
        How it begins, in plain words, with `{}` for the entity.
    name
        The entity, for the reader.
    entity_id
        The `EntityId` of the execution's input: typed by a person, or taken from an event.
    expected
        The outcome; `nothing started` or `refused` where there must not be an execution.
    events
        The events that start it; without any, a person starts it.
    extra_input
        Further members of the input, if a person starts it.
    """

    title: str
    action: str
    name: str
    entity_id: str
    expected: str
    events: tuple[ProviderEvent, ...] = ()
    extra_input: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def input(self) -> dict[str, Any]:
        """The input of the execution that a person starts."""
        return {"OrganizationId": ORGANIZATION_ID, "EntityId": self.entity_id, **self.extra_input}

    @property
    def keywords(self) -> tuple[str, ...]:
        """Its entity."""
        return self.name, self.entity_id

    def list_progress(self, observer: Observer) -> Iterator[Progress]:
        """Return the stage that its execution has reached, or why it has none."""
        executions = observer.find_executions(self.entity_id)
        for execution in executions:
            yield from read_progress(execution, observer)
        if not executions:
            result = self.read_result(observer)
            reason = take_sentence(result.details.get("Reason", "")).partition(", ")[0]
            fact = reason or describe_mailbox(self.name, observer)
            yield Progress(self.name, result.outcome or "", observer.read_at, "", f"{result.outcome}: {fact}")

    def read_result(self, observer: Observer) -> RowResult:
        """Return its outcome as the observer last read it."""
        executions = observer.find_executions(self.entity_id)
        if executions:
            return _result_of_execution(self, executions, observer)
        reason = observer.dead_letters.get(self.events[0].id) if self.events else None
        if reason:
            return RowResult(self.title, self.expected, "DEAD LETTER", REFUSED, {"Reason": reason})
        result = _result_without_execution(self, {"Log": "; ".join(observer.read_ignored_event_reasons())})
        return replace(result, contradictions=tuple(_compare_with_mailbox(NOTHING_STARTED, self.name, observer)))


@dataclass(frozen=True)
class BurstRow:
    """Many leavers at once as one row: how many were deregistered, and how many needed an approval.

    Attributes
    ----------
    entity_ids
        The `EntityId` of each execution's input.
    expected_outcomes
        The outcomes with which all of them end, and how many end with each.
    expected_messages
        How many mails tell that they have reached the cap.
    """

    title: str
    action: str
    entity_ids: tuple[str, ...]
    expected: str
    expected_outcomes: Mapping[str, int] = field(hash=False)
    expected_messages: int

    @property
    def keywords(self) -> tuple[str, ...]:
        """Their entities, and their outcomes."""
        return *self.entity_ids, *self.expected_outcomes

    def find_executions(self, observer: Observer) -> list[Execution]:
        """Return all of their executions."""
        return [execution for entity_id in self.entity_ids for execution in observer.find_executions(entity_id)]

    def find_records(self, observer: Observer) -> list[RecordSummary]:
        """Return the records of their executions."""
        records = (observer.records.get(execution.arn) for execution in self.find_executions(observer))
        return [record for record in records if record]

    def list_progress(self, observer: Observer) -> Iterator[Progress]:
        """Return how many were deregistered, and how those have ended that nobody decided on."""
        executions, records = self.find_executions(observer), self.find_records(observer)
        deregistered, waiting = _split_by_cap(records)
        mails = render_count(len(observer.find_messages(CAP_SUBJECT)), "mail")
        yield Progress(
            subject=render_count(len(executions), "leaver"),
            stage="begun",
            at=observer.read_at,
            action="",
            result=f"{len(deregistered)} disabled, {len(waiting)} wait for an approval "
            f"(cap {observer.read_daily_cap()}), {mails}",
        )
        undecided = {record.execution_arn for record in records if not record.decision}
        for execution in executions:
            if execution.arn in undecided and not execution.is_running:
                yield from read_progress(execution, observer)

    def read_result(self, observer: Observer) -> RowResult:
        """Return their state as the observer last read it from the table of records."""
        executions, records = self.find_executions(observer), self.find_records(observer)
        if not executions:
            return _result_without_execution(self)
        deregistered, waiting = _split_by_cap(records)
        state = f"{len(deregistered)} deregistered, {len(waiting)} await approval"
        is_running = any(execution.is_running for execution in executions)
        outcomes = Counter(execution.outcome for execution in executions if execution.outcome)
        return RowResult(
            title=self.title,
            expected=self.expected,
            status="RUNNING" if is_running else "ENDED",
            outcome=None if is_running else state,
            details={
                "Executions": len(executions),
                "Deregistered": [record.name for record in deregistered],
                "AwaitedApproval": [record.name for record in waiting],
                "ApprovalReasons": sorted({reason for record in waiting for reason in record.approval_reasons}),
                "Messages": observer.find_messages(CAP_SUBJECT),
                "Ended": dict(outcomes),
            },
            contradictions=() if is_running else tuple(self._find_contradictions(outcomes, records, observer)),
        )

    def _find_contradictions(
        self, outcomes: Counter[str], records: list[RecordSummary], observer: Observer
    ) -> Iterator[str]:
        if outcomes != Counter(self.expected_outcomes):
            yield f"The outcomes are {dict(outcomes)}, not {dict(self.expected_outcomes)}."
        recorded = Counter(record.outcome for record in records)
        if recorded != outcomes:
            yield f"The outcomes in the records are {dict(recorded)}."
        messages = observer.find_messages(CAP_SUBJECT)
        if len(messages) != self.expected_messages:
            yield f"The notification topic sent {len(messages)} mails about the cap, not {self.expected_messages}."


def _split_by_cap(records: list[RecordSummary]) -> tuple[list[RecordSummary], list[RecordSummary]]:
    """Return the records of those that were deregistered at once, and of those that needed an approval."""
    waiting = [record for record in records if record.has_approval_reasons]
    return [record for record in records if record.deregistered_at and not record.has_approval_reasons], waiting


@dataclass(frozen=True)
class ApprovalRow:
    """The earliest offboarding of a burst with this decision, or without one."""

    title: str
    action: str
    burst: BurstRow
    decision: str | None
    expected: str

    @property
    def keywords(self) -> tuple[str, ...]:
        """Nothing more: AWS decides which of the burst it is."""
        return ()

    def list_progress(self, observer: Observer) -> Iterator[Progress]:
        """Return the stage that was reached since the decision; the burst tells of those without one."""
        for execution in self._find_executions(observer) if self.decision else ():
            yield from read_progress(execution, observer)

    def read_result(self, observer: Observer) -> RowResult:
        """Return its outcome as the observer last read it; the records tell which offboarding it is."""
        executions = self._find_executions(observer)
        return _result_of_execution(self, executions, observer) if executions else _result_without_execution(self)

    def _find_executions(self, observer: Observer) -> list[Execution]:
        for record in self.burst.find_records(observer):
            decision = record.decision["Decision"] if record.decision else None
            if record.has_approval_reasons and decision == self.decision:
                return [e for e in self.burst.find_executions(observer) if e.arn == record.execution_arn]
        return []


@dataclass(frozen=True)
class ReturnRow:
    """A leaver who is back after the mailbox was disabled: a mail says so, and nothing is restored by itself."""

    title: str
    action: str
    name: str
    entity_id: str
    expected: str

    @property
    def keywords(self) -> tuple[str, ...]:
        """Its entity."""
        return self.name, self.entity_id

    def list_progress(self, observer: Observer) -> Iterator[Progress]:
        """Return how many mails tell of it, and how the mailbox is meanwhile."""
        mails = render_count(len(observer.find_messages(RETURN_SUBJECT)), "mail")
        restores = render_count(len(observer.find_executions(self.entity_id, RESTORE)), "restore")
        result = f"{mails}, {restores}, {describe_mailbox(self.name, observer)}"
        yield Progress(self.name, "told", observer.read_at, "", result)

    def read_result(self, observer: Observer) -> RowResult:
        """Return how many mails tell of it, and how many restores were started: a person starts the only one."""
        messages = observer.find_messages(RETURN_SUBJECT)
        restores = observer.find_executions(self.entity_id, RESTORE)
        outcome = f"{render_count(len(messages), 'mail')}, {render_count(len(restores), 'restore')}"
        status = "MAIL" if messages else "NONE"
        return RowResult(self.title, self.expected, status, outcome, {"Messages": messages})


@dataclass(frozen=True)
class RegistrationRow:
    """A person who registers a user again in WorkMail, past this product."""

    title: str
    action: str
    name: str
    expected: str

    @property
    def keywords(self) -> tuple[str, ...]:
        """Its entity."""
        return (self.name,)

    def list_progress(self, observer: Observer) -> Iterator[Progress]:
        """Return how the mailbox is now."""
        yield Progress(self.name, "registered", observer.read_at, "", describe_mailbox(self.name, observer))

    def read_result(self, observer: Observer) -> RowResult:
        """Return the state of the user in WorkMail."""
        return RowResult(self.title, self.expected, "WORKMAIL", observer.user_states.get(self.name), {})


@dataclass(frozen=True)
class RestoreRow:
    """A restore, after which the user must be in the same state as before the offboarding.

    Attributes
    ----------
    state_before
        The user's state before the offboarding.
    read_state
        Reads the user's current state.
    """

    title: str
    action: str
    name: str
    entity_id: str
    expected: str
    state_before: UserState
    read_state: Callable[[], UserState]

    @property
    def keywords(self) -> tuple[str, ...]:
        """Its entity."""
        return self.name, self.entity_id

    def list_progress(self, observer: Observer) -> Iterator[Progress]:
        """Return how the restore went."""
        for execution in observer.find_executions(self.entity_id, RESTORE):
            yield from read_progress(execution, observer)

    def read_result(self, observer: Observer) -> RowResult:
        """Return its outcome as the observer last read it."""
        executions = observer.find_executions(self.entity_id, RESTORE)
        if not executions:
            return _result_without_execution(self)
        result = _result_of_execution(self, executions, observer)
        if executions[0].output is None:
            return result
        state_after = self.read_state()
        is_same = state_after == self.state_before
        contradictions = () if is_same else ("The user's state differs from that before the offboarding.",)
        return replace(
            result,
            details={**result.details, "Before": self.state_before.to_json(), "After": state_after.to_json()},
            contradictions=(*result.contradictions, *contradictions),
        )


def matches(row: Row, words: str) -> bool:
    """Return whether a row's title, entities or expected outcome have these words."""
    return any(contains(text, words) for text in (row.title, row.expected, *row.keywords))


def contains(text: str | None, words: str) -> bool:
    """Return whether a text has these words, in capitals or not."""
    return words.casefold() in (text or "").casefold()


def _result_of_execution(row: Row, executions: list[Execution], observer: Observer) -> RowResult:
    """Return the outcome of a row that has one execution."""
    if len(executions) > 1:
        return RowResult(row.title, row.expected, "STARTED TWICE", f"{len(executions)} executions", {})
    [execution] = executions
    steps = observer.read_steps(execution)
    record = observer.records.get(execution.arn)
    proof = {"Output": execution.output} if execution.output else {"Cause": execution.cause}
    return RowResult(
        title=row.title,
        expected=row.expected,
        status=execution.status,
        outcome=execution.outcome,
        details={
            "Input": execution.input,
            "ExecutionArn": execution.arn,
            **proof,
            **({"Record": record.to_json()} if record else {}),
        },
        steps=steps,
        contradictions=(
            *_compare_with_record(execution, steps, record),
            *_compare_with_mailbox(execution.outcome, name_subject(execution, record), observer),
            *_compare_with_archive(execution, steps),
        ),
    )


def _compare_with_record(execution: Execution, steps: tuple[Step, ...], record: RecordSummary | None) -> Iterator[str]:
    """Compare an execution that has ended with its record."""
    if execution.is_running:
        return
    if record is None:
        if any(step.state == "DeregisterEntity" for step in steps):
            yield "The execution has no record."
    elif record.outcome != execution.outcome:
        yield f"The outcome in its record is {record.outcome}."


def _compare_with_mailbox(outcome: str | None, name: str, observer: Observer) -> Iterator[str]:
    """Compare an outcome with the state in which WorkMail shows the user; groups and resources are not compared."""
    state, expected = observer.user_states.get(name), _FINAL_STATES.get(outcome or "")
    if state and expected and state != expected:
        yield f"WorkMail shows the user as {state}."


def _compare_with_archive(execution: Execution, steps: tuple[Step, ...]) -> Iterator[str]:
    """Compare an offboarding that needs an archive with whether that was verified, and when."""
    states = [step.state for step in steps]
    if execution.input.get("Export") != "Required" or "DeregisterEntity" not in states:
        return
    archive = (execution.output or {}).get("Archive") or {}
    if archive.get("Status") != "Verified" or "CheckExport" not in states[: states.index("DeregisterEntity")]:
        yield "The entity was deregistered without a verified archive."


def _result_without_execution(row: Row, details: dict[str, Any] | None = None) -> RowResult:
    return RowResult(row.title, row.expected, "NONE", NOTHING_STARTED, details or {})
