"""Hooks: replacements of parts of another package, which are undone later."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

_MISSING = object()


@dataclass(frozen=True)
class Replaced:
    """An attribute that was replaced: its owner, its name, and the original."""

    owner: Any
    name: str
    original: Any


class Hooks:
    """A set of replacements that are undone together, in reverse order.

    Attributes
    ----------
    replaced
        The current replacements.
    """

    def __init__(self) -> None:
        self.replaced: list[Replaced] = []
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute of a class, a module or an object."""
        original = vars(owner).get(name, _MISSING)

        def undo() -> None:
            if original is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

        setattr(owner, name, value)
        self.replaced.append(Replaced(owner, name, original))
        self._undo.append(undo)

    def replace_imported(self, package: str, original: Any, value: Any) -> None:
        """Replace a function in every module of `package` that has imported it by name."""
        _swap(package, original, value)
        self.replaced.append(Replaced(sys.modules[original.__module__], original.__name__, original))
        # Searched again when it is undone: a module that was loaded meanwhile has imported the replacement.
        self._undo.append(lambda: _swap(package, value, original))

    def add_cleanup(self, call: Callable[[], None]) -> None:
        """Call a function when the replacements are undone."""
        self._undo.append(call)

    def restore(self) -> None:
        """Undo all replacements."""
        while self._undo:
            self._undo.pop()()
        self.replaced.clear()


def _swap(package: str, old: Any, new: Any) -> None:
    for module_name, module in list(sys.modules.items()):
        if module is None or not (module_name == package or module_name.startswith(f"{package}.")):
            continue
        for name, value in list(vars(module).items()):
            if value is old:
                setattr(module, name, new)
