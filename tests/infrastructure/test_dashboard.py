"""The dashboard and the saved queries: what they show, and that it is what the functions count and log."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from offboarding.domain.outcomes import SUCCESSFUL_OUTCOMES
from stacks import queries
from tests.infrastructure.templates import (
    Template,
    resources_of_type,
    single_resource,
    template_of,
)

LAMBDAS = Path(__file__).parents[2] / "lambdas"
MAX_LOG_GROUPS = 50
"""The limit of CloudWatch Logs for one query; see
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html."""


def body_of(template: Template) -> tuple[dict[str, Any], list[Any]]:
    """Return the dashboard, and what its references refer to; each of them is ``<number>`` in the dashboard."""
    _, resource = single_resource(template, "AWS::CloudWatch::Dashboard")
    parts = resource["Properties"]["DashboardBody"]["Fn::Join"][1]
    references = [part for part in parts if not isinstance(part, str)]
    numbers = iter(range(len(references)))
    text = "".join(part if isinstance(part, str) else f"<{next(numbers)}>" for part in parts)
    return json.loads(text), references


def widgets_of(template: Template) -> dict[str, dict[str, Any]]:
    """Return the properties of the widgets by their titles."""
    body, _ = body_of(template)
    return {widget["properties"]["title"]: widget["properties"] for widget in body["widgets"]}


def query_of(template: Template, name: str) -> dict[str, Any]:
    definitions = [item["Properties"] for item in resources_of_type(template, "AWS::Logs::QueryDefinition").values()]
    [query] = [query for query in definitions if query["Name"] == f"workmail-offboarding/{name}"]
    return query


def list_calls(name: str) -> list[ast.Call]:
    """List the calls of a method in the functions' code."""
    trees = [ast.parse(path.read_text()) for path in LAMBDAS.rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == name]


def list_metric_names() -> set[str]:
    """List the metrics that the functions name literally, and the successful outcomes, which VerifyCleanup counts."""
    values = [keyword.value for call in list_calls("add_metric") for keyword in call.keywords if keyword.arg == "name"]
    constants = [node for value in values for node in ast.walk(value) if isinstance(node, ast.Constant)]
    return {str(constant.value) for constant in constants} | SUCCESSFUL_OUTCOMES


def list_log_messages() -> set[str]:
    """List the messages that the functions log literally."""
    calls = [call for level in ("info", "warning", "error") for call in list_calls(level)]
    constants = [node for call in calls for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)]
    return {str(constant.value) for constant in constants}


def test_the_name_of_the_dashboard_differs_in_each_region_because_dashboards_are_global(template: Template) -> None:
    _, resource = single_resource(template, "AWS::CloudWatch::Dashboard")

    assert resource["Properties"]["DashboardName"] == {
        "Fn::Join": ["", ["workmail-offboarding-", {"Ref": "AWS::Region"}]]
    }
    assert body_of(template)[0]["start"] == "-P7D"


def test_the_dashboard_shows_every_alarm(all_providers: Template) -> None:
    alarms = widgets_of(all_providers)["Alarms"]["alarms"]
    _, references = body_of(all_providers)

    shown = {references[int(alarm.strip("<>"))]["Fn::GetAtt"][0] for alarm in alarms}
    assert shown == set(resources_of_type(all_providers, "AWS::CloudWatch::Alarm"))


def test_without_alarms_the_dashboard_has_everything_else(template: Template) -> None:
    silent = template_of({"organizations": [{"id": "m-" + "a1" * 16}], "alarms": False})

    assert widgets_of(template).keys() - widgets_of(silent).keys() == {"Alarms"}


def list_shown_metrics(template: Template) -> set[tuple[str, str]]:
    """List namespace and name of each metric on the dashboard."""
    widgets = widgets_of(template).values()
    return {(metric[0], metric[1]) for widget in widgets for metric in widget.get("metrics", ())}


def test_every_metric_of_the_functions_on_the_dashboard_is_counted_by_one(all_providers: Template) -> None:
    names = {name for namespace, name in list_shown_metrics(all_providers) if namespace == "WorkMailOffboarding"}

    assert names >= {"MailboxesInWindow", "OffboardingsRecorded", "CleanupVerified", "WorkMailThrottled"}
    assert names - list_metric_names() == set()


def test_every_metric_of_the_functions_in_an_alarm_is_counted_by_one(all_providers: Template) -> None:
    text = json.dumps([*resources_of_type(all_providers, "AWS::CloudWatch::Alarm").values()])
    names = {
        *re.findall(r'"MetricName": "(\w+)", "Namespace": "WorkMailOffboarding"', text),
    }

    assert names == {
        "EventsRefused",
        "OffboardingsFailed",
        "OldestApprovalDays",
        "SweepsCompleted",
        "WorkMailThrottled",
    }
    assert names - list_metric_names() == set()


@pytest.mark.parametrize("title", ["Messages that wait", "Age of the oldest message, in seconds"])
def test_the_dashboard_shows_every_queue(all_providers: Template, title: str) -> None:
    _, references = body_of(all_providers)
    metrics = widgets_of(all_providers)[title]["metrics"]

    shown = {references[int(metric[3].strip("<>"))]["Fn::GetAtt"][0] for metric in metrics}
    assert shown == set(resources_of_type(all_providers, "AWS::SQS::Queue"))


def test_the_dashboard_shows_who_is_in_the_window_by_the_query_that_is_saved_too(template: Template) -> None:
    shown = widgets_of(template)["In the window at the last sweep, and until when"]["query"]

    assert shown.endswith(queries.WINDOW)
    assert query_of(template, "Who is in the window")["QueryString"].endswith(queries.WINDOW)
    assert "entity" in queries.WINDOW
    assert not re.search(r"name|email|address", queries.WINDOW)


def test_the_saved_queries_are_in_a_folder_of_the_stack(template: Template) -> None:
    names = {item["Properties"]["Name"] for item in resources_of_type(template, "AWS::Logs::QueryDefinition").values()}

    assert names == {
        "workmail-offboarding/Everything about one execution",
        "workmail-offboarding/Failures of the last day by outcome",
        "workmail-offboarding/What WorkMail refused or throttled",
        "workmail-offboarding/Who is in the window",
    }


def test_everything_about_one_execution_is_searched_in_every_log_group(all_providers: Template) -> None:
    query = query_of(all_providers, "Everything about one execution")
    groups = [group["Ref"] for group in query["LogGroupNames"]]

    assert set(groups) == set(resources_of_type(all_providers, "AWS::Logs::LogGroup"))
    assert len(groups) <= MAX_LOG_GROUPS
    assert [parameter["Name"] for parameter in query["Parameters"]] == ["ExecutionArn"]
    assert 'filter @message like "{{ExecutionArn}}"' in query["QueryString"]


def test_the_state_machines_log_what_fails_before_a_function_can_log_it(template: Template) -> None:
    """An import that fails or a timeout has no line with the ARN in the function's log; its TaskFailed event has."""
    machines = resources_of_type(template, "AWS::StepFunctions::StateMachine").values()
    searched = [group["Ref"] for group in query_of(template, "Everything about one execution")["LogGroupNames"]]

    assert len(machines) == 3
    for machine in machines:
        logging = machine["Properties"]["LoggingConfiguration"]
        [destination] = logging["Destinations"]
        assert logging["Level"] == "ALL"
        assert destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0] in searched


def test_failures_are_read_where_the_ends_of_executions_are_logged(template: Template) -> None:
    query = query_of(template, "Failures of the last day by outcome")

    groups = [re.sub(r"LogGroup[0-9A-F]{8}$", "", group["Ref"]) for group in query["LogGroupNames"]]
    assert groups == ["StatusChangesCloseRecord", "StatusChangesSweepRecords"]
    assert set(queries.SUCCESSFUL_OUTCOMES) == SUCCESSFUL_OUTCOMES


def test_what_workmail_refused_is_searched_in_the_log_of_every_function(all_providers: Template) -> None:
    query = query_of(all_providers, "What WorkMail refused or throttled")

    functions = resources_of_type(all_providers, "AWS::Lambda::Function").values()
    groups = {function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] for function in functions}
    assert {group["Ref"] for group in query["LogGroupNames"]} == groups


def test_every_message_that_a_query_filters_by_is_logged(template: Template) -> None:
    definitions = resources_of_type(template, "AWS::Logs::QueryDefinition").values()
    text = "\n".join(definition["Properties"]["QueryString"] for definition in definitions)
    messages = set(re.findall(r'message = "([^"]+)"', text))

    assert messages == {"record closed", "error of WorkMail", "mailbox in the window"}
    assert messages - list_log_messages() == set()
