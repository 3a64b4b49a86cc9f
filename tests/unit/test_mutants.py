"""The code in which mutants are made means what the deployed code means."""

import ast
from typing import Any

from tools.mutants.__main__ import _function
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


def test_no_function_of_the_deployed_code_keeps_a_decorator_that_would_hide_it() -> None:
    for source in (ROOT / "lambdas").rglob("*.py"):
        for node in ast.walk(ast.parse(rewritten(source.read_text()))):
            if isinstance(node, ast.FunctionDef):
                assert {ast.unparse(one) for one in node.decorator_list} <= {"classmethod"}, (source, node.name)


def test_a_mutant_is_named_by_its_function() -> None:
    assert (
        _function("offboarding.holding.x__was_registered_since__mutmut_12")
        == "offboarding.holding._was_registered_since"
    )
    assert _function("verify_cleanup.xǁSignalsǁto_json__mutmut_3") == "verify_cleanup.Signals.to_json"
