"""Faults: calls of the stack fail, and no other calls."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from local.defaults import ORGANIZATION_ID
from local.environment import Environment
from local.faults import COMMON_ERRORS, Fault, RecordedCall, modelled_errors, possible_errors, read_faults
from local.organization import OrganizationBuilder
from tests.unit.local.aws.dynamodb.tables import CompositeTable
from tests.unit.local.aws.dynamodb.tables import operation as make_operation
from tests.unit.local.conftest import NOON, Functions, zipped

ONCE = Config(connect_timeout=2, read_timeout=7, retries={"mode": "standard", "total_max_attempts": 1})


@pytest.fixture
def aws() -> Iterator[Environment]:
    with Environment(now=NOON) as environment:
        yield environment


class Stack:
    """Calls as the stack makes them: as work on the clock, with a client's time-outs."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.dana = OrganizationBuilder(environment.client("workmail")).create_user("dana")

    def does(self, call: Callable[[], Any]) -> Any:
        """Do something as work; return what it returned, or the error's name."""
        results: list[Any] = []

        def run() -> None:
            try:
                results.append(call())
            except ClientError as error:
                results.append(error.response["Error"]["Code"])
            except ReadTimeoutError:
                results.append("ReadTimeoutError")

        self.environment.clock.start_thread("a test's work", run)
        self.environment.clock.settle()
        return results[0]

    def describe(self) -> Any:
        workmail = boto3.client("workmail", "us-east-1", config=ONCE)
        answer = self.does(lambda: workmail.describe_user(OrganizationId=ORGANIZATION_ID, UserId=self.dana))
        return answer if isinstance(answer, str) else answer.get("State")

    def deregister(self) -> Any:
        workmail = boto3.client("workmail", "us-east-1", config=ONCE)
        answer = self.does(
            lambda: workmail.deregister_from_work_mail(OrganizationId=ORGANIZATION_ID, EntityId=self.dana)
        )
        return answer if isinstance(answer, str) else "done"

    @property
    def state(self) -> str:
        return self.environment.workmail.organizations[ORGANIZATION_ID].entities[self.dana].state


@pytest.fixture
def stack(aws: Environment) -> Stack:
    return Stack(aws)


@pytest.mark.parametrize("name", sorted({**modelled_errors("workmail", "DescribeUser"), **COMMON_ERRORS}))
def test_each_error_is_returned_by_name_as_often_as_configured(aws: Environment, stack: Stack, name: str) -> None:
    aws.faults.add(Fault("workmail", "DescribeUser", error=name, times=2))

    assert [stack.describe() for _ in range(3)] == [name, name, "ENABLED"]
    assert [hits for _, hits in aws.faults.list_hits()] == [2]


def test_a_server_error_has_a_status_that_clients_retry(aws: Environment, stack: Stack) -> None:
    aws.faults.add(Fault("workmail", "DescribeUser", error="ServiceUnavailable", times=1))
    twice = Config(retries={"mode": "standard", "total_max_attempts": 2})
    workmail = boto3.client("workmail", "us-east-1", config=twice)

    answer = stack.does(lambda: workmail.describe_user(OrganizationId=ORGANIZATION_ID, UserId=stack.dana))

    assert answer["State"] == "ENABLED"
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


def write_transaction(stack: Stack, attempts: int) -> Any:
    """Count in an item by a transaction of two operations; return the error's response, if any."""
    client = boto3.client("dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": attempts}))
    count = {"UpdateExpression": "ADD N :o", "ExpressionAttributeValues": {":o": {"N": "1"}}}

    operations = [make_operation("Update", "r", **count), make_operation("Put", "other")]

    def write() -> Any:
        try:
            client.transact_write_items(TransactItems=operations)
        except ClientError as error:
            return error.response
        return None

    return stack.does(write)


def test_a_cancelled_transaction_has_a_reason_for_each_operation(aws: Environment, stack: Stack) -> None:
    table = CompositeTable()
    aws.faults.add(Fault("dynamodb", "TransactWriteItems", error="TransactionCanceledException", times=1))

    response = write_transaction(stack, attempts=1)
    assert [reason["Code"] for reason in response["CancellationReasons"]] == ["TransactionConflict"] * 2
    assert table.get("r") is None


def test_a_transaction_whose_answer_is_lost_is_repeated_without_effect(aws: Environment, stack: Stack) -> None:
    table = CompositeTable()
    aws.faults.add(Fault("dynamodb", "TransactWriteItems", after_effect="Timeout", times=1))

    assert write_transaction(stack, attempts=2) is None
    assert table.get("r")["N"] == {"N": "1"}


def test_skipped_calls_succeed(aws: Environment, stack: Stack) -> None:
    aws.faults.add(Fault("workmail", "DescribeUser", error="ThrottlingException", times=1, skip=2))

    assert [stack.describe() for _ in range(4)] == ["ENABLED", "ENABLED", "ThrottlingException", "ENABLED"]


def test_other_operations_and_clients_outside_are_not_affected(aws: Environment, stack: Stack) -> None:
    aws.faults.add(Fault("workmail", "DescribeUser", error="ThrottlingException"))

    assert stack.deregister() == "done"
    assert aws.client("workmail").describe_user(OrganizationId=ORGANIZATION_ID, UserId=stack.dana)["Name"] == "dana"
    assert stack.describe() == "ThrottlingException"


def test_a_time_out_before_the_effect_has_no_effect_and_takes_the_client_s_read_timeout(
    aws: Environment, stack: Stack
) -> None:
    aws.faults.add(Fault("workmail", "DeregisterFromWorkMail", error="Timeout", times=1))

    assert stack.deregister() == "ReadTimeoutError"
    assert aws.clock.now() - NOON == timedelta(seconds=7)
    assert stack.state == "ENABLED"


@pytest.mark.parametrize(("name", "seen"), [("Timeout", "ReadTimeoutError"), ("InternalFailure", "InternalFailure")])
def test_a_failure_after_the_effect_has_the_effect(aws: Environment, stack: Stack, name: str, seen: str) -> None:
    aws.faults.add(Fault("workmail", "DeregisterFromWorkMail", after_effect=name, times=1))

    assert stack.deregister() == seen
    assert stack.state == "DISABLED"


def test_an_empty_answer_is_a_success_without_members(aws: Environment, stack: Stack) -> None:
    aws.faults.add(Fault("workmail", "DescribeUser", error="EmptyAnswer"))

    assert stack.describe() is None


@pytest.mark.parametrize(("latency", "seen", "seconds"), [(5.5, "ENABLED", 5.5), (8, "ReadTimeoutError", 7)])
def test_a_slow_answer_takes_time_and_is_lost_if_the_client_does_not_wait(
    aws: Environment, stack: Stack, latency: float, seen: str, seconds: float
) -> None:
    aws.faults.add(Fault("workmail", "DescribeUser", latency=latency))

    assert stack.describe() == seen
    assert aws.clock.now() - NOON == timedelta(seconds=seconds)


def test_the_first_of_two_faults_applies_and_none_after_they_are_cleared(aws: Environment, stack: Stack) -> None:
    aws.faults.add(Fault("workmail", "DescribeUser", error="ThrottlingException", times=1))
    aws.faults.add(Fault("workmail", "DescribeUser", error="InternalFailure"))

    assert [stack.describe() for _ in range(2)] == ["ThrottlingException", "InternalFailure"]
    aws.faults.clear()
    assert stack.describe() == "ENABLED"
    assert aws.faults.list_hits() == []


@pytest.mark.parametrize("name", ["KMSThrottling", "KMSDisabled", "EmptyAnswer"])
def test_services_of_the_query_protocol_get_answers_in_that_protocol(aws: Environment, stack: Stack, name: str) -> None:
    topic = aws.client("sns").create_topic(Name="people")["TopicArn"]
    aws.faults.add(Fault("sns", "Publish", error=name))
    sns = boto3.client("sns", "us-east-1", config=ONCE)

    answer = stack.does(lambda: sns.publish(TopicArn=topic, Message="hello"))

    assert answer == name or (name == "EmptyAnswer" and "MessageId" not in answer)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"service": "kms", "operation": "Encrypt", "error": "Timeout"}, "service must be one of workmail, dynamodb"),
        (
            {"service": "s3", "operation": "GetObject", "error": "ThrottlingException"},
            "InternalError, InvalidObjectState",
        ),
        ({"service": "workmail", "operation": "DescribeUsers", "error": "Timeout"}, "did you mean DescribeUser?"),
        ({"service": "lambda", "operation": "invoke", "error": "Timeout"}, "lambda has no operation 'invoke'"),
        ({"service": "sns", "operation": "Xyz", "error": "Timeout"}, "its operations are AddPermission, "),
        ({"service": "workmail", "operation": "DescribeUser", "error": "EntityStateException"}, "it can with "),
        ({"service": "lambda", "operation": "ResolveEntity", "error": "Timeout"}, "Runtime.ExitError, Sandbox"),
        ({"service": "workmail", "operation": "DescribeUser"}, "exactly one of error, latency and afterEffect"),
        ({"service": "workmail", "operation": "DescribeUser", "error": "Timeout", "latency": 1}, "exactly one of"),
        ({"service": "workmail", "operation": "DescribeUser", "latency": 0}, "latency is a number of seconds"),
        ({"service": "workmail", "operation": "DescribeUser", "latency": True}, "latency is a number of seconds"),
        ({"service": "workmail", "operation": "DescribeUser", "latency": 1, "times": 0}, "times is a whole number"),
        ({"service": "workmail", "operation": "DescribeUser", "latency": 1, "skip": -1}, "skip is a whole number"),
        ({"service": "workmail", "operation": "DescribeUser", "time": 1}, "a fault has no time; its members are"),
        (
            {"service": "workmail", "operation": "DescribeUser", "latency": 1, "function": "x"},
            "such as DeregisterEntity",
        ),
        ({"error": "Timeout"}, "the fault lacks operation and service"),
        ("DescribeUser", "a fault is a JSON object"),
    ],
)
def test_an_impossible_fault_is_refused_with_the_possible_values(members: Any, sentence: str) -> None:
    fine = {"service": "workmail", "operation": "DescribeUser", "error": "Timeout"}

    with pytest.raises(ValueError, match=r"^fault 2: ") as raised:
        read_faults(json.dumps([fine, members]))

    assert sentence in str(raised.value)


def test_a_fault_can_apply_to_one_function_and_calls_are_recorded(aws: Environment) -> None:
    functions = Functions(aws.runtime)
    code = """
        import boto3
        from botocore.exceptions import ClientError
        def handler(event, context):
            try:
                return len(boto3.client("workmail").list_organizations()["OrganizationSummaries"])
            except ClientError as error:
                return error.response["Error"]["Code"]
    """
    for name, module in [("first", "resolve_entity"), ("second", "verify_cleanup")]:
        functions.create({f"{module}.py": code}, name, handler=f"{module}.handler")
    aws.faults.add(Fault("workmail", "ListOrganizations", error="AccessDeniedException", function="VerifyCleanup"))

    with aws.faults.record_calls() as calls:
        answers = [functions.invoke(name=name) for name in ("first", "second")]
    functions.invoke(name="first")

    assert answers == [1, "AccessDeniedException"]
    assert calls == [
        RecordedCall(None, "lambda", "ResolveEntity"),
        RecordedCall("ResolveEntity", "workmail", "ListOrganizations"),
        RecordedCall(None, "lambda", "VerifyCleanup"),
        RecordedCall("VerifyCleanup", "workmail", "ListOrganizations"),
    ]


def test_a_fault_is_rendered_as_it_is_parsed() -> None:
    text = '[{"service": "lambda", "operation": "ResolveEntity", "afterEffect": "Runtime.ExitError", "times": 3}]'

    [fault] = read_faults(text)

    assert fault == Fault("lambda", "ResolveEntity", after_effect="Runtime.ExitError", times=3)
    assert [fault.to_members()] == json.loads(text)


@cache
def make_s3_client() -> Any:
    return boto3.client("s3", "us-east-1", config=ONCE)


CALLS = [("workmail", "RegisterToWorkMail"), ("s3", "GetObject"), ("lambda", "Invoke"), ("lambda", "CloseRecord")]


@pytest.mark.parametrize(
    ("operation", "name", "code"),
    [
        ("GetObject", "NoSuchKey", "NoSuchKey"),
        ("GetObject", "SlowDown", "SlowDown"),
        ("GetObjectAttributes", "AccessDenied", "AccessDenied"),
        ("HeadObject", "AccessDenied", "403"),
        ("ListObjectsV2", "NoSuchBucket", "NoSuchBucket"),
        ("ListObjectsV2", "Timeout", "ReadTimeoutError"),
    ],
)
def test_a_call_of_s3_fails_as_s3_does(aws: Environment, operation: str, name: str, code: str) -> None:
    stack, client = Stack(aws), make_s3_client()
    key = {} if operation == "ListObjectsV2" else {"Key": "k"}
    more = {"ObjectAttributes": ["Checksum"]} if operation == "GetObjectAttributes" else {}
    aws.faults.add(Fault("s3", operation, error=name))

    assert stack.does(lambda: getattr(client, xform_name(operation))(Bucket="b", **key, **more)) == code


def test_an_empty_answer_of_s3_has_no_content(aws: Environment) -> None:
    stack, client = Stack(aws), make_s3_client()
    aws.faults.add(*(Fault("s3", operation, error="EmptyAnswer") for operation in ("GetObject", "ListObjectsV2")))

    assert stack.does(lambda: client.get_object(Bucket="b", Key="k")["Body"].read()) == b""
    assert "Contents" not in stack.does(lambda: client.list_objects_v2(Bucket="b"))


def test_a_fault_accepts_every_possible_error() -> None:
    for service, operation in CALLS:
        for name in possible_errors(service, operation):
            assert Fault(service, operation, error=name).name == name


@pytest.fixture
def function(aws: Environment) -> Functions:
    functions = Functions(aws.runtime)
    functions.client.create_function(
        FunctionName="any", Role=functions.role, Runtime="python3.13", Handler="deregister_entity.handler", Timeout=30,
        Code={"ZipFile": zipped({"deregister_entity.py": "ran = 0\ndef handler(event, context):\n"
                                 "    global ran\n    ran += 1\n    print('ran')\n    return ran\n"})},
    )  # fmt: skip
    return functions


@pytest.mark.parametrize("fault", [
    Fault("lambda", "ResolveEntities", error="Runtime.ExitError"),
    Fault("workmail", "DescribeUser", error="Timeout", function="ResolveEntities"),
    Fault("lambda", "Invoke", latency=1, function="ResolveEntities"),
])  # fmt: skip
def test_a_fault_of_a_function_that_is_not_deployed_is_refused(aws: Environment, fault: Fault) -> None:
    with pytest.raises(ValueError, match="has no function ResolveEntities; it has no function"):
        aws.faults.add(fault)
    functions = Functions(aws.runtime)
    for module in ("verify_cleanup", "resolve_entity"):
        functions.create({f"{module}.py": ""}, module, handler=f"{module}.handler")

    with pytest.raises(
        ValueError, match="has no function ResolveEntities; its functions are ResolveEntity, VerifyCleanup"
    ):
        aws.faults.add(Fault("workmail", "DescribeUser", error="Timeout"), fault)

    assert aws.faults.list_hits() == []
    aws.faults.add(Fault("lambda", "Invoke", latency=1, function="VerifyCleanup"))


@pytest.mark.parametrize("name", ["Runtime.ExitError", "Sandbox.Timedout"])
@pytest.mark.parametrize(("when", "ran"), [("error", 0), ("after_effect", 1)])
def test_an_invocation_can_end_without_an_answer(
    aws: Environment, function: Functions, name: str, when: str, ran: int
) -> None:
    aws.faults.add(Fault("lambda", "DeregisterEntity", times=1, **{when: name}))

    failed = function.error(name="any")

    assert failed["errorType"] == name
    assert "Error: " in failed["errorMessage"]
    assert aws.runtime.logs("any") == [*["ran"] * ran, f"[ERROR] {name}: {failed['errorMessage']}"]
    # In a new execution environment.
    assert function.invoke(name="any") == 1
    assert aws.clock.now() - NOON == timedelta(seconds=30 if name == "Sandbox.Timedout" else 0)


@pytest.mark.parametrize(("latency", "error"), [(29, None), (31, "Sandbox.Timedout")])
def test_a_slow_function_times_out(aws: Environment, function: Functions, latency: float, error: str | None) -> None:
    aws.faults.add(Fault("lambda", "DeregisterEntity", latency=latency, times=1))

    if error:
        assert function.error(name="any")["errorType"] == error
    assert function.invoke(name="any") == 1
    assert aws.clock.now() - NOON == timedelta(seconds=min(latency, 30))
