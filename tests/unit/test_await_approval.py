"""Who is told that an approval is needed, how often, and what they are not told."""

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
from tests.unit.conftest import DAY, NOW, USER_ID, Context, Table, client, configure, execution

TOKEN = "AQCkAAAAKgAAAAMAAAAA-the-task-token"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:offboarding-approval"
BY_SETTINGS = [f"{USER_ID} matches entry 1 of the organization's approvalRequired in cdk.json."]
BY_CAP = ["Identity providers have had 20 entities of this organization deregistered on 2026-11-24."]
EXPIRES = "2026-12-08T09:00:00.000Z"
Counted = Callable[[], dict[str, float]]


class Published:
    """What went to the topic and to the event bus."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.entries: list[dict[str, str]] = []

    def keep_message(self, params: dict[str, Any], **_: object) -> None:
        self.messages.append(dict(params))

    def keep_entries(self, params: dict[str, Any], **_: object) -> None:
        self.entries += params["Entries"]


@pytest.fixture
def published(table: Table, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    configure(monkeypatch, "APPROVAL_TOPIC_ARN", client("sns").create_topic(Name="approvals")["TopicArn"])
    configure(monkeypatch, "APPROVAL_STATE_MACHINE_ARN", MACHINE)
    kept = Published()
    hooks = [
        (await_approval.topics, "provide-client-params.sns.Publish", kept.keep_message),
        (await_approval.events, "provide-client-params.events.PutEvents", kept.keep_entries),
    ]
    for caller, event, keep in hooks:
        caller.meta.events.register(event, keep)
    yield kept
    for caller, event, keep in hooks:
        caller.meta.events.unregister(event, keep)


def ask(name: str = "a", *, cap_is_reached: bool = False, now: str = NOW, **more: Any) -> dict[str, Any]:
    event = {
        "ExecutionArn": execution(name),
        "Now": now,
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": USER_ID,
        "Reasons": BY_CAP if cap_is_reached else BY_SETTINGS,
        "CapIsReached": cap_is_reached,
        "TaskToken": TOKEN,
        **more,
    }
    return await_approval.handler(event, Context())


def test_the_record_has_the_token_before_anybody_is_told(table: Table, published: Published, counted: Counted) -> None:
    table.open("a")

    assert ask() == {}

    assert table.get(execution("a")).task_token == TOKEN
    assert table.text(execution("a"), "DueAt") == EXPIRES
    assert table.with_status("AwaitingApproval") == ["a"]
    assert counted() == {"ApprovalsAskedFor": 1}


def test_each_entity_that_always_needs_an_approval_is_a_message_of_its_own(table: Table, published: Published) -> None:
    table.open("a")
    table.open("b", "entity-b")

    ask("a")
    ask("b", EntityId="entity-b")

    assert [message["Subject"] for message in published.messages] == ["WorkMail offboarding: an approval is needed"] * 2
    assert [entry["DetailType"] for entry in published.entries] == ["Approval Requested"] * 2


def test_a_cap_wakes_somebody_once_a_day_and_is_an_event_each_time(table: Table, published: Published) -> None:
    for name in "abcd":
        table.open(name, f"entity-{name}")

    ask("a", cap_is_reached=True)
    ask("b", cap_is_reached=True)
    ask("c", cap_is_reached=False)
    ask("d", cap_is_reached=True, now="2026-11-25T00:00:00.000Z")

    assert [message["Subject"].rpartition(": ")[2] for message in published.messages] == [
        "the day's cap is reached",
        "an approval is needed",
        "the day's cap is reached",
    ]
    assert len(published.entries) == 4


def test_the_message_says_how_to_decide_and_nothing_by_which_a_reader_could(table: Table, published: Published) -> None:
    table.open("a", Entity={"Aliases": ["d.leaver@example.com"]})

    ask()

    [message] = published.messages
    text = message["Message"]
    assert USER_ID in text
    assert EXPIRES in text
    assert BY_SETTINGS[0] in text
    assert f"start-execution --state-machine-arn {MACHINE} --input '" in text
    decision = json.loads(text.partition("--input '")[2].rstrip("'"))
    assert decision["ExecutionArn"] == execution("a")
    assert set(decision) == {"ExecutionArn", "Decision", "DecidedBy", "Reason"}
    for said in (json.dumps(message), json.dumps(published.entries)):
        assert TOKEN not in said
        assert "example.com" not in said
        assert "http" not in said
        assert "dana" not in said


def test_the_event_says_whom_it_is_about_why_and_until_when(table: Table, published: Published) -> None:
    table.open("a")

    ask(cap_is_reached=True)

    [entry] = published.entries
    assert entry["Source"] == "workmail.offboarding"
    assert json.loads(entry["Detail"]) == {
        "ExecutionArn": execution("a"),
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": USER_ID,
        "Reasons": BY_CAP,
        "ExpiresAt": EXPIRES,
    }


SNS, EVENTS = "sns:Publish", "events:PutEvents"


@pytest.mark.parametrize("refusing", [{SNS}, {EVENTS}, {SNS, EVENTS}], ids=lambda refusing: "-".join(sorted(refusing)))
def test_who_cannot_be_told_stops_nothing_and_is_counted(
    table: Table, published: Published, counted: Counted, logged: list[str], refusing: set[str]
) -> None:
    table.open("a")
    with ExitStack() as stubs:
        if SNS in refusing:
            topics = stubs.enter_context(Stubber(await_approval.topics))
            topics.add_client_error("publish", "AuthorizationError", "dana@example.com")
        if EVENTS in refusing:
            events = stubs.enter_context(Stubber(await_approval.events))
            events.add_client_error("put_events", "InternalException", "dana@example.com")
        assert ask() == {}

    assert counted() == {"NotificationsFailed": len(refusing), "ApprovalsAskedFor": 1}
    failures = [json.loads(line) for line in logged if "not published" in line]
    assert {failure["action"] for failure in failures} == refusing
    assert table.with_status("AwaitingApproval") == ["a"]
    for line in logged:
        assert TOKEN not in line
        assert "dana" not in line


def test_an_event_bus_that_takes_the_call_and_not_the_event_is_noticed(
    table: Table, published: Published, counted: Counted, logged: list[str]
) -> None:
    table.open("a")
    with Stubber(await_approval.events) as events:
        refusal = {"ErrorCode": "InternalFailure", "ErrorMessage": "x"}
        events.add_response("put_events", {"FailedEntryCount": 1, "Entries": [refusal]})
        assert ask() == {}

    assert counted()["NotificationsFailed"] == 1
    assert any('"InternalFailure"' in line for line in logged)
    assert len(published.messages) == 1


def test_an_answer_that_shows_nothing_counts_as_not_told(
    table: Table, published: Published, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.open("a")
    monkeypatch.setattr(await_approval.topics, "publish", lambda **_: {})
    monkeypatch.setattr(await_approval.events, "put_events", lambda **_: {})

    assert ask() == {}
    assert counted()["NotificationsFailed"] == 2


def test_no_answer_at_all_stops_nothing_either(
    table: Table, published: Published, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://x")

    table.open("a")
    monkeypatch.setattr(await_approval.topics, "publish", fail)
    monkeypatch.setattr(await_approval.events, "put_events", fail)

    assert ask() == {}
    assert counted()["NotificationsFailed"] == 2


def test_without_a_record_nobody_is_asked(table: Table, published: Published) -> None:
    with pytest.raises(errors.RecordMissing, match="Nothing was changed"):
        ask()

    assert (published.messages, published.entries) == ([], [])


def test_a_retry_asks_under_its_own_token(table: Table, published: Published) -> None:
    table.open("a")
    ask()

    ask(TaskToken="another")

    assert table.get(execution("a")).task_token == "another"


@pytest.mark.parametrize("answered", [True, False])
def test_a_notice_of_the_cap_that_failed_is_given_by_the_next_one(
    table: Table, published: Published, answered: bool
) -> None:
    table.open("a")
    table.open("b", "entity-b")
    with Stubber(await_approval.topics) as topics:
        if answered:
            topics.add_response("publish", {})
        else:
            topics.add_client_error("publish", "Throttled")
        ask("a", cap_is_reached=True)
    published.messages.clear()

    ask("b", cap_is_reached=True)

    assert [message["Subject"] for message in published.messages] == ["WorkMail offboarding: the day's cap is reached"]


def test_that_a_cap_is_told_stands_with_the_count_of_its_day(table: Table, published: Published) -> None:
    table.open("a")

    ask(cap_is_reached=True)

    assert table.text(f"cap/{ORGANIZATION_ID}/{DAY}", "NotifiedBy") == execution("a")
