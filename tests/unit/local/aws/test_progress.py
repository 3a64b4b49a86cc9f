"""Work on AWS makes progress by states and by calls; a function that computes without an end makes none."""

import threading
from typing import Any

import boto3
import pytest

from local.aws import progress
from local.aws.stepfunctions import jsonata
from local.hooks import Hooks
from tests.unit.local.aws.stepfunctions.definitions import DONE
from tests.unit.local.conftest import StepFunctions

CALLS = 20
SECONDS = 0.05
TIMEOUT_SECONDS = 0.3


@pytest.fixture(autouse=True)
def progress_counts(aws: StepFunctions) -> Any:
    with Hooks() as hooks:
        progress.install(hooks, aws.clock)
        yield


def test_a_long_execution_is_waited_for_while_it_enters_states(
    aws: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate, pause = jsonata.evaluate, threading.Event()

    def evaluate_slowly(*arguments: Any) -> Any:
        pause.wait(SECONDS)
        return evaluate(*arguments)

    monkeypatch.setattr(jsonata, "evaluate", evaluate_slowly)
    states = {f"S{n}": {"Type": "Pass", "Output": "{% 1 %}", "Next": f"S{n + 1}"} for n in range(CALLS)}
    run = aws.begin(aws.create({**states, f"S{CALLS}": DONE}))

    aws.clock.settle(timeout=TIMEOUT_SECONDS)
    assert run.output == 1


def test_long_work_is_waited_for_while_it_makes_calls(aws: StepFunctions) -> None:
    pause, client = threading.Event(), boto3.client("sqs", "us-east-1")

    def run() -> None:
        for _ in range(CALLS):
            pause.wait(SECONDS)
            client.list_queues()

    work = aws.clock.start_thread("calls", run)

    aws.clock.settle(timeout=TIMEOUT_SECONDS)
    assert work.ended.is_open()


def test_calls_of_the_test_itself_are_no_progress_of_work_that_hangs(aws: StepFunctions) -> None:
    stop, client = threading.Event(), boto3.client("sqs", "us-east-1")

    def call() -> None:
        while not stop.wait(0.001):
            client.list_queues()

    caller = threading.Thread(target=call)
    work = aws.clock.begin("a function that computes without an end")
    caller.start()
    try:
        with pytest.raises(TimeoutError, match=r"no progress for 0\.1 s: a function that computes without an end"):
            aws.clock.settle(timeout=0.1)
    finally:
        stop.set()
        caller.join()
        work.end()
