"""The API of alarms where moto's differs from AWS's.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
"""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from local.aws.cloudwatch import service_metrics
from local.aws.cloudwatch.alarms import Evaluations
from local.aws.cloudwatch.transitions import Transitions, describe_state
from local.aws.functions.runtime import Runtime
from local.clock import Clock
from local.faults import Faults
from local.hooks import Hooks

_STATE_MEMBERS = ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp")
_DEFAULT_MAX_RECORDS = 100


class CloudWatch:
    """The alarms of an embedded AWS.

    Parameters
    ----------
    clock
        The clock on which they are evaluated.
    evaluates
        Whether alarms are evaluated. Without it they exist, no metric is kept, and only SetAlarmState changes a state.
    """

    def __init__(self, clock: Clock, *, evaluates: bool) -> None:
        self._transitions = Transitions(clock)
        self._evaluations = Evaluations(clock, self._transitions) if evaluates else None

    def install(self, hooks: Hooks, runtime: Runtime, faults: Faults) -> None:
        """Change moto's CloudWatch for as long as the hooks are in place.

        Parameters
        ----------
        hooks
            The hooks.
        runtime, faults
            What runs functions, and what makes calls fail: their metrics are kept.
        """
        self._hook_alarms(hooks)
        self._hook_states(hooks)
        self._hook_history(hooks)
        if self._evaluations is not None:
            self._evaluations.install(hooks)
            service_metrics.install(hooks, runtime, faults)

    def _hook_alarms(self, hooks: Hooks) -> None:
        put, delete = CloudWatchBackend.put_metric_alarm, CloudWatchBackend.delete_alarms

        def put_metric_alarm(backend: CloudWatchBackend, *args: Any, **kwargs: Any) -> Alarm:
            former_alarms = dict(backend.alarms)
            alarm: Alarm = put(backend, *args, **kwargs)
            former = former_alarms.get(alarm.name)
            if former is None:
                alarm.state_value, alarm.state_reason_data = "INSUFFICIENT_DATA", None
            else:
                for name in _STATE_MEMBERS:
                    setattr(alarm, name, getattr(former, name))
            if self._evaluations is not None:
                try:
                    self._evaluations.add(backend, alarm)
                except (NotImplementedError, ValueError):
                    backend.alarms = former_alarms
                    raise
            self._transitions.record_configuration(backend, alarm.name, "updated" if former else "created")
            return alarm

        def delete_alarms(backend: CloudWatchBackend, alarm_names: list[str]) -> None:
            for name in alarm_names:
                if name in backend.alarms:
                    self._transitions.record_configuration(backend, name, "deleted")
                if self._evaluations is not None:
                    self._evaluations.remove(backend, name)
            delete(backend, alarm_names)

        hooks.replace(CloudWatchBackend, "put_metric_alarm", put_metric_alarm)
        hooks.replace(CloudWatchBackend, "delete_alarms", delete_alarms)

    def _hook_states(self, hooks: Hooks) -> None:
        set_state = CloudWatchBackend.set_alarm_state

        def set_alarm_state(
            backend: CloudWatchBackend, alarm_name: str, reason: str, reason_data: str, state_value: str
        ) -> None:
            alarm = backend.alarms.get(alarm_name)
            former = describe_state(alarm) if alarm is not None else {}
            set_state(backend, alarm_name, reason, reason_data, state_value)
            if alarm is not None and former["value"] != state_value:
                self._transitions.follow(backend, alarm, former)
            if alarm is not None and self._evaluations is not None:
                # The alarm soon returns to the state that its metric gives it.
                self._evaluations.add(backend, alarm)

        hooks.replace(CloudWatchBackend, "set_alarm_state", set_alarm_state)

    def _hook_history(self, hooks: Hooks) -> None:
        transitions = self._transitions

        def describe_alarm_history(response: CloudWatchResponse) -> ActionResult:
            items = transitions.history(response.cloudwatch_backend)
            start, end = response._get_param("StartDate"), response._get_param("EndDate")
            for name in ("AlarmName", "HistoryItemType"):
                value = response._get_param(name)
                items = [item for item in items if value in {None, item[name]}]
            items = [
                item
                for item in items
                if (start is None or _without_zone(start) <= _without_zone(item["Timestamp"]))
                and (end is None or _without_zone(item["Timestamp"]) <= _without_zone(end))
            ]
            if response._get_param("ScanBy") != "TimestampAscending":
                items.reverse()
            offset, count = int(response._get_param("NextToken") or 0), response._get_param("MaxRecords")
            stop = offset + int(count or _DEFAULT_MAX_RECORDS)
            token = {"NextToken": str(stop)} if stop < len(items) else {}
            return ActionResult({"AlarmHistoryItems": items[offset:stop], **token})

        hooks.replace(CloudWatchResponse, "describe_alarm_history", describe_alarm_history)


def _without_zone(when: Any) -> Any:
    return when.replace(tzinfo=None)
