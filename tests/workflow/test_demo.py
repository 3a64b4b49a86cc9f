"""The demo shows every outcome, and its exit status is right."""

import contextlib
import io
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local import __main__ as command
from local import demo
from local.settings import ORGANIZATION_ID


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """Run the demo once for all tests that only read its report."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        status = command.main(["demo", "--json"])
    return {"Status": status, **json.loads(output.getvalue())}


@pytest.fixture
def row(report: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """A function that finds the row whose title contains some words."""

    def find_row(words: str) -> dict[str, Any]:
        [match] = [entry for entry in report["Rows"] if words in entry["Title"]]
        return dict(match)

    return find_row


def test_every_row_of_the_demo_ends_as_expected(report: dict[str, Any]) -> None:
    assert [(entry["Outcome"], entry["Faults"]) for entry in report["Rows"]] == [
        (entry["Expected"], []) for entry in report["Rows"]
    ]
    assert report["Status"] == 0


def test_the_demo_shows_all_these_outcomes(report: dict[str, Any]) -> None:
    assert {entry["Outcome"] for entry in report["Rows"]} == {
        "Planned", "EntityProtected", "CleanupVerified", "Reenabled", "Restored", "EntityNotFound",
        "Rejected", "ApprovalTimedOut", "ServiceEnded", "20 deregistered, 10 await approval",
        demo.NOTHING_STARTED, demo.REFUSED,
    }  # fmt: skip
    assert all(entry["Timeline"] for entry in report["Rows"] if "ExecutionArn" in entry)


def test_a_plan_states_the_call_and_when_the_mailbox_would_be_removed(row: Any) -> None:
    plan = row("a plan")["Output"]["Plan"]

    assert [call["Operation"] for call in plan["WouldCall"]] == ["DeregisterFromWorkMail"]
    assert plan["MailboxIsRemovedAt"] == "2026-12-23T09:00:00.000Z"


def test_a_burst_above_the_cap_awaits_approval_and_sends_one_message(row: Any) -> None:
    burst = row("30 leavers at once")

    assert burst["Executions"] == 30
    assert len(set(burst["Deregistered"])) == 20
    assert len(set(burst["AwaitedApproval"])) == 10
    assert not set(burst["Deregistered"]) & set(burst["AwaitedApproval"])
    assert burst["Ended"] == {"CleanupVerified": 21, "Rejected": 1, "ApprovalTimedOut": 8}
    assert "20" in burst["ApprovalReasons"][0]
    assert len(burst["Messages"]) == 1


def test_the_record_of_the_offboarding_has_the_decision(row: Any) -> None:
    approved, rejected = row("wait, approved")["Record"], row("wait, rejected")["Record"]

    assert (approved["Decision"]["Decision"], approved["Outcome"]) == ("Approved", "CleanupVerified")
    assert (rejected["Decision"]["Decision"], rejected["Outcome"]) == ("Rejected", "Rejected")
    assert approved["Decision"]["DecidedBy"] == rejected["Decision"]["DecidedBy"] == "it.operator"


def test_an_approval_without_a_decision_times_out_after_14_days(row: Any) -> None:
    timeline = {step["State"]: step["At"] for step in row("nobody decides")["Timeline"]}

    assert timeline["AwaitApproval"] == "2026-11-25T09:00:00+00:00"
    assert timeline["Failed"] == "2026-12-09T09:00:00+00:00"


def test_a_restored_user_is_the_same_as_before_the_offboarding(row: Any) -> None:
    restore = row("a restore")

    assert restore["After"] == restore["Before"]
    assert restore["Before"]["State"] == "ENABLED"
    assert restore["Before"]["Aliases"]
    assert restore["Before"]["Groups"] == ["support"]
    assert {member for item in restore["Output"]["PutBack"] for member in item} == {"Alias", "Group"}
    assert restore["Output"]["OffboardingArn"] == row("restored on day 12")["ExecutionArn"]


def test_the_demo_continues_until_the_end_of_workmail(report: dict[str, Any], row: Any) -> None:
    overtaken = row("last working day")

    assert (report["Began"], report["ServiceEndsOn"]) == ("2026-11-23T09:00:00+00:00", "2027-03-31")
    assert overtaken["Timeline"][-1]["At"] == "2027-03-30T00:00:00+00:00"
    assert overtaken["Output"]["RetentionEndsAt"] > report["ServiceEndsOn"]


def test_one_query_lists_the_entities_in_the_window_and_its_ends(report: dict[str, Any]) -> None:
    window = report["Window"]
    names = {entry["Name"] for entry in window["Entities"]}
    untils = [entry["Until"] for entry in window["Entities"]]

    assert window["Partition"] == f"InWindow {ORGANIZATION_ID}"
    assert {"dana.leaver", "project-apollo", "room-4.12", "robin.rehired"} < names
    assert not names & {"petra.planned", "it.admin", "lena.lastday"}
    assert sum(name.startswith("leaver.") for name in names) == 21
    assert untils == sorted(untils)
    assert min(untils) > window["At"]


@pytest.mark.long
def test_an_action_that_does_not_happen_is_shown_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = demo.Happening.__init__

    def forgets(self: Any, day: int, says: str, does: Any) -> None:
        real(self, day, says, does if day < 2 else lambda: None)

    monkeypatch.setattr(demo.Happening, "__init__", forgets)

    assert command.main(["demo"]) == 1
    shown = capsys.readouterr().out
    assert "expected" in shown
    # Without the burst, its three decisions, and the restore with the offboarding that it takes back.
    assert "12 of 18 rows ended as expected." in shown


@pytest.mark.long
def test_a_result_that_contradicts_the_scenario_is_shown_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Play a burst below the cap, and a restore that brings back another alias than before."""
    restore = demo._restore

    def with_another_alias(people: Any) -> demo.Restore:
        made = restore(people)
        return replace(made, before=replace(made.before, aliases=("somebody@example.com",)))

    monkeypatch.setattr(demo, "_restore", with_another_alias)
    monkeypatch.setattr(demo, "_LEAVERS", 3)

    assert command.main(["demo", "--json"]) == 1
    failed_rows = {
        entry["Title"]: entry
        for entry in json.loads(capsys.readouterr().out)["Rows"]
        if entry["Faults"] or entry["Outcome"] != entry["Expected"]
    }
    burst, restored = failed_rows["3 leavers at once"], failed_rows["a restore, by the address of whom is hired again"]
    assert burst["Outcome"] == "3 deregistered, 0 await approval"
    assert any("They ended as {'CleanupVerified': 3}" in fault for fault in burst["Faults"])
    assert "The approval topic sent 0 messages, not 1." in burst["Faults"]
    assert restored["Outcome"] == "Restored"
    assert restored["Faults"] == ["The user does not stand as before the offboarding."]


def test_a_port_in_use_is_reported(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert command.main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "Choose another: --port" in capsys.readouterr().err
