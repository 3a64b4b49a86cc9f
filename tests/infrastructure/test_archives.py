"""The archives of mailboxes in the template: a bucket, its key and the least permissions, or nothing of it."""

import json
from typing import Any

import pytest

from local.cdk.assembly import AssemblyError, assembly
from offboarding.adapters.archives import LOG_SUFFIXES
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
ORGANIZATIONS = [{"id": f"m-{number:032x}"} for number in range(60)]
PLACE = "<AWS::Region>:<AWS::AccountId>"
BUCKET, KEY = "ArchivesBucket", "ArchivesKey"
SERVICE = "export.workmail.amazonaws.com"
MAX_TRUST_POLICY_CHARACTERS = 2048
TABLE = "<RecordsTableC9B7A30B.Arn>"
ORGANIZATION = f"arn:<AWS::Partition>:workmail:{PLACE}:organization/{ORGANIZATION_ID}"
POLICIES = f"arn:<AWS::Partition>:ssm:{PLACE}:parameter/workmail-offboarding/organizations/*"
PLACES = f"arn:<AWS::Partition>:ssm:{PLACE}:parameter/workmail-offboarding/archives/*"
ARCHIVE_TYPES = ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::KMS::Key")


def find_bucket(template: Template) -> tuple[str, dict[str, Any]]:
    return single_resource(template, "AWS::S3::Bucket")


def export_roles(template: Template) -> dict[str, Any]:
    """Return the roles that WorkMail can assume."""
    return {
        name: role["Properties"]
        for name, role in resources_of_type(template, "AWS::IAM::Role").items()
        if role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": SERVICE}
    }


def test_a_stack_that_exports_nothing_has_no_resource_and_no_permission_for_it(template: Template) -> None:
    assert not any(resources_of_type(template, kind) for kind in ARCHIVE_TYPES)
    assert export_roles(template) == {}

    assert not any(
        "archives/" in str(parameter) for parameter in resources_of_type(template, "AWS::SSM::Parameter").values()
    )
    assert not {"ArchiveBucketName", "ArchiveKeyArn"} & set(template["Outputs"])
    for name in ("StartExport", "CheckExport"):
        assert [actions for _, actions, _ in permissions(template, role_of(template, name))] == [
            {"logs:CreateLogStream", "logs:PutLogEvents"}
        ]


def test_the_bucket_is_private_versioned_encrypted_and_kept(with_exports: Template) -> None:
    key_id, key = single_resource(with_exports, "AWS::KMS::Key")
    bucket_id, bucket = find_bucket(with_exports)

    assert bucket["Properties"] == {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {
                    "BucketKeyEnabled": False,
                    "ServerSideEncryptionByDefault": {
                        "KMSMasterKeyID": {"Fn::GetAtt": [key_id, "Arn"]},
                        "SSEAlgorithm": "aws:kms",
                    },
                }
            ]
        },
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                    "Id": "UnfinishedUploads",
                    "Status": "Enabled",
                }
            ]
        },
        "ObjectLockEnabled": True,
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "VersioningConfiguration": {"Status": "Enabled"},
    }, "no default retention: S3 would demand checksums of WorkMail's uploads"
    assert key["Properties"]["EnableKeyRotation"] is True
    assert key["Properties"].get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
    for resource in (bucket, key):
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    [statement] = single_resource(with_exports, "AWS::S3::BucketPolicy")[1]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", {"AWS": "*"}, "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [render_arn(arn) for arn in statement["Resource"]] == [f"<{bucket_id}.Arn>", f"<{bucket_id}.Arn>/*"]


def test_only_the_account_administers_the_key(with_exports: Template) -> None:
    [statement] = single_resource(with_exports, "AWS::KMS::Key")[1]["Properties"]["KeyPolicy"]["Statement"]

    assert {name: render_arn(arn) for name, arn in statement["Principal"].items()} == {
        "AWS": "arn:<AWS::Partition>:iam::<AWS::AccountId>:root"
    }


def test_workmail_may_write_archives_of_these_organizations_and_nothing_else(with_exports: Template) -> None:
    bucket_id, (key_id, _) = find_bucket(with_exports)[0], single_resource(with_exports, "AWS::KMS::Key")
    [(role_id, role)] = export_roles(with_exports).items()

    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Effect"], trust["Action"]) == ("Allow", "sts:AssumeRole")
    assert set(trust["Condition"]) == {"StringEquals", "ArnEquals"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    [source] = as_list(trust["Condition"]["ArnEquals"]["aws:SourceArn"])
    assert render_arn(source) == ORGANIZATION
    assert sorted(permissions(with_exports, role_id), key=str) == sorted(
        [
            ("Allow", {"s3:AbortMultipartUpload", "s3:PutObject"}, [f"<{bucket_id}.Arn>/archives/*"]),
            ("Allow", {"s3:GetBucketPolicyStatus"}, [f"<{bucket_id}.Arn>"]),
            ("Allow", {"kms:Decrypt", "kms:GenerateDataKey"}, [f"<{key_id}.Arn>"]),
        ],
        key=str,
    )


def test_each_of_sixty_organizations_has_a_role_whose_trust_policy_fits() -> None:
    template = template_of({"organizations": ORGANIZATIONS, "export": {"mode": "Required"}})
    trusted = {}
    for name, role in export_roles(template).items():
        document = role["AssumeRolePolicyDocument"]
        text = json.dumps(document, default=str, separators=(",", ":"))
        arns = [render_arn(arn) for arn in as_list(document["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"])]
        trusted |= {arn.rpartition("/")[2]: name for arn in arns}
        document["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"] = [
            arn.replace("<AWS::Partition>", "aws-us-gov")
            .replace("<AWS::Region>", "us-west-2")
            .replace("<AWS::AccountId>", "1" * 12)
            for arn in arns
        ]
        text = json.dumps(document, separators=(",", ":"))
        assert len(text) <= MAX_TRUST_POLICY_CHARACTERS
    assert set(trusted) == {organization["id"] for organization in ORGANIZATIONS}
    assert len(export_roles(template)) == 4
    for organization_id, role in trusted.items():
        assert role in str(read_place(template, organization_id)["RoleArn"])
    passed = [arn for _, statement in role_statements(template, role_of(template, "StartExport"))
              if statement["Action"] == "iam:PassRole" for arn in as_list(statement["Resource"])]  # fmt: skip
    assert {render_arn(arn) for arn in passed} == {f"<{name}.Arn>" for name in export_roles(template)}


def read_place(template: Template, organization_id: str = ORGANIZATION_ID) -> dict[str, Any]:
    """Return the value of the parameter that says where an organization's archives are made."""
    name = f"/workmail-offboarding/archives/{organization_id}"
    [value] = [
        parameter["Properties"]["Value"]
        for parameter in resources_of_type(template, "AWS::SSM::Parameter").values()
        if parameter["Properties"]["Name"] == name
    ]
    place: dict[str, Any] = json.loads(render_arn(value))
    return place


def test_the_parameter_of_an_organization_has_the_place_and_the_limits(with_exports: Template) -> None:
    [role] = export_roles(with_exports)

    assert read_place(with_exports) == {
        "Bucket": f"<{find_bucket(with_exports)[0]}>",
        "KmsKeyArn": f"<{single_resource(with_exports, 'AWS::KMS::Key')[0]}.Arn>",
        "RoleArn": f"<{role}.Arn>",
        "Prefix": "archives/",
        "Slots": 8,
        "JobDeadlineDays": 3,
        "SlotDeadlineDays": 14,
        "LockDays": 30,
    }


UPDATE_RECORD = ({"dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:PutItem"}, TABLE)
QUERY = ({"dynamodb:Query"}, TABLE)
START_ACTIONS = {
    *("workmail:StartMailboxExportJob", "workmail:ListMailboxExportJobs", "workmail:CancelMailboxExportJob"),
}
CHECK_ACTIONS = {
    *("workmail:DescribeMailboxExportJob", "workmail:ListMailboxExportJobs", "workmail:CancelMailboxExportJob"),
    *("workmail:DescribeUser", "workmail:DescribeResource", "workmail:ListUsers", "workmail:ListResources"),
}


@pytest.mark.parametrize("is_locked", [True, pytest.param(False, marks=pytest.mark.long)])
def test_the_functions_have_exactly_their_permissions(with_exports: Template, is_locked: bool) -> None:
    settings = {"organizations": [{"id": ORGANIZATION_ID}], "export": {"mode": "IfPossible"}}
    template = with_exports if is_locked else template_of(settings)
    bucket, key = find_bucket(template)[0], single_resource(template, "AWS::KMS::Key")[0]
    [role] = export_roles(template)
    lock = {"s3:PutObjectRetention"} if is_locked else set()
    expected = {
        "StartExport": [
            (START_ACTIONS, ORGANIZATION), UPDATE_RECORD, QUERY, QUERY, ({"ssm:GetParameter"}, PLACES),
            ({"iam:PassRole"}, f"<{role}.Arn>"),
        ],
        "CheckExport": [
            (CHECK_ACTIONS, ORGANIZATION), UPDATE_RECORD, QUERY, QUERY, ({"ssm:GetParameter"}, PLACES),
            ({"ssm:GetParameter"}, POLICIES),
            ({"s3:GetObject", "s3:GetObjectAttributes", *lock}, f"<{bucket}.Arn>/archives/*"),
            ({"s3:ListBucket"}, f"<{bucket}.Arn>"), ({"kms:Decrypt"}, f"<{key}.Arn>"),
        ],
    }  # fmt: skip

    for name, access in expected.items():
        [logs, *others] = permissions(template, role_of(template, name))
        assert logs[1] == {"logs:CreateLogStream", "logs:PutLogEvents"}
        assert others == [("Allow", actions, [resource]) for actions, resource in access]


def read_conditions(template: Template, name: str) -> dict[str, Any]:
    """Return the conditions of a function's statements by their actions."""
    return {
        "+".join(as_list(statement["Action"])): statement.get("Condition")
        for _, statement in role_statements(template, role_of(template, name))
    }


def test_the_roles_can_be_passed_to_workmail_only_and_only_logs_can_be_decrypted(with_exports: Template) -> None:
    assert read_conditions(with_exports, "StartExport")["iam:PassRole"] == {
        "StringEquals": {"iam:PassedToService": SERVICE}
    }
    conditions = read_conditions(with_exports, "CheckExport")
    assert conditions["s3:ListBucket"] == {"StringLike": {"s3:prefix": "archives/*"}}
    [(operator, condition)] = conditions["kms:Decrypt"].items()
    [(name, patterns)] = condition.items()
    assert (operator, name) == ("StringLike", "kms:EncryptionContext:aws:s3:arn")
    bucket = find_bucket(with_exports)[0]
    assert [render_arn(pattern) for pattern in patterns] == [f"<{bucket}.Arn>/archives/*{end}" for end in LOG_SUFFIXES]


@pytest.mark.parametrize("name", ["StartExport", "CheckExport"])
def test_the_slots_are_all_that_is_listed_beside_the_reports(with_exports: Template, name: str) -> None:
    keys = [
        statement["Condition"]
        for _, statement in role_statements(with_exports, role_of(with_exports, name))
        if statement["Action"] == "dynamodb:Query"
    ]

    assert {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["export/*"]}} in keys


def test_no_other_role_reaches_the_archives(with_exports: Template) -> None:
    reaching = {
        name
        for name in resources_of_type(with_exports, "AWS::IAM::Role")
        for _, statement in role_statements(with_exports, name)
        if any(action.startswith(("s3:", "kms:")) for action in as_list(statement["Action"]))
    }

    assert reaching == {*export_roles(with_exports), role_of(with_exports, "CheckExport")}


def test_the_plan_reads_what_it_shows_of_exports(with_exports: Template, template: Template) -> None:
    plan = {frozenset(actions) for _, actions, _ in permissions(with_exports, role_of(with_exports, "PlanOffboarding"))}
    default = {frozenset(actions) for _, actions, _ in permissions(template, role_of(template, "PlanOffboarding"))}
    [more] = plan - default
    [less] = default - plan

    assert more - less == {"workmail:GetMailboxDetails", "workmail:ListMailboxExportJobs"}


def test_exports_change_no_environment_of_a_function_and_no_definition(
    with_exports: Template, template: Template
) -> None:
    """An execution that waits calls versions that were published before the settings asked for exports."""
    for name in ("StartExport", "CheckExport", "PlanOffboarding", "RecordOffboarding", "DeregisterEntity"):
        environment = function_of(with_exports, name)["Environment"]
        assert environment == function_of(template, name)["Environment"]
        assert len(json.dumps(environment)) < 3000
    machines = [resources_of_type(stack, "AWS::StepFunctions::StateMachine") for stack in (with_exports, template)]
    definitions = [{key: value["Properties"]["DefinitionString"] for key, value in each.items()} for each in machines]
    assert definitions[0] == definitions[1]


def test_the_outputs_name_the_bucket_and_the_key(with_exports: Template) -> None:
    outputs = {name: render_arn(output["Value"]) for name, output in with_exports["Outputs"].items()}

    assert outputs["ArchiveBucketName"] == f"<{find_bucket(with_exports)[0]}>"
    assert outputs["ArchiveKeyArn"] == f"<{single_resource(with_exports, 'AWS::KMS::Key')[0]}.Arn>"


def test_a_stack_in_another_region_than_workmail_exports_nothing() -> None:
    with pytest.raises(AssemblyError, match=r"offboarding\.workmailRegion must be left out if mailboxes are exported"):
        assembly(
            {
                "organizations": [{"id": ORGANIZATION_ID}],
                "export": {"mode": "IfPossible"},
                "workmailRegion": "eu-west-1",
            }
        )
