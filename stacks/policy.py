"""The policy: who is protected, who needs an approval, and how many a day identity providers may take.

It is a parameter and not a part of the functions' environment. An execution calls the versions that were current
when it started, and can wait for a year; whoever is put on a list meanwhile has to be safe from it.
"""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from stacks.functions import Access
from stacks.settings import Settings


class Policy(Construct):
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
            # Advanced above 4 KB, and no way back from there: to ask for Standard again fails the deployment.
            tier=ssm.ParameterTier.INTELLIGENT_TIERING,
        )

    def access(self) -> Access:
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
