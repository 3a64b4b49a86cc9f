"""The runbook has a section for all that people are told: what it means, what to type, and when it is over."""

import re
from pathlib import Path

import pytest

from offboarding.domain.notifications.alarms import ALARMS
from offboarding.domain.notifications.mails import ADVICE
from tests.definitions import list_outcomes

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()
SECTIONS = dict(re.findall(r"^### (.+)\n((?:(?!^##).*\n?)*)", RUNBOOK, re.M))
MACHINES = ("offboarding", "approval", "restore")
FAILED_OUTCOMES = {
    *(name for machine in MACHINES for name, status in list_outcomes(machine).items() if status == "FAILED"),
    *ADVICE,
}
MAX_LINES = 30
"""A screen."""


@pytest.mark.parametrize("heading", sorted({*FAILED_OUTCOMES, *(text.title for text in ALARMS.values())}))
def test_every_failed_outcome_and_every_alarm_has_a_section_of_one_screen(heading: str) -> None:
    section = SECTIONS[heading]
    meaning, _, rest = section.partition("```sh\n")
    commands, _, ending = rest.partition("```\n")

    assert len(meaning.split()) > 8, "what it means"
    assert re.search(r"^offboarding ", commands, re.M), "what to type"
    assert "Over when: " in ending, "how to know that it is over"
    assert len(section.splitlines()) <= MAX_LINES


def test_the_runbook_has_no_section_of_an_outcome_or_alarm_that_does_not_exist() -> None:
    outcomes = RUNBOOK.partition("\n## Outcomes\n")[2]
    alarms = RUNBOOK.partition("\n## An alarm rang\n")[2].partition("\n## ")[0]

    assert set(re.findall(r"^### (.+)$", outcomes, re.M)) == FAILED_OUTCOMES
    # NotTold is about the mails themselves, so that no mail is about it.
    assert set(re.findall(r"^### (.+)$", alarms, re.M)) == {
        *(text.title for text in ALARMS.values()),
        "Something could not be told",
    }
