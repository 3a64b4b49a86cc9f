"""The policies in ``docs/policies/`` allow what a deployment needs: that of people, and that of CloudFormation."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from local.cdk.assembly import ROOT, assembly
from local.defaults import ACCOUNT, REGION
from local.policies import Grant
from tests.infrastructure.providers import ORGANIZATIONS, PROVIDERS
from tests.infrastructure.templates import Template, as_list, template_of

FOLDER = ROOT / "docs" / "policies"
POLICIES = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
STACK, ARCHIVES, DEPLOYER = (
    POLICIES[name] for name in ("cloudformation-execution", "cloudformation-archives", "deployer")
)
EXECUTION = {**STACK, "Statement": [*STACK["Statement"], *ARCHIVES["Statement"]]}
"""What CloudFormation may do with both policies; without exports it needs the first one only."""
HANDLER_PERMISSIONS = json.loads((ROOT / "tests" / "infrastructure" / "handler_permissions.json").read_text())
PLACE = f"{REGION}:{ACCOUNT}"
MAX_POLICY_CHARACTERS = 6144
"""The limit of IAM for a managed policy, without white space."""
NAMES = "workmail-offboarding-{}-1A2B3C4D5E6F"
"""How CloudFormation names a resource that has no name in the template: stack, logical id, and random characters."""
ARNS = {
    "AWS::CloudWatch::Alarm": f"arn:aws:cloudwatch:{PLACE}:alarm:{NAMES}",
    "AWS::CloudWatch::Dashboard": f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{NAMES}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{PLACE}:table/{NAMES}",
    "AWS::Events::Rule": f"arn:aws:events:{PLACE}:rule/{{bus}}{NAMES}",
    "AWS::IAM::Policy": f"arn:aws:iam::{ACCOUNT}:role/{NAMES}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{NAMES}",
    "AWS::KMS::Key": f"arn:aws:kms:{PLACE}:key/0a1b2c3d-0000-4000-8000-000000000000",
    "AWS::Lambda::EventSourceMapping": f"arn:aws:lambda:{PLACE}:event-source-mapping:1",
    "AWS::Lambda::Function": f"arn:aws:lambda:{PLACE}:function:{NAMES}",
    "AWS::Lambda::Version": f"arn:aws:lambda:{PLACE}:function:{NAMES}:1",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{PLACE}:log-group:{NAMES}:*",
    "AWS::Logs::QueryDefinition": "*",
    "AWS::S3::Bucket": f"arn:aws:s3:::{NAMES}",
    "AWS::S3::BucketPolicy": f"arn:aws:s3:::{NAMES}",
    "AWS::SNS::Subscription": f"arn:aws:sns:{PLACE}:{NAMES}",
    "AWS::SNS::Topic": f"arn:aws:sns:{PLACE}:{NAMES}",
    "AWS::SNS::TopicPolicy": f"arn:aws:sns:{PLACE}:{NAMES}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{PLACE}:{NAMES}",
    "AWS::SQS::QueuePolicy": f"arn:aws:sqs:{PLACE}:{NAMES}",
    "AWS::SSM::Parameter": f"arn:aws:ssm:{PLACE}:parameter{{name}}",
    "AWS::Scheduler::Schedule": f"arn:aws:scheduler:{PLACE}:schedule/default/{NAMES}",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{PLACE}:stateMachine:{{name}}",
}
ARNS_OF_OTHER_SERVICES = {
    "iam:PassRole": f"arn:aws:iam::{ACCOUNT}:role/{NAMES}",
    "s3:GetObject": f"arn:aws:s3:::cdk-hnb659fds-assets-{ACCOUNT}-{REGION}/code.zip",
    "s3:GetObjectVersion": f"arn:aws:s3:::cdk-hnb659fds-assets-{ACCOUNT}-{REGION}/code.zip",
}
WITHOUT_RESOURCE = {
    "cloudwatch:DescribeAlarms",
    "kms:CreateKey",
    "lambda:CreateEventSourceMapping",
    "logs:DeleteQueryDefinition",
    "logs:DescribeLogGroups",
    "logs:DescribeQueryDefinitions",
    "logs:DescribeResourcePolicies",
    "logs:PutQueryDefinition",
    "sns:GetSubscriptionAttributes",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
}
"""The actions that IAM evaluates without a resource."""
LISTS_OF_PEOPLE = {
    *("cloudtrail:DescribeTrails", "cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"),
    *("cloudwatch:GetMetricStatistics", "events:ListEventBuses", "events:ListRules", "lambda:GetAccountSettings"),
    *("sso:ListInstances", "workmail:ListOrganizations"),
}
"""What a viewer reads that IAM evaluates without a resource; the trails can be those of another account."""
UNUSED = {
    # Keys of customers, networks, file systems, capacity providers, code signing and reserved concurrency.
    "AWS::Lambda::Function": (
        *("kms:*", "ec2:*", "elasticfilesystem:*", "s3files:*", "lambda:*CapacityProvider", "lambda:GetLayerVersion"),
        *("lambda:GetCodeSigningConfig", "lambda:*teFunctionCodeSigningConfig", "lambda:PutFunctionCodeSigningConfig"),
        *("lambda:*FunctionConcurrency", "lambda:PutFunctionRecursionConfig", "lambda:PutFunctionScalingConfig"),
        "lambda:AssociateRuntimeAlias",
    ),
    "AWS::Lambda::Version": ("lambda:PutProvisionedConcurrencyConfig", "lambda:PutFunctionScalingConfig"),
    "AWS::Lambda::EventSourceMapping": ("kms:*",),
    "AWS::StepFunctions::StateMachine": ("kms:*",),
    # Replicas, imports, Kinesis, contributor insights and policies of the table.
    "AWS::DynamoDB::Table": (
        *("kms:*", "kinesis:*", "s3:*", "logs:*", "iam:CreateServiceLinkedRole", "dynamodb:*Import*"),
        *("dynamodb:*TableReplica", "dynamodb:*Item", "dynamodb:Query", "dynamodb:Scan"),
        *("dynamodb:*ableKinesisStreamingDestination", "dynamodb:UpdateKinesisStreamingDestination"),
        *("dynamodb:UpdateContributorInsights", "dynamodb:PutResourcePolicy", "dynamodb:DeleteResourcePolicy"),
    ),
    "AWS::Events::Rule": ("iam:PassRole",),
    "AWS::IAM::Policy": ("iam:*GroupPolicy", "iam:*UserPolicy"),
    "AWS::IAM::Role": ("iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:*PermissionsBoundary"),
    # Keys of customers, and policies of a log group.
    "AWS::Logs::LogGroup": (
        *("logs:*KmsKey", "logs:CreateLogDelivery", "firehose:*", "s3:*", "logs:PutBearerTokenAuthentication"),
        *("logs:*teResourcePolicy", "logs:PutResourcePolicy", "logs:PutIndexPolicy", "logs:DeleteIndexPolicy"),
        *("logs:PutDataProtectionPolicy", "logs:DeleteDataProtectionPolicy", "logs:PutLogGroupDeletionProtection"),
    ),
    # The key is kept. Nobody is to delete or disable keys by this policy, not even after a creation that failed.
    "AWS::KMS::Key": ("kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:EnableKey", "kms:DisableKeyRotation"),
    # Metadata tables, websites, replicas, inventories, metrics, events and lists of access; and objects.
    "AWS::S3::Bucket": (
        *("iam:PassRole", "s3tables:*", "s3:*eBucketMetadata*TableConfiguration", "s3:DeleteObject", "s3:Put*Acl"),
        *("s3:DeleteBucketCors", "s3:PutBucketCORS", "s3:*teBucketReplication", "s3:PutBucketReplication"),
        *("s3:*teBucketWebsite", "s3:PutBucketWebsite", "s3:PutBucketAbac", "s3:PutBucketLogging"),
        *("s3:PutBucketNotification", "s3:DeleteBucketAnalyticsConfiguration", "s3:DeleteBucketMetricsConfiguration"),
        *("s3:PutAccelerateConfiguration", "s3:PutAnalyticsConfiguration", "s3:PutIntelligentTieringConfiguration"),
        *("s3:PutInventoryConfiguration", "s3:PutMetricsConfiguration", "s3:PutReplicationConfiguration"),
        "s3:PutObjectLockConfiguration",
    ),
    "AWS::SNS::Subscription": ("iam:*",),
    "AWS::SNS::Topic": ("iam:*", "sns:PutDataProtectionPolicy"),
}
"""By resource type: the actions for features that the template does not use."""


@pytest.fixture(scope="module")
def template() -> Template:
    return template_of(
        {
            "organizations": ORGANIZATIONS,
            "identityProviders": PROVIDERS,
            "notificationEmails": ["operator@example.com"],
            "export": {"mode": "Required"},
        }
    )


def is_allowed(policy: dict[str, Any], action: str, resource: str) -> bool:
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}
    return any(
        Grant(allowed, pattern).covers(action, resource)
        for statement in policy["Statement"]
        for allowed in as_list(statement["Action"])
        for pattern in as_list(statement["Resource"])
    )


def list_needed_actions(resource_type: str) -> list[str]:
    unused = UNUSED.get(resource_type, ())
    return [
        action
        for action in HANDLER_PERMISSIONS[resource_type]
        if not any(fnmatchcase(action, pattern) for pattern in unused)
    ]


def render_resource_arn(resource_type: str, logical_id: str, properties: dict[str, Any]) -> str:
    if resource_type == "AWS::Logs::LogGroup" and "LogGroupName" in properties:
        return f"arn:aws:logs:{PLACE}:log-group:{properties['LogGroupName']['Fn::Join'][1][0]}1:*"
    bus = properties.get("EventBusName", "default")
    return ARNS[resource_type].format(
        logical_id,
        bus="" if bus == "default" else f"{bus}/",
        name=properties.get("StateMachineName") or properties.get("Name"),
    )


def list_denied(policy: dict[str, Any], template: Template) -> Iterator[str]:
    """Yield each action on a resource that a deployment needs and the policy does not allow."""
    for logical_id, resource in template["Resources"].items():
        kind = resource["Type"]
        if kind not in HANDLER_PERMISSIONS or kind not in ARNS:
            yield f"{kind} is not covered"
            continue
        for action in list_needed_actions(kind):
            arn = ARNS_OF_OTHER_SERVICES.get(action, "").format(logical_id)
            arn = arn or render_resource_arn(kind, logical_id, resource.get("Properties", {}))
            if not is_allowed(policy, action, "*" if action in WITHOUT_RESOURCE else arn):
                yield f"{action} on {arn}"


def test_cloudformation_may_create_change_and_delete_each_resource_of_the_template(template: Template) -> None:
    assert list(list_denied(EXECUTION, template)) == []


def test_each_action_of_the_policy_of_cloudformation_is_needed(template: Template) -> None:
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    needed = {action for kind in kinds for action in list_needed_actions(kind)}
    allowed = {action for statement in EXECUTION["Statement"] for action in as_list(statement["Action"])}

    assert sorted(allowed - needed) == []
    assert {kind for kind in HANDLER_PERMISSIONS if kind not in kinds} == set()


def test_a_new_resource_type_and_a_missing_action_are_reported(template: Template) -> None:
    changed = {"Resources": {**template["Resources"], "Alias": {"Type": "AWS::KMS::Alias"}}}
    assert list(list_denied(EXECUTION, changed)) == ["AWS::KMS::Alias is not covered"]

    narrow = json.loads(json.dumps(EXECUTION))
    [schedule] = [statement for statement in narrow["Statement"] if statement["Sid"] == "Schedule"]
    schedule["Action"].remove("scheduler:UpdateSchedule")
    [message] = list_denied(narrow, template)
    assert message.startswith("scheduler:UpdateSchedule on arn:aws:scheduler:us-east-1:123456789012:schedule/default/")


def test_no_policy_is_wider_than_the_stack() -> None:
    on_everything = {
        action
        for policy in POLICIES.values()
        for statement in policy["Statement"]
        for action in as_list(statement["Action"])
        if statement["Effect"] == "Allow" and ("*" in as_list(statement["Resource"]) or "*" in action)
    }
    mappings = {f"lambda:{verb}EventSourceMapping" for verb in ("Get", "Update", "Delete")}
    assert on_everything == WITHOUT_RESOURCE | mappings | LISTS_OF_PEOPLE
    for policy in POLICIES.values():
        assert len(json.dumps(policy, separators=(",", ":"))) <= MAX_POLICY_CHARACTERS


def test_the_cloudformation_policy_gives_roles_only_to_the_services_that_run_as_them(template: Template) -> None:
    [statement] = [statement for statement in EXECUTION["Statement"] if statement["Action"] == "iam:PassRole"]
    principals = {
        trust["Principal"]["Service"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role"
        for trust in resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    }

    # The role for exports is passed by a function, and not by CloudFormation.
    principals.remove("export.workmail.amazonaws.com")
    assert set(statement["Condition"]["StringEquals"]["iam:PassedToService"]) == principals


def test_without_exports_cloudformation_needs_no_permission_for_archives() -> None:
    providers = {"organizations": ORGANIZATIONS, "identityProviders": PROVIDERS}

    assert list(list_denied(STACK, template_of(providers))) == []


def test_people_may_assume_the_roles_that_the_assembly_names() -> None:
    folder = assembly()
    stack = json.loads((folder / "manifest.json").read_text())["artifacts"]["workmail-offboarding"]["properties"]
    files = json.loads((folder / "workmail-offboarding.assets.json").read_text())["files"].values()
    roles = {
        *(stack["assumeRoleArn"], stack["lookupRole"]["arn"]),
        *(place["assumeRoleArn"] for file in files for place in file["destinations"].values()),
    }
    arns = {
        role.replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", ACCOUNT).replace("${AWS::Region}", REGION)
        for role in roles
    }

    [assume, read] = DEPLOYER["Statement"]
    assert (assume["Action"], set(assume["Resource"])) == ("sts:AssumeRole", arns)
    parameter = stack["bootstrapStackVersionSsmParameter"]
    assert (read["Action"], read["Resource"]) == ("ssm:GetParameter", f"arn:aws:ssm:{PLACE}:parameter{parameter}")
