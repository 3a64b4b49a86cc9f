"""Cheaper requests answer as before, and an AWS that is started later has nothing of an earlier one."""

import string
from datetime import datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.utils import parse_to_aware_datetime
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID, serialize
from moto.moto_api._internal import mock_random
from moto.sqs.models import sqs_backends

from local.aws import cheap_requests, response_cache
from local.aws.stepfunctions.caches import copy_json
from local.hooks import Hooks

REGION = "us-east-1"


@pytest.fixture
def hooks():
    with Hooks() as hooks:
        cheap_requests.install(hooks)
        response_cache.install(hooks)
        yield hooks


def list_names() -> list[str]:
    queues = boto3.client("sqs", REGION).list_queues().get("QueueUrls", [])
    tables = boto3.client("dynamodb", REGION).list_tables()["TableNames"]
    buckets = [bucket["Name"] for bucket in boto3.client("s3", REGION).list_buckets()["Buckets"]]
    return [*queues, *tables, *buckets]


def test_an_aws_that_is_started_later_has_nothing_of_an_earlier_one(hooks: Hooks) -> None:
    for _ in range(3):
        with mock_aws():
            assert list_names() == []
            boto3.client("sqs", REGION).create_queue(QueueName="queue")
            boto3.client("s3", REGION).create_bucket(Bucket="bucket")
            assert len(list_names()) == 2


def test_a_request_belongs_to_the_region_of_its_client(hooks: Hooks) -> None:
    with mock_aws():
        boto3.client("sqs", "us-west-2").create_queue(QueueName="queue")

        assert "QueueUrls" not in boto3.client("sqs", REGION).list_queues()
        assert len(boto3.client("sqs", "us-west-2").list_queues()["QueueUrls"]) == 1


def test_a_service_has_its_regions_each_time(hooks: Hooks) -> None:
    for _ in range(2):
        with mock_aws():
            boto3.client("sqs", REGION).list_queues()
            assert set(boto3.Session().get_available_regions("sqs")) < set(sqs_backends[DEFAULT_ACCOUNT_ID].regions)
            assert len(sqs_backends[DEFAULT_ACCOUNT_ID].regions) == len({*sqs_backends[DEFAULT_ACCOUNT_ID].regions})


def test_an_error_has_its_code_and_each_answer_another_request_id(hooks: Hooks) -> None:
    with mock_aws():
        client = boto3.client("dynamodb", REGION)
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            client.describe_table(TableName="missing")
        answers = [client.list_tables() for _ in range(20)]

    assert len({answer["ResponseMetadata"]["RequestId"] for answer in answers}) == 20


def test_a_time_is_parsed_as_botocore_does_also_if_another_one_is_the_same_moment(hooks: Hooks) -> None:
    texts = ("2026-11-22T12:00:00Z", "2026-11-22T13:00:00+01:00", "2026-11-22T12:00:00.250000+00:00")
    values = (*texts, *map(datetime.fromisoformat, texts))

    for _ in range(2):
        for value in values:
            time, expected = serialize.parse_to_aware_datetime(value), parse_to_aware_datetime(value)
            assert (time, time.utcoffset()) == (expected, expected.utcoffset())


def test_ids_have_the_length_and_the_characters_that_are_asked_for(hooks: Hooks) -> None:
    assert set(mock_random.get_random_hex(500)) == set(string.hexdigits.lower())
    assert set(mock_random.get_random_string(5000)) == {*string.ascii_letters, *string.digits}
    assert set(mock_random.get_random_string(5000, include_digits=False, lower_case=True)) == {*string.ascii_lowercase}
    assert len(mock_random.get_random_string(52)) == 52


def test_a_copy_of_json_shares_nothing_that_can_change() -> None:
    value = {"list": [{"set": {1}}, "text"], "none": None}
    copy = copy_json(value)
    assert copy == value

    copy["list"][0]["set"].add(2)
    copy["list"].append(3)
    copy["none"] = 4
    assert value == {"list": [{"set": {1}}, "text"], "none": None}
