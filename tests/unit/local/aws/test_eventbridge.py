"""Events arrive at their targets as they were put."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.aws import eventbridge
from local.hooks import Hooks

ENTRY = {"Source": "test", "DetailType": "Something <source>", "Resources": ["arn:one", "arn:two"]}


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with Hooks() as hooks, mock_aws():
        eventbridge.install(hooks)
        yield


def delivered(entry: dict[str, Any], *targets: dict[str, Any]) -> list[dict[str, Any]]:
    """Put an event and return what arrives at each target."""
    sqs, events = boto3.client("sqs", "us-east-1"), boto3.client("events", "us-east-1")
    events.put_rule(Name="rule", EventPattern='{"source": ["test"]}')
    urls = [sqs.create_queue(QueueName=f"queue-{number}")["QueueUrl"] for number, _ in enumerate(targets)]
    events.put_targets(
        Rule="rule",
        Targets=[
            {"Id": f"{number}", "Arn": f"arn:aws:sqs:us-east-1:123456789012:queue-{number}", **target}
            for number, target in enumerate(targets)
        ],
    )
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
    return [json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]) for url in urls]


def test_an_event_has_all_members_that_aws_gives_it() -> None:
    (event,) = delivered({**ENTRY, "Detail": '{"a": null}'}, {})

    assert list(event) == [
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"
    ]  # fmt: skip
    assert (event["account"], event["region"], event["resources"]) == ("123456789012", "us-east-1", ENTRY["Resources"])
    assert event["detail"] == {"a": None}


def test_placeholders_in_the_text_of_an_event_are_not_replaced() -> None:
    detail = {"text": 'a <source> "b" \\ <id> <aws.events.event.json>', "ö": ["<detail>"]}
    (event,) = delivered({**ENTRY, "Detail": json.dumps(detail)}, {})

    assert (event["detail-type"], event["detail"]) == (ENTRY["DetailType"], detail)


def test_two_queues_of_one_rule_get_the_same_event() -> None:
    first_event, second_event = delivered({**ENTRY, "Detail": "{}"}, {}, {})

    assert first_event == second_event
    assert first_event["time"].endswith("Z")


def test_an_input_transformer_still_works() -> None:
    transformer = {"InputPathsMap": {"who": "$.detail.who"}, "InputTemplate": '{"Who": "<who>"}'}
    (event,) = delivered({**ENTRY, "Detail": '{"who": "dana"}'}, {"InputTransformer": transformer})

    assert event == {"Who": "dana"}
