"""The errors that the state machine retries and catches: a class's name is the name in the definition.

A message is read by the person who opens the failed execution. It says what is wrong and what would be
right, and it carries no personal data, because AWS Lambda writes it to the function's log as well.
"""

import json
from collections.abc import Mapping


class OffboardingError(Exception):
    """The base of every error that this project raises on purpose.

    Attributes
    ----------
    message
        The sentences that a person reads.
    raised_by_workmail
        Whether a call to WorkMail ended so; no answer counts as well. Calls to other services do not.
    """

    raised_by_workmail: bool = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        """Return the text that Step Functions gets as the error's message."""
        return self.message

    def prepend_sentence(self, sentence: str) -> None:
        """Have the message begin with a sentence; the error stays the error that it is."""
        self.message = f"{sentence} {self.message}"


class WorkMailUnavailable(OffboardingError):
    """WorkMail throttled, failed, timed out or answered with something that cannot be relied on: retried."""


class DeregistrationNotConfirmed(OffboardingError):
    """WorkMail took the request but does not yet read back as disabled, with its date: retried."""


class DeregistrationRefused(OffboardingError):
    """WorkMail refuses to deregister this entity in its present state: retried, because WorkMail lags."""


class RecordUnavailable(OffboardingError):
    """The records, or an execution that they name, could not be read or written: retried."""


class SettingsUnavailable(OffboardingError):
    """The settings that count while an execution runs could not be read, or are damaged: retried."""


class ArchiveUnavailable(OffboardingError):
    """Amazon S3, which has the archive of a mailbox, could not be asked: retried."""


class OffboardingUnsettled(OffboardingError):
    """The offboarding that is to be restored is deregistering the entity at this moment: retried."""


class RegistrationNotConfirmed(OffboardingError):
    """WorkMail took the registration but does not yet read back as registered: retried."""


class InvalidRequest(OffboardingError):
    """The execution's input is wrong; WorkMail was not touched."""


class EntityNotFound(OffboardingError):
    """No entity of the organization has this id, name or address."""


class EntityAmbiguous(OffboardingError):
    """More than one entity has this name or address."""


class EntityMismatch(OffboardingError):
    """The entity is not the expected one, or was registered again, or its address is another one or only an alias."""


class EntityProtected(OffboardingError):
    """The entity must not be offboarded: by what it is (a system account for instance), or by the settings."""


class OrganizationNotFound(OffboardingError):
    """WorkMail does not know an organization with this id in this account and Region."""


class OrganizationNotActive(OffboardingError):
    """The organization is not in a state in which its entities can be read or changed."""


class DirectoryAuthenticationFailed(OffboardingError):
    """WorkMail cannot sign in to the directory behind the organization."""


class AccessDenied(OffboardingError):
    """The function's role may not make a call that it has to make."""


class ExportFailed(OffboardingError):
    """No verified archive of the mailbox was made in time, and the settings require one."""


class CleanupOverdue(OffboardingError):
    """WorkMail still shows the mailbox, days after the retention ended."""


class AlreadyInProgress(OffboardingError):
    """Another execution offboards this entity.

    Attributes
    ----------
    execution_arn
        The other execution.
    """

    def __init__(self, message: str, execution_arn: str) -> None:
        super().__init__(message)
        self.execution_arn = execution_arn

    def __str__(self) -> str:
        """Return the message and the ARN as JSON: Lambda passes on the text alone, and the state machine parses it."""
        return json.dumps({"Message": self.message, "ExecutionArn": self.execution_arn})


class Withdrawn(OffboardingError):
    """All who reported that the leaver is away have taken that back; WorkMail was not touched.

    Attributes
    ----------
    decision
        The withdrawal, as an execution's output has it.
    """

    def __init__(self, decision: Mapping[str, object]) -> None:
        super().__init__("The offboarding was withdrawn. Nothing was changed.")
        self.decision = decision

    def __str__(self) -> str:
        """Return the decision as JSON: Lambda passes on the text alone, and the state machine parses it."""
        return json.dumps(dict(self.decision))


class RecordMissing(OffboardingError):
    """The record that must exist before the deregistration is gone; an earlier attempt may have asked WorkMail."""


class ServiceEnded(OffboardingError):
    """The day on which WorkMail ends has come: it does not answer, or nothing is deregistered any more."""


class ApprovalNotPending(OffboardingError):
    """No offboarding waits for this decision: there is none, or it does not wait, or it is over."""


class AlreadyDecided(OffboardingError):
    """Another decision on this offboarding has been recorded."""


class NothingRecorded(OffboardingError):
    """There is no record by which the entity could be restored."""


class NotDeregistered(OffboardingError):
    """The offboarding has not deregistered the entity, so there is nothing to restore."""


class RetentionEnded(OffboardingError):
    """The retention of the mailbox is over, so it cannot be restored."""


class EntityGone(OffboardingError):
    """The entity was deleted or recreated, so what was recorded cannot be restored."""


class AddressInUse(OffboardingError):
    """The recorded address belongs to another entity now."""


class RestoreRefused(OffboardingError):
    """WorkMail does not allow the restore, or the entity has changed since."""


class UnexpectedAnswer(OffboardingError):
    """An answer that no documentation lists, an event that does not fit its schema, or an execution that is not due."""


class EntityStateConflict(OffboardingError):
    """WorkMail answered EntityStateException; never leaves a handler, which decides what it means."""


class EmailAddressTaken(OffboardingError):
    """WorkMail answered EmailAddressInUseException; never leaves a handler, which says whose address it is."""


class ExportLimitReached(OffboardingError):
    """WorkMail runs as many exports as it allows, or exported this mailbox lately; never leaves a handler."""
