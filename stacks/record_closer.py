"""Closes the records of executions that could not do it: stopped by hand, timed out, or failed.

Step Functions sends an event to EventBridge when an execution ends. The states of an execution write the record too,
but an execution that is stopped runs no further state. AWS delivers these events on a best-effort basis.
"""

from aws_cdk import Duration, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.event_queue import EventQueue, EventRule
from stacks.functions import FUNCTION_TIMEOUT_SECONDS, FunctionSpec, OffboardingFunction
from stacks.machines import OFFBOARDING
from stacks.records_table import RecordsTable
from stacks.settings import Settings

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
        self.events = EventQueue(self, [_build_rule(state_machine)], delay=_DELIVERY_DELAY)
        spec = FunctionSpec(
            name="CloseRecord",
            description="Closes the record of an offboarding whose execution has ended",
            access=(
                records.allow_actions("GetItem", "UpdateItem"),
                OFFBOARDING.allow_describe_executions(Stack.of(self)),
                self.events.allow_consume(),
            ),
        )
        closer = OffboardingFunction(self, spec, code=code, settings=settings)
        self.events.build_mapping(closer.function, max_concurrency=_MAX_CONCURRENCY)


def _build_rule(state_machine: sfn.IStateMachine) -> EventRule:
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [state_machine.state_machine_arn],
            "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
        },
    }
    return EventRule("ExecutionEnded", "Executions of offboardings that have ended", pattern)
