"""Steps are told at least once: from the stream, or by way of the queue; and one failure delays no other step."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

import notify_subscribers
from offboarding.adapters import publishing
from offboarding.adapters import table as table_module
from tests import told_steps
from tests.alarm_changes import STACK_NAME, make_alarm_change
from tests.told_steps import render_item, render_queue_event, render_stream_event
from tests.unit.conftest import Context, ReadMetrics, client, configure, make_raiser

TABLE_NAME = "steps"
TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:notifications"
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/retries"
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "dana@example.com"}}, "any")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://x")


class Services:
    """EventBridge, SNS and SQS: what they took, and what they answer next."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.mails: list[dict[str, str]] = []
        self.messages: list[dict[str, str]] = []
        self.put_events: Callable[..., dict[str, Any]] = self.take_event
        self.publish: Callable[..., dict[str, Any]] = self.take_mail
        self.send_message: Callable[..., dict[str, Any]] = self.take_message

    @property
    def detail_types(self) -> list[str]:
        return [entry["DetailType"] for entry in self.entries]

    @property
    def keys(self) -> list[dict[str, str]]:
        assert {message["QueueUrl"] for message in self.messages} <= {QUEUE_URL}
        return [json.loads(message["MessageBody"]) for message in self.messages]

    def take_event(self, **parameters: Any) -> dict[str, Any]:
        self.entries += parameters["Entries"]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}

    def take_mail(self, **parameters: Any) -> dict[str, Any]:
        self.mails.append(parameters)
        return {"MessageId": "m"}

    def take_message(self, **parameters: Any) -> dict[str, Any]:
        self.messages.append(parameters)
        return {"MessageId": "m"}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    configure(
        monkeypatch,
        NOTIFICATION_TOPIC_ARN=TOPIC_ARN,
        NOTIFICATION_QUEUE_URL=QUEUE_URL,
        NAMES_IN_NOTIFICATIONS="true",
        STACK_NAME=STACK_NAME,
    )
    services = Services()
    monkeypatch.setattr(publishing.bus, "put_events", lambda **parameters: services.put_events(**parameters))
    monkeypatch.setattr(publishing.topics, "publish", lambda **parameters: services.publish(**parameters))
    monkeypatch.setattr(publishing.queues, "send_message", lambda **parameters: services.send_message(**parameters))
    return services


@pytest.fixture
def put_step(aws: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """Write a step into the table."""
    configure(monkeypatch, RECORDS_TABLE=TABLE_NAME)
    client("dynamodb").create_table(
        TableName=TABLE_NAME,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}, {"AttributeName": "Part", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("Id", "Part")],
    )
    return lambda step: client("dynamodb").put_item(TableName=TABLE_NAME, Item=render_item(step))


def deliver(event: dict[str, Any], milliseconds: int = 30_000) -> list[str]:
    """Deliver a batch; return the identifiers of the records that are to be delivered again."""
    answer = notify_subscribers.handler(event, Context(remaining_milliseconds=milliseconds))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def key_of(step: dict[str, Any]) -> dict[str, str]:
    return {"Id": step["Id"], "Part": step["Part"]}


def test_a_step_of_the_stream_is_published_as_an_event_and_if_due_as_a_mail(
    services: Services, read_metrics: ReadMetrics
) -> None:
    assert deliver(render_stream_event(told_steps.DEREGISTERED, told_steps.FAILED)) == []

    assert services.detail_types == ["Offboarding Deregistered", "Offboarding Ended"]
    assert services.entries[0]["Source"] == "workmail.offboarding"
    assert services.entries[0]["Resources"] == [told_steps.EXECUTION_ARN]
    assert json.loads(services.entries[0]["Detail"])["EntityId"] == told_steps.ENTITY_ID
    [mail] = services.mails
    assert mail["TopicArn"] == TOPIC_ARN
    assert mail["Subject"] == "WorkMail offboarding: failed, and the mailbox was not touched"
    assert "dana.leaver@example.com" in mail["Message"]
    assert services.messages == []
    assert read_metrics() == {"EventsPublished": 2, "MailsPublished": 1}


def test_a_step_that_was_imported_is_not_told_again(services: Services) -> None:
    imported = {**told_steps.DEREGISTERED, "ImportedAt": "2026-11-22T12:00:00Z"}

    assert deliver(render_stream_event(imported, told_steps.DEREGISTERED)) == []
    assert len(services.entries) == 1
    assert services.messages == []


def test_a_step_that_is_not_told_is_passed_over(services: Services) -> None:
    assert deliver(render_stream_event(told_steps.make_step("VerifyCleanup", **told_steps.ENTITY))) == []

    assert (services.entries, services.mails, services.messages) == ([], [], [])


def test_a_mail_names_nobody_if_the_settings_leave_names_out(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, NAMES_IN_NOTIFICATIONS="false")

    deliver(render_stream_event(told_steps.APPROVAL))

    assert "dana" not in services.mails[0]["Message"]


@pytest.mark.parametrize(
    "answer",
    [
        make_raiser(DENIED),
        make_raiser(UNREACHABLE),
        lambda **_: {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]},
        lambda **_: {"FailedEntryCount": 1, "Entries": [{}]},
        lambda **_: {},
    ],
    ids=["denied", "no answer", "entry refused", "entry refused without a code", "empty answer"],
)
def test_a_step_whose_event_is_not_confirmed_is_queued_and_its_mail_is_sent(
    services: Services, read_metrics: ReadMetrics, log_lines: list[str], answer: Callable[..., dict[str, Any]]
) -> None:
    services.put_events = answer

    assert deliver(render_stream_event(told_steps.FAILED)) == []

    assert len(services.mails) == 1
    assert services.keys == [key_of(told_steps.FAILED)]
    assert read_metrics() == {"NotificationsFailed": 1, "NotificationsQueued": 1, "MailsPublished": 1}
    assert '"action":"events:PutEvents"' in "".join(log_lines)


@pytest.mark.parametrize(
    "answer", [make_raiser(DENIED), make_raiser(UNREACHABLE), lambda **_: {}], ids=["denied", "no answer", "empty"]
)
def test_a_step_whose_mail_is_not_confirmed_is_queued_and_its_event_is_sent(
    services: Services, read_metrics: ReadMetrics, answer: Callable[..., dict[str, Any]]
) -> None:
    services.publish = answer

    assert deliver(render_stream_event(told_steps.FAILED)) == []

    assert len(services.entries) == 1
    assert services.keys == [key_of(told_steps.FAILED)]
    assert read_metrics() == {"NotificationsFailed": 1, "NotificationsQueued": 1, "EventsPublished": 1}


def test_a_failure_delays_no_other_step_of_the_batch(services: Services) -> None:
    malformed = {name: value for name, value in told_steps.ENDED.items() if name != "Outcome"}

    assert deliver(render_stream_event(malformed, told_steps.RESTORED)) == []

    assert services.detail_types == ["Offboarding Restored"]
    assert services.keys == [key_of(malformed)]


@pytest.mark.parametrize(
    "answer", [make_raiser(DENIED), make_raiser(UNREACHABLE), lambda **_: {}], ids=["denied", "no answer", "empty"]
)
def test_a_step_that_cannot_even_be_queued_is_delivered_again(
    services: Services, answer: Callable[..., dict[str, Any]]
) -> None:
    services.put_events, services.send_message = make_raiser(DENIED), answer

    assert deliver(render_stream_event(told_steps.SCHEDULED)) == ["1"]


def test_a_step_is_queued_at_once_if_there_is_too_little_time_to_publish_it(services: Services) -> None:
    assert deliver(render_stream_event(told_steps.SCHEDULED), 15_999) == []

    assert services.entries == []
    assert services.keys == [key_of(told_steps.SCHEDULED)]


def test_a_step_is_delivered_again_if_there_is_too_little_time_to_queue_it(services: Services) -> None:
    assert deliver(render_stream_event(told_steps.SCHEDULED), 5_999) == ["1"]

    assert (services.entries, services.messages) == ([], [])


def test_a_step_of_the_queue_is_read_from_the_table_and_published(
    services: Services, put_step: Callable[[dict[str, Any]], None], read_metrics: ReadMetrics
) -> None:
    put_step(told_steps.FAILED)

    assert deliver(render_queue_event(key_of(told_steps.FAILED))) == []

    assert services.detail_types == ["Offboarding Ended"]
    assert len(services.mails) == 1
    assert read_metrics() == {"EventsPublished": 1, "MailsPublished": 1}


def test_a_repetition_has_the_same_event_id(services: Services, put_step: Callable[[dict[str, Any]], None]) -> None:
    put_step(told_steps.FAILED)
    services.publish = make_raiser(DENIED)
    deliver(render_stream_event(told_steps.FAILED))
    services.publish = services.take_mail

    deliver(render_queue_event(*services.keys))

    first_detail, second_detail = (entry["Detail"] for entry in services.entries)
    assert first_detail == second_detail
    assert len(services.mails) == 1


def test_a_step_that_was_deleted_meanwhile_is_dropped_with_a_log_line(
    services: Services,
    put_step: Callable[[dict[str, Any]], None],
    log_lines: list[str],
    read_metrics: ReadMetrics,
) -> None:
    assert deliver(render_queue_event(key_of(told_steps.FAILED))) == []

    assert services.entries == []
    assert any('"step was deleted"' in line for line in log_lines)
    assert read_metrics() == {"NotificationsDropped": 1}


def test_a_step_of_the_queue_that_fails_again_stays_in_the_queue(
    services: Services, put_step: Callable[[dict[str, Any]], None], read_metrics: ReadMetrics
) -> None:
    put_step(told_steps.FAILED)
    put_step(told_steps.RESTORED)
    services.publish = make_raiser(DENIED)

    assert deliver(render_queue_event(key_of(told_steps.FAILED), key_of(told_steps.RESTORED))) == ["m-1"]

    assert services.messages == []
    assert read_metrics()["NotificationsLeftInQueue"] == 1


def test_a_step_that_cannot_be_read_stays_in_the_queue(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, RECORDS_TABLE=TABLE_NAME)
    monkeypatch.setattr(table_module.database, "get_item", make_raiser(UNREACHABLE))

    assert deliver(render_queue_event(key_of(told_steps.FAILED))) == ["m-1"]


@pytest.mark.parametrize("body", ["no JSON", [], {"Id": "one"}, {"DDBStreamBatchInfo": {"shardId": "s"}}, "null"])
def test_a_message_that_is_no_key_stays_in_the_queue_until_it_is_a_dead_letter(
    services: Services, body: object
) -> None:
    assert deliver(render_queue_event(body)) == ["m-1"]

    assert services.entries == []


def test_the_change_of_an_alarm_is_mailed_and_is_no_event(services: Services, read_metrics: ReadMetrics) -> None:
    events = make_alarm_change("OldestEvent"), make_alarm_change("OldestEvent", "OK", "ALARM")

    assert deliver(render_queue_event(*events)) == []

    assert [mail["Subject"] for mail in services.mails] == [
        "WorkMail offboarding: alarm: Events wait for too long",
        "WorkMail offboarding: over: Events wait for too long",
    ]
    assert {mail["TopicArn"] for mail in services.mails} == {TOPIC_ARN}
    assert services.entries == []
    assert read_metrics() == {"MailsPublished": 2}


def test_a_change_that_needs_nobody_leaves_the_queue_with_a_log_line(services: Services, log_lines: list[str]) -> None:
    assert deliver(render_queue_event(make_alarm_change("OldestEvent", "OK", "INSUFFICIENT_DATA"))) == []

    assert services.mails == []
    assert any('"alarm ignored"' in line for line in log_lines)


@pytest.mark.parametrize(
    "event", [make_alarm_change("Unknown"), {**make_alarm_change("Throttled"), "detail": {}}], ids=["unknown", "broken"]
)
def test_an_unknown_alarm_and_a_broken_event_stay_in_the_queue_until_they_are_dead_letters(
    services: Services, event: dict[str, Any], read_metrics: ReadMetrics
) -> None:
    assert deliver(render_queue_event(event)) == ["m-1"]

    assert services.mails == []
    assert read_metrics() == {"NotificationsLeftInQueue": 1}


@pytest.mark.parametrize("answer", [make_raiser(DENIED), lambda **_: {}], ids=["denied", "empty"])
def test_an_alarm_whose_mail_is_not_confirmed_stays_in_the_queue(
    services: Services, answer: Callable[..., dict[str, Any]]
) -> None:
    services.publish = answer

    assert deliver(render_queue_event(make_alarm_change("Throttled"))) == ["m-1"]


@pytest.mark.parametrize("action", ["put_events", "publish", "send_message"])
def test_no_log_line_has_a_name_or_an_address(services: Services, log_lines: list[str], action: str) -> None:
    setattr(services, action, make_raiser(DENIED))
    for step in told_steps.STEPS.values():
        deliver(render_stream_event(step))

    assert len(log_lines) > len(told_steps.STEPS)
    for line in log_lines:
        assert "dana" not in line.casefold()
        assert "@" not in line
