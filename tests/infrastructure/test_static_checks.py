"""What decides whether a finding of cfn-lint or checkov, or a licence, is all right."""

from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from stacks.packaging import locked_packages
from tools.static import licences, templates
from tools.static.templates import Accepted, Finding

TEMPLATE = Path("a.template.json")
RULES = licences.Rules(
    deployed=frozenset({"MIT", "Apache-2.0"}),
    tools=frozenset({"MPL-2.0"}),
    spelled={"MIT License": "MIT"},
    stated={"odd": "Apache-2.0"},
)
WHOLE = [("odd", "see the file"), ("old", "MIT License")]


def judged(resource: dict[str, Any], *accepted: Accepted, rule: str = "R1") -> list[str]:
    finding = Finding("checkov", rule, TEMPLATE, "Queue", "It is not encrypted")
    return templates.judge([finding], accepted, {TEMPLATE: {"Resources": {"Queue": resource}}})


def accepted(rule: str = "R1", **on: Any) -> Accepted:
    return Accepted("checkov", rule, "A reason.", **on)


def test_a_finding_that_nobody_accepted_is_a_problem() -> None:
    assert judged({}) == ["checkov R1 on Queue: It is not encrypted"]


def test_an_accepted_finding_is_none() -> None:
    assert judged({"Type": "AWS::SQS::Queue"}, accepted()) == []


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
def test_a_reason_holds_only_for_the_resources_that_it_speaks_of(
    kind: str, properties: dict[str, Any], problems: int
) -> None:
    entry = accepted(resources=["AWS::SQS::Queue"], where={"Sse.On": True})
    assert len(judged({"Type": kind, "Properties": properties}, entry)) == problems


def test_an_accepted_finding_that_is_not_found_any_more_is_a_problem() -> None:
    assert judged({}, accepted(), accepted("R2")) == ["checkov R2 is accepted, and is not found any more: take it out"]


def test_another_tool_s_rule_of_the_same_name_is_not_accepted() -> None:
    assert len(judged({}, Accepted("cfn-lint", "R1", "A reason."))) == 2


def test_every_licence_that_is_allowed_passes() -> None:
    packages = [*WHOLE, ("new", "MIT"), ("choice", "MIT OR GPL-3.0-only"), ("both", "MIT AND MPL-2.0")]
    assert licences.judge(packages, ["new"], RULES) == []


@pytest.mark.parametrize(
    ("says", "deployed", "problem"),
    [
        ("GPL-3.0-only", False, "new: GPL-3.0-only is not allowed for what is used here"),
        ("MIT AND GPL-3.0-only", False, "new: MIT AND GPL-3.0-only is not allowed for what is used here"),
        ("MPL-2.0", True, "new: MPL-2.0 is not allowed for what is deployed"),
        ("MIT License", True, "new: 'MIT License' is no licence that licences.toml knows"),
        ("Free for all", False, "new: 'Free for all' is no licence that licences.toml knows"),
        ("", False, "new: '' is no licence that licences.toml knows"),
    ],
)
def test_any_other_licence_is_a_problem(says: str, deployed: bool, problem: str) -> None:
    assert licences.judge([*WHOLE, ("new", says)], ["new"] if deployed else [], RULES) == [problem]


def test_a_rule_that_no_package_needs_is_a_problem() -> None:
    assert licences.judge([("new", "MIT")], [], RULES) == [
        "'MIT License' is spelled out, and no package says it any more",
        "odd is stated, and is not locked any more",
    ]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"License-Expression": "MIT-0", "License": "MIT"}, "MIT-0"),
        ({"License": "mit"}, "MIT"),
        ({"License": "BSD\nand its text"}, "BSD"),
        ({"License": "see LICENSE", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT License"),
        ({"Classifier": "Topic :: Office"}, ""),
    ],
)
def test_a_licence_is_what_the_metadata_say_most_exactly(fields: dict[str, str], says: str) -> None:
    message = Message()
    for name, value in fields.items():
        message[name] = value
    assert licences.said(message) == says


def test_what_is_deployed_is_permissive() -> None:
    rules = licences.read_rules()
    said = {package: licences.said(metadata.metadata(package)) for package in locked_packages()}
    assert len(said) == 4
    assert [rules.problem(package, says, deployed=True) for package, says in said.items()] == [None] * 4
