"""The steps of an offboarding as sentences: what happened, through which person, and why."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from operate.terminal import render_moment
from operate.wording.outcomes import MAILBOX_TOUCHED

Step = Mapping[str, Any]

_SIGNALS = {
    "State": "state",
    "Mailbox": "mailbox",
    "MailboxSize": "size in MB",
    "DisabledDate": "disabled since",
    "MailboxDeprovisionedDate": "mailbox deprovisioned at",
}
_DECISIONS = {"Approved": "approved it", "Rejected": "rejected it", "Withdrawn": "withdrew it"}


def describe_step(step: Step) -> str:
    """Return what a step says, in sentences; one that this release does not know is named.

    Parameters
    ----------
    step
        An item of the table of records whose part begins with `Step`.
    """
    name = str(step.get("Step", ""))
    describe = STEPS.get(name)
    if describe is None:
        return f"{name} (a later release knows what this step means)."
    return " ".join(filter(None, describe(step)))


def describe_request(request: Step) -> Iterator[str]:
    """Describe the requester and the reason, as a record or a step has them."""
    requester = request.get("Requester") or {}
    if "Provider" in requester:
        event = f", event {requester['EventId']}" if "EventId" in requester else ""
        by = f", by {requester['RequestedBy']}" if "RequestedBy" in requester else ""
        yield f"The identity provider {requester['Provider']} reported the leaver{event}{by}."
    if "RequestedBy" in request:
        yield f"Requested by {request['RequestedBy']}."
    if "Reason" in request:
        yield f"Reason: {_end_sentence(request['Reason'])}"


def describe_signals(signals: Step) -> str:
    """Describe what WorkMail showed of an entity at a verification, and what it did not show."""
    dates = {"DisabledDate", "MailboxDeprovisionedDate"}
    shown = [
        f"{_SIGNALS.get(name, name)} {render_moment(value) if name in dates else value}"
        for name, value in signals.items()
        if name != "NotGiven"
    ]
    hidden = [_SIGNALS.get(str(name), str(name)) for name in signals.get("NotGiven") or ()]
    return "; ".join((*shown, *([f"not shown: {', '.join(hidden)}"] if hidden else ())))


def describe_decision(decision: Step) -> str:
    """Describe what a person, or a return of the leaver, decided."""
    verb = _DECISIONS.get(str(decision.get("Decision")), f"decided: {decision.get('Decision')}")
    reason = f" Reason: {_end_sentence(decision['Reason'])}" if decision.get("Reason") else ""
    return f"{decision.get('DecidedBy', 'Somebody')} {verb}.{reason}"


def _describe_start(step: Step) -> Iterator[str]:
    yield "The execution started."
    yield from describe_request(step)
    if "NotBefore" in step:
        yield f"It was asked for on {render_moment(step['NotBefore'])}."


def _describe_refused_request(step: Step) -> Iterator[str]:
    yield f"The request was refused, before anything was changed: {step.get('Error')}."


def _describe_schedule(step: Step) -> Iterator[str]:
    yield f"The entity was recorded. The offboarding waits for {render_moment(step.get('DueAt'))}."


def _describe_recording(step: Step) -> Iterator[str]:
    yield "The entity was recorded as WorkMail shows it."


def _describe_approval_request(step: Step) -> Iterator[str]:
    yield f"An approval was asked for, until {render_moment(step.get('Until'))}."
    yield from map(str, step.get("Reasons", ()))


def _describe_decision_step(step: Step) -> Iterator[str]:
    yield describe_decision(step)


def _describe_export_start(step: Step) -> Iterator[str]:
    yield f"The export of the mailbox was started{_name_job(step)}."


def _describe_adopted_export(step: Step) -> Iterator[str]:
    yield f"An export of the mailbox that was there already was taken up{_name_job(step)}."


def _describe_wait_for_slot(step: Step) -> Iterator[str]:
    yield f"The export waits until one can be started, at most until {render_moment(step.get('SlotDeadline'))}."
    yield from _describe_problem(step)


def _describe_refused_export(step: Step) -> Iterator[str]:
    yield "WorkMail refused to start the export."
    yield from _describe_problem(step)


def _describe_failed_export(step: Step) -> Iterator[str]:
    yield "An attempt to export the mailbox failed, and another one follows."
    yield from _describe_problem(step)


def _describe_archive(step: Step) -> Iterator[str]:
    archive = step.get("Archive") or {}
    yield f"The archive of the mailbox was verified: {archive.get('Size')} bytes."


def _describe_missing_archive(step: Step) -> Iterator[str]:
    yield "There is no archive of the mailbox, and the offboarding goes on."
    yield from _describe_problem({"Problem": (step.get("Archive") or {}).get("Reason")})


def _describe_return(step: Step) -> Iterator[str]:
    yield (
        f"{step.get('Provider')} reported that the leaver is back since {render_moment(step.get('OccurredAt'))} "
        f"(event {step.get('EventId')})."
    )
    yield from _describe_mailbox(step)


def _describe_attempt(step: Step) -> Iterator[str]:
    yield f"WorkMail is asked to deregister the entity (attempt {step.get('Attempt')})."


def _describe_refusal(step: Step) -> Iterator[str]:
    yield "WorkMail refused, and deregistered nothing."


def _describe_mismatch(step: Step) -> Iterator[str]:
    yield "Somebody had registered the entity again, so nothing further was done to it."


def _describe_deregistration(step: Step) -> Iterator[str]:
    since = f"disabled since {render_moment(step.get('DeregisteredAt'))}"
    was_enabled = step.get("WasEnabled") is not False
    yield f"WorkMail shows the entity as {since}." if was_enabled else f"The entity was already {since}."
    yield f"The retention ends at {render_moment(step.get('RetentionEndsAt'))}."


def _describe_verification(step: Step) -> Iterator[str]:
    outcome = f", with the outcome {step['Outcome']}" if "Outcome" in step else ""
    yield f"WorkMail was checked after the retention{outcome}."
    if "Explanation" in step:
        yield _end_sentence(step["Explanation"])
    signals = step.get("Signals") or {}
    if signals:
        yield f"WorkMail showed: {describe_signals(signals)}."


def _describe_registration(step: Step) -> Iterator[str]:
    yield f"A restore registered the entity again, with its recorded address{_name_restore(step)}."
    yield from describe_request(step)


def _describe_restore(step: Step) -> Iterator[str]:
    put_back, missing = step.get("PutBack") or (), step.get("Missing") or ()
    yield f"The restore was completed{_name_restore(step)}. Aliases and groups that it put back: {len(put_back)}."
    if missing:
        entries = (" ".join(map(str, entry.values())) for entry in missing)
        yield f"These are missing: {'; '.join(entries)}"


def _describe_successor(step: Step) -> Iterator[str]:
    yield f"A later offboarding of the same entity replaced this record: {step.get('By')}."


def _describe_end(step: Step) -> Iterator[str]:
    yield f"The execution ended as {step.get('Outcome')}."
    if "Cause" in step:
        yield _end_sentence(step["Cause"])
    # Many a cause begins with it.
    if not str(step.get("Cause", "")).startswith("The mailbox "):
        yield from _describe_mailbox(step)


def _describe_refused_event(step: Step) -> Iterator[str]:
    yield f"An event of {step.get('Provider', 'an identity provider')} started nothing."
    yield _end_sentence(step.get("Reason", ""))


def _describe_withdrawn_event(step: Step) -> Iterator[str]:
    yield "A departure started nothing, because the return from it was read first."
    yield _end_sentence(step.get("Reason", ""))


def _describe_erasure(step: Step) -> Iterator[str]:
    yield f"{step.get('RequestedBy')} had a person erased: {step.get('Items')} items."


def _describe_last_day(step: Step) -> Iterator[str]:
    yield f"After {step.get('Day')}, a clean-up cannot be verified before WorkMail ends on {step.get('ServiceEndsOn')}."


STEPS: Mapping[str, Callable[[Step], Iterator[str]]] = {
    "Started": _describe_start,
    "RequestRefused": _describe_refused_request,
    "Scheduled": _describe_schedule,
    "Recorded": _describe_recording,
    "AwaitApproval": _describe_approval_request,
    "Decided": _describe_decision_step,
    "ExportStarted": _describe_export_start,
    "ExportAdopted": _describe_adopted_export,
    "ExportAwaitsSlot": _describe_wait_for_slot,
    "ExportRefused": _describe_refused_export,
    "ExportAttemptFailed": _describe_failed_export,
    "Archived": _describe_archive,
    "NotArchived": _describe_missing_archive,
    "LeaverReturned": _describe_return,
    "Deregister": _describe_attempt,
    "NotTaken": _describe_refusal,
    "Mismatch": _describe_mismatch,
    "Deregistered": _describe_deregistration,
    "VerifyCleanup": _describe_verification,
    "RegisterEntity": _describe_registration,
    "Restored": _describe_restore,
    "Superseded": _describe_successor,
    "Ended": _describe_end,
    "Refused": _describe_refused_event,
    "Withdrawn": _describe_withdrawn_event,
    "Erased": _describe_erasure,
    "LastVerificationDay": _describe_last_day,
}
"""By the name of a step, what describes it. The last three are no steps of an offboarding."""


def _name_job(step: Step) -> str:
    deadline = f", until {render_moment(step['JobDeadline'])}" if "JobDeadline" in step else ""
    return f" (job {step['JobId']}{deadline})" if "JobId" in step else ""


def _name_restore(step: Step) -> str:
    return f" (execution {step['RestoredIn'].rpartition(':')[2]})" if "RestoredIn" in step else ""


def _describe_problem(step: Step) -> Iterator[str]:
    if step.get("Problem"):
        yield _end_sentence(step["Problem"])


def _describe_mailbox(step: Step) -> Iterator[str]:
    touched = str(step.get("MailboxTouched", ""))
    if touched in MAILBOX_TOUCHED:
        yield MAILBOX_TOUCHED[touched]


def _end_sentence(text: object) -> str:
    """Return a text that ends like a sentence."""
    stripped = str(text).strip()
    return stripped if stripped.endswith((".", "!", "?")) or not stripped else f"{stripped}."
