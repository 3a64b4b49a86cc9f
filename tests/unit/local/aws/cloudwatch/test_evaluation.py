"""The state of an alarm, by the rows of CloudWatch's documentation.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from datetime import timedelta
from typing import Any

import pytest

from local.aws.cloudwatch.evaluation import Datapoint, Rule, evaluate
from tests.unit.local.assemblies import NOON

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
RETAINED = None


def make_rule(needed: int = 1, periods: int = 1, **members: Any) -> Rule:
    return Rule(
        **{
            "comparison_operator": "GreaterThanThreshold",
            "threshold": 0.0,
            "evaluation_periods": periods,
            "datapoints_to_alarm": needed,
            "treat_missing_data": "missing",
            **members,
        }
    )


def make_datapoints(values: str) -> list[Datapoint | None]:
    """Make the datapoints of a row: a dash is missing, an X breaches."""
    count = len(values.split())
    return [
        None if value == "-" else Datapoint(NOON - timedelta(minutes=count - index), float(value.replace("X", "1")))
        for index, value in enumerate(values.split())
    ]


def evaluate_state(rule: Rule, values: str, state: str = "OK") -> str | None:
    result = evaluate(rule, make_datapoints(values), state)
    return None if result is None else result.state


@pytest.mark.parametrize(
    ("values", "states"),
    [
        ("0 - X - X", ("OK", "OK", "OK", "OK")),
        ("- - - - 0", ("OK", "OK", "OK", "OK")),
        ("- - - - -", ("INSUFFICIENT_DATA", RETAINED, "ALARM", "OK")),
        ("0 X X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("- - X - -", ("ALARM", RETAINED, "ALARM", "OK")),
        # The alarm does not ring too early: the next value need not breach.
        ("- - - - X", (RETAINED, RETAINED, "ALARM", "OK")),
        ("- - - X -", (RETAINED, RETAINED, "ALARM", "OK")),
    ],
)
def test_missing_data_of_three_out_of_three(values: str, states: tuple[str | None, ...]) -> None:
    rules = [make_rule(3, 3, treat_missing_data=treatment) for treatment in TREATMENTS]

    assert tuple(evaluate_state(rule, values) for rule in rules) == states


@pytest.mark.parametrize(
    ("values", "states"),
    [
        ("0 - X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 0 X 0 X", ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 - X - -", ("OK", "OK", "ALARM", "OK")),
        ("- - - - 0", ("OK", "OK", "ALARM", "OK")),
        ("- - - X -", ("ALARM", RETAINED, "ALARM", "OK")),
        ("X X 0 0 X", ("OK", "OK", "OK", "OK")),
    ],
)
def test_missing_data_of_two_out_of_three(values: str, states: tuple[str | None, ...]) -> None:
    rules = [make_rule(2, 3, treat_missing_data=treatment) for treatment in TREATMENTS]

    assert tuple(evaluate_state(rule, values) for rule in rules) == states


@pytest.mark.parametrize(
    ("operator", "breaching"),
    [
        ("GreaterThanThreshold", [6.0]),
        ("GreaterThanOrEqualToThreshold", [5.0, 6.0]),
        ("LessThanThreshold", [4.0]),
        ("LessThanOrEqualToThreshold", [4.0, 5.0]),
    ],
)
def test_each_operator_compares_with_the_threshold(operator: str, breaching: list[float]) -> None:
    rule = make_rule(comparison_operator=operator, threshold=5.0)

    assert [value for value in (4.0, 5.0, 6.0) if evaluate_state(rule, str(value)) == "ALARM"] == breaching


@pytest.mark.parametrize(
    ("rule", "values", "reason"),
    [
        (
            make_rule(2, 3),
            "X 0 X",
            "Threshold Crossed: 2 out of the last 3 datapoints [1.0 (22/11/26 11:59:00), 1.0 (22/11/26 11:57:00)] were "
            "greater than the threshold (0.0) (minimum 2 datapoints for OK -> ALARM transition).",
        ),
        (
            make_rule(comparison_operator="GreaterThanOrEqualToThreshold", threshold=50.0),
            "- - 0",
            "Threshold Crossed: 1 out of the last 1 datapoints [0.0 (22/11/26 11:59:00)] was not greater than or equal "
            "to the threshold (50.0) (minimum 1 datapoint for OK -> OK transition).",
        ),
        (
            make_rule(treat_missing_data="notBreaching"),
            "- - -",
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as "
            "[NonBreaching].",
        ),
        (
            make_rule(3, 3, treat_missing_data="breaching"),
            "- - - X -",
            "Threshold Crossed: 1 datapoint was received for 3 periods and 2 missing datapoints were treated as "
            "[Breaching].",
        ),
        (make_rule(), "- - -", "Insufficient Data: 1 datapoint was unknown."),
    ],
)
def test_a_state_has_a_reason_in_the_words_of_cloudwatch(rule: Rule, values: str, reason: str) -> None:
    result = evaluate(rule, make_datapoints(values), "OK")

    assert result is not None
    assert result.reason == reason
