"""Least privilege, exactly: each role allows what its function or state machine does, and nothing beyond it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.aws.iam import Grant
from local.cdk.assembly import TEMPLATE
from local.environment import Environment
from tests.workflow.conftest import Flow
from tests.workflow.privileges import Allowed, Deployed, Need, made, missing, unused
from tests.workflow.privileges_tour import tour

FIRST_DAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Toured:
    """An environment after the tour, with the template of all providers, and what was done in it."""

    environment: Environment
    template: dict[str, Any]
    needs: frozenset[Need]

    def deployed(self, template: dict[str, Any] | None = None) -> Deployed:
        return Deployed(self.environment, template or self.template)

    def changed(self, role: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a copy of the template, and in it the role's last statement, to be changed."""
        copy = json.loads(json.dumps(self.template))
        [properties] = [
            resource["Properties"]
            for name, resource in copy["Resources"].items()
            if resource["Type"] == "AWS::IAM::Role" and name.startswith(role)
        ]
        return copy, properties["Policies"][-1]["PolicyDocument"]["Statement"][-1]


@pytest.fixture(scope="module")
def toured(stack: Path) -> Iterator[Toured]:
    template = json.loads((stack / TEMPLATE).read_text())
    with Environment(stack, now=FIRST_DAY) as environment:
        tour(Flow(environment))
        deployed = Deployed(environment, template)
        needs = made(deployed, environment) | deployed.needs_of_services()
        yield Toured(environment, template, frozenset(needs))


def test_nothing_is_allowed_that_is_never_done(toured: Toured) -> None:
    assert unused(toured.deployed().allowed(), toured.needs) == []


def test_nothing_is_done_that_is_not_allowed(toured: Toured) -> None:
    assert missing(toured.deployed().allowed(), toured.needs) == []


def test_every_function_and_state_machine_was_on_the_tour(toured: Toured) -> None:
    kinds = {"AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"}
    everybody = {name for name, found in toured.template["Resources"].items() if found["Type"] in kinds}
    working = {need.who for need in toured.needs - toured.deployed().needs_of_services()}

    assert working == everybody


def test_a_permission_too_many_is_found(toured: Toured) -> None:
    copy, statement = toured.changed("PlanOffboardingRole")
    statement["Action"] = ["states:DescribeExecution", "states:StopExecution"]

    [found] = unused(toured.deployed(copy).allowed(), toured.needs)
    assert found.startswith("PlanOffboardingFunction")
    assert " may states:StopExecution on arn:aws:states:us-east-1:123456789012:execution:" in found


def test_a_resource_too_many_is_found(toured: Toured) -> None:
    copy, statement = toured.changed("DeregisterEntityRole")
    statement["Resource"] = [statement["Resource"], "arn:aws:ssm:us-east-1:123456789012:parameter/other"]

    [found] = unused(toured.deployed(copy).allowed(), toured.needs)
    assert " may ssm:GetParameter on arn:aws:ssm:us-east-1:123456789012:parameter/other" in found


def test_a_missing_permission_is_found(toured: Toured) -> None:
    copy, statement = toured.changed("AwaitApprovalRole")
    assert statement["Action"] == "events:PutEvents"
    statement["Action"] = "events:PutRule"

    [found] = missing(toured.deployed(copy).allowed(), toured.needs)
    assert found.startswith("AwaitApprovalFunction")
    assert found.endswith(" needs events:PutEvents on arn:aws:events:us-east-1:123456789012:event-bus/default")


def test_a_wildcard_stands_for_what_nobody_can_name_beforehand(toured: Toured) -> None:
    """Otherwise one that is wider than it has to be would be used, and so would not be found."""
    deployed = toured.deployed()
    wild = {one for one in deployed.allowed() if set("*?") & set(one.grant.action + one.grant.resource)}
    functions = {
        Allowed(need.who, Grant(need.action, need.resource.rpartition(":")[0] + ":*"))
        for need in toured.needs
        if need.action == "lambda:InvokeFunction"
    }
    executions = {
        Allowed(need.who, Grant(need.action, need.resource.rpartition(":")[0] + ":*"))
        for need in toured.needs
        if need.action == "states:DescribeExecution"
    }
    nothing_to_name = {Allowed(need.who, Grant(need.action, "*")) for need in toured.needs if need.resource == "*"}

    assert wild == functions | executions | nothing_to_name


def test_the_state_machines_invoke_the_versions_that_their_definitions_name(toured: Toured) -> None:
    deployed = toured.deployed()
    named = {
        Need(who, "lambda:InvokeFunction", arn)
        for who, machine in deployed.of_type("AWS::StepFunctions::StateMachine").items()
        for arn in machine["DefinitionSubstitutions"].values()
    }

    assert {need for need in toured.needs if need.action == "lambda:InvokeFunction"} == named
    assert all(need.resource.rpartition(":")[2].isdigit() for need in named)


def test_only_roles_queues_and_the_topic_have_policies(toured: Toured) -> None:
    with_policies = {
        resource["Type"]
        for resource in toured.template["Resources"].values()
        if "Policy" in json.dumps(list(resource.get("Properties", {}))) or resource["Type"] == "AWS::Lambda::Permission"
    }

    assert with_policies == {
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
    }
    queues = toured.deployed().of_type("AWS::SQS::Queue").values()
    assert {name for queue in queues for name in queue if "Policy" in name} == {"RedrivePolicy"}


def test_into_each_queue_only_the_rules_put_that_lead_there(toured: Toured) -> None:
    deployed = toured.deployed()
    leading: dict[str, set[str]] = {}
    for name, rule in deployed.of_type("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            for queue in (target["Arn"], target["DeadLetterConfig"]["Arn"]):
                leading.setdefault(queue, set()).add(deployed.attribute(name, "Arn"))
    allowed = {}
    for policy in deployed.of_type("AWS::SQS::QueuePolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                assert statement["Principal"] == {"Service": "events.amazonaws.com"}
                assert statement["Action"] == "sqs:SendMessage"
                allowed[statement["Resource"]] = set(statement["Condition"]["ArnEquals"]["aws:SourceArn"])

    assert allowed == leading
    topics = deployed.of_type("AWS::SNS::TopicPolicy").values()
    assert {statement["Effect"] for topic in topics for statement in topic["PolicyDocument"]["Statement"]} == {"Deny"}
