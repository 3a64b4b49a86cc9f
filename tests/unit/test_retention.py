"""When the mailbox is gone, and when to look."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offboarding import configuration
from offboarding.domain.retention import RetentionRules, plan_retention, service_end
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import configure

RULES = RetentionRules(
    retention=timedelta(days=30),
    slack=timedelta(hours=6),
    overdue=timedelta(days=7),
    service_ends_on=date(2027, 3, 31),
)


def at(text: str) -> datetime:
    return parse(text)


@pytest.mark.parametrize(
    ("disabled", "retention_ends", "verify", "service_ends_first"),
    [
        ("2026-11-22T10:00:00Z", "2026-12-22T10:00:00.000Z", "2026-12-22T16:00:00.000Z", False),
        # A Wait state cuts fractions of a second off, so the look is due on the next whole one.
        ("2026-11-22T10:00:00.001Z", "2026-12-22T10:00:00.001Z", "2026-12-22T16:00:01.000Z", False),
        # A month with daylight saving in between: 30 days are 720 hours.
        ("2027-02-20T23:30:00Z", "2027-03-22T23:30:00.000Z", "2027-03-23T05:30:00.000Z", False),
        # It ends on the last full day of the service: still seen, with as much slack as there is.
        ("2027-02-28T09:00:00Z", "2027-03-30T09:00:00.000Z", "2027-03-30T15:00:00.000Z", False),
        ("2027-02-28T22:00:00Z", "2027-03-30T22:00:00.000Z", "2027-03-30T23:00:00.000Z", False),
        ("2027-02-28T23:00:00Z", "2027-03-30T23:00:00.000Z", "2027-03-30T23:00:00.000Z", False),
        # From the last hour on nobody could look after it: looked at as the last full day begins.
        ("2027-02-28T23:00:00.001Z", "2027-03-30T23:00:00.001Z", "2027-03-30T00:00:00.000Z", True),
        ("2027-03-02T12:00:00Z", "2027-04-01T12:00:00.000Z", "2027-03-30T00:00:00.000Z", True),
        # Disabled after the last full day began: looked at immediately.
        ("2027-03-30T15:00:00Z", "2027-04-29T15:00:00.000Z", "2027-03-30T15:00:00.000Z", True),
    ],
)
def test_the_verification_is_due_when_the_retention_or_the_service_ends(
    disabled: str, retention_ends: str, verify: str, service_ends_first: bool
) -> None:
    plan = plan_retention(at(disabled), RULES).to_json()

    assert plan["RetentionEndsAt"] == retention_ends
    assert plan["VerifyAt"] == verify
    assert plan["ServiceEndsFirst"] is service_ends_first


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (hypothesis adds the zone)
def test_no_plan_ever_verifies_before_the_retention_ends_unless_the_service_ends_first(disabled: datetime) -> None:
    plan = plan_retention(disabled, RULES)

    assert plan.retention_ends_at - disabled == timedelta(days=30)
    assert plan.service_ends_first or plan.verify_at >= plan.retention_ends_at
    assert plan.verify_at >= disabled
    assert plan.verify_at <= plan.give_up_at <= plan.verify_at + timedelta(days=7)
    assert plan.give_up_at <= max(plan.verify_at, RULES.last_look), "nobody is asked when WorkMail has ended"


def test_a_timestamp_is_written_in_utc_whatever_its_zone_was() -> None:
    assert render(datetime(2026, 11, 22, 3, 4, 5, 678999, timezone(timedelta(hours=-5)))) == "2026-11-22T08:04:05.678Z"


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1)))  # noqa: DTZ001 (hypothesis adds the zone)
def test_what_is_written_reads_back_to_the_millisecond(moment: datetime) -> None:
    assert parse(render(moment)) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def test_a_timestamp_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset from UTC"):
        parse("2026-12-22T17:00:00")


def test_workmail_may_stop_to_answer_when_its_last_day_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RETENTION_DAYS", "30"), ("VERIFICATION_SLACK_HOURS", "6"), ("OVERDUE_DAYS", "7")):
        configure(monkeypatch, name, value)
    configure(monkeypatch, "SERVICE_ENDS_ON", "2027-03-31")

    assert configuration.retention_rules() == RULES
    assert RULES.service_ends_at == service_end(date(2027, 3, 31)) == at("2027-03-31T00:00:00Z")
    assert RULES.last_full_day == at("2027-03-30T00:00:00Z")
    assert RULES.last_look == at("2027-03-30T23:00:00Z")


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time zone is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_from_utc")
def test_the_time_zone_of_the_machine_changes_nothing() -> None:
    assert datetime.now().astimezone().utcoffset() == timedelta(hours=5, minutes=30)
    assert render(datetime(2026, 12, 22, 17, tzinfo=UTC)) == "2026-12-22T17:00:00.000Z"
    assert parse("2026-12-22T17:00:00+01:00").isoformat() == "2026-12-22T16:00:00+00:00"
