"""A request for an approval is recorded with its task token, and nothing is published by its function."""

from typing import Any

import pytest

import await_approval
from local.defaults import ORGANIZATION_ID
from offboarding.domain import errors
from tests.unit.conftest import ARN_A, NOW, USER_ID, Context, ReadMetrics, Table, make_execution_arn

TASK_TOKEN = "AQCkAAAAKgAAAAMAAAAA-the-task-token"
EXPIRES_AT = "2026-12-08T09:00:00.000Z"


def request_approval(
    name: str = "a", *, cap_is_reached: bool = False, now: str = NOW, **members: Any
) -> dict[str, Any]:
    event = {
        "ExecutionArn": make_execution_arn(name),
        "Now": now,
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": USER_ID,
        "Reasons": [f"{USER_ID} matches entry 1 of the organization's approvalRequired in cdk.json."],
        "CapIsReached": cap_is_reached,
        "TaskToken": TASK_TOKEN,
        **members,
    }
    return await_approval.handler(event, Context())


def test_a_request_for_approval_is_recorded_with_its_task_token_and_counted(
    table: Table, read_metrics: ReadMetrics
) -> None:
    table.create_record("a")

    assert request_approval() == {}

    assert table.load_record(ARN_A).task_token == TASK_TOKEN
    assert table.read_text(ARN_A, "DueAt") == EXPIRES_AT
    assert table.list_executions("AwaitingApproval") == ["a"]
    assert read_metrics() == {"ApprovalsAskedFor": 1}


def test_without_a_record_no_approval_is_requested(table: Table) -> None:
    with pytest.raises(errors.RecordMissing, match="Nothing was changed"):
        request_approval()


def test_a_retry_records_its_new_task_token(table: Table) -> None:
    table.create_record("a")
    request_approval()

    request_approval(TaskToken="another")

    assert table.load_record(ARN_A).task_token == "another"


def test_no_log_line_has_the_task_token(table: Table, log_lines: list[str]) -> None:
    table.create_record("a")

    request_approval(cap_is_reached=True)

    assert log_lines
    assert not [line for line in log_lines if TASK_TOKEN in line]
