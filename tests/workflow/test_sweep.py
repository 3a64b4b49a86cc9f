"""The sweep: what it does about ends that no event has reported, and about records that are past their date."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from local.faults import Fault
from tests.workflow.conftest import Flow, deserialize_item, mark_long

pytestmark = pytest.mark.no_providers


@pytest.fixture
def flow(make_flow: Callable[..., Flow]) -> Flow:
    """A flow with its schedules, in which no status event is delivered."""
    flow = make_flow(schedules=True)
    flow.environment.status_events.are_lost = True
    return flow


def sweep(flow: Flow) -> Any:
    """Invoke the function of the sweep now; return its answer."""
    functions = flow.environment.client("lambda").list_functions()["Functions"]
    [name] = [f["FunctionName"] for f in functions if f["Handler"] == "sweep_records.handler"]
    answer = flow.environment.client("lambda").invoke(FunctionName=name, Payload="{}")
    return json.load(answer["Payload"])


def start_waiting(flow: Flow) -> str:
    flow.people.create_user("dana")
    return flow.start("dana")


def start_scheduled(flow: Flow) -> str:
    flow.people.create_user("dana")
    return flow.start("dana", NotBefore="2026-12-24T00:00:00Z")


def start_awaiting(flow: Flow) -> str:
    flow.change_policy(ApprovalRequired=["dana"])
    return start_waiting(flow)


def start_without_record(flow: Flow) -> str:
    flow.change_policy(Protected=["dana"])
    return start_waiting(flow)


@pytest.mark.parametrize(
    ("start", "outcome", "status"),
    [
        (start_waiting, "Stopped", "Unwatched"),
        (start_without_record, "EntityProtected", "Ended"),
        *mark_long((start_scheduled, "Stopped", "Ended"), (start_awaiting, "Stopped", "Ended")),
    ],
)
def test_every_end_is_recorded_within_a_day_without_any_event(
    flow: Flow, start: Callable[[Flow], str], outcome: str, status: str
) -> None:
    arn = start(flow)
    flow.clock.settle()
    if outcome == "Stopped":
        flow.stop(arn, cause="wrong person")
    flow.pass_days(2)

    record = flow.read_record(arn)
    assert (record["Status"], record["Outcome"]) == (status, outcome)
    assert record["EndedAt"] == "2026-11-22T12:00:00.000Z"
    assert [step["Step"] for step in flow.read_steps(arn)].count("Ended") == 1
    assert flow.list_by_status("AwaitingApproval") == flow.list_by_status("Scheduled") == []
    assert '"RecordsSwept":[1.0]' in "\n".join(flow.environment.logs("SweepRecords"))


def test_an_unwatched_entity_leaves_the_list_of_the_window_when_that_is_over(flow: Flow) -> None:
    arn = start_waiting(flow)
    flow.clock.settle()
    flow.stop(arn)
    flow.pass_days(29)
    assert [item["Id"] for item in flow.list_by_status("InWindow")] == [arn]
    flow.pass_days(3)

    assert flow.list_by_status("InWindow") == []
    assert flow.read_record(arn)["Status"] == "Unwatched", "the record itself stays"


def test_what_runs_and_what_is_recorded_is_left_alone(flow: Flow) -> None:
    arn = start_waiting(flow)
    flow.pass_days(1.5)
    record, steps = flow.read_record(arn), flow.read_steps(arn)

    assert sweep(flow) == {"Closed": 0, "Unlisted": 0}
    assert (flow.read_record(arn), flow.read_steps(arn)) == (record, steps)
    flow.pass_days(31)
    assert flow.read_record(arn)["Outcome"] == "CleanupVerified"
    assert sweep(flow) == {"Closed": 0, "Unlisted": 0}


def test_a_record_that_cannot_be_closed_stops_no_other_and_is_closed_the_next_day(flow: Flow) -> None:
    arns = []
    for name in ("dana", "rita"):
        flow.people.create_user(name)
        arns.append(flow.start(name))
    flow.clock.settle()
    for arn in arns:
        flow.stop(arn)
    flow.pass_days(0.25)
    flow.environment.faults.add(
        Fault("stepfunctions", "DescribeExecution", error="ThrottlingException", times=1, function="SweepRecords")
    )

    assert sweep(flow)["errorType"] == "SweepIncompleteError"
    assert sorted("Outcome" in flow.read_record(arn) for arn in arns) == [False, True]
    flow.pass_days(1)
    assert [flow.read_record(arn)["Outcome"] for arn in arns] == ["Stopped", "Stopped"]


def test_a_deleted_record_is_not_written_again(flow: Flow) -> None:
    arn = start_waiting(flow)
    flow.pass_days(31)
    flow.delete_record(arn)
    flow.pass_days(2)

    assert flow.read_item(arn, "Record") is None


def test_people_are_told_of_the_last_day_on_which_a_clean_up_can_be_verified(make_flow: Callable[..., Flow]) -> None:
    flow = make_flow(now=datetime(2027, 2, 12, 9, tzinfo=UTC), schedules=True)
    flow.pass_days(30)

    notices = [step for step in flow.read_steps("sweep") if step["Step"] == "LastVerificationDay"]
    assert {notice["Day"] for notice in notices} == {"2027-02-28"}
    assert [notice["At"][:10] for notice in notices] == ["2027-02-12", "2027-02-15", "2027-02-26"]


def test_the_starter_is_recorded_if_cloudtrail_reports_the_call(make_flow: Callable[..., Flow]) -> None:
    flow = make_flow()
    arn = start_waiting(flow)
    flow.clock.settle()
    admin = "arn:aws:sts::123456789012:assumed-role/Administrators/ada"
    detail = {
        "eventSource": "states.amazonaws.com",
        "eventName": "StartExecution",
        "userIdentity": {"type": "AssumedRole", "arn": admin},
        "requestParameters": {"stateMachineArn": flow.environment.state_machine_arn},
        "responseElements": {"executionArn": arn, "startDate": "Nov 22, 2026, 12:00:00 PM"},
    }
    flow.environment.client("events").put_events(
        Entries=[{"Source": "aws.states", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail)}]
    )
    flow.process_status_events()

    start = flow.read_item(arn, "Start")
    assert start is not None
    assert start["StartedBy"] == admin
    assert flow.read_record(arn)["Status"] == "InWindow", "the record is as it was"


def test_what_was_erased_is_not_recorded_again(make_flow: Callable[..., Flow]) -> None:
    flow = make_flow(schedules=True)
    flow.change_policy(Protected=["dana"])
    user = flow.people.create_user("dana")
    arn = flow.start("dana")
    flow.process_status_events()
    assert flow.read_record(arn)["Outcome"] == "EntityProtected"
    assert [step["EntityId"] for step in flow.read_steps(arn)] == [user] * 3, "RecordOffboarding knew the entity"

    flow.erase(user)
    flow.pass_days(3)

    assert [item for item in list_items(flow) if "dana" in str(item) or user in str(item)] == []


def test_nothing_is_left_of_a_person_but_two_numbers(make_flow: Callable[..., Flow]) -> None:
    flow = make_flow()
    user = flow.people.create_user("dana", "Dana Leaver")
    flow.people.create_alias(user, "d.leaver")
    colleague = flow.people.create_user("rita")
    flow.start("dana", RequestedBy="helpdesk")
    flow.start("rita")
    flow.clock.settle()
    flow.change_policy(Protected=["dana"])
    address = flow.people.address("dana")

    assert "offboards this entity" in flow.erase(user)["errorMessage"]
    flow.pass_days(31)
    flow.people.register(user, "dana")
    assert flow.run(address, days=0.1).outcome == "EntityProtected"
    items = list_items(flow)
    answer = flow.erase(user, Identifiers=[address])

    left = list_items(flow)
    assert [item for item in left if user in str(item) or "dana" in str(item).casefold()] == []
    assert answer["Executions"] == 2
    assert len(items) - len(left) == answer["Items"] - 3, "the step Erased is new, and a hash of each execution"
    [erased] = [item for item in left if item.get("Step") == "Erased"]
    assert (erased["RequestedBy"], erased["OrganizationId"]) == ("privacy office", ORGANIZATION_ID)
    assert len([item for item in left if colleague in str(item)]) > 5, "nobody else is touched"
    assert flow.erase(user)["Items"] == 0, "it can be repeated"


def test_records_are_kept_as_long_as_the_setting_says(make_flow: Callable[..., Flow]) -> None:
    flow = make_flow({"recordRetentionDays": 90})
    arn = start_waiting(flow)
    flow.pass_days(31)
    ended_at = datetime.fromisoformat(flow.read_record(arn)["EndedAt"])
    flow.clock.move_to(ended_at + timedelta(days=90))
    assert flow.read_record(arn)["Outcome"] == "CleanupVerified"
    flow.pass_days(2)

    left = {item["Part"].partition(" ")[0] for item in list_items(flow)}
    assert left == {"Entity", "Identifier", "Count"}, "hashes of names and addresses, and how many slots were taken"


def list_items(flow: Flow) -> list[dict[str, Any]]:
    pages = flow.environment.client("dynamodb").get_paginator("scan").paginate(TableName=flow.table_name)
    return [deserialize_item(item) for page in pages for item in page["Items"]]
