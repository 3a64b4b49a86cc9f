"""The bills of a month: of the idle stack, and of a thousand offboardings on top of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.costs.bills import Bill, Usage, draw_bill
from tools.costs.durations import HIGH, LOW, DurationAssumption
from tools.costs.metering import Counts
from tools.costs.prices import HOURS_PER_MONTH, load_prices
from tools.costs.template import count_schedule_runs, list_idle_usage, read_log_retention_days, read_memory_gb

OFFBOARDINGS = 1000
_BYTES_PER_GB = 1024**3
_DAYS_PER_MONTH = HOURS_PER_MONTH / 24


@dataclass(frozen=True)
class Assumption:
    """What a run does not show.

    Attributes
    ----------
    duration
        How long functions run.
    is_spread
        Whether the offboardings are spread over the month, so that each metric has a value in every hour. Otherwise
        all take place in the same hours.
    """

    duration: DurationAssumption
    is_spread: bool

    def count_metric_months(self, counts: Counts) -> float:
        """Return for how many months all custom metrics together are billed."""
        return float(counts.metric_names) if self.is_spread else len(counts.metrics) / HOURS_PER_MONTH


LEAST = Assumption(LOW, is_spread=False)
MOST = Assumption(HIGH, is_spread=True)


def estimate_gb_seconds(counts: Counts, template: Mapping[str, Any], duration: DurationAssumption) -> float:
    """Return the GB-seconds of a run, by the memory of its functions and an assumption."""
    memory = read_memory_gb(template)
    return sum(
        memory[module] * duration.estimate_seconds(number, counts.calls[module])
        for module, number in counts.invocations.items()
    )


def list_run_usage(
    counts: Counts, template: Mapping[str, Any], assumption: Assumption, times: float = OFFBOARDINGS
) -> list[Usage]:
    """List what a run uses if it takes place several times.

    Parameters
    ----------
    counts
        What one run used.
    template
        The template, which has the memory of the functions and the retention of the logs.
    assumption
        What the run does not show.
    times
        How often it takes place.

    Returns
    -------
    list[Usage]
        One for each price that applies.
    """
    quantities: dict[str, float] = {key: number * times for key, number in counts.units.items()}
    quantities |= {
        "lambda-request": counts.invocations.total() * times,
        "lambda-gb-second": estimate_gb_seconds(counts, template, assumption.duration) * times,
        "log-gb": counts.log_bytes * times / _BYTES_PER_GB,
        "log-gb-month": counts.log_bytes * times / _BYTES_PER_GB * read_log_retention_days(template) / _DAYS_PER_MONTH,
        "dynamodb-gb-month": counts.stored_bytes * times / _BYTES_PER_GB,
        "dynamodb-backup-gb-month": counts.stored_bytes * times / _BYTES_PER_GB,
        "metric": assumption.count_metric_months(counts),
    }
    return [Usage("", key, quantities[key]) for key, price in load_prices().prices.items() if key in quantities]


def list_month_usage(template: Mapping[str, Any], sweep: Counts) -> list[Usage]:
    """List what a stack uses in a month in which nothing happens but its sweeps, each in an hour of its own."""
    runs = count_schedule_runs(template)
    swept = list_run_usage(sweep, template, Assumption(HIGH, is_spread=False), runs)
    metrics = sweep.metric_names * runs / HOURS_PER_MONTH
    return [
        *list_idle_usage(template),
        *(Usage("the sweep", usage.price, metrics if usage.price == "metric" else usage.quantity) for usage in swept),
    ]


def draw_idle_bill(template: Mapping[str, Any], sweep: Counts) -> Bill:
    """Price the idle stack of a template for a month."""
    return draw_bill(list_month_usage(template, sweep))


def draw_run_bill(counts: Counts, template: Mapping[str, Any], sweep: Counts, assumption: Assumption) -> Bill:
    """Price a thousand runs in a month, on top of the idle stack: it has used up what is free of some prices."""
    idle = list_month_usage(template, sweep)
    bill = draw_bill([*idle, *list_run_usage(counts, template, assumption)])
    return Bill(bill.lines[len(idle) :])
