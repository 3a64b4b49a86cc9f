"""AwaitApproval: record that an approval is needed, and the token that takes the decision. The state waits for it.

Takes `{ExecutionArn, Now, OrganizationId, Entity, Reasons, CapIsReached, Request, TaskToken}` and returns `{}`, which
nobody reads. NotifySubscribers tells people, from the recorded step. Nothing that is published can approve anything:
the task token stays in the record.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.cap import Cap
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.caps import select_cap
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.record import APPROVAL_TIMEOUT
from offboarding.domain.timestamps import parse, render
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import AWAIT_APPROVAL, compile_schemas, validated_step
from offboarding.edge.steps import AwaitApprovalStep

compile_schemas(AWAIT_APPROVAL)

_SHOWN_MEMBERS = frozenset({"Requester", "RequestedBy", "Reason"})
"""What the person who decides is told of the request."""


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record the request for an approval."""
    step = validated_step(event, AWAIT_APPROVAL, AwaitApprovalStep)
    records = Records()
    offboarding = Offboarding(step["ExecutionArn"], step["OrganizationId"], step["Entity"])
    now = parse(step["Now"])
    expires_at = render(now + APPROVAL_TIMEOUT)
    cap = Cap(step["OrganizationId"], select_cap(step["Request"]))
    log_entry = {
        "At": step["Now"],
        "Step": "AwaitApproval",
        "Reasons": step["Reasons"],
        "Request": {member: value for member, value in step["Request"].items() if member in _SHOWN_MEMBERS},
        "Until": expires_at,
        "CapIsReached": step["CapIsReached"],
        # A mail for each of the hundreds that a mistake can make wait would be read by nobody.
        "IsFirstOfCap": step["CapIsReached"] and cap.claim_notification(offboarding, now),
    }
    if not records.record_approval_request(
        offboarding,
        step["TaskToken"],
        step["Reasons"],
        expires_at,
        log_entry,
        cap_is_reached=step["CapIsReached"],
    ):
        raise errors.RecordMissing("The record of this offboarding is gone, so nobody could approve it. Start again.")
    records.renew_hold(offboarding)
    logger.info(
        "approval requested", extra={"entity_id": offboarding.entity_id, "cap_is_reached": step["CapIsReached"]}
    )
    metrics.add_metric(name="ApprovalsAskedFor", unit="Count", value=1)
    return {}
