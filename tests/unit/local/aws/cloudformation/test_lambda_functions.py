"""Functions and versions of a template."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.local.assemblies import output_of


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
    def remove_deletion_policies(template: dict[str, Any]) -> None:
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Version":
                del resource["DeletionPolicy"]

    aws = open_environment(make_assembly("one", change=remove_deletion_policies))
    aws.deploy(make_assembly("two", change=remove_deletion_policies))

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

    assert output_of(aws, arn) == ["one", "test", "3"]


def test_a_change_of_the_variables_makes_a_new_version(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    aws = open_environment(make_assembly(stage="first"))
    aws.deploy(make_assembly(stage="second"))
    arn = aws.start({})
    aws.clock.settle()

    assert output_of(aws, arn) == ["one", "second", "2"]


def test_variables_that_a_template_no_longer_has_are_removed(
    open_environment: Any, make_assembly: Callable[..., Path]
) -> None:
    def remove(template: dict[str, Any]) -> None:
        del template["Resources"]["Worker"]["Properties"]["Environment"]

    aws = open_environment(make_assembly())
    aws.deploy(make_assembly(change=remove))

    assert aws.function_environment("ResolveEntity") == {}
