"""The input of another attempt after a failure: who asks for it, and why."""

from typing import Any

import pytest

from operate.account import Account
from operate.retry.failures import Failure, build_request

RECORD = {"Id": "arn:1", "OrganizationId": "m-1", "EntityId": "dana", "RequestedBy": "hr"}


def build(requested_by: str = "erin", **members: Any) -> dict[str, Any]:
    request, _ = build_request(Account(), Failure(RECORD | members, None, "No"), requested_by)
    return dict(request)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ({}, "Again, for hr."),
        ({"Reason": "left"}, "Again, for hr: left"),
        ({"Reason": "x" * 1024}, f"Again, for hr: {'x' * 1009}"),
    ],
)
def test_who_tries_again_asks_for_it_and_the_reason_names_the_first_requester(
    reason: dict[str, str], text: str
) -> None:
    request = build(**reason)

    assert (request["RequestedBy"], request["Reason"]) == ("erin", text)


def test_who_asked_before_needs_no_mention_of_the_same_person() -> None:
    request = build("hr", Reason="left")

    assert (request["RequestedBy"], request["Reason"]) == ("hr", "left")


def test_the_requester_of_an_event_stays() -> None:
    requester = {"Provider": "okta", "EventId": "e-1"}
    request = build(Requester=requester)

    assert request["Requester"] == requester
