"""The data of metrics."""

import time
from collections.abc import Iterator

import pytest

from local.aws.cloudwatch.metrics import MetricId, MetricStore, StatisticSet, minute_of, read_datum, time_of
from tests.unit.local.assemblies import NOON

METRIC = MetricId("123456789012", "us-east-1", "N", "M")


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_utc")
def test_a_moment_without_a_time_zone_is_in_utc() -> None:
    assert minute_of(NOON.replace(tzinfo=None, second=59)) == minute_of(NOON)
    assert time_of(minute_of(NOON)) == NOON


def test_the_minutes_of_a_span_are_merged_and_its_end_is_left_out() -> None:
    store = MetricStore()
    for minute, value in ((7, 4.0), (5, 1.0), (5, 3.0), (9, 8.0)):
        store.add(METRIC, minute, StatisticSet.of_value(value))

    assert store.read(METRIC, 5, 9) == StatisticSet(sum=8.0, count=3, minimum=1.0, maximum=4.0)
    assert store.read(METRIC, 6, 7) is None


@pytest.mark.parametrize(
    ("datum", "statistics"),
    [
        ({"Value": 3}, StatisticSet(3.0, 1, 3.0, 3.0)),
        ({"Values": [1, 5], "Counts": [2, 1]}, StatisticSet(7.0, 3.0, 1.0, 5.0)),
        (
            {"StatisticValues": {"Sum": 9, "SampleCount": 3, "Minimum": 1, "Maximum": 6}},
            StatisticSet(9.0, 3.0, 1.0, 6.0),
        ),
        ({"StatisticValues": {"Sum": 0, "SampleCount": 0, "Minimum": 0, "Maximum": 0}}, None),
    ],
)
def test_a_datum_has_a_value_or_values_with_counts_or_statistics(datum: object, statistics: object) -> None:
    assert read_datum(datum) == statistics
