"""Environments come one after the other in one process, and each is as the first one was."""

import threading
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.aws.functions.process_state import hold_functions
from local.environment import Environment


def test_clients_can_be_made_in_each_of_several_environments() -> None:
    for number in range(3):
        with Environment():
            # One that nobody has made before: clients are kept.
            client = boto3.client("s3", config=Config(user_agent_extra=f"environment-{number}"))
            assert client.list_buckets()["Buckets"] == []


@pytest.mark.parametrize("more", [{}, {"aws_access_key_id": "ak", "aws_secret_access_key": "sk"}], ids=["kept", "own"])
def test_no_client_is_made_while_a_function_s_variables_are_set(more: dict[str, Any]) -> None:
    entered, leave, made = threading.Event(), threading.Event(), threading.Event()

    def a_function() -> None:
        with hold_functions():
            entered.set()
            leave.wait(10)

    def somebody_else() -> None:
        boto3.client("s3", config=Config(user_agent_extra=f"beside-{len(more)}"), **more)
        made.set()

    with Environment():
        threads = [threading.Thread(target=work) for work in (a_function, somebody_else)]
        threads[0].start()
        assert entered.wait(10)
        threads[1].start()
        assert not made.wait(0.5)
        leave.set()
        assert made.wait(10)
        for thread in threads:
            thread.join()
