"""`python -m tools.costs` says whether `docs/cost.md` is what the computation gives; with `--write` it writes it."""

import argparse
import sys

from tools.costs.page import (
    PAGE,
    Measurements,
    list_differences,
    load_templates,
    read_table,
    render_tables,
    replace_tables,
)
from tools.costs.scenarios import FURTHER_SCENARIOS, HAPPY, SWEEP, run_scenarios


def measure() -> Measurements:
    """Synthesize all stacks, and run all scenarios."""
    runs = run_scenarios(SWEEP, HAPPY)
    for scenario in FURTHER_SCENARIOS:
        runs |= run_scenarios(scenario)
    return Measurements(load_templates(), runs)


def main() -> int:
    """Check or write the page; return the exit code."""
    parser = argparse.ArgumentParser(prog="tools.costs", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the tables into the page")
    arguments = parser.parse_args()
    tables, page = render_tables(measure()), PAGE.read_text(encoding="utf-8")
    if arguments.write:
        PAGE.write_text(replace_tables(page, tables), encoding="utf-8")
        return 0
    differences = [line for name, table in tables.items() for line in list_differences(read_table(page, name), table)]
    sys.stdout.writelines(f"{line}\n" for line in differences)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
