"""The functions, state machines, permissions and outputs in the synthesized template."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.cdk.assembly import assembly
from tests.infrastructure.templates import (
    Template,
    as_list,
    function_of,
    permissions,
    render_arn,
    resources_of_type,
    role_of,
    role_statements,
    single_resource,
    template_of,
)

ORGANIZATION_ID = "m-" + "a1" * 16
ANOTHER_ID = "m-" + "b2" * 16
DESCRIBE_ONE = {"workmail:DescribeUser", "workmail:DescribeGroup", "workmail:DescribeResource"}
LIST_ALL = {"workmail:ListUsers", "workmail:ListGroups", "workmail:ListResources"}
MACHINES = {
    "Offboarding": (
        "ResolveEntity",
        "CheckOrganization",
        "PlanOffboarding",
        "RecordOffboarding",
        "WaitForDate",
        "AwaitApproval",
        "StartExport",
        "CheckExport",
        "DeregisterEntity",
        "VerifyCleanup",
    ),
    "Approval": ("DecideApproval",),
    "Restore": ("RegisterEntity", "RestoreAliasesAndGroups"),
}
NAMES = {
    "Offboarding": "workmail-offboarding",
    "Approval": "workmail-offboarding-approval",
    "Restore": "workmail-offboarding-restore",
}
ACTIONS = {
    "ResolveEntity": {"workmail:DescribeEntity"} | DESCRIBE_ONE | LIST_ALL,
    "CheckOrganization": {"workmail:DescribeOrganization"},
    "PlanOffboarding": {
        "workmail:ListAliases",
        "workmail:ListGroupsForEntity",
        "workmail:ListGroupMembers",
        "workmail:ListMailboxPermissions",
    }
    | DESCRIBE_ONE,
    "RecordOffboarding": {"workmail:ListAliases", "workmail:ListGroupsForEntity", "workmail:GetMailboxDetails"}
    | DESCRIBE_ONE,
    "WaitForDate": set(),
    "AwaitApproval": set(),
    "StartExport": set(),
    "CheckExport": set(),
    "DeregisterEntity": {"workmail:DeregisterFromWorkMail", "workmail:ListAliases"} | DESCRIBE_ONE | LIST_ALL,
    "VerifyCleanup": {"workmail:GetMailboxDetails"} | DESCRIBE_ONE | LIST_ALL,
    "DecideApproval": set(),
    "RegisterEntity": {"workmail:RegisterToWorkMail", "workmail:DescribeEntity"} | DESCRIBE_ONE | LIST_ALL,
    "RestoreAliasesAndGroups": {
        "workmail:CreateAlias",
        "workmail:AssociateMemberToGroup",
        "workmail:ListAliases",
        "workmail:ListGroupsForEntity",
        "workmail:DescribeEntity",
    }
    | DESCRIBE_ONE,
}
TABLE = "<RecordsTableC9B7A30B.Arn>"
REGION_AND_ACCOUNT = "<AWS::Region>:<AWS::AccountId>"
READ_POLICY = (
    {"ssm:GetParameter"},
    f"arn:<AWS::Partition>:ssm:{REGION_AND_ACCOUNT}:parameter/workmail-offboarding/organizations/*",
)
DESCRIBE_OFFBOARDINGS = (
    {"states:DescribeExecution"},
    f"arn:<AWS::Partition>:states:{REGION_AND_ACCOUNT}:execution:workmail-offboarding:*",
)
READ_RECORD = ({"dynamodb:GetItem"}, TABLE)
WRITE_RECORD = ({"dynamodb:UpdateItem", "dynamodb:PutItem"}, TABLE)
READ_AND_WRITE_RECORD = ({"dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:PutItem"}, TABLE)
FIND_BY_NAME = ({"dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:Query"}, TABLE)
ANSWER_TASK = (
    {"states:SendTaskSuccess"},
    f"arn:<AWS::Partition>:states:{REGION_AND_ACCOUNT}:stateMachine:workmail-offboarding",
)
FIND_ENTITIES = ({"dynamodb:Query"}, TABLE)
LIST_REPORTS = ({"dynamodb:Query"}, TABLE)
CHECK_RECORD = ({"dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"}, TABLE)
ACCESS: dict[str, list[tuple[set[str], str]]] = {
    "ResolveEntity": [READ_POLICY],
    "CheckOrganization": [],
    "PlanOffboarding": [READ_RECORD, READ_POLICY, DESCRIBE_OFFBOARDINGS],
    "RecordOffboarding": [CHECK_RECORD, LIST_REPORTS, READ_POLICY, DESCRIBE_OFFBOARDINGS],
    "WaitForDate": [({"dynamodb:UpdateItem"}, TABLE)],
    "AwaitApproval": [WRITE_RECORD],
    "StartExport": [],
    "CheckExport": [],
    "DeregisterEntity": [CHECK_RECORD, LIST_REPORTS, ANSWER_TASK, DESCRIBE_OFFBOARDINGS, READ_POLICY],
    "VerifyCleanup": [WRITE_RECORD],
    "DecideApproval": [READ_AND_WRITE_RECORD, FIND_ENTITIES, DESCRIBE_OFFBOARDINGS, ANSWER_TASK],
    "RegisterEntity": [FIND_BY_NAME, DESCRIBE_OFFBOARDINGS, READ_POLICY],
    "RestoreAliasesAndGroups": [READ_AND_WRITE_RECORD],
}
SERVICE_END = {"SERVICE_ENDS_ON": "2027-03-31"}
RETENTION_RULES = {"RETENTION_DAYS": "30", "VERIFICATION_SLACK_HOURS": "6", "OVERDUE_DAYS": "7", **SERVICE_END}
RECORDS = {"RECORDS_TABLE": "<RecordsTableC9B7A30B>", "RECORD_RETENTION_DAYS": "0"}
POLICY = {"POLICIES_PATH": "/workmail-offboarding/organizations"}
ARCHIVES = {"ARCHIVES_PATH": "/workmail-offboarding/archives"}
ENVIRONMENT: dict[str, dict[str, str]] = {
    "ResolveEntity": {**SERVICE_END, **POLICY, "REQUIRE_REQUESTED_BY": "false"},
    "CheckOrganization": {},
    "PlanOffboarding": {**RETENTION_RULES, **RECORDS, **POLICY, **ARCHIVES},
    "RecordOffboarding": {**RECORDS, **POLICY},
    "WaitForDate": RECORDS,
    "AwaitApproval": RECORDS,
    "StartExport": {**RECORDS, **ARCHIVES, "RETENTION_DAYS": "30"},
    "CheckExport": {**RECORDS, **ARCHIVES, **POLICY},
    "DeregisterEntity": {**RETENTION_RULES, **RECORDS, **POLICY},
    "VerifyCleanup": RECORDS,
    "DecideApproval": {
        **RECORDS,
        "TWO_PEOPLE_FOR_APPROVAL_REQUIRED": "true",
        "TWO_PEOPLE_FOR_DAILY_CAP": "false",
        "TWO_PEOPLE_FOR_HAND_CAP": "false",
    },
    "RegisterEntity": {**RECORDS, **POLICY, "RETENTION_DAYS": "30", "REQUIRE_REQUESTED_BY": "false"},
    "RestoreAliasesAndGroups": RECORDS,
}
OTHER_HANDLERS = (
    "close_record.handler",
    "sweep_records.handler",
    "erase_person.handler",
    "notify_subscribers.handler",
)
HANDLERS = {
    "ResolveEntity": "resolve_entity.handler",
    "CheckOrganization": "check_organization.handler",
    "PlanOffboarding": "plan_offboarding.handler",
    "RecordOffboarding": "record_offboarding.handler",
    "WaitForDate": "wait_for_date.handler",
    "AwaitApproval": "await_approval.handler",
    "StartExport": "start_export.handler",
    "CheckExport": "check_export.handler",
    "DeregisterEntity": "deregister_entity.handler",
    "VerifyCleanup": "verify_cleanup.handler",
    "DecideApproval": "decide_approval.handler",
    "RegisterEntity": "register_entity.handler",
    "RestoreAliasesAndGroups": "restore_aliases_and_groups.handler",
}
LOGICAL_IDS = {
    "ResolveEntity": ("ResolveEntityFunction445F47C6", "ResolveEntityRole5329E6AE"),
    "CheckOrganization": ("CheckOrganizationFunction7802D99B", "CheckOrganizationRoleE9F79B95"),
    "PlanOffboarding": ("PlanOffboardingFunction250E07C6", "PlanOffboardingRole2FA91DE1"),
    "RecordOffboarding": ("RecordOffboardingFunction7AC52E3D", "RecordOffboardingRole0C9E9F9C"),
    "WaitForDate": ("WaitForDateFunction7FD64B90", "WaitForDateRole1925C151"),
    "AwaitApproval": ("AwaitApprovalFunction5FCFC428", "AwaitApprovalRoleFD2667CA"),
    "StartExport": ("StartExportFunction02737130", "StartExportRoleD4294D45"),
    "CheckExport": ("CheckExportFunction3C630DDB", "CheckExportRole94F76C3A"),
    "DeregisterEntity": ("DeregisterEntityFunction98664F7E", "DeregisterEntityRole30CC0246"),
    "VerifyCleanup": ("VerifyCleanupFunctionF887D943", "VerifyCleanupRole0A87E329"),
    "DecideApproval": ("DecideApprovalFunctionE4E626A1", "DecideApprovalRole5C2A4401"),
    "RegisterEntity": ("RegisterEntityFunction777E2CA8", "RegisterEntityRoleA2D4509F"),
    "RestoreAliasesAndGroups": ("RestoreAliasesAndGroupsFunction9D3CA5AC", "RestoreAliasesAndGroupsRole82107DC2"),
}
STATE_MACHINES = {
    "Offboarding": "OffboardingStateMachineDCDEFA80",
    "Approval": "ApprovalStateMachine5BF18DA7",
    "Restore": "RestoreStateMachine3368ED42",
}
OUTPUTS = {
    "OrganizationsRegion": "AWS::Region",
    "WorkMailEndsOn": "2027-03-31",
    "StateMachineArn": STATE_MACHINES["Offboarding"],
    "ApprovalStateMachineArn": STATE_MACHINES["Approval"],
    "RestoreStateMachineArn": STATE_MACHINES["Restore"],
    "RecordsTableName": "RecordsTableC9B7A30B",
    "ErasePersonFunctionName": "ErasureErasePersonFunction8C5125EE",
    "NotificationTopicArn": "NotificationsTopicAE679CBD",
    "AlarmTopicArn": "NotificationsAlarmTopic670C799A",
    "DashboardName": "Dashboard7A714131",
    "NotificationQueueUrl": "NotificationsRetries6B0559E5",
    "NotificationDeadLetterQueueUrl": "NotificationsDeadLetters2AC1E002",
    "StatusChangeDeadLetterQueueUrl": "StatusChangesDeadLettersE0DF9189",
    "UndeliveredStatusChangeQueueUrl": "StatusChangesUndeliveredEventsE46284C2",
}
FUNCTIONS = sorted(ACTIONS)
WITH_WORKMAIL = [name for name in FUNCTIONS if ACTIONS[name]]
every_function = pytest.mark.parametrize("name", FUNCTIONS)
every_machine = pytest.mark.parametrize("machine", MACHINES)


def state_machine(template: Template, machine: str) -> dict[str, Any]:
    return single_resource(template, "AWS::StepFunctions::StateMachine", machine)[1]["Properties"]


def role_of_machine(template: Template, machine: str) -> str:
    return state_machine(template, machine)["RoleArn"]["Fn::GetAtt"][0]


def synthesized(**settings: Any) -> Template:
    context = {"organizations": [{"id": ORGANIZATION_ID}], **settings}
    return template_of(context)


def test_there_is_one_function_for_each_task_and_those_of_the_records(template: Template) -> None:
    handlers = [function["Properties"]["Handler"] for function in functions(template)]
    assert sorted(handlers) == sorted([*HANDLERS.values(), *OTHER_HANDLERS])
    assert sorted(name for called in MACHINES.values() for name in called) == FUNCTIONS


@every_function
def test_a_function_has_exactly_its_permissions_and_only_on_the_configured_organization(
    template: Template, name: str
) -> None:
    group = function_of(template, name)["LoggingConfig"]["LogGroup"]["Ref"]
    organization = f"arn:<AWS::Partition>:workmail:{REGION_AND_ACCOUNT}:organization/{ORGANIZATION_ID}"
    assert permissions(template, role_of(template, name)) == [
        ("Allow", {"logs:CreateLogStream", "logs:PutLogEvents"}, [f"<{group}.Arn>"]),
        *([("Allow", ACTIONS[name], [organization])] if ACTIONS[name] else []),
        *(("Allow", actions, [resource]) for actions, resource in ACCESS[name]),
    ]


@every_function
def test_a_function_has_its_own_role_that_only_lambda_can_assume(template: Template, name: str) -> None:
    role = role_of(template, name)
    assert sum(p["Properties"]["Role"]["Fn::GetAtt"][0] == role for p in functions(template)) == 1
    [statement] = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def functions(template: Template) -> list[dict[str, Any]]:
    return list(resources_of_type(template, "AWS::Lambda::Function").values())


@every_function
def test_a_function_runs_its_own_module_on_the_tested_runtime(template: Template, name: str) -> None:
    properties = function_of(template, name)
    assert properties["Handler"] == HANDLERS[name]
    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert properties["MemorySize"] == 256
    assert properties["Timeout"] == 30
    assert "FunctionName" not in properties


@every_function
def test_the_environment_of_a_function_has_the_region_and_its_own_variables(template: Template, name: str) -> None:
    variables = function_of(template, name)["Environment"]["Variables"]
    assert {key: render_arn(value) for key, value in variables.items()} == {
        "WORKMAIL_REGION": "<AWS::Region>",
        "POWERTOOLS_SERVICE_NAME": "workmail-offboarding",
        "POWERTOOLS_METRICS_NAMESPACE": "WorkMailOffboarding",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        **ENVIRONMENT[name],
    }


@every_function
def test_a_version_is_retained_when_a_release_publishes_a_new_one(template: Template, name: str) -> None:
    _, version = single_resource(template, "AWS::Lambda::Version", name)
    assert version["Properties"]["FunctionName"]["Ref"] == single_resource(template, "AWS::Lambda::Function", name)[0]
    assert version["DeletionPolicy"] == "Retain"
    assert version["UpdateReplacePolicy"] == "Retain"


@every_function
def test_the_logical_ids_of_a_function_and_its_role_never_change(template: Template, name: str) -> None:
    """Another logical id would delete the function, with every version that an execution still calls."""
    assert (single_resource(template, "AWS::Lambda::Function", name)[0], role_of(template, name)) == LOGICAL_IDS[name]


@every_machine
def test_the_logical_id_of_a_state_machine_never_changes(template: Template, machine: str) -> None:
    """Another logical id would delete the state machine, with every waiting execution."""
    assert single_resource(template, "AWS::StepFunctions::StateMachine", machine)[0] == STATE_MACHINES[machine]


def test_a_changed_setting_makes_new_versions_only_of_the_functions_that_use_it(template: Template) -> None:
    changed = synthesized(retentionDays=31)
    previous = resources_of_type(template, "AWS::Lambda::Version")
    versions = resources_of_type(changed, "AWS::Lambda::Version")
    new_versions = [version for name, version in versions.items() if name not in previous]
    assert {version["Properties"]["FunctionName"]["Ref"] for version in new_versions} == {
        LOGICAL_IDS[name][0] for name in ("PlanOffboarding", "StartExport", "DeregisterEntity", "RegisterEntity")
    }
    assert (
        state_machine(changed, "Offboarding")["DefinitionString"]
        == (state_machine(template, "Offboarding")["DefinitionString"])
    )


@every_machine
def test_the_definition_is_the_file_with_a_version_for_each_function(template: Template, machine: str) -> None:
    properties = state_machine(template, machine)
    file = Path(__file__).parents[2] / "statemachine" / f"{machine.lower()}.asl.json"
    assert properties["DefinitionString"] == file.read_text()
    assert properties["DefinitionSubstitutions"] == {
        name: {"Ref": single_resource(template, "AWS::Lambda::Version", name)[0]} for name in MACHINES[machine]
    }
    assert set(re.findall(r"\$\{(\w+)\}", properties["DefinitionString"])) == set(MACHINES[machine])


@every_machine
def test_a_state_machine_may_call_versions_of_its_own_functions_but_no_unpublished_code(
    template: Template, machine: str
) -> None:
    called = {
        render_arn(arn)
        for _, statement in role_statements(template, role_of_machine(template, machine))
        if "lambda:InvokeFunction" in as_list(statement["Action"])
        for arn in as_list(statement["Resource"])
    }
    assert called == {f"<{LOGICAL_IDS[name][0]}.Arn>:*" for name in MACHINES[machine]}


@every_machine
def test_a_state_machine_may_otherwise_only_deliver_logs_and_traces(template: Template, machine: str) -> None:
    role = role_of_machine(template, machine)
    actions = {action for _, statement in role_statements(template, role) for action in as_list(statement["Action"])}
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


def test_every_state_machine_has_its_own_role(template: Template) -> None:
    assert len({role_of_machine(template, machine) for machine in MACHINES}) == len(MACHINES)


def test_only_actions_without_resource_permissions_are_allowed_on_all_resources(template: Template) -> None:
    on_everything = {
        action
        for role in resources_of_type(template, "AWS::IAM::Role")
        for _, statement in role_statements(template, role)
        for action in as_list(statement["Action"])
        if "*" in as_list(statement["Resource"]) or "*" in action
    }
    assert {action.split(":")[0] for action in on_everything} == {"logs", "xray"}
    assert not any("*" in action for action in on_everything)


@every_machine
def test_every_state_is_logged_without_personal_data(template: Template, machine: str) -> None:
    properties = state_machine(template, machine)
    logging = properties["LoggingConfiguration"]
    assert logging["Level"] == "ALL"
    assert logging["IncludeExecutionData"] is False
    [destination] = logging["Destinations"]
    group = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]
    name = template["Resources"][group]["Properties"]["LogGroupName"]
    assert name["Fn::Join"][1][0] == f"/aws/vendedlogs/states/{NAMES[machine]}-"
    assert properties["TracingConfiguration"] == {"Enabled": True}


@every_machine
def test_a_state_machine_is_a_standard_one_with_a_fixed_name(template: Template, machine: str) -> None:
    assert state_machine(template, machine)["StateMachineType"] == "STANDARD"
    assert state_machine(template, machine)["StateMachineName"] == NAMES[machine]


def test_every_log_group_is_kept_when_the_stack_is_deleted(template: Template) -> None:
    groups = resources_of_type(template, "AWS::Logs::LogGroup")
    assert len(groups) == len(functions(template)) + len(MACHINES)
    for group in groups.values():
        assert group["Properties"]["RetentionInDays"] == 365
        assert group["DeletionPolicy"] == "RetainExceptOnCreate"
        assert group["UpdateReplacePolicy"] == "Retain"
    changed = resources_of_type(synthesized(logRetentionDays=3653), "AWS::Logs::LogGroup")
    assert {group["Properties"]["RetentionInDays"] for group in changed.values()} == {3653}


def test_cloudformation_refuses_a_region_without_workmail_before_it_creates_resources(template: Template) -> None:
    [assertion] = template["Rules"]["WorkMailRegion"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [["us-east-1", "us-west-2", "eu-west-1"], {"Ref": "AWS::Region"}]}
    assert "offboarding.workmailRegion" in assertion["AssertDescription"]


def test_a_stack_can_be_in_another_region_than_workmail_if_the_settings_name_the_region() -> None:
    template = synthesized(workmailRegion="eu-west-1")
    assert "WorkMailRegion" not in template["Rules"]
    for name in FUNCTIONS:
        assert function_of(template, name)["Environment"]["Variables"]["WORKMAIL_REGION"] == "eu-west-1"
    for name in WITH_WORKMAIL:
        statement = dict(role_statements(template, role_of(template, name)))["WorkMail"]
        assert render_arn(statement["Resource"]).startswith("arn:<AWS::Partition>:workmail:eu-west-1:<AWS::AccountId>:")


PHYSICAL_NAMES = {
    *("Name", "StateMachineName", "TableName", "QueueName", "TopicName", "LogGroupName", "RoleName", "FunctionName"),
    *("AlarmName", "BucketName", "ScheduleName", "AliasName", "DashboardName"),
}


def test_two_stacks_of_one_account_share_no_name() -> None:
    def list_names(**settings: str) -> set[tuple[str, str]]:
        stack = template_of({"organizations": [{"id": ORGANIZATION_ID}], **settings})
        return {
            (resource["Type"], name)
            for resource in stack["Resources"].values()
            for key, name in resource.get("Properties", {}).items()
            if key in PHYSICAL_NAMES and isinstance(name, str)
        }

    names = list_names()
    assert {kind for kind, _ in names} == {
        *("AWS::StepFunctions::StateMachine", "AWS::SSM::Parameter", "AWS::CloudWatch::Alarm"),
        "AWS::Logs::QueryDefinition",
    }
    assert not names & list_names(stackName="test")


def test_the_functions_may_act_on_every_configured_organization() -> None:
    template = synthesized(organizations=[{"id": ORGANIZATION_ID}, {"id": ANOTHER_ID}])
    for name in WITH_WORKMAIL:
        statement = dict(role_statements(template, role_of(template, name)))["WorkMail"]
        assert [render_arn(arn).rpartition("/")[2] for arn in statement["Resource"]] == [ORGANIZATION_ID, ANOTHER_ID]


def test_the_outputs_of_the_stack_name_the_state_machines_the_table_the_topics_and_the_queues(
    template: Template,
) -> None:
    values = {key: output["Value"] for key, output in template["Outputs"].items()}
    assert {key: value if isinstance(value, str) else value["Ref"] for key, value in values.items()} == OUTPUTS
    assert all(output["Description"] for output in template["Outputs"].values())


def test_the_stack_fits_any_account_and_cannot_be_deleted_by_mistake() -> None:
    manifest = json.loads((assembly({"organizations": [{"id": ORGANIZATION_ID}]}) / "manifest.json").read_text())
    stack = manifest["artifacts"]["workmail-offboarding"]
    assert stack["environment"] == "aws://unknown-account/unknown-region"
    assert stack["properties"]["terminationProtection"] is True


def test_the_example_organization_causes_a_warning_until_it_is_replaced() -> None:
    warning = "m-00000000000000000000000000000000 is the example in cdk.json"
    assert warning in (assembly() / "validation-report.json").read_text()
    configured = assembly({"organizations": [{"id": ORGANIZATION_ID}]})
    assert warning not in (configured / "validation-report.json").read_text()


def test_identity_providers_without_subscribers_cause_a_warning_until_there_is_one() -> None:
    def report(**settings: Any) -> str:
        directory = assembly({"organizations": [{"id": ORGANIZATION_ID}], **settings})
        return (directory / "validation-report.json").read_text()

    warning = "put addresses into offboarding.notificationEmails, or subscribe by hand to the topic"
    providers = {"offboardingRequested": {}}
    assert warning in report(identityProviders=providers)
    assert warning not in report(identityProviders=providers, notificationEmails=["it@example.com"])
    assert warning not in report()
