"""What a return does: it withdraws what waits, has people told of what has happened, and waits for what is between."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.records import entity_key
from offboarding.adapters.reports import Presence, Report, Reports
from offboarding.domain import errors
from offboarding.domain.exports import ExportState
from offboarding.domain.record import Decision, Status
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import parse, render
from offboarding.edge.identity_providers import LeaverEvent, ReturnEvent, SubjectKind
from offboarding.edge.intake import returns
from offboarding.edge.intake.departures import DepartureWithdrawn, record_departure
from offboarding.edge.intake.returns import process_return
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    NOW,
    OTHER_ORGANIZATION_ID,
    RETENTION_ENDS_AT,
    STARTED_AT,
    USER_ID,
    Table,
    configure,
    make_execution_arn,
    make_offboarding,
    make_raiser,
)

LEFT_AT, BACK_AT = "2026-11-24T07:00:00.000Z", "2026-11-24T08:00:00.000Z"
RECEIVED_AT = "2026-11-24T08:59:59.123Z"
MILLISECOND = timedelta(milliseconds=1)
TOKEN = "the-token"
OKTA, CLOUDTRAIL = Reporter("okta", "00u1"), Reporter("identityCenter", "store-user")
REQUEST = Reporter("offboardingRequested", "r-1")
ENTITY = entity_key(ORGANIZATION_ID, USER_ID)
OFFBOARDING = make_offboarding(ARN_A)
REQUESTER = {"Provider": "okta", "EventId": "e-1", "OccurredAt": LEFT_AT, "ProviderUserId": "00u1"}
DECISION = {
    "Decision": "Withdrawn",
    "DecidedBy": "okta",
    "Reason": f"okta reported at {BACK_AT} that the leaver is back.",
    "DecidedAt": NOW,
    "DecidedIn": "e-2",
}

pytestmark = pytest.mark.usefixtures("frozen_time")


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The tokens that were answered, each with its answer."""
    sent: list[tuple[str, Any]] = []

    def send(token: str, answer: Any) -> bool:
        sent.append((token, answer))
        return True

    monkeypatch.setattr(returns, "send_task_success", send)
    return sent


@pytest.fixture
def reports(table: Table) -> Reports:
    """The reports: okta has said that dana left."""
    reports = Reports()
    reports.record_departure(OKTA, LEFT_AT, ENTITY, is_stated=True)
    return reports


def come_back(occurred_at: str = BACK_AT, entity: str | None = None, **members: Any) -> bool:
    event = ReturnEvent("okta", "00u1", "e-2", occurred_at)
    return process_return(ReturnEvent(**{**vars(event), **members}), entity, RECEIVED_AT)


def create_record(
    table: Table, status: Status, requester: Any = REQUESTER, token: str | None = TOKEN, name: str = "a", **facts: Any
) -> None:
    """Write a record that waits for a date or an approval."""
    offboarding = make_offboarding(make_execution_arn(name))
    table.records.hold(offboarding, NOW)
    request = {"Requester": requester} if requester else {}
    facts = {"StartedAt": STARTED_AT, "Entity": OFFBOARDING.entity, **request, **facts}
    due_at = RETENTION_ENDS_AT if status is Status.SCHEDULED else None
    first_status = Status.SCHEDULED if status is Status.SCHEDULED else Status.RECORDED
    log_entry = {"At": NOW, "Step": first_status.value}
    table.records.create_or_update(offboarding, facts, first_status, due_at, log_entry)
    if status is Status.AWAITING_APPROVAL:
        log_entry = {"At": NOW, "Step": "AwaitApproval"}
        table.records.record_approval_request(offboarding, token or "", ["a reason"], RETENTION_ENDS_AT, log_entry)
    elif status is Status.SCHEDULED and token:
        assert table.records.record_wait(offboarding, token)


def make_requester(request_id: str = "r-1", occurred_at: str = LEFT_AT) -> dict[str, str]:
    return {"Provider": "offboardingRequested", "EventId": request_id, "OccurredAt": occurred_at}


def read_told(table: Table, execution_arn: str = ARN_A) -> list[dict[str, Any]]:
    """Return what people are told of returns for an execution."""
    return [step for step in table.read_steps(execution_arn) if step["Step"] == "LeaverReturned"]


# Who was away


LONG_AGO = "2026-11-24T06:00:00.000Z"


@pytest.mark.parametrize(
    ("events", "occurred_at", "is_return"),
    [
        ([], BACK_AT, False),
        ([("back", LEFT_AT)], BACK_AT, False),
        ([("away", LEFT_AT)], BACK_AT, True),
        ([("away", BACK_AT)], BACK_AT, True),
        ([("away", render(parse(BACK_AT) + MILLISECOND))], BACK_AT, False),
        ([("away", LEFT_AT), ("back", LEFT_AT)], BACK_AT, True),
        ([("away", LEFT_AT), ("back", BACK_AT)], BACK_AT, True),
        ([("away", LEFT_AT), ("back", BACK_AT)], "2026-11-24T09:00:00+01:00", True),
        ([("away", LEFT_AT), ("back", BACK_AT)], LEFT_AT, True),
        ([("away", LEFT_AT), ("back", LEFT_AT), ("handled", LEFT_AT)], BACK_AT, False),
        ([("away", LEFT_AT), ("back", BACK_AT), ("handled", BACK_AT)], BACK_AT, False),
        ([("away", LEFT_AT), ("back", BACK_AT), ("handled", BACK_AT)], LEFT_AT, False),
        ([("back", LONG_AGO), ("handled", LONG_AGO), ("away", LEFT_AT)], BACK_AT, True),
        ([("back", LONG_AGO), ("handled", LONG_AGO), ("away", LEFT_AT)], LEFT_AT, True),
        ([("away", LEFT_AT), ("handled", render(parse(LEFT_AT) - MILLISECOND))], BACK_AT, True),
    ],
)
def test_a_return_counts_if_nobody_has_acted_on_one_from_the_last_departure(
    table: Table, events: list[tuple[str, str]], occurred_at: str, is_return: bool
) -> None:
    reports = Reports()
    write = {
        "away": lambda at: reports.record_departure(OKTA, at, None, is_stated=True),
        "back": lambda at: reports.record_return(OKTA, at),
        "handled": lambda at: reports.record_handled_return(OKTA, at),
    }
    for kind, at in events:
        write[kind](at)
    handled_at = reports.find_presence(OKTA).handled_at

    assert come_back(occurred_at) is is_return
    presence = reports.find_presence(OKTA)
    assert presence.back_at is not None
    assert presence.back_at >= render(parse(occurred_at))
    assert presence.handled_at == (render(parse(occurred_at)) if is_return else handled_at)
    assert [item["Part"]["S"] for item in table.read_all()] == ["Presence"]


def test_a_return_that_is_heard_in_another_way_is_of_the_same_person(table: Table) -> None:
    Reports().record_departure(CLOUDTRAIL, LEFT_AT, ENTITY, is_stated=True)

    assert come_back(provider="identityCenterScim", provider_user_id="store-user")
    assert not come_back(provider="okta", provider_user_id="store-user")


def test_an_edit_of_somebody_who_is_back_tells_nobody_again(table: Table, reports: Reports) -> None:
    table.create_deregistered_record("a")
    assert come_back()
    assert not come_back("2026-11-24T08:30:00.000Z")

    assert len(read_told(table)) == 1


def test_a_return_from_a_departure_without_a_lock_changes_nothing_else(reports: Reports, table: Table) -> None:
    assert come_back()

    assert reports.find_presence(OKTA) == Presence(LEFT_AT, BACK_AT, LEFT_AT, BACK_AT, ENTITY)
    assert len(table.read_all()) == 1


# While the execution is between two states


def hold(table: Table) -> None:
    table.records.hold(OFFBOARDING, NOW)


def record(table: Table) -> None:
    table.create_record("a")


def attempt(table: Table) -> None:
    table.create_record("a")
    table.record_attempt(ARN_A)


def schedule_without_token(table: Table) -> None:
    create_record(table, Status.SCHEDULED, token=None)


@pytest.mark.parametrize("prepare", [hold, record, attempt])
def test_a_return_is_read_again_while_the_execution_is_between_two_states(
    table: Table, reports: Reports, answers: list[Any], prepare: Callable[[Table], None]
) -> None:
    prepare(table)

    for _ in range(2):
        with pytest.raises(errors.RecordUnavailable, match=f"{ARN_A} is between two states"):
            come_back()

    presence = reports.find_presence(OKTA)
    assert presence.back_at == BACK_AT, "the execution itself can find the return"
    assert presence.handled_at is None, "nobody has acted on it"
    assert (read_told(table), answers) == ([], [])


def test_a_return_is_read_again_until_the_execution_has_recorded_that_it_waits(
    table: Table, reports: Reports, answers: list[Any]
) -> None:
    schedule_without_token(table)

    with pytest.raises(errors.RecordUnavailable, match=f"{ARN_A} has not recorded yet that it waits"):
        come_back()
    assert table.is_withdrawn(ARN_A)
    assert not answers

    table.records.record_wait(OFFBOARDING, TOKEN)
    assert come_back()
    assert answers == [(TOKEN, DECISION)]


# While the execution waits


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.AWAITING_APPROVAL])
@pytest.mark.parametrize(
    ("members", "decision"),
    [
        ({}, {}),
        ({"requested_by": "it.admin@example.com"}, {"DecidedBy": "it.admin@example.com"}),
        ({"reason": "stays", "requested_by": "hr"}, {"Reason": "stays", "DecidedBy": "hr"}),
    ],
)
def test_an_execution_that_waits_is_withdrawn_by_the_return(
    table: Table, reports: Reports, answers: list[Any], status: Status, members: Any, decision: dict[str, str]
) -> None:
    create_record(table, status)

    assert come_back(**members)
    assert not come_back(**members)

    expected = {**DECISION, **decision}
    assert answers == [(TOKEN, expected)], "nothing is left to be done"
    assert table.load_record(ARN_A).decision == expected
    assert table.is_withdrawn(ARN_A)
    assert table.read_step(ARN_A, "Decided") == {"Step": "Decided", "At": NOW, **expected}
    assert read_told(table) == []


@pytest.mark.parametrize("is_answered", [False, None], ids=["not waiting any more", "no answer"])
def test_a_return_is_read_again_if_the_execution_may_not_have_been_ended(
    table: Table, reports: Reports, answers: list[Any], monkeypatch: pytest.MonkeyPatch, is_answered: bool | None
) -> None:
    create_record(table, Status.SCHEDULED)
    failing = make_raiser(errors.RecordUnavailable("no answer")) if is_answered is None else lambda *_: is_answered
    with monkeypatch.context() as patch:
        patch.setattr(returns, "send_task_success", failing)
        with pytest.raises(errors.RecordUnavailable, match="no answer" if is_answered is None else "has just stopped"):
            come_back()
    assert table.load_record(ARN_A).decision == DECISION
    assert reports.find_presence(OKTA).handled_at is None

    assert come_back()
    assert answers == [(TOKEN, DECISION)]
    assert reports.find_presence(OKTA).handled_at == BACK_AT


def test_the_withdrawal_expires_after_the_record(
    table: Table, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_record(table, Status.SCHEDULED)
    configure(monkeypatch, RECORD_RETENTION_DAYS="90")

    assert come_back()

    expires_at = int((parse(NOW) + timedelta(days=490)).timestamp())
    assert table.read_members(ARN_A, "Withdrawal") == {"IsOpen": False, "ExpiresAt": expires_at}


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.AWAITING_APPROVAL])
@pytest.mark.parametrize(
    "requester",
    [
        None,
        {**REQUESTER, "Provider": "auth0", "OccurredAt": render(parse(BACK_AT) + MILLISECOND)},
        make_requester(occurred_at=BACK_AT),
        REQUESTER,
    ],
    ids=["person", "auth0", "request", "person-too"],
)
def test_an_execution_that_somebody_else_asked_for_too_goes_on_and_people_are_told(
    table: Table, reports: Reports, answers: list[Any], status: Status, requester: Any
) -> None:
    create_record(table, status, requester)
    if requester is REQUESTER:
        reports.join(ARN_A, Report(), "by-hand", NOW)

    assert come_back()
    assert not come_back()

    assert answers == []
    assert table.load_record(ARN_A).decision is None
    assert not table.is_withdrawn(ARN_A)
    assert read_told(table)[0]["EntityKey"] == ENTITY
    assert table.read_step(ARN_A, "LeaverReturned") == {
        "Step": "LeaverReturned",
        "At": RECEIVED_AT,
        "Provider": "okta",
        "EventId": "e-2",
        "OccurredAt": BACK_AT,
        "MailboxTouched": "No",
    }


@pytest.mark.parametrize(
    ("report_date", "record_date", "expected"),
    [(None, None, {}), (None, "2026-12-01T00:00:00Z", {"NotBefore": "2026-12-01T00:00:00Z"}),
     ("2026-12-31T00:00:00Z", "2026-12-01T00:00:00Z", {"NotBefore": "2026-12-31T00:00:00Z"})],
)  # fmt: skip
@pytest.mark.parametrize("status_read_at", [None, "2026-11-24T08:00:30.000Z"])
def test_people_are_told_the_date_of_who_asked_too_and_when_the_status_was_read(
    table: Table,
    reports: Reports,
    report_date: str | None,
    record_date: str | None,
    expected: dict[str, str],
    status_read_at: str | None,
) -> None:
    create_record(table, Status.SCHEDULED, **({"NotBefore": record_date} if record_date else {}))
    reports.join(ARN_A, Report(not_before=report_date), "by-hand", NOW)

    assert come_back(status_read_at=status_read_at)

    step = table.read_step(ARN_A, "LeaverReturned")
    assert {name: step[name] for name in step if name in {"NotBefore", "StatusReadAt"}} == {
        **expected,
        **({"StatusReadAt": status_read_at} if status_read_at else {}),
    }


def test_a_decision_that_was_made_before_the_return_counts(table: Table, reports: Reports, answers: list[Any]) -> None:
    create_record(table, Status.AWAITING_APPROVAL)
    decision = Decision(Decision="Approved", DecidedBy="boss", Reason="left", DecidedAt=NOW, DecidedIn=ARN_B)
    assert table.records.record_decision(table.load_record(ARN_A), decision)

    assert come_back()

    assert answers == []
    assert table.load_record(ARN_A).decision == decision
    assert table.is_withdrawn(ARN_A), "the execution itself finds the return before it goes on"


def test_an_execution_that_does_not_hold_the_entity_any_more_is_not_withdrawn(
    table: Table, reports: Reports, answers: list[Any]
) -> None:
    create_record(table, Status.AWAITING_APPROVAL)
    table.records.release(OFFBOARDING, NOW)

    assert come_back()

    assert (answers, read_told(table)) == ([], [])


# Afterwards


def deregister(table: Table) -> None:
    table.create_deregistered_record("a")


def stop(table: Table) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, "Stopped")


def stop_after_attempt(table: Table) -> None:
    attempt(table)
    table.close_record(ARN_A, "Stopped")


def find_disabled(table: Table) -> None:
    table.create_record("a")
    table.record_deregistration(ARN_A)


def reject_another(table: Table) -> None:
    deregister(table)
    table.close_record(ARN_A, "CleanupOverdue")
    table.create_record("b")
    table.close_record(ARN_B, "Rejected")


def forget_another(table: Table) -> None:
    deregister(table)
    table.records.hold(make_offboarding(ARN_B), NOW, take_over_from=ARN_A)
    table.records.release(make_offboarding(ARN_B), NOW)


def restore_halfway(table: Table) -> None:
    deregister(table)
    log_entry = {"At": NOW, "Step": "Register"}
    table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORING, {}, log_entry)


def restore(table: Table) -> None:
    restore_halfway(table)
    log_entry = {"At": NOW, "Step": "Restored"}
    table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORED, {}, log_entry)


def reject(table: Table) -> None:
    record(table)
    table.close_record(ARN_A, "Rejected")


def forget(table: Table) -> None:
    hold(table)
    table.records.release(OFFBOARDING, NOW)


def end_as(outcome: str) -> Callable[[Table], None]:
    def end(table: Table) -> None:
        deregister(table)
        assert table.records.record_verification(OFFBOARDING, outcome, {"At": NOW, "Step": "VerifyCleanup"})
        assert table.close_record(ARN_A, outcome)

    return end


YES = {"MailboxTouched": "Yes", "DeregisteredAt": NOW, "RetentionEndsAt": RETENTION_ENDS_AT}


@pytest.mark.parametrize(
    ("prepare", "members"),
    [
        (deregister, YES),
        (find_disabled, YES),
        (stop, YES),
        (stop_after_attempt, {"MailboxTouched": "Maybe"}),
        (end_as("ServiceEnded"), YES),
        (restore_halfway, YES),
        (reject_another, YES),
        (forget_another, YES),
    ],
)
def test_a_return_in_the_window_is_told_and_nothing_is_restored(
    table: Table, reports: Reports, answers: list[Any], prepare: Callable[[Table], None], members: dict[str, str]
) -> None:
    prepare(table)
    recorded = table.read_members(ARN_A)

    assert come_back()
    assert not come_back()

    assert answers == []
    assert table.read_members(ARN_A) == recorded
    assert table.read_step(ARN_A, "LeaverReturned") == {
        "Step": "LeaverReturned",
        "At": RECEIVED_AT,
        "Provider": "okta",
        "EventId": "e-2",
        "OccurredAt": BACK_AT,
        **members,
    }
    assert read_told(table, ARN_B) == []


@pytest.mark.parametrize(
    "prepare",
    [
        restore,
        reject,
        forget,
        *map(end_as, ("CleanupVerified", "Reenabled", "ReenabledAfterRetention", "EntityRemoved")),
    ],
)
def test_a_return_is_not_told_if_the_mailbox_is_not_in_its_window(
    table: Table, reports: Reports, answers: list[Any], prepare: Callable[[Table], None]
) -> None:
    prepare(table)

    assert come_back()

    assert (read_told(table), answers) == ([], [])


def test_a_return_is_told_for_the_execution_that_deregistered_last(table: Table, reports: Reports) -> None:
    table.create_deregistered_record("a")
    table.close_record(ARN_A, "Stopped")
    table.create_deregistered_record("b")

    assert come_back()

    assert (len(read_told(table, ARN_A)), len(read_told(table, ARN_B))) == (0, 1)


# An execution from which another one has taken over


@pytest.fixture
def superseding(table: Table, reports: Reports) -> Callable[..., None]:
    """Have execution b take over from a, which waits for a later date with its own token."""

    def create(requester: Any = REQUESTER, token: str | None = TOKEN, status: Status = Status.SCHEDULED) -> None:
        create_record(table, status, requester, token, NotBefore="2026-12-31T00:00:00Z")
        table.records.hold(make_offboarding(ARN_B), NOW, take_over_from=ARN_A)
        table.records.supersede(table.load_record(ARN_A), ARN_B, NOW)
        create_record(table, Status.AWAITING_APPROVAL, token="token-of-b", name="b")

    return create


def test_an_execution_that_waits_for_a_later_date_is_withdrawn_too(
    table: Table, superseding: Callable[..., None], answers: list[Any]
) -> None:
    superseding()

    assert come_back()

    assert answers == [("token-of-b", DECISION), (TOKEN, DECISION)]
    for execution_arn in (ARN_A, ARN_B):
        assert table.load_record(execution_arn).decision == DECISION
        assert table.is_withdrawn(execution_arn)


def test_people_are_told_if_somebody_else_asked_for_the_later_date(
    table: Table, superseding: Callable[..., None], answers: list[Any]
) -> None:
    superseding(requester=None)

    assert come_back()

    assert answers == [("token-of-b", DECISION)]
    assert read_told(table, ARN_B) == []
    assert table.read_step(ARN_A, "LeaverReturned")["NotBefore"] == "2026-12-31T00:00:00Z"


def test_a_return_is_read_again_until_the_execution_for_the_later_date_has_recorded_that_it_waits(
    table: Table, superseding: Callable[..., None], answers: list[Any], reports: Reports
) -> None:
    superseding(token=None)

    with pytest.raises(errors.RecordUnavailable, match=f"{ARN_A} has not recorded yet that it waits"):
        come_back()
    assert [token for token, _ in answers] == ["token-of-b"]

    assert table.records.record_wait(make_offboarding(ARN_A), TOKEN)
    assert come_back()
    assert [token for token, _ in answers] == ["token-of-b", "token-of-b", TOKEN]


def end_superseded(table: Table) -> None:
    table.close_record(ARN_A, "Superseded")


def supersede_again(table: Table) -> None:
    table.records.supersede(table.load_record(ARN_A), make_execution_arn("c"), NOW)


def delete(table: Table) -> None:
    table.delete_item(ARN_A)


@pytest.mark.parametrize("prepare", [end_superseded, supersede_again, delete])
def test_an_execution_that_another_one_has_ended_or_taken_over_is_left_alone(
    table: Table, superseding: Callable[..., None], answers: list[Any], prepare: Callable[[Table], None]
) -> None:
    superseding()
    prepare(table)

    assert come_back()

    assert answers == [("token-of-b", DECISION)]
    assert read_told(table) == []


def test_a_superseded_execution_that_waits_for_an_approval_is_left_alone(
    table: Table, superseding: Callable[..., None], answers: list[Any]
) -> None:
    superseding(status=Status.AWAITING_APPROVAL)

    assert come_back()

    assert answers == [("token-of-b", DECISION)]


def reject_b(table: Table) -> None:
    table.close_record(ARN_B, "Rejected")


def deregister_b(table: Table) -> None:
    assert table.record_attempt(ARN_B)
    assert table.record_deregistration(ARN_B)


@pytest.mark.parametrize("prepare", [reject_b, deregister_b])
def test_an_execution_that_still_waits_is_withdrawn_after_the_sooner_one(
    table: Table, superseding: Callable[..., None], answers: list[Any], prepare: Callable[[Table], None]
) -> None:
    superseding()
    prepare(table)

    assert come_back()

    assert answers == [(TOKEN, DECISION)]
    assert len(read_told(table, ARN_B)) == (prepare is deregister_b)


# Requests

BY_REQUEST_ID = {"provider": "offboardingRequested", "provider_user_id": "r-1"}
OF_ALL_REQUESTS = {"provider": "offboardingRequested", "provider_user_id": "", "entity": ENTITY}


def test_all_requests_for_an_entity_are_withdrawn_together(table: Table, answers: list[Any]) -> None:
    reports = Reports()
    reports.record_departure(REQUEST, LEFT_AT, ENTITY, is_stated=True)
    create_record(table, Status.SCHEDULED, make_requester())

    assert not come_back(**{**OF_ALL_REQUESTS, "entity": entity_key(OTHER_ORGANIZATION_ID, USER_ID)})
    assert answers == []
    for _ in range(2):
        assert come_back(**OF_ALL_REQUESTS), "it has reached the requests"

    assert [answer["DecidedBy"] for _, answer in answers] == ["offboardingRequested"]
    all_requests = reports.find_presence(Reporter.of_all_requests(ENTITY))
    assert all_requests == Presence(None, BACK_AT, handled_at=BACK_AT)
    assert reports.find_presence(REQUEST) == Presence(LEFT_AT, None, LEFT_AT, entity_key=ENTITY)
    assert table.is_withdrawn(ARN_A)


def test_a_withdrawal_of_all_requests_for_an_entity_without_any_changes_nothing_else(table: Table) -> None:
    for _ in range(2):
        assert not come_back(**OF_ALL_REQUESTS)

    assert Reports().find_presence(Reporter.of_all_requests(ENTITY)) == Presence(None, BACK_AT)
    assert len(table.read_all()) == 1


def test_each_withdrawal_of_all_requests_counts(table: Table, answers: list[Any]) -> None:
    create_record(table, Status.SCHEDULED, make_requester())
    assert come_back(LEFT_AT, **OF_ALL_REQUESTS)
    create_record(table, Status.SCHEDULED, make_requester("r-2", "2026-11-24T07:30:00.000Z"), name="b", token="t-b")
    table.records.hold(make_offboarding(ARN_B), NOW, take_over_from=ARN_A)

    assert come_back(BACK_AT, **OF_ALL_REQUESTS)

    assert [token for token, _ in answers] == [TOKEN, "t-b"]


@pytest.mark.parametrize(
    ("occurred_at", "is_withdrawn"), [("2026-11-24T07:59:59.999Z", True), ("2026-11-24T08:00:00.001Z", False)]
)
def test_a_younger_request_is_not_withdrawn_and_nobody_is_told(
    table: Table, answers: list[Any], occurred_at: str, is_withdrawn: bool
) -> None:
    create_record(table, Status.SCHEDULED, make_requester("r-2", occurred_at))

    assert come_back(**OF_ALL_REQUESTS)

    assert bool(answers) is is_withdrawn
    assert read_told(table) == []


def test_a_withdrawal_of_all_requests_tells_people_of_what_a_provider_reports(
    table: Table, answers: list[Any], reports: Reports
) -> None:
    create_record(table, Status.SCHEDULED)

    assert come_back(**OF_ALL_REQUESTS)

    assert answers == []
    assert table.read_step(ARN_A, "LeaverReturned")["Provider"] == "offboardingRequested"


def test_a_request_is_withdrawn_by_its_id(table: Table, answers: list[Any]) -> None:
    Reports().record_departure(REQUEST, LEFT_AT, ENTITY, is_stated=True)
    create_record(table, Status.AWAITING_APPROVAL, make_requester())

    assert not come_back(**{**BY_REQUEST_ID, "provider_user_id": "r-2"})
    assert answers == []
    assert come_back(**BY_REQUEST_ID)
    assert come_back(**BY_REQUEST_ID), "it has reached the request before"

    assert len(answers) == 1


def test_a_request_that_was_repeated_for_another_date_is_withdrawn_for_the_older_one(
    table: Table, answers: list[Any]
) -> None:
    Reports().record_departure(REQUEST, "2026-11-24T08:30:00.000Z", ENTITY, is_stated=True)
    create_record(table, Status.SCHEDULED, make_requester())

    assert come_back(BACK_AT, **BY_REQUEST_ID)

    assert len(answers) == 1


def test_a_repeated_departure_leaves_a_return_that_waits_to_be_read_again(
    table: Table, reports: Reports, answers: Any
) -> None:
    table.create_record("a")
    table.record_attempt(ARN_A)
    with pytest.raises(errors.RecordUnavailable):
        come_back()
    leaver = LeaverEvent("okta", "dana", SubjectKind.NAME, "e-1", LEFT_AT, provider_user_id="00u1")
    with pytest.raises(DepartureWithdrawn):
        record_departure(leaver, ORGANIZATION_ID, None)
    table.record_deregistration(ARN_A)

    assert come_back()
    assert len(read_told(table)) == 1


def test_the_return_of_a_leaver_is_recorded_for_the_next_check_of_the_export(
    reports: Reports, table: Table, answers: list[tuple[str, Any]]
) -> None:
    create_record(table, Status.RECORDED)
    log_entry = {"At": NOW, "Step": "ExportStarted"}
    assert table.records.record_export(table.load_record(ARN_A), ExportState(1, RETENTION_ENDS_AT), log_entry)

    assert come_back()

    assert table.load_record(ARN_A).decision == DECISION
    assert answers == []
