"""The one stack: the state machines with their functions, the resources that they share, and the event intake."""

from aws_cdk import Annotations, Aws, CfnOutput, CfnRule, CfnRuleAssertion, Fn, Stack
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.alarms import Alarms
from stacks.archives import Archives
from stacks.dashboard import Dashboard
from stacks.erasure import Erasure
from stacks.function_tables import FunctionTables
from stacks.functions import build_functions, package_code, workmail_region
from stacks.intake import EventIntake
from stacks.machines import APPROVAL, OFFBOARDING, RESTORE
from stacks.notifications import Notifications
from stacks.parameters import SettingsParameters
from stacks.queries import SavedQueries
from stacks.record_closer import RecordCloser
from stacks.records_table import RecordsTable
from stacks.settings import WORKMAIL_REGIONS, Settings
from stacks.workflow import Workflow

_MAX_INDENTED_ORGANIZATIONS = 20

Outputs = dict[str, tuple[str, str]]
"""By the name of a stack's output: its description and its value."""


class OffboardingStack(Stack):
    """Everything that is deployed, in the account and Region of the CDK CLI.

    It is protected against deletion: its executions wait for weeks. Deletion would end them after an entity was
    deregistered and before its clean-up is verified.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.stack_name,
            description="Offboards Amazon WorkMail users, groups and resources, and proves how it ended",
            termination_protection=True,
            # CloudFormation accepts 1 MB; the lists of 60 organizations take half of it.
            suppress_template_indentation=len(settings.organizations) > _MAX_INDENTED_ORGANIZATIONS,
        )
        code = package_code(self)
        records = RecordsTable(self, "Records", retention_days=settings.record_retention_days)
        policies = SettingsParameters(
            self,
            "Organizations",
            name="organizations",
            values=settings.render_policies(),
            description="Protected entities, required approvals and the caps",
        )
        archives = Archives(self, "Archives", settings=settings) if settings.export.is_enabled else None
        tables = FunctionTables(self, settings, records=records, policies=policies, archives=archives)
        offboarding, approval, restore = (
            Workflow(
                self,
                construct_id,
                machine=machine,
                functions=build_functions(self, specs, settings, code),
                log_retention_days=settings.log_retention_days,
            ).state_machine
            for construct_id, machine, specs in (
                ("Offboarding", OFFBOARDING, tables.list_offboarding()),
                ("Approval", APPROVAL, tables.list_approval()),
                ("Restore", RESTORE, tables.list_restore()),
            )
        )
        closer = RecordCloser(
            self, "StatusChanges", state_machine=offboarding, records=records, code=code, settings=settings
        )
        notifications = Notifications(self, "Notifications", records=records, code=code, settings=settings)
        self._add_outputs(_list_machine_outputs(offboarding, approval, restore))
        self._add_outputs(_list_workmail_outputs(settings))
        erasure = Erasure(self, "Erasure", records=records, code=code, settings=settings)
        self._add_outputs(_list_record_outputs(records, closer))
        self._add_outputs(_list_erasure_outputs(erasure))
        self._add_outputs(_list_notification_outputs(notifications))
        if archives:
            self._add_outputs(_list_archive_outputs(archives))
        intake = None
        if settings.identity_providers.has_provider:
            intake = EventIntake(
                self, "Intake", state_machine=offboarding, records=records, code=code, settings=settings
            )
            self._add_outputs(_list_intake_outputs(intake))
        self._observe(offboarding, closer, notifications, intake, settings)
        if settings.workmail_region is None:
            self._refuse_other_regions()
        self._warn_about_subscribers(settings)

    def _observe(
        self,
        offboarding: sfn.StateMachine,
        closer: RecordCloser,
        notifications: Notifications,
        intake: EventIntake | None,
        settings: Settings,
    ) -> None:
        """Build the alarms if they are wanted, the dashboard, and the saved queries."""
        alarms = None
        if notifications.alarm_topic:
            alarms = Alarms(
                self,
                "Alarms",
                state_machine=offboarding,
                closer=closer,
                notifications=notifications,
                alarm_topic=notifications.alarm_topic,
                intake=intake,
                settings=settings,
            )
        dashboard = Dashboard(
            self,
            "Dashboard",
            state_machine=offboarding,
            closer=closer,
            notifications=notifications,
            intake=intake,
            alarms=alarms,
        )
        SavedQueries(self, "Queries", closer=closer)
        name = "The dashboard in CloudWatch: who is in the window, what waits, what fails, and which alarm rings"
        self._add_outputs({"DashboardName": (name, dashboard.dashboard.dashboard_name)})

    def _add_outputs(self, outputs: Outputs) -> None:
        for name, (description, value) in outputs.items():
            CfnOutput(self, name, description=description, value=value)

    def _refuse_other_regions(self) -> None:
        """Have CloudFormation refuse a Region without WorkMail before it creates any resource."""
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

    def _warn_about_subscribers(self, settings: Settings) -> None:
        if settings.identity_providers.has_provider and not settings.notification_emails:
            Annotations.of(self).add_warning_v2(
                "WorkMailOffboarding:NoSubscribers",
                "no mail tells anybody about what identity providers start: put addresses into "
                "offboarding.notificationEmails, or subscribe by hand to the topic in the output NotificationTopicArn",
            )


def _list_machine_outputs(
    offboarding: sfn.StateMachine, approval: sfn.StateMachine, restore: sfn.StateMachine
) -> Outputs:
    return {
        "StateMachineArn": (
            "Start an execution of this state machine to offboard an entity",
            offboarding.state_machine_arn,
        ),
        "ApprovalStateMachineArn": (
            "Start an execution of this state machine to approve or reject an offboarding that waits for it",
            approval.state_machine_arn,
        ),
        "RestoreStateMachineArn": (
            "Start an execution of this state machine to take an offboarding back",
            restore.state_machine_arn,
        ),
    }


def _list_workmail_outputs(settings: Settings) -> Outputs:
    return {
        "OrganizationsRegion": ("The Region of the WorkMail organizations", workmail_region(settings)),
        "WorkMailEndsOn": (
            "The day on which Amazon WorkMail ends: then nothing can be given back, and no clean-up is verified",
            settings.service_ends_on.isoformat(),
        ),
    }


def _list_record_outputs(records: RecordsTable, closer: RecordCloser) -> Outputs:
    return {
        "RecordsTableName": (
            "Who asked for each offboarding, the entity as it was, and what happened, step by step",
            records.table.table_name,
        ),
        "StatusChangeDeadLetterQueueUrl": (
            "Ends and starters of executions that could not be written into the records",
            closer.events.dead_letter_queue.queue_url,
        ),
        "UndeliveredStatusChangeQueueUrl": (
            "Ends and starters of executions that EventBridge could not put into their queue",
            closer.events.undelivered_queue.queue_url,
        ),
    }


def _list_archive_outputs(archives: Archives) -> Outputs:
    return {
        "ArchiveBucketName": ("The archives of exported mailboxes", archives.bucket.bucket_name),
        "ArchiveKeyArn": (
            "The key of the archives: who may decrypt with it can read leavers' mail, and without it nobody can",
            archives.key.key_arn,
        ),
    }


def _list_erasure_outputs(erasure: Erasure) -> Outputs:
    return {
        "ErasePersonFunctionName": (
            "Invoke this function to delete everything that the table of records has of one person",
            erasure.function.function_name,
        )
    }


def _list_notification_outputs(notifications: Notifications) -> Outputs:
    return {
        "NotificationTopicArn": (
            "Subscribe to get a mail about approvals that are needed and offboardings that failed",
            notifications.topic.topic_arn,
        ),
        **_list_alarm_outputs(notifications),
        "NotificationQueueUrl": (
            "Changes of alarms, and keys of steps whose event or mail could not be published: they are tried again",
            notifications.queue.queue_url,
        ),
        "NotificationDeadLetterQueueUrl": (
            "What could not be told in all attempts: keys of steps, and changes of alarms",
            notifications.dead_letter_queue.queue_url,
        ),
    }


def _list_alarm_outputs(notifications: Notifications) -> Outputs:
    if notifications.alarm_topic is None:
        return {}
    topic_arn = notifications.alarm_topic.topic_arn
    return {"AlarmTopicArn": ("Subscribe to hear that something could not be told", topic_arn)}


def _list_intake_outputs(intake: EventIntake) -> Outputs:
    return {
        "EventSourceMappingId": (
            "Disable this event source mapping to pause: events wait in their queue for 14 days",
            intake.mapping.event_source_mapping_id,
        ),
        "EventQueueUrl": ("Identity providers' events that wait to be read", intake.events.queue.queue_url),
        "EventDeadLetterQueueUrl": (
            "Events that nobody could act on: refused ones carry the reason",
            intake.events.dead_letter_queue.queue_url,
        ),
        "UndeliveredEventQueueUrl": (
            "Events that EventBridge could not put into their queue",
            intake.events.undelivered_queue.queue_url,
        ),
    }
