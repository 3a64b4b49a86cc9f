"""Groups and their members."""

from moto.moto_api._internal import mock_random

from ..descriptions import Answer, describe_group, member
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
        organization = self._writable_organization(organization_id)
        self._require_name(organization, name)
        group = Group(id=str(mock_random.uuid4()), name=name, hidden=hidden_from_global_address_list)
        organization.entities[group.id] = group
        return {"GroupId": group.id}

    def describe_group(self, organization_id: str, group_id: str) -> Answer:
        """Describe a group.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeGroup.html
        """
        group = self._described_entity(organization_id, group_id, Group)
        return describe_group(group, self._show(group))

    def list_groups(
        self,
        organization_id: str,
        next_token: str | None = None,
        max_results: int | None = None,
        filters: Filters | None = None,
    ) -> Answer:
        """List the groups that pass the filter, of which there can be one.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListGroups.html
        """
        page = Page(("ListGroups", organization_id, filters), max_results, next_token)
        return with_token("Groups", *self._list(organization_id, Group, filters, page))

    def update_group(
        self, organization_id: str, group_id: str, hidden_from_global_address_list: bool | None = None
    ) -> Answer:
        """Hide a group from the address list, or show it.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UpdateGroup.html
        """
        group = self._entity(self._writable_organization(organization_id), group_id, Group)
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
        organization = self._writable_organization(organization_id)
        group = self._enabled_entity(organization, group_id, Group)
        joining = self._enabled_entity(organization, member_id, User, Group)
        if joining is group:
            raise InvalidParameterException("MemberId: a group cannot be a member of itself.")
        if joining.id not in group.members:
            group.members.append(joining.id)
        return {}

    def disassociate_member_from_group(self, organization_id: str, group_id: str, member_id: str) -> Answer:
        """Take a user or group out of a group; all of them enabled.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DisassociateMemberFromGroup.html
        """
        organization = self._writable_organization(organization_id)
        group = self._enabled_entity(organization, group_id, Group)
        leaving = self._enabled_entity(organization, member_id, User, Group)
        if leaving.id not in group.members:
            raise EntityNotFoundException(f"The entity {member_id} is no member of {group_id}.")
        group.members.remove(leaving.id)
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
        organization = self._organization(organization_id)
        group = self._enabled_entity(organization, group_id, Group)
        page = Page(("ListGroupMembers", organization_id, group.id), max_results, next_token)
        ids, token = page.cut(group.members)
        entities = [organization.entities[entity_id] for entity_id in ids]
        return with_token("Members", [member(entity, self._show(entity)) for entity in entities], token)

    def list_groups_for_entity(
        self,
        organization_id: str,
        entity_id: str,
        filters: Filters | None = None,
        next_token: str | None = None,
        max_results: int | None = None,
    ) -> Answer:
        """List the groups that an enabled user or group is directly in.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListGroupsForEntity.html
        """
        organization = self._organization(organization_id)
        entity = self._enabled_entity(organization, entity_id, User, Group)
        prefix = (filters or {}).get("GroupNamePrefix", "").casefold()
        groups = [
            {"GroupId": group.id, "GroupName": group.name}
            for group in organization.entities.values()
            if isinstance(group, Group) and entity.id in group.members
            if group.name.casefold().startswith(prefix)
        ]
        page = Page(("ListGroupsForEntity", organization_id, entity.id, filters), max_results, next_token)
        return with_token("Groups", *page.cut(groups))
