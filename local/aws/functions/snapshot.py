"""The state of loaded modules, remembered once and restored on request.

Remembered is everything that the modules reach through their own objects: their names, the attributes of their
classes and instances, dictionaries, lists and sets, and the closures of functions. Objects of other modules, such as
a boto3 client, are neither remembered nor restored.

>>> state = ModuleState({"offboarding": offboarding})                      # doctest: +SKIP
>>> offboarding.adapters.records.SEEN.append("dana")                                # doctest: +SKIP
>>> state.restore()                                                        # doctest: +SKIP
"""

from __future__ import annotations

import copyreg
import functools
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import is_
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

_CONTAINERS = (dict, list, set, deque)
_WEAK = (weakref.WeakValueDictionary, weakref.WeakKeyDictionary, weakref.WeakSet)
_DESCRIPTORS = (classmethod, staticmethod, property, functools.partial, functools.cached_property)
_PARTS = ("__func__", "fget", "fset", "fdel", "func", "args", "keywords")
_ATOMS = frozenset({str, bytes, int, float, complex, bool, type(None), types.CodeType, types.BuiltinFunctionType})
_INTERPRETER_ATTRIBUTES = frozenset({"__dict__", "__weakref__", "__abstractmethods__", "_abc_impl"})
_MISSING = object()


class ModuleState:
    """The state of some modules at the time at which this is made.

    Parameters
    ----------
    modules
        The modules by their names, as in ``sys.modules``. Nothing else may run in them meanwhile.
    """

    def __init__(self, modules: Mapping[str, ModuleType]) -> None:
        self.modules = dict(modules)
        self._own_names = {name.partition(".")[0] for name in modules}
        self._undo: list[Callable[[], None]] = []
        self._empty_containers: list[Any] = []
        self._seen: dict[int, Any] = {id(value): value for value in _reachable_from_other_modules(modules)}
        self._remember_all([vars(module) for module in modules.values()])

    def restore(self) -> None:
        """Restore the remembered state."""
        # Two thirds of all containers: nearly each function has an empty dictionary of attributes.
        if any(self._empty_containers):
            for container in self._empty_containers:
                container.clear()
        for undo in self._undo:
            undo()

    def _remember_all(self, pending: list[Any]) -> None:
        while pending:
            value = pending.pop()
            if type(value) in _ATOMS or id(value) in self._seen:
                continue
            # Kept, so that no other object gets its id, and so that it still exists when it is restored.
            self._seen[id(value)] = value
            pending.extend(self._remember(value))

    def _remember(self, value: Any) -> Iterable[Any]:
        """Remember how to restore one object; return the objects that it refers to."""
        parts: list[Any] = []
        if isinstance(value, type):
            return self._remember_class(value) if self._is_own(value) else ()
        if isinstance(value, _CONTAINERS):
            parts += self._remember_container(value)
        if isinstance(value, tuple | frozenset):
            parts += value
        elif isinstance(value, FunctionType):
            parts += self._list_function_parts(value)
        elif isinstance(value, MethodType):
            parts += (value.__self__, value.__func__)
        elif isinstance(value, CellType):
            parts += self._remember_cell(value)
        elif isinstance(value, functools._lru_cache_wrapper):
            self._undo.append(value.cache_clear)
            parts.append(value.__wrapped__)
        elif isinstance(value, _DESCRIPTORS):
            parts += (getattr(value, name, None) for name in _PARTS)
        elif self._is_own(type(value)) or isinstance(value, (*_WEAK, types.SimpleNamespace)):
            parts += self._remember_object(value)
        return parts

    def _is_own(self, owner: Any) -> bool:
        return str(getattr(owner, "__module__", "")).partition(".")[0] in self._own_names

    def _list_function_parts(self, function: FunctionType) -> Iterable[Any]:
        if not self._is_own(function):
            return ()
        return (function.__dict__, function.__defaults__, function.__kwdefaults__, *(function.__closure__ or ()))

    def _remember_container(self, container: Any) -> Iterable[Any]:
        if not container:
            self._empty_containers.append(container)
            return ()
        if isinstance(container, dict):
            self._undo.append(_undo_dict(container))
            return [*container, *container.values()]
        self._undo.append(_undo_collection(container))
        return list(container)

    def _remember_class(self, cls: type) -> Iterable[Any]:
        names = [name for name in vars(cls) if name not in _INTERPRETER_ATTRIBUTES]
        values = [vars(cls)[name] for name in names]

        def undo() -> None:
            current = vars(cls)
            if len(current) == size and all(map(is_, map(current.get, names), values)):
                return
            for name in set(current) - set(names) - _INTERPRETER_ATTRIBUTES:
                delattr(cls, name)
            for name, value in zip(names, values, strict=True):
                if vars(cls).get(name, _MISSING) is not value:
                    setattr(cls, name, value)

        size = len(vars(cls))
        self._undo.append(undo)
        return [*values, *cls.__bases__, type(cls)]

    def _remember_cell(self, cell: CellType) -> Iterable[Any]:
        try:
            value = cell.cell_contents
        except ValueError:
            return ()

        def undo() -> None:
            cell.cell_contents = value

        self._undo.append(undo)
        return (value,)

    def _remember_object(self, value: Any) -> Iterable[Any]:
        parts: list[Any] = [type(value)]
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            parts.append(attributes)
        slots = {name: getattr(value, name, _MISSING) for name in copyreg._slotnames(type(value))}
        if slots:
            self._undo.append(_undo_slots(value, slots))
        return [*parts, *slots.values()]


def _reachable_from_other_modules(modules: Mapping[str, ModuleType]) -> Iterable[Any]:
    """Yield the names and containers of all other modules: one of these may have been imported by name."""
    for name, module in list(sys.modules.items()):
        if name not in modules and isinstance(module, ModuleType):
            names = vars(module)
            yield names
            yield from (value for value in list(names.values()) if isinstance(value, _CONTAINERS))


def _undo_dict(container: dict[Any, Any]) -> Callable[[], None]:
    keys, values = list(container), list(container.values())

    def undo() -> None:
        if len(container) == len(keys) and all(map(is_, container, keys)) and all(map(is_, container.values(), values)):
            return
        container.clear()
        container.update(zip(keys, values, strict=True))

    return undo


def _undo_collection(container: Any) -> Callable[[], None]:
    items = list(container)

    def undo() -> None:
        if len(container) == len(items) and all(map(is_, container, items)):
            return
        container.clear()
        (container.update if isinstance(container, set) else container.extend)(items)

    return undo


def _undo_slots(value: Any, slots: Mapping[str, Any]) -> Callable[[], None]:
    def undo() -> None:
        for name, original in slots.items():
            if original is _MISSING:
                if hasattr(value, name):
                    object.__delattr__(value, name)
            elif getattr(value, name, _MISSING) is not original:
                object.__setattr__(value, name, original)

    return undo


@dataclass(frozen=True)
class Snapshot:
    """A function after its initialization."""

    handler: Callable[..., Any]
    state: ModuleState


class SnapshotPool:
    """The snapshots that are not in use, the last used ones at the end."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._idle: list[tuple[Any, Snapshot]] = []

    def take(self, key: Any) -> Snapshot | None:
        """Remove a snapshot from the pool and return it."""
        for index, (idle_key, _) in enumerate(self._idle):
            if idle_key == key:
                return self._idle.pop(index)[1]
        return None

    def put(self, key: Any, snapshot: Snapshot) -> None:
        """Add a snapshot to the pool; the oldest is removed if there are too many."""
        self._idle.append((key, snapshot))
        del self._idle[: -self._max_size]
