"""Mailboxes: their size, their quota, and the permissions of others."""

from ..descriptions import Answer
from ..exceptions import EntityNotFoundException
from ..paging import Page
from ..state import ENABLED, Group, IdentifiedBy, Mailbox, Resource, User, WorkMailEntity, WorkMailOrganization
from .base import ALL_ENTITY_TYPES, Operations, with_token


class MailboxOperations(Operations):
    """Describe mailboxes, limit them and share them."""

    def get_mailbox_details(self, organization_id: str, user_id: str) -> Answer:
        """Return the size and the quota of a mailbox, as long as it exists.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_GetMailboxDetails.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_entity(organization, user_id, User, Resource, deleted=EntityNotFoundException)
        mailbox = _get_mailbox(entity, user_id)
        hides_disabled = self.behaviour.mailbox_details_of_disabled == "EntityNotFoundException"
        if entity.state != ENABLED and hides_disabled:
            raise EntityNotFoundException(f"The entity {user_id} is not enabled.")
        return {"MailboxQuota": mailbox.quota, "MailboxSize": mailbox.size}

    def update_mailbox_quota(self, organization_id: str, user_id: str, mailbox_quota: int) -> Answer:
        """Set the quota of an enabled entity's mailbox.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UpdateMailboxQuota.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_enabled_entity(organization, user_id, User, Resource)
        _get_mailbox(entity, user_id).quota = mailbox_quota
        return {}

    def put_mailbox_permissions(
        self, organization_id: str, entity_id: str, grantee_id: str, permission_values: list[str]
    ) -> Answer:
        """Set the permissions of a user or group on an entity's mailbox, in place of the previous ones.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_PutMailboxPermissions.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_enabled_entity(organization, entity_id, *ALL_ENTITY_TYPES)
        grantee = self._get_enabled_entity(organization, grantee_id, User, Group)
        if permission_values:
            entity.permissions[grantee.id] = list(dict.fromkeys(permission_values))
        else:
            entity.permissions.pop(grantee.id, None)
        return {}

    def delete_mailbox_permissions(self, organization_id: str, entity_id: str, grantee_id: str) -> Answer:
        """Remove the permissions of a user or group; missing ones are ignored.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeleteMailboxPermissions.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_enabled_entity(organization, entity_id, *ALL_ENTITY_TYPES)
        grantee = self._get_entity(organization, grantee_id, *ALL_ENTITY_TYPES)
        entity.permissions.pop(grantee.id, None)
        return {}

    def list_mailbox_permissions(
        self,
        organization_id: str,
        entity_id: str,
        next_token: str | None = None,
        max_results: int | None = None,
    ) -> Answer:
        """List the permissions on an entity's mailbox, including a disabled entity's.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListMailboxPermissions.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_entity(
            organization, entity_id, *ALL_ENTITY_TYPES, by=IdentifiedBy.ANY, deleted=EntityNotFoundException
        )
        page = Page(("ListMailboxPermissions", organization_id, entity.id), max_results, next_token)
        return with_token("Permissions", *page.slice(_list_permissions(organization, entity)))


def _get_mailbox(entity: WorkMailEntity, identifier: str) -> Mailbox:
    if entity.mailbox is None:
        raise EntityNotFoundException(f"The entity {identifier} has no mailbox.")
    return entity.mailbox


def _list_permissions(organization: WorkMailOrganization, entity: WorkMailEntity) -> list[Answer]:
    return [
        {
            "GranteeId": grantee_id,
            "GranteeType": organization.entities[grantee_id].type,
            "PermissionValues": values,
        }
        for grantee_id, values in entity.permissions.items()
    ]
