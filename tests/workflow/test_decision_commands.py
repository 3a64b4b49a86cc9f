"""`offboarding approve`, `reject` and `withdraw`: nothing is decided for anybody who was not meant."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from operate.account import Account
from operate.executions import start_execution
from tests.workflow.operator import Operator

pytestmark = pytest.mark.no_providers
REQUESTER = {"Provider": "okta", "EventId": "e-1"}
DOMAIN = "example-corp.awsapps.com"


def start_waiting(operator: Operator, *names: str, **more: object) -> dict[str, str]:
    """Start offboardings of new users that wait for an approval; return the executions by the names."""
    operator.flow.change_policy(ApprovalRequired=["vip*"])
    for name in names:
        operator.flow.people.create_user(name)
    arns = {name: operator.flow.start(name, **more) for name in names}
    operator.flow.clock.settle()
    return arns


def read_outcomes(operator: Operator, arns: dict[str, str]) -> list[str | None]:
    operator.flow.clock.settle()
    return [operator.flow.read_result(arn).outcome for arn in arns.values()]


def test_a_decision_is_made_for_the_people_who_are_named_or_for_nobody(operator: Operator) -> None:
    flow = operator.flow
    arns = start_waiting(operator, "vip1", "vip2", "vip3")
    scheduled = flow.start(flow.people.create_user("later"), NotBefore="2026-12-24T00:00:00Z")
    flow.people.create_user("bob")

    assert operator.refuse("approve", "vip1", "bob", "--reason", "known", "--yes") == (
        "Nothing was decided: nothing is recorded of bob. Check the spelling, or give another address, the name or "
        "the id."
    )
    assert operator.refuse("reject", "vip1", "later", "--reason", "known", "--yes").startswith(
        "Nothing was decided: no such decision is awaited for later@example-corp.awsapps.com"
    )
    assert operator.refuse("reject", "vip1", "--reason", "known", input="no\n").endswith("Nothing was changed.")
    assert operator.run("approve", "vip1", "--all", "--reason", "known").exit_code == 2
    assert operator.run("approve", "--because", "cap", "vip1", "--reason", "known").exit_code == 2
    assert operator.run("approve", "--reason", "known").exit_code == 2
    assert operator.run("approve", "--all", "--because", " ", "--reason", "known", "--yes").exit_code == 2
    for placeholder in ("…", "...", "'…'", "<why>", ""):
        result = operator.run("approve", "vip1", "--reason", placeholder, "--yes")
        assert (result.exit_code, "Put the reason there" in result.stderr) == (2, True)
    assert read_outcomes(operator, {**arns, "later": scheduled}) == [None] * 4
    output = operator.accept("reject", f"vip1@{DOMAIN}", arns["vip2"], "--reason", "false alarm", input="y\n")

    assert output.splitlines()[:2] == [
        "To be rejected: 2 of 3 that wait.",
        "  for 2: It matches entry 1 of the organization's approvalRequired in cdk.json.",
    ]
    assert output.splitlines()[-1].startswith("Rejected by ")
    assert output.endswith(": 2. The offboardings end; the list follows within two minutes.\n")
    assert read_outcomes(operator, arns) == ["Rejected", "Rejected", None]
    decision = flow.read_record(arns["vip1"])["Decision"]
    assert (decision["Reason"], decision["DecidedBy"]) == ("false alarm", output.split("Rejected by ")[1].split(":")[0])
    assert "Rejected before: 1." in operator.accept("reject", "vip1", "--reason", "again", "--yes")
    assert operator.refuse("approve", "vip1", "--reason", "yet", "--yes") == "Not approved: 1."
    assert operator.accept("withdraw", "later", "vip3", "--decided-by", "boss", "--reason", "stay", "--yes")
    assert read_outcomes(operator, {**arns, "later": scheduled}) == ["Rejected", "Rejected", "Withdrawn", "Withdrawn"]
    assert flow.list_calls("DeregisterFromWorkMail") == []
    assert operator.accept("approve", "--all", "--reason", "known") == "Nothing waits for that.\n"


def test_an_address_that_somebody_had_once_decides_for_nobody(operator: Operator) -> None:
    flow = operator.flow
    arns = start_waiting(operator, "vip1")
    user = flow.read_record(arns["vip1"])["Entity"]["Id"]
    flow.people.create_alias(user, "shared")
    operator.accept("withdraw", "vip1", "--reason", "first", "--yes")
    flow.process_status_events()
    again = flow.start("vip1")
    flow.clock.settle()

    assert operator.refuse("approve", f"shared@{DOMAIN}", "--reason", "known", "--yes") == (
        f"Nothing was decided: shared@{DOMAIN} is only an alias of vip1@{DOMAIN} ({user}). Give the id if you mean "
        "that."
    )
    operator.accept("approve", user, "--reason", "known", "--yes")
    assert flow.read_record(again)["Status"] == "InWindow"


def test_all_that_wait_for_one_reason_are_approved_by_one_command(operator: Operator) -> None:
    flow = operator.flow
    flow.change_policy(DailyCap=0)
    by_cap = start_waiting(operator, "ann", "bob", "cid", Requester=REQUESTER)
    by_list = start_waiting(operator, "vip")

    output = operator.accept("approve", "--all", "--because", "DAILYCAP", "--limit", "2", "--reason", "known", "--yes")

    assert output.splitlines()[:2] == [
        "To be approved: 2 of 4 that wait.",
        "  for 2: The setting dailyCap limits offboardings by identity providers in this organization to 0 within 24 "
        "hours, and this number is reached.",
    ]
    assert len(flow.list_calls("DeregisterFromWorkMail")) == 2
    operator.accept("approve", "--all", "--because", "dailyCap", "--reason", "known", "--yes")
    assert {flow.read_record(arn)["Status"] for arn in by_cap.values()} == {"InWindow"}
    assert flow.read_record(by_list["vip"])["Status"] == "AwaitingApproval"
    assert operator.accept("approve", "--all", "--because", "dailyCap", "--reason", "known") == (
        "Nothing was decided: 1 waits, and none has a reason that contains dailyCap.\n"
    )


def test_ctrl_c_says_what_was_started_and_what_was_not(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = operator.flow
    arns = start_waiting(operator, "vip1", "vip2", "vip3")
    started = []

    def interrupt_third(account: Account, output: str, request: dict[str, str]) -> str:
        if len(started) == 2:
            raise KeyboardInterrupt
        started.append(request["ExecutionArn"])
        return start_execution(account, output, request)

    monkeypatch.setattr("operate.decisions.execution.start_execution", interrupt_third)

    assert operator.refuse("approve", "--all", "--reason", "known", "--yes") == (
        "Interrupted. Started: 2. Not started: 1. What was started goes on. What still waits: offboarding list "
        "--waiting. The same command goes on with the rest."
    )
    flow.clock.settle()
    assert {flow.read_record(arn)["Status"] for arn in started} == {"InWindow"}
    [left] = {*arns.values()} - {*started}
    assert flow.read_record(left)["Status"] == "AwaitingApproval"


def test_who_has_requested_an_offboarding_cannot_approve_it(operator: Operator) -> None:
    flow = operator.flow
    arns = start_waiting(operator, "vip1", "vip2", RequestedBy="hr")
    arns |= start_waiting(operator, "vip3", RequestedBy="boss")

    result = operator.run("approve", "--all", "--decided-by", "HR", "--reason", "known", "--yes")

    assert result.exit_code == 1
    assert "within two minutes.\nRefused: 2. InvalidRequest: The mailbox was not touched, and the" in result.stdout
    assert result.stderr.splitlines()[-1] == "Not approved: 2."
    assert [flow.read_record(arn)["Status"] for arn in arns.values()] == ["AwaitingApproval"] * 2 + ["InWindow"]


def test_a_withdrawal_ends_all_that_waits_of_somebody(operator: Operator) -> None:
    """Otherwise the offboarding for the later date would go on when that for the sooner one is withdrawn."""
    flow = operator.flow
    flow.people.create_user("dana")
    arns = {}
    for date in ("24", "23"):
        arns[date] = flow.start("dana", NotBefore=f"2026-12-{date}T00:00:00Z")
        flow.clock.settle()

    assert "To be withdrawn: 2 of 2" in operator.accept("withdraw", "dana", "--reason", "stays", "--yes")

    assert read_outcomes(operator, arns) == ["Withdrawn", "Withdrawn"]


def test_a_decision_that_somebody_else_makes_meanwhile_stands(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = operator.flow
    arns = start_waiting(operator, "vip")

    def reject_meanwhile(*_: object, **__: object) -> None:
        flow.decide(arns["vip"], "Rejected")

    monkeypatch.setattr("operate.decisions.command.require_consent", reject_meanwhile)
    result = operator.run("approve", "vip", "--reason", "known")

    assert result.exit_code == 1
    assert "Refused: 1. ApprovalNotPending: The offboarding is over: it ended as Rejected." in result.stdout
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_decisions_that_end_early_say_how_many_were_started(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    arns = start_waiting(operator, "vip1", "vip2", "vip3")
    client = operator.flow.environment.client("stepfunctions")
    start_execution, inputs = client.start_execution, list[str]()

    def start(**request: str) -> Any:
        inputs.append(request["input"])
        if len(inputs) > 2:
            raise ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "It is old."}}, "StartExecution")
        return start_execution(**request)

    monkeypatch.setattr(client, "start_execution", start)
    result = operator.run("approve", "--all", "--reason", "known", "--yes")

    assert result.exit_code == 1
    progress, refusal = result.stderr.splitlines()
    assert progress == "Decisions started: 2 of 3. These go on. The command can be repeated."
    assert refusal.startswith("AWS refuses StartExecution (ExpiredTokenException): It is old.")
    operator.flow.clock.settle()
    statuses = sorted(operator.flow.read_record(arn)["Status"] for arn in arns.values())
    assert statuses == ["AwaitingApproval", "InWindow", "InWindow"]


def test_show_and_status_do_not_ask_for_what_was_decided_a_moment_ago(operator: Operator) -> None:
    arns = start_waiting(operator, "vip1")
    later = operator.flow.start(operator.flow.people.create_user("later"), NotBefore="2026-12-01T00:00:00Z")
    operator.flow.clock.settle()
    operator.accept("reject", "vip1", "--reason", "works here", "--decided-by", "boss", "--yes")
    operator.accept("withdraw", "later", "--reason", "stays", "--decided-by", "boss", "--yes")

    assert {operator.flow.read_record(arn)["Status"] for arn in (arns["vip1"], later)} == {
        "AwaitingApproval",
        "Scheduled",
    }
    for name, decision in (("vip1", "Rejected by boss"), ("later", "Withdrawn by boss")):
        page = operator.accept("show", name)
        assert f"is {decision}; it shows in minutes." in page
        assert f"offboarding {'reject' if name == 'vip1' else 'withdraw'} " not in page
