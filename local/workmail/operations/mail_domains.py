"""Mail domains."""

from ..descriptions import Answer
from ..exceptions import (
    InvalidParameterException,
    MailDomainInUseException,
    MailDomainNotFoundException,
    MailDomainStateException,
)
from ..paging import Page
from ..state import MailDomain, WorkMailOrganization, now
from .base import Operations, with_token


class MailDomainOperations(Operations):
    """Register, deregister, describe and list mail domains."""

    def register_mail_domain(
        self,
        organization_id: str,
        domain_name: str,
        client_token: str | None = None,
    ) -> Answer:
        """Give an organization a mail domain, verified at once; one that it has already is not changed.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_RegisterMailDomain.html
        """
        organization = self._get_active_organization(organization_id)
        name = domain_name.casefold()
        for owner in self.organizations.values():
            if owner is not organization and not owner.is_deleted and name in owner.domains:
                raise MailDomainInUseException(f"The mail domain {name} belongs to {owner.id}.")
        organization.domains.setdefault(name, MailDomain(name))
        return {}

    def deregister_mail_domain(self, organization_id: str, domain_name: str) -> Answer:
        """Remove a mail domain that no entity uses; an unknown one is ignored.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeregisterMailDomain.html
        """
        organization = self._get_active_organization(organization_id)
        name = domain_name.casefold()
        domain = organization.domains.get(name)
        if domain is None:
            return {}
        if domain.is_test:
            raise InvalidParameterException(f"DomainName: the test domain {name} cannot be deregistered.")
        if organization.default_mail_domain == name:
            raise MailDomainInUseException(f"The mail domain {name} is the organization's default.")
        if _is_used(organization, name):
            raise MailDomainInUseException(f"The mail domain {name} is used by an entity.")
        del organization.domains[name]
        return {}

    def get_mail_domain(self, organization_id: str, domain_name: str) -> Answer:
        """Describe a mail domain and the DNS records that it needs.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_GetMailDomain.html
        """
        organization = self._get_active_organization(organization_id)
        domain = _get_domain(organization, domain_name)
        return {
            "Records": [] if domain.is_test else self._records(domain.name),
            "IsTestDomain": domain.is_test,
            "IsDefault": domain.name == organization.default_mail_domain,
            "OwnershipVerificationStatus": domain.ownership,
            "DkimVerificationStatus": domain.dkim,
        }

    def list_mail_domains(
        self, organization_id: str, max_results: int | None = None, next_token: str | None = None
    ) -> Answer:
        """List the mail domains of an organization.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListMailDomains.html
        """
        organization = self._get_active_organization(organization_id)
        page = Page(("ListMailDomains", organization_id), max_results, next_token)
        domains = [
            {"DomainName": name, "DefaultDomain": name == organization.default_mail_domain}
            for name in organization.domains
        ]
        return with_token("MailDomains", *page.slice(domains))

    def update_default_mail_domain(self, organization_id: str, domain_name: str) -> Answer:
        """Make a verified mail domain the organization's default.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UpdateDefaultMailDomain.html
        """
        organization = self._get_active_organization(organization_id)
        domain = _get_domain(organization, domain_name)
        if domain.ownership != "VERIFIED":
            raise MailDomainStateException(f"The mail domain {domain.name} is not verified.")
        organization.default_mail_domain = domain.name
        return {}

    def _records(self, name: str) -> list[Answer]:
        mail = f"10 inbound-smtp.{self.region_name}.amazonaws.com."
        discover = f"autodiscover.mail.{self.region_name}.awsapps.com."
        return [
            {"Type": "MX", "Hostname": f"{name}.", "Value": mail},
            {"Type": "CNAME", "Hostname": f"autodiscover.{name}.", "Value": discover},
            {"Type": "TXT", "Hostname": f"{name}.", "Value": "v=spf1 include:amazonses.com ~all"},
            {"Type": "TXT", "Hostname": f"_dmarc.{name}.", "Value": "v=DMARC1;p=quarantine;pct=100;fo=1"},
        ]


def _get_domain(organization: WorkMailOrganization, domain_name: str) -> MailDomain:
    domain = organization.domains.get(domain_name.casefold())
    if domain is None:
        raise MailDomainNotFoundException(f"The organization has no mail domain {domain_name}.")
    return domain


def _is_used(organization: WorkMailOrganization, domain: str) -> bool:
    time = now()
    reserving = [entity for entity in organization.entities.values() if entity.reserves_addresses(time)]
    addresses = [address for entity in reserving for address in (entity.email, *entity.aliases) if address]
    return any(address.casefold().endswith(f"@{domain}") for address in addresses)
