"""The slots for exports: WorkMail never runs more of the stack's exports than there are slots."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from local.cdk.assembly import assembly
from local.defaults import ORGANIZATION_ID
from local.workmail.exports.jobs import RUNNING
from tests.workflow.conftest import ARCHIVE_SETTINGS, Flow, mark_long
from tests.workflow.invariants import Monitor

SLOTS = ARCHIVE_SETTINGS["export"]["slots"]


@pytest.mark.parametrize("late_cancellation", mark_long("cancels", "nothing"))
def test_an_export_that_workmail_does_not_cancel_any_more_keeps_its_slot(
    make_flow: Callable[..., Flow], late_cancellation: str
) -> None:
    flow = make_flow(stack=assembly(ARCHIVE_SETTINGS))
    # Longer than the lease of a slot.
    flow.backend.behaviour = replace(
        flow.backend.behaviour, late_cancellation=late_cancellation, export_minimum_minutes=4000
    )
    users = [flow.people.create_user(f"user{number}") for number in range(SLOTS + 2)]
    with Monitor(flow) as monitor:
        withdrawn = flow.start(users[0])
        flow.clock.settle()
        flow.clock.advance(timedelta(minutes=3800))
        assert flow.decide(withdrawn, "Withdrawn").outcome == "Decided"
        arns = [flow.start(user) for user in users[1:]]
        flow.pass_days(1 / 24)
        jobs = flow.backend.organizations[ORGANIZATION_ID].export_jobs.values()
        running = [job for job in jobs if job.state == RUNNING]
        flow.pass_days(45)

        assert flow.read_result(withdrawn).outcome == "Withdrawn"
        assert len(running) == SLOTS
        assert [flow.read_result(arn).outcome for arn in arns] == ["CleanupVerified"] * len(arns)
        assert monitor.find_final_violations() == []
