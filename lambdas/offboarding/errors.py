"""The errors that the state machine retries and catches: a class's name is the name in the definition.

A message is read by the person who opens the failed execution. It says what is wrong and what would be
right, and it carries no personal data, because AWS Lambda writes it to the function's log as well.
"""


class OffboardingError(Exception):
    """The base of every error that this project raises on purpose."""


class WorkMailUnavailable(OffboardingError):
    """WorkMail throttled, failed, timed out or answered with something that cannot be relied on: retried."""


class DeregistrationNotConfirmed(OffboardingError):
    """WorkMail took the request but does not yet read back as disabled, with its date: retried."""


class DeregistrationRefused(OffboardingError):
    """WorkMail refuses to deregister this entity in its present state: retried, for WorkMail lags."""


class InvalidRequest(OffboardingError):
    """The execution's input is wrong; WorkMail was not touched."""


class EntityNotFound(OffboardingError):
    """No entity of the organization answers to this identifier."""


class EntityAmbiguous(OffboardingError):
    """More than one entity answers to this identifier."""


class EntityMismatch(OffboardingError):
    """The entity that was found is not the one that was meant."""


class EntityProtected(OffboardingError):
    """The entity must not be offboarded: a system account, a remote user, the migration administrator."""


class OrganizationNotFound(OffboardingError):
    """WorkMail knows no organization with this id in this account and Region."""


class OrganizationNotActive(OffboardingError):
    """The organization is not in a state in which its entities can be read or changed."""


class DirectoryAuthenticationFailed(OffboardingError):
    """WorkMail cannot sign in to the directory behind the organization."""


class AccessDenied(OffboardingError):
    """The function's role may not call WorkMail for this organization."""


class CleanupOverdue(OffboardingError):
    """WorkMail still shows the mailbox, days after the retention ended."""


class UnexpectedAnswer(OffboardingError):
    """WorkMail answered with an error that its service model does not list: a person has to look."""


class EntityStateConflict(OffboardingError):
    """WorkMail answered EntityStateException; never leaves a handler, which decides what it means."""
