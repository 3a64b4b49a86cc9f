"""The queues and alarms of a stack: what waits there, and what rings.

Whoever may not read one of them still gets the rest: a call that AWS refuses becomes a sentence.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from operate.account import Account
from operate.errors import describe_error

_T = TypeVar("_T")
_WAITING = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed")
_DEAD = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
_METRIC_PERIOD_SECONDS = 60
_METRIC_AGE = timedelta(minutes=15)
"""SQS publishes metrics each minute, and a few minutes late."""

DEAD_LETTER_QUEUES = {
    "EventDeadLetterQueueUrl": "Events of identity providers that were refused, or failed",
    "UndeliveredEventQueueUrl": "Events of identity providers that EventBridge could not deliver",
    "StatusChangeDeadLetterQueueUrl": "Ends of executions that could not be recorded",
    "UndeliveredStatusChangeQueueUrl": "Ends of executions that EventBridge could not deliver",
    "NotificationDeadLetterQueueUrl": "Events and mails that could not be published",
}
"""The outputs with the queues that should be empty, and what their messages are."""


@dataclass(frozen=True)
class EventQueue:
    """The queue of identity providers' events.

    Attributes
    ----------
    is_paused
        Whether nothing reads it.
    waiting
        About how many events wait.
    oldest
        How old the oldest one is; None if CloudWatch does not say so.
    """

    is_paused: bool
    waiting: int
    oldest: timedelta | None


@dataclass(frozen=True)
class DeadLetters:
    """A queue that should be empty: the output that has it, what its messages are, and how many there are."""

    output: str
    title: str
    count: int


@dataclass(frozen=True)
class Alarm:
    """An alarm that rings: its name, since when, and what it means."""

    name: str
    since: datetime | None
    description: str


def try_read(read: Callable[[], _T]) -> _T | str:
    """Return what a function reads, or a sentence if AWS refuses it."""
    try:
        return read()
    except (ClientError, BotoCoreError) as error:
        return describe_error(error)


def read_event_queue(account: Account, now: datetime) -> EventQueue | None:
    """Read how the queue of identity providers' events stands; None if the stack has no identity providers.

    https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
    """
    outputs = account.stack.outputs
    if "EventSourceMappingId" not in outputs:
        return None
    mapping = account.client("lambda").get_event_source_mapping(UUID=outputs["EventSourceMappingId"])
    return EventQueue(
        is_paused=mapping["State"] in {"Disabled", "Disabling"},
        waiting=_count_messages(account, outputs["EventQueueUrl"], _WAITING),
        oldest=_read_age_of_oldest(account, outputs["EventQueueUrl"], now),
    )


def read_dead_letters(account: Account) -> list[DeadLetters]:
    """Count the messages of each queue that should be empty.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    outputs = account.stack.outputs
    return [
        DeadLetters(output, title, _count_messages(account, outputs[output], _DEAD))
        for output, title in DEAD_LETTER_QUEUES.items()
        if output in outputs
    ]


def read_alarms(account: Account) -> list[Alarm]:
    """List the alarms of the stack that ring.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    """
    return [*_iterate_alarms(account)]


def _iterate_alarms(account: Account) -> Iterator[Alarm]:
    pages, prefix = account.client("cloudwatch").get_paginator("describe_alarms"), f"{account.stack.name}-"
    for page in pages.paginate(AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]):
        for alarm in (*page["MetricAlarms"], *page["CompositeAlarms"]):
            # The name of a further stack can begin with that of this one, and a hyphen.
            is_of_stack = "-" not in alarm["AlarmName"].removeprefix(prefix)
            if is_of_stack and alarm["StateValue"] == "ALARM":
                yield Alarm(alarm["AlarmName"], alarm.get("StateUpdatedTimestamp"), alarm.get("AlarmDescription", ""))


def _count_messages(account: Account, url: str, attributes: tuple[str, ...]) -> int:
    answer = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[*attributes])
    return sum(int(value) for value in answer["Attributes"].values())


def _read_age_of_oldest(account: Account, url: str, now: datetime) -> timedelta | None:
    """Read from the metrics of the queue how old its oldest message is; SQS itself does not say so.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
    """
    answer = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
        StartTime=now - _METRIC_AGE,
        EndTime=now,
        Period=_METRIC_PERIOD_SECONDS,
        Statistics=["Maximum"],
    )
    points = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
    return timedelta(seconds=points[-1]["Maximum"]) if points else None
