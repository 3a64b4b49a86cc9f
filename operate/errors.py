"""What ends a command without success, as one sentence for the person who has started it."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
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


class Refusal(Exception):  # noqa: N818 (it is an answer, and no malfunction)
    """The answer is no; the message is a sentence that says why, and what to do."""


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
    return f"{sentence} {SIGN_IN}" if isinstance(error, _UNUSABLE_CREDENTIALS) else sentence
