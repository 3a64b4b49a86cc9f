"""CheckOrganization: say whether the organization's entities can be offboarded now, and why not.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ServiceEndsAt, DryRun}` and returns `{Organization, Active, Reason,
IsMigrationAdmin, Evidence}`.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.domain import errors
from offboarding.domain.entities import Entity, Organization
from offboarding.domain.protection import protected_by_nature
from offboarding.domain.retention import parse
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import CHECK_ORGANIZATION, prepare, validated
from offboarding.edge.service_end import until_service_ends

client = workmail_client()
prepare(CHECK_ORGANIZATION)


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check the state of the organization, and that the entity is not its migration administrator."""
    step = validated(event, CHECK_ORGANIZATION, "The event of CheckOrganization", errors.UnexpectedAnswer)
    directory = Directory(client, step["OrganizationId"])
    organization = directory.describe_organization()
    if not organization.active and parse(step["Now"]) >= parse(step["ServiceEndsAt"]):
        raise errors.OrganizationNotActive(reason(organization))
    is_migration_admin = _is_migration_admin(organization, step["Entity"])
    protection = protected_by_nature(Entity.from_json(step["Entity"]), is_migration_admin=is_migration_admin)
    if protection and not step["DryRun"]:
        raise errors.EntityProtected(protection)
    logger.info("organization checked", extra={"state": organization.state, "active": organization.active})
    metrics.add_metric(name="OrganizationsChecked", unit="Count", value=1)
    return {
        "Organization": {"Id": organization.id, "Alias": organization.alias or ""},
        "Active": organization.active,
        "Reason": reason(organization),
        "IsMigrationAdmin": is_migration_admin,
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


def _is_migration_admin(organization: Organization, entity: dict[str, str]) -> bool:
    identifiers = {entity["Id"], entity["Name"], entity.get("Email")}
    return organization.migration_admin is not None and organization.migration_admin in identifiers
