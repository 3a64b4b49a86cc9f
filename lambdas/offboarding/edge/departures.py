"""Whether an event repeats what an execution already does or has done, or reports another departure."""

import json
from datetime import datetime
from typing import cast

from offboarding.adapters.executions import FORGOTTEN, ExecutionStatus, read_execution_status
from offboarding.adapters.records import Records
from offboarding.domain.entities import LeavingUser, casefolded
from offboarding.domain.errors import UnexpectedAnswer
from offboarding.domain.timestamps import parse, render
from offboarding.domain.tolerances import UNDATED_REGISTRATION_MARGIN
from offboarding.edge.identity_providers import RefusedEvent
from offboarding.edge.steps import OffboardingInput

_SETTLED_OUTCOMES = frozenset(
    {"CleanupVerified", "Reenabled", "EntityRemoved", "ServiceEnded", "NothingToDo", "Planned", "Rejected"}
)
"""Outcomes after which a further event of the same departure needs nobody."""


def is_repetition(execution_arn: str, request: OffboardingInput, user: LeavingUser | None) -> bool:
    """Return whether a request repeats what an execution is for; if not, it needs an execution of its own.

    Parameters
    ----------
    execution_arn
        An execution with the name that the request's would have.
    request
        What an event asks for.
    user
        The leaver; None for a group or a resource, whose requests are told apart by their ids.

    Raises
    ------
    RefusedEvent
        If the execution does not do what the request asks for, and another one would not either.
    """
    status = read_execution_status(execution_arn)
    if status.outcome == FORGOTTEN:
        raise UnexpectedAnswer(
            f"Step Functions does not start {execution_arn} because it exists, and does not find it either."
        )
    if status.other_execution_arn and _is_about(_parse_input(status.input), request, user):
        # It left the entity to another execution, so that one counts.
        execution_arn, status = status.other_execution_arn, read_execution_status(status.other_execution_arn)
    former = _parse_input(status.input)
    if not _is_about(former, request, user):
        # Somebody has started an execution for another entity under this name.
        return False
    if status.is_running:
        if user is not None and _is_registered_again_undated(execution_arn, user, request):
            return False
        return _is_due_at_same_time(execution_arn, former, request)
    occurred_at = parse(request["Requester"]["OccurredAt"])
    if user is not None and status.ended_at and occurred_at > parse(status.ended_at):
        return _is_still_disabled_by(execution_arn, user)
    _require_settled(execution_arn, status, request)
    return True


def _is_about(former: OffboardingInput, request: OffboardingInput, user: LeavingUser | None) -> bool:
    """Return whether an execution is about the entity of a request; it may name the user in another way."""
    names = casefolded(request["EntityId"], *((user.id, user.name, user.email) if user else ()))
    is_same_organization = former.get("OrganizationId") == request["OrganizationId"]
    is_plan = (former.get("DryRun") is True) == (request.get("DryRun") is True)
    return is_same_organization and is_plan and str(former.get("EntityId", "")).casefold() in names


def _is_due_at_same_time(execution_arn: str, running: OffboardingInput, request: OffboardingInput) -> bool:
    """Return whether a running execution is due when the request is; one that is due later will be taken over."""
    occurred_at = parse(request["Requester"]["OccurredAt"])
    running_due_at, due_at = _due_at(running, occurred_at), _due_at(request, occurred_at)
    if due_at > running_due_at:
        raise RefusedEvent(
            f"The execution {execution_arn} offboards this leaver sooner, at {render(running_due_at)}. A later date "
            "does not delay it. If the later date is right, stop that execution, then send this event again."
        )
    return due_at == running_due_at


def _is_registered_again_undated(execution_arn: str, user: LeavingUser, request: OffboardingInput) -> bool:
    """Return whether a user without dates is enabled again, long after a running execution has deregistered them.

    The dates of another user would have led to another name.
    """
    if not user.is_enabled or user.registration_key:
        return False
    record = Records().find(execution_arn)
    if record is None or record.deregistered_at is None:
        return False
    occurred_at = parse(request["Requester"]["OccurredAt"])
    return occurred_at > parse(record.deregistered_at) + UNDATED_REGISTRATION_MARGIN


def _due_at(request: OffboardingInput, occurred_at: datetime) -> datetime:
    """Return when a request is due: a date that is past, or none, means now. An invalid one is refused later."""
    try:
        return max(parse(request["NotBefore"]), occurred_at) if "NotBefore" in request else occurred_at
    except (ValueError, OverflowError):
        return occurred_at


def _is_still_disabled_by(execution_arn: str, user: LeavingUser) -> bool:
    """Return whether a user is disabled since the date that an execution which is over has watched."""
    record = Records().find(execution_arn)
    if record is None or record.deregistered_at is None or user.disabled_since is None:
        return False
    return render(user.disabled_since) == render(parse(record.deregistered_at))


def _require_settled(execution_arn: str, status: ExecutionStatus, request: OffboardingInput) -> None:
    if status.outcome not in _SETTLED_OUTCOMES:
        raise RefusedEvent(
            f"The execution {execution_arn} for this departure ended as {status.outcome}. If the leaver is still to be "
            "offboarded, start another one by hand, with the same input."
        )


def _parse_input(text: str | None) -> OffboardingInput:
    try:
        members = json.loads(text or "null")
    except ValueError:
        members = None
    return cast(OffboardingInput, members if isinstance(members, dict) else {})
