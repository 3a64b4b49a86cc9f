"""Updates of a stack, and their rollback."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.cdk.deployment import DeploymentError
from tests.unit.local.assemblies import DAY, NOON, make_definition, output_of


def test_an_update_changes_the_code_for_new_executions_only(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    aws = open_environment(make_assembly("one", make_definition(30 * 86400)))
    old = aws.start({})
    aws.clock.advance(12 * DAY)
    aws.deploy(make_assembly("two", make_definition(30 * 86400, "['new', $states.result.Payload[0]]"), stage="later"))
    new = aws.start({})
    aws.clock.advance(40 * DAY)

    assert output_of(aws, old) == ["one", "test", "1"]
    assert output_of(aws, new) == ["new", "two"]
    assert aws.history(old)[-1]["timestamp"] == NOON + 30 * DAY


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
            aws.deploy(make_assembly("two", make_definition(0, "'new'"), stage="later", change=self.spoil))
        arn = aws.start({})
        aws.clock.settle()

        assert output_of(aws, arn) == ["one", "test", "1"]
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

        assert output_of(aws, arn)[0] == "two"


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
