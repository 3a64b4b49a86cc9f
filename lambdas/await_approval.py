"""AwaitApproval: ask for an approval, and leave with the record how it is answered. The state waits for the answer.

Takes `{ExecutionArn, Now, OrganizationId, EntityId, Reasons, CapIsReached, TaskToken}` and returns `{}`, which nobody
reads. Nothing that is published can approve anything: the task token stays in the record.
"""

import json
import os
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from offboarding.adapters.aws import client, code
from offboarding.adapters.records import Records
from offboarding.domain import errors
from offboarding.domain.retention import parse, render
from offboarding.edge.observability import logger, metrics, observed
from offboarding.edge.schemas import AWAIT_APPROVAL, prepare, validated

topics = client("sns")
events = client("events")
prepare(AWAIT_APPROVAL)

WAITS = timedelta(days=14)
"""As long as the state's own time limit."""


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record and publish that an approval is asked for."""
    step = validated(event, AWAIT_APPROVAL, "The event of AwaitApproval", errors.UnexpectedAnswer)
    records = Records()
    expires_at = render(parse(step["Now"]) + WAITS)
    noted = {"At": step["Now"], "Step": "AwaitApproval", "Reasons": step["Reasons"], "Until": expires_at}
    recorded = records.await_approval(
        step["ExecutionArn"], step["OrganizationId"], step["TaskToken"], step["Reasons"], expires_at, noted
    )
    if not recorded:
        raise errors.RecordMissing(
            "The record of this offboarding is gone, so nobody could approve it. Nothing was changed; start again."
        )
    records.hold_again(step["OrganizationId"], step["EntityId"], step["ExecutionArn"])
    _publish(step, expires_at)
    _wake_somebody_once(records, step, expires_at)
    logger.info("approval asked for", extra={"entity_id": step["EntityId"], "cap_is_reached": step["CapIsReached"]})
    metrics.add_metric(name="ApprovalsAskedFor", unit="Count", value=1)
    return {}


def _publish(step: dict[str, Any], expires_at: str) -> None:
    """Tell the default event bus, for ticket systems and chats; each request by itself.

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
    except (ClientError, BotoCoreError) as problem:
        _note_failure("events:PutEvents", code(problem))
    else:
        if answer.get("FailedEntryCount") != 0:
            [taken] = answer.get("Entries") or [{}]
            _note_failure("events:PutEvents", taken.get("ErrorCode", "unknown"))


def _wake_somebody_once(records: Records, step: dict[str, Any], expires_at: str) -> None:
    """Tell the topic of each entity that always needs an approval; and once a day that the cap is reached."""
    organization_id, day, me = step["OrganizationId"], step["Now"][:10], step["ExecutionArn"]
    if not step["CapIsReached"]:
        _wake_somebody(step, expires_at)
    elif records.claim_notice(organization_id, day, me) and not _wake_somebody(step, expires_at):
        records.return_notice(organization_id, day, me)


def _wake_somebody(step: dict[str, Any], expires_at: str) -> bool:
    """Publish to the topic; say whether that worked.

    https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """
    organization_id = step["OrganizationId"]
    if step["CapIsReached"]:
        subject = "WorkMail offboarding: the day's cap is reached"
        first = (
            f"Identity providers report more leavers of {organization_id} than the cap allows. All further ones of "
            "this day wait for an approval each. If that is no day on which so many people left, look at the identity "
            "provider before you approve anything."
        )
    else:
        subject = "WorkMail offboarding: an approval is asked for"
        first = f"The offboarding of {step['EntityId']} of {organization_id} waits for an approval until {expires_at}."
    request = json.dumps(
        {"ExecutionArn": step["ExecutionArn"], "Decision": "Approved", "DecidedBy": "<who you are>", "Reason": "<why>"}
    )
    message = "\n\n".join(
        [
            first,
            *step["Reasons"],
            f"Execution: {step['ExecutionArn']}",
            "To decide, start an execution of this state machine, with Approved or Rejected as Decision:",
            f"aws stepfunctions start-execution --state-machine-arn {os.environ['APPROVAL_STATE_MACHINE_ARN']} "
            f"--input '{request}'",
        ]
    )
    try:
        answer = topics.publish(TopicArn=os.environ["APPROVAL_TOPIC_ARN"], Subject=subject, Message=message)
    except (ClientError, BotoCoreError) as problem:
        _note_failure("sns:Publish", code(problem))
        return False
    if "MessageId" not in answer:
        _note_failure("sns:Publish", "unknown")
        return False
    return True


def _note_failure(action: str, reason: str) -> None:
    """Log that nobody was told. It stops nothing: the record and the index list what waits."""
    logger.error("not published", extra={"action": action, "error": reason})
    metrics.add_metric(name="NotificationsFailed", unit="Count", value=1)
