"""The status of an execution, as Step Functions shows it."""

import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from offboarding.adapters import executions
from offboarding.adapters.executions import ExecutionStatus, read_execution_status
from offboarding.domain import errors
from offboarding.domain.timestamps import parse
from tests.unit.conftest import ARN_A, NOW, make_raiser

STARTED_AT, STOPPED_AT = "2026-11-01T00:00:00.000Z", NOW


def make_answer(status: str, **members: Any) -> dict[str, Any]:
    return {
        "executionArn": ARN_A,
        "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:offboarding",
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
