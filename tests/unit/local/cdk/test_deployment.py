"""Deploying a cloud assembly into moto's CloudFormation, and AWS on this machine as a whole."""

import hashlib
import json
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.cdk.deployment import DeploymentError, package
from local.clock import Clock
from local.environment import Environment
from tests.unit.local.conftest import NOON

DAY = timedelta(days=1)
CODE = """
import os
def handler(event, context):
    print("ran")
    return ["{}", os.environ["STAGE"], context.function_version]
"""
BUCKET = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"


def definition(seconds: int = 0, tell: str = "$states.result.Payload") -> str:
    wait = {"Type": "Wait", "Seconds": seconds, "Next": "Run"}
    run = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "${Worker}", "Payload": "{% $states.input %}"},
        "Output": f"{{% {tell} %}}",
        "End": True,
    }
    return json.dumps({"QueryLanguage": "JSONata", "StartAt": "Wait", "States": {"Wait": wait, "Run": run}})


def resources(asset: str, text: str, stage: str) -> dict[str, Any]:
    """Write a template's resources in the manner of the CDK."""
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
    made: list[Path] = []

    def make(
        code: str = "one", text: str | None = None, stage: str = "test", change: Callable[[dict], None] | None = None
    ) -> Path:
        directory = tmp_path / f"assembly-{len(made)}"
        made.append(directory)
        asset = hashlib.sha256(code.encode()).hexdigest()
        (directory / f"asset.{asset}").mkdir(parents=True)
        (directory / f"asset.{asset}" / "resolve_entity.py").write_text(CODE.replace("{}", code))
        template = {
            "Parameters": {"BootstrapVersion": {
                "Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version"}},
            "Rules": {"CheckBootstrapVersion": {"Assertions": [{"Assert": {"Fn::Not": [{"Fn::Contains": [
                ["1", "2"], {"Ref": "BootstrapVersion"}]}]}}]}},
            "Resources": resources(asset, text or definition(), stage),
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
    opened: list[Environment] = []

    def make(assembly: Path | None = None) -> Environment:
        environment = Environment(assembly or make_assembly(), now=NOON)
        opened.append(environment.__enter__())
        return environment

    yield make
    for environment in opened:
        environment.__exit__(None, None, None)


def finished(environment: Environment, arn: str) -> Any:
    answer = environment.describe(arn)
    assert answer["status"] == "SUCCEEDED", answer
    return json.loads(answer["output"])


def test_the_deployed_machine_runs_the_packaged_code(open_environment: Any) -> None:
    aws = open_environment()
    arn = aws.start({"any": "thing"})
    aws.clock.settle()

    assert finished(aws, arn) == ["one", "test", "1"]
    assert aws.logs("resolve_entity") == aws.logs("ResolveEntity") == aws.all_logs() == ["ran"]


def test_the_outputs_and_the_lambda_version_are_arns(open_environment: Any) -> None:
    aws = open_environment()
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:machine"
    worker = aws.stack.resources["Worker"]

    assert aws.outputs == {"StateMachineArn": machine, "SameArn": machine}
    text = aws.client("stepfunctions").describe_state_machine(stateMachineArn=machine)["definition"]
    assert f'"arn:aws:lambda:us-east-1:123456789012:function:{worker}:1"' in text
    assert "${Worker}" not in text


def test_the_machine_has_the_properties_of_the_template(open_environment: Any) -> None:
    aws = open_environment()
    machine = aws.client("stepfunctions").describe_state_machine(stateMachineArn=aws.state_machine_arn)
    (group,) = aws.client("logs").describe_log_groups(logGroupNamePrefix="/own/worker")["logGroups"]

    assert machine["type"] == "STANDARD"
    assert machine["tracingConfiguration"] == {"enabled": True}
    assert machine["loggingConfiguration"]["level"] == "ALL"
    (destination,) = machine["loggingConfiguration"]["destinations"]
    assert destination["cloudWatchLogsLogGroup"]["logGroupArn"].removesuffix(":*") == group["arn"].removesuffix(":*")
    (listed,) = aws.client("stepfunctions").list_state_machines()["stateMachines"]
    assert listed["stateMachineArn"] == aws.state_machine_arn


def test_the_function_has_the_properties_of_the_template(open_environment: Any) -> None:
    aws = open_environment()
    function = aws.client("lambda").get_function_configuration(FunctionName=aws.stack.resources["Worker"])

    assert function["LoggingConfig"]["LogGroup"] == "/own/worker"
    assert function["Architectures"] == ["arm64"]
    assert (function["MemorySize"], function["Timeout"], function["Runtime"]) == (256, 30, "python3.13")
    aws.clock.settle()
    aws.start({})
    aws.clock.settle()
    events = aws.client("logs").filter_log_events(logGroupName="/own/worker")["events"]
    assert [event["message"] for event in events] == ["ran"]


def test_the_package_and_the_configured_variables_can_be_read(open_environment: Any) -> None:
    aws = open_environment()

    assert zipfile.ZipFile(aws.function_code("ResolveEntity")).namelist() == ["resolve_entity.py"]
    assert aws.function_environment("resolve_entity") == {"STAGE": "test"}
    with pytest.raises(LookupError, match="no function nobody"):
        aws.function_code("nobody")


def test_an_update_changes_the_code_for_new_executions_only(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    aws = open_environment(make_assembly("one", definition(30 * 86400)))
    old = aws.start({})
    aws.clock.advance(12 * DAY)
    aws.deploy(make_assembly("two", definition(30 * 86400, "['new', $states.result.Payload[0]]"), stage="later"))
    new = aws.start({})
    aws.clock.advance(40 * DAY)

    assert finished(aws, old) == ["one", "test", "1"]
    assert finished(aws, new) == ["new", "two"]
    assert aws.history(old)[-1]["timestamp"] == NOON + 30 * DAY


def test_versions_of_an_earlier_template_are_retained_and_can_be_invoked(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    aws = open_environment(make_assembly("one"))
    for code in ("two", "three"):
        aws.deploy(make_assembly(code, stage=code))
    client, worker = aws.client("lambda"), aws.stack.resources["Worker"]

    def answer(qualifier: str) -> Any:
        return json.loads(client.invoke(FunctionName=worker, Qualifier=qualifier)["Payload"].read())

    versions = [v["Version"] for v in client.list_versions_by_function(FunctionName=worker)["Versions"]]
    assert versions == ["$LATEST", "1", "2", "3"]
    assert answer("1") == ["one", "test", "1"]
    assert answer("2") == ["two", "two", "2"]
    assert answer("3") == [*answer("$LATEST")[:2], "3"] == ["three", "three", "3"]


def test_a_version_without_a_retaining_policy_is_deleted(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    def let_go(template: dict[str, Any]) -> None:
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Version":
                del resource["DeletionPolicy"]

    aws = open_environment(make_assembly("one", change=let_go))
    aws.deploy(make_assembly("two", change=let_go))

    worker = aws.stack.resources["Worker"]
    versions = aws.client("lambda").list_versions_by_function(FunctionName=worker)["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "2"]


def test_going_back_to_an_earlier_template_publishes_its_code_again(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    aws = open_environment(make_assembly("one"))
    aws.deploy(make_assembly("two"))
    aws.deploy(make_assembly("one"))
    arn = aws.start({})
    aws.clock.settle()

    assert finished(aws, arn) == ["one", "test", "3"]


def test_a_change_of_the_variables_makes_a_new_version(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    aws = open_environment(make_assembly(stage="first"))
    aws.deploy(make_assembly(stage="second"))
    arn = aws.start({})
    aws.clock.settle()

    assert finished(aws, arn) == ["one", "second", "2"]


def test_variables_that_a_template_no_longer_has_are_removed(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    def remove(template: dict[str, Any]) -> None:
        del template["Resources"]["Worker"]["Properties"]["Environment"]

    aws = open_environment(make_assembly())
    aws.deploy(make_assembly(change=remove))

    assert aws.function_environment("ResolveEntity") == {}


class TestAnUpdateThatFails:
    @staticmethod
    def spoil(template: dict[str, Any]) -> None:
        """Add a queue that is kept, one that is not, and one that cannot be made, after all else."""
        after = list(template["Resources"])
        for name, policy in (("Kept", "Retain"), ("Gone", "RetainExceptOnCreate")):
            template["Resources"][name] = {"Type": "AWS::SQS::Queue", "DeletionPolicy": policy, "DependsOn": after,
                                           "Properties": {"QueueName": name.lower()}}  # fmt: skip
        template["Resources"]["Broken"] = {"Type": "AWS::SQS::Queue", "DependsOn": [*after, "Kept", "Gone"],
                                           "Properties": {"QueueName": "not a name"}}  # fmt: skip

    def test_raises_an_error_with_the_reason(self, open_environment: Any, make_assembly: Callable[..., Path]) -> None:
        aws = open_environment(make_assembly("one"))
        with pytest.raises(DeploymentError, match=r"stack is UPDATE_ROLLBACK_COMPLETE: .*alphanumeric"):
            aws.deploy(make_assembly("two", change=self.spoil))

    def test_keeps_the_previous_code_and_variables(
        self, open_environment: Any, make_assembly: Callable[..., Path]
    ) -> None:
        aws = open_environment(make_assembly("one"))
        with pytest.raises(DeploymentError):
            aws.deploy(make_assembly("two", definition(0, "'new'"), stage="later", change=self.spoil))
        arn = aws.start({})
        aws.clock.settle()

        assert finished(aws, arn) == ["one", "test", "1"]
        assert aws.function_environment("ResolveEntity") == {"STAGE": "test"}

    def test_removes_the_added_resources_without_a_retaining_policy(
        self, open_environment: Any, make_assembly: Callable[..., Path]
    ) -> None:
        aws = open_environment(make_assembly("one"))
        with pytest.raises(DeploymentError):
            aws.deploy(make_assembly("two", change=self.spoil))

        assert [url.rpartition("/")[2] for url in aws.client("sqs").list_queues()["QueueUrls"]] == ["kept"]
        function = aws.stack.resources["Worker"]
        versions = aws.client("lambda").list_versions_by_function(FunctionName=function)["Versions"]
        assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]

    def test_can_be_repeated_with_other_code_or_without_the_version_that_it_left(
        self, open_environment: Any, make_assembly: Callable[..., Path]
    ) -> None:
        aws = open_environment(make_assembly("one"))
        with pytest.raises(DeploymentError, match="alphanumeric"):
            aws.deploy(make_assembly("two", change=self.spoil))
        with pytest.raises(DeploymentError, match=r"A version for this Lambda function exists \( 2 \)"):
            aws.deploy(make_assembly("two"))
        aws.client("lambda").delete_function(FunctionName=aws.stack.resources["Worker"], Qualifier="2")
        aws.deploy(make_assembly("two"))
        arn = aws.start({})
        aws.clock.settle()

        assert finished(aws, arn)[0] == "two"


def test_an_update_without_a_change_changes_nothing(open_environment: Any, make_assembly: Callable[..., Path]) -> None:
    aws = open_environment(make_assembly())
    before = aws.stack
    assert aws.deploy(make_assembly()) == before


def test_a_removed_resource_is_deleted_unless_it_is_retained(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    def add(template: dict[str, Any]) -> None:
        template["Resources"]["Kept"] = {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain",
                                         "Properties": {"QueueName": "kept"}}  # fmt: skip
        template["Resources"]["Gone"] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "gone"}}

    aws = open_environment(make_assembly(change=add))
    assert len(aws.client("sqs").list_queues()["QueueUrls"]) == 2
    aws.deploy(make_assembly())

    assert [url.rpartition("/")[2] for url in aws.client("sqs").list_queues()["QueueUrls"]] == ["kept"]


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


def test_a_package_is_the_same_bytes_for_the_same_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "b").mkdir(parents=True)
    (first / "b" / "c.py").write_text("pass")
    (first / "a.py").write_text("pass")
    shutil.copytree(first, second)
    os.utime(second / "a.py", (0, 1e9))

    assert package(first) == package(second)
    (second / "a.py").write_text("else")
    assert package(first) != package(second)


class TestEnvironment:
    def test_the_organization_exists_and_is_active(self, open_environment: Any) -> None:
        from local.defaults import ORGANIZATION_ID

        answer = open_environment().client("workmail").describe_organization(OrganizationId=ORGANIZATION_ID)
        assert answer["State"] == "Active"

    def test_credentials_are_fake_and_set_only_while_it_is_open(
        self, make_assembly: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "production")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
        before = dict(os.environ)
        with Environment(make_assembly(), now=NOON) as aws:
            assert os.environ["AWS_ACCESS_KEY_ID"] != "real"
            assert "AWS_PROFILE" not in os.environ
            assert aws.client("sts").get_caller_identity()["Account"] == "123456789012"
        assert dict(os.environ) == before

    def test_many_can_be_opened_one_after_the_other(self, make_assembly: Callable[..., Path]) -> None:
        assembly = make_assembly("one", definition(60))
        for _ in range(4):
            with Environment(assembly, now=NOON) as aws:
                arn = aws.start({})
                aws.clock.advance(DAY)
                assert finished(aws, arn) == ["one", "test", "1"]
                assert len(aws.client("stepfunctions").list_executions(
                    stateMachineArn=aws.state_machine_arn)["executions"]) == 1  # fmt: skip

    def test_no_thread_is_left_behind(self, make_assembly: Callable[..., Path]) -> None:
        threads = set(threading.enumerate())
        with Environment(make_assembly("one", definition(86400)), now=NOON) as aws:
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

    def test_an_error_while_opening_restores_everything(self, tmp_path: Path) -> None:
        before = dict(os.environ)
        real = time.time()
        with pytest.raises(FileNotFoundError), Environment(tmp_path, now=NOON + 900 * DAY):
            pass

        assert dict(os.environ) == before
        assert time.time() - real < 60
        with Clock(NOON) as clock:
            clock.settle()

    def test_a_client_made_outside_works_inside(self, open_environment: Any) -> None:
        aws = open_environment()
        assert boto3.client("stepfunctions").list_executions(stateMachineArn=aws.state_machine_arn)["executions"] == []

    def test_without_an_assembly_nothing_is_deployed(self) -> None:
        with Environment(now=NOON) as aws:
            assert aws.client("cloudformation").list_stacks()["StackSummaries"] == []
            assert aws.outputs == {}
