"""The end of Amazon WorkMail: an execution that reaches it ends as ServiceEnded, not as a failure."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.dynamodb.exceptions import DynamodbException
from moto.dynamodb.responses import DynamoHandler

from local.defaults import ORGANIZATION_ID
from local.workmail.exceptions import CommonError
from tests.workflow.conftest import mark_long

pytestmark = pytest.mark.no_providers

ANSWERS_AFTER_END = [
    ("OrganizationNotFoundException", 400),
    *mark_long(
        ("ServiceUnavailable", 503),
        ("AccessDeniedException", 400),
        ("OrganizationStateException", 400),
        ("UnrecognizedClientException", 400),
        ("NobodyKnowsException", 400),
    ),
]


def end_service(flow: Any, code: str, status: int) -> None:
    """Have WorkMail answer every call with an error from now on."""
    for operation in ("DescribeEntity", "DescribeUser", "DescribeOrganization", "ListUsers", "ListGroups",
                      "ListResources", "ListAliases", "GetMailboxDetails", "DeregisterFromWorkMail"):  # fmt: skip
        flow.inject_error(operation, code, status=status)


@pytest.mark.parametrize(("code", "status"), ANSWERS_AFTER_END)
def test_an_execution_that_continues_after_the_end_of_workmail_ends_as_service_ended(
    make_flow: Callable[..., Any], code: str, status: int
) -> None:
    # The check is due two hours before the end, and is retried until then.
    flow = make_flow(now=datetime(2027, 2, 28, 16, tzinfo=UTC))
    flow.people.create_user("dana")
    arn = flow.start("dana")
    flow.clock.move_to(datetime(2027, 3, 30, 21, tzinfo=UTC))

    def fail_until_the_end(operation: str, _: Any) -> None:
        if flow.clock.now() < datetime(2027, 3, 31, tzinfo=UTC):
            raise CommonError("ServiceUnavailable", "made by the test", 503)

    end_service(flow, code, status)
    flow.backend.before_hooks.insert(0, fail_until_the_end)
    flow.clock.advance(timedelta(days=5))

    result = flow.read_result(arn)
    assert (result.status, result.outcome) == ("SUCCEEDED", "ServiceEnded")
    assert result.states[-1] == "ServiceEnded"
    assert "on or after the day on which Amazon WorkMail ends" in result.output["Explanation"]
    assert result.output["DeregisteredAt"] == "2027-02-28T16:00:00.000Z"
    assert flow.read_record(arn)["Outcome"] == "ServiceEnded"


def test_before_the_end_of_workmail_the_same_answers_keep_their_outcome(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(now=datetime(2027, 3, 10, 9, tzinfo=UTC))
    flow.people.create_user("dana")
    arn = flow.start("dana")
    flow.clock.settle()
    end_service(flow, "AccessDeniedException", 400)
    flow.clock.move_to(datetime(2027, 3, 30, 23, tzinfo=UTC))

    assert flow.read_result(arn).outcome == "AccessDenied"


def test_a_date_just_before_the_end_of_workmail_ends_as_service_ended_if_it_is_too_late(
    make_flow: Callable[..., Any],
) -> None:
    flow = make_flow(now=datetime(2027, 3, 20, 9, tzinfo=UTC))
    flow.people.create_user("dana")
    arn = flow.start("dana", NotBefore="2027-03-30T23:59:59Z")
    flow.clock.settle()

    def end_during_call(operation: str, _: Any) -> None:
        # The call takes two seconds, in which the day ends; the retry happens on the day of the end.
        if flow.clock.now() < datetime(2027, 3, 31, tzinfo=UTC):
            flow.clock.sleep(timedelta(seconds=2))
            raise CommonError("ThrottlingException", "made by the test", 400)

    end_service(flow, "OrganizationNotFoundException", 400)
    flow.backend.before_hooks.insert(0, end_during_call)
    flow.clock.advance(timedelta(days=12))

    result = flow.read_result(arn)
    assert result.outcome == "ServiceEnded"
    assert result.output["DeregisteredAt"] is None
    assert flow.list_calls("DeregisterFromWorkMail") == []


def test_an_organization_deleted_after_the_end_of_workmail_ends_as_service_ended(
    make_flow: Callable[..., Any],
) -> None:
    flow = make_flow(now=datetime(2027, 4, 2, 9, tzinfo=UTC))
    flow.people.create_user("dana")

    def deleted(operation: str, _: Any) -> None:
        if operation == "DescribeOrganization":
            flow.backend.organizations[ORGANIZATION_ID].state = "Deleted"

    flow.backend.before_hooks.append(deleted)

    assert flow.run("dana", days=0).outcome == "ServiceEnded"


def test_an_error_of_another_service_does_not_count_as_the_end_of_workmail(
    make_flow: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = make_flow(now=datetime(2027, 4, 2, 9, tzinfo=UTC))
    flow.deregister(flow.people.create_user("dana"))

    def denied(_: DynamoHandler) -> None:
        raise DynamodbException("AccessDeniedException", "made by the test")

    monkeypatch.setattr(DynamoHandler, "update_item", denied)

    assert flow.run("dana", days=0).outcome == "AccessDenied"


def test_an_execution_started_after_the_end_of_workmail_ends_as_service_ended(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(now=datetime(2027, 4, 2, 9, tzinfo=UTC))
    flow.people.create_user("dana")
    end_service(flow, "OrganizationNotFoundException", 400)

    result = flow.run("dana", days=0)

    assert result.outcome == "ServiceEnded"
    assert result.output["Entity"] is None
    assert result.output["DeregisteredAt"] is None


@pytest.mark.parametrize(
    ("last_operation", "claim"),
    [
        ("DescribeOrganization", "The mailbox was not touched."),
        ("ListAliases", "The mailbox was not touched."),
        ("DeregisterFromWorkMail", "The mailbox may be disabled."),
    ],
)
def test_whether_the_mailbox_was_touched_is_stated_when_workmail_ends(
    make_flow: Callable[..., Any], last_operation: str, claim: str
) -> None:
    flow = make_flow(now=datetime(2027, 3, 30, 23, 59, 50, tzinfo=UTC))
    user = flow.people.create_user("dana")

    def end_after_call(operation: str, _: Any) -> None:
        if operation == last_operation:
            flow.backend.after_hooks.remove(end_after_call)
            flow.clock.sleep(timedelta(seconds=12))
            end_service(flow, "ServiceUnavailable", 503)

    flow.backend.after_hooks.append(end_after_call)

    result = flow.run(user, days=1)

    assert (result.outcome, result.output["DeregisteredAt"]) == ("ServiceEnded", None)
    assert result.output["Explanation"].startswith(claim)
    assert "2027-03-31T00:00:" in result.output["Explanation"]
    assert (flow.read_workmail_state(user)["State"] == "DISABLED") is (last_operation == "DeregisterFromWorkMail")


def test_nothing_is_deregistered_after_the_end_even_if_workmail_still_answers(make_flow: Callable[..., Any]) -> None:
    flow = make_flow(now=datetime(2027, 4, 2, 9, tzinfo=UTC))
    user = flow.people.create_user("dana")

    arn = flow.start("dana")
    flow.pass_days(0)

    result = flow.read_result(arn)
    assert (result.outcome, result.output["DeregisteredAt"]) == ("ServiceEnded", None)
    assert result.output["Explanation"].startswith("The mailbox was not touched. By the settings Amazon WorkMail ended")
    assert flow.read_workmail_state(user)["State"] == "ENABLED"
    flow.process_status_events()
    record = flow.read_record(arn)
    assert (record["Outcome"], record["Status"]) == ("ServiceEnded", "Ended")
    assert flow.list_by_status("InWindow") == []
