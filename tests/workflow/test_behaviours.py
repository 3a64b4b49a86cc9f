"""Every scenario has the same outcome whatever WorkMail does where its documentation is silent, or states its doubt."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import cycle
from typing import Any

import pytest

from local.workmail import Behaviour
from tests.workflow.behaviours import ANSWERS, COMBINATIONS, explore_combinations
from tests.workflow.invariants import Monitor
from tests.workflow.scenarios import SCENARIOS, Scenario, Stages, list_stopped

KEPT_MAILBOX = "a mailbox that WorkMail does not remove"
"""If WorkMail shows no sign of a mailbox that it kept, the outcome is verified and names what was not observed."""
NO_SIGN_OF_MAILBOX = {"mailbox_details_of_disabled": "EntityNotFoundException"}


EXPORTED_FIRST = frozenset(
    {
        "a mailbox that is exported first", "an export of hours", "an export by hand that is taken up",
        "an export that somebody cancels",
    }
)  # fmt: skip
"""Without an archive that WorkMail makes these have another outcome, because an archive is required."""


def play_scenario(stages: Stages, scenario: Scenario, behaviour: Behaviour) -> str:
    """Play a scenario in one combination, check the invariants, and return the outcome."""
    flow, name = stages.next()
    default, flow.backend.behaviour = flow.backend.behaviour, behaviour
    try:
        with Monitor(flow) as monitor:
            outcome = scenario.play(flow, scenario.prepare(flow, name))
            monitor.stopped.update(list_stopped(flow))
            assert monitor.find_final_violations() == [], behaviour
    finally:
        flow.backend.behaviour = default
    return outcome


def expected_outcome(scenario: Scenario, answers: Mapping[str, Any]) -> str:
    if scenario.name in EXPORTED_FIRST and answers.get("export_result", "archive") != "archive":
        return "ExportFailed"
    has_no_sign = NO_SIGN_OF_MAILBOX.items() <= answers.items()
    if scenario.name == KEPT_MAILBOX and has_no_sign:
        return "CleanupVerified"
    return scenario.outcome


def test_unread_switches_are_not_varied_and_every_combination_counts_once() -> None:
    def play(behaviour: Behaviour) -> str:
        if behaviour.email_of_disabled == "absent":
            return behaviour.mailbox_deprovisioned_date
        return "present"

    leaves = list(explore_combinations(play))

    assert sorted(leaf.outcome for leaf in leaves) == sorted(["present", *ANSWERS["mailbox_deprovisioned_date"]])
    assert sum(leaf.combinations for leaf in leaves) == COMBINATIONS == 1_179_648


@pytest.fixture(scope="module")
def stages() -> Iterator[Stages]:
    with Stages() as opened:
        yield opened


@pytest.mark.parametrize(("scenario", "position"), list(zip(SCENARIOS[::7], cycle([1, -1]), strict=False)), ids=str)
def test_a_behaviour_that_differs_in_every_switch_changes_no_outcome(
    stages: Stages, scenario: Scenario, position: int
) -> None:
    """One in seven scenarios, with every switch at the first or the last of its other answers."""
    answers = {name: choices[position] for name, choices in ANSWERS.items()}
    assert play_scenario(stages, scenario, Behaviour(**answers)) == expected_outcome(scenario, answers)


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_no_combination_changes_an_outcome(stages: Stages, scenario: Scenario) -> None:
    covered = 0
    for leaf in explore_combinations(partial(play_scenario, stages, scenario)):
        assert leaf.outcome == expected_outcome(scenario, leaf.behaviour), leaf.behaviour
        covered += leaf.combinations
    assert covered == COMBINATIONS
