"""Alarms that are evaluated on the clock; moto's never are.

CloudWatch evaluates an alarm every minute, on the periods that end with that minute. Here it is evaluated at the
minutes at which its result can differ: when a datum enters one of its periods, and when it leaves one. So a clock that
is moved over months stops only where something happened, and no alarm misses it.

Where data have stopped, CloudWatch evaluates the last ones again for some periods, so that an alarm can ring again. It
does so here. An expression with ``FILL`` has no such gap.

An alarm on the age of a queue's oldest message is also evaluated where the age reaches the threshold. An expression
over such an age is evaluated once a period for as long as the queue has a message.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends
from moto.sqs.models import Queue, SQSBackend

from local.aws.cloudwatch.evaluation import evaluate
from local.aws.cloudwatch.messages import render_reason_data
from local.aws.cloudwatch.metrics import (
    SECONDS_PER_MINUTE,
    MetricId,
    MetricStore,
    StatisticSet,
    minute_of,
    read_datum,
    time_of,
)
from local.aws.cloudwatch.queries import MetricQueries
from local.aws.cloudwatch.queue_metrics import NAMESPACE as QUEUE_NAMESPACE
from local.aws.cloudwatch.queue_metrics import OLDEST_MESSAGE_AGE, QueueMetrics, iterate_hooks, next_change
from local.aws.cloudwatch.specifications import Specification, read_specification
from local.aws.cloudwatch.transitions import Transitions, describe_state
from local.clock import Clock
from local.hooks import Hooks

_AlarmKey = tuple[str, str, str]
"""The account, the Region and the name of an alarm."""


class Evaluations:
    """Keeps the data of metrics, and evaluates the alarms on them.

    Parameters
    ----------
    clock
        The clock on which alarms are evaluated.
    transitions
        Carries out what follows from a change of state.
    """

    def __init__(self, clock: Clock, transitions: Transitions) -> None:
        self._clock = clock
        self._transitions = transitions
        self._store = MetricStore()
        self._queues = QueueMetrics()
        self._lock = threading.RLock()
        self._specifications: dict[_AlarmKey, Specification] = {}
        self._watchers: dict[MetricId, set[_AlarmKey]] = defaultdict(set)
        self._timers: set[int] = set()
        self._due_alarms: dict[int, set[_AlarmKey]] = defaultdict(set)
        self._due_queues: dict[int, dict[str, Queue]] = defaultdict(dict)
        self._running_minute: int | None = None

    def install(self, hooks: Hooks) -> None:
        """Keep what is published, and look at queues, for as long as the hooks are in place."""
        evaluations, put_metric_data = self, CloudWatchBackend.put_metric_data

        def put_and_keep(backend: CloudWatchBackend, namespace: str, metric_data: list[dict[str, Any]]) -> None:
            with evaluations._lock:
                put_metric_data(backend, namespace, metric_data)
                # What moto keeps is read no more.
                backend.metric_data.clear()
            for datum in metric_data:
                evaluations._keep_datum(backend, namespace, datum)

        hooks.replace(CloudWatchBackend, "put_metric_data", put_and_keep)
        MetricQueries(self.read, self._list_metrics).install(hooks)
        for owner, name in iterate_hooks():
            hooks.replace(owner, name, self._look_after(getattr(owner, name)))

    def read(self, metric: MetricId, start: int, end: int) -> StatisticSet | None:
        """Return the statistics of a metric from a minute up to another one; None if there is no datum."""
        if metric.namespace == QUEUE_NAMESPACE:
            return self._queues.read(metric, start, end)
        return self._store.read(metric, start, end)

    def _list_metrics(self) -> list[MetricId]:
        return [*self._store.list_metrics(), *self._queues.list_metrics()]

    def add(self, backend: CloudWatchBackend, alarm: Alarm) -> None:
        """Evaluate an alarm that was created or changed, at the next minute and from then on.

        Raises
        ------
        NotImplementedError, ExpressionError
            If it cannot be evaluated here.
        """
        key = (backend.account_id, backend.region_name, alarm.name)
        specification = read_specification(alarm, backend.account_id, backend.region_name)
        with self._lock:
            self._specifications[key] = specification
            for metric in specification.metrics:
                self._watchers[metric].add(key)
            now = minute_of(self._clock.now())
            self._due_alarms[self._set_timer(now)].add(key)
            for metric in specification.metrics:
                for minute in self._store.list_minutes(metric, now - specification.rule.length * specification.period):
                    self._schedule(key, specification, minute)
            self._schedule_for_ages(key, specification)

    def remove(self, backend: CloudWatchBackend, name: str) -> None:
        """Evaluate an alarm no more."""
        with self._lock:
            self._specifications.pop((backend.account_id, backend.region_name, name), None)

    def _keep_datum(self, backend: CloudWatchBackend, namespace: str, datum: dict[str, Any]) -> None:
        statistics = read_datum(datum)
        if statistics is None:
            return
        dimensions = frozenset((part["Name"], part["Value"]) for part in datum.get("Dimensions") or ())
        metric = MetricId(backend.account_id, backend.region_name, namespace, datum["MetricName"], dimensions)
        when = datum.get("Timestamp")
        minute = minute_of(when if isinstance(when, datetime) else self._clock.now())
        self._store.add(metric, minute, statistics)
        self._schedule_watchers(metric, minute)

    def _look_after(self, change: Callable[..., Any]) -> Callable[..., Any]:
        """Have a queue looked at, at the end of the minute, after a method of moto that can change it."""

        def change_and_look(owner: Any, *args: Any, **kwargs: Any) -> Any:
            result = change(owner, *args, **kwargs)
            queue = owner.get_queue(_queue_name(args, kwargs)) if isinstance(owner, SQSBackend) else owner
            with self._lock:
                self._due_queues[self._set_timer(0)][queue.queue_arn] = queue
            return result

        return change_and_look

    def _schedule_watchers(self, metric: MetricId, minute: int) -> None:
        with self._lock:
            for key in self._watchers.get(metric, ()):
                if key in self._specifications:
                    self._schedule(key, self._specifications[key], minute)

    def _schedule(self, key: _AlarmKey, specification: Specification, minute: int) -> None:
        """Have an alarm evaluated whenever what happened in a minute enters or leaves a period."""
        is_about_queue = any(metric.namespace == QUEUE_NAMESPACE for metric in specification.metrics)
        step = 1 if is_about_queue and specification.is_gradual else specification.period
        for end in range(minute + 1, minute + 2 + specification.rule.length * specification.period, step):
            self._due_alarms[self._set_timer(end)].add(key)

    def _schedule_for_ages(self, key: _AlarmKey, specification: Specification) -> None:
        """Have an alarm on the age of a message evaluated where the age reaches the threshold."""
        for metric in specification.metrics:
            sent_at = self._queues.oldest_sent_at(metric) if metric.name == OLDEST_MESSAGE_AGE else None
            if sent_at is None:
                continue
            if len(specification.queries) == 1:
                reached = int((sent_at + specification.rule.threshold) // SECONDS_PER_MINUTE)
                for minute in (reached - 1, reached):
                    self._schedule(key, specification, minute)
            else:
                periods = minute_of(self._clock.now()) // specification.period
                self._due_alarms[self._set_timer((periods + 1) * specification.period)].add(key)

    def _set_timer(self, minute: int) -> int:
        """Have a minute's work done at its beginning, or the next minute's if it has begun; return which."""
        earliest = self._running_minute
        if earliest is None:
            earliest = minute_of(self._clock.now()) + 1
        minute = max(minute, earliest)
        if minute not in self._timers and minute != self._running_minute:
            self._timers.add(minute)
            self._clock.call_at(time_of(minute), lambda: self._run(minute), "evaluation of alarms")
        return minute

    def _run(self, minute: int) -> None:
        with self._lock:
            self._timers.discard(minute)
            self._running_minute = minute
            for queue in self._due_queues.pop(minute, {}).values():
                self._look_at(queue, minute)
            due = sorted(self._due_alarms.pop(minute, ()))
            self._running_minute = None
            for key in due:
                self._evaluate(key, minute)

    def _look_at(self, queue: Queue, minute: int) -> None:
        for metric in self._queues.look_at(queue, minute - 1):
            self._schedule_watchers(metric, minute - 1)
            for key in self._watchers.get(metric, ()):
                if key in self._specifications:
                    self._schedule_for_ages(key, self._specifications[key])
        change = next_change(queue)
        if change is not None:
            self._due_queues[self._set_timer(max(minute, int(change // SECONDS_PER_MINUTE)) + 1)][queue.queue_arn] = (
                queue
            )

    def _evaluate(self, key: _AlarmKey, minute: int) -> None:
        account, region, name = key
        backend = cloudwatch_backends[account][region]
        alarm, specification = backend.alarms.get(name), self._specifications.get(key)
        if alarm is None or specification is None:
            return
        if len(specification.queries) > 1:
            self._schedule_for_ages(key, specification)
        result = evaluate(specification.rule, specification.read_datapoints(self.read, minute), alarm.state_value)
        if result is None or result.state == alarm.state_value:
            return
        former = describe_state(alarm)
        reason_data = render_reason_data(specification, result, self._clock.now())
        alarm.update_state(result.reason, reason_data, result.state)
        self._transitions.follow(backend, alarm, former)


def _queue_name(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return str(args[0] if args else kwargs["queue_name"])
