"""The demo: five offboardings on the embedded AWS, thirty days and more of them in a few seconds.

It does what an administrator would do, with the APIs that an administrator has: WorkMail to fill the
organization, StartExecution with the request syntax of `DeregisterFromWorkMail` as input, and the
execution history to see what happened.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local.environment import Environment
from local.people import People
from local.settings import ORGANIZATION_ID


@dataclass(frozen=True)
class Offboarding:
    """One offboarding of the story: whom, as one would type it, and the outcome that is expected."""

    title: str
    entity_id: str
    expected: str


@dataclass(frozen=True)
class Happening:
    """Something that somebody does in WorkMail while an offboarding waits."""

    day: int
    says: str
    does: Callable[[], None]


@dataclass(frozen=True)
class Step:
    """A state that an execution entered, and when."""

    at: datetime
    state: str


@dataclass(frozen=True)
class Ending:
    """How one execution went: its state or its outcome, and what proves it."""

    offboarding: Offboarding
    execution_arn: str
    status: str
    outcome: str | None
    details: dict[str, Any]
    steps: tuple[Step, ...]

    @property
    def as_expected(self) -> bool:
        """Whether it ended with the outcome that the story expects."""
        return self.outcome == self.offboarding.expected

    def to_json(self) -> dict[str, Any]:
        """Return all of it, dates in RFC 3339."""
        return {
            "Title": self.offboarding.title,
            "Input": {"OrganizationId": ORGANIZATION_ID, "EntityId": self.offboarding.entity_id},
            "ExecutionArn": self.execution_arn,
            "Status": self.status,
            "Outcome": self.outcome,
            "Expected": self.offboarding.expected,
            **self.details,
            "Timeline": [{"At": step.at.isoformat(), "State": step.state} for step in self.steps],
        }


class Story:
    """The demo's organization, its offboardings and what happens meanwhile.

    Parameters
    ----------
    environment
        An open environment, with the stack deployed.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._states = environment.client("stepfunctions")
        people = People(environment.client("workmail"))
        dana = people.user("dana.leaver", 'Dana "DJ" Leaver')
        rehired = people.user("robin.rehired", "Robin Rehired")
        people.group("project-apollo", (dana, rehired))
        room = people.resource("room-4.12")
        self.offboardings = (
            Offboarding("a user, by e-mail address", people.address("dana.leaver"), "CleanupVerified"),
            Offboarding("a group, by name", "project-apollo", "CleanupVerified"),
            Offboarding("a resource, by id", room, "CleanupVerified"),
            Offboarding("a user who comes back on day 12", people.address("robin.rehired"), "Reenabled"),
            Offboarding("somebody who does not exist", people.address("nobody"), "EntityNotFound"),
        )
        self._happenings = (
            Happening(
                12,
                "Robin is hired again: RegisterToWorkMail with the same id and address",
                lambda: people.register(rehired, "robin.rehired"),
            ),
        )
        self._arns: dict[Offboarding, str] = {}
        self.says = "the organization is filled"

    def run(self) -> Iterator[datetime]:
        """Start everything and move the clock a day at a time until nothing runs; yields the time."""
        clock = self._environment.clock
        for offboarding in self.offboardings:
            self._arns[offboarding] = self._environment.start(
                {"OrganizationId": ORGANIZATION_ID, "EntityId": offboarding.entity_id}
            )
        clock.settle()
        self.says = f"{len(self._arns)} executions are started"
        yield clock.now()
        for day in range(1, 60):
            clock.advance(timedelta(days=1))
            self.says = "WorkMail keeps the mailboxes"
            for happening in self._happenings:
                if happening.day == day:
                    happening.does()
                    self.says = happening.says
            yield clock.now()
            if all(ending.status != "RUNNING" for ending in self.endings()):
                self.says = "every execution has ended"
                return

    def endings(self) -> list[Ending]:
        """Return how each execution stands now."""
        return [self._ending(offboarding, arn) for offboarding, arn in self._arns.items()]

    def _ending(self, offboarding: Offboarding, arn: str) -> Ending:
        answer = self._states.describe_execution(executionArn=arn)
        output = json.loads(answer["output"]) if "output" in answer else None
        return Ending(
            offboarding=offboarding,
            execution_arn=arn,
            status=answer["status"],
            outcome=output["Outcome"] if output else answer.get("error"),
            details={"Output": output} if output else {"Cause": answer.get("cause")},
            steps=tuple(self._steps(arn)),
        )

    def _steps(self, arn: str) -> Iterator[Step]:
        for event in self._environment.history(arn):
            if event["type"].endswith("StateEntered"):
                yield Step(event["timestamp"], event["stateEnteredEventDetails"]["name"])
