"""The alarms: what stands still, fails or waits for too long, although nobody asked.

Ten alarm metrics of an account are free, and each further one costs 0.10 USD a month. An alarm changes its state as an
event on the default bus. A rule sends the events of these alarms to the queue of notifications, whose function makes a
mail of each. Only NotTold is about the telling itself: it publishes to a topic of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as cloudwatch_actions
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.intake import EventIntake
from stacks.metrics import build_metric, build_throttle_metrics, sum_metrics
from stacks.nag import NIST, acknowledge
from stacks.notifications import Notifications
from stacks.record_closer import RecordCloser
from stacks.settings import Settings

NOT_TOLD = "NotTold"
"""The alarm about the telling itself."""

_FROM = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
_FIVE_MINUTES = Duration.minutes(5)
_MAX_AGE_SECONDS = 3600
_FAILURES_IN_AN_HOUR = 5
_THROTTLES_IN_FIVE_MINUTES = 5
_THROTTLED_PERIODS = 6
"""One throttled call a minute for half an hour. Hundreds of executions that wake at once are through sooner, and every
call is retried for five hours at least, which leaves more than four of them to act."""


@dataclass(frozen=True)
class AlarmSpec:
    """One alarm.

    Attributes
    ----------
    name
        The part of its name after the stack's name.
    description
        The text in the CloudWatch console.
    metric
        What it watches.
    threshold
        The least value that rings it; the least that does not, where too little rings it.
    rings_below
        Whether it rings below the threshold.
    periods
        How many periods in a row must reach the threshold.
    missing_data
        What a period without data means.
    """

    name: str
    description: str
    metric: cloudwatch.IMetric
    threshold: float
    rings_below: bool = False
    periods: int = 1
    missing_data: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING


class Alarms(Construct):
    """The alarms of the stack, and the way of their changes to people.

    Attributes
    ----------
    alarms
        All of them, in the order in which the dashboard shows them.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        state_machine: sfn.IStateMachine,
        closer: RecordCloser,
        notifications: Notifications,
        alarm_topic: sns.Topic,
        intake: EventIntake | None,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        specs = [
            *(_list_intake_alarms(self, intake) if intake else ()),
            *_list_record_alarms(self, closer),
            *_list_execution_alarms(self, state_machine, settings),
        ]
        built = {spec.name: self._build(spec) for spec in specs}
        # The schedule runs for the first time when it is created.
        built["SweepMissing"].node.add_dependency(closer.schedule)
        for alarm in built.values():
            acknowledge(
                alarm,
                "CloudWatchAlarmAction",
                "A rule of EventBridge sends each change of its state to the function that writes the mails, so that "
                "the mail says what to do.",
                pack=NIST,
            )
        self._build_rule([*built], notifications)
        not_told = self._build(_describe_not_told(notifications.dead_letter_queue))
        _publish(not_told, alarm_topic)
        self.alarms = (*built.values(), not_told)

    def _build(self, spec: AlarmSpec) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            spec.name,
            alarm_name=render_alarm_name(Stack.of(self), spec.name),
            alarm_description=spec.description,
            metric=spec.metric,
            threshold=spec.threshold,
            comparison_operator=_BELOW if spec.rings_below else _FROM,
            evaluation_periods=spec.periods,
            treat_missing_data=spec.missing_data,
        )

    def _build_rule(self, names: Sequence[str], notifications: Notifications) -> None:
        """Send the changes of these alarms to the queue of notifications, or to its dead-letter queue."""
        stack = Stack.of(self)
        rule = events.CfnRule(
            self,
            "StateChanged",
            description="Alarms of this stack that ring, and those that do not ring any more",
            event_bus_name="default",
            event_pattern={
                "source": ["aws.cloudwatch"],
                "account": [Aws.ACCOUNT_ID],
                "region": [Aws.REGION],
                "detail-type": ["CloudWatch Alarm State Change"],
                "detail": {
                    "alarmName": [render_alarm_name(stack, name) for name in names],
                    "state": {"value": ["ALARM", "OK"]},
                },
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="Queue",
                    arn=notifications.queue.queue_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(
                        arn=notifications.dead_letter_queue.queue_arn
                    ),
                )
            ],
        )
        for queue in (notifications.queue, notifications.dead_letter_queue):
            queue.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("events.amazonaws.com")],
                    actions=["sqs:SendMessage"],
                    resources=[queue.queue_arn],
                    conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}},
                )
            )


def render_alarm_name(stack: Stack, name: str) -> str:
    """Return the whole name of an alarm, which no other stack of the account and Region has."""
    return f"{stack.stack_name}-{name}"


def _list_intake_alarms(scope: Construct, intake: EventIntake) -> Iterator[AlarmSpec]:
    yield AlarmSpec(
        "EventDeadLetters",
        "An identity provider's event was refused, or failed a hundred times.",
        _measure_visible(intake.events.dead_letter_queue),
        threshold=1,
    )
    yield AlarmSpec(
        "EventsRefused",
        "Identity providers' events were refused within the last minutes, however many are in the queue already.",
        build_metric(scope, "EventsRefused", period=_FIVE_MINUTES),
        threshold=1,
    )
    yield AlarmSpec(
        "UndeliveredEvents",
        "EventBridge could not put an identity provider's event into its queue.",
        _measure_visible(intake.events.undelivered_queue),
        threshold=1,
    )
    yield AlarmSpec(
        "OldestEvent",
        "An identity provider's event has waited for more than an hour. The queue is perhaps paused.",
        _measure_age(intake.events.queue),
        threshold=_MAX_AGE_SECONDS,
    )


def _list_record_alarms(scope: Construct, closer: RecordCloser) -> Iterator[AlarmSpec]:
    yield AlarmSpec(
        "StatusChangeDeadLetters",
        "The end or the starter of an execution could not be written into its record.",
        _measure_visible(closer.events.dead_letter_queue),
        threshold=1,
    )
    yield AlarmSpec(
        "UndeliveredStatusChanges",
        "EventBridge could not put the end or the starter of an execution into its queue.",
        _measure_visible(closer.events.undelivered_queue),
        threshold=1,
    )
    yield AlarmSpec(
        "OldestStatusChange",
        "The end or the starter of an execution has waited for more than an hour. The queue is perhaps paused.",
        _measure_age(closer.events.queue),
        threshold=_MAX_AGE_SECONDS,
    )
    yield AlarmSpec(
        "SweepMissing",
        "No sweep of the records was completed within a day.",
        # By the treatment of missing data alone the alarm would ring after three or four days without data.
        sum_metrics([build_metric(scope, "SweepsCompleted")], period=Duration.days(1), label="sweeps completed"),
        threshold=1,
        rings_below=True,
        missing_data=cloudwatch.TreatMissingData.BREACHING,
    )


def _list_execution_alarms(
    scope: Construct, state_machine: sfn.IStateMachine, settings: Settings
) -> Iterator[AlarmSpec]:
    # Step Functions counts plans too, and each start by the command begins with one.
    failures = [build_metric(scope, "OffboardingsFailed")]
    yield AlarmSpec(
        "ExecutionsFailing",
        f"At least {_FAILURES_IN_AN_HOUR} offboardings failed or timed out within an hour; plans do not count.",
        sum_metrics(failures, period=Duration.hours(1), label="failed and timed out"),
        threshold=_FAILURES_IN_AN_HOUR,
    )
    yield AlarmSpec(
        "ApprovalsOverdue",
        f"An approval has waited for {settings.approval_reminder_days} days or more. It is looked at twice a day.",
        build_metric(scope, "OldestApprovalDays", period=_FIVE_MINUTES, statistic="Maximum"),
        threshold=settings.approval_reminder_days,
        # Between two sweeps there is no data, and nothing has changed.
        missing_data=cloudwatch.TreatMissingData.IGNORE,
    )
    yield AlarmSpec(
        "Throttled",
        "Lambda, Step Functions or WorkMail has throttled at least one call a minute for half an hour.",
        sum_metrics(build_throttle_metrics(scope, state_machine), period=_FIVE_MINUTES, label="throttled calls"),
        threshold=_THROTTLES_IN_FIVE_MINUTES,
        periods=_THROTTLED_PERIODS,
    )


def _describe_not_told(dead_letter_queue: sqs.Queue) -> AlarmSpec:
    return AlarmSpec(
        NOT_TOLD,
        "Something that happened to an offboarding, or the change of an alarm, could not be told, by event or by mail. "
        "The offboarding itself is not affected. Read the log of NotifySubscribers, remove the cause, then send the "
        "messages of NotificationDeadLetterQueueUrl again: docs/runbook.md#something-could-not-be-told.",
        _measure_visible(dead_letter_queue),
        threshold=1,
    )


def _measure_visible(queue: sqs.Queue) -> cloudwatch.Metric:
    return queue.metric_approximate_number_of_messages_visible(period=_FIVE_MINUTES, statistic="Maximum")


def _measure_age(queue: sqs.Queue) -> cloudwatch.Metric:
    return queue.metric_approximate_age_of_oldest_message(period=_FIVE_MINUTES, statistic="Maximum")


def _publish(alarm: cloudwatch.Alarm, topic: sns.Topic) -> None:
    """Have an alarm publish to a topic, and allow it: a policy of a topic replaces what its owner may do by default."""
    alarm.add_alarm_action(cloudwatch_actions.SnsAction(topic))
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                "ArnEquals": {"aws:SourceArn": alarm.alarm_arn},
            },
        )
    )
