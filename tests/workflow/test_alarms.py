"""Each alarm is rung once by its fault, on the whole stack, and people get the mail that says what to do.

The schedules fire, because without a sweep SweepMissing rings.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.faults import Fault
from offboarding.domain.notifications.alarms import ALARMS
from tests.alarm_changes import make_alarm_change
from tests.workflow.conftest import Flow, mark_long
from tests.workflow.inbox import Inbox
from tests.workflow.test_identity_events import Intake, build_request_event

HOURS, DAYS = 1 / 24, 1.0
BEGINNING = "WorkMail offboarding: "


class Helpdesk:
    """The stack, and the mails of its two topics."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.intake = Intake(flow)
        self._mails, self._alarm_mails = Inbox(flow, "helpdesk"), Inbox(flow, "people-on-call")
        for inbox, output in ((self._mails, "NotificationTopicArn"), (self._alarm_mails, "AlarmTopicArn")):
            topic_arn = flow.environment.outputs[output]
            flow.environment.client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=inbox.arn)

    def read_mails(self) -> dict[str, str]:
        """Return the texts of the mails about alarms since the last call, by the ends of their subjects."""
        mails = {mail["Subject"].removeprefix(BEGINNING): mail["Message"] for mail in self._mails.read()}
        return {subject: text for subject, text in mails.items() if subject.startswith(("alarm: ", "over: "))}

    def read_alarm_topic(self) -> list[str]:
        """Return the names of the alarms that have published by themselves since the last call."""
        return [json.loads(mail["Message"])["AlarmName"] for mail in self._alarm_mails.read()]

    def send_message(self, output: str, body: object) -> None:
        """Put a message into the queue of an output."""
        url = self.flow.environment.outputs[output]
        self.flow.environment.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))

    def pause_status_changes(self) -> None:
        """Disable the event source mapping of the ends of executions."""
        functions = self.flow.environment.client("lambda")
        [name] = [
            f["FunctionName"] for f in functions.list_functions()["Functions"] if f["Handler"] == "close_record.handler"
        ]
        [mapping] = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


@pytest.fixture
def helpdesk(make_flow: Callable[..., Flow]) -> Helpdesk:
    """The stack after its first sweep, when no alarm rings."""
    helpdesk = Helpdesk(make_flow(alarms=True, schedules=True))
    helpdesk.flow.pass_days(0.5 * HOURS)
    helpdesk.read_mails()
    return helpdesk


def refuse_event(helpdesk: Helpdesk) -> None:
    helpdesk.intake.send_message("no JSON")
    helpdesk.flow.pass_days(0.25 * HOURS)


def leave_event_undelivered(helpdesk: Helpdesk) -> None:
    """Put the event where EventBridge puts what it cannot deliver; the embedded EventBridge delivers everything."""
    helpdesk.send_message("UndeliveredEventQueueUrl", build_request_event("dana"))
    helpdesk.flow.pass_days(0.25 * HOURS)


def pause_events(helpdesk: Helpdesk) -> None:
    helpdesk.intake.set_paused(paused=True)
    helpdesk.intake.put_events(build_request_event("nobody@example.com"))
    helpdesk.flow.pass_days(1.25 * HOURS)


def fail_to_close_record(helpdesk: Helpdesk) -> None:
    fault = Fault("dynamodb", "GetItem", error="AccessDeniedException", function="CloseRecord")
    helpdesk.flow.environment.faults.add(fault)
    helpdesk.flow.start("nobody")
    helpdesk.flow.pass_days(6 * HOURS)


def leave_status_change_undelivered(helpdesk: Helpdesk) -> None:
    helpdesk.send_message("UndeliveredStatusChangeQueueUrl", {"source": "aws.states"})
    helpdesk.flow.pass_days(0.25 * HOURS)


def pause_status_changes(helpdesk: Helpdesk) -> None:
    helpdesk.pause_status_changes()
    helpdesk.flow.start("nobody")
    helpdesk.flow.pass_days(1.25 * HOURS)


def break_sweep(helpdesk: Helpdesk) -> None:
    fault = Fault("dynamodb", "Query", error="AccessDeniedException", function="SweepRecords")
    helpdesk.flow.environment.faults.add(fault)
    helpdesk.flow.pass_days(1.25 * DAYS)


def fail_five_offboardings(helpdesk: Helpdesk) -> None:
    for number in range(5):
        helpdesk.flow.start(f"nobody{number}")
    helpdesk.flow.pass_days(0.25 * HOURS)


def let_approval_wait(helpdesk: Helpdesk) -> None:
    helpdesk.flow.change_policy(ApprovalRequired=["vip*"])
    helpdesk.flow.people.create_user("vip")
    helpdesk.flow.start("vip")
    helpdesk.flow.pass_days(3.6 * DAYS)


def throttle_workmail(helpdesk: Helpdesk) -> None:
    """Let eight events wait: each is read again every three minutes, and asks WorkMail each time."""
    helpdesk.flow.inject_error("ListUsers", "ThrottlingException")
    requests = [build_request_event("dana@example.com", f"r-{number}") for number in range(8)]
    helpdesk.intake.put_events(*requests)
    helpdesk.flow.pass_days(0.75 * HOURS)


REFUSED = {"EventDeadLetters": "offboarding refused", "EventsRefused": "offboarding refused"}
FAULTS = [
    (refuse_event, REFUSED),
    (break_sweep, {"SweepMissing": "offboarding doctor"}),
    (fail_five_offboardings, {"ExecutionsFailing": "offboarding list --failed"}),
    (let_approval_wait, {"ApprovalsOverdue": "offboarding list --waiting"}),
    (throttle_workmail, {"Throttled": "offboarding status"}),
]
FURTHER_FAULTS = [
    (pause_events, {"OldestEvent": "offboarding queue"}),
    (leave_event_undelivered, {"UndeliveredEvents": "offboarding refused --queue undelivered-events"}),
    (fail_to_close_record, {"StatusChangeDeadLetters": "offboarding refused --queue status-changes"}),
    (
        leave_status_change_undelivered,
        {"UndeliveredStatusChanges": "offboarding refused --queue undelivered-status-changes"},
    ),
    (pause_status_changes, {"OldestStatusChange": "offboarding doctor"}),
]


def test_each_alarm_is_rung_by_one_fault() -> None:
    rung = [name for _, commands in [*FAULTS, *FURTHER_FAULTS] for name in commands]

    assert sorted(rung) == sorted(ALARMS)


@pytest.mark.parametrize(("make_fault", "commands"), [*FAULTS, *mark_long(*FURTHER_FAULTS)])
def test_a_fault_rings_its_alarm_and_no_other_one_and_the_mail_says_what_to_do(
    helpdesk: Helpdesk, make_fault: Callable[[Helpdesk], None], commands: dict[str, str]
) -> None:
    make_fault(helpdesk)

    mails = helpdesk.read_mails()
    assert {subject for subject in mails if subject.startswith("alarm: ")} == {
        f"alarm: {ALARMS[name].title}" for name in commands
    }
    for name, command in commands.items():
        meaning, advice, first_command, ringing = mails[f"alarm: {ALARMS[name].title}"].split("\n\n")
        assert meaning == f"{ALARMS[name].meaning} {ALARMS[name].mailboxes}"
        assert f"docs/runbook.md#{ALARMS[name].anchor}" in advice
        assert first_command == f"{command} --region us-east-1 --stack workmail-offboarding"
        assert ringing.startswith(f"The alarm workmail-offboarding-{name} rings since 2026-11-2")
    assert helpdesk.read_alarm_topic() == []


def test_people_are_told_when_a_paused_queue_is_read_again(helpdesk: Helpdesk) -> None:
    pause_events(helpdesk)
    assert set(helpdesk.read_mails()) == {"alarm: Events wait for too long"}

    helpdesk.intake.resume()
    helpdesk.flow.pass_days(0.5 * HOURS)

    mails = helpdesk.read_mails()
    meaning, _, command, rang = mails["over: Events wait for too long"].split("\n\n")
    assert meaning == "The alarm does not ring any more. No event waits for more than an hour."
    assert command == "offboarding queue --region us-east-1 --stack workmail-offboarding"
    assert rang.startswith("The alarm workmail-offboarding-OldestEvent rang from 2026-11-22T13:")


def test_a_further_burst_of_refused_events_rings_while_the_dead_letter_queue_is_not_empty(helpdesk: Helpdesk) -> None:
    refuse_event(helpdesk)
    helpdesk.flow.pass_days(1 * HOURS)
    assert "over: Events were refused" in helpdesk.read_mails()

    refuse_event(helpdesk)

    assert [subject for subject in helpdesk.read_mails() if subject.startswith("alarm")] == [
        "alarm: Events were refused"
    ]


@pytest.mark.parametrize(
    "event", [make_alarm_change("Unknown"), *mark_long({"source": "aws.cloudwatch", "detail": {}})]
)
def test_a_change_that_cannot_be_told_becomes_a_dead_letter_and_rings_the_alarm_about_telling(
    helpdesk: Helpdesk, event: dict[str, Any]
) -> None:
    helpdesk.send_message("NotificationQueueUrl", event)
    helpdesk.flow.pass_days(1 * HOURS)

    assert helpdesk.read_alarm_topic() == ["workmail-offboarding-NotTold"]
    assert helpdesk.read_mails() == {}, "the function does not tell that it cannot tell"


def test_a_healthy_stack_rings_nothing(helpdesk: Helpdesk) -> None:
    helpdesk.flow.people.create_user("dana")
    arn = helpdesk.flow.start("dana")

    helpdesk.flow.pass_days(3 * DAYS)

    assert helpdesk.flow.read_record(arn)["Status"] == "InWindow"
    assert helpdesk.read_mails() == {}
    assert helpdesk.read_alarm_topic() == []
