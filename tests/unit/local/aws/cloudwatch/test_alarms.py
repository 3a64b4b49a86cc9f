"""Alarms on the clock, on what happens in an environment."""

import json
import textwrap
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws.quotas import QuotaSettings
from local.environment import Environment
from local.faults import Fault
from tests.unit.local.assemblies import NOON
from tests.unit.local.conftest import ROLE, zipped

MINUTE = timedelta(minutes=1)
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ACCOUNT = "us-east-1:123456789012"
QUEUE = [{"Name": "QueueName", "Value": "queue"}]
HANDLER = """
    import json, time
    def handler(event, context):
        if event == "crash":
            raise ValueError("crash")
        directive = {"Namespace": "N", "Dimensions": [["service"]], "Metrics": [{"Name": "Refused"}, {"Name": "Late"}]}
        metadata = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
        print(json.dumps({"_aws": metadata, "service": "intake", "Refused": event, "Late": 1}))
"""
FAIL = {"Fail": {"Type": "Fail", "Error": "E"}}


class Account:
    """What the tests do in an environment, in short methods."""

    def __init__(self, aws: Environment) -> None:
        self.aws = aws
        self.cloudwatch, self.sqs, self.sns = (aws.client(name) for name in ("cloudwatch", "sqs", "sns"))
        self.queue = self.create_queue("queue")

    def create_queue(self, name: str) -> str:
        return self.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "30"})["QueueUrl"]

    def put_alarm(self, name: str = "alarm", **members: Any) -> None:
        metric = {} if "Metrics" in members else {"Statistic": "Sum", "Period": 60}
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            **{
                **metric,
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching",
                **members,
            },
        )

    def put_queue_alarm(self, metric: str = "ApproximateNumberOfMessagesVisible", **members: Any) -> None:
        parameters = {"Namespace": "AWS/SQS", "Statistic": "Maximum", "Dimensions": QUEUE, "Period": 300, **members}
        self.put_alarm(MetricName=metric, **parameters)

    def put_data(self, *values: float, name: str = "M", when: datetime | None = None) -> None:
        moment = {} if when is None else {"Timestamp": when}
        data = [{"MetricName": name, "Value": value, **moment} for value in values]
        self.cloudwatch.put_metric_data(Namespace="N", MetricData=data)

    def describe(self, name: str = "alarm") -> dict[str, Any]:
        [alarm] = self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return alarm

    def state(self, name: str = "alarm") -> str:
        return self.describe(name)["StateValue"]

    def advance(self, by: timedelta) -> None:
        self.aws.clock.advance(by)

    def changes(self, name: str = "alarm") -> list[tuple[timedelta, str]]:
        """Return the changes of an alarm's state, and when they were, counted from noon."""
        items = self.cloudwatch.describe_alarm_history(
            AlarmName=name, HistoryItemType="StateUpdate", ScanBy="TimestampAscending"
        )["AlarmHistoryItems"]
        return [(item["Timestamp"] - NOON, json.loads(item["HistoryData"])["newState"]["stateValue"]) for item in items]

    def create_function(self, name: str = "function") -> None:
        role = self.aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self.aws.client("lambda").create_function(
            FunctionName=name,
            Role=role,
            Runtime="python3.13",
            Handler="app.handler",
            Code={"ZipFile": zipped({"app.py": textwrap.dedent(HANDLER)})},
        )

    def invoke(self, event: Any, name: str = "function") -> None:
        self.aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))

    def create_machine(self, states: dict[str, Any]) -> str:
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}
        answer = self.aws.client("stepfunctions").create_state_machine(
            name="machine", definition=json.dumps(definition), roleArn=ROLE
        )
        return answer["stateMachineArn"]


@pytest.fixture
def account() -> Iterator[Account]:
    with Environment(organization=None, now=NOON, alarms=True) as aws:
        yield Account(aws)


def test_an_alarm_begins_with_insufficient_data_and_is_evaluated_at_the_next_minute(account: Account) -> None:
    account.put_alarm(Namespace="N", MetricName="M")
    assert (account.state(), account.changes()) == ("INSUFFICIENT_DATA", [])
    account.advance(MINUTE)

    assert account.changes() == [(MINUTE, "OK")]


def test_a_move_of_thirty_days_misses_no_hour_in_which_executions_failed(account: Account) -> None:
    wait = {"Type": "Wait", "Seconds": int(10 * DAY / timedelta(seconds=1)), "Next": "Fail"}
    machine = account.create_machine({"Wait": wait, **FAIL})
    account.put_alarm(
        Namespace="AWS/States", MetricName="ExecutionsFailed", Period=3600, Threshold=5,
        Dimensions=[{"Name": "StateMachineArn", "Value": machine}],
    )  # fmt: skip
    for number in range(5):
        account.aws.start({}, name=f"e{number}", state_machine_arn=machine)
        account.advance(timedelta(minutes=10))
    account.advance(30 * DAY)

    # The fifth failure is 40 minutes after the first. Without further data the last hour that has some is evaluated
    # again, as CloudWatch documents it: an hour and two hours later it is the same one.
    rings_at = 10 * DAY + 41 * MINUTE
    rings = [(rings_at + number * HOUR + step, state) for number in range(3)
             for step, state in ((0 * MINUTE, "ALARM"), (20 * MINUTE, "OK"))]  # fmt: skip
    assert account.changes() == [(MINUTE, "OK"), *rings]


def test_four_failures_in_an_hour_and_a_fifth_later_ring_no_alarm(account: Account) -> None:
    account.put_alarm(Namespace="N", MetricName="M", Period=3600, Threshold=5)
    account.put_data(1, 1, 1, 1)
    account.advance(HOUR)
    account.put_data(1)
    account.advance(DAY)

    assert account.changes() == [(MINUTE, "OK")]


def test_a_message_rings_the_alarm_of_its_queue_until_it_is_deleted(account: Account) -> None:
    account.put_queue_alarm()
    account.advance(30 * DAY)
    account.sqs.send_message(QueueUrl=account.queue, MessageBody="a")
    account.advance(3 * DAY)
    [message] = account.sqs.receive_message(QueueUrl=account.queue)["Messages"]
    account.sqs.delete_message(QueueUrl=account.queue, ReceiptHandle=message["ReceiptHandle"])
    account.advance(30 * DAY)

    # A period of five minutes still has the message until five minutes after the deletion.
    expected = [(MINUTE, "OK"), (30 * DAY + MINUTE, "ALARM"), (33 * DAY + 6 * MINUTE, "OK")]
    assert account.changes() == expected


def test_a_received_message_is_not_visible_until_its_timeout(account: Account) -> None:
    account.put_queue_alarm(Period=60, Statistic="Minimum")
    account.sqs.send_message(QueueUrl=account.queue, MessageBody="a")
    account.sqs.receive_message(QueueUrl=account.queue, VisibilityTimeout=600)
    account.advance(HOUR)

    assert account.changes() == [(MINUTE, "OK"), (11 * MINUTE, "ALARM")]


def test_an_alarm_on_the_oldest_message_rings_when_the_age_is_reached(account: Account) -> None:
    account.put_queue_alarm("ApproximateAgeOfOldestMessage", Threshold=7200)
    account.advance(MINUTE)
    account.sqs.send_message(QueueUrl=account.queue, MessageBody="a")
    account.advance(DAY)

    assert account.changes() == [(MINUTE, "OK"), (2 * HOUR + MINUTE, "ALARM")]


def test_a_message_that_was_received_four_times_is_not_the_oldest(account: Account) -> None:
    account.put_queue_alarm("ApproximateAgeOfOldestMessage", Threshold=3600)
    account.sqs.send_message(QueueUrl=account.queue, MessageBody="a")
    for _ in range(4):
        account.sqs.receive_message(QueueUrl=account.queue, VisibilityTimeout=1)
        account.advance(MINUTE)
    account.advance(DAY)

    assert account.changes() == [(MINUTE, "OK")]


def test_the_oldest_of_two_queues_is_found_by_metric_math(account: Account) -> None:
    account.create_queue("second")
    account.put_alarm(Threshold=3600, Metrics=[
        {"Id": f"m{number}", "ReturnData": False, "MetricStat": {"Stat": "Maximum", "Period": 300, "Metric": {
            "Namespace": "AWS/SQS", "MetricName": "ApproximateAgeOfOldestMessage",
            "Dimensions": [{"Name": "QueueName", "Value": name}]}}}
        for number, name in enumerate(("queue", "second"))
    ] + [{"Id": "oldest", "Expression": "MAX([m0, m1])", "ReturnData": True}])  # fmt: skip
    account.sqs.send_message(QueueUrl=account.queue, MessageBody="a")
    account.advance(DAY)

    assert account.changes() == [(MINUTE, "OK"), (HOUR, "ALARM")]


def test_metric_math_adds_several_metrics_and_fills_what_is_missing(account: Account) -> None:
    account.put_alarm(Threshold=3, Metrics=[
        {"Id": name.lower(), "ReturnData": False,
         "MetricStat": {"Stat": "Sum", "Period": 300, "Metric": {"Namespace": "N", "MetricName": name}}}
        for name in ("A", "B")
    ] + [{"Id": "sum", "Expression": "FILL(a, 0) + FILL(b, 0)", "ReturnData": True}])  # fmt: skip
    account.put_data(1, 1, name="A")
    account.advance(MINUTE)
    assert account.state() == "OK"
    account.put_data(1, name="B")
    account.advance(MINUTE)

    assert account.state() == "ALARM"
    account.advance(HOUR)
    assert account.changes() == [(MINUTE, "OK"), (2 * MINUTE, "ALARM"), (6 * MINUTE, "OK")]


def test_metrics_in_the_log_of_a_function_ring_an_alarm(account: Account) -> None:
    account.put_alarm(
        Namespace="N", MetricName="Refused", Threshold=6, Dimensions=[{"Name": "service", "Value": "intake"}]
    )
    account.create_function()
    account.invoke([1, 2, 3])
    account.advance(MINUTE)

    assert account.state() == "ALARM"


@pytest.mark.parametrize("dimensions", [[], [{"Name": "FunctionName", "Value": "function"}]])
@pytest.mark.parametrize(("metric", "events"), [("Errors", [1, "crash"]), ("Invocations", [1, 1])])
def test_invocations_and_errors_of_functions_are_metrics(
    account: Account, metric: str, events: list[Any], dimensions: list[dict[str, str]]
) -> None:
    account.put_alarm(Namespace="AWS/Lambda", MetricName=metric, Dimensions=dimensions, Threshold=len(set(events)))
    account.create_function()
    account.create_function("second")
    account.invoke(events[0])
    account.advance(MINUTE)
    states = [account.state()]
    account.invoke(events[1])
    if metric == "Errors":
        account.invoke("crash")
    account.advance(MINUTE)

    assert [*states, account.state()] == (["OK", "ALARM"] if metric == "Errors" else ["ALARM", "ALARM"])


def test_a_refused_invocation_is_a_throttle_and_no_invocation(account: Account) -> None:
    account.put_alarm("throttles", Namespace="AWS/Lambda", MetricName="Throttles")
    account.create_function()
    account.aws.quotas.settings = QuotaSettings(lambda_concurrency=1)
    with account.aws.quotas.count_invocation("123456789012", "us-east-1"):
        account.aws.client("lambda").invoke(FunctionName="function", Payload="1", InvocationType="Event")
        account.aws.clock.settle()
    account.advance(MINUTE)

    assert account.state("throttles") == "ALARM"
    data = account.cloudwatch.get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="Invocations", StartTime=NOON, EndTime=NOON + HOUR, Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]  # fmt: skip
    assert [point["Sum"] for point in data] == [1.0]


def test_an_invocation_that_a_fault_refuses_is_a_throttle(account: Account) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "function", "Payload": {}},
        "End": True,
    }
    account.create_function()
    account.put_alarm(
        Namespace="AWS/Lambda", MetricName="Throttles", Dimensions=[{"Name": "FunctionName", "Value": "function"}]
    )
    account.aws.faults.add(Fault("lambda", "Invoke", error="TooManyRequestsException"))
    account.aws.start({}, state_machine_arn=account.create_machine({"Task": task}))
    account.advance(MINUTE)

    assert account.state() == "ALARM"


def test_starts_and_ends_of_executions_are_metrics(account: Account) -> None:
    machine = account.create_machine(FAIL)
    account.aws.start({}, state_machine_arn=machine)
    account.advance(MINUTE)

    names = {metric["MetricName"] for metric in account.cloudwatch.list_metrics(Namespace="AWS/States")["Metrics"]}
    assert names == {"ExecutionsStarted", "ExecutionsFailed", "ExecutionTime"}


def test_an_alarm_without_data_is_insufficient_again_if_missing_data_are_missing(account: Account) -> None:
    account.put_alarm(Namespace="N", MetricName="M", TreatMissingData="missing")
    account.advance(HOUR)
    account.put_data(0)
    account.advance(HOUR)

    expected = [(HOUR + MINUTE, "OK"), (HOUR + 4 * MINUTE, "INSUFFICIENT_DATA")]
    assert account.changes() == expected


def test_an_alarm_finds_what_was_measured_before_it_was_made(account: Account) -> None:
    account.put_data(1)
    account.advance(2 * MINUTE)
    account.put_alarm(Namespace="N", MetricName="M", Period=300)
    account.advance(HOUR)

    assert account.changes() == [(3 * MINUTE, "ALARM"), (16 * MINUTE, "OK")]


def test_a_datum_counts_for_the_minute_that_it_names(account: Account) -> None:
    account.put_alarm(Namespace="N", MetricName="M")
    account.put_data(5, when=NOON + 5 * MINUTE)
    account.advance(HOUR)

    assert account.changes() == [(MINUTE, "OK"), (6 * MINUTE, "ALARM"), (9 * MINUTE, "OK")]


def test_an_invocation_that_a_fault_ends_is_an_error(account: Account) -> None:
    account.create_function()
    account.put_alarm(Namespace="AWS/Lambda", MetricName="Errors")
    account.aws.faults.add(Fault("lambda", "App", error="Runtime.ExitError", times=1))
    account.invoke(1)
    account.advance(MINUTE)

    assert account.state() == "ALARM"


def test_a_changed_alarm_keeps_its_state_until_it_is_evaluated(account: Account) -> None:
    account.put_alarm(Namespace="N", MetricName="M")
    account.put_data(5)
    account.advance(MINUTE)
    account.put_alarm(Namespace="N", MetricName="M", Threshold=9)
    assert account.state() == "ALARM"
    account.advance(MINUTE)

    assert account.state() == "OK"


def test_a_deleted_alarm_is_not_evaluated(account: Account) -> None:
    account.put_alarm(Namespace="N", MetricName="M")
    account.advance(MINUTE)
    account.cloudwatch.delete_alarms(AlarmNames=["alarm"])
    account.put_data(5)
    account.advance(MINUTE)

    assert account.changes() == [(MINUTE, "OK")]


@pytest.mark.parametrize(
    "members",
    [
        {"Period": 10},
        {"Statistic": None, "ExtendedStatistic": "p99"},
        {"ComparisonOperator": "LessThanLowerThreshold"},
        {"Metrics": [{"Id": "e", "Expression": "SEARCH('{N}', 'Sum')", "ReturnData": True}]},
    ],
)
def test_an_alarm_that_cannot_be_evaluated_is_refused(account: Account, members: dict[str, Any]) -> None:
    metric = {} if "Metrics" in members else {"Namespace": "N", "MetricName": "M", "Statistic": "Sum", "Period": 60}
    parameters = {name: value for name, value in {**metric, **members}.items() if value is not None}
    with pytest.raises((NotImplementedError, ValueError, ClientError)):
        account.cloudwatch.put_metric_alarm(
            AlarmName="alarm",
            **{
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanThreshold",
                **parameters,
            },
        )

    assert account.cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_without_the_parameter_no_alarm_is_evaluated_and_the_clock_stops_nowhere() -> None:
    with Environment(organization=None, now=NOON) as aws:
        account = Account(aws)
        account.put_queue_alarm()
        account.sqs.send_message(QueueUrl=account.queue, MessageBody="a")
        assert aws.clock.upcoming() is None
        account.advance(DAY)

        assert (account.state(), account.changes()) == ("INSUFFICIENT_DATA", [])


def test_the_data_of_a_metric_are_read_by_period_and_by_exactly_its_dimensions(account: Account) -> None:
    account.create_function()
    account.invoke([1, 2])
    account.advance(MINUTE)
    account.put_data(7, name="Refused")
    span = {"StartTime": NOON, "EndTime": NOON + HOUR}
    metric = {"Namespace": "N", "MetricName": "Refused"}

    statistics = account.cloudwatch.get_metric_statistics(**span, **metric, Period=60, Statistics=["Sum", "Maximum"])
    [point] = statistics["Datapoints"]
    assert (point["Timestamp"] - NOON, point["Sum"], point["Maximum"]) == (MINUTE, 7.0, 7.0)
    dimensions = [{"Name": "service", "Value": "intake"}]
    stat = {"Stat": "Sum", "Period": 60}
    results = account.cloudwatch.get_metric_data(**span, ScanBy="TimestampAscending", MetricDataQueries=[
        {"Id": "m", "ReturnData": False, "MetricStat": {**stat, "Metric": {**metric, "Dimensions": dimensions}}},
        {"Id": "n", "ReturnData": False, "MetricStat": {**stat, "Metric": metric}},
        {"Id": "e", "Expression": "FILL(m, 0) + FILL(n, 0)"},
    ])["MetricDataResults"]  # fmt: skip
    assert [(result["Id"], result["Values"]) for result in results] == [("e", [3.0, 7.0])]
