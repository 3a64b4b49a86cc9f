"""Notifications that an approval is needed: their content, how often they are sent, and what a failure changes."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

import await_approval
from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION
from offboarding.domain import errors
from tests.unit.conftest import (
    ARN_A,
    DAY,
    NOW,
    USER_ID,
    Context,
    ReadMetrics,
    Table,
    client,
    configure,
    make_execution_arn,
    make_raiser,
)

TASK_TOKEN = "AQCkAAAAKgAAAAMAAAAA-the-task-token"
APPROVAL_STATE_MACHINE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:offboarding-approval"
REASONS_BY_SETTINGS = [f"{USER_ID} matches entry 1 of the organization's approvalRequired in cdk.json."]
REASONS_BY_CAP = ["Identity providers have had 20 entities of this organization deregistered on 2026-11-24."]
EXPIRES_AT = "2026-12-08T09:00:00.000Z"


class Publications:
    """The messages that were published to the topic, and the entries that were put on the event bus."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.entries: list[dict[str, str]] = []

    def record_message(self, params: dict[str, Any], **_: object) -> None:
        self.messages.append(dict(params))

    def record_entries(self, params: dict[str, Any], **_: object) -> None:
        self.entries += params["Entries"]


@pytest.fixture
def publications(table: Table, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publications]:
    topic_arn = client("sns").create_topic(Name="approvals")["TopicArn"]
    configure(monkeypatch, APPROVAL_TOPIC_ARN=topic_arn, APPROVAL_STATE_MACHINE_ARN=APPROVAL_STATE_MACHINE_ARN)
    publications = Publications()
    hooks = [
        (await_approval.topics, "provide-client-params.sns.Publish", publications.record_message),
        (await_approval.events, "provide-client-params.events.PutEvents", publications.record_entries),
    ]
    for caller, event, hook in hooks:
        caller.meta.events.register(event, hook)
    yield publications
    for caller, event, hook in hooks:
        caller.meta.events.unregister(event, hook)


def request_approval(
    name: str = "a", *, cap_is_reached: bool = False, now: str = NOW, **members: Any
) -> dict[str, Any]:
    event = {
        "ExecutionArn": make_execution_arn(name),
        "Now": now,
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": USER_ID,
        "Reasons": REASONS_BY_CAP if cap_is_reached else REASONS_BY_SETTINGS,
        "CapIsReached": cap_is_reached,
        "TaskToken": TASK_TOKEN,
        **members,
    }
    return await_approval.handler(event, Context())


def test_a_request_for_approval_is_recorded_with_its_task_token_and_counted(
    table: Table, publications: Publications, read_metrics: ReadMetrics
) -> None:
    table.create_record("a")

    assert request_approval() == {}

    assert table.load_record(ARN_A).task_token == TASK_TOKEN
    assert table.read_text(ARN_A, "DueAt") == EXPIRES_AT
    assert table.list_executions("AwaitingApproval") == ["a"]
    assert read_metrics() == {"ApprovalsAskedFor": 1}


def test_each_approval_that_the_settings_require_has_a_separate_message(
    table: Table, publications: Publications
) -> None:
    table.create_record("a")
    table.create_record("b", "entity-b")

    request_approval("a")
    request_approval("b", EntityId="entity-b")

    assert [message["Subject"] for message in publications.messages] == [
        "WorkMail offboarding: an approval is needed"
    ] * 2
    assert [entry["DetailType"] for entry in publications.entries] == ["Approval Requested"] * 2


def test_a_reached_cap_sends_one_message_a_day_and_one_event_for_each_execution(
    table: Table, publications: Publications
) -> None:
    for name in "abcd":
        table.create_record(name, f"entity-{name}")

    request_approval("a", cap_is_reached=True)
    request_approval("b", cap_is_reached=True)
    request_approval("c", cap_is_reached=False)
    request_approval("d", cap_is_reached=True, now="2026-11-25T00:00:00.000Z")

    assert [message["Subject"].rpartition(": ")[2] for message in publications.messages] == [
        "the day's cap is reached",
        "an approval is needed",
        "the day's cap is reached",
    ]
    assert len(publications.entries) == 4


def test_the_message_has_the_command_to_decide_and_no_token_name_or_address(
    table: Table, publications: Publications
) -> None:
    table.create_record("a", Entity={"Aliases": ["d.leaver@example.com"]})

    request_approval()

    [message] = publications.messages
    body = message["Message"]
    assert USER_ID in body
    assert EXPIRES_AT in body
    assert REASONS_BY_SETTINGS[0] in body
    assert f"start-execution --state-machine-arn {APPROVAL_STATE_MACHINE_ARN} --input '" in body
    decision = json.loads(body.partition("--input '")[2].rstrip("'"))
    assert decision["ExecutionArn"] == ARN_A
    assert set(decision) == {"ExecutionArn", "Decision", "DecidedBy", "Reason"}
    for text in (json.dumps(message), json.dumps(publications.entries)):
        assert TASK_TOKEN not in text
        assert "example.com" not in text
        assert "http" not in text
        assert "dana" not in text


def test_the_event_has_the_entity_the_reasons_and_the_expiry(table: Table, publications: Publications) -> None:
    table.create_record("a")

    request_approval(cap_is_reached=True)

    [entry] = publications.entries
    assert entry["Source"] == "workmail.offboarding"
    assert json.loads(entry["Detail"]) == {
        "ExecutionArn": ARN_A,
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": USER_ID,
        "Reasons": REASONS_BY_CAP,
        "ExpiresAt": EXPIRES_AT,
    }


SNS, EVENTS = "sns:Publish", "events:PutEvents"


@pytest.mark.parametrize(
    "failing_actions", [{SNS}, {EVENTS}, {SNS, EVENTS}], ids=lambda actions: "-".join(sorted(actions))
)
def test_a_failed_notification_is_counted_and_logged_and_does_not_stop_the_execution(
    table: Table, publications: Publications, read_metrics: ReadMetrics, log_lines: list[str], failing_actions: set[str]
) -> None:
    table.create_record("a")
    with ExitStack() as stubs:
        if SNS in failing_actions:
            topics = stubs.enter_context(Stubber(await_approval.topics))
            topics.add_client_error("publish", "AuthorizationError", "dana@example.com")
        if EVENTS in failing_actions:
            events = stubs.enter_context(Stubber(await_approval.events))
            events.add_client_error("put_events", "InternalException", "dana@example.com")
        assert request_approval() == {}

    assert read_metrics() == {"NotificationsFailed": len(failing_actions), "ApprovalsAskedFor": 1}
    failures = [json.loads(line) for line in log_lines if "not published" in line]
    assert {failure["action"] for failure in failures} == failing_actions
    assert table.list_executions("AwaitingApproval") == ["a"]
    for line in log_lines:
        assert TASK_TOKEN not in line
        assert "dana" not in line


def test_an_entry_that_the_event_bus_refuses_is_counted_and_logged(
    table: Table, publications: Publications, read_metrics: ReadMetrics, log_lines: list[str]
) -> None:
    table.create_record("a")
    with Stubber(await_approval.events) as events:
        refusal = {"ErrorCode": "InternalFailure", "ErrorMessage": "x"}
        events.add_response("put_events", {"FailedEntryCount": 1, "Entries": [refusal]})
        assert request_approval() == {}

    assert read_metrics()["NotificationsFailed"] == 1
    assert any('"InternalFailure"' in line for line in log_lines)
    assert len(publications.messages) == 1


@pytest.mark.parametrize(
    "call",
    [lambda **_: {}, make_raiser(EndpointConnectionError(endpoint_url="https://x"))],
    ids=["empty answer", "no answer"],
)
def test_a_notification_without_a_confirming_answer_is_counted_as_failed(
    table: Table,
    publications: Publications,
    read_metrics: ReadMetrics,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[..., Any],
) -> None:
    table.create_record("a")
    monkeypatch.setattr(await_approval.topics, "publish", call)
    monkeypatch.setattr(await_approval.events, "put_events", call)

    assert request_approval() == {}
    assert read_metrics()["NotificationsFailed"] == 2


def test_without_a_record_no_approval_is_requested(table: Table, publications: Publications) -> None:
    with pytest.raises(errors.RecordMissing, match="Nothing was changed"):
        request_approval()

    assert (publications.messages, publications.entries) == ([], [])


def test_a_retry_records_its_new_task_token(table: Table, publications: Publications) -> None:
    table.create_record("a")
    request_approval()

    request_approval(TaskToken="another")

    assert table.load_record(ARN_A).task_token == "another"


@pytest.mark.parametrize("is_answered", [True, False])
def test_the_next_execution_sends_the_message_about_the_cap_if_the_first_one_failed(
    table: Table, publications: Publications, is_answered: bool
) -> None:
    table.create_record("a")
    table.create_record("b", "entity-b")
    with Stubber(await_approval.topics) as topics:
        if is_answered:
            topics.add_response("publish", {})
        else:
            topics.add_client_error("publish", "Throttled")
        request_approval("a", cap_is_reached=True)
    publications.messages.clear()

    request_approval("b", cap_is_reached=True)

    assert [message["Subject"] for message in publications.messages] == [
        "WorkMail offboarding: the day's cap is reached"
    ]


def test_the_sender_of_the_message_about_the_cap_is_recorded_with_the_count_of_the_day(
    table: Table, publications: Publications
) -> None:
    table.create_record("a")

    request_approval(cap_is_reached=True)

    assert table.read_text(f"cap/{ORGANIZATION_ID}/{DAY}", "NotifiedBy") == ARN_A
