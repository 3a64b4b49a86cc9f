"""Which entities are never offboarded, and which need an approval: by what they are, and by the settings."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from offboarding.domain.entities import Entity

_PROTECTED_ROLES: Mapping[str | None, str] = {
    "SYSTEM_USER": "a system user of WorkMail",
    "RESOURCE": "a resource that is modelled as a user; offboard the resource itself",
    "REMOTE_USER": "a remote user, whose mailbox is not in WorkMail",
}


def protected_by_nature(entity: Entity, *, is_migration_admin: bool = False) -> str | None:
    """Return why an entity is protected whatever the settings are, or None."""
    if entity.user_role in _PROTECTED_ROLES:
        return f"{entity.id} is {_PROTECTED_ROLES[entity.user_role]}. It is never offboarded."
    if is_migration_admin:
        return f"{entity.id} is the organization's migration administrator. It is never offboarded."
    return None


def protected_by_settings(protected: Iterable[str], entity: Entity, aliases: Iterable[str]) -> str | None:
    """Return why the settings protect an entity, or None; an entry can be an address, so its place names it."""
    entry = _first_match(protected, entity, aliases)
    if entry is None:
        return None
    return (
        f"{entity.id} is protected by entry {entry} of the organization's protected in cdk.json. Nothing in an input "
        "lifts this: change the settings and deploy them if it is to be offboarded."
    )


def approval_required_by_settings(
    approval_required: Iterable[str], entity: Entity, aliases: Iterable[str]
) -> str | None:
    """Return why the settings require an approval for an entity, or None."""
    entry = _first_match(approval_required, entity, aliases)
    if entry is None:
        return None
    return f"{entity.id} matches entry {entry} of the organization's approvalRequired in cdk.json."


def _first_match(patterns: Iterable[str], entity: Entity, aliases: Iterable[str]) -> int | None:
    """Compare whole, by the wide comparison; return the place in the list, counted from 1."""
    identifiers = entity.identifiers(aliases)
    for place, pattern in enumerate(patterns, start=1):
        if any(fnmatchcase(identifier, pattern.casefold()) for identifier in identifiers):
            return place
    return None
