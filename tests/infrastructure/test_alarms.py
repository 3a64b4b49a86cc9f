"""The alarms: what each watches, how few metrics they have, who is told, and that nothing is left if they are off."""

import json
import re
from typing import Any

import pytest
from moto.events.models import EventPattern

from local.defaults import ACCOUNT, REGION
from offboarding.domain.notifications.alarms import ALARMS
from tests.alarm_changes import make_alarm_change
from tests.infrastructure.providers import ORGANIZATIONS, PROVIDERS
from tests.infrastructure.templates import (
    Template,
    render_arn,
    resources_of_type,
    single_resource,
    template_of,
)

ORGANIZATION_ID = "m-" + "a1" * 16
ONLY_WITH_PROVIDERS = {"EventDeadLetters", "EventsRefused", "UndeliveredEvents", "OldestEvent"}
NAMES = {*ALARMS, "NotTold"}
FIVE_MINUTES, ONE_HOUR, ONE_DAY = 300, 3600, 86400
VISIBLE, AGE = "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"
QUEUES = {
    "EventDeadLetters": ("IntakeDeadLetters", VISIBLE, 1),
    "UndeliveredEvents": ("IntakeUndeliveredEvents", VISIBLE, 1),
    "OldestEvent": ("IntakeEvents", AGE, 3600),
    "StatusChangeDeadLetters": ("StatusChangesDeadLetters", VISIBLE, 1),
    "UndeliveredStatusChanges": ("StatusChangesUndeliveredEvents", VISIBLE, 1),
    "OldestStatusChange": ("StatusChangesEvents", AGE, 3600),
    "NotTold": ("NotificationsDeadLetters", VISIBLE, 1),
}
MAX_PATTERN_CHARACTERS = 2048


def synthesized(**settings: Any) -> Template:
    return template_of({"organizations": [{"id": ORGANIZATION_ID}], **settings})


@pytest.fixture(scope="module")
def without_alarms() -> Template:
    return template_of({"organizations": ORGANIZATIONS, "identityProviders": PROVIDERS, "alarms": False})


def alarms_of(template: Template) -> dict[str, dict[str, Any]]:
    """Return the properties of the alarms by their names without the stack's name."""
    alarms = [alarm["Properties"] for alarm in resources_of_type(template, "AWS::CloudWatch::Alarm").values()]
    return {alarm["AlarmName"].removeprefix("workmail-offboarding-"): alarm for alarm in alarms}


def list_metrics(alarm: dict[str, Any]) -> list[tuple[str, str, int, str]]:
    """Return namespace, name, period and statistic of each metric of an alarm."""
    if "MetricName" in alarm:
        return [(alarm["Namespace"], alarm["MetricName"], alarm["Period"], alarm["Statistic"])]
    stats = [metric["MetricStat"] for metric in alarm["Metrics"] if "MetricStat" in metric]
    return [(s["Metric"]["Namespace"], s["Metric"]["MetricName"], s["Period"], s["Stat"]) for s in stats]


def expression_of(alarm: dict[str, Any]) -> str:
    [expression] = [metric["Expression"] for metric in alarm["Metrics"] if "Expression" in metric]
    return str(expression)


def test_every_alarm_has_a_mail_and_every_mail_an_alarm(template: Template, all_providers: Template) -> None:
    assert set(alarms_of(all_providers)) == NAMES
    assert set(alarms_of(template)) == NAMES - ONLY_WITH_PROVIDERS


def test_the_alarms_have_few_metrics_because_ten_are_free(template: Template, all_providers: Template) -> None:
    assert sum(len(list_metrics(alarm)) for alarm in alarms_of(all_providers).values()) == 14
    assert sum(len(list_metrics(alarm)) for alarm in alarms_of(template).values()) == 10


@pytest.mark.parametrize("name", QUEUES)
def test_an_alarm_of_a_queue_watches_that_queue(all_providers: Template, name: str) -> None:
    queue, metric, threshold = QUEUES[name]
    alarm = alarms_of(all_providers)[name]

    assert list_metrics(alarm) == [("AWS/SQS", metric, FIVE_MINUTES, "Maximum")]
    [dimension] = alarm["Dimensions"]
    logical_id, _ = single_resource(all_providers, "AWS::SQS::Queue", queue)
    assert dimension == {"Name": "QueueName", "Value": {"Fn::GetAtt": [logical_id, "QueueName"]}}
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (threshold, 1)
    assert alarm["TreatMissingData"] == "notBreaching", "SQS has no data of a queue that nobody uses"


def test_each_burst_of_refused_events_rings_also_while_the_dead_letter_queue_is_not_empty(
    all_providers: Template,
) -> None:
    alarm = alarms_of(all_providers)["EventsRefused"]

    assert list_metrics(alarm) == [("WorkMailOffboarding", "EventsRefused", FIVE_MINUTES, "Sum")]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": "workmail-offboarding"}]
    assert (alarm["Threshold"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (1, 1, "notBreaching")


def test_five_failed_or_timed_out_offboardings_within_an_hour_ring(template: Template) -> None:
    alarm = alarms_of(template)["ExecutionsFailing"]

    assert list_metrics(alarm) == [("WorkMailOffboarding", "OffboardingsFailed", ONE_HOUR, "Sum")]
    assert expression_of(alarm) == "FILL(m1, 0)"
    assert (alarm["Threshold"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (5, 1, "notBreaching")


@pytest.mark.parametrize(("settings", "days"), [({}, 3), ({"approvalReminderDays": 13}, 13)])
def test_an_approval_is_overdue_after_the_days_of_the_settings_until_a_sweep_says_otherwise(
    settings: dict[str, int], days: int
) -> None:
    alarm = alarms_of(synthesized(**settings))["ApprovalsOverdue"]

    assert list_metrics(alarm) == [("WorkMailOffboarding", "OldestApprovalDays", FIVE_MINUTES, "Maximum")]
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (days, "GreaterThanOrEqualToThreshold")
    assert alarm["TreatMissingData"] == "ignore", "there is no data between two sweeps"


def test_throttling_rings_if_it_lasts_for_half_an_hour(template: Template) -> None:
    alarm = alarms_of(template)["Throttled"]

    assert list_metrics(alarm) == [
        ("AWS/Lambda", "Throttles", FIVE_MINUTES, "Sum"),
        ("AWS/States", "ExecutionThrottled", FIVE_MINUTES, "Sum"),
        ("WorkMailOffboarding", "WorkMailThrottled", FIVE_MINUTES, "Sum"),
    ]
    functions = next(metric for metric in alarm["Metrics"] if metric["Id"] == "m1")
    assert "Dimensions" not in functions["MetricStat"]["Metric"], "all functions of the account share the concurrency"
    assert expression_of(alarm) == "FILL(m1, 0) + FILL(m2, 0) + FILL(m3, 0)"
    assert (alarm["Threshold"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (5, 6, "notBreaching")


def test_a_day_without_a_completed_sweep_rings_and_is_watched_only_once_the_schedule_exists(template: Template) -> None:
    alarm = alarms_of(template)["SweepMissing"]

    assert list_metrics(alarm) == [("WorkMailOffboarding", "SweepsCompleted", ONE_DAY, "Sum")]
    assert expression_of(alarm) == "FILL(m1, 0)", "missing data alone would ring days later"
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "LessThanThreshold")
    assert alarm["TreatMissingData"] == "breaching"
    _, resource = single_resource(template, "AWS::CloudWatch::Alarm", "AlarmsSweepMissing")
    assert resource["DependsOn"] == [single_resource(template, "AWS::Scheduler::Schedule")[0]]


def test_every_other_alarm_rings_at_its_threshold_and_above(all_providers: Template) -> None:
    operators = {name: alarm["ComparisonOperator"] for name, alarm in alarms_of(all_providers).items()}

    del operators["SweepMissing"]
    assert set(operators.values()) == {"GreaterThanOrEqualToThreshold"}


def test_only_the_alarm_about_telling_publishes_by_itself(all_providers: Template) -> None:
    """The function that tells must not tell that it cannot tell."""
    alarms = alarms_of(all_providers)
    topic, _ = single_resource(all_providers, "AWS::SNS::Topic", "NotificationsAlarmTopic")

    actions = {name: alarm["AlarmActions"] for name, alarm in alarms.items() if "AlarmActions" in alarm}
    assert actions == {"NotTold": [{"Ref": topic}]}
    assert not any("OKActions" in alarm for alarm in alarms.values())
    description = alarms["NotTold"]["AlarmDescription"]
    assert "NotificationDeadLetterQueueUrl" in description
    assert "docs/runbook.md#something-could-not-be-told" in description


def rule_of(template: Template) -> dict[str, Any]:
    return single_resource(template, "AWS::Events::Rule", "AlarmsStateChanged")[1]["Properties"]


def deployed_pattern(template: Template) -> Any:
    text = json.dumps(rule_of(template)["EventPattern"])
    for name, value in (("AWS::AccountId", ACCOUNT), ("AWS::Region", REGION)):
        text = text.replace(json.dumps({"Ref": name}), json.dumps(value))
    return json.loads(text)


@pytest.mark.parametrize("value", ["ALARM", "OK"])
@pytest.mark.parametrize("name", sorted(NAMES - {"NotTold"}))
def test_the_rule_matches_the_changes_of_each_alarm(all_providers: Template, name: str, value: str) -> None:
    assert EventPattern(None, deployed_pattern(all_providers)).matches_event(make_alarm_change(name, value))


@pytest.mark.parametrize(
    "event",
    [
        make_alarm_change("NotTold"),
        make_alarm_change("Throttled", "INSUFFICIENT_DATA"),
        make_alarm_change("Throttled", stack_name="another"),
        make_alarm_change("Throttled-billing"),
        {**make_alarm_change("Throttled"), "account": "210987654321"},
        {**make_alarm_change("Throttled"), "region": "eu-west-1"},
        {**make_alarm_change("Throttled"), "source": "workmail.offboarding"},
        {**make_alarm_change("Throttled"), "detail-type": "CloudWatch Alarm Configuration Change"},
    ],
)
def test_the_rule_matches_no_other_event(all_providers: Template, event: dict[str, Any]) -> None:
    assert not EventPattern(None, deployed_pattern(all_providers)).matches_event(event)


def test_the_rule_sends_to_the_queue_of_notifications_or_to_its_dead_letters(template: Template) -> None:
    [target] = rule_of(template)["Targets"]

    assert target.keys() == {"Id", "Arn", "DeadLetterConfig"}
    assert render_arn(target["Arn"]).startswith("<NotificationsRetries")
    assert render_arn(target["DeadLetterConfig"]["Arn"]).startswith("<NotificationsDeadLetters")


def test_the_pattern_stays_below_its_limit_with_the_longest_name_of_a_stack() -> None:
    name = "s" * 60
    settings = {"organizations": ORGANIZATIONS, "identityProviders": {"okta": PROVIDERS["okta"]}, "stackName": name}
    template = template_of(settings)

    pattern = deployed_pattern(template)
    assert len(pattern["detail"]["alarmName"]) == len(ALARMS)
    assert all(alarm.startswith(f"{name}-") for alarm in pattern["detail"]["alarmName"])
    assert len(json.dumps(pattern)) <= MAX_PATTERN_CHARACTERS


def test_without_alarms_the_stack_has_no_alarm_no_topic_and_no_rule_for_them_and_keeps_the_dashboard(
    without_alarms: Template, all_providers: Template
) -> None:
    gone = all_providers["Resources"].keys() - without_alarms["Resources"].keys()

    assert all(re.match(r"Alarms|NotificationsAlarmTopic", name) for name in gone)
    assert resources_of_type(without_alarms, "AWS::CloudWatch::Alarm") == {}
    assert [*resources_of_type(without_alarms, "AWS::SNS::Topic")] == ["NotificationsTopicAE679CBD"]
    assert "AlarmTopicArn" not in without_alarms["Outputs"]
    assert len(resources_of_type(without_alarms, "AWS::CloudWatch::Dashboard")) == 1
    for queue in ("Retries", "DeadLetters"):
        _, policy = single_resource(without_alarms, "AWS::SQS::QueuePolicy", f"Notifications{queue}")
        [tls] = policy["Properties"]["PolicyDocument"]["Statement"]
        assert tls["Effect"] == "Deny"


def test_without_alarms_the_addresses_get_the_mails_only() -> None:
    template = synthesized(alarms=False, notificationEmails=["it@example.com"])

    [subscription] = resources_of_type(template, "AWS::SNS::Subscription").values()
    assert subscription["Properties"]["TopicArn"] == {"Ref": "NotificationsTopicAE679CBD"}
