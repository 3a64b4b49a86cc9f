"""The dashboard: who is in the window, how offboardings go, what waits, what fails, and which alarm rings.

Three dashboards of an account are free. Its name has the Region, because dashboards are global in an account.
"""

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.alarms import Alarms
from stacks.intake import EventIntake
from stacks.metrics import build_metric, build_throttle_metrics
from stacks.notifications import Notifications
from stacks.queries import FAILURES_BY_OUTCOME, WINDOW
from stacks.record_closer import RecordCloser

_SHOWN_DAYS = 7
_FULL_WIDTH = 24
_HALF_WIDTH = 12
_HEIGHT = 7
_STEPS = (
    *("LeaversAccepted", "OffboardingsRecorded", "ApprovalsAskedFor", "EntitiesDeregistered"),
    *("CleanupVerified", "EntitiesRegisteredAgain"),
)
"""What the functions count between the start of an offboarding and its end."""


class Dashboard(Construct):
    """The stack's one dashboard.

    Attributes
    ----------
    dashboard
        It shows a week, unless another time is chosen.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        state_machine: sfn.IStateMachine,
        closer: RecordCloser,
        notifications: Notifications,
        intake: EventIntake | None,
        alarms: Alarms | None,
    ) -> None:
        super().__init__(scope, construct_id)
        queues = {
            **(_list_intake_queues(intake) if intake else {}),
            "ends of executions": closer.events.queue,
            "ends: dead letters": closer.events.dead_letter_queue,
            "ends: undelivered": closer.events.undelivered_queue,
            "notifications": notifications.queue,
            "notifications: dead letters": notifications.dead_letter_queue,
        }
        self.dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=f"{Stack.of(self).stack_name}-{Aws.REGION}",
            default_interval=Duration.days(_SHOWN_DAYS),
            widgets=[
                *([[_show_alarms(alarms)]] if alarms else []),
                [_show_query("In the window at the last sweep, and until when", WINDOW, closer.log_groups[1:])],
                [_show_gauges(self), _show_steps(self, state_machine)],
                [
                    _show_query("Failures by outcome", FAILURES_BY_OUTCOME, closer.log_groups, width=_HALF_WIDTH),
                    _show_failures(state_machine),
                ],
                [_show_visible(queues), _show_age(queues)],
                [_show_workmail(self, state_machine)],
            ],
        )


def _list_intake_queues(intake: EventIntake) -> dict[str, sqs.Queue]:
    return {
        "events": intake.events.queue,
        "events: dead letters": intake.events.dead_letter_queue,
        "events: undelivered": intake.events.undelivered_queue,
    }


def _show_alarms(alarms: Alarms) -> cloudwatch.IWidget:
    return cloudwatch.AlarmStatusWidget(title="Alarms", alarms=[*alarms.alarms], width=_FULL_WIDTH, height=3)


def _show_query(
    title: str, query: str, groups: Sequence[logs.LogGroup], *, width: int = _FULL_WIDTH
) -> cloudwatch.IWidget:
    return cloudwatch.LogQueryWidget(
        title=title,
        log_group_names=[group.log_group_name for group in groups],
        query_string=query,
        width=width,
        height=_HEIGHT,
    )


def _show_gauges(scope: Construct) -> cloudwatch.IWidget:
    """Show what the last sweep has counted."""
    names = {"MailboxesInWindow": "mailboxes in the window", "OldestApprovalDays": "days of the oldest approval"}
    return cloudwatch.SingleValueWidget(
        title="At the last sweep",
        metrics=[
            build_metric(scope, name, period=Duration.hours(12), statistic="Maximum").with_(label=label)
            for name, label in names.items()
        ],
        width=_HALF_WIDTH,
        height=_HEIGHT,
    )


def _show_steps(scope: Construct, state_machine: sfn.IStateMachine) -> cloudwatch.IWidget:
    per_day = Duration.days(1)
    started = state_machine.metric_started(period=per_day, label="executions started")
    return _show_graph(
        "From the start to the verified clean-up, per day",
        [started, *(build_metric(scope, name, period=per_day).with_(label=name) for name in _STEPS)],
    )


def _show_failures(state_machine: sfn.IStateMachine) -> cloudwatch.IWidget:
    per_hour = Duration.hours(1)
    return _show_graph(
        "Executions that failed, timed out or were stopped, per hour",
        [
            state_machine.metric_failed(period=per_hour, label="failed"),
            state_machine.metric_timed_out(period=per_hour, label="timed out"),
            state_machine.metric_aborted(period=per_hour, label="stopped"),
        ],
    )


def _show_visible(queues: Mapping[str, sqs.Queue]) -> cloudwatch.IWidget:
    return _show_graph(
        "Messages that wait",
        [
            queue.metric_approximate_number_of_messages_visible(statistic="Maximum", label=label)
            for label, queue in queues.items()
        ],
    )


def _show_age(queues: Mapping[str, sqs.Queue]) -> cloudwatch.IWidget:
    return _show_graph(
        "Age of the oldest message, in seconds",
        [
            queue.metric_approximate_age_of_oldest_message(statistic="Maximum", label=label)
            for label, queue in queues.items()
        ],
    )


def _show_workmail(scope: Construct, state_machine: sfn.IStateMachine) -> cloudwatch.IWidget:
    functions, machine, workmail = build_throttle_metrics(scope, state_machine)
    return _show_graph(
        "Errors of WorkMail, and what is throttled",
        [
            build_metric(scope, "WorkMailErrors").with_(label="errors of WorkMail"),
            workmail.with_(label="throttled by WorkMail"),
            machine.with_(label="throttled by Step Functions"),
            functions.with_(label="throttled by Lambda, in the whole account"),
        ],
        width=_FULL_WIDTH,
    )


def _show_graph(
    title: str, metrics: Sequence[cloudwatch.IMetric], *, width: int = _HALF_WIDTH
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=[*metrics], width=width, height=_HEIGHT)
