"""Which departure an event is about on the embedded AWS: the right person, no departure lost, the earlier date wins."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.defaults import COMPANY_DOMAIN, ORGANIZATION_ID
from local.faults import Fault
from local.workmail.exceptions import CommonError
from offboarding.domain.execution_names import Departure, execution_name
from offboarding.domain.timestamps import render
from tests.workflow.conftest import mark_long
from tests.workflow.test_identity_events import (
    STORE_USER,
    Intake,
    build_okta_event,
    build_request_event,
    load_event,
)

ADDRESS = "dana.leaver@example.com"
DATES = {"okta": "published", "auth0": "date", "cloudtrail": "eventTime"}
"""Providers whose events say themselves when they happened; of the others EventBridge's time counts."""


class Company(Intake):
    """An organization whose people are off and on reported as leavers."""

    def report(self, provider: str = "okta", at: datetime | None = None, event_id: str | None = None) -> None:
        """Report that dana.leaver has left, at a moment or now."""
        self.reports = getattr(self, "reports", 0) + 1
        event_id, moment = event_id or f"e-{self.reports}", (at or self.flow.clock.now()).isoformat()
        if provider.startswith("okta"):
            kind = "user.lifecycle.delete.initiated" if provider == "okta delete" else "user.lifecycle.deactivate"
            self.put_events(build_okta_event(ADDRESS, kind, event_id, moment))
            return
        event = load_event(
            {
                "auth0": "auth0-successful-user-deletion",
                "sailpoint": "sailpoint-account-deleted",
                "identity center": "identity-center-user-deleted",
                "cloudtrail": "identity-center-cloudtrail-disable-user",
                "request": "offboarding-requested",
            }[provider]
        )
        if provider == "auth0":
            event["detail"]["data"]["date"] = moment
        elif provider == "cloudtrail":
            event["detail"]["eventTime"] = moment
        elif provider == "request":
            event["detail"]["RequestId"] = event_id
        self.put_events(event)

    def outcomes(self) -> list[str | None]:
        """Return how the executions ended, the earliest first; None for one that runs."""
        results = [self.flow.read_result(arn) for arn in self.arns()]
        return ["Stopped" if result.status == "ABORTED" else result.outcome for result in results]

    def arns(self) -> list[str]:
        """Return the ARNs of the executions, the earliest first."""
        return [execution["executionArn"] for execution in reversed(self.list_executions())]

    def is_disabled(self, entity_id: str) -> bool:
        return bool(self.flow.read_workmail_state(entity_id)["State"] == "DISABLED")

    def reject(self) -> None:
        """Reject whatever awaits an approval."""
        for record in self.flow.list_by_status("AwaitApproval") + self.flow.list_by_status("AwaitingApproval"):
            self.flow.decide(record["Id"], "Rejected")

    def delete(self, user: str) -> None:
        self.flow.deregister(user)
        self.flow.delete_user(user)


PROVIDERS = ["okta", "okta delete", "auth0", "sailpoint", "identity center", "cloudtrail", "request"]


@pytest.fixture
def company(make_flow: Callable[..., Any]) -> Company:
    return Company(make_flow(now=datetime(2026, 11, 20, 5, tzinfo=UTC)))


@pytest.fixture
def dana(company: Company) -> str:
    """A user whose offboarding needs an approval while the policy says so."""
    return company.create_user("dana.leaver", IdentityProviderUserId=STORE_USER)


# By id


def change_before_resolution(company: Company, change: Callable[[], None]) -> None:
    """Have WorkMail throttle ResolveEntity's first call, and change the organization before it is called again."""
    changes = [change]

    def throttle(operation: str, parameters: Mapping[str, Any]) -> None:
        is_running = company.flow.environment.clock.current() is not None
        if is_running and changes and company.list_executions():
            changes.pop()()
            raise CommonError("ThrottlingException", "made by the test", 400)

    company.flow.backend.before_hooks.append(throttle)


@pytest.mark.parametrize("provider", ["okta", *mark_long("identity center", "auth0", "sailpoint", "request")])
def test_whoever_gets_the_address_of_a_deleted_leaver_meanwhile_is_not_touched(
    company: Company, dana: str, provider: str
) -> None:
    successors: list[str] = []

    def replace_user() -> None:
        company.flow.backend.arrange(ORGANIZATION_ID, dana, state="DISABLED", email=None)
        company.flow.delete_user(dana)
        successors.append(company.create_user("dana.leaver", IdentityProviderUserId=STORE_USER))

    change_before_resolution(company, replace_user)
    company.report(provider)
    company.flow.pass_days(1)

    assert company.outcomes() == ["EntityNotFound"]
    [successor] = successors
    assert not company.is_disabled(successor)


@pytest.mark.parametrize("type_", ["group", *mark_long("resource")])
def test_a_group_or_resource_that_was_registered_after_the_request_is_not_touched(company: Company, type_: str) -> None:
    people, workmail = company.flow.people, company.flow.workmail
    create = people.create_group if type_ == "group" else people.create_resource
    former, successors = create("team"), list[str]()

    def replace_entity() -> None:
        company.flow.backend.arrange(ORGANIZATION_ID, former, state="DISABLED", email=None)
        if type_ == "group":
            workmail.delete_group(OrganizationId=ORGANIZATION_ID, GroupId=former)
        else:
            workmail.delete_resource(OrganizationId=ORGANIZATION_ID, ResourceId=former)
        successors.append(create("team"))
        registered_at = company.flow.clock.now() + timedelta(minutes=2)
        company.flow.backend.arrange(ORGANIZATION_ID, successors[0], enabled_date=registered_at)

    change_before_resolution(company, replace_entity)
    company.put_events(build_request_event("team", OrganizationId=ORGANIZATION_ID))
    company.flow.pass_days(1)

    assert company.outcomes() == ["EntityMismatch"]
    assert "was registered later" in company.flow.read_result(company.arns()[0]).cause
    assert not company.is_disabled(successors[0])


def test_a_user_whose_address_changes_before_the_execution_resolves_it_is_a_mismatch(
    company: Company, dana: str
) -> None:
    def change_address() -> None:
        company.flow.workmail.update_primary_email_address(
            OrganizationId=ORGANIZATION_ID, EntityId=dana, Email="dana.married@example.com"
        )

    change_before_resolution(company, change_address)
    company.report()
    company.flow.pass_days(1)

    assert company.outcomes() == ["EntityMismatch"]
    assert not company.is_disabled(dana)


def test_an_address_that_is_only_the_name_of_somebody_starts_nothing_by_hand(company: Company) -> None:
    former = company.create_user("alice")
    company.delete(former)
    user = company.create_user("kim")
    company.flow.backend.arrange(ORGANIZATION_ID, user, name="alice@example.com")

    result = company.flow.run("alice@example.com", days=0)

    assert result.outcome == "EntityMismatch"
    assert not company.is_disabled(user)


def test_a_request_by_id_reads_one_user_and_no_list(company: Company) -> None:
    user = company.create_user("kim")
    company.flow.clear_calls()
    company.put_events(build_request_event(user, OrganizationId=ORGANIZATION_ID))

    assert company.is_disabled(user)
    assert company.flow.list_calls("ListUsers") == []


def test_the_id_of_the_provider_is_in_the_execution_and_the_record_and_nowhere_else(
    company: Company, dana: str
) -> None:
    company.report()
    company.flow.pass_days(31)

    [arn] = company.arns()
    assert company.flow.read_record(arn)["Requester"]["ProviderUserId"] == "00uleaver00000000001"
    assert "00uleaver" not in "\n".join(company.flow.environment.all_logs())


# Repetitions and new departures


def end_as(company: Company, outcome: str, dana: str) -> None:
    """Have the first execution of a departure end with an outcome; start it by an event."""
    flow = company.flow
    match outcome:
        case "CleanupVerified":
            company.report()
            flow.pass_days(31)
        case "Rejected" | "ApprovalTimedOut" | "Stopped":
            flow.change_policy(ApprovalRequired=["dana*"])
            company.report()
            flow.clock.advance(timedelta(minutes=5))
            if outcome == "Rejected":
                company.reject()
            elif outcome == "Stopped":
                flow.stop(company.arns()[0])
            else:
                flow.pass_days(15)
            flow.change_policy(ApprovalRequired=[])
        case "EntityProtected":
            flow.change_policy(Protected=["dana*"])
            company.report()
            flow.change_policy(Protected=[])
        case "AccessDenied":
            flow.inject_error("DescribeOrganization", "AccessDeniedException", times=1)
            company.report()
        case "EntityRemoved":
            company.report()
            flow.pass_days(3)
            flow.delete_user(dana)
            flow.pass_days(30)
    flow.clock.advance(timedelta(minutes=1))
    assert company.outcomes() == [outcome]


NOT_DEREGISTERED = ["Rejected", "ApprovalTimedOut", "Stopped", "EntityProtected", "AccessDenied"]


@pytest.mark.parametrize("outcome", ["AccessDenied", *mark_long("Rejected", *NOT_DEREGISTERED[1:4])])
def test_an_event_from_after_the_end_starts_another_execution(company: Company, dana: str, outcome: str) -> None:
    end_as(company, outcome, dana)
    company.flow.pass_days(21)

    company.report()

    assert company.outcomes() == [outcome, None]
    assert company.is_disabled(dana)
    assert company.read_dead_letters() == []


@pytest.mark.parametrize("provider", ["okta", "request", *mark_long(*PROVIDERS[1:-1])])
def test_after_a_rejection_a_later_event_of_each_provider_asks_again(
    company: Company, dana: str, provider: str
) -> None:
    end_as(company, "Rejected", dana)
    company.flow.change_policy(ApprovalRequired=["dana*"])
    company.report(provider)

    assert company.outcomes() == ["Rejected", None]
    assert [record["Id"] for record in company.flow.list_by_status("AwaitingApproval")] == [company.arns()[1]]


@pytest.mark.parametrize("outcome", ["CleanupVerified", "Rejected", *mark_long("Stopped", *NOT_DEREGISTERED[3:])])
def test_an_event_from_before_the_end_is_a_repetition_and_refused_where_nobody_decided(
    company: Company, dana: str, outcome: str
) -> None:
    happened_at = company.flow.clock.now()
    end_as(company, outcome, dana)
    company.flow.pass_days(21)

    company.report(at=happened_at)

    assert company.outcomes() == [outcome]
    reasons = company.read_dead_letter_reasons()
    is_settled = outcome in {"CleanupVerified", "Rejected"}
    assert [f"ended as {outcome}" in reason for reason in reasons] == ([] if is_settled else [True])


@pytest.mark.parametrize("days_later", [31, *mark_long(3, 75)])
@pytest.mark.parametrize("provider", ["okta delete", *mark_long("cloudtrail", "okta", *PROVIDERS[2:5], "request")])
def test_the_deletion_that_follows_the_deactivation_weeks_later_is_a_repetition(
    company: Company, dana: str, provider: str, days_later: int
) -> None:
    company.report()
    company.flow.pass_days(days_later)

    company.report(provider)

    assert len(company.arns()) == 1
    assert company.read_dead_letters() == []


def test_the_deletion_of_somebody_who_was_deleted_in_workmail_starts_nothing(company: Company, dana: str) -> None:
    end_as(company, "EntityRemoved", dana)
    company.report("okta delete")

    assert len(company.arns()) == 1
    assert company.read_dead_letters() == []


@pytest.mark.parametrize("provider", ["okta", *mark_long("request", "auth0", "sailpoint", "cloudtrail")])
@pytest.mark.parametrize("days", [1, *mark_long(31)])
def test_an_event_about_somebody_whose_address_workmail_hides_is_a_repetition(
    company: Company, dana: str, provider: str, days: int
) -> None:
    company.flow.backend.behaviour = replace(company.flow.backend.behaviour, email_of_disabled="absent")
    company.report()
    company.flow.pass_days(days)

    company.report(provider)

    assert len(company.arns()) == 1
    assert company.read_dead_letters() == []


@pytest.mark.parametrize("offboarded_by", ["okta", *mark_long("sailpoint", "hand")])
def test_a_new_person_with_the_login_of_somebody_who_was_deleted_and_another_mailbox_is_refused(
    company: Company, dana: str, offboarded_by: str
) -> None:
    if offboarded_by == "hand":
        company.flow.run(dana, days=0)
    else:
        company.report(offboarded_by)
    company.delete(dana)
    company.create_user("dana.newcomer")

    event = build_okta_event(ADDRESS, published=company.flow.clock.now().isoformat())
    event["detail"]["target"][0]["id"] = "00unewcomer000000001"
    company.put_events(event)

    [reason] = company.read_dead_letter_reasons()
    assert "0 users of the organization have this primary address" in reason
    assert len(company.arns()) == 1


@pytest.mark.parametrize("is_deleted", [False, True])
def test_an_event_about_a_new_address_of_somebody_who_was_offboarded_before_is_refused_with_the_id(
    company: Company, dana: str, is_deleted: bool
) -> None:
    company.report()
    company.flow.pass_days(1)
    assert company.flow.restore(ExecutionArn=company.arns()[0]).outcome == "Restored"
    company.flow.workmail.update_primary_email_address(
        OrganizationId=ORGANIZATION_ID, EntityId=dana, Email="dana.married@example.com"
    )
    company.flow.workmail.delete_alias(OrganizationId=ORGANIZATION_ID, EntityId=dana, Alias=ADDRESS)
    if is_deleted:
        company.delete(dana)
    company.flow.pass_days(1)

    company.report()

    assert len(company.arns()) == 1
    reasons = company.read_dead_letter_reasons()
    assert [dana in reason for reason in reasons] == ([] if is_deleted else [True])


def test_a_login_that_is_an_alias_is_refused_with_the_id_of_the_user(company: Company, dana: str) -> None:
    kim = company.create_user("kim")
    company.delete(dana)
    company.flow.people.create_alias(kim, "dana.leaver", COMPANY_DOMAIN)

    company.report()

    [reason] = company.read_dead_letter_reasons()
    assert f"an alias of the user {kim}" in reason
    assert not company.is_disabled(kim)


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("source", "aws.partner/okta.com/exampleco/another-stream", "is not aws.partner/okta.com/"),
        ("account", "999999999999", "is for another account than 123456789012"),
    ],
)
def test_a_message_from_another_partner_source_or_for_another_account_is_refused(
    company: Company, dana: str, member: str, value: str, message: str
) -> None:
    company.send_message(json.dumps({**build_okta_event(ADDRESS), member: value}))

    [reason] = company.read_dead_letter_reasons()
    assert message in reason
    assert not company.is_disabled(dana)


def test_somebody_who_was_registered_again_and_leaves_again_has_a_new_departure(company: Company, dana: str) -> None:
    end_as(company, "CleanupVerified", dana)
    company.flow.people.register(dana, "dana.leaver", domain=COMPANY_DOMAIN)
    company.flow.pass_days(1)
    company.report()

    assert company.outcomes() == ["CleanupVerified", None]
    assert company.is_disabled(dana)


def test_somebody_who_was_disabled_by_hand_after_the_end_has_a_new_departure(company: Company, dana: str) -> None:
    end_as(company, "Rejected", dana)
    company.flow.deregister(dana)
    company.report("request")
    company.flow.pass_days(31)

    assert company.outcomes() == ["Rejected", "CleanupVerified"]


@pytest.mark.parametrize("provider", ["okta", *mark_long("sailpoint")])
def test_a_user_without_dates_who_is_enabled_again_during_the_window_leaves_again(
    company: Company, dana: str, provider: str
) -> None:
    def hide_dates() -> None:
        company.flow.backend.arrange(ORGANIZATION_ID, dana, enabled_date=None, disabled_date=None)

    hide_dates()
    company.report()
    company.flow.pass_days(5)
    company.flow.people.register(dana, "dana.leaver", domain=COMPANY_DOMAIN)
    hide_dates()
    company.flow.pass_days(1)

    company.report(provider)

    assert company.is_disabled(dana)
    assert len(company.arns()) == 2


@pytest.mark.long
@pytest.mark.parametrize("order", [("okta", "okta delete"), *mark_long((("okta delete", "okta"),))])
@pytest.mark.parametrize(
    "moments", [("before", "after"), *mark_long((("after", "before"),), (("before", "before"),), (("after", "after"),))]
)
def test_events_in_every_order_around_a_rejection_start_at_most_one_more_execution(
    company: Company, dana: str, order: tuple[str, str], moments: tuple[str, str]
) -> None:
    times = {"before": company.flow.clock.now()}
    end_as(company, "Rejected", dana)
    times["after"] = company.flow.clock.now()
    company.flow.pass_days(2)

    for provider, moment in zip(order, moments, strict=True):
        company.report(provider, times[moment])

    assert company.outcomes() == (["Rejected", None] if "after" in moments else ["Rejected"])
    assert company.read_dead_letters() == []


@pytest.mark.long
def test_each_further_departure_has_its_own_name_up_to_ten(company: Company, dana: str) -> None:
    company.flow.change_policy(ApprovalRequired=["dana*"])
    for number in range(1, 11):
        company.report()
        company.report()
        assert len(company.arns()) == number
        company.reject()
        company.flow.clock.advance(timedelta(minutes=1))

    company.report()

    assert company.outcomes() == ["Rejected"] * 10
    [reason] = company.read_dead_letter_reasons()
    assert reason.startswith("10 executions have been started for this departure")


@pytest.mark.parametrize("outcome", ["CleanupVerified", *mark_long("Rejected")])
def test_an_event_that_is_delivered_again_days_later_changes_nothing(company: Company, dana: str, outcome: str) -> None:
    happened_at = company.flow.clock.now()
    end_as(company, outcome, dana)
    for days in (0, 5, 14):
        company.flow.pass_days(days)
        company.report(at=happened_at, event_id="e-1")

    assert company.outcomes() == [outcome]
    assert company.read_dead_letters() == []


@pytest.mark.parametrize("is_further_departure", [True, *mark_long(False)])
def test_an_execution_whose_start_was_not_answered_is_not_started_twice(
    company: Company, dana: str, is_further_departure: bool
) -> None:
    if is_further_departure:
        end_as(company, "Rejected", dana)
    started = len(company.arns())
    company.flow.environment.faults.add(Fault("stepfunctions", "StartExecution", after_effect="Timeout", times=1))

    company.report()
    company.flow.pass_days(1)

    assert len(company.arns()) == started + 1
    assert company.read_dead_letters() == []
    assert company.is_disabled(dana)


@pytest.mark.parametrize("is_further_departure", [False, True])
def test_several_messages_about_one_leaver_at_once_start_one_execution(
    company: Company, dana: str, is_further_departure: bool
) -> None:
    if is_further_departure:
        end_as(company, "Rejected", dana)
    started = len(company.arns())
    company.set_paused(paused=True)
    for provider in PROVIDERS:
        company.report(provider)

    company.set_paused(paused=False)

    assert len(company.arns()) == started + 1
    assert company.read_dead_letters() == []


# Names


def take_name(company: Company, user: str, former_name: str | None = None, **members: Any) -> str:
    """Start an execution by hand under the name that an event's would have; return the name."""
    enabled_date = company.flow.backend.organizations[ORGANIZATION_ID].entities[user].enabled_date
    assert enabled_date is not None
    name = execution_name(Departure(ORGANIZATION_ID, user, "dana.leaver", render(enabled_date), former_name))
    company.flow.environment.start({"OrganizationId": ORGANIZATION_ID, **members}, name)
    company.flow.clock.settle()
    company.flow.clock.advance(timedelta(minutes=1))
    return name


@pytest.mark.parametrize(
    "execution_input",
    [{"EntityId": "kim"}, *mark_long({"EntityId": "nobody"}, {"EntityId": "dana.leaver", "DryRun": True})],
    ids=str,
)
@pytest.mark.parametrize("names", [1, *mark_long(3)])
def test_an_execution_about_something_else_under_the_name_swallows_no_event(
    company: Company, dana: str, execution_input: dict[str, Any], names: int
) -> None:
    happened_at = company.flow.clock.now()
    kim, name = company.create_user("kim"), None
    for _ in range(names):
        name = take_name(company, dana, name, **execution_input)

    company.report(at=happened_at)
    company.report(at=happened_at)

    assert len(company.arns()) == names + 1
    assert company.is_disabled(dana)
    assert company.is_disabled(kim) is (execution_input["EntityId"] == "kim")
    assert company.read_dead_letters() == []


def test_if_all_names_are_taken_the_event_is_refused(company: Company, dana: str) -> None:
    name = None
    for _ in range(10):
        name = take_name(company, dana, name, EntityId="nobody")

    company.report()

    assert "10 executions have been started" in company.read_dead_letter_reasons()[0]


# The earlier date

LATER, SOONER = "2026-12-31T17:00:00Z", "2026-12-05T17:00:00Z"


def request_offboarding(company: Company, request_id: str = "r-1", entity_id: str = ADDRESS, **members: Any) -> None:
    company.put_events(build_request_event(entity_id, request_id, OrganizationId=ORGANIZATION_ID, **members))


@pytest.mark.parametrize("scheduled_by", ["event", *mark_long("hand")])
@pytest.mark.parametrize(
    "second", ["by hand", "by event", *mark_long("by the same request", "by hand for a date", "by another request")]
)
def test_who_is_due_sooner_takes_over_from_who_only_waits_for_a_date(
    company: Company, dana: str, scheduled_by: str, second: str
) -> None:
    if scheduled_by == "hand":
        company.flow.start(dana, NotBefore=LATER)
        company.flow.clock.settle()
    else:
        request_offboarding(company, NotBefore=LATER)
    company.flow.clock.advance(timedelta(hours=1))
    sooner = second in {"by hand for a date", "by the same request"}

    match second:
        case "by hand":
            company.flow.start(dana)
        case "by hand for a date":
            company.flow.start(dana, NotBefore=SOONER)
        case "by event":
            company.report()
        case "by another request":
            request_offboarding(company, "r-2")
        case "by the same request":
            request_offboarding(company, NotBefore=SOONER)
    company.flow.clock.settle()
    company.flow.clock.advance(timedelta(minutes=1))

    assert company.is_disabled(dana) is not sooner
    company.flow.pass_days(16)
    assert company.is_disabled(dana)
    scheduled, taking_over = company.arns()
    assert company.flow.read_record(scheduled)["SupersededBy"] == taking_over
    company.flow.pass_days(60)
    assert company.read_dead_letters() == []
    assert company.flow.read_result(taking_over).outcome == "CleanupVerified"
    assert company.flow.read_result(scheduled).outcome == "AlreadyInProgress"


def test_a_superseded_execution_ends_at_once(company: Company, dana: str) -> None:
    scheduled = company.flow.start(dana, NotBefore="2026-12-10T17:00:00Z")
    company.flow.clock.settle()
    company.report()
    taking_over = company.arns()[1]

    result = company.flow.read_result(scheduled)
    assert (result.outcome, result.output["OtherExecutionArn"]) == ("AlreadyInProgress", taking_over)
    company.report("okta delete")
    company.flow.pass_days(32)
    company.report("okta delete")
    assert company.outcomes() == ["AlreadyInProgress", "CleanupVerified"]


@pytest.mark.parametrize("is_back", [False, True])
def test_a_superseded_execution_does_not_touch_who_came_back_before_its_date(
    company: Company, dana: str, is_back: bool
) -> None:
    scheduled = company.flow.start(dana, NotBefore=LATER)
    company.flow.clock.settle()
    company.report()
    company.flow.pass_days(10)
    if is_back:
        company.flow.people.register(dana, "dana.leaver", domain=COMPANY_DOMAIN)
    company.flow.pass_days(50)

    assert company.is_disabled(dana) is not is_back
    assert company.flow.read_result(scheduled).outcome == "AlreadyInProgress"


@pytest.mark.parametrize("date", [LATER, *mark_long("2027-02-01T00:00:00Z")])
def test_a_date_that_is_not_sooner_does_not_delay_a_scheduled_offboarding(
    company: Company, dana: str, date: str
) -> None:
    request_offboarding(company, NotBefore=LATER)

    by_hand = company.flow.run(dana, days=0, NotBefore=date)
    request_offboarding(company, "r-2", NotBefore=date)
    company.flow.clock.advance(timedelta(minutes=4))

    assert (by_hand.outcome, by_hand.output["OtherExecutionArn"]) == ("AlreadyInProgress", company.arns()[0])
    assert ["A later date does not delay it" in reason for reason in company.read_dead_letter_reasons()] == (
        [True] if date != LATER else []
    )
    company.flow.pass_days(42)
    assert company.is_disabled(dana)


def test_a_date_does_not_delay_what_has_happened(company: Company, dana: str) -> None:
    company.report()
    request_offboarding(company, NotBefore=LATER)
    company.flow.clock.advance(timedelta(minutes=4))

    assert company.is_disabled(dana)
    assert len(company.arns()) == 1
    assert "offboards this leaver sooner" in company.read_dead_letter_reasons()[0]


def test_an_execution_that_awaits_an_approval_is_not_taken_over(company: Company, dana: str) -> None:
    company.flow.change_policy(ApprovalRequired=["dana*"])
    company.report()

    assert company.flow.run(dana, days=0).outcome == "AlreadyInProgress"
    company.report("request")
    assert len(company.arns()) == 2


@pytest.mark.parametrize("is_sooner_first", [False, True])
def test_of_two_dates_that_are_read_at_once_the_earlier_one_counts(
    company: Company, dana: str, is_sooner_first: bool
) -> None:
    company.set_paused(paused=True)
    reports = [lambda: request_offboarding(company, NotBefore=LATER), company.report]
    for report in reversed(reports) if is_sooner_first else reports:
        report()
    company.set_paused(paused=False)
    company.flow.pass_days(1)

    assert company.is_disabled(dana)


@pytest.mark.long
@pytest.mark.parametrize("type_", ["group", *mark_long("resource")])
def test_the_earlier_date_of_a_group_or_resource_wins_by_the_same_and_by_another_request(
    company: Company, type_: str
) -> None:
    people = company.flow.people
    entity = people.create_group("team") if type_ == "group" else people.create_resource("team")
    request_offboarding(company, "r-1", "team", NotBefore=LATER)
    request_offboarding(company, "r-1", "team", NotBefore="2027-01-31T00:00:00Z")
    company.flow.clock.advance(timedelta(minutes=4))
    assert "A later date does not delay it" in company.read_dead_letter_reasons()[0]
    request_offboarding(company, "r-1", "team", NotBefore=SOONER)
    company.flow.clock.advance(timedelta(minutes=1))
    assert not company.is_disabled(entity)

    request_offboarding(company, "r-2", entity)
    company.flow.clock.advance(timedelta(minutes=1))

    assert company.is_disabled(entity)
    assert len(company.arns()) == 3


@pytest.mark.parametrize("operation", ["TransactWriteItems", *mark_long("UpdateItem")])
@pytest.mark.parametrize("skip", [1, *mark_long(0, 2)])
def test_a_takeover_that_breaks_off_is_completed(company: Company, dana: str, operation: str, skip: int) -> None:
    company.flow.start(dana, NotBefore=LATER)
    company.flow.clock.settle()
    company.flow.environment.faults.add(
        Fault("dynamodb", operation, function="RecordOffboarding", error="InternalServerError", skip=skip, times=4)
    )

    company.report()
    company.flow.pass_days(1)

    assert company.is_disabled(dana)


def test_a_scheduled_offboarding_goes_on_if_the_one_that_took_over_was_refused(company: Company, dana: str) -> None:
    scheduled = company.flow.start(dana, NotBefore=SOONER)
    company.flow.clock.settle()
    company.flow.change_policy(Protected=["dana*"])
    company.report()
    company.flow.change_policy(Protected=[])
    assert company.outcomes() == [None, "EntityProtected"]
    company.flow.pass_days(16)

    assert company.is_disabled(dana)
    assert "SupersededBy" not in company.flow.read_record(scheduled)
    assert company.flow.restore(ExecutionArn=scheduled).outcome == "Restored"


# Dates


@pytest.mark.parametrize("is_by_event", [False, True])
def test_a_date_in_the_wrong_year_is_refused_before_anything_happens(
    company: Company, dana: str, is_by_event: bool
) -> None:
    if is_by_event:
        request_offboarding(company, NotBefore="2025-12-31T17:00:00+01:00")
    else:
        company.flow.run(dana, days=0, NotBefore="2025-12-31T17:00:00+01:00")

    assert company.outcomes() == ["InvalidRequest"]
    assert "more than a day before the request" in company.flow.read_result(company.arns()[0]).cause
    assert not company.is_disabled(dana)


def test_a_date_that_is_up_to_a_day_late_is_done_and_the_plan_says_so(company: Company, dana: str) -> None:
    date = render(company.flow.clock.now() - timedelta(hours=23))
    plan = company.flow.run(dana, days=0, DryRun=True, NotBefore=date)
    request_offboarding(company, NotBefore=date)

    assert "was past when the execution started" in json.dumps(plan.output)
    assert company.is_disabled(dana)


def test_a_request_that_was_held_back_for_days_is_judged_by_its_own_time(company: Company, dana: str) -> None:
    company.set_paused(paused=True)
    request_offboarding(company, NotBefore=render(company.flow.clock.now() + timedelta(days=1)))
    company.flow.pass_days(2.5)
    company.resume()

    assert company.is_disabled(dana)


@pytest.mark.parametrize("behaviour", [{"email_of_disabled": "absent"}, *mark_long({"describe_lag_seconds": 120})])
def test_an_event_by_id_about_a_disabled_user_whose_address_is_hidden_is_a_repetition(
    company: Company, dana: str, behaviour: dict[str, Any]
) -> None:
    company.flow.backend.behaviour = replace(company.flow.backend.behaviour, **behaviour)
    company.report("identity center")
    company.flow.pass_days(31)
    company.report("cloudtrail")
    request_offboarding(company, entity_id=dana)

    assert company.outcomes() == ["CleanupVerified"]
    assert company.read_dead_letters() == []
