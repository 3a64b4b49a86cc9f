"""The metrics of SQS queues, one value for each minute: the state at the minute's end.

A queue is looked at when something has changed in it. Between two looks its counts are the same, and the age of its
oldest message grows by a minute each minute. So no minute without a change costs anything.

A queue that was used once has values from then on. On AWS it has none after six hours without a message and a call.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.sqs.models import Message, Queue, SQSBackend

from local.aws.cloudwatch.metrics import SECONDS_PER_MINUTE, MetricId, StatisticSet, merge_all

NAMESPACE = "AWS/SQS"
OLDEST_MESSAGE_AGE = "ApproximateAgeOfOldestMessage"
_MAX_RECEIVES_OF_OLDEST = 3
"""A message that was received more often is not taken for the oldest one."""


@dataclass(frozen=True)
class _State:
    """What a queue holds.

    Attributes
    ----------
    counts
        The numbers of messages, by the metric's name.
    oldest_sent_at
        When the oldest message was sent, in seconds since 1970; None without one.
    """

    counts: Mapping[str, int]
    oldest_sent_at: float | None

    def compute(self, name: str, start: int, end: int) -> StatisticSet:
        """Return the statistics of a metric over minutes in which nothing changed."""
        if name != OLDEST_MESSAGE_AGE:
            return StatisticSet.of_value(self.counts[name], end - start)
        if self.oldest_sent_at is None:
            return StatisticSet.of_value(0, end - start)
        youngest, eldest = ((minute * SECONDS_PER_MINUTE) - self.oldest_sent_at for minute in (start + 1, end))
        return StatisticSet((youngest + eldest) / 2 * (end - start), end - start, youngest, eldest)


class QueueMetrics:
    """The states of queues over time."""

    def __init__(self) -> None:
        self._states: dict[MetricId, list[tuple[int, _State]]] = {}

    def look_at(self, queue: Queue, minute: int) -> list[MetricId]:
        """Record the state of a queue as that of a minute, and of the following ones; return what has changed."""
        state = _read_state(queue)
        changed = []
        for name in (*state.counts, OLDEST_MESSAGE_AGE):
            metric = MetricId(queue.account_id, queue.region, NAMESPACE, name, frozenset({("QueueName", queue.name)}))
            history = self._states.setdefault(metric, [])
            if not history or _differ(history[-1][1], state, name):
                history.append((minute, state))
                changed.append(metric)
        return changed

    def list_metrics(self) -> list[MetricId]:
        """Return the metrics of queues that were used."""
        return list(self._states)

    def read(self, metric: MetricId, start: int, end: int) -> StatisticSet | None:
        """Return the statistics from a minute up to, and without, another one; None if there is no value."""
        return merge_all(
            state.compute(metric.name, since, until) for state, since, until in self._iterate_states(metric, start, end)
        )

    def oldest_sent_at(self, metric: MetricId) -> float | None:
        """Return when the oldest message of a metric's queue was sent, in seconds since 1970; None without one."""
        history = self._states.get(metric)
        return history[-1][1].oldest_sent_at if history else None

    def _iterate_states(self, metric: MetricId, start: int, end: int) -> Iterator[tuple[_State, int, int]]:
        history = self._states.get(metric, [])
        begin = max(0, bisect.bisect_right(history, start, key=lambda entry: entry[0]) - 1)
        for index in range(begin, len(history)):
            minute, state = history[index]
            until = history[index + 1][0] if index + 1 < len(history) else end
            if max(minute, start) < min(until, end):
                yield state, max(minute, start), min(until, end)


def next_change(queue: Queue) -> float | None:
    """Return when the state of a queue changes by itself, in seconds since 1970; None if nothing is due."""
    now, retention = time.time(), _retention_seconds(queue)
    moments = [
        moment
        for message in queue._messages
        for moment in (
            message.visible_at / 1000,
            message.delayed_until / 1000,
            (message.sent_timestamp or 0) / 1000 + retention,
        )
        if moment >= now
    ]
    return min(moments, default=None)


def iterate_hooks() -> Iterator[tuple[Any, str]]:
    """Yield the methods of moto after which a queue can have changed: their class and their name.

    The first parameter of the class `SQSBackend` is the name of the queue.
    """
    yield Queue, "add_message"
    yield Queue, "delete_message"
    for name in ("receive_message", "change_message_visibility", "purge_queue"):
        yield SQSBackend, name


def _differ(former: _State, state: _State, name: str) -> bool:
    if name == OLDEST_MESSAGE_AGE:
        return former.oldest_sent_at != state.oldest_sent_at
    return former.counts[name] != state.counts[name]


def _read_state(queue: Queue) -> _State:
    now, retention = time.time(), _retention_seconds(queue)
    messages = [m for m in list(queue._messages) if (m.sent_timestamp or 0) / 1000 + retention > now]
    delayed = sum(message.delayed for message in messages)
    invisible = sum(not message.visible for message in messages)
    counts = {
        "ApproximateNumberOfMessagesVisible": len(messages) - delayed - invisible,
        "ApproximateNumberOfMessagesNotVisible": invisible,
        "ApproximateNumberOfMessagesDelayed": delayed,
    }
    sent = [(m.sent_timestamp or 0) / 1000 for m in messages if _can_be_oldest(m)]
    return _State(counts, min(sent, default=None))


def _can_be_oldest(message: Message) -> bool:
    return message.approximate_receive_count <= _MAX_RECEIVES_OF_OLDEST


def _retention_seconds(queue: Queue) -> float:
    return float(queue.message_retention_period)
