"""Quotas: what AWS refuses while it does as much as it allows, and what its services do then."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.aws.quotas import QuotaSettings
from local.clock import Clock
from local.environment import Environment
from tests.unit.local.conftest import NOON, ROLE, Functions

ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})
ECHO = "def handler(event, context):\n    print('ran')\n    return event"
PRINT_AGE = """
import json, time
def handler(event, context):
    [record] = event["Records"]
    attributes = record["attributes"]
    age = round(time.time() - int(attributes["SentTimestamp"]) / 1000, 3)
    print(json.dumps([age, attributes["ApproximateReceiveCount"]]))
    return {}
"""
SECOND = timedelta(seconds=1)


@pytest.fixture
def aws() -> Iterator[Environment]:
    with Environment(now=NOON, quotas=QuotaSettings(lambda_concurrency=2, invocation_seconds=10)) as environment:
        yield environment


@pytest.fixture
def functions(aws: Environment) -> Functions:
    functions = Functions(aws.runtime)
    functions.create(ECHO, Timeout=30)
    return functions


def start_threads(clock: Clock, count: int, call: Callable[[], Any]) -> None:
    """Start threads at one instant."""
    with clock.count_as_work("start of threads"):
        for number in range(count):
            clock.start_thread(f"thread {number}", call)


def occupy(functions: Functions, action: str, **duration: float) -> None:
    """Have a function do something and then run on for a while."""
    name = f"occupant-{uuid.uuid4()}"
    seconds = timedelta(**duration).total_seconds()
    functions.create(
        f"import boto3, time\ndef handler(e, c):\n    {action}\n    time.sleep({seconds})", name, Timeout=100_000
    )
    assert functions.invoke(name=name) is None


class TestConcurrency:
    def test_a_further_invocation_is_refused_until_one_has_ended(self, aws: Environment, functions: Functions) -> None:
        client = boto3.client("lambda", "us-east-1", config=ONCE)
        answers: list[Any] = []

        def invoke() -> None:
            try:
                client.invoke(FunctionName="function", Payload="1")
            except client.exceptions.TooManyRequestsException as error:
                answers.append((error.response, aws.clock.now()))
            else:
                answers.append(aws.clock.now())

        start_threads(aws.clock, 3, invoke)
        aws.clock.settle()
        start_threads(aws.clock, 2, invoke)
        aws.clock.settle()

        (refused, refused_at), *others = answers
        assert others == [NOON + 10 * SECOND] * 2 + [NOON + 20 * SECOND] * 2
        assert refused_at == NOON
        assert refused["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert (refused["Reason"], refused["Type"]) == ("ConcurrentInvocationLimitExceeded", "User")
        assert refused["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}

    def test_invocations_that_take_no_time_are_not_limited(self, aws: Environment, functions: Functions) -> None:
        aws.quotas.settings = QuotaSettings(lambda_concurrency=1)
        answers: list[Any] = []
        start_threads(aws.clock, 20, lambda: answers.append(functions.invoke(1)))
        aws.clock.settle()

        assert answers == [1] * 20

    def test_an_invocation_can_time_out_by_its_time(self, aws: Environment, functions: Functions) -> None:
        aws.quotas.settings = QuotaSettings(invocation_seconds=31)

        assert functions.error()["errorType"] == "Sandbox.Timedout"
        assert aws.clock.now() - NOON == 30 * SECOND

    def test_step_functions_sees_lambda_s_error(self, aws: Environment, functions: Functions) -> None:
        retry = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 10, "MaxAttempts": 1}
        call = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True, "Retry": [retry],
                "Arguments": {"FunctionName": "function", "Payload": 1}}  # fmt: skip
        definition = {"QueryLanguage": "JSONata", "StartAt": "Call", "States": {"Call": call}}
        states = aws.client("stepfunctions")
        machine = states.create_state_machine(name="machine", definition=json.dumps(definition), roleArn=ROLE)
        with aws.clock.count_as_work("start of executions"):
            arns = [aws.start({}, state_machine_arn=machine["stateMachineArn"]) for _ in range(5)]
        aws.clock.settle()

        ends = [(answer["status"], answer.get("error")) for answer in map(aws.describe, arns)]
        assert sorted(ends, key=str) == [("FAILED", "Lambda.TooManyRequestsException"), *[("SUCCEEDED", None)] * 4]

    def test_an_asynchronous_invocation_is_accepted_and_runs_later(
        self, aws: Environment, functions: Functions
    ) -> None:
        with aws.clock.count_as_work("invocations"):
            for _ in range(7):
                functions.client.invoke(FunctionName="function", InvocationType="Event")
        aws.clock.advance(timedelta(minutes=2))

        assert functions.runtime.logs("function") == ["ran"] * 7

    def test_a_batch_of_a_queue_is_tried_again_until_its_messages_are_visible(
        self, aws: Environment, functions: Functions
    ) -> None:
        aws.quotas.settings = QuotaSettings(lambda_concurrency=1)
        sqs = aws.client("sqs")
        queue = sqs.create_queue(QueueName="queue", Attributes={"VisibilityTimeout": "12"})["QueueUrl"]
        functions.create(PRINT_AGE, "receiver")
        functions.client.create_event_source_mapping(
            FunctionName="receiver", EventSourceArn="arn:aws:sqs:us-east-1:123456789012:queue", BatchSize=1
        )

        for seconds in (6, 8):
            occupy(functions, f"boto3.client('sqs').send_message(QueueUrl='{queue}', MessageBody='')", seconds=seconds)
            aws.clock.advance(timedelta(minutes=1))

        # Tried after 0, 1, 3 and 7 seconds; and when the message is visible again.
        receipts = [json.loads(line) for line in functions.runtime.logs("receiver")]
        assert receipts == [[7, "1"], [12.001, "2"]]

    def test_a_batch_of_a_stream_is_tried_again_without_a_count(self, aws: Environment, functions: Functions) -> None:
        aws.quotas.settings = QuotaSettings(lambda_concurrency=1)
        table = aws.client("dynamodb").create_table(
            TableName="table",
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
            AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
        )["TableDescription"]
        functions.client.create_event_source_mapping(
            FunctionName="function", EventSourceArn=table["LatestStreamArn"], StartingPosition="TRIM_HORIZON",
            MaximumRetryAttempts=0, BisectBatchOnFunctionError=True, BatchSize=10,
        )  # fmt: skip
        occupy(functions, "boto3.client('dynamodb').put_item(TableName='table', Item={'Id': {'S': '1'}})", seconds=10)
        aws.clock.advance(timedelta(minutes=1))

        assert functions.runtime.logs("function") == ["ran"]


class TestRates:
    @pytest.fixture
    def aws(self) -> Iterator[Environment]:
        quotas = QuotaSettings(get_parameter_per_second=3, describe_execution_per_second=2)
        with Environment(now=NOON, quotas=quotas) as environment:
            yield environment

    def count(self, call: Callable[[], Any]) -> int:
        """Return how many calls succeed at this instant."""
        for number in range(10):
            try:
                call()
            except ClientError as error:
                if error.response["Error"] != {"Code": "ThrottlingException", "Message": "Rate exceeded"}:
                    raise
                return number
        return 10

    def test_so_many_calls_succeed_in_a_second(self, aws: Environment) -> None:
        ssm = boto3.client("ssm", "us-east-1", config=ONCE)
        ssm.put_parameter(Name="name", Value="value", Type="String")

        def call() -> None:
            ssm.get_parameter(Name="name")

        counts = [self.count(call)]
        for seconds in (0, 0.4, 0.7, 1, 100):
            aws.clock.advance(timedelta(seconds=seconds))
            counts.append(self.count(call))

        assert counts == [3, 0, 1, 2, 3, 3]
        aws.quotas.settings = QuotaSettings()
        assert self.count(call) == 10

    def test_regions_and_operations_have_their_own(self, aws: Environment) -> None:
        states, states_abroad = (boto3.client("stepfunctions", r, config=ONCE) for r in ("us-east-1", "eu-west-1"))

        def describe(client: Any) -> None:
            with pytest.raises(client.exceptions.ExecutionDoesNotExist):
                client.describe_execution(
                    executionArn=f"arn:aws:states:{client.meta.region_name}:123456789012:execution:a:b"
                )

        assert self.count(lambda: describe(states)) == 2
        assert self.count(lambda: describe(states_abroad)) == 2
        assert self.count(lambda: states.list_state_machines()) == 10


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lambda_concurrency": 0}, "lambda_concurrency must be a whole number from 1 on, or null for no quota, not 0"),
        ({"get_parameter_per_second": True}, "get_parameter_per_second must be a whole number"),
        ({"describe_execution_per_second": 1.5}, "describe_execution_per_second must be a whole number"),
        ({"invocation_seconds": -1}, "invocation_seconds must be a number from 0 to 900, not -1"),
        ({"invocation_seconds": True}, "invocation_seconds must be a number"),
        ({"invocation_seconds": "1"}, "invocation_seconds must be a number"),
    ],
)
def test_an_impossible_quota_is_refused_with_the_possible_values(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match="must be") as raised:
        QuotaSettings(**settings)

    assert sentence in str(raised.value)
