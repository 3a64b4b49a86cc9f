"""`offboarding retry`: the same input again, about the same entity, and only after a failure."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.defaults import ORGANIZATION_ID
from operate.account import Account
from tests.workflow.operator import Operator

pytestmark = pytest.mark.no_providers
DOMAIN = "example-corp.awsapps.com"


def read_input(operator: Operator, output: str) -> dict[str, Any]:
    """Return the input of the execution that a command has started."""
    [arn] = [line.split()[1] for line in output.splitlines() if line.startswith("Started: ")]
    request: dict[str, Any] = json.loads(operator.flow.environment.describe(arn)["input"])
    return request


def test_an_offboarding_that_was_stopped_is_started_again_by_the_recorded_id(operator: Operator) -> None:
    flow = operator.flow
    user = flow.people.create_user("dana")
    arn = flow.start("dana", NotBefore="2026-11-23T12:00:00Z", Reason="left", RequestedBy="hr")
    flow.clock.settle()

    assert operator.refuse("retry", "dana", "--yes") == (
        f"Nothing was started: the last offboarding is Scheduled, and not over: {arn}."
    )
    flow.stop(arn)
    flow.pass_days(2)
    assert operator.refuse("retry", "dana", input="n\n").endswith("again? [y/N] Nothing was changed.")
    output = operator.accept("retry", f"dana@{DOMAIN}", input="y\n")

    assert output.splitlines()[:5] == [
        f"Execution:   {arn}",
        f"Entity:      dana@{DOMAIN} ({user}), of {ORGANIZATION_ID}",
        "Ended as:    Stopped. mistake",
        "Mailbox:     It was not touched, as far as this execution knows.",
        "Date:        2026-11-23T12:00:00Z has passed, and is left out.",
    ]
    assert "The mailbox is disabled since 2026-11-24 12:0" in output
    assert read_input(operator, output) == {
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": user,
        "Reason": "Again, for hr: left",
        "RequestedBy": Account().caller,
        "Expected": {"Type": "USER", "Name": "dana", "Email": f"dana@{DOMAIN}"},
    }
    refusal = operator.refuse("retry", arn, "--yes")
    assert refusal.startswith("Nothing was started: another offboarding is InWindow: arn:aws:states:")
    assert operator.refuse("retry", "dana", "--yes").startswith("Nothing was started: the last offboarding is InWindow")
    flow.pass_days(32)
    assert operator.refuse("retry", "dana", "--yes").startswith(
        "Nothing was started: the last offboarding has ended as CleanupVerified: "
    )


def test_an_execution_that_step_functions_has_forgotten_is_started_again_from_its_record(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = operator.flow
    user = flow.people.create_user("dana")
    arn = flow.start("dana", NotBefore="2026-12-24T12:00:00Z")
    flow.clock.settle()
    flow.stop(arn)
    client = flow.environment.client("stepfunctions")
    describe_execution = client.describe_execution

    def describe(**request: str) -> Any:
        if request["executionArn"] == arn:
            raise ClientError({"Error": {"Code": "ExecutionDoesNotExist"}}, "DescribeExecution")
        return describe_execution(**request)

    monkeypatch.setattr(client, "describe_execution", describe)
    output = operator.accept("retry", "dana", "--yes")

    assert "Input:       Step Functions has forgotten the execution; the input is that of the record.\n" in output
    assert "It waits until 2026-12-24 12:00." in output
    monkeypatch.undo()
    request = read_input(operator, output)
    assert (request["EntityId"], request["NotBefore"]) == (user, "2026-12-24T12:00:00.000Z")


def test_somebody_who_was_restored_is_not_offboarded_again_by_a_retry(operator: Operator) -> None:
    flow = operator.flow
    user = flow.people.create_user("dana")
    arn = flow.start("dana")
    flow.clock.settle()
    flow.stop(arn)
    operator.accept("restore", "dana", "--yes")

    for text in ("dana", arn):
        assert operator.refuse("retry", text, "--yes").startswith(
            f"Nothing was started: dana@{DOMAIN} ({user}) was restored at 2026-11-22 12:0"
        )
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert "The mailbox was disabled, and a restore has given it back." in operator.accept("show", "dana")


def test_a_retry_that_ends_at_once_without_a_failure_is_no_refusal(operator: Operator) -> None:
    flow = operator.flow
    user = flow.people.create_user("dana")
    arn = flow.start(user)
    flow.clock.settle()
    flow.stop(arn)
    flow.process_status_events()
    flow.pass_days(31)

    output = operator.accept("retry", arn, "--yes", "--requested-by", "erin")

    assert "CleanupVerified" in output
    assert read_input(operator, output)["RequestedBy"] == "erin"


def test_a_name_that_nobody_had_is_tried_again_for_whom_a_plan_shows(operator: Operator) -> None:
    flow = operator.flow
    flow.run("dana", days=1)
    assert operator.refuse("retry", "nobody", "--yes").startswith("No offboarding is recorded of nobody.")
    assert operator.refuse("retry", "dana", "--yes").startswith(
        "There is no plan, and nothing was changed. EntityNotFound: The mailbox was not touched."
    )
    flow.process_status_events()
    user = flow.people.create_user("dana")
    label = f"dana@{DOMAIN} (user, name dana, {user})"

    assert operator.refuse("retry", "dana", input="n\n").endswith(f"{label} again? [y/N] Nothing was changed.")
    output = operator.accept("retry", "dana", "--yes")

    assert f"Entity:      dana, of {ORGANIZATION_ID}\nEnded as:    EntityNotFound. " in output
    assert f"Entity:      {label}\n" in output
    request = read_input(operator, output)
    assert request["EntityId"] == user
    assert request["Expected"] == {"Type": "USER", "Name": "dana", "Email": f"dana@{DOMAIN}"}


def test_nobody_is_disabled_who_is_somebody_else_by_now(operator: Operator) -> None:
    flow = operator.flow
    user = flow.people.create_user("dana")
    arn = flow.start("dana", NotBefore="2026-12-24T12:00:00Z")
    flow.clock.settle()
    flow.stop(arn)
    organization = {"OrganizationId": ORGANIZATION_ID}
    flow.workmail.update_primary_email_address(**organization, EntityId=user, Email=f"new@{DOMAIN}")

    assert operator.refuse("retry", "dana", "--yes").startswith(
        "There is no plan, and nothing was changed. EntityMismatch: The mailbox was not touched."
    )
    flow.run(user, NotBefore="2026-12-24T12:00:00Z", days=1)
    flow.stop(operator.flow.read_item(f"{ORGANIZATION_ID}/{user}", "Lock")["ExecutionArn"])
    assert operator.refuse("retry", f"dana@{DOMAIN}", "--yes") == (
        f"dana@{DOMAIN} was recorded of new@{DOMAIN} ({user}). Give the id if you mean that."
    )
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_a_mailbox_that_somebody_has_registered_again_by_hand_is_not_disabled_by_a_retry(operator: Operator) -> None:
    flow = operator.flow
    user = flow.people.create_user("dana")
    arn = flow.start("dana")
    flow.pass_days(1)
    flow.stop(arn)
    flow.process_status_events()
    flow.people.register(user, "dana")

    refusal = operator.refuse("retry", "dana", "--yes")

    assert "somebody has registered dana@example-corp.awsapps.com" in refusal
    assert refusal.endswith(f"If it is to be offboarded all the same: offboarding start {user}")
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
