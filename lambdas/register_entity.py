"""RegisterEntity: give an entity back the mailbox that it had, if that is still possible, and say why if not.

Takes `{ExecutionArn, Now, Input}`, where the input is `{OrganizationId, EntityId}` or `{ExecutionArn}`, and returns
`{OffboardingArn, OrganizationId, Entity, Evidence}`. It can run again: what is registered already is left alone.
"""

import os
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.executions import execution_status
from offboarding.adapters.records import Record, Records, Status
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityReference, EntityState, EntityType
from offboarding.domain.retention import parse, render
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import REGISTER_ENTITY, RESTORE, prepare, validated

client = workmail_client()
prepare(REGISTER_ENTITY, RESTORE)

_BEFORE_ANYTHING = frozenset({Status.RECORDED, Status.SCHEDULED, Status.AWAITING_APPROVAL})


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Register the entity again, with the address that was recorded."""
    step = validated(event, REGISTER_ENTITY, "The event of RegisterEntity", errors.UnexpectedAnswer)
    request = validated(step["Input"], RESTORE, "The execution's input")
    records = Records()
    record = find_record(records, request)
    _insist_on_something_to_restore(records, record)
    directory = Directory(client, record.organization_id, refused=errors.RestoreRefused)
    entity = _insist_on_the_same_entity(directory, record)
    registered = register(directory, record, entity, parse(step["Now"]))
    noted: dict[str, str] = {
        "At": step["Now"],
        "Step": "RegisterEntity",
        "RestoredIn": step["ExecutionArn"],
        **{member: request[member] for member in ("RequestedBy", "Reason") if member in request},
    }
    records.restoring(record, Status.RESTORING, {}, noted)
    logger.info("registered again", extra={"entity_id": entity.id, "called": registered})
    metrics.add_metric(name="EntitiesRegisteredAgain", unit="Count", value=int(registered))
    return {
        "OffboardingArn": record.execution_arn,
        "OrganizationId": record.organization_id,
        "Entity": {"Id": entity.id, "Type": entity.type.value, "Name": entity.name},
        "Evidence": {"At": step["Now"], "Registered": registered, "Answers": directory.answers},
    }


def find_record(records: Records, request: dict[str, Any]) -> Record:
    """Find the record by which to restore: that of the execution, or of the entity's last deregistration.

    Parameters
    ----------
    records
        The table.
    request
        `{ExecutionArn}` or `{OrganizationId, EntityId}`. A name or an address is looked for among the records of the
        entities that are in their window or were restored in it, for WorkMail need not tell the address of a disabled
        entity.

    Raises
    ------
    InvalidRequest
        If it is neither.
    NothingRecorded, EntityAmbiguous
        If there is not exactly one record.
    """
    given = {member for member in ("OrganizationId", "EntityId", "ExecutionArn") if member in request}
    if given == {"ExecutionArn"}:
        record = records.get(request["ExecutionArn"])
    elif given == {"OrganizationId", "EntityId"}:
        _insist_on_known_organization(request["OrganizationId"])
        pointer = records.pointer(request["OrganizationId"], request["EntityId"])
        if pointer is not None:
            record = records.get(pointer.window_of or pointer.execution_arn)
        else:
            record = _by_name(records, request["OrganizationId"], request["EntityId"])
    else:
        raise errors.InvalidRequest(
            "The execution's input must have either ExecutionArn, the offboarding's, or OrganizationId and EntityId."
        )
    if record is None:
        raise errors.NothingRecorded(
            "Nothing is recorded of an offboarding of this entity, so there is nothing to restore it by. If WorkMail "
            "shows it as disabled, register it by hand: aws workmail register-to-work-mail."
        )
    return record


def register(directory: Directory, record: Record, entity: Entity, now: datetime) -> bool:
    """Register an entity with its recorded address, and see that WorkMail reads back so.

    Parameters
    ----------
    directory
        The organization's entities.
    record
        What was recorded.
    entity
        The entity as it reads now.
    now
        The state machine's time.

    Returns
    -------
    bool
        Whether WorkMail was asked to register it; not if it is registered already.

    Raises
    ------
    RetentionEnded, NothingRecorded, AddressInUse, RestoreRefused
        If it cannot be restored.
    RegistrationNotConfirmed
        If it does not read back as registered yet: retried.
    """
    address = record.entity.get("Email")
    if entity.state is EntityState.ENABLED:
        _insist_on_the_same_mailbox(record, entity, now)
        _insist_on_address(entity, address)
        return False
    _insist_on_retention(record, entity, now)
    if not address:
        raise errors.NothingRecorded(
            f"WorkMail did not show an address of {entity.id} when it was recorded, so it is not known what to "
            "register it with. Register it by hand: aws workmail register-to-work-mail."
        )
    try:
        directory.register(entity.id, address)
    except errors.EmailAddressTaken:
        raise errors.AddressInUse(_who_has(directory, address, entity)) from None
    except errors.EntityStateConflict:
        raise errors.RegistrationNotConfirmed(
            f"WorkMail does not register {entity.id} in its present state (EntityStateException). Look at the entity "
            "in the WorkMail console."
        ) from None
    except errors.EntityNotFound:
        directory.insist_on_absence(entity.reference)
        raise errors.EntityGone(
            f"{entity.id} was deleted from the directory: there is nothing left to restore."
        ) from None
    read_back = _insist_on_the_same_entity(directory, record)
    if read_back.state is not EntityState.ENABLED:
        raise errors.RegistrationNotConfirmed(
            f"{entity.id} does not read back as registered. Look at the entity in the WorkMail console, then start "
            "again."
        )
    _insist_on_address(read_back, address)
    return True


def _by_name(records: Records, organization_id: str, identifier: str) -> Record | None:
    wanted = identifier.casefold()
    found = [
        record
        for status in (Status.IN_WINDOW, Status.RESTORED)
        for record in records.listed(status, organization_id)
        if wanted in {record.entity["Name"].casefold(), *(address.casefold() for address in record.addresses)}
    ]
    if len(found) > 1:
        ids = ", ".join(record.entity["Id"] for record in found)
        raise errors.EntityAmbiguous(f"{len(found)} recorded entities have this name or address: {ids}. Give the id.")
    return found[0] if found else None


def _insist_on_known_organization(organization_id: str) -> None:
    known = os.environ["ORGANIZATION_IDS"].split(",")
    if organization_id not in known:
        raise errors.InvalidRequest(
            f"OrganizationId {organization_id} is none that this stack serves. It must be {' or '.join(known)}."
        )


def _insist_on_something_to_restore(records: Records, record: Record) -> None:
    """Stop where nothing was deregistered yet, where that is happening at this moment, or where it is out of date."""
    pointer = records.pointer(record.organization_id, record.entity["Id"])
    later = record.superseded_by or (pointer and pointer.window_of)
    if later and later != record.execution_arn and record.deregistering:
        raise errors.RestoreRefused(f"A later offboarding has its own record of this entity; restore by it: {later}")
    if record.outcome is None and record.status in _BEFORE_ANYTHING:
        raise errors.NotDeregistered(
            f"The offboarding has not deregistered the entity; it is {record.status}. To cancel it, stop the execution "
            f"{record.execution_arn}"
        )
    if not record.deregistering:
        raise errors.NotDeregistered(
            f"The offboarding ended as {record.outcome} before it deregistered the entity. There is nothing to restore."
        )
    if record.status is Status.DEREGISTERING and execution_status(record.execution_arn).running:
        raise errors.OffboardingUnsettled(
            "The offboarding is deregistering the entity at this moment. Start the restore again when its execution "
            f"waits: {record.execution_arn}"
        )


def _insist_on_the_same_entity(directory: Directory, record: Record) -> Entity:
    reference = EntityReference(EntityType(record.entity["Type"]), record.entity["Id"])
    try:
        entity = directory.describe(reference)
    except errors.EntityNotFound:
        directory.insist_on_absence(reference)
        entity = None
    if entity is not None and entity.state is not EntityState.DELETED:
        return entity
    raise errors.EntityGone(
        f"{reference.id} was deleted from the directory, and its mailbox with it: there is nothing left to "
        f"restore.{_made_anew(directory, record)}"
    )


def _made_anew(directory: Directory, record: Record) -> str:
    """Name who has the name of the deleted entity now, if somebody has."""
    try:
        found = directory.list_by_name(record.entity["Name"])
    except errors.EntityNotFound:
        return ""
    return "".join(
        f" There is a {other.type.value} {other.id} of the same name, another entity."
        for other in found
        if other.id != record.entity["Id"]
    )


def _insist_on_the_same_mailbox(record: Record, entity: Entity, now: datetime) -> None:
    """Stop where somebody registered the entity after the retention: what it has is a new, empty mailbox."""
    if record.status in {Status.RESTORING, Status.RESTORED} or record.retention_ends_at is None:
        return
    if (entity.enabled_date or now) >= parse(record.retention_ends_at):
        raise errors.RetentionEnded(
            f"The retention of {entity.id} ended at {record.retention_ends_at}. It was registered again after that, "
            "with a new mailbox; the former one is gone."
        )


def _insist_on_address(entity: Entity, address: str | None) -> None:
    """Leave alone what somebody registered otherwise: whose mail would go where is theirs to decide."""
    if address and entity.email and entity.email.casefold() != address.casefold():
        raise errors.RestoreRefused(
            f"{entity.id} is registered, with another primary address than the recorded one. Change that in the "
            "WorkMail console if it is wrong; then start the restore again to have the rest put back."
        )


def _insist_on_retention(record: Record, entity: Entity, now: datetime) -> None:
    if entity.disabled_date is not None:
        ends_at = entity.disabled_date + timedelta(days=int(os.environ["RETENTION_DAYS"]))
    elif record.retention_ends_at is not None:
        ends_at = parse(record.retention_ends_at)
    else:
        return
    if now >= ends_at:
        raise errors.RetentionEnded(
            f"The retention of {entity.id} ended at {render(ends_at)}: the mailbox is gone, and a registration would "
            "make a new, empty one."
        )


def _who_has(directory: Directory, address: str, entity: Entity) -> str:
    try:
        holder = directory.find_by_address(address)
    except errors.EntityNotFound:
        return (
            f"The recorded address of {entity.id} belongs to another entity, which WorkMail does not name. Find it "
            "in the WorkMail console, take the address from there, then start the restore again."
        )
    return (
        f"The recorded address of {entity.id} belongs to the {holder.type.value} {holder.id} now. Take it from there, "
        "then start the restore again."
    )
