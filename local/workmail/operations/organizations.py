"""Organizations."""

import json

from moto.moto_api._internal import mock_random

from ..descriptions import Answer
from ..exceptions import (
    DirectoryInUseException,
    InvalidParameterException,
    LimitExceededException,
    NameAvailabilityException,
    OrganizationStateException,
)
from ..paging import Page
from ..state import ENABLED, MailDomain, WorkMailOrganization, now
from .base import Operations, with_token

MAX_ORGANIZATIONS_PER_ACCOUNT = 100


class OrganizationOperations(Operations):
    """Create, delete, describe and list organizations."""

    client_tokens: dict[str, tuple[str, str]]

    def create_organization(
        self,
        alias: str,
        directory_id: str | None = None,
        client_token: str | None = None,
        domains: list[dict[str, str]] | None = None,
        kms_key_arn: str | None = None,
        enable_interoperability: bool = False,
    ) -> Answer:
        """Create an organization, Active at once.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_CreateOrganization.html
        """
        fingerprint = json.dumps([alias, directory_id, domains, kms_key_arn, enable_interoperability])
        if client_token in self.client_tokens:
            previous_fingerprint, organization_id = self.client_tokens[client_token]
            if previous_fingerprint != fingerprint:
                raise InvalidParameterException("The ClientToken was used for another request.")
            return {"OrganizationId": organization_id}
        if enable_interoperability and directory_id is None:
            raise InvalidParameterException("EnableInteroperability needs the DirectoryId of an AD Connector.")
        self._require_free_alias_and_directory(alias, directory_id)
        organization = self._add_organization(
            f"m-{mock_random.get_random_hex(32)}",
            alias,
            directory_id or f"d-{mock_random.get_random_hex(10)}",
        )
        organization.interoperability_enabled = enable_interoperability
        for domain in domains or []:
            name = domain["DomainName"].casefold()
            organization.domains[name] = MailDomain(name)
        if client_token is not None:
            self.client_tokens[client_token] = (fingerprint, organization.id)
        return {"OrganizationId": organization.id}

    def delete_organization(
        self,
        organization_id: str,
        delete_directory: bool,
        client_token: str | None = None,
        force_delete: bool = False,
        delete_identity_center_application: bool = False,
    ) -> Answer:
        """Delete an organization with all its mailboxes; its description remains.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeleteOrganization.html
        """
        organization = self._get_organization(organization_id)
        enabled = any(entity.state == ENABLED for entity in organization.entities.values())
        if enabled and not force_delete and not organization.is_deleted:
            raise OrganizationStateException(
                f"The organization {organization_id} has enabled entities; use ForceDelete to delete it all the same."
            )
        organization.state = "Deleted"
        for entity in organization.entities.values():
            entity.mailbox = None
        return {"OrganizationId": organization_id, "State": organization.state}

    def describe_organization(self, organization_id: str) -> Answer:
        """Describe an organization, including a deleted one.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeOrganization.html
        """
        organization = self._get_organization(organization_id)
        answer = {
            **_summarize(organization),
            "DirectoryId": organization.directory_id,
            "DirectoryType": organization.directory_type,
            "CompletedDate": organization.completed_date,
            "ARN": organization.arn,
            "InteroperabilityEnabled": organization.interoperability_enabled,
        }
        if organization.migration_admin is not None:
            answer["MigrationAdmin"] = organization.migration_admin
        return answer

    def list_organizations(self, next_token: str | None = None, max_results: int | None = None) -> Answer:
        """List the organizations of the account in this Region, including deleted ones.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListOrganizations.html
        """
        page = Page(("ListOrganizations",), max_results, next_token)
        summaries = [_summarize(organization) for organization in self.organizations.values()]
        return with_token("OrganizationSummaries", *page.slice(summaries))

    def _require_free_alias_and_directory(self, alias: str, directory_id: str | None) -> None:
        existing = [o for o in self.organizations.values() if not o.is_deleted]
        if any(organization.alias.casefold() == alias.casefold() for organization in existing):
            raise NameAvailabilityException(f"The alias {alias} is in use.")
        if directory_id is not None and any(o.directory_id == directory_id for o in existing):
            raise DirectoryInUseException(f"The directory {directory_id} belongs to another organization.")
        if len(existing) >= MAX_ORGANIZATIONS_PER_ACCOUNT:
            raise LimitExceededException(f"An account has at most {MAX_ORGANIZATIONS_PER_ACCOUNT} organizations.")

    def _add_organization(self, organization_id: str, alias: str, directory_id: str) -> WorkMailOrganization:
        domain = f"{alias.casefold()}.awsapps.com"
        arn_prefix = f"arn:{self.partition}:workmail:{self.region_name}:{self.account_id}"
        organization = WorkMailOrganization(
            id=organization_id,
            alias=alias,
            arn=f"{arn_prefix}:organization/{organization_id}",
            directory_id=directory_id,
            default_mail_domain=domain,
            completed_date=now(),
            domains={domain: MailDomain(domain, is_test=True)},
        )
        self.organizations[organization_id] = organization
        return organization


def _summarize(organization: WorkMailOrganization) -> Answer:
    answer: Answer = {
        "OrganizationId": organization.id,
        "Alias": organization.alias,
        "DefaultMailDomain": organization.default_mail_domain,
        "State": organization.state,
    }
    if organization.error_message is not None:
        answer["ErrorMessage"] = organization.error_message
    return answer
