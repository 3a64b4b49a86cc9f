"""The entities that are never offboarded, and those that need an approval."""

from dataclasses import replace

import pytest

from offboarding.domain.entities import Entity, EntityState, EntityType
from offboarding.domain.protection import approval_required_by_settings, protected_by_nature, protected_by_settings
from tests.unit.conftest import USER_ID

DANA = Entity(EntityType.USER, USER_ID, "Dana", EntityState.ENABLED, email="dana.leaver@Example.com")
ALIASES = ["sales@example.com", "d.leaver@example.org"]


@pytest.mark.parametrize(
    "pattern",
    [
        USER_ID,
        USER_ID.upper(),
        "Dana",
        "DANA",
        "dana.leaver@example.com",
        "DANA.LEAVER@EXAMPLE.COM",
        "sales@example.com",
        "Sales@Example.com",
        "d?na",
        "dana.*",
        "*@example.org",
        "*leaver*",
        "12a3b4c5-*",
        "*",
    ],
)
def test_an_entry_matches_id_name_address_and_alias_without_regard_to_case(pattern: str) -> None:
    assert protected_by_settings([pattern], DANA, ALIASES)
    assert approval_required_by_settings([pattern], DANA, ALIASES)


@pytest.mark.parametrize("name", ["stra\N{LATIN SMALL LETTER SHARP S}e-team", "STRASSE-TEAM"])
def test_an_entry_protects_neighbours_too(name: str) -> None:
    assert protected_by_settings(["strasse-*"], replace(DANA, name=name), [])
    assert approval_required_by_settings(["x", "strasse-team"], replace(DANA, name=name), [])


@pytest.mark.parametrize(
    "pattern",
    [
        "dan",
        "ana",
        "dana?",
        "?dana",
        "d??na",
        "danadana",
        "example.com",
        "@example.com",
        "dana.leaver@example",
        "dana-leaver@example.com",
        "*@example.net",
        USER_ID[:-1],
        "",
    ],
)
def test_an_entry_must_match_the_whole_identifier(pattern: str) -> None:
    assert protected_by_settings([pattern], DANA, ALIASES) is None
    assert approval_required_by_settings([pattern], DANA, ALIASES) is None


def test_a_dot_in_an_entry_matches_only_a_dot() -> None:
    assert protected_by_settings(["dana.leaver@*"], replace(DANA, email="danaxleaver@example.com"), []) is None


def test_the_message_has_the_position_of_the_entry_and_no_name_or_address() -> None:
    patterns = ["nobody", "*@example.net", "dana.leaver@example.com", "*"]

    protection_message = protected_by_settings(patterns, DANA, ALIASES) or ""
    approval_message = approval_required_by_settings(patterns, DANA, ALIASES) or ""

    assert protection_message.startswith(
        f"{USER_ID} is protected by entry 3 of the organization's protected in cdk.json."
    )
    assert "Nothing in an input lifts this" in protection_message
    assert approval_message == f"{USER_ID} matches entry 3 of the organization's approvalRequired in cdk.json."
    for message in (protection_message, approval_message):
        assert "@" not in message
        assert "dana" not in message.casefold()


def test_a_missing_address_matches_no_entry() -> None:
    without_address = replace(DANA, email=None)

    assert protected_by_settings(["*@*"], without_address, []) is None
    assert protected_by_settings(["*@*"], without_address, ["sales@example.com"])
    assert protected_by_settings([], DANA, ALIASES) is None


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        ("SYSTEM_USER", "a system user of WorkMail"),
        ("RESOURCE", "offboard the resource itself"),
        ("REMOTE_USER", "whose mailbox is not in WorkMail"),
    ],
)
def test_a_system_user_a_resource_and_a_remote_user_are_protected_by_nature(role: str, reason: str) -> None:
    message = protected_by_nature(replace(DANA, user_role=role)) or ""

    assert reason in message
    assert message.endswith("It is never offboarded.")
    assert "Dana" not in message


@pytest.mark.parametrize("role", ["USER", None, "SOMETHING_NEW"])
def test_a_user_is_protected_by_nature_only_as_migration_administrator(role: str | None) -> None:
    user = replace(DANA, user_role=role)

    assert protected_by_nature(user) is None
    assert "migration administrator" in (protected_by_nature(user, is_migration_admin=True) or "")
