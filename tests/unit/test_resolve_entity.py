"""The date before which nothing may happen."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offboarding.errors import InvalidRequest
from offboarding.retention import parse, render, service_end
from resolve_entity import LONGEST_AHEAD, _not_before, _said_of

STARTED = parse("2026-11-24T09:00:00Z")
SERVICE_ENDS = service_end(date(2030, 3, 31))
SECOND = timedelta(seconds=1)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def read(not_before: str, started: datetime = STARTED, ends: datetime = SERVICE_ENDS) -> datetime | None:
    return _not_before({"NotBefore": not_before}, started, ends)


def test_without_a_date_there_is_none() -> None:
    assert _not_before({}, STARTED, SERVICE_ENDS) is None
    assert _said_of(None, STARTED) == {}


@given(ahead=st.timedeltas(timedelta(days=-20_000), LONGEST_AHEAD - SECOND), offset=OFFSETS)
def test_every_date_up_to_300_days_ahead_is_taken_on_the_next_whole_second(ahead: timedelta, offset: timezone) -> None:
    moment = STARTED + ahead

    taken = read(moment.astimezone(offset).isoformat())

    assert taken is not None
    assert taken.microsecond == 0
    assert timedelta() <= taken - moment < SECOND
    assert taken.tzinfo is UTC


@given(beyond=st.timedeltas(timedelta(microseconds=1), timedelta(days=20_000)), offset=OFFSETS)
def test_no_date_further_ahead_is_taken(beyond: timedelta, offset: timezone) -> None:
    with pytest.raises(InvalidRequest, match=r"at most 300 days ahead, not after 2027-09-20T09:00:00.000Z"):
        read((STARTED + LONGEST_AHEAD + beyond).astimezone(offset).isoformat())


@given(started=st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_limit_is_counted_from_the_start(started: datetime) -> None:
    whole = started.replace(microsecond=0)

    assert read(render(whole + LONGEST_AHEAD), whole) == whole + LONGEST_AHEAD
    with pytest.raises(InvalidRequest, match="300 days"):
        read(render(whole + LONGEST_AHEAD + SECOND), whole)


def test_the_last_second_before_workmail_ends_is_taken_and_that_end_is_not() -> None:
    ends = service_end(date(2027, 3, 31))

    assert read("2027-03-30T23:59:59Z", ends=ends) == ends - SECOND
    for late in ("2027-03-31T00:00:00Z", "2027-03-30T23:59:59.001Z", "2027-03-31T01:59:59+01:00"):
        with pytest.raises(InvalidRequest, match=r"before 2027-03-31T00:00:00.000Z, when Amazon WorkMail ends"):
            read(late, ends=ends)


def test_a_date_in_the_past_is_taken_even_after_the_end_of_workmail() -> None:
    ends = service_end(date(2026, 11, 1))

    assert read("2026-11-02T00:00:00Z", ends=ends) == parse("2026-11-02T00:00:00Z")


@pytest.mark.parametrize(
    "no_date",
    [
        "2026-13-01T00:00:00Z",
        "2027-02-29T00:00:00Z",
        "2026-12-00T00:00:00Z",
        "2026-12-22T25:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-12-22T17:00:00+25:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.5Z",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٦-12-22T17:00:00Z",
    ],
)
def test_what_has_the_form_and_is_no_date_gets_a_sentence(no_date: str) -> None:
    with pytest.raises(
        InvalidRequest, match=r"NotBefore must be an RFC 3339 timestamp .*; there is no such date"
    ) as no:
        read(no_date)

    assert no_date not in str(no.value)


def test_what_is_said_of_a_date_tells_whether_it_was_waited_for() -> None:
    assert "was past when the execution started" in _said_of(STARTED, STARTED)["NotBefore"]
    assert "resolved and checked again" in _said_of(STARTED + SECOND, STARTED)["NotBefore"]
