"""The checks of an execution's input that several handlers share."""

from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.domain.errors import InvalidRequest
from offboarding.edge.inputs import requesters, require_configured_organization, require_requester
from offboarding.edge.steps import RecordedRequest
from tests.unit.conftest import OTHER_ORGANIZATION_ID, PutPolicy, configure, make_policy


def test_a_configured_organization_is_accepted(put_policy: PutPolicy) -> None:
    put_policy(make_policy())

    require_configured_organization(ORGANIZATION_ID)


@pytest.mark.parametrize("organization_id", [OTHER_ORGANIZATION_ID, ORGANIZATION_ID[:-1], ""])
def test_an_organization_that_is_not_configured_is_an_invalid_request(
    put_policy: PutPolicy, organization_id: str
) -> None:
    put_policy(make_policy())

    with pytest.raises(InvalidRequest) as failure:
        require_configured_organization(organization_id)

    assert str(failure.value) == (
        f"OrganizationId {organization_id} is not configured in this stack. It has to be one of "
        "offboarding.organizations in cdk.json. Correct the input, or add the organization and deploy."
    )


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, set()),
        ({"Reason": "left"}, set()),
        ({"RequestedBy": ""}, set()),
        ({"RequestedBy": "Boss@Example.com"}, {"boss@example.com"}),
        ({"Requester": {"Provider": "okta", "EventId": "e-1"}}, set()),
        ({"Requester": {"Provider": "okta", "EventId": "e-1", "RequestedBy": "IT.Admin"}}, {"it.admin"}),
        (
            {"RequestedBy": "boss", "Requester": {"Provider": "okta", "EventId": "e-1", "RequestedBy": "IT.Admin"}},
            {"boss", "it.admin"},
        ),
    ],
)
def test_the_requesters_are_the_persons_in_the_input_and_in_the_event(
    request_: RecordedRequest, expected: set[str]
) -> None:
    assert requesters(request_) == expected


@pytest.mark.parametrize("request_", [{"RequestedBy": "boss"}, {"Requester": {"Provider": "okta", "EventId": "e-1"}}])
def test_a_person_or_an_identity_provider_is_a_requester(monkeypatch: pytest.MonkeyPatch, request_: Any) -> None:
    configure(monkeypatch, REQUIRE_REQUESTED_BY="true")

    require_requester(request_)


def test_a_missing_requester_is_refused_only_if_the_settings_require_one(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, REQUIRE_REQUESTED_BY="false")
    require_requester({"Reason": "left"})

    configure(monkeypatch, REQUIRE_REQUESTED_BY="true")
    with pytest.raises(InvalidRequest, match="lacks RequestedBy, which this stack requires"):
        require_requester({"Reason": "left"})
