"""Whatever WorkMail does where its documentation is silent: every scenario ends alike, or says that it cannot know."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import cycle
from typing import Any

import pytest

from local.workmail import Behaviour
from tests.workflow.behaviours import ANSWERS, COMBINATIONS, explored
from tests.workflow.invariants import Watch
from tests.workflow.scenarios import SCENARIOS, Scenario, Stages, stopped

UNSEEN = "a mailbox that WorkMail does not remove"
"""Where WorkMail gives no sign of a mailbox that it kept, the outcome says verified, and what was not observed."""
NO_SIGNS = {"mailbox_details_of_disabled": "EntityNotFoundException"}


def played(stages: Stages, scenario: Scenario, behaviour: Behaviour) -> str:
    """Play a scenario in one combination; nothing that must not happen happens."""
    flow, name = stages.next()
    usual, flow.backend.behaviour = flow.backend.behaviour, behaviour
    try:
        with Watch(flow) as watch:
            outcome = scenario.play(flow, scenario.prepare(flow, name))
            watch.stopped.update(stopped(flow))
            assert watch.violations() == [], behaviour
    finally:
        flow.backend.behaviour = usual
    return outcome


def expected(scenario: Scenario, answers: Mapping[str, Any]) -> str:
    no_sign = NO_SIGNS.items() <= answers.items()
    if scenario.name == UNSEEN and no_sign:
        return "CleanupVerified"
    return scenario.outcome


def test_switches_that_nobody_asks_for_are_not_played_and_every_combination_counts_once() -> None:
    def play(behaviour: Behaviour) -> str:
        if behaviour.email_of_disabled == "absent":
            return behaviour.mailbox_deprovisioned_date
        return "present"

    found = list(explored(play))

    assert sorted(leaf.outcome for leaf in found) == sorted(["present", *ANSWERS["mailbox_deprovisioned_date"]])
    assert sum(leaf.combinations for leaf in found) == COMBINATIONS == 1024


@pytest.fixture(scope="module")
def stages() -> Iterator[Stages]:
    with Stages() as opened:
        yield opened


@pytest.mark.parametrize(("scenario", "which"), list(zip(SCENARIOS[::5], cycle([1, -1]), strict=False)), ids=str)
def test_nothing_is_as_usual_and_nothing_changes(stages: Stages, scenario: Scenario, which: int) -> None:
    """A fifth of the scenarios, every switch otherwise than usual: with the first or the last of its other answers."""
    answers = {name: known[which] for name, known in ANSWERS.items()}
    assert played(stages, scenario, Behaviour(**answers)) == expected(scenario, answers)


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_no_combination_changes_anything(stages: Stages, scenario: Scenario) -> None:
    covered = 0
    for leaf in explored(partial(played, stages, scenario)):
        assert leaf.outcome == expected(scenario, leaf.behaviour), leaf.behaviour
        covered += leaf.combinations
    assert covered == COMBINATIONS
