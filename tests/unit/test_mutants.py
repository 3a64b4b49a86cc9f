"""The code that mutmut changes is equivalent to the deployed code, and survivors must be accepted."""

import ast
from typing import Any

import pytest

from tools.mutants.__main__ import Mutant, compare, parse_function
from tools.mutants.workspace import ROOT, rewrite

SAMPLE = '''
from functools import wraps


def twice(function):
    @wraps(function)
    def again(value):
        """Do it again."""
        return function(function(value))
    return again


def then(sign):
    return lambda function: lambda value: function(value) + sign


@twice
@then("!")
def shout(value):
    return value.upper()


class Person:
    name = "dana"

    @property
    def greeting(self):
        return "Good morning, {" + self.name + "} and " 'all "others"'

    @staticmethod
    def kind():
        return "USER"


def is_greeting(text):
    match text:
        case "Good morning":
            return True
    return False
'''


def test_rewritten_decorators_and_texts_are_equivalent() -> None:
    original: dict[str, Any] = {}
    rewritten: dict[str, Any] = {}
    exec(SAMPLE, original)  # noqa: S102 (the sample is above)
    exec(rewrite(SAMPLE), rewritten)  # noqa: S102 (the sample is above)

    assert original["shout"]("hey") == rewritten["shout"]("hey") == "HEY!!"
    assert original["twice"](len).__name__ == rewritten["twice"](len).__name__ == "len"
    assert original["Person"]().greeting == rewritten["Person"]().greeting == 'Good morning, {dana} and all "others"'
    assert rewritten["Person"].kind() == "USER"
    assert [rewritten["is_greeting"](text) for text in ("Good morning", "Good evening")] == [True, False]


@pytest.mark.long
def test_no_rewritten_function_has_a_decorator_that_hides_it_from_mutmut() -> None:
    for source in (ROOT / "lambdas").rglob("*.py"):
        for node in ast.walk(ast.parse(rewrite(source.read_text()))):
            if isinstance(node, ast.FunctionDef):
                decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
                assert decorators <= {"classmethod"}, (source, node.name)


def test_the_name_of_a_mutant_contains_its_function() -> None:
    assert (
        parse_function("offboarding.adapters.holding.x__was_registered_since__mutmut_12")
        == "offboarding.adapters.holding._was_registered_since"
    )
    assert parse_function("verify_cleanup.xǁSignalsǁto_json__mutmut_3") == "verify_cleanup.Signals.to_json"


def test_the_surviving_and_the_accepted_mutants_must_be_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    comparison, number = Mutant("policy.read_policy", "a < b", "a <= b"), Mutant("policy.read_policy", "a", "b")

    assert compare({comparison}, {comparison}, is_complete=True) == 0
    assert capsys.readouterr().out == ""
    assert compare({comparison, number}, {comparison}, is_complete=False) == 1
    assert "These mutants survive and are not accepted:\n\n[[because.mutants]]" in capsys.readouterr().out
    assert compare({comparison}, {comparison, number}, is_complete=True) == 1
    assert "These mutants are accepted and do not survive" in capsys.readouterr().out
    assert compare({comparison}, {comparison, number}, is_complete=False) == 0
