"""Whether a function has the time to begin what it must not break off: a message of a batch."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.domain.errors import OffboardingError


class NoTimeLeftError(OffboardingError):
    """The function would end in the middle of this message; it is delivered again."""


def require_time(context: LambdaContext, milliseconds: int) -> None:
    """Require that a function may go on for so many milliseconds.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html

    Raises
    ------
    NoTimeLeftError
        If Lambda would end it earlier.
    """
    if context.get_remaining_time_in_millis() < milliseconds:
        raise NoTimeLeftError("There is too little time left for this message.")
