"""People who are back: what the same provider reported is withdrawn before it happens, and told afterwards."""

import json
import re
import shlex
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.defaults import OKTA_BUS, ORGANIZATION_ID
from local.faults import Fault
from offboarding.domain.timestamps import render
from tests.workflow.conftest import mark_long
from tests.workflow.inbox import Inbox
from tests.workflow.operator import connect_operator
from tests.workflow.test_departures import ADDRESS, LATER, SOONER, Company, request_offboarding
from tests.workflow.test_identity_events import (
    STORE_USER,
    build_okta_event,
    build_request_event,
    build_withdrawal_event,
    load_event,
)

SOON = timedelta(hours=2)


class Returns(Company):
    """An organization whose people are reported as leavers and as back."""

    def __init__(self, flow: Any) -> None:
        super().__init__(flow)
        self._inbox = Inbox(flow, "mailbox-of-the-helpdesk")
        topic_arn = flow.environment.outputs["NotificationTopicArn"]
        flow.environment.client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=self._inbox.arn)
        self._mails: list[dict[str, Any]] = []

    def report_return(self, provider: str = "okta", at: datetime | None = None, **members: Any) -> None:
        """Report that dana.leaver is back, at a moment or now."""
        self.returns = getattr(self, "returns", 0) + 1
        event_id, moment = f"back-{self.returns}", (at or self.flow.clock.now()).isoformat()
        match provider:
            case "okta":
                self.put_events(build_okta_event(ADDRESS, "user.lifecycle.reactivate", event_id, moment))
            case "okta activate":
                self.put_events(build_okta_event(ADDRESS, "user.lifecycle.activate", event_id, moment))
            case "cloudtrail":
                event = load_event("identity-center-cloudtrail-disable-user")
                event["detail"] |= {"eventName": "EnableUser", "eventTime": moment, "eventID": event_id}
                self.put_events(event)
            case "request":
                self.put_events(build_withdrawal_event(**members))

    def send_return(self, at: datetime) -> None:
        """Report that dana.leaver is back, and do not wait until that is processed."""
        event = build_okta_event(ADDRESS, "user.lifecycle.reactivate", "back", at.isoformat())
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "EventBusName": OKTA_BUS,
        }
        self.flow.environment.client("events").put_events(Entries=[entry])

    def settle(self) -> None:
        """Let what was not settled yet be read again, and ends be recorded."""
        self.flow.clock.settle()
        self.flow.clock.advance(timedelta(minutes=10))

    def require_approvals(self) -> None:
        self.flow.change_policy(ApprovalRequired=["*"])
        self.flow.clock.advance(timedelta(seconds=10))

    def read_return_mails(self) -> list[str]:
        """Return all mails until now that say that a leaver is back."""
        self._mails += self._inbox.read()
        return [mail["Message"] for mail in self._mails if "a leaver is back" in mail["Subject"]]


@pytest.fixture
def company(make_flow: Callable[..., Any]) -> Returns:
    return Returns(make_flow(now=datetime(2026, 11, 20, 5, tzinfo=UTC)))


@pytest.fixture
def dana(company: Company) -> str:
    user = company.create_user("dana.leaver", IdentityProviderUserId=STORE_USER)
    company.flow.clock.advance(timedelta(minutes=10))
    return user


# In the window


@pytest.mark.parametrize(
    ("departure", "provider"),
    [("okta", "okta"), *mark_long(("okta delete", "okta activate"), ("cloudtrail", "cloudtrail")),
     ("identity center", "cloudtrail")],
)  # fmt: skip
def test_a_return_in_the_window_is_told_at_once_with_the_restore_and_the_last_day(
    company: Returns, dana: str, departure: str, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.report(departure)
    company.flow.clock.advance(SOON)
    assert company.read_return_mails() == []

    company.report_return(provider)

    [mail] = company.read_return_mails()
    assert company.is_disabled(dana)
    record = company.flow.read_record(company.arns()[0])
    assert f"It works until {record['RetentionEndsAt']}." in mail
    [command] = re.findall(r"^offboarding (restore .*)$", mail, re.M)
    operator = connect_operator(company.flow, monkeypatch)
    operator.accept(*shlex.split(command.replace("<why>", "is back")), "--yes")
    assert not company.is_disabled(dana)


def test_a_return_is_told_once_however_often_it_is_reported_and_edits_after_it_are_not_told(
    company: Returns, dana: str
) -> None:
    company.report()
    at = company.flow.clock.now() + timedelta(seconds=1)
    company.flow.clock.advance(SOON)
    for _ in range(2):
        company.put_events(build_okta_event(ADDRESS, "user.lifecycle.reactivate", "back", at.isoformat()))
    company.report_return("okta activate")

    assert len(company.read_return_mails()) == 1


def test_a_return_after_the_end_of_the_retention_or_after_a_restore_is_not_told(company: Returns, dana: str) -> None:
    company.report()
    company.flow.pass_days(1)
    company.flow.restore(ExecutionArn=company.arns()[0])
    company.report_return()

    assert company.read_return_mails() == []


def test_a_return_is_told_while_nobody_watches_the_window_any_more(company: Returns, dana: str) -> None:
    company.report()
    company.flow.stop(company.arns()[0])
    company.report_return()

    assert len(company.read_return_mails()) == 1


# While it waits


def withdraw_request(company: Returns, **members: Any) -> None:
    company.report_return("request", **members)


@pytest.mark.parametrize(
    ("departure", "provider"),
    [("okta", "okta"), *mark_long(("okta delete", "okta activate"), ("cloudtrail", "cloudtrail"),
     ("identity center", "cloudtrail"))],
)  # fmt: skip
def test_a_departure_that_awaits_an_approval_is_withdrawn_by_the_return(
    company: Returns, dana: str, departure: str, provider: str
) -> None:
    company.require_approvals()
    company.report(departure)
    company.flow.clock.advance(SOON)

    company.report_return(provider)

    [arn] = company.arns()
    result = company.flow.read_result(arn)
    assert (result.status, result.outcome) == ("SUCCEEDED", "Withdrawn")
    assert result.output["Decision"]["DecidedIn"] == "back-1"
    assert "that the leaver is back" in result.output["Decision"]["Reason"]
    company.settle()
    assert company.flow.read_record(arn)["Outcome"] == "Withdrawn"
    assert company.flow.decide(arn).outcome == "ApprovalNotPending"
    company.flow.pass_days(40)
    assert not company.is_disabled(dana)
    assert company.read_return_mails() == []
    assert company.read_dead_letters() == []


WITHDRAWALS: list[Mapping[str, str]] = [
    {"RequestId": "r-1"},
    {"EntityId": "id", "OrganizationId": ORGANIZATION_ID},
    {"EntityId": "id"},
    {"EntityId": "name", "Reason": "stays", "RequestedBy": "hr"},
    {"EntityId": "address"},
]


@pytest.mark.parametrize("waits_for", ["date", *mark_long("approval")])
@pytest.mark.parametrize("withdrawal", [*WITHDRAWALS[:2], *mark_long(*WITHDRAWALS[2:])], ids=str)
@pytest.mark.parametrize("type_", ["user", *mark_long("group", "resource")])
def test_a_request_that_waits_is_withdrawn_by_its_id_or_its_entity(
    company: Returns, dana: str, waits_for: str, withdrawal: Mapping[str, str], type_: str
) -> None:
    people = company.flow.people
    create: dict[str, Callable[[], str]] = {
        "user": lambda: dana,
        "group": lambda: people.create_group("team"),
        "resource": lambda: people.create_resource("team"),
    }
    entity = create[type_]()
    name = "dana.leaver" if type_ == "user" else "team"
    address = company.flow.read_workmail_state(entity)["Email"]
    if waits_for == "approval":
        company.require_approvals()
    request_offboarding(company, entity_id=name, **({"NotBefore": LATER} if waits_for == "date" else {}))
    company.flow.clock.advance(SOON)

    named = {"id": entity, "name": name, "address": address}
    withdraw_request(company, **{member: named.get(value, value) for member, value in withdrawal.items()})

    assert company.outcomes() == ["Withdrawn"]
    if "Reason" in withdrawal:
        decision = company.flow.read_result(company.arns()[0]).output["Decision"]
        assert (decision["Reason"], decision["DecidedBy"]) == ("stays", "hr")
    company.flow.pass_days(60)
    assert not company.is_disabled(entity)
    assert company.read_dead_letters() == []


def test_a_withdrawal_does_not_touch_other_requests_or_what_providers_reported(company: Returns, dana: str) -> None:
    company.require_approvals()
    company.report()
    withdraw_request(company, RequestId="r-1")
    withdraw_request(company, EntityId=dana)
    company.settle()

    assert company.outcomes() == [None]
    assert len(company.read_return_mails()) == 1
    assert "No request is known" in company.read_dead_letter_reasons()[0]


def test_a_withdrawal_that_names_nobody_or_too_much_is_refused(company: Returns, dana: str) -> None:
    withdraw_request(company, EntityId="nobody")
    withdraw_request(company, EntityId=ADDRESS, RequestId="r-1")
    withdraw_request(company)
    withdraw_request(company, RequestId="r-9")
    withdraw_request(company, EntityId=dana, OrganizationId="m-" + "9" * 32)
    company.settle()

    reasons = company.read_dead_letter_reasons()
    messages = ["0 entities", "either RequestId, or EntityId", "No request is known", "0 organizations"]
    counts = [sum(message in reason for reason in reasons) for message in messages]
    assert counts == [1, 2, 1, 1]


@pytest.mark.parametrize("is_return_first", [False, *mark_long(True)])
@pytest.mark.parametrize("departure", ["okta", *mark_long("request")])
def test_a_departure_in_a_paused_queue_is_withdrawn_by_the_return_behind_it(
    company: Returns, dana: str, departure: str, is_return_first: bool
) -> None:
    company.set_paused(paused=True)
    left_at = company.flow.clock.now()
    returned_at = left_at + SOON
    steps: list[Callable[[], None]] = [
        lambda: company.report(departure, at=left_at, event_id="r-1"),
        lambda: (
            company.report_return(at=returned_at) if departure == "okta" else withdraw_request(company, RequestId="r-1")
        ),
    ]
    for step in reversed(steps) if is_return_first and departure == "okta" else steps:
        step()
        company.flow.clock.advance(SOON)
    company.resume()
    company.settle()

    assert company.outcomes() == []
    assert not company.is_disabled(dana)
    assert company.read_dead_letters() == []


def test_a_departure_from_before_a_return_starts_nothing_and_the_record_says_why(company: Returns, dana: str) -> None:
    left_at = company.flow.clock.now()
    company.report_return(at=left_at + timedelta(minutes=1))
    company.flow.pass_days(10)

    company.report(at=left_at)

    assert company.arns() == []
    answer = company.flow.environment.client("dynamodb").query(
        TableName=company.flow.table_name,
        IndexName="ByEntity",
        KeyConditionExpression="EntityKey = :key",
        ExpressionAttributeValues={":key": {"S": f"{ORGANIZATION_ID}/{dana}"}},
    )
    [step] = answer["Items"]
    assert step["Step"]["S"] == "Withdrawn"
    assert "The person is back since" in step["Reason"]["S"]


def test_a_departure_and_a_return_at_the_same_moment_are_refused_in_that_order_and_withdraw_in_the_other(
    company: Returns, dana: str
) -> None:
    at = company.flow.clock.now()
    company.report_return(at=at)
    company.report(at=at)

    assert company.arns() == []
    assert "Which came first is not known" in company.read_dead_letter_reasons()[0]


@pytest.mark.parametrize(
    "order", [(0, 2, 1), (2, 1, 0), *mark_long(((1, 0, 2),), ((0, 1, 2),), ((1, 2, 0),), ((2, 0, 1),))]
)
@pytest.mark.parametrize("waits", [True, *mark_long(False)])
def test_deactivated_reactivated_and_deactivated_again_in_any_order_is_away(
    company: Returns, dana: str, order: tuple[int, ...], waits: bool
) -> None:
    if waits:
        company.require_approvals()
    begin = company.flow.clock.now()
    times = [begin + timedelta(minutes=n) for n in range(3)]
    for index in order:
        if index == 1:
            company.report_return(at=times[1])
        else:
            company.report(at=times[index])
        company.settle()

    is_waiting = bool(company.flow.list_by_status("AwaitingApproval"))
    assert (is_waiting, company.is_disabled(dana)) == (waits, not waits)
    assert company.read_dead_letters() == []


# Two who reported it


@pytest.mark.parametrize("returning", ["okta", *mark_long("cloudtrail")])
@pytest.mark.parametrize("departures", [("okta", "cloudtrail"), *mark_long((("cloudtrail", "okta"),))])
def test_what_two_providers_reported_is_withdrawn_when_both_report_the_return(
    company: Returns, dana: str, departures: tuple[str, str], returning: str
) -> None:
    company.require_approvals()
    for provider in departures:
        company.report(provider)
    company.flow.clock.advance(SOON)

    company.report_return(returning)
    company.settle()
    assert company.outcomes() == [None]
    [mail] = company.read_return_mails()
    assert "The mailbox has not been touched." in mail
    assert f"\noffboarding withdraw {dana} --reason " in mail

    company.report_return("cloudtrail" if returning == "okta" else "okta")
    company.settle()
    assert company.outcomes() == ["Withdrawn"]


def test_what_a_person_started_is_not_withdrawn_by_a_return(company: Returns, dana: str) -> None:
    company.require_approvals()
    by_hand = company.flow.start(dana)
    company.flow.clock.settle()
    company.report()
    assert company.outcomes() == [None, "AlreadyInProgress"]
    company.flow.clock.advance(SOON)

    company.report_return()
    company.settle()

    assert company.flow.read_result(by_hand).status == "RUNNING"
    assert len(company.read_return_mails()) == 1


def test_who_is_asked_for_by_hand_too_is_not_withdrawn(company: Returns, dana: str) -> None:
    company.require_approvals()
    company.report()
    assert company.flow.run(dana, days=0).outcome == "AlreadyInProgress"
    company.report_return()
    company.settle()

    assert company.flow.read_result(company.arns()[0]).status == "RUNNING"
    assert len(company.read_return_mails()) == 1


def test_a_return_takes_back_what_took_over_and_the_scheduled_offboarding_goes_on(company: Returns, dana: str) -> None:
    scheduled = company.flow.start(dana, NotBefore=SOONER)
    company.flow.clock.settle()
    company.require_approvals()
    company.report()
    company.flow.change_policy(ApprovalRequired=[])
    company.flow.clock.advance(SOON)
    company.report_return()

    assert company.outcomes() == [None, "Withdrawn"]
    company.flow.pass_days(16)
    assert company.is_disabled(dana)
    assert company.flow.read_result(scheduled).status == "RUNNING"


@pytest.mark.parametrize("withdrawn", [["r-1"], *mark_long((["r-2"],), (["r-1", "r-2"],), (["r-2", "r-1"],))], ids=str)
def test_of_two_requests_for_two_dates_the_one_that_is_not_withdrawn_keeps_its_date(
    company: Returns, dana: str, withdrawn: list[str]
) -> None:
    request_offboarding(company, "r-1", NotBefore=LATER)
    request_offboarding(company, "r-2", NotBefore=SOONER)
    for request_id in withdrawn:
        company.flow.clock.advance(timedelta(minutes=1))
        withdraw_request(company, RequestId=request_id)
    company.settle()

    assert company.outcomes() == ["Withdrawn" if name in withdrawn else None for name in ("r-1", "r-2")]
    company.flow.pass_days(16)
    assert company.is_disabled(dana) is ("r-2" not in withdrawn)
    company.flow.pass_days(26)
    assert company.is_disabled(dana) is (len(withdrawn) == 1)
    assert company.read_dead_letters() == []


def test_a_withdrawn_request_that_is_made_again_has_its_new_date_in_any_order(company: Returns, dana: str) -> None:
    request_offboarding(company, "r-1", NotBefore=SOONER)
    company.flow.clock.advance(SOON)
    company.set_paused(paused=True)
    withdraw_request(company, RequestId="r-1")
    company.flow.clock.advance(timedelta(seconds=2))
    request_offboarding(company, "r-1", NotBefore=LATER)
    company.set_paused(paused=False)
    company.settle()

    assert company.outcomes() == ["Withdrawn", None]
    company.flow.pass_days(16)
    assert not company.is_disabled(dana)
    company.flow.pass_days(26)
    assert company.is_disabled(dana)


def test_a_withdrawal_of_all_requests_counts_for_one_that_goes_on_at_its_date(company: Returns, dana: str) -> None:
    request_offboarding(company, "r-1", NotBefore=SOONER)
    company.require_approvals()
    company.report()
    company.flow.change_policy(ApprovalRequired=[])
    company.flow.clock.advance(SOON)
    withdraw_request(company, EntityId=dana)
    company.settle()
    company.flow.decide(company.arns()[1], "Rejected")
    company.flow.pass_days(16)

    assert company.outcomes() == ["Withdrawn", "Rejected"]
    assert not company.is_disabled(dana)


@pytest.mark.parametrize("ends", ["returned", *mark_long("Rejected", "Withdrawn", None)])
def test_a_withdrawal_ends_a_scheduled_request_from_which_another_one_has_taken_over(
    company: Returns, dana: str, ends: str | None
) -> None:
    request_offboarding(company, "r-1", NotBefore=LATER)
    company.require_approvals()
    company.report()
    company.flow.clock.advance(SOON)
    if ends == "returned":
        company.report_return()
    elif ends:
        company.flow.decide(company.arns()[1], ends)
    company.settle()
    assert company.arns()[0] in [record["Id"] for record in company.flow.list_by_status("Scheduled")]

    withdraw_request(company, RequestId="r-1")
    company.settle()

    assert company.outcomes()[0] == "Withdrawn"
    assert company.flow.list_by_status("Scheduled") == []


def test_a_request_whose_date_has_passed_joins_what_waits(company: Returns, dana: str) -> None:
    requested_at = company.flow.clock.now()
    date = render(requested_at + timedelta(days=3))
    event = build_request_event(dana, "r-1", OrganizationId=ORGANIZATION_ID, NotBefore=date)
    company.flow.pass_days(5)
    company.require_approvals()
    company.report()
    company.flow.clock.advance(SOON)

    company.send_message(json.dumps({**event, "time": requested_at.isoformat()}))
    company.report_return()
    company.settle()

    assert company.read_dead_letter_reasons() == []
    assert company.outcomes() == [None]


def test_a_withdrawal_from_before_the_request_is_not_told(company: Returns, dana: str) -> None:
    withdrawn_at = company.flow.clock.now()
    company.flow.clock.advance(SOON)
    company.require_approvals()
    request_offboarding(company, "r-1")
    company.flow.clock.advance(SOON)

    event = build_withdrawal_event(EntityId=dana)
    company.send_message(json.dumps({**event, "time": withdrawn_at.isoformat()}))
    company.settle()

    assert (company.outcomes(), company.read_return_mails()) == ([None], [])


# Between two states


@pytest.mark.parametrize(
    "operation", ["DescribeUser", "DeregisterFromWorkMail", *mark_long("DescribeOrganization", "ListAliases")]
)
@pytest.mark.parametrize("when", ["before", *mark_long("after")])
def test_a_return_during_any_call_of_an_execution_withdraws_it_or_is_told(
    company: Returns, dana: str, operation: str, when: str
) -> None:
    pending = [operation]

    def come_back(called: str, parameters: Mapping[str, Any]) -> None:
        is_of_execution = company.flow.clock.current() is not None and bool(company.list_executions())
        if pending and called == operation and is_of_execution:
            pending.clear()
            # In its own thread: work on the clock counts as the stack.
            thread = threading.Thread(target=lambda: company.send_return(company.flow.clock.now()))
            thread.start()
            thread.join()

    hooks = company.flow.backend.before_hooks if when == "before" else company.flow.backend.after_hooks
    hooks.append(come_back)
    company.report()
    company.settle()

    assert not pending
    mails = company.read_return_mails()
    assert (company.is_disabled(dana), len(mails)) in {(False, 0), (True, 1)}
    assert company.outcomes() == ["Withdrawn" if not mails else None]
    company.flow.pass_days(20)
    assert company.read_dead_letters() == []


@pytest.mark.parametrize("provider", ["okta activate", *mark_long("okta")])
def test_a_second_report_of_the_return_does_not_hide_the_first_while_that_waits(
    company: Returns, dana: str, provider: str
) -> None:
    company.flow.backend.behaviour = replace(company.flow.backend.behaviour, describe_lag_seconds=60)
    company.report()
    company.send_return(company.flow.clock.now() + timedelta(milliseconds=5))
    company.send_return(company.flow.clock.now() + timedelta(seconds=1))
    company.settle()

    assert (company.is_disabled(dana), len(company.read_return_mails())) in {(False, 0), (True, 1)}


def test_a_departure_that_ended_another_one_is_not_lost_if_the_token_cannot_be_answered(
    company: Returns, dana: str
) -> None:
    scheduled = company.flow.start(dana, NotBefore=LATER)
    company.flow.clock.settle()
    company.flow.environment.faults.add(Fault("stepfunctions", "SendTaskSuccess", error="AccessDeniedException"))
    company.report()
    company.flow.pass_days(45)

    assert company.flow.read_result(company.arns()[1]).outcome == "CleanupVerified"
    assert company.flow.read_result(scheduled).status in {"SUCCEEDED", "RUNNING"}


# By hand


def test_a_withdrawal_at_the_moment_of_the_date_counts(company: Returns, dana: str) -> None:
    arn = company.flow.start(dana, NotBefore=SOONER)
    company.flow.clock.settle()
    company.flow.environment.faults.add(Fault("stepfunctions", "SendTaskSuccess", error="InternalFailure"))
    company.flow.decide(arn, "Withdrawn")
    company.flow.pass_days(16)

    assert company.flow.read_result(arn).outcome == "Withdrawn"
    assert not company.is_disabled(dana)


@pytest.mark.parametrize("waits_for", ["date", "approval"])
@pytest.mark.parametrize("is_by_event", [False, *mark_long(True)])
def test_a_person_withdraws_whatever_waits(company: Returns, dana: str, waits_for: str, is_by_event: bool) -> None:
    date = {"NotBefore": LATER} if waits_for == "date" else {}
    if waits_for == "approval":
        company.require_approvals()
    if is_by_event:
        request_offboarding(company, **date)
    else:
        company.flow.start(dana, **date)
    company.flow.clock.settle()
    [arn] = company.arns()

    assert company.flow.decide(arn, "Withdrawn").outcome == "Decided"
    assert company.flow.read_result(arn).output["Decision"]["DecidedBy"] == "boss"
    assert company.flow.decide(arn, "Withdrawn").outcome in {"AlreadyDecided", "ApprovalNotPending"}
    company.flow.pass_days(60)
    assert company.outcomes() == ["Withdrawn"]
    assert not company.is_disabled(dana)


@pytest.mark.parametrize("decision", ["Approved", *mark_long("Rejected")])
def test_a_scheduled_offboarding_is_neither_approved_nor_rejected(company: Returns, dana: str, decision: str) -> None:
    arn = company.flow.start(dana, NotBefore=SOONER)
    company.flow.clock.settle()

    result = company.flow.decide(arn, decision)

    assert result.outcome == "ApprovalNotPending"
    assert "Only Withdrawn ends it" in result.cause
    company.flow.pass_days(16)
    assert company.is_disabled(dana)


def test_after_a_withdrawal_a_later_event_has_another_execution_and_an_earlier_one_none(
    company: Returns, dana: str
) -> None:
    company.require_approvals()
    left_at = company.flow.clock.now()
    company.report(at=left_at)
    company.flow.clock.advance(SOON)
    company.report_return()
    company.report("okta delete", at=left_at)
    company.flow.pass_days(1)
    assert company.outcomes() == ["Withdrawn"]

    company.report()

    assert company.outcomes() == ["Withdrawn", None]


# Everybody else


@pytest.mark.parametrize("provider", ["okta", *mark_long("okta activate", "cloudtrail")])
def test_an_event_about_somebody_who_was_never_away_changes_nothing(company: Returns, dana: str, provider: str) -> None:
    for _ in range(3):
        company.report_return(provider)

    assert company.arns() == []
    assert company.read_return_mails() == []
    assert company.read_dead_letters() == []
