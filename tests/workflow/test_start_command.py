"""`offboarding plan` and `offboarding start`: what was confirmed is what is disabled."""

import json
import sys
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from tests.workflow.conftest import CHANGED_SETTINGS, OTHER_ORGANIZATION
from tests.workflow.operator import Operator

pytestmark = pytest.mark.no_providers
ADDRESS = "dana@example-corp.awsapps.com"


def create_leaver(operator: Operator) -> tuple[str, str]:
    """Create somebody with an alias, groups and an assistant; return both ids."""
    people = operator.flow.people
    user, assistant = people.create_user("dana"), people.create_user("assistant")
    people.create_alias(user, "d")
    people.create_group("crew", (user, assistant))
    people.create_group("archive", (user,))
    operator.flow.workmail.put_mailbox_permissions(
        OrganizationId=ORGANIZATION_ID, EntityId=user, GranteeId=assistant, PermissionValues=["SEND_AS"]
    )
    return user, assistant


def list_inputs(operator: Operator) -> list[dict[str, Any]]:
    """Return the inputs of all offboardings, plans included, the newest first."""
    environment = operator.flow.environment
    answer = environment.client("stepfunctions").list_executions(stateMachineArn=environment.state_machine_arn)
    return [json.loads(environment.describe(item["executionArn"])["input"]) for item in answer["executions"]]


def test_a_plan_is_told_in_words_and_an_offboarding_is_about_the_very_entity_of_the_plan(operator: Operator) -> None:
    flow = operator.flow
    user, assistant = create_leaver(operator)
    label = f"{ADDRESS} (user, name dana, {user})"
    lines = [
        f"Entity:      {label}",
        f"In:          example-corp, {ORGANIZATION_ID}",
        "Plan:        It would deregister the entity.",
        "Date:        2026-11-22 12:00, when it is deregistered at the earliest",
        "Last return: 2026-12-22 12:00, then WorkMail removes the mailbox",
        "Verified:    2026-12-22 18:00, when the clean-up is verified",
        "             The times are in UTC.",
        "Aliases:     d@example-corp.awsapps.com: mail to them bounces",
        "Groups:      crew, archive: it leaves them",
        "Deserted:    archive: mail to them reaches nobody any more",
        f"Shared with: user {assistant} (send as)",
    ]

    assert operator.accept("plan", "dana").splitlines() == lines
    assert json.loads(operator.accept("plan", "dana", "--json"))["Entity"]["Id"] == user
    assert operator.refuse("start", "dana", input="n\n") == f"Offboard {label}? [y/N] Nothing was changed."
    assert "EntityMismatch" in operator.refuse("start", "dana", "--expect-name", "Bob", "--yes")
    placeholder = operator.run("start", "dana", "--reason", "…", "--yes")
    assert (placeholder.exit_code, "Put the reason there" in placeholder.stderr) == (2, True)
    assert "no user, group or resource" in operator.refuse("start", "bob", "--yes").lower()
    assert flow.list_calls("DeregisterFromWorkMail") == []
    output = operator.accept("start", "dana", "--reason", "left", input="y\n").splitlines()

    assert output[:-6] == lines
    assert output[-6].startswith("Started:     arn:aws:states:us-east-1:123456789012:execution:workmail-offboarding:")
    # A second has passed if the command had to look twice.
    assert output[-4] in {
        f"The mailbox can be given back until 2026-12-22 12:00 ({days} days left)." for days in (29, 30)
    }
    assert [output[-5], *output[-3:]] == [
        "The mailbox is disabled since 2026-11-22 12:00.",
        "The clean-up is verified at 2026-12-22 18:00.",
        "The times are in UTC.",
        f"Look again:  offboarding show {user}",
    ]
    request = list_inputs(operator)[0]
    assert request.pop("RequestedBy")
    assert request == {
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": user,
        "Expected": {"Type": "USER", "Name": "dana", "Email": ADDRESS},
        "Reason": "left",
    }
    arn = output[-6].split()[1]
    assert operator.refuse("plan", "dana") == (
        f"An offboarding of {label} would be refused. See it with: offboarding show {user}. To change its date "
        f"while it waits: offboarding withdraw {user}, then start again."
    )
    output = operator.run("start", arn, "--yes").output
    assert output.count("offboards this entity. (AlreadyInProgress)") == 1
    assert output.endswith("then start again.\n")


def test_nobody_is_disabled_if_the_address_belongs_to_somebody_else_by_the_time_of_the_answer(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = operator.flow
    user = flow.people.create_user("dana")
    heir = flow.people.create_user("heir")

    class Answer:
        """A person who takes long to answer."""

        def readline(self) -> str:
            organization = {"OrganizationId": ORGANIZATION_ID}
            former = "dana.old@example-corp.awsapps.com"
            flow.workmail.update_primary_email_address(**organization, EntityId=user, Email=former)
            flow.workmail.delete_alias(**organization, EntityId=user, Alias=ADDRESS)
            flow.workmail.update_primary_email_address(**organization, EntityId=heir, Email=ADDRESS)
            return "y\n"

    monkeypatch.setattr("operate.terminal.sys", type("System", (), {"stdin": Answer(), "stdout": sys.stdout}))
    refusal = operator.refuse("start", ADDRESS)

    assert refusal.startswith(f"EntityMismatch: The mailbox was not touched. The input means the USER {user}, which")
    assert flow.list_calls("DeregisterFromWorkMail") == []
    assert [flow.read_workmail_state(entity)["State"] for entity in (user, heir)] == ["ENABLED", "ENABLED"]


def test_a_date_alone_is_midnight_in_utc_and_an_approval_is_waited_for(operator: Operator) -> None:
    flow = operator.flow
    flow.people.create_user("dana")
    vip = flow.people.create_user("vip")
    flow.change_policy(ApprovalRequired=["vip"])

    output = operator.accept("start", "dana", "--not-before", "2026-12-31", "--requested-by", "helpdesk", "--yes")

    assert "Date:        2026-12-31 00:00, when it is deregistered at the earliest\n" in output
    assert "It waits until 2026-12-31 00:00. Then everything is checked again, and the mailbox is disabled." in output
    assert list_inputs(operator)[0]["NotBefore"] == "2026-12-31T00:00:00Z"
    assert list_inputs(operator)[0]["RequestedBy"] == "helpdesk"
    output = operator.accept("start", vip, "--yes")
    assert "Approval:    A person has to approve it. " in output
    assert "\nIt waits for an approval until 2026-12-06 12:" in output
    assert operator.run("plan", "dana", "--not-before", "tomorrow").exit_code == 2


def test_what_was_never_registered_is_not_offboarded(operator: Operator) -> None:
    user = operator.flow.workmail.create_user(OrganizationId=ORGANIZATION_ID, Name="new", DisplayName="New")["UserId"]

    assert operator.refuse("start", "new", "--yes") == (
        f"Nothing was started: new (user, {user}) was never registered to WorkMail."
    )


@pytest.mark.long
def test_of_several_organizations_none_is_guessed(make_operator: Any) -> None:
    operator = make_operator(settings=CHANGED_SETTINGS)
    user = operator.flow.people.create_user("dana")

    refusal = operator.refuse("plan", "dana")

    assert refusal == (
        "The stack has 2 organizations, and dana has no mail domain. Give --organization with one of: "
        f"{OTHER_ORGANIZATION}, {ORGANIZATION_ID}."
    )
    assert "none of them alone has the mail domain example.org" in operator.refuse("plan", "dana@example.org")
    assert user in operator.accept("plan", ADDRESS)
    assert user in operator.accept("plan", "dana", "--organization", ORGANIZATION_ID)
