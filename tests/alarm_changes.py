"""The event that CloudWatch sends when an alarm changes its state, in the form that AWS documents.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from typing import Any

from local.defaults import ACCOUNT, REGION

STACK_NAME = "workmail-offboarding"
RANG_AT = "2026-11-24T09:05:00.267+0000"
ENDED_AT = "2026-11-24T10:30:00.989+0000"


def make_alarm_change(
    name: str, value: str = "ALARM", previous: str = "OK", *, stack_name: str = STACK_NAME, **detail: Any
) -> dict[str, Any]:
    """Return the event of an alarm of a stack that has changed from one state to another."""
    alarm_name = f"{stack_name}-{name}"
    since, at = (RANG_AT, ENDED_AT) if value == "OK" else ("2026-11-24T08:00:00.000+0000", RANG_AT)
    state = {"reason": "Threshold Crossed", "reasonData": '{"version":"1.0"}'}
    return {
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": ACCOUNT,
        "time": "2026-11-24T10:30:01Z",
        "region": REGION,
        "resources": [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm_name}"],
        "detail": {
            "alarmName": alarm_name,
            "configuration": {"description": "It rings.", "metrics": []},
            "previousState": {**state, "timestamp": since, "value": previous},
            "state": {**state, "timestamp": at, "value": value},
            **detail,
        },
    }
