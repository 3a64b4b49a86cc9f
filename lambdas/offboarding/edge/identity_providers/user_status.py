"""What the status of a user of an identity store means, where an event does not say it."""

from datetime import datetime

from offboarding.adapters.identity_store import StoreUser
from offboarding.domain.timestamps import render
from offboarding.edge.identity_providers.events import (
    IgnoredEvent,
    LeaverEvent,
    RefusedEvent,
    ReturnEvent,
    StatusReading,
    UnreadStatus,
)


def judge_status(
    change: UnreadStatus, user: StoreUser | None, read_at: datetime
) -> LeaverEvent | ReturnEvent | IgnoredEvent:
    """Return what an event means whose user's status has been read since; the status that was read counts.

    Raises
    ------
    RefusedEvent
        If the identity store does not say whether the user is enabled.
    """
    if user is None:
        return IgnoredEvent(
            change.provider, "the user is not in the identity store; an event about the deletion follows or went before"
        )
    if user.is_enabled is None:
        raise RefusedEvent(
            "The identity store does not say whether the user is enabled. Look at the user in Identity Center, and "
            "offboard by hand if the user is disabled."
        )
    if user.is_enabled:
        return change.to_return(render(read_at))
    return change.to_leaver(StatusReading(render(read_at), user.created_at))
