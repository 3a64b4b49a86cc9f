"""Replacements by name reach every module of a package, each time, and are undone in all of them."""

import sys
from types import ModuleType

import pytest

from local.hooks import Hooks


def original() -> str:
    return "original"


def replacement() -> str:
    return "replacement"


@pytest.fixture
def make_module(monkeypatch: pytest.MonkeyPatch):
    def make(name: str, function: object) -> ModuleType:
        module = ModuleType(name)
        module.function = function
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


def test_a_function_is_replaced_in_every_module_of_the_package_and_in_no_other(make_module) -> None:
    inside, outside = make_module("package_a.part", original), make_module("package_ab", original)
    for _ in range(2):
        with Hooks() as hooks:
            hooks.replace_imported("package_a", original, replacement)
            assert (inside.function, outside.function) == (replacement, original)
        assert inside.function is original


def test_a_module_that_is_loaded_meanwhile_has_the_original_afterwards_and_is_reached_by_the_next_replacement(
    make_module,
) -> None:
    make_module("package_b", original)
    with Hooks() as hooks:
        hooks.replace_imported("package_b", original, replacement)
        late = make_module("package_b.late", replacement)
    assert late.function is original

    with Hooks() as hooks:
        hooks.replace_imported("package_b", original, replacement)
        assert late.function is replacement


def test_a_name_that_has_another_value_meanwhile_keeps_it(make_module) -> None:
    module = make_module("package_c", original)
    with Hooks() as hooks:
        hooks.replace_imported("package_c", original, replacement)
        module.function = len
    assert module.function is len
