"""The users, groups and resources of the organizations: a page of them, and a new person."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from local.organization import OrganizationBuilder
from local.server.page.stack import PageError, StackView
from local.workmail.state import DELETED, DISABLED, ENABLED, RETENTION, User, WorkMailEntity, WorkMailOrganization

PAGE_SIZE = 25
_STATES = frozenset({ENABLED, DISABLED, DELETED})
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def list_organizations(stack: StackView) -> list[dict[str, Any]]:
    """List the organizations, with the number of entities in each state."""
    return [
        {
            "Id": organization.id,
            "Alias": organization.alias,
            "MailDomains": list(organization.domains),
            "States": _count_states(organization),
        }
        for organization in list(stack.environment.workmail.organizations.values())
    ]


def list_entities(stack: StackView, organization_id: str, search: str, state: str, offset: int) -> dict[str, Any]:
    """List a page of the entities of an organization, and say how many match.

    Parameters
    ----------
    stack
        What is deployed.
    organization_id
        The organization; empty for the first one.
    search
        A part of the name, the display name, an address or the id; empty for all.
    state
        WorkMail's state; empty for all.
    offset
        How many to leave out.
    """
    organization = find_organization(stack, organization_id)
    if state and state not in _STATES:
        raise PageError(f"There is no state {state!r}. The states are {', '.join(sorted(_STATES))}.")
    matching = [
        entity
        for entity in list(organization.entities.values())
        if not entity.hidden and (not state or entity.state == state) and _matches(entity, search.casefold())
    ]
    now = stack.environment.clock.now()
    return {
        "OrganizationId": organization.id,
        "Total": len(matching),
        "Offset": offset,
        "Rows": [_render_entity(entity, now) for entity in islice(matching, offset, offset + PAGE_SIZE)],
    }


def find_organization(stack: StackView, organization_id: str) -> WorkMailOrganization:
    """Return an organization, or the first one.

    Raises
    ------
    PageError
        If there is none.
    """
    organizations = stack.environment.workmail.organizations
    if not organization_id and organizations:
        return next(iter(organizations.values()))
    if organization_id not in organizations:
        raise PageError(f"There is no organization {organization_id!r}.")
    return organizations[organization_id]


def find_user(stack: StackView, organization_id: str, identifier: str) -> User:
    """Return a user by id, name or address.

    Raises
    ------
    PageError
        If there is none.
    """
    organization = find_organization(stack, organization_id)
    users = [entity for entity in organization.entities.values() if isinstance(entity, User) and not entity.hidden]
    wanted = identifier.strip().casefold()
    matches = [user for user in users if wanted in {user.id, user.name.casefold()} or user.has_address(wanted)]
    if not matches:
        raise PageError(f"{organization.alias} has no person {identifier!r}. Give a name, an address or an id.")
    return matches[0]


def create_person(stack: StackView, members: Mapping[str, Any]) -> dict[str, Any]:
    """Create a user and register it, with WorkMail's CreateUser and RegisterToWorkMail.

    Parameters
    ----------
    stack
        What is deployed.
    members
        `OrganizationId`, `Name`, `DisplayName`, `Domain`, and `IdentityCenter`: whether the user has one there too.
    """
    organization = find_organization(stack, members["OrganizationId"])
    name = members["Name"].strip()
    if not _NAME.fullmatch(name):
        raise PageError("A name consists of letters from a to z, digits, dots, hyphens and underscores.")
    domain = members["Domain"] or organization.default_mail_domain
    people = OrganizationBuilder(stack.workmail(), organization.id, domain)
    more = {"IdentityProviderUserId": str(uuid.uuid4())} if members["IdentityCenter"] else {}
    user_id = people.create_user(name, members["DisplayName"].strip() or name, registered=False, **more)
    try:
        people.register(user_id, name)
    except ClientError as error:
        message = error.response["Error"].get("Message", "")
        raise PageError(
            f"{name} was created without a mailbox, because WorkMail refused to register: {message}"
        ) from None
    return {"OrganizationId": organization.id, "EntityId": user_id, "Email": people.address(name)}


def _count_states(organization: WorkMailOrganization) -> dict[str, int]:
    counts = dict.fromkeys((ENABLED, DISABLED, DELETED), 0)
    for entity in list(organization.entities.values()):
        counts[entity.state] += not entity.hidden
    return counts


def _matches(entity: WorkMailEntity, search: str) -> bool:
    return any(search in text.casefold() for text in _iterate_texts(entity))


def _iterate_texts(entity: WorkMailEntity) -> Iterator[str]:
    yield from (entity.id, entity.name, entity.email or "", *entity.aliases)
    if isinstance(entity, User):
        yield entity.display_name


def _render_entity(entity: WorkMailEntity, now: Any) -> dict[str, Any]:
    kept_until = entity.disabled_date + RETENTION if entity.disabled_date and entity.state != ENABLED else None
    is_kept = entity.mailbox is not None and (kept_until is None or now < kept_until)
    return {
        "Id": entity.id,
        "Type": entity.type,
        "Name": entity.name,
        "DisplayName": entity.display_name if isinstance(entity, User) else "",
        "Email": entity.email or "",
        "State": entity.state,
        "HasMailbox": is_kept,
        "MailboxKeptUntil": kept_until.isoformat() if kept_until and is_kept else None,
        "DaysLeft": count_days(kept_until - now) if kept_until and is_kept else None,
        "IdentityCenterUserId": entity.identity_provider_user_id if isinstance(entity, User) else None,
    }


def count_days(duration: timedelta) -> int:
    """Return a duration in days, rounded up, so that 0 means that it is over."""
    return max(0, -(-duration // timedelta(days=1)))
