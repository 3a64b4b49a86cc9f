"""The data that the demo shows: executions and their histories, records, mailboxes, refused events, and mails.

All of it is read with AWS's APIs, as an operator would. An execution that has ended is read once.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.defaults import ORGANIZATION_ID
from local.environment import Environment

OFFBOARDING = "StateMachineArn"
APPROVAL = "ApprovalStateMachineArn"
RESTORE = "RestoreStateMachineArn"
"""The stack's outputs that name the state machines."""

IN_WINDOW = "InWindow"
AWAITING_APPROVAL = "AwaitingApproval"
SCHEDULED = "Scheduled"
EXPORTING = "Exporting"
"""Partitions of the table's index `ByStatus`."""


@dataclass(frozen=True)
class Step:
    """A state that an execution entered, and when."""

    at: datetime
    state: str


@dataclass(frozen=True)
class Execution:
    """One execution, as `DescribeExecution` returns it."""

    arn: str
    status: str
    input: dict[str, Any]
    output: dict[str, Any] | None
    error: str | None
    cause: str | None
    ended_at: datetime | None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status == "RUNNING"

    @property
    def outcome(self) -> str | None:
        """The outcome in its output, or its error; None while it runs."""
        return str(self.output["Outcome"]) if self.output else self.error


@dataclass(frozen=True)
class RecordSummary:
    """The attributes of one record that the demo shows."""

    execution_arn: str
    name: str
    status: str
    outcome: str | None
    due_at: str | None
    deregistered_at: str | None
    approval_reasons: tuple[str, ...]
    decision: dict[str, Any] | None
    archive: dict[str, Any] | None
    retention_ends_at: str | None
    has_service_end_first: bool
    steps: tuple[str, ...]

    @property
    def has_approval_reasons(self) -> bool:
        """Whether an approval was required."""
        return bool(self.approval_reasons)

    def to_json(self) -> dict[str, Any]:
        """Return its status, and the steps that led to it."""
        return {
            "Status": self.status,
            "Outcome": self.outcome,
            **({"Decision": self.decision} if self.decision else {}),
            "Steps": list(self.steps),
        }


@dataclass(frozen=True)
class Window:
    """The entities in the window: the name of each, and until when it can be restored."""

    at: datetime
    entities: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return it, with the query that it was read by."""
        return {
            "At": self.at.isoformat(),
            "Index": "ByStatus",
            "Partition": IN_WINDOW,
            "Entities": [{"Name": name, "Until": until} for name, until in self.entities],
        }


class Observer:
    """Reads the state of everything whenever `refresh` is called.

    Parameters
    ----------
    environment
        An open environment, with the stack deployed.

    Attributes
    ----------
    records
        The records by execution. Those of running executions are read from the index, those of ended ones by their
        key; only the latter have their steps.
    messages
        The messages of the notification topic so far, each with `Subject` and `Message`.
    dead_letters
        The reasons for which events were refused, by Okta's ids. SQS keeps them for 14 days only.
    read_at
        When everything was read.
    user_states
        The state of each user in WorkMail, by name and by id.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._outputs = environment.outputs
        self._approver_queue = self._subscribe()
        self._executions: dict[str, list[Execution]] = {}
        self._ended: dict[str, Execution] = {}
        self._inputs: dict[str, dict[str, Any]] = {}
        self._histories: dict[str, tuple[RecordSummary | None, tuple[Step, ...]]] = {}
        self._ended_records: dict[str, RecordSummary | None] = {}
        self.records: dict[str, RecordSummary] = {}
        self.messages: list[dict[str, str]] = []
        self.dead_letters: dict[str, str] = {}
        self.user_states: dict[str, str] = {}
        self.read_at = environment.clock.now()

    def refresh(self) -> None:
        """Read everything that can have changed."""
        self.read_at = self._environment.clock.now()
        self._executions = {
            machine: list(self._read_executions(machine)) for machine in (OFFBOARDING, APPROVAL, RESTORE)
        }
        unfinished = self._read_index("scan")
        ended = [
            self._read_ended_record(execution)
            for execution in self._executions[OFFBOARDING]
            if not execution.is_running
        ]
        self.records = {record.execution_arn: record for record in (*unfinished, *ended) if record}
        for message in self._receive(self._approver_queue):
            body = json.loads(message["Body"])
            self.messages.append({member: body[member] for member in ("Subject", "Message")})
        for message in self._receive(self._outputs["EventDeadLetterQueueUrl"]):
            reason = message["MessageAttributes"]["Reason"]["StringValue"]
            self.dead_letters[json.loads(message["Body"])["detail"]["uuid"]] = reason
        self.user_states = dict(self._read_user_states())

    def find_executions(self, entity_id: str, machine: str = OFFBOARDING) -> list[Execution]:
        """Return the executions whose input names an entity by id, name or address, as of the last `refresh`."""
        executions = self._executions.get(machine, [])
        return [execution for execution in executions if entity_id in _identifiers_of(execution.input)]

    def list_ended_executions(self) -> list[Execution]:
        """Return the offboardings and the restores that have ended, as of the last `refresh`."""
        machines = (OFFBOARDING, RESTORE)
        return [e for machine in machines for e in self._executions.get(machine, []) if not e.is_running]

    def find_messages(self, subject: str) -> list[dict[str, str]]:
        """Return the messages of the notification topic whose subject ends like this."""
        return [message for message in self.messages if message["Subject"].endswith(subject)]

    def read_daily_cap(self) -> int:
        """Return the cap of identity providers, from the parameter that the functions read."""
        path = self._environment.function_environment("RecordOffboarding")["POLICIES_PATH"]
        answer = self._environment.client("ssm").get_parameter(Name=f"{path}/{ORGANIZATION_ID}")
        return int(json.loads(answer["Parameter"]["Value"])["DailyCap"])

    @property
    def has_running_executions(self) -> bool:
        """Whether any execution ran at the last `refresh`."""
        return any(e.is_running for executions in self._executions.values() for e in executions)

    def query_by_status(self, partition: str) -> list[RecordSummary]:
        """Query the index `ByStatus`; what is due first comes first."""
        return self._read_index(
            "query",
            KeyConditionExpression="StatusKey = :partition",
            ExpressionAttributeValues={":partition": {"S": partition}},
        )

    def read_window(self) -> Window:
        """Query the index for the entities that are in the window."""
        entities = tuple((record.name, record.due_at or "") for record in self.query_by_status(IN_WINDOW))
        return Window(self._environment.clock.now(), entities)

    @property
    def window_size(self) -> int:
        """How many entities were in the window at the last `refresh`."""
        return sum(record.status == IN_WINDOW for record in self.records.values())

    def read_steps(self, execution: Execution) -> tuple[Step, ...]:
        """Return the states that an execution has entered; they are read again when its record has changed."""
        record = self.records.get(execution.arn)
        if execution.arn in self._histories:
            previous_record, steps = self._histories[execution.arn]
            if record == previous_record:
                return steps
        steps = tuple(
            Step(event["timestamp"], event["stateEnteredEventDetails"]["name"])
            for event in self._environment.history(execution.arn)
            if event["type"].endswith("StateEntered")
        )
        if record or not execution.is_running:
            self._histories[execution.arn] = record, steps
        return steps

    def read_ignored_event_reasons(self) -> list[str]:
        """Return the reason that StartOffboarding logged for each event that it ignored."""
        lines = [json.loads(line) for line in self._environment.logs("StartOffboarding") if line.startswith("{")]
        return [line["reason"] for line in lines if line.get("message") == "event ignored"]

    def _subscribe(self) -> str:
        """Subscribe a queue to the notification topic, in place of an approver."""
        sqs = self._environment.client("sqs")
        queue: str = sqs.create_queue(QueueName="on-call")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
        self._environment.client("sns").subscribe(
            TopicArn=self._outputs["NotificationTopicArn"], Protocol="sqs", Endpoint=attributes["QueueArn"]
        )
        return queue

    def _receive(self, queue: str) -> Iterator[dict[str, Any]]:
        """Receive and delete the messages of a queue until it is empty."""
        sqs = self._environment.client("sqs")
        while messages := sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                yield message
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def _read_index(self, operation: str, **condition: Any) -> list[RecordSummary]:
        pages = (
            self._environment.client("dynamodb")
            .get_paginator(operation)
            .paginate(
                TableName=self._outputs["RecordsTableName"],
                IndexName="ByStatus",
                **condition,
            )
        )
        return [_parse_record(item) for page in pages for item in page["Items"]]

    def _read_user_states(self) -> Iterator[tuple[str, str]]:
        pages = self._environment.client("workmail").get_paginator("list_users")
        for page in pages.paginate(OrganizationId=ORGANIZATION_ID):
            for user in page["Users"]:
                yield user["Name"], user["State"]
                yield user["Id"], user["State"]

    def _read_executions(self, machine: str) -> Iterator[Execution]:
        pages = self._environment.client("stepfunctions").get_paginator("list_executions")
        for page in pages.paginate(stateMachineArn=self._outputs[machine]):
            for item in page["executions"]:
                yield self._describe_execution(item["executionArn"], item["status"])

    def _describe_execution(self, arn: str, status: str) -> Execution:
        """Describe an execution at its start and at its end; nothing changes in between."""
        if arn in self._ended:
            return self._ended[arn]
        if status == "RUNNING" and arn in self._inputs:
            return Execution(arn, status, self._inputs[arn], None, None, None, None)
        answer = self._environment.describe(arn)
        self._inputs[arn] = json.loads(answer["input"])
        execution = Execution(
            arn=arn,
            status=answer["status"],
            input=self._inputs[arn],
            output=json.loads(answer["output"]) if "output" in answer else None,
            error=answer.get("error"),
            cause=answer.get("cause"),
            ended_at=answer.get("stopDate"),
        )
        if not execution.is_running:
            self._ended[arn] = execution
        return execution

    def _read_ended_record(self, execution: Execution) -> RecordSummary | None:
        """Read the record of an execution that has ended, again until the record has an outcome."""
        if execution.arn in self._ended_records:
            return self._ended_records[execution.arn]
        answer = self._environment.client("dynamodb").query(
            TableName=self._outputs["RecordsTableName"],
            KeyConditionExpression="Id = :arn",
            ExpressionAttributeValues={":arn": {"S": execution.arn}},
            ConsistentRead=True,
        )
        items = {item["Part"]["S"]: item for item in answer["Items"]}
        steps = [item["Step"]["S"] for part, item in sorted(items.items()) if part.startswith("Step ")]
        record = _parse_record(items["Record"], steps) if "Record" in items else None
        if record is None or record.outcome:
            self._ended_records[execution.arn] = record
        return record


def _parse_record(attributes: dict[str, Any], steps: Iterable[str] = ()) -> RecordSummary:
    item = {name: TypeDeserializer().deserialize(value) for name, value in attributes.items()}
    return RecordSummary(
        execution_arn=item["Id"],
        name=item["Entity"]["Name"] if "Entity" in item else item.get("EntityId", ""),
        status=item["Status"],
        outcome=item.get("Outcome"),
        due_at=item.get("DueAt"),
        deregistered_at=item.get("DeregisteredAt"),
        approval_reasons=tuple(item.get("ApprovalReasons", ())),
        decision=item.get("Decision"),
        archive=item.get("Archive"),
        retention_ends_at=item.get("RetentionEndsAt"),
        has_service_end_first=item.get("ServiceEndsFirst", False),
        steps=tuple(steps),
    )


def _identifiers_of(execution_input: Mapping[str, Any]) -> tuple[object, object]:
    """Return how an input names its entity: a person may give the address, an event leads to the id and the address."""
    return execution_input.get("EntityId"), execution_input.get("Expected", {}).get("Email")
