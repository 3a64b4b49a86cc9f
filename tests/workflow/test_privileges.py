"""Least privilege: each role allows exactly the calls of its function or state machine."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from local.cdk.assembly import TEMPLATE, assembly
from local.environment import Environment
from local.policies import Grant
from tests.infrastructure.templates import as_list
from tests.workflow.conftest import ARCHIVE_SETTINGS, Flow
from tests.workflow.privileges import DeployedTemplate, Need, Permission, find_missing, find_unused, list_performed
from tests.workflow.privileges_tour import run_tour

FIRST_DAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(frozen=True)
class TourResult:
    """An environment after the tour, with the template of all providers, and the calls that were made."""

    environment: Environment
    template: dict[str, Any]
    needs: frozenset[Need]

    def deployed(self, template: dict[str, Any] | None = None) -> DeployedTemplate:
        return DeployedTemplate(self.environment, template or self.template)

    def copy_with_statement(self, role: str, action: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a copy of the template, and the statement of the role in it with only this action, to be changed."""
        copy = json.loads(json.dumps(self.template))
        [properties] = [
            resource["Properties"]
            for name, resource in copy["Resources"].items()
            if resource["Type"] == "AWS::IAM::Role" and name.startswith(role)
        ]
        statements = [one for policy in properties["Policies"] for one in policy["PolicyDocument"]["Statement"]]
        return copy, next(statement for statement in statements if statement["Action"] == action)


@pytest.fixture(scope="module")
def tour_result() -> Iterator[TourResult]:
    stack = assembly(ARCHIVE_SETTINGS)
    template = json.loads((stack / TEMPLATE).read_text())
    with Environment(stack, now=FIRST_DAY, schedules=True) as environment:
        run_tour(Flow(environment))
        deployed = DeployedTemplate(environment, template)
        needs = list_performed(deployed, environment) | deployed.list_service_needs()
        yield TourResult(environment, template, frozenset(needs))


def test_every_permission_is_used(tour_result: TourResult) -> None:
    assert find_unused(tour_result.deployed().list_permissions(), tour_result.needs) == []


def test_every_call_is_allowed(tour_result: TourResult) -> None:
    assert find_missing(tour_result.deployed().list_permissions(), tour_result.needs) == []


def test_the_tour_covers_every_function_and_state_machine(tour_result: TourResult) -> None:
    kinds = {"AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"}
    principals = {name for name, resource in tour_result.template["Resources"].items() if resource["Type"] in kinds}
    active = {need.principal for need in tour_result.needs - tour_result.deployed().list_service_needs()}

    assert active == principals


def test_an_unused_action_is_found(tour_result: TourResult) -> None:
    copy, statement = tour_result.copy_with_statement("PlanOffboardingRole", "states:DescribeExecution")
    statement["Action"] = ["states:DescribeExecution", "states:StopExecution"]

    [description] = find_unused(tour_result.deployed(copy).list_permissions(), tour_result.needs)
    assert description.startswith("PlanOffboardingFunction")
    assert " may states:StopExecution on arn:aws:states:us-east-1:123456789012:execution:" in description


def test_an_unused_resource_is_found(tour_result: TourResult) -> None:
    copy, statement = tour_result.copy_with_statement("DeregisterEntityRole", "ssm:GetParameter")
    statement["Resource"] = [statement["Resource"], "arn:aws:ssm:us-east-1:123456789012:parameter/other"]

    [description] = find_unused(tour_result.deployed(copy).list_permissions(), tour_result.needs)
    assert " may ssm:GetParameter on arn:aws:ssm:us-east-1:123456789012:parameter/other" in description


def test_a_missing_permission_is_found(tour_result: TourResult) -> None:
    copy, statement = tour_result.copy_with_statement("NotificationsNotifySubscribersRole", "sqs:SendMessage")
    statement["Action"] = "sqs:PurgeQueue"

    [description] = find_missing(tour_result.deployed(copy).list_permissions(), tour_result.needs)
    assert description.startswith("NotificationsNotifySubscribersFunction")
    assert " needs sqs:SendMessage on arn:aws:sqs:us-east-1:123456789012:" in description


def test_wildcards_only_replace_names_that_are_unknown_at_deployment(tour_result: TourResult) -> None:
    """A wildcard that is wider than necessary would be used, so `find_unused` would not report it."""
    deployed = tour_result.deployed()
    wildcards = {
        permission
        for permission in deployed.list_permissions()
        if set("*?") & set(permission.grant.action + permission.grant.resource)
    }
    functions = {
        Permission(need.principal, Grant(need.action, need.resource.rpartition(":")[0] + ":*"))
        for need in tour_result.needs
        if need.action == "lambda:InvokeFunction" and need.resource.rpartition(":")[2].isdigit()
    }
    executions = {
        Permission(need.principal, Grant(need.action, need.resource.rpartition(":")[0] + ":*"))
        for need in tour_result.needs
        if need.action == "states:DescribeExecution"
    }
    store_users = {
        Permission(need.principal, Grant(need.action, need.resource.rpartition("/")[0] + "/*"))
        for need in tour_result.needs
        if need.action == "identitystore:DescribeUser" and need.resource.startswith("arn:aws:identitystore:::user/")
    }
    organizations = {
        Permission(need.principal, Grant(need.action, need.resource.rpartition("/")[0] + "/*"))
        for need in tour_result.needs
        if need.action == "ssm:GetParameter"
    }
    # WorkMail chooses the keys of archives and logs below the prefix.
    archives = {
        Permission(need.principal, Grant(need.action, f"{need.resource.partition('/')[0]}/archives/*"))
        for need in tour_result.needs
        if need.resource.startswith("arn:aws:s3:::") and "/archives/" in need.resource
    }
    without_resource = {
        Permission(need.principal, Grant(need.action, "*")) for need in tour_result.needs if need.resource == "*"
    }

    assert wildcards == functions | executions | store_users | organizations | archives | without_resource


def test_the_state_machines_invoke_the_versions_that_their_definitions_name(tour_result: TourResult) -> None:
    deployed = tour_result.deployed()
    named = {
        Need(principal, "lambda:InvokeFunction", arn)
        for principal, machine in deployed.properties_by_type("AWS::StepFunctions::StateMachine").items()
        for arn in machine["DefinitionSubstitutions"].values()
    }

    schedules = deployed.properties_by_type("AWS::Scheduler::Schedule")
    invocations = {need for need in tour_result.needs if need.action == "lambda:InvokeFunction"}
    assert {need for need in invocations if need.principal not in schedules} == named
    assert all(need.resource.rpartition(":")[2].isdigit() for need in named)


def test_only_roles_queues_the_topics_and_the_archives_have_policies(tour_result: TourResult) -> None:
    with_policies = {
        resource["Type"]
        for resource in tour_result.template["Resources"].values()
        if "Policy" in json.dumps(list(resource.get("Properties", {}))) or resource["Type"] == "AWS::Lambda::Permission"
    }

    assert with_policies == {
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::KMS::Key",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
    }
    queues = tour_result.deployed().properties_by_type("AWS::SQS::Queue").values()
    assert {name for queue in queues for name in queue if "Policy" in name} == {"RedrivePolicy"}


def test_each_queue_accepts_messages_only_from_the_rules_that_target_it(tour_result: TourResult) -> None:
    deployed = tour_result.deployed()
    rules_by_queue: dict[str, set[str]] = {}
    for name, rule in deployed.properties_by_type("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            for queue in (target["Arn"], target["DeadLetterConfig"]["Arn"]):
                rules_by_queue.setdefault(queue, set()).add(deployed.read_attribute(name, "Arn"))
    allowed = {}
    for policy in deployed.properties_by_type("AWS::SQS::QueuePolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                assert statement["Principal"] == {"Service": "events.amazonaws.com"}
                assert statement["Action"] == "sqs:SendMessage"
                allowed[statement["Resource"]] = set(as_list(statement["Condition"]["ArnEquals"]["aws:SourceArn"]))

    assert allowed == rules_by_queue
    topics = deployed.properties_by_type("AWS::SNS::TopicPolicy").values()
    statements = [statement for topic in topics for statement in topic["PolicyDocument"]["Statement"]]
    publishers = [statement["Principal"] for statement in statements if statement["Effect"] == "Allow"]
    assert publishers == [{"Service": "cloudwatch.amazonaws.com"}]
