"""Tags on organizations."""

from ..descriptions import Answer
from ..exceptions import OrganizationStateException, ResourceNotFoundException, TooManyTagsException
from ..state import Organization
from .base import Operations

TAGS_PER_ORGANIZATION = 50


class TagOperations(Operations):
    """Tag, untag and list tags; organizations are all that can be tagged."""

    def tag_resource(self, resource_arn: str, tags: list[dict[str, str]]) -> Answer:
        """Set tags.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_TagResource.html
        """
        organization = self._tagged(resource_arn)
        if not organization.is_active:
            raise OrganizationStateException(f"The organization {organization.id} is {organization.state}.")
        after = organization.tags | {tag["Key"]: tag["Value"] for tag in tags}
        if len(after) > TAGS_PER_ORGANIZATION:
            raise TooManyTagsException(f"An organization has at most {TAGS_PER_ORGANIZATION} tags.")
        organization.tags = after
        return {}

    def untag_resource(self, resource_arn: str, tag_keys: list[str]) -> Answer:
        """Remove tags; those that are not there need nothing.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_UntagResource.html
        """
        organization = self._tagged(resource_arn)
        for key in tag_keys:
            organization.tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, resource_arn: str) -> Answer:
        """List tags.

        https://docs.aws.amazon.com/workmail/latest/APIReference/API_ListTagsForResource.html
        """
        tags = self._tagged(resource_arn).tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _tagged(self, arn: str) -> Organization:
        organization = next((o for o in self.organizations.values() if o.arn == arn), None)
        if organization is None:
            raise ResourceNotFoundException(f"There is no organization {arn}.")
        return organization
