"""Findings of cdk-nag that are looked at and accepted, each with the reason, on the construct that has it."""

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Accept one finding of the AwsSolutions rules on one construct.

    Parameters
    ----------
    construct
        The construct that has the finding, or its parent.
    finding
        The finding as cdk-nag reports it, ``IAM5[Resource::*]`` for example.
    reason
        Why this is right, in a sentence that an auditor can check.
    """
    Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions-{finding}", reason=reason))


def arn_in_findings(function: lambda_.Function) -> str:
    """How cdk-nag spells a function's ARN inside a finding.

    Parameters
    ----------
    function
        A function of the same stack.

    Returns
    -------
    str
        ``<LogicalId.Arn>``.
    """
    resource = function.node.default_child
    assert isinstance(resource, lambda_.CfnFunction)  # noqa: S101
    return f"<{Stack.of(function).get_logical_id(resource)}.Arn>"
