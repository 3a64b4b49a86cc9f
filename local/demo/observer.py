"""What the demo sees: executions and their histories, the table of records, dead letters, and the approval topic.

All of it is read with AWS' own APIs, as an operator would. What has ended is read once.
"""

import json
from collections.abc import Iterator
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

IN_WINDOW = f"InWindow {ORGANIZATION_ID}"
AWAITING_APPROVAL = f"AwaitingApproval {ORGANIZATION_ID}"
SCHEDULED = f"Scheduled {ORGANIZATION_ID}"
"""Partitions of the table's index `ByStatus`."""

_SHOWN = "Id, Entity.#Name, #Status, Outcome, DueAt, DeregisteredAt, ApprovalReasons, Decision"


@dataclass(frozen=True)
class Step:
    """A state that an execution entered, and when."""

    at: datetime
    state: str


@dataclass(frozen=True)
class Execution:
    """One execution, as `DescribeExecution` tells it."""

    arn: str
    status: str
    input: dict[str, Any]
    output: dict[str, Any] | None
    error: str | None
    cause: str | None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.status == "RUNNING"

    @property
    def outcome(self) -> str | None:
        """The outcome in its output, or its error; None while it runs."""
        return str(self.output["Outcome"]) if self.output else self.error


@dataclass(frozen=True)
class Record:
    """What the table holds of one offboarding, as far as it is shown."""

    execution_arn: str
    name: str
    status: str
    outcome: str | None
    due_at: str | None
    deregistered_at: str | None
    reasons: tuple[str, ...]
    decision: dict[str, Any] | None
    steps: tuple[str, ...]

    @property
    def had_to_wait(self) -> bool:
        """Whether an approval was asked for."""
        return bool(self.reasons)

    def to_json(self) -> dict[str, Any]:
        """Return how it stands, and how it came there."""
        return {
            "Status": self.status,
            "Outcome": self.outcome,
            **({"Decision": self.decision} if self.decision else {}),
            "Steps": list(self.steps),
        }


@dataclass(frozen=True)
class Window:
    """The answer to "who is in the window, until when": the names, and until when each can be restored."""

    at: datetime
    stays: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return it, and by which query it was read."""
        return {
            "At": self.at.isoformat(),
            "Index": "ByStatus",
            "Partition": IN_WINDOW,
            "Entities": [{"Name": name, "Until": until} for name, until in self.stays],
        }


class Watch:
    """Sees how everything stands whenever it is told to look.

    Parameters
    ----------
    environment
        An open environment, with the stack deployed.

    Attributes
    ----------
    records
        The records by execution: of those that are under way by the index, of those that have ended by their key.
        The steps are there once it has ended.
    window
        Who is in the window now.
    messages
        What the approval topic has sent to its subscriber so far, each with `Subject` and `Message`.
    dead_letters
        Why events were refused, by Okta's ids. SQS keeps them for 14 days only.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._outputs = environment.outputs
        self._on_call = self._subscribe()
        self._executions: dict[str, list[Execution]] = {}
        self._ended: dict[str, Execution] = {}
        self._inputs: dict[str, dict[str, Any]] = {}
        self._histories: dict[str, tuple[Record | None, tuple[Step, ...]]] = {}
        self._ended_records: dict[str, Record | None] = {}
        self.records: dict[str, Record] = {}
        self.window = Window(environment.clock.now(), ())
        self.messages: list[dict[str, str]] = []
        self.dead_letters: dict[str, str] = {}

    def look(self) -> None:
        """Read everything anew that can have changed."""
        self._executions = {
            machine: list(self._read_executions(machine)) for machine in (OFFBOARDING, APPROVAL, RESTORE)
        }
        in_window = self.by_status(IN_WINDOW)
        stays = tuple((record.name, record.due_at or "") for record in in_window)
        self.window = Window(self._environment.clock.now(), stays)
        under_way = [*in_window, *self.by_status(AWAITING_APPROVAL), *self.by_status(SCHEDULED)]
        ended = [self._ended_record(execution) for execution in self._executions[OFFBOARDING] if not execution.running]
        self.records = {record.execution_arn: record for record in (*under_way, *ended) if record}
        for message in self._receive(self._on_call):
            body = json.loads(message["Body"])
            self.messages.append({member: body[member] for member in ("Subject", "Message")})
        for message in self._receive(self._outputs["EventDeadLetterQueueUrl"]):
            reason = message["MessageAttributes"]["Reason"]["StringValue"]
            self.dead_letters[json.loads(message["Body"])["detail"]["uuid"]] = reason

    def executions(self, entity_id: str, machine: str = OFFBOARDING) -> list[Execution]:
        """Return the executions whose input names an entity, as they were at the last look."""
        found = self._executions.get(machine, [])
        return [execution for execution in found if execution.input.get("EntityId") == entity_id]

    @property
    def anything_runs(self) -> bool:
        """Whether any execution ran at the last look."""
        return any(execution.running for found in self._executions.values() for execution in found)

    def by_status(self, partition: str) -> list[Record]:
        """Ask the index `ByStatus` now; what is due first comes first."""
        pages = (
            self._environment.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self._outputs["RecordsTableName"],
                IndexName="ByStatus",
                KeyConditionExpression="StatusKey = :partition",
                ExpressionAttributeValues={":partition": {"S": partition}},
                ProjectionExpression=_SHOWN,
                ExpressionAttributeNames={"#Name": "Name", "#Status": "Status"},
            )
        )
        return [_record(item) for page in pages for item in page["Items"]]

    def steps(self, execution: Execution) -> tuple[Step, ...]:
        """Return the states that an execution has entered; while it waits, its record stays as it is."""
        record = self.records.get(execution.arn)
        if execution.arn in self._histories:
            then, steps = self._histories[execution.arn]
            if record == then:
                return steps
        steps = tuple(
            Step(event["timestamp"], event["stateEnteredEventDetails"]["name"])
            for event in self._environment.history(execution.arn)
            if event["type"].endswith("StateEntered")
        )
        if record or not execution.running:
            self._histories[execution.arn] = record, steps
        return steps

    def not_for_us(self) -> str:
        """Return what the starter logged about events that do not mean that somebody left."""
        lines = [json.loads(line) for line in self._environment.logs("StartOffboarding") if line.startswith("{")]
        return "; ".join(line["because"] for line in lines if line.get("message") == "not for us")

    def _subscribe(self) -> str:
        """Have a queue get what the approval topic publishes, in place of somebody's telephone."""
        queues = self._environment.client("sqs")
        queue: str = queues.create_queue(QueueName="on-call")["QueueUrl"]
        attributes = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
        self._environment.client("sns").subscribe(
            TopicArn=self._outputs["ApprovalTopicArn"], Protocol="sqs", Endpoint=attributes["QueueArn"]
        )
        return queue

    def _receive(self, queue: str) -> Iterator[dict[str, Any]]:
        """Take the messages out of a queue until it is empty."""
        queues = self._environment.client("sqs")
        while messages := queues.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                yield message
                queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def _read_executions(self, machine: str) -> Iterator[Execution]:
        pages = self._environment.client("stepfunctions").get_paginator("list_executions")
        for page in pages.paginate(stateMachineArn=self._outputs[machine]):
            for item in page["executions"]:
                yield self._execution(item["executionArn"], item["status"])

    def _execution(self, arn: str, status: str) -> Execution:
        """Describe an execution at its start and at its end; in between it says nothing new."""
        if arn in self._ended:
            return self._ended[arn]
        if status == "RUNNING" and arn in self._inputs:
            return Execution(arn, status, self._inputs[arn], None, None, None)
        answer = self._environment.describe(arn)
        self._inputs[arn] = json.loads(answer["input"])
        execution = Execution(
            arn=arn,
            status=answer["status"],
            input=self._inputs[arn],
            output=json.loads(answer["output"]) if "output" in answer else None,
            error=answer.get("error"),
            cause=answer.get("cause"),
        )
        if not execution.running:
            self._ended[arn] = execution
        return execution

    def _ended_record(self, execution: Execution) -> Record | None:
        """Read the record of an execution that has ended, until it says so too."""
        if execution.arn in self._ended_records:
            return self._ended_records[execution.arn]
        answer = self._environment.client("dynamodb").get_item(
            TableName=self._outputs["RecordsTableName"], Key={"Id": {"S": execution.arn}}, ConsistentRead=True
        )
        record = _record(answer["Item"]) if "Item" in answer else None
        if record is None or record.outcome:
            self._ended_records[execution.arn] = record
        return record


def _record(attributes: dict[str, Any]) -> Record:
    item = {name: TypeDeserializer().deserialize(value) for name, value in attributes.items()}
    return Record(
        execution_arn=item["Id"],
        name=item["Entity"]["Name"],
        status=item["Status"],
        outcome=item.get("Outcome"),
        due_at=item.get("DueAt"),
        deregistered_at=item.get("DeregisteredAt"),
        reasons=tuple(item.get("ApprovalReasons", ())),
        decision=item.get("Decision"),
        steps=tuple(step["Step"] for step in item.get("Steps", ())),
    )
