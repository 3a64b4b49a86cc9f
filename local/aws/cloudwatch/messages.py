"""An alarm in the forms that CloudWatch sends: to a topic, and in an event.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.loaders import create_loader
from moto.cloudwatch.models import Alarm, CloudWatchBackend, MetricDataQuery

from local.aws.cloudwatch.evaluation import Result
from local.aws.cloudwatch.metrics import SECONDS_PER_MINUTE
from local.aws.cloudwatch.specifications import Specification


def render_time(when: datetime) -> str:
    """Render a moment as in ``2026-11-22T12:00:00.000+0000``; one without a time zone is in UTC."""
    in_utc = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return f"{in_utc:%Y-%m-%dT%H:%M:%S}.{in_utc.microsecond // 1000:03d}+0000"


def render_reason_data(specification: Specification, result: Result, now: datetime) -> str:
    """Render ``StateReasonData``: the values behind a state, the oldest first."""
    points = result.datapoints[::-1]
    statistics = {query.id: query.statistic for query in specification.queries if query.metric is not None}
    statistic = statistics.get(specification.watched_id)
    data = {
        "version": "1.0",
        "queryDate": render_time(now),
        **({"startDate": render_time(points[0].when)} if points else {}),
        **({"statistic": statistic} if statistic else {}),
        "period": specification.period * SECONDS_PER_MINUTE,
        "recentDatapoints": [point.value for point in points],
        "threshold": specification.rule.threshold,
    }
    return json.dumps(data, separators=(",", ":"))


def render_subject(backend: CloudWatchBackend, alarm: Alarm, state: str) -> str:
    """Render the subject of a notification; SNS takes at most 100 characters."""
    start, end = f'{state}: "', f'" in {region_name(backend.region_name)}'
    return f"{start}{alarm.name[: 100 - len(start) - len(end)]}{end}"


def render_message(backend: CloudWatchBackend, alarm: Alarm, former_state: str) -> str:
    """Render the message to a topic."""
    message = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description or None,
        "AWSAccountId": backend.account_id,
        "AlarmConfigurationUpdatedTimestamp": render_time(alarm.configuration_updated_timestamp),
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": render_time(alarm.state_updated_timestamp),
        "Region": region_name(backend.region_name),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": former_state,
        "OKActions": alarm.ok_actions or [],
        "AlarmActions": alarm.alarm_actions or [],
        "InsufficientDataActions": alarm.insufficient_data_actions or [],
        "Trigger": _render_trigger(alarm),
    }
    return json.dumps(message, separators=(",", ":"))


def _render_trigger(alarm: Alarm) -> dict[str, Any]:
    rule = {
        "EvaluationPeriods": int(alarm.evaluation_periods),
        "DatapointsToAlarm": int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": float(alarm.threshold),
        "TreatMissingData": alarm.treat_missing_data or "missing",
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile or "",
    }
    if alarm.metric_data_queries:
        metrics = [_render_trigger_query(query) for query in alarm.metric_data_queries]
        return {"Period": _period_of(alarm), **rule, "Metrics": metrics}
    return {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "StatisticType": "Statistic",
        "Statistic": alarm.statistic.upper(),
        "Unit": alarm.unit,
        "Dimensions": _render_dimension_list(alarm.dimensions),
        "Period": _period_of(alarm),
        **rule,
    }


def _render_trigger_query(query: MetricDataQuery) -> dict[str, Any]:
    common = {
        **({"Label": query.label} if query.label else {}),
        "ReturnData": query.return_data is not False,
    }
    if query.metric_stat is None:
        return {"Expression": query.expression, "Id": query.id, **common}
    stat = query.metric_stat
    metric = {
        "Dimensions": _render_dimension_list(stat.metric.dimensions),
        "MetricName": stat.metric.metric_name,
        "Namespace": stat.metric.namespace,
    }
    return {"Id": query.id, "MetricStat": {"Metric": metric, "Period": int(stat.period), "Stat": stat.stat}, **common}


def _render_dimension_list(dimensions: list[Any]) -> list[dict[str, str]]:
    return [{"value": dimension.value, "name": dimension.name} for dimension in dimensions]


def render_configuration(alarm: Alarm) -> dict[str, Any]:
    """Render the alarm's configuration as an event has it."""
    metrics = [_render_event_query(query) for query in alarm.metric_data_queries] or [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, alarm.alarm_arn)),
            "metricStat": _render_metric_stat(
                alarm.namespace, alarm.metric_name, alarm.dimensions, _period_of(alarm), alarm.statistic
            ),
            "returnData": True,
        }
    ]
    return {**({"description": alarm.description} if alarm.description else {}), "metrics": metrics}


def _render_event_query(query: MetricDataQuery) -> dict[str, Any]:
    common = {**({"label": query.label} if query.label else {}), "returnData": query.return_data is not False}
    if query.metric_stat is None:
        return {"id": query.id, "expression": query.expression, **common}
    stat = query.metric_stat
    rendered = _render_metric_stat(
        stat.metric.namespace, stat.metric.metric_name, stat.metric.dimensions, int(stat.period), stat.stat
    )
    return {"id": query.id, "metricStat": rendered, **common}


def _render_metric_stat(
    namespace: str, name: str, dimensions: list[Any], period: int, statistic: str
) -> dict[str, Any]:
    metric = {
        "dimensions": {dimension.name: dimension.value for dimension in dimensions},
        "name": name,
        "namespace": namespace,
    }
    return {"metric": metric, "period": period, "stat": statistic}


def _period_of(alarm: Alarm) -> int:
    periods = [int(query.metric_stat.period) for query in alarm.metric_data_queries if query.metric_stat is not None]
    return periods[0] if periods else int(alarm.period)


@cache
def region_name(region: str) -> str:
    """Return a Region's name as people read it, ``US East (N. Virginia)`` for example."""
    partitions = create_loader().load_data("endpoints")["partitions"]
    names = {code: members["description"] for part in partitions for code, members in part["regions"].items()}
    return str(names.get(region, region))
