"""The rows of the demo: each begins on a day, and has to end with an outcome."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from local.defaults import ORGANIZATION_ID
from local.demo.observer import RESTORE, Execution, Observer, RecordSummary, Step
from local.demo.provider_events import ProviderEvent
from local.organization import UserState

STARTS_AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
"""Where the clock starts, whatever today is: WorkMail's own end, on a fixed date, is part of the demo."""
ONE_DAY = timedelta(days=1)
NOTHING_STARTED = "nothing started"
REFUSED = "refused"


@dataclass(frozen=True)
class RowResult:
    """The state of one row: its current state or its outcome, and what proves it.

    Attributes
    ----------
    state, since
        The current state in a few words, and since when.
    contradictions
        Facts in AWS that contradict the outcome, each as a sentence.
    """

    title: str
    expected: str
    status: str
    outcome: str | None
    details: dict[str, Any]
    state: str = ""
    since: datetime | None = None
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
    def expected(self) -> str:
        """The expected outcome."""

    @property
    def day(self) -> int:
        """The day of the demo on which it begins."""

    def read_result(self, observer: Observer) -> RowResult:
        """Return its state as the observer last read it."""


@dataclass(frozen=True)
class OffboardingRow:
    """One offboarding.

    Attributes
    ----------
    title
        Which entity it is about, and who starts it.
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
    entity_id: str
    expected: str
    events: tuple[ProviderEvent, ...] = ()
    extra_input: Mapping[str, Any] = field(default_factory=dict, hash=False)
    day: int = 0

    @property
    def input(self) -> dict[str, Any]:
        """The input of the execution that a person starts."""
        return {"OrganizationId": ORGANIZATION_ID, "EntityId": self.entity_id, **self.extra_input}

    def read_result(self, observer: Observer) -> RowResult:
        """Return its state as the observer last read it."""
        executions = observer.find_executions(self.entity_id)
        if executions:
            return _result_of_execution(self, executions, observer)
        reason = observer.dead_letters.get(self.events[0].id) if self.events else None
        if reason:
            return RowResult(self.title, self.expected, "DEAD LETTER", REFUSED, {"Reason": reason})
        return _result_without_execution(self, {"Log": observer.read_ignored_event_reasons()})


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
    entity_ids: tuple[str, ...]
    expected: str
    expected_outcomes: Mapping[str, int] = field(hash=False)
    expected_messages: int
    day: int

    def find_executions(self, observer: Observer) -> list[Execution]:
        """Return all of their executions."""
        return [execution for entity_id in self.entity_ids for execution in observer.find_executions(entity_id)]

    def find_records(self, observer: Observer) -> list[RecordSummary]:
        """Return the records of their executions."""
        records = (observer.records.get(execution.arn) for execution in self.find_executions(observer))
        return [record for record in records if record]

    def read_result(self, observer: Observer) -> RowResult:
        """Return their state as the observer last read it from the table of records."""
        executions, records = self.find_executions(observer), self.find_records(observer)
        if not executions:
            return _result_without_execution(self)
        waited = [record for record in records if record.has_approval_reasons]
        deregistered = [record for record in records if record.deregistered_at and not record.has_approval_reasons]
        state = f"{len(deregistered)} deregistered, {len(waited)} await approval"
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
                "AwaitedApproval": [record.name for record in waited],
                "ApprovalReasons": sorted({reason for record in waited for reason in record.approval_reasons}),
                "Messages": _find_cap_messages(observer),
                "Ended": dict(outcomes),
            },
            state=state,
            since=STARTS_AT + self.day * ONE_DAY,
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
        messages = _find_cap_messages(observer)
        if len(messages) != self.expected_messages:
            yield f"The notification topic sent {len(messages)} mails about the cap, not {self.expected_messages}."


def _find_cap_messages(observer: Observer) -> list[dict[str, str]]:
    return [
        message
        for message in observer.messages
        if message["Subject"].endswith("the cap of identity providers is reached")
    ]


@dataclass(frozen=True)
class ApprovalRow:
    """The first offboarding of a burst with this decision of an approver, or without one."""

    title: str
    burst: BurstRow
    decision: str | None
    expected: str
    day: int

    def read_result(self, observer: Observer) -> RowResult:
        """Return its state as the observer last read it; the records tell which offboarding it is."""
        for record in self.burst.find_records(observer):
            decision = record.decision["Decision"] if record.decision else None
            if record.has_approval_reasons and decision == self.decision:
                executions = [e for e in self.burst.find_executions(observer) if e.arn == record.execution_arn]
                return _result_of_execution(self, executions, observer)
        return _result_without_execution(self)


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
    entity_id: str
    expected: str
    state_before: UserState
    read_state: Callable[[], UserState]
    day: int

    def read_result(self, observer: Observer) -> RowResult:
        """Return its state as the observer last read it."""
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


def _result_of_execution(row: Row, executions: list[Execution], observer: Observer) -> RowResult:
    """Return the state of a row that has one execution."""
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
        state=steps[-1].state if steps else "",
        since=steps[-1].at if steps else None,
        steps=steps,
        contradictions=tuple(_compare_with_record(execution, steps, record)),
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


def _result_without_execution(row: Row, details: dict[str, Any] | None = None) -> RowResult:
    return RowResult(row.title, row.expected, "NONE", NOTHING_STARTED, details or {})
