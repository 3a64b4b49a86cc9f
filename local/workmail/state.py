"""The state of an organization: users, groups and resources, their mailboxes, and its mail domains.

The states are WorkMail's: an entity starts DISABLED, is ENABLED while registered, and DELETED for good.
Nothing here runs on a timer. A mailbox is removed at the first call that is made 30 days or more after its
entity was deregistered. A client cannot see the difference.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Flag, auto
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from .exceptions import EmailAddressInUseException
from .exports.contents import MailboxContents, generate_contents
from .exports.jobs import MailboxExportJob
from .index import IndexedTable, Observed

ENABLED = "ENABLED"
DISABLED = "DISABLED"
DELETED = "DELETED"

RETENTION = timedelta(days=30)

NAMES = "names"
ADDRESSES = "addresses"
DISPLAY_NAMES = "display names"
IDENTITY_PROVIDER_IDS = "identity provider ids"
MEMBERS = "members"
_INDEXED_ATTRIBUTES = MappingProxyType(
    {
        "name": NAMES,
        "email": ADDRESSES,
        "aliases": ADDRESSES,
        "display_name": DISPLAY_NAMES,
        "identity_provider_user_id": IDENTITY_PROVIDER_IDS,
        "members": MEMBERS,
    }
)
_RETENTION_ATTRIBUTES = ("state", "mailbox", "disabled_date")


class IdentifiedBy(Flag):
    """The identifiers of an entity that an operation accepts."""

    ID = auto()
    NAME = auto()
    EMAIL = auto()
    ID_OR_NAME = ID | NAME
    ANY = ID | NAME | EMAIL


def now() -> datetime:
    """Return the time in whole milliseconds, as the service returns it."""
    time = datetime.now(tz=UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


@dataclass
class Mailbox:
    """The mailbox of a registered user or resource; sizes in MB.

    Attributes
    ----------
    contents
        What it holds, or None if nobody filled it. Its size does not depend on them.
    """

    provisioned_date: datetime
    size: float = 1.5
    quota: int = 51200
    contents: MailboxContents | None = None


@dataclass
class WorkMailEntity(Observed):
    """An entity: a user, a group or a resource. No client sees when it was created."""

    id: str
    name: str
    hidden: bool = False
    state: str = DISABLED
    email: str | None = None
    aliases: tuple[str, ...] = ()
    enabled_date: datetime | None = None
    disabled_date: datetime | None = None
    mailbox: Mailbox | None = None
    mailbox_provisioned_date: datetime | None = None
    mailbox_removed_date: datetime | None = None
    permissions: dict[str, list[str]] = field(default_factory=dict)
    created_date: datetime = field(default_factory=now)

    type: ClassVar[str]
    has_mailbox: ClassVar[bool] = True

    def __setattr__(self, name: str, value: Any) -> None:
        # What could change in place would change without a note in the index.
        super().__setattr__(name, tuple(value) if isinstance(value, list) else value)

    def read_contents(self, mailbox: Mailbox) -> MailboxContents:
        """Return what its mailbox holds: generated items if nobody filled it and it has a size."""
        if mailbox.contents is not None:
            return mailbox.contents
        if mailbox.size == 0:
            return MailboxContents()
        return generate_contents(self.name, self.email or self.id, mailbox.provisioned_date)

    def has_address(self, address: str) -> bool:
        """Tell whether the address is this entity's e-mail or one of its aliases."""
        addresses = {held.casefold() for held in (self.email, *self.aliases) if held is not None}
        return address.casefold() in addresses

    def reserves_addresses(self, time: datetime) -> bool:
        """Tell whether no other entity may take this entity's addresses: while enabled, and for 30 days after."""
        if self.state == ENABLED:
            return True
        in_window = self.disabled_date is not None and time < self.disabled_date + RETENTION
        return self.state == DISABLED and in_window

    def remove_address(self, address: str) -> None:
        """Remove an address, so that another entity can have it."""
        self.aliases = tuple(alias for alias in self.aliases if alias.casefold() != address.casefold())
        if self.email is not None and self.email.casefold() == address.casefold():
            self.email = None

    def register(self, email: str, time: datetime) -> None:
        """Enable the entity, with its mailbox if that still exists, and otherwise with a new one."""
        self.remove_address(email)
        self.state, self.email = ENABLED, email
        self.enabled_date, self.disabled_date = time, None
        if self.has_mailbox and self.mailbox is None:
            self.mailbox = Mailbox(provisioned_date=time)
            self.mailbox_provisioned_date = time
        self.mailbox_removed_date = None

    def deregister(self, time: datetime) -> None:
        """Disable the entity; its mailbox is kept for 30 days."""
        self.state, self.disabled_date = DISABLED, time

    def delete(self) -> None:
        """Delete the entity; its name and addresses are free, its mailbox is kept until the 30th day."""
        self.state, self.email, self.aliases, self.permissions = DELETED, None, (), {}

    def remove_expired_mailbox(self, time: datetime, retention: timedelta = RETENTION) -> None:
        """Remove the mailbox if its retention is over."""
        if self.mailbox is None or self.state == ENABLED or self.disabled_date is None:
            return
        if time >= self.disabled_date + retention:
            self.mailbox = None
            self.mailbox_removed_date = self.disabled_date + retention
            self.permissions = {}


@dataclass
class User(WorkMailEntity):
    """A user of the directory."""

    display_name: str = ""
    role: str = "USER"
    identity_provider_user_id: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)

    type: ClassVar[str] = "USER"

    def remove_expired_mailbox(self, time: datetime, retention: timedelta = RETENTION) -> None:
        """Remove the mailbox if its retention is over, and the aliases with it."""
        had_mailbox = self.mailbox is not None
        super().remove_expired_mailbox(time, retention)
        if had_mailbox and self.mailbox is None:
            self.aliases = ()


@dataclass
class Group(WorkMailEntity):
    """A group of users and groups; it never has a mailbox."""

    members: tuple[str, ...] = ()

    type: ClassVar[str] = "GROUP"
    has_mailbox: ClassVar[bool] = False

    def remove_member(self, entity_id: str) -> None:
        """Remove a member."""
        self.members = tuple(member for member in self.members if member != entity_id)


@dataclass
class Resource(WorkMailEntity):
    """A room or a piece of equipment."""

    resource_type: str = "ROOM"
    description: str | None = None
    auto_accept_requests: bool = True
    auto_decline_recurring_requests: bool = False
    auto_decline_conflicting_requests: bool = True
    delegates: tuple[str, ...] = ()

    type: ClassVar[str] = "RESOURCE"

    def remove_delegate(self, entity_id: str) -> None:
        """Remove a delegate."""
        self.delegates = tuple(delegate for delegate in self.delegates if delegate != entity_id)


EntityT = TypeVar("EntityT", bound=WorkMailEntity)


class Entities(IndexedTable[WorkMailEntity]):
    """The entities of an organization by their ids, with an index of their names, addresses, states and retentions."""

    def __init__(self) -> None:
        super().__init__(_INDEXED_ATTRIBUTES)

    def propose_by_state(self, *states: str) -> list[WorkMailEntity]:
        """Return, in order, the entities that are in one of these states."""
        return self._sort(key for state in states for key in self._keys_by_state.get(state, ()))

    def remove_expired_mailboxes(self, time: datetime, retention: timedelta) -> None:
        """Remove the mailboxes whose retention is over."""
        while self._deregistrations and time >= self._deregistrations[0][0] + retention:
            entity = self.get(heapq.heappop(self._deregistrations)[1])
            if entity is not None:
                entity.remove_expired_mailbox(time, retention)

    def _noted_attributes(self) -> Iterable[str]:
        return (*super()._noted_attributes(), *_RETENTION_ATTRIBUTES)

    def _note(self, key: str, row: WorkMailEntity, attribute: str, previous: Any) -> None:
        super()._note(key, row, attribute, previous)
        if attribute == "state":
            self._keys_by_state.get(previous, set()).discard(key)
            self._keys_by_state.setdefault(row.state, set()).add(key)
        if attribute in _RETENTION_ATTRIBUTES and row.state != ENABLED and row.mailbox and row.disabled_date:
            heapq.heappush(self._deregistrations, (row.disabled_date, key))

    def _forget(self) -> None:
        super()._forget()
        self._keys_by_state: dict[str, set[str]] = {}
        self._deregistrations: list[tuple[datetime, str]] = []


@dataclass
class MailDomain:
    """A mail domain of an organization."""

    name: str
    is_test: bool = False
    ownership: str = "VERIFIED"
    dkim: str = "VERIFIED"


@dataclass
class WorkMailOrganization:
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
    entities: Entities = field(default_factory=Entities)
    tags: dict[str, str] = field(default_factory=dict)
    export_jobs: dict[str, MailboxExportJob] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        """Whether operations on the organization's entities are possible."""
        return self.state.casefold() == "active"

    @property
    def is_deleted(self) -> bool:
        """Whether only the organization's description is left."""
        return self.state.casefold() == "deleted"

    def find(self, identifier: str, kinds: tuple[type[EntityT], ...], by: IdentifiedBy) -> EntityT | None:
        """Return the entity of one of these types, a deleted one by its id only.

        Parameters
        ----------
        identifier
            An id, a name or an address, as `by` allows.
        kinds
            The classes to search.
        by
            The identifiers that the operation accepts.
        """
        entity_with_id = self.entities.get(identifier)
        if IdentifiedBy.ID in by and isinstance(entity_with_id, kinds):
            return entity_with_id
        if IdentifiedBy.NAME in by:
            for entity in self.entities.propose(NAMES, identifier):
                is_candidate = isinstance(entity, kinds) and entity.state != DELETED
                if is_candidate and entity.name.casefold() == identifier.casefold():
                    return entity
        if IdentifiedBy.EMAIL in by:
            for entity in self.entities.propose(ADDRESSES, identifier):
                if isinstance(entity, kinds) and entity.state != DELETED and entity.has_address(identifier):
                    return entity
        return None

    def has_name(self, name: str) -> bool:
        """Tell whether a user, group or resource has this name."""
        return self.find(name, (WorkMailEntity,), IdentifiedBy.NAME) is not None

    def claim_address(self, address: str, claimant: WorkMailEntity, time: datetime) -> None:
        """Take an address for an entity, if necessary from an entity that no longer reserves it.

        Raises
        ------
        EmailAddressInUseException
            If another entity reserves it.
        """
        candidates = self.entities.propose(ADDRESSES, address)
        holders = [entity for entity in candidates if entity is not claimant and entity.has_address(address)]
        for holder in holders:
            if holder.reserves_addresses(time):
                raise EmailAddressInUseException(f"The address {address} is in use by {holder.id}.")
        for holder in holders:
            holder.remove_address(address)

    def remove_references(self, entity: WorkMailEntity) -> None:
        """Remove a deleted entity from every group, every set of delegates and every permission."""
        self.leave_groups(entity)
        for holder in self.entities.values():
            holder.permissions.pop(entity.id, None)
            if isinstance(holder, Resource) and entity.id in holder.delegates:
                holder.remove_delegate(entity.id)

    def leave_groups(self, entity: WorkMailEntity) -> None:
        """Remove an entity from every group that it is a member of."""
        for group in self.list_groups_of(entity):
            group.remove_member(entity.id)

    def list_groups_of(self, entity: WorkMailEntity) -> list[Group]:
        """List the groups that an entity is a direct member of."""
        candidates = self.entities.propose(MEMBERS, entity.id)
        return [group for group in candidates if isinstance(group, Group) and entity.id in group.members]
