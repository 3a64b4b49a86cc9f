"""RegisterEntity: register an entity again with the mailbox that it had, if that is still possible.

Takes `{ExecutionArn, Now, Input}`, where the input is `{OrganizationId, EntityId}` or `{ExecutionArn}`, and returns
`{OffboardingArn, OrganizationId, Entity, PutBackUntil, Evidence}`. It can run again: an entity that is registered is
left alone.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.executions import read_execution_status
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityReference, EntityState, EntityType
from offboarding.domain.identifiers import is_same_identifier
from offboarding.domain.record import Record, Status
from offboarding.domain.registrations import (
    DELETED_ENTITY_NOTE,
    WithinRetention,
    describe_registration,
    registered_within_retention,
)
from offboarding.domain.timestamps import parse, render
from offboarding.domain.tolerances import WORKMAIL_CLOCK_SKEW
from offboarding.edge.inputs import require_configured_organization, require_expected, require_requester
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import REGISTER_ENTITY, RESTORE, compile_schemas, validated, validated_step
from offboarding.edge.steps import InputStep, RestoreInput

client = workmail_client()
compile_schemas(REGISTER_ENTITY, RESTORE)

_RESTORABLE = frozenset({Status.IN_WINDOW, Status.RESTORED})
"""Under these the index has an entity that is in its window, or was restored in it."""
_NOT_YET_DEREGISTERED = frozenset({Status.RECORDED, Status.SCHEDULED, Status.AWAITING_APPROVAL, Status.EXPORTING})
RESUME_WITHIN = timedelta(days=7)
"""For how long a restore that stopped halfway can be resumed after the retention: over a long weekend, not for ever."""


@dataclass(frozen=True)
class RestorableWindow:
    """The window of one disabling, within which its record restores.

    Attributes
    ----------
    disabled_at
        When the entity was disabled: as WorkMail confirmed it, or else when it was about to be asked.
    tolerance
        By how much WorkMail's date can differ from that.
    ends_at
        The end of the retention. After it nothing is registered.
    put_back_until
        Until when aliases and groups are put back.
    """

    disabled_at: datetime
    tolerance: timedelta
    ends_at: datetime
    put_back_until: datetime

    def has_date(self, disabled_date: datetime) -> bool:
        """Return whether a disabled date is that of this window; fractions of a millisecond do not count."""
        return abs(parse(render(disabled_date)) - self.disabled_at) <= self.tolerance


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Register the entity again, with the address that was recorded."""
    step = validated_step(event, REGISTER_ENTITY, InputStep)
    request = validated(step["Input"], RESTORE, RestoreInput)
    require_requester(request)
    records = Records()
    record = load_record(records, request)
    _require_restorable(records, record)
    directory = Directory(client, record.organization_id, refused=errors.RestoreRefused)
    entity = _describe_same_entity(directory, record)
    _require_expected(record, entity, request)
    now = parse(step["Now"])
    is_called = register(directory, record, entity, now)
    address = "AsRecorded" if entity.email else "NotGiven"
    log_entry = {
        "At": step["Now"],
        "Step": "RegisterEntity",
        "RestoredIn": step["ExecutionArn"],
        "Address": address,
        **{member: value for member, value in request.items() if member in {"RequestedBy", "Reason"}},
        "Answers": directory.answers,
    }
    records.record_restore_step(record, Status.RESTORING, {}, log_entry)
    logger.info("registered again", extra={"entity_id": entity.id, "called": is_called})
    metrics.add_metric(name="EntitiesRegisteredAgain", unit="Count", value=int(is_called))
    return {
        "OffboardingArn": record.execution_arn,
        "OrganizationId": record.organization_id,
        "Entity": {"Id": entity.id, "Type": entity.type.value, "Name": entity.name},
        "PutBackUntil": render(read_window(record, now).put_back_until),
        "Evidence": {"At": step["Now"], "Registered": is_called, "Address": address, "Answers": directory.answers},
    }


def load_record(records: Records, request: RestoreInput) -> Record:
    """Find the record by which to restore: that of the execution, or of the entity's last deregistration.

    Parameters
    ----------
    records
        The table.
    request
        `{ExecutionArn}` or `{OrganizationId, EntityId}`. A name or an address is looked up among the records of the
        entities that are in their window or were restored in it, because WorkMail may not show the address of a
        disabled entity. An address must be the primary one.

    Raises
    ------
    InvalidRequest
        If it is neither.
    NothingRecorded, EntityAmbiguous
        If there is not exactly one record.
    EntityMismatch
        If the address is only an alias in the records.
    """
    members = request.keys() & {"OrganizationId", "EntityId", "ExecutionArn"}
    if members == {"ExecutionArn"}:
        record = records.find(request["ExecutionArn"])
    elif members == {"OrganizationId", "EntityId"}:
        require_configured_organization(request["OrganizationId"])
        lock = records.find_lock(request["OrganizationId"], request["EntityId"])
        if lock is not None:
            record = records.find(lock.window_execution_arn or lock.execution_arn)
        else:
            record = _find_by_name_or_address(records, request["OrganizationId"], request["EntityId"])
    else:
        raise errors.InvalidRequest(
            "The execution's input must have either ExecutionArn, the offboarding's, or OrganizationId and EntityId."
        )
    if record is None:
        raise errors.NothingRecorded(
            "There is no record of an offboarding of this entity, so there is nothing to restore it by. If WorkMail "
            "shows it as disabled, register it by hand: aws workmail register-to-work-mail."
        )
    return record


def register(directory: Directory, record: Record, entity: Entity, now: datetime) -> bool:
    """Register an entity with its recorded address, and require that WorkMail shows it so.

    Parameters
    ----------
    directory
        The organization's entities.
    record
        The record of its offboarding.
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
        If it cannot be restored, or not by this record.
    RegistrationNotConfirmed
        If it does not read back as registered yet: retried.
    """
    address = record.entity.get("Email")
    window = read_window(record, now)
    if entity.state is EntityState.ENABLED:
        _require_time_to_put_back(window, entity, now)
        _require_incomplete_restore(record, entity)
        _require_recorded_address(entity, address)
        return False
    _require_same_window(window, entity)
    _require_retention(window, entity, now)
    if not address:
        raise errors.NothingRecorded(
            f"WorkMail did not show an address of {entity.id} when it was recorded, so there is no address to register "
            "it with. Register it by hand: aws workmail register-to-work-mail."
        )
    _require_unchanged_address(entity, address)
    _call_register(directory, entity, address)
    read_back = _describe_same_entity(directory, record)
    if read_back.state is not EntityState.ENABLED:
        raise errors.RegistrationNotConfirmed(
            f"{entity.id} does not read back as registered. Look at the entity in the WorkMail console, then start "
            "again."
        )
    _require_recorded_address(read_back, address)
    return True


def _call_register(directory: Directory, entity: Entity, address: str) -> None:
    try:
        directory.register(entity.id, address)
    except errors.EmailAddressTaken:
        raise errors.AddressInUse(_address_holder_message(directory, address, entity)) from None
    except errors.EntityStateConflict:
        raise errors.RegistrationNotConfirmed(
            f"WorkMail does not register {entity.id} in its present state (EntityStateException). Look at the entity "
            "in the WorkMail console."
        ) from None
    except errors.EntityNotFound:
        directory.confirm_absent(entity.reference, entity.name, address)
        raise errors.EntityGone(_deleted_message(entity.reference)) from None


def read_window(record: Record, now: datetime) -> RestorableWindow:
    """Read the window of a record by which WorkMail was asked to deregister the entity.

    Without a confirmation the date of the last attempt counts. A restore that registered the entity within the
    retention, and has not put back everything since, may do so for a while longer.
    """
    disabled_at = parse(record.deregistered_at or str(record.attempted_at))
    retention_ends_at = record.retention_ends_at
    ends_at = parse(retention_ends_at) if retention_ends_at else disabled_at + configuration.retention()
    restore_began_at = parse(record.restore_began_at) if record.restore_began_at else now
    return RestorableWindow(
        disabled_at=disabled_at,
        tolerance=timedelta() if record.deregistered_at else WORKMAIL_CLOCK_SKEW,
        ends_at=ends_at,
        put_back_until=max(ends_at, restore_began_at + RESUME_WITHIN) if restore_began_at < ends_at else ends_at,
    )


def _find_by_name_or_address(records: Records, organization_id: str, identifier: str) -> Record | None:
    locks = [records.find_lock(organization_id, id_) for id_ in records.find_entity_ids(organization_id, identifier)]
    windows = [records.find(lock.window_execution_arn) for lock in locks if lock and lock.window_execution_arn]
    recorded = [record for record in windows if record and record.has_identifier(identifier)]
    # Without one that can be restored, the record says why not: that its retention is over, for example.
    restorable = [record for record in recorded if record.status_key in _RESTORABLE] or recorded
    matches = [record for record in restorable if record.has_primary_identifier(identifier)]
    ids = ", ".join(record.entity["Id"] for record in matches or restorable)
    if len(matches) > 1:
        raise errors.EntityAmbiguous(f"{len(matches)} recorded entities have this name or address: {ids}. Give the id.")
    if restorable and not matches:
        raise errors.EntityMismatch(
            f"Nothing was changed. This address is only an alias in the record of {ids}. Somebody else may have had it "
            "before. Give the id, name or primary address of the entity that you mean."
        )
    return matches[0] if matches else None


def _require_restorable(records: Records, record: Record) -> None:
    """Refuse where nothing was deregistered, where that is happening at this moment, or where another record counts."""
    lock = records.find_lock(record.organization_id, record.entity["Id"])
    successor_arn = record.superseded_by or (lock and lock.window_execution_arn)
    if successor_arn and successor_arn != record.execution_arn and record.deregistration_attempted:
        raise errors.RestoreRefused(
            f"A later offboarding has its own record of this entity. Restore by that one: {successor_arn}"
        )
    if record.outcome is None and record.status in _NOT_YET_DEREGISTERED:
        raise errors.NotDeregistered(
            f"The offboarding has not deregistered the entity; its status is {record.status}. While it waits for its "
            "date, an approval or an export, cancel it by the decision Withdrawn in the approval state machine. Its "
            f"execution: {record.execution_arn}"
        )
    if not record.deregistration_attempted:
        raise errors.NotDeregistered(
            f"The offboarding ended as {record.outcome} before it deregistered the entity. There is nothing to restore."
        )
    if record.status is Status.DEREGISTERING and read_execution_status(record.execution_arn).is_running:
        raise errors.OffboardingUnsettled(
            "The offboarding is deregistering the entity at this moment. Start the restore again when its execution "
            f"waits: {record.execution_arn}"
        )


def _describe_same_entity(directory: Directory, record: Record) -> Entity:
    reference = EntityReference(EntityType(record.entity["Type"]), record.entity["Id"])
    try:
        entity = directory.describe(reference)
    except errors.EntityNotFound:
        directory.confirm_absent(reference, record.entity["Name"], record.entity.get("Email"))
        entity = None
    if entity is not None and entity.state is not EntityState.DELETED:
        return entity
    raise errors.EntityGone(f"{_deleted_message(reference)}{_namesake_note(directory, record)}")


def _require_expected(record: Record, entity: Entity, request: RestoreInput) -> None:
    """Require what the input expects; the recorded address stands for one that WorkMail does not show."""
    try:
        require_expected(replace(entity, email=entity.email or record.entity.get("Email")), request.get("Expected", {}))
    except errors.EntityMismatch as mismatch:
        mismatch.prepend_sentence("Nothing was changed.")
        raise


def _deleted_message(reference: EntityReference) -> str:
    return f"{reference.id} was deleted from the directory. {DELETED_ENTITY_NOTE}"


def _namesake_note(directory: Directory, record: Record) -> str:
    """Return a sentence about the entity that has the name of the deleted one now, if there is one."""
    try:
        namesakes = directory.list_by_name(record.entity["Name"])
    except (errors.EntityAmbiguous, errors.EntityNotFound):
        return ""
    return "".join(
        f" The {namesake.type.value} {namesake.id} has the same name, but is another entity."
        for namesake in namesakes
        if namesake.id != record.entity["Id"]
    )


def _require_incomplete_restore(record: Record, entity: Entity) -> None:
    """Refuse to repeat a restore that was complete: what is missing since then, somebody has taken away."""
    if record.status is Status.RESTORED and record.restore_began_at is None:
        raise errors.RestoreRefused(
            f"Nothing was changed. {entity.id} was restored before, with all that was recorded. Put back by hand what "
            "is missing since then; the record has it."
        )


def _require_time_to_put_back(window: RestorableWindow, entity: Entity, now: datetime) -> None:
    """Require that aliases and groups of an entity that is registered may still be put back."""
    watched = (window.disabled_at, window.ends_at)
    within = registered_within_retention(entity, *watched, now)
    if within is not WithinRetention.NO and now < window.put_back_until:
        return
    message = f"Nothing was changed by this attempt. {describe_registration(entity, *watched, within)}"
    if within is not WithinRetention.NO:
        message += f" A restore puts back aliases and groups until {render(window.put_back_until)} only."
    raise errors.RetentionEnded(f"{message} Put back by hand what is missing; the record has it.")


def _require_recorded_address(entity: Entity, address: str | None) -> None:
    """Require the recorded primary address: where mail goes is for people to decide."""
    if address and entity.email and not is_same_identifier(entity.email, address):
        raise errors.RestoreRefused(
            f"{entity.id} is registered, but its primary address is not the recorded one. If that is wrong, change it "
            "in the WorkMail console. Then start the restore again to have the rest put back."
        )


def _require_unchanged_address(entity: Entity, address: str) -> None:
    """Require that a disabled entity has the recorded primary address, if WorkMail shows one."""
    if entity.email and not is_same_identifier(entity.email, address):
        raise errors.RestoreRefused(
            f"Nothing was changed. The primary address of {entity.id} has changed since it was recorded, and the "
            "restore does not change it back. Register it by hand with the address that it is to have: aws workmail "
            "register-to-work-mail."
        )


def _require_same_window(window: RestorableWindow, entity: Entity) -> None:
    """Require that the entity is disabled since the date that the record watched: another one was somebody's choice."""
    if entity.disabled_date is not None and not window.has_date(entity.disabled_date):
        raise errors.RestoreRefused(
            f"Nothing was changed. {entity.id} is disabled since {render(entity.disabled_date)}, and the disabling "
            f"that this record is about was at {render(window.disabled_at)}. Somebody has disabled it again. If it is "
            "to be restored all the same, register it by hand: aws workmail register-to-work-mail."
        )


def _require_retention(window: RestorableWindow, entity: Entity, now: datetime) -> None:
    if now >= window.ends_at:
        mailbox = "" if entity.type is EntityType.GROUP else " A registration would create a new, empty mailbox."
        raise errors.RetentionEnded(
            f"Nothing was changed. The retention of {entity.id} ended at {render(window.ends_at)}, and a restore was "
            f"possible until then only.{mailbox}"
        )


def _address_holder_message(directory: Directory, address: str, entity: Entity) -> str:
    try:
        holder = directory.find_by_address(address)
    except errors.EntityNotFound:
        return (
            f"The recorded address of {entity.id} belongs to another entity, which WorkMail does not name. Find that "
            "entity in the WorkMail console and remove the address from it. Then start the restore again."
        )
    return (
        f"The recorded address of {entity.id} belongs to the {holder.type.value} {holder.id} now. Remove it from that "
        "entity, then start the restore again."
    )
