"""What every group of operations needs: the state, and finding things in it with the right error."""

from collections.abc import Callable, Mapping

from ..behaviour import Behaviour
from ..descriptions import Answer, Shown, show, summary
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
from ..state import DELETED, DISABLED, ENABLED, By, Entity, Group, Kind, Organization, Resource, User, now

Filters = Mapping[str, str]
FilterGetters = Mapping[str, Callable[[Entity, Shown], str | None]]

EVERY_KIND = (User, Group, Resource)

# The accounts that a directory is born with.
RESERVED_NAMES = frozenset({"administrator", "guest", "krbtgt"})

FILTERS: FilterGetters = {
    "NamePrefix": lambda entity, shown: entity.name,
    "UsernamePrefix": lambda entity, shown: entity.name,
    "PrimaryEmailPrefix": lambda entity, shown: shown.email,
    "DisplayNamePrefix": lambda entity, shown: getattr(entity, "display_name", None),
    "IdentityProviderUserIdPrefix": lambda entity, shown: getattr(entity, "identity_provider_user_id", None),
}


class Operations:
    """The state that operations work on."""

    region_name: str
    account_id: str
    partition: str
    organizations: dict[str, Organization]
    behaviour: Behaviour

    def _known_organization(self, organization_id: str) -> Organization:
        organization = self.organizations.get(organization_id)
        if organization is None:
            raise OrganizationNotFoundException(f"There is no organization {organization_id}.")
        return organization

    def _organization(self, organization_id: str) -> Organization:
        organization = self._known_organization(organization_id)
        if not organization.is_active:
            raise OrganizationStateException(
                f"The organization {organization_id} is {organization.state}; it must be Active."
            )
        return organization

    def _writable_organization(self, organization_id: str) -> Organization:
        organization = self._organization(organization_id)
        if organization.directory_is_read_only:
            raise UnsupportedOperationException(f"The directory of {organization_id} is read-only.")
        return organization

    def _entity(
        self,
        organization: Organization,
        identifier: str,
        *kinds: type[Kind],
        by: By = By.ANY,
        deleted: type[EntityStateException | EntityNotFoundException] = EntityStateException,
    ) -> Kind:
        """Find an entity that was not deleted.

        `deleted` is the error for a deleted one, where descriptions still show it: an operation whose
        model does not know ``EntityStateException`` passes the other.
        """
        entity = organization.find(identifier, kinds, by)
        if entity is None or (entity.state == DELETED and self.behaviour.describe_deleted != DELETED):
            raise _not_found(identifier)
        if entity.state == DELETED:
            raise deleted(f"The entity {identifier} is DELETED.")
        return entity

    def _enabled_entity(self, organization: Organization, identifier: str, *kinds: type[Kind], by: By = By.ANY) -> Kind:
        entity = self._entity(organization, identifier, *kinds, by=by)
        if entity.state != ENABLED:
            raise EntityStateException(f"The entity {identifier} is {entity.state}; it must be ENABLED.")
        return entity

    def _described_entity(self, organization_id: str, identifier: str, kind: type[Kind]) -> Kind:
        """Find an entity for a description, which may speak of a deleted one."""
        entity = self._organization(organization_id).find(identifier, (kind,), By.ANY)
        if entity is None or (entity.state == DELETED and self.behaviour.describe_deleted != DELETED):
            raise _not_found(identifier)
        return entity

    def _show(self, entity: Entity) -> Shown:
        return show(entity, self.behaviour, now())

    def _require_name(self, organization: Organization, name: str) -> None:
        if name.casefold() in RESERVED_NAMES:
            raise ReservedNameException(f"The name {name} is reserved.")
        if organization.has_name(name):
            raise NameAvailabilityException(f"The name {name} is taken.")

    def _require_domain(self, organization: Organization, address: str) -> None:
        name = address.rpartition("@")[2].casefold()
        domain = organization.domains.get(name)
        if domain is None:
            raise MailDomainNotFoundException(f"The organization has no mail domain {name}.")
        if domain.ownership != "VERIFIED":
            raise MailDomainStateException(f"The mail domain {name} is not verified.")

    def _delete_entity(self, organization_id: str, identifier: str, kind: type[Kind]) -> Answer:
        """Delete a disabled entity; one that is gone already needs nothing, as the model has no error for it."""
        organization = self._writable_organization(organization_id)
        entity = organization.find(identifier, (kind,), By.ID_OR_NAME)
        if entity is None or entity.state == DELETED:
            return {}
        if entity.state != DISABLED:
            raise EntityStateException(f"The entity {identifier} is {entity.state}; it must be DISABLED.")
        entity.delete()
        organization.drop(entity)
        return {}

    def _list(
        self, organization_id: str, kind: type[Entity], filters: Filters | None, page: Page
    ) -> tuple[list[Answer], str | None]:
        """Return a page of summaries; deleted entities show only when a filter asks for that state."""
        _require_one_filter(filters)
        organization = self._organization(organization_id)
        found: list[Answer] = []
        for entity in organization.entities.values():
            shown = self._show(entity)
            if isinstance(entity, kind) and self._passes(entity, shown, filters or {}):
                found.append(summary(entity, shown))
        return page.cut(found)

    def _passes(self, entity: Entity, shown: Shown, filters: Filters) -> bool:
        if shown.state == DELETED and self.behaviour.describe_deleted != DELETED:
            return False
        if "State" in filters:
            return shown.state == filters["State"]
        if shown.state == DELETED:
            return False
        return all(
            (FILTERS[name](entity, shown) or "").casefold().startswith(prefix.casefold())
            for name, prefix in filters.items()
        )


def with_token(name: str, items: list[Answer] | list[str], token: str | None) -> Answer:
    """Return a list's answer, with a token only when there is more.

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


def _require_one_filter(filters: Filters | None) -> None:
    if filters and len(filters) > 1:
        raise InvalidParameterException(f"Filters: only one filter per request, not {' and '.join(sorted(filters))}.")


def _not_found(identifier: str) -> EntityNotFoundException:
    return EntityNotFoundException(f"There is no such entity in the organization: {identifier}.")
