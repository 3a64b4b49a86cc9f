"""The end of the retention, and the time of the verification."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offboarding.domain.retention import RetentionRules, plan_retention, service_end
from offboarding.domain.timestamps import parse

RULES = RetentionRules(
    retention=timedelta(days=30),
    slack=timedelta(hours=6),
    overdue=timedelta(days=7),
    service_ends_on=date(2027, 3, 31),
)


@pytest.mark.parametrize(
    ("disabled", "retention_ends", "verify", "service_ends_first"),
    [
        ("2026-11-22T10:00:00Z", "2026-12-22T10:00:00.000Z", "2026-12-22T16:00:00.000Z", False),
        # A Wait state cuts fractions of a second off, so the verification is due on the next whole second.
        ("2026-11-22T10:00:00.001Z", "2026-12-22T10:00:00.001Z", "2026-12-22T16:00:01.000Z", False),
        # A month with daylight saving in between: 30 days are 720 hours.
        ("2027-02-20T23:30:00Z", "2027-03-22T23:30:00.000Z", "2027-03-23T05:30:00.000Z", False),
        # The retention ends on the last full day of the service: verified with as much slack as is left.
        ("2027-02-28T09:00:00Z", "2027-03-30T09:00:00.000Z", "2027-03-30T15:00:00.000Z", False),
        ("2027-02-28T22:00:00Z", "2027-03-30T22:00:00.000Z", "2027-03-30T23:00:00.000Z", False),
        ("2027-02-28T23:00:00Z", "2027-03-30T23:00:00.000Z", "2027-03-30T23:00:00.000Z", False),
        # The retention ends after the last time to verify: verified when the last full day begins.
        ("2027-02-28T23:00:00.001Z", "2027-03-30T23:00:00.001Z", "2027-03-30T00:00:00.000Z", True),
        ("2027-03-02T12:00:00Z", "2027-04-01T12:00:00.000Z", "2027-03-30T00:00:00.000Z", True),
        # Disabled after the last full day began: verified immediately.
        ("2027-03-30T15:00:00Z", "2027-04-29T15:00:00.000Z", "2027-03-30T15:00:00.000Z", True),
    ],
)
def test_the_verification_is_due_when_the_retention_or_the_service_ends(
    disabled: str, retention_ends: str, verify: str, service_ends_first: bool
) -> None:
    plan = plan_retention(parse(disabled), RULES).to_json()

    assert plan["RetentionEndsAt"] == retention_ends
    assert plan["VerifyAt"] == verify
    assert plan["ServiceEndsFirst"] is service_ends_first


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (hypothesis adds the zone)
def test_no_verification_is_due_before_the_retention_ends_unless_the_service_ends_first(disabled: datetime) -> None:
    plan = plan_retention(disabled, RULES)

    assert plan.retention_ends_at - disabled == timedelta(days=30)
    assert plan.service_ends_first or plan.verify_at >= plan.retention_ends_at
    assert plan.verify_at >= disabled
    assert plan.verify_at <= plan.give_up_at <= plan.verify_at + timedelta(days=7)
    assert plan.give_up_at <= max(plan.verify_at, RULES.last_check), "WorkMail is not called after it has ended"


def test_the_service_ends_when_its_last_day_begins() -> None:
    assert RULES.service_ends_at == service_end(date(2027, 3, 31)) == parse("2027-03-31T00:00:00Z")
    assert RULES.last_full_day == parse("2027-03-30T00:00:00Z")
    assert RULES.last_check == parse("2027-03-30T23:00:00Z")


def test_the_last_verifiable_moment_is_the_last_whose_retention_the_service_outlasts() -> None:
    last_moment = RULES.last_verifiable_moment

    assert last_moment == parse("2027-02-28T23:00:00Z")
    assert not plan_retention(last_moment, RULES).service_ends_first
    assert plan_retention(last_moment + timedelta(milliseconds=1), RULES).service_ends_first
