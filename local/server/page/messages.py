"""What the stack told: its mails and events, and the executions that ended, kept in memory.

No queue is subscribed for it: the stack looks to `offboarding doctor` as it would without the page. What was refused or
ignored is read where the stack itself writes it: in its table, and in a function's log.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from local.aws.publications import BusEvent, TopicMessage
from local.aws.stepfunctions.status_events import DETAIL_TYPE, SOURCE
from local.server.page.stack import StackView

PAGE_SIZE = 50
MAX_MESSAGES = 2000
_STACK_SOURCE = "workmail.offboarding"
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
        Counts what was told and what ended; 0 for what was refused or ignored.
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
    """Keeps what the stack tells, and which of its offboardings end.

    Parameters
    ----------
    stack
        What is deployed.
    """

    def __init__(self, stack: StackView) -> None:
        self._stack = stack
        self._lock = threading.Lock()
        self._messages: deque[Message] = deque(maxlen=MAX_MESSAGES)
        self._ended: deque[tuple[int, str]] = deque(maxlen=MAX_MESSAGES)
        self.count = 0
        stack.environment.publications.listeners.append(self._receive)

    def list_told(self, since: int = 0) -> list[Message]:
        """List the mails and events after a number, the newest first."""
        with self._lock:
            return [message for message in reversed(self._messages) if message.Number > since]

    def list_ended(self, since: int) -> list[str]:
        """List the ARNs of the offboardings that have ended after a number, the newest first."""
        with self._lock:
            return [arn for number, arn in reversed(self._ended) if number > since]

    def _receive(self, publication: TopicMessage | BusEvent) -> None:
        if isinstance(publication, TopicMessage):
            if publication.topic_arn in {self._stack.outputs.get(name) for name in _TOPIC_OUTPUTS}:
                self._add("mail", publication.subject, publication.text)
        elif publication.source == _STACK_SOURCE and publication.detail_type not in _REQUESTS:
            detail = publication.detail if isinstance(publication.detail, dict) else {}
            outcome = f": {detail['Outcome']}" if "Outcome" in detail else ""
            text = json.dumps(publication.detail, indent=2, ensure_ascii=False)
            self._add("event", f"{publication.detail_type}{outcome}", text, detail.get("ExecutionArn"))
        elif (publication.source, publication.detail_type) == (SOURCE, DETAIL_TYPE):
            self._add_end(publication.detail)

    def _add(self, kind: str, title: str, text: str, execution_arn: str | None = None) -> None:
        at = self._stack.environment.clock.now().isoformat()
        with self._lock:
            self.count += 1
            self._messages.append(Message(self.count, kind, at, title, text, execution_arn))

    def _add_end(self, detail: dict[str, Any]) -> None:
        is_offboarding = detail["stateMachineArn"] == self._stack.machines.get("offboarding")
        if is_offboarding and detail["status"] != "RUNNING":
            with self._lock:
                self.count += 1
                self._ended.append((self.count, detail["executionArn"]))


def list_messages(stack: StackView, inbox: Inbox, kind: str, offset: int) -> dict[str, Any]:
    """List a page of what was told, refused and ignored, the newest first.

    Parameters
    ----------
    stack
        What is deployed.
    inbox
        What was told.
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
        What was told.
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


def _normalize(moment: str) -> str:
    return datetime.fromisoformat(moment).isoformat()
