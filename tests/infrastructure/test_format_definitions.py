"""The definitions are laid out by the formatter, which changes their layout and nothing else."""

import json
from pathlib import Path

import pytest

from tests.definitions import DEFINITIONS
from tools import format_definitions
from tools.format_definitions import WIDTH, format_definition

FILES = sorted(DEFINITIONS.glob("*.asl.json"))
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
RULES = """\
{
  "Comment": "C",
  "States": {
    "First": {
      "Type": "Task",
      "Retry": [
        {"ErrorEquals": ["SomethingOrOther0", "SomethingOrOther1", "SomethingOrOther2", "SomethingOrOther3",
                         "SomethingOrOther4", "SomethingOrOther5"],
         "Comment": "A sentence that is longer than what may share its line.",
         "MaxAttempts": 6, "BackoffRate": 1.5},
        {"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}
      ],
      "Arguments": {
        "FunctionName": "An argument that is long enough to fill more than half of the line",
        "Payload": {"One": null, "Two": {}, "Three": "“quoted”, and not escaped"}
      }
    },

    "Second": {"Type": "Succeed"}
  }
}
"""


@every_file
def test_each_definition_is_as_the_formatter_lays_it_out(file: Path) -> None:
    assert file.read_text() == format_definition(file.read_text()), "run: make format"


@every_file
@pytest.mark.parametrize("indent", [None, 0, 7])
def test_the_layout_depends_on_the_content_alone(file: Path, indent: int | None) -> None:
    content = json.loads(file.read_text())
    formatted = format_definition(json.dumps(content, indent=indent))

    assert formatted == file.read_text()
    # The order of members is kept too.
    assert json.dumps(json.loads(formatted)) == json.dumps(content)


@every_file
def test_no_line_is_wider_than_the_width(file: Path) -> None:
    assert [line for line in file.read_text().splitlines() if len(line) > WIDTH] == []


def test_rules_are_set_tightly_and_everything_else_in_blocks() -> None:
    assert format_definition(RULES) == RULES
    assert format_definition(json.dumps(json.loads(RULES))) == RULES


@pytest.mark.parametrize(("width", "lines"), [(WIDTH, 4), (WIDTH + 1, 6)])
def test_a_value_takes_the_whole_width_of_a_line_and_no_more(width: int, lines: int) -> None:
    text = "x" * (width - len('  "M": {"A": ""},'))

    assert len(format_definition(json.dumps({"M": {"A": text}, "N": 1})).splitlines()) == lines


def test_the_program_formats_every_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "flow.asl.json"
    file.write_text(json.dumps(json.loads(RULES)))
    monkeypatch.setattr(format_definitions, "DEFINITIONS", [file])

    format_definitions.main()

    assert file.read_text() == RULES


def test_the_definitions_stay_small_enough_to_be_read() -> None:
    lines = {file.name: len(file.read_text().splitlines()) for file in FILES}
    states = json.loads((DEFINITIONS / "offboarding.asl.json").read_text())["States"]

    assert lines["offboarding.asl.json"] <= 900
    assert sum(lines.values()) <= 1300
    assert len(states) <= 30
