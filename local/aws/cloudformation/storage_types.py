"""Buckets and keys in CloudFormation, of which moto keeps little.

- ``AWS::S3::Bucket``: versioning, object lock, public access block, ownership, encryption with bucket keys, and
  lifecycle rules. An update changes the bucket in place; another name is refused because it would replace the bucket.
- ``AWS::KMS::Key``: an update changes the key in place; its deletion is scheduled.
- Other properties are refused, because they would have no effect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3
from moto.cloudformation.exceptions import ValidationError
from moto.kms.models import Key, kms_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.utilities.utils import get_partition

from local.hooks import Hooks

_DEFAULT_WINDOW_DAYS = 30
_BUCKET_PROPERTIES = frozenset(
    {
        "AccessControl", "BucketEncryption", "BucketName", "LifecycleConfiguration", "ObjectLockConfiguration",
        "ObjectLockEnabled",
        "OwnershipControls", "PublicAccessBlockConfiguration", "Tags", "VersioningConfiguration",
    }
)  # fmt: skip
_KEY_PROPERTIES = frozenset({"Description", "EnableKeyRotation", "Enabled", "KeyPolicy", "PendingWindowInDays", "Tags"})
_RULE_PROPERTIES = frozenset(
    {
        "AbortIncompleteMultipartUpload", "ExpirationInDays", "ExpiredObjectDeleteMarker", "Id",
        "NoncurrentVersionExpiration", "Prefix", "Status",
    }
)  # fmt: skip


def install(hooks: Hooks) -> None:
    """Have moto make these resources as AWS does, for as long as the hooks are in place."""
    _hook_bucket(hooks)
    _hook_key(hooks)


def _hook_bucket(hooks: Hooks) -> None:
    def create_bucket(
        cls: type, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> FakeBucket:
        properties = cloudformation_json.get("Properties", {})
        _require_supported("bucket", properties, _BUCKET_PROPERTIES)
        bucket: FakeBucket = s3_backends[account_id][get_partition(region_name)].create_bucket(
            resource_name, region_name
        )
        _configure_bucket(resource_name, region_name, properties)
        return bucket

    def update_bucket(
        cls: type,
        original_resource: FakeBucket,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> FakeBucket:
        properties, name = cloudformation_json["Properties"], original_resource.name
        _require_supported("bucket", properties, _BUCKET_PROPERTIES)
        if properties.get("BucketName", name) != name:
            raise ValidationError(name, "CloudFormation would replace the bucket; this backend does not.")
        _configure_bucket(name, region_name, properties)
        return original_resource

    hooks.replace(FakeBucket, "create_from_cloudformation_json", classmethod(create_bucket))
    hooks.replace(FakeBucket, "update_from_cloudformation_json", classmethod(update_bucket))


def _configure_bucket(name: str, region_name: str, properties: Mapping[str, Any]) -> None:
    """Give a bucket the configuration of a template, and take away what the template does not have."""
    if properties.get("AccessControl", "Private") != "Private":
        raise ValidationError(name, "The bucket has an AccessControl that is not Private, not supported here.")
    s3, bucket = boto3.client("s3", region_name), {"Bucket": name}
    if properties.get("ObjectLockEnabled") or "VersioningConfiguration" in properties:
        versioning = properties.get("VersioningConfiguration", {"Status": "Enabled"})
        s3.put_bucket_versioning(**bucket, VersioningConfiguration=versioning)
    if properties.get("ObjectLockEnabled"):
        lock = properties.get("ObjectLockConfiguration", {"ObjectLockEnabled": "Enabled"})
        s3.put_object_lock_configuration(**bucket, ObjectLockConfiguration=lock)
    _replace_or_delete(
        properties.get("PublicAccessBlockConfiguration"),
        lambda block: s3.put_public_access_block(**bucket, PublicAccessBlockConfiguration=block),
        lambda: s3.delete_public_access_block(**bucket),
    )
    _replace_or_delete(
        properties.get("OwnershipControls"),
        lambda controls: s3.put_bucket_ownership_controls(**bucket, OwnershipControls=controls),
        lambda: s3.delete_bucket_ownership_controls(**bucket),
    )
    _replace_or_delete(
        properties.get("BucketEncryption"),
        lambda encryption: s3.put_bucket_encryption(
            **bucket, ServerSideEncryptionConfiguration=_render_encryption(encryption)
        ),
        lambda: s3.delete_bucket_encryption(**bucket),
    )
    _replace_or_delete(
        properties.get("LifecycleConfiguration"),
        lambda lifecycle: s3.put_bucket_lifecycle_configuration(
            **bucket, LifecycleConfiguration={"Rules": [_render_rule(name, rule) for rule in lifecycle["Rules"]]}
        ),
        lambda: s3.delete_bucket_lifecycle(**bucket),
    )
    _replace_or_delete(
        properties.get("Tags"),
        lambda tags: s3.put_bucket_tagging(**bucket, Tagging={"TagSet": tags}),
        lambda: s3.delete_bucket_tagging(**bucket),
    )


def _replace_or_delete(value: Any, put: Any, delete: Any) -> None:
    if value is None:
        delete()
    else:
        put(value)


def _render_encryption(encryption: Mapping[str, Any]) -> dict[str, Any]:
    """Render an encryption as in the API."""
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
            "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
        }
        for rule in encryption["ServerSideEncryptionConfiguration"]
    ]
    return {"Rules": rules}


def _render_rule(bucket_name: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    """Render a lifecycle rule as in the API."""
    unsupported = rule.keys() - _RULE_PROPERTIES
    if unsupported:
        raise ValidationError(
            bucket_name, f"A lifecycle rule has {', '.join(sorted(unsupported))}, not supported here."
        )
    expiration = {
        member: rule[name]
        for name, member in (("ExpirationInDays", "Days"), ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"))
        if name in rule
    }
    kept = ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration", "Status")
    return {
        **({"ID": rule["Id"]} if "Id" in rule else {}),
        **({"Expiration": expiration} if expiration else {}),
        "Filter": {"Prefix": rule.get("Prefix", "")},
        **{name: rule[name] for name in kept if name in rule},
    }


def _hook_key(hooks: Hooks) -> None:
    create = Key.create_from_cloudformation_json.__func__

    def create_key(cls: type, resource_name: str, cloudformation_json: Any, *args: Any, **kwargs: Any) -> Key:
        properties = cloudformation_json["Properties"]
        _require_supported("key", properties, _KEY_PROPERTIES)
        key: Key = create(cls, resource_name, cloudformation_json, *args, **kwargs)
        _configure_key(key, properties)
        return key

    def update_key(
        cls: type,
        original_resource: Key,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Key:
        properties = cloudformation_json["Properties"]
        _require_supported("key", properties, _KEY_PROPERTIES)
        _configure_key(original_resource, properties)
        return original_resource

    def delete_key(self: Key, account_id: str, region_name: str) -> None:
        window = vars(self).get("local_window_days", _DEFAULT_WINDOW_DAYS)
        kms_backends[account_id][region_name].schedule_key_deletion(self.id, window)

    hooks.replace(Key, "create_from_cloudformation_json", classmethod(create_key))
    hooks.replace(Key, "update_from_cloudformation_json", classmethod(update_key))
    hooks.replace(Key, "delete", delete_key)


def _configure_key(key: Key, properties: Mapping[str, Any]) -> None:
    backend = kms_backends[key.account_id][key.region]
    key.description = properties.get("Description", "")
    key.policy = json.dumps(properties["KeyPolicy"])
    key.key_rotation_status = properties.get("EnableKeyRotation", False)
    vars(key)["local_window_days"] = properties.get("PendingWindowInDays", _DEFAULT_WINDOW_DAYS)
    if properties.get("Enabled", True):
        backend.enable_key(key.id)
    else:
        backend.disable_key(key.id)


def _require_supported(kind: str, properties: Mapping[str, Any], supported: frozenset[str]) -> None:
    unsupported = properties.keys() - supported
    if unsupported:
        raise ValidationError(kind, f"The {kind} has {', '.join(sorted(unsupported))}, which is not supported here.")
