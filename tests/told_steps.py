"""Steps of offboardings as the functions record them, of every kind that is told, with and without optional members."""

import json
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION

EXECUTION_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:workmail-offboarding:one"
RESTORE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:workmail-offboarding-restore:two"
MESSAGE_ID = "19dd0b57-b21e-4ac1-bd88-01bbb068cb78"
ENTITY_ID = "12a3b4c5-0000-4000-8000-000000000001"
AT = "2026-11-24T09:00:00.000Z"
DEREGISTERED_AT = "2026-11-24T08:59:58.000Z"
RETENTION_ENDS_AT = "2026-12-24T08:59:58.000Z"
UNTIL = "2026-12-08T09:00:00.000Z"
ENTITY = {
    "OrganizationId": ORGANIZATION_ID,
    "EntityKey": f"{ORGANIZATION_ID}/{ENTITY_ID}",
    "EntityId": ENTITY_ID,
    "EntityType": "USER",
    "EntityName": "dana.leaver",
    "EntityEmail": "dana.leaver@example.com",
}
DATES = {"DeregisteredAt": DEREGISTERED_AT, "RetentionEndsAt": RETENTION_ENDS_AT}


def make_step(name: str, key: str = EXECUTION_ARN, **members: Any) -> dict[str, Any]:
    return {"Id": key, "Part": f"Step {AT} {name}", "Kind": "Step", "Step": name, "At": AT, **members}


SCHEDULED = make_step("Scheduled", **ENTITY, DueAt="2026-12-31T16:00:00.000Z")
APPROVAL = make_step(
    "AwaitApproval",
    **ENTITY,
    Reasons=["The address dana.leaver@example.com matches *@example.com."],
    Until=UNTIL,
    CapIsReached=False,
    IsFirstOfCap=False,
    Request={
        "Requester": {
            "Provider": "okta",
            "EventId": "e-1",
            "RequestedBy": "it.admin@example.com",
            "ProviderUserId": "u-1",
        },
        "RequestedBy": "helpdesk",
        "Reason": "Left on\nFriday",
    },
)
FIRST_OF_CAP = {**APPROVAL, "CapIsReached": True, "IsFirstOfCap": True}
SECOND_OF_CAP = {**FIRST_OF_CAP, "IsFirstOfCap": False}
FIRST_OF_HAND_CAP = {**FIRST_OF_CAP, "Request": {"RequestedBy": "helpdesk", "Reason": "left.csv"}}
SECOND_OF_HAND_CAP = {**FIRST_OF_HAND_CAP, "IsFirstOfCap": False}
DEREGISTERED = make_step(
    "Deregistered",
    **ENTITY,
    **DATES,
    WasEnabled=True,
    Answers=[{"Operation": "DeregisterFromWorkMail", "RequestId": "r-1"}],
)
ENDED = make_step("Ended", **ENTITY, **DATES, Outcome="CleanupVerified", MailboxTouched="Yes")
PLANNED = make_step("Ended", **ENTITY, Outcome="Planned", MailboxTouched="No", DryRun=True)
FAILED = make_step("Ended", **ENTITY, Outcome="EntityProtected", Cause="It is protected.", MailboxTouched="No")
FAILED_AFTERWARDS = {**ENDED, "Outcome": "Stopped", "Cause": "Dana asked to stop it."}
UNRESOLVED = make_step(
    "Ended",
    OrganizationId=ORGANIZATION_ID,
    Identifier="dana.lever@example.com",
    Outcome="EntityNotFound",
    MailboxTouched="No",
)
UNREADABLE_INPUT = make_step("Ended", Outcome="InvalidRequest", MailboxTouched="No")
RESTORED = make_step("Restored", **ENTITY, RestoredIn=RESTORE_ARN, PutBack=["d.leaver@example.com"], Missing=[])
RESTORED_IN_PART = {**RESTORED, "Missing": [{"Alias": "d.leaver@example.com"}]}
RETURNED = make_step(
    "LeaverReturned",
    **ENTITY,
    **DATES,
    Provider="okta",
    EventId="e-2",
    OccurredAt="2026-11-24T08:00:00Z",
    MailboxTouched="Yes",
)
RETURNED_BEFORE = make_step(
    "LeaverReturned", **ENTITY, Provider="okta", EventId="e-2", OccurredAt="2026-11-24T08:00:00Z", MailboxTouched="No"
)
REFUSED = make_step(
    "Refused",
    f"refused/{MESSAGE_ID}",
    Provider="okta",
    EventId="e-1",
    OccurredAt="2026-11-24T08:00:00Z",
    Reason="0 users of the organization have this name.",
)
REFUSED_TEXT = make_step("Refused", f"refused/{MESSAGE_ID}", Reason="The message is not JSON.")
LAST_DAY = make_step("LastVerificationDay", "sweep", Day="2027-02-28", ServiceEndsOn="2027-03-31")

STEPS: dict[str, dict[str, Any]] = {
    name.lower(): value for name, value in list(globals().items()) if isinstance(value, dict) and "Step" in value
}
"""All of these steps."""


def render_item(step: dict[str, Any]) -> dict[str, Any]:
    """Render a step in DynamoDB's own notation."""
    return {name: TypeSerializer().serialize(value) for name, value in step.items()}


def render_stream_event(*steps: dict[str, Any]) -> dict[str, Any]:
    """Render the event with which Lambda delivers new items of a table's stream."""
    records = [
        {
            "eventID": f"id-{number}",
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": {
                "Keys": render_item({name: step[name] for name in ("Id", "Part")}),
                "NewImage": render_item(step),
                "SequenceNumber": f"{number}",
                "SizeBytes": 1,
                "StreamViewType": "NEW_IMAGE",
            },
            "eventSourceARN": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/records/stream/2026-11-22T12:00:00.000",
        }
        for number, step in enumerate(steps, start=1)
    ]
    return {"Records": records}


def render_queue_event(*bodies: object) -> dict[str, Any]:
    """Render the event with which Lambda delivers messages of the queue; a body that is no text becomes JSON."""
    records = [
        {
            "messageId": f"m-{number}",
            "body": body if isinstance(body, str) else json.dumps(body),
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:retries",
        }
        for number, body in enumerate(bodies, start=1)
    ]
    return {"Records": records}
