"""The settings that functions read at run time, as parameters of Systems Manager by path.

They are parameters because the environment of a function is fixed with its version, and holds 4 KB. An execution calls
the versions that were current when it started, and can wait for a year. An entity that becomes protected meanwhile must
be safe from it.
"""

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from stacks.functions import Access


def render_path(stack: Stack, name: str) -> str:
    """Return the path of the parameters with a name."""
    return f"/{stack.stack_name}/{name}"


class SettingsParameters(Construct):
    """Parameters below one path.

    Attributes
    ----------
    path
        The path: that of a stack and a name, `/workmail-offboarding/organizations` for example.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, values: Mapping[str, str], description: str
    ) -> None:
        super().__init__(scope, construct_id)
        self._stack = Stack.of(self)
        self.path = render_path(self._stack, name)
        for key, value in values.items():
            ssm.StringParameter(
                self,
                key,
                parameter_name=f"{self.path}/{key}",
                description=f"{description}, from cdk.json; do not edit it here",
                string_value=value,
                # An advanced parameter (above 4 KB) cannot become a standard one again: the deployment would fail.
                tier=ssm.ParameterTier.INTELLIGENT_TIERING,
            )

    def allow_read_each(self, variable: str, *, name: str = "Settings") -> Access:
        """Let a function read one parameter by its name.

        Parameters
        ----------
        variable
            The environment variable that gets the path.
        name
            The name of the policy.

        Returns
        -------
        Access
            For the function's specification.
        """
        return Access(
            name,
            iam.PolicyStatement(actions=["ssm:GetParameter"], resources=[self._format_arn("/*")]),
            environment={variable: self.path},
            acknowledged={
                f"IAM5[Resource::{self._render_arn_in_finding('/*')}]": "The wildcard stands for the organizations of "
                "this stack's settings, each a parameter below this path; they are read, never changed.",
            },
        )

    def allow_read_all(self, variable: str) -> Access:
        """Let a function read all parameters below the path, a page at a time; otherwise as `allow_read_each`."""
        # IAM evaluates the path itself.
        statement = iam.PolicyStatement(actions=["ssm:GetParametersByPath"], resources=[self._format_arn("")])
        return Access("Settings", statement, environment={variable: self.path})

    def _format_arn(self, suffix: str) -> str:
        return self._stack.format_arn(
            service="ssm", resource="parameter", resource_name=self.path.removeprefix("/") + suffix
        )

    def _render_arn_in_finding(self, suffix: str) -> str:
        return f"arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter{self.path}{suffix}"
