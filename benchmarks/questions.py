"""Measures how long people wait for an answer from the records, and whether it is right.

Run it with `make bench`, or `python -m benchmarks.questions`. Each question is one command, run as a process of its own
against the embedded DynamoDB in this process. So the memory is that of the command alone, and the time contains that of
the embedded DynamoDB, which is most of it. An answer that differs from a count made while the world was built is an
error.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "lambdas"))

from moto.server import ThreadedMotoServer

# The functions' modules are found from here on.
from tests.conftest import FAKE_ENVIRONMENT
from tests.unit.conftest import TABLE_NAME, client
from tests.worlds.questions import QUESTIONS, Question
from tests.worlds.world import World, opened_world

SIZES = (1_000, 10_000)
LONGEST_WAIT_SECONDS = 10.0
"""Of the command and the embedded DynamoDB together, on a processor of their own."""
MOST_GROWTH_MEGABYTES = 40
"""A full page of DynamoDB, which a small world does not have, is 1 MB of JSON and some 20 MB as Python has it."""
_COMMAND = """
import atexit, re, sys, time
def report():
    memory = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
    print(time.process_time(), memory[1], file=sys.stderr)
atexit.register(report)
from operate.command import main
main()
"""
"""Runs the command, and says at its end how many seconds it had a processor, and the most memory that it had.

Linux says that in KB: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
"""
_TEMPLATE = """{
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"RecordsTableName": {"Value": "%s"}}
}"""


@dataclass(frozen=True)
class Measurement:
    """What one question has cost.

    Attributes
    ----------
    title
        The question.
    is_right
        Whether its answer is that of the independent count.
    wait_seconds
        How long it took, on a machine that others may use too.
    command_seconds, database_seconds
        The time on a processor of the command, and of the embedded DynamoDB.
    megabytes
        The most memory that the command had.
    """

    title: str
    is_right: bool
    wait_seconds: float
    command_seconds: float
    database_seconds: float
    megabytes: float


@contextmanager
def served() -> Iterator[str]:
    """Serve the AWS of this process on a port of 127.0.0.1; yield its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def measure(world: World, endpoint: str, question: Question) -> Measurement:
    """Ask a question by a process of its own.

    Raises
    ------
    CalledProcessError
        If the command fails.
    """
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL": endpoint, **FAKE_ENVIRONMENT}
    expected = question.expect(world)
    began_at, database_began_at = time.perf_counter(), time.process_time()
    process = subprocess.run(
        [sys.executable, "-c", _COMMAND, *question.arguments(world)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        check=True,
        # Lines of CSV end with CRLF.
        text=False,
    )
    wait_seconds, database_seconds = time.perf_counter() - began_at, time.process_time() - database_began_at
    command_seconds, kilobytes = process.stderr.decode().splitlines()[-1].split()
    return Measurement(
        question.title,
        question.read_answer(process.stdout.decode()) == expected,
        wait_seconds,
        float(command_seconds),
        database_seconds,
        int(kilobytes) / 2**10,
    )


def measure_world(count: int) -> list[Measurement]:
    """Ask each question in a world of a number of records."""
    with opened_world(count) as world, served() as endpoint:
        client("cloudformation").create_stack(StackName="workmail-offboarding", TemplateBody=_TEMPLATE % TABLE_NAME)
        return [measure(world, endpoint, question) for question in QUESTIONS]


def list_problems(worlds: dict[int, list[Measurement]]) -> Iterator[str]:
    """Yield what is wrong, or is not as quick or as small as it has to be."""
    smallest = {measurement.title: measurement.megabytes for measurement in worlds[min(worlds)]}
    for count, measurements in worlds.items():
        for measurement in measurements:
            if not measurement.is_right:
                yield f"{measurement.title}, {count} records: the answer is wrong."
            if measurement.command_seconds + measurement.database_seconds > LONGEST_WAIT_SECONDS:
                yield f"{measurement.title}, {count} records: it takes longer than {LONGEST_WAIT_SECONDS} s."
            if measurement.megabytes > smallest[measurement.title] + MOST_GROWTH_MEGABYTES:
                yield f"{measurement.title}, {count} records: its memory grows with the records."


def main() -> None:
    """Print what each question costs, write it as JSON into a file if one is named, and fail if an answer is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.questions")
    parser.add_argument("--json", type=Path, help="the file for the figures")
    options = parser.parse_args()
    worlds: dict[int, list[Measurement]] = {}
    print(
        f"{'records':>7}  {'question':28} {'answer':6}  {'wait s':>6}  {'command s':>9}  {'DynamoDB s':>10}  {'MB':>5}"
    )
    for count in SIZES:
        worlds[count] = measure_world(count)
        for item in worlds[count]:
            print(
                f"{count:7}  {item.title:28} {'right' if item.is_right else 'WRONG':6}  {item.wait_seconds:6.1f}  "
                f"{item.command_seconds:9.1f}  {item.database_seconds:10.1f}  {item.megabytes:5.0f}"
            )
    if options.json:
        figures = [{"records": count, **asdict(item)} for count, items in worlds.items() for item in items]
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    problems = [*list_problems(worlds)]
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
