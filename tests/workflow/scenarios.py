"""What people and identity providers do with the stack, each from its beginning to its end.

Every scenario is played with a person of its own, so that many can be played in one environment, one after
the other. `open_stage` begins so early that hundreds of offboardings end before WorkMail does.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.assembly import assembly
from local.environment import Environment
from local.settings import ACCOUNT, OFFBOARDING, ORGANIZATION_ID, REGION
from tests.workflow.conftest import Flow

EARLY = datetime(2001, 1, 1, 12, tzinfo=UTC)
TO_THE_END = 45
"""Days in which every offboarding without a wait before it ends: retention, looking again, retries."""
_REDELIVERED = 5
"""Days in which a message has been delivered as often as it is."""


@dataclass(frozen=True)
class Scenario:
    """One thing that people do.

    Attributes
    ----------
    name
        What it is called, in words.
    outcome
        How it ends when nothing fails; where two executions take part, both of their outcomes.
    prepare
        Makes what must be there before, given a name that nobody has yet. Nothing fails meanwhile.
    play
        Does it, and tells how it ended; it is given what `prepare` returned.
    """

    name: str
    outcome: str
    prepare: Callable[[Flow, str], Any]
    play: Callable[[Flow, Any], str]

    def __str__(self) -> str:
        return self.name


@contextlib.contextmanager
def open_stage(now: datetime = EARLY) -> Iterator[Flow]:
    """Open an environment in which the scenarios can be played."""
    with Environment(assembly(OFFBOARDING), now=now) as environment:
        flow = Flow(environment)
        flow.change_policy(ApprovalRequired=["vip*"], Protected=["it.*"], DailyCap=1000)
        yield flow


class Stages:
    """Stages one after the other, as a context manager.

    What a stage remembers makes it slower, and what is played after 2026 is another story: so a new one is opened
    after so many plays.
    """

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        self._flow: Flow | None = None
        self._plays = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def next(self) -> tuple[Flow, str]:
        """Return the stage for the next play, and a name that nobody has there."""
        if self._flow is None or self._plays == _PLAYS:
            self._open.close()
            self._flow, self._plays = self._open.enter_context(open_stage()), 0
        self._plays += 1
        return self._flow, f"p{self._plays}"


_PLAYS = 60


def stopped(flow: Flow) -> list[str]:
    """Return the executions that a scenario has stopped by hand."""
    return [execution.exec_arn for execution in machine(flow).executions if execution.status == "ABORTED"]


def ended(flow: Flow, arn: str) -> str:
    """Tell how an execution ended, or that it has not."""
    result = flow.read_result(arn)
    return str(result.outcome or result.status)


def _offboard(flow: Flow, entity_id: str, **more: Any) -> str:
    arn = flow.start(entity_id, **more)
    flow.pass_days(TO_THE_END)
    return ended(flow, arn)


def _user(flow: Flow, name: str) -> str:
    """Make a user with an alias, in a group."""
    user = flow.people.user(name)
    flow.people.alias(user, f"{name}.alias")
    flow.people.group(f"{name}-team", (user,))
    return user


def _address(flow: Flow, user: str) -> str:
    return str(flow.backend.organizations[ORGANIZATION_ID].entities[user].email)


def _disabled(flow: Flow, name: str) -> str:
    user = flow.people.user(name)
    flow.workmail.deregister_from_work_mail(OrganizationId=ORGANIZATION_ID, EntityId=user)
    flow.pass_days(3)
    return user


def _waiting(flow: Flow, name: str) -> tuple[str, str]:
    user = _user(flow, name)
    arn = flow.start(user)
    flow.pass_days(12)
    return user, arn


def _scheduled(flow: Flow, user: str) -> str:
    arn = flow.start(user, NotBefore=(flow.clock.now() + timedelta(days=10)).isoformat())
    flow.pass_days(10 + TO_THE_END)
    return ended(flow, arn)


def _decided(decision: str) -> Callable[[Flow, str], str]:
    def play(flow: Flow, user: str) -> str:
        arn = flow.start(user)
        # Long enough for every retry on the way to the approval.
        flow.pass_days(1 / 12)
        decided = flow.decide(arn, decision).outcome
        flow.pass_days(TO_THE_END)
        return f"{decided}, {ended(flow, arn)}"

    return play


def machine(flow: Flow) -> Any:
    """Return the state machine of offboardings, as the embedded AWS has it."""
    arn = flow.environment.outputs["StateMachineArn"]
    return next(m for m in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines if m.arn == arn)


def _letters(flow: Flow) -> int:
    """Count the dead letters of both queues."""
    outputs, sqs = flow.environment.outputs, flow.environment.client("sqs")
    return sum(
        int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"][
            "ApproximateNumberOfMessages"])
        for name, url in outputs.items() if name.endswith("DeadLetterQueueUrl")
    )  # fmt: skip


def _put_aside(flow: Flow, letters: int) -> list[str]:
    """Let everything come to its end; tell what became a dead letter, which stays for 14 days only."""
    flow.pass_days(_REDELIVERED)
    more = _letters(flow) - letters
    flow.pass_days(TO_THE_END - _REDELIVERED)
    return ["dead letter"] * more


def _event(flow: Flow, user: str) -> str:
    """Have a script ask by an event; what starts nothing must be a dead letter."""
    executions, letters = machine(flow).executions, _letters(flow)
    before = len(executions)
    detail = {"RequestId": f"request-{user}", "EntityId": _address(flow, user)}
    entry = {
        "Source": "workmail.offboarding", "DetailType": "Offboarding Requested", "Detail": json.dumps(detail)
    }  # fmt: skip
    flow.environment.client("events").put_events(Entries=[entry])
    put_aside = _put_aside(flow, letters)
    outcomes = [ended(flow, execution.execution_arn) for execution in executions[before:]]
    return ", ".join(outcomes + put_aside) or "lost"


def _capped(flow: Flow, user: str) -> str:
    flow.change_policy(DailyCap=0)
    try:
        return _event(flow, user)
    finally:
        flow.change_policy(DailyCap=1000)


def _meanwhile(something: Callable[[Flow, str], object]) -> Callable[[Flow, str], str]:
    def play(flow: Flow, name: str) -> str:
        user = flow.people.user(name)
        arn = flow.start(user)
        flow.pass_days(10)
        something(flow, name)
        flow.pass_days(TO_THE_END)
        return ended(flow, arn)

    return play


def _reenable(flow: Flow, name: str) -> None:
    flow.people.register(name, name)


def _delete(flow: Flow, name: str) -> None:
    with contextlib.suppress(flow.workmail.exceptions.EntityStateException):
        flow.workmail.delete_user(OrganizationId=ORGANIZATION_ID, UserId=name)


def _overdue(flow: Flow, user: str) -> str:
    usual, flow.backend.retention = flow.backend.retention, timedelta(days=90)
    try:
        return _offboard(flow, user)
    finally:
        flow.backend.retention = usual


def _second(flow: Flow, waiting: tuple[str, str]) -> str:
    user, first = waiting
    second = flow.start(user)
    flow.pass_days(TO_THE_END)
    return f"{ended(flow, second)}, {ended(flow, first)}"


def _restored(flow: Flow, waiting: tuple[str, str]) -> str:
    user, arn = waiting
    restored = flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=user).outcome
    flow.pass_days(TO_THE_END)
    return f"{restored}, {ended(flow, arn)}"


def _stopped(flow: Flow, waiting: tuple[str, str]) -> str:
    """Stop an execution by hand; how that ends is what its record says."""
    _, arn = waiting
    letters = _letters(flow)
    flow.stop(arn)
    put_aside = _put_aside(flow, letters)
    return ", ".join([str(flow.read_record(arn).get("Outcome", "open")), *put_aside])


SCENARIOS = (
    Scenario("a user, by address", "CleanupVerified", _user,
             lambda flow, user: _offboard(flow, _address(flow, user))),
    Scenario("a user, by name", "CleanupVerified", lambda flow, name: (_user(flow, name), name)[1], _offboard),
    Scenario("a user, by id", "CleanupVerified", _user, _offboard),
    Scenario("a group", "CleanupVerified", lambda flow, name: flow.people.group(name), _offboard),
    Scenario("a room", "CleanupVerified", lambda flow, name: flow.people.resource(name), _offboard),
    Scenario("a user who is disabled since three days", "CleanupVerified", _disabled, _offboard),
    Scenario("a user who never had a mailbox", "NothingToDo",
             lambda flow, name: flow.people.user(name, registered=False), _offboard),
    Scenario("a protected user", "EntityProtected", lambda flow, name: _user(flow, f"it.{name}"), _offboard),
    Scenario("a plan", "Planned", _user, lambda flow, user: _offboard(flow, user, DryRun=True)),
    Scenario("a date ten days ahead", "CleanupVerified", _user, _scheduled),
    Scenario("an approval", "Decided, CleanupVerified", lambda flow, name: _user(flow, f"vip-{name}"),
             _decided("Approved")),
    Scenario("a rejection", "Decided, Rejected", lambda flow, name: _user(flow, f"vip-{name}"), _decided("Rejected")),
    Scenario("an event", "CleanupVerified", _user, _event),
    Scenario("an event above the cap, which nobody approves", "ApprovalTimedOut", _user, _capped),
    Scenario("a user who is enabled again meanwhile", "Reenabled", lambda _, name: name, _meanwhile(_reenable)),
    Scenario("a user who is deleted meanwhile", "EntityRemoved", lambda _, name: name, _meanwhile(_delete)),
    Scenario("a mailbox that WorkMail does not remove", "CleanupOverdue", _user, _overdue),
    Scenario("a second start", "AlreadyInProgress, CleanupVerified", _waiting, _second),
    Scenario("a restore", "Restored, Reenabled", _waiting, _restored),
    Scenario("a stop by hand", "Stopped", _waiting, _stopped),
)  # fmt: skip
"""All scenarios; each name is unique."""
