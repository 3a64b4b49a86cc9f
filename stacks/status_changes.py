"""How an offboarding that ended without a word is closed in the records: stopped by hand, timed out, or failed.

Step Functions tells EventBridge how each execution ends. Its own states write the record too, but an execution
that is stopped runs no further state. AWS delivers these events on a best-effort basis.
"""

from aws_cdk import Duration, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.event_queue import EventQueue, EventRule
from stacks.functions import TIMEOUT_SECONDS, FunctionSpec, OffboardingFunction
from stacks.machines import OFFBOARDING
from stacks.records import Records
from stacks.settings import Settings

_MAX_CONCURRENCY = 2
"""The least that Lambda takes: hundreds of executions stopped at once must not use up what DescribeExecution allows."""


_DELAY = Duration.seconds(3 * TIMEOUT_SECONDS)
"""A stopped execution's function runs on to its own end, and may still write the record; and what Step Functions says
of an execution can be behind by some seconds."""


class StatusChanges(Construct):
    """From the ends of the state machine's executions to the records.

    Attributes
    ----------
    events
        Where the ends wait to be recorded.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        state_machine: sfn.IStateMachine,
        records: Records,
        code: lambda_.Code,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        self.events = EventQueue(self, [_execution_ended(state_machine)], delay=_DELAY)
        spec = FunctionSpec(
            name="CloseRecord",
            description="Closes the record of an offboarding whose execution has ended",
            access=(
                records.access("GetItem", "UpdateItem"),
                OFFBOARDING.describing_executions(Stack.of(self)),
                self.events.reading(),
            ),
        )
        closer = OffboardingFunction(self, spec, code=code, settings=settings)
        self.events.build_mapping(closer.function, max_concurrency=_MAX_CONCURRENCY)


def _execution_ended(state_machine: sfn.IStateMachine) -> EventRule:
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [state_machine.state_machine_arn],
            "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
        },
    }
    return EventRule("ExecutionEnded", "Offboardings whose execution has ended, however it did", pattern)
