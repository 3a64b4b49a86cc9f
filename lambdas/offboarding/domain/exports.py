"""Exports of mailboxes: whether one is made before an offboarding deregisters, how it stands, and what it made.

WorkMail publishes neither how long an export takes nor a moment of which it is a snapshot. So the dates here are limits
and guesses of when to look again, not promises.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NotRequired, Self, TypedDict

from offboarding.domain import errors
from offboarding.domain.timestamps import ONE_DAY, parse, render, whole_second

NOT_EXPORTED = "Contacts, notes and tasks are not exported, because WorkMail exports mail and calendar items only."
DURATION_NOTE = "WorkMail does not publish how long an export takes."
MAX_ATTEMPTS = 3
"""How often an export is started for one mailbox."""
WORKMAIL_JOBS = 10
"""How many exports WorkMail runs at once for an organization, whoever started them."""
REUSE_ARCHIVE_FOR = ONE_DAY
"""How old an archive may be when its mailbox is deregistered. For that long WorkMail refuses another export."""
LONGEST_WAIT_FOR_LOOK = timedelta(hours=1)
_SHORTEST_WAIT_FOR_LOOK = timedelta(minutes=5)
_LATENESS_OF_NEWCOMERS = timedelta(minutes=10)
"""By how much whoever has just begun to wait for a slot looks later than the others."""
_GUESSED_START = timedelta(minutes=10)
_GUESSED_PER_MEGABYTE = timedelta(seconds=0.6)


class ExportMode(StrEnum):
    """Whether a mailbox is exported before it is deregistered; `Required` means not deregistered without an archive.

    `OnRequest` is one of the settings only: a mailbox is exported if the execution's input asks for it.
    """

    NO = "No"
    ON_REQUEST = "OnRequest"
    IF_POSSIBLE = "IfPossible"
    REQUIRED = "Required"


REQUESTED_MODES = (ExportMode.NO, ExportMode.IF_POSSIBLE, ExportMode.REQUIRED)
"""What an execution's input can ask for, the least first."""


@dataclass(frozen=True)
class ExportPolicy:
    """What the settings say of exports.

    Attributes
    ----------
    mode
        What applies to each mailbox.
    may_be_skipped
        Whether an execution's input may ask for no export.
    """

    mode: ExportMode = ExportMode.NO
    may_be_skipped: bool = False

    def select_mode(self, requested: str | None) -> ExportMode:
        """Return the mode for an execution whose input asks for one, or for none.

        Raises
        ------
        InvalidRequest
            If the input asks for less than the settings, or for an export where the stack makes none.
        """
        least = ExportMode.NO if self.mode is ExportMode.ON_REQUEST else self.mode
        if requested is None:
            return least
        mode = ExportMode(requested)
        if mode is ExportMode.NO and self.may_be_skipped:
            return mode
        if self.mode is ExportMode.NO and mode is not ExportMode.NO:
            raise errors.InvalidRequest(
                f"The execution's input asks for Export {mode}, and this stack makes no exports. Leave Export out, or "
                "set offboarding.export.mode in cdk.json and deploy."
            )
        if REQUESTED_MODES.index(mode) < REQUESTED_MODES.index(least):
            raise errors.InvalidRequest(
                f"The execution's input asks for Export {mode}, which is less than the settings require: {self.mode}. "
                "Leave Export out, or let it be skipped by offboarding.export.mayBeSkipped in cdk.json."
            )
        return mode

    def requires_archive(self, requested: str | None) -> bool:
        """Return whether nothing is deregistered without a verified archive, for an input that asks for a mode."""
        if requested == ExportMode.NO and self.may_be_skipped:
            return False
        return ExportMode.REQUIRED in (self.mode, requested)


class ExportLog(TypedDict):
    """What WorkMail's log of an export says: numbers, bytes, and the SHA-384 of the archive."""

    Key: str
    Messages: NotRequired[int]
    Folders: NotRequired[int]
    Bytes: NotRequired[int]
    NotExportable: NotRequired[int]
    Sha384: NotRequired[str]


class Checksum(TypedDict):
    """A checksum as S3 gives it: the algorithm, and the value in Base64."""

    Algorithm: str
    Type: str
    Value: str


class Archive(TypedDict):
    """How the export of a mailbox ended: `Verified`, or `NotArchived` with the reason.

    `At` is when that was found; `ExportEndedAt` is WorkMail's own date. Sizes are in bytes. `NotGiven` has the names of
    what neither WorkMail nor S3 showed, and `NotCompared` of what only somebody who may read the archive can compare.
    """

    Status: str
    At: str
    Reason: NotRequired[str]
    JobId: NotRequired[str]
    ExportStartedAt: NotRequired[str]
    ExportEndedAt: NotRequired[str]
    Bucket: NotRequired[str]
    Key: NotRequired[str]
    VersionId: NotRequired[str]
    Size: NotRequired[int]
    Checksum: NotRequired[Checksum]
    Log: NotRequired[ExportLog]
    LockedUntil: NotRequired[str]
    NotGiven: NotRequired[list[str]]
    NotCompared: NotRequired[list[str]]
    NotExported: NotRequired[str]


def is_verified(archive: Mapping[str, Any] | None) -> bool:
    """Return whether an archive was verified."""
    return archive is not None and archive["Status"] == "Verified"


def is_recent(archive: Mapping[str, Any], now: datetime) -> bool:
    """Return whether the result of an export is recent enough to deregister by."""
    return now - parse(archive.get("ExportEndedAt", archive["At"])) <= REUSE_ARCHIVE_FOR


def make_missing_archive(reason: str, at: str) -> Archive:
    """Return the result of an export without an archive."""
    return Archive(Status="NotArchived", At=at, Reason=reason)


@dataclass(frozen=True)
class ExportState:
    """How far the export of a mailbox has come, as the record has it.

    Attributes
    ----------
    attempt
        The number of the attempt, over all exports of the execution; with it WorkMail recognizes a repeated request.
    failures
        How many attempts of this export have failed.
    slot_deadline
        Until when a slot is waited for (RFC 3339).
    slot
        The number of the slot that it occupies, if it does.
    job_id, job_deadline
        The job, and until when it may run (RFC 3339); None while no job runs.
    problem
        Why the last attempt failed, if one did.
    failed_jobs
        The jobs that are not taken up again.
    """

    attempt: int
    slot_deadline: str
    failures: int = 0
    slot: int | None = None
    job_id: str | None = None
    job_deadline: str | None = None
    problem: str | None = None
    failed_jobs: tuple[str, ...] = ()

    def begin_again(self, slot_deadline: datetime) -> Self:
        """Return the beginning of another export of the mailbox, because the result of this one does not suffice."""
        return type(self)(self.attempt + 1, render(slot_deadline), failed_jobs=self._list_jobs())

    def fail(self, problem: str) -> Self:
        """Return what comes after an attempt that has failed."""
        failures, attempt = self.failures + 1, self.attempt + 1
        return type(self)(
            attempt, self.slot_deadline, failures=failures, problem=problem, failed_jobs=self._list_jobs()
        )

    def _list_jobs(self) -> tuple[str, ...]:
        return (*self.failed_jobs, *([self.job_id] if self.job_id else []))

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Parse what `to_item` rendered."""
        slot = item.get("Slot")
        return cls(
            attempt=int(item["Attempt"]),
            slot_deadline=item["SlotDeadline"],
            failures=int(item["Failures"]),
            slot=None if slot is None else int(slot),
            job_id=item.get("JobId"),
            job_deadline=item.get("JobDeadline"),
            problem=item.get("Problem"),
            failed_jobs=tuple(item.get("FailedJobs", ())),
        )

    def to_item(self) -> dict[str, Any]:
        """Render it as the record has it."""
        members = {
            "Attempt": self.attempt,
            "SlotDeadline": self.slot_deadline,
            "Failures": self.failures,
            "Slot": self.slot,
            "JobId": self.job_id,
            "JobDeadline": self.job_deadline,
            "Problem": self.problem,
            "FailedJobs": list(self.failed_jobs) or None,
        }
        return {name: value for name, value in members.items() if value is not None}

    def to_evidence(self) -> dict[str, Any]:
        """Return what the execution shows of it."""
        shown = ("Attempt", "SlotDeadline", "JobId", "JobDeadline", "Problem")
        return {name: value for name, value in self.to_item().items() if name in shown}


class JobState(StrEnum):
    """The states of an export, as `DescribeMailboxExportJob` names them."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class ExportJob:
    """One export, from `DescribeMailboxExportJob` or `ListMailboxExportJobs`.

    Attributes
    ----------
    id, entity_id, state
        The job, the entity of its mailbox, and how it stands.
    bucket, path
        Where the archive is made. The path may begin with the bucket.
    progress
        In percent, as WorkMail estimates it.
    error_info
        Why it failed.
    started_at, ended_at
        WorkMail's dates.
    """

    id: str
    entity_id: str
    state: JobState
    bucket: str | None = None
    path: str | None = None
    progress: int | None = None
    error_info: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_running(self) -> bool:
        """Whether WorkMail still exports."""
        return self.state is JobState.RUNNING

    @property
    def key(self) -> str | None:
        """The key of the archive in the bucket, if WorkMail gives its path."""
        return self.path.removeprefix(f"{self.bucket}/") if self.path else None

    def estimate_end(self, now: datetime, mailbox_size: float | None) -> datetime:
        """Estimate when a running job ends: by its progress, or else by the size of the mailbox in megabytes."""
        started_at = self.started_at or now
        if self.progress:
            return now + (now - started_at) * ((100 - self.progress) / self.progress)
        return started_at + _GUESSED_START + _GUESSED_PER_MEGABYTE * float(mailbox_size or 0)


@dataclass(frozen=True)
class ArchivePlace:
    """Where archives are made: a bucket, and how the keys of its archives begin."""

    bucket: str
    prefix: str

    def has(self, job: ExportJob) -> bool:
        """Return whether a job exports to this place, as far as WorkMail says where it does."""
        return job.bucket == self.bucket and (job.key is None or job.key.startswith(self.prefix))


def find_adoptable_job(
    jobs: Iterable[ExportJob], entity_id: str, place: ArchivePlace, departed_at: datetime, now: datetime
) -> ExportJob | None:
    """Find a job that exports a mailbox already, or has exported it since its owner left.

    WorkMail refuses a second export of a mailbox within 24 hours, so the first one counts, whoever has started it.

    Parameters
    ----------
    jobs
        The organization's jobs, without those that are not taken up again.
    entity_id
        The entity of the mailbox.
    place
        Where archives are made: an export to another place can neither be verified nor kept.
    departed_at
        Since when a completed export has all of the leaver's mail.
    now
        The state machine's time.
    """
    own_jobs = [job for job in jobs if job.entity_id == entity_id and place.has(job)]
    running = [job for job in own_jobs if job.is_running]
    completed = [
        job
        for job in own_jobs
        if job.state is JobState.COMPLETED
        and job.started_at is not None
        and job.started_at >= departed_at
        and now - (job.ended_at or job.started_at) <= REUSE_ARCHIVE_FOR
    ]
    return max([*running, *completed], key=lambda job: (job.is_running, job.started_at or now), default=None)


def plan_look_at_job(job: ExportJob, now: datetime, state: ExportState, mailbox_size: float | None) -> datetime:
    """Return when to look at a running job again: when it may be over, and within the hour."""
    deadline = parse(state.job_deadline) if state.job_deadline else now
    return _limit_look(job.estimate_end(now, mailbox_size), now, deadline)


def plan_look_at_slots(
    jobs: Iterable[ExportJob], now: datetime, state: ExportState, slot_deadline_days: int
) -> datetime:
    """Return when to look for a free slot again: when the first job may end, and within the hour.

    Who has waited for less than an hour looks up to ten minutes later than the others, so these are first.
    """
    deadline = parse(state.slot_deadline)
    ends = [job.estimate_end(now, None) for job in jobs if job.is_running]
    waited = now - (deadline - timedelta(days=slot_deadline_days))
    lateness = _LATENESS_OF_NEWCOMERS * max(0.0, 1 - waited / LONGEST_WAIT_FOR_LOOK)
    return _limit_look(min(ends, default=now + LONGEST_WAIT_FOR_LOOK), now, deadline, lateness)


def _limit_look(moment: datetime, now: datetime, deadline: datetime, lateness: timedelta = timedelta(0)) -> datetime:
    """Return a moment that is neither too soon nor too late, nor after the deadline, as a whole second."""
    look_at = max(moment, now + _SHORTEST_WAIT_FOR_LOOK) + lateness
    return whole_second(min(look_at, now + LONGEST_WAIT_FOR_LOOK, max(deadline, now)))


def can_start(jobs: Collection[ExportJob], entity_id: str, now: datetime) -> bool:
    """Return whether WorkMail may start an export, by its quotas and by what its list of jobs shows.

    Whether a failed or cancelled export counts for the 24 hours is not documented; it is tried.
    """
    ended = (JobState.FAILED, JobState.CANCELLED)
    was_exported = any(
        job.entity_id == entity_id
        and job.state not in ended
        and job.started_at is not None
        and job.started_at > now - ONE_DAY
        for job in jobs
    )
    return not was_exported and sum(job.is_running for job in jobs) < WORKMAIL_JOBS


def running_entities(jobs: Collection[ExportJob]) -> frozenset[str]:
    """Return the entities whose mailboxes are being exported."""
    return frozenset(job.entity_id for job in jobs if job.is_running)


def describe_archive(archive: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    """Return what the evidence of a deregistration has of the archive: none if no export was made."""
    if archive is None:
        return {}
    if not is_verified(archive):
        return {"Archive": archive["Status"]}
    minutes = (now - parse(archive["ExportEndedAt"])) // timedelta(minutes=1) if "ExportEndedAt" in archive else None
    since = {} if minutes is None else {"MinutesSinceExport": minutes}
    return {"Archive": archive["Status"], **since}
