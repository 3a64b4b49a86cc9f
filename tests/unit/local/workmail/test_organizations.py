"""Organizations, their mail domains and their tags."""

import boto3
import pytest
from moto import mock_aws

from local.workmail import register, workmail_backends
from tests.unit.local.workmail.conftest import (
    ACCOUNT,
    ORGANIZATION,
    REGION,
    address,
    client,
    error_code,
)

ARN = f"arn:aws:workmail:{REGION}:{ACCOUNT}:organization/{ORGANIZATION}"
UNKNOWN = "m-ffffffffffffffffffffffffffffffff"


def test_a_new_organization_is_active_at_once(workmail):
    created = workmail.client.create_organization(Alias="globex", ClientToken="t")["OrganizationId"]

    answer = workmail.client.describe_organization(OrganizationId=created)

    assert answer["State"] == "Active"
    assert answer["Alias"] == "globex"
    assert answer["DefaultMailDomain"] == "globex.awsapps.com"
    assert answer["ARN"].endswith(f"organization/{created}")
    assert "MigrationAdmin" not in answer


def test_creating_an_organization_again_with_the_same_token_returns_the_same_id(workmail):
    first_id = workmail.client.create_organization(Alias="globex", ClientToken="t")["OrganizationId"]
    again = workmail.client.create_organization(Alias="globex", ClientToken="t")["OrganizationId"]

    assert again == first_id
    assert (
        error_code(lambda: workmail.client.create_organization(Alias="initech", ClientToken="t"))
        == "InvalidParameterException"
    )


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Alias": "ACME"}, "NameAvailabilityException"),
        ({"Alias": "d-globex"}, "InvalidParameterException"),
        ({"Alias": "initech", "DirectoryId": "d-0123456789"}, "DirectoryInUseException"),
        ({"Alias": "initech", "EnableInteroperability": True}, "InvalidParameterException"),
    ],
)
def test_an_invalid_organization_is_not_created(workmail, parameters, code):
    workmail.client.create_organization(Alias="globex", DirectoryId="d-0123456789")

    assert error_code(lambda: workmail.client.create_organization(**parameters)) == code
    assert len(workmail.client.list_organizations()["OrganizationSummaries"]) == 2


def test_an_account_has_at_most_a_hundred_organizations(workmail):
    for number in range(99):
        workmail.client.create_organization(Alias=f"org{number}")

    assert error_code(lambda: workmail.client.create_organization(Alias="onemore")) == "LimitExceededException"


def test_an_organization_is_created_with_the_domains_of_the_request(workmail):
    created = workmail.client.create_organization(
        Alias="globex", Domains=[{"DomainName": "Globex.com", "HostedZoneId": "Z1"}]
    )["OrganizationId"]

    domains = workmail.client.list_mail_domains(OrganizationId=created)["MailDomains"]

    assert domains == [
        {"DomainName": "globex.awsapps.com", "DefaultDomain": True},
        {"DomainName": "globex.com", "DefaultDomain": False},
    ]


def test_a_deleted_organization_can_only_be_described(workmail):
    user = workmail.create_user("dana")
    assert workmail.fails("delete_organization", DeleteDirectory=True) == "OrganizationStateException"

    answer = workmail.call("delete_organization", DeleteDirectory=True, ForceDelete=True)

    assert answer == {"OrganizationId": ORGANIZATION, "State": "Deleted"}
    assert workmail.call("describe_organization")["State"] == "Deleted"
    assert workmail.fails("describe_user", UserId=user) == "OrganizationStateException"
    assert workmail.fails("list_users") == "OrganizationStateException"
    assert not workmail.backend.mailbox_exists(ORGANIZATION, user)
    summaries = workmail.client.list_organizations()["OrganizationSummaries"]
    assert [summary["State"] for summary in summaries] == ["Deleted"]


def test_an_unknown_organization_is_not_found(workmail):
    for method in ("describe_organization", "list_users", "list_mail_domains"):
        call = getattr(workmail.client, method)
        assert error_code(lambda call=call: call(OrganizationId=UNKNOWN)) == "OrganizationNotFoundException"


@pytest.mark.parametrize("state", ["Requested", "Creating", "Deleting", "Suspended"])
def test_no_operation_works_in_an_organization_that_is_not_active(workmail, state):
    workmail.backend.set_organization_state(ORGANIZATION, state, error_message="out of order")

    assert workmail.fails("create_group", Name="staff") == "OrganizationStateException"
    answer = workmail.call("describe_organization")
    assert answer["State"] == state
    assert answer["ErrorMessage"] == "out of order"


def test_the_state_of_an_active_organization_is_compared_without_case(workmail):
    workmail.backend.set_organization_state(ORGANIZATION, "ACTIVE")

    assert workmail.call("list_groups") == {"Groups": []}


def test_the_migration_administrator_is_described(workmail):
    user = workmail.create_user("dana")
    workmail.backend.set_migration_admin(ORGANIZATION, user)

    assert workmail.call("describe_organization")["MigrationAdmin"] == user


def test_an_organization_created_in_python_needs_a_valid_and_new_id(workmail):
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        workmail.backend.create_organization_with_id("m-1", "globex")
    with pytest.raises(ValueError, match="already"):
        workmail.backend.create_organization_with_id(ORGANIZATION, "globex")


def test_only_existing_objects_can_be_set_in_python(workmail):
    with pytest.raises(LookupError, match=UNKNOWN):
        workmail.backend.set_organization_state(UNKNOWN, "Active")
    with pytest.raises(LookupError, match="nobody"):
        workmail.backend.mailbox_exists(ORGANIZATION, "nobody")
    group = workmail.create_group("staff")
    with pytest.raises(LookupError, match="no mailbox"):
        workmail.backend.set_mailbox_size(ORGANIZATION, group, 1)
    with pytest.raises(TypeError, match="not a USER"):
        workmail.backend.set_user_role(ORGANIZATION, group, "SYSTEM_USER")


def test_organizations_are_listed_in_pages(workmail):
    for number in range(4):
        workmail.client.create_organization(Alias=f"org{number}")

    first_page = workmail.client.list_organizations(MaxResults=3)
    rest = workmail.client.list_organizations(MaxResults=3, NextToken=first_page["NextToken"])

    aliases = [s["Alias"] for page in (first_page, rest) for s in page["OrganizationSummaries"]]
    assert aliases == ["acme", "org0", "org1", "org2", "org3"]
    assert "NextToken" not in rest


def test_accounts_and_regions_have_their_own_organizations(workmail, monkeypatch):
    assert client("eu-west-1").list_organizations()["OrganizationSummaries"] == []
    assert client("us-west-2").list_organizations()["OrganizationSummaries"] == []
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "111122223333")
    assert workmail.client.list_organizations()["OrganizationSummaries"] == []


def test_there_is_no_workmail_in_other_regions(workmail):
    assert error_code(lambda: client("eu-central-1").list_organizations()) == "UnknownEndpoint"


def test_each_start_of_moto_has_no_organizations():
    register()
    for _ in range(2):
        with mock_aws():
            workmail_client = boto3.client("workmail", region_name=REGION)
            assert workmail_client.list_organizations()["OrganizationSummaries"] == []
            workmail_client.create_organization(Alias="globex")
            backend = workmail_backends[ACCOUNT][REGION]
            assert [call.operation for call in backend.calls] == ["ListOrganizations", "CreateOrganization"]


def test_a_mail_domain_is_registered_and_deregistered(workmail):
    workmail.call("register_mail_domain", DomainName="acme.org", ClientToken="t")
    workmail.call("register_mail_domain", DomainName="Acme.org", ClientToken="u")

    answer = workmail.call("get_mail_domain", DomainName="acme.org")
    assert answer["IsTestDomain"] is False
    assert answer["IsDefault"] is False
    assert answer["OwnershipVerificationStatus"] == "VERIFIED"
    assert {record["Type"] for record in answer["Records"]} == {"MX", "CNAME", "TXT"}

    workmail.call("deregister_mail_domain", DomainName="acme.org")
    workmail.call("deregister_mail_domain", DomainName="acme.org")
    assert workmail.fails("get_mail_domain", DomainName="acme.org") == "MailDomainNotFoundException"


def test_the_test_domain_is_the_default_until_another_is_set(workmail):
    assert workmail.call("get_mail_domain", DomainName="acme.awsapps.com") == {
        "Records": [],
        "IsTestDomain": True,
        "IsDefault": True,
        "OwnershipVerificationStatus": "VERIFIED",
        "DkimVerificationStatus": "VERIFIED",
    }

    workmail.call("update_default_mail_domain", DomainName="example.com")

    assert workmail.call("describe_organization")["DefaultMailDomain"] == "example.com"
    assert workmail.call("get_mail_domain", DomainName="acme.awsapps.com")["IsDefault"] is False
    missing = workmail.fails("update_default_mail_domain", DomainName="nowhere.org")
    assert missing == "MailDomainNotFoundException"


def test_a_mail_domain_in_use_is_not_removed(workmail):
    user = workmail.create_user("dana", enabled=False)
    workmail.call("register_to_work_mail", EntityId=user, Email="dana@example.com")

    assert workmail.fails("deregister_mail_domain", DomainName="example.com") == "MailDomainInUseException"
    assert workmail.fails("deregister_mail_domain", DomainName="acme.awsapps.com") == "InvalidParameterException"
    workmail.call("register_mail_domain", DomainName="acme.org")
    workmail.call("update_default_mail_domain", DomainName="acme.org")
    assert workmail.fails("deregister_mail_domain", DomainName="acme.org") == "MailDomainInUseException"


def test_a_mail_domain_belongs_to_one_organization(workmail):
    other_organization = workmail.client.create_organization(Alias="globex")["OrganizationId"]

    taken = {"OrganizationId": other_organization, "DomainName": "example.com"}
    assert error_code(lambda: workmail.client.register_mail_domain(**taken)) == "MailDomainInUseException"


def test_an_unverified_mail_domain_cannot_be_used(workmail):
    workmail.backend.set_mail_domain_status(ORGANIZATION, "example.com", "PENDING")
    user = workmail.create_user("dana")

    assert workmail.fails("update_default_mail_domain", DomainName="example.com") == "MailDomainStateException"
    alias = workmail.fails("create_alias", EntityId=user, Alias="dana@example.com")
    assert alias == "MailDomainStateException"


def test_mail_domains_are_listed_in_pages(workmail):
    first_page = workmail.call("list_mail_domains", MaxResults=1)
    rest = workmail.call("list_mail_domains", MaxResults=1, NextToken=first_page["NextToken"])

    assert [d["DomainName"] for d in first_page["MailDomains"]] == ["acme.awsapps.com"]
    assert [d["DomainName"] for d in rest["MailDomains"]] == ["example.com"]
    assert "NextToken" not in rest


def test_tags_are_added_and_removed(workmail):
    workmail.client.tag_resource(ResourceARN=ARN, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    workmail.client.tag_resource(ResourceARN=ARN, Tags=[{"Key": "a", "Value": "2"}])
    workmail.client.untag_resource(ResourceARN=ARN, TagKeys=["b", "c"])

    assert workmail.client.list_tags_for_resource(ResourceARN=ARN)["Tags"] == [{"Key": "a", "Value": "2"}]


def test_invalid_requests_about_tags_are_refused(workmail):
    tags = [{"Key": str(number), "Value": ""} for number in range(50)]
    workmail.client.tag_resource(ResourceARN=ARN, Tags=tags)
    one_more = [{"Key": "one more", "Value": ""}]

    def too_many() -> None:
        workmail.client.tag_resource(ResourceARN=ARN, Tags=one_more)

    assert error_code(too_many) == "TooManyTagsException"
    other_arn = ARN.replace(ORGANIZATION, UNKNOWN)
    for call in (
        lambda: workmail.client.tag_resource(ResourceARN=other_arn, Tags=one_more),
        lambda: workmail.client.untag_resource(ResourceARN=other_arn, TagKeys=["a"]),
        lambda: workmail.client.list_tags_for_resource(ResourceARN=other_arn),
    ):
        assert error_code(call) == "ResourceNotFoundException"
    workmail.backend.set_organization_state(ORGANIZATION, "Deleting")
    assert error_code(too_many) == "OrganizationStateException"


def test_a_read_only_directory_refuses_writes_but_not_registering(workmail):
    user = workmail.create_user("dana", enabled=False)
    workmail.backend.set_directory_read_only(ORGANIZATION)

    assert workmail.fails("create_group", Name="staff") == "UnsupportedOperationException"
    assert workmail.fails("delete_user", UserId=user) == "UnsupportedOperationException"
    workmail.call("register_to_work_mail", EntityId=user, Email=address("dana"))
    assert workmail.describe(user)["State"] == "ENABLED"
