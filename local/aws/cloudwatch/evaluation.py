"""The evaluation of an alarm: from the values of its periods to its state.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

State = Literal["ALARM", "INSUFFICIENT_DATA", "OK"]

_EXTRA_PERIODS = 2
"""How many more periods CloudWatch looks at than an alarm has. Its documentation has one example: five for three."""

_COMPARISONS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
}
COMPARISON_OPERATORS = tuple(_COMPARISONS)


@dataclass(frozen=True)
class Rule:
    """When an alarm is in which state.

    Attributes
    ----------
    comparison_operator, threshold
        Which values breach.
    evaluation_periods, datapoints_to_alarm
        M of N: this many of so many periods have to breach; the members are N and M.
    treat_missing_data
        ``missing``, ``ignore``, ``breaching`` or ``notBreaching``.
    """

    comparison_operator: str
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    treat_missing_data: str

    @property
    def length(self) -> int:
        """How many periods are looked at."""
        return self.evaluation_periods + _EXTRA_PERIODS

    def breaches(self, value: float) -> bool:
        """Tell whether a value breaches."""
        return _COMPARISONS[self.comparison_operator][0](value, self.threshold)


@dataclass(frozen=True)
class Datapoint:
    """The value of a period, and the moment at which the period began."""

    when: datetime
    value: float


@dataclass(frozen=True)
class Result:
    """A state with its reason, and the values that it rests on, the newest first."""

    state: State
    reason: str
    datapoints: tuple[Datapoint, ...] = ()


def evaluate(rule: Rule, datapoints: Sequence[Datapoint | None], state: str) -> Result | None:
    """Evaluate an alarm.

    Parameters
    ----------
    rule
        The alarm's rule.
    datapoints
        Those of the last `Rule.length` periods, the oldest first; None where a period has no value.
    state
        The alarm's state now.

    Returns
    -------
    Result or None
        The state, which can be the same; None if missing data leave the state as it is.
    """
    present = [point for point in reversed(datapoints) if point is not None][: rule.evaluation_periods]
    missing = rule.evaluation_periods - len(present)
    new_state = _decide(rule, datapoints, present, missing)
    if new_state is None:
        return None
    return Result(new_state, _render_reason(rule, present, missing, state, new_state), tuple(present))


def _decide(
    rule: Rule, datapoints: Sequence[Datapoint | None], present: Sequence[Datapoint], missing: int
) -> State | None:
    breaching = sum(rule.breaches(point.value) for point in present)
    if missing > 0 and rule.treat_missing_data == "breaching":
        breaching += missing
    if breaching >= rule.datapoints_to_alarm:
        return "ALARM"
    if missing == 0 or rule.treat_missing_data in {"breaching", "notBreaching"} or breaching < len(present):
        return "OK"
    if rule.treat_missing_data == "ignore":
        return None
    if not present:
        return "INSUFFICIENT_DATA"
    # All values breach, and there are fewer than the alarm needs. It rings once the first of them is old enough.
    oldest = next(index for index, point in enumerate(datapoints) if point is not None)
    return "ALARM" if len(datapoints) - oldest >= rule.datapoints_to_alarm else None


def _render_reason(rule: Rule, present: Sequence[Datapoint], missing: int, state: str, new_state: State) -> str:
    if new_state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_count(rule.evaluation_periods, 'datapoint')} {_were(missing)} unknown."
    if missing > 0 and rule.treat_missing_data in {"breaching", "notBreaching"}:
        treatment = {"breaching": "Breaching", "notBreaching": "NonBreaching"}[rule.treat_missing_data]
        received = _count(len(present), "datapoint") if present else "no datapoints"
        return (
            f"Threshold Crossed: {received} {'was' if len(present) == 1 else 'were'} received for "
            f"{_count(rule.evaluation_periods, 'period')} and {_count(missing, 'missing datapoint')} {_were(missing)} "
            f"treated as [{treatment}]."
        )
    is_alarm = new_state == "ALARM"
    decisive = [point for point in present if rule.breaches(point.value) == is_alarm]
    values = ", ".join(f"{float(point.value)} ({point.when:%d/%m/%y %H:%M:%S})" for point in decisive)
    needed = rule.datapoints_to_alarm if is_alarm else rule.evaluation_periods - rule.datapoints_to_alarm + 1
    return (
        f"Threshold Crossed: {len(decisive)} out of the last {_count(rule.evaluation_periods, 'datapoint', 's')} "
        f"[{values}] {_were(len(decisive))}{'' if is_alarm else ' not'} {_COMPARISONS[rule.comparison_operator][1]} "
        f"the threshold ({float(rule.threshold)}) (minimum {_count(needed, 'datapoint')} for {state} -> {new_state} "
        "transition)."
    )


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun}{plural if plural is not None else '' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
