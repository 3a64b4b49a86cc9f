"""Whether an organization can be worked on, and that its migration administrator stays."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import check_organization
from local.defaults import ORGANIZATION_ALIAS, ORGANIZATION_ID
from local.organization import People
from local.workmail import WorkMailBackend
from offboarding.domain import errors
from tests.unit.conftest import NOW, Context, described, execution

A_MOMENT_LATER = "2026-11-24T09:00:00.001Z"


def check(entity_id: str, **changes: Any) -> dict[str, Any]:
    return check_known(described(entity_id).to_json(), **changes)


def check_known(entity: dict[str, str], **changes: Any) -> dict[str, Any]:
    event = {
        "ExecutionArn": execution("a"),
        "Now": NOW,
        "OrganizationId": ORGANIZATION_ID,
        "Entity": entity,
        "ServiceEndsAt": "2027-03-31T00:00:00.000Z",
        "DryRun": False,
        **changes,
    }
    return check_organization.handler(event, Context())


def test_an_active_organization_is_named(people: People, counted: Callable[[], dict[str, float]]) -> None:
    answer = check(people.user("dana"))

    (said,) = answer["Evidence"].pop("Answers")
    assert (said["Operation"], said["Answer"]["State"]) == ("DescribeOrganization", "Active")
    assert answer == {
        "Organization": {"Id": ORGANIZATION_ID, "Alias": ORGANIZATION_ALIAS},
        "IsMigrationAdmin": False,
        "Evidence": {"At": NOW},
    }
    assert counted() == {"OrganizationsChecked": 1}


@pytest.mark.parametrize("state", ["active", "ACTIVE"])
def test_how_workmail_spells_active_does_not_matter(people: People, organization: WorkMailBackend, state: str) -> None:
    user = people.user("dana")
    organization.set_organization_state(ORGANIZATION_ID, state)

    assert check(user)["Organization"]["Id"] == ORGANIZATION_ID


@pytest.mark.parametrize("dry_run", [False, True])
def test_an_organization_that_is_not_active_is_refused_with_the_start_of_its_state(
    people: People, organization: WorkMailBackend, counted: Callable[[], dict[str, float]], dry_run: bool
) -> None:
    dana = described(people.user("dana")).to_json()
    organization.set_organization_state(ORGANIZATION_ID, "x" * 64 + "never said")

    with pytest.raises(errors.OrganizationNotActive) as refusal:
        check_known(dana, DryRun=dry_run)

    assert str(refusal.value) == (
        f"The organization's state is {'x' * 64}, and its entities can be offboarded only while it is Active. "
        "Nothing was changed. Start again when DescribeOrganization shows it as Active."
    )
    assert counted() == {"OrganizationNotActive": 1}


def test_from_the_end_of_workmail_on_an_organization_that_is_not_active_is_that_end(
    people: People, organization: WorkMailBackend
) -> None:
    dana = described(people.user("dana")).to_json()
    organization.set_organization_state(ORGANIZATION_ID, "Deleted")

    with pytest.raises(errors.OrganizationNotActive, match="state is Deleted"):
        check_known(dana, ServiceEndsAt=A_MOMENT_LATER)
    with pytest.raises(errors.ServiceEnded, match="state is Deleted"):
        check_known(dana, ServiceEndsAt=NOW)


def test_after_the_end_of_workmail_an_organization_that_is_active_is_worked_on(people: People) -> None:
    answer = check(people.user("dana"), ServiceEndsAt="2026-11-01T00:00:00.000Z")

    assert answer["Organization"]["Id"] == ORGANIZATION_ID


@pytest.mark.parametrize(
    ("state", "ends_at", "dry_run", "outcome"),
    [
        ("Active", A_MOMENT_LATER, False, errors.EntityProtected),
        ("Active", A_MOMENT_LATER, True, None),
        ("Active", NOW, False, errors.EntityProtected),
        ("Active", NOW, True, None),
        ("Deleted", A_MOMENT_LATER, False, errors.EntityProtected),
        ("Deleted", A_MOMENT_LATER, True, errors.OrganizationNotActive),
        ("Deleted", NOW, False, errors.ServiceEnded),
        ("Deleted", NOW, True, errors.ServiceEnded),
    ],
)
def test_a_protection_comes_before_the_organizations_state_until_workmail_ends(
    people: People,
    organization: WorkMailBackend,
    state: str,
    ends_at: str,
    dry_run: bool,
    outcome: type[Exception] | None,
) -> None:
    dana = described(people.user("dana")).to_json()
    organization.set_migration_admin(ORGANIZATION_ID, dana["Id"])
    organization.set_organization_state(ORGANIZATION_ID, state)

    with pytest.raises(outcome) if outcome else contextlib.nullcontext():
        check_known(dana, ServiceEndsAt=ends_at, DryRun=dry_run)


@pytest.mark.parametrize("known_as", ["id", "name", "email"])
def test_the_migration_administrator_is_never_offboarded_however_workmail_names_it(
    people: People, organization: WorkMailBackend, known_as: str
) -> None:
    user = people.user("dana")
    organization.set_migration_admin(ORGANIZATION_ID, getattr(described(user), known_as))

    with pytest.raises(errors.EntityProtected, match=f"{user} is the organization's migration administrator"):
        check(user)
    assert check(user, DryRun=True)["IsMigrationAdmin"] is True


def test_who_is_not_the_migration_administrator_is_not_taken_for_it(
    people: People, organization: WorkMailBackend
) -> None:
    organization.set_migration_admin(ORGANIZATION_ID, people.user("kim"))
    nobody = people.user("lee", registered=False)

    assert check(people.user("dana"))["IsMigrationAdmin"] is False
    assert check(nobody)["IsMigrationAdmin"] is False
    organization.set_migration_admin(ORGANIZATION_ID, None)
    assert check(nobody)["IsMigrationAdmin"] is False


def test_what_is_protected_by_nature_is_refused_here_too(people: People, organization: WorkMailBackend) -> None:
    user = people.user("dana")
    organization.set_user_role(ORGANIZATION_ID, user, "SYSTEM_USER")

    with pytest.raises(errors.EntityProtected, match="a system user of WorkMail"):
        check(user)
    assert check(user, DryRun=True)["IsMigrationAdmin"] is False
