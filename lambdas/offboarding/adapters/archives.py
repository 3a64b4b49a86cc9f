"""The archives of mailboxes in Amazon S3: where they are made, and what S3 shows of one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, cast

from botocore.exceptions import BotoCoreError, ClientError

from offboarding import configuration
from offboarding.adapters.aws import LazyClient, error_code, unavailable_error
from offboarding.adapters.parameters import damaged_error, find_parameter
from offboarding.domain import errors
from offboarding.domain.exports import Checksum, ExportLog
from offboarding.domain.validation import Schema, compile_schemas

s3 = LazyClient("s3")

LOG_SUFFIXES = (".json", ".log")
"""How the key of an export's log can end. WorkMail documents neither its name nor its place."""
_MAX_LOG_BYTES = 100_000
_MAX_OBJECTS = 1000
_NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
_LOG_COUNTS = {
    "totalMessages": "Messages",
    "totalFolders": "Folders",
    "totalBytes": "Bytes",
    "totalNonExportableItems": "NotExportable",
}

_TEXT: Schema = {"type": "string", "minLength": 1, "description": "a text"}
_COUNT: Schema = {"type": "integer", "minimum": 1, "description": "a whole number, 1 or more"}
PARAMETER: Schema = {
    "type": "object",
    "properties": {
        "Bucket": _TEXT,
        "KmsKeyArn": _TEXT,
        "RoleArn": _TEXT,
        "Prefix": {"type": "string", "description": "a text"},
        "Slots": _COUNT,
        "JobDeadlineDays": _COUNT,
        "SlotDeadlineDays": _COUNT,
        "LockDays": _COUNT,
    },
    "required": ["Bucket", "KmsKeyArn", "RoleArn", "Prefix", "Slots", "JobDeadlineDays", "SlotDeadlineDays"],
    "description": "a JSON object",
}
"""The value of a parameter; as with the policy, it can have further members."""

compile_schemas(PARAMETER)


class _Parameter(TypedDict, total=False):
    Bucket: str
    KmsKeyArn: str
    RoleArn: str
    Prefix: str
    Slots: int
    JobDeadlineDays: int
    SlotDeadlineDays: int
    LockDays: int


@dataclass(frozen=True)
class ArchiveSettings:
    """Where and how the mailboxes of one organization are exported.

    Attributes
    ----------
    bucket, prefix
        The bucket, and how the key of each archive begins.
    kms_key_arn, role_arn
        The key with which WorkMail encrypts, and the role by which it writes.
    slots
        How many exports run at once.
    job_deadline_days, slot_deadline_days
        How long a job may run, and how long a slot is waited for.
    lock_days
        For how long an archive is locked; None if it is not.
    """

    bucket: str
    prefix: str
    kms_key_arn: str
    role_arn: str
    slots: int
    job_deadline_days: int
    slot_deadline_days: int
    lock_days: int | None = None


@dataclass(frozen=True)
class StoredObject:
    """An object of S3: its version and size in bytes, and its checksum if S3 has one."""

    version_id: str | None
    size: int
    checksum: Checksum | None


def read_archive_settings(organization_id: str) -> ArchiveSettings:
    """Read where the mailboxes of an organization are exported, past any cache.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html

    Raises
    ------
    SettingsUnavailable, AccessDenied
        If they cannot be read, are damaged, or do not exist.
    """
    parameter: _Parameter | None = find_parameter(
        f"{configuration.archives_path()}/{organization_id}", PARAMETER, fresh=True
    )
    if parameter is None:
        raise damaged_error(f"There is no parameter with the place for archives of {organization_id}.")
    return ArchiveSettings(
        bucket=parameter["Bucket"],
        prefix=parameter["Prefix"],
        kms_key_arn=parameter["KmsKeyArn"],
        role_arn=parameter["RoleArn"],
        # In JSON, 8.0 is a whole number too.
        slots=int(parameter["Slots"]),
        job_deadline_days=int(parameter["JobDeadlineDays"]),
        slot_deadline_days=int(parameter["SlotDeadlineDays"]),
        lock_days=int(parameter["LockDays"]) if "LockDays" in parameter else None,
    )


def find_object(bucket: str, key: str) -> StoredObject | None:
    """Read what S3 shows of an object without its content; None if there is none.

    Whether the checksum needs the permission to decrypt is not documented. It is left out if S3 denies it.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html

    Raises
    ------
    ArchiveUnavailable, AccessDenied
        If S3 does not answer.
    """
    try:
        answer = _read_attributes(bucket, key, "Checksum", "ObjectSize")
    except errors.AccessDenied:
        answer = _read_attributes(bucket, key, "ObjectSize")
    if answer is None:
        return None
    return StoredObject(answer.get("VersionId"), int(answer.get("ObjectSize", 0)), _select_checksum(answer))


def _read_attributes(bucket: str, key: str, *names: str) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = s3.get_object_attributes(Bucket=bucket, Key=key, ObjectAttributes=[*names])
    except (ClientError, BotoCoreError) as error:
        if error_code(error) in _NOT_FOUND:
            return None
        raise unavailable_error("s3:GetObjectAttributes", error, errors.ArchiveUnavailable) from None
    return answer


def list_keys(bucket: str, prefix: str) -> list[str]:
    """List the keys of the objects below a prefix, the first 1,000.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html

    Raises
    ------
    ArchiveUnavailable, AccessDenied
        If S3 does not answer.
    """
    try:
        answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=_MAX_OBJECTS)
    except (ClientError, BotoCoreError) as error:
        raise unavailable_error("s3:ListBucket", error, errors.ArchiveUnavailable) from None
    return [item["Key"] for item in answer.get("Contents", ())]


def read_log(bucket: str, key: str) -> ExportLog | None:
    """Read an export's log; None if the object is none.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html

    Raises
    ------
    ArchiveUnavailable, AccessDenied
        If S3 does not answer.
    """
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
        content = answer["Body"].read(_MAX_LOG_BYTES + 1)
    except (ClientError, BotoCoreError) as error:
        if error_code(error) in _NOT_FOUND:
            return None
        raise unavailable_error("s3:GetObject", error, errors.ArchiveUnavailable) from None
    try:
        members: Any = json.loads(content) if len(content) <= _MAX_LOG_BYTES else None
    except ValueError:
        return None
    if not isinstance(members, dict):
        return None
    counts = {name: _parse_count(members.get(member)) for member, name in _LOG_COUNTS.items()}
    log: dict[str, object] = {name: count for name, count in counts.items() if count is not None}
    if isinstance(members.get("sha384Hash"), str):
        log["Sha384"] = members["sha384Hash"]
    return cast(ExportLog, {"Key": key, **log}) if log else None


def lock_object(bucket: str, key: str, version_id: str, until: datetime) -> None:
    """Lock one version of an object, which only those with a special permission can delete before that date.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html

    Raises
    ------
    ArchiveUnavailable, AccessDenied
        If S3 does not answer.
    """
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    try:
        s3.put_object_retention(Bucket=bucket, Key=key, VersionId=version_id, Retention=retention)
    except (ClientError, BotoCoreError) as error:
        raise unavailable_error("s3:PutObjectRetention", error, errors.ArchiveUnavailable) from None


def _parse_count(value: object) -> int | None:
    """Return a count; the guide's example has it as a text."""
    text = str(value) if type(value) in (int, str) else ""
    return int(text) if text.isascii() and text.isdigit() else None


def _select_checksum(answer: Mapping[str, Any]) -> Checksum | None:
    checksum = answer.get("Checksum", {})
    for member, value in checksum.items():
        algorithm = member.removeprefix("Checksum")
        if algorithm and algorithm != "Type" and value:
            return Checksum(Algorithm=algorithm, Type=checksum.get("ChecksumType", "NotGiven"), Value=value)
    return None
