"""ErasePerson: delete everything that the table of records has of one person, because a law requires it.

People invoke it by hand. Takes `{OrganizationId, EntityId, RequestedBy}` with the entity's id, and optionally
`Identifiers`: further names and addresses of the person. Returns `{Executions, Items, Explanation}`.
It can run again.
"""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.erasure import erase_entity, record_erasure
from offboarding.domain.timestamps import render
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import ERASURE, compile_schemas, validated
from offboarding.edge.steps import ErasureInput

compile_schemas(ERASURE)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Delete what is recorded of one entity, and record how much that was."""
    request = validated(event, ERASURE, ErasureInput, "The event")
    organization_id = request["OrganizationId"]
    now = datetime.now(UTC)
    erasure = erase_entity(organization_id, request["EntityId"], now, request.get("Identifiers", []))
    record_erasure(organization_id, erasure, request["RequestedBy"], render(now), context.aws_request_id)
    logger.info("erased", extra={"executions": erasure.executions, "items": erasure.items})
    metrics.add_metric(name="PeopleErased", unit="Count", value=1)
    return {
        "Executions": erasure.executions,
        "Items": erasure.items,
        "Explanation": (
            f"{erasure.items} items of {erasure.executions} executions were deleted. The table keeps these two "
            "numbers, the date and RequestedBy, and for 100 days a hash of each execution's ARN. Step Functions keeps "
            "the executions for 90 days, and backups of the table for 35."
        ),
    }
