"""The log and the metrics of the handler of each state."""

import json
from typing import Any

import pytest

from offboarding.domain import errors
from offboarding.edge.observability import observed
from tests.unit.conftest import ARN_A, Context, ReadMetrics

EVENT = {"ExecutionArn": ARN_A}


def make_failing_handler(error: Exception) -> Any:
    @observed
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        raise error

    return handler


def test_an_offboarding_error_is_logged_by_its_name_alone_and_counted(
    read_metrics: ReadMetrics, log_lines: list[str]
) -> None:
    with pytest.raises(errors.EntityProtected, match="dana"):
        make_failing_handler(errors.EntityProtected("dana@example.com is protected"))(EVENT, Context())

    assert read_metrics() == {"EntityProtected": 1}
    (line,) = (json.loads(line) for line in log_lines)
    assert (line["level"], line["message"], line["error"]) == ("WARNING", "failed", "EntityProtected")
    assert line["correlation_id"] == ARN_A
    assert "dana" not in str(line)


def test_an_unexpected_error_is_logged_under_the_execution_by_its_type_alone_and_counted(
    read_metrics: ReadMetrics, log_lines: list[str]
) -> None:
    with pytest.raises(ZeroDivisionError):
        make_failing_handler(ZeroDivisionError("dana@example.com"))(EVENT, Context())

    assert read_metrics() == {"UnexpectedErrors": 1}
    (line,) = (json.loads(line) for line in log_lines)
    assert (line["level"], line["message"], line["error"]) == ("ERROR", "failed unexpectedly", "ZeroDivisionError")
    assert line["correlation_id"] == ARN_A
    assert "dana" not in str(line)
    assert "exception" not in line, "a traceback has the values that the error is about"


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_the_result_of_the_handler_is_returned(read_metrics: ReadMetrics) -> None:
    @observed
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        return {"Seen": event["ExecutionArn"]}

    assert handler(EVENT, Context()) == {"Seen": ARN_A}
    assert read_metrics() == {}
