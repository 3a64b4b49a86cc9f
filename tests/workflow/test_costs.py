"""The page about costs is what the computation gives now: from the template, and from runs of offboardings."""

from collections.abc import Mapping

import pytest

from tools.costs.months import MOST
from tools.costs.page import (
    PAGE,
    Measurements,
    list_differences,
    load_templates,
    read_table,
    render_counts,
    render_scenario,
    render_tables,
)
from tools.costs.scenarios import (
    FURTHER_SCENARIOS,
    HAPPY,
    SWEEP,
    Scenario,
    run_scenarios,
)

HINT = "run: .venv/bin/python -m tools.costs --write"
PAGE_TEXT = PAGE.read_text(encoding="utf-8")
OF_FURTHER_SCENARIOS = {"scenarios", "counts"}
"""The tables with a row for each scenario: make test plays one of them."""


@pytest.fixture(scope="module")
def measurements() -> Measurements:
    return Measurements(load_templates(), run_scenarios(SWEEP, HAPPY))


CALLS = {
    "dynamodb:GetItem": 4,
    "dynamodb:TransactWriteItems": 6,
    "dynamodb:UpdateItem": 3,
    "events:PutEvents": 2,
    "ssm:GetParameter": 3,
    "stepfunctions:DescribeExecution": 1,
    "workmail:DeregisterFromWorkMail": 1,
    "workmail:DescribeOrganization": 1,
    "workmail:DescribeUser": 4,
    "workmail:GetMailboxDetails": 2,
    "workmail:ListAliases": 2,
    "workmail:ListGroups": 1,
    "workmail:ListGroupsForEntity": 1,
    "workmail:ListResources": 1,
    "workmail:ListUsers": 1,
}
"""The calls of an offboarding by name, each with its reason in docs/reference.md; a further one needs a reason too."""


def test_an_offboarding_makes_no_call_more_than_it_did(measurements: Measurements) -> None:
    assert dict(measurements.runs[HAPPY.name].operations) == CALLS


def list_row_differences(table: str, row: tuple[str, ...]) -> list[str]:
    """Compare a row with the row of the same name in a table of the page."""
    [documented] = [line for line in read_table(PAGE_TEXT, table).splitlines() if line.startswith(f"| {row[0]} |")]
    return list_differences(documented, f"| {' | '.join(row)} |")


def list_scenario_differences(name: str, measurements: Measurements) -> list[str]:
    return [
        *list_row_differences("scenarios", render_scenario(name, measurements)),
        *list_row_differences("counts", render_counts(name, measurements)),
    ]


def test_each_table_of_the_cost_page_is_what_the_computation_gives(measurements: Measurements) -> None:
    tables: Mapping[str, str] = render_tables(measurements)

    differences = {
        name: list_differences(read_table(PAGE_TEXT, name), table)
        for name, table in tables.items()
        if name not in OF_FURTHER_SCENARIOS
    }

    assert {name: lines for name, lines in differences.items() if lines} == {}, HINT
    assert list_scenario_differences(HAPPY.name, measurements) == [], HINT


@pytest.mark.long
@pytest.mark.parametrize("scenario", FURTHER_SCENARIOS, ids=lambda scenario: scenario.name)
def test_each_further_kind_of_offboarding_costs_what_the_page_says(
    scenario: Scenario, measurements: Measurements
) -> None:
    runs = {**measurements.runs, **run_scenarios(scenario)}
    extended = Measurements(measurements.templates, runs)

    assert list_scenario_differences(scenario.name, extended) == [], HINT
    assert extended.draw_run_bill(scenario.name, MOST).charged_usd < 1
