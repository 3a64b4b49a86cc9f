"""NotifySubscribers: tell other systems and people what happened, by an event and where due by a mail.

Takes a batch of new steps from the stream of the table of records, or a batch of messages of the queue: keys of steps,
and changes of the stack's alarms, of which there is a mail and no event. A step of the stream that cannot be published
is queued, so that it delays no other one. A message of the queue is tried again by SQS. So each step is told at least
once: if only one of its event and its mail failed, both are published again. A step that `offboarding records import`
has written was told before.
"""

import json
from typing import Any, cast

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.publishing import PublishingFailedError, publish_mail, put_event, queue_step
from offboarding.adapters.table import Key, Table, parse_item
from offboarding.domain.errors import OffboardingError, UnexpectedAnswer
from offboarding.domain.notifications.alarms import is_alarm_change, make_alarm_mail
from offboarding.domain.notifications.events import make_event
from offboarding.domain.notifications.mails import Mail, MailOptions, make_mail
from offboarding.domain.notifications.steps import StepKey, ToldStep
from offboarding.edge.observability import logger, metrics
from offboarding.edge.remaining_time import require_time

stream_processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
queue_processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

_PUBLISHING_MS = 16_000
"""The most that a step of the stream takes: 5 s each for EventBridge, SNS and SQS."""
_QUEUEING_MS = 6_000
"""The most that queueing a step takes."""


class StepNotPublishedError(OffboardingError):
    """The event or the mail about a step could not be published."""


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Tell a batch of steps, or of changes of alarms."""
    if event["Records"][0]["eventSource"] == "aws:dynamodb":
        return process_partial_response(
            event=event, record_handler=stream_record_handler, processor=stream_processor, context=context
        )
    return process_partial_response(
        event=event, record_handler=queue_record_handler, processor=queue_processor, context=context
    )


def stream_record_handler(record: DynamoDBRecord, lambda_context: LambdaContext) -> None:
    """Tell one step of the stream, or queue it."""
    change = record["dynamodb"]
    key = cast(StepKey, parse_item(change["Keys"]))
    _set_log_keys(key)
    if "ImportedAt" in change["NewImage"]:
        logger.info("imported step ignored")
        return
    try:
        require_time(lambda_context, _PUBLISHING_MS)
        _publish_step(cast(ToldStep, parse_item(change["NewImage"])))
    except Exception as error:
        logger.warning("step queued", extra={"error": type(error).__name__})
        metrics.add_metric(name="NotificationsQueued", unit="Count", value=1)
        require_time(lambda_context, _QUEUEING_MS)
        queue_step(configuration.notifications().queue_url, key)


def queue_record_handler(record: SQSRecord) -> None:
    """Tell one message of the queue; SQS delivers it again if that fails."""
    logger.append_keys(message_id=record.message_id, correlation_id=None, step=None)
    try:
        message = _parse_json(record.body)
        if is_alarm_change(message):
            _tell_alarm(message)
        else:
            _tell_step(_parse_key(message))
    except Exception as error:
        logger.warning("message returned to queue", extra={"error": type(error).__name__})
        metrics.add_metric(name="NotificationsLeftInQueue", unit="Count", value=1)
        raise


def _tell_step(key: StepKey) -> None:
    _set_log_keys(key)
    step = Table().read(Key(key["Id"], key["Part"]))
    if step is None:
        logger.warning("step was deleted")
        metrics.add_metric(name="NotificationsDropped", unit="Count", value=1)
    else:
        _publish_step(cast(ToldStep, step))


def _tell_alarm(event: dict[str, Any]) -> None:
    mail = make_alarm_mail(event, configuration.notifications().stack_name)
    if mail is None:
        logger.info("alarm ignored")
    else:
        _send_mail(mail)


def _publish_step(step: ToldStep) -> None:
    """Publish the event and the mail about a step, each also if the other one fails."""
    is_published = True
    for action, publish in (("events:PutEvents", _put_event), ("sns:Publish", _publish_mail)):
        try:
            publish(step)
        except Exception as error:
            is_published = False
            reason = str(error) if isinstance(error, PublishingFailedError) else type(error).__name__
            logger.error("not published", extra={"action": action, "error": reason})
            metrics.add_metric(name="NotificationsFailed", unit="Count", value=1)
    if not is_published:
        raise StepNotPublishedError("The event or the mail was not published.")


def _put_event(step: ToldStep) -> None:
    event = make_event(step)
    if event is not None:
        put_event(event)
        logger.info("event published", extra={"event_id": event.detail["EventId"], "detail_type": event.detail_type})
        metrics.add_metric(name="EventsPublished", unit="Count", value=1)


def _publish_mail(step: ToldStep) -> None:
    settings = configuration.notifications()
    mail = make_mail(step, MailOptions(settings.names_in_mails, settings.stack_name))
    if mail is not None:
        _send_mail(mail)


def _send_mail(mail: Mail) -> None:
    publish_mail(configuration.notifications().topic_arn, mail)
    logger.info("mail published", extra={"subject": mail.subject})
    metrics.add_metric(name="MailsPublished", unit="Count", value=1)


def _parse_json(body: str) -> Any:  # noqa: ANN401 (a message is any JSON)
    try:
        return json.loads(body)
    except ValueError:
        raise UnexpectedAnswer("The message is not JSON.") from None


def _parse_key(message: Any) -> StepKey:  # noqa: ANN401 (a message is any JSON)
    try:
        return {"Id": str(message["Id"]), "Part": str(message["Part"])}
    except (KeyError, TypeError):
        raise UnexpectedAnswer("The message is neither the key of a step nor the change of an alarm.") from None


def _set_log_keys(key: StepKey) -> None:
    logger.append_keys(correlation_id=key["Id"], step=key["Part"])
