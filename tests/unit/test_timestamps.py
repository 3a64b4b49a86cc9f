"""Timestamps are RFC 3339 in UTC, whatever the zone in which they were written."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offboarding.domain.timestamps import parse, render, whole_second

MOMENTS = st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(9000, 1, 1))  # noqa: DTZ001 (hypothesis adds the zone)


def test_a_timestamp_is_rendered_in_utc() -> None:
    moment = datetime(2026, 11, 22, 3, 4, 5, 678999, timezone(timedelta(hours=-5)))

    assert render(moment) == "2026-11-22T08:04:05.678Z"


def test_a_timestamp_is_parsed_into_utc() -> None:
    moment = parse("2026-12-22T17:00:00.5+01:00")

    assert moment == datetime(2026, 12, 22, 16, 0, 0, 500_000, UTC)
    assert moment.tzinfo is UTC


@given(MOMENTS)
def test_a_rendered_timestamp_is_parsed_to_the_millisecond(moment: datetime) -> None:
    assert parse(render(moment)) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@pytest.mark.parametrize(
    ("timestamp", "message"),
    [
        ("2026-12-22T17:00:00", "offset from UTC"),
        ("2026-12-22", "offset from UTC"),
        ("2026-13-22T17:00:00Z", "month must be in 1..12"),
        ("yesterday", "Invalid isoformat string"),
    ],
)
def test_a_text_that_is_not_a_moment_is_refused(timestamp: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(timestamp)


@pytest.mark.parametrize(
    ("moment", "rounded"),
    [
        ("2026-12-22T17:00:00Z", "2026-12-22T17:00:00.000Z"),
        ("2026-12-22T17:00:00.000001Z", "2026-12-22T17:00:01.000Z"),
        ("2026-12-22T17:00:00.999Z", "2026-12-22T17:00:01.000Z"),
        ("2026-12-31T23:59:59.001Z", "2027-01-01T00:00:00.000Z"),
    ],
)
def test_a_moment_is_rounded_up_to_a_whole_second(moment: str, rounded: str) -> None:
    assert render(whole_second(parse(moment))) == rounded


@given(MOMENTS)
def test_rounding_adds_less_than_a_second(moment: datetime) -> None:
    rounded = whole_second(moment)

    assert rounded.microsecond == 0
    assert timedelta() <= rounded - moment < timedelta(seconds=1)


@pytest.fixture
def local_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose time zone is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("local_time_zone")
def test_the_time_zone_of_the_machine_does_not_matter() -> None:
    assert datetime.now().astimezone().utcoffset() == timedelta(hours=5, minutes=30)
    assert render(datetime(2026, 12, 22, 17, tzinfo=UTC)) == "2026-12-22T17:00:00.000Z"
    assert parse("2026-12-22T17:00:00+01:00").isoformat() == "2026-12-22T16:00:00+00:00"
