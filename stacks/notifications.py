"""Tells other systems and people what happened: the stream of the table feeds one function, which publishes.

Telling can be late, but it cannot fail or delay an offboarding. What could not be published waits in a queue, and then
in a dead-letter queue, whose alarm has a topic of its own. The changes of all other alarms take the same way.
"""

import json
from collections.abc import Iterable
from typing import cast

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.functions import FUNCTION_TIMEOUT_SECONDS, Access, FunctionSpec, OffboardingFunction
from stacks.nag import NIST, acknowledge
from stacks.queues import build_queue
from stacks.records_table import RecordsTable
from stacks.settings import Settings

TOLD_STEPS = (
    *("Scheduled", "AwaitApproval", "Deregistered", "Ended", "Restored", "Refused"),
    *("LeaverReturned", "LastVerificationDay"),
)
"""The steps that are told: the stream's event source mapping leaves out all others."""

_EVENT_SOURCE = "workmail.offboarding"
_DETAIL_TYPES = (
    *("Offboarding Scheduled", "Approval Requested", "Offboarding Deregistered", "Offboarding Ended"),
    *("Offboarding Restored", "Leaver Returned", "Event Refused"),
)
"""The events that the function may put. Requests for offboardings have the same source, and are not among them."""

_MAX_RECEIVES = 10
"""A step is tried for half an hour, then people are told that it could not be told."""
_STREAM_BATCH_SIZE = 10
_STREAM_ATTEMPTS = 3
_STREAM_MAX_AGE_HOURS = 6
_QUEUE_BATCH_SIZE = 1
"""Each step of the queue has the whole time of an invocation, so that none is received without being tried."""
_MAX_CONCURRENCY = 2


class Notifications(Construct):
    """The function that publishes, its topics, and the queues of what it could not publish.

    Attributes
    ----------
    topic
        The topic of the mails. They can name people, and contain no link that decides: mail scanners open links.
    alarm_topic
        The topic of the alarm about telling, whose messages name nobody; None if the stack has no alarms.
    queue
        The keys of steps that could not be published, to be tried again; and the changes of alarms.
    dead_letter_queue
        What could not be published in all attempts.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        records: RecordsTable,
        code: lambda_.Code,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        self._records = records
        self.topic = sns.Topic(self, "Topic", display_name="WorkMail offboarding", enforce_ssl=True)
        # The key that AWS manages for SNS, which every publisher of this account may use; the L2 construct would render
        # its ARN.
        cast(sns.CfnTopic, self.topic.node.default_child).kms_master_key_id = "alias/aws/sns"
        self.alarm_topic = self._build_alarm_topic() if settings.alarms else None
        _subscribe(settings.notification_emails, self.topic, self.alarm_topic)
        self.dead_letter_queue = build_queue(self, "DeadLetters")
        self.queue = build_queue(
            self,
            "Retries",
            # Lambda recommends six times the function's timeout, which leaves time to retry a throttled batch.
            visibility_timeout=Duration.seconds(6 * FUNCTION_TIMEOUT_SECONDS),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letter_queue, max_receive_count=_MAX_RECEIVES),
        )
        function = OffboardingFunction(self, self._build_spec(settings), code=code, settings=settings).function
        self._map_stream(function)
        self._map_queue(function)

    def _build_alarm_topic(self) -> sns.Topic:
        topic = sns.Topic(self, "AlarmTopic", display_name="WorkMail offboarding alarms", enforce_ssl=True)
        acknowledge(
            topic,
            "SNSEncryptedKMS",
            "CloudWatch alarms cannot publish to a topic that is encrypted with the key that AWS manages for SNS, and "
            "their messages name nobody.",
            pack=NIST,
        )
        return topic

    def _build_spec(self, settings: Settings) -> FunctionSpec:
        return FunctionSpec(
            name="NotifySubscribers",
            description="Publishes an event, and a mail where due, about what happened to an offboarding or an alarm",
            environment={
                "STACK_NAME": Stack.of(self).stack_name,
                "NAMES_IN_NOTIFICATIONS": "true" if settings.names_in_notifications else "false",
            },
            access=(
                self._records.allow_read_item(),
                self._records.allow_read_stream(),
                Access(
                    "Topic",
                    iam.PolicyStatement(actions=["sns:Publish"], resources=[self.topic.topic_arn]),
                    environment={"NOTIFICATION_TOPIC_ARN": self.topic.topic_arn},
                ),
                Access("Events", self._build_put_events_statement()),
                Access(
                    "Retries",
                    iam.PolicyStatement(
                        actions=[
                            *("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"),
                            "sqs:GetQueueAttributes",
                        ],
                        resources=[self.queue.queue_arn],
                    ),
                    environment={"NOTIFICATION_QUEUE_URL": self.queue.queue_url},
                ),
                # Lambda itself sends there, as the function, when it gives up a batch of the stream.
                Access(
                    "DeadLetters",
                    iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.dead_letter_queue.queue_arn]),
                ),
            ),
        )

    def _build_put_events_statement(self) -> iam.PolicyStatement:
        bus_arn = Stack.of(self).format_arn(
            service="events", resource="event-bus", resource_name="default", arn_format=ArnFormat.SLASH_RESOURCE_NAME
        )
        return iam.PolicyStatement(
            actions=["events:PutEvents"],
            resources=[bus_arn],
            conditions={"StringEquals": {"events:source": _EVENT_SOURCE, "events:detail-type": [*_DETAIL_TYPES]}},
        )

    def _map_stream(self, function: lambda_.Function) -> None:
        """Have Lambda invoke the function with the steps that are told.

        The L1 construct is used because the L2 construct would attach a second policy to the role.
        """
        new_image = {"Kind": {"S": ["Step"]}, "Step": {"S": [*TOLD_STEPS]}}
        pattern = {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"NewImage": new_image}}
        lambda_.CfnEventSourceMapping(
            self,
            "StreamMapping",
            function_name=function.function_name,
            event_source_arn=self._records.stream_arn,
            # A new mapping repeats the steps of a day rather than losing some.
            starting_position="TRIM_HORIZON",
            batch_size=_STREAM_BATCH_SIZE,
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=_STREAM_ATTEMPTS,
            maximum_record_age_in_seconds=_STREAM_MAX_AGE_HOURS * 3600,
            function_response_types=["ReportBatchItemFailures"],
            filter_criteria=lambda_.CfnEventSourceMapping.FilterCriteriaProperty(
                filters=[lambda_.CfnEventSourceMapping.FilterProperty(pattern=json.dumps(pattern))]
            ),
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(destination=self.dead_letter_queue.queue_arn)
            ),
        )

    def _map_queue(self, function: lambda_.Function) -> None:
        lambda_.EventSourceMapping(
            self,
            "QueueMapping",
            target=function,
            event_source_arn=self.queue.queue_arn,
            batch_size=_QUEUE_BATCH_SIZE,
            max_concurrency=_MAX_CONCURRENCY,
            report_batch_item_failures=True,
        )


def _subscribe(emails: Iterable[str], *topics: sns.Topic | None) -> None:
    for email in emails:
        for topic in topics:
            if topic is not None:
                topic.add_subscription(subscriptions.EmailSubscription(email))
