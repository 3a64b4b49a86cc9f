"""JSONata as Step Functions evaluates it."""

import hashlib
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.aws.stepfunctions import jsonata
from local.aws.stepfunctions.jsonata import QueryError, UndefinedResultError, UnsupportedResultError, evaluate
from local.clock import Clock

NASTY = [
    'Dana "DJ"',
    "back\\slash",
    "ends with a backslash\\",
    'x" & $string(1+1) & "',
    "x' & $string(1+1) & '",
    "a/b",
    "{% $now() %}",
    "line\nbreak \t tab \r",
    "line separator \u2028 and \u2029",
    "😀 and e\u0301",
    "\x00\x1f",
    "$states.input",
    "`name`",
    "/* not a comment */",
    "",
]


@pytest.mark.parametrize("text", NASTY)
def test_a_value_is_data_whatever_its_characters(text: str) -> None:
    states = {"input": {"name": text}, "result": [text], "errorOutput": {"Cause": text}, "context": {text: 1}}
    values = {"name": text, "states": states}

    assert evaluate("$name", values) == text
    assert evaluate("$states", values) == states
    assert evaluate('"<" & $states.input.name & ">"', values) == f"<{text}>"


TEXTS = st.text("".join(map(chr, range(0x250))) + "\u0301\u2028\u2029\ufeff\ufffd\uffff中😀")
"""Not of all of Unicode: Hypothesis' table of it takes seconds to make on a fresh machine."""


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS, lambda children: (
    st.lists(children, min_size=2) | st.dictionaries(TEXTS.filter(bool), children)
)))  # fmt: skip
@settings(max_examples=40)
def test_every_json_value_is_returned_unchanged(value: Any) -> None:
    assert evaluate("$value", {"value": value}) == value


def test_evaluation_does_not_change_the_values() -> None:
    value = {"a": [1, None], "b": None}
    evaluate("$value ~> |$|{'c': 1}|", {"value": value})

    assert value == {"a": [1, None], "b": None}


@pytest.mark.parametrize("expression", ["$nope", "$states.input.missing", "name", "$", "$$", "{}.a"])
def test_an_undefined_result_is_an_error(expression: str) -> None:
    with pytest.raises(UndefinedResultError, match="returned nothing"):
        evaluate(expression, {"states": {"input": {}}})


def test_null_is_not_undefined() -> None:
    assert evaluate("$states.input.a", {"states": {"input": {"a": None}}}) is None
    assert evaluate("$a", {"a": None}) is None
    assert evaluate("[null, $a]", {"a": None}) == [None, None]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 +", "S0"),
        ('"unfinished', "S0101"),
        ("$x()", "T1006"),
        ('$error("boom")', "boom"),
        ('1 + "a"', "T2002"),
        ("$eval('1')", "not supported"),
        ("$toMillis('soon')", "D3110"),
        ("$toMillis('20261222T170000Z')", "D3110"),
        ("$toMillis(1)", "T0410"),
        ("($f := function($x){$f($x) + 1}; $f(1))", "D1011"),
    ],
)
def test_a_failure_has_its_reason(expression: str, message: str) -> None:
    with pytest.raises(QueryError, match=re.escape(message)):
        evaluate(expression, {})


@pytest.mark.parametrize("expression", ["function($x){$x}", "$sum", "[function($x){$x}]", "/a/"])
def test_a_result_that_is_not_json_is_an_error(expression: str) -> None:
    with pytest.raises(UnsupportedResultError):
        evaluate(expression, {})


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("[0..3]", [0, 1, 2, 3]),
        ('{"list": [1..2]}', {"list": [1, 2]}),
        ("2 * 1.5", 3),
        ("1 / 4", 0.25),
        ("$partition([1,2,3,4,5], 2)", [[1, 2], [3, 4], [5]]),
        ("$partition([1..4], 4)", [[1, 2, 3, 4]]),
        ("$range(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("$range(5, 1, -2)", [5, 3, 1]),
        ("$range(2, 1, 1)", []),
        ('$parse("{\\"a\\": [1, null, \\"x\\"]}")', {"a": [1, None, "x"]}),
        ('$parse("{\\"errorMessage\\": \\"no\\"}").errorMessage', "no"),
        ('$parse("null")', None),
    ],
)
def test_results_and_the_functions_of_step_functions(expression: str, result: Any) -> None:
    assert json.dumps(evaluate(expression, {})) == json.dumps(result)


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [("MD5", "md5"), ("SHA-1", "sha1"), ("SHA-256", "sha256"), ("SHA-384", "sha384"), ("SHA-512", "sha512")],
)
def test_the_hash_of_a_value(algorithm: str, name: str) -> None:
    assert evaluate(f'$hash("däta", "{algorithm}")', {}) == hashlib.new(name, "däta".encode()).hexdigest()


@pytest.mark.parametrize(
    "expression",
    ['$hash("x", "CRC")', "$hash('x')", "$partition([1], 0)", "$range(1, 2, 0)", "$range(1, 2)", '$random("a")',
     "$uuid(1)", '$parse("{")', "$parse(1)"],
)  # fmt: skip
def test_invalid_arguments_are_errors(expression: str) -> None:
    with pytest.raises(QueryError):
        evaluate(expression, {})


def test_random_numbers_and_uuids() -> None:
    first_value, second_value = evaluate("[$random(), $random()]", {})
    assert 0 <= first_value < 1
    assert first_value != second_value
    assert evaluate("$random(7) = $random(7)", {}) is True
    assert evaluate("$random(7) = $random(8)", {}) is False
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", evaluate("$uuid()", {}))


def test_the_time_is_the_moved_clock_s(clock: Clock) -> None:
    clock.advance(timedelta(days=30, milliseconds=5))

    assert evaluate("$now()", {}) == "2026-12-22T12:00:00.005Z"
    assert evaluate("$millis() = $toMillis($now())", {}) is True
    assert evaluate('$now("[Y0001]-[M01]-[D01]")', {}) == "2026-12-22"


def test_adding_thirty_days_to_a_timestamp_is_exact() -> None:
    expression = '$fromMillis($toMillis("2026-11-22T17:00:00.123Z") + 30 * 24 * 60 * 60 * 1000)'

    assert evaluate(expression, {}) == "2026-12-22T17:00:00.123Z"


def test_a_timestamp_by_a_picture() -> None:
    assert evaluate("$toMillis('1970-01-02', '[Y0001]-[M01]-[D01]')", {}) == 86_400_000


def test_an_evaluation_does_not_affect_the_next_one() -> None:
    assert [evaluate("($a := $a + 1; $a)", {"a": n}) for n in (1, 5, 1)] == [2, 6, 2]
    with pytest.raises(QueryError):
        evaluate("($b := $b; $b)", {})


def test_an_expression_is_parsed_once_for_many_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    expression = '{"a": $states.input.a, "only": "here"}'
    evaluate(expression, {"states": {"input": {"a": 1}}})
    monkeypatch.setattr(jsonata.Jsonata, "__init__", lambda _, text: pytest.fail(f"parsed again: {text}"))

    assert evaluate(expression, {"states": {"input": {"a": 2}}}) == {"a": 2, "only": "here"}
