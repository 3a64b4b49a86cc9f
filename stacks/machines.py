"""The state machines: which there are, and which ARNs they are going to have.

The ARNs are made of names. The functions are told of state machines and executions, and a state machine is made
of its functions: neither could be made first if one had to wait for the other's ARN.
"""

from dataclasses import dataclass
from pathlib import Path

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam

from stacks.functions import Access
from stacks.packaging import ROOT


@dataclass(frozen=True)
class Machine:
    """One state machine.

    Attributes
    ----------
    definition
        The file that people read.
    released
        The functions that its releases have called. An execution calls them for as long as it waits, which can be a
        year: a synth without one of them is refused. See ``docs/releasing.md``.
    suffix
        What its name has after the stack's.
    """

    definition: Path
    released: frozenset[str]
    suffix: str = ""

    def name(self, stack: Stack) -> str:
        """Return its name."""
        return stack.stack_name + self.suffix

    def arn(self, stack: Stack) -> str:
        """Return its ARN, made of its name."""
        return stack.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=self.name(stack),
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    def describing_executions(self, stack: Stack) -> Access:
        """Let a function ask what became of any of its executions.

        Parameters
        ----------
        stack
            The stack of the state machine.

        Returns
        -------
        Access
            For the function's specification. It is told nothing: records and events name executions.
        """
        arn = stack.format_arn(
            service="states",
            resource="execution",
            resource_name=f"{self.name(stack)}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        spelled = f"arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:{self.name(stack)}:*"
        return Access(
            "Executions",
            iam.PolicyStatement(actions=["states:DescribeExecution"], resources=[arn]),
            acknowledged={
                f"IAM5[Resource::{spelled}]": "The wildcard stands for the executions of this one state machine, which "
                "nobody can list beforehand; they are described, never started or stopped.",
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
            "AwaitApproval",
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
