"""The state machines' definitions, held against the house rules and against the Lambda modules."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonata.jsonata import Jsonata
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from offboarding import errors

ROOT = Path(__file__).parents[2]
DEFINITIONS = sorted((ROOT / "statemachine").glob("*.asl.json"))
LAMBDA_SERVICE_ERRORS = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
}
TRANSIENT = {"WorkMailUnavailable", "DeregistrationNotConfirmed", "DeregistrationRefused"}
HANDLED_IN_THE_HANDLER = {"OffboardingError", "EntityStateConflict"}
LIVE_ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)} - HANDLED_IN_THE_HANDLER


def definition(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def states(kind: str | None = None) -> list[Any]:
    return [
        pytest.param(name, state, id=f"{path.name.removesuffix('.asl.json')}-{name}")
        for path in DEFINITIONS
        for name, state in definition(path)["States"].items()
        if kind is None or state["Type"] == kind
    ]


def expressions(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)
    elif isinstance(node, str) and node.startswith("{%"):
        yield node.removeprefix("{%").removesuffix("%}")


def successors(state: dict[str, Any]) -> set[str]:
    rules = [state, *state.get("Catch", []), *state.get("Choices", [])]
    return {rule[key] for rule in rules for key in ("Next", "Default") if key in rule}


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_the_engine_parses_the_definition(path: Path) -> None:
    AmazonStateLanguageParser.parse(path.read_text())


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_every_state_can_be_reached_and_every_successor_exists(path: Path) -> None:
    flow = definition(path)
    reached, waiting = set(), [flow["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += successors(flow["States"][name])
    assert reached == set(flow["States"])


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_every_expression_is_jsonata_and_reads_only_what_was_assigned(path: Path) -> None:
    flow = definition(path)
    assigned = {key for _, state in flow["States"].items() for key in state.get("Assign", {})}
    assigned |= {key for s in flow["States"].values() for c in s.get("Catch", []) for key in c.get("Assign", {})}
    builtin = {"states", "now", "parse", "merge", "not", "exists", "string"}
    for expression in expressions(flow):
        Jsonata(expression)
        assert set(re.findall(r"\$(\w+)", expression)) <= assigned | builtin, expression


@pytest.mark.parametrize(("name", "state"), states())
def test_every_state_says_what_it_is_for(name: str, state: dict[str, Any]) -> None:
    assert len(state["Comment"]) > 20, name
    assert len(name) <= 80


@pytest.mark.parametrize(("name", "state"), states("Choice"))
def test_a_choice_asks_a_question_and_explains_each_answer(name: str, state: dict[str, Any]) -> None:
    assert name.endswith("?")
    assert "Default" in state
    assert all(choice["Comment"] for choice in state["Choices"])


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_every_task_has_a_time_limit_retries_and_catches(name: str, state: dict[str, Any]) -> None:
    assert 0 < state["TimeoutSeconds"] <= 120
    retried = [error for rule in state["Retry"] for error in rule["ErrorEquals"]]
    assert set(retried) >= LAMBDA_SERVICE_ERRORS
    assert len(retried) == len(set(retried))
    assert set(retried) & TRANSIENT
    assert not (set(retried) & LIVE_ERRORS) - TRANSIENT, "a no is not retried"
    for rule in state["Retry"]:
        assert rule["JitterStrategy"] == "FULL"
        assert rule["BackoffRate"] > 1
        assert rule["MaxAttempts"] > 1
        assert rule["MaxDelaySeconds"] > rule["IntervalSeconds"]
    caught = [error for rule in state["Catch"] for error in rule["ErrorEquals"]]
    assert caught[-1] == "States.ALL"
    assert caught.count("States.ALL") == 1
    assert len(caught) == len(set(caught))
    assert set(caught) - {"States.ALL"} <= LIVE_ERRORS, "only errors that this project raises are caught by name"


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_every_task_has_a_module_of_its_name(name: str, state: dict[str, Any]) -> None:
    module = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    tree = ast.parse((ROOT / "lambdas" / f"{module}.py").read_text())

    assert "handler" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert state["Arguments"]["FunctionName"] == f"${{{name}}}"


@pytest.mark.parametrize(("name", "state"), states("Fail"))
def test_a_failure_is_named_as_its_state(name: str, state: dict[str, Any]) -> None:
    assert state["Error"] == name
    assert state["Cause"] == "{% $cause %}"


def test_every_error_that_a_lambda_raises_has_a_terminal_of_its_name() -> None:
    failures = {name for path in DEFINITIONS for name, s in definition(path)["States"].items() if s["Type"] == "Fail"}

    assert LIVE_ERRORS - {"UnexpectedAnswer"} <= failures


def test_the_machine_outlives_its_longest_legal_run() -> None:
    flow = definition(ROOT / "statemachine" / "offboarding.asl.json")
    day = 24 * 3600
    retention, slack, overdue = 35 * day, 2 * day, 7 * day
    retries = sum(
        sum(min(r["MaxDelaySeconds"], r["IntervalSeconds"] * r["BackoffRate"] ** n) for n in range(r["MaxAttempts"]))
        for state in flow["States"].values()
        for r in state.get("Retry", [])
    )
    # The last look at the mailbox may be preceded by a whole round of retries.
    assert flow["TimeoutSeconds"] > retention + slack + overdue + day + 2 * retries
    assert flow["TimeoutSeconds"] <= 365 * day, "Step Functions ends any execution after a year"


def test_workmail_is_asked_for_at_least_two_minutes_whether_it_reads_back() -> None:
    retry = next(
        rule
        for rule in definition(ROOT / "statemachine" / "offboarding.asl.json")["States"]["DeregisterEntity"]["Retry"]
        if "DeregistrationNotConfirmed" in rule["ErrorEquals"]
    )
    delays = [
        min(retry["MaxDelaySeconds"], retry["IntervalSeconds"] * retry["BackoffRate"] ** n)
        for n in range(retry["MaxAttempts"])
    ]
    # Full jitter draws each delay evenly from 0 to its length: the sum stays five deviations above two minutes.
    deviation = sum(delay**2 / 12 for delay in delays) ** 0.5
    assert sum(delays) / 2 - 5 * deviation > 120
