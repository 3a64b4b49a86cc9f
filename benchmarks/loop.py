"""Measures the developer's loop: the time of a workflow test in a process that has run some already."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

from benchmarks.figures import Figure, publish_figures

_FILE = "tests/workflow/test_outcomes.py"
_WARM_UP = 5
"""As many tests at the beginning load what the later ones have."""
_LIMIT_SECONDS = 0.3


class FailedTestError(RuntimeError):
    """A test did not pass: its time says nothing."""


def read_seconds(report: Path) -> list[float]:
    """Return how long each test of a JUnit report took, in their order.

    Raises
    ------
    FailedTestError
        If one did not pass.
    """
    cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314 (pytest has just written it)
    seconds = []
    for case in cases:
        if len(case):
            raise FailedTestError(f"{case.get('name')}: {case[0].get('message')}")
        seconds.append(float(case.get("time", "nan")))
    return seconds


def measure() -> list[Figure]:
    """Run the tests of one file with their set-ups.

    Raises
    ------
    FailedTestError
        If one does not pass, or none could be run.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", _FILE]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if not report.exists():
            raise FailedTestError(process.stdout + process.stderr)
        seconds = sorted(read_seconds(report)[_WARM_UP:])
        if not seconds:
            raise FailedTestError(process.stdout + process.stderr)
    value, goal = median(seconds), f"at most {_LIMIT_SECONDS:g}"
    spread = (seconds[0], seconds[-1])
    return [Figure("one workflow test, warm", value, "s", spread, goal, is_met=value <= _LIMIT_SECONDS)]


def main() -> int:
    """Print the table and, for a file, JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop")
    parser.add_argument("--json", type=Path, help="the file for the figures")
    options = parser.parse_args()
    publish_figures("The developer's loop", measure(), options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
