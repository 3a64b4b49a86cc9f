"""The organization must be active, and its migration administrator is protected."""

import contextlib
from typing import Any

import pytest

import check_organization
from local.defaults import ORGANIZATION_ALIAS, ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import WorkMailBackend
from offboarding.domain import errors
from offboarding.domain.entities import Entity
from tests.unit.conftest import NOW, Context, ReadMetrics, describe_entity, make_entity_step

ONE_MILLISECOND_LATER = "2026-11-24T09:00:00.001Z"


def check(entity_id: str, **changes: Any) -> dict[str, Any]:
    return check_entity(describe_entity(entity_id), **changes)


def check_entity(entity: Entity, **changes: Any) -> dict[str, Any]:
    return check_organization.handler(make_entity_step(entity, {"DryRun": False, **changes}), Context())


def test_an_active_organization_is_returned_with_its_alias(
    people: OrganizationBuilder, read_metrics: ReadMetrics
) -> None:
    answer = check(people.create_user("dana"))

    (evidence,) = answer["Evidence"].pop("Answers")
    assert (evidence["Operation"], evidence["Answer"]["State"]) == ("DescribeOrganization", "Active")
    assert answer == {
        "Organization": {"Id": ORGANIZATION_ID, "Alias": ORGANIZATION_ALIAS},
        "IsMigrationAdmin": False,
        "Evidence": {"At": NOW},
    }
    assert read_metrics() == {"OrganizationsChecked": 1}


@pytest.mark.parametrize("state", ["active", "ACTIVE"])
def test_the_letter_case_of_the_active_state_does_not_matter(
    people: OrganizationBuilder, organization: WorkMailBackend, state: str
) -> None:
    user = people.create_user("dana")
    organization.set_organization_state(ORGANIZATION_ID, state)

    assert check(user)["Organization"]["Id"] == ORGANIZATION_ID


@pytest.mark.parametrize("dry_run", [False, True])
def test_an_inactive_organization_is_refused_with_its_state_cut_to_64_characters(
    people: OrganizationBuilder, organization: WorkMailBackend, read_metrics: ReadMetrics, dry_run: bool
) -> None:
    dana = describe_entity(people.create_user("dana"))
    organization.set_organization_state(ORGANIZATION_ID, "x" * 64 + "cut off")

    with pytest.raises(errors.OrganizationNotActive) as refusal:
        check_entity(dana, DryRun=dry_run)

    assert str(refusal.value) == (
        f"The organization's state is {'x' * 64}, and its entities can be offboarded only while it is Active. "
        "Start again when DescribeOrganization shows it as Active."
    )
    assert read_metrics() == {"OrganizationNotActive": 1}


def test_an_inactive_organization_means_from_the_end_date_on_that_the_service_has_ended(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    dana = describe_entity(people.create_user("dana"))
    organization.set_organization_state(ORGANIZATION_ID, "Deleted")

    with pytest.raises(errors.OrganizationNotActive, match="state is Deleted"):
        check_entity(dana, ServiceEndsAt=ONE_MILLISECOND_LATER)
    with pytest.raises(errors.ServiceEnded, match="state is Deleted"):
        check_entity(dana, ServiceEndsAt=NOW)


def test_an_active_organization_is_accepted_after_the_end_date_of_the_service(people: OrganizationBuilder) -> None:
    answer = check(people.create_user("dana"), ServiceEndsAt="2026-11-01T00:00:00.000Z")

    assert answer["Organization"]["Id"] == ORGANIZATION_ID


@pytest.mark.parametrize(
    ("state", "service_ends_at", "dry_run", "outcome"),
    [
        ("Active", ONE_MILLISECOND_LATER, False, errors.EntityProtected),
        ("Active", ONE_MILLISECOND_LATER, True, None),
        ("Active", NOW, False, errors.EntityProtected),
        ("Active", NOW, True, None),
        ("Deleted", ONE_MILLISECOND_LATER, False, errors.EntityProtected),
        ("Deleted", ONE_MILLISECOND_LATER, True, errors.OrganizationNotActive),
        ("Deleted", NOW, False, errors.ServiceEnded),
        ("Deleted", NOW, True, errors.ServiceEnded),
    ],
)
def test_a_protection_takes_precedence_over_the_organizations_state_until_the_service_ends(
    people: OrganizationBuilder,
    organization: WorkMailBackend,
    state: str,
    service_ends_at: str,
    dry_run: bool,
    outcome: type[Exception] | None,
) -> None:
    dana = describe_entity(people.create_user("dana"))
    organization.set_migration_admin(ORGANIZATION_ID, dana.id)
    organization.set_organization_state(ORGANIZATION_ID, state)

    with pytest.raises(outcome) if outcome else contextlib.nullcontext():
        check_entity(dana, ServiceEndsAt=service_ends_at, DryRun=dry_run)


@pytest.mark.parametrize("member", ["id", "name", "email"])
def test_the_migration_administrator_is_protected_by_id_name_and_address(
    people: OrganizationBuilder, organization: WorkMailBackend, member: str
) -> None:
    user = people.create_user("dana")
    organization.set_migration_admin(ORGANIZATION_ID, getattr(describe_entity(user), member))

    with pytest.raises(errors.EntityProtected, match=f"{user} is the organization's migration administrator"):
        check(user)
    assert check(user, DryRun=True)["IsMigrationAdmin"] is True


def test_other_users_are_not_the_migration_administrator(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    organization.set_migration_admin(ORGANIZATION_ID, people.create_user("kim"))
    unregistered = people.create_user("lee", registered=False)

    assert check(people.create_user("dana"))["IsMigrationAdmin"] is False
    assert check(unregistered)["IsMigrationAdmin"] is False
    organization.set_migration_admin(ORGANIZATION_ID, None)
    assert check(unregistered)["IsMigrationAdmin"] is False


def test_a_system_user_is_refused_and_can_be_planned(
    people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user = people.create_user("dana")
    organization.set_user_role(ORGANIZATION_ID, user, "SYSTEM_USER")

    with pytest.raises(errors.EntityProtected, match="a system user of WorkMail"):
        check(user)
    assert check(user, DryRun=True)["IsMigrationAdmin"] is False
