"""Who is never offboarded, and who only with an approval."""

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
def test_an_entry_protects_by_id_name_address_and_alias_without_regard_to_case(pattern: str) -> None:
    assert protected_by_settings([pattern], DANA, ALIASES)
    assert approval_required_by_settings([pattern], DANA, ALIASES)


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
def test_an_entry_is_compared_whole(pattern: str) -> None:
    assert protected_by_settings([pattern], DANA, ALIASES) is None
    assert approval_required_by_settings([pattern], DANA, ALIASES) is None


def test_a_dot_of_an_entry_is_a_dot() -> None:
    assert protected_by_settings(["dana.leaver@*"], replace(DANA, email="danaxleaver@example.com"), []) is None


def test_the_sentence_has_the_place_of_the_entry_and_nobodys_name_or_address() -> None:
    patterns = ["nobody", "*@example.net", "dana.leaver@example.com", "*"]

    protection = protected_by_settings(patterns, DANA, ALIASES) or ""
    approval = approval_required_by_settings(patterns, DANA, ALIASES) or ""

    assert protection.startswith(f"{USER_ID} is protected by entry 3 of the organization's protected in cdk.json.")
    assert "Nothing in an input lifts this" in protection
    assert approval == f"{USER_ID} matches entry 3 of the organization's approvalRequired in cdk.json."
    for sentence in (protection, approval):
        assert "@" not in sentence
        assert "dana" not in sentence.casefold()


def test_what_an_entity_does_not_have_matches_nothing() -> None:
    nobody = replace(DANA, email=None)

    assert protected_by_settings(["*@*"], nobody, []) is None
    assert protected_by_settings(["*@*"], nobody, ["sales@example.com"])
    assert protected_by_settings([], DANA, ALIASES) is None


@pytest.mark.parametrize(
    ("role", "says"),
    [
        ("SYSTEM_USER", "a system user of WorkMail"),
        ("RESOURCE", "offboard the resource itself"),
        ("REMOTE_USER", "whose mailbox is not in WorkMail"),
    ],
)
def test_what_is_nobodys_mailbox_is_protected_whatever_the_settings_are(role: str, says: str) -> None:
    sentence = protected_by_nature(replace(DANA, user_role=role)) or ""

    assert says in sentence
    assert sentence.endswith("It is never offboarded.")
    assert "Dana" not in sentence


@pytest.mark.parametrize("role", ["USER", None, "SOMETHING_NEW"])
def test_a_user_is_not_protected_unless_it_administers_the_migration(role: str | None) -> None:
    user = replace(DANA, user_role=role)

    assert protected_by_nature(user) is None
    assert "migration administrator" in (protected_by_nature(user, is_migration_admin=True) or "")
