"""The policy parameter: the protected entities, the required approvals and the daily cap.

It is a parameter because the environment of a function is fixed with its version. An execution calls the versions that
were current when it started, and can wait for a year. An entity that becomes protected meanwhile must be safe from it.
"""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from stacks.functions import Access
from stacks.settings import Settings


class PolicyParameter(Construct):
    """The parameter that the functions read before they act.

    Attributes
    ----------
    parameter
        Its value is the settings' policy, as JSON.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.parameter = ssm.StringParameter(
            self,
            "Parameter",
            description="Protected entities, required approvals and the daily cap, from cdk.json; do not edit it here",
            string_value=settings.policy,
            # An advanced parameter (above 4 KB) cannot become a standard one again: the deployment would fail.
            tier=ssm.ParameterTier.INTELLIGENT_TIERING,
        )

    def allow_read(self) -> Access:
        """Let a function read the parameter.

        Returns
        -------
        Access
            For the function's specification.
        """
        return Access(
            "Policy",
            iam.PolicyStatement(actions=["ssm:GetParameter"], resources=[self.parameter.parameter_arn]),
            environment={"POLICY_PARAMETER": self.parameter.parameter_name},
        )
