"""cdk-nag's AwsSolutions rules: no finding that nobody has looked at."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_sqs as sqs
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from local.assembly import TEMPLATE, assembly
from stacks.synthesis import STACK_NAME, offboarding_app

SETTINGS = {"organizations": [{"id": "m-" + "a1" * 16}]}
WITH_PROVIDERS = {
    "organizations": [{"id": "m-" + "a1" * 16, "mailDomains": ["example.com"], "identityStores": ["d-1234567890"]}],
    "identityProviders": {
        "identityCenter": {},
        "identityCenterCloudTrail": {},
        "okta": {"eventSource": "aws.partner/okta.com/exampleco/leavers"},
        "auth0": {"eventSource": "aws.partner/auth0.com/exampleco/auth0.logs"},
        "sailpoint": {"eventSource": "aws.partner/sailpoint.com/exampleco/idn/x", "accountSources": ["hr"]},
        "offboardingRequested": {},
    },
}
EVERY_SIZE = pytest.mark.parametrize("settings", [SETTINGS, WITH_PROVIDERS], ids=["no providers", "all providers"])
CONTEXT = json.loads((Path(__file__).parents[2] / "cdk.json").read_text())["context"]


def app(settings: dict[str, Any]) -> App:
    return offboarding_app({**CONTEXT, "offboarding": settings})


def stack_of(built: App) -> Stack:
    stack = built.node.find_child(STACK_NAME)
    assert isinstance(stack, Stack)
    return stack


def findings(stack: Stack) -> set[tuple[str, str]]:
    """Each finding, with the path of the resource that has it."""
    violations = AwsSolutionsChecks(stack).validate_scope(stack).violations
    return {
        (violation.rule_name, str(resource.construct_path))
        for violation in violations
        for resource in violation.violating_resources
    }


def acknowledged(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Each acknowledged finding, with the path of the construct that it is acknowledged on, and the reason."""
    constructs: list[IConstruct] = stack.node.find_all()
    for construct in constructs:
        for entry in construct.node.metadata:
            if entry.type == "aws:cdk:acknowledged-rules":
                for finding, reason in entry.data.items():
                    yield finding.removeprefix("Annotation::"), construct.node.path, reason


@EVERY_SIZE
def test_no_finding_is_left(settings: dict[str, Any]) -> None:
    assert findings(stack_of(app(settings))) == set()


def test_a_resource_that_breaks_a_rule_is_found() -> None:
    stack = stack_of(app(SETTINGS))
    sqs.Queue(stack, "WithoutTransportSecurityOrDeadLetters")
    assert {finding for finding, _ in findings(stack)} == {"AwsSolutions-SQS3", "AwsSolutions-SQS4"}


@EVERY_SIZE
def test_every_acknowledged_finding_is_real_and_has_a_reason(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    accepted = [*acknowledged(stack_of(app(settings)))]
    assert all(len(reason) > 60 and reason.endswith(".") for _, _, reason in accepted)
    for module in ("functions", "event_queue", "workflow"):
        monkeypatch.setattr(f"stacks.{module}.acknowledge", lambda *_: None)
    found = findings(stack_of(app(settings)))
    for finding, path, _ in accepted:
        assert [where for what, where in found if what == finding and where.startswith(f"{path}/")], (finding, path)
    assert {finding for finding, _ in found} == {finding for finding, _, _ in accepted}


def test_two_synths_give_the_same_template(tmp_path: Path) -> None:
    built = offboarding_app({**CONTEXT, "offboarding": SETTINGS}, outdir=tmp_path)
    built.synth()
    assert (tmp_path / TEMPLATE).read_text() == (assembly(SETTINGS) / TEMPLATE).read_text()
