"""The records: one item per offboarding, written before the destructive call, and what keeps one live at a time.

One DynamoDB table with three kinds of items, told apart by their key `Id`:

- the **record** of an offboarding, under its execution's ARN;
- the **pointer** of an entity, `m-…/entity-id`: which execution offboards it, or was the last to;
- the **count** of a day, `cap/m-…/2026-11-24`: whom identity providers have had deregistered on it.

A record's `StatusKey` and `DueAt` are there only as long as something is still to come, and are the key of the
index that answers "who is in the window, until when" with one query.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from offboarding.aws import client, code, unavailable

Item = Mapping[str, Any]

database = client("dynamodb")

_REFUSED = "ConditionalCheckFailedException"
_WATCHED_TO_THE_END = frozenset({"CleanupVerified", "Reenabled", "EntityRemoved", "ServiceEnded"})


class Status(StrEnum):
    """What an offboarding is at. `Ended` has an `Outcome`; `Unwatched` has one too, and the mailbox still goes."""

    RECORDED = "Recorded"
    SCHEDULED = "Scheduled"
    AWAITING_APPROVAL = "AwaitingApproval"
    DEREGISTERING = "Deregistering"
    IN_WINDOW = "InWindow"
    RESTORING = "Restoring"
    RESTORED = "Restored"
    UNWATCHED = "Unwatched"
    ENDED = "Ended"


@dataclass(frozen=True)
class Record:
    """The record of one offboarding, as far as decisions are made from it.

    Attributes
    ----------
    execution_arn, organization_id
        Whose.
    entity
        The entity as it was before anything happened to it: `Id, Type, Name`, and of `Email, UserRole, State`,
        the dates, `Aliases`, `Groups` (`Id`, `Name`) and `MailboxSize` those that WorkMail showed.
    status, outcome
        How it stands; an outcome only once it has ended.
    deregistered_at, retention_ends_at
        RFC 3339, once WorkMail has confirmed the deregistration.
    deregistering
        Whether the destructive call was about to be made, or was made.
    task_token
        What its approval is answered with.
    decision
        Who decided on the approval, when and how.
    superseded_by
        The execution that offboards the entity anew, after it was registered again.
    """

    execution_arn: str
    organization_id: str
    entity: Mapping[str, Any]
    status: Status
    outcome: str | None
    ended_at: str | None
    deregistered_at: str | None
    retention_ends_at: str | None
    deregistering: bool
    task_token: str | None
    decision: Mapping[str, Any] | None
    superseded_by: str | None

    @property
    def addresses(self) -> list[str]:
        """The entity's primary address and its aliases, as recorded."""
        return [address for address in (self.entity.get("Email"), *(self.entity.get("Aliases") or [])) if address]


def pointer_id(organization_id: str, entity_id: str) -> str:
    """Return the key of an entity's pointer."""
    return f"{organization_id}/{entity_id}"


class Records:
    """The table. Every method can raise `RecordUnavailable` and `AccessDenied`.

    Writes are conditional, so that each can be made again; `bool` says whether the record was there to write to.
    """

    def __init__(self) -> None:
        self._table = os.environ["RECORDS_TABLE"]

    def get(self, execution_arn: str) -> Record | None:
        """Read the record of an execution, consistently.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
        """
        item = self._get(execution_arn)
        return _record(item) if item else None

    def current(self, organization_id: str, entity_id: str) -> str | None:
        """Return the ARN of the execution that offboards an entity, or was the last to."""
        item = self._get(pointer_id(organization_id, entity_id))
        return str(item["ExecutionArn"]) if item else None

    def holder(self, organization_id: str, entity_id: str) -> str | None:
        """Return the ARN of the execution that holds an entity, if one does."""
        item = self._get(pointer_id(organization_id, entity_id))
        return str(item["ExecutionArn"]) if item and item["Live"] else None

    def in_window(self, organization_id: str) -> Iterator[Record]:
        """Go through the records of an organization whose entities are in their window.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
        """
        start: dict[str, Any] = {}
        while True:
            answer = self._call(
                "Query",
                IndexName="ByStatus",
                KeyConditionExpression="StatusKey = :key",
                ExpressionAttributeValues=_values({":key": status_key(Status.IN_WINDOW, organization_id)}),
                **start,
            )
            for item in answer["Items"]:
                yield _record(_plain(item))
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def hold(self, organization_id: str, entity_id: str, execution_arn: str, at: str, *, over: str | None) -> str:
        """Make an execution the one that offboards an entity.

        Parameters
        ----------
        over
            The execution to take over from, which has been found to be over or out of date.

        Returns
        -------
        str
            The ARN of the execution that holds the entity now: this one, or another that must be looked at first.
        """
        try:
            self._update(
                pointer_id(organization_id, entity_id),
                "SET ExecutionArn = :me, Live = :live, HeldSince = :at",
                {":me": execution_arn, ":live": True, ":at": at, ":other": over or execution_arn, ":idle": False},
                "attribute_not_exists(Id) OR Live = :idle OR ExecutionArn IN (:me, :other)",
                old=True,
            )
        except _ConditionError as refusal:
            return str(refusal.item["ExecutionArn"])
        return execution_arn

    def let_go(self, organization_id: str, entity_id: str, execution_arn: str) -> None:
        """Say that an execution does not offboard its entity any more, unless another one has taken over."""
        self._attempt(
            pointer_id(organization_id, entity_id),
            "SET Live = :idle",
            {":me": execution_arn, ":idle": False},
            "ExecutionArn = :me",
        )

    def open(self, execution_arn: str, facts: Item, status: Status, due_at: str | None, step: Item) -> None:
        """Write who is offboarded, as they are now, and who asked; again after each wait, for things change.

        Parameters
        ----------
        facts
            `OrganizationId, StartedAt, Entity`, and of `Requester, RequestedBy, Reason, NotBefore, Approval` those that
            are known.
        status, due_at
            `Recorded`, or `Scheduled` until a date.
        step
            What to add to its steps.
        """
        assignments = {**facts, "Status": status.value}
        if due_at:
            assignments |= {"StatusKey": status_key(status, facts["OrganizationId"]), "DueAt": due_at}
        removed = ["Outcome", "Cause", "EndedAt", "TaskToken", *([] if due_at else ["StatusKey", "DueAt"])]
        self._write(execution_arn, assignments, removed, step, must_exist=False)

    def take_slot(self, organization_id: str, day: str, execution_arn: str, cap: int) -> bool:
        """Count an execution against a day's cap, once; say whether there was room.

        Parameters
        ----------
        day
            The UTC date, like `2026-11-24`.
        """
        if cap == 0:
            return False
        return self._attempt(
            f"cap/{organization_id}/{day}",
            "ADD Taken :mine",
            {":mine": {execution_arn}, ":me": execution_arn, ":cap": cap},
            "attribute_not_exists(Taken) OR contains(Taken, :me) OR size(Taken) < :cap",
        )

    def slots_taken(self, organization_id: str, day: str) -> int:
        """Return how many of a day's slots are taken."""
        return len((self._get(f"cap/{organization_id}/{day}") or {}).get("Taken", ()))

    def first_notice(self, organization_id: str, day: str, at: str) -> bool:
        """Say whether nobody has been told yet that a day's cap is reached; from now on somebody has."""
        return self._attempt(
            f"cap/{organization_id}/{day}", "SET NotifiedAt = :at", {":at": at}, "attribute_not_exists(NotifiedAt)"
        )

    def await_approval(
        self, execution_arn: str, organization_id: str, task_token: str, reasons: Sequence[str], due_at: str, step: Item
    ) -> bool:
        """Write that an approval is asked for, and how it is answered; a former answer is forgotten."""
        assignments = {
            "Status": Status.AWAITING_APPROVAL.value,
            "StatusKey": status_key(Status.AWAITING_APPROVAL, organization_id),
            "DueAt": due_at,
            "TaskToken": task_token,
            "ApprovalReasons": list(reasons),
        }
        return self._write(execution_arn, assignments, ["Decision"], step)

    def decide(self, execution_arn: str, task_token: str, decision: Item) -> bool:
        """Write the decision on an approval; False if there is another one, or none is awaited any more."""
        return self._attempt(
            execution_arn,
            "SET Decision = :decision",
            {":decision": dict(decision), ":token": task_token, ":by": decision["DecidedIn"]},
            "TaskToken = :token AND (attribute_not_exists(Decision) OR Decision.DecidedIn = :by)",
        )

    def begin_deregistering(
        self, execution_arn: str, organization_id: str, entity_id: str, due_at: str, step: Item
    ) -> bool:
        """Write that the destructive call comes next; False if this execution holds no entity or has no record.

        Parameters
        ----------
        due_at
            When the retention ends if the call takes effect now.
        """
        held = self._attempt(
            pointer_id(organization_id, entity_id),
            "SET Live = :live",
            {":live": True, ":me": execution_arn},
            "ExecutionArn = :me",
        )
        assignments = {
            "Status": Status.DEREGISTERING.value,
            "StatusKey": status_key(Status.IN_WINDOW, organization_id),
            "DueAt": due_at,
            "DeregisteringAt": step["At"],
        }
        return held and self._write(execution_arn, assignments, ["TaskToken", "Outcome", "Cause", "EndedAt"], step)

    def deregistered(self, execution_arn: str, organization_id: str, dates: Item, step: Item) -> bool:
        """Write the dates that WorkMail confirmed; `RetentionEndsAt` is until when the entity is in the window."""
        assignments = {
            **dates,
            "Status": Status.IN_WINDOW.value,
            "StatusKey": status_key(Status.IN_WINDOW, organization_id),
            "DueAt": dates["RetentionEndsAt"],
        }
        return self._write(execution_arn, assignments, ["Outcome", "Cause", "EndedAt"], step)

    def note(self, execution_arn: str, step: Item) -> bool:
        """Add a step."""
        return self._write(execution_arn, {}, [], step)

    def supersede(self, execution_arn: str, by: str, step: Item) -> bool:
        """Write that another execution offboards the entity anew."""
        return self._write(execution_arn, {"SupersededBy": by}, ["StatusKey", "DueAt"], step)

    def restoring(self, execution_arn: str, status: Status, facts: Item, step: Item) -> bool:
        """Write how far a restore has come; a restored entity is not in the window any more."""
        removed = ["StatusKey", "DueAt"] if status is Status.RESTORED else []
        return self._write(execution_arn, {**facts, "Status": status.value}, removed, step)

    def close(self, record: Record, outcome: str, cause: str | None, at: str) -> bool:
        """Write how an execution ended, and let go of the entity.

        What was deregistered and is not watched to the end any more stays in the window's index, as `Unwatched`:
        its mailbox goes all the same.
        """
        unwatched = (
            record.deregistering
            and outcome not in _WATCHED_TO_THE_END
            and record.status is not Status.RESTORED
            and record.superseded_by is None
        )
        status = Status.UNWATCHED if unwatched else Status.ENDED
        facts = {"Status": status.value, "Outcome": outcome, "EndedAt": at, **({"Cause": cause} if cause else {})}
        removed = ["TaskToken", *([] if unwatched else ["StatusKey", "DueAt"])]
        step = {"At": at, "Step": "Ended", "Outcome": outcome}
        written = self._write(
            record.execution_arn, facts, removed, step, unless="#Outcome = :Outcome AND #EndedAt = :EndedAt"
        )
        self.let_go(record.organization_id, record.entity["Id"], record.execution_arn)
        return written

    def _write(
        self,
        execution_arn: str,
        assignments: Item,
        removed: Sequence[str],
        step: Item,
        *,
        must_exist: bool = True,
        unless: str | None = None,
    ) -> bool:
        """Assign members, take members away, and add a step, in one call."""
        values = {f":{name}": value for name, value in assignments.items()}
        names = {f"#{name}": name for name in (*assignments, *removed, "Steps")}
        expression = "SET " + ", ".join(
            [
                *(f"#{name} = :{name}" for name in assignments),
                "#Steps = list_append(if_not_exists(#Steps, :NoSteps), :Step)",
            ]
        )
        if removed:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        conditions = ["attribute_exists(Id)"] if must_exist else []
        conditions += [f"NOT ({unless})"] if unless else []
        return self._attempt(
            execution_arn,
            expression,
            {**values, ":NoSteps": [], ":Step": [dict(step)]},
            " AND ".join(conditions) or None,
            names=names,
        )

    def _attempt(
        self, key: str, expression: str, values: Item, condition: str | None, *, names: Mapping[str, str] | None = None
    ) -> bool:
        try:
            self._update(key, expression, values, condition, names=names)
        except _ConditionError:
            return False
        return True

    def _get(self, key: str) -> dict[str, Any] | None:
        answer = self._call("GetItem", Key=_values({"Id": key}), ConsistentRead=True)
        return _plain(answer["Item"]) if "Item" in answer else None

    def _update(
        self,
        key: str,
        expression: str,
        values: Item,
        condition: str | None,
        *,
        names: Mapping[str, str] | None = None,
        old: bool = False,
    ) -> None:
        """Change one item.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
        """
        parameters: dict[str, Any] = {
            "Key": _values({"Id": key}),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": _values(values),
        }
        if condition:
            parameters["ConditionExpression"] = condition
        if names:
            parameters["ExpressionAttributeNames"] = dict(names)
        if old:
            parameters["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        self._call("UpdateItem", **parameters)

    def _call(self, operation: str, **parameters: object) -> dict[str, Any]:
        methods = {"GetItem": database.get_item, "UpdateItem": database.update_item, "Query": database.query}
        try:
            answer: dict[str, Any] = methods[operation](TableName=self._table, **parameters)
        except ClientError as problem:
            if code(problem) == _REFUSED:
                raise _ConditionError(_plain(problem.response.get("Item", {}))) from None
            raise unavailable(f"dynamodb:{operation}", problem) from None
        except BotoCoreError as problem:
            raise unavailable(f"dynamodb:{operation}", problem) from None
        return answer


class _ConditionError(Exception):
    """The item is not as the condition wants it."""

    def __init__(self, item: Item) -> None:
        super().__init__()
        self.item = item


def status_key(status: Status, organization_id: str) -> str:
    """Return the partition of the index `ByStatus`, `InWindow m-…` for example."""
    return f"{status.value} {organization_id}"


def _record(item: Item) -> Record:
    return Record(
        execution_arn=item["Id"],
        organization_id=item["OrganizationId"],
        entity=item["Entity"],
        status=Status(item["Status"]),
        outcome=item.get("Outcome"),
        ended_at=item.get("EndedAt"),
        deregistered_at=item.get("DeregisteredAt"),
        retention_ends_at=item.get("RetentionEndsAt"),
        deregistering="DeregisteringAt" in item or "DeregisteredAt" in item,
        task_token=item.get("TaskToken"),
        decision=item.get("Decision"),
        superseded_by=item.get("SupersededBy"),
    )


def _values(values: Item) -> dict[str, Any]:
    return {name: TypeSerializer().serialize(_decimal(value)) for name, value in values.items()}


def _plain(item: Item) -> dict[str, Any]:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def _decimal(value: object) -> object:
    """Write a float as a decimal, which is what DynamoDB has numbers for."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {name: _decimal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_decimal(inner) for inner in value]
    return value
