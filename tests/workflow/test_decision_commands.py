"""`offboarding approve`, `reject` and `withdraw`: nothing is decided for anybody who was not meant."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

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
    assert read_outcomes(operator, {**arns, "later": scheduled}) == [None] * 4
    output = operator.accept("reject", f"vip1@{DOMAIN}", arns["vip2"], "--reason", "false alarm", input="y\n")

    assert output.splitlines()[0] == "To be rejected: 2 of 3 that wait."
    assert output.splitlines()[-1].startswith("Rejected by ")
    assert read_outcomes(operator, arns) == ["Rejected", "Rejected", None]
    decision = flow.read_record(arns["vip1"])["Decision"]
    assert (decision["Reason"], decision["DecidedBy"]) == ("false alarm", output.split("Rejected by ")[1].split(":")[0])
    assert "Rejected before: 1." in operator.accept("reject", "vip1", "--reason", "again", "--yes")
    assert operator.refuse("approve", "vip1", "--reason", "yet", "--yes") == (
        "Not approved: 1. The same command can be repeated."
    )
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

    output = operator.accept("approve", "--all", "--because", "THE CAP", "--limit", "2", "--reason", "known", "--yes")

    assert output.splitlines()[:2] == [
        "To be approved: 2 of 4 that wait.",
        "  for 2: Identity providers have had 0 entities of this organization deregistered within 24 hours, which is "
        "the cap.",
    ]
    assert len(flow.list_calls("DeregisterFromWorkMail")) == 2
    operator.accept("approve", "--all", "--because", "the cap", "--reason", "known", "--yes")
    assert {flow.read_record(arn)["Status"] for arn in by_cap.values()} == {"InWindow"}
    assert flow.read_record(by_list["vip"])["Status"] == "AwaitingApproval"
    assert operator.accept("approve", "--all", "--because", "the cap", "--reason", "known") == (
        "Nothing was decided: 1 wait, and none has a reason that contains the cap.\n"
    )


def test_who_has_requested_an_offboarding_cannot_approve_it(operator: Operator) -> None:
    flow = operator.flow
    arns = start_waiting(operator, "vip1", "vip2", RequestedBy="hr")
    arns |= start_waiting(operator, "vip3", RequestedBy="boss")

    result = operator.run("approve", "--all", "--decided-by", "HR", "--reason", "known", "--yes")

    assert result.exit_code == 1
    assert "Approved by HR: 1.\nRefused: 2. InvalidRequest: The mailbox was not touched, and the" in result.stdout
    assert result.stderr.splitlines()[-1] == "Not approved: 2. The same command can be repeated."
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
    assert "Refused: 1. AlreadyDecided: This was Rejected at " in result.stdout or "ApprovalNotPending" in result.stdout
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
