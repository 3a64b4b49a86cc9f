"""Many offboardings that start at one instant and end at one instant: all of them end."""

from collections import Counter
from typing import Any

import pytest

from tests.workflow.conftest import mark_long


@pytest.mark.no_providers
@pytest.mark.parametrize("count", [20, *mark_long(1000)])
def test_all_that_start_at_one_instant_end_at_one_instant(flow: Any, count: int) -> None:
    flow.change_policy(DailyCap=count, HandCap=count)
    entities = [flow.people.create_user(f"user{number}") for number in range(count)]
    arns = [flow.start(entity) for entity in entities]
    flow.pass_days(45)

    assert Counter(flow.read_result(arn).outcome for arn in arns) == {"CleanupVerified": count}
    ends = {flow.environment.describe(arn)["stopDate"] for arn in arns}
    assert len(ends) == 1
