"""cdk-nag's rules of AWS Solutions and of NIST 800-53: no finding that nobody has looked at."""

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

from stacks.synthesis import STACK_NAME, offboarding_app
from tests.infrastructure.accepted import documented, is_one_sentence

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


@cache
def built_once(settings: str) -> Stack:
    """Build it once for the tests that only look at it."""
    return stack_of(app(json.loads(settings)))


def findings(stack: Stack) -> set[tuple[str, str]]:
    """Each finding, with the path of the resource that has it."""
    return {
        (violation.rule_name, str(resource.construct_path))
        for pack in (AwsSolutionsChecks, NIST80053R5Checks)
        for violation in pack(stack).validate_scope(stack).violations
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
    assert findings(built_once(json.dumps(settings))) == set()


def test_a_resource_that_breaks_a_rule_is_found() -> None:
    broken = stack_of(app(SETTINGS))
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
    accepted = [*acknowledged(built_once(json.dumps(settings)))]
    assert {reason for _, _, reason in accepted if not is_one_sentence(reason)} == set()
    monkeypatch.setattr("stacks.nag.Validations", Mock())
    found = findings(stack_of(app(settings)))
    for finding, path, _ in accepted:
        assert [where for what, where in found if what == finding and where.startswith(f"{path}/")], (finding, path)
    assert {finding for finding, _ in found} == {finding for finding, _, _ in accepted}


def test_the_docs_tell_what_is_acknowledged() -> None:
    accepted = acknowledged(built_once(json.dumps(WITH_PROVIDERS)))
    assert documented("cdk-nag") == {(finding.partition("[")[0], reason) for finding, _, reason in accepted}
