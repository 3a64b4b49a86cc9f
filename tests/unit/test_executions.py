"""How an execution stands, as Step Functions says it."""

import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from offboarding.adapters import executions
from offboarding.adapters.executions import ExecutionStatus, read_execution_status
from offboarding.domain import errors
from offboarding.domain.timestamps import parse
from tests.unit.conftest import NOW, execution

ARN = execution("a")
STARTED, STOPPED = "2026-11-01T00:00:00.000Z", NOW


def answer(status: str, **more: Any) -> dict[str, Any]:
    return {
        "executionArn": ARN,
        "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:offboarding",
        "status": status,
        "startDate": parse(STARTED),
        **({} if status in {"RUNNING", "PENDING_REDRIVE"} else {"stopDate": parse(STOPPED)}),
        **more,
    }


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        (answer("RUNNING"), ExecutionStatus(is_running=True)),
        (answer("PENDING_REDRIVE"), ExecutionStatus(is_running=True)),
        (answer("RUNNING", redriveCount=1), ExecutionStatus(is_running=True, is_redriven=True)),
        (answer("RUNNING", redriveCount=0, input="{}"), ExecutionStatus(is_running=True, input="{}")),
        (
            answer("SUCCEEDED", output=json.dumps({"Outcome": "CleanupVerified"})),
            ExecutionStatus(is_running=False, outcome="CleanupVerified", ended_at=STOPPED),
        ),
        (
            answer("FAILED", error="EntityNotFound", cause="No entity."),
            ExecutionStatus(is_running=False, outcome="EntityNotFound", cause="No entity.", ended_at=STOPPED),
        ),
        (answer("FAILED"), ExecutionStatus(is_running=False, outcome="UnexpectedFailure", ended_at=STOPPED)),
        (
            answer("ABORTED", error="Whatever", cause="by mistake"),
            ExecutionStatus(is_running=False, outcome="Stopped", cause="by mistake", ended_at=STOPPED),
        ),
        (
            answer("TIMED_OUT", error="States.Timeout"),
            ExecutionStatus(is_running=False, outcome="TimedOut", ended_at=STOPPED),
        ),
    ],
)
def test_each_status_means_one_thing(answered: dict[str, Any], expected: ExecutionStatus) -> None:
    with Stubber(executions.states) as stub:
        stub.add_response("describe_execution", answered, {"executionArn": ARN})
        assert read_execution_status(ARN) == expected


@pytest.mark.parametrize("output", [None, "", "{}", "null", "[]", "7", '"CleanupVerified"', "not JSON", '{"Out": 1}'])
def test_a_success_without_an_outcome_is_unexpected(output: str | None) -> None:
    with Stubber(executions.states) as stub:
        stub.add_response("describe_execution", answer("SUCCEEDED", **({} if output is None else {"output": output})))
        assert read_execution_status(ARN).outcome == "UnexpectedFailure"


def test_what_step_functions_has_forgotten_is_over() -> None:
    with Stubber(executions.states) as stub:
        stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
        status = read_execution_status(ARN)

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
def test_where_step_functions_does_not_say_nobody_is_taken_to_be_over(code: str, error: type[Exception]) -> None:
    with Stubber(executions.states) as stub:
        stub.add_client_error("describe_execution", code, "secret")
        with pytest.raises(errors.OffboardingError) as failure:
            read_execution_status(ARN)

    assert type(failure.value) is error
    assert "states:DescribeExecution" in str(failure.value)
    assert "secret" not in str(failure.value)


def test_an_answer_without_a_status_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions.states, "describe_execution", lambda **_: {})

    with pytest.raises(errors.RecordUnavailable, match="without a status"):
        read_execution_status(ARN)


def test_no_answer_of_step_functions_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://states")

    monkeypatch.setattr(executions.states, "describe_execution", fail)
    with pytest.raises(errors.RecordUnavailable, match="EndpointConnectionError"):
        read_execution_status(ARN)
