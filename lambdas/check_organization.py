"""CheckOrganization: say whether the organization's entities can be offboarded now, and why not.

Takes `{ExecutionArn, Now, OrganizationId, Entity}` and returns `{Organization, Active, Reason, Evidence}`.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import errors
from offboarding.directory import Directory, workmail_client
from offboarding.entities import Organization
from offboarding.observability import logger, metrics, observed
from offboarding.schemas import CHECK_ORGANIZATION, validated

client = workmail_client()


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check the state of the organization, and that the entity is not its migration administrator."""
    step = validated(event, CHECK_ORGANIZATION, "The event of CheckOrganization", errors.UnexpectedAnswer)
    directory = Directory(client, step["OrganizationId"])
    organization = directory.describe_organization()
    _refuse_migration_admin(organization, step["Entity"])
    logger.info("organization checked", extra={"state": organization.state, "active": organization.active})
    metrics.add_metric(name="OrganizationsChecked", unit="Count", value=1)
    return {
        "Organization": {"Id": organization.id, "Alias": organization.alias or ""},
        "Active": organization.active,
        "Reason": reason(organization),
        "Evidence": {"At": step["Now"], "Answers": directory.answers},
    }


def reason(organization: Organization) -> str:
    """Say in a sentence why entities of this organization can or cannot be offboarded."""
    if organization.active:
        return "The organization is active."
    return (
        f"The organization's state is {organization.state[:64]}, and only an Active one can be worked on: "
        "nothing was changed. Start again when DescribeOrganization says Active."
    )


def _refuse_migration_admin(organization: Organization, entity: dict[str, str]) -> None:
    identifiers = {entity["Id"], entity["Name"], entity.get("Email")}
    if organization.migration_admin and organization.migration_admin in identifiers:
        raise errors.EntityProtected(
            f"{entity['Id']} is the organization's migration administrator. It is never offboarded."
        )
