"""Findings of cdk-nag that are looked at and accepted, each with the reason, on the construct that has it."""

from typing import cast

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct

AWS_SOLUTIONS = "AwsSolutions"
NIST = "NIST.800.53.R5"


def acknowledge(construct: IConstruct, finding: str, reason: str, *, pack: str = AWS_SOLUTIONS) -> None:
    """Accept one finding on one construct.

    Parameters
    ----------
    construct
        The construct that has the finding, or its parent.
    finding
        The finding as cdk-nag reports it, ``IAM5[Resource::*]`` for example.
    reason
        Why this is right, in a sentence that an auditor can check.
    pack
        The rules that the finding is of.
    """
    Validations.of(construct).acknowledge(Acknowledgment(id=f"{pack}-{finding}", reason=reason))


def acknowledge_inline_policies(role: IConstruct) -> None:
    """Accept that a role's policies are written into it, as those of every role here are.

    Parameters
    ----------
    role
        The role.
    """
    acknowledge(
        role,
        "IAMNoInlinePolicy",
        "The policies name the resources of this one role's one user, so nothing else could share them, and they are "
        "reviewed and deleted together with it.",
        pack=NIST,
    )


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
    resource = cast(lambda_.CfnFunction, function.node.default_child)
    return f"<{Stack.of(function).get_logical_id(resource)}.Arn>"
