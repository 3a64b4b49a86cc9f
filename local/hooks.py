"""Replacing parts of another package for a while, and putting them back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

_MISSING = object()


@dataclass(frozen=True)
class Replaced:
    """What was replaced, and by whom it is owned."""

    owner: Any
    name: str
    original: Any


class Hooks:
    """A set of replacements that are undone together, in reverse order.

    Attributes
    ----------
    replaced
        What is replaced now.
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
        before = vars(owner).get(name, _MISSING)

        def undo() -> None:
            if before is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

        setattr(owner, name, value)
        self.replaced.append(Replaced(owner, name, before))
        self._undo.append(undo)

    def replace_imported(self, package: str, original: Any, value: Any) -> None:
        """Replace a function in every module of `package` that has imported it by name."""
        _swap(package, original, value)
        self.replaced.append(Replaced(sys.modules[original.__module__], original.__name__, original))
        # Looked up again at the end: a module that was loaded meanwhile has imported the replacement.
        self._undo.append(lambda: _swap(package, value, original))

    def at_the_end(self, call: Callable[[], None]) -> None:
        """Have something called when everything is put back."""
        self._undo.append(call)

    def restore(self) -> None:
        """Put everything back."""
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
