"""The end of Amazon WorkMail, and what it leaves of a mailbox's retention.

The functions compute the same, with the same rules: nobody may learn here of a day on which nothing can be done.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from operate.periods import render_rfc3339
from operate.terminal import parse_moment, render_moment, render_remaining_time

ANNOUNCED_SERVICE_END = date(2027, 3, 31)
"""The day that AWS announced; it counts for a stack whose outputs do not have the setting."""
RETENTION = timedelta(days=30)
"""How long WorkMail keeps a disabled mailbox."""
_ONE_DAY = timedelta(days=1)
_NOTICE = timedelta(days=60)


@dataclass(frozen=True)
class ServiceEnd:
    """The day on which Amazon WorkMail ends (UTC), by the settings of the stack."""

    day: date

    @property
    def at(self) -> datetime:
        """The moment after which WorkMail may no longer answer: the start of the day."""
        return datetime.combine(self.day, time(), UTC)

    @property
    def last_check(self) -> datetime:
        """The last moment at which a clean-up is verified: an hour before WorkMail's last full day is over."""
        return self.at - timedelta(hours=1)

    @property
    def last_verifiable_moment(self) -> datetime:
        """The last moment at which an entity can be disabled so that its clean-up can still be verified."""
        return self.last_check - RETENTION

    def is_near(self, now: datetime) -> bool:
        """Whether it is at most 60 days ahead, or has come."""
        return now >= self.at - _NOTICE

    def has_begun(self, now: datetime) -> bool:
        """Whether the day has come on which WorkMail may no longer answer."""
        return now >= self.at

    def is_over(self, now: datetime) -> bool:
        """Whether the day is over: WorkMail does nothing any more."""
        return now >= self.at + _ONE_DAY

    def describe(self, now: datetime) -> str:
        """Return when it is, as the beginning of a sentence."""
        if self.is_over(now):
            return f"Amazon WorkMail ended on {self.day}"
        if self.has_begun(now):
            return f"Amazon WorkMail ends today, {self.day}"
        return f"Amazon WorkMail ends on {self.day}"

    def cut(self, moment: str | None) -> str | None:
        """Return a moment (RFC 3339), or the end of WorkMail if that is earlier."""
        parsed = parse_moment(moment)
        return render_rfc3339(self.at) if parsed is not None and parsed > self.at else moment


@dataclass(frozen=True)
class Retention:
    """The retention of a mailbox, as far as Amazon WorkMail lives to its end.

    Attributes
    ----------
    ends_at
        When WorkMail removes the mailbox (RFC 3339), if WorkMail still exists then.
    service_end
        When WorkMail ends.
    """

    ends_at: str
    service_end: ServiceEnd

    @property
    def last_return(self) -> str:
        """The last moment (RFC 3339) at which the mailbox can be given back."""
        return self.service_end.cut(self.ends_at) or self.ends_at

    @property
    def is_cut(self) -> bool:
        """Whether WorkMail ends before the retention does."""
        return self.last_return != self.ends_at

    @property
    def is_verifiable(self) -> bool:
        """Whether the clean-up can be verified before WorkMail ends."""
        end = parse_moment(self.ends_at)
        return end is None or end <= self.service_end.last_check

    def is_open(self, now: datetime) -> bool:
        """Whether the mailbox can still be given back; on the last day of WorkMail that may succeed."""
        end = parse_moment(self.ends_at)
        return end is not None and now < end and not self.service_end.is_over(now)

    def describe_return(self, now: datetime) -> str | None:
        """Return until when the mailbox can be given back, as sentences; None if the retention itself is over."""
        end = parse_moment(self.ends_at)
        if end is None or end <= now:
            return None
        if self.service_end.is_over(now):
            return f"The mailbox cannot be given back any more: {self.service_end.describe(now)}."
        if self.service_end.has_begun(now):
            return f"{self.service_end.describe(now)}, and may no longer answer. Give the mailbox back at once."
        left = render_remaining_time(self.last_return, now)
        reason = f" {self.service_end.describe(now)}, before the retention is over." if self.is_cut else ""
        return f"The mailbox can be given back until {render_moment(self.last_return)} ({left} left).{reason}"

    def describe_verification(self, verify_at: str | None) -> str | None:
        """Return when the clean-up is verified, or why it cannot be; None if neither is known."""
        if not self.is_verifiable:
            return f"The end of Amazon WorkMail on {self.service_end.day} comes first: the clean-up cannot be verified."
        return f"The clean-up is verified at {render_moment(verify_at)}." if verify_at else None
