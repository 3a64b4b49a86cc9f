"""What the unit tests share: AWS in this process without a stack, and who is offboarded in it."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import boto3
import pytest
import time_machine
from moto import mock_aws

from local import workmail
from local.aws import dynamodb
from local.defaults import ACCOUNT, ORGANIZATION_ALIAS, ORGANIZATION_ID, REGION
from local.hooks import Hooks
from local.organization import People
from local.workmail import WorkMailBackend, workmail_backends
from local.workmail.exceptions import CommonError
from offboarding import configuration
from offboarding.adapters import policy
from offboarding.adapters.directory import Directory
from offboarding.adapters.records import Records
from offboarding.domain.entities import Entity, EntityReference, EntityType
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.record import Record, Status
from offboarding.domain.timestamps import parse
from offboarding.edge.observability import logger, metrics

TABLE = "records"
PARAMETER = "/offboarding/policy"
NOW = "2026-11-24T09:00:00.000Z"
DAY = "2026-11-24"
USER_ID = "12a3b4c5-0000-4000-8000-000000000001"
INDEXES = {"ByStatus": ("StatusKey", "DueAt"), "ByOrganization": ("OrganizationId", "StartedAt")}
KNOWN_OF_A_RECORD = {
    "organization_id": ORGANIZATION_ID,
    "entity": {"Id": USER_ID, "Type": "USER", "Name": "dana", "Email": "dana@example.com"},
    "status": Status.RECORDED,
    "deregistration_attempted": False,
}


@cache
def client(service: str) -> Any:
    """Return a client; each is made once, which takes longer than most tests."""
    return boto3.client(service, REGION)


def execution(name: str, machine: str = "offboarding") -> str:
    return f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{machine}:{name}"


def a_record(name: str = "a", **changes: Any) -> Record:
    unknown = dict.fromkeys(field.name for field in fields(Record))
    return Record(**{**unknown, **KNOWN_OF_A_RECORD, "execution_arn": execution(name), **changes})


def an_offboarding(execution_arn: str, entity_id: str = USER_ID, organization_id: str = ORGANIZATION_ID) -> Offboarding:
    return Offboarding(execution_arn, organization_id, entity_id)


def configure(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Set an environment variable of the functions, which they read once per process otherwise."""
    monkeypatch.setenv(name, value)
    _forget_configuration()


def _forget_configuration() -> None:
    for reader in vars(configuration).values():
        if hasattr(reader, "cache_clear"):
            reader.cache_clear()


def described(entity_id: str, kind: EntityType = EntityType.USER) -> Entity:
    """Return an entity as WorkMail shows it now."""
    return Directory(client("workmail"), ORGANIZATION_ID).describe(EntityReference(kind, entity_id))


def deregister(entity_id: str) -> None:
    """Have an entity deregistered by somebody."""
    client("workmail").deregister_from_work_mail(OrganizationId=ORGANIZATION_ID, EntityId=entity_id)


def fail(organization: WorkMailBackend, operation: str, code: str, times: int = 1) -> None:
    """Have WorkMail answer an operation with an error, some times."""
    left = [times]

    def before(name: str, parameters: Mapping[str, Any]) -> None:
        if name == operation and left[0]:
            left[0] -= 1
            raise CommonError(code, "made by the test", 400)

    organization.before.append(before)


def called(organization: WorkMailBackend) -> list[str]:
    """Return the operations that WorkMail was asked for, and forget them."""
    operations = [call.operation for call in organization.calls]
    organization.calls.clear()
    return operations


def a_policy(*, protected: tuple[str, ...] = (), approval_required: tuple[str, ...] = (), daily_cap: int = 20) -> str:
    """Return the text of the parameter that the stack keeps."""
    lists = {"Protected": list(protected), "ApprovalRequired": list(approval_required)}
    return json.dumps({"DailyCap": daily_cap, "Organizations": {ORGANIZATION_ID: lists}})


@dataclass(frozen=True)
class Context:
    """What AWS Lambda tells a function about its call, as far as anybody reads it."""

    function_name: str = "function"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:function"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


@dataclass
class Table:
    """The table of records: as the product sees it, and as it is."""

    client: Any
    records: Records

    def item(self, key: str) -> dict[str, Any] | None:
        """Return an item in DynamoDB's own notation, or None."""
        answer: dict[str, Any] = self.client.get_item(TableName=TABLE, Key={"Id": {"S": key}}, ConsistentRead=True)
        return answer.get("Item")

    def text(self, key: str, member: str) -> str | None:
        item = self.item(key) or {}
        return item[member]["S"] if member in item else None

    def steps(self, key: str) -> list[str]:
        return [step["M"]["Step"]["S"] for step in (self.item(key) or {})["Steps"]["L"]]

    def delete(self, key: str) -> None:
        self.client.delete_item(TableName=TABLE, Key={"Id": {"S": key}})

    def with_status(self, status: str) -> list[str]:
        """Return whose records the index has under a status, the first due first."""
        answer = self.client.query(
            TableName=TABLE,
            IndexName="ByStatus",
            KeyConditionExpression="StatusKey = :key",
            ExpressionAttributeValues={":key": {"S": f"{status} {ORGANIZATION_ID}"}},
        )
        return [item["Id"]["S"].rpartition(":")[2] for item in answer["Items"]]

    def open(self, name: str = "a", entity_id: str = USER_ID, **facts: Any) -> str:
        """Hold an entity and write its record, as RecordOffboarding does; return the execution's ARN."""
        arn = execution(name)
        self.records.hold(an_offboarding(arn, entity_id), NOW)
        entity = {**a_record().entity, "Id": entity_id, **facts.pop("Entity", {})}
        given = {"OrganizationId": ORGANIZATION_ID, "StartedAt": NOW, "Entity": entity, **facts}
        self.records.create_or_update(arn, given, Status.RECORDED, None, {"At": NOW, "Step": "Recorded"})
        return arn

    def deregister(self, name: str = "a", entity_id: str = USER_ID, due_at: str = "2026-12-24T09:00:00.000Z") -> str:
        """Write a record of what WorkMail has deregistered."""
        arn = self.open(name, entity_id)
        step = {"At": NOW, "Step": "Deregister"}
        assert self.records.record_attempt(an_offboarding(arn, entity_id), due_at, step)
        dates = {"DeregisteredAt": NOW, "RetentionEndsAt": due_at}
        assert self.records.record_deregistration(
            an_offboarding(arn, entity_id), dates, {"At": NOW, "Step": "Deregistered"}
        )
        return arn

    def holder(self, entity_id: str = USER_ID) -> str | None:
        """Return which execution holds an entity, if one does."""
        pointer = self.records.find_lock(ORGANIZATION_ID, entity_id)
        return pointer.execution_arn if pointer and pointer.is_live else None

    def get(self, arn: str) -> Record:
        record = self.records.find(arn)
        assert record is not None
        return record


@pytest.fixture(autouse=True)
def fresh_configuration() -> None:
    """Read the environment again in each test."""
    _forget_configuration()


@pytest.fixture
def aws() -> Iterator[None]:
    """AWS in this process, empty, with WorkMail; DynamoDB is mended where moto's differs."""
    workmail.register()
    with Hooks() as hooks, mock_aws():
        dynamodb.install(hooks)
        yield


@pytest.fixture
def frozen() -> Iterator[None]:
    """Time stands still, at NOW."""
    with time_machine.travel(parse(NOW), tick=False):
        yield


@pytest.fixture
def table(aws: None, monkeypatch: pytest.MonkeyPatch) -> Table:
    """The table, with the key and the indexes that the stack gives it."""
    configure(monkeypatch, "RECORDS_TABLE", TABLE)
    attributes = ("Id", *(attribute for index in INDEXES.values() for attribute in index))
    client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": [
                    {"AttributeName": partition, "KeyType": "HASH"},
                    {"AttributeName": sort, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for name, (partition, sort) in INDEXES.items()
        ],
    )
    return Table(client("dynamodb"), Records())


@pytest.fixture
def put_policy(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Write the parameter that the stack keeps; without a call there is none."""
    configure(monkeypatch, "POLICY_PARAMETER", PARAMETER)

    def put(text: str) -> None:
        client("ssm").put_parameter(Name=PARAMETER, Type="String", Value=text, Overwrite=True)
        policy.provider.clear_cache()

    policy.provider.clear_cache()
    yield put
    policy.provider.clear_cache()


@pytest.fixture
def organization(aws: None, monkeypatch: pytest.MonkeyPatch) -> WorkMailBackend:
    """WorkMail with one organization, which the settings know."""
    configure(monkeypatch, "ORGANIZATION_IDS", ORGANIZATION_ID)
    configure(monkeypatch, "RETENTION_DAYS", "30")
    backend = workmail_backends[ACCOUNT][REGION]
    backend.create_organization_with_id(ORGANIZATION_ID, ORGANIZATION_ALIAS, mail_domains=("example.com",))
    return backend


@pytest.fixture
def people(organization: WorkMailBackend) -> People:
    return People(client("workmail"), domain="example.com")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The lines of the log, as they are written."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(logger.registered_formatter.format(record))

    handler = Lines()
    logger.addHandler(handler)
    yield lines
    logger._logger.removeHandler(handler)


@pytest.fixture
def counted(capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, float]]:
    """What the handlers have counted since the last call, each metric's sum."""

    def read() -> dict[str, float]:
        sums: dict[str, float] = {}
        for line in capsys.readouterr().out.splitlines():
            if '"_aws"' in line:
                written = json.loads(line)
                for metric in written["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
                    assert metric["Unit"] == "Count"
                    sums[metric["Name"]] = sums.get(metric["Name"], 0) + sum(written[metric["Name"]])
        return sums

    metrics.clear_metrics()
    return read
