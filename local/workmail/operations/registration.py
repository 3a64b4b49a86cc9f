"""Registration and deregistration of entities, and their addresses."""

from ..descriptions import Answer
from ..exceptions import (
    EmailAddressInUseException,
    EntityAlreadyRegisteredException,
    EntityNotFoundException,
    EntityStateException,
    InvalidParameterException,
    LimitExceededException,
)
from ..paging import Page
from ..state import ENABLED, IdentifiedBy, WorkMailEntity, WorkMailOrganization, now
from .base import ALL_ENTITY_TYPES, Operations, with_token

MAX_ALIASES_PER_ENTITY = 100


class RegistrationOperations(Operations):
    """Register, deregister, and give addresses."""

    def register_to_work_mail(self, organization_id: str, entity_id: str, email: str) -> Answer:
        """Enable an entity; within 30 days of its deregistration, with the mailbox that it had.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_RegisterToWorkMail.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_entity(organization, entity_id, *ALL_ENTITY_TYPES, by=IdentifiedBy.ID_OR_NAME)
        if entity.state == ENABLED:
            if (entity.email or "").casefold() == email.casefold():
                return {}
            raise EntityAlreadyRegisteredException(f"The entity {entity_id} is registered as {entity.email}.")
        self._require_domain(organization, email)
        time = now()
        organization.claim_address(email, entity, time)
        for alias in list(entity.aliases):
            _claim_again_or_forget(organization, alias, entity)
        entity.register(email, time)
        return {}

    def deregister_from_work_mail(self, organization_id: str, entity_id: str) -> Answer:
        """Disable an entity; its mailbox is kept for 30 days from now.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeregisterFromWorkMail.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_entity(organization, entity_id, *ALL_ENTITY_TYPES)
        if entity.state == ENABLED:
            entity.deregister(now())
            if self.behaviour.aliases_of_deregistered == "removed":
                entity.aliases = ()
            if self.behaviour.groups_of_deregistered == "removed":
                organization.leave_groups(entity)
        elif self.behaviour.deregister_disabled == "EntityStateException":
            raise EntityStateException(f"The entity {entity_id} is {entity.state}; it must be ENABLED.")
        return {}

    def describe_entity(self, organization_id: str, email: str) -> Answer:
        """Return the entity that has an address.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeEntity.html
        """
        entity = self._get_active_organization(organization_id).find(email, ALL_ENTITY_TYPES, IdentifiedBy.EMAIL)
        if entity is None:
            raise EntityNotFoundException(f"No entity has the address {email}.")
        hides_disabled = self.behaviour.describe_entity_of_disabled == "EntityNotFoundException"
        if self.get_visible_state(entity).state != ENABLED and hides_disabled:
            raise EntityNotFoundException(f"No enabled entity has the address {email}.")
        return {"EntityId": entity.id, "Name": entity.name, "Type": entity.type}

    def update_primary_email_address(self, organization_id: str, entity_id: str, email: str) -> Answer:
        """Give an enabled entity another primary address; the previous one becomes an alias.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UpdatePrimaryEmailAddress.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_enabled_entity(organization, entity_id, *ALL_ENTITY_TYPES)
        self._require_domain(organization, email)
        organization.claim_address(email, entity, now())
        previous_email = entity.email
        entity.remove_address(email)
        entity.email = email
        if previous_email is not None and previous_email.casefold() != email.casefold():
            entity.aliases = (*entity.aliases, previous_email)
        return {}

    def create_alias(self, organization_id: str, entity_id: str, alias: str) -> Answer:
        """Give an enabled entity one more address.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_CreateAlias.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_enabled_entity(organization, entity_id, *ALL_ENTITY_TYPES, by=IdentifiedBy.ID)
        self._require_domain(organization, alias)
        if (entity.email or "").casefold() == alias.casefold():
            raise EmailAddressInUseException(f"The address {alias} is the primary one of {entity_id}.")
        if entity.has_address(alias):
            return {}
        if len(entity.aliases) >= MAX_ALIASES_PER_ENTITY:
            raise LimitExceededException(f"An entity has at most {MAX_ALIASES_PER_ENTITY} aliases.")
        organization.claim_address(alias, entity, now())
        entity.aliases = (*entity.aliases, alias)
        return {}

    def delete_alias(self, organization_id: str, entity_id: str, alias: str) -> Answer:
        """Remove an alias from an enabled entity; one that it does not have is ignored.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeleteAlias.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_enabled_entity(organization, entity_id, *ALL_ENTITY_TYPES, by=IdentifiedBy.ID)
        if (entity.email or "").casefold() == alias.casefold():
            raise InvalidParameterException(f"Alias: {alias} is the primary address of {entity_id}.")
        entity.remove_address(alias)
        return {}

    def list_aliases(
        self,
        organization_id: str,
        entity_id: str,
        next_token: str | None = None,
        max_results: int | None = None,
    ) -> Answer:
        """List the aliases of an enabled entity.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListAliases.html
        """
        organization = self._get_active_organization(organization_id)
        entity = self._get_enabled_entity(organization, entity_id, *ALL_ENTITY_TYPES, by=IdentifiedBy.ID)
        page = Page(("ListAliases", organization_id, entity_id), max_results, next_token)
        return with_token("Aliases", *page.slice(entity.aliases))


def _claim_again_or_forget(organization: WorkMailOrganization, alias: str, entity: WorkMailEntity) -> None:
    """Keep an alias at a late registration, unless another entity has taken it meanwhile."""
    try:
        organization.claim_address(alias, entity, now())
    except EmailAddressInUseException:
        entity.remove_address(alias)
