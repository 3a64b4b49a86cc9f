"""Whether an event repeats what an execution does or has done, reports another departure, or was taken back."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from offboarding.adapters.executions import FORGOTTEN, ExecutionStatus, read_execution_status
from offboarding.adapters.records import Records, entity_key, provider_user_key
from offboarding.adapters.reports import Presence, Reports
from offboarding.domain.entities import LeavingUser
from offboarding.domain.errors import UnexpectedAnswer
from offboarding.domain.identifiers import is_same_identifier
from offboarding.domain.outcomes import SETTLED_OUTCOMES
from offboarding.domain.reporters import REQUESTS, Reporter
from offboarding.domain.timestamps import parse, render
from offboarding.domain.tolerances import UNDATED_REGISTRATION_MARGIN
from offboarding.edge.identity_providers import LeaverEvent, RefusedEvent
from offboarding.edge.steps import OffboardingInput


class LaterDateError(RefusedEvent):
    """An event asks for a later date than that of an execution that does the same."""


class DepartureWithdrawn(Exception):  # noqa: N818 (it is a result, and not a fault)
    """The provider has taken a departure back before it was read.

    Attributes
    ----------
    subject
        Whom it is about, as a step of the records has that.
    """

    def __init__(self, message: str, subject: Mapping[str, object]) -> None:
        super().__init__(message)
        self.subject = subject


def record_departure(leaver: LeaverEvent, organization_id: str, user: LeavingUser | None) -> Presence:
    """Record that a leaver is away, unless the provider has reported a later return.

    Returns
    -------
    Presence
        What the provider had reported of this person before.

    Raises
    ------
    DepartureWithdrawn
        If it has reported one.
    RefusedEvent
        If it reported both for the same moment.
    """
    entity = entity_key(organization_id, user.id) if user else None
    reporter = Reporter.of(leaver.provider, leaver.provider_user_id or leaver.deduplication_id)
    reports, occurred_at = Reports(), render(parse(leaver.occurred_at))
    presence = reports.record_departure(reporter, occurred_at, entity, is_stated=leaver.reading is None)
    back_at, is_request = presence.back_at or "", reporter.provider == REQUESTS
    all_back_at = ""
    if is_request and entity:
        all_back_at = reports.find_presence(Reporter.of_all_requests(entity)).back_at or ""
    # A request is always older than its own withdrawal.
    if occurred_at == (all_back_at if is_request else back_at):
        raise RefusedEvent(
            "A departure and a return of this person were reported for the same moment. Which came first is not known. "
            "Offboard by hand if the person is away, or request it again."
        )
    back_at = max(back_at, all_back_at)
    if back_at >= occurred_at:
        if presence.away_at is None:
            # The return was read first, and has found nothing to act on.
            reports.record_handled_return(reporter, back_at)
        subject = {"EntityId": user.id, "EntityKey": entity} if user else {}
        raise DepartureWithdrawn(
            f"The person is back since {back_at}, by the same provider. Nothing was started.",
            {"OrganizationId": organization_id, **subject, "Presences": [provider_user_key(reporter)]},
        )
    return presence


def find_repeated_execution(execution_arn: str, request: OffboardingInput, user: LeavingUser | None) -> str | None:
    """Return the execution that a request repeats; None if it needs an execution of its own.

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
        return None
    if status.is_running:
        if user is not None and _is_registered_again_undated(execution_arn, user, request):
            return None
        return execution_arn if _is_due_at_same_time(execution_arn, former, request, datetime.now(UTC)) else None
    occurred_at = parse(request["Requester"]["OccurredAt"])
    if user is not None and status.ended_at and occurred_at > parse(status.ended_at):
        return execution_arn if _is_still_disabled_by(execution_arn, user) else None
    _require_settled(execution_arn, status)
    return execution_arn


def _is_about(former: OffboardingInput, request: OffboardingInput, user: LeavingUser | None) -> bool:
    """Return whether an execution is about the entity of a request; it may name the user in another way."""
    names = [request["EntityId"], *((user.id, user.name, user.email) if user else ())]
    former_name = str(former.get("EntityId", ""))
    is_same_organization = former.get("OrganizationId") == request["OrganizationId"]
    is_plan = (former.get("DryRun") is True) == (request.get("DryRun") is True)
    return is_same_organization and is_plan and any(is_same_identifier(former_name, name) for name in names if name)


def _is_due_at_same_time(
    execution_arn: str, running: OffboardingInput, request: OffboardingInput, now: datetime
) -> bool:
    """Return whether a running execution is due when the request is; one that is due later will be taken over."""
    running_due_at, due_at = _due_at(running, now), _due_at(request, now)
    if due_at > running_due_at:
        raise LaterDateError(
            f"The execution {execution_arn} offboards this leaver sooner, at {render(running_due_at)}. A later date "
            "does not delay it. If the later date is right, withdraw the sooner one (Offboarding Withdrawn), then "
            "request another one."
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


def _due_at(request: OffboardingInput, now: datetime) -> datetime:
    """Return when a request is due: a date that is past, or none, means now. An invalid one is refused later."""
    try:
        return max(parse(request["NotBefore"]), now) if "NotBefore" in request else now
    except (ValueError, OverflowError):
        return now


def _is_still_disabled_by(execution_arn: str, user: LeavingUser) -> bool:
    """Return whether a user is disabled since the date that an execution which is over has watched."""
    record = Records().find(execution_arn)
    if record is None or record.deregistered_at is None or user.disabled_since is None:
        return False
    return render(user.disabled_since) == render(parse(record.deregistered_at))


def _require_settled(execution_arn: str, status: ExecutionStatus) -> None:
    if status.outcome not in SETTLED_OUTCOMES:
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
