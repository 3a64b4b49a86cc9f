"""AwaitApproval: ask people for an approval, and record the token that takes the decision. The state waits for it.

Takes `{ExecutionArn, Now, OrganizationId, EntityId, Reasons, CapIsReached, TaskToken}` and returns `{}`, which nobody
reads. Nothing that is published can approve anything: the task token stays in the record.
"""

import json
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from offboarding import configuration
from offboarding.adapters.aws import client, error_code
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.offboarding import Offboarding
from offboarding.domain.timestamps import parse, render
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import AWAIT_APPROVAL, compile_schemas, validated_step
from offboarding.edge.steps import AwaitApprovalStep

topics = client("sns")
events = client("events")
compile_schemas(AWAIT_APPROVAL)

APPROVAL_TIMEOUT = timedelta(days=14)
"""As long as the state's own time limit."""


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record and publish the request for an approval."""
    step = validated_step(event, AWAIT_APPROVAL, AwaitApprovalStep)
    records = Records()
    offboarding = Offboarding(step["ExecutionArn"], step["OrganizationId"], step["EntityId"])
    expires_at = render(parse(step["Now"]) + APPROVAL_TIMEOUT)
    log_entry = {"At": step["Now"], "Step": "AwaitApproval", "Reasons": step["Reasons"], "Until": expires_at}
    if not records.record_approval_request(offboarding, step["TaskToken"], step["Reasons"], expires_at, log_entry):
        raise errors.RecordMissing(
            "The record of this offboarding is gone, so nobody could approve it. Nothing was changed; start again."
        )
    records.renew_hold(offboarding)
    _publish_event(step, expires_at)
    if step["CapIsReached"]:
        _notify_approvers_once_a_day(records, offboarding, step, expires_at)
    else:
        _notify_approvers(step, expires_at)
    logger.info("approval requested", extra={"entity_id": step["EntityId"], "cap_is_reached": step["CapIsReached"]})
    metrics.add_metric(name="ApprovalsAskedFor", unit="Count", value=1)
    return {}


def _publish_event(step: AwaitApprovalStep, expires_at: str) -> None:
    """Publish the request to the default event bus, where ticket systems and chats can subscribe.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
    """
    detail = {
        "ExecutionArn": step["ExecutionArn"],
        "OrganizationId": step["OrganizationId"],
        "EntityId": step["EntityId"],
        "Reasons": step["Reasons"],
        "ExpiresAt": expires_at,
    }
    entry = {"Source": "workmail.offboarding", "DetailType": "Approval Requested", "Detail": json.dumps(detail)}
    try:
        answer = events.put_events(Entries=[entry])
    except (ClientError, BotoCoreError) as error:
        _log_failure("events:PutEvents", error_code(error))
    else:
        if answer.get("FailedEntryCount") != 0:
            [result] = answer.get("Entries") or [{}]
            _log_failure("events:PutEvents", result.get("ErrorCode", "unknown"))


def _notify_approvers_once_a_day(
    records: Records, offboarding: Offboarding, step: AwaitApprovalStep, expires_at: str
) -> None:
    """Notify people that the cap is reached, once a day; an execution that cannot leaves it to the next."""
    day = step["Now"][:10]
    if records.claim_notification(offboarding, day) and not _notify_approvers(step, expires_at):
        records.release_notification(offboarding, day)


def _notify_approvers(step: AwaitApprovalStep, expires_at: str) -> bool:
    """Publish to the topic for approvals; return whether that worked.

    https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """
    approval = configuration.approval()
    subject, opening = _subject_and_opening(step, expires_at)
    request = json.dumps(
        {"ExecutionArn": step["ExecutionArn"], "Decision": "Approved", "DecidedBy": "<who you are>", "Reason": "<why>"}
    )
    message = "\n\n".join(
        [
            opening,
            *step["Reasons"],
            f"Execution: {step['ExecutionArn']}",
            "To decide, start an execution of the approval's state machine, with Approved or Rejected as Decision:",
            f"aws stepfunctions start-execution --state-machine-arn {approval.state_machine_arn} --input '{request}'",
        ]
    )
    try:
        answer = topics.publish(TopicArn=approval.topic_arn, Subject=subject, Message=message)
    except (ClientError, BotoCoreError) as error:
        _log_failure("sns:Publish", error_code(error))
        return False
    if "MessageId" not in answer:
        _log_failure("sns:Publish", "unknown")
        return False
    return True


def _subject_and_opening(step: AwaitApprovalStep, expires_at: str) -> tuple[str, str]:
    organization_id = step["OrganizationId"]
    if not step["CapIsReached"]:
        return (
            "WorkMail offboarding: an approval is needed",
            f"The offboarding of {step['EntityId']} of {organization_id} waits for an approval until {expires_at}.",
        )
    return (
        "WorkMail offboarding: the day's cap is reached",
        f"Identity providers report more leavers of {organization_id} than the cap allows. Each further one of this "
        "day waits for an approval. If so many people did not leave today, look at the identity provider before you "
        "approve anything.",
    )


def _log_failure(action: str, reason: str) -> None:
    """Log that people were not notified. It stops nothing: the record and the index have what waits."""
    logger.error("not published", extra={"action": action, "error": reason})
    metrics.add_metric(name="NotificationsFailed", unit="Count", value=1)
