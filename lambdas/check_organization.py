"""CheckOrganization: require that the organization is active, and that the entity is not its migration administrator.

Takes `{ExecutionArn, Now, OrganizationId, Entity, ServiceEndsAt, DryRun}` and returns `{Organization, IsMigrationAdmin,
Evidence}`.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.domain import errors
from offboarding.domain.entities import Entity
from offboarding.domain.protection import protected_by_nature
from offboarding.domain.timestamps import parse
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import CHECK_ORGANIZATION, compile_schemas, validated_step
from offboarding.edge.service_end import until_service_ends
from offboarding.edge.steps import CheckStep

client = workmail_client()
compile_schemas(CHECK_ORGANIZATION)


@observed
@until_service_ends
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check the state of the organization, and that the entity is not its migration administrator."""
    step = validated_step(event, CHECK_ORGANIZATION, CheckStep)
    entity = Entity.from_json(step["Entity"])
    directory = Directory(client, step["OrganizationId"])
    organization = directory.describe_organization()
    is_migration_admin = organization.migration_admin in {entity.id, entity.name, entity.email} - {None}
    protection = protected_by_nature(entity, is_migration_admin=is_migration_admin)
    service_has_ended = parse(step["Now"]) >= parse(step["ServiceEndsAt"])
    # An organization can become active again, a protection stays: it counts first, as long as WorkMail lasts.
    if protection and not step["DryRun"] and (organization.is_active or not service_has_ended):
        raise errors.EntityProtected(protection)
    if not organization.is_active:
        raise errors.OrganizationNotActive(
            f"The organization's state is {organization.state[:64]}, and its entities can be offboarded only while it "
            "is Active. Start again when DescribeOrganization shows it as Active."
        )
    logger.info("organization checked", extra={"state": organization.state})
    metrics.add_metric(name="OrganizationsChecked", unit="Count", value=1)
    return {
        "Organization": {"Id": organization.id, "Alias": organization.alias or ""},
        "IsMigrationAdmin": is_migration_admin,
        "Evidence": {"At": step["Now"], "Answers": directory.answers},
    }
