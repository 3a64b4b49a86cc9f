"""A function is replaced in every module of its package that has it, also in modules that are loaded later."""

import sys
from types import ModuleType

import pytest

from local.hooks import Hooks

PACKAGE = "example_package"


def original() -> str:
    return "original"


def load(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    module = ModuleType(name)
    module.__dict__["function"] = original
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_a_module_that_takes_the_place_of_another_one_is_searched_too(monkeypatch: pytest.MonkeyPatch) -> None:
    load(monkeypatch, PACKAGE)
    load(monkeypatch, f"{PACKAGE}.gone")
    last = load(monkeypatch, f"{PACKAGE}.last")

    def replace() -> list[str]:
        with Hooks() as hooks:
            hooks.replace_imported(PACKAGE, original, lambda: "replacement")
            return [name for name, m in sys.modules.items() if name.startswith(PACKAGE) and m.function() == "original"]

    assert replace() == []
    # As many modules, and the same one at the end.
    for name in (f"{PACKAGE}.gone", last.__name__):
        del sys.modules[name]
    load(monkeypatch, f"{PACKAGE}.new")
    sys.modules[last.__name__] = last

    assert replace() == []
