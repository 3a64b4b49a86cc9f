"""The notifications: what the stream's mapping lets through, the function, its queues and topics, and the alarm."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from moto.events.models import EventPattern

from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION
from offboarding.domain.notifications.events import DETAIL_TYPES, SCHEMA_VERSION, SOURCE, make_event
from offboarding.domain.notifications.mails import ADVICE, SUCCESSFUL_OUTCOMES, MailOptions, make_mail
from stacks.notifications import TOLD_STEPS
from tests.definitions import list_outcomes
from tests.event_schemas import EVENTS, schema_path, validator_of
from tests.infrastructure.templates import (
    Template,
    function_of,
    permissions,
    render_arn,
    resources_of_type,
    role_of,
    role_statements,
    single_resource,
    template_of,
)
from tests.told_steps import STEPS, make_step, render_stream_event

FUNCTION = "NotificationsNotifySubscribers"
PAGE = (EVENTS / "README.md").read_text()
OUTCOMES_BY_STEP_FUNCTIONS = {"Stopped", "TimedOut", "Forgotten"}
REGION_AND_ACCOUNT = "<AWS::Region>:<AWS::AccountId>"


def queue(template: Template, name: str) -> tuple[str, dict[str, Any]]:
    logical_id, resource = single_resource(template, "AWS::SQS::Queue", f"Notifications{name}")
    return logical_id, resource["Properties"]


def topic(template: Template, name: str) -> tuple[str, dict[str, Any]]:
    topics = resources_of_type(template, "AWS::SNS::Topic")
    [logical_id] = [key for key in topics if re.fullmatch(rf"Notifications{name}[0-9A-F]{{8}}", key)]
    return logical_id, topics[logical_id].get("Properties", {})


def topic_statements(template: Template, name: str) -> list[dict[str, Any]]:
    policies = resources_of_type(template, "AWS::SNS::TopicPolicy").values()
    [policy] = [
        policy["Properties"]
        for policy in policies
        if policy["Properties"]["Topics"] == [{"Ref": topic(template, name)[0]}]
    ]
    return list(policy["PolicyDocument"]["Statement"])


def stream_mapping(template: Template) -> dict[str, Any]:
    return single_resource(template, "AWS::Lambda::EventSourceMapping", "NotificationsStreamMapping")[1]["Properties"]


def test_the_stream_is_read_in_order_with_bounded_retries_and_a_queue_for_what_fails(template: Template) -> None:
    table, _ = single_resource(template, "AWS::DynamoDB::Table")
    mapping = {name: value for name, value in stream_mapping(template).items() if name != "FilterCriteria"}
    assert mapping == {
        "EventSourceArn": {"Fn::GetAtt": [table, "StreamArn"]},
        "FunctionName": {"Ref": single_resource(template, "AWS::Lambda::Function", FUNCTION)[0]},
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 10,
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 3,
        "MaximumRecordAgeInSeconds": 6 * 3600,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": [queue(template, "DeadLetters")[0], "Arn"]}}},
    }


def is_read(template: Template, step: dict[str, Any], event_name: str = "INSERT") -> bool:
    """Return whether the filter lets an item through; it has the syntax of event patterns."""
    [criterion] = stream_mapping(template)["FilterCriteria"]["Filters"]
    [record] = render_stream_event(step)["Records"]
    return bool(EventPattern(None, json.loads(criterion["Pattern"])).matches_event({**record, "eventName": event_name}))


@pytest.mark.parametrize("name", STEPS)
def test_the_filter_lets_every_step_through_that_is_told(template: Template, name: str) -> None:
    assert is_read(template, STEPS[name])
    assert is_read(template, STEPS[name], "MODIFY")
    assert not is_read(template, STEPS[name], "REMOVE")


@pytest.mark.parametrize(
    "step",
    [
        *("Started", "Recorded", "Deregister", "Decided", "RegisterEntity", "Superseded", "VerifyCleanup"),
        *("Mismatch", "NotTaken"),
    ],
)
def test_the_filter_leaves_out_every_other_step(template: Template, step: str) -> None:
    assert not is_read(template, make_step(step))


def test_the_filter_leaves_out_records_and_locks(template: Template) -> None:
    record = {**STEPS["ended"], "Part": "Record"}
    assert not is_read(template, {name: value for name, value in record.items() if name != "Kind"})


def test_the_told_steps_are_those_that_the_function_makes_something_of() -> None:
    options = MailOptions(has_names=True, stack_name="stack")
    assert {step["Step"] for step in STEPS.values()} == set(TOLD_STEPS)
    for name, step in STEPS.items():
        assert make_event(step) or make_mail(step, options), name


def test_a_step_is_tried_ten_times_before_it_is_a_dead_letter_for_14_days(template: Template) -> None:
    retries_name, retries = queue(template, "Retries")
    dead_letters_name, dead_letters = queue(template, "DeadLetters")
    assert retries == {
        "SqsManagedSseEnabled": True,
        "MessageRetentionPeriod": 14 * 24 * 3600,
        "VisibilityTimeout": 180,
        "RedrivePolicy": {
            "deadLetterTargetArn": {"Fn::GetAtt": [dead_letters_name, "Arn"]},
            "maxReceiveCount": 10,
        },
    }
    assert dead_letters == {"SqsManagedSseEnabled": True, "MessageRetentionPeriod": 14 * 24 * 3600}
    _, mapping = single_resource(template, "AWS::Lambda::EventSourceMapping", "NotificationsQueueMapping")
    assert mapping["Properties"] == {
        "EventSourceArn": {"Fn::GetAtt": [retries_name, "Arn"]},
        "FunctionName": {"Ref": single_resource(template, "AWS::Lambda::Function", FUNCTION)[0]},
        "BatchSize": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }


@pytest.mark.parametrize("name", ["Retries", "DeadLetters"])
def test_the_queues_require_tls_and_accept_messages_from_roles_and_the_rule_of_alarms_only(
    template: Template, name: str
) -> None:
    _, policy = single_resource(template, "AWS::SQS::QueuePolicy", f"Notifications{name}")
    tls, allowed = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (tls["Effect"], tls["Action"], tls["Principal"]) == ("Deny", "sqs:*", {"AWS": "*"})
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    rule, _ = single_resource(template, "AWS::Events::Rule", "AlarmsStateChanged")
    assert allowed == {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": [queue(template, name)[0], "Arn"]},
        "Condition": {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [rule, "Arn"]}}},
    }


def test_the_function_has_exactly_its_permissions(template: Template) -> None:
    group = function_of(template, FUNCTION)["LoggingConfig"]["LogGroup"]["Ref"]
    table, _ = single_resource(template, "AWS::DynamoDB::Table")
    retries, dead_letters = (queue(template, name)[0] for name in ("Retries", "DeadLetters"))
    assert permissions(template, role_of(template, FUNCTION)) == [
        ("Allow", {"logs:CreateLogStream", "logs:PutLogEvents"}, [f"<{group}.Arn>"]),
        ("Allow", {"dynamodb:GetItem"}, [f"<{table}.Arn>"]),
        (
            "Allow",
            {
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            },
            [f"<{table}.StreamArn>"],
        ),
        ("Allow", {"sns:Publish"}, [f"<{topic(template, 'Topic')[0]}>"]),
        ("Allow", {"events:PutEvents"}, [f"arn:<AWS::Partition>:events:{REGION_AND_ACCOUNT}:event-bus/default"]),
        (
            "Allow",
            {"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
            [f"<{retries}.Arn>"],
        ),
        ("Allow", {"sqs:SendMessage"}, [f"<{dead_letters}.Arn>"]),
    ]


def test_the_function_may_put_its_own_events_only(template: Template) -> None:
    """Requests for offboardings have the same source."""
    [condition] = [
        statement["Condition"]
        for name, statement in role_statements(template, role_of(template, FUNCTION))
        if name == "Events"
    ]

    assert condition == {"StringEquals": {"events:source": SOURCE, "events:detail-type": [*DETAIL_TYPES]}}


@pytest.mark.parametrize(("is_named", "variable"), [(True, "true"), (False, "false")])
def test_the_function_runs_its_own_module_with_its_variables(is_named: bool, variable: str) -> None:
    settings = {"organizations": [{"id": ORGANIZATION_ID}], "namesInNotifications": is_named}
    template = template_of(settings)
    properties = function_of(template, FUNCTION)
    assert properties["Handler"] == "notify_subscribers.handler"
    assert (properties["Timeout"], properties["MemorySize"]) == (30, 256)
    variables = {name: render_arn(value) for name, value in properties["Environment"]["Variables"].items()}
    assert {name: value for name, value in variables.items() if not name.startswith(("POWERTOOLS", "WORKMAIL"))} == {
        "RECORDS_TABLE": f"<{single_resource(template, 'AWS::DynamoDB::Table')[0]}>",
        "NOTIFICATION_TOPIC_ARN": f"<{topic(template, 'Topic')[0]}>",
        "NOTIFICATION_QUEUE_URL": f"<{queue(template, 'Retries')[0]}>",
        "STACK_NAME": "workmail-offboarding",
        "NAMES_IN_NOTIFICATIONS": variable,
    }


def test_the_newest_code_notifies(template: Template) -> None:
    versions = resources_of_type(template, "AWS::Lambda::Version")
    assert not [version for version in versions if version.startswith("Notifications")]


def test_mails_are_encrypted_and_published_over_tls_only(template: Template) -> None:
    assert topic(template, "Topic")[1] == {
        "DisplayName": "WorkMail offboarding",
        "KmsMasterKeyId": "alias/aws/sns",
    }
    [tls] = topic_statements(template, "Topic")
    assert (tls["Effect"], tls["Action"], tls["Principal"]) == ("Deny", "sns:Publish", "*")
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_only_the_alarm_can_publish_to_the_topic_of_alarms_and_over_tls_only(template: Template) -> None:
    """A policy of a topic replaces the default one, by which alarms of the same account may publish."""
    name, properties = topic(template, "AlarmTopic")
    assert properties == {"DisplayName": "WorkMail offboarding alarms"}, (
        "CloudWatch cannot publish to a topic with the key that AWS manages for SNS"
    )
    tls, allowed = ({**statement, "Sid": ""} for statement in topic_statements(template, "AlarmTopic"))
    assert (tls["Effect"], tls["Action"], tls["Principal"]) == ("Deny", "sns:Publish", "*")
    alarm, _ = single_resource(template, "AWS::CloudWatch::Alarm", "AlarmsNotTold")
    assert allowed == {
        "Sid": "",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": {"Ref": name},
        "Condition": {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [alarm, "Arn"]}},
        },
    }


def test_the_configured_addresses_get_mails_and_alarms(template: Template) -> None:
    assert not resources_of_type(template, "AWS::SNS::Subscription")
    settings = {
        "organizations": [{"id": ORGANIZATION_ID}],
        "notificationEmails": ["it@example.com", "Helpdesk@example.com"],
    }
    template = template_of(settings)
    subscriptions = [
        subscription["Properties"] for subscription in resources_of_type(template, "AWS::SNS::Subscription").values()
    ]
    assert sorted(subscriptions, key=lambda item: (item["TopicArn"]["Ref"], item["Endpoint"])) == [
        {"Protocol": "email", "TopicArn": {"Ref": topic(template, name)[0]}, "Endpoint": email}
        for name in ("AlarmTopic", "Topic")
        for email in ("helpdesk@example.com", "it@example.com")
    ]


def test_the_logical_ids_of_the_topics_never_change(template: Template) -> None:
    """Another logical id would create another topic, and every subscription would have to be confirmed again."""
    names = sorted(resources_of_type(template, "AWS::SNS::Topic"))
    assert names == ["NotificationsAlarmTopic670C799A", "NotificationsTopicAE679CBD"]


def test_every_outcome_is_a_success_or_has_advice() -> None:
    outcomes = list_outcomes("offboarding")
    assert {name for name, status in outcomes.items() if status == "SUCCEEDED"} == SUCCESSFUL_OUTCOMES
    failures = {name for name, status in outcomes.items() if status != "SUCCEEDED"}
    assert failures | OUTCOMES_BY_STEP_FUNCTIONS == set(ADVICE)


def list_examples() -> Iterator[dict[str, Any]]:
    """Yield the examples of events on the page about them."""
    for block in re.findall(r"```json\n(.*?)```", PAGE, re.S):
        document = json.loads(block)
        if "detail" in document and "id" in document:
            yield document


def deliver_event(step: dict[str, Any]) -> dict[str, Any] | None:
    """Return the event about a step as EventBridge delivers it, or None."""
    event = make_event(step)
    return event and {
        "version": "0",
        "id": "315c1398-40ff-a850-213b-158f73e60175",
        "detail-type": event.detail_type,
        "source": SOURCE,
        "account": ACCOUNT,
        "time": "2026-11-24T09:00:01Z",
        "region": REGION,
        "resources": list(event.resources),
        "detail": json.loads(json.dumps(event.detail)),
    }


def test_every_detail_type_has_a_schema_and_every_schema_a_detail_type() -> None:
    assert sorted(EVENTS.glob("*.json")) == sorted(schema_path(detail_type) for detail_type in DETAIL_TYPES)
    for detail_type in DETAIL_TYPES:
        schema = json.loads(schema_path(detail_type).read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["title"] == detail_type
        assert schema["additionalProperties"] is False
        assert schema["properties"]["SchemaVersion"] == {"const": SCHEMA_VERSION}
        assert not schema["properties"].keys() & {"EntityName", "EntityEmail", "Cause", "Reason", "Reasons"}


@pytest.mark.parametrize("name", STEPS)
def test_every_event_has_the_form_of_its_schema(name: str) -> None:
    event = deliver_event(STEPS[name])
    if event is not None:
        validator_of(event["detail-type"]).validate(event["detail"])


@pytest.mark.parametrize("detail_type", DETAIL_TYPES)
def test_every_member_of_a_schema_is_in_an_event(detail_type: str) -> None:
    events = [event for event in map(deliver_event, STEPS.values()) if event and event["detail-type"] == detail_type]
    members = [set(event["detail"]) for event in events]
    schema = json.loads(schema_path(detail_type).read_text())

    assert set().union(*members) == set(schema["properties"])
    assert set.intersection(*members) >= set(schema["required"])


@pytest.mark.parametrize("detail_type", DETAIL_TYPES)
@pytest.mark.parametrize(
    "change",
    [{"EntityName": "dana"}, {"SchemaVersion": "2.0"}, {"EntityId": "dana@example.com"}, {"OccurredAt": "yesterday"}],
    ids=lambda change: next(iter(change)),
)
def test_a_schema_refuses_names_and_other_forms(detail_type: str, change: dict[str, str]) -> None:
    [event, *_] = [e for e in map(deliver_event, STEPS.values()) if e and e["detail-type"] == detail_type]

    assert not validator_of(detail_type).is_valid({**event["detail"], **change})


def test_the_page_has_a_valid_example_of_every_event() -> None:
    examples = {example["detail-type"]: example for example in list_examples()}

    assert examples.keys() == set(DETAIL_TYPES)
    for detail_type, example in examples.items():
        validator_of(detail_type).validate(example["detail"])
        assert example["source"] == SOURCE


@pytest.mark.parametrize("name", STEPS)
def test_no_event_matches_a_rule_of_the_intake_or_of_the_record_closer(all_providers: Template, name: str) -> None:
    """Otherwise the product would answer itself."""
    event = deliver_event(STEPS[name])
    rules = resources_of_type(all_providers, "AWS::Events::Rule").values()
    text = json.dumps([rule["Properties"]["EventPattern"] for rule in rules])
    patterns = json.loads(text.replace(json.dumps({"Ref": "AWS::AccountId"}), json.dumps(ACCOUNT)))

    assert len(patterns) == 11
    assert event is None or not [pattern for pattern in patterns if EventPattern(None, pattern).matches_event(event)]
    requested = {"account": ACCOUNT, **(event or {}), "source": SOURCE, "detail-type": "Offboarding Requested"}
    assert [pattern for pattern in patterns if EventPattern(None, pattern).matches_event(requested)]
