"""What ends a command without success, as one sentence for the person who has started it."""

from botocore.exceptions import BotoCoreError, ClientError


class Refusal(Exception):  # noqa: N818 (it is an answer, and no malfunction)
    """The answer is no; the message is a sentence that says why, and what to do."""


def error_code(error: ClientError) -> str:
    """Return AWS's code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def describe_error(error: ClientError | BotoCoreError) -> str:
    """Return one sentence about an error of AWS or of the way to it."""
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "").rstrip(".")
        return f"AWS refuses {error.operation_name} ({error_code(error)}): {message}."
    return f"AWS cannot be called ({type(error).__name__}): {' '.join(str(error).split()).rstrip('.')}."
