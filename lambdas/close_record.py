"""CloseRecord: record how an offboarding's execution ended, for whatever reason.

Takes a batch of SQS messages, each the event that Step Functions sends when an execution changes its status. The event
says only which execution to look at: it can come late, twice, or before a redrive, so Step Functions itself is asked.
"""

import json
import re
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.executions import FORGOTTEN, ExecutionStatus, read_execution_status
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.edge.observability import logger, metrics
from offboarding.edge.schemas import ORGANIZATION_ID

_RECORDED_TEXTS = ("EntityId", "NotBefore", "Reason", "RequestedBy")
_MAX_TEXT_LENGTH = 1024
_OUTCOMES_AFTER_A_RECORD = frozenset({"CleanupVerified", "Reenabled", "EntityRemoved", "Rejected"})
"""An execution ends so only after it has written its record. If there is none, somebody has deleted it."""

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Close the records of the executions in a batch of status changes."""
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)


def record_handler(record: SQSRecord) -> None:
    """Close one record, or write it if there is none; an execution that runs again is left alone."""
    logger.append_keys(message_id=record.message_id, correlation_id=None)
    try:
        execution_arn = _parse_execution_arn(record.body)
        logger.append_keys(correlation_id=execution_arn)
        outcome = _close_record(execution_arn, record.body)
    except Exception as error:
        logger.warning("message returned to queue", extra={"error": type(error).__name__})
        metrics.add_metric(name="StatusChangesLeftInQueue", unit="Count", value=1)
        raise
    logger.info("record closed" if outcome else "nothing to close", extra={"outcome": outcome})
    metrics.add_metric(name="RecordsClosed" if outcome else "StatusChangesIgnored", unit="Count", value=1)


def _close_record(execution_arn: str, body: str) -> str | None:
    """Record how an execution has ended; return the outcome, or None if it runs again or its record was deleted."""
    records = Records()
    record = records.find(execution_arn)
    status = read_execution_status(execution_arn)
    if status.is_redriven and status.is_running:
        return None
    if status.is_running:
        raise errors.RecordUnavailable("Step Functions reported the execution's end, and describes it as running.")
    outcome, ended_at = status.outcome or FORGOTTEN, status.ended_at or _parse_time(body)
    if record is None and outcome in _OUTCOMES_AFTER_A_RECORD:
        return None
    if record is None:
        records.record_end(execution_arn, _select_facts(status), outcome, status.cause, ended_at)
    elif not records.close(record, outcome, status.cause, ended_at):
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
    if isinstance(organization_id, str) and re.match(ORGANIZATION_ID["pattern"], organization_id):
        facts["OrganizationId"] = organization_id
    if isinstance(requester, dict):
        parts = {member: requester.get(member) for member in ("Provider", "EventId", "RequestedBy")}
        facts["Requester"] = {member: text for member, text in parts.items() if _is_short_text(text)}
    if members.get("DryRun") is True:
        facts["DryRun"] = True
    if status.started_at:
        facts["StartedAt"] = status.started_at
    if status.entity:
        facts["Entity"] = {member: value for member, value in status.entity.items() if value is not None}
    return facts


def _is_short_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_TEXT_LENGTH


def _parse_object(text: str | None) -> dict[str, object]:
    try:
        members = json.loads(text or "null")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def _parse_execution_arn(body: str) -> str:
    try:
        arn = json.loads(body)["detail"]["executionArn"]
    except (ValueError, KeyError, TypeError):
        arn = None
    if not isinstance(arn, str):
        raise errors.UnexpectedAnswer("The message is not a status change of an execution.")
    return arn


def _parse_time(body: str) -> str:
    return str(json.loads(body)["time"])
