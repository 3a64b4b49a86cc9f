"""Groups and their members."""

from moto.moto_api._internal import mock_random

from ..descriptions import Answer, describe_group, describe_member
from ..exceptions import EntityNotFoundException, InvalidParameterException
from ..paging import Page
from ..state import Group, User
from .base import Filters, Operations, with_token


class GroupOperations(Operations):
    """Create, describe, list, update and delete groups; join and leave them."""

    def create_group(self, organization_id: str, name: str, hidden_from_global_address_list: bool = False) -> Answer:
        """Create a group: DISABLED until registered.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_CreateGroup.html
        """
        organization = self._get_writable_organization(organization_id)
        self._require_name(organization, name)
        group = Group(id=str(mock_random.uuid4()), name=name, hidden=hidden_from_global_address_list)
        organization.entities[group.id] = group
        return {"GroupId": group.id}

    def describe_group(self, organization_id: str, group_id: str) -> Answer:
        """Describe a group.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeGroup.html
        """
        group = self._get_described_entity(organization_id, group_id, Group)
        return describe_group(group, self.get_visible_state(group))

    def list_groups(
        self,
        organization_id: str,
        next_token: str | None = None,
        max_results: int | None = None,
        filters: Filters | None = None,
    ) -> Answer:
        """List the groups that match the filter, if there is one.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListGroups.html
        """
        page = Page(("ListGroups", organization_id, filters), max_results, next_token)
        return with_token("Groups", *self._list_entities(organization_id, Group, filters, page))

    def update_group(
        self, organization_id: str, group_id: str, hidden_from_global_address_list: bool | None = None
    ) -> Answer:
        """Hide a group from the address list, or show it.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UpdateGroup.html
        """
        group = self._get_entity(self._get_writable_organization(organization_id), group_id, Group)
        if hidden_from_global_address_list is not None:
            group.hidden = hidden_from_global_address_list
        return {}

    def delete_group(self, organization_id: str, group_id: str) -> Answer:
        """Delete a disabled group.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeleteGroup.html
        """
        return self._delete_entity(organization_id, group_id, Group)

    def associate_member_to_group(self, organization_id: str, group_id: str, member_id: str) -> Answer:
        """Make a user or group a member of a group; all of them enabled.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_AssociateMemberToGroup.html
        """
        organization = self._get_writable_organization(organization_id)
        group = self._get_enabled_entity(organization, group_id, Group)
        new_member = self._get_enabled_entity(organization, member_id, User, Group)
        if new_member is group:
            raise InvalidParameterException("MemberId: a group cannot be a member of itself.")
        if new_member.id not in group.members:
            group.members = (*group.members, new_member.id)
        return {}

    def disassociate_member_from_group(self, organization_id: str, group_id: str, member_id: str) -> Answer:
        """Remove a user or group from a group; all of them enabled.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DisassociateMemberFromGroup.html
        """
        organization = self._get_writable_organization(organization_id)
        group = self._get_enabled_entity(organization, group_id, Group)
        former_member = self._get_enabled_entity(organization, member_id, User, Group)
        if former_member.id not in group.members:
            raise EntityNotFoundException(f"The entity {member_id} is not a member of {group_id}.")
        group.remove_member(former_member.id)
        return {}

    def list_group_members(
        self,
        organization_id: str,
        group_id: str,
        next_token: str | None = None,
        max_results: int | None = None,
    ) -> Answer:
        """List the members of an enabled group.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListGroupMembers.html
        """
        organization = self._get_active_organization(organization_id)
        group = self._get_enabled_entity(organization, group_id, Group)
        page = Page(("ListGroupMembers", organization_id, group.id), max_results, next_token)
        ids, token = page.slice(group.members)
        entities = [organization.entities[entity_id] for entity_id in ids]
        return with_token(
            "Members", [describe_member(entity, self.get_visible_state(entity)) for entity in entities], token
        )

    def list_groups_for_entity(
        self,
        organization_id: str,
        entity_id: str,
        filters: Filters | None = None,
        next_token: str | None = None,
        max_results: int | None = None,
    ) -> Answer:
        """List the groups that an enabled user or group is a direct member of.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListGroupsForEntity.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_enabled_entity(organization, entity_id, User, Group)
        prefix = (filters or {}).get("GroupNamePrefix", "").casefold()
        groups = [
            {"GroupId": group.id, "GroupName": group.name}
            for group in organization.list_groups_of(entity)
            if group.name.casefold().startswith(prefix)
        ]
        page = Page(("ListGroupsForEntity", organization_id, entity.id, filters), max_results, next_token)
        return with_token("Groups", *page.slice(groups))
