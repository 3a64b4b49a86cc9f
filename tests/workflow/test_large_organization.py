"""An organization of 10,000 users: a look-up reads a few of them, whatever text it is given."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.defaults import COMPANY_DOMAIN, ORGANIZATION_ID
from local.faults import Fault
from local.workmail.state import User
from tests.workflow.test_departures import Company, request_offboarding
from tests.workflow.test_identity_events import STORE_USER

USERS = 10_000
LISTS = ("ListUsers", "ListGroups", "ListResources")


@pytest.fixture(scope="module")
def crowd() -> dict[str, User]:
    """Users with mailboxes whose names and addresses begin alike."""
    registered_at = datetime(2026, 1, 1, tzinfo=UTC)
    users = (
        User(
            id=f"{number:08x}-0000-4000-8000-000000000000",
            name=f"person{number:05}",
            email=f"person{number:05}@{COMPANY_DOMAIN}",
            state="ENABLED",
            enabled_date=registered_at,
            identity_provider_user_id=f"{number:08x}-3041-7097-2d41-0242ac120002",
        )
        for number in range(USERS)
    )
    return {user.id: user for user in users}


@pytest.fixture
def company(make_flow: Callable[..., Any], crowd: dict[str, User]) -> Company:
    company = Company(make_flow(now=datetime(2026, 11, 20, 5, tzinfo=UTC)))
    company.flow.backend.organizations[ORGANIZATION_ID].entities.update(crowd)
    return company


def start_by_hand(company: Company, dana: str) -> Iterator[str]:
    for entity_id in (dana, "dana.leaver", f"dana.leaver@{COMPANY_DOMAIN}"):
        yield company.flow.run(entity_id, days=0, DryRun=True).status


def report_by_event(company: Company, dana: str) -> Iterator[str]:
    for provider in ("okta", "sailpoint", "identity center", "cloudtrail"):
        company.report(provider)
        yield "SUCCEEDED"
    for number, entity_id in enumerate((dana, "dana.leaver", "person", f"person@{COMPANY_DOMAIN}")):
        request_offboarding(company, f"r-{number}", entity_id, DryRun=True)
        yield "SUCCEEDED"


@pytest.mark.parametrize("start", [start_by_hand, report_by_event])
def test_nothing_that_starts_an_offboarding_lists_everybody(
    company: Company, start: Callable[[Company, str], Iterator[str]]
) -> None:
    dana = company.create_user("dana.leaver", IdentityProviderUserId=STORE_USER)
    company.flow.clock.advance(timedelta(minutes=10))
    company.flow.clear_calls()

    assert set(start(company, dana)) == {"SUCCEEDED"}

    calls = [call for call in company.flow.backend.calls if call.operation in LISTS]
    assert [call.parameters for call in calls if not call.parameters.get("Filters")] == []
    longest_list = max(len([*pages]) for _, pages in itertools.groupby(calls, key=is_next_page))
    assert longest_list <= 10, "a page has 100 entities"


SLOW = Fault("workmail", "ListUsers", latency=0.4)


@pytest.mark.long
def test_the_deletion_of_a_user_is_established_although_the_lists_are_slow(company: Company) -> None:
    flow = company.flow
    flow.backend.behaviour = replace(flow.backend.behaviour, describe_deleted="EntityNotFoundException")
    dana = company.create_user("person")
    execution = flow.start(dana)
    flow.pass_days(1)
    flow.delete_user(dana)
    flow.environment.faults.add(SLOW)
    flow.pass_days(33)

    assert flow.read_result(execution).outcome == "EntityRemoved"


@pytest.mark.long
def test_a_user_who_is_not_found_for_a_moment_is_not_taken_for_deleted(company: Company) -> None:
    flow = company.flow
    dana = company.create_user("person")
    execution = flow.start(dana)
    flow.pass_days(1)
    flow.backend.arrange(ORGANIZATION_ID, dana, name="zz-renamed", email=None)
    flow.environment.faults.add(SLOW)
    flow.inject_error("DescribeUser", "EntityNotFoundException", times=1)
    flow.pass_days(33)

    assert flow.read_result(execution).outcome == "CleanupVerified"


def is_next_page(call: Any) -> bool:
    return "NextToken" in call.parameters
