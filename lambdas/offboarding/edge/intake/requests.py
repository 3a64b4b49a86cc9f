"""The input and the name of the execution that an event starts."""

from datetime import UTC, datetime

from offboarding import configuration
from offboarding.adapters.intake_settings import ConfiguredOrganization
from offboarding.adapters.reports import Presence
from offboarding.domain.doubts import Doubt, can_be_disabled_for_long, has_different_name
from offboarding.domain.entities import LeavingUser
from offboarding.domain.errors import InvalidRequest
from offboarding.domain.execution_names import Departure
from offboarding.domain.timestamps import parse
from offboarding.edge.identity_providers import LeaverEvent, RefusedEvent
from offboarding.edge.schemas import INPUT, compile_schemas, validated
from offboarding.edge.steps import Expected, OffboardingInput

compile_schemas(INPUT)


def build_input(
    leaver: LeaverEvent,
    organization: ConfiguredOrganization,
    user: LeavingUser | None,
    presence: Presence,
    *,
    dry_run: bool,
) -> OffboardingInput:
    """Build the input of the execution for a leaver.

    Parameters
    ----------
    user
        The user in WorkMail, if it is one.
    presence
        What the provider has reported of this person before.

    Raises
    ------
    RefusedEvent
        If the request is not what an execution takes.
    """
    doubts = _find_doubts(leaver, user, presence)
    # The id and not the text: until the execution resolves it, the address can belong to somebody else.
    request = {
        "OrganizationId": organization.id,
        "EntityId": user.id if user else leaver.subject,
        **({"Expected": _expect(user)} if user else {}),
        **({"DryRun": True} if dry_run else {}),
        **({"NotBefore": leaver.not_before} if leaver.not_before else {}),
        **({"Export": leaver.export} if leaver.export else {}),
        **({"Reason": leaver.reason} if leaver.reason else {}),
        "Requester": {
            "Provider": leaver.provider,
            "EventId": leaver.deduplication_id,
            "OccurredAt": leaver.occurred_at,
            **({"ProviderUserId": leaver.provider_user_id} if leaver.provider_user_id else {}),
            **({"StatusReadAt": leaver.reading.read_at} if leaver.reading else {}),
            **({"Doubts": doubts} if doubts else {}),
            **({"RequestedBy": leaver.requested_by} if leaver.requested_by else {}),
        },
    }
    try:
        return validated(request, INPUT, OffboardingInput)
    except InvalidRequest as error:
        raise RefusedEvent(str(error)) from None


def _find_doubts(leaver: LeaverEvent, user: LeavingUser | None, presence: Presence) -> list[str]:
    """Return why the event may be about somebody else, as far as it and the user show that."""
    occurred_at, stale_after = parse(leaver.occurred_at), configuration.stale_after()
    # What was only found before, and perhaps rejected, is found again.
    is_first_sight = presence.stated_at is None and presence.back_at is None
    is_in_doubt = {
        Doubt.NAMES_DIFFER: user is not None and has_different_name(leaver.display_name, user.display_name),
        Doubt.FOUND_DISABLED: leaver.reading is not None
        and is_first_sight
        and can_be_disabled_for_long(leaver.reading.user_created_at, occurred_at, stale_after),
        Doubt.EVENT_IS_OLD: datetime.now(UTC) - occurred_at > stale_after,
    }
    return [doubt for doubt in is_in_doubt if is_in_doubt[doubt]]


def _expect(user: LeavingUser) -> Expected:
    """Return what the execution must find: the user as it was seen when the event was read."""
    seen: Expected = {"Type": "USER"}
    if user.email:
        seen["Email"] = user.email
    elif user.name:
        seen["Name"] = user.name
    return seen


def identify_departure(
    leaver: LeaverEvent, organization: ConfiguredOrganization, user: LeavingUser | None, *, dry_run: bool
) -> Departure:
    """Return which departure it is, from which the execution has its name."""
    # A plan must not take the name of the offboarding that follows it.
    prefix = "planned " if dry_run else ""
    if user:
        return Departure(organization.id, user.id, user.name, prefix + user.registration_key)
    # A group or a resource has no date here that could tell two departures apart; the request has its id.
    return Departure(organization.id, None, leaver.subject, prefix + leaver.deduplication_id)
