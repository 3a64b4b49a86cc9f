"""Scenarios: what people and identity providers do with the stack, each from its beginning to its end.

Every scenario has its own user, so that one environment can play many scenarios one after the other. The clock of
`open_stage` starts so early that hundreds of offboardings end before Amazon WorkMail ends.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.cdk.assembly import assembly
from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION
from local.environment import Environment
from tests.workflow.conftest import ARCHIVE_SETTINGS, Flow

EARLY_START = datetime(2001, 1, 1, 12, tzinfo=UTC)
DAYS_TO_THE_END = 45
"""Days after which every offboarding without an initial wait has ended: retention, repeated checks, retries."""
NO_EXPORT = {"Mode": "No", "MayBeSkipped": True}
_REQUIRED_EXPORT = {"Mode": "Required", "MayBeSkipped": True}
_REDELIVERY_DAYS = 5
"""Days after which a message has been delivered for the last time."""


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Attributes
    ----------
    name
        Its name, in words.
    outcome
        The outcome without a fault; if two executions take part, both outcomes.
    prepare
        Creates what the scenario needs, from a name that is not in use. No faults are injected meanwhile.
    play
        Plays the scenario with the value that `prepare` returned, and returns the outcome.
    calls
        The functions, or single calls of them, that have rows in the fault matrix, because its other calls are as in
        another scenario; None for all calls.
    """

    name: str
    outcome: str
    prepare: Callable[[Flow, str], Any]
    play: Callable[[Flow, Any], str]
    calls: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return self.name


@contextlib.contextmanager
def open_stage(now: datetime = EARLY_START) -> Iterator[Flow]:
    """Open an environment for scenarios."""
    with Environment(assembly(ARCHIVE_SETTINGS), now=now) as environment:
        flow = Flow(environment)
        flow.change_policy(ApprovalRequired=["vip*"], Protected=["it.*"], DailyCap=1000, HandCap=1000, Export=NO_EXPORT)
        yield flow


class Stages:
    """Stages one after the other, as a context manager.

    A stage becomes slower with each play, and its clock approaches the end of Amazon WorkMail. Therefore each stage
    serves a limited number of plays.
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
        """Return the stage for the next play, and a name that is not in use there."""
        if self._flow is None or self._plays == _PLAYS_PER_STAGE:
            self._open.close()
            self._flow, self._plays = self._open.enter_context(open_stage()), 0
        self._plays += 1
        return self._flow, f"p{self._plays}"


_PLAYS_PER_STAGE = 60


def list_stopped(flow: Flow) -> list[str]:
    """Return the ARNs of the executions that a scenario has stopped."""
    return [execution.exec_arn for execution in find_state_machine(flow).executions if execution.status == "ABORTED"]


def read_outcome(flow: Flow, arn: str) -> str:
    """Return the outcome of an execution, or its status if it has none."""
    result = flow.read_result(arn)
    return str(result.outcome or result.status)


def _offboard(flow: Flow, entity_id: str, **more: Any) -> str:
    arn = flow.start(entity_id, **more)
    flow.pass_days(DAYS_TO_THE_END)
    return read_outcome(flow, arn)


def _create_user(flow: Flow, name: str) -> str:
    """Create a user with an alias and a group."""
    user = flow.people.create_user(name)
    flow.people.create_alias(user, f"{name}.alias")
    flow.people.create_group(f"{name}-team", (user,))
    return user


def _read_address(flow: Flow, user: str) -> str:
    return str(flow.backend.organizations[ORGANIZATION_ID].entities[user].email)


def _create_disabled_user(flow: Flow, name: str) -> str:
    user = flow.people.create_user(name)
    flow.deregister(user)
    flow.pass_days(3)
    return user


def _start_and_wait(flow: Flow, name: str) -> tuple[str, str]:
    user = _create_user(flow, name)
    arn = flow.start(user)
    flow.pass_days(12)
    return user, arn


def _offboard_on_date(flow: Flow, user: str) -> str:
    arn = flow.start(user, NotBefore=(flow.clock.now() + timedelta(days=10)).isoformat())
    flow.pass_days(10 + DAYS_TO_THE_END)
    return read_outcome(flow, arn)


def _decide_with(decision: str) -> Callable[[Flow, str], str]:
    def play(flow: Flow, user: str) -> str:
        arn = flow.start(user)
        # Long enough for every retry on the way to the approval.
        flow.pass_days(1 / 12)
        decided = flow.decide(arn, decision).outcome
        flow.pass_days(DAYS_TO_THE_END)
        return f"{decided}, {read_outcome(flow, arn)}"

    return play


def find_state_machine(flow: Flow) -> Any:
    """Return the embedded AWS's model of the offboarding state machine."""
    arn = flow.environment.outputs["StateMachineArn"]
    return next(m for m in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines if m.arn == arn)


def _count_dead_letters(flow: Flow) -> int:
    """Count the dead letters of both queues."""
    outputs, sqs = flow.environment.outputs, flow.environment.client("sqs")
    return sum(
        int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"][
            "ApproximateNumberOfMessages"])
        for name, url in outputs.items() if name.endswith("DeadLetterQueueUrl")
    )  # fmt: skip


def _finish_and_list_dead_letters(flow: Flow, dead_letters_before: int) -> list[str]:
    """Let everything end; return the new dead letters, counted early because they stay for 14 days only."""
    flow.pass_days(_REDELIVERY_DAYS)
    new = _count_dead_letters(flow) - dead_letters_before
    flow.pass_days(DAYS_TO_THE_END - _REDELIVERY_DAYS)
    return ["dead letter"] * new


def _send_event(flow: Flow, user: str) -> str:
    """Request an offboarding by an event; an event that starts no execution must become a dead letter."""
    executions, dead_letters_before = find_state_machine(flow).executions, _count_dead_letters(flow)
    count_before = len(executions)
    detail = {"RequestId": f"request-{user}", "EntityId": _read_address(flow, user)}
    entry = {
        "Source": "workmail.offboarding", "DetailType": "Offboarding Requested", "Detail": json.dumps(detail)
    }  # fmt: skip
    flow.environment.client("events").put_events(Entries=[entry])
    dead_letters = _finish_and_list_dead_letters(flow, dead_letters_before)
    outcomes = [read_outcome(flow, execution.execution_arn) for execution in executions[count_before:]]
    return ", ".join(outcomes + dead_letters) or "lost"


def _send_event_above_cap(flow: Flow, user: str) -> str:
    flow.change_policy(DailyCap=0)
    try:
        return _send_event(flow, user)
    finally:
        flow.change_policy(DailyCap=1000)


def _require_archive(play: Callable[[Flow, str], str]) -> Callable[[Flow, str], str]:
    """Return a play during which the settings require an archive of each mailbox."""

    def play_with_archive(flow: Flow, user: str) -> str:
        flow.change_policy(Export=_REQUIRED_EXPORT)
        try:
            return play(flow, user)
        finally:
            flow.change_policy(Export=NO_EXPORT)

    return play_with_archive


def _create_user_with_gigabytes(size: int) -> Callable[[Flow, str], str]:
    """Return a preparation that creates a user whose mailbox takes 20 minutes of an export for each GB."""

    def prepare(flow: Flow, name: str) -> str:
        user = flow.people.create_user(name)
        flow.backend.set_mailbox_size(ORGANIZATION_ID, user, size * 1024)
        return user

    return prepare


def _offboard_after_export_by_hand(flow: Flow, user: str) -> str:
    flow.export_by_hand(user)
    return _offboard(flow, user)


def _cancel_export(flow: Flow, user: str) -> str:
    """Start, and cancel the export by hand; WorkMail makes another one after a day."""
    arn = flow.start(user)
    flow.pass_days(1 / 24 / 20)
    flow.cancel_exports_by_hand(user)
    flow.pass_days(DAYS_TO_THE_END)
    return read_outcome(flow, arn)


def _withdraw_during_export(flow: Flow, user: str) -> str:
    """Start, and withdraw in the middle between two of the looks at the export, which are an hour apart."""
    arn = flow.start(user)
    flow.pass_days(2.5 / 24)
    decided = flow.decide(arn, "Withdrawn").outcome
    flow.pass_days(DAYS_TO_THE_END)
    return f"{decided}, {read_outcome(flow, arn)}"


def _put_event(flow: Flow, detail_type: str, **detail: str) -> None:
    entry = {"Source": "workmail.offboarding", "DetailType": detail_type, "Detail": json.dumps(detail)}
    flow.environment.client("events").put_events(Entries=[entry])
    # Long enough for every retry on the way.
    flow.pass_days(1 / 12)


def _withdraw_request(not_before_days: float) -> Callable[[Flow, str], str]:
    """Return a play that requests an offboarding for now or for a date, and takes it back two days later."""

    def play(flow: Flow, user: str) -> str:
        executions, dead_letters_before = find_state_machine(flow).executions, _count_dead_letters(flow)
        count_before, request_id = len(executions), f"request-{user}"
        date = {"NotBefore": (flow.clock.now() + timedelta(days=not_before_days)).isoformat()}
        _put_event(
            flow, "Offboarding Requested", RequestId=request_id, EntityId=_read_address(flow, user),
            **(date if not_before_days else {}),
        )  # fmt: skip
        flow.pass_days(2)
        _put_event(flow, "Offboarding Withdrawn", RequestId=request_id)
        dead_letters = _finish_and_list_dead_letters(flow, dead_letters_before)
        arns = [execution.execution_arn for execution in executions[count_before:]]
        returns = [step for arn in arns for step in flow.read_steps(arn) if step["Step"] == "LeaverReturned"]
        return ", ".join([*(read_outcome(flow, arn) for arn in arns), *["told"] * len(returns), *dead_letters])

    return play


def _act_during_window(act: Callable[[Flow, str], object]) -> Callable[[Flow, str], str]:
    def play(flow: Flow, name: str) -> str:
        user = flow.people.create_user(name)
        arn = flow.start(user)
        flow.pass_days(10)
        act(flow, name)
        flow.pass_days(DAYS_TO_THE_END)
        return read_outcome(flow, arn)

    return play


def _register_again(flow: Flow, name: str) -> None:
    flow.people.register(name, name)


def _delete(flow: Flow, name: str) -> None:
    with contextlib.suppress(flow.workmail.exceptions.EntityStateException):
        flow.delete_user(name)


def _offboard_with_kept_mailbox(flow: Flow, user: str) -> str:
    default, flow.backend.retention = flow.backend.retention, timedelta(days=90)
    try:
        return _offboard(flow, user)
    finally:
        flow.backend.retention = default


def _start_second(flow: Flow, waiting: tuple[str, str]) -> str:
    user, first_arn = waiting
    second = flow.start(user)
    flow.pass_days(DAYS_TO_THE_END)
    return f"{read_outcome(flow, second)}, {read_outcome(flow, first_arn)}"


def _restore(flow: Flow, waiting: tuple[str, str]) -> str:
    user, arn = waiting
    restored = flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=user).outcome
    flow.pass_days(DAYS_TO_THE_END)
    return f"{restored}, {read_outcome(flow, arn)}"


def _stop(flow: Flow, waiting: tuple[str, str]) -> str:
    """Stop an execution; return the outcome in its record."""
    _, arn = waiting
    dead_letters_before = _count_dead_letters(flow)
    flow.stop(arn)
    dead_letters = _finish_and_list_dead_letters(flow, dead_letters_before)
    return ", ".join([str(flow.read_record(arn).get("Outcome", "open")), *dead_letters])


SCENARIOS = (
    Scenario("a user, by address", "CleanupVerified", _create_user,
             lambda flow, user: _offboard(flow, _read_address(flow, user))),
    Scenario("a user, by name", "CleanupVerified", lambda flow, name: (_create_user(flow, name), name)[1], _offboard),
    Scenario("a user, by id", "CleanupVerified", _create_user, _offboard),
    Scenario("a group", "CleanupVerified", lambda flow, name: flow.people.create_group(name), _offboard),
    Scenario("a room", "CleanupVerified", lambda flow, name: flow.people.create_resource(name), _offboard),
    Scenario("a user who is disabled since three days", "CleanupVerified", _create_disabled_user, _offboard),
    Scenario("a user who never had a mailbox", "NothingToDo",
             lambda flow, name: flow.people.create_user(name, registered=False), _offboard),
    Scenario("a protected user", "EntityProtected", lambda flow, name: _create_user(flow, f"it.{name}"), _offboard),
    Scenario("a plan", "Planned", _create_user, lambda flow, user: _offboard(flow, user, DryRun=True)),
    Scenario("a date ten days ahead", "CleanupVerified", _create_user, _offboard_on_date),
    Scenario("an approval", "Decided, CleanupVerified", lambda flow, name: _create_user(flow, f"vip-{name}"),
             _decide_with("Approved")),
    Scenario("a rejection", "Decided, Rejected", lambda flow, name: _create_user(flow, f"vip-{name}"),
             _decide_with("Rejected")),
    Scenario("an event", "CleanupVerified", _create_user, _send_event),
    Scenario("an event above the cap, which nobody approves", "ApprovalTimedOut", _create_user, _send_event_above_cap),
    Scenario("a request for a date that is withdrawn", "Withdrawn", _create_user, _withdraw_request(10)),
    Scenario("a request that is withdrawn in the window", "CleanupVerified, told", _create_user, _withdraw_request(0)),
    Scenario("a user who is enabled again meanwhile", "Reenabled", lambda _, name: name,
             _act_during_window(_register_again)),
    Scenario("a user who is deleted meanwhile", "EntityRemoved", lambda _, name: name, _act_during_window(_delete)),
    Scenario("a mailbox that WorkMail does not remove", "CleanupOverdue", _create_user, _offboard_with_kept_mailbox),
    Scenario("a second start", "AlreadyInProgress, CleanupVerified", _start_and_wait, _start_second),
    Scenario("a restore", "Restored, Reenabled", _start_and_wait, _restore),
    Scenario("a stop by hand", "Stopped", _start_and_wait, _stop),
    Scenario("a mailbox that is exported first", "CleanupVerified", _create_user, _require_archive(_offboard),
             ("StartExport", "CheckExport")),
    Scenario("an export of hours", "CleanupVerified", _create_user_with_gigabytes(4), _require_archive(_offboard),
             ("CheckExport dynamodb:UpdateItem (2)", "CheckExport lambda:Invoke (2)",
              "CheckExport workmail:DescribeMailboxExportJob (2)")),
    Scenario("an export by hand that is taken up", "CleanupVerified", _create_user,
             _require_archive(_offboard_after_export_by_hand),
             ("StartExport workmail:ListMailboxExportJobs", "StartExport dynamodb:Query",
              "StartExport dynamodb:TransactWriteItems")),
    Scenario("an export that somebody cancels", "CleanupVerified", _create_user, _require_archive(_cancel_export),
             ("CheckExport workmail:DescribeMailboxExportJob", "CheckExport dynamodb:UpdateItem (2)",
              "CheckExport dynamodb:TransactWriteItems", "StartExport lambda:Invoke (2)",
              "StartExport workmail:StartMailboxExportJob (2)", "StartExport dynamodb:UpdateItem (3)",
              "CheckExport workmail:ListMailboxExportJobs", "CheckExport dynamodb:Query")),
    Scenario("a withdrawal during an export", "Decided, Withdrawn", _create_user_with_gigabytes(16),
             _require_archive(_withdraw_during_export),
             ("DecideApproval", "CheckExport lambda:Invoke (3)", "CheckExport dynamodb:GetItem (3)",
              "CheckExport workmail:CancelMailboxExportJob")),
    Scenario("an export beyond its deadline", "ExportFailed", _create_user_with_gigabytes(300),
             _require_archive(_offboard),
             ("CheckExport workmail:CancelMailboxExportJob", "CheckExport workmail:DescribeUser")),
    Scenario("a plan with an export", "Planned", _create_user,
             _require_archive(lambda flow, user: _offboard(flow, user, DryRun=True)),
             ("PlanOffboarding ssm:GetParameter (2)", "PlanOffboarding workmail:ListMailboxExportJobs",
              "PlanOffboarding workmail:GetMailboxDetails")),
)  # fmt: skip
"""All scenarios; each name is unique."""
