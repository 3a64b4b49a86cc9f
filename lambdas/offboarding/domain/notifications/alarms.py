"""The mail about an alarm of the stack: all wording of these mails is here.

CloudWatch sends an event when an alarm changes its state. The mail says first what that means and whether mailboxes are
touched, then which section of the runbook helps, then the first command. It names nobody.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from offboarding.domain.errors import UnexpectedAnswer
from offboarding.domain.notifications.mails import Mail, make_mail_of
from offboarding.domain.timestamps import parse, render

_DETAIL_TYPE = "CloudWatch Alarm State Change"
_SOURCE = "aws.cloudwatch"
_RUNBOOK = "docs/runbook.md"
_QUIET_STATES = frozenset({"OK", "INSUFFICIENT_DATA"})


@dataclass(frozen=True)
class AlarmText:
    """What people are told of one alarm.

    Attributes
    ----------
    title
        The heading of its section in the runbook, and the end of the subject.
    anchor
        That of the section.
    meaning
        What has happened.
    mailboxes
        Whether mailboxes are touched.
    over
        What the end of the alarm means, and what it does not mean.
    command
        The first command, which changes nothing; the mail adds the stack's name.
    """

    title: str
    anchor: str
    meaning: str
    mailboxes: str
    over: str
    command: str


ALARMS: Mapping[str, AlarmText] = {
    "EventDeadLetters": AlarmText(
        title="Events that nobody could act on",
        anchor="events-that-nobody-could-act-on",
        meaning="Events of identity providers are in the dead-letter queue: they were refused, or failed a hundred "
        "times.",
        mailboxes="No mailbox is touched. Leavers may keep theirs until somebody acts.",
        over="The dead-letter queue of events is empty: somebody has acted, or the events are older than 14 days.",
        command="offboarding refused",
    ),
    "EventsRefused": AlarmText(
        title="Events were refused",
        anchor="events-were-refused",
        meaning="Events of identity providers were refused within the last minutes. Further ones may be in the "
        "dead-letter queue already.",
        mailboxes="No mailbox is touched. Leavers may keep theirs until somebody acts.",
        over="No further event was refused. Those that were refused still wait in the dead-letter queue.",
        command="offboarding refused",
    ),
    "UndeliveredEvents": AlarmText(
        title="Events that were not delivered",
        anchor="events-that-were-not-delivered",
        meaning="EventBridge could not put events of identity providers into their queue.",
        mailboxes="No mailbox is touched. Leavers keep theirs until somebody sends the events again.",
        over="The queue of events that were not delivered is empty.",
        command="offboarding refused --queue undelivered-events",
    ),
    "OldestEvent": AlarmText(
        title="Events wait for too long",
        anchor="events-wait-for-too-long",
        meaning="An event of an identity provider has waited for more than an hour. The queue is paused, or the "
        "function that reads it fails. A queue that was paused on purpose rings this alarm too.",
        mailboxes="No mailbox is touched. Events are kept for 14 days, and leavers keep their mailboxes meanwhile.",
        over="No event waits for more than an hour.",
        command="offboarding queue",
    ),
    "StatusChangeDeadLetters": AlarmText(
        title="Ends that could not be recorded",
        anchor="ends-that-could-not-be-recorded",
        meaning="The end or the starter of an execution could not be written into its record in a hundred attempts.",
        mailboxes="No mailbox is touched. The sweep records each end within a day, but not who has started it.",
        over="The dead-letter queue of ends and starters is empty.",
        command="offboarding refused --queue status-changes",
    ),
    "UndeliveredStatusChanges": AlarmText(
        title="Ends that were not delivered",
        anchor="ends-that-were-not-delivered",
        meaning="EventBridge could not put the end or the starter of an execution into its queue.",
        mailboxes="No mailbox is touched. The sweep records each end within a day, but not who has started it.",
        over="The queue of ends and starters that were not delivered is empty.",
        command="offboarding refused --queue undelivered-status-changes",
    ),
    "OldestStatusChange": AlarmText(
        title="Ends wait for too long",
        anchor="ends-wait-for-too-long",
        meaning="The end or the starter of an execution has waited for more than an hour to be recorded. The queue is "
        "paused, or the function that reads it fails. A queue that was paused on purpose rings this alarm too.",
        mailboxes="No mailbox is touched. The sweep records each end within a day.",
        over="No end waits for more than an hour.",
        command="offboarding doctor",
    ),
    "SweepMissing": AlarmText(
        title="No sweep was completed",
        anchor="no-sweep-was-completed",
        meaning="The records were not brought up to date within a day: the sweep does not start, or it fails. Right "
        "after the first deployment this alarm can ring for some minutes.",
        mailboxes="No mailbox is touched. The list of the window and the age of approvals may be out of date.",
        over="A sweep was completed.",
        command="offboarding doctor",
    ),
    "ExecutionsFailing": AlarmText(
        title="Executions fail in numbers",
        anchor="executions-fail-in-numbers",
        meaning="At least five offboardings failed or timed out within an hour.",
        mailboxes="Some mailboxes may be disabled. The cause of each execution says first whether its own is.",
        over="Fewer than five offboardings failed within the last hour. Those that failed are not started again.",
        command="offboarding list --failed",
    ),
    "ApprovalsOverdue": AlarmText(
        title="An approval waits for too long",
        anchor="an-approval-waits-for-too-long",
        meaning="Nobody has decided on an offboarding for the days of the setting approvalReminderDays. It ends as "
        "ApprovalTimedOut 14 days after the request.",
        mailboxes="No mailbox is touched before the approval.",
        over="At the last sweep no approval waited for so long. That is looked at twice a day.",
        command="offboarding list --waiting",
    ),
    "Throttled": AlarmText(
        title="Throttled",
        anchor="throttled",
        meaning="Lambda, Step Functions or WorkMail has throttled at least one call a minute for half an hour. Other "
        "functions of the account share Lambda's concurrency.",
        mailboxes="A throttled call changes nothing. It is made again for five hours at least, then the execution "
        "fails.",
        over="Fewer calls than one a minute are throttled. What was retried goes on by itself.",
        command="offboarding status",
    ),
}
"""By the name of an alarm without the stack's name. NotTold is about the telling itself, and publishes by itself."""


def is_alarm_change(message: object) -> bool:
    """Return whether a message of the queue claims to be the change of an alarm, and not the key of a step."""
    return isinstance(message, Mapping) and message.get("source") == _SOURCE


def make_alarm_mail(event: Mapping[str, Any], stack_name: str) -> Mail | None:
    """Make the mail about the change of an alarm; None if it needs nobody.

    Parameters
    ----------
    event
        CloudWatch's event.
    stack_name
        The stack, whose name begins that of the alarm.

    Raises
    ------
    UnexpectedAnswer
        If it is no change of an alarm of this stack.
    """
    try:
        return _make_mail(event, event["detail"], stack_name)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnexpectedAnswer("The event is not the change of an alarm of this stack.") from None


def _make_mail(event: Mapping[str, Any], detail: Mapping[str, Any], stack_name: str) -> Mail | None:
    prefix, name, state = f"{stack_name}-", detail["alarmName"], detail["state"]
    detail_type = event["detail-type"]
    if detail_type != _DETAIL_TYPE or not name.startswith(prefix):
        raise ValueError(detail_type)
    text, since = ALARMS[name.removeprefix(prefix)], _render_moment(state)
    advice = [
        f"What to do: read the section {text.title} of the runbook, {_RUNBOOK}#{text.anchor}. Begin with:",
        f"{text.command} --region {event['region']} --stack {stack_name}",
    ]
    if state["value"] == "ALARM":
        ringing = f"The alarm {name} rings since {since}."
        return make_mail_of(f"alarm: {text.title}", [f"{text.meaning} {text.mailboxes}", *advice, ringing])
    if state["value"] not in _QUIET_STATES:
        raise ValueError(state["value"])
    previous = detail["previousState"]
    if (state["value"], previous["value"]) != ("OK", "ALARM"):
        return None
    rang = f"The alarm {name} rang from {_render_moment(previous)} to {since}."
    return make_mail_of(f"over: {text.title}", [f"The alarm does not ring any more. {text.over}", *advice, rang])


def _render_moment(state: Mapping[str, str]) -> str:
    return render(parse(state["timestamp"]))
