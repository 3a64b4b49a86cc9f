"""Measures the embedded AWS with many offboardings at once, and whether all of them end as they should.

Run it with `python -m benchmarks.scale`, and with `--full` for up to 1,000 offboardings and 10,000 events. Times are
those of the processor, as ratios within one run, so that they hardly depend on the machine. A wrong outcome ends the
run with an error; a figure that misses its goal is printed with NO.

A quota of AWS that binds first is not measured here: `tools.costs.quotas` computes it.
"""

import argparse
import contextlib
import gc
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figure, limit_figure, make_ratio, publish_figures
from local.aws.functions.process_state import running_function
from local.aws.quotas import QuotaSettings
from local.cdk.assembly import assembly
from local.defaults import COMPANY_DOMAIN, IDENTITY_STORE_ID, OFFBOARDING, ORGANIZATION_ID
from local.environment import Environment
from local.organization import OrganizationBuilder
from local.workmail.state import ENABLED, IdentifiedBy, User, WorkMailOrganization

SMALL_STACK = {"organizations": OFFBOARDING["organizations"]}
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAYS_TO_THE_END = timedelta(days=45)
MOST_GROWTH = 1.1
MOST_KILOBYTES = 300
MOST_CALLS = 2
_EXPECTED_OUTCOME = "CleanupVerified"
_UNLIMITED_CAP = 1_000_000
_PROCESSES = 2
_USERS_PER_BATCH = 100
_COMPARED_BATCHES = 10
_MAX_ENTRIES = 10
"""In one call of EventBridge's PutEvents."""
_WAKES_AFTER = timedelta(days=3)
_QUEUE_TIME = timedelta(hours=12)
_ROUNDS = 5
_BATCH = 10
"""Offboardings that start or end while others wait, in each of the rounds."""
_BETWEEN_STARTS = timedelta(minutes=1)
_FROM_START_TO_END = timedelta(days=30, hours=6)
_ATTEMPTS = ("LambdaFunctionScheduled", "TaskScheduled")
"""The events of an execution's history that each attempt of a task has one of."""
_STARTER = "start_offboarding.handler"
_STORE_USER = "94482488-3041-7097-2d41-0242ac120002"
_KILOBYTES_PER_PAGE = os.sysconf("SC_PAGE_SIZE") / 1024


class WrongOutcomeError(Exception):
    """Something did not end as it should."""


class Stage:
    """An embedded AWS with the stack and without caps, and what the scenarios do with it."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.clock = environment.clock
        self._people = OrganizationBuilder(environment.client("workmail"))
        self._count = 0
        self._lift_caps()

    def fill_organization(self, size: int) -> None:
        """Have so many users in the organization, without a call for each."""
        self._organization.entities.update(
            {
                user_id: User(
                    id=user_id,
                    name=f"person{number:05}",
                    email=f"person{number:05}@{COMPANY_DOMAIN}",
                    state=ENABLED,
                    enabled_date=START,
                )
                for number in range(size)
                for user_id in [f"{number:08x}-0000-4000-8000-000000000000"]
            }
        )

    def find_entity(self, address: str) -> User:
        """Return the user with an address."""
        user = self._organization.find(address, (User,), IdentifiedBy.EMAIL)
        if user is None:
            raise WrongOutcomeError(f"{address} does not exist")
        return user

    def list_disabled_dates(self, count: int) -> list[datetime]:
        """List when the last so many users were disabled, without those who are not."""
        dates = [entity.disabled_date for entity in self._organization.entities.values()][-count:]
        return [date for date in dates if date is not None]

    def count_look_ups(self, event: Mapping[str, str]) -> int:
        """Send an event that starts an offboarding; return how many calls of WorkMail the starter makes for it."""
        operations: list[str] = []

        def note(operation: str, _: object) -> None:
            function = running_function()
            if function is not None and function.handler == _STARTER:
                operations.append(operation)

        earlier_arns, hooks = set(self.list_executions()), self.environment.workmail.before_hooks
        hooks.append(note)
        self.environment.client("events").put_events(Entries=[event])
        self.clock.settle()
        self.clock.advance(timedelta(minutes=10))
        hooks.remove(note)
        arns = set(self.list_executions()) - earlier_arns
        if len(arns) != 1:
            raise WrongOutcomeError(f"the event {event['Detail']} should start one execution: {len(arns)} are there")
        if not operations:
            raise WrongOutcomeError(f"no call of {_STARTER} was noticed, so that it looked for nobody")
        return len(operations)

    def create_users(self, count: int) -> list[str]:
        """Create users with mailboxes; return their addresses."""
        names = [f"user{self._count + number}" for number in range(count)]
        self._count += count
        ids = [self._people.create_user(name) for name in names]
        return [str(self._organization.entities[user_id].email) for user_id in ids]

    def start(self, address: str, not_before: datetime | None = None) -> str:
        """Start an offboarding; return its ARN."""
        date = {"NotBefore": not_before.isoformat()} if not_before else {}
        return self.environment.start({"OrganizationId": ORGANIZATION_ID, "EntityId": address, **date})

    def require_outcomes(self, arns: Sequence[str]) -> None:
        """Raise an error unless all of these offboardings ended with a verified clean-up."""
        outcomes = Counter(self._read_outcome(arn) for arn in arns)
        if outcomes != {_EXPECTED_OUTCOME: len(arns)}:
            raise WrongOutcomeError(f"{len(arns)} offboardings should end as {_EXPECTED_OUTCOME}: {dict(outcomes)}")

    def list_executions(self) -> list[str]:
        """Return the ARNs of all offboardings."""
        pages = self.environment.client("stepfunctions").get_paginator("list_executions")
        machine = self.environment.state_machine_arn
        return [item["executionArn"] for page in pages.paginate(stateMachineArn=machine) for item in page["executions"]]

    @property
    def _organization(self) -> WorkMailOrganization:
        return self.environment.workmail.organizations[ORGANIZATION_ID]

    def _read_outcome(self, arn: str) -> str:
        answer = self.environment.describe(arn)
        return str(json.loads(answer.get("output", "{}")).get("Outcome") or answer.get("error") or answer["status"])

    def _lift_caps(self) -> None:
        name = f"{self.environment.function_environment('DeregisterEntity')['POLICIES_PATH']}/{ORGANIZATION_ID}"
        ssm = self.environment.client("ssm")
        policy = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        policy |= {"DailyCap": _UNLIMITED_CAP, "HandCap": _UNLIMITED_CAP}
        ssm.put_parameter(Name=name, Value=json.dumps(policy), Overwrite=True)


@contextlib.contextmanager
def open_stage(settings: dict[str, object] | None = None) -> Iterator[Stage]:
    """Open a stage on which one offboarding has ended, so that all functions are loaded."""
    with Environment(assembly(settings or SMALL_STACK), now=START) as environment:
        stage = Stage(environment)
        (user,) = stage.create_users(1)
        arn = stage.start(user)
        stage.clock.advance(DAYS_TO_THE_END)
        stage.require_outcomes([arn])
        yield stage


def read_kilobytes() -> float:
    """Return the memory of this process, after all that nobody refers to is gone."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _KILOBYTES_PER_PAGE


def measure_seconds(act: Callable[[], object]) -> float:
    """Return for how long something has a processor, without the collection of Python's garbage.

    A collection looks at all that exists, at a moment that depends on what was done before.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    began_at = time.process_time()
    try:
        act()
        return time.process_time() - began_at
    finally:
        gc.enable()


class WaitingStage:
    """A stage on which so many offboardings wait, and on which further ones start and the oldest ones end."""

    def __init__(self, stage: Stage, count: int) -> None:
        self._stage = stage
        self._users = iter(stage.create_users(count + _ROUNDS * _BATCH))
        self._began_at = stage.clock.now()
        self._arns: list[str] = []
        self._ended = 0
        kilobytes = read_kilobytes()
        self._start(count)
        self.kilobytes = (read_kilobytes() - kilobytes) / count

    def measure_start(self) -> float:
        """Measure the start of one batch."""
        return measure_seconds(lambda: self._start(_BATCH))

    def measure_end(self) -> float:
        """Measure the end of the batch that waits longest."""
        if not self._ended:
            self._stage.clock.move_to(self._began_at + _FROM_START_TO_END - _BETWEEN_STARTS / 2)
        seconds = measure_seconds(lambda: self._stage.clock.advance(_BATCH * _BETWEEN_STARTS))
        batch = self._arns[self._ended : self._ended + _BATCH]
        self._ended += _BATCH
        self._stage.require_outcomes(batch)
        return seconds

    def end_all(self) -> float:
        """Have all others end, and require that all ended as they should."""
        self._stage.clock.advance(DAYS_TO_THE_END)
        self._stage.require_outcomes(self._arns)
        return 0.0

    def _start(self, count: int) -> None:
        for _ in range(count):
            self._arns.append(self._stage.start(next(self._users)))
            self._stage.clock.settle()
            # Otherwise all would end at one instant.
            self._stage.clock.advance(_BETWEEN_STARTS)


def serve_waiting(count: int, connection: Connection) -> None:
    """Measure on a stage with so many that wait, each time that another process sends the name of a method."""
    with open_stage() as stage:
        waiting = WaitingStage(stage, count)
        connection.send(waiting.kilobytes)
        for _ in range(2 * _ROUNDS + 1):
            connection.send(getattr(waiting, connection.recv())())


def measure_waiting(counts: Sequence[int]) -> list[Figure]:
    """Measure what an offboarding costs from its start to its end while so many wait.

    For each number there is a process. One measures after the other, round by round.
    """
    spawn = multiprocessing.get_context("spawn")
    connections = {}
    with contextlib.ExitStack() as stack:
        for count in counts:
            connections[count], connection = spawn.Pipe()
            process = spawn.Process(target=serve_waiting, args=(count, connection))
            process.start()
            # The end of a process is seen only if nobody else could send.
            connection.close()
            stack.callback(process.join)
            stack.callback(connections[count].close)
        kilobytes = {count: _receive(connection) for count, connection in connections.items()}
        rounds = {
            action: [_measure_round(connections, action) for _ in range(_ROUNDS)]
            for action in ("measure_start", "measure_end")
        }
        _measure_round(connections, "end_all")
    costs = [
        {count: start[count] + end[count] for count in counts}
        for start, end in zip(rounds["measure_start"], rounds["measure_end"], strict=True)
    ]
    return compare_costs(costs, kilobytes)


def _measure_round(connections: Mapping[int, Connection], action: str) -> dict[int, float]:
    seconds = {}
    for count, connection in connections.items():
        connection.send(action)
        seconds[count] = _receive(connection)
    return seconds


def _receive(connection: Connection) -> float:
    try:
        return float(connection.recv())
    except EOFError:
        raise WrongOutcomeError("A process that measures has failed. Its error is above.") from None


def compare_costs(costs: Sequence[Mapping[int, float]], kilobytes: Mapping[int, float]) -> list[Figure]:
    """Compare what a batch costs while many wait with what it costs while few wait.

    Parameters
    ----------
    costs
        The seconds of each round, by the number that wait. The first number is compared with.
    kilobytes
        The memory of each that waits, by the same numbers.
    """
    base, *others = kilobytes
    milliseconds = median(seconds[base] for seconds in costs) / _BATCH * 1000
    figures = [Figure(f"one offboarding, {base} waiting", milliseconds, "ms")]
    for count in others:
        ratios = [seconds[count] / seconds[base] for seconds in costs]
        figures += [
            make_ratio(f"one offboarding, {count:,} waiting, to {base}", ratios, MOST_GROWTH),
            limit_figure(f"memory of each of {count:,} that wait", kilobytes[count], "KB", MOST_KILOBYTES),
        ]
    return figures


def measure_instant(count: int) -> list[Figure]:
    """Measure offboardings that start at one instant, and also end at one."""
    with open_stage() as stage:
        users, arns = stage.create_users(count), []

        def start_all() -> None:
            arns.extend(stage.start(user) for user in users)
            stage.clock.settle()

        seconds = [measure_seconds(act) for act in (start_all, lambda: stage.clock.advance(DAYS_TO_THE_END))]
        stage.require_outcomes(arns)
    return [
        make_outcome(f"one of {count:,} that {verb} at one instant", value / count * 1000, "ms")
        for verb, value in zip(("start", "end"), seconds, strict=True)
    ]


def make_outcome(name: str, value: float, unit: str, goal: str = "all end right") -> Figure:
    """Make a figure of a scenario whose goal is met, because there would be an error otherwise."""
    return Figure(name, value, unit, goal=goal, is_met=True)


def measure_users(count: int) -> list[Figure]:
    """Measure how much longer it takes to create one of the last users than one of the first."""
    with open_stage() as stage:
        batches = count // _USERS_PER_BATCH
        seconds = [measure_seconds(lambda: stage.create_users(_USERS_PER_BATCH)) for _ in range(batches)]
    base = median(seconds[:_COMPARED_BATCHES])
    ratios = [value / base for value in seconds[-_COMPARED_BATCHES:]]
    return [make_ratio(f"one of {count:,} users, the last to the first", ratios, MOST_GROWTH)]


def measure_wave(count: int, concurrency: int) -> list[Figure]:
    """Measure how long offboardings take that wake in one second, while Lambda runs only so many functions at once."""
    with open_stage() as stage:
        wakes_at = stage.clock.now() + _WAKES_AFTER
        arns = [stage.start(user, wakes_at) for user in stage.create_users(count)]
        stage.clock.settle()
        stage.environment.quotas.settings = QuotaSettings(lambda_concurrency=concurrency, invocation_seconds=1)
        stage.clock.move_to(wakes_at + timedelta(days=1))
        disabled = stage.list_disabled_dates(count)
        if len(disabled) != count:
            raise WrongOutcomeError(f"{count} mailboxes should be disabled in a day: {len(disabled)} are")
        stage.environment.quotas.settings = QuotaSettings()
        refusals = stage.environment.quotas.refusals["Invoke"]
        stage.clock.advance(DAYS_TO_THE_END)
        stage.require_outcomes(arns)
        retries = sum(count_retries(stage.environment.history(arn)) for arn in arns)
    seconds = (max(disabled) - wakes_at).total_seconds()
    wave = f"{count:,} wake, concurrency {concurrency:,}"
    return [
        make_outcome(f"{wave}: disabled after", seconds, "s"),
        Figure(f"{wave}: invocations refused", refusals),
        Figure(f"{wave}: retries", retries),
    ]


def count_retries(events: Iterable[Mapping[str, Any]]) -> int:
    """Count the attempts of the tasks of an execution beyond the first of each state."""
    kinds = Counter(event["type"] for event in events)
    return max(0, sum(kinds[kind] for kind in _ATTEMPTS) - kinds["TaskStateEntered"])


def measure_waves(count: int, concurrencies: Sequence[int]) -> list[Figure]:
    """Measure a wave for each number of functions that run at once."""
    return [figure for concurrency in concurrencies for figure in measure_wave(count, concurrency)]


def measure_events(count: int) -> list[Figure]:
    """Measure how long events that are sent at one instant take until each has an execution, and that none is lost."""
    with open_stage(OFFBOARDING) as stage:
        users, earlier_arns = stage.create_users(count), set(stage.list_executions())
        entries = [make_request(number, user) for number, user in enumerate(users)]
        events, sent_at = stage.environment.client("events"), stage.clock.now()
        for position in range(0, count, _MAX_ENTRIES):
            answer = events.put_events(Entries=entries[position : position + _MAX_ENTRIES])
            if answer["FailedEntryCount"]:
                raise WrongOutcomeError(f"EventBridge refused {answer['FailedEntryCount']} events")
        stage.clock.settle()
        stage.clock.advance(_QUEUE_TIME)
        arns = [arn for arn in stage.list_executions() if arn not in earlier_arns]
        if len(arns) != count:
            raise WrongOutcomeError(f"{count} events should start as many executions: {len(arns)} are there")
        answers = [stage.environment.describe(arn) for arn in arns]
        statuses = Counter(answer["status"] for answer in answers)
        requested = {json.loads(answer["input"])["Expected"]["Email"] for answer in answers}
        if statuses != {"RUNNING": count} or requested != set(users):
            raise WrongOutcomeError(f"{count} offboardings should wait, each of another user: {dict(statuses)}")
        seconds = (max(answer["startDate"] for answer in answers) - sent_at).total_seconds()
    return [make_outcome(f"{count:,} events at once: the last starts after", seconds, "s", "each starts one")]


def measure_look_ups(size: int) -> list[Figure]:
    """Count the calls of WorkMail by which the starter finds a leaver, in an organization of so many users."""
    with open_stage(OFFBOARDING) as stage:
        stage.fill_organization(size)
        address, name, *_ = addresses = stage.create_users(4)
        by_id, by_store_id = (stage.find_entity(leaver) for leaver in addresses[2:])
        by_store_id.identity_provider_user_id = _STORE_USER
        store_user = {"identityStoreId": IDENTITY_STORE_ID, "userId": _STORE_USER}
        events = {
            "id": make_request(1, by_id.id),
            "primary address": make_request(2, address),
            "name": make_request(3, name.partition("@")[0]),
            "Identity Center id": make_event("aws.identitystore", "User Deleted", store_user),
        }
        counts = {kind: stage.count_look_ups(event) for kind, event in events.items()}
    return [
        limit_figure(f"calls to find one of {size:,} by {kind}", count, "", MOST_CALLS)
        for kind, count in counts.items()
    ]


def make_request(number: int, identifier: str) -> dict[str, str]:
    """Make the event that requests an offboarding."""
    detail = {"RequestId": f"request-{number}", "OrganizationId": ORGANIZATION_ID, "EntityId": identifier}
    return make_event("workmail.offboarding", "Offboarding Requested", detail)


def make_event(source: str, detail_type: str, detail: Mapping[str, str]) -> dict[str, str]:
    """Make an event for EventBridge."""
    return {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}


def measure(full: bool) -> list[Figure]:
    """Measure all scenarios, each in a process of its own, whose memory is that of the scenario.

    Parameters
    ----------
    full
        Whether with up to 1,000 offboardings and 10,000 events, which takes long.

    Raises
    ------
    WrongOutcomeError
        If something does not end as it should.
    """
    # The synthesis is done once: each process reads its result.
    assembly(SMALL_STACK)
    assembly(OFFBOARDING)
    spawn = multiprocessing.get_context("spawn")
    figures = measure_waiting((10, 100, 1000) if full else (10, 100))
    with ProcessPoolExecutor(_PROCESSES, spawn, max_tasks_per_child=1) as pool:
        scenarios = [
            pool.submit(measure_users, 5000),
            pool.submit(measure_instant, 1000 if full else 100),
            pool.submit(measure_waves, 500 if full else 50, (10, 1000)),
            pool.submit(measure_events, 10_000 if full else 100),
            pool.submit(measure_look_ups, 10_000),
        ]
        return [*figures, *(figure for scenario in scenarios for figure in scenario.result())]


def main() -> int:
    """Print the table and, for a file, JSON; a wrong outcome ends it with its error."""
    parser = argparse.ArgumentParser(description="Measures the embedded AWS with many offboardings at once.")
    parser.add_argument("--full", action="store_true", help="up to 1,000 offboardings and 10,000 events, in an hour")
    parser.add_argument("--json", type=Path, help="the file for the figures")
    options = parser.parse_args()
    figures = measure(options.full)
    publish_figures("The embedded AWS, with many at once", figures, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
