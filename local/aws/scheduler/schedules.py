"""Schedules that fire on the clock; moto's never fire.

- The target is a Lambda function, and the schedule's role must allow its invocation. Scheduler invokes it
  asynchronously: it is told that the invocation was accepted, and not whether the function fails. If it fails, Lambda
  invokes it again (`local.aws.functions.asynchronous`).
- What cannot be delivered is tried again by the ``RetryPolicy``, unless the role or the function is missing, and then
  sent to the dead-letter queue.
- A schedule fires at the first moment of a flexible time window. A start and an end are not supported.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule

from local.aws.iam import find_policies
from local.aws.scheduler.expressions import Rate, parse_expression
from local.clock import Clock, Timer
from local.hooks import Hooks
from local.policies import is_allowed

_MAX_DELAY_SECONDS = 60
_PERMANENT_ERRORS = {"AccessDeniedException", "ResourceNotFoundException"}


@dataclass
class _Event:
    """One time that a schedule fires."""

    schedule_arn: str
    target: dict[str, Any]
    scheduled_at: datetime
    attempts: int = 0

    def render_payload(self) -> str:
        """Return the target's input, with Scheduler's own values in the places that it names."""
        _, _, _, region, account, _ = self.schedule_arn.split(":", 5)
        event_id, scheduled_at = str(uuid.uuid4()), self.scheduled_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        if not self.target.get("Input"):
            event = {
                "version": "0", "id": event_id, "detail-type": "Scheduled Event", "source": "aws.scheduler",
                "account": account, "time": scheduled_at, "region": region, "resources": [self.schedule_arn],
                "detail": "{}",
            }  # fmt: skip
            return json.dumps(event)
        text = str(self.target["Input"])
        for name, value in (
            ("scheduled-time", scheduled_at), ("schedule-arn", self.schedule_arn), ("execution-id", event_id),
            ("attempt-number", str(self.attempts)),
        ):  # fmt: skip
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return text


class Schedules:
    """The schedules of an embedded AWS.

    Parameters
    ----------
    clock
        The clock on which they fire.
    fires
        Whether they fire; without it they only exist.
    """

    def __init__(self, clock: Clock, *, fires: bool) -> None:
        self._clock = clock
        self._fires = fires
        self._timers: dict[str, Timer] = {}

    def install(self, hooks: Hooks) -> None:
        """Have schedules fire for as long as the hooks are in place."""
        create, update = EventBridgeSchedulerBackend.create_schedule, EventBridgeSchedulerBackend.update_schedule
        delete = EventBridgeSchedulerBackend.delete_schedule

        def create_schedule(backend: EventBridgeSchedulerBackend, **properties: Any) -> Schedule:
            _require_supported(properties)
            schedule: Schedule = create(backend, **properties)
            self._set_timer(schedule, is_new=True)
            return schedule

        def update_schedule(backend: EventBridgeSchedulerBackend, **properties: Any) -> Schedule:
            _require_supported(properties)
            schedule: Schedule = update(backend, **{**properties, "state": properties["state"] or "ENABLED"})
            self._set_timer(schedule)
            return schedule

        def delete_schedule(backend: EventBridgeSchedulerBackend, group_name: str | None, name: str) -> None:
            arn = backend.get_schedule(group_name, name).arn
            delete(backend, group_name, name)
            self._cancel_timer(arn)

        hooks.replace(EventBridgeSchedulerBackend, "create_schedule", create_schedule)
        hooks.replace(EventBridgeSchedulerBackend, "update_schedule", update_schedule)
        hooks.replace(EventBridgeSchedulerBackend, "delete_schedule", delete_schedule)

    def _cancel_timer(self, schedule_arn: str) -> None:
        timer = self._timers.pop(schedule_arn, None)
        if timer is not None:
            timer.cancel()

    def _set_timer(self, schedule: Schedule, *, is_new: bool = False) -> None:
        """Set the timer for the next time that a schedule fires."""
        self._cancel_timer(schedule.arn)
        if not self._fires or schedule.state != "ENABLED":
            return
        expression = parse_expression(schedule.schedule_expression, schedule.schedule_expression_timezone)
        now, created_at = self._clock.now(), datetime.fromtimestamp(schedule.creation_date, UTC)
        due = now if is_new and isinstance(expression, Rate) else expression.next_after(now, created_at)
        self._timers[schedule.arn] = self._clock.call_at(due, lambda: self._fire(schedule), f"schedule {schedule.name}")

    def _fire(self, schedule: Schedule) -> None:
        self._set_timer(schedule)
        self._start_delivery(_Event(schedule.arn, dict(schedule.target), self._clock.now()))

    def _start_delivery(self, event: _Event) -> None:
        self._clock.start_thread(f"delivery of {event.schedule_arn}", lambda: self._deliver(event))

    def _deliver(self, event: _Event) -> None:
        code, message = (
            "AccessDeniedException",
            f"The role does not allow lambda:InvokeFunction on {event.target['Arn']}",
        )
        if _role_allows(event.target["RoleArn"], "lambda:InvokeFunction", event.target["Arn"]):
            try:
                _invoke(event.target["Arn"], event.render_payload())
            except ClientError as error:
                code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            else:
                return
        policy = event.target["RetryPolicy"]
        expires_at = event.scheduled_at + timedelta(seconds=policy.get("MaximumEventAgeInSeconds", 86400))
        retry_at = self._clock.now() + timedelta(seconds=min(_MAX_DELAY_SECONDS, 2 ** min(event.attempts, 6)))
        exhausted = None
        if code not in _PERMANENT_ERRORS:
            if event.attempts < policy.get("MaximumRetryAttempts", 185) and retry_at <= expires_at:
                event.attempts += 1
                self._clock.call_at(retry_at, lambda: self._start_delivery(event), "retry of a schedule's delivery")
                return
            exhausted = "MaximumRetryAttempts" if retry_at <= expires_at else "MaximumEventAgeInSeconds"
        _send_to_dead_letter_queue(event, code, message, exhausted)


def _invoke(function_arn: str, payload: str) -> None:
    client = boto3.client("lambda", function_arn.split(":")[3])
    client.invoke(FunctionName=function_arn, Payload=payload, InvocationType="Event")


def _require_supported(properties: dict[str, Any]) -> None:
    parse_expression(properties["schedule_expression"], properties.get("schedule_expression_timezone") or "UTC")
    for name in ("start_date", "end_date"):
        if properties.get(name):
            raise NotImplementedError(f"A schedule with a {name} is not supported here")
    if not properties["target"]["Arn"].startswith("arn:aws:lambda:"):
        raise NotImplementedError(f"The target of a schedule is a function here, not {properties['target']['Arn']}")


def _role_allows(role_arn: str, action: str, resource: str) -> bool:
    policies = find_policies(role_arn.split(":")[4], role_arn)
    return policies is not None and is_allowed(policies, action, resource)


def _send_to_dead_letter_queue(event: _Event, code: str, message: str, exhausted: str | None) -> None:
    arn = event.target.get("DeadLetterConfig", {}).get("Arn")
    if arn is None or not _role_allows(event.target["RoleArn"], "sqs:SendMessage", arn):
        return
    attributes = {
        "ERROR_CODE": code,
        "ERROR_MESSAGE": message,
        "RETRY_ATTEMPTS": str(event.attempts),
        "SCHEDULE_ARN": event.schedule_arn,
        "TARGET_ARN": event.target["Arn"],
        **({"EXHAUSTED_RETRY_CONDITION": exhausted} if exhausted else {}),
    }
    _, _, _, region, account, queue = arn.split(":")
    boto3.client("sqs", region).send_message(
        QueueUrl=f"https://sqs.{region}.amazonaws.com/{account}/{queue}",
        MessageBody=event.render_payload(),
        MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    )
