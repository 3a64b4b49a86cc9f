"""A queue of events for a function: the rules that match them, the queue, and two dead-letter queues.

The rules do not transform an event, because an input transformer does not escape the values that it inserts. The queue
is a buffer. It also holds the events while the function's event source mapping is disabled. One dead-letter queue has
the events that EventBridge could not deliver, the other those that the function could not process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.functions import FUNCTION_TIMEOUT_SECONDS, Access
from stacks.nag import acknowledge
from stacks.queues import build_queue

EventPattern = Mapping[str, object]

_MAX_RECEIVES = 100
"""No event is lost if a service that the function calls is unavailable for five hours."""
_BATCH_SIZE = 10


@dataclass(frozen=True)
class EventRule:
    """One rule on an event bus.

    Attributes
    ----------
    name
        Its name in the stack.
    description
        The text in the EventBridge console.
    pattern
        The event pattern, in EventBridge's format.
    bus
        The name of the bus.
    """

    name: str
    description: str
    pattern: EventPattern
    bus: str = "default"


class EventQueue:
    """The queue with its rules and its dead-letter queues, all of them direct children of one construct.

    Parameters
    ----------
    scope
        The construct.
    rules
        The rules that send events to the queue.
    delay
        How long an event waits before it is delivered.

    Attributes
    ----------
    queue
        The events that wait for the function.
    dead_letter_queue
        Events that the function failed to process in all attempts.
    undelivered_queue
        Events that matched a rule, and that EventBridge could not put into the queue.
    """

    def __init__(self, scope: Construct, rules: Sequence[EventRule], *, delay: Duration | None = None) -> None:
        self._scope = scope
        self.dead_letter_queue = build_queue(self._scope, "DeadLetters")
        self.undelivered_queue = build_queue(self._scope, "UndeliveredEvents")
        acknowledge(
            self.undelivered_queue,
            "SQS3",
            "It is the dead-letter queue of the rules' targets, and a dead-letter queue needs no other one.",
        )
        self.queue = build_queue(
            self._scope,
            "Events",
            # Lambda recommends six times the function's timeout, which leaves time to retry a throttled batch.
            visibility_timeout=Duration.seconds(6 * FUNCTION_TIMEOUT_SECONDS),
            delay=delay,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letter_queue, max_receive_count=_MAX_RECEIVES),
        )
        self._build_rules(rules)

    def allow_consume(self) -> Access:
        """Let a function receive and delete the events.

        Returns
        -------
        Access
            For the function's specification. It needs no variable: Lambda delivers the events.
        """
        actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        return Access("Queue", iam.PolicyStatement(actions=actions, resources=[self.queue.queue_arn]))

    def build_mapping(self, function: lambda_.Function, *, max_concurrency: int) -> lambda_.EventSourceMapping:
        """Have Lambda invoke a function with the events of the queue.

        The mapping targets the function and not a version, because no execution depends on this code. Therefore a
        release does not change the mapping, and so does not end a pause.

        Parameters
        ----------
        function
            The function, which reports the failed events of a batch.
        max_concurrency
            How many invocations run at once.

        Returns
        -------
        lambda_.EventSourceMapping
            Disable it to pause.
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

    def _build_rules(self, rules: Sequence[EventRule]) -> None:
        """Build the rules, and allow no other sender for the queue and the undelivered events."""
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
            # One statement for all rules: the CDK's target adds one for each, and SQS accepts 20 at most.
            queue.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("events.amazonaws.com")],
                    actions=["sqs:SendMessage"],
                    resources=[queue.queue_arn],
                    conditions={"ArnEquals": {"aws:SourceArn": rule_arns}},
                )
            )
