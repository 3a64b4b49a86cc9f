"""`/local/mailboxes`: mailboxes are filled, and exported over HTTP with the clients of AWS."""

import io
import json
import zipfile
from email import message_from_bytes
from typing import Any

import pytest

from local.defaults import ACCOUNT, ORGANIZATION_ID
from local.organization import OrganizationBuilder
from tests.unit.local.server.conftest import Answer, LocalServer

BUCKET = "archive"
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "export.workmail.amazonaws.com"}}
EVERYTHING = {"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def user(server: LocalServer) -> str:
    """Create a user, and where the mailbox is exported to."""
    server.client("s3").create_bucket(Bucket=BUCKET)
    iam = server.client("iam")
    iam.create_role(RoleName="export", AssumeRolePolicyDocument=document(TRUST))
    iam.put_role_policy(RoleName="export", PolicyName="p", PolicyDocument=document(EVERYTHING))
    return OrganizationBuilder(server.client("workmail")).create_user("dana")


def post(server: LocalServer, **members: Any) -> Answer:
    return server.send("POST", "/local/mailboxes", body=json.dumps(members))


def test_a_filled_mailbox_is_exported_when_the_clock_reaches_the_end_of_the_job(server: LocalServer, user: str) -> None:
    message = {"Folder": "Inbox/Old", "Subject": "Grüße", "From": "kim@example.com", "To": "dana@example.com",
               "Date": "2026-11-22T17:00:00Z", "Body": "Hello.\n"}  # fmt: skip
    meeting = {"Subject": "Lunch", "Start": "2026-11-23T12:00:00+01:00", "Duration": "PT30M"}
    answer = post(
        server, EntityId="dana", Messages=[message], CalendarItems=[meeting], Contacts=2, Tasks=1, SizeMB=2048
    )
    assert answer.status == 200
    [mailbox] = [entry for entry in json.loads(answer.body)["Mailboxes"] if entry["EntityId"] == user]
    assert mailbox == {
        "OrganizationId": ORGANIZATION_ID, "EntityId": user, "Name": "dana", "SizeMB": 2048, "Messages": 1,
        "CalendarItems": 1, "Folders": ["Calendar", "Inbox/Old"], "Contacts": 2, "Notes": 0, "Tasks": 1,
    }  # fmt: skip

    key = server.client("kms").create_key()["KeyMetadata"]["Arn"]
    job = server.client("workmail").start_mailbox_export_job(
        OrganizationId=ORGANIZATION_ID, EntityId="dana", S3BucketName=BUCKET, S3Prefix="m-1/dana", KmsKeyArn=key,
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/export",
    )["JobId"]  # fmt: skip
    server.send("POST", "/local/clock", body='{"advance": "PT39M59S"}')
    assert server.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    server.send("POST", "/local/clock", body='{"advance": "PT1S"}')

    data = server.client("s3").get_object(Bucket=BUCKET, Key=f"m-1/dana/{job}.zip")["Body"].read()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["Calendar/000001.eml", "Inbox/Old/000002.eml"]
        assert message_from_bytes(archive.read("Inbox/Old/000002.eml"))["From"] == "kim@example.com"
        assert b"DTEND:20261123T113000Z" in archive.read("Calendar/000001.eml")
    jobs = server.client("workmail").list_mailbox_export_jobs(OrganizationId=ORGANIZATION_ID)["Jobs"]
    assert [(entry["JobId"], entry["State"]) for entry in jobs] == [(job, "COMPLETED")]
    checksum = server.client("s3").get_object_attributes(
        Bucket=BUCKET, Key=f"m-1/dana/{job}.zip", ObjectAttributes=["Checksum"]
    )["Checksum"]
    assert checksum["ChecksumType"] == "FULL_OBJECT"
    assert "ChecksumCRC64NVME" in checksum


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({}, "EntityId must be a text"),
        ({"EntityId": "nobody"}, "There is no entity nobody"),
        ({"EntityId": "dana", "OrganizationId": "m-1"}, "There is no organization m-1"),
        ({"EntityId": "dana", "Mail": []}, "The members of the mailbox are CalendarItems, Contacts"),
        ({"EntityId": "dana", "Messages": {}}, "Messages must be a list"),
        ({"EntityId": "dana", "Messages": ["Hello"]}, "An item must be a JSON object"),
        ({"EntityId": "dana", "Messages": [{"Start": "2026-11-22T17:00:00Z"}]}, "The members of an item are Body"),
        ({"EntityId": "dana", "Messages": [{"Folder": "../etc"}]}, "Folder has a character or a form"),
        ({"EntityId": "dana", "Messages": [{"Folder": "/etc"}]}, "Folder has"),
        ({"EntityId": "dana", "Messages": [{"Folder": "a/./b"}]}, "Folder has"),
        ({"EntityId": "dana", "Messages": [{"Folder": "a//b"}]}, "Folder has"),
        ({"EntityId": "dana", "Messages": [{"Folder": ""}]}, "Folder has"),
        ({"EntityId": "dana", "Messages": [{"Subject": "a\r\nBcc: x"}]}, "Subject has"),
        ({"EntityId": "dana", "Messages": [{"Subject": "\ud800"}]}, "Subject has a character that is not Unicode"),
        ({"EntityId": "dana", "Messages": [{"From": "Dana <d@x>"}]}, "From has"),
        ({"EntityId": "dana", "Messages": [{"Date": "2026-11-22T17:00:00"}]}, "Date needs a time zone"),
        ({"EntityId": "dana", "Messages": [{"Date": 5}]}, "Date must be a time"),
        ({"EntityId": "dana", "CalendarItems": [{}]}, "A calendar item needs a Start"),
        ({"EntityId": "dana", "CalendarItems": [{"Start": "2026-11-22T17:00:00Z", "Duration": "-PT1H"}]}, "Duration"),
        ({"EntityId": "dana", "CalendarItems": [{"Start": "2026-11-22T17:00:00Z", "Duration": "P1M"}]}, "Duration"),
        ({"EntityId": "dana", "Contacts": -1}, "Contacts must be a number from 0 to 1000000"),
        ({"EntityId": "dana", "Notes": 1.5}, "Notes must be a number"),
        ({"EntityId": "dana", "SizeMB": True}, "SizeMB must be a number"),
    ],
)
def test_a_mailbox_that_cannot_be_one_is_refused_with_the_reason(
    server: LocalServer, user: str, members: dict[str, Any], sentence: str
) -> None:
    before_request = server.send("GET", "/local/mailboxes").body

    answer = post(server, **members)

    assert answer.status == 400
    assert answer.error.startswith(sentence)
    assert answer.error.endswith("OrganizationId is the first organization unless you send it.")
    assert server.send("GET", "/local/mailboxes").body == before_request


def test_a_body_that_is_not_json_is_refused(server: LocalServer) -> None:
    assert server.send("POST", "/local/mailboxes", body="{").error.startswith("The body is not JSON.")
    assert server.send("POST", "/local/mailboxes", body="[]").error.startswith("The mailbox must be a JSON object.")
