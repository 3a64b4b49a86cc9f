"""SweepRecords: bring the records up to date that nothing else has, twice a day.

EventBridge delivers the ends of executions on a best-effort basis. Takes what EventBridge Scheduler sends, which nobody
reads, and returns how many records it has closed and taken out of the index.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.closing import close_record, is_closed
from offboarding.adapters.executions import iterate_ended_executions, read_execution_status
from offboarding.adapters.records import Records
from offboarding.domain.errors import OffboardingError
from offboarding.domain.record import Status
from offboarding.domain.retention import RetentionRules
from offboarding.domain.timestamps import render
from offboarding.edge.observability import logger, metrics, observed

_MARGIN = timedelta(minutes=30)
"""What ended just now is still on its way: a queue delays it, and the index lags."""
_LISTED = (Status.SCHEDULED, Status.AWAITING_APPROVAL, Status.IN_WINDOW, Status.RESTORED)
"""The partitions of the index. An `Unwatched` record is under `InWindow`."""
_NOTICE_DAYS = (60, 30, 14, 3)
"""How many days before the last day on which a deregistration can still be verified people are told of it."""


class SweepIncompleteError(OffboardingError):
    """Some records could not be brought up to date; the next run begins where this one did."""


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Close the records of executions that have ended, and take those out of the index that are past their date."""
    now = datetime.now(UTC)
    records = Records()
    _announce_last_verification_day(records, configuration.retention_rules(), now)
    swept_until = now - _MARGIN
    closed, failed = _close_ended(records, records.find_swept_until(), swept_until)
    closed_due, unlisted, failed_due = _update_due(records, swept_until)
    closed, failed = closed + closed_due, failed + failed_due
    logger.info("swept", extra={"closed": closed, "unlisted": unlisted, "failed": failed})
    metrics.add_metric(name="RecordsSwept", unit="Count", value=closed)
    if failed:
        raise SweepIncompleteError(f"{failed} records could not be brought up to date.")
    records.record_sweep(render(swept_until))
    return {"Closed": closed, "Unlisted": unlisted}


def _close_ended(records: Records, since: datetime | None, until: datetime) -> tuple[int, int]:
    """Close the records of the executions that ended in between; return how many, and how many failed."""
    closed = failed = 0
    for execution_arn, ended_at in iterate_ended_executions(configuration.state_machine_arn()):
        if ended_at > until or (since and ended_at <= since):
            continue
        try:
            if not is_closed(records, execution_arn, ended_at):
                closed += _close(records, execution_arn, until)
        except OffboardingError as error:
            failed += _log_failure(execution_arn, error)
    return closed, failed


def _update_due(records: Records, until: datetime) -> tuple[int, int, int]:
    """Close or unlist the records whose date has passed; return how many of each, and how many failed."""
    closed = unlisted = failed = 0
    for status in _LISTED:
        for record in records.iterate_due(status.value, render(until)):
            try:
                if record.outcome is None:
                    closed += _close(records, record.execution_arn, until)
                else:
                    unlisted += records.unlist(record)
            except OffboardingError as error:
                failed += _log_failure(record.execution_arn, error)
    return closed, unlisted, failed


def _close(records: Records, execution_arn: str, until: datetime) -> bool:
    """Close a record unless its execution runs; return whether it was closed."""
    status = read_execution_status(execution_arn)
    if status.is_running:
        return False
    outcome = close_record(records, execution_arn, status, render(until))
    logger.info("record closed", extra={"execution": execution_arn, "outcome": outcome})
    return outcome is not None


def _log_failure(execution_arn: str, error: OffboardingError) -> int:
    logger.warning("record not closed", extra={"execution": execution_arn, "error": type(error).__name__})
    return 1


def _announce_last_verification_day(records: Records, rules: RetentionRules, now: datetime) -> None:
    """Have people told of the day after which a clean-up cannot be verified any more, a few times before it."""
    last_day = rules.last_verifiable_moment
    passed = [days for days in _NOTICE_DAYS if now >= last_day - timedelta(days=days)]
    if passed and now <= last_day:
        facts = {"Day": last_day.date().isoformat(), "ServiceEndsOn": rules.service_ends_on.isoformat()}
        records.record_last_verification_day(facts, f"{facts['Day']} {min(passed)}", render(now))
