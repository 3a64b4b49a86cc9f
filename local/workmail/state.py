"""What an organization holds: users, groups and resources, their mailboxes, and its mail domains.

The states are WorkMail's: an entity starts DISABLED, is ENABLED while registered, and DELETED for good.
Nothing here runs on a timer. A mailbox is removed when somebody looks, 30 days after its entity was
deregistered, which is all that a client could ever tell.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Flag, auto
from typing import ClassVar, TypeVar

from .exceptions import EmailAddressInUseException

ENABLED = "ENABLED"
DISABLED = "DISABLED"
DELETED = "DELETED"

RETENTION = timedelta(days=30)


class By(Flag):
    """By what an operation identifies an entity."""

    ID = auto()
    NAME = auto()
    EMAIL = auto()
    ID_OR_NAME = ID | NAME
    ANY = ID | NAME | EMAIL


def now() -> datetime:
    """Return the time, in the milliseconds that the service answers with."""
    moment = datetime.now(tz=UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass
class Mailbox:
    """What a registered user or resource keeps its mail in; sizes in MB."""

    provisioned_date: datetime
    size: float = 1.5
    quota: int = 51200


@dataclass
class Entity:
    """What users, groups and resources have in common."""

    id: str
    name: str
    hidden: bool = False
    state: str = DISABLED
    email: str | None = None
    aliases: list[str] = field(default_factory=list)
    enabled_date: datetime | None = None
    disabled_date: datetime | None = None
    mailbox: Mailbox | None = None
    mailbox_provisioned_date: datetime | None = None
    mailbox_removed_date: datetime | None = None
    permissions: dict[str, list[str]] = field(default_factory=dict)

    type: ClassVar[str]
    has_mailbox: ClassVar[bool] = True

    def holds(self, address: str) -> bool:
        """Tell whether the address is this entity's e-mail or one of its aliases."""
        own = [self.email, *self.aliases]
        return any(held is not None and held.casefold() == address.casefold() for held in own)

    def reserves(self, moment: datetime) -> bool:
        """Tell whether nobody else may have this entity's addresses: while enabled, and 30 days more."""
        if self.state == ENABLED:
            return True
        in_window = self.disabled_date is not None and moment < self.disabled_date + RETENTION
        return self.state == DISABLED and in_window

    def forget(self, address: str) -> None:
        """Give up an address, so that another entity can have it."""
        self.aliases = [alias for alias in self.aliases if alias.casefold() != address.casefold()]
        if self.email is not None and self.email.casefold() == address.casefold():
            self.email = None

    def register(self, email: str, moment: datetime) -> None:
        """Enable the entity; a mailbox that is still there comes back, otherwise a new one begins."""
        self.forget(email)
        self.state, self.email = ENABLED, email
        self.enabled_date, self.disabled_date = moment, None
        if self.has_mailbox and self.mailbox is None:
            self.mailbox = Mailbox(provisioned_date=moment)
            self.mailbox_provisioned_date = moment
        self.mailbox_removed_date = None

    def deregister(self, moment: datetime) -> None:
        """Disable the entity; from now on its mailbox has 30 days."""
        self.state, self.disabled_date = DISABLED, moment

    def delete(self) -> None:
        """Delete the entity; its name and addresses are free, its mailbox stays archived to the 30th day."""
        self.state, self.email, self.aliases, self.permissions = DELETED, None, [], {}

    def expire(self, moment: datetime, retention: timedelta = RETENTION) -> None:
        """Remove the mailbox if its retention is over."""
        if self.mailbox is None or self.state == ENABLED or self.disabled_date is None:
            return
        if moment >= self.disabled_date + retention:
            self.mailbox = None
            self.mailbox_removed_date = self.disabled_date + retention
            self.permissions = {}


@dataclass
class User(Entity):
    """A user of the directory."""

    display_name: str = ""
    role: str = "USER"
    identity_provider_user_id: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)

    type: ClassVar[str] = "USER"

    def expire(self, moment: datetime, retention: timedelta = RETENTION) -> None:
        """Remove the mailbox if its retention is over, and the aliases with it."""
        had_mailbox = self.mailbox is not None
        super().expire(moment, retention)
        if had_mailbox and self.mailbox is None:
            self.aliases = []


@dataclass
class Group(Entity):
    """A group of users and groups; it never has a mailbox."""

    members: list[str] = field(default_factory=list)

    type: ClassVar[str] = "GROUP"
    has_mailbox: ClassVar[bool] = False


@dataclass
class Resource(Entity):
    """A room or a piece of equipment."""

    resource_type: str = "ROOM"
    description: str | None = None
    auto_accept_requests: bool = True
    auto_decline_recurring_requests: bool = False
    auto_decline_conflicting_requests: bool = True
    delegates: list[str] = field(default_factory=list)

    type: ClassVar[str] = "RESOURCE"


Kind = TypeVar("Kind", bound=Entity)


@dataclass
class MailDomain:
    """A domain that the organization's addresses can be in."""

    name: str
    is_test: bool = False
    ownership: str = "VERIFIED"
    dkim: str = "VERIFIED"


@dataclass
class Organization:
    """An organization and everything in it."""

    id: str
    alias: str
    arn: str
    directory_id: str
    default_mail_domain: str
    completed_date: datetime
    state: str = "Active"
    directory_type: str = "VpcDirectory"
    directory_is_read_only: bool = False
    interoperability_enabled: bool = False
    migration_admin: str | None = None
    error_message: str | None = None
    domains: dict[str, MailDomain] = field(default_factory=dict)
    entities: dict[str, Entity] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        """Whether the organization's entities can be worked with."""
        return self.state.casefold() == "active"

    @property
    def is_deleted(self) -> bool:
        """Whether nothing but the organization's description is left."""
        return self.state.casefold() == "deleted"

    def find(self, identifier: str, kinds: tuple[type[Kind], ...], by: By) -> Kind | None:
        """Return the entity of one of these kinds, a deleted one by its id only.

        Parameters
        ----------
        identifier
            An id, a name or an address, whichever `by` allows.
        kinds
            The classes to look among.
        by
            What the operation accepts.
        """
        identified = self.entities.get(identifier)
        if By.ID in by and isinstance(identified, kinds):
            return identified
        alive = [e for e in self.entities.values() if isinstance(e, kinds) and e.state != DELETED]
        if By.NAME in by:
            for entity in alive:
                if entity.name.casefold() == identifier.casefold():
                    return entity
        if By.EMAIL in by:
            return next((entity for entity in alive if entity.holds(identifier)), None)
        return None

    def has_name(self, name: str) -> bool:
        """Tell whether a user, group or resource has this name."""
        return self.find(name, (Entity,), By.NAME) is not None

    def claim(self, address: str, claimant: Entity, moment: datetime) -> None:
        """Take an address for an entity, from one that no longer reserves it if need be.

        Raises
        ------
        EmailAddressInUseException
            If another entity has it.
        """
        others = [e for e in self.entities.values() if e is not claimant and e.holds(address)]
        for other in others:
            if other.reserves(moment):
                raise EmailAddressInUseException(f"The address {address} is in use by {other.id}.")
        for other in others:
            other.forget(address)

    def drop(self, entity: Entity) -> None:
        """Take a deleted entity out of every group, every set of delegates and every permission."""
        self.leave_groups(entity)
        for other in self.entities.values():
            other.permissions.pop(entity.id, None)
            if isinstance(other, Resource) and entity.id in other.delegates:
                other.delegates.remove(entity.id)

    def leave_groups(self, entity: Entity) -> None:
        """Take an entity out of every group that it is a member of."""
        for group in self.entities.values():
            if isinstance(group, Group) and entity.id in group.members:
                group.members.remove(entity.id)
