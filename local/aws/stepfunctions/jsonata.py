"""JSONata as AWS Step Functions evaluates it.

`evaluate` takes an expression (without ``{% %}``) and the variables that it may read. Values are bound,
never written into the expression's text, so a value is data whatever its characters.

Where Step Functions differs from JSONata itself:

- There is no input document: the input is ``$states.input``. A bare name evaluates to nothing.
- An expression that evaluates to nothing fails the state, as any other error does.
- ``$partition``, ``$range``, ``$hash``, ``$random``, ``$uuid`` and ``$parse`` exist, ``$eval`` does not.
- The result is JSON: a value without a JSON form (a function, a regular expression) is an error.

``$now()`` and ``$millis()`` follow Python's clock, with one instant per evaluation.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jsonata import Jsonata
from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.utils import Utils

_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_MAX_RANGE = 1000
_MAX_EXACT_INTEGER = 2**53
_ISO_TIMESTAMP = re.compile(
    r"\d{4}(-[01]\d)*(-[0-3]\d)*(T[0-2]\d:[0-5]\d:[0-5]\d)*(\.\d+)?([+-][0-2]\d:?[0-5]\d|Z)?", re.ASCII
)

# jsonata-python keeps the expression that is being evaluated in thread-local state of its classes, and
# the parsed expressions are shared here. Evaluation is pure computation, so the lock costs nothing.
_evaluation_lock = threading.RLock()


class QueryError(Exception):
    """The expression could not be evaluated; the text says why."""


class UndefinedResultError(QueryError):
    """The expression evaluated to nothing."""


class UnsupportedResultError(QueryError):
    """The expression evaluated to something that has no JSON form."""


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """Evaluate an expression.

    Parameters
    ----------
    expression
        The JSONata, without its delimiters.
    variables
        JSON values by name, without the dollar sign: ``{"states": {"input": …}, "name": "Dana"}``.

    Raises
    ------
    QueryError
        If it is not valid, fails, evaluates to nothing, or to something that is not JSON.
    """
    with _evaluation_lock:
        try:
            parsed = _parse(expression)
            result = _evaluate(parsed, variables)
        except QueryError:
            raise
        except JException as error:
            raise QueryError(f"{error.error}: {error}") from error
        except RecursionError as error:
            raise QueryError("D1011: Stack overflow. Check for a function that never ends.") from error
        except Exception as error:
            raise QueryError(f"{type(error).__name__}: {error}") from error
        if result is None:
            raise UndefinedResultError("returned nothing (undefined)")
        return _to_json(result)


def find_syntax_error(expression: str) -> str | None:
    """Return what is wrong with an expression that cannot be parsed, or None if it can be."""
    with _evaluation_lock:
        try:
            _parse(expression)
        except JException as error:
            return str(error)
        except RecursionError:
            return "Stack overflow"
    return None


def _evaluate(parsed: Jsonata, variables: Mapping[str, Any]) -> Any:
    bindings: dict[str, Any] = dict(_FUNCTIONS)
    bindings.update({name: _from_json(value) for name, value in variables.items()})
    # As the constructor does: $now() and native functions find their expression through this.
    Jsonata.CURRENT.jsonata = parsed
    return parsed.evaluate(None, bindings)


@lru_cache(maxsize=1024)
def _parse(expression: str) -> Jsonata:
    parsed = Jsonata(expression)
    parsed.set_output_convert_nulls(False)
    parsed.set_validate_input(False)
    return parsed


def _from_json(value: Any) -> Any:
    """Copy a JSON value for the evaluator, which distinguishes null from nothing and can change the value."""
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {str(key): _from_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_from_json(item) for item in value]
    if isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _to_json(value: Any) -> Any:
    if value is None or value is Utils.NULL_VALUE:
        return None
    if isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return _to_json_number(value)
    if isinstance(value, dict):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    raise UnsupportedResultError("returned an unsupported result type")


def _to_json_number(value: float) -> float | int:
    if not math.isfinite(value):
        raise QueryError(f"D1001: Number out of range: {value}")
    return int(value) if value.is_integer() and abs(value) < _MAX_EXACT_INTEGER else value


def _partition(*arguments: Any) -> Any:
    array, size = _check_arguments("partition", arguments, 2)
    if array is None:
        return None
    items = list(array) if isinstance(array, list) else [array]
    if not _is_integer(size) or size <= 0:
        raise QueryError("$partition: the chunk size must be a positive integer")
    return [items[start : start + size] for start in range(0, len(items), size)]


def _range(*arguments: Any) -> Any:
    start, end, step = _check_arguments("range", arguments, 3)
    if not all(_is_integer(value) for value in (start, end, step)):
        raise QueryError("$range: the start, the end and the step must be integers")
    if step == 0:
        raise QueryError("$range: the step must not be 0")
    values = range(start, end + (1 if step > 0 else -1), step)
    if len(values) > _MAX_RANGE:
        raise QueryError(f"$range: must not generate more than {_MAX_RANGE} values")
    return list(values)


def _hash(*arguments: Any) -> Any:
    content, algorithm = _check_arguments("hash", arguments, 2)
    if content is None:
        return None
    if algorithm not in _ALGORITHMS:
        raise QueryError(f"$hash: the algorithm must be one of {', '.join(_ALGORITHMS)}; got {algorithm}")
    text = content if isinstance(content, str) else json.dumps(_to_json(content), separators=(",", ":"))
    return hashlib.new(_ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _random(*arguments: Any) -> float:
    (seed,) = _check_arguments("random", arguments, 1, required=0)
    if seed is None:
        return random.random()
    if not _is_integer(seed):
        raise QueryError("$random: the seed must be an integer")
    return random.Random(seed).random()


def _uuid(*arguments: Any) -> str:
    _check_arguments("uuid", arguments, 0)
    return str(uuid.uuid4())


def _parse_json(*arguments: Any) -> Any:
    (text,) = _check_arguments("parse", arguments, 1)
    if text is None:
        return None
    if not isinstance(text, str):
        raise QueryError("$parse: the argument must be a string that holds JSON")
    try:
        return _from_json(json.loads(text))
    except ValueError as error:
        raise QueryError(f"$parse: not valid JSON: {error}") from error


def _to_millis(*arguments: Any) -> Any:
    """Convert a timestamp; the package's function accepts others than JSONata's, and has no code for its errors."""
    timestamp, picture = arguments + (None,) * (2 - len(arguments))
    if timestamp is not None and not isinstance(timestamp, str):
        raise QueryError("T0410: The argument of $toMillis must be a string")
    if timestamp is not None and picture is None and not _ISO_TIMESTAMP.fullmatch(timestamp):
        raise QueryError(f"D3110: The argument of $toMillis must be an ISO 8601 timestamp; got {timestamp}")
    return Functions.datetime_to_millis(timestamp, picture)


def _refuse_eval(*_: Any) -> Any:
    raise QueryError("$eval is not supported by Step Functions; use $parse for JSON")


def _check_arguments(name: str, arguments: tuple[Any, ...], count: int, required: int | None = None) -> tuple[Any, ...]:
    if not (count if required is None else required) <= len(arguments) <= count:
        raise QueryError(f"${name}: takes {count} argument(s), {len(arguments)} given")
    return arguments + (None,) * (count - len(arguments))


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _to_native_function(function: Callable[..., Any]) -> Any:
    return Jsonata.JLambda(function)


_FUNCTIONS: dict[str, Any] = {
    "partition": _to_native_function(_partition),
    "range": _to_native_function(_range),
    "hash": _to_native_function(_hash),
    "random": _to_native_function(_random),
    "uuid": _to_native_function(_uuid),
    "parse": _to_native_function(_parse_json),
    "eval": _to_native_function(_refuse_eval),
    "toMillis": Jsonata.JFunction(_to_native_function(_to_millis), "<s-s?:n>"),
}
