"""Clients of the services beside WorkMail, and what their errors mean."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from offboarding.domain import errors

_CONNECT_TIMEOUT_SECONDS = 2
_READ_TIMEOUT_SECONDS = 3
"""The state machine retries for long; a function of 30 seconds must have room for several calls."""

_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "KMSAccessDeniedException"}
)

_NOT_ACCEPTED = frozenset({"ValidationException", "ValidationError"})
"""A request that is not accepted, alone or in a transaction."""


@cache
def client(service: str, *, attempts: int = 2) -> Any:  # noqa: ANN401 (boto3 has no types for its clients)
    """Return the one client with these settings in the function's own Region; each attempt waits 5 seconds at most."""
    retries = {"mode": "standard", "total_max_attempts": attempts}
    config = Config(connect_timeout=_CONNECT_TIMEOUT_SECONDS, read_timeout=_READ_TIMEOUT_SECONDS, retries=retries)
    return boto3.client(service, config=config)


class LazyClient:
    """A client that is made when it is first used: some functions use it on few paths only.

    Making one takes longer than many calls. What every invocation uses is made by `client`, while the function is
    initialized: then Lambda gives it a whole processor.

    Parameters
    ----------
    service, attempts
        As for `client`.
    """

    def __init__(self, service: str, *, attempts: int = 2) -> None:
        self._service = service
        self._attempts = attempts

    def make(self) -> None:
        """Make the client now."""
        client(self._service, attempts=self._attempts)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (it has the client's attributes)
        """Return an attribute of the client."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(client(self._service, attempts=self._attempts), name)


def error_code(error: Exception) -> str:
    """Return the code of a client's error; the name of its class where there was no answer.

    That of a cancelled transaction is the code of the first reason.
    """
    if not isinstance(error, ClientError):
        return type(error).__name__
    reasons = [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", ())]
    return next((code for code in reasons if code != "None"), str(error.response["Error"]["Code"]))


def unavailable_error(
    action: str, error: ClientError | BotoCoreError, kind: type[errors.OffboardingError] = errors.RecordUnavailable
) -> errors.OffboardingError:
    """Return the error that a failed call means: denied and invalid requests stay so, everything else may pass.

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
    if code in _NOT_ACCEPTED:
        return errors.UnexpectedAnswer(
            f"{action} was answered with {code}. The request itself is not accepted, so retries cannot help. The "
            "record may have reached the 400 KB of an item."
        )
    return kind(f"{action} failed ({code}). Start again when AWS is available.")


class PageTokens:
    """The tokens of one list. One that repeats would have the list read without an end.

    Parameters
    ----------
    answer
        The beginning of a sentence about the answer: `states:ListExecutions was answered`, for example.
    kind
        The error for a token that repeats: one that is retried.
    """

    def __init__(self, answer: str, kind: type[errors.OffboardingError] = errors.RecordUnavailable) -> None:
        self._answer = answer
        self._kind = kind
        self._earlier: list[object] = []

    def require_new(self, token: object) -> None:
        """Require that no earlier page of the list had this token.

        Raises
        ------
        OffboardingError
            The given kind, if one had it.
        """
        if token in self._earlier:
            raise self._kind(
                f"{self._answer} with the token of an earlier page, so the list has no end. Start again later."
            )
        self._earlier.append(token)
