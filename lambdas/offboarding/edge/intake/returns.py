"""What a return does: it withdraws what the same provider reported, as long as it has not happened, or tells people."""

from datetime import UTC, datetime

from offboarding.adapters.executions import send_task_success
from offboarding.adapters.records import Records
from offboarding.adapters.reports import Presence, Reports
from offboarding.domain import errors
from offboarding.domain.record import Decision, Record, Status
from offboarding.domain.reporters import REQUESTS, Reporter
from offboarding.domain.timestamps import parse, render
from offboarding.edge.identity_providers import ReturnEvent

_WAITING = frozenset({Status.SCHEDULED, Status.AWAITING_APPROVAL, Status.EXPORTING})
_BETWEEN_STATES = frozenset({Status.RECORDED, Status.DEREGISTERING})


def process_return(event: ReturnEvent, entity: str | None, received_at: str) -> bool:
    """Record that somebody is back, and act on the departure that the same provider has reported.

    Every event about somebody who is active comes here. Most are about people who were never away.

    Parameters
    ----------
    event
        The return.
    entity
        The key of the entity, for a withdrawal of all requests for it.
    received_at
        When the message was delivered first (RFC 3339).

    Returns
    -------
    bool
        Whether there was a departure to act on.

    Raises
    ------
    RecordUnavailable
        If it is not settled yet whether the departure has happened: the event has to be read again.
    """
    reports, records = Reports(), Records()
    if entity is None:
        reporter = Reporter.of(event.provider, event.provider_user_id)
        presence = reports.record_return(reporter, event.occurred_at)
        if presence.away_at is None:
            return False
        entity = presence.entity_key
    else:
        reporter = Reporter.of_all_requests(entity)
        presence = reports.record_withdrawal_of_all_requests(entity, event.occurred_at)
    if not _is_return(presence, reporter, event.occurred_at):
        return presence.handled_at is not None and reporter.provider == REQUESTS
    # Without an entity the execution has not recorded it yet, and reads the return itself.
    is_known = entity is None or _act_on_departure(records, reports, entity, event, received_at)
    if is_known or presence.away_at is not None:
        reports.record_handled_return(reporter, event.occurred_at)
    return is_known or presence.away_at is not None


def _is_return(presence: Presence, reporter: Reporter, occurred_at: str) -> bool:
    """Return whether somebody came back at a moment from a departure on whose return nobody has acted yet.

    A withdrawal is about every older request, also if the request was repeated for another date since.
    """
    at = render(parse(occurred_at))
    left_at = at if reporter.provider == REQUESTS else presence.away_at or at
    return left_at <= at and (presence.handled_at is None or presence.handled_at < left_at)


def _act_on_departure(records: Records, reports: Reports, entity: str, event: ReturnEvent, received_at: str) -> bool:
    """Withdraw the departure, or have people told; return whether there is one."""
    lock = records.find_lock(*entity.split("/"))
    if lock is None:
        return False
    record = records.find(lock.execution_arn)
    is_recording = record is None and records.find_end(lock.execution_arn) is None
    is_between_states = record is not None and record.outcome is None and record.status in _BETWEEN_STATES
    if lock.is_live and (is_recording or is_between_states):
        raise errors.RecordUnavailable(
            f"The execution {lock.execution_arn} is between two states. What it does next is not recorded yet."
        )
    is_waiting = lock.is_live and record is not None and record.status in _WAITING
    superseded = _find_waiting(records, lock.superseded_execution_arn, lock.execution_arn)
    waiting = [*([record] if record is not None and is_waiting else []), *([superseded] if superseded else [])]
    for waiting_record in waiting:
        _withdraw(records, reports, waiting_record, event, received_at)
    if is_waiting:
        return True
    if record is None or not _is_in_window(record):
        record = _find_record(records, lock.window_execution_arn)
    if record is None or not _is_in_window(record):
        return bool(waiting)
    _record_return(records, record, event, received_at)
    return True


def _find_waiting(records: Records, execution_arn: str | None, superseded_by: str) -> Record | None:
    """Return the record of an execution that waits for its date, although another one has taken over."""
    record = _find_record(records, execution_arn)
    is_waiting = record is not None and record.outcome is None and record.status is Status.SCHEDULED
    return record if record is not None and is_waiting and record.superseded_by == superseded_by else None


def _find_record(records: Records, execution_arn: str | None) -> Record | None:
    """Return the record of an execution; None if there is no such execution, or it has no record."""
    if execution_arn is None:
        return None
    return records.find(execution_arn)


def _withdraw(records: Records, reports: Reports, record: Record, event: ReturnEvent, received_at: str) -> None:
    """End an execution that waits, unless somebody else has asked for it too."""
    now = render(datetime.now(UTC))
    report = reports.find(record.offboarding, record.requester, now)
    if report is not None:
        # A request that is younger than the withdrawal of all requests is not meant.
        if report.provider != REQUESTS or report.occurred_at <= render(parse(event.occurred_at)):
            _record_return(records, record, event, received_at, report.not_before or record.not_before)
        return
    if record.task_token is None and record.status is not Status.EXPORTING:
        raise errors.RecordUnavailable(f"The execution {record.execution_arn} has not recorded yet that it waits.")
    decision = Decision(
        Decision="Withdrawn",
        DecidedBy=event.requested_by or event.provider,
        Reason=event.reason or f"{event.provider} reported at {event.occurred_at} that the leaver is back.",
        DecidedAt=now,
        DecidedIn=event.deduplication_id,
    )
    # If somebody else has decided meanwhile, the execution itself finds the return before it goes on.
    is_recorded = records.record_decision(record, decision)
    if is_recorded and record.task_token is not None and not send_task_success(record.task_token, decision):
        raise errors.RecordUnavailable(f"The execution {record.execution_arn} has just stopped waiting.")


def _is_in_window(record: Record) -> bool:
    return record.status_key == Status.IN_WINDOW


def _record_return(
    records: Records, record: Record, event: ReturnEvent, received_at: str, not_before: str | None = None
) -> None:
    """Have people told that the leaver is back. Nothing is restored by itself."""
    dates = {
        "StatusReadAt": event.status_read_at,
        "DeregisteredAt": record.deregistered_at,
        "RetentionEndsAt": record.retention_ends_at,
        "NotBefore": not_before,
    }
    log_entry = {
        "At": received_at,
        "Step": "LeaverReturned",
        "Provider": event.provider,
        "EventId": event.deduplication_id,
        "OccurredAt": event.occurred_at,
        # An entity that was found disabled needs a restore too.
        "MailboxTouched": "Yes" if record.deregistered_at else record.mailbox_touched.value,
        **{name: date for name, date in dates.items() if date},
    }
    records.record_leaver_returned(record.offboarding, log_entry)
