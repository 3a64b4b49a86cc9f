"""The progress of one offboarding or restore, in plain words: each number and result in them was read from AWS."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.demo.observer import AWAITING_APPROVAL, EXPORTING, IN_WINDOW, SCHEDULED, Execution, Observer, RecordSummary

NOTHING_STARTED = "nothing started"
REFUSED = "refused"
_WAITING_STAGES = (SCHEDULED, AWAITING_APPROVAL, EXPORTING, IN_WINDOW)
_UNTOUCHED = "The mailbox was not touched. "
_DECISION_VERBS = {"Approved": "approves", "Rejected": "rejects"}


@dataclass(frozen=True)
class Progress:
    """A stage that a row has reached.

    Attributes
    ----------
    subject
        The entity, by its name.
    stage
        The status of the record while something is still to come, and the outcome at the end.
    at
        When it was reached.
    action
        What led to it, with `{}` for the subject. A row has its own words for how it begins.
    result
        What is so since then.
    """

    subject: str
    stage: str
    at: datetime
    action: str
    result: str


@dataclass(frozen=True)
class _Facts:
    """Everything that a result can tell of an execution."""

    execution: Execution
    record: RecordSummary | None
    mailbox: str

    @property
    def output(self) -> Mapping[str, Any]:
        return self.execution.output or {}


def read_progress(execution: Execution, observer: Observer) -> Iterator[Progress]:
    """Return the stage that an execution has reached, as the observer last read it; steps in between are no stage."""
    record = observer.records.get(execution.arn)
    stage = execution.outcome or (record.status if record else None)
    if not stage or (execution.is_running and stage not in _WAITING_STAGES):
        return
    subject = name_subject(execution, record)
    facts = _Facts(execution, record, describe_mailbox(subject, observer))
    if execution.ended_at:
        at = execution.ended_at.astimezone(UTC)
    elif record and stage == IN_WINDOW and record.deregistered_at:
        at = datetime.fromisoformat(record.deregistered_at)
    else:
        at = observer.read_at
    describe = _RESULTS.get(stage, _describe_default_result)
    yield Progress(subject, stage, at, _describe_action(stage, facts), describe(facts))


def name_subject(execution: Execution, record: RecordSummary | None) -> str:
    """Return the name of an execution's entity, or how its input names it if nothing was resolved."""
    resolved = (execution.output or {}).get("Entity", {}).get("Name")
    name = resolved or (record.name if record else "") or execution.input["EntityId"]
    return str(name).partition("@")[0]


def describe_mailbox(subject: str, observer: Observer) -> str:
    """Return whether a user's mailbox is enabled now, in words; nothing about anything that is not a user."""
    state = observer.user_states.get(subject)
    return f"mailbox {state.lower()}" if state else ""


def render_count(number: int, noun: str) -> str:
    """Render a number of things."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _render_day(moment: str, now: str) -> str:
    """Render a date, with its year if that is another one than now."""
    at = datetime.fromisoformat(moment)
    return f"{at.day} {at:%b}" if at.year == datetime.fromisoformat(now).year else f"{at.day} {at:%b %Y}"


def _render_days(start: str, end: str) -> str:
    return render_count((datetime.fromisoformat(end) - datetime.fromisoformat(start)).days, "day")


def take_sentence(text: str) -> str:
    """Return the beginning of a text that says something of its own, up to the end of the sentence."""
    return text.removeprefix(_UNTOUCHED).partition(". ")[0].removesuffix(".")


def _describe_action(stage: str, facts: _Facts) -> str:
    record = facts.record
    decision = record.decision if record else None
    if stage == IN_WINDOW and decision and decision["Decision"] in _DECISION_VERBS:
        return _describe_decision(decision)
    if stage == IN_WINDOW and record and record.archive:
        return _describe_archive(record.archive)
    if stage == IN_WINDOW and "NotBefore" in facts.execution.input:
        return "The last working day of {} is over"
    if stage == "Rejected" and decision:
        return _describe_decision(decision)
    if "DeregisteredAt" in facts.output:
        return _describe_retention(facts.output)
    return _ACTIONS.get(stage, "{} ends")


def _describe_decision(decision: Mapping[str, Any]) -> str:
    return f"{decision['DecidedBy']} {_DECISION_VERBS[decision['Decision']]} {{}}"


def _describe_archive(archive: Mapping[str, Any]) -> str:
    if archive["Status"] != "Verified":
        return f"The archive of {{}} is {archive['Status']}"
    return f"The archive of {{}} is verified: {render_count(int(archive['Log']['Messages']), 'message')}"


def _describe_plan(facts: _Facts) -> str:
    plan = facts.output["Plan"]
    removal = _render_day(plan["MailboxIsRemovedAt"], plan["DeregistersAt"])
    return _join(f"Planned: removal on {removal}", facts.mailbox)


def _describe_window(facts: _Facts) -> str:
    record = facts.record
    if not record or not record.deregistered_at or not record.retention_ends_at:
        return _join("in the window", facts.mailbox)
    end = _render_day(record.retention_ends_at, record.deregistered_at)
    if record.has_service_end_first:
        days = _render_days(record.deregistered_at, record.retention_ends_at)
        return f"disabled, but its {days} end on {end}, after WorkMail"
    return f"disabled, restorable until {end}"


def _describe_approval(facts: _Facts) -> str:
    reasons = facts.record.approval_reasons if facts.record else ()
    return "waits for an approval: " + " ".join(take_sentence(reason) for reason in reasons)


def _describe_unverified(facts: _Facts) -> str:
    return _join(f"{facts.execution.outcome}: {facts.mailbox}", "no clean-up is claimed")


def _describe_restore(facts: _Facts) -> str:
    items = [kind for item in facts.output["PutBack"] for kind in item]
    counts = [render_count(items.count(kind), kind.lower()) for kind in dict.fromkeys(items)]
    return f"Restored, with {' and '.join(counts) or 'nothing else'}"


def _describe_default_result(facts: _Facts) -> str:
    cause = facts.execution.cause or ""
    untouched = "nothing touched" if cause.startswith(_UNTOUCHED) else take_sentence(cause)
    return _join(facts.execution.outcome or facts.execution.status, facts.mailbox or untouched)


def _join(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _describe_retention(output: Mapping[str, Any]) -> str:
    days = _render_days(output["DeregisteredAt"], output["RetentionEndsAt"])
    if not output["RetentionEndsBeforeWorkMail"]:
        return f"WorkMail ends before the {days} of {{}} do"
    return f"The {days} of {{}} are over"


_RESULTS: dict[str, Callable[[_Facts], str]] = {
    SCHEDULED: lambda facts: _join("waits", facts.mailbox),
    AWAITING_APPROVAL: _describe_approval,
    EXPORTING: lambda facts: _join("export runs", facts.mailbox),
    IN_WINDOW: _describe_window,
    "Planned": _describe_plan,
    "CleanupVerified": lambda facts: "CleanupVerified",
    **dict.fromkeys(("Reenabled", "ReenabledAfterRetention", "ServiceEnded"), _describe_unverified),
    "Restored": _describe_restore,
}
"""What is told of each stage. Of all others, the outcome and the mailbox are."""

_ACTIONS = {"ApprovalTimedOut": "No decision on {}"}
"""What led to a stage that needed no action."""

_MOST_NAMES = 4


def join_names(names: Iterable[str]) -> str:
    """Render some names: all of a few, and one of many."""
    listed_names = list(dict.fromkeys(names))
    if len(listed_names) > _MOST_NAMES:
        return f"{listed_names[0]} and {len(listed_names) - 1} more"
    return " and ".join(filter(None, (", ".join(listed_names[:-1]), listed_names[-1])))
