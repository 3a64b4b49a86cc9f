"""What a plan says would be lost or left behind, within limits, and without what WorkMail refuses."""

from collections.abc import Callable
from typing import Any

import pytest

import plan_offboarding
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import WorkMailBackend
from offboarding.adapters import effects
from offboarding.adapters.directory import Directory
from offboarding.domain import errors
from offboarding.domain.entities import EntityType
from tests.unit.conftest import client, deregister, describe_entity, fail_operation, take_calls


def read_effects(
    entity_id: str, entity_type: EntityType = EntityType.USER, has_time: Callable[[], bool] = lambda: True
) -> dict[str, Any]:
    entity = describe_entity(entity_id, entity_type)
    return effects.read_effects(
        Directory(plan_offboarding.client, ORGANIZATION_ID), entity, ["d@example.com"], has_time
    )


def grant(entity_id: str, grantee_id: str, *values: str) -> None:
    client("workmail").put_mailbox_permissions(
        OrganizationId=ORGANIZATION_ID, EntityId=entity_id, GranteeId=grantee_id, PermissionValues=[*values]
    )


@pytest.fixture
def kim(people: OrganizationBuilder) -> str:
    return people.create_user("kim")


def test_a_user_has_aliases_groups_and_permissions(people: OrganizationBuilder, dana: str, kim: str) -> None:
    shared, alone = people.create_group("shared", (dana, kim)), people.create_group("alone", (dana,))
    grant(dana, kim, "FULL_ACCESS", "SEND_AS")
    grant(dana, shared, "SEND_ON_BEHALF")

    assert read_effects(dana) == {
        "Aliases": ["d@example.com"],
        "Groups": [
            {"Id": shared, "Name": "shared", "IsOnlyEnabledMember": False},
            {"Id": alone, "Name": "alone", "IsOnlyEnabledMember": True},
        ],
        "MailboxPermissions": [
            {"GranteeId": kim, "GranteeType": "USER", "PermissionValues": ["FULL_ACCESS", "SEND_AS"]},
            {"GranteeId": shared, "GranteeType": "GROUP", "PermissionValues": ["SEND_ON_BEHALF"]},
        ],
        "NotRead": [],
    }


def test_disabled_members_do_not_receive_the_mail_of_a_group(people: OrganizationBuilder, dana: str, kim: str) -> None:
    people.create_group("crew", (kim, dana))
    deregister(kim)

    assert [group["IsOnlyEnabledMember"] for group in read_effects(dana)["Groups"]] == [True]


def test_a_group_has_its_enabled_members_and_the_groups_that_it_is_in(
    people: OrganizationBuilder, organization: WorkMailBackend, dana: str, kim: str
) -> None:
    crew = people.create_group("crew", (dana, kim, people.create_user("lee")))
    company = people.create_group("company", (crew,))
    deregister(kim)
    take_calls(organization)

    assert read_effects(crew, EntityType.GROUP) == {
        "Aliases": ["d@example.com"],
        "Groups": [{"Id": company, "Name": "company", "IsOnlyEnabledMember": True}],
        "EnabledMembers": 2,
        "NotRead": [],
    }
    assert "ListMailboxPermissions" not in take_calls(organization), "a group has no mailbox"


def test_a_resource_is_in_no_groups(people: OrganizationBuilder, kim: str) -> None:
    room = people.create_resource("room")
    grant(room, kim, "SEND_AS")

    read = read_effects(room, EntityType.RESOURCE)
    assert read.keys() == {"Aliases", "MailboxPermissions", "NotRead"}
    assert [permission["GranteeId"] for permission in read["MailboxPermissions"]] == [kim]


@pytest.mark.parametrize(
    "code",
    [
        *("AccessDeniedException", "EntityNotFoundException", "EntityStateException"),
        *("InvalidParameterException", "UnsupportedOperationException", "SomethingNew"),
    ],
)
@pytest.mark.parametrize(
    ("operation", "member"),
    [
        ("ListGroupsForEntity", "Groups"),
        ("ListGroupMembers", "IsOnlyEnabledMember"),
        ("ListMailboxPermissions", "MailboxPermissions"),
    ],
)
def test_a_list_that_workmail_refuses_is_named_and_the_others_are_read(
    people: OrganizationBuilder, organization: WorkMailBackend, dana: str, operation: str, member: str, code: str
) -> None:
    for name in ("crew", "team"):
        grant(dana, people.create_group(name, (dana,)), "SEND_AS")
    fail_operation(organization, operation, code, always=True)

    read = read_effects(dana)

    [entry] = read["NotRead"]
    assert entry["Member"] == member
    assert entry["Reason"].startswith(f"WorkMail answered {operation} with {code}")
    assert len(read["Groups"]) == (0 if member == "Groups" else 2)
    assert len(read["MailboxPermissions"]) == (0 if member == "MailboxPermissions" else 2)
    assert any("IsOnlyEnabledMember" in group for group in read["Groups"]) == (member == "MailboxPermissions")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ThrottlingException", errors.WorkMailUnavailable),
        ("OrganizationStateException", errors.OrganizationNotActive),
        ("OrganizationNotFoundException", errors.OrganizationNotFound),
    ],
)
@pytest.mark.parametrize("operation", ["ListGroupsForEntity", "ListGroupMembers", "ListMailboxPermissions"])
def test_an_error_that_is_no_refusal_is_raised(
    people: OrganizationBuilder,
    organization: WorkMailBackend,
    dana: str,
    operation: str,
    code: str,
    error: type[Exception],
) -> None:
    people.create_group("crew", (dana,))
    fail_operation(organization, operation, code, always=True)

    with pytest.raises(error):
        read_effects(dana)


def test_long_lists_are_read_in_part(
    people: OrganizationBuilder, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch, dana: str, kim: str
) -> None:
    monkeypatch.setattr(effects, "_MAX_ITEMS", 2)
    monkeypatch.setattr(effects, "_MAX_CHECKED_GROUPS", 1)
    monkeypatch.setattr(effects, "_MAX_MEMBERS", 1)
    for name in ("a", "b", "c"):
        grant(dana, people.create_group(name, (kim, dana)), "SEND_AS")
    take_calls(organization)

    read = read_effects(dana)

    assert [group.get("IsOnlyEnabledMember") for group in read["Groups"]] == [False, None]
    assert len(read["MailboxPermissions"]) == 2
    assert take_calls(organization).count("ListGroupMembers") == 1
    assert read["NotRead"] == [
        {"Member": "Groups", "Reason": "Only the first 2 entries are read."},
        {"Member": "IsOnlyEnabledMember", "Reason": "Only the members of the first 1 groups are read."},
        {"Member": "MailboxPermissions", "Reason": "Only the first 2 entries are read."},
    ]
    crew = people.create_group("crew", (dana, kim))
    assert read_effects(crew, EntityType.GROUP)["EnabledMembers"] == 1


def test_the_limits_of_a_plan_keep_its_output_small() -> None:
    assert (effects._MAX_ITEMS, effects._MAX_CHECKED_GROUPS, effects._MAX_MEMBERS) == (200, 20, 500)


def test_members_beyond_the_limit_or_the_time_leave_the_question_open(
    people: OrganizationBuilder, monkeypatch: pytest.MonkeyPatch, dana: str, kim: str
) -> None:
    people.create_group("crew", (dana, kim))
    monkeypatch.setattr(effects, "_MAX_MEMBERS", 1)
    assert "IsOnlyEnabledMember" not in read_effects(dana)["Groups"][0]
    monkeypatch.setattr(effects, "_MAX_MEMBERS", 500)
    moments = iter([*3 * [True], False, *9 * [True]])

    read = read_effects(dana, has_time=lambda: next(moments))

    assert "IsOnlyEnabledMember" not in read["Groups"][0]
    assert read["NotRead"] == [{"Member": "IsOnlyEnabledMember", "Reason": "There was no time to read all of it."}]
