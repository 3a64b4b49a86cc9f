"""The words for outcomes, statuses and steps: one for each name of the reference, and of the functions."""

import ast
import re
from pathlib import Path

import pytest

from offboarding.domain.notifications.mails import ADVICE
from offboarding.domain.outcomes import SUCCESSFUL_OUTCOMES
from offboarding.domain.record import MailboxTouched, Status
from operate.wording.outcomes import MAILBOX_TOUCHED, OUTCOMES, find_outcome_wording
from operate.wording.statuses import STATUSES, find_status_wording
from operate.wording.steps import STEPS, describe_step

ROOT = Path(__file__).parents[3]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
ENDS_WITHOUT_AN_OUTCOME = {"Stopped", "TimedOut", "Forgotten"}
STEPS_OF_NO_OFFBOARDING = {"Withdrawn", "Erased", "LastVerificationDay"}


def read_table(header: str) -> list[list[str]]:
    """Return the cells of the table of the reference that has a header."""
    lines = REFERENCE.splitlines()
    rows = []
    for line in lines[lines.index(header) + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def list_step_names() -> set[str]:
    """List the names that the functions write as steps in so many words."""
    names = set()
    for path in (ROOT / "lambdas").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
                step = node.values[keys.index("Step")] if "Step" in keys else None
                if "At" in keys and isinstance(step, ast.Constant):
                    names.add(str(step.value))
    return names


def test_each_outcome_of_the_reference_has_its_words() -> None:
    rows = read_table("| outcome | status | what happened | what to do |")
    outcomes = {outcome.strip("`"): status for outcome, status, *_ in rows}

    assert outcomes.keys() | ENDS_WITHOUT_AN_OUTCOME == OUTCOMES.keys()
    assert {name for name, status in outcomes.items() if status == "failed"} | ENDS_WITHOUT_AN_OUTCOME == {
        name for name, wording in OUTCOMES.items() if wording.is_failure
    }


def test_outcomes_fail_where_the_functions_say_so() -> None:
    failures = {name for name, wording in OUTCOMES.items() if wording.is_failure}

    assert OUTCOMES.keys() - failures == SUCCESSFUL_OUTCOMES
    assert failures == ADVICE.keys()
    assert all(OUTCOMES[name].advice for name in failures)


def test_each_status_has_its_words() -> None:
    [cell] = [row[1] for row in read_table("| member of a record | |") if row[0] == "`Status`"]
    documented = set(re.findall(r"`(\w+)`", cell.partition("([")[0]))

    assert documented == STATUSES.keys() == {*Status}


def test_each_step_of_the_reference_and_of_the_functions_has_its_words() -> None:
    documented = {
        name for row in read_table("| step | when | further members |") for name in re.findall(r"`(\w+)`", row[0])
    }

    assert documented | STEPS_OF_NO_OFFBOARDING == STEPS.keys()
    assert list_step_names() - STEPS.keys() == set()
    assert {"Deregistered", "Ended", "Erased"} <= list_step_names()


def test_the_mailbox_is_touched_or_not() -> None:
    assert MAILBOX_TOUCHED.keys() == {*MailboxTouched}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_without_members_is_described_all_the_same(name: str) -> None:
    assert describe_step({"Step": name}).endswith(".")


def test_names_of_a_later_release_are_shown_as_they_are() -> None:
    assert find_status_wording("Levitating").phrase == "Levitating"
    assert find_outcome_wording("Sublimated").is_failure
    assert describe_step({"Step": "Floated"}).startswith("Floated ")


def test_steps_say_who_and_why() -> None:
    requester = {"Provider": "okta", "EventId": "e-1", "RequestedBy": "it.admin@example.com"}
    started = {"Step": "Started", "Requester": requester, "RequestedBy": "helpdesk", "Reason": "Left on Friday"}
    decided = {"Step": "Decided", "Decision": "Rejected", "DecidedBy": "boss", "Reason": "works here"}
    ended = {"Step": "Ended", "Outcome": "AccessDenied", "Cause": "No permission", "MailboxTouched": "Maybe"}
    restored = {"Step": "Restored", "PutBack": [{}], "Missing": [{"Alias": "d@example.com", "Because": "It is taken."}]}

    assert [describe_step(step) for step in (started, decided, ended, restored)] == [
        "The execution started. The identity provider okta reported the leaver, event e-1, by it.admin@example.com. "
        "Requested by helpdesk. Reason: Left on Friday.",
        "boss rejected it. Reason: works here.",
        "The execution ended as AccessDenied. No permission. The mailbox may have been disabled.",
        "The restore was completed. Aliases and groups that it put back: 1. "
        "These are missing: d@example.com It is taken.",
    ]
