"""The archives of exported mailboxes: a bucket, its key, and the roles by which WorkMail writes into it."""

from collections.abc import Sequence
from typing import cast

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.functions import Access
from stacks.nag import NIST, acknowledge, acknowledge_inline_policies
from stacks.parameters import SettingsParameters, render_path
from stacks.settings import Settings

_ORGANIZATIONS_PER_ROLE = 15
"""A trust policy has 2,048 characters at most, and names each organization; see
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
_EXPORT_SERVICE = "export.workmail.amazonaws.com"
_LOG_PATTERNS = ("*.json", "*.log")
"""How the key of an export's log can end, as in ``lambdas/offboarding/adapters/archives.py``."""
_UNFINISHED_UPLOAD_DAYS = 7
_PATH = "archives"
PATH_VARIABLE = "ARCHIVES_PATH"
"""The variable with the path of the parameters."""


def render_path_variable(stack: Stack) -> dict[str, str]:
    """Return the variable, also for a stack without archives.

    An execution can wait until the settings ask for exports. It then calls versions that were published before.
    """
    return {PATH_VARIABLE: render_path(stack, _PATH)}


class Archives(Construct):
    """Where the mailboxes of all organizations are exported. Bucket and key are kept when the stack is deleted.

    Attributes
    ----------
    bucket
        The archives, each with its log. It has no default retention: S3 would demand checksums of WorkMail's uploads.
    key
        The key of the archives. Without it nobody can read them: a deleted key is deleted mail.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self._stack = Stack.of(self)
        self._prefix = settings.export.prefix
        self._is_locked = settings.export.lock_days is not None
        self.key = kms.Key(
            self,
            "Key",
            description=f"Encrypts the archives of mailboxes of {self._stack.stack_name}",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            # With a bucket key the encryption context would be the bucket: nobody could be limited to the logs.
            bucket_key_enabled=False,
            object_lock_enabled=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="UnfinishedUploads",
                    abort_incomplete_multipart_upload_after=Duration.days(_UNFINISHED_UPLOAD_DAYS),
                )
            ],
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        _acknowledge_bucket_findings(self.bucket)
        self._roles = self._build_roles(settings.organization_ids)
        self._parameters = self._build_parameters(settings)

    def allow_read_settings(self) -> Access:
        """Let a function read where the mailboxes of an organization are exported.

        Returns
        -------
        Access
            For the function's specification.
        """
        return self._parameters.allow_read_each(PATH_VARIABLE, name="Archives")

    def allow_pass_roles(self) -> Access:
        """Let a function have WorkMail write archives, by these roles and for this service only.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html

        Returns
        -------
        Access
            For the function's specification. It needs no variable: the settings contain the roles.
        """
        return Access(
            "ExportRoles",
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[role.role_arn for role in dict.fromkeys(self._roles.values())],
                conditions={"StringEquals": {"iam:PassedToService": _EXPORT_SERVICE}},
            ),
        )

    def list_verification_access(self) -> tuple[Access, ...]:
        """Let a function see an archive without its content, and read the log of its export.

        The attributes of an object need the permission to get it. The key protects the content: the function may
        decrypt logs only, which S3 names in the encryption context.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html

        Returns
        -------
        tuple[Access, ...]
            For the function's specification.
        """
        objects = self.bucket.arn_for_objects(f"{self._prefix}*")
        finding = f"<{self._stack.get_logical_id(cast(s3.CfnBucket, self.bucket.node.default_child))}.Arn>"
        lock_actions = ["s3:PutObjectRetention"] if self._is_locked else []
        logs = [self.bucket.arn_for_objects(f"{self._prefix}{pattern}") for pattern in _LOG_PATTERNS]
        return (
            Access(
                "ArchiveObjects",
                iam.PolicyStatement(
                    actions=["s3:GetObject", "s3:GetObjectAttributes", *lock_actions], resources=[objects]
                ),
                acknowledged={
                    f"IAM5[Resource::{finding}/{self._prefix}*]": "The wildcard stands for the archives and logs below "
                    "one prefix of one bucket, whose keys WorkMail chooses; only logs can be decrypted.",
                },
            ),
            Access(
                "ArchiveList",
                iam.PolicyStatement(
                    actions=["s3:ListBucket"],
                    resources=[self.bucket.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": f"{self._prefix}*"}},
                ),
            ),
            Access(
                "ArchiveLogs",
                iam.PolicyStatement(
                    actions=["kms:Decrypt"],
                    resources=[self.key.key_arn],
                    conditions={"StringLike": {"kms:EncryptionContext:aws:s3:arn": logs}},
                ),
            ),
        )

    def _build_roles(self, organization_ids: Sequence[str]) -> dict[str, iam.Role]:
        """Build the roles that WorkMail assumes, and return that of each organization."""
        groups = [
            organization_ids[start : start + _ORGANIZATIONS_PER_ROLE]
            for start in range(0, len(organization_ids), _ORGANIZATIONS_PER_ROLE)
        ]
        return {
            organization_id: role
            for number, group in enumerate(groups, start=1)
            for role in [self._build_role(number, group)]
            for organization_id in group
        }

    def _build_role(self, number: int, organization_ids: Sequence[str]) -> iam.Role:
        """Build a role with the permissions that WorkMail documents, and no others.

        https://docs.aws.amazon.com/workmail/latest/adminguide/mail-export.html
        """
        organizations = [
            self._stack.format_arn(service="workmail", resource="organization", resource_name=organization_id)
            for organization_id in organization_ids
        ]
        objects = self.bucket.arn_for_objects(f"{self._prefix}*")
        role = iam.Role(
            self,
            f"ExportRole{number}",
            description=f"What WorkMail may do to export mailboxes for {self._stack.stack_name}",
            assumed_by=iam.ServicePrincipal(
                _EXPORT_SERVICE,
                conditions={
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                    "ArnEquals": {"aws:SourceArn": organizations},
                },
            ),
            inline_policies={
                "Objects": _build_document(["s3:AbortMultipartUpload", "s3:PutObject"], objects),
                "Bucket": _build_document(["s3:GetBucketPolicyStatus"], self.bucket.bucket_arn),
                "Key": _build_document(["kms:Decrypt", "kms:GenerateDataKey"], self.key.key_arn),
            },
        )
        acknowledge_inline_policies(role)
        finding = f"<{self._stack.get_logical_id(cast(s3.CfnBucket, self.bucket.node.default_child))}.Arn>"
        acknowledge(
            role,
            f"IAM5[Resource::{finding}/{self._prefix}*]",
            "The wildcard stands for the archives below one prefix of one bucket, whose keys WorkMail chooses.",
        )
        return role

    def _build_parameters(self, settings: Settings) -> SettingsParameters:
        values = {
            organization_id: self._stack.to_json_string(
                {
                    "Bucket": self.bucket.bucket_name,
                    "KmsKeyArn": self.key.key_arn,
                    "RoleArn": self._roles[organization_id].role_arn,
                    "Prefix": self._prefix,
                    **settings.export.render_limits(),
                }
            )
            for organization_id in settings.organization_ids
        }
        return SettingsParameters(
            self, "Settings", name=_PATH, values=values, description="Where and how mailboxes are exported"
        )


def _build_document(actions: Sequence[str], resource: str) -> iam.PolicyDocument:
    return iam.PolicyDocument(statements=[iam.PolicyStatement(actions=[*actions], resources=[resource])])


def _acknowledge_bucket_findings(bucket: s3.Bucket) -> None:
    acknowledge(
        bucket,
        "S1",
        "CloudTrail's data events, which docs/archive.md describes, name who read an archive; S3's own access logs "
        "would need another bucket and name no role session.",
    )
    acknowledge(
        bucket,
        "S3BucketLoggingEnabled",
        "CloudTrail's data events, which docs/archive.md describes, name who read an archive; S3's own access logs "
        "would need another bucket and name no role session.",
        pack=NIST,
    )
    acknowledge(
        bucket,
        "S3BucketReplicationEnabled",
        "A copy of leavers' mail in another Region is for the account to decide, and versions protect against "
        "overwriting and deletion.",
        pack=NIST,
    )
