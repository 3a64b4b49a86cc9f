"""`offboarding forget`: a person is erased by the id only, and not while that would lose a mailbox."""

import re

import pytest

from local.defaults import ORGANIZATION_ID
from tests.workflow.operator import Operator

DOMAIN = "example-corp.awsapps.com"


@pytest.mark.no_providers
def test_a_person_is_erased_by_the_id_when_nothing_is_to_be_restored_any_more(operator: Operator) -> None:
    flow = operator.flow
    unresolved = flow.start("dana")
    flow.pass_days(1)
    user = flow.people.create_user("dana")
    flow.people.create_alias(user, "d")
    arn = flow.start("dana")
    flow.pass_days(3)

    assert operator.refuse("forget", "dana", "--yes", user) == (
        f"The execution {arn} offboards this entity. Nothing was deleted. Erase it after that."
    )
    assert operator.refuse("forget", "bob", "--yes", user).startswith("Nothing is recorded of bob.")
    flow.pass_days(40)
    assert operator.refuse("forget", "dana", input="dana\n").endswith(
        f"Nothing was deleted: the id is {user}. Type it, or give it with --yes."
    )
    assert flow.read_record(arn)["Outcome"] == "CleanupVerified"
    output = operator.accept("forget", f"dana@{DOMAIN}", "--requested-by", "privacy office", input=f"{user}\n")
    lines = output.splitlines()

    assert lines[:5] == [
        f"To erase:    dana@{DOMAIN} ({user}), of {ORGANIZATION_ID}",
        f"Names:       dana@{DOMAIN}, dana, d@{DOMAIN}",
        "Executions:  2, with all their steps; the times are in UTC",
        f"  2026-11-23 12:00 CleanupVerified {arn}",
        f"  2026-11-22 12:00 EntityNotFound {unresolved}",
    ]
    assert re.match(r"\d+ items of 2 executions were deleted\.", lines[-1])
    assert flow.read_item(arn, "Record") is None
    assert operator.refuse("forget", "dana", "--yes", user).startswith("Nothing is recorded of dana.")


@pytest.mark.archives
def test_an_archive_that_stays_is_named_before_its_address_is_deleted(operator: Operator) -> None:
    flow = operator.flow
    user = flow.people.create_user("dana")
    archive = flow.run(user).output["Archive"]

    result = operator.run("forget", user, input="\n")

    assert result.exit_code == 1
    assert f"ARCHIVE:     s3://{archive['Bucket']}/{archive['Key']} is not deleted," in result.stdout
