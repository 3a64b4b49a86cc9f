"""A job that exports a mailbox.

The service stores an archive ``<S3Prefix>/<JobId>.zip``. The administrator guide documents only that the key begins
with the prefix: its policy allows ``<S3Prefix>*``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

RUNNING = "RUNNING"
COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"

VISIBLE_FOR = timedelta(days=7)
"""How long a list shows a job after its start, and a description after its end."""

MAX_ERROR_INFO_LENGTH = 1024


@dataclass
class MailboxExportJob:
    """A job.

    Attributes
    ----------
    request
        The parameters of the request that started it, by their names in Python.
    due
        When it ends, unless something ends it earlier.
    was_enabled
        Whether the entity was enabled when it started.
    refusal
        Why the service cannot export, or None. The job fails when it is due.
    end_time
        When it ended, or None.
    progress
        The percentage when it ended.
    is_gone
        Whether no client sees it.
    """

    id: str
    entity_id: str
    request: dict[str, Any]
    start_time: datetime
    due: datetime
    was_enabled: bool
    refusal: str | None = None
    state: str = RUNNING
    end_time: datetime | None = None
    error_info: str | None = None
    progress: int = 0
    is_gone: bool = False

    @property
    def archive_key(self) -> str:
        """The key of the archive in the bucket."""
        return f"{self.request['s3_prefix'].rstrip('/')}/{self.id}.zip"

    @property
    def log_key(self) -> str:
        """The key of the log, if it is beside the archive."""
        return f"{self.archive_key.removesuffix('.zip')}.json"

    def estimate_progress(self, time: datetime) -> int:
        """Return the progress in percent; 100 only when it has completed."""
        if self.state != RUNNING:
            return self.progress
        return int(100 * (time - self.start_time) / (self.due - self.start_time))

    def end(self, state: str, time: datetime, error_info: str | None = None) -> None:
        """End it, in one of the states that are not RUNNING."""
        self.progress = 100 if state == COMPLETED else self.estimate_progress(time)
        self.state, self.end_time = state, time
        self.error_info = error_info[:MAX_ERROR_INFO_LENGTH] if error_info else None

    def is_described(self, time: datetime) -> bool:
        """Tell whether ``DescribeMailboxExportJob`` still knows it."""
        return not self.is_gone and (self.end_time is None or time < self.end_time + VISIBLE_FOR)

    def is_listed(self, time: datetime) -> bool:
        """Tell whether ``ListMailboxExportJobs`` still has it."""
        return not self.is_gone and time < self.start_time + VISIBLE_FOR


def compute_duration(size_mb: float, minutes_per_gb: float, minimum_minutes: float) -> timedelta:
    """Return how long an export takes, in whole seconds and at least one.

    AWS publishes no durations: only that they depend on the size and on the number of items.
    """
    minutes = max(minimum_minutes, size_mb / 1024 * minutes_per_gb)
    return timedelta(seconds=max(1, round(minutes * 60)))
