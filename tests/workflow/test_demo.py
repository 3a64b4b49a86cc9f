"""The demo runs the whole scenario, and its exit status is right."""

import contextlib
import io
import json
import logging
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from local.__main__ import main
from local.aws.functions import process_state
from local.demo import cast, command, scenario
from local.demo.progress import NOTHING_STARTED, REFUSED
from local.demo.rows import RestoreRow
from local.demo.scenario import DemoScenario

STORY = Path(__file__).parent / "demo_story.txt"


@pytest.fixture(scope="module", autouse=True)
def disabled_logging_level_is_restored() -> Iterator[None]:
    """The command disables logging in its process, and other tests read the log."""
    level = logging.root.manager.disable
    yield
    logging.disable(level)


class RecordedScenario(DemoScenario):
    """Keeps what the command reads of it, to show that again without another run."""

    instances: ClassVar[list[Any]] = []

    def to_json(self) -> dict[str, Any]:
        self.instances.append(
            SimpleNamespace(
                service_ends_on=self.service_ends_on,
                retention_days=self.retention_days,
                largest_window=self.largest_window,
                lines=self._narrator.lines,
                results=self.read_results(),
                summaries=self.summarize_outcomes(),
                selected={words: self.select_results(words) for words in ("", "Robin", "withdrawn", "leaver.07")},
            )
        )
        return super().to_json()


@pytest.fixture(scope="module")
def output() -> Iterator[dict[str, Any]]:
    """Run the demo once for all tests that only read what happened."""
    stdout = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(stdout):
        patch.setattr(command, "DemoScenario", RecordedScenario)
        status = main(["demo", "--json"])
    yield {"Status": status, **json.loads(stdout.getvalue())}
    RecordedScenario.instances.clear()


@pytest.fixture
def show(output: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Show the run again as the command does, on a stream of its own."""
    [record] = RecordedScenario.instances

    def run_command(*arguments: str, columns: int = 80, encoding: str = "utf-8", **variables: str) -> str:
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        for name, value in {"COLUMNS": str(columns), **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(command, "assembly", lambda _: None)
        monkeypatch.setattr(command.Environment, "deploy", lambda *_: None)
        replayed = SimpleNamespace(
            **{name: getattr(record, name) for name in ("service_ends_on", "retention_days", "largest_window")},
            run=lambda: iter(record.lines),
            read_results=lambda: record.results,
            summarize_outcomes=lambda: record.summaries,
            select_results=record.selected.__getitem__,
        )
        monkeypatch.setattr(command, "DemoScenario", lambda _: replayed)
        with contextlib.redirect_stdout(stream):
            assert main(["demo", *arguments]) == 0
        stream.flush()
        return stream.buffer.getvalue().decode(encoding)

    return run_command


@pytest.fixture
def story(output: dict[str, Any]) -> list[str]:
    """Return each line of the story as a text."""
    lines = (f"day {line['Day']}: {line['Action']} → {line['Result']}" for line in output["Story"])
    # Which leavers of the burst wait depends on the order in which Step Functions runs them.
    return [re.sub(r"leaver\.\d\d", "leaver.NN", line) for line in lines]


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
        "EntityNotFound", "Rejected", "Withdrawn", "ApprovalTimedOut", "ServiceEnded",
        "ENABLED", "1 mail, 1 restore", "20 deregistered, 10 await approval",
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
    assert burst["Ended"] == {"CleanupVerified": 21, "Rejected": 1, "Withdrawn": 1, "ApprovalTimedOut": 7}
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


def test_the_story_has_one_line_for_each_thing_that_happens(output: dict[str, Any], story: list[str]) -> None:
    assert story == STORY.read_text().splitlines()
    assert [line["At"] for line in output["Story"]] == sorted(line["At"] for line in output["Story"])


def test_the_numbers_of_the_story_are_those_of_the_results(output: dict[str, Any], row: Any) -> None:
    burst = row("30 leavers at once")
    numbers = f"{len(burst['Deregistered'])} disabled, {len(burst['AwaitedApproval'])} wait for an approval"
    [burst_line] = [line for line in output["Story"] if "leavers at once" in line["Action"]]
    verified = [line for line in output["Story"] if "CleanupVerified" in line["Result"]]
    outcomes = {entry["Outcome"]: entry["Count"] for entry in output["Outcomes"]}

    assert burst_line["Result"].startswith(numbers)
    assert sum(len(line["Entities"]) for line in verified) == outcomes["CleanupVerified"]
    assert outcomes["ApprovalTimedOut"] == burst["Ended"]["ApprovalTimedOut"]
    assert outcomes["Rejected"] == burst["Ended"]["Rejected"] + 1


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_longer_than_the_terminal_and_rows_below_are_indented(show: Any, columns: int) -> None:
    lines = show(columns=columns).splitlines()
    story = lines[lines.index("") + 1 : lines.index("", lines.index("") + 1)]

    assert max(map(len, lines)) <= columns
    assert max(map(len, lines)) > columns - 10
    assert all(re.match(r"day date|[ \d]{3} [ \d]\d [A-Z][a-z]{2}  \S| {12}\S| {14}\S", line) for line in story)
    assert len(story) > len(STORY.read_text().splitlines())


def test_the_outcomes_and_the_next_steps_fit_one_screen_of_a_terminal(show: Any) -> None:
    screen = show().splitlines()[-24:]

    assert any(line.startswith("ended as") for line in screen)
    assert not any("…" in line for line in screen)
    assert screen[-4:] == [
        "24 of 24 checks ended as expected.",
        "Try it yourself: make serve, then open http://127.0.0.1:5000/",
        "See the proof:   make demo EVIDENCE=robin",
        "Deploy it:       README.md, Deploy in five steps",
    ]


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_piped_output_has_no_escape_code(show: Any, variables: dict[str, str]) -> None:
    assert "\x1b" not in show("--evidence", "leaver.07", **variables)


class Terminal(io.StringIO):
    """A terminal that keeps what is printed."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_status_is_not_printed_again_while_a_function_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A running function has the process's output wrapped, in which Rich would not recognize itself."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", terminal)
    console = command._open_console(terminal)

    with command._show_status(console, "Moving the clock"):
        monkeypatch.setattr("sys.stdout", process_state._ThreadStream(sys.stdout))
        time.sleep(0.3)

    assert "Moving the clock" in terminal.getvalue()
    assert terminal.getvalue().count("\n") <= 1


def test_an_encoding_without_arrows_gets_ascii(show: Any) -> None:
    shown = show("--evidence", "Robin", encoding="ascii")

    assert "-> 20 disabled, 10 wait for an approval (cap 20), 1 mail" in shown
    assert "\n  2 25 Nov  Okta reports 30 leavers at once" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("Robin", ["restored on day 12", "a leaver is back", "a restore, by e-mail address"]),
        ("withdrawn", ["30 leavers at once", "taken back"]),
        ("leaver.07", ["30 leavers at once"]),
    ],
)
def test_evidence_is_printed_of_what_has_the_name(show: Any, words: str, titles: list[str]) -> None:
    panels = [line for line in show("--evidence", words, columns=120).splitlines() if line.startswith("╭")]

    assert len(panels) == len(titles)
    assert all(title in panel for title, panel in zip(titles, panels, strict=True))


def test_all_evidence_begins_with_who_is_in_the_window(show: Any, output: dict[str, Any]) -> None:
    panels = [line for line in show("--evidence").splitlines() if line.startswith("╭")]

    assert "in the window at" in panels[0]
    assert len(panels) == 1 + len(output["Rows"])
    assert not [line for line in show().splitlines() if line.startswith("╭")]


def test_a_name_that_nothing_has_is_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "assembly", lambda _: pytest.fail("The demo ran."))

    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--evidence", "zoe"])

    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert "nothing is about 'zoe'. Choose an entity (petra.planned, " in message
    assert "robin.rehired" in message


def test_evidence_and_json_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["demo", "--json", "--evidence"])

    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.long
def test_a_missing_action_is_shown_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = scenario.ScheduledAction.__init__

    def init_without_action(self: Any, day: int, rows: Any, perform: Any) -> None:
        original(self, day, rows, perform if day < 2 else lambda: None)

    monkeypatch.setattr(scenario.ScheduledAction, "__init__", init_without_action)

    assert main(["demo"]) == 1
    shown = capsys.readouterr().out
    assert "0 leavers at once" in shown
    assert "! a restore, by e-mail address: ended as nothing started, expected Restored." in shown


@pytest.mark.long
def test_a_contradiction_is_shown_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another cap than the demo expects, and a restore that brings back a different alias."""
    add_restore_row = cast._add_restore_row

    def add_row_with_another_alias(people: Any) -> RestoreRow:
        row = add_restore_row(people)
        return replace(row, state_before=replace(row.state_before, aliases=("somebody@example.com",)))

    monkeypatch.setattr(cast, "_add_restore_row", add_row_with_another_alias)
    monkeypatch.setattr(command, "_SETTINGS", {**command._SETTINGS, "dailyCap": 12})

    assert main(["demo", "--json"]) == 1
    output = json.loads(capsys.readouterr().out)
    unexpected = {
        entry["Title"]: entry
        for entry in output["Rows"]
        if entry["Contradictions"] or entry["Outcome"] != entry["Expected"]
    }
    burst, restored = unexpected["30 leavers at once"], unexpected["a restore, by e-mail address"]
    assert "12 deregistered, 18 wait for an approval (cap 12), 1 mail" in [line["Result"] for line in output["Story"]]
    assert burst["Outcome"] == "12 deregistered, 18 await approval"
    assert any("'ApprovalTimedOut': 15" in fault for fault in burst["Contradictions"])
    assert restored["Outcome"] == "Restored"
    assert restored["Contradictions"] == ["The user's state differs from that before the offboarding."]


def test_a_port_in_use_is_reported(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert ": choose PORT=5001 (--port 5001)." in capsys.readouterr().err
