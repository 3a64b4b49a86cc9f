"""The demo: ten offboardings on the embedded AWS, thirty days and more of them in a few seconds.

It does what people and identity providers would do, with the APIs that they have: WorkMail to fill the
organization, StartExecution with the request syntax of `DeregisterFromWorkMail` as input, PutEvents for
the identity providers, and the execution history to see what happened.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local.environment import Environment
from local.people import People
from local.provider_events import ProviderEvent, identity_center_user_deleted, offboarding_requested, okta
from local.settings import COMPANY_DOMAIN, ORGANIZATION_ID

NOTHING_STARTED = "nothing started"
REFUSED = "refused"
_STORE_USER = "94482488-3041-7097-2d41-0242ac120002"
_LONGEST = 60


@dataclass(frozen=True)
class Offboarding:
    """One offboarding of the story.

    Attributes
    ----------
    title
        Whom it is about, and who starts it.
    entity_id
        What the execution's input names: typed by a person, or made of an event.
    expected
        The outcome; `nothing started` or `refused` where there must not be an execution.
    events
        The events that start it; without any, it is started by hand.
    """

    title: str
    entity_id: str
    expected: str
    events: tuple[ProviderEvent, ...] = ()


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
    """How one offboarding went: its state or its outcome, and what proves it."""

    offboarding: Offboarding
    status: str
    outcome: str | None
    details: dict[str, Any]
    steps: tuple[Step, ...] = ()

    @property
    def as_expected(self) -> bool:
        """Whether it ended with the outcome that the story expects."""
        return self.outcome == self.offboarding.expected

    def to_json(self) -> dict[str, Any]:
        """Return all of it, dates in RFC 3339."""
        return {
            "Title": self.offboarding.title,
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

    Attributes
    ----------
    offboardings
        Those of the story, in the order in which they start.
    says
        What is happening, in a few words.
    latest
        How each offboarding stood when `run` last yielded.
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
            *_from_providers(people, environment.clock.now()),
        )
        self._happenings = (
            Happening(
                12,
                "Robin is hired again: RegisterToWorkMail with the same id and address",
                lambda: people.register(rehired, "robin.rehired"),
            ),
        )
        self._dead_letters: dict[str, str] = {}
        self.says = "the organization is filled"
        self.latest: list[Ending] = []

    def run(self) -> Iterator[datetime]:
        """Start everything and move the clock a day at a time until nothing runs; yields the time."""
        clock = self._environment.clock
        for offboarding in self.offboardings:
            self._start(offboarding)
        clock.settle()
        self.says = "the executions are started"
        self.latest = self.endings()
        yield clock.now()
        for day in range(1, _LONGEST):
            clock.advance(timedelta(days=1))
            self.says = "WorkMail keeps the mailboxes"
            for happening in self._happenings:
                if happening.day == day:
                    happening.does()
                    self.says = happening.says
            self.latest = self.endings()
            if all(ending.status != "RUNNING" for ending in self.latest):
                self.says = "every execution has ended"
                yield clock.now()
                return
            yield clock.now()

    def endings(self) -> list[Ending]:
        """Return how each offboarding stands now."""
        found = self._executions()
        return [self._ending(offboarding, found.get(offboarding.entity_id, [])) for offboarding in self.offboardings]

    def _start(self, offboarding: Offboarding) -> None:
        for event in offboarding.events:
            event.put(self._environment.client("events"))
        if not offboarding.events:
            self._environment.start({"OrganizationId": ORGANIZATION_ID, "EntityId": offboarding.entity_id})

    def _executions(self) -> dict[str, list[dict[str, Any]]]:
        """Return the executions by the entity that their input names."""
        machine = self._environment.outputs["StateMachineArn"]
        found: dict[str, list[dict[str, Any]]] = {}
        for page in self._states.get_paginator("list_executions").paginate(stateMachineArn=machine):
            for item in page["executions"]:
                execution = self._environment.describe(item["executionArn"])
                found.setdefault(json.loads(execution["input"])["EntityId"], []).append(execution)
        return found

    def _ending(self, offboarding: Offboarding, executions: list[dict[str, Any]]) -> Ending:
        if not executions:
            return self._without_execution(offboarding)
        if len(executions) > 1:
            return Ending(offboarding, "STARTED TWICE", f"{len(executions)} executions", {})
        [execution] = executions
        output = json.loads(execution["output"]) if "output" in execution else None
        proof = {"Output": output} if output else {"Cause": execution.get("cause")}
        return Ending(
            offboarding=offboarding,
            status=execution["status"],
            outcome=output["Outcome"] if output else execution.get("error"),
            details={
                "Input": json.loads(execution["input"]),
                "ExecutionArn": execution["executionArn"],
                **proof,
            },
            steps=tuple(self._steps(execution["executionArn"])),
        )

    def _without_execution(self, offboarding: Offboarding) -> Ending:
        self._read_dead_letters()
        reason = self._dead_letters.get(offboarding.events[0].id) if offboarding.events else None
        if reason:
            return Ending(offboarding, "DEAD LETTER", REFUSED, {"Reason": reason})
        return Ending(offboarding, "NONE", NOTHING_STARTED, {"Log": self._not_for_us()})

    def _read_dead_letters(self) -> None:
        """Remember why events are in the dead-letter queue, by Okta's ids; SQS keeps them for 14 days only."""
        messages = self._environment.client("sqs").receive_message(
            QueueUrl=self._environment.outputs["EventDeadLetterQueueUrl"],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["Reason"],
            VisibilityTimeout=0,
        )
        for message in messages.get("Messages", []):
            reason = message["MessageAttributes"]["Reason"]["StringValue"]
            self._dead_letters[json.loads(message["Body"])["detail"]["uuid"]] = reason

    def _not_for_us(self) -> str:
        """Return what the starter logged about events that do not mean that somebody left."""
        lines = [json.loads(line) for line in self._environment.logs("StartOffboarding") if line.startswith("{")]
        return "; ".join(line["because"] for line in lines if line.get("message") == "not for us")

    def _steps(self, arn: str) -> Iterator[Step]:
        for event in self._environment.history(arn):
            if event["type"].endswith("StateEntered"):
                yield Step(event["timestamp"], event["stateEnteredEventDetails"]["name"])


def _from_providers(people: People, now: datetime) -> Iterator[Offboarding]:
    """Make the people whom the identity providers report, and what they report."""
    for name in ("olivia.okta", "sam.suspended", "henri.hr"):
        people.user(name, domain=COMPANY_DOMAIN)
    ines = people.user("ines.identity", domain=COMPANY_DOMAIN, IdentityProviderUserId=_STORE_USER)
    olivia, sam, henri = (f"{name}@{COMPANY_DOMAIN}" for name in ("olivia.okta", "sam.suspended", "henri.hr"))
    deactivated = okta("okta-1", olivia, now)
    deleted = okta("okta-2", olivia, now, "user.lifecycle.delete.initiated")
    yield Offboarding(
        "Okta deactivates a user, and says so three times",
        olivia,
        "CleanupVerified",
        (deactivated, deactivated, deleted),
    )
    yield Offboarding(
        "Identity Center deletes a user", ines, "CleanupVerified", (identity_center_user_deleted(_STORE_USER),)
    )
    yield Offboarding(
        "a script asks for a user", henri, "CleanupVerified", (offboarding_requested("hr-417", henri, "hr-system"),)
    )
    yield Offboarding(
        "Okta suspends a user", sam, NOTHING_STARTED, (okta("okta-3", sam, now, "user.lifecycle.suspend"),)
    )
    stranger = "someone@elsewhere.example"
    yield Offboarding("Okta deactivates a user of another company", stranger, REFUSED, (okta("okta-4", stranger, now),))
