"""Clients for what stands beside WorkMail, and what their errors mean."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from offboarding.domain import errors

_QUICKLY = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
"""The state machine is who retries for long; a function of 30 seconds must have room for several calls."""

_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "KMSAccessDeniedException"}
)


def client(service: str) -> Any:  # noqa: ANN401 (boto3 makes its clients at run time, and has no types for them)
    """Make a client in the function's own Region; boto3 has no types for it."""
    return boto3.client(service, config=_QUICKLY)


def code(problem: Exception) -> str:
    """Return the code of a client's error; the name of its class where there was no answer."""
    return str(problem.response["Error"]["Code"]) if isinstance(problem, ClientError) else type(problem).__name__


def unavailable(
    action: str, problem: ClientError | BotoCoreError, kind: type[errors.OffboardingError] = errors.RecordUnavailable
) -> errors.OffboardingError:
    """Say what a failed call means: a refusal stays, everything else may pass.

    Parameters
    ----------
    action
        The call as IAM spells it, `dynamodb:UpdateItem` for example.
    problem
        What boto3 raised.
    kind
        What to raise if it may pass.
    """
    reason = code(problem)
    if reason in _DENIED:
        return errors.AccessDenied(
            f"{action} was answered with {reason}. Let the function's role call it, then start again."
        )
    return kind(f"{action} failed ({reason}). Start again when AWS is well.")
