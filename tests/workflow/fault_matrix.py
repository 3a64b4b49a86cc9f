"""The matrix: every call of every scenario, with every fault → how it ends.

`docs/fault-matrix.md` holds the matrix, and is what is tested: a row that is missing there, or that ends otherwise
than it says, fails. ``python -m tests.workflow.fault_matrix`` plays everything and writes the page anew; what it
writes has to be read before it is committed.
"""

import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from local.faults import EMPTY, TIMEOUT, Fault, RecordedCall, modelled_errors
from tests.workflow.conftest import Flow
from tests.workflow.invariants import Watch
from tests.workflow.scenarios import SCENARIOS, Scenario, Stages, stopped

PAGE = Path(__file__).parents[2] / "docs" / "fault-matrix.md"

TRANSIENT_TOO = frozenset({"EntityNotFoundException", "EntityStateException", "OrganizationStateException"})
"""Errors of WorkMail that mean something about the entity, so that one alone must not be believed too easily."""

NOT_OF_A_BAD_DAY = frozenset(
    {"ConditionalCheckFailedException", "TransactionCanceledException", "IdempotentParameterMismatchException"}
)
"""Errors of DynamoDB that answer the request; without the reason for them the answer would be untrue."""

NO_ANSWERS_OF_WORKMAIL = frozenset({"ValidationError", "InvalidParameterException"})
"""Errors that a call of the stack cannot be answered with, as far as is known: they alone end as UnexpectedFailure."""

OCCURRENCES = 3
"""How many of a function's calls of one operation get rows of their own; a mailbox that stays is looked at often."""


@dataclass(frozen=True)
class Call:
    """A call that an undisturbed scenario makes: the n-th of a function to an operation, counted from 0."""

    function: str
    service: str
    operation: str
    occurrence: int
    invoke: int
    """For the run of a function by a state machine: which one of all runs it is; else -1."""

    @property
    def name(self) -> str:
        """Its name in the matrix."""
        what = "runs" if self.service == "lambda" else f"{self.service}:{self.operation}"
        return f"{what} ({self.occurrence + 1})" if self.occurrence else what


@dataclass(frozen=True)
class Row:
    """One fault of one call."""

    function: str
    call: str
    case: str
    fault: Fault


def calls(asked: list[RecordedCall]) -> list[Call]:
    """Return the calls of a recording, each once."""
    found: list[Call] = []
    counted: Counter[tuple[str, str, str]] = Counter()
    invokes = -1
    for one in asked:
        if (one.service, one.operation) == ("lambda", "Invoke"):
            invokes += 1
            continue
        function = one.operation if one.service == "lambda" else str(one.function)
        key = (function, one.service, one.operation)
        if counted[key] < OCCURRENCES:
            by_machine = one.service == "lambda" and function not in {"StartOffboarding", "CloseRecord"}
            found.append(Call(*key, counted[key], invokes if by_machine else -1))
        counted[key] += 1
    return found


def rows(call: Call) -> Iterator[Row]:
    """Return everything that can go wrong with a call."""
    if call.service == "lambda":
        made = _faults_of_runs(call)
    elif call.service == "workmail":
        made = _faults_of_workmail(call)
    else:
        made = _faults_beside_workmail(call)
    for case, fault in made:
        yield Row(call.function, call.name, case, fault)


def _faults_of_runs(call: Call) -> Iterator[tuple[str, Fault]]:
    def run(**more: Any) -> Fault:
        return Fault("lambda", call.function, skip=call.occurrence, **more)

    yield "Runtime.ExitError once", run(error="Runtime.ExitError", times=1)
    yield "Runtime.ExitError always", run(error="Runtime.ExitError")
    yield "after it Runtime.ExitError once", run(after_effect="Runtime.ExitError", times=1)
    yield "after it Sandbox.Timedout once", run(after_effect="Sandbox.Timedout", times=1)
    yield "31 s late once", run(latency=31, times=1)
    if call.invoke >= 0:
        throttled = Fault("lambda", "Invoke", error="TooManyRequestsException", times=2, skip=call.invoke)
        yield "Lambda.TooManyRequestsException twice", throttled
        yield "Lambda.ServiceException always", Fault("lambda", "Invoke", error="ServiceException", skip=call.invoke)


def _faults_of_workmail(call: Call) -> Iterator[tuple[str, Fault]]:
    for name in sorted(modelled_errors("workmail", call.operation)):
        yield f"{name} always", _fault(call, error=name)
        if name in TRANSIENT_TOO:
            yield f"{name} once", _fault(call, error=name, times=1)
    yield "ThrottlingException twice", _fault(call, error="ThrottlingException", times=2)
    yield "ThrottlingException always", _fault(call, error="ThrottlingException")
    yield "ServiceUnavailable twice", _fault(call, error="ServiceUnavailable", times=2)
    yield "Timeout once", _fault(call, error=TIMEOUT, times=1)
    yield "Timeout always", _fault(call, error=TIMEOUT)
    yield "after it Timeout once", _fault(call, after_effect=TIMEOUT, times=1)
    yield "EmptyAnswer once", _fault(call, error=EMPTY, times=1)
    yield "EmptyAnswer always", _fault(call, error=EMPTY)
    yield "5 s late always", _fault(call, latency=5)
    yield "AccessDeniedException always", _fault(call, error="AccessDeniedException")
    yield "ValidationError always", _fault(call, error="ValidationError")


def _faults_beside_workmail(call: Call) -> Iterator[tuple[str, Fault]]:
    modelled = set(modelled_errors(call.service, call.operation)) - NOT_OF_A_BAD_DAY
    if call.service != "dynamodb":
        for name in sorted(modelled):
            yield f"{name} always", _fault(call, error=name)
        # An empty answer of DynamoDB is a true one: there is no such item.
        yield "EmptyAnswer once", _fault(call, error=EMPTY, times=1)
    yield "ThrottlingException 3 times", _fault(call, error="ThrottlingException", times=3)
    yield "InternalFailure always", _fault(call, error="InternalFailure")
    yield "after it Timeout once", _fault(call, after_effect=TIMEOUT, times=1)
    yield "after it Timeout twice", _fault(call, after_effect=TIMEOUT, times=2)
    yield "1 s late always", _fault(call, latency=1)
    if "AccessDeniedException" not in modelled:
        yield "AccessDeniedException always", _fault(call, error="AccessDeniedException")


def _fault(call: Call, **more: Any) -> Fault:
    return Fault(call.service, call.operation, function=call.function, skip=call.occurrence, **more)


@dataclass(frozen=True)
class Ending:
    """How a row ended, and what is wrong with that, if anything."""

    outcome: str
    wrong: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def planned() -> Mapping[str, tuple[Row, ...]]:
    """Play every scenario without a fault; return its rows."""
    with Stages() as stages:
        return {
            scenario.name: tuple(row for call in undisturbed(*stages.next(), scenario) for row in rows(call))
            for scenario in SCENARIOS
        }


def undisturbed(flow: Flow, name: str, scenario: Scenario) -> list[Call]:
    """Play a scenario without a fault; return its calls."""
    prepared = scenario.prepare(flow, name)
    with flow.environment.faults.record_calls() as asked:
        outcome = scenario.play(flow, prepared)
    if outcome != scenario.outcome:
        raise AssertionError(f"{scenario.name}, undisturbed, ended as {outcome} and not as {scenario.outcome}")
    return calls(asked)


def disturbed(flow: Flow, name: str, scenario: Scenario, row: Row) -> Ending:
    """Play a scenario with a fault, and watch whether anything else goes wrong than that it may end otherwise."""
    prepared = scenario.prepare(flow, name)
    faults = flow.environment.faults
    with Watch(flow) as watch:
        if row.fault.name in NO_ANSWERS_OF_WORKMAIL:
            watch.excused.add(str(row.fault.name))
        faults.add(row.fault)
        try:
            outcome = scenario.play(flow, prepared)
            [(_, hits)] = faults.list_hits()
        finally:
            faults.clear()
        watch.stopped.update(stopped(flow))
        # What closes records may be what fails; then the dead letter is what is left of it.
        wrong = watch.so_far() if row.function == "CloseRecord" else watch.violations()
    return Ending(outcome, tuple(wrong if hits else [*wrong, "the fault never happened"]))


Matrix = Mapping[str, Mapping[tuple[str, str, str], str]]
"""Per scenario: function, call and fault → outcome."""


def read_page(text: str) -> Matrix:
    """Read the matrix from its page."""
    matrix: dict[str, dict[tuple[str, str, str], str]] = {}
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        name, _, body = section.partition("\n")
        cells = matrix.setdefault(name.strip(), {})
        for line in body.splitlines():
            if line.startswith("| ") and not line.startswith(("| Function", "| ---")):
                function, call, endings = (cell.strip() for cell in line.strip("| ").split(" | "))
                for ending in endings.split("<br>"):
                    outcome, _, cases = ending.partition(": ")
                    for case in cases.split("; "):
                        cells[function, call, case] = outcome.strip("*")
    return matrix


def write_page(matrix: Matrix) -> str:
    """Write the matrix as its page; the text above the first scenario stays as it is."""
    head = PAGE.read_text().partition("\n## ")[0].rstrip()
    parts = [head]
    for scenario in SCENARIOS:
        lines = [f"## {scenario.name}", "", f"Without a fault: {scenario.outcome}.", ""]
        lines += ["| Function | Call | Ends as: with |", "| --- | --- | --- |"]
        by_call: dict[tuple[str, str], dict[str, list[str]]] = {}
        for (function, call, case), outcome in matrix[scenario.name].items():
            by_call.setdefault((function, call), {}).setdefault(outcome, []).append(case)
        for (function, call), endings in by_call.items():
            ordered = sorted(endings.items(), key=lambda item: item[0] != scenario.outcome)
            cell = "<br>".join(f"**{outcome}**: {'; '.join(cases)}" for outcome, cases in ordered)
            lines.append(f"| {function} | {call} | {cell} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def play(scenario: Scenario) -> tuple[dict[tuple[str, str, str], str], list[str]]:
    """Play all rows of a scenario; return the outcomes, and what is wrong."""
    outcomes: dict[tuple[str, str, str], str] = {}
    wrong: list[str] = []
    with Stages() as stages:
        for row in planned()[scenario.name]:
            ending = disturbed(*stages.next(), scenario, row)
            outcomes[row.function, row.call, row.case] = ending.outcome
            wrong += [f"{row.function} {row.call}, {row.case}: {text}" for text in ending.wrong]
    return outcomes, wrong


def main(names: list[str]) -> None:
    """Write the page anew, or only some scenarios of it."""
    logging.disable(logging.WARNING)
    matrix = dict(read_page(PAGE.read_text()))
    chosen = [scenario for scenario in SCENARIOS if not names or scenario.name in names]
    with ProcessPoolExecutor(2) as processes:
        played = processes.map(_play_by_name, [scenario.name for scenario in chosen])
        for scenario, (outcomes, wrong) in zip(chosen, played, strict=True):
            matrix[scenario.name] = outcomes
            sys.stdout.write("\n  ".join([f"{scenario.name}: {len(outcomes)} rows", *wrong]) + "\n")
            sys.stdout.flush()
            PAGE.write_text(write_page({name: matrix.get(name, {}) for name in (s.name for s in SCENARIOS)}))


def _play_by_name(name: str) -> Any:
    return play(next(scenario for scenario in SCENARIOS if scenario.name == name))


if __name__ == "__main__":
    main(sys.argv[1:])
