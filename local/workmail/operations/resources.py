"""Resources and their delegates."""

from moto.moto_api._internal import mock_random

from ..descriptions import Answer, describe_resource
from ..exceptions import EntityNotFoundException, InvalidConfigurationException
from ..paging import Page
from ..state import Group, Resource, User
from .base import Filters, Operations, with_token


class ResourceOperations(Operations):
    """Create, describe, list, update and delete resources; delegate them."""

    def create_resource(
        self,
        organization_id: str,
        name: str,
        type: str,
        description: str | None = None,
        hidden_from_global_address_list: bool = False,
    ) -> Answer:
        """Create a room or equipment: DISABLED until registered.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_CreateResource.html
        """
        organization = self._get_writable_organization(organization_id)
        self._require_name(organization, name)
        resource = Resource(
            id=f"r-{mock_random.get_random_hex(32)}",
            name=name,
            hidden=hidden_from_global_address_list,
            resource_type=type,
            description=description,
        )
        organization.entities[resource.id] = resource
        return {"ResourceId": resource.id}

    def describe_resource(self, organization_id: str, resource_id: str) -> Answer:
        """Describe a resource.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeResource.html
        """
        resource = self._get_described_entity(organization_id, resource_id, Resource)
        return describe_resource(resource, self.get_visible_state(resource))

    def list_resources(
        self,
        organization_id: str,
        next_token: str | None = None,
        max_results: int | None = None,
        filters: Filters | None = None,
    ) -> Answer:
        """List the resources that match the filter, if there is one.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListResources.html
        """
        page = Page(("ListResources", organization_id, filters), max_results, next_token)
        return with_token("Resources", *self._list_entities(organization_id, Resource, filters, page))

    def update_resource(
        self,
        organization_id: str,
        resource_id: str,
        name: str | None = None,
        booking_options: dict[str, bool] | None = None,
        description: str | None = None,
        type: str | None = None,
        hidden_from_global_address_list: bool | None = None,
    ) -> Answer:
        """Change the members of the request; an empty description removes it.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UpdateResource.html
        """
        organization = self._get_writable_organization(organization_id)
        resource = self._get_entity(organization, resource_id, Resource)
        if name is not None and name.casefold() != resource.name.casefold():
            self._require_name(organization, name)
        _set_booking_options(resource, booking_options or {})
        resource.name = name or resource.name
        resource.resource_type = type or resource.resource_type
        if description is not None:
            resource.description = description or None
        if hidden_from_global_address_list is not None:
            resource.hidden = hidden_from_global_address_list
        return {}

    def delete_resource(self, organization_id: str, resource_id: str) -> Answer:
        """Delete a disabled resource.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeleteResource.html
        """
        return self._delete_entity(organization_id, resource_id, Resource)

    def associate_delegate_to_resource(self, organization_id: str, resource_id: str, entity_id: str) -> Answer:
        """Let a user or group answer a resource's requests; both enabled.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_AssociateDelegateToResource.html
        """
        organization = self._get_writable_organization(organization_id)
        resource = self._get_enabled_entity(organization, resource_id, Resource)
        delegate = self._get_enabled_entity(organization, entity_id, User, Group)
        if delegate.id not in resource.delegates:
            resource.delegates = (*resource.delegates, delegate.id)
        return {}

    def disassociate_delegate_from_resource(self, organization_id: str, resource_id: str, entity_id: str) -> Answer:
        """Remove a delegate from a resource; both enabled.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DisassociateDelegateFromResource.html
        """
        organization = self._get_writable_organization(organization_id)
        resource = self._get_enabled_entity(organization, resource_id, Resource)
        delegate = self._get_enabled_entity(organization, entity_id, User, Group)
        if delegate.id not in resource.delegates:
            raise EntityNotFoundException(f"The entity {entity_id} is not a delegate of {resource_id}.")
        resource.remove_delegate(delegate.id)
        return {}

    def list_resource_delegates(
        self,
        organization_id: str,
        resource_id: str,
        next_token: str | None = None,
        max_results: int | None = None,
    ) -> Answer:
        """List the delegates of an enabled resource.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListResourceDelegates.html
        """
        organization = self._get_active_organization(organization_id)
        resource = self._get_enabled_entity(organization, resource_id, Resource)
        page = Page(("ListResourceDelegates", organization_id, resource.id), max_results, next_token)
        delegates = [
            {"Id": entity_id, "Type": organization.entities[entity_id].type} for entity_id in resource.delegates
        ]
        return with_token("Delegates", *page.slice(delegates))


def _set_booking_options(resource: Resource, options: dict[str, bool]) -> None:
    accepts_requests = options.get("AutoAcceptRequests", resource.auto_accept_requests)
    if not accepts_requests and not resource.delegates:
        raise InvalidConfigurationException(
            "BookingOptions: a resource that does not accept requests automatically needs a delegate."
        )
    resource.auto_accept_requests = accepts_requests
    resource.auto_decline_recurring_requests = options.get(
        "AutoDeclineRecurringRequests", resource.auto_decline_recurring_requests
    )
    resource.auto_decline_conflicting_requests = options.get(
        "AutoDeclineConflictingRequests", resource.auto_decline_conflicting_requests
    )
