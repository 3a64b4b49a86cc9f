"""StartOffboarding: turn identity providers' events into executions, one per departure, or into visible refusals.

An event that somebody is back withdraws what the same provider has reported, or has people told.

Takes a batch of SQS messages, each an EventBridge event as it was delivered. A refused event goes to the dead-letter
queue, with the reason as a message attribute. A failure that may pass is reported as a batch item failure, so that SQS
delivers that message again, and it alone.
"""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.aws import LazyClient
from offboarding.adapters.executions import start_execution, states
from offboarding.adapters.identity_store import find_store_user
from offboarding.adapters.intake_settings import read_intake_settings
from offboarding.adapters.records import Records, entity_key
from offboarding.adapters.reports import Presence, Report, Reports
from offboarding.configuration import IntakeConfiguration
from offboarding.domain.entities import LeavingUser
from offboarding.domain.errors import (
    EntityAmbiguous,
    InvalidRequest,
    OffboardingError,
    OrganizationNotActive,
    OrganizationNotFound,
    UnexpectedAnswer,
)
from offboarding.domain.execution_names import Departure, execution_name
from offboarding.domain.identifiers import casefolded
from offboarding.domain.reporters import REQUESTS, Reporter
from offboarding.domain.timestamps import parse, render
from offboarding.domain.tolerances import PROVIDER_CLOCK_SKEW
from offboarding.edge.identity_providers import (
    IgnoredEvent,
    LeaverEvent,
    RefusedEvent,
    ReturnEvent,
    UnreadStatus,
    judge_status,
    parse_event,
    provider_of,
)
from offboarding.edge.identity_providers.events import member
from offboarding.edge.intake.departures import (
    DepartureWithdrawn,
    LaterDateError,
    find_repeated_execution,
    record_departure,
)
from offboarding.edge.intake.leavers import (
    DepartureRepeated,
    find_leaver,
    find_withdrawn_entities,
    list_organizations_of_store,
)
from offboarding.edge.intake.requests import build_input, identify_departure
from offboarding.edge.intake.returns import process_return
from offboarding.edge.observability import logger, metrics
from offboarding.edge.remaining_time import require_time
from offboarding.edge.steps import OffboardingInput

queues = LazyClient("sqs", attempts=1)
states.make()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

_FINAL_ANSWERS = (EntityAmbiguous, InvalidRequest, OrganizationNotActive, OrganizationNotFound)
"""Answers of WorkMail that do not change within the hours for which a message is tried again."""
_MAX_REASON_LENGTH = 1024
_MAX_MESSAGE_BYTES = 1024 * 1024
_ATTRIBUTE_OVERHEAD_BYTES = 128
"""The most that the names, types and the message id of a refused message's attributes take."""
_MIN_REMAINING_MS = 25_000
"""The most that a message takes whose execution starts, if only one service is slow at a time.

10 s for WorkMail, 10 s for DynamoDB, 5 s for Step Functions. If more are slow, the function times out, and the message
is delivered again: each of its writes can be made again.
"""
_LONG_WAIT_MS = 5 * 60_000
"""A departure that has waited longer was held up, so that its return may have come meanwhile."""
_STATUS_LAG = timedelta(minutes=1)
"""How long after a change a status that reads as enabled may be the one from before it."""
_REPETITION_MS = 25_000
"""The most that a former execution and the next one take: three times 5 s for Step Functions, 10 s for DynamoDB."""
_REFUSAL_MS = 15_000
"""The most that a refusal takes: twice 5 s for DynamoDB, and 5 s for SQS."""
_MAX_EXECUTIONS_OF_DEPARTURE = 10
"""How many executions one departure may have before a person has to look."""


class OversizedMessageError(OffboardingError):
    """A refused message leaves no room for the reason; SQS itself moves it to the dead-letter queue, whole."""


class EventDeferredError(OffboardingError):
    """An event is left in the queue once, because what is true now may not show yet."""


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Start the executions that a batch of events asks for."""
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)


def record_handler(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Process one message, or send it to the dead-letter queue with the reason."""
    logger.append_keys(message_id=record.message_id, event_id=None)
    try:
        # First, because that can take long, once in some minutes.
        read_intake_settings()
        require_time(lambda_context, _MIN_REMAINING_MS)
        _process_message(record, lambda_context)
    except EventDeferredError:
        logger.info("event deferred")
        metrics.add_metric(name="EventsDeferred", unit="Count", value=1)
        raise
    except Exception as error:
        logger.warning("message returned to queue", extra={"error": type(error).__name__})
        metrics.add_metric(name="EventsLeftInQueue", unit="Count", value=1)
        raise


def start_offboarding(leaver: LeaverEvent, context: LambdaContext) -> str:
    """Start the execution for a leaver, unless there is one already.

    Parameters
    ----------
    leaver
        Who left, as the provider reports it.
    context
        The context of the function, which says how much time is left.

    Returns
    -------
    str
        The name of the execution.

    Raises
    ------
    RefusedEvent
        If it is in doubt which organization and whose mailbox is meant.
    DepartureWithdrawn, DepartureRepeated
        If the person is back since; or was offboarded before, and deleted.
    NoTimeLeftError
        If there is too little time to look at a former execution.
    """
    intake = configuration.intake()
    logger.append_keys(event_id=leaver.deduplication_id)
    organization, user = find_leaver(leaver, context)
    _require_another_requester(leaver, user)
    _require_current_departure(leaver, user)
    is_plan = leaver.dry_run or intake.is_dry_run
    presence = Presence() if is_plan else record_departure(leaver, organization.id, user)
    request = build_input(leaver, organization, user, presence, dry_run=is_plan)
    departure = identify_departure(leaver, organization, user, dry_run=is_plan)
    name, is_started = _start_departure(departure, request, user, context)
    logger.info(
        "execution started" if is_started else "execution already started",
        extra={"provider": leaver.provider, "execution": name},
    )
    metrics.add_metric(name="LeaversAccepted" if is_started else "LeaversRepeated", unit="Count", value=1)
    return name


def _start_departure(
    departure: Departure, request: OffboardingInput, user: LeavingUser | None, context: LambdaContext
) -> tuple[str, bool]:
    """Start the execution of a departure, or find the one that it repeats; return its name, and whether it started."""
    intake = configuration.intake()
    report = Report.of(request["Requester"], entity_key(departure.organization_id, user.id) if user else None)
    for _ in range(_MAX_EXECUTIONS_OF_DEPARTURE):
        name = execution_name(departure)
        if start_execution(intake.state_machine_arn, name, request):
            return name, True
        require_time(context, _REPETITION_MS)
        repeated_arn = find_repeated_execution(_execution_arn(intake, name), request, user)
        # It stands for this report too from now on, unless all others have been taken back.
        if repeated_arn and Reports().join(repeated_arn, report, name, render(datetime.now(UTC))):
            return name, False
        departure = replace(departure, former_name=name)
    raise RefusedEvent(
        f"{_MAX_EXECUTIONS_OF_DEPARTURE} executions have been started for this departure. Look at them, and offboard "
        "this leaver by hand."
    )


def _process_message(record: SQSRecord, context: LambdaContext) -> None:
    try:
        event = parse_event(_parse_json(record.body), read_intake_settings().providers)
        if isinstance(event, UnreadStatus):
            event = _read_status(event, record)
        match event:
            case IgnoredEvent():
                logger.info("event ignored", extra={"provider": event.provider, "reason": event.reason})
                metrics.add_metric(name="EventsNotForUs", unit="Count", value=1)
            case ReturnEvent():
                _process_return(event, record)
            case _:
                _require_returns_heard(record)
                start_offboarding(event, context)
    except DepartureWithdrawn as withdrawal:
        logger.info("departure withdrawn", extra={"reason": str(withdrawal)})
        log_entry = {"At": _first_received_at(record), "Step": "Withdrawn", "Reason": str(withdrawal)}
        log_entry |= _identify_event(record.body)
        Records().record_withdrawn_event(record.message_id, withdrawal.subject, log_entry)
        metrics.add_metric(name="DeparturesWithdrawn", unit="Count", value=1)
    except LaterDateError as refusal:
        # The withdrawal of the sooner one can wait behind it.
        _require_reading(record, str(refusal))
        _refuse(record, refusal, context)
    except DepartureRepeated as repetition:
        logger.info("execution already started", extra={"execution": str(repetition)})
        metrics.add_metric(name="LeaversRepeated", unit="Count", value=1)
    except (RefusedEvent, *_FINAL_ANSWERS) as refusal:
        _refuse(record, refusal, context)


def _refuse(record: SQSRecord, refusal: Exception, context: LambdaContext) -> None:
    """Record that nothing acts on an event, and send it to the dead-letter queue with the reason."""
    require_time(context, _REFUSAL_MS)
    logger.warning("refused", extra={"reason": str(refusal)})
    reason = str(refusal)[:_MAX_REASON_LENGTH]
    _require_room(record, reason)
    Records().record_refused_event(record.message_id, _identify_event(record.body), reason, _first_received_at(record))
    _send_to_dead_letter_queue(record, reason)
    metrics.add_metric(name="EventsRefused", unit="Count", value=1)


def _process_return(event: ReturnEvent, record: SQSRecord) -> None:
    logger.append_keys(event_id=event.deduplication_id)
    _require_timestamp(event.occurred_at)
    entities = find_withdrawn_entities(event.entity) if event.entity else [None]
    received_at = _first_received_at(record)
    results = [process_return(event, entity, received_at) for entity in entities]
    is_return = any(results)
    if not is_return and event.provider == REQUESTS:
        _require_reading(record, "The withdrawal has reached no request. It is read again.", number=3)
        raise RefusedEvent(
            "No request is known that this could withdraw. Check RequestId, EntityId and OrganizationId. An older "
            "request that comes later starts nothing."
        )
    logger.info("return processed", extra={"provider": event.provider, "is_return": is_return})
    metrics.add_metric(name="LeaversReturned" if is_return else "PeopleActive", unit="Count", value=1)


def _require_returns_heard(record: SQSRecord) -> None:
    """Have a departure that has waited long read a second time, after the returns that wait behind it.

    Raises
    ------
    EventDeferredError
        If it is read for the first time.
    """
    attributes = record.attributes
    waited_ms = int(attributes.approximate_first_receive_timestamp) - int(attributes.sent_timestamp)
    if waited_ms > _LONG_WAIT_MS:
        _require_reading(record, "The event has waited long, so a return can wait behind it. It is read again.")


def _require_reading(record: SQSRecord, reason: str, *, number: int = 2) -> None:
    """Leave an event in the queue until it has been read so many times."""
    if int(record.attributes.approximate_receive_count) < number:
        raise EventDeferredError(reason)


def _read_status(change: UnreadStatus, record: SQSRecord) -> LeaverEvent | ReturnEvent | IgnoredEvent:
    """Read whether a user of an identity store of the settings is enabled, and return what that means.

    Raises
    ------
    EventDeferredError
        If it was read right after the change, and may be that from before.
    """
    logger.append_keys(event_id=change.deduplication_id)
    list_organizations_of_store(change.identity_store_id, read_intake_settings())
    user = find_store_user(change.identity_store_id, change.user_id)
    now = datetime.now(UTC)
    event = judge_status(change, user, now)
    is_fresh = now - _require_timestamp(change.occurred_at) < _STATUS_LAG
    if is_fresh and not _is_new_departure(event):
        _require_reading(record, "The status was read right after the change. It is read again.")
    return event


def _is_new_departure(event: LeaverEvent | ReturnEvent | IgnoredEvent) -> bool:
    """Return whether somebody is away who was not reported as away: then nothing can be missed by acting at once."""
    if not isinstance(event, LeaverEvent) or event.provider_user_id is None:
        return False
    presence = Reports().find_presence(Reporter.of(event.provider, event.provider_user_id))
    return presence.away_at is None or presence.is_back


def _require_current_departure(leaver: LeaverEvent, user: LeavingUser | None) -> None:
    """Refuse an event from before the user was registered, because it is about an earlier departure."""
    occurred_at = _require_timestamp(leaver.occurred_at)
    if user and user.enabled_since and occurred_at < user.enabled_since - PROVIDER_CLOCK_SKEW:
        raise RefusedEvent(
            f"The event happened at {leaver.occurred_at}, and the user was registered later, at "
            f"{render(user.enabled_since)}. It is about an earlier departure. Offboard by hand if it is not."
        )


def _require_timestamp(occurred_at: str) -> datetime:
    try:
        return parse(occurred_at)
    except (ValueError, OverflowError):
        raise RefusedEvent("The event has no RFC 3339 timestamp of when it happened.") from None


def _require_another_requester(leaver: LeaverEvent, user: LeavingUser | None) -> None:
    if casefolded(leaver.requested_by) & casefolded(leaver.subject, user.email if user else None):
        raise RefusedEvent("The requester is the leaver. Requester and leaver must be different people.")


def _execution_arn(intake: IntakeConfiguration, name: str) -> str:
    return f"{intake.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def _require_room(record: SQSRecord, reason: str) -> None:
    if len(record.body.encode()) + len(reason.encode()) + _ATTRIBUTE_OVERHEAD_BYTES > _MAX_MESSAGE_BYTES:
        raise OversizedMessageError("The message is too large for the dead-letter queue together with a reason.")


def _identify_event(body: str) -> dict[str, str]:
    """Return the provider, the id and the time of a refused event, as far as it has them; none of these is a name."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    facts = {
        "Provider": provider_of(event),
        "EventId": member(event, "id"),
        "OccurredAt": member(event, "time"),
    }
    patterns = {"Provider": r"\w+", "EventId": r"[\w-]{1,64}", "OccurredAt": r"[\dTZ:.+-]{1,40}"}
    return {name: str(fact) for name, fact in facts.items() if fact and re.fullmatch(patterns[name], str(fact))}


def _first_received_at(record: SQSRecord) -> str:
    """Return when a message was delivered first, which stays the same however often it is delivered."""
    milliseconds = int(record.attributes.approximate_first_receive_timestamp)
    return render(datetime.fromtimestamp(milliseconds / 1000, UTC))


def _send_to_dead_letter_queue(record: SQSRecord, reason: str) -> None:
    answer = queues.send_message(
        QueueUrl=configuration.intake().dead_letter_queue_url,
        MessageBody=record.body,
        MessageAttributes={
            "Reason": {"DataType": "String", "StringValue": reason},
            "MessageId": {"DataType": "String", "StringValue": record.message_id},
        },
    )
    if not answer.get("MessageId"):
        raise UnexpectedAnswer("SendMessage was answered without MessageId. Nothing shows that it was sent.")


def _parse_json(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        raise RefusedEvent("The message is not JSON.") from None
    except RecursionError:
        raise RefusedEvent("The message is nested too deeply.") from None
