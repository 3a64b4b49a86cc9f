"""The record closer: which events its rules match, the queues, its function, and the sweep."""

from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.infrastructure.templates import (
    Template,
    function_of,
    permissions,
    resources_of_type,
    role_of,
    single_resource,
)

CLOSER = "StatusChangesCloseRecord"
MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:workmail-offboarding"


SWEEPER = "StatusChangesSweepRecords"
CHANGES = {f"dynamodb:{action}" for action in ("GetItem", "UpdateItem", "PutItem", "Query")}
ENDS, STARTS = "StatusChangesExecutionEnded", "StatusChangesExecutionStarted"


def rule(template: Template, name: str = ENDS) -> dict[str, Any]:
    return single_resource(template, "AWS::Events::Rule", name)[1]["Properties"]


def status_change(machine: str = MACHINE_ARN, status: str = "ABORTED", **envelope: str) -> dict[str, Any]:
    """Return an event in the format of Step Functions, which omits error, cause and output if there are none."""
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


def is_matched(template: Template, event: dict[str, Any]) -> bool:
    pattern = rule(template)["EventPattern"]
    machine, _ = single_resource(template, "AWS::StepFunctions::StateMachine", "Offboarding")
    assert pattern["detail"]["stateMachineArn"] == [{"Ref": machine}]
    deployed = {**pattern, "detail": {**pattern["detail"], "stateMachineArn": [MACHINE_ARN]}}
    return bool(EventPattern(None, deployed).matches_event(event))


def start_call(machine: str = MACHINE_ARN, event_name: str = "StartExecution") -> dict[str, Any]:
    """Return an event of CloudTrail in the format that AWS documents."""
    return {
        "source": "aws.states",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "states.amazonaws.com",
            "eventName": event_name,
            "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::123456789012:assumed-role/Admin/ada"},
            "requestParameters": {"stateMachineArn": machine, "name": "one"},
            "responseElements": {"executionArn": f"{machine}:one"},
        },
    }


@pytest.mark.parametrize(
    ("event", "matches"),
    [
        (start_call(), True),
        (start_call(machine=f"{MACHINE_ARN}-approval"), False),
        (start_call(event_name="StopExecution"), False),
        ({**start_call(), "source": "workmail.offboarding"}, False),
    ],
)
def test_the_rule_of_starts_matches_the_calls_that_start_an_offboarding(
    template: Template, event: dict[str, Any], *, matches: bool
) -> None:
    pattern = rule(template, STARTS)["EventPattern"]
    machine, _ = single_resource(template, "AWS::StepFunctions::StateMachine", "Offboarding")
    assert pattern["detail"]["requestParameters"] == {"stateMachineArn": [{"Ref": machine}]}
    deployed = {**pattern, "detail": {**pattern["detail"], "requestParameters": {"stateMachineArn": [MACHINE_ARN]}}}
    assert bool(EventPattern(None, deployed).matches_event(event)) is matches


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_the_rule_matches_every_end_of_an_offboarding(template: Template, status: str) -> None:
    assert is_matched(template, status_change(status=status))


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
def test_the_rule_matches_no_other_event(template: Template, event: dict[str, Any]) -> None:
    assert not is_matched(template, event)


@pytest.mark.parametrize("name", [ENDS, STARTS])
def test_the_rules_are_on_the_default_bus(template: Template, name: str) -> None:
    assert rule(template, name)["EventBusName"] == "default"


def test_an_event_is_delivered_after_the_function_of_a_stopped_execution_has_ended(template: Template) -> None:
    _, queue = single_resource(template, "AWS::SQS::Queue", "StatusChangesEvents")
    assert queue["Properties"]["DelaySeconds"] > function_of(template, CLOSER)["Timeout"]


def test_the_closer_has_exactly_its_permissions(template: Template) -> None:
    group = function_of(template, CLOSER)["LoggingConfig"]["LogGroup"]["Ref"]
    queue, _ = single_resource(template, "AWS::SQS::Queue", "StatusChangesEvents")
    table, _ = single_resource(template, "AWS::DynamoDB::Table")
    executions = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:workmail-offboarding:*"
    assert permissions(template, role_of(template, CLOSER)) == [
        ("Allow", {"logs:CreateLogStream", "logs:PutLogEvents"}, [f"<{group}.Arn>"]),
        ("Allow", CHANGES, [f"<{table}.Arn>"]),
        ("Allow", {"states:DescribeExecution"}, [executions]),
        ("Allow", {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}, [f"<{queue}.Arn>"]),
    ]


def test_the_closer_runs_its_own_module_with_the_name_of_the_table(template: Template) -> None:
    properties = function_of(template, CLOSER)
    assert properties["Handler"] == "close_record.handler"
    assert (properties["Timeout"], properties["MemorySize"]) == (30, 256)
    environment = properties["Environment"]["Variables"]
    assert environment["RECORDS_TABLE"] == {"Ref": single_resource(template, "AWS::DynamoDB::Table")[0]}


def test_the_sweeper_has_exactly_its_permissions(template: Template) -> None:
    group = function_of(template, SWEEPER)["LoggingConfig"]["LogGroup"]["Ref"]
    table, _ = single_resource(template, "AWS::DynamoDB::Table")
    states = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>"
    assert permissions(template, role_of(template, SWEEPER)) == [
        ("Allow", {"logs:CreateLogStream", "logs:PutLogEvents"}, [f"<{group}.Arn>"]),
        ("Allow", CHANGES, [f"<{table}.Arn>"]),
        ("Allow", {"dynamodb:Query"}, [f"<{table}.Arn>/index/ByStatus"]),
        ("Allow", {"states:DescribeExecution"}, [f"{states}:execution:workmail-offboarding:*"]),
        ("Allow", {"states:ListExecutions"}, [f"{states}:stateMachine:workmail-offboarding"]),
    ]


def test_the_sweeper_is_invoked_twice_a_day_and_has_time_for_the_executions_of_90_days(template: Template) -> None:
    function_id, _ = single_resource(template, "AWS::Lambda::Function", SWEEPER)
    role_id, _ = single_resource(template, "AWS::IAM::Role", "StatusChangesScheduleRole")
    assert single_resource(template, "AWS::Scheduler::Schedule")[1]["Properties"] == {
        "Description": "Has the records swept twice a day",
        "ScheduleExpression": "rate(12 hours)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": {"Fn::GetAtt": [function_id, "Arn"]},
            "RoleArn": {"Fn::GetAtt": [role_id, "Arn"]},
        },
    }
    assert permissions(template, role_id) == [("Allow", {"lambda:InvokeFunction"}, [f"<{function_id}.Arn>"])]
    assert function_of(template, SWEEPER)["Timeout"] == 900


def test_the_function_that_erases_a_person_is_called_by_nothing_and_has_exactly_its_permissions(
    template: Template,
) -> None:
    group = function_of(template, "ErasureErasePerson")["LoggingConfig"]["LogGroup"]["Ref"]
    table, _ = single_resource(template, "AWS::DynamoDB::Table")
    executions = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:workmail-offboarding:*"
    assert permissions(template, role_of(template, "ErasureErasePerson")) == [
        ("Allow", {"logs:CreateLogStream", "logs:PutLogEvents"}, [f"<{group}.Arn>"]),
        ("Allow", {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"}, [f"<{table}.Arn>"]),
        ("Allow", {"dynamodb:Query"}, [f"<{table}.Arn>", f"<{table}.Arn>/index/ByEntity"]),
        ("Allow", {"states:DescribeExecution"}, [executions]),
    ]


def test_no_state_machine_calls_the_closer(template: Template) -> None:
    machines = resources_of_type(template, "AWS::StepFunctions::StateMachine").values()
    assert len(machines) == 3
    assert not [machine for machine in machines if "CloseRecord" in machine["Properties"]["DefinitionSubstitutions"]]
