"""The mail about a step: who gets one about what, what it says first, and whom it names."""

from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID, REGION
from offboarding.domain.notifications.mails import ADVICE, Mail, MailOptions, make_mail
from tests import told_steps
from tests.told_steps import DEREGISTERED_AT, ENTITY_ID, EXECUTION_ARN, RETENTION_ENDS_AT, STEPS, UNTIL

WITH_NAMES, WITHOUT_NAMES = (MailOptions(has_names, "test-stack") for has_names in (True, False))
ON_STACK = f"--region {REGION} --stack test-stack"
CONSOLE_LINK = (
    f"https://{REGION}.console.aws.amazon.com/states/home?region={REGION}#/v2/executions/details/{EXECUTION_ARN}"
)
MAILED = (
    *("approval", "first_of_cap", "first_of_hand_cap", "failed", "failed_afterwards", "unresolved", "unreadable_input"),
    *("returned", "returned_before", "last_day"),
)


def mail_about(step: dict[str, Any], options: MailOptions = WITH_NAMES) -> Mail:
    mail = make_mail(step, options)
    assert mail is not None
    return mail


def test_only_what_needs_a_person_is_mailed() -> None:
    assert tuple(sorted(name for name, step in STEPS.items() if make_mail(step, WITH_NAMES))) == tuple(sorted(MAILED))


@pytest.mark.parametrize("name", MAILED)
@pytest.mark.parametrize("options", [WITH_NAMES, WITHOUT_NAMES], ids=["names", "no names"])
def test_a_subject_is_short_ascii_and_names_nobody(name: str, options: MailOptions) -> None:
    subject = mail_about(STEPS[name], options).subject

    assert subject.isascii()
    assert subject.isprintable()
    assert len(subject) < 100
    assert subject.startswith("WorkMail offboarding: ")
    assert "dana" not in subject
    assert ENTITY_ID not in subject


@pytest.mark.parametrize("name", MAILED)
def test_without_names_a_mail_has_no_name_no_address_and_no_free_text(name: str) -> None:
    mail = mail_about(STEPS[name], WITHOUT_NAMES)

    assert "dana" not in mail.text.casefold()
    assert "@" not in mail.text
    assert STEPS[name].get("Cause", "The cause") not in mail.text


def test_the_mail_about_an_approval_has_the_entity_the_reasons_the_limit_and_the_command() -> None:
    mail = mail_about(told_steps.APPROVAL)

    assert mail.subject == "WorkMail offboarding: an approval is needed"
    assert mail.text.startswith(
        "Nothing has been changed yet.\n\n"
        f"The offboarding of the user dana.leaver (dana.leaver@example.com, {ENTITY_ID}) of {ORGANIZATION_ID} waits "
        f"for an approval until {UNTIL}.\n\nThe address dana.leaver@example.com matches *@example.com.\n\n"
        "Requested by: helpdesk, it.admin@example.com\nIdentity provider: okta\nReason given: Left on Friday\n\n"
        "If nobody decides until then, the offboarding ends as ApprovalTimedOut, and nothing is changed.\n\n"
    )
    assert "u-1" not in mail.text, "the provider's own id of a person stays in the table"
    assert mail.text.split("\n\n")[-6:-2] == [
        "What to do: look first, then decide with one of the commands below it:",
        f"offboarding show {ENTITY_ID} {ON_STACK}",
        f'offboarding approve {ENTITY_ID} --reason "<why>" {ON_STACK}',
        f'offboarding reject {ENTITY_ID} --reason "<why>" {ON_STACK}',
    ]
    assert mail.text.endswith(CONSOLE_LINK)


def test_the_mail_about_an_approval_without_names_has_the_id_and_no_reasons() -> None:
    mail = mail_about(told_steps.APPROVAL, WITHOUT_NAMES)

    assert f"The offboarding of the user {ENTITY_ID} of {ORGANIZATION_ID} waits" in mail.text
    assert "The reasons are in the record of the execution." in mail.text
    assert "helpdesk" not in mail.text


def test_the_mail_about_an_approval_of_a_request_without_a_requester_says_nothing_of_one() -> None:
    mail = mail_about({**told_steps.APPROVAL, "Request": {}})

    assert "Requested by" not in mail.text
    assert "\n\n\n" not in mail.text


def test_the_cap_is_mailed_once_with_a_warning_about_the_provider() -> None:
    mail = mail_about(told_steps.FIRST_OF_CAP)

    assert mail.subject == "WorkMail offboarding: the cap of identity providers is reached"
    assert mail.text.startswith(
        "Nothing has been changed yet.\n\n"
        f"Identity providers report more leavers of {ORGANIZATION_ID} than dailyCap allows in 24 hours.\n\n"
    )
    assert "look at the identity provider before you approve anything" in mail.text
    assert f"The first one that waits is the user dana.leaver (dana.leaver@example.com, {ENTITY_ID})" in mail.text
    assert UNTIL in mail.text
    assert f'\n\noffboarding approve --all --because dailyCap --reason "<why>" {ON_STACK}\n\n' in mail.text
    assert make_mail(told_steps.SECOND_OF_CAP, WITH_NAMES) is None


def test_the_cap_of_offboardings_by_hand_is_mailed_once_with_a_warning_about_lists_and_scripts() -> None:
    mail = mail_about(told_steps.FIRST_OF_HAND_CAP)

    assert mail.subject == "WorkMail offboarding: the cap of offboardings by hand is reached"
    assert mail.text.startswith(
        "Nothing has been changed yet.\n\n"
        f"People have started more offboardings in {ORGANIZATION_ID} than handCap allows in 24 hours.\n\n"
    )
    assert "If a list or a script is wrong, stop the script before you approve anything." in mail.text
    assert "how to restore" in mail.text
    assert "dentity provider" not in mail.text
    assert f'\n\noffboarding reject --all --because handCap --reason "<why>" {ON_STACK}\n\n' in mail.text
    assert f"The first one that waits is the user dana.leaver (dana.leaver@example.com, {ENTITY_ID})" in mail.text
    assert make_mail(told_steps.SECOND_OF_HAND_CAP, WITH_NAMES) is None


@pytest.mark.parametrize(
    ("step", "subject", "opening"),
    [
        (
            told_steps.FAILED_AFTERWARDS,
            "failed, and the mailbox was disabled",
            f"The mailbox was disabled at {DEREGISTERED_AT}, and WorkMail removes it after {RETENTION_ENDS_AT}. "
            "Nobody verifies that any more.",
        ),
        (
            {**told_steps.FAILED, "MailboxTouched": "Yes"},
            "failed, and the mailbox was disabled",
            "The mailbox was disabled. Nobody verifies its removal any more.",
        ),
        (
            {**told_steps.FAILED, "MailboxTouched": "Yes", "DeregisteredAt": DEREGISTERED_AT},
            "failed, and the mailbox was disabled",
            "The mailbox was disabled. Nobody verifies its removal any more.",
        ),
        (
            {**told_steps.FAILED, "MailboxTouched": "Maybe"},
            "failed, and the mailbox may have been disabled",
            "The mailbox may have been disabled. Look at the entity in the WorkMail console.",
        ),
        (told_steps.FAILED, "failed, and the mailbox was not touched", "The mailbox was not touched."),
    ],
)
def test_the_mail_about_a_failure_says_first_whether_the_mailbox_was_touched(
    step: dict[str, Any], subject: str, opening: str
) -> None:
    mail = mail_about(step)

    assert mail.subject == f"WorkMail offboarding: {subject}"
    assert mail.text.split("\n\n")[0] == opening


def test_the_mail_about_a_failure_then_says_what_failed_why_and_what_to_do() -> None:
    _, failure, cause, advice, where, command, execution, link = mail_about(told_steps.FAILED).text.split("\n\n")

    assert failure == (
        f"The offboarding of the user dana.leaver (dana.leaver@example.com, {ENTITY_ID}) of {ORGANIZATION_ID} ended as "
        "EntityProtected."
    )
    assert cause == "It is protected."
    assert advice == f"What to do: {ADVICE['EntityProtected']}"
    assert where.endswith(" docs/runbook.md#entityprotected")
    assert command == f"offboarding show {ENTITY_ID} {ON_STACK}"
    assert (execution, link) == (f"Execution: {EXECUTION_ARN}", CONSOLE_LINK)


@pytest.mark.parametrize("step", [told_steps.UNRESOLVED, told_steps.UNREADABLE_INPUT])
def test_the_command_about_an_entity_that_was_not_found_has_the_execution_and_no_text_of_an_input(
    step: dict[str, Any],
) -> None:
    assert f"offboarding show {step['Id']} {ON_STACK}" in mail_about(step).text.split("\n\n")


@pytest.mark.parametrize(
    ("step", "options", "description"),
    [
        (told_steps.UNRESOLVED, WITH_NAMES, f"the entity dana.lever@example.com of {ORGANIZATION_ID} ended"),
        (told_steps.UNRESOLVED, WITHOUT_NAMES, f"an entity of {ORGANIZATION_ID} that was not found ended"),
        (told_steps.UNREADABLE_INPUT, WITH_NAMES, "an entity that was not found ended"),
        ({**told_steps.FAILED, "EntityType": "GROUP"}, WITHOUT_NAMES, f"the group {ENTITY_ID} of"),
        ({**told_steps.FAILED, "EntityType": "RESOURCE"}, WITHOUT_NAMES, f"the resource {ENTITY_ID} of"),
        ({**told_steps.FAILED, "EntityName": "dana\n\nThe mailbox"}, WITH_NAMES, "the user dana The mailbox ("),
    ],
)
def test_an_entity_is_described_by_what_is_known_of_it_on_one_line(
    step: dict[str, Any], options: MailOptions, description: str
) -> None:
    assert f"The offboarding of {description}" in mail_about(step, options).text


def test_an_outcome_without_advice_sends_the_reader_to_the_cause() -> None:
    assert (
        "What to do: Read the cause, then start again.\n\nBegin with this command, which says what happened before and "
        "what to type next.\n\n" in mail_about({**told_steps.FAILED, "Outcome": "States.Runtime"}).text
    )


def test_a_dry_run_that_failed_is_not_mailed() -> None:
    assert make_mail({**told_steps.FAILED, "DryRun": True}, WITH_NAMES) is None


RETURN = f"okta reports that the user dana.leaver (dana.leaver@example.com, {ENTITY_ID}) of {ORGANIZATION_ID} is back"


@pytest.mark.parametrize("outcome", ["Withdrawn", "Rejected", "AlreadyInProgress"])
def test_an_end_that_somebody_wanted_is_not_mailed(outcome: str) -> None:
    assert make_mail({**told_steps.FAILED, "Outcome": outcome}, WITH_NAMES) is None


@pytest.mark.parametrize(
    ("changes", "subject", "opening", "last_day"),
    [
        (
            {},
            "a leaver is back, and the mailbox is disabled",
            f"The mailbox was disabled at {DEREGISTERED_AT}, and WorkMail removes it after {RETENTION_ENDS_AT}.",
            f" It works until {RETENTION_ENDS_AT}.",
        ),
        (
            {"MailboxTouched": "Maybe"},
            "a leaver is back, and the mailbox may be disabled",
            "The mailbox may have been disabled. Look at the entity in the WorkMail console.",
            f" It works until {RETENTION_ENDS_AT}.",
        ),
        (
            {"RetentionEndsAt": ...},
            "a leaver is back, and the mailbox is disabled",
            "The mailbox was disabled. Nobody verifies its removal any more.",
            " It works for 30 days from the disabling.",
        ),
        (
            {"MailboxTouched": "Maybe", "RetentionEndsAt": ..., "DeregisteredAt": ...},
            "a leaver is back, and the mailbox may be disabled",
            "The mailbox may have been disabled. Look at the entity in the WorkMail console.",
            " It works for 30 days from the disabling.",
        ),
    ],
)
def test_the_mail_about_a_leaver_who_is_back_has_the_restore_and_its_last_day(
    changes: dict[str, Any], subject: str, opening: str, last_day: str
) -> None:
    step = {name: value for name, value in {**told_steps.RETURNED, **changes}.items() if value is not ...}

    mail = mail_about(step)

    assert mail.subject == f"WorkMail offboarding: {subject}"
    paragraphs = mail.text.split("\n\n")
    assert paragraphs[:3] == [
        opening,
        f"{RETURN} since 2026-11-24T08:00:00Z. Nothing is restored by itself.",
        f"What to do: if the person stays, start a restore.{last_day} After that the mailbox is lost.",
    ]
    assert paragraphs[3] == f'offboarding restore {ENTITY_ID} --reason "<why>" {ON_STACK}'
    assert paragraphs[4:] == [f"Execution: {EXECUTION_ARN}", CONSOLE_LINK]


@pytest.mark.parametrize(
    ("members", "date"), [({}, ""), ({"NotBefore": "2026-12-31T00:00:00Z"}, ", for 2026-12-31T00:00:00Z")]
)
def test_the_mail_about_a_leaver_who_is_back_before_anything_happened_has_the_withdrawal_and_the_date(
    members: dict[str, str], date: str
) -> None:
    mail = mail_about({**told_steps.RETURNED_BEFORE, **members})

    assert mail.subject == "WorkMail offboarding: a leaver is back, and the offboarding goes on"
    paragraphs = mail.text.split("\n\n")
    assert paragraphs[:3] == [
        "The mailbox has not been touched.",
        f"{RETURN} since 2026-11-24T08:00:00Z. The offboarding goes on, because somebody else asked for it{date}.",
        "What to do: if the person stays, withdraw the offboarding before it deregisters the mailbox:",
    ]
    assert paragraphs[3] == f'offboarding withdraw {ENTITY_ID} --reason "<why>" {ON_STACK}'
    assert paragraphs[4:] == [f"Execution: {EXECUTION_ARN}", CONSOLE_LINK]


def test_the_mail_about_a_leaver_who_is_back_has_the_id_if_the_settings_leave_names_out() -> None:
    for step in (told_steps.RETURNED, told_steps.RETURNED_BEFORE):
        text = mail_about(step, WITHOUT_NAMES).text
        assert f"okta reports that the user {ENTITY_ID} of {ORGANIZATION_ID} is back since" in text


def test_the_mail_about_the_last_day_has_both_days() -> None:
    mail = mail_about(told_steps.LAST_DAY)

    assert mail.subject == "WorkMail offboarding: the last day for a verified clean-up"
    assert mail.text.startswith(
        "After 2027-02-28, a clean-up cannot be verified before Amazon WorkMail ends on 2027-03-31."
    )
    assert "What to do: offboard by 2027-02-28" in mail.text
