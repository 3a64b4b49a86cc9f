"""The data of metrics: one set of statistics for each minute in which something was measured.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SECONDS_PER_MINUTE = 60
STATISTICS = ("Average", "Maximum", "Minimum", "SampleCount", "Sum")


@dataclass(frozen=True)
class MetricId:
    """A metric: its place, its namespace, its name and its dimensions."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class StatisticSet:
    """The statistics of several values."""

    sum: float
    count: float
    minimum: float
    maximum: float

    @classmethod
    def of_value(cls, value: float, count: float = 1) -> StatisticSet:
        """Return the statistics of a value that was measured `count` times."""
        return cls(value * count, count, value, value)

    def merge(self, addition: StatisticSet) -> StatisticSet:
        """Return the statistics of both."""
        return StatisticSet(
            self.sum + addition.sum,
            self.count + addition.count,
            min(self.minimum, addition.minimum),
            max(self.maximum, addition.maximum),
        )

    def compute(self, statistic: str) -> float:
        """Return one of `STATISTICS`."""
        return {
            "Average": self.sum / self.count,
            "Maximum": self.maximum,
            "Minimum": self.minimum,
            "SampleCount": self.count,
            "Sum": self.sum,
        }[statistic]


def merge_all(parts: Iterable[StatisticSet]) -> StatisticSet | None:
    """Return the statistics of all parts; None if there is none."""
    merged: StatisticSet | None = None
    for part in parts:
        merged = part if merged is None else merged.merge(part)
    return merged


def minute_of(when: datetime) -> int:
    """Return the number of a moment's minute, counted from 1970."""
    return int(when.timestamp() // SECONDS_PER_MINUTE)


def time_of(minute: int) -> datetime:
    """Return the moment at which a minute begins."""
    return datetime.fromtimestamp(minute * SECONDS_PER_MINUTE, UTC)


@dataclass
class _Series:
    """The data of a metric, by minute."""

    by_minute: dict[int, StatisticSet] = field(default_factory=dict)
    minutes: list[int] = field(default_factory=list)

    def add(self, minute: int, statistics: StatisticSet) -> None:
        present = self.by_minute.get(minute)
        if present is None:
            bisect.insort(self.minutes, minute)
        self.by_minute[minute] = statistics if present is None else present.merge(statistics)

    def read(self, start: int, end: int) -> StatisticSet | None:
        begin, stop = bisect.bisect_left(self.minutes, start), bisect.bisect_left(self.minutes, end)
        return merge_all(self.by_minute[minute] for minute in self.minutes[begin:stop])


class MetricStore:
    """The data of the metrics that were published."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[MetricId, _Series] = {}

    def add(self, metric: MetricId, minute: int, statistics: StatisticSet) -> None:
        """Add what was measured in a minute."""
        with self._lock:
            self._series.setdefault(metric, _Series()).add(minute, statistics)

    def read(self, metric: MetricId, start: int, end: int) -> StatisticSet | None:
        """Return the statistics from a minute up to, and without, another one; None if there is no datum."""
        with self._lock:
            series = self._series.get(metric)
            return None if series is None else series.read(start, end)

    def list_metrics(self) -> list[MetricId]:
        """Return the metrics that have a datum."""
        with self._lock:
            return list(self._series)

    def list_minutes(self, metric: MetricId, start: int) -> list[int]:
        """Return the minutes from one on that have a datum."""
        with self._lock:
            series = self._series.get(metric)
            return [] if series is None else series.minutes[bisect.bisect_left(series.minutes, start) :]


def read_datum(datum: Mapping[str, Any]) -> StatisticSet | None:
    """Return the statistics of a member of ``MetricData``; None if it has no value.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
    """
    if datum.get("Values"):
        counts = datum.get("Counts") or [1] * len(datum["Values"])
        return merge_all(
            StatisticSet.of_value(float(value), float(count))
            for value, count in zip(datum["Values"], counts, strict=True)
            if float(count) > 0
        )
    if datum.get("StatisticValues"):
        members = datum["StatisticValues"]
        sum_, count, minimum, maximum = (float(members[name]) for name in ("Sum", "SampleCount", "Minimum", "Maximum"))
        return StatisticSet(sum_, count, minimum, maximum) if count > 0 else None
    return StatisticSet.of_value(float(datum.get("Value", 0)))
