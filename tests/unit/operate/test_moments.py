"""Dates as people type them."""

import click
import pytest

from operate.starting.moments import Moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-31", "2026-12-31T00:00:00Z"),
        ("2026-12-31T17:00", "2026-12-31T17:00:00Z"),
        ("2026-12-31 17:00", "2026-12-31T17:00:00Z"),
        ("2026-12-31T17:00+01:00", "2026-12-31T16:00:00Z"),
        ("2026-12-31T17:00:00Z", "2026-12-31T17:00:00Z"),
    ],
)
def test_a_date_is_in_utc_unless_it_says_otherwise(text: str, moment: str) -> None:
    assert Moment().convert(text, None, None) == moment


@pytest.mark.parametrize("text", ["tomorrow", "31.12.2026", "2026-02-30", "0001-01-01T00:00+14:00", ""])
def test_what_is_no_date_is_wrong_use(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is no date like 2026-12-31"):
        Moment().convert(text, None, None)
