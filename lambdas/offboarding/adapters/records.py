"""The records: one item per offboarding, written before the destructive call, and what keeps one live at a time.

One DynamoDB table with three kinds of items, told apart by their key `Id`:

- the **record** of an offboarding, under its execution's ARN;
- the **pointer** of an entity, `m-…/entity-id`: which execution offboards it or was the last to (`ExecutionArn`,
  `Live`), and which one's record is that of its window (`WindowOf`);
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

from offboarding.adapters.aws import client, code, unavailable

Item = Mapping[str, Any]

database = client("dynamodb")

_REFUSED = "ConditionalCheckFailedException"
_OUT_OF_THE_WINDOW = frozenset({"CleanupVerified", "Reenabled", "EntityRemoved"})
_WATCHED_TO_THE_END = _OUT_OF_THE_WINDOW | {"ServiceEnded"}
_NOT_OVER = ("Outcome", "Cause", "EndedAt")
"""What a record does not have while its execution runs; a redriven execution runs again."""


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
    asked_at
        RFC 3339, when the destructive call was last about to be made, unless WorkMail has said no.
    deregistering
        Whether the destructive call was about to be made, or the entity was found to be deregistered.
    task_token
        What its approval is answered with.
    decision
        Who decided on the approval, when and how.
    approval
        The approval that the execution acted on.
    superseded_by
        The execution whose record took this one's place: it offboards the entity anew, or watches its window on.
    """

    execution_arn: str
    organization_id: str
    entity: Mapping[str, Any]
    status: Status
    outcome: str | None
    ended_at: str | None
    deregistered_at: str | None
    retention_ends_at: str | None
    asked_at: str | None
    deregistering: bool
    task_token: str | None
    decision: Mapping[str, Any] | None
    approval: Mapping[str, Any] | None
    superseded_by: str | None

    @property
    def addresses(self) -> list[str]:
        """The entity's primary address and its aliases, as recorded."""
        return [address for address in (self.entity.get("Email"), *(self.entity.get("Aliases") or [])) if address]


@dataclass(frozen=True)
class Pointer:
    """Which execution an entity belongs to.

    Attributes
    ----------
    execution_arn, held_since
        Who holds it or was the last to, and since when.
    is_live
        Whether it holds it now.
    window_of
        The execution whose record is that of the entity's last deregistration.
    """

    execution_arn: str
    held_since: str
    is_live: bool
    window_of: str | None


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

    def pointer(self, organization_id: str, entity_id: str) -> Pointer | None:
        """Read the pointer of an entity, consistently."""
        item = self._get(pointer_id(organization_id, entity_id))
        return _pointer(item) if item else None

    def listed(self, status: Status, organization_id: str) -> Iterator[Record]:
        """Go through the records of an organization that the index lists under a status.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
        """
        start: dict[str, Any] = {}
        while True:
            answer = self._call(
                "Query",
                IndexName="ByStatus",
                KeyConditionExpression="StatusKey = :key",
                ExpressionAttributeValues=_values({":key": status_key(status, organization_id)}),
                **start,
            )
            for item in answer["Items"]:
                yield _record(_plain(item))
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def hold(
        self, organization_id: str, entity_id: str, execution_arn: str, at: str, *, over: str | None = None
    ) -> Pointer | None:
        """Make an execution the one that offboards an entity.

        Parameters
        ----------
        over
            The execution to take over from, which has been found to be over or out of date.

        Returns
        -------
        Pointer | None
            None if this execution holds the entity now; otherwise the pointer to the one that must be looked at first.
        """
        try:
            self._update(
                pointer_id(organization_id, entity_id),
                "SET ExecutionArn = :me, Live = :live, HeldSince = :at",
                {":me": execution_arn, ":live": True, ":at": at, ":other": over or execution_arn, ":idle": False},
                "attribute_not_exists(Id) OR Live = :idle OR ExecutionArn IN (:me, :other)",
                returns="ALL_OLD",
            )
        except _ConditionError as refusal:
            return _pointer(refusal.item)
        return None

    def hold_again(self, organization_id: str, entity_id: str, execution_arn: str) -> bool:
        """Say that an execution still offboards its entity, as after a redrive; False if another one does."""
        return self._attempt(
            pointer_id(organization_id, entity_id),
            "SET Live = :live",
            {":live": True, ":me": execution_arn},
            "ExecutionArn = :me",
        )

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
        removed = [*_NOT_OVER, "TaskToken", *([] if due_at else ["StatusKey", "DueAt"])]
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

    def claim_notice(self, organization_id: str, day: str, execution_arn: str) -> bool:
        """Say whether this execution is the one to tell that a day's cap is reached, however often it is asked."""
        return self._attempt(
            f"cap/{organization_id}/{day}",
            "SET NotifiedBy = :me",
            {":me": execution_arn},
            "attribute_not_exists(NotifiedBy) OR NotifiedBy = :me",
        )

    def return_notice(self, organization_id: str, day: str, execution_arn: str) -> None:
        """Leave it to the next one to tell, because this one could not."""
        self._attempt(f"cap/{organization_id}/{day}", "REMOVE NotifiedBy", {":me": execution_arn}, "NotifiedBy = :me")

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
        return self._write(execution_arn, assignments, ["Decision", *_NOT_OVER], step)

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
    ) -> Pointer | None:
        """Write that the destructive call comes next.

        Parameters
        ----------
        due_at
            When the retention ends if the call takes effect now.

        Returns
        -------
        Pointer | None
            The entity's pointer as it was before: `window_of` is whose window this execution takes over. None if this
            execution holds no entity or has no record; then nothing is written.
        """
        held = self.hold_again(organization_id, entity_id, execution_arn)
        pointer = self.pointer(organization_id, entity_id)
        assignments = {
            "Status": Status.DEREGISTERING.value,
            "StatusKey": status_key(Status.IN_WINDOW, organization_id),
            "DueAt": due_at,
            "DeregisteringAt": step["At"],
        }
        if not held or pointer is None:
            return None
        if not self._write(execution_arn, assignments, ["TaskToken", *_NOT_OVER], step):
            return None
        self._own_window(pointer, organization_id, entity_id, execution_arn, step["At"])
        return pointer

    def not_deregistered(self, execution_arn: str, step: Item) -> bool:
        """Write that WorkMail has said no: the entity is not in its window."""
        removed = ["StatusKey", "DueAt", "DeregisteringAt"]
        return self._write(execution_arn, {"Status": Status.RECORDED.value}, removed, step)

    def deregistered(self, execution_arn: str, organization_id: str, entity_id: str, dates: Item, step: Item) -> bool:
        """Write the dates that WorkMail confirmed; `RetentionEndsAt` is until when the entity is in the window."""
        pointer = self.pointer(organization_id, entity_id)
        assignments = {
            **dates,
            "Status": Status.IN_WINDOW.value,
            "StatusKey": status_key(Status.IN_WINDOW, organization_id),
            "DueAt": dates["RetentionEndsAt"],
        }
        if not self._write(execution_arn, assignments, _NOT_OVER, step):
            return False
        self._own_window(pointer, organization_id, entity_id, execution_arn, step["At"])
        return True

    def looked(self, execution_arn: str, organization_id: str, entity_id: str, outcome: str | None, step: Item) -> bool:
        """Write what a look at WorkMail showed; with an outcome the offboarding is over."""
        if outcome is None:
            return self._write(execution_arn, {}, _NOT_OVER, step)
        self.let_go(organization_id, entity_id, execution_arn)
        facts = {"Status": Status.ENDED.value, "Outcome": outcome, "EndedAt": step["At"]}
        removed = ["StatusKey", "DueAt"] if outcome in _OUT_OF_THE_WINDOW else []
        return self._write(execution_arn, facts, ["Cause", *removed], step)

    def supersede(self, execution_arn: str, by: str, step: Item) -> bool:
        """Write that another execution offboards the entity anew."""
        return self._write(execution_arn, {"SupersededBy": by}, ["StatusKey", "DueAt"], step)

    def restoring(self, record: Record, status: Status, facts: Item, step: Item) -> bool:
        """Write how far a restore has come; a restored entity is not in the window any more."""
        assignments = {**facts, "Status": status.value}
        if status is Status.RESTORED:
            assignments |= {
                "StatusKey": status_key(status, record.organization_id),
                "DueAt": record.retention_ends_at or step["At"],
            }
        return self._write(record.execution_arn, assignments, [], step)

    def close(self, record: Record, outcome: str, cause: str | None, at: str) -> bool:
        """Write how an execution ended, and let go of the entity; False if the record has changed since it was read.

        What was deregistered and is not watched to the end any more stays in the window's index, as `Unwatched`:
        its mailbox goes all the same.
        """
        self.let_go(record.organization_id, record.entity["Id"], record.execution_arn)
        if record.outcome == outcome and record.status in {Status.ENDED, Status.UNWATCHED}:
            return True
        was_restored = record.status is Status.RESTORED
        unwatched = (
            record.deregistering
            and outcome not in _WATCHED_TO_THE_END
            and not was_restored
            and record.superseded_by is None
        )
        status = Status.UNWATCHED if unwatched else Status.ENDED
        facts = {"Status": status.value, "Outcome": outcome, "EndedAt": at, **({"Cause": cause} if cause else {})}
        stays_listed = unwatched or was_restored or (record.deregistering and outcome == "ServiceEnded")
        removed = ["TaskToken", *([] if cause else ["Cause"]), *([] if stays_listed else ["StatusKey", "DueAt"])]
        step = {"At": at, "Step": "Ended", "Outcome": outcome}
        return self._write(record.execution_arn, facts, removed, step, only_if=record.status)

    def _own_window(
        self, pointer: Pointer | None, organization_id: str, entity_id: str, execution_arn: str, at: str
    ) -> None:
        """Make a record that of the entity's window, once it is listed; the one that was that before is out of date.

        That one is told first: if this ends halfway, or an answer is lost, the next attempt still sees which it was.
        An entity may so be listed twice for a while, and never not at all.
        """
        if pointer is None or pointer.execution_arn != execution_arn or pointer.window_of == execution_arn:
            return
        if pointer.window_of:
            self.supersede(pointer.window_of, execution_arn, {"At": at, "Step": "Superseded", "By": execution_arn})
        self._attempt(
            pointer_id(organization_id, entity_id),
            "SET WindowOf = :me",
            {":me": execution_arn},
            "ExecutionArn = :me",
        )

    def _write(
        self,
        execution_arn: str,
        assignments: Item,
        removed: Sequence[str],
        step: Item,
        *,
        must_exist: bool = True,
        only_if: Status | None = None,
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
        condition = "attribute_exists(Id)" if must_exist else None
        if only_if is not None:
            condition, values[":was"] = "#Status = :was", only_if.value
        return self._attempt(
            execution_arn, expression, {**values, ":NoSteps": [], ":Step": [dict(step)]}, condition, names=names
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
        returns: str | None = None,
    ) -> dict[str, Any]:
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
        if returns:
            parameters |= {"ReturnValues": returns, "ReturnValuesOnConditionCheckFailure": returns}
        return self._call("UpdateItem", **parameters)

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


def _pointer(item: Item) -> Pointer:
    return Pointer(
        execution_arn=item["ExecutionArn"],
        held_since=item["HeldSince"],
        is_live=item["Live"],
        window_of=item.get("WindowOf"),
    )


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
        asked_at=item.get("DeregisteringAt"),
        deregistering="DeregisteringAt" in item or "DeregisteredAt" in item,
        task_token=item.get("TaskToken"),
        approval=item.get("Approval"),
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
