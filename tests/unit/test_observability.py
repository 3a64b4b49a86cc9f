"""What every state's handler logs and counts of itself."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from offboarding.domain import errors
from offboarding.edge.observability import observed
from tests.unit.conftest import Context, execution

Counted = Callable[[], dict[str, float]]
EVENT = {"ExecutionArn": execution("a")}


def failing(error: Exception) -> Any:
    @observed
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        raise error

    return handler


def test_what_a_handler_says_no_with_is_logged_by_its_name_alone_and_counted(
    counted: Counted, logged: list[str]
) -> None:
    with pytest.raises(errors.EntityProtected, match="dana"):
        failing(errors.EntityProtected("dana@example.com is protected"))(EVENT, Context())

    assert counted() == {"EntityProtected": 1}
    (line,) = (json.loads(line) for line in logged)
    assert (line["level"], line["message"], line["error"]) == ("WARNING", "failed", "EntityProtected")
    assert line["correlation_id"] == execution("a")
    assert "dana" not in str(line)


def test_what_nobody_foresaw_is_counted_and_raised(counted: Counted, logged: list[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError("dana@example.com"))(EVENT, Context())

    assert counted() == {"UnexpectedErrors": 1}
    assert logged == []


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_what_a_handler_returns_is_returned(counted: Counted) -> None:
    @observed
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Say what it does."""
        return {"Seen": event["ExecutionArn"]}

    assert handler(EVENT, Context()) == {"Seen": execution("a")}
    assert counted() == {}
