"""The notifications of offboardings that wait for an approval: a topic, and events on the account's default bus."""

from collections.abc import Iterable
from typing import cast

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.functions import Access


class Approvals(Construct):
    """The topic. Its messages ask for a decision, and contain no link that decides: mail scanners open links.

    Attributes
    ----------
    topic
        The topic of the requests for an approval.
    """

    def __init__(self, scope: Construct, construct_id: str, *, emails: Iterable[str]) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", enforce_ssl=True)
        # The key that AWS manages for SNS, which every publisher of this account may use; the L2 construct would render
        # its ARN.
        cast(sns.CfnTopic, self.topic.node.default_child).kms_master_key_id = "alias/aws/sns"
        for email in emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))

    def allow_request(self) -> tuple[Access, Access]:
        """Let a function request an approval.

        Returns
        -------
        tuple[Access, Access]
            For the function's specification: the topic, and the bus.
        """
        bus_arn = Stack.of(self).format_arn(
            service="events", resource="event-bus", resource_name="default", arn_format=ArnFormat.SLASH_RESOURCE_NAME
        )
        return (
            Access(
                "Topic",
                iam.PolicyStatement(actions=["sns:Publish"], resources=[self.topic.topic_arn]),
                environment={"APPROVAL_TOPIC_ARN": self.topic.topic_arn},
            ),
            Access("Events", iam.PolicyStatement(actions=["events:PutEvents"], resources=[bus_arn])),
        )
