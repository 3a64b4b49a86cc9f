"""The table of records: one item per offboarding, written before the destructive call, and one live one per entity.

One DynamoDB table with four kinds of items, told apart by their key `Id`:

- the **record** of an offboarding, under its execution's ARN;
- the **lock** of an entity, `m-…/entity-id`: the execution that offboards it or was the last to (`ExecutionArn`,
  `Live`), and the execution whose record is that of its window (`WindowOf`);
- the **count** of a day, `cap/m-…/2026-11-24`: the executions that identity providers have started and that have
  deregistered an entity on it;
- a **refused event** of an identity provider, `refused/message-id`: when, from which provider, and why.

A record has `StatusKey` and `DueAt` only as long as something is still to come. They are the key of the index that
answers "who is in the window, until when" with one query.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from offboarding import configuration
from offboarding.adapters.aws import client, error_code, unavailable_error
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.record import Decision, EntityLock, Record, Status

Item = Mapping[str, Any]

database = client("dynamodb")

REFUSED = "Refused"
"""The status, and the partition of the index, of events that were refused."""

_CONDITION_FAILED = "ConditionalCheckFailedException"
_REMOVED_FROM_WINDOW = frozenset({"CleanupVerified", "Reenabled", "EntityRemoved"})
_VERIFIED_OUTCOMES = _REMOVED_FROM_WINDOW | {"ServiceEnded"}
_OUTCOME_MEMBERS = ("Outcome", "Cause", "EndedAt")
"""What a record does not have while its execution runs; a redriven execution runs again."""
_WINDOW_MEMBERS = ("StatusKey", "DueAt")
"""What keeps a record in the index."""


def entity_lock_id(organization_id: str, entity_id: str) -> str:
    """Return the key of an entity's lock."""
    return f"{organization_id}/{entity_id}"


class Records:
    """The table. Every method can raise `RecordUnavailable` and `AccessDenied`.

    Writes are conditional, so that each can be made again; `bool` says whether the record was there to write to.
    """

    def __init__(self) -> None:
        self._table = configuration.records_table()

    def find(self, execution_arn: str) -> Record | None:
        """Read the record of an execution that has resolved an entity, consistently.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
        """
        item = self._read(execution_arn)
        return _parse_record(item) if item and "Entity" in item else None

    def find_lock(self, organization_id: str, entity_id: str) -> EntityLock | None:
        """Read the lock of an entity, consistently."""
        item = self._read(entity_lock_id(organization_id, entity_id))
        return _parse_lock(item) if item else None

    def iterate_by_status(self, status: Status, organization_id: str) -> Iterator[Record]:
        """Go through the records of an organization that the index has under a status.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
        """
        start: dict[str, Any] = {}
        while True:
            answer = self._call(
                "Query",
                IndexName="ByStatus",
                KeyConditionExpression="StatusKey = :key",
                ExpressionAttributeValues=_serialize({":key": status_key(status, organization_id)}),
                **start,
            )
            for item in answer["Items"]:
                yield _parse_record(_deserialize(item))
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def hold(
        self, offboarding: Offboarding, held_since: str, *, take_over_from: str | None = None
    ) -> EntityLock | None:
        """Make an execution the one that offboards its entity.

        Parameters
        ----------
        held_since
            RFC 3339.
        take_over_from
            The execution to take over from, which has been found to be over or out of date.

        Returns
        -------
        EntityLock | None
            None if this execution holds the entity now; otherwise the lock, whose execution must be looked at first.
        """
        values = {
            ":execution": offboarding.execution_arn,
            ":live": True,
            ":since": held_since,
            ":holder": take_over_from or offboarding.execution_arn,
            ":idle": False,
        }
        try:
            self._update(
                _lock_of(offboarding),
                "SET ExecutionArn = :execution, Live = :live, HeldSince = :since",
                values,
                "attribute_not_exists(Id) OR Live = :idle OR ExecutionArn IN (:execution, :holder)",
                returns="ALL_OLD",
            )
        except _ConditionError as refusal:
            return _parse_lock(refusal.item)
        return None

    def renew_hold(self, offboarding: Offboarding) -> bool:
        """Record that an execution still offboards its entity, as after a redrive; False if another one does."""
        return self._try_update(
            _lock_of(offboarding),
            "SET Live = :live",
            {":live": True, ":execution": offboarding.execution_arn},
            "ExecutionArn = :execution",
        )

    def release(self, offboarding: Offboarding) -> None:
        """Record that an execution does not offboard its entity any more, unless another one has taken over."""
        self._try_update(
            _lock_of(offboarding),
            "SET Live = :idle",
            {":execution": offboarding.execution_arn, ":idle": False},
            "ExecutionArn = :execution",
        )

    def create_or_update(
        self, execution_arn: str, facts: Item, status: Status, due_at: str | None, log_entry: Item
    ) -> None:
        """Record the entity as it is now, and who asked; again after each wait, because things change.

        Parameters
        ----------
        facts
            `OrganizationId, StartedAt, Entity`, and of `Requester, RequestedBy, Reason, NotBefore, Approval` those that
            are known.
        status, due_at
            `Recorded`, or `Scheduled` until a date.
        log_entry
            The entry to append to its `Steps`.
        """
        assignments = {**facts, "Status": status.value}
        if due_at:
            assignments |= {"StatusKey": status_key(status, facts["OrganizationId"]), "DueAt": due_at}
        removed = [*_OUTCOME_MEMBERS, "TaskToken", *([] if due_at else _WINDOW_MEMBERS)]
        self._write(execution_arn, assignments, removed, log_entry, must_exist=False)

    def take_slot(self, offboarding: Offboarding, day: str, cap: int) -> bool:
        """Count an execution against a day's cap, once; return whether there was room.

        Parameters
        ----------
        day
            The UTC date, like `2026-11-24`.
        """
        if cap == 0:
            return False
        execution_arn = offboarding.execution_arn
        return self._try_update(
            _count_id(offboarding.organization_id, day),
            "ADD Taken :added",
            {":added": {execution_arn}, ":execution": execution_arn, ":cap": cap},
            "attribute_not_exists(Taken) OR contains(Taken, :execution) OR size(Taken) < :cap",
        )

    def count_slots_taken(self, organization_id: str, day: str) -> int:
        """Return how many of a day's slots are taken."""
        return len((self._read(_count_id(organization_id, day)) or {}).get("Taken", ()))

    def claim_notification(self, offboarding: Offboarding, day: str) -> bool:
        """Return whether this execution is the one to notify people that a day's cap is reached; the answer stays."""
        return self._try_update(
            _count_id(offboarding.organization_id, day),
            "SET NotifiedBy = :execution",
            {":execution": offboarding.execution_arn},
            "attribute_not_exists(NotifiedBy) OR NotifiedBy = :execution",
        )

    def release_notification(self, offboarding: Offboarding, day: str) -> None:
        """Leave the notification to the next execution, because this one could not send it."""
        self._try_update(
            _count_id(offboarding.organization_id, day),
            "REMOVE NotifiedBy",
            {":execution": offboarding.execution_arn},
            "NotifiedBy = :execution",
        )

    def record_approval_request(
        self, offboarding: Offboarding, task_token: str, reasons: Sequence[str], due_at: str, log_entry: Item
    ) -> bool:
        """Record that an approval is needed, and the token that takes the decision; a former decision is removed."""
        assignments = {
            "Status": Status.AWAITING_APPROVAL.value,
            "StatusKey": status_key(Status.AWAITING_APPROVAL, offboarding.organization_id),
            "DueAt": due_at,
            "TaskToken": task_token,
            "ApprovalReasons": list(reasons),
        }
        return self._write(offboarding.execution_arn, assignments, ["Decision", *_OUTCOME_MEMBERS], log_entry)

    def record_decision(self, execution_arn: str, task_token: str, decision: Decision) -> bool:
        """Record the decision on an approval; False if there is another one, or none is awaited any more."""
        return self._try_update(
            execution_arn,
            "SET Decision = :decision",
            {":decision": dict(decision), ":token": task_token, ":decided_in": decision["DecidedIn"]},
            "TaskToken = :token AND (attribute_not_exists(Decision) OR Decision.DecidedIn = :decided_in)",
        )

    def record_attempt(self, offboarding: Offboarding, due_at: str, log_entry: Item) -> EntityLock | None:
        """Record that WorkMail is asked next to deregister the entity.

        Parameters
        ----------
        due_at
            When the retention ends if the call takes effect now.

        Returns
        -------
        EntityLock | None
            The entity's lock as it was before, with the execution whose window this one takes over. None if this
            execution holds no entity or has no record; then nothing is written.
        """
        is_held = self.renew_hold(offboarding)
        previous_lock = self.find_lock(offboarding.organization_id, offboarding.entity_id)
        assignments = {
            "Status": Status.DEREGISTERING.value,
            "StatusKey": status_key(Status.IN_WINDOW, offboarding.organization_id),
            "DueAt": due_at,
            "DeregisteringAt": log_entry["At"],
        }
        if not is_held or previous_lock is None:
            return None
        if not self._write(offboarding.execution_arn, assignments, ["TaskToken", *_OUTCOME_MEMBERS], log_entry):
            return None
        self._take_over_window(offboarding, previous_lock, log_entry["At"])
        return previous_lock

    def record_refusal(self, execution_arn: str, log_entry: Item) -> bool:
        """Record that WorkMail has deregistered nothing: the entity is not in a window of this execution."""
        removed = [*_WINDOW_MEMBERS, "DeregisteringAt"]
        return self._write(execution_arn, {"Status": Status.RECORDED.value}, removed, log_entry)

    def record_deregistration(self, offboarding: Offboarding, dates: Item, log_entry: Item) -> bool:
        """Record the dates that WorkMail confirmed; the entity is in the window until `RetentionEndsAt`."""
        previous_lock = self.find_lock(offboarding.organization_id, offboarding.entity_id)
        assignments = {
            **dates,
            "Status": Status.IN_WINDOW.value,
            "StatusKey": status_key(Status.IN_WINDOW, offboarding.organization_id),
            "DueAt": dates["RetentionEndsAt"],
        }
        if not self._write(offboarding.execution_arn, assignments, _OUTCOME_MEMBERS, log_entry):
            return False
        self._take_over_window(offboarding, previous_lock, log_entry["At"])
        return True

    def record_verification(self, offboarding: Offboarding, outcome: str | None, log_entry: Item) -> bool:
        """Record what a check of WorkMail showed; with an outcome the offboarding is over."""
        if outcome is None:
            return self._write(offboarding.execution_arn, {}, _OUTCOME_MEMBERS, log_entry)
        self.release(offboarding)
        facts = {"Status": Status.ENDED.value, "Outcome": outcome, "EndedAt": log_entry["At"]}
        removed = _WINDOW_MEMBERS if outcome in _REMOVED_FROM_WINDOW else ()
        return self._write(offboarding.execution_arn, facts, ["Cause", *removed], log_entry)

    def supersede(self, execution_arn: str, by: str, log_entry: Item) -> bool:
        """Record that another execution offboards the entity again."""
        return self._write(execution_arn, {"SupersededBy": by}, _WINDOW_MEMBERS, log_entry)

    def record_restore_step(self, record: Record, status: Status, facts: Item, log_entry: Item) -> bool:
        """Record how far a restore has come; a restored entity is not in the window any more."""
        assignments = {**facts, "Status": status.value}
        if status is Status.RESTORED:
            assignments |= {
                "StatusKey": status_key(status, record.organization_id),
                "DueAt": record.retention_ends_at or log_entry["At"],
            }
        return self._write(record.execution_arn, assignments, [], log_entry)

    def close(self, record: Record, outcome: str, cause: str | None, ended_at: str) -> bool:
        """Record how an execution ended, and release the entity; False if the record has changed since it was read.

        An entity that was deregistered and is not verified any more stays in the window's index, as `Unwatched`: its
        mailbox goes all the same.
        """
        self.release(record.offboarding)
        if record.outcome == outcome and record.status in {Status.ENDED, Status.UNWATCHED}:
            return True
        is_restored = record.status is Status.RESTORED
        is_unwatched = (
            record.deregistration_attempted
            and outcome not in _VERIFIED_OUTCOMES
            and not is_restored
            and record.superseded_by is None
        )
        status = Status.UNWATCHED if is_unwatched else Status.ENDED
        facts = {"Status": status.value, "Outcome": outcome, "EndedAt": ended_at, **({"Cause": cause} if cause else {})}
        has_ended_with_service = record.deregistration_attempted and outcome == "ServiceEnded"
        stays_in_index = is_unwatched or is_restored or has_ended_with_service
        removed = ["TaskToken", *([] if cause else ["Cause"]), *([] if stays_in_index else _WINDOW_MEMBERS)]
        log_entry = {"At": ended_at, "Step": "Ended", "Outcome": outcome}
        return self._write(record.execution_arn, facts, removed, log_entry, only_if=record.status)

    def record_end(self, execution_arn: str, facts: Item, outcome: str, cause: str | None, ended_at: str) -> None:
        """Record the end of an execution that has no record of its own, because it never came to write one.

        Parameters
        ----------
        facts
            Those of `OrganizationId, StartedAt, EntityId, Entity, DryRun, NotBefore, Reason, RequestedBy, Requester`
            that the execution's input and output have.
        """
        assignments = {
            **facts,
            "Status": Status.ENDED.value,
            "Outcome": outcome,
            "EndedAt": ended_at,
            **({"Cause": cause} if cause else {}),
        }
        # A redriven execution can fail again before it has resolved an entity: its later end counts.
        removed = [] if cause else ["Cause"]
        self._assign(execution_arn, assignments, "attribute_not_exists(Entity)", removed)

    def record_refused_event(self, message_id: str, facts: Item, reason: str, refused_at: str) -> None:
        """Record that an identity provider's event was refused; the index has these under `Refused`, by their time.

        Parameters
        ----------
        message_id
            The id of the queue's message, by which a repeated delivery finds its item.
        facts
            Those of `Provider, EventId, OccurredAt` that the event has. No name and no address.
        """
        assignments = {
            **facts,
            "Status": REFUSED,
            "StatusKey": REFUSED,
            "DueAt": refused_at,
            "RefusedAt": refused_at,
            "Reason": reason,
        }
        self._assign(f"refused/{message_id}", assignments, "attribute_not_exists(Id)")

    def _take_over_window(self, offboarding: Offboarding, previous_lock: EntityLock | None, at: str) -> None:
        """Make a record that of the entity's window, once it is in the index; the one that was that is out of date.

        That one is marked first: if this ends halfway, or an answer is lost, the next attempt still sees which it was.
        An entity may so be in the index twice for a while, and is never missing from it.
        """
        execution_arn = offboarding.execution_arn
        if previous_lock is None or previous_lock.execution_arn != execution_arn:
            return
        if previous_lock.window_execution_arn == execution_arn:
            return
        if previous_lock.window_execution_arn:
            log_entry = {"At": at, "Step": "Superseded", "By": execution_arn}
            self.supersede(previous_lock.window_execution_arn, execution_arn, log_entry)
        self._try_update(
            _lock_of(offboarding),
            "SET WindowOf = :execution",
            {":execution": execution_arn},
            "ExecutionArn = :execution",
        )

    def _write(
        self,
        execution_arn: str,
        assignments: Item,
        removed: Sequence[str],
        log_entry: Item,
        *,
        must_exist: bool = True,
        only_if: Status | None = None,
    ) -> bool:
        """Assign members, remove members, and append an entry to `Steps`, in one call."""
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
            condition, values[":expected"] = "#Status = :expected", only_if.value
        values |= {":NoSteps": [], ":Step": [dict(log_entry)]}
        return self._try_update(execution_arn, expression, values, condition, names=names)

    def _assign(self, key: str, assignments: Item, condition: str, removed: Sequence[str] = ()) -> bool:
        """Assign and remove members of one item; False if it is not as the condition wants it."""
        names = {f"#{name}": name for name in (*assignments, *removed)}
        values = {f":{name}": value for name, value in assignments.items()}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in assignments)
        if removed:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        return self._try_update(key, expression, values, condition, names=names)

    def _try_update(
        self, key: str, expression: str, values: Item, condition: str | None, *, names: Mapping[str, str] | None = None
    ) -> bool:
        """Change one item; False if it is not as the condition wants it."""
        try:
            self._update(key, expression, values, condition, names=names)
        except _ConditionError:
            return False
        return True

    def _read(self, key: str) -> dict[str, Any] | None:
        answer = self._call("GetItem", Key=_serialize({"Id": key}), ConsistentRead=True)
        return _deserialize(answer["Item"]) if "Item" in answer else None

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
            "Key": _serialize({"Id": key}),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": _serialize(values),
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
        except ClientError as error:
            if error_code(error) == _CONDITION_FAILED:
                raise _ConditionError(_deserialize(error.response.get("Item", {}))) from None
            raise unavailable_error(f"dynamodb:{operation}", error) from None
        except BotoCoreError as error:
            raise unavailable_error(f"dynamodb:{operation}", error) from None
        return answer


class _ConditionError(Exception):
    """The item is not as the condition wants it."""

    def __init__(self, item: Item) -> None:
        super().__init__()
        self.item = item


def status_key(status: Status, organization_id: str) -> str:
    """Return the partition of the index `ByStatus`, `InWindow m-…` for example."""
    return f"{status.value} {organization_id}"


def _lock_of(offboarding: Offboarding) -> str:
    return entity_lock_id(offboarding.organization_id, offboarding.entity_id)


def _count_id(organization_id: str, day: str) -> str:
    return f"cap/{organization_id}/{day}"


def _parse_lock(item: Item) -> EntityLock:
    return EntityLock(
        execution_arn=item["ExecutionArn"],
        held_since=item["HeldSince"],
        is_live=item["Live"],
        window_execution_arn=item.get("WindowOf"),
    )


def _parse_record(item: Item) -> Record:
    return Record(
        execution_arn=item["Id"],
        organization_id=item["OrganizationId"],
        entity=item["Entity"],
        status=Status(item["Status"]),
        outcome=item.get("Outcome"),
        ended_at=item.get("EndedAt"),
        deregistered_at=item.get("DeregisteredAt"),
        retention_ends_at=item.get("RetentionEndsAt"),
        attempted_at=item.get("DeregisteringAt"),
        deregistration_attempted="DeregisteringAt" in item or "DeregisteredAt" in item,
        task_token=item.get("TaskToken"),
        approval=item.get("Approval"),
        decision=item.get("Decision"),
        superseded_by=item.get("SupersededBy"),
    )


def _serialize(values: Item) -> dict[str, Any]:
    return {name: TypeSerializer().serialize(_to_decimal(value)) for name, value in values.items()}


def _deserialize(item: Item) -> dict[str, Any]:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def _to_decimal(value: object) -> object:
    """Return a float as a decimal, which is what DynamoDB has numbers for."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {name: _to_decimal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_to_decimal(inner) for inner in value]
    return value
