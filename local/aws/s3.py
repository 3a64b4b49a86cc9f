"""Amazon S3 where moto's differs from AWS's.

- Each object has a checksum: a CRC-64/NVME of the whole object unless the upload has another one. moto has none then,
  and computes a CRC-32 where awscrt is not installed.
- The checksum of an object that was not uploaded in parts is one of the full object, which moto does not tell.
- Clients use TLS, for a bucket policy that denies everything else. moto takes such a statement for one without its
  condition, which denies everything. Statements with other conditions have no effect on clients here.
- There is ``GetObjectRetention``, and a retention is shortened only with the permission to bypass it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import datetime
from types import MappingProxyType
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.access_control import PermissionResult
from moto.s3 import utils
from moto.s3.exceptions import AccessDeniedByLock, MissingKey, MissingVersion, S3ClientError
from moto.s3.models import FakeBucket, FakeKey, S3Backend
from moto.s3.responses import S3Response

from local.hooks import Hooks
from local.policies import Decision, as_list, evaluate_policy

CRC64NVME = "CRC64NVME"

_POLYNOMIAL = 0x9A6C9329AC4BC9B5
_ALL_ONES = 0xFFFF_FFFF_FFFF_FFFF
_CLIENT_CONTEXT = MappingProxyType({"aws:SecureTransport": "true"})
_PERMISSIONS = {
    Decision.ALLOWED: PermissionResult.PERMITTED,
    Decision.DENIED: PermissionResult.DENIED,
    Decision.NOT_MENTIONED: PermissionResult.NEUTRAL,
}


class NoSuchObjectLockConfiguration(S3ClientError):  # noqa: N818 (it is named as in the API)
    """An object has no retention.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html
    """

    code = "NoSuchObjectLockConfiguration"
    http_status = 404


def install(hooks: Hooks) -> None:
    """Have objects keep checksums as on AWS for as long as the hooks are in place."""
    compute, put = utils.compute_checksum, S3Backend.put_object

    def compute_checksum(body: bytes, algorithm: str, encode_base64: bool = True) -> bytes:
        if algorithm != CRC64NVME:
            return bytes(compute(body, algorithm, encode_base64))
        checksum = compute_crc64nvme(body).to_bytes(8, "big")
        return b64encode(checksum) if encode_base64 else checksum

    def put_object(self: S3Backend, bucket_name: str, key_name: str, value: bytes, *args: Any, **more: Any) -> FakeKey:
        key: FakeKey = put(self, bucket_name, key_name, value, *args, **more)
        if key.multipart is None:
            key.checksum_type = "FULL_OBJECT"
            if key.checksum_value is None:
                key.checksum_algorithm = CRC64NVME
                key.checksum_value = compute_checksum(value, CRC64NVME).decode()
        return key

    hooks.replace_imported("moto.s3", compute, compute_checksum)
    hooks.replace(S3Backend, "put_object", put_object)
    hooks.replace(FakeBucket, "get_permission", _get_permission)
    _hook_retention(hooks)


def _hook_retention(hooks: Hooks) -> None:
    get, put = S3Response._key_response_get, S3Response.put_object_retention

    def key_response_get(self: S3Response, query: dict[str, Any], key_name: str) -> Any:
        if "retention" not in query:
            return get(self, query, key_name)
        key = _get_object(self, key_name)
        if not key.lock_mode:
            raise NoSuchObjectLockConfiguration("The specified object does not have a ObjectLock configuration")
        self.data["Action"] = "GetObjectRetention"
        retention = {"Mode": key.lock_mode, "RetainUntilDate": datetime.fromisoformat(str(key.lock_until))}
        return self.serialized(ActionResult({"Retention": retention}))

    def put_object_retention(self: S3Response) -> Any:
        key, (_, until) = _get_object(self, self.parse_key_name()), self._mode_until_from_body()
        bypasses = self.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
        is_shorter = bool(key.lock_until) and (until is None or until < key.lock_until)
        if is_shorter and key.is_locked(governance_bypass=bypasses):
            raise AccessDeniedByLock
        return put(self)

    hooks.replace(S3Response, "_key_response_get", key_response_get)
    hooks.replace(S3Response, "put_object_retention", put_object_retention)


def _get_object(response: S3Response, key_name: str) -> FakeKey:
    version_id = response._get_param("versionId")
    key = response.backend.get_object(response.bucket_name, key_name, version_id=version_id)
    if key is None:
        raise MissingVersion(key_name, version_id) if version_id else MissingKey(key_name)
    return key


def _get_permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """Evaluate a bucket's policy for any client."""
    document = json.loads(bucket.policy or "{}")
    statements = [
        statement
        for statement in as_list(document.get("Statement", []))
        if all(keys.keys() <= _CLIENT_CONTEXT.keys() for keys in statement.get("Condition", {}).values())
    ]
    decision = evaluate_policy(json.dumps({**document, "Statement": statements}), action, resource, _CLIENT_CONTEXT)
    return _PERMISSIONS[decision]


def compute_crc64nvme(data: bytes) -> int:
    """Compute the CRC-64/NVME of data.

    https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-64-nvme

    Examples
    --------
    >>> hex(compute_crc64nvme(b"123456789"))
    '0xae8b14860a799888'
    """
    remainder = _ALL_ONES
    for byte in data:
        remainder = _TABLE[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
    return remainder ^ _ALL_ONES


def _make_table() -> tuple[int, ...]:
    """Return the remainder of each byte; the polynomial's bits are in reverse order."""
    table = []
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = remainder >> 1 ^ _POLYNOMIAL if remainder & 1 else remainder >> 1
        table.append(remainder)
    return tuple(table)


_TABLE = _make_table()
