"""One live offboarding per entity: the execution that holds it, and whether it can be taken over."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from offboarding.adapters.executions import FORGOTTEN, ExecutionStatus, read_execution_status, send_task_success
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState
from offboarding.domain.record import EntityLock, Record, Status
from offboarding.domain.timestamps import ONE_DAY, parse
from offboarding.domain.tolerances import UNDATED_REGISTRATION_MARGIN

_LONGEST_RECORDING = timedelta(hours=17)
"""How long after holding its entity an execution may take to write its record; a later one was deleted."""


@dataclass(frozen=True)
class Holder:
    """The other execution that holds an entity.

    Attributes
    ----------
    execution_arn
        The execution.
    status
        How it stands in Step Functions.
    record
        Its record, if there is one.
    is_due_later
        Whether it only waits for a date, and the other execution is due sooner.
    is_out_of_date
        Whether the entity was registered again since it was deregistered: the execution watches a departure that was
        taken back.
    """

    execution_arn: str
    status: ExecutionStatus
    record: Record | None
    is_out_of_date: bool
    is_due_later: bool

    @property
    def can_be_taken_over(self) -> bool:
        """Whether another execution may take over."""
        return not self.status.is_running or self.is_out_of_date or self.is_due_later


def load_holder(records: Records, lock: EntityLock, entity: Entity, now: datetime, due_at: datetime) -> Holder:
    """Read how the execution stands that holds an entity.

    Parameters
    ----------
    records
        The table.
    lock
        The entity's lock.
    entity
        The entity as it reads now.
    now
        The state machine's time.
    due_at
        When the execution is due that asks.

    Raises
    ------
    RecordUnavailable
        If Step Functions does not know the execution, and it is too young to have been forgotten; or if it runs and
        is about to write its record, which says for when it is scheduled.
    """
    record = records.find(lock.execution_arn)
    status = read_execution_status(lock.execution_arn)
    if status.outcome == FORGOTTEN and now - parse(lock.held_since) < ONE_DAY:
        raise errors.RecordUnavailable(
            f"Step Functions does not know the execution {lock.execution_arn} yet, which holds this entity. Start "
            "again in a minute."
        )
    if record is None and status.is_running and now - parse(lock.held_since) < _LONGEST_RECORDING:
        raise errors.RecordUnavailable(
            f"The execution {lock.execution_arn} holds this entity, and has not written its record yet. Start again in "
            "a minute."
        )
    return Holder(
        execution_arn=lock.execution_arn,
        status=status,
        record=record,
        is_out_of_date=record is not None and _has_been_registered_since(record, entity, now),
        is_due_later=record is not None and _is_scheduled_after(record, due_at),
    )


def already_in_progress_error(holder_arn: str) -> errors.AlreadyInProgress:
    """Return the error that another execution offboards the entity."""
    return errors.AlreadyInProgress(
        "Another execution is offboarding this entity. Nothing was changed. Look at the execution that "
        "OtherExecutionArn names.",
        holder_arn,
    )


def end_superseded(records: Records, execution_arn: str, superseded_arn: str) -> None:
    """End an execution that waits for a later date than the one that has taken over, and has deregistered the entity.

    Until then that one can still be rejected or withdrawn, or fail: this one would go on at its own date.
    """
    superseded = records.find(superseded_arn)
    if superseded is None or superseded.superseded_by != execution_arn or superseded.status is not Status.SCHEDULED:
        return
    if superseded.task_token is not None:
        reason = "Another execution offboards this entity, because it is due sooner. This one has changed nothing."
        answer = {"Decision": "Superseded", "Reason": reason, "ExecutionArn": execution_arn}
        send_task_success(superseded.task_token, answer)


def _is_scheduled_after(record: Record, due_at: datetime) -> bool:
    """Return whether an offboarding only waits for its date, and that is later than another one's."""
    return record.status is Status.SCHEDULED and record.not_before is not None and parse(record.not_before) > due_at


def _has_been_registered_since(record: Record, entity: Entity, now: datetime) -> bool:
    if record.deregistered_at is None or entity.state is not EntityState.ENABLED:
        return False
    deregistered_at = parse(record.deregistered_at)
    if entity.enabled_date is None:
        return now > deregistered_at + UNDATED_REGISTRATION_MARGIN
    return entity.enabled_date > deregistered_at
