"""Deploying a cloud assembly into moto's CloudFormation."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from moto.cloudformation.models import cloudformation_backends

from local.cdk.deployment import DeploymentError, bootstrap, read_outputs
from local.environment import Environment
from tests.unit.local.assemblies import NOON, output_of
from tools.check_account import AccountError, check_account


def test_the_deployed_machine_runs_the_packaged_code(open_environment: Any) -> None:
    aws = open_environment()
    arn = aws.start({"any": "thing"})
    aws.clock.settle()

    assert output_of(aws, arn) == ["one", "test", "1"]
    assert aws.logs("resolve_entity") == aws.logs("ResolveEntity") == aws.all_logs() == ["ran"]


def test_the_outputs_and_the_lambda_version_are_arns(open_environment: Any) -> None:
    aws = open_environment()
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:machine"
    worker = aws.stack.resources["Worker"]

    assert aws.outputs == {"StateMachineArn": machine, "SameArn": machine}
    text = aws.client("stepfunctions").describe_state_machine(stateMachineArn=machine)["definition"]
    assert f'"arn:aws:lambda:us-east-1:123456789012:function:{worker}:1"' in text
    assert "${Worker}" not in text


def test_the_package_and_the_configured_variables_can_be_read(open_environment: Any) -> None:
    aws = open_environment()

    assert zipfile.ZipFile(aws.function_code("ResolveEntity")).namelist() == ["resolve_entity.py"]
    assert aws.function_environment("resolve_entity") == {"STAGE": "test"}
    with pytest.raises(LookupError, match="no function nobody"):
        aws.function_code("nobody")


def test_an_update_without_a_change_changes_nothing(open_environment: Any, make_assembly: Callable[..., Path]) -> None:
    aws = open_environment(make_assembly())
    stack_before = aws.stack
    assert aws.deploy(make_assembly()) == stack_before


def test_unsupported_resource_types_are_reported(open_environment: Any, make_assembly: Callable[..., Path]) -> None:
    def add(template: dict[str, Any]) -> None:
        template["Resources"]["Other"] = {"Type": "AWS::Nothing::Known", "Properties": {}}

    assert open_environment(make_assembly(change=add)).stack.unsupported == ("AWS::Nothing::Known",)


def test_a_refused_template_is_an_error(make_assembly: Callable[..., Path]) -> None:
    def spoil(template: dict[str, Any]) -> None:
        template["Outputs"] = {"No": {"Value": {"Fn::GetAtt": ["Worker", "Nothing"]}}}

    with pytest.raises(DeploymentError), Environment(make_assembly(change=spoil), now=NOON):
        pass
    assert not os.environ.get("AWS_REGION")


def test_a_bootstrapped_account_passes_the_check_before_a_deployment() -> None:
    with Environment(None, None) as aws:
        with pytest.raises(AccountError, match="not bootstrapped"):
            check_account()
        bootstrap()

        assert check_account() == ("123456789012", "us-east-1")
        [bucket] = aws.client("s3").list_buckets()["Buckets"]
        assert read_outputs() == {}
    assert bucket["Name"] == "cdk-hnb659fds-assets-123456789012-us-east-1"


def test_the_outputs_are_those_of_stacks_that_exist_and_do_not_change(open_environment: Any) -> None:
    aws = open_environment()
    [stack] = cloudformation_backends["123456789012"]["us-east-1"].stacks.values()

    assert read_outputs() == aws.outputs
    # moto would make what is missing as soon as it is read.
    stack.status = "UPDATE_IN_PROGRESS"
    assert read_outputs() == {}
    stack.status = "UPDATE_COMPLETE"
    aws.client("cloudformation").delete_stack(StackName="stack")
    assert read_outputs() == {}
