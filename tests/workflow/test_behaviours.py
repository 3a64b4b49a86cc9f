"""Whatever WorkMail does where its documentation is silent: every scenario ends alike, or says that it cannot know."""

from collections.abc import Iterator
from itertools import islice

import pytest

from local.workmail import Behaviour
from tests.workflow.behaviours import ANSWERS, COMBINATIONS, Leaf, explored
from tests.workflow.invariants import Watch
from tests.workflow.scenarios import SCENARIOS, Scenario, Stages, stopped

SOME = 2
UNSEEN = "a mailbox that WorkMail does not remove"
"""Where WorkMail gives no sign of a mailbox that it kept, the outcome says verified, and what was not observed."""
NO_SIGNS = {"mailbox_details_of_disabled": "EntityNotFoundException"}


def leaves(scenario: Scenario) -> Iterator[Leaf]:
    """Play a scenario until every combination is covered; nothing that must not happen happens in any."""
    with Stages() as stages:

        def play(behaviour: Behaviour) -> str:
            flow, name = stages.next()
            flow.backend.behaviour = behaviour
            with Watch(flow) as watch:
                outcome = scenario.play(flow, scenario.prepare(flow, name))
                watch.stopped.update(stopped(flow))
                assert watch.violations() == [], behaviour
            return outcome

        yield from explored(play)


def expected(scenario: Scenario, leaf: Leaf) -> str:
    no_sign = NO_SIGNS.items() <= leaf.behaviour.items()
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


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_some_combinations_change_nothing(scenario: Scenario) -> None:
    """The usual answers, and those that differ from them in one switch after the other."""
    for leaf in islice(leaves(scenario), SOME):
        assert leaf.outcome == expected(scenario, leaf), leaf.behaviour


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_combination_changes_anything(scenario: Scenario) -> None:
    covered = 0
    for leaf in leaves(scenario):
        assert leaf.outcome == expected(scenario, leaf), leaf.behaviour
        covered += leaf.combinations
    assert covered == COMBINATIONS
