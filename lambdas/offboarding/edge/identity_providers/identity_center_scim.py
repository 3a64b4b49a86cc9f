"""Users of IAM Identity Center that another provider changes by SCIM, as CloudTrail reports the calls.

AWS documents the event of `CreateUser` only. So the id and `active` are read wherever they can be, and the status of
the user is read from the identity store where the event does not show what was asked for.

https://docs.aws.amazon.com/singlesignon/latest/userguide/scim-logging-using-cloudtrail.html
https://docs.aws.amazon.com/singlesignon/latest/developerguide/patchuser.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from offboarding.adapters.intake_settings import ProviderSettings
from offboarding.edge.identity_providers.cloudtrail import has_failed, is_scim_call, parse_requester
from offboarding.edge.identity_providers.events import (
    Adapter,
    Event,
    IgnoredEvent,
    ParsedEvent,
    RefusedEvent,
    UnreadStatus,
    is_store_user_id,
    member,
    text,
)

PROVIDER = "identityCenterScim"

_PATCH = "PatchUser"
_DELETE = "DeleteUser"
_CALLS = frozenset({_PATCH, "PutUser", _DELETE})
_USER_ID_PATHS = ("detail.requestParameters.userId", "detail.requestParameters.id", "detail.responseElements.id")
_SETTING_OPERATIONS = frozenset({"add", "replace"})
_FLAGS = {"true": True, "false": False}


def parse(event: Event, settings: ProviderSettings) -> ParsedEvent:
    """Parse a call that succeeded; the tenant of the call determines the identity store."""
    call = text(event, "detail.eventName")
    if call not in _CALLS:
        return IgnoredEvent(PROVIDER, f"{call} does not mean that somebody left or is back")
    if has_failed(event):
        return IgnoredEvent(PROVIDER, f"{call} failed")
    change = UnreadStatus(
        provider=PROVIDER,
        identity_store_id=_find_identity_store(event, settings),
        user_id=_find_user_id(event),
        deduplication_id=text(event, "detail.eventID"),
        occurred_at=text(event, "detail.eventTime"),
        requested_by=parse_requester(event),
    )
    return change.to_leaver() if call == _DELETE else _judge_active(change, call, event)


def _judge_active(change: UnreadStatus, call: str, event: Event) -> ParsedEvent:
    """Return what the `active` of a call means.

    A PATCH asks for what it changes. A PUT repeats everything, and an answer shows everything: there, `active` can have
    been false for long, so the user is looked at.
    """
    requested, answered = _read_requested(event), _parse_flags([member(event, "detail.responseElements.active")])
    if requested | answered == {True}:
        return change.to_return()
    if call == _PATCH and requested | answered == {False} and requested:
        return change.to_leaver()
    return change


def _read_requested(event: Event) -> set[bool]:
    """Return the values of `active` that the body of a request asks for."""
    body = member(event, "detail.requestParameters.httpBody")
    operations = _find_member(body, "operations")
    changes = operations if isinstance(operations, list) else []
    return _parse_flags([_find_member(body, "active"), *(_read_operation(operation) for operation in changes)])


def _read_operation(operation: object) -> object:
    """Return the value that an operation of a PATCH gives to `active`; None if it gives none."""
    if str(_find_member(operation, "op")).casefold() not in _SETTING_OPERATIONS:
        return None
    path, value = _find_member(operation, "path"), _find_member(operation, "value")
    if not path:
        return _find_member(value, "active")
    return value if str(path).casefold() == "active" else None


def _parse_flags(values: Iterable[object]) -> set[bool]:
    """Return the values that are true or false; some providers send them as text."""
    flags = (_FLAGS.get(str(value).casefold()) for value in values)
    return {flag for flag in flags if flag is not None}


def _find_member(members: object, name: str) -> object:
    """Return a member, whatever the case of its name, as in SCIM; None if there is none."""
    if not isinstance(members, Mapping):
        return None
    values: Mapping[str, Any] = {str(key).casefold(): value for key, value in members.items()}
    return values.get(name)


def _find_identity_store(event: Event, settings: ProviderSettings) -> str:
    store = settings.tenants.get(text(event, "detail.requestParameters.tenantId"))
    if store is None:
        raise RefusedEvent(
            f"detail.requestParameters.tenantId is not among the tenants of {PROVIDER} under "
            "offboarding.identityProviders in cdk.json."
        )
    return store


def _find_user_id(event: Event) -> str:
    values = [member(event, path) for path in _USER_ID_PATHS]
    user_id = next((value for value in values if is_store_user_id(value)), None)
    if user_id is None:
        raise RefusedEvent(f"The event has no id of a user of an identity store in {', '.join(_USER_ID_PATHS)}.")
    return str(user_id)


ADAPTER = Adapter(PROVIDER, is_scim_call, parse)
