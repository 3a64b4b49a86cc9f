"""The embedded JSONata makes of every expression of the definitions what the reference makes of it."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pytest
import time_machine
from jsonata import Jsonata

from local.aws.stepfunctions.jsonata import QueryError, UndefinedResultError, UnsupportedResultError, evaluate
from tests.definitions import list_expressions
from tests.expressions.rows import OUTCOME_MEMBERS, Row, read_rows, render_rows

ROWS = read_rows()
EXPRESSIONS = sorted(list_expressions() | {row["expression"] for row in ROWS})
FUNCTIONS = {"exists", "not", "contains", "boolean"}
OPERATORS = {"and", "or", "=", "!=", "<", "<=", ">", ">=", "in"}
NO_TIME = "1970-01-01T00:00:00Z"


class Condition(NamedTuple):
    """A part of an expression that is true or false: its operator or function, and its position."""

    expression: str
    name: str
    position: int


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_gives_what_the_reference_gives(expression: str) -> None:
    rows = [row for row in ROWS if row["expression"] == expression]
    outcomes = [(row["variables"], evaluate_row(row)) for row in rows]

    assert render(outcomes) == render((row["variables"], select_outcome(row)) for row in rows)


def test_every_expression_has_rows_and_every_row_has_its_expression() -> None:
    assert {row["expression"] for row in ROWS} == list_expressions(), "see tests/expressions/record.py"


def test_the_rows_have_both_values_of_every_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    values = trace_conditions(ROWS, monkeypatch)

    assert len({condition.expression for condition in values}) > 10
    assert {condition: seen for condition, seen in values.items() if seen != {True, False}} == {}


def test_every_expression_has_a_row_with_a_result() -> None:
    assert {row["expression"] for row in ROWS if "result" in row} == list_expressions()


def test_the_file_is_in_its_stable_order_and_every_row_has_one_outcome() -> None:
    assert [json.loads(line) for line in render_rows(ROWS).splitlines()] == ROWS
    assert [row for row in ROWS if len(select_outcome(row)) != 1] == []


@pytest.mark.parametrize(
    ("expression", "variables", "incomplete"),
    [
        ("$a ? 1 : 2", [{"a": True}], {"condition"}),
        ("$a ? 1 : 2", [{"a": True}, {"a": False}], set()),
        ("$a and $b", [{"a": False, "b": True}], {"and", "left of and", "right of and"}),
        ("$a and $b", [{"a": True, "b": True}, {"a": True, "b": False}], {"left of and"}),
        ("$a.b = 1", [{"a": {"b": 1}}], {"="}),
        ("$exists($a) ? $not($a) : 0", [{"a": 1}, {}], {"not"}),
    ],
)
def test_a_condition_that_is_always_the_same_is_seen(
    expression: str, variables: list[dict[str, Any]], incomplete: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"expression": expression, "variables": one} for one in variables]
    values = trace_conditions(rows, monkeypatch)

    assert {condition.name for condition, seen in values.items() if seen != {True, False}} == incomplete


def render(outcomes: Iterable[Any]) -> list[str]:
    """Return values as JSON, in which 1, 1.0 and true differ."""
    return [json.dumps(outcome, sort_keys=True) for outcome in outcomes]


def select_outcome(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in OUTCOME_MEMBERS if name in row}


def evaluate_row(row: Row) -> dict[str, Any]:
    """Evaluate a row as the embedded Step Functions does, at its time."""
    with time_machine.travel(row.get("now", NO_TIME), tick=False):
        try:
            return {"result": evaluate(row["expression"], row["variables"])}
        except UndefinedResultError:
            return {"undefined": True}
        except UnsupportedResultError:
            return {"error": "$unsupported"}
        except QueryError as error:
            return {"error": str(error).partition(":")[0]}


def trace_conditions(rows: Iterable[Row], monkeypatch: pytest.MonkeyPatch) -> Mapping[Condition, set[bool]]:
    """Evaluate rows, and return the values that each condition in their expressions had."""
    values: dict[Condition, set[bool]] = defaultdict(set)
    evaluate_node = Jsonata.eval

    def evaluate_and_note(self: Jsonata, node: Any, *context: Any) -> Any:
        for name, part in list_conditions(node):
            values[Condition(row["expression"], name, node.position)].add(
                Jsonata.boolize(evaluate_node(self, part, *context))
            )
        return evaluate_node(self, node, *context)

    with monkeypatch.context() as patch:
        patch.setattr(Jsonata, "eval", evaluate_and_note)
        for row in rows:
            evaluate_row(row)
    return values


def list_conditions(node: Any) -> list[tuple[str, Any]]:
    """Return the parts of a node that are true or false, with what they are."""
    if node.type == "condition":
        return [("condition", node.condition)]
    if node.type == "binary" and node.value in ("and", "or"):
        sides = [(f"left of {node.value}", node.lhs), (f"right of {node.value}", node.rhs)]
        return [(node.value, node), *sides]
    if node.type == "binary" and node.value in OPERATORS:
        return [(node.value, node)]
    if node.type == "function" and node.procedure.value in FUNCTIONS:
        return [(node.procedure.value, node)]
    return []
