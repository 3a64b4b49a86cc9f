"""The record of an offboarding: what identifies it, and what identifies its entity."""

from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.domain.offboarding import Offboarding
from tests.unit.conftest import ARN_B, USER_ID, make_record

ENTITY = {"Id": USER_ID.upper(), "Type": "USER", "Name": "Dana"}


def test_a_record_has_its_offboarding() -> None:
    assert make_record("b").offboarding == Offboarding(ARN_B, ORGANIZATION_ID, USER_ID)


@pytest.mark.parametrize(
    ("members", "identifiers"),
    [
        ({}, {USER_ID, "dana"}),
        ({"Email": None, "Aliases": None}, {USER_ID, "dana"}),
        ({"Email": "Dana@Example.com", "Aliases": []}, {USER_ID, "dana", "dana@example.com"}),
        (
            {"Email": "dana@example.com", "Aliases": ["D.Leaver@example.com", "sales@example.com"]},
            {USER_ID, "dana", "dana@example.com", "d.leaver@example.com", "sales@example.com"},
        ),
    ],
)
def test_the_identifiers_are_the_id_the_name_the_address_and_the_aliases(
    members: dict[str, Any], identifiers: set[str]
) -> None:
    assert make_record(entity={**ENTITY, **members}).identifiers == identifiers
