"""Registering, deregistering, and the 30 days in between, under every undocumented behaviour."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
import time_machine

from local.workmail import Behaviour
from tests.unit.local.workmail.conftest import (
    MORNING,
    ORGANIZATION,
    PASSWORD,
    WorkMail,
    address,
)

DAYS_30 = timedelta(days=30)
SECOND = timedelta(seconds=1)
OF_EXPORTS = {
    "ended_exports", "export_log", "export_of_deregistered", "export_of_disabled", "export_result", "export_s3_path",
    "late_cancellation",
}  # fmt: skip
"""The switches that no description of an entity reads."""


@pytest.fixture(name="clock")
def _clock():
    with time_machine.travel(MORNING, tick=False) as clock:
        yield clock


def switch(workmail: WorkMail, **switches: object) -> None:
    workmail.backend.behaviour = replace(workmail.backend.behaviour, **switches)


def exists(workmail: WorkMail, entity: str) -> bool:
    return workmail.backend.mailbox_exists(ORGANIZATION, entity)


def test_registering_a_user_enables_it_and_creates_a_mailbox(workmail, clock):
    user = workmail.create_user("dana", enabled=False)

    workmail.call("register_to_work_mail", EntityId="dana", Email=address("dana"))

    answer = workmail.describe(user)
    assert answer["State"] == "ENABLED"
    assert answer["Email"] == address("dana")
    assert answer["EnabledDate"] == answer["MailboxProvisionedDate"] == MORNING
    assert "DisabledDate" not in answer
    assert "MailboxDeprovisionedDate" not in answer
    assert exists(workmail, user)


def test_dates_have_milliseconds(workmail, clock):
    clock.move_to(datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC))
    user = workmail.create_user("dana")

    assert workmail.describe(user)["EnabledDate"] == datetime(2026, 3, 2, 9, 0, 0, 123000, tzinfo=UTC)


def test_invalid_registrations_are_refused(workmail):
    user = workmail.create_user("dana")
    kim = workmail.create_user("kim", enabled=False)

    def register(entity: str, email: str) -> str:
        return workmail.fails("register_to_work_mail", EntityId=entity, Email=email)

    assert register(kim, address("dana").upper().replace("ACME.AWSAPPS.COM", "acme.awsapps.com")) == (
        "EmailAddressInUseException"
    )
    assert register(kim, "kim@nowhere.org") == "MailDomainNotFoundException"
    assert register(user, address("other")) == "EntityAlreadyRegisteredException"
    assert register("nobody", address("other")) == "EntityNotFoundException"
    assert register(address("dana"), address("dana")) == "EntityNotFoundException"
    assert workmail.describe(kim)["State"] == "DISABLED"


def test_registering_in_an_unverified_domain_is_refused(workmail):
    kim = workmail.create_user("kim", enabled=False)
    workmail.backend.set_mail_domain_status(ORGANIZATION, "example.com", "FAILED")

    refused = workmail.fails("register_to_work_mail", EntityId=kim, Email="kim@example.com")
    assert refused == "MailDomainStateException"


def test_registering_an_enabled_user_with_its_own_address_changes_nothing(workmail, clock):
    user = workmail.create_user("dana")
    user_before = workmail.describe(user)
    clock.shift(DAYS_30)

    workmail.enable(user, "dana")

    assert workmail.describe(user) == user_before


@pytest.mark.parametrize("identifier", ["dana", address("dana"), None])
def test_deregistering_disables_and_keeps_the_mailbox(workmail, clock, identifier):
    user = workmail.create_user("dana")
    clock.shift(SECOND)

    workmail.deregister(identifier or user)

    answer = workmail.describe(user)
    assert answer["State"] == "DISABLED"
    assert answer["DisabledDate"] == MORNING + SECOND
    assert answer["EnabledDate"] == MORNING
    assert exists(workmail, user)
    assert workmail.fails("deregister_from_work_mail", EntityId="nobody") == "EntityNotFoundException"


@pytest.mark.parametrize("kind", ["user", "resource"])
def test_a_mailbox_is_removed_thirty_days_after_deregistering_and_not_before(workmail, clock, kind):
    entity = getattr(workmail, f"create_{kind}")("dana")
    workmail.deregister(entity)

    clock.move_to(MORNING + DAYS_30 - SECOND)
    assert exists(workmail, entity)
    clock.move_to(MORNING + DAYS_30)
    assert not exists(workmail, entity)
    assert workmail.fails("get_mailbox_details", UserId=entity) == "EntityNotFoundException"
    [summary] = workmail.call(f"list_{kind}s")[f"{kind}s".title()]
    assert summary["State"] == "DISABLED"


def test_a_removed_mailbox_is_not_restored_when_the_clock_goes_back(workmail, clock):
    user = workmail.create_user("dana")
    workmail.deregister(user)
    clock.move_to(MORNING + DAYS_30)
    assert not exists(workmail, user)

    clock.move_to(MORNING + SECOND)

    assert not exists(workmail, user)


def test_registering_again_within_the_window_restores_the_mailbox(workmail, clock):
    user = workmail.create_user("dana")
    workmail.call("create_alias", EntityId=user, Alias="dj@example.com")
    workmail.backend.set_mailbox_size(ORGANIZATION, user, 777)
    workmail.deregister(user)
    later = MORNING + DAYS_30 - SECOND
    clock.move_to(later)

    workmail.enable(user, "dana")

    answer = workmail.describe(user)
    assert answer["State"] == "ENABLED"
    assert answer["EnabledDate"] == later
    assert answer["MailboxProvisionedDate"] == MORNING
    assert "DisabledDate" not in answer
    assert "MailboxDeprovisionedDate" not in answer
    assert workmail.call("get_mailbox_details", UserId=user)["MailboxSize"] == 777
    assert workmail.call("list_aliases", EntityId=user)["Aliases"] == ["dj@example.com"]
    clock.shift(DAYS_30)
    assert exists(workmail, user)


def test_disabling_again_restarts_the_thirty_days(workmail, clock):
    user = workmail.create_user("dana")
    workmail.deregister(user)
    clock.shift(timedelta(days=20))
    workmail.enable(user, "dana")
    workmail.deregister(user)

    assert workmail.describe(user)["DisabledDate"] == MORNING + timedelta(days=20)
    clock.shift(timedelta(days=29))
    assert exists(workmail, user)
    clock.shift(timedelta(days=1))
    assert not exists(workmail, user)


def test_registering_after_the_window_creates_a_new_mailbox(workmail, clock):
    user = workmail.create_user("dana")
    workmail.create_user("kim")
    workmail.call("create_alias", EntityId=user, Alias="dj@example.com")
    workmail.call("put_mailbox_permissions", EntityId=user, GranteeId="kim", PermissionValues=["SEND_AS"])
    workmail.backend.set_mailbox_size(ORGANIZATION, user, 777)
    workmail.deregister(user)
    clock.shift(DAYS_30)

    workmail.enable(user, "dana")

    assert workmail.call("get_mailbox_details", UserId=user)["MailboxSize"] == 1.5
    assert workmail.describe(user)["MailboxProvisionedDate"] == MORNING + DAYS_30
    assert workmail.call("list_aliases", EntityId=user)["Aliases"] == []
    assert workmail.call("list_mailbox_permissions", EntityId=user)["Permissions"] == []


@pytest.mark.parametrize("taken", [address("dana"), "dj@example.com"])
def test_addresses_are_reserved_for_thirty_days_and_free_afterwards(workmail, clock, taken):
    user = workmail.create_user("dana")
    workmail.call("create_alias", EntityId=user, Alias="dj@example.com")
    workmail.deregister(user)
    kim = workmail.create_user("kim", enabled=False)
    claim = {"EntityId": kim, "Email": taken}

    clock.move_to(MORNING + DAYS_30 - SECOND)
    assert workmail.fails("register_to_work_mail", **claim) == "EmailAddressInUseException"
    clock.move_to(MORNING + DAYS_30)
    workmail.call("register_to_work_mail", **claim)

    assert workmail.call("describe_entity", Email=taken)["EntityId"] == kim
    again = workmail.fails("register_to_work_mail", EntityId=user, Email=taken)
    assert again == "EmailAddressInUseException"


def test_a_group_keeps_its_addresses_during_the_window_without_a_mailbox(workmail, clock):
    group, kim = workmail.create_group("staff"), workmail.create_user("kim", enabled=False)
    workmail.call("create_alias", EntityId=group, Alias="all@example.com")
    workmail.deregister(group)
    clock.shift(DAYS_30 - SECOND)
    claim = {"EntityId": kim, "Email": "all@example.com"}
    assert workmail.fails("register_to_work_mail", **claim) == "EmailAddressInUseException"

    clock.shift(SECOND)
    workmail.call("register_to_work_mail", **claim)
    workmail.enable(group, "staff")

    assert workmail.call("list_aliases", EntityId=group)["Aliases"] == []


def test_operations_on_enabled_entities_refuse_a_disabled_one(workmail):
    user, group, room = workmail.create_user("dana"), workmail.create_group("staff"), workmail.create_resource("room1")
    workmail.call("associate_member_to_group", GroupId=group, MemberId=user)
    workmail.call("associate_delegate_to_resource", ResourceId=room, EntityId=user)
    kim = workmail.create_user("kim")
    workmail.deregister(user)
    refused = {
        "list_aliases": {"EntityId": user},
        "create_alias": {"EntityId": user, "Alias": "dj@example.com"},
        "delete_alias": {"EntityId": user, "Alias": "dj@example.com"},
        "list_groups_for_entity": {"EntityId": user},
        "reset_password": {"UserId": user, "Password": PASSWORD},
        "put_mailbox_permissions": {"EntityId": user, "GranteeId": kim, "PermissionValues": ["SEND_AS"]},
        "delete_mailbox_permissions": {"EntityId": user, "GranteeId": kim},
        "disassociate_member_from_group": {"GroupId": group, "MemberId": user},
        "disassociate_delegate_from_resource": {"ResourceId": room, "EntityId": user},
        "update_primary_email_address": {"EntityId": user, "Email": "dj@example.com"},
        "update_mailbox_quota": {"UserId": user, "MailboxQuota": 1},
    }

    assert {method: workmail.fails(method, **p) for method, p in refused.items()} == dict.fromkeys(
        refused, "EntityStateException"
    )
    workmail.deregister(group)
    workmail.deregister(room)
    assert workmail.fails("list_group_members", GroupId=group) == "EntityStateException"
    assert workmail.fails("list_resource_delegates", ResourceId=room) == "EntityStateException"
    assert workmail.call("list_mailbox_permissions", EntityId=user) == {"Permissions": []}
    workmail.call("update_user", UserId=user, JobTitle="Former cook")


@pytest.mark.parametrize("never_registered", [True, False])
def test_deregistering_a_disabled_entity_does_nothing_or_fails_depending_on_the_switch(
    workmail, clock, never_registered
):
    user = workmail.create_user("dana", enabled=not never_registered)
    if not never_registered:
        workmail.deregister(user)
    user_before = workmail.describe(user)
    clock.shift(SECOND)

    workmail.deregister(user)
    assert workmail.describe(user) == user_before

    switch(workmail, deregister_disabled="EntityStateException")
    assert workmail.fails("deregister_from_work_mail", EntityId=user) == "EntityStateException"
    assert workmail.describe(user) == user_before


def test_only_a_disabled_user_can_be_deleted(workmail):
    user = workmail.create_user("dana")

    assert workmail.fails("delete_user", UserId=user) == "EntityStateException"
    workmail.deregister(user)
    workmail.call("delete_user", UserId=address("dana"))
    assert workmail.describe(user)["State"] == "DISABLED", "DeleteUser takes no e-mail"
    workmail.call("delete_user", UserId="dana")

    assert workmail.describe(user)["State"] == "DELETED"
    workmail.call("delete_user", UserId=user)
    workmail.call("delete_user", UserId="never-was-there")


@pytest.mark.parametrize("kind", ["user", "group", "resource"])
def test_a_deleted_entity_is_described_as_deleted_or_not_found(workmail, kind):
    entity = getattr(workmail, f"create_{kind}")("dana", enabled=False)
    identifier = {f"{kind.title()}Id": entity}
    workmail.call(f"delete_{kind}", **identifier)
    lists = f"{kind}s".title()

    answer = workmail.call(f"describe_{kind}", **identifier)
    assert answer["State"] == "DELETED"
    assert answer["Name"] == "dana"
    assert "Email" not in answer
    assert workmail.call(f"list_{kind}s")[lists] == []
    [summary] = workmail.call(f"list_{kind}s", Filters={"State": "DELETED"})[lists]
    assert summary["Id"] == entity

    switch(workmail, describe_deleted="EntityNotFoundException")
    assert workmail.fails(f"describe_{kind}", **identifier) == "EntityNotFoundException"
    assert workmail.call(f"list_{kind}s", Filters={"State": "DELETED"})[lists] == []


def test_a_deleted_user_can_never_be_restored(workmail, clock):
    user = workmail.create_user("dana")
    workmail.deregister(user)
    workmail.call("delete_user", UserId=user)
    register = {"EntityId": user, "Email": address("dana")}

    assert workmail.fails("register_to_work_mail", **register) == "EntityStateException"
    assert workmail.fails("deregister_from_work_mail", EntityId=user) == "EntityStateException"
    assert workmail.fails("get_mailbox_details", UserId=user) == "EntityNotFoundException"
    assert workmail.fails("list_mailbox_permissions", EntityId=user) == "EntityNotFoundException"
    switch(workmail, describe_deleted="EntityNotFoundException")
    assert workmail.fails("register_to_work_mail", **register) == "EntityNotFoundException"
    assert workmail.fails("deregister_from_work_mail", EntityId=user) == "EntityNotFoundException"
    assert exists(workmail, user), "archived until the window ends"
    clock.shift(DAYS_30)
    assert not exists(workmail, user)


def test_a_deleted_user_s_name_and_address_are_free_and_no_references_remain(workmail):
    user, kim = workmail.create_user("dana"), workmail.create_user("kim")
    workmail.create_group("staff")
    workmail.create_resource("room1")
    workmail.call("associate_member_to_group", GroupId="staff", MemberId=user)
    workmail.call("associate_delegate_to_resource", ResourceId="room1", EntityId=user)
    workmail.call("put_mailbox_permissions", EntityId=kim, GranteeId=user, PermissionValues=["SEND_AS"])
    workmail.deregister(user)
    workmail.call("delete_user", UserId=user)

    successor = workmail.create_user("dana")

    assert successor != user
    assert workmail.describe("dana")["UserId"] == successor
    assert workmail.call("list_group_members", GroupId="staff")["Members"] == []
    assert workmail.call("list_resource_delegates", ResourceId="room1")["Delegates"] == []
    assert workmail.call("list_mailbox_permissions", EntityId=kim)["Permissions"] == []


@pytest.mark.parametrize(
    ("answer", "in_window", "after"),
    [
        ("deregistered-past", MORNING, MORNING),
        ("deregistered-future", MORNING + DAYS_30, MORNING + DAYS_30),
        ("removed", None, MORNING + DAYS_30),
        ("never", None, None),
    ],
)
def test_the_deprovisioned_date_depends_on_the_switch(workmail, clock, answer, in_window, after):
    switch(workmail, mailbox_deprovisioned_date=answer)
    user, never = workmail.create_user("dana"), workmail.create_user("kim", enabled=False)
    workmail.deregister(user)

    assert workmail.describe(user).get("MailboxDeprovisionedDate") == in_window
    clock.shift(DAYS_30 + DAYS_30)
    assert workmail.describe(user).get("MailboxDeprovisionedDate") == after
    assert "MailboxDeprovisionedDate" not in workmail.describe(never)
    workmail.enable(user, "dana")
    assert "MailboxDeprovisionedDate" not in workmail.describe(user)


def test_the_mailbox_of_a_disabled_user_is_described_or_not_and_never_after_its_removal(workmail, clock):
    user = workmail.create_user("dana")
    workmail.deregister(user)

    assert workmail.call("get_mailbox_details", UserId=user)["MailboxSize"] == 1.5
    switch(workmail, mailbox_details_of_disabled="EntityNotFoundException")
    assert workmail.fails("get_mailbox_details", UserId=user) == "EntityNotFoundException"
    switch(workmail, mailbox_details_of_disabled="answers")
    clock.shift(DAYS_30)
    assert workmail.fails("get_mailbox_details", UserId=user) == "EntityNotFoundException"


def test_the_address_of_a_disabled_entity_finds_it_depending_on_the_switch(workmail):
    user = workmail.create_user("dana")
    workmail.deregister(user)

    assert workmail.call("describe_entity", Email=address("dana"))["EntityId"] == user
    switch(workmail, describe_entity_of_disabled="EntityNotFoundException")
    assert workmail.fails("describe_entity", Email=address("dana")) == "EntityNotFoundException"
    workmail.enable(user, "dana")
    assert workmail.call("describe_entity", Email=address("dana"))["EntityId"] == user


@pytest.mark.parametrize("kind", ["user", "group", "resource"])
def test_the_email_of_a_disabled_entity_is_visible_depending_on_the_switch(workmail, kind):
    entity = getattr(workmail, f"create_{kind}")("dana")
    workmail.deregister(entity)
    identifier = {f"{kind.title()}Id": entity}
    lists = f"{kind}s".title()
    by_email = {"Filters": {"PrimaryEmailPrefix": "dana"}}

    assert workmail.call(f"describe_{kind}", **identifier)["Email"] == address("dana")
    assert workmail.call(f"list_{kind}s", **by_email)[lists][0]["Email"] == address("dana")
    switch(workmail, email_of_disabled="absent")
    assert "Email" not in workmail.call(f"describe_{kind}", **identifier)
    [summary] = workmail.call(f"list_{kind}s")[lists]
    assert "Email" not in summary
    assert workmail.call(f"list_{kind}s", **by_email)[lists] == []
    workmail.enable(entity, "dana")
    assert workmail.call(f"describe_{kind}", **identifier)["Email"] == address("dana")


@pytest.mark.parametrize("kind", ["user", "group", "resource"])
def test_descriptions_and_lists_show_a_deregistration_after_the_lag(workmail, clock, kind):
    switch(workmail, describe_lag_seconds=120, email_of_disabled="absent")
    entity = getattr(workmail, f"create_{kind}")("dana")
    identifier = {f"{kind.title()}Id": entity}
    lists = f"{kind}s".title()
    entity_before = workmail.call(f"describe_{kind}", **identifier)
    clock.shift(SECOND)
    workmail.deregister(entity)

    clock.shift(119 * SECOND)
    assert workmail.call(f"describe_{kind}", **identifier) == entity_before
    [summary] = workmail.call(f"list_{kind}s", Filters={"State": "ENABLED"})[lists]
    assert "DisabledDate" not in summary
    clock.shift(SECOND)
    answer = workmail.call(f"describe_{kind}", **identifier)
    assert answer["State"] == "DISABLED"
    assert answer["DisabledDate"] == MORNING + SECOND
    assert workmail.call(f"list_{kind}s", Filters={"State": "ENABLED"})[lists] == []


def test_the_lag_affects_the_visible_state_and_not_the_true_state(workmail, clock):
    switch(workmail, describe_lag_seconds=120)
    user = workmail.create_user("dana")
    workmail.deregister(user)

    assert workmail.describe(user)["State"] == "ENABLED"
    assert workmail.fails("list_aliases", EntityId=user) == "EntityStateException"
    workmail.call("delete_user", UserId=user)
    assert workmail.describe(user)["State"] == "DELETED"


@pytest.mark.parametrize("kind", ["user", "group", "resource"])
@pytest.mark.parametrize(("answer", "left"), [("kept", ["old@example.com"]), ("removed", [])])
def test_the_aliases_of_a_deregistered_entity_are_kept_depending_on_the_switch(workmail, clock, kind, answer, left):
    switch(workmail, aliases_of_deregistered=answer)
    entity, other_user = getattr(workmail, f"create_{kind}")("leaver"), workmail.create_user("kim")
    workmail.call("create_alias", EntityId=entity, Alias="old@example.com")
    workmail.deregister(entity)

    taken = {"EntityId": other_user, "Alias": "old@example.com"}
    if answer == "kept":
        assert workmail.fails("create_alias", **taken) == "EmailAddressInUseException"
    workmail.enable(entity, "leaver")
    assert workmail.call("list_aliases", EntityId=entity)["Aliases"] == left


def test_a_removed_alias_can_be_created_again_unless_it_is_in_use(workmail, clock):
    switch(workmail, aliases_of_deregistered="removed")
    user, other_user = workmail.create_user("dana"), workmail.create_user("kim")
    for alias in ("mine@example.com", "theirs@example.com"):
        workmail.call("create_alias", EntityId=user, Alias=alias)
    workmail.deregister(user)
    assert workmail.fails("create_alias", EntityId=user, Alias="mine@example.com") == "EntityStateException"
    workmail.call("create_alias", EntityId=other_user, Alias="theirs@example.com")
    workmail.enable(user, "dana")

    workmail.call("create_alias", EntityId=user, Alias="mine@example.com")
    assert workmail.fails("create_alias", EntityId=user, Alias="theirs@example.com") == "EmailAddressInUseException"
    assert workmail.call("list_aliases", EntityId=user)["Aliases"] == ["mine@example.com"]


@pytest.mark.parametrize("kind", ["user", "group"])
@pytest.mark.parametrize(("answer", "remaining"), [("kept", ["staff", "team"]), ("removed", [])])
def test_a_deregistered_user_or_group_keeps_its_memberships_depending_on_the_switch(
    workmail, clock, kind, answer, remaining
):
    switch(workmail, groups_of_deregistered=answer)
    entity, stays = getattr(workmail, f"create_{kind}")("leaver"), workmail.create_user("kim")
    groups = [workmail.create_group(name) for name in ("staff", "team")]
    for group in groups:
        workmail.call("associate_member_to_group", GroupId=group, MemberId=stays)
        workmail.call("associate_member_to_group", GroupId=group, MemberId=entity)
    if kind == "group":
        workmail.call("associate_member_to_group", GroupId=entity, MemberId=stays)
    workmail.deregister(entity)

    again = {"GroupId": groups[0], "MemberId": entity}
    assert workmail.fails("associate_member_to_group", **again) == "EntityStateException"
    workmail.enable(entity, "leaver")
    memberships = workmail.call("list_groups_for_entity", EntityId=entity)["Groups"]
    assert [group["GroupName"] for group in memberships] == remaining
    workmail.call("associate_member_to_group", **again)
    members = workmail.call("list_group_members", GroupId=groups[0])["Members"]
    assert [member["Id"] for member in members] == [stays, entity]
    if kind == "group":
        assert len(workmail.call("list_group_members", GroupId=entity)["Members"]) == 1


def test_a_group_that_was_deregistered_meanwhile_accepts_no_members(workmail, clock):
    user, group = workmail.create_user("dana"), workmail.create_group("staff")
    workmail.call("associate_member_to_group", GroupId=group, MemberId=user)
    workmail.deregister(user)
    workmail.deregister(group)
    workmail.enable(user, "dana")

    assert workmail.fails("associate_member_to_group", GroupId=group, MemberId=user) == "EntityStateException"


def test_a_user_recreated_with_a_deleted_user_s_name_is_a_different_user(workmail, clock):
    user = workmail.create_user("dana")
    workmail.deregister(user)
    workmail.call("delete_user", UserId=user)
    again = workmail.create_user("dana")

    assert again != user
    register = {"EntityId": user, "Email": address("other")}
    assert workmail.fails("register_to_work_mail", **register) == "EntityStateException"
    switch(workmail, describe_deleted="EntityNotFoundException")
    assert workmail.fails("register_to_work_mail", **register) == "EntityNotFoundException"
    assert workmail.describe(address("dana"))["UserId"] == again


def test_every_combination_of_the_switches_returns_valid_answers(workmail, clock):
    user = workmail.create_user("dana")
    workmail.deregister(user)
    values = {name: values for name, values in Behaviour.possible_values().items() if name not in OF_EXPORTS}
    names, answers = zip(*values.items(), strict=True)

    for combination in product(*answers):
        behaviour = Behaviour(**dict(zip(names, combination, strict=True)))
        workmail.backend.behaviour = behaviour
        assert workmail.describe(user)["State"] == "DISABLED"
