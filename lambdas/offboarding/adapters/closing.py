"""Writes how an execution ended into its record, and a record for an execution that has none."""

import json
from datetime import datetime, timedelta

from offboarding.adapters.executions import FORGOTTEN, STOPPED, ExecutionStatus
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.entities import is_organization_id
from offboarding.domain.outcomes import OUTCOMES_AFTER_A_RECORD, SUCCESSFUL_OUTCOMES
from offboarding.domain.record import Record
from offboarding.domain.texts import is_unicode
from offboarding.domain.timestamps import parse

_RECORDED_TEXTS = ("EntityId", "NotBefore", "Reason", "RequestedBy")
_REQUESTER_TEXTS = ("Provider", "EventId", "RequestedBy", "OccurredAt", "ProviderUserId")
_MAX_TEXT_LENGTH = 1024
_SAME_END = timedelta(seconds=1)
"""An execution that ended later than its record says, by more than this, has been redriven in between."""


def is_closed(records: Records, execution_arn: str, ended_at: datetime) -> bool:
    """Return whether an execution that ended at a moment has a record that says so."""
    recorded_end = records.find_end(execution_arn)
    return recorded_end is not None and ended_at - parse(recorded_end) < _SAME_END


def is_failed_offboarding(status: ExecutionStatus, outcome: str) -> bool:
    """Return whether an execution failed or timed out that was no plan, and that nobody has stopped."""
    is_plan = _parse_object(status.input).get("DryRun") is True
    return outcome not in SUCCESSFUL_OUTCOMES and outcome != STOPPED and not is_plan


def close_record(
    records: Records, record: Record | None, execution_arn: str, status: ExecutionStatus, reported_at: str
) -> str | None:
    """Record how an execution has ended; return the outcome, or None if its record was deleted.

    Parameters
    ----------
    record
        Its record, as it was read before the status: if the execution runs again in between, the record changes.
    status
        How it stands in Step Functions: it is over.
    reported_at
        RFC 3339: the end of an execution that Step Functions does not know any more.

    Raises
    ------
    RecordUnavailable
        If it has to be tried again.
    """
    outcome, ended_at = status.outcome or FORGOTTEN, status.ended_at or reported_at
    if record is None and (outcome in OUTCOMES_AFTER_A_RECORD or records.is_erased(execution_arn)):
        return None
    if record is None:
        is_recorded = records.record_end(execution_arn, _select_facts(status), outcome, status.cause, ended_at)
    else:
        is_recorded = records.close(record, outcome, status.cause, ended_at)
    if not is_recorded:
        raise errors.RecordUnavailable("The record has changed since it was read.")
    return outcome


def _select_facts(status: ExecutionStatus) -> dict[str, object]:
    """Select what the record keeps of an execution's input, which may be anything, and of its output."""
    members = _parse_object(status.input)
    requester = members.get("Requester")
    texts = {member: members.get(member) for member in _RECORDED_TEXTS}
    facts: dict[str, object] = {member: text for member, text in texts.items() if _is_short_text(text)}
    # It is the key of an index, so it must be short, and a text; anything else names no organization.
    organization_id = members.get("OrganizationId")
    if isinstance(organization_id, str) and is_organization_id(organization_id):
        facts["OrganizationId"] = organization_id
    if isinstance(requester, dict):
        parts = {member: requester.get(member) for member in _REQUESTER_TEXTS}
        facts["Requester"] = {member: text for member, text in parts.items() if _is_short_text(text)}
    if members.get("DryRun") is True:
        facts["DryRun"] = True
    if status.started_at:
        facts["StartedAt"] = status.started_at
    if status.entity:
        facts["Entity"] = {member: value for member, value in status.entity.items() if value is not None}
    return facts


def _is_short_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_TEXT_LENGTH and is_unicode(value)


def _parse_object(text: str | None) -> dict[str, object]:
    try:
        members = json.loads(text or "null")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}
