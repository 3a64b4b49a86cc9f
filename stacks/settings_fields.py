"""Parses the members of the settings' JSON objects, and describes each wrong value in one sentence.

A parser takes the path of a member and its value, and returns the parsed value. Its other parameters come first, so
that ``functools.partial`` can set them.
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TypeVar

_T = TypeVar("_T")

Parser = Callable[[str, object], _T]

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class SettingsError(ValueError):
    """Settings are missing, unknown or wrong; the message has a line for each, for the deployer.

    Attributes
    ----------
    problems
        The lines.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Fields:
    """The members of one JSON object. Each is taken once; the members that remain are unknown.

    What is wrong with the members is collected, and raised by `finish`: the deployer is told everything at once.

    Parameters
    ----------
    path
        The path of the object in the settings.
    value
        The object.

    Raises
    ------
    SettingsError
        The value is not an object.
    """

    def __init__(self, path: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise build_error(path, "an object", value)
        self._path = path
        self._values: Mapping[str, object] = value
        self._keys: list[str] = []
        self._problems: list[str] = []

    def take(self, key: str, parse: Parser[_T], default: _T) -> _T:
        """Parse a member.

        Parameters
        ----------
        key
            The member's key.
        parse
            Its parser.
        default
            The result if the member is absent or wrong.
        """
        self._keys.append(key)
        if key not in self._values:
            return default
        try:
            return parse(f"{self._path}.{key}", self._values[key])
        except SettingsError as error:
            self._problems += error.problems
            return default

    def require(self, key: str, parse: Parser[_T], placeholder: _T) -> _T:
        """Parse a member that must be there; if it is absent or wrong, return the placeholder until `finish` raises."""
        if key not in self._values:
            self._problems.append(f"{self._path}.{key} is missing")
        return self.take(key, parse, placeholder)

    def is_wrong(self, key: str) -> bool:
        """Return whether a member that was taken is absent or wrong."""
        path = f"{self._path}.{key}"
        return any(re.match(rf"{re.escape(path)}(?!\w)", problem) for problem in self._problems)

    def finish(self) -> None:
        """Check that every member was taken, and that nothing was wrong.

        Raises
        ------
        SettingsError
            Members are missing, wrong or unknown: a mistyped key must not silently mean the default.
        """
        for key in self._values:
            if key not in self._keys:
                self._problems.append(f"{self._path}.{key} is not a setting; {self._suggest_key(key)}")
        if self._problems:
            raise SettingsError(*self._problems)

    def _suggest_key(self, unknown: str) -> str:
        keys = {key.lower(): key for key in self._keys}
        similar = difflib.get_close_matches(unknown.lower(), keys, n=1)
        if similar:
            return f"did you mean {keys[similar[0]]}?"
        return f"the settings are {join_values(self._keys)}" if keys else f"{self._path} must be an empty object"


def parse_boolean(path: str, value: object) -> bool:
    """Parse true or false."""
    if not isinstance(value, bool):
        raise build_error(path, "true or false", value)
    return value


def parse_whole_number(minimum: int, maximum: int, path: str, value: object) -> int:
    """Parse a whole number from a minimum to a maximum."""
    return _parse_whole_number(minimum, maximum, f"a whole number from {minimum} to {maximum}", path, value)


def parse_whole_number_or_null(minimum: int, maximum: int, path: str, value: object) -> int | None:
    """Parse a whole number from a minimum to a maximum, or null."""
    if value is None:
        return None
    return _parse_whole_number(minimum, maximum, f"a whole number from {minimum} to {maximum}, or null", path, value)


def _parse_whole_number(minimum: int, maximum: int, expected: str, path: str, value: object) -> int:
    # In Python, true is the number 1.
    if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
        raise build_error(path, expected, value)
    return value


def parse_date(path: str, value: object) -> date:
    """Parse a date like 2027-03-31."""
    # The standard library also accepts 20270331 and 2027-W13-3.
    if isinstance(value, str) and _ISO_DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise build_error(path, "a date like 2027-03-31", value)


def parse_choice(choices: Sequence[_T], path: str, value: object) -> _T:
    """Parse one of several values."""
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    raise build_error(path, f"one of {join_values(choices)}", value)


def parse_pattern(pattern: re.Pattern[str], expected: str, path: str, value: object) -> str:
    """Parse a string that matches a pattern; the error describes the pattern as expected."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise build_error(path, expected, value)
    return value


def parse_unique(parse: Parser[str], path: str, value: object) -> tuple[str, ...]:
    """Parse a list of different strings with the parser of its items."""
    if not isinstance(value, list):
        raise build_error(path, "a list", value)
    items = parse_each(parse, path, value)
    require_unique(items, path)
    return items


def parse_each(parse: Parser[_T], path: str, values: Sequence[object]) -> tuple[_T, ...]:
    """Parse the items of a list with one parser.

    Raises
    ------
    SettingsError
        Items are wrong; it has the problems of all of them.
    """
    items: list[_T] = []
    problems: list[str] = []
    for index, value in enumerate(values):
        try:
            items.append(parse(f"{path}[{index}]", value))
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(*problems)
    return tuple(items)


def require_unique(values: Sequence[str], path: str, member: str = "") -> None:
    """Refuse a value that stands twice in the list of a path, or in a member of the objects in that list."""
    indexes = {value: values.index(value) for value in values}
    problems = [
        f"{path}[{index}]{member} must be unique, but {path}[{indexes[value]}]{member} is also {value}"
        for index, value in enumerate(values)
        if indexes[value] != index
    ]
    if problems:
        raise SettingsError(*problems)


def build_error(path: str, expected: str, value: object) -> SettingsError:
    """Build the error for a wrong value.

    Parameters
    ----------
    path
        The path of the value in the settings.
    expected
        The phrase that completes "<path> must be …".
    value
        The wrong value.

    Returns
    -------
    SettingsError
        To be raised.
    """
    return SettingsError(f"{path} must be {expected}, but it is {json.dumps(value, ensure_ascii=False, default=str)}")


def join_values(values: Sequence[object]) -> str:
    """Join values for a sentence."""
    return ", ".join(str(value) for value in values)


def render_compact_json(value: object) -> str:
    """Render a value as JSON without spaces, because a parameter and an environment are limited in size."""
    return json.dumps(value, separators=(",", ":"))
