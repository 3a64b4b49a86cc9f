"""The rows of the lists: one for each offboarding, or for each refused event."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from operate.periods import Period
from operate.questions.offboardings import Offboarding
from operate.questions.table import WAITING_STATUSES, WINDOW_STATUS, RecordsTable, Values
from operate.service_end import ServiceEnd
from operate.terminal import parse_moment
from operate.wording.outcomes import find_outcome_wording

Row = dict[str, Any]
"""A row by the names of its columns."""

OFFBOARDING_COLUMNS = (
    *("Who", "EntityId", "Type", "Name", "Email", "OrganizationId", "Status", "Next", "NextAt", "DaysLeft"),
    *("RequestedBy", "Provider", "EventId", "Reason", "StartedAt", "DeregisteredAt", "RetentionEndsAt"),
    *("Outcome", "EndedAt", "Cause", "MailboxTouched", "Plan", "ExecutionArn"),
)
REFUSAL_COLUMNS = ("At", "Provider", "EventId", "OccurredAt", "Reason")
_BATCH_SIZE = 100


def iterate_due(table: RecordsTable, statuses: Iterable[str]) -> Iterator[Offboarding]:
    """Go through what is still to come under some statuses, the next one of each first."""
    for status in statuses:
        for record in table.iterate_due(status):
            yield Offboarding.from_record(record)


def iterate_live(
    table: RecordsTable, now: datetime, service_end: ServiceEnd, *, window: bool, waiting: bool
) -> Iterator[Row]:
    """Go through what is in the window, or waits."""
    statuses = (*((WINDOW_STATUS,) if window else ()), *(WAITING_STATUSES if waiting else ()))
    return (_make_row(offboarding, now, service_end) for offboarding in iterate_due(table, statuses))


def iterate_ended(
    table: RecordsTable, period: Period, now: datetime, service_end: ServiceEnd, *, failed: bool
) -> Iterator[Row]:
    """Go through the ends in a period, the earliest first: all of them, or those that failed and were no plans."""
    ends = table.iterate_steps(period.since, period.until, names=("Ended",))
    selected = (end for end in ends if not failed or is_failure(end))
    while batch := [*islice(selected, _BATCH_SIZE)]:
        records = table.find_records(dict.fromkeys(str(end["Id"]) for end in batch))
        for end in batch:
            yield _make_end_row(end, records.get(end["Id"]), now, service_end)


def iterate_refused(table: RecordsTable, period: Period) -> Iterator[Row]:
    """Go through the refused events of a period, the earliest first."""
    for step in table.iterate_steps(period.since, period.until, names=("Refused",)):
        yield {column: step.get(column) for column in REFUSAL_COLUMNS}


def is_failure(end: Values) -> bool:
    """Return whether a step `Ended` is one of an offboarding that failed."""
    return not end.get("DryRun") and find_outcome_wording(str(end.get("Outcome"))).is_failure


def _make_row(offboarding: Offboarding, now: datetime, service_end: ServiceEnd) -> Row:
    entity = offboarding.entity
    next_event, next_at = offboarding.find_next_event(service_end) or (None, offboarding.next_at)
    return {
        "Who": offboarding.label,
        "EntityId": offboarding.entity_id,
        "Type": entity.get("Type"),
        "Name": entity.get("Name"),
        "Email": entity.get("Email"),
        "OrganizationId": offboarding.organization_id,
        "Status": offboarding.status,
        "Next": next_event,
        "NextAt": next_at,
        "DaysLeft": _count_days(next_at, now),
        "RequestedBy": offboarding.requested_by,
        "Provider": offboarding.provider,
        "EventId": offboarding.event_id,
        "Reason": offboarding.reason,
        "StartedAt": offboarding.started_at,
        "DeregisteredAt": offboarding.deregistered_at,
        "RetentionEndsAt": offboarding.retention_ends_at,
        "Outcome": offboarding.outcome,
        "EndedAt": offboarding.ended_at,
        "Cause": offboarding.cause,
        "MailboxTouched": offboarding.mailbox_touched,
        "Plan": offboarding.is_plan,
        "ExecutionArn": offboarding.execution_arn,
    }


def _make_end_row(end: Values, record: Values | None, now: datetime, service_end: ServiceEnd) -> Row:
    """Make the row of an end: what the record says, and of the end itself what its step says."""
    offboarding = Offboarding.from_record(record or _make_record_of(end)).with_subject_of(end)
    return {
        **_make_row(offboarding, now, service_end),
        "Outcome": end.get("Outcome"),
        "EndedAt": end.get("At"),
        "Cause": end.get("Cause"),
        "MailboxTouched": end.get("MailboxTouched"),
    }


def _make_record_of(end: Values) -> Values:
    """Make the record of an execution whose own was deleted, as far as its last step has it."""
    identifier = {"EntityId": end["Identifier"]} if "Identifier" in end else {}
    dry_run = {"DryRun": True} if end.get("DryRun") else {}
    organization = {"OrganizationId": end["OrganizationId"]} if "OrganizationId" in end else {}
    return {"Id": end["Id"], "Status": "Ended", **identifier, **dry_run, **organization}


def _count_days(moment: str | None, now: datetime) -> int | None:
    """Count the whole days until a moment (RFC 3339); none is left of one that has passed."""
    parsed = parse_moment(moment)
    return None if parsed is None else max(0, (parsed - now).days)
