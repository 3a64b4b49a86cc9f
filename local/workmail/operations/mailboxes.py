"""Mailboxes: their size, their quota, and who else may use them."""

from ..descriptions import Answer
from ..exceptions import EntityNotFoundException
from ..paging import Page
from ..state import ENABLED, By, Entity, Group, Mailbox, Organization, Resource, User
from .base import EVERY_KIND, Operations, with_token


class MailboxOperations(Operations):
    """Describe mailboxes, limit them and share them."""

    def get_mailbox_details(self, organization_id: str, user_id: str) -> Answer:
        """Tell a mailbox's size and quota, as long as there is one.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_GetMailboxDetails.html
        """
        organization = self._organization(organization_id)
        entity = self._entity(organization, user_id, User, Resource, deleted=EntityNotFoundException)
        mailbox = _mailbox(entity, user_id)
        hides_disabled = self.behaviour.mailbox_details_of_disabled == "EntityNotFoundException"
        if entity.state != ENABLED and hides_disabled:
            raise EntityNotFoundException(f"The entity {user_id} is not enabled.")
        return {"MailboxQuota": mailbox.quota, "MailboxSize": mailbox.size}

    def update_mailbox_quota(self, organization_id: str, user_id: str, mailbox_quota: int) -> Answer:
        """Set the quota of an enabled entity's mailbox.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UpdateMailboxQuota.html
        """
        organization = self._organization(organization_id)
        entity = self._enabled_entity(organization, user_id, User, Resource)
        _mailbox(entity, user_id).quota = mailbox_quota
        return {}

    def put_mailbox_permissions(
        self, organization_id: str, entity_id: str, grantee_id: str, permission_values: list[str]
    ) -> Answer:
        """Set what a user or group may do with an entity's mailbox, in place of what it might before.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_PutMailboxPermissions.html
        """
        organization = self._organization(organization_id)
        entity = self._enabled_entity(organization, entity_id, *EVERY_KIND)
        grantee = self._enabled_entity(organization, grantee_id, User, Group)
        if permission_values:
            entity.permissions[grantee.id] = list(dict.fromkeys(permission_values))
        else:
            entity.permissions.pop(grantee.id, None)
        return {}

    def delete_mailbox_permissions(self, organization_id: str, entity_id: str, grantee_id: str) -> Answer:
        """Take a user's or group's permissions away; none need nothing.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeleteMailboxPermissions.html
        """
        organization = self._organization(organization_id)
        entity = self._enabled_entity(organization, entity_id, *EVERY_KIND)
        grantee = self._entity(organization, grantee_id, *EVERY_KIND)
        entity.permissions.pop(grantee.id, None)
        return {}

    def list_mailbox_permissions(
        self,
        organization_id: str,
        entity_id: str,
        next_token: str | None = None,
        max_results: int | None = None,
    ) -> Answer:
        """List who may use an entity's mailbox; this answers for a disabled entity too.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListMailboxPermissions.html
        """
        organization = self._organization(organization_id)
        entity = self._entity(organization, entity_id, *EVERY_KIND, by=By.ANY, deleted=EntityNotFoundException)
        page = Page(("ListMailboxPermissions", organization_id, entity.id), max_results, next_token)
        return with_token("Permissions", *page.cut(_permissions(organization, entity)))


def _mailbox(entity: Entity, identifier: str) -> Mailbox:
    if entity.mailbox is None:
        raise EntityNotFoundException(f"The entity {identifier} has no mailbox.")
    return entity.mailbox


def _permissions(organization: Organization, entity: Entity) -> list[Answer]:
    return [
        {
            "GranteeId": grantee_id,
            "GranteeType": organization.entities[grantee_id].type,
            "PermissionValues": values,
        }
        for grantee_id, values in entity.permissions.items()
    ]
