"""What a deregistration would take away, for a plan: read within limits, and no reason for the plan to fail."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from offboarding.adapters.directory import Answer, Directory
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState, EntityType

_MAX_ITEMS = 200
"""How many groups and permissions a plan has: an execution's data is limited to 256 KB."""
_MAX_CHECKED_GROUPS = 20
_MAX_MEMBERS = 500
"""How many members of a group are read; usually the first ones have an enabled one among them."""


class _ListTooLongError(errors.OffboardingError):
    """A list was not read to its end."""


_REFUSALS = (
    errors.AccessDenied,
    errors.DeregistrationRefused,
    errors.EntityNotFound,
    errors.EntityStateConflict,
    errors.UnexpectedAnswer,
    _ListTooLongError,
)
"""The errors with which a plan does without a list. WorkMail that does not answer is asked again later."""


def read_effects(
    directory: Directory, entity: Entity, aliases: Iterable[str], has_time: Callable[[], bool]
) -> dict[str, Any]:
    """Read what would be lost or left behind if an enabled entity were deregistered.

    Parameters
    ----------
    directory
        The organization's entities.
    entity
        A user, group or resource that is enabled.
    aliases
        Its addresses beside the primary one.
    has_time
        Whether there is time for one more call.

    Returns
    -------
    dict[str, Any]
        `Aliases`; for a user or a group `Groups`; for a group `EnabledMembers`, for the others `MailboxPermissions`;
        and `NotRead`, the lists that WorkMail refuses or that are too long, each with the reason.

    Raises
    ------
    WorkMailUnavailable, OrganizationNotFound, OrganizationNotActive
        If WorkMail does not answer, or not for the organization.
    """
    reader = _Reader(directory, entity, has_time)
    effects: dict[str, Any] = {"Aliases": [*aliases]}
    if entity.type is not EntityType.RESOURCE:
        effects["Groups"] = reader.list_groups()
    if entity.type is EntityType.GROUP:
        effects["EnabledMembers"] = reader.count_enabled_members()
    else:
        effects["MailboxPermissions"] = reader.list_permissions()
    return {**effects, "NotRead": reader.not_read}


class _Reader:
    def __init__(self, directory: Directory, entity: Entity, has_time: Callable[[], bool]) -> None:
        self._directory = directory
        self._entity = entity
        self._has_time = has_time
        self.not_read: list[dict[str, str]] = []

    def list_groups(self) -> list[dict[str, Any]]:
        """List the groups; without `IsOnlyEnabledMember` where their members were not read."""
        groups = self._collect("Groups", self._directory.iterate_groups_of(self._entity.id), _MAX_ITEMS)
        entries = []
        for number, group in enumerate(groups):
            is_only = self._is_only_enabled_member(group["GroupId"], is_checked=number < _MAX_CHECKED_GROUPS)
            members = {} if is_only is None else {"IsOnlyEnabledMember": is_only}
            entries.append({"Id": group["GroupId"], "Name": group["GroupName"], **members})
        return entries

    def list_permissions(self) -> list[dict[str, Any]]:
        permissions = self._directory.iterate_mailbox_permissions(self._entity.id)
        return [
            {member: permission[member] for member in ("GranteeId", "GranteeType", "PermissionValues")}
            for permission in self._collect("MailboxPermissions", permissions, _MAX_ITEMS)
        ]

    def count_enabled_members(self) -> int:
        members = self._directory.iterate_members(self._entity.id)
        return sum(_is_enabled(member) for member in self._collect("EnabledMembers", members, _MAX_MEMBERS))

    def _is_only_enabled_member(self, group_id: str, *, is_checked: bool) -> bool | None:
        members = self._limit(self._directory.iterate_members(group_id), _MAX_MEMBERS)
        try:
            if not is_checked:
                raise _ListTooLongError(f"Only the members of the first {_MAX_CHECKED_GROUPS} groups are read.")
            return not any(_is_enabled(member) and member.get("Id") != self._entity.id for member in members)
        except _REFUSALS as error:
            self._add_unread("IsOnlyEnabledMember", error)
            return None

    def _collect(self, name: str, items: Iterable[Answer], maximum: int) -> list[Answer]:
        collected = []
        try:
            for item in self._limit(items, maximum):
                collected.append(item)
        except _REFUSALS as error:
            self._add_unread(name, error)
        return collected

    def _limit(self, items: Iterable[Answer], maximum: int) -> Iterator[Answer]:
        self._require_time()
        for number, item in enumerate(items):
            if number == maximum:
                raise _ListTooLongError(f"Only the first {maximum} entries are read.")
            self._require_time()
            yield item

    def _require_time(self) -> None:
        if not self._has_time():
            raise _ListTooLongError("There was no time to read all of it.")

    def _add_unread(self, name: str, error: errors.OffboardingError) -> None:
        entry = {"Member": name, "Reason": str(error)}
        if entry not in self.not_read:
            self.not_read.append(entry)


def _is_enabled(member: Answer) -> bool:
    return member.get("State") == EntityState.ENABLED
