"""The stack keeps what executions of former releases need: functions, permissions, the table, names."""

import copy
import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cdk.assembly import TEMPLATE, assembly
from stacks import function_tables, offboarding_stack
from stacks.cdk_app import STACK_ID, build_app
from stacks.functions import FunctionSpec
from stacks.machines import APPROVAL, OFFBOARDING, RESTORE, Machine
from stacks.workflow import DefinitionError
from tests.infrastructure.templates import as_list, render_arn, resources_of_type, role_statements, single_resource
from tests.releases.next_release import NextRelease
from tests.releases.recorded_release import SETTINGS, Release, list_releases
from tests.synthesis import CONTEXT

Template = dict[str, Any]

KEPT_PROPERTIES = {
    "AWS::Lambda::Function": ("FunctionName", "PackageType"),
    "AWS::IAM::Role": ("RoleName", "Path"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", "StateMachineType"),
    "AWS::DynamoDB::Table": ("TableName", "KeySchema", "GlobalSecondaryIndexes"),
    "AWS::SSM::Parameter": ("Name", "Type"),
    "AWS::SNS::Topic": ("TopicName", "FifoTopic"),
}
"""The resources that waiting executions use by name, and the properties whose change would replace them."""
MACHINES = {"Offboarding": OFFBOARDING, "Approval": APPROVAL, "Restore": RESTORE}
every_release = pytest.mark.parametrize("release", list_releases(), ids=lambda release: release.version)


def find_missing(former: Template, latest: Template) -> list[str]:
    """Describe what executions of a former template need and the new template lacks."""
    return [*_find_missing_resources(former, latest), *_find_missing_permissions(former, latest)]


def _find_missing_resources(former: Template, latest: Template) -> Iterator[str]:
    for name, resource in former["Resources"].items():
        current_resource = latest["Resources"].get(name)
        for key in KEPT_PROPERTIES.get(resource["Type"], ()) if current_resource else ():
            if resource["Properties"].get(key) != current_resource["Properties"].get(key):
                yield f"{name} has another {key}"
        if resource["Type"] in KEPT_PROPERTIES and current_resource is None:
            yield f"{name} is gone"


def _find_missing_permissions(former: Template, latest: Template) -> Iterator[str]:
    for role in resources_of_type(former, "AWS::IAM::Role"):
        allowed = set(_list_permissions(latest, role)) if role in latest["Resources"] else set()
        for permission in sorted(set(_list_permissions(former, role)) - allowed):
            yield f"{role} may no longer {' on '.join(permission)}"


def _list_permissions(template: Template, role: str) -> Iterator[tuple[str, str]]:
    for _, statement in role_statements(template, role):
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                yield action, render_arn(resource)


@pytest.fixture(scope="module")
def current() -> Path:
    return assembly(SETTINGS)


def read_template(directory: Path) -> Template:
    return json.loads((directory / TEMPLATE).read_text())


@every_release
def test_the_stack_keeps_everything_that_a_release_needs(release: Release, current: Path) -> None:
    assert find_missing(release.template, read_template(current)) == []


@every_release
@pytest.mark.parametrize("construct", MACHINES)
def test_the_functions_that_a_release_calls_are_listed_as_released(release: Release, construct: str) -> None:
    _, machine = single_resource(release.template, "AWS::StepFunctions::StateMachine", construct)
    assert set(machine["Properties"]["DefinitionSubstitutions"]) <= MACHINES[construct].released


def test_a_removed_function_is_reported_with_its_role_and_its_permission(current: Path, tmp_path: Path) -> None:
    next_release = NextRelease(current, tmp_path / "later")
    next_release.rename_function("CheckOrganization", "ExamineOrganization")
    assert find_missing(read_template(current), next_release.template) == []

    next_release.remove_function("CheckOrganization")

    message = "\n".join(find_missing(read_template(current), next_release.template))
    assert "CheckOrganizationFunction7802D99B is gone" in message
    assert "CheckOrganizationRoleE9F79B95 is gone" in message
    assert "may no longer lambda:InvokeFunction on <CheckOrganizationFunction7802D99B.Arn>:*" in message


def test_a_removed_action_is_reported(current: Path) -> None:
    changed = copy.deepcopy(read_template(current))
    _, role = single_resource(changed, "AWS::IAM::Role", "VerifyCleanup")
    [policy] = [policy for policy in role["Properties"]["Policies"] if policy["PolicyName"] == "WorkMail"]
    policy["PolicyDocument"]["Statement"][0]["Action"].remove("workmail:GetMailboxDetails")

    [message] = find_missing(read_template(current), changed)
    assert message.startswith("VerifyCleanupRole")
    assert "may no longer workmail:GetMailboxDetails on arn:" in message


def test_a_renamed_table_is_reported(current: Path) -> None:
    changed = copy.deepcopy(read_template(current))
    _, table = single_resource(changed, "AWS::DynamoDB::Table")
    table["Properties"]["TableName"] = "records"
    table["Properties"]["GlobalSecondaryIndexes"].pop()

    assert [message.partition(" has ")[2] for message in find_missing(read_template(current), changed)] == [
        "another TableName", "another GlobalSecondaryIndexes"
    ]  # fmt: skip


Specs = tuple[FunctionSpec, ...]


def synthesize(monkeypatch: pytest.MonkeyPatch, machine: Machine, change: Callable[[Specs], Specs]) -> Template:
    """Synthesize with another offboarding state machine and a changed list of its functions."""
    table = function_tables.FunctionTables.list_offboarding
    monkeypatch.setattr(offboarding_stack, "OFFBOARDING", machine)
    monkeypatch.setattr(function_tables.FunctionTables, "list_offboarding", lambda self: change(table(self)))
    app = build_app({**CONTEXT, "offboarding": SETTINGS})
    return json.loads(Path(app.synth().get_stack_artifact(STACK_ID).template_full_path).read_text())


def test_a_released_function_cannot_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    def remove_spec(specs: Specs) -> Specs:
        return tuple(spec for spec in specs if spec.name != "CheckOrganization")

    with pytest.raises(DefinitionError, match="CheckOrganization was released and is missing"):
        synthesize(monkeypatch, OFFBOARDING, remove_spec)


def test_a_retired_function_keeps_its_resources_and_permissions(
    monkeypatch: pytest.MonkeyPatch, current: Path, tmp_path: Path
) -> None:
    def rename_spec(specs: Specs) -> Specs:
        [old] = [spec for spec in specs if spec.name == "CheckOrganization"]
        others = [spec for spec in specs if spec is not old]
        return *others, dataclasses.replace(old, name="ExamineOrganization"), dataclasses.replace(old, retired=True)

    definition = tmp_path / "offboarding.asl.json"
    definition.write_text(OFFBOARDING.definition.read_text().replace("${CheckOrganization}", "${ExamineOrganization}"))
    template = synthesize(monkeypatch, dataclasses.replace(OFFBOARDING, definition=definition), rename_spec)

    assert find_missing(read_template(current), template) == []
    _, machine = single_resource(template, "AWS::StepFunctions::StateMachine", "Offboarding")
    called = machine["Properties"]["DefinitionSubstitutions"]
    assert "ExamineOrganization" in called
    assert "CheckOrganization" not in called
    _, version = single_resource(template, "AWS::Lambda::Version", "CheckOrganization")
    assert version["DeletionPolicy"] == "Retain", (
        "the version is published, so that a rollback to the former release works"
    )

    next_release = NextRelease(current, tmp_path / "later")
    next_release.rename_function("CheckOrganization", "ExamineOrganization")
    assert count_types(next_release.template) == count_types(template), (
        "the workflow tests retire a function as the CDK does"
    )


def count_types(template: Template) -> Counter[str]:
    return Counter(resource["Type"] for resource in template["Resources"].values())
