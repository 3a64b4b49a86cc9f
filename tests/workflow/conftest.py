"""The real definition and the packaged handlers on the embedded AWS, one environment a test."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.assembly import assembly
from local.environment import Environment
from local.people import People
from local.settings import OFFBOARDING, ORGANIZATION_ID
from local.workmail.exceptions import CommonError

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Ending:
    """What a person sees of an execution."""

    status: str
    outcome: str | None
    output: dict[str, Any]
    cause: str
    states: list[str]
    transitions: int


class Flow:
    """An environment with its people, and short words for what tests do with them."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.clock = environment.clock
        self.backend = environment.workmail
        self.people = People(environment.client("workmail"))
        self.workmail = environment.client("workmail")

    def start(self, entity_id: str, **more: Any) -> str:
        return self.environment.start({"OrganizationId": ORGANIZATION_ID, "EntityId": entity_id, **more})

    def run(self, entity_id: str, days: float = 45, **more: Any) -> Ending:
        """Start an offboarding, let the days pass, and see how it ended."""
        arn = self.start(entity_id, **more)
        self.pass_days(days)
        return self.ending(arn)

    def pass_days(self, days: float) -> None:
        self.clock.settle()
        self.clock.advance(timedelta(days=days))

    def ending(self, arn: str) -> Ending:
        answer = self.environment.describe(arn)
        history = self.environment.history(arn)
        entered = [e["stateEnteredEventDetails"]["name"] for e in history if e["type"].endswith("StateEntered")]
        output = json.loads(answer.get("output", "{}"))
        return Ending(
            status=answer["status"],
            outcome=output.get("Outcome") or answer.get("error"),
            output=output,
            cause=answer.get("cause", ""),
            states=entered,
            transitions=len(entered),
        )

    def calls(self, operation: str | None = None) -> list[str]:
        """Return the operations that WorkMail was asked for, errors included, since the last `forget`."""
        return [call.operation for call in self.backend.calls if operation in {None, call.operation}]

    def forget_calls(self) -> None:
        self.backend.calls.clear()

    def fail(self, operation: str, code: str, *, times: int | None = None, status: int = 400) -> None:
        """Let WorkMail answer an operation with an error, the next so many times or always."""
        left = [times]

        def before(name: str, parameters: Mapping[str, Any]) -> None:
            if name == operation and left[0] != 0:
                left[0] = left[0] - 1 if left[0] is not None else None
                raise CommonError(code, "made by the test", status)

        self.backend.before.append(before)


@pytest.fixture(scope="session")
def stack() -> Any:
    return assembly(OFFBOARDING)


@pytest.fixture(scope="session")
def stack_without_providers() -> Any:
    """The flow alone, which boots in half the time."""
    return assembly({"organizations": OFFBOARDING["organizations"]})


@pytest.fixture
def make_flow(request: pytest.FixtureRequest, stack: Any) -> Iterator[Callable[..., Flow]]:
    """Make a flow with settings or a start of its own; all are closed at the end."""
    if "no_providers" in request.keywords:
        stack = request.getfixturevalue("stack_without_providers")
    opened: list[Environment] = []

    def make(settings: dict[str, Any] | None = None, now: datetime = START, **more: Any) -> Flow:
        environment = Environment(assembly({**OFFBOARDING, **settings}) if settings else stack, now=now, **more)
        environment.__enter__()
        opened.append(environment)
        return Flow(environment)

    yield make
    for environment in reversed(opened):
        environment.__exit__(None, None, None)


@pytest.fixture
def flow(make_flow: Callable[..., Flow]) -> Flow:
    return make_flow()
