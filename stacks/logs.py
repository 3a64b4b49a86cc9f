"""Log groups: explicit, with a retention that the deployer chose, and kept when the stack goes."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.nag import NIST, acknowledge


def log_group(scope: Construct, construct_id: str, *, retention_days: int, name: str | None = None) -> logs.LogGroup:
    """Make a log group that outlives its stack.

    The logs are the evidence for a mailbox that is gone for good; deleting the stack, or a release that drops
    a function, must not take them along. Their retention bounds them anyway. Only a stack that never came up
    takes its empty log groups back down with it.

    Parameters
    ----------
    scope, construct_id
        Where it stands in the construct tree.
    retention_days
        How long events are kept; one of the values that CloudWatch Logs takes.
    name
        The group's name. Without one CloudFormation generates it, so that a stack that is created again does
        not collide with the log group that the former one left.

    Returns
    -------
    logs.LogGroup
        The log group.
    """
    group = logs.LogGroup(
        scope, construct_id, log_group_name=name, removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    )
    # The L2 construct takes a name like ONE_YEAR; the setting is CloudWatch's own number.
    cast(logs.CfnLogGroup, group.node.default_child).retention_in_days = retention_days
    acknowledge(
        group,
        "CloudWatchLogGroupEncrypted",
        "CloudWatch Logs encrypts it with a key of its own; the logs hold ids, states and dates, and with a "
        "key of the account's that is deleted the evidence would be gone.",
        pack=NIST,
    )
    return group
