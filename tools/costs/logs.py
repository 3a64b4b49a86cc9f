"""What CloudWatch Logs ingests: the lines of functions, those of Lambda itself, and those of Step Functions."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

EVENT_OVERHEAD_BYTES = 26
"""CloudWatch Logs adds this to each event: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html."""

_REQUEST_ID = "00000000-0000-0000-0000-000000000000"
PLATFORM_LINES = (
    "INIT_START Runtime Version: python:3.13.v000\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:" + "0" * 64,
    f"START RequestId: {_REQUEST_ID} Version: 1",
    f"END RequestId: {_REQUEST_ID}",
    f"REPORT RequestId: {_REQUEST_ID}\tDuration: 0000.00 ms\tBilled Duration: 0000 ms\tMemory Size: 256 MB\t"
    "Max Memory Used: 000 MB\tInit Duration: 0000.00 ms\t",
)
"""What Lambda writes for an invocation that initializes the function, in its text format:
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html."""

_DATA_MEMBERS = ("input", "output", "inputDetails", "outputDetails", "parameters", "assignedVariables")
"""What Step Functions leaves out of its log without ``includeExecutionData``."""


def measure_lines(lines: Iterable[str]) -> int:
    """Return the bytes of log lines, with the overhead of each."""
    return sum(len(line.encode()) + EVENT_OVERHEAD_BYTES for line in lines)


def render_history(execution_arn: str, events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Render the events of an execution as Step Functions logs them at the level ALL, without execution data.

    https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
    """
    return [json.dumps(_render_event(execution_arn, event), separators=(",", ":")) for event in events]


def find_metrics(lines: Iterable[str]) -> set[tuple[str, datetime]]:
    """Return which custom metrics the lines have, each with the hour of its value.

    A metric is distinguished by its namespace, its name and the values of its dimensions.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = set()
    for line in lines:
        if '"_aws"' not in line:
            continue
        document = json.loads(line)
        time = datetime.fromtimestamp(document["_aws"]["Timestamp"] / 1000, UTC)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                values = {name: document[name] for name in dimensions}
                for metric in directive["Metrics"]:
                    key = json.dumps([directive["Namespace"], metric["Name"], values], sort_keys=True)
                    metrics.add((key, time.replace(minute=0, second=0, microsecond=0)))
    return metrics


def _render_event(execution_arn: str, event: Mapping[str, Any]) -> dict[str, Any]:
    details: Mapping[str, Any] = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
    return {
        "id": str(event["id"]),
        "type": event["type"],
        "details": {name: value for name, value in details.items() if name not in _DATA_MEMBERS},
        "previous_event_id": str(event["previousEventId"]),
        "event_timestamp": str(round(event["timestamp"].timestamp() * 1000)),
        "execution_arn": execution_arn,
        "redrive_count": "0",
    }
