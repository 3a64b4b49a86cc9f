"""Environments are opened one after the other in one process, and each behaves as the first one."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.aws.functions.process_state import hold_functions
from local.clock import Clock
from local.defaults import ORGANIZATION_ID
from local.environment import Environment
from tests.unit.local.assemblies import DAY, NOON, make_definition, output_of


def test_clients_can_be_made_in_each_of_several_environments() -> None:
    for number in range(3):
        with Environment():
            # One that has not been made before: clients are cached.
            client = boto3.client("s3", config=Config(user_agent_extra=f"environment-{number}"))
            assert client.list_buckets()["Buckets"] == []


@pytest.mark.parametrize("more", [{}, {"aws_access_key_id": "ak", "aws_secret_access_key": "sk"}], ids=["kept", "own"])
def test_no_client_is_made_while_a_function_s_variables_are_set(more: dict[str, Any]) -> None:
    entered, may_leave, client_made = threading.Event(), threading.Event(), threading.Event()

    def a_function() -> None:
        with hold_functions():
            entered.set()
            may_leave.wait(10)

    def somebody_else() -> None:
        boto3.client("s3", config=Config(user_agent_extra=f"beside-{len(more)}"), **more)
        client_made.set()

    with Environment():
        threads = [threading.Thread(target=work) for work in (a_function, somebody_else)]
        threads[0].start()
        assert entered.wait(10)
        threads[1].start()
        assert not client_made.wait(0.5)
        may_leave.set()
        assert client_made.wait(10)
        for thread in threads:
            thread.join()


def test_the_organization_exists_and_is_active(open_environment: Any) -> None:
    answer = open_environment().client("workmail").describe_organization(OrganizationId=ORGANIZATION_ID)
    assert answer["State"] == "Active"


def test_credentials_are_fake_and_set_only_while_it_is_open(
    make_assembly: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    variables_before = dict(os.environ)
    with Environment(make_assembly(), now=NOON) as aws:
        assert os.environ["AWS_ACCESS_KEY_ID"] != "real"
        assert "AWS_PROFILE" not in os.environ
        assert aws.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert dict(os.environ) == variables_before


def test_many_can_be_opened_one_after_the_other(make_assembly: Callable[..., Path]) -> None:
    assembly = make_assembly("one", make_definition(60))
    for _ in range(4):
        with Environment(assembly, now=NOON) as aws:
            arn = aws.start({})
            aws.clock.advance(DAY)
            assert output_of(aws, arn) == ["one", "test", "1"]
            assert len(aws.client("stepfunctions").list_executions(
                stateMachineArn=aws.state_machine_arn)["executions"]) == 1  # fmt: skip


def test_no_thread_is_left_behind(make_assembly: Callable[..., Path]) -> None:
    threads = set(threading.enumerate())
    with Environment(make_assembly("one", make_definition(86400)), now=NOON) as aws:
        for _ in range(20):
            aws.start({})
        aws.clock.settle()
        (machine,) = stepfunctions_parser_backends["123456789012"]["us-east-1"].state_machines
        executions = list(machine.executions)
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)

    assert set(threading.enumerate()) <= threads
    assert {execution.status for execution in executions} == {"ABORTED"}
    assert {e.to_history_output()["events"][-1]["type"] for e in executions} == {"ExecutionAborted"}


def test_an_error_while_opening_restores_everything(tmp_path: Path) -> None:
    variables_before = dict(os.environ)
    real = time.time()
    with pytest.raises(FileNotFoundError), Environment(tmp_path, now=NOON + 900 * DAY):
        pass

    assert dict(os.environ) == variables_before
    assert time.time() - real < 60
    with Clock(NOON) as clock:
        clock.settle()


def test_a_client_made_outside_works_inside(open_environment: Any) -> None:
    aws = open_environment()
    assert boto3.client("stepfunctions").list_executions(stateMachineArn=aws.state_machine_arn)["executions"] == []


def test_without_an_assembly_nothing_is_deployed() -> None:
    with Environment(now=NOON) as aws:
        assert aws.client("cloudformation").list_stacks()["StackSummaries"] == []
        assert aws.outputs == {}
