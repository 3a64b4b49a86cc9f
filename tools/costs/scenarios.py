"""Runs one offboarding of each kind on the embedded AWS, and counts what it uses."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from local.cdk.assembly import assembly
from local.defaults import OFFBOARDING, ORGANIZATION_ID
from local.demo.provider_events import make_offboarding_request, put_events
from local.environment import Environment
from local.organization import OrganizationBuilder
from tools.costs.metering import Counts, Meter

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""Early enough for all retentions, one after the other, to end before WorkMail does."""
_RETENTION = timedelta(days=32)
_SETTLING_TIME = timedelta(minutes=5)
"""How long the end of an execution takes to be recorded and told."""
LEAVER = "leaver"

_ORGANIZATIONS = OFFBOARDING["organizations"]
DEFAULT_STACK, PROVIDER_STACK, EXPORT_STACK = "default settings", "with all identity providers", "with exports"
STACKS: Mapping[str, Mapping[str, Any]] = {
    DEFAULT_STACK: {"organizations": _ORGANIZATIONS},
    PROVIDER_STACK: OFFBOARDING,
    EXPORT_STACK: {
        "organizations": _ORGANIZATIONS,
        "export": {"mode": "Required", "mayBeSkipped": True, "lockDays": 30},
    },
}
"""The settings of each stack, by its name."""


class UnexpectedOutcomeError(RuntimeError):
    """A run did not end as its scenario says: what it used says nothing."""


@dataclass(frozen=True)
class Scenario:
    """One offboarding.

    Attributes
    ----------
    name
        What happens, for a person.
    run
        Starts it, and returns the execution if there is one.
    outcome
        What the execution must end as.
    stack
        Its stack, a name in `STACKS`.
    needs_approval
        Whether the leaver is on the list of those that need one.
    """

    name: str
    run: Callable[["Stage"], str | None]
    outcome: str = "CleanupVerified"
    stack: str = DEFAULT_STACK
    needs_approval: bool = False


class Stage:
    """An open environment with what scenarios do in it."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.people = OrganizationBuilder(environment.client("workmail"))

    def start(self, entity: str) -> str:
        """Start an offboarding, and let it settle; return the ARN of its execution."""
        request = {"OrganizationId": ORGANIZATION_ID, "EntityId": entity, "RequestedBy": "Requester"}
        return self.start_by_output("StateMachineArn", request)

    def start_by_output(self, output: str, request: Mapping[str, str]) -> str:
        """Start an execution of the state machine of a stack output, and let it settle; return its ARN."""
        arn = self.environment.start(request, state_machine_arn=self.environment.outputs[output])
        self.environment.clock.settle()
        return arn

    def pass_time(self, time: timedelta) -> None:
        """Let time pass, and everything that is due in it."""
        self.environment.clock.settle()
        self.environment.clock.advance(time)
        self.environment.clock.settle()

    def require_approval(self, entity: str) -> None:
        """Put an entity on the list of those that need an approval, as a deployment does."""
        path = self.environment.function_environment("DeregisterEntity")["POLICIES_PATH"]
        ssm, name = self.environment.client("ssm"), f"{path}/{ORGANIZATION_ID}"
        policy = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        ssm.put_parameter(Name=name, Value=json.dumps({**policy, "ApprovalRequired": [entity]}), Overwrite=True)

    def list_executions(self) -> list[str]:
        """List the executions of offboardings."""
        machine = self.environment.outputs["StateMachineArn"]
        answer = self.environment.client("stepfunctions").list_executions(stateMachineArn=machine)
        return [execution["executionArn"] for execution in answer["executions"]]


def _offboard(stage: Stage) -> str:
    return stage.start(LEAVER)


def _approve(stage: Stage) -> str:
    arn = stage.start(LEAVER)
    decision = {"Decision": "Approved", "DecidedBy": "Approver", "Reason": "known"}
    stage.start_by_output("ApprovalStateMachineArn", {"ExecutionArn": arn, **decision})
    return arn


def _request_by_event(stage: Stage) -> str:
    request = make_offboarding_request("r-1", stage.people.address(LEAVER), "Requester")
    put_events([request], stage.environment.client("events"))
    stage.environment.clock.settle()
    [arn] = stage.list_executions()
    return arn


def _restore(stage: Stage) -> str:
    arn = stage.start(LEAVER)
    stage.pass_time(timedelta(days=5))
    stage.start_by_output("RestoreStateMachineArn", {"ExecutionArn": arn, "RequestedBy": "Requester", "Reason": "back"})
    return arn


def _fail(stage: Stage) -> str:
    return stage.start("nobody")


def _sweep(stage: Stage) -> None:
    environment = stage.environment
    functions = environment.client("lambda").list_functions()["Functions"]
    [name] = [function["FunctionName"] for function in functions if function["Handler"] == "sweep_records.handler"]
    environment.client("lambda").invoke(FunctionName=name, Payload="{}")


SWEEP = Scenario("a sweep", _sweep)
HAPPY = Scenario("by hand", _offboard)
FURTHER_SCENARIOS = (
    Scenario("with an approval", _approve, needs_approval=True),
    Scenario("by an identity provider's event", _request_by_event, stack=PROVIDER_STACK),
    Scenario("with an export", _offboard, stack=EXPORT_STACK),
    Scenario("restored after five days", _restore, "Reenabled"),
    Scenario("failed at once", _fail, "EntityNotFound"),
)


def run_scenarios(*scenarios: Scenario) -> dict[str, Counts]:
    """Run scenarios of the same stack, one after the other in one environment.

    Returns
    -------
    dict[str, Counts]
        By a scenario's name: what it used.

    Raises
    ------
    UnexpectedOutcomeError
        A run ended otherwise.
    """
    with Environment(assembly(STACKS[scenarios[0].stack]), now=START) as environment, Meter(environment) as meter:
        stage = Stage(environment)
        stage.people.create_user(LEAVER)
        return {scenario.name: _run(scenario, stage, meter) for scenario in scenarios}


def _run(scenario: Scenario, stage: Stage, meter: Meter) -> Counts:
    if scenario.needs_approval:
        stage.require_approval(LEAVER)
    with meter.count() as counts:
        arn = scenario.run(stage)
        stage.pass_time(_SETTLING_TIME if arn is None else _RETENTION)
    if arn is not None:
        _require_outcome(scenario, stage.environment.describe(arn))
    return counts


def _require_outcome(scenario: Scenario, answer: Mapping[str, Any]) -> None:
    outcome = answer.get("error") or json.loads(answer.get("output", "{}")).get("Outcome")
    if outcome != scenario.outcome:
        raise UnexpectedOutcomeError(f"{scenario.name} ended as {outcome}, not as {scenario.outcome}")
