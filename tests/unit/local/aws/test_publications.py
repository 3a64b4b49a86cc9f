"""What is published is reported in this process, and nothing of that can be seen in AWS's APIs."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.aws.publications import BusEvent, Publications, TopicMessage
from local.hooks import Hooks

EVENT = {"Source": "test", "DetailType": "Something", "Detail": json.dumps({"Outcome": "Planned"})}


@pytest.fixture
def reported() -> Iterator[list[TopicMessage | BusEvent]]:
    publications = Publications()
    received: list[TopicMessage | BusEvent] = []
    publications.listeners.append(received.append)
    with Hooks() as hooks, mock_aws():
        publications.install(hooks)
        yield received


def client(service: str) -> Any:
    return boto3.client(service, "us-east-1")


def test_a_message_of_a_topic_is_reported_and_its_subscribers_get_it_too(
    reported: list[TopicMessage | BusEvent],
) -> None:
    topic = client("sns").create_topic(Name="topic")["TopicArn"]
    url = client("sqs").create_queue(QueueName="queue")["QueueUrl"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:queue")
    client("sns").publish(TopicArn=topic, Message="text", Subject="title")
    client("sns").publish(TopicArn=topic, Message="without a subject")

    assert reported == [TopicMessage(topic, "title", "text"), TopicMessage(topic, "", "without a subject")]
    [message] = client("sqs").receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["Message"] == "text"


def test_an_event_is_reported_without_a_rule_and_one_that_is_refused_is_not(
    reported: list[TopicMessage | BusEvent],
) -> None:
    answer = client("events").put_events(Entries=[{**EVENT, "Detail": "{"}, EVENT])

    assert answer["FailedEntryCount"] == 1
    assert reported == [BusEvent("test", "Something", {"Outcome": "Planned"})]
    assert client("events").list_rules()["Rules"] == []
