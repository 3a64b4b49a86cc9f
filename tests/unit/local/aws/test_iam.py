"""The calls of the functions' code are checked against their roles, and no other calls."""

import io
import json
import zipfile
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.aws.actions import required_actions
from local.aws.iam import Call
from local.environment import Environment
from local.policies import PolicyError, is_allowed, parse_grants
from tests.unit.local.aws.dynamodb.tables import CompositeTable, key

ACCOUNT = "123456789012"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:letters"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
SENDS = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    try:
        boto3.client("sqs").send_message(QueueUrl=event, MessageBody="hello")
    except ClientError as error:
        return error.response
    return "sent"
"""


def policy(action: Any, resource: Any, effect: str = "Allow", **more: Any) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}]}
    )


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("sqs:SendMessage", QUEUE, True),
        (["sqs:ReceiveMessage", "sqs:SendMessage"], ["arn:aws:sqs:us-east-1:1:other", QUEUE], True),
        ("SQS:sendmessage", "*", True),
        ("sqs:Send*", "arn:aws:sqs:*:*:l?tters", True),
        ("*", f"{QUEUE[:-1]}?", True),
        ("sqs:SendMessage", f"{QUEUE}?", False),
        ("sqs:SendMessage", QUEUE.upper(), False),
        ("sqs:SendMessage", "arn.aws.sqs.us-east-1.123456789012.letters", False),
        ("sqs:SendMessageBatch", QUEUE, False),
        ("sqs:Send", QUEUE, False),
        ("sns:SendMessage", QUEUE, False),
    ],
)
def test_a_policy_allows_its_actions_on_its_resources_with_wildcards(action: Any, resource: Any, allowed: bool) -> None:
    assert is_allowed([policy(action, resource)], "sqs:SendMessage", QUEUE) is allowed


def test_an_action_is_denied_without_a_policy_or_by_an_explicit_denial() -> None:
    allowing = policy("sqs:*", QUEUE)

    assert not is_allowed([], "sqs:SendMessage", QUEUE)
    assert not is_allowed([allowing, policy("*", QUEUE, "Deny")], "sqs:SendMessage", QUEUE)
    assert is_allowed([allowing, policy("sqs:ReceiveMessage", QUEUE, "Deny")], "sqs:SendMessage", QUEUE)


@pytest.mark.parametrize(
    ("key", "allowed"), [("refused/m-1", True), ("refused/", True), ("refused", False), ("arn:aws:states:1", False)]
)
def test_a_condition_limits_a_policy_to_the_leading_keys_of_items(key: str, allowed: bool) -> None:
    table = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/t"
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["refused/*"]}}
    limited = policy("dynamodb:UpdateItem", table, Condition=condition)

    context = {"dynamodb:LeadingKeys": key}
    assert is_allowed([limited], "dynamodb:UpdateItem", table, context) is allowed
    assert is_allowed([policy("dynamodb:UpdateItem", table)], "dynamodb:UpdateItem", table, context)
    assert is_allowed([limited], "dynamodb:UpdateItem", table), "ForAllValues is true where there are no values"


@pytest.mark.parametrize(
    ("source", "detail_type", "allowed"),
    [
        ("a", "One", True),
        ("a", "Two", True),
        ("a", "Three", False),
        ("b", "One", False),
        ("a", "one", False),
        ("A", "One", False),
        (None, "One", False),
    ],
)
def test_a_condition_limits_a_policy_to_the_source_and_the_detail_types_of_events(
    source: str | None, detail_type: str, allowed: bool
) -> None:
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    condition = {"StringEquals": {"events:source": "a", "events:detail-type": ["One", "Two"]}}
    limited = policy("events:PutEvents", bus, Condition=condition)

    context = {"events:detail-type": detail_type, **({"events:source": source} if source else {})}
    assert is_allowed([limited], "events:PutEvents", bus, context) is allowed
    denying = policy("events:PutEvents", "*", "Deny", Condition=condition)
    assert is_allowed([policy("*", "*"), denying], "events:PutEvents", bus, context) is not allowed
    [grant] = parse_grants(limited)
    assert grant.covers("events:PutEvents", bus), "without a context the conditions are left out of account"


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"dynamodb:LeadingKeys": ["a"]}},
        {"ForAllValues:StringLike": {"aws:SourceArn": "a"}},
        {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["a"], "dynamodb:Attributes": ["b"]}},
        {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["a"]}, "Bool": {"aws:SecureTransport": "true"}},
        {"StringLike": {"events:source": "a"}},
        {"StringEquals": {"events:source": "a", "aws:SourceArn": "a"}},
        {"StringEquals": {}},
    ],
)
def test_any_other_condition_is_an_error(condition: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="Condition"):
        parse_grants(policy("dynamodb:UpdateItem", "*", Condition=condition))


@pytest.mark.parametrize("strange", [{"Condition": {}}, {"NotAction": "x:Y"}, {"NotResource": "*"}])
def test_an_unsupported_policy_is_an_error(strange: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=next(iter(strange))):
        parse_grants(policy("sqs:SendMessage", QUEUE, **strange))


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "action", "resources"),
    [
        ("workmail", "DescribeUser", {"OrganizationId": "m-1", "UserId": "dana"}, "workmail:DescribeUser",
         ["arn:aws:workmail:us-east-1:123456789012:organization/m-1"]),
        ("workmail", "ListOrganizations", {}, "workmail:ListOrganizations", ["*"]),
        ("dynamodb", "UpdateItem", {"TableName": "t"}, "dynamodb:UpdateItem",
         ["arn:aws:dynamodb:us-east-1:123456789012:table/t"]),
        ("dynamodb", "Query", {"TableName": "t", "IndexName": "i"}, "dynamodb:Query",
         ["arn:aws:dynamodb:us-east-1:123456789012:table/t/index/i"]),
        ("sqs", "SendMessage", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/letters"},
         "sqs:SendMessage", [QUEUE]),
        ("identitystore", "DescribeUser", {"IdentityStoreId": "d-1", "UserId": "u"}, "identitystore:DescribeUser",
         ["arn:aws:identitystore::123456789012:identitystore/d-1", "arn:aws:identitystore:::user/u"]),
        ("identitystore", "ListUsers", {"IdentityStoreId": "arn:s"}, "identitystore:ListUsers", ["arn:s"]),
        ("sns", "Publish", {"TopicArn": "arn:t"}, "sns:Publish", ["arn:t"]),
        ("ssm", "GetParameter", {"Name": "/a/b"}, "ssm:GetParameter",
         ["arn:aws:ssm:us-east-1:123456789012:parameter/a/b"]),
        ("stepfunctions", "DescribeExecution", {"executionArn": "arn:e"}, "states:DescribeExecution", ["arn:e"]),
        ("stepfunctions", "StartExecution", {"stateMachineArn": "arn:m"}, "states:StartExecution", ["arn:m"]),
        ("stepfunctions", "ListExecutions", {"stateMachineArn": "arn:m"}, "states:ListExecutions", ["arn:m"]),
        ("stepfunctions", "SendTaskSuccess", {"taskToken": "t"}, "states:SendTaskSuccess", ["*"]),
    ],
)  # fmt: skip
def test_a_call_is_an_action_on_resources(
    service: str, operation: str, parameters: dict[str, Any], action: str, resources: list[str]
) -> None:
    [required] = required_actions(boto3.client(service), operation, parameters, ACCOUNT)

    assert (required.name, required.resources, required.parameters) == (action, tuple(resources), parameters)


def test_each_event_of_a_call_is_an_action_on_its_bus_with_its_source_and_detail_type() -> None:
    entries = [{"Source": "s", "DetailType": "d"}, {"EventBusName": "b", "Source": "t"}, {"EventBusName": "arn:c"}]

    required = required_actions(boto3.client("events"), "PutEvents", {"Entries": entries}, ACCOUNT)

    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/"
    assert [(action.name, *action.resources, *action.contexts) for action in required] == [
        ("events:PutEvents", f"{bus}default", {"events:source": "s", "events:detail-type": "d"}),
        ("events:PutEvents", f"{bus}b", {"events:source": "t"}),
        ("events:PutEvents", "arn:c", {}),
    ]
    assert [action.parameters for action in required] == [{"Entries": [entry]} for entry in entries]


ROLE = f"arn:aws:iam::{ACCOUNT}:role/export"


def test_a_call_that_passes_a_role_needs_the_permission_to_pass_it_to_that_service() -> None:
    parameters = {"OrganizationId": "m-1", "EntityId": "dana", "RoleArn": ROLE}

    start, passing = required_actions(boto3.client("workmail"), "StartMailboxExportJob", parameters, ACCOUNT)

    organization = f"arn:aws:workmail:us-east-1:{ACCOUNT}:organization/m-1"
    assert (start.name, start.resources) == ("workmail:StartMailboxExportJob", (organization,))
    assert (passing.name, passing.resources) == ("iam:PassRole", (ROLE,))
    [context] = passing.contexts
    for service, allowed in (("export.workmail.amazonaws.com", True), ("lambda.amazonaws.com", False)):
        condition = {"StringEquals": {"iam:PassedToService": service}}
        limited = policy("iam:PassRole", ROLE, Condition=condition)
        assert is_allowed([limited], passing.name, ROLE, context) is allowed


make_client = cache(boto3.client)
"""Making a client takes longer than these tests."""


@pytest.fixture(name="s3")
def _s3() -> Iterator[Any]:
    with mock_aws():
        client = make_client("s3")
        client.create_bucket(Bucket="archive")
        for name, more in (
            ("plain", {}),
            ("dana.zip", {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:k"}),
            ("by-bucket", {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:k", "BucketKeyEnabled": True}),
        ):
            client.put_object(Bucket="archive", Key=name, Body=b"x", **more)
        yield client


BUCKET = "arn:aws:s3:::archive"
ARCHIVE, PLAIN = f"{BUCKET}/dana.zip", f"{BUCKET}/plain"
DECRYPT = ("kms:Decrypt", "arn:k")


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("HeadObject", {"Key": "dana.zip"}, [("s3:GetObject", ARCHIVE)]),
        ("HeadObject", {"Key": "dana.zip", "ChecksumMode": "ENABLED"}, [("s3:GetObject", ARCHIVE), DECRYPT]),
        ("HeadObject", {"Key": "plain", "ChecksumMode": "ENABLED"}, [("s3:GetObject", PLAIN)]),
        ("GetObject", {"Key": "plain"}, [("s3:GetObject", PLAIN)]),
        ("GetObject", {"Key": "dana.zip"}, [("s3:GetObject", ARCHIVE), DECRYPT]),
        ("GetObject", {"Key": "dana.zip", "VersionId": "null"}, [("s3:GetObjectVersion", ARCHIVE), DECRYPT]),
        ("GetObjectAttributes", {"Key": "dana.zip", "ObjectAttributes": ["ObjectSize"]}, [
            ("s3:GetObject", ARCHIVE), ("s3:GetObjectAttributes", ARCHIVE)]),
        ("GetObjectAttributes", {"Key": "dana.zip", "VersionId": "null", "ObjectAttributes": ["Checksum"]}, [
            ("s3:GetObjectVersion", ARCHIVE), ("s3:GetObjectVersionAttributes", ARCHIVE)]),
        ("GetObject", {"Key": "missing"}, [("s3:GetObject", f"{BUCKET}/missing"), ("s3:ListBucket", BUCKET)]),
        ("ListObjectsV2", {"Prefix": "dana"}, [("s3:ListBucket", BUCKET)]),
        ("ListObjectVersions", {}, [("s3:ListBucketVersions", BUCKET)]),
        ("GetObjectRetention", {"Key": "dana.zip", "VersionId": "null"}, [("s3:GetObjectRetention", ARCHIVE)]),
        ("PutObjectRetention", {"Key": "dana.zip", "VersionId": "null"}, [("s3:PutObjectRetention", ARCHIVE)]),
        ("PutObjectRetention", {"Key": "plain", "BypassGovernanceRetention": True}, [
            ("s3:PutObjectRetention", PLAIN), ("s3:BypassGovernanceRetention", PLAIN)]),
    ],
)  # fmt: skip
def test_a_call_of_s3_is_actions_on_the_bucket_the_object_and_its_key(
    s3: Any, operation: str, parameters: dict[str, Any], expected: list[Any]
) -> None:
    required = required_actions(s3, operation, {"Bucket": "archive", **parameters}, ACCOUNT)

    assert [(action.name, *action.resources) for action in required] == expected


def test_the_conditions_of_s3_and_its_keys_limit_a_policy(s3: Any) -> None:
    [listing] = required_actions(s3, "ListObjectsV2", {"Bucket": "archive", "Prefix": "m-1/x/"}, ACCOUNT)
    for pattern, allowed in (("m-1/*", True), ("m-2/*", False)):
        limited = policy("s3:ListBucket", BUCKET, Condition={"StringLike": {"s3:prefix": pattern}})
        assert is_allowed([limited], listing.name, BUCKET, listing.contexts[0]) is allowed

    for name, resource in (("dana.zip", ARCHIVE), ("by-bucket", BUCKET)):
        [*_, decryption] = required_actions(s3, "GetObject", {"Bucket": "archive", "Key": name}, ACCOUNT)
        assert decryption.contexts == (
            {"kms:EncryptionContext:aws:s3:arn": resource, "kms:ViaService": "s3.us-east-1.amazonaws.com"},
        )


def test_an_unknown_service_is_an_error() -> None:
    with pytest.raises(NotImplementedError, match="kms:Encrypt"):
        required_actions(boto3.client("kms"), "Encrypt", {"KeyId": "k"}, ACCOUNT)
    with pytest.raises(NotImplementedError, match="s3:DeleteObject"):
        required_actions(boto3.client("s3"), "DeleteObject", {"Bucket": "b", "Key": "k"}, ACCOUNT)


TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/records"
PUT = {"Put": {"TableName": "records", "Item": {"A": {"S": "a"}, **key("put", "Step")}}}
UPDATE = {"Update": {"TableName": TABLE, "Key": {"Part": {"S": "Record"}, "Id": {"S": "update"}}}}
DELETE = {"Delete": {"TableName": "records", "Key": key("delete")}}
CHECK = {"ConditionCheck": {"TableName": "records", "Key": key("check")}}
QUERY = {"TableName": "records", "ExpressionAttributeValues": {":i": {"S": "query"}, ":p": {"S": "Step "}}}


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("TransactWriteItems", {"TransactItems": [PUT, UPDATE, DELETE, CHECK]}, [
            ("dynamodb:PutItem", TABLE, ("put",)), ("dynamodb:UpdateItem", TABLE, ("update",)),
            ("dynamodb:DeleteItem", TABLE, ("delete",)), ("dynamodb:ConditionCheckItem", TABLE, ("check",))]),
        ("TransactGetItems", {"TransactItems": [{"Get": DELETE["Delete"]}]}, [
            ("dynamodb:GetItem", TABLE, ("delete",))]),
        ("BatchWriteItem", {"RequestItems": {
            "records": [{"PutRequest": {"Item": key("a")}}, {"DeleteRequest": {"Key": key("b")}}],
            "missing": [{"DeleteRequest": {"Key": {"Id": {"S": "c"}}}}]}}, [
            ("dynamodb:BatchWriteItem", TABLE, ("a", "b")),
            ("dynamodb:BatchWriteItem", TABLE.replace("records", "missing"), ("c",))]),
        ("BatchGetItem", {"RequestItems": {"records": {"Keys": [key("a"), key("b")]}}}, [
            ("dynamodb:BatchGetItem", TABLE, ("a", "b"))]),
        ("PutItem", {"TableName": "records", "Item": {"Id": "plain", "Part": "Step"}}, [
            ("dynamodb:PutItem", TABLE, ("plain",))]),
        ("PutItem", PUT["Put"], [("dynamodb:PutItem", TABLE, ("put",))]),
        ("UpdateItem", UPDATE["Update"], [("dynamodb:UpdateItem", TABLE, ("update",))]),
        ("Query", {**QUERY, "KeyConditionExpression": "begins_with(Part, :p) AND #i = :i",
                   "ExpressionAttributeNames": {"#i": "Id"}}, [("dynamodb:Query", TABLE, ("query",))]),
        ("Query", {**QUERY, "KeyConditionExpression": "Kind = :i", "IndexName": "ByTime"}, [
            ("dynamodb:Query", f"{TABLE}/index/ByTime", ())]),
        ("Query", {**QUERY, "KeyConditionExpression": "Part = :p"}, [("dynamodb:Query", TABLE, ())]),
        ("Scan", {"TableName": "records"}, [("dynamodb:Scan", TABLE, ())]),
    ],
)  # fmt: skip
def test_a_call_of_dynamodb_is_about_the_partition_keys_of_its_items(
    operation: str, parameters: dict[str, Any], expected: list[Any]
) -> None:
    with mock_aws():
        client = CompositeTable().client
        required = required_actions(client, operation, parameters, ACCOUNT)

    contexts = [tuple(context["dynamodb:LeadingKeys"] for context in action.contexts) for action in required]
    assert [(a.name, *a.resources, keys) for a, keys in zip(required, contexts, strict=True)] == expected


class Sender:
    """A function that sends a message to a queue."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.queue = environment.client("sqs").create_queue(QueueName="letters")["QueueUrl"]

    def create(self, role: str, source: str = SENDS) -> None:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("sends.py", source)
        self.environment.client("lambda").create_function(
            FunctionName="sends", Runtime="python3.13", Role=role, Handler="sends.handler",
            Code={"ZipFile": code.getvalue()},
        )  # fmt: skip

    def role(self) -> str:
        iam = self.environment.client("iam")
        return str(iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"])

    def allow(self, document: str) -> None:
        self.environment.client("iam").put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document)

    def answer(self, event: Any = None) -> Any:
        payload = json.dumps(event or self.queue)
        answer = self.environment.client("lambda").invoke(FunctionName="sends", Payload=payload)
        return json.loads(answer["Payload"].read())


@pytest.fixture
def sender() -> Iterator[Sender]:
    with Environment() as environment:
        yield Sender(environment)


def test_a_call_succeeds_only_if_the_role_allows_it(sender: Sender) -> None:
    sender.create(sender.role())

    answer = sender.answer()
    assert answer["Error"]["Code"] == "AccessDenied"
    assert f"not authorized to perform: sqs:SendMessage on resource: {QUEUE}" in answer["Error"]["Message"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
    sender.allow(policy("sqs:SendMessage", QUEUE))
    assert sender.answer() == "sent"
    assert sender.environment.permissions.calls == {Call("sends", "sqs:SendMessage", QUEUE)}


WRITES = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    try:
        boto3.client("dynamodb").transact_write_items(TransactItems=event)
    except ClientError as error:
        return error.response["Error"]["Message"]
    return "written"
"""


def test_each_operation_of_a_transaction_needs_its_action_on_its_items(sender: Sender) -> None:
    CompositeTable()
    sender.create(sender.role(), WRITES)
    sender.allow(policy(["dynamodb:PutItem", "dynamodb:ConditionCheckItem"], TABLE,
                        Condition={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["put", "check"]}}))  # fmt: skip
    seen: list[Any] = []
    sender.environment.permissions.listeners.append(lambda action, parameters: seen.append((action, parameters)))
    check = {"ConditionCheck": {**CHECK["ConditionCheck"], "ConditionExpression": "attribute_not_exists(Id)"}}

    assert sender.answer([PUT, check]) == "written"
    assert "dynamodb:UpdateItem on resource" in sender.answer([PUT, UPDATE])
    assert "dynamodb:PutItem on resource" in sender.answer([{"Put": {"TableName": "records", "Item": key("other")}}])
    assert sender.environment.permissions.calls == {
        Call("sends", f"dynamodb:{name}", TABLE) for name in ("PutItem", "ConditionCheckItem", "UpdateItem")
    }
    assert seen[:2] == [("dynamodb:PutItem", PUT["Put"]), ("dynamodb:ConditionCheckItem", check["ConditionCheck"])]


def test_a_function_without_a_role_in_iam_is_not_checked(sender: Sender) -> None:
    sender.create(sender.role())
    sender.environment.client("iam").delete_role(RoleName="r")

    assert sender.answer() == "sent"


def test_an_update_of_a_stack_changes_the_permissions_of_its_roles() -> None:
    def template(*actions: str) -> str:
        named = [
            {"PolicyName": action, "PolicyDocument": json.loads(policy(f"sqs:{action}", QUEUE))} for action in actions
        ]
        role = {"RoleName": "r", "AssumeRolePolicyDocument": TRUST, "Policies": named}
        attached = {"PolicyName": "apart", "PolicyDocument": json.loads(policy("sqs:Apart", "*")), "Roles": ["r"]}
        return json.dumps(
            {
                "Resources": {
                    "Role": {"Type": "AWS::IAM::Role", "Properties": role},
                    "Apart": {"Type": "AWS::IAM::Policy", "Properties": attached, "DependsOn": "Role"},
                }
            }
        )

    with Environment() as environment:
        stacks, iam = environment.client("cloudformation"), environment.client("iam")
        stacks.create_stack(StackName="s", TemplateBody=template("SendMessage", "ReceiveMessage"))
        stacks.update_stack(StackName="s", TemplateBody=template("SendMessage", "PurgeQueue"))

        assert sorted(iam.list_role_policies(RoleName="r")["PolicyNames"]) == ["PurgeQueue", "SendMessage", "apart"]


READS = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    s3 = boto3.client("s3")
    try:
        return getattr(s3, event.pop("operation"))(**event)["ContentLength"]
    except ClientError as error:
        return [error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]]
"""


def test_a_call_of_s3_without_permission_is_denied_as_s3_does(sender: Sender) -> None:
    client = sender.environment.client("s3")
    client.create_bucket(Bucket="archive")
    client.put_object(Bucket="archive", Key="log.json", Body=b"{}")
    sender.create(sender.role(), READS)
    log, missing = {"Bucket": "archive", "Key": "log.json"}, {"Bucket": "archive", "Key": "missing"}

    assert sender.answer({"operation": "get_object", **log}) == ["AccessDenied", 403]
    assert sender.answer({"operation": "head_object", **log}) == ["403", 403]
    sender.allow(policy("s3:GetObject", f"{BUCKET}/*"))
    assert sender.answer({"operation": "get_object", **log}) == 2
    assert sender.answer({"operation": "head_object", **missing}) == ["403", 403], "it may not list the bucket"
    sender.allow(policy("s3:*", [BUCKET, f"{BUCKET}/*"]))
    assert sender.answer({"operation": "head_object", **missing}) == ["404", 404]
