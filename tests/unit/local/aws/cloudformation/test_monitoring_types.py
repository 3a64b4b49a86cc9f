"""Alarms on metric math, dashboards and saved queries in a template."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.environment import Environment
from tests.unit.local.assemblies import NOON

BODY = {"widgets": [{"type": "text", "properties": {"markdown": "a"}}]}
DIMENSIONS = [{"Name": "QueueName", "Value": "queue"}]
METRIC = {"Namespace": "AWS/SQS", "MetricName": "ApproximateAgeOfOldestMessage", "Dimensions": DIMENSIONS}


def make_resources(expression: str = "FILL(m1, 0)", markdown: str = "a", query: str = "fields @message") -> Any:
    body = json.dumps(BODY).replace('"a"', json.dumps(markdown))
    return {
        "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {
            # A template can have numbers and Booleans as text.
            "EvaluationPeriods": "1", "Threshold": "2.5", "ComparisonOperator": "GreaterThanThreshold",
            "Tags": [{"Key": "a", "Value": "b"}],
            "Metrics": [
                {"Id": "m1", "ReturnData": "false",
                 "MetricStat": {"Metric": METRIC, "Period": "300", "Stat": "Maximum"}},
                {"Id": "e1", "Expression": expression, "Label": "oldest"}]}},
        "Dashboard": {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": body}},
        "Query": {"Type": "AWS::Logs::QueryDefinition", "Properties": {
            "Name": "folder/query", "LogGroupNames": ["a"], "QueryString": query}},
    }  # fmt: skip


@pytest.fixture
def aws() -> Iterator[Environment]:
    with Environment(organization=None, now=NOON, alarms=True) as aws:
        yield aws


@pytest.fixture
def deploy(aws: Environment) -> Callable[[Any], dict[str, str]]:
    """Deploy resources as a stack, or update it, and return what each ``Ref`` is."""
    stacks = aws.client("cloudformation")

    def deploy(resources: Any) -> dict[str, str]:
        outputs = {name: {"Value": {"Ref": name}} for name in resources}
        template = json.dumps({"Resources": resources, "Outputs": outputs})
        exists = stacks.list_stacks()["StackSummaries"]
        (stacks.update_stack if exists else stacks.create_stack)(StackName="stack", TemplateBody=template)
        [stack] = stacks.describe_stacks()["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    return deploy


def describe_alarm(aws: Environment) -> dict[str, Any]:
    [alarm] = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return alarm


def test_an_alarm_can_be_on_metric_math(aws: Environment, deploy: Callable[[Any], dict[str, str]]) -> None:
    outputs = deploy(make_resources())
    alarm = describe_alarm(aws)

    assert (alarm["AlarmName"], alarm["Threshold"], alarm["EvaluationPeriods"]) == (outputs["Alarm"], 2.5, 1)
    metric, expression = alarm["Metrics"]
    assert metric["MetricStat"] == {"Metric": METRIC, "Period": 300, "Stat": "Maximum"}
    assert (metric["ReturnData"], expression["Expression"]) == (False, "FILL(m1, 0)")


def test_an_update_of_an_alarm_keeps_its_state(aws: Environment, deploy: Callable[[Any], dict[str, str]]) -> None:
    name = deploy(make_resources())["Alarm"]
    aws.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    assert deploy(make_resources("FILL(m1, 1)"))["Alarm"] == name

    alarm = describe_alarm(aws)
    assert (alarm["StateValue"], alarm["Metrics"][1]["Expression"]) == ("ALARM", "FILL(m1, 1)")


def test_a_dashboard_and_a_saved_query_keep_their_names_in_an_update(
    aws: Environment, deploy: Callable[[Any], dict[str, str]]
) -> None:
    outputs = deploy(make_resources())
    assert deploy(make_resources(markdown="b", query="fields @timestamp")) == outputs

    [entry] = aws.client("cloudwatch").list_dashboards()["DashboardEntries"]
    assert entry["DashboardName"] == outputs["Dashboard"]
    body = aws.client("cloudwatch").get_dashboard(DashboardName=outputs["Dashboard"])["DashboardBody"]
    assert json.loads(body)["widgets"][0]["properties"] == {"markdown": "b"}
    [query] = aws.client("logs").describe_query_definitions(queryDefinitionNamePrefix="folder/")["queryDefinitions"]
    assert query.pop("lastModified") == NOON.timestamp() * 1000
    assert query == {
        "queryDefinitionId": outputs["Query"],
        "name": "folder/query",
        "queryString": "fields @timestamp",
        "queryLanguage": "CWLI",
        "logGroupNames": ["a"],
    }


def test_the_deletion_of_a_stack_deletes_them(aws: Environment, deploy: Callable[[Any], dict[str, str]]) -> None:
    deploy(make_resources())
    aws.client("cloudformation").delete_stack(StackName="stack")

    assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert aws.client("cloudwatch").list_dashboards()["DashboardEntries"] == []
    assert aws.client("logs").describe_query_definitions()["queryDefinitions"] == []


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("Alarm", {"Treshold": 1}),
        ("Alarm", {"EvaluationPeriods": 0}),
        ("Dashboard", {"DashboardBody": "no JSON"}),
        ("Query", {"Nam": "query"}),
    ],
)
def test_properties_that_the_operation_does_not_take_are_refused(
    aws: Environment, deploy: Callable[[Any], dict[str, str]], name: str, members: dict[str, Any]
) -> None:
    resources = make_resources()
    resources[name]["Properties"].update(members)
    deploy(resources)

    events = aws.client("cloudformation").describe_stack_events(StackName="stack")["StackEvents"]
    failed = [event["LogicalResourceId"] for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert (failed, events[0]["ResourceStatus"]) == ([name], "ROLLBACK_COMPLETE")


def test_an_unknown_saved_query_is_not_found(aws: Environment) -> None:
    with pytest.raises(ClientError) as caught:
        aws.client("logs").delete_query_definition(queryDefinitionId="unknown")

    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
