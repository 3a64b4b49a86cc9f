"""Entities and organizations as WorkMail describes them, with the members that offboarding needs and no others."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NotRequired, Self, TypedDict, cast

from offboarding.domain.identifiers import casefolded
from offboarding.domain.timestamps import parse, render


class EntityType(StrEnum):
    """The kinds of entity, as `DescribeEntity` names them."""

    USER = "USER"
    GROUP = "GROUP"
    RESOURCE = "RESOURCE"


class EntityState(StrEnum):
    """The states of an entity. DISABLED means deregistered (with a date) or never registered (without)."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    DELETED = "DELETED"


ORGANIZATION_ID_PATTERN = r"^m-[0-9a-f]{32}\Z"
_RESOURCE_ID = re.compile(r"r-[0-9a-f]{32}")
_DIRECTORY_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|S-1-1-12(-\d+)+")
ENTITY_ID_PATTERN = f"{_RESOURCE_ID.pattern}|{_DIRECTORY_ID.pattern}"


def is_organization_id(text: str) -> bool:
    """Return whether a text has the form of an organization's id."""
    return re.match(ORGANIZATION_ID_PATTERN, text) is not None


def is_resource_id(identifier: str) -> bool:
    """Return whether an identifier has the form of a resource's id."""
    return _RESOURCE_ID.fullmatch(identifier) is not None


def is_directory_id(identifier: str) -> bool:
    """Return whether an identifier has the form of a user's or group's id."""
    return _DIRECTORY_ID.fullmatch(identifier) is not None


def is_entity_id(identifier: str) -> bool:
    """Return whether an identifier has the form of an id of WorkMail."""
    return is_resource_id(identifier) or is_directory_id(identifier)


class EntityMembers(TypedDict):
    """An entity as it crosses states; the dates are RFC 3339 in UTC. What WorkMail did not give is left out."""

    Id: str
    Type: str
    Name: str
    State: str
    Email: NotRequired[str]
    UserRole: NotRequired[str]
    EnabledDate: NotRequired[str]
    DisabledDate: NotRequired[str]
    MailboxProvisionedDate: NotRequired[str]
    MailboxDeprovisionedDate: NotRequired[str]


class GroupMembership(TypedDict):
    """A group in which an entity is directly."""

    Id: str
    Name: str


class RecordedEntity(EntityMembers):
    """An entity as it was recorded before it was deregistered. None is what WorkMail did not show at that time."""

    Aliases: NotRequired[list[str] | None]
    Groups: NotRequired[list[GroupMembership] | None]
    MailboxSize: NotRequired[float | None]


@dataclass(frozen=True)
class EntityReference:
    """What is enough to describe an entity: its type and id."""

    type: EntityType
    id: str


@dataclass(frozen=True)
class Entity:
    """One user, group or resource, from `DescribeUser`, `DescribeGroup` or `DescribeResource`.

    `display_name` is there to be compared only: it is in no representation and no JSON.
    """

    type: EntityType
    id: str
    name: str
    state: EntityState
    email: str | None = None
    user_role: str | None = None
    enabled_date: datetime | None = None
    disabled_date: datetime | None = None
    mailbox_provisioned_date: datetime | None = None
    mailbox_deprovisioned_date: datetime | None = None
    display_name: str | None = field(default=None, repr=False, compare=False)

    @property
    def never_registered(self) -> bool:
        """Whether it never had a mailbox or an address: disabled, and no date says that it was ever enabled."""
        dates = (self.enabled_date, self.disabled_date, self.mailbox_provisioned_date)
        return self.state is EntityState.DISABLED and not any(dates)

    def identifiers(self, aliases: Iterable[str] = ()) -> frozenset[str]:
        """Return its id, name, address and aliases, for the wide comparison only: to protect the entity."""
        return casefolded(self.id, self.name, self.email, *aliases)

    @property
    def reference(self) -> EntityReference:
        """What is enough to describe it again."""
        return EntityReference(self.type, self.id)

    @property
    def registration(self) -> datetime | None:
        """What tells one time of being registered from another; it stays when the entity is disabled."""
        return self.enabled_date or self.disabled_date

    @property
    def registration_key(self) -> str:
        """`registration` in milliseconds, as RFC 3339; empty if there is none."""
        return render(self.registration) if self.registration else ""

    @classmethod
    def from_json(cls, members: EntityMembers) -> Self:
        """Parse what `to_json` rendered."""

        def date(timestamp: str | None) -> datetime | None:
            return parse(timestamp) if timestamp else None

        return cls(
            type=EntityType(members["Type"]),
            id=members["Id"],
            name=members["Name"],
            state=EntityState(members["State"]),
            email=members.get("Email"),
            user_role=members.get("UserRole"),
            enabled_date=date(members.get("EnabledDate")),
            disabled_date=date(members.get("DisabledDate")),
            mailbox_provisioned_date=date(members.get("MailboxProvisionedDate")),
            mailbox_deprovisioned_date=date(members.get("MailboxDeprovisionedDate")),
        )

    def to_json(self) -> EntityMembers:
        """Render the entity as it crosses states; members that WorkMail did not give are left out."""
        dates = {
            "EnabledDate": self.enabled_date,
            "DisabledDate": self.disabled_date,
            "MailboxProvisionedDate": self.mailbox_provisioned_date,
            "MailboxDeprovisionedDate": self.mailbox_deprovisioned_date,
        }
        members = {
            "Id": self.id,
            "Type": self.type.value,
            "Name": self.name,
            "Email": self.email,
            "State": self.state.value,
            "UserRole": self.user_role,
            **{member: render(date) for member, date in dates.items() if date},
        }
        present = {member: value for member, value in members.items() if value is not None}
        return cast(EntityMembers, present)


@dataclass(frozen=True)
class LeavingUser:
    """A user as `ListUsers` shows it.

    Attributes
    ----------
    id, name, email
        Who it is; WorkMail may not show the address of a disabled user.
    is_enabled, enabled_since
        Whether the user is enabled now, and since when, if WorkMail shows that.
    disabled_since
        When the user was disabled, if disabled now.
    registration_key
        What tells one departure from another: the date of registering, which stays when the user is
        disabled; empty if there is none.
    display_name
        There to be compared only.
    """

    id: str
    name: str = field(repr=False)
    email: str | None = field(repr=False)
    is_enabled: bool
    enabled_since: datetime | None
    disabled_since: datetime | None
    registration_key: str
    display_name: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Organization:
    """A WorkMail organization, from `DescribeOrganization`."""

    id: str
    alias: str | None
    state: str
    migration_admin: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether it is active. WorkMail's `State` is free text, so letter case is not trusted."""
        return self.state.casefold() == "active"


@dataclass(frozen=True)
class Mailbox:
    """What `GetMailboxDetails` says of a mailbox. `size` is in megabytes, None where WorkMail gives none."""

    size: float | None
