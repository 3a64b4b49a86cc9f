"""WorkMail's exports of mailboxes."""

from offboarding.adapters.archives import ArchiveSettings
from offboarding.adapters.directory import Answer, Directory
from offboarding.domain import errors
from offboarding.domain.exports import ExportJob, JobState


class MailboxExports(Directory):
    """The exports of one WorkMail organization, beside its entities; the errors are those of `Directory`."""

    def start_job(self, entity_id: str, settings: ArchiveSettings, token: str) -> str:
        """Start the export of a mailbox, and return the id of the job; the same token returns the same job.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_StartMailboxExportJob.html

        Parameters
        ----------
        entity_id
            The user or resource.
        settings
            Where archives are made.
        token
            64 hexadecimal digits.

        Raises
        ------
        ExportLimitReached
            If ten exports run, or the mailbox was exported within 24 hours.
        EntityNotFound, DeregistrationRefused
            If WorkMail does not export this mailbox.
        """
        answer = self._call(
            "StartMailboxExportJob",
            ClientToken=token,
            EntityId=entity_id,
            RoleArn=settings.role_arn,
            KmsKeyArn=settings.kms_key_arn,
            S3BucketName=settings.bucket,
            # One place for each export, which says whose it is by ids alone.
            S3Prefix=f"{settings.prefix}{self._organization_id}/{entity_id}/{token[:16]}/",
        )
        job_id = answer.get("JobId")
        if not isinstance(job_id, str):
            raise _incomplete_answer_error("StartMailboxExportJob", "JobId")
        return job_id

    def describe_job(self, job_id: str) -> ExportJob | None:
        """Read one export; None if WorkMail does not know it, or not any more.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeMailboxExportJob.html
        """
        try:
            answer = self._call("DescribeMailboxExportJob", JobId=job_id)
        except errors.EntityNotFound:
            return None
        return _parse_job("DescribeMailboxExportJob", {**answer, "JobId": job_id})

    def list_jobs(self) -> list[ExportJob]:
        """List the exports of the last seven days, whoever started them.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListMailboxExportJobs.html
        """
        items = self._iterate_pages("ListMailboxExportJobs", "Jobs", MaxResults=100)
        return [_parse_job("ListMailboxExportJobs", item) for item in items]

    def cancel_job(self, job_id: str, token: str) -> None:
        """Cancel an export that runs; one that is over, or unknown, is left alone.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_CancelMailboxExportJob.html
        """
        try:
            self._call("CancelMailboxExportJob", JobId=job_id, ClientToken=token)
        except errors.EntityNotFound:
            return


def _parse_job(operation: str, item: Answer) -> ExportJob:
    for member in ("JobId", "EntityId", "State"):
        if not isinstance(item.get(member), str):
            raise _incomplete_answer_error(operation, member)
    try:
        state = JobState(item["State"])
    except ValueError:
        raise errors.WorkMailUnavailable(
            f"WorkMail answered {operation} with the State {item['State'][:32]}, which is not one of "
            f"{', '.join(JobState)}."
        ) from None
    return ExportJob(
        id=item["JobId"],
        entity_id=item["EntityId"],
        state=state,
        bucket=item.get("S3BucketName"),
        path=item.get("S3Path"),
        progress=item.get("EstimatedProgress"),
        error_info=item.get("ErrorInfo"),
        started_at=item.get("StartTime"),
        ended_at=item.get("EndTime"),
    )


def _incomplete_answer_error(operation: str, member: str) -> errors.WorkMailUnavailable:
    return errors.WorkMailUnavailable(
        f"WorkMail answered {operation} without {member}, so the answer cannot be relied on. Start again later."
    )
