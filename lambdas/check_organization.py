"""CheckOrganization: check that the organization is active, and that the entity is not its migration administrator.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ServiceEndsAt, DryRun}` and returns `{Organization, IsMigrationAdmin,
Evidence}`.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding import errors
from offboarding.directory import Directory, workmail_client
from offboarding.entities import Entity, Organization
from offboarding.observability import logger, metrics, observed
from offboarding.protection import protected_by_nature
from offboarding.retention import parse
from offboarding.schemas import CHECK_ORGANIZATION, prepare, validated
from offboarding.service_end import until_service_ends

client = workmail_client()
prepare(CHECK_ORGANIZATION)


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check the organization, and that nothing in it protects the entity."""
    step = validated(event, CHECK_ORGANIZATION, "The event of CheckOrganization", errors.UnexpectedAnswer)
    directory = Directory(client, step["OrganizationId"])
    organization = directory.describe_organization()
    service_has_ended = parse(step["Now"]) >= parse(step["ServiceEndsAt"])
    is_migration_admin = _is_migration_admin(organization, step["Entity"])
    protection = protected_by_nature(Entity.from_json(step["Entity"]), is_migration_admin=is_migration_admin)
    # An organization can become active again, a protection stays: it comes first, until WorkMail has ended.
    if protection and not step["DryRun"] and (organization.active or not service_has_ended):
        raise errors.EntityProtected(protection)
    if not organization.active:
        raise errors.OrganizationNotActive(
            f"The organization's state is {organization.state[:64]}, and only an Active one can be worked on: "
            "nothing was changed. Start again when DescribeOrganization says Active."
        )
    logger.info("organization checked", extra={"state": organization.state})
    metrics.add_metric(name="OrganizationsChecked", unit="Count", value=1)
    return {
        "Organization": {"Id": organization.id, "Alias": organization.alias or ""},
        "IsMigrationAdmin": is_migration_admin,
        "Evidence": {"At": step["Now"], "Answers": directory.answers},
    }


def _is_migration_admin(organization: Organization, entity: dict[str, str]) -> bool:
    identifiers = {entity["Id"], entity["Name"], entity.get("Email")}
    return organization.migration_admin is not None and organization.migration_admin in identifiers
