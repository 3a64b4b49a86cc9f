"""What an adapter parses an identity provider's event into.

Somebody left or is back, or the status of the user has to be read; or the event is ignored or refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from offboarding.adapters.intake_settings import ProviderSettings
from offboarding.domain.texts import is_unicode

Event = Mapping[str, Any]

_STORE_USER_ID = re.compile(r"([0-9a-f]{10}-)?[A-Fa-f0-9]{8}(-[A-Fa-f0-9]{4}){3}-[A-Fa-f0-9]{12}")


class SubjectKind(StrEnum):
    """How an event names the leaver."""

    EMAIL = "EMAIL"
    NAME = "NAME"
    ENTITY_ID = "ENTITY_ID"
    IDENTITY_STORE_USER = "IDENTITY_STORE_USER"


class RefusedEvent(Exception):  # noqa: N818 (it is a result, and not a fault)
    """An event on which nothing may act; the message has the reason, and no name or address."""


@dataclass(frozen=True)
class StatusReading:
    """The reading of a status that an event did not have.

    Attributes
    ----------
    read_at
        When it was read.
    user_created_at
        When the user was created in the identity store, if the store says so.
    """

    read_at: str
    user_created_at: datetime | None


@dataclass(frozen=True)
class LeaverEvent:
    """Somebody left, as one identity provider reports it.

    Attributes
    ----------
    provider
        The key of the provider in the settings.
    subject
        The leaver; never the administrator who acted.
    subject_kind
        How `subject` names the leaver.
    deduplication_id
        The provider's own id of the event.
    occurred_at
        When it happened, as the provider reports it.
    provider_user_id
        The provider's own id of the leaver, which stays when login or address change.
    display_name
        The leaver's name for people, to be compared only.
    requested_by
        The administrator who acted, where the event names one.
    organization_id
        The organization, where the event names it; otherwise it follows from the settings.
    identity_store_id
        The Identity Center store of an `IDENTITY_STORE_USER`.
    reason
        Why, in the requester's words.
    not_before
        The date before which nothing may happen, as the request has it.
    export
        Whether the mailbox is to be exported first, as the request has it.
    dry_run
        Whether only a plan is requested.
    allows_any_entity_type
        Whether it can be about a group or a resource. Identity providers report people only.
    reading
        By what the user was found disabled, if the event itself does not say so.
    """

    provider: str
    subject: str = field(repr=False)
    subject_kind: SubjectKind
    deduplication_id: str
    occurred_at: str
    provider_user_id: str | None = field(default=None, repr=False)
    display_name: str | None = field(default=None, repr=False, compare=False)
    requested_by: str | None = field(default=None, repr=False)
    organization_id: str | None = None
    identity_store_id: str | None = None
    reason: str | None = field(default=None, repr=False)
    not_before: str | None = None
    export: str | None = None
    dry_run: bool = False
    allows_any_entity_type: bool = False
    reading: StatusReading | None = None


@dataclass(frozen=True)
class UnreadStatus:
    """A user of an identity store was changed; whether the user is still enabled has to be read there.

    Attributes
    ----------
    provider
        The key of the provider in the settings.
    identity_store_id, user_id
        The user.
    deduplication_id, occurred_at, requested_by
        As in `LeaverEvent`.
    """

    provider: str
    identity_store_id: str
    user_id: str = field(repr=False)
    deduplication_id: str
    occurred_at: str
    requested_by: str | None = field(default=None, repr=False)

    def to_leaver(self, reading: StatusReading | None = None) -> LeaverEvent:
        """Return that this user left, as the event says or a reading has shown."""
        return LeaverEvent(
            provider=self.provider,
            subject=self.user_id,
            subject_kind=SubjectKind.IDENTITY_STORE_USER,
            deduplication_id=self.deduplication_id,
            occurred_at=self.occurred_at,
            provider_user_id=self.user_id,
            requested_by=self.requested_by,
            identity_store_id=self.identity_store_id,
            reading=reading,
        )

    def to_return(self, status_read_at: str | None = None) -> "ReturnEvent":
        """Return that this user is enabled, as the event says or a reading has shown."""
        return ReturnEvent(
            provider=self.provider,
            provider_user_id=self.user_id,
            deduplication_id=self.deduplication_id,
            occurred_at=self.occurred_at,
            requested_by=self.requested_by,
            status_read_at=status_read_at,
        )


@dataclass(frozen=True)
class RequestedEntity:
    """The entity of a withdrawal that names no request.

    Attributes
    ----------
    subject
        Its id, name or address.
    organization_id
        The organization, where the event names it.
    """

    subject: str = field(repr=False)
    organization_id: str | None


@dataclass(frozen=True)
class ReturnEvent:
    """Somebody is active, or a request is taken back, as one identity provider reports it.

    Attributes
    ----------
    provider
        The key of the provider in the settings.
    provider_user_id
        The provider's own id of the person, or the id of the request; empty for a withdrawal by entity.
    deduplication_id
        The provider's own id of the event.
    occurred_at
        When it happened, as the provider reports it.
    requested_by
        The administrator who acted, where the event names one.
    reason
        Why, in the requester's words.
    entity
        The entity, for a withdrawal of all requests for it.
    status_read_at
        When the status was read, if the event itself does not say it.
    """

    provider: str
    provider_user_id: str = field(repr=False)
    deduplication_id: str
    occurred_at: str
    requested_by: str | None = field(default=None, repr=False)
    reason: str | None = field(default=None, repr=False)
    entity: RequestedEntity | None = None
    status_read_at: str | None = None


@dataclass(frozen=True)
class IgnoredEvent:
    """An event that does not mean that somebody left or is back, and why."""

    provider: str
    reason: str


ParsedEvent = LeaverEvent | ReturnEvent | UnreadStatus | IgnoredEvent


@dataclass(frozen=True)
class Adapter:
    """One identity provider.

    Attributes
    ----------
    provider
        The key of the provider in the settings.
    matches
        Returns whether an event comes from this provider.
    parse
        Parses such an event; raises `RefusedEvent` where its meaning is in doubt.
    """

    provider: str
    matches: Callable[[Event], bool]
    parse: Callable[[Event, ProviderSettings], ParsedEvent]


def member(event: Event, path: str) -> object:
    """Return the value at a dotted path of an event, or None."""
    value: object = event
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def text(event: Event, path: str) -> str:
    """Return the text that must stand at a dotted path.

    Raises
    ------
    RefusedEvent
        If there is none, or it is not a text of 1 to 256 characters.
    """
    value = member(event, path)
    if not isinstance(value, str) or not 1 <= len(value) <= 256 or not is_unicode(value):
        raise RefusedEvent(f"{path} is missing, or is not a text of 1 to 256 characters.")
    return value


def optional_text(event: Event, path: str) -> str | None:
    """Return the text at a dotted path, or None where there is none or it is empty."""
    return None if member(event, path) in (None, "") else text(event, path)


def is_store_user_id(value: object) -> bool:
    """Return whether a value is the id of a user in an identity store, in the form that WorkMail can look up."""
    return isinstance(value, str) and _STORE_USER_ID.fullmatch(value) is not None


def login_kind(login: str) -> SubjectKind:
    """Return whether a login is an e-mail address or a name."""
    return SubjectKind.EMAIL if "@" in login else SubjectKind.NAME
