"""A queue of a test that receives what the stack tells."""

import json
from typing import Any


class Inbox:
    """The queue; it can be subscribed to a topic, and be the target of a rule."""

    def __init__(self, flow: Any, name: str) -> None:
        self._sqs = flow.environment.client("sqs")
        self._queue = self._sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "1209600"})[
            "QueueUrl"
        ]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        self.arn = attributes["Attributes"]["QueueArn"]

    def read(self) -> list[dict[str, Any]]:
        """Return the messages since the last call."""
        received = []
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                received.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return received
