"""Deletes everything that the table has of one person, and keeps a count."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from offboarding.adapters.executions import read_execution_status
from offboarding.adapters.records import Records, build_step, entity_key, identifier_key
from offboarding.adapters.table import Key, Table, build_removal
from offboarding.domain import errors

_STEP_PREFIX = "Step "


@dataclass
class Erasure:
    """What was deleted.

    Attributes
    ----------
    executions
        How many executions had records of the person.
    items
        How many items were deleted or changed.
    """

    executions: int = 0
    items: int = 0


def erase_entity(organization_id: str, entity_id: str, identifiers: Iterable[str] = ()) -> Erasure:
    """Delete all items about an entity; a repetition completes what an earlier attempt has not finished.

    Parameters
    ----------
    identifiers
        Names and addresses beside those in its records.

    Raises
    ------
    InvalidRequest
        If an execution still offboards the entity, or it can still be restored.
    RecordUnavailable, AccessDenied
        If DynamoDB or Step Functions does not answer.
    """
    table, erasure = Table(), Erasure()
    key = entity_key(organization_id, entity_id)
    lock = Records().find_lock(organization_id, entity_id)
    if lock is not None and lock.is_live and read_execution_status(lock.execution_arn).is_running:
        raise errors.InvalidRequest(
            f"The execution {lock.execution_arn} offboards this entity. Nothing was deleted. Erase it after that."
        )
    arns = _find_executions(table, key)
    records = [record for arn in arns if (record := table.read(Key(arn, "Record")))]
    due_dates = sorted(record["DueAt"] for record in records if "StatusKey" in record)
    if due_dates:
        raise errors.InvalidRequest(
            f"The entity can be restored until {due_dates[-1]}, and only by its record. Nothing was deleted. Erase it "
            "on the day after that."
        )
    recorded = {identifier for record in records for identifier in _list_identifiers(record)}
    for identifier in sorted(recorded.union(identifiers)):
        arns |= _remove_identifier(table, identifier, key, erasure)
    for arn in sorted(arns):
        _delete_execution(table, arn, erasure)
    if lock is not None:
        _delete(table, [Key(key, "Lock")], erasure)
    return erasure


def record_erasure(organization_id: str, erasure: Erasure, requested_by: str, at: str, id_: str) -> None:
    """Record that something was deleted, and how much; not of whom."""
    counts = {"Executions": erasure.executions, "Items": erasure.items}
    log_entry = {"At": at, "Step": "Erased", **counts, "RequestedBy": requested_by}
    Table().put(build_step(f"erased/{id_}", {"OrganizationId": organization_id}, log_entry))


def _find_executions(table: Table, partition: str) -> set[str]:
    """Return the ARNs of the executions that have a step of an entity, or of an unresolved identifier."""
    steps = table.query("#EntityKey = :key", index="ByEntity", key=partition)
    return {step["Id"] for step in steps}


def _list_identifiers(record: dict[str, Any]) -> Iterator[str]:
    entity = record.get("Entity") or {}
    yield from filter(None, (entity.get("Id"), entity.get("Name"), entity.get("Email"), *(entity.get("Aliases") or ())))


def _remove_identifier(table: Table, identifier: str, entity: str, erasure: Erasure) -> set[str]:
    """Let a name or an address lead to the entity no more.

    Returns the executions that were asked for by it and resolved nothing, if no other entity has or had it.
    """
    key = Key(identifier_key(identifier), "Entities")
    others = set((table.read(key) or {}).get("Entities", ())) - {entity}
    if others:
        erasure.items += table.try_update(build_removal(key, "Entities", frozenset({entity})))
        return set()
    _delete(table, [key], erasure)
    return _find_executions(table, key.id)


def _delete_execution(table: Table, execution_arn: str, erasure: Erasure) -> None:
    """Delete the items of an execution, the steps last: by these a repetition finds it."""
    keys = [Key(item["Id"], item["Part"]) for item in table.query("#Id = :id", id=execution_arn)]
    _delete(table, sorted(keys, key=lambda key: key.part.startswith(_STEP_PREFIX)), erasure)
    erasure.executions += 1


def _delete(table: Table, keys: Iterable[Key], erasure: Erasure) -> None:
    for key in keys:
        table.delete(key)
        erasure.items += 1
