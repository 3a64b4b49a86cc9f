"""cdk-nag's rules of AWS Solutions and of NIST 800-53: every finding is acknowledged with a reason."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sqs as sqs
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks
from constructs import IConstruct

from stacks.cdk_app import STACK_ID, build_app
from tests.infrastructure.accepted import is_one_sentence, read_documented_findings
from tests.infrastructure.providers import ORGANIZATIONS, PROVIDERS

SETTINGS = {"organizations": [{"id": "m-" + "a1" * 16}]}
WITH_PROVIDERS = {"organizations": ORGANIZATIONS, "identityProviders": PROVIDERS}
EVERYTHING = {**WITH_PROVIDERS, "export": {"mode": "Required", "lockDays": 30}}
EVERY_SIZE = pytest.mark.parametrize("settings", [SETTINGS, EVERYTHING], ids=["the least", "everything"])
CONTEXT = json.loads((Path(__file__).parents[2] / "cdk.json").read_text())["context"]


def app_with(settings: dict[str, Any]) -> App:
    return build_app({**CONTEXT, "offboarding": settings})


def stack_of(app: App) -> Stack:
    stack = app.node.find_child(STACK_ID)
    assert isinstance(stack, Stack)
    return stack


@cache
def cached_stack(settings: str) -> Stack:
    """Build a stack once for the tests that do not change it."""
    return stack_of(app_with(json.loads(settings)))


def findings(stack: Stack) -> set[tuple[str, str]]:
    """Return each finding with the path of its resource."""
    return {
        (violation.rule_name, str(resource.construct_path))
        for pack in (AwsSolutionsChecks, NIST80053R5Checks)
        for violation in pack(stack).validate_scope(stack).violations
        for resource in violation.violating_resources
    }


def acknowledgements(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Yield each acknowledged finding with the path of its construct and the reason."""
    constructs: list[IConstruct] = stack.node.find_all()
    for construct in constructs:
        for entry in construct.node.metadata:
            if entry.type == "aws:cdk:acknowledged-rules":
                for finding, reason in entry.data.items():
                    yield finding.removeprefix("Annotation::"), construct.node.path, reason


@EVERY_SIZE
def test_every_finding_is_acknowledged(settings: dict[str, Any]) -> None:
    assert findings(cached_stack(json.dumps(settings))) == set()


def test_a_resource_that_breaks_a_rule_is_found() -> None:
    broken = stack_of(app_with(SETTINGS))
    sqs.Queue(broken, "WithoutTransportSecurityOrDeadLetters")
    dynamodb.Table(broken, "WithoutBackups", partition_key={"name": "Id", "type": dynamodb.AttributeType.STRING})
    assert {finding for finding, _ in findings(broken)} == {
        "AwsSolutions-SQS3",
        "AwsSolutions-SQS4",
        "AwsSolutions-DDB3",
        "NIST.800.53.R5-DynamoDBAutoScalingEnabled",
        "NIST.800.53.R5-DynamoDBInBackupPlan",
        "NIST.800.53.R5-DynamoDBPITREnabled",
    }


@EVERY_SIZE
def test_every_acknowledged_finding_is_real_and_has_a_reason(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    accepted = [*acknowledgements(cached_stack(json.dumps(settings)))]
    assert {reason for _, _, reason in accepted if not is_one_sentence(reason)} == set()
    monkeypatch.setattr("stacks.nag.Validations", Mock())
    reported = findings(stack_of(app_with(settings)))
    for finding, path, _ in accepted:
        assert any(rule == finding and place.startswith(f"{path}/") for rule, place in reported), (finding, path)
    assert {rule for rule, _ in reported} == {finding for finding, _, _ in accepted}


def test_the_docs_list_every_acknowledged_finding() -> None:
    accepted = acknowledgements(cached_stack(json.dumps(EVERYTHING)))
    assert read_documented_findings("cdk-nag") == {
        (finding.partition("[")[0], reason) for finding, _, reason in accepted
    }
