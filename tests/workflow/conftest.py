"""The real definition and the packaged handlers on the embedded AWS, one environment a test."""

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

from local.cdk.assembly import assembly
from local.defaults import ACCOUNT, OFFBOARDING, ORGANIZATION_ID, REGION
from local.environment import Environment
from local.organization import People
from local.workmail.exceptions import CommonError
from tests.synthesis import jsii_starts_once  # noqa: F401 (it is a fixture)
from tests.workflow.privacy import (  # noqa: F401 (they are fixtures)
    no_environment_of_a_module_tells_what_is_personal,
    no_environment_tells_what_is_personal,
)

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
OTHER_ORGANIZATION = "m-" + "1" * 32
OTHERWISE = {
    "organizations": [{**OFFBOARDING["organizations"][0], "protected": ["boss"]}, {"id": OTHER_ORGANIZATION}],
    "identityProviders": {
        **OFFBOARDING["identityProviders"],
        "okta": {**OFFBOARDING["identityProviders"]["okta"], "organizationId": ORGANIZATION_ID},
    },
    "verificationSlackHours": 0,
    "serviceEndsOn": "2029-03-31",
}
"""All that tests want otherwise than usual, in one object, because each takes a synth of its own."""


def long_run(*rows: Any) -> list[Any]:
    """Leave these rows of a parametrized test, which are much like its others, to the long run."""
    values = (row if isinstance(row, tuple) else (row,) for row in rows)
    return [pytest.param(*given, marks=pytest.mark.long) for given in values]


@dataclass(frozen=True)
class Ending:
    """What a person sees of an execution."""

    status: str
    outcome: str | None
    output: dict[str, Any]
    cause: str
    states: list[str]
    transitions: int


class Flow:
    """An environment with its people, and short words for what tests do with them."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.clock = environment.clock
        self.backend = environment.workmail
        self.people = People(environment.client("workmail"))
        self.workmail = environment.client("workmail")

    def start(self, entity_id: str, **more: Any) -> str:
        return self.environment.start({"OrganizationId": ORGANIZATION_ID, "EntityId": entity_id, **more})

    def run(self, entity_id: str, days: float = 45, **more: Any) -> Ending:
        """Start an offboarding, let the days pass, and see how it ended."""
        arn = self.start(entity_id, **more)
        self.pass_days(days)
        return self.ending(arn)

    def pass_days(self, days: float) -> None:
        self.clock.settle()
        self.clock.advance(timedelta(days=days))

    def ending(self, arn: str) -> Ending:
        answer = self.environment.describe(arn)
        history = self.environment.history(arn)
        entered = [e["stateEnteredEventDetails"]["name"] for e in history if e["type"].endswith("StateEntered")]
        output = json.loads(answer.get("output", "{}"))
        return Ending(
            status=answer["status"],
            outcome=output.get("Outcome") or answer.get("error"),
            output=output,
            cause=answer.get("cause", ""),
            states=entered,
            transitions=len(entered),
        )

    def show(self, execution_input: dict[str, Any], machine: str) -> Ending:
        """Start an execution of another state machine, let it run, and see how it ended."""
        arn = self.environment.start(execution_input, state_machine_arn=self.environment.outputs[machine])
        self.clock.settle()
        return self.ending(arn)

    def decide(self, arn: str, decision: str = "Approved", by: str = "boss", **more: Any) -> Ending:
        given = {"ExecutionArn": arn, "Decision": decision, "DecidedBy": by, "Reason": "known", **more}
        return self.show(given, "ApprovalStateMachineArn")

    def restore(self, **execution_input: Any) -> Ending:
        return self.show(execution_input, "RestoreStateMachineArn")

    def hear(self) -> None:
        """Let what Step Functions tells of ends be heard: it waits a while in its queue."""
        self.clock.settle()
        self.clock.advance(timedelta(minutes=2))

    def deploy(self, **settings: Any) -> None:
        """Deploy the stack again, with some settings changed."""
        self.environment.deploy(assembly({**OFFBOARDING, **settings}))

    def policy(self, **changed: Any) -> None:
        """Change what the stack's parameter says of the organization, as a deployment does, without a synth."""
        ssm = self.environment.client("ssm")
        [name] = [p["Name"] for p in ssm.describe_parameters()["Parameters"] if "Policy" in p["Name"]]
        policy = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        policy |= {key: value for key, value in changed.items() if key in policy}
        policy["Organizations"][ORGANIZATION_ID] |= {k: v for k, v in changed.items() if k not in policy}
        ssm.put_parameter(Name=name, Value=json.dumps(policy), Overwrite=True)

    @property
    def table(self) -> str:
        return self.environment.outputs["RecordsTableName"]

    def item(self, key: str) -> dict[str, Any] | None:
        """Return an item of the table of records, as JSON would have it."""
        answer = self.environment.client("dynamodb").get_item(
            TableName=self.table, Key={"Id": {"S": key}}, ConsistentRead=True
        )
        return plain(answer["Item"]) if "Item" in answer else None

    def record(self, arn: str) -> dict[str, Any]:
        """Return the record of an execution."""
        item = self.item(arn)
        assert item is not None, f"nothing is recorded of {arn}"
        return item

    def records_by_status(self, status: str, organization: str = ORGANIZATION_ID) -> list[dict[str, Any]]:
        """Answer who is in a status, the earliest due first, with the one query that the documentation names."""
        pages = (
            self.environment.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self.table,
                IndexName="ByStatus",
                KeyConditionExpression="StatusKey = :key",
                ExpressionAttributeValues={":key": {"S": f"{status} {organization}"}},
            )
        )
        return [plain(item) for page in pages for item in page["Items"]]

    def forget_record(self, arn: str) -> None:
        """Delete a record, as somebody could by hand."""
        self.environment.client("dynamodb").delete_item(TableName=self.table, Key={"Id": {"S": arn}})

    def stop(self, arn: str, cause: str = "mistake") -> None:
        self.environment.client("stepfunctions").stop_execution(executionArn=arn, cause=cause)
        self.hear()

    def workmail_state(self, entity_id: str) -> dict[str, Any]:
        """Return what a restore must bring back: state, address, aliases and groups."""
        entity = self.backend.organizations[ORGANIZATION_ID].entities[entity_id]
        groups = self.backend.organizations[ORGANIZATION_ID].entities.values()
        return {
            "State": entity.state,
            "Email": entity.email,
            "Aliases": sorted(entity.aliases),
            "Groups": sorted(group.id for group in groups if entity_id in getattr(group, "members", [])),
        }

    def calls(self, operation: str | None = None) -> list[str]:
        """Return the operations that WorkMail was asked for, errors included, since the last `forget`."""
        return [call.operation for call in self.backend.calls if operation in {None, call.operation}]

    def forget_calls(self) -> None:
        self.backend.calls.clear()

    def fail(self, operation: str, code: str, *, times: int | None = None, status: int = 400) -> None:
        """Let WorkMail answer an operation with an error, the next so many times or always."""
        left = [times]

        def before(name: str, parameters: Mapping[str, Any]) -> None:
            if name == operation and left[0] != 0:
                left[0] = left[0] - 1 if left[0] is not None else None
                raise CommonError(code, "made by the test", status)

        self.backend.before.append(before)


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def deregistration_without_record(environment: Environment, entity_id: str) -> str | None:
    """Say what is wrong at the moment at which WorkMail is asked to deregister, or None.

    It looks into the table from within: the faults that a test lets the stack's calls meet are not meant for this one.
    """
    table = dynamodb_backends[ACCOUNT][REGION].tables[environment.outputs["RecordsTableName"]]

    def item(key: str) -> dict[str, Any]:
        found = table.get_item(DynamoType({"S": key}))
        return found.to_regular_json() if found else {}

    pointer = item(f"{ORGANIZATION_ID}/{entity_id}")
    if not pointer.get("Live"):
        return f"nobody holds {entity_id}"
    record = item(pointer["ExecutionArn"])
    if record.get("Status") != "Deregistering" or record["Entity"]["Id"] != entity_id:
        return f"the record of {entity_id} reads {record.get('Status')}"
    return None


@pytest.fixture(autouse=True)
def every_deregistration_has_its_record_first(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look into the table whenever the product asks WorkMail to deregister, in every test of this folder."""
    violations: list[str] = []
    enter = Environment._enter

    def entering(environment: Environment, opened: contextlib.ExitStack) -> None:
        enter(environment, opened)

        def look(operation: str, parameters: Mapping[str, Any]) -> None:
            # Only what runs as work on the clock is the product; tests call from a thread of their own.
            if operation == "DeregisterFromWorkMail" and environment.clock.current() is not None:
                wrong = deregistration_without_record(environment, parameters["EntityId"])
                if wrong:
                    violations.append(wrong)

        environment.workmail.before.append(look)

    monkeypatch.setattr(Environment, "_enter", entering)
    yield
    assert violations == []


@pytest.fixture(scope="session")
def stack() -> Any:
    return assembly(OFFBOARDING)


@pytest.fixture(scope="session")
def stack_without_providers() -> Any:
    """The flow alone, which boots in half the time."""
    return assembly({"organizations": OFFBOARDING["organizations"]})


@pytest.fixture
def make_flow(request: pytest.FixtureRequest, stack: Any) -> Iterator[Callable[..., Flow]]:
    """Make a flow with settings or a start of its own; all are closed at the end."""
    if "no_providers" in request.keywords:
        stack = request.getfixturevalue("stack_without_providers")
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
