"""Log groups with the retention that the deployer chose; they are kept when the stack is deleted."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.nag import NIST, acknowledge


def build_log_group(
    scope: Construct, construct_id: str, *, retention_days: int, name: str | None = None
) -> logs.LogGroup:
    """Build a log group that is kept when its stack is deleted.

    The logs are the evidence of a deleted mailbox. They must survive the stack, and a release that removes a function;
    their retention limits them anyway. Only a stack whose creation fails deletes its empty log groups.

    Parameters
    ----------
    scope, construct_id
        The place in the construct tree.
    retention_days
        How long events are kept; one of the values that CloudWatch Logs accepts.
    name
        The group's name. If ``None``, CloudFormation generates it: a stack that is created again then does not collide
        with the log group of the previous one.

    Returns
    -------
    logs.LogGroup
        The log group.
    """
    group = logs.LogGroup(
        scope, construct_id, log_group_name=name, removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    )
    # The L2 construct takes a name like ONE_YEAR; the setting is the number of days.
    cast(logs.CfnLogGroup, group.node.default_child).retention_in_days = retention_days
    acknowledge(
        group,
        "CloudWatchLogGroupEncrypted",
        "CloudWatch Logs encrypts every log group with its own key, and the deletion of a customer key would destroy "
        "the evidence.",
        pack=NIST,
    )
    return group
