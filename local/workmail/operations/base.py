"""The base of all operations: the backend's state, and lookups that raise the right error."""

from collections.abc import Callable, Iterable, Mapping

from ..behaviour import Behaviour
from ..descriptions import Answer, VisibleState, get_visible_state, summarize
from ..exceptions import (
    EntityNotFoundException,
    EntityStateException,
    InvalidParameterException,
    MailDomainNotFoundException,
    MailDomainStateException,
    NameAvailabilityException,
    OrganizationNotFoundException,
    OrganizationStateException,
    ReservedNameException,
    UnsupportedOperationException,
)
from ..paging import Page
from ..state import (
    ADDRESSES,
    DELETED,
    DISABLED,
    DISPLAY_NAMES,
    ENABLED,
    IDENTITY_PROVIDER_IDS,
    NAMES,
    Entities,
    EntityT,
    Group,
    IdentifiedBy,
    Resource,
    User,
    WorkMailEntity,
    WorkMailOrganization,
    now,
)

Filters = Mapping[str, str]
FilterGetters = Mapping[str, Callable[[WorkMailEntity, VisibleState], str | None]]

ALL_ENTITY_TYPES = (User, Group, Resource)

# The accounts that every directory has from the start.
RESERVED_NAMES = frozenset({"administrator", "guest", "krbtgt"})

FILTERS: FilterGetters = {
    "NamePrefix": lambda entity, visible: entity.name,
    "UsernamePrefix": lambda entity, visible: entity.name,
    "PrimaryEmailPrefix": lambda entity, visible: visible.email,
    "DisplayNamePrefix": lambda entity, visible: getattr(entity, "display_name", None),
    "IdentityProviderUserIdPrefix": lambda entity, visible: getattr(entity, "identity_provider_user_id", None),
}


_INDEX_OF_FILTER = {
    "NamePrefix": NAMES,
    "UsernamePrefix": NAMES,
    "PrimaryEmailPrefix": ADDRESSES,
    "DisplayNamePrefix": DISPLAY_NAMES,
    "IdentityProviderUserIdPrefix": IDENTITY_PROVIDER_IDS,
}


class Operations:
    """The backend's state, and lookups in it."""

    region_name: str
    account_id: str
    partition: str
    organizations: dict[str, WorkMailOrganization]
    behaviour: Behaviour

    def _get_organization(self, organization_id: str) -> WorkMailOrganization:
        organization = self.organizations.get(organization_id)
        if organization is None:
            raise OrganizationNotFoundException(f"There is no organization {organization_id}.")
        return organization

    def _get_active_organization(self, organization_id: str) -> WorkMailOrganization:
        organization = self._get_organization(organization_id)
        if not organization.is_active:
            raise OrganizationStateException(
                f"The organization {organization_id} is {organization.state}; it must be Active."
            )
        return organization

    def _get_writable_organization(self, organization_id: str) -> WorkMailOrganization:
        organization = self._get_active_organization(organization_id)
        if organization.directory_is_read_only:
            raise UnsupportedOperationException(f"The directory of {organization_id} is read-only.")
        return organization

    def _get_entity(
        self,
        organization: WorkMailOrganization,
        identifier: str,
        *kinds: type[EntityT],
        by: IdentifiedBy = IdentifiedBy.ANY,
        deleted: type[EntityStateException | EntityNotFoundException] = EntityStateException,
    ) -> EntityT:
        """Return an entity that is not deleted.

        `deleted` is the error for a deleted one that descriptions still show: an operation whose
        model does not list ``EntityStateException`` passes the other.
        """
        entity = organization.find(identifier, kinds, by)
        if entity is None or (entity.state == DELETED and self.behaviour.describe_deleted != DELETED):
            raise _not_found_error(identifier)
        if entity.state == DELETED:
            raise deleted(f"The entity {identifier} is DELETED.")
        return entity

    def _get_enabled_entity(
        self,
        organization: WorkMailOrganization,
        identifier: str,
        *kinds: type[EntityT],
        by: IdentifiedBy = IdentifiedBy.ANY,
    ) -> EntityT:
        entity = self._get_entity(organization, identifier, *kinds, by=by)
        if entity.state != ENABLED:
            raise EntityStateException(f"The entity {identifier} is {entity.state}; it must be ENABLED.")
        return entity

    def _get_described_entity(self, organization_id: str, identifier: str, kind: type[EntityT]) -> EntityT:
        """Return an entity to describe, which may be a deleted one."""
        entity = self._get_active_organization(organization_id).find(identifier, (kind,), IdentifiedBy.ANY)
        if entity is None or (entity.state == DELETED and self.behaviour.describe_deleted != DELETED):
            raise _not_found_error(identifier)
        return entity

    def get_visible_state(self, entity: WorkMailEntity) -> VisibleState:
        """Return what a client sees of an entity now."""
        return get_visible_state(entity, self.behaviour, now())

    def _require_name(self, organization: WorkMailOrganization, name: str) -> None:
        if name.casefold() in RESERVED_NAMES:
            raise ReservedNameException(f"The name {name} is reserved.")
        if organization.has_name(name):
            raise NameAvailabilityException(f"The name {name} is in use.")

    def _require_domain(self, organization: WorkMailOrganization, address: str) -> None:
        name = address.rpartition("@")[2].casefold()
        domain = organization.domains.get(name)
        if domain is None:
            raise MailDomainNotFoundException(f"The organization has no mail domain {name}.")
        if domain.ownership != "VERIFIED":
            raise MailDomainStateException(f"The mail domain {name} is not verified.")

    def _delete_entity(self, organization_id: str, identifier: str, kind: type[EntityT]) -> Answer:
        """Delete a disabled entity; nothing happens if it is gone already, as the model has no error for that."""
        organization = self._get_writable_organization(organization_id)
        entity = organization.find(identifier, (kind,), IdentifiedBy.ID_OR_NAME)
        if entity is None or entity.state == DELETED:
            return {}
        if entity.state != DISABLED:
            raise EntityStateException(f"The entity {identifier} is {entity.state}; it must be DISABLED.")
        entity.delete()
        organization.remove_references(entity)
        return {}

    def _list_entities(
        self, organization_id: str, kind: type[WorkMailEntity], filters: Filters | None, page: Page
    ) -> tuple[list[Answer], str | None]:
        """Return a page of summaries; deleted entities are listed only if a filter names that state."""
        _require_one_filter(filters)
        organization = self._get_active_organization(organization_id)
        candidates = _propose_entities(organization.entities, filters or {})
        of_kind = ((e, self.get_visible_state(e)) for e in candidates if isinstance(e, kind))
        matches = (
            (entity, visible) for entity, visible in of_kind if self._matches_filters(entity, visible, filters or {})
        )
        entities, token = page.slice(matches)
        return [summarize(entity, visible) for entity, visible in entities], token

    def _matches_filters(self, entity: WorkMailEntity, visible: VisibleState, filters: Filters) -> bool:
        if visible.state == DELETED and self.behaviour.describe_deleted != DELETED:
            return False
        if "State" in filters:
            return visible.state == filters["State"]
        if visible.state == DELETED:
            return False
        return all(
            (FILTERS[name](entity, visible) or "").casefold().startswith(prefix.casefold())
            for name, prefix in filters.items()
        )


def with_token(name: str, items: list[Answer] | list[str], token: str | None) -> Answer:
    """Return the answer of a list operation, with a token only if there are more items.

    Parameters
    ----------
    name
        The list's name in the answer.
    items
        The page.
    token
        The token of the next page.
    """
    return {name: items} if token is None else {name: items, "NextToken": token}


def _propose_entities(entities: Entities, filters: Filters) -> Iterable[WorkMailEntity]:
    """Return, in order, all entities that can match the filter, and perhaps others."""
    if not filters:
        return entities.values()
    [(name, value)] = filters.items()
    if name == "State":
        # Descriptions can lag behind: who is disabled is still shown as enabled.
        return entities.propose_by_state(value, *([DISABLED] if value == ENABLED else []))
    return entities.propose_prefix(_INDEX_OF_FILTER[name], value)


def _require_one_filter(filters: Filters | None) -> None:
    if filters and len(filters) > 1:
        raise InvalidParameterException(f"Filters: only one filter per request, not {' and '.join(sorted(filters))}.")


def _not_found_error(identifier: str) -> EntityNotFoundException:
    return EntityNotFoundException(f"There is no such entity in the organization: {identifier}.")
