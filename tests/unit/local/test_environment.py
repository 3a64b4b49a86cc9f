"""Environments come one after the other in one process, and each is as the first one was."""

import boto3
from botocore.config import Config

from local.environment import Environment


def test_clients_can_be_made_in_each_of_several_environments() -> None:
    for number in range(3):
        with Environment():
            # One that nobody has made before: clients are kept.
            client = boto3.client("s3", config=Config(user_agent_extra=f"environment-{number}"))
            assert client.list_buckets()["Buckets"] == []
