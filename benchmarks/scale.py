"""Measures the embedded AWS with many offboardings at once, and whether all of them end as they should.

Run it with `python -m benchmarks.scale`, and with `--full` for up to 1,000 offboardings and 10,000 events. Times are
those of the processor, as ratios within one run, so that they hardly depend on the machine. A wrong outcome raises an
error, and a figure that misses its goal is one.

A quota of AWS that binds first is not measured here: `tools.costs.quotas` computes it.
"""

import argparse
import gc
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, limit_figure, publish_figures
from local.aws.quotas import QuotaSettings
from local.cdk.assembly import assembly
from local.defaults import OFFBOARDING, ORGANIZATION_ID
from local.environment import Environment
from local.organization import OrganizationBuilder

SMALL_STACK = {"organizations": OFFBOARDING["organizations"]}
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAYS_TO_THE_END = timedelta(days=45)
MOST_GROWTH = 1.1
MOST_KILOBYTES = 300
_EXPECTED_OUTCOME = "CleanupVerified"
_UNLIMITED_CAP = 1_000_000
_PROCESSES = 2
_USERS_PER_BATCH = 100
_COMPARED_BATCHES = 10
_MAX_ENTRIES = 10
"""In one call of EventBridge's PutEvents."""
_WAKES_AFTER = timedelta(days=3)
_QUEUE_TIME = timedelta(hours=12)
_KILOBYTES_PER_PAGE = os.sysconf("SC_PAGE_SIZE") / 1024


class WrongOutcomeError(Exception):
    """Something did not end as it should."""


@dataclass(frozen=True)
class Cost:
    """What one offboarding costs while others wait.

    Attributes
    ----------
    count
        How many wait.
    seconds, kilobytes
        The time on a processor, and the memory while it waits.
    """

    count: int
    seconds: float
    kilobytes: float


class Stage:
    """An embedded AWS with the stack and without caps, and what the scenarios do with it."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.clock = environment.clock
        self._people = OrganizationBuilder(environment.client("workmail"))
        self._count = 0
        self._lift_caps()

    def create_users(self, count: int) -> list[str]:
        """Create users with mailboxes; return their addresses."""
        names = [f"user{self._count + number}" for number in range(count)]
        self._count += count
        ids = [self._people.create_user(name) for name in names]
        entities = self.environment.workmail.organizations[ORGANIZATION_ID].entities
        return [str(entities[user_id].email) for user_id in ids]

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

    def _read_outcome(self, arn: str) -> str:
        answer = self.environment.describe(arn)
        return str(json.loads(answer.get("output", "{}")).get("Outcome") or answer.get("error") or answer["status"])

    def _lift_caps(self) -> None:
        name = f"{self.environment.function_environment('DeregisterEntity')['POLICIES_PATH']}/{ORGANIZATION_ID}"
        ssm = self.environment.client("ssm")
        policy = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        policy |= {"DailyCap": _UNLIMITED_CAP, "HandCap": _UNLIMITED_CAP}
        ssm.put_parameter(Name=name, Value=json.dumps(policy), Overwrite=True)


@contextmanager
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
    """Return for how long something has a processor."""
    began_at = time.process_time()
    act()
    return time.process_time() - began_at


def measure_waiting(count: int) -> Cost:
    """Measure what one offboarding costs from its start to its end, while so many wait."""
    with open_stage() as stage:
        users, arns, kilobytes = stage.create_users(count), [], read_kilobytes()

        def start_all() -> None:
            for user in users:
                arns.append(stage.start(user))
                stage.clock.settle()
                # Otherwise all would end at one instant.
                stage.clock.advance(timedelta(minutes=1))

        start_seconds = measure_seconds(start_all)
        kilobytes = read_kilobytes() - kilobytes
        end_seconds = measure_seconds(lambda: stage.clock.advance(DAYS_TO_THE_END))
        stage.require_outcomes(arns)
    return Cost(count, (start_seconds + end_seconds) / count, kilobytes / count)


def compare_costs(base: Cost, costs: Sequence[Cost]) -> list[Figure]:
    """Compare what an offboarding costs while many wait with what it costs while few wait."""
    figures = [Figure(f"one offboarding, {base.count} waiting", base.seconds * 1000, "ms")]
    for cost in costs:
        ratio = cost.seconds / base.seconds
        figures += [
            limit_figure(f"one offboarding, {cost.count:,} waiting, to {base.count} waiting", ratio, "x", MOST_GROWTH),
            limit_figure(f"memory of each of {cost.count:,} that wait", cost.kilobytes, "KB", MOST_KILOBYTES),
        ]
    return figures


def measure_instant(count: int) -> list[Figure]:
    """Measure offboardings that start at one instant, and also end at one."""
    with open_stage() as stage:
        users, arns = stage.create_users(count), []

        def run_all() -> None:
            arns.extend(stage.start(user) for user in users)
            stage.clock.settle()
            stage.clock.advance(DAYS_TO_THE_END)

        seconds = measure_seconds(run_all)
        stage.require_outcomes(arns)
    return [Figure(f"one offboarding, {count:,} at one instant", seconds / count * 1000, "ms")]


def measure_users(count: int) -> list[Figure]:
    """Measure how much longer it takes to create one of the last users than one of the first."""
    with open_stage() as stage:
        batches = count // _USERS_PER_BATCH
        seconds = [measure_seconds(lambda: stage.create_users(_USERS_PER_BATCH)) for _ in range(batches)]
    # The median leaves out the batches in which Python collects its garbage.
    ratio = median(seconds[-_COMPARED_BATCHES:]) / median(seconds[:_COMPARED_BATCHES])
    return [limit_figure(f"creating one of {count:,} users, the last to the first", ratio, "x", MOST_GROWTH)]


def measure_wave(count: int, concurrency: int) -> list[Figure]:
    """Measure how long offboardings take that wake in one second, while Lambda runs only so many functions at once."""
    with open_stage() as stage:
        wakes_at = stage.clock.now() + _WAKES_AFTER
        arns = [stage.start(user, wakes_at) for user in stage.create_users(count)]
        stage.clock.settle()
        stage.environment.quotas.settings = QuotaSettings(lambda_concurrency=concurrency, invocation_seconds=1)
        stage.clock.move_to(wakes_at + timedelta(days=1))
        organization = stage.environment.workmail.organizations[ORGANIZATION_ID]
        dates = [entity.disabled_date for entity in organization.entities.values()][-count:]
        disabled = [date for date in dates if date is not None]
        if len(disabled) != count:
            raise WrongOutcomeError(f"{count} mailboxes should be disabled in a day: {len(disabled)} are")
        stage.environment.quotas.settings = QuotaSettings()
        stage.clock.advance(DAYS_TO_THE_END)
        stage.require_outcomes(arns)
    seconds = (max(disabled) - wakes_at).total_seconds()
    return [
        Figure(f"{count:,} wake in one second, {concurrency:,} functions at once: all disabled after", seconds, "s")
    ]


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
    return [Figure(f"{count:,} events at once: the last starts after", seconds, "s")]


def make_request(number: int, address: str) -> dict[str, str]:
    """Make the event that requests an offboarding."""
    detail = {"RequestId": f"request-{number}", "EntityId": address}
    return {
        "Source": "workmail.offboarding",
        "DetailType": "Offboarding Requested",
        "Detail": json.dumps(detail),
    }


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
    with ProcessPoolExecutor(_PROCESSES, spawn, max_tasks_per_child=1) as pool:
        costs = [pool.submit(measure_waiting, count) for count in ((10, 100, 1000) if full else (10, 100))]
        scenarios = [
            pool.submit(measure_instant, 1000 if full else 100),
            pool.submit(measure_users, 5000),
            pool.submit(measure_waves, 500 if full else 50, (10, 1000)),
            pool.submit(measure_events, 10_000 if full else 100),
        ]
        base, *more = [cost.result() for cost in costs]
        return [*compare_costs(base, more), *(figure for scenario in scenarios for figure in scenario.result())]


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
