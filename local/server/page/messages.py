"""What the stack told: its mails and events, through a queue of the server's own, kept in memory.

SQS keeps a message for 14 days at most, and the clock can be moved by months: whoever moves it calls `Inbox.collect` on
the way. What was refused or ignored is read where the stack itself writes it: in its table, and in a function's log.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from local.server.page.stack import StackView

PAGE_SIZE = 50
MAX_MESSAGES = 2000
COLLECT_EVERY = timedelta(days=7)
"""How far the clock can be moved until messages have to be collected: less than SQS keeps them for."""
_NAME = "make-serve-page"
_QUEUE_RETENTION_SECONDS = "1209600"
_BATCH_SIZE = 10
_TOPIC_OUTPUTS = ("NotificationTopicArn", "AlarmTopicArn")
_REQUESTS = ("Offboarding Requested", "Offboarding Withdrawn")
"""Events to the stack, which have the source of those that it sends."""
_STARTER = "StartOffboarding"
_FIRST_MOMENT, _LAST_MOMENT = "2000", "3000"


@dataclass(frozen=True)
class Message:
    """One thing that the stack told, refused or ignored.

    Attributes
    ----------
    Number
        Counts the messages; 0 for what is not read from the queue.
    Kind
        `mail`, `event`, `refused` or `ignored`.
    At
        RFC 3339.
    Title, Text
        The subject and the body of a mail, for example.
    ExecutionArn
        The execution that it is about, if it names one.
    """

    Number: int
    Kind: str
    At: str
    Title: str
    Text: str
    ExecutionArn: str | None = None


class Inbox:
    """The queue of the server, which is made when somebody first opens the page.

    Parameters
    ----------
    stack
        What is deployed.
    """

    def __init__(self, stack: StackView) -> None:
        self._stack = stack
        self._lock = threading.Lock()
        self._queue_url: str | None = None
        self._queue_arn = ""
        self._topics: tuple[str, ...] = ()
        self._messages: deque[Message] = deque(maxlen=MAX_MESSAGES)
        self.count = 0

    def open(self) -> None:
        """Make the queue, and subscribe it to what is deployed now, unless that has happened."""
        with self._lock:
            if self._queue_url is None:
                self._create_queue()
            outputs = self._stack.outputs
            topics = tuple(outputs[name] for name in _TOPIC_OUTPUTS if name in outputs)
            if topics != self._topics:
                for topic in topics:
                    self._stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self._queue_arn)
                self._topics = topics

    def collect(self) -> None:
        """Receive what has arrived; nothing if nobody has opened the page."""
        with self._lock:
            if self._queue_url is not None:
                for message in self._receive():
                    self.count += 1
                    self._messages.append(_parse_message(self.count, message))

    def list_told(self, since: int = 0) -> list[Message]:
        """List the mails and events after a number, the newest first."""
        with self._lock:
            return [message for message in reversed(self._messages) if message.Number > since]

    def _create_queue(self) -> None:
        queues, events = self._stack.client("sqs"), self._stack.client("events")
        attributes = {"MessageRetentionPeriod": _QUEUE_RETENTION_SECONDS}
        self._queue_url = str(queues.create_queue(QueueName=_NAME, Attributes=attributes)["QueueUrl"])
        answer = queues.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["QueueArn"])
        self._queue_arn = answer["Attributes"]["QueueArn"]
        pattern = {"source": ["workmail.offboarding"], "detail-type": [{"anything-but": list(_REQUESTS)}]}
        events.put_rule(Name=_NAME, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=_NAME, Targets=[{"Id": "page", "Arn": self._queue_arn}])

    def _receive(self) -> Iterator[dict[str, Any]]:
        queues = self._stack.client("sqs")
        request = {"QueueUrl": self._queue_url, "MaxNumberOfMessages": _BATCH_SIZE, "AttributeNames": ["SentTimestamp"]}
        while messages := queues.receive_message(**request).get("Messages"):
            for message in messages:
                yield message
                queues.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])


def list_messages(stack: StackView, inbox: Inbox, kind: str, offset: int) -> dict[str, Any]:
    """List a page of what was told, refused and ignored, the newest first.

    Parameters
    ----------
    stack
        What is deployed.
    inbox
        The queue of the server.
    kind
        One of the kinds; empty for all.
    offset
        How many to leave out.
    """
    messages = [*inbox.list_told(), *_iterate_refused(stack), *_iterate_ignored(stack)]
    matching = [message for message in messages if kind in {"", message.Kind}]
    matching.sort(key=lambda message: (message.At, message.Number), reverse=True)
    rows = [asdict(message) for message in islice(matching, offset, offset + PAGE_SIZE)]
    return {"Total": len(matching), "Offset": offset, "Last": inbox.count, "Rows": rows}


def summarize_news(stack: StackView, inbox: Inbox, since: int) -> dict[str, Any]:
    """Count what was told since a number, by title; and say what was refused and ignored last.

    Parameters
    ----------
    stack
        What is deployed.
    inbox
        The queue of the server.
    since
        The number of the last message that is no news.
    """
    counts = Counter((message.Kind, message.Title) for message in reversed(inbox.list_told(since)))
    refused, ignored = list(_iterate_refused(stack)), list(_iterate_ignored(stack))
    return {
        "Last": inbox.count,
        "Told": [{"Kind": kind, "Title": title, "Count": count} for (kind, title), count in counts.items()],
        "Refused": {"Total": len(refused), "Text": refused[0].Text if refused else ""},
        "Ignored": {"Total": len(ignored), "Text": ignored[0].Text if ignored else ""},
    }


def _iterate_refused(stack: StackView) -> Iterator[Message]:
    """Go through the events that started nothing, as the table of records has them with the reason."""
    records = stack.records
    steps = records.iterate_steps(_FIRST_MOMENT, _LAST_MOMENT, names=["Refused"], newest_first=True) if records else ()
    for step in islice(steps, MAX_MESSAGES):
        title = f"Event refused ({step.get('Provider', 'unknown provider')})"
        yield Message(0, "refused", _normalize(step["At"]), title, str(step.get("Reason", "")))


def _iterate_ignored(stack: StackView) -> Iterator[Message]:
    """Go through the events that mean nothing to the stack, as the function logs them."""
    if not stack.machines:
        return
    try:
        lines = stack.environment.logs(_STARTER)
    except LookupError:
        return
    for line in reversed(lines[-MAX_MESSAGES:]):
        entry = json.loads(line) if line.startswith("{") and '"event ignored"' in line else {}
        if entry.get("message") == "event ignored":
            title = f"Event ignored ({entry.get('provider', 'unknown provider')})"
            yield Message(0, "ignored", _normalize(entry["timestamp"]), title, f"{entry['reason']}.")


def _parse_message(number: int, message: dict[str, Any]) -> Message:
    at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC).isoformat()
    body = json.loads(message["Body"])
    if "TopicArn" in body:
        return Message(number, "mail", at, body.get("Subject") or "", body["Message"])
    detail = body["detail"]
    text = json.dumps(detail, indent=2, ensure_ascii=False)
    outcome = f": {detail['Outcome']}" if "Outcome" in detail else ""
    return Message(number, "event", at, f"{body['detail-type']}{outcome}", text, detail.get("ExecutionArn"))


def _normalize(moment: str) -> str:
    return datetime.fromisoformat(moment).isoformat()
