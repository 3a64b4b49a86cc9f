"""What a person can do about an offboarding."""

from datetime import UTC, datetime
from typing import Any

import pytest

from operate.account import Account, Stack
from operate.advice import Adviser
from operate.command import offboarding
from operate.questions.offboardings import Offboarding
from operate.terminal import render_moment, render_remaining_time
from operate.wording.outcomes import OUTCOMES

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
BEFORE, AFTER = "2026-11-30T12:00:00.000Z", "2026-12-10T12:00:00.000Z"
DEREGISTERED = {"DeregisteredAt": BEFORE, "RetentionEndsAt": AFTER}
ADDRESS = "dana@example.com"


@pytest.fixture(autouse=True)
def stack_is_deployed(stack: Stack) -> None:
    """Have a stack whose outputs do not have the end of Amazon WorkMail: it is the announced one."""


def list_commands(**members: Any) -> list[str | None]:
    """Return the commands for a record."""
    record = {"Id": "arn:1", "Entity": {"Id": "id-1", "Email": ADDRESS}, **members}
    commands = [advice.command for advice in Adviser(Account(), NOW).advise(Offboarding.from_record(record))]
    return [command and command.split()[1] for command in commands]


@pytest.mark.parametrize(
    ("members", "commands"),
    [
        ({"Status": "InWindow", "RetentionEndsAt": AFTER}, ["restore"]),
        ({"Status": "InWindow", "RetentionEndsAt": BEFORE}, []),
        ({"Status": "Deregistering", "DueAt": AFTER}, ["restore"]),
        ({"Status": "Restoring", "RestoreBeganAt": BEFORE}, ["restore"]),
        ({"Status": "Restored", "RetentionEndsAt": AFTER}, []),
        ({"Status": "Recorded"}, []),
        ({"Status": "Scheduled", "DueAt": AFTER, "SupersededBy": "arn:2"}, ["withdraw"]),
        ({"Status": "InWindow", "RetentionEndsAt": AFTER, "SupersededBy": "arn:2"}, []),
        ({"Status": "Unwatched", "Outcome": "CleanupOverdue", "RetentionEndsAt": BEFORE}, ["retry"]),
        ({"Status": "Unwatched", "Outcome": "FunctionUnavailable", "DueAt": AFTER}, ["retry", "restore"]),
        ({"Status": "Ended", "Outcome": "ServiceEnded", **DEREGISTERED}, ["restore"]),
        ({"Status": "Ended", "Outcome": "Reenabled", **DEREGISTERED}, ["start"]),
        ({"Status": "Ended", "Outcome": "Planned", "DryRun": True}, ["start"]),
        ({"Status": "Ended", "Outcome": "EntityProtected"}, [None]),
        ({"Status": "Ended", "Outcome": "Sublimated"}, [None]),
        ({"Status": "Levitating", "DueAt": AFTER}, []),
    ],
)
def test_the_commands_fit_how_an_offboarding_stands(members: dict[str, Any], commands: list[str | None]) -> None:
    assert list_commands(**members) == commands


def test_each_command_that_is_advised_exists() -> None:
    advised = {wording.command for wording in OUTCOMES.values() if wording.command}

    assert {"retry", "start"} <= advised
    assert advised | {"approve", "reject", "restore", "withdraw"} <= offboarding.commands.keys()


def test_a_command_has_the_options_by_which_the_account_was_named() -> None:
    account = Account(None, "eu-west-1", "another stack")

    assert account.render_command("retry", ADDRESS) == (
        f"offboarding retry {ADDRESS} --region eu-west-1 --stack 'another stack'"
    )
    assert Account().render_command("retry", ADDRESS) == f"offboarding retry {ADDRESS}"


def test_workmail_is_asked_in_the_region_of_the_organizations(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: dict[str, str] = {}
    monkeypatch.setattr(Account, "find_stack", lambda *_: Stack("s", "arn", "CREATE_COMPLETE", True, outputs))

    assert Account(region="us-east-1").workmail.meta.region_name == "us-east-1"
    outputs["OrganizationsRegion"] = "eu-west-1"
    assert Account(region="us-east-1").workmail.meta.region_name == "eu-west-1"


@pytest.mark.parametrize(
    ("moment", "remaining"),
    [
        ("2026-12-02T12:00:00Z", "1 day"),
        ("2026-12-31T12:00:00+01:00", "29 days"),
        ("2026-12-01T13:30:00Z", "1 hour"),
        ("2026-12-01T12:00:00Z", "over"),
        ("some day", None),
        (None, None),
    ],
)
def test_the_time_that_remains_is_in_days_or_hours(moment: str | None, remaining: str | None) -> None:
    assert render_remaining_time(moment, NOW) == remaining


def test_a_moment_is_rendered_in_utc_and_anything_else_as_it_is() -> None:
    moments = ("2026-12-31T17:00:00+01:00", "some day", None)
    assert [render_moment(moment) for moment in moments] == ["2026-12-31 16:00", "some day", None]
