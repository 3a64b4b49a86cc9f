"""A direct call has the effect, the result and the errors of a client's call."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from local.aws.direct_calls import call_operation
from local.defaults import ACCOUNT, REGION
from local.environment import Environment
from tests.unit.local.assemblies import NOON

SINGLE = {
    "AlarmName": "alarm",
    "Namespace": "AWS/SQS",
    "MetricName": "NumberOfMessagesSent",
    "Dimensions": [{"Name": "QueueName", "Value": "queue"}],
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
    "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:topic"],
}
METRIC = {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "f"}]}
MATH = {
    "AlarmName": "alarm",
    "AlarmDescription": "two metrics",
    "ActionsEnabled": False,
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "Threshold": 0.5,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "Metrics": [
        {"Id": "m1", "MetricStat": {"Metric": METRIC, "Period": 300, "Stat": "Sum"}, "ReturnData": False},
        {"Id": "sum", "Expression": "FILL(m1, 0)", "Label": "errors", "ReturnData": True},
    ],
}


def call_by_client(service: str, operation: str, parameters: dict[str, Any], **_: Any) -> Any:
    answer = CLIENTS[service]._make_api_call(operation, parameters)
    answer.pop("ResponseMetadata")
    return answer


CLIENTS: dict[str, Any] = {}
WAYS = [call_by_client, call_operation]


@pytest.fixture(autouse=True)
def aws():
    with Environment(None, None, now=NOON) as aws:
        CLIENTS.update({service: aws.client(service) for service in ("cloudwatch", "logs")})
        yield aws


def describe_alarm(put: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    put("cloudwatch", "PutMetricAlarm", parameters, account=ACCOUNT, region=REGION)
    [alarm] = CLIENTS["cloudwatch"].describe_alarms()["MetricAlarms"]
    call_operation("cloudwatch", "DeleteAlarms", {"AlarmNames": ["alarm"]}, account=ACCOUNT, region=REGION)
    assert CLIENTS["cloudwatch"].describe_alarms()["MetricAlarms"] == []
    return alarm


@pytest.mark.parametrize("parameters", [SINGLE, MATH])
def test_an_alarm_is_the_same_by_a_client_and_by_a_direct_call(parameters: dict[str, Any]) -> None:
    by_client, direct = (describe_alarm(put, parameters) for put in WAYS)

    assert direct == by_client
    assert direct["EvaluationPeriods"] == parameters["EvaluationPeriods"]


def test_the_result_is_what_an_answer_has() -> None:
    query = {"name": "query", "queryString": "fields @timestamp"}
    results = [call("logs", "PutQueryDefinition", query, account=ACCOUNT, region=REGION) for call in WAYS]

    definitions = CLIENTS["logs"].describe_query_definitions()["queryDefinitions"]
    assert [{"queryDefinitionId": definition["queryDefinitionId"]} for definition in definitions] == results


def test_a_direct_call_belongs_to_its_region(aws: Environment) -> None:
    call_operation("cloudwatch", "PutMetricAlarm", SINGLE, account=ACCOUNT, region="us-west-2")

    assert CLIENTS["cloudwatch"].describe_alarms()["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "error"),
    [
        ("cloudwatch", "PutDashboard", {"DashboardName": "d", "DashboardBody": "no JSON"}, ClientError),
        ("cloudwatch", "PutMetricAlarm", {**SINGLE, "EvaluationPeriods": 0}, ParamValidationError),
        ("cloudwatch", "PutMetricAlarm", {**SINGLE, "Treshold": 1}, ParamValidationError),
        ("logs", "DeleteQueryDefinition", {"queryDefinitionId": "unknown"}, ClientError),
    ],
)
def test_the_error_is_that_of_a_client(
    service: str, operation: str, parameters: dict[str, Any], error: type[Exception]
) -> None:
    texts = []
    for call in WAYS:
        with pytest.raises(error) as caught:
            call(service, operation, parameters, account=ACCOUNT, region=REGION)
        texts.append(str(caught.value))

    assert texts[0] == texts[1]
