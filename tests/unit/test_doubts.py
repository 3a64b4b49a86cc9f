"""Doubts whether an event is about the person who has the entity now."""

from datetime import UTC, datetime, timedelta

import pytest

from offboarding.domain.doubts import Doubt, can_be_disabled_for_long, has_different_name, list_reasons


@pytest.mark.parametrize(
    ("provider_name", "workmail_name", "differs"),
    [
        ("Jon Miller", "Jon Miller", False),
        ("MILLER, Jon", "jon miller", False),
        ("José Núñez", "Jose Nunez", False),
        ('Dana "DJ" Leaver', "Dana Leaver", False),
        ("Anna-Lena Groß", "Lena Gross", False),
        ("J. Miller", "Jon Smith-Miller", False),
        ("J. M.", "Mary Jones", False),
        ("J. Smith", "Ada Lovelace", True),
        ("Jon Miller", "Joan Mills", True),
        ("Jon Miller", "Ada Lovelace", True),
        ("李小龙", "李小龙", False),
        ("李小龙", "Bruce Lee", True),
        (None, "Ada Lovelace", False),
        ("Jon Miller", None, False),
        ("", "Ada", False),
        ("...", "Ada", False),
    ],
)
def test_names_without_a_common_word_differ(
    provider_name: str | None, workmail_name: str | None, differs: bool
) -> None:
    assert has_different_name(provider_name, workmail_name) is differs
    assert has_different_name(workmail_name, provider_name) is differs


OCCURRED_AT = datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("user_created_at", "is_possible"),
    [
        (OCCURRED_AT, False),
        (OCCURRED_AT + timedelta(seconds=1), False),
        (OCCURRED_AT - timedelta(days=3), False),
        (OCCURRED_AT - timedelta(days=3, seconds=1), True),
        (None, True),
    ],
)
def test_a_user_who_is_not_new_can_be_disabled_for_long(user_created_at: datetime | None, is_possible: bool) -> None:
    assert can_be_disabled_for_long(user_created_at, OCCURRED_AT, timedelta(days=3)) is is_possible


def test_each_doubt_has_a_sentence_of_its_own() -> None:
    reasons = list_reasons(Doubt)

    assert len(set(reasons)) == len(Doubt)
    assert all(reason.endswith(".") for reason in reasons)
