"""Counts what one offboarding makes AWS do, and prices a thousand: the computation is that of `docs/cost.md`."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from benchmarks.figures import Figure, publish_figures
from tools.costs.bills import Bill
from tools.costs.durations import HIGH
from tools.costs.metering import Counts
from tools.costs.months import Assumption
from tools.costs.page import Measurements, load_templates
from tools.costs.prices import load_prices
from tools.costs.scenarios import DEFAULT_STACK, FURTHER_SCENARIOS, HAPPY, SWEEP, run_scenarios

_THOUSAND = 1000
_SLOW_AT_ONCE = Assumption(HIGH, is_spread=False)
_WITH_APPROVAL = "with an approval"
_HAPPY_LIMIT, _APPROVAL_LIMIT = 0.45, 0.75
_TRANSITIONS_PER_CHECK = 3
"""Of a flow that looks every day: the wait, the look, and the choice."""


def measure() -> list[Figure]:
    """Run an offboarding by hand and one with an approval on the embedded AWS.

    Raises
    ------
    UnexpectedOutcomeError
        One ends otherwise.
    """
    [approval] = [scenario for scenario in FURTHER_SCENARIOS if scenario.name == _WITH_APPROVAL]
    runs = {**run_scenarios(SWEEP, HAPPY), **run_scenarios(approval)}
    measurements = Measurements(load_templates(), runs)
    counts = runs[HAPPY.name]
    calls = Counter(operation.partition(":")[0] for operation in counts.operations.elements())
    bill = measurements.draw_run_bill(HAPPY.name, _SLOW_AT_ONCE)
    happy, approved = bill.charged_usd, measurements.draw_run_bill(_WITH_APPROVAL, _SLOW_AT_ONCE).charged_usd
    return [
        Figure("calls of WorkMail, by hand", calls["workmail"]),
        Figure("calls of the table, by hand", calls["dynamodb"]),
        Figure("other calls, by hand", calls.total() - calls["workmail"] - calls["dynamodb"]),
        Figure("state transitions, by hand", counts.units["state-transition"]),
        Figure("invocations, by hand", counts.invocations.total()),
        Figure("custom metrics, by hand", counts.metric_names),
        Figure("KB of logs, by hand", round(counts.log_bytes / 1024, 1)),
        _make_price("USD per 1,000, by hand", happy, _HAPPY_LIMIT),
        _make_price("USD per 1,000, with an approval", approved, _APPROVAL_LIMIT),
        Figure("USD per 1,000, if it looked every day", _price_daily_checks(happy)),
        Figure("USD per 1,000, if states called AWS without Lambda", _price_states_alone(counts)),
        Figure("USD per 1,000, as a durable function of Lambda", _price_durable_function(bill, counts)),
        Figure("USD of an idle month", measurements.draw_idle_bill(DEFAULT_STACK).charged_usd),
    ]


def _make_price(name: str, usd: float, limit: float) -> Figure:
    return Figure(name, usd, goal=f"at most {limit:g}", is_met=usd <= limit)


def _price_daily_checks(happy_usd: float) -> float:
    """Return what it would cost with a look each day of the retention; the functions' time is left out."""
    looks = 29
    transitions = load_prices().prices["state-transition"].charge(_THOUSAND * looks * _TRANSITIONS_PER_CHECK)
    return happy_usd + transitions


def _price_states_alone(counts: Counts) -> float:
    """Return what the transitions alone would cost if each call of a function were a state of its own."""
    tasks = counts.operations.total()
    transitions = counts.units["state-transition"] - counts.invocations.total() + tasks
    return load_prices().prices["state-transition"].charge(_THOUSAND * transitions)


def _price_durable_function(bill: Bill, counts: Counts) -> float:
    """Return what it would cost if each transition were a durable operation; the data that is kept is left out."""
    transitions = sum(line.charged_usd for line in bill.lines if line.usage.price == "state-transition")
    operations = load_prices().prices["durable-operation"].charge(_THOUSAND * counts.units["state-transition"])
    return bill.charged_usd - transitions + operations


def main() -> int:
    """Print the table and, for a file, JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.work")
    parser.add_argument("--json", type=Path, help="the file for the figures")
    options = parser.parse_args()
    figures = measure()
    publish_figures("One offboarding, and a thousand", figures, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
