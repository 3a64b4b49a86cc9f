"""The conditions of a statement.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .wildcards import matches_pattern

Context = Mapping[str, str]
"""The values of a request's condition keys, by the key as AWS spells it."""


def _is_equal(expected: str, value: str) -> bool:
    return expected == value


def _is_equal_ignoring_case(expected: str, value: str) -> bool:
    return expected.casefold() == value.casefold()


def _matches_arn(pattern: str, value: str) -> bool:
    """Compare ARNs part by part: a wildcard does not match across a colon of the first five parts."""
    pattern_parts, parts = pattern.split(":", 5), value.split(":", 5)
    return len(pattern_parts) == len(parts) and all(map(matches_pattern, pattern_parts, parts))


def _is_less(limit: str, value: str) -> bool:
    return float(value) < float(limit)


_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = MappingProxyType(
    {
        "StringEquals": _is_equal,
        "StringEqualsIgnoreCase": _is_equal_ignoring_case,
        "StringLike": matches_pattern,
        "ArnEquals": _matches_arn,
        "ArnLike": _matches_arn,
        "Bool": _is_equal_ignoring_case,
        "NumericLessThan": _is_less,
    }
)
_NEGATED_OPERATORS = MappingProxyType(
    {
        "StringNotEquals": "StringEquals",
        "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
        "StringNotLike": "StringLike",
        "ArnNotEquals": "ArnEquals",
        "ArnNotLike": "ArnLike",
    }
)
_FOR_ALL_VALUES = "ForAllValues:"
_IF_EXISTS = "IfExists"


def is_operator(name: str) -> bool:
    """Tell whether the operator of a condition can be evaluated here."""
    operator = name.removeprefix(_FOR_ALL_VALUES).removesuffix(_IF_EXISTS)
    return operator == "Null" or operator in _COMPARISONS or operator in _NEGATED_OPERATORS


@dataclass(frozen=True)
class Condition:
    """A condition of a policy on one key.

    Attributes
    ----------
    key
        The condition key, ``dynamodb:LeadingKeys`` for example. Letter case does not matter.
    values
        The values of which one must match.
    operator
        As IAM spells it, ``StringEquals`` for example, with ``ForAllValues:`` before it or ``IfExists`` after it.
    """

    key: str
    values: tuple[str, ...]
    operator: str = "StringEquals"

    def holds(self, context: Context) -> bool:
        """Tell whether a request with these values of condition keys meets it."""
        value = next((text for key, text in context.items() if key.casefold() == self.key.casefold()), None)
        operator = self.operator.removeprefix(_FOR_ALL_VALUES)
        if operator == "Null":
            return (value is None) == (self.values[0].casefold() == "true")
        if value is None:
            # Without a value "ForAllValues", "IfExists" and the negated operators are true, the others are not.
            return operator != self.operator or operator.endswith(_IF_EXISTS) or operator in _NEGATED_OPERATORS
        operator = operator.removesuffix(_IF_EXISTS)
        comparison = _COMPARISONS[_NEGATED_OPERATORS.get(operator, operator)]
        is_match = any(comparison(expected, value) for expected in self.values)
        return is_match != (operator in _NEGATED_OPERATORS)
