"""The logical ids of the functions' versions: the same code and configuration must have the same one.

The CDK puts a hash of a function's properties into the logical id of its version. CloudFormation publishes a version
for each new id. If the function has not changed, Lambda refuses that, and the deployment fails with "A version for this
Lambda function exists". Upgrades of the CDK have changed the hash (https://github.com/aws/aws-cdk/issues/28252,
https://github.com/aws/aws-cdk/issues/26739). ``docs/releasing.md`` describes what to do then.
"""

import copy
import json
from pathlib import Path

import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from local.cdk.assembly import TEMPLATE, assembly
from tests.infrastructure.templates import Template, resources_of_type, single_resource
from tests.releases.recorded_release import SETTINGS, Release, list_releases
from tests.synthesis import CONTEXT

CODE_HASH = "d02b901e14b492a8e12c4dea4821ce9bc040b4bb371178993eeb7369c929bbee"
VERSION_ID = "FunctionCurrentVersion4E2B2261e997d9867d04d8733dc5fd5807aedd90"


def find_renamed_versions(former: Template, latest: Template) -> list[str]:
    """Describe the versions that have another logical id although their functions are the same."""
    former_functions, functions = (resources_of_type(t, "AWS::Lambda::Function") for t in (former, latest))
    former_ids, ids = (list_version_ids(template) for template in (former, latest))
    return [
        f"the version of {name} was {former_ids[name]} and is {ids.get(name)}, and the function is the same"
        for name in former_ids
        if functions.get(name, {}).get("Properties") == former_functions[name]["Properties"]
        if ids.get(name) != former_ids[name]
    ]


def list_version_ids(template: Template) -> dict[str, str]:
    """Return the logical ids of the versions, by those of their functions."""
    versions = resources_of_type(template, "AWS::Lambda::Version")
    return {version["Properties"]["FunctionName"]["Ref"]: name for name, version in versions.items()}


def read_template() -> Template:
    template: Template = json.loads((assembly(SETTINGS) / TEMPLATE).read_text())
    return template


def synthesize_function(code: Path) -> Template:
    """Synthesize a function that never changes, with the settings of the CDK in ``cdk.json``."""
    stack = Stack(App(context=CONTEXT), "Fixed")
    function = lambda_.Function(
        stack,
        "Function",
        description="Never changes",
        code=lambda_.Code.from_asset(str(code)),
        handler="handler.handler",
        runtime=lambda_.Runtime.PYTHON_3_13,
        architecture=lambda_.Architecture.ARM_64,
        memory_size=256,
        timeout=Duration.seconds(30),
        environment={"LATER": stack.region, "EARLIER": "text"},
        log_group=logs.LogGroup(stack, "LogGroup"),
        role=iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")),
    )
    assert function.current_version is not None
    template: Template = App.of(function).synth().get_stack_by_name("Fixed").template
    return template


def test_the_installed_cdk_gives_a_function_that_never_changes_the_version_id_that_it_always_had(
    tmp_path: Path,
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "handler.py").write_text("def handler(event, context):\n    return event\n")
    (tmp_path / "package" / "data.json").write_text("{}\n")

    template = synthesize_function(tmp_path)

    _, function = single_resource(template, "AWS::Lambda::Function", "Function")
    assert function["Properties"]["Code"]["S3Key"] == f"{CODE_HASH}.zip"
    assert list(list_version_ids(template).values()) == [VERSION_ID]


@pytest.mark.parametrize("release", list_releases(), ids=lambda release: release.version)
def test_a_function_that_is_as_it_was_released_has_the_released_version_id(release: Release) -> None:
    assert find_renamed_versions(release.template, read_template()) == []


def test_a_renamed_version_of_an_unchanged_function_is_reported() -> None:
    template = read_template()
    renamed = copy.deepcopy(template)
    name, version = single_resource(renamed, "AWS::Lambda::Version", "CheckOrganization")
    del renamed["Resources"][name]
    renamed["Resources"][f"{name[:-32]}{'0' * 32}"] = version
    function = version["Properties"]["FunctionName"]["Ref"]

    assert [message.split()[3] for message in find_renamed_versions(template, renamed)] == [function]
    renamed["Resources"][function]["Properties"]["Description"] = "Another one"
    assert find_renamed_versions(template, renamed) == []
