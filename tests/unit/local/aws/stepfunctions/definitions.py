"""Parts of definitions that the tests of Step Functions share."""

import json
from datetime import timedelta
from typing import Any

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
DONE = {"Type": "Succeed"}
MACHINE = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}
TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::aws-sdk:dynamodb:getItem",
    "Arguments": {"TableName": "missing", "Key": {"Id": {"S": "1"}}},
}
NO_TABLE = "DynamoDb.ResourceNotFoundException"
ASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::events:putEvents.waitForTaskToken",
    "Arguments": {
        "Entries": [{"Source": "test", "DetailType": "ask", "Detail": {"Token": "{% $states.context.Task.Token %}"}}]
    },
    "End": True,
}


def wait_state(**more: Any) -> dict[str, Any]:
    return {"Type": "Wait", "End": True, **more}


def pass_state(output: Any) -> dict[str, Any]:
    return {"Type": "Pass", "Output": output, "End": True}


def retrier(error: str = NO_TABLE, **more: Any) -> list[dict[str, Any]]:
    return [{"ErrorEquals": [error], "IntervalSeconds": 10, "BackoffRate": 1, "MaxAttempts": 3, **more}]


def token_of(run: Any) -> str:
    (scheduled,) = [e for e in run.history if e["type"] == "TaskScheduled"]
    parameters = json.loads(scheduled["taskScheduledEventDetails"]["parameters"])
    return json.loads(json.dumps(parameters["Entries"][0]["Detail"]))["Token"]
