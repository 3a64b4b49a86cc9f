"""The service around the operations: validation, the call log, hooks, threads, and the HTTP server."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from importlib import import_module
from threading import Event, Thread
from time import sleep

import boto3
import pytest
import time_machine
from botocore import xform_name
from moto import backend_index, mock_aws
from moto.core.exceptions import JsonRESTError
from moto.server import ThreadedMotoServer

from local.workmail import WorkMailBackend, covered_operations, register, workmail_backends
from local.workmail.exceptions import CommonError, EntityStateException, InvalidParameterException
from tests.unit.local.workmail.conftest import (
    ACCOUNT,
    MODEL,
    MORNING,
    ORGANIZATION,
    PASSWORD,
    REGION,
    address,
    error_code,
)

# `test_mailbox_exports.py` calls these.
EXPORTS = {"CancelMailboxExportJob", "DescribeMailboxExportJob", "ListMailboxExportJobs", "StartMailboxExportJob"}
COVERED = EXPORTS | {
    "AssociateDelegateToResource", "AssociateMemberToGroup", "CreateAlias", "CreateGroup", "CreateOrganization",
    "CreateResource", "CreateUser", "DeleteAlias", "DeleteGroup", "DeleteMailboxPermissions",
    "DeleteOrganization", "DeleteResource", "DeleteUser", "DeregisterFromWorkMail", "DeregisterMailDomain",
    "DescribeEntity", "DescribeGroup", "DescribeOrganization", "DescribeResource", "DescribeUser",
    "DisassociateDelegateFromResource", "DisassociateMemberFromGroup", "GetMailDomain", "GetMailboxDetails",
    "ListAliases", "ListGroupMembers", "ListGroups", "ListGroupsForEntity", "ListMailDomains",
    "ListMailboxPermissions", "ListOrganizations", "ListResourceDelegates", "ListResources",
    "ListTagsForResource", "ListUsers", "PutMailboxPermissions", "RegisterMailDomain", "RegisterToWorkMail",
    "ResetPassword", "TagResource", "UntagResource", "UpdateDefaultMailDomain", "UpdateGroup",
    "UpdateMailboxQuota", "UpdatePrimaryEmailAddress", "UpdateResource", "UpdateUser",
}  # fmt: skip


@pytest.fixture(name="server")
def _server():
    register()
    with mock_aws():
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        yield server.get_host_and_port()
        server.stop()


def test_these_operations_are_covered():
    assert set(covered_operations()) == COVERED


def test_every_other_operation_of_the_model_is_refused_as_missing(workmail):
    missing = [name for name in MODEL.operation_names if name not in COVERED]
    assert len(missing) == len(MODEL.operation_names) - len(COVERED) > 0

    for operation in missing:
        with pytest.raises(workmail.client.exceptions.ClientError, match=operation) as caught:
            getattr(workmail.client, xform_name(operation))()
        assert caught.value.response["Error"]["Code"] == "NotImplemented"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize(
    ("operation", "parameters", "sentence"),
    [
        ("describe_user", {"UserId": "x" * 257}, "'UserId' .* length less than or equal to 256"),
        ("describe_user", {"UserId": ""}, "'UserId' .* length greater than or equal to 1"),
        ("describe_user", {"UserId": "dana jones"}, "'UserId' .* regular expression"),
        ("describe_user", {"UserId": "dana\n"}, "'UserId' .* regular expression"),
        ("describe_user", {"UserId": "dän"}, "'UserId' .* regular expression"),
        ("describe_user", {"UserId": 7}, "'UserId' .* type string"),
        ("describe_user", {"UserId": None}, "'UserId' .* must not be null"),
        ("describe_user", {}, "'UserId' .* must not be null"),
        ("register_to_work_mail", {"EntityId": "dana"}, "'Email' .* must not be null"),
        ("register_to_work_mail", {"EntityId": "dana", "Email": "dana"}, "'Email' .* regular expression"),
        ("create_user", {"Name": "kim", "DisplayName": "K", "Role": "BOSS"}, "'Role' .* enum value set"),
        ("create_user", {"Name": "é", "DisplayName": "K"}, "'Name' .* regular expression"),
        ("create_resource", {"Name": "r", "Type": "CAR"}, "'Type' .* enum value set"),
        ("create_resource", {"Name": "r" * 21, "Type": "ROOM"}, "'Name' .* less than or equal to 20"),
        ("create_group", {"Name": "g", "HiddenFromGlobalAddressList": "yes"}, "type boolean"),
        ("list_users", {"MaxResults": 0}, "'MaxResults' .* value greater than or equal to 1"),
        ("list_users", {"MaxResults": 101}, "'MaxResults' .* value less than or equal to 100"),
        ("list_users", {"MaxResults": True}, "'MaxResults' .* type integer"),
        ("list_users", {"MaxResults": 1.5}, "'MaxResults' .* type integer"),
        ("list_users", {"NextToken": "x" * 1025}, "'NextToken' .* less than or equal to 1024"),
        ("list_users", {"Filters": {"State": "GONE"}}, "'Filters.State' .* enum value set"),
        ("update_mailbox_quota", {"UserId": "dana", "MailboxQuota": 0}, "'MailboxQuota' .* greater than"),
        ("put_mailbox_permissions", {"EntityId": "a", "GranteeId": "b", "PermissionValues": ["ALL"]},
         r"'PermissionValues\[0\]' .* enum"),
        ("describe_organization", {"OrganizationId": "m-1"}, "2 validation errors .* 'OrganizationId'"),
    ],
)  # fmt: skip
def test_a_request_that_the_model_forbids_is_refused_with_the_member(workmail, operation, parameters, sentence):
    method = getattr(workmail.client, operation)
    with pytest.raises(workmail.client.exceptions.InvalidParameterException, match=sentence) as caught:
        method(**{"OrganizationId": ORGANIZATION, **parameters})

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert workmail.backend.calls[-1].error == "InvalidParameterException"
    assert workmail.call("list_users")["Users"] == []
    assert workmail.call("list_groups")["Groups"] == []


@pytest.mark.parametrize("filters", [[], "ENABLED", 7, True])
def test_a_structure_must_be_an_object(workmail, filters):
    request = {"OrganizationId": ORGANIZATION, "Filters": filters}

    with pytest.raises(InvalidParameterException, match=r"'Filters' .* type structure"):
        workmail.backend.perform("ListUsers", request)


def test_several_problems_are_reported_together(workmail):
    with pytest.raises(workmail.client.exceptions.InvalidParameterException) as caught:
        workmail.client.create_user(OrganizationId="m-1", Name="kim")

    message = caught.value.response["Error"]["Message"]
    assert message.startswith("3 validation errors detected: ")
    assert "'DisplayName'" in message
    assert "'OrganizationId'" in message


def test_a_refused_password_is_not_repeated(workmail):
    secret = "snowman \u2603 secret"
    with pytest.raises(workmail.client.exceptions.InvalidParameterException, match="'Password'") as caught:
        workmail.call("create_user", Name="kim", DisplayName="Kim", Password=secret)

    assert secret not in str(caught.value)


def test_unknown_members_and_nulls_are_ignored(workmail):
    answer = workmail.backend.perform(
        "CreateUser",
        {
            "OrganizationId": ORGANIZATION,
            "Name": "dana",
            "DisplayName": "Dana",
            "Password": None,
            "ShoeSize": 42,
        },
    )

    assert workmail.describe("dana")["UserId"] == answer["UserId"]
    assert "ShoeSize" not in workmail.backend.calls[0].parameters


def test_calls_are_logged_with_their_time_and_error(workmail):
    with time_machine.travel(MORNING, tick=False):
        workmail.create_user("dana", enabled=False)
        workmail.fails("describe_user", UserId="nobody")

    first_call, second_call = workmail.backend.calls
    assert (first_call.at, first_call.operation, first_call.error) == (MORNING, "CreateUser", None)
    assert first_call.parameters["Name"] == "dana"
    assert (second_call.operation, second_call.error) == ("DescribeUser", "EntityNotFoundException")
    assert second_call.parameters == {"OrganizationId": ORGANIZATION, "UserId": "nobody"}


def test_a_hook_before_an_operation_can_stop_it(workmail):
    user = workmail.create_user("dana")
    seen = []

    def throttle(operation: str, parameters: dict[str, object]) -> None:
        seen.append((operation, parameters["EntityId"]))
        raise CommonError("ThrottlingException", "Rate exceeded")

    workmail.backend.before_hooks.append(throttle)

    assert workmail.fails("deregister_from_work_mail", EntityId=user) == "ThrottlingException"
    assert workmail.fails("deregister_from_work_mail", EntityId="not valid") == "InvalidParameterException"
    workmail.backend.before_hooks.clear()
    assert seen == [("DeregisterFromWorkMail", user)]
    assert workmail.describe(user)["State"] == "ENABLED"
    assert [call.error for call in workmail.backend.calls[-3:]] == [
        "ThrottlingException",
        "InvalidParameterException",
        None,
    ]


def test_a_hook_after_an_operation_loses_the_answer_but_not_the_effect(workmail):
    user = workmail.create_user("dana")

    def lose(operation: str, parameters: dict[str, object]) -> None:
        raise JsonRESTError("ThrottlingException", "Rate exceeded")

    workmail.backend.after_hooks.append(lose)
    assert workmail.fails("deregister_from_work_mail", EntityId=user) == "ThrottlingException"
    workmail.backend.after_hooks.clear()

    assert workmail.describe(user)["State"] == "DISABLED"


def test_a_hook_can_answer_with_an_error_of_the_model(workmail):
    def refuse(operation: str, parameters: dict[str, object]) -> None:
        raise EntityStateException("Busy.")

    user = workmail.create_user("dana")
    workmail.backend.before_hooks.append(refuse)

    with pytest.raises(workmail.client.exceptions.EntityStateException, match=r"Busy\."):
        workmail.call("delete_user", UserId=user)


def test_a_hook_can_wait_for_another_call(workmail):
    other_called = Event()

    def wait(operation: str, parameters: dict[str, object]) -> None:
        if operation == "ListUsers":
            assert other_called.wait(5)
        else:
            other_called.set()

    workmail.backend.before_hooks.append(wait)
    waiting = Thread(target=workmail.call, args=("list_users",))
    waiting.start()
    workmail.call("list_groups")
    waiting.join(5)

    assert not waiting.is_alive()


def test_a_name_is_given_once_to_many_threads(workmail):
    def create(number: int) -> str:
        try:
            workmail.backend.perform(
                "CreateUser",
                {"OrganizationId": ORGANIZATION, "Name": f"user{number % 10}", "DisplayName": "X"},
            )
        except Exception as error:
            return type(error).__name__
        return "created"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(create, range(200)))

    assert outcomes.count("created") == 10
    assert outcomes.count("NameAvailabilityException") == 190
    assert len(workmail.backend.calls) == 200


def test_operations_run_one_at_a_time(workmail, monkeypatch):
    running: list[str] = []
    most = []

    def slow(backend: WorkMailBackend, organization_id: str) -> dict[str, object]:
        running.append(organization_id)
        most.append(len(running))
        sleep(0.002)
        running.pop()
        return {"Groups": []}

    monkeypatch.setattr(WorkMailBackend, "list_groups", slow)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: workmail.call("list_groups"), range(24)))

    assert most == [1] * 24


def test_registering_again_changes_nothing():
    register()
    patterns = list(backend_index.backend_url_patterns)
    register()

    assert backend_index.backend_url_patterns == patterns
    assert import_module("moto.workmail").workmail_backends is workmail_backends
    assert import_module("moto.workmail.models").workmail_backends is workmail_backends


def test_registering_works_while_moto_already_runs():
    script = (
        "import boto3, moto\n"
        "with moto.mock_aws():\n"
        "    from local.workmail import register\n"
        "    register()\n"
        "    print(boto3.client('workmail', 'us-east-1').list_organizations()['OrganizationSummaries'])\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.stdout == "[]\n", done.stderr


def test_a_client_can_call_it_through_the_server(server):
    host, port = server
    backend = workmail_backends[ACCOUNT]["eu-west-1"]
    backend.create_organization_with_id(ORGANIZATION, "acme")
    client = boto3.client("workmail", region_name="eu-west-1", endpoint_url=f"http://{host}:{port}")

    user = client.create_user(OrganizationId=ORGANIZATION, Name="dana", DisplayName="Dana é", Password=PASSWORD)[
        "UserId"
    ]
    client.register_to_work_mail(OrganizationId=ORGANIZATION, EntityId=user, Email=address("dana"))

    assert client.describe_user(OrganizationId=ORGANIZATION, UserId="dana")["DisplayName"] == "Dana é"
    assert backend.mailbox_exists(ORGANIZATION, user)
    unknown = {"OrganizationId": ORGANIZATION, "UserId": "nobody"}
    assert error_code(lambda: client.describe_user(**unknown)) == "EntityNotFoundException"
    assert error_code(lambda: client.list_impersonation_roles(OrganizationId=ORGANIZATION)) == "NotImplemented"
    assert [call.operation for call in backend.calls[:2]] == ["CreateUser", "RegisterToWorkMail"]


def post(server: tuple[str, int], target: str, body: str) -> tuple[int, dict[str, object]]:
    connection = HTTPConnection(*server)
    scope = f"AKIAIOSFODNN7EXAMPLE/20260302/{REGION}/workmail/aws4_request"
    headers = {
        "X-Amz-Target": target,
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }
    connection.request("POST", "/", body.encode(), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_the_http_protocol_is_that_of_aws(server):
    workmail_backends[ACCOUNT][REGION].create_organization_with_id(ORGANIZATION, "acme")
    organization = json.dumps({"OrganizationId": ORGANIZATION})

    status, answer = post(server, "WorkMailService.DescribeOrganization", organization)

    assert status == 200
    assert answer["OrganizationId"] == ORGANIZATION
    assert isinstance(answer["CompletedDate"], (int, float))
    status, answer = post(server, "WorkMailService.DescribeUser", organization)
    assert (status, answer["__type"]) == (400, "InvalidParameterException")
    assert "'UserId'" in answer["Message"]


def test_an_invalid_request_is_refused(server):
    refused = {
        ("WorkMailService.ListOrganizations", "{"): "SerializationException",
        ("WorkMailService.ListOrganizations", "[]"): "SerializationException",
        ("WorkMailService.DropTables", "{}"): "UnknownOperationException",
        ("OtherService.ListOrganizations", "{}"): "UnknownOperationException",
        ("WorkMailService.DescribeUser", "&Action=ListOrganizations&"): "SerializationException",
    }

    answers = {request: post(server, *request) for request in refused}

    assert {request: (status, answer["__type"]) for request, (status, answer) in answers.items()} == {
        request: (400, code) for request, code in refused.items()
    }


def test_every_covered_operation_answers_as_the_model_says(workmail):
    """Call each once; the fixture compares the answers with the model, member by member."""
    user, kim, group, room = (
        workmail.create_user("dana", FirstName="D", IdentityProviderUserId="12345678-1234-1234-1234-123456789012"),
        workmail.create_user("kim"),
        workmail.create_group("staff"),
        workmail.create_resource("room1"),
    )
    arn = workmail.call("describe_organization")["ARN"]
    workmail.client.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}])
    workmail.client.list_tags_for_resource(ResourceARN=arn)
    workmail.client.untag_resource(ResourceARN=arn, TagKeys=["a"])
    workmail.client.create_organization(Alias="globex")
    workmail.client.list_organizations(MaxResults=1)
    for method, parameters in {
        "associate_delegate_to_resource": {"ResourceId": room, "EntityId": user},
        "associate_member_to_group": {"GroupId": group, "MemberId": user},
        "create_alias": {"EntityId": user, "Alias": "dj@example.com"},
        "put_mailbox_permissions": {"EntityId": user, "GranteeId": kim, "PermissionValues": ["SEND_AS"]},
        "describe_entity": {"Email": address("dana")},
        "describe_group": {"GroupId": group},
        "describe_resource": {"ResourceId": room},
        "describe_user": {"UserId": user},
        "get_mail_domain": {"DomainName": "example.com"},
        "get_mailbox_details": {"UserId": user},
        "list_aliases": {"EntityId": user},
        "list_group_members": {"GroupId": group},
        "list_groups": {},
        "list_groups_for_entity": {"EntityId": user},
        "list_mail_domains": {},
        "list_mailbox_permissions": {"EntityId": user},
        "list_resource_delegates": {"ResourceId": room},
        "list_resources": {},
        "list_users": {"MaxResults": 1},
        "register_mail_domain": {"DomainName": "acme.org"},
        "deregister_mail_domain": {"DomainName": "acme.org"},
        "reset_password": {"UserId": user, "Password": PASSWORD},
        "update_default_mail_domain": {"DomainName": "example.com"},
        "update_group": {"GroupId": group, "HiddenFromGlobalAddressList": True},
        "update_mailbox_quota": {"UserId": user, "MailboxQuota": 1},
        "update_primary_email_address": {"EntityId": user, "Email": "dj@example.com"},
        "update_resource": {"ResourceId": room, "Description": "blue"},
        "update_user": {"UserId": user, "City": "Bern"},
        "delete_mailbox_permissions": {"EntityId": user, "GranteeId": kim},
        "delete_alias": {"EntityId": user, "Alias": address("dana")},
        "disassociate_delegate_from_resource": {"ResourceId": room, "EntityId": user},
        "disassociate_member_from_group": {"GroupId": group, "MemberId": user},
    }.items():
        workmail.call(method, **parameters)
    for entity, kind in ((user, "User"), (group, "Group"), (room, "Resource")):
        workmail.deregister(entity)
        workmail.call(f"describe_{kind.lower()}", **{f"{kind}Id": entity})
        workmail.call(f"delete_{kind.lower()}", **{f"{kind}Id": entity})
        workmail.call(f"describe_{kind.lower()}", **{f"{kind}Id": entity})
    workmail.call("delete_organization", DeleteDirectory=True, ForceDelete=True)

    answered = {call.operation for call in workmail.backend.calls if call.error is None}
    assert answered == COVERED - EXPORTS
