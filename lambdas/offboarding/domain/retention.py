"""When a mailbox is removed, and when to check: one absolute time each, computed once and never again.

The clock that counts is WorkMail's own `DisabledDate`, not the time at which a state ran.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from offboarding.domain.timestamps import ONE_DAY, render, whole_second


def service_end(day: date) -> datetime:
    """Return the moment after which WorkMail may no longer answer: the start of its last day, UTC."""
    return datetime.combine(day, time(), UTC)


@dataclass(frozen=True)
class RetentionRules:
    """How long WorkMail keeps a mailbox, how long to wait beyond that, and when WorkMail itself ends."""

    retention: timedelta
    slack: timedelta
    overdue: timedelta
    service_ends_on: date

    @property
    def last_full_day(self) -> datetime:
        """The first moment of the last day on which WorkMail answers all day."""
        return self.service_ends_at - ONE_DAY

    @property
    def service_ends_at(self) -> datetime:
        """The moment after which WorkMail may no longer answer."""
        return service_end(self.service_ends_on)

    @property
    def last_check(self) -> datetime:
        """The last moment for a check: an hour before WorkMail's last full day is over."""
        return self.last_full_day + timedelta(hours=23)

    @property
    def last_verifiable_moment(self) -> datetime:
        """The last moment at which an entity can be disabled so that the end of its retention is still checked."""
        return self.last_check - self.retention


@dataclass(frozen=True)
class RetentionPlan:
    """The dates of one offboarding, all of them fixed as soon as the entity reads back as disabled."""

    deregistered_at: datetime
    retention_ends_at: datetime
    verify_at: datetime
    give_up_at: datetime
    service_ends_first: bool

    def to_json(self) -> dict[str, str | bool]:
        """Return the dates as they cross states: RFC 3339 in UTC, and whether WorkMail ends before them."""
        return {
            "DeregisteredAt": render(self.deregistered_at),
            "RetentionEndsAt": render(self.retention_ends_at),
            "VerifyAt": render(self.verify_at),
            "GiveUpAt": render(self.give_up_at),
            "ServiceEndsFirst": self.service_ends_first,
        }


def plan_retention(disabled_date: datetime, rules: RetentionRules) -> RetentionPlan:
    """Work out when to verify the cleanup of an entity that was disabled at `disabled_date`.

    Normally that is the end of the retention plus the slack. Where WorkMail ends before the retention
    does, it is the last full day of the service, or at once for what was disabled even later.
    """
    retention_ends_at = disabled_date + rules.retention
    service_ends_first = retention_ends_at > rules.last_check
    if service_ends_first:
        verify_at = max(rules.last_full_day, disabled_date)
    else:
        verify_at = min(retention_ends_at + rules.slack, rules.last_check)
    verify_at = whole_second(verify_at)
    return RetentionPlan(
        deregistered_at=disabled_date,
        retention_ends_at=retention_ends_at,
        verify_at=verify_at,
        give_up_at=max(verify_at, min(verify_at + rules.overdue, rules.last_check)),
        service_ends_first=service_ends_first,
    )
