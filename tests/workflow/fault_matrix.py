"""The fault matrix: the outcome of every scenario for every fault of every call that it makes.

The page `fault_matrix.md` beside this file holds the matrix. The tests compare it with what happens: a row that is
missing there, or that has another outcome, fails. ``python -m tests.workflow.fault_matrix`` plays everything and
writes the page again; review what it has written before you commit it.
"""

import argparse
import logging
import re
import sys
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from local.faults import EMPTY, TIMEOUT, Fault, RecordedCall, modelled_errors
from tests.workflow.conftest import Flow
from tests.workflow.invariants import Monitor
from tests.workflow.scenarios import SCENARIOS, Scenario, Stages, list_stopped

PAGE = Path(__file__).with_name("fault_matrix.md")

AMBIGUOUS_ERRORS = frozenset({"EntityNotFoundException", "EntityStateException", "OrganizationStateException"})
"""WorkMail's errors about the state of an entity or organization, which can be transient as well."""

CONDITIONAL_ERRORS = frozenset(
    {"ConditionalCheckFailedException", "TransactionCanceledException", "IdempotentParameterMismatchException"}
)
"""DynamoDB's errors about the content of a request; injecting one would make a false statement about the table."""

FALSE_ERRORS = frozenset({"ExecutionDoesNotExist"})
"""Step Functions' errors that would make a false statement about an execution that runs; unit tests have them."""

RULED_OUT_ERRORS = frozenset({"ValidationError", "InvalidParameterException"})
"""Errors that WorkMail's documentation rules out for the stack's calls: only these may end as UnexpectedFailure."""

_INVOKED_BY_QUEUES = frozenset({"StartOffboarding", "CloseRecord", "NotifySubscribers"})
_TELLER = "NotifySubscribers"

MAX_OCCURRENCES = 3
"""How many calls of one operation by a function have their own rows; a mailbox that stays is read many times."""


@dataclass(frozen=True)
class Call:
    """A call in a scenario without a fault: the n-th call of an operation by a function, counted from 0."""

    function: str
    service: str
    operation: str
    occurrence: int
    invocation: int
    """If a state machine invokes a function: the index of the invocation in the scenario; otherwise -1."""

    @property
    def name(self) -> str:
        """The name of the call in the matrix."""
        name = "lambda:Invoke" if self.service == "lambda" else f"{self.service}:{self.operation}"
        return f"{name} ({self.occurrence + 1})" if self.occurrence else name


@dataclass(frozen=True)
class Row:
    """One fault of one call."""

    function: str
    call: str
    case: str
    fault: Fault


def list_calls(recording: list[RecordedCall]) -> list[Call]:
    """Return the calls of a recording, each once."""
    calls: list[Call] = []
    counts: Counter[tuple[str, str, str]] = Counter()
    invocations = -1
    for request in recording:
        if (request.service, request.operation) == ("lambda", "Invoke"):
            invocations += 1
            continue
        function = request.operation if request.service == "lambda" else str(request.function)
        key = (function, request.service, request.operation)
        if counts[key] < MAX_OCCURRENCES:
            by_machine = request.service == "lambda" and function not in _INVOKED_BY_QUEUES
            calls.append(Call(*key, counts[key], invocations if by_machine else -1))
        counts[key] += 1
    return calls


def list_rows(call: Call) -> Iterator[Row]:
    """Return a row for each fault that a call can meet."""
    if call.service == "lambda":
        faults = _list_invocation_faults(call)
    elif call.service == "workmail":
        faults = _list_workmail_faults(call)
    elif call.service == "s3":
        faults = _list_s3_faults(call)
    else:
        faults = _list_other_faults(call)
    for case, fault in faults:
        yield Row(call.function, call.name, case, fault)


def _list_invocation_faults(call: Call) -> Iterator[tuple[str, Fault]]:
    def build(**more: Any) -> Fault:
        return Fault("lambda", call.function, skip=call.occurrence, **more)

    yield "Runtime.ExitError once", build(error="Runtime.ExitError", times=1)
    yield "Runtime.ExitError always", build(error="Runtime.ExitError")
    yield "after it Runtime.ExitError once", build(after_effect="Runtime.ExitError", times=1)
    yield "after it Sandbox.Timedout once", build(after_effect="Sandbox.Timedout", times=1)
    yield "31 s late once", build(latency=31, times=1)
    if call.invocation >= 0:
        throttled = Fault("lambda", "Invoke", error="TooManyRequestsException", times=2, skip=call.invocation)
        yield "Lambda.TooManyRequestsException twice", throttled
        yield (
            "Lambda.ServiceException always",
            Fault("lambda", "Invoke", error="ServiceException", skip=call.invocation),
        )


def _list_workmail_faults(call: Call) -> Iterator[tuple[str, Fault]]:
    for name in sorted(modelled_errors("workmail", call.operation)):
        yield f"{name} always", _build_fault(call, error=name)
        if name in AMBIGUOUS_ERRORS:
            yield f"{name} once", _build_fault(call, error=name, times=1)
    yield "ThrottlingException twice", _build_fault(call, error="ThrottlingException", times=2)
    yield "ThrottlingException always", _build_fault(call, error="ThrottlingException")
    yield "ServiceUnavailable twice", _build_fault(call, error="ServiceUnavailable", times=2)
    yield "Timeout once", _build_fault(call, error=TIMEOUT, times=1)
    yield "Timeout always", _build_fault(call, error=TIMEOUT)
    yield "after it Timeout once", _build_fault(call, after_effect=TIMEOUT, times=1)
    yield "EmptyAnswer once", _build_fault(call, error=EMPTY, times=1)
    yield "EmptyAnswer always", _build_fault(call, error=EMPTY)
    yield "5 s late always", _build_fault(call, latency=5)
    yield "AccessDeniedException always", _build_fault(call, error="AccessDeniedException")
    yield "ValidationError always", _build_fault(call, error="ValidationError")


def _list_s3_faults(call: Call) -> Iterator[tuple[str, Fault]]:
    for name in sorted(modelled_errors("s3", call.operation)):
        yield f"{name} always", _build_fault(call, error=name)
        yield f"{name} once", _build_fault(call, error=name, times=1)
    for name in ("AccessDenied", "InternalError", "KMS.DisabledException", "NoSuchBucket", TIMEOUT):
        yield f"{name} always", _build_fault(call, error=name)
    yield "AccessDenied once", _build_fault(call, error="AccessDenied", times=1)
    yield "SlowDown 3 times", _build_fault(call, error="SlowDown", times=3)
    yield "after it Timeout once", _build_fault(call, after_effect=TIMEOUT, times=1)
    yield "after it Timeout twice", _build_fault(call, after_effect=TIMEOUT, times=2)
    # An empty answer to a write of S3 is its success, and would be a false statement about a write without effect.
    if call.operation.startswith(("Get", "List")):
        yield "EmptyAnswer once", _build_fault(call, error=EMPTY, times=1)
        yield "EmptyAnswer always", _build_fault(call, error=EMPTY)
    yield "1 s late always", _build_fault(call, latency=1)


def _list_other_faults(call: Call) -> Iterator[tuple[str, Fault]]:
    modelled = set(modelled_errors(call.service, call.operation)) - CONDITIONAL_ERRORS
    if call.service != "dynamodb":
        for name in sorted(modelled - FALSE_ERRORS):
            yield f"{name} always", _build_fault(call, error=name)
        # An empty answer of DynamoDB is a valid answer: the item does not exist.
        yield "EmptyAnswer once", _build_fault(call, error=EMPTY, times=1)
    yield "ThrottlingException 3 times", _build_fault(call, error="ThrottlingException", times=3)
    yield "InternalFailure always", _build_fault(call, error="InternalFailure")
    yield "after it Timeout once", _build_fault(call, after_effect=TIMEOUT, times=1)
    yield "after it Timeout twice", _build_fault(call, after_effect=TIMEOUT, times=2)
    yield "1 s late always", _build_fault(call, latency=1)
    if "AccessDeniedException" not in modelled:
        yield "AccessDeniedException always", _build_fault(call, error="AccessDeniedException")


def _build_fault(call: Call, **more: Any) -> Fault:
    return Fault(call.service, call.operation, function=call.function, skip=call.occurrence, **more)


@dataclass(frozen=True)
class RowResult:
    """The outcome of a row, and the invariants that it violated."""

    outcome: str
    violations: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def plan_rows(scenarios: tuple[Scenario, ...] = SCENARIOS) -> Mapping[str, tuple[Row, ...]]:
    """Play each scenario without a fault and return its rows."""
    with Stages() as stages:
        return {
            scenario.name: tuple(row for call in record_calls(*stages.next(), scenario) for row in list_rows(call))
            for scenario in scenarios
        }


def record_calls(flow: Flow, name: str, scenario: Scenario) -> list[Call]:
    """Play a scenario without a fault and return its calls."""
    prepared = scenario.prepare(flow, name)
    with flow.environment.faults.record_calls() as recording:
        outcome = scenario.play(flow, prepared)
    if outcome != scenario.outcome:
        raise AssertionError(f"{scenario.name}, without a fault, ended as {outcome}, not as {scenario.outcome}")
    calls = list_calls(recording)
    if scenario.calls is not None:
        calls = [call for call in calls if {call.function, f"{call.function} {call.name}"} & {*scenario.calls}]
    # Telling begins after the write of a step, whichever scenario that is of: one scenario plays its faults.
    return [call for call in calls if call.function != _TELLER or scenario is SCENARIOS[0]]


def play_row(flow: Flow, name: str, scenario: Scenario, row: Row) -> RowResult:
    """Play a scenario with a fault and check the invariants; only the outcome may differ."""
    prepared = scenario.prepare(flow, name)
    faults = flow.environment.faults
    with Monitor(flow) as monitor:
        if row.fault.name in RULED_OUT_ERRORS:
            monitor.excused.add(str(row.fault.name))
        faults.add(row.fault)
        try:
            outcome = scenario.play(flow, prepared)
            [(_, hits)] = faults.list_hits()
        finally:
            faults.clear()
        monitor.stopped.update(list_stopped(flow))
        # If closing the record fails, only a dead letter remains.
        violations = monitor.find_violations() if row.function == "CloseRecord" else monitor.find_final_violations()
    return RowResult(outcome, tuple(violations if hits else [*violations, "the fault did not happen"]))


Matrix = Mapping[str, Mapping[tuple[str, str, str], str]]
"""Maps scenario → (function, call, case) → outcome."""


def parse_page(text: str) -> Matrix:
    """Parse the page into the matrix."""
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


def render_page(matrix: Matrix) -> str:
    """Render the matrix as the page; the text above the first scenario stays as it is."""
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


def play_rows(
    scenario: Scenario, call: str = "", case: str = "", excluded: Container[tuple[str, str, str]] = ()
) -> tuple[dict[tuple[str, str, str], str], list[str]]:
    """Play the rows of a scenario whose call and case contain these texts, and that are not excluded.

    Returns
    -------
    tuple[dict[tuple[str, str, str], str], list[str]]
        The outcomes by function, call and case; and the violated invariants.
    """
    outcomes: dict[tuple[str, str, str], str] = {}
    violations: list[str] = []
    rows = [
        row
        for row in plan_rows()[scenario.name]
        if call in row.call and case in row.case and (row.function, row.call, row.case) not in excluded
    ]
    with Stages() as stages:
        for row in rows:
            result = play_row(*stages.next(), scenario, row)
            outcomes[row.function, row.call, row.case] = result.outcome
            violations += [f"{row.function} {row.call}, {row.case}: {text}" for text in result.violations]
    return outcomes, violations


def main(arguments: list[str]) -> None:
    """Play rows and write their outcomes into the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.workflow.fault_matrix", description=main.__doc__)
    parser.add_argument("scenarios", nargs="*", help="the scenarios to play; all if omitted, which takes about an hour")
    parser.add_argument("--call", default="", help="only calls that contain this, like workmail:DescribeUser")
    parser.add_argument("--case", default="", help="only faults that contain this, like OrganizationStateException")
    parser.add_argument("--missing", action="store_true", help="only rows that the page does not have yet")
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    matrix = dict(parse_page(PAGE.read_text()))
    chosen = [scenario for scenario in SCENARIOS if not options.scenarios or scenario.name in options.scenarios]
    jobs = [
        (scenario.name, options.call, options.case, frozenset(matrix.get(scenario.name, {}) if options.missing else ()))
        for scenario in chosen
    ]
    with ProcessPoolExecutor(2) as processes:
        for scenario, (outcomes, violations) in zip(chosen, processes.map(_play_job, jobs), strict=True):
            known_outcomes = {**matrix.get(scenario.name, {}), **outcomes}
            keys = [(row.function, row.call, row.case) for row in plan_rows()[scenario.name]]
            matrix[scenario.name] = {key: known_outcomes[key] for key in keys if key in known_outcomes}
            sys.stdout.write("\n  ".join([f"{scenario.name}: {len(outcomes)} rows", *violations]) + "\n")
            sys.stdout.flush()
            PAGE.write_text(render_page({name: matrix.get(name, {}) for name in (s.name for s in SCENARIOS)}))


def _play_job(job: tuple[str, str, str, frozenset[tuple[str, str, str]]]) -> Any:
    name, call, case, excluded = job
    return play_rows(next(scenario for scenario in SCENARIOS if scenario.name == name), call, case, excluded)


if __name__ == "__main__":
    main(sys.argv[1:])
