"""The deletion of a stack, and another one of its name."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws.cloudformation import deletions
from local.cdk.deployment import DeploymentError
from local.environment import Environment
from tests.unit.local.assemblies import DAY, NOON, make_definition, output_of


def delete(aws: Environment) -> dict[str, Any]:
    """Delete the stack, and return its description."""
    client = aws.client("cloudformation")
    stack_id = client.describe_stacks(StackName="stack")["Stacks"][0]["StackId"]
    client.delete_stack(StackName=stack_id)
    return client.describe_stacks(StackName=stack_id)["Stacks"][0]


def list_groups(aws: Environment) -> list[str]:
    return [group["logGroupName"] for group in aws.client("logs").describe_log_groups()["logGroups"]]


def test_retained_resources_are_kept_and_the_others_are_deleted(open_environment: Any) -> None:
    aws = open_environment()

    assert delete(aws)["StackStatus"] == "DELETE_COMPLETE"
    assert list_groups(aws) == ["/own/worker"]
    assert aws.client("lambda").list_functions()["Functions"] == []
    assert aws.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert aws.client("iam").list_roles()["Roles"] == []


def test_a_description_of_a_deleted_stack_makes_no_resource_again(open_environment: Any) -> None:
    aws = open_environment()
    stack_id = delete(aws)["StackId"]

    assert len(aws.client("cloudformation").list_stack_resources(StackName=stack_id)["StackResourceSummaries"]) == 5
    assert aws.client("lambda").list_functions()["Functions"] == []


def test_a_stack_that_is_created_again_has_new_names(open_environment: Any, make_assembly: Callable[..., Path]) -> None:
    def remove_name(template: dict[str, Any]) -> None:
        del template["Resources"]["LogGroup"]["Properties"]["LogGroupName"]

    aws = open_environment(make_assembly(change=remove_name))
    names = dict(aws.stack.resources)
    delete(aws)
    aws.deploy(make_assembly(change=remove_name))

    assert aws.stack.resources["Worker"] != names["Worker"]
    assert sorted(list_groups(aws)) == sorted([names["LogGroup"], aws.stack.resources["LogGroup"]])


def test_a_protected_stack_is_not_deleted(open_environment: Any, make_assembly: Callable[..., Path]) -> None:
    aws = open_environment()
    client = aws.client("cloudformation")
    client.update_termination_protection(StackName="stack", EnableTerminationProtection=True)

    with pytest.raises(ClientError, match=r"Stack \[stack\] cannot be deleted while TerminationProtection is enabled"):
        delete(aws)
    assert client.describe_stacks(StackName="stack")["Stacks"][0]["EnableTerminationProtection"] is True
    # A deployment sets the protection that the assembly has.
    aws.deploy(make_assembly("two"))
    assert delete(aws)["StackStatus"] == "DELETE_COMPLETE"


def test_the_protection_of_an_unknown_stack_cannot_be_set(open_environment: Any) -> None:
    client = open_environment().client("cloudformation")
    with pytest.raises(ClientError, match=r"Stack \[nobody\] does not exist"):
        client.update_termination_protection(StackName="nobody", EnableTerminationProtection=False)
    client.delete_stack(StackName="nobody")


def test_a_deletion_that_fails_can_be_repeated(open_environment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = open_environment()
    failures = iter([RuntimeError("The role is in use.")])
    delete_resource = deletions.parsing.ResourceMap._delete_resource

    def fail_once(self: Any, resource: Any, template: dict[str, Any]) -> None:
        if template["Type"] == "AWS::IAM::Role":
            for failure in failures:
                raise failure
        delete_resource(self, resource, template)

    monkeypatch.setattr(deletions.parsing.ResourceMap, "_delete_resource", fail_once)

    assert delete(aws)["StackStatus"] == "DELETE_FAILED"
    events = aws.client("cloudformation").describe_stack_events(StackName="stack")["StackEvents"]
    assert events[0]["ResourceStatusReason"] == "The role is in use."
    assert delete(aws)["StackStatus"] == "DELETE_COMPLETE"


def test_a_stack_is_gone_before_its_executions_are(open_environment: Any, make_assembly: Callable[..., Path]) -> None:
    aws = open_environment(make_assembly(text=make_definition(30 * 86400)))
    states, machine, arn = aws.client("stepfunctions"), aws.state_machine_arn, aws.start({})
    aws.clock.settle()
    delete(aws)

    assert states.describe_state_machine(stateMachineArn=machine)["status"] == "DELETING"
    with pytest.raises(ClientError, match="StateMachineDeleting"):
        aws.start({}, state_machine_arn=machine)
    aws.client("logs").delete_log_group(logGroupName="/own/worker")
    with pytest.raises(DeploymentError, match=r"stack is ROLLBACK_COMPLETE: .*State Machine is being deleted"):
        aws.deploy(make_assembly("two"))
    assert aws.describe(arn)["status"] == "RUNNING"
    aws.clock.advance(40 * DAY)
    for call, name in ((states.describe_state_machine, "stateMachineArn"), (states.describe_execution, "executionArn")):
        with pytest.raises(ClientError, match="DoesNotExist"):
            call(**{name: machine if name == "stateMachineArn" else arn})


class TestACreationThatFails:
    @staticmethod
    def spoil(template: dict[str, Any]) -> None:
        """Add a queue that is kept, and after it one that cannot be made."""
        template["Resources"] |= {
            "Kept": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain", "Properties": {"QueueName": "kept"}},
            "Broken": {"Type": "AWS::SQS::Queue", "DependsOn": [*template["Resources"], "Kept"],
                       "Properties": {"QueueName": "not a name"}},
        }  # fmt: skip

    @pytest.fixture
    def aws(self, make_assembly: Callable[..., Path]) -> Iterator[Environment]:
        with Environment(now=NOON) as environment:
            with pytest.raises(DeploymentError, match=r"stack is ROLLBACK_COMPLETE: .*alphanumeric"):
                environment.deploy(make_assembly(change=self.spoil))
            yield environment

    def test_leaves_what_its_policy_retains_in_any_case(self, aws: Environment) -> None:
        assert [url.rpartition("/")[2] for url in aws.client("sqs").list_queues()["QueueUrls"]] == ["kept"]
        assert list_groups(aws) == []
        assert aws.client("lambda").list_functions()["Functions"] == []

    def test_must_be_deleted_before_it_is_created_again(
        self, aws: Environment, make_assembly: Callable[..., Path]
    ) -> None:
        assert delete(aws)["StackStatus"] == "DELETE_COMPLETE"
        aws.deploy(make_assembly())

        arn = aws.start({})
        aws.clock.settle()
        assert output_of(aws, arn) == ["one", "test", "1"]

    def test_fails_to_roll_back_what_is_protected(self, make_assembly: Callable[..., Path]) -> None:
        def spoil(template: dict[str, Any]) -> None:
            self.spoil(template)
            key = {"AttributeName": "Id", "KeyType": "HASH"}
            template["Resources"]["Kept"] = {"Type": "AWS::DynamoDB::Table", "Properties": {
                "KeySchema": [key], "AttributeDefinitions": [{"AttributeName": "Id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": True}}  # fmt: skip

        with Environment(now=NOON) as aws, pytest.raises(DeploymentError, match="stack is ROLLBACK_FAILED"):
            aws.deploy(make_assembly(change=spoil))
