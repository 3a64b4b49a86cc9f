"""Random walks: people, administrators, identity providers and bad days in any order, over the real stack.

A walk is a sequence of steps that hypothesis draws: somebody arrives, is offboarded by hand or by an event, restored,
deleted, made anew; the settings change, AWS throttles, functions crash, days pass. After each step, and once everything
is over, `tests.workflow.invariants` says what is wrong.

**Sharing is sound.** A process keeps one environment for many walks, because making one takes longer than a walk. Each
walk begins with nobody in the organization, no execution, an empty table, empty queues, the same settings, at noon of
a day of its own, and ends when nothing runs any more; so nothing of a former walk can be seen in it, but for the date
and loaded functions. The clock starts in 2001, decades before WorkMail ends. An environment in which a walk has failed
is not used again, and a failing walk that hypothesis prints can be repeated alone, in another process, by the blob that
is printed with it. (Where a step starts several executions at once their threads race, so such a walk can be flaky:
hypothesis says so, and what was wrong stands there all the same.)

`make test` takes the same few walks each time. `make test-long` takes many, others each time, and says how to repeat
one.
"""

import contextlib
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
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
from moto.sqs.models import sqs_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.assembly import assembly
from local.environment import Environment
from local.faults import EMPTY, TIMEOUT, Fault
from local.settings import ACCOUNT, COMPANY_DOMAIN, OFFBOARDING, ORGANIZATION_ID, REGION
from local.workmail.behaviour import Behaviour
from local.workmail.entities import RETENTION
from tests.workflow.conftest import Flow
from tests.workflow.invariants import Watch
from tests.workflow.test_identity_events import Intake, event, okta, requested

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
NEAR_THE_END = datetime(2027, 2, 20, tzinfo=UTC)
LOOKS_EVERY = timedelta(days=10)
LISTS = {"Protected": ["boss*", "chief*"], "ApprovalRequired": ["vip*"], "DailyCap": 2}

OTHERS = [("boss1", "USER"), ("vip1", "USER"), ("room1", "RESOURCE"), ("list1", "GROUP")]
WAYS_TO_CALL = ["id", "name", "NAME", "address", "ADDRESS", "alias"]
PROVIDERS = ["okta", "auth0", "sailpoint", "identityCenter", "identityCenterCloudTrail", "offboardingRequested"]
TIMES = [
    timedelta(seconds=1), timedelta(minutes=2), timedelta(minutes=20), timedelta(hours=13), timedelta(days=1),
    timedelta(days=6), timedelta(days=15), timedelta(days=30), timedelta(days=31), timedelta(days=40),
]  # fmt: skip

PASSING = ["ThrottlingException", "InternalFailure", "ServiceUnavailable", TIMEOUT]
READS = [
    "DescribeEntity", "DescribeUser", "DescribeGroup", "DescribeResource", "ListUsers", "DescribeOrganization",
    "ListAliases", "ListGroupsForEntity", "GetMailboxDetails",
]  # fmt: skip
WRITES = ["DeregisterFromWorkMail", "RegisterToWorkMail", "CreateAlias", "AssociateMemberToGroup"]
FUNCTIONS = [
    "ResolveEntity", "CheckOrganization", "PlanOffboarding", "RecordOffboarding", "AwaitApproval", "DeregisterEntity",
    "VerifyCleanup", "DecideApproval", "RegisterEntity", "RestoreAliasesAndGroups", "CloseRecord", "StartOffboarding",
]  # fmt: skip
CRASHES = ["Runtime.ExitError", "Sandbox.Timedout"]

some_times = st.sampled_from([1, 2, 3, None])
few_times = st.sampled_from([1, 2])
skips = st.sampled_from([0, 0, 1, 3])
few = st.integers(0, 3)


def faults(service: str, operations: list[str], times: Any = some_times, **outcome: list[str]) -> Any:
    [(kind, names)] = outcome.items()
    return st.builds(
        Fault,
        st.just(service),
        st.sampled_from(operations),
        times=times,
        skip=skips,
        **{kind: st.sampled_from(names)},
    )


TROUBLE = st.one_of(
    faults("workmail", READS + WRITES, error=PASSING),
    faults("workmail", WRITES, few_times, after_effect=[TIMEOUT, "InternalFailure"]),
    faults("workmail", WRITES, error=["EntityStateException", "OrganizationStateException", "AccessDeniedException"]),
    faults("workmail", ["DeregisterFromWorkMail", "GetMailboxDetails", "DescribeUser"], error=[EMPTY]),
    faults("workmail", ["DescribeUser"], error=["DirectoryUnavailableException"]),
    faults(
        "dynamodb", ["GetItem", "UpdateItem", "Query"], error=["ThrottlingException", "InternalServerError", TIMEOUT]
    ),
    faults("dynamodb", ["UpdateItem"], few_times, after_effect=[TIMEOUT, "InternalServerError"]),
    faults("ssm", ["GetParameter"], error=["InternalServerError", "AccessDeniedException"]),
    faults("stepfunctions", ["StartExecution", "DescribeExecution", "SendTaskSuccess"], error=["ThrottlingException"]),
    faults("workmail", ["ListUsers"], error=[*PASSING, "AccessDeniedException"]),
    faults("stepfunctions", ["StartExecution", "SendTaskSuccess"], few_times, after_effect=[TIMEOUT]),
    faults("lambda", FUNCTIONS, few_times, error=CRASHES),
    faults("lambda", FUNCTIONS, few_times, after_effect=CRASHES),
    faults("lambda", ["Invoke"], few_times, error=["TooManyRequestsException", "ServiceException"]),
    faults("sqs", ["SendMessage"], error=["RequestThrottled"]),
    faults("sns", ["Publish"], error=["InternalError"]),
    faults("events", ["PutEvents"], error=["InternalException"]),
)

behaviours = st.builds(
    Behaviour,
    **{name: st.sampled_from(answers) for name, answers in Behaviour.answers().items()},
    describe_lag_seconds=st.sampled_from([0, 0, 60, 120]),
)
options = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "DryRun": st.just(True),
            "NotBefore": st.sampled_from([timedelta(days=days) for days in (-1, 2, 20, 299, 301)]),
            "Expected": st.sampled_from(["right", "wrong"]),
            "RequestedBy": st.sampled_from(["helpdesk", "self"]),
            "Reason": st.just("leaves"),
        },
    ),
)


def _one_of(found: list[Any], which: int) -> Any:
    return found[which % len(found)] if found else None


class Shared:
    """The environment of this process, and how many walks it has seen.

    Parameters
    ----------
    start
        Where its clock starts.
    walks
        How many walks it is used for before another one is made.
    """

    def __init__(self, start: datetime, walks: int = 60) -> None:
        self._start, self._at_most = start, walks
        self._environment: Environment | None = None
        self._walks = 0

    def flow(self) -> Flow:
        """Return a flow in which nothing has happened, at noon."""
        if self._environment is None or self._walks >= self._at_most:
            self.discard()
            self._environment = Environment(assembly(OFFBOARDING), now=self._start)
            self._environment.__enter__()
        self._walks += 1
        flow = Flow(self._environment)
        empty(flow)
        tomorrow = flow.clock.now().date() + timedelta(days=1)
        flow.clock.move_to(datetime.combine(tomorrow, time(12), UTC))
        return flow

    def discard(self) -> None:
        """Do not use the environment again."""
        if self._environment is not None:
            self._environment.__exit__(None, None, None)
        self._environment, self._walks = None, 0


def empty(flow: Flow) -> None:
    """Forget what has happened: entities, executions, records, messages, and what the walk had changed."""
    flow.backend.organizations[ORGANIZATION_ID].entities.clear()
    flow.backend.set_organization_state(ORGANIZATION_ID, "Active")
    flow.backend.calls.clear()
    flow.backend.after.clear()
    flow.backend.behaviour, flow.backend.retention = Behaviour(), RETENTION
    for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
        machine.executions.clear()
    dynamodb_backends[ACCOUNT][REGION].tables[flow.table_name].items.clear()
    for queue in sqs_backends[ACCOUNT][REGION].queues.values():
        queue._messages.clear()
        queue.pending_messages.clear()
        queue.deleted_messages.clear()
    flow.change_policy(**LISTS)


class Walk(RuleBasedStateMachine):
    """What can happen. Each step ends when nothing that is due runs any more."""

    shared: Shared

    people = Bundle("people")
    offboardings = Bundle("offboardings")
    events = Bundle("events")

    def __init__(self) -> None:
        super().__init__()
        self.flow = self.shared.flow()
        self.watch = Watch(self.flow)
        self.intake = Intake(self.flow)
        self.ids: dict[str, str] = {}
        self.started = 0

    @initialize(behaviour=behaviours, retention=st.sampled_from([RETENTION, RETENTION, timedelta(days=33)]))
    def workmail_behaves(self, behaviour: Behaviour, retention: timedelta) -> None:
        self.flow.backend.behaviour, self.flow.backend.retention = behaviour, retention

    @initialize(target=people, others=st.sampled_from(OTHERS))
    def somebody_is_there(self, others: tuple[str, str]) -> Any:
        """Without anybody most walks would be short: hypothesis leaves out some of the steps in each of them."""
        there = [("dana0", "USER", "own"), (*others, None)]
        for name, kind, alias in there:
            self._make(name, kind, True, alias)
        return multiple(*(name for name, *_ in there))

    @rule(
        target=people,
        stem=st.sampled_from(["dana", "dana", "boss", "vip"]),
        kind=st.sampled_from(["USER", "USER", "USER", "GROUP", "RESOURCE"]),
        registered=st.sampled_from([True, True, True, False]),
        alias=st.sampled_from([None, None, "own", "chief"]),
    )
    def arrives(self, stem: str, kind: str, registered: bool, alias: str | None) -> Any:
        name = f"{stem}{len(self.ids)}"
        return name if self._make(name, kind, registered, alias) else multiple()

    @rule(target=offboardings, name=people, how=st.sampled_from(WAYS_TO_CALL), more=options)
    def is_offboarded(self, name: str, how: str, more: dict[str, Any]) -> str:
        return self._settled(lambda: self._start(name, how, more))

    @rule(target=offboardings, name=people, how=st.sampled_from(WAYS_TO_CALL), again=st.sampled_from(WAYS_TO_CALL))
    def is_offboarded_twice_at_once(self, name: str, how: str, again: str) -> Any:
        return self._settled(lambda: multiple(self._start(name, how, {}), self._start(name, again, {})))

    @rule(target=events, name=people, provider=st.sampled_from(PROVIDERS), ago=st.sampled_from([0, 0, 40]))
    def is_reported(self, name: str, provider: str, ago: int) -> dict[str, Any]:
        made = self._event(name, provider, self.flow.clock.now() - timedelta(days=ago))
        self._settled(lambda: self.intake.put(made))
        return made

    @rule(made=events, times=st.sampled_from([1, 2]))
    def is_reported_again(self, made: dict[str, Any], times: int) -> None:
        self._settled(lambda: self.intake.put(*[made] * times))

    @rule(name=people, provider=st.sampled_from(PROVIDERS), hours=st.sampled_from([1, 100]))
    def is_reported_during_a_pause(self, name: str, provider: str, hours: int) -> None:
        self.intake.pause(paused=True)
        self.intake.put(self._event(name, provider, self.flow.clock.now()))
        self._passes(timedelta(hours=hours))
        self.intake.pause(paused=False)

    @rule(fault=TROUBLE)
    def trouble_begins(self, fault: Fault) -> None:
        self._begin(fault)

    @rule(target=offboardings, name=people, fault=TROUBLE, and_another=TROUBLE)
    def is_offboarded_on_a_bad_day(self, name: str, fault: Fault, and_another: Fault) -> str:
        self._begin(fault)
        self._begin(and_another)
        return self._settled(lambda: self._start(name, "id", {}))

    @rule()
    def trouble_ends(self) -> None:
        self.flow.environment.faults.clear()

    @rule(
        name=people,
        other=people,
        act=st.sampled_from(["register", "register", "disable", "delete", "make anew", "hand over"]),
    )
    def an_administrator_acts(self, name: str, other: str, act: str) -> None:
        """Among others: who was deleted gives the name to somebody else, and the address, as an alias."""
        acts = {
            "register": lambda: self._register(name),
            "disable": lambda: self._disable(name),
            "delete": lambda: self._delete(name),
            "make anew": lambda: self._make(name, "USER", True, None),
            "hand over": lambda: self._hand_over(name, other),
        }
        self._settled(lambda: self._try(acts[act]))

    @rule(time=st.sampled_from(TIMES))
    def time_passes(self, time: timedelta) -> None:
        self._passes(time)

    @rule(arn=offboardings, which=few, decision=st.sampled_from(["Approved", "Approved", "Rejected"]))
    def somebody_decides(self, arn: str, which: int, decision: str) -> None:
        """On one that waits for it, if there is one; otherwise on any."""
        waiting = [record["Id"] for record in self.flow.list_by_status("AwaitingApproval")]
        self._settled(lambda: self.flow.decide(_one_of(waiting, which) or arn, decision))

    @rule(name=people, which=few, how=st.sampled_from(["id", "name", "address"]))
    def is_restored(self, name: str, which: int, how: str) -> None:
        """Somebody who is in the window, if there is one; otherwise anybody."""
        there = {entity_id: name for name, entity_id in self.ids.items()}
        in_window = [there.get(record["Entity"]["Id"]) for record in self.flow.list_by_status("InWindow")]
        called = self._called(_one_of(in_window, which) or name, how)
        self._settled(lambda: self.flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=called))

    @rule(arn=offboardings)
    def an_offboarding_is_taken_back(self, arn: str) -> None:
        self._settled(lambda: self.flow.restore(ExecutionArn=arn))

    @rule(
        protected=st.sampled_from([["boss*", "chief*"], ["dana*"]]),
        approval=st.sampled_from([["vip*"], [], ["*"]]),
        cap=st.sampled_from([0, 1, 20]),
    )
    def settings_are_deployed(self, protected: list[str], approval: list[str], cap: int) -> None:
        self.flow.change_policy(Protected=protected, ApprovalRequired=approval, DailyCap=cap)
        self._passes(timedelta(seconds=6))

    @rule(arn=consumes(offboardings))
    def is_stopped(self, arn: str) -> None:
        if self.flow.environment.describe(arn)["status"] == "RUNNING":
            self.watch.stopped.add(arn)
            self._settled(lambda: self.flow.environment.client("stepfunctions").stop_execution(executionArn=arn))

    @rule(state=st.sampled_from(["Active", "Active", "Suspended"]), seconds=st.sampled_from([0, 60, 120]))
    def workmail_changes(self, state: str, seconds: int) -> None:
        self.flow.backend.set_organization_state(ORGANIZATION_ID, state)
        self.flow.backend.behaviour = replace(self.flow.backend.behaviour, describe_lag_seconds=seconds)

    @rule(
        target=offboardings,
        name=people,
        act=st.sampled_from(["register", "disable", "delete", "offboard", "protect", "protect"]),
        operation=st.sampled_from([*READS, *WRITES, "ListAliases", "GetMailboxDetails"]),
    )
    def is_offboarded_and_something_happens_in_the_middle(self, name: str, act: str, operation: str) -> str:
        """When the stack has asked for this, now or later, somebody acts before the function that asked goes on."""
        acts = {
            "register": self._register,
            "disable": self._disable,
            "delete": self._delete,
            "offboard": lambda name: self._start(name, "id", {}),
            "protect": lambda name: self.flow.change_policy(Protected=[name]),
        }

        def after(asked: str, _: Any) -> None:
            if asked != operation or self.flow.clock.current() is None or hook not in self.flow.backend.after:
                return
            self.flow.backend.after.remove(hook)
            # In a thread of its own: what runs as work on the clock counts as the stack.
            somebody = threading.Thread(target=lambda: self._try(lambda: acts[act](name)))
            somebody.start()
            somebody.join()

        hook = after
        self.flow.backend.after.append(hook)
        return self._settled(lambda: self._start(name, "id", {}))

    @invariant()
    def nothing_is_wrong_so_far(self) -> None:
        self._insist(self.watch.so_far())

    def teardown(self) -> None:
        """See how everything ends, unless a step has failed or hypothesis breaks this walk off."""
        failure = sys.exc_info()[1]
        try:
            if failure is None:
                self._let_everything_end()
                self._insist(self.watch.violations())
            elif isinstance(failure, StopTest):
                self._break_off()
        finally:
            self.watch.close()
            self.flow.environment.faults.clear()
            if not isinstance(sys.exc_info()[1], StopTest | None):
                self.shared.discard()

    def _break_off(self) -> None:
        self.flow.environment.faults.clear()
        for arn in self.watch.running():
            self.flow.environment.client("stepfunctions").stop_execution(executionArn=arn)
        self.flow.pass_days(1)

    def _let_everything_end(self) -> None:
        self.flow.environment.faults.clear()
        self.flow.backend.set_organization_state(ORGANIZATION_ID, "Active")
        # What waits in the queues first: it may start something.
        self.flow.pass_days(1)
        for _ in range(45):
            if not self.watch.running():
                break
            self._passes(LOOKS_EVERY)
            self._redrive()
        self._redrive()
        self.flow.pass_days(1)

    @staticmethod
    def _insist(wrong: list[str]) -> None:
        assert not wrong, "\n".join(wrong)

    def _redrive(self) -> None:
        """Send the status changes that could not be worked on again, as the documentation has an operator do."""
        sqs, outputs = self.flow.environment.client("sqs"), self.flow.environment.outputs
        url = outputs["StatusChangeDeadLetterQueueUrl"]
        source = sqs_backends[ACCOUNT][REGION].queues[url.rpartition("/")[2]]
        target = next(q for q in sqs_backends[ACCOUNT][REGION].queues.values() if q.dead_letter_queue is source)
        target_url = sqs.get_queue_url(QueueName=target.name)["QueueUrl"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.send_message(QueueUrl=target_url, MessageBody=message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _begin(self, fault: Fault) -> None:
        self.flow.environment.faults.add(fault)
        if fault.service == "lambda":
            self.watch.excused |= {f"Lambda.{fault.name}", str(fault.name)}

    def _make(self, name: str, kind: str, registered: bool, alias: str | None) -> bool:
        people, number = self.flow.people, len(self.ids)
        try:
            if kind == "USER":
                store = f"{number:08x}-3041-7097-2d41-0242ac120002"
                made = people.user(name, registered=registered, domain=COMPANY_DOMAIN, IdentityProviderUserId=store)
                people.group(f"team{number}-{name}", (made,))
            else:
                made = people.group(name) if kind == "GROUP" else people.resource(name)
            self.ids[name] = made
            if alias and registered:
                people.alias(made, f"{name}-too" if alias == "own" else f"chief-{name}", COMPANY_DOMAIN)
        except ClientError:
            return name in self.ids
        self.flow.clock.settle()
        return True

    def _start(self, name: str, how: str, more: dict[str, Any]) -> str:
        given = dict(more)
        if "NotBefore" in given:
            given["NotBefore"] = (self.flow.clock.now() + given["NotBefore"]).isoformat()
        if "Expected" in given:
            right = {"Type": self._entity(name).type, "Name": name}
            given["Expected"] = right if given["Expected"] == "right" else {**right, "Name": "somebody"}
        if given.get("RequestedBy") == "self":
            given["RequestedBy"] = self._address(name)
        return self.flow.start(self._called(name, how), **given)

    def _event(self, name: str, provider: str, at: datetime) -> dict[str, Any]:
        self.started += 1
        address, moment, number = self._address(name), at.isoformat().replace("+00:00", "Z"), f"e-{self.started}"
        store = getattr(self._entity(name), "identity_provider_user_id", None) or "94482488-3041-7097-2d41-0242ac120002"
        if provider == "okta":
            return okta(address, uuid=number, published=moment)
        if provider == "offboardingRequested":
            return requested(self._called(name, ["id", "name", "address"][self.started % 3]), number)
        if provider == "auth0":
            made = event("auth0-successful-user-deletion")
            made["detail"]["data"] |= {"date": moment, "log_id": number, "user_name": address}
        elif provider == "sailpoint":
            made = event("sailpoint-account-deleted")
            made["detail"]["identity"] |= {"email": address, "alias": name}
            made["detail"]["account"] |= {"name": name, "nativeIdentity": name, "attributes": {"email": address}}
            made["detail"]["_metadata"]["invocationId"] = number
        elif provider == "identityCenter":
            made = event("identity-center-user-deleted")
            made["detail"]["userId"] = store
        else:
            made = event("identity-center-cloudtrail-disable-user")
            made["detail"] |= {"eventTime": moment, "eventID": number}
            made["detail"]["requestParameters"]["userId"] = store
        return made

    def _called(self, name: str, how: str) -> str:
        address = self._address(name)
        aliases = self._entity(name).aliases
        return {
            "id": self.ids[name],
            "name": name,
            "NAME": name.upper(),
            "address": address,
            "ADDRESS": address.upper(),
            "alias": aliases[0] if aliases else f"{name}-too@{COMPANY_DOMAIN}",
        }[how]

    def _entity(self, name: str) -> Any:
        return self.flow.backend.organizations[ORGANIZATION_ID].entities[self.ids[name]]

    def _domain(self, name: str) -> str | None:
        return COMPANY_DOMAIN if self._entity(name).type == "USER" else None

    def _address(self, name: str) -> str:
        return self.flow.people.address(name, self._domain(name))

    def _register(self, name: str) -> None:
        self.flow.people.register(self.ids[name], name, self._domain(name))

    def _disable(self, name: str) -> None:
        self.flow.workmail.deregister_from_work_mail(OrganizationId=ORGANIZATION_ID, EntityId=self.ids[name])

    def _delete(self, name: str) -> None:
        kind = self._entity(name).type.lower()
        who = {f"{kind.capitalize()}Id": self.ids[name]}
        getattr(self.flow.workmail, f"delete_{kind}")(OrganizationId=ORGANIZATION_ID, **who)

    def _hand_over(self, name: str, other: str) -> None:
        self.flow.workmail.create_alias(
            OrganizationId=ORGANIZATION_ID, EntityId=self.ids[other], Alias=self._address(name)
        )

    def _try(self, act: Callable[[], object]) -> None:
        """Have an administrator try something that WorkMail may refuse."""
        with contextlib.suppress(ClientError):
            act()

    def _settled(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        finally:
            self.flow.clock.settle()

    def _passes(self, time: timedelta) -> None:
        """Let time pass, in which somebody looks at the dead letters: after 14 days SQS drops them."""
        while time > LOOKS_EVERY:
            self.flow.clock.advance(LOOKS_EVERY)
            self._redrive()
            time -= LOOKS_EVERY
        self.flow.clock.advance(time)


class WalkNearTheEnd(Walk):
    """A walk that begins some weeks before WorkMail ends, on its last days, or after it."""

    @initialize(days=st.sampled_from([0, 8, 36, 37, 38, 39]))
    def it_is_late(self, days: int) -> None:
        self._passes(timedelta(days=days))


def walk(kind: type[Walk], shared: Shared, seed: int | None = None, **chosen: Any) -> None:
    """Take random walks of a kind, in environments of their own."""
    walks = type(kind.__name__, (kind,), {"shared": shared})
    usual = {"database": None, "deadline": None, "print_blob": True, "stateful_step_count": 12}
    try:
        run_state_machine_as_test(
            walks if seed is None else hypothesis.seed(seed)(walks),
            settings=settings(suppress_health_check=list(HealthCheck), **{**usual, **chosen}),
        )
    finally:
        shared.discard()


def test_nothing_is_wrong_in_a_few_walks() -> None:
    walk(Walk, Shared(LONG_AGO), max_examples=5, derandomize=True)


def test_nothing_is_wrong_in_a_few_walks_near_the_end_of_the_service() -> None:
    walk(WalkNearTheEnd, Shared(NEAR_THE_END, 1), max_examples=1, derandomize=True)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed that is said, so that the walks of a long run can be repeated."""
    given = request.config.getoption("hypothesis_seed", None)
    chosen = secrets.randbelow(2**32) if given in {None, "random"} else int(given)
    sys.stdout.write(f"--hypothesis-seed={chosen}\n")
    return chosen


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_nothing_is_wrong_in_many_walks(seed: int, part: int) -> None:
    walk(Walk, Shared(LONG_AGO), max_examples=500, seed=seed + part)


@pytest.mark.long
def test_nothing_is_wrong_in_many_walks_near_the_end_of_the_service(seed: int) -> None:
    walk(WalkNearTheEnd, Shared(NEAR_THE_END, 1), max_examples=100, seed=seed)
