"""SweepRecords: bring the records up to date that nothing else has, and report what waits, twice a day.

EventBridge delivers the ends of executions on a best-effort basis. Takes what EventBridge Scheduler sends, which nobody
reads, and returns how many records it has closed and taken out of the index.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.closing import close_record, is_closed
from offboarding.adapters.executions import iterate_ended_executions, read_execution_status
from offboarding.adapters.records import Records
from offboarding.domain.errors import OffboardingError
from offboarding.domain.record import APPROVAL_TIMEOUT, Record, Status
from offboarding.domain.retention import RetentionRules
from offboarding.domain.timestamps import ONE_DAY, parse, render
from offboarding.edge.observability import logger, metrics, observed

_MARGIN = timedelta(minutes=30)
"""What ended just now is still on its way: a queue delays it, and the index lags."""
_LISTED = (Status.SCHEDULED, Status.AWAITING_APPROVAL, Status.EXPORTING, Status.IN_WINDOW, Status.RESTORED)
"""The partitions of the index. An `Unwatched` record is under `InWindow`."""
_NOTICE_DAYS = (60, 30, 14, 3)
"""How many days before the last day on which a deregistration can still be verified people are told of it."""


class SweepIncompleteError(OffboardingError):
    """Some records could not be brought up to date; the next run begins where this one did."""


@dataclass
class Counts:
    """What a run has done: how many records it closed and took out of the index, and how much of it failed."""

    closed: int = 0
    unlisted: int = 0
    failed: int = 0

    @contextlib.contextmanager
    def count_failure(self, execution_arn: str | None = None) -> Iterator[None]:
        """Count and log a failure, whatever it is: what is wrong with one record must not stop the others."""
        try:
            yield
        except Exception as error:
            self.failed += 1
            logger.warning("not swept", extra={"execution": execution_arn, "error": type(error).__name__})


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Close the records of executions that have ended, and take those out of the index that are past their date."""
    now, records, counts = datetime.now(UTC), Records(), Counts()
    swept_until = now - _MARGIN
    with counts.count_failure():
        _announce_last_verification_day(records, configuration.retention_rules(), now)
    with counts.count_failure():
        _close_ended(records, swept_until, counts)
    with counts.count_failure():
        _update_due(records, swept_until, counts)
    with counts.count_failure():
        _report_window(records)
    with counts.count_failure():
        _report_oldest_approval(records, now)
    logger.info("swept", extra=asdict(counts))
    metrics.add_metric(name="RecordsSwept", unit="Count", value=counts.closed)
    if counts.failed:
        raise SweepIncompleteError(f"{counts.failed} records could not be brought up to date.")
    records.record_sweep(render(swept_until))
    metrics.add_metric(name="SweepsCompleted", unit="Count", value=1)
    return {"Closed": counts.closed, "Unlisted": counts.unlisted}


def _close_ended(records: Records, until: datetime, counts: Counts) -> None:
    """Close the records of the executions that have ended since the last run."""
    since = records.find_swept_until()
    for execution_arn, ended_at in iterate_ended_executions(configuration.state_machine_arn()):
        if ended_at > until or (since and ended_at <= since):
            continue
        with counts.count_failure(execution_arn):
            if not is_closed(records, execution_arn, ended_at):
                counts.closed += _close(records, records.find(execution_arn), execution_arn, until)


def _update_due(records: Records, until: datetime, counts: Counts) -> None:
    """Close or unlist the records whose date has passed."""
    for status in _LISTED:
        for execution_arn in records.iterate_due(status.value, render(until)):
            with counts.count_failure(execution_arn):
                record = records.find(execution_arn)
                if record is not None and record.outcome is None:
                    counts.closed += _close(records, record, execution_arn, until)
                elif record is not None:
                    counts.unlisted += records.unlist(record)


def _close(records: Records, record: Record | None, execution_arn: str, until: datetime) -> bool:
    """Close a record unless its execution runs; return whether it was closed."""
    status = read_execution_status(execution_arn)
    if status.is_running:
        return False
    outcome = close_record(records, record, execution_arn, status, render(until))
    logger.info("record closed", extra={"execution": execution_arn, "outcome": outcome})
    return outcome is not None


def _report_window(records: Records) -> None:
    """Log each mailbox that is disabled and not yet removed, by ids and dates alone, and count them."""
    mailboxes = list(records.iterate_listed(Status.IN_WINDOW.value))
    for mailbox in mailboxes:
        ids = {"execution": mailbox.execution_arn, "organization": mailbox.organization_id, "entity": mailbox.entity_id}
        logger.info("mailbox in the window", extra={**ids, "status": mailbox.status, "until": mailbox.due_at})
    metrics.add_metric(name="MailboxesInWindow", unit="Count", value=len(mailboxes))


def _report_oldest_approval(records: Records, now: datetime) -> None:
    """Report for how many days the oldest approval waits; 0 if none does."""
    oldest = next(records.iterate_listed(Status.AWAITING_APPROVAL.value), None)
    days = (now - (parse(oldest.due_at) - APPROVAL_TIMEOUT)) / ONE_DAY if oldest else 0.0
    metrics.add_metric(name="OldestApprovalDays", unit="Count", value=round(max(days, 0.0), 3))


def _announce_last_verification_day(records: Records, rules: RetentionRules, now: datetime) -> None:
    """Have people told of the day after which a clean-up cannot be verified any more, a few times before it."""
    last_day = rules.last_verifiable_moment
    passed = [days for days in _NOTICE_DAYS if now >= last_day - timedelta(days=days)]
    if passed and now <= last_day:
        facts = {"Day": last_day.date().isoformat(), "ServiceEndsOn": rules.service_ends_on.isoformat()}
        records.record_last_verification_day(facts, f"{facts['Day']} {min(passed)}", render(now))
