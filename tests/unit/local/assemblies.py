"""Small cloud assemblies, as a synth leaves them, and environments in which they are deployed."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.environment import Environment

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

DAY = timedelta(days=1)


CODE = """
import os
def handler(event, context):
    print("ran")
    return ["{}", os.environ["STAGE"], context.function_version]
"""


BUCKET = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"


def make_definition(seconds: int = 0, tell: str = "$states.result.Payload") -> str:
    wait = {"Type": "Wait", "Seconds": seconds, "Next": "Run"}
    run = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "${Worker}", "Payload": "{% $states.input %}"},
        "Output": f"{{% {tell} %}}",
        "End": True,
    }
    return json.dumps({"QueryLanguage": "JSONata", "StartAt": "Wait", "States": {"Wait": wait, "Run": run}})


def make_resources(asset: str, text: str, stage: str) -> dict[str, Any]:
    """Write a template's make_resources in the manner of the CDK."""
    version = f"WorkerVersion{hashlib.sha256(f'{asset}{stage}'.encode()).hexdigest()[:8]}"
    return {
        # The version is before what it is made of, as it can be in a template.
        version: {"Type": "AWS::Lambda::Version", "DeletionPolicy": "Retain",
                  "Properties": {"FunctionName": {"Ref": "Worker"}}},
        "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {
            "StateMachineName": "machine",
            "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            "DefinitionString": text,
            "DefinitionSubstitutions": {"Worker": {"Ref": version}},
            "StateMachineType": "STANDARD",
            "LoggingConfiguration": {"Level": "ALL", "IncludeExecutionData": False, "Destinations": [
                {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["LogGroup", "Arn"]}}}]},
            "TracingConfiguration": {"Enabled": True}}},
        "Worker": {"Type": "AWS::Lambda::Function", "Properties": {
            "Code": {"S3Bucket": {"Fn::Sub": BUCKET}, "S3Key": f"{asset}.zip"},
            "Environment": {"Variables": {"STAGE": stage}},
            "Handler": "resolve_entity.handler",
            "Architectures": ["arm64"],
            "LoggingConfig": {"LogGroup": {"Ref": "LogGroup"}},
            "MemorySize": 256, "Timeout": 30,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Runtime": "python3.13"}},
        "LogGroup": {"Type": "AWS::Logs::LogGroup", "DeletionPolicy": "RetainExceptOnCreate",
                     "Properties": {"LogGroupName": "/own/worker"}},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}},
    }  # fmt: skip


@pytest.fixture
def make_assembly(tmp_path: Path) -> Callable[..., Path]:
    """Make a cloud assembly as a synth leaves it."""
    directories: list[Path] = []

    def make(
        code: str = "one", text: str | None = None, stage: str = "test", change: Callable[[dict], None] | None = None
    ) -> Path:
        directory = tmp_path / f"assembly-{len(directories)}"
        directories.append(directory)
        asset = hashlib.sha256(code.encode()).hexdigest()
        (directory / f"asset.{asset}").mkdir(parents=True)
        (directory / f"asset.{asset}" / "resolve_entity.py").write_text(CODE.replace("{}", code))
        template = {
            "Parameters": {"BootstrapVersion": {
                "Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version"}},
            "Rules": {"CheckBootstrapVersion": {"Assertions": [{"Assert": {"Fn::Not": [{"Fn::Contains": [
                ["1", "2"], {"Ref": "BootstrapVersion"}]}]}}]}},
            "Resources": make_resources(asset, text or make_definition(), stage),
            "Outputs": {"StateMachineArn": {"Value": {"Ref": "Machine"}},
                        "SameArn": {"Value": {"Fn::GetAtt": ["Machine", "Arn"]}}},
        }  # fmt: skip
        if change:
            change(template)
        files = {
            asset: {"source": {"path": f"asset.{asset}", "packaging": "zip"},
                    "destinations": {"here": {"bucketName": BUCKET, "objectKey": f"{asset}.zip"}}},
            "template": {"source": {"path": "stack.template.json", "packaging": "file"},
                         "destinations": {"here": {"bucketName": BUCKET, "objectKey": "template.json"}}},
        }  # fmt: skip
        manifest = {"artifacts": {
            "stack.assets": {"type": "cdk:asset-manifest", "properties": {"file": "stack.assets.json"}},
            "stack": {"type": "aws:cloudformation:stack", "properties": {
                "templateFile": "stack.template.json",
                "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/hnb659fds/version"}},
            "Tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}},
        }}  # fmt: skip
        for name, content in (
            ("manifest", manifest), ("stack.assets", {"files": files}), ("stack.template", template)
        ):  # fmt: skip
            (directory / f"{name}.json").write_text(json.dumps(content))
        return directory

    return make


@pytest.fixture
def open_environment(make_assembly: Callable[..., Path]) -> Any:
    environments: list[Environment] = []

    def make(assembly: Path | None = None) -> Environment:
        environment = Environment(assembly or make_assembly(), now=NOON)
        environments.append(environment.__enter__())
        return environment

    yield make
    for environment in environments:
        environment.__exit__(None, None, None)


def output_of(environment: Environment, arn: str) -> Any:
    answer = environment.describe(arn)
    assert answer["status"] == "SUCCEEDED", answer
    return json.loads(answer["output"])
