"""The request for an approval: what is recorded of it, and for which execution people are told of the cap."""

import hashlib
from typing import Any

import pytest

import await_approval
from local.defaults import ORGANIZATION_ID
from offboarding.domain import errors
from offboarding.domain.record import Status
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    NOW,
    RECORD_DEFAULTS,
    USER_ID,
    Context,
    ReadMetrics,
    Table,
    make_execution_arn,
    make_offboarding,
    make_raiser,
)

TASK_TOKEN = "AQCkAAAAKgAAAAMAAAAA-the-task-token"
REASONS_BY_SETTINGS = [f"{USER_ID} matches entry 1 of the organization's approvalRequired in cdk.json."]
REASONS_BY_CAP = ["Identity providers have had 20 entities of this organization deregistered within 24 hours."]
REQUEST = {"RequestedBy": "helpdesk", "Reason": "left", "NotBefore": "2026-11-20T00:00:00.000Z"}
EXPIRES_AT = "2026-12-08T09:00:00.000Z"
HAND_CAP_ID = f"cap/hand/{ORGANIZATION_ID}"
OKTA = {"Requester": {"Provider": "okta", "EventId": "e-1"}}


def request_approval(
    name: str = "a", *, cap_is_reached: bool = False, now: str = NOW, entity_id: str = USER_ID, **members: Any
) -> dict[str, Any]:
    event = {
        "ExecutionArn": make_execution_arn(name),
        "Now": now,
        "OrganizationId": ORGANIZATION_ID,
        "Entity": {**RECORD_DEFAULTS["entity"], "Id": entity_id},
        "Reasons": REASONS_BY_CAP if cap_is_reached else REASONS_BY_SETTINGS,
        "CapIsReached": cap_is_reached,
        "Request": REQUEST,
        "TaskToken": TASK_TOKEN,
        **members,
    }
    return await_approval.handler(event, Context())


def read_flags(table: Table, names: str) -> list[tuple[bool, bool]]:
    """Return of each execution's request whether the cap is reached, and whether it is the one to tell people."""
    steps = [table.read_step(make_execution_arn(name), "AwaitApproval") for name in names]
    return [(step["CapIsReached"], step["IsFirstOfCap"]) for step in steps]


def test_a_request_for_approval_is_recorded_with_its_task_token_and_counted(
    table: Table, read_metrics: ReadMetrics
) -> None:
    table.create_record("a")

    assert request_approval() == {}

    record = table.load_record(ARN_A)
    assert (record.status, record.task_token) == (Status.AWAITING_APPROVAL, TASK_TOKEN)
    assert table.read_text(ARN_A, "DueAt") == EXPIRES_AT
    assert table.read_members(ARN_A)["ApprovalReasons"] == REASONS_BY_SETTINGS
    assert table.list_executions("AwaitingApproval") == ["a"]
    assert read_metrics() == {"ApprovalsAskedFor": 1}


@pytest.mark.parametrize("cap_is_reached", [True, False])
def test_the_record_says_whether_the_approval_is_needed_because_of_the_cap(table: Table, cap_is_reached: bool) -> None:
    table.create_record("a")

    request_approval(cap_is_reached=cap_is_reached)

    assert table.load_record(ARN_A).cap_is_reached is cap_is_reached


def test_the_step_has_the_reasons_and_the_expiry_and_not_the_task_token(table: Table) -> None:
    table.create_record("a")

    request_approval()

    assert table.read_step(ARN_A, "AwaitApproval") == {
        "Step": "AwaitApproval",
        "At": NOW,
        "Reasons": REASONS_BY_SETTINGS,
        "Request": {"RequestedBy": "helpdesk", "Reason": "left"},
        "Until": EXPIRES_AT,
        "CapIsReached": False,
        "IsFirstOfCap": False,
    }
    assert TASK_TOKEN not in str(table.read_steps(ARN_A))


def test_one_execution_in_24_hours_is_the_first_of_the_reached_cap(table: Table) -> None:
    for name in "abcde":
        table.create_record(name, f"entity-{name}")

    request_approval("a", entity_id="entity-a", cap_is_reached=False)
    request_approval("b", entity_id="entity-b", cap_is_reached=True)
    request_approval("c", entity_id="entity-c", cap_is_reached=True)
    request_approval("d", entity_id="entity-d", cap_is_reached=True, now="2026-11-25T08:59:59.999Z")
    request_approval("e", entity_id="entity-e", cap_is_reached=True, now="2026-11-25T09:00:00.000Z")

    assert read_flags(table, "abcde") == [(False, False), (True, True), (True, False), (True, False), (True, True)]


def test_each_cap_has_its_own_first_execution(table: Table) -> None:
    for name in "abcd":
        table.create_record(name, f"entity-{name}")

    request_approval("a", entity_id="entity-a", cap_is_reached=True)
    request_approval("b", entity_id="entity-b", cap_is_reached=True, Request=OKTA)
    request_approval("c", entity_id="entity-c", cap_is_reached=True)
    request_approval("d", entity_id="entity-d", cap_is_reached=True, Request=OKTA)

    assert read_flags(table, "abcd") == [(True, True), (True, True), (True, False), (True, False)]


def test_a_retry_of_the_first_of_the_cap_is_the_first_again(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.create_record("a")
    with monkeypatch.context() as patch:
        patch.setattr(await_approval.Records, "record_approval_request", make_raiser(errors.RecordUnavailable("later")))
        with pytest.raises(errors.RecordUnavailable):
            request_approval(cap_is_reached=True)

    request_approval(cap_is_reached=True)

    assert read_flags(table, "a") == [(True, True)]
    assert table.read_members(HAND_CAP_ID, "Count") == {
        "NotifiedBy": hashlib.sha256(ARN_A.encode()).hexdigest(),
        "NotifiedAt": NOW,
    }


def test_an_approval_that_the_settings_require_does_not_touch_the_cap(table: Table) -> None:
    table.create_record("a")

    request_approval(cap_is_reached=False)

    assert not any(item["Id"]["S"].startswith("cap/") for item in table.read_all())


def test_without_a_record_no_approval_is_requested(table: Table, read_metrics: ReadMetrics) -> None:
    with pytest.raises(errors.RecordMissing, match="so nobody could approve it"):
        request_approval()

    assert table.read_all() == []
    assert "ApprovalsAskedFor" not in read_metrics()


def test_a_retry_records_its_new_task_token(table: Table) -> None:
    table.create_record("a")
    request_approval()

    request_approval(TaskToken="another")

    assert table.load_record(ARN_A).task_token == "another"


def test_a_redriven_execution_holds_its_entity_again(table: Table) -> None:
    table.create_record("a")
    table.close_record(ARN_A)
    assert table.find_holder() is None

    request_approval()

    assert table.find_holder() == ARN_A
    assert table.load_record(ARN_A).outcome is None


def test_the_entity_of_another_holder_is_not_taken_over(table: Table) -> None:
    table.create_record("a")
    table.records.hold(make_offboarding(ARN_B), NOW, take_over_from=ARN_A)

    request_approval()

    assert table.find_holder() == ARN_B


def test_the_log_has_the_entity_and_no_personal_data(table: Table, log_lines: list[str]) -> None:
    table.create_record("a")

    request_approval(cap_is_reached=True)

    [line] = [line for line in log_lines if "approval requested" in line]
    assert USER_ID in line
    assert not any(TASK_TOKEN in line or "dana" in line for line in log_lines)
