"""The policy that counts at the moment of a deregistration; without it no entity is deregistered."""

import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from local.defaults import ORGANIZATION_ID
from offboarding.adapters import policy
from offboarding.adapters.policy import Policy, read_policy
from offboarding.domain import errors
from tests.unit.conftest import OTHER_ORGANIZATION_ID, POLICY_PARAMETER, PutPolicy, client, make_raiser

POLICY: dict[str, Any] = {
    "DailyCap": 20,
    "Organizations": {ORGANIZATION_ID: {"Protected": ["ceo", "*@board.example.com"], "ApprovalRequired": ["*"]}},
}


def test_the_policy_of_an_organization_is_read_from_the_parameter(put_policy: PutPolicy) -> None:
    put_policy(json.dumps(POLICY))

    assert read_policy(ORGANIZATION_ID) == Policy(
        daily_cap=20, protected=("ceo", "*@board.example.com"), approval_required=("*",)
    )


def test_a_changed_policy_counts_for_running_executions(put_policy: PutPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "_CACHE_SECONDS", 0)
    put_policy(json.dumps(POLICY))
    assert read_policy(ORGANIZATION_ID).daily_cap == 20

    changed_policy = json.dumps({**POLICY, "DailyCap": 5})
    client("ssm").put_parameter(Name=POLICY_PARAMETER, Type="String", Value=changed_policy, Overwrite=True)

    assert read_policy(ORGANIZATION_ID).daily_cap == 5
    assert policy._CACHE_SECONDS < 60


def test_without_the_parameter_the_settings_are_unavailable(put_policy: PutPolicy) -> None:
    with pytest.raises(errors.SettingsUnavailable, match=r"ssm:GetParameter failed \(ParameterNotFound\)"):
        read_policy(ORGANIZATION_ID)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "null",
        "7",
        "[]",
        "{}",
        json.dumps({"DailyCap": 20}),
        json.dumps({**POLICY, "Organizations": {}}),
        json.dumps({**POLICY, "Organizations": {OTHER_ORGANIZATION_ID: POLICY["Organizations"][ORGANIZATION_ID]}}),
        json.dumps({**POLICY, "Organizations": {ORGANIZATION_ID: {"Protected": []}}}),
        json.dumps({**POLICY, "Organizations": {ORGANIZATION_ID: {"Protected": None, "ApprovalRequired": []}}}),
        json.dumps({"Organizations": POLICY["Organizations"]}),
    ],
)
def test_an_invalid_parameter_makes_the_settings_unavailable(put_policy: PutPolicy, text: str) -> None:
    put_policy(text)

    with pytest.raises(errors.SettingsUnavailable) as failure:
        read_policy(ORGANIZATION_ID)

    assert failure.value.__cause__ is None
    assert "ceo" not in str(failure.value)


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "ParameterNotFound"])
def test_an_error_of_systems_manager_makes_the_settings_unavailable(put_policy: PutPolicy, code: str) -> None:
    with Stubber(policy.provider.client) as stub:
        stub.add_client_error("get_parameter", code, "secret")
        with pytest.raises(errors.SettingsUnavailable) as failure:
            read_policy(ORGANIZATION_ID)

    assert "secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ReadTimeoutError(endpoint_url="https://ssm"), r"^ssm:GetParameter failed \(ReadTimeoutError\)"),
        (RuntimeError("secret"), r"^The settings in Systems Manager cannot be read"),
    ],
)
def test_a_call_to_systems_manager_without_an_answer_makes_the_settings_unavailable(
    put_policy: PutPolicy, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    monkeypatch.setattr(policy.provider.client, "get_parameter", make_raiser(error))

    with pytest.raises(errors.SettingsUnavailable, match=message):
        read_policy(ORGANIZATION_ID)


def test_a_call_that_systems_manager_denies_raises_access_denied(put_policy: PutPolicy) -> None:
    with Stubber(policy.provider.client) as stub:
        stub.add_client_error("get_parameter", "AccessDeniedException")
        with pytest.raises(errors.AccessDenied, match="ssm:GetParameter"):
            read_policy(ORGANIZATION_ID)
