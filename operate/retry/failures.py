"""Finds the last offboarding of somebody that has failed, and the input of another attempt."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from operate.account import Account
from operate.errors import Refusal
from operate.executions import Execution, find_execution
from operate.questions.offboardings import Offboarding
from operate.questions.people import find_subjects, has_primary_identifier, label_entity, require_single
from operate.questions.table import RecordsTable, Values, identifier_key
from operate.terminal import render_moment

_SUCCESSFUL_OUTCOMES = frozenset(
    {
        *("CleanupVerified", "Reenabled", "ReenabledAfterRetention", "EntityRemoved"),
        *("ServiceEnded", "NothingToDo", "Rejected", "Withdrawn"),
    }
)
_UNIMPORTANT_OUTCOMES = frozenset({"Planned", "AlreadyInProgress"})
"""What ends so says nothing about whether somebody was offboarded."""
_MAILBOX = {"Yes": "is disabled", "Maybe": "may be disabled", "No": "was not touched"}
_RECORDED_MEMBERS = ("OrganizationId", "EntityId", "NotBefore", "Export", "Reason", "RequestedBy", "Requester")
_MAX_REASON_LENGTH = 1024
"""In characters; the functions refuse a longer one."""
_EXPECTED_MEMBERS = ("Type", "Name", "Email")


@dataclass(frozen=True)
class Failure:
    """An offboarding that has failed, was stopped, or ran out of time.

    Attributes
    ----------
    record
        Its record.
    execution
        What Step Functions knows of it; None if it has forgotten it.
    mailbox_touched
        `Yes`, `Maybe` or `No`.
    """

    record: Values
    execution: Execution | None
    mailbox_touched: str

    @property
    def entity(self) -> Mapping[str, Any] | None:
        """The entity, if one was resolved."""
        return self.record.get("Entity")

    @property
    def label(self) -> str:
        """The entity, or the text that resolved none."""
        return label_entity(self.entity) if self.entity else str(self.record.get("EntityId", "an unreadable input"))

    @property
    def was_disabled(self) -> bool:
        """Whether it has disabled the mailbox, or found it disabled."""
        return self.mailbox_touched == "Yes" or Offboarding.from_record(self.record).was_disabled

    def describe(self) -> Iterator[str]:
        """Go through the lines about whom it is about, and how it ended."""
        yield f"Execution:   {self.record['Id']}"
        organization = self.record.get("OrganizationId")
        yield f"Entity:      {self.label}{f', of {organization}' if organization else ''}"
        cause = self.record.get("Cause") or (self.execution.cause if self.execution else "")
        yield f"Ended as:    {_find_outcome(self.record, self.execution)}. {cause}".rstrip()
        mailbox = _MAILBOX.get(self.mailbox_touched, "may be disabled")
        if Offboarding.from_record(self.record).was_disabled:
            mailbox = "was already disabled when this offboarding began"
        yield f"Mailbox:     It {mailbox}, as far as this execution knows."


def find_failure(account: Account, table: RecordsTable, text: str) -> Failure:
    """Find the last offboarding of WHO, which must have failed.

    Raises
    ------
    Refusal
        If WHO is nobody or several; if it has not failed, or a newer one runs, waits or has succeeded; or if a restore
        has given the mailbox back since.
    """
    records = sorted(_list_records(table, text), key=lambda record: str(record.get("StartedAt", "")))
    target = _select_target(records, text)
    execution = find_execution(account, target["Id"])
    _require_failed(target, execution)
    for record in records:
        _require_not_restored(record, target)
        if record["Id"] != target["Id"]:
            _require_no_obstacle(account, record, target)
    return Failure(target, execution, _read_mailbox_touched(table, target))


def build_request(account: Account, failure: Failure, requested_by: str) -> tuple[Mapping[str, Any], list[str]]:
    """Build the input of another attempt, and the sentences about what is another than at first.

    Parameters
    ----------
    account
        The account with the stack.
    failure
        The offboarding that has failed.
    requested_by
        Who asks for the attempt: another person than this one has to approve it.

    Raises
    ------
    Refusal
        If the input is not recorded.
    """
    record, notes = failure.record, list[str]()
    request = dict(failure.execution.input) if failure.execution else {}
    if not request:
        request = {name: record[name] for name in _RECORDED_MEMBERS if name in record}
        notes.append("Input:       Step Functions has forgotten the execution; the input is that of the record.")
    if not {"OrganizationId", "EntityId"} <= request.keys():
        raise Refusal(f"The input of {record['Id']} cannot be used again. Start with: offboarding start WHO.")
    request |= _name_requester(request, requested_by)
    if failure.entity:
        expected = {name: failure.entity[name] for name in _EXPECTED_MEMBERS if failure.entity.get(name)}
        request |= {
            "EntityId": failure.entity["Id"],
            "Expected": {**request.get("Expected", {}), **expected},
        }
    if _is_past(account, request.get("NotBefore")):
        notes.append(f"Date:        {request.pop('NotBefore')} has passed, and is left out.")
    return request, notes


def _name_requester(request: Mapping[str, Any], requested_by: str) -> dict[str, str]:
    """Return who asks now; the reason names who asked before, and keeps an event's own requester."""
    previous, reason = request.get("RequestedBy"), request.get("Reason")
    members = {"RequestedBy": requested_by}
    if previous and previous != requested_by:
        text = f"Again, for {previous}: {reason}" if reason else f"Again, for {previous}."
        members["Reason"] = text[:_MAX_REASON_LENGTH]
    return members


def _list_records(table: RecordsTable, text: str) -> list[Values]:
    """List the records of all offboardings of WHO, resolved or not, and without plans."""
    arns = {
        str(step["Id"]): None
        for key in _list_keys(table, text)
        for step in table.iterate_steps_of_entity(key)
        if str(step["Id"]).startswith("arn:")
    }
    records = (table.find_record(arn) for arn in arns)
    return [
        record
        for record in records
        if record is not None and not record.get("DryRun") and record.get("Outcome") not in _UNIMPORTANT_OUTCOMES
    ]


def _select_target(records: list[Values], text: str) -> Values:
    """Return the execution that is named, or the last one; an address that the entity only had once selects none."""
    if text.startswith("arn:"):
        records = [record for record in records if record["Id"] == text]
    if not records:
        raise Refusal(f"No offboarding is recorded of {text}. If one has just ended, try again in two minutes.")
    target = records[-1]
    if "Entity" in target and not text.startswith("arn:") and not has_primary_identifier(target["Entity"], text):
        raise Refusal(f"{text} was recorded of {label_entity(target['Entity'])}. Give the id if you mean that.")
    return target


def _list_keys(table: RecordsTable, text: str) -> list[str]:
    subjects = find_subjects(table, text)
    if not subjects:
        return []
    key = require_single(subjects, text).key
    # The same text can have failed before anybody had it.
    return list(dict.fromkeys((key, identifier_key(text))))


def _find_outcome(record: Values, execution: Execution | None) -> str | None:
    """Return how an execution ended; None if it is not over. Its record says so a minute and a half later."""
    if execution is not None and execution.outcome:
        return execution.outcome
    outcome: str | None = record.get("Outcome")
    return outcome if outcome or execution is not None else "Forgotten"


def _require_failed(record: Values, execution: Execution | None) -> None:
    outcome = _find_outcome(record, execution)
    if outcome is None:
        raise Refusal(f"Nothing was started: the last offboarding is {record['Status']}, and not over: {record['Id']}.")
    if outcome in _SUCCESSFUL_OUTCOMES | _UNIMPORTANT_OUTCOMES:
        raise Refusal(f"Nothing was started: the last offboarding has ended as {outcome}: {record['Id']}.")


def _require_not_restored(record: Values, target: Values) -> None:
    """Require that nobody has decided for the mailbox since the failed offboarding started: a restore is newer."""
    restored_at = str(record.get("RestoredAt") or record.get("RestoreBeganAt") or "")
    if restored_at > str(target.get("StartedAt", "")):
        raise Refusal(
            f"Nothing was started: {label_entity(record['Entity'])} was restored at {render_moment(restored_at)}, in "
            "UTC. If the person leaves again, use: offboarding start WHO."
        )


def _require_no_obstacle(account: Account, record: Values, target: Values) -> None:
    """Require that another offboarding of the same entity is in nobody's way."""
    is_newer = str(record.get("StartedAt", "")) > str(target.get("StartedAt", ""))
    outcome = record.get("Outcome") or _find_outcome(record, find_execution(account, record["Id"]))
    if outcome is None and (is_newer or record["Status"] != "Scheduled"):
        raise Refusal(f"Nothing was started: another offboarding is {record['Status']}: {record['Id']}.")
    if is_newer and outcome in _SUCCESSFUL_OUTCOMES:
        raise Refusal(f"Nothing was started: a newer offboarding ended as {outcome}: {record['Id']}.")


def _read_mailbox_touched(table: RecordsTable, record: Values) -> str:
    ends = [step for step in table.iterate_execution(record["Id"]) if step.get("Step") == "Ended"]
    if ends:
        return str(ends[-1].get("MailboxTouched", ""))
    if "DeregisteredAt" in record:
        return "Yes"
    return "Maybe" if "DeregisteringAt" in record else "No"


def _is_past(account: Account, moment: str | None) -> bool:
    return moment is not None and datetime.fromisoformat(moment) <= account.read_time()
