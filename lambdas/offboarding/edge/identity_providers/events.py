"""What an adapter makes of an identity provider's event: somebody left, or it is not for us, or it is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Event = Mapping[str, Any]


class SubjectKind(StrEnum):
    """How an event names the leaver."""

    EMAIL = "EMAIL"
    NAME = "NAME"
    ENTITY_ID = "ENTITY_ID"
    IDENTITY_STORE_USER = "IDENTITY_STORE_USER"


class RefusedEvent(Exception):  # noqa: N818 (it is an answer, and not a fault)
    """An event on which nobody may act; the message says why, and names nobody."""


@dataclass(frozen=True)
class LeaverEvent:
    """Somebody left, as one identity provider says it.

    Attributes
    ----------
    provider
        The key of the provider in the settings.
    subject
        Who left; never who pressed the button.
    subject_kind
        What `subject` is.
    deduplication_id
        The provider's own id of the event.
    occurred_at
        When, as the provider says it.
    requested_by
        Who pressed the button, where the event says it.
    organization_id
        The organization, where the event names it; otherwise it follows from the settings.
    identity_store_id
        The Identity Center store of an `IDENTITY_STORE_USER`.
    reason
        Why, in the words of whoever asked.
    not_before
        The date before which nothing may happen, as the request has it.
    dry_run
        Whether only a plan is asked for.
    may_be_no_user
        Whether it can be about a group or a resource: people leave identity providers, rooms do not.
    """

    provider: str
    subject: str = field(repr=False)
    subject_kind: SubjectKind
    deduplication_id: str
    occurred_at: str
    requested_by: str | None = field(default=None, repr=False)
    organization_id: str | None = None
    identity_store_id: str | None = None
    reason: str | None = field(default=None, repr=False)
    not_before: str | None = None
    dry_run: bool = False
    may_be_no_user: bool = False


@dataclass(frozen=True)
class NotForUs:
    """An event that does not mean that somebody left, and why."""

    provider: str
    because: str


@dataclass(frozen=True)
class Adapter:
    """One identity provider.

    Attributes
    ----------
    provider
        The key of the provider in the settings.
    takes
        Whether an event comes from this provider.
    read
        Make of such an event what it means; raises `RefusedEvent` where that is not beyond doubt.
    """

    provider: str
    takes: Callable[[Event], bool]
    read: Callable[[Event, Mapping[str, Any]], LeaverEvent | NotForUs]


def member(event: Event, path: str) -> object:
    """Return what stands at a dotted path of an event, or None."""
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
        If there is none, or something else than a text of 1 to 256 characters.
    """
    value = member(event, path)
    if not isinstance(value, str) or not 1 <= len(value) <= 256:
        raise RefusedEvent(f"{path} is missing, or is not a text of 1 to 256 characters.")
    return value


def optional_text(event: Event, path: str) -> str | None:
    """Return the text at a dotted path, or None where there is none."""
    return None if member(event, path) is None else text(event, path)


def login_kind(login: str) -> SubjectKind:
    """Say whether a login is an e-mail address or a name."""
    return SubjectKind.EMAIL if "@" in login else SubjectKind.NAME
