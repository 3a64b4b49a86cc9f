"""Who reports that a leaver is away, in whatever order that is heard; and when nobody does so any more."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.records import entity_key, provider_user_key
from offboarding.adapters.reports import Presence, Report, Reports
from offboarding.domain import errors
from offboarding.domain.record import Status
from offboarding.domain.reporters import Reporter
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    ARN_C,
    NOW,
    STARTED_AT,
    USER_ID,
    Table,
    configure,
    make_offboarding,
    make_raiser,
)

T1, T2, T3, T4 = (f"2026-11-24T0{hour}:00:00.000Z" for hour in range(1, 5))
OKTA, CLOUDTRAIL = Reporter("okta", "00u1"), Reporter("identityCenter", "store-user")
REQUEST = Reporter("offboardingRequested", "r-1")
ENTITY = entity_key(ORGANIZATION_ID, USER_ID)
ALL_REQUESTS = Reporter.of_all_requests(ENTITY)
OKTA_KEY = provider_user_key(OKTA)
OFFBOARDING = make_offboarding(ARN_A)
REMEMBERED = timedelta(days=14)


@pytest.fixture
def reports(table: Table) -> Reports:
    return Reports()


def make_requester(reporter: Reporter = OKTA, occurred_at: str = T1) -> dict[str, Any]:
    user = {} if reporter.provider == "offboardingRequested" else {"ProviderUserId": reporter.user_id}
    return {"Provider": reporter.provider, "EventId": reporter.user_id, "OccurredAt": occurred_at, **user}


def make_report(reporter: Reporter = OKTA, occurred_at: str = T1) -> Report:
    return Report.of(make_requester(reporter, occurred_at), ENTITY)


def make_presence(away_at: str | None = None, back_at: str | None = None, entity: str | None = None) -> Presence:
    """Return the presence of a person whose departures were all stated by events."""
    return Presence(away_at, back_at, stated_at=away_at, entity_key=entity)


def record(reports: Reports, *events: str, reporter: Reporter = OKTA) -> list[Presence]:
    """Record stated departures, read ones and returns, like "away 1", "read 2" and "back 3".

    Returns what was recorded before each.
    """
    times = dict(zip("1234", (T1, T2, T3, T4), strict=True))
    write = {
        "away": lambda at: reports.record_departure(reporter, at, None, is_stated=True),
        "read": lambda at: reports.record_departure(reporter, at, None, is_stated=False),
        "back": lambda at: reports.record_return(reporter, at),
    }
    return [write[kind](times[number]) for kind, number in (event.split() for event in events)]


def read_expiration(table: Table, key: str = OKTA_KEY, part: str = "Presence") -> timedelta | None:
    """Return how long after T1 an item expires."""
    expires_at = table.read_members(key, part).get("ExpiresAt")
    return None if expires_at is None else timedelta(seconds=int(expires_at) - parse(T1).timestamp())


# Presences


def test_somebody_who_was_never_reported_is_neither_away_nor_back(reports: Reports) -> None:
    assert reports.find_presence(OKTA) == Presence(None, None, None, None, None)


@pytest.mark.parametrize("repetitions", [1, 2])
@pytest.mark.parametrize(
    ("events", "presence"),
    [
        (["away 1"], make_presence(T1)),
        (["back 1"], make_presence(None, T1)),
        (["away 1", "away 2"], make_presence(T2)),
        (["back 1", "back 2"], make_presence(None, T2)),
        (["back 1", "away 2"], make_presence(T2, T1)),
        (["away 1", "back 2"], make_presence(T1, T2)),
        (["away 2", "back 2"], make_presence(T2, T2)),
        (["away 1", "back 3", "away 2"], make_presence(T2, T3)),
        (["away 1", "back 2", "away 3"], make_presence(T3, T2)),
        (["back 1", "away 2", "back 3", "away 4"], make_presence(T4, T3)),
        (["read 1"], Presence(T1)),
        (["read 1", "back 2"], Presence(T1, T2)),
        (["read 1", "away 2"], make_presence(T2)),
        (["read 1", "back 2", "away 3"], make_presence(T3, T2)),
    ],
)
def test_the_last_departure_and_the_last_return_are_kept_in_any_order(
    table: Table, events: list[str], presence: Presence, repetitions: int
) -> None:
    for order in itertools.permutations(events):
        reports = Reports()
        record(reports, *order * repetitions)

        assert reports.find_presence(OKTA) == presence, order
        table.delete_item(OKTA_KEY, "Presence")


def test_a_departure_that_was_only_read_leaves_the_last_one_that_was_stated(reports: Reports) -> None:
    record(reports, "away 1", "read 3")
    assert reports.find_presence(OKTA) == Presence(T3, stated_at=T1)

    record(reports, "away 2")
    assert reports.find_presence(OKTA) == Presence(T3, stated_at=T1), "it is not the last departure"
    record(reports, "away 3")
    assert reports.find_presence(OKTA) == Presence(T3, stated_at=T3)


@pytest.mark.parametrize(
    ("presence", "is_back"),
    [
        (Presence(), False),
        (Presence(T1), False),
        (Presence(None, T1), True),
        (Presence(T1, T2), True),
        (Presence(T2, T2), True),
        (Presence(T2, T1), False),
    ],
)
def test_somebody_is_back_if_the_last_return_is_not_earlier_than_the_last_departure(
    presence: Presence, is_back: bool
) -> None:
    assert presence.is_back is is_back


def test_each_report_returns_what_was_recorded_before_it(reports: Reports) -> None:
    assert record(reports, "away 1", "back 2", "back 2", "away 1", "away 3", "away 3", "back 2") == [
        make_presence(),
        make_presence(T1),
        make_presence(T1, T2),
        make_presence(T1, T2),
        make_presence(T1, T2),
        make_presence(T3, T2),
        make_presence(T3, T2),
    ]


def test_the_time_of_a_report_is_kept_in_one_form(reports: Reports) -> None:
    reports.record_departure(OKTA, "2026-11-24T02:00:00.000999+01:00", None, is_stated=True)
    reports.record_return(OKTA, "2026-11-24T02:00:00Z")
    reports.record_handled_return(OKTA, "2026-11-24T03:00:00+01:00")

    assert reports.find_presence(OKTA) == Presence(T1, T2, stated_at=T1, handled_at=T2)
    reports.record_withdrawal_of_all_requests(ENTITY, "2026-11-24T03:00:00+01:00")
    assert reports.find_presence(ALL_REQUESTS) == Presence(None, T2)


def test_each_reporter_has_a_presence_of_its_own_in_all_organizations(reports: Reports, table: Table) -> None:
    further_entity = entity_key("m-0", USER_ID)
    reports.record_departure(OKTA, T1, ENTITY, is_stated=True)
    reports.record_departure(CLOUDTRAIL, T2, further_entity, is_stated=True)
    reports.record_return(REQUEST, T3)

    assert reports.find_presence(OKTA) == make_presence(T1, None, ENTITY)
    assert reports.find_presence(CLOUDTRAIL) == make_presence(T2, None, further_entity)
    assert reports.find_presence(REQUEST) == Presence(None, T3)
    assert not any("00u1" in str(item) for item in table.read_all())


def test_the_entity_of_a_departure_stays_until_another_one_is_known(reports: Reports) -> None:
    reports.record_departure(OKTA, T1, ENTITY, is_stated=True)
    reports.record_return(OKTA, T2)
    reports.record_departure(OKTA, T3, None, is_stated=True)
    assert reports.find_presence(OKTA) == make_presence(T3, T2, ENTITY)

    reports.record_departure(OKTA, T3, "m-0/other", is_stated=True)
    assert reports.find_presence(OKTA) == make_presence(T3, T2, "m-0/other")
    reports.record_entity(OKTA, ENTITY, NOW)
    assert reports.find_presence(OKTA) == make_presence(T3, T2, ENTITY)


def test_a_return_of_somebody_who_is_not_known_as_away_is_remembered_for_14_days(
    reports: Reports, table: Table
) -> None:
    record(reports, "back 1")
    assert read_expiration(table) == REMEMBERED
    record(reports, "back 2", "back 1")
    assert read_expiration(table) == REMEMBERED + timedelta(hours=1)

    record(reports, "away 1")
    assert read_expiration(table) is None, "a departure is kept for as long as the record, here for ever"
    record(reports, "back 4")
    assert read_expiration(table) is None


def test_a_return_is_recorded_without_reading_before(
    reports: Reports, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports._table, "read", make_raiser(AssertionError("a departure can come in between")))

    record(reports, "back 1", "away 2", "back 3")

    assert Reports().find_presence(OKTA) == make_presence(T2, T3)
    assert read_expiration(table) is None


def test_a_withdrawal_of_all_requests_is_kept_as_long_as_their_records(
    reports: Reports, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = provider_user_key(ALL_REQUESTS)
    assert reports.record_withdrawal_of_all_requests(ENTITY, T1) == Presence()
    assert table.read_members(key, "Presence") == {"BackAt": T1}, "here for ever"

    configure(monkeypatch, RECORD_RETENTION_DAYS="90")
    assert reports.record_withdrawal_of_all_requests(ENTITY, T2) == Presence(None, T1)
    assert reports.record_withdrawal_of_all_requests(ENTITY, T1) == Presence(None, T2)
    assert reports.find_presence(ALL_REQUESTS) == Presence(None, T2), "the later one counts"
    assert read_expiration(table, key) == timedelta(days=490, hours=1)


def test_the_last_return_on_which_somebody_has_acted_is_kept(reports: Reports) -> None:
    record(reports, "away 1", "back 3")
    for handled_at, kept in ((T2, T2), (T3, T3), (T1, T3)):
        reports.record_handled_return(OKTA, handled_at)

        assert reports.find_presence(OKTA) == Presence(T1, T3, stated_at=T1, handled_at=kept)
    assert record(reports, "back 4") == [Presence(T1, T3, stated_at=T1, handled_at=T3)]


def test_the_entity_that_an_event_did_not_show_is_kept_as_long_as_the_record(
    reports: Reports, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, RECORD_RETENTION_DAYS="90")

    reports.record_entity(REQUEST, ENTITY, T1)

    assert reports.find_presence(REQUEST) == Presence(entity_key=ENTITY)
    assert read_expiration(table, provider_user_key(REQUEST)) == timedelta(days=490)


def test_a_departure_and_the_return_from_it_expire_after_the_record(
    reports: Reports, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, RECORD_RETENTION_DAYS="90")
    record(reports, "back 1", "away 2")
    assert read_expiration(table) == timedelta(days=490, hours=1)

    record(reports, "back 3")
    assert read_expiration(table) == timedelta(days=490, hours=1)


# Reports


@pytest.mark.parametrize(
    ("requester", "report"),
    [
        (None, Report(None, (), "")),
        ({"Provider": "okta", "EventId": "e-1"}, Report(None, (), "")),
        (make_requester(OKTA, "2026-11-24T02:00:00+01:00"), Report("okta", (OKTA_KEY,), T1)),
        (
            {**make_requester(CLOUDTRAIL), "Provider": "identityCenterScim"},
            Report("identityCenter", (provider_user_key(CLOUDTRAIL),), T1),
        ),
        (
            make_requester(REQUEST),
            Report("offboardingRequested", (provider_user_key(REQUEST), provider_user_key(ALL_REQUESTS)), T1),
        ),
    ],
)
def test_a_report_has_the_presences_that_can_take_it_back(requester: dict[str, Any] | None, report: Report) -> None:
    assert Report.of(requester, ENTITY) == report
    assert Report.from_item(report.to_item()) == report
    assert ("Provider" in report.to_item()) is (report.provider is not None)


PRESENCES = [
    Presence(),
    *(Presence(away_at) for away_at in (T1, T2, T3)),
    *(Presence(None, back_at) for back_at in (T1, T2, T3)),
    *(Presence(away_at, back_at) for away_at in (T1, T2, T3, T4) for back_at in (T1, T2, T3)),
]


@pytest.mark.parametrize("presence", PRESENCES, ids=str)
@pytest.mark.parametrize("reporter", [OKTA, REQUEST], ids=["okta", "request"])
def test_a_transaction_checks_by_the_presence_whether_a_report_is_upheld(
    reports: Reports, reporter: Reporter, presence: Presence
) -> None:
    if presence.away_at:
        reports.record_departure(reporter, presence.away_at, None, is_stated=False)
    if presence.back_at:
        reports.record_return(reporter, presence.back_at)
    assert reports.find_presence(reporter) == presence
    report = make_report(reporter, T2)

    assert reports._table.try_transact(report.build_checks()) is report.is_upheld_by(presence)


@pytest.mark.parametrize(
    ("presence", "is_upheld"),
    [
        (Presence(), True),
        (Presence(T2), True),
        (Presence(None, T1), True),
        (Presence(None, T2), False),
        (Presence(None, T3), False),
        (Presence(T1, T2), False),
        (Presence(T2, T2), False),
        (Presence(T2, T3), False),
        (Presence(T3, T3), False),
        (Presence(T1, T1), True),
    ],
)
@pytest.mark.parametrize("reporter", [OKTA, REQUEST], ids=["okta", "request"])
def test_a_report_is_upheld_until_a_return_that_is_not_earlier(
    reporter: Reporter, presence: Presence, is_upheld: bool
) -> None:
    assert make_report(reporter, T2).is_upheld_by(presence) is is_upheld


@pytest.mark.parametrize(
    ("reporter", "is_upheld"), [(OKTA, True), (CLOUDTRAIL, True), (REQUEST, False)], ids=lambda value: str(value)
)
def test_who_left_again_upholds_an_earlier_report_but_a_repeated_request_is_another_one(
    reporter: Reporter, is_upheld: bool
) -> None:
    assert make_report(reporter, T2).is_upheld_by(Presence(T4, T3)) is is_upheld


@pytest.mark.parametrize("requester", [None, make_requester(), make_requester(REQUEST)], ids=str)
def test_a_report_keeps_the_date_for_which_it_was_asked(requester: dict[str, Any] | None) -> None:
    report = Report.of(requester, ENTITY, T4)

    assert report.not_before == T4
    assert report.to_item()["NotBefore"] == T4
    assert Report.from_item(report.to_item()) == report
    assert "NotBefore" not in Report.of(requester, ENTITY).to_item()


def test_a_report_checks_each_of_its_presences() -> None:
    keys = [[check["ConditionCheck"]["Key"] for check in make_report(r).build_checks()] for r in (OKTA, REQUEST)]

    assert keys == [
        [{"Id": {"S": id_}, "Part": {"S": "Presence"}} for id_ in make_report(reporter).presences]
        for reporter in (OKTA, REQUEST)
    ]
    assert Report().build_checks() == []


def test_a_request_whose_entity_is_not_known_yet_is_taken_back_by_its_id_alone() -> None:
    assert Report.of(make_requester(REQUEST), None).presences == (provider_user_key(REQUEST),)


def list_reports(table: Table, execution_arn: str = ARN_A) -> list[dict[str, Any]]:
    prefix = "Report "
    items = [item for item in table.read_all() if item["Id"]["S"] == execution_arn]
    parts = [item["Part"]["S"] for item in items if item["Part"]["S"].startswith(prefix)]
    return [table.read_members(execution_arn, part) for part in parts]


def test_an_execution_stands_for_each_report_once(reports: Reports, table: Table) -> None:
    for _ in range(2):
        assert reports.join(ARN_A, make_report(), "a-name", NOW)
        assert reports.join(ARN_A, make_report(CLOUDTRAIL), "a-name", NOW)
        assert reports.join(ARN_A, Report(), ARN_B, NOW)
        assert reports.join(ARN_A, Report(), ARN_C, NOW)

    person = {"Presences": [], "OccurredAt": ""}
    by_provider = [{**make_report(reporter).to_item()} for reporter in (OKTA, CLOUDTRAIL)]
    assert sorted(list_reports(table), key=str) == sorted([*by_provider, person, person], key=str)
    assert list_reports(table, ARN_B) == []


def test_reports_and_withdrawals_expire_after_the_record(
    reports: Reports, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, RECORD_RETENTION_DAYS="90")
    reports.join(ARN_A, make_report(), "name", T1)
    record(reports, "back 2")
    assert reports.find(OFFBOARDING, make_requester(), T1) is None

    expires_at = int((parse(T1) + timedelta(days=490)).timestamp())
    assert [report["ExpiresAt"] for report in list_reports(table)] == [expires_at]
    assert table.read_members(ARN_A, "Withdrawal") == {"IsOpen": False, "ExpiresAt": expires_at}


def test_nothing_expires_if_records_are_kept_for_ever(reports: Reports, table: Table) -> None:
    reports.join(ARN_A, make_report(), "name", T1)
    record(reports, "back 2")
    reports.find(OFFBOARDING, make_requester(), T1)

    assert "ExpiresAt" not in list_reports(table)[0]
    assert table.read_members(ARN_A, "Withdrawal") == {"IsOpen": False}


# The search for a report by which an execution goes on


@pytest.mark.parametrize("requester", [None, {"Provider": "okta", "EventId": "e-1"}], ids=["person", "before 0.2"])
def test_nothing_takes_back_what_a_person_asked_for(reports: Reports, table: Table, requester: Any) -> None:
    record(reports, "back 4")

    assert reports.find(OFFBOARDING, requester, NOW) == Report()
    assert reports.require(OFFBOARDING, requester, NOW) == []
    assert table.read_item(ARN_A, "Withdrawal") is None


def test_an_execution_goes_on_by_its_own_report_and_is_not_closed(reports: Reports, table: Table) -> None:
    record(reports, "away 1")
    reports.join(ARN_A, Report(), "name", NOW)

    assert reports.find(OFFBOARDING, make_requester(), NOW) == make_report()
    assert not table.is_withdrawn(ARN_A)
    assert table.read_item(ARN_A, "Withdrawal") is None


@pytest.mark.parametrize("events", [["away 1", "back 2"], ["back 2"], ["away 1", "back 1"]])
def test_an_execution_whose_only_report_was_taken_back_can_be_joined_no_more(
    reports: Reports, table: Table, events: list[str]
) -> None:
    record(reports, *events)

    assert reports.find(OFFBOARDING, make_requester(), NOW) is None
    assert table.is_withdrawn(ARN_A)
    assert not reports.join(ARN_A, Report(), "name", NOW)
    assert list_reports(table) == []
    assert not table.is_withdrawn(ARN_B)
    assert reports.join(ARN_B, Report(), "name", NOW), "another execution can be joined"


@pytest.mark.parametrize("report", [Report(), make_report(CLOUDTRAIL), make_report(occurred_at=T3)])
def test_an_execution_goes_on_by_a_report_that_has_joined_it_and_can_be_joined_again(
    reports: Reports, table: Table, report: Report
) -> None:
    record(reports, "away 1", "back 2")
    reports.join(ARN_A, report, "name", NOW)

    assert reports.find(OFFBOARDING, make_requester(), NOW) == report
    assert not table.is_withdrawn(ARN_A)
    assert reports.join(ARN_A, Report(), "another", NOW)


def test_a_report_that_was_taken_back_too_is_passed_over(reports: Reports) -> None:
    record(reports, "back 2")
    record(reports, "back 2", reporter=CLOUDTRAIL)
    auth0 = Reporter("auth0", "auth0|1")
    reports.join(ARN_A, make_report(CLOUDTRAIL), "name", NOW)
    assert reports.find(OFFBOARDING, make_requester(), NOW) is None

    record(reports, "back 4")
    reports._set_open(ARN_A, is_open=True, at=NOW)
    reports.join(ARN_A, make_report(auth0), "name", NOW)
    assert reports.find(OFFBOARDING, make_requester(), NOW) == make_report(auth0)


def test_who_left_again_reopens_an_execution_that_could_be_joined_no_more(reports: Reports, table: Table) -> None:
    record(reports, "away 1", "back 2")
    reports.join(ARN_A, make_report(CLOUDTRAIL), "name", NOW)
    record(reports, "back 2", reporter=CLOUDTRAIL)
    assert reports.find(OFFBOARDING, make_requester(), NOW) is None

    record(reports, "away 3", reporter=CLOUDTRAIL)
    assert reports.find(OFFBOARDING, make_requester(), NOW) == make_report(CLOUDTRAIL)
    assert not table.is_withdrawn(ARN_A)


def test_a_report_that_joins_before_the_execution_is_closed_is_found(
    reports: Reports, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(reports, "away 1", "back 2")
    close = reports._set_open

    def join_and_close(execution_arn: str, **members: Any) -> None:
        monkeypatch.setattr(reports, "_set_open", close)
        assert reports.join(execution_arn, Report(), "name", NOW)
        close(execution_arn, **members)

    monkeypatch.setattr(reports, "_set_open", join_and_close)

    assert reports.find(OFFBOARDING, make_requester(), NOW) == Report()
    assert not table.is_withdrawn(ARN_A)


@pytest.mark.parametrize("withdrawn", [REQUEST, ALL_REQUESTS])
@pytest.mark.parametrize(("withdrawn_at", "is_found"), [(T1, True), (T2, False), (T3, False)])
def test_a_request_is_withdrawn_by_its_id_or_together_with_all_earlier_ones_for_its_entity(
    reports: Reports, withdrawn: Reporter, withdrawn_at: str, is_found: bool
) -> None:
    reports.record_departure(REQUEST, T2, ENTITY, is_stated=True)
    reports.record_return(withdrawn, withdrawn_at)

    assert (reports.find(OFFBOARDING, make_requester(REQUEST, T2), NOW) is not None) is is_found


def test_requests_for_another_entity_and_reports_of_providers_are_not_withdrawn_with_an_entity(
    reports: Reports,
) -> None:
    reports.record_return(ALL_REQUESTS, T4)

    assert reports.find(make_offboarding(ARN_A, "another"), make_requester(REQUEST), NOW)
    assert reports.find(make_offboarding(ARN_A, USER_ID, "m-0"), make_requester(REQUEST), NOW)
    assert reports.find(OFFBOARDING, make_requester(), NOW)


# What a transaction checks


def test_an_execution_that_is_withdrawn_ends_with_the_decision(reports: Reports) -> None:
    record(reports, "away 1", "back 2")

    with pytest.raises(errors.Withdrawn) as failure:
        reports.require(OFFBOARDING, make_requester(), NOW)

    assert failure.value.decision == {
        "Decision": "Withdrawn",
        "DecidedBy": "okta",
        "Reason": f"okta took the departure back at {T2}, and nobody else reports it.",
        "DecidedAt": NOW,
        "DecidedIn": ARN_A,
    }


@pytest.mark.parametrize("is_last_for_all", [False, True])
def test_the_withdrawal_of_a_request_names_when_it_was_taken_back_last(reports: Reports, is_last_for_all: bool) -> None:
    reports.record_return(REQUEST, T2)
    if is_last_for_all:
        reports.record_withdrawal_of_all_requests(ENTITY, T3)

    with pytest.raises(errors.Withdrawn) as failure:
        reports.require(OFFBOARDING, make_requester(REQUEST), NOW)

    back_at = T3 if is_last_for_all else T2
    assert failure.value.decision["DecidedBy"] == "offboardingRequested"
    assert failure.value.decision["Reason"] == (
        f"offboardingRequested took the departure back at {back_at}, and nobody else reports it."
    )


def write_record(table: Table, checks: Any) -> None:
    facts = {"StartedAt": STARTED_AT, "Entity": OFFBOARDING.entity}
    log_entry = {"At": NOW, "Step": "Recorded"}
    table.records.create_or_update(OFFBOARDING, facts, Status.RECORDED, None, log_entry, None, checks)


@pytest.mark.parametrize(
    ("earlier", "meanwhile", "is_written"),
    [
        ([], [], True),
        (["away 2"], [], True),
        (["away 2"], ["back 1"], True),
        (["away 2"], ["back 2"], False),
        (["away 2"], ["back 3"], False),
        ([], ["back 1"], True),
        ([], ["back 2"], False),
        (["away 1"], ["away 2", "back 2"], False),
        (["away 2"], ["back 3", "away 3"], False),
    ],
)
@pytest.mark.parametrize("reporter", [OKTA, REQUEST], ids=["okta", "request"])
def test_a_return_between_reading_and_writing_prevents_the_writing(
    reports: Reports, table: Table, earlier: list[str], meanwhile: list[str], is_written: bool, reporter: Reporter
) -> None:
    record(reports, *earlier, reporter=reporter)
    checks = reports.require(OFFBOARDING, make_requester(reporter, T2), NOW)
    record(reports, *meanwhile, reporter=reporter)

    if is_written:
        write_record(table, checks)
        return
    with pytest.raises(errors.RecordUnavailable, match="changed at the same time"):
        write_record(table, checks)
    assert table.read_item(ARN_A) is None
    assert table.read_steps(ARN_A) == []


def test_who_left_again_between_reading_and_writing_does_not_prevent_the_writing_but_another_request_does(
    reports: Reports, table: Table
) -> None:
    for reporter in (REQUEST, OKTA):
        record(reports, "away 2", reporter=reporter)
    okta_checks, request_checks = (
        reports.require(OFFBOARDING, make_requester(reporter, T2), NOW) for reporter in (OKTA, REQUEST)
    )
    for reporter in (REQUEST, OKTA):
        record(reports, "back 3", "away 4", reporter=reporter)

    with pytest.raises(errors.RecordUnavailable, match="changed at the same time"):
        write_record(table, request_checks)
    assert table.read_item(ARN_A) is None
    write_record(table, okta_checks)
    assert table.read_item(ARN_A) is not None


@pytest.mark.parametrize("withdrawn", [REQUEST, ALL_REQUESTS])
def test_each_way_to_withdraw_a_request_between_reading_and_writing_prevents_the_writing(
    reports: Reports, table: Table, withdrawn: Reporter
) -> None:
    checks = reports.require(OFFBOARDING, make_requester(REQUEST), NOW)
    reports.record_return(withdrawn, T2)

    with pytest.raises(errors.RecordUnavailable):
        write_record(table, checks)


def test_the_report_by_which_an_execution_goes_on_is_checked(reports: Reports, table: Table) -> None:
    record(reports, "away 1", "back 2")
    reports.join(ARN_A, make_report(CLOUDTRAIL, T3), "name", NOW)
    checks = reports.require(OFFBOARDING, make_requester(), NOW)
    write_record(table, checks)
    record(reports, "back 3", reporter=CLOUDTRAIL)

    with pytest.raises(errors.RecordUnavailable):
        write_record(table, checks)


@pytest.mark.parametrize(
    "call",
    [
        lambda reports: reports.record_departure(OKTA, "yesterday", None, is_stated=True),
        lambda reports: reports.record_return(OKTA, "2026-11-24T01:00:00"),
        lambda reports: reports.record_handled_return(OKTA, "2026-11-24T01:00:00"),
        lambda reports: reports.record_withdrawal_of_all_requests(ENTITY, "2026-11-24T01:00:00"),
    ],
)
def test_a_time_without_an_offset_is_not_recorded(
    reports: Reports, table: Table, call: Callable[[Reports], Any]
) -> None:
    with pytest.raises(ValueError, match=r"isoformat|offset"):
        call(reports)
    assert table.read_all() == []


def test_the_moments_of_these_tests_are_in_the_form_of_the_table() -> None:
    assert [render(parse(moment)) for moment in (T1, T2, T3, T4)] == [T1, T2, T3, T4]
