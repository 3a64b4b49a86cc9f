"""What is told about an offboarding, by event and by mail, and what happens if telling fails."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from local.faults import Fault
from tests.event_schemas import validator_of
from tests.workflow.conftest import mark_long
from tests.workflow.inbox import Inbox
from tests.workflow.operator import connect_operator

REQUESTER = {"Provider": "okta", "EventId": "e-1", "RequestedBy": "it.admin@example.com"}
APPROVAL_SUBJECT = "WorkMail offboarding: an approval is needed"
NOT_TOLD = "workmail-offboarding-NotTold"
pytestmark = pytest.mark.no_providers

ReadMessages = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def read_mails(flow: Any) -> ReadMessages:
    """A function that returns the mails since its last call, each with `Subject` and `Message`."""
    inbox, topic_arn = Inbox(flow, "mailbox-of-the-helpdesk"), flow.environment.outputs["NotificationTopicArn"]
    flow.environment.client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=inbox.arn)
    return inbox.read


@pytest.fixture
def read_events(flow: Any) -> ReadMessages:
    """A function that returns the events of the product since its last call; each must fit its schema."""
    inbox, events = Inbox(flow, "tickets"), flow.environment.client("events")
    events.put_rule(Name="tickets", EventPattern=json.dumps({"source": ["workmail.offboarding"]}))
    events.put_targets(Rule="tickets", Targets=[{"Id": "q", "Arn": inbox.arn}])

    def read() -> list[dict[str, Any]]:
        received = inbox.read()
        for event in received:
            validator_of(event["detail-type"]).validate(event["detail"])
        return received

    return read


def pass_time(flow: Any, minutes: float = 5) -> None:
    """Let the stream and the queue be read."""
    flow.pass_days(minutes / (24 * 60))


def await_approval(flow: Any, name: str = "vip") -> tuple[str, str]:
    """Start an offboarding that awaits an approval; return the user's id and the execution."""
    flow.change_policy(ApprovalRequired=["vip*"])
    user = flow.people.create_user(name)
    arn = flow.start(name)
    pass_time(flow)
    assert flow.read_result(arn).states[-1] == "AwaitApproval"
    return user, arn


def detail_types(events: list[dict[str, Any]]) -> list[str]:
    return [event["detail-type"] for event in events]


def dead_letters(flow: Any) -> list[dict[str, Any]]:
    sqs, url = flow.environment.client("sqs"), flow.environment.outputs["NotificationDeadLetterQueueUrl"]
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_an_offboarding_is_told_by_an_event_for_each_fact_and_by_no_mail(
    flow: Any, read_events: ReadMessages, read_mails: ReadMessages
) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start("dana", NotBefore="2026-11-30T17:00:00Z")
    flow.pass_days(10)
    events = read_events()
    flow.pass_days(30)

    events += read_events()
    assert detail_types(events) == ["Offboarding Scheduled", "Offboarding Deregistered", "Offboarding Ended"]
    for event in events:
        assert event["resources"] == [arn]
        assert event["detail"]["EntityId"] == user
        assert "dana" not in json.dumps(event)
    scheduled, deregistered, ended = (event["detail"] for event in events)
    assert scheduled["NotBefore"].startswith("2026-11-30T17:00:00")
    assert deregistered["OccurredAt"] < deregistered["RetentionEndsAt"]
    assert (ended["Outcome"], ended["MailboxTouched"], ended["DryRun"]) == ("CleanupVerified", "Yes", False)
    assert read_mails() == []


def test_an_approval_is_told_with_a_command_that_works(
    flow: Any, read_events: ReadMessages, read_mails: ReadMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, arn = await_approval(flow)

    [mail], [event] = read_mails(), read_events()
    assert mail["Subject"] == APPROVAL_SUBJECT
    assert user in mail["Message"]
    assert "vip@" in mail["Message"]
    assert event["detail-type"] == "Approval Requested"
    assert event["detail"]["ExpiresAt"] == "2026-12-06T12:00:00.000Z"
    token = flow.read_record(arn)["TaskToken"]
    for text in (json.dumps(mail), json.dumps(event), *flow.environment.all_logs()):
        assert token not in text

    [command] = [line for line in mail["Message"].splitlines() if line.startswith("offboarding approve ")]
    operator = connect_operator(flow, monkeypatch)
    assert "Put the reason there" in operator.run(*shlex.split(command)[1:], "--yes").output
    operator.accept(*shlex.split(command.replace("<why>", "HR confirms it"))[1:], "--yes")
    flow.clock.settle()
    assert flow.read_record(arn)["Approval"]["Decision"] == "Approved"


def test_the_cap_is_mailed_once_and_each_waiting_offboarding_has_an_event(
    flow: Any, read_events: ReadMessages, read_mails: ReadMessages
) -> None:
    flow.change_policy(DailyCap=1)
    for name in ("a", "b", "c"):
        flow.people.create_user(name)
        flow.start(name, Requester=REQUESTER)
        pass_time(flow)

    assert [mail["Subject"] for mail in read_mails()] == [
        "WorkMail offboarding: the cap of identity providers is reached"
    ]
    assert sorted(detail_types(read_events())) == ["Approval Requested"] * 2 + ["Offboarding Deregistered"]


def test_each_cap_is_mailed_once(flow: Any, read_mails: ReadMessages) -> None:
    flow.change_policy(DailyCap=0, HandCap=0)
    for name, more in (("a", {}), ("b", {"Requester": REQUESTER}), ("c", {}), ("d", {"Requester": REQUESTER})):
        flow.people.create_user(name)
        flow.start(name, **more)
        pass_time(flow)

    assert [mail["Subject"] for mail in read_mails()] == [
        "WorkMail offboarding: the cap of offboardings by hand is reached",
        "WorkMail offboarding: the cap of identity providers is reached",
    ]


def test_a_failure_is_mailed_and_says_first_whether_the_mailbox_was_touched(
    flow: Any, read_events: ReadMessages, read_mails: ReadMessages
) -> None:
    flow.people.create_user("dana")
    arn = flow.start("dana")
    flow.pass_days(1)
    flow.stop(arn, cause="by mistake")
    pass_time(flow)

    [mail] = read_mails()
    assert mail["Subject"] == "WorkMail offboarding: failed, and the mailbox was disabled"
    assert mail["Message"].startswith("The mailbox was disabled at 2026-11-22T12:00")
    assert "ended as Stopped" in mail["Message"]
    assert "by mistake" in mail["Message"]
    assert read_events()[-1]["detail"]["Outcome"] == "Stopped"


def test_a_refusal_is_mailed_as_untouched_and_a_failed_plan_is_not_mailed(flow: Any, read_mails: ReadMessages) -> None:
    flow.start("nobody", DryRun=True)
    flow.process_status_events()
    pass_time(flow)
    assert read_mails() == []

    flow.start("nobody")
    flow.process_status_events()
    pass_time(flow)

    [mail] = read_mails()
    assert mail["Message"].startswith("The mailbox was not touched.")
    assert f"The offboarding of the entity nobody of {ORGANIZATION_ID} ended as EntityNotFound." in mail["Message"]


def test_a_restore_is_told_by_an_event(flow: Any, read_events: ReadMessages) -> None:
    user = flow.people.create_user("dana")
    arn = flow.start("dana")
    flow.pass_days(1)
    read_events()

    flow.restore(OrganizationId=ORGANIZATION_ID, EntityId=user)
    pass_time(flow)

    [event] = read_events()
    assert event["detail-type"] == "Offboarding Restored"
    assert (event["detail"]["ExecutionArn"], event["detail"]["IsComplete"]) == (arn, True)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("sns", "Publish", after_effect="Timeout", times=1),
        Fault("events", "PutEvents", after_effect="Timeout", times=1),
        *mark_long(
            Fault("sns", "Publish", error="InternalError", times=1),
            Fault("events", "PutEvents", error="InternalException", times=1),
            Fault("lambda", "NotifySubscribers", error="Runtime.ExitError", times=1),
        ),
    ],
    ids=lambda fault: f"{fault.operation}-{fault.error or fault.after_effect}",
)
def test_what_could_not_be_told_is_told_later_with_the_same_event_id(
    flow: Any, read_events: ReadMessages, read_mails: ReadMessages, fault: Fault
) -> None:
    flow.environment.faults.add(fault)
    await_approval(flow)
    pass_time(flow)

    mails, events = read_mails(), read_events()
    assert {mail["Subject"] for mail in mails} == {APPROVAL_SUBJECT}
    assert len({event["detail"]["EventId"] for event in events}) == 1
    assert dead_letters(flow) == []


def test_telling_that_fails_for_long_delays_no_offboarding_and_can_be_repeated(
    flow: Any, read_events: ReadMessages, read_mails: ReadMessages
) -> None:
    flow.environment.faults.add(Fault("sns", "Publish", error="InternalError"))
    user, arn = await_approval(flow)
    pass_time(flow, 45)
    assert read_mails() == []
    [key] = dead_letters(flow)
    assert key["Id"] == arn
    assert key.keys() == {"Id", "Part"}

    flow.environment.faults.clear()
    sqs, outputs = flow.environment.client("sqs"), flow.environment.outputs
    sqs.send_message(QueueUrl=outputs["NotificationQueueUrl"], MessageBody=json.dumps(key))
    pass_time(flow)
    assert [mail["Subject"] for mail in read_mails()] == [APPROVAL_SUBJECT]
    assert len({event["detail"]["EventId"] for event in read_events()}) == 1

    flow.decide(arn)
    assert flow.read_workmail_state(user)["State"] == "DISABLED"


def test_a_step_whose_event_fails_does_not_delay_the_next_one(flow: Any, read_events: ReadMessages) -> None:
    flow.environment.faults.add(Fault("events", "PutEvents", error="InternalException", times=1))
    for name in ("dana", "erik"):
        flow.people.create_user(name)
        flow.start(name)
    pass_time(flow)

    assert detail_types(read_events()) == ["Offboarding Deregistered"] * 2
    assert dead_letters(flow) == []


def test_the_alarm_rings_while_a_step_is_a_dead_letter(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(alarms=True)
    inbox, outputs = Inbox(flow, "people-on-call"), flow.environment.outputs
    flow.environment.client("sns").subscribe(TopicArn=outputs["AlarmTopicArn"], Protocol="sqs", Endpoint=inbox.arn)
    alarms, sqs = flow.environment.client("cloudwatch"), flow.environment.client("sqs")

    def read_states() -> list[str]:
        return [a["StateValue"] for a in alarms.describe_alarms(AlarmNamePrefix=NOT_TOLD)["MetricAlarms"]]

    pass_time(flow)
    assert (read_states(), inbox.read()) == (["OK"], [])
    sqs.send_message(QueueUrl=outputs["NotificationDeadLetterQueueUrl"], MessageBody="{}")
    pass_time(flow)
    assert read_states() == ["ALARM"]
    [notification] = inbox.read()
    assert notification["Subject"].startswith('ALARM: "')
    assert json.loads(notification["Message"])["AlarmDescription"].startswith("Something that happened")

    [message] = sqs.receive_message(QueueUrl=outputs["NotificationDeadLetterQueueUrl"])["Messages"]
    sqs.delete_message(QueueUrl=outputs["NotificationDeadLetterQueueUrl"], ReceiptHandle=message["ReceiptHandle"])
    pass_time(flow, minutes=10)
    assert (read_states(), inbox.read()) == (["OK"], [])
