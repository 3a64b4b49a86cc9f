"""Clients of the services beside WorkMail, and what their errors mean."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from offboarding.domain import errors

_SHORT_TIMEOUTS = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
"""The state machine retries for long; a function of 30 seconds must have room for several calls."""

_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "KMSAccessDeniedException"}
)


def client(service: str) -> Any:  # noqa: ANN401 (boto3 makes its clients at run time, and has no types for them)
    """Make a client in the function's own Region; boto3 has no types for it."""
    return boto3.client(service, config=_SHORT_TIMEOUTS)


def error_code(error: Exception) -> str:
    """Return the code of a client's error; the name of its class where there was no answer."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__


def unavailable_error(
    action: str, error: ClientError | BotoCoreError, kind: type[errors.OffboardingError] = errors.RecordUnavailable
) -> errors.OffboardingError:
    """Return the error that a failed call means: a denied call stays denied, everything else may pass.

    Parameters
    ----------
    action
        The call as IAM spells it, `dynamodb:UpdateItem` for example.
    error
        The error that boto3 raised.
    kind
        The error to return for what may pass.
    """
    code = error_code(error)
    if code in _DENIED:
        return errors.AccessDenied(
            f"{action} was answered with {code}. Let the function's role call it, then start again."
        )
    return kind(f"{action} failed ({code}). Start again when AWS is available.")
