"""Metric math."""

import pytest

from local.aws.cloudwatch.expressions import ExpressionError, Series, evaluate_expression

SERIES: dict[str, Series] = {"m1": (1.0, None, 3.0, None), "m2": (10.0, 20.0, None, None), "m3": (4.0, 0.0, 2.0, 2.0)}


def evaluate(expression: str) -> Series:
    return evaluate_expression(expression, SERIES.__getitem__, list(SERIES), 4)


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("m1 + m2", (11.0, None, None, None)),
        ("SUM([m1, m2])", (11.0, 20.0, 3.0, None)),
        ("SUM(METRICS())", (15.0, 20.0, 5.0, 2.0)),
        ("FILL(m1, 0) + FILL(m2, 0)", (11.0, 20.0, 3.0, 0.0)),
        ("SUM(FILL([m1, m2], 0))", (11.0, 20.0, 3.0, 0.0)),
        ("FILL(m1, REPEAT)", (1.0, 1.0, 3.0, 3.0)),
        ("FILL(m1, LINEAR)", (1.0, 2.0, 3.0, None)),
        ("MAX([m1, m2, m3])", (10.0, 20.0, 3.0, 2.0)),
        ("MIN([m1, m2, m3])", (1.0, 0.0, 2.0, 2.0)),
        ("AVG([m1, m2])", (5.5, 20.0, 3.0, None)),
        ("MAX(m1) + m3", (7.0, 3.0, 5.0, 5.0)),
        ("m1 / m3 * 100", (25.0, None, 150.0, None)),
        ("m2 / m3", (2.5, None, None, None)),
        ("m3 ^ 2 - 1", (15.0, -1.0, 3.0, 3.0)),
        ("-m3", (-4.0, 0.0, -2.0, -2.0)),
        ("ABS(0 - m3)", (4.0, 0.0, 2.0, 2.0)),
        ("IF(m3 > 1 AND m3 < 3, m3, 7)", (7.0, 7.0, 2.0, 2.0)),
        ("m3 >= 2 || m3 == 0", (1.0, 1.0, 1.0, 1.0)),
        ("2 + 3", (5.0, 5.0, 5.0, 5.0)),
    ],
)
def test_an_expression_is_evaluated_period_by_period(expression: str, values: Series) -> None:
    assert evaluate(expression) == values


@pytest.mark.parametrize(
    "expression", ["m4", "m1 +", "SEARCH('{AWS/SQS}', 'Sum')", "[m1, m2]", "m1.real", "FILL(m1, 0, 1)", "RATE(m1)"]
)
def test_what_is_not_supported_or_no_series_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(expression)
