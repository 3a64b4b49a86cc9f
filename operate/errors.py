"""What ends a command without success, as one sentence for the person who has started it."""

import contextlib
import os
from collections.abc import Callable, Iterator

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

SIGN_IN = "Sign in with `aws sso login` or `aws configure`, or set AWS_PROFILE to a profile that can."
"""What a person does who has no credentials, or some that AWS does not accept."""
_UNACCEPTED_CREDENTIALS = frozenset(
    {
        *("AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidToken"),
        *("InvalidSignatureException", "SignatureDoesNotMatch", "UnrecognizedClientException"),
    }
)
_UNUSABLE_CREDENTIALS = (
    CredentialRetrievalError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
UNREACHABLE_ERRORS = (EndpointConnectionError, ConnectTimeoutError)
"""No connection came about: the host has no address, or does not accept one."""


class Refusal(Exception):  # noqa: N818 (it is an answer, and no malfunction)
    """The answer is no; the message is a sentence that says why, and what to do."""


@contextlib.contextmanager
def explain_interruption(describe: Callable[[], str]) -> Iterator[None]:
    """Have Ctrl-C end the command with a sentence that says what goes on and what does not.

    Raises
    ------
    Refusal
        If a person presses Ctrl-C meanwhile.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Refusal(f"\n{describe()}") from None


def error_code(error: ClientError) -> str:
    """Return AWS's code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def describe_error(error: ClientError | BotoCoreError) -> str:
    """Return one sentence about an error of AWS or of the way to it, and how to sign in if that is what is missing."""
    if isinstance(error, NoCredentialsError):
        return f"There are no AWS credentials. {SIGN_IN}"
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "").rstrip(".")
        sentence = f"AWS refuses {error.operation_name} ({error_code(error)}): {message}."
        return f"{sentence} {SIGN_IN}" if error_code(error) in _UNACCEPTED_CREDENTIALS else sentence
    sentence = f"AWS cannot be called ({type(error).__name__}): {' '.join(str(error).split()).rstrip('.')}."
    if isinstance(error, UNREACHABLE_ERRORS):
        return f"{sentence} {_advise_on_endpoint()}"
    return f"{sentence} {SIGN_IN}" if isinstance(error, _UNUSABLE_CREDENTIALS) else sentence


def _advise_on_endpoint() -> str:
    """Return what to do if no connection comes about."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        return f"AWS_ENDPOINT_URL is {endpoint}: start what should answer there, or unset it to call AWS."
    return "Check the Region (--region, AWS_REGION) and the network."
