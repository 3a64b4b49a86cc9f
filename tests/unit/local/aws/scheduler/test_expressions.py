"""When schedules fire."""

from datetime import UTC, datetime, timedelta

import pytest

from local.aws.scheduler.expressions import parse_expression

CREATED = datetime(2026, 11, 22, 12, 34, 56, tzinfo=UTC)


def times(text: str, zone: str = "UTC", count: int = 3, start: datetime = CREATED) -> list[str]:
    expression, when, results = parse_expression(text, zone), start, []
    for _ in range(count):
        when = expression.next_after(when, CREATED)
        results.append(when.strftime("%d %H:%M:%S"))
    return results


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate(1 minute)", ["22 12:35:56", "22 12:36:56", "22 12:37:56"]),
        ("rate(5 hours)", ["22 17:34:56", "22 22:34:56", "23 03:34:56"]),
        ("rate(1 day)", ["23 12:34:56", "24 12:34:56", "25 12:34:56"]),
        ("cron(0 6 * * ? *)", ["23 06:00:00", "24 06:00:00", "25 06:00:00"]),
        ("cron(0 6 ? * * *)", ["23 06:00:00", "24 06:00:00", "25 06:00:00"]),
        ("cron(35 12 * * ? *)", ["22 12:35:00", "23 12:35:00", "24 12:35:00"]),
        ("cron(0/20 * * * ? *)", ["22 12:40:00", "22 13:00:00", "22 13:20:00"]),
        ("cron(*/30 13-14 * * ? *)", ["22 13:00:00", "22 13:30:00", "22 14:00:00"]),
        ("cron(5,10 0 * * ? *)", ["23 00:05:00", "23 00:10:00", "24 00:05:00"]),
    ],
)
def test_it_fires_at_these_times(text: str, expected: list[str]) -> None:
    assert times(text) == expected


def test_a_time_of_day_is_in_the_time_zone_with_its_summer_time() -> None:
    start = datetime(2026, 10, 23, 12, tzinfo=UTC)

    assert times("cron(0 6 * * ? *)", "Europe/Berlin", start=start) == ["24 04:00:00", "25 05:00:00", "26 05:00:00"]


def test_a_rate_keeps_to_the_time_of_its_creation() -> None:
    assert times("rate(2 days)", start=CREATED + timedelta(days=7), count=1) == ["30 12:34:56"]


@pytest.mark.parametrize(
    "text",
    [
        "at(2026-11-22T12:00:00)",
        "cron(0 6 1 * ? *)",
        "cron(0 6 ? * MON *)",
        "cron(0 6 * * ? 2027)",
        "cron(0 24 * * ? *)",
        "cron(60 6 * * ? *)",
        "cron(9-5 6 * * ? *)",
        "cron(x 6 * * ? *)",
        "rate(0 days)",
        "rate(1 week)",
        "daily",
    ],
)
def test_another_expression_is_refused(text: str) -> None:
    with pytest.raises(NotImplementedError):
        parse_expression(text)
