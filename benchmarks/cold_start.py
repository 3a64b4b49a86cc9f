"""Measures the cold start and the warm invocation of each function, as ratios of processor time within one run.

The floor of a function is a program that imports boto3, makes the same clients and makes the same calls; both get AWS's
answers from a recording, so that only their own work counts. The usual shape is Logger, Tracer, Metrics, a Pydantic
parser and boto3. boto3 has bytecode, as on Lambda; a function's own code has none, unless the figure says so. An answer
that differs from the recorded one fails the benchmark.
"""

import argparse
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, make_ratio, publish_figures
from benchmarks.recordings import Recording, record_invocations
from stacks.bytecode import find_interpreter
from stacks.packaging import build_asset

HAPPY_PATH = (
    *("start_offboarding", "resolve_entity", "check_organization", "record_offboarding", "deregister_entity"),
    *("verify_cleanup", "close_record", "notify_subscribers"),
)
SWEEP = "sweep_records"
"""It reads the clock, so that a recording of it has other answers later."""
_PACKAGES_OF_LAMBDA = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six")
_REPLAY = Path(__file__).with_name("replay.py")
_ROUNDS = 5
_COLD, _BYTECODE = "cold", "cold, with bytecode"
_LIMITS = {_COLD: 1.3, _BYTECODE: 1.2, "cold, usual shape": None, "warm": 1.25, "warm, usual shape": None}
"""The goals of the figures of each function."""


class WrongAnswerError(RuntimeError):
    """A function gave another answer than when it was recorded: its time says nothing."""


@dataclass(frozen=True)
class Setup:
    """What all processes of a measurement share.

    Attributes
    ----------
    interpreter
        The Python that runs them.
    runtime
        A folder with boto3 and its bytecode.
    """

    interpreter: str
    runtime: Path

    def run(self, mode: str, recording: Path, *folders: Path) -> dict[str, Any]:
        """Replay a recording in a new process; the folders come before boto3 in its path."""
        paths = os.pathsep.join(map(str, (*folders, self.runtime)))
        process = subprocess.run(
            [self.interpreter, "-B", "-s", str(_REPLAY), mode, str(recording)],
            env={"PATH": os.defpath, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            raise WrongAnswerError(f"{recording.stem}, {mode}: {process.stderr.strip().splitlines()[-1]}")
        result: dict[str, Any] = json.loads(process.stdout)
        return result


def measure(modules: Sequence[str], recordings: Mapping[str, Recording], folder: Path) -> list[Figure]:
    """Measure functions, in turn.

    Parameters
    ----------
    modules
        The modules of the functions.
    recordings
        An invocation of each.
    folder
        A folder for what the processes read.

    Returns
    -------
    list[Figure]
        For each function cold, cold with bytecode if this machine has the deployed Python, and warm, and cold and warm
        of the usual shape, each divided by its floor.

    Raises
    ------
    WrongAnswerError
        An answer differs from the recorded one.
    """
    deployed = find_interpreter()
    interpreter = deployed or sys.executable
    setup = Setup(interpreter, _compile_runtime(interpreter, folder / "runtime"))
    usual = Setup(sys.executable, _compile_runtime(sys.executable, folder / "usual"))
    assets = {_COLD: build_asset().path}
    if deployed:
        assets[_BYTECODE] = build_asset(interpreter=deployed).path
    figures = []
    for module in modules:
        file = write_recording(recordings[module], folder)
        figures += _measure_function(recordings[module], file, setup, usual, assets)
    return figures


def write_recording(recording: Recording, folder: Path) -> Path:
    """Write what a process replays into a file of its own; return the file."""
    file = folder / f"{recording.module}.pickle"
    file.write_bytes(pickle.dumps(asdict(recording)))
    return file


def _measure_function(
    recording: Recording, file: Path, setup: Setup, usual: Setup, assets: Mapping[str, Path]
) -> list[Figure]:
    ratios: dict[str, list[float]] = {label: [] for label in _LIMITS}
    for _ in range(_ROUNDS):
        floor = setup.run("floor", file)
        for label, asset in assets.items():
            result = setup.run("function", file, asset)
            if json.loads(result["answer"]) != json.loads(recording.answer) or result["calls"] != len(recording.calls):
                raise WrongAnswerError(f"{recording.module} answered {result['answer']} after {result['calls']} calls")
            ratios[label].append(result["cold"] / floor["cold"])
            if label == _COLD and result["warm"]:
                ratios["warm"].append(result["warm"] / floor["warm"])
        if find_spec("aws_xray_sdk"):
            shape, shape_floor = usual.run("usual", file), usual.run("floor", file)
            ratios["cold, usual shape"].append(shape["cold"] / shape_floor["cold"])
            ratios["warm, usual shape"].append(shape["warm"] / shape_floor["warm"])
    return [
        make_ratio(f"{recording.module}: {label}", ratios[label], limit)
        for label, limit in _LIMITS.items()
        if ratios[label]
    ]


def _compile_runtime(interpreter: str, folder: Path) -> Path:
    """Copy boto3 and what it needs, and compile it: Lambda's own packages have bytecode."""
    packages = Path(str(find_spec("boto3").origin)).parents[1]
    if interpreter == sys.executable:
        return packages
    for name in _PACKAGES_OF_LAMBDA:
        source = packages / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source.with_suffix(".py"), folder)
    subprocess.run([interpreter, "-m", "compileall", "-q", str(folder)], check=True)
    return folder


def main() -> int:
    """Record and measure; print the table and, for a file, JSON.

    Returns
    -------
    int
        The exit status: 0 if every answer is right, whether or not the goals are met.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start")
    parser.add_argument(
        "--full", action="store_true", help="measure every function but the sweep, not only those of the happy path"
    )
    parser.add_argument("--json", type=Path, help="the file for the figures")
    options = parser.parse_args()
    recordings = record_invocations(datetime.now(UTC))
    modules = sorted(recordings.keys() - {SWEEP}) if options.full else HAPPY_PATH
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(modules, recordings, Path(folder))
    publish_figures("Processor time divided by that of boto3 and the same raw calls", figures, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
