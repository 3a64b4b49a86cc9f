"""What a change of an alarm's state leads to."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.environment import Environment
from tests.unit.local.assemblies import NOON

PLACE = "us-east-1:123456789012"
ALARM_ARN = f"arn:aws:cloudwatch:{PLACE}:alarm:alarm"
STATEMENT = {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Resource": "*"}
MEMBERS: dict[str, Any] = {
    "Namespace": "N",
    "MetricName": "M",
    "Dimensions": [{"Name": "service", "Value": "intake"}],
    "Statistic": "Sum",
    "Period": 300,
    "EvaluationPeriods": 1,
    "Threshold": 2,
    "ComparisonOperator": "GreaterThanThreshold",
}


class Listener:
    """A topic and the default bus, whose messages and events end in queues."""

    def __init__(self, aws: Environment) -> None:
        self.aws = aws
        self.cloudwatch, self.sns, self.sqs = (aws.client(name) for name in ("cloudwatch", "sns", "sqs"))
        self._queues = {name: self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("topic", "bus")}
        self.topic = self.sns.create_topic(Name="topic")["TopicArn"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{PLACE}:topic")
        pattern = {"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}}}
        aws.client("events").put_rule(Name="rule", EventPattern=json.dumps(pattern))
        aws.client("events").put_targets(Rule="rule", Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:{PLACE}:bus"}])

    def put_alarm(self, **members: Any) -> None:
        self.cloudwatch.put_metric_alarm(AlarmName="alarm", **{**MEMBERS, "AlarmActions": [self.topic], **members})

    def set_state(self, value: str = "ALARM", **members: Any) -> None:
        self.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue=value, StateReason="a test", **members)
        self.aws.clock.settle()

    def receive(self, name: str) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=self._queues[name], MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def actions(self) -> list[str]:
        items = self.cloudwatch.describe_alarm_history(AlarmName="alarm", HistoryItemType="Action")
        return [item["HistorySummary"] for item in items["AlarmHistoryItems"]]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Environment(organization=None, now=NOON) as aws:
        yield Listener(aws)


def test_a_topic_gets_the_alarm_with_a_subject(listener: Listener) -> None:
    listener.put_alarm(AlarmDescription="Look at it.")
    listener.set_state()

    [notification] = listener.receive("topic")
    assert notification["Subject"] == 'ALARM: "alarm" in US East (N. Virginia)'
    assert json.loads(notification["Message"]) == {
        "AlarmName": "alarm",
        "AlarmDescription": "Look at it.",
        "AWSAccountId": "123456789012",
        "AlarmConfigurationUpdatedTimestamp": "2026-11-22T12:00:00.000+0000",
        "NewStateValue": "ALARM",
        "NewStateReason": "a test",
        "StateChangeTime": "2026-11-22T12:00:00.000+0000",
        "Region": "US East (N. Virginia)",
        "AlarmArn": ALARM_ARN,
        "OldStateValue": "INSUFFICIENT_DATA",
        "OKActions": [],
        "AlarmActions": [listener.topic],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "M",
            "Namespace": "N",
            "StatisticType": "Statistic",
            "Statistic": "SUM",
            "Unit": None,
            "Dimensions": [{"value": "intake", "name": "service"}],
            "Period": 300,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 2.0,
            "TreatMissingData": "missing",
            "EvaluateLowSampleCountPercentile": "",
        },
    }


def test_the_default_bus_gets_the_documented_event(listener: Listener) -> None:
    listener.put_alarm(AlarmDescription="Look at it.")
    listener.set_state("OK")
    listener.set_state(StateReasonData='{"version": "1.0"}')

    [event] = listener.receive("bus")
    assert (event["detail-type"], event["resources"]) == ("CloudWatch Alarm State Change", [ALARM_ARN])
    detail = event["detail"]
    [metric] = detail["configuration"].pop("metrics")
    timestamp = "2026-11-22T12:00:00.000+0000"
    assert detail == {
        "alarmName": "alarm",
        "configuration": {"description": "Look at it."},
        "previousState": {"value": "OK", "reason": "a test", "reasonData": None, "timestamp": timestamp},
        "state": {
            "value": "ALARM",
            "reason": "a test",
            "reasonData": '{"version": "1.0"}',
            "timestamp": timestamp,
        },
    }
    assert len(metric.pop("id")) == 36
    name = {"dimensions": {"service": "intake"}, "name": "M", "namespace": "N"}
    assert metric == {"metricStat": {"metric": name, "period": 300, "stat": "Sum"}, "returnData": True}


def test_metric_math_is_in_the_message_and_in_the_event(listener: Listener) -> None:
    metric = {"Namespace": "N", "MetricName": "M"}
    listener.cloudwatch.put_metric_alarm(
        AlarmName="alarm", AlarmActions=[listener.topic], EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Metrics=[{"Id": "m", "ReturnData": False, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}},
                 {"Id": "e", "Expression": "m * 2", "Label": "double", "ReturnData": True}],
    )  # fmt: skip
    listener.set_state()

    [notification], [event] = listener.receive("topic"), listener.receive("bus")
    trigger = json.loads(notification["Message"])["Trigger"]
    assert [query["Id"] for query in trigger["Metrics"]] == ["m", "e"]
    assert trigger["Metrics"][1] == {"Expression": "m * 2", "Id": "e", "Label": "double", "ReturnData": True}
    assert event["detail"]["configuration"]["metrics"][1] == {
        "id": "e", "expression": "m * 2", "label": "double", "returnData": True,
    }  # fmt: skip


def test_each_state_has_its_own_actions_and_the_same_state_has_none(listener: Listener) -> None:
    listener.put_alarm(AlarmActions=[], OKActions=[listener.topic])
    for state in ("ALARM", "ALARM", "OK", "OK"):
        listener.set_state(state)

    assert [n["Subject"].partition(":")[0] for n in listener.receive("topic")] == ["OK"]


def test_disabled_actions_are_not_carried_out(listener: Listener) -> None:
    listener.put_alarm(ActionsEnabled=False)
    listener.set_state()

    assert (listener.receive("topic"), listener.actions()) == ([], [])
    assert len(listener.receive("bus")) == 1


def test_a_topic_with_the_key_that_aws_manages_gets_nothing(listener: Listener) -> None:
    listener.sns.set_topic_attributes(
        TopicArn=listener.topic, AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns"
    )
    listener.put_alarm()
    listener.set_state()

    assert listener.receive("topic") == []
    [summary] = listener.actions()
    assert summary == (
        f'Failed to execute action {listener.topic}. Received error: "CloudWatch Alarms does not have authorization to '
        'access the SNS topic encryption key."'
    )


@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_topic_with_a_customers_key_gets_the_alarm_if_the_key_lets_cloudwatch_use_it(
    listener: Listener, *, is_allowed: bool
) -> None:
    actions = ["kms:Decrypt", "kms:GenerateDataKey*"] if is_allowed else ["kms:Decrypt"]
    policy = {"Version": "2012-10-17", "Statement": [{**STATEMENT, "Action": actions}]}
    key = listener.aws.client("kms").create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    listener.sns.set_topic_attributes(TopicArn=listener.topic, AttributeName="KmsMasterKeyId", AttributeValue=key)
    listener.put_alarm()
    listener.set_state()

    assert len(listener.receive("topic")) == is_allowed


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ({"ArnEquals": {"aws:SourceArn": ALARM_ARN}, "StringEquals": {"aws:SourceAccount": "123456789012"}}, 1),
        ({"ArnEquals": {"aws:SourceArn": f"{ALARM_ARN}-2"}}, 0),
        ({"StringEquals": {"aws:SourceAccount": "111111111111"}}, 0),
    ],
)
def test_the_policy_of_a_topic_decides(listener: Listener, condition: dict[str, Any], count: int) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{**STATEMENT, "Action": "sns:Publish", "Condition": condition}]}
    listener.sns.set_topic_attributes(
        TopicArn=listener.topic, AttributeName="Policy", AttributeValue=json.dumps(policy)
    )
    listener.put_alarm()
    listener.set_state()

    assert len(listener.receive("topic")) == count
    assert [summary.partition(" ")[0] for summary in listener.actions()] == ["Successfully" if count else "Failed"]


def test_what_is_no_topic_is_not_carried_out_and_the_history_says_so(listener: Listener) -> None:
    function = f"arn:aws:lambda:{PLACE}:function:f"
    listener.put_alarm(AlarmActions=[function])
    listener.set_state()

    assert [summary.startswith(f"Failed to execute action {function}.") for summary in listener.actions()] == [True]


def test_the_history_has_pages_and_is_newest_first(listener: Listener) -> None:
    listener.put_alarm()
    for state in ("ALARM", "OK"):
        listener.set_state(state)
    page = listener.cloudwatch.describe_alarm_history(MaxRecords=3)
    rest = listener.cloudwatch.describe_alarm_history(NextToken=page["NextToken"])

    summaries = [item["HistorySummary"] for part in (page, rest) for item in part["AlarmHistoryItems"]]
    assert summaries == [
        "Alarm updated from ALARM to OK",
        f"Successfully executed action {listener.topic}",
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        'Alarm "alarm" created',
    ]
    assert "NextToken" not in rest
    later = listener.cloudwatch.describe_alarm_history(StartDate=NOON + timedelta(seconds=1))
    assert later["AlarmHistoryItems"] == []
