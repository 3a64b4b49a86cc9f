"""Random walks: operations of administrators and identity providers, and draw_faults, in any order, on the real stack.

A walk is a sequence of steps that hypothesis draws: an entity is created, offboarded by hand or by an event, restored,
deleted, recreated; the settings change, AWS throttles, functions crash, days pass. After each step, and at the end of
the walk, `tests.workflow.invariants` reports the violations.

**Why walks can share an environment.** A process uses one environment for many walks, because opening one takes longer
than a walk. Each walk starts without entities, executions, records and messages, with the same settings, at noon of a
new day, and ends when nothing runs any more; so only the date and the loaded functions remain of a former walk. The
clock starts in 2001, decades before WorkMail ends. An environment in which a walk has failed is not used again.
With each failing walk hypothesis prints a blob, with which another process can repeat it alone. (If a step starts
several executions at once, their threads race, so such a walk can be flaky: hypothesis reports that together with the
violations.)

`make test` runs the same few walks each time. `make test-long` runs many, different ones each time, and prints how to
repeat them.
"""

import contextlib
import secrets
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

import hypothesis
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.errors import StopTest
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.cdk.assembly import assembly
from local.defaults import ACCOUNT, COMPANY_DOMAIN, OFFBOARDING, ORGANIZATION_ID, REGION, SCIM_TENANT_ID
from local.environment import Environment
from local.faults import EMPTY, TIMEOUT, Fault
from local.workmail.behaviour import Behaviour
from local.workmail.state import RETENTION
from offboarding.domain.execution_names import Departure, execution_name
from offboarding.domain.timestamps import render
from tests.workflow.conftest import Flow
from tests.workflow.invariants import Monitor
from tests.workflow.test_identity_events import Intake, build_okta_event, build_request_event, load_event

EARLY_START = datetime(2001, 1, 1, tzinfo=UTC)
LATE_START = datetime(2027, 2, 20, tzinfo=UTC)
REDRIVE_INTERVAL = timedelta(days=10)
POLICY = {"Protected": ["boss*", "chief*"], "ApprovalRequired": ["vip*"], "DailyCap": 2, "HandCap": 50}

OTHER_ENTITIES = [("boss1", "USER"), ("vip1", "USER"), ("room1", "RESOURCE"), ("list1", "GROUP")]
IDENTIFIER_FORMS = ["id", "name", "NAME", "address", "ADDRESS", "alias"]
PROVIDERS = [
    "okta", "auth0", "sailpoint", "identityCenter", "identityCenterCloudTrail", "identityCenterScim",
    "offboardingRequested",
]  # fmt: skip
RETURNING_PROVIDERS = ["okta", "okta", "identityCenterCloudTrail", "identityCenterScim", "request", "entity"]
"""Who reports a return: a request is withdrawn alone, or with all others for its entity."""
DURATIONS = [
    timedelta(seconds=1), timedelta(minutes=2), timedelta(minutes=20), timedelta(hours=13), timedelta(days=1),
    timedelta(days=6), timedelta(days=15), timedelta(days=30), timedelta(days=31), timedelta(days=40),
]  # fmt: skip

TRANSIENT_ERRORS = ["ThrottlingException", "InternalFailure", "ServiceUnavailable", TIMEOUT]
READ_OPERATIONS = [
    "DescribeEntity", "DescribeUser", "DescribeGroup", "DescribeResource", "ListUsers", "DescribeOrganization",
    "ListAliases", "ListGroupsForEntity", "GetMailboxDetails",
]  # fmt: skip
WRITE_OPERATIONS = ["DeregisterFromWorkMail", "RegisterToWorkMail", "CreateAlias", "AssociateMemberToGroup"]
FUNCTIONS = [
    "ResolveEntity", "CheckOrganization", "PlanOffboarding", "RecordOffboarding", "AwaitApproval", "DeregisterEntity",
    "VerifyCleanup", "DecideApproval", "RegisterEntity", "RestoreAliasesAndGroups", "CloseRecord", "StartOffboarding",
    "SweepRecords", "NotifySubscribers",
]  # fmt: skip
CRASHES = ["Runtime.ExitError", "Sandbox.Timedout"]

any_count = st.sampled_from([1, 2, 3, None])
low_count = st.sampled_from([1, 2])
skips = st.sampled_from([0, 0, 1, 3])
any_position = st.integers(0, 3)
lateness = st.sampled_from([timedelta(days=days) for days in (0, 0, 0, 1, 4, 10, 40)])
dates = st.sampled_from([None, None, timedelta(days=2), timedelta(days=6), timedelta(days=20), timedelta(days=40)])


def draw_faults(service: str, operations: list[str], times: Any = any_count, **outcome: list[str]) -> Any:
    [(kind, names)] = outcome.items()
    return st.builds(
        Fault,
        st.just(service),
        st.sampled_from(operations),
        times=times,
        skip=skips,
        **{kind: st.sampled_from(names)},
    )


FAULTS = st.one_of(
    draw_faults("workmail", READ_OPERATIONS + WRITE_OPERATIONS, error=TRANSIENT_ERRORS),
    draw_faults("workmail", WRITE_OPERATIONS, low_count, after_effect=[TIMEOUT, "InternalFailure"]),
    draw_faults(
        "workmail",
        WRITE_OPERATIONS,
        error=["EntityStateException", "OrganizationStateException", "AccessDeniedException"],
    ),
    draw_faults("workmail", ["DeregisterFromWorkMail", "GetMailboxDetails", "DescribeUser"], error=[EMPTY]),
    draw_faults("workmail", ["DescribeUser"], error=["DirectoryUnavailableException"]),
    draw_faults(
        "dynamodb",
        ["GetItem", "UpdateItem", "TransactWriteItems", "TransactWriteItems", "Query"],
        error=["ThrottlingException", "InternalServerError", TIMEOUT],
    ),
    draw_faults(
        "dynamodb",
        ["UpdateItem", "TransactWriteItems", "TransactWriteItems"],
        low_count,
        after_effect=[TIMEOUT, "InternalServerError"],
    ),
    draw_faults("ssm", ["GetParameter"], error=["InternalServerError", "AccessDeniedException"]),
    draw_faults(
        "stepfunctions", ["StartExecution", "DescribeExecution", "SendTaskSuccess"], error=["ThrottlingException"]
    ),
    draw_faults("workmail", ["ListUsers"], error=[*TRANSIENT_ERRORS, "AccessDeniedException"]),
    draw_faults("stepfunctions", ["StartExecution", "SendTaskSuccess"], low_count, after_effect=[TIMEOUT]),
    draw_faults("lambda", FUNCTIONS, low_count, error=CRASHES),
    draw_faults("lambda", FUNCTIONS, low_count, after_effect=CRASHES),
    draw_faults("lambda", ["Invoke"], low_count, error=["TooManyRequestsException", "ServiceException"]),
    draw_faults("sqs", ["SendMessage"], error=["RequestThrottled"]),
    draw_faults("sns", ["Publish"], error=["InternalError"]),
    draw_faults("events", ["PutEvents"], error=["InternalException"]),
)

behaviours = st.builds(
    Behaviour,
    **{name: st.sampled_from(answers) for name, answers in Behaviour.possible_values().items()},
    describe_lag_seconds=st.sampled_from([0, 0, 60, 120]),
)
options = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "DryRun": st.just(True),
            "NotBefore": st.sampled_from([timedelta(days=days) for days in (-1, 2, 20, 299, 301)]),
            "Expected": st.sampled_from(["matching", "different"]),
            "RequestedBy": st.sampled_from(["helpdesk", "self"]),
            "Reason": st.just("leaves"),
        },
    ),
)


def _pick(candidates: list[Any], position: int) -> Any:
    return candidates[position % len(candidates)] if candidates else None


class SharedEnvironment:
    """The environment of this process, replaced after a number of walks.

    Parameters
    ----------
    start
        The start time of its clock.
    walks
        The number of walks after which another environment replaces it.
    settings
        The settings of its stack.
    policy
        What each walk begins with in the organization's parameter.
    """

    def __init__(
        self,
        start: datetime,
        walks: int = 60,
        *,
        settings: Mapping[str, Any] = OFFBOARDING,
        policy: Mapping[str, Any] = POLICY,
    ) -> None:
        self._start, self._max_walks, self._settings, self._policy = start, walks, settings, policy
        self._environment: Environment | None = None
        self._walks = 0

    def flow(self) -> Flow:
        """Return a flow without entities and executions, at noon."""
        if self._environment is None or self._walks >= self._max_walks:
            self.discard()
            self._environment = Environment(assembly(self._settings), now=self._start, schedules=True)
            self._environment.__enter__()
        self._walks += 1
        flow = Flow(self._environment)
        clear(flow, self._policy)
        tomorrow = flow.clock.now().date() + timedelta(days=1)
        flow.clock.move_to(datetime.combine(tomorrow, time(12), UTC))
        return flow

    def discard(self) -> None:
        """Close the environment, so that the next walk opens another one."""
        if self._environment is not None:
            self._environment.__exit__(None, None, None)
        self._environment, self._walks = None, 0


def clear(flow: Flow, policy: Mapping[str, Any]) -> None:
    """Delete all entities, exports, executions, records and messages, and reset what the walk has changed."""
    flow.backend.organizations[ORGANIZATION_ID].entities.clear()
    flow.backend.organizations[ORGANIZATION_ID].export_jobs.clear()
    for bucket in s3_backends[ACCOUNT]["aws"].buckets.values():
        bucket.keys.clear()
    flow.backend.set_organization_state(ORGANIZATION_ID, "Active")
    flow.backend.calls.clear()
    flow.backend.after_hooks.clear()
    flow.backend.behaviour, flow.backend.retention = Behaviour(), RETENTION
    flow.environment.status_events.are_lost = False
    flow.environment.identity_store._users.clear()
    for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
        machine.executions.clear()
    dynamodb_backends[ACCOUNT][REGION].tables[flow.table_name].items.clear()
    for queue in sqs_backends[ACCOUNT][REGION].queues.values():
        queue._messages.clear()
        queue.pending_messages.clear()
        queue.deleted_messages.clear()
    flow.change_policy(**policy)


class Walk(RuleBasedStateMachine):
    """The steps of a walk. Each step ends when all work that is due is done."""

    shared: SharedEnvironment

    people = Bundle("people")
    offboardings = Bundle("offboardings")
    events = Bundle("events")

    def __init__(self) -> None:
        super().__init__()
        self.flow = self.shared.flow()
        self.monitor = Monitor(self.flow)
        self.intake = Intake(self.flow)
        self.ids: dict[str, str] = {}
        self.event_count = 0
        self.requests: dict[str, list[str]] = defaultdict(list)

    @initialize(behaviour=behaviours, retention=st.sampled_from([RETENTION, RETENTION, timedelta(days=33)]))
    def configure_workmail(self, behaviour: Behaviour, retention: timedelta) -> None:
        self.flow.backend.behaviour, self.flow.backend.retention = behaviour, retention

    @initialize(are_lost=st.sampled_from([False, False, True]))
    def lose_status_events(self, are_lost: bool) -> None:
        self.flow.environment.status_events.are_lost = are_lost

    @initialize(target=people, second_entity=st.sampled_from(OTHER_ENTITIES))
    def create_first_entities(self, second_entity: tuple[str, str]) -> Any:
        """Without entities most walks would be short: hypothesis leaves out some kinds of steps in each walk."""
        first_entities = [("dana0", "USER", "own"), (*second_entity, None)]
        for name, kind, alias in first_entities:
            self._create(name, kind, True, alias)
        return multiple(*(name for name, *_ in first_entities))

    @rule(
        target=people,
        stem=st.sampled_from(["dana", "dana", "boss", "vip"]),
        kind=st.sampled_from(["USER", "USER", "USER", "GROUP", "RESOURCE"]),
        registered=st.sampled_from([True, True, True, False]),
        alias=st.sampled_from([None, None, "own", "chief"]),
    )
    def create_entity(self, stem: str, kind: str, registered: bool, alias: str | None) -> Any:
        name = f"{stem}{len(self.ids)}"
        return name if self._create(name, kind, registered, alias) else multiple()

    @rule(target=offboardings, name=people, form=st.sampled_from(IDENTIFIER_FORMS), request_options=options)
    def start_offboarding(self, name: str, form: str, request_options: dict[str, Any]) -> str:
        return self._settle_after(lambda: self._start(name, form, request_options))

    @rule(
        target=offboardings,
        name=people,
        form=st.sampled_from(IDENTIFIER_FORMS),
        second_form=st.sampled_from(IDENTIFIER_FORMS),
    )
    def start_two_offboardings(self, name: str, form: str, second_form: str) -> Any:
        return self._settle_after(lambda: multiple(self._start(name, form, {}), self._start(name, second_form, {})))

    @rule(target=events, name=people, provider=st.sampled_from(PROVIDERS), ago=lateness)
    def send_event(self, name: str, provider: str, ago: timedelta) -> dict[str, Any]:
        event_sent = self._build_event(name, provider, self.flow.clock.now() - ago)
        self._settle_after(lambda: self.intake.put_events(event_sent))
        return event_sent

    @rule(event_sent=events, times=st.sampled_from([1, 2]))
    def send_event_again(self, event_sent: dict[str, Any], times: int) -> None:
        self._settle_after(lambda: self.intake.put_events(*[event_sent] * times))

    @rule(
        name=people,
        providers=st.lists(
            st.sampled_from([*PROVIDERS, *(f"back {name}" for name in RETURNING_PROVIDERS)]), min_size=1
        ),
        hours=st.sampled_from([1, 100]),
    )
    def send_events_during_pause(self, name: str, providers: list[str], hours: int) -> None:
        self.intake.set_paused(paused=True)
        for provider in providers[:3]:
            build = self._build_return if provider.startswith("back ") else self._build_event
            self.intake.put_events(build(name, provider.removeprefix("back "), self.flow.clock.now()))
            self._advance(timedelta(minutes=2))
        self._advance(timedelta(hours=hours))
        self.intake.set_paused(paused=False)

    @rule(target=events, name=people, provider=st.sampled_from(RETURNING_PROVIDERS), ago=lateness)
    def send_return(self, name: str, provider: str, ago: timedelta) -> dict[str, Any]:
        event_sent = self._build_return(name, provider, self.flow.clock.now() - ago)
        self._settle_after(lambda: self.intake.put_events(event_sent))
        return event_sent

    @rule(name=people, status=st.sampled_from(["DISABLED", "DISABLED", "ENABLED"]))
    def set_status(self, name: str, status: str) -> None:
        """Set the status of a user of the identity store, which has Identity Center send an event about it."""
        store = self._find_store_id(name)
        self._settle_after(lambda: self.flow.environment.identity_store.set_status(store, status))

    @rule(target=events, name=people, number=st.integers(0, 1), date=dates)
    def request_offboarding(self, name: str, number: int, date: timedelta | None) -> dict[str, Any]:
        """Request an offboarding for a date, and move the date if the request has been made before."""
        members = {} if date is None else {"NotBefore": (self.flow.clock.now() + date).isoformat()}
        event_sent = self._build_request(name, f"r-{name}-{number}", **members)
        self._settle_after(lambda: self.intake.put_events(event_sent))
        return event_sent

    @rule(target=offboardings, name=people, date=dates)
    def start_offboarding_for_date(self, name: str, date: timedelta | None) -> str:
        return self._settle_after(lambda: self._start(name, "id", {} if date is None else {"NotBefore": date}))

    @rule(name=people, other_name=people, names=st.integers(1, 3))
    def squat_names(self, name: str, other_name: str, names: int) -> None:
        """Start executions for another entity, by hand, under the names that those of an event would have."""
        self._settle_after(lambda: self._try(lambda: self._squat_names(name, other_name, names)))

    @rule(fault=FAULTS)
    def add_fault(self, fault: Fault) -> None:
        self._add_fault(fault)

    @rule(target=offboardings, name=people, fault=FAULTS, second_fault=FAULTS)
    def start_offboarding_with_faults(self, name: str, fault: Fault, second_fault: Fault) -> str:
        self._add_fault(fault)
        self._add_fault(second_fault)
        return self._settle_after(lambda: self._start(name, "id", {}))

    @rule()
    def clear_faults(self) -> None:
        self.flow.environment.faults.clear()

    @rule(
        name=people,
        other_name=people,
        act=st.sampled_from(["register", "register", "disable", "delete", "recreate", "replace", "hand over"]),
    )
    def act_as_administrator(self, name: str, other_name: str, act: str) -> None:
        """Include steps that give the name of a deleted entity to a new one, and its address to another as an alias."""
        acts = {
            "register": lambda: self._register(name),
            "disable": lambda: self._disable(name),
            "delete": lambda: self._delete(name),
            "recreate": lambda: self._create(name, "USER", True, None),
            "replace": lambda: self._replace(name),
            "hand over": lambda: self._hand_over(name, other_name),
        }
        self._settle_after(lambda: self._try(acts[act]))

    @rule(time=st.sampled_from(DURATIONS))
    def pass_time(self, time: timedelta) -> None:
        self._advance(time)

    @rule(
        arn=offboardings,
        position=any_position,
        decision=st.sampled_from(["Approved", "Approved", "Rejected", "Withdrawn"]),
    )
    def decide_approval(self, arn: str, position: int, decision: str) -> None:
        """Decide on an execution that awaits a decision, if one exists; otherwise on any execution."""
        statuses = ["AwaitingApproval", *(["Scheduled", "Exporting"] if decision == "Withdrawn" else [])]
        waiting = [record["Id"] for status in statuses for record in self.flow.list_by_status(status)]
        self._settle_after(lambda: self.flow.decide(_pick(waiting, position) or arn, decision))

    @rule(name=people, position=any_position, form=st.sampled_from(["id", "name", "address"]))
    def restore_entity(self, name: str, position: int, form: str) -> None:
        """Restore an entity in its window, if one exists; otherwise any entity."""
        names = {entity_id: name for name, entity_id in self.ids.items()}
        in_window = [names.get(record["Entity"]["Id"]) for record in self.flow.list_by_status("InWindow")]
        identifier = self._identifier(_pick(in_window, position) or name, form)
        self._settle_after(lambda: self.flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=identifier))

    @rule(arn=offboardings)
    def restore_offboarding(self, arn: str) -> None:
        self._settle_after(lambda: self.flow.restore(ExecutionArn=arn))

    @rule(
        protected=st.sampled_from([["boss*", "chief*"], ["dana*"]]),
        approval=st.sampled_from([["vip*"], [], ["*"]]),
        cap=st.sampled_from([0, 1, 20]),
        hand_cap=st.sampled_from([None, 50, 1]),
    )
    def change_settings(self, protected: list[str], approval: list[str], cap: int, hand_cap: int | None) -> None:
        self.flow.change_policy(Protected=protected, ApprovalRequired=approval, DailyCap=cap, HandCap=hand_cap)
        self._advance(timedelta(seconds=6))

    @rule(arn=consumes(offboardings))
    def stop_offboarding(self, arn: str) -> None:
        if self.flow.environment.describe(arn)["status"] == "RUNNING":
            self.monitor.stopped.add(arn)
            self._settle_after(lambda: self.flow.environment.client("stepfunctions").stop_execution(executionArn=arn))

    @rule(state=st.sampled_from(["Active", "Active", "Suspended"]), seconds=st.sampled_from([0, 60, 120]))
    def change_workmail(self, state: str, seconds: int) -> None:
        self.flow.backend.set_organization_state(ORGANIZATION_ID, state)
        self.flow.backend.behaviour = replace(self.flow.backend.behaviour, describe_lag_seconds=seconds)

    @rule(
        target=offboardings,
        name=people,
        act=st.sampled_from(["register", "disable", "delete", "offboard", "protect", "protect"]),
        operation=st.sampled_from([*READ_OPERATIONS, *WRITE_OPERATIONS, "ListAliases", "GetMailboxDetails"]),
    )
    def start_offboarding_and_act_during_call(self, name: str, act: str, operation: str) -> str:
        """Act after the next call of an operation by the stack, before the calling function continues."""
        acts = {
            "register": self._register,
            "disable": self._disable,
            "delete": self._delete,
            "offboard": lambda name: self._start(name, "id", {}),
            "protect": lambda name: self.flow.change_policy(Protected=[name]),
        }

        self._act_after_call(operation, lambda: acts[act](name))
        return self._settle_after(lambda: self._start(name, "id", {}))

    @invariant()
    def assert_no_violations(self) -> None:
        self._assert_none(self.monitor.find_violations())

    def teardown(self) -> None:
        """Let everything end and check it, unless a step has failed or hypothesis aborts this walk."""
        failure = sys.exc_info()[1]
        try:
            if failure is None:
                self._finish()
                self._assert_none(self.monitor.find_final_violations())
            elif isinstance(failure, StopTest):
                self._abort()
        finally:
            self.monitor.close()
            self.flow.environment.faults.clear()
            if not isinstance(sys.exc_info()[1], StopTest | None):
                self.shared.discard()

    def _abort(self) -> None:
        self.flow.environment.faults.clear()
        for arn in self.monitor.running():
            self.flow.environment.client("stepfunctions").stop_execution(executionArn=arn)
        self.flow.pass_days(1)

    def _finish(self) -> None:
        self.flow.environment.faults.clear()
        self.flow.backend.set_organization_state(ORGANIZATION_ID, "Active")
        # First the messages in the queues, because they may start executions.
        self.flow.pass_days(1)
        for _ in range(45):
            if not self.monitor.running():
                break
            self._advance(REDRIVE_INTERVAL)
            self._redrive()
        self._redrive()
        self.flow.pass_days(1)

    @staticmethod
    def _assert_none(violations: list[str]) -> None:
        assert not violations, "\n".join(violations)

    def _redrive(self) -> None:
        """Redrive what could not be told, as the documentation tells an operator to do."""
        sqs, outputs = self.flow.environment.client("sqs"), self.flow.environment.outputs
        url = outputs["NotificationDeadLetterQueueUrl"]
        source = sqs_backends[ACCOUNT][REGION].queues[url.rpartition("/")[2]]
        target = next(q for q in sqs_backends[ACCOUNT][REGION].queues.values() if q.dead_letter_queue is source)
        target_url = sqs.get_queue_url(QueueName=target.name)["QueueUrl"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.send_message(QueueUrl=target_url, MessageBody=message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _act_after_call(self, operation: str, act: Callable[[], object]) -> None:
        """Act after the next call of an operation by the stack, before the calling function continues."""

        def after(called_operation: str, _: Any) -> None:
            if (
                called_operation != operation
                or self.flow.clock.current() is None
                or hook not in self.flow.backend.after_hooks
            ):
                return
            self.flow.backend.after_hooks.remove(hook)
            # In its own thread: work on the clock counts as the stack.
            thread = threading.Thread(target=lambda: self._try(act))
            thread.start()
            thread.join()

        hook = after
        self.flow.backend.after_hooks.append(hook)

    def _add_fault(self, fault: Fault) -> None:
        self.flow.environment.faults.add(fault)
        if fault.service == "lambda":
            self.monitor.excused |= {f"Lambda.{fault.name}", str(fault.name)}

    def _create(self, name: str, kind: str, registered: bool, alias: str | None) -> bool:
        people, number = self.flow.people, len(self.ids)
        try:
            if kind == "USER":
                store = f"{number:08x}-3041-7097-2d41-0242ac120002"
                entity_id = people.create_user(
                    name, registered=registered, domain=COMPANY_DOMAIN, IdentityProviderUserId=store
                )
                people.create_group(f"team{number}-{name}", (entity_id,))
            else:
                entity_id = people.create_group(name) if kind == "GROUP" else people.create_resource(name)
            self.ids[name] = entity_id
            if alias and registered:
                people.create_alias(entity_id, f"{name}-too" if alias == "own" else f"chief-{name}", COMPANY_DOMAIN)
        except ClientError:
            return name in self.ids
        self.flow.clock.settle()
        return True

    def _start(self, name: str, form: str, request_options: dict[str, Any]) -> str:
        execution_input = dict(request_options)
        if "NotBefore" in execution_input:
            execution_input["NotBefore"] = (self.flow.clock.now() + execution_input["NotBefore"]).isoformat()
        if "Expected" in execution_input:
            matching = {"Type": self._entity(name).type, "Name": name}
            is_matching = execution_input["Expected"] == "matching"
            execution_input["Expected"] = matching if is_matching else {**matching, "Name": "somebody"}
        if execution_input.get("RequestedBy") == "self":
            execution_input["RequestedBy"] = self._address(name)
        return self.flow.start(self._identifier(name, form), **execution_input)

    def _build_event(self, name: str, provider: str, at: datetime) -> dict[str, Any]:
        self.event_count += 1
        address, moment, number = self._address(name), at.isoformat().replace("+00:00", "Z"), f"e-{self.event_count}"
        store = self._find_store_id(name)
        if provider == "okta":
            return build_okta_event(address, uuid=number, published=moment)
        if provider == "offboardingRequested":
            return self._build_request(name, number)
        if provider == "identityCenterScim":
            return self._build_scim_call(store, moment, number, is_active=False)
        if provider == "auth0":
            payload = load_event("auth0-successful-user-deletion")
            payload["detail"]["data"] |= {"date": moment, "log_id": number, "user_name": address, "user_id": name}
        elif provider == "sailpoint":
            payload = load_event("sailpoint-account-deleted")
            payload["detail"]["identity"] |= {"id": name, "name": name, "email": address, "alias": name}
            payload["detail"]["account"] |= {"name": name, "nativeIdentity": name, "attributes": {"email": address}}
            payload["detail"]["_metadata"]["invocationId"] = number
        elif provider == "identityCenter":
            payload = load_event("identity-center-user-deleted")
            payload["detail"]["userId"] = store
        else:
            payload = load_event("identity-center-cloudtrail-disable-user")
            payload["detail"] |= {"eventTime": moment, "eventID": number}
            payload["detail"]["requestParameters"]["userId"] = store
        return payload

    def _build_return(self, name: str, provider: str, at: datetime) -> dict[str, Any]:
        self.event_count += 1
        moment, number = at.isoformat().replace("+00:00", "Z"), f"e-{self.event_count}"
        if provider == "okta":
            kind = f"user.lifecycle.{['activate', 'reactivate'][self.event_count % 2]}"
            return build_okta_event(self._address(name), kind, number, moment)
        store = self._find_store_id(name)
        if provider == "identityCenterScim":
            return self._build_scim_call(store, moment, number, is_active=True)
        if provider == "identityCenterCloudTrail":
            event = load_event("identity-center-cloudtrail-disable-user")
            event["detail"] |= {"eventName": "EnableUser", "eventTime": moment, "eventID": number}
            event["detail"]["requestParameters"]["userId"] = store
            return event
        event = {**load_event("offboarding-requested"), "detail-type": "Offboarding Withdrawn"}
        request_id = _pick(self.requests[name], self.event_count)
        if provider == "request" and request_id:
            event["detail"] = {"RequestId": request_id}
        else:
            event["detail"] = {"EntityId": self._identifier(name, self._vary_form()), "Reason": "stays"}
        return event

    def _build_request(self, name: str, request_id: str, **members: str) -> dict[str, Any]:
        self.event_count += 1
        self.requests[name].append(request_id)
        return build_request_event(self._identifier(name, self._vary_form()), request_id, **members)

    @staticmethod
    def _build_scim_call(store: str, moment: str, number: str, *, is_active: bool) -> dict[str, Any]:
        event = load_event("identity-center-scim-patch-user")
        request = {"tenantId": SCIM_TENANT_ID, "userId": store, "httpBody": {"active": is_active}}
        event["detail"] |= {"eventTime": moment, "eventID": number, "requestParameters": request}
        event["detail"]["responseElements"] = None
        return event

    def _vary_form(self) -> str:
        return ["id", "name", "address"][self.event_count % 3]

    def _squat_names(self, name: str, other_name: str, names: int) -> None:
        entity, former_name = self._entity(name), None
        registered_at = render(entity.enabled_date) if entity.enabled_date else ""
        for _ in range(names):
            departure = Departure(ORGANIZATION_ID, entity.id, entity.name, registered_at, former_name)
            former_name = execution_name(departure)
            execution_input = {"OrganizationId": ORGANIZATION_ID, "EntityId": self.ids[other_name]}
            self._try(partial(self.flow.environment.start, execution_input, former_name))

    def _find_store_id(self, name: str) -> str:
        store_id = getattr(self._entity(name), "identity_provider_user_id", None)
        return store_id or "94482488-3041-7097-2d41-0242ac120002"

    def _identifier(self, name: str, form: str) -> str:
        address = self._address(name)
        aliases = self._entity(name).aliases
        return {
            "id": self.ids[name],
            "name": name,
            "NAME": name.upper(),
            "address": address,
            "ADDRESS": address.upper(),
            "alias": aliases[0] if aliases else f"{name}-too@{COMPANY_DOMAIN}",
        }[form]

    def _entity(self, name: str) -> Any:
        return self.flow.backend.organizations[ORGANIZATION_ID].entities[self.ids[name]]

    def _domain(self, name: str) -> str | None:
        return COMPANY_DOMAIN if self._entity(name).type == "USER" else None

    def _address(self, name: str) -> str:
        return self.flow.people.address(name, self._domain(name))

    def _register(self, name: str) -> None:
        self.flow.people.register(self.ids[name], name, self._domain(name))

    def _disable(self, name: str) -> None:
        self.flow.deregister(self.ids[name])

    def _delete(self, name: str) -> None:
        kind = self._entity(name).type.lower()
        parameters = {f"{kind.capitalize()}Id": self.ids[name]}
        getattr(self.flow.workmail, f"delete_{kind}")(OrganizationId=ORGANIZATION_ID, **parameters)

    def _replace(self, name: str) -> None:
        """Delete an entity, and register another person under its name and address."""
        self._try(lambda: self._disable(name))
        self._delete(name)
        self._create(name, "USER", True, None)

    def _hand_over(self, name: str, other_name: str) -> None:
        self.flow.workmail.create_alias(
            OrganizationId=ORGANIZATION_ID, EntityId=self.ids[other_name], Alias=self._address(name)
        )

    def _try(self, act: Callable[[], object]) -> None:
        """Act as an administrator; WorkMail may refuse the call."""
        with contextlib.suppress(ClientError):
            act()

    def _settle_after(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        finally:
            self.flow.clock.settle()

    def _advance(self, time: timedelta) -> None:
        """Advance the clock and redrive the dead letters on the way: SQS drops them after 14 days."""
        while time > REDRIVE_INTERVAL:
            self.flow.clock.advance(REDRIVE_INTERVAL)
            self._redrive()
            time -= REDRIVE_INTERVAL
        self.flow.clock.advance(time)


class WalkNearServiceEnd(Walk):
    """A walk that starts some weeks before WorkMail ends, in its last days, or after its end."""

    @initialize(days=st.sampled_from([0, 8, 36, 37, 38, 39]))
    def approach_the_end(self, days: int) -> None:
        self._advance(timedelta(days=days))


def run_walks(
    kind: type[RuleBasedStateMachine], shared: SharedEnvironment, seed: int | None = None, **overrides: Any
) -> None:
    """Run random walks of a kind in their own environments."""
    walks = type(kind.__name__, (kind,), {"shared": shared})
    defaults = {"database": None, "deadline": None, "print_blob": True, "stateful_step_count": 12}
    try:
        run_state_machine_as_test(
            walks if seed is None else hypothesis.seed(seed)(walks),
            settings=settings(suppress_health_check=list(HealthCheck), **{**defaults, **overrides}),
        )
    finally:
        shared.discard()


def test_a_few_walks_violate_no_invariant() -> None:
    run_walks(Walk, SharedEnvironment(EARLY_START), max_examples=2, derandomize=True)


def test_a_few_walks_near_the_end_of_the_service_violate_no_invariant() -> None:
    run_walks(WalkNearServiceEnd, SharedEnvironment(LATE_START, 1), max_examples=1, derandomize=True)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed that is printed, so that the walks of a long run can be repeated."""
    option = request.config.getoption("hypothesis_seed", None)
    seed = secrets.randbelow(2**32) if option in {None, "random"} else int(option)
    sys.stdout.write(f"--hypothesis-seed={seed}\n")
    return seed


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_many_walks_violate_no_invariant(seed: int, part: int) -> None:
    run_walks(Walk, SharedEnvironment(EARLY_START), max_examples=500, seed=seed + part)


@pytest.mark.long
def test_many_walks_near_the_end_of_the_service_violate_no_invariant(seed: int) -> None:
    run_walks(WalkNearServiceEnd, SharedEnvironment(LATE_START, 1), max_examples=100, seed=seed)
