"""The roles of docs/roles.md: their policies allow their commands, and deny the others with one sentence."""

import json
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from local.policies import parse_grants
from operate.account import Account
from tests.workflow.operator import Operator
from tests.workflow.roles import FOLDER, Person
from tests.workflow.test_doctor import create_trail

CHECKS_OF_ARCHIVES = {
    "kms:DescribeKey",
    *("s3:GetBucketObjectLockConfiguration", "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration"),
}
WHY = ("--reason", "left", "--yes")


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person()


@pytest.fixture
def people(make_operator: Callable[..., Operator], person: Person, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Somebody with the command, whose calls are those of `person`."""
    operator = make_operator()
    monkeypatch.setattr(Account, "client", lambda _, service: person.client(service))
    monkeypatch.setattr(Account, "workmail", property(lambda _: person.client("workmail")))
    return operator


def list_actions(role: str) -> set[str]:
    return {grant.action for grant in parse_grants((FOLDER / f"{role}.json").read_text()) if not grant.denies}


def require_allowed(operator: Operator, *arguments: str) -> str:
    """Run a command, no call of which may be denied; return its standard output."""
    result = operator.run(*arguments)
    assert result.exit_code == 0, (arguments, result.output)
    assert "not authorized" not in result.output
    assert "not allowed" not in result.output
    return result.stdout


def require_denied(operator: Operator, action: str, *arguments: str) -> None:
    """Run a command that lacks one permission: it says so in one sentence that names the action."""
    result = operator.run(*arguments)
    assert result.exit_code == 1, (arguments, result.output)
    assert isinstance(result.exception, SystemExit)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("AWS refuses ")
    assert f"not authorized to perform: {action} on resource: " in last
    assert "Traceback" not in result.output


def deregister_one_of_each_type(operator: Operator) -> None:
    people = operator.flow.people
    user = people.create_user("dana")
    for entity in (user, people.create_group("team", (user,)), people.create_resource("room")):
        operator.flow.start(entity)
    operator.flow.pass_days(1)


def test_a_viewer_reads_everything_and_changes_nothing(people: Operator, person: Person) -> None:
    deregister_one_of_each_type(people)
    create_trail(people)
    person.assume("viewer")

    for arguments in (
        ("status",),
        ("list",),
        ("show", "dana"),
        ("show", "team"),
        ("show", "room"),
        ("report", "--from", "2026-11-01"),
    ):
        require_allowed(people, *arguments)
    findings = json.loads(people.run("doctor", "--json").stdout)

    assert len(findings) > 15
    assert [finding for finding in findings if finding["Result"] == "unknown"] == []
    assert person.used["viewer"] == list_actions("viewer") - CHECKS_OF_ARCHIVES
    require_denied(people, "states:StartExecution", "plan", "dana")
    require_denied(people, "dynamodb:Scan", "records", "export", "-")


def test_an_operator_requests_and_decides_nothing(people: Operator, person: Person) -> None:
    flow = people.flow
    for name in ("dana", "erin"):
        flow.people.create_user(name)
    person.assume("viewer", "operator")

    require_allowed(people, "plan", "dana")
    require_allowed(people, "start", "dana", *WHY)
    require_allowed(people, "restore", "dana", *WHY)
    flow.stop(flow.start("erin", NotBefore="2026-12-24T12:00:00Z"))
    require_allowed(people, "retry", "erin", "--yes")
    require_allowed(people, "queue", "pause")
    require_allowed(people, "queue", "resume")
    for output in ("EventDeadLetterQueueUrl", "UndeliveredStatusChangeQueueUrl"):
        flow.environment.client("sqs").send_message(QueueUrl=flow.environment.outputs[output], MessageBody="{}")
    require_allowed(people, "refused")
    require_allowed(people, "refused", "resend", "--all", "--yes")
    require_allowed(people, "refused", "resend", "--all", "--yes", "--queue", "undelivered-status-changes")

    require_denied(people, "states:StartExecution", "withdraw", "erin", *WHY)
    assert person.used["operator"] == list_actions("operator")


def test_an_approver_decides_and_requests_nothing(people: Operator, person: Person) -> None:
    flow = people.flow
    flow.change_policy(ApprovalRequired=["*"])
    for name in ("dana", "erin", "frank"):
        flow.people.create_user(name)
        flow.start(name)
    flow.clock.settle()
    person.assume("viewer", "approver")

    require_allowed(people, "approve", "dana", *WHY)
    require_allowed(people, "reject", "erin", *WHY)
    require_allowed(people, "withdraw", "frank", *WHY)

    require_denied(people, "states:StartExecution", "start", "frank", *WHY)
    assert person.used["approver"] == list_actions("approver")


def test_an_eraser_invokes_one_function(people: Operator, person: Person) -> None:
    user = people.flow.people.create_user("dana")
    people.flow.run(user)
    person.assume("viewer", "eraser")

    require_allowed(people, "forget", "dana", "--yes", user)

    assert person.used["eraser"] == list_actions("eraser")
    require_denied(people, "states:StartExecution", "plan", "dana")


@pytest.mark.archives
def test_an_archive_reader_reads_archives_alone(people: Operator, person: Person) -> None:
    flow = people.flow
    archive = flow.run(flow.people.create_user("dana")).output["Archive"]
    version = {"Bucket": archive["Bucket"], "Key": archive["Key"], "VersionId": archive["VersionId"]}
    person.assume("archive-reader")
    s3 = person.client("s3")

    assert s3.get_object(**version)["Body"].read()
    s3.get_object(Bucket=version["Bucket"], Key=version["Key"])
    for key in (version, {name: version[name] for name in ("Bucket", "Key")}):
        s3.get_object_attributes(**key, ObjectAttributes=["Checksum"])
    s3.list_object_versions(Bucket=archive["Bucket"], Prefix="archives/")

    assert person.used["archive-reader"] == list_actions("archive-reader")
    with pytest.raises(ClientError, match="s3:ListBucketVersions"):
        s3.list_object_versions(Bucket=archive["Bucket"])
    require_denied(people, "cloudformation:DescribeStacks", "list")
    person.assume("viewer")
    assert "unknown" not in {finding["Result"] for finding in json.loads(people.run("doctor", "--json").stdout)}
    assert person.used["viewer"] >= CHECKS_OF_ARCHIVES
    with pytest.raises(ClientError, match="s3:GetObjectVersion"):
        s3.get_object(**version)
