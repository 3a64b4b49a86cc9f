"""The organizations and providers by which events of identity providers are read."""

import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from local.defaults import ACCOUNT, ORGANIZATION_ID, REGION
from offboarding.adapters import intake_settings, parameters
from offboarding.adapters.intake_settings import (
    ConfiguredOrganization,
    ProviderSettings,
    read_intake_settings,
)
from offboarding.domain import errors
from tests.unit.conftest import (
    INTAKE_SETTINGS_PATH,
    OTHER_ORGANIZATION_ID,
    PutIntakeSettings,
    client,
    configure,
    make_raiser,
)

STORE = "d-1234567890"
ORGANIZATIONS: dict[str, Any] = {
    ORGANIZATION_ID: {"MailDomains": ["example.com", "sub.example.com"], "IdentityStores": [STORE]},
    OTHER_ORGANIZATION_ID: {"MailDomains": [], "IdentityStores": []},
}


@pytest.fixture(autouse=True)
def state_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(
        monkeypatch,
        STATE_MACHINE_ARN=f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:offboarding",
        DEAD_LETTER_QUEUE_URL="not used",
        DRY_RUN="false",
    )


def test_organizations_and_providers_are_read_from_their_parameters(put_intake_settings: PutIntakeSettings) -> None:
    put_intake_settings(
        ORGANIZATIONS,
        {
            "identityCenter": {"UserUpdated": True},
            "identityCenterScim": {"Tenants": {"tenant-1": STORE}},
            "okta": {"OrganizationId": ORGANIZATION_ID, "EventSource": "aws.partner/okta.com/x"},
            "sailpoint": {"AccountSources": ["hr", "payroll"]},
        },
    )

    settings = read_intake_settings()

    assert {organization.id: organization for organization in settings.organizations} == {
        ORGANIZATION_ID: ConfiguredOrganization(
            ORGANIZATION_ID, frozenset({"example.com", "sub.example.com"}), frozenset({STORE})
        ),
        OTHER_ORGANIZATION_ID: ConfiguredOrganization(OTHER_ORGANIZATION_ID, frozenset(), frozenset()),
    }
    assert settings.providers == {
        "identityCenter": ProviderSettings(reads_user_updates=True),
        "identityCenterScim": ProviderSettings(tenants={"tenant-1": STORE}),
        "okta": ProviderSettings(
            organization_id=ORGANIZATION_ID, event_source="aws.partner/okta.com/x", account=ACCOUNT
        ),
        "sailpoint": ProviderSettings(account_sources=frozenset({"hr", "payroll"})),
    }


def test_parameters_that_are_not_of_this_kind_are_passed_over(put_intake_settings: PutIntakeSettings) -> None:
    put_intake_settings({ORGANIZATION_ID: ORGANIZATIONS[ORGANIZATION_ID], "default": 7}, {})
    for name in ("more", "providers/okta/more"):
        client("ssm").put_parameter(Name=f"{INTAKE_SETTINGS_PATH}/{name}", Type="String", Value="{}")
    client("ssm").put_parameter(Name=f"{INTAKE_SETTINGS_PATH}-2/providers/okta", Type="String", Value="{}")

    settings = read_intake_settings()

    assert ([o.id for o in settings.organizations], settings.providers) == ([ORGANIZATION_ID], {})


@pytest.mark.parametrize(
    ("organizations", "providers", "fault"),
    [
        ({}, {"okta": {}}, f"There is no parameter of an organization below {INTAKE_SETTINGS_PATH}."),
        ({ORGANIZATION_ID: None}, {}, f"The parameter organizations/{ORGANIZATION_ID} must be a JSON object."),
        (
            {ORGANIZATION_ID: {"MailDomains": []}},
            {},
            f"The parameter organizations/{ORGANIZATION_ID} lacks IdentityStores, which must be a list of texts.",
        ),
        (
            {ORGANIZATION_ID: {"MailDomains": "example.com", "IdentityStores": []}},
            {},
            "MailDomains must be a list of texts.",
        ),
        (ORGANIZATIONS, {"okta": []}, "The parameter providers/okta must be a JSON object."),
        (ORGANIZATIONS, {"okta": {"EventSource": 7}}, "EventSource must be a partner event source."),
        (ORGANIZATIONS, {"sailpoint": {"AccountSources": "hr"}}, "AccountSources must be a list of texts."),
        (ORGANIZATIONS, {"identityCenter": {"UserUpdated": "true"}}, "UserUpdated must be true or false."),
        (
            ORGANIZATIONS,
            {"identityCenterScim": {"Tenants": {"t": 1}}},
            "Tenants.t must be the id of an identity store.",
        ),
    ],
)
def test_damaged_parameters_make_the_settings_unavailable(
    put_intake_settings: PutIntakeSettings, organizations: dict[str, Any], providers: dict[str, Any], fault: str
) -> None:
    put_intake_settings(organizations, providers)

    with pytest.raises(errors.SettingsUnavailable) as failure:
        read_intake_settings()

    assert str(failure.value).startswith(f"The settings in Systems Manager are damaged. {fault} Deploy the stack again")


def test_a_parameter_that_is_no_json_makes_the_settings_unavailable(put_intake_settings: PutIntakeSettings) -> None:
    put_intake_settings(ORGANIZATIONS, {})
    client("ssm").put_parameter(Name=f"{INTAKE_SETTINGS_PATH}/providers/okta", Type="String", Value="no JSON")

    with pytest.raises(errors.SettingsUnavailable, match=r"A parameter is no JSON\."):
        read_intake_settings()


def test_the_parameters_are_read_once_in_some_minutes(put_intake_settings: PutIntakeSettings) -> None:
    put_intake_settings(ORGANIZATIONS, {"okta": {}})
    assert read_intake_settings().providers.keys() == {"okta"}
    value = json.dumps({})
    client("ssm").put_parameter(Name=f"{INTAKE_SETTINGS_PATH}/providers/auth0", Type="String", Value=value)

    assert read_intake_settings().providers.keys() == {"okta"}
    parameters.provider.clear_cache()
    assert read_intake_settings().providers.keys() == {"auth0", "okta"}
    assert 60 <= intake_settings._CACHE_SECONDS <= 600


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ThrottlingException", errors.SettingsUnavailable),
        ("InternalServerError", errors.SettingsUnavailable),
        ("AccessDeniedException", errors.AccessDenied),
    ],
)
def test_an_error_of_systems_manager_has_its_meaning(
    put_intake_settings: PutIntakeSettings, code: str, error: type[errors.OffboardingError]
) -> None:
    with Stubber(parameters.provider.client) as stub:
        stub.add_client_error("get_parameters_by_path", code, "secret")
        with pytest.raises(error, match="ssm:GetParametersByPath") as failure:
            read_intake_settings()

    assert "secret" not in str(failure.value)


def test_an_answer_that_never_comes_makes_the_settings_unavailable(
    put_intake_settings: PutIntakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ReadTimeoutError(endpoint_url="https://ssm")
    monkeypatch.setattr(parameters.provider.client, "get_paginator", make_raiser(error))

    with pytest.raises(errors.SettingsUnavailable, match=r"^ssm:GetParametersByPath failed \(ReadTimeoutError\)"):
        read_intake_settings()
