"""Accepts findings of cdk-nag, each with its reason, on the construct that has the finding."""

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
        Why this is acceptable, in a sentence that an auditor can check.
    pack
        The rule pack of the finding.
    """
    Validations.of(construct).acknowledge(Acknowledgment(id=f"{pack}-{finding}", reason=reason))


def acknowledge_inline_policies(role: IConstruct) -> None:
    """Accept that a role has inline policies, as every role in this project has.

    Parameters
    ----------
    role
        The role.
    """
    acknowledge(
        role,
        "IAMNoInlinePolicy",
        "The policies name the resources of this role's only user, and are reviewed and deleted together with the "
        "role.",
        pack=NIST,
    )


def render_arn_in_finding(function: lambda_.Function) -> str:
    """Render a function's ARN in the form that cdk-nag's findings have.

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
