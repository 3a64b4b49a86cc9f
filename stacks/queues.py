"""Queues: encrypted, for TLS only, and keeping what nobody has received for as long as SQS can."""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

_RETENTION_DAYS = 14


def build_queue(
    scope: Construct,
    construct_id: str,
    *,
    visibility_timeout: Duration | None = None,
    delay: Duration | None = None,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    """Build a queue, or a dead-letter queue."""
    return sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(_RETENTION_DAYS),
        visibility_timeout=visibility_timeout,
        delivery_delay=delay,
        dead_letter_queue=dead_letter_queue,
    )
