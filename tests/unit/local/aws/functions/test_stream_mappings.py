"""Event source mappings of DynamoDB streams on the clock, with a function and a table of the test's own."""

import json
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.dynamodb.models import dynamodb_backends

from local.environment import Environment
from local.faults import Fault
from tests.unit.local.aws.dynamodb.tables import TABLE, CompositeTable, key, operation
from tests.unit.local.conftest import NOON, zipped

HANDLER = """
    import json
    def handler(event, context):
        records = {r["dynamodb"]["SequenceNumber"]: r["dynamodb"]["Keys"]["Part"]["S"] for r in event["Records"]}
        print("BATCH", json.dumps(list(records.values())))
        print("EVENT", json.dumps(event))
        if any(part.startswith("crash") for part in records.values()):
            raise ValueError("crash")
        if "nonsense" in records.values():
            return {"batchItemFailures": [{"itemIdentifier": "1"}]}
        if "text" in records.values():
            return "text"
        if "nothing" in records.values():
            return None
        failed = [number for number, part in records.items() if part.startswith("bad")]
        return {"batchItemFailures": [{"itemIdentifier": number} for number in reversed(failed)]}
"""
READING = [f"dynamodb:{name}" for name in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")]
REPORTS = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


class Mapping:
    def __init__(self, aws: Environment) -> None:
        self.aws = aws
        self.table = CompositeTable(StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
        self.stream = self.table.description["LatestStreamArn"]
        self.sqs, self.functions, self.iam = (aws.client(name) for name in ("sqs", "lambda", "iam"))
        self.dead = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        self.dead_arn = "arn:aws:sqs:us-east-1:123456789012:dead"
        role = self.iam.create_role(RoleName="reader", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self.allow(READING, self.stream)
        self.allow(["sqs:SendMessage"], self.dead_arn)
        self.functions.create_function(
            FunctionName="reader",
            Runtime="python3.13",
            Role=role,
            Handler="app.handler",
            Code={"ZipFile": zipped({"app.py": textwrap.dedent(HANDLER)})},
        )
        self.uuid = ""

    def allow(self, actions: list[str], resource: str) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_role_policy(RoleName="reader", PolicyName=resource.split(":")[2], PolicyDocument=document)

    def create(self, **more: Any) -> None:
        self.uuid = self.functions.create_event_source_mapping(
            EventSourceArn=self.stream, FunctionName="reader", **{"StartingPosition": "TRIM_HORIZON", **more}
        )["UUID"]
        self.aws.clock.settle()

    def enable(self, *, enabled: bool) -> None:
        self.functions.update_event_source_mapping(UUID=self.uuid, Enabled=enabled)
        self.aws.clock.settle()

    def write(self, *parts: str, item: str = "r") -> None:
        """Write items in one transaction, so that they are in one batch."""
        self.table.transact(*(operation("Put", item, part) for part in parts))
        self.aws.clock.settle()

    def advance(self, seconds: float) -> None:
        self.aws.clock.advance(timedelta(seconds=seconds))

    def _lines(self, word: str) -> list[Any]:
        return [json.loads(line.removeprefix(word)) for line in self.aws.logs("reader") if line.startswith(word)]

    @property
    def batches(self) -> list[list[str]]:
        return self._lines("BATCH ")

    @property
    def events(self) -> list[Any]:
        return self._lines("EVENT ")

    def dead_letters(self) -> list[Any]:
        messages = self.sqs.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    def kept_records(self) -> int:
        [table] = dynamodb_backends["123456789012"]["us-east-1"].tables.values()
        return len(table.stream_shard.items)


@pytest.fixture
def mapping() -> Iterator[Mapping]:
    with Environment(organization=None, now=NOON) as aws:
        yield Mapping(aws)


def test_records_are_delivered_in_order_with_the_documented_members(mapping: Mapping) -> None:
    mapping.create()
    mapping.write("b", "a")
    mapping.table.delete("r", "a")
    mapping.aws.clock.settle()

    assert [part for batch in mapping.batches for part in batch] == ["b", "a", "a"]
    records = [record for event in mapping.events for record in event["Records"]]
    assert [record["eventName"] for record in records] == ["INSERT", "INSERT", "REMOVE"]
    assert records[0] == {
        "eventID": records[0]["eventID"],
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": int(NOON.timestamp()),
            "Keys": key("r", "b"),
            "NewImage": key("r", "b"),
            "SequenceNumber": "1100000000017454423009",
            "SizeBytes": 16,
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": mapping.stream,
    }


def test_the_starting_position_and_the_batch_size_decide_what_is_delivered(mapping: Mapping) -> None:
    mapping.write(*(f"{number}" for number in range(5)))
    mapping.create(BatchSize=2)
    assert mapping.batches == [["0", "1"], ["2", "3"], ["4"]]

    mapping.functions.delete_event_source_mapping(UUID=mapping.uuid)
    mapping.write("between")
    mapping.create(StartingPosition="LATEST")
    mapping.write("latest")
    assert mapping.batches[3:] == [["latest"]]


@pytest.mark.parametrize(
    ("pattern", "delivered"),
    [
        ({"dynamodb": {"NewImage": {"Kind": {"S": ["Step"]}}}}, ["step"]),
        ({"eventName": ["REMOVE"]}, []),
        ({"dynamodb": {"Keys": {"Part": {"S": [{"anything-but": ["step"]}]}}}}, ["other"]),
        ({}, ["step", "other"]),
    ],
)
def test_filters_choose_the_records(mapping: Mapping, pattern: Any, delivered: list[str]) -> None:
    never = {"Pattern": json.dumps({"eventName": ["NEVER"]})}
    mapping.create(FilterCriteria={"Filters": [never, {"Pattern": json.dumps(pattern)}]})
    mapping.table.transact(operation("Put", "r", "step", Item={"Kind": {"S": "Step"}}), operation("Put", "r", "other"))
    mapping.aws.clock.settle()

    assert [part for batch in mapping.batches for part in batch] == delivered
    assert mapping.kept_records() == (0 if delivered else 2)


def test_a_batch_is_retried_from_the_lowest_failed_record_with_growing_delays(mapping: Mapping) -> None:
    mapping.create(**REPORTS)
    mapping.enable(enabled=False)
    mapping.write("good", "bad", "better", "bad too")
    mapping.enable(enabled=True)
    assert mapping.batches == [["good", "bad", "better", "bad too"]]
    assert mapping.aws.clock.now() == NOON

    for count, seconds in enumerate((1, 2, 4, 8, 16, 32, 60, 60), start=2):
        mapping.advance(seconds - 0.1)
        assert len(mapping.batches) == count - 1
        mapping.advance(0.1)
        assert mapping.batches[1:] == [["bad", "better", "bad too"]] * (count - 1)


def test_later_records_wait_until_a_failed_batch_is_given_up(mapping: Mapping) -> None:
    mapping.create(MaximumRetryAttempts=2, DestinationConfig={"OnFailure": {"Destination": mapping.dead_arn}})
    mapping.write("crash")
    mapping.write("later")
    mapping.advance(2.9)
    assert mapping.batches == [["crash"]] * 2
    mapping.advance(0.1)

    assert mapping.batches == [["crash"]] * 3 + [["later"]]
    [letter] = mapping.dead_letters()
    request = letter.pop("requestContext")
    assert len(request.pop("requestId")) == 36
    assert request == {
        "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:reader",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 3,
    }
    assert letter == {
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2026-11-22T12:00:03.000Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000001541626099285-f35f62ef",
            "startSequenceNumber": "1100000000017454423009",
            "endSequenceNumber": "1100000000017454423009",
            "approximateArrivalOfFirstRecord": "2026-11-22T12:00:00Z",
            "approximateArrivalOfLastRecord": "2026-11-22T12:00:00Z",
            "batchSize": 1,
            "streamArn": mapping.stream,
        },
    }
    assert mapping.kept_records() == 0


def test_a_batch_is_split_until_the_failing_record_is_alone(mapping: Mapping) -> None:
    mapping.create(
        MaximumRetryAttempts=1,
        BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": mapping.dead_arn}},
    )
    mapping.enable(enabled=False)
    mapping.write("a", "crash", "b", "c", "d")
    mapping.enable(enabled=True)
    assert mapping.batches == [["a", "crash", "b", "c", "d"], ["a", "crash", "b"], ["a", "crash"], ["a"], ["crash"]]
    mapping.advance(1)

    assert mapping.batches[5:] == [["crash"], ["b"], ["c", "d"]]
    [letter] = mapping.dead_letters()
    assert letter["DDBStreamBatchInfo"]["batchSize"] == 1


def test_records_are_given_up_when_they_are_too_old(mapping: Mapping) -> None:
    mapping.create(MaximumRecordAgeInSeconds=120, DestinationConfig={"OnFailure": {"Destination": mapping.dead_arn}})
    mapping.write("crash")
    mapping.advance(60)
    mapping.write("later")
    mapping.advance(119)
    [letter] = mapping.dead_letters()

    assert letter["requestContext"]["condition"] == "RecordAgeExceeded"
    assert letter["requestContext"]["approximateInvokeCount"] == mapping.batches.count(["crash"]) == 7
    assert mapping.batches[-1] == ["later"]


def test_records_are_lost_after_24_hours(mapping: Mapping) -> None:
    mapping.create()
    mapping.write("crash")
    # Disabled for most of the time: 24 hours are more than a thousand retries.
    mapping.enable(enabled=False)
    mapping.advance(60 * 60 * 24 - 61)
    mapping.write("later")
    mapping.enable(enabled=True)
    mapping.advance(59)
    assert set(map(tuple, mapping.batches)) == {("crash",)}
    mapping.advance(120)

    assert mapping.batches[-1] == ["later"]


def test_a_disabled_mapping_keeps_its_place_for_24_hours(mapping: Mapping) -> None:
    mapping.create()
    mapping.enable(enabled=False)
    mapping.write("old")
    mapping.advance(60 * 60 * 20)
    mapping.write("new")
    mapping.advance(60 * 60 * 5)
    assert mapping.batches == []
    mapping.enable(enabled=True)

    assert mapping.batches == [["new"]]


@pytest.mark.parametrize(
    ("part", "reports", "is_retried"),
    [
        ("crash", False, True),
        ("bad", False, False),
        ("text", False, False),
        ("bad", True, True),
        ("text", True, True),
        ("nonsense", True, True),
        ("nothing", True, False),
        ("good", True, False),
    ],
)
def test_an_answer_is_a_failure_or_not(mapping: Mapping, part: str, reports: bool, is_retried: bool) -> None:
    mapping.create(**(REPORTS if reports else {}))
    mapping.write(part)
    mapping.advance(1)

    assert mapping.batches == [[part]] * (2 if is_retried else 1)


def test_a_fault_of_the_function_is_a_failure(mapping: Mapping) -> None:
    mapping.create()
    mapping.aws.faults.add(Fault("lambda", "App", error="Runtime.ExitError", times=1))
    mapping.write("a")
    assert mapping.batches == []
    mapping.advance(1)

    assert mapping.batches == [["a"]]


def test_partition_keys_fail_apart_from_each_other_with_several_readers(mapping: Mapping) -> None:
    mapping.create(ParallelizationFactor=10)
    mapping.write("crash", item="r0")
    for number in range(10):
        mapping.write("good", item=f"r{number}")

    delivered = [record["dynamodb"]["Keys"]["Id"]["S"] for event in mapping.events for record in event["Records"]]
    assert {"r1", "r2", "r3"} <= set(delivered)
    assert mapping.batches.count(["good"]) == len(delivered) - 1
    mapping.advance(1)
    assert mapping.events[-1]["Records"][0]["dynamodb"]["Keys"]["Id"]["S"] == "r0"


def test_a_function_that_writes_to_its_own_table_is_invoked_again(mapping: Mapping) -> None:
    code = """
        import boto3
        def handler(event, context):
            parts = [record["dynamodb"]["Keys"]["Part"]["S"] for record in event["Records"]]
            print("BATCH", __import__("json").dumps(parts))
            table = boto3.resource("dynamodb").Table("records")
            for part in parts:
                for name in "12" if len(part) == 1 else "":
                    table.put_item(Item={"Id": "r", "Part": part + name})
    """
    mapping.functions.update_function_code(FunctionName="reader", ZipFile=zipped({"app.py": textwrap.dedent(code)}))
    mapping.allow(["dynamodb:PutItem", *READING], "arn:aws:dynamodb:*")
    mapping.create()
    mapping.write("a")

    # What an invocation writes is complete before the next batch is read.
    assert mapping.batches == [["a"], ["a1", "a2"]]


def test_a_deleted_mapping_reads_no_more(mapping: Mapping) -> None:
    mapping.create()
    mapping.write("crash")
    mapping.functions.delete_event_source_mapping(UUID=mapping.uuid)
    mapping.write("later")
    mapping.advance(3600)

    assert mapping.batches == [["crash"]]


@pytest.mark.parametrize("action", READING)
def test_a_mapping_needs_a_role_that_may_read_the_stream(mapping: Mapping, action: str) -> None:
    mapping.allow([name for name in READING if name != action], mapping.stream)

    with pytest.raises(ClientError, match=f"ensure the role can perform the {action.partition(':')[2]} action"):
        mapping.create()
    assert mapping.functions.list_event_source_mappings()["EventSourceMappings"] == []


def test_a_mapping_needs_a_role_that_may_send_to_the_destination(mapping: Mapping) -> None:
    mapping.allow(["sqs:SendMessage"], f"{mapping.dead_arn}-other".replace(":sqs:", ":sqs:"))

    with pytest.raises(ClientError, match="SendMessage"):
        mapping.create(DestinationConfig={"OnFailure": {"Destination": mapping.dead_arn}})


def test_a_stack_has_a_table_with_a_stream_and_a_mapping_that_an_update_changes() -> None:
    def template(**mapping: Any) -> str:
        attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("Id", "Part")]
        schema = [{"AttributeName": "Id", "KeyType": "HASH"}, {"AttributeName": "Part", "KeyType": "RANGE"}]
        table = {
            "TableName": TABLE, "AttributeDefinitions": attributes, "KeySchema": schema,
            "BillingMode": "PAY_PER_REQUEST", "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        }  # fmt: skip
        source = {"EventSourceArn": {"Fn::GetAtt": ["Table", "StreamArn"]}, "FunctionName": "reader"}
        return json.dumps({"Resources": {
            "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
                **source, "StartingPosition": "TRIM_HORIZON", **mapping}},
            "Table": {"Type": "AWS::DynamoDB::Table", "Properties": table},
        }})  # fmt: skip

    with Environment(organization=None, now=NOON) as aws:
        mapping = Mapping(aws)
        mapping.table.client.delete_table(TableName=TABLE)
        mapping.allow(READING, "arn:aws:dynamodb:*")
        stacks = boto3.client("cloudformation", "us-east-1")
        stacks.create_stack(StackName="s", TemplateBody=template(BatchSize=1, MaximumRetryAttempts=0))
        [created] = mapping.functions.list_event_source_mappings()["EventSourceMappings"]
        mapping.write("a", "b")
        stacks.update_stack(StackName="s", TemplateBody=template(Enabled=False))
        [updated] = mapping.functions.list_event_source_mappings()["EventSourceMappings"]
        assert mapping.batches == [["a"], ["b"]]

    assert updated["UUID"] == created["UUID"]
    assert (created["BatchSize"], created["MaximumRetryAttempts"], created["State"]) == (1, 0, "Enabled")
    assert (updated["BatchSize"], updated.get("MaximumRetryAttempts"), updated["State"]) == (100, None, "Disabled")
