"""Checks of what the product keeps: the records and their sweep, the archives and their key."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from operate.doctor.findings import Finding, ok, wrong
from operate.doctor.setup import Setup
from operate.errors import error_code

_MAX_SWEEP_AGE = timedelta(days=1)
"""The sweep runs twice a day."""
_SWEEP_KEY = {"Id": {"S": "sweep"}, "Part": {"S": "State"}}
_LOST = "Nobody can read archives without their key"


def check_sweep(setup: Setup) -> Iterator[Finding]:
    """Check that the records were swept within the last day.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
    """
    table = setup.outputs.get("RecordsTableName")
    if table is None:
        return
    item = setup.account.client("dynamodb").get_item(TableName=table, Key=_SWEEP_KEY).get("Item", {})
    now = setup.account.read_time()
    advice = "Read the log of SweepRecords: it names the execution and the error. The next run begins where it stopped."
    if "SweptUntil" in item:
        swept_until = datetime.fromisoformat(item["SweptUntil"]["S"])
        message = f"The records were swept until {swept_until:%Y-%m-%d %H:%M} UTC"
        is_late = now - swept_until > _MAX_SWEEP_AGE
        yield (
            wrong(f"{message}: ends of executions since then can be missing.", advice) if is_late else ok(f"{message}.")
        )
    elif any(now - resource.updated_at <= _MAX_SWEEP_AGE for resource in setup.resources):
        yield ok("The records were not swept yet; the stack was deployed within the last day.")
    else:
        yield wrong("The records were never swept: ends of executions can be missing.", advice)


def check_archives(setup: Setup) -> Iterator[Finding]:
    """Check that the bucket and the key of the archives are as they were deployed; nothing without exports."""
    bucket, key = setup.outputs.get("ArchiveBucketName"), setup.outputs.get("ArchiveKeyArn")
    if bucket is None or key is None:
        return
    yield _check_key(setup, key)
    yield from _check_bucket(setup, bucket, key)


def _check_key(setup: Setup, key: str) -> Finding:
    """Check the state of the key.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html
    """
    key_id = key.rpartition("/")[2]
    try:
        state = setup.account.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    except ClientError as error:
        if error_code(error) != "NotFoundException":
            raise
        return wrong(f"The key of the archives is deleted. {_LOST}.", "Deploy again: the next archives need a new key.")
    if state == "Enabled":
        return ok("The key of the archives is enabled.")
    restore = setup.account.render_aws_command("kms", "cancel-key-deletion", "--key-id", key_id)
    enable = setup.account.render_aws_command("kms", "enable-key", "--key-id", key_id)
    steps = f"{restore} && {enable}" if state == "PendingDeletion" else enable
    return wrong(f"The key of the archives is {state}. {_LOST}, and each export fails.", f"Run: {steps}")


def _check_bucket(setup: Setup, bucket: str, key: str) -> Iterator[Finding]:
    """Check versioning, object lock and encryption.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketEncryption.html
    """
    try:
        problems = [*_iterate_bucket_problems(setup, bucket, key)]
    except ClientError as error:
        if error_code(error) not in {"NoSuchBucket", "404"}:
            raise
        yield wrong(
            f"The bucket of the archives {bucket} does not exist.", "Restore it: docs/upgrade.md and docs/archive.md."
        )
        return
    for problem in problems:
        yield wrong(
            f"The bucket {bucket} {problem}.", "Somebody has changed it by hand: change it back, or `make deploy`."
        )
    if not problems:
        yield ok(f"The bucket {bucket} is as deployed: versioned, with object lock, encrypted with the key.")


def _iterate_bucket_problems(setup: Setup, bucket: str, key: str) -> Iterator[str]:
    client = setup.account.client("s3")
    if client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        yield "is not versioned"
    if not _has_object_lock(client, bucket):
        yield "has no object lock"
    encryption = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    if key not in {_read_key(rule) for rule in encryption["Rules"]}:
        yield "is not encrypted with the key of the archives"


def _has_object_lock(client: Any, bucket: str) -> bool:  # noqa: ANN401 (boto3 makes its classes when it runs)
    try:
        lock = client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    except ClientError as error:
        if error_code(error) != "ObjectLockConfigurationNotFoundError":
            raise
        return False
    return bool(lock.get("ObjectLockEnabled") == "Enabled")


def _read_key(rule: Mapping[str, Any]) -> str:
    return str(rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID", ""))
