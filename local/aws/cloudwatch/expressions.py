"""Metric math: the expressions of alarms, evaluated over time series.

Supported are numbers, ids, arrays, ``+ - * / ^``, comparisons, ``AND``, ``OR``, and the functions ``ABS``, ``AVG``,
``FILL``, ``IF``, ``MAX``, ``METRICS``, ``MIN`` and ``SUM``.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import itertools
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Series = tuple[float | None, ...]
"""The values of the periods, the oldest first; None where there is none."""

_Operand = float | Series | list[Series]
_BINARY: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.And: lambda left, right: bool(left) and bool(right),
    ast.Or: lambda left, right: bool(left) or bool(right),
}
_AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
    "MAX": max,
    "MIN": min,
}
_PYTHON_OPERATORS = (("^", "**"), ("&&", " and "), ("||", " or "))


class ExpressionError(ValueError):
    """An expression is malformed, or has what is not supported here."""


def evaluate_expression(
    expression: str, read_series: Callable[[str], Series], metric_ids: Sequence[str], length: int
) -> Series:
    """Evaluate an expression.

    Parameters
    ----------
    expression
        The expression, ``SUM([m1, FILL(m2, 0)])`` for example.
    read_series
        Returns the series of an id; it raises ``KeyError`` for an unknown one.
    metric_ids
        The ids of the metrics, without those of expressions: ``METRICS()``.
    length
        How many periods each series has.

    Raises
    ------
    ExpressionError
        If it is malformed, not supported here, or no time series.
    """
    text = expression
    for symbol, replacement in _PYTHON_OPERATORS:
        text = text.replace(symbol, replacement)
    text = re.sub(r"\b(AND|OR)\b", lambda match: match.group().lower(), text)
    try:
        result = _Evaluation(read_series, metric_ids, length).evaluate(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, KeyError, TypeError) as error:
        raise ExpressionError(f"The expression {expression!r} cannot be evaluated: {error}") from error
    if isinstance(result, float):
        return (result,) * length
    if isinstance(result, list):
        raise ExpressionError(f"The expression {expression!r} is several time series, and an alarm has one.")
    return result


class _Evaluation:
    """The evaluation of one expression."""

    def __init__(self, read_series: Callable[[str], Series], metric_ids: Sequence[str], length: int) -> None:
        self._read_series = read_series
        self._metric_ids = metric_ids
        self._length = length

    def evaluate(self, node: ast.expr) -> _Operand:
        """Evaluate a part of the expression."""
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return self._read_series(name)
            case ast.List(elts=elements):
                return [self._as_series(self.evaluate(element)) for element in elements]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._combine(operator.sub, 0.0, self.evaluate(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self._combine(_BINARY[type(op)], self.evaluate(left), self.evaluate(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _BINARY:
                return self._combine(_BINARY[type(op)], self.evaluate(left), self.evaluate(right))
            case ast.BoolOp(op=op, values=[left, *rest]):
                result = self.evaluate(left)
                for part in rest:
                    result = self._combine(_BINARY[type(op)], result, self.evaluate(part))
                return result
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
        raise ExpressionError(f"{ast.unparse(node)} is not supported here.")

    def _call(self, name: str, arguments: list[ast.expr]) -> _Operand:
        if name == "METRICS" and not arguments:
            return [self._read_series(metric_id) for metric_id in self._metric_ids]
        if name == "FILL" and len(arguments) == 2:
            return self._fill(self.evaluate(arguments[0]), arguments[1])
        values = [self.evaluate(argument) for argument in arguments]
        if name == "ABS" and len(values) == 1:
            return self._combine(lambda value, _: abs(value), values[0], 0.0)
        if name == "IF" and len(values) in {2, 3}:
            return self._choose(*map(self._as_series, values))
        if name in _AGGREGATES and len(values) == 1:
            return self._aggregate(_AGGREGATES[name], values[0])
        raise ExpressionError(f"The function {name} with {len(arguments)} arguments is not supported here.")

    def _as_series(self, operand: _Operand) -> Series:
        if isinstance(operand, list):
            raise TypeError("an array is not a time series")
        return (operand,) * self._length if isinstance(operand, float) else operand

    def _combine(self, function: Callable[[float, float], float], left: _Operand, right: _Operand) -> _Operand:
        """Combine period by period: there is a value where both have one."""
        if isinstance(left, list):
            return [self._as_series(self._combine(function, part, right)) for part in left]
        if isinstance(right, list):
            return [self._as_series(self._combine(function, left, part)) for part in right]
        pairs = zip(self._as_series(left), self._as_series(right), strict=True)
        series = tuple(_apply(function, *pair) for pair in pairs)
        is_number = isinstance(left, float) and isinstance(right, float)
        return float(series[0]) if is_number and series and series[0] is not None else series

    def _aggregate(self, function: Callable[[Sequence[float]], float], operand: _Operand) -> _Operand:
        """Of an array aggregate each period; of one series all periods, which gives a number."""
        if isinstance(operand, float):
            return operand
        if not isinstance(operand, list):
            present = [value for value in operand if value is not None]
            return float(function(present)) if present else (None,) * self._length
        columns = [[value for value in column if value is not None] for column in zip(*operand, strict=True)]
        return tuple(float(function(column)) if column else None for column in columns)

    def _choose(self, condition: Series, if_true: Series, if_false: Series | None = None) -> Series:
        otherwise = if_false or (None,) * self._length
        return tuple(
            None if test is None else true if test else false
            for test, true, false in zip(condition, if_true, otherwise, strict=True)
        )

    def _fill(self, operand: _Operand, filler: ast.expr) -> _Operand:
        if isinstance(operand, list):
            return [self._as_series(self._fill(series, filler)) for series in operand]
        series = self._as_series(operand)
        match filler:
            case ast.Name(id="REPEAT"):
                return _repeat(series)
            case ast.Name(id="LINEAR"):
                return _interpolate(series)
        values = self._as_series(self.evaluate(filler))
        return tuple(fill if value is None else value for value, fill in zip(series, values, strict=True))


def _apply(function: Callable[[float, float], Any], left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    try:
        return float(function(left, right))
    except (ArithmeticError, TypeError):
        # A division by zero has no value; a root of a negative number neither.
        return None


def _repeat(series: Series) -> Series:
    values: list[float | None] = []
    for value in series:
        values.append(value if value is not None or not values else values[-1])
    return tuple(values)


def _interpolate(series: Series) -> Series:
    present = [index for index, value in enumerate(series) if value is not None]
    values = list(series)
    for left, right in itertools.pairwise(present):
        start, end = float(series[left] or 0), float(series[right] or 0)
        for index in range(left + 1, right):
            values[index] = start + (end - start) * (index - left) / (right - left)
    return tuple(values)
