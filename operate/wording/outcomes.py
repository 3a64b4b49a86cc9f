"""How offboardings end, in words: what happened, what to do, and the command for it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OutcomeWording:
    """The words for one outcome.

    Attributes
    ----------
    sentence
        What happened.
    advice
        What a person does next; None if nothing.
    command
        The command of `offboarding` by which that is done: `retry` for example; None if there is none.
    is_failure
        Whether the execution fails.
    """

    sentence: str
    advice: str | None = None
    command: str | None = None
    is_failure: bool = False


def _fails(sentence: str, advice: str, command: str | None = "retry") -> OutcomeWording:
    return OutcomeWording(sentence, advice, command, is_failure=True)


_LOOK = "Look at the entity in the WorkMail console, then try again."
_AGAIN_IF_INTENDED = "If the entity is still to be offboarded, start another offboarding."

OUTCOMES = {
    "CleanupVerified": OutcomeWording(
        "The entity stayed disabled until the retention was over, and WorkMail shows no sign of a mailbox."
    ),
    "Reenabled": OutcomeWording("Somebody registered the entity again.", _AGAIN_IF_INTENDED, "start"),
    "ReenabledAfterRetention": OutcomeWording(
        "Somebody registered the entity again after the retention. The previous mailbox was not kept any longer.",
        _AGAIN_IF_INTENDED,
        "start",
    ),
    "EntityRemoved": OutcomeWording("The entity was deleted from the directory. It cannot be restored."),
    "NothingToDo": OutcomeWording("The entity was never registered, so there is no mailbox."),
    "ServiceEnded": OutcomeWording("WorkMail ends too early, or has ended. The removal cannot be observed."),
    "Planned": OutcomeWording(
        "It was a plan. Nothing was changed.", "Read the plan, then start the offboarding.", "start"
    ),
    "AlreadyInProgress": OutcomeWording("Another execution offboards the entity. This one changed nothing."),
    "Rejected": OutcomeWording("A person decided against it. Nothing was changed."),
    "Withdrawn": OutcomeWording("It was withdrawn before WorkMail was asked. Nothing was changed."),
    "InvalidRequest": _fails(
        "The input is wrong, or the requester is the leaver. Nothing was changed.",
        "Correct the input as the cause says, then start another offboarding.",
        "start",
    ),
    "EntityNotFound": _fails(
        "No entity matches the text, or the entity was deleted.",
        "If the entity exists by now, try again, with the same input. Otherwise check the spelling, or give the id.",
        "retry",
    ),
    "EntityAmbiguous": _fails(
        "Several entities match the text. Nothing was changed.",
        "Start an offboarding with one of the ids that the cause lists.",
        "start",
    ),
    "EntityMismatch": _fails(
        "The entity is not the expected one, or somebody registered it again meanwhile.",
        "Make sure which entity is meant, then start an offboarding with its id.",
        "start",
    ),
    "EntityProtected": _fails(
        "The entity is a system account, or the settings protect it. Nothing was changed.",
        "Nothing, if it is to stay protected. Only an entry of the settings can be lifted.",
        None,
    ),
    "ExportFailed": _fails(
        "An archive of the mailbox is required, and none could be verified in time. The mailbox is not touched.",
        "Remove what the cause names, then try again.",
    ),
    "ArchiveUnavailable": _fails(
        "Amazon S3 did not answer until the retries ended. The mailbox is not touched.",
        "Try again within 24 hours of the end of the export: it is taken up.",
    ),
    "ApprovalTimedOut": _fails(
        "Nobody decided in 14 days. Nothing was changed.",
        "Try again if the entity is still to be offboarded.",
    ),
    "OrganizationNotFound": _fails(
        "This account and Region have no such organization.",
        "Check the organization's id and the setting workmailRegion.",
        "start",
    ),
    "OrganizationNotActive": _fails(
        "The organization is being created or deleted, or cannot be used.", "Try again when it is active."
    ),
    "DeregistrationRefused": _fails("WorkMail refused to deregister the entity until the retries ended.", _LOOK),
    "DeregistrationNotConfirmed": _fails(
        "The entity may have been deregistered, and WorkMail did not confirm that in time.",
        "Look at the entity in the WorkMail console. If it is disabled, try again: that joins the wait.",
    ),
    "CleanupOverdue": _fails(
        "Days after the retention, WorkMail still shows the mailbox or gives no date.",
        "Ask AWS Support about the mailbox. Try again to have the clean-up verified.",
    ),
    "DirectoryAuthenticationFailed": _fails(
        "WorkMail cannot sign in to the directory behind the organization.",
        "Repair the directory's service account, then try again.",
    ),
    "AccessDenied": _fails(
        "The function's role lacks a permission, or an organization policy forbids the call.",
        "Allow the action that the cause names, then try again.",
    ),
    "RecordMissing": _fails(
        "Somebody deleted the record of the offboarding.",
        "Look at the entity in the WorkMail console, then try again. Find out who deleted the record.",
    ),
    "RecordUnavailable": _fails(
        "DynamoDB or Step Functions did not answer until the retries ended.", "Try again when AWS is available."
    ),
    "SettingsUnavailable": _fails(
        "The organization's parameter in Systems Manager is unreadable, damaged or missing.",
        "Put its value back by hand, then try again.",
    ),
    "WorkMailUnavailable": _fails(
        "WorkMail did not answer as it should until the retries ended.", "Try again when WorkMail is available."
    ),
    "FunctionUnavailable": _fails(
        "AWS Lambda did not complete a function until the retries ended.", "Try again when AWS Lambda is available."
    ),
    "UnexpectedFailure": _fails("Something else failed, and the cause says what.", _LOOK),
    "Stopped": _fails("Somebody stopped the execution.", "If it was stopped by mistake, try again."),
    "TimedOut": _fails("The execution ran out of time.", _LOOK),
    "Forgotten": _fails("Step Functions no longer knows the execution, and nothing has its end.", _LOOK),
}
"""By outcome. The last three are no outcome of the definition, but an end that the records have all the same."""

_UNKNOWN = _fails("A later release knows what this outcome means.", "Read the cause.", None)

MAILBOX_TOUCHED = {
    "Yes": "The mailbox was disabled.",
    "Maybe": "The mailbox may have been disabled.",
    "No": "The mailbox was not touched.",
}


def find_outcome_wording(outcome: str) -> OutcomeWording:
    """Return the words for an outcome; one that this release does not know counts as a failure."""
    return OUTCOMES.get(outcome, _UNKNOWN)
