"""One live offboarding per entity: who holds it, and when it may be taken over."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from offboarding import errors
from offboarding.entities import Entity, EntityState
from offboarding.executions import FORGOTTEN, ExecutionStatus, execution_status
from offboarding.records import Pointer, Record, Records
from offboarding.retention import ONE_DAY, parse

LAG = timedelta(minutes=15)
"""For how long WorkMail may go on to show as enabled what was deregistered, with a wide margin."""


@dataclass(frozen=True)
class Holder:
    """The other execution that holds an entity.

    Attributes
    ----------
    execution_arn
        Which.
    status
        How it stands in Step Functions.
    record
        Its record, if there is one.
    is_out_of_date
        Whether the entity was registered again since it was deregistered, so that the execution watches a departure
        that has been taken back.
    """

    execution_arn: str
    status: ExecutionStatus
    record: Record | None
    is_out_of_date: bool

    @property
    def gives_way(self) -> bool:
        """Whether another execution may take over."""
        return not self.status.running or self.is_out_of_date


def look_at_holder(records: Records, pointer: Pointer, entity: Entity, now: datetime) -> Holder:
    """Find out how the execution stands that holds an entity.

    Parameters
    ----------
    records
        The table.
    pointer
        What points to the holder.
    entity
        The entity as it reads now.
    now
        The state machine's time.

    Raises
    ------
    RecordUnavailable
        If Step Functions does not know it, and it is too young to have been forgotten: it may not know it yet.
    """
    record = records.get(pointer.execution_arn)
    status = execution_status(pointer.execution_arn)
    if status.outcome == FORGOTTEN and now - parse(pointer.held_since) < ONE_DAY:
        raise errors.RecordUnavailable(
            f"Step Functions does not know the execution yet that holds this entity: {pointer.execution_arn}"
        )
    return Holder(
        execution_arn=pointer.execution_arn,
        status=status,
        record=record,
        is_out_of_date=record is not None and _was_registered_since(record, entity, now),
    )


def in_progress(holder: str) -> errors.AlreadyInProgress:
    """Make the error which says that another execution offboards the entity."""
    return errors.AlreadyInProgress(
        f"This entity is being offboarded already. Nothing was changed; look at the execution {holder}", holder
    )


def _was_registered_since(record: Record, entity: Entity, now: datetime) -> bool:
    if record.deregistered_at is None or entity.state is not EntityState.ENABLED:
        return False
    deregistered_at = parse(record.deregistered_at)
    if entity.enabled_date is None:
        return now > deregistered_at + LAG
    return entity.enabled_date > deregistered_at
