"""The metrics in a log: lines of the embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_MARK = '"_aws"'


def iterate_metric_data(line: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the metrics of a log line: the namespace, and a member of ``MetricData`` of PutMetricData.

    A line that is not in the format has none. A metric has one member for each set of dimensions. What the line does
    not have a value for is left out, as CloudWatch does.

    Examples
    --------
    >>> directive = {"Namespace": "N", "Dimensions": [[]], "Metrics": [{"Name": "M"}]}
    >>> line = json.dumps({"_aws": {"Timestamp": 0, "CloudWatchMetrics": [directive]}, "M": [1, 2]})
    >>> [(namespace, datum["MetricName"], datum["Values"]) for namespace, datum in iterate_metric_data(line)]
    [('N', 'M', [1.0, 2.0])]
    """
    document = _parse_document(line)
    if document is None:
        return
    metadata = document["_aws"]
    timestamp = datetime.fromtimestamp(metadata["Timestamp"] / 1000, UTC)
    for directive in metadata["CloudWatchMetrics"]:
        for definition in directive.get("Metrics", []):
            values = _read_values(document.get(definition["Name"]))
            for names in directive.get("Dimensions") or [[]]:
                if values and all(isinstance(document.get(name), str) for name in names):
                    dimensions = [{"Name": name, "Value": document[name]} for name in names]
                    datum = {
                        "MetricName": definition["Name"],
                        "Dimensions": dimensions,
                        "Timestamp": timestamp,
                        "Unit": definition.get("Unit", "None"),
                        "Values": values,
                    }
                    yield directive["Namespace"], datum


def _parse_document(line: str) -> Mapping[str, Any] | None:
    if _MARK not in line:
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    metadata = document.get("_aws") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("CloudWatchMetrics"), list):
        return None
    is_timed = isinstance(metadata.get("Timestamp"), int)
    return document if is_timed and all(map(_is_directive, metadata["CloudWatchMetrics"])) else None


def _is_directive(directive: Any) -> bool:
    return isinstance(directive, dict) and isinstance(directive.get("Namespace"), str)


def _read_values(value: Any) -> list[float]:
    values = value if isinstance(value, list) else [value]
    return [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
