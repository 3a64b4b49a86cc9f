"""Who reported a departure: the same for each way to hear a provider, and different for different people."""

import pytest

from offboarding.domain.reporters import REQUESTS, Reporter

EVENT = {"EventId": "e-1", "OccurredAt": "2026-11-24T09:00:00Z"}


@pytest.mark.parametrize(
    ("provider", "directory"),
    [
        ("identityCenter", "identityCenter"),
        ("identityCenterCloudTrail", "identityCenter"),
        ("identityCenterScim", "identityCenter"),
        ("okta", "okta"),
        ("auth0", "auth0"),
        ("offboardingRequested", REQUESTS),
    ],
)
def test_all_ways_to_hear_a_provider_are_one_reporter(provider: str, directory: str) -> None:
    assert Reporter.of(provider, "u-1") == Reporter(directory, "u-1")
    assert Reporter.of(provider, "u-1") != Reporter.of(provider, "u-2")


@pytest.mark.parametrize(
    ("requester", "reporter"),
    [
        ({"Provider": "okta", "ProviderUserId": "u-1"}, Reporter("okta", "u-1")),
        ({"Provider": "identityCenterScim", "ProviderUserId": "u-1"}, Reporter("identityCenter", "u-1")),
        ({"Provider": "offboardingRequested"}, Reporter(REQUESTS, "e-1")),
    ],
)
def test_the_reporter_behind_an_input_is_the_user_or_the_request(requester: dict[str, str], reporter: Reporter) -> None:
    assert Reporter.of_requester({**EVENT, **requester}) == reporter


def test_all_requests_for_an_entity_are_one_reporter_that_no_request_is() -> None:
    assert Reporter.of_all_requests("m-1/u-1") == Reporter("offboardingRequested", "entity m-1/u-1")


def test_a_reporter_does_not_show_the_id_of_the_user() -> None:
    assert "dana" not in repr(Reporter("okta", "dana@example.com"))
