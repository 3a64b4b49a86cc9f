"""Who a refused event is about: the leaver, and never the administrator."""

import json
from pathlib import Path
from typing import Any

import pytest

from operate.queues.command import _explain
from operate.queues.letters import Letter
from operate.queues.subjects import NOBODY, describe_subject

_EVENTS = Path(__file__).parents[3] / "examples" / "events"
_IDENTITY_CENTER_USER = "94482488-3041-7097-2d41-0242ac120002"
_SUBJECTS = {
    "auth0-management-api-delete-by-admin": "auth0|5f0000000000000000000001",
    "auth0-successful-user-deletion": "dana.leaver@example.com, auth0|5f0000000000000000000001",
    "identity-center-cloudtrail-disable-user": _IDENTITY_CENTER_USER,
    "identity-center-scim-delete-user": _IDENTITY_CENTER_USER,
    "identity-center-scim-patch-user": _IDENTITY_CENTER_USER,
    "identity-center-scim-put-user": _IDENTITY_CENTER_USER,
    "identity-center-user-deleted": _IDENTITY_CENTER_USER,
    "identity-center-user-updated": _IDENTITY_CENTER_USER,
    "offboarding-requested": "dana.leaver@example.com",
    "okta-user-lifecycle-deactivate": 'dana.leaver@example.com, Dana "DJ" Leaver, 00uleaver00000000001',
    "okta-user-lifecycle-suspend": "sam.suspended@example.com, Sam Suspended, 00uleaver00000000002",
    "sailpoint-account-deleted": "dana.leaver@example.com, Dana Leaver, dana.leaver",
}


@pytest.mark.parametrize("name", sorted(path.stem for path in _EVENTS.glob("*.json")))
def test_each_known_event_names_the_leaver(name: str) -> None:
    assert describe_subject(json.loads((_EVENTS / f"{name}.json").read_text())) == _SUBJECTS[name]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"detail": None},
        {"detail": {"target": "x", "data": [1], "identity": {"email": 5}}},
        {"detail": {"target": [None, {"type": "User", "alternateId": " "}]}},
        {"detail": {"data": {"type": "sapi", "user_name": "admin@example.com", "details": {"request": {}}}}},
    ],
)
def test_an_event_of_another_form_names_nobody(event: dict[str, Any]) -> None:
    assert describe_subject(event) == NOBODY


def test_applications_among_the_targets_of_okta_are_left_out() -> None:
    targets = [{"type": "AppInstance", "alternateId": "Payroll"}, {"type": "User", "alternateId": "dana@example.com"}]

    assert describe_subject({"detail": {"target": targets}}) == "dana@example.com"


def test_a_batch_of_the_stream_that_was_given_up_is_not_said_to_be_sendable() -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    body = '{"requestContext": {}, "DDBStreamBatchInfo": {"batchSize": 2}}'

    assert "cannot be sent again" in _explain(Letter("id", "receipt", body, None, "2026-11-22T12:00:00Z"))
