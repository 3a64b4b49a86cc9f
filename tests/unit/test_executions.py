"""The status of an execution, as Step Functions shows it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from offboarding.adapters import executions
from offboarding.adapters.executions import (
    ExecutionStatus,
    iterate_ended_executions,
    parse_success,
    read_execution_status,
)
from offboarding.domain import errors
from offboarding.domain.timestamps import parse
from tests.unit.conftest import ARN_A, ARN_B, ARN_C, NOW, make_raiser

STARTED_AT, STOPPED_AT = "2026-11-01T00:00:00.000Z", NOW
STATE_MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:offboarding"
PAGE = {"stateMachineArn": STATE_MACHINE_ARN, "maxResults": 1000}


def make_answer(status: str, **members: Any) -> dict[str, Any]:
    return {
        "executionArn": ARN_A,
        "stateMachineArn": STATE_MACHINE_ARN,
        "status": status,
        "startDate": parse(STARTED_AT),
        **({} if status in {"RUNNING", "PENDING_REDRIVE"} else {"stopDate": parse(STOPPED_AT)}),
        **members,
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (make_answer("RUNNING"), ExecutionStatus(is_running=True)),
        (make_answer("PENDING_REDRIVE"), ExecutionStatus(is_running=True)),
        (make_answer("RUNNING", redriveCount=1), ExecutionStatus(is_running=True, is_redriven=True)),
        (make_answer("RUNNING", redriveCount=0, input="{}"), ExecutionStatus(is_running=True, input="{}")),
        (
            make_answer("SUCCEEDED", output=json.dumps({"Outcome": "CleanupVerified"})),
            ExecutionStatus(is_running=False, outcome="CleanupVerified", started_at=STARTED_AT, ended_at=STOPPED_AT),
        ),
        (
            make_answer("SUCCEEDED", output=json.dumps({"Outcome": "Planned", "Entity": {"Id": "u-1"}})),
            ExecutionStatus(
                is_running=False, outcome="Planned", started_at=STARTED_AT, ended_at=STOPPED_AT, entity={"Id": "u-1"}
            ),
        ),
        (
            make_answer(
                "SUCCEEDED", output=json.dumps({"Outcome": "AlreadyInProgress", "OtherExecutionArn": "arn:other"})
            ),
            ExecutionStatus(
                is_running=False,
                outcome="AlreadyInProgress",
                started_at=STARTED_AT,
                ended_at=STOPPED_AT,
                other_execution_arn="arn:other",
            ),
        ),
        (
            make_answer("FAILED", error="EntityNotFound", cause="No entity."),
            ExecutionStatus(
                is_running=False,
                outcome="EntityNotFound",
                cause="No entity.",
                started_at=STARTED_AT,
                ended_at=STOPPED_AT,
            ),
        ),
        (
            make_answer("FAILED"),
            ExecutionStatus(is_running=False, outcome="UnexpectedFailure", started_at=STARTED_AT, ended_at=STOPPED_AT),
        ),
        (
            make_answer("ABORTED", error="Whatever", cause="by mistake"),
            ExecutionStatus(
                is_running=False, outcome="Stopped", cause="by mistake", started_at=STARTED_AT, ended_at=STOPPED_AT
            ),
        ),
        (
            make_answer("TIMED_OUT", error="States.Timeout"),
            ExecutionStatus(is_running=False, outcome="TimedOut", started_at=STARTED_AT, ended_at=STOPPED_AT),
        ),
    ],
)
def test_each_answer_is_parsed_into_a_status(answer: dict[str, Any], expected: ExecutionStatus) -> None:
    with Stubber(executions.states) as stub:
        stub.add_response("describe_execution", answer, {"executionArn": ARN_A})
        assert read_execution_status(ARN_A) == expected


@pytest.mark.parametrize("output", [None, "", "{}", "null", "[]", "7", '"CleanupVerified"', "not JSON", '{"Out": 1}'])
def test_a_success_without_an_outcome_is_an_unexpected_failure(output: str | None) -> None:
    with Stubber(executions.states) as stub:
        stub.add_response(
            "describe_execution", make_answer("SUCCEEDED", **({} if output is None else {"output": output}))
        )
        assert read_execution_status(ARN_A).outcome == "UnexpectedFailure"


def test_an_execution_that_step_functions_does_not_know_is_forgotten() -> None:
    with Stubber(executions.states) as stub:
        stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
        status = read_execution_status(ARN_A)

    assert (status.is_running, status.outcome, status.ended_at) == (False, "Forgotten", None)
    assert "90 days" in (status.cause or "")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ThrottlingException", errors.RecordUnavailable),
        ("InternalServerError", errors.RecordUnavailable),
        ("InvalidArn", errors.RecordUnavailable),
        ("AccessDeniedException", errors.AccessDenied),
    ],
)
def test_each_error_of_step_functions_is_mapped_to_one_error(code: str, error: type[Exception]) -> None:
    with Stubber(executions.states) as stub:
        stub.add_client_error("describe_execution", code, "secret")
        with pytest.raises(errors.OffboardingError) as failure:
            read_execution_status(ARN_A)

    assert type(failure.value) is error
    assert "states:DescribeExecution" in str(failure.value)
    assert "secret" not in str(failure.value)


def test_an_answer_without_a_status_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions.states, "describe_execution", lambda **_: {})

    with pytest.raises(errors.RecordUnavailable, match="without a status"):
        read_execution_status(ARN_A)


def test_a_call_to_step_functions_without_an_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    error = EndpointConnectionError(endpoint_url="https://states")
    monkeypatch.setattr(executions.states, "describe_execution", make_raiser(error))

    with pytest.raises(errors.RecordUnavailable, match="EndpointConnectionError"):
        read_execution_status(ARN_A)


def make_detail(**members: Any) -> dict[str, Any]:
    """Make the detail of the event of a success."""
    return {
        "executionArn": ARN_A,
        "status": "SUCCEEDED",
        "startDate": 1793491200123,
        "stopDate": 1793491201000,
        "input": '{"EntityId": "dana"}',
        "output": '{"Outcome": "Planned", "Entity": {"Id": "u-1"}}',
        **members,
    }


def test_the_event_of_a_success_has_the_whole_status() -> None:
    assert parse_success(make_detail()) == ExecutionStatus(
        is_running=False,
        input='{"EntityId": "dana"}',
        outcome="Planned",
        started_at="2026-11-01T00:00:00.123Z",
        ended_at="2026-11-01T00:00:01.000Z",
        entity={"Id": "u-1"},
    )


def test_the_event_of_a_success_without_an_entity_has_none() -> None:
    status = parse_success(make_detail(output='{"Outcome": "CleanupVerified"}'))

    assert status is not None
    assert (status.outcome, status.entity) == ("CleanupVerified", None)


@pytest.mark.parametrize("name", ["status", "startDate", "stopDate", "input", "output"])
def test_an_event_that_lacks_a_member_leaves_a_doubt(name: str) -> None:
    assert parse_success(make_detail(**{name: None})) is None
    assert parse_success({key: value for key, value in make_detail().items() if key != name}) is None


@pytest.mark.parametrize(
    "members",
    [
        *({"status": status} for status in ("FAILED", "ABORTED", "TIMED_OUT", "RUNNING", "PENDING_REDRIVE")),
        *({"output": output} for output in ("", "no JSON", "[]", "null", "{}", '{"Out": 1}')),
        {"startDate": "2026-11-01T00:00:00Z"},
        {"stopDate": 1793491201.5},
        {"input": ""},
    ],
)
def test_an_event_that_is_no_whole_success_leaves_a_doubt(members: dict[str, Any]) -> None:
    assert parse_success(make_detail(**members)) is None


def make_page_entry(execution_arn: str, elapsed: timedelta | None) -> dict[str, Any]:
    """Make the entry of an execution in a page; it runs if nothing has elapsed until its end."""
    return {
        "executionArn": execution_arn,
        "stateMachineArn": STATE_MACHINE_ARN,
        "name": execution_arn.rpartition(":")[2],
        "status": "RUNNING" if elapsed is None else "SUCCEEDED",
        "startDate": parse(STARTED_AT),
        **({} if elapsed is None else {"stopDate": parse(STARTED_AT) + elapsed}),
    }


@pytest.fixture
def patient_states(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client that lists executions: it tries five times, and is made when they are listed."""
    patient_client = executions.client("stepfunctions", attempts=5)

    def make_client(service: str, *, attempts: int) -> Any:
        assert (service, attempts) == ("stepfunctions", 5)
        return patient_client

    monkeypatch.setattr(executions, "client", make_client)
    return patient_client


def test_the_executions_are_listed_with_five_attempts(patient_states: Any) -> None:
    assert patient_states.meta.config.retries["total_max_attempts"] == 5
    assert executions.states.meta.config.retries["total_max_attempts"] == 1


def test_the_ended_executions_are_read_to_the_last_page(patient_states: Any) -> None:
    second, day = timedelta(seconds=1), timedelta(days=1)
    with Stubber(patient_states) as stub:
        page = [make_page_entry(ARN_A, second), make_page_entry(ARN_B, None)]
        stub.add_response("list_executions", {"executions": page, "nextToken": "next"}, PAGE)
        stub.add_response("list_executions", {"executions": [], "nextToken": "last"}, {**PAGE, "nextToken": "next"})
        page = [make_page_entry(ARN_C, day)]
        stub.add_response("list_executions", {"executions": page}, {**PAGE, "nextToken": "last"})

        ended = list(iterate_ended_executions(STATE_MACHINE_ARN))

        stub.assert_no_pending_responses()
    assert ended == [(ARN_A, parse(STARTED_AT) + second), (ARN_C, parse(STARTED_AT) + day)]


def test_a_list_of_executions_whose_token_repeats_is_unavailable(patient_states: Any) -> None:
    with Stubber(patient_states) as stub:
        for token in ("a", "b", "a"):
            stub.add_response("list_executions", {"executions": [], "nextToken": token})
        with pytest.raises(errors.RecordUnavailable, match="states:ListExecutions was answered with the token"):
            list(iterate_ended_executions(STATE_MACHINE_ARN))
        stub.assert_no_pending_responses()


def test_a_page_without_executions_is_empty(monkeypatch: pytest.MonkeyPatch, patient_states: Any) -> None:
    monkeypatch.setattr(patient_states, "list_executions", lambda **_: {})

    assert list(iterate_ended_executions(STATE_MACHINE_ARN)) == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ThrottlingException", errors.RecordUnavailable),
        ("StateMachineDoesNotExist", errors.RecordUnavailable),
        ("AccessDeniedException", errors.AccessDenied),
    ],
)
def test_each_error_of_a_later_page_is_mapped_to_one_error(
    patient_states: Any, code: str, error: type[Exception]
) -> None:
    with Stubber(patient_states) as stub:
        stub.add_response("list_executions", {"executions": [], "nextToken": "next"})
        stub.add_client_error("list_executions", code, "secret")
        with pytest.raises(errors.OffboardingError) as failure:
            list(iterate_ended_executions(STATE_MACHINE_ARN))

    assert type(failure.value) is error
    assert "states:ListExecutions" in str(failure.value)
    assert "secret" not in str(failure.value)


def test_a_page_without_an_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch, patient_states: Any) -> None:
    error = EndpointConnectionError(endpoint_url="https://states")
    monkeypatch.setattr(patient_states, "list_executions", make_raiser(error))

    with pytest.raises(errors.RecordUnavailable, match=r"states:ListExecutions failed \(EndpointConnectionError\)"):
        list(iterate_ended_executions(STATE_MACHINE_ARN))
