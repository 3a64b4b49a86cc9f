"""What is put back beside the address, what cannot be, and that it can be done again."""

from collections.abc import Mapping
from typing import Any

import pytest

import restore_aliases_and_groups
from local.defaults import ORGANIZATION_ID
from local.organization import People
from local.workmail import WorkMailBackend
from local.workmail.exceptions import CommonError
from offboarding.domain import errors
from offboarding.domain.record import Status
from tests.unit.conftest import NOW, Context, Table, an_offboarding, client, execution

A = execution("a")
RESTORE = execution("r", "offboarding-restore")


def complete(table: Table) -> dict[str, Any]:
    event = {"ExecutionArn": RESTORE, "Now": NOW, "OffboardingArn": A}
    return restore_aliases_and_groups.handler(event, Context())


def recorded(table: Table, entity_id: str, **entity: Any) -> None:
    """Write the record of an entity that is registered again."""
    table.open("a", entity_id, Entity=entity)
    step = {"At": NOW, "Step": "Deregister"}
    assert table.records.record_attempt(an_offboarding(A, entity_id), NOW, step)


def aliases(entity_id: str) -> list[str]:
    answer = client("workmail").list_aliases(OrganizationId=ORGANIZATION_ID, EntityId=entity_id)
    return [alias for alias in answer["Aliases"] if not alias.startswith("dana@")]


def groups(entity_id: str) -> set[str]:
    answer = client("workmail").list_groups_for_entity(OrganizationId=ORGANIZATION_ID, EntityId=entity_id)
    return {group["GroupId"] for group in answer["Groups"]}


def answer_with(organization: WorkMailBackend, operation: str, code: str) -> None:
    def before(name: str, parameters: Mapping[str, Any]) -> None:
        if name == operation:
            raise CommonError(code, "made by the test", 400)

    organization.before.append(before)


def writes(organization: WorkMailBackend) -> list[str]:
    made = [call.operation for call in organization.calls]
    return [name for name in made if name in {"CreateAlias", "AssociateMemberToGroup"}]


def test_what_is_gone_is_put_back_and_what_is_there_is_left_alone(
    table: Table, people: People, organization: WorkMailBackend
) -> None:
    user = people.user("dana")
    there = people.group("staff", members=(user,))
    gone = people.group("sales")
    client("workmail").create_alias(OrganizationId=ORGANIZATION_ID, EntityId=user, Alias="kept@example.com")
    recorded(
        table,
        user,
        Aliases=["Kept@example.com", "lost@example.com"],
        Groups=[{"Id": there, "Name": "staff"}, {"Id": gone, "Name": "sales"}],
    )
    organization.calls.clear()

    answer = complete(table)

    assert answer["Outcome"] == "Restored"
    assert answer["PutBack"] == [{"Alias": "lost@example.com"}, {"Group": gone}]
    assert answer["Missing"] == []
    assert sorted(aliases(user)) == ["kept@example.com", "lost@example.com"]
    assert groups(user) == {there, gone}
    assert writes(organization) == ["CreateAlias", "AssociateMemberToGroup"]


def test_it_can_run_again_and_the_second_time_puts_nothing_back(
    table: Table, people: People, organization: WorkMailBackend
) -> None:
    user, group = people.user("dana"), people.group("sales")
    recorded(table, user, Aliases=["lost@example.com"], Groups=[{"Id": group, "Name": "sales"}])
    complete(table)
    organization.calls.clear()

    again = complete(table)

    assert (again["Outcome"], again["PutBack"]) == ("Restored", [])
    assert writes(organization) == []


def test_a_complete_restore_ends_the_window_and_lets_the_entity_go(table: Table, people: People) -> None:
    user = people.user("dana")
    recorded(table, user, Aliases=[], Groups=[])

    complete(table)

    assert table.get(A).status is Status.RESTORED
    assert table.text(A, "RestoredIn") == RESTORE
    assert table.with_status("InWindow") == []
    assert table.holder(user) is None
    assert table.steps(A)[-1] == "Restored"


def test_an_alias_that_somebody_else_has_is_named_with_who_that_is(table: Table, people: People) -> None:
    user, other = people.user("dana"), people.user("kim")
    recorded(table, user, Aliases=["kim@example.com", "lost@example.com"], Groups=[])

    answer = complete(table)

    assert answer["Outcome"] == "RestoredInPart"
    assert answer["PutBack"] == [{"Alias": "lost@example.com"}]
    assert answer["Missing"] == [
        {"Alias": "kim@example.com", "Because": f"It belongs to the USER {other} now."},
    ]
    assert "Not all" in answer["Explanation"]


@pytest.mark.parametrize("code", ["LimitExceededException", "MailDomainNotFoundException", "MailDomainStateException"])
def test_an_alias_that_workmail_refuses_is_missing_with_the_reason(
    table: Table, people: People, organization: WorkMailBackend, code: str
) -> None:
    user, group = people.user("dana"), people.group("sales")
    recorded(table, user, Aliases=["lost@example.com"], Groups=[{"Id": group, "Name": "sales"}])
    answer_with(organization, "CreateAlias", code)

    answer = complete(table)

    assert answer["Outcome"] == "RestoredInPart"
    assert code in answer["Missing"][0]["Because"]
    assert answer["PutBack"] == [{"Group": group}], "the rest is put back all the same"


def test_a_group_that_was_deleted_or_disabled_is_missing_with_the_reason(table: Table, people: People) -> None:
    user = people.user("dana")
    deleted, disabled = people.group("deleted"), people.group("disabled")
    for group in (deleted, disabled):
        client("workmail").deregister_from_work_mail(OrganizationId=ORGANIZATION_ID, EntityId=group)
    client("workmail").delete_group(OrganizationId=ORGANIZATION_ID, GroupId=deleted)
    recorded(table, user, Aliases=[], Groups=[{"Id": deleted, "Name": "deleted"}, {"Id": disabled, "Name": "disabled"}])

    answer = complete(table)

    assert answer["Outcome"] == "RestoredInPart"
    assert answer["Missing"] == [
        {"Group": deleted, "Because": "The group does not exist any more."},
        {"Group": disabled, "Because": "The group itself is disabled."},
    ]


def test_a_group_that_is_gone_by_the_time_its_state_is_read_is_missing_like_any_other(
    table: Table, people: People, organization: WorkMailBackend
) -> None:
    user, group = people.user("dana"), people.group("sales")
    recorded(table, user, Aliases=[], Groups=[{"Id": group, "Name": "sales"}])
    answer_with(organization, "AssociateMemberToGroup", "EntityStateException")
    answer_with(organization, "DescribeGroup", "EntityNotFoundException")

    assert complete(table)["Missing"] == [{"Group": group, "Because": "The group does not exist any more."}]


@pytest.mark.parametrize("operation", ["ListAliases", "CreateAlias", "ListGroupsForEntity", "AssociateMemberToGroup"])
def test_where_workmail_lags_behind_the_registration_it_is_asked_again(
    table: Table, people: People, organization: WorkMailBackend, operation: str
) -> None:
    user, group = people.user("dana"), people.group("sales")
    recorded(table, user, Aliases=["lost@example.com"], Groups=[{"Id": group, "Name": "sales"}])
    answer_with(organization, operation, "EntityStateException")

    with pytest.raises(errors.RegistrationNotConfirmed):
        complete(table)
    organization.before.clear()
    answer = complete(table)

    assert (answer["Outcome"], answer["Missing"]) == ("Restored", [])
    assert groups(user) == {group}
    assert aliases(user) == ["lost@example.com"]


@pytest.mark.parametrize("listed", ["list_aliases", "list_groups_of"])
def test_what_does_not_read_back_is_not_claimed(
    table: Table, people: People, listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, group = people.user("dana"), people.group("sales")
    recorded(table, user, Aliases=["lost@example.com"], Groups=[{"Id": group, "Name": "sales"}])
    monkeypatch.setattr(restore_aliases_and_groups.Directory, listed, lambda self, entity: [])

    with pytest.raises(errors.RegistrationNotConfirmed, match="do not read back"):
        complete(table)
    assert table.get(A).status is not Status.RESTORED


@pytest.mark.parametrize(
    ("members", "missing"),
    [
        ({"Aliases": None, "Groups": []}, [{"Aliases": "unknown"}]),
        ({"Aliases": [], "Groups": None}, [{"Groups": "unknown"}]),
        ({}, [{"Aliases": "unknown"}, {"Groups": "unknown"}]),
    ],
)
def test_what_was_not_known_when_it_was_recorded_is_said_to_be_missing(
    table: Table, people: People, members: dict[str, Any], missing: list[dict[str, str]]
) -> None:
    recorded(table, people.user("dana"), **members)

    answer = complete(table)

    assert answer["Outcome"] == "RestoredInPart"
    assert [{k: v for k, v in item.items() if k != "Because"} for item in answer["Missing"]] == missing


def test_a_resource_is_in_no_groups_and_lacks_none(table: Table, people: People, organization: WorkMailBackend) -> None:
    room = people.resource("room")
    recorded(table, room, Type="RESOURCE", Name="room", Aliases=[], Groups=None)

    assert complete(table)["Outcome"] == "Restored"
    assert "ListGroupsForEntity" not in [call.operation for call in organization.calls]


def test_a_group_is_put_back_into_its_groups(table: Table, people: People) -> None:
    inner, outer = people.group("inner"), people.group("outer")
    recorded(table, inner, Type="GROUP", Name="inner", Aliases=[], Groups=[{"Id": outer, "Name": "outer"}])

    assert complete(table)["Outcome"] == "Restored"
    assert groups(inner) == {outer}


def test_what_does_not_read_as_registered_is_asked_for_again(table: Table, people: People) -> None:
    recorded(table, people.user("dana", registered=False), Aliases=[], Groups=[])

    with pytest.raises(errors.RegistrationNotConfirmed, match="does not read as registered"):
        complete(table)


def test_a_record_that_was_deleted_meanwhile_is_said_to_be(table: Table, people: People) -> None:
    with pytest.raises(errors.NothingRecorded, match="The entity is registered again"):
        complete(table)


def test_an_alias_of_somebody_whom_workmail_does_not_name_is_missing(
    table: Table, people: People, organization: WorkMailBackend
) -> None:
    user, other = people.user("dana"), people.user("kim")
    people.alias(other, "lost")
    recorded(table, user, Aliases=["lost@example.com"], Groups=[])
    answer_with(organization, "DescribeEntity", "EntityNotFoundException")

    assert complete(table)["Missing"] == [
        {"Alias": "lost@example.com", "Because": "It belongs to another entity, which WorkMail does not name."}
    ]


def test_a_group_that_workmail_refuses_is_missing_with_the_reason(
    table: Table, people: People, organization: WorkMailBackend
) -> None:
    user, group = people.user("dana"), people.group("staff")
    recorded(table, user, Aliases=[], Groups=[{"Id": group, "Name": "staff"}])
    answer_with(organization, "AssociateMemberToGroup", "UnsupportedOperationException")

    (missing,) = complete(table)["Missing"]
    assert missing["Group"] == group
    assert "AssociateMemberToGroup with UnsupportedOperationException" in missing["Because"]


def test_a_group_that_is_not_found_is_missing(table: Table, people: People, organization: WorkMailBackend) -> None:
    user, group = people.user("dana"), people.group("staff")
    recorded(table, user, Aliases=[], Groups=[{"Id": group, "Name": "staff"}])
    answer_with(organization, "AssociateMemberToGroup", "EntityNotFoundException")

    assert complete(table)["Missing"] == [{"Group": group, "Because": "The group does not exist any more."}]
