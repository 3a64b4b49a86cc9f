"""Events that a function reads from a queue: the rules that let them through, the queue, and what becomes of the rest.

The rules pass an event on as it came: an input transformer would not escape what it inserts. The queue is the buffer
and, while the function's event source mapping is disabled, the pause. What EventBridge could not deliver and what the
function could not act on wait in a dead-letter queue each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.functions import TIMEOUT_SECONDS, Access
from stacks.nag import acknowledge

Pattern = Mapping[str, object]

_RETENTION_DAYS = 14
_RECEIVES = 100
"""Five hours of trouble with what the function calls cost no event."""
_BATCH_SIZE = 10


@dataclass(frozen=True)
class EventRule:
    """One rule on an event bus.

    Attributes
    ----------
    name
        Its name in the stack.
    description
        What the EventBridge console shows.
    pattern
        The event pattern, as EventBridge takes it.
    bus
        The name of the bus.
    """

    name: str
    description: str
    pattern: Pattern
    bus: str = "default"


class EventQueue:
    """The queue with its rules and its dead-letter queues, all of them directly in the construct that they serve.

    Parameters
    ----------
    scope
        The construct.
    rules
        What lets events through.
    delay
        How long an event waits before it is read.

    Attributes
    ----------
    queue
        Where the events wait to be read.
    dead_letter_queue
        Events that the function failed on as often as it was tried.
    undelivered_queue
        Events that a rule let through and EventBridge could not put into the queue.
    """

    def __init__(self, scope: Construct, rules: Sequence[EventRule], *, delay: Duration | None = None) -> None:
        self._scope = scope
        self.dead_letter_queue = self._build_queue("DeadLetters")
        self.undelivered_queue = self._build_queue("UndeliveredEvents")
        acknowledge(
            self.undelivered_queue,
            "SQS3",
            "It is the dead-letter queue of the rules' targets, which nothing reads but a person; a dead-letter "
            "queue has none of its own.",
        )
        self.queue = self._build_queue(
            "Events",
            # Lambda asks for six times the function's timeout, so that a batch that was throttled is tried again.
            visibility_timeout=Duration.seconds(6 * TIMEOUT_SECONDS),
            delay=delay,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letter_queue, max_receive_count=_RECEIVES),
        )
        self._build_rules(rules)

    def reading(self) -> Access:
        """Let a function read the queue.

        Returns
        -------
        Access
            For the function's specification. It is told nothing: the events come to it.
        """
        actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        return Access("Queue", iam.PolicyStatement(actions=actions, resources=[self.queue.queue_arn]))

    def build_mapping(self, function: lambda_.Function, *, max_concurrency: int) -> lambda_.EventSourceMapping:
        """Make a function read the queue.

        It is the function and not a version: no execution waits on this code, so the newest reads. And a release
        leaves the mapping as it is, so that it does not end a pause.

        Parameters
        ----------
        function
            The function, which fails for single events of a batch.
        max_concurrency
            How many of it read at once.

        Returns
        -------
        lambda_.EventSourceMapping
            Disabled, it is the pause.
        """
        return lambda_.EventSourceMapping(
            self._scope,
            "EventSourceMapping",
            target=function,
            event_source_arn=self.queue.queue_arn,
            batch_size=_BATCH_SIZE,
            max_concurrency=max_concurrency,
            report_batch_item_failures=True,
        )

    def _build_queue(
        self,
        construct_id: str,
        *,
        visibility_timeout: Duration | None = None,
        delay: Duration | None = None,
        dead_letter_queue: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self._scope,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(_RETENTION_DAYS),
            visibility_timeout=visibility_timeout,
            delivery_delay=delay,
            dead_letter_queue=dead_letter_queue,
        )

    def _build_rules(self, rules: Sequence[EventRule]) -> None:
        """Lead the rules to the queue, and let no others put anything into it or beside it."""
        target = events.CfnRule.TargetProperty(
            id="Queue",
            arn=self.queue.queue_arn,
            dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.undelivered_queue.queue_arn),
        )
        rule_arns = [
            events.CfnRule(
                self._scope,
                rule.name,
                description=rule.description,
                event_bus_name=rule.bus,
                event_pattern=rule.pattern,
                targets=[target],
            ).attr_arn
            for rule in rules
        ]
        for queue in (self.queue, self.undelivered_queue):
            # One statement for all of them: the CDK's own target makes one for each, and SQS takes 20 at most.
            queue.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("events.amazonaws.com")],
                    actions=["sqs:SendMessage"],
                    resources=[queue.queue_arn],
                    conditions={"ArnEquals": {"aws:SourceArn": rule_arns}},
                )
            )
