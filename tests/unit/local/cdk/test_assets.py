"""The assets of a cloud assembly in the bucket: the same objects as a client uploads."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from local.cdk.assets import Asset, package, upload
from local.defaults import ACCOUNT, REGION
from local.environment import Environment
from tests.unit.local.assemblies import NOON


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "asset.0123"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "c.py").write_text("pass")
    (folder / "a.py").write_text("pass")
    return folder


def describe_objects(s3: Any) -> list[Any]:
    """Return all that S3 tells about the objects of the bucket, in the order of their keys."""
    objects = []
    for key in sorted(entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket").get("Contents", [])):
        place = {"Bucket": "bucket", "Key": key}
        answer = s3.get_object(**place, ChecksumMode="ENABLED")
        answer.pop("ResponseMetadata")
        acl, tags = s3.get_object_acl(**place)["Grants"], s3.get_object_tagging(**place)["TagSet"]
        objects.append([{**answer, "Body": answer["Body"].read()}, acl, tags])
    return objects


@pytest.mark.parametrize("packaging", ["zip", "file"])
def test_an_uploaded_asset_is_the_object_that_a_client_uploads(folder: Path, packaging: str) -> None:
    source = folder if packaging == "zip" else folder / "a.py"
    body = package(folder) if packaging == "zip" else source.read_bytes()
    with Environment(None, None, now=NOON) as aws:
        s3 = aws.client("s3")
        for key in ("a", "b"):
            upload(Asset(source, packaging, "bucket", key), REGION, ACCOUNT)
        s3.put_object(Bucket="bucket", Key="b", Body=body)

        direct, by_client = describe_objects(s3)
        assert direct == by_client
        assert (direct[0]["Body"], direct[0]["ETag"] != "", "ChecksumCRC32" in direct[0]) == (body, True, True)


def test_a_changed_asset_is_another_object_in_the_same_bucket(folder: Path) -> None:
    with Environment(None, None, now=NOON) as aws:
        upload(Asset(folder / "a.py", "file", "bucket", "key"), REGION, ACCOUNT)
        (folder / "a.py").write_text("else")
        upload(Asset(folder / "a.py", "file", "bucket", "key"), REGION, ACCOUNT)

        [[answer, _, _]] = describe_objects(aws.client("s3"))
        assert answer["Body"] == b"else"
        assert len(aws.client("s3").list_buckets()["Buckets"]) == 1


def test_a_package_is_the_same_bytes_for_the_same_files(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    os.utime(copy / "a.py", (0, 1e9))

    assert package(folder) == package(copy)
    (copy / "a.py").write_text("else")
    assert package(folder) != package(copy)
