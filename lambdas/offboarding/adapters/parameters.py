"""The parameters of Systems Manager, what its errors mean, and a parameter that is not as the stack has made it."""

from typing import Any, NoReturn

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError
from botocore.exceptions import BotoCoreError, ClientError

from offboarding.adapters.aws import client, error_code, unavailable_error
from offboarding.domain import errors
from offboarding.domain.validation import Schema, find_fault

provider = SSMProvider(boto3_client=client("ssm"))

_CACHE_SECONDS = 5


def find_parameter(name: str, schema: Schema, *, fresh: bool) -> Any | None:  # noqa: ANN401 (the schema says what it is)
    """Read the JSON of a parameter; None if there is no such parameter.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html

    Parameters
    ----------
    name
        The name of the parameter.
    schema
        What its value must be.
    fresh
        Whether it is read past the cache, which is five seconds old at most.

    Raises
    ------
    SettingsUnavailable, AccessDenied, UnexpectedAnswer
        If it cannot be read, or is damaged.
    """
    try:
        value = provider.get(name, max_age=_CACHE_SECONDS, transform="json", force_fetch=fresh)
    except GetParameterError as error:
        cause = error.__context__
        if isinstance(cause, ClientError) and error_code(cause) == "ParameterNotFound":
            return None
        raise_unavailable("ssm:GetParameter", error)
    except TransformParameterError:
        raise damaged_error("The parameter is no JSON.") from None
    fault = find_fault(value, schema, "The parameter")
    if fault is not None:
        raise damaged_error(fault)
    return value


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
        "again. If its template has not changed, put the parameter's value back by hand, as docs/reference.md says."
    )
