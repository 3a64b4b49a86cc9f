"""Publishes events to the default event bus and mails to the topic, and queues steps that could not be published.

Each call is tried once: a step that is not published is queued, and tried again later.
"""

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from offboarding.adapters.aws import LazyClient, client, error_code
from offboarding.domain.errors import OffboardingError
from offboarding.domain.notifications.events import SOURCE, Event
from offboarding.domain.notifications.mails import Mail
from offboarding.domain.notifications.steps import StepKey

bus = client("events", attempts=1)
topics = LazyClient("sns", attempts=1)
queues = LazyClient("sqs", attempts=1)


class PublishingFailedError(OffboardingError):
    """A service did not confirm that it took an event or a message. The message has the call and the error's code."""


def put_event(event: Event) -> None:
    """Put an event on the default event bus.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html

    Raises
    ------
    PublishingFailedError
        If EventBridge does not confirm that it took the event.
    """
    entry = {
        "Source": SOURCE,
        "DetailType": event.detail_type,
        "Detail": json.dumps(event.detail),
        "Resources": list(event.resources),
    }
    answer = _call("events:PutEvents", lambda: bus.put_events(Entries=[entry]))
    if answer.get("FailedEntryCount") != 0:
        [result] = answer.get("Entries") or [{}]
        raise PublishingFailedError(f"events:PutEvents: {result.get('ErrorCode', 'unknown')}")


def publish_mail(topic_arn: str, mail: Mail) -> None:
    """Publish a mail to a topic.

    https://docs.aws.amazon.com/sns/latest/api/API_Publish.html

    Raises
    ------
    PublishingFailedError
        If SNS does not confirm that it took the mail.
    """
    answer = _call("sns:Publish", lambda: topics.publish(TopicArn=topic_arn, Subject=mail.subject, Message=mail.text))
    _require_message_id("sns:Publish", answer)


def queue_step(queue_url: str, key: StepKey) -> None:
    """Put the key of a step, and nothing else of it, into the queue of those to be published later.

    Raises
    ------
    PublishingFailedError
        If SQS does not confirm that it took the message.
    """
    body = json.dumps({"Id": key["Id"], "Part": key["Part"]})
    answer = _call("sqs:SendMessage", lambda: queues.send_message(QueueUrl=queue_url, MessageBody=body))
    _require_message_id("sqs:SendMessage", answer)


def _call(action: str, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        raise PublishingFailedError(f"{action}: {error_code(error)}") from None


def _require_message_id(action: str, answer: dict[str, Any]) -> None:
    if not answer.get("MessageId"):
        raise PublishingFailedError(f"{action}: no MessageId")
