"""Fills a WorkMail organization through WorkMail's own API, as an administrator would."""

from typing import Any

from local.settings import MAIL_DOMAIN, ORGANIZATION_ID


class People:
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

    def user(
        self,
        name: str,
        display_name: str | None = None,
        *,
        registered: bool = True,
        domain: str | None = None,
        **more: Any,
    ) -> str:
        """Make a user, with a mailbox unless `registered` is false, and return the id."""
        user_id: str = self._workmail.create_user(
            OrganizationId=self.organization_id, Name=name, DisplayName=display_name or name, **more
        )["UserId"]
        if registered:
            self.register(user_id, name, domain)
        return user_id

    def group(self, name: str, members: tuple[str, ...] = ()) -> str:
        """Make a group with an address and members, and return the id."""
        group_id: str = self._workmail.create_group(OrganizationId=self.organization_id, Name=name)["GroupId"]
        self.register(group_id, name)
        for member in members:
            self._workmail.associate_member_to_group(
                OrganizationId=self.organization_id, GroupId=group_id, MemberId=member
            )
        return group_id

    def resource(self, name: str) -> str:
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
