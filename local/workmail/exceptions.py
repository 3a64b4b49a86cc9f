"""The errors that Amazon WorkMail answers with, by the names of its service model."""

# ruff: noqa: N818 (the names are the service model's)

from moto.core.exceptions import JsonRESTError, ServiceException


class WorkMailError(ServiceException):
    """An error of the service model; the class's name is the code."""

    def __init_subclass__(cls) -> None:
        cls.code = cls.__name__


class DirectoryInUseException(WorkMailError):
    """The directory already belongs to another organization."""


class EmailAddressInUseException(WorkMailError):
    """The address belongs to another user, group or resource."""


class EntityAlreadyRegisteredException(WorkMailError):
    """The entity is enabled already, under another address."""


class EntityNotFoundException(WorkMailError):
    """No such user, group or resource in the organization."""


class EntityStateException(WorkMailError):
    """The entity is not in the state that the operation needs."""


class InvalidConfigurationException(WorkMailError):
    """A resource could answer requests neither itself nor through a delegate."""


class InvalidParameterException(WorkMailError):
    """A parameter does not match the service's restrictions."""


class InvalidPasswordException(WorkMailError):
    """The password is too weak."""


class LimitExceededException(WorkMailError):
    """The request exceeds a quota."""


class MailDomainInUseException(WorkMailError):
    """The domain is still used by an entity, or by another organization."""


class MailDomainNotFoundException(WorkMailError):
    """The organization does not have this mail domain."""


class MailDomainStateException(WorkMailError):
    """The domain is not verified."""


class NameAvailabilityException(WorkMailError):
    """The name is taken."""


class OrganizationNotFoundException(WorkMailError):
    """No such organization."""


class OrganizationStateException(WorkMailError):
    """The organization is not active; this says nothing about the entity."""


class ReservedNameException(WorkMailError):
    """The name is reserved by the directory."""


class ResourceNotFoundException(WorkMailError):
    """No resource with this ARN."""


class TooManyTagsException(WorkMailError):
    """More than 50 tags."""


class UnsupportedOperationException(WorkMailError):
    """The organization's directory is read-only."""


class CommonError(JsonRESTError):
    """An error that every AWS service can answer and no service model lists, such as throttling.

    Parameters
    ----------
    code
        The error's code, for example ``ThrottlingException``.
    message
        The reason, in a sentence.
    status
        The HTTP status.

    Examples
    --------
    >>> CommonError("ThrottlingException", "Rate exceeded").code
    400
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.code = status


def error_code(error: Exception) -> str:
    """Return the code that a client would see for this error.

    Parameters
    ----------
    error
        Whatever an operation or a hook raised.
    """
    if isinstance(error, ServiceException):
        return error.code
    return str(getattr(error, "error_type", type(error).__name__))
