"""What a change of an alarm's state leads to: its actions, an event, and its history.

- An action on a topic of SNS publishes the alarm, if the topic's policy and key let CloudWatch do it. Other actions are
  not carried out; the history says so.
- The event goes to the default bus.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.kms.models import kms_backends
from moto.sns.models import Topic, sns_backends

from local.aws.cloudwatch.messages import render_configuration, render_message, render_subject, render_time
from local.aws.eventbridge import put_service_event
from local.clock import Clock
from local.policies import Decision, evaluate_policy

SERVICE = "cloudwatch.amazonaws.com"
_KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
_KEY_REFUSAL = "CloudWatch Alarms does not have authorization to access the SNS topic encryption key."
_ACTIONS_OF_STATE = {
    "ALARM": "alarm_actions",
    "OK": "ok_actions",
    "INSUFFICIENT_DATA": "insufficient_data_actions",
}


class Transitions:
    """The changes of state of an embedded AWS.

    Parameters
    ----------
    clock
        The clock on which their consequences are work.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._history: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)

    def history(self, backend: CloudWatchBackend) -> list[dict[str, Any]]:
        """Return the items of the alarms' history, the oldest first."""
        return list(self._history[backend.account_id, backend.region_name])

    def record_configuration(self, backend: CloudWatchBackend, name: str, verb: str) -> None:
        """Record that an alarm was created, updated or deleted."""
        data = {"version": "1.0", "type": verb.capitalize().removesuffix("d")}
        self._record(backend, name, "ConfigurationUpdate", f'Alarm "{name}" {verb}', data)

    def follow(self, backend: CloudWatchBackend, alarm: Alarm, former: dict[str, Any]) -> None:
        """Carry out what follows from a change of state that an alarm has made.

        Parameters
        ----------
        backend, alarm
            The alarm, in its new state.
        former
            What `describe_state` has returned before the change.
        """
        state = describe_state(alarm)
        parts = {
            name: {
                "stateValue": part["value"],
                "stateReason": part["reason"],
                "stateReasonData": json.loads(part["reasonData"]) if part["reasonData"] else None,
            }
            for name, part in (("oldState", former), ("newState", state))
        }
        summary = f"Alarm updated from {former['value']} to {state['value']}"
        self._record(backend, alarm.name, "StateUpdate", summary, {"version": "1.0", **parts})
        arns = list(getattr(alarm, _ACTIONS_OF_STATE[state["value"]]) or ()) if alarm.actions_enabled else []
        detail = {
            "alarmName": alarm.name,
            "configuration": render_configuration(alarm),
            "previousState": former,
            "state": state,
        }
        message = render_message(backend, alarm, former["value"])

        def carry_out() -> None:
            for arn in arns:
                self._carry_out(backend, alarm, state["value"], arn, message)
            put_service_event(
                (backend.account_id, backend.region_name),
                "aws.cloudwatch",
                "CloudWatch Alarm State Change",
                [alarm.alarm_arn],
                detail,
            )

        self._clock.start_thread(f"actions of the alarm {alarm.name}", carry_out)

    def _carry_out(self, backend: CloudWatchBackend, alarm: Alarm, state: str, arn: str, message: str) -> None:
        error = _find_refusal(backend, alarm, arn)
        if error is None:
            subject = render_subject(backend, alarm, state)
            sns_backends[backend.account_id][backend.region_name].publish(message, arn, subject=subject)
        data = {
            "actionState": "Failed" if error else "Succeeded",
            "notificationResource": arn,
            "publishedMessage": json.dumps({"default": message}),
            "error": error,
        }
        summary = (
            f'Failed to execute action {arn}. Received error: "{error}"'
            if error
            else f"Successfully executed action {arn}"
        )
        self._record(backend, alarm.name, "Action", summary, data)

    def _record(
        self, backend: CloudWatchBackend, name: str, item_type: str, summary: str, data: dict[str, Any]
    ) -> None:
        self._history[backend.account_id, backend.region_name].append(
            {
                "AlarmName": name,
                "AlarmType": "MetricAlarm",
                "Timestamp": datetime.now(UTC),
                "HistoryItemType": item_type,
                "HistorySummary": summary,
                "HistoryData": json.dumps(data),
            }
        )


def describe_state(alarm: Alarm) -> dict[str, Any]:
    """Return an alarm's state as an event has it."""
    return {
        "value": alarm.state_value,
        "reason": alarm.state_reason,
        "reasonData": alarm.state_reason_data,
        "timestamp": render_time(alarm.state_updated_timestamp),
    }


def _find_refusal(backend: CloudWatchBackend, alarm: Alarm, arn: str) -> str | None:
    """Return why CloudWatch cannot carry out an action; None if it can."""
    if not arn.startswith("arn:aws:sns:"):
        return "The embedded AWS carries out actions on topics of Amazon SNS only."
    topic = sns_backends[backend.account_id][backend.region_name].topics.get(arn)
    if topic is None:
        return f"Topic {arn} does not exist"
    context = {
        "aws:SourceAccount": backend.account_id,
        "aws:SourceOwner": backend.account_id,
        "aws:SourceArn": alarm.alarm_arn,
        "aws:SecureTransport": "true",
    }
    if evaluate_policy(topic.policy, "sns:Publish", arn, context, [SERVICE]) is not Decision.ALLOWED:
        return (
            f"CloudWatch Alarms is not authorized to perform: SNS:Publish on resource: {arn} because no resource-based "
            "policy allows the SNS:Publish action"
        )
    return None if _can_use_key(backend, alarm, topic) else _KEY_REFUSAL


def _can_use_key(backend: CloudWatchBackend, alarm: Alarm, topic: Topic) -> bool:
    """Tell whether CloudWatch can use a topic's key; the policy of ``alias/aws/sns`` does not name it, and stays so."""
    name = topic.kms_master_key_id
    if not name:
        return True
    keys = kms_backends[backend.account_id][backend.region_name]
    alias = name[name.index("alias/") :] if "alias/" in name else ""
    key = keys.keys.get(keys.get_key_id_from_alias(alias) if alias else name.rpartition("/")[2])
    context = {"aws:SourceAccount": backend.account_id, "aws:SourceArn": alarm.alarm_arn}
    return key is not None and all(
        evaluate_policy(key.policy, action, key.arn, context, [SERVICE]) is Decision.ALLOWED for action in _KEY_ACTIONS
    )
