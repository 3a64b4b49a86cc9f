"""What a terminal shows: lines, tables and questions."""

import sys
from typing import Any

import pytest

from operate.errors import Refusal
from operate.terminal import print_lines, require_consent, wrap_line


@pytest.fixture(autouse=True)
def terminal_of_40(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operate.terminal.is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")


def test_a_line_is_wrapped_between_words_below_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(["Groups:      one and two and three and four and five", "short"])

    assert capsys.readouterr().out.splitlines() == [
        "Groups:      one and two and three and",
        "             four and five",
        "short",
    ]


def test_an_id_longer_than_the_terminal_is_not_broken() -> None:
    arn = "arn:aws:states:us-east-1:123456789012:execution:offboarding:7a1c9f9e"

    assert arn in wrap_line(f"Started:     {arn}").split()


def test_a_pipe_has_the_line_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operate.terminal.is_terminal", lambda: False)
    line = "word " * 50

    assert wrap_line(line) == line


def test_ctrl_c_at_a_question_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyboard:
        def readline(self) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Keyboard())

    with pytest.raises(Refusal, match=r"Nothing was changed\."):
        require_consent("Restore dana?", is_given=False)
