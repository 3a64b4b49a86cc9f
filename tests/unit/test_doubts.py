"""Doubts whether an event is about the person who has the entity now."""

import pytest

from offboarding.domain.doubts import Doubt, has_different_name, list_reasons


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


def test_each_doubt_has_a_sentence_of_its_own() -> None:
    reasons = list_reasons(Doubt)

    assert len(set(reasons)) == len(Doubt)
    assert all(reason.endswith(".") for reason in reasons)
