"""What a job may do with its role, its key and its bucket, evaluated as AWS does.

The needed permissions are those of the administrator guide's example:
https://docs.aws.amazon.com/workmail/latest/adminguide/mail-export.html

Grants of KMS, service control policies and session policies are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.iam.models import Role, iam_backends
from moto.kms.models import Key, kms_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.s3.utils import bucket_policy_is_public

from local.policies import Decision, PolicyError, evaluate_policy

from ..exceptions import InvalidParameterException

SERVICE_PRINCIPAL = "export.workmail.amazonaws.com"

_OBJECT_ACTIONS = ("s3:PutObject", "s3:AbortMultipartUpload")
_KEY_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")
_PUBLIC_GROUPS = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)


@dataclass(frozen=True)
class Destination:
    """Where a job writes, and with what.

    Attributes
    ----------
    organization_arn
        The organization; its account and Region are the service's.
    """

    organization_arn: str
    role_arn: str
    key_arn: str
    bucket_name: str

    @property
    def account_id(self) -> str:
        """The account of the organization."""
        return self.organization_arn.split(":")[4]

    @property
    def region(self) -> str:
        """The Region of the organization."""
        return self.organization_arn.split(":")[3]

    @property
    def partition(self) -> str:
        """The partition of the organization."""
        return self.organization_arn.split(":")[1]

    def find_role(self) -> Role | None:
        """Return the role, if it exists in the organization's account."""
        roles = iam_backends[self.account_id][self.partition].roles.values()
        return next((role for role in roles if role.arn == self.role_arn), None)

    def find_bucket(self) -> FakeBucket | None:
        """Return the bucket, if it exists in the organization's account and Region."""
        bucket = s3_backends[self.account_id][self.partition].buckets.get(self.bucket_name)
        return bucket if bucket is not None and bucket.region_name == self.region else None

    def find_key(self) -> Key | None:
        """Return the key, if it exists in the organization's account and Region."""
        keys = kms_backends[self.account_id][self.region].keys.values()
        return next((key for key in keys if key.arn == self.key_arn), None)


def require_destination(destination: Destination) -> None:
    """Require that the role, the bucket and the key exist, the latter two in the organization's Region.

    Raises
    ------
    InvalidParameterException
        Naming the parameter.
    """
    for name, value, resource in (
        ("RoleArn", destination.role_arn, destination.find_role()),
        ("S3BucketName", destination.bucket_name, destination.find_bucket()),
        ("KmsKeyArn", destination.key_arn, destination.find_key()),
    ):
        if resource is None:
            place = destination.account_id if name == "RoleArn" else f"{destination.account_id} in {destination.region}"
            raise InvalidParameterException(f"{name}: {value} does not exist in {place}.")


def find_access_problem(destination: Destination, object_key: str) -> str | None:
    """Return why the job cannot store an object, in a sentence; None if it can.

    Parameters
    ----------
    destination
        Where it writes.
    object_key
        The key of the object.
    """
    role, bucket, key = destination.find_role(), destination.find_bucket(), destination.find_key()
    if role is None or bucket is None or key is None:
        missing = "role" if role is None else "bucket" if bucket is None else "key"
        return f"The {missing} does not exist any more."
    try:
        return next(_iterate_problems(_Access(destination, role, bucket, key), object_key), None)
    except PolicyError as error:
        return f"A policy cannot be evaluated here: {error}."


@dataclass(frozen=True)
class _Access:
    destination: Destination
    role: Role
    bucket: FakeBucket
    key: Key

    def context(self) -> dict[str, str]:
        """Return the condition keys of every request that the service makes with the role.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        """
        account_id = self.destination.account_id
        return {
            "aws:PrincipalAccount": account_id,
            "aws:PrincipalArn": self.role.arn,
            "aws:PrincipalIsAWSService": "false",
            "aws:PrincipalType": "AssumedRole",
            "aws:RequestedRegion": self.destination.region,
            "aws:ResourceAccount": account_id,
            "aws:SecureTransport": "true",
            "aws:ViaAWSService": "false",
        }

    def list_identity_policies(self) -> list[str]:
        """Return the role's policies, as JSON; CloudFormation keeps them parsed."""
        if self.role.permissions_boundary_arn:
            raise PolicyError(f"{self.role.name} has a permissions boundary, which is not supported here")
        managed = [policy.document for policy in self.role.managed_policies.values()]
        return [_as_json(policy) for policy in (*self.role.policies.values(), *managed)]

    def is_allowed(
        self, action: str, resource: str, context: Mapping[str, str], policy: str | None, *, delegates: bool
    ) -> bool:
        """Tell whether the role may do something with a resource of its account.

        Parameters
        ----------
        action, resource, context
            See `evaluate_policy`.
        policy
            The resource's policy, or None.
        delegates
            Whether policies of roles have an effect only if the resource's policy allows the account, as for a key.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
        """
        account_id = self.destination.account_id
        names = {self.role.arn, account_id, f"arn:{self.destination.partition}:iam::{account_id}:root"}
        by_role = {evaluate_policy(text, action, resource, context) for text in self.list_identity_policies()}
        to_account = to_role = Decision.NOT_MENTIONED
        if policy is not None:
            to_account = evaluate_policy(policy, action, resource, context, names)
            to_role = evaluate_policy(policy, action, resource, context, {self.role.arn})
        if Decision.DENIED in by_role or to_account is Decision.DENIED:
            return False
        has_permission = Decision.ALLOWED in by_role and (not delegates or to_account is Decision.ALLOWED)
        return has_permission or to_role is Decision.ALLOWED


def _iterate_problems(access: _Access, object_key: str) -> Iterator[str]:
    destination, bucket, key = access.destination, access.bucket, access.key
    if not _trusts_service(access):
        yield f"The role {destination.role_arn} does not allow {SERVICE_PRINCIPAL} to assume it for this organization."
    policy = bucket.policy.decode() if bucket.policy else None
    bucket_arn = f"arn:{destination.partition}:s3:::{bucket.name}"
    for action, resource, context in _iterate_bucket_requests(access, bucket_arn, object_key):
        if not access.is_allowed(action, resource, context, policy, delegates=False):
            yield f"The role {destination.role_arn} is not allowed to perform {action} on {resource}."
    if _is_public(bucket, policy):
        yield f"The bucket {bucket.name} allows public access."
    if bucket.has_default_lock:
        yield f"The bucket {bucket.name} has a default retention, and the upload has no checksum that it needs."
    if key.key_spec != "SYMMETRIC_DEFAULT":
        yield f"The key {key.arn} is not a symmetric encryption key."
    if not key.enabled or key.key_state != "Enabled":
        yield f"The key {key.arn} is not enabled: its state is {key.key_state}."
    context = _make_key_context(access, bucket_arn, object_key)
    for action in _KEY_ACTIONS:
        if not access.is_allowed(action, key.arn, context, _as_json(key.policy), delegates=True):
            yield f"The role {destination.role_arn} is not allowed to perform {action} on {key.arn}."


def _trusts_service(access: _Access) -> bool:
    """Evaluate the trust policy; earlier editions of the guide have ``sts:ExternalId``, the account, in it."""
    destination = access.destination
    context = {
        "aws:SourceAccount": destination.account_id,
        "aws:SourceArn": destination.organization_arn,
        "sts:ExternalId": destination.account_id,
    }
    document = _as_json(access.role.assume_role_policy_document)
    decision = evaluate_policy(document, "sts:AssumeRole", access.role.arn, context, {SERVICE_PRINCIPAL})
    return decision is Decision.ALLOWED


def _iterate_bucket_requests(
    access: _Access, bucket_arn: str, object_key: str
) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Yield the actions on the bucket and the object, with the condition keys of S3.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
    """
    common = {
        **access.context(),
        "s3:authType": "REST-HEADER",
        "s3:ResourceAccount": access.destination.account_id,
        "s3:signatureversion": "AWS4-HMAC-SHA256",
        "s3:TlsVersion": "1.3",
    }
    encryption = {
        "s3:x-amz-server-side-encryption": "aws:kms",
        "s3:x-amz-server-side-encryption-aws-kms-key-id": access.key.arn,
    }
    yield "s3:GetBucketPolicyStatus", bucket_arn, common
    for action in _OBJECT_ACTIONS:
        headers = encryption if action == "s3:PutObject" else {}
        yield action, f"{bucket_arn}/{object_key}", {**common, **headers}


def _make_key_context(access: _Access, bucket_arn: str, object_key: str) -> Mapping[str, str]:
    """Return the condition keys of S3's requests to KMS; with a bucket key they name the bucket instead of the object.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context
    """
    rule = (access.bucket.encryption or {}).get("Rule", {})
    has_bucket_key = str(rule.get("BucketKeyEnabled", False)).lower() == "true"
    return {
        **access.context(),
        "aws:ViaAWSService": "true",
        "kms:CallerAccount": access.destination.account_id,
        "kms:EncryptionContext:aws:s3:arn": bucket_arn if has_bucket_key else f"{bucket_arn}/{object_key}",
        "kms:ViaService": f"s3.{access.destination.region}.amazonaws.com",
    }


def _is_public(bucket: FakeBucket, policy: str | None) -> bool:
    """Tell whether the bucket allows public access that is not blocked."""
    block = bucket.public_access_block
    has_public_grant = bucket.acl is not None and any(
        grantee.uri in _PUBLIC_GROUPS for grant in bucket.acl.grants for grantee in grant.grantees
    )
    ignores_grants = block is not None and _is_true(block.ignore_public_acls)
    restricts_policy = block is not None and _is_true(block.restrict_public_buckets)
    has_public_policy = policy is not None and bucket_policy_is_public(policy)
    return (has_public_grant and not ignores_grants) or (has_public_policy and not restricts_policy)


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _as_json(policy: Any) -> str:
    return policy if isinstance(policy, str) else json.dumps(policy)
