"""Exports of mailboxes.

The quotas are the administrator guide's: https://docs.aws.amazon.com/workmail/latest/adminguide/mail-export.html

Not documented, and assumed here:

- A role, bucket or key that does not exist, or is in another Region, is refused with ``InvalidParameterException``.
  Whatever else the role cannot do makes the job fail: within a minute if that is so at the start, or at its end.
- Both quotas are answered with ``LimitExceededException``, the only error of the model for them.
- A job exports what the mailbox holds at its end. (The guide: it is no snapshot of a single point in time.)
- Cancelling a job that has ended does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from moto.moto_api._internal import mock_random
from moto.s3.models import s3_backends

from ..descriptions import Answer
from ..exceptions import EntityNotFoundException, InvalidParameterException, LimitExceededException
from ..exports.access import Destination, find_access_problem, require_destination
from ..exports.archive import make_archive
from ..exports.jobs import CANCELLED, COMPLETED, FAILED, RUNNING, MailboxExportJob, compute_duration
from ..paging import Page
from ..state import ENABLED, Mailbox, Resource, User, WorkMailEntity, WorkMailOrganization, now
from .base import Operations, with_token

MAX_RUNNING_JOBS = 10
MIN_TIME_BETWEEN_JOBS = timedelta(hours=24)
MAX_KEY_LENGTH = 1023
LATE_PROGRESS = 90

_REFUSAL_DELAY = timedelta(minutes=1)

CallAt = Callable[[datetime, Callable[[], None], str], object]


class MailboxExportOperations(Operations):
    """Start, describe, list and cancel jobs that export a mailbox."""

    call_at: CallAt | None
    retention: timedelta
    finish_due_exports: Callable[[], None]

    def start_mailbox_export_job(
        self, organization_id: str, entity_id: str, client_token: str, **parameters: Any
    ) -> Answer:
        """Start a job; again with the same token and parameters, return the same job.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_StartMailboxExportJob.html
        """
        organization = self._get_active_organization(organization_id)
        request = {"entity_id": entity_id, "client_token": client_token, "description": None, **parameters}
        previous_job = _find_job_with_token(organization, client_token)
        if previous_job is not None:
            if previous_job.request != request:
                raise InvalidParameterException("The ClientToken was used for another request.")
            return {"JobId": previous_job.id}
        entity, mailbox = self._get_exported_mailbox(organization, entity_id)
        require_destination(_make_destination(organization, request))
        time = now()
        self._require_quotas(organization, entity, time)
        job = self._make_job(organization, entity, mailbox, request, time)
        organization.export_jobs[job.id] = job
        if self.call_at is not None:
            self.call_at(job.due, self.finish_due_exports, f"export job {job.id}")
        return {"JobId": job.id}

    def describe_mailbox_export_job(self, organization_id: str, job_id: str) -> Answer:
        """Describe a job, until seven days after its end.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeMailboxExportJob.html
        """
        job = _get_job(self._get_active_organization(organization_id), job_id)
        request = job.request
        answer = {
            **self._summarize_job(job),
            "RoleArn": request["role_arn"],
            "KmsKeyArn": request["kms_key_arn"],
            "S3Prefix": request["s3_prefix"],
            "ErrorInfo": job.error_info,
        }
        del answer["JobId"]
        return {name: value for name, value in answer.items() if value is not None}

    def list_mailbox_export_jobs(
        self, organization_id: str, next_token: str | None = None, max_results: int | None = None
    ) -> Answer:
        """List the jobs that were started within the last seven days, the oldest first.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListMailboxExportJobs.html
        """
        organization, time = self._get_active_organization(organization_id), now()
        page = Page(("ListMailboxExportJobs", organization_id), max_results, next_token)
        summaries = [self._summarize_job(job) for job in organization.export_jobs.values() if job.is_listed(time)]
        jobs = [{name: value for name, value in summary.items() if value is not None} for summary in summaries]
        return with_token("Jobs", *page.slice(jobs))

    def cancel_mailbox_export_job(self, organization_id: str, job_id: str, client_token: str) -> Answer:
        """Cancel a job that runs, unless it is too late for that.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_CancelMailboxExportJob.html
        """
        job, time = _get_job(self._get_active_organization(organization_id), job_id), now()
        if job.state != RUNNING:
            return {}
        is_late = job.estimate_progress(time) >= LATE_PROGRESS
        if not is_late or self.behaviour.late_cancellation == "cancels":
            job.end(CANCELLED, time)
        return {}

    def finish_exports(self, organization: WorkMailOrganization, time: datetime) -> None:
        """End the jobs of an organization whose time has come, in the order in which they are due.

        Parameters
        ----------
        organization
            The organization.
        time
            The time now.
        """
        running = [job for job in organization.export_jobs.values() if job.state == RUNNING]
        for job in sorted(running, key=lambda job: job.due):
            entity = organization.entities[job.entity_id]
            interruption = self._find_interruption(job, entity)
            if interruption is not None and interruption[0] <= min(time, job.due):
                job.end(FAILED, *interruption)
            elif job.due <= time:
                self._finish_job(organization, entity, job)

    def _get_exported_mailbox(
        self, organization: WorkMailOrganization, identifier: str
    ) -> tuple[WorkMailEntity, Mailbox]:
        """Return an entity with a mailbox that can be exported; the model has no ``EntityStateException``."""
        entity = self._get_entity(organization, identifier, User, Resource, deleted=EntityNotFoundException)
        if entity.mailbox is None:
            raise EntityNotFoundException(f"The entity {identifier} has no mailbox.")
        if entity.state != ENABLED:
            message = f"The entity {identifier} is {entity.state}; only the mailbox of an enabled entity is exported."
            if self.behaviour.export_of_disabled == "EntityNotFoundException":
                raise EntityNotFoundException(message)
            if self.behaviour.export_of_disabled == "InvalidParameterException":
                raise InvalidParameterException(message)
        return entity, entity.mailbox

    def _require_quotas(self, organization: WorkMailOrganization, entity: WorkMailEntity, time: datetime) -> None:
        jobs = organization.export_jobs.values()
        if sum(job.state == RUNNING for job in jobs) >= MAX_RUNNING_JOBS:
            raise LimitExceededException(f"An organization has at most {MAX_RUNNING_JOBS} export jobs that run.")
        for job in jobs:
            is_recent = job.entity_id == entity.id and time < job.start_time + MIN_TIME_BETWEEN_JOBS
            if is_recent and (job.state in (RUNNING, COMPLETED) or self.behaviour.ended_exports == "count"):
                raise LimitExceededException("A mailbox can be exported once in 24 hours.")

    def _make_job(
        self,
        organization: WorkMailOrganization,
        entity: WorkMailEntity,
        mailbox: Mailbox,
        request: dict[str, Any],
        time: datetime,
    ) -> MailboxExportJob:
        behaviour = self.behaviour
        duration = compute_duration(mailbox.size, behaviour.export_minutes_per_gb, behaviour.export_minimum_minutes)
        was_enabled = entity.state == ENABLED
        job = MailboxExportJob(
            str(mock_random.uuid4()), entity.id, request, time, time + duration, was_enabled=was_enabled
        )
        if len(self._render_s3_path(job)) > MAX_KEY_LENGTH:
            raise InvalidParameterException("S3Prefix: it is too long for the key of an archive.")
        job.refusal = self._find_access_problem(_make_destination(organization, request), job)
        if not was_enabled and behaviour.export_of_disabled == "FAILED":
            job.refusal = "The mailbox of a disabled entity cannot be exported."
        if job.refusal is not None:
            job.due = time + min(duration, _REFUSAL_DELAY)
        return job

    def _find_access_problem(self, destination: Destination, job: MailboxExportJob) -> str | None:
        """Return why the job cannot store its archive or its log, in a sentence."""
        keys = [job.archive_key, *([job.log_key] if self.behaviour.export_log == "beside" else [])]
        problems = (find_access_problem(destination, key) for key in keys)
        return next((problem for problem in problems if problem is not None), None)

    def _find_interruption(self, job: MailboxExportJob, entity: WorkMailEntity) -> tuple[datetime, str] | None:
        """Return when something ends a job early, and what."""
        if entity.state == ENABLED or entity.disabled_date is None:
            return None
        if job.was_enabled and self.behaviour.export_of_deregistered == "FAILED":
            return max(job.start_time, entity.disabled_date), "The entity was deregistered while the job ran."
        removal = entity.disabled_date + self.retention
        return (removal, "The mailbox was removed while the job ran.") if removal <= job.due else None

    def _finish_job(self, organization: WorkMailOrganization, entity: WorkMailEntity, job: MailboxExportJob) -> None:
        """End a job at its time, as the switches say."""
        result, destination = self.behaviour.export_result, _make_destination(organization, job.request)
        mailbox = entity.mailbox
        problem = job.refusal or self._find_access_problem(destination, job)
        if mailbox is None:
            problem = "The mailbox does not exist any more."
        if result == "FAILED":
            problem = problem or "The service could not read the mailbox."
        if result == "vanishes":
            job.is_gone = True
        if problem is not None or mailbox is None:
            job.end(FAILED, job.due, problem)
        elif result == "CANCELLED":
            job.end(CANCELLED, job.due)
        else:
            if result in ("archive", "empty-object"):
                self._store_archive(destination, entity, mailbox, job)
            job.end(COMPLETED, job.due)

    def _store_archive(
        self, destination: Destination, entity: WorkMailEntity, mailbox: Mailbox, job: MailboxExportJob
    ) -> None:
        place = self.behaviour.export_log
        contents = entity.read_contents(mailbox)
        archive = make_archive(contents, job.start_time, job.due, has_log=place == "inside")
        is_empty = self.behaviour.export_result == "empty-object"
        _put_object(destination, job.archive_key, b"" if is_empty else archive.data)
        if place == "beside":
            _put_object(destination, job.log_key, archive.log)

    def _render_s3_path(self, job: MailboxExportJob) -> str:
        """Return the path of the archive; its pattern in the model has no colon, so that it is no URI."""
        bucket = f"{job.request['s3_bucket_name']}/" if self.behaviour.export_s3_path == "bucket-and-key" else ""
        return f"{bucket}{job.archive_key}"

    def _summarize_job(self, job: MailboxExportJob) -> Answer:
        return {
            "JobId": job.id,
            "EntityId": job.entity_id,
            "Description": job.request["description"],
            "S3BucketName": job.request["s3_bucket_name"],
            "S3Path": self._render_s3_path(job),
            "EstimatedProgress": job.estimate_progress(now()),
            "State": job.state,
            "StartTime": job.start_time,
            "EndTime": job.end_time,
        }


def _find_job_with_token(organization: WorkMailOrganization, client_token: str) -> MailboxExportJob | None:
    jobs = organization.export_jobs.values()
    return next((job for job in jobs if job.request["client_token"] == client_token), None)


def _get_job(organization: WorkMailOrganization, job_id: str) -> MailboxExportJob:
    job = organization.export_jobs.get(job_id)
    if job is None or not job.is_described(now()):
        raise EntityNotFoundException(f"There is no mailbox export job {job_id} in the organization.")
    return job


def _make_destination(organization: WorkMailOrganization, request: dict[str, Any]) -> Destination:
    return Destination(
        organization_arn=organization.arn,
        role_arn=request["role_arn"],
        key_arn=request["kms_key_arn"],
        bucket_name=request["s3_bucket_name"],
    )


def _put_object(destination: Destination, key: str, data: bytes) -> None:
    s3_backends[destination.account_id][destination.partition].put_object(
        destination.bucket_name, key, data, encryption="aws:kms", kms_key_id=destination.key_arn
    )
