"""Checks of how people are told, and of what nobody could act on: subscriptions, dead letters, alarms."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from operate.doctor.findings import Finding, ok, wrong
from operate.doctor.setup import Setup

_TOPICS = {"NotificationTopicArn": "mails about approvals and failures", "AlarmTopicArn": "alarms"}
_PENDING = "PendingConfirmation"
_NOT_TOLD = "NotTold"
"""The alarm that publishes by itself: all others are told by the function that it is about."""
_DEAD_LETTER_QUEUES = {
    "EventDeadLetterQueueUrl": (
        "Events of identity providers that were refused, or failed again and again",
        "`offboarding refused` has the reason of each. What is settled is deleted from the queue: docs/reference.md.",
    ),
    "UndeliveredEventQueueUrl": (
        "Events of identity providers that EventBridge could not deliver",
        "Send them to the queue EventQueueUrl again: docs/reference.md.",
    ),
    "StatusChangeDeadLetterQueueUrl": (
        "Ends and starters of executions that could not be recorded",
        "Send them again: docs/reference.md. The sweep records the ends, but not who started.",
    ),
    "UndeliveredStatusChangeQueueUrl": (
        "Ends and starters of executions that EventBridge could not deliver",
        "Send them again: docs/reference.md. The sweep records the ends, but not who started.",
    ),
    "NotificationDeadLetterQueueUrl": (
        "Steps of which nobody could be told",
        "Look at `offboarding status` and at the log of NotifySubscribers, then send them again: docs/reference.md.",
    ),
}
"""By output of the stack: what is in the queue, and what to do."""
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


def check_subscriptions(setup: Setup) -> Iterator[Finding]:
    """Check that somebody gets the mails, and the alarms.

    https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html
    """
    for output, content in _TOPICS.items():
        topic = setup.outputs.get(output)
        if topic is not None:
            yield from _check_topic(setup, topic, content)


def _check_topic(setup: Setup, topic: str, content: str) -> Iterator[Finding]:
    pages = setup.account.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [subscription for page in pages for subscription in page["Subscriptions"]]
    unconfirmed = [
        subscription["Endpoint"] for subscription in subscriptions if subscription["SubscriptionArn"] == _PENDING
    ]
    if unconfirmed:
        yield wrong(
            f"These do not get the {content} before they confirm the subscription: {', '.join(sorted(unconfirmed))}.",
            "Have them follow the link in the mail of AWS Notifications. After three days, subscribe them again.",
        )
    # SNS lists a subscription that somebody has ended for some days, with the text `Deleted` for its ARN.
    confirmed = sum(subscription["SubscriptionArn"].startswith("arn:") for subscription in subscriptions)
    if confirmed:
        yield ok(f"The {content} have subscribers: {confirmed}.")
    elif not unconfirmed:
        words = ("sns", "subscribe", "--topic-arn", topic, "--protocol", "email", "--notification-endpoint", "ADDRESS")
        yield wrong(
            f"Nobody gets the {content}.",
            f"Put addresses into notificationEmails in cdk.json, or run: {setup.account.render_aws_command(*words)}",
        )


def check_dead_letters(setup: Setup) -> Iterator[Finding]:
    """Check that no queue has messages that nothing reads any more; they are lost after 14 days.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    queues = {output: setup.outputs[output] for output in _DEAD_LETTER_QUEUES if output in setup.outputs}
    counts = {output: _count_messages(setup, url) for output, url in queues.items()}
    for output, count in counts.items():
        if count:
            content, advice = _DEAD_LETTER_QUEUES[output]
            yield wrong(f"{content}: about {count}, in the queue {output}.", advice)
    if not any(counts.values()):
        yield ok(f"No queue has dead letters: {len(counts)} are empty.")


def _count_messages(setup: Setup, url: str) -> int:
    answer = setup.account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[*_COUNTS])
    return sum(int(value) for value in answer["Attributes"].values())


def check_alarms(setup: Setup) -> Iterator[Finding]:
    """Check that the alarms of the stack exist, that none rings, and that the one about telling can publish.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    """
    names = {*setup.list_ids("AWS::CloudWatch::Alarm")}
    if not names:
        yield ok("The stack has no alarms (alarms is false in cdk.json): nothing tells that it stands still.")
        return
    pages = setup.account.client("cloudwatch").get_paginator("describe_alarms").paginate()
    alarms = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    problems = [*_iterate_alarm_problems(setup, names, alarms)]
    yield from problems
    if not problems:
        yield ok(f"No alarm rings: {len(names)}.")


def _iterate_alarm_problems(
    setup: Setup, names: Iterable[str], alarms: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    for name in sorted(names):
        alarm = alarms.get(name)
        if alarm is None:
            yield wrong(
                f"The alarm {name} does not exist: somebody has deleted it.",
                "Deploy with `alarms` false, then again with true: CloudFormation makes it again.",
            )
        elif alarm["StateValue"] == "ALARM":
            description = alarm.get("AlarmDescription") or name
            yield wrong(f"An alarm rings: {description}", "docs/runbook.md has a section for each alarm.")
        elif name.endswith(f"-{_NOT_TOLD}") and not alarm.get("ActionsEnabled", True):
            yield wrong(
                f"The actions of the alarm {name} are disabled, so that it tells nobody.",
                f"Run: {setup.account.render_aws_command('cloudwatch', 'enable-alarm-actions', '--alarm-names', name)}",
            )
