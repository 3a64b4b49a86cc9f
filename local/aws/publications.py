"""What is published to SNS's topics and put on EventBridge's buses, for whoever in this process listens.

A listener is no subscription and no target: nobody sees it in AWS's APIs, and it changes nothing there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.events.models import EventsBackend
from moto.sns.models import Topic

from local.hooks import Hooks


@dataclass(frozen=True)
class TopicMessage:
    """A message that was published to a topic.

    Attributes
    ----------
    topic_arn
        The topic.
    subject, text
        The message; the subject can be empty.
    """

    topic_arn: str
    subject: str
    text: str


@dataclass(frozen=True)
class BusEvent:
    """An event that was put on an event bus.

    Attributes
    ----------
    source, detail_type, detail
        Members of the event.
    """

    source: str
    detail_type: str
    detail: Any


class Publications:
    """Reports each message and event that AWS has accepted.

    Attributes
    ----------
    listeners
        Called with each of them, by the thread that published it, after its delivery.
    """

    def __init__(self) -> None:
        self.listeners: list[Callable[[TopicMessage | BusEvent], None]] = []

    def install(self, hooks: Hooks) -> None:
        """Report them for as long as the hooks are in place."""
        publish, put_events = Topic.publish, EventsBackend.put_events

        def publish_and_report(topic: Topic, message: str, subject: str | None = None, **options: Any) -> str:
            message_id: str = publish(topic, message, subject=subject, **options)
            self._report(TopicMessage(topic.arn, subject or "", message))
            return message_id

        def put_and_report(backend: EventsBackend, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
            results: list[dict[str, Any]] = put_events(backend, events)
            for event, result in zip(events, results, strict=True):
                if "EventId" in result:
                    self._report(BusEvent(event["Source"], event["DetailType"], json.loads(event["Detail"])))
            return results

        hooks.replace(Topic, "publish", publish_and_report)
        hooks.replace(EventsBackend, "put_events", put_and_report)

    def _report(self, publication: TopicMessage | BusEvent) -> None:
        for listener in self.listeners:
            listener(publication)
