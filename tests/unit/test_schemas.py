"""A wrong input gets one sentence that names what is wrong and what would be right."""

from typing import Any

import pytest

from offboarding.errors import InvalidRequest
from offboarding.schemas import INPUT, validated

ORGANIZATION = "m-d281d0a2fd824be5b6cd3d3ce909fd27"
GOOD = {"OrganizationId": ORGANIZATION, "EntityId": "alice@example.com"}


def sentence(value: object) -> str:
    with pytest.raises(InvalidRequest) as failure:
        validated(value, INPUT, "The execution's input")
    return str(failure.value)


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        {**GOOD, "EntityId": "a"},
        {**GOOD, "EntityId": "x" * 256},
        {**GOOD, "EntityId": "S-1-1-12-1-2-3-4"},
        {**GOOD, "EntityId": "r-0123456789abcdef0123456789abcdef"},
        {**GOOD, "Expected": {"Type": "USER", "Name": "alice", "Email": "a@b.cd", "DisplayName": "Alice"}},
        {**GOOD, "Expected": {}},
    ],
)
def test_what_the_api_reference_allows_is_taken(value: dict[str, Any]) -> None:
    assert validated(value, INPUT) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"EntityId": "a"}, "lacks OrganizationId, which must be a WorkMail organization id"),
        ({"OrganizationId": ORGANIZATION}, "lacks EntityId, which must be the id, name or e-mail"),
        ({}, "lacks OrganizationId"),
        ({**GOOD, "DryRn": True}, "has an unknown member: DryRn. The members are OrganizationId, EntityId, Expected"),
        ({**GOOD, "dryRun": True, "Zed": 1}, "has an unknown member: Zed, dryRun."),
        ({**GOOD, 'x"\n': 1}, "has an unknown member: x??."),
        ({**GOOD, "Expected": {"Tpe": "USER"}}, "Expected has an unknown member: Tpe. The members are Type,"),
        ({**GOOD, "Expected": {"Type": "user"}}, "Expected.Type must be USER, GROUP or RESOURCE."),
        ({**GOOD, "Expected": "USER"}, "Expected must be a JSON object."),
        ({**GOOD, "EntityId": ""}, "EntityId must be the id, name or e-mail address"),
        ({**GOOD, "EntityId": "x" * 257}, "1 to 256 characters"),
        ({**GOOD, "EntityId": "alice smith"}, "letters, digits and . _ % + @ -"),
        ({**GOOD, "EntityId": "alice\n"}, "EntityId must be"),
        ({**GOOD, "EntityId": "älice"}, "EntityId must be"),
        ({**GOOD, "EntityId": 7}, "EntityId must be"),
        ({**GOOD, "EntityId": None}, "EntityId must be"),
        ({**GOOD, "EntityId": ["alice"]}, "EntityId must be"),
        ({**GOOD, "OrganizationId": "M-" + ORGANIZATION[2:]}, "OrganizationId must be a WorkMail organization id"),
        ({**GOOD, "OrganizationId": ORGANIZATION + "0"}, "32 hexadecimal digits"),
        ({**GOOD, "OrganizationId": ORGANIZATION + "\n"}, "OrganizationId must be"),
        ([GOOD], "The execution's input must be a JSON object."),
        ("alice@example.com", "The execution's input must be a JSON object."),
        (None, "The execution's input must be a JSON object."),
    ],
)
def test_what_is_wrong_gets_a_sentence(value: object, says: str) -> None:
    assert says in sentence(value)


def test_the_sentence_does_not_repeat_the_value() -> None:
    assert "alice" not in sentence({**GOOD, "EntityId": "alice smith"})
