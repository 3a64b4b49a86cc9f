"""Users, groups and resources: what can be done with them while they are there."""

import uuid

import pytest

from tests.unit.local.workmail.conftest import (
    ORGANIZATION,
    PASSWORD,
    address,
)

PROVIDER_ID = "12345678-1234-1234-1234-123456789012"


def test_a_new_user_is_disabled_and_never_had_a_mailbox(workmail):
    user = workmail.create_user("dana", enabled=False, FirstName="Dana", LastName="Jones")

    answer = workmail.describe(user)

    assert uuid.UUID(answer.pop("UserId"))
    assert answer == {
        "Name": "dana",
        "DisplayName": "Dana",
        "State": "DISABLED",
        "UserRole": "USER",
        "FirstName": "Dana",
        "LastName": "Jones",
        "HiddenFromGlobalAddressList": False,
    }
    assert not workmail.backend.mailbox_exists(ORGANIZATION, user)


def test_a_user_has_the_attributes_of_the_request(workmail):
    user = workmail.create_user(
        "dana",
        enabled=False,
        Role="REMOTE_USER",
        IdentityProviderUserId=PROVIDER_ID,
        HiddenFromGlobalAddressList=True,
    )

    answer = workmail.describe(user)

    assert answer["UserRole"] == "REMOTE_USER"
    assert answer["IdentityProviderUserId"] == PROVIDER_ID
    assert answer["HiddenFromGlobalAddressList"] is True


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Name": "DANA"}, "NameAvailabilityException"),
        ({"Name": "staff"}, "NameAvailabilityException"),
        ({"Name": "Administrator"}, "ReservedNameException"),
        ({"Name": "kim", "Password": "short"}, "InvalidPasswordException"),
        ({"Name": "kim", "Role": "SYSTEM_USER"}, "InvalidParameterException"),
        ({"Name": "kim", "Role": "RESOURCE"}, "InvalidParameterException"),
    ],
)
def test_an_invalid_user_is_not_created(workmail, parameters, code):
    workmail.create_user("dana")
    workmail.create_group("staff")

    assert workmail.fails("create_user", **{"DisplayName": "X", **parameters}) == code
    assert [user["Name"] for user in workmail.call("list_users")["Users"]] == ["dana"]


def test_names_are_unique_among_groups_and_resources_too(workmail):
    workmail.create_user("dana")

    assert workmail.fails("create_group", Name="dana") == "NameAvailabilityException"
    assert workmail.fails("create_resource", Name="dana", Type="ROOM") == "NameAvailabilityException"


def test_python_can_give_a_user_a_role_that_no_request_can(workmail):
    user = workmail.create_user("dana")
    workmail.backend.set_user_role(ORGANIZATION, user, "SYSTEM_USER")

    assert workmail.describe(user)["UserRole"] == "SYSTEM_USER"


@pytest.mark.parametrize("identifier", ["dana", "Dana", address("dana"), "dj@acme.awsapps.com"])
def test_a_user_is_described_by_name_and_address_too(workmail, identifier):
    user = workmail.create_user("dana")
    workmail.call("create_alias", EntityId=user, Alias="dj@acme.awsapps.com")

    assert workmail.describe(identifier)["UserId"] == user


def test_a_description_finds_only_entities_of_its_type(workmail):
    user, group, resource = (
        workmail.create_user("dana"),
        workmail.create_group("staff"),
        workmail.create_resource("room1"),
    )

    assert workmail.fails("describe_user", UserId=group) == "EntityNotFoundException"
    assert workmail.fails("describe_group", GroupId=resource) == "EntityNotFoundException"
    assert workmail.fails("describe_resource", ResourceId=user) == "EntityNotFoundException"
    assert workmail.fails("describe_user", UserId="nobody") == "EntityNotFoundException"


def test_updating_a_user_changes_only_the_members_of_the_request(workmail):
    user = workmail.create_user("dana", FirstName="Dana", IdentityProviderUserId=PROVIDER_ID)
    details = {
        "Initials": "DJ",
        "Telephone": "1",
        "Street": "S",
        "JobTitle": "Cook",
        "City": "C",
        "Company": "Acme",
        "ZipCode": "8000",
        "Department": "D",
        "Country": "CH",
        "Office": "O",
        "LastName": "Jones",
        "DisplayName": "DJ",
        "HiddenFromGlobalAddressList": True,
    }

    workmail.call("update_user", UserId="dana", Role="REMOTE_USER", IdentityProviderUserId="", **details)

    answer = workmail.describe(user)
    assert details.items() <= answer.items()
    assert answer["FirstName"] == "Dana"
    assert answer["UserRole"] == "REMOTE_USER"
    assert "IdentityProviderUserId" not in answer
    assert workmail.fails("update_user", UserId="dana", Role="RESOURCE") == "InvalidParameterException"
    workmail.call("update_user", UserId="dana", IdentityProviderUserId=PROVIDER_ID)
    assert workmail.describe(user)["IdentityProviderUserId"] == PROVIDER_ID


def test_a_password_is_reset_by_id_only(workmail):
    user = workmail.create_user("dana.the.librarian")

    workmail.call("reset_password", UserId=user, Password=PASSWORD)

    by_name = workmail.fails("reset_password", UserId="dana.the.librarian", Password=PASSWORD)
    assert by_name == "EntityNotFoundException"
    too_short = {"UserId": user, "Password": PASSWORD[:7]}
    assert workmail.fails("reset_password", **too_short) == "InvalidPasswordException"


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["dana", "daniel", "kim"]),
        ({"UsernamePrefix": "dan"}, ["dana", "daniel"]),
        ({"UsernamePrefix": "DANA"}, ["dana"]),
        ({"DisplayNamePrefix": "Kim"}, ["kim"]),
        ({"PrimaryEmailPrefix": "dani"}, ["daniel"]),
        ({"State": "ENABLED"}, ["dana", "daniel"]),
        ({"State": "DISABLED"}, ["kim"]),
        ({"State": "DELETED"}, []),
        ({"IdentityProviderUserIdPrefix": "1234"}, ["kim"]),
        ({"UsernamePrefix": "nobody"}, []),
    ],
)
def test_users_are_filtered_by_one_prefix_or_state(workmail, filters, names):
    workmail.create_user("dana")
    workmail.create_user("daniel")
    workmail.create_user("kim", enabled=False, IdentityProviderUserId=PROVIDER_ID)

    users = workmail.call("list_users", Filters=filters)["Users"]

    assert [user["Name"] for user in users] == names


def test_only_one_filter_is_allowed(workmail):
    both = {"UsernamePrefix": "a", "State": "ENABLED"}

    assert workmail.fails("list_users", Filters=both) == "InvalidParameterException"
    both = {"NamePrefix": "a", "State": "ENABLED"}
    assert workmail.fails("list_groups", Filters=both) == "InvalidParameterException"
    assert workmail.fails("list_resources", Filters=both) == "InvalidParameterException"


def test_users_are_listed_in_pages(workmail):
    names = [f"user{number}" for number in range(5)]
    for name in names:
        workmail.create_user(name, enabled=False)

    seen, token = [], {}
    while True:
        page = workmail.call("list_users", MaxResults=2, **token)
        seen += [user["Name"] for user in page["Users"]]
        assert len(page["Users"]) <= 2
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}

    assert seen == names


def test_the_default_page_size_is_a_hundred(workmail):
    for number in range(101):
        workmail.create_user(f"user{number}", enabled=False)

    assert len(workmail.call("list_users")["Users"]) == 100


def test_a_token_is_valid_for_its_list_only(workmail):
    for number in range(3):
        workmail.create_user(f"user{number}", enabled=False)
        workmail.create_group(f"group{number}", enabled=False)
    token = workmail.call("list_users", MaxResults=1)["NextToken"]

    assert workmail.fails("list_groups", NextToken=token) == "InvalidParameterException"
    error = workmail.fails("list_users", NextToken=token, Filters={"UsernamePrefix": "u"})
    assert error == "InvalidParameterException"
    for invented in ("x", "bm9uc2Vuc2U=", "MC4wMDAw", token[:-4], "\u00e9"):
        assert workmail.fails("list_users", NextToken=invented) == "InvalidParameterException"


def test_a_group_is_created_described_listed_updated_and_deleted(workmail):
    group = workmail.create_group("staff", enabled=False)
    assert workmail.call("describe_group", GroupId="staff") == {
        "GroupId": group,
        "Name": "staff",
        "State": "DISABLED",
        "HiddenFromGlobalAddressList": False,
    }

    workmail.enable(group, "staff")
    workmail.call("update_group", GroupId=address("staff"), HiddenFromGlobalAddressList=True)

    answer = workmail.call("describe_group", GroupId=group)
    assert answer["State"] == "ENABLED"
    assert answer["Email"] == address("staff")
    assert answer["HiddenFromGlobalAddressList"] is True
    assert not workmail.backend.mailbox_exists(ORGANIZATION, group)
    for filters in ({"NamePrefix": "sta"}, {"PrimaryEmailPrefix": "staff@"}, {"State": "ENABLED"}):
        [summary] = workmail.call("list_groups", Filters=filters)["Groups"]
        assert summary["Id"] == group
    assert workmail.fails("delete_group", GroupId=group) == "EntityStateException"
    workmail.deregister(group)
    workmail.call("delete_group", GroupId="staff")
    assert workmail.call("list_groups")["Groups"] == []


def test_members_join_and_leave_a_group(workmail):
    group, inner = workmail.create_group("staff"), workmail.create_group("cooks")
    user = workmail.create_user("dana")
    for member in (address("dana"), "cooks", inner):
        workmail.call("associate_member_to_group", GroupId="staff", MemberId=member)

    first_page = workmail.call("list_group_members", GroupId=group, MaxResults=1)
    rest = workmail.call("list_group_members", GroupId=group, NextToken=first_page["NextToken"])

    assert [(m["Id"], m["Type"]) for m in first_page["Members"]] == [(user, "USER")]
    assert [(m["Id"], m["Type"]) for m in rest["Members"]] == [(inner, "GROUP")]
    workmail.call("disassociate_member_from_group", GroupId=group, MemberId="cooks")
    [left] = workmail.call("list_group_members", GroupId=group)["Members"]
    assert left["Name"] == "dana"
    assert left["State"] == "ENABLED"
    error = workmail.fails("disassociate_member_from_group", GroupId=group, MemberId="cooks")
    assert error == "EntityNotFoundException"


def test_only_enabled_users_and_groups_can_be_members(workmail):
    workmail.create_group("staff")
    workmail.create_group("dormant", enabled=False)
    workmail.create_user("dana", enabled=False)
    workmail.create_resource("room1")

    def join(group: str, member: str) -> str:
        return workmail.fails("associate_member_to_group", GroupId=group, MemberId=member)

    assert join("staff", "dana") == "EntityStateException"
    assert join("dormant", "staff") == "EntityStateException"
    assert join("staff", "room1") == "EntityNotFoundException"
    assert join("staff", "staff") == "InvalidParameterException"


def test_the_groups_of_an_entity_are_listed(workmail):
    user = workmail.create_user("dana")
    for name in ("staff", "cooks", "others"):
        workmail.create_group(name)
    for name in ("staff", "cooks"):
        workmail.call("associate_member_to_group", GroupId=name, MemberId=user)

    def groups(**parameters: object) -> list[str]:
        answer = workmail.call("list_groups_for_entity", EntityId=address("dana"), **parameters)
        return [group["GroupName"] for group in answer["Groups"]]

    assert groups() == ["staff", "cooks"]
    assert groups(Filters={"GroupNamePrefix": "co"}) == ["cooks"]
    first_page = workmail.call("list_groups_for_entity", EntityId="dana", MaxResults=1)
    assert groups(NextToken=first_page["NextToken"]) == ["cooks"]
    workmail.create_resource("room1")
    assert workmail.fails("list_groups_for_entity", EntityId="room1") == "EntityNotFoundException"


def test_a_resource_is_created_described_listed_updated_and_deleted(workmail):
    resource = workmail.call(
        "create_resource", Name="room1", Type="ROOM", Description="blue", HiddenFromGlobalAddressList=True
    )["ResourceId"]
    workmail.enable(resource, "room1")
    described = workmail.call("describe_resource", ResourceId="room1")
    assert described.pop("EnabledDate")
    assert described == {
        "ResourceId": resource,
        "Name": "room1",
        "Email": address("room1"),
        "Type": "ROOM",
        "Description": "blue",
        "State": "ENABLED",
        "HiddenFromGlobalAddressList": True,
        "BookingOptions": {
            "AutoAcceptRequests": True,
            "AutoDeclineRecurringRequests": False,
            "AutoDeclineConflictingRequests": True,
        },
    }
    assert workmail.backend.mailbox_exists(ORGANIZATION, resource)

    workmail.call(
        "update_resource",
        ResourceId=address("room1"),
        Name="projector",
        Type="EQUIPMENT",
        Description="",
        HiddenFromGlobalAddressList=False,
        BookingOptions={"AutoDeclineRecurringRequests": True},
    )

    [summary] = workmail.call("list_resources", Filters={"NamePrefix": "proj"})["Resources"]
    assert summary["Type"] == "EQUIPMENT"
    assert "Description" not in summary
    options = workmail.call("describe_resource", ResourceId=resource)["BookingOptions"]
    assert options["AutoDeclineRecurringRequests"] is True
    assert options["AutoDeclineConflictingRequests"] is True
    assert workmail.fails("delete_resource", ResourceId=resource) == "EntityStateException"
    workmail.deregister(resource)
    workmail.call("delete_resource", ResourceId=resource)
    assert workmail.call("list_resources")["Resources"] == []


def test_a_resource_needs_a_delegate_before_it_stops_accepting_requests(workmail):
    resource, user = workmail.create_resource("room1"), workmail.create_user("dana")
    workmail.create_user("kim")
    by_hand = {"ResourceId": resource, "BookingOptions": {"AutoAcceptRequests": False}}
    assert workmail.fails("update_resource", **by_hand) == "InvalidConfigurationException"
    assert workmail.fails("update_resource", ResourceId=resource, Name="kim") == "NameAvailabilityException"

    workmail.call("associate_delegate_to_resource", ResourceId="room1", EntityId="dana")
    workmail.call("associate_delegate_to_resource", ResourceId="room1", EntityId=user)
    workmail.call("update_resource", **by_hand)

    delegates = workmail.call("list_resource_delegates", ResourceId=address("room1"))["Delegates"]
    assert delegates == [{"Id": user, "Type": "USER"}]


def test_delegates_are_added_and_removed(workmail):
    workmail.create_resource("room1")
    workmail.create_user("dana")
    workmail.create_group("staff")
    for delegate in ("dana", "staff"):
        workmail.call("associate_delegate_to_resource", ResourceId="room1", EntityId=delegate)

    first_page = workmail.call("list_resource_delegates", ResourceId="room1", MaxResults=1)
    rest = workmail.call("list_resource_delegates", ResourceId="room1", NextToken=first_page["NextToken"])
    assert [d["Type"] for page in (first_page, rest) for d in page["Delegates"]] == ["USER", "GROUP"]

    leave = {"ResourceId": "room1", "EntityId": "dana"}
    workmail.call("disassociate_delegate_from_resource", **leave)
    assert workmail.fails("disassociate_delegate_from_resource", **leave) == "EntityNotFoundException"
    assert len(workmail.call("list_resource_delegates", ResourceId="room1")["Delegates"]) == 1


def test_aliases_are_created_and_deleted(workmail):
    user = workmail.create_user("dana")
    for alias in ("dj@acme.awsapps.com", "dana@example.com", "DJ@acme.awsapps.com"):
        workmail.call("create_alias", EntityId=user, Alias=alias)

    first_page = workmail.call("list_aliases", EntityId=user, MaxResults=1)
    rest = workmail.call("list_aliases", EntityId=user, NextToken=first_page["NextToken"])
    assert first_page["Aliases"] + rest["Aliases"] == ["dj@acme.awsapps.com", "dana@example.com"]

    workmail.call("delete_alias", EntityId=user, Alias="dj@acme.awsapps.com")
    workmail.call("delete_alias", EntityId=user, Alias="dj@acme.awsapps.com")
    assert workmail.call("list_aliases", EntityId=user)["Aliases"] == ["dana@example.com"]


def test_invalid_requests_about_aliases_are_refused(workmail):
    user = workmail.create_user("dana")
    workmail.create_user("kim")

    def alias(value: str, method: str = "create_alias", entity: str = user) -> str:
        return workmail.fails(method, EntityId=entity, Alias=value)

    assert alias(address("kim")) == "EmailAddressInUseException"
    assert alias(address("dana")) == "EmailAddressInUseException"
    assert alias("dana@nowhere.org") == "MailDomainNotFoundException"
    assert alias(address("dana"), "delete_alias") == "InvalidParameterException"
    assert alias("dj@example.com", entity="no-such-entity") == "EntityNotFoundException"
    assert workmail.fails("list_aliases", EntityId="dana") == "InvalidParameterException"
    assert workmail.fails("list_aliases", EntityId=address("dana")) == "EntityNotFoundException"


def test_an_entity_has_at_most_a_hundred_aliases(workmail):
    user = workmail.create_user("dana")
    for number in range(100):
        workmail.call("create_alias", EntityId=user, Alias=f"a{number}@example.com")

    one_more = workmail.fails("create_alias", EntityId=user, Alias="one.more@example.com")
    assert one_more == "LimitExceededException"


def test_the_previous_primary_address_becomes_an_alias(workmail):
    user = workmail.create_user("dana")
    workmail.create_user("kim")
    workmail.call("create_alias", EntityId=user, Alias="dj@example.com")

    workmail.call("update_primary_email_address", EntityId="dana", Email="dj@example.com")

    assert workmail.describe(user)["Email"] == "dj@example.com"
    assert workmail.call("list_aliases", EntityId=user)["Aliases"] == [address("dana")]
    taken = workmail.fails("update_primary_email_address", EntityId=user, Email=address("kim"))
    assert taken == "EmailAddressInUseException"
    elsewhere = workmail.fails("update_primary_email_address", EntityId=user, Email="dj@nowhere.org")
    assert elsewhere == "MailDomainNotFoundException"


def test_an_entity_is_found_by_its_addresses_only(workmail):
    user, room = workmail.create_user("dana"), workmail.create_resource("room1")
    workmail.call("create_alias", EntityId=user, Alias="dj@example.com")

    for email in (address("dana"), "dj@example.com"):
        answer = workmail.call("describe_entity", Email=email)
        assert answer == {"EntityId": user, "Name": "dana", "Type": "USER"}
    assert workmail.call("describe_entity", Email=address("room1"))["EntityId"] == room
    assert workmail.fails("describe_entity", Email="nobody@example.com") == "EntityNotFoundException"
    assert workmail.fails("describe_entity", Email="dana") == "InvalidParameterException"


def test_a_mailbox_has_a_size_and_a_quota(workmail):
    user, room = workmail.create_user("dana"), workmail.create_resource("room1")
    assert workmail.call("get_mailbox_details", UserId="dana") == {"MailboxQuota": 51200, "MailboxSize": 1.5}

    workmail.backend.set_mailbox_size(ORGANIZATION, user, 1234.5)
    workmail.call("update_mailbox_quota", UserId=address("dana"), MailboxQuota=2000)

    details = workmail.call("get_mailbox_details", UserId=user)
    assert details == {"MailboxQuota": 2000, "MailboxSize": 1234.5}
    assert workmail.call("get_mailbox_details", UserId=room)["MailboxQuota"] == 51200


def test_an_entity_without_a_mailbox_has_no_details(workmail):
    workmail.create_user("kim", enabled=False)
    workmail.create_group("staff")

    assert workmail.fails("get_mailbox_details", UserId="kim") == "EntityNotFoundException"
    assert workmail.fails("get_mailbox_details", UserId="staff") == "EntityNotFoundException"
    assert workmail.fails("update_mailbox_quota", UserId="kim", MailboxQuota=1) == "EntityStateException"
    assert workmail.fails("update_mailbox_quota", UserId="staff", MailboxQuota=1) == "EntityNotFoundException"


def test_mailbox_permissions_replace_the_previous_ones(workmail):
    user, kim, staff = workmail.create_user("dana"), workmail.create_user("kim"), workmail.create_group("staff")
    put = {"EntityId": user, "GranteeId": "kim"}
    workmail.call("put_mailbox_permissions", PermissionValues=["FULL_ACCESS", "SEND_AS"], **put)
    workmail.call("put_mailbox_permissions", PermissionValues=["SEND_ON_BEHALF"], **put)
    workmail.call("put_mailbox_permissions", EntityId=user, GranteeId=staff, PermissionValues=["SEND_AS"])

    first_page = workmail.call("list_mailbox_permissions", EntityId="dana", MaxResults=1)
    rest = workmail.call("list_mailbox_permissions", EntityId=user, NextToken=first_page["NextToken"])

    assert first_page["Permissions"] == [
        {"GranteeId": kim, "GranteeType": "USER", "PermissionValues": ["SEND_ON_BEHALF"]}
    ]
    assert rest["Permissions"] == [{"GranteeId": staff, "GranteeType": "GROUP", "PermissionValues": ["SEND_AS"]}]
    workmail.call("delete_mailbox_permissions", **put)
    workmail.call("put_mailbox_permissions", EntityId=user, GranteeId=staff, PermissionValues=[])
    assert workmail.call("list_mailbox_permissions", EntityId=user)["Permissions"] == []


def test_invalid_requests_about_mailbox_permissions_are_refused(workmail):
    workmail.create_user("dana")
    workmail.create_user("kim", enabled=False)
    workmail.create_resource("room1")

    def put(entity: str, grantee: str, *values: str) -> str:
        return workmail.fails(
            "put_mailbox_permissions", EntityId=entity, GranteeId=grantee, PermissionValues=list(values)
        )

    assert put("kim", "dana", "SEND_AS") == "EntityStateException"
    assert put("dana", "kim", "SEND_AS") == "EntityStateException"
    assert put("dana", "room1", "SEND_AS") == "EntityNotFoundException"
    assert put("dana", "dana", "READ") == "InvalidParameterException"
    assert workmail.fails("list_mailbox_permissions", EntityId="nobody") == "EntityNotFoundException"
    error = workmail.fails("delete_mailbox_permissions", EntityId="dana", GranteeId="nobody")
    assert error == "EntityNotFoundException"
