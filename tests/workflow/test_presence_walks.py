"""Random walks of presence on the embedded AWS; see `tests.workflow.presence_walks`.

`make test` runs a few walks, the same each time. `make test-long` runs many, different ones each time.
"""

import sys
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.errors import StopTest
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from local.workmail.behaviour import Behaviour
from tests.workflow.invariants import Monitor
from tests.workflow.presence_walks import CHANNELS, IDENTITY_CENTER, OKTA, REQUESTS, Change, Presence
from tests.workflow.test_random_walks import (
    EARLY_START,
    SharedEnvironment,
    behaviours,
    run_walks,
    seed,  # noqa: F401 (it is a fixture)
)

LONGEST_ACTIVE_TIME = timedelta(days=11)
"""How long people leave and return; the last events are delivered ten days later."""

delays = st.sampled_from(
    [timedelta(), timedelta(), timedelta(), timedelta(seconds=30), timedelta(minutes=7), timedelta(hours=5),
     timedelta(days=1), timedelta(days=4), timedelta(days=10)]
)  # fmt: skip
durations = st.sampled_from(
    [timedelta(seconds=3), timedelta(minutes=2), timedelta(minutes=6), timedelta(hours=8), timedelta(days=1),
     timedelta(days=3)]
)  # fmt: skip
positions = st.sampled_from([0] * 6 + [1] * 4 + list(range(2, 10)))
"""Most of what happens concerns two of the ten people."""
providers = st.sampled_from([OKTA, OKTA, OKTA, IDENTITY_CENTER, IDENTITY_CENTER, IDENTITY_CENTER, REQUESTS])
changes = st.tuples(providers, st.integers(0, 3), delays)
many_changes = st.lists(changes, min_size=2, max_size=6)


class PresenceWalk(RuleBasedStateMachine):
    """The steps of a walk. Each step ends when all work that is due is done."""

    shared: SharedEnvironment

    def __init__(self) -> None:
        super().__init__()
        self.flow = self.shared.flow()
        self.monitor = Monitor(self.flow)
        self.presence = Presence(self.flow)
        self.ends_at = self.flow.clock.now()

    @initialize(
        age=st.sampled_from([timedelta(hours=1), timedelta(days=20)]),
        approval=st.sampled_from([[], [], ["*"], ["person0"]]),
        cap=st.sampled_from([0, 1, 20, 20]),
        behaviour=behaviours,
        drawn=st.lists(st.tuples(positions, many_changes, durations), min_size=2, max_size=3),
    )
    def begin(self, age: timedelta, approval: list[str], cap: int, behaviour: Behaviour, drawn: list[Any]) -> None:
        """Let some people leave and return at once, because many walks are short."""
        self.flow.backend.behaviour = behaviour
        self.presence.advance(age)
        self.change_settings(approval, cap)
        self.ends_at = self.flow.clock.now() + LONGEST_ACTIVE_TIME
        for position, person_changes, gap in drawn:
            self.leave_and_return(position, person_changes, gap)

    @rule(position=positions, drawn=many_changes, gap=durations)
    def leave_and_return(self, position: int, drawn: list[Any], gap: timedelta) -> None:
        """Let one person leave and return at all providers; the events can come in any order."""
        for provider, channel, delay in drawn:
            self._change(position, provider, channel, delay)
            self._pass(gap)

    @rule(position=positions, change=changes)
    def leave_or_return(self, position: int, change: Any) -> None:
        self._change(position, *change)

    @rule(position=positions, provider=providers, channel=st.integers(0, 3), delay=delays)
    def report_again(self, position: int, provider: str, channel: int, delay: timedelta) -> None:
        """Report what is so already: a further event of a departure, or an edit of somebody who is active."""
        person, channels = self.presence.people[position], CHANNELS[provider]
        change = person.changes.get(provider)
        is_departure = change is not None and change.is_departure
        self.presence.advance(timedelta(seconds=2))
        now = self.flow.clock.now().replace(microsecond=0)
        self.presence.report(person, provider, channels[channel % len(channels)], Change(now, is_departure), delay)

    @rule(duration=durations)
    def pass_time(self, duration: timedelta) -> None:
        self._pass(duration)

    @rule(is_paused=st.booleans())
    def pause_queue(self, is_paused: bool) -> None:
        self.presence.intake.set_paused(paused=is_paused)

    @rule(approval=st.sampled_from([[], ["*"], ["person0"]]), cap=st.sampled_from([0, 1, 20]))
    def change_settings(self, approval: list[str], cap: int) -> None:
        self.flow.change_policy(ApprovalRequired=approval, DailyCap=cap)
        self.presence.advance(timedelta(seconds=6))

    @rule(position=st.integers(0, 3), decision=st.sampled_from(["Approved", "Approved", "Rejected", "Withdrawn"]))
    def decide(self, position: int, decision: str) -> None:
        waiting = [*self.flow.list_by_status("AwaitingApproval"), *self.flow.list_by_status("Scheduled")]
        if not waiting:
            return
        record = waiting[position % len(waiting)]
        result = self.flow.decide(record["Id"], decision)
        if result.outcome == "Decided" and decision != "Approved":
            self.presence.keep(record["Entity"]["Id"])

    @rule(position=st.integers(0, 3))
    def restore(self, position: int) -> None:
        window = self.flow.list_by_status("InWindow")
        if window:
            record = window[position % len(window)]
            if self.flow.restore(ExecutionArn=record["Id"]).outcome in {"Restored", "RestoredInPart"}:
                self.presence.keep(record["Entity"]["Id"])

    @rule(position=positions, days=st.sampled_from([None, 2, 6]))
    def start_by_hand(self, position: int, days: int | None) -> None:
        person = self.presence.people[position]
        self.presence.started_by_hand.add(person.entity_id)
        date = {} if days is None else {"NotBefore": (self.flow.clock.now() + timedelta(days=days)).isoformat()}
        self.flow.start(person.entity_id, **date)
        self.flow.clock.settle()

    def teardown(self) -> None:
        """Deliver everything and check the property, unless a step has failed or hypothesis aborts this walk."""
        failure = sys.exc_info()[1]
        if not isinstance(failure, StopTest | None):
            self.monitor.close()
            self.shared.discard()
            return
        violations = self._finish() if failure is None else []
        self._abort()
        self.monitor.close()
        assert not violations, "\n".join(violations)

    def _finish(self) -> list[str]:
        self.presence.settle()
        return [
            *self.presence.find_violations(),
            *self.monitor.find_violations(),
            *self.monitor.find_untold_returns(),
        ]

    def _abort(self) -> None:
        self.presence.intake.set_paused(paused=False)
        for arn in self.monitor.running():
            self.flow.environment.client("stepfunctions").stop_execution(executionArn=arn)
        self.flow.pass_days(1)

    def _change(self, position: int, provider: str, channel: int, delay: timedelta) -> None:
        person, channels = self.presence.people[position], CHANNELS[provider]
        change = person.changes.get(provider)
        is_departure = change is None or not change.is_departure
        self.presence.change(
            person, provider, channels[channel % len(channels)], is_departure=is_departure, delay=delay
        )

    def _pass(self, duration: timedelta) -> None:
        """Advance the clock, but not beyond the time in which people leave and return."""
        self.presence.advance(min(duration, max(self.ends_at - self.flow.clock.now(), timedelta())))


def test_a_few_walks_of_presence_violate_nothing() -> None:
    run_walks(PresenceWalk, SharedEnvironment(EARLY_START), max_examples=2, stateful_step_count=6, derandomize=True)


@pytest.mark.long
@pytest.mark.parametrize("part", range(2))
def test_many_walks_of_presence_violate_nothing(seed: int, part: int) -> None:  # noqa: F811 (it is the fixture)
    run_walks(PresenceWalk, SharedEnvironment(EARLY_START), max_examples=300, seed=seed + part)
