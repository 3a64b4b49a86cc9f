"""What people have typed does not steer the terminal on which it is printed."""

from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from operate.doctor.command import _print_finding
from operate.doctor.findings import Check, wrong
from operate.errors import Refusal
from operate.options import exit_with, report
from operate.terminal import one_line, print_facts, print_lines, print_section, require_consent

TEXT = "a\x1b[2J\x9b31m\u202eb\rc"
PRINTED = "a [2J 31m b c"


def ask() -> None:
    with pytest.raises(Refusal):
        require_consent(TEXT, is_given=False)


def end() -> None:
    with pytest.raises(SystemExit):
        exit_with(f"{TEXT}\n{TEXT}")


@pytest.mark.parametrize(
    "print_text",
    [
        lambda: print_lines([TEXT]),
        lambda: print_lines([TEXT], is_error=True),
        lambda: print_section("Title", [TEXT]),
        lambda: print_facts("Title", [("Name", TEXT)]),
        lambda: report(TEXT),
        lambda: _print_finding(Check("subject", lambda _: ()), wrong(TEXT, TEXT)),
        ask,
        end,
    ],
    ids=["lines", "errors", "section", "facts", "progress", "finding", "question", "refusal"],
)
def test_a_text_has_no_control_character_on_a_terminal(print_text: Callable[[], None]) -> None:
    # Without colours click takes most sequences out by itself, as it does in a pipe.
    @click.command()
    def command() -> None:
        print_text()

    output = CliRunner().invoke(command, input="n\n", color=True).output

    assert PRINTED in output
    # The label of a finding is coloured.
    assert not {"\x9b", "\u202e", "\r"} & {*output}
    assert "\x1b[2J" not in output


def test_one_line_has_single_spaces() -> None:
    assert one_line(f" {TEXT}\n\n d ") == f"{PRINTED} d"
