"""The state machines' definitions, held against the house rules and against the Lambda modules."""

import ast
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from jsonata.jsonata import Jsonata
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from offboarding.domain import errors
from offboarding.domain.record import APPROVAL_TIMEOUT
from offboarding.edge import schemas
from resolve_entity import MAX_NOT_BEFORE
from stacks.settings import Settings
from tests.definitions import ERROR_AS_RAISED, list_outcomes
from tests.infrastructure.raised_errors import list_raised_errors

ROOT = Path(__file__).parents[2]
DEFINITIONS = sorted((ROOT / "statemachine").glob("*.asl.json"))
LAMBDA_SERVICE_ERRORS = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ResourceNotReadyException",
    "Lambda.ResourceConflictException",
}
TASK_TOKEN = "arn:aws:states:::lambda:invoke.waitForTaskToken"
TRANSIENT = {
    "WorkMailUnavailable",
    "RecordUnavailable",
    "SettingsUnavailable",
    "ArchiveUnavailable",
    "DeregistrationNotConfirmed",
    "DeregistrationRefused",
    "OffboardingUnsettled",
    "RegistrationNotConfirmed",
}
# WorkMail lags behind a registration, so its refusal to deregister may pass; where nothing is deregistered, it stays.
ALWAYS_TRANSIENT = TRANSIENT - {"DeregistrationRefused"}
HANDLED_IN_THE_HANDLER = {"EntityStateConflict", "EmailAddressTaken", "ExportLimitReached"}
LIVE_ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.OffboardingError)
} - (HANDLED_IN_THE_HANDLER | {"OffboardingError"})
NO_FAILURES = {"AlreadyInProgress", "ServiceEnded", "Withdrawn"}
ENDS_AS = {
    "UnexpectedAnswer": "UnexpectedFailure",
    "States.ALL": "UnexpectedFailure",
}
TIMED_OUT_WAITS = {"AwaitApproval": "ApprovalTimedOut", "WaitForDate": "ResolveEntity"}
"""What the end of a wait leads to: nobody decided; the date has come."""
MESSAGE = "{% $parse($states.errorOutput.Cause).errorMessage %}"
LAMBDA_FAILED = "{% 'AWS Lambda failed: ' & $states.errorOutput.Error & '. Start again later.' %}"
UNEXPECTED = "{% 'The error ' & $states.errorOutput.Error & ' was not expected. Look at the log.' %}"
BUILT_IN = {"states", "now", "parse", "merge", "not", "exists", "string", "max", "ceil", "toMillis", "millis"}


def definition(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def machine_of(path: Path) -> str:
    return path.name.removesuffix(".asl.json")


def states(kind: str | None = None) -> list[Any]:
    return [
        pytest.param(name, state, id=f"{machine_of(path)}-{name}")
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


def edges(state: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """Go through where a state leads, each time with the variables that it assigns on that way.

    https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
    """
    if "Next" in state:
        yield state["Next"], set(state.get("Assign", {}))
    if "Default" in state:
        yield state["Default"], set(state.get("Assign", {}))
    for rule in (*state.get("Catch", []), *state.get("Choices", [])):
        yield rule["Next"], set(rule.get("Assign", {}))


def assigned_on_every_path(flow: dict[str, Any]) -> dict[str, set[str]]:
    """Return for each state the variables that are assigned whichever way leads to it."""
    assigned: dict[str, set[str]] = {flow["StartAt"]: set()}
    waiting = [flow["StartAt"]]
    while waiting:
        name = waiting.pop()
        for successor, more in edges(flow["States"][name]):
            on_this_path = assigned[name] | more
            if successor not in assigned or not assigned[successor] <= on_this_path:
                assigned[successor] = assigned.get(successor, on_this_path) & on_this_path
                waiting.append(successor)
    return assigned


def read(state: dict[str, Any]) -> set[str]:
    """Return the variables that a state's expressions read."""
    return {name for expression in expressions(state) for name in re.findall(r"\$(\w+)", expression)} - BUILT_IN


def module_of(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def caught_by(state: dict[str, Any]) -> list[str]:
    return [error for rule in state["Catch"] for error in rule["ErrorEquals"]]


def compare_errors(state: str, caught: set[str], raised: set[str]) -> None:
    """Name the errors in which a state's catchers differ from its function."""
    differences = {"not caught": sorted(raised - caught), "never raised": sorted(caught - raised)}

    assert not any(differences.values()), f"{state} in statemachine/ and lambdas/{module_of(state)}.py: {differences}"


def outcomes_by_error(state: dict[str, Any]) -> dict[str, str]:
    """Return what each error that a state catches ends as."""
    ends = {}
    for rule in state["Catch"]:
        for error in rule["ErrorEquals"]:
            ends[error] = rule["Next"]
            if rule["Next"] == "Failed":
                ends[error] = error if rule["Assign"]["outcome"] == ERROR_AS_RAISED else rule["Assign"]["outcome"]
    return ends


def retried_by(state: dict[str, Any]) -> list[str]:
    return [error for rule in state["Retry"] for error in rule["ErrorEquals"]]


def list_lambda_errors(state: dict[str, Any]) -> list[str]:
    """Return the errors of a state's retries that are not this project's."""
    return [error for error in retried_by(state) if error not in LIVE_ERRORS]


def read_limit(state: dict[str, Any]) -> float:
    """Return how many seconds a state takes at the most; a wait for a date has an expression for that."""
    limit = state.get("TimeoutSeconds", 0)
    return limit if isinstance(limit, int) else MAX_NOT_BEFORE.total_seconds()


def patience(state: dict[str, Any]) -> float:
    """Return how many seconds a state's retries take at the most, each of its rules to the end."""
    return sum(
        min(rule["MaxDelaySeconds"], rule["IntervalSeconds"] * rule["BackoffRate"] ** n)
        for rule in state.get("Retry", [])
        for n in range(rule["MaxAttempts"])
    )


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
            waiting += [successor for successor, _ in edges(flow["States"][name])]
    assert reached == set(flow["States"])


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_every_expression_is_jsonata(path: Path) -> None:
    for expression in expressions(definition(path)):
        Jsonata(expression)


JSONATA_FUNCTIONS = frozenset(
    (
        *("abs", "append", "assert", "average", "base64decode", "base64encode", "boolean", "ceil", "clone", "contains"),
        *("count", "decodeUrl", "decodeUrlComponent", "distinct", "each", "encodeUrl", "encodeUrlComponent", "error"),
        *("eval", "exists", "filter", "floor", "formatBase", "formatInteger", "formatNumber", "fromMillis", "hash"),
        *("join", "keys", "length", "lookup", "lowercase", "map", "match", "max", "merge", "millis", "min", "not"),
        *("now", "number", "pad", "parse", "parseInteger", "partition", "power", "random", "range", "reduce"),
        *("replace", "reverse", "round", "shuffle", "sift", "single", "sort", "split", "spread", "sqrt", "states"),
        *("string", "substring", "substringAfter", "substringBefore", "sum", "toMillis", "trim", "type"),
        *("uppercase", "uuid", "zip"),
    )
)
"""https://docs.jsonata.org/string-functions and the pages after it; and what Step Functions adds."""


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_no_variable_has_the_name_of_a_function(path: Path) -> None:
    """Where it is not assigned, it would be the function; and nobody documents whether AWS lets it be assigned."""
    assigned = {
        name
        for state in definition(path)["States"].values()
        for part in (state, *state.get("Choices", ()), *state.get("Catch", ()))
        for name in part.get("Assign", {})
    }
    assert assigned
    assert not assigned & JSONATA_FUNCTIONS


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_a_state_reads_only_what_every_path_to_it_has_assigned(path: Path) -> None:
    flow = definition(path)
    assigned = assigned_on_every_path(flow)
    unassigned = {name: read(state) - assigned[name] for name, state in flow["States"].items()}

    assert {name: variables for name, variables in unassigned.items() if variables} == {}


def test_the_dataflow_check_finds_a_path_that_lacks_an_assignment() -> None:
    flow = {
        "StartAt": "A",
        "States": {
            "A": {
                "Assign": {"x": 1},
                "Next": "B?",
                "Catch": [{"Assign": {"cause": "{% $x %}"}, "Next": "C"}],
            },
            "B?": {"Choices": [{"Condition": "{% $x %}", "Next": "A"}], "Default": "C", "Assign": {"cause": 1}},
            "C": {"Output": "{% $cause & $x %}"},
        },
    }

    assigned = assigned_on_every_path(flow)

    assert assigned == {"A": set(), "B?": {"x"}, "C": {"cause"}}
    assert read(flow["States"]["A"]) == {"x"}
    assert read(flow["States"]["C"]) == {"cause", "x"}


@pytest.mark.parametrize(("name", "state"), states())
def test_every_state_says_what_it_is_for(name: str, state: dict[str, Any]) -> None:
    assert len(state["Comment"]) > 20, name
    assert len(state["Comment"].split()) <= 25, name
    assert len(name) <= 80


@pytest.mark.parametrize(("name", "state"), states("Choice"))
def test_a_choice_asks_a_question_and_explains_each_answer(name: str, state: dict[str, Any]) -> None:
    assert name.endswith("?")
    assert "Default" in state
    assert all(choice["Comment"] for choice in state["Choices"])


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_every_task_has_a_time_limit_retries_and_catches(name: str, state: dict[str, Any]) -> None:
    assert state["Resource"] == TASK_TOKEN or 0 < read_limit(state) <= 120
    retried = retried_by(state)
    assert set(retried) >= LAMBDA_SERVICE_ERRORS
    assert len(retried) == len(set(retried))
    assert "States.ALL" not in retried
    assert not (set(retried) & LIVE_ERRORS) - TRANSIENT, "a refusal is not retried"
    for rule in state["Retry"]:
        assert rule["JitterStrategy"] == "FULL"
        assert rule["BackoffRate"] > 1
        assert rule["MaxAttempts"] > 1
        assert rule["MaxDelaySeconds"] > rule["IntervalSeconds"]
    caught = caught_by(state)
    assert caught[-1] == "States.ALL"
    assert caught.count("States.ALL") == 1
    assert len(caught) == len(set(caught))
    assert "States.TaskFailed" not in retried, "it stands for every error but a time-out"
    of_lambda = set(list_lambda_errors(state))
    assert set(caught) - {"States.ALL", "States.Timeout"} - of_lambda <= LIVE_ERRORS, "only this project's have names"


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_a_state_waits_for_an_answer_or_for_its_function(name: str, state: dict[str, Any]) -> None:
    assert state["Resource"] in {"arn:aws:states:::lambda:invoke", TASK_TOKEN}
    waits_for_an_answer = state["Resource"] == TASK_TOKEN
    assert waits_for_an_answer == (name in TIMED_OUT_WAITS)
    # Where the function is waited for, a time-out is the function's: it is run again. Otherwise it is an answer.
    assert ("States.Timeout" in retried_by(state)) != waits_for_an_answer
    assert outcomes_by_error(state)["States.Timeout"] == TIMED_OUT_WAITS.get(name, "FunctionUnavailable")
    assert ("TaskToken" in state["Arguments"]["Payload"]) == waits_for_an_answer


def test_an_approval_is_awaited_for_as_long_as_its_request_says() -> None:
    state = definition(ROOT / "statemachine" / "offboarding.asl.json")["States"]["AwaitApproval"]

    assert timedelta(seconds=state["TimeoutSeconds"]) == APPROVAL_TIMEOUT == timedelta(days=14)
    assert state["Arguments"]["Payload"]["TaskToken"] == "{% $states.context.Task.Token %}"


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_an_error_that_is_caught_by_name_ends_under_that_name(name: str, state: dict[str, Any]) -> None:
    of_lambda = list_lambda_errors(state)
    assert set(of_lambda) <= set(caught_by(state))
    for error, outcome in outcomes_by_error(state).items():
        # What is retried as a failure of Lambda ends as one.
        expected = "FunctionUnavailable" if error in of_lambda else ENDS_AS.get(error, error)
        assert outcome == (TIMED_OUT_WAITS.get(name, expected) if error == "States.Timeout" else expected)


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_one_catcher_has_all_failures_that_a_function_raises(name: str, state: dict[str, Any]) -> None:
    catchers = [rule for rule in state["Catch"] if rule.get("Assign", {}).get("outcome") == ERROR_AS_RAISED]

    [catcher] = catchers
    compare_errors(
        name, set(catcher["ErrorEquals"]), list_raised_errors(module_of(name)) - NO_FAILURES - {"UnexpectedAnswer"}
    )


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_the_cause_of_a_failure_is_a_sentence_and_no_json(name: str, state: dict[str, Any]) -> None:
    causes = {error: rule["Assign"]["cause"] for rule in state["Catch"] if rule["Next"] == "Failed"
              for error in rule["ErrorEquals"]}  # fmt: skip
    if name == "AwaitApproval":
        assert "Nobody decided in 14 days" in causes.pop("States.Timeout")
    of_lambda = dict.fromkeys(list_lambda_errors(state), LAMBDA_FAILED) | {"States.ALL": UNEXPECTED}

    assert {error: of_lambda.get(error, MESSAGE) for error in causes} == causes


def test_a_failure_says_first_whether_the_mailbox_was_touched() -> None:
    """DeregisterEntity says it in its own messages; where it did not answer, nobody knows."""
    states = definition(ROOT / "statemachine" / "offboarding.asl.json")["States"]
    claims = {
        name: {rule.get("Assign", {}).get("claim") for rule in state["Catch"] if rule["Next"] == "Failed"}
        for name, state in states.items()
        if state["Type"] == "Task"
    }
    deregister_entity = states["DeregisterEntity"]
    with_message = [rule["Assign"] for rule in deregister_entity["Catch"] if rule["Assign"].get("cause") == MESSAGE]

    assert states["Begin"]["Assign"]["claim"] == "The mailbox was not touched. "
    assert claims.pop("DeregisterEntity") == {"", "The mailbox may be disabled. "}
    assert {assigned["claim"] for assigned in with_message} == {""}
    assert set(map(frozenset, claims.values())) == {frozenset({None})}
    assert deregister_entity["Assign"]["claim"].startswith("{% 'The mailbox was disabled at ' & ")
    assert states["Failed"]["Cause"] == "{% $claim & $cause %}"


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_every_error_that_a_handler_can_raise_is_caught_by_name_and_no_other(name: str, state: dict[str, Any]) -> None:
    compare_errors(name, set(caught_by(state)) & LIVE_ERRORS, list_raised_errors(module_of(name)))


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_every_transient_error_that_a_function_raises_is_retried_and_no_other(name: str, state: dict[str, Any]) -> None:
    raised = list_raised_errors(module_of(name))

    assert (set(retried_by(state)) & LIVE_ERRORS) - {"DeregistrationRefused"} == raised & ALWAYS_TRANSIENT


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_an_error_that_a_handler_must_handle_never_leaves_it(name: str, state: dict[str, Any]) -> None:
    assert list_raised_errors(module_of(name)) & (HANDLED_IN_THE_HANDLER | {"OffboardingError"}) == set()


def test_every_error_can_leave_a_handler() -> None:
    raised = {error for case in states("Task") for error in list_raised_errors(module_of(case.values[0]))}

    assert raised == LIVE_ERRORS


@pytest.mark.parametrize(
    ("module", "function", "raised"),
    [
        ("offboarding.adapters.policy", "read_policy", {"SettingsUnavailable", "AccessDenied", "UnexpectedAnswer"}),
        ("offboarding.adapters.executions", "read_execution_status",
         {"RecordUnavailable", "AccessDenied", "UnexpectedAnswer"}),
        ("offboarding.adapters.records", "Records.find", {"RecordUnavailable", "AccessDenied", "UnexpectedAnswer"}),
        ("offboarding.adapters.holding", "load_holder", {"RecordUnavailable", "AccessDenied", "UnexpectedAnswer"}),
        ("offboarding.adapters.directory", "Directory.describe_organization",
         {"WorkMailUnavailable", "AccessDenied", "UnexpectedAnswer", "OrganizationNotFound"}),
        ("offboarding.adapters.directory", "Directory.describe_mailbox",
         {"WorkMailUnavailable", "AccessDenied", "UnexpectedAnswer", "OrganizationNotFound", "OrganizationNotActive",
          "EntityNotFound"}),
    ],
)  # fmt: skip
def test_the_errors_of_a_function_are_read_from_its_source(module: str, function: str, raised: set[str]) -> None:
    assert list_raised_errors(module, function) == raised


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_every_task_has_a_module_of_its_name(name: str, state: dict[str, Any]) -> None:
    tree = ast.parse((ROOT / "lambdas" / f"{module_of(name)}.py").read_text())

    assert "handler" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert state["Arguments"]["FunctionName"] == f"${{{name}}}"


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_a_function_is_given_what_its_schema_asks_for(name: str, state: dict[str, Any]) -> None:
    schema = getattr(schemas, module_of(name).upper())

    assert set(state["Arguments"]["Payload"]) == set(schema["properties"])


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_one_fail_state_names_every_failure(path: Path) -> None:
    flow = definition(path)
    assert [name for name, state in flow["States"].items() if state["Type"] == "Fail"] == ["Failed"]
    assert flow["States"]["Failed"]["Error"] == "{% $outcome %}"
    assert flow["States"]["Failed"]["Cause"] in {"{% $cause %}", "{% $claim & $cause %}"}
    leading_there = [
        assigned for state in flow["States"].values() for successor, assigned in edges(state) if successor == "Failed"
    ]
    assert all(assigned - {"claim"} == {"outcome", "cause"} for assigned in leading_there)


@pytest.mark.parametrize(("name", "state"), states("Choice"))
def test_a_choice_that_fails_ends_as_an_unexpected_failure(name: str, state: dict[str, Any]) -> None:
    assert "Failed" not in {choice["Next"] for choice in state["Choices"]}
    assert state["Default"] != "Failed" or state["Assign"]["outcome"] == "UnexpectedFailure"


@pytest.mark.parametrize(("name", "state"), states("Succeed"))
def test_a_success_has_its_name_as_outcome(name: str, state: dict[str, Any]) -> None:
    output = state["Output"]
    named = output["Outcome"] if isinstance(output, dict) else re.search(r"'Outcome': '(\w+)'", output)[1]

    assert named == name


def test_every_error_that_a_function_raises_is_the_name_of_an_outcome() -> None:
    ends = {name: status for path in DEFINITIONS for name, status in list_outcomes(machine_of(path)).items()}
    raised = LIVE_ERRORS - {"UnexpectedAnswer"}

    assert {name: ends.get(name) for name in raised} == {
        name: "SUCCEEDED" if name in NO_FAILURES else "FAILED" for name in raised
    }


def test_the_machine_outlives_its_longest_legal_run() -> None:
    flow = definition(ROOT / "statemachine" / "offboarding.asl.json")
    day = 24 * 3600
    ahead, approval = MAX_NOT_BEFORE.total_seconds(), APPROVAL_TIMEOUT.total_seconds()
    retention, slack, overdue, last_check = 35 * day, 2 * day, 7 * day, day
    limits = {"mode": "Required", "slotDeadlineDays": 21, "jobDeadlineDays": 7}
    longest = Settings.from_context({"organizations": [{"id": "m-" + "1" * 32}], "export": limits}).export
    export = (longest.slot_deadline_days + longest.job_deadline_days) * day
    # At the start, after the date, the approval and the export; what follows the deregistration, once.
    rounds = {"ResolveEntity": 4, "CheckOrganization": 4, "RecordOffboarding": 4}
    retries = sum(rounds.get(name, 1) * patience(state) for name, state in flow["States"].items())
    assert (MAX_NOT_BEFORE.days, APPROVAL_TIMEOUT.days) == (260, 14)
    assert flow["TimeoutSeconds"] > ahead + approval + export + retention + slack + overdue + last_check + retries
    assert flow["TimeoutSeconds"] <= 364 * day, "Step Functions ends any execution after a year"


def test_the_other_machines_outlive_their_retries() -> None:
    for path in DEFINITIONS:
        flow = definition(path)
        limits = sum(map(read_limit, flow["States"].values()))
        assert flow["TimeoutSeconds"] > limits + sum(map(patience, flow["States"].values())), path.name


@pytest.mark.parametrize(("name", "state"), states("Task"))
def test_the_chance_that_an_outage_of_five_hours_ends_an_execution_is_below_one_in_a_million(
    name: str, state: dict[str, Any]
) -> None:
    """Full jitter draws each delay evenly from 0 to its length; here each is rounded down to whole steps."""
    step, hours = 15, 5
    rule = state["Retry"][0]
    chances = [1.0]
    """The chance of each sum of the delays so far, in steps; what is longer than the outage is dropped."""
    for n in range(rule["MaxAttempts"]):
        delay = min(rule["MaxDelaySeconds"], rule["IntervalSeconds"] * rule["BackoffRate"] ** n)
        width = max(1, int(delay // step))
        sums = list(accumulate(chances, initial=0.0))
        longest = min(hours * 3600 // step, len(chances) + width - 1)
        chances = [(sums[min(k + 1, len(chances))] - sums[max(0, k + 1 - width)]) / width for k in range(longest)]

    assert sum(chances) < 1e-6


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
