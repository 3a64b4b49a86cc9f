"""Tags on organizations."""

from ..descriptions import Answer
from ..exceptions import OrganizationStateException, ResourceNotFoundException, TooManyTagsException
from ..state import WorkMailOrganization
from .base import Operations

MAX_TAGS_PER_ORGANIZATION = 50


class TagOperations(Operations):
    """Tag, untag and list tags; only organizations can be tagged."""

    def tag_resource(self, resource_arn: str, tags: list[dict[str, str]]) -> Answer:
        """Set tags.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_TagResource.html
        """
        organization = self._get_tagged_organization(resource_arn)
        if not organization.is_active:
            raise OrganizationStateException(f"The organization {organization.id} is {organization.state}.")
        tags_after = organization.tags | {tag["Key"]: tag["Value"] for tag in tags}
        if len(tags_after) > MAX_TAGS_PER_ORGANIZATION:
            raise TooManyTagsException(f"An organization has at most {MAX_TAGS_PER_ORGANIZATION} tags.")
        organization.tags = tags_after
        return {}

    def untag_resource(self, resource_arn: str, tag_keys: list[str]) -> Answer:
        """Remove tags; missing tags are ignored.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UntagResource.html
        """
        organization = self._get_tagged_organization(resource_arn)
        for key in tag_keys:
            organization.tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, resource_arn: str) -> Answer:
        """List tags.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListTagsForResource.html
        """
        tags = self._get_tagged_organization(resource_arn).tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _get_tagged_organization(self, arn: str) -> WorkMailOrganization:
        organization = next((o for o in self.organizations.values() if o.arn == arn), None)
        if organization is None:
            raise ResourceNotFoundException(f"There is no organization {arn}.")
        return organization
