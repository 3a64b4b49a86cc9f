"""The demo tells the whole story, and its exit status can be believed."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from local import __main__ as command
from local import demo


def test_every_offboarding_of_the_story_ends_as_expected(capsys: pytest.CaptureFixture[str]) -> None:
    status = command.main(["demo", "--json"])

    told = json.loads(capsys.readouterr().out)["Executions"]
    assert status == 0
    assert [entry["Outcome"] for entry in told] == [entry["Expected"] for entry in told]
    assert {entry["Outcome"] for entry in told} == {
        "CleanupVerified", "Reenabled", "EntityNotFound", demo.NOTHING_STARTED, demo.REFUSED,
    }  # fmt: skip
    assert all(entry["Timeline"] for entry in told if "ExecutionArn" in entry)


def test_an_outcome_that_is_not_the_expected_one_is_shown_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = demo.Happening.__init__

    def forgets(self: Any, day: int, says: str, does: Any) -> None:
        real(self, day, says, lambda: None)

    monkeypatch.setattr(demo.Happening, "__init__", forgets)

    assert command.main(["demo"]) == 1
    shown = capsys.readouterr().out
    assert "expected" in shown
    assert "9 of 10 executions ended as expected." in shown


def test_a_port_that_is_taken_is_said_so(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert command.main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "Choose another: --port" in capsys.readouterr().err
