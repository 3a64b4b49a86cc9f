"""What an alarm of moto's watches, and by which rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from moto.cloudwatch.models import Alarm

from local.aws.cloudwatch.evaluation import COMPARISON_OPERATORS, Datapoint, Rule
from local.aws.cloudwatch.expressions import Series, evaluate_expression
from local.aws.cloudwatch.metrics import SECONDS_PER_MINUTE, STATISTICS, MetricId, StatisticSet, time_of

_EXTREMES = frozenset({"Maximum", "Minimum"})

Read = Callable[[MetricId, int, int], StatisticSet | None]
"""Returns the statistics of a metric from a minute up to another one."""


@dataclass(frozen=True)
class Query:
    """A metric with a statistic, or an expression.

    Attributes
    ----------
    id
        Its id in expressions.
    metric, statistic
        None for an expression.
    expression
        None for a metric.
    """

    id: str
    metric: MetricId | None = None
    statistic: str = ""
    expression: str | None = None


@dataclass(frozen=True)
class Specification:
    """What an alarm watches.

    Attributes
    ----------
    queries
        Its metrics and expressions.
    watched_id
        The id of the query that is compared with the threshold.
    period
        How many minutes a period has.
    rule
        When it is in which state.
    """

    queries: tuple[Query, ...]
    watched_id: str
    period: int
    rule: Rule

    @property
    def metrics(self) -> tuple[MetricId, ...]:
        """The metrics that the alarm is about."""
        return tuple(query.metric for query in self.queries if query.metric is not None)

    @property
    def is_gradual(self) -> bool:
        """Whether a value that stays the same for long changes a statistic each minute, as it does an average."""
        return any(query.metric is not None and query.statistic not in _EXTREMES for query in self.queries)

    def read_datapoints(self, read: Read, end: int) -> list[Datapoint | None]:
        """Return the values of the last periods before a minute, the oldest first."""
        starts = [end - number * self.period for number in range(self.rule.length, 0, -1)]
        series = read_series(self.queries, self.watched_id, [(start, start + self.period) for start in starts], read)
        return [
            None if value is None else Datapoint(time_of(start), value)
            for start, value in zip(starts, series, strict=True)
        ]


def read_series(queries: Sequence[Query], query_id: str, periods: Sequence[tuple[int, int]], read: Read) -> Series:
    """Return the values of a query.

    Parameters
    ----------
    queries
        All queries, which expressions can name.
    query_id
        The id of the query.
    periods
        The minutes at which each period begins and ends.
    read
        Reads the metrics.

    Raises
    ------
    ExpressionError
        If an expression cannot be evaluated.
    """
    by_id = {query.id: query for query in queries}
    metric_ids = [query.id for query in queries if query.metric is not None]

    def read_one(name: str) -> Series:
        query = by_id[name]
        if query.metric is None:
            return evaluate_expression(str(query.expression), read_one, metric_ids, len(periods))
        parts = [read(query.metric, start, end) for start, end in periods]
        return tuple(None if part is None else part.compute(query.statistic) for part in parts)

    return read_one(query_id)


def read_specification(alarm: Alarm, account: str, region: str) -> Specification:
    """Read what an alarm watches.

    Raises
    ------
    NotImplementedError
        If it has what is not supported here.
    ExpressionError
        If its expression cannot be evaluated.
    """
    if alarm.rule is not None:
        raise NotImplementedError("A composite alarm is not evaluated here")
    queries = _read_queries(alarm, account, region)
    if not queries:
        raise NotImplementedError(f"The alarm {alarm.name} has no metric")
    periods = {
        int(query.metric_stat.period) for query in alarm.metric_data_queries if query.metric_stat is not None
    } or {int(alarm.period or 0)}
    if len(periods) > 1 or any(period < SECONDS_PER_MINUTE or period % SECONDS_PER_MINUTE for period in periods):
        raise NotImplementedError(f"The periods {sorted(periods)} of an alarm are not supported here")
    watched = [query.id for query in alarm.metric_data_queries if query.return_data is not False]
    specification = Specification(
        queries,
        watched[0] if watched else queries[0].id,
        periods.pop() // SECONDS_PER_MINUTE,
        _read_rule(alarm),
    )
    # An expression that is not supported is refused now, and not when it is evaluated.
    specification.read_datapoints(lambda *_: None, 0)
    return specification


def _read_rule(alarm: Alarm) -> Rule:
    if alarm.comparison_operator not in COMPARISON_OPERATORS or alarm.threshold is None:
        raise NotImplementedError(f"The comparison {alarm.comparison_operator} of an alarm is not supported here")
    periods = int(alarm.evaluation_periods)
    return Rule(
        alarm.comparison_operator,
        float(alarm.threshold),
        periods,
        int(alarm.datapoints_to_alarm or periods),
        alarm.treat_missing_data or "missing",
    )


def _read_queries(alarm: Alarm, account: str, region: str) -> tuple[Query, ...]:
    def make_query(query_id: str, namespace: str, name: str, dimensions: list[Any], statistic: str | None) -> Query:
        if statistic not in STATISTICS:
            raise NotImplementedError(f"The statistic {statistic} of an alarm is not supported here")
        pairs = frozenset((dimension.name, dimension.value) for dimension in dimensions)
        return Query(query_id, MetricId(account, region, namespace, name, pairs), statistic)

    if not alarm.metric_data_queries:
        statistic = alarm.statistic or alarm.extended_statistic
        return (make_query("m1", alarm.namespace, alarm.metric_name, alarm.dimensions, statistic),)
    queries = []
    for query in alarm.metric_data_queries:
        if query.metric_stat is None:
            queries.append(Query(query.id, expression=query.expression))
        else:
            metric = query.metric_stat.metric
            queries.append(
                make_query(query.id, metric.namespace, metric.metric_name, metric.dimensions, query.metric_stat.stat)
            )
    return tuple(queries)
