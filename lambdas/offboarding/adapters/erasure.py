"""Deletes everything that the table has of one person, and keeps a count."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from offboarding.adapters.executions import FORGOTTEN, read_execution_status
from offboarding.adapters.records import (
    IDENTIFIER_PREFIX,
    PROVIDER_PREFIX,
    Records,
    build_step,
    entity_key,
    erased_key,
    identifier_key,
    provider_user_key,
)
from offboarding.adapters.reports import PRESENCE, list_presences
from offboarding.adapters.table import Key, Table
from offboarding.domain import errors
from offboarding.domain.record import EntityLock, Status
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import ONE_DAY, parse

_REMEMBERED_FOR = timedelta(days=100)
"""Step Functions knows an execution for 90 days after its end, and the sweep must not record it again."""

_RESTORABLE = frozenset({Status.IN_WINDOW, Status.RESTORED})
"""Under these the index has an entity that is in its window, or was restored in it."""


@dataclass
class Erasure:
    """What was deleted.

    Attributes
    ----------
    executions
        How many executions had items of the person.
    items
        How many items were deleted.
    """

    executions: int = 0
    items: int = 0


def erase_entity(organization_id: str, entity_id: str, now: datetime, identifiers: Iterable[str] = ()) -> Erasure:
    """Delete all items about an entity; a repetition completes what an earlier attempt has not finished.

    Parameters
    ----------
    identifiers
        Names and addresses beside those that were recorded.

    Raises
    ------
    InvalidRequest
        If an execution still offboards the entity, or it can still be restored.
    RecordUnavailable, AccessDenied
        If DynamoDB or Step Functions does not answer.
    """
    table, erasure = Table(), Erasure()
    key = entity_key(organization_id, entity_id)
    _require_not_held(Records().find_lock(organization_id, entity_id), now)
    arns = _find_executions(table, key, organization_id)
    _require_not_restorable(table, arns)
    # By the items of the entity a repetition finds its names and addresses, so these are deleted last.
    recorded = list(table.query("#Id = :id", id=key))
    prefix = len(IDENTIFIER_PREFIX)
    hashes = {item["Part"][prefix:] for item in recorded if item["Part"].startswith(IDENTIFIER_PREFIX)}
    for item in recorded:
        if item["Part"].startswith(PROVIDER_PREFIX):
            _delete_provider_user(table, item["ProviderUser"], key, erasure)
            _delete_presence(table, item["ProviderUser"], key, erasure)
    _delete_presence(table, provider_user_key(Reporter.of_all_requests(key)), key, erasure)
    for identifier in sorted(hashes.union(map(identifier_key, identifiers))):
        arns |= _delete_identifier(table, identifier, key, organization_id, erasure)
    for arn in sorted(arns):
        _delete_execution(table, arn, key, now, erasure)
    _delete(table, [Key(item["Id"], item["Part"]) for item in recorded], erasure)
    return erasure


def record_erasure(organization_id: str, erasure: Erasure, requested_by: str, at: str, id_: str) -> None:
    """Record that something was deleted, and how much; not of whom."""
    counts = {"Executions": erasure.executions, "Items": erasure.items}
    log_entry = {"At": at, "Step": "Erased", **counts, "RequestedBy": requested_by}
    Table().put(build_step(f"erased/{id_}", {"OrganizationId": organization_id}, log_entry))


def _require_not_held(lock: EntityLock | None, now: datetime) -> None:
    if lock is None or not lock.is_live:
        return
    status = read_execution_status(lock.execution_arn)
    # Step Functions may not show an execution that has just started.
    is_young = status.outcome == FORGOTTEN and now - parse(lock.held_since) < ONE_DAY
    if status.is_running or is_young:
        raise errors.InvalidRequest(
            f"The execution {lock.execution_arn} offboards this entity. Nothing was deleted. Erase it after that."
        )


def _require_not_restorable(table: Table, execution_arns: Iterable[str]) -> None:
    records = [record for arn in execution_arns if (record := table.read(Key(arn, "Record")))]
    due_dates = sorted(record["DueAt"] for record in records if record.get("StatusKey") in _RESTORABLE)
    if due_dates:
        raise errors.InvalidRequest(
            f"The entity can be restored until {due_dates[-1]}, and only by its record. Nothing was deleted. Erase it "
            "on the day after that."
        )


def _find_executions(table: Table, partition: str, organization_id: str) -> set[str]:
    """Return the executions that have a step of an entity, or of a text that resolved none in an organization.

    A request that named no organization is nobody else's.
    """
    steps = table.query("#EntityKey = :key", index="ByEntity", key=partition)
    return {step["Id"] for step in steps if step.get("OrganizationId", organization_id) == organization_id}


def _delete_identifier(table: Table, identifier: str, entity: str, organization_id: str, erasure: Erasure) -> set[str]:
    """Let a name or an address lead to the entity no more.

    Returns the executions that were asked for by it and resolved nothing, if no other entity of the organization has
    or had it.
    """
    part, prefix = f"Entity {entity}", f"Entity {entity_key(organization_id, '')}"
    items = table.query("#Id = :id AND begins_with(#Part, :prefix)", id=identifier, prefix=prefix)
    entities = {item["Part"] for item in items}
    _delete(table, [Key(identifier, part)] if part in entities else [], erasure)
    return set() if entities - {part} else _find_executions(table, identifier, organization_id)


def _delete_provider_user(table: Table, provider_user: str, entity: str, erasure: Erasure) -> None:
    """Let a provider's user stand for the entity no more; it may stand for another one by now."""
    key = Key(provider_user, "Entity")
    stands_for = (table.read(key) or {}).get("EntityKey")
    _delete(table, [key] if stands_for == entity else [], erasure)


def _delete_presence(table: Table, provider_user: str, entity: str, erasure: Erasure) -> None:
    """Delete what a provider's user, or a request, has reported, if that is about the entity."""
    key = Key(provider_user, PRESENCE)
    presence = table.read(key)
    is_about_entity = presence is not None and presence.get("EntityKey", entity) == entity
    _delete(table, [key] if is_about_entity else [], erasure)


def _delete_execution(table: Table, execution_arn: str, entity: str, now: datetime, erasure: Erasure) -> None:
    """Delete the items of an execution, and remember that it was erased."""
    key = erased_key(execution_arn)
    table.put({"Id": key.id, "Part": key.part, "ExpiresAt": int((now + _REMEMBERED_FOR).timestamp())})
    items = list(table.query("#Id = :id", id=execution_arn))
    for provider_user in sorted({user for item in items for user in list_presences(item)}):
        _delete_presence(table, provider_user, entity, erasure)
    # "Record" and "Start" come before "Step": by its steps a repetition finds an execution.
    _delete(table, [Key(item["Id"], item["Part"]) for item in items], erasure)
    erasure.executions += 1


def _delete(table: Table, keys: Iterable[Key], erasure: Erasure) -> None:
    for key in keys:
        table.delete(key)
        erasure.items += 1
