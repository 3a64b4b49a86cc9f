"""The mail about an alarm: what it says first, which section and command it names, and which changes need nobody."""

import re
from typing import Any

import pytest

from offboarding.domain.errors import UnexpectedAnswer
from offboarding.domain.notifications.alarms import ALARMS, is_alarm_change, make_alarm_mail
from offboarding.domain.notifications.mails import Mail
from tests.alarm_changes import STACK_NAME, make_alarm_change

MAX_WORDS = 25
MAILBOXES = re.compile(r"\b(mailbox|mailboxes|changes nothing)\b")

every_alarm = pytest.mark.parametrize("name", ALARMS)
every_mail = pytest.mark.parametrize(("value", "previous"), [("ALARM", "OK"), ("OK", "ALARM")])


def mail_about(event: dict[str, Any], stack_name: str = STACK_NAME) -> Mail:
    mail = make_alarm_mail(event, stack_name)
    assert mail is not None
    return mail


@every_alarm
@every_mail
def test_a_subject_has_the_title_is_short_ascii_and_says_whether_the_alarm_rings(
    name: str, value: str, previous: str
) -> None:
    subject = mail_about(make_alarm_change(name, value, previous)).subject

    beginning = "alarm" if value == "ALARM" else "over"
    assert subject == f"WorkMail offboarding: {beginning}: {ALARMS[name].title}"
    assert subject.isascii()
    assert len(subject) < 100


@every_alarm
def test_the_mail_of_an_alarm_has_its_meaning_the_mailboxes_the_section_the_command_and_the_time(name: str) -> None:
    text = ALARMS[name]

    meaning, advice, command, ringing = mail_about(make_alarm_change(name)).text.split("\n\n")

    assert meaning == f"{text.meaning} {text.mailboxes}"
    assert MAILBOXES.search(meaning)
    assert f"docs/runbook.md#{text.anchor}. Begin with:" in advice
    assert command == f"{text.command} --region us-east-1 --stack workmail-offboarding"
    assert ringing == f"The alarm workmail-offboarding-{name} rings since 2026-11-24T09:05:00.267Z."


@every_alarm
def test_the_mail_of_the_end_says_what_it_means_and_from_when_to_when_the_alarm_rang(name: str) -> None:
    meaning, advice, command, rang = mail_about(make_alarm_change(name, "OK", "ALARM")).text.split("\n\n")

    assert meaning == f"The alarm does not ring any more. {ALARMS[name].over}"
    assert f"#{ALARMS[name].anchor}" in advice
    assert command.startswith("offboarding ")
    assert rang == (
        f"The alarm workmail-offboarding-{name} rang from 2026-11-24T09:05:00.267Z to 2026-11-24T10:30:00.989Z."
    )


@every_alarm
def test_the_anchor_is_that_of_the_title(name: str) -> None:
    assert ALARMS[name].anchor == re.sub(r"[^a-z -]", "", ALARMS[name].title.lower()).replace(" ", "-")


@every_alarm
@every_mail
def test_the_sentences_are_short_and_name_nobody(name: str, value: str, previous: str) -> None:
    text = mail_about(make_alarm_change(name, value, previous)).text

    assert "@" not in text
    sentences = [sentence for paragraph in text.split("\n\n") for sentence in re.split(r"(?<=[.:]) ", paragraph)]
    assert [sentence for sentence in sentences if len(sentence.split()) > MAX_WORDS] == []


def test_no_two_alarms_have_one_section() -> None:
    assert len({text.anchor for text in ALARMS.values()}) == len(ALARMS)


@pytest.mark.parametrize(
    ("value", "previous"),
    [("OK", "INSUFFICIENT_DATA"), ("OK", "OK"), ("INSUFFICIENT_DATA", "ALARM"), ("INSUFFICIENT_DATA", "OK")],
)
def test_a_change_that_needs_nobody_is_not_mailed(value: str, previous: str) -> None:
    assert make_alarm_mail(make_alarm_change("Throttled", value, previous), STACK_NAME) is None


def test_an_alarm_that_rings_right_after_its_creation_is_mailed() -> None:
    assert "rings since" in mail_about(make_alarm_change("SweepMissing", "ALARM", "INSUFFICIENT_DATA")).text


def test_the_mail_of_another_stack_has_the_command_for_that_stack() -> None:
    text = mail_about(make_alarm_change("OldestEvent", stack_name="test"), "test").text

    assert "offboarding queue --region us-east-1 --stack test" in text
    assert "The alarm test-OldestEvent rings" in text


@pytest.mark.parametrize(
    "event",
    [
        make_alarm_change("Unknown"),
        make_alarm_change("NotTold"),
        make_alarm_change("Throttled", stack_name="another"),
        make_alarm_change("Throttled", alarmName="Throttled"),
        make_alarm_change("Throttled", alarmName=None),
        make_alarm_change("Throttled", "RINGING"),
        make_alarm_change("Throttled", state=None),
        make_alarm_change("Throttled", state={"value": "ALARM"}),
        make_alarm_change("Throttled", state={"value": "ALARM", "timestamp": "yesterday"}),
        make_alarm_change("Throttled", "OK", previousState=None),
        {**make_alarm_change("Throttled"), "detail-type": "CloudWatch Alarm Configuration Change"},
        {**make_alarm_change("Throttled"), "detail": None},
        {"source": "aws.cloudwatch"},
    ],
)
def test_an_event_that_is_no_change_of_an_alarm_of_this_stack_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedAnswer, match="not the change of an alarm of this stack"):
        make_alarm_mail(event, STACK_NAME)


@pytest.mark.parametrize(
    ("message", "is_change"),
    [(make_alarm_change("Throttled"), True), ({"Id": "a", "Part": "b"}, False), (["aws.cloudwatch"], False)],
)
def test_a_change_of_an_alarm_is_told_from_the_key_of_a_step_by_its_source(message: object, *, is_change: bool) -> None:
    assert is_alarm_change(message) is is_change
