"""The metrics that alarms and the dashboard read: those of the functions, and sums of others."""

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.functions import METRICS_NAMESPACE

_FIVE_MINUTES = Duration.minutes(5)


def build_metric(
    scope: Construct, name: str, *, period: Duration = _FIVE_MINUTES, statistic: str = "Sum"
) -> cloudwatch.Metric:
    """Return a metric of the stack's functions, all of which share it.

    Parameters
    ----------
    scope
        A construct of the stack.
    name
        The name by which the functions add to it.
    period, statistic
        In which steps it is read, and what of each.

    Returns
    -------
    cloudwatch.Metric
        For an alarm or a widget.
    """
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=name,
        # Powertools adds this dimension, with the value of POWERTOOLS_SERVICE_NAME.
        dimensions_map={"service": Stack.of(scope).stack_name},
        period=period,
        statistic=statistic,
    )


def build_throttle_metrics(scope: Construct, state_machine: sfn.IStateMachine) -> list[cloudwatch.Metric]:
    """Return what counts throttled calls: of the account's functions, of the state machine, and of WorkMail.

    That of Lambda has no dimension, because the functions of an account and Region share their concurrency.
    """
    return [
        cloudwatch.Metric(namespace="AWS/Lambda", metric_name="Throttles", statistic="Sum", period=_FIVE_MINUTES),
        state_machine.metric_throttled(),
        build_metric(scope, "WorkMailThrottled"),
    ]


def sum_metrics(metrics: Sequence[cloudwatch.Metric], *, period: Duration, label: str) -> cloudwatch.MathExpression:
    """Return the sum of metrics, in which a missing value is 0: without that, the sum would be missing too.

    Parameters
    ----------
    metrics
        The metrics; each is one of those for which an alarm is charged.
    period
        In which steps the sum is made.
    label
        What the sum is called.

    Returns
    -------
    cloudwatch.MathExpression
        For an alarm.
    """
    named = {f"m{number}": metric for number, metric in enumerate(metrics, start=1)}
    return cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({name}, 0)" for name in named),
        using_metrics=named,
        period=period,
        label=label,
    )
