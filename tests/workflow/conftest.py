"""The real definitions and the packaged handlers on the embedded AWS, in one environment per test."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from local.aws.iam import Permissions
from local.cdk.assembly import assembly
from local.defaults import ACCOUNT, OFFBOARDING, ORGANIZATION_ID, REGION
from local.environment import Environment
from local.organization import OrganizationBuilder
from local.workmail import WorkMailBackend
from local.workmail.exceptions import CommonError
from local.workmail.exports.jobs import RUNNING
from tests import event_schemas
from tests.service_models import list_answer_problems, list_request_problems
from tests.synthesis import jsii_starts_once  # noqa: F401 (it is a fixture)
from tests.workflow.operator import make_operator, operator  # noqa: F401 (they are fixtures)
from tests.workflow.privacy import (  # noqa: F401 (they are fixtures)
    no_environment_leaks_personal_data,
    no_environment_of_a_module_leaks_personal_data,
)

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
OTHER_ORGANIZATION = "m-" + "1" * 32
CHANGED_SETTINGS = {
    "organizations": [{**OFFBOARDING["organizations"][0], "protected": ["boss"]}, {"id": OTHER_ORGANIZATION}],
    "identityProviders": {
        **OFFBOARDING["identityProviders"],
        "okta": {**OFFBOARDING["identityProviders"]["okta"], "organizationId": ORGANIZATION_ID},
    },
    "verificationSlackHours": 0,
    "serviceEndsOn": "2029-03-31",
    "confirmServiceEndsOn": "2029-03-31",
}
"""Every setting that tests change, in one object, because each set of settings needs a synthesis of its own."""
ARCHIVE_SETTINGS = {
    **OFFBOARDING,
    "export": {"mode": "Required", "mayBeSkipped": True, "slots": 2, "lockDays": 30},
}
"""The settings of a stack that can export mailboxes; the policy says whether it does."""


def mark_long(*rows: Any) -> list[Any]:
    """Mark rows of a parametrized test that resemble its other rows: only the long run includes them."""
    parameters = (row if isinstance(row, tuple) else (row,) for row in rows)
    return [pytest.param(*values, marks=pytest.mark.long) for values in parameters]


@dataclass(frozen=True)
class ExecutionResult:
    """The result of an execution, as Step Functions shows it."""

    status: str
    outcome: str | None
    output: dict[str, Any]
    cause: str
    states: list[str]
    transitions: int


class Flow:
    """An open environment, with the operations that tests use on it."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.clock = environment.clock
        self.backend = environment.workmail
        self.people = OrganizationBuilder(environment.client("workmail"))
        self.workmail = environment.client("workmail")

    def start(self, entity_id: str, **more: Any) -> str:
        return self.environment.start({"OrganizationId": ORGANIZATION_ID, "EntityId": entity_id, **more})

    def run(self, entity_id: str, days: float = 45, **more: Any) -> ExecutionResult:
        """Start an offboarding, let the days pass, and return its result."""
        arn = self.start(entity_id, **more)
        self.pass_days(days)
        return self.read_result(arn)

    def pass_days(self, days: float) -> None:
        self.clock.settle()
        self.clock.advance(timedelta(days=days))

    def read_result(self, arn: str) -> ExecutionResult:
        answer = self.environment.describe(arn)
        history = self.environment.history(arn)
        states = [e["stateEnteredEventDetails"]["name"] for e in history if e["type"].endswith("StateEntered")]
        output = json.loads(answer.get("output", "{}"))
        return ExecutionResult(
            status=answer["status"],
            outcome=output.get("Outcome") or answer.get("error"),
            output=output,
            cause=answer.get("cause", ""),
            states=states,
            transitions=len(states),
        )

    def run_state_machine(self, execution_input: dict[str, Any], output: str) -> ExecutionResult:
        """Start an execution of the state machine of a stack output, let it settle, and return its result."""
        arn = self.environment.start(execution_input, state_machine_arn=self.environment.outputs[output])
        self.clock.settle()
        return self.read_result(arn)

    def decide(self, arn: str, decision: str = "Approved", decided_by: str = "boss", **more: Any) -> ExecutionResult:
        execution_input = {
            "ExecutionArn": arn,
            "Decision": decision,
            "DecidedBy": decided_by,
            "Reason": "known",
            **more,
        }
        return self.run_state_machine(execution_input, "ApprovalStateMachineArn")

    def restore(self, **execution_input: Any) -> ExecutionResult:
        return self.run_state_machine(execution_input, "RestoreStateMachineArn")

    def process_status_events(self) -> None:
        """Let the status events of Step Functions be processed: they wait a while in their queue."""
        self.clock.settle()
        self.clock.advance(timedelta(minutes=2))

    def deploy(self, **settings: Any) -> None:
        """Deploy the stack again, with some settings changed."""
        self.environment.deploy(assembly({**OFFBOARDING, **settings}))

    def change_policy(self, **changes: Any) -> None:
        """Change the policy in the organization's parameter, as a deployment does, without a synthesis."""
        path = self.environment.function_environment("DeregisterEntity")["POLICIES_PATH"]
        ssm, name = self.environment.client("ssm"), f"{path}/{ORGANIZATION_ID}"
        policy = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        ssm.put_parameter(Name=name, Value=json.dumps({**policy, **changes}), Overwrite=True)

    @property
    def table_name(self) -> str:
        return self.environment.outputs["RecordsTableName"]

    def read_item(self, key: str, part: str) -> dict[str, Any] | None:
        """Return an item of the table of records with plain Python values; None if it does not exist."""
        answer = self.environment.client("dynamodb").get_item(
            TableName=self.table_name, Key={"Id": {"S": key}, "Part": {"S": part}}, ConsistentRead=True
        )
        return deserialize_item(answer["Item"]) if "Item" in answer else None

    def read_record(self, arn: str) -> dict[str, Any]:
        """Return the record of an execution."""
        item = self.read_item(arn, "Record")
        assert item is not None, f"{arn} has no record"
        return item

    def read_steps(self, arn: str) -> list[dict[str, Any]]:
        """Return the steps of an execution, the earliest first."""
        answer = self.environment.client("dynamodb").query(
            TableName=self.table_name,
            KeyConditionExpression="Id = :id AND begins_with(Part, :step)",
            ExpressionAttributeValues={":id": {"S": arn}, ":step": {"S": "Step "}},
            ConsistentRead=True,
        )
        return [deserialize_item(item) for item in answer["Items"]]

    def list_by_status(self, status: str) -> list[dict[str, Any]]:
        """Return the records with a status, the earliest due first, by the query that the documentation names."""
        pages = (
            self.environment.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self.table_name,
                IndexName="ByStatus",
                KeyConditionExpression="StatusKey = :key",
                ExpressionAttributeValues={":key": {"S": status}},
            )
        )
        return [deserialize_item(item) for page in pages for item in page["Items"]]

    def delete_record(self, arn: str) -> None:
        """Delete a record, as an operator could by hand."""
        key = {"Id": {"S": arn}, "Part": {"S": "Record"}}
        self.environment.client("dynamodb").delete_item(TableName=self.table_name, Key=key)

    def erase(self, user: str, **more: Any) -> Any:
        """Erase a person by the function; return its answer, or its error."""
        event = {"OrganizationId": ORGANIZATION_ID, "EntityId": user, "RequestedBy": "privacy office", **more}
        name = self.environment.outputs["ErasePersonFunctionName"]
        answer = self.environment.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        return json.load(answer["Payload"])

    def stop(self, arn: str, cause: str = "mistake") -> None:
        self.environment.client("stepfunctions").stop_execution(executionArn=arn, cause=cause)
        self.process_status_events()

    def deregister(self, entity_id: str) -> None:
        """Deregister an entity by hand."""
        self.workmail.deregister_from_work_mail(OrganizationId=ORGANIZATION_ID, EntityId=entity_id)

    def delete_user(self, user_id: str) -> None:
        """Delete a user by hand."""
        self.workmail.delete_user(OrganizationId=ORGANIZATION_ID, UserId=user_id)

    def restore_during_deregistration(self, entity_id: str) -> list[str]:
        """Start a restore when WorkMail has disabled an entity and its offboarding has not confirmed that yet.

        Returns
        -------
        list[str]
            The ARNs of the restores: empty until WorkMail is asked to deregister the entity.
        """
        arns: list[str] = []

        def start_restore(operation: str, parameters: Mapping[str, Any]) -> None:
            if operation == "DeregisterFromWorkMail" and parameters["EntityId"] == entity_id:
                lock = self.read_item(f"{ORGANIZATION_ID}/{entity_id}", "Lock")
                assert lock is not None
                execution_input = {"ExecutionArn": lock["ExecutionArn"]}
                restore = self.environment.outputs["RestoreStateMachineArn"]
                arns.append(self.environment.start(execution_input, state_machine_arn=restore))

        self.backend.after_hooks.append(start_restore)
        return arns

    def read_archive_settings(self) -> dict[str, Any]:
        """Return where the mailboxes of the organization are exported."""
        path = self.environment.function_environment("CheckExport")["ARCHIVES_PATH"]
        parameter = self.environment.client("ssm").get_parameter(Name=f"{path}/{ORGANIZATION_ID}")["Parameter"]
        settings: dict[str, Any] = json.loads(parameter["Value"])
        return settings

    def export_by_hand(self, entity_id: str, **more: str) -> str:
        """Export a mailbox as an administrator: into the stack's bucket by the stack's role, unless others are named.

        Returns
        -------
        str
            The id of the job.
        """
        settings, token = self.read_archive_settings(), f"by-hand-{len(self.backend.calls)}"
        answer = self.workmail.start_mailbox_export_job(
            **{
                "ClientToken": token,
                "OrganizationId": ORGANIZATION_ID,
                "EntityId": entity_id,
                "RoleArn": settings["RoleArn"],
                "KmsKeyArn": settings["KmsKeyArn"],
                "S3BucketName": settings["Bucket"],
                "S3Prefix": f"{settings['Prefix']}by-hand",
                **more,
            }
        )
        return str(answer["JobId"])

    def cancel_exports_by_hand(self, entity_id: str) -> None:
        """Cancel the exports of a mailbox that run."""
        jobs = self.backend.organizations[ORGANIZATION_ID].export_jobs.values()
        for job in [job for job in jobs if (job.entity_id, job.state) == (entity_id, RUNNING)]:
            self.workmail.cancel_mailbox_export_job(
                OrganizationId=ORGANIZATION_ID, JobId=job.id, ClientToken=f"cancel-{job.id}"
            )

    def read_workmail_state(self, entity_id: str) -> dict[str, Any]:
        """Return the state of an entity that a restore must bring back: state, address, aliases and groups."""
        entity = self.backend.organizations[ORGANIZATION_ID].entities[entity_id]
        groups = self.backend.organizations[ORGANIZATION_ID].entities.values()
        return {
            "State": entity.state,
            "Email": entity.email,
            "Aliases": sorted(entity.aliases),
            "Groups": sorted(group.id for group in groups if entity_id in getattr(group, "members", [])),
        }

    def list_calls(self, operation: str | None = None) -> list[str]:
        """Return the operations that WorkMail was called for, errors included, since the last `clear_calls`."""
        return [call.operation for call in self.backend.calls if operation in {None, call.operation}]

    def clear_calls(self) -> None:
        self.backend.calls.clear()

    def inject_error(self, operation: str, code: str, *, times: int | None = None, status: int = 400) -> None:
        """Have WorkMail answer an operation with an error, for the next calls or always."""
        remaining = times

        def raise_error(name: str, parameters: Mapping[str, Any]) -> None:
            nonlocal remaining
            if name == operation and remaining != 0:
                remaining = remaining - 1 if remaining is not None else None
                raise CommonError(code, "made by the test", status)

        self.backend.before_hooks.append(raise_error)


def deserialize_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def find_missing_record(environment: Environment, entity_id: str, organization_id: str = ORGANIZATION_ID) -> str | None:
    """Return why WorkMail must not be asked to deregister an entity now, or None.

    It reads the table inside the embedded AWS, so that faults which a test injects into the stack's calls do not apply.
    """
    table = dynamodb_backends[ACCOUNT][REGION].tables[environment.outputs["RecordsTableName"]]

    def item(key: str, part: str) -> dict[str, Any]:
        stored = table.get_item(DynamoType({"S": key}), DynamoType({"S": part}))
        return stored.to_regular_json() if stored else {}

    lock = item(f"{organization_id}/{entity_id}", "Lock")
    if not lock.get("Live"):
        return f"no execution holds {entity_id}"
    record = item(lock["ExecutionArn"], "Record")
    if record.get("Status") != "Deregistering" or record["Entity"]["Id"] != entity_id:
        return f"the record of {entity_id} has the status {record.get('Status')}"
    return None


@pytest.fixture(autouse=True)
def every_deregistration_has_a_record(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check in every test of this folder that each deregistration has its record before the call."""
    violations: list[str] = []
    enter = Environment._enter

    def enter_with_check(environment: Environment, opened: contextlib.ExitStack) -> None:
        enter(environment, opened)

        def check(operation: str, parameters: Mapping[str, Any]) -> None:
            # Only work on the clock belongs to the product; tests call WorkMail from their own thread.
            if operation == "DeregisterFromWorkMail" and environment.clock.current() is not None:
                violation = find_missing_record(environment, parameters["EntityId"], parameters["OrganizationId"])
                if violation:
                    violations.append(violation)

        environment.workmail.before_hooks.append(check)

    monkeypatch.setattr(Environment, "_enter", enter_with_check)
    yield
    assert violations == []


@pytest.fixture(autouse=True)
def every_event_fits_its_schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check in every test of this folder that each event of the stack fits its published schema."""
    violations: list[str] = []
    enter = Environment._enter

    def enter_with_check(environment: Environment, opened: contextlib.ExitStack) -> None:
        enter(environment, opened)

        def check(action: str, parameters: Mapping[str, Any]) -> None:
            if action == "events:PutEvents":
                violations.extend(event_schemas.iterate_violations(parameters))

        environment.permissions.listeners.append(check)

    monkeypatch.setattr(Environment, "_enter", enter_with_check)
    yield
    assert violations == []


@pytest.fixture(autouse=True)
def violations_of_service_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Check in every test of this folder that requests of functions, and answers of WorkMail, are as AWS allows them.

    Yields what botocore's models forbid; a test that provokes such a value removes it from the list.
    """
    violations: list[str] = []
    require_permission, perform = Permissions._require_permission, WorkMailBackend.perform

    def check_request(self: Permissions, function: Any, client: Any, operation: str, parameters: Any) -> None:
        violations.extend(list_request_problems(client.meta.service_model.service_name, operation, parameters))
        require_permission(self, function, client, operation, parameters)

    def check_answer(self: WorkMailBackend, operation: str, request: object) -> dict[str, Any]:
        answer = perform(self, operation, request)
        violations.extend(list_answer_problems("workmail", operation, answer))
        return answer

    monkeypatch.setattr(Permissions, "_require_permission", check_request)
    monkeypatch.setattr(WorkMailBackend, "perform", check_answer)
    yield violations
    assert violations == []


@pytest.fixture(scope="session")
def stack() -> Any:
    return assembly(OFFBOARDING)


@pytest.fixture(scope="session")
def stack_without_providers() -> Any:
    """The stack without event queues, which boots in half the time."""
    return assembly({"organizations": OFFBOARDING["organizations"]})


@pytest.fixture(scope="session")
def stack_with_archives() -> Any:
    """The stack that exports mailboxes, without event queues: an archive is required, and an input may skip it."""
    export = {"mode": "Required", "mayBeSkipped": True, "lockDays": 30}
    return assembly({"organizations": OFFBOARDING["organizations"], "export": export})


@pytest.fixture
def make_flow(request: pytest.FixtureRequest, stack: Any) -> Iterator[Callable[..., Flow]]:
    """Return a function that opens a flow with its own settings or start time; all are closed after the test."""
    if "no_providers" in request.keywords:
        stack = request.getfixturevalue("stack_without_providers")
    if "archives" in request.keywords:
        stack = request.getfixturevalue("stack_with_archives")
    opened: list[Environment] = []

    def make(settings: dict[str, Any] | None = None, now: datetime = START, *, stack: Any = stack, **more: Any) -> Flow:
        environment = Environment(assembly({**OFFBOARDING, **settings}) if settings else stack, now=now, **more)
        environment.__enter__()
        opened.append(environment)
        return Flow(environment)

    yield make
    for environment in reversed(opened):
        environment.__exit__(None, None, None)


@pytest.fixture
def flow(make_flow: Callable[..., Flow]) -> Flow:
    return make_flow()
