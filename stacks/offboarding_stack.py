"""The one stack: the state machines with their functions, what these share, and what identity providers start."""

from aws_cdk import Annotations, Aws, CfnOutput, CfnRule, CfnRuleAssertion, Fn, Stack
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.approvals import Approvals
from stacks.function_tables import FunctionTables
from stacks.functions import build_functions, function_code
from stacks.intake import Intake
from stacks.machines import APPROVAL, OFFBOARDING, RESTORE
from stacks.policy import Policy
from stacks.records import Records
from stacks.settings import EXAMPLE_ORGANIZATION_ID, WORKMAIL_REGIONS, Settings
from stacks.status_changes import StatusChanges
from stacks.workflow import Workflow


class OffboardingStack(Stack):
    """Everything that is deployed, in whatever account and Region the CDK CLI points at.

    It is protected against deletion: its executions wait for weeks, and deleting it would end all of them
    between the deregistering and the evidence.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Offboards Amazon WorkMail users, groups and resources, and proves how it ended",
            termination_protection=True,
        )
        code = function_code()
        records = Records(self, "Records")
        approvals = Approvals(self, "Approvals", emails=settings.approval_emails)
        policy = Policy(self, "Policy", settings=settings)
        tables = FunctionTables(self, settings, records=records, policy=policy, approvals=approvals)
        offboarding, approval, restore = (
            Workflow(
                self,
                construct_id,
                machine=machine,
                functions=build_functions(self, specs, settings, code),
                log_retention_days=settings.log_retention_days,
            ).state_machine
            for construct_id, machine, specs in (
                ("Offboarding", OFFBOARDING, tables.offboarding()),
                ("Approval", APPROVAL, tables.approval()),
                ("Restore", RESTORE, tables.restore()),
            )
        )
        changes = StatusChanges(
            self, "StatusChanges", state_machine=offboarding, records=records, code=code, settings=settings
        )
        self._tell_of_machines(offboarding, approval, restore)
        self._tell_of_records(records, approvals, changes)
        if settings.identity_providers.any_configured:
            self._tell_of_intake(Intake(self, "Intake", state_machine=offboarding, code=code, settings=settings))
        if settings.workmail_region is None:
            self._refuse_other_regions()
        self._warn_of_the_example(settings)

    def _tell_of_machines(
        self, offboarding: sfn.StateMachine, approval: sfn.StateMachine, restore: sfn.StateMachine
    ) -> None:
        self._tell(
            "StateMachineArn",
            "Start an execution of this state machine to offboard an entity",
            offboarding.state_machine_arn,
        )
        self._tell(
            "ApprovalStateMachineArn",
            "Start an execution of this state machine to approve or reject an offboarding that waits for it",
            approval.state_machine_arn,
        )
        self._tell(
            "RestoreStateMachineArn",
            "Start an execution of this state machine to take an offboarding back",
            restore.state_machine_arn,
        )

    def _tell_of_records(self, records: Records, approvals: Approvals, changes: StatusChanges) -> None:
        self._tell(
            "RecordsTableName",
            "One item per offboarding: who asked, the entity as it was, and what became of it",
            records.table.table_name,
        )
        self._tell(
            "ApprovalTopicArn", "Subscribe to hear of offboardings that wait for an approval", approvals.topic.topic_arn
        )
        self._tell(
            "StatusChangeDeadLetterQueueUrl",
            "Ends of executions that could not be written into the records",
            changes.events.dead_letter_queue.queue_url,
        )
        self._tell(
            "UndeliveredStatusChangeQueueUrl",
            "Ends of executions that EventBridge could not put into their queue",
            changes.events.undelivered_queue.queue_url,
        )

    def _tell_of_intake(self, intake: Intake) -> None:
        self._tell(
            "EventSourceMappingId",
            "Disable this event source mapping to pause: events wait in their queue for 14 days",
            intake.mapping.event_source_mapping_id,
        )
        self._tell("EventQueueUrl", "Identity providers' events that wait to be read", intake.events.queue.queue_url)
        self._tell(
            "EventDeadLetterQueueUrl",
            "Events that nobody could act on: refused ones carry the reason",
            intake.events.dead_letter_queue.queue_url,
        )
        self._tell(
            "UndeliveredEventQueueUrl",
            "Events that EventBridge could not put into their queue",
            intake.events.undelivered_queue.queue_url,
        )

    def _tell(self, output: str, description: str, value: str) -> None:
        CfnOutput(self, output, description=description, value=value)

    def _refuse_other_regions(self) -> None:
        """Have CloudFormation refuse a Region without WorkMail before it makes any resource."""
        CfnRule(
            self,
            "WorkMailRegion",
            assertions=[
                CfnRuleAssertion(
                    assert_=Fn.condition_contains([*WORKMAIL_REGIONS], Aws.REGION),
                    assert_description=(
                        f"Amazon WorkMail exists in {', '.join(WORKMAIL_REGIONS)} only: deploy there, or name "
                        "the organizations' Region in offboarding.workmailRegion in cdk.json"
                    ),
                )
            ],
        )

    def _warn_of_the_example(self, settings: Settings) -> None:
        if EXAMPLE_ORGANIZATION_ID in settings.organization_ids:
            Annotations.of(self).add_warning_v2(
                "WorkMailOffboarding:ExampleOrganization",
                f"{EXAMPLE_ORGANIZATION_ID} is the example in cdk.json: put your organization's id into "
                "offboarding.organizations before you deploy",
            )
