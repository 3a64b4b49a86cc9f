"""The file assets of a cloud assembly: packaged, and uploaded to the bucket of the CDK's bootstrap.

They are put into moto's S3 without a request: a client would compute the checksum of the same package for each
environment, and moto its ETag.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

# The same files make the same package: no times, no owners, one order.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Asset:
    """A file or directory of an assembly, and where it is uploaded."""

    source: Path
    packaging: str
    bucket: str
    key: str


def list_assets(assembly: Path, manifest: Mapping[str, Any], region: str, account: str) -> list[Asset]:
    """List the assets in an asset manifest.

    Parameters
    ----------
    assembly
        The directory that the manifest's paths are relative to.
    manifest
        The content of the asset manifest.
    region, account
        The place of the deployment.
    """
    return [
        Asset(
            source=assembly / file["source"]["path"],
            packaging=file["source"]["packaging"],
            bucket=replace_placeholders(destination["bucketName"], region, account),
            key=replace_placeholders(destination["objectKey"], region, account),
        )
        for file in manifest["files"].values()
        for destination in file["destinations"].values()
    ]


def replace_placeholders(text: str, region: str, account: str) -> str:
    """Replace the placeholders that the CDK has for the account, the Region and the partition."""
    text = text.replace("${AWS::AccountId}", account).replace("${AWS::Region}", region)
    return text.replace("${AWS::Partition}", "aws")


def upload(asset: Asset, region: str, account: str) -> None:
    """Put an asset into its bucket, as a client does: with a checksum. The bucket is made unless it exists."""
    backend = s3_backends[account][get_partition(region)]
    if asset.bucket not in backend.buckets:
        backend.create_bucket(asset.bucket, region)
    body = package(asset.source) if asset.packaging == "zip" else asset.source.read_bytes()
    etag, checksum = _compute_digests(body)
    uploaded = backend.put_object(asset.bucket, asset.key, body, etag=etag, checksum_value=checksum)
    uploaded.checksum_algorithm = "CRC32"
    uploaded.set_acl(backend.buckets[asset.bucket].acl)


def package(directory: Path) -> bytes:
    """Zip a directory; the same files make the same bytes."""
    return _package(directory, tuple(sorted(_list_file_stamps(str(directory)))))


def _list_file_stamps(directory: str) -> list[tuple[str, int, int]]:
    """List the files under a directory with what changes when they are written."""
    stamps, folders = [], [directory]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(entry.path)
                elif entry.is_file():
                    status = entry.stat()
                    stamps.append((entry.path, status.st_mtime_ns, status.st_size))
    return stamps


@lru_cache(maxsize=16)
def _package(directory: Path, files: tuple[tuple[str, int, int], ...]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, _, _ in files:
            path = Path(name)
            entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), _FIXED_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=1)
    return buffer.getvalue()


@lru_cache(maxsize=16)
def _compute_digests(body: bytes) -> tuple[str, str]:
    """Compute the ETag and the checksum of an object."""
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return etag, b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
