"""The scenario of the demo: offboardings from a plan in November to the end of WorkMail, in a few seconds.

It acts as people and identity providers would, with the APIs that they have: WorkMail to fill the organization,
StartExecution to offboard, to approve and to restore, PutEvents for the identity providers. All results are read from
AWS: see `local.demo.observer`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from local.defaults import COMPANY_DOMAIN, ORGANIZATION_ID
from local.demo.observer import APPROVAL, AWAITING_APPROVAL, RESTORE, Observer, Window
from local.demo.provider_events import (
    make_identity_center_event,
    make_offboarding_request,
    make_okta_event,
    put_events,
)
from local.demo.rows import (
    NOTHING_STARTED,
    ONE_DAY,
    REFUSED,
    STARTS_AT,
    ApprovalRow,
    BurstRow,
    OffboardingRow,
    RestoreRow,
    Row,
    RowResult,
)
from local.environment import Environment
from local.organization import OrganizationBuilder

_STORE_USER_ID = "94482488-3041-7097-2d41-0242ac120002"
_LONGEST_DELIVERY = timedelta(minutes=15)
"""The longest delay of a message by SQS: everything that follows within it belongs to the action."""
_BURST_SIZE = 30
_BURST_DAY, _DECISION_DAY, _RESTORE_DAY, _REGISTRATION_DAY = 2, 3, 12, 30
_LAST_WORKING_DAY = "2027-03-12T17:00:00Z"


@dataclass(frozen=True)
class ScheduledAction:
    """An action of people or identity providers on a day of the demo."""

    day: int
    description: str
    perform: Callable[[], None]


class DemoScenario:
    """The demo's organization, what happens to it, and how it ends.

    Parameters
    ----------
    environment
        An open environment, with the stack deployed, whose clock starts at `STARTS_AT`.

    Attributes
    ----------
    rows
        Everything that has to end as expected, in the order in which it begins.
    headline
        The current action, in a few words.
    largest_window
        The window at the time at which most entities were in it.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        # AWS's documentation leaves open what a deregistration removes: here a restore has something to put back.
        environment.workmail.behaviour = replace(
            environment.workmail.behaviour, aliases_of_deregistered="removed", groups_of_deregistered="removed"
        )
        self._people = OrganizationBuilder(environment.client("workmail"))
        self._observer = Observer(environment)
        offboardings = (*_add_manual_rows(self._people), *_add_provider_rows(self._people))
        burst = _add_burst_row(self._people)
        restore = _add_restore_row(self._people)
        self.rows: tuple[Row, ...] = (*offboardings, burst, *_make_approval_rows(burst), restore)
        self._actions = (
            ScheduledAction(0, "the executions are started", lambda: self._start(offboardings)),
            ScheduledAction(
                _BURST_DAY, f"Okta reports {_BURST_SIZE} leavers at once", lambda: self._report_leavers(burst)
            ),
            ScheduledAction(
                _DECISION_DAY, "an approver approves one of the waiting offboardings and rejects one", self._decide
            ),
            ScheduledAction(_RESTORE_DAY, "Robin is hired again: a restore is started", lambda: self._restore(restore)),
            ScheduledAction(
                _REGISTRATION_DAY,
                "an administrator registers Nora again, as soon as the 30 days are over",
                lambda: self._people.register("nora.new", "nora.new"),
            ),
        )
        self.headline = "the organization is filled"
        self._today = 0
        self.largest_window: Window = self._observer.window

    @property
    def service_ends_on(self) -> str:
        """The day on which WorkMail ends, as the deployed functions are configured."""
        return self._environment.function_environment("ResolveEntity")["SERVICE_ENDS_ON"]

    @property
    def window_size(self) -> int:
        """How many entities are in the window now."""
        return len(self._observer.window.entities)

    def run(self) -> Iterator[datetime]:
        """Perform the actions, and move the clock to each day on which something is due; yield the time."""
        clock = self._environment.clock
        remaining = list(self._actions)
        while True:
            today = (clock.now() - STARTS_AT) // ONE_DAY
            due = [action for action in remaining if action.day <= today]
            for action in due:
                action.perform()
                remaining.remove(action)
            clock.advance(_LONGEST_DELIVERY)
            self._refresh(today)
            self.headline = "; ".join(action.description for action in due) or "WorkMail keeps the mailboxes"
            upcoming = clock.upcoming()
            if not remaining and (upcoming is None or not self._observer.has_running_executions):
                self.headline = "every execution has ended"
                yield clock.now()
                return
            yield clock.now()
            days = [action.day for action in remaining]
            if upcoming is not None:
                days.append(max(today + 1, ceil((upcoming - STARTS_AT) / ONE_DAY)))
            clock.move_to(STARTS_AT + min(days) * ONE_DAY)

    def to_json(self) -> dict[str, Any]:
        """Return all results."""
        return {
            "Began": STARTS_AT.isoformat(),
            "ServiceEndsOn": self.service_ends_on,
            "Rows": [result.to_json() for result in self.read_results()],
            "Window": self.largest_window.to_json(),
        }

    def read_results(self) -> list[RowResult]:
        """Return the state of each row that had begun when `run` last yielded."""
        return [row.read_result(self._observer) for row in self.rows if row.day <= self._today]

    def _refresh(self, today: int) -> None:
        self._today = today
        self._observer.refresh()
        self.largest_window = max(self.largest_window, self._observer.window, key=lambda window: len(window.entities))

    def _start(self, offboardings: tuple[OffboardingRow, ...]) -> None:
        for offboarding in offboardings:
            if offboarding.events:
                put_events(offboarding.events, self._environment.client("events"))
            else:
                self._environment.start(offboarding.input)

    def _report_leavers(self, burst: BurstRow) -> None:
        now = self._environment.clock.now()
        events = [
            make_okta_event(f"okta-burst-{number}", login, now)
            for number, login in enumerate(burst.entity_ids, start=1)
        ]
        put_events(events, self._environment.client("events"))

    def _decide(self) -> None:
        """Decide about the first two of the waiting offboardings, from the list that an approver would read."""
        decisions = (("Approved", "left on Friday, says HR"), ("Rejected", "still works here, says HR"))
        waiting = self._observer.query_by_status(AWAITING_APPROVAL)
        for record, (decision, reason) in zip(waiting, decisions, strict=False):
            self._environment.start(
                {
                    "ExecutionArn": record.execution_arn,
                    "Decision": decision,
                    "DecidedBy": "it.operator",
                    "Reason": reason,
                },
                state_machine_arn=self._environment.outputs[APPROVAL],
            )

    def _restore(self, restore: RestoreRow) -> None:
        self._environment.start(
            {"OrganizationId": ORGANIZATION_ID, "EntityId": restore.entity_id, "Reason": "hired again"},
            state_machine_arn=self._environment.outputs[RESTORE],
        )


def _add_manual_rows(people: OrganizationBuilder) -> Iterator[OffboardingRow]:
    """Create the entities that a person offboards."""
    dana = people.create_user("dana.leaver", 'Dana "DJ" Leaver')
    people.create_group("project-apollo", (dana,))
    room = people.create_resource("room-4.12")
    for name in ("petra.planned", "lena.lastday", "nora.new", "arthur.archived"):
        people.create_user(name)
    people.create_user("it.admin", domain=COMPANY_DOMAIN)
    yield OffboardingRow("a plan: DryRun", people.address("petra.planned"), "Planned", extra_input={"DryRun": True})
    yield OffboardingRow("a user, by e-mail address", people.address("dana.leaver"), "CleanupVerified")
    yield OffboardingRow(
        "a user whose mailbox is exported first",
        people.address("arthur.archived"),
        "CleanupVerified",
        extra_input={"Export": "Required"},
    )
    yield OffboardingRow("a group, by name", "project-apollo", "CleanupVerified")
    yield OffboardingRow("a resource, by id", room, "CleanupVerified")
    yield OffboardingRow(f"a user who is restored on day {_RESTORE_DAY}", people.address("robin.rehired"), "Reenabled")
    yield OffboardingRow(
        f"a user who is registered again on day {_REGISTRATION_DAY}", "nora.new", "ReenabledAfterRetention"
    )
    yield OffboardingRow("a user who does not exist", people.address("nobody"), "EntityNotFound")
    yield OffboardingRow("an administrator, protected by the settings", "it.admin", "EntityProtected")
    yield OffboardingRow(
        f"a user whose last working day is {_LAST_WORKING_DAY[:10]}",
        people.address("lena.lastday"),
        "ServiceEnded",
        extra_input={"NotBefore": _LAST_WORKING_DAY},
    )


def _add_provider_rows(people: OrganizationBuilder) -> Iterator[OffboardingRow]:
    """Create the users that the identity providers report, and their events."""
    for name in ("olivia.okta", "sam.suspended", "henri.hr"):
        people.create_user(name, domain=COMPANY_DOMAIN)
    ines = people.create_user("ines.identity", domain=COMPANY_DOMAIN, IdentityProviderUserId=_STORE_USER_ID)
    olivia, sam, henri = (f"{name}@{COMPANY_DOMAIN}" for name in ("olivia.okta", "sam.suspended", "henri.hr"))
    deactivated = make_okta_event("okta-1", olivia, STARTS_AT)
    deleted = make_okta_event("okta-2", olivia, STARTS_AT, "user.lifecycle.delete.initiated")
    yield OffboardingRow(
        "Okta deactivates a user, and reports it three times",
        olivia,
        "CleanupVerified",
        (deactivated, deactivated, deleted),
    )
    yield OffboardingRow(
        "Identity Center deletes a user", ines, "CleanupVerified", (make_identity_center_event(_STORE_USER_ID),)
    )
    request = make_offboarding_request("hr-417", henri, "hr-system")
    yield OffboardingRow("a script requests an offboarding", henri, "CleanupVerified", (request,))
    suspended = make_okta_event("okta-3", sam, STARTS_AT, "user.lifecycle.suspend")
    yield OffboardingRow("Okta suspends a user", sam, NOTHING_STARTED, (suspended,))
    stranger = "someone@elsewhere.example"
    yield OffboardingRow(
        "Okta deactivates a user of another company",
        stranger,
        REFUSED,
        (make_okta_event("okta-4", stranger, STARTS_AT),),
    )


def _add_burst_row(people: OrganizationBuilder) -> BurstRow:
    """Create more leavers than the daily cap allows."""
    names = [f"leaver.{number:02}" for number in range(1, _BURST_SIZE + 1)]
    for name in names:
        people.create_user(name, domain=COMPANY_DOMAIN)
    return BurstRow(
        title=f"{_BURST_SIZE} leavers at once",
        entity_ids=tuple(f"{name}@{COMPANY_DOMAIN}" for name in names),
        expected="20 deregistered, 10 await approval",
        expected_outcomes={"CleanupVerified": 21, "Rejected": 1, "ApprovalTimedOut": 8},
        expected_messages=1,
        day=_BURST_DAY,
    )


def _make_approval_rows(burst: BurstRow) -> Iterator[ApprovalRow]:
    yield ApprovalRow("a waiting offboarding, approved", burst, "Approved", "CleanupVerified", _DECISION_DAY)
    yield ApprovalRow("a waiting offboarding, rejected", burst, "Rejected", "Rejected", _DECISION_DAY)
    yield ApprovalRow("a waiting offboarding, not decided", burst, None, "ApprovalTimedOut", _DECISION_DAY)


def _add_restore_row(people: OrganizationBuilder) -> RestoreRow:
    """Create the user who comes back, and read the state that a restore must bring back."""
    robin = people.create_user("robin.rehired", "Robin Rehired")
    people.create_alias(robin, "robin")
    people.create_group("support", (robin,))
    return RestoreRow(
        title="a restore, by e-mail address",
        entity_id=people.address("robin.rehired"),
        expected="Restored",
        state_before=people.read_user_state(robin),
        read_state=lambda: people.read_user_state(robin),
        day=_RESTORE_DAY,
    )
