"""The first decision on an approval counts, and reaches the offboarding even if an answer was lost."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

import decide_approval
from offboarding.adapters import executions
from offboarding.adapters.executions import ExecutionStatus
from offboarding.domain import errors
from offboarding.domain.exports import ExportState
from offboarding.domain.record import Status
from tests.unit.conftest import (
    ARN_A,
    NOW,
    RUNNING,
    STARTED_AT,
    USER_ID,
    Context,
    ReadMetrics,
    Table,
    configure,
    make_execution_arn,
    make_offboarding,
    make_raiser,
)

FIRST_ARN, SECOND_ARN = (
    make_execution_arn("first", "offboarding-approval"),
    make_execution_arn("second", "offboarding-approval"),
)
TASK_TOKEN = "the-token"


@pytest.fixture
def states() -> Iterator[Stubber]:
    """Step Functions with the answers that a test has prepared, and no others."""
    with Stubber(executions.states) as stub:
        yield stub
    stub.assert_no_pending_responses()


@pytest.fixture(autouse=True)
def statuses(monkeypatch: pytest.MonkeyPatch) -> list[ExecutionStatus]:
    """How the offboarding's execution stands at each look; it runs once there are no more."""
    prepared: list[ExecutionStatus] = []
    monkeypatch.setattr(
        decide_approval, "read_execution_status", lambda execution_arn: prepared.pop(0) if prepared else RUNNING
    )
    return prepared


@pytest.fixture(autouse=True)
def configure_two_people(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Configure the rule of two people as cdk.json does, and return a function that changes it."""

    def change(*, approval_required: bool, daily_cap: bool, hand_cap: bool) -> None:
        configure(
            monkeypatch,
            TWO_PEOPLE_FOR_APPROVAL_REQUIRED="true" if approval_required else "false",
            TWO_PEOPLE_FOR_DAILY_CAP="true" if daily_cap else "false",
            TWO_PEOPLE_FOR_HAND_CAP="true" if hand_cap else "false",
        )

    change(approval_required=True, daily_cap=False, hand_cap=False)
    return change


@pytest.fixture
def pending_table(table: Table) -> Table:
    """A table with one offboarding that awaits an approval."""
    table.create_record("a", Entity={"Aliases": ["d.leaver@example.com"]})
    log_entry = {"At": NOW, "Step": "AwaitApproval"}
    expires_at = "2026-12-08T09:00:00.000Z"
    table.records.record_approval_request(make_offboarding(ARN_A), TASK_TOKEN, ["a reason"], expires_at, log_entry)
    return table


def make_decision(decided_in: str = FIRST_ARN, decision: str = "Approved") -> dict[str, str]:
    return {"Decision": decision, "DecidedBy": "boss", "Reason": "left", "DecidedAt": NOW, "DecidedIn": decided_in}


class SameJson(str):
    """A text that equals every text of the same JSON value, whatever the order of the members."""

    def __eq__(self, other: object) -> bool:
        return bool(json.loads(str(self)) == json.loads(str(other)))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def expect_decision(states: Stubber, decision: dict[str, str]) -> None:
    states.add_response("send_task_success", {}, {"taskToken": TASK_TOKEN, "output": SameJson(json.dumps(decision))})


def decide(table: Table, decision: dict[str, str]) -> None:
    decide_approval.decide(table.records, ARN_A, decision)


def call_handler(decided_in: str = FIRST_ARN, **request: Any) -> dict[str, Any]:
    request = {"ExecutionArn": ARN_A, "Decision": "Approved", "DecidedBy": "boss", "Reason": "left", **request}
    return decide_approval.handler({"ExecutionArn": decided_in, "Now": NOW, "Input": request}, Context())


def test_the_first_decision_is_recorded_and_sent(pending_table: Table, states: Stubber) -> None:
    expect_decision(states, make_decision())

    decide(pending_table, make_decision())

    assert pending_table.load_record(ARN_A).decision == make_decision()


def test_a_second_decision_is_refused_and_sends_the_first_again(pending_table: Table, states: Stubber) -> None:
    expect_decision(states, make_decision())
    decide(pending_table, make_decision())
    expect_decision(states, make_decision())

    with pytest.raises(errors.AlreadyDecided) as refusal:
        decide(pending_table, make_decision(SECOND_ARN, "Rejected"))

    assert str(refusal.value) == (
        f"This was Approved at {NOW}, in {FIRST_ARN}. The record has who decided. To take an approval back, stop or "
        "restore the offboarding."
    )
    assert "boss" not in str(refusal.value)
    assert pending_table.load_record(ARN_A).decision == make_decision()


def test_a_second_decision_is_refused_after_the_task_has_timed_out(pending_table: Table, states: Stubber) -> None:
    expect_decision(states, make_decision())
    decide(pending_table, make_decision())
    states.add_client_error("send_task_success", "TaskTimedOut")

    with pytest.raises(errors.AlreadyDecided):
        decide(pending_table, make_decision(SECOND_ARN))


def test_the_later_of_two_simultaneous_decisions_is_refused(
    pending_table: Table, states: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect_decision(states, make_decision())
    expect_decision(states, make_decision())
    find = pending_table.records.find

    def find_before_first_decision(execution_arn: str) -> Any:
        record = find(execution_arn)
        monkeypatch.setattr(pending_table.records, "find", find)
        decide(pending_table, make_decision())
        return record

    monkeypatch.setattr(pending_table.records, "find", find_before_first_decision)
    with pytest.raises(errors.AlreadyDecided):
        decide(pending_table, make_decision(SECOND_ARN, "Rejected"))
    assert pending_table.load_record(ARN_A).decision == make_decision()


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError"])
def test_a_retry_sends_a_decision_that_did_not_arrive(pending_table: Table, states: Stubber, code: str) -> None:
    states.add_client_error("send_task_success", code, "secret")
    with pytest.raises(errors.RecordUnavailable, match="states:SendTaskSuccess") as failure:
        decide(pending_table, make_decision())
    assert "secret" not in str(failure.value)
    expect_decision(states, make_decision())

    decide(pending_table, make_decision())


def test_a_retry_after_a_lost_answer_succeeds_once_the_offboarding_has_acted_on_the_decision(
    pending_table: Table, states: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        timeout = ReadTimeoutError(endpoint_url="https://states")
        patch.setattr(executions.states, "send_task_success", make_raiser(timeout))
        with pytest.raises(errors.RecordUnavailable):
            decide(pending_table, make_decision())
    states.add_client_error("send_task_success", "TaskTimedOut")
    with pytest.raises(errors.RecordUnavailable, match="does not show why yet"):
        decide(pending_table, make_decision())
    record_approval(pending_table, make_decision())

    decide(pending_table, make_decision())


def test_a_call_that_step_functions_denies_raises_access_denied(pending_table: Table, states: Stubber) -> None:
    states.add_client_error("send_task_success", "AccessDeniedException")

    with pytest.raises(errors.AccessDenied):
        decide(pending_table, make_decision())


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist"])
def test_a_decision_on_a_closed_task_is_refused_once_the_record_has_the_outcome(
    pending_table: Table, states: Stubber, code: str
) -> None:
    states.add_client_error("send_task_success", code)
    with pytest.raises(errors.RecordUnavailable, match="does not show why yet"):
        decide(pending_table, make_decision())
    pending_table.close_record(ARN_A, "Stopped")

    with pytest.raises(errors.ApprovalNotPending, match="ended as Stopped"):
        decide(pending_table, make_decision())


def test_a_decision_is_refused_if_the_offboarding_ends_before_it_is_recorded(
    pending_table: Table, states: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, find = pending_table.load_record(ARN_A), pending_table.records.find
    pending_table.close_record(ARN_A)
    answers = iter([record])
    monkeypatch.setattr(pending_table.records, "find", lambda arn: next(answers, None) or find(arn))

    with pytest.raises(errors.ApprovalNotPending, match="has just stopped waiting"):
        decide(pending_table, make_decision())
    assert pending_table.load_record(ARN_A).decision is None


@pytest.mark.parametrize("identifier", [USER_ID, "dana", "DANA@example.com", "d.leaver@example.com"])
def test_the_leaver_cannot_decide(pending_table: Table, states: Stubber, identifier: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="Nobody can decide about themselves") as refusal:
        call_handler(DecidedBy=identifier)

    assert identifier not in str(refusal.value)
    assert pending_table.load_record(ARN_A).decision is None


@pytest.mark.parametrize(
    ("is_recorded", "message"),
    [(False, "There is no record of an offboarding"), (True, "its status is Recorded")],
)
def test_a_decision_is_refused_if_no_approval_is_pending(
    table: Table, states: Stubber, is_recorded: bool, message: str
) -> None:
    if is_recorded:
        table.create_record("a")

    with pytest.raises(errors.ApprovalNotPending, match=message):
        call_handler()


def test_a_decision_on_an_ended_offboarding_is_refused_with_the_outcome(pending_table: Table, states: Stubber) -> None:
    pending_table.close_record(ARN_A, "ApprovalTimedOut")

    with pytest.raises(errors.ApprovalNotPending, match=f"ended as ApprovalTimedOut at {NOW}"):
        call_handler()


def record_approval(table: Table, approval: dict[str, str]) -> None:
    """Record the offboarding again, as it is once it is approved; this removes its task token."""
    offboarding = table.load_record(ARN_A).offboarding
    facts = {"StartedAt": STARTED_AT, "Entity": offboarding.entity, "Approval": approval}
    table.records.create_or_update(offboarding, facts, Status.RECORDED, None, {"At": NOW, "Step": "Recorded"})


def test_a_second_decision_is_refused_while_an_approved_offboarding_continues(
    pending_table: Table, states: Stubber
) -> None:
    expect_decision(states, make_decision())
    call_handler()
    record_approval(pending_table, make_decision())

    with pytest.raises(errors.AlreadyDecided, match=FIRST_ARN):
        call_handler(SECOND_ARN)


def test_a_retry_of_an_approval_succeeds_while_the_offboarding_continues(pending_table: Table, states: Stubber) -> None:
    expect_decision(states, make_decision())
    answer = call_handler()
    record_approval(pending_table, make_decision())

    assert call_handler() == answer


@pytest.mark.parametrize("decision", ["Rejected", "Withdrawn"])
def test_a_retry_of_a_decision_that_ends_the_offboarding_succeeds_after_the_end(
    pending_table: Table, states: Stubber, decision: str
) -> None:
    expect_decision(states, make_decision(decision=decision))
    answer = call_handler(Decision=decision)
    pending_table.close_record(ARN_A, decision)

    assert call_handler(Decision=decision) == answer
    with pytest.raises(errors.ApprovalNotPending, match=f"ended as {decision}"):
        call_handler(SECOND_ARN)


IT_ADMIN = "12a3b4c5-0000-4000-8000-00000000000a"


def request_by(table: Table, requested_by: str | None, *, cap_is_reached: bool = False, **facts: Any) -> None:
    """Have somebody request an offboarding, which then awaits an approval."""
    by_person = {"RequestedBy": requested_by} if requested_by else {}
    table.create_record("a", **by_person, **facts)
    log_entry = {"At": NOW, "Step": "AwaitApproval"}
    expires_at = "2026-12-08T09:00:00.000Z"
    table.records.record_approval_request(
        make_offboarding(ARN_A), TASK_TOKEN, ["a reason"], expires_at, log_entry, cap_is_reached=cap_is_reached
    )


def make_event_requester(requested_by: str | None = "it.admin@example.com") -> dict[str, str]:
    by_person = {"RequestedBy": requested_by} if requested_by else {}
    return {"Provider": "okta", "EventId": "e-1", **by_person}


@pytest.mark.parametrize(
    ("request_", "decided_by"),
    [
        ({"requested_by": "it.admin"}, "it.admin"),
        ({"requested_by": "IT.Admin"}, "it.ADMIN"),
        ({"requested_by": "Straße"}, "STRASSE"),
        ({"requested_by": None, "Requester": make_event_requester()}, "IT.admin@Example.com"),
        ({"requested_by": "helpdesk", "Requester": make_event_requester()}, "it.admin@example.com"),
        ({"requested_by": "it.admin", "Requester": make_event_requester("okta.bot")}, "it.admin"),
    ],
)
def test_the_requester_cannot_approve(table: Table, states: Stubber, request_: dict[str, Any], decided_by: str) -> None:
    request_by(table, **request_)

    with pytest.raises(errors.InvalidRequest) as refusal:
        call_handler(DecidedBy=decided_by)

    assert str(refusal.value) == (
        "The mailbox was not touched, and the offboarding still waits. DecidedBy is the person who requested it, and "
        "the settings require two people (twoPeople). Another person has to approve; the requester can reject or "
        "withdraw it."
    )
    record = table.load_record(ARN_A)
    assert (record.status, record.decision) == (Status.AWAITING_APPROVAL, None)
    expect_decision(states, make_decision())
    assert call_handler(DecidedBy="boss")["Decision"] == "Approved"


@pytest.mark.parametrize("decision", ["Rejected", "Withdrawn"])
def test_the_requester_can_reject_and_withdraw(table: Table, states: Stubber, decision: str) -> None:
    request_by(table, "it.admin")
    expect_decision(states, {**make_decision(decision=decision), "DecidedBy": "it.admin"})

    assert call_handler(Decision=decision, DecidedBy="it.admin")["Decision"] == decision


@pytest.mark.parametrize(
    "request_",
    [
        {"requested_by": None},
        {"requested_by": None, "Requester": make_event_requester(None)},
        {"requested_by": "boss.of.it"},
        {"requested_by": "boss@example.com"},
    ],
)
def test_another_person_can_approve_and_so_can_anybody_if_no_requester_is_named(
    table: Table, states: Stubber, request_: dict[str, Any]
) -> None:
    request_by(table, **request_)
    expect_decision(states, make_decision())

    assert call_handler(DecidedBy="boss")["Decision"] == "Approved"


@pytest.mark.parametrize(
    ("requested_by", "decided_by"),
    [("it.admin", "admin@example.com"), ("Admin@Example.com", "IT.admin"), (IT_ADMIN, "alias@example.com")],
)
def test_the_requester_cannot_approve_under_another_recorded_name(
    table: Table, states: Stubber, requested_by: str, decided_by: str
) -> None:
    entity = {"Id": IT_ADMIN, "Name": "it.admin", "Email": "admin@example.com", "Aliases": ["alias@example.com"]}
    table.create_record("b", IT_ADMIN, Entity=entity)
    request_by(table, requested_by)

    with pytest.raises(errors.InvalidRequest, match="Another person has to approve"):
        call_handler(DecidedBy=decided_by)


def test_another_recorded_person_can_approve(table: Table, states: Stubber) -> None:
    table.create_record("b", IT_ADMIN, Entity={"Id": IT_ADMIN, "Name": "it.admin", "Email": "admin@example.com"})
    boss = f"{IT_ADMIN[:-1]}b"
    table.create_record("c", boss, Entity={"Id": boss, "Name": "boss", "Email": "boss@example.com"})
    request_by(table, "it.admin")
    expect_decision(states, make_decision())

    assert call_handler(DecidedBy="boss")["Decision"] == "Approved"


@pytest.mark.parametrize("has_rule", [True, False])
@pytest.mark.parametrize(
    ("rule", "cap_is_reached", "facts"),
    [
        ("approval_required", False, {}),
        ("approval_required", False, {"Requester": make_event_requester()}),
        ("daily_cap", True, {"Requester": make_event_requester()}),
        ("hand_cap", True, {}),
    ],
)
def test_the_rule_of_two_people_is_that_of_the_reason_for_the_approval(
    table: Table,
    states: Stubber,
    configure_two_people: Callable[..., None],
    rule: str,
    cap_is_reached: bool,
    facts: dict[str, Any],
    has_rule: bool,
) -> None:
    rules = ("approval_required", "daily_cap", "hand_cap")
    configure_two_people(**{name: has_rule is (name == rule) for name in rules})
    request_by(table, "boss", cap_is_reached=cap_is_reached, **facts)

    if has_rule:
        with pytest.raises(errors.InvalidRequest, match="Another person has to approve"):
            call_handler(DecidedBy="boss")
    else:
        expect_decision(states, make_decision())
        assert call_handler(DecidedBy="boss")["Decision"] == "Approved"


DATE = "2026-12-31T16:00:00.000Z"


@pytest.fixture
def scheduled_table(table: Table) -> Table:
    """A table with one offboarding that waits for a date."""
    offboarding = make_offboarding(ARN_A)
    facts = {"StartedAt": STARTED_AT, "Entity": offboarding.entity, "NotBefore": DATE}
    table.records.create_or_update(offboarding, facts, Status.SCHEDULED, DATE, {"At": NOW, "Step": "Scheduled"})
    assert table.records.record_wait(offboarding, TASK_TOKEN)
    return table


def test_a_withdrawal_ends_the_wait_for_a_date(
    scheduled_table: Table, states: Stubber, read_metrics: ReadMetrics
) -> None:
    expect_decision(states, make_decision(decision="Withdrawn"))

    assert call_handler(Decision="Withdrawn")["Decision"] == "Withdrawn"

    assert scheduled_table.load_record(ARN_A).decision == make_decision(decision="Withdrawn")
    assert read_metrics() == {"OffboardingsWithdrawn": 1}


@pytest.mark.parametrize("decision", ["Approved", "Rejected"])
def test_the_wait_for_a_date_is_no_wait_for_an_approval(scheduled_table: Table, states: Stubber, decision: str) -> None:
    with pytest.raises(
        errors.ApprovalNotPending,
        match=rf"for its date, {DATE}, and not for an approval\. Only Withdrawn ends it\.",
    ):
        call_handler(Decision=decision)
    assert scheduled_table.load_record(ARN_A).decision is None


def test_the_leaver_cannot_withdraw_the_offboarding(scheduled_table: Table, states: Stubber) -> None:
    with pytest.raises(errors.InvalidRequest, match="Nobody can decide about themselves"):
        call_handler(Decision="Withdrawn", DecidedBy="Dana")


def test_a_retry_is_refused_if_the_approval_timed_out_before_the_decision_arrived(
    pending_table: Table, states: Stubber
) -> None:
    states.add_client_error("send_task_success", "TaskTimedOut")
    with pytest.raises(errors.RecordUnavailable):
        call_handler()
    pending_table.close_record(ARN_A, "ApprovalTimedOut")

    with pytest.raises(errors.ApprovalNotPending, match="ended as ApprovalTimedOut"):
        call_handler()


@pytest.mark.parametrize(
    ("decision", "reason"), [("Approved", "left"), ("Rejected", "stays after all"), ("Withdrawn", "stays after all")]
)
def test_a_decision_is_sent_returned_and_counted(
    pending_table: Table, states: Stubber, read_metrics: ReadMetrics, decision: str, reason: str
) -> None:
    expected = {**make_decision(decision=decision), "Reason": reason}
    expect_decision(states, expected)

    assert call_handler(Decision=decision, Reason=reason) == {"OffboardingArn": ARN_A, **expected}
    assert read_metrics() == {f"Offboardings{decision}": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda record: None,
        lambda record: replace(record, decision=None),
        lambda record: replace(record, decision=make_decision(), task_token=None),
        lambda record: replace(record, decision=None, task_token=None),
    ],
)
def test_a_decision_is_refused_if_the_record_changes_while_it_is_written(
    pending_table: Table, states: Stubber, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]
) -> None:
    reads = iter([pending_table.load_record(ARN_A), change(pending_table.load_record(ARN_A))])
    monkeypatch.setattr(pending_table.records, "find", lambda arn: next(reads))
    monkeypatch.setattr(pending_table.records, "record_decision", lambda *_: False)

    with pytest.raises(errors.ApprovalNotPending, match="has just stopped waiting"):
        decide(pending_table, make_decision(SECOND_ARN))


@pytest.mark.parametrize("outcome", ["Stopped", "ApprovalTimedOut", "TimedOut", "Rejected", "Forgotten"])
def test_a_decision_for_an_execution_that_is_over_is_refused_before_its_record_is_closed(
    pending_table: Table, states: Stubber, statuses: list[ExecutionStatus], outcome: str
) -> None:
    statuses.append(ExecutionStatus(is_running=False, outcome=outcome, ended_at=NOW))

    with pytest.raises(errors.ApprovalNotPending, match=f"is over: it ended as {outcome}"):
        decide(pending_table, make_decision())

    assert pending_table.load_record(ARN_A).decision is None


def test_a_rejection_whose_answer_was_lost_has_arrived_before_its_record_is_closed(
    pending_table: Table, states: Stubber, statuses: list[ExecutionStatus]
) -> None:
    rejection = make_decision(decision="Rejected")
    expect_decision(states, rejection)
    decide(pending_table, rejection)
    statuses.append(ExecutionStatus(is_running=False, outcome="Rejected", ended_at=NOW))

    decide(pending_table, rejection)

    statuses.append(ExecutionStatus(is_running=False, outcome="Rejected", ended_at=NOW))
    with pytest.raises(errors.ApprovalNotPending):
        decide(pending_table, make_decision(SECOND_ARN))


@pytest.fixture
def exporting_table(table: Table) -> Table:
    """A table with one offboarding whose mailbox is being exported."""
    table.create_record("a")
    log_entry = {"At": NOW, "Step": "ExportStarted"}
    assert table.records.record_export(table.load_record(ARN_A), ExportState(1, "2026-12-08T09:00:00.000Z"), log_entry)
    return table


def test_a_withdrawal_during_an_export_is_recorded_for_its_next_check(exporting_table: Table, states: Stubber) -> None:
    withdrawal = make_decision(decision="Withdrawn")
    decide(exporting_table, withdrawal)

    assert exporting_table.load_record(ARN_A).decision == withdrawal
    decide(exporting_table, withdrawal)
    with pytest.raises(errors.AlreadyDecided):
        decide(exporting_table, make_decision(SECOND_ARN, "Withdrawn"))


def test_a_withdrawal_replaces_the_approval_on_which_the_export_has_begun(
    pending_table: Table, states: Stubber
) -> None:
    approval = make_decision()
    expect_decision(states, approval)
    decide(pending_table, approval)
    record_approval(pending_table, approval)
    log_entry = {"At": NOW, "Step": "ExportStarted"}
    state = ExportState(1, "2026-12-08T09:00:00.000Z")
    assert pending_table.records.record_export(pending_table.load_record(ARN_A), state, log_entry)

    decide(pending_table, make_decision(SECOND_ARN, "Withdrawn"))

    decision = pending_table.load_record(ARN_A).decision
    assert decision is not None
    assert decision["Decision"] == "Withdrawn"


@pytest.mark.parametrize("decision", ["Approved", "Rejected"])
def test_an_export_is_no_wait_for_an_approval(exporting_table: Table, states: Stubber, decision: str) -> None:
    with pytest.raises(errors.ApprovalNotPending, match=r"exports the mailbox.*Only Withdrawn ends it"):
        decide(exporting_table, make_decision(decision=decision))

    assert exporting_table.load_record(ARN_A).decision is None


def test_a_withdrawal_that_is_recorded_at_the_same_moment_is_the_only_one(
    exporting_table: Table, states: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_decision = exporting_table.records.record_decision

    def lose(record: Any, decision: Any) -> bool:
        assert record_decision(record, make_decision(SECOND_ARN, "Withdrawn"))
        return record_decision(record, decision)

    monkeypatch.setattr(exporting_table.records, "record_decision", lose)

    with pytest.raises(errors.AlreadyDecided):
        decide(exporting_table, make_decision(decision="Withdrawn"))
    decision = exporting_table.load_record(ARN_A).decision
    assert decision is not None
    assert decision["DecidedIn"] == SECOND_ARN
