"""StartExport: have WorkMail export the mailbox to the archive, as soon as a slot for that is free.

Takes `{ExecutionArn, Now, ServiceEndsAt}` and returns `{LookAt, Evidence}`. The record of the execution has the entity,
and gets the job. An export that runs already, or has ended since the leaver left, is taken up. CheckExport decides what
becomes of it: this state only starts.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.adapters.archives import ArchiveSettings, read_archive_settings
from offboarding.adapters.directory import workmail_client
from offboarding.adapters.export_slots import ExportSlots
from offboarding.adapters.mailbox_exports import MailboxExports
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.exports import (
    LONGEST_WAIT_FOR_LOOK,
    ArchivePlace,
    ExportJob,
    ExportState,
    JobState,
    find_adoptable_job,
    plan_look_at_job,
    plan_look_at_slots,
    running_entities,
)
from offboarding.domain.outcomes import SUCCESSFUL_OUTCOMES
from offboarding.domain.record import Record, Status
from offboarding.domain.timestamps import parse, render, whole_second
from offboarding.edge.exporting import load_exportable_record, require_not_withdrawn, was_enabled
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import START_EXPORT, compile_schemas, validated_step
from offboarding.edge.service_end import require_service, until_service_ends
from offboarding.edge.steps import ExportStep

client = workmail_client()
compile_schemas(START_EXPORT)

_REFUSALS = (
    errors.AccessDenied,
    errors.DeregistrationRefused,
    errors.EntityNotFound,
    errors.EntityStateConflict,
    errors.UnexpectedAnswer,
)
"""The answers of WorkMail by which it does not export a mailbox: another attempt may have another answer."""


@dataclass(frozen=True)
class Attempt:
    """What came of an attempt: the export as it stands, when to look at it (a moment), and the name of the step."""

    state: ExportState
    look_at: datetime
    step: str


@dataclass(frozen=True)
class Beginning:
    """What an attempt begins from.

    Attributes
    ----------
    records, record
        The table, and the record of the execution.
    settings
        Where archives are made.
    now
        The state machine's time.
    limit
        The moment after which no export helps.
    """

    records: Records
    record: Record
    settings: ArchiveSettings
    now: datetime
    limit: datetime

    @property
    def state(self) -> ExportState:
        """The export as the record has it; a new one if there is none, or if its result does not suffice."""
        previous, archive = self.record.export, self.record.archive
        slot_deadline = min(whole_second(self.now + timedelta(days=self.settings.slot_deadline_days)), self.limit)
        if previous is None:
            return ExportState(attempt=1, slot_deadline=render(slot_deadline))
        if archive is not None:
            return previous.begin_again(slot_deadline)
        return replace(previous, problem=None)


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start the export, or begin to wait for a slot."""
    step = validated_step(event, START_EXPORT, ExportStep)
    require_service(step["Now"], step["ServiceEndsAt"])
    records, now = Records(), parse(step["Now"])
    record = load_exportable_record(records, step["ExecutionArn"])
    exports = MailboxExports(client, record.organization_id)
    try:
        require_not_withdrawn(record, step["Now"])
    except errors.Withdrawn:
        _cancel_unrecorded_export(exports, record, now)
        raise
    limit = _find_limit(record, parse(step["ServiceEndsAt"]))
    settings = read_archive_settings(record.organization_id)
    attempt = attempt_export(exports, Beginning(records, record, settings, now, limit))
    state = attempt.state
    log_entry = {"At": step["Now"], "Step": attempt.step, **state.to_evidence(), "Answers": exports.answers}
    if not _is_recorded(record, state) and not records.record_export(record, state, log_entry):
        raise errors.RecordUnavailable("The record has changed since it was read. Start again.")
    logger.info("export", extra={"step": attempt.step, "attempt": state.attempt, "job_id": state.job_id})
    metrics.add_metric(name=attempt.step, unit="Count", value=1)
    return {
        "LookAt": render(attempt.look_at),
        "Evidence": {"At": step["Now"], **state.to_evidence(), "Answers": exports.answers},
    }


def attempt_export(exports: MailboxExports, beginning: Beginning) -> Attempt:
    """Take up an export of the mailbox, or start one if a slot is free.

    Parameters
    ----------
    exports
        The organization's exports.
    beginning
        What the attempt begins from.

    Returns
    -------
    Attempt
        `ExportStarted`, `ExportAdopted`, `ExportAwaitsSlot` or `ExportRefused`, as its step.

    Raises
    ------
    WorkMailUnavailable, RecordUnavailable
        If it is not settled whether the export was started: retried, with the same token.
    """
    state, now = beginning.state, beginning.now
    if now >= parse(state.slot_deadline):
        return Attempt(state, now, "ExportAwaitsSlot")
    try:
        return _adopt_or_start(exports, beginning, exports.list_jobs())
    except (errors.DeregistrationRefused, errors.EntityNotFound, errors.EntityStateConflict) as error:
        return _make_refused(beginning, state, error)
    except (errors.AccessDenied, errors.UnexpectedAnswer) as error:
        if not error.raised_by_workmail:
            raise
        return _make_refused(beginning, state, error)


def _make_refused(beginning: Beginning, state: ExportState, error: errors.OffboardingError) -> Attempt:
    # Somebody may remove the cause within the hour. A mailbox that is disabled does not become exportable.
    now = beginning.now
    look_at = now + LONGEST_WAIT_FOR_LOOK if was_enabled(beginning.record) else now
    return Attempt(replace(state, problem=str(error)), look_at, "ExportRefused")


def _adopt_or_start(exports: MailboxExports, beginning: Beginning, jobs: list[ExportJob]) -> Attempt:
    state, now, offboarding = beginning.state, beginning.now, beginning.record.offboarding
    slots = ExportSlots(offboarding.organization_id)
    candidates = [job for job in jobs if job.id not in state.failed_jobs]
    place = ArchivePlace(beginning.settings.bucket, beginning.settings.prefix)
    job = find_adoptable_job(candidates, offboarding.entity_id, place, _find_departure(beginning), now)
    if job is not None:
        return _follow(beginning, replace(state, slot=slots.take_over(offboarding, now)), job, "ExportAdopted")
    number = slots.take(offboarding, beginning.settings.slots, running_entities(jobs), now)
    if number is None:
        return _wait_for_slot(beginning, state, jobs)
    token = hashlib.sha256(f"{offboarding.execution_arn} {state.attempt}".encode()).hexdigest()
    try:
        job_id = exports.start_job(offboarding.entity_id, beginning.settings, token)
    except errors.ExportLimitReached:
        slots.release(number, offboarding)
        return _wait_for_slot(beginning, state, jobs)
    except _REFUSALS:
        slots.release(number, offboarding)
        raise
    job = ExportJob(job_id, offboarding.entity_id, JobState.RUNNING, started_at=now)
    return _follow(beginning, replace(state, slot=number), job, "ExportStarted")


def _wait_for_slot(beginning: Beginning, state: ExportState, jobs: list[ExportJob]) -> Attempt:
    look_at = plan_look_at_slots(jobs, beginning.now, state, beginning.settings.slot_deadline_days)
    return Attempt(replace(state, slot=None), look_at, "ExportAwaitsSlot")


def _follow(beginning: Beginning, state: ExportState, job: ExportJob, step: str) -> Attempt:
    """Have CheckExport look at a job."""
    now = beginning.now
    deadline = (job.started_at or now) + timedelta(days=beginning.settings.job_deadline_days)
    state = replace(state, job_id=job.id, job_deadline=render(min(whole_second(deadline), beginning.limit)))
    size = beginning.record.entity.get("MailboxSize")
    return Attempt(state, plan_look_at_job(job, now, state, size) if job.is_running else now, step)


def _cancel_unrecorded_export(exports: MailboxExports, record: Record, now: datetime) -> None:
    """Cancel what an earlier attempt has started and did not come to record: it has left its slot leased.

    WorkMail may not cancel an export that is nearly done, which keeps its slot.
    """
    slots = ExportSlots(record.organization_id)
    number = slots.take_over(record.offboarding, now)
    if number is None:
        return
    for job in exports.list_jobs():
        if job.is_running and job.entity_id == record.offboarding.entity_id:
            exports.cancel_job(job.id, f"cancel-{job.id}")
    if record.offboarding.entity_id not in running_entities(exports.list_jobs()):
        slots.release(number, record.offboarding)


def _find_limit(record: Record, service_ends_at: datetime) -> datetime:
    """Return the moment after which no export helps: the end of WorkMail, or of a disabled mailbox's retention."""
    disabled_date = record.entity.get("DisabledDate")
    if was_enabled(record) or disabled_date is None:
        return service_ends_at
    return min(service_ends_at, parse(disabled_date) + configuration.retention())


def _is_recorded(record: Record, state: ExportState) -> bool:
    """Return whether the record has this state already, as after each look in vain for a slot."""
    return record.status is Status.EXPORTING and record.export == state and record.archive is None


def _find_departure(beginning: Beginning) -> datetime:
    """Return since when an export has all mail of the leaver: since the departure, or the date for which it was asked.

    An execution that was started again, because the one before ended without having deregistered, goes on with its
    export.
    """
    record, records = beginning.record, beginning.records
    departure = _departure_of(record)
    previous_arn = records.find_last_export(record.organization_id, record.entity["Id"])
    previous = records.find(previous_arn) if previous_arn and previous_arn != record.execution_arn else None
    if previous is None or previous.outcome is None or previous.outcome in SUCCESSFUL_OUTCOMES:
        return departure
    is_same_mailbox = previous.entity.get("EnabledDate") == record.entity.get("EnabledDate")
    return min(departure, _departure_of(previous)) if is_same_mailbox else departure


def _departure_of(record: Record) -> datetime:
    if record.not_before is not None:
        return parse(record.not_before)
    moments = [record.started_at, record.recorded_at, (record.requester or {}).get("OccurredAt")]
    return min(parse(moment) for moment in moments if moment)
