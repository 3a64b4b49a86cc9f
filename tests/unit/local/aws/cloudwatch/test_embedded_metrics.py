"""Metrics in log lines."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from local.aws.cloudwatch.embedded_metrics import iterate_metric_data
from local.aws.cloudwatch.metrics import read_datum

WHEN = datetime(2026, 11, 22, 12, 0, 1, 500_000, UTC)


def make_line(**members: Any) -> str:
    directive = {
        "Namespace": "WorkMailOffboarding",
        "Dimensions": [["service"], ["service", "provider"], []],
        "Metrics": [{"Name": "Refused", "Unit": "Count"}, {"Name": "Latency"}, {"Name": "Absent"}],
    }
    metadata = {"Timestamp": 1795348801500, "CloudWatchMetrics": [directive], **members.pop("_aws", {})}
    return json.dumps({"_aws": metadata, "service": "intake", "Refused": [1.0], "Latency": [2, 4, 9], **members})


def test_each_metric_has_a_datum_for_each_set_of_dimensions_that_the_line_has_values_for() -> None:
    data = [
        (namespace, datum["MetricName"], datum["Dimensions"], datum["Values"], datum["Timestamp"])
        for namespace, datum in iterate_metric_data(make_line())
    ]

    service = [{"Name": "service", "Value": "intake"}]
    assert data == [
        ("WorkMailOffboarding", "Refused", service, [1.0], WHEN),
        ("WorkMailOffboarding", "Refused", [], [1.0], WHEN),
        ("WorkMailOffboarding", "Latency", service, [2.0, 4.0, 9.0], WHEN),
        ("WorkMailOffboarding", "Latency", [], [2.0, 4.0, 9.0], WHEN),
    ]


def test_an_array_counts_each_of_its_values() -> None:
    [*_, (_, datum)] = iterate_metric_data(make_line())
    statistics = read_datum(datum)

    assert statistics is not None
    computed = {name: statistics.compute(name) for name in ("Sum", "SampleCount", "Average", "Minimum", "Maximum")}
    assert computed == {"Sum": 15.0, "SampleCount": 3.0, "Average": 5.0, "Minimum": 2.0, "Maximum": 9.0}


@pytest.mark.parametrize(
    "line",
    [
        "START RequestId: _aws",
        'no JSON: "_aws"',
        json.dumps({"level": "INFO", "message": '"_aws"'}),
        json.dumps(['"_aws"']),
        make_line(_aws={"Timestamp": "now"}),
        make_line(_aws={"CloudWatchMetrics": None}),
        make_line(_aws={"CloudWatchMetrics": [{"Metrics": []}]}),
    ],
)
def test_a_line_that_is_not_in_the_format_has_no_metrics(line: str) -> None:
    assert list(iterate_metric_data(line)) == []
