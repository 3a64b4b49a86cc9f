"""The command `offboarding list`: dates, formats, and records of a later release."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import click
import pytest

from operate.account import Account, Stack
from operate.listing import rows as rows_module
from operate.periods import Period, parse_period
from tests.unit.operate.conftest import RunCommand, put_item

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
ORGANIZATION = "m-" + "0" * 32
ENTITY = {"Id": "id-1", "Type": "USER", "Name": "=cmd()", "Email": "dana@example.com"}


@pytest.fixture(autouse=True)
def now_is_fixed(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> None:
    monkeypatch.setattr(Account, "read_time", lambda _: NOW)


def put_record(table: Any, number: int = 1, **members: Any) -> str:
    arn = f"arn:aws:states:us-east-1:123456789012:execution:workmail-offboarding:{number:05}"
    record = {"Id": arn, "Part": "Record", "OrganizationId": ORGANIZATION, "Entity": ENTITY}
    put_item(table, **(record | members))
    return arn


def put_end(table: Any, at: str, outcome: str, number: int = 1, **members: Any) -> str:
    arn = put_record(table, number, Status="Ended", Outcome=outcome, RequestedBy="helpdesk")
    step = {"Id": arn, "Part": f"Step {at} Ended", "Kind": "Step", "At": at, "Step": "Ended", "Outcome": outcome}
    put_item(table, **(step | {"OrganizationId": ORGANIZATION, "EntityName": "dana", "MailboxTouched": "No"} | members))
    return arn


@pytest.mark.parametrize(
    ("since", "until", "period"),
    [
        (None, None, ("2026-11-01T12:00:01.000Z", "2026-12-01T12:00:01.000Z")),
        ("2026-11-01", "2026-11-30", ("2026-11-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z")),
        ("2026-Q3", "2026-10", ("2026-07-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z")),
        ("2026", "2026", ("2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z")),
        ("2026-11-30", "2026-11-30", ("2026-11-30T00:00:00.000Z", "2026-12-01T00:00:00.000Z")),
        (
            "2026-11-01T00:30:00+01:00",
            "2026-11-02T10:00:00Z",
            ("2026-10-31T23:30:00.000Z", "2026-11-02T10:00:00.000Z"),
        ),
    ],
)
def test_a_period_has_whole_days_and_moments(since: str | None, until: str | None, period: tuple[str, str]) -> None:
    assert parse_period(since, until, NOW, 30) == Period(*period)


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("yesterday", None, "--since takes a day like 2026-03-31"),
        ("2026-02-30", None, "--since takes"),
        ("2026-11-01T10:00:00", None, "with its offset"),
        (None, "9999-12-31", "--until takes"),
        ("2026-11-02", "2026-11-01T12:00:00Z", "--until must be later than --since."),
        ("2027-01-01", None, "--since is later than now."),
    ],
)
def test_a_wrong_date_is_wrong_use(since: str | None, until: str | None, message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        parse_period(since, until, NOW, 30)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--failed", "--since", "soon"),
        ("--ended", "--since", "2026-11-02", "--until", "2026-11-01"),
        ("--csv", "--json"),
        ("--window", "--failed"),
        ("--since", "2026-11-01"),
        ("--because", "dailyCap"),
    ],
)
def test_wrong_use_has_the_exit_code_2(run: RunCommand, arguments: tuple[str, ...]) -> None:
    assert run("list", *arguments).exit_code == 2


def test_csv_has_crlf_and_no_formula(table: Any, run: RunCommand) -> None:
    put_record(table, Status="InWindow", StatusKey="InWindow", DueAt="2026-12-22T12:00:00.000Z")

    content = run("list", "--csv", "--window").stdout_bytes.decode()

    assert content.count("\r\n") == content.count("\n") == 2
    [row] = csv.DictReader(io.StringIO(content))
    assert (row["Name"], row["NextAt"], row["DaysLeft"]) == ("'=cmd()", "2026-12-22T12:00:00.000Z", "21")


def test_json_is_an_array_also_of_nothing(table: Any, run: RunCommand) -> None:
    assert json.loads(run("list", "--json").stdout) == []
    arn = put_record(table, Status="InWindow", StatusKey="InWindow", DueAt="2026-12-22T12:00:00.000Z")

    [row] = json.loads(run("list", "--json").stdout)

    assert (row["ExecutionArn"], row["Who"], row["NextAt"]) == (arn, "dana@example.com", "2026-12-22T12:00:00.000Z")


def test_a_record_of_a_later_release_is_shown_as_it_is(table: Any, run: RunCommand) -> None:
    put_record(table, Status="Levitating", StatusKey="InWindow", DueAt="some day", Outcome="Sublimated")

    result = run("list")

    assert result.exit_code == 0, result.output
    assert all(text in result.stdout for text in ("Levitating", "some day", "Sublimated"))


def test_an_end_counts_when_it_happened_and_a_plan_is_no_failure(table: Any, run: RunCommand) -> None:
    put_end(table, "2026-11-30T23:59:59.999Z", "AccessDenied", 1)
    put_end(table, "2026-12-01T00:00:00.000Z", "EntityNotFound", 2)
    put_end(table, "2026-11-15T00:00:00.000Z", "CleanupVerified", 3)
    put_end(table, "2026-11-16T00:00:00.000Z", "EntityNotFound", 4, DryRun=True)
    november = ("--since", "2026-11-01", "--until", "2026-11-30", "--json")

    failed = json.loads(run("list", "--failed", *november).stdout)
    ended = json.loads(run("list", "--ended", *november).stdout)

    assert [row["Outcome"] for row in failed] == ["AccessDenied"]
    assert [row["Outcome"] for row in ended] == ["CleanupVerified", "EntityNotFound", "AccessDenied"]
    assert failed[0]["RequestedBy"] == "helpdesk"


def test_an_end_without_its_record_is_listed_by_its_step(table: Any, run: RunCommand) -> None:
    arn = put_end(table, "2026-11-30T00:00:00.000Z", "RecordMissing", EntityEmail="dana@example.com")
    table.delete_item(TableName="records", Key={"Id": {"S": arn}, "Part": {"S": "Record"}})

    [row] = json.loads(run("list", "--failed", "--json").stdout)

    assert (row["Who"], row["Outcome"], row["ExecutionArn"]) == ("dana@example.com", "RecordMissing", arn)


def test_more_ends_than_one_batch_are_all_listed_with_their_records(
    table: Any, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "_BATCH_SIZE", 2)
    for number in range(5):
        put_end(table, f"2026-11-20T00:00:0{number}.000Z", "AccessDenied", number)

    rows = json.loads(run("list", "--failed", "--json").stdout)

    assert len({row["ExecutionArn"] for row in rows}) == 5
    assert {row["RequestedBy"] for row in rows} == {"helpdesk"}


def test_refused_events_have_provider_event_and_reason(table: Any, run: RunCommand) -> None:
    at = "2026-11-30T00:00:00.000Z"
    facts = {"Provider": "okta", "EventId": "e-1", "OccurredAt": at, "Reason": "Nobody has the address."}
    put_item(table, Id="refused/1", Part=f"Step {at} Refused", Kind="Step", At=at, Step="Refused", **facts)

    assert json.loads(run("list", "--refused", "--json").stdout) == [{"At": at, **facts}]
    assert "Nobody has the address." in run("list", "--refused").stdout


REASON = "The setting dailyCap limits offboardings by identity providers to 0 within 24 hours, which is reached."


@pytest.fixture
def terminal_of_80(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operate.terminal.is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")


def put_waiting(table: Any, number: int, reason: str = REASON) -> str:
    email = f"firstname.lastname{number}@example.com"
    entity = {"Id": f"{number:08}-41b1-44a4-8f4c-0f6f0e6d2b11", "Name": email, "Email": email}
    waiting = {"Status": "AwaitingApproval", "StatusKey": "AwaitingApproval", "DueAt": "2026-12-05T12:00:00.000Z"}
    return put_record(table, number, **waiting, Entity=entity, ApprovalReasons=[reason], RequestedBy="helpdesk")


def test_what_waits_says_why_and_is_selected_by_that(table: Any, run: RunCommand) -> None:
    arn = put_waiting(table, 1)
    put_waiting(table, 2, "00000002-41b1-44a4-8f4c-0f6f0e6d2b11 matches entry 1 of approvalRequired.")

    [row] = json.loads(run("list", "--waiting", "--because", "DAILYcap", "--json").stdout)
    rows = csv.DictReader(io.StringIO(run("list", "--waiting", "--csv").stdout))

    assert (row["ExecutionArn"], row["ApprovalReasons"]) == (arn, REASON)
    assert [row["ApprovalReasons"].partition(" ")[2][:7] for row in rows] == ["setting", "matches"]
    assert "   It matches entry 1 of approvalRequired.   " in run("list", "--waiting").stdout
    assert run("list", "--waiting", "--because", "nothing").stdout == "No offboarding waits.\n"


@pytest.mark.usefixtures("terminal_of_80")
def test_each_row_has_one_line_on_a_terminal_of_80_columns(table: Any, run: RunCommand) -> None:
    put_waiting(table, 1)
    put_waiting(table, 2, "00000002-41b1-44a4-8f4c-0f6f0e6d2b11 matches entry 1 of approvalRequired.")
    put_record(table, 3, Status="InWindow", StatusKey="InWindow", DueAt="2026-12-22T12:00:00.000Z")

    lines = run("list").stdout.splitlines()
    rows = [line for line in lines if "@example.com" in line]

    assert [line.split()[0] for line in rows] == [
        "dana@example.com",
        "firstname.lastname1@example.com",
        "firstname.lastname2@example.com",
    ]
    assert all(len(line) <= 80 for line in lines)
    assert all("2026-12-" in line for line in rows)
    assert f"Organization (in all rows): {ORGANIZATION}" in lines
    assert not any("\x1b" in line or "Outcome" in line for line in lines)
    assert any(line.startswith("No room for: Id, ") for line in lines)


@pytest.mark.usefixtures("terminal_of_80")
def test_a_reason_is_wrapped_between_words(table: Any, run: RunCommand) -> None:
    at = "2026-11-30T00:00:00.000Z"
    facts = {"Provider": "okta", "EventId": "e-1", "OccurredAt": at, "Reason": REASON}
    put_item(table, Id="refused/1", Part=f"Step {at} Refused", Kind="Step", At=at, Step="Refused", **facts)

    result = run("list", "--refused")
    assert result.exit_code == 0, result.exception
    lines = result.stdout.splitlines()

    assert all(len(line) <= 80 for line in lines)
    assert {*REASON.split()} <= {*" ".join(lines).split()}


@pytest.mark.parametrize("arguments", [("--since", "2026-11-01")])
def test_a_period_alone_is_answered_with_the_list_of_what_ended(run: RunCommand, arguments: tuple[str, ...]) -> None:
    assert "offboarding list --ended --since DATE" in " ".join(run("list", *arguments).stderr.split())


def test_names_cannot_change_the_terminal(table: Any, run: RunCommand) -> None:
    put_record(table, Status="InWindow", StatusKey="InWindow", DueAt="x", Entity={"Id": "1", "Name": "a\x1b[2Jb\nc"})

    result = run("list")

    assert "a [2Jb c" in result.stdout
    assert "\x1b" not in result.stdout
