"""The end of Amazon WorkMail: what the command promises ends with it, as the functions compute it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from offboarding.domain.retention import RetentionRules, plan_retention
from offboarding.domain.timestamps import render
from operate.account import Account, Stack
from operate.advice import Adviser
from operate.progress import describe_next
from operate.questions.offboardings import Offboarding
from operate.service_end import ANNOUNCED_SERVICE_END, RETENTION, Retention, ServiceEnd
from operate.starting.plans import Plan, describe_plan
from stacks import settings
from tests.unit.operate.conftest import RunCommand, put_item

DAY = date(2027, 3, 31)
SERVICE_END = ServiceEnd(DAY)
RULES = RetentionRules(RETENTION, timedelta(hours=6), timedelta(days=3), DAY)
BEFORE, LAST_DAY, AFTER = (datetime(2027, month, day, 12, tzinfo=UTC) for month, day in ((3, 25), (3, 31), (4, 5)))
RETENTION_END = "2027-04-24T12:00:00.000Z"
ENTITY = {"Id": "id-1", "Type": "USER", "Name": "dana", "Email": "dana@example.com"}
RECORD = {
    "Id": "arn:1",
    "Part": "Record",
    "OrganizationId": "m-" + "0" * 32,
    "Entity": ENTITY,
    "Status": "InWindow",
    "StatusKey": "InWindow",
    "DueAt": RETENTION_END,
    "DeregisteredAt": "2027-03-25T12:00:00.000Z",
    "RetentionEndsAt": RETENTION_END,
    "VerifyAt": "2027-03-30T00:00:00.000Z",
}


def set_time(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setattr(Account, "read_time", lambda _: now)


def advise(now: datetime, **members: Any) -> list[tuple[str, str | None]]:
    record = Offboarding.from_record(RECORD | members)
    advice = Adviser(Account(), now).advise(record)
    return [(item.sentence, item.command and item.command.split()[1]) for item in advice]


@pytest.mark.parametrize("hours", range(-80, 40, 7))
def test_the_command_and_the_functions_agree_on_what_is_verified(hours: int) -> None:
    disabled_at = RULES.last_verifiable_moment + timedelta(hours=hours)
    plan = plan_retention(disabled_at, RULES)
    retention = Retention(render(plan.retention_ends_at), SERVICE_END)

    assert retention.is_verifiable is not plan.service_ends_first
    assert (SERVICE_END.at, SERVICE_END.last_check) == (RULES.service_ends_at, RULES.last_check)
    assert SERVICE_END.last_verifiable_moment == RULES.last_verifiable_moment
    assert retention.last_return == render(min(plan.retention_ends_at, RULES.service_ends_at))


def test_the_announced_day_is_that_of_the_settings() -> None:
    assert ANNOUNCED_SERVICE_END == settings.ANNOUNCED_SERVICE_END


def test_the_day_is_that_of_the_stack() -> None:
    stack = Stack("s", "arn", "CREATE_COMPLETE", True, {"WorkMailEndsOn": "2026-12-31"})

    assert stack.service_end == ServiceEnd(date(2026, 12, 31))


def test_a_mailbox_is_given_back_only_until_workmail_ends(stack: Stack) -> None:
    end = {"Status": "Ended", "Outcome": "ServiceEnded"}

    assert advise(BEFORE) == [
        (
            "The mailbox can be given back until 2027-03-31 00:00 (5 days left). "
            "Amazon WorkMail ends on 2027-03-31, before the retention is over.",
            "restore",
        )
    ]
    assert advise(LAST_DAY, **end) == [
        ("Amazon WorkMail ends today, 2027-03-31, and may no longer answer. Give the mailbox back at once.", "restore")
    ]
    sentence = "The mailbox cannot be given back any more: Amazon WorkMail ended on 2027-03-31."
    assert advise(AFTER, **end) == advise(AFTER) == [(sentence, None)]


def test_nothing_is_started_or_approved_after_the_end(stack: Stack) -> None:
    failed = advise(AFTER, Status="Unwatched", Outcome="FunctionUnavailable")
    [(_, command)] = advise(AFTER, Status="AwaitingApproval")
    restore = advise(AFTER, Status="Restoring", RestoreBeganAt="2027-03-30T00:00:00.000Z")

    assert [item[1] for item in (*failed, *restore)] == [None, None, None]
    assert "nobody is offboarded any more." in failed[0][0]
    assert command == "reject"


def test_a_list_ends_with_workmail(table: Any, stack: Stack, run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    set_time(monkeypatch, BEFORE)
    put_item(table, **RECORD)

    output = run("list", "--window").stdout

    assert "Amazon WorkMail ends" in output
    assert "2027-03-31 00:00" in output
    assert "2027-04-24" not in output


def test_the_last_lines_of_a_start_promise_nothing_after_the_end(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    set_time(monkeypatch, BEFORE)

    lines = [*describe_next(Account(), Offboarding.from_record(RECORD))]

    assert lines[1:3] == [
        "The mailbox can be given back until 2027-03-31 00:00 (5 days left). "
        "Amazon WorkMail ends on 2027-03-31, before the retention is over.",
        "The end of Amazon WorkMail on 2027-03-31 comes first: the clean-up cannot be verified.",
    ]
    assert "2027-04-24" not in " ".join(lines)


def test_a_plan_does_not_name_a_verification_that_cannot_be() -> None:
    members = {"MailboxIsRemovedAt": RETENTION_END, "VerifyAt": "2027-03-30T00:00:00.000Z"}
    plan = {"WouldBeRefused": [], "NeedsApproval": [], "WouldCall": True, **members}
    output = {"Organization": {"Id": "m-1"}, "Entity": ENTITY, "Explanation": "It disables.", "Plan": plan}

    lines = [*describe_plan(Plan("arn:1", output), SERVICE_END)]

    assert lines[3:5] == [
        "Last return: 2027-03-31 00:00, then Amazon WorkMail ends on 2027-03-31",
        "Verified:    The end of Amazon WorkMail on 2027-03-31 comes first: the clean-up cannot be verified.",
    ]


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (datetime(2027, 1, 29, tzinfo=UTC), None),
        (datetime(2027, 1, 31, tzinfo=UTC), "Amazon WorkMail ends on 2027-03-31: after that day nothing"),
        (AFTER, "Amazon WorkMail ended on 2027-03-31: nothing can be given back"),
    ],
)
def test_the_status_says_from_two_months_ahead_who_is_affected(
    table: Any,
    stack: Stack,
    run: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
    now: datetime,
    sentence: str | None,
) -> None:
    set_time(monkeypatch, now)
    put_item(table, **RECORD)
    waiting = {"Id": "arn:2", "Entity": {"Id": "2", "Email": "erin@example.com"}, "Status": "Scheduled"}
    put_item(table, **(RECORD | waiting | {"StatusKey": "Scheduled", "DueAt": "2027-03-20T00:00:00.000Z"}))

    output = run("status").stdout

    assert output.startswith("workmail-offboarding in ")
    assert ("The end of Amazon WorkMail\n" in output) is (sentence is not None)
    if sentence is not None:
        assert sentence in output
        assert "never verified: 1 (dana@example.com)." in output
        assert "disabled after 2027-02-28 23:00: 1 (erin@example.com)." in output
