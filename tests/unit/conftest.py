"""What the unit tests share: AWS in this process without a stack, entities, records, and calls that fail."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
import time_machine
from boto3.dynamodb.types import TypeDeserializer
from moto import mock_aws

from local import workmail
from local.aws import cheap_requests, dynamodb, kms, response_cache, s3
from local.defaults import ACCOUNT, ORGANIZATION_ALIAS, ORGANIZATION_ID, REGION
from local.hooks import Hooks
from local.organization import OrganizationBuilder
from local.workmail import WorkMailBackend, workmail_backends
from local.workmail.exceptions import CommonError
from offboarding import configuration
from offboarding.adapters import parameters
from offboarding.adapters.directory import Directory
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.records import Records, erased_key
from offboarding.domain.entities import Entity, EntityReference, EntityType
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.record import Record, Status
from offboarding.domain.timestamps import parse, render
from offboarding.edge.observability import logger, metrics

ReadMetrics = Callable[[], dict[str, float]]
PutPolicy = Callable[[str], None]
PutIntakeSettings = Callable[..., None]

EVENTS = Path(__file__).parents[2] / "examples" / "events"
TABLE_NAME = "records"
INTAKE_SETTINGS_PATH = "/offboarding/intake"
POLICIES_PATH = "/offboarding/organizations"
POLICY_PARAMETER = f"{POLICIES_PATH}/{ORGANIZATION_ID}"
ARCHIVES_PATH = "/offboarding/archives"
ARCHIVE_BUCKET = "archives"
ARCHIVE_PREFIX = "mail/"
DAY = "2026-11-24"
NOW = "2026-11-24T09:00:00.000Z"
STARTED_AT = "2026-11-24T08:59:00.000Z"
RECORDED_AT = "2026-11-24T08:59:30.000Z"
RETENTION_ENDS_AT = "2026-12-24T09:00:00.000Z"
SERVICE_ENDS_AT = "2027-03-31T00:00:00.000Z"
USER_ID = "12a3b4c5-0000-4000-8000-000000000001"
OTHER_ORGANIZATION_ID = f"m-{'0' * 32}"
INDEXES = {
    "ByStatus": ("StatusKey", "DueAt"),
    "ByTime": ("Kind", "At"),
    "ByOrganization": ("OrganizationId", "At"),
    "ByEntity": ("EntityKey", "At"),
}
RECORD_DEFAULTS = {
    "organization_id": ORGANIZATION_ID,
    "entity": {"Id": USER_ID, "Type": "USER", "Name": "dana", "Email": "dana@example.com", "State": "ENABLED"},
    "status": Status.RECORDED,
    "deregistration_attempted": False,
}
SUBJECT_MEMBERS = frozenset(
    {"Id", "OrganizationId", "EntityKey", "EntityId", "EntityType", "EntityName", "EntityEmail"}
)
"""The members of a step by which it belongs to an execution and an entity."""
RUNNING = ExecutionStatus(is_running=True)
NEIGHBOURS = [
    ("strasse-team", "stra\N{LATIN SMALL LETTER SHARP S}e-team"),
    ("strasse-team", "STRA\N{LATIN CAPITAL LETTER SHARP S}E-team"),
    ("iris", "\N{LATIN SMALL LETTER DOTLESS I}r\N{LATIN SMALL LETTER DOTLESS I}s"),
    ("iris", "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}ris"),
    ("kim", "\N{KELVIN SIGN}im"),
    ("fiona", "\N{LATIN SMALL LIGATURE FI}ona"),
    ("sam", "\N{LATIN SMALL LETTER LONG S}am"),
    ("jose", "jos\N{LATIN SMALL LETTER E WITH ACUTE}"),
    ("jose", "jose\N{COMBINING ACUTE ACCENT}"),
]
"""Names that a request can have, each with a name that looks like it, or that Unicode's rules take for the same."""


@cache
def client(service: str) -> Any:
    """Return a client; each is made once, which takes longer than most tests."""
    return boto3.client(service, REGION)


def make_execution_arn(name: str, state_machine: str = "offboarding") -> str:
    return f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{state_machine}:{name}"


ARN_A, ARN_B, ARN_C = (make_execution_arn(name) for name in "abc")


def make_record(name: str = "a", **members: Any) -> Record:
    empty = dict.fromkeys(field.name for field in fields(Record))
    return Record(**{**empty, **RECORD_DEFAULTS, "execution_arn": make_execution_arn(name), **members})


def make_offboarding(
    execution_arn: str, entity_id: str = USER_ID, organization_id: str = ORGANIZATION_ID
) -> Offboarding:
    return Offboarding(execution_arn, organization_id, {**RECORD_DEFAULTS["entity"], "Id": entity_id})


def make_key(key: str, part: str) -> dict[str, Any]:
    """Return the key of an item in DynamoDB's own notation."""
    return {"Id": {"S": key}, "Part": {"S": part}}


def deserialize(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item as plain values."""
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def make_policy(
    *,
    protected: tuple[str, ...] = (),
    approval_required: tuple[str, ...] = (),
    daily_cap: int = 20,
    hand_cap: int | None = 50,
    export: str = "No",
    may_be_skipped: bool = False,
) -> str:
    """Return the text of the parameter that the stack keeps."""
    lists = {"Protected": list(protected), "ApprovalRequired": list(approval_required)}
    caps = {"DailyCap": daily_cap, "HandCap": hand_cap}
    return json.dumps({**caps, **lists, "Export": {"Mode": export, "MayBeSkipped": may_be_skipped}})


def make_entity_step(entity: Entity, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of a state that acts on an entity: the members of every such state, and those of this one."""
    return {
        "ExecutionArn": ARN_A,
        "Now": NOW,
        "OrganizationId": ORGANIZATION_ID,
        "Entity": entity.to_json(),
        "ServiceEndsAt": SERVICE_ENDS_AT,
        **members,
    }


def load_event(name: str) -> dict[str, Any]:
    """Read an event of an identity provider."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def configure(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set environment variables of the functions, which they otherwise read once per process."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    forget_configuration()


def forget_configuration() -> None:
    """Have the functions read the environment again."""
    for reader in vars(configuration).values():
        if hasattr(reader, "cache_clear"):
            reader.cache_clear()


def describe_entity(entity_id: str, entity_type: EntityType = EntityType.USER) -> Entity:
    """Return an entity as WorkMail shows it now."""
    return Directory(client("workmail"), ORGANIZATION_ID).describe(EntityReference(entity_type, entity_id))


def deregister(entity_id: str) -> None:
    """Deregister an entity by WorkMail's API, without the functions."""
    client("workmail").deregister_from_work_mail(OrganizationId=ORGANIZATION_ID, EntityId=entity_id)


def delete_user(user_id: str) -> None:
    client("workmail").delete_user(OrganizationId=ORGANIZATION_ID, UserId=user_id)


def fail_operation(organization: WorkMailBackend, operation: str, code: str, *, always: bool = False) -> None:
    """Make WorkMail answer an operation with an error, the next time or always."""

    def fail(name: str, parameters: Mapping[str, Any]) -> None:
        if name == operation:
            if not always:
                organization.before_hooks.remove(fail)
            raise CommonError(code, "made by the test", 400)

    organization.before_hooks.append(fail)


def take_calls(organization: WorkMailBackend) -> list[str]:
    """Return the operations that WorkMail was called for since the last time, and forget them."""
    operations = [call.operation for call in organization.calls]
    organization.calls.clear()
    return operations


def make_raiser(error: Exception) -> Callable[..., Any]:
    """Return a function that raises an error whatever its arguments are."""

    def fail(*args: object, **kwargs: object) -> None:
        raise error

    return fail


@dataclass(frozen=True)
class Context:
    """The context that AWS Lambda passes to a handler, with the members that are read."""

    function_name: str = "function"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:function"
    aws_request_id: str = "request"
    remaining_milliseconds: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_milliseconds


@dataclass
class Table:
    """The table of records: its items, and the adapter that the functions write it with."""

    client: Any
    records: Records

    def read_item(self, key: str, part: str = "Record") -> Any:
        """Return an item in DynamoDB's own notation, or None."""
        answer = self.client.get_item(TableName=TABLE_NAME, Key=make_key(key, part), ConsistentRead=True)
        return answer.get("Item")

    def read_members(self, key: str, part: str = "Record") -> dict[str, Any]:
        """Return an item as plain values, without its key."""
        members = deserialize(self.read_item(key, part))
        assert (members.pop("Id"), members.pop("Part")) == (key, part)
        return members

    def read_text(self, key: str, member: str, part: str = "Record") -> str | None:
        item = self.read_item(key, part) or {}
        return item[member]["S"] if member in item else None

    def read_steps(self, key: str) -> list[dict[str, Any]]:
        """Return the steps of an execution as plain values, the oldest first."""
        answer = self.client.query(
            TableName=TABLE_NAME,
            KeyConditionExpression="Id = :id AND begins_with(Part, :part)",
            ExpressionAttributeValues={":id": {"S": key}, ":part": {"S": "Step "}},
            ConsistentRead=True,
        )
        return [deserialize(item) for item in answer["Items"]]

    def read_step(self, key: str, name: str) -> dict[str, Any]:
        """Return what the only step of this name has of its own: not its key, and not whom it is about."""
        [step] = [step for step in self.read_steps(key) if step["Step"] == name]
        assert step.pop("Part") == f"Step {step['At']} {name}"
        assert step.pop("Kind") == "Step"
        return {member: value for member, value in step.items() if member not in SUBJECT_MEMBERS}

    def read_step_names(self, key: str) -> list[str]:
        return [step["Step"] for step in self.read_steps(key)]

    def delete_item(self, key: str, part: str = "Record") -> None:
        self.client.delete_item(TableName=TABLE_NAME, Key=make_key(key, part))

    def mark_erased(self, execution_arn: str) -> None:
        """Leave what an erasure leaves of an execution."""
        self.client.put_item(TableName=TABLE_NAME, Item=make_key(*erased_key(execution_arn)))

    def read_all(self) -> list[dict[str, Any]]:
        """Return all items in DynamoDB's own notation."""
        items: list[dict[str, Any]] = self.client.scan(TableName=TABLE_NAME, ConsistentRead=True)["Items"]
        return items

    def list_executions(self, status: str) -> list[str]:
        """Return the names of the executions that the index has under a status, the first due first."""
        answer = self.client.query(
            TableName=TABLE_NAME,
            IndexName="ByStatus",
            KeyConditionExpression="StatusKey = :key",
            ExpressionAttributeValues={":key": {"S": status}},
        )
        return [item["Id"]["S"].rpartition(":")[2] for item in answer["Items"]]

    def create_record(
        self, name: str = "a", entity_id: str = USER_ID, *, recorded_at: str = RECORDED_AT, **facts: Any
    ) -> str:
        """Hold an entity and write its record, as RecordOffboarding does; return the execution's ARN."""
        execution_arn = make_execution_arn(name)
        offboarding = make_offboarding(execution_arn, entity_id)
        self.records.hold(offboarding, NOW)
        facts = {"StartedAt": STARTED_AT, **facts, "Entity": {**offboarding.entity, **facts.get("Entity", {})}}
        log_entry = {"At": recorded_at, "Step": "Recorded"}
        self.records.create_or_update(offboarding, facts, Status.RECORDED, None, log_entry)
        return execution_arn

    def record_attempt(self, execution_arn: str, entity_id: str = USER_ID, at: str = NOW) -> bool:
        """Record that WorkMail is asked next to deregister an entity; return whether that was recorded."""
        offboarding, log_entry = make_offboarding(execution_arn, entity_id), {"At": at, "Step": "Deregister"}
        return self.records.record_attempt(offboarding, RETENTION_ENDS_AT, log_entry) is not None

    def record_deregistration(
        self,
        execution_arn: str,
        entity_id: str = USER_ID,
        *,
        deregistered_at: str = NOW,
        retention_ends_at: str = RETENTION_ENDS_AT,
    ) -> bool:
        """Record the dates that WorkMail confirmed; return whether there is a record for them."""
        dates = {"DeregisteredAt": deregistered_at, "RetentionEndsAt": retention_ends_at}
        log_entry = {"At": NOW, "Step": "Deregistered"}
        lock = self.records.find_lock(ORGANIZATION_ID, entity_id)
        return self.records.record_deregistration(make_offboarding(execution_arn, entity_id), dates, log_entry, lock)

    def create_deregistered_record(
        self, name: str = "a", entity_id: str = USER_ID, retention_ends_at: str = RETENTION_ENDS_AT
    ) -> str:
        """Hold an entity, and write the record of its confirmed deregistration; return the execution's ARN."""
        execution_arn = self.create_record(name, entity_id)
        assert self.record_attempt(execution_arn, entity_id)
        assert self.record_deregistration(execution_arn, entity_id, retention_ends_at=retention_ends_at)
        return execution_arn

    def close_record(
        self, execution_arn: str, outcome: str = "Stopped", *, cause: str | None = None, ended_at: str = NOW
    ) -> bool:
        """Record how an execution ended; return whether the record was as it was read."""
        return self.records.close(self.load_record(execution_arn), outcome, cause, ended_at)

    def find_holder(self, entity_id: str = USER_ID) -> str | None:
        """Return the ARN of the execution that holds an entity, or None."""
        lock = self.records.find_lock(ORGANIZATION_ID, entity_id)
        return lock.execution_arn if lock and lock.is_live else None

    def is_withdrawn(self, execution_arn: str) -> bool:
        """Return whether nothing can be reported any more for an execution."""
        item = self.read_item(execution_arn, "Withdrawal")
        return item is not None and not deserialize(item)["IsOpen"]

    def load_record(self, execution_arn: str) -> Record:
        record = self.records.find(execution_arn)
        assert record is not None
        return record


def make_export_role() -> str:
    """Create a role by which WorkMail may write to any bucket, and return its ARN."""
    trust = {"Effect": "Allow", "Principal": {"Service": "export.workmail.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam, version = client("iam"), {"Version": "2012-10-17"}
    role = iam.create_role(RoleName="export", AssumeRolePolicyDocument=json.dumps({**version, "Statement": [trust]}))[
        "Role"
    ]
    policy_ = {**version, "Statement": [{"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}]}
    iam.put_role_policy(RoleName="export", PolicyName="export", PolicyDocument=json.dumps(policy_))
    return str(role["Arn"])


@dataclass
class Exports:
    """WorkMail's exports, with a place for archives, and the clock by which they end."""

    clock: time_machine.Traveller
    backend: WorkMailBackend
    key_arn: str = ""
    role_arn: str = ""
    tokens: list[str] = field(default_factory=list)

    def create_place(self, bucket: str = ARCHIVE_BUCKET) -> None:
        """Create the bucket, its key, and the role."""
        client("s3").create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        self.key_arn = self.key_arn or client("kms").create_key()["KeyMetadata"]["Arn"]
        self.role_arn = self.role_arn or make_export_role()

    def put_settings(self, **changes: Any) -> None:
        """Write the parameter that says where archives are made."""
        members = {
            "Bucket": ARCHIVE_BUCKET, "KmsKeyArn": self.key_arn, "RoleArn": self.role_arn, "Prefix": ARCHIVE_PREFIX,
            "Slots": 8, "JobDeadlineDays": 3, "SlotDeadlineDays": 14, **changes,
        }  # fmt: skip
        name = f"{ARCHIVES_PATH}/{ORGANIZATION_ID}"
        client("ssm").put_parameter(Name=name, Type="String", Value=json.dumps(members), Overwrite=True)

    @property
    def now(self) -> str:
        """The time of the clock (RFC 3339)."""
        return render(datetime.now(parse(NOW).tzinfo))

    def pass_time(self, **units: float) -> str:
        """Move the clock, and return its time."""
        self.clock.shift(timedelta(**units))
        return self.now

    def switch(self, **switches: Any) -> None:
        """Change how WorkMail behaves where that is not documented."""
        self.backend.behaviour = replace(self.backend.behaviour, **switches)

    def start_by_hand(self, entity_id: str, bucket: str = ARCHIVE_BUCKET) -> str:
        """Start an export as somebody else would, and return the job's id."""
        self.tokens.append(f"by-hand-{len(self.tokens)}")
        answer = client("workmail").start_mailbox_export_job(
            OrganizationId=ORGANIZATION_ID, EntityId=entity_id, ClientToken=self.tokens[-1], RoleArn=self.role_arn,
            KmsKeyArn=self.key_arn, S3BucketName=bucket, S3Prefix=f"{ARCHIVE_PREFIX}by-hand",
        )  # fmt: skip
        return str(answer["JobId"])

    def list_jobs(self) -> list[dict[str, Any]]:
        """Return WorkMail's jobs, the oldest first."""
        jobs: list[dict[str, Any]] = client("workmail").list_mailbox_export_jobs(OrganizationId=ORGANIZATION_ID)["Jobs"]
        return jobs

    def read_states(self) -> list[str]:
        """Return the state of each job, the oldest first."""
        return [job["State"] for job in self.list_jobs()]

    def list_keys(self) -> list[str]:
        return [item["Key"] for item in client("s3").list_objects_v2(Bucket=ARCHIVE_BUCKET).get("Contents", [])]


@pytest.fixture(autouse=True)
def reset_configuration() -> None:
    """Let each test read the environment again."""
    forget_configuration()


@pytest.fixture
def aws() -> Iterator[None]:
    """AWS in this process, empty, with WorkMail, and with DynamoDB as AWS has it."""
    workmail.register()
    with Hooks() as hooks:
        cheap_requests.install(hooks)
        response_cache.install(hooks)
        with mock_aws():
            dynamodb.install(hooks)
            yield


@pytest.fixture
def frozen_time() -> Iterator[None]:
    """Make the time stand still, at NOW."""
    with time_machine.travel(parse(NOW), tick=False):
        yield


def create_records_table() -> None:
    """Create the table of records in this process's AWS, with the key and the indexes that the stack gives it."""
    attributes = sorted({"Id", "Part", *(attribute for index in INDEXES.values() for attribute in index)})
    client("dynamodb").create_table(
        TableName=TABLE_NAME,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}, {"AttributeName": "Part", "KeyType": "RANGE"}],
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


@pytest.fixture
def table(aws: None, monkeypatch: pytest.MonkeyPatch) -> Table:
    """The table, with the key and the indexes that the stack gives it."""
    configure(monkeypatch, RECORDS_TABLE=TABLE_NAME, RECORD_RETENTION_DAYS="0")
    create_records_table()
    return Table(client("dynamodb"), Records())


@pytest.fixture
def put_policy(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[PutPolicy]:
    """Write the parameter of the organization that the stack keeps; without a call there is none."""
    configure(monkeypatch, POLICIES_PATH=POLICIES_PATH)

    def put(text: str) -> None:
        client("ssm").put_parameter(Name=POLICY_PARAMETER, Type="String", Value=text, Overwrite=True)
        parameters.provider.clear_cache()

    parameters.provider.clear_cache()
    yield put
    parameters.provider.clear_cache()


@pytest.fixture
def put_intake_settings(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[PutIntakeSettings]:
    """Write the parameters with organizations and providers that the stack keeps, in place of those before."""
    configure(monkeypatch, INTAKE_SETTINGS_PATH=INTAKE_SETTINGS_PATH)
    ssm = client("ssm")

    def put(organizations: Mapping[str, Any], providers: Mapping[str, Any]) -> None:
        names = [parameter["Name"] for parameter in ssm.describe_parameters()["Parameters"]]
        for name in names:
            if name.startswith(f"{INTAKE_SETTINGS_PATH}/"):
                ssm.delete_parameter(Name=name)
        values = {f"organizations/{key}": value for key, value in organizations.items()}
        for key, value in {**values, **{f"providers/{key}": value for key, value in providers.items()}}.items():
            ssm.put_parameter(Name=f"{INTAKE_SETTINGS_PATH}/{key}", Type="String", Value=json.dumps(value))
        parameters.provider.clear_cache()

    yield put
    parameters.provider.clear_cache()


@pytest.fixture
def organization(aws: None, put_policy: PutPolicy, monkeypatch: pytest.MonkeyPatch) -> WorkMailBackend:
    """WorkMail with one organization, which is configured."""
    put_policy(make_policy())
    configure(monkeypatch, RETENTION_DAYS="30", REQUIRE_REQUESTED_BY="false")
    backend = workmail_backends[ACCOUNT][REGION]
    backend.create_organization_with_id(ORGANIZATION_ID, ORGANIZATION_ALIAS, mail_domains=("example.com",))
    return backend


@pytest.fixture
def retention_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure the retention as cdk.json does."""
    configure(
        monkeypatch,
        RETENTION_DAYS="30",
        VERIFICATION_SLACK_HOURS="6",
        OVERDUE_DAYS="7",
        SERVICE_ENDS_ON="2027-03-31",
    )


@pytest.fixture
def people(organization: WorkMailBackend) -> OrganizationBuilder:
    return OrganizationBuilder(client("workmail"), domain="example.com")


@pytest.fixture
def dana(people: OrganizationBuilder, table: Table, put_policy: PutPolicy, organization: WorkMailBackend) -> str:
    """A user with an alias that the policy does not name."""
    put_policy(make_policy())
    user = people.create_user("dana")
    people.create_alias(user, "d.leaver")
    take_calls(organization)
    return user


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
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
def read_metrics(capsys: pytest.CaptureFixture[str]) -> ReadMetrics:
    """Read the sum of each metric that the handlers have published since the last call."""

    def read() -> dict[str, float]:
        sums: dict[str, float] = {}
        for line in capsys.readouterr().out.splitlines():
            if '"_aws"' in line:
                document = json.loads(line)
                for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
                    assert metric["Unit"] == "Count"
                    sums[metric["Name"]] = sums.get(metric["Name"], 0) + sum(document[metric["Name"]])
        return sums

    metrics.clear_metrics()
    return read


@pytest.fixture
def exports(organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exports]:
    """A place for archives, at NOW."""
    configure(monkeypatch, ARCHIVES_PATH=ARCHIVES_PATH)
    with Hooks() as hooks, time_machine.travel(parse(NOW), tick=False) as clock:
        kms.install(hooks)
        s3.install(hooks)
        exports_ = Exports(clock, organization)
        exports_.create_place()
        exports_.put_settings()
        parameters.provider.clear_cache()
        yield exports_
