"""Many offboardings wake in one second, while AWS does only so much at once: none is lost."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from local.aws.quotas import QuotaSettings
from local.defaults import ORGANIZATION_ID
from tests.workflow.conftest import START, mark_long

WAKES_AT = START + timedelta(days=3)


@pytest.mark.no_providers
@pytest.mark.parametrize(("count", "concurrency"), [(6, 1), *mark_long((500, 10))])
def test_no_offboarding_is_lost_if_many_wake_in_one_second(flow: Any, count: int, concurrency: int) -> None:
    # Each takes a slot, so that they also compete for these.
    flow.change_policy(HandCap=count)
    entities = [flow.people.create_user(f"user{number}") for number in range(count)]
    arns = [flow.start(entity, NotBefore=WAKES_AT.isoformat()) for entity in entities]
    flow.clock.settle()

    flow.environment.quotas.settings = QuotaSettings(
        lambda_concurrency=concurrency,
        invocation_seconds=1,
        get_parameter_per_second=40,
        describe_execution_per_second=15,
    )
    flow.clock.move_to(WAKES_AT + timedelta(hours=3))

    assert flow.environment.quotas.refusals["Invoke"] > 0
    organization = flow.backend.organizations[ORGANIZATION_ID]
    assert Counter(organization.entities[entity].state for entity in entities) == {"DISABLED": count}
    flow.pass_days(35)
    flow.environment.quotas.settings = QuotaSettings()
    results = [flow.read_result(arn) for arn in arns]
    assert Counter((result.outcome, result.cause) for result in results) == {("CleanupVerified", ""): count}
    assert {flow.read_record(arn)["Status"] for arn in arns} == {"Ended"}
