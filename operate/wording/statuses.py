"""Where offboardings stand, in words, and what happens next."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StatusWording:
    """The words for one status.

    Attributes
    ----------
    phrase
        Where an offboarding stands.
    next_event
        What happens next, at `DueAt` of the record; None if nothing is to come.
    """

    phrase: str
    next_event: str | None = None


STATUSES = {
    "Scheduled": StatusWording("waits for its date", "it is offboarded"),
    "Recorded": StatusWording("recorded, and nothing has happened yet"),
    "AwaitingApproval": StatusWording("waits for an approval", "it ends without a decision"),
    "Exporting": StatusWording("exports the mailbox, or waits for that", "the export is given up"),
    "Deregistering": StatusWording("WorkMail is asked to deregister it", "WorkMail removes the mailbox"),
    "InWindow": StatusWording("disabled, and the mailbox is kept", "WorkMail removes the mailbox"),
    "Restoring": StatusWording("registered again, and the restore is not complete"),
    "Restored": StatusWording("restored", "the offboarding ends"),
    "Unwatched": StatusWording("disabled, and nobody verifies the clean-up", "WorkMail removes the mailbox"),
    "Ended": StatusWording("ended"),
}
"""By status of a record."""


def find_status_wording(status: str) -> StatusWording:
    """Return the words for a status; one that this release does not know is shown as it is."""
    return STATUSES.get(status, StatusWording(status))
