"""Identifiers are the same character by character, apart from the case of A to Z; to protect somebody, more is."""

import unicodedata

import pytest

from offboarding.domain.identifiers import casefolded, is_same_identifier
from tests.unit.conftest import NEIGHBOURS


@pytest.mark.parametrize(("identifier", "neighbour"), NEIGHBOURS)
def test_a_neighbour_is_another_entity(identifier: str, neighbour: str) -> None:
    assert not is_same_identifier(identifier, neighbour)
    assert not is_same_identifier(identifier.upper(), neighbour)
    assert is_same_identifier(neighbour, neighbour)


def test_the_case_of_ascii_letters_is_no_difference() -> None:
    assert is_same_identifier("Dana.Leaver@Example.COM", "dANA.lEAVER@eXAMPLE.com")
    assert is_same_identifier("STRAßE-Ünit", "straße-Ünit")
    assert not is_same_identifier("Ünit", "ünit")
    assert not is_same_identifier("dana", "dana ")


def test_the_two_unicode_forms_are_two_entities_and_one_person() -> None:
    composed, decomposed = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))

    assert not is_same_identifier(composed, decomposed)
    assert casefolded(composed) & casefolded(decomposed)


def test_the_wide_comparison_includes_neighbours_by_the_rules_of_unicode() -> None:
    assert casefolded("strasse-team") & casefolded("STRAßE-team")
    assert casefolded("kim") & casefolded("\N{KELVIN SIGN}im")
    assert casefolded("fiona") & casefolded("\N{LATIN SMALL LIGATURE FI}ona")
    assert casefolded(None, "", "Dana") == {"dana"}
