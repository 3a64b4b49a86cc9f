"""The scenario of the demo: offboardings from a plan in November to the end of WorkMail, in a few seconds.

It acts as people and identity providers would, with the APIs that they have: WorkMail to fill the organization,
StartExecution to offboard, to approve and to restore, PutEvents for the identity providers. All results are read from
AWS: see `local.demo.observer`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import groupby
from math import ceil
from typing import Any

from local.defaults import ORGANIZATION_ID
from local.demo.cast import REGISTRATION_DAY, RESTORE_DAY, create_cast
from local.demo.observer import APPROVAL, AWAITING_APPROVAL, RESTORE, Observer, RecordSummary, Window
from local.demo.outcomes import OutcomeSummary, summarize_outcomes
from local.demo.provider_events import make_okta_event, put_events
from local.demo.rows import ONE_DAY, STARTS_AT, OffboardingRow, Row, RowResult, contains, matches
from local.demo.story import Narrator, StoryLine
from local.environment import Environment
from local.organization import OrganizationBuilder

_LONGEST_DELIVERY = timedelta(minutes=15)
"""The longest delay of a message by SQS: everything that follows within it belongs to the action."""
_BURST_DAY, _DECISION_DAY = 2, 3


@dataclass(frozen=True)
class ScheduledAction:
    """An action of people or identity providers on a day of the demo, and the rows that begin with it."""

    day: int
    rows: tuple[Row, ...]
    perform: Callable[[], None]


class DemoScenario:
    """The demo's organization, what happens to it, and how it ends.

    Parameters
    ----------
    environment
        An open environment, with the stack deployed, whose clock starts at `STARTS_AT`.

    Attributes
    ----------
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
        self._narrator = Narrator()
        self._cast = create_cast(self._people)
        self._rows: list[Row] = []
        self.largest_window = Window(environment.clock.now(), ())

    @property
    def service_ends_on(self) -> str:
        """The day on which WorkMail ends, as the deployed functions are configured."""
        return self._environment.function_environment("ResolveEntity")["SERVICE_ENDS_ON"]

    @property
    def retention_days(self) -> int:
        """How many days WorkMail keeps a mailbox, as the deployed functions are configured."""
        return int(self._environment.function_environment("DeregisterEntity")["RETENTION_DAYS"])

    def run(self) -> Iterator[StoryLine]:
        """Perform the actions, and move the clock to each day on which something is due; yield what happens."""
        clock = self._environment.clock
        remaining = list(self._list_actions())
        while True:
            today = (clock.now() - STARTS_AT) // ONE_DAY
            yield from self._narrate()
            if not remaining and not self._observer.has_running_executions:
                return
            for action in [action for action in remaining if action.day <= today]:
                action.perform()
                self._rows += action.rows
                remaining.remove(action)
                clock.settle()
                yield from self._narrate()
            clock.advance(_LONGEST_DELIVERY)
            upcoming = clock.upcoming()
            days = [action.day for action in remaining]
            if upcoming is not None:
                days.append(max(today + 1, ceil((upcoming - STARTS_AT) / ONE_DAY)))
            if not days:
                return
            clock.move_to(STARTS_AT + min(days) * ONE_DAY)

    def to_json(self) -> dict[str, Any]:
        """Return the story and all results."""
        return {
            "Began": STARTS_AT.isoformat(),
            "ServiceEndsOn": self.service_ends_on,
            "Story": [line.to_json() for line in self._narrator.lines],
            "Outcomes": [summary.to_json() for summary in self.summarize_outcomes()],
            "Rows": [result.to_json() for result in self.read_results()],
            "Window": self.largest_window.to_json(),
        }

    def read_results(self) -> list[RowResult]:
        """Return the result of each row that has begun, as it was when `run` last yielded."""
        return [row.read_result(self._observer) for row in self._rows]

    def select_results(self, words: str) -> list[RowResult]:
        """Return the results whose title, entity or outcome has these words."""
        pairs = zip(self._rows, self.read_results(), strict=True)
        return [result for row, result in pairs if matches(row, words) or contains(result.outcome, words)]

    def summarize_outcomes(self) -> list[OutcomeSummary]:
        """Return how often everything has ended in which way."""
        return summarize_outcomes(self._rows, self._observer)

    def _narrate(self) -> list[StoryLine]:
        self._observer.refresh()
        if self._observer.window_size > len(self.largest_window.entities):
            self.largest_window = self._observer.read_window()
        return self._narrator.tell(self._rows, self._observer)

    def _list_actions(self) -> Iterator[ScheduledAction]:
        cast = self._cast
        for _, group in groupby(cast.offboardings, key=lambda row: row.action):
            rows = tuple(group)
            yield ScheduledAction(0, rows, partial(self._start, rows))
        yield ScheduledAction(_BURST_DAY, (cast.burst,), self._report_leavers)
        yield ScheduledAction(_DECISION_DAY, (), partial(self._decide_doubt, "somebody else left"))
        yield ScheduledAction(
            _DECISION_DAY, (cast.approved,), partial(self._decide_burst, "Approved", "left on Friday, says HR")
        )
        yield ScheduledAction(
            _DECISION_DAY, (cast.rejected,), partial(self._decide_burst, "Rejected", "still works here, says HR")
        )
        yield ScheduledAction(_DECISION_DAY, (cast.withdrawn, cast.undecided), self._withdraw)
        yield ScheduledAction(RESTORE_DAY, (cast.returned,), self._report_return)
        yield ScheduledAction(RESTORE_DAY, (cast.restored,), self._restore)
        yield ScheduledAction(
            REGISTRATION_DAY, (cast.registered,), lambda: self._people.register("nora.new", "nora.new")
        )

    def _start(self, offboardings: tuple[OffboardingRow, ...]) -> None:
        for offboarding in offboardings:
            if offboarding.events:
                put_events(offboarding.events, self._environment.client("events"))
            else:
                self._environment.start(offboarding.input)

    def _report_leavers(self) -> None:
        now = self._environment.clock.now()
        events = [
            make_okta_event(f"okta-burst-{number}", login, now)
            for number, login in enumerate(self._cast.burst.entity_ids, start=1)
        ]
        put_events(events, self._environment.client("events"))

    def _list_waiting(self) -> Iterator[RecordSummary]:
        """Return the waiting offboardings of the burst, from the list that an approver would read."""
        arns = {execution.arn for execution in self._cast.burst.find_executions(self._observer)}
        waiting = self._observer.query_by_status(AWAITING_APPROVAL)
        return (record for record in waiting if record.execution_arn in arns and not record.decision)

    def _decide_burst(self, decision: str, reason: str) -> None:
        record = next(self._list_waiting(), None)
        if record:
            self._decide(record.execution_arn, decision, reason)

    def _decide_doubt(self, reason: str) -> None:
        for execution in self._observer.find_executions(self._cast.doubtful.entity_id):
            self._decide(execution.arn, "Rejected", reason)

    def _decide(self, execution_arn: str, decision: str, reason: str) -> None:
        self._environment.start(
            {"ExecutionArn": execution_arn, "Decision": decision, "DecidedBy": "it.operator", "Reason": reason},
            state_machine_arn=self._environment.outputs[APPROVAL],
        )

    def _withdraw(self) -> None:
        """Activate the user of a waiting offboarding again, before anything has happened."""
        record = next(self._list_waiting(), None)
        for login in self._cast.burst.entity_ids:
            arns = [execution.arn for execution in self._observer.find_executions(login)]
            if record and record.execution_arn in arns:
                self._activate("okta-activated-1", login)

    def _report_return(self) -> None:
        self._activate("okta-activated-2", self._cast.returned.entity_id)

    def _activate(self, uuid: str, login: str) -> None:
        """Have Okta report that a user is active again, under the id by which it reported the departure."""
        for execution in self._observer.find_executions(login):
            user_id = execution.input["Requester"]["ProviderUserId"]
            now = self._environment.clock.now()
            event = make_okta_event(uuid, login, now, "user.lifecycle.activate", user_id=user_id)
            put_events([event], self._environment.client("events"))

    def _restore(self) -> None:
        self._environment.start(
            {"OrganizationId": ORGANIZATION_ID, "EntityId": self._cast.restored.entity_id, "Reason": "hired again"},
            state_machine_arn=self._environment.outputs[RESTORE],
        )
