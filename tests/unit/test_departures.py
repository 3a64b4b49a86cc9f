"""Whether an event repeats what an execution does or has done, reports another departure, or was taken back."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
import time_machine

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.records import entity_key, provider_user_key
from offboarding.adapters.reports import Presence, Reports
from offboarding.domain.entities import LeavingUser
from offboarding.domain.errors import UnexpectedAnswer
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import parse, render
from offboarding.domain.tolerances import UNDATED_REGISTRATION_MARGIN
from offboarding.edge.identity_providers import LeaverEvent, RefusedEvent, SubjectKind
from offboarding.edge.identity_providers.events import StatusReading
from offboarding.edge.intake import departures
from offboarding.edge.intake.departures import (
    DepartureWithdrawn,
    LaterDateError,
    find_repeated_execution,
    record_departure,
)
from offboarding.edge.steps import OffboardingInput
from tests.unit.conftest import ARN_A, ARN_B, NOW, OTHER_ORGANIZATION_ID, USER_ID, Table

ENDED_AT = parse("2026-12-25T10:00:00Z")
BEFORE_END, AFTER_END = "2026-12-25T10:00:00Z", "2026-12-25T10:00:01Z"
FIRST_DATE, SECOND_DATE = "2026-12-30T17:00:00Z", "2026-12-31T18:00:00+01:00"
USER = LeavingUser(
    id=USER_ID,
    name="dana",
    email="dana@example.com",
    is_enabled=True,
    enabled_since=parse("2025-01-01T00:00:00Z"),
    disabled_since=None,
    registration_key="2025-01-01T00:00:00.000Z",
)
DISABLED_USER = replace(USER, is_enabled=False, enabled_since=None, disabled_since=parse(NOW))
UNDATED_USER = replace(USER, enabled_since=None, registration_key="")


@pytest.fixture(autouse=True)
def time_of_end() -> Iterator[None]:
    """Make the time stand still, at the moment at which ended executions ended."""
    with time_machine.travel(ENDED_AT, tick=False):
        yield


def make_request(occurred_at: str = BEFORE_END, **members: Any) -> OffboardingInput:
    requester = {"Provider": "okta", "EventId": "e-2", "OccurredAt": occurred_at}
    request = {"OrganizationId": ORGANIZATION_ID, "EntityId": USER_ID, "Requester": requester, **members}
    return cast(OffboardingInput, request)


def make_status(outcome: str | None, *, input_: str | None = None, **members: Any) -> ExecutionStatus:
    """Return how an execution stands: running, or ended with an outcome."""
    all_members = {"OrganizationId": ORGANIZATION_ID, "EntityId": USER_ID, **members.pop("execution_input", {})}
    ended_at = render(ENDED_AT) if outcome else None
    text = input_ if input_ is not None else json.dumps(all_members)
    return ExecutionStatus(is_running=outcome is None, input=text, outcome=outcome, ended_at=ended_at, **members)


def find(
    status: ExecutionStatus, request: OffboardingInput, user: LeavingUser | None = USER, **others: ExecutionStatus
) -> str | None:
    """Return the execution that a request repeats, while execution a has a status, and another one as given."""
    statuses = {ARN_A: status, ARN_B: others.get("other")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(departures, "read_execution_status", statuses.__getitem__)
        return find_repeated_execution(ARN_A, request, user)


def compare(*arguments: Any, **others: ExecutionStatus) -> bool:
    return find(*arguments, **others) is not None


SETTLED = [
    *(
        "CleanupVerified",
        "Reenabled",
        "ReenabledAfterRetention",
        "EntityRemoved",
        "ServiceEnded",
        "NothingToDo",
        "Planned",
    ),
    *("Rejected", "Withdrawn"),
]
UNSETTLED = ["Stopped", "ApprovalTimedOut", "WorkMailUnavailable", "EntityProtected", "TimedOut", "AlreadyInProgress"]


@pytest.mark.parametrize("entity_id", ["strasse-team", ""])
def test_an_execution_about_a_neighbour_or_nobody_is_not_repeated(entity_id: str) -> None:
    neighbour = replace(USER, name="stra\N{LATIN SMALL LETTER SHARP S}e-team", email=None)
    status = make_status("CleanupVerified", execution_input={"EntityId": entity_id})

    assert not compare(status, make_request(), neighbour)
    assert compare(make_status("CleanupVerified"), make_request(), neighbour)


@pytest.mark.parametrize("outcome", SETTLED)
@pytest.mark.parametrize("user", [USER, DISABLED_USER, None], ids=["enabled", "disabled", "group"])
def test_an_event_from_before_the_end_is_a_repetition_of_a_settled_execution(
    outcome: str, user: LeavingUser | None
) -> None:
    assert compare(make_status(outcome), make_request(), user)


@pytest.mark.parametrize("outcome", UNSETTLED)
@pytest.mark.parametrize("user", [USER, DISABLED_USER, None], ids=["enabled", "disabled", "group"])
def test_an_event_from_before_the_end_of_an_execution_that_failed_is_refused(
    outcome: str, user: LeavingUser | None
) -> None:
    with pytest.raises(RefusedEvent, match=f"{ARN_A} for this departure ended as {outcome}. If the leaver is still"):
        compare(make_status(outcome), make_request(), user)


@pytest.mark.parametrize("outcome", [*SETTLED, *UNSETTLED])
def test_an_event_from_after_the_end_is_another_departure_of_an_enabled_user(table: Table, outcome: str) -> None:
    assert not compare(make_status(outcome), make_request(AFTER_END))


@pytest.mark.parametrize("outcome", [*SETTLED, *UNSETTLED])
def test_an_event_from_after_the_end_repeats_the_deregistration_that_still_lasts(table: Table, outcome: str) -> None:
    table.create_deregistered_record("a")

    assert compare(make_status(outcome), make_request(AFTER_END), DISABLED_USER)


@pytest.mark.parametrize(
    "user",
    [
        replace(DISABLED_USER, disabled_since=parse(NOW) + timedelta(milliseconds=1)),
        replace(DISABLED_USER, disabled_since=None),
        USER,
    ],
    ids=["disabled again", "without a date", "enabled"],
)
def test_an_event_from_after_the_end_is_another_departure_if_the_deregistration_does_not_last(
    table: Table, user: LeavingUser
) -> None:
    table.create_deregistered_record("a")

    assert not compare(make_status("CleanupVerified"), make_request(AFTER_END), user)


def test_an_execution_that_deregistered_nothing_is_not_repeated_after_its_end(table: Table) -> None:
    table.create_record("a")

    assert not compare(make_status("Rejected"), make_request(AFTER_END), DISABLED_USER)


def test_a_request_for_a_group_after_the_end_has_the_id_of_the_former_request() -> None:
    assert compare(make_status("Rejected"), make_request(AFTER_END), None)


@pytest.mark.parametrize("outcome", [None, "CleanupVerified", "Stopped"])
@pytest.mark.parametrize(
    "execution_input",
    [
        {"EntityId": "kim"},
        {"EntityId": None},
        {"EntityId": USER_ID + "0"},
        {"OrganizationId": OTHER_ORGANIZATION_ID},
        {"OrganizationId": None},
        {"DryRun": True},
    ],
    ids=str,
)
def test_an_execution_about_something_else_is_not_repeated(
    outcome: str | None, execution_input: dict[str, Any]
) -> None:
    assert not compare(make_status(outcome, execution_input=execution_input), make_request())


@pytest.mark.parametrize("input_", ["", "no JSON", "[]", "null", '"dana"', "{}"])
def test_an_execution_with_an_input_that_names_nobody_is_not_repeated(input_: str) -> None:
    assert not compare(make_status(None, input_=input_), make_request())
    assert not compare(ExecutionStatus(is_running=True, input=None), make_request())


@pytest.mark.parametrize("entity_id", [USER_ID.upper(), "DANA", "Dana@Example.com"])
def test_an_execution_can_name_the_user_in_another_way(entity_id: str) -> None:
    assert compare(make_status(None, execution_input={"EntityId": entity_id}), make_request())
    assert compare(
        make_status(None, execution_input={"EntityId": entity_id}), make_request(), replace(USER, email=None)
    ) is ("@" not in entity_id)


def test_a_plan_repeats_a_plan_and_not_an_offboarding() -> None:
    plan, offboarding = {"DryRun": True}, {"DryRun": False}

    assert compare(make_status("Planned", execution_input=plan), make_request(DryRun=True))
    assert compare(make_status(None, execution_input=plan), make_request(DryRun=True))
    assert compare(make_status(None, execution_input=offboarding), make_request())
    assert not compare(make_status("Planned", execution_input=plan), make_request())
    assert not compare(make_status(None, execution_input=offboarding), make_request(DryRun=True))


@pytest.mark.parametrize(
    ("running_date", "date"),
    [
        (None, None),
        (FIRST_DATE, FIRST_DATE),
        (FIRST_DATE, "2026-12-30T18:00:00+01:00"),
        ("2026-12-01T00:00:00Z", None),
        (None, "2026-12-01T00:00:00Z"),
        ("2026-13-01T00:00:00Z", "0001-01-01T00:00:00+01:00"),
    ],
)
def test_a_running_execution_for_the_same_date_is_repeated(running_date: str | None, date: str | None) -> None:
    execution_input, members = ({"NotBefore": value} if value else {} for value in (running_date, date))

    assert compare(make_status(None, execution_input=execution_input), make_request(**members))


@pytest.mark.parametrize(
    ("running_date", "date"),
    [("2026-12-01T00:00:00Z", None), (None, "2026-12-01T00:00:00Z"), ("2026-12-02T00:00:00Z", "2026-12-01T00:00:00Z")],
)
def test_a_date_that_has_passed_since_the_event_happened_means_now(running_date: str | None, date: str | None) -> None:
    execution_input, members = ({"NotBefore": value} if value else {} for value in (running_date, date))

    assert compare(make_status(None, execution_input=execution_input), make_request(NOW, **members))


@pytest.mark.parametrize(("running_date", "date"), [(FIRST_DATE, None), (SECOND_DATE, FIRST_DATE)])
@pytest.mark.parametrize("user", [USER, None], ids=["user", "group"])
def test_a_sooner_date_needs_another_execution(running_date: str, date: str | None, user: LeavingUser | None) -> None:
    members = {"NotBefore": date} if date else {}

    assert not compare(make_status(None, execution_input={"NotBefore": running_date}), make_request(**members), user)


@pytest.mark.parametrize(("running_date", "date"), [(None, FIRST_DATE), (FIRST_DATE, SECOND_DATE)])
def test_a_later_date_does_not_delay_a_running_execution_and_is_refused(running_date: str | None, date: str) -> None:
    execution_input = {"NotBefore": running_date} if running_date else {}

    with pytest.raises(LaterDateError, match=rf"{ARN_A} offboards this leaver sooner, at 2026-12-.*\. A later date"):
        compare(make_status(None, execution_input=execution_input), make_request(NotBefore=date))


def test_an_execution_that_exists_and_is_not_found_is_unexpected() -> None:
    with pytest.raises(UnexpectedAnswer, match="because it exists, and does not find it"):
        compare(make_status("Forgotten"), make_request())


@pytest.mark.parametrize(
    ("elapsed", "is_repeated"), [(UNDATED_REGISTRATION_MARGIN, True), (UNDATED_REGISTRATION_MARGIN * 1.01, False)]
)
def test_a_user_without_dates_who_is_enabled_again_leaves_again(
    table: Table, elapsed: timedelta, is_repeated: bool
) -> None:
    request = make_request(render(parse(NOW) + elapsed))
    assert compare(make_status(None), request, UNDATED_USER), "it has no record"
    table.create_record("a")
    assert compare(make_status(None), request, UNDATED_USER), "it has deregistered nothing yet"
    table.create_deregistered_record("a")

    assert compare(make_status(None), request, UNDATED_USER) is is_repeated
    assert compare(make_status(None), request, replace(UNDATED_USER, is_enabled=False))
    assert compare(make_status(None), request, USER)


@pytest.mark.parametrize("other", [make_status(None), make_status("CleanupVerified")], ids=["running", "ended"])
def test_an_execution_that_left_the_entity_to_another_one_is_judged_by_that_one(other: ExecutionStatus) -> None:
    status = make_status("AlreadyInProgress", other_execution_arn=ARN_B)

    assert compare(status, make_request(AFTER_END if other.is_running else BEFORE_END), other=other)


def test_the_end_of_the_other_execution_counts(table: Table) -> None:
    status = make_status("AlreadyInProgress", other_execution_arn=ARN_B)

    with pytest.raises(RefusedEvent, match=f"{ARN_B} for this departure ended as Stopped"):
        compare(status, make_request(), other=make_status("Stopped"))
    assert not compare(status, make_request(AFTER_END), other=make_status("Stopped"))
    assert not compare(status, make_request(), other=make_status(None, execution_input={"NotBefore": FIRST_DATE}))
    table.create_deregistered_record("b")
    assert compare(status, make_request(AFTER_END), DISABLED_USER, other=make_status("CleanupVerified"))


def test_an_execution_about_something_else_leads_to_no_other_one() -> None:
    status = make_status("AlreadyInProgress", other_execution_arn=ARN_B, execution_input={"EntityId": "kim"})

    assert not compare(status, make_request(), other=make_status(None))


def test_another_execution_that_is_forgotten_is_not_repeated() -> None:
    status = make_status("AlreadyInProgress", other_execution_arn=ARN_B)
    forgotten = ExecutionStatus(is_running=False, outcome="Forgotten")

    assert not compare(status, make_request(), other=forgotten)


def test_the_execution_that_is_repeated_is_the_one_that_has_the_entity(table: Table) -> None:
    left = make_status("AlreadyInProgress", other_execution_arn=ARN_B)

    assert find(make_status(None), make_request()) == ARN_A
    assert find(make_status("Rejected"), make_request()) == ARN_A
    assert find(left, make_request(), other=make_status(None)) == ARN_B
    assert find(left, make_request(), other=make_status("Rejected")) == ARN_B
    table.create_deregistered_record("b")
    assert find(left, make_request(AFTER_END), DISABLED_USER, other=make_status("CleanupVerified")) == ARN_B


# Departures as they are reported


LEFT_AT = "2026-11-24T07:00:00.000Z"
ENTITY = entity_key(ORGANIZATION_ID, USER_ID)
OKTA, REQUEST = Reporter("okta", "00u1"), Reporter("offboardingRequested", "r-1")
LEAVERS = {
    OKTA: LeaverEvent("okta", "dana", SubjectKind.NAME, "e-1", LEFT_AT, provider_user_id="00u1"),
    REQUEST: LeaverEvent("offboardingRequested", "dana", SubjectKind.NAME, "r-1", "2026-11-24T08:00:00+01:00"),
}


@pytest.mark.parametrize("reporter", LEAVERS)
@pytest.mark.parametrize("user", [USER, None], ids=["user", "group"])
def test_a_departure_is_recorded_and_what_was_reported_before_is_returned(
    table: Table, reporter: Reporter, user: LeavingUser | None
) -> None:
    reports, earlier = Reports(), "2026-11-24T06:59:59.999Z"
    reports.record_return(reporter, earlier)

    assert record_departure(LEAVERS[reporter], ORGANIZATION_ID, user) == Presence(None, earlier)

    presence = Presence(LEFT_AT, earlier, stated_at=LEFT_AT, entity_key=ENTITY if user else None)
    assert reports.find_presence(reporter) == presence
    assert record_departure(LEAVERS[reporter], ORGANIZATION_ID, user) == presence, "the same event again"


def test_a_departure_that_a_status_shows_is_not_stated(table: Table) -> None:
    leaver = replace(LEAVERS[OKTA], reading=StatusReading(NOW, None))

    record_departure(leaver, ORGANIZATION_ID, USER)

    assert Reports().find_presence(OKTA) == Presence(LEFT_AT, entity_key=ENTITY)


@pytest.mark.parametrize("reporter", LEAVERS)
@pytest.mark.parametrize(
    ("user", "subject"), [(USER, {"EntityId": USER_ID, "EntityKey": ENTITY}), (None, {})], ids=["user", "group"]
)
def test_a_departure_from_before_the_return_is_withdrawn(
    table: Table, reporter: Reporter, user: LeavingUser | None, subject: dict[str, str]
) -> None:
    later = "2026-11-24T07:00:00.001Z"
    Reports().record_return(reporter, later)

    with pytest.raises(DepartureWithdrawn) as withdrawal:
        record_departure(LEAVERS[reporter], ORGANIZATION_ID, user)

    assert str(withdrawal.value) == f"The person is back since {later}, by the same provider. Nothing was started."
    assert withdrawal.value.subject == {
        "OrganizationId": ORGANIZATION_ID,
        **subject,
        "Presences": [provider_user_key(reporter)],
    }
    presence = Presence(LEFT_AT, later, LEFT_AT, handled_at=later, entity_key=ENTITY if user else None)
    assert Reports().find_presence(reporter) == presence, "the return has ended this departure"


def test_a_departure_and_a_return_of_a_person_at_the_same_moment_are_in_doubt_and_those_of_a_request_are_not(
    table: Table,
) -> None:
    for reporter in LEAVERS:
        Reports().record_return(reporter, LEFT_AT)

    with pytest.raises(RefusedEvent, match="Which came first is not known"):
        record_departure(LEAVERS[OKTA], ORGANIZATION_ID, USER)
    with pytest.raises(DepartureWithdrawn):
        record_departure(LEAVERS[REQUEST], ORGANIZATION_ID, USER)


@pytest.mark.parametrize(("withdrawn_at", "is_withdrawn"), [("2026-11-24T06:59:59.999Z", False), (BEFORE_END, True)])
def test_a_request_from_before_the_withdrawal_of_all_requests_for_its_entity_is_withdrawn(
    table: Table, withdrawn_at: str, is_withdrawn: bool
) -> None:
    Reports().record_withdrawal_of_all_requests(ENTITY, withdrawn_at)

    assert record_departure(LEAVERS[OKTA], ORGANIZATION_ID, USER) == Presence()
    assert record_departure(LEAVERS[REQUEST], OTHER_ORGANIZATION_ID, USER) == Presence()
    assert record_departure(LEAVERS[REQUEST], ORGANIZATION_ID, None).back_at is None
    if is_withdrawn:
        with pytest.raises(DepartureWithdrawn, match=f"back since {render(parse(withdrawn_at))}"):
            record_departure(LEAVERS[REQUEST], ORGANIZATION_ID, USER)
    else:
        assert record_departure(LEAVERS[REQUEST], ORGANIZATION_ID, USER).back_at is None


def test_the_later_of_two_returns_is_named(table: Table) -> None:
    Reports().record_return(Reporter.of_all_requests(ENTITY), BEFORE_END)
    Reports().record_return(REQUEST, AFTER_END)

    with pytest.raises(DepartureWithdrawn, match=f"back since {render(parse(AFTER_END))}"):
        record_departure(LEAVERS[REQUEST], ORGANIZATION_ID, USER)


def test_a_request_of_the_moment_at_which_all_were_withdrawn_is_in_doubt(table: Table) -> None:
    Reports().record_withdrawal_of_all_requests(ENTITY, LEFT_AT)

    with pytest.raises(RefusedEvent, match=r"Which came first is not known\..* or request it again"):
        record_departure(LEAVERS[REQUEST], ORGANIZATION_ID, USER)
    assert record_departure(LEAVERS[REQUEST], ORGANIZATION_ID, None).back_at is None, "its entity is not known"


def test_a_return_that_has_ended_a_departure_is_handled_and_one_from_before_it_is_not(table: Table) -> None:
    reports = Reports()
    reports.record_return(OKTA, "2026-11-24T06:00:00.000Z")
    record_departure(LEAVERS[OKTA], ORGANIZATION_ID, USER)
    assert reports.find_presence(OKTA).handled_at is None

    reports.record_withdrawal_of_all_requests(ENTITY, BEFORE_END)
    with pytest.raises(DepartureWithdrawn):
        record_departure(LEAVERS[REQUEST], ORGANIZATION_ID, USER)
    assert reports.find_presence(REQUEST).handled_at == render(parse(BEFORE_END))
