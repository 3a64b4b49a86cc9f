"""The code in which mutants are made means what the deployed code means."""

import ast
from typing import Any

import pytest

from tools.mutants.__main__ import Mutant, compare, function_of
from tools.mutants.workspace import ROOT, rewritten

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
'''


def test_decorators_and_prose_mean_the_same() -> None:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    exec(SAMPLE, before)  # noqa: S102 (the sample is above)
    exec(rewritten(SAMPLE), after)  # noqa: S102 (the sample is above)

    assert before["shout"]("hey") == after["shout"]("hey") == "HEY!!"
    assert before["twice"](len).__name__ == after["twice"](len).__name__ == "len"
    assert before["Person"]().greeting == after["Person"]().greeting == 'Good morning, {dana} and all "others"'
    assert after["Person"].kind() == "USER"


@pytest.mark.long
def test_no_function_of_the_deployed_code_keeps_a_decorator_that_would_hide_it() -> None:
    for source in (ROOT / "lambdas").rglob("*.py"):
        for node in ast.walk(ast.parse(rewritten(source.read_text()))):
            if isinstance(node, ast.FunctionDef):
                assert {ast.unparse(one) for one in node.decorator_list} <= {"classmethod"}, (source, node.name)


def test_a_mutant_is_named_by_itsfunction_of() -> None:
    assert (
        function_of("offboarding.adapters.holding.x__was_registered_since__mutmut_12")
        == "offboarding.adapters.holding._was_registered_since"
    )
    assert function_of("verify_cleanup.xǁSignalsǁto_json__mutmut_3") == "verify_cleanup.Signals.to_json"


def test_what_survives_has_to_be_accepted_and_what_is_accepted_has_to_survive(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, other = Mutant("policy.read_policy", "a < b", "a <= b"), Mutant("policy.read_policy", "a", "b")

    assert compare({one}, {one}, is_complete=True) == 0
    assert capsys.readouterr().out == ""
    assert compare({one, other}, {one}, is_complete=False) == 1
    assert "These survive and are not accepted:\n\n[[because.mutants]]" in capsys.readouterr().out
    assert compare({one}, {one, other}, is_complete=True) == 1
    assert "These are accepted and do not survive" in capsys.readouterr().out
    assert compare({one}, {one, other}, is_complete=False) == 0
