"""CheckExport: look at the export of the mailbox, and verify the archive once WorkMail has made it.

Takes `{ExecutionArn, Now, ServiceEndsAt}` and returns `{Decision, LookAt, Archive, Evidence}`. The decision is `Wait`,
`StartExport` or `GoOn`; there is an archive, or the reason why there is none, only with `GoOn`. The record of the
execution has the job. An export that is not verified in time ends the offboarding, if the settings require an archive.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.archives import (
    LOG_SUFFIXES,
    ArchiveSettings,
    find_object,
    list_keys,
    lock_object,
    read_archive_settings,
    read_log,
)
from offboarding.adapters.directory import workmail_client
from offboarding.adapters.export_slots import ExportSlots
from offboarding.adapters.mailbox_exports import MailboxExports
from offboarding.adapters.policy import read_policy
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState
from offboarding.domain.exports import (
    MAX_ATTEMPTS,
    NOT_EXPORTED,
    Archive,
    ExportJob,
    ExportLog,
    ExportState,
    JobState,
    can_start,
    make_missing_archive,
    plan_look_at_job,
    plan_look_at_slots,
    running_entities,
)
from offboarding.domain.record import Record, Status
from offboarding.domain.timestamps import parse, render, whole_second
from offboarding.edge.exporting import load_exportable_record, release_slot, require_not_withdrawn, was_enabled
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import CHECK_EXPORT, compile_schemas, validated_step
from offboarding.edge.service_end import require_service, until_service_ends
from offboarding.edge.steps import ExportStep

client = workmail_client()
compile_schemas(CHECK_EXPORT)

_ARCHIVE_SUFFIX = ".zip"
_LOG_MEMBERS = ("Messages", "Folders", "Bytes", "NotExportable", "Sha384")


class NotVerifiedError(Exception):
    """WorkMail says that the export is complete, and S3 does not show a usable archive."""


@dataclass(frozen=True)
class Finding:
    """What a look at the export has found: how to go on, and when to look again, or how the export ended."""

    decision: str
    look_at: datetime | None = None
    archive: Archive | None = None


@dataclass(frozen=True)
class Look:
    """A look at the export of one execution.

    Attributes
    ----------
    exports
        The organization's exports.
    records, record, state
        The table, the record of the execution, and its export.
    now
        The state machine's time.
    """

    exports: MailboxExports
    records: Records
    record: Record
    state: ExportState
    now: datetime

    def find(self) -> Finding:
        """Look at the job, or for a free slot if there is none.

        Raises
        ------
        ExportFailed
            If there is no archive, and the settings require one.
        """
        if self.record.archive is not None:
            # An earlier attempt has recorded how the export ended, and its answer was lost.
            return Finding("GoOn", archive=self.record.archive)
        settings = read_archive_settings(self.record.organization_id)
        if self.state.job_id is None:
            return self._look_for_slot(settings)
        job = self.exports.describe_job(self.state.job_id)
        if job is not None and job.is_running:
            return self._follow(job)
        release_slot(self.record)
        if job is None:
            return self._fail("WorkMail does not know the export any more.")
        if job.state is not JobState.COMPLETED:
            reason = f": {job.error_info.rstrip('.')}" if job.error_info else ""
            return self._fail(f"The export ended as {job.state}{reason}.")
        try:
            archive = verify_archive(job, settings, self.now)
        except NotVerifiedError as error:
            return self._fail(str(error))
        except errors.AccessDenied as error:
            # Another export would not be verified either.
            return self._end_without_archive(f"The export is complete and cannot be verified. {error}")
        return self._end(archive, "Archived")

    def _look_for_slot(self, settings: ArchiveSettings) -> Finding:
        if self.state.problem is not None:
            return self._fail(self.state.problem)
        if self.now >= parse(self.state.slot_deadline):
            return self._end_without_archive(f"Until {self.state.slot_deadline} no slot for the export was free.")
        jobs = self.exports.list_jobs()
        slots = ExportSlots(self.record.organization_id)
        is_free = slots.has_free(settings.slots, running_entities(jobs), self.now)
        if is_free and can_start(jobs, self.record.entity["Id"], self.now):
            return Finding("StartExport")
        return Finding("Wait", plan_look_at_slots(jobs, self.now, self.state, settings.slot_deadline_days))

    def _follow(self, job: ExportJob) -> Finding:
        if self.now >= parse(str(self.state.job_deadline)):
            cancel_export(self.exports, self.record)
            return self._end_without_archive(f"The export still ran at {self.state.job_deadline}, its deadline.")
        if self.state.slot is not None:
            ExportSlots(self.record.organization_id).renew(self.state.slot, self.record.offboarding, self.now)
        size = self.record.entity.get("MailboxSize")
        return Finding("Wait", plan_look_at_job(job, self.now, self.state, size))

    def _fail(self, problem: str) -> Finding:
        """Have the export started again, as often as is worth it."""
        state = self.state.fail(problem)
        attempts = MAX_ATTEMPTS if was_enabled(self.record) else 1
        if state.failures >= attempts or self.now >= parse(state.slot_deadline):
            tries = "once" if state.failures == 1 else f"{state.failures} times"
            return self._end_without_archive(f"{problem} It was tried {tries}.")
        log_entry = {"At": render(self.now), "Step": "ExportAttemptFailed", "Problem": problem}
        if not self.records.record_export(self.record, state, log_entry | self._evidence()):
            raise _changed_error()
        return Finding("StartExport")

    def _end_without_archive(self, reason: str) -> Finding:
        policy = read_policy(self.record.organization_id)
        if policy.export.requires_archive(self.record.export_requested) and self._is_enabled():
            raise errors.ExportFailed(
                f"The settings require an archive of the mailbox, and there is none. {reason} Remove the cause, "
                "then start again. docs/archive.md says what to look at."
            )
        return self._end(make_missing_archive(reason, render(self.now)), "NotArchived")

    def _is_enabled(self) -> bool:
        """Return whether the entity is still enabled: nobody's export fails for what somebody else has disabled."""
        if not was_enabled(self.record):
            return False
        recorded = Entity.from_json(self.record.entity)
        try:
            entity = self.exports.describe(recorded.reference)
        except errors.EntityNotFound:
            # If it exists, the next states would have it exported again, and this state would end that again, for ever.
            self.exports.confirm_absent(recorded.reference, recorded.name, recorded.email)
            return False
        return entity.state is EntityState.ENABLED

    def _end(self, archive: Archive, step: str) -> Finding:
        log_entry = {"At": render(self.now), "Step": step, "Archive": archive}
        if not self.records.record_archive(self.record, archive, log_entry | self._evidence()):
            raise _changed_error()
        metrics.add_metric(name=f"Mailboxes{step}", unit="Count", value=1)
        return Finding("GoOn", archive=archive)

    def _evidence(self) -> dict[str, Any]:
        return {"Answers": self.exports.answers}


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look at the export, and say how the execution goes on."""
    step = validated_step(event, CHECK_EXPORT, ExportStep)
    records = Records()
    record = load_exportable_record(records, step["ExecutionArn"])
    if record.status is not Status.EXPORTING or record.export is None:
        raise errors.UnexpectedAnswer("The record has no export of this mailbox. Look at the execution.")
    exports = MailboxExports(client, record.organization_id)
    try:
        require_not_withdrawn(record, step["Now"])
        require_service(step["Now"], step["ServiceEndsAt"])
    except (errors.Withdrawn, errors.ServiceEnded):
        cancel_export(exports, record)
        raise
    finding = Look(exports, records, record, record.export, parse(step["Now"])).find()
    logger.info("export checked", extra={"decision": finding.decision, "job_id": record.export.job_id})
    return {
        "Decision": finding.decision,
        "LookAt": render(finding.look_at) if finding.look_at else None,
        "Archive": finding.archive,
        "Evidence": {
            "At": step["Now"],
            **record.export.to_evidence(),
            **({"Archive": finding.archive} if finding.archive else {}),
            "Answers": exports.answers,
        },
    }


def cancel_export(exports: MailboxExports, record: Record) -> None:
    """Cancel the export that runs for an execution, if one does, and give its slot back.

    An export that somebody else has started is cancelled too, once it was taken up: it is of no use without its leaver.
    One that WorkMail does not cancel, because it is nearly done for example, keeps its slot: that is free once its
    lease and the export are over.
    """
    if record.export is not None and record.export.job_id is not None and record.archive is None:
        try:
            exports.cancel_job(record.export.job_id, f"cancel-{record.export.job_id}")
        except errors.AccessDenied as error:
            # Nobody is deregistered for that, and the archive of a leaver who stays is no harm.
            logger.warning("export not cancelled", extra={"reason": str(error)})
        job = exports.describe_job(record.export.job_id)
        if job is not None and job.is_running:
            return
    release_slot(record)


def verify_archive(job: ExportJob, settings: ArchiveSettings, now: datetime) -> Archive:
    """Verify the archive of a complete export by what S3 shows, and lock it if the settings say so.

    Parameters
    ----------
    job
        The export.
    settings
        Where archives are made.
    now
        The state machine's time.

    Returns
    -------
    Archive
        What was seen. `NotGiven` names what was not.

    Raises
    ------
    NotVerifiedError
        If there is no object, or an empty one, or one without a version.
    ArchiveUnavailable, AccessDenied
        If S3 does not answer.
    """
    key = _find_archive_key(job, settings)
    stored = find_object(settings.bucket, key) if key else None
    if key is None or stored is None:
        raise NotVerifiedError("The export ended as COMPLETED, and the bucket has no archive of it.")
    if stored.size <= 0:
        raise NotVerifiedError("The export ended as COMPLETED, and its archive is empty.")
    if not stored.version_id or stored.version_id == "null":
        raise NotVerifiedError("The export ended as COMPLETED, and the bucket gives its archive no version.")
    log = _find_log(settings, key)
    archive = Archive(
        Status="Verified",
        At=render(now),
        JobId=job.id,
        Bucket=settings.bucket,
        Key=key,
        VersionId=stored.version_id,
        Size=stored.size,
        NotExported=NOT_EXPORTED,
    )
    if job.started_at:
        archive["ExportStartedAt"] = render(job.started_at)
    if job.ended_at:
        archive["ExportEndedAt"] = render(job.ended_at)
    if stored.checksum:
        archive["Checksum"] = stored.checksum
    if log:
        archive["Log"] = log
    if settings.lock_days is not None:
        until = whole_second(now + timedelta(days=settings.lock_days))
        lock_object(settings.bucket, key, stored.version_id, until)
        archive["LockedUntil"] = render(until)
    archive["NotGiven"] = _list_not_given(archive, log)
    # The SHA-384 is that of the archive's content, which no function may read.
    archive["NotCompared"] = ["Log.Sha384"] if log and "Sha384" in log else []
    return archive


def _find_archive_key(job: ExportJob, settings: ArchiveSettings) -> str | None:
    """Return the key of the archive: WorkMail's path is the archive itself, or the place in which it is."""
    if job.key is None or job.key.endswith(_ARCHIVE_SUFFIX):
        return job.key
    keys = [key for key in list_keys(settings.bucket, job.key) if key.endswith(_ARCHIVE_SUFFIX)]
    return keys[0] if len(keys) == 1 else None


def _find_log(settings: ArchiveSettings, key: str) -> ExportLog | None:
    """Find the log in the place of the archive; WorkMail does not document where it is.

    One that the function may not read is a finding, and does not make the archive worse.
    """
    try:
        return _read_first_log(settings, f"{PurePosixPath(key).parent}/")
    except errors.AccessDenied as error:
        logger.warning("log not read", extra={"reason": str(error)})
        return None


def _read_first_log(settings: ArchiveSettings, prefix: str) -> ExportLog | None:
    logs = [name for name in list_keys(settings.bucket, prefix) if name.endswith(LOG_SUFFIXES)]
    return next((log for log in (read_log(settings.bucket, name) for name in logs) if log), None)


def _list_not_given(archive: Archive, log: ExportLog | None) -> list[str]:
    missing = [name for name in ("ExportStartedAt", "ExportEndedAt", "Checksum", "Log") if name not in archive]
    return missing + [f"Log.{name}" for name in _LOG_MEMBERS if log and name not in log]


def _changed_error() -> errors.RecordUnavailable:
    return errors.RecordUnavailable("The record has changed since it was read. Start again.")
