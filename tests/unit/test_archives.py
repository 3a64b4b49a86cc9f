"""What S3 shows of an archive, and where the settings say that archives are made."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber

from local.defaults import ORGANIZATION_ID
from offboarding.adapters import archives, parameters
from offboarding.adapters.archives import (
    ArchiveSettings,
    StoredObject,
    find_object,
    list_keys,
    lock_object,
    read_archive_settings,
    read_log,
)
from offboarding.domain import errors
from offboarding.domain.timestamps import parse
from tests.unit.conftest import ARCHIVES_PATH, NOW, Exports, client, configure, make_raiser

BUCKET, KEY = "archives", "mail/a.zip"
SETTINGS = {
    "Bucket": BUCKET, "KmsKeyArn": "key", "RoleArn": "role", "Prefix": "", "Slots": 8.0, "JobDeadlineDays": 3,
    "SlotDeadlineDays": 14,
}  # fmt: skip


def put_text(text: str) -> None:
    client("ssm").put_parameter(Name=f"{ARCHIVES_PATH}/{ORGANIZATION_ID}", Type="String", Value=text, Overwrite=True)


@pytest.fixture
def _path(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, ARCHIVES_PATH=ARCHIVES_PATH)
    parameters.provider.clear_cache()


@pytest.mark.usefixtures("_path")
def test_the_settings_are_read_past_any_cache() -> None:
    put_text(json.dumps({**SETTINGS, "More": 1}))
    assert read_archive_settings(ORGANIZATION_ID) == ArchiveSettings(BUCKET, "", "key", "role", 8, 3, 14)
    assert isinstance(read_archive_settings(ORGANIZATION_ID).slots, int)

    put_text(json.dumps({**SETTINGS, "LockDays": 30, "Prefix": "mail/"}))

    assert read_archive_settings(ORGANIZATION_ID) == ArchiveSettings(BUCKET, "mail/", "key", "role", 8, 3, 14, 30)


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no JSON", "The parameter is no JSON."),
        ("[]", "The parameter must be a JSON object."),
        *(
            (json.dumps({name: value for name, value in SETTINGS.items() if name != missing}), f"lacks {missing}")
            for missing in SETTINGS
        ),
        *(
            (json.dumps({**SETTINGS, name: wrong}), f"{name} must be")
            for name in ("Slots", "JobDeadlineDays", "SlotDeadlineDays", "LockDays")
            for wrong in (0, -1, 1.5, True, "8", None)
        ),
        *(
            (json.dumps({**SETTINGS, name: wrong}), f"{name} must be a text")
            for name in ("Bucket", "KmsKeyArn", "RoleArn")
            for wrong in ("", 1, None)
        ),
        (json.dumps({**SETTINGS, "Prefix": None}), "Prefix must be a text"),
    ],
)
def test_damaged_settings_are_unavailable(text: str, fault: str) -> None:
    put_text(text)

    with pytest.raises(errors.SettingsUnavailable, match=fault):
        read_archive_settings(ORGANIZATION_ID)


@pytest.mark.usefixtures("_path")
def test_missing_settings_are_unavailable() -> None:
    with pytest.raises(
        errors.SettingsUnavailable, match=f"no parameter with the place for archives of {ORGANIZATION_ID}"
    ):
        read_archive_settings(ORGANIZATION_ID)


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize(
    ("code", "kind"),
    [("ThrottlingException", errors.SettingsUnavailable), ("AccessDeniedException", errors.AccessDenied)],
)
def test_an_error_of_systems_manager_is_told(code: str, kind: type[errors.OffboardingError]) -> None:
    with Stubber(parameters.provider.client) as stub:
        stub.add_client_error("get_parameter", code)
        with pytest.raises(kind, match="ssm:GetParameter"):
            read_archive_settings(ORGANIZATION_ID)


def put(key: str, content: bytes | str) -> str:
    data = content if isinstance(content, bytes) else content.encode()
    return str(client("s3").put_object(Bucket=BUCKET, Key=key, Body=data)["VersionId"])


def test_an_object_is_shown_with_its_version_size_and_checksum(exports: Exports) -> None:
    version = put(KEY, b"123456789")

    stored = find_object(BUCKET, KEY)

    checksum = {"Algorithm": "CRC32", "Type": "FULL_OBJECT", "Value": "y/Q5Jg=="}
    assert stored == StoredObject(version, 9, checksum)
    assert find_object(BUCKET, "mail/none.zip") is None


def test_a_checksum_that_s3_denies_is_left_out(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    version = put(KEY, b"1")
    read = archives.s3.get_object_attributes

    def deny_checksum(ObjectAttributes: list[str], **arguments: Any) -> Any:  # noqa: N803 (boto3's name)
        if "Checksum" in ObjectAttributes:
            raise make_error("AccessDenied")
        return read(ObjectAttributes=ObjectAttributes, **arguments)

    monkeypatch.setattr(archives.s3, "get_object_attributes", deny_checksum)

    assert find_object(BUCKET, KEY) == StoredObject(version, 1, None)


@pytest.mark.parametrize(
    ("answer", "checksum"),
    [
        ({}, None),
        ({"Checksum": {}}, None),
        ({"Checksum": {"ChecksumType": "FULL_OBJECT"}}, None),
        ({"Checksum": {"ChecksumSHA256": ""}}, None),
        ({"Checksum": {"ChecksumSHA256": "x"}}, {"Algorithm": "SHA256", "Type": "NotGiven", "Value": "x"}),
        (
            {"Checksum": {"ChecksumType": "COMPOSITE", "ChecksumCRC32": "y"}},
            {"Algorithm": "CRC32", "Type": "COMPOSITE", "Value": "y"},
        ),
    ],
)
def test_a_checksum_has_its_algorithm(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], checksum: object
) -> None:
    monkeypatch.setattr(archives.s3, "get_object_attributes", lambda **_: answer)

    assert find_object(BUCKET, KEY) == StoredObject(None, 0, checksum)


def make_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Any")


CALLS: dict[str, tuple[str, Callable[[], object]]] = {
    "s3:GetObjectAttributes": ("get_object_attributes", lambda: find_object(BUCKET, KEY)),
    "s3:ListBucket": ("list_objects_v2", lambda: list_keys(BUCKET, "mail/")),
    "s3:GetObject": ("get_object", lambda: read_log(BUCKET, "mail/a.json")),
    "s3:PutObjectRetention": ("put_object_retention", lambda: lock_object(BUCKET, KEY, "v", parse(NOW))),
}


@pytest.mark.parametrize("action", CALLS)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (make_error("SlowDown"), errors.ArchiveUnavailable),
        (make_error("KMS.DisabledException"), errors.ArchiveUnavailable),
        (ReadTimeoutError(endpoint_url="https://s3"), errors.ArchiveUnavailable),
        (make_error("AccessDenied"), errors.AccessDenied),
    ],
)
def test_a_call_to_s3_without_an_answer_makes_the_archive_unavailable(
    monkeypatch: pytest.MonkeyPatch, action: str, error: Exception, kind: type[errors.OffboardingError]
) -> None:
    method, call = CALLS[action]
    monkeypatch.setattr(archives.s3, method, make_raiser(error))

    with pytest.raises(kind, match=f"^{action}"):
        call()


@pytest.mark.parametrize("code", ["404", "NoSuchKey", "NotFound"])
def test_an_object_that_is_gone_is_none(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    for method in ("get_object_attributes", "get_object"):
        monkeypatch.setattr(archives.s3, method, make_raiser(make_error(code)))

    assert find_object(BUCKET, KEY) is None
    assert read_log(BUCKET, KEY) is None


def test_the_keys_below_a_prefix_are_listed(exports: Exports) -> None:
    for key in ("mail/b", "mail/a", "mails/c"):
        put(key, "x")

    assert list_keys(BUCKET, "mail/") == ["mail/a", "mail/b"]
    assert list_keys(BUCKET, "none/") == []


LOG = {
    "totalMessages": "12", "totalFolders": 3, "totalBytes": "123456789012", "totalNonExportableItems": 0,
    "sha384Hash": "ab", "startTime": "1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "log"),
    [
        (
            json.dumps(LOG),
            {"Messages": 12, "Folders": 3, "Bytes": 123456789012, "NotExportable": 0, "Sha384": "ab"},
        ),
        (json.dumps({"totalMessages": 0}), {"Messages": 0}),
        (json.dumps({"sha384Hash": "ab", "totalMessages": True}), {"Sha384": "ab"}),
        *(
            (json.dumps({"totalMessages": wrong, "totalFolders": 1}), {"Folders": 1})
            for wrong in (-1, "-1", 1.5, "1.5", "", "twelve", None, [], True, "\u00b2", "\u0661")
        ),
        (json.dumps({"sha384Hash": 7, "totalFolders": 1}), {"Folders": 1}),
        *((text, None) for text in ("", "{", "[]", "null", "7", '"text"', "{}", '{"more": 1}')),
        (b"\xff\xfe\x00", None),
        (json.dumps({**LOG, "more": "x" * 100_000}), None),
        (json.dumps(LOG) + " " * 100_001, None),
    ],
)
def test_a_log_is_read_if_it_is_one(monkeypatch: pytest.MonkeyPatch, content: str | bytes, log: object) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    monkeypatch.setattr(archives.s3, "get_object", lambda **_: {"Body": io.BytesIO(data)})

    expected = {"Key": "mail/a.json", **log} if isinstance(log, dict) else None
    assert read_log(BUCKET, "mail/a.json") == expected


def test_one_version_is_locked(exports: Exports) -> None:
    locked_version, last_version = put(KEY, "1"), put(KEY, "2")
    until = parse(NOW) + timedelta(days=30)

    lock_object(BUCKET, KEY, locked_version, until)

    locked, unlocked = (
        client("s3").head_object(Bucket=BUCKET, Key=KEY, VersionId=version)
        for version in (locked_version, last_version)
    )
    assert (locked["ObjectLockMode"], locked["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    assert "ObjectLockMode" not in unlocked
