"""Closes the records of executions that could not do it: stopped by hand, timed out, or failed.

Step Functions sends an event to EventBridge when an execution ends. The states of an execution write the record too,
but an execution that is stopped runs no further state. AWS delivers these events on a best-effort basis: twice a day a
schedule has the records swept that no event has closed.
"""

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.event_queue import EventQueue, EventRule
from stacks.function_tables import render_retention_rules
from stacks.functions import FUNCTION_TIMEOUT_SECONDS, Access, FunctionSpec, OffboardingFunction
from stacks.machines import OFFBOARDING
from stacks.nag import acknowledge_inline_policies
from stacks.records_table import RecordsTable
from stacks.settings import Settings

_SWEEP_TIMEOUT_SECONDS = 900
"""The longest that Lambda allows: it reads the list of all executions of the last 90 days."""

_MAX_CONCURRENCY = 2
"""The minimum of Lambda: hundreds of executions that are stopped at once must not exhaust DescribeExecution's quota."""

_DELIVERY_DELAY = Duration.seconds(3 * FUNCTION_TIMEOUT_SECONDS)
"""The function of a stopped execution runs to its end, and can still write the record. DescribeExecution can also be
some seconds behind."""


class RecordCloser(Construct):
    """Leads the ends of the state machine's executions to the function that closes records.

    Attributes
    ----------
    events
        The queue of ended executions.
    schedule
        What has the records swept. It runs for the first time when it is created.
    log_groups
        The log groups of the two functions, which name the outcome of each execution: of the closer and of the sweep.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        state_machine: sfn.IStateMachine,
        records: RecordsTable,
        code: lambda_.Code,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        rules = [_build_end_rule(state_machine), _build_start_rule(state_machine)]
        self.events = EventQueue(self, rules, delay=_DELIVERY_DELAY)
        spec = FunctionSpec(
            name="CloseRecord",
            description="Closes the record of an offboarding whose execution has ended",
            access=(
                records.allow_actions("GetItem", "UpdateItem", "PutItem", "Query"),
                OFFBOARDING.allow_describe_executions(Stack.of(self)),
                self.events.allow_consume(),
            ),
        )
        closer = OffboardingFunction(self, spec, code=code, settings=settings)
        self.events.build_mapping(closer.function, max_concurrency=_MAX_CONCURRENCY)
        sweeper = OffboardingFunction(self, _specify_sweeper(self, records, settings), code=code, settings=settings)
        self.schedule = _schedule(self, sweeper.function)
        self.log_groups = (closer.log_group, sweeper.log_group)


def _specify_sweeper(scope: Construct, records: RecordsTable, settings: Settings) -> FunctionSpec:
    stack = Stack.of(scope)
    machine_arn = OFFBOARDING.render_arn(stack)
    return FunctionSpec(
        name="SweepRecords",
        description="Brings the records up to date that no event has closed, and reports what waits, twice a day",
        environment={**render_retention_rules(settings), "STATE_MACHINE_ARN": machine_arn},
        access=(
            records.allow_actions("GetItem", "UpdateItem", "PutItem", "Query"),
            records.allow_query_of_due(),
            OFFBOARDING.allow_describe_executions(stack),
            Access("Ends", iam.PolicyStatement(actions=["states:ListExecutions"], resources=[machine_arn])),
        ),
        timeout_seconds=_SWEEP_TIMEOUT_SECONDS,
        lost_events="EventBridge Scheduler invokes it again twelve hours later, which does what this run has not.",
    )


def _schedule(scope: Construct, function: lambda_.Function) -> scheduler.CfnSchedule:
    """Have EventBridge Scheduler invoke a function twice a day, so that no end is recorded later than after a day."""
    role = iam.Role(
        scope,
        "ScheduleRole",
        description="Lets EventBridge Scheduler invoke the function that sweeps the records",
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
        ),
        inline_policies={
            "Invoke": iam.PolicyDocument(
                statements=[iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn])]
            )
        },
    )
    acknowledge_inline_policies(role)
    return scheduler.CfnSchedule(
        scope,
        "Schedule",
        description="Has the records swept twice a day",
        schedule_expression="rate(12 hours)",
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=scheduler.CfnSchedule.TargetProperty(arn=function.function_arn, role_arn=role.role_arn),
    )


def _build_start_rule(state_machine: sfn.IStateMachine) -> EventRule:
    """Match the calls that start executions, as CloudTrail reports them; without a trail it reports none."""
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["states.amazonaws.com"],
            "eventName": ["StartExecution"],
            "requestParameters": {"stateMachineArn": [state_machine.state_machine_arn]},
        },
    }
    return EventRule("ExecutionStarted", "Who started executions of offboardings, by CloudTrail", pattern)


def _build_end_rule(state_machine: sfn.IStateMachine) -> EventRule:
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [state_machine.state_machine_arn],
            "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
        },
    }
    return EventRule("ExecutionEnded", "Executions of offboardings that have ended", pattern)
