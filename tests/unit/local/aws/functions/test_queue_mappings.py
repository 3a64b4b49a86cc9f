"""Event source mappings on the clock, with a function and a queue of the test's own."""

import json
import textwrap
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto.sqs.models import SQSBackend

from local.environment import Environment
from tests.unit.local.conftest import NOON, zipped

HANDLER = """
    import json
    def handler(event, context):
        bodies = [record["body"] for record in event["Records"]]
        print("BATCH", json.dumps(bodies))
        if "crash" in bodies:
            raise ValueError("crash")
        if "nonsense" in bodies:
            return {"batchItemFailures": [{"itemIdentifier": "nobody"}]}
        failed = [r["messageId"] for r in event["Records"] if r["body"].startswith("bad")]
        return {"batchItemFailures": [{"itemIdentifier": i} for i in failed]}
"""


class Mapping:
    def __init__(self, aws: Environment) -> None:
        self.aws = aws
        self.sqs = boto3.client("sqs", "us-east-1")
        self.functions = boto3.client("lambda", "us-east-1")
        self.dead = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self._arn(self.dead), "maxReceiveCount": 3}
        attributes = {"VisibilityTimeout": "60", "RedrivePolicy": json.dumps(redrive)}
        self.queue = self.sqs.create_queue(QueueName="queue", Attributes=attributes)["QueueUrl"]
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]}
        role = boto3.client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))
        self.functions.create_function(
            FunctionName="reader",
            Runtime="python3.13",
            Role=role["Role"]["Arn"],
            Handler="app.handler",
            Code={"ZipFile": zipped({"app.py": textwrap.dedent(HANDLER)})},
        )
        self.uuid = self.functions.create_event_source_mapping(
            EventSourceArn=self._arn(self.queue), FunctionName="reader", BatchSize=10
        )["UUID"]

    def _arn(self, url: str) -> str:
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def enable(self, *, enabled: bool) -> None:
        self.functions.update_event_source_mapping(UUID=self.uuid, Enabled=enabled)
        self.aws.clock.settle()

    def send(self, *bodies: str) -> None:
        self.enable(enabled=False)
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        self.enable(enabled=True)

    @property
    def batches(self) -> list[list[str]]:
        lines = self.aws.logs("reader")
        return [sorted(json.loads(line.removeprefix("BATCH "))) for line in lines if line.startswith("BATCH ")]

    def count_messages(self, url: str) -> int:
        counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])


@pytest.fixture
def mapping() -> Any:
    with Environment(now=NOON) as aws:
        yield Mapping(aws)


def test_messages_are_received_in_batches_and_deleted_when_processed(mapping: Mapping) -> None:
    mapping.send(*(f"good {n:02}" for n in range(25)))

    assert [len(batch) for batch in mapping.batches] == [10, 10, 5]
    assert mapping.count_messages(mapping.queue) == 0


def test_only_the_failed_message_of_a_batch_is_received_again_after_the_visibility_timeout(mapping: Mapping) -> None:
    mapping.send("good", "bad")
    assert mapping.batches == [["bad", "good"]]

    mapping.aws.clock.advance(timedelta(seconds=59))
    assert len(mapping.batches) == 1
    mapping.aws.clock.advance(timedelta(seconds=2))

    assert mapping.batches[1:] == [["bad"]]


def test_a_message_that_keeps_failing_ends_in_the_dead_letter_queue(mapping: Mapping) -> None:
    mapping.send("bad")
    mapping.aws.clock.advance(timedelta(hours=1))

    assert mapping.batches == [["bad"]] * 3
    assert mapping.count_messages(mapping.queue) == 0
    assert mapping.count_messages(mapping.dead) == 1


@pytest.mark.parametrize("body", ["crash", "nonsense"])
def test_a_crash_or_an_unknown_id_fails_the_whole_batch(mapping: Mapping, body: str) -> None:
    mapping.send("good", body)

    assert mapping.count_messages(mapping.queue) == 2


def test_a_disabled_mapping_receives_no_messages_until_it_is_enabled(mapping: Mapping) -> None:
    mapping.enable(enabled=False)
    mapping.sqs.send_message(QueueUrl=mapping.queue, MessageBody="good")
    mapping.aws.clock.advance(timedelta(days=3))
    assert mapping.batches == []

    mapping.enable(enabled=True)

    assert mapping.batches == [["good"]]


def test_an_empty_queue_is_received_from_once_and_without_a_thread(
    mapping: Mapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    received, receive = [], SQSBackend.receive_message

    def receive_and_note(backend: SQSBackend, queue_name: str, *args: Any) -> Any:
        received.append(queue_name)
        return receive(backend, queue_name, *args)

    monkeypatch.setattr(SQSBackend, "receive_message", receive_and_note)
    monkeypatch.setattr(mapping.aws.clock, "start_thread", None)
    mapping.enable(enabled=True)

    assert received == ["queue"]
