"""Entities and organizations as WorkMail describes them, without the members that are nobody's business."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from offboarding.domain.retention import parse, render


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

    @property
    def reference(self) -> EntityReference:
        """What is enough to describe it again."""
        return EntityReference(self.type, self.id)

    @property
    def registration(self) -> datetime | None:
        """What tells one time of being registered from another; it stays when the entity is disabled."""
        return self.enabled_date or self.disabled_date

    @classmethod
    def from_json(cls, members: Mapping[str, str]) -> Self:
        """Read what `to_json` wrote."""

        def date(member: str) -> datetime | None:
            return parse(members[member]) if member in members else None

        return cls(
            type=EntityType(members["Type"]),
            id=members["Id"],
            name=members["Name"],
            state=EntityState(members["State"]),
            email=members.get("Email"),
            user_role=members.get("UserRole"),
            enabled_date=date("EnabledDate"),
            disabled_date=date("DisabledDate"),
            mailbox_provisioned_date=date("MailboxProvisionedDate"),
            mailbox_deprovisioned_date=date("MailboxDeprovisionedDate"),
        )

    def to_json(self) -> dict[str, str]:
        """Return the entity as it crosses states; members that WorkMail did not give are left out.

        Returns
        -------
        dict[str, str]
            `Id, Type, Name, State`, and of `Email, UserRole, EnabledDate, DisabledDate,
            MailboxProvisionedDate, MailboxDeprovisionedDate` (RFC 3339, UTC) those that are known.
        """
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
        return {member: value for member, value in members.items() if value is not None}


@dataclass(frozen=True)
class LeavingUser:
    """A user as `ListUsers` shows it.

    Attributes
    ----------
    id, name, email
        Who it is; WorkMail may not show the address of a disabled user.
    enabled_since
        When the user was registered, if enabled now.
    departure
        What tells one departure from another: the date of registering, which stays when the user is
        disabled; empty if there is none.
    """

    id: str
    name: str = field(repr=False)
    email: str | None = field(repr=False)
    enabled_since: datetime | None
    departure: str


@dataclass(frozen=True)
class Organization:
    """A WorkMail organization, from `DescribeOrganization`."""

    id: str
    alias: str | None
    state: str
    migration_admin: str | None = None

    @property
    def active(self) -> bool:
        """Whether it is active. WorkMail's `State` is free text, so letter case is not trusted."""
        return self.state.casefold() == "active"


@dataclass(frozen=True)
class Mailbox:
    """What `GetMailboxDetails` says of a mailbox. `size` is in megabytes, None where WorkMail gives none."""

    size: float | None
