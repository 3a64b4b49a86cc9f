"""A stack with a bucket, its policy, a key and a role: deployed, updated, and deleted with what is retained."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.environment import Environment
from tests.unit.local.conftest import NOON

ACCOUNT, BUCKET = "123456789012", "archive"
ROOT = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::", {"Ref": "AWS::AccountId"}, ":root"]]}
BUCKET_ARN = {"Fn::GetAtt": ["Bucket", "Arn"]}
OBJECTS = {"Fn::Join": ["", [BUCKET_ARN, "/*"]]}
ALL_BLOCKED = {
    "BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True,
}  # fmt: skip


def statement(effect: str, action: str, resource: Any, **more: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}],
    }


def make_resources() -> dict[str, Any]:
    encryption = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]}}
    lifecycle = {"Id": "uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
    tls = {"Bool": {"aws:SecureTransport": "false"}}
    trust = statement("Allow", "sts:AssumeRole", "*", Principal={"Service": "export.workmail.amazonaws.com"})
    del trust["Statement"][0]["Resource"]
    return {
        "Key": {"Type": "AWS::KMS::Key", "DeletionPolicy": "Retain", "Properties": {
            "EnableKeyRotation": True, "Description": "archives",
            "KeyPolicy": statement("Allow", "kms:*", "*", Principal={"AWS": ROOT})}},
        "Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {
            "BucketName": BUCKET, "ObjectLockEnabled": True, "VersioningConfiguration": {"Status": "Enabled"},
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": encryption}]},
            "PublicAccessBlockConfiguration": ALL_BLOCKED, "LifecycleConfiguration": {"Rules": [lifecycle]},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}},
        "Policy": {"Type": "AWS::S3::BucketPolicy", "DeletionPolicy": "Retain", "Properties": {
            "Bucket": {"Ref": "Bucket"},
            "PolicyDocument": statement("Deny", "s3:*", [BUCKET_ARN, OBJECTS], Principal={"AWS": "*"}, Condition=tls)}},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {
            "RoleName": "export", "AssumeRolePolicyDocument": trust,
            "Policies": [{"PolicyName": "p", "PolicyDocument": statement("Allow", "s3:PutObject", OBJECTS)}]}},
    }  # fmt: skip


class Storage:
    """The stack, and clients to look at it."""

    def __init__(self, environment: Environment) -> None:
        self.s3, self.kms, self.iam, self.stacks = map(
            environment.client, ("s3", "kms", "iam", "cloudformation")
        )  # fmt: skip
        self.resources = make_resources()

    def render(self) -> str:
        outputs = {"Key": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}}} if "Key" in self.resources else {}
        return json.dumps({"Resources": self.resources, "Outputs": outputs})

    def create(self) -> None:
        self.stacks.create_stack(StackName="s", TemplateBody=self.render(), Capabilities=["CAPABILITY_NAMED_IAM"])

    def update(self, change: Callable[[dict[str, Any]], object]) -> str:
        """Change the properties of the resources, update the stack, and return its status."""
        change({name: resource["Properties"] for name, resource in self.resources.items()})
        self.stacks.update_stack(StackName="s", TemplateBody=self.render(), Capabilities=["CAPABILITY_NAMED_IAM"])
        return str(self.stack["StackStatus"])

    @property
    def stack(self) -> dict[str, Any]:
        [stack] = self.stacks.describe_stacks(StackName="s")["Stacks"]
        return dict(stack)

    @property
    def key(self) -> dict[str, Any]:
        [output] = self.stack["Outputs"]
        return dict(self.kms.describe_key(KeyId=output["OutputValue"])["KeyMetadata"])

    def read(self, operation: str) -> dict[str, Any]:
        answer = getattr(self.s3, operation)(Bucket=BUCKET)
        answer.pop("ResponseMetadata")
        return dict(answer)


@pytest.fixture
def storage() -> Iterator[Storage]:
    with Environment(None, now=NOON) as environment:
        made = Storage(environment)
        made.create()
        yield made


def test_a_bucket_and_its_key_have_the_properties_of_the_template(storage: Storage) -> None:
    key = storage.key

    assert storage.read("get_bucket_versioning") == {"Status": "Enabled"}
    assert storage.read("get_object_lock_configuration") == {
        "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}
    }
    [rule] = storage.read("get_bucket_encryption")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule == {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]},
        "BucketKeyEnabled": False,
    }
    assert storage.read("get_public_access_block") == {"PublicAccessBlockConfiguration": ALL_BLOCKED}
    [rule] = storage.read("get_bucket_lifecycle_configuration")["Rules"]
    assert (rule["ID"], rule["AbortIncompleteMultipartUpload"]) == ("uploads", {"DaysAfterInitiation": 7})
    [rule] = storage.read("get_bucket_ownership_controls")["OwnershipControls"]["Rules"]
    assert rule == {"ObjectOwnership": "BucketOwnerEnforced"}
    [denial] = json.loads(storage.read("get_bucket_policy")["Policy"])["Statement"]
    assert denial["Resource"] == [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    assert (key["Description"], key["KeyState"], key["KeySpec"]) == ("archives", "Enabled", "SYMMETRIC_DEFAULT")
    assert storage.kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is True
    [root] = json.loads(storage.kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"])["Statement"]
    assert root["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    storage.s3.put_object(Bucket=BUCKET, Key="k", Body=b"hello")
    assert storage.s3.head_object(Bucket=BUCKET, Key="k")["SSEKMSKeyId"] == key["Arn"]


def test_an_update_changes_the_bucket_the_policy_and_the_key_in_place(storage: Storage) -> None:
    arn = storage.key["Arn"]

    def change(properties: dict[str, Any]) -> None:
        rule = {"Status": "Enabled", "Prefix": "m-1/", "ExpirationInDays": 90}
        properties["Bucket"]["LifecycleConfiguration"] = {"Rules": [rule]}
        [encryption] = properties["Bucket"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        encryption["BucketKeyEnabled"] = True
        del properties["Bucket"]["OwnershipControls"]
        properties["Bucket"]["Tags"] = [{"Key": "a", "Value": "b"}]
        properties["Policy"]["PolicyDocument"]["Statement"][0]["Resource"] = OBJECTS
        properties["Key"].update(EnableKeyRotation=False, Description="changed")
        [trust] = properties["Role"]["AssumeRolePolicyDocument"]["Statement"]
        trust["Condition"] = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}

    assert storage.update(change) == "UPDATE_COMPLETE"

    [rule] = storage.read("get_bucket_lifecycle_configuration")["Rules"]
    assert (rule["Filter"], rule["Expiration"]["Days"]) == ({"Prefix": "m-1/"}, 90)
    [rule] = storage.read("get_bucket_encryption")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["BucketKeyEnabled"] is True
    with pytest.raises(ClientError, match="OwnershipControlsNotFound"):
        storage.read("get_bucket_ownership_controls")
    assert storage.read("get_bucket_tagging") == {"TagSet": [{"Key": "a", "Value": "b"}]}
    [denial] = json.loads(storage.read("get_bucket_policy")["Policy"])["Statement"]
    assert denial["Resource"] == f"arn:aws:s3:::{BUCKET}/*"
    assert (storage.key["Arn"], storage.key["Description"]) == (arn, "changed")
    assert storage.kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is False
    [trust] = storage.iam.get_role(RoleName="export")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert storage.update(lambda properties: properties["Key"].update(Enabled=False)) == "UPDATE_COMPLETE"
    assert storage.key["KeyState"] == "Disabled"


@pytest.mark.parametrize(
    "change",
    [
        lambda properties: properties["Bucket"].update(BucketName="other"),
        lambda properties: properties["Bucket"].update(LoggingConfiguration={}),
        lambda properties: properties["Bucket"].update(AccessControl="PublicRead"),
        lambda properties: properties["Bucket"]["LifecycleConfiguration"]["Rules"][0].update(Transitions=[]),
        lambda properties: properties["Key"].update(MultiRegion=True),
    ],
)
def test_an_update_without_effect_here_is_rolled_back(storage: Storage, change: Any) -> None:
    assert storage.update(change) == "UPDATE_ROLLBACK_COMPLETE"
    assert [bucket["Name"] for bucket in storage.s3.list_buckets()["Buckets"]] == [BUCKET]


def test_a_deletion_keeps_what_the_template_retains(storage: Storage) -> None:
    arn = storage.key["Arn"]
    storage.s3.put_object(Bucket=BUCKET, Key="k", Body=b"hello")
    storage.stacks.delete_stack(StackName="s")

    assert storage.s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"hello"
    assert "Policy" in storage.read("get_bucket_policy")
    assert storage.kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Enabled"
    assert storage.iam.list_roles()["Roles"] == []


def test_a_deletion_removes_the_bucket_and_schedules_the_key_s_deletion_unless_they_are_retained(
    storage: Storage,
) -> None:
    arn = storage.key["Arn"]
    for resource in storage.resources.values():
        resource.pop("DeletionPolicy", None)
    assert storage.update(lambda properties: properties["Key"].update(PendingWindowInDays=7)) == "UPDATE_COMPLETE"
    storage.stacks.delete_stack(StackName="s")

    key = storage.kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (key["KeyState"], (key["DeletionDate"] - NOON).days) == ("PendingDeletion", 7)
    assert storage.s3.list_buckets()["Buckets"] == []
