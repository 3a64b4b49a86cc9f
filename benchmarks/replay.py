"""Runs one recorded invocation in this new process, and prints the processor seconds that it took, as JSON.

It is started by `benchmarks.cold_start`, and imports nothing of this project but the function. Answers come from the
recording; requests are made, signed and serialized, and answers are parsed, as on AWS.

- ``function``: imports the deployed module, and calls its handler.
- ``floor``: imports boto3, makes the same clients, and makes the same calls.
- ``usual``: the usual shape of a function: Logger, Tracer, Metrics, a Pydantic parser, boto3, and the same calls.
"""

import contextlib
import io
import json
import os
import pickle
import sys
import time
from collections.abc import Iterator
from typing import Any

_CONTEXT_MEMBERS = ("function_name", "invoked_function_arn", "memory_limit_in_mb", "aws_request_id")


class Context:
    """The second argument of a handler."""

    def __init__(self, remaining_milliseconds: int) -> None:
        for member in _CONTEXT_MEMBERS:
            setattr(self, member, "1")
        self.function_version = "1"
        self._remaining_milliseconds = remaining_milliseconds

    def get_remaining_time_in_millis(self) -> int:
        """Return what was left of the function's time when it was recorded."""
        return self._remaining_milliseconds


class Answers:
    """Gives the recorded answers, in their order, to whatever is sent."""

    def __init__(self, calls: list[dict[str, Any]]) -> None:
        self._calls = calls
        self.count = 0

    def rewind(self) -> None:
        """Begin again."""
        self.count = 0

    def give(self, request: Any) -> Any:
        """Answer one request of botocore."""
        from botocore.awsrequest import AWSResponse

        call = self._calls[self.count]
        self.count += 1
        body = io.BytesIO(call["body"])
        body.stream = lambda **_: iter([call["body"]])
        return AWSResponse(request.url, call["status"], _Headers(call["headers"]), body)

    def install(self) -> None:
        """Answer everything that this process sends by botocore."""
        from botocore.httpsession import URLLib3Session

        URLLib3Session.send = lambda _, request: self.give(request)


class _Headers(dict[str, str]):
    """The headers of an answer, whose names have any case."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header."""
        return super().get(name.lower(), default)


def make_function_run(recording: dict[str, Any]) -> Any:
    """Import the function; return what invokes it."""
    import importlib

    handler = importlib.import_module(recording["module"]).handler
    return lambda: handler(json.loads(recording["event"]), Context(recording["remaining_milliseconds"]))


def make_floor_run(recording: dict[str, Any]) -> Any:
    """Make the clients; return what makes the raw calls."""
    import boto3
    from botocore import xform_name
    from botocore.config import Config

    clients: dict[tuple[Any, ...], Any] = {}
    calls = []
    for call in recording["calls"]:
        key = (call["service"], call["region"], call["timeouts"], call["attempts"])
        if key not in clients:
            connect, read = call["timeouts"]
            retries = {"mode": "standard", "total_max_attempts": call["attempts"]}
            config = Config(connect_timeout=connect, read_timeout=read, retries=retries)
            clients[key] = boto3.client(call["service"], region_name=call["region"], config=config)
        calls.append((getattr(clients[key], xform_name(call["operation"])), call["parameters"]))

    def make_calls() -> None:
        event = json.loads(recording["event"])
        for method, parameters in calls:
            with contextlib.suppress(Exception):  # an answer can be an error, which the function expects
                method(**parameters)
        json.dumps(event)

    return make_calls


def make_usual_run(recording: dict[str, Any]) -> Any:
    """Make a function of the usual shape around the raw calls; return what invokes it."""
    from aws_lambda_powertools import Logger, Metrics, Tracer
    from aws_lambda_powertools.utilities.parser import event_parser
    from pydantic import BaseModel, ConfigDict

    logger, tracer, metrics = Logger(), Tracer(), Metrics()
    make_calls = make_floor_run(recording)

    class Event(BaseModel):
        model_config = ConfigDict(extra="allow")

    @logger.inject_lambda_context
    @tracer.capture_lambda_handler
    @metrics.log_metrics
    @event_parser(model=Event)
    def handler(event: Event, context: Any) -> None:
        logger.info("started")
        metrics.add_metric(name="Invocations", unit="Count", value=1)
        make_calls()

    return lambda: handler(json.loads(recording["event"]), Context(recording["remaining_milliseconds"]))


_MODES = {"function": make_function_run, "floor": make_floor_run, "usual": make_usual_run}
_WARM_ROUNDS = 20


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what the function logs from this process's output."""
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
        yield


def main() -> None:
    """Run the recorded invocation of a file in one mode: first cold, then warm if the answers are the same again."""
    mode, file = sys.argv[1:]
    with open(file, "rb") as recordings:
        recording = pickle.load(recordings)  # noqa: S301 (this project has just written it)
    answers = Answers(recording["calls"])
    os.environ.update(recording["variables"])
    with silence():
        start = time.process_time()
        run = _MODES[mode](recording)
        answers.install()
        answer = run()
        cold = time.process_time()
        calls = answers.count
        warm = None
        if mode == "floor" or _can_repeat(run, answers):
            begin = time.process_time()
            for _ in range(_WARM_ROUNDS):
                answers.rewind()
                run()
            warm = (time.process_time() - begin) / _WARM_ROUNDS
    result = {
        "cold": cold - start,
        "warm": warm,
        "calls": calls,
        "answer": json.dumps(answer, default=float, ensure_ascii=False) if mode == "function" else None,
    }
    print(json.dumps(result))


def _can_repeat(run: Any, answers: Answers) -> bool:
    """Whether a second invocation makes the same calls, and does not keep what the first one has read."""
    count = answers.count
    answers.rewind()
    try:
        run()
    except Exception:  # another answer than it needs
        return False
    return answers.count == count


if __name__ == "__main__":
    main()
