"""Amazon WorkMail ends on a day. From then on, a call without an answer is that end and not a failure."""

from collections.abc import Mapping
from datetime import datetime
from functools import wraps
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import configuration
from offboarding.domain import errors
from offboarding.domain.timestamps import parse
from offboarding.edge.observability import Handler

_POSSIBLE_END = (
    errors.WorkMailUnavailable,
    errors.OrganizationNotFound,
    errors.OrganizationNotActive,
    errors.DirectoryAuthenticationFailed,
)
_POSSIBLE_END_IF_RAISED_BY_WORKMAIL = (errors.AccessDenied, errors.UnexpectedAnswer)


def until_service_ends(handler: Handler) -> Handler:
    """Make a handler raise `ServiceEnded` where WorkMail does not answer any more, once that day has come.

    The day is the event's `ServiceEndsAt`. ResolveEntity, the first state, takes it from the settings.
    """

    @wraps(handler)
    def wrapper(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            return handler(event, context)
        except (*_POSSIBLE_END, *_POSSIBLE_END_IF_RAISED_BY_WORKMAIL) as error:
            is_of_another_service = (
                isinstance(error, _POSSIBLE_END_IF_RAISED_BY_WORKMAIL) and not error.raised_by_workmail
            )
            if is_of_another_service or parse(event["Now"]) < _read_service_end(event):
                raise
            raise errors.ServiceEnded(
                f"{error} That was at {event['Now']}, on or after the day on which Amazon WorkMail ends."
            ) from None

    return wrapper


def require_service(now: str, service_ends_at: str) -> None:
    """Require that WorkMail has not ended by the settings: nobody could see what becomes of the mailbox.

    Raises
    ------
    ServiceEnded
        If it has.
    """
    if parse(now) >= parse(service_ends_at):
        raise errors.ServiceEnded(
            f"By the settings Amazon WorkMail ended at {service_ends_at}, so nothing is deregistered any more."
        )


def _read_service_end(event: Mapping[str, Any]) -> datetime:
    return parse(event["ServiceEndsAt"]) if "ServiceEndsAt" in event else configuration.service_ends_at()
