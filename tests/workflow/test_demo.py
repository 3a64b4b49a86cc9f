"""The demo runs the whole scenario, and its exit status is right."""

import contextlib
import io
import json
import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local import __main__ as command
from local.demo import scenario
from local.demo.rows import NOTHING_STARTED, REFUSED, RestoreRow


@pytest.fixture(scope="module", autouse=True)
def disabled_logging_level_is_restored() -> Iterator[None]:
    """The command disables logging in its process, and other tests read the log."""
    level = logging.root.manager.disable
    yield
    logging.disable(level)


@pytest.fixture(scope="module")
def output() -> dict[str, Any]:
    """Run the demo once for all tests that only read its output."""
    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
        status = command.main(["demo", "--json"])
    return {"Status": status, **json.loads(stdout.getvalue())}


@pytest.fixture
def row(output: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """Find the one row with these words in its title."""

    def find(words: str) -> dict[str, Any]:
        [match] = [entry for entry in output["Rows"] if words in entry["Title"]]
        return dict(match)

    return find


def test_every_row_ends_as_expected(output: dict[str, Any]) -> None:
    assert [(entry["Outcome"], entry["Contradictions"]) for entry in output["Rows"]] == [
        (entry["Expected"], []) for entry in output["Rows"]
    ]
    assert output["Status"] == 0


def test_an_ignored_event_is_shown_with_the_reason_that_the_starter_logged(row: Any) -> None:
    assert row("Okta suspends a user")["Log"] == "user.lifecycle.suspend does not mean that somebody left or is back"


def test_the_demo_has_all_these_outcomes(output: dict[str, Any]) -> None:
    assert {entry["Outcome"] for entry in output["Rows"]} == {
        "Planned", "EntityProtected", "CleanupVerified", "Reenabled", "ReenabledAfterRetention", "Restored",
        "EntityNotFound", "Rejected", "ApprovalTimedOut", "ServiceEnded", "20 deregistered, 10 await approval",
        NOTHING_STARTED, REFUSED,
    }  # fmt: skip
    assert all(entry["Timeline"] for entry in output["Rows"] if "ExecutionArn" in entry)


def test_a_plan_lists_the_calls_and_the_removal_date(row: Any) -> None:
    plan = row("a plan")["Output"]["Plan"]

    assert [call["Operation"] for call in plan["WouldCall"]] == ["DeregisterFromWorkMail"]
    assert plan["MailboxIsRemovedAt"] == "2026-12-23T09:00:00.000Z"


def test_a_burst_is_deregistered_up_to_the_cap_and_the_others_wait_and_one_message_is_sent(row: Any) -> None:
    burst = row("30 leavers at once")

    assert burst["Executions"] == 30
    assert len(set(burst["Deregistered"])) == 20
    assert len(set(burst["AwaitedApproval"])) == 10
    assert not set(burst["Deregistered"]) & set(burst["AwaitedApproval"])
    assert burst["Ended"] == {"CleanupVerified": 21, "Rejected": 1, "ApprovalTimedOut": 8}
    assert "20" in burst["ApprovalReasons"][0]
    assert len(burst["Messages"]) == 1


def test_a_decision_is_in_the_record_of_the_offboarding(row: Any) -> None:
    approved, rejected = row("offboarding, approved")["Record"], row("offboarding, rejected")["Record"]

    assert (approved["Decision"]["Decision"], approved["Outcome"]) == ("Approved", "CleanupVerified")
    assert (rejected["Decision"]["Decision"], rejected["Outcome"]) == ("Rejected", "Rejected")
    assert approved["Decision"]["DecidedBy"] == rejected["Decision"]["DecidedBy"] == "it.operator"


def test_an_undecided_approval_times_out_after_14_days(row: Any) -> None:
    timeline = {step["State"]: step["At"] for step in row("not decided")["Timeline"]}

    assert timeline["AwaitApproval"] == "2026-11-25T09:00:00+00:00"
    assert timeline["Failed"] == "2026-12-09T09:00:00+00:00"


def test_the_restore_brings_back_the_state_before_the_offboarding(row: Any) -> None:
    restore = row("a restore, ")

    assert restore["After"] == restore["Before"]
    assert restore["Before"]["State"] == "ENABLED"
    assert restore["Before"]["Aliases"]
    assert restore["Before"]["Groups"] == ["support"]
    assert {member for item in restore["Output"]["PutBack"] for member in item} == {"Alias", "Group"}
    assert restore["Output"]["OffboardingArn"] == row("restored on day 12")["ExecutionArn"]


def test_the_demo_runs_until_the_end_of_workmail(output: dict[str, Any], row: Any) -> None:
    overtaken = row("last working day")

    assert (output["Began"], output["ServiceEndsOn"]) == ("2026-11-23T09:00:00+00:00", "2027-03-31")
    assert overtaken["Timeline"][-1]["At"] == "2027-03-30T00:00:00+00:00"
    assert overtaken["Output"]["RetentionEndsAt"] > output["ServiceEndsOn"]


def test_one_query_lists_who_is_in_the_window_and_until_when(output: dict[str, Any]) -> None:
    window = output["Window"]
    names = {entry["Name"] for entry in window["Entities"]}
    untils = [entry["Until"] for entry in window["Entities"]]

    assert window["Partition"] == "InWindow"
    assert {"dana.leaver", "project-apollo", "room-4.12", "robin.rehired"} < names
    assert not names & {"petra.planned", "it.admin", "lena.lastday"}
    assert sum(name.startswith("leaver.") for name in names) == 21
    assert untils == sorted(untils)
    assert min(untils) > window["At"]


@pytest.mark.long
def test_a_missing_action_is_shown_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = scenario.ScheduledAction.__init__

    def init_without_action(self: Any, day: int, description: str, perform: Any) -> None:
        original(self, day, description, perform if day < 2 else lambda: None)

    monkeypatch.setattr(scenario.ScheduledAction, "__init__", init_without_action)

    assert command.main(["demo"]) == 1
    shown = capsys.readouterr().out
    assert "expected" in shown
    # Without the burst, its three decisions, and the restore with the offboarding that it takes back.
    assert "12 of 19 rows ended as expected." in shown


@pytest.mark.long
def test_a_contradiction_is_shown_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A burst that stays under the cap, and a restore that brings back a different alias."""
    add_restore_row = scenario._add_restore_row

    def add_row_with_another_alias(people: Any) -> RestoreRow:
        row = add_restore_row(people)
        return replace(row, state_before=replace(row.state_before, aliases=("somebody@example.com",)))

    monkeypatch.setattr(scenario, "_add_restore_row", add_row_with_another_alias)
    monkeypatch.setattr(scenario, "_BURST_SIZE", 3)

    assert command.main(["demo", "--json"]) == 1
    unexpected = {
        entry["Title"]: entry
        for entry in json.loads(capsys.readouterr().out)["Rows"]
        if entry["Contradictions"] or entry["Outcome"] != entry["Expected"]
    }
    burst, restored = unexpected["3 leavers at once"], unexpected["a restore, by e-mail address"]
    assert burst["Outcome"] == "3 deregistered, 0 await approval"
    assert any("The outcomes are {'CleanupVerified': 3}" in fault for fault in burst["Contradictions"])
    assert "The notification topic sent 0 mails about the cap, not 1." in burst["Contradictions"]
    assert restored["Outcome"] == "Restored"
    assert restored["Contradictions"] == ["The user's state differs from that before the offboarding."]


def test_a_port_in_use_is_reported(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert command.main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert ": choose PORT=5001 (--port 5001)." in capsys.readouterr().err
