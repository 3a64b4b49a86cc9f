"""The first decision counts, and arrives even where its answer was lost."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import ANY, Stubber

import decide_approval
from local.defaults import ORGANIZATION_ID
from offboarding.domain import errors
from offboarding.domain.record import Status
from tests.unit.conftest import NOW, USER_ID, Context, Table, an_offboarding, execution

A = execution("a")
FIRST, SECOND = execution("first", "offboarding-approval"), execution("second", "offboarding-approval")
TOKEN = "the-token"


@pytest.fixture
def states() -> Iterator[Stubber]:
    """Step Functions, which answers what a test has said and nothing else."""
    with Stubber(decide_approval.states) as stub:
        yield stub
    stub.assert_no_pending_responses()


@pytest.fixture
def awaiting(table: Table) -> Table:
    """A table with one offboarding that awaits its approval."""
    table.open("a", Entity={"Aliases": ["d.leaver@example.com"]})
    step = {"At": NOW, "Step": "AwaitApproval"}
    table.records.record_approval_request(an_offboarding(A), TOKEN, ["because"], "2026-12-08T09:00:00.000Z", step)
    return table


def decision(decided_in: str = FIRST, word: str = "Approved") -> dict[str, str]:
    return {"Decision": word, "DecidedBy": "boss", "Reason": "left", "DecidedAt": NOW, "DecidedIn": decided_in}


class SameJson(str):
    """A text that equals every text of the same JSON value, in whatever order its members are."""

    def __eq__(self, other: object) -> bool:
        return bool(json.loads(str(self)) == json.loads(str(other)))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def expect(states: Stubber, given: dict[str, str]) -> None:
    states.add_response("send_task_success", {}, {"taskToken": TOKEN, "output": SameJson(json.dumps(given))})


def decide(table: Table, given: dict[str, str]) -> None:
    decide_approval.decide(table.records, A, given)


def call(decided_in: str = FIRST, **request: Any) -> dict[str, Any]:
    given = {"ExecutionArn": A, "Decision": "Approved", "DecidedBy": "boss", "Reason": "left", **request}
    event = {"ExecutionArn": decided_in, "Now": NOW, "Input": given}
    return decide_approval.handler(event, Context())


def test_the_first_decision_is_written_down_and_handed_over(awaiting: Table, states: Stubber) -> None:
    expect(states, decision())

    decide(awaiting, decision())

    assert awaiting.get(A).decision == decision()


def test_the_second_decision_is_refused_and_hands_over_the_first_again(awaiting: Table, states: Stubber) -> None:
    expect(states, decision())
    decide(awaiting, decision())
    expect(states, decision())

    with pytest.raises(errors.AlreadyDecided) as refusal:
        decide(awaiting, decision(SECOND, "Rejected"))

    assert str(refusal.value).startswith(f"This was Approved at {NOW}, in {FIRST}")
    assert "boss" not in str(refusal.value)
    assert awaiting.get(A).decision == decision()


def test_a_second_decision_is_refused_also_where_the_task_is_over(awaiting: Table, states: Stubber) -> None:
    expect(states, decision())
    decide(awaiting, decision())
    states.add_client_error("send_task_success", "TaskTimedOut")

    with pytest.raises(errors.AlreadyDecided):
        decide(awaiting, decision(SECOND))


def test_of_two_at_once_the_one_who_wrote_second_is_refused(
    awaiting: Table, states: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect(states, decision())
    expect(states, decision())
    get = awaiting.records.find

    def get_before_the_first_wrote(arn: str) -> Any:
        seen_by_both = get(arn)
        monkeypatch.setattr(awaiting.records, "find", get)
        decide(awaiting, decision())
        return seen_by_both

    monkeypatch.setattr(awaiting.records, "find", get_before_the_first_wrote)
    with pytest.raises(errors.AlreadyDecided):
        decide(awaiting, decision(SECOND, "Rejected"))
    assert awaiting.get(A).decision == decision()


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError"])
def test_a_decision_that_did_not_arrive_is_handed_over_by_the_retry(
    awaiting: Table, states: Stubber, code: str
) -> None:
    states.add_client_error("send_task_success", code, "secret")
    with pytest.raises(errors.RecordUnavailable, match="states:SendTaskSuccess") as failure:
        decide(awaiting, decision())
    assert "secret" not in str(failure.value)
    expect(states, decision())

    decide(awaiting, decision())


def test_a_decision_whose_answer_was_lost_is_a_success_as_soon_as_the_offboarding_has_acted_on_it(
    awaiting: Table, states: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://states")

    with monkeypatch.context() as patch:
        patch.setattr(decide_approval.states, "send_task_success", lose)
        with pytest.raises(errors.RecordUnavailable):
            decide(awaiting, decision())
    states.add_client_error("send_task_success", "TaskTimedOut")
    with pytest.raises(errors.RecordUnavailable, match="does not show why yet"):
        decide(awaiting, decision())
    go_on(awaiting, decision())

    decide(awaiting, decision())


def test_a_refusal_of_step_functions_stays(awaiting: Table, states: Stubber) -> None:
    states.add_client_error("send_task_success", "AccessDeniedException")

    with pytest.raises(errors.AccessDenied):
        decide(awaiting, decision())


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist"])
def test_a_decision_on_a_task_that_is_over_is_refused_as_soon_as_the_record_says_so(
    awaiting: Table, states: Stubber, code: str
) -> None:
    states.add_client_error("send_task_success", code)
    with pytest.raises(errors.RecordUnavailable, match="does not show why yet"):
        decide(awaiting, decision())
    awaiting.records.close(awaiting.get(A), "Stopped", None, NOW)

    with pytest.raises(errors.ApprovalNotPending, match="ended as Stopped"):
        decide(awaiting, decision())


def test_what_stops_waiting_at_this_moment_is_not_decided(
    awaiting: Table, states: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, get = awaiting.get(A), awaiting.records.find
    awaiting.records.close(seen, "Stopped", None, NOW)
    answers = iter([seen])
    monkeypatch.setattr(awaiting.records, "find", lambda arn: next(answers, None) or get(arn))

    with pytest.raises(errors.ApprovalNotPending, match="has just stopped waiting"):
        decide(awaiting, decision())
    assert awaiting.get(A).decision is None


def test_what_is_decided_on_says_who_decided_and_in_which_execution(awaiting: Table, states: Stubber) -> None:
    states.add_response("send_task_success", {}, {"taskToken": TOKEN, "output": ANY})

    answer = call(Decision="Rejected", Reason="stays after all")

    assert answer == {"OffboardingArn": A, **decision(word="Rejected"), "Reason": "stays after all"}


@pytest.mark.parametrize("by", [USER_ID, "dana", "DANA@example.com", "d.leaver@example.com"])
def test_nobody_decides_about_themselves(awaiting: Table, states: Stubber, by: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="Nobody can decide about themselves") as refusal:
        call(DecidedBy=by)

    assert by not in str(refusal.value)
    assert awaiting.get(A).decision is None


def test_what_nobody_recorded_awaits_nothing(table: Table, states: Stubber) -> None:
    with pytest.raises(errors.ApprovalNotPending, match="There is no record of an offboarding"):
        call()


def test_what_does_not_await_an_approval_is_not_decided(table: Table, states: Stubber) -> None:
    table.open("a")

    with pytest.raises(errors.ApprovalNotPending, match="its status is Recorded"):
        call()


def test_what_is_over_is_not_decided_and_says_how_it_ended(awaiting: Table, states: Stubber) -> None:
    awaiting.records.close(awaiting.get(A), "ApprovalTimedOut", None, NOW)

    with pytest.raises(errors.ApprovalNotPending, match=f"ended as ApprovalTimedOut at {NOW}"):
        call()


def go_on(table: Table, approval: dict[str, str]) -> None:
    """Record the offboarding anew, as it does once it is approved; its task token is gone then."""
    facts = {
        "OrganizationId": ORGANIZATION_ID,
        "StartedAt": NOW,
        "Entity": table.get(A).entity,
        "Approval": approval,
    }
    table.records.create_or_update(A, facts, Status.RECORDED, None, {"At": NOW, "Step": "Recorded"})


def test_what_goes_on_was_decided(awaiting: Table, states: Stubber) -> None:
    expect(states, decision())
    call()
    go_on(awaiting, decision())

    with pytest.raises(errors.AlreadyDecided, match=FIRST):
        call(SECOND)


def test_a_retry_of_the_execution_that_decided_succeeds_although_the_offboarding_goes_on(
    awaiting: Table, states: Stubber
) -> None:
    expect(states, decision())
    first = call()
    go_on(awaiting, decision())

    assert call() == first


def test_a_retry_of_the_execution_that_rejected_succeeds_although_the_offboarding_is_over(
    awaiting: Table, states: Stubber
) -> None:
    expect(states, decision(word="Rejected"))
    first = call(Decision="Rejected")
    awaiting.records.close(awaiting.get(A), "Rejected", None, NOW)

    assert call(Decision="Rejected") == first
    with pytest.raises(errors.ApprovalNotPending, match="ended as Rejected"):
        call(SECOND)


def test_a_decision_that_nobody_acted_on_before_the_time_was_over_is_no_success(
    awaiting: Table, states: Stubber
) -> None:
    states.add_client_error("send_task_success", "TaskTimedOut")
    with pytest.raises(errors.RecordUnavailable):
        call()
    awaiting.records.close(awaiting.get(A), "ApprovalTimedOut", None, NOW)

    with pytest.raises(errors.ApprovalNotPending, match="ended as ApprovalTimedOut"):
        call()


@pytest.mark.parametrize("word", ["Approved", "Rejected"])
def test_a_decision_says_who_decided_when_and_where_and_is_counted(
    awaiting: Table, states: Stubber, counted: Callable[[], dict[str, float]], word: str
) -> None:
    expect(states, decision(word=word))

    assert call(Decision=word) == {"OffboardingArn": A, **decision(word=word)}
    assert counted() == {f"Offboardings{word}": 1}


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda record: None,
        lambda record: replace(record, decision=None),
        lambda record: replace(record, decision=decision(), task_token=None),
        lambda record: replace(record, decision=None, task_token=None),
    ],
)
def test_where_the_record_changed_under_the_decision_nobody_waits_any_more(
    awaiting: Table, states: Stubber, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Any], Any]
) -> None:
    reads = iter([awaiting.get(A), meanwhile(awaiting.get(A))])
    monkeypatch.setattr(awaiting.records, "find", lambda arn: next(reads))
    monkeypatch.setattr(awaiting.records, "record_decision", lambda *given: False)

    with pytest.raises(errors.ApprovalNotPending, match="has just stopped waiting"):
        decide(awaiting, decision(SECOND))
