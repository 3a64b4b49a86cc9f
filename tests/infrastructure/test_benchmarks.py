"""The figures of `make bench`: a goal that is missed is printed, and a wrong answer has no figure."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import cold_start
from benchmarks.cold_start import Setup, WrongAnswerError
from benchmarks.figures import limit_figure, make_ratio, publish_figures
from benchmarks.loop import FailedTestError, read_seconds
from benchmarks.recordings import Recording

FUNCTION = (
    "def handler(event, context):\n    return {'Seen': event['Id'], 'Left': context.get_remaining_time_in_millis()}\n"
)


@pytest.fixture
def asset(tmp_path: Path) -> Path:
    """An asset with one function, which makes no call."""
    folder = tmp_path / "asset"
    folder.mkdir()
    (folder / "look.py").write_text(FUNCTION)
    return folder


@pytest.mark.parametrize(("answer", "is_right"), [({"Seen": 1, "Left": 900}, True), ({"Seen": 2, "Left": 900}, False)])
def test_only_the_recorded_answer_has_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asset: Path, answer: dict[str, int], is_right: bool
) -> None:
    setup = Setup(sys.executable, cold_start._compile_runtime(sys.executable, tmp_path))
    monkeypatch.setattr(cold_start, "_ROUNDS", 1)
    monkeypatch.setattr(cold_start, "find_spec", lambda _: None)  # the usual shape is left out
    recording = Recording("look", '{"Id": 1}', json.dumps(answer), {}, 900, ())
    file = cold_start.write_recording(recording, tmp_path)

    if is_right:
        names = [figure.name for figure in cold_start._measure_function(recording, file, setup, setup, {"cold": asset})]
        assert names == ["look: cold", "look: warm"]
    else:
        with pytest.raises(WrongAnswerError, match=r'look answered {"Seen": 1, "Left": 900} after 0 calls'):
            cold_start._measure_function(recording, file, setup, setup, {"cold": asset})


def test_the_median_decides_whether_a_goal_is_met() -> None:
    assert make_ratio("a", [9, 1.304, 1], 1.3).is_met is True, "it is printed as 1.30"
    assert make_ratio("a", [9, 1.306, 1], 1.3).is_met is False
    assert make_ratio("a", [2, 1]).is_met is None
    assert [limit_figure("a", value, "KB", 300).is_met for value in (300, 300.1)] == [True, False]


def test_a_missed_goal_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    publish_figures("Title", [make_ratio("slow", [2.0], 1.3), limit_figure("small", 3, "KB", 4)], file)

    _, _, slow, small = [line.split() for line in capsys.readouterr().out.strip().splitlines()]
    assert (slow[0], slow[1], slow[-1]) == ("slow", "2.00", "NO")
    assert (small[:3], small[-1]) == (["small", "3", "KB"], "yes")
    assert [(figure["name"], figure["is_met"]) for figure in json.loads(file.read_text())] == [
        ("slow", False),
        ("small", True),
    ]


def test_a_report_with_a_test_that_did_not_pass_has_no_times(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    case = '<testcase name="a" time="0.25"/>'
    report.write_text(f"<testsuites><testsuite>{case}{case}</testsuite></testsuites>")
    assert read_seconds(report) == [0.25, 0.25]

    report.write_text(f'<testsuite>{case}<testcase name="b" time="9"><failure message="no"/></testcase></testsuite>')
    with pytest.raises(FailedTestError, match="b: no"):
        read_seconds(report)
