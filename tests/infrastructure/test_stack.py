"""What is deployed, read from the synthesized template as CloudFormation would read it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.assembly import assembly
from tests.infrastructure.templates import (
    Template,
    function_of,
    listed,
    of_type,
    policies,
    role_of,
    template_of,
    text,
    the_one,
)

ORGANIZATION_ID = "m-" + "a1" * 16
ANOTHER_ID = "m-" + "b2" * 16
DESCRIBE_ONE = {"workmail:DescribeUser", "workmail:DescribeGroup", "workmail:DescribeResource"}
LIST_ALL = {"workmail:ListUsers", "workmail:ListGroups", "workmail:ListResources"}
ACTIONS = {
    "ResolveEntity": {"workmail:DescribeEntity"} | DESCRIBE_ONE | LIST_ALL,
    "CheckOrganization": {"workmail:DescribeOrganization"},
    "DeregisterEntity": {"workmail:DeregisterFromWorkMail"} | DESCRIBE_ONE,
    "VerifyCleanup": {"workmail:GetMailboxDetails"} | DESCRIBE_ONE | LIST_ALL,
}
HANDLERS = {
    "ResolveEntity": "resolve_entity.handler",
    "CheckOrganization": "check_organization.handler",
    "DeregisterEntity": "deregister_entity.handler",
    "VerifyCleanup": "verify_cleanup.handler",
}
LOGICAL_IDS = {
    "ResolveEntity": ("ResolveEntityFunction445F47C6", "ResolveEntityRole5329E6AE"),
    "CheckOrganization": ("CheckOrganizationFunction7802D99B", "CheckOrganizationRoleE9F79B95"),
    "DeregisterEntity": ("DeregisterEntityFunction98664F7E", "DeregisterEntityRole30CC0246"),
    "VerifyCleanup": ("VerifyCleanupFunctionF887D943", "VerifyCleanupRole0A87E329"),
}
FUNCTIONS = sorted(ACTIONS)


def state_machine(template: Template) -> dict[str, Any]:
    return the_one(template, "AWS::StepFunctions::StateMachine")[1]["Properties"]


def synthesized(**settings: Any) -> Template:
    context = {"organizations": [{"id": ORGANIZATION_ID}], **settings}
    return template_of(context)


def test_there_is_one_function_for_each_task(template: Template) -> None:
    handlers = {p["Properties"]["Handler"] for p in of_type(template, "AWS::Lambda::Function").values()}
    assert handlers == set(HANDLERS.values())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_may_do_what_it_does_on_the_configured_organization_and_nothing_else(
    template: Template, name: str
) -> None:
    statements = dict(policies(template, role_of(template, name)))
    logs, workmail = statements.pop("Logs"), statements.pop("WorkMail")
    assert not statements
    group = function_of(template, name)["LoggingConfig"]["LogGroup"]["Ref"]
    assert logs == {
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Effect": "Allow",
        "Resource": {"Fn::GetAtt": [group, "Arn"]},
    }
    assert workmail["Effect"] == "Allow"
    assert set(listed(workmail["Action"])) == ACTIONS[name]
    assert [text(arn) for arn in listed(workmail["Resource"])] == [
        f"arn:<AWS::Partition>:workmail:<AWS::Region>:<AWS::AccountId>:organization/{ORGANIZATION_ID}"
    ]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_role_of_its_own_that_only_lambda_takes(template: Template, name: str) -> None:
    role = role_of(template, name)
    assert sum(p["Properties"]["Role"]["Fn::GetAtt"][0] == role for p in functions(template)) == 1
    [statement] = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def functions(template: Template) -> list[dict[str, Any]]:
    return list(of_type(template, "AWS::Lambda::Function").values())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_runs_its_own_module_on_the_runtime_that_was_tested(template: Template, name: str) -> None:
    properties = function_of(template, name)
    assert properties["Handler"] == HANDLERS[name]
    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert properties["MemorySize"] == 256
    assert properties["Timeout"] == 30
    assert "FunctionName" not in properties


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_told_the_region_the_organizations_and_the_retention_rules(template: Template, name: str) -> None:
    told = function_of(template, name)["Environment"]["Variables"]
    rules = {
        "RETENTION_DAYS": "30",
        "VERIFICATION_SLACK_HOURS": "6",
        "OVERDUE_DAYS": "7",
        "SERVICE_ENDS_ON": "2027-03-31",
    }
    assert told == {
        "WORKMAIL_REGION": {"Ref": "AWS::Region"},
        "ORGANIZATION_IDS": ORGANIZATION_ID,
        "POWERTOOLS_SERVICE_NAME": "workmail-offboarding",
        "POWERTOOLS_METRICS_NAMESPACE": "WorkMailOffboarding",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        **(rules if name == "DeregisterEntity" else {}),
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_version_is_kept_when_a_release_brings_a_new_one(template: Template, name: str) -> None:
    _, version = the_one(template, "AWS::Lambda::Version", name)
    assert version["Properties"]["FunctionName"]["Ref"] == the_one(template, "AWS::Lambda::Function", name)[0]
    assert version["DeletionPolicy"] == "Retain"
    assert version["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_and_its_role_never_change_their_identity(template: Template, name: str) -> None:
    """Another logical id deletes the function, and with it every version that an execution still waits to call."""
    assert (the_one(template, "AWS::Lambda::Function", name)[0], role_of(template, name)) == LOGICAL_IDS[name]


def test_a_changed_setting_makes_new_versions_of_the_functions_that_are_told_it(template: Template) -> None:
    changed = synthesized(retentionDays=31)
    same = of_type(template, "AWS::Lambda::Version").keys() & of_type(changed, "AWS::Lambda::Version").keys()
    assert len(same) == len(FUNCTIONS) - 1
    assert not any(version.startswith("DeregisterEntity") for version in same)
    assert state_machine(changed)["DefinitionString"] == state_machine(template)["DefinitionString"]


def test_the_definition_is_the_file_that_people_read_with_each_function_pinned_to_a_version(
    template: Template,
) -> None:
    machine = state_machine(template)
    file = Path(__file__).parents[2] / "statemachine" / "offboarding.asl.json"
    assert machine["DefinitionString"] == file.read_text()
    assert machine["DefinitionSubstitutions"] == {
        name: {"Ref": the_one(template, "AWS::Lambda::Version", name)[0]} for name in FUNCTIONS
    }
    assert set(re.findall(r"\$\{(\w+)\}", machine["DefinitionString"])) == set(FUNCTIONS)


def test_the_state_machine_may_call_versions_of_the_functions_and_never_the_unpublished_code(
    template: Template,
) -> None:
    role = state_machine(template)["RoleArn"]["Fn::GetAtt"][0]
    called = {
        text(arn)
        for _, statement in policies(template, role)
        if "lambda:InvokeFunction" in listed(statement["Action"])
        for arn in listed(statement["Resource"])
    }
    assert called == {f"<{LOGICAL_IDS[name][0]}.Arn>:*" for name in FUNCTIONS}


def test_the_state_machine_may_otherwise_deliver_logs_and_traces_only(template: Template) -> None:
    role = state_machine(template)["RoleArn"]["Fn::GetAtt"][0]
    actions = {action for _, statement in policies(template, role) for action in listed(statement["Action"])}
    assert actions == {
        "lambda:InvokeFunction",
        *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery"),
        *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies"),
        "logs:DescribeLogGroups",
        *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
        *("xray:GetSamplingRules", "xray:GetSamplingTargets"),
    }
    [trust] = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "states.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_only_log_delivery_and_traces_are_granted_on_everything(template: Template) -> None:
    on_everything = {
        action
        for role in of_type(template, "AWS::IAM::Role")
        for _, statement in policies(template, role)
        for action in listed(statement["Action"])
        if "*" in listed(statement["Resource"]) or "*" in action
    }
    assert {action.split(":")[0] for action in on_everything} == {"logs", "xray"}
    assert not any("*" in action for action in on_everything)


def test_every_step_is_logged_without_the_data_that_names_people(template: Template) -> None:
    machine = state_machine(template)
    logging = machine["LoggingConfiguration"]
    assert logging["Level"] == "ALL"
    assert logging["IncludeExecutionData"] is False
    [destination] = logging["Destinations"]
    group = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]
    name = template["Resources"][group]["Properties"]["LogGroupName"]
    assert name["Fn::Join"][1][0] == "/aws/vendedlogs/states/workmail-offboarding-"
    assert machine["TracingConfiguration"] == {"Enabled": True}


def test_the_state_machine_is_a_standard_one_with_the_name_of_its_stack(template: Template) -> None:
    assert state_machine(template)["StateMachineType"] == "STANDARD"
    assert state_machine(template)["StateMachineName"] == "workmail-offboarding"


def test_every_log_group_outlives_the_stack_for_as_long_as_its_retention(template: Template) -> None:
    groups = of_type(template, "AWS::Logs::LogGroup")
    assert len(groups) == len(FUNCTIONS) + 1
    for group in groups.values():
        assert group["Properties"]["RetentionInDays"] == 365
        assert group["DeletionPolicy"] == "RetainExceptOnCreate"
        assert group["UpdateReplacePolicy"] == "Retain"
    kept_longer = of_type(synthesized(logRetentionDays=3653), "AWS::Logs::LogGroup")
    assert {group["Properties"]["RetentionInDays"] for group in kept_longer.values()} == {3653}


def test_cloudformation_refuses_a_region_without_workmail_before_it_makes_anything(template: Template) -> None:
    [assertion] = template["Rules"]["WorkMailRegion"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [["us-east-1", "us-west-2", "eu-west-1"], {"Ref": "AWS::Region"}]}
    assert "offboarding.workmailRegion" in assertion["AssertDescription"]


def test_a_deployment_can_be_elsewhere_when_it_says_where_workmail_is() -> None:
    elsewhere = synthesized(workmailRegion="eu-west-1")
    assert "WorkMailRegion" not in elsewhere["Rules"]
    for name in FUNCTIONS:
        assert function_of(elsewhere, name)["Environment"]["Variables"]["WORKMAIL_REGION"] == "eu-west-1"
        statement = dict(policies(elsewhere, role_of(elsewhere, name)))["WorkMail"]
        assert text(statement["Resource"]).startswith("arn:<AWS::Partition>:workmail:eu-west-1:<AWS::AccountId>:")


def test_every_configured_organization_can_be_worked_on() -> None:
    template = synthesized(organizations=[{"id": ORGANIZATION_ID}, {"id": ANOTHER_ID}])
    for name in FUNCTIONS:
        told = function_of(template, name)["Environment"]["Variables"]["ORGANIZATION_IDS"]
        assert told == f"{ORGANIZATION_ID},{ANOTHER_ID}"
        statement = dict(policies(template, role_of(template, name)))["WorkMail"]
        assert [text(arn).rpartition("/")[2] for arn in statement["Resource"]] == [ORGANIZATION_ID, ANOTHER_ID]


def test_the_stack_says_where_to_start_an_execution(template: Template) -> None:
    name, _ = the_one(template, "AWS::StepFunctions::StateMachine")
    assert {key: output["Value"] for key, output in template["Outputs"].items()} == {"StateMachineArn": {"Ref": name}}


def test_the_stack_is_for_any_account_and_cannot_be_deleted_by_mistake() -> None:
    manifest = json.loads((assembly({"organizations": [{"id": ORGANIZATION_ID}]}) / "manifest.json").read_text())
    stack = manifest["artifacts"]["workmail-offboarding"]
    assert stack["environment"] == "aws://unknown-account/unknown-region"
    assert stack["properties"]["terminationProtection"] is True


def test_the_example_organization_is_warned_of_until_it_is_replaced() -> None:
    warning = "m-00000000000000000000000000000000 is the example in cdk.json"
    assert warning in (assembly() / "validation-report.json").read_text()
    mine = assembly({"organizations": [{"id": ORGANIZATION_ID}]})
    assert warning not in (mine / "validation-report.json").read_text()
