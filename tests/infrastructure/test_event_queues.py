"""The event queues of the intake and of the record closer: rules, queues, dead letters and event source mappings."""

import pytest

from tests.infrastructure.templates import (
    Template,
    function_of,
    render_arn,
    resources_of_type,
    single_resource,
)

FUNCTIONS = {"Intake": "IntakeStartOffboarding", "StatusChanges": "StatusChangesCloseRecord"}
every_construct = pytest.mark.parametrize("construct", FUNCTIONS)
every_queue = pytest.mark.parametrize("queue", ["Events", "DeadLetters", "UndeliveredEvents"])


def reference_arn(template: Template, kind: str, prefix: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [single_resource(template, kind, prefix)[0], "Arn"]}


@every_construct
def test_every_rule_sends_unchanged_events_and_keeps_undelivered_ones(all_providers: Template, construct: str) -> None:
    rules = resources_of_type(all_providers, "AWS::Events::Rule")
    own_rules = [rule["Properties"] for name, rule in rules.items() if name.startswith(construct)]
    assert own_rules
    for rule in own_rules:
        [target] = rule["Targets"]
        assert render_arn(target["Arn"]).startswith(f"<{construct}Events")
        assert render_arn(target["DeadLetterConfig"]["Arn"]).startswith(f"<{construct}UndeliveredEvents")
        assert target.keys() == {"Id", "Arn", "DeadLetterConfig"}
        assert len(rule["Description"]) > 20
        assert "Name" not in rule


@every_construct
@every_queue
def test_a_queue_is_encrypted_and_keeps_messages_for_the_maximum_time(
    all_providers: Template, construct: str, queue: str
) -> None:
    _, resource = single_resource(all_providers, "AWS::SQS::Queue", construct + queue)
    assert resource["Properties"]["SqsManagedSseEnabled"] is True
    assert resource["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert "QueueName" not in resource["Properties"]


@every_construct
@every_queue
def test_a_queue_requires_tls_and_accepts_messages_only_from_the_rules(
    all_providers: Template, construct: str, queue: str
) -> None:
    name, _ = single_resource(all_providers, "AWS::SQS::Queue", construct + queue)
    _, policy = single_resource(all_providers, "AWS::SQS::QueuePolicy", construct + queue)
    assert policy["Properties"]["Queues"] == [{"Ref": name}]
    tls, *allowed = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (tls["Effect"], tls["Action"], tls["Principal"]) == ("Deny", "sqs:*", {"AWS": "*"})
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    rules = [rule for rule in resources_of_type(all_providers, "AWS::Events::Rule") if rule.startswith(construct)]
    rule_arns = [{"Fn::GetAtt": [rule, "Arn"]} for rule in rules]
    sending = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": [name, "Arn"]},
        "Condition": {"ArnEquals": {"aws:SourceArn": rule_arns}},
    }
    # Only SQS itself, and the role of a function, send to the dead-letter queue.
    assert allowed == ([] if queue == "DeadLetters" else [sending])


@every_construct
def test_an_event_becomes_a_dead_letter_after_100_attempts(all_providers: Template, construct: str) -> None:
    _, queue = single_resource(all_providers, "AWS::SQS::Queue", f"{construct}Events")
    assert queue["Properties"]["RedrivePolicy"] == {
        "deadLetterTargetArn": reference_arn(all_providers, "AWS::SQS::Queue", f"{construct}DeadLetters"),
        "maxReceiveCount": 100,
    }
    timeout = function_of(all_providers, FUNCTIONS[construct])["Timeout"]
    assert queue["Properties"]["VisibilityTimeout"] == 6 * timeout


@every_construct
def test_the_newest_code_reads_the_queue_and_reports_single_failures(all_providers: Template, construct: str) -> None:
    _, mapping = single_resource(all_providers, "AWS::Lambda::EventSourceMapping", construct)
    assert mapping["Properties"] == {
        "EventSourceArn": reference_arn(all_providers, "AWS::SQS::Queue", f"{construct}Events"),
        "FunctionName": {"Ref": single_resource(all_providers, "AWS::Lambda::Function", FUNCTIONS[construct])[0]},
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }
    versions = resources_of_type(all_providers, "AWS::Lambda::Version")
    assert not [version for version in versions if version.startswith(construct)]
