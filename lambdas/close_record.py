"""CloseRecord: record how an offboarding's execution ended, for whatever reason, and who started it.

Takes a batch of SQS messages, each an event: that Step Functions sends when an execution ends, or that CloudTrail sends
of a call of StartExecution. An end that is not a success can come late, or before a redrive: then Step Functions itself
is asked.
"""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.closing import close_record, is_failed_offboarding
from offboarding.adapters.executions import parse_success, read_execution_status
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.timestamps import parse, render
from offboarding.edge.observability import logger, metrics

_FROM_CLOUDTRAIL = "AWS API Call via CloudTrail"

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Process a batch of events."""
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)


def record_handler(record: SQSRecord) -> None:
    """Close one record, or write it if there is none; an execution that runs again is left alone."""
    logger.append_keys(message_id=record.message_id, correlation_id=None)
    try:
        _process_event(_parse_event(record.body))
    except Exception as error:
        logger.warning("message returned to queue", extra={"error": type(error).__name__})
        metrics.add_metric(name="StatusChangesLeftInQueue", unit="Count", value=1)
        raise


def _process_event(event: dict[str, Any]) -> None:
    if event["detail-type"] == _FROM_CLOUDTRAIL:
        _record_starter(event)
        return
    execution_arn = event["detail"].get("executionArn")
    if not isinstance(execution_arn, str):
        raise _unexpected_event_error()
    logger.append_keys(correlation_id=execution_arn)
    outcome = _close_record(execution_arn, event)
    logger.info("record closed" if outcome else "nothing to close", extra={"outcome": outcome})
    metrics.add_metric(name="RecordsClosed" if outcome else "StatusChangesIgnored", unit="Count", value=1)


def _close_record(execution_arn: str, event: dict[str, Any]) -> str | None:
    """Record how an execution has ended; return the outcome, or None if it runs again or its record was deleted."""
    records = Records()
    record = records.find(execution_arn)
    status = parse_success(event["detail"]) or read_execution_status(execution_arn)
    if status.is_redriven and status.is_running:
        return None
    if status.is_running:
        raise errors.RecordUnavailable("Step Functions reported the execution's end, and describes it as running.")
    outcome = close_record(records, record, execution_arn, status, _render_time(event))
    if outcome is not None and is_failed_offboarding(status, outcome):
        metrics.add_metric(name="OffboardingsFailed", unit="Count", value=1)
    return outcome


def _record_starter(event: dict[str, Any]) -> None:
    """Record who called StartExecution; a call that failed, or found the execution, has started nothing.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    """
    detail = event["detail"]
    execution_arn = (detail.get("responseElements") or {}).get("executionArn")
    started_by = (detail.get("userIdentity") or {}).get("arn")
    if not isinstance(execution_arn, str) or not isinstance(started_by, str):
        _ignore_call("no execution, or no caller with an ARN")
        return
    logger.append_keys(correlation_id=execution_arn)
    records = Records()
    if records.is_erased(execution_arn):
        _ignore_call("the execution was erased")
        return
    records.record_starter(execution_arn, started_by, _render_time(event))
    logger.info("starter recorded")
    metrics.add_metric(name="StartersRecorded", unit="Count", value=1)


def _ignore_call(reason: str) -> None:
    logger.info("nothing to record", extra={"reason": reason})
    metrics.add_metric(name="StatusChangesIgnored", unit="Count", value=1)


def _render_time(event: dict[str, Any]) -> str:
    """Return the time of an event with milliseconds, as a step has it."""
    return render(parse(str(event["time"])))


def _parse_event(body: str) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except ValueError:
        raise _unexpected_event_error() from None
    if not isinstance(event, dict) or not isinstance(event.get("detail"), dict):
        raise _unexpected_event_error()
    if not {"detail-type", "time"} <= event.keys():
        raise _unexpected_event_error()
    return event


def _unexpected_event_error() -> errors.UnexpectedAnswer:
    return errors.UnexpectedAnswer("The message is neither a status change of an execution nor a call of CloudTrail.")
