"""Amazon WorkMail ends on a day: what cannot be read from then on is that end, and no failure."""

import os
from collections.abc import Callable
from datetime import date, datetime
from functools import wraps
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.domain import errors
from offboarding.domain.retention import parse, service_end

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]

_NO_ANSWER = (
    errors.WorkMailUnavailable,
    errors.OrganizationNotFound,
    errors.OrganizationNotActive,
    errors.DirectoryAuthenticationFailed,
)
_NO_ANSWER_IF_WORKMAIL_GAVE_IT = (errors.AccessDenied, errors.UnexpectedAnswer)


def until_service_ends(handler: Handler) -> Handler:
    """Have a handler raise `ServiceEnded` where WorkMail does not answer any more, once that day has come.

    The day is the event's `ServiceEndsAt`; for the state that comes before all others, the function's own setting.
    """

    @wraps(handler)
    def lasting(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            return handler(event, context)
        except (*_NO_ANSWER, *_NO_ANSWER_IF_WORKMAIL_GAVE_IT) as error:
            beside_workmail = isinstance(error, _NO_ANSWER_IF_WORKMAIL_GAVE_IT) and not error.of_workmail
            if beside_workmail or parse(event["Now"]) < _ends_at(event):
                raise
            raise errors.ServiceEnded(
                f"At {event['Now']}, on or after the day on which Amazon WorkMail ends: {error}"
            ) from None

    return lasting


def _ends_at(event: dict[str, Any]) -> datetime:
    if "ServiceEndsAt" in event:
        return parse(event["ServiceEndsAt"])
    return service_end(date.fromisoformat(os.environ["SERVICE_ENDS_ON"]))
