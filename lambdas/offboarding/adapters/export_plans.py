"""What a plan says of the export of a mailbox."""

from datetime import datetime, timedelta
from typing import Any

from offboarding.adapters.archives import ArchiveSettings, read_archive_settings
from offboarding.adapters.mailbox_exports import MailboxExports
from offboarding.domain import errors
from offboarding.domain.entities import Entity
from offboarding.domain.exports import DURATION_NOTE, NOT_EXPORTED, ExportJob, ExportMode
from offboarding.domain.timestamps import render


def plan_export(
    exports: MailboxExports, organization_id: str, entity: Entity, mode: ExportMode, now: datetime, ends_at: datetime
) -> dict[str, Any]:
    """Describe the export of a mailbox that an offboarding would make first.

    Parameters
    ----------
    exports
        The organization's exports.
    organization_id, entity
        The organization, and the user or resource.
    mode
        `IfPossible` or `Required`.
    now
        The state machine's time.
    ends_at
        When Amazon WorkMail ends.

    Returns
    -------
    dict[str, Any]
        `MailboxSize` in megabytes, if WorkMail gives it; `SlotExpectedAt` (RFC 3339) only if no slot is free; and what
        does not depend on the moment.
    """
    settings = read_archive_settings(organization_id)
    running = [job for job in exports.list_jobs() if job.is_running]
    longest = timedelta(days=settings.slot_deadline_days + settings.job_deadline_days)
    return {
        "Mode": mode.value,
        **_read_size(exports, entity),
        "Place": f"s3://{settings.bucket}/{settings.prefix}{organization_id}/{entity.id}/",
        "RunningExports": len(running),
        "Slots": settings.slots,
        **_expect_slot(running, settings, now),
        "NotExported": NOT_EXPORTED,
        "LastSafeStart": render(ends_at - longest),
        "Note": f"{DURATION_NOTE} After LastSafeStart the deadlines of the settings reach beyond the end of WorkMail.",
    }


def _read_size(exports: MailboxExports, entity: Entity) -> dict[str, float]:
    try:
        size = exports.describe_mailbox(entity.id).size
    except errors.EntityNotFound:
        return {}
    return {} if size is None else {"MailboxSize": size}


def _expect_slot(running: list[ExportJob], settings: ArchiveSettings, now: datetime) -> dict[str, str]:
    if len(running) < settings.slots:
        return {}
    return {"SlotExpectedAt": render(min(job.estimate_end(now, None) for job in running))}
