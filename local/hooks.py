"""Hooks: replacements of parts of another package, which are undone later."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
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
        _swap(package, original, original, value)
        self.replaced.append(Replaced(sys.modules[original.__module__], original.__name__, original))
        # Searched again when it is undone: a module that was loaded meanwhile has imported the replacement.
        self._undo.append(lambda: _swap(package, original, value, original))

    def add_cleanup(self, call: Callable[[], None]) -> None:
        """Call a function when the replacements are undone."""
        self._undo.append(call)

    def restore(self) -> None:
        """Undo all replacements."""
        while self._undo:
            self._undo.pop()()
        self.replaced.clear()


@dataclass
class _Names:
    """The names that the modules of a package have for a function, and all modules that were searched for them.

    Attributes
    ----------
    places
        The names, each with its module.
    searched
        The modules.
    loaded
        The names of all modules that were loaded at the search: it is done again when they have changed.
    """

    places: list[tuple[Any, str]] = field(default_factory=list)
    searched: set[str] = field(default_factory=set)
    loaded: list[str] = field(default_factory=list)


_names_by_function: dict[tuple[str, Any], _Names] = {}


def _swap(package: str, original: Any, old: Any, new: Any) -> None:
    """Replace an object in the modules of a package: by the names of the original, and those in later modules."""
    names = _names_by_function.setdefault((package, original), _Names())
    # Each module is searched once: a package has hundreds, and each environment replaces several functions.
    loaded = list(sys.modules)
    if names.loaded != loaded:
        names.loaded = loaded
        for module_name in sys.modules.keys() - names.searched:
            module = sys.modules.get(module_name)
            if module is not None and (module_name == package or module_name.startswith(f"{package}.")):
                names.places.extend((module, name) for name, value in list(vars(module).items()) if value is old)
            names.searched.add(module_name)
    for module, name in names.places:
        if vars(module).get(name) is old:
            setattr(module, name, new)
