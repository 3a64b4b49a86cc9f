"""The set-up of an account and Region: the stack with its resources and settings, and the WorkMail organizations."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from operate.account import Account, Stack
from operate.errors import Refusal

WORKMAIL_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
"""Amazon WorkMail exists in these Regions only.
https://docs.aws.amazon.com/general/latest/gr/workmail.html"""


@dataclass(frozen=True)
class Resource:
    """A resource of the stack.

    Attributes
    ----------
    type
        Its type in CloudFormation.
    id
        Its physical id: a name, an ARN or a URL.
    updated_at
        When CloudFormation has last changed it.
    """

    type: str
    id: str
    updated_at: datetime


@dataclass(frozen=True)
class Organization:
    """A WorkMail organization.

    Attributes
    ----------
    id, alias
        `m-…`, and the name that it was created with.
    state
        `Active` if it can be used.
    """

    id: str
    alias: str
    state: str

    @property
    def is_active(self) -> bool:
        """Whether it can be used."""
        return self.state.casefold() == "active"


class Setup:
    """What the checks look at. Each answer of AWS is read once; every property can raise `ClientError`.

    Parameters
    ----------
    account
        The account and the Region of the stack.
    workmail_region
        The Region of the WorkMail organizations; by default what the stack says.
    """

    def __init__(self, account: Account, workmail_region: str | None = None) -> None:
        self.account = account
        self._workmail_region = workmail_region

    @cached_property
    def stack(self) -> Stack | None:
        """The stack; None if there is none."""
        return self.account.find_stack()

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the stack; none without a stack."""
        return self.stack.outputs if self.stack else {}

    @cached_property
    def resources(self) -> list[Resource]:
        """The resources of the stack.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackResources.html
        """
        pages = self.account.client("cloudformation").get_paginator("list_stack_resources")
        return [
            Resource(summary["ResourceType"], summary["PhysicalResourceId"], summary["LastUpdatedTimestamp"])
            for page in pages.paginate(StackName=self.account.stack_name)
            for summary in page["StackResourceSummaries"]
            if summary.get("PhysicalResourceId") and summary["ResourceStatus"] != "DELETE_COMPLETE"
        ]

    def list_ids(self, resource_type: str) -> list[str]:
        """List the physical ids of the resources of a type."""
        return [resource.id for resource in self.resources if resource.type == resource_type]

    @property
    def workmail_region(self) -> str:
        """The Region of the WorkMail organizations: of the option, of the stack's settings, or that of the stack."""
        return self._workmail_region or self.outputs.get("OrganizationsRegion") or self.account.region

    @cached_property
    def organizations(self) -> list[Organization]:
        """The WorkMail organizations of the account in their Region, except those that were deleted.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListOrganizations.html
        """
        client = self.account.regional_client("workmail", self.workmail_region)
        return [
            Organization(summary["OrganizationId"], summary.get("Alias", ""), summary.get("State", ""))
            for page in client.get_paginator("list_organizations").paginate()
            for summary in page["OrganizationSummaries"]
            if summary.get("State", "").casefold() != "deleted"
        ]

    @cached_property
    def served_organization_ids(self) -> list[str]:
        """The ids of the organizations in the settings of the stack."""
        return sorted(self._read_parameters("organizations"))

    @cached_property
    def identities(self) -> Mapping[str, Any]:
        """The identity stores of each organization, and the settings of each identity provider, by their path.

        Raises
        ------
        Refusal
            If one of them was edited by hand, and is no JSON any more.
        """
        return {name: _parse(name, value) for name, value in self._read_parameters("intake").items()}

    def find_provider(self, name: str) -> Mapping[str, Any] | None:
        """Return the settings of an identity provider; None if the stack does not listen to it."""
        settings: Mapping[str, Any] | None = self.identities.get(f"providers/{name}")
        return settings

    def _read_parameters(self, folder: str) -> dict[str, str]:
        """Read the settings of the stack below a folder; the path of each is relative to that folder.

        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
        """
        path = f"/{self.account.stack_name}/{folder}"
        pages = self.account.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
        return {
            parameter["Name"].removeprefix(f"{path}/"): parameter["Value"]
            for page in pages
            for parameter in page["Parameters"]
        }


def _parse(name: str, value: str) -> Any:  # noqa: ANN401 (it is JSON)
    try:
        return json.loads(value)
    except ValueError:
        raise Refusal(f"The parameter intake/{name} of the stack is damaged: run `make deploy` again.") from None
