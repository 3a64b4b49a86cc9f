"""The page `fault_matrix.md` is complete, and every row has the outcome that it states, which has a name."""

import zlib

import pytest

from tests.definitions import list_outcomes
from tests.workflow.fault_matrix import (
    PAGE,
    RULED_OUT_ERRORS,
    Row,
    RowResult,
    parse_page,
    plan_rows,
    play_row,
    play_rows,
)
from tests.workflow.scenarios import SCENARIOS, Scenario, Stages

MATRIX = parse_page(PAGE.read_text())
PLAY_ONE_IN = 2000
"""`make test` plays one row in so many; `make test-long` plays all rows."""
ALWAYS_PLAYED = {
    ("DeregisterEntity", "lambda:Invoke", "after it Runtime.ExitError once"),
    ("DeregisterEntity", "ssm:GetParameter", "AccessDeniedException always"),
    ("DeregisterEntity", "dynamodb:TransactWriteItems", "after it Timeout twice"),
    ("DeregisterEntity", "workmail:DeregisterFromWorkMail", "after it Timeout once"),
    ("DeregisterEntity", "workmail:DeregisterFromWorkMail", "EmptyAnswer always"),
    ("DeregisterEntity", "workmail:DeregisterFromWorkMail", "EntityStateException always"),
    ("VerifyCleanup", "workmail:DescribeUser", "EntityNotFoundException always"),
}
"""Rows of the first scenario that `make test` plays as well: they surround the call that cannot be undone forever."""


def row_key(row: Row) -> tuple[str, str, str]:
    return row.function, row.call, row.case


def test_every_row_has_a_named_outcome() -> None:
    names = {outcome for machine in ("offboarding", "approval", "restore") for outcome in list_outcomes(machine)}
    # The record states a stop by hand; an event that starts no execution becomes a dead letter.
    named = names | {"Stopped", "Forgotten", "dead letter", "told"}
    # A record that could not be closed: its message remains in the dead-letter queue.
    open_record = "open, dead letter"

    unnamed = {
        (name, *cell): outcome
        for name, cells in MATRIX.items()
        for cell, outcome in cells.items()
        if (outcome != open_record and not set(outcome.split(", ")) <= named)
        or ("UnexpectedFailure" in outcome and cell[2].split()[0] not in RULED_OUT_ERRORS)
    }
    assert unnamed == {}
    assert sum(len(cells) for cells in MATRIX.values()) > 5000


def is_drawn(name: str, key: tuple[str, str, str]) -> bool:
    return zlib.crc32("/".join((name, *key)).encode()) % PLAY_ONE_IN == 0


@pytest.mark.long
def test_the_page_has_a_row_for_every_fault_of_every_call_of_every_scenario() -> None:
    assert {name: set(cells) for name, cells in MATRIX.items()} == {
        name: {row_key(row) for row in rows} for name, rows in plan_rows().items()
    }


def test_the_page_has_every_row_of_the_first_scenario_and_some_end_as_it_says() -> None:
    first_scenario = SCENARIOS[0]
    drawn = {s.name: {key for key in MATRIX[s.name] if is_drawn(s.name, key)} for s in SCENARIOS}
    drawn[first_scenario.name] |= ALWAYS_PLAYED
    scenarios = tuple(scenario for scenario in SCENARIOS if drawn[scenario.name])
    rows = plan_rows(scenarios)
    assert {row_key(row) for row in rows[first_scenario.name]} == set(MATRIX[first_scenario.name])
    differences = []
    with Stages() as stages:
        for scenario in scenarios:
            for row in (row for row in rows[scenario.name] if row_key(row) in drawn[scenario.name]):
                result = play_row(*stages.next(), scenario, row)
                if result != RowResult(MATRIX[scenario.name][row_key(row)]):
                    differences.append((scenario.name, row_key(row), result))
    assert differences == []


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_row_has_the_outcome_of_the_page(scenario: Scenario) -> None:
    outcomes, violations = play_rows(scenario)

    assert violations == []
    assert outcomes == MATRIX[scenario.name]
