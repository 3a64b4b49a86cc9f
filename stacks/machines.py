"""The state machines of the product, with their definitions, names and ARNs.

An ARN is built from the name, not read from the resource: functions need the ARNs of state machines and executions,
and a state machine needs the ARNs of its functions, which would be a circular dependency.
"""

from dataclasses import dataclass
from pathlib import Path

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam

from stacks.functions import Access
from stacks.locked_packages import ROOT


@dataclass(frozen=True)
class Machine:
    """One state machine.

    Attributes
    ----------
    definition
        The file with the definition.
    released
        The functions that its releases have called. An execution that waits still calls them, up to a year later: a
        synth without one of them is refused. See ``docs/releasing.md``.
    suffix
        The part of its name after the stack's name.
    """

    definition: Path
    released: frozenset[str]
    suffix: str = ""

    def render_name(self, stack: Stack) -> str:
        """Return its name."""
        return stack.stack_name + self.suffix

    def render_arn(self, stack: Stack) -> str:
        """Return its ARN, built from its name."""
        return stack.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=self.render_name(stack),
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    def allow_answer_tasks(self, stack: Stack) -> Access:
        """Let a function end the waits of executions, by the tokens in their records.

        IAM evaluates the ARN of the state machine whose execution waits with the token. AWS documents no resource for
        this action; ``docs/threats.md`` has the evidence, and what to do in an account that denies it.

        Parameters
        ----------
        stack
            The stack of the state machine.

        Returns
        -------
        Access
            For the function's specification. It needs no variable: records contain the tokens.
        """
        return Access(
            "Decision",
            iam.PolicyStatement(actions=["states:SendTaskSuccess"], resources=[self.render_arn(stack)]),
        )

    def allow_describe_executions(self, stack: Stack) -> Access:
        """Let a function read the state of each execution.

        Parameters
        ----------
        stack
            The stack of the state machine.

        Returns
        -------
        Access
            For the function's specification. It needs no variable: records and events contain execution ARNs.
        """
        arn = stack.format_arn(
            service="states",
            resource="execution",
            resource_name=f"{self.render_name(stack)}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        arn_in_finding = (
            f"arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:{self.render_name(stack)}:*"
        )
        return Access(
            "Executions",
            iam.PolicyStatement(actions=["states:DescribeExecution"], resources=[arn]),
            acknowledged={
                f"IAM5[Resource::{arn_in_finding}]": "The wildcard stands for the executions of this state machine, "
                "which nobody can list beforehand; they are described, never started or stopped.",
            },
        )


_DEFINITIONS = ROOT / "statemachine"

OFFBOARDING = Machine(
    _DEFINITIONS / "offboarding.asl.json",
    released=frozenset(
        {
            "ResolveEntity",
            "CheckOrganization",
            "PlanOffboarding",
            "RecordOffboarding",
            "WaitForDate",
            "AwaitApproval",
            "StartExport",
            "CheckExport",
            "DeregisterEntity",
            "VerifyCleanup",
        }
    ),
)
APPROVAL = Machine(
    _DEFINITIONS / "approval.asl.json",
    released=frozenset({"DecideApproval"}),
    suffix="-approval",
)
RESTORE = Machine(
    _DEFINITIONS / "restore.asl.json",
    released=frozenset({"RegisterEntity", "RestoreAliasesAndGroups"}),
    suffix="-restore",
)
