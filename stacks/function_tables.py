"""The functions of each state machine, with their permissions and environment variables.

To add a function, add one entry. Do not remove or rename a function that was released: set ``retired``, and keep its
access. An execution calls the versions that were current when it started, up to a year later if it waits for its date.
Deleting a function deletes its versions, and all versions run with the function's role: an action that is removed here
is removed from every version that an execution still calls. The table and the parameters must also keep their names,
because those names are in the environment of the versions. See ``docs/releasing.md``.
"""

from aws_cdk import Stack

from stacks.archives import Archives, render_path_variable
from stacks.functions import Access, FunctionSpec
from stacks.machines import OFFBOARDING
from stacks.parameters import SettingsParameters
from stacks.records_table import RecordsTable
from stacks.settings import Settings

_DESCRIBE_ACTIONS = ("DescribeUser", "DescribeGroup", "DescribeResource")
_LIST_ACTIONS = ("ListUsers", "ListGroups", "ListResources")


class FunctionTables:
    """The tables of one stack.

    Parameters
    ----------
    stack
        The stack of the state machines.
    settings
        The deployer's settings.
    records, policies
        The resources that the functions use.
    archives
        Where mailboxes are exported; None if they are not.
    """

    def __init__(
        self,
        stack: Stack,
        settings: Settings,
        *,
        records: RecordsTable,
        policies: SettingsParameters,
        archives: Archives | None,
    ) -> None:
        self._stack = stack
        self._settings = settings
        self._records = records
        self._archives = archives
        self._write_record = records.allow_actions("UpdateItem", "PutItem")
        self._update_record = records.allow_actions("GetItem", "UpdateItem", "PutItem")
        self._check_and_update_record = records.allow_actions("GetItem", "UpdateItem", "PutItem", "ConditionCheckItem")
        self._list_reports = records.allow_actions("Query", keys=("arn:*",), name="Reports")
        self._read_policy = policies.allow_read_each("POLICIES_PATH")
        self._find_entities = records.allow_actions("Query", keys=("identifier/*",), name="Identifiers")
        self._describe_executions = OFFBOARDING.allow_describe_executions(stack)
        # Without archives the functions may do nothing, and have their variables all the same.
        self._export_variables = {**render_path_variable(stack), **self._write_record.environment}
        self._answer_tasks = OFFBOARDING.allow_answer_tasks(stack)

    def list_offboarding(self) -> tuple[FunctionSpec, ...]:
        """Return the functions that an offboarding calls, in its order."""
        return (
            FunctionSpec(
                name="ResolveEntity",
                description="Resolves the one user, group or resource that the input means",
                workmail_actions=("DescribeEntity", *_DESCRIBE_ACTIONS, *_LIST_ACTIONS),
                environment={**_render_service_end(self._settings), **self._render_requester_rule()},
                # An organization that has no parameter is not one of the settings.
                access=(self._read_policy,),
            ),
            FunctionSpec(
                name="CheckOrganization",
                description="Checks that the organization is active and the entity is not its migration administrator",
                workmail_actions=("DescribeOrganization",),
            ),
            self._describe_plan_offboarding(),
            FunctionSpec(
                name="RecordOffboarding",
                description="Records the entity as it is, unless another execution offboards it",
                workmail_actions=("ListAliases", "ListGroupsForEntity", "GetMailboxDetails", *_DESCRIBE_ACTIONS),
                access=(
                    # Each cap requires that the oldest slot is a day old, and does not change it.
                    self._check_and_update_record,
                    # An execution can stand for more reports than its own.
                    self._list_reports,
                    self._read_policy,
                    self._describe_executions,
                ),
            ),
            FunctionSpec(
                name="WaitForDate",
                description="Records how the wait for the date of an offboarding can be ended",
                access=(self._records.allow_actions("UpdateItem"),),
            ),
            FunctionSpec(
                name="AwaitApproval",
                description="Requests an approval of the offboarding",
                access=(self._write_record,),
            ),
            self._describe_start_export(),
            self._describe_check_export(),
            self._describe_deregister_entity(),
            FunctionSpec(
                name="VerifyCleanup",
                description="Verifies by WorkMail's answers that the mailbox is gone",
                workmail_actions=(*_DESCRIBE_ACTIONS, *_LIST_ACTIONS, "GetMailboxDetails"),
                access=(self._write_record,),
            ),
        )

    def _describe_plan_offboarding(self) -> FunctionSpec:
        archives = self._archives
        return FunctionSpec(
            name="PlanOffboarding",
            description="Reports what an offboarding would do, and what would stop it, and changes nothing",
            workmail_actions=(
                *("ListAliases", "ListGroupsForEntity", "ListGroupMembers", "ListMailboxPermissions"),
                *_DESCRIBE_ACTIONS,
                *(("GetMailboxDetails", "ListMailboxExportJobs") if archives else ()),
            ),
            environment={**render_retention_rules(self._settings), **render_path_variable(self._stack)},
            access=(
                self._records.allow_actions("GetItem"),
                self._read_policy,
                self._describe_executions,
                *((archives.allow_read_settings(),) if archives else ()),
            ),
        )

    def _describe_deregister_entity(self) -> FunctionSpec:
        return FunctionSpec(
            name="DeregisterEntity",
            description="Deregisters the entity and works out when its mailbox is removed",
            workmail_actions=("DeregisterFromWorkMail", *_DESCRIBE_ACTIONS, *_LIST_ACTIONS, "ListAliases"),
            environment=render_retention_rules(self._settings),
            access=(
                # An attempt requires that the leaver is still reported as away, and does not change that.
                self._check_and_update_record,
                self._list_reports,
                self._answer_tasks,
                self._describe_executions,
                self._read_policy,
            ),
        )

    def _describe_start_export(self) -> FunctionSpec:
        archives = self._archives
        return FunctionSpec(
            name="StartExport",
            description="Has WorkMail export the mailbox, as soon as a slot for that is free",
            workmail_actions=("StartMailboxExportJob", "ListMailboxExportJobs", "CancelMailboxExportJob")
            if archives
            else (),
            environment={"RETENTION_DAYS": str(self._settings.retention_days), **self._export_variables},
            access=(*self._list_export_access(archives), archives.allow_pass_roles()) if archives else (),
        )

    def _describe_check_export(self) -> FunctionSpec:
        archives = self._archives
        workmail_actions = ("DescribeMailboxExportJob", "ListMailboxExportJobs", "CancelMailboxExportJob")
        entity_actions = ("DescribeUser", "DescribeResource", "ListUsers", "ListResources")
        return FunctionSpec(
            name="CheckExport",
            description="Looks at the export of the mailbox, and verifies the archive",
            workmail_actions=(*workmail_actions, *entity_actions) if archives else (),
            environment={**self._export_variables, **self._read_policy.environment},
            access=(
                *self._list_export_access(archives),
                self._read_policy,
                *archives.list_verification_access(),
            )
            if archives
            else (),
        )

    def _list_export_access(self, archives: Archives) -> tuple[Access, ...]:
        return (
            self._update_record,
            # An execution can stand for more reports than its own.
            self._list_reports,
            self._records.allow_actions("Query", keys=("export/*",), name="Slots"),
            archives.allow_read_settings(),
        )

    def list_approval(self) -> tuple[FunctionSpec, ...]:
        """Return the function that an approval calls."""
        return (
            FunctionSpec(
                name="DecideApproval",
                description="Sends a person's decision to the offboarding that waits for it",
                environment=self._render_two_people_rule(),
                access=(
                    self._update_record,
                    # Different names and addresses can belong to one person.
                    self._find_entities,
                    self._describe_executions,
                    self._answer_tasks,
                ),
            ),
        )

    def list_restore(self) -> tuple[FunctionSpec, ...]:
        """Return the functions that a restore calls, in its order."""
        return (
            FunctionSpec(
                name="RegisterEntity",
                description="Registers the entity again with the address that was recorded",
                workmail_actions=("RegisterToWorkMail", "DescribeEntity", *_DESCRIBE_ACTIONS, *_LIST_ACTIONS),
                environment={"RETENTION_DAYS": str(self._settings.retention_days), **self._render_requester_rule()},
                access=(
                    # The request can contain a name or an address, which leads to the entities that have or had it.
                    self._records.allow_actions("GetItem", "UpdateItem", "PutItem", "Query"),
                    self._describe_executions,
                    self._read_policy,
                ),
            ),
            FunctionSpec(
                name="RestoreAliasesAndGroups",
                description="Puts back the recorded aliases and group memberships that are missing",
                workmail_actions=(
                    *("CreateAlias", "AssociateMemberToGroup", "ListAliases", "ListGroupsForEntity"),
                    *("DescribeEntity", *_DESCRIBE_ACTIONS),
                ),
                access=(self._update_record,),
            ),
        )

    def _render_requester_rule(self) -> dict[str, str]:
        return {"REQUIRE_REQUESTED_BY": _render_flag(self._settings.require_requested_by)}

    def _render_two_people_rule(self) -> dict[str, str]:
        two_people = self._settings.two_people
        return {
            "TWO_PEOPLE_FOR_APPROVAL_REQUIRED": _render_flag(two_people.approval_required),
            "TWO_PEOPLE_FOR_DAILY_CAP": _render_flag(two_people.daily_cap),
            "TWO_PEOPLE_FOR_HAND_CAP": _render_flag(two_people.hand_cap),
        }


def render_retention_rules(settings: Settings) -> dict[str, str]:
    """Return the variables by which the dates of an offboarding are worked out."""
    return {
        "RETENTION_DAYS": str(settings.retention_days),
        "VERIFICATION_SLACK_HOURS": str(settings.verification_slack_hours),
        "OVERDUE_DAYS": str(settings.overdue_days),
        **_render_service_end(settings),
    }


def _render_flag(flag: bool) -> str:
    return "true" if flag else "false"


def _render_service_end(settings: Settings) -> dict[str, str]:
    return {"SERVICE_ENDS_ON": settings.service_ends_on.isoformat()}
