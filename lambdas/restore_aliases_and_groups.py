"""RestoreAliasesAndGroups: put back the aliases and memberships that are gone, and read everything back.

Takes `{ExecutionArn, Now, OffboardingArn, PutBackUntil}` and returns `{Outcome, Explanation, PutBack, Missing,
Evidence}`. It can run again: current aliases and memberships are left alone.
"""

from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityReference, EntityState, EntityType
from offboarding.domain.identifiers import lower_ascii
from offboarding.domain.record import Record, Status
from offboarding.domain.timestamps import parse
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import RESTORE_ALIASES_AND_GROUPS, compile_schemas, validated_step
from offboarding.edge.steps import RestoreStep

client = workmail_client()
compile_schemas(RESTORE_ALIASES_AND_GROUPS)

_NOT_RECORDED = "WorkMail did not list them when the entity was recorded."
_GROUP_GONE = "The group does not exist any more."


@dataclass
class Inventory:
    """What was put back, and what could not be, with the reason."""

    put_back: list[dict[str, str]] = field(default_factory=list)
    missing: list[dict[str, str]] = field(default_factory=list)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Complete the restore of an entity that is registered again."""
    step = validated_step(event, RESTORE_ALIASES_AND_GROUPS, RestoreStep)
    records = Records()
    record = records.find(step["OffboardingArn"])
    if record is None:
        raise errors.NothingRecorded(
            "The record was deleted during the restore. The entity is registered again, but its aliases and groups are "
            "not known any more."
        )
    _require_time(step)
    directory = Directory(client, record.organization_id, refused=errors.RestoreRefused)
    entity = _describe_registered(directory, record)
    inventory = Inventory()
    _restore_aliases(directory, record, entity, inventory)
    _restore_groups(directory, record, entity, inventory)
    outcome = "RestoredInPart" if inventory.missing else "Restored"
    log_entry = {
        "At": step["Now"],
        "Step": "Restored",
        "RestoredIn": step["ExecutionArn"],
        "PutBack": inventory.put_back,
        "Missing": inventory.missing,
        "Answers": directory.answers,
    }
    facts = {"RestoredAt": step["Now"], "RestoredIn": step["ExecutionArn"]}
    records.record_restore_step(record, Status.RESTORED, facts, log_entry)
    records.release(record.offboarding, step["Now"])
    counts = {"put_back": len(inventory.put_back), "missing": len(inventory.missing)}
    logger.info("restored", extra={"entity_id": entity.id, "outcome": outcome, **counts})
    metrics.add_metric(name=outcome, unit="Count", value=1)
    return {
        "Outcome": outcome,
        "Explanation": _explanation(inventory),
        "PutBack": inventory.put_back,
        "Missing": inventory.missing,
        "Evidence": {"At": step["Now"], "Answers": directory.answers},
    }


def _require_time(step: RestoreStep) -> None:
    """Refuse a restore that was redriven long after it began: groups may have been changed on purpose since."""
    if parse(step["Now"]) >= parse(step["PutBackUntil"]):
        raise errors.RetentionEnded(
            f"The entity is registered again. Its aliases and groups were put back until {step['PutBackUntil']} only. "
            "Put back by hand what is missing; the record has it."
        )


def _describe_registered(directory: Directory, record: Record) -> Entity:
    entity = directory.describe(EntityReference(EntityType(record.entity["Type"]), record.entity["Id"]))
    if entity.state is not EntityState.ENABLED:
        raise errors.RegistrationNotConfirmed(f"{entity.id} does not read as registered. Start the restore again.")
    return entity


def _restore_aliases(directory: Directory, record: Record, entity: Entity, inventory: Inventory) -> None:
    recorded = record.entity.get("Aliases")
    if recorded is None:
        inventory.missing.append({"Aliases": "unknown", "Because": _NOT_RECORDED})
        return
    current_aliases = _list_aliases(directory, entity)
    for alias in recorded:
        if lower_ascii(alias) in current_aliases:
            continue
        obstacle = _create_alias(directory, entity, alias)
        if obstacle:
            inventory.missing.append({"Alias": alias, "Because": obstacle})
        else:
            inventory.put_back.append({"Alias": alias})
    if inventory.put_back:
        current_aliases = _list_aliases(directory, entity)
    absent = [item for item in inventory.put_back if lower_ascii(item["Alias"]) not in current_aliases]
    if absent:
        raise errors.RegistrationNotConfirmed(
            f"{len(absent)} aliases of {entity.id} do not read back. Start the restore again."
        )


def _list_aliases(directory: Directory, entity: Entity) -> set[str]:
    try:
        return {lower_ascii(alias) for alias in directory.list_aliases(entity)}
    except errors.EntityStateConflict:
        raise _not_registered_everywhere_error(entity) from None


def _create_alias(directory: Directory, entity: Entity, alias: str) -> str | None:
    """Create an alias; return why that is not possible, or None."""
    try:
        directory.create_alias(entity.id, alias)
    except errors.EmailAddressTaken:
        try:
            holder = directory.find_by_address(alias)
        except errors.EntityNotFound:
            return "It belongs to another entity, which WorkMail does not name."
        return f"It belongs to the {holder.type.value} {holder.id} now."
    except errors.RestoreRefused as refusal:
        return str(refusal)
    except errors.EntityStateConflict:
        raise _not_registered_everywhere_error(entity) from None
    return None


def _restore_groups(directory: Directory, record: Record, entity: Entity, inventory: Inventory) -> None:
    if entity.type is EntityType.RESOURCE:
        return
    recorded = record.entity.get("Groups")
    if recorded is None:
        inventory.missing.append({"Groups": "unknown", "Because": _NOT_RECORDED})
        return
    current_group_ids = _list_group_ids(directory, entity)
    put_back = []
    for group in recorded:
        if group["Id"] in current_group_ids:
            continue
        obstacle = _add_to_group(directory, entity, group["Id"])
        if obstacle:
            inventory.missing.append({"Group": group["Id"], "Because": obstacle})
        else:
            put_back.append({"Group": group["Id"]})
    if put_back and not {item["Group"] for item in put_back} <= _list_group_ids(directory, entity):
        raise errors.RegistrationNotConfirmed(
            f"Group memberships of {entity.id} do not read back. Start the restore again."
        )
    inventory.put_back += put_back


def _list_group_ids(directory: Directory, entity: Entity) -> set[str]:
    try:
        return {group["GroupId"] for group in directory.list_groups_of(entity.id)}
    except errors.EntityStateConflict:
        raise _not_registered_everywhere_error(entity) from None


def _add_to_group(directory: Directory, entity: Entity, group_id: str) -> str | None:
    """Make the entity a member; return why that is not possible, or None."""
    try:
        directory.add_to_group(entity.id, group_id)
    except errors.EntityNotFound:
        return _GROUP_GONE
    except errors.RestoreRefused as refusal:
        return str(refusal)
    except errors.EntityStateConflict:
        state = _describe_group_state(directory, group_id)
        if state is EntityState.ENABLED:
            raise _not_registered_everywhere_error(entity) from None
        return _GROUP_GONE if state is EntityState.DELETED else "The group itself is disabled."
    return None


def _describe_group_state(directory: Directory, group_id: str) -> EntityState:
    try:
        return directory.describe(EntityReference(EntityType.GROUP, group_id)).state
    except errors.EntityNotFound:
        return EntityState.DELETED


def _not_registered_everywhere_error(entity: Entity) -> errors.OffboardingError:
    return errors.RegistrationNotConfirmed(
        f"WorkMail does not treat {entity.id} as registered everywhere yet. Start the restore again."
    )


def _explanation(inventory: Inventory) -> str:
    if inventory.missing:
        return "The entity has its mailbox and its address again. Not all of its aliases and groups could be put back."
    return "The entity is as it was recorded: registered, with its address, its aliases and its groups."
