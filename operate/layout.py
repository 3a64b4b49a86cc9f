"""Which columns of a table a terminal shows, and how wide they are: a row has one line where that is possible."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

_GAP = 2
"""Between two columns."""
_SHORTEST_CELL = 20
"""So much of a cell is left if its end is cut off, because the whole one does not fit."""


@dataclass
class Layout:
    """The columns of a table.

    Attributes
    ----------
    shown
        The names of the columns that are shown.
    widths
        The width of each column, in cells of the terminal.
    longest_words
        The width of the longest word of each column.
    values
        The different values of each column.
    common
        What all rows have in common, by the names of the columns that are left out for that.
    left_out
        The columns for which there is no room.
    """

    shown: list[str]
    widths: dict[str, int]
    longest_words: dict[str, int]
    values: dict[str, set[str]]
    row_count: int
    common: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def of_rows(cls, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> "Layout":
        """Make the layout that has all columns in full."""
        cells = {name: [name, *(row[place] for row in rows)] for place, name in enumerate(columns)}
        return cls(
            shown=[*columns],
            widths={name: max(map(cell_len, texts)) for name, texts in cells.items()},
            longest_words={
                name: max((cell_len(word) for text in texts for word in text.split()), default=0)
                for name, texts in cells.items()
            },
            values={name: set(texts[1:]) for name, texts in cells.items()},
            row_count=len(rows),
        )

    def fit(self, width: int, optional: Sequence[str], shortened: Sequence[str]) -> None:
        """Leave out what says nothing, then what does not fit; then have texts take less room."""
        for name in [*self.shown]:
            if self.values[name] == {""}:
                self.shown.remove(name)
            elif name in optional and self.row_count > 1 and len(self.values[name]) == 1:
                self.shown.remove(name)
                self.common[name] = next(iter(self.values[name]))
        shown_before = [*self.shown]
        shortest = {name: min(self.widths[name], _SHORTEST_CELL) for name in shortened if name in self.widths}
        for name in optional:
            if name in self.shown and self._excess(self.widths | shortest, width) > 0:
                self.shown.remove(name)
                self.left_out.append(name)
        for name in [*self.left_out]:
            # What goes last can be so wide that there is room again for something else.
            if self._excess(self.widths | shortest, width - self.widths[name] - _GAP) <= 0:
                self.left_out.remove(name)
                self.shown.append(name)
        self.shown = [name for name in shown_before if name not in self.left_out]
        for name in sorted(self.shown, key=lambda name: (name not in shortened, -self.widths[name])):
            least = shortest.get(name, self.longest_words[name])
            self.widths[name] = max(least, self.widths[name] - max(0, self._excess(self.widths, width)))

    def _excess(self, widths: dict[str, int], width: int) -> int:
        return sum(widths[name] + _GAP for name in self.shown) - _GAP - width
