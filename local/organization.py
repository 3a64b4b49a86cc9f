"""Fills a WorkMail organization through WorkMail's own API, as an administrator would."""

from dataclasses import dataclass
from typing import Any

from local.defaults import MAIL_DOMAIN, ORGANIZATION_ID

PERSONAL = {
    "DisplayName": "Displayname of",
    "FirstName": "Firstname of",
    "LastName": "Lastname of",
    "Password": "Password of",
}
"""How the values begin that only WorkMail needs, so that a test recognises them in any log or output."""


@dataclass(frozen=True)
class UserState:
    """What a restore must bring back of a user: the state, the address, the aliases, and the groups by name."""

    state: str
    email: str | None
    aliases: tuple[str, ...]
    groups: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it with AWS's names."""
        return {
            "State": self.state,
            "Email": self.email,
            "Aliases": list(self.aliases),
            "Groups": list(self.groups),
        }


class OrganizationBuilder:
    """Makes and looks up the entities of one organization.

    Parameters
    ----------
    workmail
        A boto3 client for WorkMail.
    organization_id
        The organization to fill.
    domain
        The mail domain of the addresses that are made.
    """

    def __init__(self, workmail: Any, organization_id: str = ORGANIZATION_ID, domain: str = MAIL_DOMAIN) -> None:
        self._workmail = workmail
        self.organization_id = organization_id
        self._domain = domain

    def address(self, name: str, domain: str | None = None) -> str:
        """Return the address that an entity of this name gets."""
        return f"{name}@{domain or self._domain}"

    def create_user(
        self,
        name: str,
        display_name: str | None = None,
        *,
        registered: bool = True,
        domain: str | None = None,
        **more: Any,
    ) -> str:
        """Make a user, with a mailbox unless `registered` is false, and return the id."""
        personal = {member: f"{beginning} {name}" for member, beginning in PERSONAL.items()}
        chosen = {"DisplayName": display_name} if display_name else {}
        user_id: str = self._workmail.create_user(
            OrganizationId=self.organization_id, Name=name, **{**personal, **chosen, **more}
        )["UserId"]
        if registered:
            self.register(user_id, name, domain)
        return user_id

    def create_group(self, name: str, members: tuple[str, ...] = ()) -> str:
        """Make a group with an address and members, and return the id."""
        group_id: str = self._workmail.create_group(OrganizationId=self.organization_id, Name=name)["GroupId"]
        self.register(group_id, name)
        for member in members:
            self._workmail.associate_member_to_group(
                OrganizationId=self.organization_id, GroupId=group_id, MemberId=member
            )
        return group_id

    def create_resource(self, name: str) -> str:
        """Make a room with a mailbox, and return the id."""
        resource_id: str = self._workmail.create_resource(OrganizationId=self.organization_id, Name=name, Type="ROOM")[
            "ResourceId"
        ]
        self.register(resource_id, name)
        return resource_id

    def register(self, entity_id: str, name: str, domain: str | None = None) -> None:
        """Register an entity (again), with the address of its name."""
        self._workmail.register_to_work_mail(
            OrganizationId=self.organization_id, EntityId=entity_id, Email=self.address(name, domain)
        )

    def create_alias(self, entity_id: str, name: str, domain: str | None = None) -> None:
        """Give an entity a second address."""
        self._workmail.create_alias(
            OrganizationId=self.organization_id, EntityId=entity_id, Alias=self.address(name, domain)
        )

    def read_user_state(self, user_id: str) -> UserState:
        """Read the state of a user with a mailbox."""
        entity = {"OrganizationId": self.organization_id, "EntityId": user_id}
        user = self._workmail.describe_user(OrganizationId=self.organization_id, UserId=user_id)
        aliases = self._workmail.list_aliases(**entity)["Aliases"]
        groups = self._workmail.list_groups_for_entity(**entity)["Groups"]
        return UserState(
            state=user["State"],
            email=user.get("Email"),
            aliases=tuple(sorted(aliases)),
            groups=tuple(sorted(group["GroupName"] for group in groups)),
        )
