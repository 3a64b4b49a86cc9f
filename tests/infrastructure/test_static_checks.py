"""Which findings of cfn-lint and checkov, and which licences, are problems."""

import json
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from stacks.locked_packages import read_locked_packages
from tools.static import check_handler_permissions, check_licences, check_templates
from tools.static.check_templates import AcceptedFinding, Finding

TEMPLATE = Path("a.template.json")
RULES = check_licences.LicenceRules(
    deployed=frozenset({"MIT", "Apache-2.0"}),
    tools=frozenset({"MPL-2.0"}),
    spellings={"MIT License": "MIT"},
    overrides={"odd": "Apache-2.0"},
)
PACKAGES_WITH_RULES = [("odd", "see the file"), ("old", "MIT License")]


def problems_of(resource: dict[str, Any], *accepted: AcceptedFinding, rule: str = "R1") -> list[str]:
    finding = Finding("checkov", rule, TEMPLATE, "Queue", "It is not encrypted")
    return check_templates.list_problems([finding], accepted, {TEMPLATE: {"Resources": {"Queue": resource}}})


def accepted(rule: str = "R1", **conditions: Any) -> AcceptedFinding:
    return AcceptedFinding("checkov", rule, "A reason.", **conditions)


def test_a_finding_that_is_not_accepted_is_a_problem() -> None:
    assert problems_of({}) == ["checkov R1 on Queue: It is not encrypted"]


def test_an_accepted_finding_is_no_problem() -> None:
    assert problems_of({"Type": "AWS::SQS::Queue"}, accepted()) == []


@pytest.mark.parametrize(
    ("kind", "properties", "problems"),
    [
        ("AWS::SQS::Queue", {"Sse": {"On": True}}, 0),
        ("AWS::SQS::Queue", {"Sse": {"On": False}}, 2),
        ("AWS::SQS::Queue", {"Sse": "of another shape"}, 2),
        ("AWS::SQS::Queue", {}, 2),
        ("AWS::SNS::Topic", {"Sse": {"On": True}}, 2),
    ],
)
def test_a_finding_is_accepted_only_on_the_described_resources(
    kind: str, properties: dict[str, Any], problems: int
) -> None:
    entry = accepted(resources=["AWS::SQS::Queue"], where={"Sse.On": True})
    assert len(problems_of({"Type": kind, "Properties": properties}, entry)) == problems


def test_an_accepted_finding_that_is_no_longer_found_is_a_problem() -> None:
    assert problems_of({}, accepted(), accepted("R2")) == [
        "checkov R2 is accepted, but no longer found: remove its entry"
    ]


def test_a_rule_of_another_tool_with_the_same_name_is_not_accepted() -> None:
    assert len(problems_of({}, AcceptedFinding("cfn-lint", "R1", "A reason."))) == 2


def test_an_allowed_licence_is_no_problem() -> None:
    packages = [*PACKAGES_WITH_RULES, ("new", "MIT"), ("choice", "MIT OR GPL-3.0-only"), ("both", "MIT AND MPL-2.0")]
    assert check_licences.list_problems(packages, ["new"], RULES) == []


@pytest.mark.parametrize(
    ("declared", "deployed", "problem"),
    [
        ("GPL-3.0-only", False, "new: GPL-3.0-only is not allowed for tools"),
        ("MIT AND GPL-3.0-only", False, "new: MIT AND GPL-3.0-only is not allowed for tools"),
        ("MPL-2.0", True, "new: MPL-2.0 is not allowed for deployed packages"),
        ("MIT License", True, "new: licences.toml does not contain the licence 'MIT License'"),
        ("Free for all", False, "new: licences.toml does not contain the licence 'Free for all'"),
        ("", False, "new: licences.toml does not contain the licence ''"),
    ],
)
def test_any_other_licence_is_a_problem(declared: str, deployed: bool, problem: str) -> None:
    assert check_licences.list_problems(
        [*PACKAGES_WITH_RULES, ("new", declared)], ["new"] if deployed else [], RULES
    ) == [problem]


def test_a_rule_that_no_package_needs_is_a_problem() -> None:
    assert check_licences.list_problems([("new", "MIT")], [], RULES) == [
        "licences.toml: no package needs 'MIT License' in spellings",
        "licences.toml: no package needs 'odd' in overrides",
    ]


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License-Expression": "MIT-0", "License": "MIT"}, "MIT-0"),
        ({"License": "mit"}, "MIT"),
        ({"License": "BSD\nand its text"}, "BSD"),
        ({"License": "see LICENSE", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT License"),
        ({"Classifier": "Topic :: Office"}, ""),
    ],
)
def test_the_licence_comes_from_the_most_precise_field_of_the_metadata(fields: dict[str, str], licence: str) -> None:
    message = Message()
    for name, value in fields.items():
        message[name] = value
    assert check_licences.read_declared_licence(message) == licence


def test_every_deployed_package_has_a_permissive_licence() -> None:
    rules = check_licences.read_rules()
    packages = read_locked_packages()
    licences = [check_licences.read_declared_licence(metadata.metadata(package)) for package in packages]
    problems = [rules.find_problem(*pair, deployed=True) for pair in zip(packages, licences, strict=True)]
    assert problems == [None] * 4


def test_the_actions_of_a_resource_type_come_from_the_handlers_of_its_schema(tmp_path: Path) -> None:
    handlers = {
        "create": {"permissions": ["b:Create", "a:Describe"]},
        "delete": {"permissions": ["a:Describe"]},
        "list": {"permissions": ["a:List"]},
    }
    for name, schema in (("1", {"typeName": "A::B::C", "handlers": handlers}), ("2", {"typeName": "D::E::F"})):
        (tmp_path / f"{name}.json").write_text(json.dumps(schema))

    current = check_handler_permissions.read_permissions([tmp_path], ["A::B::C", "G::H::I"])

    assert current == {"A::B::C": ["a:Describe", "b:Create"], "G::H::I": []}
    recorded = {"A::B::C": ["b:Create"]}
    differences = check_handler_permissions.describe_differences(recorded, current)
    assert differences == ["A::B::C: a:Describe", "G::H::I: no action is known"]
    assert check_handler_permissions.describe_differences(current, current) == []
