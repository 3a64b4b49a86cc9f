"""SQS event source mappings on the clock: batches, partial failures, redelivery, dead letters, pausing.

moto invokes a function for each single message, when it is sent and inside the sender's call, and does not support
partial batch responses. Here a poller does it instead: it reads batches as AWS Lambda does, deletes the messages that
were processed, and leaves the failed ones to the queue's visibility timeout and redrive policy. A batch that Lambda
refuses because of the concurrency is tried again after 1, 2, 4 … 60 seconds, until that timeout.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.awslambda.models import EventSourceMapping
from moto.sqs.models import Queue, sqs_backends

from local.aws.functions.mapping_invocations import Invocation, invoke_function, list_failure_identifiers
from local.clock import Clock
from local.hooks import Hooks

_ONE_MILLISECOND = timedelta(milliseconds=1)
_MIN_DELAY = timedelta(seconds=1)
_MAX_DELAY = timedelta(minutes=1)


class QueuePoller:
    """Reads the queues for the event source mappings.

    Parameters
    ----------
    clock
        The clock on which failed messages become visible again, and on which a batch is work.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._queues_in_progress: set[str] = set()

    def install(self, hooks: Hooks) -> None:
        """Poll instead of moto for as long as the hooks are in place."""
        add_message = Queue.add_message

        def add_and_poll(queue: Queue, message: Any) -> None:
            with self._lock:
                mappings, queue.lambda_event_source_mappings = queue.lambda_event_source_mappings, {}
                try:
                    add_message(queue, message)
                finally:
                    queue.lambda_event_source_mappings = mappings
            self.poll(queue)
            if message.delayed:
                due = datetime.fromtimestamp(message.delayed_until / 1000, UTC)
                self._clock.call_at(due, lambda: self.poll(queue), f"delayed delivery from {queue.name}")

        hooks.replace(Queue, "add_message", add_and_poll)

    def add(self, mapping: EventSourceMapping) -> None:
        """Begin to read for a mapping that was created."""
        self.update(mapping)

    def update(self, mapping: EventSourceMapping) -> None:
        """Read for a mapping that was changed."""
        self.poll(_queue_of(mapping))

    def remove(self, mapping: EventSourceMapping) -> None:
        """Stop reading for a mapping that was deleted."""
        with self._lock:
            mappings = _queue_of(mapping).lambda_event_source_mappings
            for function in [name for name, value in mappings.items() if value is mapping]:
                del mappings[function]

    def poll(self, queue: Queue) -> None:
        """Have the queue read until it is empty for its enabled mapping, unless that is in progress."""
        with self._lock:
            mapping = next((m for m in queue.lambda_event_source_mappings.values() if m.enabled), None)
            if mapping is None or queue.queue_arn in self._queues_in_progress:
                return
            if not queue._messages:
                # No thread for nothing: when a mapping is made, and when a processed message would be visible again.
                self._receive_batch(queue, mapping)
                return
            self._queues_in_progress.add(queue.queue_arn)
        self._clock.start_thread(
            f"event source mapping of {queue.name}", lambda: self._process_messages(queue, mapping)
        )

    def _process_messages(self, queue: Queue, mapping: EventSourceMapping) -> None:
        while True:
            with self._lock:
                messages = self._receive_batch(queue, mapping) if mapping.enabled else []
                if not messages:
                    self._queues_in_progress.discard(queue.queue_arn)
                    return
            records = [_make_record(mapping, message, queue.region) for message in messages]
            invocation = self._invoke(mapping, messages, records)
            failed = _failed_message_ids(invocation.answer, messages)
            for message in messages:
                if message.id not in failed:
                    sqs_backends[queue.account_id][queue.region].delete_message(queue.name, message.receipt_handle)

    def _invoke(self, mapping: EventSourceMapping, messages: list[Any], records: list[dict[str, Any]]) -> Invocation:
        """Invoke the function of a mapping; again while Lambda refuses it and the messages are invisible to others."""
        visible_at = min(_visible_at(message) for message in messages)
        delay = _MIN_DELAY
        while True:
            invocation = invoke_function(mapping, records)
            if not invocation.is_throttled or self._clock.now() + delay > visible_at:
                return invocation
            self._clock.sleep(delay)
            delay = min(_MAX_DELAY, 2 * delay)

    def _receive_batch(self, queue: Queue, mapping: EventSourceMapping) -> list[Any]:
        backend = sqs_backends[queue.account_id][queue.region]
        messages = backend.receive_message(queue.name, mapping.batch_size, 0, int(queue.visibility_timeout))
        for message in messages:
            visible = _visible_at(message) + _ONE_MILLISECOND
            self._clock.call_at(visible, lambda: self.poll(queue), f"redelivery from {queue.name}")
        return messages


def _visible_at(message: Any) -> datetime:
    return datetime.fromtimestamp(message.visible_at / 1000, UTC)


def _queue_of(mapping: EventSourceMapping) -> Queue:
    _, _, _, region, account, name = mapping.event_source_arn.split(":")
    return sqs_backends[account][region].get_queue(name)


def _make_record(mapping: EventSourceMapping, message: Any, region: str) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        },
        "messageAttributes": {},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.event_source_arn,
        "awsRegion": region,
    }


def _failed_message_ids(answer: Any, messages: list[Any]) -> set[str]:
    """Return the ids of the messages that stay in the queue, as Lambda interprets the function's answer."""
    all_ids = {message.id for message in messages}
    identifiers = list_failure_identifiers(answer)
    if identifiers is None:
        return all_ids
    failures = set(identifiers)
    return failures & all_ids if failures <= all_ids else all_ids
