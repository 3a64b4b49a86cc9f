"""When an entity that was offboarded was registered again: within the retention of its mailbox, or after it."""

from datetime import datetime
from enum import StrEnum

from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.timestamps import render

REENABLED = "Reenabled"
REENABLED_AFTER_RETENTION = "ReenabledAfterRetention"
DELETED_ENTITY_NOTE = "It cannot be restored, and nothing was observed of its mailbox."
"""What can be said of a deleted entity: `DeleteUser` keeps a mailbox for 30 days, and shows nothing of it.

https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeleteUser.html
"""


class WithinRetention(StrEnum):
    """Whether an entity was registered again before its retention ended; `NotGiven` if WorkMail does not show it."""

    YES = "Yes"
    NO = "No"
    NOT_GIVEN = "NotGiven"

    @property
    def outcome(self) -> str:
        """The outcome of an offboarding whose entity was registered again."""
        return REENABLED_AFTER_RETENTION if self is WithinRetention.NO else REENABLED


def registered_within_retention(
    entity: Entity, deregistered_at: datetime, retention_ends_at: datetime, now: datetime
) -> WithinRetention:
    """Return whether an entity was registered again before its retention ended.

    Parameters
    ----------
    entity
        The entity as WorkMail shows it: enabled, or disabled at another date than the one that was watched.
    deregistered_at, retention_ends_at
        The date of its disabling that was watched, and the end of the retention.
    now
        When WorkMail showed it so.

    Returns
    -------
    WithinRetention
        By `EnabledDate`. Without one, or with that of an earlier registration, by the latest moment at which it can
        have been: when it was disabled again, or `now`.
    """
    enabled_date = date_of_registration(entity, deregistered_at)
    if enabled_date is not None:
        return WithinRetention.YES if enabled_date < retention_ends_at else WithinRetention.NO
    is_disabled_again = entity.state is EntityState.DISABLED and entity.disabled_date is not None
    latest = entity.disabled_date if is_disabled_again else now
    is_within = latest is not None and deregistered_at < latest < retention_ends_at
    return WithinRetention.YES if is_within else WithinRetention.NOT_GIVEN


def date_of_registration(entity: Entity, deregistered_at: datetime) -> datetime | None:
    """Return when an entity was registered after a disabling; None if WorkMail gives no such date."""
    is_later = entity.enabled_date is not None and entity.enabled_date > deregistered_at
    return entity.enabled_date if is_later else None


def describe_registration(
    entity: Entity, deregistered_at: datetime, retention_ends_at: datetime, within: WithinRetention
) -> str:
    """Describe that an entity was registered again, by what WorkMail shows and no more."""
    enabled_date = date_of_registration(entity, deregistered_at)
    registered = f"The entity {entity.id} was registered again" + (
        f" at {render(enabled_date)}" if enabled_date else ""
    )
    ends_at = render(retention_ends_at)
    match within:
        case WithinRetention.YES:
            return f"{registered}, before its retention ended at {ends_at}. So nothing was cleaned up."
        case WithinRetention.NO if entity.type is EntityType.GROUP:
            return f"{registered}, after its retention had ended at {ends_at}. A group has no mailbox."
        case WithinRetention.NO:
            return (
                f"{registered}, after the retention of its previous mailbox had ended at {ends_at}. Unless somebody "
                "had registered it in between, it has a new mailbox."
            )
    return (
        f"{registered}. WorkMail does not give the date, so it does not show whether that was before or after its "
        f"retention ended at {ends_at}."
    )
