"""What the errors of Systems Manager mean, and a parameter that is not as the stack has made it."""

from typing import NoReturn

from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import BotoCoreError, ClientError

from offboarding.adapters.aws import error_code, unavailable_error
from offboarding.domain import errors


def is_missing(error: GetParameterError) -> bool:
    """Return whether there is no such parameter."""
    cause = error.__context__
    return isinstance(cause, ClientError) and error_code(cause) == "ParameterNotFound"


def raise_unavailable(action: str, error: GetParameterError) -> NoReturn:
    """Raise the error that a failed call means.

    Powertools wraps what boto3 raised, and keeps it as the context only.

    Parameters
    ----------
    action
        The call as IAM spells it, `ssm:GetParameter` for example.
    error
        The error that Powertools raised.

    Raises
    ------
    SettingsUnavailable, AccessDenied, UnexpectedAnswer
        As for `unavailable_error`.
    """
    cause = error.__context__
    if isinstance(cause, ClientError | BotoCoreError):
        raise unavailable_error(action, cause, errors.SettingsUnavailable) from None
    raise errors.SettingsUnavailable("The settings in Systems Manager cannot be read. Start again later.") from None


def damaged_error(fault: str) -> errors.SettingsUnavailable:
    """Return the error for a damaged parameter; the fault names the member and not its value."""
    return errors.SettingsUnavailable(
        f"The settings in Systems Manager are damaged. {fault} Deploy the stack "
        "again. If its template has not changed, put the parameter's value back by hand, as docs/operate.md says."
    )
