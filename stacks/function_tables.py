"""Which functions there are, what each may do, and what each is told: a table for each state machine.

A function is added with one entry. One that was released is not removed or renamed but ``retired``, and keeps its
access: an execution calls the version that was current when it started, a year later if it waited for its date first.
A version goes with its function, and it runs with its function's role: an action that is taken away here is taken away
from every version that still waits to be called. The same goes for the table, the parameter and the topic, which those
versions know by the names that they have now. See ``docs/releasing.md``.
"""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from stacks.approvals import Approvals
from stacks.functions import Access, FunctionSpec
from stacks.machines import APPROVAL, OFFBOARDING
from stacks.policy import Policy
from stacks.records import Records
from stacks.settings import Settings

_DESCRIBE_ONE = ("DescribeUser", "DescribeGroup", "DescribeResource")
_LIST_ALL = ("ListUsers", "ListGroups", "ListResources")


class FunctionTables:
    """The tables, for the facilities of one stack.

    Parameters
    ----------
    stack
        The stack of the state machines.
    settings
        The deployer's settings.
    records, policy, approvals
        What the functions use.
    """

    def __init__(
        self, stack: Stack, settings: Settings, *, records: Records, policy: Policy, approvals: Approvals
    ) -> None:
        self._stack = stack
        self._settings = settings
        self._records = records
        self._policy = policy
        self._approvals = approvals

    def offboarding(self) -> tuple[FunctionSpec, ...]:
        """Return the functions that the offboarding calls, in its order."""
        executions = OFFBOARDING.describing_executions
        return (
            FunctionSpec(
                name="ResolveEntity",
                description="Finds the one user, group or resource that the request means",
                workmail_actions=("DescribeEntity", *_DESCRIBE_ONE, *_LIST_ALL),
                environment=self._service_end,
            ),
            FunctionSpec(
                name="CheckOrganization",
                description="Makes sure that the WorkMail organization exists and is active",
                workmail_actions=("DescribeOrganization",),
            ),
            FunctionSpec(
                name="PlanOffboarding",
                description="Says what would be done, refused or need an approval, without doing any of it",
                workmail_actions=("ListAliases",),
                environment=self._retention_rules,
                access=(self._records.access("GetItem"), self._policy.access(), executions(self._stack)),
            ),
            FunctionSpec(
                name="RecordOffboarding",
                description="Writes down the entity as it is, unless another offboarding of it is live",
                workmail_actions=("ListAliases", "ListGroupsForEntity", "GetMailboxDetails"),
                access=(
                    self._records.access("GetItem", "UpdateItem"),
                    self._policy.access(),
                    executions(self._stack),
                ),
            ),
            FunctionSpec(
                name="AwaitApproval",
                description="Asks people whether the offboarding may go on",
                environment={"APPROVAL_STATE_MACHINE_ARN": APPROVAL.arn(self._stack)},
                access=(self._records.access("UpdateItem"), *self._approvals.access()),
            ),
            FunctionSpec(
                name="DeregisterEntity",
                description="Disables the entity and says from when on its mailbox is gone",
                workmail_actions=("DeregisterFromWorkMail", *_DESCRIBE_ONE),
                environment=self._retention_rules,
                access=(self._records.access("GetItem", "UpdateItem"), self._policy.access()),
            ),
            FunctionSpec(
                name="VerifyCleanup",
                description="Looks for evidence that the mailbox is gone",
                workmail_actions=(*_DESCRIBE_ONE, *_LIST_ALL, "GetMailboxDetails"),
                access=(self._records.access("UpdateItem"),),
            ),
        )

    def approval(self) -> tuple[FunctionSpec, ...]:
        """Return the function that an approval calls."""
        return (
            FunctionSpec(
                name="DecideApproval",
                description="Tells an offboarding that waits for it what a person has decided",
                access=(
                    self._records.access("GetItem", "UpdateItem"),
                    Access(
                        "Decision",
                        iam.PolicyStatement(actions=["states:SendTaskSuccess"], resources=["*"]),
                        acknowledged={
                            "IAM5[Resource::*]": "SendTaskSuccess has no resources to name: it takes a task token, and "
                            "this function reads the tokens of its own stack's records only.",
                        },
                    ),
                ),
            ),
        )

    def restore(self) -> tuple[FunctionSpec, ...]:
        """Return the functions that a restore calls, in its order."""
        return (
            FunctionSpec(
                name="RegisterEntity",
                description="Registers the entity again with the address that was recorded",
                workmail_actions=("RegisterToWorkMail", "DescribeEntity", *_DESCRIBE_ONE, *_LIST_ALL),
                environment={"RETENTION_DAYS": str(self._settings.retention_days)},
                access=(
                    self._records.access("GetItem", "UpdateItem"),
                    # It takes a name or an address too, which is looked for among the records.
                    self._records.access_to_window(),
                    OFFBOARDING.describing_executions(self._stack),
                ),
            ),
            FunctionSpec(
                name="RestoreAliasesAndGroups",
                description="Puts back the aliases and the group memberships that were recorded and are gone",
                workmail_actions=(
                    *("CreateAlias", "AssociateMemberToGroup", "ListAliases", "ListGroupsForEntity"),
                    *("DescribeEntity", *_DESCRIBE_ONE),
                ),
                access=(self._records.access("GetItem", "UpdateItem"),),
            ),
        )

    @property
    def _service_end(self) -> dict[str, str]:
        return {"SERVICE_ENDS_ON": self._settings.service_ends_on.isoformat()}

    @property
    def _retention_rules(self) -> dict[str, str]:
        return {
            "RETENTION_DAYS": str(self._settings.retention_days),
            "VERIFICATION_SLACK_HOURS": str(self._settings.verification_slack_hours),
            "OVERDUE_DAYS": str(self._settings.overdue_days),
            **self._service_end,
        }
