"""Doubts: an event that may be about somebody else waits for a person, whom the reason is told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.defaults import COMPANY_DOMAIN
from tests.workflow.conftest import Flow
from tests.workflow.test_identity_events import Intake, build_okta_event

ADDRESS = f"jon.miller@{COMPANY_DOMAIN}"


@pytest.fixture
def intake(make_flow: Callable[..., Flow], stack: Any) -> Intake:
    return Intake(make_flow(stack=stack))


def report(intake: Intake, provider_user: str = "00uOLD", name: str = "Jon Miller", **more: Any) -> None:
    """Send Okta's event that a user was deactivated."""
    event = build_okta_event(ADDRESS, published=intake.flow.clock.now().isoformat(), **more)
    event["detail"]["target"][0] |= {"id": provider_user, "displayName": name}
    intake.put_events(event)


def read_reasons(intake: Intake) -> list[str]:
    """Return the reasons for which the only offboarding that waits needs an approval."""
    [record] = intake.flow.list_by_status("AwaitingApproval")
    return list(record["ApprovalReasons"])


def create(intake: Intake, display_name: str = "Jon Miller") -> str:
    user = intake.flow.people.create_user("jon.miller", display_name, domain=COMPANY_DOMAIN)
    intake.flow.clock.advance(timedelta(minutes=30))
    return user


def test_a_new_hire_with_the_address_of_a_former_employee_is_not_disabled_by_an_event_about_that_one(
    intake: Intake,
) -> None:
    flow = intake.flow
    former = create(intake)
    report(intake, uuid="u-1")
    flow.pass_days(31)
    flow.delete_user(former)
    successor = create(intake)

    report(intake, uuid="u-2")

    assert flow.read_workmail_state(successor)["State"] == "ENABLED"
    [reason] = read_reasons(intake)
    assert reason.startswith("The identity provider's user stood for another entity before")
    assert "jon" not in reason.casefold()

    [arn] = [record["Id"] for record in flow.list_by_status("AwaitingApproval")]
    assert flow.decide(arn).outcome == "Decided"
    assert flow.read_workmail_state(successor)["State"] == "DISABLED", "a person knew better"


def test_a_second_user_of_a_provider_for_one_entity_is_a_doubt(intake: Intake) -> None:
    flow = intake.flow
    user = create(intake)
    report(intake, uuid="u-1")
    flow.pass_days(2)
    flow.people.register(user, "jon.miller", COMPANY_DOMAIN)
    flow.clock.advance(timedelta(minutes=30))

    report(intake, "00uNEW", uuid="u-2")

    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert read_reasons(intake)[0].startswith("The identity provider's user stood for another entity before")


def test_a_rejected_doubt_stays_a_doubt(intake: Intake) -> None:
    flow = intake.flow
    former = create(intake)
    report(intake, uuid="u-1")
    flow.pass_days(31)
    flow.delete_user(former)
    create(intake)
    for number in (2, 3):
        report(intake, uuid=f"u-{number}")
        [record] = flow.list_by_status("AwaitingApproval")
        flow.decide(record["Id"], "Rejected")
        flow.process_status_events()
        flow.pass_days(1)

    assert len(flow.list_calls("DeregisterFromWorkMail")) == 1


def test_different_names_are_a_doubt_and_neither_is_stored_or_logged(intake: Intake) -> None:
    flow = intake.flow
    user = create(intake, "Ada Lovelace")

    report(intake, name="Grace Hopper")

    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    assert "display name" in read_reasons(intake)[0]
    table = flow.environment.client("dynamodb").scan(TableName=flow.table_name)["Items"]
    texts = [*flow.environment.all_logs(), *map(str, table)]
    assert not [text for text in texts if "Lovelace" in text or "Hopper" in text]


def test_an_event_that_is_read_late_is_a_doubt(intake: Intake) -> None:
    flow = intake.flow
    create(intake)
    event = build_okta_event(ADDRESS, published=flow.clock.now().isoformat())
    event["detail"]["target"][0]["displayName"] = "Jon Miller"
    flow.pass_days(3.1)

    intake.put_events(event)

    assert "long after it happened" in read_reasons(intake)[0]


def test_the_same_person_twice_is_no_doubt(intake: Intake) -> None:
    flow = intake.flow
    user = create(intake)
    report(intake, uuid="u-1")
    flow.pass_days(2)
    flow.people.register(user, "jon.miller", COMPANY_DOMAIN)
    flow.clock.advance(timedelta(minutes=30))

    report(intake, uuid="u-2")

    assert flow.read_workmail_state(user)["State"] == "DISABLED"
    assert flow.list_by_status("AwaitingApproval") == []
