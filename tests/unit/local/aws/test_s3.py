"""Amazon S3 as on AWS: checksums of all objects, versions, retention, and bucket policies that ask for TLS."""

import base64
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from local.aws import s3
from local.hooks import Hooks

REGION, BUCKET, KEY = "us-east-1", "archive", "m-1/dana.zip"
# What botocore sends with a body unless it is told not to: a CRC-32.
WITHOUT_CHECKSUM = Config(request_checksum_calculation="when_required")


@pytest.fixture(scope="module", name="clients")
def _clients() -> Any:
    return {"plain": boto3.client("s3", REGION, config=WITHOUT_CHECKSUM), "usual": boto3.client("s3", REGION)}


@pytest.fixture
def client(clients: Any) -> Iterator[Any]:
    with Hooks() as hooks, mock_aws():
        s3.install(hooks)
        clients["plain"].create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        yield clients["plain"]


def put(client: Any, body: bytes = b"123456789") -> str:
    return str(client.put_object(Bucket=BUCKET, Key=KEY, Body=body)["VersionId"])


def get_attributes(client: Any, **more: Any) -> dict[str, Any]:
    attributes = ["Checksum", "ObjectSize", "ETag"]
    answer: dict[str, Any] = client.get_object_attributes(Bucket=BUCKET, Key=KEY, ObjectAttributes=attributes, **more)
    return answer


def test_an_object_without_an_uploaded_checksum_has_a_crc64nvme_of_the_full_object(client: Any) -> None:
    put(client)

    answer = get_attributes(client)

    # The check value of the catalogue: https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-64-nvme
    expected = base64.b64encode(0xAE8B14860A799888.to_bytes(8, "big")).decode()
    assert answer["Checksum"] == {"ChecksumCRC64NVME": expected, "ChecksumType": "FULL_OBJECT"}
    assert answer["ObjectSize"] == 9
    assert answer["LastModified"].tzinfo is not None
    head = client.head_object(Bucket=BUCKET, Key=KEY, ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == expected
    assert "ChecksumCRC64NVME" not in client.head_object(Bucket=BUCKET, Key=KEY)


def test_an_uploaded_checksum_is_kept(client: Any, clients: Any) -> None:
    clients["usual"].put_object(Bucket=BUCKET, Key=KEY, Body=b"hello")

    checksum = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
    assert get_attributes(client)["Checksum"] == {"ChecksumCRC32": checksum, "ChecksumType": "FULL_OBJECT"}


def test_an_empty_object_has_a_checksum(client: Any) -> None:
    put(client, b"")

    assert get_attributes(client)["Checksum"]["ChecksumCRC64NVME"] == "AAAAAAAAAAA="
    assert get_attributes(client)["ObjectSize"] == 0


def test_each_version_has_its_attributes_and_its_retention(client: Any) -> None:
    versions = [put(client, body) for body in (b"one", b"three")]
    until = datetime(2030, 1, 1, tzinfo=UTC)
    client.put_object_retention(
        Bucket=BUCKET, Key=KEY, VersionId=versions[0], Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until}
    )

    assert [get_attributes(client, VersionId=version)["ObjectSize"] for version in versions] == [3, 5]
    assert [get_attributes(client, VersionId=version)["VersionId"] for version in versions] == versions
    retention = client.get_object_retention(Bucket=BUCKET, Key=KEY, VersionId=versions[0])["Retention"]
    assert retention == {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(Bucket=BUCKET, Key=KEY, VersionId=versions[0])
    client.delete_object(Bucket=BUCKET, Key=KEY, VersionId=versions[1])
    remaining = client.list_object_versions(Bucket=BUCKET, Prefix=KEY)["Versions"]
    assert [version["VersionId"] for version in remaining] == [versions[0]]


def put_policy(client: Any, **statement: Any) -> None:
    whole = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{BUCKET}/*", **statement}
    client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [whole]}))


def test_a_bucket_policy_that_asks_for_tls_denies_no_client(client: Any) -> None:
    put_policy(client, Condition={"Bool": {"aws:SecureTransport": "false"}})
    put(client)
    put_policy(client, Condition={"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}})
    put(client)

    put_policy(client, Condition={"Bool": {"aws:SecureTransport": "true"}})
    with pytest.raises(ClientError, match="403"):
        client.head_object(Bucket=BUCKET, Key=KEY)
    put_policy(client, Principal={"AWS": "*"}, Action="s3:GetObject")
    with pytest.raises(ClientError, match="GetObject"):
        client.get_object(Bucket=BUCKET, Key=KEY)


def test_other_checksums_are_moto_s(client: Any) -> None:
    answer = client.put_object(Bucket=BUCKET, Key=KEY, Body=b"hello", ChecksumAlgorithm="SHA256")

    assert get_attributes(client)["Checksum"]["ChecksumSHA256"] == answer["ChecksumSHA256"]
    assert s3.compute_crc64nvme(b"") == 0


def test_a_retention_is_extended_but_not_shortened_without_the_permission_to_bypass_it(client: Any) -> None:
    version = {"Bucket": BUCKET, "Key": KEY, "VersionId": put(client)}

    def retain(year: int, **more: Any) -> None:
        retention = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime(year, 1, 1, tzinfo=UTC)}
        client.put_object_retention(**version, Retention=retention, **more)

    with pytest.raises(ClientError, match="NoSuchObjectLockConfiguration"):
        client.get_object_retention(**version)
    retain(2040)
    retain(2041)
    with pytest.raises(ClientError, match="AccessDenied"):
        retain(2039)
    retain(2038, BypassGovernanceRetention=True)
    assert client.get_object_retention(**version)["Retention"]["RetainUntilDate"].year == 2038
    assert client.head_object(**version)["ObjectLockMode"] == "GOVERNANCE"


def test_a_retention_of_a_missing_object_or_version_is_refused(client: Any) -> None:
    put(client)
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime(2040, 1, 1, tzinfo=UTC)}

    with pytest.raises(ClientError, match="NoSuchVersion"):
        client.put_object_retention(Bucket=BUCKET, Key=KEY, VersionId="missing", Retention=retention)
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.put_object_retention(Bucket=BUCKET, Key="missing", Retention=retention)
