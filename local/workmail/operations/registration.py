"""Registering and deregistering entities, and the addresses that they have while registered."""

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
from ..state import ENABLED, By, Entity, Organization, now
from .base import EVERY_KIND, Operations, with_token

ALIASES_PER_ENTITY = 100


class RegistrationOperations(Operations):
    """Register, deregister, and give addresses."""

    def register_to_work_mail(self, organization_id: str, entity_id: str, email: str) -> Answer:
        """Enable an entity; within 30 days of its deregistering, with the mailbox that it had.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_RegisterToWorkMail.html
        """
        organization = self._organization(organization_id)
        entity = self._entity(organization, entity_id, *EVERY_KIND, by=By.ID_OR_NAME)
        if entity.state == ENABLED:
            if (entity.email or "").casefold() == email.casefold():
                return {}
            raise EntityAlreadyRegisteredException(f"The entity {entity_id} is registered as {entity.email}.")
        self._require_domain(organization, email)
        moment = now()
        organization.claim(email, entity, moment)
        for alias in list(entity.aliases):
            _reclaim(organization, alias, entity)
        entity.register(email, moment)
        return {}

    def deregister_from_work_mail(self, organization_id: str, entity_id: str) -> Answer:
        """Disable an entity; its mailbox is kept for 30 days from now.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeregisterFromWorkMail.html
        """
        organization = self._organization(organization_id)
        entity = self._entity(organization, entity_id, *EVERY_KIND)
        if entity.state == ENABLED:
            entity.deregister(now())
            if self.behaviour.aliases_of_deregistered == "removed":
                entity.aliases = []
            if self.behaviour.groups_of_deregistered == "removed":
                organization.leave_groups(entity)
        elif self.behaviour.deregister_disabled == "EntityStateException":
            raise EntityStateException(f"The entity {entity_id} is {entity.state}; it must be ENABLED.")
        return {}

    def describe_entity(self, organization_id: str, email: str) -> Answer:
        """Tell whose address this is.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeEntity.html
        """
        entity = self._organization(organization_id).find(email, EVERY_KIND, By.EMAIL)
        if entity is None:
            raise EntityNotFoundException(f"No entity has the address {email}.")
        hides_disabled = self.behaviour.describe_entity_of_disabled == "EntityNotFoundException"
        if self._show(entity).state != ENABLED and hides_disabled:
            raise EntityNotFoundException(f"No enabled entity has the address {email}.")
        return {"EntityId": entity.id, "Name": entity.name, "Type": entity.type}

    def update_primary_email_address(self, organization_id: str, entity_id: str, email: str) -> Answer:
        """Give an enabled entity another primary address; the former one becomes an alias.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UpdatePrimaryEmailAddress.html
        """
        organization = self._organization(organization_id)
        entity = self._enabled_entity(organization, entity_id, *EVERY_KIND)
        self._require_domain(organization, email)
        organization.claim(email, entity, now())
        former = entity.email
        entity.forget(email)
        entity.email = email
        if former is not None and former.casefold() != email.casefold():
            entity.aliases.append(former)
        return {}

    def create_alias(self, organization_id: str, entity_id: str, alias: str) -> Answer:
        """Give an enabled entity one more address.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_CreateAlias.html
        """
        organization = self._organization(organization_id)
        entity = self._enabled_entity(organization, entity_id, *EVERY_KIND, by=By.ID)
        self._require_domain(organization, alias)
        if (entity.email or "").casefold() == alias.casefold():
            raise EmailAddressInUseException(f"The address {alias} is the primary one of {entity_id}.")
        if entity.holds(alias):
            return {}
        if len(entity.aliases) >= ALIASES_PER_ENTITY:
            raise LimitExceededException(f"An entity has at most {ALIASES_PER_ENTITY} aliases.")
        organization.claim(alias, entity, now())
        entity.aliases.append(alias)
        return {}

    def delete_alias(self, organization_id: str, entity_id: str, alias: str) -> Answer:
        """Take an alias from an enabled entity; one that it does not have needs nothing.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeleteAlias.html
        """
        organization = self._organization(organization_id)
        entity = self._enabled_entity(organization, entity_id, *EVERY_KIND, by=By.ID)
        if (entity.email or "").casefold() == alias.casefold():
            raise InvalidParameterException(f"Alias: {alias} is the primary address of {entity_id}.")
        entity.forget(alias)
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
        organization = self._organization(organization_id)
        entity = self._enabled_entity(organization, entity_id, *EVERY_KIND, by=By.ID)
        page = Page(("ListAliases", organization_id, entity_id), max_results, next_token)
        return with_token("Aliases", *page.cut(entity.aliases))


def _reclaim(organization: Organization, alias: str, entity: Entity) -> None:
    """Keep an alias through a late registering only if nobody has taken it meanwhile."""
    try:
        organization.claim(alias, entity, now())
    except EmailAddressInUseException:
        entity.forget(alias)
