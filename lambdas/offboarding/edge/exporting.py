"""What the two states that export a mailbox have in common."""

from offboarding.adapters.export_slots import ExportSlots
from offboarding.adapters.holding import already_in_progress_error
from offboarding.adapters.records import Records
from offboarding.adapters.reports import Reports
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState
from offboarding.domain.record import Record, Status

_EXPORTABLE = frozenset({Status.RECORDED, Status.EXPORTING})


def load_exportable_record(records: Records, execution_arn: str) -> Record:
    """Read the record of an execution that exports the mailbox, and still offboards the entity.

    Raises
    ------
    RecordMissing
        If there is none.
    UnexpectedAnswer
        If the execution does something else now, so somebody else has invoked the function.
    AlreadyInProgress
        If another execution offboards the entity.
    """
    record = records.find(execution_arn)
    if record is None:
        raise errors.RecordMissing(
            "The record of this offboarding is gone, and no mailbox is exported without one. Start again."
        )
    if record.status not in _EXPORTABLE:
        raise errors.UnexpectedAnswer(
            f"The offboarding is {record.status}, so nothing is exported for it now. Look at its execution."
        )
    offboarding = record.offboarding
    if records.renew_hold(offboarding) is None:
        lock = records.find_lock(offboarding.organization_id, offboarding.entity_id)
        raise already_in_progress_error(lock.execution_arn if lock else execution_arn)
    return record


def require_not_withdrawn(record: Record, now: str) -> None:
    """Require that nobody has withdrawn the offboarding while its mailbox is exported.

    Raises
    ------
    Withdrawn
        If somebody has, or all who reported the leaver as away have taken that back.
    """
    if record.decision is not None and record.decision["Decision"] == "Withdrawn":
        raise errors.Withdrawn(record.decision)
    Reports().require(record.offboarding, record.requester, now)


def release_slot(record: Record) -> None:
    """Give back the slot of an export, if it has one."""
    if record.export is not None and record.export.slot is not None:
        ExportSlots(record.organization_id).release(record.export.slot, record.offboarding)


def was_enabled(record: Record) -> bool:
    """Return whether the entity was enabled when it was recorded."""
    return Entity.from_json(record.entity).state is EntityState.ENABLED
