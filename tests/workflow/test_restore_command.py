"""`offboarding restore`: whom it is about and what it puts back, and why it does not."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from tests.workflow.operator import Operator

pytestmark = pytest.mark.no_providers
DOMAIN = "example-corp.awsapps.com"


def create_leaver(flow: Any, name: str = "dana") -> str:
    user: str = flow.people.create_user(name)
    flow.people.create_alias(user, f"{name}.alias")
    flow.people.create_group(f"team-{name}", (user,))
    return user


def test_a_leaver_in_the_window_is_restored_as_recorded(operator: Operator) -> None:
    flow = operator.flow
    user = create_leaver(flow)
    state = flow.read_workmail_state(user)
    arn = flow.start(user, NotBefore="2026-11-23T12:00:00Z")

    assert operator.refuse("restore", "dana", "--yes") == (
        f"dana@{DOMAIN} ({user}) is not disabled, and waits only. Take it back with: offboarding withdraw dana "
        "--reason …"
    )
    assert operator.refuse("restore", "nobody", "--yes").startswith("Nothing is recorded of nobody.")
    flow.pass_days(5)
    assert operator.refuse("restore", f"dana.alias@{DOMAIN}", "--yes").startswith(f"dana.alias@{DOMAIN} is only an")
    assert operator.refuse("restore", "dana", input="n\n").endswith("? [y/N] Nothing was changed.")
    assert flow.read_workmail_state(user)["State"] == "DISABLED"
    lines = operator.accept("restore", f"DANA@{DOMAIN}", "--reason", "comes back", input="y\n").splitlines()

    assert lines == [
        f"To restore:  dana@{DOMAIN} ({user}), user of {ORGANIZATION_ID}",
        "Name:        dana",
        "Disabled:    2026-11-23 12:00, in UTC",
        "Until:       2026-12-23 12:00, in UTC",
        f"Address:     dana@{DOMAIN}",
        f"Aliases:     dana.alias@{DOMAIN}",
        "Groups:      team-dana",
        "Restored: The entity is as it was recorded: registered, with its address, its aliases and its groups.",
    ]
    assert flow.read_workmail_state(user) == state
    [step] = [step for step in flow.read_steps(arn) if step["Step"] == "RegisterEntity"]
    assert step["Reason"] == "comes back"
    assert operator.refuse("restore", arn, "--yes") == (
        f"dana@{DOMAIN} ({user}) was restored at 2026-11-27 12:00, in UTC."
    )


def test_what_a_restore_could_not_put_back_is_listed(operator: Operator) -> None:
    flow = operator.flow
    user = create_leaver(flow)
    flow.backend.behaviour = replace(flow.backend.behaviour, aliases_of_deregistered="removed")
    flow.run(user, days=1)
    heir = flow.people.create_user("heir")
    flow.people.create_alias(heir, "dana.alias")

    result = operator.run("restore", user, "--yes")

    assert result.exit_code == 1
    assert f"Missing:     alias dana.alias@{DOMAIN}. It belongs to the USER {heir} now.\n" in result.stdout
    assert result.stderr.endswith("\nThe restore is not complete. Put back by hand what is missing.\n")
    assert flow.read_workmail_state(user)["State"] == "ENABLED"


def test_of_two_people_with_one_address_none_is_guessed(operator: Operator) -> None:
    flow = operator.flow
    organization = {"OrganizationId": ORGANIZATION_ID}
    former, latter = create_leaver(flow), flow.people.create_user("other")
    flow.run(former, days=1)
    flow.backend.organizations[ORGANIZATION_ID].entities[former].email = None
    flow.workmail.update_primary_email_address(**organization, EntityId=latter, Email=f"dana@{DOMAIN}")
    flow.run(latter, days=1)

    result = operator.run("restore", f"dana@{DOMAIN}", "--yes")

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"dana@{DOMAIN} means 2 entities. Give the id of one of them:",
        *(f"  dana@{DOMAIN} ({user}) of {ORGANIZATION_ID}" for user in sorted((former, latter))),
    ]
    assert {flow.read_workmail_state(user)["State"] for user in (former, latter)} == {"DISABLED"}


def test_a_restore_names_who_else_had_the_address(operator: Operator) -> None:
    flow = operator.flow
    organization = {"OrganizationId": ORGANIZATION_ID}
    former, heir = create_leaver(flow), flow.people.create_user("heir")
    arn = flow.start(former, NotBefore="2026-11-23T12:00:00Z")
    flow.clock.settle()
    operator.accept("withdraw", arn, "--reason", "stays", "--yes")
    flow.process_status_events()
    flow.workmail.update_primary_email_address(**organization, EntityId=former, Email=f"former@{DOMAIN}")
    flow.workmail.delete_alias(**organization, EntityId=former, Alias=f"dana@{DOMAIN}")
    flow.workmail.update_primary_email_address(**organization, EntityId=heir, Email=f"dana@{DOMAIN}")
    flow.run(heir, days=1)

    result = operator.run("restore", f"dana@{DOMAIN}", input="n\n")

    assert result.exit_code == 1
    assert f"To restore:  dana@{DOMAIN} ({heir}), user of" in result.stdout
    assert f"Not meant:   dana@{DOMAIN} ({former}), who has or had the same address or name\n" in result.stdout


def test_nobody_is_restored_after_the_retention(operator: Operator) -> None:
    flow = operator.flow
    user, group = create_leaver(flow), flow.people.create_group("crew", (flow.people.create_user("bob"),))
    flow.clear_calls()
    flow.start(user)
    flow.start(group)
    flow.pass_days(30)
    flow.clock.advance(timedelta(hours=1))

    assert operator.refuse("restore", user, "--yes") == (
        f"dana@{DOMAIN} ({user}) cannot be restored: that was possible until 2026-12-22 12:00, UTC."
    )
    flow.pass_days(2)
    assert operator.refuse("restore", "crew", "--yes") == (
        f"crew@{DOMAIN} ({group}) cannot be restored: the offboarding ended as CleanupVerified."
    )
    assert flow.list_calls("RegisterToWorkMail") == []


def test_show_offers_no_restore_of_somebody_who_was_deleted(operator: Operator) -> None:
    flow = operator.flow
    user = flow.people.create_user("dana")
    flow.start(user)
    flow.pass_days(1)
    assert f"offboarding restore {user} " in operator.accept("show", "dana")

    flow.delete_user(user)

    assert "offboarding restore" not in operator.accept("show", "dana")
