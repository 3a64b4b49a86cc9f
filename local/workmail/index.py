"""A table whose rows are found by their texts without a look at all of them.

The index only proposes rows: each that has a text, and perhaps some that had it earlier. The caller tests them as it
would test every row of the table, and gets them in the table's order. So a row too many changes no answer. No row is
missing, because each assignment to an attribute of a row is noted, wherever it is made. The value of such an attribute
is None, a string or a tuple of strings, which nobody can change in place. An index grows until its table is empty.
The caller holds the lock of the table, for a look-up too.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, ValuesView
from typing import Any, Generic, TypeVar


class Observed:
    """An object that tells the tables in which it is of each assignment to one of its attributes."""

    # Not a field of the dataclasses that inherit from this class.
    _listeners: tuple[Callable[[str, Any], None], ...] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        previous = getattr(self, name, None)
        super().__setattr__(name, value)
        for listener in self._listeners:
            listener(name, previous)


RowT = TypeVar("RowT", bound=Observed)


class TextIndex:
    """The keys of the rows that have or had a text. Texts are compared without regard to case."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, str]] = []

    def add(self, text: str, key: str) -> None:
        """Note that a row has a text."""
        entry = (text.casefold(), key)
        position = bisect_left(self._entries, entry)
        if self._entries[position : position + 1] != [entry]:
            self._entries.insert(position, entry)

    def find(self, text: str) -> Iterator[str]:
        """Return the keys of the rows that have or had exactly this text."""
        folded = text.casefold()
        return self._iterate_keys(folded, lambda entry: entry[0] == folded)

    def find_prefix(self, prefix: str) -> Iterator[str]:
        """Return the keys of the rows that have or had a text that begins with this one, some of them repeatedly."""
        folded = prefix.casefold()
        return self._iterate_keys(folded, lambda entry: entry[0].startswith(folded))

    def _iterate_keys(self, start: str, matches: Callable[[tuple[str, str]], bool]) -> Iterator[str]:
        positions = range(bisect_left(self._entries, (start,)), len(self._entries))
        entries = itertools.takewhile(matches, (self._entries[position] for position in positions))
        return (key for _, key in entries)


class IndexedTable(MutableMapping[str, RowT], Generic[RowT]):
    """Rows by their keys, in the order in which the keys were added.

    Parameters
    ----------
    indexed_attributes
        The name of the index that each attribute belongs to. An index can have several attributes.
    """

    def __init__(self, indexed_attributes: Mapping[str, str]) -> None:
        self._indexed_attributes = indexed_attributes
        self._rows: dict[str, RowT] = {}
        self._listeners: dict[str, Callable[[str, Any], None]] = {}
        self._positions: dict[str, int] = {}
        self._next_positions = itertools.count()
        self._forget()

    def __getitem__(self, key: str) -> RowT:
        return self._rows[key]

    def __setitem__(self, key: str, row: RowT) -> None:
        if key in self._rows:
            self._stop_listening(key)
        else:
            self._positions[key] = next(self._next_positions)
        self._rows[key] = row

        def listen(attribute: str, previous: Any) -> None:
            self._note(key, row, attribute, previous)

        self._listeners[key] = listen
        row._listeners = (*row._listeners, listen)
        for attribute in self._noted_attributes():
            self._note(key, row, attribute, None)

    def __delitem__(self, key: str) -> None:
        self._stop_listening(key)
        del self._rows[key], self._positions[key]
        if not self._rows:
            self._forget()

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def values(self) -> ValuesView[RowT]:
        """Return the rows."""
        return self._rows.values()

    def propose(self, index: str, text: str) -> list[RowT]:
        """Return, in order, each row that has this text in an index, and perhaps others."""
        return self._sort(self._indexes[index].find(text))

    def propose_prefix(self, index: str, prefix: str) -> Iterable[RowT]:
        """Return, in order, each row that has a text with this beginning in an index, and perhaps others.

        Rows without any text begin with nothing, and are returned for an empty prefix.
        """
        return self._sort(self._indexes[index].find_prefix(prefix)) if prefix else self.values()

    def _sort(self, keys: Iterable[str]) -> list[RowT]:
        present = {key for key in keys if key in self._rows}
        return [self._rows[key] for key in sorted(present, key=self._positions.__getitem__)]

    def _noted_attributes(self) -> Iterable[str]:
        return self._indexed_attributes

    def _note(self, key: str, row: RowT, attribute: str, previous: Any) -> None:
        """Note the value of an attribute, whose previous value is noted already."""
        if attribute in self._indexed_attributes:
            index = self._indexes[self._indexed_attributes[attribute]]
            for text in set(_list_texts(getattr(row, attribute, None))).difference(_list_texts(previous)):
                index.add(text, key)

    def _stop_listening(self, key: str) -> None:
        listener, row = self._listeners.pop(key), self._rows[key]
        row._listeners = tuple(kept for kept in row._listeners if kept is not listener)

    def _forget(self) -> None:
        """Make all indexes empty."""
        self._indexes = {index: TextIndex() for index in self._indexed_attributes.values()}


def _list_texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value
