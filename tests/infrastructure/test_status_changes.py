"""How the records hear of executions that ended: which ends come through, where they wait, who reads them."""

from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.infrastructure.templates import Template, function_of, listed, policies, role_of, text, the_one

CLOSER = "StatusChangesCloseRecord"
QUEUES = ["StatusChangesEvents", "StatusChangesDeadLetters", "StatusChangesUndeliveredEvents"]
MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:workmail-offboarding"


def rule(template: Template) -> dict[str, Any]:
    return the_one(template, "AWS::Events::Rule", "StatusChanges")[1]["Properties"]


def status_change(machine: str = MACHINE_ARN, status: str = "ABORTED", **envelope: str) -> dict[str, Any]:
    """An event as Step Functions sends it: no error, cause or output where there is none."""
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:one"
    return {
        "version": "0",
        "id": "315c1398-40ff-a850-213b-158f73e60175",
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": "123456789012",
        "time": "2026-11-24T12:00:00Z",
        "region": "us-east-1",
        "resources": [execution],
        "detail": {"executionArn": execution, "stateMachineArn": machine, "name": "one", "status": status},
        **envelope,
    }


def matches(template: Template, event: dict[str, Any]) -> bool:
    pattern = rule(template)["EventPattern"]
    machine, _ = the_one(template, "AWS::StepFunctions::StateMachine", "Offboarding")
    assert pattern["detail"]["stateMachineArn"] == [{"Ref": machine}]
    deployed = {**pattern, "detail": {**pattern["detail"], "stateMachineArn": [MACHINE_ARN]}}
    return bool(EventPattern(None, deployed).matches_event(event))


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_every_end_of_an_offboarding_comes_through(template: Template, status: str) -> None:
    assert matches(template, status_change(status=status))


@pytest.mark.parametrize(
    "event",
    [
        status_change(status="RUNNING"),
        status_change(status="PENDING_REDRIVE"),
        status_change(machine=f"{MACHINE_ARN}-approval"),
        status_change(machine=f"{MACHINE_ARN}-restore"),
        status_change(machine=MACHINE_ARN.replace("workmail-offboarding", "billing")),
        status_change(source="workmail.offboarding"),
        status_change(**{"detail-type": "Step Functions Map Run Status Change"}),
    ],
)
def test_nothing_else_comes_through(template: Template, event: dict[str, Any]) -> None:
    assert not matches(template, event)


def test_the_rule_passes_the_event_on_as_it_came_and_keeps_what_cannot_be_delivered(template: Template) -> None:
    [target] = rule(template)["Targets"]
    assert text(target["Arn"]).startswith("<StatusChangesEvents")
    assert text(target["DeadLetterConfig"]["Arn"]).startswith("<StatusChangesUndeliveredEvents")
    assert target.keys() == {"Id", "Arn", "DeadLetterConfig"}
    assert rule(template)["EventBusName"] == "default"


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted_spoken_to_over_tls_and_only_the_rule_may_put_anything_into_it(
    template: Template, name: str
) -> None:
    queue, resource = the_one(template, "AWS::SQS::Queue", name)
    assert resource["Properties"]["SqsManagedSseEnabled"] is True
    assert resource["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600
    _, policy = the_one(template, "AWS::SQS::QueuePolicy", name)
    assert policy["Properties"]["Queues"] == [{"Ref": queue}]
    tls, *allowed = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (tls["Effect"], tls["Action"], tls["Principal"]) == ("Deny", "sqs:*", {"AWS": "*"})
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    rule_arn = {"Fn::GetAtt": [the_one(template, "AWS::Events::Rule", "StatusChanges")[0], "Arn"]}
    sending = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": [queue, "Arn"]},
        "Condition": {"ArnEquals": {"aws:SourceArn": [rule_arn]}},
    }
    # SQS itself moves what was tried too often.
    assert allowed == ([] if name == "StatusChangesDeadLetters" else [sending])


def test_an_end_is_given_up_after_five_hours_and_each_attempt_has_time_to_end(template: Template) -> None:
    _, queue = the_one(template, "AWS::SQS::Queue", "StatusChangesEvents")
    assert queue["Properties"]["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [the_one(template, "AWS::SQS::Queue", QUEUES[1])[0], "Arn"]},
        "maxReceiveCount": 100,
    }
    assert queue["Properties"]["VisibilityTimeout"] == 6 * function_of(template, CLOSER)["Timeout"]
    assert queue["Properties"]["DelaySeconds"] > function_of(template, CLOSER)["Timeout"]


def test_the_newest_code_reads_the_queue_and_fails_for_one_event_alone(template: Template) -> None:
    _, mapping = the_one(template, "AWS::Lambda::EventSourceMapping", "StatusChanges")
    assert mapping["Properties"] == {
        "EventSourceArn": {"Fn::GetAtt": [the_one(template, "AWS::SQS::Queue", QUEUES[0])[0], "Arn"]},
        "FunctionName": {"Ref": the_one(template, "AWS::Lambda::Function", CLOSER)[0]},
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }


def test_the_closer_may_do_what_it_does_and_nothing_else(template: Template) -> None:
    group = function_of(template, CLOSER)["LoggingConfig"]["LogGroup"]["Ref"]
    queue, _ = the_one(template, "AWS::SQS::Queue", QUEUES[0])
    table, _ = the_one(template, "AWS::DynamoDB::Table")
    executions = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:workmail-offboarding:*"
    allowed = [
        (statement["Effect"], {*listed(statement["Action"])}, [text(arn) for arn in listed(statement["Resource"])])
        for _, statement in policies(template, role_of(template, CLOSER))
    ]
    assert allowed == [
        ("Allow", {"logs:CreateLogStream", "logs:PutLogEvents"}, [f"<{group}.Arn>"]),
        ("Allow", {"dynamodb:GetItem", "dynamodb:UpdateItem"}, [f"<{table}.Arn>"]),
        ("Allow", {"states:DescribeExecution"}, [executions]),
        ("Allow", {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}, [f"<{queue}.Arn>"]),
    ]


def test_the_closer_runs_its_own_module_and_is_told_the_table(template: Template) -> None:
    properties = function_of(template, CLOSER)
    assert properties["Handler"] == "close_record.handler"
    assert (properties["Timeout"], properties["MemorySize"]) == (30, 256)
    told = properties["Environment"]["Variables"]
    assert told["RECORDS_TABLE"] == {"Ref": the_one(template, "AWS::DynamoDB::Table")[0]}


def test_no_state_machine_calls_the_closer(template: Template) -> None:
    resources = template["Resources"].values()
    machines = [one["Properties"] for one in resources if one["Type"] == "AWS::StepFunctions::StateMachine"]
    assert len(machines) == 3
    assert not [machine for machine in machines if "CloseRecord" in machine["DefinitionSubstitutions"]]
