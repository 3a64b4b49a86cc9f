"""`docs/fault-matrix.md` is complete, ends nowhere without a name, and is so."""

import zlib

import pytest

from tests.definitions import outcomes
from tests.workflow.fault_matrix import (
    NO_ANSWERS_OF_WORKMAIL,
    PAGE,
    Ending,
    Row,
    disturbed,
    planned,
    play,
    read_page,
)
from tests.workflow.scenarios import SCENARIOS, Scenario, Stages

MATRIX = read_page(PAGE.read_text())
ONE_IN = 640
"""Of so many rows `make test` plays one; `make test-long` plays all."""
ALWAYS = {
    ("DeregisterEntity", "runs", "after it Runtime.ExitError once"),
    ("DeregisterEntity", "ssm:GetParameter", "AccessDeniedException always"),
    ("DeregisterEntity", "dynamodb:UpdateItem (2)", "after it Timeout twice"),
    ("DeregisterEntity", "workmail:DeregisterFromWorkMail", "after it Timeout once"),
    ("DeregisterEntity", "workmail:DeregisterFromWorkMail", "EmptyAnswer always"),
    ("DeregisterEntity", "workmail:DeregisterFromWorkMail", "EntityStateException always"),
    ("VerifyCleanup", "workmail:DescribeUser", "EntityNotFoundException always"),
}
"""And these of the first scenario, around the one call that cannot be undone forever."""


def key(row: Row) -> tuple[str, str, str]:
    return row.function, row.call, row.case


def test_the_page_has_every_fault_of_every_call_of_every_scenario() -> None:
    assert {name: set(cells) for name, cells in MATRIX.items()} == {
        name: {key(row) for row in rows} for name, rows in planned().items()
    }


def test_no_row_ends_without_a_name() -> None:
    ends = {outcome for machine in ("offboarding", "approval", "restore") for outcome in outcomes(machine)}
    # A stop by hand is written into the record, if Step Functions still knows it; an event that starts nothing is put
    # aside.
    named = ends | {"Stopped", "Forgotten", "dead letter"}
    # A record that could not be closed: the message that says so is what is left of it.
    put_aside = "open, dead letter"

    unnamed = {
        (name, *cell): outcome
        for name, cells in MATRIX.items()
        for cell, outcome in cells.items()
        if (outcome != put_aside and not set(outcome.split(", ")) <= named)
        or ("UnexpectedFailure" in outcome and cell[2].split()[0] not in NO_ANSWERS_OF_WORKMAIL)
    }
    assert unnamed == {}
    assert sum(len(cells) for cells in MATRIX.values()) > 5000


def test_some_rows_end_as_the_page_says() -> None:
    different, first = [], SCENARIOS[0]
    assert {key(row) for row in planned()[first.name]} >= ALWAYS
    with Stages() as stages:
        for scenario in SCENARIOS:
            for row in planned()[scenario.name]:
                drawn = zlib.crc32("/".join((scenario.name, *key(row))).encode()) % ONE_IN == 0
                if drawn or (scenario is first and key(row) in ALWAYS):
                    ending = disturbed(*stages.next(), scenario, row)
                    if ending != Ending(MATRIX[scenario.name][key(row)]):
                        different.append((scenario.name, key(row), ending))
    assert different == []


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_row_ends_as_the_page_says(scenario: Scenario) -> None:
    outcomes, wrong = play(scenario)

    assert wrong == []
    assert outcomes == MATRIX[scenario.name]
