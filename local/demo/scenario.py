"""The demo: offboardings on the embedded AWS, from a plan in November to the end of WorkMail, in a few seconds.

It does what people and identity providers would do, with the APIs that they have: WorkMail to fill the
organization, StartExecution to offboard, to approve and to restore, PutEvents for the identity providers. What
it shows of all that is read from AWS: see `local.demo.observer`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Protocol

from local.defaults import COMPANY_DOMAIN, ORGANIZATION_ID
from local.demo.observer import APPROVAL, AWAITING_APPROVAL, RESTORE, Execution, Record, Step, Watch, Window
from local.demo.provider_events import ProviderEvent, identity_center_user_deleted, offboarding_requested, okta, put
from local.environment import Environment
from local.organization import People, Standing

BEGINS = datetime(2026, 11, 23, 9, tzinfo=UTC)
"""Where the clock starts, whatever today is: WorkMail's own end, at a date of its own, is part of the story."""
NOTHING_STARTED = "nothing started"
REFUSED = "refused"

_STORE_USER = "94482488-3041-7097-2d41-0242ac120002"
_ONE_DAY = timedelta(days=1)
_A_MOMENT = timedelta(minutes=15)
"""As long as SQS can delay a message: what has followed by then belongs to what happened."""
_LEAVERS = 30
_BURST_ON, _DECIDED_ON, _RESTORED_ON = 2, 3, 12
_LAST_WORKING_DAY = "2027-03-12T17:00:00Z"


@dataclass(frozen=True)
class Ending:
    """How one row of the story stands: what it is at or its outcome, and what proves it.

    Attributes
    ----------
    state, since
        What it is at now, in a few words, and since when.
    faults
        What AWS shows beside the outcome that should not be so, each as a sentence.
    """

    title: str
    expected: str
    status: str
    outcome: str | None
    details: dict[str, Any]
    state: str = ""
    since: datetime | None = None
    steps: tuple[Step, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def as_expected(self) -> bool:
        """Whether it ended with the outcome that the story expects, and nothing speaks against it."""
        return self.outcome == self.expected and not self.faults

    def to_json(self) -> dict[str, Any]:
        """Return all of it, dates in RFC 3339."""
        return {
            "Title": self.title,
            "Status": self.status,
            "Outcome": self.outcome,
            "Expected": self.expected,
            "Faults": list(self.faults),
            **self.details,
            "Timeline": [{"At": step.at.isoformat(), "State": step.state} for step in self.steps],
        }


class Row(Protocol):
    """One row of the story: it begins on a day, and has to end with an outcome."""

    @property
    def title(self) -> str:
        """Whom it is about, and who does what."""

    @property
    def expected(self) -> str:
        """The outcome."""

    @property
    def day(self) -> int:
        """On which day of the story it begins."""

    def ending(self, watch: Watch) -> Ending:
        """Return how it stood at the last look."""


@dataclass(frozen=True)
class Offboarding:
    """One offboarding.

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
    asks
        What the input has beside the organization and the entity, if it is started by hand.
    """

    title: str
    entity_id: str
    expected: str
    events: tuple[ProviderEvent, ...] = ()
    asks: Mapping[str, Any] = field(default_factory=dict, hash=False)
    day: int = 0

    @property
    def input(self) -> dict[str, Any]:
        """The input of the execution that a person starts."""
        return {"OrganizationId": ORGANIZATION_ID, "EntityId": self.entity_id, **self.asks}

    def ending(self, watch: Watch) -> Ending:
        """Return how it stood at the last look."""
        executions = watch.executions(self.entity_id)
        if executions:
            return _ending(self, executions, watch)
        reason = watch.dead_letters.get(self.events[0].id) if self.events else None
        if reason:
            return Ending(self.title, self.expected, "DEAD LETTER", REFUSED, {"Reason": reason})
        return _nothing(self, {"Log": watch.not_for_us()})


@dataclass(frozen=True)
class Burst:
    """Many leavers at once, who are one row: how many were deregistered, and how many a person has to approve.

    Attributes
    ----------
    entity_ids
        What their executions' inputs name.
    ends
        With which outcomes all of them end, and how many with each.
    messages
        How many messages the approval topic may send about them.
    """

    title: str
    entity_ids: tuple[str, ...]
    expected: str
    ends: Mapping[str, int] = field(hash=False)
    messages: int
    day: int

    def executions(self, watch: Watch) -> list[Execution]:
        """Return all of their executions."""
        return [execution for entity_id in self.entity_ids for execution in watch.executions(entity_id)]

    def records(self, watch: Watch) -> list[Record]:
        """Return the records of their executions."""
        found = (watch.records.get(execution.arn) for execution in self.executions(watch))
        return [record for record in found if record]

    def ending(self, watch: Watch) -> Ending:
        """Return how they stood at the last look, by the table of records."""
        executions, records = self.executions(watch), self.records(watch)
        if not executions:
            return _nothing(self)
        waited = [record for record in records if record.had_to_wait]
        straight = [record for record in records if record.deregistered_at and not record.had_to_wait]
        state = f"{len(straight)} deregistered, {len(waited)} await approval"
        running = any(execution.running for execution in executions)
        ended = Counter(execution.outcome for execution in executions if execution.outcome)
        return Ending(
            title=self.title,
            expected=self.expected,
            status="RUNNING" if running else "ENDED",
            outcome=None if running else state,
            details={
                "Executions": len(executions),
                "Deregistered": [record.name for record in straight],
                "AwaitedApproval": [record.name for record in waited],
                "ApprovalReasons": sorted({reason for record in waited for reason in record.reasons}),
                "Messages": watch.messages,
                "Ended": dict(ended),
            },
            state=state,
            since=BEGINS + self.day * _ONE_DAY,
            faults=() if running else tuple(self._faults(ended, records, watch)),
        )

    def _faults(self, ended: Counter[str], records: list[Record], watch: Watch) -> Iterator[str]:
        if ended != Counter(self.ends):
            yield f"They ended as {dict(ended)}, not as {dict(self.ends)}."
        recorded = Counter(record.outcome for record in records)
        if recorded != ended:
            yield f"Their records say {dict(recorded)}."
        if len(watch.messages) != self.messages:
            yield f"The approval topic sent {len(watch.messages)} messages, not {self.messages}."


@dataclass(frozen=True)
class Awaiting:
    """The first one of a burst on whom a person decides so, or on whom nobody decides."""

    title: str
    burst: Burst
    decision: str | None
    expected: str
    day: int

    def ending(self, watch: Watch) -> Ending:
        """Return how it stood at the last look; which one it is, the records say."""
        for record in self.burst.records(watch):
            decided = record.decision["Decision"] if record.decision else None
            if record.had_to_wait and decided == self.decision:
                executions = [e for e in self.burst.executions(watch) if e.arn == record.execution_arn]
                return _ending(self, executions, watch)
        return _nothing(self)


@dataclass(frozen=True)
class Restore:
    """A restore, after which the user has to stand as before the offboarding.

    Attributes
    ----------
    before
        How the user stood.
    reads
        Reads how the user stands now.
    """

    title: str
    entity_id: str
    expected: str
    before: Standing
    reads: Callable[[], Standing]
    day: int

    def ending(self, watch: Watch) -> Ending:
        """Return how it stood at the last look."""
        executions = watch.executions(self.entity_id, RESTORE)
        if not executions:
            return _nothing(self)
        ending = _ending(self, executions, watch)
        if executions[0].output is None:
            return ending
        after = self.reads()
        differs = () if after == self.before else ("The user does not stand as before the offboarding.",)
        return replace(
            ending,
            details={**ending.details, "Before": self.before.to_json(), "After": after.to_json()},
            faults=(*ending.faults, *differs),
        )


@dataclass(frozen=True)
class Happening:
    """Something that people or identity providers do on a day of the story."""

    day: int
    says: str
    does: Callable[[], None]


class Story:
    """The demo's organization, what happens to it, and how it ends.

    Parameters
    ----------
    environment
        An open environment, with the stack deployed, whose clock stands at `BEGINS`.

    Attributes
    ----------
    rows
        Everything that has to end as expected, in the order in which it begins.
    says
        What is happening, in a few words.
    latest
        How each row that has begun stood when `run` last yielded.
    window
        Who was in the window, until when, at the look at which most were.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        # The harder of the cases that AWS's documentation leaves open: a restore has something to put back.
        environment.workmail.behaviour = replace(
            environment.workmail.behaviour, aliases_of_deregistered="removed", groups_of_deregistered="removed"
        )
        self._people = People(environment.client("workmail"))
        self._watch = Watch(environment)
        offboardings = (*_by_hand(self._people), *_from_providers(self._people))
        burst = _burst(self._people)
        restore = _restore(self._people)
        self.rows: tuple[Row, ...] = (*offboardings, burst, *_awaiting(burst), restore)
        self._happenings = (
            Happening(0, "the executions are started", lambda: self._start(offboardings)),
            Happening(_BURST_ON, f"Okta reports {_LEAVERS} leavers at once", lambda: self._report(burst)),
            Happening(_DECIDED_ON, "a person approves one of those who wait, and rejects one", self._decide),
            Happening(
                _RESTORED_ON, "Robin is hired again: an execution of the restore", lambda: self._restore(restore)
            ),
        )
        self.says = "the organization is filled"
        self.latest: list[Ending] = []
        self.window: Window = self._watch.window

    @property
    def service_ends_on(self) -> str:
        """The day on which WorkMail ends, as the deployed functions know it."""
        return self._environment.function_environment("ResolveEntity")["SERVICE_ENDS_ON"]

    @property
    def in_window(self) -> int:
        """How many are in the window now."""
        return len(self._watch.window.stays)

    def run(self) -> Iterator[datetime]:
        """Let everything happen, and go from day to day on which something does; yields the time."""
        clock = self._environment.clock
        ahead = list(self._happenings)
        while True:
            today = (clock.now() - BEGINS) // _ONE_DAY
            happens = [happening for happening in ahead if happening.day <= today]
            for happening in happens:
                happening.does()
                ahead.remove(happening)
            clock.advance(_A_MOMENT)
            self._look(today)
            self.says = "; ".join(happening.says for happening in happens) or "WorkMail keeps the mailboxes"
            upcoming = clock.upcoming()
            if not ahead and (upcoming is None or not self._watch.anything_runs):
                self.says = "every execution has ended"
                yield clock.now()
                return
            yield clock.now()
            days = [happening.day for happening in ahead]
            if upcoming is not None:
                days.append(max(today + 1, ceil((upcoming - BEGINS) / _ONE_DAY)))
            clock.move_to(BEGINS + min(days) * _ONE_DAY)

    def to_json(self) -> dict[str, Any]:
        """Return all that has happened."""
        return {
            "Began": BEGINS.isoformat(),
            "ServiceEndsOn": self.service_ends_on,
            "Rows": [ending.to_json() for ending in self.latest],
            "Window": self.window.to_json(),
        }

    def _look(self, today: int) -> None:
        self._watch.look()
        self.latest = [row.ending(self._watch) for row in self.rows if row.day <= today]
        self.window = max(self.window, self._watch.window, key=lambda window: len(window.stays))

    def _start(self, offboardings: tuple[Offboarding, ...]) -> None:
        for offboarding in offboardings:
            if offboarding.events:
                put(offboarding.events, self._environment.client("events"))
            else:
                self._environment.start(offboarding.input)

    def _report(self, burst: Burst) -> None:
        now = self._environment.clock.now()
        events = [okta(f"okta-burst-{number}", login, now) for number, login in enumerate(burst.entity_ids, start=1)]
        put(events, self._environment.client("events"))

    def _decide(self) -> None:
        """Decide on the first two of those who wait, by the list that a person would look at."""
        decisions = (("Approved", "left on Friday, says HR"), ("Rejected", "still works here, says HR"))
        for record, (decision, reason) in zip(self._watch.by_status(AWAITING_APPROVAL), decisions, strict=False):
            self._environment.start(
                {
                    "ExecutionArn": record.execution_arn,
                    "Decision": decision,
                    "DecidedBy": "it.operator",
                    "Reason": reason,
                },
                state_machine_arn=self._environment.outputs[APPROVAL],
            )

    def _restore(self, restore: Restore) -> None:
        self._environment.start(
            {"OrganizationId": ORGANIZATION_ID, "EntityId": restore.entity_id, "Reason": "hired again"},
            state_machine_arn=self._environment.outputs[RESTORE],
        )


def _ending(row: Row, executions: list[Execution], watch: Watch) -> Ending:
    """Return how the one execution of a row stands."""
    if len(executions) > 1:
        return Ending(row.title, row.expected, "STARTED TWICE", f"{len(executions)} executions", {})
    [execution] = executions
    steps = watch.steps(execution)
    record = watch.records.get(execution.arn)
    proof = {"Output": execution.output} if execution.output else {"Cause": execution.cause}
    return Ending(
        title=row.title,
        expected=row.expected,
        status=execution.status,
        outcome=execution.outcome,
        details={
            "Input": execution.input,
            "ExecutionArn": execution.arn,
            **proof,
            **({"Record": record.to_json()} if record else {}),
        },
        state=steps[-1].state if steps else "",
        since=steps[-1].at if steps else None,
        steps=steps,
        faults=tuple(_contradictions(execution, steps, record)),
    )


def _contradictions(execution: Execution, steps: tuple[Step, ...], record: Record | None) -> Iterator[str]:
    """Hold the record of an execution that has ended against it."""
    if execution.running:
        return
    if record is None:
        if any(step.state == "DeregisterEntity" for step in steps):
            yield "There is no record of it."
    elif record.outcome != execution.outcome:
        yield f"Its record says {record.outcome}."


def _nothing(row: Row, details: dict[str, Any] | None = None) -> Ending:
    return Ending(row.title, row.expected, "NONE", NOTHING_STARTED, details or {})


def _by_hand(people: People) -> Iterator[Offboarding]:
    """Make those whom a person offboards."""
    dana = people.user("dana.leaver", 'Dana "DJ" Leaver')
    people.group("project-apollo", (dana,))
    room = people.resource("room-4.12")
    for name in ("petra.planned", "lena.lastday"):
        people.user(name)
    people.user("it.admin", domain=COMPANY_DOMAIN)
    yield Offboarding("a plan: DryRun", people.address("petra.planned"), "Planned", asks={"DryRun": True})
    yield Offboarding("a user, by e-mail address", people.address("dana.leaver"), "CleanupVerified")
    yield Offboarding("a group, by name", "project-apollo", "CleanupVerified")
    yield Offboarding("a resource, by id", room, "CleanupVerified")
    yield Offboarding(f"a user who is restored on day {_RESTORED_ON}", people.address("robin.rehired"), "Reenabled")
    yield Offboarding("somebody who does not exist", people.address("nobody"), "EntityNotFound")
    yield Offboarding("an administrator, whom the settings protect", "it.admin", "EntityProtected")
    yield Offboarding(
        f"a user whose last working day is {_LAST_WORKING_DAY[:10]}",
        people.address("lena.lastday"),
        "ServiceEnded",
        asks={"NotBefore": _LAST_WORKING_DAY},
    )


def _from_providers(people: People) -> Iterator[Offboarding]:
    """Make the people whom the identity providers report, and what they report."""
    for name in ("olivia.okta", "sam.suspended", "henri.hr"):
        people.user(name, domain=COMPANY_DOMAIN)
    ines = people.user("ines.identity", domain=COMPANY_DOMAIN, IdentityProviderUserId=_STORE_USER)
    olivia, sam, henri = (f"{name}@{COMPANY_DOMAIN}" for name in ("olivia.okta", "sam.suspended", "henri.hr"))
    deactivated = okta("okta-1", olivia, BEGINS)
    deleted = okta("okta-2", olivia, BEGINS, "user.lifecycle.delete.initiated")
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
        "Okta suspends a user", sam, NOTHING_STARTED, (okta("okta-3", sam, BEGINS, "user.lifecycle.suspend"),)
    )
    stranger = "someone@elsewhere.example"
    yield Offboarding(
        "Okta deactivates a user of another company", stranger, REFUSED, (okta("okta-4", stranger, BEGINS),)
    )


def _burst(people: People) -> Burst:
    """Make more leavers than the day's cap allows."""
    names = [f"leaver.{number:02}" for number in range(1, _LEAVERS + 1)]
    for name in names:
        people.user(name, domain=COMPANY_DOMAIN)
    return Burst(
        title=f"{_LEAVERS} leavers at once",
        entity_ids=tuple(f"{name}@{COMPANY_DOMAIN}" for name in names),
        expected="20 deregistered, 10 await approval",
        ends={"CleanupVerified": 21, "Rejected": 1, "ApprovalTimedOut": 8},
        messages=1,
        day=_BURST_ON,
    )


def _awaiting(burst: Burst) -> Iterator[Awaiting]:
    yield Awaiting("one of those who wait, approved", burst, "Approved", "CleanupVerified", _DECIDED_ON)
    yield Awaiting("one of those who wait, rejected", burst, "Rejected", "Rejected", _DECIDED_ON)
    yield Awaiting("one on whom nobody decides", burst, None, "ApprovalTimedOut", _DECIDED_ON)


def _restore(people: People) -> Restore:
    """Make the user who comes back, and note what there is to be put back."""
    robin = people.user("robin.rehired", "Robin Rehired")
    people.alias(robin, "robin")
    people.group("support", (robin,))
    return Restore(
        title="a restore, by the address of whom is hired again",
        entity_id=people.address("robin.rehired"),
        expected="Restored",
        before=people.standing(robin),
        reads=lambda: people.standing(robin),
        day=_RESTORED_ON,
    )
