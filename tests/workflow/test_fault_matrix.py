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
PLAY_ONE_IN = 900
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


def test_the_page_has_a_row_for_every_fault_of_every_call_and_some_end_as_it_says() -> None:
    # One test, because the calls of all scenarios are recorded for it, which takes long.
    assert {name: set(cells) for name, cells in MATRIX.items()} == {
        name: {row_key(row) for row in rows} for name, rows in plan_rows().items()
    }
    differences, first_scenario = [], SCENARIOS[0]
    assert {row_key(row) for row in plan_rows()[first_scenario.name]} >= ALWAYS_PLAYED
    with Stages() as stages:
        for scenario in SCENARIOS:
            for row in plan_rows()[scenario.name]:
                is_drawn = zlib.crc32("/".join((scenario.name, *row_key(row))).encode()) % PLAY_ONE_IN == 0
                if is_drawn or (scenario is first_scenario and row_key(row) in ALWAYS_PLAYED):
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
