"""The outcomes of offboardings that code tells apart."""

from offboarding.domain.registrations import REENABLED, REENABLED_AFTER_RETENTION

OBSERVED_OUTCOMES = frozenset({"CleanupVerified", REENABLED, REENABLED_AFTER_RETENTION, "EntityRemoved"})
"""VerifyCleanup has read from WorkMail that the window is over."""
SUCCESSFUL_OUTCOMES = OBSERVED_OUTCOMES | {
    *("ServiceEnded", "NothingToDo", "Planned", "AlreadyInProgress", "Rejected", "Withdrawn"),
}
"""Outcomes after which nobody has to do anything."""
SETTLED_OUTCOMES = SUCCESSFUL_OUTCOMES - {"AlreadyInProgress"}
"""Outcomes after which a further event of the same departure needs nobody."""
OUTCOMES_AFTER_A_RECORD = OBSERVED_OUTCOMES | {"Rejected"}
"""An execution ends so only after it has written its record. If there is none, somebody has deleted it."""
