"""The quantities of a month in which nothing happens, from a synthesized template.

A type of resource that is neither priced nor listed as free is refused, so that none is forgotten.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from tools.costs.bills import Usage
from tools.costs.prices import HOURS_PER_MONTH

Resource = Mapping[str, Any]

POLLERS = 5
"""How many processes of Lambda read a standard queue at low traffic. It can use as few as two, but not with a maximum
concurrency: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html."""
POLL_SECONDS = 20
"""How long a poller waits for messages: the longest that SQS allows."""
_SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600
POLLS_PER_MAPPING = POLLERS * _SECONDS_PER_MONTH // POLL_SECONDS
_KEY_CACHE_SECONDS = 300
"""DynamoDB asks KMS for a table's key at most this often: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html."""
_STANDARD_PARAMETER_BYTES = 4096
_MIN_ALARM_PERIOD_SECONDS = 60
_FREE_DASHBOARD_METRICS = 50
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_HOURS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}

FREE_TYPES = frozenset(
    {
        *("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::Events::Rule", "AWS::Events::EventBus"),
        *("AWS::Lambda::Function", "AWS::Lambda::Version", "AWS::Lambda::Permission", "AWS::Lambda::EventInvokeConfig"),
        *("AWS::Logs::LogGroup", "AWS::Logs::MetricFilter", "AWS::Logs::QueryDefinition"),
        *("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "AWS::SNS::Topic", "AWS::SNS::TopicPolicy"),
        *("AWS::SNS::Subscription", "AWS::StepFunctions::StateMachine", "AWS::S3::Bucket", "AWS::S3::BucketPolicy"),
        *("AWS::KMS::Alias", "AWS::CDK::Metadata"),
    }
)
"""The types of resources that cost nothing while nothing happens and they hold nothing."""


class UnpricedResourceError(ValueError):
    """The template has a resource whose cost this module does not know; the message is for the developer."""


def list_idle_usage(template: Mapping[str, Any]) -> list[Usage]:
    """List what the resources of a template use in a month without any event. The sweep is not included.

    Parameters
    ----------
    template
        A synthesized CloudFormation template.

    Returns
    -------
    list[Usage]
        One for each kind of resource, with the number of them in its subject.

    Raises
    ------
    UnpricedResourceError
        A resource has an unknown type, or properties with an unknown price.
    """
    quantities: defaultdict[tuple[str, str], float] = defaultdict(float)
    resources: Counter[tuple[str, str]] = Counter()
    for name, resource in template["Resources"].items():
        for subject, price, quantity in _list_quantities(name, resource, template):
            quantities[subject, price] += quantity
            resources[subject, price] += 1
    return [
        Usage(f"{subject}: {resources[subject, price]}", price, quantity)
        for (subject, price), quantity in quantities.items()
    ]


def count_schedule_runs(template: Mapping[str, Any]) -> float:
    """Return how often EventBridge Scheduler invokes functions in a month.

    Raises
    ------
    UnpricedResourceError
        A schedule has no rate.
    """
    schedules = [r for r in template["Resources"].values() if r["Type"] == "AWS::Scheduler::Schedule"]
    return sum(_count_runs(schedule["Properties"]["ScheduleExpression"]) for schedule in schedules)


def read_log_retention_days(template: Mapping[str, Any]) -> int:
    """Return the longest retention of a log group, in days."""
    groups = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::Logs::LogGroup"]
    return max(int(group["RetentionInDays"]) for group in groups)


def list_advanced_parameters(template: Mapping[str, Any]) -> list[str]:
    """List the logical ids of the parameters in the advanced tier, which Intelligent-Tiering chooses above 4 KB."""
    return [
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::SSM::Parameter" and _is_advanced(resource["Properties"])
    ]


def read_memory_gb(template: Mapping[str, Any]) -> dict[str, float]:
    """Return the memory of each function in GB, by the module of its handler."""
    functions = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::Lambda::Function"]
    return {f["Handler"].removesuffix(".handler"): f.get("MemorySize", 128) / 1024 for f in functions}


def _list_quantities(name: str, resource: Resource, template: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    properties = resource.get("Properties", {})
    match resource["Type"]:
        case "AWS::Lambda::EventSourceMapping":
            yield from _list_polls(properties, template)
        case "AWS::CloudWatch::Alarm":
            yield _describe_alarm(name, properties)
        case "AWS::CloudWatch::CompositeAlarm":
            yield "composite alarms", "alarm-composite", 1
        case "AWS::CloudWatch::Dashboard":
            is_large = _count_dashboard_metrics(properties["DashboardBody"]) > _FREE_DASHBOARD_METRICS
            yield "dashboards", "dashboard-large" if is_large else "dashboard", 1
        case "AWS::SSM::Parameter":
            if _is_advanced(properties):
                yield "advanced parameters", "parameter-advanced", 1
        case "AWS::KMS::Key":
            yield "keys", "kms-key", 1
        case "AWS::Scheduler::Schedule":
            yield "schedules", "scheduler-invocation", _count_runs(properties["ScheduleExpression"])
        case "AWS::DynamoDB::Table":
            _require_on_demand(name, properties)
            yield "records of tables", "dynamodb-gb-month", 0
            if properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
                yield "point-in-time recovery of tables", "dynamodb-backup-gb-month", 0
            if properties.get("SSESpecification", {}).get("SSEEnabled"):
                yield "use of the keys of tables", "kms-request", _SECONDS_PER_MONTH / _KEY_CACHE_SECONDS
        case kind if kind not in FREE_TYPES:
            raise UnpricedResourceError(f"{name}: {kind} has no price in tools/costs/template.py, and is not free")


def _list_polls(mapping: Resource, template: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Count the polls of a queue; those of a stream by Lambda are free."""
    source, _ = mapping["EventSourceArn"]["Fn::GetAtt"]
    if template["Resources"][source]["Type"] == "AWS::SQS::Queue" and mapping.get("Enabled", True):
        yield "queues that Lambda polls", "sqs-request", POLLS_PER_MAPPING


def _describe_alarm(name: str, alarm: Resource) -> tuple[str, str, float]:
    """Count the metrics of an alarm, of which each one is priced."""
    queries = alarm.get("Metrics", [])
    if any("SELECT" in str(query.get("Expression", "")).upper().split() for query in queries):
        raise UnpricedResourceError(f"{name}: the price of a Metrics Insights query is unknown")
    periods = (
        [alarm["Period"]]
        if "Period" in alarm
        else [query["MetricStat"]["Period"] for query in queries if "MetricStat" in query]
    )
    metrics = len(periods)
    if metrics == 0:
        raise UnpricedResourceError(f"{name}: the alarm has no metric")
    price = "alarm-high-resolution" if min(periods) < _MIN_ALARM_PERIOD_SECONDS else "alarm"
    return "alarms", price, metrics


def _count_dashboard_metrics(body: object) -> int:
    """Count the metrics in the widgets of a dashboard, whose body can have references in it."""
    widgets = json.loads(_render(body)).get("widgets", [])
    return sum(len(widget.get("properties", {}).get("metrics", [])) for widget in widgets)


def _is_advanced(parameter: Resource) -> bool:
    tier = parameter.get("Tier", "Standard")
    is_large = len(_render(parameter["Value"]).encode()) > _STANDARD_PARAMETER_BYTES
    return tier == "Advanced" or (tier == "Intelligent-Tiering" and is_large)


def _render(value: object) -> str:
    """Render a text with a word in place of each reference."""
    match value:
        case str():
            return value
        case {"Fn::Join": [str(separator), [*parts]]}:
            return separator.join(_render(part) for part in parts)
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            return text
    return "reference"


def _count_runs(expression: str) -> float:
    """Return how often a schedule of this expression fires in a month."""
    rate = _RATE.fullmatch(expression)
    if rate is None:
        raise UnpricedResourceError(f"How often {expression} fires is unknown: only rates are")
    return HOURS_PER_MONTH / (int(rate[1]) * _HOURS[rate[2]])


def _require_on_demand(name: str, table: Resource) -> None:
    if table.get("BillingMode") != "PAY_PER_REQUEST":
        raise UnpricedResourceError(f"{name}: only tables on demand have a price here")
