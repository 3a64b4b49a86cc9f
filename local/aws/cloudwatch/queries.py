"""GetMetricData, GetMetricStatistics and ListMetrics, from the data that alarms are evaluated on.

moto adds metrics with other dimensions, counts periods from the first datum, and evaluates no expression.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterValue, ValidationError
from moto.cloudwatch.models import CloudWatchBackend, MetricAggregatedDatum, MetricDatum, MetricDatumBase, Statistics

from local.aws.cloudwatch.metrics import SECONDS_PER_MINUTE, STATISTICS, MetricId, minute_of, time_of
from local.aws.cloudwatch.specifications import Query, Read, read_series
from local.hooks import Hooks

_DEFAULT_PERIOD_SECONDS = 300


class MetricQueries:
    """Answers what is asked about metrics.

    Parameters
    ----------
    read
        Reads a metric.
    list_metrics
        Lists the metrics that have data.
    """

    def __init__(self, read: Read, list_metrics: Callable[[], Iterable[MetricId]]) -> None:
        self._read = read
        self._list_metrics = list_metrics

    def install(self, hooks: Hooks) -> None:
        """Have the operations answered from these data for as long as the hooks are in place."""
        for name in ("get_all_metrics", "get_filtered_metrics", "get_metric_statistics", "get_metric_data"):
            hooks.replace(CloudWatchBackend, name, _as_method(getattr(self, name)))

    def get_all_metrics(self, backend: CloudWatchBackend) -> list[MetricDatumBase]:
        """Return a datum for each metric of an account in a Region."""
        place = (backend.account_id, backend.region_name)
        metrics = [metric for metric in self._list_metrics() if (metric.account, metric.region) == place]
        return [
            MetricDatum(metric.namespace, metric.name, 0, _render_dimensions(metric), datetime.now(UTC))
            for metric in sorted(metrics, key=lambda m: (m.namespace, m.name, sorted(m.dimensions)))
        ]

    def get_filtered_metrics(
        self, backend: CloudWatchBackend, metric_name: str, namespace: str, dimensions: list[dict[str, str]]
    ) -> list[MetricDatumBase]:
        """Return the metrics for ListMetrics."""
        return [datum for datum in self.get_all_metrics(backend) if datum.filter(namespace, metric_name, dimensions)]

    def get_metric_statistics(
        self,
        backend: CloudWatchBackend,
        namespace: str,
        metric_name: str,
        start_time: datetime,
        end_time: datetime,
        period: int,
        stats: list[str],
        dimensions: list[dict[str, str]],
        unit: str | None = None,
    ) -> list[Statistics]:
        """Return the datapoints for GetMetricStatistics."""
        metric = _make_metric(backend, {"Namespace": namespace, "MetricName": metric_name, "Dimensions": dimensions})
        return [
            datapoint
            for begin, stop in _list_periods(start_time, end_time, period)
            if (datapoint := _make_datapoint(metric, begin, stop, stats, self._read)) is not None
        ]

    def get_metric_data(
        self,
        backend: CloudWatchBackend,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampDescending",
    ) -> list[dict[str, Any]]:
        """Return the results for GetMetricData."""
        stats = [query["MetricStat"] for query in queries if "MetricStat" in query]
        period = min((int(stat["Period"]) for stat in stats), default=_DEFAULT_PERIOD_SECONDS)
        periods = _list_periods(start_time, end_time, period)
        parsed = [_make_query(backend, query) for query in queries]
        return [
            _render_result(query, periods, read_series(parsed, query["Id"], periods, self._read), scan_by)
            for query in queries
            if query.get("ReturnData", True)
        ]


def _as_method(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that becomes a method of the backend; a bound method would not."""
    return lambda backend, *args, **kwargs: answer(backend, *args, **kwargs)


def _render_result(
    query: Mapping[str, Any], periods: list[tuple[int, int]], series: tuple[float | None, ...], scan_by: str
) -> dict[str, Any]:
    points = [(begin, value) for (begin, _), value in zip(periods, series, strict=True) if value is not None]
    if scan_by != "TimestampAscending":
        points.reverse()
    label = query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"]
    return {
        "id": query["Id"],
        "label": query.get("Label") or label,
        "values": [value for _, value in points],
        "timestamps": [time_of(begin) for begin, _ in points],
        "status_code": "Complete",
    }


def _make_query(backend: CloudWatchBackend, query: Mapping[str, Any]) -> Query:
    if "MetricStat" not in query:
        return Query(query["Id"], expression=query["Expression"])
    stat = query["MetricStat"]["Stat"]
    if stat not in STATISTICS:
        raise ValidationError(f"The statistic {stat} is not supported here.")
    return Query(query["Id"], _make_metric(backend, query["MetricStat"]["Metric"]), stat)


def _make_metric(backend: CloudWatchBackend, members: Mapping[str, Any]) -> MetricId:
    dimensions = frozenset((part["Name"], part["Value"]) for part in members.get("Dimensions") or ())
    return MetricId(backend.account_id, backend.region_name, members["Namespace"], members["MetricName"], dimensions)


def _make_datapoint(metric: MetricId, start: int, end: int, stats: list[str], read: Read) -> Statistics | None:
    values = read(metric, start, end)
    if values is None:
        return None
    datapoint = Statistics(stats, time_of(start), "None")
    datapoint.metric_data = [
        MetricAggregatedDatum(
            metric.namespace,
            metric.name,
            values.minimum,
            values.maximum,
            values.count,
            values.sum,
            _render_dimensions(metric),
            time_of(start),
        )
    ]
    return datapoint


def _list_periods(start_time: datetime, end_time: datetime, seconds: int) -> list[tuple[int, int]]:
    """List the minutes at which periods begin and end; none begins later than now."""
    start, end = (_in_utc(when) for when in (start_time, end_time))
    if start >= end:
        raise InvalidParameterValue("The parameter StartTime must be less than the parameter EndTime.")
    step, now = max(1, seconds // SECONDS_PER_MINUTE), minute_of(datetime.now(UTC))
    last = min(-(-int(end.timestamp()) // SECONDS_PER_MINUTE), now + 1)
    return [(begin, min(begin + step, now + 1)) for begin in range(minute_of(start), last, step)]


def _in_utc(when: datetime) -> datetime:
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when


def _render_dimensions(metric: MetricId) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in sorted(metric.dimensions)]
