"""Invariants of exports: nothing is deregistered without the archive that is required, and WorkMail's quotas hold.

All is worked out from the embedded AWS itself, not by the product's code: from WorkMail's jobs, the versions of the
objects in the bucket, the parameters, and the items in the table.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from moto.s3.models import s3_backends
from moto.ssm.models import ssm_backends

from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION
from local.workmail.exports.jobs import COMPLETED, RUNNING, MailboxExportJob
from local.workmail.state import ENABLED
from tests.workflow.conftest import Flow

LEASE = timedelta(hours=12)
"""How long a slot stays leased to an execution that has ended without giving it back."""
MAX_ARCHIVE_AGE = timedelta(hours=24 + 9)
"""How old an archive is at a deregistration: a day, and all retries of two states."""


class ExportMonitor:
    """Monitors the exports that the stack starts.

    Parameters
    ----------
    flow
        The flow to monitor.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._organization = flow.backend.organizations[ORGANIZATION_ID]
        self._jobs_by_execution: dict[str, list[MailboxExportJob]] = defaultdict(list)

    def record_start(self, execution: Any, parameters: Mapping[str, Any]) -> Iterator[str]:
        """Yield the reasons why an execution must not have started the export that WorkMail has just accepted.

        Somebody who exports by hand can have ten exports run; only those of the stack count for its slots.
        """
        jobs = self._organization.export_jobs
        job = next(job for job in jobs.values() if job.request["client_token"] == parameters["ClientToken"])
        started = self._jobs_by_execution[execution.exec_arn]
        if any(earlier is job for earlier in started):
            return
        started.append(job)
        running_of_stack = [job for jobs in self._jobs_by_execution.values() for job in jobs if job.state == RUNNING]
        slots = self._read_settings()["Slots"]
        if len(running_of_stack) > slots:
            yield f"{len(running_of_stack)} exports of the stack run at once, and it has {slots} slots"
        of_mailbox = [one for one in jobs.values() if one.entity_id == job.entity_id and one.state == RUNNING]
        if len(of_mailbox) > 1:
            yield f"{len(of_mailbox)} exports of this mailbox run at once"

    def check_deregistration(self, record: Mapping[str, Any], entity: Any) -> Iterator[str]:
        """Yield the reasons why an entity must not be deregistered, if an archive of its mailbox is required.

        The archive is that which the record names: a version of an object in the stack's bucket, which is not empty,
        from a job of this mailbox that has completed. The mailbox has not been replaced by another one since.
        """
        if not entity.has_mailbox or entity.state != ENABLED:
            return
        archive = record.get("Archive", {})
        if archive.get("Status") != "Verified":
            yield f"it has no verified archive: {archive}"
            return
        job = self._organization.export_jobs.get(archive["JobId"])
        if job is None or (job.entity_id, job.state) != (entity.id, COMPLETED):
            yield f"no export of this mailbox has completed: {job}"
            return
        if archive["Key"] != job.archive_key or job.start_time < entity.mailbox.provisioned_date:
            yield f"its archive is not one of this mailbox: {archive}"
        if self._flow.clock.now() - job.end_time > MAX_ARCHIVE_AGE:
            yield f"its archive is of {job.end_time}"
        yield from self._check_object(archive)

    def check_final(self, items: list[dict[str, Any]], stop_dates: Mapping[str, datetime | None]) -> Iterator[str]:
        """Yield the archives that are lost, and the slots that are leased for longer than their lease.

        Parameters
        ----------
        items
            The items of the table.
        stop_dates
            By execution when it ended.
        """
        for item in items:
            if item["Part"] == "Record" and item.get("Archive", {}).get("Status") == "Verified":
                yield from (f"{item['Id']}: {text}" for text in self._check_object(item["Archive"]))
            if item["Id"] == f"export/{ORGANIZATION_ID}" and "ExecutionArn" in item:
                ended_at = stop_dates.get(item["ExecutionArn"])
                leased_until = datetime.fromisoformat(item["LeasedUntil"])
                if ended_at is not None and leased_until > ended_at + LEASE:
                    yield f"{item['Part']} is leased until {leased_until} to {item['ExecutionArn']}, over at {ended_at}"

    def _check_object(self, archive: Mapping[str, Any]) -> Iterator[str]:
        settings = self._read_settings()
        bucket = s3_backends[ACCOUNT]["aws"].buckets[settings["Bucket"]]
        versions = bucket.keys.getlist(archive["Key"], [])
        version = next((v for v in versions if getattr(v, "version_id", None) == archive["VersionId"]), None)
        if archive["Bucket"] != settings["Bucket"] or version is None:
            yield f"its archive does not exist: {archive}"
        elif version.size == 0 or version.size != int(archive["Size"]):
            yield f"its archive has {version.size} bytes: {archive}"
        elif "LockDays" in settings and version.lock_mode != "GOVERNANCE":
            yield f"its archive is not locked: {archive}"

    def _read_settings(self) -> dict[str, Any]:
        """Return where the mailboxes of the organization are exported."""
        path = self._flow.environment.function_environment("CheckExport")["ARCHIVES_PATH"]
        backend = ssm_backends[ACCOUNT][REGION]
        # Not by the instance, whose reads can be recorded as those of the stack.
        parameter = type(backend).get_parameter(backend, f"{path}/{ORGANIZATION_ID}")
        settings: dict[str, Any] = json.loads(parameter.value)
        return settings


def requires_archive(policy: Mapping[str, Any], requested: str | None) -> bool:
    """Return whether an archive is required, by the member Export of a policy and of an execution's input."""
    export = policy["Export"]
    if requested == "No" and export["MayBeSkipped"]:
        return False
    return "Required" in {export["Mode"], requested}
