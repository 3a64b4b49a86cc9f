"""The aliases and groups that a restore puts back, those that it cannot put back, and its repetition."""

from typing import Any

import pytest

import restore_aliases_and_groups
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import WorkMailBackend
from offboarding.domain import errors
from offboarding.domain.record import Status
from tests.unit.conftest import (
    ARN_A,
    NOW,
    RETENTION_ENDS_AT,
    Context,
    ReadMetrics,
    Table,
    client,
    deregister,
    fail_operation,
    make_execution_arn,
    take_calls,
)

RESTORE_ARN = make_execution_arn("r", "offboarding-restore")


def restore(table: Table, now: str = NOW) -> dict[str, Any]:
    event = {"ExecutionArn": RESTORE_ARN, "Now": now, "OffboardingArn": ARN_A, "PutBackUntil": RETENTION_ENDS_AT}
    return restore_aliases_and_groups.handler(event, Context())


def create_attempted_record(table: Table, entity_id: str, **members: Any) -> None:
    """Write the record of an entity, and that WorkMail was asked to deregister it."""
    assert table.record_attempt(table.create_record("a", entity_id, Entity=members), entity_id)


def list_aliases(entity_id: str) -> list[str]:
    answer = client("workmail").list_aliases(OrganizationId=ORGANIZATION_ID, EntityId=entity_id)
    return [alias for alias in answer["Aliases"] if not alias.startswith("dana@")]


def list_groups(entity_id: str) -> set[str]:
    answer = client("workmail").list_groups_for_entity(OrganizationId=ORGANIZATION_ID, EntityId=entity_id)
    return {group["GroupId"] for group in answer["Groups"]}


def take_writes(organization: WorkMailBackend) -> list[str]:
    return [name for name in take_calls(organization) if name in {"CreateAlias", "AssociateMemberToGroup"}]


def test_missing_aliases_and_groups_are_put_back_and_current_ones_are_not_changed(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend, read_metrics: ReadMetrics
) -> None:
    user = people.create_user("dana")
    current_group = people.create_group("staff", members=(user,))
    missing_group = people.create_group("sales")
    people.create_alias(user, "kept")
    create_attempted_record(
        table,
        user,
        Aliases=["Kept@example.com", "lost@example.com"],
        Groups=[{"Id": current_group, "Name": "staff"}, {"Id": missing_group, "Name": "sales"}],
    )
    take_calls(organization)

    answer = restore(table)

    assert answer["Outcome"] == "Restored"
    assert answer["PutBack"] == [{"Alias": "lost@example.com"}, {"Group": missing_group}]
    assert answer["Missing"] == []
    assert sorted(list_aliases(user)) == ["kept@example.com", "lost@example.com"]
    assert list_groups(user) == {current_group, missing_group}
    assert take_writes(organization) == ["CreateAlias", "AssociateMemberToGroup"]
    assert read_metrics() == {"Restored": 1}


def test_a_repeated_restore_puts_nothing_back(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user, group = people.create_user("dana"), people.create_group("sales")
    create_attempted_record(table, user, Aliases=["lost@example.com"], Groups=[{"Id": group, "Name": "sales"}])
    restore(table)
    take_calls(organization)

    second_answer = restore(table)

    assert (second_answer["Outcome"], second_answer["PutBack"]) == ("Restored", [])
    assert take_writes(organization) == []


def test_nothing_is_put_back_after_the_time_for_that(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user, group = people.create_user("dana"), people.create_group("sales")
    create_attempted_record(table, user, Aliases=["lost@example.com"], Groups=[{"Id": group, "Name": "sales"}])
    take_calls(organization)

    with pytest.raises(errors.RetentionEnded, match=f"were put back until {RETENTION_ENDS_AT} only"):
        restore(table, RETENTION_ENDS_AT)
    assert take_calls(organization) == []
    assert restore(table, "2026-12-24T08:59:59.999Z")["Outcome"] == "Restored"


def test_a_complete_restore_ends_the_window_and_releases_the_entity(table: Table, people: OrganizationBuilder) -> None:
    user = people.create_user("dana")
    create_attempted_record(table, user, Aliases=[], Groups=[])
    log_entry = {"At": NOW, "Step": "RegisterEntity"}
    table.records.record_restore_step(table.load_record(ARN_A), Status.RESTORING, {}, log_entry)
    assert table.load_record(ARN_A).restore_began_at == NOW

    restore(table)

    assert table.load_record(ARN_A).status is Status.RESTORED
    assert table.load_record(ARN_A).restore_began_at is None, "it is complete, so nothing resumes"
    assert table.read_text(ARN_A, "RestoredIn") == RESTORE_ARN
    assert table.list_executions("InWindow") == []
    assert table.find_holder(user) is None
    assert table.read_step_names(ARN_A)[-1] == "Restored"


def test_an_alias_in_use_is_missing_with_its_current_holder(table: Table, people: OrganizationBuilder) -> None:
    user, holder = people.create_user("dana"), people.create_user("kim")
    create_attempted_record(table, user, Aliases=["kim@example.com", "lost@example.com"], Groups=[])

    answer = restore(table)

    assert answer["Outcome"] == "RestoredInPart"
    assert answer["PutBack"] == [{"Alias": "lost@example.com"}]
    assert answer["Missing"] == [
        {"Alias": "kim@example.com", "Because": f"It belongs to the USER {holder} now."},
    ]
    assert "Not all" in answer["Explanation"]


@pytest.mark.parametrize("code", ["LimitExceededException", "MailDomainNotFoundException", "MailDomainStateException"])
def test_a_refused_alias_is_missing_with_the_reason(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend, code: str
) -> None:
    user, group = people.create_user("dana"), people.create_group("sales")
    create_attempted_record(table, user, Aliases=["lost@example.com"], Groups=[{"Id": group, "Name": "sales"}])
    fail_operation(organization, "CreateAlias", code, always=True)

    answer = restore(table)

    assert answer["Outcome"] == "RestoredInPart"
    assert code in answer["Missing"][0]["Because"]
    assert answer["PutBack"] == [{"Group": group}], "the group is put back without the alias"


def test_a_deleted_or_disabled_group_is_missing_with_the_reason(table: Table, people: OrganizationBuilder) -> None:
    user = people.create_user("dana")
    deleted, disabled = people.create_group("deleted"), people.create_group("disabled")
    deregister(deleted)
    deregister(disabled)
    client("workmail").delete_group(OrganizationId=ORGANIZATION_ID, GroupId=deleted)
    create_attempted_record(
        table, user, Aliases=[], Groups=[{"Id": deleted, "Name": "deleted"}, {"Id": disabled, "Name": "disabled"}]
    )

    answer = restore(table)

    assert answer["Outcome"] == "RestoredInPart"
    assert answer["Missing"] == [
        {"Group": deleted, "Because": "The group does not exist any more."},
        {"Group": disabled, "Because": "The group itself is disabled."},
    ]


@pytest.mark.parametrize(
    "failures",
    [
        {"AssociateMemberToGroup": "EntityNotFoundException"},
        {"AssociateMemberToGroup": "EntityStateException", "DescribeGroup": "EntityNotFoundException"},
    ],
)
def test_a_group_that_is_deleted_during_the_restore_is_missing(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend, failures: dict[str, str]
) -> None:
    user, group = people.create_user("dana"), people.create_group("sales")
    create_attempted_record(table, user, Aliases=[], Groups=[{"Id": group, "Name": "sales"}])
    for operation, code in failures.items():
        fail_operation(organization, operation, code, always=True)

    assert restore(table)["Missing"] == [{"Group": group, "Because": "The group does not exist any more."}]


@pytest.mark.parametrize("operation", ["ListAliases", "CreateAlias", "ListGroupsForEntity", "AssociateMemberToGroup"])
def test_a_state_conflict_is_retried_until_workmail_shows_the_registration(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend, operation: str
) -> None:
    user, group = people.create_user("dana"), people.create_group("sales")
    create_attempted_record(table, user, Aliases=["lost@example.com"], Groups=[{"Id": group, "Name": "sales"}])
    fail_operation(organization, operation, "EntityStateException", always=True)

    with pytest.raises(errors.RegistrationNotConfirmed):
        restore(table)
    organization.before_hooks.clear()
    answer = restore(table)

    assert (answer["Outcome"], answer["Missing"]) == ("Restored", [])
    assert list_groups(user) == {group}
    assert list_aliases(user) == ["lost@example.com"]


@pytest.mark.parametrize("method", ["list_aliases", "list_groups_of"])
def test_an_alias_or_group_that_does_not_read_back_is_retried(
    table: Table, people: OrganizationBuilder, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, group = people.create_user("dana"), people.create_group("sales")
    create_attempted_record(table, user, Aliases=["lost@example.com"], Groups=[{"Id": group, "Name": "sales"}])
    monkeypatch.setattr(restore_aliases_and_groups.Directory, method, lambda self, entity: [])

    with pytest.raises(errors.RegistrationNotConfirmed, match="do not read back"):
        restore(table)
    assert table.load_record(ARN_A).status is not Status.RESTORED


@pytest.mark.parametrize(
    ("members", "missing"),
    [
        ({"Aliases": None, "Groups": []}, [{"Aliases": "unknown"}]),
        ({"Aliases": [], "Groups": None}, [{"Groups": "unknown"}]),
        ({}, [{"Aliases": "unknown"}, {"Groups": "unknown"}]),
    ],
)
def test_unknown_aliases_and_groups_are_reported_as_missing(
    table: Table, people: OrganizationBuilder, members: dict[str, Any], missing: list[dict[str, str]]
) -> None:
    create_attempted_record(table, people.create_user("dana"), **members)

    answer = restore(table)

    assert answer["Outcome"] == "RestoredInPart"
    assert [{name: item[name] for name in item if name != "Because"} for item in answer["Missing"]] == missing


def test_a_resource_has_no_groups_to_put_back(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    room = people.create_resource("room")
    create_attempted_record(table, room, Type="RESOURCE", Name="room", Aliases=[], Groups=None)

    assert restore(table)["Outcome"] == "Restored"
    assert "ListGroupsForEntity" not in take_calls(organization)


def test_a_group_is_put_back_into_its_groups(table: Table, people: OrganizationBuilder) -> None:
    inner, outer = people.create_group("inner"), people.create_group("outer")
    create_attempted_record(
        table, inner, Type="GROUP", Name="inner", Aliases=[], Groups=[{"Id": outer, "Name": "outer"}]
    )

    assert restore(table)["Outcome"] == "Restored"
    assert list_groups(inner) == {outer}


def test_an_entity_that_does_not_read_as_registered_is_retried(table: Table, people: OrganizationBuilder) -> None:
    create_attempted_record(table, people.create_user("dana", registered=False), Aliases=[], Groups=[])

    with pytest.raises(errors.RegistrationNotConfirmed, match="does not read as registered"):
        restore(table)


def test_a_restore_without_a_record_is_refused(table: Table, people: OrganizationBuilder) -> None:
    with pytest.raises(errors.NothingRecorded, match="The entity is registered again"):
        restore(table)


def test_an_alias_in_use_is_missing_even_if_its_holder_is_unknown(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user, holder = people.create_user("dana"), people.create_user("kim")
    people.create_alias(holder, "lost")
    create_attempted_record(table, user, Aliases=["lost@example.com"], Groups=[])
    fail_operation(organization, "DescribeEntity", "EntityNotFoundException", always=True)

    assert restore(table)["Missing"] == [
        {"Alias": "lost@example.com", "Because": "It belongs to another entity, which WorkMail does not name."}
    ]


def test_a_refused_group_is_missing_with_the_reason(
    table: Table, people: OrganizationBuilder, organization: WorkMailBackend
) -> None:
    user, group = people.create_user("dana"), people.create_group("staff")
    create_attempted_record(table, user, Aliases=[], Groups=[{"Id": group, "Name": "staff"}])
    fail_operation(organization, "AssociateMemberToGroup", "UnsupportedOperationException", always=True)

    (missing,) = restore(table)["Missing"]
    assert missing["Group"] == group
    assert "AssociateMemberToGroup with UnsupportedOperationException" in missing["Because"]
