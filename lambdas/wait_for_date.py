"""WaitForDate: record the token that ends the wait for the requested date. The state waits for it, or for the date.

Takes `{ExecutionArn, Now, OrganizationId, Entity, TaskToken}` and returns `{}`, which nobody reads. Whoever withdraws
the offboarding, or starts one that is due sooner, answers the token. The date is the time limit of the state.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.offboarding import Offboarding
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import WAIT_FOR_DATE, compile_schemas, validated_step
from offboarding.edge.steps import WaitForDateStep

compile_schemas(WAIT_FOR_DATE)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record that the execution waits for its date."""
    step = validated_step(event, WAIT_FOR_DATE, WaitForDateStep)
    records = Records()
    offboarding = Offboarding(step["ExecutionArn"], step["OrganizationId"], step["Entity"])
    if not records.record_wait(offboarding, step["TaskToken"]):
        raise errors.RecordMissing("The record of this offboarding is gone, so nobody could withdraw it. Start again.")
    records.renew_hold(offboarding)
    logger.info("waiting for the date", extra={"entity_id": offboarding.entity_id})
    metrics.add_metric(name="OffboardingsScheduled", unit="Count", value=1)
    return {}
